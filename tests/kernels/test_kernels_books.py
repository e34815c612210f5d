"""Ledgers: cells of posts against those of the twin, and rounding."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare_books
from rooms import Moment, interpreted, moments
from twin import books as twin
from twin.books import Records
from twin.cases import MONTH, Case, random_case

from clvsim.kernels import structs as ks

BOOKS = interpreted("books")
KINDS: dict[str, dict[str, Any]] = {
    "existing": {"months": 7},
    "newcomers": {"newcomers": True, "months": 7},
    "contacts": {"contacts": 2, "offers": 1, "newcomers": True, "months": 7},
}


def posted(kind: str, seed: int) -> tuple[Case, list[Moment], Records]:
    case = random_case(seed, **KINDS[kind])
    return case, list(moments(case)), Records()


@pytest.mark.parametrize(("amount", "expected"), [(0.24, 0), (0.25, 1), (0.75, 2), (-0.25, 0), (-0.26, -1), (3.0, 6)])
def test_units_are_rounded_half_up(amount: float, expected: int) -> None:
    assert BOOKS.units(amount, 2.0) == expected


def test_a_post_and_its_discounted_twin() -> None:
    """In the cell, and `gap` cells on; each is rounded, and added to what was there."""
    ledger = np.arange(10)
    BOOKS.post(ledger, 2, 3, 100.6, 0.5)
    np.testing.assert_array_equal(ledger - np.arange(10), [0, 0, 101, 0, 0, 50, 0, 0, 0, 0])
    BOOKS.add(ledger, 0, -4)
    assert ledger[0] == -4


@pytest.mark.parametrize("kind", KINDS)
def test_posts_of_both_ledgers(kind: str) -> None:
    """Money and heads of all lines at random days, and those of a cohort."""
    case, customers, records = posted(kind, 40)
    r = np.random.default_rng(40)
    for moment in customers:
        opened, customer, path, place = moment.opened, moment.customer, moment.path, moment.place()
        run, book, day = moment.run, opened.ground.book, moment.twin.day
        line, amount = int(r.integers(case.lines - case.contacts.shape[0])), float(r.uniform(0, 200))
        BOOKS.post_both(run, book, place, line, amount, path.money_unit)
        twin.post(case, records, customer, line, day, amount, customer.money)
        BOOKS.count(run, book, path, place, ks.ORDERS)
        twin.count(case, records, customer, ks.ORDERS, day)
        BOOKS.post_age(run, book, place, ks.REPAID, path.head_unit)
        twin.post_age(case, records, customer, ks.REPAID, day, 1.0, customer.heads)
        BOOKS.post_cohort(run, book, place, ks.COHORT_CONTRIBUTION, BOOKS.units(-amount, path.money_unit))
        twin.post_cohort(records, customer, ks.COHORT_CONTRIBUTION, day, -amount)
        BOOKS.earn(run, book, path, place, ks.REVENUE, amount)
        twin.post(case, records, customer, ks.REVENUE, day, amount, customer.money)
        twin.post_revenue(records, customer, day, amount)
    compare_books(replace(case, contacts=case.contacts[:0]), records, customers[0].opened.out)


@pytest.mark.parametrize("kind", KINDS)
def test_where_a_day_stands(kind: str) -> None:
    """Discounts of the very first day are exactly those of the path."""
    case, customers, _ = posted(kind, 41)
    for moment in customers:
        place, day = moment.place(), moment.twin.day
        assert place.week == int(day // 7)
        assert place.discount == pytest.approx(twin.discount(case, day), rel=1e-12)
        assert place.own_discount == pytest.approx(twin.discount(case, day - moment.customer.start), rel=1e-12)
        first = BOOKS.place_of(moment.run, moment.path, moment.path.start)
        assert first.discount == moment.path.discount
        assert first.own_discount == moment.path.discount * moment.path.undiscount
        late = BOOKS.place_of(moment.run, moment.path, 7.0 * case.weeks + 9)
        assert late.week == case.weeks - 1
        assert late.calendar == moment.path.calendar + case.periods - 1
        assert late.cohort == moment.path.by_cohort + case.periods - 1


def test_a_month_of_life_begins_on_its_first_moment() -> None:
    """Which rounding must not put into the month before; whoever outlives the window is in its last month.

    The first order stands before all months.
    """
    case, customers, _ = posted("newcomers", 42)
    for moment in customers:
        assert BOOKS.month_of_life(moment.run, moment.path, moment.path.start) == 0
        for month in range(case.months):
            begins = moment.path.start + month * MONTH + 1e-9 * (month == 0)
            assert BOOKS.month_of_life(moment.run, moment.path, begins) == month + 1
            assert BOOKS.month_of_life(moment.run, moment.path, begins + 0.999 * MONTH) == month + 1
        assert BOOKS.month_of_life(moment.run, moment.path, 1e5) == case.months
    _, customers, _ = posted("existing", 42)
    assert BOOKS.month_of_life(customers[0].run, customers[0].path, 100.0) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_newcomers_are_counted_on_their_first_day(kind: str) -> None:
    case, customers, records = posted(kind, 43)
    for moment in customers:
        place = BOOKS.place_of(moment.run, moment.path, moment.path.start)
        BOOKS.acquire(moment.run, moment.opened.ground.book, moment.path, place)
        if case.newcomers:
            twin.count(case, records, moment.customer, ks.ACQUIRED, moment.customer.start)
    compare_books(replace(case, contacts=case.contacts[:0]), records, customers[0].opened.out)
    age = customers[0].opened.out.age[:, :, ks.ACQUIRED]
    np.testing.assert_array_equal(age[:, :, 0], age[:, :, 1])
    assert age.any() == case.newcomers


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_active_customers(kind: str, lost: bool) -> None:
    """They enter on the first day and leave when they are lost, or when they are followed no further."""
    case, customers, records = posted(kind, 44)
    ended = 0
    for moment in customers:
        run, book, path = moment.run, moment.opened.ground.book, moment.path
        heads = BOOKS.units(1.0, path.head_unit)
        BOOKS.activate(run, book, path, path.start, heads)
        BOOKS.activate_age(run, book, path, path.start, heads)
        twin.activate(case, records, moment.customer, path.start)
        day = moment.twin.day if lost else path.end
        ended += path.end < run.stop
        BOOKS.close(run, book, path, day, not lost)
        twin.close(case, records, moment.customer, day, lost)
    compare_books(replace(case, contacts=case.contacts[:0]), records, customers[0].opened.out)
    active = customers[0].opened.out.calendar[:, :, ks.ACTIVE, 0].sum(axis=-1)
    assert (ended > 0) == case.newcomers
    if lost:
        assert not active.any()
    elif not case.newcomers:
        assert active.sum() == len(customers) * ks.COUNT_UNIT


def test_days_beyond_the_ledger_fall_into_its_last_period() -> None:
    case, customers, _ = posted("existing", 45)
    moment = customers[0]
    BOOKS.activate(moment.run, moment.opened.ground.book, moment.path, case.periods * MONTH + 1.0, 1)
    out = moment.opened.out
    assert out.calendar[moment.path.w, moment.path.half, ks.ACTIVE, 0, -1] == 1
    assert out.cohort[moment.path.w, moment.path.cohort, ks.COHORT_ACTIVE, -1] == 1
    assert math.isclose(out.calendar.sum(), 1)


def test_one_ledger_cell_worked_out() -> None:
    """Revenue of 96 on day 40 at 10 % a year, in the second period: 96 × 2²⁴ / 32 units, and × 1.1^(-40/365.25)."""
    _, customers, _ = posted("existing", 46)
    moment = customers[0]
    place = BOOKS.place_of(moment.run, moment.path, 40.0)
    BOOKS.earn(moment.run, moment.opened.ground.book, moment.path, place, ks.REVENUE, 96.0)
    plain, discounted = moment.opened.out.calendar[moment.path.w, moment.path.half, ks.REVENUE, :, 1]
    assert plain == 96 * 2**19
    assert discounted == math.floor(96 * 2**19 * 1.1 ** (-40 / 365.25) + 0.5)
    assert moment.opened.out.cohort[moment.path.w, moment.path.cohort, ks.COHORT_REVENUE, 1] == plain
    assert moment.opened.out.revenue[moment.path.w, moment.path.c] == plain
