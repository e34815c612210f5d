"""Which rows are sales, of which order, and in which money."""

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import permutations
from math import prod
from pathlib import Path
from typing import Any

import pytest

from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize
from clvsim.data.looks import in_short, money_in_words
from clvsim.errors import ConfigError, DataError

NOW = date(2025, 1, 1)


@pytest.fixture
def files(tmp_path: Path):
    """`files(text, text, ..., **config)` reads texts as files in that order."""

    def read(*texts: str, **config: object) -> TransactionLog:
        paths = []
        for number, text in enumerate(texts):
            path = tmp_path / f"{number}.csv"
            path.write_text(text)
            paths.append(str(path))
        return read_transactions(paths, DataConfig.model_validate(config), today_date=NOW)

    return read


def orders(log: TransactionLog) -> list[tuple[str, str, Decimal]]:
    rows = log.connection.execute("SELECT customer_id, day, amount FROM orders ORDER BY ALL").fetchall()
    return [(who, str(day), amount.normalize()) for who, day, amount in rows]


def reading(log: TransactionLog, key: str) -> str:
    (line,) = [line for line in log.facts.readings if line.key == key or line.key.startswith(f"{key}_")]
    return f"{line.value} ({line.note})"


PAID = """customer,date,amount,Status
a,2024-01-01,10,paid
a,2024-01-05,11,Failed
b,2024-01-02,20,PAID
b,2024-02-02,21,void
c,2024-02-03,5,
"""


def test_only_and_without_choose_rows(files) -> None:
    """Values are compared without capitals and blanks; a row without a value is none of `only`."""
    paid = [("a", "2024-01-01", 10), ("b", "2024-01-02", 20)]
    log = files(PAID, only={"Status": [" Paid "]})
    assert orders(log) == paid
    assert reading(log, "only") == "3 (Status: Failed 1, void 1, (none) 1; data.only chooses)"
    log = files(PAID, without={"Status": ["failed", "void"]})
    assert orders(log) == [*paid, ("c", "2024-02-03", 5)]
    assert reading(log, "without") == "2 (Status: Failed 1, void 1; data.without chooses)"
    assert len(orders(files(PAID, without={"Status": []}))) == 5


def test_filters_that_leave_nothing_are_named(files) -> None:
    with pytest.raises(DataError) as refused:
        files(PAID, only={"Status": ["Void"]}, without={"Status": ["void"]})
    assert sorted((p.where, p.what) for p in refused.value.problems) == [
        (
            "data.only",
            "no row is left: 4 of 5 rows are left out by Status: Failed 1, PAID 1, paid 1, (none) 1; data.only chooses",
        ),
        ("data.without", "no row is left: 1 of 5 rows are left out by Status: void 1; data.without chooses"),
    ]
    money = PAID.replace("Status", "Status,Currency").replace("\n", ",EUR\n").replace("Currency,EUR", "Currency")
    with pytest.raises(DataError, match=r"data\.only: no row is left: 4 of 5 rows are left out by Status"):
        files(money, only={"Status": ["Void"]}, without={"Status": ["void"]}, currency="Currency", rates={"CHF": 1.1})


@pytest.mark.parametrize("text", ["{Status: [paid]}", "{Status: paid}", '{"Status": ["paid"]}'])
def test_filters_are_typed_as_yaml(files, text: str) -> None:
    assert len(orders(files(PAID, only=text))) == 2


def test_names_and_values_of_filters_stay_text(files) -> None:
    """`no`, `1e3` and umlauts are what they look like."""
    text = "customer,date,amount,Zahlung (EUR)\na,2024-01-01,1,no\nb,2024-01-01,2,1e3\nc,2024-01-01,3,größer\n"
    for value in ("no", "1e3", "GRÖSSER", "größer"):
        if value == "GRÖSSER":
            continue  # ß has no capital that folds back in every database
        assert len(orders(files(text + "d,2024-01-01,4,no\n" * 2, only=f"{{Zahlung (EUR): [{value}, no]}}"))) >= 2


