"""What metrics declare about themselves, and whether simulated values keep to it."""

from typing import Any

import numpy as np
import pytest
from shop import channels, posterior, run, scenarios  # ty: ignore[import-not-found]

from clvsim.comparison import compare
from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import expected_values, per_draw
from clvsim.effects import NON_NEGATIVE, REAL
from clvsim.errors import ConfigError
from clvsim.metrics import (
    METRICS,
    PAYBACK,
    SHARE,
    Metric,
    applicable,
    available,
    head_and_fixed_costs,
    head_costs_per_customer,
    orders,
    per_visitor,
    plan_value,
    total_halves,
)
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation, levels
from clvsim.simulation.config import EnvironmentConfig

EVERYTHING: dict[str, Any] = {
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "margin": 0.1, "incentive": 9.0, "refund": 0.5},
    "friends": {"kind": "referral", "per_order": 0.1, "reward": 3.0},
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
    keys = ("acquisition", "visitors", "cost", "margin", "has_contacts", "referring")
    assert list(applicable(**dict.fromkeys(keys, True))) == list(METRICS)


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
        ({"halves": total_halves, "exact": True}, "an exact metric has no noise"),
        ({"known": orders}, "known of a metric without an expectation"),
        ({"calm": orders, "per": per_visitor}, "calm, per of a metric without an expectation"),
        ({"range": (0.0, 0.0)}, "is no interval"),
        ({"range": (1.0, 0.0)}, "is no interval"),
        ({"range": (float("nan"), 0.0)}, "is no interval"),
        ({"unit": "share", "range": NON_NEGATIVE}, r"goes beyond \(0.0, 1.0\), which holds every share"),
        ({"unit": "count", "range": REAL}, r"goes beyond \(0.0, inf\), which holds every count"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_a_declaration_that_contradicts_itself_is_refused(declared: dict[str, Any], rule: str) -> None:
    sound: dict[str, Any] = {"query": orders, "unit": "money", "range": REAL}
    Metric(**sound)
    with pytest.raises(ValueError, match=f"^metric orders: .*{rule}"):
        Metric(**sound | declared)


def test_all_contradictions_are_reported_at_once() -> None:
    with pytest.raises(ValueError, match=r"no noise for halves.*; .*is no interval; .*goes beyond"):
        Metric(orders, "share", (3.0, 2.0), halves=total_halves, exact=True)
    assert Metric(orders, "share", SHARE).range == SHARE


def test_what_is_realised_only_has_no_expectation() -> None:
    realised_only = {name for name, metric in METRICS.items() if not metric.has_expectation}
    assert realised_only == {"share_repaying", "referred", "contacts", "opt_outs"}
    table = compare(run(draws=20, acquisition=channels(), fitted=posterior(20, spread=0.2))).table
    bases = table.groupby("metric")["basis"].agg(set)
    for name in set(bases.index) - set(PAYBACK):
        assert bases[name] == ({"realised"} if name in realised_only else {"expected", "realised"}), name


def test_expectations_keep_to_the_range() -> None:
    """A regression that bends below nothing is held at nothing: orders of a scenario that nearly ends them."""
    lib = scenarios(
        end={
            "it": {
                "kind": "shift",
                "target": "rate",
                "size": {"kind": "expert", "p10": -0.99, "p50": -0.9, "p90": -0.2},
            }
        }
    )
    sim = run(lib, draws=200, fitted=posterior(200, spread=0.6))
    found = expected_values(sim, METRICS["orders"], make_designs(sim), [])
    assert found.values["end"].values.min() >= 0
    np.testing.assert_allclose(
        found.values["end"].values - found.values[BASELINE].values, found.deltas["end"].values, atol=1e-9
    )


def test_halves_of_a_ratio_add_up_to_it_and_measure_its_noise() -> None:
    """The delta method: (A₁ − A₂ − r(B₁ − B₂))/B has the variance of A/B; 400 worlds of one draw, 4·√(4/400) = 40 %."""
    sim = run(draws=400, acquisition=channels(visitors_per_month=2000), fitted=posterior(400))
    base = sim.scenarios[BASELINE]
    for name in ("pav_per_newcomer", "ltv_cac", "visitor_value"):
        metric = METRICS[name]
        assert metric.halves is not None
        halves, figure = metric.halves(sim, base), metric.query(sim, base)
        np.testing.assert_allclose(halves.sum(axis=1), figure, rtol=1e-9)
        assert (halves[:, 0] - halves[:, 1]).var() == pytest.approx(figure.var(), rel=0.4)


def test_known_costs_are_what_follows_no_random_event() -> None:
    costs = {
        "sign": {"kind": "cost", "per": "once", "amount": 100.0},
        "gift": {"kind": "cost", "per": "customer", "amount": 2.0},
        "stamp": {"kind": "cost", "per": "order", "amount": 1.0},
    }
    sim = run(scenarios(plan=costs), draws=20, acquisition=channels())
    base, plan = sim.scenarios[BASELINE], sim.scenarios["plan"]
    np.testing.assert_array_equal(head_and_fixed_costs(sim, base), 0.0)
    np.testing.assert_allclose(head_and_fixed_costs(sim, plan), -100.0 - 2.0 * 60)
    rest = plan_value(sim, plan) - plan_value(sim, base) - head_and_fixed_costs(sim, plan)
    assert rest.std() > 0  # newcomers' gifts, and stamps
    np.testing.assert_allclose(head_costs_per_customer(sim, plan), -2.0)


def test_a_metric_that_is_realised_only_cannot_decide() -> None:
    sim = run(draws=8, acquisition=channels())
    with pytest.raises(ConfigError, match=r"report.metric: share_repaying is known as simulated only"):
        compare(sim, "share_repaying")


def test_where_hardly_anybody_comes_a_newcomer_is_worth_what_the_closed_form_says() -> None:
    """1.2 newcomers a world: other seeds have others, and their mean says little, as its error does."""
    stormy, fitted = EnvironmentConfig(sd_prior=0.3, acquisition_sd=0.3), posterior(80, spread=0.2)
    means, errors = [], []
    for seed in range(6):
        acquisition = channels(visitors_per_month=2, conversion=0.05)
        sim = run(draws=80, replicates=2, acquisition=acquisition, fitted=fitted, environment=stormy, seed=seed)
        table = compare(sim).table.query("metric == 'pav_per_newcomer'").set_index("basis")
        closed = levels.pav_per_newcomer(sim)
        assert table["mean"]["expected"] == pytest.approx(closed.mean(), rel=1e-12)
        assert np.isnan(per_draw(sim, METRICS["pav_per_newcomer"].query(sim, sim.scenarios[BASELINE]))).any()
        means.append(table["mean"]["realised"])
        errors.append(table["mean_mcse"]["realised"])
    off = (np.array(means) - closed.mean()) / errors
    assert np.sqrt(np.mean(off**2)) < 2  # 6 values of a standard normal are within 1.6 in 99 of 100, luck is skewed
    assert np.std(means, ddof=1) < 3 * np.mean(errors)
