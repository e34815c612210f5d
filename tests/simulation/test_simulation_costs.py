"""What costs move and what they do not: revenue, repaying, payback, refunds; costs that run on after the horizon."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import channels, ledger, line, posterior, run, scenarios, shop

from clvsim import metrics
from clvsim.comparison import compare
from clvsim.interventions.base import CostEntry, Group, Who
from clvsim.interventions.timing import Period
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation, levels
from clvsim.simulation.expected import Activity
from clvsim.simulation.ledger.lines import fixed_lines, followed_shares
from clvsim.simulation.plan import cost_warnings
from clvsim.types import DAYS_PER_MONTH

COSTLY: dict[str, Any] = {
    "bump": {"kind": "offer", "take": 0.4, "price": 9.0, "margin": 0.3, "incentive": 2.0},
    "email": {"kind": "contact", "per_month": 4.0, "cost": 0.5, "goodwill": 0.0, "fatigue": 0.0, "churn": 0.0},
    "fee": {"kind": "cost", "per": "revenue", "amount": 0.2},
    "gift": {"kind": "cost", "per": "order", "amount": 3.0},
    "card": {"kind": "cost", "per": "customer", "amount": 4.0},
    "rent": {"kind": "cost", "per": "month", "amount": 50.0},
}
FREE: dict[str, Any] = {
    "bump": COSTLY["bump"] | {"incentive": 0.0},
    "email": COSTLY["email"] | {"cost": 0.0},
}


def money(simulation: Simulation, scenario: str) -> dict[str, np.ndarray]:
    """Every figure of money that a run without a margin shows, but what acquisition costs."""
    return {
        name: metric.query(simulation, simulation.scenarios[scenario])
        for name, metric in metrics.available(simulation).items()
        if metric.unit == "money" and "cac" not in name
    }


def test_no_cost_moves_revenue() -> None:
    """Without a margin the run with every kind of cost shows the figures of the run without any, bit for bit."""
    costly = run(
        scenarios(plan=COSTLY), margin=None, cost_per_order=2.5, acquisition=channels(cost_per_visitor=0.7), draws=8
    )
    free = run(
        scenarios(plan=FREE), margin=None, cost_per_order=0.0, acquisition=channels(cost_per_visitor=0.0), draws=8
    )
    for name in (BASELINE, "plan"):
        for metric, values in money(free, name).items():
            np.testing.assert_array_equal(money(costly, name)[metric], values, err_msg=metric)
        costs = [entry for entry in ledger(costly, name).lines if entry.account.startswith("cost")]
        assert not any(line(ledger(costly, name), *entry).any() for entry in costs)
    pd.testing.assert_frame_equal(costly.customers, free.customers)
    np.testing.assert_allclose(metrics.cac(costly, costly.scenarios[BASELINE]), 0.7 / 0.02)


def test_costs_that_do_not_count_are_named() -> None:
    sim = run(scenarios(plan=COSTLY), margin=None, cost_per_order=2.5, acquisition=channels(), draws=4)
    (note,) = (n for n in sim.notes if "gross_margin" in n)
    for what in ("finance.cost_per_order", "channels.ads.cost_per_visitor", "incentives of bump", "messages of email"):
        assert what in note
    assert "which no cost moves" in note
    told = " ".join(sim.scenarios["plan"].compiled.description.interventions)
    assert told.count("needs finance.gross_margin; without it figures are revenue, which no cost moves") == 4
    compiled = [scenario.compiled for scenario in sim.scenarios.values()]
    (warning,) = cost_warnings(compiled, margin_known=False)
    assert warning.startswith("What these cost is left out: “plan”. Figures are revenue without finance.gross_margin")
    assert cost_warnings(compiled, margin_known=True) == cost_warnings(compiled[:1], margin_known=False) == ()
    assert not any("gross_margin" in n for n in run(margin=None, cost_per_order=0.0, draws=4).notes)
    assert not any("gross_margin" in n for n in run(scenarios(plan=COSTLY), draws=4, acquisition=channels()).notes)


def test_a_baseline_of_costs_only_still_runs_without_a_margin() -> None:
    library = scenarios(plan={"rent": COSTLY["rent"]})
    as_baseline = {BASELINE: library["plan"], "other": library[BASELINE]}
    assert run(as_baseline, margin=None, draws=4).scenarios[BASELINE].ledger.total("orders").sum() > 0


# --- repaying --------------------------------------------------------------------------------------------------------


def with_costs(**costs: dict[str, Any]) -> dict[str, Any]:
    """A library whose baseline has costs."""
    library = scenarios(plan={name: {"kind": "cost"} | entry for name, entry in costs.items()})
    return {BASELINE: library["plan"]}


DEARER = channels(cost_per_visitor=0.4 + 0.02 * 6.0)
PAIRS: dict[str, tuple[Any, dict[str, Any]]] = {  # costs of a plan, and the same costs stated elsewhere
    "order": (with_costs(gift={"per": "order", "amount": 4.0}), {"cost_per_order": 5.5}),
    "customer": (with_costs(card={"per": "customer", "amount": 6.0}), {"acquisition": DEARER}),
    "revenue": (with_costs(fee={"per": "revenue", "amount": 0.15}), {"margin": 0.25}),
}


@pytest.mark.parametrize("per", PAIRS)
def test_costs_of_the_plan_count_for_repaying(per: str) -> None:
    """As much as the same costs stated as cost per order, cost per visitor or a lower margin."""
    library, other = PAIRS[per]
    kwargs: dict[str, Any] = {"draws": 60, "fitted": posterior(60, r=2.0), "acquisition": channels()}
    ours, theirs, plain = run(library, **kwargs), run(**kwargs | other), run(**kwargs)
    repaid = [line(ledger(s), "repaid", "acquisition", age=True)[..., 0, :] for s in (ours, theirs, plain)]
    differing = np.abs(repaid[0] - repaid[1]).sum()  # a sum that is exactly the cost may fall to either side
    assert differing <= 1e-3 * repaid[1].sum()
    assert repaid[0].sum() < 0.97 * repaid[2].sum()
    if per != "customer":
        np.testing.assert_allclose(
            ours.customers[["rlv_p05", "rlv_p95"]], theirs.customers[["rlv_p05", "rlv_p95"]], rtol=1e-9, atol=1e-9
        )
    else:
        np.testing.assert_allclose(
            ours.customers[["rlv_p05", "rlv_p95"]], plain.customers[["rlv_p05", "rlv_p95"]] - 6.0, atol=1e-9
        )


def test_the_first_order_is_at_age_0() -> None:
    """Of the first month's lines, what falls on the first order; the curve begins with it."""
    sim = run(scenarios(plan=COSTLY), acquisition=channels(), draws=30, horizon_months=6)
    for name in (BASELINE, "plan"):
        book = ledger(sim, name)
        index = {tuple(entry): i for i, entry in enumerate(book.lines)}
        acquired = line(book, "customers_acquired", "acquisition", age=True)
        np.testing.assert_array_equal(book.first[:, :, index["customers_acquired", "acquisition"]], acquired[..., 0])
        np.testing.assert_array_equal(book.first[:, :, index["orders", "orders"]], acquired[..., 0])
        flows = [i for (account, _), i in index.items() if account != "active_customers"]
        np.testing.assert_array_equal(book.first[:, :, flows, 0], book.first[:, :, flows, 1])  # not discounted
        assert (book.first[:, :, flows] <= book.age[..., 0][:, :, flows] + 1e-9).all()
        curve = book.contribution_by_age()
        np.testing.assert_allclose(curve[:, -1], book.newcomer_value, rtol=1e-9, atol=1e-6)
        np.testing.assert_allclose(np.diff(curve)[:, 1:], book.contribution(age=True).sum(axis=1)[:, 1:], atol=1e-6)
    book = ledger(sim, "plan")
    assert book.first[:, :, index["revenue_offers", "bump"]].any()
    assert not book.first[:, :, index["cost_contact", "email"]].any()
    once = ledger(run(acquisition=channels(), draws=30, fitted=posterior(30, alpha=1e9)))  # nobody orders again
    np.testing.assert_allclose(once.contribution_by_age(), np.repeat(once.newcomer_value[:, None], 13, axis=1))


