"""The statements that count a table of orders, written once in what all dialects have in common.

No arg_min, no safe casts and no reading of dates from text; every derived table has a name; a day is a number of days
since 1970. What differs is in `clvsim.data.sql.dialects`. Each is the SQL of `clvsim.data.summary` and its neighbours
in other words, and tests hold the two to the same answers. Logs are summed as whole numbers of small units, since
floating sums depend on the order of rows.
"""

import re
from typing import NamedTuple

from clvsim.data.database import identifier
from clvsim.data.sql.dialects import DIALECTS, Dialect
from clvsim.types import PARTS

EARLIEST = -25_567  # 1900-01-01: earlier days are placeholders
LOG, SQUARE, LAG_LOG = 10**12, 10**10, 10**9  # units of sums of logs of amounts, their squares, and times an age


class Source(NamedTuple):
    """A table's name in parts, the columns of a log in it, and the dialect that it is asked in."""

    table: tuple[str, ...]
    customer_id: str
    date: str
    amount: str
    dialect: str

    @property
    def way(self) -> Dialect:
        return DIALECTS[self.dialect]

    @property
    def name(self) -> str:
        return ".".join(map(identifier, self.table))

    def real(self, amount: str) -> str:
        """SQL of an amount as a floating number of the log's money."""
        plain = f"CAST({amount} AS DOUBLE PRECISION)"
        return f"{plain} / {self.way.scale}.0" if self.way.scale > 1 else plain


class AsOf(NamedTuple):
    """A day at whose end the table is known, the last one of orders that count, as days since 1970; whether amounts
    below 0 have to be taken off; and the day from which on customers must have come, None for any."""

    today: int
    last: int
    refunds: bool
    since: int | None = None


def parts_of(table: str) -> tuple[str, ...]:
    """A table's name by its dots, but for those inside of double quotes; empty where that is no name."""
    parts = re.findall(r'"((?:[^"]|"")*)"|([^.]+)', table)
    names = tuple(quoted.replace('""', '"') or plain for quoted, plain in parts)
    return names if all(name and "\0" not in name for name in names) else ()


# --- what both statements of histories and counts begin with ---------------------------------------------------------


def _typed(source: Source) -> str:
    way = source.way
    return f"""
    SELECT {way.id_of(source.customer_id)} AS customer_id, {way.day_of(source.date)} AS day,
        {way.amount_of(source.amount)} AS amount, {identifier(source.date)} AS written_date,
        {identifier(source.amount)} AS written_amount
    FROM {source.name} AS source"""


def _entries(source: Source, last: int | None = None) -> str:
    """Table `entries`, of rows that can be used."""
    until = "" if last is None else f" AND day <= {last}"
    return f"""
entries AS (
    SELECT customer_id, day, amount FROM ({_typed(source)}) AS typed
    WHERE customer_id IS NOT NULL AND day IS NOT NULL AND amount IS NOT NULL{until}
)"""


def _days(source: Source, last: int) -> str:
    """The same and `days`: orders, their amounts and refunds by customer and day."""
    return f"""{_entries(source, last)}, days AS (
    SELECT customer_id, day, SUM(CASE WHEN amount >= 0 THEN 1 ELSE 0 END) AS orders,
        SUM(CASE WHEN amount >= 0 THEN amount ELSE 0 END) AS ordered,
        SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END) AS refunded
    FROM entries GROUP BY customer_id, day
)"""


def _netted(today: int) -> str:
    """Table `netted`: what refunds leave of each day's orders, as in `clvsim.data.refunds`."""
    ends = "PARTITION BY customer_id, later ORDER BY day ROWS BETWEEN"
    return f"""
, parted AS (
    SELECT customer_id, day, orders, ordered, refunded, CASE WHEN day > {today} THEN 1 ELSE 0 END AS later FROM days
), balance AS (
    SELECT customer_id, day, orders, ordered, refunded, later, SUM(ordered - refunded) OVER (
        {ends} UNBOUNDED PRECEDING AND CURRENT ROW) AS after_day FROM parted
), minima AS (
    SELECT customer_id, day, orders, ordered, later, after_day, MIN(after_day) OVER (
        {ends} CURRENT ROW AND UNBOUNDED FOLLOWING) - (after_day - ordered + refunded) AS kept FROM balance
), netted AS (
    SELECT customer_id, day, orders, ordered, later, after_day,
        CASE WHEN kept <= 0 THEN 0 WHEN kept < ordered THEN kept ELSE ordered END AS net FROM minima
)"""


