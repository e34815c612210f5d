"""The data of the models: one row per customer as of today; and repeat orders by day and week."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from clvsim.anniversaries import day_number
from clvsim.data.log import TransactionLog
from clvsim.data.periods import PeriodsOfLog, last_day, periods_of
from clvsim.data.prices import WITHIN_GRACE, with_prices
from clvsim.data.raw import covariate_keys, identifier
from clvsim.data.trend import spend_trend
from clvsim.errors import DiagnosticsError
from clvsim.types import DAYS_PER_YEAR, PARTS, CustomerSummary, FailedCharges, SharedPeriods, SpendTrend

# `rhythm`: the calendar's period that most gaps are nearest to (in logarithms; a half-year is none of them,
# nor is the time from a free trial to the first payment).
# One order per customer and moment, so arg_min is unique. Logs are summed as decimals: floating sums depend on the
# order of rows.
_SUMMARY = """
WITH {dated}, totals AS (
    SELECT customer, count(*) FILTER ({known}) AS orders, count(*) FILTER ({later}) AS later_orders,
        count(*) FILTER ({recent}) AS recent_orders,
        sum(amount) FILTER ({later}) AS later_total, sum(amount) FILTER ({recent}) AS recent_total,
        min(first_day) AS first_day, {recency} AS recency_days,
        arg_min(amount, {moment}) AS first_amount, sum(amount) FILTER ({known}) AS total,
        count(*) FILTER ({known} AND amount > 0) AS positive,
        arg_max(amount, {moment}) FILTER ({known} AND amount > 0) AS last_amount,
        sum(CASE WHEN amount > 0 AND {known} THEN log::DECIMAL(38,15) ELSE 0 END) AS log_total,
        sum(CASE WHEN amount > 0 AND {known} THEN (log^2)::DECIMAL(38,15) ELSE 0 END) AS log_square,
        arg_min({lag}, {moment})::BIGINT AS first_lag,
        sum({lag}) FILTER ({known} AND amount > 0)::BIGINT AS lags,
        sum({lag} * {lag}) FILTER ({known} AND amount > 0)::BIGINT AS lag_squares,
        sum(CASE WHEN amount > 0 AND {known} THEN {lag}::BIGINT * log::DECIMAL(30,15) ELSE 0 END) AS lag_logs
    FROM (SELECT *, CASE WHEN amount > 0 THEN ln(amount::DOUBLE) END AS log FROM dated)
    GROUP BY customer HAVING min(first_day) <= $today
), gaps AS (
    SELECT customer, sum(ln((day - previous)::DOUBLE)::DECIMAL(38,15))::DOUBLE AS log_gaps,
        count(*) FILTER (alike AND day - previous BETWEEN 4 AND 14) AS weeks,
        count(*) FILTER (alike AND day - previous BETWEEN 15 AND 52) AS months,
        count(*) FILTER (alike AND day - previous BETWEEN 53 AND 136) AS quarters,
        count(*) FILTER (alike AND day - previous >= 258) AS years,
        count(*) FILTER ({within_grace}) AS due_gaps,
        count(*) FILTER (day - previous > 10) AS week_breaks, count(*) FILTER (day - previous > 46) AS month_breaks,
        count(*) FILTER (day - previous > 137) AS quarter_breaks, count(*) FILTER (day - previous > 548) AS year_breaks
    FROM (
        SELECT customer, day, lag(day) OVER one AS previous, (amount > 0) = (lag(amount) OVER one > 0) AS alike
        FROM purchases WHERE day <= $today WINDOW one AS (PARTITION BY customer ORDER BY day)
    ) WHERE previous IS NOT NULL GROUP BY customer
)
SELECT customer, customer_id, orders - 1 AS frequency, recency_days::DOUBLE AS recency_days,
    ($today - first_day)::DOUBLE AS T_days, first_amount::DOUBLE AS first_amount,
    (total - first_amount)::DOUBLE AS repeat_amount,
    (log_total - CASE WHEN first_amount > 0 THEN ln(first_amount::DOUBLE)::DECIMAL(38,15) ELSE 0 END)::DOUBLE
        AS repeat_log_amount,
    (log_square - CASE WHEN first_amount > 0 THEN (ln(first_amount::DOUBLE)^2)::DECIMAL(38,15) ELSE 0 END)::DOUBLE
        AS repeat_log_square,
    coalesce(lags, 0) - CASE WHEN first_amount > 0 THEN first_lag ELSE 0 END AS repeat_lag,
    coalesce(lag_squares, 0) - CASE WHEN first_amount > 0 THEN first_lag * first_lag ELSE 0 END AS repeat_lag_square,
    (lag_logs - CASE WHEN first_amount > 0 THEN first_lag * ln(first_amount::DOUBLE)::DECIMAL(30,15)
        ELSE 0 END)::DOUBLE AS repeat_lag_log,
    positive - (first_amount > 0)::BIGINT AS repeat_positive, last_amount::DOUBLE AS last_amount,
    later_orders AS holdout_frequency,
    coalesce(later_total, 0)::DOUBLE AS holdout_amount, recent_orders - {first_is_recent} AS recent_frequency,
    (coalesce(recent_total, 0) - {first_is_recent} * first_amount)::DOUBLE AS recent_amount,
    coalesce(log_gaps, 0) AS log_gaps, coalesce(due_gaps, 0) AS due_gaps,
    CASE greatest(weeks, months, quarters, years) WHEN 0 THEN '' WHEN months THEN 'month' WHEN years THEN 'year'
        WHEN quarters THEN 'quarter' WHEN weeks THEN 'week' ELSE '' END AS rhythm,
    coalesce(CASE greatest(weeks, months, quarters, years) WHEN 0 THEN 0 WHEN months THEN month_breaks
        WHEN years THEN year_breaks WHEN quarters THEN quarter_breaks WHEN weeks THEN week_breaks END, 0) AS breaks,
    coalesce(segment, '') AS segment, coalesce(channel, '') AS channel{covariates}
