"""Synthetic runs for the report's tests: plausible numbers, no model behind them."""

import math
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape

from clvsim.books import COLUMNS as book_columns
from clvsim.report.figures import Drawing
from clvsim.types import (
    Assumption,
    ContractFigures,
    Counted,
    Diagnostic,
    HoldoutCheck,
    PaybackCurve,
    PlanFigures,
    QualityLine,
    Range,
    Renewal,
    RunResult,
    ScenarioDescription,
    ScheduleLine,
    TraceLine,
    Tracking,
    Trials,
)


def undrawn(name: str, _draw: object, _result: object, text: str) -> Drawing:
    """Replaces `figures.make_drawing` where a test reads text only: the figure is its alternative text."""
    empty = f'<svg role="img" aria-label="{escape(text)}"></svg>'
    return Drawing(name, empty, empty, text)


ALL_LAYERS = "parameter+process+environment+assumption"
COLUMNS = [
    *("scenario", "metric", "unit", "basis", "layers", "mean", "mean_mcse", "p05", "p50", "p95"),
    *("delta_mean", "delta_mcse", "delta_p05", "delta_p50", "delta_p95"),
    *("p_better", "p_better_mcse", "p_best", "expected_loss"),
]
DRAWS = 1000
# Mean and relative sd of each baseline metric, and its Monte Carlo error relative to the mean.
DEMO_METRICS = {
    "plan_value": (104_230.0, 0.08, 0.002),
    "customer_equity": (104_230.0, 0.08, 0.002),
    "rlv_total": (61_870.0, 0.07, 0.002),
    "rlv_per_customer": (26.25, 0.07, 0.002),
    "pav_per_newcomer": (41.4, 0.06, 0.002),
    "clv_per_newcomer": (22.9, 0.12, 0.002),
    "ltv_cac": (2.24, 0.06, 0.002),
    "payback_months": (7.0, 0.2, 0.0),
    "p_payback_12_months": (0.93, np.nan, 0.008),
    "share_repaying": (0.41, 0.05, 0.004),
    "visitor_value": (0.828, 0.06, 0.002),
    "newcomers": (1200.0, 0.03, 0.002),
    "orders": (6_420.0, 0.09, 0.002),
}
FOREIGN_METRICS = ("plan_value", "customer_equity", "rlv_total", "rlv_per_customer", "orders")
LEVERS = {  # name: (title, mean effect on plan value, sd)
    "conversion": ("Better landing page: conversion lift from an A/B test", 1_900.0, 2_700.0),
    "upsell_soft": ("Gentle upsell at the first order", 12_340.0, 5_100.0),
    "followup": ("Follow-up messages twice a month", -1_450.0, 3_800.0),
    "plan": ("The plan: conversion, gentle upsell and follow-up together", 13_100.0, 7_300.0),
}


def comparison(
    deltas: dict[str, np.ndarray], metrics: dict[str, tuple[float, float, float]], *, realised: bool = True
) -> pd.DataFrame:
    """Rows of comparison.csv whose plan-value columns agree with `deltas` (scenario → draws; the baseline is zeros)."""
    table = np.array(list(deltas.values()))
    best = (table == table.max(axis=0)).astype(float)
    best /= best.sum(axis=0)
    rows = []
    for k, (scenario, draws) in enumerate(deltas.items()):
        for metric, (mean, sd, mcse) in metrics.items():
            fixed = metric in ("newcomers", "p_payback_12_months", "share_repaying", "payback_months")
            lift = draws / 104_230.0 * (0.0 if fixed else 1.0)
            scale = 1 + lift.mean()
            unit = "money"
            row = dict.fromkeys(COLUMNS, np.nan) | {
                "scenario": scenario,
                "metric": metric,
                "unit": unit,
                "basis": "expected",
                "layers": "parameter+assumption",
                "mean": mean * scale,
                "mean_mcse": mcse * mean,
                "p05": mean * scale * (1 - 1.645 * sd),
                "p50": mean * scale,
                "p95": mean * scale * (1 + 1.645 * sd),
            }
            if k:
                change = lift * mean
                low, middle, high = np.quantile(change, [0.05, 0.5, 0.95])
                row |= {"delta_mean": change.mean(), "delta_mcse": change.std() / np.sqrt(DRAWS)}
                row |= {"delta_p05": low, "delta_p50": middle, "delta_p95": high}
            if metric == "plan_value":
                better = float(np.mean(draws > 0) + 0.5 * np.mean(draws == 0))
                row |= {"p_best": best[k].mean(), "expected_loss": (table.max(axis=0) - draws).mean()}
                if k:
                    row |= {"p_better": better, "p_better_mcse": np.sqrt(better * (1 - better) / DRAWS)}
            if metric != "share_repaying":
                rows.append(row)
            if realised and "payback" not in metric:
                rows.append(wider(row))
    return pd.DataFrame(rows, columns=COLUMNS)


