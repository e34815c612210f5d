"""Posterior draws from the mode instead of a Markov chain, and the log-likelihood of every distinct history.

Laplace: proposals from a multivariate t around the mode of the unconstrained density, weighted by density over
proposal, the largest weights smoothed by a Pareto tail (Vehtari, Simpson, Gelman, Yao & Gabry 2024, "Pareto smoothed
importance sampling", JMLR 25(72)), then resampled. Where the tail's shape k is below 0.7 the weights make the draws
right whatever the shape of the posterior, not only where it is normal. Where it is not, proposals are made once more,
around the mean and with the covariance that the weights give (adaptive importance sampling: Cappe, Douc, Guillin, Marin
& Robert 2008, Statistics and Computing 18(4)): a posterior of few customers leans to one side of its mode.
docs/models/inference.md.

Arrays of points are (point, dimension), unconstrained; d is the number of dimensions.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.compiled import CompiledModel, Density
from clvsim.models.diagnostics import MAX_PARETO_K, MIN_ESS, PARETO_K, WEIGHT_ESS
from clvsim.models.laws import unique_rows
from clvsim.models.protocol import RetentionModel
from clvsim.types import DAYS_PER_UNIT, CustomerSummary, Diagnostic, Posterior

_FREEDOM = 5  # of the t proposal: a normal posterior keeps 86 % of the draws at d = 4, 76 % at d = 8
_ROW_BUDGET = 40_000_000  # rows evaluated for the proposals: BG/NBD takes 40 ns for one, Pareto/NBD ten times that
_MIN_PROPOSALS = 1000
_MORE = 4  # times as many proposals where those made are worth too few draws: with months of the year d is 16
_FEW_ROWS = 10_000_000  # evaluated for the proposals: done by the time a function without gradient is compiled
_STARTS = 3
_SLOPE_STEP = 1e-3  # parameters are logs and log-odds, so their natural scale is 1 however long the log
_NEWTON_STEPS = 25
_ROUGHLY = 1e-4  # relative step at which quasi-Newton search hands over to Newton's method
_MODE_DISTANCE = 1e-3  # posterior standard deviations
_NEGLIGIBLE = 10.0  # a maximum this much lower in log density holds next to nothing
_CHUNK_CELLS = 1 << 22


class Mode(NamedTuple):
    """A maximum: `precision` (d, d) is minus the Hessian, `distance` what Newton's next step would be, in sds."""

    point: np.ndarray
    value: float
    precision: np.ndarray
    distance: float


class Weighted(NamedTuple):
    """Resampled points (draw, d), Pareto k of the weights, and how many independent draws they are worth.

    `mean` (d,) and `covariance` (d, d) are those of all proposals by their weights.
    """

    points: np.ndarray
    pareto_k: float
    ess: float
    mean: np.ndarray
    covariance: np.ndarray


def laplace(
    model: CompiledModel, kind: str, rows: int, draws: int, seed: int
) -> tuple[dict[str, np.ndarray], tuple[Diagnostic, ...]]:
    """Draws of the model's free variables, each (draw, ...), in random order, and what is to be said of their weights.

    `kind` names the model and keeps the random numbers of two models apart; `rows` is what one evaluation costs.
    Raises DiagnosticsError where there is no mode to start from.
    """
    target, rng = model.density(), np.random.default_rng([seed, 2, zlib.crc32(kind.encode())])
    mode, proposed = find_mode(target, kind, rng), proposals(draws, rows)
    while True:
        values = target.values if proposed * rows > _FEW_ROWS else one_by_one(target.slope)
        found = weighted(values, mode, draws, proposed, rng)
        if not found.ess < MIN_ESS <= draws or proposed * _MORE * rows >= _ROW_BUDGET:
            break
        proposed *= _MORE
    if found.pareto_k >= MAX_PARETO_K and np.linalg.eigvalsh(found.covariance)[0] > 0:
        matched = mode._replace(point=found.mean, precision=np.linalg.inv(found.covariance))
        found = weighted(values, matched, draws, proposed, rng)
    return target.constrain(found.points), (
        Diagnostic(kind, PARETO_K, found.pareto_k, f"< {MAX_PARETO_K}", found.pareto_k < MAX_PARETO_K),
        Diagnostic(kind, WEIGHT_ESS, found.ess, f">= {MIN_ESS:.0f}", found.ess >= MIN_ESS),
    )


