"""What a fitted model expects of each customer, by posterior draw: closed forms with labelled dimensions.

Times are months of 365.25/12 days from today, money is in the log's currency. `expected_*` is a conditional mean given
the draw, `probability_*` a conditional probability; no random outcome. Layers of uncertainty in the draws: parameters
only. Environment and interventions are the simulator's.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from joblib import Parallel, delayed

from clvsim.errors import ConfigError
from clvsim.models.fitted import FittedModels
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order, mean_order
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

CELLS_AT_ONCE = 1 << 21  # draws × distinct customers of a chunk: some tens of MB for each thread


Formula = Callable[[FittedCustomers], np.ndarray]  # (draw, customer)


# --- formulas ---------------------------------------------------------------------------------------------------------


def _alive() -> Formula:
    return lambda f: f.retention.probability_alive(f.life, f.histories, f.days_per_unit)


def _active(horizon_months: float) -> Formula:
    days = horizon_months * DAYS_PER_MONTH
    return lambda f: f.retention.probability_active(f.life, f.histories, days, f.days_per_unit)


def _orders(horizon_months: float) -> Formula:
    days = horizon_months * DAYS_PER_MONTH
    return lambda f: f.retention.expected_orders(f.life, f.histories, days, f.days_per_unit)


def _discounted(horizon_months: float, annual_discount_rate: float) -> Formula:
    days = horizon_months * DAYS_PER_MONTH

    def orders(f: FittedCustomers) -> np.ndarray:
        living = f.retention.expected_discounted_orders(
            f.life, f.histories, days, annual_discount_rate, f.days_per_unit
        )
        alive = f.retention.probability_alive(f.life, f.histories, f.days_per_unit)
        return np.multiply(alive, living, out=alive, where=alive > 0)  # none lost has infinitely many ahead

    return orders


def _spend() -> Formula:
    return mean_order


def _rlv(
    horizon_months: float, annual_discount_rate: float, gross_margin: float = 1.0, cost_per_order: float = 0.0
) -> Formula:
    orders = _discounted(horizon_months, annual_discount_rate)

    def value(f: FittedCustomers) -> np.ndarray:
        per_order = expected_spend_per_order(f, horizon_months * DAYS_PER_MONTH, annual_discount_rate) * gross_margin
        per_order -= cost_per_order
        per_order *= orders(f)
        return per_order

    return value


QUANTITIES: Mapping[str, Callable[..., Formula]] = {
    "probability_alive": _alive,
    "probability_active": _active,
    "expected_orders": _orders,
    "expected_discounted_orders": _discounted,
    "expected_spend": _spend,
    "expected_rlv": _rlv,
}


# --- every draw of every customer -------------------------------------------------------------------------------------


def probability_alive(fitted: FittedModels, summary: CustomerSummary) -> xr.DataArray:
    """P(alive today | history), (draw, customer_id)."""
    return _labelled(fitted, summary, "probability_alive", _alive())


def probability_active(fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float) -> xr.DataArray:
    """P(at least one order within the horizon | history), (draw, customer_id)."""
    return _labelled(fitted, summary, "probability_active", _active(horizon_months))


def expected_orders(fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float) -> xr.DataArray:
    """E[orders within the horizon | history], alive or not, (draw, customer_id)."""
    return _labelled(fitted, summary, "expected_orders", _orders(horizon_months))


def expected_discounted_orders(
    fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float, annual_discount_rate: float
) -> xr.DataArray:
    """The same, each order worth (1 + annual_discount_rate)^-(days / 365.25), (draw, customer_id).

    The horizon may be infinite. Without discount some models then expect infinitely many orders.
    """
    formula = _discounted(horizon_months, annual_discount_rate)
    return _labelled(fitted, summary, "expected_discounted_orders", formula)


def expected_spend(fitted: FittedModels, summary: CustomerSummary) -> xr.DataArray:
    """E[mean order | history], in money, (draw, customer_id).

    Given alive, where spend goes with the order rate: then a mean over customers' means and not over their orders.
    """
    return _labelled(fitted, summary, "expected_spend", _spend())


def expected_rlv(
    fitted: FittedModels,
    summary: CustomerSummary,
    *,
    horizon_months: float,
    annual_discount_rate: float,
    gross_margin: float = 1.0,
    cost_per_order: float = 0.0,
) -> xr.DataArray:
    """E[residual lifetime value | history], (draw, customer_id): discounted orders × (spend × margin - cost per order).

    With a margin of 1 and no cost it is revenue. Where spend goes with the order rate, the expected product and not
    the product of expectations; else spend is independent of purchasing given the parameters.
    """
    formula = _rlv(horizon_months, annual_discount_rate, gross_margin, cost_per_order)
    return _labelled(fitted, summary, "expected_rlv", formula)


def _labelled(fitted: FittedModels, summary: CustomerSummary, name: str, formula: Formula) -> xr.DataArray:
    customers, of = FittedCustomers.of(fitted, summary).distinct()
    values = np.empty((fitted.draws, of.size))
    order, ends = np.argsort(of, kind="stable"), np.cumsum(np.bincount(of))
    start = 0
    for rows in _chunks(customers):
        stop = ends[rows.stop - 1]
        some = order[start:stop]
        values[:, some] = formula(customers.part(rows))[:, of[some] - rows.start]
        start = stop
    ids = summary.customers["customer_id"].to_numpy()
    coords = {"draw": np.arange(fitted.draws), "customer_id": ids}
    return xr.DataArray(values, coords, ("draw", "customer_id"), name=name)


# --- means and quantiles only -----------------------------------------------------------------------------------------


def reduce_draws(
    quantity: str,
    fitted: FittedModels,
    summary: CustomerSummary,
    *,
    quantiles: Sequence[float] = (),
    draws: int | None = None,
    jobs: int = 1,
    **options: Any,
) -> xr.Dataset:
    """A quantity by name, reduced over draws without ever holding draws × customers.

    Variables: `mean` (customer_id), `total` (draw), the sum over customers, and where asked for `quantile`
    (probability, customer_id); quantiles of customers do not add up to those of the total. `options` are those of the
    quantity's own function; `draws` takes the first ones. The result does not depend on `jobs`, the number of threads.

    Raises ConfigError for an unknown quantity and for probabilities beyond 0 and 1.
    """
    problems = []
    if quantity not in QUANTITIES:
        problems.append(("quantity", f"must be one of {', '.join(QUANTITIES)}, got {quantity}"))
    if not all(0 <= q <= 1 for q in quantiles):
        problems.append(("quantiles", f"must be between 0 and 1, got {list(quantiles)}"))
    if problems:
        raise ConfigError(problems)
    formula = QUANTITIES[quantity](**options)
    customers, of = FittedCustomers.of(fitted, summary, draws).distinct()
    count = np.bincount(of).astype(np.float64)
    probabilities = np.asarray(quantiles, np.float64)

    def reduced(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = formula(customers.part(rows))
        found = np.quantile(values, probabilities, axis=0) if probabilities.size else np.empty((0, values.shape[1]))
        return values.mean(axis=0), found, values @ count[rows]

    done = Parallel(jobs, backend="threading", return_as="generator")(delayed(reduced)(r) for r in _chunks(customers))
    means, tables, total = [], [], 0.0
    for mean, table, part in done:  # in this order whatever the jobs
        means.append(mean)
        tables.append(table)
        total = total + part
    size = np.size(total)
    data: dict[str, Any] = {"mean": ("customer_id", np.concatenate(means)[of]), "total": ("draw", np.asarray(total))}
    if probabilities.size:
        data["quantile"] = (("probability", "customer_id"), np.concatenate(tables, axis=1)[:, of])
    coords: dict[str, Any] = {"customer_id": summary.customers["customer_id"].to_numpy(), "draw": np.arange(size)}
    return xr.Dataset(data, coords | ({"probability": probabilities} if probabilities.size else {}))


def _chunks(customers: FittedCustomers) -> Iterator[slice]:
    """Slices of the distinct customers, whose length depends on the number of draws only."""
    draws = next(iter(customers.life.values())).shape[0]
    step = max(1, CELLS_AT_ONCE // draws)
    size = len(customers.histories[0])
    for low in range(0, size, step):
        yield slice(low, min(size, low + step))
