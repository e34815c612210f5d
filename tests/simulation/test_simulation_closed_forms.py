"""Simulated means against closed forms and published numbers; environment off, fixed parameters.

Every tolerance is 4 Monte Carlo standard errors, measured from the simulation itself; both sides count.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate
from shop import BG_NBD, CALM, GAMMA_GAMMA, channels, error, ledger, line, posterior, run, shop

from clvsim.interventions.base import Group
from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from clvsim.models.laws import LifeLaw, SpendLaw, customers_of, spend_history_of
from clvsim.models.retention import bg_nbd
from clvsim.models.spend import gamma_gamma
from clvsim.simulation import engine, levels
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.people import Block, existing_blocks, join_laws, newcomer_laws, people_of
from clvsim.simulation.tables import Calendar, Levers
from clvsim.simulation.worlds import make_worlds
from clvsim.types import CustomerSummary

WEEKS = (1, 3, 12, 26, 39, 52, 78)
# Published, at r .243 α 4.414 a .793 b 2.426 and at the maximum of Pareto/NBD, in weeks.
BG_NBD_MEANS = (0.05327, 0.15087, 0.50137, 0.90264, 1.19672, 1.44605, 1.86052)
PARETO_MEANS = (0.05101, 0.14613, 0.49776, 0.90891, 1.21340, 1.47343, 1.90987)
PARETO = {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}


def orders_of(block: Block, days: float, draws: int, rate: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Orders per customer (w, c), and discounted orders by week (w, weeks)."""
    weeks = math.ceil(days / 7)
    nothing = Levers("baseline", (), (), ())
    setting = engine.Setting(
        worlds=make_worlds(11, draws, 1, int(days / 30) + 2, CALM),
        groups=(Group("existing"),),
        calendar=Calendar(weeks + 1, 1, math.log1p(rate) / 365.25),
        gross_margin=1.0,
        cost_per_order=0.0,
        money_scale=32.0,
        length_days=days,
        stop_days=days,
        period_days=7.0,
        attrition_clock="time",
    )
    raw = engine.empty_raw(setting, nothing, weeks, weeks, 1)
    totals = engine.run_block(block, [engine.make_job(setting, nothing, raw)], setting, 1, per_customer=True)
    assert totals is not None
    return totals.orders, raw.calendar[:, :, ks.ORDERS, 1].sum(axis=1) / ks.COUNT_UNIT


def test_existing_customers_of_cdnow(cdnow: CustomerSummary) -> None:
    """Conditional expectation over 39 weeks, overall (1,653.4 published) and by frequency class."""
    draws = 400
    zeros = np.zeros(len(cdnow.customers), np.int64)
    (block,), order = existing_blocks(cdnow, posterior(draws), zeros, zeros, 4096)
    orders, _ = orders_of(block, 7 * 39.0, draws)
    history = customers_of(cdnow)
    parameters = {name: np.array([value]) for name, value in BG_NBD.items()}
    x, t_x, T = history.x[order], history.t_x_days[order] / 7, history.T_days[order] / 7
    expected = bg_nbd.expected_orders(parameters, x, t_x, T, 39.0)[0]
    assert expected.sum() == pytest.approx(1653.4, abs=0.15)  # of the rounded parameters
    total = orders.sum(axis=1)
    assert abs(total.mean() - expected.sum()) < 4 * error(total)
    assert error(total) < 0.005 * total.mean()  # so that 4 errors are 2 %
    for low, high in [(k, k) for k in range(7)] + [(7, 99)]:
        rows = (x >= low) & (x <= high)
        simulated = orders[:, rows].mean(axis=1)
        assert abs(simulated.mean() - expected[rows].mean()) < 4 * error(simulated), low


def one_newcomer(copies: int, draws: int, laws) -> Block:
    """Many copies of a customer who is given by a law only. `laws` (draws slice) → kernel's laws."""
    keys = rng.text_keys([f"copy {i}" for i in range(copies)])
    return Block(people_of(key=keys), laws, newcomers=False, renewing=False)


def test_newcomers_published_expectations() -> None:
    """E[X(t)] at seven times from one simulation of 78 weeks; newcomers' first order is not a repeat order."""
    draws, copies = 200, 2000
    published = posterior(draws, r=0.243, alpha=4.414, a=0.793, b=2.426)
    _, weekly = orders_of(one_newcomer(copies, draws, newcomer_laws(published)), 7 * 78.0, draws)
    check_expectations(weekly / copies, BG_NBD_MEANS)


