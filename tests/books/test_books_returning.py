"""Who still orders: the log against a table counted by hand, simulated newcomers against plain NumPy, both together."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from shop import (  # ty: ignore[import-not-found]
    BG_NBD,
    CALM,
    assert_same,
    channels,
    posterior,
    run,
    scenarios,
    shop,
)

from clvsim.books import keep_books
from clvsim.books.returning import observed
from clvsim.data.config import DataConfig
from clvsim.data.log import TransactionLog
from clvsim.data.read import read_transactions
from clvsim.data.returning import returning_of, shown_ages, window_of
from clvsim.kernels import structs as ks
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import engine, returning
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.returning import MOST_PEOPLE, Ordering, enough, follow
from clvsim.simulation.win_backs import with_answers
from clvsim.types import DAYS_PER_MONTH, Posterior

START = date(2023, 1, 1)


def plan_of(
    library: Mapping[str, Scenario] | None = None,
    acquisition: AcquisitionConfig | None = None,
    *,
    draws: int = 100,
    horizon_months: int = 12,
    environment: EnvironmentConfig = CALM,
    **config: int,
) -> RunPlan:
    library = library or scenarios()
    return make_plan(
        shop(),
        library,
        list(library),
        simulation=SimulationConfig.model_validate(
            {"draws": draws, "horizon_months": horizon_months, "jobs": 1} | config
        ),
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=acquisition or AcquisitionConfig(),
        environment=environment,
        seed=3,
    )


def mbg(draws: int) -> FittedModels:
    """MBG/NBD, under which some leave at the first order."""
    fitted = posterior(draws)
    return replace(fitted, retention=MbgNbd())


def log_of(orders: Mapping[str, list[tuple[int, float]]], today: int, start: date = START) -> TransactionLog:
    """A log of customers whose orders come so many days after `start`."""
    rows = [(who, start + timedelta(days=day), amount) for who, own in orders.items() for day, amount in own]
    table = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    return read_transactions(table, DataConfig(today=start + timedelta(days=today)))


# --- the log ---------------------------------------------------------------------------------------------------------


def test_a_log_counted_by_hand() -> None:
    """Months of 30.4375 days end, half a day allowed, after day 30, 61, 91, 122, 152, 183. Three of the customers start
    in January and are followed for 190 days, into the seventh month; one starts on the 100th day, in April, and is
    followed for 90, two months."""
    log = log_of(
        {
            "a": [(0, 10.0), (91, 6.0), (183, 2.0)],  # the months 3 and 6
            "b": [(0, 20.0), (30, 3.0), (92, 5.0), (123, 1.0)],  # the months 1, 4 and 5
            "c": [(0, 30.0)],
            "d": [(100, 50.0), (120, 7.0)],
        },
        today=190,
    )
    found = returning_of(log)
    assert found.quarters == ("2023Q1", "2023Q2")
    assert found.followed.tolist() == [6, 2]
    assert found.customers.tolist() == [[3] * 7, [1, 1, 1, 0, 0, 0, 0]]
    assert found.ordering[:, 3:].tolist() == [[2, 2, 2, 2], [0, 0, 0, 0]]  # a and b at all ages: b's last one is in 5
    assert found.revenue[0, 3:].tolist() == [9.0, 11.0, 12.0, 8.0]
    assert found.first_revenue[0, 3:].tolist() == [69.0] * 4  # 60 of first orders, 3 in month 1 and 6 in month 3
    table = observed(found).set_index(["group", "metric", "at"])["mean"]
    assert set(table.index.get_level_values("group")) == {"log", "log 2023Q1"}
    assert table["log", "share_ordering", 6.0] == pytest.approx(2 / 3)
    assert table["log", "revenue_retention", 4.0] == pytest.approx(11 / 69)
    assert table["log", "customers", 6.0] == 3


def test_a_log_against_a_loop_over_customers() -> None:
    r = np.random.default_rng(11)
    orders = {}
    for k in range(150):
        days = int(r.integers(0, 500)) + np.cumsum(np.append(0, r.geometric(0.02, 12)))
        orders[f"c{k}"] = [(int(day), float(np.round(r.gamma(3.0, 9.0), 2))) for day in days if day <= 600]
    found = returning_of(log_of(orders, today=600))
    every = found.of(np.ones(len(found.quarters), bool))
    for age in shown_ages(19, 3):
        until, before = (m * DAYS_PER_MONTH + 0.5 for m in (age, age - 3))
        there = [own for own in orders.values() if 600 - own[0][0] >= age * DAYS_PER_MONTH]
        since = [[(day - own[0][0], amount) for day, amount in own] for own in there]
        assert every.customers[0, age] == len(there)
        assert every.ordering[0, age] == sum(any(before < day <= until for day, _ in own) for own in since)
        assert every.revenue[0, age] == pytest.approx(sum(a for own in since for d, a in own if before < d <= until))
        first = sum(a for own in since for d, a in own if d <= 3 * DAYS_PER_MONTH + 0.5)
        assert every.first_revenue[0, age] == pytest.approx(first)


def test_many_quarters_are_pooled_and_a_cohort_ends_where_its_last_customer_does() -> None:
    orders = {f"c{q}": [(91 * q, 10.0), (91 * q + 100, 5.0)] for q in range(20)}
    table = observed(returning_of(log_of(orders, today=91 * 19 + 400, start=date(2018, 1, 1))))
    groups = [group for group in table.group.unique() if group != "log"]
    assert len(groups) == 12
    assert groups[0].startswith("log until ")
    assert table[table.group == groups[-1]]["at"].max() == 12
    assert table[(table.group == "log")]["at"].max() == 60
    assert not table[(table.group == groups[0])]["mean"].isna().any()


def test_orders_once_a_year_are_late_after_a_year() -> None:
    assert [window_of(days) for days in (0.0, 7.0, 30.4375, 91.3125, 92.0, 365.25)] == [3, 3, 3, 3, 4, 12]
    assert shown_ages(16, 12) == [12, 15]
    assert shown_ages(2, 3) == []
    assert shown_ages(90, 3)[-2:] == [57, 60]


# --- newcomers -------------------------------------------------------------------------------------------------------


def plainly(ages: list[int], people: int = 400_000) -> np.ndarray:
    """Share of newcomers under BG/NBD who ordered within the three months up to each age, one order at a time."""
    r = np.random.default_rng(7)
    rate = r.gamma(BG_NBD["r"], 1 / (7 * BG_NBD["alpha"]), people)
    leaves = r.beta(BG_NBD["a"], BG_NBD["b"], people)
    lately, day, there = np.zeros((len(ages), people), bool), np.zeros(people), np.ones(people, bool)
    while there.any():
        day = day + r.exponential(1.0, people) / rate
        there &= day <= ages[-1] * DAYS_PER_MONTH + 0.5
        for row, age in zip(lately, ages, strict=True):
            until, before = (m * DAYS_PER_MONTH + 0.5 for m in (age, age - 3))
            row |= there & (day > before) & (day <= until)
        there &= r.uniform(size=people) >= leaves
    return lately.mean(axis=1)


@pytest.mark.parametrize("acquisition", [None, channels(), channels(visitors_per_month=40_000, months=1)])
def test_newcomers_order_as_the_model_says(acquisition: AcquisitionConfig | None) -> None:
    """Nobody planned, few of them, and more than live once more: within 4 standard errors of plain NumPy."""
    found = follow(plan_of(acquisition=acquisition), posterior(100), shop())[BASELINE]
    expected = plainly(found.ages)
    assert found.ages == list(range(3, 13))
    worlds = found.share[np.isfinite(found.share).all(axis=1)]
    error = np.hypot(worlds.std(axis=0, ddof=1) / np.sqrt(len(worlds)), np.sqrt(expected * (1 - expected) / 400_000))
    assert (np.abs(worlds.mean(axis=0) - expected) < 4 * error).all()
    assert (error < 0.012).all()  # of a fourth in 100 worlds of 24


def test_a_log_of_the_models_own_customers_has_the_models_curve() -> None:
    """3000 customers of BG/NBD, whose orders are drawn in plain NumPy: counted and modelled agree within 4 errors, both
    in people and in money."""
    r = np.random.default_rng(31)
    people = 3000
    rate = r.gamma(BG_NBD["r"], 1 / (7 * BG_NBD["alpha"]), people)
    leaves = r.beta(BG_NBD["a"], BG_NBD["b"], people)
    level = r.gamma(3.74, 1 / 15.44, people)
    orders: dict[str, list[tuple[int, float]]] = {}
    for k in range(people):
        born = day = 90 * r.uniform()
        own = {int(born): 0.94 * r.gamma(6.25) / level[k]}
        while (day := day + r.exponential() / rate[k]) < 500:
            own[int(day)] = own.get(int(day), 0.0) + r.gamma(6.25) / level[k]
            if r.uniform() < leaves[k]:
                break
        orders[f"c{k}"] = [(d, round(amount, 2)) for d, amount in own.items()]
    table = observed(returning_of(log_of(orders, today=500)))
    counted = table[table.group == "log"].set_index(["metric", "at"])["mean"]
    found = follow(plan_of(draws=200), posterior(200), shop())[BASELINE]
    for column, age in enumerate(found.ages):
        share = counted["share_ordering", age]
        assert share == pytest.approx(found.share[:, column].mean(), abs=4 * np.sqrt(share * (1 - share) / people))
        money, worlds = counted["revenue_retention", age], found.revenue[:, column]
        assert money == pytest.approx(worlds.mean(), abs=4 * worlds.std() * np.sqrt(MOST_PEOPLE / people))


def test_representatives_count_for_all_for_whom_they_stand() -> None:
    """With three lives for some hundred newcomers of each month, and many of a kind of their own: means stay."""
    library = scenarios(more={"better": {"kind": "shift", "target": "conversion", "size": 0.4}})
    visitors = channels(visitors_per_month=8000, months=2)
    fitted = posterior(150)
    few, all_of_them = (
        follow(plan_of(library, visitors, draws=150, max_newcomers_per_cell=cap), fitted, shop(), 5000)
        for cap in (3, 1000)
    )
    for name in library:
        worlds = few[name].share
        error = worlds.std(axis=0, ddof=1) / np.sqrt(len(worlds))
        np.testing.assert_array_less(np.abs(worlds.mean(axis=0) - all_of_them[name].share.mean(axis=0)), 4 * error)


def test_levers_reach_the_newcomers_of_their_scenario() -> None:
    """Twice the rate brings more of them back; a lever that does nothing leaves every bit."""
    library = scenarios(
        faster={"rate": {"kind": "shift", "target": "rate", "size": 1.0}},
        nothing={"rate": {"kind": "shift", "target": "rate", "size": 0.0}},
    )
    found = follow(plan_of(library, channels(months=4)), posterior(100), shop())
    np.testing.assert_array_equal(found["nothing"].share, found[BASELINE].share)
    np.testing.assert_array_equal(found["nothing"].revenue, found[BASELINE].revenue)
    early = found["faster"].share[:, 0] - found[BASELINE].share[:, 0]
    assert early.mean() > 4 * early.std() / 10


def test_blocks_and_threads_change_nothing_and_a_run_does_not_know_of_it() -> None:
    fitted, newcomers = posterior(40), channels(months=2, visitors_per_month=4000)
    once = follow(plan_of(acquisition=newcomers, draws=40), fitted, shop(), 60)
    again = follow(plan_of(acquisition=newcomers, draws=40, jobs=2, shard_customers=7), fitted, shop(), 60)
    np.testing.assert_array_equal(once[BASELINE].share, again[BASELINE].share)
    np.testing.assert_allclose(once[BASELINE].revenue, again[BASELINE].revenue, rtol=1e-12)
    before = run(draws=10, acquisition=newcomers)
    follow(plan_of(acquisition=newcomers, draws=10), posterior(10), shop())
    assert_same(before, run(draws=10, acquisition=newcomers))


LEVERS = {
    "upsell": {"kind": "offer", "take": 0.3, "price": 15.0, "if_declined": {"hazard": 0.1, "rate": -0.3}},
    "mail": {"kind": "contact", "per_month": 4, "goodwill": 0.1, "fatigue": 0.05, "opt_out": 0.01},
    "card": {"kind": "campaign", "occasion": "silence", "silent_days": 40, "take": 0.2, "price": 9.0},
    "back": {"kind": "win_back", "silent_days": 60, "lift": 0.1},
    "club": {"kind": "membership", "take": 0.2, "price": 8.0, "churn": 0.1, "rate": 0.3},
    "launch": {"kind": "pulse", "size": 0.5, "weeks": 3, "pulled_forward": 0.2},
}


def test_a_life_up_to_an_age_is_the_beginning_of_the_whole_life() -> None:
    """Whatever levers there are: orders that are summed up to each age are those of the whole life, event by event."""
    draws, fitted = 6, mbg(6)
    plan = with_answers(plan_of(scenarios(plan=LEVERS), channels(), draws=draws), fitted, shop())
    cast = dict(returning.casts(plan, fitted, shop(), 200))["plan"]
    (block,) = cast.blocks
    events, setting = ks.Trace.empty(200_000), cast.setting
    worlds = engine.make_slice(block, setting, slice(0, draws), scenarios=1)
    shared = engine.make_shared_tables(cast.job, setting, worlds, block)
    whole = engine.empty_raw(setting, plan.scenarios["plan"].levers, 1, 1, len(plan.layout.cohorts))
    arrivals = engine.rows_of_arrivals(cast.job, block, worlds.rows)
    engine.run_kernel(block, cast.job, setting, worlds, shared, arrivals, whole, worlds.no_totals, events)
    table = pd.DataFrame(events.rows[: events.used[0], :4], columns=["world", "customer", "kind", "day"])
    assert {ks.TRACE_RETURNED, ks.TRACE_CAMPAIGN, ks.TRACE_TAKEN, ks.TRACE_DEATH} <= set(table["kind"])
    orders = table[table["kind"] == ks.TRACE_ORDER]
    age = orders["day"] - orders.groupby(["world", "customer"])["day"].transform("min")
    for months in (0, 1, 3, 6, 11):
        until = orders[age <= months * DAYS_PER_MONTH + 0.5]
        counted = np.zeros((draws, block.people.key.size), np.int64)
        np.add.at(counted, (until["world"].astype(int), until["customer"].astype(int)), 1)
        np.testing.assert_array_equal(returning.live(cast, block, months, 1).orders, counted)
    assert counted.sum() > 200


def test_fewer_live_once_more_where_they_order_often() -> None:
    plan = plan_of(draws=5)
    assert enough(plan, posterior(5)) == MOST_PEOPLE
    assert enough(plan, posterior(5, r=30.0, a=0.01)) < MOST_PEOPLE
    assert enough(plan, posterior(5, r=3000.0, a=0.001)) == returning.FEWEST_PEOPLE


def test_on_a_grid_of_months_each_window_holds_three_opportunities() -> None:
    """Nobody leaves, and everybody buys at an opportunity with chance 0.3: 1 − 0.7³ at every age, whatever rounding
    makes of the moment at which an opportunity and an age coincide."""
    draws = 60
    life = {"alpha": np.full(draws, 3e5), "beta": np.full(draws, 7e5), "gamma": np.full(draws, 1e-6)}
    money = {"price": np.full(draws, 10.0), "first_order_factor": np.ones(draws)}
    fitted = FittedModels(BgBb(), FixedPrice(), Posterior(life | {"delta": np.full(draws, 1e3)}, money, "month"))
    found = follow(plan_of(draws=draws), fitted, shop())[BASELINE]
    error = found.share.std(axis=0, ddof=1) / np.sqrt(draws)
    assert (np.abs(found.share.mean(axis=0) - (1 - 0.7**3)) < 4 * error).all()
    assert found.revenue.mean() == pytest.approx(0.9 / 1.9, abs=0.01)  # 3 × 0.3 orders beside the first and as many


def test_contracts_have_another_book() -> None:
    life = {"alpha": np.full(3, 1.2), "beta": np.full(3, 9.0)}
    money = {"price": np.full(3, 11.0), "first_order_factor": np.ones(3)}
    assert follow(plan_of(draws=3), FittedModels(Sbg(), FixedPrice(), Posterior(life, money, "month")), shop()) == {}


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_book_holds_both() -> None:
    sim = run(scenarios(more={}), draws=20, horizon_months=6, acquisition=channels())
    log = returning_of(log_of({"a": [(0, 10.0), (50, 5.0)], "b": [(0, 5.0)]}, today=100))
    share = np.full((20, 2), [0.3, 0.2])
    share[0] = np.nan  # a world in which nobody comes
    ordering = {name: Ordering([3, 4], share, 2 * share) for name in sim.scenarios}
    books = keep_books(sim, posterior(1), shop(), returning=log, ordering=ordering)
    book = books[books.book == "order_retention"]
    ahead = book[book.group == "newcomers"]
    assert list(ahead.scenario.unique()) == [BASELINE, "more"]
    assert set(ahead.basis) == {"realised"}
    assert ahead[ahead.metric == "share_ordering"]["mean"].round(9).tolist() == [0.3, 0.2] * 2
    assert ahead[ahead.metric == "revenue_retention"]["p95"].round(9).tolist() == [0.6, 0.4] * 2
    counted = book[book.group == "log"].set_index("metric")["mean"]
    assert counted.to_dict() == {"share_ordering": 0.5, "revenue_retention": pytest.approx(0.25), "customers": 2}
    assert set(book[book.basis == "observed"].layers) == {"none"}
    bare = keep_books(sim, posterior(1), shop())
    assert not (bare.book == "order_retention").any()
    assert len(observed(None)) == 0
