"""Scores of predicted counts, and simple rules to beat.

Simulated counts are (world, customer), actual ones (customer,).
CRPS: Gneiting & Raftery 2007, JASA 102(477), equation (21); randomised PIT: Czado, Gneiting & Held 2009, Biometrics
65(4); simple rules: Wuebben & von Wangenheim 2008, Journal of Marketing 72(3).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson

from clvsim.types import CustomerSummary
from clvsim.validation.result import Score, ShareCheck
from clvsim.validation.vocabulary import ORDERS, Vocabulary

BINS = np.linspace(0, 1, 11)
_Z90 = 1.6449


def crps_of_counts(simulated: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """CRPS of the distribution that the worlds are draws from, (customer,): E|X − y| − E|X − X'|/2, without bias."""
    n = len(simulated)
    ordered = np.sort(simulated, axis=0)
    spread = (2.0 * np.arange(1, n + 1) - n - 1) @ ordered / (n * (n - 1)) if n > 1 else np.zeros(actual.shape)
    return abs(simulated - actual).mean(axis=0) - spread


def crps_of_poisson(mean: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """CRPS of a Poisson count, (customer,): Σ_k (F(k) − 1{y ≤ k})², exactly up to its far tail."""
    pairs, pair_of_customer = np.unique(np.column_stack([mean, actual]), axis=0, return_inverse=True)
    out = np.empty(len(pairs))
    for i, (rate, y) in enumerate(pairs):
        k = np.arange(int(max(y, poisson.isf(1e-12, rate))) + 2)
        out[i] = ((poisson.cdf(k, rate) - (k >= y)) ** 2).sum()
    return out[pair_of_customer]


def randomised_pit(simulated: np.ndarray, actual: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """F(y − 1) + v P(y) with the actual count as one more draw, (customer,): uniform if it is one, for any n."""
    below = (simulated < actual).sum(axis=0)
    equal = (simulated == actual).sum(axis=0)
    return (below + uniform * (equal + 1)) / (len(simulated) + 1)


def share_checks(
    binned: np.ndarray, alive: np.ndarray, active: np.ndarray, ordered: np.ndarray
) -> tuple[ShareCheck, ...]:
    """Customers in ten bins of `by`, a chance; empty bins are skipped. All arrays (customer,)."""
    bin_of = np.clip(np.digitize(binned, BINS) - 1, 0, len(BINS) - 2)
    checks = []
    for b in np.unique(bin_of):
        rows = bin_of == b
        p, n = active[rows], int(rows.sum())
        half = _Z90 * float(np.sqrt((p * (1 - p)).sum())) / n
        middle = float(p.mean())
        checks.append(
            ShareCheck(
                customers=n,
                alive=float(alive[rows].mean()),
                active=middle,
                observed=float(ordered[rows].mean()),
                low=max(0.0, middle - half),
                high=min(1.0, middle + half),
            )
        )
    return tuple(checks)


class Rule(NamedTuple):
    """A simple prediction of each customer's orders in the hold-out, (customer,), and what it does, in a sentence."""

    expected: np.ndarray
    words: str


def simple_rules(summary: CustomerSummary, words: Vocabulary = ORDERS) -> dict[str, Rule]:
    """Predictions without a model. Like the models they use nothing of the hold-out but its length."""
    frame, days = summary.customers, summary.holdout_days
    x, t_x, T = (frame[c].to_numpy(float) for c in ("frequency", "recency_days", "T_days"))
    rate = np.divide(x * days, T, out=np.zeros_like(x), where=T > 0)
    hiatus = 2 * t_x.sum() / x.sum()  # twice the mean time between orders of one customer
    weeks = f"{hiatus / 7:.0f} weeks"
    rules = {
        "same again": Rule(
            frame["recent_frequency"].to_numpy(float) if "recent_frequency" in frame else x,
            f"As many {words.repeat} as in the {days} days before",
        ),
        "mean rate": Rule(rate, f"{words.repeat.capitalize()} per day since the {words.first}, kept up"),
        "recency rule": Rule(
            np.where(T - t_x <= hiatus, rate, 0.0),
            f"The mean rate for whoever {words.did} within the last {weeks} (twice the mean time between "
            f"{words.many}), nothing from all others",
        ),
    }
    if "recent_frequency" not in frame:
        del rules["same again"]
    return rules


def ranked(
    crps: Mapping[str, np.ndarray], errors: Mapping[str, np.ndarray], best: np.ndarray | None = None
) -> tuple[Score, ...]:
    """Mean scores, the least CRPS first; differences to the first, or to `best`, paired by customer."""
    order: Sequence[str] = sorted(crps, key=lambda name: crps[name].mean())
    best = crps[order[0]] if best is None else best
    scores = []
    for name in order:
        difference = crps[name] - best
        error = float(difference.std(ddof=1) / np.sqrt(difference.size)) if difference.size > 1 else np.nan
        scores.append(
            Score(name, float(crps[name].mean()), float(errors[name].mean()), float(difference.mean()), error)
        )
    return tuple(scores)
