"""Files as other programs write them hold the same orders as a plain file, or are refused in one clear sentence."""

import csv
import gzip
import io
import itertools
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize
from clvsim.data.files import LONGEST_LINE, Layout, examine, for_duckdb, header_position
from clvsim.errors import ClvsimError, ConfigError, DataError
from tests.data.said import problem, readings
from tests.data.sheets import archive, xlsx

HEADER = "customer_id,date,amount\n"
GOOD = "a,2024-01-01,5\nb,2024-01-02,6\na,2024-02-01,7\n"
NOW = date(2025, 1, 1)
Read = Callable[..., TransactionLog]

NAMES = "customer_id,date,amount,segment\n"
PEOPLE = "Zoë,2024-01-01,5,Müller & Söhne – 5 €\nÅsa,2024-01-02,6,straße\nZoë,2024-02-01,7,“x”\n"


def orders(log: TransactionLog) -> list[tuple[str, date, float]]:
    rows = log.connection.execute("SELECT customer_id, day, amount::DOUBLE FROM orders ORDER BY ALL").fetchall()
    return [tuple(row) for row in rows]


# --- encodings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("codec", "said"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("cp1252", "Windows-1252 (Latin-1)"),
    ],
)
def test_encodings_are_found_and_named(read: Read, codec: str, said: str | None, packed: bool) -> None:
    data = (NAMES + PEOPLE).encode(codec)
    log = read(gzip.compress(data) if packed else data)  # its name does not end in .gz: the content decides
    assert summarize(log).customers["customer_id"].tolist() == ["Zoë", "Åsa"]
    assert summarize(log).customers["segment"].tolist() == ["Müller & Söhne – 5 €", "straße"]
    assert log.data_hash == read(NAMES + PEOPLE).data_hash
    assert readings(log).get("encoding", (None, ""))[0] == said
    if codec == "cp1252":
        assert "e.g. 'Zoë'" in readings(log)["encoding"][1]
        assert [line.value for line in quality(log, summarize(log)) if line.key == "encoding"] == [said]


def test_plain_text_named_gz_is_read(read: Read) -> None:
    assert read(HEADER + GOOD, name="orders.csv.gz").data_hash == read(HEADER + GOOD).data_hash


def test_a_damaged_archive(read: Read) -> None:
    packed = bytearray(gzip.compress((HEADER + GOOD * 2000).encode()))
    packed[40:60] = bytes(20)
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(bytes(packed))


@pytest.mark.parametrize(("encoding", "name"), [("cp1252", "5 €"), ("latin-1", "5 \x80")])
def test_a_typed_encoding_decides(read: Read, encoding: str, name: str) -> None:
    log = read((NAMES + "a,2024-01-01,5,5 €\nb,2024-01-01,5,x\n").encode("cp1252"), encoding=encoding)
    assert summarize(log).customers["segment"][0] == name
    assert "encoding" not in readings(log)  # nothing was found: it was typed


def test_a_typed_encoding_that_is_wrong(read: Read) -> None:
    text = (NAMES + PEOPLE).encode("cp1252")
    with pytest.raises(DataError, match="not UTF-8 text"):  # the line is broken, and counted
        read(text, encoding="utf-8")
    with pytest.raises(DataError, match="not utf-16 text"):
        read(text, encoding="utf-16")
    with pytest.raises(DataError, match="not cp1252 text"):
        read(NAMES.encode() + b"\x81,2024-01-01,3,x\n" + GOOD.encode(), encoding="cp1252")


def test_one_byte_far_down_decides(read: Read) -> None:
    """Beyond a chunk of the file; a sample would have taken it for UTF-8."""
    rows = "".join(f"c{i},2024-01-01,1\n" for i in range(100_000))
    log = read(HEADER.encode() + rows.encode() + "Ö,2024-01-02,1\n".encode("cp1252"))
    assert summarize(log).customers["customer_id"].iloc[-1] == "Ö"
    assert readings(log)["encoding"][0].startswith("Windows-1252")


