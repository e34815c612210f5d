"""Rows of a Parquet file or a frame whose dates and amounts are such already: read without a detour by text.

In the table `raw` of such a file `date` is a DATE or TIMESTAMP and `amount` a DECIMAL(18,4), ready to be used.
"""

import duckdb

from clvsim.data.cells import EARLIEST, is_date, is_number, present, trimmed
from clvsim.data.config import DataConfig
from clvsim.data.database import identifier, in_our_words
from clvsim.data.scan import Scan
from clvsim.errors import DataError
from clvsim.types import COVARIATE

_AMOUNT = "DECIMAL(18,4)"
_LARGE, _HALF = 1e8, 0.001  # floats that are smaller, and not so near to a half, are rounded as decimals are
_TEXTS = ("customer_id", "segment", "channel")


def fill(con: duckdb.DuckDBPyConnection, scan: Scan, used: dict[str, str], config: DataConfig) -> bool:
    """Create `raw` of a scan whose dates and amounts need no reading, and are all in order.

    Otherwise there is no such table: what is no date and what is no amount is told of texts.
    """
    kinds = [scan.type_of(used[key]) if key in used else "" for key in ("customer_id", "date", "amount")]
    if not all(kinds) or not is_date(kinds[1]) or "ZONE" in kinds[1] or config.time_zone or not _is_exact(kinds[2]):
        return False
    day = "DATE" if kinds[1] == "DATE" else "TIMESTAMP"
    date, amount = (_field(scan, used[key]) for key in ("date", "amount"))
    texts = {key: header for key, header in used.items() if key in _TEXTS or key.startswith(COVARIATE)}
    read = [f"{trimmed(_field(scan, name), scan.type_of(name))} AS t{i}" for i, name in enumerate(texts.values())]
    read += [f"{scan.row} AS row", f"CAST({date} AS {day}) AS date", f"try_cast({amount} AS {_AMOUNT}) AS amount"]
    read += [f"hash({', '.join(scan.fields)}) AS fingerprint"]
    cells = {key: present(f"t{i}") for i, key in enumerate(texts)}
    columns = {
        "row": ("BIGINT", "row"),
        "customer_id": ("VARCHAR", cells.pop("customer_id")),
        **{key: ("VARCHAR", f"coalesce({cell}, '')") for key, cell in cells.items()},
        "date": (day, f"CASE WHEN isfinite(date) AND date >= DATE '{EARLIEST}' THEN date END"),
        "amount": (_AMOUNT, "amount"),
        "fingerprint": ("UBIGINT", "fingerprint"),
    }
    same = {"file": "INTEGER GENERATED ALWAYS AS (0)"}  # in each row, which takes no memory
    same |= {key: "VARCHAR GENERATED ALWAYS AS ('')" for key in ("segment", "channel") if key not in columns}
    kind_of = {name: kind for name, (kind, _) in columns.items()} | same
    select = ", ".join(sql for _, sql in columns.values())
    number = f"nullif({amount}, 'nan'::DOUBLE)" if kinds[2] == "DOUBLE" else amount
    there = f"count({date}), count({number}), count(*) FILTER ({_read_alike(amount, kinds[2])})"
    parameters = list(scan.parameters)
    con.execute(f"CREATE TABLE raw ({', '.join(f'{identifier(name)} {kind}' for name, kind in kind_of.items())})")
    try:
        con.execute(f"INSERT INTO raw SELECT {select} FROM (SELECT {', '.join(read)} FROM {scan.table})", parameters)
        found = con.execute(f"SELECT {there} FROM {scan.table}", parameters).fetchall()
    except duckdb.Error as error:
        raise DataError([(scan.label, f"cannot be read: {in_our_words(error)}")]) from error
    if found == con.execute("SELECT count(date), count(amount), count(amount) FROM raw").fetchall():
        return True
    con.execute("DROP TABLE raw")
    return False


def _field(scan: Scan, header: str) -> str:
    return scan.fields[scan.headers.index(header)]


def _is_exact(kind: str) -> bool:
    """Whether amounts are numbers of which four decimals can be told without their text; those of 32 bits cannot."""
    places = int(kind.strip("DECIMAL()").split(",")[1]) if kind.startswith("DECIMAL") else 0
    return is_number(kind) and kind != "FLOAT" and places <= 4


def _read_alike(amount: str, kind: str) -> str:
    """SQL of whether a number rounds to four decimals as its text does: of floats, if it is not too large nor half way
    between two."""
    if kind != "DOUBLE":
        return f"{amount} IS NOT NULL"
    scaled = f"abs({amount}) * 10000"
    return f"NOT isnan({amount}) AND abs({amount}) < {_LARGE:.0f} AND abs({scaled} - floor({scaled}) - 0.5) > {_HALF}"


def text_of(column: str) -> str:
    """SQL of a column of `raw` as the text that its file would have."""
    return trimmed("(amount::DOUBLE)", "DOUBLE") if column == "amount" else f"CAST({column} AS VARCHAR)"
