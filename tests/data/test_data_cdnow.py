"""The bundled sample against published facts (Fader, Hardie & Lee 2005; counts of the raw file)."""

from datetime import date

import numpy as np
import pytest

from clvsim.data import (
    DataConfig,
    TransactionLog,
    quality,
    read_transactions,
    require_repeat_orders,
    summarize,
    weekly_repeat_orders,
)
from clvsim.types import CustomerSummary


def test_rows_orders_and_span(cdnow: TransactionLog) -> None:
    facts = cdnow.facts
    assert (facts.rows, facts.order_rows - facts.same_day_merged) == (6919, 6696)
    assert (cdnow.first_date, cdnow.today, cdnow.last_date) == (date(1997, 1, 1), date(1997, 9, 30), date(1998, 6, 30))
    assert (facts.unusable_rows, facts.findings, facts.customers_after_today, facts.refunds.rows) == (0, (), 0, 0)


def test_summary_matches_the_published_counts(cdnow_summary: CustomerSummary) -> None:
    frame = cdnow_summary.customers
    assert len(frame) == 2357
    assert frame["customer_id"].is_monotonic_increasing
    assert frame["frequency"].sum() == 2457
    assert frame["holdout_frequency"].sum() == 1882
    assert (frame["frequency"] > 0).sum() == 946
    assert cdnow_summary.holdout_days == 39 * 7


@pytest.mark.parametrize(
    ("row", "x", "t_x", "T", "later"),  # weeks, as printed
    [(0, 2, 30.4286, 38.8571, 1), (1515, 26, 30.857, 31.0, 15)],
)
def test_single_customers(cdnow_summary: CustomerSummary, row: int, x: int, t_x: float, T: float, later: int) -> None:
    customer = cdnow_summary.customers.iloc[row]
    assert customer["customer_id"] == f"{row + 1:04d}"
    assert (customer["frequency"], customer["holdout_frequency"]) == (x, later)
    assert customer["recency_days"] / 7 == pytest.approx(t_x, abs=5e-4)
    assert customer["T_days"] / 7 == pytest.approx(T, abs=5e-5)


def test_holdout_mean_by_frequency(cdnow_summary: CustomerSummary) -> None:
    frame = cdnow_summary.customers
    groups = frame.groupby(frame["frequency"].clip(upper=7))["holdout_frequency"]
    assert groups.size().tolist() == [1411, 439, 214, 100, 62, 38, 29, 64]
    np.testing.assert_allclose(groups.mean(), [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359], atol=1e-3)


def test_money(cdnow_summary: CustomerSummary) -> None:
    frame = cdnow_summary.customers
    assert frame["first_amount"].mean() == pytest.approx(33.0, abs=0.05)
    assert frame["repeat_amount"].sum() / frame["repeat_positive"].sum() == pytest.approx(38.81, abs=0.005)
    first = frame.iloc[0]  # 29.33, then 29.73 and 14.96
    assert (first["first_amount"], first["repeat_amount"], first["repeat_positive"]) == (29.33, 44.69, 2)
    assert first["repeat_log_amount"] == pytest.approx(np.log(29.73) + np.log(14.96), abs=1e-14)


def test_weekly_repeat_orders_cover_both_periods(cdnow: TransactionLog) -> None:
    weeks = weekly_repeat_orders(cdnow)
    assert len(weeks) == 78
    assert weeks["week_start"].iloc[[0, 39, -1]].dt.date.tolist() == [
        date(1997, 1, 1),
        date(1997, 10, 1),
        date(1998, 6, 24),
    ]
    assert weeks["orders"].iloc[:39].sum() == 2457
    assert weeks["orders"].iloc[39:].sum() == 1882


def test_without_a_calibration_end_today_is_the_last_day() -> None:
    summary = summarize(read_transactions(config=DataConfig(kind="bundled")))
    assert summary.today == summary.last_date == date(1998, 6, 30)
    assert summary.customers["frequency"].sum() == 2457 + 1882
    assert summary.customers["holdout_frequency"].sum() == 0


def test_quality_table(cdnow: TransactionLog, cdnow_summary: CustomerSummary) -> None:
    table = {line.key: line for line in quality(cdnow, cdnow_summary)}
    values = {key: table[key].value for key in ("rows", "merged", "customers", "repeat_orders", "one_time")}
    assert values == {
        "rows": "6,919",
        "merged": "223",
        "customers": "2,357",
        "repeat_orders": "2,457",
        "one_time": "1,411",
    }
    assert (table["first_mean"].value, table["repeat_mean"].value) == ("33.10", "38.81")
    assert (table["span"].value, table["exposure"].value) == ("1997-01-01 to 1998-06-30", "32.7 weeks")
    assert table["correlation"].value == "+0.11"
    assert {key for key, line in table.items() if line.level == "warning"} == {"duplicates", "free"}
    assert len(table) == len(quality(cdnow, cdnow_summary))  # keys are unique


def test_the_sample_has_repeat_orders(cdnow_summary: CustomerSummary) -> None:
    require_repeat_orders(cdnow_summary)