def test_a_damaged_byte_among_utf_8_is_a_broken_line(read: Read) -> None:
    """Read as Windows-1252 all other names would be misspelt."""
    data = (NAMES + PEOPLE).encode() + b"\xff,2024-01-05,1,x\n"
    with pytest.raises(DataError, match=r"1 of 4 rows: the line does not fit the header, e\.g\. row 5"):
        read(data)
    log = read(data, max_bad_share=0.3)
    assert summarize(log).customers["customer_id"].tolist() == ["Zoë", "Åsa"]


@pytest.mark.parametrize("ends", list(itertools.permutations(["\n", "\r\n", "\r"], 2)))
@pytest.mark.parametrize("header", ["customer_id,date,amount,note", '"customer_id\n",date,amount,note'])
def test_lines_may_end_in_several_ways(read: Read, header: str, ends: tuple[str, str]) -> None:
    """As of exports that were joined. A quote opens where a field begins, and what it holds stays as it is."""
    rows = [*('a,2024-01-01,5,5" disc', 'b,2024-01-02,6,"1\r\n""2""\r3\n4"', 'a,2024-01-03,7, "x\ny"')]
    rows += [*("b,2024-02-01,8,", "c,2024-02-02", f"d,2024-03-01,9,{'x' * 70}")]
    mixed = header + "".join(f"{ends[i % 2]}{row}" for i, row in enumerate(rows * 8_000)) + ends[1]  # chunks of a file
    plain = "\n".join([header, *rows * 8_000])
    log = read(mixed, covariates=["note"], max_bad_share=0.2)
    assert log.facts.rows == 48_000
    assert log.data_hash == read(plain, covariates=["note"], max_bad_share=0.2).data_hash
    with pytest.raises(DataError, match=r"8,000 of 48,000 rows: the line does not fit the header, e.g. row [67]: 'c,"):
        read(mixed)


