"""What a log says about itself before anything is fitted: where it begins, whether it breaks, how regular gaps are.

Read off the days of orders up to today, without a model. Error rates and power: docs/logs.md.
"""

from datetime import timedelta
from typing import NamedTuple

import numpy as np

from clvsim.data.days import Days, silences
from clvsim.data.log import LogHead
from clvsim.data.regularity import Due, Regularity, due_days, regularity
from clvsim.data.yearly import Season, season_of
from clvsim.types import QualityLine

_BLOCK = 28  # days in which first orders are counted
_LATER = (84, 252)  # days of the log with which its start is compared
_FEWEST = 20  # customers, or orders, on either side of a comparison
_PILED_UP = 2.0  # times as many first orders at the start, at the lower end of their ratio's interval
_SURE = 2.326  # one in 100, one-sided
_SETTLED = 1.25
_SLOWLY, _BENT = 365, 3.0  # days of a log that may fall slowly, and standard errors by which it falls less later on
_STILL_COMING = 0.25  # share of first orders in the second half of the later days
_FEWEST_KNOWN = 40  # orders of known customers before a break
_ALMOST_NONE = 0.2


class Signs(NamedTuple):
    """What days of orders say of models: how regular gaps are, and whether months of the year differ, None where there
    are too few orders to tell; and what falls due by the calendar, if anything does."""

    regularity: Regularity | None
    season: Season | None
    due: Due | None = None


def signs_of(log: LogHead, days: Days) -> Signs:
    """Regularity, season and due days of a log's orders up to today."""
    return Signs(regularity(days), season_of(days, log.first_date), due_days(days))


def interrupted(days: Days) -> bool:
    """Whether orders break off or fall silent, which looks like drift or season to a path of months."""
    return bool(silences(days)) or break_day(days) is not None


def remarks(log: LogHead, days: Days, *, paired: bool = True) -> list[QualityLine]:
    """Warnings about silences in a log, about one that begins in mid-life, and about one that breaks; not the last
    where `days` does not say whose repeat orders are (`paired`)."""
    lines = [
        QualityLine(
            "silence",
            "The log is silent",
            f"from {log.first_date + timedelta(days=start)} to {log.first_date + timedelta(days=end - 1)}",
            "nobody ordered where as many days before and after brought many orders: if rows are missing, add them; "
            "the models take it for a bad month",
            "warning",
        )
        for start, end in silences(days)
    ]
    if (broken := break_day(days) if paired else None) is not None:
        first_after = log.first_date + timedelta(days=broken + 1)
        lines.append(
            QualityLine(
                "break",
                "The log breaks",
                f"after {log.first_date + timedelta(days=broken)}",
                "customers known by then almost stop, while new ones go on: were ids renewed? Join old and new ids, or "
                f"keep what came after by data.customers_since={first_after}",
                "warning",
                (f"data.customers_since={first_after}",),
                f"ids were renewed ({_remaining(days, broken + 1)})",
            )
        )
    elif (start := mid_life(days)) is not None:
        since = f"data.customers_since={log.first_date + timedelta(days=start.settled)}"
        lines.append(
            QualityLine(
                "mid_life",
                "First orders pile up at the log's start",
                f"{start.ratio:.1f} times as many first orders a day in its first {_BLOCK} days as {start.than}",
                "if the shop is older than its log, these are old customers who count as new: "
                f"{since} leaves out those first seen before that day. If fewer new ones come than at first, leave it",
                "warning",
                (since,),
                f"the shop is older than its log ({_remaining(days, start.settled)})",
            )
        )
    return lines


def _remaining(days: Days, since: int) -> str:
    """How many customers stay where those first seen before a day are left out."""
    first = days.day[days.day == days.first]
    return f"{np.count_nonzero(first >= since):,} of {first.size:,} customers stay"


class MidLife(NamedTuple):
    """A start in mid-life.

    `ratio` of first orders a day in the first block to those of later, of when `than` says. `settled`: day from which
    first orders have come down.
    """

    ratio: float
    settled: int
    than: str = "some months later"


def mid_life(days: Days) -> MidLife | None:
    """Whether first orders pile up at the start of the log, as they do where old customers are first seen.

    Twice as many a day in the first block as some months later, at the lower end of a 98 % interval, and a quarter more
    in the second: old customers come when their next order falls due, and a good first month is not yet an older shop.
    Some months later new ones must still come: a closed cohort is none either. Customers who order seldom are first
    seen over many months: see `_slowly`.
    """
    first = days.day[days.day == days.first]
    return _at_once(first, days.length) or _slowly(first, days.length)


