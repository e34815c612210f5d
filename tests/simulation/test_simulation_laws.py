"""Laws with every feature, whichever model makes them: what may not change a result, and closed forms.

Tolerances of means are 4 Monte Carlo standard errors, measured from the simulation itself.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import toys
from scipy import stats
from shop import assert_same, assert_same_ledger, channels, error, ledger, posterior, run, scenarios, shop
from test_simulation_closed_forms import made_by_hand, one_newcomer, orders_of
from test_simulation_invariance import PLAN, STORMY, assert_untouched

from clvsim.kernels import rng
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.population import Block, people_of

ZERO = {
    **{f"no_{t}": {"kind": "shift", "target": t, "size": 0.0} for t in ("rate", "spend", "hazard")},
    "silent": {"kind": "offer", "take": 0.0, "price": 10.0},
    "post": {"kind": "contact", "per_month": 4.0, "goodwill": 0.0, "fatigue": 0.0, "churn": 0.0, "opt_out": 0.0},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    toys.enrol(monkeypatch)


def everything(toy: str, **config: Any) -> Simulation:
    settings: dict[str, Any] = {
        "draws": 8,
        "acquisition": channels(),
        "environment": STORMY,
        "fitted": toys.as_toy(posterior(10, spread=0.1), toy),
        "horizon_months": 9,
    }
    plan = PLAN | {"often": {"kind": "shift", "target": "rate", "size": 0.2}}
    return run(scenarios(plan=plan, nothing=ZERO), **(settings | config))


@pytest.mark.parametrize("toy", toys.TOYS)
def test_how_the_work_is_cut(toy: str) -> None:
    """Threads, blocks, order of rows, more draws, other scenarios, zero effects: all bit for bit."""
    reference = everything(toy)
    for config in ({"jobs": 3, "shard_customers": 7}, {"shard_customers": 25}):
        assert_same(everything(toy, **config), reference)
    summary = shop()
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    assert_same(everything(toy, summary=shuffled), reference, customers=False)
    more = everything(toy, draws=10)
    for name in reference.scenarios:
        np.testing.assert_array_equal(ledger(more, name).calendar[:8], ledger(reference, name).calendar)
    assert_untouched(ledger(reference, "nothing"), ledger(reference))
    assert (ledger(reference, "plan").total("orders") != ledger(reference).total("orders")).any()
    alone = run(scenarios(), draws=8, horizon_months=9, acquisition=channels(), environment=STORMY,
                fitted=toys.as_toy(posterior(10, spread=0.1), toy))  # fmt: skip
    assert_same_ledger(ledger(alone, BASELINE), ledger(reference))


# --- regular gaps ----------------------------------------------------------------------------------------------------

R, ALPHA, K = 2.0, 60.0, 3  # stages per day ~ Gamma: an order every three months


def stages_law(k: int, t: float, horizon: float) -> np.ndarray:
    """P(J = j) of the stages behind a customer who has been silent for t, times P(stages to come in the horizon).

    By brute force over λ: (share with an order within the horizon, expected orders), without the mixture's formulas.
    """
    grid = (np.arange(20_000) + 0.5) / 20_000
    rate = stats.gamma(R + k * 4, scale=1 / (ALPHA + 300.0)).ppf(grid)  # four orders in 300 days, the last one then
    done = np.arange(k)[:, None]
    seen = stats.poisson.pmf(done, rate * t)  # fewer stages than an order in the silence
    weight = seen / seen.sum()
    counts = [(weight * stats.poisson.sf(k * n - done - 1, rate * horizon)).sum() for n in range(1, 60)]
    return np.array([counts[0], sum(counts)])


@pytest.mark.parametrize("silence", [0.0, 40.0, 200.0])
def test_regular_gaps_of_a_known_customer(silence: float) -> None:
    """No attrition: the share who order, and how often, within four months."""
    draws, copies, days = 60, 2000, 122.0
    weight, done = toys.stage_weights(
        np.array([R + K * 4]), np.array([ALPHA + 300.0 + silence]), np.array([silence]), K
    )
    tall = np.ones((1, 1, K))
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=R + K * 4 + done * tall, rate_rate=(ALPHA + 300.0 + silence) * tall,
        mu_shape=0 * tall, mu_rate=0 * tall, drop_a=0 * tall, drop_b=tall, weight=weight[:, None], stages_done=done,
        regularity=K,
    )  # fmt: skip
    orders, _ = orders_of(one_newcomer(copies, draws, law), days, draws)
    for simulated, expected in zip(
        ((orders > 0).mean(axis=1), orders.mean(axis=1)), stages_law(K, silence, days), strict=True
    ):
        assert abs(simulated.mean() - expected) < 4 * error(simulated)
        assert error(simulated) < 0.004 * expected


def test_regular_gaps_of_newcomers() -> None:
    """All gaps have all stages: P(N ≥ n) = P(Poisson(λt) ≥ kn), λ from the population."""
    draws, copies, days = 60, 2000, 274.0
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=R, rate_rate=ALPHA, mu_shape=0.0, mu_rate=0.0, drop_a=0.0, drop_b=1.0, regularity=K
    )
    keys = rng.text_keys([f"copy {i}" for i in range(copies)])
    orders, _ = orders_of(Block(people_of(key=keys), law, newcomers=True), days, draws)
    rate = stats.gamma(R, scale=1 / ALPHA).ppf((np.arange(20_000) + 0.5) / 20_000)
    expected = sum(stats.poisson.sf(K * n - 1, rate * days).mean() for n in range(1, 60))
    simulated = orders.mean(axis=1) - 1
    assert abs(simulated.mean() - expected) < 4 * error(simulated)
    assert error(simulated) < 0.004 * expected


# --- mixtures --------------------------------------------------------------------------------------------------------


def test_a_mixture_is_its_components_in_proportion() -> None:
    """Orders of three components without attrition: their rates in proportion, and each with its own variance."""
    draws, copies, days = 60, 2000, 122.0
    weight, shape = np.array([0.2, 0.0, 0.8]), np.array([40.0, 1.0, 2.0])
    tall = np.ones((1, 1, 3))
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=shape * tall, rate_rate=100.0 * tall, mu_shape=0 * tall, mu_rate=0 * tall,
        drop_a=0 * tall, drop_b=tall, weight=weight * tall,
    )  # fmt: skip
    orders, _ = orders_of(one_newcomer(copies, draws, law), days, draws)
    mean = shape * days / 100.0
    second = mean + mean**2 * (1 + 1 / shape)
    for simulated, expected in ((orders.mean(axis=1), weight @ mean), ((orders**2).mean(axis=1), weight @ second)):
        assert abs(simulated.mean() - expected) < 4 * error(simulated)
        assert error(simulated) < 0.01 * expected
