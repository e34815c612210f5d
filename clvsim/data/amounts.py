"""Amounts: which decimal sign a file has, and SQL of its columns as numbers.

An amount is a number with groups of three digits or none, with or without a currency; brackets and a trailing minus
are negative. The decimal sign is what all values say together. Where none of them says it, it is asked for: a wrong
guess changes amounts by a factor of 1,000.
"""

import re
from typing import NamedTuple

import duckdb

from clvsim.data.config import DataConfig
from clvsim.data.database import quoted
from clvsim.data.quoting import count, example, examples
from clvsim.data.raw import Loaded, line_in_file
from clvsim.data.words import BLANK, CURRENCY, CURRENCY_CODE, SAME_CURRENCY
from clvsim.errors import Problem
from clvsim.types import QualityLine

COLUMNS = ("amount", "amount_2", "amount_3", "refunded")
_MINUS = r"[-\x{2212}\x{2013}]"
_APOSTROPHE = r"['’ʼ´`]"
_LISTED = 8  # currencies that a message names


class Amounts(NamedTuple):
    """The columns of `raw` that hold amounts, and how they are read."""

    columns: tuple[str, ...]
    decimal: str = "."
    plain: bool = False  # every value is digits and that sign: nothing else needs to be looked for
    lines: tuple[QualityLine, ...] = ()  # how they are read, where that is not plain
    problems: tuple[Problem, ...] = ()

    def sql(self, column: str) -> str:
        """SQL of a column as DECIMAL(18,4); NULL where the text is no amount."""
        return _cast(column, self.decimal) if self.plain else _number(column, self.decimal)


def _plain(decimal: str) -> str:
    return quoted(rf"[+-]?(\d+[{decimal}]?\d*|[{decimal}]\d+)([eE][+-]?\d+)?")


def _cast(text: str, decimal: str) -> str:
    text = text if decimal == "." else f"replace({text}, {quoted(decimal)}, '.')"
    return f"try_cast({text} AS DECIMAL(18,4))"


def _written(decimal: str) -> str:
    """The pattern of an amount."""
    other = r"\." if decimal == "," else ","
    groups = (rf"[1-9]\d{{0,2}}(?:{sign}\d{{3}})+" for sign in (other, BLANK, _APOSTROPHE))
    lakhs = r"[1-9]\d?(?:,\d{2})+,\d{3}|" if other == "," else ""
    number = rf"(?:(?:{lakhs}{'|'.join(groups)}|\d+)(?:[{decimal}]\d+)?|[{decimal}]\d+)"
    before, after = f"(?:{CURRENCY}{BLANK}*)?", f"(?:{BLANK}*{CURRENCY})?"
    sign = rf"(?:(?:\+|{_MINUS}){BLANK}*)?"
    return (
        rf"(?:{sign}{before}|{before}{sign}){number}{after}"
        rf"|{before}{number}(?:{BLANK}*{_MINUS}{after}|{after}{BLANK}*{_MINUS})"
        rf"|{before}\({BLANK}*{before}{number}{after}{BLANK}*\){after}"
    )


def _number(column: str, decimal: str) -> str:
    digits = f"regexp_replace({column}, '\\p{{L}}+\\.?|[^\\d{decimal}]+', '', 'g')"  # "Fr. 5.50" has a point too many
    negative = f"regexp_matches({column}, {quoted(rf'\(|{_MINUS}')})"
    return (
        f"CASE WHEN regexp_full_match({column}, {_plain(decimal)}) THEN {_cast(column, decimal)} "
        f"WHEN regexp_full_match({column}, {quoted(_written(decimal))}) "
        f"THEN {_cast(f"(CASE WHEN {negative} THEN '-' ELSE '' END || {digits})", decimal)} END"
    )


def _all_plain(con: duckdb.DuckDBPyConnection, columns: tuple[str, ...], decimal: str) -> bool:
    plain = " AND ".join(f"coalesce(bool_and(regexp_full_match({c}, {_plain(decimal)})), true)" for c in columns)
    return con.execute(f"SELECT {plain} FROM raw").fetchall()[0][0]


def _any(con: duckdb.DuckDBPyConnection, columns: tuple[str, ...], condition: str) -> bool:
    """Whether a value satisfies a condition on {0}; stops at the first."""
    where = " OR ".join(condition.format(c) for c in columns)
    return bool(con.execute(f"SELECT 1 FROM raw WHERE {where} LIMIT 1").fetchall())


def _is_plain(con: duckdb.DuckDBPyConnection, columns: tuple[str, ...], given: str | None) -> bool:
    """Whether all values are plain numbers; where the sign is not given, the point must be seen to be a decimal one."""
    if not _all_plain(con, columns, given or "."):
        return False
    if given or _any(con, columns, "contains({0}, '.') AND {0}[-4] <> '.' AND NOT contains(lower({0}), 'e')"):
        return True
    return not _any(con, columns, "contains({0}, '.')")


