"""Retention and spend together: what orders are worth, where an order's amount may go with how often one comes."""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.around.plans import ByPlan, plans_of
from clvsim.models.around.several import with_more_shape
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births, LognormalLaw, Params, distinct_rows, rows_of
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.spend import lognormal, paid
from clvsim.types import CustomerSummary


class FittedCustomers(NamedTuple):
    """The models, draws of their parameters, and what the models know of some customers."""

    retention: RetentionModel
    spend: SpendModel
    life: Params
    money: Params
    histories: Any
    spends: Any
    paids: paid.PaidHistory
    days_per_unit: float

    @classmethod
    def of(cls, fitted: FittedModels, summary: CustomerSummary, draws: int | None = None) -> "FittedCustomers":
        """All customers of a summary in its order, the first `draws` draws (default all)."""
        retention, spend = fitted.retention, fitted.spend
        life, money = fitted.retention_draws(slice(draws)), fitted.spend_draws(slice(draws))
        histories, spends = retention.histories(summary), spend.histories(summary)
        return cls(retention, spend, life, money, histories, spends, paid.histories(summary), fitted.days_per_unit)

    def part(self, rows: slice | np.ndarray, draws: slice = slice(None)) -> "FittedCustomers":
        """Some customers, some draws."""
        return self._replace(
            histories=rows_of(self.histories, rows),
            spends=rows_of(self.spends, rows),
            paids=rows_of(self.paids, rows),
            life={k: v[draws] for k, v in self.life.items()},
            money={k: v[draws] for k, v in self.money.items()},
        )

    def distinct(self) -> tuple["FittedCustomers", np.ndarray]:
        """One customer for each distinct history, and which of them each customer is, (customer,).

        Sorted by the first column of the life's history, then by the last: what depends on orders and age alone has
        few values among neighbours.
        """
        first, *middle, last = self.histories
        shares = self.paids if paid.REPEAT in self.money else ()
        row, row_of = distinct_rows([first, last, *middle, *self.spends, *shares])
        return self.part(row), row_of


def mean_order(fitted: FittedCustomers) -> np.ndarray:
    """Mean order of each customer given the history and, where spend goes with the rate, alive, (draw, customer).

    Free orders count as 0.
    """
    law = None
    if fitted.spend.correlated:
        law = fitted.retention.laws(fitted.life, fitted.histories, fitted.days_per_unit)
    share = paid.expected_share(paid.laws(fitted.money, fitted.paids))
    return fitted.spend.expected_spend(fitted.money, fitted.spends, law) * share


def expected_spend_per_order(fitted: FittedCustomers, horizon_days: float, annual_rate: float) -> np.ndarray:
    """E[amounts ordered within the horizon] / E[orders], both discounted and given alive today, (draw, customer).

    Where spend is independent of purchasing it is the mean order. Where a customer's amounts go with lambda^slope,
    frequent buyers' orders weigh more: E[orders amount] = E[amount] E'[orders], where E' weighs lambda's gammas by
    lambda^slope. That adds the slope to their shapes, and so to the retention model's `r`; it is the same for all
    customers with equally many amounts in their history.
    """
    mean = mean_order(fitted)
    law = fitted.spend.laws(fitted.money, fitted.spends)
    if not fitted.spend.correlated or not isinstance(law, LognormalLaw):
        return mean
    discounted, days = fitted.retention.expected_discounted_orders, fitted.days_per_unit
    orders = discounted(fitted.life, fitted.histories, horizon_days, annual_rate, days)
    weighed = np.empty_like(mean)
    _, first, group_of = np.unique(fitted.spends.x, return_index=True, return_inverse=True)
    for group, row in enumerate(first):
        rows = np.flatnonzero(group_of == group)
        life = with_more_shape(fitted.life, law.level_slope[:, row])
        weighed[:, rows] = discounted(life, rows_of(fitted.histories, rows), horizon_days, annual_rate, days)
    defined = (orders > 0) & np.isfinite(orders)  # the other ratios are those of none to none, or of endless to endless
    return mean * np.divide(weighed, orders, out=np.ones_like(mean), where=defined)


class NewcomerValue(NamedTuple):
    """What a newcomer is expected to bring, per draw; money before any cost.

    `first` is the first order's amount, (draw,). The rest is repeat orders and their amounts within own ages, (draw,
    arrival, age): as many and as much, and each worth (1 + annual rate)^-(own age in years). One arrival stands for all
    where it does not matter when somebody comes.
    """

    first: np.ndarray
    orders: np.ndarray
    discounted_orders: np.ndarray
    revenue: np.ndarray
    discounted_revenue: np.ndarray


class Ages(NamedTuple):
    """Own ages, in days and ascending, (age,), up to which newcomers are followed who come at `births`, and the annual
    rate of discount."""

    days: np.ndarray
    annual_rate: float
    births: Births


def expected_of_newcomers(
    retention: RetentionModel, spend: SpendModel, life: Params, money: Params, days_per_unit: float, ages: Ages
) -> NewcomerValue:
    """Orders and amounts of newcomers: the models' own formulas of somebody right after the first order.

    The first order is `first_order_factor` times an order of the customer's own law. Where amounts go with lambda^slope
    repeat orders weigh as in `expected_spend_per_order`; newcomers, who make one first order each, do not. Free orders
    count as 0.
    """

    def orders(params: Params, annual_rate: float) -> np.ndarray:
        arguments = (ages.days, annual_rate, days_per_unit, ages.births)
        return retention.expected_discounted_orders_new(params, *arguments)

    def plain_and_discounted(params: Params) -> tuple[np.ndarray, np.ndarray]:
        plain = orders(params, 0.0)
        return plain, (orders(params, ages.annual_rate) if ages.annual_rate else plain)

    if plans := plans_of(retention):
        return _by_plan(plans, spend, life, money, days_per_unit, ages)
    law = spend.newcomer_laws(money)
    counted = valued = plain_and_discounted(life)
    if isinstance(law, LognormalLaw):
        newcomers = retention.newcomer_laws(life, days_per_unit) if spend.correlated else None
        mean = lognormal.mean_order(law, newcomers)[:, 0]
        if spend.correlated:
            valued = plain_and_discounted(with_more_shape(life, law.level_slope[:, 0]))
    else:
        varies = law.order_shape > 0
        spread = np.where(varies, law.order_shape / np.where(varies, law.nu_shape - 1, 1.0), 1.0)
        mean = (spread * law.nu_rate)[:, 0]
    shares = paid.newcomer_laws(money)
    first = money["first_order_factor"] * mean * np.ravel(shares.first)
    mean = mean * np.ravel(paid.expected_share(shares))
    revenue, discounted = (mean[:, None, None] * each for each in valued)
    return NewcomerValue(first, *counted, revenue, discounted)


def _by_plan(
    plans: ByPlan, spend: SpendModel, life: Params, money: Params, days_per_unit: float, ages: Ages
) -> NewcomerValue:
    """The mean over the plans that newcomers take, each at its own price."""
    total: list[Any] = [0.0] * len(NewcomerValue._fields)
    for plan, model, own in plans.each(life):
        value = expected_of_newcomers(model, spend, own, money, days_per_unit, ages)
        price = dict.fromkeys(("first", "revenue", "discounted_revenue"), plan.price)
        total = [
            sum_ + plan.share * price.get(name, 1.0) * values
            for sum_, (name, values) in zip(total, value._asdict().items(), strict=True)
        ]
    return NewcomerValue(*total)
