"""Our own rules for dates and amounts, as SQL on text: every value that does not parse can be counted and quoted.

Dates: ISO (also with / or .), yyyymmdd, d/m/y or m/d/y; time of day and zone are dropped, the day stays as written.
Amounts: digits, one decimal sign, an optional sign and exponent. No currency and no thousands separators: guessing
those can be wrong by a factor of 1,000.
"""

from datetime import date
from typing import NamedTuple

import duckdb

from clvsim.data.config import DataConfig
from clvsim.data.log import Finding
from clvsim.data.sources import Loaded, line_in_file, quoted
from clvsim.errors import ConfigError, Problem

_EXAMPLES = 3
_CLOCK = r"([T ]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?"
_ISO = rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}"
_COMPACT = r"(\d{4})(\d{2})(\d{2})"
_LOCAL = rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_CLOCK}"
_DAY_FIRST, _MONTH_FIRST = r"\3-\2-\1", r"\3-\1-\2"
_READINGS = {_DAY_FIRST: "day/month/year", _MONTH_FIRST: "month/day/year"}


class Rules(NamedTuple):
    """SQL expressions over `raw`: a DATE and a DECIMAL(18,4), NULL where the text does not parse."""

    day: str
    amount: str
    date_reading: str  # in words, for the quality table


def _date_by(pattern: str, replacement: str) -> str:
    return (
        f"CASE WHEN regexp_full_match(date, {quoted(pattern)}) "
        f"THEN try_cast(regexp_replace(date, {quoted(pattern)}, {quoted(replacement)}) AS DATE) END"
    )


def _guessed_day(order: str) -> str:
    forms = ((_ISO, r"\1-\2-\3"), (_COMPACT, r"\1-\2-\3"), (_LOCAL, order))
    return f"coalesce({', '.join(_date_by(p, r) for p, r in forms)})"


def _plausible(day: str) -> str:
    """Years before 1900 are placeholders or typing errors."""
    return f"CASE WHEN ({day}) >= DATE '1900-01-01' THEN ({day}) END"


def _amount(config: DataConfig, typed: bool) -> str:
    sign = "." if typed else config.decimal
    number = rf"[+-]?(\d+[{sign}]?\d*|[{sign}]\d+)([eE][+-]?\d+)?"
    text = "amount" if sign == "." else f"replace(amount, {quoted(sign)}, '.')"
    return f"CASE WHEN regexp_full_match(amount, {quoted(number)}) THEN try_cast({text} AS DECIMAL(18,4)) END"


def examples(con: duckdb.DuckDBPyConnection, loaded: Loaded, column: str, where: str) -> str:
    """The first rows of `raw` that satisfy `where`, as "row 3: '$5'; …"; the file is named when there are several."""
    found = con.execute(
        f"SELECT file, row, {column} FROM raw WHERE {where} ORDER BY file, row LIMIT {_EXAMPLES}"
    ).fetchall()
    return "; ".join(_example(loaded, file, line_in_file(loaded, file, row), value) for file, row, value in found)


def _example(loaded: Loaded, file: int, line: int, value: str | None) -> str:
    place = f"row {line}" if len(loaded.files) == 1 else f"{loaded.files[file]} row {line}"
    if value is None:
        return place
    return f"{place}: {value if len(value) <= 40 else value[:39] + '…'!r}"


def _count(con: duckdb.DuckDBPyConnection, where: str) -> int:
    return con.execute(f"SELECT count(*) FROM raw WHERE {where}").fetchall()[0][0]


def _day_with_format(con: duckdb.DuckDBPyConnection, form: str) -> str:
    day = f"CAST(try_strptime(date, {quoted(form)}) AS DATE)"
    try:
        con.execute(f"SELECT {day} FROM raw LIMIT 0")
    except duckdb.Error as error:
        raise ConfigError([("data.date_format", f"not a strptime format: {form!r}")]) from error
    return day