def test_payback_with_the_first_order() -> None:
    cheap, dear = (
        compare(run(acquisition=channels(cost_per_visitor=cost), draws=40)).payback[BASELINE] for cost in (0.02, 40.0)
    )
    assert cheap.payback_p50_months == 0
    assert cheap.p_within_12_months == 1
    assert cheap.mean[0] > cheap.cac_mean
    assert dear.p_never == 1


# --- offers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("goods_return", [True, False])
def test_refunded_offers(goods_return: bool) -> None:
    """They replace no later order, and their goods come back unless stated; the incentive is spent."""
    offer = COSTLY["bump"] | {"refund": 1.0, "cannibalised": 1.0, "goods_return": goods_return}
    sim = run(scenarios(plan={"bump": offer}), acquisition=channels())
    book, base = ledger(sim, "plan"), ledger(sim)
    taken = line(book, "offers_taken", "bump")
    assert taken.sum() > 50
    np.testing.assert_array_equal(line(book, "revenue_orders", "orders"), line(base, "revenue_orders", "orders"))
    np.testing.assert_array_equal(line(book, "refunds", "bump"), line(book, "revenue_offers", "bump"))
    np.testing.assert_allclose(line(book, "cost_goods", "bump"), 0 if goods_return else 0.7 * 9 * taken, rtol=1e-12)
    np.testing.assert_allclose(line(book, "cost_incentive", "bump"), 2 * taken, rtol=1e-12)
    np.testing.assert_allclose(  # the kernel's cohorts and the priced lines tell the same
        book.cohort[:, :, 1].sum(axis=1),
        book.contribution(discounted=False)[:, :-1].sum(axis=1)
        + line(book, "cost_acquisition", "ads")[:, :, 0].sum(axis=1),
        rtol=1e-6,
        atol=1e-3,
    )


