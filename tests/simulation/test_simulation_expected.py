"""`Simulation.expected` and the closed forms of metrics, against the simulator, published numbers and plain arithmetic.

Every tolerance against the simulator is 4 Monte Carlo standard errors, measured from the simulation itself and required
to be small beside what is measured.
"""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from shop import (
    CALM,
    GAMMA_GAMMA,
    assert_same,
    channels,
    ledger,
    line,
    posterior,
    run,
    scenarios,
    shop,
)

from clvsim.metrics import METRICS
from clvsim.models import RETENTION, SPEND
from clvsim.models.around.levels import Design, Group
from clvsim.models.around.pooling import Pooled
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births
from clvsim.models.spend import paid, rates
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation, levels
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior
from tests.stories import STORIES

PRINTED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
PARETO = {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}
MONEY = {
    "gamma_gamma": GAMMA_GAMMA,
    "lognormal": {"mu": 3.0, "omega": 0.7, "sigma": 0.5, "first_order_factor": 0.8},
    "fixed_price": {"price": 25.0, "first_order_factor": 1.2},
}
COSTS: dict[str, Any] = {
    "wages": {"kind": "cost", "per": "month", "amount": 100.0},
    "launch": {"kind": "cost", "per": "once", "amount": 250.0, "when": {"start_month": 2}},
    "parcel": {"kind": "cost", "per": "order", "amount": 0.7},
    "fee": {"kind": "cost", "per": "revenue", "amount": {"kind": "prior", "dist": "beta", "alpha": 4.0, "beta": 76.0}},
    "gift": {"kind": "cost", "per": "customer", "amount": 2.0, "who": {"customers": "new"}},
    "letter": {"kind": "cost", "per": "customer", "amount": 0.5, "who": {"customers": "existing"}},
}


def drawn(values: dict[str, float], draws: int, spread: float = 0.15, fixed: tuple[str, ...] = ()) -> dict:
    """Lognormal around the values, so that a formula that takes another draw's parameters shows."""
    random = np.random.default_rng(4)
    return {
        name: value * np.exp((name not in fixed) * spread * random.standard_normal(draws))
        for name, value in values.items()
    }


def fitted_of(name: str, draws: int, spend: str = "gamma_gamma", rho: float | None = None) -> FittedModels:
    model = RETENTION[name](**STORIES[name].config)
    life, money = drawn(dict(STORIES[name].params), draws, fixed=("k",)), drawn(MONEY[spend], draws, 0.05)
    if rho is not None:
        of_rate = rates.log_rate(model.newcomer_laws(life, 7.0))
        money |= {"rho": np.full(draws, rho), "log_rate_mean": of_rate.mean, "log_rate_sd": of_rate.sd}
        return FittedModels(model, SPEND[spend](correlated=True), Posterior(life, money, "week"))
    return FittedModels(model, SPEND[spend](), Posterior(life, money, "week"))


def few_customers(name: str) -> CustomerSummary:
    """As any model reads them."""
    model, summary = RETENTION[name](**STORIES[name].config), shop(8)
    frame = summary.customers.assign(recency_days=0.0, frequency=0, log_gaps=0.0)
    return replace(summary, customers=frame, opportunity_days=model.opportunity_days)


def many_newcomers(months: int = 2, **changed: Any) -> AcquisitionConfig:
    return channels(months=months, visitors_per_month=30_000, **changed)


def close(worlds: np.ndarray, expected: np.ndarray, within: float = 0.05, beside: float | None = None) -> None:
    """Worlds (w, ...) against the expectation of their draws, (w, ...): 4 errors, and these `within` that share of it,
    or of what it stands beside."""
    gap = worlds - expected
    mean, mcse = gap.mean(axis=0), gap.std(axis=0, ddof=1) / np.sqrt(len(gap))
    size = np.abs(expected.mean(axis=0)) if beside is None else beside
    assert (4 * mcse <= within * size + 1e-12).all(), (mcse, size)
    assert (np.abs(mean) <= 4 * mcse + 1e-9 * np.abs(expected).mean(axis=0)).all(), mean / mcse


