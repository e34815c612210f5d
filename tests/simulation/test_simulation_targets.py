"""Targets of levers: the top by expected value, and a random share that is held out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import CALM, assert_same, channels, error, ledger, line, posterior, run, scenarios, shop
from toys import as_toy

from clvsim.errors import ConfigError
from clvsim.interventions.base import Between, Listing, Top, Who
from clvsim.kernels import rng
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation, levels, tracing
from clvsim.simulation.config import FinanceConfig, SimulationConfig, TraceConfig
from clvsim.simulation.expected import expected_value
from clvsim.simulation.people import MAX_LISTED, Targets, ledger_groups
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.run import simulate_plan
from clvsim.types import CustomerSummary

DRAWS = 8
TOP = {"top": {"share": 0.2}}
WHO: dict[str, dict[str, Any]] = {
    "top": TOP,
    "top of those who came again": TOP | {"orders": {"at_least": 2}},
    "top of a segment": {"top": {"share": 0.5}, "segments": ["s1"]},
    "hold-out": {"hold_out": 0.3},
    "hold-out of newcomers": {"hold_out": 0.3, "customers": "new"},
    "all together": {"top": {"share": 0.4}, "silent_days": {"at_least": 30}, "segments": ["s0"], "hold_out": 0.25},
}
NEUTRAL: dict[str, dict[str, Any]] = {
    "rate": {"kind": "shift", "target": "rate", "size": 0.0},
    "stay": {"kind": "shift", "target": "hazard", "size": 0.0},
    "dearer": {"kind": "shift", "target": "spend", "size": 0.0},
    "upsell": {"kind": "offer", "take": 0.0, "price": 9.0},
    "mail": {"kind": "campaign", "occasion": "silence", "silent_days": 40, "take": 0.0, "price": 9.0},
    "letter": {"kind": "contact", "per_month": 2.0, "goodwill": 0.0, "fatigue": 0.0},
}
ACTING: dict[str, dict[str, Any]] = {
    "rate": {"kind": "shift", "target": "rate", "size": 0.5},
    "upsell": {"kind": "offer", "take": 0.5, "price": 9.0, "if_declined": {"hazard": 0.2}},
    "letter": {"kind": "contact", "per_month": 2.0, "goodwill": 0.5, "fatigue": 0.0, "cost": 0.1},
    "gift": {"kind": "cost", "per": "order", "amount": 0.3},
}


def aimed(levers: Mapping[str, Mapping[str, Any]], who: Mapping[str, Any]) -> dict[str, Scenario]:
    """A scenario of levers that all have the same target."""
    return scenarios(aimed={name: {**lever, "who": who} for name, lever in levers.items()})


def plan_of(
    library: Mapping[str, Scenario], summary: CustomerSummary, fitted: FittedModels | None = None, **more: Any
) -> RunPlan:
    """The plan of a library, as far as it is known without a fit."""
    settings = {
        "simulation": SimulationConfig(draws=DRAWS, horizon_months=12, jobs=1),
        "finance": FinanceConfig(gross_margin=0.4, cost_per_order=1.5),
        "acquisition": channels(),
        "environment": CALM,
        "seed": 3,
    } | more
    plan = make_plan(summary, library, list(library), **settings)  # ty: ignore[invalid-argument-type]
    if fitted is None or not plan.provisional:
        return plan
    return make_plan(summary, library, list(library), **settings, value=expected_value(plan, fitted, summary))  # ty: ignore[invalid-argument-type]


def reached(plan: RunPlan, who: Who) -> np.ndarray:
    """Which of today's customers a lever reaches, (c,)."""
    return np.array([who.reaches(group) for group in plan.layout.groups])[plan.layout.group]


def who_of(**keys: Any) -> Who:
    return Who.model_validate(keys)


# --- the top ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["top", "top of those who came again", "top of a segment"])
def test_the_top_is_a_plain_ranking_of_the_customers_table(name: str) -> None:
    summary, fitted, who = shop(150, segments=2), posterior(DRAWS, spread=0.2), who_of(**WHO[name])
    library = aimed({"rate": ACTING["rate"]}, WHO[name])
    plan = plan_of(library, summary, fitted)
    table = simulate_plan(plan, fitted, summary).customers
    customers = summary.customers
    meets = np.ones(150, bool)
    if who.orders:
        meets &= customers["frequency"].to_numpy() >= 1
    if who.segments:
        meets &= customers["segment"].to_numpy() == "s1"
    assert who.top is not None
    number = int(np.ceil(who.top.share * meets.sum()))
    best = table[meets].sort_values("rlv_mean", ascending=False)["customer_id"][:number]
    assert set(customers["customer_id"][reached(plan, who)]) == set(best)
    assert not plan.provisional


