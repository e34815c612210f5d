"""Parameters from each model's own priors and data from each model's own story, in NumPy and straight from the papers.

Nothing is taken from the product but the priors' numbers. Numbers of orders are drawn at once, not order by order, so
that ten thousand orders cost no more than ten: of a Poisson process with N events within a time the j-th lies at a
share Beta(j, N - j + 1) of it. No size is capped.

Customers' ages are the same in every data set, and with them the likelihoods' unit of time, their mean, so that the
prior is one proper distribution. Money has a unit of 1. Times are days, parameters are in weeks.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.models import RETENTION
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.spend import lognormal
from clvsim.models.spend.gamma_gamma import GammaGamma, log_likelihood, log_likelihood_of_means
from clvsim.models.spend.lognormal import Lognormal
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

Values = dict[str, Any]  # symbol -> a number
WEEK = 7.0
AGES = np.round(np.linspace(60.0, 340.0, 100))  # days
UNIT = float(AGES.mean())
EVERY = 20.0  # days between opportunities
CHANCES = 2.0 + np.arange(100) % 19  # opportunities that a customer of BG/BB has had
RENEWALS = 1.0 + np.arange(120) // 4 % 20  # due so far
LATER = np.tile([3.0, 15.0, 20.0, 27.0], 30)  # days since the last of them; 3 lie within the grace
ORDERS = 1.0 + np.arange(100) % 6  # repeat orders of a customer whose amounts are looked at


class Data(NamedTuple):
    """What the model fits, and the log-likelihood of all of it under parameters, (draw,) each, by formula."""

    rows: Any
    log_likelihood: Callable[[Any], np.ndarray]


class World(NamedTuple):
    """A model, its parameters in the papers' symbols from its priors, and data from those.

    `draw(random, priors)`: `priors` gives a value of each prior of the section. `data` raises what the product raises.
    """

    model: Any
    draw: Callable[[Values], Values]
    data: Callable[[Any, Values, np.random.Generator], Data]

    def parameters(self, random: np.random.Generator) -> Values:
        return self.draw({name: value_of(prior, random) for name, prior in self.model if is_prior(prior)})


def is_prior(section: Any) -> bool:
    return isinstance(section, LogNormalPrior | BetaPrior)


def value_of(prior: Any, random: np.random.Generator) -> float:
    if isinstance(prior, LogNormalPrior):
        return prior.median * np.exp(prior.sd_log * random.standard_normal())
    return random.beta(prior.a, prior.b)


def spread(values: np.ndarray, count: int) -> np.ndarray:
    """That many of the draws, from the first to the last."""
    return values[np.linspace(0, len(values) - 1, count).round().astype(int)]


def summary_of(columns: dict[str, Any], holdout_days: int = 0, **facts: Any) -> CustomerSummary:
    today = dt.date(2026, 1, 1)
    last = today + dt.timedelta(days=holdout_days)
    return CustomerSummary(pd.DataFrame(columns), today, dt.date(2024, 1, 1), last, "week", "made up", **facts)


# --- purchases --------------------------------------------------------------------------------------------------------


def of_dropout(v: Values) -> Values:
    """r and the mean number of orders in one unit; mean and sum of a, b."""
    a = v["dropout_concentration"] * v["dropout_mean"]
    return {"r": v["r"], "alpha": v["r"] / v["rate"] * UNIT / WEEK, "a": a, "b": v["dropout_concentration"] - a}


def of_death(v: Values) -> Values:
    """lost = 1 - (beta / (beta + 1))^s within one unit."""
    with np.errstate(over="ignore"):
        beta = 1 / np.expm1(-np.log1p(-v["lost"]) / v["s"])
    return {"r": v["r"], "alpha": v["r"] / v["rate"] * UNIT / WEEK, "s": v["s"], "beta": beta * UNIT / WEEK}


def stays(chance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """How many occasions in a row a customer survives who leaves at each with that chance; inf at 0."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.floor(random.exponential(size=chance.size) / -np.log1p(-chance))


def bought_until_they_left(v: Values, random: np.random.Generator, k: int = 1, at_birth: bool = False) -> Values:
    """Every k-th event of a Poisson process is an order; some leave after an order, the first one too if `at_birth`."""
    n = AGES.size
    rate = random.gamma(v["r"], 1 / v["alpha"], n)
    events = random.poisson(rate * AGES / WEEK).astype(float)
    survived = stays(random.beta(v["a"], v["b"], n), random)
    x = np.minimum(np.floor(events / k), survived if at_birth else survived + 1)
    return {"frequency": x, "recency_days": last_of(k * x, events, AGES, random), "T_days": AGES}


