"""Files as they come out of other programs: where they are, what they are, their encoding, and the line of the header.

No value is interpreted here. DuckDB reads UTF-8 from the header on; whatever else a text file is becomes a copy of that
kind, written as a stream.
"""

import codecs
import csv
import glob
import gzip
import io
import os
import re
import shutil
import stat
import statistics
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from clvsim.data.config import Source
from clvsim.errors import ConfigError, DataError
from clvsim.texts import short
from clvsim.types import QualityLine

LONGEST_LINE = 2_097_152  # bytes; DuckDB's own limit
BLANKS = " \t\r\n\u00a0\ufeff"
NOT_TEXT = "not UTF-8 text; save it as “CSV UTF-8”"
_DELIMITERS = ",;\t|"
_CHUNK = 1 << 20
_SAMPLE = 1 << 17  # characters in which the header is looked for, and to the end of that line
_ROWS, _NEXT = 1000, 50  # rows in which it is looked for, and rows below it that must be like it
_SPAN = 10  # lines that it may have
_OPENS = re.compile(rf'(^|[{_DELIMITERS}])\s*"')

_ASCII = bytes(range(128))
_NEITHER = bytes([*range(9), *range(14, 32), 0x81, 0x8D, 0x8F, 0x90, 0x9D])  # in no text of Windows-1252
_CONTROLS = bytes([*range(1, 9), *range(14, 32)])
_NULS = "it holds NUL characters, as damaged files do; remove them, or export it again"
_LONGEST_NAME, _LONGEST_PATH = 255, 4096  # bytes, of all file systems in use
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_OPEN_END = re.compile(rb"[\xc2-\xf4][\x80-\xbf]{0,3}\Z")  # a character of UTF-8 that may go on in the next chunk
_WORD = re.compile(rb"[A-Za-z\x80-\xff]{0,20}[\x80-\xff][A-Za-z\x80-\xff]{0,20}")

Kind = Literal["text", "parquet", "workbook"]
_NO_TABLES = (  # how a file starts that is none, and what it is
    (re.compile(rb"BZh\d1AY&SY|\xfd7zXZ\x00|7z\xbc\xaf\x27\x1c|\x28\xb5\x2f\xfd|Rar!\x1a"), "an archive; unpack it"),
    (re.compile(rb"%PDF-"), "a PDF; export the table as CSV"),
    (re.compile(rb"\s*<(!doctype|html|table|\?xml)", re.I), "HTML or XML; open it in a spreadsheet and save it as CSV"),
    (re.compile(rb'\s*(\[\s*)?\{\s*"'), "JSON; export the table as CSV"),
)


class Layout(NamedTuple):
    """What the configuration says of the form of a file; None: found."""

    delimiter: str | None = None
    encoding: str | None = None
    skip: int | None = None
    sheet: str | None = None
    time_zone: str | None = None


def layout_of(section: Source) -> Layout:
    """The keys of a section that a layout has; a section need not have them all."""
    return Layout(*(getattr(section, key, None) for key in Layout._fields))


class Text(NamedTuple):
    """A text file with a header, and how to read it."""

    path: str
    packed: bool  # by gzip
    codec: str  # Python's name for it
    mixed: bool  # lines end in several ways, or some in quotes do
    headers: tuple[str, ...]
    delimiter: str
    above: int  # lines above the header
    header_end: int  # lines up to the end of the header
    readings: tuple[QualityLine, ...]


# --- which files -----------------------------------------------------------------------------------------------------


