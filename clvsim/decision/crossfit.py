"""Cross-fitted regressions: what is chosen with some draws is valued with others, so that chance earns nothing.

NumPy only. Axis 0 is always the draw, the last axis the figure or option.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clvsim.decision.regression import Basis, Fit

FOLDS = 5
FEWEST_DRAWS = 50  # ten of a fold


class Side(NamedTuple):
    """A regression of each figure on a part of the draws."""

    basis: Basis
    fits: tuple[Fit, ...]

    def predictions(self, rows: np.ndarray, signs: np.ndarray | None = None) -> np.ndarray:
        """(b, rows, s): of the fits, or of fits to their values with noise of other signs (b, n) added."""
        basis = self.basis
        parts = []
        for fit in self.fits:
            if signs is not None and fit.noise.any():
                parts.append(basis.values(basis.refit(fit, signs[:, basis.rows] * fit.noise), rows))
            else:  # without noise: the baseline's, which are 0
                kept = basis.values(basis.coefficients(fit.values[None, basis.rows]), rows)
                parts.append(kept if signs is None else np.repeat(kept, len(signs), axis=0))
        return np.stack(parts, axis=-1)


@dataclass(frozen=True)
class CrossFit:
    """Regressions of figures (n, s), fold by fold: on the fold's own draws, and on all others.

    Draw d is in fold d mod 5. Rows of the regression's columns are those of the n draws, and after them n rows each for
    further points at which the same functions are wanted.
    """

    draws: int
    points: int  # after the draws' own
    own: tuple[Side, ...]
    others: tuple[Side, ...]

    @classmethod
    def make(cls, figures: np.ndarray, columns: np.ndarray, *points: np.ndarray) -> "CrossFit":
        """From figures (n, s), columns (n, p) and columns (n, p) at further points."""
        n = figures.shape[0]
        rows = np.vstack([columns, *points])
        padded = np.vstack([figures, np.zeros((rows.shape[0] - n, figures.shape[1]))])
        fold = np.where(np.arange(rows.shape[0]) < n, np.arange(rows.shape[0]) % FOLDS, -1)

        def side(used: np.ndarray) -> Side:
            basis = Basis.make(rows, rows=used)
            return Side(basis, tuple(basis.fit(figure) for figure in padded.T))

        own = tuple(side(fold == number) for number in range(FOLDS))
        others = tuple(side((fold != number) & (fold >= 0)) for number in range(FOLDS))
        return cls(n, len(points), own, others)

    def predictions(self, signs: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Each draw's figures by its own fold and by the others, both (b, 1 + points, n, s).

        b = 1, or with `signs` (b, n) of the residuals as many bootstraps.
        """
        return self._by_fold(self.own, signs), self._by_fold(self.others, signs)

    def _by_fold(self, sides: tuple[Side, ...], signs: np.ndarray | None) -> np.ndarray:
        draws, figures = 1 if signs is None else signs.shape[0], len(sides[0].fits)
        out = np.empty((draws, (1 + self.points) * self.draws, figures))
        fold = np.tile(np.arange(self.draws) % FOLDS, 1 + self.points)
        for number, side in enumerate(sides):
            rows = np.flatnonzero(fold == number)
            out[:, rows] = side.predictions(rows, signs)
        return out.reshape(draws, 1 + self.points, self.draws, figures)
