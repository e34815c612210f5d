"""Weighted ridge regression whose columns are multiplied by a scale of each draw: y_d = L_d (β₀ + β'z_d) + noise.

Axis 0 is the draw. The noise of a sum over people grows with how much they are worth, so its variance is taken to be
proportional to L_d: weights are 1/L_d, that is least squares on y/√L with columns √L and √L·z. Residuals then sum to 0,
so the mean of y stays as simulated. The penalty minimises the leave-one-out error Σ (r_d / (1 − h_d))² (PRESS; Allen
1974, "The relationship between variable selection and data augmentation and a method for prediction", Technometrics
16(1)) on a grid that ends in infinity, where nothing but β₀ is left. β₀ is not penalised.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

PENALTIES = np.append(np.logspace(-8, 4, 37), np.inf)  # times the largest squared singular value
_LARGEST_LEVERAGE = 0.99
_SOUGHT = slice(None, None, -3)  # penalties among which a bootstrap looks, infinity first


def features(inputs: np.ndarray, effects: np.ndarray, ratios: np.ndarray | None = None) -> np.ndarray:
    """Columns of the regression (n, p), standardised; the intercept is not among them.

    Args:
        inputs: (n, k) every uncertain number of the draw.
        effects: (k,) True for inputs that are effects of interventions.
        ratios: (n, r) other sizes over the scale: as columns that are multiplied by it, they let a figure be a share of
            those sizes instead.

    Logs of inputs that are positive in every draw, others as they are; squares of effects; each effect times every
    other column. What does not vary is dropped.
    """
    effects = np.asarray(effects, dtype=bool)
    columns = logs_where_positive(inputs)
    if ratios is not None:
        columns, effects = np.column_stack([columns, ratios]), np.append(effects, np.zeros(ratios.shape[1], bool))
    linear, varies = _standardise(columns)
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


def logs_where_positive(columns: np.ndarray) -> np.ndarray:
    """A copy of the columns (n, k) with logs of those that are positive in every draw."""
    out = np.array(columns, dtype=np.float64)
    positive = (out > 0).all(axis=0)
    out[:, positive] = np.log(out[:, positive])
    return out


def _standardise(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns that vary, with mean 0 and variance 1, and their mask."""
    mean, sd = columns.mean(axis=0), columns.std(axis=0)
    varies = sd > 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
    return (columns[:, varies] - mean[varies]) / sd[varies], varies


class Fit(NamedTuple):
    """A fitted regression.

    `values` (n,) for every draw, also those that were left out; `noise` (m,) of the draws that were used: residuals in
    units of the figure, each over √(1 − leverage), so that their squares have the noise's mean; `shrink` (rank,) of
    each direction; `variance`: of the noise where L = 1.
    """

    values: np.ndarray
    noise: np.ndarray
    shrink: np.ndarray
    variance: float


class Coefficients(NamedTuple):
    """Of regressions on one basis: `level` (b,), the mean of y where L is 1, and `along` (b, rank) each direction."""

    level: np.ndarray
    along: np.ndarray


