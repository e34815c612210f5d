"""Offers at an order, against the twin."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import CLOSE, compare, compare_books, compare_events
from rooms import Moment, agree, interpreted, moments
from twin import offers as twin
from twin.books import Records, post_revenue
from twin.cases import Case, random_case
from twin.life import simulate

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Life

OFFERS = interpreted("offers")
KINDS: dict[str, dict[str, Any]] = {
    "one": {"offers": 1, "customers": 60},
    "several": {"offers": 3, "customers": 60},
    "newcomers": {"offers": 2, "newcomers": True, "customers": 60, "worlds": 6},
    "opportunities": {"offers": 2, "opportunities": "chance"},
}


def at_order(moment: Moment, gain: float, revenue: float = 0.0) -> tuple[Life, float, float]:
    opened = moment.opened
    room = opened.deals, moment.run, opened.ground.book, opened.rare, None, moment.path, moment.place()
    return OFFERS.at_order(*room, moment.life, gain, revenue)


@pytest.mark.parametrize("kind", KINDS)
def test_offers_at_an_order(kind: str) -> None:
    """Posts, events, gains, and what later orders owe to them."""
    case = random_case(70, **KINDS[kind])
    records, r, opened = Records(), np.random.default_rng(70), None
    for moment in moments(case):
        opened, gain = moment.opened, float(r.normal(10, 30))
        life, total, revenue = at_order(moment, gain, 5.0)
        outcome = twin.at_order(case, records, moment.customer, moment.twin)
        np.testing.assert_allclose(total - gain, outcome.gain, **CLOSE)
        np.testing.assert_allclose(revenue, 5.0 + sum(outcome.prices), **CLOSE)
        np.testing.assert_allclose(life.budget.spent - moment.life.budget.spent, outcome.hazard, **CLOSE)
        agree(moment, life._replace(budget=moment.life.budget))
        for price in outcome.prices:
            post_revenue(records, moment.customer, moment.twin.day, price)
    assert opened is not None
    compare_books(case, records, opened.out)
    compare_events(records, opened.trace)
    kinds = opened.trace[:, 2]
    for kind_of_event in (ks.TRACE_TAKEN, ks.TRACE_DECLINED, ks.TRACE_REFUND):
        assert (kinds == kind_of_event).sum() > 5


def test_who_is_shown_an_offer() -> None:
    """By group and week, and by the number of the order, of which the last entry holds for all later ones."""
    case = random_case(71, offers=3)
    shown = 0
    for moment in moments(case):
        for offer in range(3):
            for number in (0, 1, 30, 63):
                expected = (
                    case.offers.active[offer, moment.customer.group, moment.place().week]
                    and (case.offers.on_order[offer, number])
                )
                answer = OFFERS.is_shown(
                    moment.opened.deals, offer, moment.run, moment.path, moment.place().week, number
                )
                assert answer == expected
                shown += expected
    assert shown > 100


def test_orders_count_from_those_before_the_run() -> None:
    """An offer at the third order of all: opportunities without an order do not count, nor is there a 65th entry."""
    case = random_case(72, offers=1, opportunities="chance")
    moment = next(moments(case))
    on_order = np.zeros((1, 64), bool)
    on_order[0, 2] = True
    always = case.offers._replace(
        on_order=ks.seal(on_order, np.bool_), active=ks.seal(np.ones_like(case.offers.active), np.bool_)
    )
    moment = next(moments(replace(case, offers=always)))
    for before, tick, skipped, shown in ((0, 2, 0, True), (1, 4, 3, True), (1, 4, 2, False), (2, 0, 0, True)):
        moment.path = moment.path._replace(orders_before=before)
        moment.life = moment.life._replace(now=moment.life.now._replace(tick=tick, skipped=skipped))
        line = moment.opened.out.calendar[moment.path.w, moment.path.half, ks.BASE_LINES + ks.SHOWN, 0]
        count = line.sum()
        at_order(moment, 0.0)
        assert (line.sum() > count) == shown
    moment.path = moment.path._replace(orders_before=100)
    at_order(moment, 0.0)


@pytest.mark.parametrize(("declined", "annoyed"), [(0, False), (1, False), (2, True), (3, True)])
def test_annoyance_begins_beyond_the_patience(declined: int, annoyed: bool) -> None:
    """Refusals of another offer do not count."""
    case = random_case(73, offers=2)
    patient = replace(case, offers=case.offers._replace(patience=ks.seal(np.full((3, 2), 2.0))))
    moment = next(moments(patient))
    memory = moment.opened.deals.memory.reshape(ks.MEMORIES, 2)
    memory[:3] = [[9.0, declined], [-0.3, -0.1], [np.inf, np.inf]]
    push = OFFERS.decline_offer(moment.opened.deals, 1, moment.opened.rare, moment.path, moment.life)
    at = moment.path.w, 1
    hazard, damping = (case.offers.decline_hazard[at], case.offers.decline_rate[at]) if annoyed else (0.0, 0.0)
    assert push == (0.0, 0.0, hazard, 1.0, damping, 0.0)
    np.testing.assert_allclose(memory[:2], [[9.0, declined + 1], [-0.3, -0.1 + damping]])
    OFFERS.forget(moment.opened.deals)
    assert not memory.any()


@pytest.mark.parametrize("kind", KINDS)
def test_damping_heals(kind: str) -> None:
    """By half a week here; the rest of the gap is lived through at the new rate, and at last all is as before."""
    case = random_case(76, **KINDS[kind])
    case = replace(case, offers=case.offers._replace(healing=ks.seal(np.full_like(case.offers.take, 0.5))))
    count = case.offers.key.size
    for moment in list(moments(case))[::5]:
        memory = moment.opened.deals.memory.reshape(ks.MEMORIES, count)
        memory[ks.DAMPING] = -0.2
        now, damping = moment.life.now._replace(t=70.0, due=100.0, guess=100.0), np.exp(-0.2 * count)
        life = moment.life._replace(
            now=now, terms=moment.life.terms._replace(pace=0.7, damping=damping, heals=70.0, size=1.3)
        )
        run = moment.run._replace(paced=False)
        after, terms = OFFERS.at_healing(moment.opened.deals, run, moment.weeks, moment.opened.rare, moment.path, life)
        np.testing.assert_allclose(memory[ks.DAMPING], -0.1)
        assert terms == pytest.approx((0.7, np.exp(-0.1 * count), 77.0, life.terms.owed, 1.3))
        left = 30.0 * np.exp(-0.1 * count)
        assert after.due == (100.0 if case.at_intervals else pytest.approx(70.0 + left))
        memory[ks.DAMPING] = -1.5e-4
        _, terms = OFFERS.at_healing(moment.opened.deals, run, moment.weeks, moment.opened.rare, moment.path, life)
        assert not memory[ks.DAMPING].any()
        assert terms == (0.7, 1.0, np.inf, life.terms.owed, 1.3)


def all_taken(case: Case, refund: float) -> Case:
    one = np.ones_like(case.offers.take)
    offers = case.offers._replace(
        take=ks.seal(one),
        refund=ks.seal(refund * one),
        active=ks.seal(np.ones_like(case.offers.active), np.bool_),
    )
    return replace(case, offers=offers)


@pytest.mark.parametrize("refund", [0.0, 1.0])
def test_a_taken_offer(refund: float) -> None:
    """Price less cost; with a refund the price goes back, goods come back and no later order is replaced.

    Revenue of the cohort in any case.
    """
    case = all_taken(random_case(74, offers=1), refund)
    for moment in list(moments(case))[::7]:
        life, gain, revenue = at_order(moment, 3.0, 4.0)
        at = moment.path.w, 0
        price, cost, returned = (getattr(case.offers, name)[at] for name in ("price", "cost", "returned"))
        assert gain == pytest.approx(3.0 - cost + price * (1 - refund) + refund * returned)
        assert revenue == 4.0 + price
        displaced = case.offers.cannibalised[at] * price * (1 - refund)
        assert life.terms.owed - moment.life.terms.owed == pytest.approx(displaced)
        assert life.terms.pace == pytest.approx(moment.life.terms.pace * case.offers.accept_rate[at])
        assert (life.terms.damping, life.terms.heals) == (moment.life.terms.damping, moment.life.terms.heals)
    out = moment.opened.out
    lines = [out.calendar[:, :, ks.BASE_LINES + line, 0].sum() for line in (ks.SHOWN, ks.TAKEN, ks.REFUNDED)]
    assert lines == [lines[0], lines[0], refund * lines[0]]
    assert out.cohort[:, :, ks.COHORT_REVENUE].sum() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_lives_with_offers_only(kind: str) -> None:
    case = random_case(75, **KINDS[kind])
    compare(case, simulate(case), *case.run()[:2])
