"""One world of the whole chain: parameters and effects from their priors, a log, a posterior, a decision.

BG/NBD and Gamma-Gamma, today's customers and newcomers of one channel whose conversion is uncertain, and a campaign
that costs money each month and changes the order rate by an uncertain effect. What the product says of the expected
difference is held against E[difference | true parameters, true effects], worked out by plain integration
(tests/nested/answer.py). Costs are what a data analyst would think of, times a random factor, so that the campaign pays
in about half of the worlds.
"""

import time
from functools import cache
from typing import Any

import numpy as np

from clvsim.comparison import simulate_and_compare
from clvsim.errors import DiagnosticsError
from clvsim.models.fitted import FittedModels
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.scenario import Scenario
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import make_plan
from clvsim.types import CustomerSummary, Posterior
from tests.calibration.forecasts import SPEND, amounts_of, shift_of
from tests.calibration.futures import life_of
from tests.calibration.posteriors import Posteriors
from tests.calibration.worlds import of_amounts, spread, summary_of, value_of
from tests.nested.answer import Lever, Plan, expected, in_days
from tests.nested.logs import histories_of
from tests.stories import STORIES
from tests.stories.story import CALIBRATION_DAYS, WEEK, priors_of

SEED, DRAWS = 20_31, 500
DAYS = CALIBRATION_DAYS[::2]  # of 50 customers, so that the posterior is wide
RETENTION = BgNbd(
    r=LogNormalPrior(median=0.8, sd_log=0.8),
    rate=LogNormalPrior(median=1.0, sd_log=0.8),
    dropout_mean=BetaPrior(a=1.5, b=3.0),
    dropout_concentration=LogNormalPrior(median=2.0, sd_log=1.0),
)
PRICES: dict[str, Any] = {"margin": 0.4, "cost_per_order": 0.05, "months": 12, "arrival_months": 3}
VISITORS, PER_VISITOR, CONVERSION = 400.0, 0.02, (20.0, 180.0)  # the last a Beta distribution
DEAR = (0.3, 1.2)  # the campaign, in what it would bring if customers went on as they did
EFFECT, EFFECT_SD = 0.1, 0.03  # median change of the order rate, and sd of the log of its factor


@cache
def posteriors() -> tuple[Posteriors, Posteriors]:
    return Posteriors(RETENTION), Posteriors(SPEND)


def world(number: int) -> dict[str, Any]:
    """Truth, 90 % interval and P(better) of the expected difference, and seconds."""
    started = time.perf_counter()
    random = np.random.default_rng([SEED, number])
    refused = 0
    while True:
        life, money, summary = log_of(random)
        try:
            fitted, way = fitted_to(summary, number)
            break
        except DiagnosticsError:
            refused += 1
    cost = cost_of(summary, random)
    conversion = random.beta(*CONVERSION)
    rate = (1 + EFFECT) * np.exp(EFFECT_SD * random.standard_normal())
    row, replicates = decided(fitted, summary, cost, number)
    plan = Plan(visitors=VISITORS, cost_per_visitor=PER_VISITOR, conversion=conversion, **PRICES)
    retention = in_days({name: np.array([value]) for name, value in life.items()})
    spend = {name: np.array([value]) for name, value in (money | {"first_order_factor": 1.0}).items()}
    base, lever = (
        expected(retention, spend, histories_of(summary), plan, lever).plan[0]
        for lever in (Lever(), Lever(rate=rate, monthly_cost=cost))
    )
    return {
        "truth": float(lever - base),
        "interval": [row.delta_p05.item(), row.delta_p95.item()],
        "p_better": row.p_better.item(),
        "mean": row.delta_mean.item(),
        "replicates": replicates,
        "way": way,
        "refused": refused,
        "seconds": time.perf_counter() - started,
    }


def log_of(random: np.random.Generator) -> tuple[dict[str, float], dict[str, float], CustomerSummary]:
    """True parameters of lives, in weeks, and of amounts, and the customers of today."""
    story, days = STORIES["bg_nbd"], DAYS
    life, money = (
        draw({name: value_of(prior, random) for name, prior in priors_of(section).items()})
        for draw, section in ((story.from_priors, RETENTION), (of_amounts, SPEND))
    )
    lives = life_of("bg_nbd")(random, *story.traits(random, life, days.size), days, 1.0)
    columns, _ = amounts_of(lives, money, random)
    return life, money, summary_of(columns)


def fitted_to(summary: CustomerSummary, number: int) -> tuple[FittedModels, str]:
    """As under `fit.method=auto`, with the priors that the truth is from."""
    lives, orders = posteriors()
    rows, money = RETENTION.sufficient(summary), SPEND.sufficient(summary)
    # The unit of money is 1 whatever was ordered, as in the prior of the truth.
    money = money._replace(total=money.total * money.unit, log_sum=money.log_sum + shift_of(summary, money), unit=1.0)
    found, ways = [], []
    for model, table, unit in ((lives, rows, WEEK), (orders, money, number)):
        free, way = model.auto(table, number)
        found.append({name: spread(v, DRAWS) for name, v in model.model.natural(free, table, unit).items()})
        ways.append(way)
    shuffle = np.random.default_rng([SEED, number, 1]).permutation(DRAWS)
    spend = {name: values[shuffle] for name, values in found[1].items()}
    return FittedModels(RETENTION, SPEND, Posterior(found[0], spend, "week")), ", ".join(ways)


def cost_of(summary: CustomerSummary, random: np.random.Generator) -> float:
    """Of the campaign per month: a tenth of the margin of all orders at the pace so far, times a random factor.

    The factor is such that the campaign pays in about half of the worlds.
    """
    frame = summary.customers
    a_day = frame["repeat_amount"].sum() / frame["T_days"].sum()
    people = len(frame) + VISITORS * PRICES["arrival_months"] * CONVERSION[0] / sum(CONVERSION)
    return float(random.uniform(*DEAR) * EFFECT * PRICES["margin"] * a_day * 30.0 * people)


def decided(fitted: FittedModels, summary: CustomerSummary, cost: float, seed: int) -> tuple[Any, int]:
    """The row of the expected difference in plan value, and how often each draw was simulated."""
    size = {"kind": "prior", "dist": "normal", "mean": EFFECT, "sd": EFFECT_SD}
    campaign = {
        "title": "Campaign",
        "advert": {"kind": "shift", "target": "rate", "size": size},
        "agency": {"kind": "cost", "per": "month", "amount": cost},
    }
    conversion = {"kind": "prior", "dist": "beta", "alpha": CONVERSION[0], "beta": CONVERSION[1]}
    ads = {"visitors_per_month": VISITORS, "conversion": conversion, "cost_per_visitor": PER_VISITOR}
    plan = make_plan(
        summary,
        {"baseline": Scenario(title="As today"), "campaign": Scenario.model_validate(campaign)},
        ["campaign"],
        simulation=SimulationConfig(draws=DRAWS, horizon_months=PRICES["months"], jobs=1),
        finance=FinanceConfig(gross_margin=PRICES["margin"], cost_per_order=PRICES["cost_per_order"]),
        acquisition=AcquisitionConfig.model_validate({"months": PRICES["arrival_months"], "channels": {"ads": ads}}),
        environment=EnvironmentConfig(sd_prior=0.0),
        seed=seed,
    )
    simulation, comparison = simulate_and_compare(plan, fitted, summary)
    row = comparison.table.query("scenario == 'campaign' and metric == 'plan_value' and basis == 'expected'")
    return row, simulation.replicates
