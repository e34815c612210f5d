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


def days_of(log: TransactionLog) -> Days:
    """The days of a log's orders."""
    found = log.connection.execute(
        """
        SELECT (dense_rank() OVER (ORDER BY customer_id) - 1)::INTEGER AS customer, (day - $first)::INTEGER AS day,
            (min(day) OVER (PARTITION BY customer_id) - $first)::INTEGER AS first_day
        FROM orders WHERE day <= $today ORDER BY customer, day
        """,
        {"first": log.first_date, "today": log.today},
    ).fetchnumpy()
    columns = (np.asarray(found[name], np.int64) for name in ("customer", "day", "first_day"))
    return Days(*columns, length=(log.today - log.first_date).days)
