"""What may not change a result, bit for bit; and what a change may touch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import (
    CALM,
    CONFIGS,
    MBG,
    assert_same,
    assert_same_ledger,
    channels,
    ledger,
    line,
    posterior,
    run,
    scenarios,
    shipped,
    shop,
)

from clvsim.errors import ConfigError
from clvsim.interventions.base import Between, ContactProgramme, Group, Listing, OfferTerms, Who
from clvsim.kernels import structs as ks
from clvsim.scenario import BASELINE, Scenario, placed_interventions
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig
from clvsim.simulation.ledger import Ledger, Line
from clvsim.simulation.people import Targets, ledger_groups

STORMY = EnvironmentConfig(sd_prior=0.2, acquisition_sd=0.2)
OFFER = {"kind": "offer", "take": 0.3, "price": 15.0, "refund": 0.05}
PLAN = {
    "upsell": OFFER | {"cannibalised": 0.4, "if_declined": {"after": 1, "hazard": 0.02, "rate": -0.1}},
    "email": {"kind": "contact", "per_month": 4.0, "cost": 0.02},
    "lift": {"kind": "shift", "target": "conversion", "size": 0.2},
    "dearer": {
        "kind": "shift",
        "target": "spend",
        "size": {"kind": "prior", "dist": "normal", "mean": 0.05, "sd": 0.1},
    },
    "wages": {"kind": "cost", "per": "month", "amount": 100.0},
}


LIVES = {
    "back": {"kind": "win_back", "silent_days": 60, "lift": 0.1, "living": 0.3, "coupon": 2.0, "cost": 0.1},
    "next": {"kind": "next_product", "outgrown": 0.5, "take": 0.5, "rate": -0.1, "spend": 0.2},
}


def everything(**config: Any) -> Simulation:
    settings: dict[str, Any] = {
        "draws": 10,
        "acquisition": channels(),
        "environment": STORMY,
        "fitted": posterior(12, spread=0.1, model=MBG),
    }
    return run(scenarios(plan=PLAN, email={"email": PLAN["email"]}, lives=LIVES), **(settings | config))


@pytest.fixture(scope="module")
def reference() -> Simulation:
    return everything()


# --- how the work is cut ---------------------------------------------------------------------------------------------

CUTS = [{"jobs": 2}, {"jobs": 3, "shard_customers": 7}, {"shard_customers": 1}, {"shard_customers": 25}]


@pytest.mark.parametrize("config", CUTS, ids=str)
def test_jobs_and_shards(reference: Simulation, config: dict[str, int]) -> None:
    assert_same(everything(**config), reference)


def test_order_of_rows(reference: Simulation) -> None:
    summary = shop()
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    other = everything(summary=shuffled)
    assert_same(other, reference, customers=False)
    by_id = other.customers.set_index("customer_id").loc[summary.customers["customer_id"]].reset_index()
    pd.testing.assert_frame_equal(by_id, reference.customers, check_exact=True)


def test_same_seed_same_bits_other_seed_other_numbers(reference: Simulation) -> None:
    assert_same(everything(), reference)
    other = everything(seed=4)
    assert (ledger(other).total("orders") != ledger(reference).total("orders")).any()


def test_more_draws_extend_a_run(reference: Simulation) -> None:
    more = everything(draws=12)
    for name in reference.scenarios:
        a, b = ledger(more, name), ledger(reference, name)
        np.testing.assert_array_equal(a.calendar[:10], b.calendar)
        np.testing.assert_array_equal(a.age[:10], b.age)
        np.testing.assert_array_equal(a.cohort[:10], b.cohort)
    pd.testing.assert_frame_equal(more.inputs.iloc[:10], reference.inputs, check_exact=True)


def test_first_replicate_is_the_run_without(reference: Simulation) -> None:
    thrice = everything(replicates=3)
    for name in reference.scenarios:
        np.testing.assert_array_equal(ledger(thrice, name).calendar[0::3], ledger(reference, name).calendar)
        np.testing.assert_array_equal(ledger(thrice, name).age[0::3], ledger(reference, name).age)
        assert (ledger(thrice, name).calendar[1::3] != ledger(reference, name).calendar).any()
    pd.testing.assert_frame_equal(thrice.inputs, reference.inputs, check_exact=True)


def test_another_scenario_changes_nothing(reference: Simulation) -> None:
    library, fitted = scenarios(plan=PLAN), posterior(12, spread=0.1, model=MBG)
    alone = run(library, draws=10, acquisition=channels(), environment=STORMY, fitted=fitted)
    for name in (BASELINE, "plan"):
        assert_same_ledger(ledger(alone, name), ledger(reference, name))


def test_order_of_interventions() -> None:
    """Three of them shift the same number."""
    shifts = {
        name: {"kind": "shift", "target": "rate", "size": size}
        for name, size in (("a", 0.1), ("b", 0.037), ("c", -0.21))
    }
    plan = PLAN | shifts
    one = run(scenarios(plan=plan), acquisition=channels(), environment=STORMY)
    other = run(scenarios(plan=dict(reversed(plan.items()))), acquisition=channels(), environment=STORMY)
    assert_same(one, other)


def test_combining_is_writing_together() -> None:
    parts = {name: {name: section} for name, section in PLAN.items()}
    together = run(scenarios(plan=PLAN), acquisition=channels())
    library = scenarios(**parts) | {"plan": Scenario(title="plan", combine=tuple(parts))}
    combined = run(library, acquisition=channels())
    assert_same_ledger(ledger(combined, "plan"), ledger(together, "plan"))


# --- zero effects ----------------------------------------------------------------------------------------------------


SHIPPED = sorted(path.stem for path in (CONFIGS / "scenario").glob("*.yaml") if path.stem != BASELINE)


def without_effect(name: str) -> dict[str, Any]:
    """A shipped scenario whose every number that may be uncertain has the value that does nothing."""
    scenario = shipped(name)
    for own_name, intervention in Scenario.model_validate(scenario).interventions.items():
        for field, (_, number) in intervention.uncertain().items():
            *parents, last = field.split(".")
            section = scenario[own_name]
            for parent in parents:
                section = section.setdefault(parent, {})
            section[last] = number.neutral
    return scenario


@pytest.fixture(scope="module", params=[CALM, STORMY], ids=["calm", "stormy"])
def neutral(request: pytest.FixtureRequest) -> Simulation:
    """All shipped scenarios without effect."""
    library = {BASELINE: Scenario(title="x")}
    library |= {name: Scenario.model_validate(without_effect(name)) for name in SHIPPED}
    return run(library, acquisition=channels(), environment=request.param, fitted=posterior(12, spread=0.1, model=MBG))


@pytest.mark.parametrize("name", SHIPPED)
def test_zero_effect(neutral: Simulation, name: str) -> None:
    """Whatever is in configs/scenario: every line of the baseline bit for bit, and only its own counts and costs more.

    Contacts cost money, which `repaid` and the cohorts' contribution count.
    """
    file = f"configs/scenario/{name}.yaml"
    assert name in neutral.scenarios, (
        f"{file} says nothing about the shop: {neutral.skipped[name].description.not_applicable}"
    )
    scenario, book, base = neutral.scenarios[name], ledger(neutral, name), ledger(neutral)
    assert scenario.compiled.mechanisms, f"{file} does nothing at all"
    assert not scenario.compiled.inputs
    assert_untouched(book, base)
    own_names = {p.name for p in placed_interventions(name, {n: Scenario.model_validate(shipped(n)) for n in SHIPPED})}
    own_names.add("frequency_cap")  # what it withholds is counted
    for entry in set(book.lines) - set(base.lines):
        if entry.cause not in own_names:
            assert not line(book, *entry).any(), entry
    costly = any(entry.account == "cost_contact" for entry in book.lines)
    rows = [row for row in range(ks.COHORT_LINES) if not (costly and row == ks.COHORT_CONTRIBUTION)]
    np.testing.assert_array_equal(book.cohort[:, :, rows], base.cohort[:, :, rows])
    if sent := [m.per_month for m in scenario.compiled.mechanisms if isinstance(m, ContactProgramme)]:
        assert book.total("contacts").min() > 250 * sum(sent)
    offers = [m for m in scenario.compiled.mechanisms if isinstance(m, OfferTerms)]
    if offers and not (offers[0].membership or offers[0].referral):  # else nobody joins or comes: nothing is counted
        account = "contacts" if offers[0].is_campaign else "offers_shown"
        account = "would_have_left" if offers[0].next_product else account
        assert book.total(account).min() > 5


@pytest.mark.parametrize("environment", [CALM, STORMY], ids=["calm", "stormy"])
def test_zero_offer(environment: EnvironmentConfig) -> None:
    """An offer that no customer takes, whose every refusal counts, with a price."""
    offer = OFFER | {"take": 0.0, "if_declined": {"after": 0, "hazard": 0.0, "rate": 0.0}}
    sim = run(scenarios(nothing={"it": offer}), acquisition=channels(), environment=environment)
    assert_untouched(ledger(sim, "nothing"), ledger(sim))
    np.testing.assert_array_equal(ledger(sim, "nothing").cohort, ledger(sim).cohort)
    assert ledger(sim, "nothing").total("offers_shown").min() > 10


SHIFTS = [{"kind": "shift", "target": t, "size": 0.0} for t in ("rate", "spend", "hazard", "conversion", "margin")]


@pytest.mark.parametrize("shift", SHIFTS, ids=lambda s: s["target"])
@pytest.mark.parametrize("clock", ["time", "orders"])
def test_zero_shift(shift: dict[str, Any], clock: str) -> None:
    sim = run(scenarios(nothing={"it": shift}), acquisition=channels(), environment=STORMY, attrition_clock=clock)
    assert_untouched(ledger(sim, "nothing"), ledger(sim))
    np.testing.assert_array_equal(ledger(sim, "nothing").cohort, ledger(sim).cohort)


def assert_untouched(book: Ledger, base: Ledger, but: tuple[str, ...] = ()) -> None:
    """Every line of the baseline, bit for bit. `repaid` is one, unless contacts cost money before it."""
    for entry in base.lines:
        for age in (False, True):
            if entry.account == "repaid" and any(other.account == "cost_contact" for other in book.lines):
                continue
            if entry.account not in but:
                np.testing.assert_array_equal(
                    line(book, *entry, age=age), line(base, *entry, age=age), err_msg=str(entry)
                )


# --- what a lever may touch ------------------------------------------------------------------------------------------


def test_offer_without_consequences_leaves_other_events_as_they_were() -> None:
    sim = run(scenarios(bump={"bump": OFFER}), acquisition=channels(), environment=STORMY)
    book = ledger(sim, "bump")
    assert_untouched(book, ledger(sim), but=("repaid",))
    assert line(book, "offers_taken", "bump")[:, :, 0].sum() > 20
    assert line(book, "refunds", "bump")[:, :, 0].sum() > 0
    worse = run(scenarios(bump={"bump": OFFER | {"if_declined": {"hazard": 0.05}}}), acquisition=channels())
    assert ledger(worse, "bump").total("orders").sum() < ledger(worse).total("orders").sum()


def test_opting_out_ends_contacts_not_customers() -> None:
    """Contacts without any other effect: every other line is the baseline's. 1 − e^−(.02 × 48) of all opt out."""
    harmless = {
        "kind": "contact",
        "per_month": 4.0,
        "goodwill": 0.0,
        "fatigue": 0.0,
        "churn": 0.0,
        "opt_out_fatigue": 0.0,
    }
    library = scenarios(stays={"email": harmless | {"opt_out": 0.0}}, goes={"email": harmless | {"opt_out": 0.02}})
    sim = run(library, draws=40, acquisition=channels(), environment=STORMY)
    for name in ("stays", "goes"):
        assert_untouched(ledger(sim, name), ledger(sim))
    sent, fewer = (line(ledger(sim, name), "contacts", "email")[:, 0, 0].sum(axis=1) for name in ("stays", "goes"))
    np.testing.assert_allclose(sent, 60 * 53 * 4 * 7 / 30.4375, rtol=1e-9)  # 52.2 weeks, the last one counts in full
    opt_outs = line(ledger(sim, "goes"), "opt_outs", "contact")[:, 0, 0].sum(axis=1)
    p = 1 - np.exp(-0.02 * 48)
    assert abs(opt_outs.mean() - 60 * p) < 4 * np.sqrt(60 * p * (1 - p) / 40)
    # until the end of the week of leaving: ∫ e^(−.08 t) dt over 12 months, and half a week more for those who leave
    expected = 4 * 60 * (p / 0.08 + p * 0.5 * 7 / 30.4375)
    assert abs(fewer.mean() - expected) < 4 * fewer.std(ddof=1) / np.sqrt(40)


