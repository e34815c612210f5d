"""The data-quality table: properties of a log that decide how far its results can be trusted."""

import math
from datetime import date
from functools import reduce

import numpy as np

from clvsim.data.columns import in_words
from clvsim.data.days import Days, days_of
from clvsim.data.log import LogFacts, LogHead, TransactionLog
from clvsim.data.looks import looks, looks_of_counts
from clvsim.data.periods import is_whole_early
from clvsim.data.remarks import remarks
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_UNIT, CustomerSummary, QualityLine, Trials

_WIDE_RANGE = 1e9
_SILENCES, _QUIET_DAYS = 3, 14  # times the longest silence before, and days, that are warned of
_MANY_GROUPS, _FEW_IN_A_GROUP = 20, 20  # groups, and customers of the middle one, that are warned of together
_LEAVE_OUT = "data.without='{COLUMN: [VALUE]}', the amount's column and 0 as the file writes it, or another"
_A_VIEW = "a view (WHERE), data.table=VIEW"
_LEAST_TREND = 0.005  # a year; below it is rounding


def quality(
    log: TransactionLog,
    summary: CustomerSummary,
    days: Days | None = None,
    *,
    falls_due: bool = False,
    trials: Trials | None = None,
) -> tuple[QualityLine, ...]:
    """The table of `clvsim check`, in reading order, of infos and warnings; errors have been raised before.

    `days`: of the log's orders, where they are known already. `falls_due`: whether these are payments of contracts,
    which began with `trials` that are not in them.
    """
    known_days, days = days, days or days_of(log)
    return (
        *_source(log),
        *log.facts.readings,
        *_period(log, known_days),
        *remarks(log, days),
        *_unreadable(log.facts),
        *_rows(log, "trial, before the first payment above 0" if falls_due else "free order"),
        *_conflicts(log.facts),
        *_revenue(log),
        *_refunds(log),
        *_customers(log, summary),
        *looks(log, summary, days),
        *_money(log.facts, summary, trial_lines(summary, trials) if falls_due else free_lines(summary)),
    )


def quality_of_counts(log: LogHead, summary: CustomerSummary, days: Days) -> tuple[QualityLine, ...]:
    """The same of orders that a database has counted, where `days` does not say whose repeat orders are."""
    lines = (
        *_source(log),
        *log.facts.readings,
        *_period(log, days),
        *remarks(log, days, paired=False),
        *_unreadable(log.facts),
        *_rows(log, "free order"),
        *_revenue(log),
        *_refunds(log),
        *_customers(log, summary),
        *looks_of_counts(log.first_date, summary, days),
        *_money(log.facts, summary, free_lines(summary)),
    )
    for_files = ((_LEAVE_OUT, _A_VIEW), ("with data.without", f"by {_A_VIEW}"))
    return tuple(
        line._replace(note=reduce(lambda note, pair: note.replace(*pair), for_files, line.note)) for line in lines
    )


def _source(log: LogHead) -> list[QualityLine]:
    guessed = ", ".join(key for key, _ in log.guessed)
    note = f"guessed: {guessed}; if wrong, type data.{log.guessed[0][0]}=COLUMN" if guessed else ""
    return [
        QualityLine("rows", "Rows in the log", f"{log.facts.rows:,}"),
        QualityLine("columns", "Columns used", in_words(log.columns), note),
    ]


def _period(log: LogHead, days: Days | None) -> list[QualityLine]:
    last = log.facts.last_row
    months = ((last - log.first_date).days + 1) / DAYS_PER_MONTH
    silent = (log.today - last).days
    today = f"{silent:,} days after the last order" if silent > 0 else "the last day of the log"
    reading = "" if log.facts.date_reading == "year-month-day" else f"; dates read as {log.facts.date_reading}"
    level = "info"
    if days is not None and silent > max(_SILENCES * longest_silence(days), _QUIET_DAYS):
        today += (
            ", longer than ever before in this log: if the log ends sooner than the shop, set data.today to the day "
            "up to which it is complete"
        )
        level = "warning"
    lines = [
        QualityLine("span", "Period", f"{log.first_date} to {last}", f"{months:.1f} months{reading}"),
        QualityLine("today", "Today", f"{log.today}", today, level),
    ]
    if log.facts.rows_after_today:
        note = "left out: the log is cut at data.today"
        lines.append(QualityLine("after_today", "Rows after today", f"{log.facts.rows_after_today:,}", note))
    return lines


def longest_silence(days: Days) -> int:
    """The most days between two on which somebody ordered."""
    return int(np.diff(np.flatnonzero(np.bincount(days.day))).max(initial=1))


