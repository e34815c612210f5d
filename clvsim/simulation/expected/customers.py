"""Table of existing customers: expected values in closed form, and quantiles of simulated values."""

from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.models.fitted import FittedModels
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order
from clvsim.simulation.expected.next_order import NextOrders
from clvsim.simulation.plan import RunPlan
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary

CUSTOMERS_AT_ONCE = 4096  # floating sums must not depend on `simulation.shard_customers`
DRAWS_AT_ONCE = 64


def value_quantiles(value: np.ndarray) -> np.ndarray:
    """Simulated 5, 50, 95 % quantiles over worlds per customer, (w, c) → (c, 3)."""
    ordered = np.sort(np.ascontiguousarray(value.T), axis=1)
    return np.quantile(ordered, [0.05, 0.5, 0.95], axis=1).T


class ExistingSums(NamedTuple):
    """Sums over the customers of each ledger group, (draws, groups), and over all: see `ExpectedLevels`."""

    existing_revenue: np.ndarray
    existing_discounted_orders: np.ndarray
    existing_orders: np.ndarray
    existing_there: np.ndarray  # (draws, 2)


def existing_levels(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray
) -> tuple[np.ndarray, ExistingSums]:
    """Means over draws of `expected_values`, (3, c), and sums over customers.

    Closed forms, the environment at its mean. Sums run over customers in `order` (c,), which follows from their ids;
    neither `simulation.jobs` nor the order of rows changes a bit.
    """
    from joblib import Parallel, delayed

    draws, groups = plan.simulation.draws, plan.layout.first_new_group
    fitted_customers = FittedCustomers.of(fitted, summary, draws)
    sums, by_draw = np.zeros((3, order.size)), ExistingSums(*np.zeros((3, draws, groups)), np.zeros((draws, 2)))
    chunks = [slice(low, min(draws, low + DRAWS_AT_ONCE)) for low in range(0, draws, DRAWS_AT_ONCE)]
    for low in range(0, order.size, CUSTOMERS_AT_ONCE):
        rows = order[low : low + CUSTOMERS_AT_ONCE]
        expected = Parallel(plan.simulation.jobs, backend="threading")(
            delayed(expected_values)(fitted_customers.part(rows, chunk), plan, plan.layout.group[rows])
            for chunk in chunks
        )
        for chunk, (by_customer, of_chunk) in zip(chunks, expected, strict=True):
            sums[:, rows] += by_customer
            for total, part in zip(by_draw, of_chunk, strict=True):
                total[chunk] += part
    return sums / draws, by_draw


def customer_table(
    summary: CustomerSummary, means: np.ndarray, quantiles: np.ndarray, following: NextOrders
) -> pd.DataFrame:
    """Table of existing customers: expected values, `means` (3, c), `quantiles` (c, 3) of simulated ones, what was
    known of each today, and the `following` order. docs/exports.md defines each column."""
    alive, orders, value = means
    ids = summary.customers["customer_id"].to_numpy()
    return pd.DataFrame(
        {
            "customer_id": ids,
            "p_alive": alive,
            "expected_orders": orders,
            "rlv_mean": value,
            "rlv_p05": quantiles[:, 0],
            "rlv_p50": quantiles[:, 1],
            "rlv_p95": quantiles[:, 2],
            **known_today(summary),
            "p_order": np.minimum(following.p_order, alive),  # they are means over as many draws or more
            "next_order": days_from(summary.today, following.days),
            "decile": deciles(value, ids),
            "segment": summary.customers["segment"].to_numpy(object),
            "channel": summary.customers["channel"].to_numpy(object),
            "simulated": ~np.isnan(quantiles[:, 0]),
        }
    )


def known_today(summary: CustomerSummary) -> dict[str, np.ndarray]:
    """Days of the first and the last order, orders so far, and money paid for them, refunds taken off: nan where single
    amounts are not known."""
    dated = summary.dated
    frame = dated.customers
    age, recency = (frame[name].to_numpy(float) for name in ("T_days", "recency_days"))
    return {
        "first_order": days_from(dated.today, -age),
        "last_order": days_from(dated.today, recency - age),
        "orders_so_far": frame["frequency"].to_numpy(np.int64) + 1,
        "spend_so_far": frame["first_amount"].to_numpy(float) + frame["repeat_amount"].to_numpy(float),
    }


def days_from(today: date, days: np.ndarray) -> np.ndarray:
    """The nearest calendar days to so many days from today, (c,) datetime64; not a time for nan."""
    known = np.isfinite(days)
    whole = np.rint(np.where(known, days, 0.0)).astype(np.int64)
    found = np.datetime64(today, "s") + whole * np.timedelta64(86_400, "s")
    return np.where(known, found, np.datetime64("NaT", "s"))


def deciles(value: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """1 for the tenth of the customers of most value, to 10, (c,) int64; ties go to the id that comes first."""
    rank = np.empty(value.size, np.int64)
    rank[np.lexsort((ids, -value))] = np.arange(value.size)
    return rank * 10 // max(value.size, 1) + 1


class ByDraw(NamedTuple):
    """Of some customers, in some draws, given what is known of them today, (draws, c) each."""

    alive: np.ndarray
    there: np.ndarray  # still, in a month
    orders: np.ndarray  # within the horizon, and so is all that follows
    discounted: np.ndarray  # orders
    revenue: np.ndarray  # discounted
    value: np.ndarray  # discounted contribution


def by_draw(customers: FittedCustomers, plan: RunPlan) -> ByDraw:
    """The models' closed forms, the environment at its mean."""
    retention, life, histories = customers.retention, customers.life, customers.histories
    days, economics = customers.days_per_unit, plan.economics
    horizon = plan.simulation.horizon_months * DAYS_PER_MONTH
    rate = float(np.expm1(economics.discount_per_day * DAYS_PER_YEAR))
    alive = retention.laws(life, histories, days).p_alive
    discounted = alive * retention.expected_discounted_orders(life, histories, horizon, rate, days)
    orders = discounted
    if rate != 0:
        orders = alive * retention.expected_discounted_orders(life, histories, horizon, 0.0, days)
    revenue = discounted * expected_spend_per_order(customers, horizon, rate)
    value = revenue * economics.gross_margin - discounted * economics.cost_per_order
    in_a_month = alive * retention.probability_staying(life, histories, DAYS_PER_MONTH, days)
    return ByDraw(alive, in_a_month, orders, discounted, revenue, value)


def expected_values(customers: FittedCustomers, plan: RunPlan, group: np.ndarray) -> tuple[np.ndarray, ExistingSums]:
    """P(alive), expected orders and expected contribution of customers, summed over draws, (3, c); `ExistingSums`.

    `group` (c,) of each customer.
    """
    alive, in_a_month, orders, discounted, revenue, value = by_draw(customers, plan)
    by_group = (sum_by_group(v, group, plan.layout.first_new_group) for v in (revenue, discounted, orders))
    there = np.stack([alive.sum(axis=1), in_a_month.sum(axis=1)], axis=1)
    return np.stack([alive.sum(axis=0), orders.sum(axis=0), value.sum(axis=0)]), ExistingSums(*by_group, there)


def sum_by_group(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Sums over the customers of each group in their order, (draws, c) → (draws, groups)."""
    return np.stack([values[:, group == g].sum(axis=1) for g in range(groups)], axis=1)
