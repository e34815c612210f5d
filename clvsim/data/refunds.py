"""Taking refunds off orders.

A refund comes off the same day's order, then off the latest earlier one, and so on: orders are a stack. With S the
running balance of a customer (the day's order first, then its refunds), an order that lifted S from L to L + a keeps
what later minima of S leave of it:

    kept = max(0, min(a, min over later S − L))

and what falls below zero was never ordered (unmatched). Window functions do this exactly, in decimals, without a loop.
The hold-out has a balance of its own: a refund after today must not change what was known today.
"""

from decimal import Decimal

import duckdb

from clvsim.data.log import Refunds

# days: customer_id, day, later (day > today), orders (rows >= 0), ordered (their sum), refunded (−sum of rows < 0)
_NETTED = """
CREATE TABLE netted AS
WITH balance AS (
    SELECT *, sum(ordered - refunded) OVER (
        PARTITION BY customer_id, later ORDER BY day ROWS UNBOUNDED PRECEDING) AS after_day
    FROM days WHERE customer_id IN (SELECT customer_id FROM days WHERE refunded > 0)
), minima AS (
    SELECT *, after_day - ordered + refunded AS before_day,
        min(after_day) OVER (
            PARTITION BY customer_id, later ORDER BY day
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS lowest_later
    FROM balance
)
SELECT customer_id, day, later, orders, ordered, after_day,
    greatest(0::DECIMAL(38,4), least(ordered, lowest_later - before_day)) AS kept
FROM minima
"""


def net(con: duckdb.DuckDBPyConnection) -> Refunds:
    """Create `orders(customer_id, day, amount)` from `days` and say what refunds did.

    An order that refunds reduce to nothing disappears; one that was zero in the log stays.
    """
    con.execute(_NETTED)
    con.execute(
        """
        CREATE TABLE orders AS
        SELECT customer_id, day, ordered AS amount FROM days
        WHERE orders > 0 AND customer_id NOT IN (SELECT customer_id FROM netted)
        UNION ALL
        SELECT customer_id, day, kept AS amount FROM netted WHERE orders > 0 AND (kept > 0 OR ordered = 0)
        """
    )
    removed, now, now_customers, later = con.execute(
        """
        WITH depth AS (SELECT customer_id, later, -least(min(after_day), 0) AS missing FROM netted GROUP BY ALL)
        SELECT (SELECT count(*) FROM netted WHERE kept = 0 AND ordered > 0),
            coalesce(sum(missing) FILTER (NOT later), 0), count(*) FILTER (NOT later AND missing > 0),
            coalesce(sum(missing) FILTER (later), 0)
        FROM depth
        """
    ).fetchall()[0]
    lost = con.execute(
        "SELECT count(DISTINCT customer_id) FROM netted WHERE customer_id NOT IN (SELECT customer_id FROM orders)"
    ).fetchall()[0][0]
    con.execute("DROP TABLE netted")
    return Refunds(
        orders_removed=removed,
        unmatched=Decimal(now),
        unmatched_customers=now_customers,
        after_today=Decimal(later),
        customers_removed=lost,
    )
