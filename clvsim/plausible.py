"""What a finished run can hold, whoever wrote it: sizes, names, and the ranges and order of its figures."""

import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from clvsim import books
from clvsim.comparison import COLUMNS
from clvsim.effects import NON_NEGATIVE, REAL, Domain
from clvsim.metrics import METRICS, PAYBACK, SHARE, Unit
from clvsim.provenance import BOOKS, SUMMARY, TABLE
from clvsim.texts import short, short_repr

LARGEST = 1e18  # of any number
LONGEST_TEXT, LONGEST_COMMAND = 10_000, 1 << 21  # characters; systems take no longer command
LONGEST_TEXTS = 100_000  # characters of a list of texts
MOST_ENTRIES, MOST_NUMBERS = 10_000, 10**6  # of a list; simulation.draws has the same bound
MOST_ROWS = 50_000  # of the table: 500 scenarios, each with some 40
MOST_BYTES = {SUMMARY: 200_000_000, TABLE: 1 << 26, BOOKS: 1 << 26}

_TEXTS, _LEVEL = COLUMNS[:5], ("mean", "p05", "p50", "p95")
_RANGES: dict[str, Domain] = {name: metric.range for name, metric in METRICS.items()} | {
    name: SHARE if name.startswith("p_") else NON_NEGATIVE for name in PAYBACK
}
_BASES, _LAYERS = {"expected", "realised"}, {"parameter", "process", "environment", "assumption"}
_KEY = ["scenario", "metric", "basis"]
_BOOK_KEY = ["book", "scenario", "group", "at", "metric", "basis"]
_CHANCES = {"p_better", "p_best", "p_equal"}
_ORDERS = (("p05", "p50", "p95"), ("delta_p05", "delta_p50", "delta_p95"))
_SHARES = {
    *("position", "p_within_12_months", "p_never", "share", "churn_month", "churn_year", "expected"),
    *("below_zero", "losing"),
}
_NOT_NEGATIVE = {
    *("customers", "draws", "replicates", "horizon_months", "arrival_months", "merged_days", "days", "actual"),
    *("active_contracts", "contracts", "active", "unpaid", "due", "months_seen", "count", "of", "stayed", "running"),
    *("paid", "to_pay", "number", "cac_mean", "payback_p50_months", "months", "with_environment"),
    *("without_environment", "paused", "run_off_months"),
}


class Unlike(ValueError):
    """What was read is no result of a run, for a reason that a reader can understand."""


def require_size(path: Path) -> None:
    """Raises Unlike for a file that is larger than a run's."""
    if (size := path.stat().st_size) > MOST_BYTES[path.name]:
        raise Unlike(f"{path.name} has {size:,} bytes, at most {MOST_BYTES[path.name]:,}")


# --- the summary -----------------------------------------------------------------------------------------------------


def frozen(value: Any, where: str = "") -> Any:
    """JSON with tuples for its lists. Raises Unlike for what is too large, too long, or out of order."""
    match value:
        case Mapping():
            _require(len(value) <= MOST_ENTRIES, where, f"has {len(value):,} entries, at most {MOST_ENTRIES:,}")
            found = {key: frozen(one, f"{where}.{key}" if where else str(key)) for key, one in value.items()}
            _check_figures(found, where)
            return found
        case list():
            return _frozen_list(value, where)
        case str():
            longest = LONGEST_COMMAND if where == "command" else LONGEST_TEXT
            _require(len(value) <= longest, where, f"has {len(value):,} characters, at most {longest:,}")
        case int() if where == "seed":
            pass  # of 64 bits
        case int() | float():
            _require(abs(value) <= LARGEST, where, f"has a number that is not finite, or beyond ±{LARGEST:g}")
    return value


def _frozen_list(values: list[Any], where: str) -> tuple[Any, ...]:
    numbers = all(type(value) in (int, float, type(None)) for value in values)
    most = MOST_NUMBERS if numbers else MOST_ENTRIES
    _require(len(values) <= most, where, f"has {len(values):,} entries, at most {most:,}")
    length = sum(len(value) for value in values if isinstance(value, str))
    _require(length <= LONGEST_TEXTS, where, f"has {length:,} characters, at most {LONGEST_TEXTS:,}")
    return tuple(frozen(value, where) for value in values)


