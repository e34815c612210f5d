"""Orders merged by periods that are the same for all: the calendar's, or counted from an anchor; by hand in pandas."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln

from clvsim.anniversaries import day_number
from clvsim.config import validate
from clvsim.data import DataConfig, TransactionLog, quality, read_transactions, summarize, weekly_repeat_orders
from clvsim.data.periods import last_day, number_of
from clvsim.errors import ConfigError
from clvsim.models.retention.bg_bb import BgBb
from clvsim.types import SharedPeriods

Read = Callable[..., TransactionLog]
YEARS, MONTHS, WEEKS = SharedPeriods(365.25, "year"), SharedPeriods(365.25 / 12, "month"), SharedPeriods(7.0, "week")
TENTHS = SharedPeriods(10.0, "", dt.date(2024, 1, 4))


def log_of(days: dict[str, list[str]], **keys: Any) -> TransactionLog:
    rows = [(name, dt.date.fromisoformat(day), 5.0) for name, dates in days.items() for day in dates]
    return read_transactions(pd.DataFrame(rows, columns=["customer_id", "date", "amount"]), DataConfig(**keys))


def appeal(seed: int = 2, donors: int = 300, years: int = 8, last: int = 27) -> dict[str, list[str]]:
    """One gift a year at most, in the first days of December; the last day of the log is `last` December 2023."""
    draw = np.random.default_rng(seed)
    made = {}
    for i in range(donors):
        began, chance = draw.integers(0, 4), draw.beta(1.5, 1.0)
        given = [began, *(y for y in range(began + 1, years) if draw.random() < chance)]
        made[f"d{i}"] = [f"{2016 + y}-12-{draw.integers(1, last + 1):02d}" for y in given]
    return made | {"late": [f"2023-12-{last}"]}


@pytest.mark.parametrize("periods", [YEARS, SharedPeriods(91.3125, "quarter"), MONTHS, WEEKS])
def test_days_of_the_calendar(periods: SharedPeriods) -> None:
    """Against pandas' periods, of which weeks run from Monday to Sunday."""
    days = pd.date_range("2023-11-20", "2025-03-02")
    number = np.array([day_number(day.date()) for day in days])
    freq = {"year": "Y", "quarter": "Q", "month": "M", "week": "W-SUN"}[periods.unit]
    theirs = days.to_period(freq)
    ours = number_of(periods, number)
    np.testing.assert_array_equal(ours - ours[0], [(p - theirs[0]).n for p in theirs])
    np.testing.assert_array_equal(last_day(periods, ours), [day_number(p.end_time.date()) for p in theirs])


def test_days_from_an_anchor() -> None:
    days = np.array([day_number(dt.date(2024, 1, day)) for day in (3, 4, 13, 14)])
    assert number_of(TENTHS, days).tolist() == [-1, 0, 0, 1]
    assert last_day(TENTHS, np.array([0]))[0] == day_number(dt.date(2024, 1, 13))


def test_each_gift_of_a_yearly_appeal_counts() -> None:
    """None is merged with another, though they lie 340 to 390 days apart and leap years are among them."""
    made = appeal()
    log = log_of(made | {"new": ["2024-01-15"]}, calibration_end="2023-12-31")
    frame = summarize(log, YEARS).customers
    by_hand = {name: len(dates) - 1 for name, dates in made.items()}
    assert dict(zip(frame["customer_id"], frame["frequency"], strict=True)) == by_hand
    began = {name: int(dates[0][:4]) for name, dates in made.items()}
    assert [2023 - began[name] for name in frame["customer_id"]] == frame["opportunities"].tolist()
    t_x = (frame["recency_days"] / 365.25).round()
    assert [int(made[name][-1][:4]) - began[name] for name in frame["customer_id"]] == t_x.tolist()


