"""From files or a data frame to one narrow DuckDB table of text. No value is interpreted here.

DuckDB's sniffer is off: it looks at a sample, and would misread a quoted comma after row 20,000. Encoding, header and
delimiter come from `clvsim.data.files`, quotes are double quotes, every column is text, and lines that do not fit the
header are collected and counted.
"""

import atexit
import glob
import itertools
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from clvsim.data.columns import FILTERS, KEYS, PRODUCT, ROW_KEYS, choose_columns, says_what
from clvsim.data.config import DataConfig
from clvsim.data.files import BLANKS, Layout, bounded, examine, files_of, for_duckdb, kind_of, layout_of
from clvsim.data.presets import filled
from clvsim.data.workbook import read_sheet
from clvsim.errors import ConfigError, DataError
from clvsim.types import COVARIATE, QualityLine

BUNDLED = {name: Path(__file__).parent / "bundled" / f"{name}.parquet" for name in ("cdnow_sample", "cdnow_master")}
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
_NO_COLUMNS = "it has no columns"
_MEMORY_MB = (512, 1024)  # the least and the most for DuckDB, which spills the rest


@runtime_checkable
class ArrowStream(Protocol):
    """A frame of Polars, a table of Arrow, and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


Source = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | pd.DataFrame | ArrowStream


class Scan(NamedTuple):
    """One file or frame as a table that SQL can select from."""

    label: str
    headers: tuple[str, ...]
    fields: tuple[str, ...]  # SQL expression of each column
    types: tuple[str, ...]
    table: str  # SQL after FROM
    parameters: tuple[str, ...]  # none where the table is a registered frame
    is_csv: bool = False
    above: int = 0  # lines of the file that `table` does not begin with
    header_end: int = 0  # lines, or rows of a sheet, up to the end of the header
    row: str = "row_number() OVER ()"  # SQL: number of a row below the header, from 1
    readings: tuple[QualityLine, ...] = ()


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
    are named, `filter_0`, ... of `data.only` and `data.without`, and `seen_0`, ... that nobody named and that may say
    which rows are sales.
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

    def filters(self) -> dict[str, str]:
        """Column of `raw` by the header that `data.only` or `data.without` names."""
        return {header: name for name, header in self.extra if name.startswith("filter_")}


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory database that loads nothing from elsewhere, and keeps rows in file order.

    It takes a quarter of the memory that is free, within 512 MB and 1 GB, and spills the rest into a private folder.
    """
    con = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "memory_limit": f"{_memory_mb()}MiB",
            "preserve_insertion_order": "true",
            "temp_directory": str(Path(_spill_folder(os.getpid())) / str(next(_NUMBERS))),
        },
    )
    con.execute("SET TimeZone = 'UTC'")
    return con


_NUMBERS = itertools.count()


