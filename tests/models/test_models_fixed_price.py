"""Fixed price: the law is the price, in the model and in the event loop."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit_one
from clvsim.models.fitted import FittedModels
from clvsim.models.protocol import SpendModel
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.quantities import expected_rlv
from clvsim.types import CustomerSummary, Posterior


def summary_of(rows) -> CustomerSummary:
    """Rows are a customer's payments, the first one first."""
    paid = [np.array(row[1:], float) for row in rows]
    frame = pd.DataFrame(
        {
            "T_days": [100.0 for _ in rows],
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


def test_last_and_mean_prices_and_those_of_newcomers():
    summary = summary_of([(10, 10, 12), (10, 10, 12), (0,), *[(12, 12)] * 30])
    age = np.array([900.0] * 3 + [200.0] * 30)
    frame = summary.customers.assign(last_amount=[12.0, 15.0, np.nan] + [12.0] * 30, T_days=age)
    risen = replace(summary, customers=frame)
    assert MODEL.histories(risen).price[:3].tolist() == pytest.approx([12, 15, 387 / 32])
    assert FixedPrice(price="mean").histories(risen).price[:3].tolist() == pytest.approx([11, 11, 382 / 32])
    old = replace(summary, customers=frame.assign(last_amount=[5.0] * 3 + [12.0] * 30))
    rows = MODEL.sufficient(old)
    assert (rows.price.tolist(), rows.count.tolist(), rows.first_mean) == ([12], [30], 12)


def risen_contracts(size: int, seed: int):
    """Monthly contracts of two years, begun in the first, that end at each due day with chance .04; with all prices a
    fifth higher in the last half-year; payments up to the end of 2023, and what is paid in 2024."""
    draw, rows, later = np.random.default_rng(seed), [], 0.0
    for k in range(size):
        start, day, price = int(draw.integers(12)), 1 + int(draw.integers(28)), float(draw.choice([20.0, 50.0]))
        for month in range(start, 36):
            amount = price * (1.2 if month >= 18 else 1.0)
            if month < 24:
                rows.append((f"{k}", dt.date(2022 + month // 12, month % 12 + 1, day), amount))
            else:
                later += amount
            if draw.random() < 0.04:
                break
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"]), later


def test_prices_that_rose_go_on_as_they_are_now():
    """What the law itself expects is what came, within the luck of it; by means of prices it is a tenth less."""
    law = {"alpha": np.array([4000.0]), "beta": np.array([96_000.0])}
    spend = {"price": np.ones(1), "first_order_factor": np.ones(1)}
    ratio: dict[FixedPrice, list[float]] = {FixedPrice(price="last"): [], FixedPrice(price="mean"): []}
    for seed in range(6):
        rows, came = risen_contracts(400, seed)
        summary = summarize(read_transactions(rows, DataConfig(today=dt.date(2023, 12, 31))))
        assert (MODEL.histories(summary).price % 12 == 0).mean() > 0.4
        for price, found in ratio.items():
            fitted = FittedModels(Sbg(), price, Posterior(law, spend, "week"))
            worth = expected_rlv(fitted, summary, horizon_months=12, annual_discount_rate=0.0)
            found.append(float(worth.sum()) / came)
    last, mean = (np.array(values) for values in ratio.values())
    error = last.std(ddof=1) / np.sqrt(last.size)
    assert last.mean() == pytest.approx(1, abs=4 * error)
    assert error < 0.02
    assert (last - mean).min() > 0.08
    (said, rise) = FixedPrice(price="mean").warnings(summary, {})
    assert "spend.price=last" in said
    assert "spend.price=last" in rise
    assert "changes to come are not foreseen" in MODEL.warnings(summary, {})[1]
