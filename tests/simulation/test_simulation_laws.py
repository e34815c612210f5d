"""Laws with every feature, whichever model makes them: what may not change a result, and closed forms.

Tolerances of means are 4 Monte Carlo standard errors, measured from the simulation itself.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import toys
from scipy import stats
from scipy.special import betaln, gammaln
from shop import (
    BG_NBD,
    CALM,
    assert_same,
    assert_same_ledger,
    channels,
    error,
    ledger,
    line,
    posterior,
    run,
    scenarios,
    shop,
)
from test_simulation_closed_forms import made_by_hand, one_newcomer, orders_of
from test_simulation_invariance import PLAN, STORMY, assert_untouched

from clvsim.interventions.base import Group, Shift, Who
from clvsim.interventions.timing import Period
from clvsim.kernels import rng
from clvsim.models.laws import LifeLaw, customers_of
from clvsim.scenario import BASELINE
from clvsim.simulation import Simulation
from clvsim.simulation.people import Block, newcomer_laws, people_of
from clvsim.simulation.tables import Calendar, Levers, make_tables

ZERO = {
    **{f"no_{t}": {"kind": "shift", "target": t, "size": 0.0} for t in ("rate", "spend", "hazard")},
    "silent": {"kind": "offer", "take": 0.0, "price": 10.0},
    "post": {"kind": "contact", "per_month": 4.0, "goodwill": 0.0, "fatigue": 0.0, "churn": 0.0, "opt_out": 0.0},
}  # fmt: skip


def everything(toy: str, **config: Any) -> Simulation:
    settings: dict[str, Any] = {
        "draws": 8,
        "acquisition": channels(),
        "environment": STORMY,
        "fitted": toys.as_toy(posterior(10, spread=0.1), toy),
        "horizon_months": 9,
    }
    plan = PLAN | {"often": {"kind": "shift", "target": "rate", "size": 0.2}}
    return run(scenarios(plan=plan, nothing=ZERO), **(settings | config))


@pytest.mark.parametrize("toy", toys.TOYS)
def test_how_the_work_is_cut(toy: str) -> None:
    """Threads, blocks, order of rows, more draws, other scenarios, zero effects: all bit for bit."""
    reference = everything(toy)
    for config in ({"jobs": 3, "shard_customers": 7}, {"shard_customers": 25}):
        assert_same(everything(toy, **config), reference)
    summary = shop()
    shuffled = replace(summary, customers=summary.customers.sample(frac=1, random_state=1).reset_index(drop=True))
    assert_same(everything(toy, summary=shuffled), reference, customers=False)
    more = everything(toy, draws=10)
    for name in reference.scenarios:
        np.testing.assert_array_equal(ledger(more, name).calendar[:8], ledger(reference, name).calendar)
    assert_untouched(ledger(reference, "nothing"), ledger(reference))
    assert (ledger(reference, "plan").total("orders") != ledger(reference).total("orders")).any()
    alone = run(scenarios(), draws=8, horizon_months=9, acquisition=channels(), environment=STORMY,
                fitted=toys.as_toy(posterior(10, spread=0.1), toy))  # fmt: skip
    assert_same_ledger(ledger(alone, BASELINE), ledger(reference))


# --- regular gaps ----------------------------------------------------------------------------------------------------

R, ALPHA, K = 2.0, 60.0, 3  # stages per day ~ Gamma: an order every three months


def stages_law(k: int, t: float, horizon: float) -> np.ndarray:
    """P(J = j) of the stages behind a customer who has been silent for t, times P(stages to come in the horizon).

    By brute force over λ: (share with an order within the horizon, expected orders), without the mixture's formulas.
    """
    grid = (np.arange(20_000) + 0.5) / 20_000
    rate = stats.gamma(R + k * 4, scale=1 / (ALPHA + 300.0)).ppf(grid)  # four orders in 300 days, the last one then
    stages = np.arange(k)[:, None]
    silence = stats.poisson.pmf(stages, rate * t)  # fewer stages than an order in the silence
    weight = silence / silence.sum()
    counts = [(weight * stats.poisson.sf(k * n - stages - 1, rate * horizon)).sum() for n in range(1, 60)]
    return np.array([counts[0], sum(counts)])


@pytest.mark.parametrize("silence", [0.0, 40.0, 200.0])
def test_regular_gaps_of_a_known_customer(silence: float) -> None:
    """No attrition: the share who order, and how often, within four months."""
    draws, copies, days = 60, 2000, 122.0
    weight, stages_done = toys.stage_weights(
        np.array([R + K * 4]), np.array([ALPHA + 300.0 + silence]), np.array([silence]), K
    )
    tall = np.ones((1, 1, K))
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=R + K * 4 + stages_done * tall, rate_rate=(ALPHA + 300.0 + silence) * tall,
        mu_shape=0 * tall, mu_rate=0 * tall, drop_a=0 * tall, drop_b=tall, weight=weight[:, None],
        stages_done=stages_done, regularity=K,
    )  # fmt: skip
    orders, _ = orders_of(one_newcomer(copies, draws, law), days, draws)
    for simulated, expected in zip(
        ((orders > 0).mean(axis=1), orders.mean(axis=1)), stages_law(K, silence, days), strict=True
    ):
        assert abs(simulated.mean() - expected) < 4 * error(simulated)
        assert error(simulated) < 0.004 * expected


def test_regular_gaps_of_newcomers() -> None:
    """All gaps have all stages: P(N ≥ n) = P(Poisson(λt) ≥ kn), λ from the population."""
    draws, copies, days = 60, 2000, 274.0
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=R, rate_rate=ALPHA, mu_shape=0.0, mu_rate=0.0, drop_a=0.0, drop_b=1.0, regularity=K
    )
    keys = rng.text_keys([f"copy {i}" for i in range(copies)])
    orders, _ = orders_of(Block(people_of(key=keys), law, newcomers=True, renewing=False), days, draws)
    rate = stats.gamma(R, scale=1 / ALPHA).ppf((np.arange(20_000) + 0.5) / 20_000)
    expected = sum(stats.poisson.sf(K * n - 1, rate * days).mean() for n in range(1, 60))
    simulated = orders.mean(axis=1) - 1
    assert abs(simulated.mean() - expected) < 4 * error(simulated)
    assert error(simulated) < 0.004 * expected


# --- mixtures --------------------------------------------------------------------------------------------------------


def test_a_mixture_is_its_components_in_proportion() -> None:
    """Orders of three components without attrition: their rates in proportion, and each with its own variance."""
    draws, copies, days = 60, 2000, 122.0
    weight, shape = np.array([0.2, 0.0, 0.8]), np.array([40.0, 1.0, 2.0])
    tall = np.ones((1, 1, 3))
    law = made_by_hand(
        1, p_alive=1.0, rate_shape=shape * tall, rate_rate=100.0 * tall, mu_shape=0 * tall, mu_rate=0 * tall,
        drop_a=0 * tall, drop_b=tall, weight=weight * tall,
    )  # fmt: skip
    orders, _ = orders_of(one_newcomer(copies, draws, law), days, draws)
    mean = shape * days / 100.0
    second = mean + mean**2 * (1 + 1 / shape)
    for simulated, expected in ((orders.mean(axis=1), weight @ mean), ((orders**2).mean(axis=1), weight @ second)):
        assert abs(simulated.mean() - expected) < 4 * error(simulated)
        assert error(simulated) < 0.01 * expected


# --- opportunities ---------------------------------------------------------------------------------------------------

A, B = 0.9, 3.1  # attrition per opportunity ~ Beta
BUY_A, BUY_B = 1.2, 2.4
NO_RATE = dict.fromkeys(("rate_shape", "rate_rate", "mu_shape", "mu_rate"), 0.0)


def surviving(b: np.ndarray | float, times: np.ndarray | float = 1.0) -> np.ndarray:
    """E[(1 - θ)^times], θ ~ Beta(A, b)."""
    return np.exp(betaln(A, b + times) - betaln(A, b))


@pytest.mark.parametrize(("c", "tenure"), [(1.0, 0), (1.0, 7), (0.7, 0), (1.6, 3)])
def test_renewals(c: float, tenure: int) -> None:
    """Renewals 1 … n of a contract of some tenure: S(t) = B(α, β + t^c) / B(α, β), given those before. c = 1: sBG."""
    draws, copies, n = 60, 3000, 12
    law = made_by_hand(
        1, p_alive=1.0, **NO_RATE, drop_a=A, drop_b=B + tenure**c, interval_days=7.0, tenure=np.array([tenure]),
        tenure_exponent=np.full((1, 1), c), next_opportunity_days=np.array([2.0]),
    )  # fmt: skip
    orders, weekly = orders_of(one_newcomer(copies, draws, law), 2.0 + 7.0 * (n - 1) + 1.0, draws)
    until = np.arange(tenure + 1, tenure + n + 1.0) ** c
    survival = surviving(B + tenure**c, until - tenure**c)
    simulated = orders.mean(axis=1)
    assert abs(simulated.mean() - survival.sum()) < 4 * error(simulated)
    assert error(simulated) < 0.004 * survival.sum()
    for week in (0, 5, n - 1):  # and when: one opportunity a week
        paid = weekly[:, week] / copies
        assert abs(paid.mean() - survival[week]) < 4 * error(paid), week


def chances(multiplier: float, n: int) -> tuple[float, float]:
    """E[X(n)] of BG/BB and P(X(n) = 0), the purchase probability raised to 1 - (1 - p)^m."""
    i = np.arange(n)
    alive = surviving(B, i + 1.0)  # at opportunity i + 1

    def silent(times: np.ndarray | float) -> np.ndarray:
        return np.exp(betaln(BUY_A, BUY_B + multiplier * times) - betaln(BUY_A, BUY_B))

    gone_before = np.exp(betaln(A + 1, B + i) - betaln(A, B))
    return float(alive.sum() * (1 - silent(1.0))), float((gone_before * silent(i)).sum() + alive[-1] * silent(n))


def test_opportunities_published_form() -> None:
    """E[X(n)] = α/(α+β) · δ/(γ−1) · (1 − Γ(γ+δ)/Γ(γ+δ+n) · Γ(1+δ+n)/Γ(1+δ)): Fader, Hardie & Shang 2010, eq. 8."""
    n = 9
    ratio = np.exp(gammaln(A + B) - gammaln(A + B + n) + gammaln(1 + B + n) - gammaln(1 + B))
    assert chances(1.0, n)[0] == pytest.approx(BUY_A / (BUY_A + BUY_B) * B / (A - 1) * (1 - ratio), rel=1e-12)


def test_opportunities_of_newcomers() -> None:
    """The first opportunity comes an interval after the first order; the horizon's end holds none."""
    draws, copies, n = 60, 3000, 9
    law = made_by_hand(1, p_alive=1.0, **NO_RATE, drop_a=A, drop_b=B, interval_days=14.0, buy_a=BUY_A, buy_b=BUY_B)
    keys = rng.text_keys([f"copy {i}" for i in range(copies)])
    block = Block(people_of(key=keys), law, newcomers=True, renewing=False)
    orders, weekly = orders_of(block, 14.0 * (n + 1), draws)
    assert not weekly[:, 1::2].any()  # opportunities open every other week
    repeat = orders - 1
    for simulated, expected in zip((repeat.mean(axis=1), (repeat == 0).mean(axis=1)), chances(1.0, n), strict=True):
        assert abs(simulated.mean() - expected) < 4 * error(simulated)
        assert error(simulated) < 0.005 * expected