def centre(model: CompiledModel, kind: str, seed: int) -> tuple[Density, Mode]:
    """The density, and its mode as `laplace` finds it. Raises DiagnosticsError where there is none."""
    target = model.density()
    return target, find_mode(target, kind, np.random.default_rng([seed, 2, zlib.crc32(kind.encode())]))


def mode_only(
    model: CompiledModel, kind: str, draws: int, seed: int
) -> tuple[dict[str, np.ndarray], tuple[Diagnostic, ...]]:
    """The mode of the unconstrained density `draws` times over, and how near to it the search came.

    Raises DiagnosticsError where there is none.
    """
    target = model.density()
    mode = find_mode(target, kind, np.random.default_rng([seed, 2, zlib.crc32(kind.encode())]))
    free = target.constrain(np.tile(mode.point, (draws, 1)))
    return free, (Diagnostic(kind, "distance to the mode, in sds", mode.distance, f"<= {_MODE_DISTANCE:g}", True),)


def proposals(draws: int, rows: int) -> int:
    """How many points to weigh for that many draws: twice as many where rows are few, a quarter where they are many.

    Depends on nothing else, so that a posterior is the same on every machine.
    """
    affordable = _ROW_BUDGET // max(rows, 1)
    return max(_MIN_PROPOSALS, min(max(affordable, draws // 4), 2 * draws))


def one_by_one(slope: Callable[[np.ndarray], tuple[float, np.ndarray]]) -> Callable[[np.ndarray], np.ndarray]:
    """`Density.values` from `Density.slope`, on one core."""

    def values(points: np.ndarray) -> np.ndarray:
        out = np.array([slope(at)[0] for at in points])
        return np.where(np.isnan(out), -np.inf, out)

    return values


def find_mode(target: Density, kind: str, rng: np.random.Generator) -> Mode:
    """The maximum of the density, sought from several starts.

    Raises DiagnosticsError, naming `kind`, where the search does not end in a maximum, or ends in two.
    """
    starts = [target.start, *(target.start + rng.standard_normal((_STARTS - 1, target.start.size)))]
    ends = sorted((_climb(target, start) for start in starts), key=lambda end: -end[1])
    best = _polish(target, ends[0][0])
    if best is None:
        raise _no_mode(kind, "the search for the posterior's mode did not end in a maximum")
    for end, value in ends[1:]:
        if value < best.value - _NEGLIGIBLE or _distance(end, best) < 0.1:
            continue
        other = _polish(target, end)  # a search that stopped early goes on
        if other is None or _distance(other.point, best) > 1:
            raise _no_mode(kind, "the posterior has more than one maximum, or a ridge where it should have one")
    return best


def _no_mode(kind: str, why: str) -> DiagnosticsError:
    return DiagnosticsError([("fit", f"{kind}: {why}; use fit.method=nuts, or narrower priors")])


def _climb(target: Density, start: np.ndarray) -> tuple[np.ndarray, float]:
    """Where quasi-Newton search ends, and its log density (-inf where that is not finite)."""
    from scipy.optimize import minimize

    def loss(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = target.slope(at)
        return (-value, -gradient) if np.isfinite(value) else (np.inf, np.zeros_like(at))

    with np.errstate(all="ignore"):  # line searches try points where the density is 0
        found = minimize(loss, start, jac=True, method="BFGS", options={"xrtol": _ROUGHLY})
    return found.x, -float(found.fun) if np.isfinite(found.fun) else -np.inf


def _polish(target: Density, point: np.ndarray) -> Mode | None:
    """Newton's method to within a thousandth of a standard deviation; None where that does not end in a maximum."""
    value, gradient = target.slope(point)
    for _ in range(_NEWTON_STEPS):
        precision = _precision(target, point)
        if not np.isfinite(precision).all() or np.linalg.eigvalsh(precision)[0] <= 0:
            return None
        step = np.linalg.solve(precision, gradient)
        distance = math.sqrt(max(float(gradient @ step), 0.0))
        if distance <= _MODE_DISTANCE:
            return Mode(point, value, precision, distance)
        for halving in range(30):
            ahead = point + step / 2**halving
            value_ahead, gradient_ahead = target.slope(ahead)
            if value_ahead > value:
                break
        else:
            return None
        point, value, gradient = ahead, value_ahead, gradient_ahead
    return None


def _precision(target: Density, point: np.ndarray) -> np.ndarray:
    """Minus the Hessian, by central differences of the gradient, (d, d)."""
    steps = _SLOPE_STEP * np.eye(point.size)
    columns = [target.slope(point - h)[1] - target.slope(point + h)[1] for h in steps]
    hessian = np.array(columns) / (2 * _SLOPE_STEP)
    return (hessian + hessian.T) / 2


def _distance(point: np.ndarray, mode: Mode) -> float:
    """Posterior standard deviations between the two, were the posterior normal."""
    apart = point - mode.point
    return math.sqrt(float(apart @ mode.precision @ apart))


def weighted(
    values: Callable[[np.ndarray], np.ndarray], mode: Mode, draws: int, proposed: int, rng: np.random.Generator
) -> Weighted:
    """`draws` points resampled, by Pareto-smoothed weights, from `proposed` points of a t around the mode."""
    from arviz_stats.base import array_stats

    d = mode.point.size
    normal = rng.standard_normal((proposed, d))
    standard = normal * np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, (proposed, 1)))
    root = np.linalg.cholesky(np.linalg.inv(mode.precision))
    points = mode.point + standard @ root.T
    log_proposal = -(_FREEDOM + d) / 2 * np.log1p((standard**2).sum(axis=1) / _FREEDOM)
    log_ratio = values(points) - mode.value - log_proposal
    smooth, pareto_k = array_stats.psislw(-log_ratio)  # takes log likelihoods and negates
    weights = np.exp(smooth - smooth.max())
    weights /= weights.sum()
    chosen = systematic(weights, draws, float(rng.random()))
    copies = np.bincount(chosen)
    # Neither weights nor copies: whichever of the two loses more.
    ess = min(1 / (weights**2).sum(), draws**2 / (copies**2).sum())
    mean = weights @ points
    covariance = (weights[:, None] * (points - mean)).T @ (points - mean)
    return Weighted(points[chosen], float(pareto_k), float(ess), mean, covariance)


def systematic(weights: np.ndarray, draws: int, uniform: float) -> np.ndarray:
    """Indices (draw,), ascending: entry i occurs draws x weights[i] times, rounded up or down without bias."""
    ends = np.cumsum(weights)
    at = (np.arange(draws) + uniform) / draws * ends[-1]
    return np.minimum(np.searchsorted(ends, at, side="right"), weights.size - 1)


def pointwise(
    posterior: Posterior, summary: CustomerSummary, model: RetentionModel, *, chunk_cells: int = _CHUNK_CELLS
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Log-likelihood of each distinct history, chunk by chunk: ((draw, row), how many customers have it (row,)).

    Times are in the posterior's unit, the same for every model, so that models can be compared; rows are in lexical
    order of the model's histories. A chunk holds at most `chunk_cells` values, or one row. For leave-one-customer-out
    sums weigh each row's figure by its count.
    """
    histories = model.histories(summary)
    rows, count = unique_rows(histories)
    step = max(1, chunk_cells // posterior.draws)
    for i in range(0, len(count), step):
        part = slice(i, i + step)
        some = type(histories)(*rows[part].T)
        yield model.log_likelihood(posterior.retention, some, DAYS_PER_UNIT[posterior.time_unit]), count[part]
