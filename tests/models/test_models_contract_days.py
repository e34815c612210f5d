"""Contracts of a log fall due by the calendar: who is lost, what is due within a horizon, closed form and simulated."""

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import betaln

from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.models.fitted import FittedModels
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.scenario import BASELINE, Scenario
from clvsim.simulation import simulate
from clvsim.simulation.config import EnvironmentConfig, SimulationConfig
from clvsim.types import CustomerSummary, Posterior

WEEK = 7.0
ALPHA, BETA = 0.9, 6.0
PARAMS = {"alpha": np.array([ALPHA]), "beta": np.array([BETA])}
MONTHS = {"month": 1, "quarter": 3, "year": 12}


def log_of(rows: list[tuple[str, dt.date]], **keys: Any) -> CustomerSummary:
    frame = pd.DataFrame(rows, columns=["customer_id", "date"]).assign(amount=600.0)
    return summarize(read_transactions(frame, DataConfig(**keys)))


def club(renewal: str, due_on: int, size: int = 150, rounds: int = 8, late: int = 0) -> list[tuple[str, dt.date]]:
    """Contracts that all fall due on one day of the month, up to `late` days after which they pay, the longer the fewer
    of them are left; the last round is paid by those due who renew."""
    draw, rows = np.random.default_rng(8), []
    start = pd.Timestamp(2015, 1, due_on)
    for i in range(size):
        joined, theta = draw.integers(0, rounds), draw.beta(ALPHA, BETA)
        for k in range(joined, rounds + 1):
            if k > joined and draw.random() < theta:
                break
            delay = int(draw.integers(0, late + 1)) if k > joined else 0
            day = start + pd.DateOffset(months=MONTHS[renewal] * k) + pd.Timedelta(days=delay)
            rows.append((f"m{i}", day.date()))
    return rows


def active_and_lost(rows: list[tuple[str, dt.date]], last: dt.date) -> tuple[dict[str, int], dict[str, int]]:
    """Renewals of those who paid on the last due day, and of those who did not: by hand."""
    payments: dict[str, list[dt.date]] = {}
    for name, day in rows:
        payments.setdefault(name, []).append(day)
    active = {name: len(days) - 1 for name, days in payments.items() if max(days) == last}
    return active, {name: len(days) - 1 for name, days in payments.items() if max(days) < last}


def survival(n: float, ahead: float) -> float:
    return float(np.exp(betaln(ALPHA, BETA + n + ahead) - betaln(ALPHA, BETA + n)))


@pytest.mark.parametrize("renewal", list(MONTHS))
@pytest.mark.parametrize("due_on", [1, 15, 31])
def test_all_due_on_the_last_day_of_the_log(renewal: Any, due_on: int) -> None:
    """Who paid on that day goes on and who did not has ended; the likelihood counts that round."""
    rows = club(renewal, due_on)
    summary, model = log_of(rows), Sbg(renewal=renewal)
    active, lost = active_and_lost(rows, summary.today)
    found, names = model.histories(summary), summary.customers["customer_id"]
    assert {n for n, gone in zip(names, found.lost, strict=True) if gone} == set(lost)
    assert dict(zip(names, found.renewals, strict=True)) == active | lost
    assert (found.seen == found.renewals).all()
    horizon = 12 * 365.25 / 12
    rounds = 12 // MONTHS[renewal]
    expected = sum(survival(n, k) for n in active.values() for k in range(1, rounds + 1))
    assert model.expected_orders(PARAMS, found, horizon, WEEK).sum() == pytest.approx(expected, rel=1e-9)
    three_years = sum(survival(n, k) for n in active.values() for k in range(1, 3 * rounds + 1))
    assert model.expected_orders(PARAMS, found, 3 * horizon, WEEK).sum() == pytest.approx(three_years, rel=1e-9)


