"""Summaries without orders: the same customers as from their log, and a problem for every impossible row."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvsim.config import RunConfig, validate
from clvsim.data import require_repeat_orders
from clvsim.data.config import SummaryConfig
from clvsim.data.readers import read_material
from clvsim.data.tables.frequencies import material_of_table, read_summary
from clvsim.errors import ConfigError, DataError, DiagnosticsError
from clvsim.types import CustomerSummary

TODAY = date(1997, 9, 30)
GOOD = {"customer_id": ["a", "b", "c"], "frequency": [0, 2, 1], "recency": [0, 5, 3], "T": [9, 8, 3]}
GOOD |= {"monetary_value": [0, 10, 30]}
Read = Callable[..., CustomerSummary]


def config(**keys: object) -> SummaryConfig:
    return SummaryConfig.model_validate({"today": TODAY, "time_unit": "week", **keys})


def read(
    changes: dict[str, object] | None = None, rows: dict[str, list] | None = None, **keys: object
) -> CustomerSummary:
    """GOOD with the second customer's values changed."""
    frame = pd.DataFrame(rows or GOOD).astype(object)
    for key, value in (changes or {}).items():
        frame.loc[1, key] = value
    return read_summary(frame, config(**keys))


def frame_of(log: CustomerSummary, days: float) -> pd.DataFrame:
    """What lifetimes would make of the log, customers in another order."""
    c = log.customers
    mean = np.where(c["repeat_positive"] > 0, c["repeat_amount"] / c["repeat_positive"].clip(lower=1), 0.0)
    made = {"frequency": c["frequency"], "recency": c["recency_days"] / days, "T": c["T_days"] / days}
    return pd.DataFrame({"customer_id": c["customer_id"], **made, "monetary_value": mean}).iloc[::-1]


@pytest.mark.parametrize(("unit", "days"), [("day", 1.0), ("week", 7.0)])
def test_it_holds_what_the_log_does(cdnow_summary: CustomerSummary, tmp_path: Path, unit: str, days: float) -> None:
    frame_of(cdnow_summary, days).to_csv(tmp_path / "s.csv", index=False)
    summary = read_summary(None, config(path=str(tmp_path / "s.csv"), time_unit=unit))
    mine, logs = summary.customers, cdnow_summary.customers
    assert (summary.today, summary.last_date, summary.first_date) == (TODAY, TODAY, date(1997, 1, 1))
    assert summary.means_only
    for key in ("customer_id", "frequency", "segment", "channel"):
        assert mine[key].tolist() == logs[key].tolist(), key
    paid = logs["frequency"] == logs["repeat_positive"]  # a mean over paid orders times all orders is not their sum
    for key, rows in (("recency_days", paid | True), ("T_days", paid | True), ("repeat_amount", paid)):
        np.testing.assert_allclose(mine[key][rows], logs[key][rows], rtol=1e-12)
    assert mine[["first_amount", "repeat_log_amount"]].isna().all(axis=None)
    over_time = {"repeat_lag", "repeat_lag_square", "repeat_lag_log", "repeat_amount_today"}
    of_orders = {
        "breaks",
        "rhythm",
        "recent_frequency",
        "last_amount",
        "recent_amount",
        "holdout_amount",
        "log_gaps",
    } | over_time  # only orders can tell
    assert set(logs.columns) - set(mine.columns) <= of_orders
    require_repeat_orders(summary)


def test_a_frame_with_ids_as_its_index_and_labels() -> None:
    frame = pd.DataFrame(GOOD | {"Segment": ["x", None, "y"]}).set_index("customer_id")
    summary = read_summary(frame, config())
    assert summary.customers["segment"].tolist() == ["x", "", "y"]
    assert summary.data_hash == read_summary(frame.iloc[::-1], config()).data_hash
    assert summary.data_hash != read_summary(frame, config(time_unit="day")).data_hash


