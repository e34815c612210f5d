"""Refunds come off the same day's order, then the latest earlier one; nothing is lost on the way."""

from collections import defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize

Read = Callable[..., TransactionLog]
HEADER = "customer_id,date,amount\n"
START = date(2024, 1, 1)


def orders(log: TransactionLog) -> list[tuple[str, date, Decimal]]:
    return log.connection.execute("SELECT customer_id, day, amount FROM orders ORDER BY customer_id, day").fetchall()


def of(log: TransactionLog, customer: str) -> list[tuple[int, float]]:
    """(day of the month, amount) of one customer's orders."""
    return [(day.day, float(amount)) for who, day, amount in orders(log) if who == customer]


OTHERS = "y,2024-01-01,1\nz,2024-01-01,1\nz,2024-01-31,1\n"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({1: [10], 5: [20, -5]}, [(1, 10.0), (5, 15.0)]),  # the same day's order
        ({1: [10], 5: [20], 6: [-5]}, [(1, 10.0), (5, 15.0)]),  # the latest earlier one
        ({1: [10], 5: [20], 6: [-25]}, [(1, 5.0)]),  # which disappears, and the next
        ({1: [10], 5: [20], 6: [-20], 7: [-1], 9: [3]}, [(1, 9.0), (9, 3.0)]),  # one after the other
        ({1: [10], 3: [-4], 5: [20, -25]}, [(1, 1.0)]),  # same day first, then back
        ({1: [-4], 5: [20]}, [(5, 20.0)]),  # nothing before it: unmatched
        ({1: [10], 3: [-14], 5: [20]}, [(5, 20.0)]),  # the excess does not touch later orders
        ({1: [0], 5: [20], 6: [-20]}, [(1, 0.0)]),  # an order of zero was not refunded
    ],
)
def test_worked_examples(read: Read, rows: dict[int, list[int]], expected: list[tuple[int, float]]) -> None:
    lines = [f"x,2024-01-{day:02d},{amount}\n" for day, amounts in rows.items() for amount in amounts]
    log = read(HEADER + OTHERS + "".join(reversed(lines)))
    assert of(log, "x") == expected
    assert of(log, "z") == [(1, 1.0), (31, 1.0)]


def test_what_the_table_says(read: Read) -> None:
    rows = "x,2024-01-01,10\nx,2024-01-02,-12\nw,2024-01-01,10\nw,2024-01-03,5\nw,2024-01-04,-5.5\n"
    log = read(HEADER + OTHERS + rows)
    refunds = log.facts.refunds
    assert (refunds.rows, refunds.total, refunds.orders_removed) == (2, Decimal("17.5"), 2)
    assert (refunds.unmatched, refunds.unmatched_customers, refunds.customers_removed) == (2, 1, 1)
    table = {line.key: line for line in quality(log, summarize(log))}
    assert table["refunds"].value == "2 worth 17.50"
    assert "2 orders refunded in full are removed" in table["refunds"].note
    assert (table["refunds_unmatched"].value, table["refunds_unmatched"].level) == ("2.00", "warning")
    assert table["refunds_customers"].value == "1"
    assert "x" not in summarize(log).customers["customer_id"].tolist()


def test_drop(read: Read) -> None:
    log = read(HEADER + OTHERS + "x,2024-01-01,10\nx,2024-01-01,-4\nx,2024-01-05,-100\n", refunds="drop")
    assert of(log, "x") == [(1, 10.0)]
    assert (log.facts.refunds.rows, log.facts.refunds.total) == (2, 104)
    assert {line.key: line.level for line in quality(log, summarize(log))}["refunds"] == "warning"


def test_a_refund_after_today_changes_nothing_known_today(read: Read) -> None:
    """Neither the first order nor its amount may depend on the hold-out."""
    rows = "x,2024-01-01,10\nx,2024-01-12,8\nx,2024-01-13,-11\n"
    log = read(HEADER + OTHERS + rows, calibration_end="2024-01-10")
    assert of(log, "x") == [(1, 10.0)]
    assert log.facts.refunds.after_today == 3
    assert log.facts.refunds.unmatched == 0
    assert {line.key: line.value for line in quality(log, summarize(log))}["refunds_after_today"] == "3.00"


