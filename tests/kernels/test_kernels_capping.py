"""The frequency cap: which messages of campaigns it withholds, worked out by hand, and what it leaves alone."""

import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rooms import Opened, interpreted
from twin.cases import Case, random_case
from twin.kinds import KINDS

from clvsim.kernels import structs as ks
from clvsim.kernels.state import Listing
from clvsim.kernels.structs import seal

CAPPING = interpreted("capping")
CAPPED = [kind for kind in KINDS if kind.startswith("capped")]
ON_LIST = Listing(True, np.inf, np.inf)


def with_cap(case: Case, contacts: int, days: float, planned: float = 0.0) -> Case:
    """A cap, beside programmes that take so many of its contacts in every week."""
    cap = {
        "cap": seal(np.array([float(contacts), days])),
        "planned": seal(np.full((2, case.weeks), planned)),
        "sent": np.zeros(1 + contacts),
    }
    return replace(case, offers=case.offers._replace(**cap))


def with_dates(*days: list[float], **kind: Any) -> Case:
    """A case with campaigns on dates to everybody, which nobody takes."""
    case = random_case(9, **({"offers": len(days), "customers": 40, "months": 30} | kind))
    shape, longest = (case.worlds.size, len(days)), max(map(len, days))
    filled = [[*own, *[np.inf] * (longest - len(own))] for own in days]
    offers = case.offers._replace(
        occasion=seal(np.full(len(days), ks.ON_DATES), np.int64),
        days=seal(np.array(filled)),
        on_order=seal(np.zeros((len(days), 64)), np.bool_),
        active=seal(np.ones_like(case.offers.active), np.bool_),
        take=seal(np.zeros(shape)),
        contact_cost=seal(np.full(shape, 2.0)),
    )
    return replace(case, offers=offers)


def events(case: Case, kind: int) -> dict[tuple[int, int], list[tuple[float, int]]]:
    """Day and campaign of all events of a kind, by world and customer, from the compiled loop."""
    _, trace, _ = case.run()
    out: dict[tuple[int, int], list[tuple[float, int]]] = {
        (w, c): [] for w in range(case.worlds.size) for c in range(case.people.key.size)
    }
    for w, c, _, day, _, offer in trace[trace[:, 2] == kind]:
        out[int(w), int(c)].append((day, int(offer)))
    return {who: sorted(found) for who, found in out.items()}


def everybody(case: Case, kind: int) -> list[tuple[float, int]]:
    """The same, which all customers have alike: those too who have left without a word."""
    (found,) = set(map(tuple, events(case, kind).values()))
    return list(found)


def test_a_message_beyond_the_cap_is_not_sent_and_does_not_come_later() -> None:
    """Two in 30 days, sent or not: a window holds what was sent in it, and reopens on the day."""
    case = with_cap(with_dates([0.5, 10.5, 20.5, 30.5, 40.5, 41.5, 300.5]), 2, 30.0)
    assert [day for day, _ in everybody(case, ks.TRACE_CAMPAIGN)] == [0.5, 10.5, 30.5, 40.5, 300.5]
    assert [day for day, _ in everybody(case, ks.TRACE_WITHHELD)] == [20.5, 41.5]


def test_campaigns_share_one_cap_by_day_and_on_one_day_by_name() -> None:
    case = with_cap(with_dates([5.5, 50.5], [2.5, 50.5, 90.5]), 1, 40.0)
    assert everybody(case, ks.TRACE_CAMPAIGN) == [(2.5, 1), (50.5, 0), (90.5, 1)]
    assert everybody(case, ks.TRACE_WITHHELD) == [(5.5, 0), (50.5, 1)]


def test_what_is_withheld_costs_nothing_and_is_counted_apart() -> None:
    case = with_cap(with_dates([5.5, 6.5, 7.5]), 1, 30.0)
    ledgers, _, _ = case.run()
    everyone = case.worlds.size * case.people.key.size
    for line, number in ((ks.BASE_LINES + ks.SHOWN, 1), (ks.BASE_LINES + ks.OFFER_LINES, 2)):
        counted = ledgers.calendar[:, :, line, 0].sum() / ks.COUNT_UNIT
        assert counted == pytest.approx(number * everyone, rel=1e-12)
    once = with_dates([5.5])
    for book, other in zip(ledgers, once.run()[0], strict=True):
        if book.ndim != 5:  # all but the books that have a line more
            np.testing.assert_array_equal(book, other)


@pytest.mark.parametrize(
    ("planned", "sent"),
    [(0.0, [0.5, 10.5, 20.5]), (0.9, [0.5, 10.5]), (2.0, [0.5]), (2.0 + 1e-15, [0.5]), (2.1, []), (3.0, [])],
)
def test_programmes_come_first(planned: float, sent: list[float]) -> None:
    """Three in 60 days: of what programmes take, a part of a message is one less."""
    case = with_cap(with_dates([0.5, 10.5, 20.5, 30.5], contacts=2), 3, 60.0, planned)
    still = replace(case, opt_out=np.zeros_like(case.opt_out))
    assert [day for day, _ in everybody(still, ks.TRACE_CAMPAIGN)] == sent


def test_programmes_count_for_those_alone_who_are_on_their_list() -> None:
    """The second group gets no messages of a single programme."""
    case = with_cap(with_dates([0.5, 10.5], contacts=1), 1, 60.0, 1.0)
    sent = events(replace(case, opt_out=np.zeros_like(case.opt_out)), ks.TRACE_CAMPAIGN)
    assert {case.people.group[c] for _, c in sent} == {0, 1}
    for (_, c), found in sent.items():
        assert [day for day, _ in found] == ([] if case.people.group[c] == 0 else [0.5])


