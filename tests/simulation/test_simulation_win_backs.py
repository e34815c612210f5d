"""Win-backs and next products: the lift comes out as it was stated, and further lives are those of their customers."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from shop import BG, CALM, GAMMA_GAMMA, MBG, channels, error, ledger, line, posterior, run, scenarios, shop

from clvsim.comparison.replicates import simulate_and_compare
from clvsim.errors import ConfigError
from clvsim.interventions.base import Group
from clvsim.interventions.timing import Horizon, Period
from clvsim.interventions.win_back import WinBackIntervention
from clvsim.models.around.calendar import Calendar
from clvsim.models.around.pooling import configured
from clvsim.models.around.several import MODEL, Several, named
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.plan import make_plan
from clvsim.simulation.tables import Levers, make_offers
from clvsim.simulation.win_backs import Silent, answers_of, silent_ones
from clvsim.types import CustomerSummary, Posterior

WEEK, MONTH = 7.0, 365.25 / 12
PARETO = {"r": 0.55, "alpha": 10.0, "s": 0.6, "beta": 11.0}
MBG_VALUES = {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259}


def pareto(draws: int) -> FittedModels:
    life, spend = ({n: np.full(draws, v) for n, v in values.items()} for values in (PARETO, GAMMA_GAMMA))
    return FittedModels(ParetoNbd(), GammaGamma(), Posterior(life, spend, "week"))


FITTED = {"mbg_nbd": lambda draws: posterior(draws, model=MBG), "pareto_nbd": pareto}


def alike(customers: int, x: int, t_x: float, T: float) -> CustomerSummary:
    """Customers of one history; times in days."""
    summary = shop(customers)
    own = {"frequency": x, "recency_days": t_x, "T_days": T, "repeat_positive": x, "repeat_amount": 30.0 * x}
    frame = summary.customers.assign(**own, repeat_log_amount=np.log(30.0) * x)
    return replace(summary, customers=frame)


def invited(fitted: FittedModels, summary: CustomerSummary, draws: int, **changed: Any) -> Simulation:
    """Everybody who is silent today is written to today, and nobody later; coupons show who orders in time."""
    once = {
        "kind": "win_back", "silent_days": 30, "within_days": 30, "coupon": 1.0, "redeemed": 1.0,
        "when": {"end_month": 0.25}, "lift": 0.0,
    }  # fmt: skip
    library = scenarios(without={"back": once}, given={"back": once | changed})
    return run(library, fitted=fitted, summary=summary, draws=draws, horizon_months=6)


def total(sim: Simulation, name: str, account: str, cause: str) -> np.ndarray:
    """Of all groups and months, undiscounted, (w,)."""
    return line(ledger(sim, name), account, cause)[:, :, 0].sum(axis=(1, 2))


# --- the lift ---------------------------------------------------------------------------------------------------------


def test_answers_by_hand() -> None:
    """20 % order, 12.5 % would have: of the quarter who are there half; then one in ten of the lost comes back."""
    silent = Silent(100, np.array([0.25]), np.array([0.125]))
    answers = answers_of(np.array([0.075]), 0.0, silent)
    assert answers == (pytest.approx([0.1]), pytest.approx([0.0]), 0.0)
    answers = answers_of(np.array([0.075]), 1.0, silent)
    assert answers == (pytest.approx([0.0]), pytest.approx([0.6]), 0.0)
    answers = answers_of(np.array([0.5]), 0.5, silent)
    assert answers == (pytest.approx([1 / 3]), pytest.approx([1.0]), 1.0)


@pytest.mark.parametrize("living", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("model", FITTED)
def test_the_lift_comes_out_as_stated(model: str, living: float) -> None:
    """Of all who are written to so many more order in time, on the same worlds; coupons count them."""
    draws, lift = 1500, 0.06
    sim = invited(FITTED[model](draws), shop(), draws, lift=lift, living=living)
    with_, without = (total(sim, name, "coupons_used", "back") for name in ("given", "without"))
    sent = total(sim, "given", "contacts", "back")
    more = (with_ - without) / sent.mean()
    assert sent.mean() > 40
    assert abs(more.mean() - lift) < 4 * error(more)
    assert error(more) < 0.002


@pytest.mark.parametrize("model", FITTED)
def test_the_share_that_has_left_is_the_models(model: str) -> None:
    """By the ledger: who is written to and comes back, over q, are those who had left."""
    draws = 1000
    sim = invited(FITTED[model](draws), alike(60, 2, 60.0, 200.0), draws, lift=0.05)
    won, sent = (total(sim, "given", account, "back") for account in ("won_back", "contacts"))
    assert abs((won / sent).mean() - 0.05) < 4 * error(won / sent)


# --- the second life --------------------------------------------------------------------------------------------------


def second_lives(model: str, x: int, t_x: float, T: float, days: float, lives: int) -> np.ndarray:
    """Orders, the first one included, of customers with a history who have left and come back at even moments of the
    30 days from today, until `days`; plain simulation, (lives,)."""
    r = np.random.default_rng(5)
    if model == "mbg_nbd":
        rate = r.gamma(MBG_VALUES["r"] + x, 1.0 / (MBG_VALUES["alpha"] * WEEK + t_x), lives)
        p = r.beta(MBG_VALUES["a"] + 1, MBG_VALUES["b"] + x, lives)
        mu = np.zeros(lives)
    else:
        # Those who died in (t_x, T) and have not ordered since, by rejection from the posterior at t_x.
        rate = r.gamma(PARETO["r"] + x, 1.0 / (PARETO["alpha"] * WEEK + t_x), 40 * lives)
        mu = r.gamma(PARETO["s"], 1.0 / (PARETO["beta"] * WEEK + t_x), 40 * lives)
        death, order = t_x + r.exponential(1.0 / mu), t_x + r.exponential(1.0 / rate)
        gone = np.flatnonzero((death < T) & (order > death))[:lives]
        assert gone.size == lives
        rate, mu, p = rate[gone], mu[gone], np.zeros(lives)
    total, now = np.zeros(lives), r.uniform(0, 30, lives)
    with np.errstate(divide="ignore"):
        death = now + np.where(mu > 0, r.exponential(1.0, lives) / mu, np.inf)
    there = np.ones(lives, bool)
    while there.any():
        total += there
        there &= r.random(lives) >= p
        now = now + r.exponential(1.0 / rate)
        there &= (now < days) & (now < death)
    return total


@pytest.mark.parametrize("model", FITTED)
def test_a_second_life_is_that_of_somebody_who_has_left(model: str) -> None:
    """Known by fewer orders than the own rate would have brought: against a simulation that knows nothing of ours."""
    draws, history = 800, (3, 50.0, 260.0)
    sim = invited(FITTED[model](draws), alike(60, *history), draws, lift=0.2)
    orders, usual = (total(sim, name, "orders", "orders") for name in ("given", "without"))
    won = total(sim, "given", "won_back", "back")
    expected = second_lives(model, *history, 6 * MONTH, 40_000)
    each = (orders - usual).sum() / won.sum()
    tolerance = np.hypot(error(orders - usual) / won.mean(), expected.std() / np.sqrt(expected.size))
    assert abs(each - expected.mean()) < 4 * tolerance
    assert tolerance < 0.05 * expected.mean()


def test_money_of_a_win_back_by_hand() -> None:
    """Value for each who is written to: a margin of orders that come back, less coupons and messages, undiscounted."""
    draws = 400
    sim = invited(posterior(draws, model=MBG), alike(60, 3, 50.0, 260.0), draws, lift=0.2, cost=0.5, coupon=2.0)
    base, book = (ledger(sim, name) for name in (BASELINE, "given"))
    gain = (book.contribution(discounted=False) - base.contribution(discounted=False)).sum(axis=(1, 2))
    revenue, orders = (
        total(sim, "given", account, "orders") - total(sim, BASELINE, account, "orders")
        for account in ("revenue_orders", "orders")
    )
    used, sent = (total(sim, "given", account, "back") for account in ("coupons_used", "contacts"))
    by_hand = 0.4 * revenue - 1.5 * orders - 2.0 * used - 0.5 * sent
    np.testing.assert_allclose(gain, by_hand, atol=1e-4)


# --- the next product -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_orders_of_those_who_go_over(share: float) -> None:
    """Newcomers under MBG/NBD, by a simulation that knows nothing of ours: one more life for some, at half the rate."""
    draws = 1500
    lever = {"kind": "next_product", "outgrown": share, "take": 1.0, "rate": -0.5}
    sim = run(
        scenarios(next={"next": lever}),
        draws=draws,
        fitted=posterior(draws, model=MBG),
        acquisition=channels(),
        attrition_clock="orders",
    )
    book = ledger(sim, "next")
    new = [g for g, group in enumerate(book.groups) if group.origin == "new"]
    come = line(book, "customers_acquired", "acquisition")[:, new, 0].sum(axis=(1, 2))
    orders = line(book, "orders", "orders")[:, new, 0].sum(axis=(1, 2))
    r, n = np.random.default_rng(8), 200_000
    rate = r.gamma(MBG_VALUES["r"], 1.0 / (MBG_VALUES["alpha"] * WEEK), n)
    p = r.beta(MBG_VALUES["a"], MBG_VALUES["b"], n)
    total, now, moved, there = np.zeros(n), np.zeros(n), np.zeros(n, bool), np.ones(n, bool)
    while there.any():
        total += there
        leaves = there & (r.random(n) < p)
        over = leaves & ~moved & (r.random(n) < share)
        moved |= over
        there &= ~leaves | over
        now = now + r.exponential(1.0 / (rate * np.where(moved, 0.5, 1.0)))
        there &= now < 12 * MONTH
    each = orders.sum() / come.sum()
    tolerance = np.hypot(error(orders - each * come) / come.mean(), total.std() / np.sqrt(n))
    assert abs(each - total.mean()) < 4 * tolerance
    assert tolerance < 0.02 * total.mean()


# --- who is never lost, and what is refused ---------------------------------------------------------------------------

BACK = {"kind": "win_back", "silent_days": 60, "lift": 0.05}


def refusal(fitted: FittedModels, summary: CustomerSummary | None = None, **changed: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        run(scenarios(back={"back": BACK | changed}), fitted=fitted, summary=summary)
    (problem,) = caught.value.problems
    return f"{problem.where}: {problem.what}"


def test_models_without_somebody_to_win_back_are_refused() -> None:
    assert refusal(posterior(12, model=BG)).startswith("retention: under bg_nbd nobody has left who ordered once")
    life = {n: np.full(12, 1.0) for n in ("alpha", "beta", "gamma", "delta")}
    spend = {n: np.full(12, v) for n, v in GAMMA_GAMMA.items()}
    assert "fixed opportunities" in refusal(FittedModels(BgBb(), GammaGamma(), Posterior(life, spend, "week")))


def test_a_lift_says_nothing_of_the_lost_where_all_are_there() -> None:
    buys_often = posterior(12, model=MBG, a=0.01, b=20.0)
    said = refusal(buys_often, alike(60, 1, 100.0, 170.0))
    assert said.startswith("scenario.back.back.silent_days: after 60 days of silence only")
    assert "of the 60 customers silent for so long today have left" in said


def test_without_silent_customers_it_is_of_newcomers() -> None:
    """P(left | ordered once, silent for 60 days): MBG/NBD's own formula."""
    recent = alike(30, 1, 100.0, 110.0)
    sim = run(scenarios(back={"back": BACK}), fitted=posterior(12, model=MBG), summary=recent, acquisition=channels())
    alpha, r = MBG_VALUES["alpha"] * WEEK, MBG_VALUES["r"]
    odds = MBG_VALUES["a"] / MBG_VALUES["b"] * ((alpha + 60) / alpha) ** r
    lost = odds / (1 + odds)
    (note,) = [note for note in sim.notes if "back" in note]
    assert "newcomers who ordered once and not for 60 days (no customer is silent for so long)" in note
    assert f"{lost:.0%} have left" in note
    assert f"{0.05 / lost:.1%} of those who have left come back" in note


