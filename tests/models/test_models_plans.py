"""Contracts of plans of different length in one log: who is lost, what is due, what newcomers bring, and bad input."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.special import betaln

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models import RETENTION
from clvsim.models.around.paced import Paced
from clvsim.models.around.path import PathPrior
from clvsim.models.around.plans import ByPlan, by_plan, plans_of, with_plans
from clvsim.models.cache import read_posterior, write_posterior
from clvsim.models.config import FitConfig
from clvsim.models.fit import fit
from clvsim.models.fitted import FittedModels
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.ledger import Line
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Posterior

TODAY = dt.date(2023, 12, 31)
WEEK = 7.0
MONTHS = {"month": 1, "quarter": 3, "year": 12}
PRICES = {"month": 29.0, "quarter": 80.0, "year": 290.0}
LAWS = {"month": (1.2, 14.0), "quarter": (2.0, 9.0), "year": (1.5, 4.0)}
CONFIG = FitConfig(method="laplace", draws=1000, cache=False)
Contract = tuple[str, str, list[dt.date], list[dt.date]]


def later(start: dt.date, plan: str, renewals: int) -> dt.date:
    """The day on which so many renewals have fallen due, of contracts that start up to the 28th."""
    months = start.year * 12 + start.month - 1 + MONTHS[plan] * renewals
    return dt.date(months // 12, months % 12 + 1, start.day)


def contracts(size: int, seed: int = 5, plans: tuple[str, ...] = ("month", "year")) -> list[Contract]:
    """Name, plan, days paid up to TODAY and in the year after it, of sBG's story on the calendar, in turn of each plan.

    Starts lie in three years; the day of the month is at most 28, so that all of them have it.
    """
    draw, found = np.random.default_rng(seed), []
    for i in range(size):
        plan = plans[i % len(plans)]
        theta = draw.beta(*LAWS[plan])
        paid, k = [later(dt.date(2021, 1, int(draw.integers(1, 29))), "month", int(draw.integers(36)))], 1
        while paid[-1] <= dt.date(2024, 12, 31) and draw.random() >= theta:
            paid.append(later(paid[0], plan, k))
            k += 1
        came = [day for day in paid if TODAY < day <= dt.date(2024, 12, 31)]
        found.append((f"{plan}{i}", plan, [day for day in paid if day <= TODAY], came))
    return found


def log_of(found: list[Contract], **keys: Any) -> CustomerSummary:
    """One payment a row; the day of the log's end is everybody's today."""
    rows = [
        {"customer_id": name, "date": day, "amount": PRICES[plan], "plan": plan}
        for name, plan, paid, _ in found
        for day in paid
    ]
    return summarize(read_transactions(pd.DataFrame(rows), DataConfig(today=TODAY, **keys)))


@pytest.fixture(scope="module")
def many() -> list[Contract]:
    return contracts(3000)


@pytest.fixture(scope="module")
def summary(many: list[Contract]) -> CustomerSummary:
    return log_of(many)


@pytest.fixture(scope="module")
def fitted(summary: CustomerSummary) -> FittedModels:
    return fit(summary, RETENTION["sbg"](renewal="plan"), FixedPrice(), CONFIG)


def known_law(summary: CustomerSummary, kind: str = "sbg", draws: int = 1, **section: Any) -> FittedModels:
    """The parameters that made the log, in all draws; BdW has more of its own."""
    model = by_plan(RETENTION[kind](renewal="plan", **section), summary)
    names = ("alpha", "beta") if kind == "sbg" else ("gamma", "delta")
    life = {
        f"{plan.name}.{name}": np.full(draws, value)
        for plan in model.plans
        for name, value in zip(names, LAWS[plan.period], strict=True)
    }
    if kind == "bdw":
        life |= {f"{plan.name}.c": np.full(draws, c) for plan, c in zip(model.plans, (0.8, 1.4), strict=False)}
    spend = {"price": np.full(draws, 150.0), "first_order_factor": np.full(draws, 1.0)}
    retention: Any = model
    return FittedModels(retention, FixedPrice(), Posterior(life, spend, "week"))


def expected_of(found: list[Contract], counted: Callable[[str], float]) -> float:
    """Payments in the year after today of contracts that have paid the last one due, by hand; `counted` of a plan."""
    total = 0.0
    for _, plan, paid, _ in found:
        renewals, due = len(paid) - 1, [later(paid[0], plan, k) for k in range(1, 60)]
        if sum(day <= TODAY for day in due) > renewals:
            continue
        alpha, beta = LAWS[plan]
        ahead = sum(TODAY < day <= dt.date(2024, 12, 31) for day in due)
        kept = [betaln(alpha, beta + renewals + k) - betaln(alpha, beta + renewals) for k in range(1, ahead + 1)]
        total += counted(plan) * float(np.exp(kept).sum())
    return total


def test_contracts_are_judged_on_their_own_period(many: list[Contract], summary: CustomerSummary) -> None:
    """Who has paid the last renewal that was due is active: paid-up yearly members too, and nobody else."""
    model = by_plan(RETENTION["sbg"](renewal="plan"), summary)
    found, names = model.histories(summary), summary.customers["customer_id"]
    by_hand = {name for name, plan, paid, _ in many if later(paid[0], plan, len(paid)) > TODAY}
    assert set(names[found.lost == 0]) == by_hand
    assert len({plan for name, plan, *_ in many if name in by_hand}) == 2
    as_months = RETENTION["sbg"](renewal="month").histories(summary)
    assert (as_months.lost == 0).sum() < 0.6 * len(by_hand)


def test_expected_payments_and_money_are_those_of_the_law(many: list[Contract], summary: CustomerSummary) -> None:
    model = known_law(summary)
    life, histories = model.posterior.retention, model.retention.histories(summary)
    orders = model.retention.expected_orders(life, histories, 12 * DAYS_PER_MONTH, WEEK)[0]
    assert orders.sum() == pytest.approx(expected_of(many, lambda plan: 1.0), rel=1e-9)
    price = FixedPrice().histories(summary).price
    assert orders @ price == pytest.approx(expected_of(many, PRICES.__getitem__), rel=1e-9)
    came = [len(year) for *_, year in many]
    spread = np.sqrt(sum(n**2 for n in came))  # above the sd of their sum
    assert abs(sum(came) - orders.sum()) < 3 * spread


def test_each_plan_is_fitted_as_if_alone(many: list[Contract], summary: CustomerSummary, fitted: FittedModels) -> None:
    """The same payments as a log of that plan brings, the law's within 4 sd, and separate draws."""
    horizon = 12 * DAYS_PER_MONTH
    model, params = fitted.retention, fitted.posterior.retention
    histories = model.histories(summary)
    together = model.expected_orders(params, histories, horizon, WEEK)
    for plan, code in (("month", 0), ("year", 1)):
        some = [contract for contract in many if contract[1] == plan]
        alone = fit(log_of(some), RETENTION["sbg"](renewal=plan), FixedPrice(), CONFIG)
        apart = alone.retention.expected_orders(
            alone.posterior.retention, alone.retention.histories(log_of(some)), horizon, WEEK
        ).sum(axis=1)
        own = together[:, histories.plan == code].sum(axis=1)
        assert own.mean() == pytest.approx(apart.mean(), abs=4 * apart.std() / np.sqrt(200))
        assert own.std() == pytest.approx(apart.std(), rel=0.25)
        assert own.mean() == pytest.approx(expected_of(some, lambda plan: 1.0), abs=4 * own.std())
    alphas = np.corrcoef(params["month.alpha"], params["year.alpha"])[0, 1]
    assert abs(alphas) < 4 / np.sqrt(CONFIG.draws)