@given(
    names=st.lists(
        st.text(st.characters(codec="cp1252", categories=("L", "Nd", "Sc")), min_size=1, max_size=8), min_size=2
    ),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]),
    above=st.lists(st.sampled_from(["", "Exported by hand", '"Orders, and refunds"', "Straße"]), max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_any_name_in_any_encoding(names: list[str], codec: str, above: list[str], end: str) -> None:
    """Written independently by Python's csv; what is found is what was written, or cannot be told from it."""
    out = io.StringIO()
    rows = [["customer_id", "date", "amount"], *([name, "2024-01-01", "5.00"] for name in names)]
    csv.writer(out, lineterminator=end).writerows(rows)
    text = end.join([*above, out.getvalue()])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        path.write_bytes(text.encode(codec))
        found = examine(str(path), Layout())
        copied = Path(for_duckdb(found, folder, 0))
        if copied != path:
            assert stat.S_IMODE(copied.parent.stat().st_mode) == 0o700
        assert found.headers == tuple(rows[0])
        assert (found.above, found.header_end) == (len(above), len(above) + 1)
        if codec == "cp1252" and not text.encode("cp1252").decode("utf-8", "ignore").isascii():
            return  # some of its bytes are characters of UTF-8 as well
        lines = copied.read_bytes().decode("utf-8-sig").splitlines()
        assert [len(row) for row in csv.reader(lines)] == [3] * len(rows)
        assert list(csv.reader(lines))[1:] == rows[1:]


@given(data=st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        path.write_bytes(data)
        try:
            read_transactions(path, today_date=NOW)
        except ClvsimError as error:
            assert error.problems  # noqa: PT017
            assert all(len(what) < 2000 for _, what in error.problems)  # noqa: PT017


def test_copies_go_with_the_load_even_after_an_error(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    seen = []
    monkeypatch.setattr("clvsim.data.raw.readings_of", lambda scans: seen.append(scans[0].parameters[0]) or ())
    read((HEADER + GOOD).encode("utf-16"))
    assert seen[0].startswith(str(scratch))  # it was there
    with pytest.raises(ConfigError):
        read((HEADER + GOOD).encode("utf-16"), amount="nowhere")
    assert list(scratch.glob("*/*.csv")) == []
    assert [p for p in scratch.iterdir() if "duckdb" not in p.name] == []


# --- lines above the header ------------------------------------------------------------------------------------------

TABLE = "customer_id,date,amount,note\n" + "".join(f"c{i % 7},2024-01-{i + 1:02},{i + 1},x\n" for i in range(20))


@pytest.mark.parametrize(
    ("above", "lines"),
    [
        ("\n", 1),
        ("Sales report\n\n", 2),
        ('"Includes marketplace orders"\n"All amounts in USD, unless specified"\n' * 3, 6),
        ("Sales report 2024,,,\nFrom 2024-01-01 to 2024-03-01,,,\n,,,\n", 3),  # as spreadsheets pad them
        ("Store;Main street\nFrom;2024-01-01\nTo;2024-03-01\n\n", 4),
        ("Dear all, this is, what you asked for\n", 1),
        ("sep=,\n", 1),
        ('"two\nlines"\n', 2),
        ('"never closed\n', 1),
        ("5 columns\n" * 60, 60),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_above_the_header_are_found(read: Read, above: str, lines: int, end: str) -> None:
    log = read((above + TABLE).replace("\n", end))
    assert log.data_hash == read(TABLE).data_hash
    assert readings(log)["skip"] == (
        str(lines),
        f"left out: the column names are in line {lines + 1}; data.skip=N chooses another one",
    )
    again = read((above + TABLE).replace("\n", end), skip=lines)
    assert (again.data_hash, readings(again)) == (log.data_hash, {})


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_header(read: Read, delimiter: str) -> None:
    """The prose above it has others, and so have the values below it."""
    text = "Prices; in EUR | net, of tax\n\n" + TABLE.replace(",", delimiter)
    assert read(text).data_hash == read(TABLE).data_hash


@pytest.mark.parametrize(
    "text",
    [
        TABLE,
        TABLE.replace("note", "2024"),  # a name like a number
        TABLE.replace("note", ""),
        TABLE.replace("note", "a;b;c;d;e"),
        TABLE.replace("note", '5" disc'),
        "customer_id,date,amount,note\na,2024-01-01,1,x\nb,2024-01-02,2,\n",
        "customer_id,date,amount,,,,\n" + "".join(f"c{i},2024-01-01,{i},,,,\n" for i in range(9)),
        '"customer_id\n",date,amount,"no, te"\na,2024-01-01,1,"x\ny"\nb,2024-01-02,2,\n',
    ],
)
def test_a_header_in_the_first_line_stays(read: Read, text: str) -> None:
    assert "skip" not in readings(read(text))


@pytest.mark.parametrize("above", ["", "Our shop\n\n"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_header_of_two_lines(read: Read, end: str, inside: str, above: str) -> None:
    """Whatever ends a line inside of a name, rows are read and counted as an editor counts lines."""
    rows = ["1,a,2024-01-01,5", '2,b,2024-01-02,"6"', "3", "4,a,2024-02-01,7", ""]
    text = (above.replace("\n", end) + f'"Order{inside}id",customer_id,date,amount{end}' + end.join(rows)).encode()
    plain = read("customer_id,date,amount\na,2024-01-01,5\nb,2024-01-02,6\na,2024-02-01,7\n")
    log = read(text, max_bad_share=0.25)
    assert (log.facts.rows, log.data_hash) == (4, plain.data_hash)
    assert read(gzip.compress(text), name="orders.csv.gz", max_bad_share=0.25).data_hash == plain.data_hash
    with pytest.raises(
        DataError, match=f"1 of 4 rows: the line does not fit the header, e.g. row {7 if above else 5}: '3'"
    ):
        read(text)
    with pytest.raises(DataError, match=f"not a date, e.g. row {8 if above else 6}: 'never'"):
        read(text.replace(b"2024-02-01", b"never"), max_bad_share=0.25)


def test_in_doubt_the_first_line_is_the_header(read: Read) -> None:
    with pytest.raises(ConfigError, match="its columns are: a, 2024-01-01, 5"):
        read(GOOD)
    with pytest.raises(DataError, match="3 of 3 rows: the line does not fit the header"):
        read("customer_id,date,amount\na,2024-01-01,5,5\nb,2024-01-02,6,5\nb,2024-01-03,6,5\n")


def test_a_column_that_is_not_found_may_be_misspelt(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read("Заказы\nимя,date,amount\nа,2024-01-01,5\nб,2024-01-02,5\n".encode("cp1251"))
    said = dict(error.value.problems)[str(tmp_path / "orders.csv")]
    assert said.startswith("Lines above the header: 1")
    with pytest.raises(ConfigError, match=r"Encoding: Windows-1252 .* if that is misspelt, save the file as"):
        read("имя,date,amount\nа,2024-01-01,5\nб,2024-01-02,5\n".encode("cp1251"))


def test_names_of_columns_are_listed_within_bounds(read: Read) -> None:
    with pytest.raises(ConfigError) as error:
        read(",".join(f"{'very' * i} long {i}" for i in range(90)) + "\n1\n")
    assert all(len(what) < 450 for _, what in error.value.problems)


def test_a_table_of_values_has_no_header() -> None:
    assert header_position([["a", "1"], ["b", "2"], ["c", "3"]]) is None
    assert header_position([["note"], ["who", "when"], ["b", "2"], ["c", "3"]]) == 1
    assert header_position([["who", "when"]]) is None


@pytest.mark.parametrize("codec", ["utf-8", "utf-16", "cp1252"])
def test_messages_name_the_lines_of_the_file(read: Read, codec: str) -> None:
    text = "Überblick\n\n" + HEADER + GOOD + "b,2024-02-01\na,2024-02-02,free\n"
    with pytest.raises(DataError) as error:
        read(text.encode(codec))
    said = "; ".join(what for _, what in error.value.problems)
    assert "row 7: 'b,2024-02-01'" in said
    assert "row 8: 'free'" in said
    with pytest.raises(DataError, match="e\\.g\\. row 3: 'free'"):
        read('customer_id,"date\n(UTC)",amount\na,2024-02-02,5\n'.replace("5", "free"), date="date (UTC)")


@pytest.mark.parametrize(("skip", "line"), [(1, 2), (40, 41)])
def test_a_typed_line_that_is_no_header(read: Read, skip: int, line: int) -> None:
    with pytest.raises(DataError, match=f"line {line} is empty; it must hold the column names"):
        read("x\n\n" + HEADER + GOOD, skip=skip)


def test_wrong_keys() -> None:
    for wrong in ({"skip": -1}, {"skip": "few"}, {"encoding": "klingon"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DataConfig.model_validate(wrong)


# --- what is no table ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [30_000_000, LONGEST_LINE + 1])
def test_a_line_of_many_megabytes(read: Read, tmp_path: Path, rows: int) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + GOOD + "x" * rows + ",2024-01-01,5\n")
    where, what = problem(error)
    assert where == str(tmp_path / "orders.csv")
    assert what.startswith("line 5 is longer than 2 MB, which no row of a table is")


def test_a_quote_that_is_never_closed(read: Read) -> None:
    """No line is long, but what the quote swallows is: the message is not."""
    with pytest.raises(DataError) as error:
        read(HEADER + 'a,2024-01-01,"5\n' + GOOD * 60_000)
    assert all(len(what) < 600 for _, what in error.value.problems)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (archive({"orders.csv": HEADER + GOOD}), "is an archive; unpack it"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(40), "is an archive; unpack it"),
        (b"%PDF-1.7 ...", "is a PDF; export the table as CSV"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><table>", "is HTML or XML; open it in a spreadsheet and save it as CSV"),
        (b'[\n  {"customer": 1}]', "is JSON; export the table as CSV"),
    ],
)
def test_other_kinds_of_files(read: Read, tmp_path: Path, content: bytes, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(content)
    assert problem(error) == ("data.path", f"{tmp_path / 'orders.csv'} {what}")


def test_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (str(tmp_path / "pipe"), "-"):
        with pytest.raises(ConfigError) as error:
            read_transactions(path)
        where, what = problem(error)
        assert where == "data.path"
        assert what.startswith(f"{path} is a pipe, and a file is read twice; write it to a file first")
    code = "import clvsim; clvsim.read_transactions('/dev/stdin')"
    done = subprocess.run([sys.executable, "-c", code], input=HEADER + GOOD, capture_output=True, text=True)
    assert "/dev/stdin is a pipe, and a file is read twice" in done.stderr


def test_columns_of_one_name(read: Read) -> None:
    text = "customer_id,date,amount,amount,note,note\na,2024-01-01,5,6,x,y\nb,2024-01-02,5,7,x,y\n"
    with pytest.raises(ConfigError, match=r"data\.amount: 'amount \(1\)' and 'amount \(2\)' could both be meant"):
        read(text)
    with pytest.raises(ConfigError, match=r"2 columns are called 'amount': type 'amount \(1\)' or another"):
        read(text, amount="amount")
    assert [amount for _, _, amount in orders(read(text, amount="amount (2)"))] == [6, 7]


def test_a_header_longer_than_the_sample_is_whole(read: Read) -> None:
    names = ",".join(f"column {i} with a long name" for i in range(6000))
    with pytest.raises(ConfigError) as refused:
        read(f"{names}\n" + f"{',' * 5999}\n" * 2)
    assert "… (6000 in all)" in str(refused.value)
    rows = "".join(f"{',' * 6000}{row}\n" for row in PEOPLE.splitlines())
    assert read(f"{names},{NAMES}{rows}").data_hash == read(NAMES + PEOPLE).data_hash


# --- lists of files --------------------------------------------------------------------------------------------------


def test_files_of_all_kinds_in_one_list(tmp_path: Path, read: Read) -> None:
    rows = [line.split(",") for line in (NAMES + PEOPLE).splitlines()]
    (tmp_path / "1.csv").write_bytes(("A report\n" + "\n".join(",".join(r) for r in rows[:2])).encode("cp1252"))
    (tmp_path / "2.xlsx").write_bytes(xlsx({"S": [rows[0], rows[2]]}))
    pd.DataFrame([rows[3]], columns=rows[0]).to_parquet(tmp_path / "3.parquet")
    (tmp_path / "4.csv.gz").write_bytes(gzip.compress((NAMES + "b,2024-03-01,9,x\n").encode()))
    files = [tmp_path / name for name in ("1.csv", "2.xlsx", "3.parquet", "4.csv.gz", "1.csv")]
    log = read_transactions([*files, str(tmp_path / "*.gz")], today_date=NOW)
    assert log.data_hash == read(NAMES + PEOPLE + "b,2024-03-01,9,x\n").data_hash
    said = readings(log)
    assert said["twice"][0] == "2"
    assert {line.level for line in log.facts.readings if line.key == "twice"} == {"warning"}
    assert said["encoding"][1].startswith(f"in 1 of 4 files, first {files[0]}; e.g. 'Zoë'")
    assert said["skip"][0] == "1"


def test_one_name_twice_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("o.csv").write_text(NAMES + PEOPLE)
    name = "o.csv"  # one string, as the configuration has it
    assert readings(read_transactions([name, name], today_date=NOW))["twice"] == ("1", "read once: o.csv")


def test_rows_are_named_by_their_file(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(HEADER + GOOD)
    (tmp_path / "2.csv").write_text("A report\n" + HEADER + "a,2024-01-01,free\n" + GOOD)
    (tmp_path / "3.xlsx").write_bytes(xlsx({"S": [["customer_id", "date", "amount"], [], ["a", "soon", 5]]}))
    with pytest.raises(DataError) as error:
        read_transactions([str(tmp_path / name) for name in ("1.csv", "2.csv", "3.xlsx")], today_date=NOW)
    said = "; ".join(what for _, what in error.value.problems)
    assert f"{tmp_path / '2.csv'} row 3: 'free'" in said
    assert f"{tmp_path / '3.xlsx'} row 3: 'soon'" in said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"a": 1}, "not of the type dict"),
        (5, "not of the type int"),
        (np.zeros((2, 3)), "not of the type ndarray"),
        ([], "no file given"),
        ([pd.DataFrame()], "each item must be the path of a file, one is of the type DataFrame"),
        (["nowhere.csv", "nowhere/*.csv"], "no file matches: nowhere/*.csv"),
    ],
)
def test_sources_that_are_none(source: object, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_transactions(source)  # ty: ignore[invalid-argument-type]
    assert {where for where, _ in error.value.problems} == {"data.path"}
    assert any(said in what for _, what in error.value.problems)
