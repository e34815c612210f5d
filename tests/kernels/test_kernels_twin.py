"""The event loop against its plain-Python twin: every event, every ledger cell."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare
from twin.cases import Case, random_case
from twin.kinds import KINDS
from twin.life import simulate

from clvsim.kernels import structs as ks


@pytest.mark.parametrize("kind", KINDS)
def test_event_by_event(kind: str) -> None:
    for seed in range(2):
        case = random_case(seed, **KINDS[kind])
        compare(case, simulate(case), *case.run()[:2])


def test_any_mixture() -> None:
    """Random combinations of mechanisms and sizes."""
    for seed in range(100, 132):
        r = np.random.default_rng(seed)
        case = random_case(
            seed,
            newcomers=bool(r.integers(2)),
            law=("order", "time", "both")[r.integers(3)],
            tables=bool(r.integers(2)),
            offers=int(r.integers(4)),
            campaigns=bool(seed % 2),
            memberships=int(seed % 3 == 0),
            contacts=int(r.integers(3)),
            by_order=bool(r.integers(2)),
            birth_charges=int(r.integers(2)),
            regularity=int(r.integers(1, 4)),
            components=int(r.integers(1, 5)),
            opportunities=("", "", "chance", "sure", "some sure")[r.integers(5)],
            customers=int(r.integers(3, 20)),
            worlds=int(r.integers(1, 4)),
            months=int(r.integers(1, 30)),
        )
        compare(case, simulate(case), *case.run()[:2])


def test_contracts_of_different_length() -> None:
    """Intervals and exponents of each column instead of one for all."""
    for seed in range(3):
        case = random_case(seed, opportunities="sure", tables=True, months=30)
        r, columns = np.random.default_rng(seed), case.laws.first_days.size
        every = r.choice([7.0, 30.4375, 91.3125], columns)
        own = {
            "interval_days": ks.seal(every),
            "first_days": ks.seal(every * r.random(columns)),
            "tenure_exponent": ks.seal(r.uniform(0.6, 1.3, (1, columns))),
        }
        mixed = replace(case, laws=case.laws._replace(**own))
        compare(mixed, simulate(mixed), *mixed.run()[:2])


def test_contracts_that_pause() -> None:
    """Some are in a pause today; all come and go, one by the chances of all, one by chances of each column."""
    for seed in range(4):
        case = random_case(seed, opportunities="sure", tables=True, months=30, newcomers=bool(seed % 2))
        r, columns = np.random.default_rng(seed), case.laws.first_days.size
        size = 1 if seed < 2 else columns
        own = {
            "pause": ks.seal(r.uniform(0.1, 0.6, (1, size))),
            "resume": ks.seal(r.uniform(0.1, 0.6, (1, size))),
            "paused": ks.seal((r.random(columns) < 0.5).astype(float) * (not seed % 2)),
            "tenure_exponent": ks.seal(r.uniform(0.6, 1.3, (1, size))),
        }
        pausing = replace(case, laws=case.laws._replace(**own))
        ledgers, trace, _ = pausing.run()
        compare(pausing, simulate(pausing), ledgers, trace)
        assert 10 < len(trace) < 0.8 * len(case.run()[1])


@pytest.mark.parametrize("newcomers", [False, True])
def test_contracts_whose_hazard_depends_on_when_they_are_due(newcomers: bool) -> None:
    """Days of another length than a week's tables; contracts that are late are charged for the day they missed."""
    case = random_case(5, opportunities="sure", tables=True, months=24, newcomers=newcomers, customers=60)
    r, columns, step, before = np.random.default_rng(5), case.laws.first_days.size, 0.98, 40
    days = before + int(60 * 30.4375 / step)
    own = {
        "late_days": ks.seal(r.choice([0.0, 3.2, 35.0], columns) * (not newcomers)),
        "due": ks.seal(np.repeat(r.choice([0.2, 1.0, 4.0], (1, days // 20 + 1)), 20, axis=1)[:, :days]),
        "due_steps": ks.seal(np.array([step, before])),
    }
    seasonal = replace(case, laws=case.laws._replace(**own))
    ledgers, trace, _ = seasonal.run()
    compare(seasonal, simulate(seasonal), ledgers, trace)
    assert len(trace) != len(case.run()[1])
    ones = own | {"due": ks.seal(np.ones((1, days)))}
    unmoved = replace(case, laws=case.laws._replace(**ones)).run()
    np.testing.assert_array_equal(unmoved[1], case.run()[1])


def test_amounts_that_do_not_vary() -> None:
    """With `order_shape` 0 every order is of exactly `nu_rate`, and the other events stay as they were."""
    for kind in ("everything, existing", "everything, newcomers"):
        case = random_case(0, **KINDS[kind])
        zero = ks.seal(np.zeros_like(case.laws.order_shape))
        fixed = replace(case, laws=case.laws._replace(order_shape=zero, nu_shape=zero))
        compare(fixed, simulate(fixed), *fixed.run()[:2])


def test_lognormal_amounts_leave_all_days_as_they_were() -> None:
    for newcomers in (False, True):
        plain, lognormal = (random_case(3, newcomers=newcomers, lognormal=law).run()[1] for law in (False, True))
        np.testing.assert_array_equal(lognormal[:, :4], plain[:, :4])
        assert (lognormal[:, 4] != plain[:, 4]).mean() > 0.8  # deaths have no amount


def test_a_rate_whose_draw_underflows_leaves_amounts_alone() -> None:
    case = random_case(4, newcomers=True, lognormal=True, customers=60)
    rare = replace(case, laws=case.laws._replace(rate_shape=ks.seal(np.full_like(case.laws.rate_shape, 0.004))))
    ledgers, trace, traits = rare.run()
    assert (traits.rate == 0.0).any()
    assert np.isfinite(trace).all()
    assert ledgers.calendar[:, :, ks.REVENUE].min() >= 0


def test_mechanisms_are_exercised() -> None:
    """The comparison would be empty if the random cases never declined, refunded, opted out, died or repaid."""
    case = random_case(0, **KINDS["everything, newcomers"])
    twin = simulate(case)
    kinds = Counter(event[2] for event in twin.events)
    for kind in range(6):
        assert kinds[kind] >= 5, (kind, kinds)
    assert sum(units for (_, _, line, plain, _), units in twin.age.units.items() if line == ks.REPAID and not plain) > 0


def test_traits_kept_from_another_scenario_change_nothing() -> None:
    plain, offered = random_case(3), random_case(3, offers=2)
    _, _, traits = plain.run()
    kept, kept_trace, _ = offered.run(traits=traits)
    fresh, fresh_trace, _ = offered.run()
    np.testing.assert_array_equal(kept_trace, fresh_trace)
    for a, b in zip(kept, fresh, strict=True):
        np.testing.assert_array_equal(a, b)


# --- what one life owes to offers, and to its neighbours -------------------------------------------------------------


def silent(offers: ks.Offers) -> ks.Offers:
    """The same offers without annoyance, cannibalisation and encouragement."""
    zero, one = np.zeros_like(offers.take), np.ones_like(offers.take)
    return offers._replace(
        cannibalised=ks.seal(zero), decline_hazard=ks.seal(zero), decline_rate=ks.seal(zero), accept_rate=ks.seal(one)
    )


def of_kind(trace: np.ndarray, *kinds: int | np.integer) -> np.ndarray:
    return trace[np.isin(trace[:, 2], np.array(kinds))]


@pytest.mark.parametrize("kind", ["offers", "offers, newcomers", "everything, existing"])
def test_silent_offers_leave_every_other_event(kind: str) -> None:
    case = random_case(11, **KINDS[kind])
    without = random_case(11, **KINDS[kind])
    bare_kind: dict[str, Any] = KINDS[kind] | {"offers": 0}
    without.offers = random_case(11, **bare_kind).offers
    case.offers = silent(case.offers)
    trace, bare = case.run()[1], without.run()[1]
    assert of_kind(trace, ks.TRACE_TAKEN).shape[0] > 20
    others = (ks.TRACE_ORDER, ks.TRACE_DEATH, ks.TRACE_OPT_OUT, ks.TRACE_GONE)
    np.testing.assert_array_equal(of_kind(trace, *others), bare)


def test_annoyance_moves_orders_but_not_their_amounts() -> None:
    """Events count ticks: the n-th order of a life has the same amount whenever it comes."""
    case, calm = random_case(12, offers=2), random_case(12, offers=2)
    calm.offers = silent(calm.offers)
    case.offers = case.offers._replace(cannibalised=ks.seal(np.zeros_like(case.offers.take)))
    annoyed, without = (of_kind(c.run()[1], ks.TRACE_ORDER) for c in (case, calm))
    moved = 0
    for w in range(case.worlds.size):
        for c in range(case.people.key.size):
            a, b = (t[(t[:, 0] == w) & (t[:, 1] == c)] for t in (annoyed, without))
            n = min(len(a), len(b))
            np.testing.assert_array_equal(a[:n, 4], b[:n, 4])
            moved += int((a[:n, 3] != b[:n, 3]).sum())
    assert moved > 50


def with_counts(case: Case, **counts: int) -> Case:
    """Everybody of the baseline unless told otherwise, and all of them simulated."""
    full = {"start": 0, "marginal_from": 99} | counts
    arrays = {name: ks.seal(np.full((3, 3), number), np.int64) for name, number in full.items()}
    return replace(case, arrivals=case.arrivals._replace(**arrays))


def test_more_newcomers_leave_the_others_alone() -> None:
    case = random_case(13, newcomers=True, offers=1)
    few, many = with_counts(case, count=4).run()[1], with_counts(case, count=6).run()[1]
    ordinal = case.people.ordinal[many[:, 1].astype(int)]
    np.testing.assert_array_equal(many[ordinal < 4], few)
    assert (ordinal >= 4).sum() > 20


def test_additional_newcomers_have_factors_of_their_own() -> None:
    """Those from the baseline's number on; factors of 1 leave every bit."""
    case = random_case(13, newcomers=True)
    plain = with_counts(case, count=6)
    one = ks.seal(np.ones((3, 3)))
    neutral = with_counts(case, count=6, marginal_from=4)
    neutral.arrivals = neutral.arrivals._replace(
        marginal_weight=plain.arrivals.weight, marginal_rate=one, marginal_spend=one
    )
    for a, b in zip(neutral.run()[0], plain.run()[0], strict=True):
        np.testing.assert_array_equal(a, b)
    half = ks.seal(np.full((3, 3), 0.5))
    worse = with_counts(neutral, count=6, marginal_from=4)
    worse.arrivals = worse.arrivals._replace(marginal_spend=half)
    after, before = (of_kind(c.run()[1], ks.TRACE_ORDER) for c in (worse, plain))
    factor = np.where(case.people.ordinal[before[:, 1].astype(int)] < 4, 1.0, 0.5)
    np.testing.assert_allclose(after[:, 4], before[:, 4] * factor, rtol=1e-14)
    slower = with_counts(neutral, count=6, marginal_from=4)
    slower.arrivals = slower.arrivals._replace(marginal_rate=half)
    number = np.bincount(case.people.ordinal[of_kind(slower.run()[1], ks.TRACE_ORDER)[:, 1].astype(int)], minlength=6)
    usual = np.bincount(case.people.ordinal[before[:, 1].astype(int)], minlength=6)
    np.testing.assert_array_equal(number[:4], usual[:4])
    assert number[4:].sum() < 0.8 * usual[4:].sum()


def test_lives_before_the_start_are_left_to_another_run() -> None:
    """Their sums and those of the rest are the whole, bit for bit."""
    case = random_case(13, newcomers=True, offers=1, contacts=1)
    whole, first, rest = (
        with_counts(case, **counts).run()[0] for counts in ({"count": 6}, {"count": 4}, {"count": 6, "start": 4})
    )
    for name in ("calendar", "age", "cohort", "exposure", "age_exit"):
        parts = getattr(first, name) + getattr(rest, name)
        np.testing.assert_array_equal(parts, getattr(whole, name))
        assert getattr(rest, name).any()


def test_declined_offers_are_forgiven_one_by_one() -> None:
    """With a patience of 2 for each of two offers, the third refusal of one of them is the first to annoy."""
    case = random_case(15, offers=2, customers=60)
    never = case.offers._replace(
        take=ks.seal(np.zeros((3, 2))),
        patience=ks.seal(np.full((3, 2), 2.0)),
        decline_hazard=ks.seal(np.full((3, 2), 1e9)),
        on_order=ks.seal(np.ones((2, 64)), np.bool_),
        active=ks.seal(np.ones_like(case.offers.active), np.bool_),
    )
    trace = replace(case, offers=never).run()[1]
    orders = np.zeros((3, 60), int)
    np.add.at(orders, tuple(of_kind(trace, ks.TRACE_ORDER)[:, :2].astype(int).T), 1)
    assert orders.max() == 3


def test_multiplier_one_is_exact() -> None:
    """With tables that say 1 the next order falls on exactly t + gap/λ: the same bits as without tables."""
    plain, tabled = random_case(14), random_case(14)
    tabled.rate = tabled.rate.copy()
    tabled.rate[2] = 1.5  # so that the run has tables at all; worlds 0 and 1 stay at 1
    a, b = plain.run()[1], tabled.run()[1]
    np.testing.assert_array_equal(a[a[:, 0] < 2], b[b[:, 0] < 2])
    assert not np.array_equal(a[a[:, 0] == 2], b[b[:, 0] == 2])
