"""Contracts that are renewed each month or end: sBG and BdW. Payments come on the day."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from clvsim.types import RENEWAL_DAYS
from tests.stories.story import Columns, Ridge, Story, Values, beta_of, from_mean

RENEWAL = "month"
DUE = 1.0 + np.arange(120) // 4 % 20  # renewals of a calibration's contracts so far
LATER = np.tile([3.0, 15.0, 20.0, 27.0], 30)  # days since the last of them; 3 lie within the grace


def traits(
    random: np.random.Generator, params: Mapping[str, Any], size: int, names: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """c, and theta ~ Beta of both names, of ending at the first renewal."""
    return np.full(size, params.get("c", 1.0)), random.beta(params[names[0]], params[names[1]], size)


def live(
    random: np.random.Generator,
    c: np.ndarray,
    theta: np.ndarray,
    days: np.ndarray,
    ahead: float = 0.0,
    *,
    renewal: str,
) -> Columns:
    """S(n | theta) = (1 - theta)^(n^c)."""
    every = RENEWAL_DAYS[renewal]
    with np.errstate(divide="ignore", over="ignore"):
        lasts = np.floor((random.exponential(size=theta.size) / -np.log1p(-theta)) ** (1 / c))
    made, in_all = (np.minimum(lasts, np.floor(time / every)) for time in (days, days + ahead))
    return {"frequency": made, "recency_days": made * every, "T_days": days, "holdout_frequency": in_all - made}


def from_priors(values: Values, names: tuple[str, str]) -> Values:
    return from_mean(values, "churn", names) | {name: values[name] for name in ("c",) if name in values}


def moved(params: Mapping[str, Any], buying: float, leaving: float, names: tuple[str, str]) -> Values:
    return {**params} | beta_of(params, names, leaving)


def story(params: Mapping[str, float], names: tuple[str, str]) -> Story:
    return Story(
        params,
        partial(traits, names=names),
        live,
        partial(from_priors, names=names),
        partial(moved, names=names),
        config={"renewal": RENEWAL},
        days=DUE * RENEWAL_DAYS[RENEWAL] + LATER,
    )


# Published maximum likelihood on the regular customers of Fader & Hardie 2007 and Fader et al. 2018.
SBG = story({"alpha": 0.70, "beta": 1.18}, ("alpha", "beta"))
BDW = story({"gamma": 0.46, "delta": 0.78, "c": 1.28}, ("gamma", "delta"))._replace(
    ridges={"c": Ridge("log_c_off_ridge")}
)
