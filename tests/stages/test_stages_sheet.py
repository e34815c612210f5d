"""The figures of the first sheet: the trade's formulas against the model and by hand, and what else is worked out."""

import json
import math
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.archive import read_result, write_result
from clvsim.config import validate
from clvsim.errors import ConfigError
from clvsim.everyday import Steps, Trade, first_sales, lifetime_value, order_times_retention, steps
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.report import everyday_words
from clvsim.runfolder import RunContext
from clvsim.stages.priors import changed_priors
from clvsim.stages.run import run
from clvsim.stages.sheet import season_of, shares_of, worst_tenth
from clvsim.types import RunResult

TRADE = Trade(
    revenue_per_month=20.0,
    orders_per_month=1.0,
    churn_per_month=0.05,
    order_value=20.0,
    retention_rate=0.95,
    visitors_per_month=1000.0,
    conversion=0.02,
    margin=0.6,
    cost_per_order=2.0,
    customers=50.0,
)
CONTRACTS = {"kind": "stated_contracts", "churn": {"kind": "fixed", "value": 0.05}}
REPEATS = {
    "kind": "stated_repeats",
    "later_orders": {"kind": "fixed", "value": 4.0},
    "orders_per_year": {"kind": "fixed", "value": 6.0},
}
PRICE = {"kind": "price_list", "products": {"one": {"price": {"kind": "fixed", "value": 20.0}, "share": 1.0}}}
ADS = {"visitors_per_month": 100, "conversion": {"kind": "fixed", "value": 0.2}, "cost_per_visitor": 0.1}


def business(folder: Path, **changed: Any) -> RunResult:
    """A run of a business whose customers are all alike, each order $20, without shocks and discounting."""
    config: dict[str, Any] = {
        "data": {"kind": "stated"},
        "retention": CONTRACTS,
        "spend": PRICE,
        "simulation": {"draws": 20, "horizon_months": 400, "max_replicates": 1},
        "finance": {"gross_margin": 0.6, "annual_discount_rate": 0.0},
        "acquisition": {"months": 1, "channels": {"ads": ADS}},
        "environment": {"sd_prior": 0.0},
        "scenario": {"baseline": {"title": "As today"}},
    }
    return finished(folder, config | changed)


def finished(folder: Path, config: dict[str, Any]) -> RunResult:
    folder.mkdir()

    def silent(*_: object) -> None:
        pass

    def progress(label: str, total: int | None = None) -> Any:
        return nullcontext(silent)

    run(validate(config), RunContext(folder, folder, "clvsim run", say=silent, note=silent, progress=progress))
    return read_result(folder)


# --- the formulas -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retention", [CONTRACTS, REPEATS], ids=["contracts", "orders"])
def test_with_constant_churn_an_endless_horizon_and_no_discount_the_formula_is_the_model(
    retention: dict[str, Any], tmp_path: Path
) -> None:
    """Contracts: 0.6 × 20 ÷ 0.05. Orders: each is followed by another with 4/5, at 6 a year: 0.6 × 20 × 5."""
    sheet = business(tmp_path / "run", retention=retention).sheet
    assert sheet is not None
    assert sheet.newcomer is not None
    assert sheet.today is None  # nobody is there
    by_hand = 0.6 * 20 / 0.05 if retention is CONTRACTS else 0.6 * 20 * 5
    assert sheet.newcomer.value == pytest.approx(by_hand, rel=1e-9)
    assert sheet.newcomer.model == pytest.approx(by_hand, rel=1e-4)  # customers are alike to a thousandth
    for name in ("costs", "horizon", "discount", "rest"):
        assert abs(getattr(sheet.newcomer, name)) < 2e-4 * by_hand, name


