"""Payback, share repaying and ratios, on numbers that can be followed by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from shop import channels, ledger, line, posterior, run, scenarios  # ty: ignore[import-not-found]

from clvsim import metrics
from clvsim.comparison import compare
from clvsim.comparison.designs import make_designs
from clvsim.comparison.payback import (
    by_age,
    cost_of_one,
    expected_curve,
    payback_curve,
    payback_months,
    payback_rows,
)
from clvsim.models import RETENTION
from clvsim.models.around.several import MODEL, Several, named, shared_out
from clvsim.models.retention.bg_nbd import BgNbd
from clvsim.report.facts import decision_facts
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import FinanceConfig
from clvsim.simulation.ledger import Line
from clvsim.simulation.levels import expected_age_curve


@pytest.mark.parametrize(
    ("curve", "cost", "month"),
    [
        ([0, 5, 12, 20], 10, 2),
        ([0, 10, 10, 10], 10, 1),  # reached exactly counts
        ([0, 12, 9, 15], 10, 3),  # fell below again: only then does it stay
        ([0, 12, 15, 9], 10, np.inf),  # below at the end of what is followed
        ([0, 1, 2, 3], 10, np.inf),
        ([0, 1, 2, 3], 0, 0),  # nothing was paid
        ([0, -5, -1, 3], 0, 3),
    ],
)
def test_payback_month(curve: list[float], cost: float, month: float) -> None:
    months = payback_months(np.array([curve, curve], float), np.array([cost, 1e9], float))
    np.testing.assert_array_equal(months, [month, np.inf])


def toy() -> Simulation:
    """Four draws whose newcomers' ledger is written by hand: 2 customers each, contribution 30, 10, 0, −8, 20 …"""
    sim = run(draws=4, horizon_months=5, acquisition=channels())
    scenario = sim.scenarios[BASELINE]
    book = scenario.ledger
    age = np.zeros_like(book.age)
    revenue = book.lines.index(Line("revenue_orders", "orders"))
    cost = book.lines.index(Line("cost_goods", "orders"))
    heads = book.lines.index(Line("customers_acquired", "acquisition"))
    active = book.lines.index(Line("active_customers", "orders"))
    age[:, 0, revenue, :, :] = [30, 10, 0, 0, 20]
    age[:, 0, cost, :, 3] = 8
    age[1, 0, revenue, 1, :] = 1.0  # discounted figures count, not the others
    age[:, 0, heads, :, 0] = 2
    age[:, 0, active, :, :] = [2, 1, 1, 1, 1]  # one of the two is lost at once: still counted
    first = np.zeros_like(book.first)
    first[:, 0, revenue] = 12
    first[1, 0, revenue, 1] = 0.4
    assert scenario.acquired is not None
    paid = replace(scenario.acquired, cac=np.array([15.0, 15.0, 18.0, 40.0]), conversion=np.full(4, 0.1))
    with_ages = replace(scenario, ledger=replace(book, age=age, first=first), acquired=paid)
    return replace(sim, scenarios={BASELINE: with_ages})


def test_toy_by_hand() -> None:
    """Cumulative value per acquired customer: 6, 15, 20, 20, 16, 26; of the second draw .2, .5, 1, 1.5, −2, −1.5."""
    sim = toy()
    cash = by_age(sim, sim.scenarios[BASELINE].ledger).cumsum(axis=1)
    curve, months = payback_curve(cash, np.array([15.0, 15.0, 18.0, 40.0]))
    # CAC 15 is reached in month 1 and kept; 18 is reached in month 2, lost in month 4, reached for good in month 5
    np.testing.assert_array_equal(months, [1, np.inf, 5, np.inf])
    by_draw = np.array(
        [[6, 15, 20, 20, 16, 26], [0.2, 0.5, 1, 1.5, -2, -1.5], [6, 15, 20, 20, 16, 26], [6, 15, 20, 20, 16, 26]]
    )
    np.testing.assert_allclose(curve.mean, by_draw.mean(axis=0))
    np.testing.assert_allclose(curve.p05, np.quantile(by_draw, 0.05, axis=0))
    np.testing.assert_array_equal(curve.months, np.arange(6))
    assert curve.cac_mean == 22.0
    assert curve.p_within_12_months == 0.5
    assert curve.p_never == 0.5
    pav = metrics.pav_per_newcomer(sim, sim.scenarios[BASELINE])
    np.testing.assert_allclose(pav, [26, -1.5, 26, 26])
    np.testing.assert_allclose(metrics.ltv_cac(sim, sim.scenarios[BASELINE]), [26 / 15, -0.1, 26 / 18, 26 / 40])
    np.testing.assert_allclose(metrics.clv_per_newcomer(sim, sim.scenarios[BASELINE]), [11, -16.5, 8, -14])
    np.testing.assert_allclose(metrics.visitor_value(sim, sim.scenarios[BASELINE]), [2.6, -0.15, 2.6, 2.6])
    rows = {row["metric"]: row for row in payback_rows(sim, BASELINE, months, months - 1, "parameter")}
    assert rows["p_payback_12_months"]["mean"] == 0.5
    assert rows["p_payback_never"]["mean"] == 0.5
    assert rows["payback_months"]["p05"] == 5  # the next higher of 1 and 5
    assert rows["payback_undiscounted_months"]["p05"] == 4
    assert np.isinf(rows["payback_months"]["p50"])


