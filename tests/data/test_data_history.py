"""How sales went so far, counted in a log: by hand, and against a loop over customers."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from clvsim.data.config import DataConfig
from clvsim.data.history import MOST_MONTHS, history_of
from clvsim.data.log import TransactionLog
from clvsim.data.read import read_transactions

Orders = dict[str, list[tuple[date, float]]]


def log_of(orders: Orders, today: date) -> TransactionLog:
    rows = [(name, day, amount) for name, own in orders.items() for day, amount in own]
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    return read_transactions(frame, DataConfig(today=today), today_date=date(2030, 1, 1))


def test_a_log_counted_by_hand() -> None:
    """Today ends February: its last month is February, the one before January. The first is dropped, which is no whole
    one: the log begins on 15 December."""
    found = history_of(
        log_of(
            {
                "a": [(date(2023, 12, 15), 5.0), (date(2024, 1, 1), 10.0), (date(2024, 2, 29), 7.0)],
                "b": [(date(2024, 1, 31), 20.0), (date(2024, 2, 1), 3.0)],
                "c": [(date(2024, 2, 10), 1.0)],
            },
            date(2024, 2, 29),
        )
    )
    assert found.first.tolist() == [1.0, 20.0]
    assert found.repeat.tolist() == [10.0, 10.0]
    assert found.quarters == ("2023Q4", "2024Q1")
    assert found.customers.tolist() == [1, 2]
    assert found.followed.tolist() == [2, 0]
    np.testing.assert_array_equal(found.revenue, [[5, 15, 15], [21, np.nan, np.nan]])
    np.testing.assert_array_equal(found.orders, [[1, 2, 2], [2, np.nan, np.nan]])
    assert found.revenue_so_far.tolist() == [22.0, 24.0]
    assert found.orders_so_far.tolist() == [3, 3]
    assert found.came_again == 2
    assert found.lately == (3, 6, 46.0, 0, 0)


def test_a_payer_of_each_first_pays_once_in_each_month() -> None:
    days = [date(2023 + m // 12, m % 12 + 1, 1) for m in range(20)]
    for today in (date(2024, 8, 1), date(2024, 8, 31)):
        found = history_of(log_of({name: [(day, 9.0) for day in days] for name in "ab"}, today))
        assert found.first.tolist() == [0.0] * 19 + [18.0] * (today.day > 1)
        assert found.repeat[:19].tolist() == [18.0] * 19


def test_a_log_against_a_loop_over_customers() -> None:
    r = np.random.default_rng(12)
    start, today = date(2017, 3, 5), date(2024, 5, 20)
    orders: Orders = {}
    for k in range(120):
        days = int(r.integers(0, 2500)) + np.cumsum(np.append(0, r.geometric(0.02, 15)))
        own = [(start + timedelta(int(day)), float(np.round(r.gamma(3.0, 9.0), 2))) for day in days]
        orders[f"c{k}"] = [(day, amount) for day, amount in own if day <= today]
    orders["c0"][0] = (start, 11.0)
    found = history_of(log_of(orders, today))
    assert found.first.size == found.repeat.size == MOST_MONTHS
    ends = [pd.Timestamp(today) - pd.DateOffset(months=k) for k in range(MOST_MONTHS + 1)]
    rows = [(pd.Timestamp(day), amount, day == own[0][0]) for own in orders.values() for day, amount in own]
    for k in (0, 1, 7, 30, MOST_MONTHS - 1):
        within = [(amount, is_first) for day, amount, is_first in rows if ends[k + 1] < day <= ends[k]]
        assert found.first[k] == pytest.approx(sum(amount for amount, is_first in within if is_first))
        assert found.repeat[k] == pytest.approx(sum(amount for amount, is_first in within if not is_first))
    for number, quarter in enumerate(found.quarters):
        own = [o for o in orders.values() if f"{o[0][0].year}Q{(o[0][0].month + 2) // 3}" == quarter]
        assert found.customers[number] == len(own)
        age = int(found.followed[number])
        until = age * 365.25 / 12 + 0.5
        young = sum(amount for o in own for day, amount in o if (day - o[0][0]).days <= until)
        assert found.revenue[number, age] == pytest.approx(young)
        assert found.revenue_so_far[number] == pytest.approx(sum(amount for o in own for _, amount in o))
    lately, before = ([{n for n, o in orders.items() if any(ends[a + 3] < pd.Timestamp(d) <= ends[a] for d, _ in o)}
                       for a in (0, 3)])  # fmt: skip
    assert (found.lately.customers, found.lately.before) == (len(lately), len(before))
    assert found.lately.again == len(lately & before)
