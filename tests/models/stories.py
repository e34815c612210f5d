"""Retention models told by the life of one customer with known traits: all that the contract suite needs of a model.

A customer has two traits. The first is a rate of orders per day, or a chance to buy at an opportunity (1 where there is
nothing to decide); the second a hazard per day, or a probability of leaving at an event. Times are in days.
"""

from collections.abc import Callable, Mapping
from functools import partial
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from scipy.special import gammaln

from clvsim.models.laws import Customers
from clvsim.models.retention.bg_bb import Opportunities
from clvsim.models.retention.cnbd import RegularCustomers

WEEK = 7.0


class Story(NamedTuple):
    """One entry per model.

    `density(first, second, *history)`: densities of a history and being (alive, lost) at its end, given the traits as
    arrays. `live(random, first, second, days)`: one customer's history over that many days, as columns of a summary;
    `frequency` counts what X(t) counts. `params`: of newcomers, in weeks, `times` naming those that are times. If there
    are any, the likelihood is a density per unit of time for each order. `histories`, `extreme`: what the model
    conditions on, in days; the latter many orders, long silences. `facts`: other fields of the summary. `ridges`: of
    priors whose log odds are sampled by their distance from a ridge, the variable, and the ridge from other variables
    and rows.
    """

    params: Mapping[str, float]
    histories: Any
    extreme: Any
    density: Callable[..., tuple[Any, Any]]
    live: Callable[..., dict[str, Any]]
    times: tuple[str, ...] = ()
    config: Mapping[str, Any] = {}
    facts: Mapping[str, Any] = {}
    ridges: Mapping[str, tuple[str, Callable[..., float]]] = {}


def bg_density(rate, p, x, t_x, T):
    """x orders at a rate, leaving with probability p after each repeat order."""
    left = p * (1 - p) ** (x - 1) * rate**x * np.exp(-rate * t_x) if x else 0.0 * rate * p
    return (1 - p) ** x * rate**x * np.exp(-rate * T), left


def mbg_density(rate, p, x, t_x, T):
    """Leaving with probability p after each order, the first included."""
    return (1 - p) ** (x + 1) * rate**x * np.exp(-rate * T), p * (1 - p) ** x * rate**x * np.exp(-rate * t_x)


def pareto_density(rate, mu, x, t_x, T):
    """x orders at a rate, death at the hazard mu: after T, or silently between t_x and T."""
    both = rate + mu
    silent = mu / both * (np.exp(-both * t_x) - np.exp(-both * T))
    return rate**x * np.exp(-both * T), rate**x * silent


def purchases(times: list[float], days: float) -> dict[str, Any]:
    return {"frequency": len(times), "recency_days": times[-1] if times else 0.0, "T_days": days}


def regular_density(rate, p, x, t_x, T, log_gaps, k=3, may_leave_at_once=False):
    """Gaps of k stages at a rate; the running one has fewer than k behind it. Leaving as under BG or MBG."""
    chances = x + may_leave_at_once
    orders = rate ** (k * x) * np.exp((k - 1) * log_gaps - x * gammaln(k) - rate * t_x)
    silent = sum((rate * (T - t_x)) ** j / factorial(j) for j in range(k)) * np.exp(-rate * (T - t_x))
    left = p * (1 - p) ** (chances - 1) * orders if chances else 0.0 * rate * p
    return (1 - p) ** chances * orders * silent, left


def regular_live(random, rate, p, days, k=3, may_leave_at_once=False):
    times, t, logs = [], 0.0, 0.0
    stays = not may_leave_at_once or random.random() >= p
    while stays and t + (gap := random.gamma(k) / rate) <= days:
        t += gap
        logs += np.log(gap)
        times.append(t)
        stays = random.random() >= p
    return purchases(times, days) | {"log_gaps": logs}


def bg_live(random, rate, p, days, may_leave_at_once=False):
    times, t = [], 0.0
    stays = not may_leave_at_once or random.random() >= p
    while stays and (t := t + random.exponential(1 / rate)) <= days:
        times.append(t)
        stays = random.random() >= p
    return purchases(times, days)