def test_payback_is_not_the_survivors() -> None:
    """The curve divides by everybody who was acquired, lost customers included."""
    sim = run(draws=60, horizon_months=24, acquisition=channels(), fitted=posterior(60, a=2.0))
    book = ledger(sim)
    cash = book.contribution(age=True).sum(axis=1)
    everybody = line(book, "customers_acquired", "acquisition", age=True)[:, 0, 0].sum(axis=1)
    alive = line(book, "active_customers", "orders", age=True)[:, 0, 0]
    steps = by_age(sim, sim.scenarios[BASELINE].ledger)
    monthly = np.column_stack([steps[:, :2].sum(axis=1), steps[:, 2:]])  # the first order and the rest of its month
    np.testing.assert_allclose(monthly, cash / everybody[:, None], rtol=1e-9, atol=1e-9)
    assert (alive[:, -1] < 0.7 * everybody).mean() > 0.9
    curve, _ = payback_curve(expected_curve(sim, BASELINE, make_designs(sim)), cost_of_one(sim, BASELINE))
    assert curve.mean[-1] < 0.8 * (cash.sum(axis=1) / np.maximum(alive[:, -2], 1)).mean()


@pytest.mark.parametrize("discounted", [True, False])
def test_the_baselines_curve_is_its_closed_form_and_a_lever_adds_to_it(discounted: bool) -> None:
    """By month of age: the simulated curve lies around it, 4 standard errors; 30 % more spend adds 30 % of revenue."""
    lib = scenarios(dearer={"it": {"kind": "shift", "target": "spend", "size": 0.3, "who": {"customers": "new"}}})
    sim = run(
        lib,
        draws=400,
        acquisition=channels(visitors_per_month=4000),
        fitted=posterior(400, spread=0.1),
        margin=1.0,
        cost_per_order=0.0,
    )
    designs = make_designs(sim)
    curve = expected_curve(sim, BASELINE, designs, discounted=discounted)
    np.testing.assert_array_equal(curve, expected_age_curve(sim, discounted=discounted))
    gap = by_age(sim, sim.scenarios[BASELINE].ledger, discounted=discounted).cumsum(axis=1) - curve
    assert (np.abs(gap.mean(axis=0)) < 4 * gap.std(axis=0) / np.sqrt(400)).all()
    dearer = expected_curve(sim, "dearer", designs, discounted=discounted)
    ratio = dearer / curve
    simulated = by_age(sim, sim.scenarios["dearer"].ledger, discounted=discounted).cumsum(axis=1) / curve
    assert ratio.mean() == pytest.approx(1.3, abs=0.01)
    assert ratio[:, -1].std() < simulated[:, -1].std() / 3
    assert ratio[:, 0].mean() == pytest.approx(1.3, abs=0.01)  # the first order is at age 0 and dearer too


def test_share_repaying_by_hand() -> None:
    """No newcomer repays a cost beyond reach, all repay a cost of 0; between them the first order decides most."""
    shares = []
    for cost in (0.0, 0.3, 1000.0):
        sim = run(draws=40, horizon_months=12, acquisition=channels(cost_per_visitor=cost), cost_per_order=0.0)
        shares.append(metrics.share_repaying(sim, sim.scenarios[BASELINE]))
    np.testing.assert_array_equal(shares[0], 1.0)
    np.testing.assert_array_equal(shares[2], 0.0)
    assert 0.1 < shares[1].mean() < 0.9


def test_share_repaying_counts_customers_once() -> None:
    """One order each and no other: those whose first order's margin covers the CAC of 15, which scipy can count."""
    from scipy import stats

    lost_at_once = posterior(200, r=1e-6)  # nobody orders again
    sim = run(draws=200, horizon_months=12, acquisition=channels(cost_per_visitor=0.3), fitted=lost_at_once, margin=0.5)
    book = ledger(sim)
    heads = book.total("customers_acquired", age=True)
    np.testing.assert_array_equal(book.total("orders", age=True), heads)
    # amount = f × G(p) / G(q) × γ: f γ p/q × F(2p, 2q); needs .5 × amount − 1.5 ≥ 15
    p, q, gamma, f = 6.25, 3.74, 15.44, 0.94
    expected = stats.f.sf(33 / (f * gamma * p / q), 2 * p, 2 * q)
    repaid = book.total("repaid", age=True)
    assert abs(repaid.sum() / heads.sum() - expected) < 4 * np.sqrt(expected * (1 - expected) / heads.sum())