LUCK = 1.4  # how much wider than on average intervals of what may happen are


def wider(row: dict[str, Any]) -> dict[str, Any]:
    """The row of what may happen for a row on average."""
    spread = {f"{p}{q}": row[f"{p}mean"] + LUCK * (row[f"{p}{q}"] - row[f"{p}mean"])
              for p in ("", "delta_") for q in ("p05", "p95")}  # fmt: skip
    better = 0.5 + (row["p_better"] - 0.5) / LUCK
    return row | spread | {"basis": "realised", "layers": ALL_LAYERS, "p_better": better}


def delta_draws(levers: dict[str, tuple[str, float, float]]) -> dict[str, np.ndarray]:
    """Draws with exactly the given mean and sd; the seed is fixed."""
    rng = np.random.default_rng(20_261)
    draws = {"baseline": np.zeros(DRAWS)}
    for name, (_, mean, sd) in levers.items():
        z = rng.standard_normal(DRAWS)
        draws[name] = mean + sd * (z - z.mean()) / z.std()
    return draws


def curve(cac: float = 18.5, level: float = 41.0) -> PaybackCurve:
    months = np.arange(37)
    mean = 12.0 + (level - 12.0) * (1 - np.exp(-months / 11.0)) / (1 - np.exp(-36 / 11.0))
    reached = np.flatnonzero(mean >= cac)
    p50 = float(months[reached[0]]) if reached.size else float("nan")
    return PaybackCurve(months, mean, mean * 0.9, mean * 1.11, cac, p50, 0.93 if reached.size else 0.0, 0.004)


def tracking(holdout: bool = True) -> Tracking:
    weeks = np.datetime64("1997-01-06") + 7 * np.arange(77)
    t = np.arange(77)
    mean = np.where(t < 13, 8 * t, 100 * np.exp(-(t - 13) / 60.0))
    actual = np.random.default_rng(7).poisson(mean).astype(float)
    check = HoldoutCheck(273, 1882, 1790.0, (1530.0, 2080.0), (1640.0, 1860.0), 0.71) if holdout else None
    why_not = "" if holdout else "Nothing was held back (the log is too short)."
    start = weeks[38] if holdout else None
    return Tracking(weeks, actual, mean, mean * 0.7, mean * 1.35 + 6, start, check, unchecked=why_not)


ASSUMPTIONS = (
    Assumption(
        "scenario.upsell_soft.upsell.take",
        "Share of customers who take the offer",
        "expert",
        "10 %, 50 % and 90 % points 4 %, 8 %, 13 %",
        "Founder’s estimate, spring survey",
        0.083,
        0.031,
        0.149,
        "probability",
        "judgement",
        drives=True,
    ),
    Assumption(
        "scenario.conversion.conversion.size",
        "Change in conversion",
        "experiment",
        "200 of 10,000 against 230 of 10,000; shrunk with prior sd 0.05",
        "",
        0.031,
        -0.042,
        0.108,
        "relative",
        "experiment",
        drives=True,
    ),
    Assumption(
        "scenario.plan.fixed.amount",
        "Fixed cost a month",
        "fixed",
        "100",
        "Tool licence",
        100,
        100,
        100,
        "money",
        "judgement",
    ),
)


