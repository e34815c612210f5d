"""What models see of a log: one row per customer as of today, and the weekly count that charts show."""

from datetime import timedelta

import numpy as np
import pandas as pd

from clvsim.data.log import TransactionLog
from clvsim.data.sources import covariates_of, identifier
from clvsim.errors import DiagnosticsError
from clvsim.types import PARTS, CustomerSummary

# One order per customer and day, so arg_min is unique. Logs are summed as decimals: floating sums depend on row order.
_SUMMARY = """
WITH known AS (
    SELECT customer_id, min(day) AS first_day, max(day) FILTER (day <= $today) AS last_day,
        count(*) FILTER (day <= $today) AS orders, count(*) FILTER (day > $today) AS later_orders,
        count(*) FILTER (day > $today - $later_days AND day <= $today) AS recent_orders,
        arg_min(amount, day) AS first_amount, sum(amount) FILTER (day <= $today) AS total,
        count(*) FILTER (day <= $today AND amount > 0) AS positive,
        sum(CASE WHEN amount > 0 AND day <= $today THEN ln(amount::DOUBLE)::DECIMAL(38,15) ELSE 0 END) AS log_total
    FROM orders GROUP BY customer_id HAVING min(day) <= $today
)
SELECT customer_id, orders - 1 AS frequency, (last_day - first_day)::DOUBLE AS recency_days,
    ($today - first_day)::DOUBLE AS T_days, first_amount::DOUBLE AS first_amount,
    (total - first_amount)::DOUBLE AS repeat_amount,
    (log_total - CASE WHEN first_amount > 0 THEN ln(first_amount::DOUBLE)::DECIMAL(38,15) ELSE 0 END)::DOUBLE
        AS repeat_log_amount,
    positive - (first_amount > 0)::BIGINT AS repeat_positive, later_orders AS holdout_frequency,
    recent_orders - (first_day > $today - $later_days)::BIGINT AS recent_frequency,
    coalesce(segment, '') AS segment, coalesce(channel, '') AS channel{covariates}
FROM known LEFT JOIN labels USING (customer_id) ORDER BY customer_id
"""


def summarize(log: TransactionLog) -> CustomerSummary:
    """Count, date and add up each customer's orders up to today; later ones are only counted (`holdout_frequency`).

    Customers whose first order lies after today are not part of it; `log.facts.customers_after_today` counts them.
    """
    later_days = (log.last_date - log.today).days
    extra = covariates_of(dict(log.columns))
    listed = "".join(f", coalesce({identifier(name)}, '') AS {identifier(name)}" for name in extra)
    sql = _SUMMARY.format(covariates=listed)
    customers = log.connection.execute(sql, {"today": log.today, "later_days": later_days}).df()
    customers = customers.assign(**{name: _numbers_or_words(customers[name], log.config.decimal) for name in extra})
    unit, daily = log.config.time_unit, daily_repeat_orders(log)
    return CustomerSummary(customers, log.today, log.first_date, log.last_date, unit, log.data_hash, daily)


def _numbers_or_words(column: pd.Series, decimal: str) -> pd.Series:
    """Numbers, nan where missing, if all that is there are numbers; else the text, "" where missing."""
    numbers = pd.to_numeric(column.str.replace(decimal, ".", regex=False).replace("", np.nan), errors="coerce")
    are_numbers = np.isfinite(numbers) | (column == "")
    return numbers.astype(np.float64) if are_numbers.all() and (column != "").any() else column


def daily_repeat_orders(log: TransactionLog) -> np.ndarray:
    """Orders but first ones, by part of the customers and day from the first of the log to today, (part, day) int64."""
    found = log.connection.execute(
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
    part, since, count = (np.asarray(found[name], np.int64) for name in ("part", "since", "orders"))
    orders[part, since] = count
    return orders


def weekly_repeat_orders(log: TransactionLog) -> pd.DataFrame:
    """Repeat orders per full week of the log: columns `week_start` (datetime64), `orders` (int64).

    Weeks are laid out from the day after today, backwards and forwards, so that the calibration ends with a week.
    Only customers of the summary count: those first seen after today have no prediction to be compared with.
    """
    start = log.today + timedelta(days=1)
    before, after = (start - log.first_date).days // 7, (log.last_date - log.today).days // 7
    found = log.connection.execute(
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
    week = np.asarray(found["week"], dtype=np.int64)
    inside = (week >= -before) & (week < after)
    orders[week[inside] + before] = np.asarray(found["orders"], dtype=np.int64)[inside]
    return pd.DataFrame(
        {
            "week_start": np.datetime64(start, "D").astype("datetime64[s]") + weeks * np.timedelta64(7, "D"),
            "orders": orders,
        }
    )


def gates(summary: CustomerSummary) -> None:
    """Stop before a fit that cannot mean anything.

    Raises
    ------
    DiagnosticsError
        No customer has ordered twice up to today, or none of the repeat orders has an amount above zero.
    """
    frequency = summary.customers["frequency"].to_numpy()
    if not frequency.any():
        why = (
            f"none of the {frequency.size:,} customers has a second order on another day up to {summary.today}: "
            "how often customers come back and when they stop cannot be learned from this log "
            "(is data.customer_id one id per order, or data.calibration_end too early?)"
        )
        raise DiagnosticsError([("data", why)])
    if not summary.customers["repeat_positive"].to_numpy().any():
        raise DiagnosticsError(
            [("data.amount", "no repeat order has an amount above zero: spend cannot be learned from this log")]
        )