def pareto_laws(columns: int, **conditional: np.ndarray | float):
    """Pareto/NBD by hand: rate and hazard are Gamma, nothing is charged per order."""
    week = {"r": PARETO["r"], "alpha": 7 * PARETO["alpha"], "s": PARETO["s"], "beta": 7 * PARETO["beta"]} | conditional
    fields = {
        "p_alive": week.get("p_alive", 1.0), "rate_shape": week["r"], "rate_rate": week["alpha"], "mu_shape": week["s"],
        "mu_rate": week["beta"], "drop_a": 0.0, "drop_b": 1.0,
    }  # fmt: skip
    return made_by_hand(columns, **fields)


MIXED = ("rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b", "buy_a", "buy_b")


def made_by_hand(columns: int, **fields: Any) -> Callable[[slice], ks.Laws]:
    """Laws of equal draws from fields of `LifeLaw`; those of a mixture have an axis for its components."""

    def laws(draws: slice) -> ks.Laws:
        shape = (draws.stop - draws.start, columns)
        spend = SpendLaw(*(np.full(shape, v) for v in (6.25, 3.74, 15.44)))
        life: dict[str, Any] = dict(fields)
        for name in ("p_alive", "weight", *MIXED):
            if name in fields:
                value = np.asarray(fields[name], float)
                life[name] = np.broadcast_to(value, shape + value.shape[2:])
        return join_laws(LifeLaw(**life), spend, 1.0)

    return laws


def test_pareto_nbd_newcomers() -> None:
    draws, copies = 200, 2000
    _, weekly = orders_of(one_newcomer(copies, draws, pareto_laws(1)), 7 * 78.0, draws)
    check_expectations(weekly / copies, PARETO_MEANS)


def check_expectations(weekly: np.ndarray, published: tuple[float, ...]) -> None:
    until = np.cumsum(weekly, axis=1)
    for t, expected in zip(WEEKS, published, strict=True):
        simulated = until[:, t - 1]
        assert abs(simulated.mean() - expected) < 4 * error(simulated) + 5e-6, (t, simulated.mean(), expected)
    assert error(until[:, -1]) < 0.005 * published[-1]


def test_pareto_nbd_existing_customer() -> None:
    """Customer 1516 (26, 30.857, 31): 25.456 orders in 52 weeks, P(alive) .99787."""
    draws, copies, x, age = 200, 300, 26.0, 31.0
    law = pareto_laws(
        1, r=PARETO["r"] + x, alpha=7 * (PARETO["alpha"] + age), beta=7 * (PARETO["beta"] + age), p_alive=0.99787
    )
    orders, _ = orders_of(one_newcomer(copies, draws, law), 7 * 52.0, draws)
    simulated = orders.mean(axis=1)
    assert abs(simulated.mean() - 25.456) < 4 * error(simulated) + 5e-4


def test_pareto_nbd_discounted() -> None:
    """DERT of Fader, Hardie & Lee 2005 (JMR), t_x = 77, x = 14: 35.478. 20 years leave a remainder computed here."""
    draws, copies, x, T, delta = 200, 150, 14.0, 77.86, 0.0027
    r, alpha, s, beta = 0.5630, 12.559, 0.4081, 10.515

    # given alive, the intensity of orders at t is E[λ e^{-μt}] = (r+x)/(α+T) ((β+T)/(β+T+t))^s
    def intensity(t: float) -> float:
        return (r + x) / (alpha + T) * ((beta + T) / (beta + T + t)) ** s * math.exp(-delta * t)

    weeks = 52.0 * 20
    within, beyond = (integrate.quad(intensity, *span)[0] for span in ((0, weeks), (weeks, np.inf)))
    alive = 35.478 / (within + beyond)
    assert alive == pytest.approx(0.997, abs=0.003)  # bought last week
    law = pareto_laws(1, r=r + x, alpha=7 * (alpha + T), s=s, beta=7 * (beta + T), p_alive=alive)
    yearly = math.expm1(delta / 7 * 365.25)
    _, weekly = orders_of(one_newcomer(copies, draws, law), 7 * weeks, draws, rate=yearly)
    simulated = weekly.sum(axis=1) / copies
    assert abs(simulated.mean() - alive * within) < 4 * error(simulated)


def test_discounted_value_of_existing_customers() -> None:
    """RLV: discounted orders × conditional mean spend × margin − cost per order, in total and per customer class."""
    draws = 1500
    sim = run(draws=draws, horizon_months=24)
    summary = shop()
    parameters = {k: np.array([v]) for k, v in BG_NBD.items()}
    history = customers_of(summary)
    alive = bg_nbd.laws(parameters, history, 7.0).p_alive[0]
    days = 24 * 365.25 / 12
    orders = alive * bg_nbd.expected_discounted_orders(parameters, history, days, 0.1, 7.0)[0]
    spends = spend_history_of(summary)
    money = {k: np.array([v]) for k, v in GAMMA_GAMMA.items()}
    spend = gamma_gamma.expected_spend(money, spends.x, spends.total)[0]
    book = ledger(sim)
    for account, expected in (("orders", orders.sum()), ("revenue_orders", (orders * spend).sum())):
        simulated = line(book, account, "orders")[:, :, 1].sum(axis=(1, 2))
        assert abs(simulated.mean() - expected) < 4 * error(simulated), account
    value = book.contribution().sum(axis=(1, 2))
    worth = (orders * (0.4 * spend - 1.5)).sum()
    assert abs(value.mean() - worth) < 4 * error(value)
    assert error(value) < 0.01 * worth
    np.testing.assert_allclose(levels.rlv_total(sim), worth, rtol=1e-9)
    assert sim.customers["rlv_mean"].sum() == pytest.approx(worth, rel=1e-9)
    np.testing.assert_allclose(sim.customers["p_alive"], alive, rtol=1e-12)


