"""Survivor tables: pseudo-customers that say the same, and one line for everything a table cannot mean."""

import datetime as dt
import time

import numpy as np
import pandas as pd
import pytest

from clvsim.config import validate
from clvsim.data.config import SurvivorsConfig
from clvsim.data.tables.survivors import material_of_survivors
from clvsim.errors import ConfigError, DataError
from clvsim.models.retention.sbg import Sbg
from clvsim.types import DAYS_PER_YEAR

CONFIG = SurvivorsConfig(path="t.csv", renewal="year", today=dt.date(2026, 1, 1))
TWO = pd.DataFrame(
    {
        "Cohort": ["b", "b", "b", "a", "a"],
        "period": [0, 2, 1, 0, 1],  # in any order
        "survivors": [10, 4, 7, 3, 3],
        "price": [20, 20, 20, 30.5, 30.5],
    }
)


def table(survivors, **more) -> pd.DataFrame:
    return pd.DataFrame({"period": range(len(survivors)), "survivors": survivors, **more})


def test_every_customer_becomes_a_contract():
    material = material_of_survivors(CONFIG, TWO)
    frame = material.summary.customers
    assert frame["customer_id"].tolist()[:4] == ["a-1", "a-2", "a-3", "b-01"]
    b = frame[frame["segment"] == "b"]
    assert b["frequency"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    assert b["lost"].tolist() == [True] * 6 + [False] * 4
    assert (b["T_days"] == 2 * DAYS_PER_YEAR).all()
    assert (b["repeat_amount"] == 20 * b["frequency"]).all()
    contracts = Sbg(renewal="year").histories(material.summary)
    assert contracts.renewals.tolist() == frame["frequency"].tolist()
    assert contracts.seen.tolist() == frame["frequency"].tolist()
    np.testing.assert_allclose(contracts.next_days[contracts.lost == 0], DAYS_PER_YEAR)
    assert material.weekly is None
    assert "table of survivors" in material.untracked
    assert all(q.level == "info" for q in material.quality)


def test_row_order_does_not_matter_and_prices_do():
    first = material_of_survivors(CONFIG, TWO).summary
    again = material_of_survivors(CONFIG, TWO.sample(frac=1, random_state=2)).summary
    pd.testing.assert_frame_equal(first.customers, again.customers)
    assert first.data_hash == again.data_hash
    assert material_of_survivors(CONFIG, TWO.assign(price=25)).summary.data_hash != first.data_hash


def test_a_file_reads_like_a_frame(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("﻿period;survivors\n0;9\n1;5\n", encoding="utf-8")
    config = CONFIG.model_copy(update={"path": str(path), "price": 7.0})
    summary = material_of_survivors(config).summary
    assert len(summary.customers) == 9
    assert (summary.customers["first_amount"] == 7).all()
    assert (summary.customers["segment"] == "").all()


def test_without_a_price_payments_are_counted_with_a_warning():
    lines = material_of_survivors(CONFIG, table([5, 3])).quality
    (price,) = (q for q in lines if q.key == "price")
    assert price.level == "warning"
    assert "every payment counts as 1" in price.note


def test_odd_cohorts_are_allowed_aloud():
    lines = {q.key: q for q in material_of_survivors(CONFIG, pd.concat([
        table([5, 3]).assign(cohort="a", price=2), table([4, 0]).assign(cohort="b", price=2),
        table([1, 1]).assign(cohort="c", price=2),
    ])).quality}  # fmt: skip
    assert lines["lonely"].value == "1: c"
    assert lines["gone"].value == "1: b"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table([5, 6]), "survivors rise from 5 in period 0 to 6 in 1"),
        (table([5, 4]).assign(period=[1, 2]), "period 0, how many there were at the start, is missing"),
        (table([5, 4]).assign(period=[0, 2]), "period 1 is missing"),
        (table([5, 4]).assign(period=[0, 0]), "period 0 is there more than once"),
        (table([5, -1]), "survivors: 1 of 2 rows: below zero, e.g. row 3: -1"),
        (table([5, 2.5]), "survivors: 1 of 2 rows: not a whole number, e.g. row 3: 2.5"),
        (table(["5", "few"]), "survivors: 1 of 2 rows: missing or not a number, e.g. row 3: few"),
        (table([5, 4], price=[0, 1]), "price: 1 of 2 rows: not above zero"),
        (table([5, 4], price=[3, 1]), "price differs between periods"),
        (table([0, 0]), "nobody was there at the start"),
        (table([1, 1]), "only one customer"),
        (table([5]), "only period 0"),
        (table([5, 0, 0]), "nobody renewed even once"),
        (table([]), "no rows"),
    ],
)
def test_what_a_table_cannot_mean(frame, message):
    with pytest.raises(DataError) as error:
        material_of_survivors(CONFIG, frame)
    assert len(error.value.problems) == 1
    assert message in ": ".join(error.value.problems[0])


def test_all_cohorts_problems_at_once():
    bad = pd.concat([table([5, 6]).assign(cohort="a"), table([5, 4]).assign(cohort="b", period=[1, 2])])
    with pytest.raises(DataError) as error:
        material_of_survivors(CONFIG, bad)
    assert len(error.value.problems) == 2


def test_columns_that_are_not_there():
    with pytest.raises(ConfigError, match="no column survivors; it has period, left"):
        material_of_survivors(CONFIG, table([5, 4]).rename(columns={"survivors": "left"}))
    with pytest.raises(ConfigError, match="has a column price already"):
        material_of_survivors(CONFIG.model_copy(update={"price": 3.0}), TWO)


def test_only_contracts_of_the_same_length_are_for_a_survivor_table():
    base = {"data": CONFIG.model_dump(), "spend": {"kind": "fixed_price"}, "scenario": {"baseline": {"title": "b"}}}
    assert validate({**base, "retention": {"kind": "sbg", "renewal": "year"}}).data.kind == "survivors"
    for retention, message in (({"kind": "bg_nbd"}, "needs a model of contracts"), ({"kind": "sbg"}, "must be ret")):
        with pytest.raises(ConfigError, match=message):
            validate({**base, "retention": retention})
    with pytest.raises(ConfigError, match="type spend=fixed_price"):
        validate({**base, "spend": {"kind": "gamma_gamma"}, "retention": {"kind": "sbg", "renewal": "year"}})


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        (table([10**23, 10]), "1 of 2 rows: above 5,000,000; each customer becomes one row, e.g. row 2: 1"),
        (table([10**8, 10]), "1 of 2 rows: above 5,000,000; each customer becomes one row, e.g. row 2: 100000000"),
        (table([10, 3], price=[1e308, 1e308]), "2 of 2 rows: above 1,000,000,000,000, e.g. row 2: 1e+308"),
        (table([10, 3], price=[1e-300, 1e-300]), "2 of 2 rows: below 1e-09"),
        (table(["9" * 400, "1"]), "1 of 2 rows: above 5,000,000"),
        (
            pd.concat([table([4_000_000, 3]).assign(cohort=name) for name in "ab"]),
            "8,000,000 customers at the start, at most 5,000,000, since each becomes one row",
        ),
        (table(np.ones(100_001)), "more than 100,000 rows: is it a table of survivors"),
    ],
)
def test_more_customers_than_rows_can_hold_are_told_in_an_instant(frame, what):
    start = time.perf_counter()
    with pytest.raises(DataError) as caught:
        material_of_survivors(CONFIG, frame)
    assert time.perf_counter() - start < 0.5
    assert what in caught.value.problems[0].what
    assert len(caught.value.problems[0].what) < 300
