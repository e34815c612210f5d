"""Files and frames as tables that SQL can select from.

DuckDB's sniffer is off: it looks at a sample, and would misread a quoted comma after row 20,000. Encoding, header and
delimiter come from `clvsim.data.files`, quotes are double quotes, every column is text, and lines that do not fit the
header are collected and counted.
"""

import glob
import os
import re
import tempfile
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol, runtime_checkable

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from clvsim.data.database import in_our_words, quoted
from clvsim.data.files import BLANKS, Kind, Layout, bounded, examine, files_of, for_duckdb
from clvsim.data.objects.store import Files, reading
from clvsim.data.workbook import read_sheet
from clvsim.errors import ConfigError, DataError
from clvsim.types import QualityLine

_ROW_OF_FILE = "file_row_number"
_NO_COLUMNS = "it has no columns"


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

    def type_of(self, header: str) -> str:
        return self.types[self.headers.index(header)]


@contextmanager
def scanned(con: duckdb.DuckDBPyConnection, source: Source, layout: Layout) -> Generator[list[Scan]]:
    """A scan per file or object of `source`, or of the frame; they are read inside. Raises as `load`.

    What DuckDB cannot read is copied to a folder that is private, and gone afterwards, also after an error.
    """
    with tempfile.TemporaryDirectory(prefix="clvsim-") as folder, reading(con, folder) as files:
        yield scan_source(con, source, layout, folder, files)


def scan_source(
    con: duckdb.DuckDBPyConnection, source: Source, layout: Layout, folder: str, files: Files
) -> list[Scan]:
    """As `scanned`, with `files` that are being read."""
    if isinstance(source, pd.DataFrame | ArrowStream):
        is_pandas = isinstance(source, pd.DataFrame)
        scans = [_scan_frame(con, source, layout) if is_pandas else _scan_arrow(con, source, layout)]
    else:
        found, readings = files_of(paths_of(source), files.find)
        kinds = [files.kind_of(file) for file in found]
        if layout.sheet is not None and "workbook" not in kinds:
            raise ConfigError([("data.sheet", f"{layout.sheet!r} is asked for, and {bounded(found)} is no workbook")])
        listed = enumerate(zip(found, kinds, strict=True))
        scans = [_scan_file(con, file, kind, layout, folder, number, files) for number, (file, kind) in listed]
        scans[0] = scans[0]._replace(readings=(*readings, *scans[0].readings))
    return [scan._replace(headers=_plain_names(scan.headers)) for scan in scans]


def paths_of(source: object) -> Sequence[object]:
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
        above=text.header_end - 1,
        header_end=text.header_end,
        readings=text.readings,
    )


def _scan_table(con: duckdb.DuckDBPyConnection, label: str, table: str, parameters: tuple[str, ...]) -> Scan:
    rows = con.execute(f"DESCRIBE SELECT * FROM {table}", list(parameters)).fetchall()
    names = tuple(str(r[0]) for r in rows)
    fields = tuple('"' + n.replace('"', '""') + '"' for n in names)
    return Scan(label, names, fields, tuple(str(r[1]) for r in rows), table, parameters)


def _scan_file(
    con: duckdb.DuckDBPyConnection, path: str, kind: Kind, layout: Layout, folder: str, number: int, files: Files
) -> Scan:
    if kind == "text":
        return _scan_csv(files.local(path, kind), layout, folder, number)._replace(label=path)
    if kind == "workbook":
        return _scan_sheet(con, files.local(path, kind), layout, number)._replace(label=path)
    table = files.table(path) if files.holds(path) else glob.escape(path)
    try:
        scan = _scan_table(con, path, "read_parquet([?])", (table,))
    except duckdb.Error as error:
        raise DataError([(path, "not a readable Parquet file: it is damaged, or cut off; export it again")]) from error
    if _ROW_OF_FILE in map(str.lower, scan.headers):
        return scan
    # Rows that the reader numbers can be read by several threads.
    return scan._replace(table=f"read_parquet([?], {_ROW_OF_FILE}=true)", row=f"{_ROW_OF_FILE} + 1")


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
        raise DataError([("data frame", f"cannot be read: {in_our_words(error)}")]) from error
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
