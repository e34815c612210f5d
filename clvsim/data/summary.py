"""The data of the models: one row per customer as of today; and repeat orders by day and week."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd

from clvsim.anniversaries import day_number
from clvsim.data.log import TransactionLog
from clvsim.data.ordered import HALF_DAY, Orders, Placed, by_customers, by_day, by_period, by_shared_period, spread
from clvsim.data.periods import PeriodsOfLog, last_day, periods_of
from clvsim.data.prices import with_prices
from clvsim.data.raw import covariate_keys, identifier
from clvsim.data.sums import at_todays_level, gaps_of, sums_of
from clvsim.data.trend import spend_trend
from clvsim.errors import DiagnosticsError
from clvsim.types import DAYS_PER_YEAR, PARTS, CustomerSummary, FailedCharges, SharedPeriods, SpendTrend


def summarize(
    log: TransactionLog, opportunity_days: float | SharedPeriods = 0.0, *, hashed: bool = True
) -> CustomerSummary:
    """Summarize each customer's orders up to today; later ones only check (`holdout_frequency`, `holdout_amount`).

    Parameters
    ----------
    log
        Checked orders, and the day that counts as today.
    opportunity_days
        Length in days of the periods whose orders are merged to one, from each customer's own first order; 0 merges
        only those of one day. Or periods that are the same for all customers. A period that is not over today belongs
        to the hold-out, with all its orders; one that is not over on the last day of the log does not count.
    hashed
        Whether the summary has the log's hash, which takes as long as all the rest.

    Returns
    -------
    CustomerSummary
        One row per customer, ordered by the id's text. Customers whose first order lies after today are left out;
        `log.facts.customers_after_today` counts them.

    Examples
    --------
    The CDNOW sample, its first 39 weeks as in Fader, Hardie and Lee (2005):

    >>> import clvsim
    >>> from clvsim.data.config import DataConfig
    >>> config = DataConfig(kind="bundled", path="cdnow_sample", calibration_end="1997-09-30")
    >>> customers = clvsim.summarize(clvsim.read_transactions(config=config)).customers
    >>> len(customers), int(customers["frequency"].sum()), int(customers["holdout_frequency"].sum())
    (2357, 2457, 1882)
    >>> customers[["frequency", "recency_days", "T_days"]].head(2).values.tolist()
    [[2.0, 213.0, 272.0], [1.0, 12.0, 272.0]]
    """
    shared = periods_of(log, opportunity_days) if isinstance(opportunity_days, SharedPeriods) else None
    period_days = opportunity_days.days if isinstance(opportunity_days, SharedPeriods) else float(opportunity_days)
    place = _placing(log, shared or period_days)
    customers, daily, due_gaps = _counted(log, place, period_days or 1.0)
    if not period_days:
        customers = with_prices(customers, log, due_gaps)
    customers = _labelled(customers, log)
    if shared:
        first = customers["T_days"].to_numpy(np.int64)
        began = shared.number[(log.today - log.first_date).days - first]
        customers = customers.assign(opportunities=np.maximum(shared.ended - began, 0))
    unit = log.config.time_unit
    customers, trend = _with_trend(customers, log, place, period_days or 1.0)
    return CustomerSummary(
        customers,
        log.today,
        log.first_date,
        log.last_date,
        unit,
        log.data_hash if hashed else "",
        None if period_days else daily,
        opportunity_days=period_days,
        by_day=summarize(log, hashed=hashed) if period_days else None,
        periods=shared.seen if shared else None,
        trend=trend,
        failed=failed_charges(log) if log.config.failed else None,
    )


def failed_charges(log: TransactionLog) -> FailedCharges:
    """Charges that failed up to today, and when they were paid after all."""
    found = log.connection.execute(
        """
        WITH known AS (SELECT customer_id, day FROM orders WHERE day <= $today), attempts AS (
            SELECT f.customer_id, f.day, min(o.day) FILTER (o.day >= f.day) AS paid
            FROM (SELECT DISTINCT customer_id, day FROM failed_charges WHERE day <= $today) AS f
            JOIN known AS o USING (customer_id) GROUP BY f.customer_id, f.day HAVING min(o.day) < f.day
        )
        SELECT customer_id, $today - min(day) AS ago, paid - min(day) AS gap
        FROM attempts GROUP BY customer_id, paid ORDER BY customer_id, ago DESC
        """,
        {"today": log.today},
    ).df()
    ago, gap = (found[name].to_numpy(np.float64, na_value=np.nan) for name in ("ago", "gap"))
    return FailedCharges(found["customer_id"].to_numpy(str), ago, gap)


def _placing(log: TransactionLog, periods: PeriodsOfLog | float) -> Callable[[Orders], Placed]:
    """How orders are placed in time; `periods`: those that are the same for all, or days of each, 0 for days."""
    today, last = day_number(log.today), day_number(log.last_date)
    if isinstance(periods, PeriodsOfLog):
        return lambda orders: by_shared_period(orders, today, day_number(log.first_date), periods)
    if periods:
        return lambda orders: by_period(orders, today, last, periods)
    return lambda orders: by_day(orders, today, last - today)


def _counted(
    log: TransactionLog, place: Callable[[Orders], Placed], moment_days: float
) -> tuple[pd.DataFrame, np.ndarray, int]:
    """Columns of the summary that are numbers, ages of orders in moments, and each customer's number; repeat orders by
    part of the customers and day, (part, day) int64; and how many gaps keep a rhythm of the calendar."""
    today, began = day_number(log.today), day_number(log.first_date)
    length = today - began + 1

    def counted(orders: Orders) -> tuple[pd.DataFrame, np.ndarray, int]:
        placed = by_day(orders, today, 0)
        days = placed.orders.where(placed.known)
        gaps, due_gaps = gaps_of(days)
        part = np.arange(placed.first_day.size) % PARTS
        repeats = days.moment > spread(days, placed.first_day)
        cells = spread(days, part) * length + days.moment - began
        daily = np.bincount(cells[repeats], minlength=PARTS * length).reshape(PARTS, length)
        return pd.DataFrame(sums_of(place(placed.orders), moment_days, today) | gaps), daily, due_gaps

    blocks, daily = list(by_customers(log, counted)), np.zeros((PARTS, length), np.int64)
    come = 0
    for some, orders_by_day, _ in blocks:  # parts are dealt out in turn among all customers
        daily += np.roll(orders_by_day, come, axis=0)
        come += len(some)
    columns = pd.concat([some for some, _, _ in blocks], ignore_index=True).astype({"rhythm": "str"})
    return columns, daily, sum(due for *_, due in blocks)


def _labelled(customers: pd.DataFrame, log: TransactionLog) -> pd.DataFrame:
    """The customers with ids and labels instead of numbers."""
    covariates = covariate_keys(dict(log.columns))
    names = ("segment", "channel", *map(identifier, covariates))
    chosen = ", ".join(f"coalesce({name}, '') AS {name}" for name in names)
    labels = log.connection.execute(
        f"SELECT customer_id, {chosen} FROM customers LEFT JOIN labels USING (customer) ORDER BY customer"
    ).df()
    labels = labels.iloc[customers["customer"]].reset_index(drop=True)
    decimal = log.config.decimal or "."
    labels = labels.assign(**{name: _numbers_or_words(labels[name], decimal) for name in covariates})
    return pd.concat([labels[["customer_id"]], customers.drop(columns="customer"), labels.iloc[:, 1:]], axis=1)


def _with_trend(
    customers: pd.DataFrame, log: TransactionLog, place: Callable[[Orders], Placed], step_days: float
) -> tuple[pd.DataFrame, SpendTrend]:
    """Customers with ages of orders in years, counted in steps so far, and amounts at today's level; and the trend."""
    step = step_days / DAYS_PER_YEAR
    customers = in_years(customers, step)
    trend = spend_trend(customers, (log.today - log.first_date).days)
    if trend.problem:
        return customers.assign(repeat_amount_today=np.nan), trend
    levelled = by_customers(log, lambda orders: at_todays_level(place(orders), trend.slope * step))
    return customers.assign(repeat_amount_today=np.concatenate(list(levelled))), trend