def check_line(log: LogHead, cut: date | str, orders: int) -> QualityLine:
    """How many orders are held back after the cut to check the models on; or why none are, in a sentence."""
    if isinstance(cut, str):
        return QualityLine("check", "Held back to check the models", "nothing", cut)
    chosen = "" if log.config.calibration_end else "; data.calibration_end chooses another day, none leaves it out"
    days = (log.last_date - cut).days
    note = f"in the {days} days after {cut}: the check is fitted to what came before{chosen}"
    return QualityLine("check", "Repeat orders held back to check", f"{orders:,}", note)


def _unreadable(facts: LogFacts) -> list[QualityLine]:
    if not facts.unusable_rows:
        return [QualityLine("unreadable", "Missing or unreadable values", "0")]
    share = f"{facts.unusable_rows / facts.rows:.2%} of all rows"
    total = QualityLine("unreadable", "Rows left out as unreadable", f"{facts.unusable_rows:,}", share, "warning")
    kinds = [
        QualityLine(f"unreadable_{i}", f"– {f.what}", f"{f.rows:,}", f.note, "warning")
        for i, f in enumerate(facts.findings, 1)
    ]
    return [total, *kinds]


def _count_line(key: str, label: str, count: int, note: str) -> QualityLine:
    """A count, with a note and as a warning when it is not zero."""
    return QualityLine(key, label, f"{count:,}", note if count else "", "warning" if count else "info")


def _rows(log: LogHead, free: str) -> list[QualityLine]:
    facts, what = log.facts, "Orders" if log.config.order_id else "Rows"
    merged = f"{what.lower()} of one customer on one day are one order" if facts.same_day_merged else ""
    return [
        QualityLine("merged", f"{what} merged into an order of the same day", f"{facts.same_day_merged:,}", merged),
        _count_line(
            "duplicates",
            "Rows that repeat another row exactly",
            facts.duplicate_rows,
            "kept as separate sales; check whether they are export duplicates",
        ),
        QualityLine(
            "zeros",
            "Rows with an amount of zero",
            f"{facts.zero_rows:,}",
            f"a day with nothing else is a {free}" if facts.zero_rows else "",
        ),
    ]


def _conflicts(facts: LogFacts) -> list[QualityLine]:
    note = "each customer's first value counts"
    return [_count_line(key, f"Customers with several values of {key}", count, note) for key, count in facts.conflicts]


def _revenue(log: LogHead) -> list[QualityLine]:
    if not (revenue := log.facts.revenue):
        return []
    note = (
        f"of {log.facts.sales:,} {'orders' if log.config.order_id else 'sales'}: compare it with the provider's total"
    )
    return [QualityLine("revenue", "Revenue before refunds", f"{revenue:,.2f}", note)]


def _refunds(log: LogHead) -> list[QualityLine]:
    refunds, policy = log.facts.refunds, log.config.refunds
    if not refunds.rows:
        return [QualityLine("refunds", "Refunds (negative amounts)", "0")]
    value = f"{refunds.rows:,} worth {refunds.total:,.2f}"
    if policy == "drop":
        return [
            QualityLine(
                "refunds",
                "Refunds (negative amounts)",
                value,
                "left out (data.refunds=drop): revenue is overstated",
                "warning",
            )
        ]
    removed_note = f"; {refunds.orders_removed:,} orders refunded in full are removed" if refunds.orders_removed else ""
    lines = [
        QualityLine(
            "refunds",
            "Refunds (negative amounts)",
            value,
            f"taken off the same day's, then the latest earlier order{removed_note}",
        )
    ]
    if refunds.unmatched:
        note = (
            f"{refunds.unmatched_customers:,} customers got back more than they paid in this log; the excess is ignored"
        )
        lines.append(
            QualityLine("refunds_unmatched", "Refunds without an order", f"{refunds.unmatched:,.2f}", note, "warning")
        )
    if refunds.after_today:
        note = "not taken off: data after today only check the prediction"
        lines.append(
            QualityLine(
                "refunds_after_today",
                "Refunds after today of earlier orders",
                f"{refunds.after_today:,.2f}",
                note,
                "warning",
            )
        )
    if refunds.customers_removed:
        note = "not in the analysis"
        lines.append(
            QualityLine(
                "refunds_customers",
                "Customers whose orders were all refunded",
                f"{refunds.customers_removed:,}",
                note,
                "warning",
            )
        )
    return lines


def counts_twice(line: QualityLine) -> bool:
    """Whether a line says that rows count more than once, so that what is computed from them is wrong."""
    return line.key == "overlap" and line.level == "warning"


