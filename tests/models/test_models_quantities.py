"""The public quantities: labels, products of what the models compute, and reduction in chunks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import clvsim
from clvsim import quantities
from clvsim.errors import ConfigError
from clvsim.models import RETENTION
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import customers_of, spend_history_of
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.types import DAYS_PER_MONTH, Posterior

LIFE = {
    "bg_nbd": {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259},
    "pareto_nbd": {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669},
}
MONEY = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 0.94}
TERMS: dict[str, Any] = {
    "horizon_months": 36.0,
    "annual_discount_rate": 0.1,
    "gross_margin": 0.4,
    "cost_per_order": 2.0,
}
DRAWS = 40


@pytest.fixture(params=list(LIFE))
def fitted(request) -> FittedModels:
    random = np.random.default_rng(3)
    life, money = (
        {k: v * np.exp(0.1 * random.standard_normal(DRAWS)) for k, v in p.items()} for p in (LIFE[request.param], MONEY)
    )
    return FittedModels(RETENTION[request.param](), GammaGamma(), Posterior(life, money, "week"))


def test_values_are_those_of_the_models(fitted, cdnow):
    model, posterior = fitted.retention, fitted.posterior
    life, days = customers_of(cdnow), 36 * DAYS_PER_MONTH
    alive = model.probability_alive(posterior.retention, life, 7.0)
    later = model.expected_discounted_orders(posterior.retention, life, days, 0.1, 7.0)
    spend = spend_history_of(cdnow)
    p, q, gamma = (posterior.spend[k][:, None] for k in ("p", "q", "gamma"))
    order = p * (gamma + spend.total) / (q + p * spend.x - 1)
    found = clvsim.expected_rlv(fitted, cdnow, **TERMS)
    assert found.dims == ("draw", "customer_id")
    assert found.name == "expected_rlv"
    assert list(found["customer_id"].values) == cdnow.customers["customer_id"].tolist()
    np.testing.assert_allclose(found, alive * later * (0.4 * order - 2), rtol=1e-12)
    np.testing.assert_allclose(clvsim.expected_spend(fitted, cdnow), order, rtol=1e-12)
    np.testing.assert_allclose(clvsim.probability_alive(fitted, cdnow), alive, rtol=1e-12)
    orders = clvsim.expected_orders(fitted, cdnow, horizon_months=36)
    np.testing.assert_allclose(orders, model.expected_orders(posterior.retention, life, days, 7.0), rtol=1e-12)
    plain = clvsim.expected_discounted_orders(fitted, cdnow, horizon_months=36, annual_discount_rate=0.0)
    np.testing.assert_allclose(plain, orders, rtol=1e-12)
    active = clvsim.probability_active(fitted, cdnow, horizon_months=36)
    assert (active <= np.minimum(orders, alive) * (1 + 1e-12)).all()


def test_longer_horizons_are_worth_more(fitted, cdnow):
    worth = [
        clvsim.expected_rlv(fitted, cdnow, **{**TERMS, "horizon_months": h, "cost_per_order": 0.0})
        for h in (12.0, 120.0, np.inf)
    ]
    assert (worth[0] < worth[1]).all()
    assert (worth[1] < worth[2]).all()


def test_reduction_is_of_all_draws(fitted, cdnow, monkeypatch):
    plain = clvsim.expected_rlv(fitted, cdnow, **TERMS)
    monkeypatch.setattr(quantities, "CELLS_AT_ONCE", 100 * DRAWS)
    found = clvsim.reduce_draws("expected_rlv", fitted, cdnow, quantiles=(0.05, 0.95), **TERMS)
    np.testing.assert_allclose(found["mean"], plain.mean("draw"), rtol=1e-12)
    np.testing.assert_allclose(found["total"], plain.sum("customer_id"), rtol=1e-12)
    np.testing.assert_allclose(found["quantile"], np.quantile(plain, [0.05, 0.95], axis=0), rtol=1e-12)
    assert found["quantile"].dims == ("probability", "customer_id")
    assert list(found["customer_id"].values) == cdnow.customers["customer_id"].tolist()
    again = clvsim.reduce_draws("expected_rlv", fitted, cdnow, quantiles=(0.05, 0.95), jobs=2, **TERMS)
    assert again.identical(found)
    few = clvsim.reduce_draws("probability_alive", fitted, cdnow, draws=7)
    assert few["total"].shape == (7,)
    np.testing.assert_allclose(few["total"], clvsim.probability_alive(fitted, cdnow)[:7].sum("customer_id"))


def test_customers_do_not_depend_on_their_neighbours(fitted, cdnow, monkeypatch):
    """A customer's figures are the same bits alone, in chunks, and in another order of rows."""
    monkeypatch.setattr(quantities, "CELLS_AT_ONCE", 57 * DRAWS)
    plain = clvsim.expected_rlv(fitted, cdnow, **TERMS)
    mixed = replace(cdnow, customers=cdnow.customers.sample(frac=0.3, random_state=5).reset_index(drop=True))
    found = clvsim.expected_rlv(fitted, mixed, **TERMS)
    np.testing.assert_array_equal(found, plain.sel(customer_id=found["customer_id"]))


