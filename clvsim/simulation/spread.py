"""What single customers who stand for several do under each scenario, on average over worlds: from it follows how far a
sample may be from all customers, and how much too large the luck of a sample is.

Of each customer integers are added up, so neither blocks nor threads nor ranges change a bit: of the baseline its
totals, of every other scenario the differences to it.
"""

from dataclasses import dataclass, replace

import numpy as np

from clvsim.kernels.structs import COUNT_UNIT
from clvsim.simulation.sample import Sample

VALUE, ORDERS = 0, 1  # kinds: discounted contribution in ledger units, and number of orders in the same
KINDS = 2
EVEN, ODD, SQUARES = 0, 1, 2  # sums over worlds of even and of odd draws, and of coarser squares over all worlds
STATISTICS = 3
_COARSER = 2**12  # units of a square's root
_LARGEST_SUM = 2.0**62


def empty_spread(scenarios: int, customers: int) -> np.ndarray:
    """(scenarios, kinds, statistics, c) int64."""
    return np.zeros((scenarios, KINDS, STATISTICS, customers), np.int64)


def statistics_of(
    value: np.ndarray, orders: np.ndarray, draw: np.ndarray, money_scale: float, worlds: int
) -> np.ndarray:
    """What some of all `worlds` add for each customer, (kinds, statistics, c).

    `value` and `orders` (w, c) are totals or differences, `draw` (w,) of each world.
    """
    in_units = np.stack([np.rint(value * (COUNT_UNIT / money_scale)), orders * COUNT_UNIT]).astype(np.int64)
    odd = draw % 2 == 1
    most = int(np.sqrt(_LARGEST_SUM / worlds))  # whose squares of all worlds still are a number
    coarse = np.clip((in_units + _COARSER // 2) // _COARSER, -most, most)
    sums = (in_units[:, ~odd].sum(axis=1), in_units[:, odd].sum(axis=1), (coarse * coarse).sum(axis=1))
    return np.stack(sums, axis=1)


def means_of(spread: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Means over worlds of even draws and of odd draws, in ledger units, (scenarios, kinds, 2, c)."""
    odd = int((draw % 2 == 1).sum())
    return spread[:, :, :SQUARES] / np.maximum([draw.size - odd, odd], 1)[:, None]


def variances_of(spread: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Variances over worlds in ledger units, (scenarios, kinds, c)."""
    mean = spread[:, :, :SQUARES].sum(axis=2) / draw.size
    square = spread[:, :, SQUARES] * (float(_COARSER) ** 2 / draw.size)
    return np.maximum(square - mean**2, 0.0)


@dataclass(frozen=True)
class Sampled:
    """The customers who were simulated, and what each of them did, as of this module, in their order."""

    sample: Sample
    spread: np.ndarray
    of_all: bool = False  # whether the ledgers' luck is that of all customers (`simulation.luck`)

    def add(self, more: "Sampled | None") -> "Sampled":
        """With what the same customers did in more worlds."""
        return self if more is None else replace(self, spread=self.spread + more.spread)