def test_better_conversion_only_adds_newcomers() -> None:
    """Existing customers are untouched; every count and amount of a newcomers' cell can only grow."""
    lift = {"kind": "shift", "target": "conversion", "size": 0.3}
    sim = run(scenarios(lift={"page": lift}), acquisition=channels(), environment=STORMY, draws=20)
    book, base = ledger(sim, "lift"), ledger(sim)
    old = [i for i, g in enumerate(base.groups) if g.origin == "existing"]
    np.testing.assert_array_equal(book.calendar[:, old], base.calendar[:, old])
    for account in ("revenue_orders", "orders", "customers_acquired"):
        for age in (False, True):
            cause = "acquisition" if account == "customers_acquired" else "orders"
            more = line(book, account, cause, age=age) - line(base, account, cause, age=age)
            assert more.min() >= 0
    extra = book.total("customers_acquired") - base.total("customers_acquired")
    # 24 expected at 2 %; log-odds + log 1.3 gives 2.584 %: 7 more, with the variance of a Poisson number
    assert abs(extra.mean() - 24 * (0.025847 / 0.02 - 1)) < 4 * np.sqrt(7 / 20)
    np.testing.assert_array_equal(line(book, "cost_acquisition", "ads"), line(base, "cost_acquisition", "ads"))


