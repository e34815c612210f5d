"""What follows an order, against the twin: one order at a random moment of a life."""

from typing import Any

import numpy as np
import pytest
from agreement import compare, compare_books, compare_events
from rooms import Moment, agree, at_start, interpreted, moments
from twin import orders as twin
from twin.books import Records
from twin.cases import random_case
from twin.life import simulate

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Life

ORDERS = interpreted("orders")
KINDS: dict[str, dict[str, Any]] = {
    "existing": {},
    "tables": {"tables": True, "by_order": True},
    "newcomers": {"newcomers": True, "tables": True, "birth_charges": 2},
    "newcomers, free of hazard at birth": {"newcomers": True},
    "by time only": {"law": "time", "newcomers": True},
    "offers": {"offers": 3, "tables": True},
    "offers, by order": {"offers": 3, "by_order": True},
    "renewals": {"opportunities": "sure", "offers": 2, "newcomers": True},
    "lognormal": {"lognormal": True, "offers": 1, "newcomers": True},
}


def at_order(moment: Moment, *, levered: bool = True, special: bool = True) -> Life:
    opened = moment.opened
    first = moment.case.newcomers and moment.twin.ticks == 0
    return ORDERS.at_order(
        opened.ground,
        opened.deals if levered else None,
        opened.programmes if levered else None,
        opened.rare if special else None,
        None,
        moment.path,
        moment.place(),
        moment.life,
        first,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_order(kind: str) -> None:
    """Posts, events, and the life after it."""
    case = random_case(110, customers=60, **KINDS[kind])
    records, opened, lost = Records(), None, 0
    for moment in moments(case):
        opened = moment.opened
        life = at_order(moment)
        twin.at_order(case, records, moment.customer, moment.twin)
        agree(moment, life)
        assert life.now == moment.life.now._replace(due=-1.0, tick=moment.life.now.tick + 1)
        assert (life.listing, life.row) == (moment.life.listing, moment.life.row)
        lost += moment.twin.lost
    assert opened is not None
    compare_books(case, records, opened.out)
    compare_events(records, opened.trace)
    assert (lost > 0) == (kind != "by time only")


@pytest.mark.parametrize("kind", ["existing", "newcomers"])
def test_loops_without_levers_post_the_same(kind: str) -> None:
    case = random_case(111, **KINDS[kind])
    full, plain = (list(moments(case, traced=False)) for _ in range(2))
    for moment, alike in zip(full, plain, strict=True):
        assert at_order(moment) == at_order(alike, levered=False, special=False)
    for a, b in zip(full[0].opened.out, plain[0].opened.out, strict=True):
        np.testing.assert_array_equal(a, b)
    assert full[0].opened.out.calendar.any()


def test_goods_are_posted_where_the_margin_varies() -> None:
    """Else they follow from revenue."""
    for traced in (True, False):
        case = random_case(112, tables=True)
        for moment in moments(case, traced=traced):
            margin = moment.case.margin[moment.path.w, moment.path.group, moment.place().week]
            gain = ORDERS.margin_of(
                moment.run, moment.opened.ground.book, moment.weeks.margin, moment.path, moment.place(), 100.0
            )
            assert gain == pytest.approx(100.0 * margin - moment.case.cost_per_order)
        assert moment.opened.out.calendar[:, :, ks.GOODS].any() == traced


def test_the_first_order_of_a_newcomer_has_a_factor() -> None:
    case = random_case(113, newcomers=True)
    starts = moments(case, choose=lambda case, customer, _: at_start(case, customer))
    factor = case.laws.first_factor[0, 0]
    assert factor != 1
    for moment in starts:
        opened = moment.opened
        args = opened.ground, opened.rare, moment.path, moment.place(), moment.life
        assert ORDERS.sell(*args, True)[2] == pytest.approx(factor * ORDERS.sell(*args, False)[2])


def test_the_hazard_of_an_order_is_charged_at_the_rate_at_which_it_came() -> None:
    """Not at that which an offer at this order leaves behind; and it ends a life that has no more left."""
    case = random_case(114, offers=2)
    for moment in moments(case):
        ground = moment.opened.ground
        faster = moment.life.terms._replace(pace=2 * moment.life.terms.pace)
        args = ground, moment.opened.rare, moment.path, moment.place(), moment.life
        own, budget = ORDERS.charge_order(*args, faster, False)
        spent = budget.spent - moment.life.budget.spent
        assert spent == pytest.approx(moment.twin.traits.eta / (faster.pace * faster.damping))
        assert own.eta == pytest.approx(moment.twin.traits.eta)
        assert budget.alive == (budget.spent < budget.limit)
        assert ORDERS.charge_order(*args, faster, True)[1].spent == moment.life.budget.spent  # no charge at birth here


@pytest.mark.parametrize("kind", KINDS)
def test_lives_by_their_orders(kind: str) -> None:
    case = random_case(115, **KINDS[kind])
    compare(case, simulate(case), *case.run()[:2])
