"""Free trials of contracts. A contract begins with its first payment above 0: who has not paid is no customer yet."""

from dataclasses import replace

import numpy as np

from clvsim.data.log import TransactionLog
from clvsim.errors import DataError
from clvsim.special import betaincinv
from clvsim.types import GRACE_DAYS, RENEWAL_DAYS, Range, Trials

_MOST = 0.95  # of the trials that paid, by whose time it is judged which are still open


def without_trials(log: TransactionLog) -> TransactionLog:
    """The log without what was free before a customer's first payment above 0, and without who never paid.

    Its table of purchases stands in a schema of its own. The log itself where there is no such row, or nothing else.
    Raises DataError where fewer than two customers have paid by today.
    """
    con, label = log.connection.cursor(), f"{log.today:%Y%m%d}"
    con.execute(f"SET search_path = 'as_of_{label},main'")
    begun = "SELECT min(day) AS first, min(day) FILTER (amount > 0) AS paying FROM purchases GROUP BY customer"
    trials, ever, by_now, later, first = con.execute(
        f"""
        SELECT count(*) FILTER (paying IS DISTINCT FROM first), count(paying), count(*) FILTER (paying <= $today),
            count(*) FILTER (paying > $today), min(paying) FROM ({begun})
        """,
        {"today": log.today},
    ).fetchall()[0]
    if not trials or not ever:
        return log
    if by_now < 2:
        count = "only one customer has" if by_now else "no customer has"
        what = f"{count} a payment above 0 up to {log.today}; a contract begins with it, and two are needed"
        raise DataError([(log.label, what)])
    con.execute(f"DROP SCHEMA IF EXISTS paying_{label} CASCADE")
    con.execute(f"CREATE SCHEMA paying_{label}")
    con.execute(f"SET search_path = 'paying_{label},as_of_{label},main'")
    con.execute(
        f"""
        CREATE TABLE purchases AS SELECT p.* FROM as_of_{label}.purchases AS p JOIN (
            SELECT customer, min(day) AS paying FROM as_of_{label}.purchases WHERE amount > 0 GROUP BY customer
        ) USING (customer) WHERE day >= paying ORDER BY customer, day
        """
    )
    con.execute("CREATE VIEW orders AS SELECT customer_id, day, amount FROM purchases JOIN customers USING (customer)")
    return replace(log, connection=con, first_date=first, facts=log.facts._replace(customers_after_today=later))


def trials_of(log: TransactionLog, interval_days: float) -> Trials | None:
    """What became of contracts that began with a payment of 0, up to today; None where none did, or nobody ever paid.

    A trial is open until it is older than 95 % of those that paid were when they did, plus the grace of contracts that
    fall due every `interval_days`; before one has paid, than that interval. The share who pay has a Beta(1, 1) prior
    and is learned of trials that are older, paid or not: of younger ones those who pay soon are seen first. One of u
    days that is open pays with r g / (1 - r + r g): r the share, g that of the trials which paid that took longer.
    """
    found = log.connection.execute(
        """
        SELECT ($today - min(day))::DOUBLE AS age, (min(day) FILTER (amount > 0) - min(day))::DOUBLE AS after,
            arg_min(amount, day) = 0 AS free
        FROM purchases WHERE day <= $today GROUP BY customer ORDER BY customer
        """,
        {"today": log.today},
    ).df()
    free = found["free"].to_numpy(bool)
    age, after = (found[name].to_numpy(np.float64, na_value=np.nan) for name in ("age", "after"))
    if not free.any() or np.isnan(after).all():
        return None
    age, after = age[free], after[free]
    paid = ~np.isnan(after)
    longest = np.quantile(after[paid], _MOST, method="inverted_cdf") if paid.any() else interval_days
    renewal = min(RENEWAL_DAYS, key=lambda name: abs(RENEWAL_DAYS[name] - interval_days))
    over = age > longest + GRACE_DAYS[renewal]
    a, b = 1.0 + (over & paid).sum(), 1.0 + (over & ~paid).sum()
    share, (low, high) = a / (a + b), betaincinv(a, b, np.array([0.05, 0.95]))
    still = age[~over & ~paid]
    slower = (after[paid] > still[:, None]).mean(axis=1) if paid.any() else np.ones_like(still)
    to_pay = (share * slower / (1 - share + share * slower)).sum()
    return Trials(age.size, still.size, int(paid.sum()), Range(float(share), float(low), float(high)), float(to_pay))