def in_years(customers: pd.DataFrame, step: float) -> pd.DataFrame:
    """Customers with ages of orders in years, which are counted in steps of so many years."""
    powers = {"repeat_lag": step, "repeat_lag_square": step**2, "repeat_lag_log": step}
    return customers.assign(**{name: customers[name] * factor for name, factor in powers.items()})


def _numbers_or_words(column: pd.Series, decimal: str) -> pd.Series:
    """The column as numbers, nan where missing, if all its values are numbers; else as text, "" where missing."""
    numbers = pd.to_numeric(column.str.replace(decimal, ".", regex=False).replace("", np.nan), errors="coerce")
    are_numbers = np.isfinite(numbers) | (column == "")
    return numbers.astype(np.float64) if are_numbers.all() and (column != "").any() else column


def weekly_repeat_orders(log: TransactionLog, opportunity_days: float | SharedPeriods = 0.0) -> pd.DataFrame:
    """Repeat orders per full week of the log: columns `week_start` (datetime64), `orders` (int64).

    A week starts on the day after today, so that the calibration ends with a week. Only customers of the summary count:
    for those whose first order lies after today there is no prediction. With `opportunity_days`, orders are merged as
    in `summarize`, and count in the week in which their period ends.
    """
    start = log.today + timedelta(days=1)
    before, after = (start - log.first_date).days // 7, (log.last_date - log.today).days // 7
    periods = periods_of(log, opportunity_days) if isinstance(opportunity_days, SharedPeriods) else opportunity_days
    place = _placing(log, periods)
    weeks = np.arange(-before, after)

    def counted(orders: Orders) -> np.ndarray:
        placed = place(orders)
        repeats = placed.known | placed.later
        repeats[placed.orders.starts] = False
        week = _weeks(placed, log, periods)[repeats] + before
        return np.bincount(week[(week >= 0) & (week < weeks.size)], minlength=weeks.size)

    return pd.DataFrame(
        {
            "week_start": np.datetime64(start, "D").astype("datetime64[s]") + weeks * np.timedelta64(7, "D"),
            "orders": sum(by_customers(log, counted), np.zeros(weeks.size, np.int64)),
        }
    )


