"""Cells of a file or frame as trimmed text, in SQL, and what kinds of columns hold numbers or dates already."""

from clvsim.data.database import quoted
from clvsim.data.files import BLANKS

EARLIEST = "1900-01-01"  # days before are placeholders
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
FLOAT_TYPES = ("FLOAT", "DOUBLE")


def is_number(kind: str) -> bool:
    return kind in _NUMBER_TYPES or kind in FLOAT_TYPES or kind.startswith("DECIMAL")


def is_date(kind: str) -> bool:
    return kind.startswith(("DATE", "TIMESTAMP"))


def trimmed(field: str, kind: str) -> str:
    """SQL of a column as trimmed text. Whole floats lose their '.0': 7.0 is customer 7."""
    if kind in FLOAT_TYPES:
        whole = f"{field} = floor({field}) AND abs({field}) < 9e15"
        # Of Parquet whose largest number is known DuckDB takes nan for smaller than 9e15, too.
        field = f"coalesce(CASE WHEN {whole} THEN TRY_CAST({field} AS BIGINT)::VARCHAR END, {field}::VARCHAR)"
    text = f"CAST({field} AS VARCHAR)"
    # Comparisons tell of most texts that a sign begins and ends them; regular expressions are slow.
    first, last = f"{text} >= '!' AND {text} < '\x7f'", f"{text}[-1] BETWEEN '!' AND '~'"
    edges = r"^[\s\x{a0}\x{feff}]|[\s\x{a0}\x{feff}]$"  # trim() alone is slower still
    trim = f"CASE WHEN regexp_matches({text}, {quoted(edges)}) THEN trim({text}, {quoted(BLANKS)}) ELSE {text} END"
    return f"CASE WHEN {first} AND {last} THEN {text} ELSE {trim} END"


def present(text: str) -> str:
    """SQL of a text, NULL where it says that a value is missing."""
    return f"CASE WHEN {text} NOT IN ({', '.join(quoted(m) for m in _MISSING)}) THEN {text} END"