def demo(levers: dict[str, tuple[str, float, float]] | None = None, *, illustrative: bool = False) -> RunResult:
    """The demonstration: margin and acquisition known, hold-out present."""
    levers = LEVERS if levers is None else levers
    draws = delta_draws(levers)
    scenarios = (
        ScenarioDescription("baseline", "Carry on as today", False, "", (), ()),
        *(
            ScenarioDescription(
                name,
                title,
                illustrative,
                "",
                ASSUMPTIONS,
                (f"{title}: applies to every customer from the first month on.",),
                "judgement",
            )
            for name, (title, _, _) in levers.items()
        ),
    )
    payback = {s.name: curve(18.5 - 0.4 * k, 41.0 + 1.2 * k) for k, s in enumerate(scenarios)}
    return RunResult(
        title="CDNOW: five ways to spend the next year",
        question="Which of three levers raises what our customers are worth, and is that sure enough to act?",
        command="clvsim run experiment=demo",
        version="0.1.0",
        created="2026-11-21 22:40",
        currency="USD",
        margin_known=True,
        acquisition_known=True,
        horizon_months=36,
        arrival_months=12,
        annual_discount_rate=0.1,
        draws=DRAWS,
        replicates=1,
        seed=1,
        customers=2357,
        today=date(1997, 9, 30),
        layers=("parameter", "process", "environment", "assumption"),
        scenarios=scenarios,
        comparison=comparison(draws, DEMO_METRICS),
        delta_draws={name: d for name, d in draws.items() if name != "baseline"},
        payback=payback,
        tracking=tracking(),
        quality=(
            QualityLine("rows", "Rows read", "6,919"),
            QualityLine("zeros", "Orders with amount zero", "12", "kept as orders, left out of spend", "warning"),
        ),
        diagnostics=(
            Diagnostic("bg_nbd", "R-hat", 1.0031, "≤ 1.01", True),
            Diagnostic("bg_nbd", "ESS", 1873.2, "≥ 400", True),
            Diagnostic("bg_nbd", "divergences", 0.0, "0", True),
        ),
        assumptions=(
            Assumption("finance.gross_margin", "Gross margin", "fixed", "0.3", "demo", 0.3, 0.3, 0.3, "probability"),
            Assumption(
                "environment.sd",
                "Monthly market shocks (sd of log rate)",
                "prior",
                "HalfNormal(0.1), updated on the calibration months",
                "",
                0.11,
                0.05,
                0.19,
            ),
        ),
        model_facts=(
            ("Mean spend per repeat order, actual and simulated", "$37.10 and $36.80"),
            ("r, α, a, b", "0.24, 4.41, 0.79, 2.43"),
        ),
        warnings=("12 orders have the amount zero.",),
        trace=(
            TraceLine("median expected value", "1997-10-04", "order", "", math.nan, 24.5, 17.15, "all"),
            TraceLine(
                "median expected value", "1997-10-04", "offer taken", "upsell", math.nan, 15.0, 6.0, "upsell_soft"
            ),
            TraceLine("most orders so far", "1997-10-01", "messages", "email", 142.4, 0.0, 1.42, "followup"),
        ),
        notes=("Simulation noise is 3 % of the variance of differences; raw draws were used.",),
    )


def schedule(scenario: str) -> tuple[ScheduleLine, ...]:
    """A burst with its dip, two campaigns, messages and money of one scenario, over a year."""
    end, new = 365.25, "new customers"
    return (
        ScheduleLine(
            scenario,
            "launch",
            "all customers",
            "order rate, times",
            False,
            end,
            (0.0, 28.0, 42.0, 70.0),
            (1.0, 1.26, 0.94, 1.0),
        ),
        ScheduleLine(scenario, "cards", new, "days of the campaign", True, end, (30.0, 90.0), (1.0, 1.0)),
        ScheduleLine(scenario, "mail", "all customers", "messages to each customer", False, end, (0.0,), (0.92,)),
        ScheduleLine(scenario, "wages", "all customers", "money", False, end, (0.0, 182.625), (100.0, 0.0)),
        ScheduleLine(scenario, "start", "all customers", "money", True, end, (0.0,), (500.0,)),
    )


