"""Orders are merged and summed some customers at a time, and how many at once changes nothing."""

from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import clvsim
from clvsim.data import blocks
from clvsim.data.config import DataConfig
from clvsim.data.history import history_of
from clvsim.data.summary import weekly_repeat_orders
from clvsim.types import SharedPeriods

PERIODS = (0.0, 7.0, 30.5, SharedPeriods(365.25 / 12, "month"), SharedPeriods(10.0, "", date(2021, 1, 3)))


def orders(seed: int, rows: int = 3000, customers: int = 150) -> pd.DataFrame:
    """Several rows a day, refunds, orders of nothing, customers who come late."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, customers, rows)
    day = np.minimum(customer * 4 + rng.integers(0, 500, rows), 700)
    return pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in customer],
            "date": pd.Timestamp("2021-01-01") + pd.to_timedelta(day, "D"),
            "amount": rng.choice([0.0, -5.0, 12.5, 19.99, 3.3333], rows, p=[0.05, 0.1, 0.4, 0.4, 0.05]),
            "segment": rng.choice(["x", "y", ""], rows),
        }
    )


@pytest.mark.parametrize("refunds", ["net", "drop"])
def test_neither_blocks_nor_the_order_of_rows_change_a_bit(monkeypatch, refunds) -> None:
    config = DataConfig(kind="csv", path="o.csv", segment="segment", refunds=refunds, calibration_end=date(2022, 4, 1))
    frame = orders(1)

    def read(some: pd.DataFrame) -> list[tuple]:
        log = clvsim.read_transactions(some, config)
        found = [(clvsim.summarize(log, periods), weekly_repeat_orders(log, periods)) for periods in PERIODS]
        return [
            (one.customers, one.dated.repeat_orders_by_day, one.trend, one.data_hash, weeks) for one, weeks in found
        ]

    whole = read(frame)
    monkeypatch.setattr(blocks, "_AT_ONCE", 97)
    for some in (frame, frame.sample(frac=1, random_state=2)):
        for (customers, daily, trend, digest, weeks), (others, *rest, weekly) in zip(whole, read(some), strict=True):
            pd.testing.assert_frame_equal(customers, others, check_exact=True)
            pd.testing.assert_frame_equal(weeks, weekly, check_exact=True)
            assert np.array_equal(daily, rest[0])
            assert rest[1:] == [trend, digest]


def test_money_of_a_day_is_exact_however_large() -> None:
    """Ten rows of nearly 10^14 on one day do not fit into 64 bits of ten-thousandths."""
    large = Decimal("99999999999999.9999")
    frame = pd.DataFrame(
        {
            "customer_id": ["a"] * 24 + ["b"],
            "date": ["2024-01-01"] * 12 + ["2024-01-02"] * 12 + ["2024-01-03"],
            "amount": [str(large)] * 12 + [str(-large)] * 11 + ["0.0001", "7"],
        }
    )
    log = clvsim.read_transactions(frame, DataConfig(refunds="drop"))
    days = log.connection.execute("SELECT customer, day, orders, ordered, refunded FROM days").fetchall()
    assert days == [
        (0, date(2024, 1, 1), 12, 12 * large, 0),
        (0, date(2024, 1, 2), 1, Decimal("0.0001"), 11 * large),
        (1, date(2024, 1, 3), 1, 7, 0),
    ]


@pytest.mark.parametrize("amount", ["334481255986.3923", "299113130379.6069", "99999999999999.9999", "0.0001"])
def test_one_amount_is_its_nearest_number(amount: str) -> None:
    frame = pd.DataFrame({"customer_id": ["a", "b"], "date": ["2024-01-01"] * 2, "amount": [amount, "7"]})
    customers = clvsim.summarize(clvsim.read_transactions(frame)).customers
    assert customers["first_amount"].tolist() == [float(amount), 7.0]


def test_what_comes_later_changes_no_bit_of_large_sums() -> None:
    """Sums beyond 2^53 ten-thousandths are rounded, in one order whatever follows."""
    rng = np.random.default_rng(4)
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(3 * np.arange(20), "D")
    frame = pd.DataFrame({"customer_id": "a", "date": dates, "amount": rng.uniform(1e11, 9e12, 20).round(2)})
    frame = pd.concat([frame, frame.head(1).assign(customer_id="b", amount=5.0)])
    config = DataConfig(calibration_end=date(2024, 1, 31))
    known = ["first_amount", "repeat_amount", "repeat_log_amount", "repeat_log_square", "repeat_lag_log", "last_amount"]
    for periods in (0.0, 7.0):
        some = [
            clvsim.summarize(clvsim.read_transactions(rows, config), periods).customers[known]
            for rows in (frame, frame[frame["date"] <= "2024-01-31"])
        ]
        pd.testing.assert_frame_equal(*some, check_exact=True)


def test_history_has_the_same_bits_each_time() -> None:
    """Refunds leave orders in no order."""
    frame = orders(5)
    frame["amount"] = np.where(frame["amount"] < 0, frame["amount"], frame["amount"] * 1.0137).round(4)

    def bits(some: pd.DataFrame) -> list[bytes]:
        history = history_of(clvsim.read_transactions(some))
        return [np.asarray(values).tobytes() for values in history[:9] if not isinstance(values, tuple)]

    first = bits(frame)
    for seed in range(3):
        assert bits(frame.sample(frac=1, random_state=seed)) == first


def test_what_goes_wrong_in_a_block_is_said(monkeypatch) -> None:
    log = clvsim.read_transactions(orders(3))
    monkeypatch.setattr(blocks, "_AT_ONCE", 100)

    def fails(block: blocks.Block) -> int:
        raise ZeroDivisionError(block.customer.size)

    with pytest.raises(ZeroDivisionError):
        list(blocks.by_block(log.connection, "purchases", fails))