@pytest.mark.parametrize("toy", list(toys.TOYS))
def test_toys_order_when_they_say(toy: str) -> None:
    model, laws = toys.TOYS[toy](), newcomer_laws(toys.as_toy(posterior(2), toy))(slice(1))
    assert laws.interval_days[0] == model.interval_days
    assert model.renewing == bool(model.interval_days > 0 and not laws.buy_a.any())


def lever(toy: str, target: str, draws: int = 400, **config: Any) -> Simulation:
    """Existing customers of a toy under the double of its rate or hazard."""
    fitted = toys.as_toy(posterior(draws), toy)
    library = scenarios(twice={"it": {"kind": "shift", "target": target, "size": 1.0}})
    return run(library, draws=draws, fitted=fitted, environment=CALM, **config)


def test_hazard_of_renewals_doubles() -> None:
    """θ → 1 − (1−θ)^h for every renewal to come."""
    sim, summary = lever("renewing", "hazard"), shop()
    law = toys.Renewing.laws(point(), customers_of(summary), 7.0)
    assert law.tenure is not None
    assert law.next_opportunity_days is not None
    assert law.tenure_exponent is not None
    c, n = float(law.tenure_exponent[0, 0]), np.arange(1, 14)
    due = law.next_opportunity_days[:, None] + (n - 1) * toys.INTERVAL < 12 * toys.INTERVAL
    served = law.tenure[:, None]
    steps = (served + n) ** c - served**c
    for name, h in ((BASELINE, 1.0), ("twice", 2.0)):
        a, b = law.drop_a[0, 0], law.drop_b[0][:, None]
        expected = (due * np.exp(betaln(a, b + h * steps) - betaln(a, b))).sum()
        simulated = ledger(sim, name).total("orders")
        assert abs(simulated.mean() - expected) < 4 * error(simulated), name
        assert error(simulated) < 0.01 * expected


