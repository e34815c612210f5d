"""The statements that count a table of orders, written once in what all dialects have in common.

No arg_min, no safe casts and no reading of dates from text; every derived table has a name; a day is a number of days
since 1970. What differs is in `clvsim.data.sql.dialects`. Each says what `clvsim.data.summary` and its neighbours do,
and tests hold the two to the same answers. Logs are summed as whole numbers of small units, since floating sums depend
on the order of rows.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from clvsim.data.database import identifier
from clvsim.data.rhythm import packed
from clvsim.data.sql.dialects import DIALECTS, Dialect
from clvsim.types import PARTS

EARLIEST = -25_567  # 1900-01-01: earlier days are placeholders
LOG, SQUARE, LAG_LOG = 10**12, 10**10, 10**9  # units of sums of logs of amounts, their squares, and times an age
SPREAD = 10**6  # of squares of days


class Source(NamedTuple):
    """A table's name in parts, the columns of a log in it, and the dialect that it is asked in."""

    table: tuple[str, ...]
    customer_id: str
    date: str
    amount: str
    dialect: str
    holds: str = ""  # what a server's column of amounts is declared to hold, "" where that is not known
    checked: bool = False  # whether it is known that each row can be used

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
        {way.amount_of(source.amount, source.holds)} AS amount, {identifier(source.date)} AS written_date,
        {identifier(source.amount)} AS written_amount
    FROM {source.name} AS source"""


def _entries(source: Source, last: int) -> str:
    """Table `entries`, of rows that can be used."""
    usable = "" if source.checked else "customer_id IS NOT NULL AND day IS NOT NULL AND amount IS NOT NULL AND "
    return f"""
entries AS (
    SELECT customer_id, day, amount FROM ({_typed(source)}) AS typed WHERE {usable}day <= {last}
)"""


def _days(source: Source, as_of: AsOf) -> str:
    """The same and `days`: orders, their amounts and refunds by customer and day."""
    total = source.way.total
    sums = total.format(value="SUM(amount)") + " AS ordered"
    if as_of.refunds:
        sums = f"""SUM(CASE WHEN amount >= 0 THEN 1 ELSE 0 END) AS orders,
        {total.format(value="SUM(CASE WHEN amount >= 0 THEN amount ELSE 0 END)")} AS ordered,
        {total.format(value="SUM(CASE WHEN amount < 0 THEN -amount ELSE 0 END)")} AS refunded"""
    return f"""{_entries(source, as_of.last)}, days AS (
    SELECT customer_id, day, {sums} FROM entries GROUP BY customer_id, day
)"""


def _netted(today: int, suffix: str = "") -> str:
    """Table `netted`: what refunds leave of each day's orders, as in `clvsim.data.refunds`. The one of a second day,
    whose names end in `suffix`, has the columns of the first one too."""
    ends = "PARTITION BY customer_id, later ORDER BY day ROWS BETWEEN"
    source, kept = ("netted", ", net") if suffix else ("days", "")
    of_day = f"customer_id, day, orders, ordered{kept}"
    return f"""
