"""What falls due by the calendar: on the same day of a later month, the end of a month kept.

A day of the month that a month does not have is its last day: 31 January, 28 or 29 February, 31 March. Days and months
are numbers, int64, days since 1 January 1970 and months since that January; periods are whole months.

For models, which know equal months, days are counted on an even calendar, on which every month has 31 days and is as
long as any other: what falls due on the same day of each month falls due at equal distances, and a horizon of h months
ends h months on. The last day of a month stands for all that it has not, so that whatever fell due there has fallen
due. Not modelled: which of two days comes first in a month that has neither.
"""

from datetime import date
from typing import NamedTuple

import numpy as np

from clvsim.types import DAYS_PER_MONTH

MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
BEFORE_MIDNIGHT = 1e-6  # days: what falls due on a day has fallen due when the day is over
_LONGEST = 31
EVEN_DAY = DAYS_PER_MONTH / _LONGEST  # length of a day of the even calendar


class Anchor(NamedTuple):
    """When something began: the month, and the day of the month on which it falls due, from 1."""

    month: np.ndarray
    of_month: np.ndarray


def day_number(day: date) -> int:
    return (day - date(1970, 1, 1)).days


def month_of(day: np.ndarray) -> np.ndarray:
    return day.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def start_of(month: np.ndarray) -> np.ndarray:
    """The first day of a month."""
    return month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def day_of_month(day: np.ndarray) -> np.ndarray:
    return day - start_of(month_of(day)) + 1


def ends_month(day: np.ndarray) -> np.ndarray:
    """Whether a day is the last one of its month."""
    return day + 1 == start_of(month_of(day) + 1)


def anchor_of(first: np.ndarray, last: np.ndarray) -> Anchor:
    """Of something that began on a day. If that ended a month, it may be due later in longer ones, as on the `last`."""
    own, later = day_of_month(first), day_of_month(last)
    return Anchor(month_of(first), np.where(ends_month(first), np.maximum(own, later), own))


def due_on(anchor: Anchor, months: np.ndarray | int) -> np.ndarray:
    """The same day of the month so many months later; the last one of a month that is too short."""
    month = anchor.month + months
    return np.minimum(start_of(month) + anchor.of_month, start_of(month + 1)) - 1


def fallen_due(anchor: Anchor, period: int, by: np.ndarray) -> np.ndarray:
    """How many anniversaries, every `period` months, fall on a day up to `by`, which is included."""
    count = (month_of(by) - anchor.month) // period
    return np.maximum(count - (due_on(anchor, count * period) > by), 0)


def nearest(anchor: Anchor, period: int, day: np.ndarray) -> np.ndarray:
    """The number of the anniversary nearest to a day, 0 the first day itself; of two as near, the earlier one."""
    before = fallen_due(anchor, period, day)
    since = day - due_on(anchor, before * period)
    until = due_on(anchor, (before + 1) * period) - day
    return before + (until < since)


def even_days(from_day: np.ndarray, to_day: np.ndarray) -> np.ndarray:
    """From the end of one day to the end of another on the even calendar, in days of which a year has 365.25."""
    return (_even(to_day) - _even(from_day)) * EVEN_DAY


def even_days_until(from_day: np.ndarray, anchor: Anchor, months: np.ndarray | int) -> np.ndarray:
    """From the end of a day to the end of the one that is due after so many months, as `even_days`."""
    due = _LONGEST * (anchor.month + months) + anchor.of_month
    return (due - _even(from_day)) * EVEN_DAY


def on_even_calendar(from_day: int, days: np.ndarray) -> Anchor:
    """Month and day of the month so many of its own days after a day on the even calendar, of 31 a month."""
    number = _even(np.asarray(from_day)) + days - 1
    return Anchor(number // _LONGEST, number % _LONGEST + 1)


def _even(day: np.ndarray) -> np.ndarray:
    return _LONGEST * month_of(day) + np.where(ends_month(day), _LONGEST, day_of_month(day))
