"""A sheet of a workbook (.xlsx, .xlsm, .xlsb, .xls, .ods) as an Arrow table. Formulas are not computed.

A cell has the value with which it was saved: nothing where a formula was never computed, or gave an error.
"""

import datetime as dt
import itertools
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from clvsim.data.files import BLANKS, Layout, bounded, header_position
from clvsim.errors import ConfigError, DataError
from clvsim.types import QualityLine

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_MOST_BYTES, _MOST_RATIO, _RATIO_FROM = 2**30, 300, 2**26  # unpacked; and to one packed, from that size on
_MOST_CELLS = 2**26  # of the rectangle that holds a sheet's cells: all of it is in memory
_BLOCK = 20_000  # rows
_SAMPLE_ROWS = 1000  # in which the header is looked for
_PROTECTED = "protected by a password; save it without one"
_CELL = re.compile(rb"""<(?:\w+:)?c\s(?:[^<>]*\s)?r=["']([A-Z]{1,3})(\d{1,7})["'][^<>]*(?<!/)>""")

_OPEN_DOCUMENT = re.compile(rb"<table:(?:covered-)?(table|table-row|table-cell)\b(?!-)([^<>]*)>")
_REPEATED = re.compile(rb"""number-(?:rows|columns)-repeated=["'](\d{1,9})["']""")


class Sheet(NamedTuple):
    """A table of columns c0, c1, … (numbers, dates or text) and `line`, the number of the row in the sheet, from 1."""

    table: pa.Table
    headers: tuple[str, ...]
    header_row: int
    readings: tuple[QualityLine, ...]


def read_sheet(path: str, layout: Layout) -> Sheet:
    """The sheet that `layout` names, or the only one with a table.

    Raises ConfigError for a sheet that is not there or has to be chosen, and for an archive that is no workbook;
    DataError for a workbook that is protected, broken, too large or empty.
    """
    from python_calamine import CalamineError, PasswordError

    _check_archive(path)
    try:
        with _unheard(), _open(path) as workbook:
            sheet, readings = _choose(workbook, path, layout.sheet)
            return _table(sheet, path, layout.skip, readings)
    except PasswordError as error:
        raise DataError([(path, _PROTECTED)]) from error
    except BaseException as error:
        if not isinstance(error, CalamineError) and type(error).__name__ != "PanicException":  # which is no Exception
            raise
        what = f"{path} is a workbook that cannot be opened"
        raise ConfigError([("data.path", f"{what}; export the sheet as CSV")]) from error


@contextmanager
def _unheard() -> Generator[None]:
    """Nothing on stderr: where the reader gives up over a damaged sheet it prints a stack, whatever it is asked."""
    kept = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)


def _open(path: str) -> "CalamineWorkbook":
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        with Path(path).open("rb") as file:
            return CalamineWorkbook.from_filelike(file)  # whatever its name
    except CalamineError:
        return CalamineWorkbook.from_path(path)  # says what is wrong, a password too


# --- before it is unpacked -------------------------------------------------------------------------------------------


def _check_archive(path: str) -> None:
    """Raises for an archive that is no workbook, or that is too large when it is unpacked."""
    with Path(path).open("rb") as file:
        if file.read(2) != b"PK":
            return
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            unpacked = sum(part.file_size for part in parts)
            ratio = unpacked / max(1, sum(part.compress_size for part in parts))
            if unpacked > _MOST_BYTES or (unpacked > _RATIO_FROM and ratio > _MOST_RATIO):
                what = f"unpacked it has {unpacked / 2**20:,.0f} MB, {ratio:,.0f} times its size"
                raise DataError([(path, f"{what}: no workbook is read that large; export the sheet as CSV")])
            if not names & {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}:
                raise ConfigError([("data.path", f"{path} is an archive; unpack it")])
            for part in parts:
                if re.fullmatch(r"xl/worksheets/[^/]+\.xml", part.filename):
                    _check_extent(path, _extent(_texts(archive, part)))
                elif part.filename == "content.xml":
                    _check_extent(path, _extent_of_open_document(_texts(archive, part)))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, OSError, ValueError, struct.error) as error:
        what = f"{path} is a workbook or an archive that cannot be opened; export the sheet as CSV"
        raise ConfigError([("data.path", what)]) from error


def _check_extent(path: str, extent: tuple[int, int]) -> None:
    """Raises DataError for a sheet whose cells lie so far apart that the rectangle around them fills the memory."""
    rows, columns = extent
    if rows * columns > _MOST_CELLS:
        what = f"a sheet reaches to row {rows:,} and to column {columns:,}, which is more than can be read"
        raise DataError([(path, f"{what}; clear the cells beside and below the table, or export it as CSV")])


