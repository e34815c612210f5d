"""Expected values of a run against exact ones on the same 1,000 draws, for logs that leave wide posteriors.

The oracle (`answer.py`) integrates over lives in closed form, so that the exact figures have no Monte Carlo error: as
from infinitely many paths per draw. Ends of every interval of expected values lie within a tenth of the exact
interval's width of the exact ends, its median too; probabilities within .03.
"""

import numpy as np
import pandas as pd
import pytest

import clvsim
from clvsim.metrics import METRICS
from tests.nested.shops import SCENARIOS, SHOPS, answer

pytestmark = pytest.mark.slow
FIGURES = {
    "plan_value": "plan",
    "orders": "orders",
    "pav_per_newcomer": "pav",
    "ltv_cac": "ltv_cac",
    "rlv_total": "rlv",
}
QUANTILES = (0.05, 0.5, 0.95)
NEAR, NEARLY_AS_LIKELY = 0.10, 0.03
STATED = ("more", "offer")  # scenarios of which every number is stated: no chance is told


@pytest.fixture(scope="module", params=list(SHOPS))
def shop(request):
    found = answer(request.param)
    return found, clvsim.compare(found.simulation)


def shown(table: pd.DataFrame, scenario: str, metric: str, prefix: str = "") -> np.ndarray:
    """5, 50 and 95 % of the expected row."""
    rows = table[(table.scenario == scenario) & (table.metric == metric) & (table.basis == "expected")]
    assert len(rows) == 1
    return rows[[f"{prefix}p05", f"{prefix}p50", f"{prefix}p95"]].to_numpy(float)[0]


def assert_near(found: np.ndarray, exact: np.ndarray, record) -> None:
    ends = np.quantile(exact, QUANTILES)
    off = (found - ends) / (ends[2] - ends[0])
    record("exact, shown", f"{np.round(ends, 3)}, {np.round(found, 3)}")
    record("off, in widths", np.round(off, 3))
    assert np.abs(off).max() < NEAR


@pytest.mark.parametrize("metric", list(FIGURES))
def test_levels(shop, metric, record_property):
    found, comparison = shop
    exact = getattr(found.exact["baseline"], FIGURES[metric])
    assert_near(shown(comparison.table, "baseline", metric), exact, record_property)


@pytest.mark.parametrize("scenario", list(SCENARIOS))
@pytest.mark.parametrize("metric", ["plan_value", "orders"])
def test_differences(shop, metric, scenario, record_property):
    found, comparison = shop
    exact, base = (getattr(found.exact[name], FIGURES[metric]) for name in (scenario, "baseline"))
    assert_near(shown(comparison.table, scenario, metric, "delta_"), exact - base, record_property)


@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_probability_of_being_better(shop, scenario, record_property):
    """Where effects are stated the table says none, and the draws behind it are as often better."""
    found, comparison = shop
    exact = (found.exact[scenario].plan > found.exact["baseline"].plan).mean()
    value = (comparison.values[scenario] > comparison.values["baseline"]).mean()
    record_property("exact, shown", f"{exact:.3f}, {value:.3f}")
    assert abs(value - exact) < NEARLY_AS_LIKELY
    row = comparison.table.query("scenario == @scenario and metric == 'plan_value' and basis == 'expected'")
    told = row.p_better.item()
    assert np.isnan(told) if scenario in STATED else told == pytest.approx(value, abs=1e-9)


def test_probability_that_acquisition_loses(shop, record_property):
    """P(LTV:CAC < 1)."""
    found, _ = shop
    exact = (found.exact["baseline"].ltv_cac < 1).mean()
    value = (clvsim.compare(found.simulation, metric="ltv_cac").values["baseline"] < 1).mean()
    record_property("exact, shown", f"{exact:.3f}, {value:.3f}")
    assert abs(value - exact) < NEARLY_AS_LIKELY


def test_means_need_no_regression(shop, record_property):
    """The oracle tells the same plan as the simulator: raw means of paths lie within 4 Monte Carlo errors."""
    found, _ = shop
    query = METRICS["plan_value"].query
    simulation = found.simulation
    base = query(simulation, simulation.scenarios["baseline"])
    for name in SCENARIOS:
        raw = query(simulation, simulation.scenarios[name]) - base
        raw = raw.reshape(simulation.draws, -1).mean(axis=1)
        luck = raw - (found.exact[name].plan - found.exact["baseline"].plan)
        error = luck.std(ddof=1) / np.sqrt(luck.size)
        record_property(name, f"{luck.mean() / error:+.2f} errors")
        assert abs(luck.mean()) < 4 * error