def test_charges_that_failed_are_kept_apart(files) -> None:
    """They are no sales, whatever else is chosen, and are known by customer and day; without the key nothing is."""
    today = {"today": date(2024, 3, 1)}
    log = files(PAID, failed="{Status: failed}", only={"Status": ["paid", "failed"]}, **today)
    assert orders(log) == [("a", "2024-01-01", 10), ("b", "2024-01-02", 20)]
    assert reading(log, "failed") == "1 (Status: Failed 1; no sales, data.failed chooses)"
    assert reading(log, "only") == "2 (Status: void 1, (none) 1; data.only chooses)"
    kept = summarize(log).failed
    assert kept is not None
    assert (kept.customer_id.tolist(), kept.ago.tolist()) == (["a"], [56.0])
    spelt = PAID.replace("a,2024-01-05", "A@x.de,2024-01-05").replace("a,2024-01-01", "a@x.de,2024-01-01")
    again = "A@x.de,2024-01-03,1,paid\n" * 2
    more = files(spelt + again, failed={"Status": ["failed"]}, only={"Status": ["paid"]}, **today)
    folded: Any = summarize(more).failed
    assert folded.customer_id.tolist() == [orders(more)[0][0]]
    plain = files(PAID, only={"Status": ["paid"]}, **today)
    assert summarize(plain).failed is None
    assert plain.data_hash != log.data_hash


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"failed": {"Status": ["declined"]}}, r"data.failed: no row has declined in Status; it holds .*Failed 1"),
        ({"failed": {"Stat": ["x"]}}, r"data.failed: no column 'Stat' \(did you mean 'Status'\?\)"),
        ({"only": {"Status": ["payed"]}}, r"data.only: no row has payed in Status; it holds .*Failed 1"),
        ({"without": {"Stat": ["x"]}}, r"data.without: no column 'Stat' \(did you mean 'Status'\?\)"),
        ({}, r"data.only: Status holds .*; which rows are sales\? type data.only='{Status: \[PAID, paid, ..\]}'"),
        ({"order_id": "Nr"}, "data.order_id: no column 'Nr'"),
        ({"rates": {"CHF": 1.05}, "without": {"Status": []}}, "data.rates: rates need data.currency=COLUMN"),
        ({"amount": "amount*", "without": {"Status": []}}, "data.amount: a product has two or three columns"),
        ({"amount": "amount*Qty", "without": {"Status": []}}, "data.amount: no column 'Qty'"),
    ],
)
def test_what_cannot_be_is_told(files, config: dict[str, object], message: str) -> None:
    with pytest.raises((ConfigError, DataError), match=message):
        files(PAID, **config)


@pytest.mark.parametrize("wrong", ["[paid]", "{Status", "paid", "7"])
def test_a_filter_that_is_no_mapping(wrong: str) -> None:
    for key in ("only", "failed"):
        with pytest.raises(ValueError, match=key):
            DataConfig.model_validate({key: wrong})


def test_a_column_of_kinds_that_are_all_sales_is_named(files) -> None:
    log = files("customer,date,amount,type\na,2024-01-01,1,web\nb,2024-01-02,2,shop\nc,2024-01-03,3,web\n")
    (line,) = [line for line in log.facts.readings if line.key.startswith("passed_over")]
    assert line.level == "warning"
    assert "web 2, shop 1; all count as sales" in line.note


ITEMS = """Order,customer,date,Total,Quantity,Price,Currency
7,a,2024-01-01,30,2,10,EUR
7,,,,1,10,
8,b,2024-01-02,12,3,4,EUR
9,a,2024-03-01,5,1,5,CHF
"""
EUROS = {"only": {"Currency": ["EUR"]}}


def test_line_items_are_one_order(files) -> None:
    """What only an order's first row says holds for all of its rows."""
    log = files(ITEMS, order_id="Order", amount="Total", **EUROS)
    assert orders(log) == [("a", "2024-01-01", 30), ("b", "2024-01-02", 12)]
    assert reading(log, "line_items").startswith("2 rows are 1 order (")


def test_a_product_is_the_amount(files) -> None:
    log = files(ITEMS, order_id="Order", amount="Quantity*Price", **EUROS)
    assert orders(log) == [("a", "2024-01-01", 30), ("b", "2024-01-02", 12)]
    three = files(
        "customer,date,a,b,c\nx,2024-01-01,2,3,0.5\ny,2024-01-01,-1,3,1\ny,2024-01-01,2,3,1\n", amount="a*b*c"
    )
    assert orders(three) == [("x", "2024-01-01", 3), ("y", "2024-01-01", 3)]
    named = files("customer,date,a*b,a,b\nx,2024-01-01,7,2,3\ny,2024-01-01,8,2,3\n", amount="a*b")
    assert [amount for *_, amount in orders(named)] == [7, 8]
    with pytest.raises(DataError, match="not an amount, e\\.g\\. row 2: 'two'"):
        files("customer,date,a,b\nx,2024-01-01,7,two\ny,2024-01-01,8,2\n", amount="a*b")


