"""What a law says of the customers' order rates: moments, powers, and nodes at which to integrate over them.

The order rate of a living customer is lambda per day; its logarithm, standardised over newcomers, is the *score*
z = (log lambda - mean) / sd. Given a history, lambda is a mixture of gammas: those of the living and of the lost.
"""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.laws import LifeLaw, Params, rows_of
from clvsim.models.protocol import RetentionModel
from clvsim.models.retention.purchases import DropoutPriors, PurchaseModel
from clvsim.special import digamma, gammaln, polygamma

NODES = 16
_GRID = np.linspace(-16.0, 7.0, 161)  # of a customer's standardised log rate, whose lower tail is an exponential's
_DRAWS = 32  # of the retention model's posterior over which a customer's score is averaged
_ROWS_AT_ONCE = 256


class LogRate(NamedTuple):
    """Mean and standard deviation of log(order rate per day) over newcomers, (draw,)."""

    mean: np.ndarray
    sd: np.ndarray


class Scores(NamedTuple):
    """Gauss nodes of each customer's score given the history and their probabilities, (row, node)."""

    z: np.ndarray
    weight: np.ndarray


def has_rates(model: RetentionModel) -> bool:
    """Whether customers of this model order at a rate, Gamma-distributed with the shape `r` (and x)."""
    within: Any = model
    while hasattr(within, "section"):  # levels and seasons leave the distribution of rates what it is
        within = within.section
    return isinstance(within, PurchaseModel | DropoutPriors)


def components(law: LifeLaw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Shape, rate and probability of the gammas that an order rate is a mixture of, (draw, customer, component)."""
    if law.weight is not None:
        return law.rate_shape, law.rate_rate, law.weight
    shape, rate = (np.broadcast_to(v, law.p_alive.shape)[..., None] for v in (law.rate_shape, law.rate_rate))
    return shape, rate, np.ones_like(shape)


def power_mean(law: LifeLaw, power: np.ndarray | float) -> np.ndarray:
    """E[(order rate per day)^power], (draw, customer); `power` is above minus the smallest shape."""
    shape, rate, weight = components(law)
    power = np.asarray(power)[..., None]
    return (weight * np.exp(gammaln(shape + power) - gammaln(shape) - power * np.log(rate))).sum(axis=-1)


def log_rate(newcomers: LifeLaw) -> LogRate:
    """Of a law with one column."""
    mean, variance = _log_moments(*components(newcomers))
    return LogRate(mean[:, 0], np.sqrt(variance[:, 0]))


def scores(model: RetentionModel, params: Params, histories: Any, days_per_unit: float) -> Scores:
    """Nodes that are exact for polynomials in z up to degree 2 NODES - 1, averaged over draws of the parameters.

    Each customer's distribution of z is put on a fine grid (a sum over it converges geometrically, as its density is
    analytic), and the grid's Gauss rule is taken: three-term recurrence by Stieltjes, nodes by Golub & Welsch (1969).
    """
    draws = next(iter(params.values())).shape[0]
    picked = np.unique(np.linspace(0, draws - 1, min(draws, _DRAWS)).astype(np.int64))
    few = {name: values[picked] for name, values in params.items()}
    newcomers = log_rate(model.newcomer_laws(few, days_per_unit))
    parts = [
        _scores(model, few, rows_of(histories, slice(low, low + _ROWS_AT_ONCE)), days_per_unit, newcomers)
        for low in range(0, len(histories[0]), _ROWS_AT_ONCE)
    ]
    return Scores(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _scores(model: RetentionModel, params: Params, histories: Any, days_per_unit: float, population: LogRate) -> Scores:
    alive = model.probability_alive(params, histories, days_per_unit)[..., None]
    living, lost = (components(law(params, histories, days_per_unit)) for law in (model.laws, model.laws_given_dead))
    shape, rate = (np.concatenate(pair, axis=-1) for pair in zip(living[:2], lost[:2], strict=True))
    weight = np.concatenate([alive * living[2], (1 - alive) * lost[2]], axis=-1)
    shape, rate = np.where(weight > 0, shape, 1.0), np.where(weight > 0, rate, 1.0)
    mean, variance = _log_moments(shape, rate, weight)
    centre, scale = population.mean[:, None], population.sd[:, None]
    z = (mean - centre) / scale
    middle = z.mean(axis=0)
    width = np.sqrt((variance / scale**2 + (z - middle) ** 2).mean(axis=0))
    on_grid = middle[:, None] + width[:, None] * _GRID
    mass = np.zeros_like(on_grid)
    for draw in range(shape.shape[0]):
        log_lambda = (population.mean[draw] + population.sd[draw] * on_grid)[..., None]
        s, r = shape[draw][:, None], rate[draw][:, None]
        log_density = s * (log_lambda + np.log(r)) - gammaln(s) - r * np.exp(log_lambda)
        mass += population.sd[draw] * (weight[draw][:, None] * np.exp(log_density)).sum(axis=-1)
    nodes, probability = gauss_rule(_GRID, mass / mass.sum(axis=1, keepdims=True), NODES)
    return Scores(middle[:, None] + width[:, None] * nodes, probability)


def _log_moments(shape: np.ndarray, rate: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of log lambda, (draw, customer)."""
    mean = digamma(shape) - np.log(rate)
    overall = (weight * mean).sum(axis=-1)
    return overall, (weight * (polygamma(1, shape) + (mean - overall[..., None]) ** 2)).sum(axis=-1)


def gauss_rule(points: np.ndarray, mass: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rules of discrete distributions: `points` (point,), `mass` (row, point); nodes and weights (row, node)."""
    before, now = np.zeros_like(mass), np.ones_like(mass)
    norm = mass.sum(axis=1)
    ratio = np.zeros_like(norm)
    jacobi = np.zeros((mass.shape[0], nodes, nodes))
    for k in range(nodes):
        centre = (mass * points * now**2).sum(axis=1) / norm
        jacobi[:, k, k] = centre
        if k + 1 == nodes:
            break
        before, now = now, (points - centre[:, None]) * now - ratio[:, None] * before
        after = (mass * now**2).sum(axis=1)
        ratio, norm = after / norm, after
        jacobi[:, k, k + 1] = jacobi[:, k + 1, k] = np.sqrt(ratio)
    eigenvalues, vectors = np.linalg.eigh(jacobi)
    return eigenvalues, vectors[:, 0] ** 2 * mass.sum(axis=1)[:, None]
