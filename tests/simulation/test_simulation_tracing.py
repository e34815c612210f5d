"""The trace of a few customers: whose, what it holds, and that its money is the ledger's."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import MBG, channels, ledger, posterior, run, scenarios, shop
from toys import as_toy

from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import Simulation, tracing
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig, TraceConfig
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

STORMY = EnvironmentConfig(sd_prior=0.2)
EVERYTHING: dict[str, dict[str, Any]] = {
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "refund": 0.25, "cannibalised": 0.4, "margin": 0.7,
               "incentive": 1.0, "if_declined": {"after": 1, "hazard": 0.02, "rate": -0.1}},
    "voucher": {"kind": "campaign", "occasion": "silence", "silent_days": 60, "cost": 0.1, "take": 0.3, "price": 30.0,
                "incentive": 5.0, "refund": 0.3, "goods_return": False},
    "letter": {"kind": "contact", "per_month": 4.0, "cost": 0.02, "opt_out": 0.02, "who": {"orders": {"at_least": 2}}},
    "news": {"kind": "contact", "per_month": 1.0, "cost": 0.5, "goodwill": 0.1, "when": {"start_month": 4}},
    "club": {"kind": "membership", "take": 0.4, "trial_days": 20, "trial_cost": 2.0, "convert": 0.7, "price": 9.0,
             "churn": 0.2, "polarisation": 0.1, "order_cost": 0.4, "rate": 0.2, "margin": 0.6},
    "lift": {"kind": "shift", "target": "conversion", "size": 0.5},
    "dearer": {"kind": "shift", "target": "spend",
               "size": {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.1}},
    "better": {"kind": "shift", "target": "margin", "size": 0.05, "when": {"start_month": 3}},
    "gift": {"kind": "cost", "per": "order", "amount": 0.3},
    "fee": {"kind": "cost", "per": "revenue", "amount": 0.03},
    "card": {"kind": "cost", "per": "customer", "amount": 1.3},
}  # fmt: skip
LIBRARY = scenarios(plan=EVERYTHING, upsell={"upsell": EVERYTHING["upsell"]})
DRAWS = 4


def traced(
    draw: int = 2,
    customers: int = 50,
    *,
    library: dict[str, Scenario] | None = None,
    summary: CustomerSummary | None = None,
    toy: str = "",
    acquisition: Any = None,
    margin: float | None = 0.4,
    **config: Any,
) -> tuple[Simulation, pd.DataFrame]:
    """A simulation, and the trace of some of its customers."""
    fitted = as_toy(posterior(DRAWS, spread=0.1), toy) if toy else posterior(DRAWS, spread=0.1)
    shared: dict[str, Any] = {"acquisition": acquisition, "environment": STORMY, "seed": 3}
    summary = shop(30) if summary is None else summary
    library = library or LIBRARY
    simulation = run(library, fitted=fitted, summary=summary, draws=DRAWS, margin=margin, **shared, **config)
    plan = plan_of(library, summary, margin, shared, renewing=fitted.retention.renewing, **config)
    return simulation, tracing.trace(
        plan, fitted, summary, simulation.customers, TraceConfig(customers=customers, draw=draw)
    )


def plan_of(
    library: dict[str, Scenario],
    summary: CustomerSummary,
    margin: float | None,
    shared: dict[str, Any],
    *,
    renewing: bool = False,
    **config: Any,
) -> RunPlan:
    settings = SimulationConfig.model_validate({"draws": DRAWS, "horizon_months": 12, "jobs": 1} | config)
    finance = FinanceConfig(gross_margin=margin, cost_per_order=1.5, annual_discount_rate=0.1)
    shared = shared | {"acquisition": shared["acquisition"] or AcquisitionConfig()}
    return make_plan(
        summary,
        library,
        list(library),
        simulation=settings,
        finance=finance,
        renewing=renewing,
        **shared,
    )


def money(book: Ledger, world: int, *accounts: str, origin: str = "existing") -> np.ndarray:
    """Of some accounts and the groups of an origin by month, undiscounted."""
    rows = [i for i, line in enumerate(book.lines) if line.account in accounts]
    groups = [g for g, group in enumerate(book.groups) if group.origin == origin]
    return book.calendar[world][groups][:, rows, 0].sum(axis=(0, 1))


COSTS = ("cost_goods", "cost_orders", "cost_contact", "cost_incentive")


@pytest.mark.parametrize("toy", ["", "regular", "renewing", "occasional"])
@pytest.mark.parametrize("draw", [1, 3])
def test_the_trace_of_everybody_is_the_ledger_of_the_world(toy: str, draw: int) -> None:
    simulation, table = traced(draw, toy=toy)
    assert table["customer"].nunique() == 30
    for name in simulation.scenarios:
        own, book = table[table["scenario"] == name], ledger(simulation, name)
        of_orders = own[own["event"] == "order"]
        close: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-5}
        np.testing.assert_allclose(len(of_orders), money(book, draw - 1, "orders").sum())
        np.testing.assert_allclose(of_orders["revenue"].sum(), money(book, draw - 1, "revenue_orders").sum(), **close)
        net = money(book, draw - 1, "revenue_orders", "revenue_offers") - money(book, draw - 1, "refunds")
        np.testing.assert_allclose(own["revenue"].sum(), net.sum(), **close)
        np.testing.assert_allclose(own["cost"].sum(), money(book, draw - 1, *COSTS).sum(), **close)
        lost = money(book, draw - 1, "active_customers")[-1]
        assert (own["event"] == "still there").sum() == round(lost)
        np.testing.assert_allclose(
            own.loc[own["event"] == "opted out"].shape[0], money(book, draw - 1, "opt_outs").sum(), atol=1e-9
        )


LIVES: dict[str, dict[str, Any]] = {
    "back": {"kind": "win_back", "silent_days": 50, "lift": 0.3, "cost": 0.4, "coupon": 3.0, "redeemed": 0.5},
    "next": {"kind": "next_product", "outgrown": 0.8, "take": 0.7, "rate": 0.5, "spend": 0.4},
}


def test_further_lives_are_followed_too() -> None:
    """Who comes back and who goes over, with their money; who is there at the end is active in the ledger."""
    library, fitted, summary = scenarios(lives=LIVES), posterior(DRAWS, spread=0.1, model=MBG), shop(30)
    shared: dict[str, Any] = {"acquisition": None, "environment": STORMY, "seed": 3}
    simulation = run(library, fitted=fitted, summary=summary, draws=DRAWS, **shared)
    plan = plan_of(library, summary, 0.4, shared)
    table = tracing.trace(plan, fitted, summary, simulation.customers, TraceConfig(customers=50, draw=2))
    own, book = table[table["scenario"] == "lives"], ledger(simulation, "lives")
    events = own["event"].value_counts()
    for event, account in (("comes back", "won_back"), ("uses the coupon", "coupons_used"), ("campaign", "contacts")):
        np.testing.assert_allclose(events[event], money(book, 1, account).sum())
        assert events[event] > 2
    np.testing.assert_allclose(events["goes over to the next product"], money(book, 1, "moved_on").sum())
    close: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-5}
    np.testing.assert_allclose(own["revenue"].sum(), money(book, 1, "revenue_orders").sum(), **close)
    np.testing.assert_allclose(own["cost"].sum(), money(book, 1, *COSTS).sum(), **close)
    assert events["still there"] == round(money(book, 1, "active_customers")[-1])
    first = own[own["event"] == "comes back"].iloc[0]
    same_day = own[(own["customer"] == first["customer"]) & (own["date"] == first["date"])]
    assert set(same_day["event"]) >= {"comes back", "order", "uses the coupon"}


def test_messages_that_a_cap_withholds_are_in_the_trace_and_cost_nothing() -> None:
    """Of a letter it says what is left of it: 4 a month under a cap of 2 in 30 days, with nothing for vouchers."""
    levers = {name: EVERYTHING[name] for name in ("voucher", "letter")}
    capped = levers | {"frequency_cap": {"contacts": 2, "days": 30}}
    simulation, table = traced(2, library=scenarios(capped=capped, free=levers))
    own, free = (table[table["scenario"] == name] for name in ("capped", "free"))
    book, withheld = ledger(simulation, "capped"), own[own["event"] == "campaign withheld"]
    assert len(withheld) == round(money(book, 1, "contacts_withheld").sum()) > 5
    assert (withheld["cause"] == "voucher").all()
    assert not withheld["cost"].any()
    np.testing.assert_allclose(own["cost"].sum(), money(book, 1, *COSTS).sum(), rtol=1e-6, atol=1e-5)
    (fewer, usual) = (one.loc[one["event"] == "messages", ["number", "fatigue"]].max() for one in (own, free))
    assert fewer["number"] / usual["number"] == pytest.approx(30.4375 / 30 / 2, rel=1e-9)
    assert fewer["fatigue"] / usual["fatigue"] == pytest.approx(30.4375 / 30 / 2, rel=1e-6)


def test_its_money_falls_into_the_ledgers_months() -> None:
    summary = shop(30)
    simulation, table = traced(2, summary=summary)
    own, book = table[(table["scenario"] == "plan") & (table["event"] != "messages")], ledger(simulation, "plan")
    days = (pd.to_datetime(own["date"]) - pd.Timestamp(summary.today)).dt.days - 0.5
    month = (days / DAYS_PER_MONTH).astype(int).clip(upper=11)
    posted = money(book, 1, "revenue_orders", "revenue_offers") - money(book, 1, "refunds")
    by_month = np.bincount(month, own["revenue"], 12)
    assert np.isclose(by_month, posted, atol=1e-4).sum() >= 9  # months begin within a day, of which a date says nothing
    np.testing.assert_allclose(by_month.sum(), posted.sum(), rtol=1e-6)


@pytest.mark.parametrize("toy", ["", "renewing"])
def test_newcomers_too(toy: str) -> None:
    acquisition = channels(visitors_per_month=200)
    fitted = as_toy(posterior(DRAWS, spread=0.1), toy) if toy else posterior(DRAWS, spread=0.1)
    shared: dict[str, Any] = {"acquisition": acquisition, "environment": STORMY, "seed": 3}
    simulation = run(LIBRARY, fitted=fitted, summary=shop(5), draws=DRAWS, **shared)
    plan = plan_of(LIBRARY, shop(5), 0.4, shared, renewing=bool(toy))
    world = tracing.World.of(plan, fitted, shop(5), 1)
    people = tracing.chosen_newcomers(world, fitted, 10**6)
    assert len(people) > 10
    for name, scenario in plan.scenarios.items():
        lived = [what for person in people for what in tracing.life_of(world, person.block, name, scenario)]
        book = ledger(simulation, name)
        net = money(book, 1, "revenue_orders", "revenue_offers", origin="new") - money(book, 1, "refunds", origin="new")
        np.testing.assert_allclose(sum(w.revenue for w in lived), net.sum(), rtol=1e-6)
        cost = money(book, 1, *COSTS, origin="new").sum()
        np.testing.assert_allclose(sum(w.cost for w in lived), cost, rtol=1e-6, atol=1e-5)
        came = sum(w.event == "first order" for w in lived)
        assert came == round(money(book, 1, "customers_acquired", origin="new").sum())
        assert came + sum(w.event == "does not come" for w in lived) == len(people)


def test_without_a_margin_nothing_costs() -> None:
    simulation, table = traced(margin=None)
    assert not table["cost"].any()
    net = money(ledger(simulation, "plan"), 1, "revenue_orders", "revenue_offers").sum()
    net -= money(ledger(simulation, "plan"), 1, "refunds").sum()
    np.testing.assert_allclose(table.loc[table["scenario"] == "plan", "revenue"].sum(), net, rtol=1e-6)


def test_it_says_of_each_event_which_lever_caused_it() -> None:
    _, table = traced()
    causes = table[table["scenario"] == "plan"].groupby("event")["cause"].unique()
    assert set(causes["order"]) == {""}
    assert set(causes["offer taken"]) == {"upsell", "voucher"}
    assert set(causes["offer declined"]) == {"upsell"}
    assert set(causes["campaign"]) == {"voucher"}
    assert set(causes["messages"]) == {"letter", "news"}
    assert set(causes["cost"]) == {"gift", "fee", "card"}
    messages = table[table["event"] == "messages"]
    assert messages["number"].between(0.1, 6).all()
    assert (messages["goodwill"] > 0).all()
    assert table.loc[table["event"] != "messages", ["number", "goodwill", "fatigue"]].isna().all(axis=None)


def test_a_lever_that_does_nothing_leaves_every_line() -> None:
    nothing = {"upsell": {"kind": "offer", "take": 0.0, "price": 5.0, "who": {"customers": "new"}},
               "hush": {"kind": "shift", "target": "rate", "size": 0.0}}  # fmt: skip
    _, table = traced(library=scenarios(nothing=nothing), acquisition=channels())
    base, same = (table[table["scenario"] == name].drop(columns="scenario") for name in (BASELINE, "nothing"))
    same = same[same["event"] != "offer declined"]
    pd.testing.assert_frame_equal(base.reset_index(drop=True), same.reset_index(drop=True), check_exact=True)


def test_neither_blocks_nor_the_order_of_rows_change_it() -> None:
    whole = traced(customers=9, acquisition=channels())[1]
    blocks = traced(customers=9, acquisition=channels(), shard_customers=4)[1]
    pd.testing.assert_frame_equal(whole, blocks, check_exact=True)


def test_who_is_chosen() -> None:
    simulation, table = traced(customers=6, acquisition=channels())
    role = table.groupby("customer", sort=False)["role"].first()
    customers, histories = simulation.customers.set_index("customer_id"), shop(30).customers.set_index("customer_id")
    assert list(role)[:3] == ["median expected value", "most orders so far", "silent for longest"]
    assert customers["rlv_mean"].rank()[role.index[0]] == 15
    assert histories["frequency"][role.index[1]] == histories["frequency"].max()
    again = histories[histories["frequency"] > 0]
    silence = (again["T_days"] - again["recency_days"]).drop([*role.index[:2]], errors="ignore")
    assert silence.idxmax() == role.index[2]
    ranks = customers["rlv_mean"].rank(ascending=False)
    assert role.iloc[3] == f"rank {ranks[role.index[3]]:.0f} of 30 by expected value"
    assert list(role)[4:] == ["newcomer", "newcomer 2, whom a lever brings"]
    assert set(table.loc[table["customer"] == role.index[5], "event"]) >= {"does not come", "first order"}


def test_who_is_known_to_be_lost_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = traced()[1]
    lost = np.arange(30) % 3 == 0
    monkeypatch.setattr(tracing.people, "reachable", lambda fitted, summary: ~lost)
    table = traced()[1]
    ids = shop(30).customers["customer_id"]
    assert set(table["customer"]) == set(ids[~lost]) < set(whole["customer"])


@pytest.mark.parametrize("number", [1, 2, 7, 50])
def test_as_many_as_are_asked_for_as_far_as_there_are_any(number: int) -> None:
    assert traced(customers=number)[1]["customer"].nunique() == min(number, 30)


def test_the_page_has_one_line_for_what_scenarios_have_alike() -> None:
    table = traced(customers=6)[1]
    lines = tracing.shown(table)
    roles = ["median expected value", "most orders so far", "silent for longest"]
    assert list(dict.fromkeys(line.customer for line in lines)) == roles
    assert "all" in {line.scenarios for line in lines}
    assert {line.scenarios for line in lines if line.event == "campaign"} == {"plan"}
    for role in roles:
        own = table[(table["role"] == role) & (table["event"] == "messages") & (table["cause"] == "letter")]
        shown = [line for line in lines if (line.customer, line.cause, line.event) == (role, "letter", "messages")]
        assert [line.date for line in shown] == list(own["date"][:1])
        np.testing.assert_allclose([line.number for line in shown], own["number"].sum() if len(own) else [])
        np.testing.assert_allclose([line.cost for line in shown], own["cost"].sum() if len(own) else [])
    counts = table[table["role"] == roles[1]].groupby("scenario")["event"].size()
    assert sum(line.customer == roles[1] for line in lines) <= min(tracing.LINES_SHOWN, counts.sum())
    assert "c0" not in str(lines)


def test_two_alike_on_one_day_are_two_lines() -> None:
    table = traced(draw=2, customers=2)[1]
    table = table[(table["role"] == "most orders so far") & (table["scenario"] == BASELINE)]
    twice = pd.concat([table, table]).sort_values(["scenario", "date"], kind="stable").reset_index(drop=True)
    orders = [sum(line.event == "order" for line in tracing.shown(own)) for own in (table, twice)]
    assert orders[1] == 2 * orders[0] > 0


def test_a_life_that_outgrows_its_room_is_simulated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = traced()[1]
    monkeypatch.setattr(tracing, "EVENTS_AT_FIRST", 1)
    pd.testing.assert_frame_equal(traced()[1], whole, check_exact=True)


def test_the_run_knows_nothing_of_it() -> None:
    before, _ = traced(customers=3)
    after = run(LIBRARY, fitted=posterior(DRAWS, spread=0.1), summary=shop(30), draws=DRAWS, environment=STORMY, seed=3)
    for name in before.scenarios:
        np.testing.assert_array_equal(ledger(before, name).calendar, ledger(after, name).calendar)