def test_what_was_paid_back_is_taken_off(files) -> None:
    text = "customer,date,amount,Refunded\na,2024-01-01,10,4\na,2024-02-01,6,6\nb,2024-01-01,5,\n"
    log = files(text, refunded="Refunded")
    assert orders(log) == [("a", "2024-01-01", 6), ("b", "2024-01-01", 5)]
    assert log.facts.refunds.rows == 2
    assert log.facts.refunds.total == 10
    with pytest.raises(
        DataError, match=r"data.refunded: Refunded holds amounts in 2 rows: type data.refunded=Refunded"
    ):
        files(text)
    assert len(orders(files(text, refunded=""))) == 3


def test_overlapping_files_count_an_order_once(files) -> None:
    """The later file knows more of an order: there it was paid back in part."""
    one = "Order,customer,date,amount\n1,a,2024-01-01,10\n2,b,2024-01-02,20\n2,b,2024-01-02,20\n"
    two = "Order,customer,date,amount\n2,b,2024-01-02,15\n3,a,2024-02-01,30\n"
    log = files(one, two, order_id="Order")
    assert orders(log) == [("a", "2024-01-01", 10), ("a", "2024-02-01", 30), ("b", "2024-01-02", 15)]
    assert reading(log, "overlap").startswith("2 (orders that several files have")
    unnamed = files(one, two.replace("15", "20"))
    assert reading(unnamed, "overlap").startswith("1 (files overlap, and these rows count twice: data.order_id=Order")


def test_rows_that_each_hold_the_whole_order(files) -> None:
    """Two rows of an order with one amount may be twice the order or two halves: that is asked."""
    rows = "".join(f"{n},c{n % 4},2024-01-{n + 1:02d},{10 + n}\n" * 2 for n in range(12))
    text = f"Order,customer,date,amount\n{rows}"
    with pytest.raises(DataError, match="in 12 of 12 orders with several rows each row has the same amount"):
        files(text, order_id="Order")
    once, summed = (files(text, order_id="Order", order_rows=how) for how in ("once", "sum"))
    assert [amount * 2 for *_, amount in orders(once)] == [amount for *_, amount in orders(summed)]
    with pytest.raises(DataError, match="1 of 13 orders have rows with different amounts"):
        files(text + "99,c1,2024-01-20,1\n99,c1,2024-01-20,2\n", order_id="Order", order_rows="once")


def test_an_order_with_two_customers_is_told(files) -> None:
    text = "Order,customer,date,amount\n1,a,2024-01-01,10\n1,b,2024-01-01,20\n2,b,2024-01-02,20\n"
    with pytest.raises(
        DataError, match=r"numbers of 1 orders have several customers, e\.g\. 1: a and b; is Order the order's"
    ):
        files(text, order_id="Order")


MONEY = "customer,date,amount,Currency\na,2024-01-01,10,eur\na,2024-01-05,100,CHF\nb,2024-01-02,20,EUR \n"


def test_currencies_are_never_added(files) -> None:
    asked = (
        "Currency holds EUR 2, CHF 1, and currencies are never added: choose one with data.only='{Currency: .EUR.}', or"
    )
    for config in ({}, {"currency": "Currency"}):
        with pytest.raises(DataError, match=asked):
            files(MONEY, **config)
    assert orders(files(MONEY, only={"Currency": ["eur"]})) == [("a", "2024-01-01", 10), ("b", "2024-01-02", 20)]
    log = files(MONEY, currency="Currency", rates={"chf": 1.05})
    assert orders(log) == [("a", "2024-01-01", 10), ("a", "2024-01-05", 105), ("b", "2024-01-02", 20)]
    assert reading(log, "currency").startswith("EUR (EUR 2, CHF 1 rows by Currency; converted at 1 CHF = 1.05")
    assert reading(log, "converted").startswith("1 row of CHF at 1.05 (data.rates")
    with pytest.raises(DataError, match="no row is in USD"):
        files(MONEY, currency="Currency", rates={"USD": 1.1})
    with pytest.raises(DataError, match="every currency of Currency has a rate"):
        files(MONEY, currency="Currency", rates={"EUR": 1, "CHF": 1.1})


