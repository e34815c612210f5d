"""Stated numbers: what follows from them is what was stated, whatever else is."""

from typing import Any

import numpy as np
import pytest

from clvsim.effects import Expert
from clvsim.models import stated
from clvsim.models.fitted import implausible_draws
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.price_list import PriceList
from clvsim.models.stated import (
    StatedAmounts,
    StatedContracts,
    StatedOrders,
    StatedRepeats,
    drawn,
    problems,
    stated_assumptions,
    stated_models,
    typical_prices,
)
from clvsim.types import DAYS_PER_MONTH

VARY = (0.0, 0.3, 1.0, 4.0)
BOOK = PriceList.model_validate({"products": {"book": {"price": 20}}})
DOUBT = Expert(p10=0.02, p50=0.05, p90=0.1)


def of(section: Any, **keys: object) -> Any:
    """A section from keys as they are typed."""
    return section.model_validate(keys)


def params(section, **values: float) -> dict[str, np.ndarray]:
    return section.parameters({key: np.array([value]) for key, value in values.items()})


@pytest.mark.parametrize("cv", VARY)
def test_the_share_lost_in_the_first_month_is_the_stated_churn(cv):
    life = of(StatedOrders, orders_per_year=7, monthly_churn=0.05, churn_varies=cv, orders_vary=cv)
    own = params(life, orders_per_year=7, monthly_churn=0.05)
    kept = ParetoNbd().probability_staying_new(own, np.array([DAYS_PER_MONTH]), DAYS_PER_MONTH)
    assert kept[0, 0] == pytest.approx(0.95, rel=1e-9)
    assert own["r"] / own["alpha"] == pytest.approx(7 / 12)
    assert own["r"] ** -0.5 == pytest.approx(max(cv, 1e-3))


@pytest.mark.parametrize("once", [None, 0.25, 0.4, 0.8])
def test_so_many_later_orders_and_so_many_who_make_none(once):
    """m later orders on average, b/(a - 1); those who order once, of whom the model knows after 100 years."""
    own = params(
        of(StatedRepeats, later_orders=3, orders_per_year=26, ordered_once=once), later_orders=3, orders_per_year=26
    )
    assert own["b"] / (own["a"] - 1) == pytest.approx(3, rel=1e-12)
    none = MbgNbd().order_pmf(own, 0, 1200.0, DAYS_PER_MONTH)[0, 0]
    assert none == pytest.approx(once or 0.25, abs=1e-4)


def test_fewer_than_all_alike_cannot_order_once():
    least = params(of(StatedRepeats, later_orders=1, orders_per_year=26), later_orders=1, orders_per_year=26)
    asked = of(StatedRepeats, later_orders=1, orders_per_year=26, ordered_once=0.1)
    assert params(asked, later_orders=1, orders_per_year=26) == least


@pytest.mark.parametrize("cv", VARY)
def test_contracts_end_at_the_first_renewal_as_stated(cv):
    own = params(of(StatedContracts, churn=0.05, churn_varies=cv), churn=0.05)
    a, b = own["alpha"], own["beta"]
    assert a / (a + b) == pytest.approx(0.05, rel=1e-9)
    assert np.sqrt(b / (a * (a + b + 1))) == pytest.approx(max(cv, 1e-3), rel=1e-9)


def test_amounts_have_the_stated_moments():
    """Of a Gamma-Gamma: mean, sd over mean of one customer's orders, and of customers' means."""
    own = params(of(StatedAmounts, order_value=60, orders_vary=0.4, customers_vary=0.8), order_value=60.0)
    assert GammaGamma().newcomer_laws(own).nu_rate.shape == (1, 1)
    p, q, gamma = own["p"], own["q"], own["gamma"]
    assert gamma * p / (q - 1) == pytest.approx(60)
    assert p**-0.5 == pytest.approx(0.4)
    assert (q - 2) ** -0.5 == pytest.approx(0.8)