def bought_until_they_died(v: Values, random: np.random.Generator) -> Values:
    n = AGES.size
    rate = random.gamma(v["r"], 1 / v["alpha"], n)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        hazard = np.nan_to_num(random.gamma(v["s"], 1.0, n) / v["beta"], nan=np.inf)
        life = np.minimum(AGES, random.exponential(size=n) / hazard * WEEK)
    x = random.poisson(rate * life / WEEK).astype(float)
    return {"frequency": x, "recency_days": last_of(x, x, life, random), "T_days": AGES}


def last_of(j: np.ndarray, events: np.ndarray, time: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """When the j-th of that many events within `time` took place; 0 for j = 0."""
    share = random.beta(np.maximum(j, 1.0), np.maximum(events - j, 0.0) + 1.0)
    return np.where(j > 0, share * time, 0.0)


def log_gaps(columns: Values, random: np.random.Generator, k: int) -> np.ndarray:
    """Given the last order, gaps are k of x k parts of that time each."""
    x = columns["frequency"].astype(int)
    of = np.repeat(np.arange(x.size), x)
    parts = random.gamma(k, size=of.size)
    scale = columns["recency_days"] / np.maximum(np.bincount(of, parts, x.size), 1e-300)
    return np.bincount(of, np.log(parts * scale[of]), x.size)


def retention_data(model: Any, columns: Values, **facts: Any) -> Data:
    summary = summary_of(columns, **facts)
    rows = model.sufficient(summary)
    histories = model.histories(summary)
    return Data(rows, lambda params: model.log_likelihood(params, histories, WEEK).sum(axis=1))


def purchases(story: Callable[[Values, np.random.Generator], Values]) -> Callable[..., Data]:
    return lambda model, v, random: retention_data(model, story(v, random))


def regular(k: int, at_birth: bool) -> Callable[..., Data]:
    def data(model: Any, v: Values, random: np.random.Generator) -> Data:
        columns = bought_until_they_left(v, random, k, at_birth)
        return retention_data(model, columns | {"log_gaps": log_gaps(columns, random, k)})

    return data


def of_stages(k: int) -> Callable[[Values], Values]:
    """`rate` counts orders, alpha is that of stages."""

    def draw(v: Values) -> Values:
        found = of_dropout(v)
        return found | {"alpha": found["alpha"] / k}

    return draw


# --- opportunities and contracts --------------------------------------------------------------------------------------


def of_opportunities(v: Values) -> Values:
    alpha = v["purchase_concentration"] * v["purchase_mean"]
    gamma = v["dropout_concentration"] * v["dropout_mean"]
    both = {"alpha": alpha, "beta": v["purchase_concentration"] - alpha}
    return both | {"gamma": gamma, "delta": v["dropout_concentration"] - gamma}


def used_opportunities(model: Any, v: Values, random: np.random.Generator) -> Data:
    n = CHANCES.size
    lived = np.minimum(CHANCES, stays(random.beta(v["gamma"], v["delta"], n), random))
    number = np.arange(1.0, CHANCES.max() + 1)
    used = (random.random((n, number.size)) < random.beta(v["alpha"], v["beta"], n)[:, None]) & (
        number <= lived[:, None]
    )
    columns = {
        "frequency": used.sum(axis=1).astype(float),
        "recency_days": (used * number).max(axis=1) * EVERY,
        "T_days": CHANCES * EVERY + 5,
    }
    return retention_data(model, columns, opportunity_days=EVERY)


def of_contracts(names: tuple[str, str]) -> Callable[[Values], Values]:
    def draw(v: Values) -> Values:
        first = v["churn_concentration"] * v["churn_mean"]
        values = {names[0]: first, names[1]: v["churn_concentration"] - first}
        return values | {name: v[name] for name in ("c",) if name in v}

    return draw


def renewed(model: Any, v: Values, random: np.random.Generator) -> Data:
    """S(n | theta) = (1 - theta)^(n^c). Payments come on the day."""
    ending = random.beta(*list(v.values())[:2], RENEWALS.size)
    with np.errstate(divide="ignore", over="ignore"):
        life = (random.exponential(size=RENEWALS.size) / -np.log1p(-ending)) ** (1 / v.get("c", 1.0))
    made = np.minimum(np.floor(life), RENEWALS)
    columns = {"frequency": made, "recency_days": made * DAYS_PER_MONTH, "T_days": RENEWALS * DAYS_PER_MONTH + LATER}
    return retention_data(model, columns)


# --- spend ------------------------------------------------------------------------------------------------------------


def of_amounts(v: Values) -> Values:
    """Mean spend gamma p / (q - 1)."""
    return {"p": v["p"], "q": 1 + v["q_minus_1"], "gamma": v["mean"] * v["q_minus_1"] / v["p"]}


def of_levels(v: Values) -> Values:
    """The prior of rho is that of levels that go with rates, which are not looked at here."""
    return {"mu": np.log(v["median"]), "omega": v["omega"], "sigma": v["sigma"]}


def amounts(means_only: bool) -> Callable[..., Data]:
    """z ~ Gamma(p, nu), nu ~ Gamma(q, gamma); in logs, as a small p brings amounts below the smallest float."""

    def data(model: Any, v: Values, random: np.random.Generator) -> Data:
        n = ORDERS.size
        log_nu = np.log(random.gamma(v["q"], 1.0, n)) - np.log(v["gamma"])
        of = np.repeat(np.arange(n), ORDERS.astype(int))
        log_z = log_gamma_variates(v["p"], of.size, random) - log_nu[of]
        total, log_sum = np.bincount(of, np.exp(log_z)), np.bincount(of, log_z)
        columns = {"repeat_positive": ORDERS, "repeat_amount": total, "repeat_log_amount": log_sum}
        first = np.exp(log_gamma_variates(v["p"], n, random) - log_nu)
        rows = model.sufficient(summary_of(columns | {"first_amount": first}, means_only=means_only))
        rows = rows._replace(
            total=rows.total * rows.unit, log_sum=rows.log_sum + ORDERS.sum() * np.log(rows.unit), unit=1.0
        )
        if means_only:
            return Data(rows, lambda params: log_likelihood_of_means(params, ORDERS, total / ORDERS).sum(axis=1))
        return Data(rows, lambda params: log_likelihood(params, ORDERS, total, log_sum).sum(axis=1))

    return data


def lognormal_amounts(model: Any, v: Values, random: np.random.Generator) -> Data:
    """log z ~ Normal(m, sigma), m ~ Normal(mu, omega)."""
    n = ORDERS.size
    of = np.repeat(np.arange(n), ORDERS.astype(int))
    level = random.normal(v["mu"], v["omega"], n)
    log_z = random.normal(level[of], v["sigma"])
    log_sum, log_square = np.bincount(of, log_z), np.bincount(of, log_z**2)
    columns = {"repeat_positive": ORDERS, "repeat_log_amount": log_sum, "repeat_log_square": log_square}
    first = np.exp(random.normal(level, v["sigma"]))
    rows = model.sufficient(summary_of(columns | {"first_amount": first, "T_days": AGES}))
    rows = rows._replace(log_mean=rows.log_mean + np.log(rows.unit), unit=1.0)
    return Data(rows, lambda params: lognormal.log_likelihood(params, ORDERS, log_sum, log_square).sum(axis=1))


def log_gamma_variates(shape: float, size: int, random: np.random.Generator) -> np.ndarray:
    """log of Gamma(shape): Gamma(shape + 1) times U^(1 / shape)."""
    return np.log(random.gamma(shape + 1, size=size)) + np.log(random.random(size)) / shape


# --- all of them ------------------------------------------------------------------------------------------------------

WORLDS: dict[str, World] = {
    "bg_nbd": World(RETENTION["bg_nbd"](), of_dropout, purchases(bought_until_they_left)),
    "mbg_nbd": World(
        RETENTION["mbg_nbd"](), of_dropout, purchases(lambda v, random: bought_until_they_left(v, random, 1, True))
    ),
    "pareto_nbd": World(RETENTION["pareto_nbd"](), of_death, purchases(bought_until_they_died)),
    "bg_cnbd": World(RETENTION["bg_cnbd"](k=3), of_stages(3), regular(3, False)),
    "mbg_cnbd": World(RETENTION["mbg_cnbd"](k=2), of_stages(2), regular(2, True)),
    "bg_bb": World(RETENTION["bg_bb"](opportunity_days=EVERY), of_opportunities, used_opportunities),
    "sbg": World(RETENTION["sbg"](renewal="month"), of_contracts(("alpha", "beta")), renewed),
    "bdw": World(RETENTION["bdw"](renewal="month"), of_contracts(("gamma", "delta")), renewed),
    "gamma_gamma": World(GammaGamma(), of_amounts, amounts(means_only=False)),
    "gamma_gamma of means": World(GammaGamma(), of_amounts, amounts(means_only=True)),
    "lognormal": World(Lognormal(), of_levels, lognormal_amounts),
}
