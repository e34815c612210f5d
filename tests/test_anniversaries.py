"""What falls due by the calendar, against dates counted one by one with pandas, which adds months as people do."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim import anniversaries as due
from clvsim.types import DAYS_PER_MONTH

RNG = np.random.default_rng(4)
SINCE = due.day_number(dt.date(2019, 1, 1))
FIRST = RNG.integers(SINCE, SINCE + 900, 300)
LATER = FIRST + RNG.integers(0, 1400, 300)


def stamp(day: Any) -> Any:
    return pd.Timestamp("1970-01-01") + pd.Timedelta(days=int(day))


def number(year: int, month: int, day: int) -> np.ndarray:
    return np.array([due.day_number(dt.date(year, month, day))])


def due_after(first: np.ndarray, months: int | np.ndarray) -> np.ndarray:
    return due.due_on(due.anchor_of(first, first), months)


def anniversary(first: Any, months: int) -> int:
    return due.day_number((stamp(first) + pd.DateOffset(months=months)).date())


def test_the_end_of_a_month_is_kept() -> None:
    first = number(2024, 1, 31)
    found = [stamp(due_after(first, k)[0]).strftime("%d %b") for k in range(5)]
    assert found == ["31 Jan", "29 Feb", "31 Mar", "30 Apr", "31 May"]
    assert stamp(due_after(number(2024, 2, 29), 12)[0]).date() == dt.date(2025, 2, 28)


def test_what_began_at_the_end_of_a_short_month_may_be_due_at_the_end_of_all() -> None:
    """The last payment tells: of a 28 February on which something due on the 31st began, not of one due on the 28th."""
    first = number(2023, 2, 28)
    assert due.anchor_of(first, number(2023, 5, 31)).of_month == 31
    assert due.anchor_of(first, number(2023, 4, 30)).of_month == 30
    assert due.anchor_of(first, number(2023, 5, 28)).of_month == 28
    assert due.anchor_of(number(2023, 3, 28), number(2023, 5, 31)).of_month == 28


@pytest.mark.parametrize("period", [1, 3, 12])
def test_anniversaries_one_by_one(period: int) -> None:
    fallen = due.fallen_due(due.anchor_of(FIRST, FIRST), period, LATER)
    nearest = due.nearest(due.anchor_of(FIRST, FIRST), period, LATER)
    for i, (first, day) in enumerate(zip(FIRST, LATER, strict=True)):
        all_of_them = [anniversary(first, k * period) for k in range(60 // period)]
        assert fallen[i] == sum(a <= day for a in all_of_them) - 1
        assert nearest[i] == np.argmin([abs(a - day) for a in all_of_them])


@pytest.mark.parametrize("period", [1, 3, 12])
def test_a_horizon_holds_what_falls_due_within_it(period: int) -> None:
    """Up to the same day h months on, which is included, as many are due as at equal distances on the even calendar.

    Today is up to the 27th, a day that all months have and end none; contracts began on any day.
    """
    today = due.start_of(due.month_of(FIRST)) + np.resize(np.arange(27), FIRST.size)
    first = today - np.resize(np.arange(1100), today.size)
    until_now = due.fallen_due(due.anchor_of(first, first), period, today)
    ahead = due.even_days_until(today, due.anchor_of(first, first), (until_now + 1) * period) - 1e-6
    for h in (1, 2, 5, 12, 13, 36):
        within = due.fallen_due(due.anchor_of(first, first), period, due_after(today, h)) - until_now
        on_even = np.ceil((h * DAYS_PER_MONTH - ahead) / (period * DAYS_PER_MONTH))
        np.testing.assert_array_equal(np.maximum(on_even, 0), within)


@pytest.mark.parametrize("months", [1, 2, 6, 12])
def test_the_last_day_of_a_month_stands_for_those_it_has_not(months: int) -> None:
    """Due on the 31st, today on the last of a month that may be shorter: paid today, due again in so many months."""
    for today in (number(2023, 2, 28), number(2023, 4, 30), number(2024, 2, 29), number(2023, 12, 31)):
        first = number(2022, 12, 31)
        until_now = due.month_of(today) - due.month_of(first)
        assert due_after(first, until_now) == today
        assert due.even_days_until(today, due.anchor_of(first, first), until_now + months) == months * DAYS_PER_MONTH
    assert due.even_days(number(2023, 2, 28), number(2023, 4, 30)) == 2 * DAYS_PER_MONTH
    assert due.even_days(number(2023, 2, 10), number(2024, 2, 10)) == 12 * DAYS_PER_MONTH