, parted{suffix} AS (
    SELECT {of_day}, refunded, CASE WHEN day > {today} THEN 1 ELSE 0 END AS later FROM {source}
), balance{suffix} AS (
    SELECT {of_day}, refunded, later, SUM(ordered - refunded) OVER (
        {ends} UNBOUNDED PRECEDING AND CURRENT ROW) AS after_day FROM parted{suffix}
), minima{suffix} AS (
    SELECT {of_day}, refunded, later, after_day, MIN(after_day) OVER (
        {ends} CURRENT ROW AND UNBOUNDED FOLLOWING) - (after_day - ordered + refunded) AS kept FROM balance{suffix}
), netted{suffix} AS (
    SELECT {of_day}, refunded, later, after_day,
        CASE WHEN kept <= 0 THEN 0 WHEN kept < ordered THEN kept ELSE ordered END AS net{suffix} FROM minima{suffix}
)"""


def _purchases(source: Source, as_of: AsOf) -> str:
    """The same and `purchases`: one order per customer and day, refunds taken off, whenever the customer came."""
    plain = "SELECT customer_id, day, ordered AS amount FROM days"
    net = "SELECT customer_id, day, net AS amount FROM netted WHERE orders > 0 AND (net > 0 OR ordered = 0)"
    netted, select = (_netted(as_of.today), net) if as_of.refunds else ("", plain)
    return f"WITH {_days(source, as_of)}{netted}, purchases AS ({select})"


# --- the statements --------------------------------------------------------------------------------------------------


def counts(source: Source, now: int, today: int | None = None) -> str:
    """One row: how many rows there are, what is wrong with them, on which days they lie, and sums of those up to
    `today`, None for all; `now` is the real today.

    In an empty table the sums are NULL.
    """
    wrong = {
        "no_id": "customer_id IS NULL",
        "no_date": "written_date IS NULL",
        "bad_date": f"written_date IS NOT NULL AND (day IS NULL OR day < {EARLIEST})",
        "no_amount": "written_amount IS NULL",
        "bad_amount": "written_amount IS NOT NULL AND amount IS NULL",
        "future": f"day > {now}",
        "negative": "amount < 0",
        "sales": "amount >= 0",
    }
    until = "" if today is None else f"day <= {today} AND "
    known = {
        "orders": ("1", f"{until}amount >= 0"),
        "ordered": ("amount", f"{until}amount >= 0"),
        "zeros": ("1", f"{until}amount = 0"),
        "refunds": ("1", f"{until}amount < 0"),
        "refunded": ("-amount", f"{until}amount < 0"),
        "after_today": ("1", "1 = 0" if today is None else f"day > {today}"),
    }
    sums = [f"SUM(CASE WHEN {what} THEN 1 ELSE 0 END) AS {name}" for name, what in wrong.items()]
    sums += [f"SUM(CASE WHEN {when} THEN {value} ELSE 0 END) AS {name}" for name, (value, when) in known.items()]
    paid = f"(CASE WHEN {until}amount > 0 THEN amount END)"
    ends = f"{source.real(f'MIN{paid}')} AS smallest, {source.real(f'MAX{paid}')} AS largest"
    days = "MIN(day) AS first_day, MAX(day) AS last_day"
    typed = f"({_typed(source)}{source.way.once}) AS typed"
    return f"SELECT COUNT(*) AS number, {days}, {', '.join(sums)}, {ends} FROM {typed}"


def duplicates(source: Source) -> str:
    """One row: how many rows of the table are there more than once, after the first of each."""
    columns = ", ".join(map(identifier, (source.customer_id, source.date, source.amount)))
    return f"""
SELECT SUM(number - 1) AS duplicates FROM (
    SELECT COUNT(*) AS number FROM {source.name} AS source GROUP BY {columns} HAVING COUNT(*) > 1
) AS repeated"""


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
{_purchases(source, as_of)}, firsts AS (
    SELECT customer_id, COUNT(*) AS orders, MIN(day) AS first_day FROM purchases GROUP BY customer_id
)
SELECT SUM(CASE WHEN first_day < {as_of.since} THEN 1 ELSE 0 END) AS customers,
    SUM(CASE WHEN first_day < {as_of.since} THEN orders ELSE 0 END) AS orders,
    MIN(CASE WHEN first_day >= {as_of.since} THEN first_day END) AS first_day
FROM firsts"""


THEN = "_then"  # behind columns as of the second of two days


def _versions(as_ofs: Sequence[AsOf]) -> list[tuple[AsOf, str, str]]:
    """Each day with what stands behind its columns, and behind those of its orders: refunds that came after a day do
    not touch what was known on it, so that with refunds each day has orders of its own."""
    own = as_ofs[0].refunds
    return [(as_of, suffix, suffix if own else "") for as_of, suffix in zip(as_ofs, ("", THEN), strict=False)]


