"""Logs of orders, and tables of counts: everything that a file can have wrong, and names of files."""

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from tests.cli.shell import ORDERS
from tests.data.sheets import xlsx
from tests.fuzz.cases import CANARY, Case
from tests.fuzz.nasty import LONG, damaged, numbers, texts

GOOD = ORDERS.encode()
HEADER = b"customer_id,date,amount\n"
ROWS: list[list[str]] = list(csv.reader(ORDERS.splitlines()))
BRIEF = ("scenarios=[]", "simulation.draws=20", "simulation.horizon_months=2")

SUMMARY = """customer_id,frequency,recency,T,monetary_value
a,2,17.4,26.1,10.5
b,1,11.0,25.9,22
c,0,0,25.0,0
d,1,10.4,21.6,8
e,0,0,17.6,0
"""
SURVIVORS = "period,survivors\n0,1000\n1,869\n2,743\n3,653\n4,593\n5,551\n6,517\n7,491\n"
OF_SUMMARY = ("data=summary", "data.path=t.csv", "data.today=2024-07-01", "data.time_unit=week")
OF_SURVIVORS = ("data=survivors", "data.path=t.csv", "retention.renewal=month", "data.price=10")

ids = st.one_of(st.sampled_from(("a", "b", "c", "0012", "12", "A@B.c", "a@b.C", "guest", "")), texts)
dates = st.one_of(
    st.dates().map(str),
    st.datetimes().map(str),
    st.sampled_from(("2024-01-01", "2024-02-30", "01/02/2024", "2024-01-01T25:61", "20240101", "45292", "1704067200")),
    texts,
)
amounts = st.one_of(st.decimals(-1e6, 1e6, places=2).map(str), numbers.map(str), texts)


def csv_text(rows: Sequence[Sequence[str]], delimiter: str, end: str, quote: str) -> str:
    """Rows as text: `quote` says which fields are quoted, and whether properly."""

    def one(value: str) -> str:
        if quote == "never":
            return value
        if quote == "broken":
            return f'"{value}'
        needs = any(sign in value for sign in (delimiter, '"', "\n", "\r"))
        return '"' + value.replace('"', '""') + '"' if quote == "always" or needs else value

    return end.join(delimiter.join(map(one, row)) for row in rows) + end