def test_what_a_horizon_and_discounting_cost_a_contract_is_what_the_model_says(tmp_path: Path) -> None:
    """All of the difference to the formula is named: payments of a month each, the first at once."""
    finance = {"gross_margin": 0.6, "annual_discount_rate": 0.2, "cost_per_order": 2.0}
    cut = {"draws": 20, "horizon_months": 24, "max_replicates": 1}
    sheet = business(tmp_path / "run", finance=finance, simulation=cut).sheet
    assert sheet is not None
    assert sheet.newcomer is not None
    assert sheet.newcomer.costs == pytest.approx(-2 / 0.05)
    assert sheet.newcomer.horizon < -0.2 * sheet.newcomer.value
    assert sheet.newcomer.discount < -0.05 * sheet.newcomer.value
    # A renewal falls due by the calendar, so that within 24 months there may be one more; and days differ.
    one_payment = 10 * 0.95**24 * 1.2**-2
    assert -0.002 * 240 < sheet.newcomer.rest < one_payment + 0.002 * 240


def test_steps_by_hand() -> None:
    one = steps(TRADE, 50.0, 9_000.0, 2, 0.0)
    assert one.value == pytest.approx(50 * 0.6 * 20 / 0.05)
    assert one.costs == pytest.approx(-50 * 2 / 0.05)
    assert one.value + one.costs + one.horizon == pytest.approx(50 * 10 * 1.95)
    assert one.discount == pytest.approx(0, abs=1e-9)
    assert one.value + one.costs + one.horizon + one.discount + one.rest == pytest.approx(9_000)
    later = steps(TRADE, 1.0, 0.0, 2, 0.21)
    assert later.discount == pytest.approx(10 * 0.95 * (1.21 ** (-1 / 12) - 1))


def test_the_three_formulas() -> None:
    assert lifetime_value(TRADE) == pytest.approx(240)
    assert order_times_retention(TRADE) == pytest.approx(19)
    assert first_sales(TRADE) == pytest.approx(400)
    assert math.isnan(lifetime_value(replace(TRADE, churn_per_month=0.0)))  # nobody is lost


# --- the numbers that go into them ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, RunResult]:
    """A small log, and a run on it without newcomers."""
    r = np.random.default_rng(5)
    start, rows = date(2023, 1, 1), []
    for k in range(150):
        day = int(r.integers(0, 500))
        while day < 730:
            rows.append((f"c{k}", start + timedelta(day), round(float(r.gamma(4, 10)), 2)))
            if r.random() < 0.3:
                break
            day += 1 + int(r.exponential(50))
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    folder = tmp_path_factory.mktemp("shop")
    frame.to_csv(folder / "orders.csv", index=False)
    config = {
        "data": {"kind": "csv", "path": str(folder / "orders.csv"), "today": "2024-12-31"},
        "retention": {"kind": "bg_nbd"},
        "spend": {"kind": "gamma_gamma"},
        "fit": {"method": "map", "draws": 40, "cache": False},
        "finance": {"gross_margin": 0.4},
        "simulation": {"draws": 40, "horizon_months": 12, "max_replicates": 1},
        "scenario": {"baseline": {"title": "As today"}},
    }
    return frame, finished(folder / "run", config)


def test_churn_of_a_log_is_who_did_not_come_again(shop: tuple[pd.DataFrame, RunResult]) -> None:
    frame, result = shop
    assert result.sheet is not None
    trade = result.sheet.trade
    assert trade is not None
    days = pd.to_datetime(frame["date"])
    ends = [pd.Timestamp(2024, 12, 31), pd.Timestamp(2024, 9, 30), pd.Timestamp(2024, 6, 30)]
    lately, before = (frame[(days > since) & (days <= until)] for until, since in pairwise(ends))
    there, were = set(lately["customer_id"]), set(before["customer_id"])
    assert trade.customers == len(there)
    assert trade.revenue_per_month == pytest.approx(lately["amount"].sum() / len(there) / 3)
    assert trade.churn_per_month == pytest.approx(1 - (len(there & were) / len(were)) ** (1 / 3))
    assert trade.order_value == pytest.approx(lately["amount"].sum() / len(lately))
    orders = frame.groupby("customer_id").size()
    assert trade.retention_rate == pytest.approx((orders > 1).mean())
    assert math.isnan(trade.visitors_per_month)
    assert result.sheet.newcomer is None
    assert result.sheet.today is not None
    assert result.sheet.today.value == pytest.approx(len(there) * 0.4 * trade.revenue_per_month / trade.churn_per_month)


