"""What a log looks like to its owner: how fast customers come, on which days, what they pay, and on whom it hangs.

Shares and counts of orders up to today, without a model; docs/logs.md says from where on each is worth a line.
"""

from calendar import month_abbr, month_name
from datetime import date
from typing import NamedTuple

import numpy as np

from clvsim.data.days import Days
from clvsim.data.log import LogHead, TransactionLog
from clvsim.data.presets import preset_of
from clvsim.data.remarks import mid_life
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, QualityLine

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FEWEST_ORDERS, _FEWEST_DAYS = 140, 56  # of which weekdays are told
_CLOSED, _BUSY = 0.1, 2.0  # times a mean weekday's orders
_YEAR, _THREE_TIMES = 365, 2 * 365 + 28  # days in which a month comes three times
_LONGEST_SEASON, _IN_SEASON = 3, 0.7  # months of the year in which orders come once a year, and share of the orders
_FEWEST_NEW = 20  # customers in either of two spans that are compared
_CHANGED, _SURE = 0.1, 2.0  # of their number, and standard errors
_FEWEST_CUSTOMERS, _TOP, _HEAVY = 200, 0.01, 0.2  # customers, their best, and the share of the sales that is much
_SHOWN, _FEW_PRICES, _MOSTLY = 4, 12, 0.95  # prices in a line; so many that make up most of the orders


class InShort(NamedTuple):
    """A log in figures, as of today. `read_as`: the preset that knows its columns, "" where none does.

    `sales`, their `revenue`, `refunds`, what they `refunded` and orders `refunded_in_full` are those of the file, as
    its provider counts: before orders are netted, or merged by the day. `currency`: "" where no column says it.
    """

    label: str
    read_as: str
    rows: int
    orders: int
    customers: int
    ordered_once: int
    first_day: date
    last_day: date
    today: date
    columns: tuple[tuple[str, str], ...]
    guessed: tuple[tuple[str, str], ...]
    sales: int = 0
    revenue: float = 0.0
    refunds: int = 0
    refunded: float = 0.0
    refunded_in_full: int = 0
    currency: str = ""

    @property
    def months(self) -> float:
        """From the first order to the last, both days included."""
        return ((self.last_day - self.first_day).days + 1) / DAYS_PER_MONTH


def in_short(log: LogHead, summary: CustomerSummary) -> InShort:
    """The figures of a log that is summarised."""
    frequency = summary.dated.customers["frequency"].to_numpy()
    currency = next((line.value for line in log.facts.readings if line.key == "currency"), "")
    return InShort(
        label=log.label,
        read_as=preset_of(log.config, log.facts.readings),
        rows=log.facts.rows,
        orders=int(frequency.sum()) + frequency.size,
        customers=frequency.size,
        ordered_once=int((frequency == 0).sum()),
        first_day=log.first_date,
        last_day=log.facts.last_row,
        today=log.today,
        columns=log.columns,
        guessed=log.guessed,
        sales=log.facts.sales,
        revenue=float(log.facts.revenue),
        refunds=log.facts.refunds.rows,
        refunded=float(log.facts.refunds.total),
        refunded_in_full=log.facts.refunds.orders_removed,
        currency=currency if currency.isalnum() else "",
    )


def money_in_words(short: InShort) -> str:
    """What came in, to be compared with the provider's totals; "" for a log without amounts."""
    if not short.revenue:
        return ""
    sale = "order" if "order_id" in dict(short.columns) else "sale"
    said = f"{short.sales:,} {sale}{'s' if short.sales != 1 else ''}, {short.revenue:,.2f} {short.currency}".rstrip()
    if short.refunds:
        said += f" before {short.refunded:,.2f} refunded in {short.refunds:,} {'row' if short.refunds == 1 else 'rows'}"
    return said


def looks(log: TransactionLog, summary: CustomerSummary, days: Days) -> list[QualityLine]:
    """Lines on what is striking."""
    lines = [
        weekday_line(days, log.first_date),
        yearly_line(days, log.first_date),
        arrivals_line(days),
        whales_line(summary),
        prices_line(log),
    ]
    return [line for line in lines if line is not None]


def looks_of_counts(first_date: date, summary: CustomerSummary, days: Days) -> list[QualityLine]:
    """The same as far as days tell that do not say whose repeat orders are."""
    lines = [weekday_line(days, first_date), arrivals_line(days), whales_line(summary)]
    return [line for line in lines if line is not None]


def weekday_line(days: Days, first_date: date) -> QualityLine | None:
    """Days of the week on which hardly anybody orders, or one on which most do."""
    if days.day.size < _FEWEST_ORDERS:
        return None
    orders = np.bincount((days.day + first_date.weekday()) % 7, minlength=7)
    times = orders / orders.mean()
    closed = [f"{_WEEKDAYS[k]}s" for k in np.flatnonzero(times < _CLOSED)]
    best, busy = int(times.argmax()), np.count_nonzero(np.bincount(days.day))
    if len(closed) == 6 and busy >= max(days.length, _FEWEST_DAYS) / 14:  # in every second week
        note = "dates seem to be those of weeks: days between orders are known to a week"
        return QualityLine("weekday", "Weekdays", f"all orders on {_WEEKDAYS[best]}s", note)
    if busy < _FEWEST_DAYS:
        return None
    if closed:
        return QualityLine("weekday", "Weekdays", f"hardly any order on {' and '.join(closed)}")
    if times[best] >= _BUSY:
        return QualityLine(
            "weekday", "Weekdays", f"{_WEEKDAYS[best]}s bring {times[best]:.1f} times a mean day's orders"
        )
    return None


