"""Expected values of each customer under a fitted model, by posterior draw: closed forms with labelled dimensions.

Times are months of 365.25/12 days from today, money is in the log's currency. `expected_*` is a conditional mean given
the draw, `probability_*` a conditional probability; no random outcome. Layers of uncertainty in the draws: parameters
only. Environment and interventions are the simulator's.

Examples
--------
The functions' examples continue this one: two customers from a table, and the published estimates for CDNOW
(Fader, Hardie and Lee 2005 for BG/NBD, Fader and Hardie 2013 for Gamma-Gamma) in place of draws.

>>> from datetime import date
>>> import numpy as np
>>> import pandas as pd
>>> import clvsim
>>> from clvsim.data.config import SummaryConfig
>>> from clvsim.models import RETENTION, SPEND
>>> from clvsim.models.fitted import FittedModels
>>> from clvsim.types import Posterior
>>> draws = Posterior(
...     retention={"r": np.array([0.243]), "alpha": np.array([4.414]), "a": np.array([0.793]), "b": np.array([2.426])},
...     spend={"p": np.array([6.25]), "q": np.array([3.74]), "gamma": np.array([15.44])},
...     time_unit="week",
... )
>>> fitted = FittedModels(RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), draws)
>>> table = pd.DataFrame(
...     {
...         "customer_id": ["again", "once"],
...         "frequency": [2, 0],
...         "recency": [30.43, 0.0],
...         "T": [38.86, 38.86],
...         "monetary_value": [22.35, 0.0],
...     }
... )
>>> summary = clvsim.read_summary(table, SummaryConfig(today=date(1997, 9, 30), time_unit="week"))
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
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
    days = _days_of(horizon_months)
    return lambda f: f.retention.probability_active(f.life, f.histories, days, f.days_per_unit)


def _orders(horizon_months: float) -> Formula:
    days = _days_of(horizon_months)
    return lambda f: f.retention.expected_orders(f.life, f.histories, days, f.days_per_unit)


def _discounted(horizon_months: float, annual_discount_rate: float) -> Formula:
    days = _days_of(horizon_months)
    if not -1 < annual_discount_rate < math.inf:
        raise ConfigError([("annual_discount_rate", f"must be above -1, got {annual_discount_rate}")])

    def orders(f: FittedCustomers) -> np.ndarray:
        living = f.retention.expected_discounted_orders(
            f.life, f.histories, days, annual_discount_rate, f.days_per_unit
        )
        alive = f.retention.probability_alive(f.life, f.histories, f.days_per_unit)
        return np.multiply(
            alive, living, out=alive, where=alive > 0
        )  # 0, not nan, where a lost customer's conditional orders are infinite

    return orders


def _days_of(horizon_months: float) -> float:
    """Days of a horizon, which may be infinite. Raises ConfigError for one that is negative or no number."""
    if not horizon_months >= 0:
        raise ConfigError([("horizon_months", f"must be 0 or more, got {horizon_months}")])
    return horizon_months * DAYS_PER_MONTH


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
    """P(alive today | history).

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.

    Returns
    -------
    xarray.DataArray
        Probabilities, (draw, customer_id).

    Notes
    -----
    What a lost customer is depends on the model: BG/NBD never counts one who ordered once, contracts are lost when
    their renewal is overdue by more than the grace. Formulas and papers: docs/models, a page per model.

    Examples
    --------
    >>> clvsim.probability_alive(fitted, summary).values.round(3)
    array([[0.727, 1.   ]])
    """
    return _evaluate(fitted, summary, "probability_alive", _alive())


def probability_active(fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float) -> xr.DataArray:
    """P(at least one order within the horizon | history).

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.
    horizon_months
        Length of the time that starts today, in months of 365.25/12 days.

    Returns
    -------
    xarray.DataArray
        Probabilities; of contracts, that of a renewal, (draw, customer_id).

    Examples
    --------
    >>> clvsim.probability_active(fitted, summary, horizon_months=12).values.round(3)
    array([[0.603, 0.175]])
    """
    return _evaluate(fitted, summary, "probability_active", _active(horizon_months))


def expected_orders(fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float) -> xr.DataArray:
    """E[orders within the horizon | history], alive or not.

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.
    horizon_months
        Length of the time that starts today, in months of 365.25/12 days.

    Returns
    -------
    xarray.DataArray
        Expected numbers of orders, (draw, customer_id).

    Examples
    --------
    The next 39 weeks, as many as the customers were observed:

    >>> weeks = 7 / (365.25 / 12)
    >>> clvsim.expected_orders(fitted, summary, horizon_months=39 * weeks).values.round(3)
    array([[1.226, 0.195]])
    """
    return _evaluate(fitted, summary, "expected_orders", _orders(horizon_months))


def expected_discounted_orders(
    fitted: FittedModels, summary: CustomerSummary, *, horizon_months: float, annual_discount_rate: float
) -> xr.DataArray:
    """E[orders within the horizon | history], alive or not, each order discounted to today.

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.
    horizon_months
        Length of the time that starts today, in months of 365.25/12 days; may be infinite.
    annual_discount_rate
        An order after d days counts (1 + rate)^-(d / 365.25).

    Returns
    -------
    xarray.DataArray
        Expected discounted numbers of orders, (draw, customer_id).

    Notes
    -----
    Without discounting some models expect infinitely many orders within an infinite horizon.

    Examples
    --------
    >>> options = {"horizon_months": float("inf"), "annual_discount_rate": 0.1}
    >>> clvsim.expected_discounted_orders(fitted, summary, **options).values.round(3)
    array([[6.372, 1.304]])
    """
    formula = _discounted(horizon_months, annual_discount_rate)
    return _evaluate(fitted, summary, "expected_discounted_orders", formula)


def expected_spend(fitted: FittedModels, summary: CustomerSummary) -> xr.DataArray:
    """E[mean order | history], in money.

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.

    Returns
    -------
    xarray.DataArray
        Money per order, (draw, customer_id).

    Notes
    -----
    Conditional on being alive where spend depends on the order rate: a mean over customers' means, not over orders.
    Free orders count as 0. Trends of spend stop today (`spend.trend`).

    Examples
    --------
    >>> clvsim.expected_spend(fitted, summary).values.round(2)
    array([[24.66, 35.22]])
    """
    return _evaluate(fitted, summary, "expected_spend", _spend())


def expected_rlv(
    fitted: FittedModels,
    summary: CustomerSummary,
    *,
    horizon_months: float,
    annual_discount_rate: float,
    gross_margin: float = 1.0,
    cost_per_order: float = 0.0,
) -> xr.DataArray:
    """E[residual lifetime value | history]: discounted orders × (spend × margin - cost per order).

    Parameters
    ----------
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.
    horizon_months
        Length of the time that starts today, in months of 365.25/12 days; may be infinite.
    annual_discount_rate
        An order after d days counts (1 + rate)^-(d / 365.25).
    gross_margin
        Share of an order's amount that remains after the cost of goods.
    cost_per_order
        Money that each order costs in addition to its goods.

    Returns
    -------
    xarray.DataArray
        Money; with a margin of 1 and no cost it is revenue, (draw, customer_id).

    Notes
    -----
    Where spend depends on the order rate, the expected product and not the product of expectations; else spend is
    independent of purchasing given the parameters. Not modelled: taxes, returns, costs of keeping a customer.

    Examples
    --------
    >>> options = {"horizon_months": 36, "annual_discount_rate": 0.1, "gross_margin": 0.4}
    >>> clvsim.expected_rlv(fitted, summary, **options).values.round(2)
    array([[31.19,  7.8 ]])
    """
    formula = _rlv(horizon_months, annual_discount_rate, gross_margin, cost_per_order)
    return _evaluate(fitted, summary, "expected_rlv", formula)


def _evaluate(fitted: FittedModels, summary: CustomerSummary, name: str, formula: Formula) -> xr.DataArray:
    customers, distinct_row = FittedCustomers.of(fitted, summary).distinct()
    values = np.empty((fitted.draws, distinct_row.size))
    order, ends = np.argsort(distinct_row, kind="stable"), np.cumsum(np.bincount(distinct_row))
    start = 0
    for rows in _chunks(customers):
        stop = ends[rows.stop - 1]
        columns = order[start:stop]
        values[:, columns] = formula(customers.part(rows))[:, distinct_row[columns] - rows.start]
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
    """Reduce a quantity over draws without ever holding draws × customers.

    Parameters
    ----------
    quantity
        Name of one of this module's functions, e.g. "expected_rlv".
    fitted
        Both models with draws of their parameters, of `clvsim.fit` or `clvsim.read_posterior`.
    summary
        The customers, whether or not they are those that the models were fitted to.
    quantiles
        Probabilities at which to take quantiles over draws.
    draws
        How many of the posterior's draws to take, the first ones. None: all.
    jobs
        Number of threads, on which the result does not depend.
    **options
        Arguments of the quantity's own function other than the fitted models and the summary.

    Returns
    -------
    xarray.Dataset
        `mean` (customer_id), `total` (draw), the sum over customers, and with `quantiles` also `quantile`
        (probability, customer_id). Quantiles of customers do not add up to those of the total.

    Raises
    ------
    ConfigError
        An unknown quantity, or arguments that do not fit it; probabilities beyond 0 and 1.

    Examples
    --------
    >>> reduced = clvsim.reduce_draws("expected_orders", fitted, summary, quantiles=[0.05, 0.95], horizon_months=12)
    >>> reduced["mean"].values.round(3), reduced["quantile"].shape
    (array([1.563, 0.253]), (2, 2))
    """
    problems = []
    if quantity not in QUANTITIES:
        problems.append(("quantity", f"must be one of {', '.join(QUANTITIES)}, got {quantity}"))
    elif wrong := _misfit(QUANTITIES[quantity], options):
        problems.append(("options", f"{quantity}: {wrong}"))
    if not all(0 <= q <= 1 for q in quantiles):
        problems.append(("quantiles", f"must be between 0 and 1, got {list(quantiles)}"))
    if problems:
        raise ConfigError(problems)
    formula = QUANTITIES[quantity](**options)
    customers, distinct_row = FittedCustomers.of(fitted, summary, draws).distinct()
    count = np.bincount(distinct_row).astype(np.float64)
    probabilities = np.asarray(quantiles, np.float64)

    def reduce_chunk(rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = formula(customers.part(rows))
        quantile_values = (
            np.quantile(values, probabilities, axis=0) if probabilities.size else np.empty((0, values.shape[1]))
        )
        return values.mean(axis=0), quantile_values, values @ count[rows]

    chunks = Parallel(jobs, backend="threading", return_as="generator")(
        delayed(reduce_chunk)(r) for r in _chunks(customers)
    )
    means, tables, total = [], [], 0.0
    for mean, table, part in chunks:  # the order does not depend on the jobs
        means.append(mean)
        tables.append(table)
        total = total + part
    size = np.size(total)
    data: dict[str, Any] = {
        "mean": ("customer_id", np.concatenate(means)[distinct_row]),
        "total": ("draw", np.asarray(total)),
    }
    if probabilities.size:
        data["quantile"] = (("probability", "customer_id"), np.concatenate(tables, axis=1)[:, distinct_row])
    coords: dict[str, Any] = {"customer_id": summary.customers["customer_id"].to_numpy(), "draw": np.arange(size)}
    return xr.Dataset(data, coords | ({"probability": probabilities} if probabilities.size else {}))


def _misfit(function: Callable[..., Formula], options: Mapping[str, Any]) -> str:
    """Which arguments a function lacks, or does not know; "" where these fit."""
    try:
        signature(function).bind(**options)
    except TypeError as error:
        return str(error)
    return ""


def _chunks(customers: FittedCustomers) -> Iterator[slice]:
    """Slices of the distinct customers, whose length depends on the number of draws only."""
    draws = next(iter(customers.life.values())).shape[0]
    step = max(1, CELLS_AT_ONCE // draws)
    size = len(customers.histories[0])
    for low in range(0, size, step):
        yield slice(low, min(size, low + step))
