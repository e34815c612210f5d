"""The table of today's customers: what is known of each, the next order, tenths; and both files that hold it."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from shop import BG_NBD, CALM, posterior, run, scenarios, shop

from clvsim import archive
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.files import read_csv
from clvsim.models import RETENTION, SPEND
from clvsim.models.fitted import FittedModels
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.expected import next_order
from clvsim.simulation.expected.customers import days_from, deciles, known_today
from clvsim.simulation.expected.next_order import LIKELY, next_orders
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.texts import FORMULA
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior
from tests.fuzz.nasty import TEXTS
from tests.stories import STORIES

FIRST = ("customer_id", "p_alive", "expected_orders", "rlv_mean", "rlv_p05", "rlv_p50", "rlv_p95")
ADDED = (
    *("first_order", "last_order", "orders_so_far", "spend_so_far"),
    *("p_order", "next_order", "decile", "segment", "channel", "simulated"),
)
HORIZON_DAYS = 12 * DAYS_PER_MONTH


def plan_of(summary: CustomerSummary, draws: int, horizon_months: int = 12, jobs: int = 1) -> RunPlan:
    config = SimulationConfig(draws=draws, horizon_months=horizon_months, jobs=jobs)
    names = scenarios()
    return make_plan(
        summary,
        names,
        list(names),
        simulation=config,
        finance=FinanceConfig(),
        acquisition=AcquisitionConfig(),
        environment=CALM,
        seed=1,
    )


def test_new_columns_come_after_those_that_were_there():
    assert tuple(run().customers.columns) == (*FIRST, *ADDED)


# --- the next order --------------------------------------------------------------------------------------------------


def test_the_next_order_of_bg_nbd_is_where_half_of_the_chance_is_reached():
    """P(an order within t) is p_alive (1 - (1 + t / (alpha + T))^-(r + x)), which can be solved for t."""
    summary = shop(200)
    found = next_orders(plan_of(summary, 3), posterior(3), summary)
    r, alpha = BG_NBD["r"], BG_NBD["alpha"] * 7
    x, T = (summary.customers[name].to_numpy(float) for name in ("frequency", "T_days"))
    reached = 1 - (1 + HORIZON_DAYS / (alpha + T)) ** -(r + x)
    expected = (alpha + T) * ((1 - reached / 2) ** (-1 / (r + x)) - 1)
    alive = run(draws=3, summary=summary).customers["p_alive"].to_numpy()
    np.testing.assert_allclose(found.p_order, alive * reached, rtol=1e-9)
    named = np.isfinite(found.days)
    np.testing.assert_array_equal(named, found.p_order >= LIKELY)
    assert 20 < named.sum() < 180
    np.testing.assert_allclose(found.days[named], expected[named], rtol=0.03)  # a straight line between knots


def test_the_next_order_is_the_median_of_simulated_ones():
    """Gaps drawn in plain NumPy from the customer's own law: lambda ~ Gamma(r + x, alpha + T), gap ~ Exp(lambda)."""
    summary = shop(60)
    found = next_orders(plan_of(summary, 3), posterior(3), summary)
    row = int(np.nanargmax(found.days))
    x, T = (float(summary.customers[name][row]) for name in ("frequency", "T_days"))
    random = np.random.default_rng(8)
    rate = random.gamma(BG_NBD["r"] + x, 1 / (BG_NBD["alpha"] * 7 + T), 40_000)
    gap = random.exponential(1 / rate)
    within = gap[gap <= HORIZON_DAYS]
    low, high = np.quantile(within, [0.5 - 4 * 0.5 / np.sqrt(within.size), 0.5 + 4 * 0.5 / np.sqrt(within.size)])
    assert low * 0.97 < found.days[row] < high * 1.03


def test_with_opportunities_it_is_the_first_by_which_half_of_the_chance_is_reached():
    model = RETENTION["bg_bb"](opportunity_days=30.0)
    base = shop(40)
    x = 1 + np.arange(40) % 6
    frame = base.customers.assign(frequency=x, recency_days=180.0, T_days=180.0 + np.arange(40) % 29)
    summary = replace(base, customers=frame, opportunity_days=30.0)
    life = {name: np.full(3, value) for name, value in STORIES["bg_bb"].params.items()}
    fitted = FittedModels(model, SPEND["gamma_gamma"](), Posterior(life, posterior(3).posterior.spend, "week"))
    found = next_orders(plan_of(summary, 3), fitted, summary)
    histories = model.histories(summary)
    next_days = model.laws(life, histories, 7.0).next_opportunity_days
    ends = [HORIZON_DAYS, *(30.0 * j for j in range(1, 13))]
    whole, *chances = (model.probability_active(life, histories, t, 7.0).mean(axis=0) for t in ends)
    number = (np.stack(chances) < whole / 2).sum(axis=0)
    named = whole >= LIKELY
    assert named.sum() > 5
    np.testing.assert_array_equal(np.isfinite(found.days), named)
    np.testing.assert_allclose(found.days[named], (next_days + 30.0 * number)[named])