def _purchases(source: Source, as_of: AsOf) -> str:
    """The same and `purchases`: one order per customer and day, refunds taken off."""
    plain = "SELECT customer_id, day, ordered AS amount FROM days WHERE orders > 0"
    net = "SELECT customer_id, day, net AS amount FROM netted WHERE orders > 0 AND (net > 0 OR ordered = 0)"
    netted, select = (_netted(as_of.today), net) if as_of.refunds else ("", plain)
    chosen = f"purchases AS ({select})"
    if as_of.since is not None:
        chosen = f"""everybodys AS ({select}), newer AS (
    SELECT customer_id FROM everybodys GROUP BY customer_id HAVING MIN(day) >= {as_of.since}
), purchases AS (
    SELECT everybodys.customer_id AS customer_id, everybodys.day AS day, everybodys.amount AS amount
    FROM everybodys JOIN newer ON everybodys.customer_id = newer.customer_id
)"""
    return f"WITH {_days(source, as_of.last)}{netted}, {chosen}"


# --- the statements --------------------------------------------------------------------------------------------------


def counts(source: Source, now: int) -> str:
    """One row: how many rows there are, what is wrong with them, and on which days they lie; `now` is the real today.

    In an empty table the sums are NULL.
    """
    wrong = {
        "no_id": "customer_id IS NULL",
        "no_date": "written_date IS NULL",
        "bad_date": f"written_date IS NOT NULL AND (day IS NULL OR day < {EARLIEST})",
        "no_amount": "written_amount IS NULL",
        "bad_amount": "written_amount IS NOT NULL AND amount IS NULL",
        "future": f"day > {now}",
        "refunds": "amount < 0",
        "sales": "amount >= 0",
    }
    sums = ", ".join(f"SUM(CASE WHEN {what} THEN 1 ELSE 0 END) AS {name}" for name, what in wrong.items())
    days = "MIN(day) AS first_day, MAX(day) AS last_day"
    return f"SELECT COUNT(*) AS number, {days}, {sums} FROM ({_typed(source)}) AS typed"


def totals(source: Source, today: int) -> str:
    """One row: sums of the rows up to today, and how many rows of the table are there more than once."""

    def total(value: str, when: str) -> str:
        return f"SUM(CASE WHEN day <= {today} AND {when} THEN {value} ELSE 0 END)"

    def paid(which: str) -> str:
        return source.real(f"{which}(CASE WHEN day <= {today} AND amount > 0 THEN amount END)")

    return f"""
WITH {_entries(source)}, repeated AS (
    SELECT COUNT(*) AS number FROM {source.name} AS source
    GROUP BY {", ".join(map(identifier, (source.customer_id, source.date, source.amount)))}
)
SELECT {total("1", "amount >= 0")} AS orders, {total("amount", "amount >= 0")} AS ordered,
    {total("1", "amount = 0")} AS zeros, {total("1", "amount < 0")} AS refunds,
    {total("-amount", "amount < 0")} AS refunded,
    {paid("MIN")} AS smallest, {paid("MAX")} AS largest, SUM(CASE WHEN day > {today} THEN 1 ELSE 0 END) AS after_today,
    (SELECT SUM(number - 1) FROM repeated) AS duplicates
FROM entries"""


def refunded(source: Source, as_of: AsOf) -> str:
    """One row: what refunds changed, and what they exceed."""
    depth = "SELECT customer_id, later, -MIN(CASE WHEN after_day < 0 THEN after_day ELSE 0 END) AS excess"
    return f"""
{_purchases(source, as_of)}, depth AS ({depth} FROM netted GROUP BY customer_id, later)
SELECT (SELECT COUNT(*) FROM netted WHERE net = 0 AND ordered > 0) AS orders_removed,
    SUM(excess) AS unmatched, SUM(CASE WHEN excess > 0 THEN 1 ELSE 0 END) AS unmatched_customers,
    (SELECT COUNT(DISTINCT customer_id) FROM days) - (SELECT COUNT(DISTINCT customer_id) FROM purchases)
        AS customers_removed
FROM depth WHERE later = 0"""


