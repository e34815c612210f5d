"""Standard deviation of shocks common to all customers: half-normal prior, updated on the calibration's months.

E_m are the expected repeat orders in month m of all customers of the log, given only when they were acquired, by the
retention model. With u a stationary AR(1) of unit variance and a level L that is free, orders are
N_m / D ~ Poisson(L E_m exp(sd u_m) / D). The free level absorbs what all months share: the difference of this
log's customers from the model's mean, and the mean of the shocks. So months inform sd by their differences only, and a
single month carries no information. D >= 1 is the overdispersion from who stays and who leaves, measured between parts
of the customers over the same months. The path u and log L are integrated out by Laplace's method, sd by a fixed grid.
docs/environment.md.
"""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.around.pooling import split_by_level
from clvsim.models.around.season import seasonal_of
from clvsim.models.fitted import FittedModels
from clvsim.simulation.config import EnvironmentConfig
from clvsim.special import ndtr, ndtri
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

_POINTS = np.arange(513) / 64.0  # of sd, in units of the prior's
_POSTERIOR_DRAWS = 16  # of the retention model, to average over: their months differ in level, which is free, not shape
_FITTING_STEPS = 50
_NEWTON_STEPS = 100
_LONGEST_STEP = 2.0  # in log rate


class Months(NamedTuple):
    """Full months of the calibration, the oldest first; the last one ends with today."""

    orders: np.ndarray  # (part, month) repeat orders of each part of the customers
    expected: np.ndarray  # (draw, part, month) the same by the retention model, without shocks


class SdLaw(NamedTuple):
    """Distribution of the shocks' standard deviation; `cdf` (513,) at multiples of `prior` / 64, None for the prior."""

    prior: float  # sd of the half-normal
    months: int  # number of months that informed it
    cdf: np.ndarray | None

    def quantile(self, uniform: np.ndarray) -> np.ndarray:
        """By inversion, increasing in each of the uniforms."""
        if self.cdf is None:
            return self.prior * ndtri(0.5 + 0.5 * uniform)
        i = np.clip(np.searchsorted(self.cdf, uniform, side="right") - 1, 0, self.cdf.size - 2)
        share = (uniform - self.cdf[i]) / (self.cdf[i + 1] - self.cdf[i])
        beyond = _beyond(_POINTS)
        return -self.prior * ndtri(0.5 * (beyond[i] - share * (beyond[i] - beyond[i + 1])))


def _beyond(z: np.ndarray) -> np.ndarray:
    """P(|Z| > z), accurate in the tail."""
    return 2 * ndtr(-z)


def sd_law(fitted: FittedModels, summary: CustomerSummary, config: EnvironmentConfig) -> SdLaw:
    """Posterior of the shocks' sd: the prior where it is not to be learned or the months carry no information.

    Where orders can only fall on given days (renewals) months differ for other reasons: the prior is kept.
    """
    prior = SdLaw(config.sd_prior, 0, None)
    if not (config.learn and config.sd_prior > 0) or fitted.retention.interval_days > 0:
        return prior
    months = calibration_months(fitted, summary)
    count = months.orders.shape[1]
    if count < 2 or not months.orders.any():
        return prior
    sds, mass = config.sd_prior * _POINTS, -np.diff(_beyond(_POINTS))
    overdispersion = dispersion(months.orders, months.expected.mean(axis=0))
    orders, total = months.orders.sum(axis=0) / overdispersion, np.zeros_like(mass)
    for expected in months.expected.sum(axis=1) / overdispersion:
        evidence = log_evidence(sds, orders, expected, config.autocorrelation)
        weight = np.exp(evidence - evidence.max())
        interval = mass * (weight[1:] + weight[:-1])
        total += interval / interval.sum()
    return SdLaw(config.sd_prior, count, np.concatenate([[0.0], np.cumsum(total) / total.sum()]))


def calibration_months(fitted: FittedModels, summary: CustomerSummary) -> Months:
    """Months of 365.25/12 days backwards from today, cut at days; an order's hour is midday."""
    daily = summary.repeat_orders_by_day
    if daily is None:
        return Months(np.zeros((1, 0)), np.zeros((1, 1, 0)))
    parts, length = daily.shape
    edges = np.round(np.arange(int(length / DAYS_PER_MONTH) + 1) * DAYS_PER_MONTH).astype(int)[
        ::-1
    ]  # days before today
    cumulative_orders = np.concatenate([np.zeros((parts, 1)), np.cumsum(daily, axis=1)], axis=1)[:, length - edges]
    T = summary.customers["T_days"].to_numpy(np.float64)
    age, age_row = np.unique(T, return_inverse=True)
    part = np.arange(T.size) % parts

    def count_customers(rows: np.ndarray) -> np.ndarray:
        customers = np.zeros((age.size, parts))
        np.add.at(customers, (age_row[rows], part[rows]), 1)
        return customers

    draws, model, unit = fitted.retention_draws(slice(_POSTERIOR_DRAWS)), fitted.retention, fitted.days_per_unit
    if seasonal_of(model):
        seasonal_model: Any = model
        customers = count_customers(np.arange(T.size))
        by_edge = np.stack(
            [e @ customers for e in seasonal_model.expected_orders_until(draws, age, edges, unit)], axis=-1
        )
    else:
        days, row_of = np.unique(np.maximum(age - edges[:, None] + 0.5, 0.0), return_inverse=True)
        row_of = row_of.reshape(edges.size, age.size)
        by_edge = np.zeros((1, 1, 1))
        for plain, parameters, rows in split_by_level(model, draws, summary):
            by_age = plain.expected_orders_new(parameters, days / unit, unit)
            customers = count_customers(np.flatnonzero(rows))
            by_edge = by_edge + np.stack([by_age[:, row] @ customers for row in row_of], axis=-1)
    orders, expected = np.diff(cumulative_orders, axis=1), np.diff(by_edge, axis=-1)
    populated = (expected.sum(axis=1) > 0).all(axis=0)
    return Months(orders[:, populated], expected[:, :, populated])


