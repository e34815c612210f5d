"""Whether customers order at regular intervals, told from the middle one of three orders in a row.

Of three orders of a customer who buys by a Poisson process, at whatever rate and whether or not the customer left
later, the middle one falls evenly between the other two. With gaps Gamma(k) its place in between is Beta(k, k), of
variance 1 / (4 (2k + 1)) (Wheat and Morrison 1990, "Estimating purchase regularity with two interpurchase times",
Journal of Marketing Research 27(1), 87-93). Days are whole: with at most one order a day, and chances that are equal on
all days, the middle one falls on each of the days between with equal chance. The same holds of weeks, and there neither
rounded dates nor habits of the weekday look like regularity.

Not modelled: rates that move between the three orders, which make gaps look less regular.
"""

from typing import NamedTuple

import numpy as np

from clvsim.data.days import Days
from clvsim.types import RENEWAL_DAYS

_WEEK = 7
_ROUNDED = 0.5  # share of gaps that are whole weeks; by chance a seventh
_SURE, _REGULAR = 3.09, 1.4  # z, one in 1,000 by chance; stages
_FEW_WEEKS = 3  # median gap, in weeks, up to which weeks would merge too many orders


_DUE = {"month": (27, 32), "quarter": (88, 94), "year": (363, 368)}  # days between due days, a day early or late
_MOST = 0.7  # of the gaps
_A_PLAN = 0.05  # of the customers, who have a gap of that length


_RUNS = {"month": 11, "quarter": 5, "year": 4}  # gaps in a row
_FEW_RUNS, _ON_DAY, _KEEP = 20, 5, 0.75  # days off that many gaps on; share of runs


class Due(NamedTuple):
    """What falls due by the calendar: every `renewal`, or `plan` where customers differ in it, as `share` of the gaps
    say. `holders`: how many customers have a gap of each length that is common."""

    renewal: str
    share: float
    holders: tuple[tuple[str, int], ...] = ()

    @property
    def in_words(self) -> str:
        several = " or ".join(f"a {renewal} ({number:,} customers)" for renewal, number in self.holders)
        length = several if self.renewal == "plan" else f"a {self.renewal}"
        return f"{self.share:.0%} of the gaps are {length}"


class Regularity(NamedTuple):
    """How regular gaps are. `k`: stages of a gap, 1 being chance; `z` of a test of k = 1, normal where k is 1, above 0
    where gaps are too regular. `rounded`: share of the gaps that are whole weeks, and whether that is most of them."""

    k: float
    z: float
    whole_weeks: float

    @property
    def sure(self) -> bool:
        """Whether gaps are regular, clearly and by more than a model would notice."""
        return self.z > _SURE and self.k > _REGULAR

    @property
    def rounded(self) -> bool:
        """Whether dates seem to be rounded to weeks."""
        return self.whole_weeks > _ROUNDED


def due_days(days: Days) -> Due | None:
    """The period of the calendar that most gaps are, as between payments of contracts; None where they are none."""
    same = np.diff(days.customer) == 0
    gaps, customer = np.diff(days.day)[same], days.customer[1:][same]
    if not gaps.size:
        return None
    of = {renewal: (gaps >= least) & (gaps <= most) for renewal, (least, most) in _DUE.items()}
    share = float(sum(due.mean() for due in of.values()))
    if share <= _MOST:
        return None
    if not _keeps_days(of, gaps, customer):
        return None
    holders = {renewal: np.unique(customer[due]).size for renewal, due in of.items()}
    several = [renewal for renewal, number in holders.items() if number >= _A_PLAN * np.unique(customer).size]
    renewal = "plan" if len(several) > 1 else max(holders, key=holders.__getitem__)
    return Due(renewal, share, tuple((name, holders[name]) for name in several))


def _keeps_days(of: dict[str, np.ndarray], gaps: np.ndarray, customer: np.ndarray) -> bool:
    """Whether payments come back to their day after many gaps, as what falls due does: where each gap starts at the
    payment before, as of a package that is used up, days drift away. Also where no customer has that many gaps."""
    off: list[np.ndarray] = []
    for renewal, length in _RUNS.items():
        if gaps.size < length:
            continue
        due = np.convolve(of[renewal], np.ones(length, np.int64), "valid") == length
        one = customer[length - 1 :] == customer[: gaps.size - length + 1]
        span = np.convolve(gaps, np.ones(length, np.int64), "valid")
        off.append(np.abs(span[due & one] - length * RENEWAL_DAYS[renewal]))
    runs = np.concatenate(off) if off else np.zeros(0)
    return runs.size < _FEW_RUNS or bool((runs <= _ON_DAY).mean() > _KEEP)


def regularity(days: Days) -> Regularity | None:
    """Regularity of all customers together; None where no customer has three orders apart enough to tell."""
    gaps = np.diff(days.day)[np.diff(days.customer) == 0]
    if not gaps.size:
        return None
    whole_weeks = float((gaps % _WEEK == 0).mean())
    rounded = whole_weeks > _ROUNDED
    by_weeks = rounded or np.median(gaps) >= _WEEK * _FEW_WEEKS
    tested = _evenness(days, _WEEK if by_weeks else 1)
    measured = tested if rounded or not by_weeks else _evenness(days, 1)
    if min(tested.size, measured.size) < 2 or not tested.std():
        return None
    z = (1.0 - tested.mean()) / (tested.std() / np.sqrt(tested.size))
    k = (3.0 / max(float(measured.mean()), 1e-3) - 1.0) / 2.0
    return Regularity(k, float(z), whole_weeks)


def _evenness(days: Days, unit: int) -> np.ndarray:
    """Of each two gaps in a row the squared distance of their middle order from the middle, over what is expected of
    k = 1; (pair,), no gap in two pairs. Gaps are counted in units of so many days, at least three of them together."""
    customer, time = days.customer, days.day // unit
    differs = (np.diff(customer) != 0) | (np.diff(time) != 0)
    keep = np.concatenate([[True], differs])
    customer, time = customer[keep], time[keep]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(customer) != 0]))
    number = np.arange(customer.size) - np.repeat(starts, np.diff(np.append(starts, customer.size)))
    last = np.flatnonzero((number >= 2) & (number % 2 == 0))
    one, two = time[last - 1] - time[last - 2], time[last] - time[last - 1]
    apart = (one + two).astype(np.float64)
    wide = apart >= 3
    one, two, apart = one[wide], two[wide], apart[wide]
    return ((one - two) / 2.0) ** 2 / (apart * (apart - 2) / 12)