def left_out(source: Source, as_of: AsOf) -> str:
    """One row: customers who came before `as_of.since` and their orders, and the first day of the others."""
    return f"""
{_purchases(source, as_of._replace(since=None))}, firsts AS (
    SELECT customer_id, COUNT(*) AS orders, MIN(day) AS first_day FROM purchases GROUP BY customer_id
)
SELECT SUM(CASE WHEN first_day < {as_of.since} THEN 1 ELSE 0 END) AS customers,
    SUM(CASE WHEN first_day < {as_of.since} THEN orders ELSE 0 END) AS orders,
    MIN(CASE WHEN first_day >= {as_of.since} THEN first_day END) AS first_day
FROM firsts"""


_GAPS = {  # of the calendar: a gap of so many days is nearest to it, and one of more is a break
    "week": ("BETWEEN 4 AND 14", 10),
    "month": ("BETWEEN 15 AND 52", 46),
    "quarter": ("BETWEEN 53 AND 136", 137),
    "year": (">= 258", 548),
}


def _dated(source: Source, as_of: AsOf) -> str:
    """Table `dated`: orders with their customer's first day, their age, log, the days since the one before, and whether
    both are paid."""
    one = "OVER (PARTITION BY customer_id ORDER BY day)"
    all_of = "OVER (PARTITION BY customer_id)"
    return f"""{_purchases(source, as_of)}, placed AS (
    SELECT customer_id, day, amount, {as_of.today} - day AS lag_days,
        CASE WHEN day <= {as_of.today} THEN 1 ELSE 0 END AS known,
        MIN(day) {all_of} AS first_day, LAG(day) {one} AS previous, LAG(amount) {one} AS previous_amount,
        MAX(CASE WHEN amount > 0 AND day <= {as_of.today} THEN day END) {all_of} AS last_paid,
        CASE WHEN amount > 0 THEN LN({source.real("amount")}) END AS log_amount
    FROM purchases
), dated AS (
    SELECT customer_id, day, amount, lag_days, known, first_day, last_paid, log_amount, day - previous AS gap,
        CASE WHEN known = 1 AND day > first_day THEN 1 ELSE 0 END AS again,
        CASE WHEN known = 1 AND day > first_day AND amount > 0 THEN 1 ELSE 0 END AS paid,
        CASE WHEN (amount > 0 AND previous_amount > 0) OR (amount <= 0 AND previous_amount <= 0)
            THEN 1 ELSE 0 END AS alike
    FROM placed
)"""