def _placed(source: Source, as_ofs: Sequence[AsOf], columns: str) -> str:
    """Table `placed`: days with orders, the amount of each as of each day (NULL where refunds took it), and `columns`,
    in which `{of}` stands behind names. One window serves all, so that rows are sorted once."""
    first = as_ofs[0]
    suffixes = list(dict.fromkeys(own for _, _, own in _versions(as_ofs)))
    if not first.refunds:
        orders = f"""{_days(source, first)}, purchases AS (
    SELECT customer_id, day, ordered AS amount, day AS order_day,
        CASE WHEN ordered > 0 THEN day END AS paid_day FROM days
)"""
    else:
        nets = "".join(_netted(as_of.today, own) for as_of, _, own in _versions(as_ofs))
        last = f"netted{suffixes[-1]}"
        names = ", ".join(f"amount{own}" for own in suffixes)
        amounts = ", ".join(
            f"CASE WHEN net{own} > 0 OR ordered = 0 THEN net{own} END AS amount{own}" for own in suffixes
        )
        days = ", ".join(
            f"CASE WHEN amount{own} IS NOT NULL THEN day END AS order_day{own}, "
            f"CASE WHEN amount{own} > 0 THEN day END AS paid_day{own}"
            for own in suffixes
        )
        orders = f"""{_days(source, first)}{nets}, amounts AS (
    SELECT customer_id, day, {amounts} FROM {last} WHERE orders > 0
), purchases AS (SELECT customer_id, day, {names}, {days} FROM amounts)"""
    chosen = ", ".join(columns.replace("{of}", own) for own in suffixes)
    return f"WITH {orders}, placed AS (SELECT customer_id, day, {chosen} FROM purchases)"


_BEFORE = "OVER (PARTITION BY customer_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"


def _number(when: str) -> str:
    return f"COUNT(CASE WHEN {when} THEN 1 END)"


def _sum(when: str, value: str) -> str:
    return f"SUM(CASE WHEN {when} THEN {value} ELSE 0 END)"


def _whole(when: str, value: str, unit: int) -> str:
    """A sum of floating numbers as a sum of whole numbers of 1 / `unit`."""
    each = f"CAST(ROUND({value} * {unit}.0) AS BIGINT)"
    return f"CAST({_sum(when, each)} AS DOUBLE PRECISION) / {unit}.0"


def _packed(conditions: str, value: str) -> str:
    when = conditions.removeprefix(" AND ")
    return f"CAST({_sum(when, value) if when else f'SUM({value})'} AS BIGINT)"


def _until(as_of: AsOf) -> str:
    return "" if as_of.today >= as_of.last else f" AND day <= {as_of.today}"


def _log_columns(source: Source) -> str:
    """Amounts and logs of paid repeat orders, NULL of all others."""
    paid = f"amount{{of}} > 0 AND MAX(order_day{{of}}) {_BEFORE} IS NOT NULL"
    return f"""amount{{of}} AS amount{{of}}, order_day{{of}} AS order_day{{of}},
        day - MAX(order_day{{of}}) {_BEFORE} AS since_before{{of}},
        CASE WHEN {paid} THEN LN({source.real("amount{of}")}) END AS log_amount{{of}}"""


def customers(source: Source, as_ofs: Sequence[AsOf], slopes: Sequence[float | None] = (), unit: int = 1) -> str:
    """A row per customer with an order up to one of one or two days: the columns of a `CustomerSummary`, but for those
    that follow, as of each; those of the second end in `THEN`, and are NULL of customers who had not come by then.

    `monetary_value` is for other tools: what `data=summary` takes for the mean of the repeat orders. `slopes` of log
    amounts a day, None without, give `repeat_amount_today`, the sum of repeat orders at the day's level, which is
    summed in whole units of 1 / `unit`.
    """
    lag = f"MAX(order_day{{of}}) {_BEFORE}"
    alike = (
        f"(amount{{of}} > 0 AND MAX(paid_day{{of}}) {_BEFORE} = {lag}) OR (amount{{of}} <= 0 AND {_nothing_paid(lag)})"
    )
    before = source.way.total.format(value=f"SUM(amount{{of}}) {_BEFORE}")
    placed = _placed(
        source,
        as_ofs,
        f"""{_log_columns(source)},
        CASE WHEN amount{{of}} > 0 THEN COALESCE({before}, 0) END AS paid_before{{of}},
        CASE WHEN {alike} THEN day - {lag} END AS alike_gap{{of}}""",
    )
    chosen, firsts = [], []
    for (as_of, suffix, own), slope in zip(_versions(as_ofs), [*slopes, None, None], strict=False):
        columns = _customer_columns(source, as_of, own, slope, unit)
        first = f"MIN(order_day{own})"
        firsts.append(f"{first} <= {as_of.today}" + (f" AND {first} >= {as_of.since}" if as_of.since else ""))
        for name, value in columns.items():
            known = f"CASE WHEN {firsts[-1]} THEN {value} END" if len(as_ofs) > 1 and name == "age" else value
            chosen.append(f"{known} AS {name}{suffix}")
    having = " OR ".join(f"({first})" for first in firsts)
    listed = ",\n    ".join(chosen)
    return f"""
{placed}
SELECT customer_id, {listed}
FROM placed GROUP BY customer_id HAVING {having} ORDER BY customer_id"""


