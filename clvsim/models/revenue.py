"""Retention and spend together: what orders are worth, where an order's amount may go with how often one comes."""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.laws import LognormalLaw, Params, RetentionModel, SpendModel, rows_of


class Both(NamedTuple):
    """Both models, draws of their parameters, and the histories of some customers."""

    retention: RetentionModel
    spend: SpendModel
    life: Params
    money: Params
    histories: Any
    spends: Any
    days_per_unit: float


def mean_order(both: Both) -> np.ndarray:
    """Mean order of each customer given the history and, where spend goes with the rate, alive, (draw, customer)."""
    law = both.retention.laws(both.life, both.histories, both.days_per_unit) if both.spend.correlated else None
    return both.spend.expected_spend(both.money, both.spends, law)


def expected_spend_per_order(both: Both, horizon_days: float, annual_rate: float) -> np.ndarray:
    """E[amounts ordered within the horizon] / E[orders], both discounted and given alive today, (draw, customer).

    Where spend is independent of purchasing it is the mean order. Where a customer's amounts go with lambda^slope,
    frequent buyers' orders weigh more: E[orders amount] = E[amount] E'[orders], where E' weighs lambda's gammas by
    lambda^slope. That adds the slope to their shapes, and so to the retention model's `r`; it is the same for all
    customers with equally many amounts in their history.
    """
    mean = mean_order(both)
    law = both.spend.laws(both.money, both.spends)
    if not both.spend.correlated or not isinstance(law, LognormalLaw):
        return mean
    discounted, days = both.retention.expected_discounted_orders, both.days_per_unit
    orders = discounted(both.life, both.histories, horizon_days, annual_rate, days)
    weighed = np.empty_like(mean)
    _, first, of = np.unique(both.spends.x, return_index=True, return_inverse=True)
    for group, row in enumerate(first):
        rows = np.flatnonzero(of == group)
        life = {**both.life, "r": both.life["r"] + law.level_slope[:, row]}
        weighed[:, rows] = discounted(life, rows_of(both.histories, rows), horizon_days, annual_rate, days)
    some = (orders > 0) & np.isfinite(orders)  # the other ratios are those of none to none, or of endless to endless
    return mean * np.divide(weighed, orders, out=np.ones_like(mean), where=some)
