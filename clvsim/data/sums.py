"""What is known of each customer, as sums over orders that are sorted by customer and moment."""

import numpy as np

from clvsim.data.ordered import UNITS, Orders, Placed
from clvsim.data.rhythm import counts_of, rhythms_of
from clvsim.types import GRACE_DAYS, RENEWAL_DAYS


def sums_of(placed: Placed, moment_days: float, today: int) -> dict[str, np.ndarray]:
    """Columns of a `CustomerSummary` but for labels and gaps, ages of orders in moments of so many days; (customer,).

    And `customer`, the number of each.
    """
    orders, known = placed.orders, placed.known
    starts = orders.starts
    repeated = known.copy()
    repeated[starts] = False
    paid = orders.amount > 0
    repeat_paid = repeated & paid
    amount = orders.amount / UNITS
    log = np.zeros(amount.size)
    np.log(amount, out=log, where=repeat_paid)
    age = placed.age * repeat_paid

    def total(values: np.ndarray) -> np.ndarray:
        return _in_order(values, orders)

    def number(chosen: np.ndarray) -> np.ndarray:
        return _whole(chosen.astype(np.int64), starts)

    def money(chosen: np.ndarray) -> np.ndarray:
        return total(orders.amount * chosen) / UNITS

    last_paid = np.where(known & paid, np.arange(paid.size), -1)
    last_paid = np.maximum.reduceat(last_paid, starts) if starts.size else starts
    frequency = number(repeated)
    recent = placed.recent.copy()
    recent[starts] = False
    return {
        "customer": orders.customer[starts],
        "frequency": frequency,
        "recency_days": (orders.moment[starts + frequency] - orders.moment[starts]) * moment_days,
        "T_days": (today - placed.first_day).astype(np.float64),
        "first_amount": amount[starts],
        "repeat_amount": money(repeated),
        "repeat_log_amount": total(log),
        "repeat_log_square": total(log**2),
        "repeat_lag": _whole(age, starts),
        "repeat_lag_square": _whole(age**2, starts),
        "repeat_lag_log": total(age * log),
        "repeat_positive": number(repeat_paid),
        "last_amount": np.where(last_paid < 0, np.nan, amount[last_paid]),
        "holdout_frequency": number(placed.later),
        "holdout_amount": money(placed.later),
        "recent_frequency": number(recent),
        "recent_amount": money(recent),
    }


def gaps_of(orders: Orders) -> tuple[dict[str, np.ndarray], int]:
    """Columns of gaps between orders by day, (customer,); and how many gaps are as long as a period of the calendar, up
    to its grace."""
    starts = orders.starts
    inside = np.ones(orders.customer.size, bool)
    inside[starts] = False
    gap = np.diff(orders.moment, prepend=0)
    paid = orders.amount > 0
    alike = np.equal(paid, np.roll(paid, 1))[inside]
    lengths = np.arange(gap[inside].max(initial=0) + 1)
    logs = np.zeros(gap.size)
    logs[inside] = np.log(np.maximum(lengths, 1))[gap[inside]]
    grace = [(RENEWAL_DAYS[name] - days, RENEWAL_DAYS[name] + days) for name, days in GRACE_DAYS.items()]
    due = np.any([(least <= lengths) & (lengths <= most) for least, most in grace], axis=0)
    rhythm, breaks = rhythms_of(*counts_of(orders.place[inside], gap[inside], alike, starts.size))
    columns = {"log_gaps": _in_order(logs, orders), "rhythm": rhythm, "breaks": breaks}
    return columns, int(due[gap[inside]].sum())


def at_todays_level(placed: Placed, slope: float) -> np.ndarray:
    """Repeat amounts by a factor that grows with their age by `slope` a moment, (customer,)."""
    worth = placed.orders.amount / UNITS * np.exp(slope * placed.age) * placed.known
    worth[placed.orders.starts] = 0
    return _in_order(worth, placed.orders)


def _in_order(values: np.ndarray, orders: Orders) -> np.ndarray:
    """Sums by customer, (customer,), which add one value after another: orders that count nothing leave them alone to
    the bit, which `reduceat`, adding eight at a time, does not."""
    return np.bincount(orders.place, values, orders.starts.size)


def _whole(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums of integers from each start to the next; `reduceat` takes no empty list of them."""
    return np.add.reduceat(values, starts) if starts.size else values[:0]
