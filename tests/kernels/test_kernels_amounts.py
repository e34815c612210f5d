"""Amounts of orders against the twin, and what earlier offers displaced."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare
from rooms import Moment, interpreted, moments
from twin import amounts as twin
from twin.cases import Case, random_case
from twin.life import simulate

from clvsim.kernels import rng
from clvsim.kernels.state import Own, Terms
from clvsim.kernels.structs import KEPT_ORDERS, seal

AMOUNTS = interpreted("amounts")
KINDS: dict[str, dict[str, Any]] = {
    "gamma": {},
    "gamma, newcomers": {"newcomers": True},
    "lognormal": {"lognormal": True},
    "lognormal, newcomers": {"lognormal": True, "newcomers": True},
    "lognormal, opportunities": {"lognormal": True, "opportunities": "chance"},
}
FREE: dict[str, dict[str, Any]] = {
    "gamma": {"free": "some"},
    "newcomers": {"free": "some", "newcomers": True},
    "first orders only": {"free": "first", "newcomers": True},
    "lognormal": {"free": "some", "lognormal": True},
}


def fixed(case: Case) -> Case:
    zero = seal(np.zeros_like(case.laws.order_shape))
    return replace(case, laws=case.laws._replace(order_shape=zero, nu_shape=zero))


def amount_of(moment: Moment, own: Own, tick: int) -> tuple[float, Own]:
    ground = moment.opened.ground
    return AMOUNTS.amount_of(ground.spend, ground.kept, moment.opened.rare, moment.path, own, tick)


@pytest.mark.parametrize("kind", KINDS)
def test_amounts_of_a_customer(kind: str) -> None:
    """Around a level that is drawn once: the second order finds it among the traits, the last in another scenario."""
    for moment in moments(random_case(30, **KINDS[kind])):
        own = moment.life.own
        for tick in (KEPT_ORDERS, KEPT_ORDERS + 1, KEPT_ORDERS + 7):
            expected = twin.amount(moment.case, moment.customer, replace(moment.twin, ticks=tick))
            amount, after = amount_of(moment, own, tick)
            assert amount == pytest.approx(expected, rel=1e-12)
            assert after == own._replace(nu=after.nu)
            own = after
            assert own.nu == moment.opened.inputs.traits.nu[moment.path.w, moment.path.c] > 0
        assert amount_of(moment, moment.life.own, tick) == (amount, own)


@pytest.mark.parametrize("kind", KINDS)
def test_the_level_is_a_trait(kind: str) -> None:
    """Whatever it was drawn from: twice the level doubles lognormal amounts, and halves those by the Gamma's rate."""
    for moment in moments(random_case(31, **KINDS[kind])):
        amount, own = amount_of(moment, moment.life.own, 9)
        double, _ = amount_of(moment, own._replace(nu=2 * own.nu), 9)
        assert double == pytest.approx(2 * amount if moment.opened.rare.lognormal.given else amount / 2, rel=1e-12)


@pytest.mark.parametrize("newcomers", [False, True])
def test_amounts_that_do_not_vary(newcomers: bool) -> None:
    for moment in moments(fixed(random_case(32, newcomers=newcomers))):
        amount, own = amount_of(moment, moment.life.own, 9)
        assert amount == moment.case.laws.nu_rate[0, moment.customer.column]
        assert own is moment.life.own


def test_amounts_of_a_list() -> None:
    """By their shares; one that is never sold is not sold, and all first orders of newcomers are alike."""
    case = random_case(42, products=3, newcomers=True, customers=800, worlds=1)
    price, upto = case.laws.product_price[0], case.laws.product_upto[0]
    sold = []
    for moment in moments(case):
        amount, own = amount_of(moment, moment.life.own, 5)
        assert own is moment.life.own
        assert amount == twin.amount(case, moment.customer, replace(moment.twin, ticks=5))
        sold.append(amount)
        opened, path = moment.opened, moment.path
        first = AMOUNTS.first_amount(opened.ground.spend, opened.rare, path, amount)
        assert first == case.laws.nu_rate[0, 0] * case.laws.first_factor[0, 0]
    for one, share in zip(price, np.diff(upto, prepend=0.0), strict=True):
        assert abs(np.mean(np.array(sold) == one) - share) <= 4 * np.sqrt(share * (1 - share) / len(sold))


@pytest.mark.parametrize("lognormal", [False, True])
def test_amounts_of_the_first_orders_are_kept(lognormal: bool) -> None:
    for moment in moments(random_case(33, lognormal=lognormal)):
        array = moment.opened.inputs.traits.amount[moment.path.w, moment.path.c]
        for tick in range(KEPT_ORDERS):
            amount, _ = amount_of(moment, moment.life.own, tick)
            assert amount == pytest.approx(
                twin.amount(moment.case, moment.customer, replace(moment.twin, ticks=tick)), rel=1e-12
            )
            assert array[tick] == amount
            array[tick] = 0.5
            assert amount_of(moment, moment.life.own, tick) == (0.5, moment.life.own)


