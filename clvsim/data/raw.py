"""From files or a data frame to one narrow DuckDB table of text. No value is interpreted here."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from clvsim.data import typed_rows
from clvsim.data.cells import is_date, is_number, present, trimmed
from clvsim.data.columns import FILTERS, KEYS, PRODUCT, ROW_KEYS, Columns, choose_columns, says_what
from clvsim.data.config import DataConfig
from clvsim.data.database import identifier, in_our_words
from clvsim.data.files import BLANKS, bounded, layout_of
from clvsim.data.presets import filled
from clvsim.data.scan import Scan, Source, paths_of, readings_of, scanned
from clvsim.errors import ConfigError, DataError
from clvsim.texts import short
from clvsim.types import COVARIATE, QualityLine

BUNDLED = {name: Path(__file__).parent / "bundled" / f"{name}.parquet" for name in ("cdnow_sample", "cdnow_master")}


class BrokenLine(NamedTuple):
    """A line whose values do not fit the header."""

    file: int
    line: int
    kind: str  # DuckDB's name for it
    text: str


class Loaded(NamedTuple):
    """The files and columns that fill `raw(file, row, customer_id, date, amount, segment, channel, ..., fingerprint)`.

    Values in `raw` are trimmed text, NULL where missing ("" for segment and channel); amounts of a log without are 0.
    Columns of `extra`, by their names in `raw`: `amount_2`, `amount_3`, `refunded`, `order_id`, `currency` where they
    are named, `filter_0`, ... of `data.only`, `data.without` and `data.failed`, and `seen_0`, ... that nobody named and
    that may say which rows are sales, or whose.
    """

    label: str
    files: tuple[str, ...]
    header_rows: tuple[int, ...]  # of each file: lines up to the end of its header, 0 for a frame
    columns: tuple[tuple[str, str], ...]
    guessed: tuple[tuple[str, str], ...]
    amounts_typed: bool  # numbers already: the decimal sign of the configuration does not apply
    dates_typed: bool  # dates already: the date format does not apply
    broken: tuple[BrokenLine, ...]  # lines that are not rows, the first of each file
    broken_rows: int  # how many there are
    readings: tuple[QualityLine, ...] = ()  # how the files were read
    config: DataConfig = DataConfig()  # as typed, and as a recognised preset fills it
    extra: tuple[tuple[str, str], ...] = ()  # (column of `raw`, header)
    read_at_once: bool = False  # dates and amounts of `raw` are no texts: see `typed_rows`

    def filters(self) -> dict[str, str]:
        """Column of `raw` by the header that `data.only`, `data.without` or `data.failed` names."""
        return {header: name for name, header in self.extra if name.startswith("filter_")}


def covariate_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys, and columns of `raw`, that hold covariates."""
    return tuple(key for key in keys if key.startswith(COVARIATE))


def column_text(scan: Scan, header: str) -> str:
    """SQL of the column with that header as trimmed text; NULL where missing."""
    i = scan.headers.index(header)
    return present(trimmed(scan.fields[i], scan.types[i]))


def _insert(
    con: duckdb.DuckDBPyConnection, scan: Scan, number: int, used: dict[str, str], extra: dict[str, str]
) -> tuple[list[BrokenLine], int]:
    """Append one file to `raw`. Returns its first 1,000 broken lines, and the number of all."""

    texts_of: dict[str, str] = {}  # each column once, in a query of its own: SQL would trim wherever one is named

    def text(header: str | None, absent: str = "NULL") -> str:
        if header not in scan.headers:
            return absent
        i = scan.headers.index(header)
        texts_of[f"t{i}"] = trimmed(scan.fields[i], scan.types[i])
        return present(f"t{i}")

    required = [text(used.get(key), "'0'" if key == "amount" else "NULL") for key in KEYS[:3]]
    labels = [f"coalesce({text(used.get(key))}, '')" for key in (*KEYS[3:], *covariate_keys(used))]
    values = ", ".join([*required, *labels, *map(text, extra.values())])
    everything = ", ".join(f"{f}::VARCHAR" for f in scan.fields)
    texts = "".join(f", {sql} AS {name}" for name, sql in texts_of.items())
    rows = f"SELECT {scan.row} AS row, hash({everything}) AS fingerprint{texts} FROM {scan.table}"
    select = f"SELECT {number}, row, {values}, fingerprint FROM ({rows})"
    try:
        con.execute(f"INSERT INTO raw {select}", list(scan.parameters))
    except duckdb.Error as error:
        raise DataError([(scan.label, f"cannot be read: {in_our_words(error)}")]) from error
    return broken_lines(con, number, scan.above) if scan.is_csv else ([], 0)


def broken_lines(con: duckdb.DuckDBPyConnection, number: int, above: int = 0) -> tuple[list[BrokenLine], int]:
    """Lines of the CSV file read last that do not fit its header: the first 1,000, and the number of all.

    `above`: lines of the file that were not read.
    """
    rows = con.execute(
        f"SELECT line + {above} AS line, min(error_type::VARCHAR), any_value(left(csv_line, 200)) FROM reject_errors "
        "GROUP BY ALL ORDER BY line LIMIT 1000"
    ).fetchall()
    count = con.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchall()[0][0]
    con.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    return [BrokenLine(number, int(line), kind, str(text).strip(BLANKS)) for line, kind, text in rows], count


