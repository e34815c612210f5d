"""Purchase histories as the likelihoods of non-contractual models see them: distinct, counted, unit-free."""

from typing import NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.laws import Customers, unique_rows


class PurchaseRows(NamedTuple):
    """Unique histories in lexical order, each of shape (row,), and how many customers have them.

    `t_x` and `T` are in units of `unit_days`, the mean length of observation, so priors and posterior do not depend on
    whether time is counted in days or weeks.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    unit_days: float


def purchase_rows(customers: Customers) -> PurchaseRows:
    """All that the likelihood needs of a log.

    Raises DiagnosticsError where there is nothing to learn from: no repeat order, or no time in which to make one.
    """
    if not customers.x.any():
        raise DiagnosticsError([("retention", "the model needs repeat orders, and no customer has any before today")])
    rows, count = unique_rows(customers)
    unit = float(np.average(rows[:, 2], weights=count))
    return PurchaseRows(rows[:, 0], rows[:, 1] / unit, rows[:, 2] / unit, count, unit)
