"""Newcomers that come as in the log, in the simulator: their number, their cost, and what a lever makes of them."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from shop import CALM, assert_same, assert_same_ledger, ledger, posterior, run, scenarios

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.errors import ConfigError
from clvsim.metrics import METRICS, available
from clvsim.scenario import BASELINE
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.replicates import add_replicates
from clvsim.simulation.run import Simulation, simulate_plan
from clvsim.types import CustomerSummary
from tests.data.madeup import as_log, shop

LIFT = {"kind": "shift", "target": "conversion", "size": 0.25, "quality": None}


@cache
def log() -> CustomerSummary:
    """Sixteen months with about a newcomer every second day."""
    return summarize(read_transactions(as_log(shop(7, 480, a_day=0.5)), DataConfig()))


def from_log(months: int = 3, **costs: float) -> AcquisitionConfig:
    return AcquisitionConfig.model_validate({"months": months, "from_log": True, **costs})


def simulated(draws: int = 40, acquisition: AcquisitionConfig | None = None, **keys: Any) -> Simulation:
    library = scenarios(lift={"better": LIFT}, same={"better": LIFT | {"size": 0.0}})
    acquisition = acquisition or from_log(cost_per_customer=4.0)
    return run(library, draws=draws, summary=log(), acquisition=acquisition, **keys)


def test_a_lift_of_nothing_changes_no_bit() -> None:
    simulation = simulated()
    assert_same_ledger(ledger(simulation, "same"), ledger(simulation))
    same, base = (simulation.scenarios[name].acquired for name in ("same", BASELINE))
    assert same is not None
    assert base is not None
    for field in ("customers", "cost", "cac", "expected_customers"):
        np.testing.assert_array_equal(getattr(same, field), getattr(base, field))


def test_a_better_conversion_multiplies_the_number_and_only_adds() -> None:
    simulation = simulated(draws=300)
    lift, base = (simulation.scenarios[name].acquired for name in ("lift", BASELINE))
    assert lift is not None
    assert base is not None
    np.testing.assert_allclose(lift.expected_customers, 1.25 * base.expected_customers, rtol=1e-12)
    more = lift.customers - base.customers
    assert (more >= 0).all()
    assert abs(more.sum() - 0.25 * base.expected_customers.sum()) < 4 * np.sqrt(0.25 * base.expected_customers.sum())


def test_expected_newcomers_are_the_mean_of_those_who_come() -> None:
    simulation = simulated(draws=600)
    acquired = simulation.scenarios[BASELINE].acquired
    assert acquired is not None
    expected = simulation.expected.newcomers.sum(axis=(1, 2))
    apart = acquired.customers - expected
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(apart.size)
    assert apart.std() > 1.1 * np.sqrt(expected.mean())  # months vary by more than chance
    by_month = ledger(simulation).total("customers_acquired")
    np.testing.assert_array_equal(by_month, acquired.customers)
    years = log().customers["T_days"].to_numpy()
    last = (years < 365).sum() / 12
    assert expected.mean() / 3 == pytest.approx(last, rel=0.3)


def test_money_of_newcomers_is_the_closed_form_on_average() -> None:
    simulation = simulated(draws=600, acquisition=from_log(cost_per_customer=4.0))
    for name in ("newcomers_total", "pav_per_newcomer"):
        closed_form = METRICS[name].closed_form
        assert closed_form is not None
        closed = closed_form(simulation)
        apart = METRICS[name].query(simulation, simulation.scenarios[BASELINE]) - closed
        apart = apart[np.isfinite(apart)]
        assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(apart.size), name


def test_each_costs_what_was_typed_those_of_a_lift_too() -> None:
    simulation = simulated()
    for name in (BASELINE, "lift"):
        scenario = simulation.scenarios[name]
        assert scenario.acquired is not None
        np.testing.assert_allclose(scenario.acquired.cac, 4.0, rtol=1e-12)
        paid = scenario.ledger.total("cost_acquisition")
        np.testing.assert_allclose(paid, 4.0 * scenario.acquired.expected_customers, rtol=1e-12)
        np.testing.assert_allclose(METRICS["marginal_cac"].query(simulation, scenario), 4.0, rtol=1e-9)
    cost = simulation.expected.acquisition_cost
    np.testing.assert_allclose(cost, 4.0 * simulation.expected.newcomers, rtol=1e-12)


def test_a_spend_a_month_stays_however_many_come() -> None:
    simulation = simulated(acquisition=from_log(spend_per_month=90.0))
    for name in (BASELINE, "lift"):
        scenario = simulation.scenarios[name]
        assert scenario.acquired is not None
        np.testing.assert_allclose(scenario.ledger.total("cost_acquisition"), 270.0)
        np.testing.assert_allclose(scenario.acquired.cac, 270.0 / scenario.acquired.expected_customers)
    np.testing.assert_allclose(METRICS["marginal_cac"].query(simulation, simulation.scenarios["lift"]), 0.0)
    np.testing.assert_allclose(simulation.expected.acquisition_cost.sum(axis=(1, 2)), 270.0)


def test_visitors_are_unknown_and_have_no_value() -> None:
    simulation = simulated()
    assert "visitor_value" not in available(simulation)
    assert {"newcomers", "cac", "ltv_cac"} <= set(available(simulation))


def test_newcomers_who_cost_nothing_have_no_ratio_to_their_cost() -> None:
    simulation = simulated(acquisition=from_log())
    assert "ltv_cac" not in available(simulation)
    assert {"newcomers", "cac", "clv_per_newcomer"} <= set(available(simulation))
    assert not simulation.expected.acquisition_cost.any()


def test_shocks_to_typed_visitors_do_not_come_on_top() -> None:
    assert_same(simulated(), simulated(environment=CALM.model_copy(update={"acquisition_sd": 0.5})))


def planned(replicates: int) -> RunPlan:
    library = scenarios(lift={"better": LIFT})
    return make_plan(
        log(),
        library,
        list(library),
        simulation=SimulationConfig(draws=20, replicates=replicates, horizon_months=6, jobs=1),
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=from_log(cost_per_customer=4.0),
        environment=CALM,
        seed=5,
    )


def test_threads_draws_and_replicates_change_no_bit() -> None:
    assert_same(simulated(), simulated(jobs=2))
    few, more = simulated(draws=20), simulated(draws=40)
    np.testing.assert_array_equal(more.expected.newcomers[:20], few.expected.newcomers)
    np.testing.assert_array_equal(more.worlds.log_visitors[:20], few.worlds.log_visitors)
    fitted = posterior(20)
    added = add_replicates(simulate_plan(planned(1), fitted, log()), 3, planned(3), fitted, log())
    assert_same(added, simulate_plan(planned(3), fitted, log()), customers=False)


def test_units_of_time_change_nothing() -> None:
    days = simulated(fitted=posterior(40, unit="day"), acquisition=from_log(cost_per_customer=4.0))
    np.testing.assert_array_equal(days.expected.newcomers, simulated().expected.newcomers)


def test_costs_that_do_not_count_are_named() -> None:
    simulation = simulated(acquisition=from_log(spend_per_month=90.0), margin=None, cost_per_order=0.0)
    assert any(note.startswith("acquisition.spend_per_month: needs finance.gross_margin") for note in simulation.notes)
    rows = {row.path: row for row in simulation.assumptions}
    assert rows["acquisition.from_log"].kind == "learned"
    low, mean, high = (getattr(rows["acquisition.from_log"], name) for name in ("p05", "mean", "p95"))
    assert low < mean < high
    assert mean == pytest.approx(simulation.expected.newcomers.mean())
    assert rows["acquisition.spend_per_month"].mean == 90.0


def test_data_that_say_nothing_of_newcomers_are_refused_with_all_else() -> None:
    undated = replace(log(), repeat_orders_by_day=None)
    never = {"kind": "shift", "target": "conversion", "size": 0.1, "when": {"start_month": 400}}
    with pytest.raises(ConfigError) as caught:
        run(scenarios(late={"better": never}), summary=undated, acquisition=from_log())
    found = dict(caught.value.problems)
    assert found["acquisition.from_log"].startswith("needs a log of dated orders")
    assert any("late" in where for where in found)
