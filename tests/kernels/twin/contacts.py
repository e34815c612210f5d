"""Contact programmes: until when a customer is on the list, what is sent, and what it costs."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from twin.books import Records, count, discount, record
from twin.cases import MONTH, Case
from twin.state import Customer


def is_listed(case: Case, customer: Customer) -> bool:
    return case.contacts.shape[0] > 0 and bool(case.exposed[customer.group])


def opt_out_day(case: Case, customer: Customer) -> float:
    """inf for who stays on the list until the end, or was never on it."""
    if not is_listed(case, customer):
        return math.inf
    left, day = customer.draws.exponential(rng.OPT_OUT, 0), customer.start
    while day < customer.end:
        week = int(day // 7)
        stop = min(7.0 * (week + 1), customer.end)
        hazard = case.opt_out[customer.w, customer.table, week] * (stop - day) / 7
        if hazard >= left:
            return day + (stop - day) * left / hazard
        left -= hazard
        day = stop
    return math.inf


def weekly_cost(case: Case, customer: Customer) -> np.ndarray:
    """Of all programmes, discounted to today, (weeks,)."""
    return np.tensordot(case.contact_price, case.contacts[:, customer.group], 1) * case.week_discount()


def paid_by(case: Case, customer: Customer, leaves: float, day: float) -> float:
    """Cost of a customer's contacts until a day, discounted to the start of the life."""
    if not is_listed(case, customer):
        return 0.0
    until = math.ceil(min(day, leaves) / 7)
    return weekly_cost(case, customer)[customer.week_in : until].sum() / discount(case, customer.start)


def write_until(case: Case, records: Records, customer: Customer, leaves: float, known: float) -> float:
    """Post what a customer is sent until day `known`, or until the opt-out; returns its discounted cost."""
    last = math.ceil(min(leaves, known) / 7)
    row = 2 * customer.cohort + customer.half % 2
    records.exposure.add((customer.w, row, customer.week_in), 1.0, customer.heads)
    records.exposure.add((customer.w, row, last), -1.0, customer.heads)
    for week in range(customer.week_in, last):
        post_week(case, records, customer, week)
    if leaves < known:
        count(case, records, customer, ks.OPTED_OUT, leaves)
        record(records, customer, ks.TRACE_OPT_OUT, leaves)
    return weekly_cost(case, customer)[customer.week_in : last].sum()


def post_week(case: Case, records: Records, customer: Customer, week: int) -> None:
    """Contacts of one week, which count in the month of its middle; own ages are counted from the week of arrival."""
    month = min(int((7 * week + 3.5) / MONTH), case.periods - 1)
    age = max(m for m in range(case.months) if customer.week_in + math.ceil(m * MONTH / 7) <= week)
    factor = case.week_discount()[week]
    for p in range(case.contacts.shape[0]):
        sent, where = customer.weight * case.contacts[p, customer.group, week], (customer.w, customer.half, p)
        records.sent["calendar", *where, 0, month] += sent
        records.sent["calendar", *where, 1, month] += sent * factor
        if case.newcomers:
            records.sent["age", *where, 0, age] += sent
            records.sent["age", *where, 1, age] += sent * factor / discount(case, customer.start)
