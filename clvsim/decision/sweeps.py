"""One surrogate for a difference along a whole grid: which value of a key is best, and what another one loses.

NumPy and SciPy. Axis 0 is the draw, axis 1 the point of the grid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clvsim.decision.expectation import Expectation, expected_per_draw
from clvsim.decision.figures import REFUSED_BELOW, Estimate, estimate
from clvsim.decision.regression import Basis

FREEDOM = (6, 5)  # functions on a grid of one key, and per key on a grid of two
FINE_POINTS = (201, 41)  # along each key, on which optima are looked for
TOLERATED_LOSS = 0.02  # of the best mean
_CUBIC = 3

Outcome = Literal["optimum", "nothing", "edge"]


@dataclass(frozen=True)
class Curve:
    """Expected differences as a smooth function of one key or two.

    `axes`: the grid's values by key; `weights` (K, n): of the functions, with their noise; `misfit` (g,): the simulated
    mean less the curve's at the grid's points, and `misfit_mcse` (g,) its Monte Carlo error.
    """

    axes: tuple[np.ndarray, ...]
    weights: tuple[Expectation, ...]
    rotation: np.ndarray  # (K, K), from B-splines to functions orthonormal on the grid
    misfit: np.ndarray
    misfit_mcse: np.ndarray

    def at(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and noise (n, m) at points (m, keys) within the grid."""
        functions = _splines(self.axes, points) @ self.rotation
        values = np.stack([weight.values for weight in self.weights], axis=1)
        noise = np.stack([weight.noise for weight in self.weights], axis=1)
        return values @ functions.T, noise @ functions.T

    @property
    def follows(self) -> bool:
        """Whether the smooth functions follow the simulated mean, to four Monte Carlo errors at each point."""
        scale = 1e-9 * max((np.abs(weight.values).max() for weight in self.weights), default=0.0)
        return bool((np.abs(self.misfit) <= 4 * self.misfit_mcse + scale).all())


@dataclass(frozen=True)
class Optimum:
    """What to do along a curve, on `points` (m, keys) finer than the grid.

    `outcome`: "optimum" at `best` (keys,), whose mean is `gain`; "nothing" where no point's mean is above 0 by three of
    its Monte Carlo errors; "edge", an optimum that is refused, where the mean is largest at the grid's edge. `band`
    (keys, 2): around the best point, one key at a time, what loses less than 2 % of its mean. `mean`, `mcse`, `regret`
    (m,): mean difference, its error, and mean of the best of each draw, doing nothing included, less the point's.
    `per_draw` (n, keys): each draw's best point, nan where doing nothing is best; `p_nothing`: how often it is.
    """

    outcome: Outcome
    best: np.ndarray
    gain: Estimate
    band: np.ndarray
    points: np.ndarray
    mean: np.ndarray
    mcse: np.ndarray
    regret: np.ndarray
    regret_of_nothing: float
    per_draw: np.ndarray
    p_nothing: float


def fit_curve(
    deltas: np.ndarray,
    axes: Sequence[np.ndarray],
    bases: Sequence[Basis],
    known: np.ndarray | None = None,
) -> Curve:
    """Δ_d(f) = L_d Σ_k b_k(f)(β_k + γ_k'z_d), from the paired simulated differences at all points of a grid.

    Args:
        deltas: (n, g) in the order of `itertools.product(*axes)`.
        axes: rising values of one key or two, at least two each.
        bases: of the regression on z with the scale L, as `expected_per_draw` takes them.
        known: (n, g) posted costs and the like, taken out before and added after; as smooth as the functions.

    b_k: cubic B-splines with six functions (two keys: products of five by five), made orthonormal on the grid. Then the
    regression falls apart into one for each function, with weights 1/L_d, and leaving out a draw's whole curve is
    leaving out its weight in each: the penalty is by leave-one-draw-out (`regression`). The mean curve is the simulated
    one, smoothed along f only.

    Not modelled: kinks and jumps along f; `follows` says where the mean has one.

    Raises ValueError on arrays whose shapes do not fit or that are not finite.
    """
    grid = tuple(np.asarray(axis, dtype=np.float64) for axis in axes)
    if len(grid) not in (1, 2) or any(axis.size < 2 or not (np.diff(axis) > 0).all() for axis in grid):
        raise ValueError(f"a sweep has one or two keys, each with rising values: {grid}")
    size = int(np.prod([axis.size for axis in grid]))
    deltas = np.asarray(deltas, dtype=np.float64)
    if deltas.ndim != 2 or deltas.shape[1] != size or not np.isfinite(deltas).all():
        raise ValueError(f"differences must be finite with shape (draws, {size}), got {deltas.shape}")
    functions, triangle = np.linalg.qr(_splines(grid, _product(grid)))
    figures = deltas @ functions
    costs = None if known is None else known @ functions
    weights = tuple(
        expected_per_draw(figure, bases, known=None if costs is None else costs[:, k], always=True)
        for k, figure in enumerate(figures.T)
    )
    rest = deltas - figures @ functions.T
    errors = rest.std(axis=0, ddof=1) / np.sqrt(deltas.shape[0]) if deltas.shape[0] > 1 else np.full(size, np.inf)
    return Curve(grid, weights, np.linalg.inv(triangle), rest.mean(axis=0), errors)


