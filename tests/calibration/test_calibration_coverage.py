"""Forecasts of customers whose future is known: how often intervals hold what comes, at one true set of parameters.

A thousand data sets per model from published parameters, each with its own posterior and with a hold-out as long as the
calibration, simulated by `validation.holdout` as `clvsim validate` does, parameter and process uncertainty alike.
Posteriors: `laplace`, and where its diagnostics do not pass NUTS, as under `fit.method=auto`. Times are continuous;
the product's logs are cut into days. Spend, groups, seasons and the environment's shocks are not looked at.
"""

import zlib
from collections import Counter

import numpy as np
import pytest
from worlds import WEEK, Values, last_of, spread, stays, summary_of

from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.simulation.config import EnvironmentConfig
from clvsim.types import CustomerSummary, Posterior
from clvsim.validation.holdout import CALM, Setting, simulate_holdout

SETS, DRAWS = 1000, 300
SEED = 20_05
T = np.round(np.linspace(27 * WEEK, 39 * WEEK, 500))  # days; as CDNOW's first quarter of 1997 at the end of September
AHEAD = 39 * WEEK
PERIODS = 13  # opportunities of BG/BB so far, and in the hold-out
EVERY = AHEAD / PERIODS  # days
# Maximum likelihood on CDNOW, in weeks: Fader, Hardie & Lee 2005.
BG_NBD = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}
PARETO_NBD = {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}
BG_BB = {"alpha": 1.2035, "beta": 0.7497, "gamma": 0.6567, "delta": 2.7834}  # donations: Fader, Hardie & Shang 2010


def left_after_an_order(v: Values, random: np.random.Generator) -> Values:
    """BG/NBD: an order that is survived leads to the next."""
    rate = random.gamma(v["r"], 1 / (v["alpha"] * WEEK), T.size)
    before, after = (random.poisson(rate * days).astype(float) for days in (T, AHEAD))
    last = stays(random.beta(v["a"], v["b"], T.size), random) + 1  # order after which the customer is gone
    x = np.minimum(before, last)
    later = np.minimum(after, np.maximum(last - before, 0.0))
    return {"frequency": x, "recency_days": last_of(x, before, T, random), "holdout_frequency": later}


def died_between_orders(v: Values, random: np.random.Generator) -> Values:
    """Pareto/NBD: orders until a death that has nothing to do with them."""
    rate = random.gamma(v["r"], 1 / (v["alpha"] * WEEK), T.size)
    life = random.exponential(size=T.size) / random.gamma(v["s"], 1 / (v["beta"] * WEEK), T.size)
    seen, ahead = np.minimum(life, T), np.clip(life - T, 0.0, AHEAD)
    x, later = (random.poisson(rate * days).astype(float) for days in (seen, ahead))
    return {"frequency": x, "recency_days": last_of(x, x, seen, random), "holdout_frequency": later}


def left_before_an_opportunity(v: Values, random: np.random.Generator) -> Values:
    """BG/BB: as many opportunities ahead as there have been."""
    n = T.size
    lived = stays(random.beta(v["gamma"], v["delta"], n), random)
    number = np.arange(1, 2 * PERIODS + 1)
    chance = random.beta(v["alpha"], v["beta"], n)[:, None]
    used = (random.random((n, number.size)) < chance) & (number <= lived[:, None])
    before, after = used[:, :PERIODS], used[:, PERIODS:]
    return {
        "frequency": before.sum(axis=1),
        "recency_days": (before * number[:PERIODS]).max(axis=1) * EVERY,
        "T_days": PERIODS * EVERY + 5,
        "holdout_frequency": after.sum(axis=1),
    }


def made(story, truth: Values, random: np.random.Generator) -> CustomerSummary:
    columns = (
        {"T_days": T}
        | story(truth, random)
        | {
            "customer_id": [f"c{i}" for i in range(T.size)],
            "first_amount": 9.0,
            "repeat_positive": 0,
            "repeat_amount": 0.0,
        }
    )
    columns["holdout_frequency"] = columns["holdout_frequency"].astype(np.int64)
    facts = {"opportunity_days": EVERY} if story is left_before_an_opportunity else {}
    return summary_of(columns, holdout_days=int(AHEAD), **facts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "truth", "story"),
    [
        ("bg_nbd", BG_NBD, left_after_an_order),
        ("bg_bb", BG_BB, left_before_an_opportunity),
        ("pareto_nbd", PARETO_NBD, died_between_orders),
    ],
    ids=["bg_nbd", "bg_bb", "pareto_nbd"],
)
def test_intervals_hold_what_comes(kind, truth, story, record_property):
    """Both shares between 76 and 84 %. Of 1,000 portfolios the share has a standard error of 1.3 %."""
    from posteriors import Posteriors

    model = RETENTION[kind](**({"opportunity_days": EVERY} if kind == "bg_bb" else {}))
    posteriors = Posteriors(model)
    ways = Counter[str]()
    central, covered, errors = [], [], []

    def sample(number: int) -> CustomerSummary:
        return made(story, truth, np.random.default_rng([SEED, zlib.crc32(kind.encode()), number]))

    for number in range(SETS):
        summary = sample(number)
        rows = model.sufficient(summary)
        free, way = posteriors.auto(rows, number)
        ways[way] += 1
        life = {symbol: spread(values, DRAWS) for symbol, values in model.natural(free, rows, WEEK).items()}
        spend = {"price": np.full(DRAWS, 9.0), "first_order_factor": np.ones(DRAWS)}
        fitted = FittedModels(model, FixedPrice(), Posterior(life, spend, "week"))
        setting = Setting(EnvironmentConfig(sd_prior=0.0), DRAWS, number, 1, 4096)
        found = simulate_holdout(fitted, summary, {"total": np.zeros(T.size, np.int64)}, CALM, setting)
        total = found.grouped["total"][:, 0]
        low, high = np.quantile(total, [0.1, 0.9])
        actual = summary.customers["holdout_frequency"].sum()
        covered.append(low <= actual <= high)
        central.append(((found.customers.pit >= 0.1) & (found.customers.pit <= 0.9)).mean())
        errors.append(total.mean() / actual - 1)
    record_property("customers in the central 80 %", f"{np.mean(central):.4f}")
    record_property("portfolios in the 80 % interval", f"{np.mean(covered):.3f}")
    record_property("mean error of the portfolio", f"{np.mean(errors):+.4f}, sd {np.std(errors):.4f}")
    record_property("by", ", ".join(f"{way} {count}" for way, count in sorted(ways.items())))
    assert 0.76 <= np.mean(central) <= 0.84
    assert 0.76 <= np.mean(covered) <= 0.84
