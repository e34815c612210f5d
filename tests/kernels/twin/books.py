"""Ledgers: what a life has left behind, posted to the calendar and by own age."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from clvsim.kernels import structs as ks
from twin.cases import MONTH, Case
from twin.state import Customer

Number = int | np.integer  # of a line or a kind of event


@dataclass
class Book:
    """Sums in ledger units, with the number of entries: each may be rounded to the other side."""

    units: Counter = field(default_factory=Counter)
    entries: Counter = field(default_factory=Counter)

    def add(self, where: tuple, amount: float, unit: float) -> None:
        self.units[where] += math.floor(amount * unit + 0.5)
        self.entries[where] += 1


@dataclass
class Records:
    """Everything that the twin saw."""

    calendar: Book = field(default_factory=Book)  # (w, half, line, plain or discounted, month)
    age: Book = field(default_factory=Book)
    cohort: Book = field(default_factory=Book)  # (w, cohort, line, month)
    exposure: Book = field(default_factory=Book)  # (w, cohort and half, week)
    sent: Counter = field(default_factory=Counter)  # contacts by (book, w, half, programme, plain or discounted, month)
    events: list[tuple[int, int, Number, float, float, Number]] = field(default_factory=list)  # as in `structs.Trace`
    value: dict[tuple[int, int], float] = field(default_factory=dict)
    orders: dict[tuple[int, int], int] = field(default_factory=dict)
    revenue: Book = field(default_factory=Book)  # (w, customer)


def month_of(day: float) -> int:
    return int(day / MONTH)


def age_period(days: float) -> int:
    """0 is the moment of the first order, then months; a renewal after exactly n months is in the next one."""
    return 1 + math.floor(round(days / MONTH, 9)) if days > 0 else 0


def discount(case: Case, days: float) -> float:
    return (1 + case.annual_rate) ** (-days / 365.25)


def record(
    records: Records, customer: Customer, kind: Number, day: float, amount: float = 0.0, offer: Number = ks.NO_OFFER
) -> None:
    records.events.append((customer.w, customer.c, kind, day, amount, offer))


def post_age(case: Case, records: Records, customer: Customer, line: Number, day: float, amount: float, unit: float):
    """By own age, as such and discounted to the own first order."""
    if case.newcomers:
        age, where = day - customer.start, (customer.w, customer.half, line)
        records.age.add((*where, 0, age_period(age)), amount, unit)
        records.age.add((*where, 1, age_period(age)), amount * discount(case, age), unit)


def post(
    case: Case, records: Records, customer: Customer, line: Number, day: float, amount: float, unit: float
) -> None:
    """An amount in both ledgers, as such and discounted."""
    where = (customer.w, customer.half, line)
    records.calendar.add((*where, 0, month_of(day)), amount, unit)
    records.calendar.add((*where, 1, month_of(day)), amount * discount(case, day), unit)
    post_age(case, records, customer, line, day, amount, unit)


def count(case: Case, records: Records, customer: Customer, line: Number, day: float) -> None:
    post(case, records, customer, line, day, 1.0, customer.heads)


def post_cohort(records: Records, customer: Customer, line: Number, day: float, amount: float) -> None:
    records.cohort.add((customer.w, customer.cohort, line, month_of(day)), amount, customer.money)


def post_revenue(records: Records, customer: Customer, day: float, amount: float) -> None:
    """Of the cohort, and of the customer."""
    post_cohort(records, customer, ks.COHORT_REVENUE, day, amount)
    records.revenue.add((customer.w, customer.c), amount, customer.money)


def activate(case: Case, records: Records, customer: Customer, day: float) -> None:
    """A living customer on the first day, or on that of coming back."""
    _count_active(records, customer, day, 1.0)
    if case.newcomers:
        age = age_period(day - customer.start)
        records.age.add((customer.w, customer.half, ks.ACTIVE, 0, age), 1.0, customer.heads)


def close(case: Case, records: Records, customer: Customer, day: float, lost: bool) -> None:
    """Who is lost, or no longer followed, leaves; the rest are active in the last month."""
    if month_of(day) < case.periods:
        _count_active(records, customer, day, -1.0)
    if case.newcomers and lost:
        age = age_period(day - customer.start)
        records.age.add((customer.w, customer.half, ks.ACTIVE, 0, age), -1.0, customer.heads)


def _count_active(records: Records, customer: Customer, day: float, heads: float) -> None:
    month = month_of(day)
    records.calendar.add((customer.w, customer.half, ks.ACTIVE, 0, month), heads, customer.heads)
    records.cohort.add((customer.w, customer.cohort, ks.COHORT_ACTIVE, month), heads, customer.heads)