def find_optimum(curve: Curve, ess: float = np.nan) -> Optimum:
    """The best point of the mean, and what chance leaves of it; `ess`: how many independent draws there are."""
    fine = tuple(_finer(axis, FINE_POINTS[len(curve.axes) - 1]) for axis in curve.axes)
    points = _product(fine)
    values, noise = curve.at(points)
    n = values.shape[0]
    mean = values.mean(axis=0)
    of_draws = values.var(axis=0, ddof=1) / (n if np.isnan(ess) else ess) if n > 1 else np.full(mean.shape, np.nan)
    mcse = np.sqrt(of_draws + (noise**2).sum(axis=0) / n**2)
    top = values.max(axis=1)
    acts = top > 0
    per_draw = np.where(acts[:, None], points[values.argmax(axis=1)], np.nan)
    reachable = float(np.maximum(top, 0).mean())
    best = int(mean.argmax())
    where = np.unravel_index(best, [axis.size for axis in fine])
    outcome: Outcome = "optimum"
    if not mean[best] > 0 or not mean[best] >= REFUSED_BELOW * mcse[best]:
        outcome = "nothing"
    elif any(index in (0, axis.size - 1) for index, axis in zip(where, fine, strict=True)):
        outcome = "edge"
    return Optimum(
        outcome=outcome,
        best=points[best],
        gain=estimate(values[:, best], noise[:, best], ess),
        band=_band(mean.reshape([axis.size for axis in fine]), tuple(int(i) for i in where), fine),
        points=points,
        mean=mean,
        mcse=mcse,
        regret=reachable - mean,
        regret_of_nothing=reachable,
        per_draw=per_draw,
        p_nothing=float(1 - acts.mean()),
    )


def _band(mean: np.ndarray, where: tuple[int, ...], fine: tuple[np.ndarray, ...]) -> np.ndarray:
    """Ends of the stretch around the best point that loses less than 2 %, along each key."""
    out = np.empty((len(fine), 2))
    for key, axis in enumerate(fine):
        line = np.moveaxis(mean, key, 0)[(slice(None), *where[:key], *where[key + 1 :])]
        lost = np.flatnonzero(line < line[where[key]] - TOLERATED_LOSS * abs(line[where[key]]))
        low = lost[lost < where[key]].max(initial=-1) + 1
        high = lost[lost > where[key]].min(initial=axis.size) - 1
        out[key] = axis[low], axis[high]
    return out


def _product(axes: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)


def _finer(axis: np.ndarray, points: int) -> np.ndarray:
    """As many points as asked for, close where the grid's are close."""
    return np.interp(np.linspace(0, axis.size - 1, points), np.arange(axis.size), axis)


def _splines(axes: tuple[np.ndarray, ...], points: np.ndarray) -> np.ndarray:
    """B-splines of the grid (m, K) at points (m, keys), products of them for two keys."""
    parts = [_b_splines(axis, points[:, key], FREEDOM[len(axes) - 1]) for key, axis in enumerate(axes)]
    out = parts[0]
    for part in parts[1:]:
        out = (out[:, :, None] * part[:, None, :]).reshape(out.shape[0], -1)
    return out


def _b_splines(axis: np.ndarray, x: np.ndarray, freedom: int) -> np.ndarray:
    """At most `freedom` functions, of lower degree where the grid has fewer points than four."""
    from scipy.interpolate import BSpline

    number = min(freedom, axis.size)
    degree = min(_CUBIC, number - 1)
    inner = np.interp(np.linspace(0, axis.size - 1, number - degree + 1)[1:-1], np.arange(axis.size), axis)
    knots = np.concatenate([np.full(degree + 1, axis[0]), inner, np.full(degree + 1, axis[-1])])
    return BSpline.design_matrix(np.clip(x, axis[0], axis[-1]), knots, degree).toarray()