def test_programmes_count_until_they_are_out_of_the_window() -> None:
    """Somebody who has opted out has room once the last messages are as old as the window."""
    case = with_cap(with_dates([float(day) + 0.5 for day in range(0, 400, 5)], contacts=2), 1, 20.0, 1.0)
    gone = {who: found[0][0] for who, found in events(case, ks.TRACE_OPT_OUT).items() if found}
    assert len(gone) > 20
    for who, found in events(case, ks.TRACE_CAMPAIGN).items():
        first = min((day for day, _ in found), default=np.inf)
        if gone.get(who, np.inf) < 300:
            assert gone[who] + 20.0 <= first < gone[who] + 25.0
        elif who not in gone:
            assert not found


def test_what_programmes_take_is_that_of_the_week_and_the_group() -> None:
    """The table's entry of the day's week, in the row of the customer's group."""
    case = with_cap(random_case(5, offers=2, campaigns=True, contacts=2), 5, 30.0)
    table = np.random.default_rng(1).integers(0, 5, (2, case.weeks)).astype(float)
    table[1] = 4.0 - table[0]
    opened = Opened(replace(case, offers=case.offers._replace(planned=seal(table))))
    for c, week in itertools.product(range(case.people.key.size), (0, 1, case.weeks - 1)):
        left = CAPPING.left_by_programmes(
            opened.occasions.cap, opened.ground.run, opened.path(0, c), ON_LIST, 7 * week + 6.9
        )
        assert left == 5 - table[case.people.group[c], week]


def test_the_window_of_a_ring_that_has_gone_round() -> None:
    """Against all days that were sent: any number, in any order of gaps, with what programmes leave."""
    r = np.random.default_rng(4)
    for contacts in (1, 2, 5):
        case = with_cap(random_case(5, offers=2, campaigns=True, contacts=2), contacts, 30.0)
        opened = Opened(case)
        cap, run, path = opened.occasions.cap, opened.ground.run, opened.path(0, 0)
        CAPPING.forget(cap)
        sent: list[float] = []
        for day in np.cumsum(r.exponential(30.0 / contacts / 2, 60)):
            planned = float(r.choice([0.0, 0.5, 1.0, contacts]))
            cap = cap._replace(planned=np.full(2 * case.weeks, planned))
            fits = sum(one > day - 30.0 for one in sent) + planned + 1 <= contacts + 1e-9
            assert CAPPING.permits(cap, run, path, ON_LIST, day) == fits
            if fits:
                CAPPING.remember(cap, day)
                sent.append(float(day))
        assert len(sent) > 10
        unplanned = cap._replace(planned=np.zeros(2 * case.weeks))
        for _ in range(contacts):
            CAPPING.remember(unplanned, sent[-1])
        assert not CAPPING.permits(unplanned, run, path, ON_LIST, sent[-1])
        CAPPING.forget(unplanned)
        assert CAPPING.permits(unplanned, run, path, ON_LIST, sent[-1])


def test_an_invitation_that_is_withheld_brings_nobody_back() -> None:
    """Nobody returns by it or uses its coupon, among those who have left and those who have not."""
    case = random_case(0, **KINDS["win-backs"])
    kinds = Counter(case.run()[1][:, 2].tolist())
    assert min(kinds[ks.TRACE_CAMPAIGN], kinds[ks.TRACE_RETURNED], kinds[ks.TRACE_TAKEN]) > 5
    listed = replace(case, exposed=np.ones(2, bool), contacts=np.ones((1, 2, case.weeks)), contact_price=np.zeros(1))
    capped = with_cap(listed, 1, 30.0, 1.0)
    kinds = Counter(capped.run()[1][:, 2].tolist())
    assert kinds[ks.TRACE_WITHHELD] > 5
    assert kinds[ks.TRACE_CAMPAIGN] == kinds[ks.TRACE_RETURNED] == 0
    offered = {int(event[5]) for event in capped.run()[1] if event[2] == ks.TRACE_TAKEN}
    assert offered <= set(np.flatnonzero(case.offers.occasion == ks.AT_ORDERS).tolist())


@pytest.mark.parametrize(
    "kind", ["campaigns", "campaigns, newcomers", "campaigns, renewals", "campaigns, everything", "win-backs"]
)
def test_a_cap_that_never_binds_leaves_every_event(kind: str) -> None:
    case = random_case(3, **KINDS[kind])
    capped = with_cap(case, 1000, 1.0)
    np.testing.assert_array_equal(capped.run()[1], case.run()[1])
    assert not [found for found in events(capped, ks.TRACE_WITHHELD).values() if found]


@pytest.mark.parametrize("kind", CAPPED)
def test_random_cases_send_and_withhold(kind: str) -> None:
    """To those alive, and to those who have gone."""
    case = random_case(0, **KINDS[kind])
    kinds, after = Counter(), Counter()
    for _, group in itertools.groupby(case.run()[1].tolist(), key=lambda event: event[:2]):
        own = list(group)
        kinds.update(int(event[2]) for event in own)
        gone = min((event[3] for event in own if event[2] in (ks.TRACE_DEATH, ks.TRACE_GONE)), default=np.inf)
        after.update(int(event[2]) for event in own if event[3] >= gone)
    assert min(kinds[ks.TRACE_CAMPAIGN], kinds[ks.TRACE_WITHHELD]) > 5, kinds
    if not case.renews:
        assert min(after[ks.TRACE_CAMPAIGN], after[ks.TRACE_WITHHELD]) > 2, after
