"""Books are queries on ledgers: their figures are those of ledger and comparison, worked out in another way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from shop import channels, posterior, run, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.books import BOOKS, COLUMNS, keep_books
from clvsim.books.ages import shown_ages
from clvsim.books.cohorts import merged
from clvsim.books.table import MOST_COHORTS
from clvsim.comparison import compare
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation, levels
from clvsim.simulation.config import EnvironmentConfig

PLAN = {
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "margin": 0.6, "refund": 0.2},
    "rate": {"kind": "shift", "target": "rate", "size": 0.2},
}
NOTHING = {"rate": {"kind": "shift", "target": "rate", "size": 0.0}}


@pytest.fixture(scope="module")
def sim() -> Simulation:
    return run(
        scenarios(plan=PLAN, nothing=NOTHING),
        draws=40,
        replicates=2,
        horizon_months=9,
        summary=shop(segments=2),
        acquisition=channels(months=5),
        environment=EnvironmentConfig(sd_prior=0.2),
        fitted=posterior(40, spread=0.1),
    )


@pytest.fixture(scope="module")
def books(sim: Simulation) -> pd.DataFrame:
    return keep_books(sim, posterior(1), shop(segments=2))


def of(books: pd.DataFrame, **chosen: object) -> pd.DataFrame:
    for column, value in chosen.items():
        books = books[books[column] == value]
    return books


def test_the_table_is_tidy(books: pd.DataFrame) -> None:
    assert tuple(books.columns) == COLUMNS
    assert not books.duplicated(["book", "scenario", "group", "at", "metric", "basis"]).any()
    assert set(zip(books.book, books.metric, strict=True)) <= {(b, m) for b, kinds in BOOKS.items() for m in kinds}
    simulated = books[books.basis != "observed"]
    assert (simulated.p05 <= simulated.p50).all()
    assert (simulated.p50 <= simulated.p95).all()
    assert list(books.scenario.unique()) == [BASELINE, "plan", "nothing"]


@pytest.mark.parametrize("name", [BASELINE, "plan"])
def test_cohorts_add_up_to_the_revenue_of_each_month(sim: Simulation, books: pd.DataFrame, name: str) -> None:
    ledger = sim.scenarios[name].ledger
    months = ledger.by_month("revenue_orders") + ledger.by_month("revenue_offers")
    found = of(books, book="cohort_revenue", scenario=name).groupby("at")["mean"].sum()
    assert list(found.index) == list(range(9))
    total = of(books, book="revenue_by_month", scenario=name, group="all").set_index("at")
    by_origin = of(books, book="revenue_by_month", scenario=name).query("group != 'all'").groupby("at")["mean"].sum()
    np.testing.assert_allclose(total["mean"], found, rtol=1e-12)
    np.testing.assert_allclose(by_origin, found, rtol=1e-12)
    np.testing.assert_allclose(total["p95"], np.quantile(months, 0.95, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found, months.mean(axis=0), rtol=1e-6)  # prices of offers are rounded to a ledger unit


def test_cohorts_are_quarters_of_all_segments_and_those_to_come(books: pd.DataFrame) -> None:
    groups = of(books, book="cohort_revenue", scenario=BASELINE).group.unique()
    assert list(groups) == ["existing 2024Q1", "new arriving in months 0-2", "new arriving in months 3-5"]
    late = of(books, book="cohort_revenue", scenario=BASELINE, group="new arriving in months 3-5")
    assert (late["mean"][late["at"] < 3] == 0).all()
    assert (late["mean"][late["at"] >= 3] > 0).all()


def test_the_last_age_is_the_value_of_a_newcomer(sim: Simulation, books: pd.DataFrame) -> None:
    """Of the comparison, on both bases. On average both are regressions where there are shocks: one of the total, and
    one of each month."""
    table = compare(sim).table
    pairs = (("newcomer_value", "pav_per_newcomer"), ("visitor_value", "visitor_value"))
    for name in sim.scenarios:
        for metric, other in pairs:
            for basis, columns in (("realised", ["mean", "p05", "p50", "p95"]), ("expected", ["mean"])):
                ours = of(books, book="value_by_age", scenario=name, metric=metric, basis=basis, at=9.0)
                theirs = of(table, scenario=name, metric=other, basis=basis)
                tolerance = 1e-9 if basis == "realised" else 0.02
                np.testing.assert_allclose(ours[columns].iloc[0], theirs[columns].iloc[0].astype(float), rtol=tolerance)
                assert ours["layers"].iloc[0] == theirs["layers"].iloc[0]


def test_on_average_without_shocks_it_is_the_closed_form() -> None:
    calm = run(draws=20, horizon_months=9, acquisition=channels(months=2), fitted=posterior(20, spread=0.2))
    books, expected = keep_books(calm, posterior(1), shop()), levels.pav_per_newcomer(calm)
    last = of(books, metric="newcomer_value", basis="expected", at=9.0).iloc[0]
    np.testing.assert_allclose(last[["mean", "p05"]].astype(float), [expected.mean(), np.quantile(expected, 0.05)])
    visitors = of(books, metric="visitor_value", basis="expected", at=9.0)["mean"].iloc[0]
    assert visitors == pytest.approx(0.02 * expected.mean(), rel=1e-9)


def test_value_by_age_is_the_curve_of_payback(sim: Simulation, books: pd.DataFrame) -> None:
    for name, curve in compare(sim).payback.items():
        ours = of(books, book="value_by_age", scenario=name, metric="newcomer_value", basis="expected")
        np.testing.assert_allclose(ours["mean"], curve.mean, rtol=1e-12)
        np.testing.assert_allclose(ours["p95"], curve.p95, rtol=1e-12)
        np.testing.assert_array_equal(ours["at"], curve.months)


def test_a_comparison_has_the_curves_that_are_worked_out_without_it(sim: Simulation, books: pd.DataFrame) -> None:
    found = keep_books(sim, posterior(1), shop(segments=2), None, compare(sim).curves)
    pd.testing.assert_frame_equal(found, books, check_exact=True)


def test_ages_without_noise_are_sums_over_single_months() -> None:
    """Worked out from the age ledger's lines, one world at a time."""
    sim = run(draws=5, horizon_months=4, acquisition=channels())
    ledger = sim.scenarios[BASELINE].ledger
    signs = np.array([line.sign for line in ledger.lines])
    acquired = [line.account == "customers_acquired" for line in ledger.lines].index(True)
    values = []
    for w in range(5):
        people = ledger.age[w, :, acquired, 0].sum()
        first = (signs * ledger.first[w, 0, :, 1]).sum()
        later = [(signs[:, None] * ledger.age[w, 0, :, 1, :k]).sum() for k in range(1, 5)]
        values.append(np.array([first, *later]) / people)
    ours = of(keep_books(sim, posterior(1), shop()), metric="newcomer_value", basis="realised")
    np.testing.assert_allclose(ours["mean"], np.mean(values, axis=0), rtol=1e-12)