@dataclass(frozen=True)
class Basis:
    """Orthonormal form of the regression's columns, shared by all figures of a scenario with one scale.

    Made by `Basis.make`; n draws, of which m are used.
    """

    scale: np.ndarray  # (n,) L, mean 1 over the draws that are used
    rows: np.ndarray  # (m,) indices of the draws that are used
    columns: np.ndarray  # (n, p), centred so that Σ L z = 0 over the draws that are used
    root: np.ndarray  # (m,) √L
    left: np.ndarray  # (m, rank)
    singular: np.ndarray  # (rank,)
    right: np.ndarray  # (p, rank)

    @classmethod
    def make(cls, columns: np.ndarray, scale: np.ndarray | None = None, rows: np.ndarray | None = None) -> "Basis":
        """From columns (n, p), the scale (n,), 1 by default, and which draws to use (n,), by default all.

        Raises ValueError unless the scale is finite and positive in the draws that are used.
        """
        n = columns.shape[0]
        used = np.arange(n) if rows is None else np.flatnonzero(rows)
        scale = np.ones(n) if scale is None else np.asarray(scale, dtype=np.float64)
        if scale.shape != (n,) or not (np.isfinite(scale[used]).all() and (scale[used] > 0).all()):
            raise ValueError(f"the scale must be positive and finite with shape {(n,)}, got {scale.shape}")
        scale = scale / (scale[used].mean() if used.size else 1.0)
        weights = scale[used] / max(scale[used].sum(), np.finfo(np.float64).tiny)
        centred = columns - weights @ columns[used]
        spread = np.sqrt(weights @ centred[used] ** 2)
        centred = centred[:, spread > 1e-9] / spread[spread > 1e-9]
        root = np.sqrt(scale[used])
        left, singular, right = np.linalg.svd(root[:, None] * centred[used], full_matrices=False)
        independent = singular > 1e-10 * singular.max(initial=0.0)  # collinear columns count once
        return cls(scale, used, centred, root, left[:, independent], singular[independent], right[independent].T)

    @cached_property
    def shrinks(self) -> np.ndarray:
        """What is left of each direction under each penalty, (penalties, rank)."""
        square = self.singular**2
        with np.errstate(invalid="ignore"):
            return square / (square + PENALTIES[:, None] * square.max(initial=1e-300))

    @cached_property
    def leverages(self) -> np.ndarray:
        """Leverage of each draw under each penalty, (penalties, m)."""
        return self.root**2 / (self.root**2).sum() + self.shrinks @ (self.left**2).T

    @cached_property
    def _press_terms(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For Σ w (y − fitted)² with w = 1/(1 − h)² as a form in y and the slopes, under each of the penalties sought:
        w (sought, m); w times the directions (m, sought × rank), and these times the directions (sought, rank, rank).
        """
        weights = 1 / np.square(np.maximum(1 - self.leverages[_SOUGHT], 1e-9))
        weighed = weights[:, :, None] * self.left  # (sought, m, rank)
        products = np.matmul(self.left.T, weighed)
        return weights, weighed.transpose(1, 0, 2).reshape(self.root.size, -1), products

    def fit(self, figure: np.ndarray) -> Fit:
        """Regress a figure (n,); values of draws that are not used are not looked at."""
        y = np.asarray(figure, dtype=np.float64)[self.rows] / self.root
        intercept = float(self.root @ y / (self.root @ self.root))
        centred = y - intercept * self.root
        projection = self.left.T @ centred
        fitted = (self.shrinks * projection) @ self.left.T  # (penalties, m)
        errors = (centred - fitted) / np.maximum(1 - self.leverages, 1e-9)
        best = len(PENALTIES) - 1 - int((errors**2).sum(axis=1)[::-1].argmin())  # of equal ones the largest penalty
        shrink, residuals = self.shrinks[best], centred - fitted[best]
        slopes = self.right @ (shrink * projection / self.singular)
        freedom = max(y.size - 1 - float(shrink.sum()), 1.0)
        leverage = np.minimum(self.leverages[best], _LARGEST_LEVERAGE)
        return Fit(
            values=self.scale * (intercept + self.columns @ slopes),
            noise=residuals * self.root / np.sqrt(1 - leverage),
            shrink=shrink,
            variance=float((residuals**2).sum()) / freedom,
        )

    def smooth(self, figures: np.ndarray, shrink: np.ndarray) -> np.ndarray:
        """Fitted values (f, n) of figures (f, n) under the penalty that another figure got (`Fit.shrink`): it is linear
        in the figures, and of that other figure the values are those of its fit.
        """
        y = figures[:, self.rows] / self.root
        intercept = y @ self.root / (self.root @ self.root)
        projection = (y - np.outer(intercept, self.root)) @ self.left
        slopes = (shrink * projection / self.singular) @ self.right.T
        return self.scale * (intercept[:, None] + slopes @ self.columns.T)

    def refit(self, fit: Fit, noise: np.ndarray) -> Coefficients:
        """Of the fitted values with `noise` (b, m) added, each row with a penalty of its own.

        The penalty is sought on every third point of the grid, of equal ones the largest.
        """
        scaled = noise / self.root
        added = scaled @ self.root / (self.root @ self.root)
        y = scaled - np.outer(added, self.root)
        kept = self.coefficients(fit.values[None, self.rows])
        y += kept.along @ self.left.T
        projection = y @ self.left
        weights, weighed, products = self._press_terms
        along = self.shrinks[_SOUGHT] * projection[:, None]  # (b, sought, rank)
        cross = np.einsum("bpr,bpr->bp", along, (y @ weighed).reshape(along.shape))
        squares = np.einsum("bpr,prq,bpq->bp", along, products, along, optimize=True)
        press = np.square(y) @ weights.T - 2 * cross + squares
        return Coefficients(added + kept.level, along[np.arange(len(along)), press.argmin(axis=1)])

    def coefficients(self, fitted: np.ndarray) -> Coefficients:
        """Of fitted values (b, m), which lie in the span of the columns."""
        return Coefficients(fitted.sum(axis=1) / self.scale[self.rows].sum(), (fitted / self.root) @ self.left)

    def values(self, coefficients: Coefficients, rows: np.ndarray) -> np.ndarray:
        """Fitted values (b, rows) at some of the n draws."""
        slopes = (coefficients.along / self.singular) @ self.right.T
        return (coefficients.level[:, None] + slopes @ self.columns[rows].T) * self.scale[rows]
