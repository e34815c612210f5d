"""Referrals: children by generations, against the branching formula, and what they leave alone."""

from typing import Any

import numpy as np
import pytest
from shop import CALM, assert_same_ledger, channels, error, ledger, line, posterior, run, scenarios, shop

from clvsim import metrics
from clvsim.comparison import compare
from clvsim.errors import ConfigError
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.expected.referred import crowded, expected_referred
from clvsim.simulation.plan import RunPlan, make_plan

LEVER: dict[str, Any] = {"kind": "referral", "per_order": 0.2, "reward": 3.0}
# Orders every ten days or so, of which each is the last one with probability 1/2: lives of some weeks.
SHORT: dict[str, Any] = {"r": 50.0, "alpha": 70.0, "a": 400.0, "b": 400.0}


def refer(draws: int = 40, **changed: Any) -> Simulation:
    settings: dict[str, Any] = {
        "horizon_months": 12,
        "acquisition": channels(months=6),
        "fitted": posterior(draws),
    } | changed
    lever = LEVER | settings.pop("lever", {})
    return run(scenarios(friends={"friends": lever}), draws=draws, **settings)


def people(sim: Simulation) -> np.ndarray:
    """Customers who were referred, by world."""
    return metrics.referred(sim, sim.scenarios["friends"])


def test_as_many_come_as_the_branching_formula_says() -> None:
    """Short lives and time for all generations: children = share × orders of the roots / (1 − R), R = share × orders of
    a life: the first, and repeat orders each of which is the last with probability p ~ Beta(a, b)."""
    share, draws, a, b = 0.2, 200, SHORT["a"], SHORT["b"]
    sim = refer(
        draws,
        fitted=posterior(draws, **SHORT),
        acquisition=AcquisitionConfig(months=24),
        horizon_months=24,
        lever={"per_order": share},
    )
    orders = line(ledger(sim, "friends"), "orders", "orders")[:, :, 0]
    life, children = 1 + (a + b - 1) / (a - 1), people(sim)
    assert not orders[:, :, 20:].any()  # everything is over in time
    of_life = orders[:, -2].sum() / children.sum()
    assert abs(of_life - life) < 4 * np.sqrt(b / a) * 2 / np.sqrt(children.sum())
    roots = orders[:, :-2].sum(axis=(1, 2))
    missed = children - share * roots / (1 - share * life)
    assert abs(missed.mean()) < 4 * error(missed)
    assert children.mean() > 20


def test_children_change_nobody_else() -> None:
    """Not even a bit of what parents and newcomers do: only what rewards cost is added."""
    sim, alone = refer(), run(scenarios(), draws=40, acquisition=channels(months=6), fitted=posterior(40))
    friends, base = ledger(sim, "friends"), ledger(sim)
    for account in ("orders", "revenue_orders", "active_customers"):
        np.testing.assert_array_equal(
            line(friends, account, "orders")[:, :-2], line(base, account, "orders")[:, :-2], err_msg=account
        )
        np.testing.assert_array_equal(
            line(base, account, "orders")[:, :-2], line(ledger(alone), account, "orders")[:, :-1], err_msg=account
        )
    for name in ("newcomers", "cac", "marginal_cac"):
        query = metrics.METRICS[name].query
        np.testing.assert_array_equal(query(sim, sim.scenarios["friends"]), query(sim, sim.scenarios[BASELINE]))


def test_more_referrals_only_add_people() -> None:
    """Those of the smaller programme are among those of the larger one, with the lives that they had."""
    few, many = refer(lever={"per_order": 0.1}), refer(lever={"per_order": 0.3})
    assert (people(many) >= people(few)).all()
    ordered = (line(ledger(s, "friends"), "orders", "orders")[:, -2, 0].sum(axis=1) for s in (few, many))
    np.testing.assert_array_less(next(ordered), next(ordered) + 1e-9)


@pytest.mark.parametrize("config", [{"jobs": 2}, {"shard_customers": 7}], ids=str)
def test_threads_and_blocks_change_no_bit(config: dict[str, Any]) -> None:
    a, b = refer(), refer(**config)
    for name in a.scenarios:
        assert_same_ledger(ledger(a, name), ledger(b, name))


