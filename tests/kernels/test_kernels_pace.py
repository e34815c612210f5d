"""Operational time and weekly tables, against integrals worked out week by week."""

import math
from typing import NamedTuple

import numpy as np
import pytest
from rooms import Opened, interpreted, moments
from twin import pace as twin
from twin.cases import cumulative, random_case

from clvsim.kernels.state import Row

PACE = interpreted("pace")
WEEKS = 30
LAST = WEEKS - 1


class Table(NamedTuple):
    """Second of two tables, so that the row matters."""

    multiplier: np.ndarray
    excess: np.ndarray
    row: Row

    def operational(self, t: float) -> float:
        """∫₀ᵗ multiplier, day by day of the weeks that have begun; the last multiplier holds on."""
        multiplier = self.multiplier[WEEKS:]
        whole = min(int(t // 7), LAST)
        return 7 * multiplier[:whole].sum() + (t - 7 * whole) * multiplier[whole]


def table(seed: int) -> Table:
    r = np.random.default_rng(seed)
    values = np.where(r.random((2, WEEKS)) < 0.3, 1.0, np.exp(0.8 * r.standard_normal((2, WEEKS))))
    return Table(values.reshape(-1), cumulative(7 * (values - 1)).reshape(-1), Row(WEEKS, WEEKS + 1))


@pytest.mark.parametrize("seed", range(3))
def test_excess_is_operational_time_minus_time(seed: int) -> None:
    multiplier, excess, row = weekly = table(seed)
    for t in np.random.default_rng(seed).uniform(0, 7 * WEEKS + 5, 100):
        assert PACE.excess_at(t, excess, multiplier, row, LAST) == pytest.approx(weekly.operational(t) - t, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_a_day_is_the_inverse_of_operational_time(seed: int) -> None:
    """Wherever the search begins."""
    multiplier, excess, row = weekly = table(seed)
    r = np.random.default_rng(seed)
    for t in r.uniform(0, 7 * WEEKS, 100):
        for guess in (t, 0.0, 7.0 * WEEKS + 3, r.uniform(0, 7 * WEEKS)):
            s = weekly.operational(t)
            assert PACE.day_at(s, guess, excess, multiplier, row, LAST) == pytest.approx(t, abs=1e-9)
    beyond = weekly.operational(7.0 * WEEKS) + 1e-6
    assert PACE.day_at(beyond, 0.0, excess, multiplier, row, LAST) == math.inf


def test_a_day_at_multiplier_one_is_exact() -> None:
    ones, zeros = np.ones(WEEKS), np.zeros(WEEKS + 1)
    for s in np.random.default_rng(1).uniform(0, 7 * WEEKS, 100):
        assert PACE.day_at(s, 0.0, zeros, ones, Row(0, 0), LAST) == s


def test_cumulative_tables_are_linear_inside_a_week() -> None:
    values = np.cumsum(np.random.default_rng(2).random(2 * (WEEKS + 1)))
    starts = 7.0 * np.arange(WEEKS + 1)
    for t in np.random.default_rng(3).uniform(0, 7 * WEEKS, 100):
        expected = np.interp(t, starts, values[WEEKS + 1 :])
        assert PACE.cumulative_at(t, values, Row(WEEKS, WEEKS + 1), LAST) == pytest.approx(expected, rel=1e-12)


def test_weeks() -> None:
    assert [PACE.week_of(t, LAST) for t in (0.0, 6.999, 7.0, 20.9, 7.0 * LAST, 7.0 * WEEKS, 1e6)] == [
        0, 0, 1, 2, LAST, LAST, LAST,
    ]  # fmt: skip


def test_rows_of_a_world_and_table() -> None:
    """Where the arrays of a case have them, by week and cumulative."""
    case = random_case(0, tables=True, contacts=2)
    opened = Opened(case)
    run, tables = opened.ground.run, opened.inputs.tables
    for w in range(case.worlds.size):
        for t in range(case.rate.shape[1]):
            row = PACE.row_of(run, w, t)
            np.testing.assert_array_equal(opened.ground.weeks.rate[row.week :][: case.weeks], case.rate[w, t])
            expected = tables.rate_excess[w, t]
            np.testing.assert_array_equal(opened.ground.weeks.rate_excess[row.cumulative :][: case.weeks + 1], expected)


def test_operational_time_of_a_customer() -> None:
    """From a day to an operational time and back, by the customer's own table and world, as a sum over weeks."""
    case = random_case(1, tables=True, contacts=2)
    for moment in moments(case):
        run, weeks, row, t = moment.run, moment.weeks, moment.life.row, moment.life.now.t
        due = t + PACE.operational_excess(run, weeks, row, t)
        table = twin.table_of(case, moment.customer, moment.twin)
        days = np.clip(t - 7.0 * np.arange(case.weeks), 0.0, 7.0)
        assert due == pytest.approx(float(days @ case.rate[moment.customer.w, table]), abs=1e-9)
        assert PACE.day_of(run, weeks, row, due, t) == pytest.approx(t, abs=1e-9)


def test_without_tables_operational_time_is_time() -> None:
    """Nothing is read: the same bits, also beyond the last week."""
    moment = next(moments(random_case(2)))
    row = Row(10**9, 10**9)
    assert PACE.operational_excess(moment.run, moment.weeks, row, 12.25) == 0.0
    assert PACE.day_of(moment.run, moment.weeks, row, 1e7 + 0.1, 0.0) == 1e7 + 0.1