def test_the_hill_and_its_worst_tenth_are_those_of_the_simulated_futures(
    shop: tuple[pd.DataFrame, RunResult],
) -> None:
    _, result = shop
    sheet = result.sheet
    assert sheet is not None
    assert sheet.metric == "rlv_total"
    rows = result.comparison.query("metric == 'rlv_total' and basis == 'realised'").iloc[0]
    assert sheet.hill.size == 100
    assert (np.diff(sheet.hill) >= 0).all()
    assert sheet.hill[4] <= rows["p05"] <= sheet.hill[5]
    assert sheet.hill[0] <= sheet.worst_tenth < rows["p50"]
    assert sum(sheet.shares.values()) == pytest.approx(1)
    assert set(sheet.shares) == {"parameter", "process", "environment"}


def test_quarters_of_the_log_are_those_that_the_page_shows(shop: tuple[pd.DataFrame, RunResult]) -> None:
    """What a quarter brought so far, at the run's margin, and what is to come of all quarters together."""
    frame, result = shop
    assert result.books is not None
    book = result.books.query("book == 'cohort_value'").set_index(["group", "metric", "at"])["mean"]
    days = pd.to_datetime(frame["date"])
    firsts = days.groupby(frame["customer_id"]).transform("min")
    quarter = firsts.dt.year.astype(str) + "Q" + firsts.dt.quarter.astype(str)
    for name, own in frame.groupby(quarter):
        customers = own["customer_id"].nunique()
        assert book[f"log {name}", "customers", 0.0] == customers
        assert book[f"log {name}", "value_so_far", 0.0] == pytest.approx(0.4 * own["amount"].sum() / customers)
        assert book[f"log {name}", "value_by_age", 0.0] == pytest.approx(
            0.4 * own["amount"][days[own.index] == firsts[own.index]].sum() / customers
        )
    to_come = sum(
        book[f"log {name}", "value_to_come", 12.0] * own["customer_id"].nunique()
        for name, own in frame.groupby(quarter)
    )
    ahead = result.books.query("book == 'revenue_by_month' and group == 'all'")["mean"].sum()
    assert to_come == pytest.approx(0.4 * ahead, rel=1e-6)
    sales = result.books.query("book == 'sales_by_month'")
    within = days > pd.Timestamp(2023, 1, 31) if frame["date"].min() > date(2023, 1, 1) else days >= days.min()
    assert sales["mean"].sum() == pytest.approx(frame["amount"][within].sum())


@pytest.mark.parametrize(
    ("worlds", "mean"), [(np.arange(100.0), 4.5), (np.arange(15.0), (0 + 0.5) / 1.5), (np.array([3.0]), 3.0)]
)
def test_the_worst_tenth_is_a_mean_whose_last_one_counts_in_part(worlds: np.ndarray, mean: float) -> None:
    assert worst_tenth(worlds) == pytest.approx(mean)
    assert math.isnan(worst_tenth(np.zeros(0)))


def test_shares_are_of_the_sources_and_none_is_below_nothing() -> None:
    assert shares_of({"parameter": 6.0, "process": 3.0, "environment": 1.0, "total": 9.0}) == {
        "parameter": 0.6, "process": 0.3, "environment": 0.1,
    }  # fmt: skip
    assert shares_of({"parameter": -1.0, "process": 2.0, "total": 1.0}) == {"parameter": 0.0, "process": 1.0}
    assert shares_of({"parameter": 0.0, "process": 0.0, "total": 0.0}) == {}


def test_months_of_the_year_are_factors() -> None:
    draws = {f"season[{m}]": np.log(np.array([1.0, 2.0, 3.0]) * m / 6) for m in range(1, 13)}
    fitted: Any = SimpleNamespace(retention=None, posterior=SimpleNamespace(retention=draws))
    found = season_of(fitted)
    assert [m.mean for m in found] == pytest.approx([2 * m / 6 for m in range(1, 13)])
    assert found[5].p05 == pytest.approx(1.1)
    fitted.posterior.retention = {"season[1]": np.zeros(3)}
    assert season_of(fitted) == ()


