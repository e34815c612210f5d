"""Lives that start again, or go on: days, coupons, traits and budgets, by their definitions."""

import itertools
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rooms import Opened, interpreted
from twin.cases import Case, random_case
from twin.draws import Draws
from twin.kinds import KINDS
from twin.traits import law_of, traits_of

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Listing
from clvsim.kernels.structs import seal

AGAIN = interpreted("again")
SILENT, WITHIN, END = 40.0, 25.0, 30 * 365.25 / 12


def with_offer(case: Case, occasion: int, **terms: float) -> Case:
    """One win-back or next product for everybody."""
    neutral = {"take": 0.0, "cost": 3.0, "contact_cost": 2.0, "accept_rate": 1.0, "living": 0.0, "redeemed": 0.0}
    given = {**neutral, "size": 1.0, **terms}
    offers = case.offers._replace(
        occasion=seal(np.array([occasion]), np.int64),
        days=seal(np.array([[0.0, np.inf, SILENT, np.inf, WITHIN]])),
        on_order=seal(np.zeros((1, 64)), np.bool_),
        active=seal(np.ones_like(case.offers.active), np.bool_),
        **{name: seal(np.full((case.worlds.size, 1), value)) for name, value in given.items()},
    )
    return replace(case, offers=offers)


def a_case(**kind: Any) -> Case:
    return random_case(21, **({"offers": 1, "customers": 60, "months": 30} | kind))


def lives(trace: np.ndarray) -> dict[tuple[int, int], list[tuple[int, float]]]:
    """Kind and day of all events of each customer in each world."""
    out: dict[tuple[int, int], list[tuple[int, float]]] = defaultdict(list)
    for w, c, kind, day, *_ in trace:
        out[int(w), int(c)].append((int(kind), day))
    return out


def of_kind(events: list[tuple[int, float]], kind: int) -> list[float]:
    return [day for k, day in events if k == kind]


@pytest.mark.parametrize("kind", ["order", "time"])
def test_all_who_are_lost_come_back_within_the_time(kind: str) -> None:
    """Written to on the day of the silence, the gone and the dead alike; an order on the day of coming back."""
    ledgers, trace, _ = with_offer(a_case(law=kind), ks.WIN_BACK, take=1.0).run()
    seen = gone = 0
    for events in lives(trace).values():
        written, back = of_kind(events, ks.TRACE_CAMPAIGN), of_kind(events, ks.TRACE_RETURNED)
        orders = np.array(of_kind(events, ks.TRACE_ORDER))
        gone += bool(of_kind(events, ks.TRACE_GONE))
        for day in back:
            assert any(day - WITHIN <= asked <= day for asked in written)
            assert np.abs(orders - day).min() < 1e-9
            seen += 1
        ended = sum(k in (ks.TRACE_GONE, ks.TRACE_DEATH) for k, _ in events)
        assert len(back) <= ended <= len(back) + 1
        if ended > len(back):
            # who stays away was written to before leaving, or too late to come back
            lost = max(day for k, day in events if k in (ks.TRACE_GONE, ks.TRACE_DEATH))
            assert all(asked + WITHIN >= END for asked in written if asked >= lost)
    assert seen > 100
    assert gone > 20
    won = ledgers.calendar[:, :, ks.BASE_LINES + ks.WON_BACK, 0].sum() / ks.COUNT_UNIT
    np.testing.assert_allclose(won, seen)


def test_how_long_an_answer_takes_is_even() -> None:
    _, trace, _ = with_offer(a_case(customers=300), ks.WIN_BACK, take=1.0).run()
    took = []
    for events in lives(trace).values():
        asked = np.array(of_kind(events, ks.TRACE_CAMPAIGN))
        took += [day - asked[asked <= day].max() for day in of_kind(events, ks.TRACE_RETURNED)]
    share = np.array(took) / WITHIN
    assert len(took) > 500
    assert abs(share.mean() - 0.5) < 4 * np.sqrt(1 / 12 / share.size)
    counts = np.histogram(share, 4, (0, 1))[0] / share.size
    np.testing.assert_allclose(counts, 0.25, atol=4 * np.sqrt(0.1875 / share.size))


def test_nobody_comes_back_where_nobody_answers() -> None:
    """What is sent costs; every other event is as without it."""
    case = a_case()
    none = replace(case, offers=random_case(21, customers=60, months=30).offers)
    (ledgers, trace, _), (_, bare, _) = with_offer(case, ks.WIN_BACK).run(), none.run()
    np.testing.assert_array_equal(trace[trace[:, 2] != ks.TRACE_CAMPAIGN], bare)
    assert not ledgers.calendar[:, :, ks.BASE_LINES + ks.WON_BACK].any()


