"""Which compiled loop a call runs through: any that knows enough posts the same; and arrivals."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from typing import Any

import numpy as np
import pytest
from rooms import interpreted
from twin.cases import Case, random_case
from twin.draws import Draws
from twin.kinds import KINDS

from clvsim.kernels import rng, structs
from clvsim.kernels import simulate as simulate_room
from clvsim.kernels.life import Mechanisms
from clvsim.kernels.simulate import count_arrivals, loop_of, mechanisms_of, simulate

PLAIN, LEVERS, SPECIAL, OCCASIONAL = LOOPS = (
    Mechanisms(),
    Mechanisms(True),
    Mechanisms(True, True),
    Mechanisms(True, True, True),
)


def least(case: Case, *, traced: bool = False) -> Mechanisms:
    inputs = case.inputs(traced=traced)
    return mechanisms_of(inputs.laws, inputs.offers, inputs.contacts, inputs.clock, inputs.trace)


def enough(case: Case, *, traced: bool = False) -> list[Mechanisms]:
    """Loops that know all that a call needs, the least first."""
    needs = least(case, traced=traced)
    return [on for on in LOOPS if astuple(on) >= astuple(needs)]


@pytest.mark.parametrize(
    ("kind", "traced", "expected"),
    [
        ({}, False, PLAIN),
        ({"law": "both", "tables": True, "regularity": 3}, False, PLAIN),
        ({"by_order": True, "months": 3}, False, PLAIN),
        ({"free": "first", "newcomers": True}, False, PLAIN),
        ({"free": "some"}, False, SPECIAL),
        ({"offers": 1}, False, LEVERS),
        ({"contacts": 1}, False, LEVERS),
        ({}, True, SPECIAL),
        ({"offers": 1, "contacts": 2}, True, SPECIAL),
        ({"components": 2}, False, SPECIAL),
        ({"lognormal": True}, False, SPECIAL),
        ({"products": 2}, False, SPECIAL),
        ({"opportunities": "chance"}, False, SPECIAL),
        ({"opportunities": "sure"}, False, SPECIAL),
        ({"offers": 2, "campaigns": True}, False, OCCASIONAL),
        ({"offers": 2, "memberships": 1}, False, OCCASIONAL),
        ({"offers": 2, "win_backs": 1}, True, OCCASIONAL),
        ({"offers": 2, "next_products": 1, "components": 2}, False, OCCASIONAL),
        ({"newcomers": True}, False, PLAIN),
        ({"newcomers": True, "offers": 2, "contacts": 1}, False, LEVERS),
        ({"newcomers": True, "components": 2}, False, SPECIAL),
        ({"newcomers": True}, True, SPECIAL),
    ],
)
def test_the_least_loop(kind: dict[str, Any], traced: bool, expected: Mechanisms) -> None:
    assert least(random_case(130, **kind), traced=traced) == expected


def test_margins_that_vary_are_a_lever() -> None:
    inputs = random_case(130).inputs(traced=False, toggled=structs.MARGINS)
    assert mechanisms_of(inputs.laws, inputs.offers, inputs.contacts, inputs.clock, inputs.trace) == LEVERS


def test_at_most_four_loops_are_compiled() -> None:
    loops = {least(random_case(131, **kind), traced=traced) for kind in KINDS.values() for traced in (False, True)}
    assert loops == set(LOOPS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("traced", [False, True])
def test_every_loop_that_knows_enough_posts_the_same(kind: str, traced: bool) -> None:
    case = random_case(132, **KINDS[kind])
    loops = enough(case, traced=traced)
    assert loops[0] == least(case, traced=traced)
    assert loops[-1] == OCCASIONAL
    ledgers, trace, traits = case.run(loop_of(loops[0]), traced=traced)
    assert ledgers.calendar.any()
    for on in loops[1:]:
        other, other_trace, other_traits = case.run(loop_of(on), traced=traced)
        for a, b in zip((*other, other_trace, *other_traits), (*ledgers, trace, *traits), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_call_runs_through_its_least_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all its arguments in their order."""
    calls = []

    def loop(on: Mechanisms) -> Any:
        return lambda *arguments: calls.append((on, arguments))

    monkeypatch.setattr(simulate_room, "loop_of", loop)
    monkeypatch.setattr(simulate_room, "_BUILT", set())
    for kind in ("existing", "offers", "mixture", "newcomers"):
        case = random_case(133, **KINDS[kind])
        inputs = case.inputs(traced=False)
        simulate(*inputs)
        on, arguments = calls.pop()
        assert on == least(case)
        assert all(a is b for a, b in zip(arguments, inputs, strict=True))