def test_yearly_gifts_dated_on_one_day_keep_their_likelihood() -> None:
    """1 July of each year: the likelihood is that of the counts by year, written down for three histories."""
    made = {"a": ["1995-07-01"], "b": ["1995-07-01", "1996-07-01", "1998-07-01"], "c": ["1996-07-01"]}
    made["c"] += [f"{year}-07-01" for year in range(1997, 2001)]
    log = log_of(made | {"new": ["2001-02-01"]}, calibration_end="2000-12-31")
    model = BgBb(opportunity="year")
    found = model.histories(summarize(log, model.periods))
    assert np.column_stack(found[:3]).tolist() == [[0, 0, 5], [2, 3, 5], [4, 4, 4]]
    a, b, g, d = 1.2, 0.75, 0.66, 2.78

    def plain(x: float, t: int, n: int) -> float:
        stayed = np.exp(betaln(a + x, b + n - x) - betaln(a, b) + betaln(g, d + n) - betaln(g, d))
        left = [
            np.exp(betaln(a + x, b + k - x) - betaln(a, b) + betaln(g + 1, d + k) - betaln(g, d)) for k in range(t, n)
        ]
        return float(np.log(stayed + sum(left)))

    params = {"alpha": np.array([a]), "beta": np.array([b]), "gamma": np.array([g]), "delta": np.array([d])}
    likelihood = model.log_likelihood(params, found, 7.0)[0]
    np.testing.assert_allclose(likelihood, [plain(0, 0, 5), plain(2, 3, 5), plain(4, 4, 4)], rtol=1e-10)


@pytest.mark.parametrize("periods", [YEARS, SharedPeriods(91.3125, "quarter"), MONTHS, WEEKS])
def test_merged_orders_by_hand(cdnow: TransactionLog, periods: SharedPeriods) -> None:
    """In pandas: today is 30 September 1997, the log ends on 30 June 1998, on both of which months and quarters end."""
    orders = cdnow.connection.execute("SELECT customer_id, day, amount::DOUBLE AS amount FROM orders").df()
    freq = {"year": "Y", "quarter": "Q", "month": "M", "week": "W-SUN"}[periods.unit]
    orders["day"] = pd.to_datetime(orders["day"])
    orders["period"] = orders["day"].dt.to_period(freq)
    first = orders.groupby("customer_id")["period"].transform("min")
    ends = orders["period"].dt.end_time.dt.normalize()
    today, last = pd.Timestamp(cdnow.today), pd.Timestamp(cdnow.last_date)
    ended = ends <= today
    summary = summarize(cdnow, periods)
    frame = summary.customers
    for column, rows in (
        ("frequency", ended & (orders["period"] > first)),
        ("holdout_frequency", ~ended & (ends <= last) & (orders["period"] > first)),
    ):
        by_hand = orders[rows].groupby("customer_id")["period"].nunique()
        np.testing.assert_array_equal(frame[column], by_hand.reindex(frame["customer_id"], fill_value=0))
    known = orders[ended & (orders["period"] > first)]
    assert frame["repeat_amount"].sum() == pytest.approx(known["amount"].sum(), rel=1e-12)
    in_first = orders[(orders["period"] == first) & (orders["day"] <= today)]
    assert frame["first_amount"].sum() == pytest.approx(in_first["amount"].sum(), rel=1e-12)
    weekly = weekly_repeat_orders(cdnow, periods)["orders"]
    assert weekly.iloc[:39].sum() == frame["frequency"].sum()
    assert weekly.iloc[39:].sum() <= frame["holdout_frequency"].sum()


def test_a_period_in_which_nobody_orders_any_more_is_whole() -> None:
    """The log ends on 27 December, after which nobody has given in seven years; not so where somebody has."""
    made = appeal()
    log = log_of(made)
    summary = summarize(log, YEARS)
    by_hand = {name: len(dates) - 1 for name, dates in made.items()}
    assert dict(zip(summary.customers["customer_id"], summary.customers["frequency"], strict=True)) == by_hand
    assert summary.periods is not None
    assert summary.periods.next_days == pytest.approx(365.25, abs=1e-5)
    note = next(line.note for line in quality(log, summary) if line.key == "opportunities")
    assert "counted as whole: nobody has ever ordered in the days that are left of it" in note
    late = log_of(made | {"x": ["2019-12-30", "2020-12-30"]})
    running = summarize(late, YEARS)
    assert running.periods is not None
    assert running.periods.next_days == pytest.approx(4 * 365.25 / 12 / 31, abs=1e-5)  # to 31 December
    fewer = sum(dates[-1].startswith("2023") and len(dates) > 1 for dates in made.values())
    assert running.customers["frequency"].sum() == sum(by_hand.values()) + 1 - fewer
    note = next(line.note for line in quality(late, running) if line.key == "opportunities")
    assert note.endswith("a period that is still running counts when it ends")


