"""Scores of predicted counts and amounts, and simple rules to beat.

Simulated numbers are (world, customer), actual ones (customer,).
CRPS: Gneiting & Raftery 2007, JASA 102(477), equation (21); randomised PIT: Czado, Gneiting & Held 2009, Biometrics
65(4); simple rules: Wuebben & von Wangenheim 2008, Journal of Marketing 72(3).
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import poisson, rankdata

from clvsim.types import CustomerSummary
from clvsim.validation.result import Prediction, Score, ShareCheck
from clvsim.validation.vocabulary import ORDERS, Vocabulary

BINS = np.linspace(0, 1, 11)
_Z90 = 1.6449


def crps_of_draws(simulated: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """CRPS of the distribution that the worlds are draws from, (customer,): E|X − y| − E|X − X'|/2, without bias."""
    n = len(simulated)
    ordered = np.sort(simulated, axis=0)
    spread = (2.0 * np.arange(1, n + 1) - n - 1) @ ordered / (n * (n - 1)) if n > 1 else np.zeros(actual.shape)
    return abs(simulated - actual).mean(axis=0) - spread


def crps_of_poisson(mean: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """CRPS of a Poisson count, (customer,): ∫ (F(u) − 1{y ≤ u})² du, exactly up to its far tail; y >= 0 may be broken.

    F is a step function, so of each step the part below y adds F² and the rest (1 − F)².
    """
    pairs, pair_of_customer = np.unique(np.column_stack([mean, actual]), axis=0, return_inverse=True)
    last = np.maximum(np.ceil(pairs[:, 1]), poisson.isf(1e-12, pairs[:, 0])).astype(np.int64)
    out = np.empty(len(pairs))
    for rows in np.array_split(np.argsort(last, kind="stable"), -(-last.size // 1024)):  # alike in length
        k = np.arange(last[rows[-1]] + 2)
        rate, y = pairs[rows, :1], pairs[rows, 1:]
        cumulative, below = poisson.cdf(k, rate), np.clip(y - k, 0.0, 1.0)
        out[rows] = (cumulative**2 * below + (1.0 - cumulative) ** 2 * (1.0 - below)).sum(axis=1)
    return out[pair_of_customer.reshape(-1)]


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


def normalised_gini(expected: np.ndarray, actual: np.ndarray) -> float:
    """How well an order of customers by what was expected of them, (customer,), is that by what they did: 1 if it is.

    Cov(y, rank of the prediction) / Cov(y, rank of y), ties sharing their mean rank: 0 for an order that says nothing,
    nan where all did the same. Frees, Meyers & Cummings 2011, JASA 106(495), over the Gini of a perfect order.
    """
    own, predicted = rankdata(actual), rankdata(expected)
    middle = (actual.size + 1) / 2
    perfect = float(((own - middle) * actual).sum())
    return float(((predicted - middle) * actual).sum()) / perfect if perfect > 0 else math.nan


def tenths(expected: np.ndarray) -> np.ndarray:
    """Tenth of the customers by what was expected of them, from 0, (customer,); equal predictions share a tenth."""
    return np.minimum(10 * (rankdata(expected) - 0.5) / expected.size, 9).astype(np.int64)


def tenths_error(expected: np.ndarray, actual: np.ndarray) -> float:
    """Σ over tenths of |expected − actual| / Σ actual: what sums over tenths of the customers miss; nan of nothing.

    After Wang, Liu & Miao 2019, arXiv 1912.07753 (decile charts), weighed by what each tenth brought.
    """
    group = tenths(expected)
    gap = abs(np.bincount(group, expected) - np.bincount(group, actual)).sum()
    return float(gap / actual.sum()) if actual.sum() > 0 else math.nan


class Rule(NamedTuple):
    """A simple prediction of each customer's orders in the hold-out, (customer,), and what it does, in a sentence.

    `revenue`: of what they will pay, and `mean_order` the amount of each order then, (customer,); None where the log
    has no amounts.
    """

    expected: np.ndarray
    words: str
    revenue: np.ndarray | None = None
    mean_order: np.ndarray | None = None

    def score(self, actual: np.ndarray) -> Prediction:
        """Of orders, as Poisson counts around the predicted number."""
        return Prediction(self.expected, crps_of_poisson(self.expected, actual))

    def score_revenue(self, paid: np.ndarray) -> Prediction:
        """Of money: as many orders, of the customer's mean amount each."""
        if self.revenue is None or self.mean_order is None:
            raise ValueError("the log has no amounts")
        price = np.where(self.mean_order > 0, self.mean_order, 1.0)
        return Prediction(self.revenue, price * crps_of_poisson(self.revenue / price, paid / price))


def simple_rules(summary: CustomerSummary, words: Vocabulary = ORDERS) -> dict[str, Rule]:
    """Predictions without a model. Like the models they use nothing of the hold-out but its length."""
    frame, days = summary.customers, summary.holdout_days
    x, t_x, T = (frame[c].to_numpy(float) for c in ("frequency", "recency_days", "T_days"))
    rate = np.divide(x * days, T, out=np.zeros_like(x), where=T > 0)
    hiatus = 2 * t_x.sum() / x.sum()  # twice the mean time between orders of one customer
    weeks = f"{hiatus / 7:.0f} weeks"
    rules = {
        "mean rate": Rule(rate, f"{words.repeat.capitalize()} per day since the {words.first}, kept up"),
        "recency rule": Rule(
            np.where(T - t_x <= hiatus, rate, 0.0),
            f"The mean rate for whoever {words.did} within the last {weeks} (twice the mean time between "
            f"{words.many}), nothing from all others",
        ),
    }
    if "recent_frequency" in frame:
        recent = frame["recent_frequency"].to_numpy(float)
        rules = {"same again": Rule(recent, f"As many {words.repeat} as in the {days} days before"), **rules}
    if "holdout_amount" not in frame:
        return rules
    first, repeats = frame["first_amount"].to_numpy(float), frame["repeat_amount"].to_numpy(float)
    mean = np.divide(repeats, x, out=first.copy(), where=x > 0)
    recently = {"same again": frame["recent_amount"].to_numpy(float)} if "same again" in rules else {}
    return {
        name: rule._replace(revenue=recently.get(name, rule.expected * mean), mean_order=mean)
        for name, rule in rules.items()
    }


def ranked(
    predictions: Mapping[str, Prediction], actual: np.ndarray, best: np.ndarray | None = None
) -> tuple[Score, ...]:
    """Scores, the least CRPS first; differences to the first, or to `best`, paired by customer."""
    order: Sequence[str] = sorted(predictions, key=lambda name: predictions[name].crps.mean())
    best = predictions[order[0]].crps if best is None else best
    scores = []
    for name in order:
        expected, crps = predictions[name]
        difference = crps - best
        scores.append(
            Score(
                name,
                crps=float(crps.mean()),
                mae=float(abs(expected - actual).mean()),
                difference=float(difference.mean()),
                difference_se=float(difference.std(ddof=1) / np.sqrt(crps.size)) if crps.size > 1 else np.nan,
                gini=normalised_gini(expected, actual),
                tenths_error=tenths_error(expected, actual),
            )
        )
    return tuple(scores)


def beside_rules(
    models: Mapping[str, Prediction], rules: Mapping[str, Prediction], actual: np.ndarray
) -> tuple[tuple[Score, ...], tuple[Score, ...]]:
    """Models and simple rules, each by CRPS; differences of both are to the best model."""
    ranking = ranked(models, actual)
    return ranking, ranked(rules, actual, models[ranking[0].name].crps)
