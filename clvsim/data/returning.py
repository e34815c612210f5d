"""Who has ordered lately, by age: of customers who hold no contract, counted in the log. docs/books.md defines it.

Ages are months of equal length since a customer's own first order. An order belongs to the first age at which it is
there: half a day is allowed for, because the hour of an order is unknown.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from clvsim.data.log import TransactionLog
from clvsim.types import DAYS_PER_MONTH

WINDOW = 3  # months in which an order counts as lately
MIDDAY = 0.5
_EACH, _EVERY, _LAST = 12, 3, 60  # ages shown: each of the first twelve, every third later, none beyond five years


class Returning(NamedTuple):
    """Of customers by quarter of the first order and by age 0, 1, … months, (cohort, age).

    `customers` whom the log follows up to that age, int64; how many of them ordered within the `window` up to it,
    int64; their revenue in it, and in the first window of their own, which the first order belongs to. `followed`: the
    age up to which all of a cohort are followed, (cohort,).
    """

    window: int
    quarters: tuple[str, ...]
    customers: np.ndarray
    ordering: np.ndarray
    revenue: np.ndarray
    first_revenue: np.ndarray
    followed: np.ndarray

    @property
    def counts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """All that is counted by cohort and age."""
        return self.customers, self.ordering, self.revenue, self.first_revenue

    def of(self, cohorts: np.ndarray) -> "Returning":
        """Some cohorts as one: of those that are chosen by a mask, (cohort,)."""
        summed = (values[cohorts].sum(axis=0, keepdims=True) for values in self.counts)
        return Returning(self.window, ("",), *summed, self.followed[cohorts].min(keepdims=True))


def window_of(period_days: float) -> int:
    """Months that count as lately, of customers who can order once in so many days, 0: at any time."""
    return max(WINDOW, int(np.ceil(period_days / DAYS_PER_MONTH)))


def shown_ages(last: int, window: int) -> list[int]:
    """Months of age at which a whole window lies behind, up to `last`."""
    return [m for m in range(window, min(last, _LAST) + 1) if m <= _EACH or m % _EVERY == 0]


def end_of(age: int | np.ndarray) -> np.ndarray:
    """Days since the first order up to which orders belong to an age."""
    return np.asarray(age) * DAYS_PER_MONTH + MIDDAY


_ORDERS = """
WITH firsts AS (
    SELECT customer, min(day) AS first FROM purchases WHERE day <= $today GROUP BY customer
), placed AS (
    SELECT customer, year(first) * 4 + quarter(first) - 1 AS cohort, floor(($today - first) / $month)::INT AS followed,
        greatest(ceil((day - first - $midday) / $month), 0)::INT AS age, amount
    FROM purchases JOIN firsts USING (customer) WHERE day <= $today
)
"""
_PEOPLE = """
SELECT cohort, followed AS age, count(DISTINCT customer) AS customers,
    sum(CASE WHEN age <= $window THEN amount ELSE 0 END)::DOUBLE AS first_revenue
FROM placed GROUP BY ALL ORDER BY ALL
"""
_LATELY = """
SELECT cohort, placed.age + step AS age, count(DISTINCT customer) AS ordering, sum(amount)::DOUBLE AS revenue
FROM placed, range($window) AS steps(step)
WHERE placed.age > 0 AND placed.age + step BETWEEN $window AND followed GROUP BY ALL ORDER BY ALL
"""


def returning_of(log: TransactionLog, period_days: float = 0.0) -> Returning:
    """Of all customers of a log up to its today; `period_days` as in `window_of`.

    Refunds are taken off the orders, as in all of the log.
    """
    window = window_of(period_days)
    given = {"today": log.today, "month": DAYS_PER_MONTH, "midday": MIDDAY, "window": window}
    people, lately = (
        log.connection.execute(_ORDERS + query, {k: v for k, v in given.items() if f"${k}" in _ORDERS + query}).df()
        for query in (_PEOPLE, _LATELY)
    )
    cohorts = sorted(set(people["cohort"].tolist()))
    shape = (len(cohorts), int(people["age"].max()) + 1)

    def table(rows: Iterable[np.ndarray], values: np.ndarray, dtype: type) -> np.ndarray:
        cohort, age = rows
        found = np.zeros(shape, dtype)
        found[np.searchsorted(cohorts, cohort), age] = values
        return found

    def up_to(name: str, dtype: type) -> np.ndarray:
        """Sums over all who are followed for at least so long."""
        found = table((people["cohort"], people["age"]), people[name].to_numpy(), dtype)
        return found[:, ::-1].cumsum(axis=1)[:, ::-1]

    return Returning(
        window=window,
        quarters=tuple(f"{number // 4}Q{number % 4 + 1}" for number in cohorts),
        customers=up_to("customers", np.int64),
        ordering=table((lately["cohort"], lately["age"]), lately["ordering"].to_numpy(), np.int64),
        revenue=table((lately["cohort"], lately["age"]), lately["revenue"].to_numpy(), np.float64),
        first_revenue=up_to("first_revenue", np.float64),
        followed=people.groupby("cohort")["age"].min().to_numpy(np.int64),
    )