def check_newcomers(sim: Simulation) -> None:
    """Orders, discounted orders and revenue by month of own age, and what they come to by calendar."""
    book, expected, draw = ledger(sim), sim.expected, sim.worlds.draw
    heads = line(book, "customers_acquired", "acquisition", age=True)[:, :, 0].sum(axis=-1)  # (w, channels)
    for account, plain, discounted in (
        ("orders", expected.age_orders, expected.age_discounted_orders),
        ("revenue_orders", expected.age_revenue_undiscounted, expected.age_revenue),
    ):
        found = line(book, account, "orders", age=True)
        for column, per_head in ((0, plain), (1, discounted)):
            until = np.cumsum(found[:, :, column], axis=-1)
            close(until, heads[:, :, None] * np.cumsum(per_head, axis=2)[draw])
    new = [g for g, group in enumerate(book.groups) if group.origin == "new"]
    n = expected.newcomers
    for account, by_arrival in (
        ("orders", n * expected.arrival_discount * expected.newcomer_discounted_orders),
        ("revenue_orders", n * expected.arrival_discount * expected.newcomer_revenue),
    ):
        close(line(book, account, "orders")[:, new, 1].sum(axis=-1), by_arrival.sum(axis=2)[draw])
    close(line(book, "orders", "orders")[:, new, 0].sum(axis=-1), (n * expected.newcomer_orders).sum(axis=2)[draw])
    close(heads, n.sum(axis=2)[draw])


@pytest.mark.parametrize("name", RETENTION)
def test_newcomers_of_every_retention_model(name: str) -> None:
    draws = 60
    fitted = fitted_of(name, draws, "fixed_price" if RETENTION[name]().renewing else "gamma_gamma")
    sim = run(
        draws=draws, fitted=fitted, summary=few_customers(name), acquisition=many_newcomers(), horizon_months=14, jobs=2
    )
    check_newcomers(sim)


@pytest.mark.parametrize(
    ("name", "spend", "rho"),
    [
        ("bg_nbd", "lognormal", 0.7),
        ("pareto_nbd", "lognormal", -0.5),
        ("mbg_cnbd", "lognormal", 0.6),
        ("mbg_nbd", "lognormal", None),
        ("bg_nbd", "fixed_price", None),
    ],
)
def test_newcomers_of_every_spend_model(name: str, spend: str, rho: float | None) -> None:
    draws = 60
    fitted = fitted_of(name, draws, spend, rho)
    sim = run(
        draws=draws, fitted=fitted, summary=few_customers(name), acquisition=many_newcomers(), horizon_months=10, jobs=2
    )
    check_newcomers(sim)


FREE = {paid.REPEAT: 0.6, paid.CONCENTRATION: 4.0, paid.FIRST: 0.75}


def with_free_orders(fitted: FittedModels) -> FittedModels:
    """Shares of each draw; a newcomer's first order is free apart from the later ones."""
    posterior = fitted.posterior
    shares = {name: values * 0.95 for name, values in drawn(FREE, posterior.draws, 0.05).items()}
    return replace(fitted, posterior=replace(posterior, spend={**posterior.spend, **shares}))


@pytest.mark.parametrize("name", ["bg_nbd", "bg_bb", "sbg"])
def test_free_orders_of_newcomers(name: str) -> None:
    """Orders as before, money of the paid ones."""
    draws = 60
    fitted = with_free_orders(fitted_of(name, draws, "fixed_price" if name == "sbg" else "gamma_gamma"))
    sim = run(
        draws=draws, fitted=fitted, summary=few_customers(name), acquisition=many_newcomers(), horizon_months=10, jobs=2
    )
    check_newcomers(sim)


