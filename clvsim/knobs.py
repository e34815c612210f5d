"""What the page's knobs compute with: plan values as sums of prices times sizes, per draw, as small integers."""

import re
from typing import NamedTuple

import numpy as np

STEPS = 32_767  # of an int16, to either side of 0
POINTS = 21  # of the curve of an effect
MOST_BYTES = 400_000  # of all numbers, as text on a page
KEY = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")  # of what a command may name
LEVELS = ("plan_value", "rlv_per_customer", "pav_per_newcomer", "visitor_value")


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
        if not names:
            empty = np.zeros(sizes.shape[:2])
            return cls(names, empty, empty, np.zeros(sizes.shape, np.int16))
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

    @property
    def draws(self) -> int:
        return self.levels.steps.shape[2]

    @property
    def size(self) -> float:
        """Bytes of all numbers as text: base64 of two bytes each."""
        stored = sum(int((lines.scale > 0).sum()) for lines in (self.levels, self.deltas, self.effects.given))
        return 8 / 3 * self.draws * stored

    def problem(self) -> str:
        """What no run writes, in words; "" where all hangs together."""
        effects = self.effects
        together = (self.levels, self.deltas, effects.given)
        rules = {
            "it has no levels": not self.levels.names or self.draws < 1 or not set(self.levels.names) <= set(LEVELS),
            "two rows have one name": any(len(set(one.names)) < len(one.names) for one in together[:2]),
            "prices without a value": len(self.keys) != self.values.size or len(set(self.keys)) < len(self.keys),
            "a key that is none": not all(KEY.fullmatch(key) for key in (*self.keys, *effects.given.names)),
            "a price that is not there": any(not 0 <= n < len(self.keys) for term in self.terms for n in term),
            "a first size with a price": not self.terms or self.terms[0] != (),
            "rows of another number of draws": any(one.steps.shape[2] != self.draws for one in together if one.names),
            "scales below 0": any((one.scale < 0).any() for one in together),
            "numbers beyond all bounds": any(
                (np.abs(a) > 1e15).any()
                for a in (self.values, *effects[1:4], *(part for one in together for part in one[1:3]))
            ),
            "an effect of no lever": not set(effects.scenarios) <= set(self.deltas.names),
            "effects without a curve": any(
                a.shape != (len(effects.given.names), POINTS) for a in (effects.at, effects.mean, effects.mcse)
            )
            or len(effects.scenarios) != len(effects.given.names),
            "a curve that goes back": bool((np.diff(effects.at, axis=1) <= 0).any()),
            "more than a page may hold": self.size > MOST_BYTES,
        }
        return next((rule for rule, broken in rules.items() if broken), "")
