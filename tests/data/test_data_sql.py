"""Orders that a database counts become what the same orders become that are read from a file, on every dialect.

Money, counts and days are equal to the bit; sums of logs, which a database rounds, to 1e-9.
"""

import datetime as dt
import sqlite3
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd
import pytest
import sqlglot
from sqlglot import expressions

from clvsim import clock
from clvsim.anniversaries import day_number
from clvsim.data.config import DataConfig, SqlConfig
from clvsim.data.material import Material, material_of_log
from clvsim.data.raw import BUNDLED
from clvsim.data.read import read_transactions
from clvsim.data.sql import material as sql_material
from clvsim.data.sql import statements
from clvsim.data.sql.dialects import DIALECTS
from clvsim.data.sql.libraries import Reader, reading, transpiled
from clvsim.data.sql.material import BY_PERIOD, material_of_table
from clvsim.data.sql.printed import printed
from clvsim.data.sql.statements import AsOf, Source, parts_of
from clvsim.errors import ClvsimError, ConfigError, DataError
from tests.data import postgres as server_of_tests
from tests.data.postgres import Server

Rows = Sequence[tuple[Any, ...]]
LOGS = ("repeat_log_amount", "repeat_log_square", "repeat_lag_log", "log_gaps", "repeat_amount_today")
TYPES = {
    "sqlite": "customer_id TEXT, date TEXT, amount NUMERIC",
    "postgres": "customer_id TEXT, date DATE, amount NUMERIC(18, 4)",
}


class Database(NamedTuple):
    dialect: str
    file: Path
    server: Server | None

    def fill(self, rows: Rows, columns: str = "", table: str = "orders") -> None:
        columns = columns or TYPES[self.dialect]
        if self.server:
            self.server.fill(table, columns, rows)
            return
        with sqlite3.connect(self.file) as con:
            con.execute(f"DROP TABLE IF EXISTS {table}")
            con.execute(f"CREATE TABLE {table} ({columns})")
            plain = [[str(v) if isinstance(v, dt.date | Decimal) else v for v in row] for row in rows]
            places = ", ".join("?" * len(columns.split(",")))
            con.executemany(f"INSERT INTO {table} VALUES ({places})", plain)
        con.close()

    def execute(self, text: str) -> None:
        if self.server:
            self.server.execute(text)
            return
        with sqlite3.connect(self.file) as con:
            con.execute(text)
        con.close()

    def config(self, **keys: Any) -> SqlConfig:
        address = {"url_env": "SHOP"} if self.server else {"url": f"sqlite:///{self.file}"}
        return SqlConfig.model_validate({"table": "orders", **address, **keys})

    def read(self, **keys: Any) -> Material:
        return material_of_table(self.config(**keys))

    def refused(self, error: type[ClvsimError], **keys: Any) -> str:
        with pytest.raises(error) as raised:
            self.read(**keys)
        return "\n".join(f"{where}: {what}" for where, what in raised.value.problems)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    server = request.getfixturevalue("postgres") if request.param == "postgres" else None
    if server:
        monkeypatch.setenv("SHOP", server.whole_url)
    return Database(request.param, tmp_path / "shop.db", server)


def some_rows(refunds: bool = False) -> list[tuple[str, dt.date, Decimal]]:
    """Orders of 150 customers over two years, of which some are free, on one day, or twice there."""
    rng = np.random.default_rng(5)
    rows = []
    for number in range(150):
        name = f"{'aBÄ_-é'[number % 6]}{number}"
        day = dt.date(2022, 1, 3) + dt.timedelta(days=int(rng.integers(0, 500)))
        for _ in range(1 + rng.geometric(0.3)):
            amount = Decimal(int(rng.integers(0, 200_000) * (rng.random() > 0.03))) / 10_000
            if refunds and rng.random() < 0.15:
                amount = -amount * int(rng.integers(1, 3))
            rows.append((name, day, amount))
            day += dt.timedelta(days=int(rng.exponential(60) * (rng.random() > 0.1)))
    rows = [row for row in rows if row[1] < dt.date(2024, 1, 1)]
    return [*rows, *rows[5:9]]