def after_shares(moment: Moment, tick: int, amount: float) -> float:
    """The amount of an order, or 0, before the factor of first orders."""
    opened, path = moment.opened, moment.path
    if moment.case.newcomers and tick == 0:
        spend = opened.ground.spend
        return AMOUNTS.first_amount(spend, None, path, amount) / spend.first_factor[path.law]
    return AMOUNTS.later_amount(opened.rare.shares, path, tick, amount)


@pytest.mark.parametrize("kind", FREE)
def test_free_orders(kind: str) -> None:
    """Order by order as in the twin; paid ones keep their amount."""
    free = {True: 0, False: 0}
    for moment in moments(random_case(39, **FREE[kind])):
        for tick in (0, 1, KEPT_ORDERS, KEPT_ORDERS + 1):
            is_free = twin.is_free(moment.case, moment.customer, replace(moment.twin, ticks=tick))
            assert after_shares(moment, tick, 8.0) == pytest.approx(0.0 if is_free else 8.0, rel=1e-12)
            free[tick == 0] += is_free
    assert free[True] > 5
    assert (free[False] > 5) == (kind != "first orders only")


def test_free_orders_have_their_shares() -> None:
    """Of 3,000 newcomers' first three orders: the shares' means, and pairs as Beta-binomial has them."""
    n, a, b = 3_000, 2.0, 1.0
    case = random_case(40, customers=n, worlds=1, free="some", newcomers=True)
    shares = {"paid_a": a, "paid_b": b, "first_paid": 0.8}
    laws = case.laws._replace(**{name: seal(np.full((1, 1), value)) for name, value in shares.items()})
    everybody = [after_shares(m, tick, 1.0) > 0 for m in moments(replace(case, laws=laws)) for tick in range(3)]
    paid = np.reshape(everybody, (-1, 3))
    both, mean = a * (a + 1) / ((a + b) * (a + b + 1)), a / (a + b)
    for observed, expected in ((paid[:, 0], 0.8), (paid[:, 1], mean), (paid[:, 1] & paid[:, 2], both)):
        assert abs(observed.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / len(paid))


def test_where_all_orders_are_paid_no_amount_changes() -> None:
    for moment in moments(random_case(41, newcomers=True)):
        assert after_shares(moment, 0, 8.0) == pytest.approx(8.0, rel=1e-14)
        assert after_shares(moment, 1, 8.0) == 8.0


def test_places_of_what_is_kept() -> None:
    path = next(moments(random_case(34))).path._replace(kept=5)
    places = [AMOUNTS.kept_place(path, tick) for tick in range(KEPT_ORDERS + 2)]
    assert places == [*range(5 * KEPT_ORDERS, 6 * KEPT_ORDERS), -1, -1]
    assert AMOUNTS.kept_place(path._replace(kept=-1), 0) == -1


def test_a_rate_of_zero_has_a_level() -> None:
    """Draws of a very uneven rate underflow."""
    moment = next(moments(random_case(35, newcomers=True, lognormal=True)))
    amount, _ = amount_of(moment, moment.life.own._replace(rate=0.0), 9)
    low, _ = amount_of(replace(moment, path=moment.path._replace(kept=-1)), moment.life.own._replace(rate=1e-12), 9)
    assert amount == low > 0


def test_deviates() -> None:
    moment = next(moments(random_case(36)))
    for event in range(5):
        expected = moment.customer.draws.normal(rng.AMOUNT, event)
        assert AMOUNTS.deviate(moment.path.base, rng.AMOUNT, event) == expected


@pytest.mark.parametrize(
    ("owed", "amount", "left", "later"), [(0.0, 10.0, 10.0, 0.0), (4.0, 10.0, 6.0, 0.0), (25.0, 10.0, 0.0, 15.0)]
)
def test_later_orders_lose_what_offers_displaced(owed: float, amount: float, left: float, later: float) -> None:
    assert AMOUNTS.collect_displaced(Terms(0.8, 0.9, 7.0, owed, 1.3), amount) == (
        left,
        Terms(0.8, 0.9, 7.0, later, 1.3),
    )
    life = replace(next(moments(random_case(37))).twin, owed=owed)
    assert (twin.displaced(life, amount), life.owed) == (left, later)


@pytest.mark.parametrize("kind", ["gamma", "lognormal, newcomers"])
def test_lives_that_differ_by_amounts_only(kind: str) -> None:
    for case in (random_case(38, **KINDS[kind]), fixed(random_case(38, **KINDS[kind] | {"lognormal": False}))):
        ledgers, trace, _ = case.run()
        compare(case, simulate(case), ledgers, trace)