def test_a_segment_that_the_ledger_pools_has_its_top_all_the_same() -> None:
    summary, fitted, who = shop(120, segments=30), posterior(DRAWS), {"top": 0.5, "segments": ["s7"]}
    plan = plan_of(aimed({"rate": ACTING["rate"]}, who), summary, fitted)
    assert plan.layout.note
    on = reached(plan, who_of(**who))
    assert on.sum() == 2
    assert set(summary.customers["segment"][on]) == {"s7"}


def test_ties_go_to_the_id_that_comes_first() -> None:
    value, ids = np.array([2.0, 1.0, 2.0, 2.0, 0.0]), np.array(["e", "a", "c", "d", "b"])
    np.testing.assert_array_equal(Top(share=0.4).of(value, ids), [False, False, True, True, False])
    np.testing.assert_array_equal(Top(share=0.01).of(value, ids), [False, False, True, False, False])
    assert Top(share=1.0).of(value, ids).all()
    assert [Top(share=0.2).of(np.arange(n), np.arange(n).astype(str)).sum() for n in (5, 6, 10, 0)] == [1, 2, 2, 0]


def test_who_is_known_to_be_lost_is_not_among_the_top() -> None:
    summary = shop(40)
    value = np.arange(40.0)
    value[30:] = np.nan
    targets = Targets((who_of(top={"share": 0.5}).listing,), (), value)  # ty: ignore[invalid-argument-type]
    groups, group, _ = ledger_groups(summary.customers, channels().model_copy(update={"channels": {}}), targets)
    on = np.array([bool(g.lists) for g in groups])[group]
    np.testing.assert_array_equal(np.flatnonzero(on), np.arange(15, 30))


def test_the_value_is_that_of_the_customers_table_without_contracts_that_ended() -> None:
    summary, fitted = shop(30), posterior(DRAWS, spread=0.2)
    plan = plan_of(aimed({"rate": ACTING["rate"]}, TOP), summary, fitted)
    table = simulate_plan(plan, fitted, summary).customers
    np.testing.assert_array_equal(expected_value(plan, fitted, summary), table["rlv_mean"])


def test_a_plan_without_values_is_provisional_and_not_simulated() -> None:
    library = aimed({"rate": ACTING["rate"]}, TOP | {"hold_out": 0.5})
    plan = plan_of(library, shop(50))
    assert plan.provisional
    with pytest.raises(ValueError, match="provisional"):
        simulate_plan(plan, posterior(DRAWS), shop(50))
    assert not plan_of(aimed({"rate": ACTING["rate"]}, {"hold_out": 0.5}), shop(50)).provisional


# --- the hold-out ----------------------------------------------------------------------------------------------------


def held_out(customers: int, share: float, **more: Any) -> np.ndarray:
    summary = shop(customers)
    plan = plan_of(aimed({"rate": ACTING["rate"]}, {"hold_out": share}), summary, **more)
    return ~reached(plan, who_of(hold_out=share))


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_the_share_that_is_held_out_is_a_binomial_one(share: float) -> None:
    out = held_out(3000, share)
    assert abs(out.mean() - share) < 4 * np.sqrt(share * (1 - share) / out.size)


def test_who_is_held_out_stays_so_whoever_comes_and_whatever_the_seed() -> None:
    few, many, seed = held_out(300, 0.2), held_out(900, 0.2), held_out(300, 0.2, seed=99)
    np.testing.assert_array_equal(many[:300], few)
    np.testing.assert_array_equal(seed, few)


def test_a_smaller_share_is_part_of_a_larger_one() -> None:
    small, large = held_out(900, 0.1), held_out(900, 0.3)
    assert not (small & ~large).any()
    assert small.sum() < large.sum()


def test_it_has_nothing_to_do_with_the_halves_nor_with_luck() -> None:
    keys = rng.text_keys([f"c{n}" for n in range(20_000)])
    u = rng.entity_uniforms(keys, rng.HELD_OUT)
    half = (keys >> np.uint64(63)).astype(float)
    assert abs(np.corrcoef(u, half)[0, 1]) < 4 / np.sqrt(u.size)
    np.testing.assert_allclose(np.histogram(u, 10, (0, 1))[0] / u.size, 0.1, atol=4 * np.sqrt(0.09 / u.size))


