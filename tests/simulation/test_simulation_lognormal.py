"""Lognormal amounts whose levels go with order rates: simulated means against closed forms, levers, no correlation.

Every tolerance is 4 Monte Carlo standard errors, measured from the simulation itself.
"""

from typing import Any

import numpy as np
import pytest
from shop import BG_NBD, channels, error, ledger, line, run, scenarios, shipped, shop

from clvsim import quantities
from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.models.spend import lognormal, rates
from clvsim.models.spend.lognormal import Lognormal
from clvsim.simulation import levels
from clvsim.types import Posterior

LIFE = {
    "bg_nbd": {**BG_NBD, "r": 0.6},
    "pareto_nbd": {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669},
    "mbg_cnbd": {"r": 0.9, "alpha": 4.0, "a": 0.4, "b": 2.0, "k": 2.0},
}
MONEY = {"mu": 3.0, "omega": 0.7, "sigma": 0.5}


def posterior(draws: int, rho: float | None, model: str = "bg_nbd") -> FittedModels:
    """The same values in every draw; None: levels have nothing to do with rates."""
    life, money = ({k: np.full(draws, v) for k, v in p.items()} for p in (LIFE[model], MONEY))
    money["first_order_factor"] = np.full(draws, 0.8)
    if rho is not None:
        of_rate = rates.log_rate(RETENTION[model]().newcomer_laws(life, 7.0))
        money |= {"rho": np.full(draws, rho), "log_rate_mean": of_rate.mean, "log_rate_sd": of_rate.sd}
    spend = Lognormal(correlated=rho is not None)
    return FittedModels(RETENTION[model](), spend, Posterior(life, money, "week"))


@pytest.mark.parametrize("model", LIFE)
def test_value_of_existing_customers(model: str) -> None:
    """E[orders × amount] per customer and in all; the product of expectations is another figure."""
    draws = 40
    terms: dict[str, Any] = {"horizon_months": 24, "annual_discount_rate": 0.1}
    fitted = posterior(draws, 0.8, model)
    sim = run(draws=draws, replicates=40, horizon_months=24, fitted=fitted, margin=1.0, cost_per_order=0.0)
    value = ledger(sim).contribution().sum(axis=(1, 2))
    worth = quantities.reduce_draws("expected_rlv", fitted, shop(), draws=1, **terms)
    assert sim.customers["rlv_mean"].sum() == pytest.approx(float(worth["total"][0]), rel=1e-9)
    np.testing.assert_allclose(levels.rlv_total(sim), float(worth["total"][0]), rtol=1e-9)
    assert abs(value.mean() - levels.rlv_total(sim)[0]) < 4 * error(value)
    orders = quantities.reduce_draws("expected_discounted_orders", fitted, shop(), draws=1, **terms)
    spend = quantities.reduce_draws("expected_spend", fitted, shop(), draws=1)
    assert abs(value.mean() - float((orders["mean"] * spend["mean"]).sum())) > 6 * error(value)


def test_value_of_newcomers() -> None:
    """First orders average f × the mean over newcomers; repeat orders are those of frequent buyers, who spend more."""
    fitted = posterior(25, 0.8)
    sim = run(draws=25, replicates=60, horizon_months=12, fitted=fitted, acquisition=channels())
    book = ledger(sim)
    heads = line(book, "customers_acquired", "acquisition", age=True)[:, :, 0].sum(axis=(1, 2))
    revenue = line(book, "revenue_orders", "orders", age=True)[:, :, 0].sum(axis=(1, 2))
    model, first_draw = RETENTION["bg_nbd"](), {k: v[:1] for k, v in fitted.posterior.spend.items()}
    life = {k: v[:1] for k, v in fitted.posterior.retention.items()}
    law = lognormal.newcomer_laws(first_draw)
    mean = lognormal.mean_order(law, model.newcomer_laws(life, 7.0))[0, 0]
    plain = mean * model.expected_orders_new(life, 365.25 / 7, 7.0)[0, 0]
    tilted = mean * model.expected_orders_new({**life, "r": life["r"] + law.level_slope[0]}, 365.25 / 7, 7.0)[0, 0]
    gap = revenue - heads * (0.8 * mean + tilted)
    assert abs(gap.mean()) < 4 * error(gap)
    assert abs((gap + heads * (tilted - plain)).mean()) > 4 * error(gap)  # what the product would expect


def test_without_correlation_it_is_the_plain_model() -> None:
    """Every bit of the ledgers, and the closed form."""
    plain, uncorrelated = (run(fitted=posterior(12, rho), acquisition=channels()) for rho in (None, 0.0))
    for book in ("calendar", "age", "cohort"):
        np.testing.assert_array_equal(getattr(ledger(plain), book), getattr(ledger(uncorrelated), book))
    np.testing.assert_allclose(levels.rlv_total(plain), levels.rlv_total(uncorrelated), rtol=1e-12)


def test_levers_work_on_lognormal_amounts() -> None:
    """Shifts of spend multiply every order; nothing changes amounts whose levels go with rates but that."""
    library = scenarios(
        dearer={"d": {"kind": "shift", "target": "spend", "size": 0.1}},
        same={"d": {"kind": "shift", "target": "spend", "size": 0.0}},
        oftener={"d": {"kind": "shift", "target": "rate", "size": 0.1}},
        upsell_soft={k: v for k, v in shipped("upsell_soft").items() if isinstance(v, dict) and "kind" in v},
    )
    sim = run(library, fitted=posterior(12, 0.6), acquisition=channels())
    revenue = {name: line(ledger(sim, name), "revenue_orders", "orders").sum() for name in sim.scenarios}
    assert revenue["dearer"] == pytest.approx(1.1 * revenue["baseline"], rel=1e-6)
    assert revenue["same"] == revenue["baseline"]
    assert revenue["oftener"] > revenue["baseline"]
    assert revenue["upsell_soft"] > 0
