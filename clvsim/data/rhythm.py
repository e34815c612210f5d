"""The calendar's period that most of a customer's gaps are nearest to, and gaps that are breaks of it.

Nearest in logarithms; a half-year is near to none, nor is the time from a free trial to the first payment.
"""

from typing import NamedTuple

import numpy as np


class Gaps(NamedTuple):
    """Days of the gaps that are nearest to a period, and from how many days on a gap is a break of it."""

    least: int
    most: int | None
    broken: int


GAPS = {  # of equals the first
    "month": Gaps(15, 52, 47),
    "year": Gaps(258, None, 549),
    "quarter": Gaps(53, 136, 138),
    "week": Gaps(4, 14, 11),
}
_BASE = 2**14  # more gaps of four days than in 179 years
# Digits of numbers below 2**53: the longest gaps, which are the fewest, have the highest place.
_DIGIT = {name: _BASE**place for place, name in enumerate(sorted(GAPS, key=lambda name: GAPS[name].least))}
_ENDS = [gaps.most + 1 for gaps in GAPS.values() if gaps.most]
_CLASSES = np.unique([0, *(edge for gaps in GAPS.values() for edge in (gaps.least, gaps.broken)), *_ENDS])


def rhythms_of(near: np.ndarray, broken: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each customer the period, "" where no gap is near one, and how many gaps are breaks of it, int64.

    Of counts by period in the order of `GAPS`, (period, customer).
    """
    best = near.argmax(axis=0)
    some = near.max(axis=0) > 0
    breaks = np.take_along_axis(broken, best[None], axis=0)[0]
    return np.where(some, np.array(list(GAPS), dtype=object)[best], ""), np.where(some, breaks, 0).astype(np.int64)


def packed(near: str, broken: str) -> tuple[str, str]:
    """SQL of the periods that a gap is near, and of those it is a break of, as digits of one number each.

    A database adds two numbers sooner than eight. `near` and `broken` are SQL: the days of the gap, NULL where it does
    not count.
    """
    of = {n: f"BETWEEN {g.least} AND {g.most}" if g.most else f">= {g.least}" for n, g in GAPS.items()}
    nearest = " ".join(f"WHEN {near} {of[name]} THEN {_DIGIT[name]}" for name in GAPS)
    longest = sorted((gaps.broken for gaps in GAPS.values()), reverse=True)
    less = {days: sum(_DIGIT[name] for name, gaps in GAPS.items() if gaps.broken <= days) for days in longest}
    longer = " ".join(f"WHEN {broken} >= {days} THEN {less[days]}" for days in longest)
    return f"CASE {nearest} ELSE 0 END", f"CASE {longer} ELSE 0 END"


def unpacked(numbers: np.ndarray) -> np.ndarray:
    """Counts by period, (period, customer) int64, of sums of what `packed` says, (customer,)."""
    return np.stack([numbers.astype(np.int64) // _DIGIT[name] % _BASE for name in GAPS])


def counts_of(customer: np.ndarray, gap: np.ndarray, alike: np.ndarray, customers: int) -> tuple[np.ndarray, ...]:
    """How many gaps are near each period, of those that are `alike`, and how many are breaks, (period, customer).

    `customer` counts from 0, `gap` is in days, each (gap,).
    """
    lengths = np.arange(gap.max(initial=0) + 1)
    kinds = _CLASSES.size
    cell = customer * kinds + (np.searchsorted(_CLASSES, lengths, "right") - 1)[gap]
    every, same = (
        np.bincount(some, minlength=customers * kinds).reshape(customers, kinds) for some in (cell, cell[alike])
    )
    from_, to = _CLASSES, np.append(_CLASSES[1:] - 1, np.iinfo(np.int64).max)
    near = [same[:, (from_ >= g.least) & (to <= (g.most or to[-1]))].sum(axis=1) for g in GAPS.values()]
    return np.stack(near), np.stack([every[:, from_ >= g.broken].sum(axis=1) for g in GAPS.values()])
