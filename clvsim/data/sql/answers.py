"""What a database has counted, as what the models take: a summary, days with their orders, facts for the table."""

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.anniversaries import day_number
from clvsim.data.days import Days
from clvsim.data.log import LogFacts, LogHead, Refunds
from clvsim.data.quoting import counted
from clvsim.data.rhythm import rhythms_of, unpacked
from clvsim.data.summary import in_years
from clvsim.data.trend import spend_trend
from clvsim.errors import DataError, Problem
from clvsim.types import DAYS_PER_YEAR, PARTS, CustomerSummary

_WHOLE = ("frequency", "repeat_positive", "holdout_frequency", "recent_frequency")
_MONEY = ("first_amount", "repeat_amount", "last_amount", "holdout_amount", "recent_amount")
_LOGS = ("repeat_log_amount", "repeat_log_square", "repeat_lag", "repeat_lag_square", "repeat_lag_log", "log_gaps")
_VIEW = "leave them out in a view (WHERE), data.table=VIEW, or repair the table"


class Orders(NamedTuple):
    """Repeat orders of the customers known as of a day: `days` with some, numbers since 1970, their `number`, those of
    customers `known` at the check's cut, and by `parts` of customers (day, part)."""

    days: np.ndarray
    number: np.ndarray
    known: np.ndarray
    parts: np.ndarray

    def until(self, day: int) -> int:
        return int(self.number[self.days <= day].sum())

    def known_after(self, day: int) -> int:
        """Repeat orders after the check's cut of customers who were known by then."""
        return int(self.known[self.days > day].sum())


class Counted(NamedTuple):
    """Answers as of a day: `columns` by customer, who are ordered by `ids`, their `orders` by day, and repeat amounts
    at the day's level, None where they were not asked for."""

    ids: np.ndarray
    columns: Mapping[str, np.ndarray]
    orders: Orders
    levels: np.ndarray | None = None


def require_usable(counts: Mapping[str, Any], label: str, now: date) -> None:
    """Raises DataError with a line per kind of row that is no order: missing, unreadable or in the future."""
    rows = counts["number"]
    if not rows:
        raise DataError([(label, "no rows")])
    wrong = {
        "no_id": ("data.customer_id", "customer id is missing"),
        "no_date": ("data.date", "date is missing"),
        "bad_date": ("data.date", "not a date from 1900 on"),
        "no_amount": ("data.amount", "amount is missing"),
        "bad_amount": (
            "data.amount",
            "no number of at most 14 digits before four decimals (CAST makes one of text)",
        ),
    }
    problems = [
        Problem(where, f"{counts[name]:,} of {rows:,} rows: {what}; {_VIEW}")
        for name, (where, what) in wrong.items()
        if counts[name]
    ]
    if counts["future"]:
        number = counted(counts["future"], "row lies", "rows lie")
        problems.append(Problem("data.date", f"{number} after today ({now}); {_VIEW}"))
    if not problems and not counts["sales"]:
        what = f"all {rows:,} amounts are below zero and count as refunds: is there another column of sales?"
        problems.append(Problem("data.amount", what))
    if problems:
        raise DataError(problems)


def facts_of(counts: Mapping[str, Any], refunded: Mapping[str, Any], scale: int, today: date) -> LogFacts:
    """Facts of a table all of whose rows can be used; money in units of 1 / `scale`."""

    def money(value: Any) -> Decimal:
        return Decimal(value or 0) / scale

    refunds = Refunds(int(counts["refunds"]), money(counts["refunded"]))
    if refunded:
        refunds = refunds._replace(
            orders_removed=int(refunded["orders_removed"]),
            unmatched=money(refunded["unmatched"]),
            unmatched_customers=int(refunded["unmatched_customers"]),
            customers_removed=int(refunded["customers_removed"]),
        )
    orders = int(counts["orders"])
    return LogFacts(
        rows=int(counts["number"]),
        unusable_rows=0,
        findings=(),
        order_rows=orders,
        sales=orders,
        revenue=money(counts["ordered"]),
        same_day_merged=0,  # until customers are read, see `with_days`
        duplicate_rows=0,  # until they are looked for beside customers
        zero_rows=int(counts["zeros"]),
        smallest_amount=float("nan") if counts["smallest"] is None else float(counts["smallest"]),
        largest_amount=float("nan") if counts["largest"] is None else float(counts["largest"]),
        date_reading="year-month-day",
        last_row=min(day_of(counts["last_day"]), today),
        refunds=refunds,
        rows_after_today=int(counts["after_today"] or 0),
    )