def test_the_order_of_rows_changes_nothing(files) -> None:
    head, *rows = ITEMS.splitlines()
    numbered = [row for row in rows if row.split(",")[1]]
    hashes = {
        files("\n".join([head, *some]) + "\n", order_id="Order", amount="Total", **EUROS).data_hash
        for some in permutations(numbered)
    }
    assert len(hashes) == 1


def test_messages_are_bounded_and_printable(files) -> None:
    rows = "".join(f"c{n % 5},2024-01-{n % 28 + 1:02d},1,failed \x1b[31m{n:03d}{'x' * 200}\n" for n in range(60))
    with pytest.raises(DataError) as refused:
        files(f"customer,date,amount,status\n{rows}")
    assert all(len(problem.what) < 1200 and problem.what.isprintable() for problem in refused.value.problems)


# --- several files, and what nobody named -----------------------------------------------------------------------------


def test_a_column_that_only_one_file_has_is_seen(files) -> None:
    """Whatever the order of the files: a status, a currency, what was paid back."""
    plain = "customer,date,amount\na,2024-01-01,10\nb,2024-01-02,20\n"
    for more, asked in (("status\n", "failed"), ("Currency\n", "JPY"), ("Refunded\n", "4")):
        said = f"customer,date,amount,{more}a,2024-02-01,10,{asked}\nb,2024-02-02,20,\n"
        for texts in ((plain, said), (said, plain)):
            with pytest.raises(DataError, match=asked if asked != "4" else "holds amounts in 1 row:"):
                files(*texts)


def test_values_fold_alike_in_any_language(files) -> None:
    text = "customer,date,amount,status\na,2024-01-01,1,Außer Haus\nb,2024-01-02,2,İptal\nc,2024-01-03,3,bezahlt\n"
    for word in ("Außer Haus", "AUSSER HAUS", "İptal"):
        log = files(text, without={"status": [word]})
        assert len(orders(log)) == 2
        assert reading(log, "without").startswith("1 (status")
        assert len(orders(files(text, only={"status": [word, "bezahlt"]}))) == 2


def test_line_items_without_a_key_are_asked_about(files) -> None:
    """Each row holds the whole order's total, and nobody said which column has the order's number."""
    rows = "".join(f"{n},c{n % 4},2024-01-{n + 1:02d},{10 + n}\n" * 2 for n in range(12))
    with pytest.raises(DataError, match=r"data.order_id=Order with data.order_rows=once"):
        files(f"Order,customer,date,amount\n{rows}")
    differing = "".join(f"{n},c{n % 4},2024-01-{n + 1:02d},{10 + n + k}\n" for n in range(12) for k in (0, 1))
    assert len(orders(files(f"Order,customer,date,amount\n{differing}"))) == 12


def test_what_was_paid_back_in_a_row_of_its_own_is_taken_off(files) -> None:
    text = "Order,customer,date,amount,Refunded\n1,a,2024-01-01,10,\n1,a,2024-01-01,,4\n2,b,2024-01-02,20,\n"
    log = files(text, order_id="Order", refunded="Refunded")
    assert orders(log) == [("a", "2024-01-01", 6), ("b", "2024-01-02", 20)]


@pytest.mark.parametrize(
    ("column", "values", "asked"),
    [
        ("Cancelled at", ["2024-01-01 10:00", ""], "'Cancelled at' is filled in 1 row:"),
        ("cancelled", ["true", "false"], "cancelled holds"),
        ("cancelled", ["yes", "yes"], "cancelled holds yes 2"),
        ("paid", ["true", "no"], "paid holds"),
        ("refunded", ["true", "false"], "refunded holds"),
        ("Type", ["Shipping fee", "Sale"], "Type holds"),
    ],
)
def test_columns_that_say_that_a_row_is_no_sale_are_asked_about(files, column, values, asked) -> None:
    text = f"customer,date,amount,{column}\n" + "".join(f"c{n},2024-01-0{n + 1},5,{v}\n" for n, v in enumerate(values))
    with pytest.raises(DataError, match=asked):
        files(text)
    assert len(orders(files(text, without={column: []}, refunded=""))) == 2


