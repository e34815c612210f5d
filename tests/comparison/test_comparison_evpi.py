"""Expected values per draw from one simulated path per draw, against the nested simulation; on the real simulator."""

from typing import NamedTuple

import numpy as np
import pytest
from shop import BG_NBD, posterior, run, scenarios, shop  # ty: ignore[import-not-found]

from clvsim import decision, metrics
from clvsim.comparison import Comparison, compare
from clvsim.models.laws import customers_of
from clvsim.models.retention import bg_nbd
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation

DRAWS, REPLICATES, CUSTOMERS = 1000, 10, 200
LEVERS = ("loyalty", "upsell")


class Case(NamedTuple):
    """200 customers, two levers that cost about what they bring."""

    nested: np.ndarray  # (draws, replicates, 2) simulated gain of each lever
    single: Simulation
    comparison: Comparison

    @property
    def costs(self) -> np.ndarray:
        return np.rint(self.nested.mean(axis=(0, 1)))


def library(costs: np.ndarray) -> dict[str, Scenario]:
    """A club that makes customers buy 5 % more often, and a $15 extra that one in ten takes; both uncertain."""

    def around(mean: float, sd: float) -> dict[str, object]:
        return {"kind": "prior", "dist": "normal", "mean": mean, "sd": sd}

    return scenarios(
        loyalty={
            "club": {"kind": "shift", "target": "rate", "size": around(0.05, 0.02)},
            "fee": {"kind": "cost", "per": "once", "amount": costs[0]},
        },
        upsell={
            "bump": {"kind": "offer", "take": around(0.1, 0.2), "price": 15.0},
            "set_up": {"kind": "cost", "per": "once", "amount": costs[1]},
        },
    )


def simulated(costs: np.ndarray, replicates: int, seed: int) -> Simulation:
    return run(
        library(costs),
        draws=DRAWS,
        replicates=replicates,
        seed=seed,
        fitted=posterior(DRAWS, spread=0.05),
        summary=shop(CUSTOMERS),
        margin=1.0,
        cost_per_order=0.0,
        jobs=2,
    )


def gains(sim: Simulation) -> np.ndarray:
    base = metrics.plan_value(sim, sim.scenarios[BASELINE])
    return np.stack([metrics.plan_value(sim, sim.scenarios[lever]) - base for lever in LEVERS], axis=-1)


@pytest.fixture(scope="module", params=[3, 4])
def case(request: pytest.FixtureRequest) -> Case:
    nested = gains(simulated(np.zeros(2), REPLICATES, request.param)).reshape(DRAWS, REPLICATES, 2)
    costs = np.rint(nested.mean(axis=(0, 1)))
    single = simulated(costs, 1, request.param)
    return Case(nested, single, compare(single))


def evpi(gain: np.ndarray) -> float:
    """Of doing nothing or one of the levers; gains (draws, 2)."""
    return decision.evpi(np.column_stack([np.zeros(len(gain)), gain])).estimate


def nested_answer(case: Case) -> float:
    """What noise is left in means over replicates raises EVPI by about c/replicates: taken out by halving them."""
    means = [
        case.nested[:, part].mean(axis=1) - case.costs for part in (slice(None), slice(0, None, 2), slice(1, None, 2))
    ]
    all_draws, first, second = (evpi(m) for m in means)
    return 2 * all_draws - (first + second) / 2


def test_evpi_within_15_percent_of_the_nested_answer(case: Case) -> None:
    answer = nested_answer(case)
    assert case.comparison.evpi is not None
    assert case.comparison.evpi.value is not None
    assert case.comparison.evpi.value == pytest.approx(answer, rel=0.15)
    raw = evpi(gains(case.single))
    assert raw > 1.3 * answer  # what one path per draw says of itself
    assert np.isfinite(answer)
    assert answer > 10


def test_noise_is_substantial_and_measured(case: Case) -> None:
    """The measured share of process noise agrees with the spread of replicates; between .25 and .75 of the variance."""
    for i, lever in enumerate(LEVERS):
        within = case.nested[:, :, i].var(axis=1, ddof=1).mean()
        raw = gains(case.single)[:, i]
        assert 0.25 < within / raw.var(ddof=1) < 0.75
        cleaned = case.comparison.deltas[lever]
        truth = case.nested[:, :, i].mean(axis=1).var(ddof=1) - within / REPLICATES
        assert cleaned.var(ddof=1) == pytest.approx(truth, rel=0.25)  # two sds: 4 √(2/1000) and the regression's own
        means = case.nested[:, :, i].mean(axis=1)
        noise = np.sqrt(truth / means.var(ddof=1))  # which the means still hold, and which lowers any correlation
        together, with_raw = (np.corrcoef(gain, means)[0, 1] / noise for gain in (cleaned, raw))
        assert together > 0.93
        assert together > with_raw + 0.1


def test_upsell_has_a_closed_form(case: Case) -> None:
    """The nested answer itself is right: take × price × expected discounted orders, per draw."""
    parameters = {name: posterior(DRAWS, spread=0.05).posterior.retention[name] for name in BG_NBD}
    history = customers_of(shop(CUSTOMERS))
    orders = bg_nbd.expected_discounted_orders(parameters, history, 365.25, 0.1, 7.0)
    orders = (orders * bg_nbd.laws(parameters, history, 7.0).p_alive).sum(axis=1)
    take = case.single.inputs["scenario.upsell.bump.take"].to_numpy()
    gap = case.nested[:, :, 1].mean(axis=1) - 15 * take * orders
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / np.sqrt(DRAWS)
    expected = case.nested[:, :, 1].var(axis=1, ddof=1).mean() / REPLICATES
    assert gap.var(ddof=1) == pytest.approx(expected, rel=4 * np.sqrt(2 / DRAWS))  # nothing but the replicates' noise


def test_decision_figures_come_from_expected_values(case: Case) -> None:
    table = case.comparison.table
    values = np.column_stack(list(case.comparison.values.values()))
    rows = table[(table["metric"] == "plan_value") & (table["basis"] == "expected")].set_index("scenario")
    assert rows.index.tolist() == [BASELINE, *LEVERS]
    np.testing.assert_allclose(rows["p_best"], decision.p_best(values))
    np.testing.assert_allclose(rows["expected_loss"], decision.expected_loss(values))
    assert rows["p_best"].sum() == pytest.approx(1)
    assert case.comparison.evpi is not None
    assert rows["expected_loss"].min() == pytest.approx(case.comparison.evpi.estimate)
    for lever in LEVERS:
        delta = case.comparison.deltas[lever]
        np.testing.assert_allclose(delta, case.comparison.values[lever] - case.comparison.values[BASELINE], atol=1e-6)
        assert rows.loc[lever, "p_better"] == pytest.approx((delta > 0).mean())
        assert rows.loc[lever, "delta_mean"] == pytest.approx(
            gains(case.single)[:, LEVERS.index(lever)].mean(), rel=1e-6
        )
    realised = table[(table["metric"] == "plan_value") & (table["basis"] == "realised")].set_index("scenario")
    raw = gains(case.single)
    for i, lever in enumerate(LEVERS):
        np.testing.assert_allclose(realised.loc[lever, "p_better"], (raw[:, i] > 0).mean())
        np.testing.assert_allclose(
            realised.loc[lever, ["delta_p05", "delta_p95"]].to_numpy(float), np.quantile(raw[:, i], [0.05, 0.95])
        )
        assert rows.loc[lever, "delta_p95"] - rows.loc[lever, "delta_p05"] < 0.9 * np.ptp(
            np.quantile(raw[:, i], [0.05, 0.95])
        )
