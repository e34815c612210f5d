"""Logs without amounts, and with amounts that are all the same."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, read_transactions, require_repeat_orders, summarize
from clvsim.errors import DiagnosticsError
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.lognormal import Lognormal
from clvsim.validation.payments import payments_of

DAYS = {"a": [0, 9, 40, 90], "b": [3, 50], "c": [5], "d": [6, 7, 80]}


def frame(amount: float | None) -> pd.DataFrame:
    rows = [(who, pd.Timestamp("2024-01-01") + pd.Timedelta(days=day)) for who, days in DAYS.items() for day in days]
    orders = pd.DataFrame(rows, columns=["customer_id", "date"])
    return orders if amount is None else orders.assign(amount=amount)


@pytest.mark.parametrize("amount", [None, 0.0])
@pytest.mark.parametrize("spend", [GammaGamma(), Lognormal(), FixedPrice()])
def test_orders_without_amounts_count_one_each(amount, spend):
    """The summary of orders is the same whether the column is absent or empty of money; repeat orders to 3 March."""
    config = DataConfig(calibration_end=date(2024, 3, 3), amount="" if amount is None else None)
    summary = summarize(read_transactions(frame(amount), config))
    require_repeat_orders(summary, paid=False)
    with pytest.raises(DiagnosticsError, match="no repeat order has an amount above zero"):
        require_repeat_orders(summary)
    checked, used, instead = payments_of(summary, spend)
    assert used == FixedPrice()
    assert instead == "No repeat order has an amount above zero: orders are checked, revenue is not."
    found = checked.customers
    assert found["frequency"].tolist() == found["repeat_amount"].tolist() == [2, 1, 0, 1]
    assert found["holdout_frequency"].tolist() == [1, 0, 0, 1]
    assert used.histories(checked).price.tolist() == [1, 1, 1, 1]
    assert used.sufficient(checked).price.tolist() == [1]
    assert "holdout_amount" not in found


@pytest.mark.parametrize("spend", [GammaGamma(), Lognormal()])
def test_equal_amounts_go_on_as_prices(spend):
    summary = summarize(read_transactions(frame(30.0), DataConfig(calibration_end=date(2024, 3, 3))))
    checked, used, instead = payments_of(summary, spend)
    assert checked is summary
    assert used == FixedPrice()
    assert instead.startswith(f"spend={spend.kind}: ")
    assert "needs amounts that vary" in instead
    assert "spend=fixed_price" in instead


def test_amounts_that_vary_are_fitted_as_configured():
    orders = frame(30.0).assign(amount=np.arange(10.0, 110.0, 10.0))
    summary = summarize(read_transactions(orders, DataConfig(calibration_end=date(2024, 3, 3))))
    spend = GammaGamma()
    assert payments_of(summary, spend) == (summary, spend, "")


def test_a_missing_column_of_amounts_is_named_with_the_way_to_say_so():
    from clvsim.errors import ConfigError

    with pytest.raises(ConfigError) as refused:
        read_transactions(frame(None), DataConfig())
    where, what = refused.value.problems[0]
    assert where == "data.amount"
    assert "or data.amount= where the log has none (clvsim validate then checks its orders" in what
    assert what.endswith("a run needs a column of amounts, 1 in each row where all orders count the same)")


def test_none_switches_the_guess_off():
    """A column that looks like amounts is not read; refunds in it are orders then."""
    log = read_transactions(frame(30.0), DataConfig(amount=""))
    assert dict(log.columns) == {"customer_id": "customer_id", "date": "date"}
    assert log.facts.zero_rows == 10
