"""Points of a sweep: optima that are known in closed form, pairing, and when there is no curve."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from shop import CALM, posterior, scenarios, shop  # ty: ignore[import-not-found]

from clvsim.comparison.points import Outcome, Swept, compare_levels, compare_levers, differences, level, under_own_names
from clvsim.comparison.replicates import simulate_enough
from clvsim.interventions.cadence import Curve as Cadence
from clvsim.scenario import BASELINE
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import make_plan
from clvsim.simulation.run import Simulation

DRAWS, MONTHS, MARGIN, CUSTOMERS = 500, 12, 0.4, 300
METRIC = "plan_value"


def simulated(levers: Sequence[dict[str, Any]], seed: int = 5, **config: Any) -> tuple[Simulation, list[str]]:
    """Each of the levers as a point's own copy of one scenario, beside the baseline."""
    library, names = scenarios(), []
    for number, lever in enumerate(levers):
        own = scenarios(swept={"lever": lever})["swept"].model_copy(update={"as_written": {"lever": {}}})
        name, copies = under_own_names({"swept": own}, "swept", number)
        names.append(name)
        library |= copies
    summary, fitted = shop(CUSTOMERS), posterior(DRAWS, spread=0.1)
    plan = make_plan(
        summary,
        library,
        names,
        simulation=SimulationConfig.model_validate({"draws": DRAWS, "horizon_months": MONTHS, "jobs": 1} | config),
        finance=FinanceConfig(gross_margin=MARGIN, annual_discount_rate=0.1),
        acquisition=AcquisitionConfig(),
        environment=CALM,
        seed=seed,
    )
    return simulate_enough(plan, fitted, summary, METRIC), names


def swept(lever: Callable[[float], dict[str, Any]], values: Sequence[float]) -> tuple[Simulation, Swept, Outcome]:
    simulation, names = simulated([lever(value) for value in values])
    found = differences(simulation, names, METRIC)
    return simulation, found, compare_levers(found, [list(values)], METRIC)


def offer(price: float, take: Any, incentive: float = 0.0) -> dict[str, Any]:
    return {"kind": "offer", "take": take, "price": price, "incentive": incentive}


# --- an offer that fewer take as it gets dearer ----------------------------------------------------------------------

SCALE, INCENTIVE = 20.0, 3.0
BEST_PRICE = SCALE + INCENTIVE / MARGIN  # of (m p − k) e^(−p/s): its derivative is 0 at s + k/m
PRICES = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0)


def falling(price: float) -> dict[str, Any]:
    return offer(price, float(np.exp(-price / SCALE)), INCENTIVE)


def gain_per_order(price: np.ndarray) -> np.ndarray:
    return (MARGIN * price - INCENTIVE) * np.exp(-price / SCALE)


@pytest.fixture(scope="module")
def prices() -> tuple[Simulation, Swept, Outcome]:
    return swept(falling, PRICES)


def test_the_best_price_of_an_offer_that_fewer_take_as_it_gets_dearer(prices: tuple[Simulation, Swept, Outcome]):
    simulation, _, outcome = prices
    found = outcome.optimum
    assert found is not None
    assert found.outcome == "optimum"
    orders = simulation.expected.existing_discounted_orders.sum(axis=1).mean()
    best = orders * gain_per_order(np.array(BEST_PRICE))
    error = found.gain.mcse
    assert abs(found.gain.value - best) < 4 * error + 0.01 * best  # the smooth functions follow the peak to 1 %
    lost = 1 - gain_per_order(found.best[0]) / gain_per_order(np.array(BEST_PRICE))
    assert 0 <= lost < 0.005
    fine = np.linspace(PRICES[0], PRICES[-1], 20_001)
    within = fine[gain_per_order(fine) > 0.98 * gain_per_order(np.array(BEST_PRICE))]
    np.testing.assert_allclose(found.band[0], [within[0], within[-1]], atol=1.5)
    assert found.band[0, 0] < BEST_PRICE < found.band[0, 1]


def test_points_and_their_intervals_are_those_of_the_closed_form(prices: tuple[Simulation, Swept, Outcome]):
    simulation, _, outcome = prices
    orders = simulation.expected.existing_discounted_orders.sum(axis=1)
    for price, (_, row) in zip(PRICES, outcome.table.iloc[1:].iterrows(), strict=True):
        expected = orders * gain_per_order(np.array(price))
        scale = abs(expected.mean()) + 1.0
        assert abs(row["delta_mean"] - expected.mean()) < 4 * row["delta_mcse"] + 0.01 * scale, price
        spread = np.quantile(expected, [0.05, 0.95])
        np.testing.assert_allclose(
            [row["delta_p05"], row["delta_p95"]], spread, atol=4 * row["delta_mcse"] + 0.03 * scale
        )