def mbg_live(random, rate, p, days):
    return bg_live(random, rate, p, days, may_leave_at_once=True)


def pareto_live(random, rate, mu, days):
    times, t = [], 0.0
    end = min(days, random.exponential(1 / mu))
    while (t := t + random.exponential(1 / rate)) <= end:
        times.append(t)
    return purchases(times, days)


def bgbb_density(p, theta, x, t_x, n, next_days):
    """x purchases at n opportunities, leaving before each with probability theta: after n, or silently after t_x."""
    gone = sum(p**x * (1 - p) ** (k - x) * (1 - theta) ** k * theta for k in np.arange(t_x, n))
    return p**x * (1 - p) ** (n - x) * (1 - theta) ** n, gone + 0.0 * p * theta


def bgbb_live(random, p, theta, days):
    times = []
    for k in range(1, int((days + 0.5) / EVERY) + 1):
        if random.random() < theta:
            break
        if random.random() < p:
            times.append(k * EVERY)
    return purchases(times, days)


def bgbb_ridge(free, rows):
    exits, n = free["dropout_concentration"], (rows.count * rows.n).sum() / rows.count.sum()
    return -np.log(exits * np.log1p(n / exits))


def at_opportunities(*histories: tuple[float, float, float, float]) -> Opportunities:
    return Opportunities(*np.array(histories, np.float64).T)


def in_weeks(*histories: tuple[float, float, float]) -> Customers:
    return Customers(*np.array(histories, np.float64).T * [[1], [WEEK], [WEEK]])


def regular(histories: Customers) -> RegularCustomers:
    """With gaps as even as they can be, but for one that is half as long."""
    days = np.where(histories.x > 0, histories.t_x_days / np.maximum(histories.x, 1), 1.0)
    return RegularCustomers(*histories, histories.x * np.log(days) + np.where(histories.x > 1, np.log(0.75), 0.0))


HISTORIES = in_weeks((0, 0, 1), (0, 0, 38.9), (1, 3, 30), (2, 30.43, 38.86), (7, 12, 39), (9, 38.9, 39))
EXTREME = in_weeks((5000, 99.9, 1000), (300, 10, 5000), (250, 990, 1000), (0, 0, 1e5))

EVERY = 20.0  # days between opportunities
# Published maximum likelihood on CDNOW, in weeks; of BG/BB on donations.
STORIES = {
    "bg_nbd": Story(
        {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}, HISTORIES, EXTREME, bg_density, bg_live, ("alpha",)
    ),
    "mbg_nbd": Story(
        {"r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614}, HISTORIES, EXTREME, mbg_density, mbg_live, ("alpha",)
    ),
    "pareto_nbd": Story(
        {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669},
        HISTORIES,
        EXTREME,
        pareto_density,
        pareto_live,
        ("alpha", "beta"),
    ),
    "bg_cnbd": Story(
        {"r": 0.6, "alpha": 2.5, "a": 0.8, "b": 2.4},
        regular(HISTORIES),
        regular(EXTREME),
        regular_density,
        regular_live,
        ("alpha",),
        {"k": 3},
    ),
    "mbg_cnbd": Story(
        {"r": 0.9, "alpha": 4.0, "a": 0.9, "b": 1.6},
        regular(HISTORIES),
        regular(EXTREME),
        partial(regular_density, k=2, may_leave_at_once=True),
        partial(regular_live, k=2, may_leave_at_once=True),
        ("alpha",),
        {"k": 2},
    ),
    "bg_bb": Story(
        {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834},
        at_opportunities((0, 0, 0, 12), (0, 0, 7, 3.5), (1, 1, 7, 20), (2, 4, 6, 7), (6, 6, 6, 1), (3, 5, 30, 9)),
        at_opportunities((900, 900, 5000, 7), (5000, 5000, 5000, 7), (3, 900, 1000, 20), (0, 0, 20_000, 1)),
        bgbb_density,
        bgbb_live,
        config={"opportunity_days": EVERY},
        facts={"opportunity_days": EVERY},
        ridges={"dropout_mean": ("dropout_off_ridge", bgbb_ridge)},
    ),
}