def from_file(rows: Rows, **keys: Any) -> Material:
    return _from_file(tuple(rows), tuple(keys.items()))


@cache
def _from_file(rows: Rows, pairs: tuple[tuple[str, Any], ...]) -> Material:
    frame = pd.DataFrame([tuple(map(str, row)) for row in rows], columns=["customer_id", "date", "amount"])
    return material_of_log(read_transactions(frame, DataConfig(**dict(pairs))))


def assert_equal(counted: Material, read: Material) -> None:
    pairs = [(counted.summary, read.summary)]
    assert (counted.check is None, counted.unchecked) == (read.check is None, read.unchecked)
    if counted.check and read.check:
        assert counted.check.chosen == read.check.chosen
        pd.testing.assert_frame_equal(counted.check.weekly, read.check.weekly)
        pairs.append((counted.check.summary, read.check.summary))
    for ours, theirs in pairs:
        exact = [name for name in theirs.customers if name not in LOGS]
        pd.testing.assert_frame_equal(ours.customers[exact], theirs.customers[exact], check_exact=True)
        for name in LOGS:
            assert ours.customers[name].isna().any() == theirs.customers[name].isna().any(), (name, ours.trend)
            np.testing.assert_allclose(ours.customers[name], theirs.customers[name], rtol=1e-9, atol=1e-7)
        assert list(ours.customers) == list(theirs.customers)
        for name in ("today", "first_date", "last_date", "time_unit", "interrupted", "opportunity_days", "by_day"):
            assert getattr(ours, name) == getattr(theirs, name), name
        np.testing.assert_array_equal(ours.repeat_orders_by_day, theirs.repeat_orders_by_day)
        assert ours.trend
        assert theirs.trend
        assert ours.trend.problem == theirs.trend.problem
        np.testing.assert_allclose(ours.trend[:4], theirs.trend[:4], rtol=1e-7)
    assert counted.weekly is not None
    assert read.weekly is not None
    pd.testing.assert_frame_equal(counted.weekly, read.weekly)
    assert_same_lines(counted, read)


def assert_same_lines(counted: Material, read: Material) -> None:
    """All lines that a file has, but for what one line of the database says that it does not tell."""
    ours, theirs = ({line.key: line for line in one.quality} for one in (counted, read))
    assert set(ours) - set(theirs) == {"database"}
    assert set(theirs) - set(ours) <= {"yearly", "prices"}
    for key in set(ours) & set(theirs):
        assert ours[key][:3] == theirs[key][:3]
        assert ours[key].note == theirs[key].note or "data.table=VIEW" in ours[key].note
    assert [line.key for line in counted.quality if line.key in theirs] == [k for k in theirs if k in ours]


CASES = [
    {},
    {"today": "2023-06-01"},
    {"today": "2024-03-01", "calibration_end": "2023-05-05"},
    {"calibration_end": "none", "time_unit": "day"},
    {"customers_since": "2022-06-01", "calibration_end": "2023-03-31"},
]


@pytest.mark.parametrize("keys", CASES, ids=str)
@pytest.mark.parametrize("refunds", [False, True], ids=["sales", "refunds"])
def test_what_is_counted_equals_what_is_read(database, refunds, keys):
    rows = some_rows(refunds)
    database.fill(rows)
    assert_equal(database.read(**keys), from_file(rows, **keys))


def test_the_cdnow_sample_is_the_same(database):
    with duckdb.connect() as con:
        found = con.execute(f"SELECT customer_id, date, amount FROM '{BUNDLED['cdnow_sample']}'").fetchall()
    database.fill([(name, day, Decimal(str(amount))) for name, day, amount in found])
    ours, theirs = database.read(), from_file(found)
    assert_equal(ours, theirs)
    assert ours.short is not None
    assert theirs.short is not None
    assert ours.short._replace(label="") == theirs.short._replace(label="", read_as=ours.short.read_as)
    assert ours.signs is not None
    assert theirs.signs is not None
    assert ours.signs.season == theirs.signs.season