def test_doing_nothing_is_one_of_the_options(prices: tuple[Simulation, Swept, Outcome]):
    _, _, outcome = prices
    table = outcome.table
    assert len(table) == 1 + len(PRICES)
    assert table["p_best"].isna().all()  # all is stated as certain, so there is no chance
    assert table.loc[0, "delta_mean"] == 0
    best = float(table["delta_mean"].max())
    assert table.loc[0, "regret"] == pytest.approx(best, rel=0.02)  # it is hardly ever best
    assert table["regret"].min() < 0.02 * best


# --- a cadence by the curve of the field study -----------------------------------------------------------------------

CADENCE, GAIN, COST = Cadence(7.0, 2.7), 0.2, 0.007
CADENCES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0)


def programme(per_month: float, gain: Any = GAIN, cost: float = COST) -> dict[str, Any]:
    curve = {"peak_per_month": CADENCE.peak_per_month, "sharpness": CADENCE.sharpness, "gain": gain}
    nothing = {"churn": 0.0, "opt_out": 0.0}
    return {"kind": "contact", "per_month": per_month, "cost": cost, "curve": curve} | nothing


def test_the_best_cadence_of_a_stated_curve():
    """Given the draw revenue grows by exp(κ·curve(f)) − 1, as lives last as long as before; messages cost c·f."""
    simulation, _, outcome = swept(programme, CADENCES)
    found = outcome.optimum
    assert found is not None
    assert found.outcome == "optimum"
    alone, names = simulated([programme(1.0, gain=0.0)])
    cost_of_one = -differences(alone, names, METRIC).raw.mean()
    value = MARGIN * simulation.expected.existing_revenue.sum(axis=1).mean()
    fine = np.linspace(CADENCES[0], CADENCES[-1], 20_001)
    net = value * np.expm1(GAIN * np.asarray(CADENCE.gain(fine))) - cost_of_one * fine
    best = float(net.max())
    assert 3.0 < fine[net.argmax()] < 6.5  # costs move it away from the curve's own peak
    assert abs(found.gain.value - best) < 4 * found.gain.mcse + 0.02 * best
    at_found = float(np.interp(found.best[0], fine, net))
    assert 0 <= best - at_found < 4 * found.gain.mcse + 0.02 * best
    assert found.band[0, 0] - 0.3 < fine[net.argmax()] < found.band[0, 1] + 0.3


def test_nothing_is_best_in_the_draws_in_which_messages_take_away():
    """Messages are free, so that any cadence is better than none where the gain is above 0, and none is below it."""
    unsure = {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.1}
    simulation, _, outcome = swept(lambda f: programme(f, gain=unsure, cost=0.0), CADENCES)
    gain = simulation.inputs["scenario.swept@0.lever.curve.gain"].to_numpy()
    negative, table = float((gain < 0).mean()), outcome.table
    assert 0.2 < negative < 0.4
    assert table["p_best"].sum() == pytest.approx(1.0)
    assert (table["regret"] >= 0).all()
    assert outcome.optimum is not None
    for share in (outcome.optimum.p_nothing, table.loc[0, "p_best"], *(1 - table["p_better"].iloc[3:8])):
        assert share == pytest.approx(negative, abs=0.05)  # draws near 0, of whose sign single lives leave a doubt


@pytest.mark.parametrize(("cadences", "outcome"), [((1, 2, 3, 4, 5), "edge"), ((1, 4, 7, 10, 14), "optimum")])
def test_a_best_value_at_the_edge_is_no_optimum(cadences: tuple[float, ...], outcome: str):
    _, _, found = swept(lambda f: programme(f, cost=0.0), [float(f) for f in cadences])
    assert found.optimum is not None
    assert found.optimum.outcome == outcome


def test_where_messages_bring_nothing_doing_nothing_is_the_answer():
    _, _, found = swept(lambda f: programme(f, gain=0.0), CADENCES)
    assert found.optimum is not None
    assert found.optimum.outcome == "nothing"
    assert found.optimum.p_nothing == 1.0
    assert found.table["delta_mean"].iloc[1:].lt(0).all()


# --- pairing ---------------------------------------------------------------------------------------------------------


