"""The same orders give the same values, whatever the file looks like."""

import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from yaml import safe_load

from clvsim.data import (
    DataConfig,
    TransactionLog,
    quality,
    read_transactions,
    require_repeat_orders,
    summarize,
    weekly_repeat_orders,
)
from clvsim.data.raw import BUNDLED
from clvsim.errors import DataError, DiagnosticsError
from tests.data.said import problem, readings

Read = Callable[..., TransactionLog]
HEADER = "customer_id,date,amount\n"
GOOD = "a,2024-01-01,5\nb,2024-01-02,6\na,2024-02-01,7\n"
CONFIG = DataConfig(calibration_end=date(1997, 9, 30))


def made_up(rows: int = 4000, seed: int = 7) -> pd.DataFrame:
    """A log with refunds, zeros, duplicates and labels, whose float sums depend on the order of rows."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "customer_id": [f"{i:03d}" for i in rng.integers(0, 300, rows)],
            "date": pd.Timestamp("1997-01-01") + pd.to_timedelta(rng.integers(0, 540, rows), unit="D"),
            "amount": np.round(rng.lognormal(3, 2, rows) * rng.choice([1, 1, 1, 1, 0, -1], rows), 2),
            "segment": rng.choice(["", "gold", "säure"], rows),
            "channel": rng.choice(["", "ads", "<b>mail</b>"], rows),
        }
    )


def everything(source: object) -> tuple[pd.DataFrame, str, pd.DataFrame, object]:
    log = read_transactions(source, CONFIG)  # ty: ignore[invalid-argument-type]
    summary = summarize(log)
    lines = [line for line in quality(log, summary) if line.key != "columns"]
    assert summary.repeat_orders_by_day is not None
    daily = summary.repeat_orders_by_day.tolist()
    return summary.customers, summary.data_hash, weekly_repeat_orders(log), (lines, daily)


def test_row_order_and_format_change_no_bit(tmp_path: Path) -> None:
    frame = made_up()
    shuffled = frame.sample(frac=1, random_state=1)
    frame.to_csv(tmp_path / "log.csv", index=False)
    shuffled.to_csv(tmp_path / "log.csv.gz", index=False)
    shuffled[["segment", "amount", "channel", "date", "customer_id"]].to_csv(
        tmp_path / "log.tsv", index=False, sep="\t"
    )
    shuffled.to_parquet(tmp_path / "log.parquet")
    for part in range(3):
        shuffled.iloc[part::3].to_csv(tmp_path / f"part-{part}.csv", index=False)
    first = everything(frame)
    for name in ("log.csv", "log.csv.gz", "log.tsv", "log.parquet", "part-*.csv"):
        again = everything(tmp_path / name)
        pd.testing.assert_frame_equal(again[0], first[0], check_exact=True)
        pd.testing.assert_frame_equal(again[2], first[2], check_exact=True)
        assert (again[1], again[3]) == (first[1], first[3]), name


def test_bundled_sample_as_csv(tmp_path: Path, cdnow: TransactionLog) -> None:
    pd.read_parquet(BUNDLED["cdnow_sample"]).iloc[::-1].to_csv(tmp_path / "cdnow.csv", index=False)
    log = read_transactions(tmp_path / "cdnow.csv", CONFIG)
    assert log.data_hash == cdnow.data_hash


@pytest.mark.parametrize(
    "change",
    [
        "a,2024-01-01,5\nb,2024-01-02,6\na,2024-02-01,7.0001\n",
        "a,2024-01-01,5\nb,2024-01-02,6\na,2024-02-02,7\n",
        GOOD.replace("b", "B"),
    ],
)
def test_hash_sees_every_order(read: Read, change: str) -> None:
    assert read(HEADER + GOOD).data_hash != read(HEADER + change).data_hash


def test_hash_does_not_see_how_a_day_is_split(read: Read) -> None:
    assert (
        read(HEADER + GOOD).data_hash
        == read(HEADER + GOOD.replace("a,2024-01-01,5", "a,2024-01-01,2\na,20240101,3.00")).data_hash
    )


def test_ids_are_text(read: Read) -> None:
    log = read(
        HEADER
        + "007,2024-01-01,1\n 7 ,2024-01-01,1\n7,2024-01-03,1\n"
        + '"<b>x, ""y""</b>",2024-01-01,1\nÉva,2024-01-01,1\n1e3,2024-01-01,1\n',
        fold=False,
    )
    assert summarize(log).customers["customer_id"].tolist() == ["007", "1e3", "7", '<b>x, "y"</b>', "Éva"]


def test_whole_float_ids_of_a_frame_are_whole(read: Read) -> None:
    frame = pd.DataFrame({"customer": [7.0, None, 8.0], "date": ["2024-01-01"] * 3, "amount": [1, 2, 3]})
    log = read_transactions(frame, DataConfig(max_bad_share=0.5))
    assert summarize(log).customers["customer_id"].tolist() == ["7", "8"]
    assert log.facts.unusable_rows == 1


def test_frames_with_zones_and_mixed_types() -> None:
    zoned = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-02-01"]).tz_localize("Asia/Tokyo")
    frame = pd.DataFrame({"client": pd.Categorical(["a", "b", "a"]), "day": zoned, "value": ["5", 6, 7.5]})
    log = read_transactions(frame)
    assert (log.first_date, log.last_date) == (date(2024, 1, 1), date(2024, 2, 1))
    assert log.guessed == (("customer_id", "client"), ("date", "day"), ("amount", "value"))


def test_awkward_names(read: Read, tmp_path: Path) -> None:
    (tmp_path / "o'r d 1 üx.csv").write_text("a file that the name of the log would match as a glob\n")
    text = 'Kunde;Umsätze;Total (EUR);Tag;"a;\'b"\n' + "007;1,5;2;2024-01-01;x\n008;1;2;2024-02-01;y\n"
    log = read(
        text, name="o'r d [1] ü*.csv", customer_id="Kunde", date="Tag", amount="Umsätze", segment="a;'b", decimal=","
    )
    assert summarize(log).customers["first_amount"].tolist() == [1.5, 1.0]
    assert summarize(log).customers["segment"].tolist() == ["x", "y"]
    assert log.guessed == ()
    other = read(text, customer_id="Kunde", date="Tag", amount="Total (EUR)")
    assert summarize(other).customers["first_amount"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("Name,Email,Created at,Subtotal,Total,Paid at", ("Email", "Created at", "Total")),  # Shopify
        (
            "id,Created date (UTC),Amount,Amount Refunded,Customer ID,Customer Email",
            ("Customer ID", "Created date (UTC)", "Amount"),
        ),
        (
            "order_id,date_created,customer_id,total,billing_email",
            ("customer_id", "date_created", "total"),
        ),  # WooCommerce
        ("InvoiceNo,InvoiceDate,CustomerID,Quantity,Revenue", ("CustomerID", "InvoiceDate", "Revenue")),
        ("USER_ID,TimeStamp,Order Value,email", ("USER_ID", "TimeStamp", "Order Value")),
        ("Bestellung,Kunde,Bestelldatum,Umsatz", ("Kunde", "Bestelldatum", "Umsatz")),
        ("Numéro client,Date de commande,Montant total", ("Numéro client", "Date de commande", "Montant total")),
        ("ID cliente,Fecha pedido,Importe total", ("ID cliente", "Fecha pedido", "Importe total")),
    ],
)
def test_guesses(read: Read, header: str, columns: tuple[str, ...]) -> None:
    names = header.split(",")
    row = [{columns[1]: "2024-01-01", columns[2]: "5"}.get(name, "x") for name in names]
    rows = [",".join(row), ",".join(v.replace("x", "y") for v in row)]
    log = read(header + "\n" + "\n".join(rows) + "\n")
    assert log.guessed == log.columns == tuple(zip(("customer_id", "date", "amount"), columns, strict=True))
    lines = {line.key: line for line in quality(log, summarize(log))}
    assert lines["columns"].note.startswith("guessed: customer_id, date, amount")


def rows_of(first: str, second: str, customers: int = 60, **cells: Callable[[int], object]) -> str:
    """Two orders of each customer; `cells` are functions of the customer's number."""
    one, other = cells["one"], cells["other"]
    days = ("2024-01-01", "2024-02-01")
    rows = [f"{one(k)},{other(k)},{day},5" for k in range(1, customers + 1) for day in days]
    return "\n".join([f"{first},{second},date,amount", *rows, ""])


