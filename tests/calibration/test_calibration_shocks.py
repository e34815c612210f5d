"""Shops that months move: how often 90 % intervals hold the orders and the revenue of the twelve months that follow.

Each world is a log of 18 months in plain NumPy: MBG/NBD customers with gamma-gamma amounts whose orders fall due by a
clock of monthly shocks, of a rate that falls, or of neither; and the twelve months after it, which the models do not
see. Both models are fitted by `laplace`, the path of the months is learned as `clvsim.fit` does, and `clvsim.simulate`
says what may come of the customers of today.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from posteriors import Posteriors

from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.models.inference import centre, laplace
from clvsim.models.shocks import Centre, learn
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.types import DAYS_PER_MONTH, PARTS, CustomerSummary, Posterior

WORLDS, DRAWS, SEED = 200, 300, 20_11
MONTHS, AHEAD = 18, 12
WEEK, YEAR = 7.0, 365.25
TODAY = date(2025, 6, 30)
LIFE = {"r": 0.9, "alpha": 35.0, "a": 0.8, "b": 6.0}  # alpha in days: an order in five and a half weeks
MONEY = {"p": 6.25, "q": 3.74, "gamma": 15.44}
CALM = EnvironmentConfig(sd_prior=0.0)


class Shop(NamedTuple):
    """A log up to today, and orders and revenue of its customers in the months after it."""

    summary: CustomerSummary
    orders: int
    revenue: float


def log_rate(random: np.random.Generator, day: np.ndarray, sd: float, yearly: float) -> np.ndarray:
    """Of days from today, 1 being tomorrow: AR(1) shocks by month of mean multiplier 1, and a rate that is `yearly`
    times as high after a year, on average as high over the log as without it."""
    u = random.standard_normal(MONTHS + AHEAD)
    for m in range(1, u.size):
        u[m] = 0.5 * u[m - 1] + np.sqrt(0.75) * u[m]
    month = np.clip(MONTHS + np.floor((day - 1) / DAYS_PER_MONTH), 0, u.size - 1)
    shocks = sd * u.take(np.asarray(month, np.int64)) - sd**2 / 2
    return shocks + np.log(yearly) * (day + MONTHS * DAYS_PER_MONTH / 2) / YEAR


def shop(random: np.random.Generator, customers: int, sd: float = 0.0, yearly: float = 1.0) -> Shop:
    """Customers who come evenly over the log, one order a day at most."""
    length, ahead = round(MONTHS * DAYS_PER_MONTH), round(AHEAD * DAYS_PER_MONTH)
    day = np.arange(1, length + ahead + 1) - length
    clock = np.concatenate([[0.0], np.cumsum(np.exp(log_rate(random, day, sd, yearly)))])
    born = random.integers(0, length - 30, customers)
    rate = random.gamma(LIFE["r"], 1 / LIFE["alpha"], customers)
    leave = random.beta(LIFE["a"], LIFE["b"], customers)
    nu = random.gamma(MONEY["q"], 1 / MONEY["gamma"], customers)
    at, who = clock[born].copy(), np.flatnonzero(random.random(customers) >= leave)
    bought = []
    while who.size:
        at[who] += random.exponential(1 / rate[who])
        who = who[at[who] < clock[-1]]
        bought.append(np.column_stack([who, np.searchsorted(clock, at[who], side="right")]))
        who = who[random.random(who.size) >= leave[who]]
    orders: Any = np.unique(np.concatenate(bought), axis=0)
    orders = orders[orders[:, 1] > born[orders[:, 0]]]  # those of the day of the first order are that order
    customer, on = orders.T
    amount = random.gamma(MONEY["p"], 1 / nu[customer])
    known = on <= length

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(customer[known], values[known], customers)

    last = np.zeros(customers)
    np.maximum.at(last, customer[known], (on - born[customer])[known])
    daily = np.zeros((PARTS, length + 1), np.int64)
    np.add.at(daily, (customer[known] % PARTS, on[known]), 1)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{c:05d}" for c in range(customers)],
            "frequency": total(np.ones(customer.size)).astype(np.int64),
            "recency_days": last,
            "T_days": (length - born).astype(float),
            "first_amount": random.gamma(MONEY["p"], 1 / nu),
            "repeat_amount": total(amount),
            "repeat_log_amount": total(np.log(amount)),
            "repeat_log_square": total(np.log(amount) ** 2),
            "repeat_positive": total(np.ones(customer.size)).astype(np.int64),
            "holdout_frequency": np.bincount(customer[~known], minlength=customers),
            "segment": "",
            "channel": "",
        }
    )
    first, end = TODAY - timedelta(days=length), TODAY + timedelta(days=ahead)
    summary = CustomerSummary(frame, TODAY, first, end, "week", "made up", daily)
    return Shop(summary, int((~known).sum()), float(amount[~known].sum()))


LIVES, AMOUNTS = Posteriors(RETENTION["mbg_nbd"]()), Posteriors(GammaGamma())


def fitted_to(summary: CustomerSummary, environment: EnvironmentConfig, seed: int) -> FittedModels:
    """As `clvsim.fit` by laplace, with densities that are compiled once."""
    model, money = LIVES.model, AMOUNTS.model
    rows, amounts = model.sufficient(summary), money.sufficient(summary)
    compiled, of_amounts = LIVES.compiled_for(rows), AMOUNTS.compiled_for(amounts)
    free, _ = laplace(compiled, model.kind, len(rows.count), DRAWS, seed)
    spend = money.natural(laplace(of_amounts, money.kind, len(amounts.count), DRAWS, seed)[0], amounts, seed)
    mixed = np.random.default_rng(seed).permutation(DRAWS)
    life = {name: values[mixed] for name, values in model.natural(free, rows, WEEK).items()}
    if environment.path_prior:
        density, mode = centre(compiled, model.kind, seed)
        at = Centre(mode, lambda points: model.natural(density.constrain(points), rows, WEEK))
        model, life = learn(model, life, at, summary, environment.path_prior, WEEK, seed)
    return FittedModels(model, money, Posterior(life, spend, "week"))


class Forecast(NamedTuple):
    """90 % intervals of orders and revenue."""

    orders: tuple[float, float]
    revenue: tuple[float, float]


def forecast(summary: CustomerSummary, environment: EnvironmentConfig, seed: int) -> tuple[Forecast, FittedModels]:
    fitted = fitted_to(summary, environment, seed)
    simulation = simulate(
        fitted,
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=DRAWS, horizon_months=AHEAD, jobs=1),
        finance=FinanceConfig(annual_discount_rate=0.0),
        environment=environment,
        seed=seed,
    )
    ledger: Any = simulation.scenarios[BASELINE].ledger
    ends = [tuple(np.quantile(ledger.total(account), [0.05, 0.95])) for account in ("orders", "revenue_orders")]
    return Forecast(*ends), fitted


@dataclass(frozen=True)
class Found:
    """Shares of worlds whose orders and revenue lay inside, mean relative widths, share of worlds warned of."""

    orders: float
    revenue: float
    width: float
    drift: float
    season: float


def study(customers: int, sd: float, yearly: float, environment: EnvironmentConfig, worlds: int = WORLDS) -> Found:
    rows = []
    for number in range(worlds):
        world = shop(np.random.default_rng([SEED, customers, number]), customers, sd, yearly)
        inside, fitted = forecast(world.summary, environment, number)
        model: Any = fitted.retention
        said = model.warnings(world.summary, fitted.posterior.retention)
        rows.append([
            inside.orders[0] <= world.orders <= inside.orders[1],
            inside.revenue[0] <= world.revenue <= inside.revenue[1],
            (inside.orders[1] - inside.orders[0]) / world.orders,
            any("order rate has" in sentence for sentence in said),
            any("look like a season" in sentence for sentence in said),
        ])  # fmt: skip
    return Found(*np.mean(np.array(rows, float), axis=0))


@pytest.mark.slow
@pytest.mark.parametrize("customers", [600, 3000])
def test_shocks_are_held(customers, record_property):
    """Of 200 worlds a share of .90 has a standard error of .021."""
    found = study(customers, 0.2, 1.0, EnvironmentConfig())
    record_property("found", str(found))
    assert 0.85 <= found.orders <= 0.97
    assert 0.85 <= found.revenue <= 0.97


@pytest.mark.slow
def test_quiet_months_cost_little(record_property):
    """Without shocks intervals are not too short, nor much wider than where none are allowed for; few false alarms."""
    found, calm = (study(3000, 0.0, 1.0, environment) for environment in (EnvironmentConfig(), CALM))
    record_property("found", str(found))
    record_property("with the layer off", str(calm))
    assert 0.85 <= found.orders <= 0.99
    assert 0.85 <= found.revenue <= 0.99
    assert found.width <= 1.4 * calm.width
    assert found.drift + found.season <= 0.07


@pytest.mark.slow
def test_drift_is_named_and_mostly_held(record_property):
    """A rate that falls by 40 % a year, before today and after."""
    found = study(3000, 0.0, 0.6, EnvironmentConfig())
    record_property("found", str(found))
    assert found.drift >= 0.9
    assert found.orders >= 0.75
    assert found.revenue >= 0.75
