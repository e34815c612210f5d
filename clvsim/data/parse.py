"""Rules for dates and amounts, as SQL on text, so that every value that does not parse can be counted and quoted.

Dates: ISO (also with / or .), yyyymmdd, d/m/y or m/d/y; time of day and zone are dropped, the day stays as written.
Amounts: digits, one decimal sign, an optional sign and exponent. No currency and no thousands separators: a wrong
guess of those changes an amount by a factor of 1,000.
"""

from datetime import date
from typing import NamedTuple

import duckdb

from clvsim.data.config import DataConfig
from clvsim.data.log import Finding
from clvsim.data.raw import Loaded, line_in_file, quoted
from clvsim.errors import ConfigError, Problem

_EXAMPLES = 3
_CLOCK = r"([T ]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?( ?[AaPp][Mm])?( ?(Z|UTC|GMT|[+-]\d{2}(:?\d{2})?))?)?"
_STRICT_ISO = rf"\d{{4}}-\d{{2}}-\d{{2}}{_CLOCK}"
_ISO = rf"(\d{{4}})[-/.](\d{{1,2}})[-/.](\d{{1,2}}){_CLOCK}"
_COMPACT = r"(\d{4})(\d{2})(\d{2})"
_LOCAL = rf"(\d{{1,2}})[-/.](\d{{1,2}})[-/.](\d{{4}}){_CLOCK}"
_YEAR_FIRST, _DAY_FIRST, _MONTH_FIRST = r"\1-\2-\3", r"\3-\2-\1", r"\3-\1-\2"


class Rules(NamedTuple):
    """Columns of `raw` (or expressions of them): a DATE and a DECIMAL(18,4), NULL where the text does not parse."""

    day: str
    amount: str
    date_reading: str  # in words, for the quality table


def _date_by(pattern: str, replacement: str) -> str:
    return (
        f"CASE WHEN regexp_full_match(date, {quoted(pattern)}) "
        f"THEN try_cast(regexp_replace(date, {quoted(pattern)}, {quoted(replacement)}) AS DATE) END"
    )


def _plain_day() -> str:
    """SQL of the day of an ISO or yyyymmdd date. The first branch, the common case, is ten times faster."""
    return (
        f"CASE WHEN regexp_full_match(date, {quoted(_STRICT_ISO)}) THEN try_cast(substr(date, 1, 10) AS DATE) "
        f"ELSE coalesce({_date_by(_ISO, _YEAR_FIRST)}, {_date_by(_COMPACT, _YEAR_FIRST)}) END"
    )


def _amount(config: DataConfig, typed: bool) -> str:
    sign = "." if typed else config.decimal or "."
    number = rf"[+-]?(\d+[{sign}]?\d*|[{sign}]\d+)([eE][+-]?\d+)?"
    text = "amount" if sign == "." else f"replace(amount, {quoted(sign)}, '.')"
    return f"CASE WHEN regexp_full_match(amount, {quoted(number)}) THEN try_cast({text} AS DECIMAL(18,4)) END"


def _parse(con: duckdb.DuckDBPyConnection, day_first: str, month_first: str, amount: str) -> None:
    """Add `day_first`, `month_first` and `value` to `raw`. Years before 1900 count as errors: they are placeholders."""
    con.execute(
        f"""
        CREATE TABLE parsed AS
        SELECT * REPLACE (
            CASE WHEN day_first >= DATE '1900-01-01' THEN day_first END AS day_first,
            CASE WHEN month_first >= DATE '1900-01-01' THEN month_first END AS month_first)
        FROM (SELECT *, {day_first} AS day_first, {month_first} AS month_first, {amount} AS value FROM raw)
        """
    )
    con.execute("DROP TABLE raw; ALTER TABLE parsed RENAME TO raw")


def examples(con: duckdb.DuckDBPyConnection, loaded: Loaded, column: str, where: str) -> str:
    """The first rows of `raw` that satisfy `where`, as "row 3: '$5'; …"; the file is named when there are several."""
    rows = con.execute(
        f"SELECT file, row, {column} FROM raw WHERE {where} ORDER BY file, row LIMIT {_EXAMPLES}"
    ).fetchall()
    return "; ".join(_example(loaded, file, line_in_file(loaded, file, row), value) for file, row, value in rows)


def _example(loaded: Loaded, file: int, line: int, value: str | None) -> str:
    position = f"row {line}" if len(loaded.files) == 1 else f"{loaded.files[file]} row {line}"
    if value is None:
        return position
    return f"{position}: {value if len(value) <= 40 else value[:39] + '…'!r}"


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
    """How 03/04/2024 is read: (column, description, problems). Rows that parse in one way only decide."""
    day_only = "day_first IS NOT NULL AND month_first IS NULL"
    month_only = "month_first IS NOT NULL AND day_first IS NULL"
    differ = "day_first <> month_first"
    days, months, ambiguous_rows = con.execute(
        f"SELECT count(*) FILTER ({day_only}), count(*) FILTER ({month_only}), count(*) FILTER ({differ}) FROM raw"
    ).fetchall()[0]
    parsable = "coalesce(day_first, month_first)"  # enough to find values that are no date
    advice = "type data.date_format=%d/%m/%Y or %m/%d/%Y (with the signs of your file)"
    if days and months:
        shown = [examples(con, loaded, "date", only) for only in (day_only, month_only)]
        return parsable, "", [Problem("data.date", f"day and month change places: {', but '.join(shown)}; {advice}")]
    if days:
        return "day_first", "day/month/year", []
    if months:
        return "month_first", "month/day/year", []
    if ambiguous_rows:
        reason = f"day/month and month/day are both possible, e.g. {examples(con, loaded, 'date', differ)}"
        return parsable, "", [Problem("data.date", f"{reason}; {advice}")]
    return "day_first", "year-month-day", []


