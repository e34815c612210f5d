"""Campaigns: days of each occasion, worked out by hand, and what they cost for those who have gone."""

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rooms import interpreted
from twin.cases import Case, random_case
from twin.kinds import KINDS
from twin.life import simulate

from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal

CAMPAIGNS = interpreted("campaigns")
FAR = np.inf


def with_campaign(case: Case, occasion: int, days: list[float], **terms: Any) -> Case:
    """One campaign to everybody, which nobody takes unless told otherwise."""
    shape = (case.worlds.size, 1)
    given = {
        "take": 0.0,
        "price": 10.0,
        "contact_cost": 2.0,
        "refund": 0.0,
        "cannibalised": 0.0,
        "accept_rate": 1.0,
    } | terms
    offers = case.offers._replace(
        occasion=seal(np.array([occasion]), np.int64),
        days=seal(np.array([days])),
        on_order=seal(np.zeros((1, 64)), np.bool_),
        active=seal(np.ones_like(case.offers.active), np.bool_),
        **{name: seal(np.full(shape, float(value))) for name, value in given.items()},
    )
    return replace(case, offers=offers)


def days_of(case: Case) -> dict[tuple[int, int], list[float]]:
    """Days of the campaigns of each customer in each world, from the compiled loop."""
    _, trace, _ = case.run()
    out: dict[tuple[int, int], list[float]] = {
        (w, c): [] for w in range(case.worlds.size) for c in range(case.people.key.size)
    }
    for w, c, _, day in trace[trace[:, 2] == ks.TRACE_CAMPAIGN][:, :4]:
        out[int(w), int(c)].append(day)
    return out


def a_case(**kind: Any) -> Case:
    return random_case(9, **({"offers": 1, "customers": 40, "months": 30} | kind))


def test_dates_reach_everybody_alive_or_not() -> None:
    case = with_campaign(a_case(), ks.ON_DATES, [3.5, 100.5, 5000.5])
    assert set(map(tuple, days_of(case).values())) == {(3.5, 100.5)}
    ledgers, trace, _ = case.run()
    alive = {(w, c) for w, c in trace[trace[:, 2] == ks.TRACE_ORDER][:, :2]}
    assert len(alive) < 0.9 * 3 * 40  # so that many of those written to are gone
    np.testing.assert_allclose(
        ledgers.calendar[:, :, ks.BASE_LINES + ks.SHOWN, 0].sum(), 2 * 3 * 40 * ks.COUNT_UNIT, rtol=1e-12
    )


def test_newcomers_are_written_to_after_they_came() -> None:
    case = with_campaign(a_case(newcomers=True), ks.ON_DATES, [3.5, 20.5, 60.5, 700.5])
    _, trace, _ = case.run()
    first: dict[tuple[int, int], float] = {}
    for w, c, kind, day in trace[:, :4]:
        if kind == ks.TRACE_ORDER:
            first.setdefault((int(w), int(c)), day)
    for who, days in days_of(case).items():
        if who in first:
            end = first[who] + 30 * 365.25 / 12
            assert days == [d for d in (3.5, 20.5, 60.5, 700.5) if first[who] < d < end]


def test_birthdays_are_spread_over_the_year_and_come_every_year() -> None:
    case = with_campaign(a_case(customers=400, months=24), ks.BIRTHDAY, [0.0, FAR, 0.0, FAR])
    days = list(days_of(case).values())
    assert {len(d) for d in days} == {2}
    np.testing.assert_allclose([second - first for first, second in days], 365.25, atol=1e-9)
    share = np.array([first for first, _ in days]) / 365.25
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(1 / 12 / share.size)
    np.testing.assert_allclose(
        np.histogram(share, 4, (0, 1))[0] / share.size, 0.25, atol=4 * np.sqrt(0.1875 / share.size)
    )


def test_anniversaries_of_the_first_order() -> None:
    case = with_campaign(a_case(months=12), ks.ANNIVERSARY, [0.0, FAR, 0.0, FAR])
    for (_, c), days in days_of(case).items():
        expected = case.people.first_order[c] + 365.25 * np.arange(1, 10)
        np.testing.assert_allclose(days, expected[(expected > 0) & (expected < 365.25)])


