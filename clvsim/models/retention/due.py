"""When contracts are due for renewal: by the calendar where the log has dates, else at equal distances.

Models and simulator know equal distances only: by the calendar these are those of `clvsim.anniversaries`.
"""

from datetime import date
from typing import Any, NamedTuple

import numpy as np

from clvsim.anniversaries import (
    BEFORE_MIDNIGHT,
    MONTHS_OF,
    Anchor,
    anchor_of,
    day_number,
    due_on,
    even_days,
    even_days_until,
    fallen_due,
    nearest,
)
from clvsim.types import RENEWAL_DAYS, CustomerSummary


class AtIntervals(NamedTuple):
    """Due every `interval` days from the first payment, `T` days ago, (customer,)."""

    interval: float
    T: np.ndarray

    @property
    def age(self) -> np.ndarray:
        """Days since the first payment, in a time in which renewals come at equal distances."""
        return self.T

    def nearest(self, day: np.ndarray) -> np.ndarray:
        """The number of the renewal due nearest to a day since the first payment."""
        return np.rint(day / self.interval)

    def day(self, nth: np.ndarray) -> np.ndarray:
        """Days from the first payment to the nth renewal."""
        return nth * self.interval

    def until(self, day: np.ndarray, *, included: bool) -> np.ndarray:
        """How many renewals are due up to a day since the first payment."""
        count = np.floor(day / self.interval) if included else np.ceil(day / self.interval) - 1
        return np.maximum(count, 0.0)

    def ahead(self, nth: np.ndarray) -> np.ndarray:
        """Days from today to the nth renewal, in the time of `age`."""
        return nth * self.interval - self.T - BEFORE_MIDNIGHT


class ByMonths(NamedTuple):
    """Due on the same day of the month every `period` months from the first payment on; day numbers, (customer,)."""

    period: int
    T: np.ndarray
    first: np.ndarray
    anchor: Anchor
    today: np.ndarray  # the same for all

    @property
    def age(self) -> np.ndarray:
        return -even_days_until(self.today, self.anchor, 0)

    def nearest(self, day: np.ndarray) -> np.ndarray:
        return nearest(self.anchor, self.period, self.first + day.astype(np.int64)).astype(np.float64)

    def day(self, nth: np.ndarray) -> np.ndarray:
        return (due_on(self.anchor, self.period * nth.astype(np.int64)) - self.first).astype(np.float64)

    def until(self, day: np.ndarray, *, included: bool) -> np.ndarray:
        last = np.floor(day) if included else np.ceil(day) - 1
        return np.where(last < 0, 0.0, fallen_due(self.anchor, self.period, self.first + last.astype(np.int64)))

    def ahead(self, nth: np.ndarray) -> np.ndarray:
        return even_days_until(self.today, self.anchor, self.period * nth.astype(np.int64)) - BEFORE_MIDNIGHT


class Starts(NamedTuple):
    """When contracts began, (customer,): the month and the day of the month on which they fall due, as `Anchor`; of
    those that fall due at intervals the day number, and 0."""

    start: np.ndarray
    of_month: np.ndarray


def starts_of(due: "AtIntervals | ByMonths", today: date) -> Starts:
    if isinstance(due, ByMonths):
        return Starts(*due.anchor)
    return Starts(day_number(today) - due.T.astype(np.int64), np.zeros(due.T.size, np.int64))


def day_due(starts: Starts, renewal: str, nth: np.ndarray) -> np.ndarray:
    """Day number of the nth renewal of contracts of this length."""
    start, of_month = (np.asarray(v, np.int64) for v in starts)
    nth = np.asarray(nth, np.int64)
    if renewal in MONTHS_OF:
        return due_on(Anchor(start, of_month), MONTHS_OF[renewal] * nth)
    return start + int(RENEWAL_DAYS[renewal]) * nth


class Renewals(NamedTuple):
    """Renewals that a likelihood counts, (renewal,): their numbers, from 1; the numbers of the days on which they were
    due; and whether the contract ended instead."""

    nth: np.ndarray
    day: np.ndarray
    ended: np.ndarray


def renewals_due(section: Any, summary: CustomerSummary) -> Renewals:
    """Of all contracts of a model of one length."""
    found = section.histories(summary)
    tried = (found.seen + found.lost).astype(np.int64)
    who = np.repeat(np.arange(tried.size), tried)
    nth = np.arange(who.size) - np.repeat(np.cumsum(tried) - tried, tried) + 1
    starts = Starts(*(v[who] for v in starts_of(due_days(summary, section.renewal), summary.today)))
    return Renewals(nth, day_due(starts, section.renewal, nth), (nth > found.seen[who]).astype(np.float64))


def by_calendar(summary: CustomerSummary, renewal: str) -> bool:
    """Whether renewals fall due by the calendar's months: the data have dates, and a period is not a week."""
    return renewal in MONTHS_OF and summary.repeat_orders_by_day is not None


def due_days(summary: CustomerSummary, renewal: str) -> AtIntervals | ByMonths:
    """When contracts of this length are due; tables without dates have equal distances."""
    T = summary.customers["T_days"].to_numpy(np.float64)
    if not by_calendar(summary, renewal):
        return AtIntervals(RENEWAL_DAYS[renewal], T)
    today = np.full(T.shape, day_number(summary.today))
    first = today - T.astype(np.int64)
    last = first + summary.customers["recency_days"].to_numpy(np.int64)
    return ByMonths(MONTHS_OF[renewal], T, first, anchor_of(first, last), today)


def days_held_back(summary: CustomerSummary, renewal: str, late: int) -> float:
    """Length of the hold-out less the last `late` days, at least one, in the time of `due_days`: what is due on its
    last day lies within it."""
    days = max(summary.holdout_days - late, 1)
    if not by_calendar(summary, renewal):
        return float(days)
    today = np.array(day_number(summary.today))
    return float(even_days(today, today + days))