def test_money_of_the_referred_is_in_the_plan_and_in_no_figure_of_newcomers() -> None:
    sim = refer()
    scenario, base = sim.scenarios["friends"], sim.scenarios[BASELINE]
    value = metrics.origin_value(scenario, "referred")
    reward = -(scenario.ledger.total("cost_incentive", discounted=True))
    others = metrics.origin_value(scenario, "existing") + metrics.origin_value(scenario, "new")
    own_reward = line(scenario.ledger, "cost_incentive", "friends")[:, -2, 1].sum(axis=1)
    np.testing.assert_allclose(others - metrics.customer_equity(sim, base), reward + own_reward, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(metrics.customer_equity(sim, scenario), others + value, rtol=1e-12)
    np.testing.assert_allclose(
        scenario.ledger.halves.sum(axis=(1, 2)) - base.ledger.halves.sum(axis=(1, 2)),
        metrics.customer_equity(sim, scenario) - metrics.customer_equity(sim, base),
        rtol=1e-6,
        atol=1e-4,
    )


def test_quality_is_that_of_the_referred_alone() -> None:
    plain, better = refer(draws=80), refer(draws=80, lever={"quality": {"spend": 0.5}})
    revenue = [line(ledger(s, "friends"), "revenue_orders", "orders")[:, :, 0].sum(axis=2) for s in (plain, better)]
    np.testing.assert_allclose(revenue[1][:, -2].sum(), 1.5 * revenue[0][:, -2].sum(), rtol=1e-6)
    np.testing.assert_array_equal(revenue[1][:, :-2], revenue[0][:, :-2])


def test_without_channels_customers_of_today_refer() -> None:
    sim = refer(acquisition=AcquisitionConfig(months=4))
    assert people(sim).mean() > 1
    assert "newcomers" not in metrics.available(sim)
    assert "referred" in metrics.available(sim)
    come = line(ledger(sim, "friends"), "customers_acquired", "acquisition")[:, -2, 0].sum(axis=0)
    assert come[:4].all()
    assert not come[4:].any()


def test_a_programme_that_multiplies_is_refused() -> None:
    """Each brings more than one other: the limit ends it, with what to lower."""
    with pytest.raises(ConfigError, match=r"friends: a world holds .* more than simulation\.max_people 500") as refused:
        refer(12, fitted=posterior(12, **SHORT), lever={"per_order": 0.9}, max_people=500)
    assert refused.value.problems[0].where == "scenario.friends"


def planned(draws: int, lever: dict[str, Any], acquisition: AcquisitionConfig, max_people: int = 100_000) -> RunPlan:
    library = scenarios(friends={"friends": LEVER | lever})
    return make_plan(
        shop(),
        library,
        list(library),
        simulation=SimulationConfig(draws=draws, horizon_months=12, max_people=max_people),
        finance=FinanceConfig(),
        acquisition=acquisition,
        environment=CALM,
        seed=3,
    )


@pytest.mark.parametrize(
    ("lever", "traits", "acquisition"),
    [
        ({}, {}, channels(months=6)),
        ({"per_order": 0.3}, SHORT, channels(months=6)),
        ({"who": {"customers": "new"}}, {}, channels(months=6)),
        ({"who": {"customers": "existing"}}, {}, channels(months=6)),
        ({"per_order": 0.3, "when": {"start_month": 2, "end_month": 5}}, {}, AcquisitionConfig(months=6)),
    ],
    ids=["all", "many generations", "newcomers alone", "customers of today alone", "three months"],
)
def test_how_many_come_is_known_before(
    lever: dict[str, Any], traits: dict[str, Any], acquisition: AcquisitionConfig
) -> None:
    """From closed forms, month by month: within 4 errors of the simulation, and 5 % for the middle of a month."""
    fitted, draws = posterior(40, **traits), 40
    plan = planned(draws, lever, acquisition)
    came, brings = expected_referred(plan, fitted, shop(), plan.scenarios["friends"].levers.offers)
    simulated = people(refer(draws, fitted=fitted, acquisition=acquisition, lever=lever))
    assert came.shape == brings.shape == (draws,)
    assert abs(simulated.mean() - came.mean()) < 4 * error(simulated) + 0.05 * came.mean()
    assert not list(crowded(plan, fitted, shop()))


def test_a_world_that_will_be_crowded_is_named_before_it_is_simulated() -> None:
    growing = planned(12, {"per_order": 0.45}, channels(months=6), max_people=500)
    (sentence,) = crowded(growing, posterior(12, **SHORT), shop())
    assert sentence.startswith("friends: friends may multiply beyond simulation.max_people 500, at which the run ends")
    exploding = planned(12, {"per_order": 0.9}, channels(months=6), max_people=500)
    (sentence,) = crowded(exploding, posterior(12, **SHORT), shop())
    assert "more than 500 customers are expected" in sentence
    at_the_first = planned(12, {"per_order": 0.9, "on_orders": [1]}, channels(months=6), max_people=5)
    assert not list(crowded(at_the_first, posterior(12), shop()))  # which order it is no closed form knows


@pytest.mark.parametrize("environment", [CALM, EnvironmentConfig(sd_prior=0.2)], ids=["calm", "stormy"])
def test_nobody_referred_is_the_baseline(environment: EnvironmentConfig) -> None:
    sim = refer(12, lever={"per_order": 0.0}, environment=environment, summary=shop())
    for account in ("orders", "revenue_orders", "active_customers"):
        np.testing.assert_array_equal(
            line(ledger(sim, "friends"), account, "orders"), line(ledger(sim), account, "orders"), err_msg=account
        )
    assert not people(sim).any()


def test_what_is_expected_of_a_programme_is_what_many_worlds_bring() -> None:
    """Of a skewed share, with children of children: quantiles and chance against the mean of 30 worlds of each draw."""
    share = {"kind": "expert", "p10": 0.01, "p50": 0.05, "p90": 0.2, "source": "made up"}
    cost = {"kind": "cost", "per": "once", "amount": 60.0}
    library = scenarios(friends={"friends": LEVER | {"per_order": share}, "flyer": cost})
    sim = run(library, draws=100, replicates=30, acquisition=channels(months=6), fitted=posterior(100))
    worlds = metrics.plan_value(sim, sim.scenarios["friends"]) - metrics.plan_value(sim, sim.scenarios[BASELINE])
    brute, found = worlds.reshape(100, 30).mean(axis=1), compare(sim).deltas["friends"]
    noise = worlds.reshape(100, 30).std(axis=1, ddof=1) / np.sqrt(30)
    assert np.sqrt(np.mean((found - brute) ** 2)) < 1.5 * np.sqrt(np.mean(noise**2)) + 0.05 * brute.std()
    assert abs((found > 0).mean() - (brute > 0).mean()) < 0.08
    assert found.min() > brute.min() - 3 * noise.max()