def test_everything_in_one_table() -> None:
    """Rows of a run with and without margin and acquisition; a scenario with no effect ties with the baseline."""
    nothing = {"it": {"kind": "shift", "target": "rate", "size": 0.0}}
    sized = {"kind": "prior", "dist": "normal", "mean": 0.3, "sd": 0.01}
    lib = scenarios(
        same=nothing, up={"it": nothing["it"] | {"size": sized}}, stated={"it": nothing["it"] | {"size": 9}}
    )
    full = compare(run(lib, draws=100, replicates=5, acquisition=channels(), fitted=posterior(100, spread=0.05)))
    assert set(metrics.PAYBACK) <= set(full.table["metric"])
    rows = full.table[(full.table["metric"] == "plan_value") & (full.table["basis"] == "expected")].set_index(
        "scenario"
    )
    assert rows.loc["same", "p_better"] == 0.5
    assert rows.loc["same", "p_equal"] == 1.0
    assert rows.loc["same", ["delta_mean", "delta_p05", "delta_p95", "delta_mcse", "p_better_mcse"]].eq(0).all()
    assert rows.loc["same", "p_best"] == rows.loc[BASELINE, "p_best"]
    assert rows.loc["up", "p_better"] > 0.9
    assert rows.loc["up", "p_equal"] == 0
    # What is stated as certain has consequences and no chance, and takes none from the others.
    assert rows.loc["stated", "delta_mean"] > rows.loc["up", "delta_mean"]
    assert rows.loc["stated", ["p_better", "p_best", "expected_loss"]].isna().all()
    assert rows["p_best"].sum() == pytest.approx(1)
    bare = compare(run(lib, draws=30, margin=None, cost_per_order=0.0))
    assert not set(bare.table["metric"]) & {"cac", "clv_per_newcomer", "ltv_cac", "share_repaying", *metrics.PAYBACK}
    assert {"plan_value", "rlv_total", "orders"} <= set(bare.table["metric"])
    with pytest.raises(KeyError):
        compare(run(draws=8), "cac")


def test_layers_of_variance_add_up() -> None:
    from clvsim.simulation.config import EnvironmentConfig

    sim = run(draws=400, fitted=posterior(400, spread=0.1), environment=EnvironmentConfig(sd_prior=0.3))
    parts = compare(sim).variance
    assert parts["total"] == pytest.approx(metrics.plan_value(sim, sim.scenarios[BASELINE]).var(ddof=1), rel=1e-9)
    assert min(parts.values()) >= 0
    assert parts["parameter"] > 0
    assert parts["process"] > 0
    assert parts["parameter"] + parts["process"] + parts["environment"] >= parts["total"] * 0.999


def test_which_model_is_a_layer_of_its_own() -> None:
    """BG/NBD, and MBG/NBD at another rate: what lies between their mean values is not among what is unsure within.
    One model has no such layer."""
    draws = 400
    one = posterior(draws, spread=0.05)
    own = {k: v * (3.0 if k == "alpha" else 1.0) for k, v in one.posterior.retention.items()}
    life = {MODEL: shared_out((0.7, 0.3), draws).astype(float), **named("bg_nbd", one.posterior.retention)}
    several: Any = Several((BgNbd(), RETENTION["mbg_nbd"]()), (0.7, 0.3))
    both = replace(one, retention=several, posterior=replace(one.posterior, retention=life | named("mbg_nbd", own)))
    alone, together = (compare(run(draws=draws, fitted=fitted)) for fitted in (one, both))
    assert "model" not in alone.variance
    values = together.values[BASELINE]
    apart = values[life[MODEL] == 1].mean() - values[life[MODEL] == 0].mean()
    parts = together.variance
    assert parts["model"] == pytest.approx(0.7 * 0.3 * apart**2, rel=0.1)
    assert parts["model"] + parts["parameter"] == pytest.approx(values.var(ddof=1), rel=1e-9)
    assert parts["model"] > 0.2 * parts["parameter"]
    facts = dict(decision_facts(together, FinanceConfig(gross_margin=0.5)))
    assert "which model" in facts["Where the spread of the baseline's plan value comes from"]
    assert "which model" not in dict(decision_facts(alone, FinanceConfig(gross_margin=0.5))).popitem()[1]