def foreign() -> RunResult:
    """Somebody's CSV: no margin, no acquisition, the shipped levers as examples, one that cannot apply."""
    levers = {k: v for k, v in LEVERS.items() if k in ("upsell_soft", "followup")}
    run = demo(levers, illustrative=True)
    metrics = {m: DEMO_METRICS[m] for m in FOREIGN_METRICS}
    scenarios = (
        *run.scenarios,
        ScenarioDescription("conversion", "Better landing page", True, "needs acquisition.channels", (), ()),
    )
    return replace(
        run,
        title="orders.csv",
        question="",
        command="clvsim run orders.csv",
        currency="",
        margin_known=False,
        acquisition_known=False,
        scenarios=scenarios,
        comparison=comparison(delta_draws(levers), metrics),
        payback={},
        tracking=tracking(holdout=False),
        assumptions=(),
        annual_discount_rate=0.0,
        warnings=(),
    )


def plan(name: str, period: str, renewals: tuple[Renewal, ...] = (), **other: Any) -> PlanFigures:
    """120 contracts, most of them active; `other` fields replace these."""
    figures = PlanFigures(
        plan=name,
        period=period,
        contracts=120,
        active=80,
        unpaid=22,
        paused=None,
        mrr=3_120.0,
        due=60,
        churn_month=Range(0.0312, 0.0247, 0.0399),
        churn_year=Range(0.284, 0.23, 0.35),
        months_seen=12,
        ended_month=Counted(31, 930),
        ended_year=Counted(22, 71),
        mrr_year_ago=2_532.0,
        stayed=49,
        mrr_then=1_800.0,
        mrr_now=1_899.0,
        renewals=renewals,
    )
    return replace(figures, **other)


def subscriptions() -> RunResult:
    """Contracts of two plans, some with trials."""
    renewals = (Renewal(1, Counted(78, 97), Range(0.82, 0.78, 0.86)), Renewal(2, Counted(3, 4), Range(0.9, 0.87, 0.92)))
    paused: dict[str, Any] = {"paused": Range(6.4, 3.2, 11.1), "unpaid": 22}
    nobody = Range(float("nan"), float("nan"), float("nan"))
    empty: dict[str, Any] = {
        "active": 0,
        "mrr": 0.0,
        "mrr_year_ago": 0.0,
        "stayed": 0,
        "mrr_then": 0.0,
        "churn_month": nobody,
        "churn_year": nobody,
    }
    plans = (plan("month", "month", renewals, **paused), plan("year", "year", **empty))
    trials = Trials(40, 7, 22, Range(0.66, 0.52, 0.79), 4.4)
    return replace(foreign(), active_contracts=80, contracts=ContractFigures(plan("", ""), plans, trials))


HOSTILE = '<script>alert("x")</script> $\\frac{1}{2}$ & "quoted" \'s {{ 7*7 }} Ünïcödé 顧客'


def hostile() -> RunResult:
    """Markup, mathtext, template syntax, very long words and unknown glyphs wherever a user's text can come in."""
    run = demo()
    long = "W" * 90 + " " + HOSTILE
    scenarios = tuple(
        replace(
            s,
            title=f"{long} {k}",
            interventions=(HOSTILE,),
            assumptions=tuple(
                a._replace(label=HOSTILE, text=HOSTILE, source=HOSTILE, path=HOSTILE) for a in ASSUMPTIONS
            ),
        )
        for k, s in enumerate(run.scenarios)
    )
    return replace(
        run,
        title=long,
        question=HOSTILE,
        command=f"clvsim run '{HOSTILE}'",
        currency="<b>$x$",
        scenarios=scenarios,
        quality=(QualityLine("k", HOSTILE, HOSTILE, HOSTILE, "warning"),),
        diagnostics=(Diagnostic(HOSTILE, HOSTILE, 1.0, HOSTILE, False),),
        model_facts=((HOSTILE, HOSTILE),),
        warnings=(HOSTILE,),
        notes=(HOSTILE,),
        poor_fit=True,
        schedule=tuple(
            line._replace(lever=f"{long} {line.lever}", who=HOSTILE) for line in schedule(run.scenarios[-1].name)
        ),
    )


