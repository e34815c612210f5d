"""From files or a data frame to one narrow DuckDB table of text. No value is interpreted here.

DuckDB's sniffer is off: it looks at a sample, and would misread a quoted comma after row 20,000. The delimiter comes
from the header line, quotes are double quotes, every column is text, and lines that do not fit the header are collected
and counted.
"""

import csv
import glob
import gzip
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np
import pandas as pd

from clvsim.data.columns import KEYS, choose_columns
from clvsim.data.config import DataConfig
from clvsim.errors import ConfigError, DataError
from clvsim.types import COVARIATE, QualityLine

BUNDLED = {name: Path(__file__).parent / "bundled" / f"{name}.parquet" for name in ("cdnow_sample", "cdnow_master")}
_BLANKS = " \t\r\n\u00a0\ufeff"
_MISSING = ("", "NULL", "null", "None", "NaN", "nan", "NaT", "NA", "N/A", "n/a", "#N/A", "<NA>")
_NUMBER_TYPES = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
_FLOAT_TYPES = ("FLOAT", "DOUBLE")
_DELIMITERS = ",;\t|"
_NOT_TEXT = "not UTF-8 text; save it as “CSV UTF-8”"


class Scan(NamedTuple):
    """One file or frame as a table that SQL can select from."""

    label: str
    headers: tuple[str, ...]
    fields: tuple[str, ...]  # SQL expression of each column
    types: tuple[str, ...]
    table: str  # SQL after FROM
    parameters: tuple[str, ...]
    is_csv: bool = False


class BrokenLine(NamedTuple):
    """A line whose values do not fit the header."""

    file: int
    line: int
    kind: str  # DuckDB's name for it
    text: str


class Loaded(NamedTuple):
    """The files and columns that fill `raw(file, row, customer_id, date, amount, segment, channel, fingerprint)`.

    Values in `raw` are trimmed text, NULL where missing ("" for segment and channel); amounts of a log without are 0.
    """

    label: str
    files: tuple[str, ...]
    header_rows: int  # 1 when row 1 of a file is its header
    columns: tuple[tuple[str, str], ...]
    guessed: tuple[tuple[str, str], ...]
    amounts_typed: bool  # numbers already: the decimal sign of the configuration does not apply
    dates_typed: bool  # dates already: the date format does not apply
    broken: tuple[BrokenLine, ...]  # lines that are not rows, the first of each file
    broken_rows: int  # how many there are
    readings: tuple[QualityLine, ...] = ()  # how the files were read
    config: DataConfig = DataConfig()  # as typed, and as a recognised preset fills it


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory database that downloads nothing, keeps rows in file order and spills into the temporary folder."""
    return duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "preserve_insertion_order": "true",
            "temp_directory": str(Path(tempfile.gettempdir()) / f"clvsim-duckdb-{os.getpid()}"),
            "TimeZone": "UTC",
        },
    )


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def covariate_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys, and columns of `raw`, that hold covariates."""
    return tuple(key for key in keys if key.startswith(COVARIATE))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def find_files(path: str) -> tuple[str, ...]:
    """The file `path`, or the files that match it as a glob, sorted by name.

    Raises ConfigError for a folder, and where there is no such file.
    """
    literal = Path(path).expanduser()
    if literal.is_dir():
        raise ConfigError(
            [("data.path", f"{path} is a folder; several files are read with a glob such as {path.rstrip('/')}/*.csv")]
        )
    if literal.is_file():
        return (str(literal),)
    matches = sorted(f for f in glob.glob(str(literal), recursive=True) if Path(f).is_file())
    if not matches:
        is_glob = any(c in path for c in "*?[")
        raise ConfigError([("data.path", f"no file matches: {path}" if is_glob else f"no such file: {path}")])
    return tuple(matches)


def _first_bytes(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(4)
    except OSError as error:
        raise ConfigError([("data.path", f"cannot read {path}: {error.strerror}")]) from error


def _delimiter(line: str) -> str:
    """The most frequent candidate outside quotes; a comma for a single column."""
    unquoted = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)