@pytest.mark.parametrize(("column", "values"), [("Type", ["Coffee", "Tea"]), ("Type", ["Household", "Latest"])])
def test_words_are_whole(files, column, values) -> None:
    text = f"customer,date,amount,{column}\n" + "".join(f"c{n},2024-01-0{n + 1},5,{v}\n" for n, v in enumerate(values))
    assert len(orders(files(text))) == 2


def test_many_values_are_looked_through(files) -> None:
    rows = "".join(
        f"c{n % 7},2024-01-{n % 28 + 1:02d},5,{'failed' if n % 3 == 0 else f'shipped by van {n}'}\n" for n in range(400)
    )
    with pytest.raises(DataError, match="which rows are sales"):
        files(f"customer,date,amount,status\n{rows}")


def test_two_questions_have_one_answer(files) -> None:
    """What is to be typed names both columns, and both are answered by it."""
    rows = (
        "a,2024-01-01,1,EUR,paid",
        "b,2024-01-02,2,CHF,paid",
        "c,2024-01-03,3,EUR,failed",
        "d,2024-01-04,4,EUR,paid",
    )
    text = "\n".join(["customer,date,amount,Currency,status", *rows]) + "\n"
    with pytest.raises(DataError) as asked:
        files(text)
    both = "data.only='{Currency: [EUR], status: [paid]}'"
    assert [both in problem.what for problem in asked.value.problems] == [True, True]
    assert [who for who, *_ in orders(files(text, only="{Currency: [EUR], status: [paid]}"))] == ["a", "d"]


def test_braces_in_a_name_are_only_signs(files) -> None:
    text = MONEY.replace("Currency", "{only} {x}")
    with pytest.raises(DataError, match=r"currencies are never added: choose one with data.only="):
        files(text, currency="{only} {x}")


def test_empty_currencies_are_asked_about(files) -> None:
    text = "customer,date,amount,Currency\na,2024-01-01,1,USD\nb,2024-01-02,2,\n"
    for config in ({}, {"currency": "Currency"}):
        with pytest.raises(
            DataError, match=r"holds USD 1, \(none\) 1, and currencies are never added.*data.currency= to"
        ):
            files(text, **config)
    assert len(orders(files(text, currency=""))) == 2


def test_a_few_orders_with_two_customers_are_warned_of(files) -> None:
    rows = "".join(f"{n},c{n},2024-01-{n % 28 + 1:02d},5\n{n},c{n},2024-01-{n % 28 + 1:02d},6\n" for n in range(200))
    log = files(f"Order,customer,date,amount\n{rows}7,other,2024-02-02,9\n", order_id="Order")
    assert reading(log, "several_customers").startswith("1 (e.g. 7: c7 and other; each row keeps its own")
    spelled = rows.replace("c3,", "Acme  Ltd,", 1).replace("c3,", "acme ltd,", 1)
    assert not [
        line
        for line in files(f"Order,customer,date,amount\n{spelled}", order_id="Order").facts.readings
        if line.key == "several_customers"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        "{a: {b: c}}",
        "{a: [[b]]}",
        "{a: " + "[" * 20_000,
        "{a: &x [1], b: *x}",
        "{" + "a: b, " * 30_000 + "}",
        "{a: [b]} trailing",
    ],
    ids=["nested", "lists in lists", "deep", "aliases", "long", "broken"],
)
def test_mappings_are_flat_and_small(wrong: str) -> None:
    with pytest.raises(ValueError, match="is no mapping of columns to values"):
        DataConfig.model_validate({"only": wrong})


def test_a_tag_is_no_type() -> None:
    assert DataConfig.model_validate({"only": "{a: !!python/object:os.x [b]}"}).only == {"a": ("b",)}


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.0001"), ROUND_HALF_UP)


@pytest.mark.parametrize("rate", [0.9, 1.0845, 2.4e-8, 1e-9, 0.9523809523809523, 12345.6789, 1e7])
def test_rates_are_exact(files, rate: float) -> None:
    """A converted amount has four decimals, and a half of the last one is rounded up."""
    amounts = ["0", "3", "9.99", "10.5", "10.0005", "2000000.5", "4999999.9999"]
    assert rounded(Decimal("10.5") * Decimal("1.0845")) == Decimal("11.3873")
    rows = "".join(f"{n},2024-01-01,{amount},X\n" for n, amount in enumerate(amounts))
    log = files(f"customer,date,amount,Currency\n{rows}e,2024-01-01,7,EUR\n", currency="Currency", rates={"X": rate})
    exact = [rounded(Decimal(amount) * Decimal(repr(rate))) for amount in amounts]
    assert [amount for *_, amount in orders(log)] == [*exact, 7]