def test_newcomers_are_held_out_too() -> None:
    library = aimed({"offer": {"kind": "offer", "take": 1.0, "price": 5.0, "on_orders": [1]}}, WHO["hold-out"])
    sim = run(library, summary=shop(5), acquisition=channels(visitors_per_month=4000), draws=DRAWS)
    book = ledger(sim, "aimed")
    acquired = line(book, "customers_acquired", "acquisition")[:, :, 0].sum(axis=2)
    new = [g for g, group in enumerate(book.groups) if group.origin == "new"]
    assert [sorted(book.groups[g].held_out) for g in new] == [[0.3], []]
    share = acquired[:, new[0]].sum() / acquired[:, new].sum()
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / acquired[:, new].sum() * DRAWS)  # the same people in all draws
    taken = line(book, "offers_taken", "offer")[:, :, 0].sum(axis=2)
    assert not taken[:, new[0]].any()
    np.testing.assert_allclose(taken[:, new[1]], acquired[:, new[1]])


def test_costs_of_a_plan_that_holds_some_out_are_expected_as_they_are_simulated() -> None:
    gift = {"kind": "cost", "per": "customer", "amount": 5.0, "who": {"customers": "new", "hold_out": 0.4}}
    library = {BASELINE: Scenario.model_validate({"title": "As today", "gift": gift})} | scenarios(
        rate={"rate": ACTING["rate"] | {"who": {"hold_out": 0.4}}}
    )
    sim = run(library, summary=shop(5), acquisition=channels(visitors_per_month=900), draws=200)
    expected = levels.newcomers_total(sim)
    realised = ledger(sim).value_by_group[:, [group.origin == "new" for group in ledger(sim).groups]].sum(axis=1)
    assert abs(realised.mean() - expected.mean()) < 4 * error(realised - expected)
    parts = [[part.share for part in channel] for channel in levels.newcomer_parts(sim)]
    np.testing.assert_allclose(parts, [[0.4, 0.6]])
    everything = {BASELINE: library[BASELINE]} | scenarios(rate={"rate": ACTING["rate"]})
    whole = run(everything, summary=shop(5), acquisition=channels(visitors_per_month=900), draws=200)
    touched = levels.touched_revenue(sim, sim.scenarios["rate"]) / levels.touched_revenue(
        whole, whole.scenarios["rate"]
    )
    assert 0.5 < touched.mean() < 0.7


# --- what may not change ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WHO)
def test_neutral_levers_leave_every_bit(name: str) -> None:
    sim = run(aimed(NEUTRAL, WHO[name]), summary=shop(80, segments=2), acquisition=channels(), draws=DRAWS)
    base, book = ledger(sim), ledger(sim, "aimed")
    for entry in base.lines:
        for age in (False, True):
            np.testing.assert_array_equal(line(base, *entry, age=age), line(book, *entry, age=age), err_msg=str(entry))


@pytest.mark.parametrize("name", WHO)
def test_a_lever_on_a_target_leaves_all_others_as_they_were(name: str) -> None:
    who = who_of(**WHO[name])
    sim = run(aimed(ACTING, WHO[name]), summary=shop(80, segments=2), acquisition=channels(), draws=DRAWS)
    base, book = ledger(sim), ledger(sim, "aimed")
    on = np.array([who.reaches(group) for group in base.groups])
    people = np.array([group.origin != "company" for group in base.groups])
    assert on.any()
    assert (people & ~on).any()
    for entry in base.lines:
        before, after = line(base, *entry), line(book, *entry)
        np.testing.assert_array_equal(before[:, ~on], after[:, ~on], err_msg=str(entry))
    assert not np.array_equal(line(base, "orders", "orders")[:, on], line(book, "orders", "orders")[:, on])
    for entry in set(book.lines) - set(base.lines):
        assert not line(book, *entry)[:, ~on].any(), entry