def test_rate_of_opportunities_doubles() -> None:
    """p → 1 − (1−p)^m, attrition as before."""
    sim, summary = lever("occasional", "rate"), shop()
    law = toys.Occasional.laws(point(), customers_of(summary), 7.0)
    assert law.buy_a is not None
    assert law.buy_b is not None
    assert law.next_opportunity_days is not None
    n = np.arange(1, 16)
    due = law.next_opportunity_days[:, None] + (n - 1) * 28.0 < 12 * 365.25 / 12
    a, b = law.drop_a[0][:, None], law.drop_b[0][:, None]
    alive = (due * np.exp(betaln(a, b + n) - betaln(a, b))).sum(axis=1)
    for name, m in ((BASELINE, 1.0), ("twice", 2.0)):
        buys = 1 - np.exp(betaln(law.buy_a[0], law.buy_b[0] + m) - betaln(law.buy_a[0], law.buy_b[0]))
        simulated = ledger(sim, name).total("orders")
        expected = 0.7 * (alive * buys).sum()
        assert abs(simulated.mean() - expected) < 4 * error(simulated), name
        assert error(simulated) < 0.01 * expected


def point() -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in BG_NBD.items()}


def test_rate_of_renewals_is_refused_aloud() -> None:
    """Nothing to shift: the scenario does not apply, and says why; not so under a shift of the hazard."""
    sim = lever("renewing", "rate", draws=12)
    assert "twice" not in sim.scenarios
    assert "how often customers order" in sim.skipped["twice"].description.not_applicable
    assert not lever("renewing", "hazard", draws=12).notes
    assert not lever("occasional", "rate", draws=12).notes