def test_one_newcomer_more_leaves_the_others_alone() -> None:
    """Newcomers are keyed by channel, month and ordinal: where a lift adds no newcomer to a world, nothing differs."""
    lift = {"kind": "shift", "target": "conversion", "size": 0.02}
    sim = run(scenarios(lift={"page": lift}), acquisition=channels(), draws=40, fitted=posterior(40))
    book, base = ledger(sim, "lift"), ledger(sim)
    extra = (book.total("customers_acquired") - base.total("customers_acquired")).astype(int)
    assert {0, 1} <= set(extra.tolist())
    unchanged = extra == 0
    for entry in base.lines:
        if entry != Line("repaid", "acquisition"):  # the cost of a newcomer has fallen
            np.testing.assert_array_equal(
                line(book, *entry, age=True)[unchanged], line(base, *entry, age=True)[unchanged]
            )
    single = extra == 1
    first = (
        line(book, "orders", "orders", age=True)[single, 0, 0] - line(base, "orders", "orders", age=True)[single, 0, 0]
    )
    assert (first[:, 0] >= 1).all()
    assert (first >= 0).all()


def test_a_customer_who_is_not_there(reference: Simulation) -> None:
    """Removing one customer leaves the figures of all others as they were."""
    summary = shop()
    fewer = replace(summary, customers=summary.customers.drop(17).reset_index(drop=True))
    other = everything(summary=fewer).customers
    remaining = reference.customers.drop(17).reset_index(drop=True)
    pd.testing.assert_frame_equal(other, remaining, check_exact=True)