def _memory_mb() -> int:
    least, most = _MEMORY_MB
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (AttributeError, ValueError, OSError):  # not of this system
        return most
    return min(max(least, free // 4), most)


@cache
def _spill_folder(process: int) -> str:
    """A folder that nobody else can read, removed when the process that made it ends, but not by its forks."""
    folder = tempfile.mkdtemp(prefix="clvsim-duckdb-")
    atexit.register(lambda: os.getpid() == process and shutil.rmtree(folder, ignore_errors=True))
    return folder


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def covariate_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Keys, and columns of `raw`, that hold covariates."""
    return tuple(key for key in keys if key.startswith(COVARIATE))


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _scan_csv(path: str, layout: Layout, folder: str, number: int) -> Scan:
    text = examine(path, layout)
    file = for_duckdb(text, folder, number)
    fields = tuple(f"c{i}" for i in range(len(text.headers)))
    columns = ", ".join(f"'{f}': 'VARCHAR'" for f in fields)
    compression = "gzip" if text.packed and file == path else "none"
    table = (
        f"read_csv([?], auto_detect=false, header=true, delim={quoted(text.delimiter)}, quote='\"', escape='\"', "
        f"columns={{{columns}}}, compression='{compression}', ignore_errors=true, store_rejects=true, rejects_limit=0)"
    )
    return Scan(
        path,
        text.headers,
        fields,
        ("VARCHAR",) * len(fields),
        table,
        (glob.escape(file),),
        is_csv=True,
        above=text.above,
        header_end=text.header_end,
        readings=text.readings,
    )


def _scan_table(con: duckdb.DuckDBPyConnection, label: str, table: str, parameters: tuple[str, ...]) -> Scan:
    rows = con.execute(f"DESCRIBE SELECT * FROM {table}", list(parameters)).fetchall()
    names = tuple(str(r[0]) for r in rows)
    fields = tuple('"' + n.replace('"', '""') + '"' for n in names)
    return Scan(label, names, fields, tuple(str(r[1]) for r in rows), table, parameters)


def _scan_file(con: duckdb.DuckDBPyConnection, path: str, layout: Layout, folder: str, number: int) -> Scan:
    kind = kind_of(path)
    if kind == "text":
        return _scan_csv(path, layout, folder, number)
    if kind == "workbook":
        return _scan_sheet(con, path, layout, number)
    try:
        return _scan_table(con, path, "read_parquet([?])", (glob.escape(path),))
    except duckdb.Error as error:
        raise DataError([(path, f"not a readable Parquet file ({str(error).splitlines()[0]})")]) from error


def _scan_sheet(con: duckdb.DuckDBPyConnection, path: str, layout: Layout, number: int) -> Scan:
    """A sheet as a table, whose last column is the number of the row in the sheet."""
    sheet = read_sheet(path, layout)
    name = f"sheet_{number}"
    con.register(name, sheet.table)
    scan = _scan_table(con, path, name, ())
    return scan._replace(
        headers=sheet.headers,
        fields=scan.fields[:-1],
        types=scan.types[:-1],
        row=f"{scan.fields[-1]} - {sheet.header_row}",
        header_end=sheet.header_row,
        readings=sheet.readings,
    )


def _scan_frame(con: duckdb.DuckDBPyConnection, frame: pd.DataFrame, layout: Layout) -> Scan:
    """A data frame as a table. All but numbers and dates becomes text, since DuckDB reads no mixed types.

    Dates with a zone keep their local day, unless `time_zone` asks for another one: then they are UTC, as in files.
    """
    if frame.shape[1] == 0:
        raise DataError([("data frame", _NO_COLUMNS)])
    columns = pd.DataFrame(index=pd.RangeIndex(len(frame)))
    for position in range(frame.shape[1]):
        column = frame.iloc[:, position].reset_index(drop=True)
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            column = (column.dt.tz_convert("UTC") if layout.time_zone else column).dt.tz_localize(None)
        elif not (pd.api.types.is_numeric_dtype(column.dtype) or pd.api.types.is_datetime64_dtype(column.dtype)):
            column = column.astype("string")
        columns[f"c{position}"] = column.copy()  # DuckDB cannot read a reversed view
    con.register("frame", columns)
    return _scan_table(con, "data frame", "frame", ())._replace(headers=tuple(map(str, frame.columns)))


def _scan_arrow(con: duckdb.DuckDBPyConnection, source: object, layout: Layout) -> Scan:
    """A frame of Polars, an Arrow table or whatever gives a stream of Arrow's; dates as in a frame of pandas."""
    try:
        # DuckDB can take the capsule of a stream by itself, but reads it once only, and reports leaks when it fails.
        table = pa.RecordBatchReader.from_stream(source).read_all()
        if not table.column_names:
            raise DataError([("data frame", _NO_COLUMNS)])
        columns = [_local(column, layout) for column in table.columns]
        con.register("frame", pa.table(columns, [f"c{i}" for i in range(len(columns))]))
        scan = _scan_table(con, "data frame", "frame", ())
    except (duckdb.Error, pa.ArrowException, TypeError) as error:
        raise DataError([("data frame", f"cannot be read: {str(error).splitlines()[0]}")]) from error
    return scan._replace(headers=tuple(table.column_names))


def _local(column: pa.ChunkedArray, layout: Layout) -> pa.ChunkedArray:
    zone = column.type.tz if pa.types.is_timestamp(column.type) else None
    if zone is None:
        return column
    return (
        column.cast(pa.timestamp(column.type.unit))
        if layout.time_zone
        else pc.call_function("local_timestamp", [column])
    )


def _plain_names(headers: Sequence[str]) -> tuple[str, ...]:
    """Names that can be typed: without control characters, and those that occur several times with their number."""
    plain = [re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", header).strip(BLANKS) for header in headers]
    times, seen = Counter(plain), Counter[str]()
    names = []
    for name in plain:
        seen[name] += 1
        names.append(f"{name} ({seen[name]})" if name and times[name] > 1 else name)
    return tuple(names)


def _text(field: str, kind: str) -> str:
    """SQL of a column as trimmed text; NULL where missing. Whole floats lose their '.0': 7.0 is customer 7."""
    if kind in _FLOAT_TYPES:
        whole = f"{field} = floor({field}) AND abs({field}) < 9e15"
        field = f"CASE WHEN {whole} THEN CAST({field} AS BIGINT)::VARCHAR ELSE {field}::VARCHAR END"
    missing = ", ".join(quoted(m) for m in _MISSING)
    text = f"CAST({field} AS VARCHAR)"
    edges = r"^[\s\x{a0}\x{feff}]|[\s\x{a0}\x{feff}]$"  # trim() alone is five times slower
    trimmed = f"CASE WHEN regexp_matches({text}, {quoted(edges)}) THEN trim({text}, {quoted(BLANKS)}) ELSE {text} END"
    return f"CASE WHEN {trimmed} NOT IN ({missing}) THEN {trimmed} END"


def column_text(scan: Scan, header: str) -> str:
    """SQL of the column with that header as trimmed text; NULL where missing."""
    i = scan.headers.index(header)
    return _text(scan.fields[i], scan.types[i])


def _insert(
    con: duckdb.DuckDBPyConnection, scan: Scan, number: int, used: dict[str, str], extra: dict[str, str]
) -> tuple[list[BrokenLine], int]:
    """Append one file to `raw`. Returns its first 1,000 broken lines, and the number of all."""

    def text(key: str) -> str:
        absent = "'0'" if key == "amount" else "NULL"
        return column_text(scan, used[key]) if key in used else absent

    keys = (*KEYS, *covariate_keys(used))
    values = ", ".join(text(k) if k in KEYS[:3] else f"coalesce({text(k)}, '')" for k in keys)
    values += "".join(f", {column_text(scan, h) if h in scan.headers else 'NULL'}" for h in extra.values())
    everything = ", ".join(f"{f}::VARCHAR" for f in scan.fields)
    select = f"SELECT {number}, {scan.row}, {values}, hash({everything}) FROM {scan.table}"
    try:
        con.execute(f"INSERT INTO raw {select}", list(scan.parameters))
    except duckdb.Error as error:
        raise DataError([(scan.label, f"cannot be read: {str(error).splitlines()[0]}")]) from error
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


def scan_source(con: duckdb.DuckDBPyConnection, source: Source, layout: Layout, folder: str) -> list[Scan]:
    """A scan per file of `source`, or of the frame. What DuckDB cannot read is copied to `folder`. Raises as `load`."""
    if isinstance(source, pd.DataFrame | ArrowStream):
        is_pandas = isinstance(source, pd.DataFrame)
        scans = [_scan_frame(con, source, layout) if is_pandas else _scan_arrow(con, source, layout)]
    else:
        files, readings = files_of(_paths(source))
        scans = [_scan_file(con, file, layout, folder, number) for number, file in enumerate(files)]
        scans[0] = scans[0]._replace(readings=(*readings, *scans[0].readings))
    return [scan._replace(headers=_plain_names(scan.headers)) for scan in scans]


def _paths(source: object) -> Sequence[object]:
    if isinstance(source, str | os.PathLike):
        return [source]
    if isinstance(source, list | tuple):
        return source
    kind = type(source).__name__
    what = f"a log is a path, a list of paths, or a data frame (pandas, Polars, Arrow), not of the type {kind}"
    raise ConfigError([("data.path", what)])


def readings_of(scans: Sequence[Scan]) -> tuple[QualityLine, ...]:
    """What was found in the files: a line per key, which says in how many of several files."""
    found: dict[str, dict[str, QualityLine]] = {}
    for scan in scans:
        for line in scan.readings:
            found.setdefault(line.key, {})[scan.label] = line
    lines = []
    for by_file in found.values():
        first = next(iter(by_file.values()))
        if len(scans) > 1 and first.key != "twice":
            value = bounded(dict.fromkeys(line.value for line in by_file.values()), 60)
            note = f"in {len(by_file)} of {len(scans)} files, first {next(iter(by_file))}; {first.note}"
            first = first._replace(value=value, note=note)
        lines.append(first)
    return tuple(lines)


def load(con: duckdb.DuckDBPyConnection, source: Source, config: DataConfig) -> Loaded:
    """Fill the table `raw` from `source`.

    Raises
    ------
    ConfigError
        A file or a column that is not there.
    DataError
        A file that is not what its name says, or empty.
    """
    with tempfile.TemporaryDirectory(prefix="clvsim-") as folder:  # private; gone also after an error
        scans = scan_source(con, source, layout_of(config), folder)
        try:
            return _fill(con, scans, source, config)
        finally:
            for scan in scans:
                if not scan.parameters:
                    con.unregister(scan.table)


def _fill(con: duckdb.DuckDBPyConnection, scans: Sequence[Scan], source: Source, config: DataConfig) -> Loaded:
    config, readings = filled(config, scans[0].headers, scans[0].label)
    columns = choose_columns(scans[0].headers, config, scans[0].label)
    require_same_columns(scans, columns.used)
    extra = _extra(scans[0].headers, columns.used)
    more_columns = "".join(f", {identifier(key)} VARCHAR" for key in (*covariate_keys(columns.used), *extra))
    con.execute(
        "CREATE TABLE raw (file INTEGER, row BIGINT, customer_id VARCHAR, date VARCHAR, amount VARCHAR, "
        f"segment VARCHAR, channel VARCHAR{more_columns}, fingerprint UBIGINT)"
    )
    broken = [_insert(con, scan, number, columns.used, extra) for number, scan in enumerate(scans)]
    label = scans[0].label if len(scans) == 1 else bounded([str(path) for path in _paths(source)])
    return Loaded(
        label=label,
        files=tuple(s.label for s in scans),
        header_rows=tuple(scan.header_end for scan in scans),
        columns=tuple(
            (key, header) for key, header in columns.used.items() if ":" not in key or key.startswith(COVARIATE)
        ),
        guessed=tuple((k, columns.used[k]) for k in columns.guessed),
        amounts_typed=all(_is_number(_type(s, columns.used["amount"])) for s in scans if "amount" in columns.used),
        dates_typed=all(_type(s, columns.used["date"]).startswith(("DATE", "TIMESTAMP")) for s in scans),
        broken=tuple(line for lines, _ in broken for line in lines),
        broken_rows=sum(count for _, count in broken),
        readings=(*readings_of(scans), *readings),
        config=config,
        extra=tuple(extra.items()),
    )


def _extra(headers: Sequence[str], used: Mapping[str, str]) -> dict[str, str]:
    """Header by column of `raw`, of columns beside customer, date, amount and labels: see `Loaded`."""
    extra = {key: used[key] for key in (*PRODUCT[1:], *ROW_KEYS) if key in used}
    filters = dict.fromkeys(header for key, header in used.items() if key.split(":")[0] in FILTERS)
    extra |= {f"filter_{i}": header for i, header in enumerate(filters)}
    taken = {*used.values()}
    seen = [header for header in headers if header not in taken and headers.count(header) == 1 and says_what(header)]
    return extra | {f"seen_{i}": header for i, header in enumerate(seen)}


def _type(scan: Scan, header: str) -> str:
    return scan.types[scan.headers.index(header)]


def _is_number(kind: str) -> bool:
    return kind in _NUMBER_TYPES or kind in _FLOAT_TYPES or kind.startswith("DECIMAL")


def line_in_file(loaded: Loaded, file: int, row: int) -> int:
    """The line in the file of row `row` (from 1): header and broken lines count, blank lines do not."""
    broken = np.array([b.line for b in loaded.broken if b.file == file])
    line = row + loaded.header_rows[file]
    return line + int(np.searchsorted(broken - np.arange(broken.size), line, side="right"))
