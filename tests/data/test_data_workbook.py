"""Workbooks and frames hold the same orders as a plain file, or are refused in one clear sentence."""

import os
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clvsim.data import DataConfig, TransactionLog, read_transactions, summarize
from clvsim.data.config import SummaryConfig
from clvsim.data.database import connect
from clvsim.data.files import layout_of
from clvsim.data.scan import scanned
from clvsim.data.tables.frequencies import read_summary
from clvsim.errors import ClvsimError, ConfigError, DataError
from tests.data.said import problem, readings
from tests.data.sheets import Cell, archive, ods, protected_xlsx, xls, xlsx, xlsx_row

HEADER = ["customer_id", "date", "amount"]
NOW = date(2025, 1, 1)
Read = Callable[..., TransactionLog]

ROWS: list[list[Cell]] = [
    [7, date(2024, 1, 1), 5],
    [8, datetime(2024, 1, 2, 13, 30), 6.25],
    [7, date(2024, 2, 1), 1234.5],
]
PLAIN = "customer_id,date,amount\n7,2024-01-01,5\n8,2024-01-02,6.25\n7,2024-02-01,1234.5\n"


# --- workbooks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["orders.xlsx", "orders.csv"])
def test_a_sheet_is_read_like_a_file(read: Read, name: str) -> None:
    """Numbers need no decimal sign, dates no format; whole numbers lose their .0."""
    log = read(xlsx({"Sheet1": [HEADER, *ROWS]}), name=name, decimal=",", date_format="%d/%m/%y")
    assert log.data_hash == read(PLAIN).data_hash
    assert readings(log) == {}


def test_other_kinds_of_workbooks(read: Read) -> None:
    plain = read(PLAIN).data_hash
    assert read(ods([HEADER, *ROWS]), name="orders.ods").data_hash == plain
    texts = [[who, str(day)[:10], amount] for who, day, amount in ROWS]
    assert read(xls([HEADER, *texts]), name="orders.xls").data_hash == plain


def test_a_sheet_of_texts_and_of_everything(read: Read) -> None:
    """Where types are mixed a column is text, with dates and numbers as they would be typed."""
    rows = [
        ["customer_id", "date", "amount", "segment", "channel"],
        ["007", "2024-01-01", "5", True, 3.0],
        [7.0, date(2024, 1, 2), 6, 2.5, " ads "],
        ["x y", datetime(2024, 1, 3, 10), "=A1*2", None, None],
        ["x y", datetime(2024, 1, 4, 10), 8, None, "<b>"],
    ]
    log = read(xlsx({"Sheet1": rows}), max_bad_share=0.25, fold=False)  # a formula that was never computed is none
    frame = summarize(log).customers
    assert frame[["customer_id", "segment", "channel"]].to_numpy().tolist() == [
        ["007", "True", "3"],
        ["7", "2.5", "ads"],
        ["x y", "", "<b>"],
    ]
    with pytest.raises(DataError, match=r"1 of 4 rows: amount is missing, e\.g\. row 4"):
        read(xlsx({"Sheet1": rows}))


def test_rows_above_the_header_and_empty_ones(read: Read) -> None:
    rows = [["Sales report"], ["From", date(2024, 1, 1)], [], HEADER, *ROWS[:1], [], ["", ""], *ROWS[1:]]
    log = read(xlsx({"Sheet1": rows}))
    assert log.data_hash == read(PLAIN).data_hash
    assert readings(log)["skip"][0] == "3"
    assert read(xlsx({"Sheet1": rows}), skip=3).data_hash == log.data_hash
    with pytest.raises(DataError, match=r"1 of 4 rows: not an amount, e\.g\. row 10: 'free'"):  # as the sheet counts
        read(xlsx({"Sheet1": [*rows, [7, date(2024, 3, 1), "free"]]}))
    with pytest.raises(DataError, match="row 3 is empty; it must hold the column names"):
        read(xlsx({"Sheet1": rows}), skip=2)


def test_the_last_columns_may_have_gaps(read: Read) -> None:
    """Rows of a sheet end where their last value is."""
    header = [*HEADER, "refund", "note"]
    rows = [
        [f"c{i % 9}", date(2024, 1, 1 + i), 5, *([1] if i % 3 else []), *(["x"] if i % 5 == 0 else [])]
        for i in range(28)
    ]
    log = read(xlsx({"Sheet1": [["Report"], ["of", "sales"], header, *rows]}))
    assert (log.facts.rows, readings(log)["skip"][0]) == (28, "2")