def _weeks(placed: Placed, log: TransactionLog, periods: PeriodsOfLog | float) -> np.ndarray:
    """The week in which each order counts, from the day after today, (order,)."""
    today, moment = day_number(log.today), placed.orders.moment
    if not isinstance(periods, PeriodsOfLog):
        since = spread(placed.orders, today - placed.first_day + HALF_DAY)
        return np.ceil((moment * periods - since) / 7).astype(np.int64) - 1 if periods else (moment - today - 1) // 7
    began = periods.number[placed.first_day - day_number(log.first_date)]
    number = moment + spread(placed.orders, began)
    ends = last_day(periods.seen.periods, number)
    ends = np.minimum(ends, np.where(number == periods.ended, today, day_number(log.last_date)))
    return (ends - today - 1) // 7


def require_repeat_orders(summary: CustomerSummary, *, paid: bool = True) -> None:
    """Check that the models can be fitted to the customers; with `paid`, the spend model too.

    Raises
    ------
    DiagnosticsError
        No customer has ordered twice up to today, or none of the repeat orders has an amount above zero.
    """
    frequency = summary.customers["frequency"].to_numpy()
    if not frequency.any():
        when, hint = "on another day", "or data.today or data.calibration_end too early?"
        if summary.opportunity_days:
            period = summary.shared_period or f"period of {summary.opportunity_days:g} days"
            when = f"in any {period} that has ended"
            hint = "data.calibration_end too early, or the periods of retention too long?"
        message = (
            f"none of the {frequency.size:,} customers has a second order {when} up to {summary.today}: "
            "how often customers come back and when they stop cannot be learned from this log "
            f"(is data.customer_id one id per order, {hint})"
        )
        raise DiagnosticsError([("data", message)])
    if paid and not summary.customers["repeat_positive"].to_numpy().any():
        raise DiagnosticsError(
            [
                (
                    "data.amount",
                    "no repeat order has an amount above zero: spend cannot be learned from this log. Orders alone are "
                    "forecast and checked by clvsim validate; for a run give each row an amount, 1 where each order "
                    "counts the same (spend=fixed_price)",
                )
            ]
        )