def yearly_line(days: Days, first_date: date) -> QualityLine | None:
    """Orders of a season of one to three months, of which each customer has one a year, as gifts to a yearly appeal or
    presents at the end of the year."""
    if days.length < _THREE_TIMES or days.day.size < _FEWEST_ORDERS:
        return None
    month = (np.datetime64(first_date, "D") + days.day).astype("datetime64[M]").astype(np.int64)
    of_year = np.bincount(month % 12, minlength=12)
    for length in range(1, _LONGEST_SEASON + 1):  # inside a calendar year
        orders = np.convolve(of_year, np.ones(length, np.int64), "valid")
        best = int(orders.argmax())
        if orders[best] >= _IN_SEASON * of_year.sum():
            break
    else:
        return None
    only = 1 + np.count_nonzero((np.diff(days.customer) != 0) | (np.diff(month // 12) != 0))  # of its customer's year
    if only < _MOSTLY * month.size:
        return None
    name = month_name[best + 1] + (f" to {month_name[best + length]}" if length > 1 else "")
    note = (
        "and hardly anybody orders twice in a year: each year is one chance, as of a yearly appeal or presents at its "
        "end: set retention=bg_bb retention.opportunity=year"
    )
    remedy = ("retention=bg_bb", "retention.opportunity=year")
    value = f"{orders[best] / of_year.sum():.0%} in {name}"
    return QualityLine("yearly", "Orders once a year", value, note, "warning", remedy)


def arrivals_line(days: Days) -> QualityLine | None:
    """New customers a month: of the last twelve months beside the twelve before, in logs that have both."""
    born = days.day[days.day == days.first]
    if days.length < 2 * _YEAR or mid_life(days) is not None:  # at whose start customers are not new
        return None
    last = int((born > days.length - _YEAR).sum())
    before = int((born > days.length - 2 * _YEAR).sum()) - last
    if min(last, before) < _FEWEST_NEW:
        return None
    change = last / before - 1
    clear = abs(np.log1p(change)) > _SURE * np.sqrt(1 / last + 1 / before) and abs(change) > _CHANGED
    trend = ("growing" if change > 0 else "shrinking") if clear else "steady"
    month = _YEAR / DAYS_PER_MONTH
    value = f"{trend}, {rate(last / month)} a month in the last twelve months, {rate(before / month)} in those before"
    note = f"{change:+.0%}; how many will come acquisition.channels or acquisition.from_log says"
    return QualityLine("arrivals", "New customers", value, note)


def rate(number: float) -> str:
    """A number with three digits, or whole where it is large."""
    return f"{number:,.0f}" if number >= 99.95 else f"{number:.3g}"


def whales_line(summary: CustomerSummary) -> QualityLine | None:
    """The share of the sales that the top hundredth of the customers brought, where it is large."""
    frame = summary.customers
    paid = np.sort((frame["first_amount"] + frame["repeat_amount"]).to_numpy(np.float64))[::-1]
    if paid.size < _FEWEST_CUSTOMERS or not paid.sum():
        return None
    top = max(1, round(_TOP * paid.size))
    share = paid[:top].sum() / paid.sum()
    if share < _HEAVY:
        return None
    note = "figures hang on these few; if they are resellers or your own tests, leave them out with data.without"
    value = f"{top:,} of {paid.size:,} customers brought {share:.0%} of the sales"
    return QualityLine("whales", "The top 1 %:", value, note)


def prices_line(log: TransactionLog) -> QualityLine | None:
    """The prices of a log that has few, as contracts do."""
    rows = log.connection.execute(
        "SELECT amount::DOUBLE, count(*) AS orders, sum(count(*)) OVER () AS total FROM purchases "
        f"WHERE day <= $today AND amount > 0 GROUP BY amount ORDER BY orders DESC, amount LIMIT {_FEW_PRICES}",
        {"today": log.today},
    ).fetchall()
    total = int(rows[0][2]) if rows else 0
    if len(rows) < 2 or total < _FEWEST_ORDERS or sum(orders for _, orders, _ in rows) < _MOSTLY * total:
        return None
    listed = ", ".join(f"{price:,.2f} ({orders / total:.0%})" for price, orders, _ in rows[:_SHOWN])
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return QualityLine("prices", "Few prices", f"{listed}{more}", "as of contracts, tickets or packages")


def price_changes(log: TransactionLog) -> QualityLine | None:
    """Contracts of which one payment was another amount than the one before."""
    changed, contracts = log.connection.execute(
        """
        SELECT count(*) FILTER (changes > 0), count(*) FROM (
            SELECT customer, count(*) FILTER (amount <> before) AS changes FROM (
                SELECT customer, amount, lag(amount) OVER (PARTITION BY customer ORDER BY day) AS before
                FROM purchases WHERE day <= $today AND amount > 0)
            WHERE before IS NOT NULL GROUP BY customer)
        """,
        {"today": log.today},
    ).fetchall()[0]
    if not changed:
        return None
    note = "upgrades, discounts or a rise of the price"
    value = f"{changed:,} of {contracts:,} contracts paid more than once"
    return QualityLine("price_changes", "Changes of price", value, note)


def day_in_words(day: date) -> str:
    """1 Jun 2024."""
    return f"{day.day} {month_abbr[day.month]} {day.year}"


def span_in_words(short: InShort) -> str:
    """The days of a log, and what is taken for today."""
    last = "which counts as today" if short.today == short.last_day else f"as of {day_in_words(short.today)}"
    return f"{day_in_words(short.first_day)} – {day_in_words(short.last_day)}, {last}"