def find_amounts(con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig) -> Amounts:
    """How the amounts of `raw` are read, decided by all values of all its columns of amounts together."""
    there = {row[0] for row in con.execute("DESCRIBE raw").fetchall()}
    columns = tuple(c for c in COLUMNS if c in there)
    given = "." if loaded.amounts_typed else config.decimal
    if loaded.read_at_once or _is_plain(con, columns, given):
        return Amounts(columns, given or ".", plain=True)
    decimal, problem = (given, None) if given else _decimal_sign(con, loaded, columns)
    if problem:
        return Amounts(columns, decimal, problems=(problem,))
    amounts = Amounts(columns, decimal, _all_plain(con, columns, decimal))
    if amounts.plain:
        return amounts._replace(lines=(QualityLine("amounts", "Amounts", f"read as 1234{decimal}56"),))
    found = _found(con, amounts)
    return amounts._replace(
        lines=_lines(con, loaded, amounts, found),
        problems=() if config.currency else _several(con, loaded, amounts, found),
    )


def _decimal_sign(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, columns: tuple[str, ...]
) -> tuple[str, Problem | None]:
    """The decimal sign, or the question. Values that are amounts under one sign only decide."""

    def quote(condition: str, limit: int = 2) -> str:
        column = next(c for c in columns if count(con, condition.format(c, *readings[c])))
        return examples(con, loaded, column, condition.format(column, *readings[column]), limit)

    readings = {c: (_number(c, "."), _number(c, ",")) for c in columns}
    pairs = " UNION ALL ".join(
        f"SELECT {point} AS point, {comma} AS comma FROM raw" for point, comma in readings.values()
    )
    points, commas, unclear = con.execute(
        "SELECT count(*) FILTER (point IS NOT NULL AND comma IS NULL), "
        f"count(*) FILTER (comma IS NOT NULL AND point IS NULL), count(*) FILTER (point <> comma) FROM ({pairs})"
    ).fetchall()[0]
    if points and commas:
        by_point, by_comma = quote("({1}) IS NOT NULL AND ({2}) IS NULL"), quote("({2}) IS NOT NULL AND ({1}) IS NULL")
        what = (
            f"decimal point and decimal comma in one file: {by_point} ({points:,} in all), but {by_comma} "
            f"({commas:,} in all); type data.decimal=. or data.decimal=, and the others are no amounts"
        )
        return ".", Problem("data.amount", what)
    if points or commas or not unclear:
        return "," if commas else ".", None
    column = next(c for c in columns if count(con, f"({readings[c][0]}) <> ({readings[c][1]})"))
    point, comma = readings[column]
    text, as_point, as_comma = con.execute(
        f"SELECT {column}, ({point})::DOUBLE, ({comma})::DOUBLE FROM raw WHERE ({point}) <> ({comma}) "
        "ORDER BY file, row LIMIT 1"
    ).fetchall()[0]
    what = (
        f"thousands or decimals, no value says which: {text[:40]!r} is {as_point:.10g} with data.decimal=. and "
        f"{as_comma:.10g} with data.decimal=,; type the right one. E.g. {quote('({1}) <> ({2})', 3)}"
    )
    return ".", Problem("data.amount", what)


class _Found(NamedTuple):
    """Amounts that are more than digits and a decimal sign, of one currency ("" for those without)."""

    currency: str
    texts: tuple[str, ...]  # what is left of them without digits and signs
    number: int
    before: bool  # the currency stands before the number
    separators: frozenset[str]  # of thousands
    negative: int  # in brackets, or with a minus behind
    column: str
    longest: tuple[int, int, str]  # file, row and text


def _not_plain(amounts: Amounts, column: str) -> str:
    """Condition of values that are amounts, and more than digits and a decimal sign."""
    written, plain = quoted(_written(amounts.decimal)), _plain(amounts.decimal)
    return f"NOT regexp_full_match({column}, {plain}) AND regexp_full_match({column}, {written})"


def _letters(text: str) -> str:
    """SQL of what is left of an amount without digits and signs: its currency as it is written."""
    return f"regexp_replace({text}, '[^\\p{{L}}\\p{{Sc}}]+', '', 'g')"


