"""Every unit of money has a date, an account and a cause, and all ledgers tell the same story."""

from typing import Any

import numpy as np
import pytest
from shop import CALM, MBG, assert_same_ledger, channels, error, ledger, line, posterior, run, scenarios, shop

from clvsim import metrics
from clvsim.scenario import BASELINE, problems
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig
from clvsim.simulation.ledger import Line

UNIT = 32 * 2.0**-24  # a ledger unit in money
PLAN: dict[str, Any] = {
    "upsell": {
        "kind": "offer", "take": 0.3, "price": 15.0, "margin": 0.6, "incentive": 2.0, "refund": 0.2,
        "cannibalised": 0.4, "if_declined": {"after": 1, "hazard": 0.02, "rate": -0.1},
    },
    "email": {"kind": "contact", "per_month": 4.0, "cost": 0.02, "opt_out": 0.01},
    "flyer": {
        "kind": "contact", "per_month": 1.0, "cost": 0.3, "type": "hard", "when": {"start_month": 2, "end_month": 5},
    },
}  # fmt: skip
MAIL: dict[str, Any] = {
    "mail": {
        "kind": "campaign", "occasion": "silence", "silent_days": 45, "cost": 0.7, "take": 0.1, "price": 12.0,
        "margin": 0.5, "incentive": 1.0,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=["plan", "plan with a campaign"])
def plan(request: pytest.FixtureRequest) -> Simulation:
    return run(
        scenarios(plan=PLAN if request.param == "plan" else PLAN | MAIL),
        draws=30,
        horizon_months=9,
        acquisition=channels(),
        environment=EnvironmentConfig(sd_prior=0.2),
        fitted=posterior(30, spread=0.1),
    )


def discount(months: np.ndarray | list[float] | float, rate: float = 0.1) -> np.ndarray:
    return (1 + rate) ** (-np.asarray(months, float) / 12)


def test_lines_and_signs(plan: Simulation) -> None:
    """All lines of both scenarios, and which way each one counts."""
    base = {
        Line("revenue_orders", "orders"): 1,
        Line("cost_goods", "orders"): -1,
        Line("cost_orders", "orders"): -1,
        Line("orders", "orders"): 0,
        Line("customers_acquired", "acquisition"): 0,
        Line("active_customers", "orders"): 0,
        Line("repaid", "acquisition"): 0,
        Line("cost_acquisition", "ads"): -1,
    }
    offer = {
        "revenue_offers": 1,
        "refunds": -1,
        "cost_goods": -1,
        "cost_incentive": -1,
        "offers_shown": 0,
        "offers_taken": 0,
    }
    more = {Line(account, "upsell"): sign for account, sign in offer.items()} | {Line("opt_outs", "contact"): 0}
    more |= {Line(a, name): s for name in ("email", "flyer") for a, s in (("contacts", 0), ("cost_contact", -1))}
    if Line("contacts", "mail") in ledger(plan, "plan").lines:
        campaign = {account: sign for account, sign in offer.items() if account != "offers_shown"}
        more |= {Line(a, "mail"): sign for a, sign in (campaign | {"contacts": 0, "cost_contact": -1}).items()}
    for name, expected in ((BASELINE, base), ("plan", base | more)):
        book = ledger(plan, name)
        assert {entry: entry.sign for entry in book.lines} == expected
        money = [i for i, entry in enumerate(book.lines) if entry.sign]
        assert book.calendar[:, :, money].min() >= 0  # costs are positive amounts of a negative line
        by_hand = np.sum([entry.sign * line(book, *entry) for entry in book.lines], axis=0)
        np.testing.assert_allclose(book.contribution(), by_hand[:, :, 1], rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(book.contribution(discounted=False), by_hand[:, :, 0], rtol=1e-12, atol=1e-9)


def test_offers_are_priced(plan: Simulation) -> None:
    book = ledger(plan, "plan")
    taken, shown = (line(book, account, "upsell") for account in ("offers_taken", "offers_shown"))
    np.testing.assert_allclose(line(book, "revenue_offers", "upsell"), 15 * taken, rtol=1e-12)
    kept = taken - line(book, "refunds", "upsell") / 15  # the goods of the others come back
    np.testing.assert_allclose(line(book, "cost_goods", "upsell"), 0.4 * 15 * kept, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(line(book, "cost_incentive", "upsell"), 2 * taken, rtol=1e-12)
    np.testing.assert_array_equal(shown[:, :, 0].sum(axis=1), line(book, "orders", "orders")[:, :, 0].sum(axis=1))
    share = taken[:, :, 0].sum() / shown[:, :, 0].sum()
    refunded = line(book, "refunds", "upsell")[:, :, 0].sum() / (15 * taken[:, :, 0].sum())
    assert abs(share - 0.3) < 4 * np.sqrt(0.21 / shown[:, :, 0].sum())
    assert abs(refunded - 0.2) < 4 * np.sqrt(0.16 / taken[:, :, 0].sum())
    np.testing.assert_allclose(line(book, "cost_orders", "orders"), 1.5 * line(book, "orders", "orders"), rtol=1e-12)
    goods, revenue = line(book, "cost_goods", "orders"), line(book, "revenue_orders", "orders")
    np.testing.assert_allclose(goods, 0.6 * revenue, atol=100 * UNIT)


def test_everybody_written_to_costs(plan: Simulation) -> None:
    """A campaign: what it costs for each, and what the share that takes it brings."""
    book = ledger(plan, "plan")
    if Line("contacts", "mail") not in book.lines:
        return
    written, taken = (line(book, account, "mail") for account in ("contacts", "offers_taken"))
    np.testing.assert_allclose(line(book, "cost_contact", "mail"), 0.7 * written, rtol=1e-12)
    np.testing.assert_allclose(line(book, "revenue_offers", "mail"), 12 * taken, rtol=1e-12)
    np.testing.assert_allclose(line(book, "cost_goods", "mail"), 6 * taken, rtol=1e-12)
    np.testing.assert_allclose(line(book, "cost_incentive", "mail"), taken, rtol=1e-12)
    assert 0.05 < taken[:, :, 0].sum() / written[:, :, 0].sum() < 0.1  # nobody who has left answers


def test_a_campaign_on_dates_reaches_all_who_are_there() -> None:
    campaign = {"kind": "campaign", "occasion": "dates", "months": [1, 4], "take": 0.0, "price": 0.0, "cost": 0.5}
    sim = run(scenarios(mail={"mail": campaign}), draws=40)
    written = line(ledger(sim, "mail"), "contacts", "mail")[:, 0]
    np.testing.assert_allclose(written[:, 0], [60 * (month in (1, 4)) for month in range(12)] * np.ones((40, 1)))
    # Noon of the first whole day of each of the two months.
    days = np.ceil(np.array([1, 4]) * 365.25 / 12) + 0.5
    np.testing.assert_allclose(
        written[:, 1, [1, 4]], 60 * discount(days * 12 / 365.25) * np.ones((40, 1)), atol=60 * 2.0**-24
    )


def test_a_membership_is_priced_by_trials_charges_and_orders() -> None:
    club = {
        "kind": "membership", "on_orders": [1], "take": 1.0, "price": 30.0, "margin": 0.8, "churn": 0.2,
        "who": {"customers": "new"}, "trial_days": 30, "trial_cost": 2.0, "convert": 0.5, "order_cost": 1.5,
    }  # fmt: skip
    sim = run(scenarios(club={"club": club}), draws=40, acquisition=channels())
    book = ledger(sim, "club")
    newcomers, trials = line(book, "customers_acquired", "acquisition"), line(book, "trials", "club")
    np.testing.assert_allclose(trials[:, :, 0].sum(axis=-1), newcomers[:, :, 0].sum(axis=-1), rtol=1e-9)
    paid = line(book, "charges", "club")
    np.testing.assert_allclose(line(book, "revenue_offers", "club"), 30 * paid, rtol=1e-12)
    np.testing.assert_allclose(line(book, "cost_goods", "club"), 6 * paid, rtol=1e-9)
    orders = (line(book, "cost_incentive", "club") - 2.0 * trials) / 1.5
    ordered = line(book, "orders", "orders")
    assert np.all(orders[:, 1:, 0] >= -1e-6)
    assert np.all(orders[:, :, 0].sum(axis=-1) <= ordered[:, :, 0].sum(axis=-1) + 1e-6)
    assert orders[:, :, 0].sum() > 1.05 * newcomers[:, :, 0].sum()  # the first order, and some of those after it


def test_a_win_back_costs_its_messages_and_coupons() -> None:
    lever = {"kind": "win_back", "silent_days": 60, "lift": 0.2, "cost": 0.7, "coupon": 4.0, "redeemed": 0.5}
    sim = run(scenarios(back={"back": lever}), draws=40, acquisition=channels(), fitted=posterior(40, model=MBG))
    book = ledger(sim, "back")
    written, used, won = (line(book, account, "back") for account in ("contacts", "coupons_used", "won_back"))
    np.testing.assert_allclose(line(book, "cost_contact", "back"), 0.7 * written, rtol=1e-12)
    np.testing.assert_allclose(line(book, "cost_incentive", "back"), 4.0 * used, rtol=1e-12)
    assert 0 < won[:, :, 0].sum() < used[:, :, 0].sum()  # who comes back uses one, and half of the others
    orders, usual = (line(ledger(sim, name), "orders", "orders")[:, :, 0].sum() for name in ("back", BASELINE))
    assert orders - usual >= won[:, :, 0].sum() - 1e-6


def test_a_next_product_moves_as_many_as_it_keeps() -> None:
    """Of those who would have left a share of outgrown times take goes over; spend is theirs afterwards."""
    lever = {"kind": "next_product", "outgrown": 0.5, "take": 0.6, "spend": 1.0}
    sim = run(scenarios(next={"next": lever}), draws=200, acquisition=channels(), fitted=posterior(200, model=MBG))
    book = ledger(sim, "next")
    would, moved = (line(book, account, "next")[:, :, 0].sum() for account in ("would_have_left", "moved_on"))
    assert abs(moved / would - 0.3) < 4 * np.sqrt(0.21 / would)
    revenue, orders = (
        np.array([line(ledger(sim, name), account, "orders")[:, :, 0].sum() for name in ("next", BASELINE)])
        for account in ("revenue_orders", "orders")
    )
    assert revenue[0] / orders[0] > 1.01 * revenue[1] / orders[1]


def test_a_referral_costs_its_reward_and_brings_a_customer() -> None:
    """`referred` once more from the cohorts: who came is active on the day of the first order."""
    lever = {"kind": "referral", "per_order": 0.2, "reward": 3.0}
    sim = run(scenarios(friends={"friends": lever}), draws=30, acquisition=channels())
    book = ledger(sim, "friends")
    brought = line(book, "referrals", "friends")
    np.testing.assert_allclose(line(book, "cost_incentive", "friends"), 3 * brought, rtol=1e-12)
    come = metrics.referred(sim, sim.scenarios["friends"])
    np.testing.assert_allclose(brought[:, :, 0].sum(axis=(1, 2)), come, atol=1e-6)
    cohorts = [c for c, cohort in enumerate(book.cohorts) if book.groups[cohort.group].origin == "referred"]
    active = line(book, "active_customers", "orders")[:, [cohort.group for cohort in book.cohorts][cohorts[0]], 0]
    assert (active.max(axis=1) <= come + 1e-6).all()
    np.testing.assert_allclose(book.cohort[:, cohorts, 2].sum(axis=1), active, atol=1e-6)
    assert come.mean() > 10


def test_a_funnel_is_a_cost_of_acquisition() -> None:
    """400 visitors a month, 2 % of whom buy: a tenth of the others costs 0.3 each, whoever buys."""
    mail = {"kind": "funnel", "share": 0.1, "cost": 0.3, "first": {"buy": 0.1}, "quality": None}
    sim = run(scenarios(mails={"mails": mail}), draws=20, acquisition=channels())
    paid, base = (line(ledger(sim, name), "cost_acquisition", "ads")[:, :, 0].sum() for name in ("mails", BASELINE))
    np.testing.assert_allclose(paid - base, 20 * 3 * 0.3 * 39.2, rtol=1e-9)
    come, usual = (line(ledger(sim, name), "customers_acquired", "acquisition").sum() for name in ("mails", BASELINE))
    assert come > usual


def test_calendar_and_age_ledgers_agree(plan: Simulation) -> None:
    """Undiscounted, newcomers' lines have the same total in both: everybody is followed to the same age."""
    for name in plan.scenarios:
        book = ledger(plan, name)
        new = [i for i, g in enumerate(book.groups) if g.origin == "new"]
        for entry in book.lines:
            if entry.account in ("active_customers", "repaid", "cost_acquisition"):
                continue
            calendar, age = line(book, *entry)[:, new, 0], line(book, *entry, age=True)[:, :, 0]
            np.testing.assert_allclose(
                calendar.sum(axis=-1), age.sum(axis=-1), rtol=1e-9, atol=1e-5, err_msg=str(entry)
            )


def test_discounting_of_one_newcomer() -> None:
    """In worlds with a single newcomer: value today = D(first order) × value at the own first order, by line."""
    sim = run(
        scenarios(plan=PLAN),
        draws=60,
        horizon_months=9,
        acquisition=channels(visitors_per_month=50, months=2),
        fitted=posterior(60, r=2.0, a=0.2),
    )
    for name in sim.scenarios:
        book = ledger(sim, name)
        new = [i for i, g in enumerate(book.groups) if g.origin == "new"]
        acquired = line(book, "customers_acquired", "acquisition")[:, new].sum(axis=(1, 3))
        single = acquired[:, 0] == 1
        assert single.sum() >= 10
        at_first = acquired[single, 1]
        assert (discount(2) < at_first).all()
        assert (at_first < 1).all()
        for entry in book.lines:
            if entry.account in ("active_customers", "repaid", "cost_acquisition"):
                continue
            calendar = line(book, *entry)[single][:, new, 1].sum(axis=(1, 2))
            age = line(book, *entry, age=True)[single][:, :, 1].sum(axis=(1, 2))
            np.testing.assert_allclose(calendar, at_first * age, rtol=1e-6, atol=100 * 15 * UNIT, err_msg=str(entry))


def test_discounting_within_a_month() -> None:
    """Each entry is discounted at its own time, so a month's factor lies between those of its two ends."""
    sim = run(draws=40, horizon_months=12, rate=0.5, acquisition=channels())
    book = ledger(sim)
    for age, months in ((False, 15), (True, 12)):
        plain, late = (line(book, "revenue_orders", "orders", age=age)[:, :, i].sum(axis=(0, 1)) for i in (0, 1))
        factor = late / plain
        edge = discount(np.arange(months + 1), 0.5)
        assert (factor <= edge[:-1] + 1e-9).all()
        assert (factor >= edge[1:] - 1e-9).all()
    flat = ledger(run(draws=5, rate=0.0, acquisition=channels()))
    dated = [i for i, entry in enumerate(flat.lines) if entry.account != "active_customers"]  # a stock has no date
    np.testing.assert_array_equal(flat.calendar[:, :, dated, 0], flat.calendar[:, :, dated, 1])


def test_acquisition_cost_is_dated() -> None:
    """Paid on visitors, whoever comes: 160 in each of three months, at the middle of the month."""
    book = ledger(run(acquisition=channels(), horizon_months=6))
    spent = line(book, "cost_acquisition", "ads")
    np.testing.assert_allclose(spent[:, 1, 0], np.tile([160.0] * 3 + [0.0] * 6, (12, 1)), rtol=1e-12)
    np.testing.assert_allclose(spent[:, 1, 1, :3], np.tile(160 * discount([0.5, 1.5, 2.5]), (12, 1)), rtol=1e-12)
    assert not spent[:, [0, 2]].any()


def test_cost_entries() -> None:
    entries = {
        "set_up": {"kind": "cost", "per": "once", "amount": 500.0, "when": {"start_month": 2}},
        "wages": {"kind": "cost", "per": "month", "amount": 100.0, "when": {"start_month": 1, "end_month": 4}},
        "rent": {"kind": "cost", "per": "month", "amount": 10.0},
        "label": {"kind": "cost", "per": "order", "amount": 0.5, "who": {"customers": "existing"}},
        "card": {"kind": "cost", "per": "customer", "amount": 2.0},
        "fee": {"kind": "cost", "per": "revenue", "amount": 0.03},
        "bump": {"kind": "offer", "take": 0.5, "price": 10.0},
    }
    sim = run(scenarios(plan=entries), acquisition=channels(), horizon_months=6)
    book, base = ledger(sim, "plan"), ledger(sim)
    months = np.arange(9)
    dates = {
        "set_up": 500.0 * (months == 2),
        "wages": 100.0 * ((months >= 1) & (months < 4)),
        "rent": 10.0 * (months < 6),
    }
    for name, expected in dates.items():
        paid = line(book, "cost_fixed", name)
        assert book.groups[-1].origin == "company"
        assert not paid[:, :-1].any()
        within = 6 if name == "rent" else 9  # it goes on for newcomers, in their share
        plain, late = np.tile(expected, (12, 1)), np.tile(expected * discount(months), (12, 1))
        np.testing.assert_allclose(paid[:, -1, 0, :within], plain[:, :within], rtol=1e-12)
        np.testing.assert_allclose(paid[:, -1, 1, :within], late[:, :within], rtol=1e-12)
    orders = line(book, "orders", "orders").copy()
    orders[:, 1] = 0
    np.testing.assert_allclose(line(book, "cost_orders", "label"), 0.5 * orders, rtol=1e-12)
    heads = line(book, "customers_acquired", "acquisition").copy()
    heads[:, 0, :, 0] += 60
    np.testing.assert_allclose(line(book, "cost_incentive", "card"), 2 * heads, rtol=1e-12)
    revenue = line(book, "revenue_orders", "orders") + line(book, "revenue_offers", "bump")
    np.testing.assert_allclose(line(book, "cost_orders", "fee"), 0.03 * revenue, rtol=1e-12)
    np.testing.assert_array_equal(line(book, "revenue_orders", "orders"), line(base, "revenue_orders", "orders"))
    loss = metrics.plan_value(sim, sim.scenarios[BASELINE]) - metrics.plan_value(sim, sim.scenarios["plan"])
    costs = sum(
        line(book, *entry)[:, :, 1].sum(axis=(1, 2))
        for entry in book.lines
        if entry.cause in entries and entry.cause != "bump"
    )
    gain = sum(
        entry.sign * line(book, *entry)[:, :, 1].sum(axis=(1, 2)) for entry in book.lines if entry.cause == "bump"
    )
    np.testing.assert_allclose(loss, costs - gain, rtol=1e-9)


@pytest.mark.parametrize("name", ["orders", "acquisition", "contact"])
def test_names_that_the_ledger_uses_itself(name: str) -> None:
    """A cost called `orders` would take the place of the ledger's own line of that cause."""
    library = scenarios(plan={name: {"kind": "cost", "per": "order", "amount": 0.5}})
    assert [problem.where for problem in problems(library)] == [f"scenario.plan.{name}"]


def test_cohorts_add_up(plan: Simulation) -> None:
    for name in plan.scenarios:
        book = ledger(plan, name)
        revenue = sum(
            line(book, *entry)[:, :, 0].sum(axis=1) for entry in book.lines if entry.account.startswith("revenue")
        )
        np.testing.assert_allclose(book.cohort[:, :, 0].sum(axis=1), revenue, rtol=1e-9, atol=1e4 * UNIT)
        contribution = book.contribution(discounted=False)[:, :-1].sum(axis=1)
        contribution += line(book, "cost_acquisition", "ads")[:, :, 0].sum(axis=1)  # nobody's, so in no cohort
        np.testing.assert_allclose(book.cohort[:, :, 1].sum(axis=1), contribution, rtol=1e-9, atol=1e4 * UNIT)
        active = line(book, "active_customers", "orders")[:, :, 0].sum(axis=1)
        np.testing.assert_allclose(book.cohort[:, :, 2].sum(axis=1), active, atol=1e-6)
        for group in range(2):
            mine = [i for i, c in enumerate(book.cohorts) if c.group == group]
            np.testing.assert_allclose(
                book.cohort[:, mine, 0].sum(axis=1),
                sum(line(book, *entry)[:, group, 0] for entry in book.lines if entry.account.startswith("revenue")),
                atol=1e4 * UNIT,
            )


def test_halves_add_up(plan: Simulation) -> None:
    for name, scenario in plan.scenarios.items():
        book = ledger(plan, name)
        total = metrics.customer_equity(plan, scenario) + line(book, "cost_acquisition", "ads")[:, :, 1].sum(
            axis=(1, 2)
        )
        np.testing.assert_allclose(book.halves.sum(axis=(1, 2)), total, rtol=1e-9, atol=1e-6)
        assert (book.halves[:, :, 0] > 0).mean() > 0.9
        pav = metrics.pav_halves(plan, scenario).sum(axis=1)
        populated = (book.age_halves[:, :, 1] > 0).all(axis=1)
        assert populated.any()
        assert np.isfinite(pav).all()
        heads = book.total("customers_acquired", age=True)
        np.testing.assert_allclose(book.age_halves[:, :, 1].sum(axis=1), heads, rtol=1e-12)
        np.testing.assert_allclose(
            book.age_halves[:, :, 0].sum(axis=1), metrics.pav_per_newcomer(plan, scenario) * heads, rtol=1e-9, atol=1e-6
        )


@pytest.mark.parametrize("months", [1, 7, 12, 24, 36])
def test_active_customers_without_attrition(months: int) -> None:
    """Everybody who never leaves is counted at the end of every month followed, the last one included."""
    loyal = posterior(12, a=1e-9, b=1e3)
    book = ledger(run(fitted=loyal, horizon_months=months, acquisition=channels()))
    active = line(book, "active_customers", "orders")[:, :, 0]
    np.testing.assert_array_equal(active[:, 0, :months], 60)
    assert not active[:, 0, months:].any()
    came = line(book, "customers_acquired", "acquisition")[:, 1, 0].cumsum(axis=1)
    np.testing.assert_array_equal(active[:, 1, :months], came[:, :months])
    age = line(book, "active_customers", "orders", age=True)[:, 0, 0]
    np.testing.assert_array_equal(age, np.repeat(came[:, -1:], months, axis=1))


def test_active_customers_fall_as_the_law_says() -> None:
    """Existing customers alive today average Σ P(alive), and numbers only fall."""
    sim = run(draws=400, horizon_months=12)
    active = line(ledger(sim), "active_customers", "orders")[:, 0, 0]
    assert (np.diff(active, axis=1) <= 0).all()
    alive = sim.customers["p_alive"].sum()
    assert (active[:, 0] <= 60).all()
    assert active[:, 0].mean() < alive + 4 * error(active[:, 0])
    assert active[:, 0].mean() > alive - 60 * 0.1


def test_revenue_without_a_margin() -> None:
    """No goods are costed, and offers count with their full price even where they name a margin."""
    sim = run(scenarios(plan={"upsell": PLAN["upsell"]}), margin=None, cost_per_order=0.0)
    book = ledger(sim, "plan")
    assert not line(book, "cost_goods", "orders").any()
    assert not line(book, "cost_goods", "upsell").any()
    assert line(book, "revenue_offers", "upsell").any()
    base = ledger(sim)
    np.testing.assert_array_equal(base.contribution()[:, 0], line(base, "revenue_orders", "orders")[:, 0, 1])


# --- newcomers -------------------------------------------------------------------------------------------------------


def test_number_of_newcomers() -> None:
    """Poisson with mean visitors × conversion in each month, whether counted in steps or by inversion."""
    crowd = channels(visitors_per_month=2000, conversion=0.02, months=2)
    for cap, weighted in ((1000, False), (10, True)):
        sim = run(draws=400, horizon_months=1, acquisition=crowd, max_newcomers_per_cell=cap, summary=shop(2))
        monthly = line(ledger(sim), "customers_acquired", "acquisition")[:, 1, 0, :2]
        for m in range(2):
            assert abs(monthly[:, m].mean() - 40) < 4 * np.sqrt(40 / 400)
            assert monthly[:, m].var(ddof=1) == pytest.approx(40, rel=4 * np.sqrt(2 / 400))
        assert abs(np.corrcoef(monthly.T)[0, 1]) < 4 / np.sqrt(400)
        acquired = sim.scenarios[BASELINE].acquired
        assert acquired is not None
        assert (acquired.weighted_share > 0.99) == weighted
        assert any("max_newcomers_per_cell" in note for note in sim.notes) == weighted
        np.testing.assert_allclose(acquired.customers, monthly.sum(axis=1), rtol=1e-6)
        np.testing.assert_allclose(acquired.visitors, 4000)
        np.testing.assert_allclose(acquired.cac, 0.4 / 0.02)
        np.testing.assert_allclose(acquired.conversion, 0.02)


def test_weights_leave_expected_figures_alone() -> None:
    """Few representatives with a weight or everybody: same means, in every line and with a lever."""
    crowd = channels(visitors_per_month=2000, conversion=0.02, months=2)
    library = scenarios(plan=PLAN | {"page": {"kind": "shift", "target": "conversion", "size": 0.2}})
    kwargs: dict[str, Any] = {
        "draws": 400,
        "horizon_months": 6,
        "acquisition": crowd,
        "summary": shop(2),
        "environment": CALM,
    }
    full, few = (run(library, max_newcomers_per_cell=cap, **kwargs) for cap in (1000, 10))
    for name in full.scenarios:
        for entry in ledger(full, name).lines:
            for age in (False, True):
                a, b = (line(ledger(s, name), *entry, age=age)[:, -1 if age else 1].sum(axis=-1) for s in (full, few))
                for i in (0, 1):
                    gap = 4.5 * np.hypot(error(a[:, i]), error(b[:, i])) + 1e-9  # some 100 comparisons
                    assert abs(a[:, i].mean() - b[:, i].mean()) <= gap, (name, entry, age, i)
        for metric in (metrics.pav_per_newcomer, metrics.share_repaying, metrics.ltv_cac):
            a, b = (metric(s, s.scenarios[name]) for s in (full, few))
            assert abs(a.mean() - b.mean()) < 4 * np.hypot(error(a), error(b)), metric


def test_metrics_are_queries(plan: Simulation) -> None:
    for scenario in plan.scenarios.values():
        book = scenario.ledger
        pav, cac = metrics.pav_per_newcomer(plan, scenario), metrics.cac(plan, scenario)
        contribution = sum(entry.sign * line(book, *entry, age=True)[:, :, 1].sum(axis=(1, 2)) for entry in book.lines)
        np.testing.assert_allclose(pav, contribution / book.total("customers_acquired"), rtol=1e-9)
        np.testing.assert_allclose(cac, 20.0, rtol=1e-12)
        np.testing.assert_allclose(metrics.marginal_cac(plan, scenario), 20.0, rtol=1e-12)
        np.testing.assert_allclose(metrics.clv_per_newcomer(plan, scenario), pav - 20, rtol=1e-12)
        np.testing.assert_allclose(metrics.ltv_cac(plan, scenario), pav / 20, rtol=1e-12)
        np.testing.assert_allclose(metrics.visitor_value(plan, scenario), 0.02 * pav, rtol=1e-12)
        total = metrics.rlv_total(plan, scenario) + metrics.newcomers_total(plan, scenario)
        np.testing.assert_allclose(metrics.customer_equity(plan, scenario), total, rtol=1e-12)
        np.testing.assert_allclose(metrics.plan_value(plan, scenario), book.contribution().sum(axis=(1, 2)), rtol=1e-9)
        np.testing.assert_allclose(metrics.rlv_per_customer(plan, scenario) * 60, metrics.rlv_total(plan, scenario))


def test_no_channels_no_newcomers() -> None:
    sim = run(acquisition=AcquisitionConfig())
    assert sim.scenarios[BASELINE].acquired is None
    assert [g.origin for g in ledger(sim).groups] == ["existing", "company"]
    assert ledger(sim).calendar.shape[-1] == 12
    assert not set(metrics.available(sim)) & {"pav_per_newcomer", "cac", "newcomers", "share_repaying"}


def test_offers_at_the_nth_order() -> None:
    """Orders are counted from a customer's first one ever: x + 1 lie behind an existing customer."""
    library = scenarios(
        first={"bump": {"kind": "offer", "take": 0.5, "price": 1.0, "on_orders": [1]}},
        second={"bump": {"kind": "offer", "take": 0.5, "price": 1.0, "on_orders": [2]}},
    )
    once = shop()
    once.customers["frequency"] = 0  # everybody has bought once
    sim = run(library, draws=20, acquisition=channels(), summary=once)
    orders = line(ledger(sim), "orders", "orders", age=True)[:, 0, 0]
    first, second = (line(ledger(sim, name), "offers_shown", "bump") for name in ("first", "second"))
    acquired = line(ledger(sim), "customers_acquired", "acquisition")
    assert not first[:, 0].any()
    np.testing.assert_array_equal(first[:, 1], acquired[:, 1])
    assert 0 < second[:, 1, 0].sum() < orders.sum() - acquired[:, 1, 0].sum()  # third orders are not second ones
    total = line(ledger(sim), "orders", "orders")[:, 0, 0].sum(axis=1)
    shown = second[:, 0, 0].sum(axis=1)
    assert (shown <= np.minimum(total, 60)).all()
    assert shown.sum() > 100


def test_a_burst_brings_what_is_not_pulled_forward() -> None:
    """Loyal customers order for 1 + (1 − π)βW / 52.18 years instead of one; with π = 1 the same orders come sooner."""
    launch = {"kind": "pulse", "size": 0.8, "weeks": 2, "recovery_weeks": 4, "every_months": 3}
    pulled = {"gift": 0.0, "half": 0.5, "nothing": 1.0}
    library = scenarios(**{name: {"launch": launch | {"pulled_forward": share}} for name, share in pulled.items()})
    sim = run(library, draws=200, fitted=posterior(200, a=1e-9, b=1e3))
    orders, revenue = (
        {name: line(ledger(sim, name), account, "orders")[:, 0].sum(axis=2) for name in sim.scenarios}
        for account in ("orders", "revenue_orders")
    )
    before = orders[BASELINE][:, 0]
    for name, share in pulled.items():
        more = orders[name][:, 0] - before
        weeks = 4 * (1 - share) * 0.8 * 2
        assert (
            abs(more.mean() - before.mean() * weeks / (365.25 / 7)) < 4 * error(more - before * weeks / 52.18) + 1e-12
        )
    np.testing.assert_array_equal(orders["nothing"][:, 0], before)
    np.testing.assert_allclose(revenue["nothing"][:, 0], revenue[BASELINE][:, 0], rtol=1e-9)
    sooner = revenue["nothing"][:, 1] / revenue[BASELINE][:, 1]
    assert 1 < sooner.mean() < 1 + 0.1 / 52.18 * 6  # by some weeks at most, at 10 % a year


@pytest.mark.parametrize("target", ["ad_spend", "visitors"])
@pytest.mark.parametrize("change", [-0.9, 1.0])
def test_visitors_bring_their_share_and_cost_what_is_spent(change: float, target: str) -> None:
    """Of 400 visitors a month at 40 cents; additional ones order as `quality` says, and the rest are as before."""
    worse = {"rate": -0.5, "spend": 0.0}
    ads = {"kind": "shift", "target": target, "size": change, **({"quality": worse} if change > 0 else {})}
    sim = run(scenarios(ads={"ads": ads}), acquisition=channels(), draws=200, fitted=posterior(200, a=1e-9, b=1e3))
    base, more = sim.scenarios[BASELINE], sim.scenarios["ads"]
    cost = [line(ledger(sim, name), "cost_acquisition", "ads")[:, 1, 0].sum(axis=1) for name in (BASELINE, "ads")]
    np.testing.assert_allclose(cost[0], 3 * 160.0, rtol=1e-12)
    spent, brought = (1 + change if target == "ad_spend" else 1.0), 1 + change
    np.testing.assert_allclose(cost[1], 3 * 160.0 * spent, rtol=1e-12)
    np.testing.assert_allclose(metrics.cac(sim, more), metrics.cac(sim, base) * spent / brought, rtol=1e-12)
    came, coming = (
        line(ledger(sim, name), "customers_acquired", "acquisition")[:, 1, 0].sum(axis=1) for name in sim.scenarios
    )
    assert abs(came.mean() - 24) < 4 * np.sqrt(24 / 200)
    assert abs(coming.mean() - 24 * (1 + change)) < 4 * np.sqrt(24 * (1 + change) / 200)
    if change > 0:
        repeat = [
            line(ledger(sim, name), "orders", "orders")[:, 1, 0].sum(axis=1) - n
            for name, n in ((BASELINE, came), ("ads", coming))
        ]
        added = repeat[1] - repeat[0]
        assert abs(added.mean() - 0.5 * repeat[0].mean()) < 4 * error(added - 0.5 * repeat[0])


def test_a_channel_that_saturates() -> None:
    """Today 400 of at most 500 visitors for 160.00: twice the money brings 500 · (1 − .2²) = 480 of them."""
    shifts = {
        name: {"ads": {"kind": "shift", "target": "ad_spend", "size": size}}
        for name, size in (("twice", 1.0), ("slightly", 1e-4))
    }
    sim = run(scenarios(**shifts), acquisition=channels(most_visitors_per_month=500))
    base, twice, slightly = (sim.scenarios[name] for name in (BASELINE, *shifts))
    for scenario, visitors, cost in ((base, 400.0, 160.0), (twice, 480.0, 320.0)):
        assert scenario.acquired is not None
        np.testing.assert_allclose(scenario.acquired.visitors, 3 * visitors, rtol=1e-12)
        np.testing.assert_allclose(metrics.cac(sim, scenario), cost / (0.02 * visitors), rtol=1e-12)
    np.testing.assert_allclose(metrics.marginal_cac(sim, twice), 160 / (0.02 * 80), rtol=1e-9)
    # The slope of the curve at today's spend: dV/dlog S = −500 · .2 · log .2.
    np.testing.assert_allclose(metrics.marginal_cac(sim, base), 160 / (0.02 * -500 * 0.2 * np.log(0.2)), rtol=1e-12)
    np.testing.assert_allclose(metrics.marginal_cac(sim, slightly), metrics.marginal_cac(sim, base), rtol=2e-4)
    plain = run(acquisition=channels())
    assert_same_ledger(ledger(sim), ledger(plain))


def test_acquisition_cost_per_customer_falls_with_conversion() -> None:
    """Odds of 2 % times 1.3: conversion 2.5847 %, so 40 cents a visitor are $15.476 per customer."""
    sim = run(scenarios(lift={"page": {"kind": "shift", "target": "conversion", "size": 0.3}}), acquisition=channels())
    odds = 0.02 / 0.98 * 1.3
    better = odds / (1 + odds)
    lift = sim.scenarios["lift"]
    np.testing.assert_allclose(metrics.cac(sim, lift), 0.4 / better, rtol=1e-12)
    pav = metrics.pav_per_newcomer(sim, lift)
    np.testing.assert_allclose(metrics.visitor_value(sim, lift), better * pav, rtol=1e-12)
    later = {"kind": "shift", "target": "conversion", "size": 0.3, "when": {"start_month": 2}}
    late = run(scenarios(lift={"page": later}), acquisition=channels())
    np.testing.assert_allclose(
        metrics.cac(late, late.scenarios["lift"]), 0.4 / ((0.02 + 0.02 + better) / 3), rtol=1e-12
    )