@pytest.mark.parametrize(
    ("gaps", "rhythm"),
    [
        ([], ""),
        ([0], ""),  # two on one day are one
        ([2, 3], ""),  # a payment twice within a week
        ([7, 7, 14], "week"),
        ([31, 28, 31], "month"),
        ([30, 31, 120, 30], "month"),  # after a pause
        ([30, 150], "month"),  # as often as another: the shorter one of month and year
        ([31, 365], "month"),
        ([90, 92], "quarter"),
        ([365, 366, 2], "year"),
        ([730], "year"),  # one was missed
        ([182, 183], ""),  # half-years
    ],
)
def test_the_rhythm_of_payments(gaps: list[int], rhythm: str) -> None:
    """Up to today; later payments say nothing."""
    days = [dt.date(2020, 1, 1) + dt.timedelta(days=sum(gaps[:i])) for i in range(len(gaps) + 1)]
    after = [TODAY + dt.timedelta(days=i) for i in (10, 17, 24, 31, 38, 45)]
    rows = [("c", day) for day in (*days, *after)] + [("d", dt.date(2020, 1, 1)), ("d", after[-1])]
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=10.0)
    found = summarize(read_transactions(frame, DataConfig(calibration_end=TODAY)))
    assert found.customers["rhythm"].tolist() == [rhythm, ""]