def _found(con: duckdb.DuckDBPyConnection, amounts: Amounts) -> list[_Found]:
    """How amounts are written that are not plain, by currency and the most frequent first."""
    separators = {"." if amounts.decimal == "," else ",": "", "'": _APOSTROPHE, " ": BLANK}
    flags = (
        f"bool_or(regexp_matches(text, {quoted(rf'\d{pattern or f"[{sign}]"}\d')}))"
        for sign, pattern in separators.items()
    )
    values = " UNION ALL ".join(
        f"SELECT {position} AS position, file, row, {column} AS text FROM raw WHERE {_not_plain(amounts, column)}"
        for position, column in enumerate(amounts.columns)
    )
    rows = con.execute(
        f"""
        SELECT {_letters("text")} AS letters, min(position), count(*),
            bool_or(regexp_matches(text, '^[^\\d]*[\\p{{L}}\\p{{Sc}}]')),
            count(*) FILTER (regexp_matches(text, {quoted(rf"\(|\d.*{_MINUS}")})),
            arg_max([file::VARCHAR, row::VARCHAR, text], (length(text), -file, -row)), {", ".join(flags)}
        FROM ({values}) GROUP BY letters ORDER BY count(*) DESC, letters
        """
    ).fetchall()
    found: dict[str, _Found] = {}
    for letters, position, number, before, negative, (file, row, text), *seen in rows:
        currency = _currency(letters)
        there = frozenset(sign for sign, is_there in zip(separators, seen, strict=True) if is_there)
        one = _Found(
            currency,
            (letters,),
            number,
            before,
            there,
            negative,
            amounts.columns[position],
            (int(file), int(row), text),
        )
        if first := found.get(currency):
            one = first._replace(
                texts=(*first.texts, letters),
                number=first.number + number,
                separators=first.separators | there,
                negative=first.negative + negative,
            )
        found[currency] = one
    return sorted(found.values(), key=lambda one: -one.number)


def _currency(letters: str) -> str:
    """One name for a currency, however it is written: "$USD" is USD, and so is "US$"; "$" may be many."""
    code = re.search(CURRENCY_CODE, letters)
    text = code[0].upper() if code else letters
    return SAME_CURRENCY.get(text, text)


def _several(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, amounts: Amounts, found: list[_Found]
) -> tuple[Problem, ...]:
    """The problem of amounts in more than one currency."""
    known = [one for one in found if one.currency]
    if len(known) < 2:
        return ()
    listed = ", ".join(f"{one.number:,} in {one.currency}" for one in known[:_LISTED])
    shown = []
    for one in known[:2]:
        texts = ", ".join(quoted(text) for text in one.texts[:_LISTED])
        condition = f"{_not_plain(amounts, one.column)} AND {_letters(one.column)} IN ({texts})"
        shown.append(examples(con, loaded, one.column, condition, 1))
    what = (
        f"amounts in {len(known)} currencies: {listed}; e.g. {', but '.join(shown)}. They are never added: keep "
        "one by a column that tells them apart, e.g. data.only='{Country: [DE]}', or name the column of currencies "
        "with data.currency=COLUMN"
    )
    return (Problem("data.amount", what),)


def _lines(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, amounts: Amounts, found: list[_Found]
) -> tuple[QualityLine, ...]:
    """How amounts are read, with the longest of the commonest currency as the example."""
    if not found:
        return ()
    separators = frozenset[str]().union(*(one.separators for one in found))
    shape = f"1{min(separators, default='')}234{amounts.decimal}56"
    common = next((one for one in found if one.currency), found[0])
    if common.currency:
        written = common.texts[0]
        gap = "" if len(written) == 1 and common.before else " "
        shape = f"{written}{gap}{shape}" if common.before else f"{shape}{gap}{written}"
    file, row, text = common.longest
    value = con.execute(f"SELECT {_number('$1', amounts.decimal)}", [text]).fetchall()[0][0]
    read = "too large" if value is None else f"{value.normalize():f}"
    note = f"e.g. {example(loaded, file, line_in_file(loaded, file, row), text)} is {read}"
    if negatives := sum(one.negative for one in found):
        note += f"; {negatives:,} in brackets or with a minus behind them are negative"
    return (QualityLine("amounts", "Amounts", f"read as {shape}", note),)


def amount_hint(con: duckdb.DuckDBPyConnection, amounts: Amounts, condition: str) -> str:
    """What may be wrong with the values of `amount` that satisfy `condition` and are none."""
    other = "." if amounts.decimal == "," else ","
    by_other, letters, long = con.execute(
        f"SELECT bool_or(({_number('amount', other)}) IS NOT NULL), "
        f"bool_or(regexp_matches(amount, {quoted(r'[^\d.,+\-eE]')})), "
        f"bool_or(regexp_matches(amount, {quoted(r'\d{15}')})) FROM raw WHERE {condition}"
    ).fetchall()[0]
    hints = []
    if letters:
        hints.append("an amount is one number, with a currency or without; no words, percent signs or dates")
    if long:
        hints.append("an amount has at most 14 digits before its decimals")
    if by_other:
        hints.append(f"if “{other}” is the decimal sign, type data.decimal={other}")
    return "; ".join(hints)
