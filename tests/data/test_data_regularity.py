"""Regular gaps are told from chance, whatever customers' rates are, and rounded dates are not taken for them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.data.days import Days
from clvsim.data.regularity import Regularity, due_days, regularity
from tests.data.madeup import december, shop

LENGTH = 540


def days(frame: pd.DataFrame) -> Days:
    """As the days of a log are read."""
    frame = frame.drop_duplicates(["customer_id", "day"])
    day = frame["day"].to_numpy() - frame["day"].min()
    customer = frame["customer_id"].rank(method="dense").to_numpy(np.int64) - 1
    first = frame.groupby("customer_id")["day"].transform("min").to_numpy() - frame["day"].min()
    return Days(customer, day, first, LENGTH)


def found_in(seed: int, change: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame, **kind: Any):
    found = regularity(days(change(shop(seed, LENGTH, a_day=0.7, **kind))))
    assert found is not None
    return found


def to_weeks(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(day=frame["day"] // 7 * 7)


def on_saturdays(frame: pd.DataFrame) -> pd.DataFrame:
    """Two in five orders wait for the Saturday of their week."""
    moved = np.random.default_rng(0).random(len(frame)) < 0.4
    return frame.assign(day=np.where(moved, frame["day"] // 7 * 7 + 5, frame["day"]))


@pytest.mark.parametrize("unit", [1, 7])
def test_places_of_the_middle_order_that_are_equally_likely_are_chance(unit: int) -> None:
    """Each place between a first and a third order once: what is expected of k = 1, exactly."""
    rows = [(f"{span}-{middle}", at) for span in (4, 9, 30) for middle in range(1, span) for at in (0, middle, span)]
    frame = pd.DataFrame(rows, columns=["customer_id", "day"])
    frame["day"] = frame["day"] * unit
    found = regularity(days(frame))
    assert found is not None
    assert found.z == pytest.approx(0.0, abs=1e-9)
    assert found.k == pytest.approx(1.0, abs=1e-9)
    assert found.rounded == (unit == 7)


CHANCE = {
    "any day": found_in,
    "often": lambda seed: found_in(seed, mean_gap=6.0),
    "dates of the week": lambda seed: found_in(seed, to_weeks),
    "often, dates of the week": lambda seed: found_in(seed, to_weeks, mean_gap=10.0),
    "saturdays": lambda seed: found_in(seed, on_saturdays),
    "decembers": lambda seed: found_in(seed, pace=december(3.0)),
}


@pytest.mark.parametrize("kind", CHANCE)
def test_chance_is_no_regularity(kind: str) -> None:
    """z is standard normal: its mean over 12 logs has a standard deviation of 0.29; Decembers make it fall."""
    found: list[Regularity] = [CHANCE[kind](seed) for seed in range(12)]
    z = np.array([one.z for one in found])
    assert not any(one.sure for one in found)
    assert (-1.5 if kind == "decembers" else -0.9) < z.mean() < 0.9
    assert 0.5 < z.std(ddof=1) < 1.7


@pytest.mark.parametrize("stages", [2, 6, 20])
def test_stages_are_counted(stages: int) -> None:
    for seed in range(3):
        found = found_in(seed, stages=stages)
        assert found.sure
        assert found.k == pytest.approx(stages, rel=0.25)


def test_rounded_regular_gaps_are_regular_still() -> None:
    found = found_in(1, to_weeks, stages=6)
    assert found.sure
    assert found.rounded


def test_nobody_with_three_orders() -> None:
    assert regularity(days(pd.DataFrame({"customer_id": [1, 1, 2], "day": [0, 4, 2]}))) is None


def monthly(drift: float, late: float, size: int = 120) -> Days:
    """Payments of two years, a month apart: each so far from the payment before (`drift`), or from its day (`late`)."""
    random = np.random.default_rng(5)
    gaps = 30.4375 + drift * random.standard_normal((size, 20))
    day = np.round(random.integers(0, 60, (size, 1)) + np.cumsum(gaps, axis=1) + late * random.random((size, 20)))
    return Days(np.repeat(np.arange(size), 20), day.astype(np.int64).ravel(), np.repeat(day[:, 0], 20), LENGTH)


def test_what_comes_back_to_its_day_falls_due_and_what_drifts_does_not() -> None:
    """Nine in ten gaps are a month in each."""
    for late in (0.0, 1.0):
        due = due_days(monthly(0.0, late))
        assert due is not None
        assert due.renewal == "month"
    assert due_days(monthly(1.5, 0.0)) is None