def _check_figures(found: Mapping[str, Any], where: str) -> None:
    """Raises Unlike for shares and counts out of range, and ends of an interval in the wrong order."""
    for key, value in found.items():
        path = f"{where}.{key}" if where else key
        low, high = SHARE if key in _SHARES else NON_NEGATIVE if key in _NOT_NEGATIVE else REAL
        figures = _numbers(value)
        _require(not _outside(figures, low, high).any(), path, "has a number out of its range")
        if key.endswith("_environment"):
            _require(figures.size == 2 and not figures[0] > figures[1], path, "is no interval")
    low, high = (_numbers(found.get(key)) for key in ("p05", "p95"))
    if "p05" in found and "p95" in found:
        _require(low.size == high.size, where, "has p05 and p95 of different lengths")
        _require(not _above(low, high).any(), where, "has a p05 above its p95")


def _numbers(value: Any) -> np.ndarray:
    """Those of a number, a list, or an interval, nan for None; none of anything else."""
    if isinstance(value, Mapping):
        value = tuple(value.get(key) for key in ("mean", "p05", "p95"))
    values = value if isinstance(value, tuple) else (value,)
    if any(isinstance(one, bool) or not isinstance(one, int | float | None) for one in values):
        return np.zeros(0)
    return np.array([math.nan if one is None else one for one in values], float)


def _require(holds: bool, where: str, what: str) -> None:
    if not holds:
        raise Unlike(f"{SUMMARY}: {where} {what}")


# --- the table -------------------------------------------------------------------------------------------------------


def read_table(path: Path) -> pd.DataFrame:
    """comparison.csv. Raises Unlike for rows, names and numbers that no run writes."""
    require_size(path)
    table = pd.read_csv(path, nrows=MOST_ROWS + 1, low_memory=False)
    for complaint in _complaints(table):
        raise Unlike(f"{TABLE} has {complaint}")
    return table


def _complaints(table: pd.DataFrame) -> Iterator[str]:
    """What is wrong with a table; each looks at what those before it leave."""
    if len(table) > MOST_ROWS:
        yield f"more than {MOST_ROWS:,} rows"
    yield from (f"no column {name}" for name in (*_TEXTS, *_LEVEL) if name not in table)
    yield from (f"a column that no run writes, {short_repr(name)}" for name in table if name not in COLUMNS)
    yield from _unknown_words(table)
    yield from (f"two rows of {', '.join(map(short, row))}" for row in table.loc[table.duplicated(_KEY), _KEY].values)
    late = table["metric"].isin(PAYBACK[:2]).to_numpy()  # infinitely, where there is no payback
    for name in table.columns.difference(_TEXTS):
        if table[name].dtype.kind not in "fiu":
            yield f"no numbers in its column {name}"
        figures = table[name].to_numpy(float)
        beyond = _outside(figures, -LARGEST, LARGEST) & ~(late & (figures == math.inf))
        if beyond.any():
            yield f"a number in its column {name} that is not finite, or beyond ±{LARGEST:g}"
    yield from _out_of_range(table)


def _unknown_words(table: pd.DataFrame) -> Iterator[str]:
    for name, known in (("metric", _RANGES), ("unit", get_args(Unit)), ("basis", _BASES)):
        yield from (f"a {name} that no run writes, {short_repr(word)}" for word in table[name] if word not in known)
    yield from _unknown_layers(table, _LAYERS)


def _unknown_layers(table: pd.DataFrame, known: set[str]) -> Iterator[str]:
    for layers in table["layers"].unique():
        if not isinstance(layers, str) or not known.issuperset(layers.split("+")):
            yield f"layers that no run writes, {short_repr(layers)}"


def _out_of_range(table: pd.DataFrame) -> Iterator[str]:
    yield from _beyond(table, np.array([_RANGES[metric] for metric in table["metric"]], float).reshape(-1, 2))


