"""Rows of `raw` as evidence: counted, and quoted with their line in the file."""

import duckdb

from clvsim.data.raw import Loaded, line_in_file

EXAMPLES = 3


def examples(con: duckdb.DuckDBPyConnection, loaded: Loaded, column: str, where: str, limit: int = EXAMPLES) -> str:
    """The first rows of `raw` that satisfy `where`, as "row 3: '$5'; …"; the file is named when there are several."""
    rows = con.execute(f"SELECT file, row, {column} FROM raw WHERE {where} ORDER BY file, row LIMIT {limit}").fetchall()
    return "; ".join(example(loaded, file, line_in_file(loaded, file, row), value) for file, row, value in rows)


def example(loaded: Loaded, file: int, line: int, value: str | None) -> str:
    position = f"row {line}" if len(loaded.files) == 1 else f"{loaded.files[file]} row {line}"
    if value is None:
        return position
    return f"{position}: {value if len(value) <= 40 else value[:39] + '…'!r}"


def count(con: duckdb.DuckDBPyConnection, where: str) -> int:
    """The number of rows of `raw` that satisfy `where`."""
    return con.execute(f"SELECT count(*) FROM raw WHERE {where}").fetchall()[0][0]
