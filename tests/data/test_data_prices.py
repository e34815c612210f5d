"""What a contract will pay, by its own payments and by those of others, against logs that are written by hand."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, read_transactions, summarize

TODAY = dt.date(2024, 6, 30)
Row = tuple[str, dt.date, float]


def due(day: dt.date, months: int) -> dt.date:
    number = day.year * 12 + day.month - 1 + months
    return dt.date(number // 12, number % 12 + 1, day.day)


def paid(name: str, start: dt.date, amounts: list[float], every: int = 1) -> list[Row]:
    return [(name, due(start, every * k), amount) for k, amount in enumerate(amounts)]


def others(prices: tuple[float, ...] = (29.0, 99.0), every: int = 1) -> list[Row]:
    """Contracts of several prices that do not change, five of each."""
    start = dt.date(2023, 1, 7) if every == 1 else dt.date(2021, 1, 7)
    return [row for p in prices for k in range(5) for row in paid(f"o{p:g}{every}{k}", start, [p] * (2 + k), every)]


def prices(rows: list[Row], **keys: Any) -> dict[str, float]:
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    customers = summarize(read_transactions(frame, DataConfig(today=TODAY, **keys))).customers
    return dict(zip(customers["customer_id"], customers["last_amount"], strict=True))


MARCH = dt.date(2024, 3, 12)


@pytest.mark.parametrize(
    ("rows", "price"),
    [
        (paid("x", MARCH, [29.0, 29.0, 29.0]), 29.0),
        (paid("x", MARCH, [29.0, 29.0, 99.0]), 99.0),  # an upgrade
        (paid("x", MARCH, [99.0, 29.0]), 29.0),
        (paid("x", MARCH, [29.0, 34.8]), 34.8),  # of which nothing is known yet
        ([*paid("x", MARCH, [29.0, 29.0, 29.0]), ("x", dt.date(2024, 5, 27), 12.5)], 29.0),  # between due days
        ([*paid("x", MARCH, [29.0, 29.0]), ("x", dt.date(2024, 5, 15), 35.0)], 35.0),  # three days late
        ([*paid("x", dt.date(2024, 1, 31), [29.0]), ("x", dt.date(2024, 2, 29), 35.0)], 35.0),  # the month's end
        (paid("x", MARCH, [29.0, 29.0, 290.0]), 29.0),  # a year at once
        (paid("x", MARCH, [29.0, 29.0, 0.0]), 29.0),
        (paid("x", MARCH, [31.25]), 31.25),
    ],
)
def test_the_last_full_payment_is_the_price(rows: list[Row], price: float) -> None:
    assert prices([*rows, *others(), *others((290.0,), 12)])["x"] == price


def test_a_first_period_at_a_discount_is_no_price() -> None:
    """Who has paid 9 was charged 29 ever after; so will be who has paid only that."""
    rows = [row for k in range(4) for row in paid(f"d{k}", due(MARCH, -k), [9.0, *[29.0] * (2 + k)])]
    found = prices([*rows, *others(), *paid("x", due(MARCH, 3), [9.0]), *paid("y", due(MARCH, 3), [19.0])])
    assert (found["x"], found["y"]) == (29.0, 19.0)
    assert found["d0"] == 29.0


def test_what_was_refunded_in_part_is_no_price() -> None:
    """Half of a payment came back to four contracts, of which three have paid in full since."""
    rows = [row for k in range(3) for row in paid(f"r{k}", due(MARCH, -k), [29.0, 14.5, 29.0])]
    assert prices([*rows, *others(), *paid("x", MARCH, [29.0, 29.0, 14.5])])["x"] == 29.0


def test_yearly_contracts_follow_those_who_were_due_before() -> None:
    """The year cost 100 and costs 120 since January: so it does for whoever falls due after those who paid that, though
    100 was followed by 100 more often."""
    members = {f"a{k:02}": dt.date(2020, 1 + k % 12, 1 + k % 28) for k in range(60)}
    rows = [
        (name, day, 120.0 if day.year == 2024 else 100.0)
        for name, start in members.items()
        for day in (start.replace(year=year) for year in range(2020, 2025))
        if day <= TODAY
    ]
    assert set(prices(rows).values()) == {120.0}
    before = prices([row for row in rows if row[2] == 100.0])
    assert set(before.values()) == {100.0}


def test_weeks_and_quarters_fall_due_too() -> None:
    weekly = [("w", dt.date(2024, 5, 6) + dt.timedelta(7 * k), 5.0) for k in range(7)]
    rows = [*weekly, ("w", dt.date(2024, 6, 20), 2.0), ("q", dt.date(2023, 5, 31), 80.0)]
    rows += [("q", dt.date(2023, 8, 31), 80.0), ("q", dt.date(2023, 11, 30), 85.0), ("q", dt.date(2024, 1, 9), 20.0)]
    assert prices([*rows, *others()]) | {"w": 5.0, "q": 85.0} == prices([*rows, *others()])


def test_orders_without_a_rhythm_have_their_last_amount() -> None:
    """As of a shop, whose orders fall due on no day; nobody paid is nan."""
    draw = np.random.default_rng(1)
    rows = [(f"{c}", dt.date(2023, 1, 1) + dt.timedelta(int(draw.integers(540))), 1.0 + k)
            for c in range(30) for k in range(8)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["c", "day", "amount"]).groupby(["c", "day"], as_index=False).sum()
    last = frame.sort_values("day").groupby("c")["amount"].last()
    found = prices([*rows, ("free", dt.date(2024, 1, 1), 0.0)])
    assert {name: found[name] for name in last.index} == last.to_dict()
    assert np.isnan(found["free"])


def test_later_payments_and_the_order_of_rows_do_not_matter() -> None:
    draw = np.random.default_rng(2)
    rows = [*others(), *others((290.0,), 12)]
    for k in range(40):
        amounts = draw.choice([9.0, 29.0, 34.8, 99.0], 6).tolist()
        rows += paid(f"x{k}", dt.date(2024, 1, 1 + k % 28), amounts)
    known = prices(rows)
    mixed = prices([rows[i] for i in draw.permutation(len(rows))])
    assert list(known.items()) == list(mixed.items())
    future = [("x1", TODAY + dt.timedelta(5), 500.0), ("o290", TODAY + dt.timedelta(3), 1.0)]
    assert prices([*rows, *future]) == known


def test_a_price_that_went_back_is_the_price() -> None:
    """From 20 to 24 at New Year and back in June: 20 was followed by 24, and 24 by 20 since."""
    starts = [dt.date(2023, 9, 3 + k) for k in range(12)]
    paying = [20.0] * 4 + [24.0] * 5 + [20.0]
    found = prices([row for k, start in enumerate(starts) for row in paid(f"c{k:02d}", start, paying)])
    assert set(found.values()) == {20.0}
    risen = [20.0] * 4 + [24.0] * 6
    late = [20.0] * 4 + [24.0] * 5 + [20.0]  # one of twelve: refunded in part
    one = prices([row for k, day in enumerate(starts) for row in paid(f"c{k:02d}", day, risen if k else late)])
    assert set(one.values()) == {24.0}
