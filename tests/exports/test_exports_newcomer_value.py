"""What newcomers bring by cell: against plain sums of a log, of cells with a known spread, and where there are none."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.data.so_far import SoFar, Span, so_far_of
from clvsim.exports import newcomer_value, newcomer_values
from clvsim.exports.newcomer_value import COLUMNS, bands, divide
from clvsim.models import RETENTION, SPEND
from clvsim.models.fitted import FittedModels
from clvsim.simulation.config import FinanceConfig
from clvsim.simulation.ledger import Economics
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary, Posterior

LIFE = {"r": 0.8, "alpha": 60.0, "a": 0.8, "b": 2.5}
MONEY = {"p": 6.25, "q": 3.74, "gamma": 15.44, "first_order_factor": 1.0}
TODAY = date(2024, 12, 31)
RATE = 0.1


def fitted(draws: int = 20, spread: float = 0.0) -> FittedModels:
    random = np.random.default_rng(1)
    life, money = (
        {name: value * np.exp(spread * random.normal(size=draws)) for name, value in values.items()}
        for values in (LIFE, MONEY)
    )
    return FittedModels(RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), Posterior(life, money, "day"))


def economics(**finance: Any) -> Economics:
    return Economics.from_finance(FinanceConfig(annual_discount_rate=RATE, **finance), 1.0)


def orders_of(
    customers: int, seed: int = 3, first_days: tuple[int, int] = (30, 700), factor: Any = None
) -> pd.DataFrame:
    """A log that the models' law made: channel by turns, its first orders within so many days before today."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        channel = f"ch{number % 4}"
        times = 1.0 if factor is None else factor[channel]
        born = int(random.integers(*first_days))
        rate, drop = random.gamma(LIFE["r"], 1 / LIFE["alpha"]), random.beta(LIFE["a"], LIFE["b"])
        nu = random.gamma(MONEY["q"], 1 / MONEY["gamma"])
        day = 0.0
        while day <= born:
            amount = times * random.gamma(MONEY["p"], 1 / nu)
            rows.append((f"c{number:05d}", TODAY - timedelta(days=born - int(day)), round(amount, 2), channel))
            if day and random.random() < drop:
                break
            day += random.exponential(1 / rate)
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount", "channel"])


def known(orders: pd.DataFrame, months: float, **config: Any) -> tuple[CustomerSummary, SoFar]:
    columns: dict[str, Any] = {"customer_id": "customer_id", "date": "date", "amount": "amount", "channel": "channel"}
    section = DataConfig(**columns, today=TODAY, time_unit="day", refunds="net", **config)
    log = read_transactions(orders.assign(date=orders["date"].astype(str)), section)
    return summarize(log), so_far_of(log, Span(months * DAYS_PER_MONTH, RATE))


def plainly(orders: pd.DataFrame, months: float, margin: float, cost: float) -> dict[str, float]:
    """Contribution of each customer within the horizon of the own age, discounted to the first order."""
    found = {}
    days = orders.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    for customer, own in days.groupby("customer_id"):
        first = own["date"].min()
        ages = [(day - first).days for day in own["date"]]
        found[str(customer)] = sum(
            (amount * margin - cost) * (1 + RATE) ** (-age / DAYS_PER_YEAR)
            for age, amount in zip(ages, own["amount"], strict=True)
            if age <= months * DAYS_PER_MONTH + 0.5
        )
    return found


def test_of_customers_older_than_the_horizon_everything_was_counted():
    """Nothing is left to the models: raw means are those of plain sums."""
    orders = orders_of(400, first_days=(380, 700))
    summary, so_far = known(orders, 6)
    found = newcomer_values(fitted(), summary, so_far, economics(gross_margin=0.4, cost_per_order=1.5))
    assert found.table is not None
    table = found.table[found.table["by"] == "channel"].set_index("channel")
    value = plainly(orders, 6, 0.4, 1.5)
    channel = orders.groupby("customer_id")["channel"].first()
    young = {c for c in value if c in set(summary.customers["customer_id"])}
    counted = pd.DataFrame({"value": [value[c] for c in sorted(young)], "channel": [channel[c] for c in sorted(young)]})
    # customers of the log's first day are not counted as new
    first_day = orders.groupby("customer_id")["date"].min()
    new = [first_day[c] > orders["date"].min() for c in sorted(young)]
    means = counted[new].groupby("channel")["value"]
    np.testing.assert_allclose(table["raw_mean"], means.mean(), rtol=1e-6)
    np.testing.assert_allclose(table["raw_se"], means.std() / np.sqrt(means.size()), rtol=1e-6)
    assert table["customers"].tolist() == means.size().tolist()


def test_young_customers_are_worth_as_much_as_old_ones_of_the_same_law():
    """What the models add to a short history makes up for what is not there yet."""
    young, old = orders_of(1500, 5, (31, 90)), orders_of(1500, 6, (400, 700))
    values = []
    for orders in (young, old):
        summary, so_far = known(orders, 12)
        rows = np.arange(len(summary.customers))
        cell = [np.zeros(rows.size, np.int64)]
        values.append(newcomer_value.values(fitted(), summary, so_far, economics(), rows, cell)[1])
    error = np.sqrt(sum(v.var(ddof=1) / v.size for v in values))
    assert abs(values[0].mean() - values[1].mean()) < 4 * error
    assert error < 0.06 * values[1].mean()