@st.composite
def made_up(draw: st.DrawFn) -> bytes:
    """A file of rows, a few of which are strange, in any dialect and encoding."""
    header: list[str] = list(ROWS[0])
    if draw(st.booleans()):
        header[draw(st.integers(0, 2))] = draw(texts)
    header += draw(
        st.lists(st.one_of(st.sampled_from(("date", "amount", "currency", "Status", "order_id")), texts), max_size=2)
    )
    rows: list[list[str]] = [list(row) for row in ROWS[1:]]
    for _ in range(draw(st.integers(1, 4))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        match draw(st.sampled_from(("id", "date", "amount", "more", "less"))):
            case "id":
                row[0] = draw(ids)
            case "date" if len(row) > 1:
                row[1] = draw(dates)
            case "amount" if len(row) > 2:
                row[2] = draw(amounts)
            case "more":
                row += draw(st.lists(texts, min_size=1, max_size=3))
            case "less":
                del row[1:]
    rows = [row + draw(st.lists(texts, min_size=0, max_size=len(header) - 3)) for row in rows]
    delimiter = draw(st.sampled_from(",,,;\t|"))
    end = draw(st.sampled_from(("\n", "\n", "\r\n", "\r", "\n\r")))
    text = csv_text(
        [header, *rows], delimiter, end, draw(st.sampled_from(("needed", "needed", "always", "never", "broken")))
    )
    codec = draw(
        st.sampled_from(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252", "utf-32", "utf-7"))
    )
    return text.encode(codec, "replace")


def many(row: bytes, number: int, header: bytes = HEADER) -> bytes:
    return header + row * number


def _zip(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def _parquet() -> bytes:
    import pandas as pd

    file = io.BytesIO()
    pd.read_csv(io.StringIO(ORDERS)).to_parquet(file)
    return file.getvalue()


def _sheet(rows: Sequence[Sequence[str]] = ROWS) -> bytes:
    return xlsx({"Orders": rows})


# Files as wholes: each is one case.
CORPUS: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "a blank": lambda: b" ",
    "ends of lines": lambda: b"\n\n\n\n",
    "a header": lambda: HEADER,
    "a header twice": lambda: HEADER * 2,
    "names twice": lambda: b"customer_id,date,date,amount,amount\na,2024-01-01,2024-01-02,1,2\n",
    "a name in two spellings": lambda: b"customer_id,Customer_ID,date,amount\na,b,2024-01-01,2\n",
    "no names": lambda: b",,\na,2024-01-01,1\n",
    "names of SQL": lambda: b'"x"" FROM read_csv(\'/etc/passwd\') --",date,amount\na,2024-01-01,1\n',
    "NULs": lambda: GOOD.replace(b"a", b"\0"),
    "NULs far down": lambda: many(b"a,2024-01-01,1\n", 20_000) + b"b,2024-\0-01,1\n",
    "only NULs": lambda: bytes(100_000),
    "random bytes": lambda: bytes((i * 7919 + i // 251) % 256 for i in range(50_000)),
    "a quote never closed": lambda: HEADER + b'"a,2024-01-01,1\n' * 5_000,
    "a quote never closed in a big file": lambda: HEADER + b'"a' + b",2024-01-01,1\n" * 300_000,
    "a line of 3 MB": lambda: HEADER + b"a" * 3_000_000 + b",2024-01-01,1\n",
    "a header of 3 MB": lambda: b"a" * 3_000_000 + b",date,amount\n",
    "10,000 columns": lambda: b",".join(b"c%d" % i for i in range(10_000)) + b"\n" + b"," * 9_999 + b"\n",
    "10,000 names alike": lambda: b",".join([b"date"] * 10_000) + b"\n" + b"," * 9_999 + b"\n",
    "a long name": lambda: LONG.encode() + b",date,amount\na,2024-01-01,1\n",
    "long ids": lambda: HEADER + b"".join(LONG.encode() + b"%d,2024-01-0%d,1\n" % (i, i % 9 + 1) for i in range(9)),
    "a long date": lambda: GOOD + b"a," + LONG.encode() + b",1\n",
    "a long amount": lambda: GOOD + b"a,2024-01-01," + b"9" * 20_000 + b"\n",
    "an amount of many digits": lambda: GOOD + b"a,2024-01-01,0." + b"0" * 5_000 + b"1\n",
    "many kinds of bad dates": lambda: HEADER + b"".join(b"a,%dx,1\n" % i for i in range(3_000)),
    "many currencies": lambda: (
        b"customer_id,date,amount,currency\n" + b"".join(b"a,2024-01-01,1,C%d\n" % i for i in range(2_000))
    ),
    "one row": lambda: HEADER + b"a,2024-01-01,1\n",
    "one day": lambda: HEADER + b"".join(b"c%d,2024-01-01,1\n" % i for i in range(100)),
    "one customer": lambda: HEADER + b"".join(b"a,2024-01-%02d,1\n" % (i % 28 + 1) for i in range(100)),
    "all refunds": lambda: HEADER + b"".join(b"c%d,2024-01-0%d,-1\n" % (i, i % 9 + 1) for i in range(50)),
    "amounts of 0": lambda: GOOD.replace(b",1", b",0").replace(b",2\n", b",0\n"),
    "huge amounts": lambda: (
        HEADER + b"".join(b"c%d,2024-01-0%d,9%s\n" % (i % 5, i % 9 + 1, b"9" * 40) for i in range(20))
    ),
    "amounts at DECIMAL's end": lambda: (
        HEADER + b"".join(b"c%d,2024-01-0%d,99999999999999.9999\n" % (i % 5, i % 9 + 1) for i in range(2_000))
    ),
    "first and last day of the calendar": lambda: HEADER + b"a,0001-01-01,1\na,9999-12-31,1\nb,2024-01-01,2\n",
    "before Christ": lambda: HEADER + b"a,-0044-03-15,1\nb,2024-01-01,2\n",
    "beyond the calendar": lambda: HEADER + b"a,99999-01-01,1\nb,2024-01-01,2\n",
    "the future": lambda: HEADER + b"a,2024-01-01,1\na,2199-01-01,1\nb,2024-02-01,1\n",
    "dates in three ways": lambda: HEADER + b"a,2024-01-01,1\na,31/12/2023,2\nb,12/31/2023,2\n",
    "every language's digits": lambda: HEADER + "a,٢٠٢٤-٠١-٠١,١٢\nb,２０２４-０１-０１,３\n".encode(),
    "directions of text": lambda: HEADER + "\u202ea\u202c,2024-01-01,1\n\u2066b\u2069,2024-01-02,2\n".encode(),
    "terminal codes": lambda: HEADER + b"\x1b]0;x\x07a,2024-01-01,1\n\x1b[2Jb,2024-01-02,x\x1b[31m\n",
    "terminal codes in a name": lambda: b"\x1b[2Jcustomer_id,date,\x9bamount\na,2024-01-01,1\n",
    "formulas": lambda: HEADER + b"=cmd|' /C calc'!A0,2024-01-01,=1+1\n@x,2024-01-02,+1\n",
    "HTML": lambda: b"<!doctype html><table><tr><td>a</td></tr></table>",
    "JSON": lambda: b'[{"customer_id": "a", "date": "2024-01-01"}]',
    "a pickle": lambda: b"cposix\nsystem\n(S'touch canary'\ntR.",
    "a script": lambda: f"#!/bin/sh\ntouch {CANARY}\n".encode(),
    "YAML": lambda: f"!!python/object/apply:os.system ['touch {CANARY}']\n".encode(),
    "gzip": lambda: gzip.compress(GOOD),
    "gzip of gzip": lambda: gzip.compress(gzip.compress(GOOD)),
    "half a gzip": lambda: gzip.compress(GOOD * 50)[:-20],
    "gzip and junk": lambda: gzip.compress(GOOD) + b"junk",
    "gzip of a gigabyte of nothing": lambda: gzip.compress(bytes(1 << 28)) * 4,
    "gzip of a gigabyte of one line": lambda: HEADER + gzip.compress(b"x" * (1 << 26)) * 2,
    "gzip of a long line": lambda: gzip.compress(HEADER + b"x" * (1 << 26)) + gzip.compress(b"x" * (1 << 26)) * 9,
    "zip": lambda: _zip({"orders.csv": GOOD}),
    "a zip that climbs": lambda: _zip({"../canary": b"x"}),
    "an empty workbook": lambda: _zip({}),
    "a workbook": _sheet,
    "half a workbook": lambda: _sheet()[:-50],
    "a workbook without rows": lambda: _sheet([]),
    "a workbook of entities": lambda: xlsx(
        {"A": '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><row r="1"><c r="A1">&a;</c></row>'}
    ),
    "a workbook far away": lambda: xlsx({"A": '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'}),
    "a workbook of a million blanks": lambda: xlsx(
        {"A": '<row r="1"><c r="A1"><v>1</v></c></row>' + "<row/>" * 200_000}
    ),
    "a workbook bomb": lambda: _zip({"xl/workbook.xml": b"<a>" + b" " * (1 << 28)}),
    "dates of a workbook": lambda: xlsx(
        {"A": [["customer_id", "date", "amount"], ["a", 1e300, 1], ["b", -5, 2], ["c", 45000, "x"]]}
    ),
    "an old workbook": lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096),
    "Parquet": _parquet,
    "half a Parquet": lambda: _parquet()[:-100],
    "a head of Parquet": lambda: b"PAR1" + bytes(100) + b"PAR1",
    "a length of Parquet": lambda: b"PAR1" + bytes(40) + b"\xff\xff\xff\x7fPAR1",
    "PDF": lambda: b"%PDF-1.7\n" + bytes(100),
    "an image": lambda: b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "HDF5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(64),
    "UTF-16 cut in the middle": lambda: GOOD.decode().encode("utf-16")[:-1],
    "surrogates": lambda: HEADER + b"a\xed\xa0\x80,2024-01-01,1\n",
    "overlong UTF-8": lambda: HEADER + b"a\xc0\xaf,2024-01-01,1\nb\xff\xfe,2024-01-02,1\n",
    "every byte": lambda: HEADER + bytes(range(1, 256)) + b",2024-01-01,1\n",
    "separators of Unicode": lambda: HEADER + "a\u2028b,2024-01-01,1\nc\x85d,2024-01-02,2\n".encode(),
}

NAMES = (
    *(
        "orders (1).csv",
        "or'ders.csv",
        'or"ders.csv',
        "or\nders.csv",
        "orders*.csv",
        "[orders].csv",
        "a=b.csv",
        "-o.csv",
    ),
    *("--help", "~orders.csv", "${oc.env:SECRET}.csv", "$(touch canary).csv", "'; DROP TABLE x; --.csv", "{a}.csv"),
    *(
        "orders.csv ",
        " .csv",
        "日本.csv",
        "\u202egpj.csv",
        "\x1b[2J.csv",
        "or\\ders.csv",
        "a,b.csv",
        "a:b.csv",
        "#.csv",
    ),
    *("x" * 240 + ".csv", "d/" * 60 + "o.csv", "%s%n.csv", "null", "orders", ".csv", "..csv", "o.parquet", "o.xlsx"),
    *("o.csv.gz", "o.json", "\udcff.csv", "a b/c d.csv", "data=csv", "@orders", "(o).csv", "!o.csv", "!!python/x.csv"),
)

OPTIONS = st.one_of(
    st.builds(
        lambda key, value: f"data.{key}={value}",
        st.sampled_from(
            (
                "customer_id",
                "date",
                "amount",
                "date_format",
                "decimal",
                "delimiter",
                "encoding",
                "skip",
                "today",
                "sheet",
                "calibration_end",
                "customers_since",
                "time_zone",
                "currency",
                "order_id",
                "order_rows",
                "guests",
                "refunds",
                "segment",
                "channel",
                "max_bad_share",
                "time_unit",
                "fold",
                "preset",
                "only",
                "without",
                "failed",
                "refunded",
            )
        ),
        st.one_of(texts, numbers.map(str)),
    ),
    st.sampled_from(
        (
            "data.only={amount: [1]}",
            "data.only={x: [1]}",
            "data.without={date: [2024-01-01]}",
            "data.today=2024-02-01",
            "data.calibration_end=2024-01-01",
            "data.today=1800-01-01",
            "data.today=9999-12-31",
            "data.skip=3",
            "data.skip=100",
            "data.encoding=utf-16",
            "data.delimiter=;",
            "data.date_format=%d",
            "data.date_format=epoch",
            "data.decimal=,",
            "data.date_format=%H:%M",
            "data.amount=",
            "data.amount=date",
            "data.customer_id=amount",
            "data.amount=amount*amount",
            "data.customers_since=2024-03-01",
            "data.max_bad_share=1",
            "data.rates.EUR=1.1",
            "data.preset=shopify",
        )
    ),
)


def log_cases() -> list[Case]:
    """The corpus, and a good log under every name."""
    files = [Case(("check", "o.csv", *BRIEF), {"o.csv": make()}) for make in CORPUS.values()]
    return files + [Case(("check", name, *BRIEF), {name: GOOD}) for name in NAMES]


def logs(*, through: str = "cli") -> st.SearchStrategy[Case]:
    content = st.one_of(made_up(), made_up(), damaged(GOOD))
    if through == "log":
        return content.map(lambda file: Case(("o.csv",), {"o.csv": file}, target="log"))
    options = st.lists(OPTIONS, max_size=2).map(tuple)
    return st.builds(lambda file, words: Case(("check", "o.csv", *BRIEF, *words), {"o.csv": file}), content, options)


def packed() -> st.SearchStrategy[Case]:
    """Damage of what is not text: workbooks, Parquet, gzip."""
    kinds = {"o.xlsx": _sheet(), "o.parquet": _parquet(), "o.csv.gz": gzip.compress(GOOD)}
    return st.sampled_from(sorted(kinds)).flatmap(
        lambda name: damaged(kinds[name]).map(lambda file: Case((name,), {name: file}, target="log"))
    )


@st.composite
def counts(draw: st.DrawFn) -> Case:
    """Tables of counts: of customers, or of survivors, with a few strange cells."""
    text, words = draw(st.sampled_from(((SUMMARY, OF_SUMMARY), (SURVIVORS, OF_SURVIVORS))))
    if draw(st.integers(0, 5)) == 0:
        return Case(("check", *words, *BRIEF), {"t.csv": draw(damaged(text.encode()))})
    rows: list[list[str]] = list(csv.reader(text.splitlines()))
    for _ in range(draw(st.integers(1, 3))):
        row = rows[draw(st.integers(0, len(rows) - 1))]
        match draw(st.sampled_from(("cell", "cell", "cell", "less", "more", "again"))):
            case "cell":
                row[draw(st.integers(0, len(row) - 1))] = draw(st.one_of(numbers.map(str), texts))
            case "less":
                del row[1:]
            case "more":
                row.append(draw(texts))
            case "again":
                rows.append(list(row))
    return Case(("check", *words, *BRIEF), {"t.csv": csv_text(rows, ",", "\n", "needed").encode("utf-8", "replace")})