def test_a_lever_that_does_nothing_has_the_baselines_books(books: pd.DataFrame) -> None:
    books = books[books.book != "concentration"]  # of the baseline only
    base, nothing = (of(books, scenario=name, basis="realised") for name in (BASELINE, "nothing"))
    pd.testing.assert_frame_equal(
        base.drop(columns="scenario").reset_index(drop=True), nothing.drop(columns="scenario").reset_index(drop=True)
    )


def test_threads_blocks_and_the_order_of_rows_change_nothing(sim: Simulation, books: pd.DataFrame) -> None:
    summary = shop(segments=2)
    shuffled = summary.customers.sample(frac=1.0, random_state=1).reset_index(drop=True)
    again = run(
        scenarios(plan=PLAN, nothing=NOTHING),
        draws=40,
        replicates=2,
        horizon_months=9,
        summary=replace(summary, customers=shuffled),
        acquisition=channels(months=5),
        environment=EnvironmentConfig(sd_prior=0.2),
        fitted=posterior(40, spread=0.1),
        jobs=2,
        shard_customers=7,
    )
    pd.testing.assert_frame_equal(
        keep_books(again, posterior(1), replace(summary, customers=shuffled)), books, check_exact=True
    )


def test_without_newcomers_there_is_no_book_of_ages_and_without_margin_it_is_revenue() -> None:
    assert set(keep_books(run(draws=4, horizon_months=3), posterior(1), shop()).book) == {
        "revenue_by_month",
        "cohort_revenue",
        "concentration",
    }
    sim = run(draws=4, horizon_months=3, acquisition=channels(), margin=None, rate=0.0)
    ours = of(keep_books(sim, posterior(1), shop()), metric="newcomer_value", basis="realised", at=3.0)["mean"].iloc[0]
    ledger = sim.scenarios[BASELINE].ledger
    revenue, people = (ledger.total(a, age=True) for a in ("revenue_orders", "customers_acquired"))
    assert ours == pytest.approx((revenue / people).mean(), rel=1e-12)


def test_many_cohorts_and_ages_are_pooled() -> None:
    quarters = [("existing", f"{year}Q{q}") for year in range(1990, 2020) for q in (1, 2, 3, 4)]
    to_come = [("new", f"arriving in months {3 * q}-{3 * q + 2}") for q in range(80)]
    labels, place = merged([*quarters, *to_come])
    assert len(labels) == 2 * MOST_COHORTS // 3  # nobody is referred
    assert labels[0] == "existing until 2017Q1"
    assert labels[-1] == "new arriving from month 33 on"
    np.testing.assert_array_equal(place[:109], 0)
    assert [labels[p] for p in place[109:120]] == [f"existing {q}" for _, q in quarters[109:]]
    np.testing.assert_array_equal(place[131:], len(labels) - 1)
    np.testing.assert_array_equal(shown_ages(9), range(10))
    assert list(shown_ages(100))[-5:] == [60, 72, 84, 96, 100]
