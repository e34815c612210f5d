"""Spellings of one id become one customer, guests are named or treated as typed, and too much under one id is named."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize
from clvsim.data.amounts import Amounts
from clvsim.data.database import connect
from clvsim.data.identity import crowd_size, fold_ids, guests, shown
from clvsim.data.parse import Rules
from clvsim.data.raw import Loaded
from clvsim.errors import DataError
from clvsim.types import QualityLine
from tests.data.madeup import as_log, shop

HEADER = "customer_id,date,amount\n"
Read = Callable[..., TransactionLog]
Row = tuple[str, str, float]


def rows(*ids: str) -> str:
    """A log with an order on another day for each id."""
    return HEADER + "".join(f'"{who}",2024-01-{day:02d},5\n' for day, who in enumerate(ids, 1))


def customers(log: TransactionLog) -> list[str]:
    return summarize(log).customers["customer_id"].tolist()


def reading(log: TransactionLog, key: str) -> QualityLine | None:
    return next((line for line in log.facts.readings if line.key == key), None)


def frame_of(table: Sequence[Row]) -> pd.DataFrame:
    return pd.DataFrame(table, columns=["customer_id", "date", "amount"])


# --- spellings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "first", "second"),
    [
        ("fold_blanks", "Acme Ltd", "Acme  Ltd"),
        ("fold_blanks", "Acme Ltd", "Acme\u00a0Ltd"),
        ("fold_blanks", "Acme Ltd", "Acme\tLtd"),
        ("fold_unicode", "Müller", "Mu\u0308ller"),
        ("fold_invisible", "c17", "c1\u200b7"),
        ("fold_invisible", "c17", "\u200ec17"),
        ("fold_case", "anna+shop@example.com", "Anna+Shop@EXAMPLE.com"),
        ("fold_case", "jörg@example.de", "JÖRG@example.de"),
        ("fold_zeros", "123", "000123"),
        ("fold_zeros", "123", "123.0"),
        ("fold_zeros", "00123", "123,0"),
        ("fold_zeros", "12345678901234567890123", "012345678901234567890123"),
    ],
)
def test_two_spellings_are_one_customer(read: Read, key: str, first: str, second: str) -> None:
    log = read(rows(first, first, second, "somebody else"))
    assert customers(log) == sorted([first, "somebody else"])
    line = reading(log, key)
    assert line is not None
    assert (line.value, line.level) == ("1 merged → 2 customers", "info")
    assert "data.fold=false keeps them apart" in line.note
    assert [r.key for r in log.facts.readings] == [key]
    assert line in quality(log, summarize(log))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Anna Muster", "anna muster"),  # a name
        ("C001", "c001"),
        ("cus_AbC", "cus_aBc"),
        ("Muller", "Müller"),
        ("jose@example.com", "josé@example.com"),
        ("anna@example.com", "anna+shop@example.com"),
        ("a.b@example.com", "ab@example.com"),
        ("1", "1.000"),  # a thousand
        ("1", "1,000"),
        ("1", "1.5"),
        ("10", "1"),
        ("7", "-7"),
        ("7", "+7"),
        ("1000", "1e3"),
        ("C7", "C07"),
        ("JohnDoe", "John Doe"),
    ],
)
def test_two_ids_that_stay_apart(read: Read, first: str, second: str) -> None:
    log = read(rows(first, second, first))
    assert customers(log) == sorted([first, second], key=str.encode)
    assert not [line for line in log.facts.readings if line.key.startswith("fold")]


def test_ids_without_another_spelling_stay_as_they_are(read: Read) -> None:
    ids = ["007", "8.0", "Anna@Example.com", "Acme  Ltd", "Mu\u0308ller", "c1\u200b7"]
    log = read(rows(*ids))
    assert customers(log) == sorted(ids, key=str.encode)
    assert log.facts.readings == ()


def test_the_most_frequent_spelling_is_shown_and_of_equals_the_smallest(read: Read) -> None:
    assert customers(read(rows("7", "007", "007", "x"))) == ["007", "x"]
    assert customers(read(rows("7", "007", "7.0", "x"))) == ["007", "x"]
    assert customers(read(rows("a@b.de", "A@b.de", "A@B.de", "A@B.de", "x"))) == ["A@B.de", "x"]


def test_each_kind_is_counted_and_the_counts_lead_to_the_customers(read: Read) -> None:
    ids = ["Acme Ltd", "Acme  Ltd", "Ann@x.de", "ann@x.de", "ANN@x.de", "1", "01", "1.0", "2", "02", "b", "b\u200b"]
    log = read(rows(*ids))
    values = {line.key: line.value for line in log.facts.readings}
    assert values == {
        "fold_invisible": "1 merged → 11 customers",
        "fold_blanks": "1 merged → 10 customers",
        "fold_case": "2 merged → 8 customers",
        "fold_zeros": "3 merged → 5 customers",
    }
    assert len(customers(log)) == 5
    case = reading(log, "fold_case")
    assert case is not None
    assert case.note == "e.g. 'ANN@x.de' and 'ann@x.de'"


def test_one_id_may_differ_in_several_ways(read: Read) -> None:
    log = read(rows("Jo\u0308rg@example.de", "JÖRG@example.de", "jörg@\u200bexample.de", "x"))
    assert len(customers(log)) == 2
    assert sum(int(line.value.split()[0]) for line in log.facts.readings) == 2


def test_fold_false_keeps_all_apart_and_counts_what_it_keeps(read: Read) -> None:
    log = read(rows("7", "007", "a@x.de", "A@x.de", "A@X.de", "b"), fold=False)
    assert len(customers(log)) == 6
    [line] = log.facts.readings
    assert (line.key, line.value, line.level) == ("fold_off", "3 would be merged → 3 customers", "warning")
    assert "E-mail addresses that differ only in capitals: 2; Numbers" in line.note
    assert read(rows("7", "b"), fold=False).facts.readings == ()


def test_an_id_of_invisible_signs_is_missing(read: Read) -> None:
    with pytest.raises(DataError, match=r"1 of 3 rows: customer id is missing, e\.g\. row 3"):
        read(rows("a", "\u200b\u2060", "b"))


def test_many_ids_that_differ_only_in_capitals_are_warned_of(read: Read) -> None:
    log = read(rows("C1", "c1", "C2", "C3"))
    line = reading(log, "capitals")
    assert line is not None
    assert (line.value, line.level) == ("1 of 4", "warning")
    assert "kept apart" in line.note
    one = HEADER + "".join(f"Q{i},2024-01-01,5\n" for i in range(150)) + "q1,2024-01-02,5\n"
    assert reading(read(one), "capitals") is None


def folded(who: str) -> str:
    """The rules once more, in Python, of the alphabet that the strategies below use."""
    who = "".join(c for c in who if unicodedata.category(c) not in ("Cf", "Cc") or c == "\t")
    who = " ".join(unicodedata.normalize("NFC", who).split())
    name, at, domain = who.partition("@")
    if at and name and " " not in who and "@" not in domain and "." in domain.strip(".")[0:-1]:
        return who.lower()
    digits = who[:-2] if who.endswith((".0", ",0")) else who
    return digits.lstrip("0") or "0" if digits.isdecimal() else who


NUMBERS = st.tuples(
    st.sampled_from(["", "0", "000"]), st.sampled_from("123"), st.sampled_from(["", "", ".0", ",0", ".00"])
)
ADDRESSES = st.tuples(
    st.sampled_from(["ann", "Ann", "ANN", "jörg", "Jo\u0308rg", "JÖRG"]),
    st.sampled_from(["@x.de", "@X.de", "@\u200bx.DE"]),
)
NAMES = st.tuples(
    st.sampled_from(["Ann", "ann", "E\u0301va", "Éva"]),
    st.sampled_from([" ", "  ", "\u00a0", "\t", "\u200b ", ""]),
    st.sampled_from(["Lee", "lee"]),
)
SPELLINGS = st.one_of(NUMBERS, ADDRESSES, NAMES).map("".join)
LOGS = st.lists(
    st.tuples(SPELLINGS, st.integers(1, 28).map("2024-03-{:02d}".format), st.integers(1, 50).map(float)),
    min_size=2,
    max_size=40,
).filter(lambda table: len({folded(who) for who, *_ in table}) > 1)


def best_spellings(table: Sequence[Row]) -> dict[str, str]:
    """What each id of the table is shown as."""
    counts = Counter(who for who, *_ in table)
    alike: dict[str, list[str]] = {}
    for who in counts:
        alike.setdefault(folded(who), []).append(who)
    best = {key: min(several, key=lambda who: (-counts[who], who.encode())) for key, several in alike.items()}
    return {who: best[folded(who)] for who in counts}


CON = connect()  # one for all examples


@settings(max_examples=50, deadline=None)
@given(LOGS)
def test_spellings_become_the_best_one_and_once_is_enough(table: list[Row]) -> None:
    best, con = best_spellings(table), CON
    con.execute("CREATE OR REPLACE TABLE raw (row INTEGER, customer_id VARCHAR)")
    con.executemany("INSERT INTO raw VALUES (?, ?)", [(i, who) for i, (who, *_) in enumerate(table)])
    lines, problems = fold_ids(con, DataConfig())
    ids = [who for (who,) in con.execute("SELECT customer_id FROM raw ORDER BY row").fetchall()]
    assert ids == [best[who] for who, *_ in table]
    assert not problems
    merges = [line for line in lines if line.key.startswith("fold")]
    assert sum(int(line.value.split()[0]) for line in merges) == len(best) - len(set(best.values()))
    again, _ = fold_ids(con, DataConfig())
    assert not [line for line in again if line.key.startswith("fold")]
    assert con.execute("SELECT customer_id FROM raw ORDER BY row").fetchall() == [(who,) for who in ids]


@settings(max_examples=5, deadline=None)
@given(LOGS, st.randoms(use_true_random=False))
def test_logs_that_differ_only_by_spelling_are_one_log(table: list[Row], random: Random) -> None:
    best = best_spellings(table)
    renamed = [(best[who], day, amount) for who, day, amount in table]
    shuffled = list(table)
    random.shuffle(shuffled)
    first, plain, other = (read_transactions(frame_of(t)) for t in (table, renamed, shuffled))
    assert first.data_hash == plain.data_hash == other.data_hash
    assert first.facts.readings == other.facts.readings


def test_folding_gives_back_the_shop(tmp_path: Path) -> None:
    truth = as_log(shop(5, 400, a_day=0.5))
    truth["customer_id"] = truth["customer_id"].str[1:]  # 00017
    rng = np.random.default_rng(6)
    number = truth["customer_id"].astype(int).astype(str)
    spelt = truth.assign(
        customer_id=np.select(
            [rng.random(len(truth)) < 0.2, rng.random(len(truth)) < 0.3],
            [number, number + ".0"],
            truth["customer_id"],
        )
    )
    spelt.to_csv(tmp_path / "spelt.csv", index=False)
    spelt.sample(frac=1, random_state=1).to_parquet(tmp_path / "spelt.parquet", index=False)
    logs = [read_transactions(path) for path in (tmp_path / "spelt.csv", tmp_path / "spelt.parquet")]
    assert logs[0].data_hash == logs[1].data_hash
    expected = summarize(read_transactions(truth)).customers
    found = summarize(logs[0]).customers
    found.index = found["customer_id"].astype(float).astype(int) - 0
    expected.index = expected["customer_id"].astype(int)
    columns = ["frequency", "recency_days", "T_days", "first_amount", "repeat_amount"]
    pd.testing.assert_frame_equal(found.sort_index()[columns], expected.sort_index()[columns])


# --- digits that a spreadsheet has rounded ---------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["1.23457E+11", "1,23457E+11", "1E+12", "4.0e+16"])
def test_rounded_ids_with_several_rows_are_a_problem(read: Read, who: str) -> None:
    with pytest.raises(DataError) as error:
        read(rows(who, who, "5", "2.5E+11"))
    [(where, what)] = error.value.problems
    assert where == "data.customer_id"
    assert what.startswith(f"1 id in 2 rows is in scientific notation, e.g. '{who}'")
    assert "export ids as text" in what


def test_rounded_ids_with_one_row_each_hide_nobody(read: Read) -> None:
    assert len(customers(read(rows("1.23457E+11", "2.5E+11", "3")))) == 3


@pytest.mark.parametrize("who", ["5e12", "1E5", "12E+10", "A1E+10", "1.5E+1"])
def test_ids_that_only_look_rounded(read: Read, who: str) -> None:
    assert customers(read(rows(who, who, "5"))) == sorted([who, "5"])


def test_rounded_ids_as_they_are(read: Read) -> None:
    log = read(rows("1.23457E+11", "1.23457E+11", "5"), fold=False)
    line = reading(log, "rounded")
    assert line is not None
    assert (line.value, line.level) == ("1 id in 2 rows", "warning")


# --- guests ----------------------------------------------------------------------------------------------------------


def with_guests(seed: int, placeholder: str = "0", share: float = 0.4) -> tuple[pd.DataFrame, np.ndarray]:
    """A made-up shop in which so many of the customers buy as guests; and which rows are theirs."""
    truth = as_log(shop(seed, 500, a_day=0.5))
    rng = np.random.default_rng(seed + 1)
    truth["amount"] = rng.gamma(4, 8, len(truth)).round(2) + 0.01
    is_guest = rng.random(truth["customer_id"].nunique()) < share
    theirs = is_guest[pd.factorize(truth["customer_id"])[0]]
    return truth.assign(customer_id=np.where(theirs, placeholder, truth["customer_id"])), theirs


@pytest.mark.parametrize(
    "placeholder",
    [
        *("0", "-1", "0.0", "000", "-", "--", "?", "guest", "GUEST", "Guest  Checkout", "Gast", "Gäste", "invité"),
        *("Invité", "INVITE", "anonymous", "unknown", "Unbekannt", "N.A.", "none", "NONE", "Null", "<none>"),
        *("guest@shop.example.com", "noreply@example.com", "No-Reply@Example.com", "gast@laden.de", "walk-in customer"),
        *("(not set)", "00000000-0000-0000-0000-000000000000"),
    ],
)  # fmt: skip
def test_guests_are_asked_about(placeholder: str) -> None:
    log, theirs = with_guests(1, placeholder)
    with pytest.raises(DataError) as error:
        read_transactions(log)
    [(where, what)] = error.value.problems
    assert where == "data.guests"
    share = f"{theirs.sum():,} of {len(log):,} rows ({theirs.mean():.1%})"
    assert what.startswith(f"{share} have the id '{placeholder}'")
    for choice in ("data.guests=apart", "drop", "keep"):
        assert choice in what


@pytest.mark.parametrize("who", ["10", "01", "guesthouse", "Gaston", "nona", "info@example.com", "x@guest.com", "-12"])
def test_ids_that_are_no_placeholders(who: str) -> None:
    log, _ = with_guests(1, who)
    read = read_transactions(log)
    assert who in customers(read)
    assert [line.key for line in read.facts.readings] == ["crowded"]


def test_dropped_guests_leave_the_others_as_they_were() -> None:
    log, theirs = with_guests(2)
    left = read_transactions(log, DataConfig(guests="drop"))
    alone = read_transactions(log[~theirs], DataConfig(today=left.today))
    assert left.data_hash == alone.data_hash
    assert left.facts.rows == len(log)
    line = reading(left, "guests")
    assert line is not None
    assert line.value == f"{theirs.sum():,} of {len(log):,} rows ({theirs.mean():.1%})"


def test_guests_apart_have_one_order_each_and_the_others_are_as_they_were() -> None:
    log, theirs = with_guests(3)
    apart = read_transactions(log, DataConfig(guests="apart"))
    frame = summarize(apart).customers
    is_guest = frame["customer_id"].str.startswith("guest ")
    assert is_guest.sum() == theirs.sum()
    assert (frame.loc[is_guest, "frequency"] == 0).all()
    alone = summarize(read_transactions(log[~theirs], DataConfig(today=apart.today))).customers
    pd.testing.assert_frame_equal(frame[~is_guest].reset_index(drop=True), alone, check_dtype=False)
    np.testing.assert_allclose(
        np.sort(frame.loc[is_guest, "first_amount"]), np.sort(log.loc[theirs, "amount"]), rtol=1e-12
    )
    by_day = log[theirs].sort_values(["date", "amount"])["amount"].to_numpy()
    np.testing.assert_allclose(frame.loc[is_guest].sort_values("customer_id")["first_amount"], by_day, rtol=1e-12)
    line = reading(apart, "guests")
    assert line is not None
    assert line.level == "warning"
    assert f"→ {theirs.sum():,} customers" in line.value
    assert "guests who came back count as new" in line.note


def test_kept_guests_are_one_customer_and_are_warned_of() -> None:
    log, theirs = with_guests(4)
    kept = read_transactions(log, DataConfig(guests="keep"))
    assert len(customers(kept)) == log["customer_id"].nunique()
    line = reading(kept, "guests")
    assert line is not None
    assert line.level == "warning"
    assert f"{theirs.mean():.1%}" in line.value
    assert reading(kept, "crowded") is None  # named once


@pytest.mark.parametrize(
    ("under", "others", "asked"),
    [(20, 1980, True), (19, 1881, False), (20, 2000, False)],  # 20 rows and 1 % of them
)
def test_from_which_share_on_guests_are_asked_about(under: int, others: int, asked: bool) -> None:
    table = [("guest", "2024-01-01", 1.0)] * under
    table += [(f"c{i}", f"2024-01-{i % 28 + 1:02d}", 1.0) for i in range(others)]
    if asked:
        with pytest.raises(DataError, match=r"data\.guests: 20 of 2,000 rows \(1\.0%\)"):
            read_transactions(frame_of(table))
        return
    line = reading(read_transactions(frame_of(table)), "guests")
    assert line is not None
    assert (line.level, line.value.split(" rows")[0]) == ("info", f"{under} of {under + others:,}")


def test_customer_number_zero_is_a_customer_where_others_have_as_many_rows() -> None:
    table = [
        (str(i), f"2024-{month:02d}-{day:02d}", 1.0) for i in range(20) for month in (1, 2) for day in range(1, 13)
    ]
    log = read_transactions(frame_of(table))
    assert len(customers(log)) == 20
    [line] = log.facts.readings
    assert (line.value, line.level) == ("24 of 480 rows (5.0%)", "info")
    assert line.note.startswith("'0': one customer for each; data.guests=apart or drop")
    with pytest.raises(DataError, match=r"data\.guests: 25 of 481 rows"):
        read_transactions(frame_of([*table, ("0", "2024-05-01", 1.0)]))


def test_a_missing_id_is_a_guest_only_where_that_is_typed(read: Read) -> None:
    text = HEADER + ",2024-01-01,3\na,2024-01-02,4\n,2024-01-03,5\nb,2024-01-04,6\n,,\n"
    with pytest.raises(DataError, match=r"customer id is missing.*If these are guests, type data\.guests=apart"):
        read(text)
    apart = read(text, guests="apart", max_bad_share=0.2)
    assert customers(apart) == ["a", "b", "guest 0001", "guest 0002"]
    assert customers(read(text, guests="drop", max_bad_share=0.2)) == ["a", "b"]
    assert apart.facts.unusable_rows == 1  # the empty line is nobody's order
    (line,) = [line for line in apart.facts.readings if line.key == "guests"]
    assert line.label == "Rows without a customer"
    (line,) = read(text + "-,2024-01-04,1\n", guests="drop", max_bad_share=0.2).facts.readings
    assert line.label == "Rows under a placeholder or without a customer"
    with pytest.raises(DataError, match="customer id is missing"):
        read(text, guests="keep")


def test_several_placeholders_are_one_question() -> None:
    log, theirs = with_guests(5)
    log.loc[theirs, "customer_id"] = np.resize(["guest", "guest", "n.a.", "0", "guest@x.de", "-"], theirs.sum())
    with pytest.raises(DataError) as error:
        read_transactions(log)
    [(_, what)] = error.value.problems
    assert what.startswith(f"{theirs.sum():,} of {len(log):,} rows")
    assert "have the id 'guest', '0', 'guest@x.de' and 2 more" in what


def test_guests_apart_do_not_depend_on_row_order_or_file_format(tmp_path: Path) -> None:
    log, _ = with_guests(6)
    log["segment"] = np.random.default_rng(1).choice(["a", "b"], len(log))
    log["amount"] = log["amount"].round(-1) + 10  # many ties, and 10.0 before 9.0 as text
    log.to_csv(tmp_path / "log.csv", index=False, float_format="%.2f")
    log.assign(date=pd.to_datetime(log["date"])).to_parquet(tmp_path / "log.parquet", index=False)
    shuffled = log.sample(frac=1, random_state=2)
    config = DataConfig(guests="apart")
    hashes = {
        read_transactions(source, config).data_hash
        for source in (log, shuffled, tmp_path / "log.csv", tmp_path / "log.parquet")
    }
    assert len(hashes) == 1


def test_a_guests_refund_finds_its_order(read: Read) -> None:
    text = HEADER + (
        "guest,2024-01-01,30\nguest,2024-01-02,50\nguest,2024-01-04,50\nguest,2024-01-09,50\n"
        "guest,2024-01-05,-50\nguest,2024-01-06,-7\na,2024-01-01,1\nb,2024-02-01,1\n"
    )
    log = read(text, guests="apart")
    assert customers(log) == ["a", "b", "guest 0001", "guest 0002", "guest 0004"]
    assert (log.facts.refunds.orders_removed, str(log.facts.refunds.unmatched)) == (1, "7.0000")


def test_names_of_guests_do_not_meet_other_ids(read: Read) -> None:
    log = read(rows("guest", "guest 0001", "guest", "guest 0002"), guests="apart")
    assert customers(log) == ["guest 0001", "guest 0002", "guest guest 0001", "guest guest 0002"]


def test_nothing_is_left(read: Read) -> None:
    with pytest.raises(DataError, match=r"data\.guests: drop leaves nothing: all 2 rows have the id 'guest'"):
        read(rows("guest", "guest"), guests="drop")
    with pytest.raises(DataError, match="none of the 2 rows can be used"):
        read(HEADER + "guest,2024-01-01,1\na,soon,1\n", guests="drop", max_bad_share=1.0)


def test_a_key_without_effect_is_said(read: Read) -> None:
    line = reading(read(rows("a", "b"), guests="drop"), "guests")
    assert line is not None
    assert (line.value, line.note) == ("0", "data.guests=drop changes nothing")


def test_orders_have_numbers() -> None:
    """Rows of one number are one guest; rows without number are counted."""
    con = connect()
    con.execute(
        "CREATE TABLE raw AS SELECT 0 AS file, row_number() OVER () AS row, customer_id, date, amount, "
        "'' AS segment, '' AS channel, order_id, hash(order_id) AS fingerprint "
        "FROM (VALUES ('guest','2024-01-01','5','#7'), ('guest','2024-01-01','6','#7'), "
        "('guest','2024-01-02','5','#8'), "
        "('a','2024-01-01','5','#9'), ('guest','2024-01-03','1',NULL), ('guest','2024-01-09','-5','#7'), "
        "('guest','2024-01-09','-1',NULL)) AS t(customer_id, date, amount, order_id)"
    )
    loaded = Loaded("x", ("x",), (1,), (("customer_id", "who"),), (), False, False, (), 0)
    rules = Rules("date::DATE", "amount::DECIMAL(18,4)", "", Amounts(("amount",)), ())
    fold_ids(con, DataConfig())
    [line], problems = guests(con, loaded, DataConfig(guests="apart"), rules)
    assert problems == []
    assert line.value == "6 of 7 rows (85.7%) → 3 customers"
    assert "data.order_id" not in line.note
    ids = con.execute("SELECT customer_id FROM raw ORDER BY row").fetchall()
    assert [who for (who,) in ids] == [
        *("guest #7", "guest #7", "guest #8", "a"),
        *("guest row 0001", "guest #7", "guest row 0001"),
    ]


# --- one id with too much --------------------------------------------------------------------------------------------


def test_a_crowded_id_is_named(tmp_path: Path) -> None:
    log, theirs = with_guests(7, "TILL 1", share=0.3)
    log = log.rename(columns={"customer_id": "Client no."})
    read = read_transactions(log, DataConfig(customer_id="Client no."))
    line = reading(read, "crowded")
    assert line is not None
    assert line.level == "warning"
    assert line.value == f"'TILL 1': {theirs.sum():,} rows ({theirs.mean():.1%})"
    assert "data.without='{Client no.: [TILL 1]}' leaves it out" in line.note
    [(column, values)] = DataConfig.model_validate({"without": "{Client no.: [TILL 1]}"}).without.items()
    assert (column, values) == ("Client no.", ("TILL 1",))


def test_two_crowded_ids_do_not_hide_each_other() -> None:
    log, theirs = with_guests(8, "TILL")
    log.loc[theirs, "customer_id"] = np.resize(["it's: 1", "it's: 2"], theirs.sum())
    line = reading(read_transactions(log), "crowded")
    assert line is not None
    assert line.value.count(" rows (") == 2
    assert """data.without='{customer_id: ["it'"'"'s: 1", "it'"'"'s: 2"]}' leaves them out""" in line.note


@pytest.mark.parametrize("shape", [0.25, 1.0])
@pytest.mark.parametrize("number", [100, 1000])
def test_customers_with_gamma_rates_hardly_ever_stand_out(shape: float, number: int) -> None:
    """At most 1 in 1,000 logs: of 2,000, more than 7 would have a chance below .001 then."""
    rng = np.random.default_rng(11)
    alarms = 0
    for _ in range(2000):
        orders = 1 + rng.poisson(rng.gamma(shape, rng.choice([1, 4, 10]) / shape, number))
        alarms += crowd_size(np.sort(orders)[::-1][:100].tolist(), int(orders.sum())) > 0
    assert alarms <= 7


@pytest.mark.parametrize(
    ("leaders", "size"),
    [([100, 20], 1), ([99, 20], 0), ([300, 200, 20], 2), ([3000, 200, 199], 1), ([5000, 500, 100], 2), ([30] * 6, 0)],
)
def test_who_stands_out(leaders: list[int], size: int) -> None:
    counts = leaders + [min(leaders)] * (100 - len(leaders))
    assert crowd_size(counts, 6000) == size
    assert crowd_size(counts[:99], 6000) == 0
    assert crowd_size(counts, 100 * max(leaders) + 1) == 0  # below 1 % of the rows


# --- what is shown ---------------------------------------------------------------------------------------------------


def test_ids_in_messages_are_short_and_printable() -> None:
    assert shown("a\x1b[31m\u200bb\u00a0c\u202e") == "'a\\x1b[31mb c'"
    assert len(shown("x" * 500)) == 42
    con = connect()
    con.execute("CREATE TABLE raw AS SELECT repeat('9', 5000) || e AS customer_id FROM (VALUES (''), ('.0')) t(e)")
    [line], _ = fold_ids(con, DataConfig())
    assert len(line.note) < 400
    con.execute("UPDATE raw SET customer_id = '1.' || repeat('9', 5000) || 'E+11'")
    _, [problem] = fold_ids(con, DataConfig())
    assert len(problem.what) < 400


@pytest.mark.parametrize(("key", "value"), [("guests", "split"), ("guests", "true"), ("fold", "maybe"), ("fold", 3)])
def test_values_that_are_refused(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=key):
        DataConfig.model_validate({key: value})


def test_all_problems_are_told_at_once(read: Read) -> None:
    text = HEADER + "guest,2024-01-01,5\n" * 20 + "1.2E+11,2024-01-01,5\n1.2E+11,2024-01-02,x\na,2024-01-01,5\n"
    with pytest.raises(DataError) as error:
        read(text)
    assert [where for where, _ in error.value.problems] == [
        *("data.amount", "data.max_bad_share", "data.customer_id", "data.guests"),
    ]


# --- all of it at once -----------------------------------------------------------------------------------------------

IDS = st.one_of(
    SPELLINGS,
    st.sampled_from(["0", "00", "0.0", "-1", "guest", "GUEST", "guest 0001", "noreply@x.de", "-", "\u200b", "", " "]),
    st.sampled_from(["1.2E+11", "'; DROP TABLE raw; --", "{a: [b]}", "a\x00b", "%s $id", "x" * 300, "🦊", "nan"]),
    st.text(max_size=6),
)
ANYTHING = st.lists(
    st.tuples(
        IDS, st.integers(1, 28).map("2024-03-{:02d}".format), st.sampled_from(["5", "5.00", "7.5", "-5", "0", "", "x"])
    ),
    min_size=1,
    max_size=60,
)


def result(table: Sequence[tuple[str, str, str]], config: DataConfig) -> tuple:
    """What a reader learns of a log that does not depend on the place of a row."""
    try:
        log = read_transactions(pd.DataFrame(table, columns=["customer_id", "date", "amount"]), config)
    except DataError as error:
        return tuple(where for where, _ in error.problems)
    return log.data_hash, log.facts.readings, log.facts.refunds, log.facts.unusable_rows


@settings(max_examples=10, deadline=None)
@given(ANYTHING, st.booleans(), st.sampled_from([None, "apart", "drop", "keep"]), st.randoms(use_true_random=False))
def test_any_ids_in_any_order_give_the_same_log(
    table: list[tuple[str, str, str]], fold: bool, choice: str | None, random: Random
) -> None:
    config = DataConfig.model_validate({"fold": fold, "guests": choice, "max_bad_share": 1})
    before = result(table, config)
    random.shuffle(table)
    assert result(table, config) == before


def test_long_numbers_that_all_end_in_zeros_were_rounded(read: Read) -> None:
    """A spreadsheet keeps 15 digits; six ids of more that all end so are no chance, and single orders are no proof."""
    rounded = [f"{123456789012345 + n}0" for n in range(6)]
    with pytest.raises(DataError) as error:
        read(rows(*rounded, *rounded))
    (problem,) = error.value.problems
    assert problem.where == "data.customer_id"
    assert "end in zeros from the 16th digit on" in problem.what
    whole = [f"{1234567890123450 + n}" for n in range(7)]
    assert customers(read(rows(*whole, *whole))) == whole
    assert customers(read(rows(*rounded))) == rounded  # one order each: nobody became one with another
