"""One world of the coverage suite: a truth from the priors, customers, a posterior, a simulation, and what came.

Retention models have their own priors; amounts are Gamma-Gamma with narrower ones, whose variance exists more often
than not. Ages of customers are the same in all worlds and money has a unit of 1, so that priors do not depend on data.
"""

import time
import zlib
from collections import Counter
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.metrics import METRICS
from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.models.priors import LogNormalPrior
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.scenario import Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.types import DAYS_PER_MONTH, RENEWAL_DAYS, CustomerSummary, Posterior
from tests.calibration.futures import FACTOR, Life, life_of
from tests.calibration.posteriors import Posteriors
from tests.calibration.worlds import log_gamma_variates, of_amounts, spread, summary_of, value_of
from tests.stories import STORIES
from tests.stories.contracts import DUE, RENEWAL
from tests.stories.story import WEEK, Values, priors_of

SEED = 20_30
MONTHS, DRAWS = 6, 300
AHEAD = MONTHS * DAYS_PER_MONTH
SPEND = GammaGamma(
    p=LogNormalPrior(median=3.0, sd_log=0.5),
    mean=LogNormalPrior(median=1.0, sd_log=0.5),
    q_minus_1=LogNormalPrior(median=3.0, sd_log=0.4),
)
LEVER = {"title": "Better service", "stay": {"kind": "shift", "target": "hazard", "size": FACTOR - 1}}
FIGURES = ("orders", "revenue", "difference of orders", "difference of revenue")
METRIC_OF = {"orders": "orders", "revenue": "rlv_total"}


class Truth(NamedTuple):
    """Customers as of today, and what came, by figure."""

    summary: CustomerSummary
    came: dict[str, float]


@cache
def posteriors(kind: str) -> tuple[Posteriors, Posteriors]:
    """Of the retention model and of spend: compiled once per process."""
    return Posteriors(RETENTION[kind](**STORIES[kind].config)), Posteriors(SPEND)


def days_of(kind: str) -> np.ndarray:
    """How long customers are observed; contracts until half a month after their last due day, beyond any grace."""
    return DUE * RENEWAL_DAYS[RENEWAL] + 15.0 if STORIES[kind].renewing else STORIES[kind].days


def truth_of(kind: str, random: np.random.Generator) -> Truth:
    """Parameters from the priors, and lives and amounts from those."""
    model, story = RETENTION[kind](**STORIES[kind].config), STORIES[kind]
    params, money = (
        draw({name: value_of(prior, random) for name, prior in priors_of(section).items()})
        for draw, section in ((story.from_priors, model), (of_amounts, SPEND))
    )
    days = days_of(kind)
    life = life_of(kind)(random, *story.traits(random, params, days.size), days, AHEAD)
    columns, came = amounts_of(life, money, random)
    return Truth(summary_of(columns, opportunity_days=model.opportunity_days), came)


def amounts_of(life: Life, money: Values, random: np.random.Generator) -> tuple[dict[str, Any], dict[str, float]]:
    """Columns of the summary with money, and totals of what came. z ~ Gamma(p, nu), nu ~ Gamma(q, gamma)."""
    x = life.history["frequency"]
    log_nu = np.log(random.gamma(money["q"], size=x.size)) - np.log(money["gamma"])
    of = np.repeat(np.arange(x.size), x.astype(int))
    log_z = log_gamma_variates(money["p"], of.size, random) - log_nu[of]
    columns = life.history | {
        "customer_id": [f"c{i}" for i in range(x.size)],
        "first_amount": np.exp(log_gamma_variates(money["p"], x.size, random) - log_nu),
        "repeat_amount": np.bincount(of, np.exp(log_z), x.size),
        "repeat_log_amount": np.bincount(of, log_z, x.size),
        "repeat_positive": x.astype(int),
        "holdout_frequency": life.orders.astype(int),
        "segment": "",
        "channel": "",
    }
    more = life.with_lever - life.orders
    earned, earned_more = (
        float((random.gamma(np.maximum(money["p"] * n, 1e-9)) * (n > 0) / np.exp(log_nu)).sum())
        for n in (life.orders, more)
    )
    totals = dict(zip(FIGURES, (life.orders.sum(), earned, more.sum(), earned_more), strict=True))
    return columns, {name: float(value) for name, value in totals.items()}


def fitted_to(kind: str, summary: CustomerSummary, number: int) -> tuple[FittedModels, Counter[str]]:
    """Posteriors as under `fit.method=auto`. Raises DiagnosticsError where a model refuses the data."""
    lives, orders = posteriors(kind)
    ways = Counter[str]()
    rows = lives.model.sufficient(summary)
    money = orders.model.sufficient(summary)
    money = money._replace(total=money.total * money.unit, log_sum=money.log_sum + shift_of(summary, money), unit=1.0)
    free, way = lives.auto(rows, number)
    ways[way] += 1
    life = {symbol: spread(values, DRAWS) for symbol, values in lives.model.natural(free, rows, WEEK).items()}
    free, way = orders.auto(money, number)
    ways[f"spend: {way}"] += 1
    spend = {symbol: spread(values, DRAWS) for symbol, values in SPEND.natural(free, money, number).items()}
    shuffle = np.random.default_rng([SEED, number]).permutation(DRAWS)  # the two are independent a posteriori
    spend = {symbol: values[shuffle] for symbol, values in spend.items()}
    return FittedModels(lives.model, SPEND, Posterior(life, spend, "week")), ways


def shift_of(summary: CustomerSummary, rows: Any) -> float:
    """What a unit of 1 adds to the sum of the logs."""
    return float(summary.customers["repeat_positive"].sum() * np.log(rows.unit))


def world(kind: str, number: int) -> dict[str, Any]:
    """Rank of what came among the simulated, ties at random, as a share, by figure; and how it was fitted."""
    started = time.perf_counter()
    random = np.random.default_rng([SEED, zlib.crc32(kind.encode()), number])
    refused = 0
    while True:
        truth = truth_of(kind, random)
        try:
            fitted, ways = fitted_to(kind, truth.summary, number)
            break
        except DiagnosticsError:
            refused += 1
    simulation = simulate(
        fitted,
        truth.summary,
        {"baseline": Scenario(title="As today"), "lever": Scenario.model_validate(LEVER)},
        simulation=SimulationConfig(draws=DRAWS, horizon_months=MONTHS, jobs=1),
        finance=FinanceConfig(annual_discount_rate=0.0),
        environment=EnvironmentConfig(sd_prior=0.0),
        seed=number,
    )
    simulated = {}
    for figure, metric in METRIC_OF.items():
        base, lever = (METRICS[metric].query(simulation, simulation.scenarios[s]) for s in ("baseline", "lever"))
        simulated |= {figure: base, f"difference of {figure}": lever - base}
    ranks = {figure: rank(simulated[figure], truth.came[figure], random) for figure in FIGURES}
    return {"ranks": ranks, "ways": ways, "refused": refused, "seconds": time.perf_counter() - started}


def rank(simulated: np.ndarray, came: float, random: np.random.Generator) -> float:
    """Where the truth stands among n simulated figures, uniform on [0, 1] if it is one of them."""
    near = 1e-6 * max(abs(came), 1.0)  # the ledger's rounding
    below, equal = (simulated < came - near).sum(), (np.abs(simulated - came) <= near).sum()
    return float((below + random.random() * (equal + 1)) / (simulated.size + 1))
