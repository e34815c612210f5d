"""First orders by month, against counting them day by day; which of them are newcomers; what says nothing of any."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from dateutil.relativedelta import relativedelta

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.data.newcomers import FirstOrders, first_orders
from clvsim.types import CustomerSummary, SharedPeriods
from tests.data.madeup import START, as_log, shop

MONTH = 365.25 / 12


def summary_of(frame: pd.DataFrame, periods: float | SharedPeriods = 0.0, **keys: object) -> CustomerSummary:
    return summarize(read_transactions(as_log(frame), DataConfig.model_validate(keys)), periods)


def of(frame: pd.DataFrame, **keys: object) -> FirstOrders:
    found = first_orders(summary_of(frame, 0.0, **keys))
    assert found is not None
    return found


def plainly(frame: pd.DataFrame, since: int) -> tuple[list[int], list[int]]:
    """First orders and days by month back from the last day, of days from `since` on, the oldest month first."""
    last = int(frame["day"].max())
    first = frame.groupby("customer_id")["day"].min()
    count, days, end, number = [], [], last, 0
    while end >= since:
        number += 1
        before = np.datetime64(on(last) - relativedelta(months=number), "D")
        start = max(int((before - START).astype(int)), since - 1)
        count.insert(0, int(((first > start) & (first <= end)).sum()))
        days.insert(0, end - start)
        end = start
    return count, days


def on(day: int) -> date:
    return (START + np.timedelta64(day, "D")).astype(object)


@pytest.mark.parametrize("days", [100, 365, 366, 424, 1000])
def test_months_are_counted_back_from_today_without_the_first_day(days: int) -> None:
    frame = shop(1, days, a_day=2.0)
    found, since = of(frame), int(frame["day"].min()) + 1
    count, of_month = plainly(frame, since)
    assert found.count.tolist() == count
    assert found.days.tolist() == of_month
    assert found.left_out == 0
    assert found.months == pytest.approx((frame["day"].max() - since + 1) / MONTH)
    year = count[-12:]
    assert found.last_year[0] == pytest.approx(sum(year) / (sum(of_month[-12:]) / MONTH))


def test_at_most_five_years_count() -> None:
    found = of(shop(2, 2600, a_day=0.3))
    assert found.count.size == 60
    assert 1826 <= found.days.sum() <= 1827


def test_units_and_the_order_of_rows_change_nothing() -> None:
    frame = shop(3, 400, a_day=1.0)
    plain = of(frame)
    for other in (of(frame, time_unit="day"), of(frame.sample(frac=1.0, random_state=1))):
        np.testing.assert_array_equal(other.count, plain.count)
        np.testing.assert_array_equal(other.days, plain.days)


def test_those_who_pile_up_at_the_start_are_not_new() -> None:
    """540 days of a shop that is four years older, with three newcomers a day."""
    whole = shop(0, 2000, a_day=3.0)
    cut = whole[whole["day"] >= 1460]
    truth = whole.groupby("customer_id")["day"].min()
    found, shown = of(cut), cut.groupby("customer_id")["day"].min()
    late = int(cut["day"].min()) + (found.start - first_date(cut)).days
    assert found.left_out == int((shown < late).sum())
    assert found.total == int((shown >= late).sum())
    everybody = first_orders_of(shown)
    assert everybody[-180:].sum() < 1.2 * first_orders_of(truth)[-180:].sum()
    assert found.count[-6:].sum() == everybody[-int(found.days[-6:].sum()) :].sum()
    assert shown.size > 1.8 * found.total  # of which a half are new
    named = of(cut, customers_since=str(found.start))
    assert named.left_out == 0
    assert abs(named.total - found.total) <= 8  # the first day does not count


def test_those_who_are_first_seen_over_months_are_not_new() -> None:
    """Shops that are four years older, whose customers order every 100 days, and in 540 days come down over months."""
    for seed in range(3):
        whole = shop(seed, 2000, mean_gap=100.0)
        cut = whole[whole["day"] >= 1460]
        found = of(cut)
        assert found.left_out > found.total / 2
        assert 84 <= (found.start - first_date(cut)).days <= 270


def first_orders_of(first: pd.Series) -> np.ndarray:
    return np.bincount(first, minlength=2000)


def first_date(frame: pd.DataFrame) -> date:
    return read_transactions(as_log(frame), DataConfig()).first_date


def test_first_payments_count_where_orders_are_merged() -> None:
    frame = shop(4, 500, a_day=1.0)
    plain = of(frame)
    for periods in (30.0, SharedPeriods(MONTH, "month")):
        merged = first_orders(summary_of(frame, periods))
        assert merged is not None
        np.testing.assert_array_equal(merged.count, plain.count)


@pytest.mark.parametrize("today", ["2023-12-01", "2023-12-15", "2024-02-29"])
def test_payments_that_fall_due_on_the_first_come_evenly(today: str) -> None:
    """Ten new contracts on each first day of a month, which pay for half a year."""
    firsts = np.repeat(np.arange("2022-01", today[:7], dtype="datetime64[M]"), 10)
    who = np.arange(firsts.size)
    paid = pd.DataFrame(
        {"customer_id": np.tile(who, 6), "month": np.concatenate([firsts + np.timedelta64(m, "M") for m in range(6)])}
    )
    frame = pd.DataFrame(
        {
            "customer_id": paid["customer_id"].map("c{:04d}".format),
            "date": paid["month"].to_numpy().astype("datetime64[D]").astype(str),
            "amount": 9.0,
        }
    )
    frame = frame[frame["date"] <= today]
    log = read_transactions(frame, DataConfig.model_validate({"today": today, "calibration_end": "none"}))
    found = first_orders(summarize(log))
    assert found is not None
    assert set(found.count[1:-1]) == {10}


def made(count: list[int]) -> FirstOrders:
    n = np.array(count)
    return FirstOrders(n, np.full(n.size, 30), date(2024, 1, 1), date(2024, 1, 1) + timedelta(days=30 * n.size - 1))


@pytest.mark.parametrize(
    ("count", "rule"),
    [
        ([50, 50], "needs first orders of at least 3 months; the log has 100 from 2024-01-01 to 2024-02-29"),
        ([7, 7, 7, 7], "needs at least 30 first orders; the log has 28 from 2024-01-01 to 2024-04-29"),
        ([50, 50, 0, 0], "none since 2024-02-29: a group that was closed then"),
        ([50] * 20 + [0] * 12, "none since"),
    ],
)
def test_what_says_nothing_of_newcomers(count: list[int], rule: str) -> None:
    assert rule in made(count).problem()


@pytest.mark.parametrize("count", [[30, 20, 10, 1], [50] * 20 + [0] * 11, [0, 50, 50, 50, 0]])
def test_what_says_something(count: list[int]) -> None:
    assert made(count).problem() == ""