def test_a_free_trial_is_no_rhythm() -> None:
    """Two weeks free, then by the month; of a log without amounts all gaps count."""
    days = [dt.date(2023, 1, 3), *(later(dt.date(2023, 1, 17), "month", k) for k in range(2))]
    rows = [(name, day) for name in "cd" for day in days]
    frame = pd.DataFrame(rows, columns=["customer_id", "date"])
    for amounts, rhythm in (
        ([0.0, 9.0, 9.0], "month"),
        ([9.0, 9.0, 9.0], "month"),
        ([0.0, 9.0], ""),
        ([9.0, 9.0], "week"),
    ):
        size = len(amounts)
        some = frame[frame.groupby("customer_id").cumcount() < size].assign(amount=amounts * 2)
        assert summarize(read_transactions(some, DataConfig())).customers["rhythm"].tolist() == [rhythm] * 2


def test_other_lengths_name_the_key(summary: CustomerSummary) -> None:
    said, irregular = RETENTION["sbg"](renewal="month").remarks(summary)
    assert "contracts are irregular" in irregular
    assert "every year instead of every month" in said
    assert "retention.renewal=plan gives each plan its own" in said
    assert RETENTION["sbg"](renewal="plan").remarks(summary) == ()


def test_a_single_payment_is_told_by_its_price(many: list[Contract], summary: CustomerSummary) -> None:
    model = by_plan(RETENTION["sbg"](renewal="plan"), summary)
    once = (summary.customers["frequency"] == 0).to_numpy()
    truth = np.array([plan == "year" for _, plan, *_ in sorted(many)])
    assert once.sum() > 100
    np.testing.assert_array_equal(model.codes(summary)[once], truth[once])
    assert "paid once" in model.line(summary).note
    yearly = truth[(summary.customers["T_days"] <= 365.25).to_numpy()].mean()
    shares = {plan.name: plan.share for plan in model.plans}
    assert shares == pytest.approx({"month": 1 - yearly, "year": yearly}, rel=1e-12)
    assert yearly == pytest.approx(0.5, abs=0.05)
    mean = PRICES["month"] * (1 - yearly) + PRICES["year"] * yearly
    assert [plan.price for plan in model.plans] == pytest.approx([29 / mean, 290 / mean])


def test_a_plan_may_have_several_prices() -> None:
    """99 is a price of monthly contracts, though nearer to the year's 290 than to the 29 that most months cost; where
    each pays its own, the nearer plan; nothing paid, the plan that most have."""
    once = {"tier": 99.0, "basic": 29.0, "years": 290.0, "between": 120.0, "trial": 0.0}
    for spread in (0.0, 0.01):
        rows = [
            (f"{plan}{k}", later(dt.date(2021, 3, 5), plan, paid), price * (1 + spread * k))
            for plan, number, price in (("month", 12, 29.0), ("month", 4, 99.0), ("year", 8, 290.0))
            for k in range(number) if plan == "year" or (k < 4) == (price == 99.0)
            for paid in range(3)
        ]  # fmt: skip
        rows += [(name, dt.date(2023, 12, 10), price) for name, price in once.items()]
        frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
        summary = summarize(read_transactions(frame, DataConfig(today=TODAY)))
        model = by_plan(RETENTION["sbg"](renewal="plan"), summary)
        plan = dict(
            zip(summary.customers["customer_id"], (model.plans[i].name for i in model.codes(summary)), strict=True)
        )
        found = {name: plan[name] for name in once}
        assert found == {"tier": "month", "basic": "month", "years": "year", "between": "month", "trial": "month"}