def test_newcomers_of_any_model() -> None:
    """By a clock, of several models, of levels: P(silent), P(there) and P(orders in time) are those of the model."""
    mbg, at = posterior(4, model=MBG), (60.0, 30.0, WEEK)
    own = silent_ones(mbg.retention, mbg.posterior.retention, *at)
    calendar = Calendar(first_date=date(2024, 1, 1), today=date(2024, 9, 30), monthly=True, promotions={})
    clock: Any = MBG.by_calendar(calendar.counted(np.ones(274, np.int64)))
    effects = {f"season[{month}]": np.zeros(4) for month in range(1, 13)}
    np.testing.assert_allclose(silent_ones(clock, {**mbg.posterior.retention, **effects}, *at), own)
    both = Several((MBG, ParetoNbd()), (0.5, 0.5))
    params = named("mbg_nbd", mbg.posterior.retention) | named("pareto_nbd", pareto(4).posterior.retention)
    mixed = silent_ones(both, {**params, MODEL: np.array([0.0, 1.0, 0.0, 1.0])}, *at)
    alone = silent_ones(ParetoNbd(), pareto(4).posterior.retention, *at)
    for part, first, second in zip(mixed, own, alone, strict=True):
        np.testing.assert_allclose(part, [first[0], second[1], first[2], second[3]])
    summary = shop(40, segments=2)
    section = MbgNbd(pool="segment")
    pooled = configured(section, summary)
    levels = {n: np.zeros(4) for of in pooled.names().values() for n in of}
    levels |= {f"sd_{scale.name}": np.zeros(4) for scale in pooled.scales.values()}
    np.testing.assert_allclose(silent_ones(pooled, {**mbg.posterior.retention, **levels}, *at), own)