def _texts(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Iterator[bytes]:
    """The part piece by piece, each of whole tags."""
    rest = b""
    with archive.open(part) as stream:
        while chunk := stream.read(2**20):
            whole, end, rest = (rest + chunk).rpartition(b">")
            yield whole + end
    yield rest


def _extent(texts: Iterator[bytes]) -> tuple[int, int]:
    """The last row and the last column with a cell that is not empty, from 1."""
    last_row, columns = 0, set[bytes]()
    for text in texts:
        for column, row in _CELL.findall(text):
            columns.add(column)
            last_row = max(last_row, int(row))
    return last_row, max(map(_column_number, columns), default=0)


def _extent_of_open_document(texts: Iterator[bytes]) -> tuple[int, int]:
    """The same, of the largest sheet: cells and rows are there once, with how often they are repeated."""
    row = column = repeated = last_row = last_column = 0
    for text in texts:
        for tag, attributes in _OPEN_DOCUMENT.findall(text):
            times = int(found[1]) if (found := _REPEATED.search(attributes)) else 1
            if tag == b"table":
                row = repeated = 0
            elif tag == b"table-row":
                row, column, repeated = row + repeated, 0, times
            else:
                column += times
                if b"value-type=" in attributes:
                    last_row, last_column = max(last_row, row + repeated), max(last_column, column)
    return last_row, last_column


def _column_number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = 26 * number + letter - ord("A") + 1
    return number


# --- the sheet -------------------------------------------------------------------------------------------------------


def _choose(
    workbook: "CalamineWorkbook", path: str, wanted: str | None
) -> tuple["CalamineSheet", tuple[QualityLine, ...]]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    names = workbook.sheet_names
    listed = bounded(map(repr, names))
    if wanted is not None:
        if wanted not in names:
            raise ConfigError([("data.sheet", f"{path} has no sheet {wanted!r}; there is {listed}")])
        return workbook.get_sheet_by_name(wanted), ()
    visible = {
        sheet.name
        for sheet in workbook.sheets_metadata
        if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
    }
    sheets = [workbook.get_sheet_by_name(name) for name in names if name in visible]
    filled = [sheet for sheet in sheets if sheet.height]
    tables = [sheet for sheet in filled if sheet.height > 1 and sheet.width > 1]
    if len(tables) > 1:
        shown = bounded(repr(sheet.name) for sheet in tables)
        what = f"{path} has {len(tables)} sheets with rows: {shown}; type data.sheet={tables[0].name!r} or another"
        raise ConfigError([("data.sheet", what)])
    if not filled:
        raise DataError([(path, "the workbook has no rows" + (" in a sheet that is shown" if len(names) > 1 else ""))])
    sheet = (tables or filled)[0]
    if len(names) == 1:
        return sheet, ()
    return sheet, (QualityLine("sheet", "Sheet", sheet.name, f"the only table of {len(names)} sheets: {listed}"),)


def _table(sheet: "CalamineSheet", path: str, skip: int | None, readings: tuple[QualityLine, ...]) -> Sheet:
    """The rows below the header; those without any value are left out."""
    header_row, header = _header(sheet, path, skip)
    if header_row > 1 and skip is None:
        note = f"left out: the column names are in row {header_row}; data.skip=N chooses another one"
        readings = (*readings, QualityLine("skip", "Lines above the header", str(header_row - 1), note))
    kinds = [set[type]() for _ in range(sheet.width)]
    for _, row in _rows(sheet, header_row):
        for kind, value in zip(kinds, row, strict=True):
            kind.add(type(value) if value != "" else type(None))
    types = [*map(_type, kinds), pa.int64()]
    schema = pa.schema([(f"c{i}", kind) for i, kind in enumerate(types[:-1])] + [("line", pa.int64())])
    batches = []
    for block in itertools.batched(_rows(sheet, header_row), _BLOCK):
        columns = [*zip(*(row for _, row in block), strict=True), [number for number, _ in block]]
        arrays = [_array(values, kind) for values, kind in zip(columns, types, strict=True)]
        batches.append(pa.record_batch(arrays, schema=schema))
    headers = tuple(_text(value) or "" for value in header)
    return Sheet(pa.Table.from_batches(batches, schema), headers, header_row, readings)


def _header(sheet: "CalamineSheet", path: str, skip: int | None) -> tuple[int, list[Any]]:
    """The number of the header's row in the sheet, from 1, and its cells. Raises DataError where it is empty."""
    if skip is not None:
        header = next(itertools.islice(sheet.iter_rows(), skip, None), [])
        if all(value == "" for value in header):
            raise DataError([(path, f"row {skip + 1} is empty; it must hold the column names")])
        return skip + 1, header
    rows = list(itertools.islice(_rows(sheet, 0), _SAMPLE_ROWS))
    if not rows:
        raise DataError([(path, f"the sheet {sheet.name!r} has no rows")])
    return rows[header_position([_without_end(row) for _, row in rows], ragged=True) or 0]


def _rows(sheet: "CalamineSheet", above: int) -> Iterator[tuple[int, list[Any]]]:
    """Rows that are not empty, with their numbers in the sheet, after the first `above`."""
    numbered = enumerate(itertools.islice(sheet.iter_rows(), above, None), above + 1)
    return ((number, row) for number, row in numbered if any(value != "" for value in row))


def _without_end(row: Sequence[Any]) -> Sequence[Any]:
    """The cells up to the last one that is not empty."""
    return row[: max((i for i, value in enumerate(row, 1) if value != ""), default=0)]


def _type(kinds: set[type]) -> pa.DataType:
    kinds = kinds - {type(None)}
    if kinds and kinds <= {int, float}:
        return pa.float64()
    if kinds == {dt.date}:
        return pa.date32()
    return pa.timestamp("us") if kinds and kinds <= {dt.date, dt.datetime} else pa.string()


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.string():
        return pa.array([_text(value) for value in values], kind)
    if kind == pa.timestamp("us"):
        values = [dt.datetime.combine(v, dt.time()) if type(v) is dt.date else v for v in values]
    return pa.array([None if value == "" else value for value in values], kind)


def _text(value: Any) -> str | None:
    """A cell as text: whole numbers without .0, dates as 2024-01-31; None where it is empty."""
    if isinstance(value, str):
        return value.strip(BLANKS) or None
    if isinstance(value, float) and value.is_integer() and abs(value) < 9e15:
        return str(int(value))
    return str(value)
