"""How sales went so far: what a log brought month by month, and each quarter's customers by their own age.

docs/page.md says where it is shown. Months end with today: the last one is (today − 1 month, today], by the calendar,
the end of a month kept. Ages are months of equal length since a customer's own first order, as in `data.returning`.
"""

from typing import NamedTuple

import numpy as np

from clvsim.data.log import TransactionLog
from clvsim.data.returning import MIDDAY, WINDOW
from clvsim.types import DAYS_PER_MONTH

MOST_MONTHS = 60  # that are kept


class Lately(NamedTuple):
    """What everybody can count of the last `WINDOW` months: `customers` who ordered in them, their `orders` and
    `revenue`; how many ordered in as many months `before`, and how many of those came `again`."""

    customers: int
    orders: int
    revenue: float
    before: int
    again: int


class History(NamedTuple):
    """Revenue of a log up to today, refunds taken off, undiscounted.

    `first`, `repeat` (month,): of first and of all later orders in each of the whole months, 0 being the last one.
    Customers by quarter of the first order, (cohort,): their number, the age in months that all of a quarter have
    reached (`followed`), and by age, (cohort, age): `revenue` and `orders` of a quarter up to that age, the first order
    at 0, nan beyond `followed`; `revenue_so_far`, `orders_so_far` up to today. `orders`: of the whole log, of
    `customers`; `came_again`: customers with more than one.
    """

    first: np.ndarray
    repeat: np.ndarray
    quarters: tuple[str, ...]
    customers: np.ndarray
    followed: np.ndarray
    revenue: np.ndarray
    orders: np.ndarray
    revenue_so_far: np.ndarray
    orders_so_far: np.ndarray
    came_again: int
    lately: Lately


_ORDERS = """
WITH firsts AS (
    SELECT customer, min(day) AS first FROM purchases WHERE day <= $today GROUP BY customer
), placed AS (
    SELECT customer, day, first, amount, year(first) * 4 + quarter(first) - 1 AS cohort,
        datesub('month', day + 1, $today + 1)::INT AS ago,
        greatest(ceil((day - first - $midday) / $month), 0)::INT AS age,
        floor(($today - first) / $month)::INT AS followed
    FROM purchases JOIN firsts USING (customer) WHERE day <= $today
)
"""
_MONTHS = """
SELECT ago, coalesce(sum(amount) FILTER (day = first), 0)::DOUBLE AS first,
    coalesce(sum(amount) FILTER (day > first), 0)::DOUBLE
FROM placed WHERE ago < datesub('month', $begin, $today + 1) GROUP BY ago ORDER BY ago
"""
_COHORTS = """
SELECT cohort, count(DISTINCT customer), min(followed)::INT, sum(amount)::DOUBLE, count(*) FROM placed
GROUP BY cohort ORDER BY cohort
"""
_AGES = "SELECT cohort, age, sum(amount)::DOUBLE, count(*) FROM placed GROUP BY cohort, age ORDER BY cohort, age"
_LATELY = """
, counts AS (
    SELECT customer, count(*) AS every, count(*) FILTER (ago < $window) AS lately,
        coalesce(sum(amount) FILTER (ago < $window), 0) AS revenue,
        count(*) FILTER (ago >= $window AND ago < 2 * $window) AS before
    FROM placed GROUP BY customer
)
SELECT count(*) FILTER (lately > 0), sum(lately), sum(revenue)::DOUBLE, count(*) FILTER (before > 0),
    count(*) FILTER (before > 0 AND lately > 0), count(*) FILTER (every > 1) FROM counts
"""


def history_of(log: TransactionLog) -> History:
    """Of all customers of a log up to its today. Without a whole month there are none in `first` and `repeat`."""
    given = {
        "today": log.today,
        "month": DAYS_PER_MONTH,
        "midday": MIDDAY,
        "window": WINDOW,
        "begin": log.first_date,
    }

    def answer(query: str) -> list[tuple]:
        text = _ORDERS + query
        return log.connection.execute(text, {k: v for k, v in given.items() if f"${k}" in text}).fetchall()

    months = [row for row in answer(_MONTHS) if row[0] < MOST_MONTHS]
    first, repeat = np.zeros((2, max((row[0] for row in months), default=-1) + 1))
    for ago, new, later in months:
        first[ago], repeat[ago] = new, later
    cohorts = answer(_COHORTS)
    numbers = [row[0] for row in cohorts]
    columns = [np.array(column) for column in zip(*cohorts, strict=True)]
    customers, followed, revenue_so_far, orders_so_far = columns[1:]
    summed = np.zeros((2, len(cohorts), int(followed.max()) + 1))
    for cohort, age, revenue, orders in answer(_AGES):
        if age < summed.shape[2]:
            summed[:, numbers.index(cohort), age] = revenue, orders
    known = np.arange(summed.shape[2]) <= followed[:, None]
    revenue, orders = np.where(known, summed.cumsum(axis=2), np.nan)
    *lately, came_again = answer(_LATELY)[0]
    return History(
        first=first,
        repeat=repeat,
        quarters=tuple(f"{number // 4}Q{number % 4 + 1}" for number in numbers),
        customers=customers,
        followed=followed,
        revenue=revenue,
        orders=orders,
        revenue_so_far=revenue_so_far.astype(float),
        orders_so_far=orders_so_far,
        came_again=int(came_again),
        lately=Lately(int(lately[0]), int(lately[1]), float(lately[2]), int(lately[3]), int(lately[4])),
    )
