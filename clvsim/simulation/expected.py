"""Table of existing customers: expected values in closed form, and quantiles of simulated values."""

from typing import Any

import numpy as np
import pandas as pd

from clvsim.models.fitted import FittedModels
from clvsim.models.laws import rows_of
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order
from clvsim.simulation.config import SimulationConfig
from clvsim.simulation.ledger import Economics
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary

CUSTOMERS_AT_ONCE = 4096  # floating sums must not depend on `simulation.shard_customers`
DRAWS_AT_ONCE = 64


def value_quantiles(value: np.ndarray) -> np.ndarray:
    """Simulated 5, 50, 95 % quantiles over worlds per customer, (w, c) → (c, 3)."""
    ordered = np.sort(np.ascontiguousarray(value.T), axis=1)
    return np.quantile(ordered, [0.05, 0.5, 0.95], axis=1).T


def customer_values(
    fitted: FittedModels,
    summary: CustomerSummary,
    quantiles: np.ndarray,
    config: SimulationConfig,
    economics: Economics,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Table of existing customers and the sum of their expected values per draw, (draws,).

    Expectations are closed forms averaged over draws, the environment at its mean; `quantiles` (c, 3) are simulated.
    """
    sums, per_draw = sum_expected(fitted, summary, config, economics)
    alive, orders, value = sums / config.draws
    frame = pd.DataFrame(
        {
            "customer_id": summary.customers["customer_id"].to_numpy(),
            "p_alive": alive,
            "expected_orders": orders,
            "rlv_mean": value,
            "rlv_p05": quantiles[:, 0],
            "rlv_p50": quantiles[:, 1],
            "rlv_p95": quantiles[:, 2],
        }
    )
    return frame, per_draw


def sum_expected(
    fitted: FittedModels, summary: CustomerSummary, config: SimulationConfig, economics: Economics
) -> tuple[np.ndarray, np.ndarray]:
    """`expected_values` of all customers over all draws, (3, c) and (draws,); `jobs` change no sum."""
    from joblib import Parallel, delayed

    histories, spends = fitted.retention.histories(summary), fitted.spend.histories(summary)
    customers = len(summary.customers)
    sums, per_draw = np.zeros((3, customers)), np.zeros(config.draws)
    chunks = [slice(low, min(config.draws, low + DRAWS_AT_ONCE)) for low in range(0, config.draws, DRAWS_AT_ONCE)]
    for low in range(0, customers, CUSTOMERS_AT_ONCE):
        rows = slice(low, low + CUSTOMERS_AT_ONCE)
        life_rows, spend_rows = rows_of(histories, rows), rows_of(spends, rows)
        expected = Parallel(config.jobs, backend="threading")(
            delayed(expected_values)(fitted, chunk, life_rows, spend_rows, config.horizon_months, economics)
            for chunk in chunks
        )
        for chunk, (by_customer, by_draw) in zip(chunks, expected, strict=True):
            sums[:, rows] += by_customer
            per_draw[chunk] += by_draw
    return sums, per_draw


def expected_values(
    fitted: FittedModels,
    draws: slice,
    histories: Any,
    spends: Any,
    horizon_months: int,
    economics: Economics,
) -> tuple[np.ndarray, np.ndarray]:
    """P(alive), expected orders and expected contribution summed over draws, (3, c), and the last over customers."""
    retention, days, horizon = fitted.retention, fitted.days_per_unit, horizon_months * DAYS_PER_MONTH
    rate = float(np.expm1(economics.discount_per_day * DAYS_PER_YEAR))
    life = fitted.retention_draws(draws)
    alive = retention.laws(life, histories, days).p_alive
    discounted = alive * retention.expected_discounted_orders(life, histories, horizon, rate, days)
    orders = discounted
    if rate != 0:
        orders = alive * retention.expected_discounted_orders(life, histories, horizon, 0.0, days)
    customers = FittedCustomers(retention, fitted.spend, life, fitted.spend_draws(draws), histories, spends, days)
    per_order = expected_spend_per_order(customers, horizon, rate)
    value = discounted * (per_order * economics.gross_margin - economics.cost_per_order)
    return np.stack([alive.sum(axis=0), orders.sum(axis=0), value.sum(axis=0)]), value.sum(axis=1)
