"""A run raises its replicates by itself where luck leaves a mean difference too uncertain, and says so."""

import numpy as np
import pandas as pd
import pytest
from shop import CALM, assert_same, posterior, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.comparison import compare, simulate_and_compare
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.replicates import with_replicates
from clvsim.simulation.run import simulate_plan


def planned(size: object, draws: int = 500, **config: object) -> RunPlan:
    """A rate lever on 60 customers."""
    library = scenarios(plan={"club": {"kind": "shift", "target": "rate", "size": size}})
    return make_plan(
        shop(),
        library,
        list(library),
        simulation=SimulationConfig.model_validate({"draws": draws, "horizon_months": 12, "jobs": 1} | config),
        finance=FinanceConfig(gross_margin=1.0),
        acquisition=AcquisitionConfig(),
        environment=CALM,
        seed=5,
    )


SURE = {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.001}
UNSURE = {"kind": "prior", "dist": "normal", "mean": 0.1, "sd": 0.2}


def test_a_small_effect_on_few_customers_is_simulated_more_often() -> None:
    """What a gain of 5 % is worth varies little over draws, and much by luck."""
    plan, fitted = planned(SURE), posterior(500, spread=0.1)
    simulation, comparison = simulate_and_compare(plan, fitted, shop())
    assert 1 < simulation.replicates <= 16
    assert f"simulated {simulation.replicates} times instead of 1" in comparison.notes[0]
    at_once = simulate_plan(with_replicates(plan, simulation.replicates), fitted, shop())
    assert_same(simulation, at_once)
    pd.testing.assert_frame_equal(comparison.table, compare(at_once).table, check_exact=True)


def test_what_is_certain_enough_is_simulated_once() -> None:
    simulation, comparison = simulate_and_compare(planned(UNSURE), posterior(500, spread=0.1), shop())
    assert simulation.replicates == 1
    assert comparison.notes == ()


def test_a_limit_holds_and_what_is_left_is_said() -> None:
    simulation, comparison = simulate_and_compare(planned(SURE, max_replicates=2), posterior(500, spread=0.1), shop())
    assert simulation.replicates == 2
    assert any("raise simulation.max_replicates" in note for note in comparison.notes)


def test_probabilities_need_500_worlds() -> None:
    fitted = posterior(100, spread=0.1)
    few = compare(simulate_plan(planned(UNSURE, draws=100), fitted, shop()))
    assert few.table[["p_better", "p_best", "p_equal"]].isna().all(axis=None)
    assert few.table["expected_loss"].notna().any()
    (note,) = (note for note in few.notes if "probabilities" in note)
    assert "raise simulation.draws" in note
    simulation, comparison = simulate_and_compare(planned(UNSURE, draws=100), fitted, shop())
    assert simulation.replicates >= 5
    decided = comparison.table.query("metric == 'plan_value'")
    assert decided["p_best"].notna().all()


def test_without_another_scenario_there_is_nothing_to_be_more_certain_of() -> None:
    library = scenarios()
    plan = planned(UNSURE)
    alone = make_plan(
        shop(),
        library,
        list(library),
        simulation=plan.simulation,
        finance=FinanceConfig(),
        acquisition=AcquisitionConfig(),
        environment=CALM,
        seed=5,
    )
    simulation, comparison = simulate_and_compare(alone, posterior(500, spread=0.1), shop())
    assert (simulation.replicates, comparison.evpi, comparison.notes) == (1, None, ())


@pytest.mark.slow
def test_the_error_that_is_left_is_the_spread_over_seeds() -> None:
    """100 seeds, 60 customers, 200 draws of one posterior: the mean difference against the first part of its error."""
    from dataclasses import replace

    from clvsim.comparison.designs import make_designs
    from clvsim.comparison.expected import expected_values
    from clvsim.metrics import METRICS

    plan, fitted = planned(0.1, draws=200), posterior(200, spread=0.3)
    means, errors = [], []
    for seed in range(100):
        sim = simulate_plan(replace(plan, seed=seed), fitted, shop())
        delta = expected_values(sim, METRICS["plan_value"], make_designs(sim), []).deltas["plan"]
        means.append(delta.values.mean())
        errors.append(np.sqrt(np.sum(delta.noise**2)) / 200)
    assert np.std(means, ddof=1) / np.mean(errors) == pytest.approx(1.0, abs=0.3)