FROM totals JOIN customers USING (customer) LEFT JOIN gaps USING (customer) LEFT JOIN labels USING (customer)
ORDER BY customer
"""
_BY_DAY = {
    "dated": "dated AS (SELECT customer, day, day AS first_day, amount FROM purchases)",
    "known": "day <= $today",
    "later": "day > $today",
    "recent": "day > $today - $later_days AND day <= $today",
    "first_is_recent": "(first_day > $today - $later_days)::BIGINT",
    "recency": "max(day) FILTER (day <= $today) - min(day)",
    "moment": "day",
    "lag": "($today - day)",
}
# Period i of a customer holds the orders of the days in ((i-1) every, i every] after the first; period 0 the first. An
# order's hour is unknown, so it is midday, and today has passed: half a day more than from day to day.
_PERIODS = """
firsts AS (SELECT customer, min(day) AS first_day FROM purchases GROUP BY customer),
dated AS (
    SELECT customer, first_day, ceil((day - first_day) / $every) AS period, sum(amount) AS amount,
        floor(($today - first_day + 0.5) / $every) AS ended,
        floor(($last - first_day + 0.5) / $every) AS ended_at_last
    FROM purchases JOIN firsts USING (customer) GROUP BY ALL
)
"""
_BY_PERIOD = {
    "dated": _PERIODS,
    "known": "period <= ended",
    "later": "period > ended AND period <= ended_at_last",
    "recent": "period > 0 AND period <= ended AND period * $every > $today - first_day + 0.5 - $later_days",
    "first_is_recent": "0",
    "recency": "max(period) FILTER (period <= ended) * $every",
    "moment": "period",
    "lag": "(ended - period)",
}
# The same amounts by a factor that grows with their age, each rounded, as sums must not depend on the order of rows.
_AT_TODAYS_LEVEL = """
WITH {dated}
SELECT customer, (
        sum((amount::DOUBLE * exp($slope * {lag}))::DECIMAL(38,8)) FILTER ({known})
        - arg_min((amount::DOUBLE * exp($slope * {lag}))::DECIMAL(38,8), {moment})
    )::DOUBLE AS repeat_amount_today