def customer_lines(summary: CustomerSummary) -> list[QualityLine]:
    """Lines about the numbers of customers and repeat orders, and the time in which repeat orders can be seen."""
    frame = summary.customers
    frequency = frame["frequency"].to_numpy()
    once = int((frequency == 0).sum())
    exposure = frame["T_days"].mean() / DAYS_PER_UNIT[summary.time_unit]
    return [
        QualityLine("customers", "Customers up to today", f"{frequency.size:,}"),
        QualityLine(
            "repeat_orders",
            "Repeat orders up to today (Σx)",
            f"{int(frequency.sum()):,}",
            f"{frequency.mean():.2f} per customer",
        ),
        QualityLine("one_time", "Customers who ordered once", f"{once:,}", f"{once / frequency.size:.1%}"),
        QualityLine(
            "exposure",
            "Mean time since the first order",
            f"{exposure:.1f} {summary.time_unit}s",
            "the time in which repeat orders could be seen",
        ),
        *_single_customer_groups(summary),
    ]


def _single_customer_groups(summary: CustomerSummary) -> list[QualityLine]:
    """Warnings about segments and channels of one customer, which the report shows with figures of their own, or about
    so many groups that hardly one tells anything."""
    lines = []
    for key in ("segment", "channel"):
        sizes = summary.customers[key].value_counts().drop("", errors="ignore")
        if len(sizes) > _MANY_GROUPS and sizes.median() < _FEW_IN_A_GROUP:
            note = (
                f"half of them have at most {sizes.median():,.0f} customers, the largest has {sizes.max():,}: what so "
                f"few did says next to nothing about a group. Give data.{key} a column of few values, or none"
            )
            lines.append(QualityLine(f"many_{key}s", f"{key.capitalize()}s", f"{len(sizes):,}", note, "warning"))
            continue
        singles = sorted(str(name) for name in sizes.index[sizes == 1])
        if singles and len(sizes) > 1:
            listed = ", ".join(singles[:3]) + (", …" if len(singles) > 3 else "")
            note = "what one customer did says next to nothing about the group"
            label = f"{key.capitalize()}s with a single customer"
            lines.append(QualityLine(f"lonely_{key}s", label, f"{len(singles):,}: {listed}", note, "warning"))
    return lines


def _customers(log: LogHead, summary: CustomerSummary) -> list[QualityLine]:
    lines = customer_lines(summary)
    if summary.opportunity_days and isinstance(log, TransactionLog):
        lines.insert(1, _opportunities_line(log, summary))
    if log.facts.left_out.customers:
        left_out, since = log.facts.left_out, log.config.customers_since
        note = f"with {left_out.orders:,} orders, by data.customers_since; nothing here counts them"
        lines.insert(
            1, QualityLine("left_out", f"Customers first seen before {since}", f"{left_out.customers:,} left out", note)
        )
    if log.facts.customers_after_today:
        note = "first order after today: not in the analysis"
        lines.insert(
            1, QualityLine("late_customers", "Customers who came later", f"{log.facts.customers_after_today:,}", note)
        )
    return lines


def _opportunities_line(log: TransactionLog, summary: CustomerSummary) -> QualityLine:
    """How orders were merged for a retention model with one opportunity per period."""
    row = log.connection.execute("SELECT count(*) FROM purchases WHERE day <= $today", {"today": log.today}).fetchone()
    frequency = summary.customers["frequency"]
    repeats = int(row[0] if row else 0) - len(frequency)
    shared, running = summary.periods, "a period that is still running counts when it ends"
    if shared and is_whole_early(log, shared.periods):
        running = "the one that is running is counted as whole: nobody has ever ordered in the days that are left of it"
    return QualityLine(
        "opportunities",
        "Opportunities to order" if shared else "Opportunities to order, counted from each customer's first order",
        f"one in each {shared.periods}" if shared else f"one in {summary.opportunity_days:g} days",
        f"{repeats:,} repeat orders up to today count as {int(frequency.sum()):,}: those of one period are one, "
        f"and {running}",
    )


def _money(facts: LogFacts, summary: CustomerSummary, free: list[QualityLine]) -> list[QualityLine]:
    frame = summary.customers
    repeats = int(frame["repeat_positive"].sum())
    first = frame.loc[frame["first_amount"] > 0, "first_amount"]
    repeat = f"{frame['repeat_amount'].sum() / repeats:,.2f}" if repeats else "–"
    return [
        *free,
        QualityLine(
            "first_mean",
            "Mean first order",
            f"{first.mean():,.2f}" if first.size else "–",
            f"of {first.size:,} with an amount above zero" if first.size < len(frame) else "",
        ),
        QualityLine("repeat_mean", "Mean repeat order", repeat, f"of {repeats:,} with an amount above zero"),
        correlation_line(summary),
        *([] if any(map(counts_twice, facts.readings)) else trend_lines(summary)),
        range_line(facts.smallest_amount, facts.largest_amount, "Smallest and largest amount above zero"),
    ]