def test_damping_heals() -> None:
    """Declined offers cost orders; the sooner it heals the fewer, and what is said is what is done."""

    def offer(weeks: float | None) -> dict[str, Any]:
        declined: dict[str, Any] = {"rate": -0.5} | ({} if weeks is None else {"half_life_weeks": weeks})
        return {"bump": {"kind": "offer", "take": 0.0, "price": 9.0, "if_declined": declined}}

    library = scenarios(soon=offer(0.5), usual=offer(None), late=offer(5200))
    sim = run(library, draws=60, fitted=posterior(60, r=4.0, a=0.1))
    orders = {name: ledger(sim, name).total("orders").sum() for name in sim.scenarios}
    assert orders["late"] < 0.9 * orders["usual"]
    assert orders["usual"] < 0.97 * orders["soon"]
    assert orders["soon"] <= orders[BASELINE]
    told = {name: " ".join(s.compiled.description.interventions) for name, s in sim.scenarios.items()}
    assert "halves in 8 weeks (assumed, not measured)" in told["usual"]
    assert "halves in 0.5 weeks." in told["soon"]


# --- after the horizon -----------------------------------------------------------------------------------------------


def entry(amount: list[float], who: Who) -> CostEntry:
    return CostEntry("wages", np.array(amount), "month", who, Period())


