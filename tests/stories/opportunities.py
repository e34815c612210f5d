"""Customers who order or not at each opportunity: BG/BB."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from clvsim.models.retention.bg_bb import Opportunities
from tests.stories.story import Columns, Ridge, Story, Values, beta_of, from_mean, survived

EVERY = 20.0  # days between opportunities
CHANCES = 2.0 + np.arange(100) % 19  # opportunities that a customer of a calibration has had


def traits(random: np.random.Generator, params: Mapping[str, Any], size: int) -> tuple[np.ndarray, np.ndarray]:
    """p ~ Beta(alpha, beta) of buying, theta ~ Beta(gamma, delta) of leaving, at an opportunity."""
    return random.beta(params["alpha"], params["beta"], size), random.beta(params["gamma"], params["delta"], size)


def live(
    random: np.random.Generator,
    p: np.ndarray,
    theta: np.ndarray,
    days: np.ndarray,
    ahead: float = 0.0,
    *,
    opportunity_days: float,
) -> Columns:
    """Each opportunity may be the one before which the customer leaves; the first order came at midday."""
    seen, number = (np.floor((time + 0.5) / opportunity_days)[:, None] for time in (days, days + ahead))
    nth = np.arange(1.0, number.max() + 1)
    used = (random.random((p.size, nth.size)) < p[:, None]) & (nth <= survived(theta, random)[:, None])
    before, after = used & (nth <= seen), used & (nth > seen) & (nth <= number)
    return {
        "frequency": before.sum(axis=1).astype(float),
        "recency_days": (before * nth).max(axis=1, initial=0.0) * opportunity_days,
        "T_days": days,
        "holdout_frequency": after.sum(axis=1).astype(float),
    }


def from_priors(values: Values) -> Values:
    return from_mean(values, "purchase", ("alpha", "beta")) | from_mean(values, "dropout", ("gamma", "delta"))


def moved(params: Mapping[str, Any], buying: float, leaving: float) -> Values:
    return beta_of(params, ("alpha", "beta"), buying) | beta_of(params, ("gamma", "delta"), leaving)


def ridge(free: Mapping[str, Any], rows: Any) -> float:
    exits, n = free["dropout_concentration"], (rows.count * rows.n).sum() / rows.count.sum()
    return -np.log(exits * np.log1p(n / exits))


def density(p: Any, theta: Any, x: float, t_x: float, n: float, next_days: float) -> tuple[Any, Any]:
    """x purchases at n opportunities, leaving before each with probability theta: after n, or silently after t_x."""
    gone = sum(p**x * (1 - p) ** (k - x) * (1 - theta) ** k * theta for k in np.arange(t_x, n))
    return p**x * (1 - p) ** (n - x) * (1 - theta) ** n, gone + 0.0 * p * theta


def at_opportunities(*histories: tuple[float, float, float, float]) -> Opportunities:
    return Opportunities(*np.array(histories, np.float64).T)


# Published maximum likelihood on donations.
BG_BB = Story(
    {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834},
    traits,
    live,
    from_priors,
    moved,
    config={"opportunity_days": EVERY},
    ridges={"dropout_mean": Ridge("dropout_off_ridge", ridge)},
    days=CHANCES * EVERY + 5,
    density=density,
    histories=at_opportunities((0, 0, 0, 12), (0, 0, 7, 3.5), (1, 1, 7, 20), (2, 4, 6, 7), (6, 6, 6, 1), (3, 5, 30, 9)),
    extreme=at_opportunities((900, 900, 5000, 7), (5000, 5000, 5000, 7), (3, 900, 1000, 20), (0, 0, 20_000, 1)),
)
