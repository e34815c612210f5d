"""Purchase histories as the likelihoods of non-contractual models see them: distinct, counted, unit-free."""

from typing import NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.laws import Customers, Params, customers_of, unique_rows
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.schema import Frozen
from clvsim.types import CustomerSummary


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


class PurchaseModel(Frozen):
    """What models share that see a customer as repeat orders x, the time t_x of the last and the time T observed."""

    def histories(self, summary: CustomerSummary) -> Customers:
        """Purchase histories, in days."""
        return customers_of(summary)

    def sufficient(self, summary: CustomerSummary) -> PurchaseRows:
        """Unique rows (x, t_x, T) with counts; see `purchase_rows`."""
        return purchase_rows(customers_of(summary))


class DropoutModel(PurchaseModel):
    """What models with a dropout probability per order share, p ~ Beta(a, b).

    Priors are on unit-free quantities. `r`: shape of the order rate's distribution. `rate`: mean orders of a living
    customer within one mean observation. `dropout_mean` = a/(a+b), `dropout_concentration` = a+b.
    """

    r: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    rate: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    dropout_mean: BetaPrior = BetaPrior(a=1.0, b=1.0)
    dropout_concentration: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)

    def natural(self, draws: Params, rows: PurchaseRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's r, alpha (in reported time units), a, b from the model's variables."""
        mean, total = draws["dropout_mean"], draws["dropout_concentration"]
        alpha = draws["r"] / draws["rate"] * (rows.unit_days / days_per_unit)
        return {"r": draws["r"], "alpha": alpha, "a": total * mean, "b": total * (1 - mean)}
