"""Where a mean difference crosses 0: from where an effect pays, up to where a cost does.

NumPy and SciPy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clvsim.decision.figures import estimate

_STEP = 1e-4  # of the grid's width, for the slope


class Crossing(NamedTuple):
    """A quantity at which the mean is 0, its Monte Carlo error, and whether it pays above (True) or below."""

    at: float
    mcse: float
    rising: bool


@dataclass(frozen=True)
class BreakEven:
    """All crossings on a range, from low to high; `pays_at_low`, `pays_at_high`: whether the mean is above 0 there.

    No crossing: it pays everywhere or nowhere on the range, which `pays_at_low` says.
    """

    crossings: tuple[Crossing, ...]
    pays_at_low: bool
    pays_at_high: bool


def break_even(
    mean: Callable[[float], float],
    grid: np.ndarray,
    mcse: Callable[[float], float] = lambda _: 0.0,
) -> BreakEven:
    """Zeros of a mean difference as a function of one quantity, which need not be monotone.

    Args:
        mean: the mean at a quantity.
        grid: (g,) rising quantities, at which the sign is looked at; what crosses twice between two of them is missed.
        mcse: Monte Carlo error of the mean at a quantity; that of a crossing is mcse/|slope|, infinite where the mean
            only touches 0.

    Where the mean is exactly 0 at points of the grid (a scenario that does nothing), the ends of that stretch count.

    Raises ValueError unless the grid rises and has two points, and the mean is finite on it.
    """
    from scipy.optimize import brentq

    grid = np.asarray(grid, dtype=np.float64)
    if grid.ndim != 1 or grid.size < 2 or not (np.diff(grid) > 0).all():
        raise ValueError(f"the grid must rise and have two points at least, got {grid}")
    values = np.array([mean(float(x)) for x in grid])
    if not np.isfinite(values).all():
        raise ValueError(f"the mean must be finite on the grid, got {values}")
    sign = np.sign(values)
    roots = [float(grid[i]) for i in np.flatnonzero(sign == 0) if np.any(sign[max(i - 1, 0) : i + 2] != 0)]
    roots += [
        float(brentq(mean, grid[i], grid[i + 1], xtol=1e-12 * (1 + np.abs(grid[i : i + 2]).max())))
        for i in np.flatnonzero(sign[:-1] * sign[1:] < 0)
    ]
    crossings = []
    for root in sorted(roots):
        low, high = _around(root, grid)
        slope = (mean(high) - mean(low)) / (high - low)
        error = mcse(root)
        crossings.append(Crossing(root, error / abs(slope) if slope else (np.inf if error else 0.0), slope > 0))
    return BreakEven(tuple(crossings), bool(sign[0] > 0), bool(sign[-1] > 0))


def _around(root: float, grid: np.ndarray) -> tuple[float, float]:
    step = _STEP * float(grid[-1] - grid[0])
    return max(root - step, float(grid[0])), min(root + step, float(grid[-1]))


def break_even_on_grid(grid: np.ndarray, mean: np.ndarray, mcse: np.ndarray | None = None) -> BreakEven:
    """Zeros of means (g,) with errors (g,) at rising quantities, by an interpolation that keeps their ups and downs.

    Piecewise cubic (Fritsch and Butland 1984, "A method for constructing local monotone piecewise cubic interpolants",
    SIAM Journal on Scientific and Statistical Computing 5(2)): no crossing that the grid does not show.
    """
    from scipy.interpolate import PchipInterpolator

    curve = PchipInterpolator(grid, mean)
    errors = np.zeros_like(mean) if mcse is None else mcse
    return break_even(lambda x: float(curve(x)), grid, lambda x: float(np.interp(x, grid, errors)))


def break_even_of_cost(
    gain: np.ndarray,
    units: np.ndarray,
    noise_of_gain: np.ndarray | float = 0.0,
    noise_of_units: np.ndarray | float = 0.0,
    ess: float = np.nan,
) -> Crossing | None:
    """The highest cost per unit that a gain bears: Δ_d(c) = a_d − b_d·c is 0 on average at c = mean a / mean b.

    Args:
        gain: a (n,), the difference without the cost.
        units: b (n,), what the cost is paid for, discounted as the gain is.
        noise_of_gain: (n,) simulated − expected value, as `Expectation` has it.
        noise_of_units: (n,) the same.
        ess: how many independent draws they are worth, by default all.

    None where no units are paid for on average. Below 0: not even a cost of nothing pays.
    """
    per_unit = float(units.mean())
    if per_unit == 0:
        return None
    at = float(gain.mean()) / per_unit
    left = estimate(gain - at * units, noise_of_gain - at * np.asarray(noise_of_units), ess)
    return Crossing(at, left.mcse / abs(per_unit), per_unit < 0)