def test_products_are_exact(files) -> None:
    """Three factors and a rate are rounded once."""
    factors = [
        ("0.0125", "0.005", "4000"),
        ("2000000", "3000000", "1.5"),
        ("-1.2345", "0.1", "1"),
        ("12.3", "3", ".333"),
    ]
    rows = "".join(f"{n},2024-01-01,{','.join(row)},X\n" for n, row in enumerate(factors))
    rows += "2,2024-01-01,1,1,1,EUR\n"
    log = files(f"customer,date,a,b,c,Currency\n{rows}", amount="a*b*c", currency="Currency", rates={"X": 0.95})
    values = [rounded(prod(map(Decimal, row)) * Decimal("0.95")) for row in factors]
    assert values[0] == Decimal("0.2375")
    values[2] += 1
    assert [amount for *_, amount in orders(log)] == values


@pytest.mark.parametrize(
    ("header", "row", "config", "shown"),
    [
        ("a,b", "20000000000000,30000000000000", {"amount": "a*b"}, "20000000000000 * 30000000000000"),
        ("a,b,c", "9e13,9e13,9e13", {"amount": "a*b*c"}, "9e13 * 9e13 * 9e13"),
        ("amount,Currency", "300,X", {"currency": "Currency", "rates": {"X": 1e12}}, "300"),
    ],
)
def test_what_is_too_large_is_told(files, header: str, row: str, config: dict[str, object], shown: str) -> None:
    rest = "1,EUR" if "Currency" in header else "1,1,1"[: len(header)]
    log = f"customer,date,{header}\nx,2024-01-01,{row}\ny,2024-01-01,{rest}\nz,2024-01-01,{rest}\n"
    with pytest.raises(DataError) as refused:
        files(log, **config)
    assert refused.value.problems[0].where == "data.amount"
    what = refused.value.problems[0].what
    assert what.startswith(f"1 of 3 rows: too large when multiplied, e.g. row 2: '{shown}'. Amounts have 14 digits")
    assert len(orders(files(log, **config, max_bad_share=0.5))) == 2


def test_what_was_paid_back_has_to_be_readable(files) -> None:
    text = "customer,date,amount,Refunded\na,2024-01-01,10,some\nb,2024-02-01,6,6\nb,2024-01-01,5,\n"
    with pytest.raises(DataError, match=r"data\.refunded: 1 of 3 rows: not an amount, e\.g\. row 2: 'some'"):
        files(text, refunded="Refunded")


def test_files_that_overlap_are_no_line_items(files) -> None:
    """Rows of one number in two files are the same sale: the number is named, and with it each counts once."""
    head = "customer,date,amount,Order\n"
    rows = [f"c{n % 7},2024-01-{n + 1:02},{10 + n},{100 + n}\n" for n in range(28)]
    first, second = head + "".join(rows[:20]), head + "".join(rows[8:])
    (line,) = [line for line in files(first, second).facts.readings if line.key == "overlap"]
    assert (line.value, line.remedy) == ("12", ("data.order_id=Order",))
    assert orders(files(first, second, order_id="Order")) == orders(files(head + "".join(rows)))


def test_rates_without_a_column_are_one_question(files) -> None:
    text = "customer,date,amount,Currency\na,2024-01-01,1,EUR\na,2024-02-01,1,CHF\nb,2024-01-01,1,EUR\n"
    with pytest.raises(DataError) as error:
        files(text, rates={"CHF": 1.05})
    (problem,) = error.value.problems
    assert problem.where == "data.rates"
    assert "data.currency=Currency" in problem.what


def test_refunds_in_rows_of_their_own_are_not_unknown(files) -> None:
    text = "customer,date,amount,type\na,2024-01-01,10,Order\na,2024-01-05,{},Refund\nb,2024-01-02,20,Order\n"
    for back, warned in (("-4", 0), ("(4)", 0), ("4", 1)):
        log = files(text.format(back), only={"type": ["Order", "Refund"]})
        assert sum(line.key == "paid_back" for line in log.facts.readings) == warned


