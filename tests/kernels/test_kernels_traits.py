"""Traits of a path, against those that the twin draws."""

from typing import Any

import numpy as np
import pytest
from rooms import Moment, Opened, at_start, customers, interpreted, moments
from twin import traits as twin
from twin.cases import random_case

from clvsim.kernels import rng
from clvsim.kernels.state import Path

TRAITS = interpreted("traits")
KINDS: dict[str, dict[str, Any]] = {
    "order": {},
    "both, newcomers": {"law": "both", "newcomers": True},
    "mixture": {"law": "both", "components": 4, "regularity": 3},
    "opportunities": {"law": "both", "opportunities": "some sure", "components": 2},
}


def started(kind: dict[str, Any], **options: Any) -> list[Moment]:
    return list(moments(random_case(5, **kind), choose=lambda case, customer, _: at_start(case, customer), **options))


@pytest.mark.parametrize("kind", KINDS)
def test_a_living_customer(kind: str) -> None:
    """The twin draws the same; what is drawn when needed is not there yet."""
    for moment in started(KINDS[kind]):
        own = TRAITS.draw_traits(moment.opened.ground, moment.opened.rare, moment.path, False)
        assert own == moment.life.own
        assert (own.eta, own.nu, own.chance) == (-1.0, -1.0, -1.0)


def test_without_mixtures_the_first_gap_has_the_stages_of_the_call() -> None:
    """A loop that does not know mixtures reads the number of stages from the rates."""
    case = random_case(6, regularity=3)
    for moment in moments(case):
        own = TRAITS.draw_traits(moment.opened.ground, None, moment.path, False)
        assert own == moment.life.own
        assert own.first_gap == 3 - case.laws.stages_done[0]


def test_components_have_their_weights() -> None:
    """One uniform decides; components of probability 0 have no customer, and all others some."""
    case = random_case(7, components=3, regularity=4, customers=200)
    opened, seen = Opened(case), np.zeros((200, 3))
    for customer in customers(case):
        path = opened.path(customer.w, customer.c)
        part, stages_done = TRAITS.component_of(opened.rare.mixture, path, False)
        component = twin.component_of(case.laws, customer.column, customer.draws)
        assert part == 3 * customer.column + component
        assert stages_done == case.laws.stages_done[component]
        seen[customer.column, component] += 1
    weight = case.laws.weight.reshape(200, 3)
    assert not seen[weight == 0].any()
    error = (seen - seen.sum(axis=1, keepdims=True) * weight).sum(axis=0)
    deviation = np.sqrt((seen.sum(axis=1, keepdims=True) * weight * (1 - weight)).sum(axis=0))
    assert (np.abs(error) < 4 * deviation).all()


@pytest.mark.parametrize("kind", KINDS)
def test_hazard_per_order(kind: str) -> None:
    for moment in started(KINDS[kind]):
        own = TRAITS.eta_of(moment.opened.ground.exits, moment.opened.ground.kept, moment.path, moment.life.own)
        assert own == moment.life.own._replace(eta=own.eta)
        assert own.eta == pytest.approx(moment.twin.traits.eta, rel=1e-12)
        again = TRAITS.eta_of(None, None, moment.path, own)  # drawn already: nothing is read
        assert again == own


def test_survival_budget() -> None:
    for moment in started({}):
        assert TRAITS.limit_of(moment.opened.ground.kept.limit, moment.path) == moment.twin.traits.limit


def test_what_a_path_draws_is_kept_for_the_other_scenarios() -> None:
    """In the path's own place of each array, and read from there by whoever comes next."""
    for moment in started({"law": "both"}):
        ground, path = moment.opened.ground, moment.path
        kept, law = ground.kept, moment.customer.law
        TRAITS.draw_traits(ground, None, path, False)
        TRAITS.eta_of(ground.exits, kept, path, moment.life.own)
        TRAITS.limit_of(kept.limit, path)
        drawn, traits = moment.twin.traits, moment.opened.inputs.traits
        at = path.w, path.c
        assert (traits.rate[at], traits.mu[at], traits.limit[at]) == (drawn.rate, drawn.mu, drawn.limit)
        assert traits.eta[at] == pytest.approx(drawn.eta, rel=1e-12)
        for array in (traits.rate, traits.mu, traits.eta, traits.limit):
            array[at] = 0.125
        own = TRAITS.draw_traits(ground, None, path, False)
        assert (own.rate, own.mu) == (0.125, 0.125)
        assert TRAITS.eta_of(ground.exits, kept, path, own).eta == 0.125
        assert TRAITS.limit_of(kept.limit, path) == 0.125
        assert TRAITS.gamma_trait(kept.rate, path, rng.RATE, law["rate_shape"], law["rate_rate"]) == 0.125


def test_without_a_place_nothing_is_kept() -> None:
    array = np.full(3, -1.0)
    TRAITS.keep_value(array, -1, 2.0)
    np.testing.assert_array_equal(array, -1.0)
    TRAITS.keep_value(array, 1, 2.0)
    assert (TRAITS.kept_value(array, 1), TRAITS.kept_value(array, 0), TRAITS.kept_value(array, -1)) == (2.0, -1.0, -1.0)


def test_where_orders_come_at_opportunities() -> None:
    assert TRAITS.at_intervals(Opened(random_case(8, opportunities="sure")).rare)
    assert not TRAITS.at_intervals(Opened(random_case(8)).rare)
    assert not TRAITS.at_intervals(None)


def test_a_trait_is_gamma_distributed() -> None:
    """Mean and variance of shape / rate, over 2,000 customers."""
    opened = Opened(random_case(9, customers=2_000, worlds=1))
    kept = np.full(2_000, -1.0)

    def trait(path: Path) -> float:
        return TRAITS.gamma_trait(kept, path, rng.RATE, 2.5, 10.0)

    values = np.array([trait(opened.path(0, c)) for c in range(2_000)])
    assert abs(values.mean() - 0.25) < 4 * np.sqrt(0.025 / 2_000)
    assert values.var() == pytest.approx(0.025, rel=0.2)
    np.testing.assert_array_equal(kept, values)
