"""What the page's knobs compute with: plan values as sums of prices times sizes, per draw, as small integers."""

from typing import NamedTuple

import numpy as np

STEPS = 32_767  # of an int16, to either side of 0


class Lines(NamedTuple):
    """Sizes by row, term and draw. `scale` (row, term) times `steps` (row, term, draw) int16; where the scale is 0, all
    draws have `level` (row, term), else that is 0: so what is 0 in a draw is exactly 0."""

    names: tuple[str, ...]
    level: np.ndarray
    scale: np.ndarray
    steps: np.ndarray

    @classmethod
    def of(cls, names: tuple[str, ...], sizes: np.ndarray) -> "Lines":
        """From sizes (row, term, draw)."""
        constant = (sizes == sizes[:, :, :1]).all(axis=2)
        level = np.where(constant, sizes[:, :, 0], 0.0)
        scale = np.where(constant, 0.0, np.abs(sizes).max(axis=2) / STEPS)
        unit = np.where(scale > 0, scale, 1.0)[:, :, None]
        return cls(names, level, scale, np.where(scale[:, :, None] > 0, np.rint(sizes / unit), 0.0).astype(np.int16))

    @property
    def sizes(self) -> np.ndarray:
        """(row, term, draw)."""
        return self.level[:, :, None] + self.scale[:, :, None] * self.steps


class Effects(NamedTuple):
    """Driving numbers of levers: by row the scenario and the configuration path, values `at` (e, g) as they are typed,
    the mean difference there and its Monte Carlo error, (e, g) each, and `given` (row, one term, draw): the mean at
    each draw's own value."""

    scenarios: tuple[str, ...]
    at: np.ndarray
    mean: np.ndarray
    mcse: np.ndarray
    given: Lines  # its names are the paths


class Knobs(NamedTuple):
    """Prices `keys` with their `values` (k,) in the run. A figure of a row is the sum over `terms` (t,) of its size
    times the product of the prices that the term names by number; the first term names none.

    `levels`: of the baseline, by metric. `deltas`: expected differences of the plan's value to it, by scenario.
    """

    keys: tuple[str, ...]
    values: np.ndarray
    terms: tuple[tuple[int, ...], ...]
    levels: Lines
    deltas: Lines
    effects: Effects

    def coefficients(self, prices: np.ndarray) -> np.ndarray:
        """(t,) of prices (k,)."""
        return np.array([np.prod(prices[list(term)]) for term in self.terms])