@pytest.mark.parametrize("renewal", list(MONTHS))
def test_the_horizon_does_not_depend_on_the_day_the_log_ends(renewal: Any) -> None:
    """A year from today contains a year's due days, whatever day it is: all paid the last one that was due."""
    rows, model = club(renewal, 15), Sbg(renewal=renewal)
    last = max(day for _, day in rows)
    active, _ = active_and_lost(rows, last)
    at_once = None
    for days in (0, 1, 2, 13, 16, 17, 20, 27):
        someone_new = ("new", last + dt.timedelta(days=days))
        summary = log_of([*rows, someone_new] if days else rows)
        found = model.histories(summary)
        old = (summary.customers["customer_id"] != "new").to_numpy()
        assert (found.lost[old] == 0).sum() == len(active)
        orders = model.expected_orders(PARAMS, found, 365.25, WEEK)[0, old].sum()
        at_once = at_once or orders
        assert orders == pytest.approx(at_once, rel=1e-12)


def test_maximum_likelihood_with_the_last_round() -> None:
    """The likelihood written down once more, over renewals and losses counted by hand."""
    rows = club("year", 15)
    summary, model = log_of(rows), Sbg(renewal="year")
    active, lost = active_and_lost(rows, summary.today)

    def loss(logs: np.ndarray, found: Any) -> float:
        params = {"alpha": np.exp(logs[:1]), "beta": np.exp(logs[1:])}
        return -float(model.log_likelihood(params, found, WEEK).sum())

    def plain(logs: np.ndarray) -> float:
        a, b = np.exp(logs)
        kept = sum(betaln(a, b + n) - betaln(a, b) for n in (*active.values(), *lost.values()))
        ended = sum(np.log(-np.expm1(betaln(a, b + n + 1) - betaln(a, b + n))) for n in lost.values())
        return -(kept + ended)

    at = minimize(plain, np.zeros(2)).x
    assert loss(at, model.histories(summary)) == pytest.approx(plain(at), rel=1e-10)


def test_grace_is_the_lateness_that_the_log_shows() -> None:
    """Up to 3 days late: those due 2 days ago may still pay, those due 3 days ago had their last day."""
    rows, model = club("month", 10, late=3), Sbg(renewal="month")
    due = max(day for _, day in rows).replace(day=10)
    earlier = [row for row in rows if row[1] < due]
    for days, still_open in ((0, True), (2, True), (3, False), (4, False)):
        today = due + dt.timedelta(days=days)
        others = [("new", today)]
        paid = [row for row in rows if due <= row[1] <= today]
        summary = log_of([*earlier, *paid, *others])
        found = model.histories(summary)
        overdue = (found.lost == 0) & (found.next_days == 0)
        assert overdue.any() == still_open, days
    given = Sbg(renewal="month", grace_days=7).histories(summary)
    assert ((given.lost == 0) & (given.next_days == 0)).any()


def test_nobody_has_paid_on_a_day_that_is_not_over() -> None:
    """Of a round that nobody has paid yet nothing is known: all of them are still expected."""
    rows = club("month", 10)
    due = max(day for _, day in rows)
    before = [row for row in rows if row[1] < due]
    keys = {"calibration_end": due - dt.timedelta(days=1)}
    day_before, on_the_day = (
        log_of([*before, ("new", due + dt.timedelta(days=9))], **(keys | {"calibration_end": day}))
        for day in (due - dt.timedelta(days=1), due)
    )
    model = Sbg(renewal="month")
    for summary in (day_before, on_the_day):
        found = model.histories(summary)
        waiting = found.lost == 0
        assert waiting.any()
        np.testing.assert_array_equal(model.probability_alive(PARAMS, found, WEEK)[0, waiting], 1.0)
        assert (found.next_days[waiting] < 1).all()


@pytest.mark.parametrize("end", [dt.date(2019, 5, 31), dt.date(2019, 6, 1), dt.date(2019, 5, 14)])
def test_a_hold_out_counts_the_same_due_days_on_both_sides(end: dt.date) -> None:
    """Nobody leaves, and all pay on the day: what is expected after `end` is what came, whatever day the log ends."""
    keys = {"calibration_end": end}
    loyal = {"alpha": np.array([1e-9]), "beta": np.array([1e6])}
    for last in (dt.date(2019, 12, 1), dt.date(2020, 2, 29), dt.date(2020, 1, 15)):
        rows = []
        for i, first in enumerate(pd.date_range("2019-01-01", "2019-01-31")):
            days = [first + pd.DateOffset(months=k) for k in range(14)]
            rows += [(f"c{i}", day.date()) for day in days if day.date() <= last]
        summary = log_of([*rows, ("new", last)], **keys)
        model = Sbg(renewal="month")
        expected = model.expected_orders(loyal, model.histories(summary), model.holdout_days(summary), WEEK)[0]
        np.testing.assert_allclose(expected, summary.customers["holdout_frequency"], atol=1e-4)