def test_replicates_that_are_added_have_win_backs_too() -> None:
    """Bit for bit as if all had been asked for at once, with the note."""
    few, summary = posterior(60, spread=0.05, model=MBG), shop(30)
    library = scenarios(back={"back": BACK | {"lift": 0.2}})
    plan = make_plan(
        summary,
        library,
        list(library),
        simulation=SimulationConfig(draws=60, horizon_months=4, jobs=1),
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=AcquisitionConfig(),
        environment=CALM,
        seed=3,
    )
    simulation, _ = simulate_and_compare(plan, few, summary)
    assert simulation.replicates > 1
    won = total(simulation, "back", "won_back", "back").reshape(60, -1)
    assert (won.sum(axis=0) > 0).all()
    assert any("of those who have left come back" in note for note in simulation.notes)
    whole = run(library, fitted=few, summary=summary, draws=60, horizon_months=4, cost_per_order=0.0,
                replicates=simulation.replicates)  # fmt: skip
    np.testing.assert_array_equal(won, total(whole, "back", "won_back", "back").reshape(60, -1))


def test_a_plan_whose_win_backs_nobody_answers_cannot_be_simulated() -> None:
    nothing = {name: np.zeros(2) for name in ("lift", "cost", "coupon", "redeemed")}
    horizon = Horizon(date(2024, 9, 30), 12, 3)
    offers: Any = WinBackIntervention.model_validate(BACK).compile("it", nothing, Period(), horizon)
    with pytest.raises(ValueError, match="nobody knows yet who answers"):
        make_offers(Levers("it", (), offers, ()), (Group("existing"),), np.arange(2), 0.4, 5)