FROM dated GROUP BY customer HAVING min(first_day) <= $today ORDER BY customer
"""


# Periods that are the same for all. What the period that counts as whole today still brings, is left out.
_SHARED_PERIODS = """
firsts AS (SELECT customer, min(day) AS first_day FROM purchases GROUP BY customer),
numbered AS (
    SELECT *, $numbers[day - $first + 1] AS number, $numbers[first_day - $first + 1] AS first_number
    FROM purchases JOIN firsts USING (customer)
),
dated AS (
    SELECT customer, first_day, first_number, number - first_number AS period, sum(amount) AS amount,
        greatest($ended - first_number, 0) AS ended, greatest($at_last - first_number, 0) AS ended_at_last
    FROM numbered WHERE day <= $today OR number > greatest($ended, first_number) GROUP BY ALL
)
"""
_BY_SHARED_PERIOD = _BY_PERIOD | {
    "dated": _SHARED_PERIODS,
    "recent": "period > 0 AND period <= ended AND period > ended - ($at_last - $ended)",
}


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
    values: dict[str, Any] = {"today": log.today, "later_days": (log.last_date - log.today).days}
    fragments = _BY_DAY
    shared = periods_of(log, opportunity_days) if isinstance(opportunity_days, SharedPeriods) else None
    period_days = opportunity_days.days if isinstance(opportunity_days, SharedPeriods) else float(opportunity_days)
    if shared:
        values, fragments = _shared_values(log, shared) | {"every": period_days}, _BY_SHARED_PERIOD
    elif period_days:
        values, fragments = values | _period_values(log, period_days), _BY_PERIOD
    covariates = covariate_keys(dict(log.columns))
    covariate_columns = "".join(f", coalesce({identifier(name)}, '') AS {identifier(name)}" for name in covariates)
    more = {"covariates": covariate_columns, "within_grace": WITHIN_GRACE}
    customers = log.connection.execute(_SUMMARY.format(**fragments, **more), values).df()
    customers = (customers if period_days else with_prices(customers, log)).drop(columns=["customer", "due_gaps"])
    decimal = log.config.decimal or "."
    customers = customers.assign(**{name: _numbers_or_words(customers[name], decimal) for name in covariates})
    if shared:
        first = customers["T_days"].to_numpy(np.int64)
        began = shared.number[(log.today - log.first_date).days - first]
        customers = customers.assign(opportunities=np.maximum(shared.ended - began, 0))
    unit = log.config.time_unit
    customers, trend = _with_trend(customers, log, fragments, values, period_days or 1.0)
    daily = None if period_days else daily_repeat_orders(log)
    return CustomerSummary(
        customers,
        log.today,
        log.first_date,
        log.last_date,
        unit,
        log.data_hash if hashed else "",
        daily,
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


def _with_trend(
    customers: pd.DataFrame, log: TransactionLog, fragments: dict[str, str], values: dict[str, Any], step_days: float
) -> tuple[pd.DataFrame, SpendTrend]:
    """Customers with ages of orders in years, counted in steps so far, and amounts at today's level; and the trend."""
    step = step_days / DAYS_PER_YEAR
    customers = in_years(customers, step)
    trend = spend_trend(customers, (log.today - log.first_date).days)
    if trend.problem:
        return customers.assign(repeat_amount_today=np.nan), trend
    query = _AT_TODAYS_LEVEL.format(**fragments)
    used = {name: v for name, v in (values | {"slope": trend.slope * step}).items() if f"${name}" in query}
    levelled = log.connection.execute(query, used).df()
    return customers.assign(repeat_amount_today=levelled["repeat_amount_today"].to_numpy()), trend


def in_years(customers: pd.DataFrame, step: float) -> pd.DataFrame:
    """Customers with ages of orders in years, which are counted in steps of so many years."""
    powers = {"repeat_lag": step, "repeat_lag_square": step**2, "repeat_lag_log": step}
    return customers.assign(**{name: customers[name] * factor for name, factor in powers.items()})


def _numbers_or_words(column: pd.Series, decimal: str) -> pd.Series:
    """The column as numbers, nan where missing, if all its values are numbers; else as text, "" where missing."""
    numbers = pd.to_numeric(column.str.replace(decimal, ".", regex=False).replace("", np.nan), errors="coerce")
    are_numbers = np.isfinite(numbers) | (column == "")
    return numbers.astype(np.float64) if are_numbers.all() and (column != "").any() else column