def test_a_point_brings_what_its_scenario_brings_alone():
    """Copies under names of their own share effects and events with the scenario that they are copies of."""
    prior = {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.05}
    levers = [{"kind": "contact", "per_month": f, "goodwill": prior} for f in (1.0, 4.0, 9.0)]
    together, names = simulated(levers, max_replicates=1)
    raw = differences(together, names, METRIC).raw
    for k, lever in enumerate(levers):
        alone, (name,) = simulated([lever], max_replicates=1)
        np.testing.assert_array_equal(differences(alone, [name], METRIC).raw[:, 0], raw[:, k])
    keys = [next(iter(together.scenarios[name].compiled.inputs.values())) for name in names]
    np.testing.assert_array_equal(keys[0], keys[1])


def test_points_simulated_apart_are_those_simulated_at_once():
    levers = [falling(price) for price in PRICES[:4]]
    together, names = simulated(levers, max_replicates=1)
    halves = [simulated(part, max_replicates=1) for part in (levers[:2], levers[2:])]
    first, second = (differences(one, own, METRIC) for one, own in halves)
    both = first.and_more(second)
    whole = differences(together, names, METRIC)
    np.testing.assert_array_equal(both.raw, whole.raw)
    np.testing.assert_array_equal(both.known, whole.known)
    assert len(both.expected) == len(both.designs) == 4


# --- without a curve -------------------------------------------------------------------------------------------------


def test_few_values_and_text_have_a_table_alone():
    simulation, names = simulated([falling(price) for price in PRICES[:4]], max_replicates=1)
    found = differences(simulation, names, METRIC)
    few = compare_levers(found, [list(PRICES[:4])], METRIC)
    assert (few.curve, few.optimum) == (None, None)
    assert "needs 5 values; with 4" in few.no_curve
    unordered = compare_levers(found, None, METRIC)
    assert "no numbers" in unordered.no_curve
    for outcome in (few, unordered):
        assert len(outcome.table) == 5
        assert outcome.table["regret"].notna().all()


def test_a_figure_that_jumps_has_no_curve():
    """Half of the values do nothing at all, the others much."""
    values = [float(v) for v in range(1, 13)]
    _, _, outcome = swept(lambda v: offer(30.0, 0.0 if v < 7 else 0.3), values)
    assert outcome.curve is None
    assert "jumps" in outcome.no_curve
    np.testing.assert_array_equal(outcome.table["delta_mean"].iloc[1:7], 0.0)


def test_two_keys_have_a_surface():
    """Price and incentive: the best price rises with the incentive, and no incentive is the least."""
    axes = ([10.0, 15.0, 20.0, 25.0, 35.0], [0.0, 1.0, 2.0, 3.0, 4.0])
    levers = [offer(p, float(np.exp(-p / SCALE)), k) for p, k in product(*axes)]
    simulation, names = simulated(levers, max_replicates=1)
    outcome = compare_levers(differences(simulation, names, METRIC), axes, METRIC)
    assert outcome.optimum is not None
    assert outcome.optimum.outcome == "edge"
    assert outcome.optimum.best[1] == 0.0
    assert outcome.optimum.best[0] == pytest.approx(SCALE, abs=3)


# --- of the whole run ------------------------------------------------------------------------------------------------


def test_levels_of_a_margin_are_in_proportion_to_it():
    margins = (0.2, 0.4, 0.5)
    found: Swept | None = None
    for margin in margins:
        summary = shop(CUSTOMERS)
        plan = make_plan(
            summary,
            scenarios(),
            [BASELINE],
            simulation=SimulationConfig(draws=DRAWS, horizon_months=MONTHS, jobs=1),
            finance=FinanceConfig(gross_margin=margin),
            acquisition=AcquisitionConfig(),
            environment=CALM,
            seed=5,
        )
        simulation = simulate_enough(plan, posterior(DRAWS, spread=0.1), summary, METRIC)
        own = level(simulation, BASELINE, METRIC)
        found = found.and_more(own) if found else own
    assert found is not None
    table = compare_levels(found).table
    np.testing.assert_allclose(table["mean"] / table["mean"][0], np.array(margins) / margins[0], rtol=1e-9)
    assert table["delta_mean"].isna().tolist() == [True, False, False]
    np.testing.assert_allclose(table["delta_mean"][1:], table["mean"][1:] - table["mean"][0], rtol=1e-9)
    assert table["p_better"][1:].tolist() == [1.0, 1.0]