def test_a_coupon_is_used_once_and_in_time() -> None:
    """With all customers using it, on the first order within the time of a message and on no other."""
    case = with_offer(a_case(), ks.WIN_BACK, redeemed=1.0)
    ledgers, trace, _ = case.run()
    used = 0
    for events in lives(trace).values():
        orders, expected = np.array(of_kind(events, ks.TRACE_ORDER)), set()
        for asked in of_kind(events, ks.TRACE_CAMPAIGN):
            later = orders[orders > asked]
            if later.size and later[0] <= asked + WITHIN:
                expected.add(round(later[0], 9))
        assert {round(day, 9) for day in of_kind(events, ks.TRACE_TAKEN)} == expected
        used += len(expected)
    assert used > 50
    taken = ledgers.calendar[:, :, ks.BASE_LINES + ks.TAKEN, 0].sum() / ks.COUNT_UNIT
    np.testing.assert_allclose(taken, used)
    free = with_offer(a_case(), ks.WIN_BACK, redeemed=1.0, cost=0.0).run()[0]
    np.testing.assert_allclose(
        (free.cohort - ledgers.cohort)[:, :, ks.COHORT_CONTRIBUTION].sum(), 3.0 * used * case_unit(case)
    )


def case_unit(case: Case) -> float:
    return ks.COUNT_UNIT / case.money_scale


def test_half_of_the_coupons() -> None:
    used = [
        (with_offer(a_case(customers=300), ks.WIN_BACK, redeemed=share).run()[1][:, 2] == ks.TRACE_TAKEN).sum()
        for share in (0.5, 1.0)
    ]
    assert used[1] > 400
    assert abs(used[0] / used[1] - 0.5) < 4 * np.sqrt(0.25 / used[1])


def test_who_is_there_orders_in_time() -> None:
    """All the living answer: none of them is silent for longer than the wait and the time together."""
    _, trace, _ = with_offer(a_case(law="time"), ks.WIN_BACK, living=1.0).run()
    sooner = 0
    for events in lives(trace).values():
        orders, death = of_kind(events, ks.TRACE_ORDER), of_kind(events, ks.TRACE_DEATH)
        for before, after in itertools.pairwise([*orders, *(death or [END])]):
            assert after - before <= SILENT + WITHIN + 1e-6
            sooner += after - before > SILENT
    assert sooner > 50


def test_a_second_life_has_the_same_traits_and_another_budget() -> None:
    """With one death at a rate of its own and no silence: hazards of both lives are exponential and not alike."""
    case = with_offer(a_case(law="time", customers=400), ks.WIN_BACK, take=1.0)
    _, trace, _ = case.run()
    first, second = [], []
    for (w, c), events in lives(trace).items():
        deaths, back = of_kind(events, ks.TRACE_DEATH), of_kind(events, ks.TRACE_RETURNED)
        if of_kind(events, ks.TRACE_GONE) or len(deaths) < 2 or not back:
            continue
        draws = traits_for(case, w, c, lost=False)
        first.append(draws.mu * deaths[0])
        second.append(draws.mu * (deaths[1] - back[0]))
    assert len(first) > 60
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(len(first))


def traits_for(case: Case, w: int, c: int, *, lost: bool) -> Any:
    draws = Draws(case.people.key[c], case.worlds[w])
    return traits_of(law_of(case.laws, int(case.people.column[c]), draws, lost), case.at_intervals, draws)


def test_who_had_left_has_the_traits_of_the_lost() -> None:
    """Their components stand behind: with a rate a thousandth of the others' nobody who comes back orders twice."""
    case = with_offer(a_case(components=3, lost=2), ks.WIN_BACK, take=1.0)
    shape = case.laws.rate_rate.reshape(-1, 3).copy()
    shape[:, 1:] *= 1e6
    slow = replace(case, laws=case.laws._replace(rate_rate=seal(shape.reshape(1, -1))))
    for of, most in ((slow, 1), (case, np.inf)):
        gone = [events for events in lives(of.run()[1]).values() if of_kind(events, ks.TRACE_GONE)]
        ordered = [len(of_kind(events, ks.TRACE_ORDER)) - len(of_kind(events, ks.TRACE_RETURNED)) for events in gone]
        assert sum(len(of_kind(events, ks.TRACE_RETURNED)) for events in gone) > 20
        assert (max(ordered) == 0) == (most == 1)


def test_who_opted_out_while_away_stays_out() -> None:
    for leaves, expected in ((50.0, (np.inf, True)), (70.0, (70.0, False))):
        listing = Listing(True, leaves, leaves)
        got, gone = AGAIN.listing_on(listing, 60.0)
        assert (got.ahead, gone) == expected
        assert (got.listed, got.leaves) == (True, leaves)
    got, gone = AGAIN.listing_on(Listing(False, np.inf, np.inf), 60.0)
    assert (got.ahead, gone) == (np.inf, False)


