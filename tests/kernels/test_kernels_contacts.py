"""Contact programmes: opting out, what is sent and what it costs, against the twin that posts week by week."""

import math
from typing import Any

import numpy as np
import pytest
from agreement import CLOSE, compare, compare_books, compare_events, table
from rooms import Moment, interpreted, moments
from twin import contacts as twin
from twin.books import Records
from twin.cases import MONTH, Case, random_case
from twin.life import simulate

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Listing

CONTACTS, PACE = interpreted("contacts"), interpreted("pace")
KINDS: dict[str, dict[str, Any]] = {
    "one programme": {"contacts": 1, "customers": 60},
    "two programmes": {"contacts": 2, "tables": True},
    "newcomers": {"contacts": 2, "newcomers": True, "tables": True},
    "newcomers, one programme": {"contacts": 1, "newcomers": True, "months": 5},
}
WITH_CONTRACTS = KINDS | {"contracts": {"contacts": 2, "opportunities": "sure", "law": "both", "newcomers": True}}


@pytest.mark.parametrize("kind", KINDS)
def test_opting_out(kind: str) -> None:
    """One threshold for all programmes, reached on the same day as week by week."""
    left = stayed = 0
    for moment in moments(random_case(100, **KINDS[kind])):
        listing = CONTACTS.enlist(moment.opened.programmes, moment.run, moment.path)
        assert listing.listed == twin.is_listed(moment.case, moment.customer)
        expected = twin.opt_out_day(moment.case, moment.customer)
        assert listing.leaves == pytest.approx(expected, rel=1e-12)
        assert listing.ahead == listing.leaves
        left, stayed = left + (expected < math.inf), stayed + (listing.listed and expected == math.inf)
        if not listing.listed:
            assert listing == CONTACTS.not_listed() == Listing(False, math.inf, math.inf)
    assert left > 5
    assert stayed > 0


@pytest.mark.parametrize("seed", range(3))
def test_day_of_a_threshold(seed: int) -> None:
    """The inverse of the cumulative hazard, with weeks in which nothing is sent; inf if it is not reached."""
    r = np.random.default_rng(seed)
    weekly = 0.1 * r.random(40) * (r.random(40) < 0.6)
    cumulative = np.concatenate([np.zeros(41), [0.0], np.cumsum(weekly)])  # of the second table
    row, starts = PACE.row_of(next(moments(random_case(0))).run, 0, 0), 7.0 * np.arange(41)
    row = row._replace(week=40, cumulative=41)
    for start, end in r.uniform(0, 140, (50, 2)) * np.array([1.0, 0.0]) + np.array([0.0, 279.0]):
        low, high = np.interp([start, end], starts, cumulative[41:])
        for share in (0.001, 0.3, 0.999, 1.001):
            day = CONTACTS.opt_out_day(start, end, share * (high - low), cumulative, row, 39)
            if share > 1:
                assert day == math.inf
                continue
            assert start <= day <= end
            assert np.interp(day, starts, cumulative[41:]) - low == pytest.approx(share * (high - low), abs=1e-12)
            assert np.interp(day - 1e-6, starts, cumulative[41:]) - low < share * (high - low)


def operational(case: Case, w: int, table: int, t: float) -> float:
    """∫₀ᵗ of a table's multiplier."""
    return float(np.clip(t - 7.0 * np.arange(case.weeks), 0.0, 7.0) @ case.rate[w, table])


@pytest.mark.parametrize("kind", KINDS)
def test_after_opting_out_other_tables_hold(kind: str) -> None:
    """What was left to the next order in operational time is left, and runs by the tables of those who have left."""
    for moment in moments(random_case(101, **KINDS[kind])):
        case, customer = moment.case, moment.customer
        day = 0.5 * (customer.start + customer.end)
        tables = customer.table, customer.table + case.rate.shape[1] // 2
        before, after = (operational(case, customer.w, table, day) for table in tables)
        life = moment.life._replace(
            now=moment.life.now._replace(t=day, due=before + 30.0),
            listing=Listing(True, day, day),
            row=PACE.row_of(moment.run, customer.w, customer.table),
        )
        now, listing, row = CONTACTS.at_opt_out(
            moment.opened.programmes, moment.run, moment.weeks, None, moment.path, life
        )
        assert now == life.now._replace(due=now.due)
        assert now.due == pytest.approx(after + 30.0, rel=1e-11)
        assert listing == Listing(True, day, math.inf)
        assert row == PACE.row_of(moment.run, customer.w, tables[1])