def test_programmes_cost_as_long_as_they_bring_something() -> None:
    """After the horizon in the share of those still followed, by draw; a cost once, or over by then, does not go on."""
    share = np.array([[1.0, 1.0, 0.5, 0.25, 0.0], [1.0, 1.0, 0.8, 0.4, 0.1]])
    wages = entry([100.0, 10.0], Who())
    once = CostEntry("once", np.array([7.0, 7.0]), "once", Who(), Period(1.0))
    over = CostEntry("over", np.array([5.0, 5.0]), "month", Who(), Period(0.0, 3.0))
    costs, draw = [wages, once, over], np.array([0, 1, 1])
    followed = {"wages": share, "over": share}
    lines = {entry.cause: values for entry, values in fixed_lines(costs, draw, 2, 5, 0.01, followed).items()}
    paid = lines["wages"]
    np.testing.assert_allclose(paid[:, 0], [100 * share[0], 10 * share[1], 10 * share[1]])
    np.testing.assert_allclose(paid[:, 1], paid[:, 0] * np.exp(-0.01 * DAYS_PER_MONTH * np.arange(5)))
    np.testing.assert_allclose(lines["once"][:, 0], [[0, 7, 0, 0, 0]] * 3)
    np.testing.assert_allclose(lines["over"][0, 0], [5, 5, 2.5, 0, 0])
    without = fixed_lines(costs, draw, 2, 5, 0.01)
    assert not next(iter(without.values()))[:, :, 2:].any()


def test_share_of_those_still_followed() -> None:
    groups = (Group("existing", "a"), Group("existing", "b"), Group("new", "", "ads"))
    activity = Activity(np.array([[8.0, 4.0]]), np.array([[8.0, 4.0]]), np.array([[4.0, 3.0]]))
    for who, expected in (
        (Who(), [4 / 16, 3 / 8]),
        (Who(customers="new"), [0.5, 0.75]),
        (Who(customers="existing"), [0.0, 0.0]),
        (Who(segments=("b",)), [0.0, 0.0]),
    ):
        np.testing.assert_allclose(followed_shares([entry([1.0], who)], groups, activity)["wages"], [expected])
    assert followed_shares([entry([1.0], Who())], groups, None) == {}


def test_monthly_costs_after_the_horizon_of_todays_customers() -> None:
    """In full before it; then in the share of simulated newcomers who are still followed, and at last not at all."""
    library = with_costs(rent={"per": "month", "amount": 90.0})
    sim = run(library, acquisition=channels(months=6), horizon_months=8, draws=300, summary=shop(20))
    paid = line(ledger(sim), "cost_fixed", "rent")[:, -1, 0]
    np.testing.assert_array_equal(paid[:, :8], 90.0)
    beyond = paid[:, 8:].mean(axis=0) / 90
    assert (np.diff(beyond) < 0).all()
    # everybody is followed to month 14 here, so that both the followed and all can be counted
    both = ledger(run(library, acquisition=channels(months=6), horizon_months=14, draws=300, summary=shop(20)))
    there = line(both, "active_customers", "orders")[:, :, 0, 8:14].mean(axis=0)
    followed = line(ledger(sim), "active_customers", "orders")[:, 1, 0, 8:].mean(axis=0)
    np.testing.assert_allclose(beyond, followed / there.sum(axis=0), atol=0.05)
    fixed = metrics.plan_value(sim, sim.scenarios[BASELINE]) - metrics.customer_equity(sim, sim.scenarios[BASELINE])
    np.testing.assert_allclose(-levels.fixed_costs(sim), fixed, rtol=1e-12)


# --- additional customers --------------------------------------------------------------------------------------------


def lifts(size: float = 0.5) -> dict[str, Any]:
    qualities: dict[str, Any] = {
        "alike": None,
        "neutral": {"rate": 0.0, "spend": 0.0},
        "poorer": {"rate": 0.0, "spend": -0.5},
        "rarer": {"rate": -0.6, "spend": 0.0},
        "default": ...,
    }
    lift = {"kind": "shift", "target": "conversion", "size": size}
    return scenarios(**{name: {"page": lift if q is ... else lift | {"quality": q}} for name, q in qualities.items()})


