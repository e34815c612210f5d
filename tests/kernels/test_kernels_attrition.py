"""The survival budget, against the twin's walk through the weeks and sums worked out by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare
from rooms import Moment, interpreted, moments
from twin import attrition as twin
from twin import pace
from twin.cases import random_case
from twin.life import simulate

from clvsim.kernels.state import Budget
from clvsim.kernels.structs import STEADY, TRACE_DEATH

ATTRITION = interpreted("attrition")
KINDS: dict[str, dict[str, Any]] = {
    "steady": {"law": "time"},
    "not marked as steady": {"law": "time"},
    "tables": {"law": "time", "tables": True},
    "contacts": {"law": "order", "contacts": 2},
    "contacts and tables": {"law": "both", "contacts": 2, "tables": True, "newcomers": True},
}


def at_day(kind: str, seed: int, **more: Any) -> list[Moment]:
    case = random_case(seed, months=30, **KINDS[kind] | more)
    return list(moments(case, toggled=STEADY if kind == "not marked as steady" else 0))


def test_charges_add_up() -> None:
    budget = Budget(0.25, 2.0, True)
    assert ATTRITION.add_hazard(budget, 0.5) == Budget(0.75, 2.0, True)
    assert ATTRITION.end_life(budget) == Budget(0.25, 2.0, False)


@pytest.mark.parametrize(("spent", "alive"), [(1.99, True), (2.0, False), (2.5, False)])
def test_a_customer_is_lost_when_the_hazard_reaches_the_limit(spent: float, alive: bool) -> None:
    moment = next(moments(random_case(0)))
    assert ATTRITION.check_limit(None, moment.path, Budget(spent, 2.0, True)) == Budget(spent, 2.0, alive)


def test_the_limit_is_drawn_when_some_hazard_has_been_spent() -> None:
    for moment in moments(random_case(0)):
        limits, limit = moment.opened.ground.kept.limit, moment.twin.traits.limit
        untouched = Budget(0.0, -1.0, True)
        assert ATTRITION.check_limit(limits, moment.path, untouched) is untouched
        assert ATTRITION.with_limit(limits, moment.path, untouched) == Budget(0.0, limit, True)
        assert ATTRITION.check_limit(limits, moment.path, Budget(1e-9, -1.0, True)) == Budget(1e-9, limit, True)
        assert ATTRITION.with_limit(None, moment.path, Budget(0.0, 2.0, True)) == Budget(0.0, 2.0, True)


def step(moment: Moment, day: float) -> tuple[float, bool, float]:
    """(day, lost, hazard) of the twin that walks to `day` with nothing but what accrues by time."""
    case, customer, life = moment.case, moment.customer, replace(moment.twin)
    before = life.budget
    while life.day < day:
        hazard = twin.hazard_per_day(case, customer, life)
        loss, stop = twin.day_of_loss(life, hazard), min(day, pace.end_of_step(customer, life))
        if loss <= stop:
            return loss, True, before
        life.budget -= hazard * (stop - life.day)
        life.day = stop
    return day, False, before - life.budget


@pytest.mark.parametrize("kind", KINDS)
def test_over_a_step(kind: str) -> None:
    """The same day of loss or the same hazard spent, between an opt-out and the next."""
    lost = alive = 0
    for moment in at_day(kind, 1) + at_day(kind, 2):
        last = moment.twin.leaves if moment.twin.on_list else math.inf
        day = min(last, moment.customer.end)
        expected, dies, hazard = step(moment, day)
        budget, when = ATTRITION.charge_step(
            moment.run, moment.weeks, moment.opened.ground.kept.limit, moment.path, moment.life, day
        )
        assert budget.alive == (not dies)
        assert when == pytest.approx(expected, rel=1e-11)
        if not dies:
            assert budget.spent - moment.life.budget.spent == pytest.approx(hazard, abs=1e-12)
        lost, alive = lost + dies, alive + (not dies)
    assert alive > 5
    assert lost > (0 if kind == "contacts" else 5)


@pytest.mark.parametrize("kind", ["steady", "contacts and tables"])
def test_a_step_draws_the_limit_that_it_needs(kind: str) -> None:
    for moment in at_day(kind, 8):
        args = moment.run, moment.weeks, moment.opened.ground.kept.limit, moment.path
        unknown = moment.life._replace(budget=moment.life.budget._replace(limit=-1.0))
        assert ATTRITION.charge_step(*args, unknown, moment.path.end) == (
            ATTRITION.charge_step(*args, moment.life, moment.path.end)
        )


def test_steps_of_customers_without_hazard_by_time_draw_nothing() -> None:
    for moment in moments(random_case(3)):
        life = moment.life._replace(budget=Budget(0.0, -1.0, True))
        budget, day = ATTRITION.charge_step(moment.run, moment.weeks, None, moment.path, life, moment.path.end)
        assert (budget, day) == (life.budget, moment.path.end)


def test_hazard_between_two_days() -> None:
    """μ times the integral of the multiplier, plus what contacts add, in the customer's own row."""
    for moment in at_day("contacts and tables", 4):
        weeks, case, row = moment.weeks, moment.case, moment.life.row
        table = pace.table_of(case, moment.customer, moment.twin)
        t0, t1 = moment.path.start, moment.path.end
        edges = 7.0 * np.arange(case.weeks)
        days = np.clip(t1 - edges, 0, 7) - np.clip(t0 - edges, 0, 7)
        for mu in (0.0, 0.01):
            at = moment.customer.w, table
            expected = float(days @ (mu * case.hazard[at] + case.budget[at] / 7))
            h = ATTRITION.hazard_between(
                t0, t1, mu, weeks.hazard_excess, weeks.hazard, weeks.budget, row, moment.run.last_week
            )
            assert h == pytest.approx(expected, abs=1e-11)


