"""How many customers a channel brings for its spend, and what one more costs.

NumPy and SciPy. Axis 0 is the draw. Spend and customers are of one period, a month for one; what a spend does to later
periods is not modelled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clvsim.special import gammaln, xlogy

Kind = Literal["exponential", "hill"]

# Weakly informative, on logs: n∞ against twice the most that came, S₀ against the most that was spent.
PRIOR_SD_CEILING = PRIOR_SD_SCALE = 1.5
PRIOR_SD_SHAPE = 0.5
PRIOR_DISPERSION = (np.log(10.0), 1.5)
FEWEST_PERIODS = 4
_PROPOSALS = 4000  # a round
_ROUNDS = 3
_TAILS = 5  # degrees of freedom of the proposals


@dataclass(frozen=True)
class Response:
    """n(S) = n∞(1 − e^(−S/S₀)), or n∞ S^h/(S^h + S₀^h) (Hill), by draw.

    `ceiling` n∞, `scale` S₀ and `shape` h, (n,) each; h is 1 of an exponential.
    """

    kind: Kind
    ceiling: np.ndarray
    scale: np.ndarray
    shape: np.ndarray

    @classmethod
    def stated(
        cls, kind: Kind, ceiling: np.ndarray | float, scale: np.ndarray | float, shape: np.ndarray | float = 1.0
    ) -> "Response":
        """Of numbers that somebody states, as draws or as single ones.

        Raises ValueError unless all are finite and above 0, and the shape of an exponential is 1.
        """
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (ceiling, scale, shape)))
        if not all(np.isfinite(x).all() and (x > 0).all() for x in arrays):
            raise ValueError("ceiling, scale and shape of a response must be finite and above 0")
        if kind == "exponential" and not (arrays[2] == 1).all():
            raise ValueError("the shape is Hill's; that of an exponential response is 1")
        return cls(kind, *arrays)

    def customers(self, spend: float) -> np.ndarray:
        """n(S), (n,)."""
        if self.kind == "exponential":
            return -self.ceiling * np.expm1(-spend / self.scale)
        power = (spend / self.scale) ** self.shape
        return self.ceiling * power / (1 + power)

    def slope(self, spend: float) -> np.ndarray:
        """dn/dS, (n,); at no spend that of Hill is 0 for h > 1 and infinite for h < 1."""
        if self.kind == "exponential":
            return self.ceiling / self.scale * np.exp(-spend / self.scale)
        with np.errstate(divide="ignore"):
            rising = np.float_power(spend / self.scale, self.shape - 1)
        return self.ceiling / self.scale * self.shape * rising / (1 + (spend / self.scale) ** self.shape) ** 2

    def average_cost(self, spend: float) -> np.ndarray:
        """S/n(S), (n,): nan where nobody comes."""
        customers = self.customers(spend)
        return np.divide(spend, customers, out=np.full_like(customers, np.nan), where=customers > 0)

    def marginal_cost(self, spend: float) -> np.ndarray:
        """dS/dn, (n,): what one more customer costs; infinite where no spend brings one."""
        slope = self.slope(spend)
        return np.divide(1.0, slope, out=np.full_like(slope, np.inf), where=slope > 0)


@dataclass(frozen=True)
class FittedResponse:
    """A response learnt from a history; `effective_draws` of the importance weights, and `seen`: least and most spent.

    Beyond what was spent the curve is what its form and the prior make of it.
    """

    response: Response
    effective_draws: float
    seen: tuple[float, float]


def fit_response(
    spend: np.ndarray, customers: np.ndarray, kind: Kind = "exponential", draws: int = 1000, seed: int = 0
) -> FittedResponse:
    """Posterior draws of a response from spend and new customers by period, (t,) each.

    n_t ~ NegBin(mean n(S_t), k). Priors on logs: n∞ ~ N(log(2 max n), 1.5²), S₀ ~ N(log max S, 1.5²), h ~ N(0, .5²),
    k ~ N(log 10, 1.5²). Importance sampling: t proposals around the mode with the curvature there, then around both
    that and what the ones before show (Cappé et al. 2004, "Population Monte Carlo", Journal of Computational and
    Graphical Statistics 13(4)), and systematic resampling. Spends that hardly differ leave n∞ and S₀ to the prior.

    Not modelled: customers who come without spend (take them out before), seasons and trends, what a spend does later,
    and that more is spent when demand is high anyway: then the curve promises too much.

    Raises ValueError on fewer than four periods, on numbers that are negative or not finite, on periods without spend
    in which customers came, and where nobody ever came.
    """
    spend, customers = np.asarray(spend, dtype=np.float64), np.asarray(customers, dtype=np.float64)
    _check_history(spend, customers)
    used = spend > 0
    density = _posterior(spend[used], customers[used], kind)
    centre = np.array([np.log(2 * customers.max()), np.log(spend.max()), *([0.0] * (kind == "hill")), np.log(10.0)])
    points, log_weights = _sample(density, centre, np.random.default_rng([seed, spend.size, draws]))
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    chosen = _resample(points, weights, draws, np.random.default_rng([seed, draws]))
    shape = np.exp(chosen[:, 2]) if kind == "hill" else np.ones(draws)
    response = Response(kind, np.exp(chosen[:, 0]), np.exp(chosen[:, 1]), shape)
    return FittedResponse(response, float(1 / (weights**2).sum()), (float(spend.min()), float(spend.max())))


def _check_history(spend: np.ndarray, customers: np.ndarray) -> None:
    if spend.ndim != 1 or spend.shape != customers.shape or spend.size < FEWEST_PERIODS:
        raise ValueError(f"a history has {FEWEST_PERIODS} periods at least, got {spend.shape} and {customers.shape}")
    if not all(np.isfinite(x).all() and (x >= 0).all() for x in (spend, customers)):
        raise ValueError("spend and new customers must be finite and not negative")
    if customers.max() == 0 or spend.max() == 0:
        raise ValueError("a history in which nothing was spent, or nobody came, says nothing of a response")
    if ((spend == 0) & (customers > 0)).any():
        raise ValueError("customers came in periods without spend: count only those whom the channel brought")


def _posterior(spend: np.ndarray, customers: np.ndarray, kind: Kind) -> Callable[[np.ndarray], np.ndarray]:
    """Log density (m,) of points (m, parameters): log n∞, log S₀, log h where Hill's, log k."""
    ceiling, scale = np.log(2 * customers.max()), np.log(spend.max())

    def density(points: np.ndarray) -> np.ndarray:
        top, at, *shape, size = np.clip(points, -50, 50).T
        ratio = np.log(spend) - at[:, None]
        if shape:
            share = 1 / (1 + np.exp(-np.clip(np.exp(shape[0])[:, None] * ratio, -500, 500)))
        else:
            share = -np.expm1(-np.exp(np.clip(ratio, -500, 500)))
        mean = np.exp(top)[:, None] * share + 1e-300
        k = np.exp(size)[:, None]
        out = (
            gammaln(customers + k) - gammaln(k) + xlogy(k, k / (k + mean)) + xlogy(customers, mean / (k + mean))
        ).sum(axis=1)
        out -= ((top - ceiling) / PRIOR_SD_CEILING) ** 2 / 2 + ((at - scale) / PRIOR_SD_SCALE) ** 2 / 2
        out -= ((size - PRIOR_DISPERSION[0]) / PRIOR_DISPERSION[1]) ** 2 / 2
        return out - (shape[0] / PRIOR_SD_SHAPE) ** 2 / 2 if shape else out

    return density