def test_of_contracts_it_is_the_next_day_on_which_a_payment_falls_due():
    summary = shop(30)
    paid = summary.customers["frequency"]
    frame = summary.customers.assign(recency_days=paid * DAYS_PER_MONTH, T_days=(paid + 0.4) * DAYS_PER_MONTH)
    frame.loc[:9, "T_days"] += 300  # ended long ago
    summary = replace(summary, customers=frame)
    model = RETENTION["sbg"](renewal="month")
    life = {name: np.full(3, value) for name, value in STORIES["sbg"].params.items()}
    fitted = FittedModels(model, SPEND["gamma_gamma"](), Posterior(life, posterior(3).posterior.spend, "week"))
    found = next_orders(plan_of(summary, 3), fitted, summary)
    due = model.laws(life, model.histories(summary), 7.0).next_opportunity_days
    assert np.isnan(found.days[:10]).all()
    np.testing.assert_array_equal(found.days[10:], due[10:])


def test_neither_threads_nor_chunks_nor_the_order_of_rows_change_a_bit(monkeypatch):
    summary = shop(300)
    fitted = posterior(40, 0.2)
    found = next_orders(plan_of(summary, 40), fitted, summary)
    monkeypatch.setattr(next_order, "_HISTORIES_AT_ONCE", 64)
    order = np.random.default_rng(1).permutation(300)
    shuffled = replace(summary, customers=summary.customers.iloc[order].reset_index(drop=True))
    again = next_orders(plan_of(shuffled, 40, jobs=2), fitted, shuffled)
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one[order], other)


def test_nobody_has_a_next_order_without_customers():
    summary = shop(1)
    nobody = replace(summary, customers=summary.customers.iloc[:0])
    assert [part.size for part in next_orders(plan_of(summary, 3), posterior(3), nobody)] == [0, 0]


# --- what is known today ---------------------------------------------------------------------------------------------


def test_what_is_known_of_a_log_is_what_the_log_says():
    orders = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "c", "c"],
            "date": ["2024-01-02", "2024-02-01", "2024-03-05", "2024-02-29", "2024-01-01", "2024-03-01"],
            "amount": [10.0, 5.0, 2.5, 8.0, 4.0, -1.0],
        }
    )
    config = DataConfig(customer_id="customer_id", date="date", amount="amount", today=date(2024, 3, 31))
    known = pd.DataFrame(known_today(summarize(read_transactions(orders, config))))
    days = [[str(day)[:10] for day in known[name]] for name in ("first_order", "last_order")]
    assert days == [["2024-01-02", "2024-02-29", "2024-01-01"], ["2024-03-05", "2024-02-29", "2024-01-01"]]
    assert known["orders_so_far"].tolist() == [3, 1, 1]
    assert known["spend_so_far"].tolist() == [17.5, 8.0, 3.0]


def test_spend_is_not_known_where_single_amounts_are_not():
    summary = replace(shop(5), customers=shop(5).customers.assign(first_amount=np.nan), means_only=True)
    assert np.isnan(known_today(summary)["spend_so_far"]).all()


def test_days_are_calendar_days():
    found = days_from(date(2024, 2, 28), np.array([-1.0, 0.4, 1.0, 1.6, 366.0, np.nan]))
    expected = [date(2024, 2, 28) + timedelta(days=n) for n in (-1, 0, 1, 2, 366)]
    assert found[:-1].astype("datetime64[D]").tolist() == expected
    assert np.isnat(found[-1])


@pytest.mark.parametrize("customers", [1, 3, 10, 11, 95, 1000])
def test_tenths_have_as_many_customers_each_and_the_best_are_first(customers):
    random = np.random.default_rng(customers)
    value = random.normal(size=customers).round(1)  # with ties
    ids = np.array([f"c{i:04d}" for i in range(customers)])
    found = deciles(value, ids)
    sizes = np.bincount(found, minlength=11)[1:]
    assert found.min() == 1
    assert sizes.max() - sizes.min() <= 1
    ranked = sorted(zip(-value, ids, found, strict=True))
    assert [place for *_, place in ranked] == sorted(found)


# --- files -----------------------------------------------------------------------------------------------------------


def test_both_files_hold_the_same(tmp_path: Path):
    texts = [text for text in TEXTS if text.strip() and len(text) < 200]
    summary = shop(len(texts))
    ids = [f"{text}{number}" for number, text in enumerate(texts)]
    frame = summary.customers.assign(customer_id=ids, segment=texts).sort_values("customer_id", ignore_index=True)
    simulation = run(summary=replace(summary, customers=frame))
    archive.write_customers(simulation, tmp_path)
    table = pd.read_parquet(tmp_path / "customers.parquet")
    labels = ("customer_id", "segment", "channel", "first_order", "last_order", "next_order")
    written = read_csv(tmp_path / "customers.csv", labels)
    assert list(table["customer_id"]) == list(frame["customer_id"])
    for name in table.columns:
        match table[name].dtype.kind:
            case "M":
                days = table[name].dt.strftime("%Y-%m-%d").fillna("")
                assert days.tolist() == written[name].tolist(), name
            case "f" | "i":
                np.testing.assert_array_equal(table[name], written[name], err_msg=name)
    raw = (tmp_path / "customers.csv").read_bytes()
    assert b"\x1b" not in raw
    plain = [text for text in written["segment"] if "\\" not in text]
    assert set(plain) <= set(texts)


def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path):
    summary = shop(len(FORMULA))
    frame = summary.customers.assign(customer_id=[f"{sign}1+1" for sign in FORMULA])
    archive.write_customers(run(summary=replace(summary, customers=frame)), tmp_path)
    cells = pd.read_csv(tmp_path / "customers.csv")["customer_id"]
    assert all(cell.startswith("'") for cell in cells)