@pytest.mark.parametrize("kind", ["order", "time"])
def test_nobody_leaves_before_the_next_product_is_taken(kind: str) -> None:
    """All would take it: each who leaves has gone over to it before, and orders at its rate and its prices."""
    case = a_case(law=kind)
    ledgers, trace, _ = with_offer(case, ks.OUTGROWN, take=1.0, accept_rate=2.0, size=3.0).run()
    plain = with_offer(case, ks.OUTGROWN).run()[1]
    usual = {(w, c, round(day, 9)): amount for w, c, k, day, amount, _ in plain if k == ks.TRACE_ORDER}
    moved = 0
    for (w, c), events in lives(trace).items():
        deaths, over = of_kind(events, ks.TRACE_DEATH), of_kind(events, ks.TRACE_MOVED)
        assert len(over) <= 1
        assert not deaths or (over and over[0] <= deaths[0])
        moved += len(over)
        before = of_kind(lives(plain)[w, c], ks.TRACE_DEATH) if over else []
        assert not over or abs(before[0] - over[0]) < 1e-9
    assert moved > 50
    shown, taken = (
        ledgers.calendar[:, :, ks.BASE_LINES + line, 0].sum() / ks.COUNT_UNIT for line in (ks.SHOWN, ks.TAKEN)
    )
    np.testing.assert_allclose([shown, taken], moved)
    ahead = {w: {} for w in range(3)}
    for w, c, k, day, *_ in trace:
        if k == ks.TRACE_MOVED:
            ahead[int(w)][int(c)] = day
    for w, c, k, day, amount, _ in trace:
        if k == ks.TRACE_ORDER and day <= ahead[int(w)].get(int(c), np.inf):
            assert amount == pytest.approx(usual[w, c, round(day, 9)], rel=1e-12)


@pytest.mark.parametrize("opportunities", ["sure", "chance"])
def test_who_goes_over_at_an_opportunity_is_not_lost_at_it_again(opportunities: str) -> None:
    """The hazard that ended the first life is not charged to the next one; a contract pays on that day."""
    case = a_case(opportunities=opportunities, customers=200)
    _, trace, _ = with_offer(case, ks.OUTGROWN, take=1.0).run()
    moved = paid = 0
    for events in lives(trace).values():
        for day in of_kind(events, ks.TRACE_MOVED):
            same_day = [kind for kind, when in events if when == day]
            assert ks.TRACE_DEATH not in same_day
            moved += 1
            paid += ks.TRACE_ORDER in same_day
    assert moved > 100
    assert (paid == moved) == (opportunities == "sure")


def test_the_next_product_multiplies_amounts() -> None:
    """An order amount is its own draw; three times as much after going over, exactly."""
    case = a_case(law="time")
    one, three = (with_offer(case, ks.OUTGROWN, take=1.0, size=size).run()[1] for size in (1.0, 3.0))
    np.testing.assert_array_equal(one[:, :4], three[:, :4])
    moved = {(w, c): day for w, c, k, day, *_ in one if k == ks.TRACE_MOVED}
    orders = one[:, 2] == ks.TRACE_ORDER
    after = np.array([day > moved.get((w, c), np.inf) for w, c, _, day, *_ in one[orders]])
    np.testing.assert_allclose(three[orders, 4], one[orders, 4] * np.where(after, 3.0, 1.0), rtol=1e-12)
    assert after.sum() > 50


def test_what_is_left_of_the_gap_goes_by_the_new_rate() -> None:
    """A death between two orders: twice the rate takes half of what was left."""
    case = a_case(law="time")
    one, two = (with_offer(case, ks.OUTGROWN, take=1.0, accept_rate=rate).run()[1] for rate in (1.0, 2.0))
    usual, faster, seen = lives(one), lives(two), 0
    for who, events in usual.items():
        for day in of_kind(events, ks.TRACE_MOVED):
            later = [[d for d in of_kind(of[who], ks.TRACE_ORDER) if d > day] for of in (usual, faster)]
            if later[0]:
                np.testing.assert_allclose(later[1][0] - day, (later[0][0] - day) / 2, rtol=1e-9)
                seen += 1
    assert seen > 30


def test_a_further_budget_is_an_event_of_its_own() -> None:
    path = Opened(a_case()).path(0, 0)
    first, second = AGAIN.new_budget(path, 1, False), AGAIN.new_budget(path, 2, False)
    assert (first.spent, first.alive) == (0.0, True)
    assert first.limit != second.limit


def test_all_of_it_occurs_in_the_random_cases() -> None:
    for kind in ("win-backs, everything", "win-backs, everything, newcomers"):
        trace = random_case(0, **KINDS[kind]).run()[1]
        for event in (ks.TRACE_RETURNED, ks.TRACE_MOVED, ks.TRACE_CAMPAIGN, ks.TRACE_JOINED, ks.TRACE_TAKEN):
            assert (trace[:, 2] == event).sum() > 3, (kind, event)
