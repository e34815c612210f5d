"""The survival budget: hazard by day and by order is taken from it, and who has none left is lost."""

import math

from twin import contacts, pace
from twin.cases import Case
from twin.state import Customer, Life


def hazard_per_day(case: Case, customer: Customer, life: Life) -> float:
    """In the present week: μ times its multiplier, and what contacts add."""
    table, week = pace.table_of(case, customer, life), pace.week_of(life.day)
    hazard = life.traits.mu * case.hazard[customer.w, table, week]
    if contacts.is_listed(case, customer):
        hazard += case.budget[customer.w, table, week] / 7
    return hazard


def day_of_loss(life: Life, per_day: float) -> float:
    return life.day + life.budget / per_day if per_day > 0 else math.inf


def charge(life: Life, hazard: float) -> None:
    life.budget -= hazard
    life.lost = life.lost or life.budget <= 0


def order_hazard(case: Case, customer: Customer, life: Life, pace_before: float) -> float:
    """η of an order, at the rate at which it came; that of an opportunity was charged before it."""
    if case.at_intervals:
        return 0.0
    charges = case.laws.birth_charges[0] if case.newcomers and life.ticks == 0 else 1
    table, week = pace.table_of(case, customer, life), pace.week_of(life.day)
    hazard = life.traits.eta * case.charge[customer.w, table, week] * charges
    return hazard if case.by_order else hazard / pace_before