def decided_on(metric: str) -> RunResult:
    """The demonstration ranked by another metric: its rows carry the probabilities, plan value's do not."""
    run = demo()
    frame = run.comparison.query("basis == 'expected'").copy()
    ranked = ["p_better", "p_better_mcse", "p_best", "expected_loss"]
    source, target = frame["metric"] == "plan_value", frame["metric"] == metric
    frame.loc[target, ranked] = frame.loc[source, ranked].to_numpy()
    frame.loc[source, ranked] = np.nan
    share = DEMO_METRICS[metric][0] / DEMO_METRICS["plan_value"][0]
    frame.loc[target, "expected_loss"] *= share
    return replace(run, comparison=frame, delta_draws={k: share * d for k, d in run.delta_draws.items()})


def books(months: int = 24, *, contracts: bool = False) -> pd.DataFrame:
    """Books of the baseline: two cohorts of today and one to come, a newcomer's ages, who still orders, concentration;
    with `contracts` these instead of orders."""
    may, average = "realised", "expected"
    rows: list[tuple[Any, ...]] = []

    def add(book: str, group: str, at: float, metric: str, unit: str, basis: str, mean: float) -> None:
        layers = {may: ALL_LAYERS, average: "parameter", "observed": "none"}[basis]
        ends = (np.nan,) * 3 if basis == "observed" else (0.8 * mean, mean, 1.1 * mean)
        rows.append((book, "baseline", group, float(at), metric, unit, basis, layers, mean, *ends))

    for k in range(months + 1):
        add("value_by_age", "newcomers", k, "newcomer_value", "money", may, 15.0 + k)
        add("value_by_age", "visitors", k, "visitor_value", "money", may, 0.3 + 0.02 * k)
    for group, start, slope in (
        ("existing 2024Q2", 500, -9),
        ("existing until 2023Q4", 900, -20),
        ("new arriving in months 0-2", 0, 11),
    ):
        for k in range(months):
            add("cohort_revenue", group, k, "revenue", "money", may, start + slope * k)
    for k in range(months):
        add("revenue_by_month", "all", k, "revenue", "money", may, 1400.0 - 18 * k)
    for group, basis in (("existing", may), ("log", "observed")):
        add("concentration", group, 0, "buyers", "count", basis, 812.0)
        add("concentration", group, 0, "gini", "share", basis, 0.55)
        for top, share in ((0.01, 0.1), (0.1, 0.42), (0.2, 0.6), (0.5, 0.85)):
            add("concentration", group, top, "share_of_largest", "share", basis, share)
    for k in () if contracts else (3, 4, 6, 9, 12):
        add("order_retention", "newcomers", k, "share_ordering", "share", may, 0.4 - 0.02 * k)
        add("order_retention", "newcomers", k, "revenue_retention", "ratio", may, 0.5 - 0.02 * k)
        if k < 9:
            add("order_retention", "log", k, "share_ordering", "share", "observed", 0.41 - 0.02 * k)
            add("order_retention", "log", k, "revenue_retention", "ratio", "observed", 0.52 - 0.02 * k)
            add("order_retention", "log", k, "customers", "count", "observed", 60 - 9.0 * k)
    if contracts:
        for k in range(1, 13):
            add("contract_retention", "existing", k, "contracts_kept", "share", may, 0.98**k)
            add("contract_retention", "existing", k, "contracts_kept", "share", average, 0.98**k)
            add("contract_retention", "existing", k, "gross_revenue_retention", "share", average, 0.97**k)
        year = {"contracts_kept": ("share", 0.8), "gross_revenue_retention": ("share", 0.77)}
        for metric, (unit, mean) in {**year, "net_revenue_retention": ("ratio", 1.04)}.items():
            add("contract_retention", "log", 12, metric, unit, "observed", mean)
    return pd.DataFrame(rows, columns=list(book_columns))