def test_few_orders_say_nothing_of_what_is_left_of_a_period() -> None:
    few = {f"d{i}": [f"2022-12-{i + 1:02d}", f"2023-12-{i + 1:02d}"] for i in range(27)}
    assert summarize(log_of(few), YEARS).customers["frequency"].sum() == 0


@pytest.mark.parametrize("end", ["2019-12-31", "2020-06-30", "2021-12-27"])
def test_a_hold_out_has_as_many_opportunities_as_periods_that_end_in_it(end: str) -> None:
    """Of donors who always give and never leave as much is expected as came."""
    always = {f"d{i}": [f"{year}-12-{i % 27 + 1:02d}" for year in range(2015, 2024)] for i in range(60)}
    model = BgBb(opportunity="year")
    summary = summarize(log_of(always | {"late": ["2023-12-27"]}, calibration_end=end), model.periods)
    params = {"alpha": np.array([1e9]), "beta": np.array([1e-6]), "gamma": np.array([1e-9]), "delta": np.array([1e6])}
    expected = model.expected_orders(params, model.histories(summary), model.holdout_days(summary), 7.0)[0]
    np.testing.assert_allclose(expected, summary.customers["holdout_frequency"], atol=1e-5)
    assert summary.customers["holdout_frequency"].max() > 1


def test_a_summary_of_other_periods_is_refused() -> None:
    summary = summarize(log_of(appeal()), YEARS)
    with pytest.raises(ValueError, match=r"merged by calendar year \(0: not at all\).* one in calendar month"):
        BgBb(opportunity="month").histories(summary)
    with pytest.raises(ValueError, match="period of 10 days counted from 2024-01-04"):
        BgBb(opportunity_days=10, opportunity_anchor=dt.date(2024, 1, 4)).histories(summary)


@pytest.mark.parametrize("more", [{"opportunity_days": 10.0}, {"opportunity_anchor": "2024-01-01"}])
def test_periods_are_of_one_kind(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="leave out opportunity_days and opportunity_anchor"):
        BgBb.model_validate({"opportunity": "year"} | more)
    again = BgBb.model_validate(BgBb(opportunity="year").model_dump())
    assert again.opportunity_days == 365.25


def test_shared_periods_are_the_same_whatever_the_order_of_rows() -> None:
    made = appeal()
    rows = [(name, dt.date.fromisoformat(day), 5.0) for name, dates in made.items() for day in dates]
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    one, other = (summarize(read_transactions(f, DataConfig()), YEARS) for f in (frame, frame.iloc[::-1]))
    pd.testing.assert_frame_equal(one.customers, other.customers)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"opportunity": "day"}, r"retention.opportunity: should be 'week', 'month', 'quarter' or 'year', got 'day'"),
        ({"opportunity": "year", "opportunity_days": 7}, "retention: opportunity=year means periods of the calendar"),
        (
            {"opportunity_anchor": "soon"},
            r"retention.opportunity_anchor: a date is needed, such as 2026-01-15, got 'soon'",
        ),
    ],
)
def test_bad_input_names_key_rule_and_value(keys: dict[str, Any], message: str) -> None:
    base = {"data": {"kind": "csv"}, "spend": {"kind": "fixed_price"}, "scenario": {"baseline": {"title": "b"}}}
    with pytest.raises(ConfigError, match=message):
        validate({**base, "retention": {"kind": "bg_bb"} | keys})