def test_spellings_of_a_customer_are_one_for_an_orders_number(files) -> None:
    text = "customer,date,amount,Order\n" + "".join(
        f"{who},2024-01-{day:02},5,{day}\n" for day in range(1, 20) for who in (f"00{day}", f"{day}.0", f" {day}\u200b")
    )
    log = files(text, order_id="Order", order_rows="sum")
    assert not [line for line in log.facts.readings if line.key == "several_customers"]
    assert len(orders(log)) == 19


def test_amounts_that_are_all_below_zero_are_asked_about(files) -> None:
    with pytest.raises(DataError) as error:
        files("customer,date,amount\na,2024-01-01,-10\nb,2024-01-05,-11\n")
    (problem,) = error.value.problems
    assert problem.where == "data.amount"
    assert "all 2 amounts are below zero" in problem.what


def test_orders_of_several_rows_are_merged_once(files) -> None:
    """Three orders of a on one day are two too many; rows of an order were counted here a second time."""
    rows = ["1,a,2024-01-01,5", "1,a,2024-01-01,6", "2,a,2024-01-01,7", "2,a,2024-01-01,-1", ",a,2024-01-01,2"]
    rows += ["3,b,2024-01-01,5", "3,b,2024-01-01,5", "4,b,2024-01-02,1", "5,b,2024-01-03,-1"]
    text = "\n".join(["number,customer,date,amount", *rows, ""])
    log = files(text, order_id="number", order_rows="sum")
    assert log.facts.same_day_merged == 2
    assert files(text).facts.same_day_merged == 4  # rows
    labels = {line.key: (line.label, line.value) for line in quality(log, summarize(log))}
    assert labels["merged"] == ("Orders merged into an order of the same day", "2")


def test_revenue_is_that_of_the_provider(files) -> None:
    """Before refunds and before orders of a day are one, in the currency that has no rate; up to today."""
    rows = ["1,a,2024-01-01,5,0,EUR", "1,a,2024-01-01,6,2,EUR", "2,a,2024-01-01,7,0,USD", "3,b,2024-01-01,4,4,EUR"]
    rows += ["4,b,2024-01-03,9,0,EUR", "5,a,2024-01-04,-1,0,EUR", "6,a,2024-01-09,50,0,EUR"]
    text = "\n".join(["no,customer,date,amount,back,currency", *rows, ""])
    keys = {"order_id": "no", "order_rows": "sum", "refunded": "back", "currency": "currency", "today": "2024-01-05"}
    log = files(text, **keys, rates={"USD": 2})
    short = in_short(log, summarize(log))
    assert (short.sales, short.revenue, short.refunds, short.refunded) == (4, 5 + 6 + 7 * 2 + 4 + 9, 3, 2 + 4 + 1)
    assert (short.orders, short.refunded_in_full, short.currency) == (2, 1, "EUR")
    assert money_in_words(short) == "4 orders, 38.00 EUR before 7.00 refunded in 3 rows"
    (line,) = [line for line in quality(log, summarize(log)) if line.key == "revenue"]
    assert (line.value, line.note.partition(":")[0]) == ("38.00", "of 4 orders")
    log = files("customer,date,amount\na,2024-01-01,5\na,2024-01-01,6\nb,2024-01-02,1\n")
    assert money_in_words(in_short(log, summarize(log))) == "3 sales, 12.00"


def test_what_is_asked_about_counts_alike_when_it_is_left_out(files) -> None:
    """One of three rows in USD is void: two are asked about, and left out."""
    rows = ["a,2024-01-01,5,paid,EUR", "b,2024-01-01,5,paid,EUR", "a,2024-01-02,5,void,EUR"]
    rows += ["a,2024-01-03,5,paid,USD", "b,2024-01-03,5,paid,USD", "b,2024-01-04,5,void,USD"]
    text = "\n".join(["customer,date,amount,Status,Currency", *rows, ""])
    with pytest.raises(DataError, match=r"Currency holds EUR 2, USD 2,"):
        files(text, without={"Status": ["void"]})
    log = files(text, without={"Status": ["void"]}, only={"Currency": ["EUR"]})
    assert reading(log, "without").startswith("2 (Status: void 2;")
    assert reading(log, "only").startswith("2 (Currency: USD 2;")