@pytest.mark.parametrize("kind", ["sbg", "bdw"])
def test_simulated_plans_bring_what_is_expected(kind: str) -> None:
    """Payments and money of today's contracts and of newcomers, who take plans with their periods and prices."""
    draws, summary = 200, with_plans(RETENTION[kind](renewal="plan"), log_of(contracts(400)))
    model = known_law(summary, kind, draws)
    ads = {"visitors_per_month": 1000, "conversion": 0.04, "cost_per_visitor": 0.4}
    simulation = simulate(
        model,
        summary,
        {BASELINE: Scenario(title="As today")},
        simulation=SimulationConfig(draws=draws, horizon_months=30, jobs=1),
        finance=FinanceConfig(gross_margin=0.8),
        acquisition=AcquisitionConfig.model_validate({"months": 5, "channels": {"ads": ads}}),
        environment=EnvironmentConfig(sd_prior=0.0),
        seed=4,
    )
    book, expected = simulation.scenarios[BASELINE].ledger, simulation.expected

    def by_world(account: str, group: slice | int) -> np.ndarray:
        found = book.calendar[:, :, book.lines.index(Line(account, "orders"))]
        return found[:, group, 0].reshape(draws, -1).sum(axis=1)

    def near(found: np.ndarray, expected: float, within: float) -> None:
        error = found.std(ddof=1) / np.sqrt(draws)
        assert 4 * error < within * expected
        assert found.mean() == pytest.approx(expected, abs=4 * error)

    last = len(book.groups) - 2  # newcomers; the company's costs follow
    assert {group.segment for group in book.groups[:last]} == {"month", "year"}
    near(by_world("orders", slice(0, last)), expected.existing_orders[0].sum(), 0.03)
    per_head = expected.newcomer_orders[0, 0] @ expected.newcomers[0, 0]
    near(by_world("orders", last), per_head, 0.05)
    money = simulation.expected.newcomer_revenue[0, 0] @ expected.newcomers[0, 0]
    discounted = book.calendar[:, last, book.lines.index(Line("revenue_orders", "orders")), 1].sum(axis=-1)
    assert discounted.mean() == pytest.approx(
        money * expected.arrival_discount.mean(), abs=4 * discounted.std() / np.sqrt(draws) + 0.005 * money
    )


def test_newcomers_take_plans_in_the_shares_of_the_log(summary: CustomerSummary) -> None:
    """In few cells with many and in many with one."""
    model = by_plan(RETENTION["sbg"](renewal="plan"), summary)
    shares = {"month": 0.7, "year": 0.3}
    model = replace(model, plans=tuple(p.model_copy(update={"share": shares[p.name]}) for p in model.plans))
    for cell, ordinal in ((np.zeros(1000, int), np.arange(1000)), (np.arange(60), np.zeros(60, int))):
        assert (model.of_newcomers(cell, ordinal) == 1).mean() == pytest.approx(0.3, abs=2 / cell.size)


def test_the_months_are_those_of_the_busiest_plan(summary: CustomerSummary) -> None:
    """Their pace holds for all plans, closed form and law; written and read, the draws are the same."""
    fitted = fit(
        summary,
        RETENTION["sbg"](renewal="plan"),
        FixedPrice(),
        CONFIG,
        months=PathPrior(sd=0.2, level_sd=0.2, autocorrelation=0.3),
    )
    params = fitted.posterior.retention
    assert isinstance(fitted.retention, Paced)
    assert {"path.pace", "path.sd", "month.alpha", "year.beta"} <= set(params)
    histories = fitted.retention.histories(summary)
    yearly = histories.plan == 1
    faster = {**params, "path.pace": params["path.pace"] * 1.5}
    fewer, expected = (
        fitted.retention.expected_orders(p, histories, 365.25, WEEK)[:, yearly].sum() for p in (faster, params)
    )
    assert fewer < 0.99 * expected


