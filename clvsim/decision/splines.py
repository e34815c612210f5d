"""Smooth functions of a few uncertain numbers: additive natural cubic splines.

NumPy only. Axis 0 is the draw.
"""

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.05, 0.275, 0.5, 0.725, 0.95)  # of the draws: five knots, four columns (Harrell 2015, table 2.3)


@dataclass(frozen=True)
class Splines:
    """Knots of each column of a block; a column with fewer than three enters as it is, one that does not vary not."""

    knots: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, block: np.ndarray) -> "Splines":
        """Knots at quantiles of the block's columns (n, k), or (n,) of one.

        Raises ValueError where the block is not finite.
        """
        block = as_columns(block)
        return cls(tuple(_knots(column) for column in block.T))

    def columns(self, block: np.ndarray) -> np.ndarray:
        """Columns of the regression (m, p) at other values (m, k) of the block; the intercept is not among them.

        Natural cubic splines by truncated powers (Hastie, Tibshirani and Friedman 2009, "The Elements of Statistical
        Learning", equations 5.4 and 5.5): straight beyond the outer knots. No products of two columns: what depends on
        them together is followed as far as a sum of functions goes.
        """
        block = as_columns(block)
        parts = [_natural(column, knots) for column, knots in zip(block.T, self.knots, strict=True)]
        return np.column_stack([np.empty((block.shape[0], 0)), *parts])


def as_columns(block: np.ndarray) -> np.ndarray:
    """The block as (n, k). Raises ValueError where it has another shape or is not finite."""
    block = np.asarray(block, dtype=np.float64)
    block = block[:, None] if block.ndim == 1 else block
    if block.ndim != 2 or not np.isfinite(block).all():
        raise ValueError(f"a block must be finite with shape (draws, columns), got {block.shape}")
    return block


def _knots(column: np.ndarray) -> np.ndarray:
    ends = np.array([column.min(), column.max()])
    if ends[1] - ends[0] <= 1e-12 * np.abs(ends).max():
        return np.empty(0)
    knots = np.unique(np.quantile(column, QUANTILES))
    return knots if knots.size > 2 else ends


def _natural(x: np.ndarray, knots: np.ndarray) -> np.ndarray:
    if knots.size == 0:
        return np.empty((x.size, 0))
    x, knots = (x - knots[0]) / (knots[-1] - knots[0]), (knots - knots[0]) / (knots[-1] - knots[0])
    if knots.size == 2:
        return x[:, None]
    cubes = np.maximum(x[:, None] - knots, 0) ** 3
    slopes = (cubes[:, :-1] - cubes[:, -1:]) / (knots[-1] - knots[:-1])
    return np.column_stack([x, slopes[:, :-1] - slopes[:, -1:]])
