"""Dates and amounts of `raw` as values: how they are written is found, and every value that does not parse counted.

All rules are SQL on text. Nothing is taken from a sample: an odd value in the last row counts as one in the first.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import duckdb

from clvsim.data.amounts import Amounts, amount_hint, find_amounts
from clvsim.data.cells import EARLIEST
from clvsim.data.columns import PRODUCT
from clvsim.data.config import DataConfig
from clvsim.data.dates import date_hint, find_dates
from clvsim.data.log import Finding
from clvsim.data.quoting import EXAMPLES, count, counted, example, examples
from clvsim.data.raw import Loaded
from clvsim.errors import Problem
from clvsim.types import QualityLine

_UNFIT = "amounts have 14 digits at most; is a column no factor, or a rate wrong (data.amount, data.rates)?"
_NOBODY = "if these are guests, type data.guests=apart (each order is a customer) or drop"


class Rules(NamedTuple):
    """Columns of `raw` (or expressions of them): a DATE and a DECIMAL(18,4), NULL where the text does not parse.

    `refunded` is what came back of the amount, 0 or more, where a column says so; NULL where nothing did.
    """

    day: str
    amount: str
    date_reading: str  # in words, for the quality table
    amounts: Amounts
    readings: tuple[QualityLine, ...]  # what was found about dates and amounts that are not plain
    refunded: str | None = None
    unfit: str = "false"  # SQL: amounts that can be read, and whose product or conversion is too large


def choose_rules(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, config: DataConfig, today: date | None = None
) -> tuple[Rules, list[Problem]]:
    """Parse `raw`: add the columns `day`, `value` and, where the file says what was paid back, `back`. Charges that
    failed become the table `failed_charges(customer_id, day)`.

    Years before 1900 count as errors: they are placeholders. A product is rounded to four decimals, after a currency's
    rate. Returns the columns, and problems where dates or amounts have several readings. `today`: by default the
    current date.
    """
    dates = find_dates(con, loaded, config, today or date.today())
    amounts = find_amounts(con, loaded, config)
    if loaded.read_at_once:
        return Rules(dates.day, "amount", dates.reading, amounts, (*dates.lines, *amounts.lines)), []
    rate = {str(name): str(kind) for name, kind, *_ in con.execute("DESCRIBE raw").fetchall()}.get("factor")
    factors = [amounts.sql(column) for column in PRODUCT if column in amounts.columns]
    back = "back" if "refunded" in amounts.columns else None
    paid_back = f", {_product([f'abs({amounts.sql("refunded")})'], rate)} AS back" if back else ""
    con.execute(
        f"""
        CREATE TABLE parsed AS SELECT * REPLACE (CASE WHEN day >= DATE '{EARLIEST}' THEN day END AS day)
        FROM (SELECT *, {dates.day} AS day, {_product(factors, rate)} AS value{paid_back} FROM raw)
        """
    )
    con.execute("DROP TABLE raw; ALTER TABLE parsed RENAME TO raw")
    if config.failed:
        con.execute(f"CREATE TABLE failed_charges AS SELECT customer_id, {dates.day} AS day FROM failed")
    unfit = f"value IS NULL AND {' AND '.join(f'{factor} IS NOT NULL' for factor in factors)}"
    if back:
        unfit = f"({unfit}) OR (back IS NULL AND {amounts.sql('refunded')} IS NOT NULL)"
    rules = Rules("day", "value", dates.reading, amounts, (*dates.lines, *amounts.lines), back, unfit)
    return rules, [*dates.problems, *amounts.problems]


def _product(factors: Sequence[str], rate: str | None) -> str:
    """SQL of a product of DECIMAL(18,4) and, of the type `rate`, a factor; NULL where it is too large for that type.

    It is exact and then rounded, unless the decimals of all leave less than the 14 digits before them.
    """
    if len(factors) == 1 and rate is None:
        return factors[0]
    decimals = 4 * len(factors) + (int(rate.strip("DECIMAL()").split(",")[1]) if rate and rate != "DOUBLE" else 0)
    exact = rate != "DOUBLE" and decimals <= 38 - 14
    wide = [f"CAST(({factor}) AS {'DECIMAL(38,4)' if exact else 'DOUBLE'})" for factor in factors]
    product = " * ".join(wide + (["factor"] if rate else []))
    return f"TRY(CAST(round({product}, 4) AS DECIMAL(18,4)))"  # rounded first: the cast alone takes twice the time


def find_bad_rows(
    con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, config: DataConfig
) -> tuple[Finding, ...]:
    """Values of `raw` that are missing or do not parse, and lines that are not rows: one finding per kind."""
    no_day = f"date IS NOT NULL AND ({rules.day}) IS NULL"
    amounts = [column for column in PRODUCT if column in rules.amounts.columns]
    unread = {c: f"{c} IS NOT NULL AND {rules.amounts.sql(c)} IS NULL" for c in rules.amounts.columns}
    if amounts == ["amount"]:  # quickly: what can be read has a value, unless that is too large
        unread["amount"] = f"({rules.amount}) IS NULL AND {unread['amount']}"
    checks = (
        ("data.customer_id", "customer id is missing", "NULL", "customer_id IS NULL"),
        ("data.date", "date is missing", "NULL", "date IS NULL"),
        ("data.date", "not a date", "date", no_day),
        ("data.amount", "amount is missing", "NULL", " OR ".join(f"{column} IS NULL" for column in amounts)),
        *(("data.amount", "not an amount", column, unread[column]) for column in amounts),
        *(("data.refunded", "not an amount", c, unread[c]) for c in rules.amounts.columns if c == "refunded"),
        ("data.amount", "too large when multiplied", f"concat_ws(' * ', {', '.join(amounts)})", rules.unfit),
    )
    findings = []
    for where, what, column, condition in checks:
        if number := count(con, condition):
            hint = _NOBODY if where == "data.customer_id" else ""
            hint = date_hint(con, config, condition) if condition == no_day else hint
            hint = amount_hint(con, rules.amounts, condition) if column == "amount" else hint
            hint = _UNFIT if condition == rules.unfit else hint
            findings.append(Finding(where, what, number, examples(con, loaded, column, condition), hint))
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
    lines_quoted = "; ".join(example(loaded, b.file, b.line, b.text) for b in loaded.broken[:EXAMPLES])
    hints = "; ".join(_BROKEN.get(kind, kind.lower()) for kind in sorted({b.kind for b in loaded.broken}))
    return (Finding(loaded.label, "the line does not fit the header", loaded.broken_rows, lines_quoted, hints),)


def future_dates(con: duckdb.DuckDBPyConnection, loaded: Loaded, rules: Rules, today: date) -> list[Problem]:
    """Problem of orders after `today`: the date format or a clock is wrong, which skipping them would hide."""
    is_future = f"({rules.day}) > DATE '{today}'"
    if not (number := count(con, is_future)):
        return []
    shown = examples(con, loaded, "date", is_future)
    return [Problem("data.date", f"{counted(number, 'row lies', 'rows lie')} after today ({today}), e.g. {shown}")]