def free_lines(summary: CustomerSummary) -> list[QualityLine]:
    """What is done with orders of nothing, where there are any."""
    frame = summary.customers
    first, repeats = int((frame["first_amount"] == 0).sum()), int(frame["frequency"].sum())
    again = repeats - int(frame["repeat_positive"].sum())
    if first + again in (0, len(frame) + repeats):
        return []
    shares = [
        f"{free:,} of {number:,} {which} orders"
        for free, number, which in ((first, len(frame), "first"), (again, repeats, "repeat"))
        if free
    ]
    note = (
        f"{' and '.join(shares)} have an amount of 0. They count as orders and bring nothing; orders to come are free "
        "as often, by each customer's own share, and means are of paid orders. If they are no orders, leave them out "
        f"by {_LEAVE_OUT}"
    )
    return [QualityLine("free", "Free orders", f"{first + again:,} of {len(frame) + repeats:,}", note, "warning")]


def trial_lines(summary: CustomerSummary, trials: Trials | None) -> list[QualityLine]:
    """Trials that contracts began with, and free renewals, where there are any."""
    frame, lines = summary.customers, []
    renewals = int(frame["frequency"].sum())
    free = renewals - int(frame["repeat_positive"].sum())
    if trials:
        note = (
            f"a first payment of 0: {trials.paid:,} paid later, {trials.running:,} are open today, {trials.over:,} "
            "never paid. A contract begins with its first payment above 0; who has not paid is no customer yet"
        )
        lines.append(QualityLine("trials", "Trials", f"{trials.contracts:,}", note))
    if free and frame["first_amount"].any():
        note = (
            "they count as made and bring nothing; renewals to come are free as often, by each contract's own share. "
            f"If they are no payments, leave them out by {_LEAVE_OUT}"
        )
        lines.append(QualityLine("free", "Free renewals", f"{free:,} of {renewals:,}", note, "warning"))
    return lines


def trend_lines(summary: CustomerSummary) -> list[QualityLine]:
    """How the amounts of customers change with calendar time."""
    found = summary.trend
    if found is None:
        return []
    label = "Amounts of one customer's orders over time"
    if found.problem:
        return [QualityLine("trend", label, "–", found.problem)]
    low, middle, high = (math.expm1(found.slope + k * found.se) for k in (-2, 0, 2))
    beyond_chance = (low > 0 or high < 0) and abs(middle) >= _LEAST_TREND
    note = f"{low:+.1%} to {high:+.1%}: 2 standard errors, over {found.customers:,} customers"
    hint = "; spend.trend=true brings amounts to today's level" if beyond_chance else ""
    remedy = ("spend.trend=true",) if beyond_chance else ()
    return [QualityLine("trend", label, f"{middle:+.1%} a year", note + hint, remedy=remedy)]


def correlation_line(summary: CustomerSummary) -> QualityLine:
    """Correlation of a repeat customer's mean repeat order with the number of repeat orders: Gamma-Gamma assumes 0."""
    frame = summary.customers[summary.customers["repeat_positive"] > 0]
    frequency = frame["frequency"].to_numpy(float)
    spend = (frame["repeat_amount"] / frame["repeat_positive"]).to_numpy(float)
    label = "Correlation of spend with frequency"
    if frequency.size < 3 or np.ptp(frequency) == 0 or np.ptp(spend) == 0:
        return QualityLine("correlation", label, "–", "too few different repeat customers to compute it")
    value = np.corrcoef(frequency, spend)[0, 1]
    note = "among repeat customers; Gamma-Gamma assumes that it is near 0, lognormal spend does not"
    return QualityLine("correlation", label, f"{value:+.2f}", note, "warning" if abs(value) > 0.3 else "info")


def range_line(smallest: float, largest: float, label: str) -> QualityLine:
    """Line about the range of amounts; both are nan where no amount is above zero."""
    if np.isnan(smallest):
        return QualityLine("range", label, "–", "no amount is above zero: only orders can be checked", "warning")
    if smallest == largest:
        return QualityLine("range", label, f"both {_money_value(smallest)}")
    wide = largest / smallest > _WIDE_RANGE
    note = "over nine orders of magnitude: are units or currencies mixed?" if wide else ""
    return QualityLine(
        "range",
        label,
        f"{_money_value(smallest)} to {_money_value(largest)}",
        note,
        "warning" if wide else "info",
    )


def _money_value(amount: float) -> str:
    """An amount to a hundredth, or with four digits where that would leave fewer."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:,.4g}"