@pytest.mark.parametrize(
    ("first", "second", "one", "other", "counts"),
    [
        ("Kunde", "E-Mail", lambda k: ("Müller", "Schmidt")[k % 2], lambda k: f"k{k}@example.com", (2, 60)),
        ("Customer", "Email", lambda k: f"Name {k}", lambda k: f"k{(k + 1) // 2}@example.com", (60, 30)),
        ("Customer ID", "Email", lambda k: 0 if k <= 20 else k, lambda k: f"K{k}@example.com", (41, 60)),
        ("user_id", "customer", lambda k: k % 3, lambda k: f"c{k}", (3, 60)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_two_columns_of_customers_that_disagree_are_asked_about(read, first, second, one, other, counts, turned):
    text = rows_of(first, second, one=one, other=other)
    if turned:
        text = rows_of(second, first, one=other, other=one)
    with pytest.raises(DataError) as error:
        read(text)
    typed = " or ".join(f"data.customer_id={shlex.quote(name)}" for name in (first, second))
    what = f"{first!r} ({counts[0]} different values) and {second!r} ({counts[1]}) could both be meant; type {typed}"
    assert problem(error) == ("data.customer_id", what)
    for name, number in zip((first, second), counts, strict=True):
        assert len(summarize(read(text, customer_id=name, guests="keep")).customers) == number
    assert len(summarize(read(text, segment=second, guests="keep")).customers) == counts[0]  # it is something else


@pytest.mark.parametrize(
    ("first", "second", "one", "other"),
    [
        ("Customer ID", "Email", lambda k: f"00{k}", lambda k: f"k{k % 56}@example.com"),  # a few have two ids
        ("Customer ID", "Email", lambda k: k, lambda k: f"k{k}@example.com" if k % 2 else ""),
        ("Customer ID", "Email", lambda k: k, lambda k: ""),
        ("Kundennummer", "Kunde", lambda k: k, lambda k: ("Müller", "Schmidt")[k % 2]),  # namesakes, or kinds
        ("Customer", "Email", lambda k: f"Name {k}", lambda k: f"{'kK'[k % 2]}{k}@example.com"),
    ],
)
def test_of_two_columns_of_customers_that_agree_the_id_is_taken(read, first, second, one, other):
    log = read(rows_of(first, second, one=one, other=other))
    assert log.columns[0] == ("customer_id", first)
    assert len(summarize(log).customers) == 60
    assert readings(log) == {}


def test_an_empty_name_switches_the_segment_guess_off(read: Read) -> None:
    text = "customer_id,date,amount,segment\na,2024-01-01,5,x\nb,2024-01-01,5,y\n"
    assert summarize(read(text)).customers["segment"].tolist() == ["x", "y"]
    assert summarize(read(text, segment="")).customers["segment"].tolist() == ["", ""]


@pytest.mark.parametrize(
    ("written", "day", "reading"),
    [
        ("2024-03-04", date(2024, 3, 4), "year-month-day"),
        ("2024-3-4", date(2024, 3, 4), "year-month-day"),
        ("2024/03/04 10:11", date(2024, 3, 4), "year-month-day"),
        ("20240304", date(2024, 3, 4), "year-month-day"),
        ("2024-03-04T23:59:59.123Z", date(2024, 3, 4), "year-month-day"),
        ("2024-03-04 23:59:59 -0500", date(2024, 3, 4), "year-month-day"),
        ("2024-03-04 23:59:59+05:30", date(2024, 3, 4), "year-month-day"),
        ("25/03/2024", date(2024, 3, 25), "day/month/year"),
        ("25.3.2024 10:11:12", date(2024, 3, 25), "day/month/year"),
        ("3/25/2024 1:02 PM", date(2024, 3, 25), "month/day/year"),
        ("4-4-2024", date(2024, 4, 4), "year-month-day"),  # both readings agree
    ],
)
def test_dates(read: Read, written: str, day: date, reading: str) -> None:
    log = read(HEADER + f"a,{written},1\nb,{written},1\n")
    assert (log.first_date, log.facts.date_reading) == (day, reading)


def test_one_telling_row_decides_for_all(read: Read) -> None:
    log = read(HEADER + "a,03/04/2024,1\nb,05/13/2024,1\n")
    assert (log.first_date, log.last_date) == (date(2024, 3, 4), date(2024, 5, 13))


def test_date_format(read: Read) -> None:
    log = read(HEADER + "a,03/04/24,1\nb,05/06/24,1\n", date_format="%d/%m/%y")
    assert (log.first_date, log.last_date) == (date(2024, 4, 3), date(2024, 6, 5))


def test_typed_columns_need_neither_format_nor_decimal_sign() -> None:
    frame = pd.DataFrame(
        {"customer": ["a", "b"], "date": pd.to_datetime(["2024-03-04", "2024-03-05"]), "amount": [1.5, 2.25]}
    )
    log = read_transactions(frame, DataConfig(decimal=",", date_format="%d/%m/%y"))
    assert summarize(log).customers["first_amount"].tolist() == [1.5, 2.25]


@pytest.mark.parametrize(
    ("written", "value"), [("+5", 5.0), ("5.", 5.0), (".5", 0.5), ("1.23456", 1.2346), ("1e2", 100.0), (" 7 ", 7.0)]
)
def test_amounts(read: Read, written: str, value: float) -> None:
    log = read(HEADER + f"a,2024-01-01,{written}\n" + "b,2024-01-01,1\n")
    assert summarize(log).customers["first_amount"].tolist() == [value, 1.0]


def test_money_is_added_exactly(read: Read) -> None:
    """0.1 ten times is 1, and 10¹² beside 0.01 loses nothing: not so in floating sums."""
    log = read(
        HEADER
        + "a,2024-01-01,0.1\n" * 10
        + "b,2024-01-01,1000000000000\nb,2024-01-01,0.01\nb,2024-01-01,-1000000000000\n"
    )
    assert summarize(log).customers["first_amount"].tolist() == [1.0, 0.01]


def test_first_label_by_date_then_by_text_and_not_from_the_holdout(read: Read) -> None:
    header = "customer_id,date,amount,segment,channel\n"
    rows = (
        "a,2024-01-03,1,b,\na,2024-01-03,1,a,\na,2024-01-01,1, ,\na,2024-01-05,1,0,x\n"
        "b,2024-01-01,-1,0,0\nb,2024-01-01,2,,\n"
    )
    frame = summarize(read(header + rows, calibration_end="2024-01-04")).customers
    assert frame[["segment", "channel"]].to_numpy().tolist() == [["a", ""], ["", ""]]


def test_customers_who_come_after_today(read: Read) -> None:
    log = read(HEADER + GOOD + "c,2024-02-02,1\nc,2024-02-20,1\na,2024-02-20,1\n", calibration_end="2024-02-01")
    summary = summarize(log)
    assert summary.customers["customer_id"].tolist() == ["a", "b"]
    assert summary.customers["holdout_frequency"].tolist() == [1, 0]
    assert log.facts.customers_after_today == 1
    assert {line.key: line.value for line in quality(log, summary)}["late_customers"] == "1"
    assert (
        weekly_repeat_orders(log)["orders"].sum() == 1
    )  # of a on 1 February; 20 February lies in no full week, c has no prediction


def test_today_belongs_to_the_calibration(read: Read) -> None:
    frame = summarize(read(HEADER + GOOD + "b,2024-02-02,1\n", calibration_end="2024-02-01")).customers
    assert frame["frequency"].tolist() == [1, 0]
    assert frame["T_days"].tolist() == [31.0, 30.0]
    assert frame["recency_days"].tolist() == [31.0, 0.0]


def test_zeros_are_orders_without_spend(read: Read) -> None:
    log = read(HEADER + "a,2024-01-01,0\na,2024-01-05,0\na,2024-01-09,4\nb,2024-01-01,3\n")
    a = summarize(log).customers.iloc[0]
    assert (a["frequency"], a["first_amount"], a["repeat_positive"], a["repeat_amount"]) == (2, 0.0, 1, 4.0)
    assert a["repeat_log_amount"] == pytest.approx(np.log(4), abs=1e-14)
    lines = {line.key: (line.value, line.level) for line in quality(log, summarize(log))}
    assert (lines["zeros"], lines["free"]) == (("2", "info"), ("2 of 4", "warning"))


def test_duplicates_are_warned_of_and_kept(read: Read) -> None:
    log = read(HEADER + GOOD + GOOD)
    line = {line.key: line for line in quality(log, summarize(log))}["duplicates"]
    assert (line.value, line.level) == ("3", "warning")
    assert summarize(log).customers["first_amount"].tolist() == [10.0, 12.0]


@pytest.mark.parametrize(("large", "level"), [("1000000", "info"), ("1000001", "warning")])
def test_amounts_over_nine_orders_of_magnitude(read: Read, large: str, level: str) -> None:
    log = read(HEADER + GOOD + f"b,2024-02-01,0.001\nb,2024-02-01,{large}\n")
    assert {line.key: line.level for line in quality(log, summarize(log))}["range"] == level


def test_lines_in_the_middle_of_a_long_file_are_read_like_the_first(read: Read) -> None:
    """A sniffer would have settled on “no quotes” by then."""
    rows = "".join(f"c{i},2024-01-01,1\n" for i in range(40_000))
    frame = summarize(read(HEADER + rows + '"d, e",2024-01-01,2\n')).customers
    assert frame["customer_id"].iloc[-1] == "d, e"
    assert len(frame) == 40_001


def test_a_reversed_frame_is_read() -> None:
    frame = pd.DataFrame({"customer_id": [1, 2, 1], "date": ["2024-01-01", "2024-01-02", "2024-02-01"], "amount": 5})
    assert read_transactions(frame.iloc[::-1]).data_hash == read_transactions(frame).data_hash


def test_the_shipped_configuration_is_complete() -> None:
    """Others of a log say only what differs."""
    folder = Path(__file__).parents[2] / "configs" / "data"
    keys = safe_load((folder / "csv.yaml").read_text())
    assert set(keys) == set(DataConfig.model_fields)
    assert DataConfig.model_validate(keys) == DataConfig()
    for path in sorted(folder.glob("*.yaml")):
        more = safe_load(path.read_text())
        if more.pop("defaults", None) == ["csv", "_self_"]:
            DataConfig.model_validate(keys | more)


@pytest.mark.parametrize(
    "wrong", [{"max_bad_share": 1.1}, {"refunds": "keep"}, {"decimal": ";"}, {"pth": "x"}, {"time_unit": "year"}]
)
def test_wrong_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DataConfig.model_validate(wrong)


def test_the_package_imports_duckdb_on_first_use_only() -> None:
    code = "import sys, clvsim.data; from clvsim.data.config import DataConfig; assert 'duckdb' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_free_orders_are_told(read: Read) -> None:
    """A day of nothing is a free order, a row of nothing beside a sale is not; first and repeat orders apart."""
    rows: list[str] = [HEADER.strip()]
    rows += [f"{c},2024-0{m}-01,{0 if (c + m) % 3 == 0 else 20 + c}" for c in range(8) for m in range(1, 7)]
    log = read("\n".join([*rows, "0,2024-02-01,0"]))
    lines = {line.key: line for line in quality(log, summarize(log))}
    assert lines["zeros"].value == "17"
    assert lines["free"].value == "16 of 48"
    assert "2 of 8 first orders" in lines["free"].note
    assert "14 of 40 repeat orders" in lines["free"].note
    assert lines["free"].level == "warning"
    assert lines["first_mean"].note == "of 6 with an amount above zero"
    none_free = read("\n".join(row for row in rows if not row.endswith(",0")))
    assert not {"free"} & {line.key for line in quality(none_free, summarize(none_free))}


def test_only_free_orders_are_one_problem(read: Read) -> None:
    log = read(HEADER + "a,2024-01-01,0\na,2024-02-01,0\nb,2024-01-01,5\nb,2024-02-01,0\n")
    with pytest.raises(DiagnosticsError, match="no repeat order has an amount above zero") as caught:
        require_repeat_orders(summarize(log))
    assert len(caught.value.problems) == 1


# --- many groups ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["segment", "channel"])
def test_groups_of_hardly_anybody_are_one_line(key: str) -> None:
    """A hundred of them with at most three customers; not twenty-one of twenty, nor one that stands alone."""

    def lines(groups: int, customers: int) -> dict[str, Any]:
        rows = [(f"c{n}", f"2024-0{m}-01", 5.0 + n, f"g{n % groups}") for n in range(customers) for m in (1, 2)]
        log = read_transactions(pd.DataFrame(rows, columns=["customer_id", "date", "amount", key]), DataConfig())
        return {line.key: line for line in quality(log, summarize(log))}

    many = lines(100, 250)
    line = many[f"many_{key}s"]
    assert (line.value, line.level) == ("100", "warning")
    assert "half of them have at most 2 customers, the largest has 3" in line.note
    assert f"data.{key} a column of few values" in line.note
    assert f"lonely_{key}s" not in many
    assert f"many_{key}s" not in lines(21, 420)
    assert f"lonely_{key}s" in lines(18, 19 + 16)
