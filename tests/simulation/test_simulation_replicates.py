"""More replicates of a simulation that is there already, against as many asked for at once."""

import numpy as np
import pytest
from shop import assert_same, channels, posterior, scenarios, shop

from clvsim.scenario import Scenario
from clvsim.simulation.config import EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.layout import MAX_CELLS, cells_per_world
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.replicates import add_replicates, first_replicates, most_replicates, with_replicates
from clvsim.simulation.run import simulate_plan

LIBRARY = scenarios(
    plan={
        "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "margin": 0.1},
        "email": {"kind": "contact", "per_month": 4.0, "cost": 0.5, "opt_out": 0.02},
        "lift": {"kind": "shift", "target": "conversion", "size": 0.5},
        "wages": {"kind": "cost", "per": "month", "amount": 1000.0},
    }
)


def planned(draws: int = 30, library: dict[str, Scenario] | None = None, **config: object) -> RunPlan:
    library = library or LIBRARY
    return make_plan(
        shop(),
        library,
        list(library),
        simulation=SimulationConfig.model_validate({"draws": draws, "horizon_months": 12, "jobs": 1} | config),
        finance=FinanceConfig(gross_margin=0.4, cost_per_order=1.5),
        acquisition=channels(visitors_per_month=4000),
        environment=EnvironmentConfig(sd_prior=0.2, acquisition_sd=0.2),
        seed=5,
    )


@pytest.mark.parametrize("weights", [1000, 20])
def test_added_replicates_are_bit_for_bit_those_asked_for_at_once(weights: int) -> None:
    plan, fitted = planned(max_newcomers_per_cell=weights), posterior(30, spread=0.1)
    assert first_replicates(plan) == most_replicates(plan) == 16  # 30 draws make no 500 worlds
    plan = with_replicates(plan, 20)
    at_once = simulate_plan(plan, fitted, shop())
    started = simulate_plan(with_replicates(plan, 17), fitted, shop())
    grown = add_replicates(add_replicates(started, 18, plan, fitted, shop()), 20, plan, fitted, shop())
    assert_same(grown, at_once)
    assert grown.notes == at_once.notes
    assert (weights == 20) == bool(at_once.notes)
    for name in LIBRARY:
        for field in ("visitors", "customers", "cost", "cac", "conversion", "represented"):
            pair = (getattr(run.scenarios[name].acquired, field) for run in (grown, at_once))
            np.testing.assert_array_equal(*pair, err_msg=field)
    np.testing.assert_array_equal(grown.worlds.key, at_once.worlds.key)
    np.testing.assert_array_equal(grown.worlds.log_rate, at_once.worlds.log_rate)
    for field in ("existing_revenue", "newcomer_orders", "age_revenue"):
        np.testing.assert_array_equal(getattr(grown.expected, field), getattr(at_once.expected, field))


def test_draws_that_are_few_start_with_more_replicates() -> None:
    assert first_replicates(planned(draws=100)) == 5
    assert first_replicates(planned(draws=100, replicates=7)) == 7
    assert first_replicates(planned(draws=100, max_replicates=3)) == 3
    assert first_replicates(planned(draws=600)) == 1
    assert most_replicates(planned(draws=100, replicates=20)) == 20  # what is asked for stands


def test_ledgers_that_would_be_too_large_limit_replicates() -> None:
    plan = planned(draws=3000)
    cells = 3000 * cells_per_world(plan.layout, [scenario.compiled for scenario in plan.scenarios.values()])
    most = most_replicates(plan)
    assert 1 <= most < 16
    assert most * cells <= MAX_CELLS < (most + 1) * cells
