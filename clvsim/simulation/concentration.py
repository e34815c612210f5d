"""How revenue is spread over today's customers in each world: shares of the largest, and the Gini coefficient.

Single customers are forgotten block by block: of each world it is only kept how many brought about how much, and what
they brought together (a histogram whose classes are at most a sixteenth wide). Memory is worlds × classes, whatever
the number of customers. Sums are of integers, so neither blocks nor threads nor the order of rows change a bit.
"""

from dataclasses import dataclass

import numpy as np

from clvsim.kernels.structs import COUNT_UNIT

TOP = np.array([0.01, 0.05, *np.arange(1, 10) / 10])  # shares of the customers, the largest first
_PER_OCTAVE = 16  # classes between an amount and its double
_LOWEST, _OCTAVES = -10, 28  # powers of two of the money scale, a typical order: what is beyond joins the outer classes
CLASSES = _PER_OCTAVE * _OCTAVES
_CELLS_AT_ONCE = 1 << 18
MOST_WORLDS = 10_000  # more of them move a quantile by less than is printed


@dataclass(frozen=True)
class Concentration:
    """Of each of some worlds, among customers who bring revenue at all; nan where nobody does.

    `shares` of revenue of the largest `TOP` of them, the last customer counted in part.
    """

    buyers: np.ndarray  # (w,)
    gini: np.ndarray  # (w,)
    shares: np.ndarray  # (w, TOP)


class Tally:
    """Customers and their revenue by size, added up block by block."""

    def __init__(self, worlds: int) -> None:
        self.count = np.zeros((worlds, CLASSES), np.int32)
        self.units = np.zeros((worlds, CLASSES), np.int64)

    @classmethod
    def holding(cls, count: np.ndarray, units: np.ndarray) -> "Tally":
        """What was added up elsewhere."""
        tally = cls(0)
        tally.count, tally.units = count, units
        return tally

    def add(self, revenue: np.ndarray, weight: int = 1) -> None:
        """Customers of a block, (w, c) int64 in ledger units, each of whom stands for `weight`."""
        step = max(1, _CELLS_AT_ONCE // max(1, revenue.shape[1]))
        for low in range(0, revenue.shape[0], step):
            part = revenue[low : low + step]
            world, customer = np.nonzero(part)
            amounts = part[world, customer].astype(np.float64)
            place = world * CLASSES + class_of(amounts)
            cells = part.shape[0] * CLASSES
            rows = slice(low, low + part.shape[0])
            self.count[rows] += weight * np.bincount(place, minlength=cells).reshape(-1, CLASSES)
            sums = np.bincount(place, amounts, cells)  # exact: integers below 2^53
            self.units[rows] += weight * sums.astype(np.int64).reshape(-1, CLASSES)

    def concentration(self) -> Concentration:
        """Within a class customers count with its mean: of a Gini coefficient that hides some thousandths at most."""
        descending = slice(None, None, -1)
        found = [concentration_of(self.count[w, descending], self.units[w, descending]) for w in range(len(self.count))]
        buyers, gini, shares = zip(*found, strict=True)
        return Concentration(np.array(buyers), np.array(gini), np.array(shares))


def class_of(amounts: np.ndarray) -> np.ndarray:
    """Class of amounts > 0 in ledger units, ascending, (n,) int64."""
    mantissa, exponent = np.frexp(amounts / COUNT_UNIT)
    within = ((2 * mantissa - 1) * _PER_OCTAVE).astype(np.int64)
    place = (exponent - _LOWEST) * _PER_OCTAVE + within
    return np.clip(place, 0, CLASSES - 1).astype(np.int64)


def concentration_of(count: np.ndarray, revenue: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Number of customers, Gini coefficient, and shares of the largest `TOP`, of customers in classes.

    `count` of each class and what they bring together, (classes,), those who bring most first. 0, nan where nobody.
    """
    people, money = (np.append(0.0, np.cumsum(values, dtype=np.float64)) for values in (count, revenue))
    if people[-1] == 0:
        return 0.0, np.nan, np.full(TOP.size, np.nan)
    share = money / money[-1]
    area = (np.diff(people) * (share[1:] + share[:-1])).sum() / people[-1]  # twice that below the curve
    return float(people[-1]), float(area - 1), np.interp(TOP * people[-1], people, share)