def find_files(path: str) -> tuple[str, ...]:
    """The file `path`, or the files that match it as a glob, sorted by name.

    Raises ConfigError for a folder or a pipe, and where there is no such file.
    """
    literal = Path(path).expanduser()
    if max(len(os.fsencode(part)) for part in (*literal.parts, "")) > _LONGEST_NAME or len(path) > _LONGEST_PATH:
        what = f"no such file: {short(path, 60)} has {len(path):,} characters, which no file's name has"
        raise ConfigError([("data.path", what)])
    if literal.is_dir():
        raise ConfigError(
            [("data.path", f"{path} is a folder; several files are read with a glob such as {path.rstrip('/')}/*.csv")]
        )
    if literal.is_file():
        return (str(literal),)
    if path == "-" or _is_stream(literal):
        what = f"{path} is a pipe, and a file is read twice; write it to a file first, e.g. COMMAND > orders.csv"
        raise ConfigError([("data.path", what)])
    matches = sorted(f for f in glob.glob(str(literal), recursive=True) if Path(f).is_file())
    if not matches:
        is_glob = any(c in path for c in "*?[")
        raise ConfigError([("data.path", f"no file matches: {path}" if is_glob else f"no such file: {path}")])
    return tuple(matches)


def _is_stream(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


def files_of(
    paths: Sequence[object], find: Callable[[str], tuple[str, ...]] = find_files
) -> tuple[tuple[str, ...], tuple[QualityLine, ...]]:
    """The files of paths and globs, each once as `find` has them, and a line about those that are named twice.

    Raises ConfigError with every path that is none, or that has no file.
    """
    files: dict[str, str] = {}
    again: dict[str, None] = {}
    problems = []
    for path in paths:
        if not isinstance(path, str | os.PathLike):
            kind = type(path).__name__
            problems.append(("data.path", f"each item must be the path of a file, one is of the type {kind}"))
            continue
        try:
            for file in find(os.fspath(path)):
                if (real := file if "://" in file else os.path.realpath(file)) in files:
                    again[file] = None
                files.setdefault(real, file)
        except ConfigError as error:
            problems += error.problems
    if not paths:
        problems.append(("data.path", "no file given; type data.path=orders.csv"))
    if problems:
        raise ConfigError(problems)
    note = f"read once: {bounded(again)}"
    line = QualityLine("twice", "Files given twice", str(len(again)), note, "warning")
    return tuple(files.values()), (line,) if again else ()


def bounded(texts: Iterable[str], limit: int = 300) -> str:
    """Texts with commas between them, cut after `limit` characters."""
    joined = ", ".join(texts)
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"


def kind_of(path: str) -> Kind:
    """What a file is, by how it starts. Raises ConfigError or DataError for what is no table."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise ConfigError([("data.path", f"cannot read {path}: {error.strerror}")]) from error
    return kind_by_start(start, path)


def kind_by_start(start: bytes, path: str) -> Kind:
    """As `kind_of`, of a file's first bytes."""
    if not start:
        raise DataError([(path, "the file is empty")])
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")):
        return "workbook"
    if start.startswith(b"PAR1"):
        return "parquet"
    for pattern, what in _NO_TABLES:
        if pattern.match(start.removeprefix(codecs.BOM_UTF8)):
            raise ConfigError([("data.path", f"{path} is {what}")])
    return "text"


# --- text ------------------------------------------------------------------------------------------------------------


def examine(path: str, layout: Layout) -> Text:
    """How to read a text file. All of it is read once, for a byte that is not UTF-8 may stand anywhere.

    Raises DataError for a file that is no text, is broken, or has no header.
    """
    try:
        packed = _is_packed(path)
        codec, example, mixed = _codec(path, packed, layout.encoding)
        with _opened(path, packed) as stream, _decoded(stream, codec) as text:
            sample = text.read(_SAMPLE)
            sample += text.readline(LONGEST_LINE)  # a header may be longer
            whole = not text.read(1)
    except UnicodeError as error:
        name = layout.encoding or "UTF-16"
        raise DataError([(path, f"not {name} text, which its bytes or data.encoding say it is")]) from error
    except (OSError, EOFError, zlib.error) as error:
        raise DataError([(path, "cannot be unpacked: the archive is damaged, or cut off; pack it again")]) from error
    if not sample:
        raise DataError([(path, "the file is empty")])
    readings = []
    if layout.encoding is None and codec not in ("utf-8", "utf-8-sig"):
        name = "UTF-16" if codec.startswith("utf-16") else "Windows-1252 (Latin-1)"
        note = f"e.g. {example!r}; if that is misspelt, save the file as “CSV UTF-8”" if example else ""
        readings.append(QualityLine("encoding", "Encoding", name, note))
    try:
        delimiter, above, header_end, headers = _header(sample, whole, layout)
    except csv.Error as error:
        what = _NULS if "\0" in sample else "its first lines are no table; is a quote never closed?"
        raise DataError([(path, what)]) from error
    if not any(h.strip(BLANKS) for h in headers):
        raise DataError([(path, f"line {above + 1} is empty; it must hold the column names")])
    if above and layout.skip is None:
        note = f"left out: the column names are in line {above + 1}; data.skip=N chooses another one"
        readings.append(QualityLine("skip", "Lines above the header", str(above), note))
    return Text(path, packed, codec, mixed, headers, delimiter, above, header_end, tuple(readings))


def for_duckdb(text: Text, folder: str, number: int) -> str:
    """The file itself, or a copy in `folder` that is UTF-8, starts with a header in one line, and ends all alike.
    Raises DataError.

    DuckDB takes the first end of a line, which may be one inside of a name, for that of all lines, and gives up at
    another one outside of quotes.
    """
    if text.codec in ("utf-8", "utf-8-sig") and text.header_end == 1 and not text.mixed:
        return text.path
    copy = Path(folder) / f"{number}.csv"
    try:
        with (
            _opened(text.path, text.packed) as stream,
            _decoded(stream, text.codec) as lines,
            copy.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
        ):
            for _ in range(text.header_end):
                line = lines.readline()
            out.write(text.delimiter.join(f"c{i}" for i in range(len(text.headers))))
            end = line[len(line.rstrip("\r\n")) :]
            out.write(end)
            if text.mixed:
                out.writelines(_ending_alike(lines, end, text.delimiter))
            else:
                shutil.copyfileobj(lines, out, _CHUNK)
    except UnicodeError as error:
        raise DataError([(text.path, f"not {text.codec} text, which its bytes or data.encoding say it is")]) from error
    except OSError as error:
        raise DataError([(text.path, f"cannot be copied to {folder}: {error.strerror}")]) from error
    return str(copy)


def _ending_alike(lines: Iterable[str], end: str, delimiter: str) -> Iterator[str]:
    """Lines that all end in `end`, but for those that end inside of quotes: these open where a field begins."""
    in_quotes = re.compile(rf'(?:^|{re.escape(delimiter)})\s*"(?:[^"]++|"")*+("?)')
    inside = False
    for line in lines:
        if inside or '"' in line:
            inside = "" in in_quotes.findall(f'"{line}' if inside else line)
        body = line.rstrip("\r\n")
        yield line if inside or body == line else body + end


def _is_packed(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _opened(path: str, packed: bool) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if packed else Path(path).open("rb")


def _decoded(stream: gzip.GzipFile | io.BufferedReader, codec: str) -> io.TextIOWrapper:
    """Bytes that are not UTF-8 in a file that is otherwise pass as they are: DuckDB counts their lines as broken."""
    errors = "surrogateescape" if codec.startswith("utf-8") else "strict"
    return io.TextIOWrapper(stream, codec, errors, newline="")


def _codec(path: str, packed: bool, typed: str | None) -> tuple[str, str, bool]:
    """The encoding of a file, a word that shows it, and whether its lines may end in several ways.

    Text that is not UTF-8 is Windows-1252, which is Latin-1 with signs such as € where that has control characters,
    unless there are more characters of UTF-8 in it than bytes that are none: such a file is damaged.
    """
    strays = sequences = line_bytes = lines = 0
    neither, example, carried = False, b"", b""
    ends, before = set[bytes](), b""
    with _opened(path, packed) as stream:
        start = stream.read(4096)
        stream.seek(0)
        known = _utf_16(start, typed) or (typed if typed != "utf-8" else None)
        if b"\x00" in start and not known:
            raise DataError([(path, _with_nuls(start))])
        while chunk := stream.read(_CHUNK):
            line_bytes, lines = _longest(path, chunk, line_bytes, lines)
            ends |= _ends(before + chunk.removesuffix(b"\r"))
            before = b"\r" if chunk.endswith(b"\r") else b""
            if known or (chunk.isascii() and not carried):
                continue
            chunk = carried + chunk
            carried = end.group() if (end := _OPEN_END.search(chunk[-4:])) else b""
            found = _strays(chunk[: len(chunk) - len(carried)])
            strays, sequences = strays + found[0], sequences + found[1]
            if found[0]:
                neither = neither or len(chunk.translate(None, _NEITHER)) < len(chunk)
                example = example or _shown(chunk)
    mixed = len(ends | _ends(before)) > 1
    if known:
        return known, "", mixed
    found = _strays(carried)
    strays, sequences = strays + found[0], sequences + found[1]
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "", mixed
    if typed or not strays or sequences > strays:
        return "utf-8", "", mixed
    if neither:
        raise DataError([(path, NOT_TEXT)])
    return "cp1252", (example or carried).decode("cp1252", "replace"), mixed


def _with_nuls(start: bytes) -> str:
    """What is wrong with a file that starts so, with zeros in it."""
    if not start.strip(b"\0"):
        return f"it begins with {len(start):,} NUL characters and no text, as damaged files do; export it again"
    return NOT_TEXT if _is_binary(start) and _strays(start)[0] else _NULS


def _is_binary(start: bytes) -> bool:
    """Whether there is more than a few stray zeros that is in no text."""
    return 10 * start.count(0) > len(start) or len(start.translate(None, _CONTROLS)) < len(start)


def _ends(chunk: bytes) -> set[bytes]:
    """How lines end."""
    if b"\r" not in chunk:
        return {b"\n"} if b"\n" in chunk else set()
    both = chunk.count(b"\r\n")
    return {end for end in (b"\n", b"\r") if chunk.count(end) > both} | ({b"\r\n"} if both else set())


def _shown(chunk: bytes) -> bytes:
    """The first word with a byte that is not UTF-8."""
    word = _WORD.search(_SEQUENCE.sub(b" ", chunk))
    return word.group() if word else b""


def _utf_16(start: bytes, typed: str | None) -> str:
    """Python's name of the kind of UTF-16, by the mark at the start or by where the zeros are; "" for none."""
    if typed not in (None, "utf-16") or start.startswith(codecs.BOM_UTF32_LE):
        return ""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    first, second = start[::2].count(0), start[1::2].count(0)
    if max(first, second) > 0.15 * len(start) and max(first, second) > 5 * min(first, second):
        return "utf-16-le" if second > first else "utf-16-be"
    return "utf-16-le" if typed else ""


def _strays(chunk: bytes) -> tuple[int, int]:
    """The number of bytes that are not UTF-8, and about that of characters beyond ASCII."""
    beyond = len(chunk.translate(None, _ASCII))
    try:
        chunk.decode()
    except UnicodeDecodeError:
        sequences = _SEQUENCE.findall(chunk)
        return max(beyond - sum(map(len, sequences)), 1), len(sequences)
    return 0, beyond // 2


def _longest(path: str, chunk: bytes, line_bytes: int, lines: int) -> tuple[int, int]:
    """Bytes since the last end of a line, and ends of lines so far. Raises DataError for a line that is too long."""
    ends = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
    first = min((end for end in (chunk.find(b"\n"), chunk.find(b"\r")) if end >= 0), default=len(chunk))
    if line_bytes + first > LONGEST_LINE:
        what = f"line {lines + 1} is longer than {LONGEST_LINE / 1e6:.0f} MB, which no row of a table is"
        raise DataError([(path, f"{what}; is a quote never closed, or is it no CSV?")])
    lines += chunk.count(b"\n") or chunk.count(b"\r")
    return (line_bytes + len(chunk) if ends < 0 else len(chunk) - ends - 1), lines


# --- the header ------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    above: int  # lines before it
    end: int  # lines up to its end
    fields: tuple[str, ...]


def _header(sample: str, whole: bool, layout: Layout) -> tuple[str, int, int, tuple[str, ...]]:
    """Delimiter, lines above the header, lines up to its end, and its fields.

    Unless `skip` says so it is the first line that is not blank. Where the lines below do not look like it, it is the
    one that `header_position` finds, with the delimiter by which the table has the most columns.
    """
    lines = list(io.StringIO(sample, newline=""))
    above = layout.skip
    if above is None:
        above = next((i for i in range(len(lines)) if _may_be_header(lines, i)), 0)
    first = lines[above] if above < len(lines) else ""
    delimiter = layout.delimiter or _delimiter(first)
    rows = _rows(lines[above:], whole, delimiter, above)
    header = rows[0] if rows and rows[0].above == above else _Row(above, above + 1, ())
    if layout.skip is not None or header_position([row.fields for row in rows]) == 0:
        return delimiter, header.above, header.end, header.fields
    found = []
    for candidate in layout.delimiter or _DELIMITERS:
        with suppress(csv.Error):  # a line without it is one field, which may be too long
            rows = _rows(lines[above:], whole, candidate, above)
            if (position := header_position([row.fields for row in rows])) is not None:
                found.append((len(rows[position].fields), candidate, rows[position]))
    if found:
        _, delimiter, header = max(found, key=lambda one: one[0])
    return delimiter, header.above, header.end, header.fields


def _may_be_header(lines: Sequence[str], i: int) -> bool:
    """Whether line `i` holds something, and no quote opens in it that is not closed in the next lines."""
    if not lines[i].strip(BLANKS + _DELIMITERS + '"'):
        return False
    is_open = lines[i].count('"') % 2 == 1 and _OPENS.search(lines[i])
    return not is_open or any(line.count('"') % 2 for line in lines[i + 1 : i + _SPAN])


def _delimiter(line: str) -> str:
    """The most frequent candidate outside quotes; a comma for a single column."""
    unquoted = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=unquoted.count)


def _rows(lines: Sequence[str], whole: bool, delimiter: str, above: int) -> list[_Row]:
    """The first rows that are not blank; the last one of a sample may be cut."""
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[_Row] = []
    start = 0
    try:
        for fields in reader:
            if any(field.strip(BLANKS) for field in fields):
                rows.append(_Row(above + start, above + reader.line_num, tuple(f.strip(BLANKS) for f in fields)))
            start = reader.line_num
            if len(rows) > _ROWS:
                return rows
    except csv.Error:
        if not rows:
            raise
    return rows if whole or len(rows) < 2 else rows[:-1]


def header_position(rows: Sequence[Sequence[Any]], ragged: bool = False) -> int | None:
    """Which of `rows` names the columns: the first with as many fields as most of the next ones, two or more.

    None where it has a field like a number or a date, or there is no such row. Rows of text have all their fields;
    those of a sheet are `ragged`: they end with the last cell that is not empty, and the header is as long as half of
    the next rows or longer.
    """
    sizes = [len(row) for row in rows]
    for i, row in enumerate(rows[:-1]):
        following = sizes[i + 1 : i + 1 + _NEXT]
        usual = statistics.median_low(following) if ragged else statistics.mode(following)
        if usual < 2 or (not ragged and 2 * following.count(usual) <= len(following)):
            continue
        filled = sum(field not in (None, "") for field in row)
        if (sizes[i] >= usual if ragged else sizes[i] == usual) and filled > max(1, sizes[i] // 2):
            return None if any(map(_is_value, row)) else i
    return None


def _is_value(field: Any) -> bool:
    """Whether a field is a number or a date rather than a name: as many digits as letters."""
    if not isinstance(field, str):
        return field is not None
    digits = sum(map(str.isdigit, field))
    return digits > 0 and digits >= sum(map(str.isalpha, field))