def test_day_on_which_the_hazard_reaches_what_is_needed() -> None:
    """The hazard until that day is what was needed; never beyond the step, whatever rounding says."""
    for moment in at_day("tables", 5):
        weeks, mu = moment.weeks, moment.life.own.mu
        tables = mu, weeks.hazard_excess, weeks.hazard, weeks.budget, moment.life.row, moment.run.last_week
        t0, t1 = moment.path.start, moment.path.end
        total = ATTRITION.hazard_between(t0, t1, *tables)
        for share in (0.01, 0.5, 0.999):
            day = ATTRITION.death_between(t0, t1, share * total, *tables)
            assert t0 < day < t1
            assert ATTRITION.hazard_between(t0, day, *tables) == pytest.approx(share * total, rel=1e-9)
        assert ATTRITION.death_between(t0, t1, total * (1 + 1e-12), *tables) == t1


@pytest.mark.parametrize("by_order", [False, True])
@pytest.mark.parametrize("newcomers", [False, True])
def test_hazard_of_an_order(by_order: bool, newcomers: bool) -> None:
    """By time attrition, less is charged per order at a higher rate."""
    case = random_case(6, by_order=by_order, newcomers=newcomers, tables=True, birth_charges=2, contacts=2)
    for moment in moments(case):
        charges = 2 if newcomers and moment.twin.ticks == 0 else 1
        own = moment.life.own._replace(eta=moment.twin.traits.eta)
        hazard = ATTRITION.order_hazard(
            moment.run, moment.weeks.charge, own, moment.life.terms, moment.life.row, moment.place().week, charges
        )
        expected = twin.order_hazard(case, moment.customer, moment.twin, moment.twin.pace)
        assert hazard == pytest.approx(expected, rel=1e-12)
        assert hazard > 0


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "not marked as steady"])
def test_lives_that_end_by_time(kind: str) -> None:
    case = random_case(7, **KINDS[kind])
    ledgers, trace, _ = case.run()
    assert (trace[:, 2] == TRACE_DEATH).sum() > 10
    compare(case, simulate(case), ledgers, trace)