# --- units -----------------------------------------------------------------------------------------------------------


def test_days_or_weeks() -> None:
    """The same posterior in days: parameters differ in the last digits only, so do values."""
    a = everything()
    b = everything(fitted=posterior(12, spread=0.1, unit="day", model=MBG), summary=shop(unit="day"))
    for name in a.scenarios:
        np.testing.assert_allclose(ledger(b, name).calendar, ledger(a, name).calendar, rtol=1e-6, atol=1e-4)


def test_dollars_or_cents() -> None:
    """All money × 100: events are the same, amounts to the rounding of each entry to ledger units."""
    dollars = run(scenarios(up={"up": OFFER}), acquisition=channels())
    cents = run(
        scenarios(up={"up": OFFER | {"price": 1500.0}}),
        summary=shop(money=100.0),
        fitted=posterior(12, money=100.0),
        acquisition=channels(cost_per_visitor=40.0),
        cost_per_order=150.0,
    )
    for name in dollars.scenarios:
        a, b = ledger(dollars, name), ledger(cents, name)
        for entry in a.lines:
            x, y = line(a, *entry), line(b, *entry)
            if (
                entry.account in ("orders", "customers_acquired", "active_customers", "repaid")
                or "offers_" in entry.account
            ):
                np.testing.assert_array_equal(x, y)
            else:
                np.testing.assert_allclose(y, 100 * x, rtol=1e-12, atol=200 * 100 * 64 * 2.0**-24)
        np.testing.assert_array_equal(a.cohort[:, :, 2], b.cohort[:, :, 2])


# --- refusals --------------------------------------------------------------------------------------------------------


def test_more_draws_than_the_posterior_holds() -> None:
    with pytest.raises(ConfigError, match=r"fit\.draws") as caught:
        run(draws=13, fitted=posterior(12))
    assert "simulation.draws" in str(caught.value)
    assert "12" in str(caught.value)


