"""The mean of a difference as a function of one of its numbers: splines on the draws, with their Monte Carlo error."""

from typing import NamedTuple

import numpy as np

from clvsim.decision.crossfit import Side
from clvsim.decision.expectation import Expectation
from clvsim.decision.regression import Basis
from clvsim.decision.splines import Splines

ENDS = (0.01, 0.99)  # quantiles of the draws between which a curve is given
_BOOTSTRAPS = 100


class MeanCurve(NamedTuple):
    """`at` (g,), evenly from the 1 to the 99 % end of the draws; `mean`, `mcse` (g,); `at_draws` (n,): the mean at each
    draw's own number."""

    at: np.ndarray
    mean: np.ndarray
    mcse: np.ndarray
    at_draws: np.ndarray


def mean_curve(applied: np.ndarray, change: Expectation, points: int, *, errors: bool = True) -> MeanCurve:
    """Regression of the difference on a number (n,) alone; everything else stays as uncertain as it is.

    The error is that of luck and of finitely many draws: the noise comes again with other signs (wild bootstrap).
    """
    grid = np.linspace(float(np.quantile(applied, ENDS[0])), float(np.quantile(applied, ENDS[1])), points)
    n = applied.size
    columns = Splines.of(applied).columns(np.concatenate([applied, grid]))
    figure = np.concatenate([change.values + change.noise, np.zeros(points)])
    basis = Basis.make(columns, rows=np.arange(n + points) < n)
    fit = basis.fit(figure)
    side, places = Side(basis, (fit,)), np.arange(n, n + points)
    mean, mcse = side.predictions(places)[0, :, 0], np.zeros(points)
    if errors:
        signs = np.zeros((_BOOTSTRAPS, n + points))
        signs[:, :n] = np.random.default_rng([n, points]).standard_normal((_BOOTSTRAPS, n))
        mcse = side.predictions(places, signs)[:, :, 0].std(axis=0, ddof=1)
    return MeanCurve(grid, mean, mcse, fit.values[:n])