# --- what somebody else wrote -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hill": [3.0, 1.0]}, "out of order"),
        ({"hill": ["a"]}, "damaged"),
        ({"hill": [[1.0]]}, "numbers"),
        ({"season": [{"mean": 1.0, "p05": 0.9, "p95": 1.1}]}, "twelve months"),
        ({"season": [{"mean": 1.0, "p05": 1.9, "p95": 1.1}] * 12}, "p05 above its p95"),
        ({"metric": 3}, "metric"),
        ({"shares": {"parameter": "most"}}, "shares"),
        ({"today": {"value": 1.0}}, "damaged"),
        ({"trade": [1.0]}, "damaged"),
        ({"unknown": 1.0}, "damaged"),
    ],
)
def test_a_sheet_that_no_run_writes_is_refused(
    changes: dict[str, Any], said: str, shop: tuple[pd.DataFrame, RunResult], tmp_path: Path
) -> None:
    write_result(shop[1], tmp_path)
    raw = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    raw["sheet"] |= changes
    (tmp_path / "summary.json").write_text(json.dumps(raw), "utf-8")
    with pytest.raises(ConfigError, match=said):
        read_result(tmp_path)


def test_runs_of_earlier_versions_have_no_sheet(shop: tuple[pd.DataFrame, RunResult], tmp_path: Path) -> None:
    write_result(shop[1], tmp_path)
    raw = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    del raw["sheet"]
    (tmp_path / "summary.json").write_text(json.dumps(raw), "utf-8")
    assert read_result(tmp_path).sheet is None


# --- priors -----------------------------------------------------------------------------------------------------------


def test_only_priors_that_were_changed_are_lines_of_the_page() -> None:
    plain: dict[str, Any] = {
        "data": {"kind": "synthetic"},
        "retention": {"kind": "bg_nbd"},
        "spend": {"kind": "gamma_gamma"},
        "scenario": {"baseline": {"title": "As today"}},
    }
    assert changed_priors(validate(plain)) == ()
    usual: Any = BgNbd().r
    changed = {"kind": "bg_nbd", "r": {"median": 2 * usual.median, "sd_log": 0.5}}
    (line,) = changed_priors(validate(plain | {"retention": changed}))
    assert (line.path, line.label) == ("retention.r", "Prior of r (bg_nbd)")
    assert line.mean == 2 * usual.median
    assert line.p95 / line.mean == pytest.approx(math.exp(1.644854 * 0.5))
    assert f"by default log-normal with median {usual.median:g}" in line.text


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_reason_is_given_for_each_step_that_matters(shop: tuple[pd.DataFrame, RunResult]) -> None:
    _, result = shop
    assert result.sheet is not None
    trade = result.sheet.trade
    assert trade is not None

    def given(one: Steps) -> list[str]:
        return [text for _, text in everyday_words.reasons(result, one, trade)]

    even = Steps(value=100.0, costs=0.0, horizon=0.0, discount=0.0, rest=2.0, model=102.0)
    assert given(even) == []
    (horizon,) = given(replace(even, horizon=-40.0))
    assert horizon == "the formula counts for ever, the model 12 months"
    (costs, discount) = given(replace(even, costs=-20.0, discount=-10.0))
    assert "each order costs" in costs
    assert "later money" in discount
    (rest,) = given(replace(even, rest=60.0))
    assert "customers differ" in rest
    lines = everyday_words.lines(result)
    assert [line.formula.split(", of")[0] for line in lines] == [
        "margin × monthly revenue of a customer ÷ monthly churn",
        "order value × retention rate",
    ]
    assert lines[1].why[0].startswith("This is no value of a customer")
    assert everyday_words.in_short(result).startswith("The everyday formula (margin × monthly revenue")
    assert everyday_words.in_short(replace(result, sheet=None)) == ""
