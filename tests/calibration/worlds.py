"""Parameters from each model's own priors and data from each model's own story, in NumPy and straight from the papers.

Stories of retention models are those of all tests (tests/stories), those of spend models stand here. Nothing is taken
from the product but the priors' numbers, and no size is capped.

Customers' ages are the same in every data set, and with them the likelihoods' unit of time, their mean, so that the
prior is one proper distribution. Money has a unit of 1. Times are days, parameters are in weeks.
"""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.models import RETENTION
from clvsim.models.priors import LogNormalPrior
from clvsim.models.spend import lognormal
from clvsim.models.spend.gamma_gamma import GammaGamma, log_likelihood, log_likelihood_of_means
from clvsim.models.spend.lognormal import Lognormal
from clvsim.types import CustomerSummary
from tests.stories import STORIES
from tests.stories.story import CALIBRATION_DAYS, WEEK, Values, priors_of

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
        return self.draw({name: value_of(prior, random) for name, prior in priors_of(self.model).items()})


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


# --- retention --------------------------------------------------------------------------------------------------------


def retention_world(name: str) -> World:
    """A model as its story tells it; customers are observed for the same days in every data set."""
    story = STORIES[name]

    def data(model: Any, v: Values, random: np.random.Generator) -> Data:
        columns = story.live(random, *story.traits(random, v, story.days.size), story.days, **story.config)
        summary = summary_of(columns, opportunity_days=model.opportunity_days)
        histories = model.histories(summary)
        by_customer = partial(model.log_likelihood, histories=histories, days_per_unit=WEEK)
        return Data(model.sufficient(summary), lambda params: by_customer(params).sum(axis=1))

    return World(RETENTION[name](**story.config), story.from_priors, data)


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
    rows = model.sufficient(summary_of(columns | {"first_amount": first, "T_days": CALIBRATION_DAYS}))
    rows = rows._replace(log_mean=rows.log_mean + np.log(rows.unit), unit=1.0)
    return Data(rows, lambda params: lognormal.log_likelihood(params, ORDERS, log_sum, log_square).sum(axis=1))


def log_gamma_variates(shape: float, size: int, random: np.random.Generator) -> np.ndarray:
    """log of Gamma(shape): Gamma(shape + 1) times U^(1 / shape)."""
    return np.log(random.gamma(shape + 1, size=size)) + np.log(random.random(size)) / shape


# --- all of them ------------------------------------------------------------------------------------------------------

WORLDS: dict[str, World] = {
    **{name: retention_world(name) for name in STORIES},
    "gamma_gamma": World(GammaGamma(), of_amounts, amounts(means_only=False)),
    "gamma_gamma of means": World(GammaGamma(), of_amounts, amounts(means_only=True)),
    "lognormal": World(Lognormal(), of_levels, lognormal_amounts),
}