@pytest.mark.parametrize("between", [(0.0, FAR), (90.0, 200.0)])
def test_silence_is_answered_once(between: tuple[float, float]) -> None:
    """On the 60th day after an order, for those silent for longer when the campaign begins; never twice in a row."""
    case = with_campaign(a_case(), ks.SILENCE, [*between, 60.0, FAR])
    _, trace, _ = case.run()
    orders: dict[tuple[int, int], list[float]] = {}
    for w, c, kind, day in trace[:, :4]:
        if kind == ks.TRACE_ORDER:
            orders.setdefault((int(w), int(c)), []).append(day)
    seen = 0
    for (w, c), days in days_of(case).items():
        expected = []
        own = [case.people.last_order[c], *orders.get((w, c), []), FAR]
        for last, after in itertools.pairwise(own):
            day = max(last + 60.0, between[0])
            if day < min(after, between[1], 30 * 365.25 / 12):
                expected.append(day)
        np.testing.assert_allclose(days, expected)
        seen += len(days)
    assert seen > 60


def test_who_has_been_silent_for_too_long_is_left_alone() -> None:
    case = with_campaign(a_case(), ks.SILENCE, [0.0, FAR, 60.0, 200.0])
    for (_, c), days in days_of(case).items():
        if case.people.last_order[c] < -200.0 and days:
            assert days[0] > 60.0  # only after another order
    assert any(case.people.last_order < -200.0)


def test_a_campaign_nobody_takes_leaves_every_other_event() -> None:
    case = a_case()
    silent = with_campaign(case, ks.SILENCE, [0.0, FAR, 45.0, FAR])
    none = replace(case, offers=random_case(9, customers=40, months=30).offers)
    trace, bare = silent.run()[1], none.run()[1]
    np.testing.assert_array_equal(trace[trace[:, 2] != ks.TRACE_CAMPAIGN], bare)


def test_faster_from_the_campaign_on() -> None:
    """A rate three times as high takes a third of what was left of the gap."""
    case = with_campaign(a_case(), ks.ON_DATES, [50.5], take=1.0, accept_rate=3.0)
    plain = with_campaign(a_case(), ks.ON_DATES, [50.5])
    after, before = (c.run()[1] for c in (case, plain))

    def next_orders(trace: np.ndarray) -> dict[tuple[int, int], float]:
        rows = trace[(trace[:, 2] == ks.TRACE_ORDER) & (trace[:, 3] > 50.5)]
        out: dict[tuple[int, int], float] = {}
        for w, c, _, day in rows[:, :4]:
            out.setdefault((int(w), int(c)), day)
        return out

    faster, usual = next_orders(after), next_orders(before)
    assert len(usual) > 30
    for who, day in usual.items():
        np.testing.assert_allclose(faster[who] - 50.5, (day - 50.5) / 3.0, rtol=1e-9)


def test_all_occasions_are_exercised_by_the_random_cases() -> None:
    for kind in ("campaigns", "campaigns, everything"):
        case = random_case(0, **KINDS[kind])
        events = Counter(event[2] for event in simulate(case).events)
        assert events[ks.TRACE_CAMPAIGN] > 30
        shown = case.run()[0].calendar.sum(axis=(0, 1))[:, 0].sum(axis=1)
        for offer in range(1, 5):
            assert shown[ks.BASE_LINES + ks.OFFER_LINES * offer + ks.SHOWN] > 0, (kind, case.offers.occasion)


def test_a_day_that_returns_is_never_today_again() -> None:
    """Rounding must not stop the clock on a day that was asked for already."""
    r = np.random.default_rng(3)
    for anchor in r.uniform(-4000, 365, 200):
        day = 0.0
        for _ in range(20):
            later = CAMPAIGNS.next_year(anchor, day, 0.0, FAR)
            assert day < later <= day + 365.25 + 1e-6
            day = later