def _nothing_paid(lag: str) -> str:
    """That the order before, on the day `lag`, was free; the last paid one may be further back."""
    return f"COALESCE(MAX(paid_day{{of}}) {_BEFORE}, {EARLIEST - 1}) < {lag}"


def _customer_columns(source: Source, as_of: AsOf, own: str, slope: float | None, unit: int) -> dict[str, str]:
    gap, near, amount = f"since_before{own}", f"alike_gap{own}", f"amount{own}"
    until, later_days = _until(as_of), as_of.last - as_of.today
    left = f" AND {amount} IS NOT NULL" if as_of.refunds else ""  # what is tested costs time in every row
    again = f"{gap} IS NOT NULL{left}{until}"
    paid, lag = f"log_amount{own} IS NOT NULL{until}", f"({as_of.today} - day)"
    recent = f"day > {as_of.today - later_days} AND {again}"
    first = f"{gap} IS NULL{left}{until}"

    def money(when: str) -> str:
        return source.real(_sum(when, amount))

    repeat, log = money(again), f"log_amount{own}"
    nearest, longer = packed(near, gap)
    known = f"{amount} IS NOT NULL{until}"
    columns = {
        "frequency": _number(again),
        "recency": f"MAX(CASE WHEN {known} THEN day END) - MIN(order_day{own})",
        "age": f"{as_of.today} - MIN(order_day{own})",
        "first_amount": money(first),
        "repeat_amount": repeat,
        "monetary_value": f"CASE WHEN {_number(again)} > 0 THEN {repeat} / {_number(again)} ELSE 0 END",
        "repeat_log_amount": _whole(paid, log, LOG),
        "repeat_log_square": _whole(paid, f"{log} * {log}", SQUARE),
        "repeat_lag": _sum(paid, lag),
        "repeat_lag_square": _sum(paid, f"{lag} * {lag}"),
        "repeat_lag_log": _whole(paid, f"{lag} * {log}", LAG_LOG),
        "repeat_positive": _number(paid),
        "last_amount": source.real(  # all that is known less all before the last paid order
            f"({_sum(first, amount)} + {_sum(again, amount)} "
            f"- MAX(CASE WHEN {amount} > 0{until} THEN paid_before{own} END))"
        ),
        "holdout_frequency": _number(f"day > {as_of.today} AND {amount} IS NOT NULL") if until else "0",
        "holdout_amount": money(f"day > {as_of.today} AND {amount} IS NOT NULL") if until else "0",
        "recent_frequency": _number(recent) if until else "0",
        "recent_amount": money(recent) if until else "0",
        "log_gaps": _whole(again, f"LN(CAST({gap} AS DOUBLE PRECISION))", LOG),
        "near_gaps": _packed(until, nearest),
        "broken_gaps": _packed(left + until, longer),
    }
    if slope is not None:
        of_day = f"CAST({slope!r} AS DOUBLE PRECISION)"  # of decimals an EXP takes a hundred times as long
        columns["repeat_amount_today"] = _whole(again, f"{source.real(amount)} * EXP({of_day} * {lag})", unit)
    return columns