def test_no_order_leaves_the_database(database, monkeypatch):
    """A run fetches a row per customer, once, though it counts them as of two days; and one per day with orders."""
    rows = some_rows()
    database.fill(rows)
    fetched: list[dict[str, int]] = []
    monkeypatch.setattr(
        sql_material,
        "_material",
        lambda *words, **more: (_material(*words, **more), fetched.append(words[2].fetched))[0],
    )
    material = database.read()
    customers, days = len({row[0] for row in rows}), len({row[1] for row in rows})
    assert material.check is not None
    assert len(material.check.summary.customers) == customers  # whom an as-of-cut statement would fetch again
    assert not material.check.summary.customers["repeat_amount_today"].isna().any()
    (counts,) = fetched
    assert counts == {"counts": 1, "duplicates": 1, "trend": 1, "customers": customers, "days": days}
    assert customers < len(rows) / 3
    fetched.clear()
    material_of_table(database.config(), brief=True)
    assert fetched == [{"counts": 1, "duplicates": 1, "customers": customers, "days": days}]


_material = sql_material._material


def test_a_brief_reading_says_the_same(database):
    database.fill(some_rows(refunds=True))
    whole, brief = database.read(), material_of_table(database.config(), brief=True)
    assert brief.quality == whole.quality
    assert (brief.weekly, brief.summary.data_hash) == (None, "")
    assert whole.summary.data_hash == database.read().summary.data_hash != ""


def test_histories_are_those_of_the_customers(database):
    database.fill(some_rows(refunds=True))
    customers = database.read(today="2023-06-01").summary.customers
    today = day_number(dt.date(2023, 6, 1))
    source = Source(("orders",), "customer_id", "date", "amount", database.dialect)
    with reading(sql_material.address_of(database.config())) as reader:
        _, batches = reader.rows("histories", statements.histories(source, AsOf(today, today, True)))
        found = [tuple(map(int, row)) for batch in batches for row in batch]
    columns = (customers[name].astype(int) for name in ("frequency", "recency_days", "T_days"))
    counted = Counter(zip(*columns, strict=True))
    assert found == [(*history, number) for history, number in sorted(counted.items())]


ODD = "na\"me; DROP TABLE orders; --'%s:x"


def test_names_with_signs_are_names(database):
    rows = some_rows()
    quoted = ODD.replace('"', '""')
    types = TYPES[database.dialect].replace("customer_id", f'"{quoted}"')
    database.fill(rows, types, table=f'"{quoted}"')
    material = database.read(table=f'"{quoted}"', customer_id=ODD)
    line = next(line for line in material.quality if line.key == "columns")
    assert line.value == f"customer_id = {ODD}, date = date, amount = amount"
    read = from_file(rows)
    pd.testing.assert_series_equal(material.summary.customers["first_amount"], read.summary.customers["first_amount"])
    assert "no table or view" in database.refused(ConfigError, table="orders; DROP TABLE x")


