"""The path that all customers' order rate took from month to month up to today, and what it says of the months ahead.

v_m, the log multiplier of month m, is a shock u_m and a level l_m:

    u: AR(1) with autocorrelation phi and stationary standard deviation sigma ~ HalfNormal,
    l_{m+1} = l_m + s_m, s: AR(1) with autocorrelation .9 and stationary standard deviation kappa a month,
    kappa = 0 with probability 1/2, else HalfNormal: a slope that is damped, so that a level does not run away.

A level common to all months is the customers' own rate, so l has mean 0 over the months. What a log says of v is a
gradient g and a curvature S of its log-likelihood at v = 0, the parameters of customers maximised over: given sigma
and kappa, with prior covariance K, v ~ Normal((I + KS)^-1 K g, (I + KS)^-1 K), and the log evidence of the two is
1/2 g'(I + KS)^-1 K g - 1/2 log|I + KS|. docs/environment.md.

Arrays of months are in the order of time, the last one ends with today.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from clvsim.models.domain import LOG_FACTOR, SHOCK_SD, Domain
from clvsim.schema import Frozen, LogSd, Real

SLOPE_MEMORY = 0.9
SD, LEVEL_SD = "path.sd", "path.level_sd"
STATES = ("path.shock", "path.level", "path.slope", SD, LEVEL_SD)  # parameters that say where the path stands today
FRESH_MONTHS, LAST_MONTH = 6, 60  # ahead: shocks have faded; the path's conditional mean has settled
STEEPEST = 100.0  # change of a log rate that is told; more is no number any more
_SDS, _WIDEST_SD = 41, 5.0  # points of sigma, up to so many of its prior's scale
_LEVEL_SDS, _WIDEST_LEVEL_SD = 12, 4.0
_SEASON_MONTHS = 18
_NOTHING = 1e-6
_DRAWS = 4  # second word of the seed, after those of permutations, modes and standard normals


def path_domains() -> dict[str, Domain]:
    """Of `STATES`."""
    return {**dict.fromkeys(STATES, LOG_FACTOR), SD: SHOCK_SD, LEVEL_SD: SHOCK_SD}


Autocorrelation = Annotated[Real, Field(ge=0, lt=1)]


class PathPrior(Frozen):
    """Scales of the half-normal priors on sigma and, where there is a level, on kappa; phi."""

    sd: LogSd
    level_sd: Annotated[Real, Field(ge=0, le=10)]
    autocorrelation: Autocorrelation


class Evidence(NamedTuple):
    """What a log says of v: g, (month,); S as `root` times its transpose, (month, month)."""

    gradient: np.ndarray
    root: np.ndarray


class Sds(NamedTuple):
    """Pairs of sigma and kappa, each (pair,), and their probabilities."""

    sd: np.ndarray
    level_sd: np.ndarray
    probability: np.ndarray


class PathDraws(NamedTuple):
    """v, (draw, month), and `STATES` by name, each (draw,)."""

    v: np.ndarray
    states: dict[str, np.ndarray]


def evidence_of(gradient: np.ndarray, curvature: np.ndarray) -> Evidence:
    """Negative eigenvalues of the curvature are set to 0: they are error of the expansion, never knowledge."""
    values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
    return Evidence(gradient, vectors * np.sqrt(np.maximum(values, 0.0)))


def autoregressive(months: int, autocorrelation: float) -> np.ndarray:
    """Covariance of a stationary AR(1) of unit variance, (month, month)."""
    apart = np.abs(np.subtract.outer(np.arange(months), np.arange(months)))
    return np.where(apart == 0, 1.0, autocorrelation ** np.maximum(apart, 1.0))


def level_map(months: int) -> np.ndarray:
    """The level as a linear function of the slopes, (month, month): their sum up to the month, less its mean."""
    summed = np.tril(np.ones((months, months)), -1)
    return summed - summed.mean(axis=0)


def covariance(months: int, autocorrelation: float) -> tuple[np.ndarray, np.ndarray]:
    """Of v for sigma = 1, kappa = 0, and for sigma = 0, kappa = 1: each (month, month)."""
    level = level_map(months)
    return autoregressive(months, autocorrelation), level @ autoregressive(months, SLOPE_MEMORY) @ level.T


def log_evidence(evidence: Evidence, covariances: np.ndarray) -> np.ndarray:
    """Log density of the log under each prior covariance of v, (pair, month, month), less that under v = 0: (pair,)."""
    g, root = evidence
    inner = np.eye(g.size) + root.T @ covariances @ root
    prior_mean = covariances @ g
    cholesky = np.linalg.cholesky(inner)
    reached = np.linalg.solve(cholesky, (prior_mean @ root)[..., None])[..., 0]
    log_determinant = 2 * np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)
    return 0.5 * (prior_mean @ g - (reached**2).sum(axis=1)) - 0.5 * log_determinant


def prior_sds(prior: PathPrior) -> Sds:
    """A grid of sigma and kappa with prior probabilities; sigma closer where it is small."""
    sd = _WIDEST_SD * prior.sd * (np.arange(_SDS) / (_SDS - 1)) ** 2
    mass = np.gradient(sd) * np.exp(-0.5 * (sd / prior.sd) ** 2)
    mass[[0, -1]] /= 2
    level, level_mass = np.zeros(1), np.ones(1)
    if prior.level_sd:
        above = _WIDEST_LEVEL_SD * (np.arange(_LEVEL_SDS) + 0.5) / _LEVEL_SDS
        density = np.exp(-0.5 * above**2)
        level = np.append(0.0, prior.level_sd * above)
        level_mass = np.append(0.5, 0.5 * density / density.sum())
    pairs = np.meshgrid(sd, level, indexing="ij")
    return Sds(pairs[0].ravel(), pairs[1].ravel(), np.outer(mass / mass.sum(), level_mass).ravel())


def posterior_sds(evidence: Evidence, prior: PathPrior) -> Sds:
    """The grid of `prior_sds` with posterior probabilities."""
    grid = prior_sds(prior)
    shock, level = covariance(evidence.gradient.size, prior.autocorrelation)
    found = np.concatenate([
        log_evidence(evidence, sd[:, None, None] ** 2 * shock + level_sd[:, None, None] ** 2 * level)
        for sd, level_sd in zip(np.array_split(grid.sd, 8), np.array_split(grid.level_sd, 8), strict=True)
    ])  # fmt: skip
    weight = grid.probability * np.exp(found - found.max())
    return grid._replace(probability=weight / weight.sum())


def draw_paths(evidence: Evidence, prior: PathPrior, draws: int, seed: int) -> PathDraws:
    """Draws of sigma, kappa and the path given the log; where it stands today belongs to the draw.

    A path of the prior is corrected by what it misses of the log (Matheron's rule), which also holds where sigma or
    kappa is 0 and the prior has no density.
    """
    g, root = evidence
    months, rng = g.size, np.random.default_rng([seed, _DRAWS])
    sds = posterior_sds(evidence, prior)
    shock_root = np.linalg.cholesky(autoregressive(months, prior.autocorrelation))
    slope_root = np.linalg.cholesky(autoregressive(months, SLOPE_MEMORY))
    level = level_map(months)
    # Of v, and of shock, level and slope today: linear in the standard normals of shocks and slopes.
    of_shock = np.vstack([shock_root, shock_root[-1:], np.zeros((2, months))])
    of_level = np.vstack([level @ slope_root, np.zeros((1, months)), level[-1:] @ slope_root, slope_root[-1:]])
    at = (rng.permutation(draws) + 0.5) / draws
    pair_of = np.minimum(np.searchsorted(np.cumsum(sds.probability), at), sds.sd.size - 1)
    normals, noise = rng.standard_normal((draws, 2 * months)), rng.standard_normal((draws, months))
    found = np.empty((draws, months + 3))
    for pair in np.unique(pair_of):
        rows = pair_of == pair
        of_normal = np.hstack([sds.sd[pair] * of_shock, sds.level_sd[pair] * of_level])
        with_v = of_normal @ of_normal[:months].T
        seen = with_v @ root
        inner = np.eye(months) + root.T @ seen[:months]
        path = normals[rows] @ of_normal.T
        missed = (with_v[:months] @ g) @ root + path[:, :months] @ root + noise[rows]
        found[rows] = with_v @ g + path - np.linalg.solve(inner, missed.T).T @ seen.T
    states = dict(zip(STATES, [*found[:, months:].T, sds.sd[pair_of], sds.level_sd[pair_of]], strict=True))
    return PathDraws(found[:, :months], states)


def contrast(evidence: Evidence, prior: PathPrior, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a curve through the months, v = design . coefficients + u without a level, and their covariance.

    design: (month, coefficient); flat priors on the coefficients, sigma averaged over its posterior.
    """
    g, root = evidence
    grid = prior_sds(prior.model_copy(update={"level_sd": 0.0}))
    shock = autoregressive(g.size, prior.autocorrelation)
    means, covariances, log_weights = [], [], []
    for sd, probability in zip(grid.sd, grid.probability, strict=True):
        K = sd**2 * shock
        inner = np.eye(g.size) + root.T @ K @ root
        seen = root @ np.linalg.solve(inner, root.T)
        score = design.T @ (g - root @ np.linalg.solve(inner, root.T @ (K @ g)))
        precision = design.T @ seen @ design
        means.append(np.linalg.solve(precision, score))
        covariances.append(np.linalg.inv(precision))
        gain = 0.5 * float(score @ means[-1]) - 0.5 * np.linalg.slogdet(precision)[1]
        log_weights.append(np.log(probability) + float(log_evidence(evidence, K[None])[0]) + gain)
    weight = np.exp(np.array(log_weights) - max(log_weights))
    weight /= weight.sum()
    mean = weight @ np.array(means)
    apart = np.array(means) - mean
    spread = apart[:, :, None] * apart[:, None, :] + np.array(covariances)
    return mean, np.tensordot(weight, spread, 1)


def tells(evidence: Evidence, design: np.ndarray) -> bool:
    """Whether a log says anything of every coefficient of a curve: an sd of each below 1,000 in log rate."""
    seen = evidence.root.T @ design
    return bool(np.linalg.eigvalsh(seen.T @ seen)[0] > _NOTHING)


class Signs(NamedTuple):
    """Slope of the months in log rate a year, in its standard errors; chi-square and height of a yearly wave."""

    slope: float
    slope_z: float
    harmonic: float
    amplitude: float


def signs(evidence: Evidence, prior: PathPrior) -> Signs:
    """Whether the months drift, or go up and down within a year (asked from 18 months on, beside a slope)."""
    months = evidence.gradient.size
    time = np.arange(months) / 12
    line = (time - time.mean())[:, None]
    if months < 3 or not tells(evidence, line):
        return Signs(0.0, 0.0, 0.0, 0.0)
    mean, var = contrast(evidence, prior, line)
    slope, z = float(np.clip(mean[0], -STEEPEST, STEEPEST)), float(mean[0] / np.sqrt(var[0, 0]))
    wave = np.stack([np.cos(2 * np.pi * time), np.sin(2 * np.pi * time)], axis=1)
    both = np.hstack([wave, line])
    if months < _SEASON_MONTHS or not tells(evidence, both):
        return Signs(slope, z, 0.0, 0.0)
    mean, var = contrast(evidence, prior, both)
    chi_square = float(mean[:2] @ np.linalg.solve(var[:2, :2], mean[:2]))
    return Signs(slope, z, chi_square, min(float(np.hypot(*mean[:2])), STEEPEST))


# --- months ahead -----------------------------------------------------------------------------------------------------


def mean_ahead(params: Mapping[str, np.ndarray], month: np.ndarray, autocorrelation: float) -> np.ndarray:
    """log of the mean multiplier `month` months ahead (1: the first), given each draw's path: (draw, month).

    Shocks fade; that a month's multiplier e^u is above 1 on average is so before today and after it, so the mean goes
    to e^(sigma^2 / 2). The level goes on with a slope that fades; how unsure it becomes does not raise a mean.
    """
    shock, level, slope, sd, _ = (np.asarray(params[name], np.float64)[:, None] for name in STATES)
    k = np.asarray(month, np.float64)
    decay = np.where(k == 0, 1.0, autocorrelation ** np.maximum(k, 1.0))
    moved = (1 - SLOPE_MEMORY**k) / (1 - SLOPE_MEMORY)
    return decay * shock + 0.5 * sd**2 * (1 - decay**2) + level + slope * moved


def level_variance(months: int) -> np.ndarray:
    """Variance of the level 1, 2, ... months ahead given level and slope today, for kappa = 1: (month,)."""
    weight = (1 - SLOPE_MEMORY ** np.arange(1.0, months)) / (1 - SLOPE_MEMORY)
    return (1 - SLOPE_MEMORY**2) * np.append(0.0, np.cumsum(weight**2))[:months]


def shock_innovations(normal: np.ndarray, autocorrelation: float, *, known_today: bool) -> np.ndarray:
    """An AR(1) of unit stationary variance ahead of a shock of 0 today, or of one that nobody knows; (world, month)."""
    path = np.empty_like(normal)
    fresh = np.sqrt(1 - autocorrelation**2)
    path[:, 0] = (fresh if known_today else 1.0) * normal[:, 0]
    for m in range(1, normal.shape[1]):
        path[:, m] = autocorrelation * path[:, m - 1] + fresh * normal[:, m]
    return path


def level_innovations(normal: np.ndarray) -> np.ndarray:
    """The level ahead of a level and a slope of 0 today, for kappa = 1, (world, month)."""
    slope = shock_innovations(normal, SLOPE_MEMORY, known_today=True)
    return np.hstack([np.zeros((len(normal), 1)), np.cumsum(slope, axis=1)[:, :-1]])
