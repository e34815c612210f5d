"""The event loop and its dispatch, interpreted: whole lives against the twin."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from agreement import compare
from rooms import Opened, at_start, interpreted, kernel_life, moments
from twin.cases import Case, random_case
from twin.life import simulate

from clvsim.kernels import structs as ks
from clvsim.kernels.life import Mechanisms
from clvsim.kernels.state import Budget, Moment, Purse, Terms

LIFE, CONTACTS = interpreted("life"), interpreted("contacts")
SMALL: dict[str, Any] = {"customers": 12, "worlds": 2, "months": 12}
KINDS: dict[str, dict[str, Any]] = {
    "existing": {"law": "both"},
    "newcomers": {"newcomers": True, "law": "both", "tables": True},
    "offers": {"offers": 2, "tables": True},
    "contacts": {"contacts": 2, "law": "both"},
    "contacts, newcomers": {"contacts": 1, "newcomers": True, "offers": 1},
    "opportunities": {"opportunities": "chance", "law": "both"},
    "renewals": {"opportunities": "sure", "contacts": 2, "newcomers": True, "tables": True},
    "renewals, existing": {"opportunities": "sure", "contacts": 2, "months": 24},
    "mixture": {"components": 3, "regularity": 2, "lognormal": True},
}


def run(case: Case, *, traced: bool = True) -> tuple[ks.Ledgers, np.ndarray]:
    loop = LIFE.build(Mechanisms(True, traced, traced))
    ledgers, trace, _ = case.run(loop, traced=traced)
    return ledgers, trace


@pytest.mark.parametrize("kind", KINDS)
def test_lives(kind: str) -> None:
    """Event by event; each mechanism strikes when it is due and the loop goes on."""
    for seed in range(2):
        case = random_case(140 + seed, **SMALL | KINDS[kind])
        ledgers, trace = run(case)
        compare(case, simulate(case), ledgers, trace)
        assert (trace[:, 2] == ks.TRACE_ORDER).sum() > 10


@pytest.mark.parametrize("kind", ["existing", "newcomers"])
def test_a_loop_without_a_mechanism_has_no_need_of_it(kind: str) -> None:
    case = random_case(142, **SMALL | KINDS[kind])
    full, _ = run(case, traced=False)
    ledgers, _, _ = case.run(LIFE.build(Mechanisms()), traced=False)
    for a, b in zip(ledgers, full, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", ["existing", "newcomers", "mixture"])
def test_a_life_begins(kind: str) -> None:
    """Active from the first day, with all the survival budget, no order yet, and its own tables."""
    for moment in moments(random_case(143, **KINDS[kind]), choose=lambda case, customer, _: at_start(case, customer)):
        opened, path, out = moment.opened, moment.path, moment.opened.out
        for ledger in out:
            ledger[...] = 0
        life = LIFE.begin_life(opened.ground, opened.rare, path, moment.life.listing, True)
        assert life == kernel_life(opened, path, moment.case, moment.customer, moment.twin)._replace(budget=life.budget)
        assert life.now == Moment(path.start, -1.0, path.start, 0, 0, False)
        assert life.budget == Budget(0.0, -1.0, True)
        assert (life.terms, life.purse) == (
            Terms(moment.path.rate, 1.0, math.inf, 0.0, 1.0),
            Purse(0.0, 0.0, -math.inf),
        )
        assert out.calendar[path.w, path.half, ks.ACTIVE, 0, int(path.start * 12 / 365.25)] == round(path.head_unit)
        assert out.age[path.w, path.half, ks.ACTIVE, 0, 0] == round(path.head_unit) * moment.case.newcomers


def test_a_life_is_lived_to_its_end() -> None:
    """A lost customer's ends on the day of the loss, within the window; the others' at its end."""
    lost = 0
    for moment in moments(
        random_case(144, customers=60, law="time"), choose=lambda case, customer, _: at_start(case, customer)
    ):
        opened = moment.opened
        life = LIFE.run_life(
            opened.ground, opened.deals, opened.programmes, opened.rare, None, moment.path, moment.life
        )
        lost += not life.budget.alive
        assert (life.now.t == moment.path.end) == life.budget.alive
        assert life.now.t <= moment.path.end
        assert (life.budget.spent < life.budget.limit) or not life.budget.alive
    assert lost > 10


def test_who_is_not_alive_on_day_0_does_nothing() -> None:
    """But is sent messages."""
    case = random_case(145, contacts=2, **SMALL)
    dead = replace(case, laws=case.laws._replace(p_alive=ks.seal(np.zeros_like(case.laws.p_alive))))
    ledgers, trace = run(dead)
    compare(dead, simulate(dead), ledgers, trace)
    assert set(trace[:, 2]) == {ks.TRACE_GONE, ks.TRACE_OPT_OUT}
    assert not ledgers.calendar[:, :, : ks.OPTED_OUT].any()
    assert not ledgers.orders.any()
    assert ledgers.exposure.any()
    assert (ledgers.value < 0).all()


def test_only_newcomers_that_arrive_are_followed() -> None:
    case = random_case(146, newcomers=True, **SMALL)
    case.arrivals = case.arrivals._replace(count=ks.seal(np.array([[0, 1, 2], [3, 0, 0]]), np.int64))
    ledgers, trace = run(case)
    compare(case, simulate(case), ledgers, trace)
    assert set(map(tuple, trace[:, :2])) == {(0, 1), (0, 2), (0, 5), (1, 0), (1, 3), (1, 6)}


def test_values_start_from_nothing_and_only_where_they_are_wanted() -> None:
    case = random_case(147, **SMALL)
    inputs = case.inputs()
    inputs.out.value[...] = 1e9
    inputs.out.orders[...] = 1_000
    inputs.out.revenue[...] = 2**61
    loop = LIFE.build(Mechanisms(True, True, True))
    loop(*inputs)
    expected = simulate(case)
    np.testing.assert_array_equal(inputs.out.orders, [[expected.orders[w, c] for c in range(12)] for w in range(2)])
    assert np.abs(inputs.out.value).max() < 1e6
    assert inputs.out.revenue.max() < 2**61
    unvalued = case.inputs()
    none = np.zeros((2, 0), np.int64)
    nothing = unvalued.out._replace(value=np.zeros((2, 0)), orders=none, revenue=none)
    loop(*unvalued._replace(out=nothing))
    np.testing.assert_array_equal(nothing.calendar, inputs.out.calendar)


def test_messages_to_contracts_end_with_them() -> None:
    """Posted until the day of the loss; those of others before anybody knows it."""
    case = random_case(148, **SMALL | KINDS["renewals, existing"])
    ledgers, trace = run(case)
    assert (trace[:, 2] == ks.TRACE_DEATH).sum() > 3
    weeks_on_list = np.cumsum(ledgers.exposure, axis=-1).sum()
    unseen = case.run(LIFE.build(Mechanisms(True, True, True)), toggled=ks.RENEWING)[0]
    assert weeks_on_list < np.cumsum(unseen.exposure, axis=-1).sum()


def test_the_draw_of_a_world_is_the_row_of_its_laws() -> None:
    """Two worlds with the same key and laws of their own."""
    case = random_case(149, regularity=1, newcomers=True, birth_charges=1, **SMALL)
    other = random_case(150, regularity=3, newcomers=True, **SMALL)
    other.arrivals = case.arrivals
    laws = {
        name: ks.seal(np.concatenate([values, getattr(other.laws, name)]), values.dtype)
        for name, values in case.laws._asdict().items()
        if (values.ndim == 2 and values.size) or name in ("regularity", "birth_charges")
    }
    loop = LIFE.build(Mechanisms())
    both = case.inputs(traced=False)._replace(laws=case.laws._replace(**laws))
    loop(*both._replace(world_draw=ks.seal(np.array([0, 1]), np.int64)))
    for w, one in enumerate((case, other)):
        alone = case.inputs(traced=False)._replace(laws=one.laws)
        loop(*alone)
        np.testing.assert_array_equal(both.out.calendar[w], alone.out.calendar[w])
    assert Opened(case).ground.run.columns == 1