def test_a_view_and_a_schema_are_read(database):
    rows = some_rows()
    database.fill([*rows, ("test", dt.date(2023, 1, 1), Decimal(9))])
    database.execute("CREATE VIEW sales AS SELECT * FROM orders WHERE customer_id <> 'test'")
    schema = "public" if database.server else "main"
    assert_equal(database.read(table=f"{schema}.sales"), from_file(rows))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "orders: no rows"),
        ([(None, "2024-01-01", 1)], "data.customer_id: 1 of 3 rows: customer id is missing; leave them out in a view"),
        ([("", "2024-01-01", 1)], "data.customer_id: 1 of 3 rows"),
        ([("a", None, 1)], "data.date: 1 of 3 rows: date is missing"),
        ([("a", "1899-12-31", 1)], "data.date: 1 of 3 rows: not a date from 1900 on"),
        ([("a", "2024-01-01", None)], "data.amount: 1 of 3 rows: amount is missing"),
        ([("a", "2024-01-01", 10**14)], "data.amount: 1 of 3 rows: no number of at most 14 digits"),
        ([("a", "9999-12-31", 1)], "data.date: 1 row lies after today"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_rows_that_are_no_orders_are_a_line(database, rows, said):
    types = TYPES[database.dialect].replace("(18, 4)", "")
    database.fill([*rows, ("a", "2024-01-01", 1), ("b", "2024-02-01", 1)] if rows else [], types)
    found = database.refused(DataError)
    assert said in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ("2024-01-31", True),
        ("2024-01-31 ", True),
        ("2024-01-31 10:30", True),
        ("2024-01-31T10:30:00.123Z", True),
        ("2024-01-31 10:30:00+02:00", True),
        ("2024-01-31 10:30 UTC", True),
        ("2024-01-31abc", False),
        ("2024-01-31 junk", False),
        ("2024-01-311", False),
        ("2024-01-31 10:30 or later", False),
        ("2024-02-30", False),
    ],
)
def test_what_stands_behind_a_day_of_sqlite(written: str, fits: bool) -> None:
    day = transpiled(f"SELECT {DIALECTS['sqlite'].day_of('date')} FROM orders", "sqlite")
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute("CREATE TABLE orders (date TEXT)")
        con.execute("INSERT INTO orders VALUES (?)", [written])
        assert con.execute(day).fetchall() == [(19_753 if fits else None,)]


def test_fewer_than_two_customers_and_refunds_alone_are_a_line(database):
    database.fill([("a", "2024-01-01", -1), ("b", "2024-01-02", -2)])
    assert "all 2 amounts are below zero" in database.refused(DataError)
    database.fill([("a", "2024-01-01", 1), ("a", "2024-01-02", 2)])
    assert "only one customer has an order" in database.refused(DataError)


def test_missing_tables_and_columns_name_what_there_is(database):
    database.fill(some_rows()[:5])
    found = database.refused(ConfigError, table="order")
    assert found.startswith("data.table: no table or view 'order'; the database has ")
    assert "orders" in found.rpartition(" has ")[2]
    found = database.refused(ConfigError, customer_id="custmer_id")
    assert "data.customer_id: no column 'custmer_id' (did you mean 'customer_id'?)" in found
    assert "orders: its columns are: customer_id, date, amount" in found
    assert "which table" in database.refused(ConfigError, table=None)
    assert "which table" in database.refused(ConfigError, table="..")
    assert "data.today" in database.refused(ConfigError, today="2020-01-01")
    with pytest.raises(ConfigError, match=BY_PERIOD[:30]):
        material_of_table(database.config(), by_period=True)
    database.fill([("a", "2024-01-01", 1, 2)], "id TEXT, date DATE, quantity INT, price INT")
    assert "is one column" in database.refused(ConfigError, customer_id="id", amount="quantity*price")


def test_amounts_as_floating_numbers_count_in_ten_thousandths(database):
    rows = some_rows()
    real = "REAL" if database.dialect == "sqlite" else "DOUBLE PRECISION"
    database.fill(
        [(a, b, float(c)) for a, b, c in rows], TYPES[database.dialect].replace("NUMERIC", real).split("(")[0]
    )
    assert_equal(database.read(), from_file(rows))


def test_times_count_as_the_day_that_is_written(database):
    rows = some_rows()
    timed = [(a, f"{b} 23:59:59", c) for a, b, c in rows]
    database.fill(timed, TYPES[database.dialect].replace("DATE", "TIMESTAMP"))
    assert_equal(database.read(), from_file(rows))


def test_text_instead_of_types_is_refused_or_read(database):
    """SQLite has no dates but text; a server has both, and text is refused by name."""
    database.fill([("a", "2024-01-01", 1), ("b", "2024-02-01", 2)], "customer_id TEXT, date TEXT, amount TEXT")
    if database.server:
        found = database.refused(ConfigError)
        assert "data.date: 'date' must be a date or a time" in found
        assert "data.amount: 'amount' must be a number" in found
        return
    assert "data.amount: 2 of 2 rows: no number" in database.refused(DataError)
    types = "customer_id TEXT, date TEXT, amount REAL"
    for wrong in ("01/02/2024", "2024-02-31", "now", "12:00", "2024-1-1", 45000):
        database.fill([("a", wrong, 1), ("b", "2024-02-01", 2)], types)
        assert "data.date: 1 of 2 rows: not a date" in database.refused(DataError), wrong