Events = list[tuple[str, int, int]]
EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 12), st.integers(-60, 60)), min_size=1, max_size=40
)  # (customer, day, cents)


def by_hand(events: Events) -> tuple[dict[tuple[str, int], int], int]:
    """A stack per customer, one event after the other: remaining orders in cents and what found no order."""
    remaining: dict[tuple[str, int], int] = {}
    unmatched = 0
    per_day: dict[tuple[str, int], list[int]] = defaultdict(list)
    for customer, day, cents in events:
        per_day[customer, day].append(cents)
    for customer in "abc":
        stack: list[list[int]] = []  # [day, cents left]
        for day in range(13):
            amounts = per_day.get((customer, day), [])
            if any(a >= 0 for a in amounts):
                stack.append([day, sum(a for a in amounts if a >= 0)])
            due = -sum(a for a in amounts if a < 0)
            untouched: list[list[int]] = []
            while due and stack:
                top = stack.pop()
                taken = min(due, top[1])
                due -= taken
                if top[1] > taken or taken == 0:  # something left of it, or an order of zero
                    untouched.append([top[0], top[1] - taken])
            stack += reversed(untouched)
            unmatched += due
        remaining |= {(customer, day): cents for day, cents in stack}
    return remaining, unmatched


@settings(max_examples=40)
@given(EVENTS)
def test_netting_is_a_stack_and_conserves_money(events: Events) -> None:
    frame = pd.DataFrame(
        [(who, START + timedelta(days=day), cents / 100) for who, day, cents in events]
        + [("y", START, 1.0), ("z", START + timedelta(days=12), 1.0)],
        columns=["customer", "date", "amount"],
    )
    log = read_transactions(frame, DataConfig())
    net_amounts = {
        (who, (day - START).days): int(amount * 100) for who, day, amount in orders(log) if who not in ("y", "z")
    }
    expected, unmatched = by_hand(events)
    assert net_amounts == expected
    assert log.facts.refunds.unmatched * 100 == unmatched
    assert sum(net_amounts.values()) == sum(cents for _, _, cents in events) + unmatched


@pytest.mark.parametrize(("policy", "later", "recent"), [("net", 23.0, 13.0), ("drop", 37.0, 18.0)])
def test_money_after_today_and_of_as_many_days_before(read: Read, policy: str, later: float, recent: float) -> None:
    """Ten days are held back. Refunds come off the orders of their own side of today: the 14 of 22 January is taken
    off what came after it, the 6 of 24 January exceeds it and touches nothing before. First orders are no repeat ones.
    """
    rows = (
        "x,2024-01-02,100\nx,2024-01-10,3\nx,2024-01-12,8\nx,2024-01-15,10\nx,2024-01-16,-5\n"
        "x,2024-01-21,14\nx,2024-01-22,-14\nx,2024-01-24,-6\nx,2024-01-25,23\n"
        "w,2024-01-13,50\nw,2024-01-14,2\n"
    )
    log = read(HEADER + rows + "z,2024-01-01,1\nz,2024-01-30,1\n", calibration_end="2024-01-20", refunds=policy)
    frame = summarize(log).customers.set_index("customer_id")
    assert frame.loc["x", ["holdout_amount", "recent_amount"]].tolist() == [later, recent]
    assert frame.loc["w", ["holdout_amount", "recent_amount"]].tolist() == [0.0, 2.0]
    assert frame.loc["z", ["holdout_amount", "recent_amount"]].tolist() == [1.0, 0.0]
    merged = summarize(log, 100.0).customers
    assert merged["holdout_amount"].tolist() == merged["recent_amount"].tolist() == [0.0, 0.0, 0.0]
