"""Databases: files of SQLite with strange names, values and damage, and addresses of all kinds."""

import sqlite3
from collections.abc import Sequence

from hypothesis import strategies as st

from tests.fuzz.cases import CANARY, SECRET, Case
from tests.fuzz.nasty import damaged, texts
from tests.fuzz.tables import ROWS, amounts, dates, ids

SOURCE = ("check", "data=sql", "data.url=sqlite:///t.db")
Values = Sequence[Sequence[str | int | float | bytes | None]]
GOOD: Values = ROWS[1:]

values = st.one_of(
    ids, dates, amounts, st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary(max_size=9), texts
)
names = st.one_of(
    st.sampled_from(("orders", "a b", 'a"b', "a;b", "a.b", "--", "SELECT", f"$(touch {CANARY})", "%s", ":x", "é")),
    texts,
)
urls = st.one_of(
    st.sampled_from(
        (
            "sqlite:///t.db",
            "sqlite:///none.db",
            "sqlite://",
            "sqlite:///:memory:",
            f"sqlite:///t.db?x={CANARY}",
            "postgresql://me@127.0.0.1:1/shop?connect_timeout=1",
            f"postgresql://me:{SECRET}@127.0.0.1:1/shop",
            f"postgresql://me@h/d?password={SECRET}",
            "postgresql://me@h/d?options=-cx",
            "postgresql+psycopg2://me@h/d",
            "file:///etc/passwd",
        )
    ),
    texts,
)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def database(rows: Values, table: str = "orders", columns: Sequence[str] = ("customer_id", "date", "amount")) -> bytes:
    """A file with one table, whose columns have no types, so that each value keeps its own."""
    con = sqlite3.connect(":memory:")
    con.execute(f"CREATE TABLE {quoted(table)} ({', '.join(map(quoted, columns))})")
    con.executemany(f"INSERT INTO {quoted(table)} VALUES ({', '.join('?' * len(columns))})", rows)
    con.commit()
    content = con.serialize()
    con.close()
    return content


def of_numbers(rows: Values) -> list[list[str | int | float | bytes | None]]:
    return [[name, day, float(str(amount))] for name, day, amount in rows]


@st.composite
def databases(draw: st.DrawFn) -> Case:
    """A file with a few strange values or names, or damaged; read by whatever it is called."""
    rows = of_numbers(GOOD)
    for _ in range(draw(st.integers(0, 3))):
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, 2))] = draw(values)
    table, columns = "orders", ["customer_id", "date", "amount"]
    if draw(st.booleans()):
        table = draw(names.filter(is_a_name))
        columns[draw(st.integers(0, 2))] = draw(names.filter(is_a_name))
    try:
        content = database(rows, table, columns)
    except (sqlite3.Error, OverflowError, UnicodeError, ValueError):  # which SQLite itself refuses
        table, columns, content = "orders", ["customer_id", "date", "amount"], database(of_numbers(GOOD))
    if draw(st.integers(0, 3)) == 0:
        content = draw(damaged(content))
    typed = [
        f"data.{key}={quoted_word(name)}" for key, name in zip(("customer_id", "date", "amount"), columns, strict=True)
    ]
    words = (*SOURCE, f"data.table={quoted_word(quoted(table))}", *typed[: draw(st.integers(0, 3))])
    return Case(words, {"t.db": content})


def is_a_name(name: str) -> bool:
    return bool(name) and "\0" not in name and name.isprintable() and not name.startswith("sqlite_")


def quoted_word(value: str) -> str:
    """A value as Hydra reads it back."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\$")
    return f"'{escaped}'"


@st.composite
def addresses(draw: st.DrawFn) -> Case:
    """An address, by each of the keys, beside a file that is fine."""
    url = draw(urls)
    files: dict[str, bytes | None] = {"t.db": database(of_numbers(GOOD))}
    env: dict[str, str] = {}
    match draw(st.sampled_from(("url", "url_env", "url_file", "print_sql"))):
        case "url":
            word = f"data.url={quoted_word(url)}"
        case "url_env":
            env["SHOP"], word = "".join(c for c in url if c.isprintable()), "data.url_env=SHOP"
        case "url_file":
            files["address"], word = url.encode(errors="replace"), "data.url_file=address"
        case _:
            word = f"data.url={quoted_word(url)}"
            return Case(
                ("check", "data=sql", word, "data.print_sql=true", "data.table=t", "data.today=2024-06-01"), files
            )
    return Case(("check", "data=sql", word, "data.table=orders"), files, env)
