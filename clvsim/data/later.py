"""What came after a day: orders by month of the customers who were known then, and of those who came later.

Months are those of a simulation's ledger, from the end of that day on (`month_ends`).
"""

import math
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.anniversaries import Anchor, day_number, day_of_month, due_on, ends_month, month_of
from clvsim.data.config import DataConfig, Source, SqlConfig, SyntheticConfig
from clvsim.data.log import TransactionLog
from clvsim.data.returning import MIDDAY
from clvsim.errors import ConfigError
from clvsim.types import DAYS_PER_MONTH

SHORTEST_BY_CALENDAR = 28.0  # days between payments; shorter ones count days, whatever the month


class Later(NamedTuple):
    """Counts and money by month after a day, (month,) each, and the mean month of as long a time before it.

    `orders`, `revenue`: of customers known on the day; `newcomers`: first orders of those who came later, and
    `newcomer_revenue`: all that these paid. `before`: the same four a month within `months_before` before the day:
    repeat orders of those who are known, first orders of those who were new then; nan where that is no month.
    `known` customers have an order up to the day; of the ids that were asked for `missing` are not in the log, and the
    first order of `moved` lies after the day; `unlisted` have an order up to the day and were not asked for.
    """

    orders: np.ndarray
    revenue: np.ndarray
    newcomers: np.ndarray
    newcomer_revenue: np.ndarray
    before: tuple[float, float, float, float]
    months_before: int
    known: int
    missing: int
    moved: int
    unlisted: int


def read_log(section: Source) -> TransactionLog:
    """The whole log, as known on its last day. Raises ConfigError for a source that does not date orders, and whatever
    reading raises."""
    from clvsim.data.read import as_of, read_transactions
    from clvsim.data.synthetic import read_synthetic

    if isinstance(section, SyntheticConfig):
        log = read_synthetic(section)
    elif isinstance(section, DataConfig):
        log = read_transactions(None, section)
    elif isinstance(section, SqlConfig):
        what = "score needs orders one by one, which data=sql leaves in the database; export them and type data=csv"
        raise ConfigError([("data", what)])
    else:
        raise ConfigError([("data", f"score needs a log of dated orders, and data={section.kind} has none")])
    return log if log.today == log.last_date else as_of(log, log.last_date)


def month_ends(today: date, months: int, interval_days: float = 0.0) -> np.ndarray:
    """Days after today of the last day of each of so many months, int64 (month,), as the simulator's ledger has them.

    Months of equal length; an order's hour is unknown, so it is midday, and what falls due on a day every
    `interval_days` does so at its end. What falls due by the calendar has months that end with today's day of the
    month, of which the last one stands for all that a month has not.
    """
    number = np.arange(1, months + 1)
    if not interval_days:
        return np.ceil(number * DAYS_PER_MONTH + MIDDAY).astype(np.int64) - 1
    if interval_days < SHORTEST_BY_CALENDAR:
        return np.floor(number * DAYS_PER_MONTH).astype(np.int64)
    day = np.array(day_number(today))
    of_month = np.where(ends_month(day), 31, day_of_month(day))
    return due_on(Anchor(month_of(day), of_month), number) - day


_PEOPLE = """
WITH firsts AS (SELECT customer, min(day) AS first FROM purchases GROUP BY customer),
people AS (
    SELECT customer, first, listed.customer_id IS NOT NULL AS listed
    FROM firsts JOIN customers USING (customer) LEFT JOIN listed USING (customer_id)
)
"""
_AFTER = (
    _PEOPLE
    + """
SELECT first > $today AS is_new, (day - $today)::BIGINT AS day, count(*) AS orders,
    count(*) FILTER (purchases.day = first) AS first_orders, sum(amount)::DOUBLE AS revenue
FROM purchases JOIN people USING (customer) WHERE purchases.day > $today AND (first > $today) <> listed
GROUP BY ALL ORDER BY ALL
"""
)
_BEFORE = (
    _PEOPLE
    + """
SELECT count(*) FILTER (day > first AND listed), coalesce(sum(amount) FILTER (day > first AND listed), 0)::DOUBLE,
    count(*) FILTER (day = first), coalesce(sum(amount) FILTER (first > $start), 0)::DOUBLE
FROM purchases JOIN people USING (customer) WHERE day > $start AND day <= $today
"""
)
_COUNTS = (
    _PEOPLE
    + """
SELECT count(*) FILTER (listed AND first <= $today), count(*) FILTER (listed AND first > $today),
    count(*) FILTER (NOT listed AND first <= $today) FROM people
"""
)


def later_orders(log: TransactionLog, ids: np.ndarray, today: date, ends: np.ndarray) -> Later:
    """Orders of a log in the months after `today` that end as `month_ends` says; `ids` (c,) were known then.

    Who is on the list with a first order after the day, or not on it with one before, counts as neither known nor new.
    """
    listed = pd.DataFrame({"customer_id": np.asarray(ids, dtype=object)}).astype(str)
    log.connection.register("listed", listed)
    try:
        counts = log.connection.execute(_COUNTS, {"today": today}).fetchall()[0]
        after = log.connection.execute(_AFTER, {"today": today}).df()
        before, window = _before(log, today, ends.size)
    finally:
        log.connection.unregister("listed")

    def by_month(column: str, *, new: bool) -> np.ndarray:
        rows = after[after["is_new"] == new]
        month = np.searchsorted(ends, rows["day"].to_numpy(int))
        return np.bincount(month, rows[column].to_numpy(float), ends.size + 1)[: ends.size]

    known, moved, unlisted = counts
    return Later(
        orders=by_month("orders", new=False),
        revenue=by_month("revenue", new=False),
        newcomers=by_month("first_orders", new=True),
        newcomer_revenue=by_month("revenue", new=True),
        before=before,
        months_before=window,
        known=known,
        missing=len(listed) - known - moved,
        moved=moved,
        unlisted=unlisted,
    )


def _before(log: TransactionLog, today: date, months: int) -> tuple[tuple[float, float, float, float], int]:
    """Figures of a mean month within as many months before today, or as many as the log has, and how many these are."""
    window = min(months, math.floor((today - log.first_date).days / DAYS_PER_MONTH))
    if window < 1:
        return (math.nan, math.nan, math.nan, math.nan), 0
    start = today - timedelta(days=round(window * DAYS_PER_MONTH))
    orders, revenue, first, new = log.connection.execute(_BEFORE, {"today": today, "start": start}).fetchall()[0]
    return (orders / window, revenue / window, first / window, new / window), window