def _at_once(first: np.ndarray, length: int) -> MidLife | None:
    start, end = _LATER[0], min(_LATER[1], length + 1)
    later = int(((first >= start) & (first < end)).sum())
    blocks = np.bincount(first[first < 2 * _BLOCK] // _BLOCK, minlength=2)
    if end - start < 2 * _BLOCK or min(blocks[0], later) < _FEWEST:
        return None
    middle = (start + end) // 2
    if ((first >= middle) & (first < end)).sum() < _STILL_COMING * later:
        return None
    ratios = blocks / _BLOCK * (end - start) / later
    least = ratios * np.exp(-_SURE * np.sqrt(1 / np.maximum(blocks, 1) + 1 / later))
    if least[0] < _PILED_UP or least[1] < _SETTLED:
        return None
    return MidLife(float(ratios[0]), _settled(first, length))


def _slowly(first: np.ndarray, length: int) -> MidLife | None:
    """The same of first orders that come down over months and then stay: against the second half of a log of a year.

    The first three blocks lie above it, each at the lower end of its ratio's interval. From the first quarter to the
    second they fall, and by more than from the third to the fourth, beyond chance: where new ones become fewer at one
    rate they fall alike.
    """
    if length < _SLOWLY:
        return None
    edges = np.array([0, length // 4, length // 2, 3 * length // 4, length + 1])
    quarters = np.histogram(first, edges)[0]
    blocks = np.bincount(first[first < 3 * _BLOCK] // _BLOCK, minlength=3)
    if min(blocks.min(), quarters[1:].min()) < _FEWEST:
        return None
    later = quarters[2] + quarters[3]
    ratios = blocks / _BLOCK * (edges[4] - edges[2]) / later
    least = ratios * np.exp(-_SURE * np.sqrt(1 / blocks + 1 / later))
    falls = -np.diff(np.log(quarters / np.diff(edges)))
    bent = falls[0] - falls[2] > _BENT * np.sqrt((1 / quarters).sum())
    if least[0] < _PILED_UP or least[1:].min() < _SETTLED or not bent or falls[2] > np.log(_SETTLED):
        return None
    return MidLife(float(ratios[0]), _settled(first, length), "in its second half")


def _settled(first: np.ndarray, length: int) -> int:
    """The first day, in steps of a block, from which first orders come hardly faster than in what follows; at most half
    of the log."""
    for start in range(_BLOCK, length // 2, _BLOCK):
        middle = (start + length) // 2
        soon, then = ((first >= start) & (first < middle)).sum(), (first >= middle).sum()
        if soon * (length + 1 - middle) <= _SETTLED * then * (middle - start):
            return start
    return length // 2


def break_day(days: Days) -> int | None:
    """The last day before known customers almost stop, for good, while new ones go on; None where they do not.

    With w twice the median gap, at least four weeks: orders of customers known at day d, within w after it, are less
    than a fifth of those before it (of customers known at d - w); they stay so until today; they did not fall before d;
    and first orders after d are at least half of those before. Orders of known customers that halve within w pass for a
    break, from 40 orders on, less than once in 500 logs; steadier ones hardly ever.
    """
    again = days.day > days.first
    if not again.any():
        return None
    gaps = np.diff(days.day)[np.diff(days.customer) == 0]
    w = max(_BLOCK, 2 * int(np.median(gaps)))
    last = days.length
    if last < 2 * w:
        return None
    first, day = days.first[again], days.day[again]
    after = _running(np.maximum(first, day - w), day, last)
    ever_after = _running(first, day, last)
    late_half = _running(np.maximum(first + w, day), day + w // 2, last)
    news = np.concatenate([[0], np.cumsum(np.bincount(days.day[~again], minlength=last + 1))])
    d = np.arange(w, last - w + 1)
    before = after[d - w]
    new_before, new_after = news[d + 1] - news[d + 1 - w], news[d + 1 + w] - news[d + 1]
    broken = (
        (before >= _FEWEST_KNOWN)
        & (after[d] <= _ALMOST_NONE * before)
        & (ever_after[d] <= _ALMOST_NONE * before * (last - d) / w)
        & (late_half[d] >= before / 3)
        & (new_after >= np.maximum(new_before / 2, _FEWEST))
    )
    return int(d[broken][np.argmin(ever_after[d[broken]])]) if broken.any() else None


def _running(start: np.ndarray, end: np.ndarray, last: int) -> np.ndarray:
    """On each day 0 to `last` the number of intervals [start, end) that it lies in."""
    some = (start < end) & (start <= last)
    change = np.bincount(start[some], minlength=last + 2)[: last + 2].astype(np.int64)
    change -= np.bincount(np.minimum(end[some], last + 1), minlength=last + 2)
    return np.cumsum(change)[: last + 1]