def choose_rules(con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig) -> tuple[Rules, list[Problem]]:
    """Parse `raw`. Returns the columns that hold the result, and problems when day and month cannot be told apart.

    Raises ConfigError when `date_format` is no format.
    """
    amount = _amount(config, loaded.amounts_typed)
    if config.date_format is not None and not loaded.dates_typed:
        _parse(con, _day_with_format(con, config.date_format), "NULL::DATE", amount)
        return Rules("day_first", "value", f"as {config.date_format}"), []
    plain = _plain_day()
    _parse(con, *(f"coalesce({plain}, {_date_by(_LOCAL, order)})" for order in (_DAY_FIRST, _MONTH_FIRST)), amount)
    day, reading, problems = _local_order(con, loaded)
    return Rules(day, "value", reading), problems


def _amount_hint(con: duckdb.DuckDBPyConnection, config: DataConfig, condition: str) -> str:
    def any_match(pattern: str) -> str:
        return f"coalesce(bool_or(regexp_matches(amount, {quoted(pattern)})), false)"

    other = "." if config.decimal == "," else ","
    decimal, thousands, letters = con.execute(
        f"SELECT {any_match(rf'^[^.,]*\d[{other}]\d{{1,2}}\D*$')}, {any_match(r'\d[.,]\d{3}([.,]|\D*$)')}, "
        f"{any_match(r'[^\d.,+\-eE]')} FROM raw WHERE {condition}"
    ).fetchall()[0]
    hints = []
    if letters:
        hints.append("amounts are plain numbers: no currency signs, letters or blanks")
    if thousands:
        hints.append("thousands separators are not read: export plain numbers")
    if decimal or (thousands and other == ","):
        hints.append(f"if “{other}” is the decimal sign, type data.decimal={other}")
    return "; ".join(hints)


def find_bad_rows(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, config: DataConfig
) -> tuple[Finding, ...]:
    """Values of `raw` that are missing or do not parse, and lines that are not rows: one finding per kind."""
    no_day, no_amount = (
        f"date IS NOT NULL AND ({rules.day}) IS NULL",
        f"amount IS NOT NULL AND ({rules.amount}) IS NULL",
    )
    expected = (
        f"the format is {config.date_format}"
        if config.date_format
        else "if it is one, type its format, e.g. data.date_format=%d.%m.%y"
    )
    checks = (
        ("data.customer_id", "customer id is missing", "NULL", "customer_id IS NULL", ""),
        ("data.date", "date is missing", "NULL", "date IS NULL", ""),
        ("data.date", "not a date", "date", no_day, expected),
        ("data.amount", "amount is missing", "NULL", "amount IS NULL", ""),
        ("data.amount", "not an amount", "amount", no_amount, ""),
    )
    findings = []
    for where, what, column, condition, hint in checks:
        if count := _count(con, condition):
            hint = _amount_hint(con, config, condition) if condition == no_amount else hint
            findings.append(Finding(where, what, count, examples(con, loaded, column, condition), hint))
    return (*findings, *_broken_lines(loaded))


_BROKEN = {
    "TOO MANY COLUMNS": "a value with the delimiter in it needs quotes (12,50 is two values in a comma-separated file)",
    "INVALID ENCODING": 'the file is not UTF-8 text; save it as "CSV UTF-8"',
    "UNQUOTED VALUE": "a quote opens or closes in the wrong place",
    "LINE SIZE OVER MAXIMUM": "a quote is never closed",
}


def _broken_lines(loaded: Loaded) -> tuple[Finding, ...]:
    if not loaded.broken:
        return ()
    lines_quoted = "; ".join(_example(loaded, b.file, b.line, b.text) for b in loaded.broken[:_EXAMPLES])
    hints = "; ".join(_BROKEN.get(kind, kind.lower()) for kind in sorted({b.kind for b in loaded.broken}))
    return (Finding(loaded.label, "the line does not fit the header", loaded.broken_rows, lines_quoted, hints),)


def future_dates(con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, today: date) -> list[Problem]:
    """Problem of orders after `today`: the date format or a clock is wrong, which skipping them would hide."""
    is_future = f"({rules.day}) > DATE '{today}'"
    if not (count := _count(con, is_future)):
        return []
    shown = examples(con, loaded, "date", is_future)
    return [Problem("data.date", f"{count:,} rows lie after today ({today}), e.g. {shown}")]
