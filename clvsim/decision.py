"""Decision arithmetic on draws: expected value per draw, P(better), P(best), expected loss, value of information.

NumPy only. Axis 0 is always the draw, axis 1 the scenario or the input. Monte Carlo standard errors (mcse) count draws
as independent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NEGLIGIBLE_SHARE = 0.05  # of Var Δ: less process noise than this is left in
RIDGE_BELOW = 10  # draws per column
TOLERATED_EXCESS = 0.20  # of the residual variance over the measured noise
_FEWEST_DRAWS = 4


class Estimate(NamedTuple):
    """A mean over draws and its Monte Carlo standard error."""

    value: float
    mcse: float


class Summary(NamedTuple):
    """Mean with its Monte Carlo standard error and a 90 % interval."""

    mean: float
    mcse: float
    p05: float
    p50: float
    p95: float


@dataclass(frozen=True)
class Surrogate:
    """Expected value per draw, and the process noise that was removed from it."""

    values: np.ndarray  # (draw,)
    noise_variance: float  # process variance within a draw, measured from the two halves
    variance: float  # of the raw figure over draws
    share: float  # noise_variance / variance
    residual_excess: float  # residual variance / noise variance − 1; 0 when the regression was not needed
    used: bool  # False: `values` are the raw figure
    note: str  # "" or one sentence for the page


@dataclass(frozen=True)
class InformationValue:
    """Expected value of perfect information; `value` is None below three Monte Carlo standard errors."""

    value: float | None
    estimate: float  # least expected loss, whatever its error
    mcse: float
    best: int  # column with the least expected loss


@dataclass(frozen=True)
class Basis:
    """Orthonormal form of the regression's columns; the same for every figure of a scenario."""

    left: np.ndarray  # (n, rank)
    singular: np.ndarray  # (rank,)
    columns: int

    @classmethod
    def from_inputs(cls, inputs: np.ndarray, effects: np.ndarray) -> "Basis":
        """From every uncertain number of the draw (n, k) and which of them are effects (k,)."""
        columns = design(inputs, effects)
        left, singular, _ = np.linalg.svd(columns, full_matrices=False)
        independent = singular > 1e-10 * singular.max(initial=0.0)  # collinear columns count once
        return cls(left[:, independent], singular[independent], columns.shape[1])


# --- expected value per draw -----------------------------------------------------------------------------------------


def expected_per_draw(
    delta: np.ndarray, halves: np.ndarray, inputs: np.ndarray, effects: np.ndarray, basis: Basis | None = None
) -> Surrogate:
    """E[Δ | parameters, effects] per draw from one simulated path per draw.

    Args:
        delta: (n,) paired difference of a scenario to the baseline.
        halves: (n, 2) the same difference for two halves of the customers, split by a bit of their key. What belongs
            to no customer (a fixed cost) may be left out of both.
        inputs: (n, k) every uncertain number of the draw.
        effects: (k,) True for inputs that are effects of interventions.
        basis: `Basis.from_inputs(inputs, effects)`, to share it between figures.

    Given the draw the halves are independent, so Var(Δ_A − Δ_B) is the process variance of Δ_A + Δ_B. Over draws their
    difference varies a little with the inputs as well, because the halves are different customers: that part is
    taken out by the same regression as is used for Δ. Shocks common to all customers are in both halves and are not
    counted as noise; they are averaged out by the regression and appear in `residual_excess`.

    Raises ValueError on arrays whose shapes do not fit or that are not finite.
    """
    _check_shapes(delta, halves, inputs, effects)
    if not delta.any():
        return Surrogate(np.zeros_like(delta, dtype=np.float64), 0.0, 0.0, 0.0, 0.0, used=False, note="")
    return _surrogate(
        np.asarray(delta, dtype=np.float64),
        np.zeros(delta.shape[0]),
        halves,
        basis or Basis.from_inputs(inputs, effects),
    )


