"""Dates and amounts that are such in the file are read without a detour by text, and say the same as their text."""

from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import clvsim
from clvsim.data.config import DataConfig
from clvsim.data.database import connect
from clvsim.data.raw import load
from clvsim.errors import DataError

IDS = ("a", "b ", " b", "007", "7", "ann@x.org", "Ann@x.org", "guest", "ä", "NA", None)


def orders(seed: int, rows: int = 300) -> pd.DataFrame:
    """Ids in several spellings, refunds, zeros, missing values, rows that occur twice."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer_id": rng.choice(np.array([*IDS, *map(str, range(40))], object), rows),
            "date": pd.Timestamp("2023-01-01") + pd.to_timedelta(rng.integers(0, 400, rows), "D"),
            "amount": rng.choice([0.0, -5.0, 12.5, 0.1 + 0.2, 1e-7, 19.99, 7.0, 1234567.8912], rows),
        }
    )
    frame.loc[rng.choice(rows, 8, replace=False), "date"] = pd.NaT
    frame.loc[rng.choice(rows, 8, replace=False), "amount"] = np.nan
    return pd.concat([frame, frame.iloc[:9]], ignore_index=True)


def at_once(source, **config) -> bool:
    con = connect()
    return load(con, source, DataConfig(**config)).read_at_once


def read(source, **config):
    return clvsim.read_transactions(source, DataConfig(max_bad_share=0.9, **config))


def said(log) -> tuple:
    """All that is known of a log, but for the file's name and its lines."""
    findings = [(f.where, f.what, f.rows) for f in log.facts.findings]
    tables = [log.connection.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in ("customers", "days")]
    facts = log.facts._replace(findings=(), readings=(), refunds=log.facts.refunds)
    readings = [(line.key, line.value) for line in log.facts.readings]
    return facts, findings, readings, tables, log.today, log.first_date, log.data_hash


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("guests", ["apart", "drop", "keep"])
def test_a_typed_file_is_read_as_its_text(tmp_path, seed: int, guests: str) -> None:
    frame = orders(seed)
    frame.to_csv(tmp_path / "o.csv", index=False)
    frame.to_parquet(tmp_path / "o.parquet", index=False)
    assert at_once(str(tmp_path / "o.parquet"))
    assert at_once(frame)
    assert not at_once(str(tmp_path / "o.csv"))
    typed, text, memory = (
        read(source, guests=guests) for source in (str(tmp_path / "o.parquet"), str(tmp_path / "o.csv"), frame)
    )
    assert said(typed) == said(text)
    assert said(memory) == said(text)
    pd.testing.assert_frame_equal(clvsim.summarize(typed).customers, clvsim.summarize(text).customers)


@pytest.mark.parametrize(
    "kind", [pa.int16(), pa.int64(), pa.decimal128(12, 2), pa.decimal128(9, 0), pa.float64(), pa.float32(), pa.string()]
)
def test_every_kind_of_number_is_read_as_its_text(tmp_path, kind: pa.DataType) -> None:
    ids, days = ["a", "a", "b", "b"], pd.to_datetime(["2024-01-01", "2024-02-11", "2024-01-03", "2024-04-03"])
    amounts = [10, 12, 20, 4]
    amounts = [Decimal(a) for a in amounts] if pa.types.is_decimal(kind) else amounts
    amounts = [f"{a}.5" for a in amounts] if pa.types.is_string(kind) else amounts
    table = pa.table({"customer_id": ids, "date": pa.array(days.date), "amount": pa.array(amounts, kind)})
    pq.write_table(table, tmp_path / "o.parquet")
    pd.DataFrame({"customer_id": ids, "date": days, "amount": amounts}).to_csv(tmp_path / "o.csv", index=False)
    assert at_once(str(tmp_path / "o.parquet")) == (kind not in (pa.float32(), pa.string()))
    assert said(read(str(tmp_path / "o.parquet"))) == said(read(str(tmp_path / "o.csv")))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("amount", 1.00005),  # half way between two numbers of four decimals: as a float it is below
        ("amount", 3e8 + 0.1),
        ("amount", np.inf),
        ("amount", -np.inf),
        ("amount", 1e20),
        ("date", pd.Timestamp("1899-12-31")),
    ],
)
def test_what_is_odd_is_read_as_text(tmp_path, column: str, value: object) -> None:
    frame = orders(1).assign(customer_id=lambda f: f["customer_id"].fillna("c"))
    frame.loc[5, column] = value
    frame.to_csv(tmp_path / "o.csv", index=False)
    assert not at_once(frame)
    assert said(read(frame, guests="keep")) == said(read(str(tmp_path / "o.csv"), guests="keep"))


