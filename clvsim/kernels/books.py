"""Ledgers: one call posts to the calendar and by own age."""

import math

import numpy as np

from clvsim.kernels.pace import week_of
from clvsim.kernels.state import Place
from clvsim.kernels.structs import ACQUIRED, ACTIVE, COHORT_ACTIVE, COHORT_REVENUE
from clvsim.kernels.variates import inline


@inline
def units(amount, unit):
    """Ledger units, rounded half up."""
    return np.int64(math.floor(amount * unit + 0.5))


@inline
def add(ledger, at, amount):
    """An unsigned index spares the test for indices counted from the end."""
    ledger[np.uint64(at)] += amount


@inline
def post(ledger, cell, gap, amount, discount):
    """Add ledger units >= 0 to a cell, and discounted to the cell `gap` further on."""
    add(ledger, cell, np.int64(amount + 0.5))
    add(ledger, cell + gap, np.int64(amount * discount + 0.5))


@inline
def post_age(run, book, place, line, amount):
    if run.arriving:
        post(book.age, place.age + 2 * line * run.ages, run.ages, amount, place.own_discount)


@inline
def post_both(run, book, place, line, amount, unit):
    """An amount >= 0 on a line, at a moment: on the calendar, and by own age where there are newcomers."""
    post(book.calendar, place.calendar + 2 * line * run.periods, run.periods, amount * unit, place.discount)
    post_age(run, book, place, line, amount * unit)


@inline
def count(run, book, path, place, line):
    post_both(run, book, place, line, 1.0, path.head_unit)


@inline
def month_of_life(run, path, t):
    """Period of the ledger by own age: 0 at the first order, then months.

    Monthly renewals fall on the very first moment of a month, which the rounding of t - start must not miss.
    """
    if not run.arriving or t == path.start:
        return 0
    return min(int((t - path.start) * run.per_day + 1e-9) + 1, run.ages - 1)


@inline
def place_of(run, path, t):
    """Where day t stands."""
    period = min(int(t * run.per_day), run.periods - 1)
    discount = path.discount if t == path.start else math.exp(-run.delta * t)
    return Place(
        week_of(t, run.last_week),
        path.calendar + period,
        path.age + month_of_life(run, path, t),
        path.by_cohort + period,
        discount,
        discount * path.undiscount,
    )


@inline
def post_cohort(run, book, place, line, amount):
    """Ledger units on a line of the cohort."""
    add(book.cohort, place.cohort + line * run.periods, amount)


@inline
def post_revenue(run, book, path, place, amount):
    """Ledger units of revenue of the cohort, and of the customer where single ones are wanted."""
    post_cohort(run, book, place, COHORT_REVENUE, amount)
    if run.valued:
        add(book.revenue, path.w * run.customers + path.c, amount)


@inline
def earn(run, book, path, place, line, amount):
    """Revenue >= 0 on a line, of the cohort and of the customer."""
    post_both(run, book, place, line, amount, path.money_unit)
    post_revenue(run, book, path, place, np.int64(amount * path.money_unit + 0.5))


@inline
def acquire(run, book, path, place):
    """Count a newcomer on the day of the first order, from which the own discount is exactly 1."""
    if not run.arriving:
        return
    post(book.calendar, place.calendar + 2 * ACQUIRED * run.periods, run.periods, path.head_unit, place.discount)
    post(book.age, place.age + 2 * ACQUIRED * run.ages, run.ages, path.head_unit, 1.0)


@inline
def activate_age(run, book, path, t, heads):
    if run.arriving:
        add(book.age, path.age + month_of_life(run, path, t) + 2 * ACTIVE * run.ages, heads)


@inline
def activate(run, book, path, t, heads):
    """Enter (+) or leave (-) the active customers of the calendar and of the cohort, on day t."""
    period = min(int(t * run.per_day), run.periods - 1)
    add(book.calendar, path.calendar + 2 * ACTIVE * run.periods + period, heads)
    add(book.cohort, path.by_cohort + COHORT_ACTIVE * run.periods + period, heads)


@inline
def close(run, book, path, t, alive):
    """Whoever lives at the end of a ledger is active in its last period; by own age the window is all."""
    head = units(1.0, path.head_unit)
    if not alive or path.end < run.stop:
        activate(run, book, path, t, -head)
    if not alive:
        activate_age(run, book, path, t, -head)