def test_decimal_commas_and_named_columns(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("Kunde;x;tx;T;Wert\n7;1;0,5;1,5;2,25\n8;0;0;1;\n")
    keys = {"path": str(tmp_path / "s.csv"), "decimal": ",", "customer_id": "Kunde", "monetary_value": "Wert"}
    customer = read_summary(None, config(**keys)).customers.iloc[0]
    assert (customer["recency_days"], customer["T_days"], customer["repeat_amount"]) == (3.5, 10.5, 2.25)


@pytest.mark.parametrize(
    ("changes", "key", "what"),
    [
        ({"recency": 0}, "recency", "0 in spite of repeat orders"),
        ({"T": 0, "recency": 0}, "recency", "0 in spite of repeat orders"),
        ({"recency": 8.1}, "recency", "above T"),
        ({"frequency": 0}, "recency", "above 0 without a repeat order"),
        ({"frequency": 1.5}, "frequency", "not a whole number"),
        ({"frequency": -1}, "frequency", "below zero"),
        ({"T": -8}, "T", "below zero"),
        ({"T": "soon"}, "T", "missing, or not a number"),
        ({"T": "inf"}, "T", "missing, or not a number"),
        ({"monetary_value": -3}, "monetary_value", "below zero"),
        ({"monetary_value": None}, "monetary_value", "missing in spite of repeat orders"),
        ({"monetary_value": 1e308}, "monetary_value", "above 1,000,000,000,000"),
        ({"monetary_value": 1e-300}, "monetary_value", "below 1e-09"),
        ({"frequency": 10**8}, "frequency", "more than 1,000 repeat orders a day"),
        ({"frequency": 10**23}, "frequency", "more than 1,000 repeat orders a day"),
        ({"customer_id": None}, "customer_id", "customer id is missing"),
        ({"customer_id": "a"}, "customer_id", "the customer is in the table already"),
    ],
)
def test_impossible_rows(changes: dict[str, object], key: str, what: str) -> None:
    with pytest.raises(DataError) as error:
        read(changes)
    assert error.value.code == 4
    messages = [p.what for p in error.value.problems if p.where == f"data.{key}"]
    assert any(line.startswith(f"1 of 3 rows: {what}") and "e.g. row 2: " in line for line in messages), messages


def test_all_problems_are_reported_at_once_with_three_examples() -> None:
    rows = {"customer_id": list("abcde"), "frequency": [1.5] * 5, "recency": [9] * 5, "T": [1] * 5}
    with pytest.raises(DataError) as error:
        read(rows=rows | {"monetary_value": [-1] * 5})
    messages = {p.where: p.what for p in error.value.problems}
    assert list(messages) == ["data.monetary_value", "data.frequency", "data.recency"]
    assert messages["data.frequency"].count("row ") == 3
    assert "frequency 1.5, recency 9, T 1, monetary_value -1" in messages["data.frequency"]


@pytest.mark.parametrize(
    ("rows", "keys", "where", "what"),
    [
        ({k: v[:1] for k, v in GOOD.items()}, {}, "data frame", "only one customer"),
        ({k: [] for k in GOOD}, {}, "data frame", "no rows"),
        (GOOD | {"T": [9, 8, 30_000]}, {}, "data.time_unit", "T of 30000 weeks reaches back before 1900"),
        (GOOD, {"today": date(2999, 1, 1)}, "data.today", "2999-01-01 lies after today"),
    ],
)
def test_tables_that_are_none(rows: dict[str, list], keys: dict, where: str, what: str) -> None:
    with pytest.raises(DataError) as error:
        read(rows=rows, **keys)
    assert any(p.where == where and what in p.what for p in error.value.problems)


def test_missing_columns_and_files(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.recency: no column has one of its usual names; type data\.recency=COLUMN"
    ):
        read(rows={k: v for k, v in GOOD.items() if k != "recency"})
    with pytest.raises(ConfigError, match=r"data\.path: no file given; type data\.path=summary\.csv"):
        read_material(config())
    (tmp_path / "s.csv").write_text("customer_id,frequency,recency,T,monetary_value\na,1,1,2,3,4\nb,0,0,1,0\n")
    with pytest.raises(DataError, match=r"1 lines do not fit the header, e\.g\. row 2: 'a,1,1,2,3,4'"):
        read_material(config(path=str(tmp_path / "s.csv")))


def test_what_a_table_cannot_say_is_asked_for() -> None:
    with pytest.raises(ConfigError) as error:
        validate(section(today=None, time_unit=None))
    messages = {p.where: p.what for p in error.value.problems}
    assert set(messages) == {"data.today", "data.time_unit"}
    assert "the day on which T ends, e.g. data.today=2025-12-31" in messages["data.today"]
    assert isinstance(validate(section()), RunConfig)


def section(**keys: object) -> dict:
    data = {"kind": "summary", "path": "s.csv", "today": "1997-09-30", "time_unit": "week", **keys}
    return {"data": data, "retention": {"kind": "bg_nbd"}, "spend": {"kind": "gamma_gamma"}, "scenario": {}}


def test_nothing_to_learn_from_is_refused_before_a_fit() -> None:
    nobody = GOOD | {"frequency": [0, 0, 0], "recency": [0, 0, 0]}
    for rows in (nobody, nobody | {"T": [0, 0, 0]}):  # the latter all came today
        with pytest.raises(DiagnosticsError, match="none of the 3 customers has a second order") as error:
            require_repeat_orders(read(rows=rows))
        assert error.value.code == 3


def test_quality_table() -> None:
    rows = GOOD | {"customer_id": [1, 2, 3], "n_custs": [5, 0, 1], "segment": ["x", "x", "alone"]}
    material = material_of_table(config(), pd.DataFrame(rows | {"monetary_value": [0, 0, 1e10]}))
    lines = {line.key: line for line in material.quality}
    warned = {key for key, line in lines.items() if line.level == "warning"}
    assert warned == {"no_orders", "counts", "zeros", "lonely_segments"}
    assert lines["counts"].value == "n_custs"
    assert (lines["customers"].value, lines["repeat_orders"].value, lines["zeros"].value) == ("3", "3", "1")
    assert lines["lonely_segments"].value == "1: alone"
    assert (material.weekly, material.untracked[:18]) == (None, "The data are a sum")
    wide = material_of_table(config(), pd.DataFrame(GOOD | {"monetary_value": [0, 1e-3, 1e10]})).quality
    assert {line.key for line in wide if line.level == "warning"} == {"no_orders", "range"}
