"""Opportunities: their hazard, whether they are taken, and what becomes of the customer."""

import math
from typing import Any

import numpy as np
import pytest
from agreement import compare
from rooms import Moment, interpreted, moments
from twin import grid as twin
from twin.cases import random_case
from twin.life import simulate

from clvsim.kernels.state import Budget

GRID = interpreted("grid")
KINDS: dict[str, dict[str, Any]] = {
    "chance": {"opportunities": "chance", "law": "both"},
    "some sure": {"opportunities": "some sure", "components": 3, "tables": True},
    "renewals": {"opportunities": "sure", "tables": True},
    "newcomers": {"opportunities": "chance", "newcomers": True, "tables": True, "worlds": 6},
}


def opportunities(kind: str, seed: int) -> list[Moment]:
    """Moments after a newcomer's first order, which is no opportunity."""
    many = moments(random_case(seed, customers=60, months=30, **KINDS[kind]))
    return [moment for moment in many if moment.twin.ticks > 0 or not moment.case.newcomers]


@pytest.mark.parametrize("kind", KINDS)
def test_what_becomes_of_an_opportunity(kind: str) -> None:
    """Hazard first, then a purchase; nothing is charged twice."""
    fates = {GRID.ORDERED: 0, GRID.SKIPPED: 0, GRID.LOST: 0}
    for moment in opportunities(kind, 80):
        case, customer, life = moment.case, moment.customer, moment.twin
        ground, rare = moment.opened.ground, moment.opened.rare
        fate, own, budget = GRID.at_opportunity(
            moment.run,
            moment.weeks,
            ground.exits,
            ground.kept,
            rare.grid,
            moment.path,
            moment.life,
            moment.place().week,
        )
        left = life.budget - twin.hazard(case, customer, life)
        expected = GRID.ORDERED if twin.is_taken(case, customer, life) else GRID.SKIPPED
        assert fate == (GRID.LOST if left <= 0 else expected)
        assert budget.limit - budget.spent == pytest.approx(left, abs=1e-12)
        assert budget.alive == (left > 0)
        assert own == moment.life.own._replace(eta=own.eta, chance=own.chance)
        assert own.eta == pytest.approx(life.traits.eta, rel=1e-12)
        fates[fate] += 1
    assert fates[GRID.ORDERED] > 5
    assert (fates[GRID.SKIPPED] > 5) == (kind != "renewals")
    assert fates[GRID.LOST] > 0


@pytest.mark.parametrize("kind", ["chance", "some sure"])
def test_purchase_probability(kind: str) -> None:
    """A trait: drawn once, kept for the other scenarios in the place of the rate."""
    for moment in opportunities(kind, 81):
        grid, kept, path = moment.opened.rare.grid, moment.opened.ground.kept, moment.path
        if grid.buy_a[moment.life.own.part] <= 0:
            continue
        own = GRID.chance_of(grid, kept.rate, path, moment.life.own)
        assert own == moment.life.own._replace(chance=own.chance)
        assert own.chance == pytest.approx(moment.twin.traits.chance, rel=1e-12)
        array = moment.opened.inputs.traits.rate
        assert array[path.w, path.c] == own.chance
        array[path.w, path.c] = 0.125
        assert GRID.chance_of(grid, kept.rate, path, moment.life.own).chance == 0.125
        assert GRID.chance_of(grid, None, path, own) is own


def test_hazard_of_opportunities_adds_up() -> None:
    """η (n^c - m^c) from m to n opportunities served; with who has no such hazard nothing is drawn."""
    for moment in opportunities("chance", 82):
        grid, exits, kept = moment.opened.rare.grid, moment.opened.ground.exits, moment.opened.ground.kept
        budget, own = Budget(0.25, 1e9, True), moment.life.own
        for served in range(4, 9):
            own, budget = GRID.attrition_at(grid, exits, kept, moment.path, own, budget, float(served), 1.5)
        c = moment.case.laws.tenure_exponent[0, 0]
        expected = 0.25 + 1.5 * moment.twin.traits.eta * (9**c - 4**c)
        assert budget == Budget(budget.spent, 1e9, True)
        assert budget.spent == pytest.approx(expected, rel=1e-12)
        untouched = Budget(0.0, -1.0, True)
        free = exits._replace(drop_a=np.zeros_like(exits.drop_a))
        assert GRID.attrition_at(grid, free, None, moment.path, own, untouched, 4.0, 1.0) == (own, untouched)
        limit = GRID.attrition_at(grid, exits, kept, moment.path, own, untouched, 4.0, 1e-9)[1].limit
        assert limit == moment.twin.traits.limit
        lost = GRID.attrition_at(grid, exits, kept, moment.path, own, Budget(1.0, 1.0, True), 4.0, 0.0)[1]
        assert lost == Budget(1.0, 1.0, False)


@pytest.mark.parametrize("rate", [0.5, 1.0, 2.5])
def test_share_of_opportunities_taken(rate: float) -> None:
    """1 - (1 - p)^rate of many ticks; all of them where customers surely order, without a uniform."""
    moment = opportunities("chance", 83)[0]
    grid, kept, path = moment.opened.rare.grid, moment.opened.ground.kept, moment.path
    own = moment.life.own._replace(chance=0.3)
    now = moment.life.now
    taken = np.mean([
        GRID.is_taken(grid, kept.rate, path, own, now._replace(tick=tick), rate)[1] for tick in range(2_000)
    ])  # fmt: skip
    expected = 1 - 0.7**rate
    assert abs(taken - expected) < 4 * math.sqrt(expected * (1 - expected) / 2_000)
    sure = grid._replace(certain=True, buy_a=None)
    assert GRID.is_taken(sure, None, path, own, now, 0.0) == (own, True)
    never_asked = grid._replace(buy_a=np.zeros_like(grid.buy_a))
    assert GRID.is_taken(never_asked, None, path, own, now, 0.0) == (own, True)


@pytest.mark.parametrize("kind", KINDS)
def test_lives_on_a_grid(kind: str) -> None:
    case = random_case(84, **KINDS[kind])
    compare(case, simulate(case), *case.run()[:2])