def _local_order(con: duckdb.DuckDBPyConnection, loaded: Loaded) -> tuple[str, str, list[Problem]]:
    """How 03/04/2024 is read: (replacement, words, problems). Only rows that parse in one way alone can tell."""
    d, m = _date_by(_LOCAL, _DAY_FIRST), _date_by(_LOCAL, _MONTH_FIRST)
    day_only, month_only = f"({d}) IS NOT NULL AND ({m}) IS NULL", f"({m}) IS NOT NULL AND ({d}) IS NULL"
    differ = f"({d}) <> ({m})"
    counts = con.execute(
        f"SELECT count(*) FILTER ({day_only}), count(*) FILTER ({month_only}), count(*) FILTER ({differ}) FROM raw"
    ).fetchall()[0]
    ask = "type data.date_format=%d/%m/%Y or %m/%d/%Y (with the signs of your file)"
    if counts[0] and counts[1]:
        some, others = examples(con, loaded, "date", day_only), examples(con, loaded, "date", month_only)
        why = f"day and month change places: {some}, but {others}"
        return _DAY_FIRST, "", [Problem("data.date", f"{why}; {ask}")]
    if counts[0] or counts[1]:
        order = _DAY_FIRST if counts[0] else _MONTH_FIRST
        return order, _READINGS[order], []
    if counts[2]:
        why = f"day/month and month/day are both possible for every date, e.g. {examples(con, loaded, 'date', differ)}"
        return _DAY_FIRST, "", [Problem("data.date", f"{why}; {ask}")]
    return _DAY_FIRST, "year-month-day", []


def choose_rules(con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig) -> tuple[Rules, list[Problem]]:
    """The expressions for this log; problems when day and month cannot be told apart.

    Raises ConfigError when `date_format` is no format.
    """
    amount = _amount(config, loaded.amounts_typed)
    if config.date_format is not None and not loaded.dates_typed:
        day = _plausible(_day_with_format(con, config.date_format))
        return Rules(day, amount, f"as {config.date_format}"), []
    order, words, problems = _local_order(con, loaded)
    return Rules(_plausible(_guessed_day(order)), amount, words), problems


def _amount_hint(con: duckdb.DuckDBPyConnection, config: DataConfig, bad: str) -> str:
    def some(pattern: str) -> str:
        return f"coalesce(bool_or(regexp_matches(amount, {quoted(pattern)})), false)"

    other = "," if config.decimal == "." else "."
    decimal, thousands, letters = con.execute(
        f"SELECT {some(rf'^[^.,]*\d[{other}]\d{{1,2}}\D*$')}, {some(r'\d[.,]\d{3}([.,]|\D*$)')}, "
        f"{some(r'[^\d.,+\-eE]')} FROM raw WHERE {bad}"
    ).fetchall()[0]
    hints = []
    if decimal or (thousands and other == ","):
        hints.append(f"if “{other}” is the decimal sign, type data.decimal={other}")
    if thousands:
        hints.append("thousands separators are not read: export plain numbers")
    if letters:
        hints.append("amounts are plain numbers: no currency signs, letters or blanks")
    return "; ".join(hints)


def find_bad_rows(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, config: DataConfig
) -> tuple[Finding, ...]:
    """Everything in `raw` that is missing or does not parse, one finding per kind, plus lines that are not rows."""
    no_day, no_amount = (
        f"date IS NOT NULL AND ({rules.day}) IS NULL",
        f"amount IS NOT NULL AND ({rules.amount}) IS NULL",
    )
    expected = f"the format is {config.date_format}" if config.date_format else "type data.date_format=…, e.g. %d.%m.%y"
    kinds = (
        ("data.customer_id", "customer id is missing", "NULL", "customer_id IS NULL", ""),
        ("data.date", "date is missing", "NULL", "date IS NULL", ""),
        ("data.date", "not a date", "date", no_day, expected),
        ("data.amount", "amount is missing", "NULL", "amount IS NULL", ""),
        ("data.amount", "not an amount", "amount", no_amount, ""),
    )
    found = []
    for where, what, column, condition, hint in kinds:
        if count := _count(con, condition):
            hint = _amount_hint(con, config, condition) if condition == no_amount else hint
            found.append(Finding(where, what, count, examples(con, loaded, column, condition), hint))
    return (*found, *_broken_lines(loaded))


def _broken_lines(loaded: Loaded) -> tuple[Finding, ...]:
    if not loaded.broken:
        return ()
    shown = "; ".join(
        f"{loaded.files[f] + ' ' if len(loaded.files) > 1 else ''}line {line} ({what})"
        for f, line, what in loaded.broken[:_EXAMPLES]
    )
    return (
        Finding(
            loaded.label,
            "line does not fit the header",
            len(loaded.broken),
            shown,
            "a comma inside a value needs quotes",
        ),
    )


def future_dates(con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, today: date) -> list[Problem]:
    later = f"({rules.day}) > DATE '{today.isoformat()}'"
    if not (count := _count(con, later)):
        return []
    return [
        Problem("data.date", f"{count:,} dates lie after today ({today}), e.g. {examples(con, loaded, 'date', later)}")
    ]
