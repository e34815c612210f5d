"""Multipliers by week: the customer's table, and how far the present one holds."""

import math

from twin.cases import Case
from twin.state import Customer, Life


def week_of(day: float) -> int:
    return int(day // 7)


def table_of(case: Case, customer: Customer, life: Life) -> int:
    """The second half of the tables is of those who have opted out."""
    return customer.table if life.on_list else customer.table + case.rate.shape[1] // 2


def rate_multiplier(case: Case, customer: Customer, life: Life) -> float:
    """Of the rate, in the present week; also the speed of operational time."""
    return case.rate[customer.w, table_of(case, customer, life), week_of(life.day)]


def end_of_step(customer: Customer, life: Life) -> float:
    """Until when nothing scheduled changes: the week, the window, the opt-out."""
    return min(7.0 * (week_of(life.day) + 1), customer.end, life.leaves if life.on_list else math.inf)