def daily_repeat_orders(log: TransactionLog) -> np.ndarray:
    """Repeat orders by part of the customers and day, from the first day of the log to today: (part, day) int64."""
    counts = log.connection.execute(
        """
        WITH firsts AS (
            SELECT customer, min(day) AS first_day, (row_number() OVER (ORDER BY customer) - 1) % $parts AS part
            FROM purchases GROUP BY customer HAVING min(day) <= $today
        )
        SELECT part, (day - $first)::BIGINT AS since, count(*) AS orders FROM purchases JOIN firsts USING (customer)
        WHERE day > first_day AND day <= $today GROUP BY part, since
        """,
        {"first": log.first_date, "today": log.today, "parts": PARTS},
    ).fetchnumpy()
    orders = np.zeros((PARTS, (log.today - log.first_date).days + 1), np.int64)
    part, since, count = (np.asarray(counts[name], np.int64) for name in ("part", "since", "orders"))
    orders[part, since] = count
    return orders


def _period_values(log: TransactionLog, opportunity_days: float) -> dict[str, Any]:
    return {"today": log.today, "last": log.last_date, "every": float(opportunity_days)}


def _shared_values(log: TransactionLog, shared: PeriodsOfLog) -> dict[str, Any]:
    ends = {"ended": shared.ended, "at_last": shared.ended_at_last}
    return {"today": log.today, "first": log.first_date, "numbers": shared.number.tolist(), **ends}


def _shared_period_orders(log: TransactionLog, periods: SharedPeriods) -> dict[str, np.ndarray]:
    """Merged orders by the week in which their period ends, counted from the day after today."""
    shared = periods_of(log, periods)
    counts = log.connection.execute(
        f"""
        WITH {_SHARED_PERIODS} SELECT period + first_number AS number, count(*) AS orders FROM dated
        WHERE first_day <= $today AND period > 0 AND period <= ended_at_last GROUP BY number
        """,
        _shared_values(log, shared),
    ).fetchnumpy()
    number = np.asarray(counts["number"], np.int64)
    today, last = day_number(log.today), day_number(log.last_date)
    ends = last_day(periods, number)
    ends = np.where(number == shared.ended, np.minimum(ends, today), np.minimum(ends, last))
    return {"week": (ends - today - 1) // 7, "orders": np.asarray(counts["orders"], np.int64)}


def weekly_repeat_orders(log: TransactionLog, opportunity_days: float | SharedPeriods = 0.0) -> pd.DataFrame:
    """Repeat orders per full week of the log: columns `week_start` (datetime64), `orders` (int64).

    A week starts on the day after today, so that the calibration ends with a week. Only customers of the summary count:
    for those whose first order lies after today there is no prediction. With `opportunity_days`, orders are merged as
    in `summarize`, and count in the week in which their period ends.
    """
    start = log.today + timedelta(days=1)
    before, after = (start - log.first_date).days // 7, (log.last_date - log.today).days // 7
    if isinstance(opportunity_days, SharedPeriods):
        counts = _shared_period_orders(log, opportunity_days)
    elif opportunity_days:
        counts = log.connection.execute(
            f"""
            WITH {_PERIODS}
            SELECT ceil((period * $every - ($today - first_day + 0.5)) / 7) - 1 AS week, count(*) AS orders
            FROM dated WHERE first_day <= $today AND period > 0 AND period <= ended_at_last GROUP BY week
            """,
            _period_values(log, opportunity_days),
        ).fetchnumpy()
    else:
        counts = log.connection.execute(
            """
            WITH firsts AS (
                SELECT customer, min(day) AS first_day FROM purchases GROUP BY customer HAVING min(day) < $start
            )
            SELECT floor((day - $start) / 7)::BIGINT AS week, count(*) AS orders
            FROM purchases JOIN firsts USING (customer) WHERE day > first_day GROUP BY week
            """,
            {"start": start},
        ).fetchnumpy()
    weeks = np.arange(-before, after)
    orders = np.zeros(weeks.size, dtype=np.int64)
    week = np.asarray(counts["week"], dtype=np.int64)
    inside = (week >= -before) & (week < after)
    orders[week[inside] + before] = np.asarray(counts["orders"], dtype=np.int64)[inside]
    return pd.DataFrame(
        {
            "week_start": np.datetime64(start, "D").astype("datetime64[s]") + weeks * np.timedelta64(7, "D"),
            "orders": orders,
        }
    )


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
