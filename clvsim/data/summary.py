"""The data of the models: one row per customer as of today; and repeat orders by day and week."""

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from clvsim.data.log import TransactionLog
from clvsim.data.raw import covariate_keys, identifier
from clvsim.errors import DiagnosticsError
from clvsim.types import PARTS, CustomerSummary

# One order per customer and moment, so arg_min is unique. Logs are summed as decimals: floating sums depend on the
# order of rows.
_SUMMARY = """
WITH {dated}, totals AS (
    SELECT customer_id, count(*) FILTER ({known}) AS orders, count(*) FILTER ({later}) AS later_orders,
        count(*) FILTER ({recent}) AS recent_orders,
        sum(amount) FILTER ({later}) AS later_total, sum(amount) FILTER ({recent}) AS recent_total,
        min(first_day) AS first_day, {recency} AS recency_days,
        arg_min(amount, {moment}) AS first_amount, sum(amount) FILTER ({known}) AS total,
        count(*) FILTER ({known} AND amount > 0) AS positive,
        sum(CASE WHEN amount > 0 AND {known} THEN ln(amount::DOUBLE)::DECIMAL(38,15) ELSE 0 END) AS log_total,
        sum(CASE WHEN amount > 0 AND {known} THEN (ln(amount::DOUBLE)^2)::DECIMAL(38,15) ELSE 0 END) AS log_square
    FROM dated GROUP BY customer_id HAVING min(first_day) <= $today
), gaps AS (
    SELECT customer_id, sum(ln((day - previous)::DOUBLE)::DECIMAL(38,15))::DOUBLE AS log_gaps FROM (
        SELECT customer_id, day, lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS previous
        FROM orders WHERE day <= $today
    ) WHERE previous IS NOT NULL GROUP BY customer_id
)
SELECT customer_id, orders - 1 AS frequency, recency_days::DOUBLE AS recency_days,
    ($today - first_day)::DOUBLE AS T_days, first_amount::DOUBLE AS first_amount,
    (total - first_amount)::DOUBLE AS repeat_amount,
    (log_total - CASE WHEN first_amount > 0 THEN ln(first_amount::DOUBLE)::DECIMAL(38,15) ELSE 0 END)::DOUBLE
        AS repeat_log_amount,
    (log_square - CASE WHEN first_amount > 0 THEN (ln(first_amount::DOUBLE)^2)::DECIMAL(38,15) ELSE 0 END)::DOUBLE
        AS repeat_log_square,
    positive - (first_amount > 0)::BIGINT AS repeat_positive, later_orders AS holdout_frequency,
    coalesce(later_total, 0)::DOUBLE AS holdout_amount, recent_orders - {first_is_recent} AS recent_frequency,
    (coalesce(recent_total, 0) - {first_is_recent} * first_amount)::DOUBLE AS recent_amount,
    coalesce(log_gaps, 0) AS log_gaps,
    coalesce(segment, '') AS segment, coalesce(channel, '') AS channel{covariates}
FROM totals LEFT JOIN gaps USING (customer_id) LEFT JOIN labels USING (customer_id) ORDER BY customer_id
"""
_BY_DAY = {
    "dated": "dated AS (SELECT customer_id, day, day AS first_day, amount FROM orders)",
    "known": "day <= $today",
    "later": "day > $today",
    "recent": "day > $today - $later_days AND day <= $today",
    "first_is_recent": "(first_day > $today - $later_days)::BIGINT",
    "recency": "max(day) FILTER (day <= $today) - min(day)",
    "moment": "day",
}
# Period i of a customer holds the orders of the days in ((i-1) every, i every] after the first; period 0 the first. An
# order's hour is unknown, so it is midday, and today has passed: half a day more than from day to day.
_PERIODS = """
firsts AS (SELECT customer_id, min(day) AS first_day FROM orders GROUP BY customer_id),
dated AS (
    SELECT customer_id, first_day, ceil((day - first_day) / $every) AS period, sum(amount) AS amount,
        floor(($today - first_day + 0.5) / $every) AS ended,
        floor(($last - first_day + 0.5) / $every) AS ended_at_last
    FROM orders JOIN firsts USING (customer_id) GROUP BY ALL
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
}


def summarize(log: TransactionLog, opportunity_days: float = 0.0) -> CustomerSummary:
    """Summarize each customer's orders up to today; later ones only check (`holdout_frequency`, `holdout_amount`).

    Parameters
    ----------
    log
        Checked orders, and the day that counts as today.
    opportunity_days
        Length in days of the periods whose orders are merged to one, from each customer's own first order; 0 merges
        only those of one day. A period that is not over today belongs to the hold-out, with all its orders; one that is
        not over on the last day of the log does not count.

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
    if opportunity_days:
        values, fragments = values | _period_values(log, opportunity_days), _BY_PERIOD
    covariates = covariate_keys(dict(log.columns))
    covariate_columns = "".join(f", coalesce({identifier(name)}, '') AS {identifier(name)}" for name in covariates)
    customers = log.connection.execute(_SUMMARY.format(**fragments, covariates=covariate_columns), values).df()
    decimal = log.config.decimal
    customers = customers.assign(**{name: _numbers_or_words(customers[name], decimal) for name in covariates})
    unit, period_days = log.config.time_unit, float(opportunity_days)
    daily = None if period_days else daily_repeat_orders(log)
    return CustomerSummary(
        customers,
        log.today,
        log.first_date,
        log.last_date,
        unit,
        log.data_hash,
        daily,
        opportunity_days=period_days,
        by_day=summarize(log) if period_days else None,
    )


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
            SELECT customer_id, min(day) AS first_day, (row_number() OVER (ORDER BY customer_id) - 1) % $parts AS part
            FROM orders GROUP BY customer_id HAVING min(day) <= $today
        )
        SELECT part, (day - $first)::BIGINT AS since, count(*) AS orders FROM orders JOIN firsts USING (customer_id)
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


def weekly_repeat_orders(log: TransactionLog, opportunity_days: float = 0.0) -> pd.DataFrame:
    """Repeat orders per full week of the log: columns `week_start` (datetime64), `orders` (int64).

    A week starts on the day after today, so that the calibration ends with a week. Only customers of the summary count:
    for those whose first order lies after today there is no prediction. With `opportunity_days`, orders are merged as
    in `summarize`, and count in the week in which their period ends.
    """
    start = log.today + timedelta(days=1)
    before, after = (start - log.first_date).days // 7, (log.last_date - log.today).days // 7
    if opportunity_days:
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
                SELECT customer_id, min(day) AS first_day FROM orders GROUP BY customer_id HAVING min(day) < $start
            )
            SELECT floor((day - $start) / 7)::BIGINT AS week, count(*) AS orders
            FROM orders JOIN firsts USING (customer_id) WHERE day > first_day GROUP BY week
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
        when, hint = "on another day", "or data.calibration_end too early?"
        if summary.opportunity_days:
            when = f"in any period of {summary.opportunity_days:g} days that has ended"
            hint = "data.calibration_end too early, or retention.opportunity_days too long?"
        message = (
            f"none of the {frequency.size:,} customers has a second order {when} up to {summary.today}: "
            "how often customers come back and when they stop cannot be learned from this log "
            f"(is data.customer_id one id per order, {hint})"
        )
        raise DiagnosticsError([("data", message)])
    if paid and not summary.customers["repeat_positive"].to_numpy().any():
        raise DiagnosticsError(
            [("data.amount", "no repeat order has an amount above zero: spend cannot be learned from this log")]
        )
