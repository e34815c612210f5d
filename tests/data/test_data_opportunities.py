"""Orders merged by a customer's own periods: what is one order, what has ended, and when it counts."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvsim.data import TransactionLog, quality, require_repeat_orders, summarize, weekly_repeat_orders
from clvsim.errors import DiagnosticsError

Read = Callable[..., TransactionLog]
HEADER = "customer_id,date,amount\n"
# a: first order on 1 January; days 1, 10 (period 1 of ten days), 11 (2), 40 (4), 41 (5), 49 (5), 52 (6).
ORDERS = (
    "a,2024-01-01,5\na,2024-01-02,1\na,2024-01-11,2\na,2024-01-12,0\na,2024-02-10,4\na,2024-02-11,8\n"
    "a,2024-02-19,16\na,2024-02-22,32\nb,2024-02-09,3\n"
)


def test_orders_of_one_period_are_one_and_the_running_period_is_not_in_it(read: Read) -> None:
    log = read(HEADER + ORDERS, calibration_end="2024-02-12")  # day 42 of a: four periods have ended
    summary = summarize(log, 10.0)
    assert summary.opportunity_days == 10.0
    a, b = (summary.customers.iloc[i] for i in (0, 1))
    assert (a["frequency"], a["recency_days"], a["T_days"]) == (3, 40.0, 42.0)
    assert (a["first_amount"], a["repeat_amount"], a["repeat_positive"]) == (5.0, 7.0, 2)  # 1 + 2, 0, 4
    assert a["repeat_log_amount"] == pytest.approx(np.log(3) + np.log(4), abs=1e-14)
    # The log ends on day 52 of a: period 5 (days 41 and 49) has ended by then, period 6 has not.
    assert a["holdout_frequency"] == 1
    assert (b["frequency"], b["recency_days"], b["T_days"], b["holdout_frequency"]) == (0, 0.0, 3.0, 0)


def test_a_period_that_ends_today_has_ended(read: Read) -> None:
    ended, running = (
        summarize(read(HEADER + ORDERS, calibration_end=day), 10.0).customers.iloc[0]
        for day in ("2024-02-10", "2024-02-09")  # days 40 and 39
    )
    assert (ended["frequency"], ended["holdout_frequency"]) == (3, 1)
    assert (running["frequency"], running["holdout_frequency"]) == (2, 2)


def test_weeks_hold_the_ends_of_periods(read: Read) -> None:
    """Weeks start on Tuesdays, 13 February the first after today; periods of a end on 11 January, 21, 10 Feb., 20."""
    weekly = weekly_repeat_orders(read(HEADER + ORDERS, calibration_end="2024-02-12"), 10.0)
    by_week = {d.date(): n for d, n in zip(weekly["week_start"], weekly["orders"], strict=True) if n}
    assert list(by_week) == [date(2024, 1, 9), date(2024, 1, 16), date(2024, 2, 6)]
    assert weekly["orders"].tolist()[-1] == 0  # one full week after today; the period of day 49 ends in the next


def test_a_day_is_the_finest_period(cdnow: TransactionLog) -> None:
    days = summarize(cdnow)
    pd.testing.assert_frame_equal(summarize(cdnow, 1.0).customers, days.customers)
    assert days.opportunity_days == 0.0


@pytest.mark.parametrize("every", [7.0, 30.4375, 91.3125])
def test_cdnow_by_hand(cdnow: TransactionLog, every: float) -> None:
    """The same in pandas, and every merged order is in the calibration, the hold-out or the period still running."""
    orders = cdnow.connection.execute("SELECT customer_id, day, amount::DOUBLE AS amount FROM orders").df()
    orders["day"] = pd.to_datetime(orders["day"])
    first = orders.groupby("customer_id")["day"].transform("min")
    orders["period"] = np.ceil((orders["day"] - first).dt.days / every)
    age = {d: (pd.Timestamp(d) - first).dt.days for d in (cdnow.today, cdnow.last_date)}
    ended, at_last = (orders["period"] <= (age[d] + 0.5) // every for d in age)
    summary = summarize(cdnow, every).customers
    for column, counted_rows in (
        ("frequency", ended & (orders["period"] > 0)),
        ("holdout_frequency", at_last & ~ended),
    ):
        counted = orders[counted_rows].groupby("customer_id")["period"].nunique()
        expected = counted.reindex(summary["customer_id"], fill_value=0).to_numpy()
        np.testing.assert_array_equal(summary[column], expected)
    repeat_orders = orders[ended & (orders["period"] > 0)]
    assert summary["repeat_amount"].sum() == pytest.approx(repeat_orders["amount"].sum(), rel=1e-12)
    weekly = weekly_repeat_orders(cdnow, every)["orders"]
    assert weekly.iloc[:39].sum() == summary["frequency"].sum()
    assert weekly.iloc[39:].sum() == summary["holdout_frequency"].sum()


def test_the_table_says_what_became_of_orders(read: Read) -> None:
    log = read(HEADER + ORDERS, calibration_end="2024-02-12")
    lines = {line.key: line for line in quality(log, summarize(log, 10.0))}
    assert lines["opportunities"].value == "one in 10 days"
    assert lines["opportunities"].note.startswith("5 repeat orders up to today count as 3")
    assert "opportunities" not in {line.key for line in quality(log, summarize(log))}


def test_no_repeat_order_in_a_period_that_has_ended(read: Read) -> None:
    log = read(HEADER + "a,2024-01-01,5\na,2024-01-09,5\nb,2024-01-02,1\n")
    require_repeat_orders(summarize(log))
    with pytest.raises(DiagnosticsError, match="in any period of 10 days that has ended up to 2024-01-09"):
        require_repeat_orders(summarize(log, 10.0))


def test_a_period_has_ended_when_no_day_is_left_that_could_be_in_it(read: Read) -> None:
    """From midday of the first day, the end of today is 1.5 days away and that of the log 3.5."""
    rows = "a,2024-01-01,5\na,2024-01-02,1\na,2024-01-04,1\nb,2024-01-02,1\n"
    log = read(HEADER + rows, calibration_end="2024-01-02")
    for every, ended, later in ((1.5, 1, 1), (1.6, 0, 2), (1.8, 0, 1), (3.6, 0, 0)):
        a = summarize(log, every).customers.iloc[0]
        assert (a["frequency"], a["holdout_frequency"]) == (ended, later)