def test_a_posterior_is_written_and_read(summary: CustomerSummary, fitted: FittedModels, tmp_path: Path) -> None:
    write_posterior(fitted, tmp_path / "posterior.nc")
    again = read_posterior(tmp_path / "posterior.nc")
    assert again.retention == fitted.retention
    assert plans_of(again.retention) is again.retention
    for name, values in fitted.posterior.retention.items():
        np.testing.assert_array_equal(again.posterior.retention[name], values)


# --- plans that a column names ----------------------------------------------------------------------------------------


def test_a_column_names_the_plans() -> None:
    """Two plans of one period stay apart; a plan that nobody has paid twice has the period of its name, or as typed."""
    found = contracts(240, plans=("month", "quarter", "year"))
    names = {"month": "basic", "quarter": "four a year", "year": "gold annual"}
    rows = [
        {"customer_id": name, "date": day, "amount": PRICES[plan], "tier": names[plan]}
        for name, plan, paid, _ in found
        for day in (paid if plan != "year" else paid[:1])
    ]
    frame = pd.DataFrame(rows)
    frame.loc[frame["customer_id"].isin(["month0", "month3", "month6"]), "tier"] = "vip"
    summary = summarize(read_transactions(frame, DataConfig(today=TODAY, covariates=("tier",))))
    model = by_plan(RETENTION["sbg"](renewal="plan", plan="tier", plan_periods={"vip": "quarter"}), summary)
    assert {plan.name: plan.period for plan in model.plans} == {
        "basic": "month",
        "four a year": "quarter",
        "gold annual": "year",
        "vip": "quarter",
    }
    number = {name: int((model.codes(summary) == k).sum()) for k, name in enumerate(p.name for p in model.plans)}
    assert number == {"basic": 77, "four a year": 80, "gold annual": 80, "vip": 3}
    last_year = {n: sum(n == plan and (TODAY - paid[0]).days <= 365 for _, plan, paid, _ in found) for n in names}
    assert round(model.plans[2].share * sum(last_year.values())) == last_year["year"]
    params = {
        f"{plan.name}.{name}": np.array([value])
        for plan in model.plans
        for name, value in zip(("alpha", "beta"), LAWS[plan.period], strict=True)
    }
    said = " ".join(model.warnings(summary, params))
    assert "Plan vip" in said
    assert "pay at another rhythm than every quarter" in said
    numbers = replace(
        summary, customers=summary.customers.assign(**{"covariate tier": FixedPrice().histories(summary).price})
    )
    priced = by_plan(RETENTION["sbg"](renewal="plan", plan="tier", plan_periods={"290": "year"}), numbers)
    assert {plan.name: plan.period for plan in priced.plans} == {"29": "month", "80": "quarter", "290": "year"}
    assert "29 (every month): 80, of which " in priced.line(numbers).value
    by_segment = summarize(read_transactions(frame.rename(columns={"tier": "segment"}), DataConfig(today=TODAY)))
    same = by_plan(RETENTION["sbg"](renewal="plan", plan="segment"), by_segment)
    assert [plan.name for plan in same.plans] == [plan.name for plan in model.plans]