def test_messages_quote_rows_and_values_as_of_text(tmp_path) -> None:
    frame = orders(2).assign(customer_id="a")
    frame.loc[3, "customer_id"] = "b"
    frame.to_csv(tmp_path / "o.csv", index=False)
    frame.to_parquet(tmp_path / "o.parquet", index=False)
    for config in (DataConfig(refunds="error", max_bad_share=0.9), DataConfig(max_bad_share=0.0)):
        texts = []
        for name in ("o.csv", "o.parquet"):
            with pytest.raises(DataError) as refused:
                clvsim.read_transactions(str(tmp_path / name), config)
            texts.append(str(refused.value))
        assert texts[1].count("row ") == texts[0].count("row ") > 0
        assert "-5'" in texts[1] or config.refunds != "error"
    ahead = orders(2).assign(date=pd.Timestamp("2199-01-01 12:00"))
    with pytest.raises(DataError, match="'2199-01-01 12:00:00'"):
        read(ahead, guests="keep")


def test_hours_of_the_night_at_midday_are_noticed_and_other_zones_read_as_text() -> None:
    """A shop of New York in UTC: nobody orders between 10 and 16 hours."""
    rng = np.random.default_rng(5)
    frame = orders(3).assign(customer_id=lambda f: f["customer_id"].fillna("c")).dropna()
    frame["date"] += pd.to_timedelta((17 + rng.integers(0, 16, len(frame))) % 24, "h")
    assert at_once(frame)
    assert "time_zone" in {line.key for line in read(frame, guests="keep").facts.readings}
    assert not at_once(frame, time_zone="America/New_York")
    assert not at_once(frame.assign(date=frame["date"].dt.tz_localize("UTC")), time_zone="America/New_York")


def test_a_column_called_as_the_number_of_rows_is_one_like_others(tmp_path) -> None:
    frame = orders(4).dropna().assign(file_row_number=3)
    frame.to_parquet(tmp_path / "o.parquet", index=False)
    assert at_once(str(tmp_path / "o.parquet"))
    assert said(read(str(tmp_path / "o.parquet"), guests="keep")) == said(read(frame, guests="keep"))


def test_rows_have_the_numbers_of_the_file(tmp_path) -> None:
    path = str(tmp_path / "o.parquet")
    columns = "'c' || (i % 9) AS customer_id, DATE '2024-01-01' + (i % 300)::INT AS date, i::DOUBLE AS amount"
    copied = f"COPY (SELECT {columns} FROM range(300_000) t(i)) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 20_000)"
    duckdb.connect().execute(copied)
    con = connect()
    assert load(con, path, DataConfig()).read_at_once
    assert con.execute("SELECT count(*), bool_and(row = amount + 1) FROM raw").fetchall() == [(300_000, True)]


@pytest.mark.parametrize("dictionary", [True, False])
@pytest.mark.parametrize("key", ["customer_id", "amount", "score"])
def test_nan_in_a_parquet_file_is_missing(tmp_path, key: str, dictionary: bool) -> None:
    """Its statistics leave nan out, as some writers do."""
    frame = orders(3).assign(customer_id=np.arange(309) % 40.0, score=np.arange(309) % 7.5)
    missing = frame.assign(**{key: frame[key].where(frame.index % 30 != 5)})
    columns = {name: pa.array(missing[name].to_numpy(), from_pandas=name == "date") for name in missing}
    assert columns[key].null_count == 0
    pq.write_table(pa.table(columns), tmp_path / "o.parquet", use_dictionary=dictionary)
    kept = {"covariates": ["score"]}
    assert said(read(str(tmp_path / "o.parquet"), **kept)) == said(read(missing, **kept))