def test_times_with_a_zone_are_days_of_utc(postgres, monkeypatch):
    monkeypatch.setenv("SHOP", postgres.whole_url)
    database = Database("postgres", Path(), postgres)
    database.fill(
        [("a", "2024-01-01 23:30:00-05", 1), ("b", "2024-02-01 10:00:00+00", 2)],
        "customer_id TEXT, date TIMESTAMPTZ, amount NUMERIC",
    )
    material = database.read()
    assert str(material.summary.first_date) == "2024-01-02"
    assert any("days are those of UTC" in line.note for line in material.quality)


def test_nan_and_infinity_are_no_amounts(postgres, monkeypatch):
    monkeypatch.setenv("SHOP", postgres.whole_url)
    database = Database("postgres", Path(), postgres)
    for amount in ("NaN", "Infinity"):
        types = "customer_id TEXT, date DATE, amount DOUBLE PRECISION"
        database.fill([("a", "2024-01-01", amount), ("b", "2024-02-01", 2)], types)
        assert "data.amount: 1 of 2 rows: no number" in database.refused(DataError)


def test_nothing_can_be_written(database):
    database.fill(some_rows()[:9])
    before = database.file.read_bytes() if not database.server else b""
    for text in ('DELETE FROM "orders"', 'CREATE TABLE "canary" AS SELECT 1 AS "x"'):
        with pytest.raises(DataError), reading(sql_material.address_of(database.config())) as reader:
            reader._connection.exec_driver_sql(text)
    if not database.server:
        assert database.file.read_bytes() == before
    with reading(sql_material.address_of(database.config())) as reader:
        assert reader.row("n", 'SELECT COUNT(*) AS n FROM "orders"') == {"n": 9}


def test_a_file_that_is_no_database_and_one_that_is_damaged(tmp_path):
    file = tmp_path / "x.db"
    file.write_bytes(b"customer_id,date,amount\n" * 100)
    with pytest.raises(ConfigError, match=r"data\.url: the file is no SQLite database"):
        material_of_table(SqlConfig(url=f"sqlite:///{file}", table="orders"))
    Database("sqlite", tmp_path / "y.db", None).fill(some_rows())
    whole = (tmp_path / "y.db").read_bytes()
    file.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(ClvsimError):
        material_of_table(SqlConfig(url=f"sqlite:///{file}", table="orders"))


# --- statements on every dialect -------------------------------------------------------------------------------------

TODAY = day_number(dt.date(2023, 12, 31))
BOTH = [AsOf(TODAY, TODAY, True, TODAY - 600), AsOf(TODAY - 100, TODAY, True, TODAY - 600)]
SALES = [as_of._replace(refunds=False, since=None) for as_of in BOTH]


def all_statements(dialect: str, table: str = "orders") -> dict[str, str]:
    source = Source((table,), "customer_id", "date", "amount", dialect)
    then = BOTH[1]
    return {
        "counts": statements.counts(source, TODAY, TODAY - 100),
        "duplicates": statements.duplicates(source),
        "refunded": statements.refunded(source, then._replace(since=None)),
        "left_out": statements.left_out(source, then),
        "customers": statements.customers(source, [then]),
        "customers of both days": statements.customers(source, BOTH, (1e-5, None), 10**6),
        "customers of sales": statements.customers(source, SALES, (1e-5, -1e-5), 10**6),
        "histories": statements.histories(source, then),
        "trend": statements.trend(source, BOTH),
        "days": statements.days(source, BOTH, TODAY - 100),
        "days of sales": statements.days(source, SALES, TODAY - 100),
    }


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_can_be_said_in_every_dialect(dialect):
    for text in all_statements(dialect).values():
        (parsed,) = sqlglot.parse(transpiled(text, dialect), read=dialect)
        assert parsed is not None
        derived = [one for one in parsed.find_all(expressions.Subquery) if isinstance(one.parent, expressions.From)]
        assert all(one.alias for one in derived)
        names = [one for one in parsed.find_all(expressions.Identifier) if not isinstance(one.parent, expressions.Var)]
        assert all(one.args["quoted"] for one in names)


