"""A table of split tests, as a founder keeps it: one row per test, in a small CSV file beside the scenarios."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from clvsim.schema import LARGEST
from clvsim.texts import CONTROLS, short_repr

COUNTS = ("control_n", "control_successes", "variant_n", "variant_successes")
COLUMNS = ("name", *COUNTS)
MOST_BYTES, MOST_TESTS, MOST_COLUMNS = 1 << 18, 500, 100
LONGEST_TEST_NAME = 200  # characters
_MOST_PROBLEMS = 5
_SEPARATORS = ",;\t"


def read_tests(path: str) -> list[dict[str, Any]]:
    """The rows of a CSV file with the columns `COLUMNS`, as `{name, n: [control, treated], x: [control, treated]}`.

    Other columns are left alone; columns are separated by commas, semicolons or tabs, whichever the header has most of.
    Raises ValueError with everything that is wrong, rows counted from the header, which is row 1.
    """
    table = _rows(_text(path), path)
    header = [name.strip().casefold() for name in table[0]]
    if missing := [name for name in COLUMNS if header.count(name) != 1]:
        twice = [name for name in missing if name in header]
        what = f"has {twice[0]} twice" if twice else f"has no column {missing[0]}"
        raise ValueError(f"{path} {what}; its columns are to be {', '.join(COLUMNS)}")
    place = [header.index(name) for name in COLUMNS]
    tests, problems = [], []
    for number, row in enumerate(table[1:], start=2):
        if not any(field.strip() for field in row):
            continue
        fields = [row[at].strip() if at < len(row) else "" for at in place]
        if found := list(_problems(fields)):
            problems += [f"row {number}: {what}" for what in found]
            continue
        n0, x0, n1, x1 = map(int, fields[1:])
        tests.append({"name": fields[0], "n": [n0, n1], "x": [x0, x1]})
    if problems:
        more = f"; and {len(problems) - _MOST_PROBLEMS} more" if len(problems) > _MOST_PROBLEMS else ""
        raise ValueError(f"{path}: {'; '.join(problems[:_MOST_PROBLEMS])}{more}")
    return tests


def _text(path: str) -> str:
    """The file's text. A scenario that somebody sent names only what lies where one works."""
    if Path(path).is_absolute() or ".." in Path(path).parts or path.startswith("~"):
        raise ValueError(f"a file of the current folder is needed, such as tests.csv, got {short_repr(path)}")
    try:
        if not Path(path).is_file():  # a pipe may never end
            raise ValueError(f"no file {short_repr(path)} in the current folder")
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{short_repr(path)} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES >> 10} KB, which no table of tests needs")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text in UTF-8; save it as CSV UTF-8") from None


def _rows(text: str, path: str) -> list[list[str]]:
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV file: {error}") from None
    table = table[next((number for number, row in enumerate(table) if any(row)), len(table)) :]
    if len(table) < 2:
        raise ValueError(f"{path} has no rows below a header; its columns are to be {', '.join(COLUMNS)}")
    if len(table) > MOST_TESTS + 1 or max(map(len, table)) > MOST_COLUMNS:
        raise ValueError(f"{path} has more than {MOST_TESTS} rows or {MOST_COLUMNS} columns")
    return table


def _problems(fields: Sequence[str]) -> Iterator[str]:
    name, *counts = fields
    if not name or len(name) > LONGEST_TEST_NAME or CONTROLS.search(name):
        yield f"a name of 1 to {LONGEST_TEST_NAME} letters is needed, got {short_repr(name, 40)}"
    wrong = [
        f"{column} must be a whole number, as 10000, got {short_repr(count, 40)}"
        for column, count in zip(COUNTS, counts, strict=True)
        if not re.fullmatch(r"[0-9]{1,13}", count) or int(count) > LARGEST
    ]
    yield from wrong
    if wrong:
        return
    for arm, n, x in (("control", *map(int, counts[:2])), ("variant", *map(int, counts[2:]))):
        if n == 0:
            yield f"{arm}_n must be at least 1, got 0"
        elif x > n:
            yield f"{arm}_successes may not exceed {arm}_n, got {x:,} of {n:,}"