def test_each_due_day_is_in_its_month_of_the_ledger() -> None:
    """Simulated as expected: a contract due on today's day of the month falls into every month once, to the horizon's
    end included; one due earlier in the month too."""
    rows = []
    for i, day in enumerate((15, 3, 28)):
        rows += [(f"c{i}", (pd.Timestamp(2023, 3, day) + pd.DateOffset(months=k)).date()) for k in range(10)]
    rows += [("lost", dt.date(2023, 3, 15)), ("d", dt.date(2023, 12, 15)), ("e", dt.date(2023, 12, 15))]
    summary = log_of([row for row in rows if row[1] <= dt.date(2023, 12, 15)])
    draws = 4
    values = {"alpha": np.full(draws, 1e-9), "beta": np.full(draws, 1e6)}
    money = {"price": np.full(draws, 9.0), "first_order_factor": np.ones(draws)}
    fitted = FittedModels(Sbg(renewal="month"), FixedPrice(), Posterior(values, money, "week"))
    run = simulate(
        fitted,
        summary,
        {BASELINE: Scenario(title="as it is")},
        simulation=SimulationConfig(draws=draws, horizon_months=12, jobs=1),
        environment=EnvironmentConfig(sd_prior=0.0),
    )
    np.testing.assert_array_equal(run.scenarios[BASELINE].ledger.by_month("orders"), np.full((draws, 12), 5.0))
    np.testing.assert_allclose(run.expected.existing_orders.sum(axis=1), 60.0, rtol=1e-6)


def test_plans_of_different_length_are_said() -> None:
    """A third pays every year in a log that is read as monthly: how many; nothing where all pay as they should."""
    monthly = [(f"a{name}", day) for name, day in club("month", 15, size=60, rounds=36)]
    yearly = [(f"b{name}", day) for name, day in club("year", 15, size=60, rounds=3)]
    both, model = log_of(monthly + yearly), Sbg(renewal="month")
    paid = both.customers[both.customers["frequency"] > 0]
    of_years = paid["customer_id"].str.startswith("b").sum()
    text, irregular = model.remarks(both)
    assert "contracts are irregular" in irregular
    assert f"of {len(paid):,} contracts paid more than once, {of_years:,} every year instead of every month" in text
    assert model.warnings(both, PARAMS)[0] == text
    assert not model.remarks(log_of(monthly))
    assert not Sbg(renewal="year").remarks(log_of(yearly))


def test_a_hold_out_that_ends_on_a_day_on_which_few_have_paid_yet() -> None:
    """All are due on the 10th and pay up to 6 days late: the round of the last day is not expected before its
    payments come; if nearly all pay on the day it is."""
    loyal = {"alpha": np.array([1e-9]), "beta": np.array([1e6])}
    due: list[Any] = [pd.Timestamp(2022, 1, 10) + pd.DateOffset(months=k) for k in range(20)]
    for late, rounds in ((6, 7), (0, 8)):
        draw, rows = np.random.default_rng(3), []
        for i in range(100):
            for k, day in enumerate(due[: 12 if i < 40 else 20]):
                delay = int(draw.integers(0, late + 1)) if k else 0
                rows.append((f"c{i}", (day + pd.Timedelta(days=delay)).date()))
        rows = [row for row in rows if row[1] <= due[-1].date()]
        summary = log_of([*rows, ("new", due[-1].date())], calibration_end=due[11].date() + dt.timedelta(days=20))
        model = Sbg(renewal="month")
        found, days = model.histories(summary), model.holdout_days(summary)
        expected = model.expected_orders(loyal, found, days, WEEK)[0]
        assert expected[found.lost == 0].max() == pytest.approx(rounds, abs=1e-3)
