"""The schedule of each scenario by month, against what the levers were told."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from shop import CALM, channels, scenarios, shop

from clvsim.scenario import Scenario
from clvsim.simulation.config import FinanceConfig, SimulationConfig
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.simulation.schedule import MOST_LINES, drawn, schedule
from clvsim.types import DAYS_PER_MONTH

TODAY = date(2024, 9, 30)  # of the shop


def plan_of(library: dict[str, Scenario], horizon_months: int = 12) -> RunPlan:
    return make_plan(
        shop(20),
        library,
        list(library),
        simulation=SimulationConfig(draws=4, horizon_months=horizon_months),
        finance=FinanceConfig(gross_margin=0.4),
        acquisition=channels(),
        environment=CALM,
        seed=3,
    )


def by_month(**levers: Any) -> pd.DataFrame:
    """The schedule of one scenario: a row per lever and quantity, a column per month."""
    table = schedule(plan_of(scenarios(plan=levers)), TODAY)
    assert list(table) == ["scenario", "lever", "who", "what", "month", "begins", "mean"]
    assert set(table["scenario"]) <= {"plan"}
    assert list(table["month"].unique()) == list(range(1, 16))
    assert list(table["begins"].unique()[:2]) == ["2024-10-01", "2024-10-31"]
    return table.pivot(index=["lever", "what"], columns="month", values="mean")


def test_a_shift_is_a_multiplier_that_grows_on_its_ramp() -> None:
    table = by_month(
        more={"kind": "shift", "target": "rate", "size": 0.2, "when": {"start_month": 3, "ramp_months": 4}}
    )
    values = table.loc["more", "order rate, times"].to_numpy()
    np.testing.assert_array_equal(values[:3], 1.0)
    assert (np.diff(values[3:7]) > 0).all()
    np.testing.assert_allclose(values[7:], 1.2)


def test_margins_add_and_conversions_end_with_the_arrivals() -> None:
    table = by_month(
        better={"kind": "shift", "target": "margin", "size": 0.05, "when": {"end_month": 6}},
        page={"kind": "shift", "target": "conversion", "size": 0.5},
    )
    np.testing.assert_allclose(table.loc["better", "gross margin, plus"], [0.05] * 6 + [0.0] * 9, atol=0.011)
    np.testing.assert_allclose(table.loc["page", "odds of a first order, times"], [1.5] * 3 + [1.0] * 12)


def test_a_burst_and_its_dip() -> None:
    table = by_month(launch={"kind": "pulse", "size": 1.0, "weeks": 4, "pulled_forward": 0.5, "recovery_weeks": 8})
    values = table.loc["launch", "order rate, times"].to_numpy()
    assert values[0] > 1.6
    assert values[1] < 0.9
    np.testing.assert_array_equal(values[4:], 1.0)


def test_messages_are_those_that_a_cap_leaves() -> None:
    """Of 12 a month 3 are left, a quarter of each programme, and the curve reads those."""
    curve = {"peak_per_month": 2.0, "sharpness": 2.0, "gain": 0.3}
    table = by_month(
        frequency_cap={"contacts": 3, "days": 365.25 / 12},
        letter={"kind": "contact", "per_month": 8.0, "curve": curve},
        news={"kind": "contact", "per_month": 4.0, "goodwill": 0.0, "fatigue": 0.0},
    )
    for lever, per_month in (("letter", 2.0), ("news", 1.0)):
        np.testing.assert_allclose(table.loc[lever, "messages to each customer"].sum(), 15 * per_month, rtol=0.05)
    np.testing.assert_allclose(table.loc["letter", "order rate, times"], np.exp(0.3), rtol=1e-9)


def test_days_weeks_messages_and_money() -> None:
    offer: dict[str, Any] = {"take": 0.1, "price": 5.0}
    table = by_month(
        mail={"kind": "campaign", "occasion": "dates", "months": [0, 0.5, 4], **offer},
        voucher={"kind": "campaign", "occasion": "silence", "silent_days": 60, "when": {"start_month": 6}, **offer},
        letter={"kind": "contact", "per_month": 2.0, "goodwill": 0.1, "fatigue": 0.0, "when": {"end_month": 6}},
        wages={"kind": "cost", "per": "month", "amount": 90.0},
        start={"kind": "cost", "per": "once", "amount": 500.0, "when": {"start_month": 2}},
        gift={"kind": "cost", "per": "order", "amount": 0.4},
    )
    np.testing.assert_array_equal(table.loc["mail", "days of the campaign"], [2, 0, 0, 0, 1] + [0] * 10)
    np.testing.assert_allclose(table.loc["voucher", "shown, share of the weeks"], [0] * 6 + [1] * 9, atol=0.25)
    sent = table.loc["letter", "messages to each customer"].to_numpy()
    np.testing.assert_allclose(sent.sum(), 12.0, rtol=0.05)
    assert not sent[7:].any()
    does = table.loc["letter", "order rate, times"].to_numpy()
    assert does[0] > 1.0
    assert does[5] == does.max() > does[14] > 1.0
    np.testing.assert_allclose(table.loc["wages", "money"], [90.0] * 12 + [0.0] * 3)
    np.testing.assert_allclose(table.loc["start", "money"], [0.0] * 2 + [500.0] + [0.0] * 12)
    assert "gift" not in table.index.get_level_values("lever")


def test_a_baseline_without_levers_has_no_rows() -> None:
    plan = make_plan(
        shop(20),
        scenarios(),
        ["baseline"],
        simulation=SimulationConfig(draws=4, horizon_months=12),
        finance=FinanceConfig(),
        acquisition=channels(),
        environment=CALM,
        seed=3,
    )
    assert schedule(plan, TODAY).empty


# --- what is drawn ---------------------------------------------------------------------------------------------------


def test_a_burst_is_drawn_by_week() -> None:
    """It begins in a week, lasts four, and its dip eight; only steps that change anything are kept."""
    burst = {"kind": "pulse", "size": 1.0, "weeks": 4, "pulled_forward": 0.5, "recovery_weeks": 8}
    (line,) = drawn(plan_of(scenarios(plan={"launch": {**burst, "when": {"start_month": 2}}})))
    assert line[:5] == ("plan", "launch", "all customers", "order rate, times", False)
    begin = 7.0 * round(2 * DAYS_PER_MONTH / 7)
    assert line.days == (0.0, begin, begin + 28, begin + 84)
    np.testing.assert_allclose(line.height, [1.0, 2.0, 0.75, 1.0])
    assert line.end == 15 * DAYS_PER_MONTH  # the last newcomers come in the third month


def test_campaigns_and_payments_are_days_and_arrivals_are_months() -> None:
    offer: dict[str, Any] = {"take": 0.1, "price": 5.0}
    lines = {
        line.lever: line
        for line in drawn(
            plan_of(
                scenarios(
                    plan={
                        "mail": {"kind": "campaign", "occasion": "dates", "months": [0, 0.5, 4], **offer},
                        "page": {"kind": "shift", "target": "conversion", "size": 0.5},
                        "start": {"kind": "cost", "per": "once", "amount": 500.0, "when": {"start_month": 2}},
                        "wages": {"kind": "cost", "per": "month", "amount": 90.0},
                        "gift": {"kind": "cost", "per": "order", "amount": 0.4},
                    }
                )
            )
        )
    }
    assert set(lines) == {"mail", "page", "start", "wages"}
    assert lines["mail"].single
    np.testing.assert_allclose(lines["mail"].days, [0, 0.5 * DAYS_PER_MONTH, 4 * DAYS_PER_MONTH], atol=1.5)  # at noon
    np.testing.assert_allclose(lines["page"].days, [0, 3 * DAYS_PER_MONTH])
    np.testing.assert_allclose(lines["page"].height, [1.5, 1.0])
    assert (lines["start"].days, lines["start"].height) == ((2 * DAYS_PER_MONTH,), (500.0,))
    np.testing.assert_allclose(lines["wages"].days, [0, 12 * DAYS_PER_MONTH])
    assert lines["wages"].height == (90.0, 0.0)


def test_drawings_are_bounded() -> None:
    """Five years, and some lines of each scenario: those without levers have none."""
    many = {f"l{n:02}": {"kind": "shift", "target": "spend", "size": 0.1} for n in range(20)}
    lines = drawn(plan_of(scenarios(plan=many, empty={}), horizon_months=120))
    assert [line.lever for line in lines] == [f"l{n:02}" for n in range(MOST_LINES)]
    assert {line.end for line in lines} == {60 * DAYS_PER_MONTH}