def test_spend_of_newcomers() -> None:
    """First orders average f × the population mean γp/(q − 1); repeat orders the mean itself."""
    sim = run(draws=1500, horizon_months=12, acquisition=channels())
    book = ledger(sim)
    new = [g.origin == "new" for g in book.groups if g.origin != "company"]
    heads = line(book, "customers_acquired", "acquisition", age=True)[:, :, 0].sum(axis=(1, 2))
    orders = line(book, "orders", "orders", age=True)[:, :, 0].sum(axis=(1, 2))
    revenue = line(book, "revenue_orders", "orders", age=True)[:, :, 0].sum(axis=(1, 2))
    assert new.count(True) == 1
    mean = GAMMA_GAMMA["gamma"] * GAMMA_GAMMA["p"] / (GAMMA_GAMMA["q"] - 1)
    # spend is independent of orders, so this is exact on average whatever the numbers of orders are
    gap = revenue - mean * (GAMMA_GAMMA["first_order_factor"] * heads + (orders - heads))
    assert abs(gap.mean()) < 4 * error(gap)
    assert error(gap) < 0.01 * revenue.mean()
    alone = gap - mean * (1 - GAMMA_GAMMA["first_order_factor"]) * heads  # what no factor would expect
    assert abs(alone.mean()) > 4 * error(alone)
    repeat = (orders - heads) / heads.mean()
    expected = bg_nbd.expected_orders_new({k: np.array([v]) for k, v in BG_NBD.items()}, 365.25 / 7)[0, 0]
    assert abs(repeat.mean() - expected) < 4 * error(repeat)


def test_environment_leaves_the_mean_alone() -> None:
    """Multipliers have mean 1. Attrition per order takes a little back: of second order in a shock of 10 %.

    Σ over weeks of m(t) spreads by sd² × (months of memory / horizon), about .1² × 3/12 = .0025 of the exponent; the
    mean number of orders, concave in it, may move by less than half of that, .13 %.
    """
    draws = 2000
    calm = run(draws=draws, summary=shop(120))
    stormy = run(draws=draws, summary=shop(120), environment=EnvironmentConfig(sd_prior=0.1))
    a, b = (ledger(s).total("orders") for s in (calm, stormy))
    gap = b - a
    assert abs(gap.mean()) < 4 * error(gap) + 0.0013 * a.mean()
    assert error(gap) < 0.01 * a.mean()
    assert b.var() > a.var()


def test_environment_multiplier() -> None:
    """Mean 1, stationary sd of the draw, autocorrelation as stated."""
    worlds = make_worlds(5, 40_000, 1, 6, EnvironmentConfig(sd_prior=0.3, autocorrelation=0.5))
    sd = worlds.environment_sd
    assert abs(sd.mean() - 0.3 * math.sqrt(2 / math.pi)) < 4 * error(sd)
    multiplier = np.exp(worlds.log_rate)
    for m in range(6):
        assert abs(multiplier[:, m].mean() - 1) < 4 * error(multiplier[:, m])
    z = (worlds.log_rate + 0.5 * sd[:, None] ** 2) / sd[:, None]
    assert z.std(axis=0) == pytest.approx(1, abs=4 / math.sqrt(2 * 40_000))
    assert np.corrcoef(z[:, 2], z[:, 3])[0, 1] == pytest.approx(0.5, abs=4 * 0.75 / 200)
    assert np.corrcoef(z[:, 2], z[:, 4])[0, 1] == pytest.approx(0.25, abs=4 * 0.94 / 200)


def test_share_without_repeat_order() -> None:
    """P(X(39) = 0) = .57379 at the published parameters."""
    draws, copies = 100, 2000
    published = posterior(draws, r=0.243, alpha=4.414, a=0.793, b=2.426)
    orders, _ = orders_of(one_newcomer(copies, draws, newcomer_laws(published)), 7 * 39.0, draws)
    silent = (orders == 0).mean(axis=1)
    assert abs(silent.mean() - 0.57379) < 4 * error(silent) + 5e-6