def test_too_many_cells() -> None:
    with pytest.raises(ConfigError) as caught:
        run(draws=3000, replicates=4, horizon_months=600)
    for key in ("simulation.draws", "simulation.replicates", "simulation.horizon_months", "scenarios", "groups"):
        assert key in str(caught.value)


# --- lists of customers ----------------------------------------------------------------------------------------------

ONCE = Who.model_validate({"orders": {"at_most": 1}})
SILENT = Who.model_validate({"silent_days": {"at_least": 90, "at_most": 400}})


def test_customers_are_grouped_by_the_lists_they_are_on() -> None:
    summary = shop(400, segments=2)
    orders = summary.customers["frequency"].to_numpy() + 1
    silent = (summary.customers["T_days"] - summary.customers["recency_days"]).to_numpy()
    listings = [who.listing for who in (ONCE, SILENT) if who.listing is not None]
    groups, group, note = ledger_groups(summary.customers, AcquisitionConfig(), Targets(tuple(listings)))
    assert note == ""
    on = {ONCE: orders <= 1, SILENT: (silent >= 90) & (silent <= 400)}
    for who, expected in on.items():
        reached = np.array([who.reaches(g) for g in groups])
        np.testing.assert_array_equal(reached[group], expected)
        assert 0 < expected.sum() < 400
    segments = np.array([g.segment for g in groups])
    np.testing.assert_array_equal(segments[group], summary.customers["segment"])
    assert len(set(groups)) == len(groups) == len(np.unique(group))
    plain = ledger_groups(summary.customers, AcquisitionConfig())
    assert plain[0] == (Group("existing", "s0"), Group("existing", "s1"))


def test_lists_that_cut_the_customers_too_often_are_refused() -> None:
    many = [Listing(None, Between(at_least=20.0 * n)) for n in range(1, 10)]
    with pytest.raises(ConfigError, match="cut the customers into 10 parts; at most 8 fit"):
        ledger_groups(shop(400).customers, AcquisitionConfig(), Targets(tuple(many)))


def test_a_lever_on_a_list_leaves_all_others_as_they_were() -> None:
    lever = {"kind": "shift", "target": "rate", "size": 0.5, "who": {"orders": {"at_most": 1}}}
    sim = run(scenarios(more={"it": lever}), summary=shop(300), acquisition=channels())
    groups = ledger(sim).groups
    reached = [ONCE.reaches(group) for group in groups]
    assert sorted(reached) == [False] * (len(groups) - 1) + [True]
    base, more = (line(ledger(sim, name), "revenue_orders", "orders") for name in (BASELINE, "more"))
    for g, on_it in enumerate(reached):
        assert np.array_equal(base[:, g], more[:, g]) != on_it
    orders = [line(ledger(sim, name), "orders", "orders")[:, reached, 0].sum() for name in (BASELINE, "more")]
    assert orders[1] > 1.2 * orders[0]
    alone = run(scenarios(more={"it": lever | {"who": {}}}), summary=shop(300), acquisition=channels())
    np.testing.assert_allclose(ledger(sim).total("orders"), ledger(alone).total("orders"), rtol=1e-12)


def test_a_list_with_nobody_on_it_is_told() -> None:
    lever = {"kind": "shift", "target": "rate", "size": 0.5, "who": {"orders": {"at_least": 1000}}}
    sim = run(scenarios(more={"it": lever}), draws=2)
    told = sim.skipped["more"].description.not_applicable
    assert told == "reaches nobody (existing customers, with at least 1000 orders so far)"


def test_segments_are_groups() -> None:
    """Groups partition the customers: their sum is what one group would have been."""
    one, four = run(summary=shop()), run(summary=shop(segments=4))
    assert [g.label for g in ledger(four).groups] == [f"existing / s{i}" for i in range(4)] + ["company"]
    np.testing.assert_allclose(
        line(ledger(four), "orders", "orders").sum(axis=1), line(ledger(one), "orders", "orders").sum(axis=1), rtol=0
    )
    many = ledger(run(summary=shop(segments=20)))
    assert len(many.groups) == 17
    assert many.groups[15].segment == "other"
    pd.testing.assert_series_equal(
        pd.Series(many.total("orders")), pd.Series(ledger(one).total("orders")), check_exact=True
    )
