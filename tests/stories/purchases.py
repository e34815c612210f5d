"""Customers who order at any time: BG/NBD and MBG/NBD, both with regular gaps, and Pareto/NBD.

Numbers of orders are drawn at once, not order by order, whatever their size.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import factorial
from typing import Any

import numpy as np
from scipy.special import gammaln

from clvsim.models.laws import Customers
from clvsim.models.retention.cnbd import RegularCustomers
from tests.stories.story import UNIT, WEEK, Columns, Story, Values, beta_of, from_mean, survived, time_of


def in_weeks(*histories: tuple[float, float, float]) -> Customers:
    return Customers(*np.array(histories, np.float64).T * [[1], [WEEK], [WEEK]])


HISTORIES = in_weeks((0, 0, 1), (0, 0, 38.9), (1, 3, 30), (2, 30.43, 38.86), (7, 12, 39), (9, 38.9, 39))
EXTREME = in_weeks((5000, 99.9, 1000), (300, 10, 5000), (250, 990, 1000), (0, 0, 1e5))


def rates(random: np.random.Generator, params: Mapping[str, Any], size: int) -> np.ndarray:
    """Per day, ~ Gamma(r, alpha)."""
    return random.gamma(params["r"], 1 / (params["alpha"] * WEEK), size)


def alpha_of(values: Values, stages: int = 1) -> Values:
    """r and alpha from r and the mean number of orders in one unit of time; each order is of that many stages."""
    return {"r": values["r"], "alpha": values["r"] / values["rate"] * UNIT / WEEK / stages}


# --- leaving after an order -------------------------------------------------------------------------------------------


def dropout_traits(random: np.random.Generator, params: Mapping[str, Any], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rate, and p ~ Beta(a, b) of leaving at an order."""
    return rates(random, params, size), random.beta(params["a"], params["b"], size)


def until_they_left(
    random: np.random.Generator,
    rate: np.ndarray,
    p: np.ndarray,
    days: np.ndarray,
    ahead: float = 0.0,
    *,
    k: int = 1,
    may_leave_at_once: bool = False,
) -> Columns:
    """Every k-th event of a Poisson process is an order; some leave after one, the first included where they may."""
    events, later = random.poisson(rate * days).astype(float), random.poisson(rate * ahead).astype(float)
    most = survived(p, random) + (not may_leave_at_once)  # repeat orders until the customer leaves
    x = np.minimum(np.floor(events / k), most)
    in_all = np.minimum(np.floor((events + later) / k), most)
    recency = time_of(k * x, events, days, random)
    return {"frequency": x, "recency_days": recency, "T_days": days, "holdout_frequency": in_all - x}


def regular_life(
    random: np.random.Generator,
    rate: np.ndarray,
    p: np.ndarray,
    days: np.ndarray,
    ahead: float = 0.0,
    *,
    k: int,
    may_leave_at_once: bool,
) -> Columns:
    """With the sum of the logs of the gaps: given the last order, gaps are k of x k parts of that time each."""
    columns = until_they_left(random, rate, p, days, ahead, k=k, may_leave_at_once=may_leave_at_once)
    x = columns["frequency"].astype(int)
    customer = np.repeat(np.arange(x.size), x)
    parts = random.gamma(k, size=customer.size)
    scale = columns["recency_days"] / np.maximum(np.bincount(customer, parts, x.size), 1e-300)
    return columns | {"log_gaps": np.bincount(customer, np.log(parts * scale[customer]), x.size)}


def dropout_from_priors(values: Values, stages: int = 1) -> Values:
    return alpha_of(values, stages) | from_mean(values, "dropout", ("a", "b"))


def dropout_moved(params: Mapping[str, Any], buying: float, leaving: float) -> Values:
    return {**params, "alpha": params["alpha"] / buying} | beta_of(params, ("a", "b"), leaving)


def bg_density(rate: Any, p: Any, x: float, t_x: float, T: float) -> tuple[Any, Any]:
    """x orders at a rate, leaving with probability p after each repeat order."""
    left = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x) if x else 0.0 * rate * p
    return (1 - p) ** x * rate**x * np.exp(-rate * T), left


def mbg_density(rate: Any, p: Any, x: float, t_x: float, T: float) -> tuple[Any, Any]:
    """Leaving with probability p after each order, the first included."""
    return (1 - p) ** (x + 1) * rate**x * np.exp(-rate * T), p * (1 - p) ** x * rate**x * np.exp(-rate * t_x)


