"""Netting of refunds against orders.

A refund comes off the same day's order, then off the latest earlier one, and so on: orders are a stack. With S the
running balance of a customer (the day's order first, then its refunds), an order that raised S from L to L + a
keeps what later minima of S leave of it:

    net_amount = max(0, min(a, min over later S − L))

and what the balance falls below zero was refunded without an order (unmatched). Window functions compute this exactly,
in decimals, without a loop. The hold-out has a balance of its own: a refund after today must not change the data up to
today.
"""

from datetime import date
from decimal import Decimal

import duckdb

from clvsim.data.log import Refunds

# days: customer, day, orders (rows >= 0), ordered (their sum), refunded (−sum of rows < 0)
_NETTED = """
CREATE TABLE netted AS
WITH balance AS (
    SELECT *, sum(ordered - refunded) OVER (
        PARTITION BY customer, later ORDER BY day ROWS UNBOUNDED PRECEDING) AS after_day
    FROM (SELECT *, day > $today AS later FROM days)
    WHERE customer IN (SELECT customer FROM days WHERE refunded > 0)
), minima AS (
    SELECT *, after_day - ordered + refunded AS before_day,
        min(after_day) OVER (
            PARTITION BY customer, later ORDER BY day
            ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS lowest_later
    FROM balance
)
SELECT customer, day, later, orders, ordered, after_day,
    greatest(0::DECIMAL(38,4), least(ordered, lowest_later - before_day)) AS net_amount
FROM minima
"""


def net(con: duckdb.DuckDBPyConnection, today: date) -> Refunds:
    """Create `purchases(customer, day, amount)` from `days`. Returns the effects of refunds.

    An order that refunds reduce to nothing disappears; one that was zero in the log stays.
    """
    con.execute(_NETTED, {"today": today})
    con.execute(
        """
        CREATE TABLE purchases AS
        SELECT customer, day, ordered AS amount FROM days
        WHERE orders > 0 AND customer NOT IN (SELECT customer FROM netted)
        UNION ALL
        SELECT customer, day, net_amount AS amount FROM netted WHERE orders > 0 AND (net_amount > 0 OR ordered = 0)
        """
    )
    orders_removed, unmatched, unmatched_customers, after_today = con.execute(
        """
        WITH depth AS (SELECT customer, later, -least(min(after_day), 0) AS excess FROM netted GROUP BY ALL)
        SELECT (SELECT count(*) FROM netted WHERE net_amount = 0 AND ordered > 0),
            coalesce(sum(excess) FILTER (NOT later), 0), count(*) FILTER (NOT later AND excess > 0),
            coalesce(sum(excess) FILTER (later), 0)
        FROM depth
        """
    ).fetchall()[0]
    customers_removed = con.execute(
        "SELECT count(DISTINCT customer) FROM netted WHERE customer NOT IN (SELECT customer FROM purchases)"
    ).fetchall()[0][0]
    con.execute("DROP TABLE netted")
    return Refunds(
        orders_removed=orders_removed,
        unmatched=Decimal(unmatched),
        unmatched_customers=unmatched_customers,
        after_today=Decimal(after_today),
        customers_removed=customers_removed,
    )
