"""Periods that are the same for all customers: the calendar's, or of so many days from an anchor on.

Days are day numbers and periods are numbered, int64 (`clvsim.anniversaries`).
"""

from typing import NamedTuple

import numpy as np

from clvsim.anniversaries import (
    BEFORE_MIDNIGHT,
    MONTHS_OF,
    day_number,
    even_days,
    month_of,
    start_of,
)
from clvsim.data.log import TransactionLog
from clvsim.types import DAYS_PER_WEEK, PeriodsSeen, SharedPeriods

_MONDAY = 3  # day 0 was a Thursday
_MIDDAY = 0.5  # an order's hour is unknown
_EXPECTED = 5.0  # orders in the rest of a period, were they spread evenly: that there is none is no accident


class PeriodsOfLog(NamedTuple):
    """The periods of a log: of each day from the first to the last, (day,), and the last whole ones."""

    number: np.ndarray
    ended: int  # as of today
    ended_at_last: int  # as of the last day of the log
    seen: PeriodsSeen


def number_of(periods: SharedPeriods, day: np.ndarray) -> np.ndarray:
    """In which period a day lies."""
    if periods.unit in MONTHS_OF:
        return month_of(day) // MONTHS_OF[periods.unit]
    if periods.anchor is None:
        return (day + _MONDAY) // int(DAYS_PER_WEEK)
    return np.floor((day + _MIDDAY - day_number(periods.anchor)) / periods.days).astype(np.int64)


def last_day(periods: SharedPeriods, number: np.ndarray) -> np.ndarray:
    """The last day of a period."""
    if periods.unit in MONTHS_OF:
        return start_of((number + 1) * MONTHS_OF[periods.unit]) - 1
    if periods.anchor is None:
        return (number + 1) * int(DAYS_PER_WEEK) - _MONDAY - 1
    end = day_number(periods.anchor) + (number + 1) * periods.days
    return np.ceil(end - _MIDDAY).astype(np.int64) - 1


def days_left(periods: SharedPeriods, day: np.ndarray) -> np.ndarray:
    """Days of a period after this one; by months on the even calendar."""
    end = last_day(periods, number_of(periods, day))
    return even_days(day, end) if periods.unit in MONTHS_OF else (end - day).astype(np.float64)


def last_whole(periods: SharedPeriods, days: np.ndarray, orders: np.ndarray, by: int) -> int:
    """The last period that is whole at the end of a day, `by`; `orders` on each of `days` (day,) so far.

    One that is running is whole if nobody has ever ordered in what is left of it, where that is no accident: orders of
    earlier periods, spread evenly, would have put five or more there.
    """
    at = np.array([by])
    number, left = int(number_of(periods, at)[0]), float(days_left(periods, at)[0])
    if left == 0:
        return number
    earlier = number_of(periods, days) < number
    later = days_left(periods, days[earlier]) < left
    enough = orders[earlier].sum() * left / periods.days >= _EXPECTED
    return number if enough and not later.any() else number - 1


def periods_of(log: TransactionLog, periods: SharedPeriods) -> PeriodsOfLog:
    """Number the days of a log, and find the last whole periods as of today and of its end."""
    rows = log.connection.execute(
        "SELECT (day - DATE '1970-01-01')::BIGINT AS day, count(*) AS orders FROM purchases GROUP BY day ORDER BY day"
    ).fetchnumpy()
    days, orders = (np.asarray(rows[name], np.int64) for name in ("day", "orders"))
    first, today, last = (day_number(d) for d in (log.first_date, log.today, log.last_date))
    known = days <= today
    ended = last_whole(periods, days[known], orders[known], today)
    at_last = max(last_whole(periods, days, orders, last), ended)
    seen = PeriodsSeen(periods, _next(periods, ended, today), at_last - ended)
    return PeriodsOfLog(number_of(periods, np.arange(first, last + 1)), ended, at_last, seen)


def _next(periods: SharedPeriods, ended: int, today: int) -> float:
    """Days from today to the next opportunity: the end of the period that runs, or one period on."""
    running = int(number_of(periods, np.array([today]))[0])
    if running == ended:
        return periods.days - BEFORE_MIDNIGHT
    return float(days_left(periods, np.array([today]))[0]) - BEFORE_MIDNIGHT


def is_whole_early(log: TransactionLog, periods: SharedPeriods) -> bool:
    """Whether the period that is running today counts as whole."""
    today = np.array([day_number(log.today)])
    return bool(days_left(periods, today)[0] > 0) and periods_of(log, periods).ended == number_of(periods, today)[0]
