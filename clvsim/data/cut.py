"""Where a log is cut to check the models: they are fitted a second time to what came before, and predict the rest."""

from collections.abc import Callable
from datetime import date, timedelta

from clvsim.data.log import LogHead, TransactionLog
from clvsim.types import DAYS_PER_WEEK

SHARE = 0.2  # of a log's days that is held back by itself
TRAINED, CHECKED = 100, 30  # repeat orders before the cut, and after it by customers known at it, that this needs
_TYPE = "data.calibration_end=DAY holds some back all the same"


def cut_of(log: TransactionLog, interval_days: float = 0.0) -> date | str:
    """The last day of the check's training: what `data.calibration_end` says, or else chosen by the log's length.

    Without the key the last fifth is held back, of orders that fall due every `interval_days` at least one of those
    periods, with the cut half a period after a due day: those who pay late are not taken for lost, and no due day
    stands on the border. Returns the sentence that says why nothing is held back where nothing is.
    """
    cut = planned_cut(log, interval_days, lambda latest: _between_due_days(log, latest, interval_days))
    if isinstance(cut, str) or log.config.calibration_end:
        return cut
    return too_few(cut, *repeat_orders(log, cut)) or cut


def planned_cut(
    log: LogHead, interval_days: float = 0.0, between: Callable[[date], date] = lambda latest: latest
) -> date | str:
    """The same before it is known whether there are enough orders; `between` moves the cut of what falls due."""
    typed = log.config.calibration_end
    if typed == "none":
        return "Nothing was held back to check the models on (data.calibration_end=none)."
    if isinstance(typed, date):
        if typed < log.last_date:
            return typed
        return f"Nothing was held back to check the models on (data.calibration_end={typed} is today)."
    days = (log.last_date - log.first_date).days
    held_back = max(round(SHARE * days), DAYS_PER_WEEK, round(interval_days))
    cut = log.last_date - timedelta(days=held_back)
    cut = between(cut) if interval_days else cut
    if cut <= log.first_date:
        return f"Nothing was held back to check the models on: the log is too short. {_TYPE}."
    return cut


def too_few(cut: date, trained: int, checked: int) -> str:
    """The sentence that says so where there are too few repeat orders before a cut that was chosen, or after it."""
    if trained >= TRAINED and checked >= CHECKED:
        return ""
    return (
        f"Nothing was held back to check the models on: up to {cut} the log has {trained:,} repeat orders, after "
        f"it {checked:,} by customers known by then, and the check needs {TRAINED} and {CHECKED}. {_TYPE}."
    )


def repeat_orders(log: TransactionLog, cut: date) -> tuple[int, int]:
    """Repeat orders up to a day, and later ones of customers who were known on it."""
    before, after = log.connection.execute(
        """
        WITH firsts AS (SELECT customer, min(day) AS first_day FROM purchases GROUP BY customer)
        SELECT count(*) FILTER (day <= $cut), count(*) FILTER (day > $cut) FROM purchases JOIN firsts USING (customer)
        WHERE day > first_day AND first_day <= $cut
        """,
        {"cut": cut},
    ).fetchall()[0]
    return before, after


def _between_due_days(log: TransactionLog, latest: date, interval_days: float) -> date:
    """The last day up to `latest` that is half a period after the day on which most fall due."""
    due = log.connection.execute(
        """
        SELECT count(*) AS orders, (round((day - $first) % $every))::BIGINT AS since FROM purchases
        GROUP BY since ORDER BY orders DESC, since LIMIT 1
        """,
        {"first": log.first_date, "every": float(interval_days)},
    ).fetchall()[0][1]
    passed = (latest - log.first_date).days - due - interval_days / 2
    periods = max(passed // interval_days, 0)
    return log.first_date + timedelta(days=round(due + (periods + 0.5) * interval_days))