def season_by_week(fitted: FittedModels, draws: int, first: int, weeks: int) -> np.ndarray | None:
    """log of the season's multiplier by week from day `first` on (0: today, 1: tomorrow), (draw, week), or None."""
    seasonal = seasonal_of(fitted.retention)
    if seasonal is None:
        return None
    return seasonal.by_week(fitted.retention_draws(slice(draws)), first, weeks)


def dispersion(orders: np.ndarray, expected: np.ndarray) -> float:
    """Pearson's chi-square of tables (part, month) by its degrees of freedom, levels of both free; at least 1.

    Under the model orders are Poisson given rates and lives; parts with other lives than the mean scatter by more.
    """
    parts, months = (orders.sum(axis=1) > 0) & (expected.sum(axis=1) > 0), orders.any(axis=0)
    n, e = orders[parts][:, months], expected[parts][:, months].copy()
    freedom = (n.shape[0] - 1) * (n.shape[1] - 1)
    if freedom < 1:
        return 1.0
    for _ in range(_FITTING_STEPS):  # iterative proportional fitting
        e *= (n.sum(axis=1) / e.sum(axis=1))[:, None]
        e *= n.sum(axis=0) / e.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return max(1.0, float(np.nansum((n - e) ** 2 / e)) / freedom)


def log_evidence(sds: np.ndarray, orders: np.ndarray, expected: np.ndarray, autocorrelation: float) -> np.ndarray:
    """Log density of monthly orders (month,) around their expectation (month,) for each sd, up to a constant, (sd,).

    Integral over log L and the unit path u, both at the mode of their log-concave joint density.
    """
    months = orders.size
    ends = np.isin(np.arange(months), (0, months - 1))
    rho2 = autocorrelation**2
    diagonal, off_diagonal = np.where(ends, 1.0, 1.0 + rho2)[:, None] / (1 - rho2), -autocorrelation / (1 - rho2)
    if months == 1:
        diagonal = np.ones((1, 1))
    n, e = orders[:, None], expected[:, None]
    u = np.zeros((months, sds.size))
    level = np.full(sds.size, np.log(orders.sum() / expected.sum()))

    def smooth(path: np.ndarray) -> np.ndarray:
        """The path's precision matrix times the path."""
        out = diagonal * path
        out[1:] += off_diagonal * path[:-1]
        out[:-1] += off_diagonal * path[1:]
        return out

    for _ in range(_NEWTON_STEPS):
        mean = e * np.exp(level + sds * u)
        coupling = sds * mean
        gradient_solution, coupling_solution, log_pivots = _tridiagonal(
            diagonal + sds * coupling, off_diagonal, sds * (n - mean) - smooth(u), coupling
        )
        curvature = mean.sum(axis=0) - (coupling * coupling_solution).sum(axis=0)  # of the level, the path at its best
        step = ((n - mean).sum(axis=0) - (coupling * gradient_solution).sum(axis=0)) / curvature
        path_step = gradient_solution - coupling_solution * step
        longest = np.abs(step + sds * path_step).max(axis=0)
        short = np.minimum(1.0, _LONGEST_STEP / np.maximum(longest, _LONGEST_STEP))
        level, u = level + short * step, u + short * path_step
        if longest.max() < 1e-9:
            break
    fit = (n * (level + sds * u) - e * np.exp(level + sds * u)).sum(axis=0) - 0.5 * (u * smooth(u)).sum(axis=0)
    return fit - 0.5 * (log_pivots + np.log(curvature))


def _tridiagonal(
    diagonal: np.ndarray, off_diagonal: float, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Solutions of A x = first and A x = second, each (row, system), and log |A|; A is symmetric, positive definite.

    `diagonal` (row, system), `off_diagonal` the same everywhere.
    """
    pivot, x, y = diagonal.copy(), first.copy(), second.copy()
    for m in range(1, len(pivot)):
        factor = off_diagonal / pivot[m - 1]
        pivot[m] -= factor * off_diagonal
        x[m] -= factor * x[m - 1]
        y[m] -= factor * y[m - 1]
    x[-1] /= pivot[-1]
    y[-1] /= pivot[-1]
    for m in range(len(pivot) - 2, -1, -1):
        x[m] = (x[m] - off_diagonal * x[m + 1]) / pivot[m]
        y[m] = (y[m] - off_diagonal * y[m + 1]) / pivot[m]
    return x, y, np.log(pivot).sum(axis=0)
