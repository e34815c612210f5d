"""Today, before or after the last order, and what is held back to check the models: neither feeds the other."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvsim.data.config import DataConfig
from clvsim.data.cut import cut_of
from clvsim.data.material import Material, material_of_log
from clvsim.data.read import as_of, read_transactions
from clvsim.data.summary import summarize
from clvsim.errors import ConfigError, DataError
from clvsim.models import RETENTION

ROWS = "a,2024-01-01,10 a,2024-02-01,12 a,2024-03-01,14 b,2024-01-10,20 b,2024-02-20,-5 b,2024-03-05,8 c,2024-02-25,9"


def log_of(rows: str = ROWS, **settings: Any):
    frame = pd.DataFrame([row.split(",") for row in rows.split()], columns=["customer_id", "date", "amount"])
    return read_transactions(frame, DataConfig(**settings), today_date=date(2024, 6, 30))


def shop(customers: int = 300, days: int = 400, seed: int = 5) -> pd.DataFrame:
    """Orders every 40 days on average, of customers who come evenly."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        day = random.uniform(0, days)
        while day < days:
            rows.append(
                (
                    f"c{customer}",
                    np.datetime64("2023-01-01") + np.timedelta64(int(day), "D"),
                    round(random.gamma(4, 10), 2),
                )
            )
            day += random.exponential(40)
    return pd.DataFrame(rows, columns=["customer_id", "date", "amount"])


def material(frame: pd.DataFrame, interval_days: float = 0.0, **settings: Any) -> Material:
    return material_of_log(read_transactions(frame, DataConfig(**settings)), interval_days=interval_days)


# --- today ------------------------------------------------------------------------------------------------------------


def test_a_today_after_the_last_order_is_time_in_which_nobody_ordered() -> None:
    log = log_of(today="2024-05-01")
    frame = summarize(log).customers
    assert (log.today, log.last_date, log.facts.last_row) == (date(2024, 5, 1), date(2024, 5, 1), date(2024, 3, 5))
    assert frame["T_days"].tolist() == [121, 112, 66]
    assert frame["recency_days"].tolist() == [60, 55, 0]
    lines = {line.key: line for line in material_of_log(log).quality}
    assert lines["today"].note == "57 days after the last order"  # it was silent for as long before
    assert lines["span"].value == "2024-01-01 to 2024-03-05"


def test_a_silence_longer_than_any_before_is_warned_of() -> None:
    frame = shop()
    quiet, usual = (material(frame, today=day) for day in ("2024-06-01", "2024-02-08"))
    line, plain = ({line.key: line for line in found.quality}["today"] for found in (quiet, usual))
    assert line.level == "warning"
    assert "longer than ever before in this log" in line.note
    assert "data.today" in line.note
    assert plain.level == "info"


def test_a_silent_year_leaves_few_of_those_who_were_there() -> None:
    """What BG/NBD expects by the true parameters falls with the silence; it counted from the last order before."""
    model = RETENTION["bg_nbd"]()
    params = {name: np.array([value]) for name, value in {"r": 0.8, "alpha": 4.0, "a": 0.8, "b": 2.4}.items()}
    frame, expected = shop(), []
    for today in (None, "2025-02-03"):
        summary = summarize(read_transactions(frame, DataConfig(today=today)))
        expected.append(model.expected_orders(params, model.histories(summary), 365.25, 7.0).sum())
    assert expected[1] < 0.1 * expected[0]


def test_a_today_before_the_last_order_cuts_the_log_and_says_so() -> None:
    log, short = log_of(today="2024-02-20"), log_of(" ".join(ROWS.split()[:2] + ROWS.split()[3:5]))
    assert log.facts.rows_after_today == 3
    assert log.data_hash == short.data_hash
    pd.testing.assert_frame_equal(summarize(log).customers, summarize(short).customers)
    lines = {line.key: line for line in material_of_log(log).quality}
    assert lines["after_today"].value == "3"
    assert "data.today" in lines["after_today"].note