def customers(source: Source, as_of: AsOf) -> str:
    """A row per customer with an order up to today: the columns of a `CustomerSummary`, but for those that follow.

    `monetary_value` is for other tools: what `data=summary` takes for the mean of the repeat orders.
    """
    later_days = as_of.last - as_of.today
    paid = "CASE WHEN paid = 1 THEN {} ELSE 0 END"
    recent = f"again = 1 AND day > {as_of.today - later_days}"

    def whole(value: str, unit: int) -> str:
        each = paid.format(f"CAST(ROUND({value} * {unit}.0) AS BIGINT)")
        return f"CAST(SUM({each}) AS DOUBLE PRECISION) / {unit}.0"

    def money(when: str) -> str:
        return source.real(f"SUM(CASE WHEN {when} THEN amount ELSE 0 END)")

    def count(when: str) -> str:
        return f"SUM(CASE WHEN {when} THEN 1 ELSE 0 END)"

    gaps = ", ".join(
        f"{count(f'again = 1 AND alike = 1 AND gap {near}')} AS {name}s, "
        f"{count(f'again = 1 AND gap > {longest}')} AS {name}_breaks"
        for name, (near, longest) in _GAPS.items()
    )
    gap_logs = f"CASE WHEN again = 1 THEN CAST(ROUND(LN(CAST(gap AS DOUBLE PRECISION)) * {LOG}.0) AS BIGINT) ELSE 0 END"
    return f"""
{_dated(source, as_of)}
SELECT customer_id, SUM(again) AS frequency, MAX(CASE WHEN known = 1 THEN day END) - MIN(first_day) AS recency,
    {as_of.today} - MIN(first_day) AS age, {money("day = first_day")} AS first_amount,
    {money("again = 1")} AS repeat_amount,
    CASE WHEN SUM(again) > 0 THEN {money("again = 1")} / SUM(again) ELSE 0 END AS monetary_value,
    {whole("log_amount", LOG)} AS repeat_log_amount,
    {whole("log_amount * log_amount", SQUARE)} AS repeat_log_square,
    SUM({paid.format("lag_days")}) AS repeat_lag, SUM({paid.format("lag_days * lag_days")}) AS repeat_lag_square,
    {whole("lag_days * log_amount", LAG_LOG)} AS repeat_lag_log, SUM(paid) AS repeat_positive,
    {source.real("MAX(CASE WHEN day = last_paid THEN amount END)")} AS last_amount,
    {count("known = 0")} AS holdout_frequency, {money("known = 0")} AS holdout_amount,
    {count(recent)} AS recent_frequency, {money(recent)} AS recent_amount,
    CAST(SUM({gap_logs}) AS DOUBLE PRECISION) / {LOG}.0 AS log_gaps, {gaps}
FROM dated GROUP BY customer_id HAVING MIN(first_day) <= {as_of.today} ORDER BY customer_id"""


def histories(source: Source, as_of: AsOf) -> str:
    """A row per distinct history, all that a model of orders learns from, with how many customers have it; no ids."""
    return f"""
{_purchases(source, as_of)}, each AS (
    SELECT customer_id, COUNT(*) - 1 AS frequency, MAX(day) - MIN(day) AS recency, {as_of.today} - MIN(day) AS age
    FROM purchases WHERE day <= {as_of.today} GROUP BY customer_id
)
SELECT frequency, recency, age, COUNT(*) AS customers FROM each
GROUP BY frequency, recency, age ORDER BY frequency, recency, age"""


def levelled(source: Source, as_of: AsOf, slope: float) -> str:
    """A row per customer: the sum of repeat orders at today's level, by a slope of log amounts a day."""
    each = f"CAST({source.real('amount')} * EXP({slope!r} * ({as_of.today} - day)) AS DECIMAL(36, 8))"
    again = f"day > first_day AND day <= {as_of.today}"
    return f"""
{_purchases(source, as_of)}, placed AS (
    SELECT customer_id, day, amount, MIN(day) OVER (PARTITION BY customer_id) AS first_day FROM purchases
)
SELECT customer_id, CAST(SUM(CASE WHEN {again} THEN {each} ELSE 0 END) AS DOUBLE PRECISION) AS repeat_amount_today
FROM placed GROUP BY customer_id HAVING MIN(first_day) <= {as_of.today} ORDER BY customer_id"""


def repeats(source: Source, as_of: AsOf, cut: int) -> str:
    """A row per day with repeat orders: their number, of which by customers known at `cut`, and by part of the
    customers, who are dealt out in turn."""
    parts = ", ".join(f"SUM(CASE WHEN part = {part} THEN 1 ELSE 0 END) AS part_{part}" for part in range(PARTS))
    return f"""
{_purchases(source, as_of)}, firsts AS (
    SELECT customer_id, MIN(day) AS first_day FROM purchases GROUP BY customer_id HAVING MIN(day) <= {as_of.today}
), dealt AS (
    SELECT customer_id, first_day, MOD(ROW_NUMBER() OVER (ORDER BY customer_id) - 1, {PARTS}) AS part FROM firsts
)
SELECT purchases.day AS day, COUNT(*) AS orders, SUM(CASE WHEN first_day <= {cut} THEN 1 ELSE 0 END) AS known, {parts}
FROM purchases JOIN dealt ON purchases.customer_id = dealt.customer_id
WHERE purchases.day > dealt.first_day GROUP BY purchases.day ORDER BY purchases.day"""