def test_draws_are_quantiles_at_uniforms_of_their_own():
    life = of(StatedOrders, orders_per_year=Expert(p10=5, p50=7, p90=9), monthly_churn=DOUBT)
    some, more = (drawn("retention", life, n, 3) for n in (400, 4000))
    for key, values in some.items():
        np.testing.assert_array_equal(values.values, more[key].values[:400])
    shares = [np.mean(more["monthly_churn"].values <= q) for q in (0.02, 0.05, 0.1)]
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=4 * 0.5 / np.sqrt(4000))
    together = np.corrcoef(np.array([values.values for values in more.values()]))[0, 1]
    assert abs(together) < 4 / np.sqrt(4000)
    assert (drawn("retention", life, 400, 4)["monthly_churn"].values != some["monthly_churn"].values).all()


def test_models_are_the_registered_ones_and_can_be_simulated():
    for life in (
        of(StatedOrders, orders_per_year=1e-4, monthly_churn=0.0, orders_vary=10, churn_varies=10),
        of(StatedOrders, orders_per_year=1e-4, monthly_churn=0.0),
        of(StatedRepeats, later_orders=1e-4, orders_per_year=1e-4),
        of(StatedOrders, orders_per_year=5000, monthly_churn=1.0),
        of(StatedRepeats, later_orders=1e4, orders_per_year=5000, ordered_once=1.0),
        of(StatedRepeats, later_orders=1e-4, orders_per_year=1e-4, ordered_once=0.0, orders_vary=10),
        of(StatedContracts, churn=0.0, churn_varies=10),
        of(StatedContracts, churn=1.0),
    ):
        fitted = stated_models(life, BOOK, 8, 1)
        assert implausible_draws(fitted) == []
        assert str(fitted.method) == "stated"
        assert all(np.isfinite(values).all() for values in fitted.posterior.retention.values())


def test_bad_numbers_have_a_line_each():
    life = of(StatedOrders, orders_per_year=-3, monthly_churn=1.5)
    spend = PriceList.model_validate({"first": -1, "products": {"book": {"price": -20}}})
    assert [p.where for p in problems("retention", life)] == ["retention.orders_per_year", "retention.monthly_churn"]
    assert [p.where for p in problems("spend", spend)] == ["spend.products.book.price", "spend.first"]
    assert "got -20" in problems("spend", spend)[0].what


def test_each_number_is_an_assumption_with_its_evidence():
    life = of(StatedContracts, churn=DOUBT.model_copy(update={"source": "three gyms"}))
    churn, price = stated_assumptions(life, BOOK, 500, 1)
    assert (churn.path, churn.evidence, churn.unit) == ("retention.churn", "judgement", "probability")
    assert churn.p05 < 0.05 < churn.p95
    assert (price.path, price.evidence, price.unit, price.mean) == ("spend.products.book.price", "stated", "money", 20)
    assert typical_prices(BOOK).tolist() == [20]


@pytest.mark.parametrize(
    ("section", "where", "said"),
    [
        (
            {"kind": "stated_repeats", "later_orders": 3, "orders_per_year": 12, "ordered_once": 0.1},
            "retention.ordered_once",
            "must be at least 0.25, 1/(1 + later_orders), where all customers are alike, got 0.1",
        ),
        (
            {"kind": "stated_contracts", "churn": 0.08, "churn_varies": 10},
            "retention.churn_varies",
            "must be at most 3.37, where some never leave and the others do at once, got 10",
        ),
    ],
)
def test_numbers_that_contradict_each_other(section, where, said):
    life: Any = stated.LIVES[section["kind"]].model_validate(section)
    (problem,) = stated.problems("retention", life)
    assert (problem.where, problem.what) == (where, said)


@pytest.mark.parametrize(
    "section",
    [
        {"kind": "stated_repeats", "later_orders": 3, "orders_per_year": 12, "ordered_once": 0.25},
        {"kind": "stated_repeats", "later_orders": 3, "orders_per_year": 12},
        {"kind": "stated_contracts", "churn": 0.08, "churn_varies": 3.3},
    ],
)
def test_numbers_that_just_go_together(section):
    life: Any = stated.LIVES[section["kind"]].model_validate(section)
    assert not stated.problems("retention", life)