def test_messages_go_to_contracts_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the shop was lost before today: one message a week to everybody else, as long as their contract lasts."""
    all_laws = toys.Renewing.laws

    def half(params: Any, customers: Any, days_per_unit: float) -> LifeLaw:
        law = all_laws(params, customers, days_per_unit)
        return law._replace(p_alive=law.p_alive * (np.asarray(customers.T_days) % 2))

    monkeypatch.setattr(toys.Renewing, "laws", staticmethod(half))
    lost = shop().customers["T_days"].to_numpy() % 2 == 0
    assert 10 < lost.sum() < 50
    letters = {**ZERO["post"], "per_month": 365.25 / 12 / 7, "cost": 2.0, "churn": 1e-12}
    gifts = {"kind": "cost", "per": "customer", "amount": 3.0}
    library = scenarios(mail={"post": letters, "gifts": gifts})
    sim = run(library, draws=400, fitted=toys.as_toy(posterior(400), "renewing"), rate=0.0)
    law = all_laws(point(), customers_of(shop()), 7.0)
    assert law.tenure is not None
    assert law.next_opportunity_days is not None
    assert law.tenure_exponent is not None
    c, n, end = float(law.tenure_exponent[0, 0]), np.arange(0, 14), 365.25
    due = np.minimum(law.next_opportunity_days[:, None] + (n - 1) * toys.INTERVAL, end)
    due[:, 0] = 0.0
    served = law.tenure[:, None]
    survival = np.exp(betaln(law.drop_a[0, 0], law.drop_b[0][:, None] + (served + n) ** c - served**c))
    survival = (survival / np.exp(betaln(law.drop_a[0, 0], law.drop_b[0]))[:, None])[~lost]
    weeks = np.ceil(np.minimum(due, end) / 7)[~lost]
    ends = np.append(np.diff(weeks, axis=1), (np.ceil(end / 7) - weeks[:, -1])[:, None], axis=1)
    sent = ledger(sim, "mail").total("contacts")
    assert abs(sent.mean() - (survival * ends).sum()) < 4 * error(sent)
    assert error(sent) < 0.01 * sent.mean()
    assert not sim.customers.loc[np.asarray(lost), "rlv_mean"].any()
    assert ledger(sim, "mail").total("cost_incentive") == pytest.approx(3.0 * (~lost).sum())


def test_environment_of_renewals() -> None:
    """Shocks multiply the hazard of contracts, and the rate of everything else."""
    shocks = np.array([[0.2, -0.1, 0.0], [0.0, 0.3, -0.2]])
    size = np.array([0.05, -0.4])
    shift = Shift("hazard", size, Who(), Period())
    rate = Shift("rate", size, Who(), Period())
    levers = Levers("one", (shift, rate), (), ())
    hazards = [
        make_tables(
            levers, (Group("existing"),), np.arange(2), shocks, 1.0, Calendar(3, 1, 0.0), "time", None, renewing
        )
        for renewing in (False, True)
    ]
    lever, shock = np.exp(size)[:, None], np.exp(shocks)
    for table, of_rate, of_hazard in zip(hazards, (shock, 1.0), (1.0, shock), strict=True):
        np.testing.assert_allclose(table.rate[:, 0], np.broadcast_to(lever * of_rate, (2, 3)), rtol=1e-15)
        np.testing.assert_allclose(table.hazard[:, 0], np.broadcast_to(lever * of_hazard, (2, 3)), rtol=1e-15)
        excess = np.cumsum(7 * (table.hazard[:, 0] - 1), axis=1)
        np.testing.assert_allclose(table.hazard_excess[:, 0, 1:], excess, rtol=1e-13)
    stormy = run(fitted=toys.as_toy(posterior(200), "renewing"), draws=200, environment=STORMY)
    calm = run(fitted=toys.as_toy(posterior(200), "renewing"), draws=200)
    a, b = (ledger(s).total("orders") for s in (calm, stormy))
    assert (a != b).any()
    assert any("hazard" in assumption.label for assumption in stormy.assumptions)
    assert any(a.text.endswith("from the data, which do not date renewals") for a in stormy.assumptions)


def test_offers_count_orders_and_not_opportunities() -> None:
    """An offer at the second order of newcomers is shown once to each who has two."""
    fitted = toys.as_toy(posterior(40), "occasional")
    upsell = {"kind": "offer", "take": 0.5, "price": 10.0, "on_orders": [2], "who": {"customers": "new"}}
    sim = run(scenarios(upsell={"it": upsell}), draws=40, fitted=fitted, acquisition=channels())
    book = ledger(sim, "upsell")
    shown = line(book, "offers_shown", "it", age=True)[:, :, 0].sum(axis=(1, 2))
    heads = line(book, "customers_acquired", "acquisition", age=True)[:, :, 0].sum(axis=(1, 2))
    orders = line(book, "orders", "orders", age=True)[:, :, 0].sum(axis=(1, 2))
    assert (shown <= heads).all()
    assert (shown <= orders - heads).all()
    law = toys.Occasional.newcomer_laws(point(), 7.0)
    assert law.buy_a is not None
    assert law.buy_b is not None
    n = np.arange(1, 14)  # 12 months hold 13 intervals of four weeks
    a, b, p, q = law.drop_a[0, 0], law.drop_b[0, 0], law.buy_a[0, 0], law.buy_b[0, 0]
    left_early = np.exp(betaln(a + 1, b + n - 1) - betaln(a, b) + betaln(p, q + n - 1) - betaln(p, q)).sum()
    silent = left_early + np.exp(betaln(a, b + 13) - betaln(a, b) + betaln(p, q + 13) - betaln(p, q))
    second = shown - (1 - silent) * heads
    assert abs(second.mean()) < 4 * error(second)
    assert error(second) < 0.05 * shown.mean()