def test_mistakes_are_said_together(fitted, cdnow):
    with pytest.raises(ConfigError) as error:
        clvsim.reduce_draws("expected_rlw", fitted, cdnow, quantiles=(0.05, 95))
    assert [p.where for p in error.value.problems] == ["quantity", "quantiles"]


@pytest.mark.parametrize(
    ("quantity", "options", "where", "what"),
    [
        ("expected_orders", {"horizon_months": np.nan}, "horizon_months", "must be 0 or more, got nan"),
        ("expected_orders", {"horizon_months": -12}, "horizon_months", "must be 0 or more, got -12"),
        ("probability_active", {"horizon_months": -1}, "horizon_months", "must be 0 or more"),
        ("expected_rlv", TERMS | {"annual_discount_rate": -2}, "annual_discount_rate", "must be above -1, got -2"),
        ("expected_rlv", {"horizon_months": 12}, "options", "expected_rlv: missing a required argument"),
        ("expected_spend", {"horizon_months": 12}, "options", "expected_spend: got an unexpected keyword argument"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(fitted, cdnow, quantity, options, where, what):
    with pytest.raises(ConfigError) as error:
        clvsim.reduce_draws(quantity, fitted, cdnow, **options)
    (problem,) = error.value.problems
    assert problem.where == where
    assert what in problem.what
    if where != "options":
        with pytest.raises(ConfigError):
            getattr(clvsim, quantity)(fitted, cdnow, **options)


def test_values_of_contracts_at_one_price(cdnow):
    """Those who are lost are worth nothing, even where the others renew without end (alpha below 1)."""
    life = {"alpha": np.full(3, 0.7), "beta": np.full(3, 1.8)}
    money = {"price": np.full(3, 20.0), "first_order_factor": np.ones(3)}
    contracts = FittedModels(Sbg(), FixedPrice(price="mean"), Posterior(life, money, "week"))
    lost = Sbg().histories(cdnow).lost > 0
    paid, times = spend_history_of(cdnow).total, spend_history_of(cdnow).x
    found = clvsim.expected_rlv(contracts, cdnow, **TERMS).values
    orders = clvsim.expected_discounted_orders(contracts, cdnow, horizon_months=36, annual_discount_rate=0.1).values
    some = times > 0
    np.testing.assert_allclose(found[:, some], orders[:, some] * (0.4 * (paid / np.maximum(times, 1))[some] - 2))
    endless = clvsim.expected_discounted_orders(
        contracts, cdnow, horizon_months=np.inf, annual_discount_rate=0.0
    ).values
    assert 0 < lost.sum() < lost.size
    assert (endless[:, lost] == 0).all()
    assert np.isinf(endless[:, ~lost]).all()
