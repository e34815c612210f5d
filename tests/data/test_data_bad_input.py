"""Errors in a log are reported in full, with key, rule and value, and with the right exit code."""

import gzip
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, require_repeat_orders, summarize
from clvsim.data.config import SurvivorsConfig
from clvsim.data.database import in_our_words
from clvsim.data.readers import SOURCES, read_material
from clvsim.errors import ClvsimError, ConfigError, DataError, DiagnosticsError

HEADER = "customer_id,date,amount\n"
GOOD = "a,2024-01-01,5\nb,2024-01-02,6\na,2024-02-01,7\n"
NOW = date(2025, 1, 1)  # the fixture `read` believes so
Read = Callable[..., TransactionLog]


def problems(error: pytest.ExceptionInfo[ClvsimError]) -> dict[str, str]:
    return {p.where: p.what for p in error.value.problems}


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere/orders.csv", "no such file: nowhere/orders.csv"),
        ("nowhere/*.csv", "no file matches: nowhere/*.csv"),
        (".", ". is a folder"),
    ],
)
def test_no_file(path: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read_transactions(config=DataConfig(path=path))
    assert error.value.code == 2
    assert problems(error)["data.path"].startswith(message)


def test_no_path_and_a_useless_path() -> None:
    with pytest.raises(ConfigError, match=r"data.path: no file given; type data.path=orders.csv"):
        read_transactions()
    with pytest.raises(ConfigError, match=r"data.path: no bundled log is called 'x.csv' .*type data=csv"):
        read_transactions(config=DataConfig(kind="bundled", path="x.csv"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (HEADER.encode(), "no rows below the header"),
        (b"\n" + HEADER.encode(), "no rows below the header"),
        (b"\n\n", "line 1 is empty; it must hold the column names"),
        (HEADER.encode() + b"\x81\x8d,2024-01-01,3\n" + GOOD.encode(), "not UTF-8 text"),
        ((HEADER + GOOD).encode("utf-32"), "not UTF-8 text"),
        (("Zoë\0," + HEADER + GOOD).encode(), "it holds NUL characters"),
        (b"\0" * 5000, "it begins with 4,096 NUL characters and no text"),
        (b"abc\0\0\0\x01def" + HEADER.encode(), "it holds NUL characters"),
        (b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff", "not UTF-8 text"),
        (HEADER.encode("utf-16") + b"\x00\xd8", "not UTF-16 text"),
        (b"PAR1 and nothing else", "not a readable Parquet file"),
    ],
)
def test_unreadable_files(read: Read, tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as error:
        read(content)
    assert error.value.code == 4
    assert problems(error)[str(tmp_path / "orders.csv")].startswith(message)


def test_truncated_gzip(read: Read) -> None:
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(gzip.compress((HEADER + GOOD).encode())[:20], name="orders.csv.gz")


def test_workbook(read: Read) -> None:
    with pytest.raises(ConfigError, match="export the sheet as CSV"):
        read(b"PK\x03\x04 a zip archive", name="orders.xlsx")


def test_empty_frames() -> None:
    with pytest.raises(DataError, match="data frame: no rows"):
        read_transactions(pd.DataFrame({"customer": [], "date": [], "amount": []}))
    with pytest.raises(DataError, match="data frame: it has no columns"):
        read_transactions(pd.DataFrame())


# --- columns ---------------------------------------------------------------------------------------------------------


def test_columns_without_a_guess_are_all_asked_for(read: Read, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        read("Wer,Tag,Umsätze\n" + GOOD)
    messages = problems(error)
    assert list(messages) == ["data.customer_id", "data.date", "data.amount", str(tmp_path / "orders.csv")]
    assert "type data.amount=COLUMN" in messages["data.amount"]
    assert messages[str(tmp_path / "orders.csv")] == "its columns are: Wer, Tag, Umsätze"


@pytest.mark.parametrize(
    ("config", "where", "what"),
    [
        ({"customer_id": "amount"}, "data.customer_id", "'amount' is already data.amount"),
        ({"amount": "customer_id"}, "data.amount", "'customer_id' is already data.customer_id"),
        ({"date": "amount", "amount": "amount"}, "data.amount", "'amount' is already data.date"),
        ({"refunded": "amount"}, "data.refunded", "'amount' is already data.amount"),
        ({"amount": "amount*amount"}, "data.amount", "'amount' is already data.amount"),
    ],
)
def test_a_column_in_two_roles(read: Read, config: dict[str, str], where: str, what: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(HEADER + GOOD, **config)
    assert problems(error)[where] == f"{what}: one column cannot be both"
    assert len(problems(error)) == 2  # and which columns there are


@pytest.mark.parametrize("header", ["customer_id,date,total,revenue", "customer_id,date,Total,total"])
def test_two_possible_columns(read: Read, header: str) -> None:
    with pytest.raises(ConfigError, match=r"could both be meant; type data\.amount=COLUMN"):
        read(header + "\na,2024-01-01,5,5\n")


def test_price_beside_a_quantity_is_no_amount(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"data\.amount: no column has one of its usual names"):
        read("customer_id,date,quantity,price\na,2024-01-01,5,5\n")


def test_named_column_is_missing(read: Read) -> None:
    with pytest.raises(ConfigError) as error:
        read(HEADER + GOOD, amount="Amuont", segment="tier")
    assert problems(error)["data.amount"] == "no column 'Amuont' (did you mean 'amount'?)"
    assert problems(error)["data.segment"] == "no column 'tier'"


def test_named_column_is_there_twice(read: Read) -> None:
    with pytest.raises(ConfigError, match="2 columns are called 'amount'"):
        read("customer_id,date,amount,amount\na,2024-01-01,5,5\n", amount="amount")


def test_files_of_a_glob_differ(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text(HEADER + GOOD)
    (tmp_path / "2.csv").write_text("customer_id,date,total\n" + GOOD)
    with pytest.raises(ConfigError, match=r"data\.amount: .*2\.csv has no column 'amount', unlike .*1\.csv"):
        read_transactions(tmp_path / "*.csv", today_date=NOW)


# --- values ----------------------------------------------------------------------------------------------------------


def test_every_kind_of_bad_value_is_listed_at_once(read: Read) -> None:
    bad = ",2024-13-01,x\n ,,\na,2024-01-05,NA\na,soon,\n"
    with pytest.raises(DataError) as error:
        read(HEADER + bad + GOOD)
    expected = [
        ("data.customer_id", "2 of 7 rows: customer id is missing, e.g. row 2; row 3"),
        ("data.date", "1 of 7 rows: date is missing, e.g. row 3"),
        ("data.date", "2 of 7 rows: not a date, e.g. row 2: '2024-13-01'; row 5: 'soon'. "),
        ("data.amount", "3 of 7 rows: amount is missing, e.g. row 3; row 4; row 5"),
        ("data.amount", "1 of 7 rows: not an amount, e.g. row 2: 'x'. "),
    ]
    *listed, limit = error.value.problems
    for (where, beginning), problem in zip(expected, listed, strict=True):
        assert problem.where == where
        assert problem.what.startswith(beginning)
    assert limit.where == "data.max_bad_share"
    assert "4 of 7 rows (57.14%)" in limit.what


def test_three_examples_at_most(read: Read) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + "a,2024-01-01,free\n" * 9 + GOOD)
    assert problems(error)["data.amount"].count("row ") == 3


@pytest.mark.parametrize(
    ("share", "raises"),
    [(0.24, True), (0.25, False)],  # one of four rows
)
def test_the_limit_is_a_share_of_all_rows(read: Read, share: float, raises: bool) -> None:
    text = HEADER + "a,2024-01-01,free\n" + GOOD
    if raises:
        with pytest.raises(DataError):
            read(text, max_bad_share=share)
        return
    log = read(text, max_bad_share=share)
    assert (log.facts.rows, log.facts.unusable_rows, log.facts.order_rows) == (4, 1, 3)
    lines = {line.key: line for line in quality(log, summarize(log))}
    assert lines["unreadable"].level == lines["unreadable_1"].level == "warning"
    assert "row 2: 'free'" in lines["unreadable_1"].note


def test_nothing_usable_at_all(read: Read) -> None:
    with pytest.raises(DataError, match="none of the 2 rows can be used"):
        read(HEADER + ",2024-01-01,1\n,2024-01-01,2\n", max_bad_share=1.0)


@pytest.mark.parametrize(
    ("amount", "decimal", "hint"),
    [
        ('"12,50"', ".", "type data.decimal=,"),
        ('"1.234,50"', ".", "type data.decimal=,"),
        ('"1,23"', ".", "type data.decimal=,"),
        ('"1,2345.00"', ".", ""),  # groups have three digits
        ('"0,123"', ".", "type data.decimal=,"),  # and do not begin with a zero
        ("12.50", ",", "type data.decimal=."),
        ("nonsense", ".", "An amount is one number"),
        ("inf", ".", "An amount is one number"),
        ("1_000", ".", "An amount is one number"),
        ("5%", ".", "An amount is one number"),
        ("5 pcs", ".", "An amount is one number"),
        ("2 x 5", ".", "An amount is one number"),
        ("5 $ 6", ".", "An amount is one number"),
        ("2024-01-01", ".", ""),
        ("1.2.2024", ".", ""),
        ("1.2.2024", ",", ""),
        ("--5", ".", ""),
        ("-5-", ".", ""),
        ("-(5)", ".", "An amount is one number"),
        ("(5", ".", "An amount is one number"),
        ("$", ".", "An amount is one number"),
        ("12 50", ".", "An amount is one number"),
        ("5.-", ".", ""),  # a price in round francs, or a payment back
        ("1e15", ".", ""),  # beyond DECIMAL(18,4)
        ("100000000000000", ".", "An amount has at most 14 digits before its decimals"),
    ],
)
def test_amounts_that_are_none(read: Read, amount: str, decimal: str, hint: str) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + f"a,2024-01-01,{amount}\n" + GOOD, decimal=decimal)
    message = problems(error)["data.amount"]
    assert f"row 2: '{amount.strip(chr(34))}'" in message
    assert hint in message


def test_unquoted_decimal_comma_breaks_the_line(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + GOOD + "a,2024-01-01,12,50\n")
    message = problems(error)[str(tmp_path / "orders.csv")]
    assert "row 5: 'a,2024-01-01,12,50'" in message
    assert "12,50 is two values" in message


def test_rows_are_numbered_as_in_the_file_behind_broken_lines(read: Read) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + "a,2024-01-01\na,2024-01-01,1\nb\nb,2024-01-01,1,2\na,2024-01-01,free\n")
    assert "e.g. row 6: 'free'" in problems(error)["data.amount"]


def test_an_open_quote_is_not_swallowed(read: Read) -> None:
    with pytest.raises(DataError, match="A quote opens or closes in the wrong place"):
        read(HEADER + GOOD + 'a,2024-01-01,"1\n' + GOOD)


@pytest.mark.parametrize(
    "value",
    ["2024-02-30", "1899-12-31", "0000-00-00", "1704067200", "45378", "30 Feb 2024", "2 Foo 2024", "2024-01-01x"],
)
def test_dates_that_are_none(read: Read, value: str) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + f"a,{value},1\n" + GOOD)
    said = problems(error)["data.date"]
    assert f"1 of 4 rows: not a date, e.g. row 2: '{value}'. " in said
    assert ("Days before 1900 are placeholders" in said) == (value == "1899-12-31")


@pytest.mark.parametrize(
    "rows",
    [
        "a,03/04/2024,1\nb,05/06/2024,2\n",
        "a,3.4.2024,1\nb,5.5.2024 10:00,2\n",
        "a,03/04/2024,1\nb,2024-01-02,2\n",
        "a,03/04/2024,1\nb,05/06/24,2\n",
    ],
)
def test_ambiguous_dates_are_asked_for(read: Read, rows: str) -> None:
    with pytest.raises(DataError) as error:
        read(HEADER + rows)
    assert error.value.code == 4
    message = problems(error)["data.date"]
    assert "day/month and month/day are both possible" in message
    assert "data.date_format=%d/%m/%Y" in message


def test_day_and_month_that_change_places(read: Read) -> None:
    with pytest.raises(DataError, match=r"row 2: '25/04/2024', but row 3: '05/26/2024'"):
        read(HEADER + "a,25/04/2024,1\nb,05/26/2024,2\n")


def test_date_format_that_is_none(read: Read) -> None:
    with pytest.raises(ConfigError, match=r"data\.date_format: not a strptime format: '%Q'"):
        read(HEADER + GOOD, date_format="%Q")


def test_dates_in_the_future(read: Read) -> None:
    read(HEADER + GOOD + f"a,{NOW},1\n")
    with pytest.raises(DataError, match=r"1 row lies after today \(2025-01-01\), e\.g\. row 5: '2025-01-02'"):
        read(HEADER + GOOD + "a,2025-01-02,1\n", max_bad_share=1.0)


def test_the_default_today_is_the_real_one(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(HEADER + GOOD + "a,2999-01-01,1\n")
    with pytest.raises(DataError, match=f"after today \\({date.today()}\\)"):
        read_transactions(tmp_path / "orders.csv")


# --- orders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["2023-12-31", "2024-02-02"])
def test_calibration_end_outside_the_log(read: Read, end: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"data\.calibration_end: {end} lies outside the log, .* 2024-01-01 to 2024-02-01"
    ):
        read(HEADER + GOOD, calibration_end=end)


@pytest.mark.parametrize("since", ["2023-12-31", "2024-02-02"])
def test_customers_since_outside_the_log(read: Read, since: str) -> None:
    rule = rf"data\.customers_since: {since} must lie inside the log up to today, .* 2024-01-01 to 2024-02-01"
    with pytest.raises(ConfigError, match=rule):
        read(HEADER + GOOD, customers_since=since)
    with pytest.raises(ConfigError) as error:
        read(HEADER + GOOD, customers_since=since, calibration_end="2025-01-01")
    assert set(problems(error)) == {"data.customers_since", "data.calibration_end"}


def test_customers_since_leaves_nobody(read: Read) -> None:
    with pytest.raises(DataError, match=r"no customer .* none before 2024-01-20 \(data\.customers_since\)"):
        read(HEADER + GOOD, customers_since="2024-01-20")


def test_customers_since_is_a_date() -> None:
    with pytest.raises(ValidationError, match="customers_since"):
        DataConfig.model_validate({"customers_since": "last year"})


@pytest.mark.parametrize("config", [{}, {"calibration_end": "2024-01-01"}])
def test_one_customer(read: Read, config: dict[str, str]) -> None:
    rows = GOOD if config else "a,2024-01-01,5\na,2024-02-01,7\n"
    with pytest.raises(DataError, match="only one customer has an order up to"):
        read(HEADER + rows, **config)


def test_refunds_as_an_error(read: Read) -> None:
    with pytest.raises(DataError, match=r"data\.refunds: 1 row is a refund \(negative amounts\), e\.g\. row 5: '-1'"):
        read(HEADER + GOOD + "a,2024-02-03,-1\n", refunds="error")
    assert read(HEADER + GOOD, refunds="error").facts.refunds.rows == 0


def test_no_repeat_buyers(read: Read) -> None:
    log = read(HEADER + "a,2024-01-01,5\na,2024-01-01,6\nb,2024-03-01,5\n")
    with pytest.raises(DiagnosticsError, match="none of the 2 customers has a second order") as error:
        require_repeat_orders(summarize(log))
    assert error.value.code == 3


def test_repeat_orders_without_money(read: Read) -> None:
    with pytest.raises(DiagnosticsError, match="no repeat order has an amount above zero"):
        require_repeat_orders(summarize(read(HEADER + "a,2024-01-01,5\na,2024-01-02,0\nb,2024-03-01,5\n")))


# --- names and files that are none -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "survivors", "summary"])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("n" * 300, "has 300 characters, which no file's name has"),
        ("a/" * 3000 + "b.csv", "characters, which no file's name has"),
        ("folder", "is a folder; several files are read with a glob"),
        ("pipe.csv", "is a pipe, and a file is read twice; write it to a file first"),
        ("/dev/zero", "is a pipe, and a file is read twice; write it to a file first"),
        ("a\0b", "no such file: a\0b"),
        ("empty.csv", "the file is empty"),
        ("nul.csv", "it holds NUL characters, as damaged files do"),
        ("damaged.parquet", "not a readable Parquet file: it is damaged, or cut off; export it again"),
    ],
)
def test_what_is_no_file_is_told_and_never_waited_for(tmp_path: Path, monkeypatch, kind, name, what) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe.csv")
    Path("empty.csv").write_text("")
    Path("nul.csv").write_text("period,survivors\n0,1\0\n")
    Path("damaged.parquet").write_bytes(b"PAR1" + bytes(100))
    kinds: Any = SOURCES[kind].section
    section = kinds(today=NOW, time_unit="week").model_copy(update={"path": name})
    with pytest.raises(ClvsimError) as refused:
        read_material(section)
    (problem,) = refused.value.problems
    assert what in problem.what
    assert len(problem.what) < 300


def test_what_duckdb_says_is_told_in_our_words() -> None:
    said = {
        "Invalid Input Error: CSV Error on Line: 7\nThe CSV state machine reached an invalid state.": "line 7: a quote",
        "Out of Memory Error: could not allocate block": "it takes more memory than is free",
        "Conversion Error: ... when casting, reached type DOUBLE": "it is damaged, or no table; export it again",
        "Not implemented Error: Unsupported type": "a column is of a type that is no text, number or date",
    }
    for text, words in said.items():
        assert in_our_words(ValueError(text)).startswith(words)
        assert "state machine" not in in_our_words(ValueError(text))
        assert "Error" not in in_our_words(ValueError(text))


def test_a_table_of_survivors_whose_lines_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("period,survivors\n0,10\n1,5,7,8\n")
    section = SurvivorsConfig(path=str(tmp_path / "s.csv"), renewal="month", today=NOW)
    with pytest.raises(DataError, match=r"1 lines do not fit the header, e\.g\. row 3: '1,5,7,8'"):
        read_material(section)
