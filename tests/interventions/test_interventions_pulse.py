"""PULSE: what a burst adds and takes, when it begins, and what does not fit."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.interventions.base import Group, Pulse
from clvsim.interventions.pulse import PulseIntervention
from clvsim.interventions.timing import Horizon
from clvsim.simulation.tables import Calendar, Levers, make_tables

TODAY = date(2025, 12, 31)
YEAR = Horizon(TODAY, months=12, arrival_months=12)
WEEKS = 105


def burst(**typed: Any) -> PulseIntervention:
    given = {"kind": "pulse", "size": 0.8, "weeks": 2, "pulled_forward": 0.5, "recovery_weeks": 4} | typed
    return PulseIntervention.model_validate(given)


def values(size: Any = 0.8, pulled_forward: Any = 0.5) -> dict[str, np.ndarray]:
    size, pulled_forward = np.broadcast_arrays(np.atleast_1d(np.asarray(size, float)), pulled_forward)
    return {"size": np.log1p(size), "pulled_forward": np.array(pulled_forward, float)}


def rate(section: PulseIntervention, drawn: dict[str, np.ndarray], horizon: Horizon = YEAR) -> np.ndarray:
    """Multipliers of today's customers, (draws, weeks)."""
    (pulse,) = section.compile("launch", drawn, section.when.period(TODAY), horizon)
    assert isinstance(pulse, Pulse)
    draw = np.arange(drawn["size"].size)
    calendar = Calendar(WEEKS, 1, 0.0)
    levers = Levers("s", (pulse,), (), ())
    return make_tables(levers, (Group("existing"),), draw, np.zeros((draw.size, WEEKS)), 0.4, calendar, "time").rate[
        :, 0
    ]


def test_a_burst_and_its_dip() -> None:
    """β .8 in 2 weeks, half of it pulled forward from 4: a dip of .5 · .8 · 2 / 4 = .2."""
    expected = np.ones(WEEKS)
    expected[4:6], expected[6:10] = 1.8, 0.8
    np.testing.assert_allclose(rate(burst(when={"start_month": 1}), values())[0], expected, rtol=1e-12)


@pytest.mark.parametrize("size", [0.05, 0.8, 3.0, -0.3])
@pytest.mark.parametrize("pulled", [0.0, 0.5, 1.0])
def test_what_is_left_is_the_share_that_is_not_pulled_forward(size: float, pulled: float) -> None:
    """∫(m − 1) = (1 − π)βW weeks, whatever the length of the dip, of each burst."""
    (multiplier,) = rate(burst(weeks=3, every_months=4), values(size, pulled))
    np.testing.assert_allclose((multiplier - 1).sum(), 3 * (1 - pulled) * size * 3, atol=1e-12)
    assert multiplier.min() >= min(1 + size, 0.05 - 1e-12)


def test_a_dip_too_deep_lasts_longer_in_the_draws_that_need_it() -> None:
    """π β W / K = 1 · 3 · 2 / 4 = 1.5 of the rate cannot be taken: ⌈6 / .95⌉ = 7 weeks can."""
    few, many = rate(burst(), values([0.8, 3.0], 1.0))
    np.testing.assert_array_equal(np.flatnonzero(few < 1), [2, 3, 4, 5])
    np.testing.assert_array_equal(np.flatnonzero(many < 1), range(2, 9))


def test_bursts_begin_as_often_as_they_are_over_in_time() -> None:
    """Months 0, 3, 6, 9: weeks 0, 13, 26, 39; one in month 11 would be cut, with its gain and without its dip."""
    (every_quarter,) = rate(burst(every_months=3), values())
    np.testing.assert_array_equal(np.flatnonzero(every_quarter > 1), [0, 1, 13, 14, 26, 27, 39, 40])
    (late,) = rate(burst(every_months=3, when={"start_month": 2}), values())
    np.testing.assert_array_equal(np.flatnonzero(late > 1), [9, 10, 22, 23, 35, 36])
    (ended,) = rate(burst(every_months=3, when={"end_month": 4}), values())
    np.testing.assert_array_equal(np.flatnonzero(ended > 1), [0, 1, 13, 14])
    (begun,) = rate(
        burst(every_months=3, when={"start_date": "2025-11-15"}), values()
    )  # 47 days before the first simulated one
    np.testing.assert_array_equal(np.flatnonzero(begun > 1), [6, 7, 19, 20, 32, 33, 45, 46])


def test_who_comes_in_a_burst_has_the_rest_of_it_and_as_much_of_the_dip() -> None:
    """Tables of newcomers by the week in which they come; the burst in weeks 4 and 5, its dip in weeks 6 to 9."""
    (pulse,) = burst(when={"start_month": 1}).compile(
        "l", values(), burst(when={"start_month": 1}).when.period(TODAY), YEAR
    )
    assert isinstance(pulse, Pulse)
    for joined, more, dip in ((0, [4, 5], 0.2), (4, [4, 5], 0.2), (5, [5], 0.1), (6, [], 0.0), (8, [], 0.0)):
        weekly = np.exp(pulse.weekly(np.array([0]), 20, joined)[0])
        np.testing.assert_array_equal(np.flatnonzero(weekly > 1), more)
        np.testing.assert_allclose(weekly[6:10], 1 - dip, rtol=1e-12)
    levers, calendar = Levers("s", (pulse,), (), ()), Calendar(20, 9, 0.0)
    groups = (Group("existing"), Group("new", "", "ads"))
    tables = make_tables(levers, groups, np.array([0]), np.zeros((1, 20)), 0.4, calendar, "time")
    np.testing.assert_array_equal(tables.first, [0, 1])
    np.testing.assert_array_equal(tables.per_arrival_week, [0, 1])
    for joined in range(9):
        np.testing.assert_allclose(tables.rate[0, 1 + joined], np.exp(pulse.weekly(np.array([0]), 20, joined)[0]))


@pytest.mark.parametrize(
    ("typed", "drawn", "line"),
    [
        ({"every_months": 1}, values(), "a burst takes up to 6 weeks with its dip, and the next one begins after 4"),
        ({"every_months": 3, "weeks": 4}, values([0.1, 3.0], 1.0), "a burst takes up to 17 weeks with its dip"),
        ({"weeks": 20}, values([0.1, 3.0], 1.0), "none of 84 weeks is over within the horizon"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(typed: dict[str, Any], drawn: dict[str, np.ndarray], line: str) -> None:
    assert line in burst(**typed).misfits(drawn, YEAR)


def test_what_fits_is_no_problem() -> None:
    assert burst().misfits(values([0.1, 3.0], 1.0), YEAR) == ""
    assert burst(every_months=3).misfits(values(), YEAR) == ""


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ({"weeks": 0}, "weeks"), ({"weeks": 53}, "weeks"), ({"weeks": 1.5}, "weeks"),
        ({"recovery_weeks": 0}, "recovery_weeks"),
        ({"every_months": 0}, "every_months"), ({"every_months": 1e9}, "every_months"), ({"size": -1}, "size"),
        ({"pulled_forward": 1.2}, "pulled_forward"), ({"size": None}, "size"),
    ],
    ids=str,
)  # fmt: skip
def test_values_that_cannot_be(typed: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        burst(**typed)
    assert all(key in str(error["loc"]) for error in caught.value.errors())


def test_the_sentence() -> None:
    assert burst(every_months=3).sentence() == (
        "Customers order more often for 2 weeks, every 3 months, and less often in the weeks after, since part of it "
        "is only pulled forward (all customers)."
    )