def test_a_note_says_who_answers() -> None:
    sim = run(scenarios(back={"back": BACK | {"lift": 0.8, "living": 0.5}}), fitted=pareto(12), draws=12)
    (note,) = [note for note in sim.notes if "back" in note]
    assert "today's customers who are silent for so long" in note
    assert "a lift of 80.0% of all then means that" in note
    assert "of those who are there and would not order by then do so" in note
    assert "there are fewer people than are said to answer" in note


def test_only_those_whom_it_reaches_are_asked() -> None:
    """Of a list's customers, by their own histories: most of those who ordered often have not left."""
    summary = shop(200)
    shares = []
    for who in ({"orders": {"at_most": 1}}, {"orders": {"at_least": 3}}):
        sim = run(scenarios(back={"back": BACK | {"who": who}}), fitted=pareto(12), summary=summary)
        (note,) = [note for note in sim.notes if "back" in note]
        shares.append(float(note.partition("for so long, ")[2].partition("%")[0]))
    orders = summary.customers["frequency"].to_numpy() + 1
    silent = (summary.customers["T_days"] - summary.customers["recency_days"]).to_numpy()
    assert f"of the {((orders >= 3) & (silent >= 60)).sum()} of today's" in note
    assert shares[0] != shares[1]


def test_a_win_back_moves_nobody_whom_it_does_not_reach() -> None:
    """Newcomers are as they were, bit for bit, and so is everybody on another list."""
    lever = BACK | {"who": {"orders": {"at_least": 2}}}
    sim = run(scenarios(back={"back": lever}), fitted=pareto(40), draws=40, acquisition=channels())
    book, base = ledger(sim, "back"), ledger(sim)
    for g, group in enumerate(book.groups):
        same = np.array_equal(line(book, "orders", "orders")[:, g], line(base, "orders", "orders")[:, g])
        assert same == (not group.lists), group


def test_days_are_days() -> None:
    """Parameters by the day instead of by the week: the same ledgers."""
    week, day = (
        run(scenarios(back={"back": BACK}), fitted=posterior(12, model=MBG, unit=unit), summary=shop(unit=unit))
        for unit in ("week", "day")
    )
    np.testing.assert_allclose(ledger(week, "back").calendar, ledger(day, "back").calendar, rtol=1e-9, atol=1e-4)


def test_customers_table_is_the_baselines() -> None:
    sim = run(scenarios(back={"back": BACK}), fitted=pareto(12))
    alone = run(scenarios(), fitted=pareto(12))
    pd.testing.assert_frame_equal(sim.customers, alone.customers)