def test_threads_change_no_bit():
    summary, so_far = known(orders_of(600, first_days=(31, 400)), 12)
    one, three = (newcomer_values(fitted(), summary, so_far, economics(), jobs) for jobs in (1, 3))
    assert one.table is not None
    assert three.table is not None
    pd.testing.assert_frame_equal(one.table, three.table, check_exact=True)
    assert one.sentences == three.sentences


def test_cells_whose_values_differ_are_seen_to_and_equal_ones_are_not():
    """Amounts of four channels times known factors: their spread is the factors', by construction."""
    factor = {"ch0": 0.6, "ch1": 0.9, "ch2": 1.1, "ch3": 1.6}
    for known_factor, low, high in ((factor, 0.8, 1.0), (None, 0.0, 0.75)):
        summary, so_far = known(orders_of(1600, first_days=(380, 700), factor=known_factor), 6)
        found = newcomer_values(fitted(), summary, so_far, economics())
        assert found.table is not None
        table = found.table[found.table["by"] == "channel"].set_index("channel")
        assert low < table["share_real"].iloc[0] <= high
        assert table["share_real"].nunique() == 1
        assert np.ptp(table["value"]) <= np.ptp(table["raw_mean"])
        assert (table["p05"] < table["value"]).all()
        assert f"about {table['share_real'].iloc[0]:.0%} of the differences between the 4 cells" in found.sentences[0]
        if known_factor:
            overall = (table["raw_mean"] / pd.Series(known_factor)).mean()
            truth = overall * pd.Series(known_factor)
            assert ((table["p05"] < truth) & (truth < table["p95"])).sum() >= 3


def test_the_interval_contains_what_is_not_known_of_the_parameters():
    summary, so_far = known(orders_of(400, first_days=(31, 60)), 12)
    sure, unsure = (newcomer_values(fitted(60, s), summary, so_far, economics()).table for s in (0.0, 0.3))
    assert sure is not None
    assert unsure is not None
    width = [np.mean(table["p95"] - table["p05"]) for table in (sure, unsure)]
    assert width[1] > 1.2 * width[0]


def test_the_table_says_what_it_is():
    summary, so_far = known(orders_of(200), 12)
    found = newcomer_values(fitted(), summary, so_far, economics(gross_margin=0.5))
    table = found.table
    assert table is not None
    assert tuple(table.columns) == COLUMNS
    assert list(dict.fromkeys(table["by"])) == ["channel", "channel+first_order"]
    assert len(found.sentences) == 2
    assert (set(table["money"]), set(table["layers"]), set(table["horizon_months"])) == (
        {"contribution"},
        {"parameter"},
        {12},
    )
    crossed = table[table["by"] == "channel+first_order"]
    edges = crossed["first_order_from"].dropna().unique()
    assert set(crossed["first_order_below"].dropna()) == set(edges)
    assert crossed["customers"].sum() == table[table["by"] == "channel"]["customers"].sum()


def test_no_table_without_two_cells_or_without_a_log():
    summary, so_far = known(orders_of(60).assign(amount=5.0, channel="one"), 12)
    assert newcomer_values(fitted(), summary, so_far, economics()) == (None, ())
    assert newcomer_values(fitted(), summary, None, economics()) == (None, ())


def test_a_mean_order_that_does_not_exist_is_said(monkeypatch):
    summary, so_far = known(orders_of(60), 12)
    endless = [np.full((20, 4), np.inf)] * 2, np.full(60, np.inf)
    monkeypatch.setattr(newcomer_value, "values", lambda *_: endless)
    found = newcomer_values(fitted(), summary, so_far, economics())
    assert found.table is None
    assert "There is no newcomer_value.csv" in found.sentences[0]


def test_many_small_cells_are_pooled(monkeypatch):
    monkeypatch.setattr(newcomer_value, "MOST_CELLS", 3)
    frame = pd.DataFrame({"channel": list("aaaabbbccd"), "segment": "", "first_amount": 1.0})
    (cells,) = divide(frame)
    assert cells.labels["channel"].tolist() == ["a", "b", "other"]
    assert np.bincount(cells.number).tolist() == [4, 3, 3]


@pytest.mark.parametrize(
    ("amounts", "edges"),
    [([1, 2, 3, 4, 5, 6], [2.67, 4.33]), ([5, 5, 5], []), ([], []), ([1, 9, 9, 9, 9, 9], [9]), ([0, 0, 0, 7], [])],
)
def test_bands_divide_what_varies(amounts, edges):
    assert bands(np.array(amounts, float)).tolist() == edges


def test_what_was_brought_so_far_does_not_depend_on_the_order_of_rows():
    orders = orders_of(80)
    one, other = (known(o, 6)[1] for o in (orders, orders.sample(frac=1, random_state=2)))
    np.testing.assert_array_equal(one.revenue, other.revenue)
    np.testing.assert_array_equal(one.orders, other.orders)