@pytest.mark.parametrize("name", list(all_statements("duckdb")))
def test_a_third_dialect_gives_the_same_answers(name, tmp_path):
    """DuckDB, whose way with days and decimals is that of warehouses."""
    rows = some_rows(refunds=True)
    database = Database("sqlite", tmp_path / "shop.db", None)
    database.fill(rows)
    with reading(sql_material.address_of(database.config())) as reader:
        columns, batches = reader.rows(name, all_statements("sqlite")[name])
        ours = pd.DataFrame([row for batch in batches for row in batch], columns=list(columns))
    with duckdb.connect() as con:
        con.execute("CREATE TABLE orders (customer_id TEXT, date DATE, amount DECIMAL(18, 4))")
        con.executemany("INSERT INTO orders VALUES (?, ?, ?)", rows)
        theirs = con.execute(transpiled(all_statements("duckdb")[name], "duckdb")).df()
    in_units = {"ordered", "refunded", "unmatched"}  # amounts that SQLite counts in whole numbers
    for column in ours:
        scale = 10_000.0 if column in in_units else 1.0
        if column == "customer_id":
            assert ours[column].tolist() == theirs[column].tolist()
        else:
            np.testing.assert_allclose(ours[column].astype(float) / scale, theirs[column].astype(float), 1e-9, 1e-7)


def test_printed_statements_say_what_they_need():
    with pytest.raises(ConfigError) as raised:
        printed(SqlConfig(print_sql=True))
    keys = ["table", "customer_id", "date", "amount", "today", "dialect"]
    assert [where for where, _ in raised.value.problems] == [f"data.{key}" for key in keys]
    typed = {"table": "shop.orders", "customer_id": "c", "date": "d", "amount": "a", "today": "2024-12-31"}
    text = printed(SqlConfig.model_validate({"dialect": "bigquery", **typed}))
    assert text.count(";\n") + text.endswith(";") >= 6
    assert "FROM `shop`.`orders`" in text
    assert "1/10,000" in printed(SqlConfig.model_validate({"url": "sqlite:///x.db", **typed})).splitlines()[0]


def test_a_table_is_named_by_its_parts():
    assert parts_of("orders") == ("orders",)
    assert parts_of('shop."my.orders"') == ("shop", "my.orders")
    assert parts_of('"a""b".c.d') == ('a"b', "c", "d")
    assert parts_of(".") == parts_of('a.""') == parts_of("") == ()


def test_without_the_extra_one_line_says_what_to_install(monkeypatch, tmp_path):
    Database("sqlite", tmp_path / "shop.db", None).fill(some_rows()[:9])
    config = SqlConfig(url=f"sqlite:///{tmp_path / 'shop.db'}", table="orders")
    for name in ("sqlalchemy", "sqlglot"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(ConfigError, match=r"data=sql: .* pip install 'clvsim\[sql\]'"):
                material_of_table(config)


def test_the_reader_holds_no_secret(postgres, monkeypatch):
    monkeypatch.setenv("SHOP", postgres.whole_url)
    address = sql_material.address_of(SqlConfig(url_env="SHOP", table="orders"))
    assert postgres.password not in repr(address)
    assert isinstance(clock.today(), dt.date)
    with reading(address) as reader:
        assert isinstance(reader, Reader)
        assert postgres.password not in repr(vars(reader))


def test_a_server_that_must_be_there_and_is_not_fails(monkeypatch):
    """As `.ci/run` has it; otherwise such tests are skipped."""
    monkeypatch.setattr("tests.data.postgres.BINARIES", Path("nowhere"))
    assert not server_of_tests.is_there()
    for value, outcome in (("1", pytest.fail.Exception), ("", pytest.skip.Exception)):
        monkeypatch.setenv("CLVSIM_NEEDS_POSTGRES", value)
        with pytest.raises(outcome, match="is not installed"):
            server_of_tests.absent()