def text_table(con: duckdb.DuckDBPyConnection, scan: Scan, columns: Mapping[str, str], limit: str = "") -> pd.DataFrame:
    """A table of which each row counts: for each name the column with that header as trimmed text, None where missing.

    Raises DataError for a broken line. `limit`: SQL, as `LIMIT 3`.
    """
    values = ", ".join(f"{column_text(scan, header)} AS {identifier(name)}" for name, header in columns.items())
    try:
        frame = con.execute(f"SELECT {values} FROM {scan.table} {limit}", list(scan.parameters)).df()
    except duckdb.Error as error:
        raise DataError([(scan.label, f"cannot be read: {in_our_words(error)}")]) from error
    broken, count = broken_lines(con, 0, scan.above) if scan.is_csv else ([], 0)
    if count:
        what = f"{count:,} lines do not fit the header, e.g. row {broken[0].line}: {short(broken[0].text, 80)!r}"
        raise DataError([(scan.label, what)])
    return frame.astype(object).where(frame.notna(), None)


def require_same_columns(scans: Sequence[Scan], used: dict[str, str]) -> None:
    """Raises ConfigError where a file lacks a column that another one has."""
    has = {name: next((scan.label for scan in scans if name in scan.headers), "") for name in used.values()}
    problems = [
        (f"data.{key.split(':')[0]}", f"{scan.label} has no column {name!r}, unlike {has[name]}")
        for scan in scans
        for key, name in used.items()
        if scan.headers.count(name) != 1
    ]
    if problems:
        raise ConfigError(problems)


def load(con: duckdb.DuckDBPyConnection, source: Source, config: DataConfig) -> Loaded:
    """Fill the table `raw` from `source`.

    Raises
    ------
    ConfigError
        A file or a column that is not there.
    DataError
        A file that is not what its name says, or empty.
    """
    with scanned(con, source, layout_of(config)) as scans:
        try:
            return _fill(con, scans, source, config)
        except ConfigError as error:  # a column is not found: it may be spelt as what was found says
            found = [(scans[0].label, f"{line.label}: {line.value}, {line.note}") for line in readings_of(scans)]
            raise ConfigError([*error.problems, *found]) from error
        finally:
            for scan in scans:
                if not scan.parameters:
                    con.unregister(scan.table)


def _fill(con: duckdb.DuckDBPyConnection, scans: Sequence[Scan], source: Source, config: DataConfig) -> Loaded:
    headers = tuple(dict.fromkeys(header for scan in scans for header in scan.headers))  # whatever the files' order
    headers = scans[0].headers if len(scans) == 1 else headers
    config, readings = filled(config, headers, scans[0].label)
    columns = choose_columns(scans[0].headers, config, scans[0].label)
    require_same_columns(scans, columns.used)
    extra = _extra(headers, columns)
    more_columns = "".join(f", {identifier(key)} VARCHAR" for key in (*covariate_keys(columns.used), *extra))
    read_at_once = not extra and len(scans) == 1 and typed_rows.fill(con, scans[0], columns.used, config)
    broken: list[tuple[list[BrokenLine], int]] = []
    if not read_at_once:
        con.execute(
            "CREATE TABLE raw (file INTEGER, row BIGINT, customer_id VARCHAR, date VARCHAR, amount VARCHAR, "
            f"segment VARCHAR, channel VARCHAR{more_columns}, fingerprint UBIGINT)"
        )
        broken = [_insert(con, scan, number, columns.used, extra) for number, scan in enumerate(scans)]
    label = scans[0].label if len(scans) == 1 else bounded([str(path) for path in paths_of(source)])
    return Loaded(
        label=label,
        files=tuple(s.label for s in scans),
        header_rows=tuple(scan.header_end for scan in scans),
        columns=tuple(
            (key, header) for key, header in columns.used.items() if ":" not in key or key.startswith(COVARIATE)
        ),
        guessed=tuple((k, columns.used[k]) for k in columns.guessed),
        amounts_typed=all(is_number(s.type_of(columns.used["amount"])) for s in scans if "amount" in columns.used),
        dates_typed=all(is_date(s.type_of(columns.used["date"])) for s in scans),
        broken=tuple(line for lines, _ in broken for line in lines),
        broken_rows=sum(count for _, count in broken),
        readings=(*readings_of(scans), *readings),
        config=config,
        extra=tuple(extra.items()),
        read_at_once=read_at_once,
    )


def _extra(headers: Sequence[str], columns: Columns) -> dict[str, str]:
    """Header by column of `raw`, of columns beside customer, date, amount and labels: see `Loaded`."""
    used = columns.used
    extra = {key: used[key] for key in (*PRODUCT[1:], *ROW_KEYS) if key in used}
    filters = dict.fromkeys(header for key, header in used.items() if key.split(":")[0] in FILTERS)
    extra |= {f"filter_{i}": header for i, header in enumerate(filters)}
    taken = {*used.values()}
    seen = [header for header in headers if header not in taken and headers.count(header) == 1 and says_what(header)]
    if "customer_id" not in columns.guessed:
        seen = [header for header in seen if says_what(header) != "customer"]
    return extra | {f"seen_{i}": header for i, header in enumerate(seen)}


def line_in_file(loaded: Loaded, file: int, row: int) -> int:
    """The line in the file of row `row` (from 1): header and broken lines count, blank lines do not."""
    broken = np.array([b.line for b in loaded.broken if b.file == file])
    line = row + loaded.header_rows[file]
    return line + int(np.searchsorted(broken - np.arange(broken.size), line, side="right"))