def _csv_header(path: str, delimiter: str | None) -> tuple[tuple[str, ...], str]:
    """The column names of a CSV file and its delimiter."""
    opener = gzip.open if path.endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8-sig", newline="") as text:
            first = text.readline()
            separator = delimiter or _delimiter(first)
            text.seek(0)
            header = next(csv.reader(text, delimiter=separator), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([(path, _NOT_TEXT)]) from error
    except (OSError, EOFError) as error:
        raise DataError([(path, f"cannot be unpacked: {error}")]) from error
    if "\x00" in first:
        raise DataError([(path, _NOT_TEXT)])
    if not any(h.strip(_BLANKS) for h in header):
        raise DataError([(path, "the first line is empty; it must hold the column names")])
    return tuple(h.strip(_BLANKS) for h in header), separator


def _scan_csv(path: str, delimiter: str | None) -> Scan:
    headers, separator = _csv_header(path, delimiter)
    fields = tuple(f"c{i}" for i in range(len(headers)))
    columns = ", ".join(f"'{f}': 'VARCHAR'" for f in fields)
    table = (
        f"read_csv([?], auto_detect=false, header=true, delim={quoted(separator)}, quote='\"', escape='\"', "
        f"columns={{{columns}}}, ignore_errors=true, store_rejects=true, rejects_limit=0)"
    )
    return Scan(path, headers, fields, ("VARCHAR",) * len(fields), table, (glob.escape(path),), is_csv=True)


def _scan_table(con: duckdb.DuckDBPyConnection, label: str, table: str, parameters: tuple[str, ...]) -> Scan:
    rows = con.execute(f"DESCRIBE SELECT * FROM {table}", list(parameters)).fetchall()
    names = tuple(str(r[0]) for r in rows)
    fields = tuple('"' + n.replace('"', '""') + '"' for n in names)
    return Scan(label, names, fields, tuple(str(r[1]) for r in rows), table, parameters)


def _scan_file(con: duckdb.DuckDBPyConnection, path: str, delimiter: str | None) -> Scan:
    first_bytes = _first_bytes(path)
    if not first_bytes:
        raise DataError([(path, "the file is empty")])
    if first_bytes.startswith(b"PK\x03\x04"):
        raise ConfigError([("data.path", f"{path} is a workbook or an archive; export the sheet as CSV")])
    if first_bytes != b"PAR1":
        return _scan_csv(path, delimiter)
    try:
        return _scan_table(con, path, "read_parquet([?])", (glob.escape(path),))
    except duckdb.Error as error:
        raise DataError([(path, f"not a readable Parquet file ({str(error).splitlines()[0]})")]) from error


def _scan_frame(con: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> Scan:
    """A data frame as a table. All but numbers and dates becomes text, since DuckDB reads no mixed types.

    Dates with a zone keep it.
    """
    columns = pd.DataFrame(index=pd.RangeIndex(len(frame)))
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position].reset_index(drop=True)
        if not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_dtype(column.dtype)):
            column = column.astype("string")
        columns[f"c{position}"] = column.copy()  # DuckDB cannot read a reversed view
    con.register("frame", columns)
    scan = _scan_table(con, "data frame", "frame", ())
    return scan._replace(headers=tuple(str(c).strip(_BLANKS) for c in frame.columns))


def _text(field: str, kind: str) -> str:
    """SQL of a column as trimmed text; NULL where missing. Whole floats lose their '.0': 7.0 is customer 7."""
    if kind in _FLOAT_TYPES:
        whole = f"{field} = floor({field}) AND abs({field}) < 9e15"
        field = f"CASE WHEN {whole} THEN CAST({field} AS BIGINT)::VARCHAR ELSE {field}::VARCHAR END"
    missing = ", ".join(quoted(m) for m in _MISSING)
    text = f"CAST({field} AS VARCHAR)"
    edges = r"^[\s\x{a0}\x{feff}]|[\s\x{a0}\x{feff}]$"  # trim() alone is five times slower
    trimmed = f"CASE WHEN regexp_matches({text}, {quoted(edges)}) THEN trim({text}, {quoted(_BLANKS)}) ELSE {text} END"
    return f"CASE WHEN {trimmed} NOT IN ({missing}) THEN {trimmed} END"


def column_text(scan: Scan, header: str) -> str:
    """SQL of the column with that header as trimmed text; NULL where missing."""
    i = scan.headers.index(header)
    return _text(scan.fields[i], scan.types[i])


def _insert(
    con: duckdb.DuckDBPyConnection, scan: Scan, number: int, used: dict[str, str]
) -> tuple[list[BrokenLine], int]:
    """Append one file to `raw`. Returns its first 1,000 broken lines, and the number of all."""

    def text(key: str) -> str:
        absent = "'0'" if key == "amount" else "NULL"
        return column_text(scan, used[key]) if key in used else absent

    keys = (*KEYS, *covariate_keys(used))
    values = ", ".join(text(k) if k in KEYS[:3] else f"coalesce({text(k)}, '')" for k in keys)
    everything = ", ".join(f"{f}::VARCHAR" for f in scan.fields)
    select = f"SELECT {number}, row_number() OVER (), {values}, hash({everything}) FROM {scan.table}"
    try:
        con.execute(f"INSERT INTO raw {select}", list(scan.parameters))
    except duckdb.Error as error:
        raise DataError([(scan.label, f"cannot be read: {str(error).splitlines()[0]}")]) from error
    return broken_lines(con, number) if scan.is_csv else ([], 0)


