"""Where a path begins, against the twin, and what pushes do to a life."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from rooms import Moment, Opened, interpreted, moments
from twin.books import discount
from twin.cases import Case, random_case

from clvsim.kernels.state import Push
from clvsim.kernels.structs import DUES, seal

PATHS = interpreted("paths")
KINDS: dict[str, dict[str, Any]] = {
    "existing": {"offers": 1},
    "newcomers": {"newcomers": True, "months": 4},
    "newcomers, contacts": {"newcomers": True, "contacts": 2, "months": 20},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_never_changes_along_a_path(kind: str) -> None:
    case = random_case(50, **KINDS[kind])
    for moment in moments(case):
        path, customer = moment.path, moment.customer
        for name in (
            "w",
            "c",
            "column",
            "group",
            "cohort",
            "half",
            "week_in",
            "start",
            "rate",
            "spend",
            "orders_before",
        ):
            assert getattr(path, name) == getattr(customer, name), name
        if case.newcomers:
            assert moment.opened.ground.tolls.cac[path.cac] == customer.cac
        else:
            assert path.cac == -1
        assert tuple(moment.weeks.dues[path.dues : path.dues + DUES]) == customer.dues
        assert path.table == customer.table
        assert path.base == customer.draws.base
        assert path.end == pytest.approx(customer.end, rel=1e-14)
        assert path.money_unit == pytest.approx(customer.money, rel=1e-14)
        assert path.head_unit == customer.heads
        assert path.discount == pytest.approx(discount(case, customer.start), rel=1e-12)
        assert path.undiscount == 1 / path.discount
        assert (path.start > 0) == case.newcomers


def places(moment: Moment) -> dict[str, tuple[np.ndarray, tuple[int, ...]]]:
    """Ledgers and tables by the field of a path that says where its cells begin in them, and the index of the first."""
    path, inputs = moment.path, moment.opened.inputs
    return {
        "calendar": (inputs.out.calendar, (path.w, path.half, 0, 0, 0)),
        "age": (inputs.out.age, (path.w, path.half, 0, 0, 0)),
        "by_cohort": (inputs.out.cohort, (path.w, path.cohort, 0, 0)),
        "own_weeks": (inputs.tables.spend, (path.w, path.group, 0)),
        "kept": (inputs.traits.rate, (path.w, path.c)),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_first_cells(kind: str) -> None:
    for moment in moments(random_case(51, **KINDS[kind])):
        for name, (array, index) in places(moment).items():
            assert getattr(moment.path, name) == np.ravel_multi_index(index, array.shape), name


def several_draws(case: Case) -> Case:
    """The same laws twice."""
    laws = {name: np.concatenate([values] * 2) for name, values in case.laws._asdict().items() if values.ndim == 2}
    return replace(case, laws=case.laws._replace(**{name: seal(values) for name, values in laws.items()}))


def test_a_path_reads_the_laws_of_its_draw() -> None:
    case = several_draws(random_case(52, components=3))
    opened = Opened(case)
    inputs = opened.inputs
    for draw in range(2):
        path = PATHS.path_of(opened.ground, inputs.people, inputs.arrivals, inputs.world_key, draw, 2, 7)
        assert path.draw == draw
        assert path.law == np.ravel_multi_index((draw, 7), case.laws.p_alive.shape)


def test_without_room_for_traits_nothing_is_kept() -> None:
    from clvsim.kernels.structs import empty_traits

    moment = next(moments(random_case(53), traits=empty_traits(1, 1)))
    assert moment.path.kept == -1


def test_a_push_is_applied_once() -> None:
    life = next(moments(random_case(54))).life
    life = life._replace(terms=life.terms._replace(pace=0.8, damping=0.5, heals=math.inf, owed=5.0, size=1.3))
    push = Push(gain=7.0, sold=9.0, hazard=0.25, factor=0.5, damping=0.0, owed=3.0)
    assert PATHS.apply_push(life, push).terms == (0.4, 0.5, math.inf, 8.0, 1.3)
    after = PATHS.apply_push(life, push._replace(damping=math.log(0.5)))
    assert after.terms == (0.4, 0.25, 7.0 * (int(life.now.t / 7) + 1), 8.0, 1.3)
    assert after.budget == life.budget._replace(spent=life.budget.spent + 0.25)
    assert after._replace(terms=life.terms, budget=life.budget) == life