def test_a_loop_that_is_there_and_knows_more_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than to compile another; and where a scenario beside has levers, its loop is asked for at once."""
    monkeypatch.setattr(simulate_room, "_BUILT", {SPECIAL})
    assert simulate_room.at_hand(PLAIN) == PLAIN
    monkeypatch.setattr(simulate_room, "_BUILT", {SPECIAL, LEVERS})
    assert simulate_room.at_hand(PLAIN) == LEVERS
    assert simulate_room.at_hand(SPECIAL) == SPECIAL
    inputs = random_case(130).inputs(traced=False, toggled=structs.LEVERED)
    assert mechanisms_of(inputs.laws, inputs.offers, inputs.contacts, inputs.clock, inputs.trace) == LEVERS
    for kind, expected in (
        ({}, PLAIN),
        ({"free": "some"}, OCCASIONAL),
    ):  # of loops that know what is rare, a run has one
        inputs = random_case(130, **kind).inputs(traced=False, toggled=structs.OCCASIONAL)
        assert mechanisms_of(inputs.laws, inputs.offers, inputs.contacts, inputs.clock, inputs.trace) == expected


def test_threads_compile_a_loop_once(monkeypatch: pytest.MonkeyPatch) -> None:
    built = []

    def slowly(on: Mechanisms) -> object:
        built.append(on)
        for _ in range(20_000):
            pass
        return object()

    room = interpreted("simulate")
    memo = room.cache(slowly)
    monkeypatch.setitem(room.loop_of.__globals__, "_build", memo)
    with ThreadPoolExecutor(8) as threads:
        loops = list(threads.map(room.loop_of, [PLAIN, LEVERS] * 8))
    assert len(built) == 2
    assert loops[0] is not loops[1]
    assert set(map(id, loops[::2])) == {id(loops[0])}
    assert loop_of(PLAIN) is loop_of(Mechanisms(False, False))


def steps(cell: np.uint64, world: np.uint64, expected: float) -> int:
    draws, total, n = Draws(cell, world), 0.0, 0
    while (total := total + draws.exponential(rng.ARRIVAL_GAP, n)) <= expected:
        n += 1
    return n


@pytest.mark.parametrize("expected", [0.0, 0.3, 4.0, 60.0])
def test_arrivals_are_poisson(expected: float) -> None:
    """Steps of a unit-exponential walk; and more are only added as the expectation grows."""
    cells, world = rng.text_keys([f"cell {i}" for i in range(400)]), rng.world_keys(1, np.arange(1), 0)[0]
    for count in (count_arrivals, interpreted("simulate").count_arrivals):
        numbers = np.array([count(cell, world, expected) for cell in cells])
        assert numbers[:20].tolist() == [steps(cell, world, expected) for cell in cells[:20]]
        assert abs(numbers.mean() - expected) <= 4 * np.sqrt(expected / cells.size)
        more = [count(cell, world, 1.1 * expected) for cell in cells]
        assert (np.array(more) >= numbers).all()


# --- flags ------------------------------------------------------------------------------------------------------------

# What a flag may change, if it is set where it need not be, or not set where it may be: nothing.
SPARING = {
    "STEADY off": (structs.STEADY, "existing, both laws"),
    "STEADY off, newcomers": (structs.STEADY, "newcomers, pareto"),
    "STEADY off, renewals": (structs.STEADY, "renewals"),
    "TABLES on": (structs.TABLES, "existing"),
    "TABLES on, levers": (structs.TABLES, "offers, newcomers"),
    "TABLES on, opportunities": (structs.TABLES, "opportunities"),
    "RENEWING off without contacts": (structs.RENEWING, "renewals, newcomers"),
}


@pytest.mark.parametrize("name", SPARING)
def test_flags_that_only_save_work(name: str) -> None:
    flag, kind = SPARING[name]
    for seed in range(134, 137):
        case = random_case(seed, **KINDS[kind])
        assert bool(case.flags(True) & flag) == (" off" in name)
        ledgers, trace, _ = case.run()
        toggled, toggled_trace, _ = case.run(toggled=flag)
        for a, b in zip(toggled, ledgers, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_allclose(toggled_trace, trace, rtol=1e-12)


def test_margins_post_goods_and_nothing_else() -> None:
    case = random_case(137, tables=True)
    for traced in (False, True):
        ledgers, _, _ = case.run(traced=traced)
        toggled, _, _ = case.run(traced=traced, toggled=structs.MARGINS)
        for a, b in zip(toggled, ledgers, strict=True):
            assert a.ndim == b.ndim
            if a.ndim == 5 and a.shape[2] == case.lines:
                assert a[:, :, structs.GOODS].any() != b[:, :, structs.GOODS].any() or not b.any()
                a[:, :, structs.GOODS] = b[:, :, structs.GOODS] = 0
            np.testing.assert_array_equal(a, b)


def test_contracts_get_no_messages_after_their_end() -> None:
    """RENEWING: customers who are lost are seen to be; all but contacts and their cost stays as it is."""
    case = random_case(138, **KINDS["renewals, everything"])
    seen, trace, _ = case.run()
    unseen, unseen_trace, _ = case.run(toggled=structs.RENEWING)
    lost = (trace[:, 2] == structs.TRACE_DEATH).sum()
    assert lost > 10
    on_list = [np.cumsum(ledgers.exposure, axis=-1) for ledgers in (seen, unseen)]
    assert (on_list[0] <= on_list[1]).all()
    assert (on_list[0] < on_list[1]).any()
    orders = [rows[rows[:, 2] != structs.TRACE_OPT_OUT] for rows in (trace, unseen_trace)]
    np.testing.assert_array_equal(*orders)
    np.testing.assert_array_equal(seen.cohort, unseen.cohort)
    assert (seen.value >= unseen.value).all()
    assert (seen.value > unseen.value).any()