def test_order_of_rows_and_units_do_not_matter(summary: CustomerSummary, many: list[Contract]) -> None:
    again = log_of(many[::-1])
    model = by_plan(RETENTION["sbg"](renewal="plan"), summary)
    assert by_plan(RETENTION["sbg"](renewal="plan"), again) == model
    names = (*summary.customers.columns[summary.customers.columns.str.contains("amount")],)
    cents = replace(summary, customers=summary.customers.assign(**{n: summary.customers[n] * 100 for n in names}))
    np.testing.assert_array_equal(by_plan(RETENTION["sbg"](renewal="plan"), cents).codes(cents), model.codes(summary))


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ({"plan": "tier"}, "plan and plan_periods go with renewal=plan, got renewal=month"),
        ({"renewal": "plan", "plan_periods": {"gold": "year"}}, "plan_periods needs plan"),
        ({"renewal": "plan", "pool": "segment"}, "leave out pool and covariates"),
        ({"renewal": "plan", "plan": "tier", "plan_periods": {"gold": "decade"}}, "'week', 'month', 'quarter' or"),
    ],
)
def test_settings_that_contradict_each_other(section: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        RETENTION["sbg"](**section)


def problems_of(summary: CustomerSummary, **section: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        by_plan(RETENTION["sbg"](renewal="plan", **section), summary)
    return str(raised.value)


def test_plans_that_cannot_be_told(summary: CustomerSummary) -> None:
    """One line each, which names the key."""
    frame = summary.customers
    size = len(frame)

    def tiers(names: list[str]) -> CustomerSummary:
        return replace(summary, customers=frame.assign(**{"covariate tier": names}))

    assert "retention.plan: 'level' is neither segment nor among data.covariates" in problems_of(summary, plan="level")
    many = tiers([f"t{i % 400}" for i in range(size)])
    said = problems_of(many, plan="tier")
    assert "retention.plan: 400 different values, more than 32 ('t0', 't1', 't10', …)" in said
    assert "retention.plan: names no plan: the column is empty" in problems_of(tiers([""] * size), plan="tier")
    two = tiers(["gold", *["free"] * (size - 1)])
    single = replace(two, customers=two.customers.assign(rhythm=["", *frame["rhythm"][1:]]))
    said = problems_of(single, plan="tier", plan_periods={"silver": "year"})
    assert "no contract has the plan 'silver'; there are free, gold" in said
    assert "nobody has paid the plan 'gold' twice, and its name says no period" in said
    said = problems_of(summary, grace_days=15.5)
    assert "retention.grace_days: must be below half a month (plan month), got 15.5" in said
    nothing = replace(summary, customers=frame.assign(rhythm=""))
    assert "fewer than 5 contracts have paid twice" in problems_of(nothing)
    table = replace(summary, repeat_orders_by_day=None)
    assert "needs a log of payments" in problems_of(table)


def test_a_young_plan_is_the_priors_word_and_none_at_all_is_refused() -> None:
    """Nobody's year is over: monthly contracts are fitted all the same, and it is said of the yearly ones."""
    found = contracts(200)
    young = [c for c in found if c[1] == "month" or c[2][0] > dt.date(2023, 1, 10)]
    frame = [
        {"customer_id": name, "date": day, "amount": PRICES[plan], "tier": plan}
        for name, plan, paid, _ in young
        for day in paid
    ]
    summary = summarize(read_transactions(pd.DataFrame(frame), DataConfig(today=TODAY, covariates=("tier",))))
    section = RETENTION["sbg"](renewal="plan", plan="tier")
    fitted = fit(summary, section, FixedPrice(), CONFIG)
    assert any("Plan year: No contract has been lost yet" in line for line in fitted.posterior.warnings)
    churn = fitted.posterior.retention["year.alpha"] / (
        fitted.posterior.retention["year.alpha"] + fitted.posterior.retention["year.beta"]
    )
    assert 0.2 < churn.std() < 0.4  # evenly on 0 to 1: .289
    only = replace(
        summary, customers=summary.customers[summary.customers["covariate tier"] == "year"].reset_index(drop=True)
    )
    with pytest.raises(DiagnosticsError, match="plan year: no contract's first renewal has been due"):
        fit(only, section, FixedPrice(), CONFIG)


def test_a_log_of_one_plan_is_as_its_period(many: list[Contract]) -> None:
    yearly = log_of([contract for contract in many if contract[1] == "year"])
    model = by_plan(RETENTION["sbg"](renewal="plan"), yearly)
    assert isinstance(model, ByPlan)
    assert [plan.name for plan in model.plans] == ["year"]
    plain = RETENTION["sbg"](renewal="year").histories(yearly)
    for ours, theirs in zip(model.histories(yearly), plain, strict=False):
        np.testing.assert_array_equal(ours, theirs)