def broken_lines(con: duckdb.DuckDBPyConnection, number: int) -> tuple[list[BrokenLine], int]:
    """Lines of the CSV file read last that do not fit its header: the first 1,000, and the number of all."""
    rows = con.execute(
        "SELECT line, min(error_type::VARCHAR), any_value(csv_line) FROM reject_errors "
        "GROUP BY line ORDER BY line LIMIT 1000"
    ).fetchall()
    count = con.execute("SELECT count(DISTINCT line) FROM reject_errors").fetchall()[0][0]
    con.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")
    return [BrokenLine(number, int(line), kind, str(text).strip(_BLANKS)) for line, kind, text in rows], count


def require_same_columns(scans: Sequence[Scan], used: dict[str, str]) -> None:
    """Raises ConfigError where a file lacks a column that the first one has."""
    problems = [
        (f"data.{key}", f"{scan.label} has no column {name!r}, unlike {scans[0].label}")
        for scan in scans[1:]
        for key, name in used.items()
        if scan.headers.count(name) != 1
    ]
    if problems:
        raise ConfigError(problems)


def scan_source(
    con: duckdb.DuckDBPyConnection, source: str | Path | Sequence[str] | pd.DataFrame, delimiter: str | None
) -> list[Scan]:
    """A scan per file of `source`, or of the frame. Raises as `load` does."""
    if isinstance(source, pd.DataFrame):
        if source.shape[1] == 0:
            raise DataError([("data frame", "it has no columns")])
        return [_scan_frame(con, source)]
    paths = [str(source)] if isinstance(source, str | Path) else source
    files = dict.fromkeys(file for path in paths for file in find_files(path))
    return [_scan_file(con, file, delimiter) for file in files]


def load(
    con: duckdb.DuckDBPyConnection, source: str | Path | Sequence[str] | pd.DataFrame, config: DataConfig
) -> Loaded:
    """Fill the table `raw` from `source`.

    Raises
    ------
    ConfigError
        A file or a column that is not there.
    DataError
        A file that is not what its name says, or empty.
    """
    scans = scan_source(con, source, config.delimiter)
    columns = choose_columns(scans[0].headers, config, scans[0].label)
    require_same_columns(scans, columns.used)
    covariate_columns = "".join(f", {identifier(key)} VARCHAR" for key in covariate_keys(columns.used))
    con.execute(
        "CREATE TABLE raw (file INTEGER, row BIGINT, customer_id VARCHAR, date VARCHAR, amount VARCHAR, "
        f"segment VARCHAR, channel VARCHAR{covariate_columns}, fingerprint UBIGINT)"
    )
    broken = [_insert(con, scan, number, columns.used) for number, scan in enumerate(scans)]
    con.unregister("frame")
    label = scans[0].label if len(scans) == 1 else str(source) if isinstance(source, str | Path) else ", ".join(source)
    return Loaded(
        label=label,
        files=tuple(s.label for s in scans),
        header_rows=int(scans[0].is_csv),
        columns=tuple(columns.used.items()),
        guessed=tuple((k, columns.used[k]) for k in columns.guessed),
        amounts_typed=all(_is_number(_type(s, columns.used["amount"])) for s in scans if "amount" in columns.used),
        dates_typed=all(_type(s, columns.used["date"]).startswith(("DATE", "TIMESTAMP")) for s in scans),
        broken=tuple(line for lines, _ in broken for line in lines),
        broken_rows=sum(count for _, count in broken),
    )


def _type(scan: Scan, header: str) -> str:
    return scan.types[scan.headers.index(header)]


def _is_number(kind: str) -> bool:
    return kind in _NUMBER_TYPES or kind in _FLOAT_TYPES or kind.startswith("DECIMAL")


def line_in_file(loaded: Loaded, file: int, row: int) -> int:
    """The line in the file of row `row` (from 1): header and broken lines count, blank lines do not."""
    broken = np.array([b.line for b in loaded.broken if b.file == file])
    line = row + loaded.header_rows
    return line + int(np.searchsorted(broken - np.arange(broken.size), line, side="right"))