def test_line_by_line_nothing_happens_to_those_who_are_held_out() -> None:
    """Each customer's life by itself, of a top of which some are held out."""
    summary, fitted = shop(40, segments=2), posterior(DRAWS, spread=0.2)
    who = {"top": {"share": 0.6}, "hold_out": 0.3}
    plan = plan_of(aimed(ACTING, who), summary, fitted)
    table = simulate_plan(plan, fitted, summary).customers
    trace = tracing.trace(plan, fitted, summary, table, TraceConfig(customers=50, draw=3))
    ids = summary.customers["customer_id"]
    on, meet = (set(ids[reached(plan, one)]) for one in (who_of(**who), who_of(**who).everybody))
    trace = trace[~trace["role"].str.contains("newcomer")]
    left_out = trace["event"] == "held out"
    assert set(trace.loc[left_out, "customer"]) == (meet - on) & set(trace["customer"])
    assert set(trace.loc[left_out, "cause"]) == set(ACTING)
    changed = set()
    for customer, own in trace[~left_out].groupby("customer"):
        before, after = (own[own["scenario"] == name].drop(columns="scenario") for name in (BASELINE, "aimed"))
        if not before.reset_index(drop=True).equals(after.reset_index(drop=True)):
            changed.add(customer)
    assert changed == on & set(trace["customer"])
    assert 10 < len(on) < 24


def everything(**config: Any) -> Simulation:
    library = scenarios(
        best={"rate": ACTING["rate"] | {"who": WHO["all together"]}},
        others={"letter": ACTING["letter"] | {"who": WHO["hold-out"]}},
    )
    library |= {name: Scenario(title=name, combine=parts) for name, parts in COMBINED.items()}
    settings: dict[str, Any] = {
        "summary": shop(80, segments=2),
        "acquisition": channels(),
        "draws": DRAWS,
        "fitted": posterior(DRAWS, spread=0.2),
    }
    return run(library, **(settings | config))


COMBINED = {"one way": ("best", "others"), "the other": ("others", "best")}


def test_neither_threads_nor_blocks_nor_the_order_of_rows_change_a_bit() -> None:
    reference, summary = everything(), shop(80, segments=2)
    assert_same(everything(jobs=2), reference)
    assert_same(everything(shard_customers=7), reference)
    shuffled = summary.customers.sample(frac=1.0, random_state=5).reset_index(drop=True)
    other = everything(summary=replace(summary, customers=shuffled))
    assert_same(other, reference, customers=False)


def test_scenarios_combine_in_any_order() -> None:
    sim = everything()
    one, other = (ledger(sim, name) for name in COMBINED)
    np.testing.assert_array_equal(one.calendar, other.calendar)
    assert not np.array_equal(one.calendar[:, :, : ledger(sim).calendar.shape[2]], ledger(sim).calendar)


def test_more_draws_may_choose_others_but_the_same_in_all_draws() -> None:
    """The list is made once: of the groups each has the same customers in every world."""
    sim = run(aimed({"gift": {"kind": "cost", "per": "customer", "amount": 1.0}}, TOP), summary=shop(55), draws=DRAWS)
    paid = line(ledger(sim, "aimed"), "cost_incentive", "gift")[:, :, 0].sum(axis=(1, 2))
    np.testing.assert_array_equal(paid, np.ceil(0.2 * 55))


def test_contracts_too() -> None:
    fitted = as_toy(posterior(DRAWS, spread=0.2), "renewing")
    stay = {"kind": "shift", "target": "hazard", "size": -0.5}
    sim = run(aimed({"stay": stay}, TOP | {"hold_out": 0.2}), summary=shop(60), fitted=fitted, draws=DRAWS)
    on = np.array([who_of(**TOP, hold_out=0.2).reaches(group) for group in ledger(sim).groups])
    base, book = (line(ledger(sim, name), "orders", "orders") for name in (BASELINE, "aimed"))
    np.testing.assert_array_equal(base[:, ~on], book[:, ~on])
    assert book[:, on, 0].sum() > base[:, on, 0].sum()


