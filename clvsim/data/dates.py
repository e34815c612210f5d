"""Dates: the ways in which a file writes them, and SQL of their days.

A date has one reading, or it is asked for. ISO dates (also with / or .), yyyymmdd and months by name say it
themselves; of d/m/y, m/d/y and, with years of two digits, y/m/d the one under which every value is a date; seconds
since 1970 and day numbers of a spreadsheet where all values are such. The day is the one that is written, whatever the
time and zone behind it; with `data.time_zone` it is the day of the shop.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from difflib import get_close_matches
from typing import NamedTuple

import duckdb

from clvsim.data.config import DataConfig
from clvsim.data.database import quoted
from clvsim.data.quoting import count, example, examples
from clvsim.data.raw import Loaded, line_in_file
from clvsim.data.words import BLANK, MONTH, MONTHS, WEEKDAY, ZONE, ZONES
from clvsim.errors import ConfigError, Problem
from clvsim.types import QualityLine

ISO = "year-month-day"
_DAYS, _MONTHS_FIRST, _YEARS = "day/month/year", "month/day/year", "year/month/day"
_ORDERS = {_DAYS: r"\3-\2-\1", _MONTHS_FIRST: r"\3-\1-\2", _YEARS: r"\1-\2-\3"}
_FORMATS = {_DAYS: "%d/%m/%Y", _MONTHS_FIRST: "%m/%d/%Y", _YEARS: "%y/%m/%d"}
_NAMED = "day, month by name, year"
_SERIAL, _SECONDS = "day numbers of a spreadsheet", "seconds or milliseconds since 1970"
_SPREADSHEET_ZERO = "DATE '1899-12-30'"  # of the system of 1900, from its March on
_FIRST_SERIAL = 29221  # 1980; smaller ones may be days since 1970, or a year and its day

_TIME = (
    rf"(\d{{1,2}}):(\d{{2}})(?::\d{{2}}(?:[.,]\d+)?)?(?:{BLANK}*([AaPp])\.?{BLANK}?[Mm]\.?)?"
    rf"(?:{BLANK}*((?i:{ZONE})))?(?:{BLANK}(?i:Uhr))?(?:{BLANK}*\([^()]*\))?"
)
_TIME_BEHIND = rf"(?:{BLANK}*[Tt]|,?{BLANK}+)(?:(?i:at|um|om|kl\.?|alle|a las){BLANK}+)?{_TIME}"
_CLOCK = f"(?:{_TIME_BEHIND})?"
_SHORT_CLOCK = r"([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
_SIGN = rf"[-/.]{BLANK}?"
_GAP = rf"(?:{BLANK}|[-/.,])"
_PATTERNS = {  # the first that fits counts
    "strict": rf"\d{{4}}-\d{{2}}-\d{{2}}{_SHORT_CLOCK}",  # the commonest, and as fast as can be
    "loose": rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}{_CLOCK}",
    "compact": r"\d{8}",
    "local": rf"\d{{1,2}}{_SIGN}\d{{1,2}}{_SIGN}\d{{4}}{_CLOCK}",
    "short": rf"\d{{1,2}}{_SIGN}\d{{1,2}}{_SIGN}\d{{2}}{_CLOCK}",
    "serial": r"\d{5}([.,]\d+)?",
    "epoch": r"\d{10}([.,]\d+)?|\d{13}",
}
_WEEKDAY = rf"(?:{WEEKDAY}\.?,?{BLANK}+)?"
_ORDINAL = "(?:st|nd|rd|th|er|º|°)?"
_BY_NAME = (  # of a text in lower case and without accents: pattern, and year, month and day of a text that fits it
    (
        rf"{_WEEKDAY}\d{{1,2}}{_ORDINAL}{_GAP}*(?:de{BLANK}+)?{MONTH}\.?{_GAP}*(?:del?{BLANK}+)?'?(?:\d{{4}}|\d{{2}}){_CLOCK}",
        rf"(\d+){_ORDINAL}{_GAP}*(?:de{BLANK}+)?([a-z]+)\D*(\d+)",
        "dmy",
    ),
    (
        rf"{_WEEKDAY}{MONTH}\.?{_GAP}*\d{{1,2}}{_ORDINAL}{_GAP}+'?(?:\d{{4}}|\d{{2}}){_CLOCK}",
        r"([a-z]+)[^a-z\d]*(\d+)\D+(\d+)",
        "mdy",
    ),
    (
        rf"\d{{4}}{_GAP}+{MONTH}\.?{_GAP}+\d{{1,2}}{_CLOCK}",
        r"(\d+)[^a-z]+([a-z]+)\D+(\d+)",
        "ymd",
    ),
)
_LOWER = "lower(strip_accents(date))"
_LEAST_TIMES = 100  # values with a time of day, below which nothing is said about quiet hours
_QUIET_SHARE = 1 / 16  # of all values in the six quietest hours; evenly spread it is a quarter


class Dates(NamedTuple):
    """How the column `date` of `raw` is read: SQL of a DATE, NULL where the text is none."""

    day: str
    reading: str  # in words
    lines: tuple[QualityLine, ...] = ()
    problems: tuple[Problem, ...] = ()


class _Reading(NamedTuple):
    """SQL of the day and the minute of the day as written, the latter NULL without a time; minutes ahead of UTC."""

    day: str
    minute: str
    ahead: str
    words: str
    is_new: bool = False  # not ISO nor d/m/y: worth a line with an example
    problems: tuple[Problem, ...] = ()


def require_formats(con: duckdb.DuckDBPyConnection, config: DataConfig) -> None:
    """Raises ConfigError for a `date_format` and a `time_zone` that do not exist."""
    problems = []
    form = config.date_format
    if form and form not in ("serial", "epoch"):
        try:
            con.execute(f"SELECT try_strptime('', {quoted(form)})").fetchall()
        except duckdb.Error:
            problems.append(("data.date_format", f"not a strptime format: {form!r}"))
    if config.time_zone:
        names = [str(row[0]) for row in con.execute("SELECT name FROM pg_timezone_names()").fetchall()]
        if config.time_zone not in names:
            problems.append(("data.time_zone", _unknown_zone(config.time_zone, names)))
    if problems:
        raise ConfigError(problems)


def _unknown_zone(zone: str, names: Sequence[str]) -> str:
    wanted = zone.strip().casefold().replace(" ", "_")
    cities = {name.rpartition("/")[2].casefold(): name for name in sorted(names, reverse=True)}
    whole = {name.casefold(): name for name in names}
    near = [n for by in (whole, cities) for n in (by[k] for k in get_close_matches(wanted.split("/")[-1], by, n=2))]
    near = [n for n in (whole.get(wanted), *(whole[k] for k in get_close_matches(wanted, whole, n=2)), *near) if n]
    hint = f" (did you mean {' or '.join(list(dict.fromkeys(near))[:3])}?)" if near else ", e.g. Europe/Berlin"
    return f"no time zone is called {zone!r}{hint}"


def find_dates(con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig, today: date) -> Dates:
    """How dates are read, decided by all values of the column. Dates after `today` are errors under any reading."""
    if loaded.read_at_once:
        reading, found = _typed(con), {}
    elif config.date_format is not None and not loaded.dates_typed:
        reading, found = _given(config.date_format), {}
    else:
        found = _census(con)
        reading = _found(con, loaded, found, today)
    day = reading.day
    lines = (_example_line(con, loaded, reading),) if reading.is_new and not reading.problems else ()
    if config.time_zone:
        day, line = _in_zone(con, reading, config.time_zone)
        lines += (line,)
    else:
        lines += _quiet_at_midday(con, reading, strict=set(found) == {"strict"})
    return Dates(day, reading.words, lines, reading.problems)


# --- ways to write a date --------------------------------------------------------------------------------------------


def _matches(pattern: str, text: str = "date") -> str:
    return f"regexp_full_match({text}, {quoted(pattern)})"


def _as_date(text: str) -> str:
    return f"try_cast({text} AS DATE)"


def _ordered(order: str) -> str:
    """SQL of the three numbers of a date as text that DuckDB casts. Whether the text is a date is asked elsewhere."""
    return f"regexp_replace(date, '(?s)^(\\d+)\\D+(\\d+)\\D+(\\d+).*$', {quoted(_ORDERS[order])})"


def _once(value: str, name: str, expression: str) -> str:
    """SQL of an expression of `name`, whose value is computed once and not wherever it stands."""
    return f"list_transform([{value}], lambda {name}: {expression})[1]"


def _century(text: str) -> str:
    """SQL of a date whose year has two digits: from 69 on they are those of the last century, as in strptime."""
    return f"CASE WHEN {text} < '69' THEN '20' ELSE '19' END || {text}"


def _numeric(kinds: Sequence[str], order: str) -> str:
    """SQL of the day of d/m/y, m/d/y or y/m/d, of the kinds local (years of four digits) and short."""
    cases = []
    if "local" in kinds and order != _YEARS:
        cases.append(f"WHEN {_matches(_PATTERNS['local'])} THEN {_as_date(_ordered(order))}")
    if "short" in kinds:  # a year has both of its digits
        full = f"CASE WHEN t[3] = '-' THEN {_as_date(_century('t'))} END"
        cases.append(f"WHEN {_matches(_PATTERNS['short'])} THEN {_once(_ordered(order), 't', full)}")
    return f"CASE {' '.join(cases)} END" if cases else "NULL::DATE"


def _by_name() -> str:
    """SQL of the day of a date with the name of its month."""
    numbers = f"MAP {{{', '.join(f'{quoted(name)}: {quoted(f"{number:02d}")}' for name, number in MONTHS.items())}}}"
    numeric = f"(p.y || '-' || {numbers}[p.m] || '-' || p.d)"
    day = _as_date(f"(CASE WHEN length(p.y) = 4 THEN {numeric} ELSE {_century(numeric)} END)")
    cases = []
    for pattern, parts, names in _BY_NAME:
        # Weekdays come before, with letters that months have too.
        start = "" if names != "mdy" else f"^{_WEEKDAY}"
        extracted = f"regexp_extract({_LOWER}, {quoted(start + parts)}, {list(names)})"
        cases.append(f"WHEN {_matches(pattern, _LOWER)} THEN {_once(extracted, 'p', day)}")
    return f"CASE {' '.join(cases)} END"


def _census(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """How many values are written in each way; "" are those in none."""
    named = " OR ".join(_matches(pattern, _LOWER) for pattern, _, _ in _BY_NAME)
    cases = [f"WHEN {_matches(pattern)} THEN '{name}'" for name, pattern in _PATTERNS.items()]
    rows = con.execute(
        f"SELECT CASE {' '.join(cases)} WHEN {named} THEN 'named' ELSE '' END AS kind, count(*) "
        "FROM raw WHERE date IS NOT NULL GROUP BY kind"
    ).fetchall()
    return dict(rows)


def _found(con: duckdb.DuckDBPyConnection, loaded: Loaded, found: dict[str, int], today: date) -> _Reading:
    numbers = next((kind for kind in ("serial", "epoch") if set(found) == {kind}), "")
    if numbers:
        reading = _given(numbers)
        earliest = f"{_SPREADSHEET_ZERO} + {_FIRST_SERIAL}"
        in_range = f"coalesce(({reading.day}) BETWEEN {earliest} AND DATE '{today}', false)"
        if not count(con, f"date IS NOT NULL AND NOT {in_range}"):
            return reading._replace(is_new=True)
    order, words, problems = _DAYS, ISO, ()
    numeric = [kind for kind in ("local", "short") if kind in found]
    if numeric:
        order, words, problems = _order(con, loaded, numeric, today)
    days = {
        "strict": _as_date("substr(date, 1, 10)"),
        "loose": _as_date(_ordered(_YEARS)),
        "compact": _as_date("date[1:4] || '-' || date[5:6] || '-' || date[7:8]"),
        **{kind: _numeric([kind], order) for kind in numeric},
        "named": _by_name(),
    }
    if problems:  # enough to find values that are no date
        days |= {k: f"coalesce({', '.join(_numeric([k], o) for o in _ORDERS)})" for k in numeric}
    cases = [
        f"WHEN {_matches(_PATTERNS[k])} THEN {days[k]}" for k in days if k in found and k not in ("named", *numeric)
    ]
    rest = [days[k] for k in (*numeric, "named") if k in found]
    if set(found) == {"strict"}:
        day = days["strict"]
    else:
        first = [f"CASE {' '.join(cases)} END"] if cases else []
        day = f"coalesce({', '.join([*first, *rest, 'NULL::DATE'])})"
    if "named" in found:
        words = _NAMED if words == ISO else f"{words}, or {_NAMED}"
    minute, ahead = _written_time()
    return _Reading(day, minute, ahead, words, "short" in found or "named" in found, problems)


def _typed(con: duckdb.DuckDBPyConnection) -> _Reading:
    """Of dates that are such in the file."""
    kind = next(str(row[1]) for row in con.execute("DESCRIBE raw").fetchall() if row[0] == "date")
    minute = "NULL::BIGINT" if kind == "DATE" else "(hour(date) * 60 + minute(date))"
    return _Reading("CAST(date AS DATE)", minute, "0", ISO)


def _given(form: str) -> _Reading:
    """The reading under a `date_format`: serial, epoch, or one of strptime, whose %z moves the day to UTC."""
    number = "try_cast(replace(date, ',', '.') AS DOUBLE)"
    if form == "serial":
        pattern = r"\d{1,6}([.,]\d+)?"
        whole = f"CASE WHEN {_matches(pattern)} THEN CAST(floor({number}) AS INTEGER) END"
        minute = (
            f"CASE WHEN {number} <> floor({number}) THEN CAST(floor(({number} - floor({number})) * 1440) AS BIGINT) END"
        )
        return _Reading(f"({_SPREADSHEET_ZERO} + {whole})", minute, "0", _SERIAL)
    if form == "epoch":
        moment = (
            f"epoch_ms(CAST(CASE WHEN {_matches(r'\d{8,10}([.,]\d+)?')} THEN floor({number} * 1000) "
            f"WHEN {_matches(r'\d{11,13}')} THEN {number} END AS BIGINT))"
        )
        words = _SECONDS
    else:
        moment, words = f"CAST(try_strptime(date, {quoted(form)}) AS TIMESTAMP)", form
    minute = f"(hour({moment}) * 60 + minute({moment}))"
    has_time = form == "epoch" or any(f"%{letter}" in form for letter in "HIcXT")
    return _Reading(f"CAST({moment} AS DATE)", minute if has_time else "NULL::BIGINT", "0", words)


def _order(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, kinds: Sequence[str], today: date
) -> tuple[str, str, tuple[Problem, ...]]:
    """How 03/04/2024 and 03/04/24 are read: (order, description, problems). Rows that parse in one way only decide."""
    days, months, years = (_numeric(kinds, order) for order in _ORDERS)
    past_years = f"CASE WHEN ({years}) <= DATE '{today}' THEN {years} END"
    columns = f"{days} AS d, {months} AS m, {past_years} AS y"
    some = "coalesce(d, m, y) IS NOT NULL"
    *fails, days_ahead, months_ahead = con.execute(
        f"SELECT {', '.join(f'count(*) FILTER ({some} AND {o} IS NULL)' for o in 'dmy')}, "
        f"count(*) FILTER (d > DATE '{today}'), count(*) FILTER (m > DATE '{today}') "
        f"FROM (SELECT {columns} FROM raw)"
    ).fetchall()[0]
    possible = [order for order, failing in zip(_ORDERS, fails, strict=True) if not failing]
    if _YEARS in possible and "local" not in kinds:  # the others must bear the same test as it
        ahead = {_DAYS: days_ahead, _MONTHS_FIRST: months_ahead}
        possible = [order for order in possible if not ahead.get(order)]
    else:
        possible = [order for order in possible if order != _YEARS]

    def of_raw(condition: str) -> str:
        return f"(file, row) IN (SELECT (file, row) FROM (SELECT file, row, {columns} FROM raw) WHERE {condition})"

    formats = [_FORMATS[o] if "local" in kinds else _FORMATS[o].lower() for o in possible or list(_ORDERS)[:2]]
    advice = f"type data.date_format={' or '.join(formats)} (with the signs of your file)"
    if not possible:
        shown = [examples(con, loaded, "date", of_raw(f"{some} AND {o} IS NULL")) for o in "md"]
        what = f"day and month change places: {', but '.join(shown)}; {advice}"
        return _DAYS, "", (Problem("data.date", what),)
    letters = [dict(zip(_ORDERS, "dmy", strict=True))[order] for order in possible]
    differ = " OR ".join(f"{letters[0]} <> {other}" for other in letters[1:]) or "false"
    if len(possible) == 1:
        return possible[0], possible[0], ()
    if not count(con, of_raw(differ)):
        return possible[0], ISO, ()
    names = (
        "day/month and month/day are both" if possible == [_DAYS, _MONTHS_FIRST] else f"{' and '.join(possible)} are"
    )
    what = f"{names} possible, e.g. {examples(con, loaded, 'date', of_raw(differ))}; {advice}"
    return possible[0], "", (Problem("data.date", what),)


def _written_time() -> tuple[str, str]:
    """SQL of the minute of the day as written, NULL without a time, and of the minutes by which it is ahead of UTC.

    Of texts that fit a pattern, in which a time is the only place with a colon between digits.
    """
    half = rf"(?:{BLANK}*([AaPp])\.?{BLANK}?[Mm]\b)?"
    seconds = r"(?::\d{2}(?:[.,]\d+)?)?"
    time = f"regexp_extract(date, {quoted(rf'(\d{{1,2}}):(\d{{2}}){seconds}{half}')}, ['hour', 'minute', 'half'])"
    hour = (
        "CASE WHEN t.half = '' THEN t.hour::BIGINT "
        "ELSE t.hour::BIGINT % 12 + CASE WHEN lower(t.half) = 'p' THEN 12 ELSE 0 END END"
    )
    minute = _once(time, "t", f"({hour}) * 60 + t.minute::BIGINT")
    zone = rf":\d{{2}}[\d:.,]*{half}[^A-Za-z+-]*((?:UTC|GMT)?[+-]\d{{2}}:?\d{{0,2}}|[A-Za-z]+)"
    digits = "rpad(regexp_replace(z, '\\D', '', 'g'), 4, '0')"
    offset = f"({digits}[1:2]::BIGINT * 60 + {digits}[3:4]::BIGINT) * CASE WHEN contains(z, '-') THEN -1 ELSE 1 END"
    names = f"MAP {{{', '.join(f'{quoted(name)}: {ahead}' for name, ahead in ZONES.items())}}}"
    ahead = f"CASE WHEN regexp_matches(z, '\\d') THEN {offset} ELSE coalesce({names}[z], 0) END"
    minute = f"CASE WHEN regexp_matches(date, '(^|[^\\d:])([01]?\\d|2[0-4]):[0-5]\\d') THEN {minute} END"
    return minute, _once(f"upper(regexp_extract(date, {quoted(zone)}, 2))", "z", ahead)


def _example_line(con: duckdb.DuckDBPyConnection, loaded: Loaded, reading: _Reading) -> QualityLine:
    first = (
        f"SELECT * FROM raw WHERE date IS NOT NULL AND NOT {_matches(_PATTERNS['strict'])} ORDER BY file, row LIMIT 50"
    )
    rows = con.execute(
        f"SELECT file, row, date, {reading.day} AS day FROM ({first}) ORDER BY day IS NULL, file, row"
    ).fetchall()
    shown = [
        f"e.g. {example(loaded, f, line_in_file(loaded, f, row), text)} is {on}" for f, row, text, on in rows if on
    ]
    return QualityLine("dates", "Dates", f"read as {reading.words}", "".join(shown[:1]))


_BEFORE_1900 = r"\b1[0-8]\d\d\b"


def date_hint(con: duckdb.DuckDBPyConnection, config: DataConfig, condition: str) -> str:
    """What may be done about the values of `date` that satisfy `condition` and are none."""
    if count(con, f"{condition} AND regexp_matches(date, {quoted(_BEFORE_1900)})"):
        return "days before 1900 are placeholders, as of a date that is missing"
    if config.date_format:
        return f"the format is {config.date_format}"
    if count(con, f"{condition} AND {_matches(_PATTERNS['serial'])}"):
        return f"{_SERIAL} beside other dates? Write all in one way; where all are such, type data.date_format=serial"
    if count(con, f"{condition} AND {_matches(_PATTERNS['epoch'])}"):
        return f"{_SECONDS} beside other dates? Write all in one way; where all are such, type data.date_format=epoch"
    return "if it is one, type its format, e.g. data.date_format=%d.%m.%y"


# --- days of another zone --------------------------------------------------------------------------------------------


def _in_zone(con: duckdb.DuckDBPyConnection, reading: _Reading, zone: str) -> tuple[str, QualityLine]:
    """SQL of the day in a zone, and what it changes. A time without an offset is one of UTC."""
    day, minute = reading.day, f"({reading.minute})"
    if not count(con, f"{minute} <> 0"):
        return day, QualityLine("time_zone", "Time zone", zone, "no date has a time of day: days stay as written")
    utc = f"(({day})::TIMESTAMP + to_minutes({minute} - ({reading.ahead})))"
    local = f"CAST(timezone({quoted(zone)}, timezone('UTC', {utc})) AS DATE)"
    moved = f"CASE WHEN {minute} IS NULL THEN {day} ELSE {local} END"
    changed, timed = con.execute(
        f"SELECT count(*) FILTER (({moved}) <> ({day})), count(*) FILTER ({minute} IS NOT NULL) FROM raw"
    ).fetchall()[0]
    note = f"{changed:,} of {timed:,} dates with a time lie on another day there than as written"
    return moved, QualityLine("time_zone", "Time zone", zone, note)


def _quiet_at_midday(con: duckdb.DuckDBPyConnection, reading: _Reading, strict: bool) -> tuple[QualityLine, ...]:
    """A hint where the quietest six hours lie in the day as written: the shop is open in another zone."""
    if strict:  # as fast as it has to be for the commonest
        written = con.execute(
            "SELECT substr(date, 12, 5), count(*) FROM raw WHERE strlen(date) > 10 GROUP BY 1"
        ).fetchall()
        minutes = {int(time[:2]) * 60 + int(time[3:]): number for time, number in written}
    else:
        minutes = dict(con.execute(f"SELECT {reading.minute} AS minute, count(*) FROM raw GROUP BY minute").fetchall())
    hours: Counter[int] = Counter()
    for minute, number in minutes.items():
        if minute:  # midnight is what exports write that know the day only
            hours[minute // 60] += number
    total = sum(hours.values())
    if total < _LEAST_TIMES:
        return ()

    def around(middle: int, width: int) -> int:
        return sum(hours[(middle + i) % 24] for i in range(-width // 2, width // 2))

    # Of several that are as quiet, the middle one of the longest quiet time.
    middle = min(range(24), key=lambda m: [around(m, width) for width in range(6, 24, 2)])
    if around(middle, 6) > _QUIET_SHARE * total or not 11 <= middle <= 17:
        return ()
    note = (
        f"hardly any order lies between {middle - 3}:00 and {middle + 3}:00: if that is the shop's night, its dates "
        "are those of another zone and orders fall on the wrong day; type data.time_zone=ZONE, e.g. America/New_York"
    )
    share = f"{around(middle, 6) / total:.1%} of {total:,} times"
    return (QualityLine("time_zone", "Quietest hours lie in the middle of the day", share, note, "warning"),)
