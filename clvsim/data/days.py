"""Orders of a log by customer and day, as arrays."""

from typing import NamedTuple

import numpy as np

from clvsim.data.log import TransactionLog


class Days(NamedTuple):
    """Orders up to today by customer and day: `customer` ascending, `day` since the log's first, each (order,).

    `first`: of that order's customer, (order,). `length`: days from the first to today.
    """

    customer: np.ndarray
    day: np.ndarray
    first: np.ndarray
    length: int


_QUIET_DAYS = 14  # of a silence at least
_EXPECTED = 30  # orders, by those in as many days before it and after it
_AS_EVER = 2  # times the usual days between two with orders, as of contracts that are all due on one day


def silences(days: Days) -> list[tuple[int, int]]:
    """Days [first, end) without an order of anybody where the days on either side would have brought many; not those
    that come back from year to year, when a shop is closed."""
    daily = np.bincount(days.day, minlength=days.length + 1)
    busy = np.flatnonzero(daily)
    found = []
    as_ever = _AS_EVER * np.median(np.diff(busy)) if busy.size > 1 else 0
    for start, end in zip(busy[:-1] + 1, busy[1:], strict=True):
        long = end - start
        around = daily[max(start - long, 0) : start].sum(), daily[end : end + long].sum()
        if long < max(_QUIET_DAYS, as_ever) or min(around) < _EXPECTED:
            continue
        years = (daily[max(start + shift, 0) : max(end + shift, 0)] for shift in (-365, 365))
        if not any(year.size == long and (year == 0).mean() > 0.5 for year in years):
            found.append((int(start), int(end)))
    return found


def days_of(log: TransactionLog) -> Days:
    """The days of a log's orders."""
    found = log.connection.execute(
        """
        SELECT customer, (day - $first)::INTEGER AS day FROM purchases WHERE day <= $today ORDER BY customer, day
        """,
        {"first": log.first_date, "today": log.today},
    ).fetchnumpy()
    number, day = (np.asarray(found[name], np.int64) for name in ("customer", "day"))
    is_first = np.diff(number, prepend=-1) > 0
    customer = np.cumsum(is_first) - 1
    return Days(customer, day, day[is_first][customer], length=(log.today - log.first_date).days)