def _beyond(table: pd.DataFrame, ranges: np.ndarray) -> Iterator[str]:
    """Figures outside of `ranges` (rows, 2), chances and errors outside of theirs, intervals in the wrong order."""
    low, high = ranges.T
    shares = [name for name in table if name in _CHANCES]
    errors = [name for name in table if name.endswith("mcse") or name == "expected_loss"]
    bounds = (*((name, low, high) for name in _LEVEL), *((name, *SHARE) for name in shares))
    for name, least, most in (*bounds, *((name, *NON_NEGATIVE) for name in errors)):
        if (outside := _outside(table[name].to_numpy(float), least, most)).any():
            row = table[outside].iloc[0]
            yield f"{row[name]:g} as {name} of {row['metric']}, which is out of its range"
    for ends in _ORDERS:
        for lower, upper in pairwise(name for name in ends if name in table):
            if (above := _above(table[lower].to_numpy(float), table[upper].to_numpy(float))).any():
                yield f"a {lower} above its {upper}, of {table[above].iloc[0]['metric']}"


# --- the books -------------------------------------------------------------------------------------------------------


def read_books(path: Path) -> pd.DataFrame:
    """books.csv. Raises Unlike for rows, names and numbers that no run writes."""
    require_size(path)
    table = pd.read_csv(path, nrows=books.MOST_ROWS + 1, low_memory=False, dtype={"group": str})
    for complaint in _book_complaints(table):
        raise Unlike(f"{BOOKS} has {complaint}")
    return table


def _book_complaints(table: pd.DataFrame) -> Iterator[str]:
    """What is wrong with the books; each looks at what those before it leave."""
    if len(table) > books.MOST_ROWS:
        yield f"more than {books.MOST_ROWS:,} rows"
    if tuple(table.columns) != books.COLUMNS:
        yield f"other columns than {', '.join(books.COLUMNS)}"
    known = {(book, metric): kind for book, kinds in books.BOOKS.items() for metric, kind in kinds.items()}
    for row in zip(*(table[name] for name in ("book", "metric", "unit", "basis")), strict=True):
        if row[:2] not in known or row[2] != known[row[:2]].unit or row[3] not in books.BASES:
            yield f"a row that no run writes, of {', '.join(map(short_repr, row))}"
    for name in ("scenario", "group"):
        yield from (f"no text as {name}" for text in table[name].unique() if not isinstance(text, str))
        longest = max(map(len, table[name].unique()), default=0)
        if longest > LONGEST_TEXT:
            yield f"a {name} of {longest:,} characters"
    yield from _unknown_layers(table, {*_LAYERS, books.NO_LAYERS})
    twice = table.loc[table.duplicated(_BOOK_KEY), _BOOK_KEY].values
    if len(twice):
        yield f"two rows of {', '.join(map(short, map(str, twice[0])))}"
    counted = (table["basis"] == "observed").to_numpy()
    for name in ("at", *_LEVEL):
        if table[name].dtype.kind not in "fiu":
            yield f"no numbers in its column {name}"
        figures = table[name].to_numpy(float)
        absent = np.isnan(figures) & ~(counted & (name not in ("at", "mean")))
        if (_outside(figures, -LARGEST, LARGEST) | absent).any():
            yield f"a number in its column {name} that is not finite, or beyond ±{LARGEST:g}"
    if _outside(table["at"].to_numpy(float), *NON_NEGATIVE).any():
        yield "a number below 0 in its column at"
    rows = zip(table["book"], table["metric"], strict=True)
    yield from _beyond(table, np.array([known[row].range for row in rows], float).reshape(-1, 2))


def _outside(figures: np.ndarray, low: Any, high: Any) -> np.ndarray:
    """Which are outside of an interval, by more than sums are rounded by; nan is not."""
    return _above(low, figures) | _above(figures, high)


def _above(one: Any, other: Any) -> np.ndarray:
    return one > other + 1e-9 * np.maximum(1.0, np.minimum(np.abs(one), np.abs(other)))
