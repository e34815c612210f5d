"""Means of several cells, drawn towards their common mean as far as their differences may be chance.

The normal model of random effects (DerSimonian & Laird 1986; Gelman et al., Bayesian Data Analysis, section 5.4):
y_c ~ Normal(θ_c, s_c²), θ_c ~ Normal(μ, τ²), s_c known, μ flat. τ has the restricted likelihood (REML) times a wide
half-normal, and everything is averaged over it: with few cells its maximum is often 0, and intervals at that maximum
would claim that cells are equal.
"""

from typing import NamedTuple

import numpy as np

_WIDE = 1.0  # sd of τ before the cells are seen, in units of the cells' size
_GRID = np.append(0.0, np.geomspace(1e-4, 5.0, 300))  # of τ in the same units
_LEAST = 1e-9  # a standard error in those units, where cells do not vary at all


class Shrunk(NamedTuple):
    """`mean` of each cell and its standard deviation `sd`, (cell,), given that s_c is known; `weights` (cell, cell), by
    which the means follow from the y. `share_real`: of the variance between the y, that of the θ, τ² / (τ² + mean s²);
    its mean and 90 % interval over τ.
    """

    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray
    share_real: tuple[float, float, float]


def shrink(y: np.ndarray, se: np.ndarray) -> Shrunk:
    """Of two cells or more with means `y` (cell,) and their standard errors. Raises ValueError for fewer."""
    if y.size < 2:
        raise ValueError(f"needs two cells, got {y.size}")
    size = float(np.sqrt(np.mean(y**2 + se**2))) or 1.0
    s2 = np.maximum(se / size, _LEAST)[None, :] ** 2
    tau, z = _GRID[:, None], (y / size)[None, :]
    precision = 1 / (s2 + tau**2)
    total = precision.sum(axis=1, keepdims=True)
    pull = precision / total  # by which μ follows from the y, (τ, cell)
    mu = (pull * z).sum(axis=1, keepdims=True)
    log_density = (np.log(precision).sum(axis=1) - np.log(total[:, 0]) - (precision * (z - mu) ** 2).sum(axis=1)) / 2
    log_density -= (_GRID / _WIDE) ** 2 / 2
    density = np.exp(log_density - log_density.max()) * np.gradient(_GRID)
    p = (density / density.sum())[:, None]
    own = tau**2 * precision  # of a cell's mean in its θ, (τ, cell)
    mean = own * z + (1 - own) * mu
    variance = own * s2 + (1 - own) ** 2 / total
    together = (p * mean).sum(axis=0)
    spread = (p * (variance + (mean - together) ** 2)).sum(axis=0)
    weights = np.diag((p * own).sum(axis=0)) + (p * (1 - own)).T @ pull
    share = (tau**2 / (tau**2 + s2.mean()))[:, 0]
    low, high = np.interp([0.05, 0.95], np.cumsum(p), share)
    return Shrunk(together * size, np.sqrt(spread) * size, weights, (float(share @ p[:, 0]), float(low), float(high)))