def expected_level(
    level: np.ndarray,
    halves: np.ndarray,
    inputs: np.ndarray,
    effects: np.ndarray,
    closed_form: np.ndarray | None = None,
    basis: Basis | None = None,
    shocks: bool = False,
) -> Surrogate:
    """E[level | parameters, effects] per draw. `closed_form` (n,) is a conditional expectation close to it.

    The regression sees level − closed form, and the closed form is added back: what it explains exactly needs no
    fitting. With `shocks` common to all customers the regression is used however small the noise of the halves is,
    since they do not show in it. Other arguments as in `expected_per_draw`; `share` compares noise with the variance
    of the level.
    """
    _check_shapes(level, halves, inputs, effects)
    level = np.asarray(level, dtype=np.float64)
    control = np.zeros_like(level) if closed_form is None else np.asarray(closed_form, dtype=np.float64)
    if control.shape != level.shape or not np.isfinite(control).all():
        raise ValueError(f"closed_form must be finite with shape {level.shape}, got {control.shape}")
    return _surrogate(level, control, halves, basis or Basis.from_inputs(inputs, effects), always=shocks)


def regress(figure: np.ndarray, basis: Basis) -> np.ndarray:
    """Regression of a figure (n,) on the draw's inputs, for figures whose noise no halves measure."""
    return _Regression.fit(figure, basis).fitted if figure.any() else figure


def _surrogate(
    figure: np.ndarray, control: np.ndarray, halves: np.ndarray, basis: Basis, always: bool = False
) -> Surrogate:
    draws = figure.size
    if draws < _FEWEST_DRAWS:
        note = f"With {draws} draws simulated values are shown in place of expected ones; raise simulation.draws."
        return Surrogate(figure, np.nan, np.nan, np.nan, 0.0, used=False, note=note)
    variance = float(figure.var(ddof=1))
    noise = _Regression.fit(halves[:, 0] - halves[:, 1], basis).residual_variance
    share = noise / variance if variance > 0 else 0.0
    if share < NEGLIGIBLE_SHARE and not (always and variance > 0):
        return Surrogate(figure, noise, variance, share, 0.0, used=False, note="")
    fit = _Regression.fit(figure - control, basis)
    excess = fit.residual_variance / noise - 1 if noise > 0 else 0.0
    note = ""
    if excess > TOLERATED_EXCESS:
        note = (
            f"The regression for expected values leaves {excess:.0%} more variance than the chance of single "
            "customers explains: raise simulation.replicates to see how much of it is real."
        )
    return Surrogate(control + fit.fitted, noise, variance, share, excess, used=True, note=note)


def _check_shapes(figure: np.ndarray, halves: np.ndarray, inputs: np.ndarray, effects: np.ndarray) -> None:
    n = figure.shape[0]
    shapes = (figure.shape, halves.shape, inputs.shape, effects.shape)
    if shapes != ((n,), (n, 2), (n, effects.size), (effects.size,)):
        raise ValueError(f"expected shapes (n,), (n, 2), (n, k), (k,), got {shapes}")
    if not all(np.isfinite(a).all() for a in (figure, halves, inputs)):
        raise ValueError("values, halves and inputs must be finite")


def design(inputs: np.ndarray, effects: np.ndarray) -> np.ndarray:
    """Columns of the regression (n, p), centred and scaled to variance 1; the intercept is not among them.

    Standardised inputs, squares of effects, and each effect times every other input (parameters and other effects).
    Inputs and columns that do not vary are dropped.
    """
    effects = np.asarray(effects, dtype=bool)
    linear, varies = _standardise(np.asarray(inputs, dtype=np.float64))
    is_effect = effects[varies]
    products = [
        linear[:, i] * linear[:, j]
        for i in np.flatnonzero(is_effect)
        for j in range(linear.shape[1])
        if not is_effect[j] or j >= i  # a pair of effects once, j = i is the square
    ]
    if not products:
        return linear
    return np.column_stack([linear, _standardise(np.column_stack(products))[0]])