def regular_density(
    rate: Any, p: Any, x: float, t_x: float, T: float, log_gaps: float, *, k: int, may_leave_at_once: bool
) -> tuple[Any, Any]:
    """Gaps of k stages at a rate; the running one has fewer than k behind it. Leaving as under BG or MBG."""
    chances = x + may_leave_at_once
    orders = rate ** (k * x) * np.exp((k - 1) * log_gaps - x * gammaln(k) - rate * t_x)
    silent = sum((rate * (T - t_x)) ** j / factorial(j) for j in range(k)) * np.exp(-rate * (T - t_x))
    left = p * (1 - p) ** (chances - 1) * orders if chances else 0.0 * rate * p
    return (1 - p) ** chances * orders * silent, left


def regular(histories: Customers) -> RegularCustomers:
    """With gaps as even as they can be, but for one that is half as long."""
    days = np.where(histories.x > 0, histories.t_x_days / np.maximum(histories.x, 1), 1.0)
    return RegularCustomers(*histories, histories.x * np.log(days) + np.where(histories.x > 1, np.log(0.75), 0.0))


def dropout_story(params: Mapping[str, float], live: Callable[..., Columns], density: Callable[..., Any]) -> Story:
    return Story(
        params,
        dropout_traits,
        live,
        dropout_from_priors,
        dropout_moved,
        times=("alpha",),
        density=density,
        histories=HISTORIES,
        extreme=EXTREME,
    )


def regular_story(params: Mapping[str, float], k: int, may_leave_at_once: bool) -> Story:
    live = partial(regular_life, may_leave_at_once=may_leave_at_once)
    density = partial(regular_density, k=k, may_leave_at_once=may_leave_at_once)
    return dropout_story(params, live, density)._replace(
        from_priors=partial(dropout_from_priors, stages=k),
        config={"k": k},
        histories=regular(HISTORIES),
        extreme=regular(EXTREME),
    )


# Published maximum likelihood on CDNOW, in weeks, where there is one.
BG_NBD = dropout_story({"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}, until_they_left, bg_density)
MBG_NBD = dropout_story(
    {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614},
    partial(until_they_left, may_leave_at_once=True),
    mbg_density,
)
BG_CNBD = regular_story({"r": 0.6, "alpha": 2.5, "a": 0.8, "b": 2.4}, 3, may_leave_at_once=False)
MBG_CNBD = regular_story({"r": 0.9, "alpha": 4.0, "a": 0.9, "b": 1.6}, 2, may_leave_at_once=True)


# --- dying between orders ---------------------------------------------------------------------------------------------


def death_traits(random: np.random.Generator, params: Mapping[str, Any], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rate, and the hazard of dying, ~ Gamma(s, beta), per day."""
    rate = rates(random, params, size)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        hazard = random.gamma(params["s"], 1.0, size) / (params["beta"] * WEEK)
    return rate, np.nan_to_num(hazard, nan=np.inf)


def until_they_died(
    random: np.random.Generator, rate: np.ndarray, mu: np.ndarray, days: np.ndarray, ahead: float = 0.0
) -> Columns:
    """Orders until a death that has nothing to do with them."""
    with np.errstate(divide="ignore", over="ignore"):
        life = random.exponential(size=days.size) / mu
    seen, later = np.minimum(life, days), np.clip(life - days, 0.0, ahead)
    x = random.poisson(rate * seen).astype(float)
    recency = time_of(x, x, seen, random)
    return {
        "frequency": x,
        "recency_days": recency,
        "T_days": days,
        "holdout_frequency": random.poisson(rate * later).astype(float),
    }


def death_from_priors(values: Values) -> Values:
    """lost = 1 - (beta / (beta + 1))^s within one unit of time."""
    with np.errstate(over="ignore"):
        beta = 1 / np.expm1(-np.log1p(-values["lost"]) / values["s"])
    return alpha_of(values) | {"s": values["s"], "beta": beta * UNIT / WEEK}


def death_moved(params: Mapping[str, Any], buying: float, leaving: float) -> Values:
    return {**params, "alpha": params["alpha"] / buying, "beta": params["beta"] / leaving}


def pareto_density(rate: Any, mu: Any, x: float, t_x: float, T: float) -> tuple[Any, Any]:
    """x orders at a rate, death at the hazard mu: after T, or silently between t_x and T."""
    both = rate + mu
    silent = mu / both * (np.exp(-both * t_x) - np.exp(-both * T))
    return rate**x * np.exp(-both * T), rate**x * silent


PARETO_NBD = Story(
    {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669},
    death_traits,
    until_they_died,
    death_from_priors,
    death_moved,
    times=("alpha", "beta"),
    density=pareto_density,
    histories=HISTORIES,
    extreme=EXTREME,
)