def _sample(
    density: Callable[[np.ndarray], np.ndarray], start: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points (m, parameters) and logs of their weights (m,)."""
    from scipy.optimize import minimize
    from scipy.stats import multivariate_t

    mode = minimize(lambda x: -float(density(x[None])[0]), start, method="Nelder-Mead", options={"maxiter": 4000}).x
    proposals, points = [multivariate_t(mode, _covariance(density, mode), df=_TAILS)], np.empty((0, start.size))
    while True:
        points = np.vstack([points, np.atleast_2d(proposals[-1].rvs(_PROPOSALS, random_state=rng))])
        mixture = np.logaddexp.reduce([proposal.logpdf(points) for proposal in proposals], axis=0)
        log_weights = density(points) - mixture
        if len(proposals) == _ROUNDS:
            return points, log_weights
        weights = np.exp(log_weights - log_weights.max())
        spread = np.cov(points.T, aweights=weights) + 1e-6 * np.eye(start.size)
        proposals.append(multivariate_t(np.average(points, axis=0, weights=weights), spread, df=_TAILS))


def _covariance(density: Callable[[np.ndarray], np.ndarray], mode: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Inverse curvature at the mode; directions that are nearly flat get the prior's spread at most."""
    size = mode.size
    hessian = np.empty((size, size))
    unit = step * np.eye(size)
    for i in range(size):
        for j in range(size):
            corners = np.array([mode + a * unit[i] + b * unit[j] for a in (1, -1) for b in (1, -1)])
            hessian[i, j] = -(density(corners) @ [1, -1, -1, 1]) / (4 * step**2)
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return (vectors / np.maximum(values, 1 / PRIOR_SD_CEILING**2)) @ vectors.T


def _resample(points: np.ndarray, weights: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Systematic, in random order."""
    at = (rng.random() + np.arange(draws)) / draws
    index = np.searchsorted(np.cumsum(weights), at * weights.sum())
    return points[rng.permutation(np.minimum(index, weights.size - 1))]
