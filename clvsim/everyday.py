"""The trade's formulas for what a customer is worth, as people work them out by hand, and the steps to the model's.

Pure arithmetic on a few numbers. Not modelled: anything that differs between customers or changes with their age; that
is the point of the comparison. docs/page.md.
"""

import math
from dataclasses import dataclass

from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR


@dataclass(frozen=True)
class Trade:
    """What the formulas need; nan where a run does not know it.

    `revenue_per_month`, `orders_per_month` of a customer who is there, `churn_per_month` the share of these who are
    lost within a month, `order_value` the mean order, `retention_rate` the share who come again, `visitors_per_month`
    and `conversion`; `margin` of revenue, 1 where none is known, and `cost_per_order`. `customers` are those who are
    there today.
    """

    revenue_per_month: float
    orders_per_month: float
    churn_per_month: float
    order_value: float
    retention_rate: float
    visitors_per_month: float
    conversion: float
    margin: float
    cost_per_order: float
    customers: float


def lifetime_value(trade: Trade) -> float:
    """Margin × monthly revenue of a customer ÷ monthly churn; nan where nobody is lost."""
    return over_churn(trade.margin * trade.revenue_per_month, trade.churn_per_month)


def order_times_retention(trade: Trade) -> float:
    """Mean order × share who come again: money per order, and no customer's value."""
    return trade.order_value * trade.retention_rate


def first_sales(trade: Trade) -> float:
    """Visitors a month × conversion × mean order: what first orders bring in a month."""
    return trade.visitors_per_month * trade.conversion * trade.order_value


def over_churn(per_month: float, churn: float) -> float:
    return per_month / churn if churn > 0 else math.nan


@dataclass(frozen=True)
class Steps:
    """From a formula's `value` to the model's: what each step changes, and the `rest` up to `model`.

    `costs`: what each order costs beside goods; `horizon`: what comes after the months that the model counts;
    `discount`: later money counting less; `rest`: customers who differ, ageing, what is due at once.
    """

    value: float
    costs: float
    horizon: float
    discount: float
    rest: float
    model: float


def steps(trade: Trade, heads: float, model: float, months: int, annual_discount_rate: float) -> Steps:
    """Of so many customers, each with the formula's own geometric life: payments of one month each, the first at once.

    With constant churn, no discounting and an endless horizon all steps and the rest are 0 for a new contract.
    """
    churn, per_month = trade.churn_per_month, trade.margin * trade.revenue_per_month
    after_costs = per_month - trade.cost_per_order * trade.orders_per_month
    value, net = over_churn(per_month, churn), over_churn(after_costs, churn)
    stay, discount = 1 - churn, (1 + annual_discount_rate) ** (-DAYS_PER_MONTH / DAYS_PER_YEAR)
    counted = net * (1 - stay**months)
    later = after_costs * geometric(stay * discount, months)
    return Steps(
        value=heads * value,
        costs=heads * (net - value),
        horizon=heads * (counted - net),
        discount=heads * (later - counted),
        rest=model - heads * later,
        model=model,
    )


def geometric(ratio: float, terms: int) -> float:
    """1 + r + … + r^(n−1)."""
    return float(terms) if ratio == 1 else (1 - ratio**terms) / (1 - ratio)