# --- what is refused and what is said --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "what"),
    [
        (
            {"orders": {"at_least": 900}, **TOP},
            "reaches nobody (existing customers, with at least 900 orders so far, of",
        ),
        (
            {"orders": {"at_least": 900}, "hold_out": 0.1},
            "reaches nobody (existing customers, with at least 900 orders",
        ),
        ({"segments": ["nowhere"], **TOP}, "reaches nobody (all"),
    ],
)
def test_an_empty_list_is_refused_before_anything_is_fitted(who: dict[str, Any], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(aimed({"rate": ACTING["rate"]}, who), shop(30))
    (problem,) = caught.value.problems
    assert problem.where == "scenario.aimed.rate.who"
    assert what.replace("(all", "(existing") in problem.what


@pytest.mark.parametrize(
    ("who", "what"),
    [
        ({"customers": "new", **TOP}, "orders, silent_days and top are those of today's customers; customers is new"),
        ({"top": {"share": 0.0}}, "should be greater than 0"),
        ({"top": {"share": 20}}, "less than or equal to 1"),
        ({"top": 20}, "top.share"),
        ({"top": "20 %"}, "top.share"),
        ({"top": True}, "a number is needed"),
        ({"top": [0.2]}, "valid dictionary"),
        ({"top": {"share": 0.2, "by": "luck"}}, "expected_value"),
        ({"hold_out": 1.0}, "less than or equal to 0.99"),
        ({"hold_out": -0.1}, "greater than or equal to 0"),
    ],
)
def test_what_is_no_target(who: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        who_of(**who)


def test_a_number_is_the_share_of_a_top() -> None:
    assert who_of(top=0.2) == who_of(top={"share": 0.2, "by": "expected_value"})


def test_a_list_that_the_hold_out_leaves_empty_is_refused_when_it_is_known() -> None:
    who = {"top": {"share": 0.001}, "hold_out": 0.9}
    library, summary = aimed({"rate": ACTING["rate"]}, who), shop(60)
    assert plan_of(library, summary).provisional  # somebody may be the best who is not held out
    keys = rng.text_keys(summary.customers["customer_id"].tolist())
    best = np.where(rng.entity_uniforms(keys, rng.HELD_OUT) < 0.9, 2.0, 1.0)
    with pytest.raises(ConfigError, match=r"scenario\.aimed\.rate\.who: reaches nobody"):
        make_plan(
            summary,
            library,
            list(library),
            simulation=SimulationConfig(draws=DRAWS, horizon_months=12),
            finance=FinanceConfig(),
            acquisition=channels().model_copy(update={"channels": {}}),
            environment=CALM,
            seed=3,
            value=best,
        )


@pytest.mark.parametrize("who", [TOP, {"hold_out": 0.1}])
def test_nobody_is_chosen_among_those_who_have_not_come_yet(who: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is about those who come; who takes channels alone"):
        aimed({"page": {"kind": "shift", "target": "conversion", "size": 0.1}}, who)


def test_too_many_parts_are_refused_before_anything_is_fitted() -> None:
    tops = {f"t{n}": ACTING["rate"] | {"who": {"top": {"share": n / 20}}} for n in range(1, 9)}
    with pytest.raises(ConfigError, match=f"cut the customers into 9 parts; at most {MAX_LISTED} fit"):
        plan_of(scenarios(many=tops), shop(200))
    plan_of(scenarios(many=dict(list(tops.items())[:-1])), shop(200))


def test_no_ranking_cuts_more_parts_than_were_counted_before() -> None:
    summary, r = shop(300), np.random.default_rng(4)
    listings = tuple(
        Listing(orders, None, Top(share=share)) for orders in (None, Between(at_least=2)) for share in (0.1, 0.4)
    )
    acquisition = channels().model_copy(update={"channels": {}})
    for _ in range(20):
        value = r.standard_normal(300)
        groups, group, _ = ledger_groups(summary.customers, acquisition, Targets(listings[:3], (), value))
        assert len(groups) == len(np.unique(group)) <= MAX_LISTED
    with pytest.raises(ConfigError, match="into 18 parts"):
        ledger_groups(summary.customers, acquisition, Targets(listings, (0.5,), None))


def test_the_sentence_says_whom_it_reaches_and_how_many_they_are() -> None:
    summary, fitted = shop(200), posterior(DRAWS)
    who = {"orders": {"at_least": 2}, "top": {"share": 0.25}, "hold_out": 0.1}
    plan = plan_of(aimed({"rate": ACTING["rate"]}, who), summary, fitted)
    (sentence,) = plan.scenarios["aimed"].compiled.description.interventions
    on = reached(plan, who_of(**who))
    again = int((summary.customers["frequency"] > 0).sum())
    held = int(np.ceil(0.25 * again)) - int(on.sum())
    assert held > 0
    assert sentence == (
        "Changes how often customers order (existing customers, with at least 2 orders so far, of these the top 25 % "
        f"by expected value, but for 10 % at random who are held out). Of today's 200 customers it reaches {on.sum()}. "
        f"{held} more are held out."
    )


def test_groups_say_who_is_held_out() -> None:
    plan = plan_of(aimed({"rate": ACTING["rate"]}, {"hold_out": 0.25}), shop(40))
    labels = [group.label for group in plan.layout.groups]
    assert labels == ["existing / held out of 0.25", "existing", "new / ads / held out of 0.25", "new / ads"]
    assert pd.Series(plan.layout.sizes).sum() == 40
