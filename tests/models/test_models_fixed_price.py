"""Fixed price: the law is the price, in the model and in the event loop."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit_one
from clvsim.models.protocol import SpendModel
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.types import CustomerSummary


def summary_of(rows) -> CustomerSummary:
    """Rows are a customer's payments, the first one first."""
    paid = [np.array(row[1:], float) for row in rows]
    frame = pd.DataFrame(
        {
            "first_amount": [float(row[0]) for row in rows],
            "repeat_positive": [int((p > 0).sum()) for p in paid],
            "repeat_amount": [p.sum() for p in paid],
            "repeat_log_amount": [np.log(p[p > 0]).sum() for p in paid],
        }
    )
    day = dt.date(2026, 1, 1)
    return CustomerSummary(frame, day, day, day, "week", "")


MODEL = FixedPrice()
ROWS = [(10, 10, 10), (0, 20), (30,), (0,), (10, 40, 40, 0)]  # the fourth is in a free trial


def fitted(rows, **config):
    made = MODEL.sufficient(summary_of(rows))
    return fit_one(MODEL, made, lambda free: MODEL.natural(free, made, 1), "nuts", FitConfig(**config), print)


def test_existing_customers_go_on_paying_what_they_paid():
    model: SpendModel = MODEL
    history = model.histories(summary_of(ROWS))
    assert history.price.tolist() == [10, 20, 30, 25, 40]
    params = {"price": np.array([24.0, 26.0]), "first_order_factor": np.ones(2)}
    law = model.laws(params, history)
    assert (law.order_shape == 0).all()
    np.testing.assert_array_equal(law.nu_rate, [history.price] * 2)
    np.testing.assert_array_equal(model.expected_spend(params, history), [history.price] * 2)
    assert model.newcomer_laws(params).nu_rate.tolist() == [[24], [26]]


def test_newcomers_pay_the_mean_with_its_standard_error():
    found = fitted(ROWS, draws=20_000)
    price = found.params["price"]
    se = np.std([10, 20, 30, 25, 40], ddof=1) / np.sqrt(5)
    assert price.mean() == pytest.approx(25, abs=4 * se / np.sqrt(price.size))
    assert price.std() == pytest.approx(se, rel=0.05)  # the lognormal's is 2 % off the delta method's
    np.testing.assert_allclose(found.params["first_order_factor"], 50 / 3 / 25)  # of first payments above zero
    assert found.diagnostics == ()
    alone = fitted([(10, 10), (10,)], draws=400)
    assert (alone.params["price"] == 10).all()


def test_payments_that_vary_are_counted_aloud():
    assert MODEL.warnings(summary_of(ROWS), {}) == ()
    (text,) = MODEL.warnings(summary_of([*ROWS, (10, 10, 12)]), {})
    assert text.startswith("1 of 6 customers did not pay the same amount each time")


def test_nothing_paid_is_nothing_to_go_by():
    with pytest.raises(DiagnosticsError, match="no payment has an amount above zero"):
        MODEL.sufficient(summary_of([(0, 0), (0,)]))


def test_order_of_rows_does_not_matter():
    a, b = (MODEL.sufficient(summary_of(rows)) for rows in (ROWS, ROWS[::-1]))
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_means_do_not_say_whether_payments_vary():
    with pytest.raises(ConfigError, match=r"fixed_price needs single payments, .* type spend=gamma_gamma"):
        MODEL.sufficient(replace(summary_of(ROWS), means_only=True))
