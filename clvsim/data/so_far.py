"""What customers have brought since their first orders, up to an age of their own: counted in the log."""

from typing import NamedTuple

import numpy as np

from clvsim.data.log import TransactionLog
from clvsim.types import DAYS_PER_YEAR

MIDDAY = 0.5  # of a day: the hour of an order is unknown


class Span(NamedTuple):
    """Own ages up to `days` after the first order, and the annual rate at which what comes later counts less."""

    days: float
    annual_rate: float


class SoFar(NamedTuple):
    """Repeat orders of each customer within a span of own age, up to today, (customer,) in the order of a summary's
    rows: their number and their money, refunds taken off, both discounted to the customer's own first order."""

    span: Span
    orders: np.ndarray
    revenue: np.ndarray


# Each term is rounded, as sums must not depend on the order of rows.
_QUERY = """
WITH firsts AS (SELECT customer, min(day) AS first FROM purchases GROUP BY customer HAVING min(day) <= $today)
SELECT customer, coalesce(sum(worth::DECIMAL(38,12)) FILTER (counts), 0)::DOUBLE AS orders,
    coalesce(sum((amount::DOUBLE * worth)::DECIMAL(38,8)) FILTER (counts), 0)::DOUBLE AS revenue
FROM (
    SELECT customer, amount, exp(-$force * (day - first)) AS worth,
        day > first AND day <= $today AND day - first <= $days AS counts
    FROM purchases JOIN firsts USING (customer)
) GROUP BY customer ORDER BY customer
"""


def so_far_of(log: TransactionLog, span: Span) -> SoFar:
    """Of all customers whose first order is not after the log's today."""
    force = float(np.log1p(span.annual_rate)) / DAYS_PER_YEAR
    given = {"today": log.today, "force": force, "days": span.days + MIDDAY}
    found = log.connection.execute(_QUERY, given).fetchnumpy()
    return SoFar(span, *(np.asarray(found[name], np.float64) for name in ("orders", "revenue")))