@pytest.mark.parametrize("cap", [1000, 3])
def test_quality_of_additional_customers(cap: int) -> None:
    """Only those beyond the baseline's number differ; neutral is alike bit for bit, with representatives too."""
    sim = run(lifts(), acquisition=channels(), draws=40, max_newcomers_per_cell=cap, fitted=posterior(40, r=2.0))
    books, base = {name: ledger(sim, name) for name in sim.scenarios}, ledger(sim)
    for entry in base.lines:
        for age in (False, True):
            alike, neutral = (line(books[n], *entry, age=age) for n in ("alike", "neutral"))
            np.testing.assert_array_equal(neutral, alike)

    def extra(name: str, account: str) -> np.ndarray:
        cause = "acquisition" if account == "customers_acquired" else "orders"
        return (line(books[name], account, cause, age=True) - line(base, account, cause, age=True))[:, 0, 0].sum(axis=1)

    for name in books.keys() - {BASELINE}:
        assert extra(name, "customers_acquired").sum() == pytest.approx(extra("alike", "customers_acquired").sum())
    np.testing.assert_allclose(
        extra("poorer", "revenue_orders"), 0.5 * extra("alike", "revenue_orders"), rtol=1e-5, atol=1e-3
    )
    np.testing.assert_array_equal(extra("poorer", "orders"), extra("alike", "orders"))
    repeat, usual = (extra(n, "orders") - extra(n, "customers_acquired") for n in ("rarer", "alike"))
    assert 0.3 * usual.sum() < repeat.sum() < 0.55 * usual.sum()
    worse = extra("default", "revenue_orders").sum() / extra("alike", "revenue_orders").sum()
    assert 0.75 < worse < 0.95  # amounts e^-.1 of the others', orders after the first too
    for scenario in sim.scenarios.values():
        assert scenario.acquired is not None
        np.testing.assert_allclose(
            scenario.ledger.total("customers_acquired", age=True), scenario.acquired.customers, rtol=1e-6
        )


def test_fewer_conversions_take_away_average_customers() -> None:
    sim = run(lifts(-0.5), acquisition=channels(), draws=20)
    for name in ("poorer", "rarer", "default"):
        for entry in ledger(sim).lines:
            np.testing.assert_array_equal(line(ledger(sim, name), *entry), line(ledger(sim, "alike"), *entry))
        assert len(sim.scenarios["default"].compiled.description.assumptions) == 1


def test_quality_is_an_assumption_on_the_page() -> None:
    sim = run(lifts(), acquisition=channels(), draws=50)
    described = {name: s.compiled.description.assumptions for name, s in sim.scenarios.items()}
    assert [a.path for a in described["default"]] == [
        f"scenario.default.page.{field}" for field in ("size", "quality.rate", "quality.spend")
    ]
    assert all((a.evidence, a.source) == ("stated", "") for a in described["default"][1:])
    assert [a.path for a in described["alike"]] == ["scenario.alike.page.size"]


def test_cost_of_one_more_newcomer() -> None:
    """marginal_cac: from visitors at the baseline's conversion; by a better conversion nothing in the channels."""
    sim = run(lifts(), acquisition=channels(), draws=8)
    np.testing.assert_allclose(metrics.marginal_cac(sim, sim.scenarios[BASELINE]), 0.4 / 0.02, rtol=1e-12)
    np.testing.assert_array_equal(metrics.marginal_cac(sim, sim.scenarios["alike"]), 0.0)
    shift = {"kind": "shift", "target": "rate", "size": 0.2}
    other = run(scenarios(more={"often": shift}), acquisition=channels(), draws=8)
    np.testing.assert_allclose(metrics.marginal_cac(other, other.scenarios["more"]), 20.0, rtol=1e-12)


def test_figures_by_month_end_where_not_everybody_is_followed() -> None:
    book = ledger(run(acquisition=channels(), horizon_months=6))
    assert book.calendar.shape[-1] == 9
    by_month = book.by_month("orders")
    np.testing.assert_array_equal(by_month, line(book, "orders", "orders")[:, :, 0, :6].sum(axis=1))