def with_days(facts: LogFacts, orders: int) -> LogFacts:
    """The facts, where `orders` are left when those of a customer's day are one and refunds are taken off."""
    days = orders + facts.refunds.orders_removed + facts.left_out.orders
    return facts._replace(same_day_merged=facts.order_rows - days)


def day_of(number: Any) -> date:
    """The day of a number of days since 1970."""
    return date(1970, 1, 1) + timedelta(days=int(number))


def frame_of(found: Counted, log: LogHead) -> pd.DataFrame:
    """Columns of a `CustomerSummary` in its order, ages of orders in years."""
    got = found.columns
    rhythm, breaks = rhythms_of(unpacked(got["near_gaps"]), unpacked(got["broken_gaps"]))
    columns = {"customer_id": found.ids, "frequency": got["frequency"].astype(np.int64)}
    columns |= {"recency_days": got["recency"], "T_days": got["age"]}
    for name in ("first_amount", "repeat_amount", *_LOGS[:-1], "repeat_positive", "last_amount"):
        columns[name] = got[name].astype(np.int64) if name in _WHOLE else got[name]
    for name in ("holdout_frequency", "holdout_amount", "recent_frequency", "recent_amount", "log_gaps"):
        columns[name] = got[name].astype(np.int64) if name in _WHOLE else got[name]
    columns |= {"rhythm": rhythm, "breaks": breaks}
    frame = pd.DataFrame(columns).assign(segment="", channel="")
    return in_years(frame, 1 / DAYS_PER_YEAR)


def summary_of(log: LogHead, found: Counted, *, hashed: bool) -> CustomerSummary:
    """The summary as of a day, without amounts at today's level. Its hash is that of what was counted."""
    frame = frame_of(found, log)
    trend = spend_trend(frame, (log.today - log.first_date).days)
    parts = np.zeros((PARTS, (log.today - log.first_date).days + 1), np.int64)
    until = found.orders.days <= day_number(log.today)
    parts[:, found.orders.days[until] - day_number(log.first_date)] = found.orders.parts[until].T
    return CustomerSummary(
        frame.assign(repeat_amount_today=np.nan),
        log.today,
        log.first_date,
        log.last_date,
        log.config.time_unit,
        _digest(found, log) if hashed else "",
        parts,
        trend=trend,
    )


def _digest(found: Counted, log: LogHead) -> str:
    """sha256 over days, customers in the order of their ids, and repeat orders by day."""
    digest = hashlib.sha256(f"{log.first_date} {log.today} {log.last_date}".encode())
    digest.update("\0".join(found.ids).encode())
    for name in sorted(found.columns):
        digest.update(f" {name} ".encode() + found.columns[name].tobytes())
    for values in (found.orders.days, found.orders.number, found.orders.parts):
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def days_of(summary: CustomerSummary, found: Counted) -> Days:
    """Orders by day, where it is known only of first orders whose they are: those of others are first seen on day -1,
    which is as good wherever repeat orders are counted together."""
    length = (summary.today - summary.first_date).days
    firsts = length - summary.customers["T_days"].to_numpy(np.int64)
    until = found.orders.days <= day_number(summary.today)
    later = np.repeat(found.orders.days[until] - day_number(summary.first_date), found.orders.number[until])
    day = np.concatenate([firsts, later])
    first = np.concatenate([firsts, np.full(later.size, -1)])
    return Days(np.arange(day.size), day, first, length)


def weekly_of(found: Counted, log: LogHead) -> pd.DataFrame:
    """Repeat orders per full week, as `clvsim.data.summary.weekly_repeat_orders` has them."""
    start = log.today + timedelta(days=1)
    before, after = (start - log.first_date).days // 7, (log.last_date - log.today).days // 7
    week = (found.orders.days - day_number(start)) // 7
    inside = (week >= -before) & (week < after)
    orders = np.bincount(week[inside] + before, found.orders.number[inside], before + after).astype(np.int64)
    weeks = np.arange(-before, after)
    starts = np.datetime64(start, "D").astype("datetime64[s]") + weeks * np.timedelta64(7, "D")
    return pd.DataFrame({"week_start": starts, "orders": orders})
