"""Clocks: the day of the next order against the twin's walk through the weeks, and which clock strikes first."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare
from rooms import Moment, Opened, interpreted, moments
from twin import clocks as twin
from twin import pace
from twin.cases import random_case
from twin.life import simulate

from clvsim.kernels import rng, structs
from clvsim.kernels.state import Life

CLOCKS = interpreted("clocks")
KINDS: dict[str, dict[str, Any]] = {
    "at a rate": {},
    "tables": {"tables": True},
    "stages": {"tables": True, "regularity": 3, "components": 2},
    "newcomers": {"tables": True, "newcomers": True},
    "opportunities": {"tables": True, "opportunities": "chance"},
    "opportunities, newcomers": {"opportunities": "sure", "newcomers": True},
}


def with_order(moment: Moment) -> Life:
    opened = moment.opened
    now = CLOCKS.with_order(
        moment.run, opened.ground.rates, moment.weeks, opened.ground.kept.gap, opened.rare, moment.path, moment.life
    )
    return moment.life._replace(now=now)


def walked(moment: Moment) -> float:
    """Day of the next order in the twin, inf if it is not within the window."""
    case, customer, life = moment.case, moment.customer, replace(moment.twin)
    left = 0.0 if case.at_intervals else twin.wait(case, customer, life)
    while life.day < customer.end:
        day, stop = twin.due(case, customer, life, left), pace.end_of_step(customer, life)
        if day <= stop:
            return day
        left -= pace.rate_multiplier(case, customer, life) * (stop - life.day)
        life.day = stop
    return math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_day_of_the_next_order(kind: str) -> None:
    inside = 0
    for moment in moments(random_case(20, months=30, **KINDS[kind])):
        if moment.case.newcomers and moment.twin.ticks == 0:  # begins with an order
            continue
        life = with_order(moment)
        day = CLOCKS.order_day(moment.run, moment.weeks, moment.opened.rare, life)
        expected = walked(moment)
        if expected < moment.customer.end:
            inside += 1
            assert day == pytest.approx(expected, rel=1e-11)
        else:
            assert day > moment.customer.end - 1e-9
        assert life.now._replace(due=-1.0, guess=moment.life.now.guess) == moment.life.now
    assert inside > 10


def test_a_drawn_order_stays_as_it_is() -> None:
    """Whatever the rate has become since."""
    for moment in moments(random_case(21, tables=True)):
        life = with_order(moment)
        slower = life._replace(terms=life.terms._replace(pace=0.1))
        assert with_order(replace(moment, life=slower)).now is life.now


def test_without_tables_an_order_falls_on_exactly_its_day() -> None:
    for moment in moments(random_case(22)):
        life = with_order(moment)
        expected = moment.twin.day + twin.wait(moment.case, moment.customer, moment.twin)
        assert life.now.due == expected
        assert CLOCKS.order_day(moment.run, moment.weeks, None, life) == expected


def test_gaps_of_the_first_orders_are_kept() -> None:
    for moment in moments(random_case(23)):
        path, gaps = moment.path, moment.opened.ground.kept.gap
        array = moment.opened.inputs.traits.gap[path.w, path.c]
        for tick in range(structs.KEPT_ORDERS + 2):
            gap = CLOCKS.gap_of(gaps, path, tick, 1.0)
            assert gap == moment.customer.draws.exponential(rng.GAP, tick)
            if tick < structs.KEPT_ORDERS:
                assert array[tick] == gap
                array[tick] = 0.5
                assert CLOCKS.gap_of(gaps, path, tick, 1.0) == 0.5
        assert CLOCKS.gap_of(gaps, path, 7, 3.0) == moment.customer.draws.gamma(rng.GAP, 7, 3.0)


def test_days_of_opportunities() -> None:
    """An interval apart, from the day of the law; without them never."""
    case = random_case(24, opportunities="sure")
    opened = Opened(case)
    for c in range(4):
        path = opened.path(1, c)
        days = [CLOCKS.opportunity_day(opened.rare, path, served) for served in range(3)]
        expected = case.laws.first_days[c] + case.laws.interval_days[0] * np.arange(3)
        np.testing.assert_array_equal(days, expected)
        assert CLOCKS.opportunity_day(None, path, 0) == math.inf


def test_moments() -> None:
    """What a moment becomes when a clock strikes."""
    now = next(moments(random_case(25))).life.now._replace(t=3.0, due=8.0, guess=7.0, tick=4, skipped=1)
    assert CLOCKS.move_to(now, 5.0) == now._replace(t=5.0)
    assert CLOCKS.after_order(now._replace(paused=True)) == now._replace(due=-1.0, tick=5)
    assert CLOCKS.after_skip(now) == now._replace(due=-1.0, tick=5, skipped=2, paused=True)
    assert CLOCKS.shift_due(now, 0.5) == now._replace(due=8.5)


@pytest.mark.parametrize(
    ("order", "opt_out", "heals", "expected"),
    [
        (5.0, 6.0, math.inf, ("ORDER", 5.0)),
        (6.0, 5.0, math.inf, ("OPT_OUT", 5.0)),
        (5.0, 5.0, math.inf, ("ORDER", 5.0)),  # of equal days, the first in the list
        (5.0, math.inf, math.inf, ("ORDER", 5.0)),
        (math.inf, math.inf, math.inf, ("END", 10.0)),
        (10.0, math.inf, math.inf, ("END", 10.0)),
        (11.0, 10.0, math.inf, ("END", 10.0)),
        (11.0, 9.0, math.inf, ("OPT_OUT", 9.0)),
        (8.0, 9.0, 7.0, ("HEAL", 7.0)),
        (7.0, 9.0, 7.0, ("HEAL", 7.0)),  # a week begins before the orders of its first moment
        (6.0, 9.0, 7.0, ("ORDER", 6.0)),
    ],
)
def test_the_soonest_clock(order: float, opt_out: float, heals: float, expected: tuple[str, float]) -> None:
    moment = next(moments(random_case(26, contacts=1, offers=1)))
    path = moment.path._replace(end=10.0)
    life = moment.life._replace(
        now=moment.life.now._replace(due=order),
        listing=moment.life.listing._replace(ahead=opt_out),
        terms=moment.life.terms._replace(heals=heals),
    )
    run, opened = moment.run._replace(paced=False), moment.opened
    soonest = CLOCKS.soonest(run, moment.weeks, opened.deals, opened.programmes, None, None, path, life)
    assert soonest == (getattr(CLOCKS, expected[0]), expected[1])


def test_without_a_mechanism_its_clock_does_not_strike() -> None:
    moment = next(moments(random_case(26)))
    life = moment.life._replace(
        now=moment.life.now._replace(due=8.0),
        listing=moment.life.listing._replace(ahead=5.0),
        terms=moment.life.terms._replace(heals=5.0),
    )
    assert CLOCKS.soonest(moment.run, moment.weeks, None, None, None, None, moment.path, life) == (CLOCKS.ORDER, 8.0)


@pytest.mark.parametrize("kind", ["tables", "stages"])
def test_what_is_left_of_a_gap_takes_longer(kind: str) -> None:
    """Stretched by 1 it is as it was; by 2, twice the operational time is left."""
    for moment in moments(random_case(28, **KINDS[kind])):
        here = moment.life.now.t + interpreted("pace").operational_excess(
            moment.run, moment.weeks, moment.life.row, moment.life.now.t
        )
        life = moment.life._replace(now=moment.life.now._replace(due=here + 30.0, guess=moment.life.now.t + 20.0))
        for factor in (1.0, 2.0):
            now = CLOCKS.stretch_due(moment.run, moment.weeks, life, factor)
            assert now.due == pytest.approx(here + 30.0 * factor)
            assert now.guess == pytest.approx(life.now.t + 20.0 * factor)
            assert (now.t, now.tick, now.skipped) == (life.now.t, life.now.tick, life.now.skipped)


@pytest.mark.parametrize("kind", ["tables", "stages"])
def test_lives_in_which_only_the_clock_of_orders_strikes(kind: str) -> None:
    """Nobody is lost."""
    case = random_case(27, **KINDS[kind])
    none = np.zeros_like(case.laws.drop_a)
    case = replace(case, laws=case.laws._replace(drop_a=structs.seal(none)))
    ledgers, trace, _ = case.run()
    assert set(trace[:, 2]) == {structs.TRACE_ORDER, structs.TRACE_GONE}
    compare(case, simulate(case), ledgers, trace)
