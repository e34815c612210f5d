"""What metrics declare about themselves, and whether simulated values keep to it."""

from typing import Any

import numpy as np
import pytest
from shop import channels, posterior, run, scenarios  # ty: ignore[import-not-found]

from clvsim.effects import NON_NEGATIVE, REAL
from clvsim.metrics import METRICS, SHARE, Metric, applicable, available, orders, total_halves
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation, levels
from clvsim.simulation.config import EnvironmentConfig

EVERYTHING: dict[str, Any] = {
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "margin": 0.1, "incentive": 9.0, "refund": 0.5},
    "email": {"kind": "contact", "per_month": 4.0, "cost": 0.5, "opt_out": 0.02},
    "lift": {"kind": "shift", "target": "conversion", "size": 0.5},
    "wages": {"kind": "cost", "per": "month", "amount": 1000.0},
}
SHOPS: dict[str, dict[str, Any]] = {
    "profitable": {"acquisition": channels(cost_per_visitor=0.02)},
    "each order loses money": {"cost_per_order": 80.0, "acquisition": channels(cost_per_visitor=2.0)},
    "nobody pays for newcomers": {"acquisition": channels(cost_per_visitor=0.0)},
    "nobody visits": {"acquisition": channels(visitors_per_month=0)},
    "nobody converts": {"acquisition": channels(conversion=0.0)},
    "newcomers with weights": {"acquisition": channels(visitors_per_month=4000), "max_newcomers_per_cell": 5},
    "revenue only": {"margin": None, "acquisition": channels()},
    "without acquisition": {},
}


@pytest.fixture(scope="module", params=SHOPS)
def simulation(request: pytest.FixtureRequest) -> Simulation:
    stormy = EnvironmentConfig(sd_prior=0.5, acquisition_sd=0.5)
    fitted = posterior(20, spread=0.2)
    library = scenarios(plan=EVERYTHING)
    return run(library, draws=20, replicates=2, environment=stormy, fitted=fitted, **SHOPS[request.param])


def test_realised_values_lie_in_the_range_that_is_declared(simulation: Simulation) -> None:
    for name, metric in available(simulation).items():
        low, high = metric.range
        for scenario in simulation.scenarios.values():
            values = metric.query(simulation, scenario)
            assert values.shape == simulation.worlds.key.shape, name
            known = values[~np.isnan(values)]
            assert (known >= low).all(), (name, low, known.min())
            assert (known <= high).all(), (name, high, known.max())


def test_halves_and_closed_forms_have_the_shape_that_comparisons_need(simulation: Simulation) -> None:
    for name, metric in available(simulation).items():
        for scenario in simulation.scenarios.values():
            if metric.halves is not None:
                assert metric.halves(simulation, scenario).shape == (*simulation.worlds.key.shape, 2), name
        if metric.closed_form is not None:
            assert metric.closed_form(simulation).shape == (simulation.draws,), name


def test_the_shops_show_every_metric() -> None:
    """All that applies with channels, a known margin and contacts, as the profitable shop has them."""
    assert list(applicable(acquisition=True, margin=True, has_contacts=True)) == list(METRICS)


def test_an_exact_metric_has_one_value_per_draw() -> None:
    sim = run(draws=10, replicates=3, acquisition=channels(), fitted=posterior(10, spread=0.2))
    exact = {name: metric for name, metric in available(sim).items() if metric.exact}
    assert exact
    for name, metric in exact.items():
        by_draw = metric.query(sim, sim.scenarios[BASELINE]).reshape(10, 3)
        np.testing.assert_array_equal(by_draw, by_draw[:, :1].repeat(3, axis=1), err_msg=name)


@pytest.mark.parametrize(
    ("declared", "rule"),
    [
        ({"basis": "expected"}, "an expected metric needs halves, or to be exact"),
        ({"basis": "realised", "halves": total_halves}, "realised only has no halves"),
        ({"basis": "realised", "exact": True}, "realised only has no halves and is not exact"),
        ({"basis": "expected", "halves": total_halves, "exact": True}, "an exact metric has no noise"),
        ({"basis": "realised", "closed_form": levels.rlv_total}, "beside halves only"),
        ({"basis": "expected", "exact": True, "closed_form": levels.rlv_total}, "beside halves only"),
        ({"range": (0.0, 0.0)}, "is no interval"),
        ({"range": (1.0, 0.0)}, "is no interval"),
        ({"range": (float("nan"), 0.0)}, "is no interval"),
        ({"unit": "share", "range": NON_NEGATIVE}, r"goes beyond \(0.0, 1.0\), which holds every share"),
        ({"unit": "count", "range": REAL}, r"goes beyond \(0.0, inf\), which holds every count"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: dict[str, Any], rule: str) -> None:
    sound: dict[str, Any] = {"query": orders, "unit": "money", "basis": "realised", "range": REAL}
    Metric(**sound)
    with pytest.raises(ValueError, match=f"^metric orders: .*{rule}"):
        Metric(**sound | declared)


def test_all_contradictions_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"needs halves.*; .*is no interval; .*goes beyond"):
        Metric(orders, "share", "expected", (3.0, 2.0))
    assert Metric(orders, "share", "realised", SHARE).range == SHARE