def trend(source: Source, as_ofs: Sequence[AsOf]) -> str:
    """One row: what the slope of log amounts on days is divided from, as of each day (`clvsim.data.trend`).

    Each customer's share is summed as a whole number, so that the order of customers does not matter.
    """
    placed = _placed(source, as_ofs, _log_columns(source))
    each, totals = [], []
    for as_of, suffix, own in _versions(as_ofs):
        log, lag = f"log_amount{own}", f"({as_of.today} - day)"
        first = f"MIN(order_day{own})"
        came = f"{first} <= {as_of.today}" + (f" AND {first} >= {as_of.since}" if as_of.since else "")
        paid = f"{log} IS NOT NULL{_until(as_of)}"
        number = f"CAST(CASE WHEN {came} THEN {_number(paid)} ELSE 0 END AS DOUBLE PRECISION)"
        each += [
            f"{number} AS number{suffix}",
            f"CAST({_sum(paid, lag)} AS DOUBLE PRECISION) AS lag{suffix}",
            f"CAST({_sum(paid, f'{lag} * {lag}')} AS DOUBLE PRECISION) AS lag_square{suffix}",
            f"{_whole(paid, log, LOG)} AS log_amount{suffix}",
            f"{_whole(paid, f'{lag} * {log}', LAG_LOG)} AS lag_log{suffix}",
        ]
        n, lags = f"number{suffix}", f"lag{suffix}"
        some = f"{n} > 1 AND lag_square{suffix} > {lags} * {lags} / {n}"
        spread = f"lag_square{suffix} - {lags} * {lags} / {n}"
        together = f"{lags} * log_amount{suffix} / {n} - lag_log{suffix}"
        totals += [
            f"SUM(CASE WHEN {some} THEN CAST(ROUND(({spread}) * {SPREAD}.0) AS BIGINT) ELSE 0 END) AS spread{suffix}",
            f"SUM(CASE WHEN {some} THEN CAST(ROUND(({together}) * {LAG_LOG}.0) AS BIGINT) ELSE 0 END) "
            f"AS together{suffix}",
        ]
    return f"""
{placed}, sums AS (
    SELECT customer_id, {", ".join(each)} FROM placed GROUP BY customer_id
)
SELECT {", ".join(totals)} FROM sums"""


def days(source: Source, as_ofs: Sequence[AsOf], cut: int) -> str:
    """A row per day with orders: repeat orders of customers known on the first day of `as_ofs`, of which by customers
    known at `cut`, and by part of the customers, who are dealt out in turn; those of the second day end in `THEN`."""
    placed = _placed(
        source,
        as_ofs,
        f"""amount{{of}} AS amount{{of}}, order_day{{of}} AS order_day{{of}},
        COALESCE(MIN(order_day{{of}}) {_BEFORE}, order_day{{of}}) AS first_day{{of}}""",
    )
    dealt, chosen = [], []
    for as_of, suffix, own in _versions(as_ofs):
        first, order = f"first_day{own}", f"order_day{own}"
        came = f"{first} <= {as_of.today}" + (f" AND {first} >= {as_of.since}" if as_of.since else "")
        so_far = "OVER (ORDER BY customer_id, day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
        turn = f"SUM(CASE WHEN {order} = {first} AND {came} THEN 1 ELSE 0 END) {so_far}"
        dealt += [f"CASE WHEN {came} AND {order} > {first} THEN MOD({turn} - 1, {PARTS}) END AS part{suffix}"]
        chosen += [f"{_number(f'part{suffix} IS NOT NULL')} AS orders{suffix}"]
        if not suffix:
            dealt += [f"{first} AS first_day"]
            chosen += [f"{_number(f'part IS NOT NULL AND first_day <= {cut}')} AS known"]
        chosen += [f"{_number(f'part{suffix} = {part}')} AS part_{part}{suffix}" for part in range(PARTS)]
    return f"""
{placed}, dealt AS (SELECT day, {", ".join(dealt)} FROM placed)
SELECT day, {", ".join(chosen)} FROM dealt GROUP BY day ORDER BY day"""


def histories(source: Source, as_of: AsOf) -> str:
    """A row per distinct history, all that a model of orders learns from, with how many customers have it; no ids."""
    since = "" if as_of.since is None else f" HAVING MIN(day) >= {as_of.since}"
    return f"""
{_purchases(source, as_of)}, each AS (
    SELECT customer_id, COUNT(*) - 1 AS frequency, MAX(day) - MIN(day) AS recency, {as_of.today} - MIN(day) AS age
    FROM purchases WHERE day <= {as_of.today} GROUP BY customer_id{since}
)
SELECT frequency, recency, age, COUNT(*) AS customers FROM each
GROUP BY frequency, recency, age ORDER BY frequency, recency, age"""