def test_a_day_before_the_last_order_is_no_error_and_the_day_itself_changes_nothing() -> None:
    assert log_of(today="2024-03-05").data_hash == log_of().data_hash
    assert log_of(today="2024-03-04").facts.rows_after_today == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"today": "2024-01-01"},
            r"data\.today: 2024-01-01 leaves no day after the first of the log, .* 2024-01-01 to 2024-03-05",
        ),
        ({"today": "2023-01-01"}, r"data\.today: 2023-01-01 leaves nothing"),
        ({"today": "2024-07-01"}, r"data\.today: 2024-07-01 is still to come"),
        ({"today": "2024-02-20", "calibration_end": "2024-02-25"}, r"lies after data\.today \(2024-02-20\)"),
        ({"calibration_end": "2024-03-06"}, r"data\.calibration_end: 2024-03-06 lies outside the log"),
        (
            {"today": "2023-01-01", "calibration_end": "2025-01-01"},
            r"(?s)data\.today: .*data\.calibration_end: 2025-01-01 lies outside",
        ),
    ],
)
def test_days_that_leave_nothing(settings: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        log_of(**settings)


def test_a_today_before_anybody_came_twice_leaves_too_few() -> None:
    with pytest.raises(DataError, match="only one customer has an order up to 2024-01-05"):
        log_of(today="2024-01-05")


# --- the check --------------------------------------------------------------------------------------------------------


def test_the_last_fifth_is_held_back_by_itself_and_moves_no_value() -> None:
    frame = shop()
    alone, checked = material(frame, calibration_end="none"), material(frame)
    pd.testing.assert_frame_equal(alone.summary.customers, checked.summary.customers)
    assert alone.summary.data_hash == checked.summary.data_hash
    assert checked.check is not None
    held_back, days = checked.check.summary, (checked.summary.today - checked.summary.first_date).days
    assert checked.check.chosen
    assert held_back.holdout_days == round(0.2 * days)
    assert held_back.last_date == checked.summary.today
    known = frame[frame["date"] <= np.datetime64(held_back.today)]
    assert len(held_back.customers) == known["customer_id"].nunique()
    later = frame[(frame["date"] > np.datetime64(held_back.today)) & frame["customer_id"].isin(known["customer_id"])]
    assert held_back.customers["holdout_frequency"].sum() == len(later.drop_duplicates(["customer_id", "date"]))
    line = {line.key: line for line in checked.quality}["check"]
    assert "none leaves it out" in line.note


def test_a_typed_day_is_the_checks_and_not_the_values() -> None:
    frame = shop()
    typed, free = material(frame, calibration_end="2023-09-30"), material(frame)
    pd.testing.assert_frame_equal(typed.summary.customers, free.summary.customers)
    assert typed.check is not None
    assert (typed.check.summary.today, typed.check.chosen) == (date(2023, 9, 30), False)


@pytest.mark.parametrize(
    ("customers", "settings", "expected"),
    [
        (300, {"calibration_end": "none"}, r"^Nothing was held back .*\(data\.calibration_end=none\)\.$"),
        (12, {}, r"^Nothing was held back .* the check needs 100 and 30\. data\.calibration_end=DAY"),
    ],
)
def test_where_nothing_is_held_back_the_reason_is_said(customers: int, settings: Any, expected: str) -> None:
    found = material(shop(customers), **settings)
    assert found.check is None
    assert pd.Series([found.unchecked]).str.match(expected).all(), found.unchecked
    assert {line.key: line for line in found.quality}["check"].note == found.unchecked


def test_refunds_of_the_held_back_part_are_taken_off_todays_value_and_not_off_the_check() -> None:
    log = log_of()
    known = as_of(log, date(2024, 2, 15))
    assert summarize(known).customers["first_amount"].tolist() == [10, 20]
    assert summarize(log).customers["first_amount"].tolist() == [10, 15, 9]  # each log goes on standing by itself
    assert summarize(known).customers["first_amount"].tolist() == [10, 20]


def test_contracts_are_cut_between_due_days() -> None:
    """All fall due on the first: the cut lies half a month after one, and a whole round after it."""
    days = pd.date_range("2022-01-01", "2023-12-01", freq="MS")
    frame = pd.DataFrame(
        [(f"m{i}", day, 10.0) for i in range(40) for day in days[i % 3 :]], columns=["customer_id", "date", "amount"]
    )
    log = read_transactions(frame, DataConfig())
    cut = cut_of(log, 365.25 / 12)
    assert isinstance(cut, date)
    assert 11 <= cut.day <= 20
    assert date(2023, 6, 10) < cut < date(2023, 8, 1)


def test_rows_in_another_order_are_cut_at_the_same_day() -> None:
    frame = shop()
    mixed = frame.sample(frac=1, random_state=1)
    first, second = material(frame).check, material(mixed).check
    assert first is not None
    assert second is not None
    pd.testing.assert_frame_equal(first.summary.customers, second.summary.customers)


def test_an_unreadable_day_is_one_line(tmp_path: Path, clvsim: Callable[..., Any]) -> None:
    path = tmp_path / "orders.csv"
    shop(20).to_csv(path, index=False)
    done = clvsim("check", str(path), "data.today=soon", "data.calibration_end=never")
    assert done.returncode != 0
    assert "data.today" in done.stderr
    assert "data.calibration_end: a date is needed, such as 2026-01-15, got" in done.stderr
    assert "data.calibration_end." not in done.stderr
