"""Sizes behind the page's knobs: with other prices they give what a simulation with these prices gives."""

from typing import Any

import numpy as np
import pytest

from clvsim.comparison import compare
from clvsim.comparison import knobs as parts
from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import expected_delta, per_draw
from clvsim.comparison.prices import COST_PER_ORDER, MARGIN, prices_of
from clvsim.metrics import METRICS
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import EnvironmentConfig
from tests.simulation import shop

UPSELL = {"kind": "offer", "take": {"kind": "expert", "p10": 0.1, "p50": 0.2, "p90": 0.3}, "refund": 0.1}
RISE = {"kind": "prior", "dist": "normal", "mean": 0.1, "sd": 0.05}
LEVERS: dict[str, dict[str, Any]] = {
    "upsell": {
        "item": {**UPSELL, "price": 15.0, "incentive": 0.5},
        "set_up": {"kind": "cost", "per": "once", "amount": 50},
    },
    "own_margin": {"thing": {**UPSELL, "price": 9.0, "margin": 0.7, "goods_return": False}},
    "mail": {"post": {"kind": "contact", "per_month": 2.0, "cost": 0.02}},
    "better": {
        "buy": {"kind": "shift", "target": "rate", "size": RISE},
        "team": {"kind": "cost", "per": "month", "amount": 30},
        "heads": {"kind": "cost", "per": "customer", "amount": 0.4},
        "parcels": {"kind": "cost", "per": "order", "amount": 0.2},
    },
    "clicks": {"more": {"kind": "shift", "target": "visitors", "size": 0.2}},
}
CLICK = "acquisition.channels.ads.cost_per_visitor"
MOVED = {
    MARGIN: 0.55,
    COST_PER_ORDER: 0.7,
    CLICK: 0.9,
    "scenario.upsell.item.price": 22.0,
    "scenario.upsell.item.incentive": 1.5,
    "scenario.upsell.set_up.amount": 80.0,
    "scenario.own_margin.thing.price": 4.0,
    "scenario.mail.post.cost": 0.1,
    "scenario.better.team.amount": 10.0,
    "scenario.better.heads.amount": 1.0,
    "scenario.better.parcels.amount": 0.5,
}


def simulated(moved: dict[str, float], **config: Any) -> Simulation:
    """The shop with its levers, at other prices."""
    levers = {name: {lever: dict(section) for lever, section in one.items()} for name, one in LEVERS.items()}
    for key, value in moved.items():
        if key.startswith("scenario."):
            _, scenario, lever, field = key.split(".")
            levers[scenario][lever][field] = value
    return shop.run(
        shop.scenarios(**levers),
        acquisition=shop.channels(cost_per_visitor=moved.get(CLICK, 0.4)),
        margin=moved.get(MARGIN, 0.4),
        cost_per_order=moved.get(COST_PER_ORDER, 1.5),
        **config,
    )


@pytest.fixture(scope="module")
def rest() -> Simulation:
    return simulated({}, draws=40, fitted=shop.posterior(40, 0.1))


@pytest.fixture(scope="module")
def other() -> Simulation:
    return simulated(MOVED, draws=40, fitted=shop.posterior(40, 0.1))


def value(sizes: parts.PerDraw, prices: dict[str, float]) -> np.ndarray:
    return np.sum([np.prod([prices[key] for key in term]) * size for term, size in sizes.items()], axis=0)


def test_prices_are_found(rest: Simulation) -> None:
    found = prices_of(rest)
    assert set(MOVED) <= set(found)
    assert found[MARGIN] == 0.4
    assert found["scenario.mail.post.cost"] == 0.02
    assert not [key for key in found if key.endswith(("take", "refund", "size"))]


def test_simulated_plan_values_follow_the_prices(rest: Simulation, other: Simulation) -> None:
    """Oracle: the same shop simulated at other prices, world by world."""
    prices = prices_of(rest)
    for name in rest.scenarios:
        sizes, known = parts.plan_sizes(rest, rest.scenarios[name], prices)
        for simulation, at in ((rest, prices), (other, prices | MOVED)):
            scenario = simulation.scenarios[name]
            for found, metric in ((sizes, METRICS["plan_value"].query), (known, METRICS["plan_value"].known)):
                assert metric is not None
                exact = per_draw(simulation, metric(simulation, scenario))
                np.testing.assert_allclose(value(found, at), exact, rtol=1e-9, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("name", parts.LEVELS)
def test_levels_follow_the_prices(name: str, rest: Simulation, other: Simulation) -> None:
    prices = prices_of(rest)
    metric = METRICS[name]
    closed = parts.closed_sizes(rest, name, metric, prices)
    raw = {term: per_draw(rest, size) for term, size in parts.simulated_level(rest, name, prices).items()}
    for simulation, at in ((rest, prices), (other, prices | MOVED)):
        assert metric.closed_form is not None
        np.testing.assert_allclose(value(closed, at), metric.closed_form(simulation), rtol=1e-9)
        exact = per_draw(simulation, metric.query(simulation, simulation.scenarios[BASELINE]))
        np.testing.assert_allclose(value(raw, at), exact, rtol=1e-9)


@pytest.mark.parametrize("environment", [shop.CALM, EnvironmentConfig(sd_prior=0.2, learn=False)])
def test_smoothed_sizes_add_up_to_what_was_decided_on(environment: EnvironmentConfig) -> None:
    simulation = simulated({}, draws=60, fitted=shop.posterior(60, 0.1), environment=environment)
    prices, comparison = prices_of(simulation), compare(simulation)
    designs = make_designs(simulation)
    for name, found in comparison.deltas.items():
        scenario = simulation.scenarios[name]
        delta = expected_delta(simulation, METRICS["plan_value"], scenario, designs[name])
        assert delta.fitted
        sizes = parts.delta_sizes(simulation, scenario, delta, prices)
        np.testing.assert_allclose(value(sizes, prices), found, rtol=1e-6, atol=1e-6 * np.abs(found).max())
    knobs = comparison.knobs
    assert knobs is not None
    coefficients = knobs.coefficients(knobs.values)
    table = comparison.draws
    for row, name in enumerate(knobs.levels.names):
        stored = np.einsum("t,tn->n", coefficients, knobs.levels.sizes[row])
        np.testing.assert_allclose(stored, table.level(name, BASELINE), rtol=1e-4)
    for row, name in enumerate(knobs.deltas.names):
        found = comparison.deltas[name]
        stored = np.einsum("t,tn->n", coefficients, knobs.deltas.sizes[row])
        np.testing.assert_allclose(stored, found, atol=1e-4 * np.abs(found).max())
