"""A scenario's frequency cap: what it leaves of contact programmes, and what these take of it before campaigns."""

import numpy as np

from clvsim.interventions.cadence import FrequencyCap
from clvsim.types import DAYS_PER_WEEK

ROUNDING = 1e-9  # relative; a programme at the pace of the cap is within it


def thinned(weekly: np.ndarray, cap: FrequencyCap | None) -> np.ndarray:
    """Contacts of all programmes that reach a group, (programmes, weeks), each with the same share of what is allowed.

    Programmes send evenly, so that a pace of contacts / days is within the cap wherever its window begins.
    """
    if cap is None:
        return weekly
    allowed, total = cap.contacts * DAYS_PER_WEEK / cap.days, weekly.sum(axis=0)
    too_many = total > allowed * (1.0 + ROUNDING)
    return weekly * np.divide(allowed, total, out=np.ones_like(total), where=too_many)


def planned(weekly: np.ndarray, days: float) -> np.ndarray:
    """Most contacts of programmes in any `days` days that share a moment with a week, (weeks,), of `weekly` (weeks,).

    Contacts in a window are piecewise linear in its first day, so that the most of them is at a corner.
    """
    ends = DAYS_PER_WEEK * np.arange(weekly.size + 1.0)
    sent = np.concatenate([[0.0], np.cumsum(weekly)])
    first = np.unique(np.concatenate([ends, ends - days]))
    within = np.interp(first + days, ends, sent) - np.interp(first, ends, sent)
    low, high = np.searchsorted(first, ends[:-1] - days), np.searchsorted(first, ends[1:], side="right")
    return np.array([within[a:b].max() for a, b in zip(low, high, strict=True)])
