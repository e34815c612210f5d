"""Draws in which a scenario does nothing: its difference is minus what it costs, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from shop import channels, posterior, run, scenarios  # ty: ignore[import-not-found]

from clvsim.comparison import compare
from clvsim.comparison.designs import Design, make_designs
from clvsim.comparison.expected import expected_values
from clvsim.comparison.neutral import neutral_draws
from clvsim.interventions.base import CostEntry, Mechanism, Quality, Shift
from clvsim.metrics import METRICS
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import EnvironmentConfig

LEVERS = {
    "rate": {"kind": "shift", "target": "rate", "size": 0.2},
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0},
    "email": {"kind": "contact", "per_month": 4.0},
}
EFFECTS = {
    "rate": ("size",),
    "upsell": ("take", "decline_hazard", "decline_rate"),
    "email": ("goodwill", "fatigue", "churn"),
}


def compiled(lever: str) -> Mechanism:
    sim = run(scenarios(plan={lever: LEVERS[lever]}), draws=6)
    return sim.scenarios["plan"].compiled.mechanisms[0]


@pytest.mark.parametrize("lever", LEVERS)
def test_a_draw_is_neutral_where_every_effect_is(lever: str) -> None:
    mechanism = compiled(lever)
    first = dict.fromkeys(EFFECTS[lever], np.zeros(6))
    nothing = replace(mechanism, **first)
    assert neutral_draws([nothing], [], 6).all()
    for field in EFFECTS[lever]:
        acts = replace(nothing, **{field: np.array([0.0, 0.1, 0.0, 0.0, -0.1, 0.0])})
        np.testing.assert_array_equal(neutral_draws([nothing, acts], [], 6), [1, 0, 1, 1, 0, 1])


def test_costs_and_what_the_baseline_does_too_are_neutral() -> None:
    cost = CostEntry("fee", np.arange(6.0), "order", who=compiled("rate").who, when=compiled("rate").when)
    lever = compiled("rate")
    assert isinstance(lever, Shift)
    assert neutral_draws([cost], [], 6).all()
    assert neutral_draws([lever, cost], [replace(lever, size=lever.size.copy())], 6).all()
    assert not neutral_draws([cost], [lever], 6).any()  # a lever of the baseline that is missing does something
    assert not neutral_draws([replace(lever, size=2 * lever.size)], [lever], 6).any()
    marginal, same, better = (replace(lever, quality=Quality(np.full(6, q), np.zeros(6))) for q in (-0.1, -0.1, 0.1))
    assert neutral_draws([marginal], [same], 6).all()
    assert not neutral_draws([marginal], [better], 6).any()


def test_a_kind_that_is_not_known_is_taken_to_act() -> None:
    assert not neutral_draws([object()], [], 3).any()  # ty: ignore[invalid-argument-type]


def half_off(**costs: object) -> Simulation:
    """A rate lever that is switched off in every other draw, by simulating with and without it."""
    library = scenarios(
        on={"rate": LEVERS["rate"] | {"size": {"kind": "prior", "dist": "normal", "mean": 0.2, "sd": 0.1}}} | costs,
        off=dict(costs) or {"rate": LEVERS["rate"] | {"size": 0.0}},
    )
    stormy = EnvironmentConfig(sd_prior=0.3)
    sim = run(library, draws=600, fitted=posterior(600, spread=0.2), environment=stormy, acquisition=channels())
    on, off = sim.scenarios["on"], sim.scenarios["off"]
    switched_off = np.arange(600) % 2 == 0

    def mixed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(switched_off.reshape(-1, *[1] * (a.ndim - 1)), b, a)

    arrays = ("calendar", "age", "halves", "age_halves")
    lines = [off.ledger.lines.index(line) for line in on.ledger.lines]
    other = replace(off.ledger, calendar=off.ledger.calendar[:, :, lines], age=off.ledger.age[:, :, lines])
    ledger = replace(on.ledger, **{name: mixed(getattr(on.ledger, name), getattr(other, name)) for name in arrays})
    mechanisms = tuple(
        replace(m, size=np.where(switched_off, 0.0, m.size)) if isinstance(m, Shift) else m
        for m in on.compiled.mechanisms
    )
    scenario = replace(on, ledger=ledger, compiled=replace(on.compiled, mechanisms=mechanisms))
    return replace(sim, scenarios={BASELINE: sim.scenarios[BASELINE], "on": scenario})


def test_half_of_the_draws_are_zero_and_counted_apart() -> None:
    sim = half_off()
    comparison = compare(sim)
    delta = comparison.deltas["on"]
    np.testing.assert_array_equal(delta[::2], 0.0)
    assert (delta[1::2] != 0).all()
    table = comparison.table
    row = table[(table.metric == "plan_value") & (table.basis == "expected") & (table.scenario == "on")].iloc[0]
    assert row.p_equal == 0.5
    assert row.p_better == pytest.approx(0.25 + (delta > 0).mean())  # a tie counts one half
    for metric in ("rlv_total", "orders", "pav_per_newcomer"):
        found = expected_values(sim, METRICS[metric], make_designs(sim), []).deltas["on"]
        np.testing.assert_array_equal(found.values[::2], 0.0)


def test_known_costs_are_all_that_is_left_of_the_difference() -> None:
    fee = {"kind": "prior", "dist": "lognormal", "median": 100.0, "sd": 0.3}
    gift = {"kind": "cost", "per": "customer", "amount": 2.0, "who": {"customers": "existing"}}
    sim = half_off(fee={"kind": "cost", "per": "once", "amount": fee}, gift=gift)
    amounts = next(m for m in sim.scenarios["on"].compiled.mechanisms if isinstance(m, CostEntry) and m.name == "fee")
    delta = compare(sim).deltas["on"]
    np.testing.assert_allclose(delta[::2], -amounts.amount[::2] - 2.0 * 60, rtol=1e-12)
    assert np.ptp(delta[1::2] + amounts.amount[1::2]) > 0


def test_costs_that_follow_orders_are_expected_ones() -> None:
    """A scenario that only costs 1 per order: Δ is minus expected orders, and luck is regressed away."""
    library = scenarios(plan={"stamp": {"kind": "cost", "per": "order", "amount": 1.0}})
    sim = run(library, draws=600, fitted=posterior(600, spread=0.2), rate=0.0, margin=1.0)
    delta = compare(sim).deltas["plan"]
    exact = -sim.expected.existing_orders.sum(axis=1)
    raw = -sim.scenarios[BASELINE].ledger.total("orders")
    # Seven parameters and an intercept on 600 draws: √(8/600) = .12 of the luck is left at least.
    assert (delta - exact).std() < 0.25 * (raw - exact).std()
    assert delta.mean() == pytest.approx(raw.mean(), rel=1e-12)


def test_nothing_is_explained_where_nobody_is_left():
    """All contracts lost: a scenario touches no revenue in any draw, and figures that are 0 stay 0."""
    columns, nothing = np.random.default_rng(1).normal(size=(40, 2)), np.zeros(40)
    (basis,) = Design(columns, columns, nothing, np.zeros(40, bool)).bases()
    assert np.isfinite(basis.scale).all()
    some = np.where(np.arange(40) < 10, 0.0, 2.0)
    (basis,) = Design(columns, columns, some, np.zeros(40, bool)).bases()
    np.testing.assert_array_equal(basis.scale, np.ones(40))
