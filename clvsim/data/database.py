"""The DuckDB of one log: private, bounded in memory, and names and texts in its SQL."""

import atexit
import itertools
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import duckdb

_MEMORY_MB = (512, 2048)  # the least and the most for DuckDB, which spills the rest
_NUMBERS = itertools.count()


def connect() -> duckdb.DuckDBPyConnection:
    """An in-memory database that loads nothing from elsewhere, and keeps rows in file order.

    It takes a quarter of the memory that is free, within 512 MB and 2 GB, and spills the rest into a private folder.
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


_CAUSES = (  # what DuckDB says, and what it means for whoever has the file
    ("memory", "it takes more memory than is free; divide it into several files"),
    ("no space left", "the disk on which it is unpacked is full"),
    ("not implemented", "a column is of a type that is no text, number or date"),
    ("quote", "a quote opens that is never closed, or something stands behind a closing one"),
    ("state machine", "a quote opens that is never closed, or something stands behind a closing one"),
    ("maximum line size", "a line is longer than any row of a table; is a quote never closed?"),
    ("decompress", "it is damaged, or cut off; pack or export it again"),
)


def in_our_words(error: Exception) -> str:
    """Why a table cannot be read, for whoever has the file, and in which line where that is known."""
    text = str(error).casefold()
    cause = next((words for sign, words in _CAUSES if sign in text), "it is damaged, or no table; export it again")
    line = re.search(r"\bline:? (\d+)", text)
    return f"line {line[1]}: {cause}" if line else cause


def identifier(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