def test_opportunities_stay_on_their_days() -> None:
    moment = next(moments(random_case(102, contacts=2, tables=True, opportunities="sure")))
    life = moment.life._replace(listing=Listing(True, 20.0, 20.0))
    opened = moment.opened
    now, listing, row = CONTACTS.at_opt_out(opened.programmes, moment.run, moment.weeks, opened.rare, moment.path, life)
    assert now is life.now
    assert listing == Listing(True, 20.0, math.inf)
    assert row != life.row


@pytest.mark.parametrize("kind", WITH_CONTRACTS)
def test_cost_until_a_day(kind: str) -> None:
    """Whole weeks from the first; nothing more after the opt-out, and nothing for those who are not on the list."""
    paying = 0
    for moment in moments(random_case(103, **WITH_CONTRACTS[kind])):
        case, customer, listing = moment.case, moment.customer, moment.life.listing
        programmes, run, path = moment.opened.programmes, moment.run, moment.path
        for day in (moment.twin.day, customer.start, customer.end, customer.start + 1e-9):
            paid = CONTACTS.cost_paid(programmes, run, path, listing, day)
            expected = twin.paid_by(case, customer, moment.twin.leaves, day)
            np.testing.assert_allclose(paid, expected, **CLOSE)
            paying += paid > 0
        assert CONTACTS.cost_paid(None, run, path, listing, customer.end) == 0.0
        assert CONTACTS.cost_paid(programmes, run, path, CONTACTS.not_listed(), customer.end) == 0.0
    assert paying > 20


@pytest.mark.parametrize("known", ["the end", "some day"])
@pytest.mark.parametrize("kind", WITH_CONTRACTS)
def test_what_is_sent(kind: str, known: str) -> None:
    """Entries and exits of the list, opt-outs, cost, and contacts by month once they are multiplied by the schedule."""
    case = random_case(104, **WITH_CONTRACTS[kind])
    records, opened = Records(), None
    for moment in moments(case):
        opened, path, customer = moment.opened, moment.path, moment.customer
        records.value[path.w, path.c] = 0.0
        if not moment.life.listing.listed:
            continue
        day = customer.end if known == "the end" else moment.twin.day
        book, leaves = opened.ground.book, moment.twin.leaves
        CONTACTS.post_contacts(opened.programmes, moment.run, book, opened.rare, path, leaves, day)
        records.value[path.w, path.c] = -twin.write_until(case, records, customer, leaves, day)
    assert opened is not None
    compare_books(case, records, opened.out)
    compare_events(records, opened.trace)
    np.testing.assert_allclose(opened.out.value, table(records.value, opened.out.value.shape), **CLOSE)
    assert opened.trace.shape[0] > 2
    assert records.sent


def test_values_are_not_kept_where_nobody_asks() -> None:
    moment = next(m for m in moments(random_case(105, contacts=2)) if m.life.listing.listed)
    opened, run = moment.opened, moment.run._replace(valued=False)
    CONTACTS.post_contacts(opened.programmes, run, opened.ground.book, None, moment.path, math.inf, 100.0)
    assert not opened.out.value.any()


@pytest.mark.parametrize("week_in", [0, 3])
def test_weeks_of_own_age(week_in: int) -> None:
    """A month of age begins with the first week that starts in it, counted from the week of arrival."""
    for month in range(20):
        week = CONTACTS.age_week(month, week_in, 1 / MONTH)
        assert (week - 1 - week_in) * 7 < month * MONTH <= (week - week_in) * 7