def test_the_sheet_is_the_only_table_or_asked_for(read: Read, tmp_path: Path) -> None:
    table = [HEADER, *ROWS]
    plain = read(PLAIN).data_hash
    one = xlsx({"Cover": [["Our shop"], ["2024"]], "Orders": table, "Old": table, "Empty": []}, hidden=["Old"])
    log = read(one)
    assert log.data_hash == plain
    assert readings(log)["sheet"] == (
        "Orders",
        "the only table of 4 sheets: 'Cover', 'Orders', 'Old', 'Empty'",
    )
    assert read(one, sheet="Old").data_hash == plain
    beside_nothing = read(xlsx({"Empty": [], "Orders": table}))
    assert beside_nothing.data_hash == plain
    assert readings(beside_nothing)["sheet"] == ("Orders", "the only table of 2 sheets: 'Empty', 'Orders'")
    two = xlsx({"January & more": table, "February": table})
    with pytest.raises(ConfigError) as error:
        read(two)
    assert problem(error) == (
        "data.sheet",
        f"{tmp_path / 'orders.csv'} has 2 sheets with rows: 'January & more', 'February'; "
        "type data.sheet='January & more' or another",
    )
    assert read(two, sheet="February").data_hash == plain
    with pytest.raises(ConfigError, match=r"data\.sheet: .* has no sheet 'March'; there is 'January & more'"):
        read(two, sheet="March")
    with pytest.raises(ConfigError, match=r"data\.sheet: 'March' is asked for, and .*orders\.csv is no workbook"):
        read(PLAIN, sheet="March")
    with pytest.raises(DataError, match="the sheet 'Empty' has no rows"):
        read(one, sheet="Empty")
    with pytest.raises(DataError, match="the workbook has no rows"):
        read(xlsx({"Empty": []}))
    with pytest.raises(DataError, match="no rows below the header"):
        read(xlsx({"Sheet1": [HEADER]}))
    many = xlsx({f"Sheet number {i} of very many": table for i in range(60)})
    with pytest.raises(ConfigError) as error:
        read(many)
    problem(error)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.xlsx", protected_xlsx()),
        ("orders.xls", xls([HEADER], protected=True)),
        ("orders.ods", ods([HEADER], protected=True)),
    ],
)
def test_a_password(read: Read, tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(DataError) as error:
        read(content, name=name)
    assert problem(error) == (str(tmp_path / name), "protected by a password; save it without one")


def test_a_bomb_is_not_unpacked(read: Read) -> None:
    """130 MB of blanks in 130 kB, and a directory that names 2 GB."""
    with pytest.raises(DataError) as error:
        read(archive({"xl/workbook.xml": "", "xl/worksheets/sheet1.xml": b" " * 130_000_000}))
    assert "no workbook is read that large" in problem(error)[1]
    content = bytearray(xlsx({"Sheet1": [HEADER]}))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = struct.pack("<I", 2**31)
    with pytest.raises(DataError, match="unpacked it has 2,048 MB"):
        read(bytes(content))


@pytest.mark.parametrize(
    "content",
    [
        xlsx({"Sheet1": xlsx_row(1, HEADER) + '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'}),
        ods(
            [HEADER],
            more='<table:table-row table:number-rows-repeated="1000000"><table:table-cell/></table:table-row>'
            '<table:table-row><table:table-cell table:number-columns-repeated="9000"/>'
            '<table:table-cell office:value-type="float" office:value="1"/></table:table-row>',
        ),
    ],
)
def test_a_cell_at_the_end_of_the_world(read: Read, content: bytes) -> None:
    """The rectangle up to it would fill 100 GB."""
    with pytest.raises(DataError) as error:
        read(content)
    assert "more than can be read; clear the cells beside and below the table" in problem(error)[1]


def test_formatted_cells_without_values_are_nothing(read: Read) -> None:
    rows = "".join(xlsx_row(i, row) for i, row in enumerate([HEADER, *ROWS], 1))
    log = read(xlsx({"Sheet1": rows + '<row r="1048576"><c r="XFD1048576" s="1"/></row>'}))
    assert log.data_hash == read(PLAIN).data_hash


@settings(max_examples=40)
@given(place=st.floats(0, 1), new=st.binary(min_size=1, max_size=40))
def test_a_damaged_workbook_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, place: float, new: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.xlsx"
    for content in (xlsx({"Sheet1": [HEADER, *ROWS]}), xls([HEADER, *([str(a), str(b), c] for a, b, c in ROWS)])):
        damaged = bytearray(content)
        start = int(place * len(damaged))
        damaged[start : start + len(new)] = new
        path.write_bytes(damaged)
        try:
            read_transactions(path, today_date=NOW)
        except ClvsimError as error:
            assert error.problems  # noqa: PT017


def test_a_sheet_of_many_rows(read: Read) -> None:
    """More than are handed over at once."""
    rows = [[f"c{i % 1000}", date(2024, 1 + i % 12, 1), i] for i in range(45_000)]
    log = read(xlsx({"Sheet1": [HEADER, *rows]}))
    assert log.facts.rows == 45_000
    assert log.connection.execute("SELECT sum(amount)::BIGINT FROM orders").fetchall() == [(sum(range(45_000)),)]


# --- frames ----------------------------------------------------------------------------------------------------------


class Stream:
    """A frame of some other package, as all of them that speak Arrow."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


def arrow() -> pa.Table:
    moments = [datetime(2024, 1, 1, 3), datetime(2024, 1, 2, 3), datetime(2024, 2, 1, 3)]
    return pa.table(
        {
            "customer_id": pa.array(["a", "b", "a"], pa.string_view()),
            "date": pa.array(moments, pa.timestamp("us", "UTC")),
            "amount": pa.array([5, 6, 7], pa.decimal128(10, 2)),
            "segment": pa.array(["x", None, "z"]).dictionary_encode(),
            "list": pa.array([[1], [2], []]),
            "nothing": pa.nulls(3),
        }
    )


def test_frames_of_all_kinds(capfd: pytest.CaptureFixture[str]) -> None:
    table = arrow()
    frame = table.to_pandas()
    expected = read_transactions(frame)
    assert (expected.first_date, expected.label) == (date(2024, 1, 1), "data frame")
    halves = pa.Table.from_batches([*table.slice(0, 1).to_batches(), *table.slice(1).to_batches()])
    for source in (table, halves, Stream(table), pa.RecordBatchReader.from_stream(table)):
        assert read_transactions(source).data_hash == expected.data_hash
    capsule = Stream(table)
    del capsule
    assert capfd.readouterr() == ("", "")


def test_the_day_of_a_zone() -> None:
    """New Year's Eve in New York is the next year in UTC; as with pandas the local day counts."""
    table = arrow().set_column(1, "date", arrow()["date"].cast(pa.timestamp("us", "America/New_York")))
    assert read_transactions(table).first_date == read_transactions(table.to_pandas()).first_date == date(2023, 12, 31)

    config = DataConfig(time_zone="America/New_York")  # days are then found from UTC, as for the times in a file
    for source in (table, table.to_pandas()):
        with scanned(con := connect(), source, layout_of(config)) as (scan,):
            moments = con.execute(f"SELECT {scan.fields[1]} FROM {scan.table}").fetchall()
        assert moments[0] == (datetime(2024, 1, 1, 3),)


def test_frames_that_are_none() -> None:
    with pytest.raises(DataError, match="data frame: it has no columns"):
        read_transactions(pa.table({}))
    with pytest.raises(DataError, match="data frame: no rows"):
        read_transactions(arrow().slice(0, 0))
    with pytest.raises(DataError, match="data frame: cannot be read: a column is of a type that is no text"):
        read_transactions(arrow().append_column("much", pa.array([1, 2, 3], pa.decimal256(60, 2))))
    with pytest.raises(ConfigError, match=r"'amount \(1\)' and 'amount \(2\)' could both be meant"):
        read_transactions(pa.table([*arrow().columns[:3], arrow()["amount"]], [*HEADER, "amount"]))
    with pytest.raises(ConfigError, match="its columns are: who knows, a b"):
        read_transactions(pa.table({"who\x1b\nknows": [1], "a\tb": [2]}))


def test_a_summary_from_a_workbook(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    header = ["customer_id", "frequency", "recency", "T", "monetary_value"]
    path.write_bytes(xlsx({"S": [["A table"], header, ["a", 2, 30, 38, 22.5], ["b", 0, 0, 38, 0]]}))
    config = SummaryConfig(today=date(2024, 6, 30), time_unit="week")
    assert read_summary(path, config).customers["frequency"].tolist() == [2, 0]
    path.write_bytes(xlsx({"S": [["A table"], header, ["a", 2, 30, 38, 22.5], ["b", 1.5, 20, 38, 5]]}))
    with pytest.raises(DataError, match=r"frequency: 1 of 2 rows: not a whole number .* row 4"):
        read_summary(path, config)


# --- the database ----------------------------------------------------------------------------------------------------


def test_the_database_is_private_and_bounded() -> None:
    con = connect()
    names = ("temp_directory", "memory_limit", "autoload_known_extensions", "autoinstall_known_extensions", "TimeZone")
    folder, memory, load, install, zone = con.execute(
        f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}"
    ).fetchall()[0]
    assert stat.S_IMODE(os.stat(Path(folder).parent).st_mode) == 0o700
    amount, unit = memory.split()
    assert 512 <= float(amount) * {"MiB": 1, "GiB": 1024}[unit] <= 2048
    assert (load, install, zone) == (False, False, "UTC")
    other = connect().execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
    assert other != folder


def test_what_is_spilled_is_removed_at_the_end(tmp_path: Path) -> None:
    """Forks of the process leave it alone."""
    code = (
        "import os\n"
        "from clvsim.data.database import connect\n"
        "con = connect()\n"
        "con.execute('SET memory_limit = \\'64MB\\'')\n"
        "con.execute('CREATE TABLE t AS SELECT hash(range) AS a, range AS b FROM range(8000000)')\n"
        "assert len(os.listdir(os.environ['TMPDIR'])) == 1\n"
        "child = os.fork()\n"
        "if child == 0: raise SystemExit\n"
        "os.waitpid(child, 0)\n"
        "assert len(os.listdir(os.environ['TMPDIR'])) == 1\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []
