"""Value against closed forms, Gordon, tax by hand, and sums in plain code."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from clvsim.simulation.config import ValuationConfig
from clvsim.valuation import Block, Flows, discounts, nested_shares, steady_year, taxes, value_company, values_of

EXACT = 1e-9  # relative


def terms(**keys: Any) -> ValuationConfig:
    return ValuationConfig.model_validate({"wacc": 0.12, **keys})


def flows(**money: np.ndarray | float) -> Flows:
    """Of 36 months and a run-off of 24, in two worlds, 0 but for `money`, which is broadcast."""
    horizon = int(money.pop("horizon", 36))
    months = int(money.pop("months", horizon + 24))
    each = {name: np.broadcast_to(money.get(name, 0.0), (2, months)) + 0.0 for name in Flows._fields[:-1]}
    return Flows(**each, horizon=horizon)


def shop(worlds: int = 7, horizon: int = 30, months: int = 54, seed: int = 1) -> Flows:
    """Money at random, with years of losses among them."""
    r = np.random.default_rng(seed)
    growth = np.linspace(0.2, 1.0, months) * (np.arange(months) < horizon) + 0.5 * (np.arange(months) >= horizon)

    def some(size: float, sd: float = 0.3) -> np.ndarray:
        return size * growth * r.lognormal(0.0, sd, (worlds, months))

    running = np.arange(months) < horizon
    once = np.zeros((worlds, months))
    once[:, 3] = 400.0
    return Flows(some(1000), some(450), some(200), some(150) * running, some(250, 0.05), once, horizon)


def value_in_plain_code(money: Flows, t: ValuationConfig, world: int) -> dict[str, float]:
    """Enterprise value by ending, month by month, from the definitions in docs/valuation.md."""
    assert t.wacc is not None
    h, g, w = money.horizon, t.terminal_growth, t.wacc
    months = money.revenue.shape[1]
    revenue = [float(x) for x in money.revenue[world]]
    sold = sum(revenue[h - 12 : h])
    before_horizon, after, carried, year_profit, paid = 0.0, 0.0, t.losses_carried_forward, 0.0, 0.0
    for m in range(months):
        discount = (1 + w) ** (-(m + 0.5) / 12)
        if m < h:
            fixed = money.monthly[world, m] + money.once[world, m]
            capex = t.capex_share * revenue[m] + t.capex_per_month
        else:
            fixed = sum(money.monthly[world, h - 12 : h]) / sold * revenue[m]
            capex = t.capex_share * revenue[m] + 12 * t.capex_per_month / sold * revenue[m]
        profit = money.existing[world, m] + money.newcomers[world, m] - money.acquisition[world, m] - fixed - capex
        if m % 12 == 0:
            if m:
                carried = max(carried - year_profit, 0.0)
            year_profit, paid = 0.0, 0.0
        year_profit += profit
        due = t.tax_rate * max(year_profit - carried, 0.0)
        tax, paid = due - paid, due
        year_ago = revenue[m - 12] if m >= 12 else (t.revenue_last_year or 0.0) / 12
        free = profit - tax - t.working_capital * (revenue[m] - year_ago)
        if m < h:
            before_horizon += discount * free
        else:
            after += discount * free
    steady, year_profit, paid = 0.0, 0.0, 0.0
    for m in range(h - 12, h):
        profit = money.existing[world, m] + money.newcomers[world, m] - money.acquisition[world, m]
        profit -= money.monthly[world, m] + t.capex_share * revenue[m] + t.capex_per_month
        year_profit += profit
        tax, paid = t.tax_rate * max(year_profit, 0.0) - paid, t.tax_rate * max(year_profit, 0.0)
        free = profit - tax - t.working_capital * revenue[m] * g / (1 + g)
        steady += (1 + w) ** (-(m + 0.5) / 12) * free
    return {"run_off": before_horizon + after, "steady": before_horizon + steady * (1 + g) / (w - g)}


EVERYTHING = {
    "terminal_growth": 0.02,
    "tax_rate": 0.3,
    "losses_carried_forward": 500,
    "capex_share": 0.05,
    "capex_per_month": 12,
    "working_capital": 0.2,
    "revenue_last_year": 3000,
    "net_debt": 900,
    "non_operating_assets": 100,
}


def test_the_bridge_adds_up_in_every_world():
    money, stated = shop(), terms(**EVERYTHING)
    values = values_of(money, stated)
    for name in ("run_off", "steady"):
        parts = sum(values.parts[part] for part in values.parts) + values.endings[name]
        plain = [value_in_plain_code(money, stated, world)[name] for world in range(7)]
        np.testing.assert_allclose(parts, plain, rtol=EXACT)
        np.testing.assert_allclose(values.enterprise(name), plain, rtol=EXACT)
        np.testing.assert_allclose(values.shareholders(name, stated), np.array(plain) + 100 - 900, rtol=EXACT)
    assert (values.parts["tax"] < 0).all()


def test_customers_who_come_evenly_and_shrink_evenly_are_a_closed_form():
    """n newcomers a month, each bringing c q^a in the month of age a: n PAV less a cost for each of them, as soon as
    they come, whatever the horizon; the run-off is what is left of those who have come."""
    n, c, q, cac, wacc, h, months = 40.0, 6.0, 0.8, 9.0, 0.12, 36, 36 + 240
    month = np.arange(months)
    bring = n * c * np.where(month < h, (1 - q ** (month + 1)) / (1 - q), q ** (month - h + 1) * (1 - q**h) / (1 - q))
    money = flows(revenue=bring, newcomers=bring, acquisition=n * cac * (month < h), months=months)
    v = (1 + wacc) ** (-1 / 12)
    arrivals = v**0.5 * (1 - v**h) / (1 - v)
    values = values_of(money, terms())
    np.testing.assert_allclose(values.enterprise("run_off"), n * (c / (1 - q * v) - cac) * arrivals, rtol=EXACT)
    late = sum(n * c * q ** (h - a) * v ** (h + 0.5) / (1 - q * v) for a in range(h))
    np.testing.assert_allclose(values.endings["run_off"], late, rtol=EXACT)


@pytest.mark.parametrize("horizon", [12, 17, 36])
@pytest.mark.parametrize("growth", [-0.03, 0.0, 0.05])
def test_a_steady_state_is_worth_what_gordon_says_wherever_the_horizon_lies(horizon, growth):
    """Years that grow by g for ever, each with months of its own: the first one's value over 1 - (1 + g)/(1 + W)."""
    months, wacc = horizon + 24, 0.12
    season = 100 * (1 + 0.5 * np.sin(np.arange(months) * 2 * np.pi / 12))
    yearly = (1 + growth) ** (np.arange(months) // 12)
    money = flows(existing=season * yearly, revenue=season * yearly, horizon=horizon, months=months)
    if horizon % 12:  # years start where they start: the last twelve months are not one of them
        money = flows(existing=100.0, revenue=100.0, horizon=horizon, months=months)
        growth, season = 0.0, np.full(months, 100.0)
    first = season[:12] @ discounts(wacc, 12)
    found = values_of(money, terms(terminal_growth=growth)).enterprise("steady")
    np.testing.assert_allclose(found, first / (1 - (1 + growth) / (1 + wacc)), rtol=EXACT)


def test_a_year_once_a_year_is_gordons_formula():
    """All of a year in its last month, a growth of g: F (1 + g)/(W - g), discounted from that month."""
    month = np.arange(60)
    money = flows(existing=120.0 * (month % 12 == 11), revenue=1.0)
    found = values_of(money, terms(terminal_growth=0.03)).endings["steady"]
    np.testing.assert_allclose(found, 120 * 1.03 / (0.12 - 0.03) * 1.12 ** (-35.5 / 12), rtol=EXACT)


def test_losses_are_carried_forward_by_hand():
    """Of years of -120, +60 and +100 the last one alone is taxed, on 100 - 60; 30 of before today leave 10."""
    profit = np.repeat([[-10.0, 5.0, 100 / 12]], 12, axis=1).reshape(1, 36)
    assert taxes(profit, 0.25).reshape(3, 12).sum(axis=1) == pytest.approx([0, 0, 10])
    assert taxes(profit, 0.25, losses=30).reshape(3, 12).sum(axis=1) == pytest.approx([0, 0, 2.5])
    assert taxes(profit, 0.25)[0, 24:].min() == 0.0  # nothing before the losses are used up
    assert taxes(profit, 0.25)[0, -1] == pytest.approx(0.25 * 100 / 12)


def test_a_bad_month_takes_tax_back_within_its_year_and_no_loss_is_paid_out():
    profit = np.array([[50.0, -30.0, 10.0, *[0.0] * 9, -100.0, 40.0]])
    tax = taxes(profit, 0.2)[0]
    assert tax[:3] == pytest.approx([10, -6, 2])
    assert tax[12:] == pytest.approx([0, 0])


def test_a_constant_profit_is_taxed_alike_in_every_month():
    assert taxes(np.full((1, 30), 8.0), 0.25)[0] == pytest.approx(np.full(30, 2.0))


def test_what_last_year_grew_by_g_repeats_itself():
    """Then the steady year is the last one's own free cash flow, working capital included."""
    g, month = 0.04, np.arange(60)
    revenue = 500 * (1 + g) ** (month // 12)
    money = flows(revenue=revenue, existing=0.4 * revenue, monthly=20 * (1 + g) ** (month // 12))
    stated = terms(terminal_growth=g, tax_rate=0.25, working_capital=0.3, revenue_last_year=12 * 500 / (1 + g))
    from clvsim.valuation import cash_flows

    np.testing.assert_allclose(steady_year(money, stated), cash_flows(money, stated).free[:, 24:36], rtol=EXACT)


def test_losses_that_are_left_and_costs_that_come_once_do_not_repeat_themselves():
    once = np.where(np.arange(60) == 30, 700.0, 0.0)
    money = flows(revenue=100.0, existing=40.0, once=once)
    stated = terms(tax_rate=0.25, losses_carried_forward=1e6)
    np.testing.assert_allclose(steady_year(money, stated), 30.0, rtol=EXACT)
    assert values_of(money, stated).parts["tax"] == pytest.approx(0.0)


def test_working_capital_comes_back_as_customers_go():
    """What was tied up, a share of the last year's revenue, is free again once nobody buys."""
    revenue = np.where(np.arange(60) < 36, 100.0, 0.0)
    from clvsim.valuation import cash_flows

    tied_up = cash_flows(flows(revenue=revenue), terms(working_capital=0.5, revenue_last_year=1200)).working_capital
    assert tied_up[:, :36] == pytest.approx(0.0)
    assert tied_up[:, 36:].sum(axis=1) == pytest.approx(-600)


def test_value_falls_with_wacc_and_tax_and_rises_with_growth():
    money = flows(revenue=100.0, existing=40.0)
    for name in ("run_off", "steady"):
        for key, rising, sign in (("wacc", (0.08, 0.1, 0.2), -1), ("tax_rate", (0.0, 0.2, 0.5), -1)):
            found = [values_of(money, terms(**{key: value})).enterprise(name)[0] for value in rising]
            assert all(sign * (b - a) > 0 for a, b in pairwise(found))
    found = [values_of(money, terms(terminal_growth=g)).enterprise("steady")[0] for g in (-0.05, 0, 0.05, 0.11)]
    assert all(b > a for a, b in pairwise(found))


def test_growth_at_wacc_has_no_value():
    with pytest.raises(ValueError, match="below WACC"):
        values_of(flows(), terms(terminal_growth=0.12))


# --- where the uncertainty comes from ---------------------------------------------------------------------------------


def blocks_and_values(n: int = 2000) -> tuple[dict[Block, np.ndarray], np.ndarray]:
    """Two independent inputs and noise, with 4, 1 and 1 of 6 parts of the variance."""
    a, b, noise = np.random.default_rng(5).standard_normal((3, n))
    blocks: dict[Block, np.ndarray] = {"retention": a[:, None], "spend": b[:, None]}
    return blocks, 2 * a + b + noise


def test_blocks_explain_their_share_and_luck_the_rest():
    blocks, values = blocks_and_values()
    shares = nested_shares(values, blocks)
    assert list(shares) == ["retention", "spend", "luck"]
    assert sum(shares.values()) == pytest.approx(1.0)
    for name, truth in {"retention": 4 / 6, "spend": 1 / 6, "luck": 1 / 6}.items():
        assert shares[name] == pytest.approx(truth, abs=4 * np.sqrt(2 / 2000) * truth + 0.02)


def test_what_explains_nothing_has_next_to_no_share():
    blocks, values = blocks_and_values()
    useless: dict[Block, np.ndarray] = {"finance": np.random.default_rng(6).standard_normal((2000, 12))}
    assert nested_shares(values, useless | blocks)["finance"] < 0.01


def test_a_curve_is_seen_and_what_two_blocks_share_is_the_first_one_s():
    a = np.random.default_rng(7).standard_normal(2000)
    once: dict[Block, np.ndarray] = {"retention": a[:, None], "spend": a[:, None]}
    shares = nested_shares(a**2 + a, once)
    assert shares["retention"] == pytest.approx(1.0, abs=1e-6)
    assert shares["spend"] == pytest.approx(0.0, abs=1e-6)


def test_nothing_is_said_of_few_worlds_or_of_what_does_not_vary():
    blocks, values = blocks_and_values()
    assert nested_shares(values[:100], {name: column[:100] for name, column in blocks.items()}) == {}
    assert nested_shares(np.full(2000, 3.0), blocks) == {}


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_figures_are_those_of_the_worlds():
    money, stated = shop(400), terms(shares=50, **EVERYTHING)
    found = value_company(money, stated, {}, "process")
    values = values_of(money, stated)
    for ending in found.endings:
        of_worlds = values.shareholders(ending.name, stated)
        assert ending.shareholders.mean == pytest.approx(of_worlds.mean())
        assert (ending.shareholders.p05, ending.shareholders.p95) == pytest.approx(np.quantile(of_worlds, [0.05, 0.95]))
        assert ending.per_share is not None
        assert ending.per_share.mean == pytest.approx(of_worlds.mean() / 50)
        whole, terminal = values.enterprise(ending.name).mean(), values.endings[ending.name].mean()
        assert ending.terminal_share == pytest.approx(terminal / whole)
        assert ending.below_zero == (of_worlds < 0).mean()
    before = sum(line.amount.mean for line in found.bridge)
    assert before + found.endings[0].terminal.mean == pytest.approx(found.endings[0].enterprise.mean, rel=EXACT)
    assert len(found.years) == 3
    assert found.growth == pytest.approx(money.revenue[:, 18:30].sum() / money.revenue[:, 6:18].sum() - 1)
    base, *others = found.sensitivity
    assert (base.run_off, base.steady) == pytest.approx([e.shareholders.mean for e in found.endings])
    assert len(others) == 4
    assert found.unstated == ()


def test_a_sample_adds_its_error_and_moves_nothing():
    """Untaxed, what today's customers bring is uncertain by 2 % of itself, and what adds up to more by as much."""
    money, stated = shop(400), terms(shares=50)
    plain, sampled = (value_company(money, stated, {}, "process", sampled=share) for share in (0.0, 0.02))
    before = 0.0
    for one, other in zip(plain.bridge, sampled.bridge, strict=True):
        assert other.amount._replace(mcse=0.0) == one.amount._replace(mcse=0.0)
        error = 0.02 * one.amount.mean if one.part == "existing" else 0.0
        assert other.amount.mcse == pytest.approx(np.hypot(one.amount.mcse, error))
        before += error
    for one, other in zip(plain.endings, sampled.endings, strict=True):
        assert other.terminal.mcse > one.terminal.mcse
        moved = np.sqrt(other.shareholders.mcse**2 - one.shareholders.mcse**2)
        assert moved == pytest.approx(before + np.sqrt(other.terminal.mcse**2 - one.terminal.mcse**2))
        assert one.per_share is not None
        assert other.per_share is not None
        assert other.per_share.mcse == pytest.approx(other.shareholders.mcse / 50)
    assert all(other.mcse > one.mcse for one, other in zip(plain.years, sampled.years, strict=True))


def test_a_growth_near_wacc_leaves_out_what_would_have_no_value():
    found = value_company(flows(revenue=1.0, existing=1.0), terms(terminal_growth=0.115), {}, "process")
    assert [(round(s.wacc, 3), round(s.growth, 3)) for s in found.sensitivity] == [
        (0.12, 0.115),
        (0.13, 0.115),
        (0.12, 0.105),
    ]
    assert found.unstated == ("tax_rate", "working_capital", "net_debt", "non_operating_assets", "capex", "fixed_costs")