def exits(moment: Moment, week_out: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the customer's row and arrival week, by month of age; and contacts that were posted."""
    out, path = moment.opened.out, moment.path
    for ledger in out:
        ledger[...] = 0
    CONTACTS.post_own_exit(moment.opened.programmes, moment.run, moment.opened.ground.book.age, path, week_out)
    assert out.age_exit.sum() == out.age_exit[path.w, path.half, path.week_in].sum()
    return out.age_exit[path.w, path.half, path.week_in], out.age[path.w, path.half, -2:]


def test_newcomers_leave_in_a_month_of_their_own_age() -> None:
    """Counted as 1 and as 1 / discount; contacts of the month that has begun are posted, those of full months not."""
    for moment in list(moments(random_case(106, contacts=2, newcomers=True, months=6)))[::5]:
        path, programme = moment.path, moment.case.contacts[:, moment.path.group]
        for week_out in (path.week_in, path.week_in + 1, path.week_in + 11, path.week_in + 30):
            left, sent = (cells[..., 1:] for cells in exits(moment, min(week_out, moment.case.weeks)))
            month = min(int(max(0, 7 * (min(week_out, moment.case.weeks) - path.week_in - 1)) / MONTH), 5)
            assert np.flatnonzero(left[0]).tolist() == [month]
            assert left[0, month] == round(path.head_unit)
            assert left[1, month] == pytest.approx(path.head_unit * path.undiscount, abs=1)
            first = path.week_in + math.ceil(month * MONTH / 7)
            expected = programme[:, first:week_out].sum(axis=1) * path.head_unit
            np.testing.assert_allclose(sent[:, 0, month], expected, atol=1)
            weekly = programme * moment.case.week_discount() * path.undiscount * path.head_unit
            np.testing.assert_allclose(sent[:, 1, month], weekly[:, first:week_out].sum(axis=1), atol=1)


@pytest.mark.parametrize("opportunities", ["sure", ""])
def test_only_contracts_are_seen_to_end(opportunities: str) -> None:
    """Messages go on after a loss that nobody sees."""
    case = random_case(107, contacts=2, opportunities=opportunities, law="both", customers=60)
    ledgers, trace, _ = case.run()
    lost = trace[trace[:, 2] == ks.TRACE_DEATH]
    assert lost.shape[0] > 10
    changes = np.flatnonzero(ledgers.exposure[0].sum(axis=0) < 0)
    assert (changes[0] < case.weeks - 2) or not opportunities
    assert np.flatnonzero(ledgers.exposure.sum(axis=(0, 1)) < 0).size > 5


@pytest.mark.parametrize("kind", WITH_CONTRACTS)
def test_lives_with_contacts(kind: str) -> None:
    case = random_case(108, **WITH_CONTRACTS[kind])
    compare(case, simulate(case), *case.run()[:2])


@pytest.mark.parametrize("kind", WITH_CONTRACTS)
def test_discounts_of_an_opt_out(kind: str) -> None:
    """On the day of opting out: to today on the calendar, to the own first order by age."""
    case = random_case(109, **WITH_CONTRACTS[kind])
    moment = next(iter(moments(case)))
    path, out, day = moment.path, moment.opened.out, moment.path.start + 40.0
    CONTACTS.post_opt_out(moment.run, moment.opened.ground.book, moment.opened.rare, path, day)
    for ledger, month, age in ((out.calendar, int(day / MONTH), day), (out.age, 2, 40.0)):
        cells = ledger[path.w, path.half, ks.OPTED_OUT]
        if ledger is out.age and not case.newcomers:
            assert not ledger.any()
            continue
        assert cells[0, month] == round(path.head_unit)
        assert cells[1, month] == pytest.approx(path.head_unit * 1.1 ** (-age / 365.25), abs=1)
    assert moment.opened.trace[0, 2:4].tolist() == [ks.TRACE_OPT_OUT, day]
