"""Rows and values of `raw` for messages: counted, quoted with their line in the file, and as what is to be typed."""

import shlex
from collections.abc import Iterable

import duckdb

from clvsim.data.raw import Loaded, line_in_file
from clvsim.data.typed_rows import text_of

EXAMPLES = 3
SHOWN = 8  # values that a message lists
_WIDE = 40  # characters of a value
_LONG = 160  # of all values that are to be typed

Counts = list[tuple[str | None, int]]


def examples(con: duckdb.DuckDBPyConnection, loaded: Loaded, column: str, where: str, limit: int = EXAMPLES) -> str:
    """The first rows of `raw` that satisfy `where`, as "row 3: '$5'; …"; the file is named when there are several."""
    value = text_of(column) if loaded.read_at_once else column
    rows = con.execute(f"SELECT file, row, {value} FROM raw WHERE {where} ORDER BY file, row LIMIT {limit}").fetchall()
    return "; ".join(example(loaded, file, line_in_file(loaded, file, row), value) for file, row, value in rows)


def example(loaded: Loaded, file: int, line: int, value: str | None) -> str:
    position = f"row {line}" if len(loaded.files) == 1 else f"{loaded.files[file]} row {line}"
    if value is None:
        return position
    return f"{position}: {value if len(value) <= 40 else value[:39] + '…'!r}"


def count(con: duckdb.DuckDBPyConnection, where: str) -> int:
    """The number of rows of `raw` that satisfy `where`."""
    return con.execute(f"SELECT count(*) FROM raw WHERE {where}").fetchall()[0][0]


def counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def values_of(con: duckdb.DuckDBPyConnection, column: str, where: str = "true") -> Counts:
    """The values of a column of `raw` and how many rows have each, the most frequent first."""
    return con.execute(f"SELECT {column}, count(*) FROM raw WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1").fetchall()


def folded(value: str | None) -> str:
    """What values are compared by; that of none is empty."""
    return (value or "").strip().casefold()


def shown(value: str | None) -> str:
    """A value of a file for a message: one line, cut, in quotes where blanks or signs are in it."""
    if value is None:
        return "(none)"
    text = "".join(c if c.isprintable() else "?" for c in value)
    text = text if len(text) <= _WIDE else text[: _WIDE - 1] + "…"
    return text if all(c.isalnum() or c in "_-" for c in text) and text else f"'{text}'"


def listed(counts: Iterable[tuple[str | None, int]]) -> str:
    """Values with their numbers of rows, the first eight."""
    counts = list(counts)
    words = [f"{shown(value)} {count:,}" for value, count in counts[:SHOWN]]
    return ", ".join(words) + (f", … ({len(counts):,} values)" if len(counts) > SHOWN else "")


def flow(*wanted: tuple[str, Iterable[str]]) -> str:
    """Columns with their values as YAML, quoted for a shell; words for values where they are long."""
    return shlex.quote("{" + ", ".join(f"{yaml_word(column)}: [{_inner(values)}]" for column, values in wanted) + "}")


def _inner(values: Iterable[str]) -> str:
    inner = ", ".join(yaml_word(value) for value in values)
    return inner if len(inner) <= _LONG and inner.isprintable() else "VALUE, ..."


def yaml_word(text: str) -> str:
    """A word that YAML reads as this text in a flow mapping, of which every value is text."""
    plain = all(c.isalnum() or c in " _-.#@" for c in text) and text.strip() == text
    if plain and text[:1] not in ("-", "#", "@", "") and " #" not in text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
