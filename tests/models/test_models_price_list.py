"""A price list: the law is the list, in the model, in closed forms and in files."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from clvsim.data.tables.stated import summary_of
from clvsim.errors import ConfigError
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.fitted import implausible_draws
from clvsim.models.laws import SpendLaw, scaled
from clvsim.models.protocol import SpendModel
from clvsim.models.spend.price_list import PriceList
from clvsim.models.stated import StatedContracts, stated_models

THREE = {"a": {"price": 5, "share": 0.5}, "b": {"price": 20, "share": 0.25}, "c": {"price": 80, "share": 0.25}}
MODEL = PriceList.model_validate({"first": 11, "products": THREE})
PARAMS = MODEL.parameters(
    {"products.a.price": np.array([5.0, 6.0]), "products.b.price": np.array([20.0, 20.0]),
     "products.c.price": np.array([80.0, 60.0]), "first": np.array([11.0, 11.0])}
)  # fmt: skip
MEANS = [27.5, 23.0]
NOBODY, SEVEN = (summary_of(n, date(2026, 1, 1), "month") for n in (0, 7))


def of(section: Any, **keys: object) -> Any:
    """A section from keys as they are typed."""
    return section.model_validate(keys)


def test_the_law_is_the_list():
    model: SpendModel = MODEL
    law = model.newcomer_laws(PARAMS)
    assert isinstance(law, SpendLaw)
    assert law.product_price is not None
    assert law.product_upto is not None
    np.testing.assert_allclose(law.product_price, [[5, 20, 80], [6, 20, 60]])
    np.testing.assert_allclose(law.product_upto, [[0.5, 0.75, 1.0]] * 2)
    assert law.order_shape.tolist() == [[0], [0]]
    np.testing.assert_allclose(law.nu_rate[:, 0], MEANS)
    np.testing.assert_allclose(PARAMS["first_order_factor"] * MEANS, 11, rtol=1e-15)


@pytest.mark.parametrize("summary", [NOBODY, SEVEN], ids=["nobody", "seven"])
def test_all_customers_have_the_same(summary):
    people = len(summary.customers)
    history = MODEL.histories(summary)
    mean = MODEL.expected_spend(PARAMS, history)
    assert mean.shape == MODEL.laws(PARAMS, history).nu_rate.shape == (2, people)
    np.testing.assert_allclose(mean, np.tile(np.reshape(MEANS, (2, 1)), people))
    assert MODEL.check(summary, PARAMS).fitted_mean == pytest.approx(np.mean(MEANS))


def test_without_a_first_price_first_orders_cost_the_mean():
    model = PriceList.model_validate({"products": THREE})
    assert list(model.numbers) == [f"products.{name}.price" for name in THREE]
    values = {f"products.{name}.price": np.array([float(product["price"])]) for name, product in THREE.items()}
    assert model.parameters(values)["first_order_factor"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("products", "said"),
    [
        ({"a": {"price": 5, "share": 0.5}, "b": {"price": 9, "share": 0.4}}, "must add up to 1, got 0.9"),
        ({"a": {"price": 5, "share": 1.2}}, "less than or equal to 1"),
        ({"a": {"price": 5, "share": -0.1}}, "greater than or equal to 0"),
        ({"a b": {"price": 5}}, "a name has letters"),
        ({"a": {"share": 1}}, "Field required"),
        ({f"p{i}": {"price": 5, "share": 0.025} for i in range(40)}, "at most 32"),
    ],
)
def test_a_list_that_is_none(products, said):
    with pytest.raises(ValidationError, match=said):
        PriceList.model_validate({"products": products})


def test_it_is_not_fitted():
    with pytest.raises(ConfigError, match="goes with business"):
        MODEL.sufficient(SEVEN)


def test_a_list_of_plans_is_refused():
    with pytest.raises(ValueError, match="the same prices for all"):
        scaled(MODEL.newcomer_laws(PARAMS), np.array([2.0]))


def test_draws_come_back_from_a_file(tmp_path):
    fitted = stated_models(of(StatedContracts, churn=0.1), MODEL, 40, 1)
    write_posterior(fitted, tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    assert again.spend == MODEL
    assert {name: v.tolist() for name, v in again.posterior.spend.items()} == {
        name: v.tolist() for name, v in fitted.posterior.spend.items()
    }
    assert implausible_draws(again) == []
    wrong = {**again.posterior.spend, "price.a": -again.posterior.spend["price.a"]}
    object.__setattr__(again.posterior, "spend", wrong)
    assert "price.a must be above 0" in implausible_draws(again)[0]