def test_free_orders_of_existing_customers() -> None:
    """Given how many of their own were free: half of the customers had mostly free orders."""
    draws, summary = 300, shop(200, segments=2)
    x, amount = summary.customers["frequency"], summary.customers["repeat_amount"]
    paid_orders = x.where(x.index % 2 == 0, x // 3)
    amounts = {"repeat_positive": paid_orders, "repeat_amount": amount * paid_orders / x.clip(1)}
    summary = replace(summary, customers=summary.customers.assign(**amounts))
    sim = run(draws=draws, fitted=with_free_orders(posterior(draws, 0.1)), summary=summary, horizon_months=18, jobs=2)
    book, expected, draw = ledger(sim), sim.expected, sim.worlds.draw
    orders, revenue = (line(book, account, "orders")[:, :-1].sum(axis=-1) for account in ("orders", "revenue_orders"))
    close(orders[:, :, 0], expected.existing_orders[draw], within=0.08)
    close(revenue[:, :, 1], expected.existing_revenue[draw], within=0.1)
    per_order = expected.existing_revenue.mean(axis=0) / expected.existing_discounted_orders.mean(axis=0)
    assert per_order[1] < 0.8 * per_order[0]


def test_a_free_order_stays_free() -> None:
    """A lever on amounts moves paid orders only, offers sell beside free ones, and without effect nothing moves."""
    fitted, library = with_free_orders(posterior(20)), {
        "dearer": {"price": {"kind": "shift", "target": "spend", "size": 0.5}},
        "still": {"price": {"kind": "shift", "target": "spend", "size": 0.0}},
        "extra": {"upsell": {"kind": "offer", "take": 1.0, "price": 10.0, "refund": 0.0, "cannibalised": 0.0}},
    }  # fmt: skip
    sim = run(scenarios(**library), draws=20, fitted=fitted, acquisition=channels())
    base, dearer, extra = (ledger(sim, name) for name in (BASELINE, "dearer", "extra"))
    revenue = line(base, "revenue_orders", "orders")
    np.testing.assert_allclose(line(dearer, "revenue_orders", "orders"), 1.5 * revenue, rtol=1e-6)
    np.testing.assert_array_equal(line(dearer, "orders", "orders"), line(base, "orders", "orders"))
    np.testing.assert_array_equal(line(ledger(sim, "still"), "revenue_orders", "orders"), revenue)
    sold = line(extra, "revenue_offers", "upsell")[:, :, 0].sum()
    assert sold == pytest.approx(10 * line(extra, "orders", "orders")[:, :, 0].sum(), rel=1e-9)


def test_without_discount() -> None:
    """The same twice, and the same undiscounted figures as with one."""
    plain, discounted = (run(draws=6, acquisition=channels(), rate=rate).expected for rate in (0.0, 0.1))
    for with_discount, without in (
        (plain.age_discounted_orders, plain.age_orders),
        (plain.age_revenue, plain.age_revenue_undiscounted),
        (plain.existing_discounted_orders, plain.existing_orders),
        (discounted.age_orders, plain.age_orders),
        (discounted.existing_orders, plain.existing_orders),
        (plain.arrival_discount, np.ones(3)),
    ):
        np.testing.assert_array_equal(with_discount, without)
    assert (discounted.age_revenue[:, :, 1:] < plain.age_revenue[:, :, 1:]).all()


def test_existing_customers_by_group() -> None:
    """Revenue and orders of each segment, discounted and not."""
    draws = 300
    summary = shop(200, segments=3)
    sim = run(draws=draws, fitted=posterior(draws, 0.1), summary=summary, horizon_months=18, jobs=2)
    book, expected, draw = ledger(sim), sim.expected, sim.worlds.draw
    orders, revenue = (line(book, account, "orders")[:, :-1].sum(axis=-1) for account in ("orders", "revenue_orders"))
    close(orders[:, :, 0], expected.existing_orders[draw], within=0.08)
    close(orders[:, :, 1], expected.existing_discounted_orders[draw], within=0.08)
    close(revenue[:, :, 1], expected.existing_revenue[draw], within=0.1)
    np.testing.assert_array_equal(expected.existing_customers, np.bincount(np.arange(200) % 3))
    assert expected.newcomers.shape == (draws, 0, 0)


def test_channels_with_parameters_of_their_own() -> None:
    """Pooled over channels newcomers are of their channel's level, others of all levels as customers have them."""
    draws = 60
    group = Group(by="channel", names=("ads", "fair"))
    design = Design(group=group, covariates=(), purchase=(), attrition=(), levels=(0, 1), shares=(0.7, 0.3))
    effects = {"log_rate[channel ads]": 0.5, "log_rate[channel fair]": -0.5, "log_rate[new channel]": 0.0}
    effects |= {name.replace("log_rate", "logit_dropout"): -value for name, value in effects.items()}
    section = RETENTION["mbg_nbd"](pool="channel")
    life = {name: np.full(draws, v) for name, v in ({**STORIES["mbg_nbd"].params, **effects}).items()}
    spend = {name: np.full(draws, v) for name, v in GAMMA_GAMMA.items()}
    model: Any = Pooled(section, design)
    fitted = FittedModels(model, SPEND["gamma_gamma"](), Posterior(life, spend, "week"))
    summary = shop(8)
    summary = replace(summary, customers=summary.customers.assign(channel=["ads", "fair"] * 4))
    ads = {"visitors_per_month": 30_000, "conversion": 0.02}
    acquisition = AcquisitionConfig.model_validate(
        {"months": 2, "channels": dict.fromkeys(("ads", "fair", "new"), ads)}
    )
    sim = run(draws=draws, fitted=fitted, summary=summary, acquisition=acquisition, jobs=2)
    check_newcomers(sim)
    by_channel = sim.expected.newcomer_orders[0, :, 0]
    assert by_channel[0] > by_channel[2] > by_channel[1]
    assert by_channel[2] - 1 == pytest.approx(0.7 * (by_channel[0] - 1) + 0.3 * (by_channel[1] - 1), rel=1e-12)


def everything(**config: Any) -> Simulation:
    """All costs, two groups of today's customers, several months of arrivals, uncertain parameters."""
    library = scenarios()
    library[BASELINE] = Scenario.model_validate({"title": "As today"} | COSTS)
    draws = config.pop("draws", 12)
    settings: dict[str, Any] = {"fitted": posterior(draws, 0.1), "acquisition": channels(months=4)}
    settings["summary"] = shop(40, segments=2)
    return run(library, draws=draws, **(settings | config))


def test_metrics_are_the_expectation_of_their_worlds() -> None:
    """All with a closed form, with costs of all kinds. Ratios by their numerators, since they are of expectations."""
    sim = everything(
        draws=400,
        acquisition=channels(months=4, visitors_per_month=3000),
        summary=shop(400, segments=2),
        horizon_months=9,
        jobs=2,
    )
    base, draw = sim.scenarios[BASELINE], sim.worlds.draw
    assert base.acquired is not None
    worlds = {name: METRICS[name].query(sim, base) for name in levels.CLOSED_FORMS}
    closed = {name: function(sim)[draw] for name, function in levels.CLOSED_FORMS.items()}
    revenue = ledger(sim).total("revenue_orders", discounted=True).mean()
    for name in ("plan_value", "customer_equity", "rlv_total", "newcomers_total"):
        close(worlds[name], closed[name], within=0.03, beside=revenue)
    np.testing.assert_allclose(closed["rlv_per_customer"], closed["rlv_total"] / 400, rtol=1e-12)
    for name in ("newcomers", "orders"):
        close(worlds[name], closed[name])
    np.testing.assert_allclose(closed["cac"], worlds["cac"], rtol=1e-12)
    np.testing.assert_allclose(base.acquired.conversion * closed["pav_per_newcomer"], closed["visitor_value"])
    np.testing.assert_allclose(closed["pav_per_newcomer"] / closed["cac"], closed["ltv_cac"])
    np.testing.assert_allclose(closed["pav_per_newcomer"] - closed["cac"], closed["clv_per_newcomer"])
    people = worlds["newcomers"]
    close(worlds["pav_per_newcomer"] * people, closed["pav_per_newcomer"] * people)
    curve = levels.expected_age_curve(sim)[draw]
    until = np.cumsum(ledger(sim).contribution(age=True).sum(axis=1), axis=1)
    close(until, people[:, None] * curve[:, 1:])
    plain = levels.expected_age_curve(sim, discounted=False)[draw]
    until = np.cumsum(ledger(sim).contribution(age=True, discounted=False).sum(axis=1), axis=1)
    close(until, people[:, None] * plain[:, 1:])


def test_costs_of_the_baseline_to_the_cent() -> None:
    """What costs take from the plan's value, draw by draw, by hand."""
    with_costs = everything()
    draws, library = 12, scenarios()
    settings: dict[str, Any] = {"draws": draws, "fitted": posterior(draws, 0.1), "summary": shop(40, segments=2)}
    without = run(library, acquisition=channels(months=4), **settings)
    expected = without.expected
    fee = with_costs.scenarios[BASELINE].compiled.inputs["scenario.baseline.fee.amount"]
    assert np.ptp(fee) > 0
    discount = 1.1 ** (-np.arange(12) / 12)
    weight = expected.newcomers * expected.arrival_discount
    orders = expected.existing_discounted_orders.sum(axis=1)
    orders = orders + (weight * expected.newcomer_discounted_orders).sum(axis=(1, 2))
    revenue = expected.existing_revenue.sum(axis=1) + (weight * expected.newcomer_revenue).sum(axis=(1, 2))
    taken = 100.0 * discount.sum() + 250.0 * discount[2] + 0.7 * orders + fee * revenue
    there = with_costs.expected.activity
    assert there is not None
    still = (there.followed / (there.existing + there.newcomers))[:, 12:]  # of all who are served after the horizon
    taken += 100.0 * (still * 1.1 ** (-np.arange(12, 16) / 12)).sum(axis=1)
    taken += 2.0 * weight.sum(axis=(1, 2)) + 0.5 * 40
    np.testing.assert_allclose(levels.plan_value(without) - levels.plan_value(with_costs), taken, rtol=1e-12)
    curve = levels.expected_age_curve(with_costs)
    at_first = (0.4 - fee) * expected.first_revenue[:, 0] - 1.5 - 0.7 - 2.0
    np.testing.assert_allclose(curve[:, 0], at_first, rtol=1e-9)
    np.testing.assert_allclose(curve[:, -1], levels.pav_per_newcomer(with_costs), rtol=1e-9)


def test_a_conversion_that_the_baseline_shifts_is_in_the_number_of_newcomers() -> None:
    shift = {"kind": "shift", "target": "conversion", "size": 0.2, "when": {"start_month": 1}}
    library = {BASELINE: Scenario.model_validate({"title": "As today", "lift": shift})}
    count = run(library, acquisition=channels()).expected.newcomers[0, 0]
    odds = 0.02 / 0.98 * 1.2
    np.testing.assert_allclose(count, [8.0, *[400 * odds / (1 + odds)] * 2], rtol=1e-12)


def test_published_means() -> None:
    """E[X(t)] at the estimates that Fader, Hardie & Lee 2005 print for CDNOW, in weeks.

    Pareto/NBD's are those of the estimates themselves, of which the printed r alone leaves 1 in 10,000 open.
    """
    weeks = np.array([1, 3, 12, 26, 39, 52, 78])
    births = Births(np.zeros(1), 30.0)
    for name, params, open_share, published in (
        ("bg_nbd", PRINTED, 0.0, (0.05327, 0.15087, 0.50137, 0.90264, 1.19672, 1.44605, 1.86052)),
        ("pareto_nbd", PARETO, 1e-4, (0.05101, 0.14613, 0.49776, 0.90891, 1.21340, 1.47343, 1.90987)),
    ):
        life = {k: np.array([v]) for k, v in params.items()}
        found = RETENTION[name]().expected_discounted_orders_new(life, 7.0 * weeks, 0.0, 7.0, births)
        np.testing.assert_allclose(found[0, 0], published, rtol=open_share, atol=5e-6)


# --- invariance -------------------------------------------------------------------------------------------------------


def assert_same_levels(one: Simulation, other: Simulation) -> None:
    for name, value in vars(one.expected).items():
        if name == "activity":
            assert value is not None
            assert other.expected.activity is not None
            for part in ("existing", "newcomers", "followed"):
                np.testing.assert_array_equal(getattr(value, part), getattr(other.expected.activity, part))
        else:
            np.testing.assert_array_equal(value, getattr(other.expected, name), err_msg=name)


def test_neither_jobs_nor_blocks_nor_rows_change_a_bit() -> None:
    reference = everything(draws=70)
    summary = shop(40, segments=2)
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    for other in (everything(draws=70, jobs=3, shard_customers=7), everything(draws=70, summary=shuffled)):
        assert_same_levels(other, reference)
    assert_same(everything(draws=70, jobs=2), reference)


def test_shocks_leave_the_expectation_alone() -> None:
    """It stands at their mean."""
    stormy = EnvironmentConfig(sd_prior=0.2, acquisition_sd=0.2, learn=False)
    assert_same_levels(everything(environment=stormy), everything(environment=CALM))


# --- what a scenario touches ------------------------------------------------------------------------------------------

LEVERS: dict[str, dict[str, Any]] = {
    "all": {"a": {"kind": "shift", "target": "rate", "size": 0.1}},
    "new": {"a": {"kind": "offer", "take": 0.2, "price": 9.0, "who": {"customers": "new"}}},
    "segment": {"a": {"kind": "shift", "target": "spend", "size": 0.1, "who": {"segments": ["s1"]}}},
    "early": {"a": {"kind": "shift", "target": "rate", "size": 0.1, "when": {"end_month": 3}}},
    "late": {"a": {"kind": "shift", "target": "rate", "size": 0.1, "when": {"start_month": 3}}},
    "conversion": {"a": {"kind": "shift", "target": "conversion", "size": 0.1, "when": {"start_month": 2}}},
    "costs": {"a": {"kind": "cost", "per": "month", "amount": 5.0}},
}


def test_touched_revenue_is_that_of_the_people_and_months_reached() -> None:
    sim = run(
        scenarios(**LEVERS),
        draws=40,
        fitted=posterior(40, 0.1),
        acquisition=channels(months=4),
        summary=shop(60, segments=2),
    )
    expected = sim.expected
    found = {name: levels.touched_revenue(sim, sim.scenarios[name]) for name in LEVERS}
    by_month = expected.newcomers * expected.arrival_discount * expected.newcomer_revenue
    new, existing = by_month.sum(axis=(1, 2)), expected.existing_revenue
    everything_reached = existing.sum(axis=1) + new
    for name, revenue in (
        ("all", everything_reached),
        ("costs", everything_reached),
        ("new", new),
        ("segment", existing[:, 1]),
        ("conversion", by_month[:, 0, 2:].sum(axis=1)),
        ("early", everything_reached - found["late"]),
    ):
        np.testing.assert_allclose(found[name], revenue, rtol=1e-9, err_msg=name)
    assert (np.stack(list(found.values())) > 0).all()
    book = ledger(sim)
    early = line(book, "revenue_orders", "orders")[:, :, 1, :3].sum(axis=(1, 2)).mean()
    assert found["early"].mean() == pytest.approx(early, rel=0.1)


# --- who is there -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bg_nbd", "mbg_nbd", "pareto_nbd", "mbg_cnbd", "bg_bb", "sbg"])
def test_activity_is_that_of_the_ledger(name: str) -> None:
    """At the end of each month of the horizon today's customers, and newcomers for as long as they are followed."""
    draws = 60
    library = {BASELINE: Scenario.model_validate({"title": "As today", "wages": COSTS["wages"]})}
    renewing = RETENTION[name]().renewing
    sim = run(
        library,
        draws=draws,
        fitted=fitted_of(name, draws, "fixed_price" if renewing else "gamma_gamma"),
        summary=crowd(name),
        acquisition=many_newcomers(),
        horizon_months=10,
        jobs=2,
    )
    activity, draw = sim.expected.activity, sim.worlds.draw
    assert activity is not None
    active = line(ledger(sim), "active_customers", "orders")[:, :, 0]
    close(active[:, 0, :10], activity.existing[draw][:, :10], within=0.1)
    close(active[:, 1, :11], activity.followed[draw][:, :11])
    assert (activity.newcomers[:, :10] == activity.followed[:, :10]).all()
    assert (activity.followed[:, 10] < activity.newcomers[:, 10]).all()
    assert (activity.followed[:, 11] == 0).all()


def crowd(name: str) -> CustomerSummary:
    """300 customers who bought once, 0 to 200 days ago."""
    model, summary = RETENTION[name](**STORIES[name].config), shop(300)
    T = np.arange(300.0) % 200
    frame = summary.customers.assign(recency_days=0.0, frequency=0, log_gaps=0.0, T_days=T)
    if model.renewing:
        frame = frame.assign(recency_days=np.floor(T / DAYS_PER_MONTH) * DAYS_PER_MONTH)
    return replace(summary, customers=frame, opportunity_days=model.opportunity_days, today=date(2024, 9, 30))


def test_no_activity_is_computed_that_nobody_needs() -> None:
    assert run(acquisition=channels()).expected.activity is None
    library = {BASELINE: Scenario.model_validate({"title": "As today", "wages": COSTS["wages"]})}
    assert run(library).expected.activity is None
