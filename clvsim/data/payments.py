"""Single payments of contracts, as arrays: what a summary by customer does not keep."""

from typing import NamedTuple

import numpy as np

from clvsim.data.log import TransactionLog


class Payments(NamedTuple):
    """Orders up to today, each (order,), by customer and day: the row of the `customer` in the summary (int64), the
    `day` (int64, days since 1970) and the `amount` in money, 0 where nothing was paid."""

    customer: np.ndarray
    day: np.ndarray
    amount: np.ndarray


def payments_of(log: TransactionLog) -> Payments:
    """The orders of a log up to its today."""
    found = log.connection.execute(
        """
        SELECT dense_rank() OVER (ORDER BY customer_id) - 1 AS customer, (day - DATE '1970-01-01')::BIGINT AS day,
            amount::DOUBLE AS amount
        FROM orders WHERE day <= $today ORDER BY customer, day
        """,
        {"today": log.today},
    ).fetchnumpy()
    customer, day = (np.asarray(found[name], np.int64) for name in ("customer", "day"))
    return Payments(customer, day, np.asarray(found["amount"], np.float64))
