"""What a payment to come of each customer is worth, as their last one says: the price of a contract.

The last payment above 0, where payments keep a rhythm the last one that fell due: counted from the customer's first,
it lies within the grace of a whole number of periods, so that a change of plan charged in part between two due days is
no price. What was paid on a due day is not always a price either, and other payments of the log show it:

- An amount that was of late mostly followed by another one at the same rhythm (the discount of a first period, a
  payment that was refunded in part, last year's price) is not paid again: that other one is, unless it in turn was
  followed by the first one since (a price that went back).
- An amount far from the customer's one before, which nobody has paid again at that rhythm, is of another plan (a year
  paid at once by somebody who paid by the month): the one before stays.

Otherwise the last one stands. Not told from a price: an amount that came once, near the usual one. Not modelled:
discounts of several periods, contracts that change their rhythm, rises to come.
"""

import numpy as np
import pandas as pd

from clvsim.anniversaries import MONTHS_OF
from clvsim.data.log import TransactionLog
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK, GRACE_DAYS

_FEWEST, _LATEST = 3, 20  # payments of an amount of which it is known what followed
_FAR = 5.0  # times as much, or as little
_MOSTLY = 0.5  # of the gaps lie within the grace of a period, where payments keep a rhythm
_MONTHS = " ".join(f"WHEN '{period}' THEN {months}" for period, months in MONTHS_OF.items())
_GRACE = " ".join(f"WHEN '{period}' THEN {days:g}" for period, days in GRACE_DAYS.items())
# Amounts are decimals: they are equal or not, and of two followers of an amount none is most of them.
_LAST = f"""
WITH begun AS (
    SELECT customer, min(day) AS begun FROM purchases WHERE amount > 0 AND day <= $today GROUP BY customer
), paid AS (
    SELECT customer, rhythm, day, amount, begun, CASE rhythm {_MONTHS} END AS months,
        CASE rhythm {_GRACE} END AS grace
    FROM purchases JOIN begun USING (customer) JOIN rhythms USING (customer) WHERE amount > 0 AND day <= $today
), due AS (
    SELECT customer, rhythm, amount, lead(amount) OVER one AS next, lead(day) OVER one AS next_day,
        lag(amount) OVER one AS before FROM paid
    WHERE CASE
        WHEN rhythm = '' THEN true
        WHEN months IS NULL THEN (day - begun + grace) % {DAYS_PER_WEEK:g} <= 2 * grace
        ELSE abs(day - (begun + to_months((round((day - begun) / ({DAYS_PER_MONTH} * months)) * months)::INT))::DATE)
            <= grace END
    WINDOW one AS (PARTITION BY customer ORDER BY day)
), pairs AS (
    SELECT rhythm, amount, next, next_day FROM due WHERE next IS NOT NULL
    UNION ALL SELECT 'any', amount, next, next_day FROM due WHERE next IS NOT NULL
), counted AS (
    SELECT rhythm, amount, next, count(*) AS number, max(next_day) AS latest FROM (
        SELECT *, rank() OVER (PARTITION BY rhythm, amount ORDER BY next_day DESC) AS place FROM pairs
    ) WHERE place <= {_LATEST} GROUP BY ALL
), followed AS (
    SELECT rhythm, amount, sum(number) AS number, max(number) AS most, arg_max(next, number) AS follower,
        arg_max(latest, number) AS latest FROM counted GROUP BY ALL
), gone AS (
    SELECT a.rhythm, a.amount, a.follower FROM followed AS a
    LEFT JOIN followed AS b ON b.rhythm = a.rhythm AND b.amount = a.follower
    WHERE a.number >= {_FEWEST} AND 2 * a.most > a.number
        AND NOT coalesce(b.follower = a.amount AND 2 * b.most > b.number AND b.latest > a.latest, false)
)
SELECT d.customer, (CASE
    WHEN g.follower IS NOT NULL THEN g.follower
    WHEN f.number IS NULL AND (d.amount > {_FAR} * d.before OR {_FAR} * d.amount < d.before) THEN d.before
    ELSE d.amount END)::DOUBLE AS price
FROM due AS d
LEFT JOIN followed AS f ON f.amount = d.amount AND f.rhythm = CASE d.rhythm WHEN '' THEN 'any' ELSE d.rhythm END
LEFT JOIN gone AS g ON g.amount = d.amount AND g.rhythm = CASE d.rhythm WHEN '' THEN 'any' ELSE d.rhythm END
WHERE d.next IS NULL ORDER BY d.customer
"""


def with_prices(customers: pd.DataFrame, log: TransactionLog, due_gaps: int) -> pd.DataFrame:
    """The customers of a log in the order of their numbers, `customer`, with `last_amount` what they will pay.

    `last_amount`, what they paid last, stays (nan where nothing) unless most gaps of the log are `due_gaps`, as long
    as a period of the calendar up to its grace; `rhythm` is each customer's own.
    """
    if not due_gaps > _MOSTLY * customers["frequency"].sum() > 0:
        return customers
    log.connection.register("rhythms", customers[["customer", "rhythm"]])
    found = log.connection.execute(_LAST, {"today": log.today}).df()
    log.connection.unregister("rhythms")
    price = customers["last_amount"].to_numpy(np.float64, copy=True)
    price[np.searchsorted(customers["customer"], found["customer"])] = found["price"]
    return customers.assign(last_amount=price)