def _standardise(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns that vary, with mean 0 and variance 1, and their mask."""
    mean, sd = columns.mean(axis=0), columns.std(axis=0)
    varies = sd > 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
    return (columns[:, varies] - mean[varies]) / sd[varies], varies


@dataclass(frozen=True)
class _Regression:
    """Least squares with an intercept; ridge when there are fewer than ten draws per column."""

    fitted: np.ndarray
    residual_variance: float  # residual sum of squares / (n − effective degrees of freedom)

    @classmethod
    def fit(cls, y: np.ndarray, basis: Basis) -> "_Regression":
        centre = y.mean()
        left, singular = basis.left, basis.singular
        projection = left.T @ (y - centre)
        penalty = 0.0
        if y.size < RIDGE_BELOW * (basis.columns + 1) and singular.size:
            penalty = _least_press(y - centre, left, singular, projection)
        shrink = singular**2 / (singular**2 + penalty)
        fitted = centre + left @ (shrink * projection)
        freedom = y.size - 1 - float(shrink.sum())
        return cls(fitted, float(((y - fitted) ** 2).sum()) / max(freedom, 1.0))


def _least_press(centred: np.ndarray, left: np.ndarray, singular: np.ndarray, projection: np.ndarray) -> float:
    """Ridge penalty with the least leave-one-out squared error, each in closed form: Σ (rᵢ / (1 − hᵢᵢ))²."""
    grid = singular.max() ** 2 * np.logspace(-8, 4, 61)
    square = left**2
    press = []
    for penalty in grid:
        shrink = singular**2 / (singular**2 + penalty)
        leverage = 1 / centred.size + square @ shrink
        press.append((((centred - left @ (shrink * projection)) / np.maximum(1 - leverage, 1e-9)) ** 2).sum())
    return float(grid[int(np.argmin(press))])


# --- figures from expected values ------------------------------------------------------------------------------------


def estimate(values: np.ndarray) -> Estimate:
    """Mean of (n,) draws and its Monte Carlo standard error (nan for a single draw)."""
    mcse = values.std(ddof=1) / np.sqrt(values.size) if values.size > 1 else np.nan
    return Estimate(float(values.mean()), float(mcse))


def summary(values: np.ndarray) -> Summary:
    """Mean, its Monte Carlo standard error, median and 90 % interval of (n,) draws."""
    p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    return Summary(*estimate(values), float(p05), float(p50), float(p95))


def p_better(delta: np.ndarray) -> Estimate:
    """Share of draws (n,) in which the difference is positive; a tie counts one half."""
    return estimate(np.heaviside(delta, 0.5))


def p_best(values: np.ndarray) -> np.ndarray:
    """Share of draws (n, s) in which each option is the best (s,); options that tie share the draw. Sums to 1."""
    winners = values == values.max(axis=1, keepdims=True)
    return (winners / winners.sum(axis=1, keepdims=True)).mean(axis=0)


def _losses(values: np.ndarray) -> np.ndarray:
    return values.max(axis=1, keepdims=True) - values


def expected_loss(values: np.ndarray) -> np.ndarray:
    """Mean regret of each option (s,): best of the draw − the option, from values (n, s)."""
    return _losses(values).mean(axis=0)


def evpi(values: np.ndarray) -> InformationValue:
    """Mean of max − max of mean of expected values (n, s), that is the least expected loss.

    Refused (None) below three of its Monte Carlo standard errors. Exactly 0 when one option is best in every draw.
    """
    losses = _losses(values)
    best = int(losses.mean(axis=0).argmin())
    least, mcse = estimate(losses[:, best])
    # Without spread the loss is the same in every draw: 0, or the standard error of a single draw is unknown.
    return InformationValue(None if np.isnan(mcse) or least < 3 * mcse else least, least, mcse, best)
