"""A contract's own figures against contracts whose truth is known: counted by hand, and closed forms of sBG."""

import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaln
from scipy.stats import beta

from clvsim.contracts import contract_figures, ended, months_settled, parts_of, retained, standing_of
from clvsim.data import DataConfig, read_transactions, summarize
from clvsim.data.log import TransactionLog
from clvsim.data.payments import Payments, payments_of
from clvsim.data.trials import trials_of, without_trials
from clvsim.models import RETENTION
from clvsim.models.around.plans import by_plan
from clvsim.models.around.pooling import configured
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import rows_of
from clvsim.models.retention.pausing import PAUSE, RESUME
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.types import DAYS_PER_MONTH, ContractFigures, CustomerSummary, Posterior

TODAY = dt.date(2023, 6, 10)
ALPHA, BETA = np.array([0.9, 1.4, 2.0]), np.array([9.0, 12.0, 30.0])  # draws
LAW = {"alpha": ALPHA, "beta": BETA}
Row = tuple[str, dt.date, float]


def later(start: dt.date, months: int) -> dt.date:
    number = start.year * 12 + start.month - 1 + months
    return dt.date(number // 12, number % 12 + 1, start.day)


def paid(name: str, start: dt.date, times: int, price: float, every: int = 1) -> list[Row]:
    return [(name, later(start, every * k), price) for k in range(times)]


def log_of(rows: list[Row], **keys: Any) -> tuple[CustomerSummary, Payments]:
    log = without_trials(read_of(rows, **keys))
    return summarize(log), payments_of(log)


def read_of(rows: list[Row], **keys: Any) -> TransactionLog:
    frame = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    return read_transactions(frame.assign(**keys.pop("columns", {})), DataConfig(today=TODAY, **keys))


def fitted_to(model: Any, params: dict[str, np.ndarray]) -> FittedModels:
    return FittedModels(model, FixedPrice(), Posterior(params, {"price": np.ones_like(ALPHA)}, "month"))


def figures(model: Any, params: dict[str, np.ndarray], summary: CustomerSummary, payments: Payments) -> ContractFigures:
    found = contract_figures(fitted_to(model, params), summary, payments)
    assert found is not None
    return found


def log_survival(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> np.ndarray:
    return betaln(a, b + n) - betaln(a, b)


MONTHLY = [
    *paid("a9", dt.date(2023, 1, 20), 5, 29.0),  # n = 4, due on 20 June
    *paid("a10", dt.date(2022, 2, 5), 17, 99.0),  # n = 16, due on 5 July
    *paid("b", dt.date(2023, 5, 15), 1, 29.0),  # n = 0
    *paid("lost", dt.date(2022, 1, 3), 9, 29.0),  # ended on 3 October
    ("trial", dt.date(2023, 5, 25), 0.0),
    ("never", dt.date(2023, 2, 1), 0.0),
    ("converted", dt.date(2023, 1, 1), 0.0),
    *paid("converted", dt.date(2023, 2, 1), 5, 49.0),  # begins after the trial: n = 4
    ("later", dt.date(2023, 6, 20), 29.0),
]


def test_payments_are_those_of_the_summary() -> None:
    """Whatever the order of ids as text, and without who comes after today."""
    summary, payments = log_of(MONTHLY)
    frame = summary.customers
    assert "later" not in set(frame["customer_id"])
    total = np.bincount(payments.customer, payments.amount)
    np.testing.assert_allclose(total, frame["first_amount"] + frame["repeat_amount"])
    np.testing.assert_array_equal(np.bincount(payments.customer), frame["frequency"] + 1)
    assert (np.diff(payments.day)[np.diff(payments.customer) == 0] > 0).all()


def test_how_contracts_stand_and_what_they_pay() -> None:
    total = figures(Sbg(), LAW, *log_of(MONTHLY)).total
    assert (total.contracts, total.active, total.unpaid) == (5, 4, 1)
    assert total.paused is None
    assert total.mrr == pytest.approx(29 + 99 + 29 + 49, rel=1e-12)
    assert total.arpa == pytest.approx(206 / 4, rel=1e-12)
    cents = [(name, day, 100 * amount) for name, day, amount in MONTHLY]
    assert figures(Sbg(), LAW, *log_of(cents)).total.mrr == pytest.approx(20_600, rel=1e-12)


def test_churn_is_the_chance_to_end_at_the_next_due_days() -> None:
    total = figures(Sbg(), LAW, *log_of(MONTHLY)).total
    renewals = np.array([4.0, 16.0, 0.0, 4.0])[:, None]
    month = (ALPHA / (ALPHA + BETA + renewals)).mean(axis=0)
    kept = np.exp(log_survival(ALPHA, BETA, renewals + 12) - log_survival(ALPHA, BETA, renewals))
    for found, draws in ((total.churn_month, month), (total.churn_year, 1 - kept.mean(axis=0))):
        np.testing.assert_allclose(found, [draws.mean(), *np.quantile(draws, [0.05, 0.95])], rtol=1e-10)
    assert total.due == 4


def test_whoever_is_due_later_cannot_end_within_the_month() -> None:
    """Of two yearly members one is due on 1 July; the other has paid."""
    rows = [*paid("july", dt.date(2021, 7, 1), 2, 120.0, 12), *paid("may", dt.date(2020, 5, 2), 4, 240.0, 12)]
    total = figures(Sbg(renewal="year"), LAW, *log_of(rows)).total
    assert (total.due, total.mrr) == (1, pytest.approx(30.0, rel=1e-12))
    assert total.churn_month.mean == pytest.approx((ALPHA / (ALPHA + BETA + 1)).mean() / 2, rel=1e-10)
    both = (ALPHA / (ALPHA + BETA + 1) + ALPHA / (ALPHA + BETA + 3)) / 2
    assert total.churn_year.mean == pytest.approx(both.mean(), rel=1e-10)


def test_an_overdue_contract_may_have_ended_already() -> None:
    """It is 3 days late, and nobody of 20 came so late: P(has ended) as the model has it counts."""
    rows = [row for k in range(20) for row in paid(f"c{k:02}", dt.date(2023, 1, 2 + k % 5), 6, 10.0)]
    summary, payments = log_of([*rows, *paid("overdue", dt.date(2023, 1, 7), 5, 10.0)])
    model = Sbg(grace_days=7)
    histories = model.histories(summary)
    place = summary.customers["customer_id"].tolist().index("overdue")
    alive = model.probability_alive(LAW, histories, 30.0)[:, place]
    assert (alive < 0.9).all()
    total = figures(model, LAW, summary, payments).total
    renewed = (BETA + 4) / (ALPHA + BETA + 4)
    month = (20 * ALPHA / (ALPHA + BETA + 5) + 1 - alive * renewed) / 21
    assert total.churn_month.mean == pytest.approx(month.mean(), rel=1e-10)


def made_up(size: int, seed: int = 3) -> list[tuple[dt.date, int, bool]]:
    """Starts, payments up to TODAY, and whether the next one that fell due was not made: sBG on the calendar.

    Nobody falls due on TODAY, of which it would not be known yet who pays.
    """
    draw, found = np.random.default_rng(seed), []
    for theta in draw.beta(1.5, 14, size):
        start = later(dt.date(2020, 6, int(draw.integers(11, 29))), int(draw.integers(36)))
        times = 1
        while (due := later(start, times)) <= TODAY and draw.random() >= theta:
            times += 1
        found.append((start, times, due <= TODAY))
    return [one for one in found if one[0] <= TODAY]


def test_observed_churn_and_renewals_are_those_that_happened() -> None:
    """Counted contract by contract from the truth; payments come on the day, so that all is settled."""
    truth = made_up(400)
    rows = [row for k, (start, times, _) in enumerate(truth) for row in paid(f"{k:03}", start, times, 10.0)]
    summary, payments = log_of(rows)
    model = Sbg(grace_days=0)
    total = figures(model, LAW, summary, payments).total
    assert total.unpaid == sum(over for *_, over in truth)
    for number in range(1, 13):
        due = [times for start, times, _ in truth if later(start, number) <= TODAY and times >= number]
        found = total.renewals[number - 1]
        assert found.renewed == (sum(times > number for times in due), len(due))
        expected = (BETA + number - 1) / (ALPHA + BETA + number - 1)
        np.testing.assert_allclose(found.expected, [expected.mean(), *np.quantile(expected, [0.05, 0.95])], rtol=1e-10)
    count = of = 0
    gone = [(TODAY - later(start, times)).days if over else None for start, times, over in truth]
    for k in range(12):
        low, high = (DAYS_PER_MONTH * step - 1 for step in (k, k + 1))
        for (start, *_), end in zip(truth, gone, strict=True):
            if (TODAY - start).days >= high and (end is None or end <= high):
                of, count = of + 1, count + (end is not None and end > low)
    assert total.months_seen == 12
    assert total.ended_month == (count, of)
    year = [
        end for (start, *_), end in zip(truth, gone, strict=True) if (TODAY - start).days >= 12 * DAYS_PER_MONTH - 1
    ]
    active = [end for end in year if end is None or end <= 12 * DAYS_PER_MONTH - 1]
    assert total.ended_year == (sum(end is not None for end in active), len(active))
    assert 0.05 < count / of < 0.12  # theta has mean .097, and those who stay less


def test_months_end_before_what_may_still_be_paid() -> None:
    """One waits for a payment that fell due 3 days ago: nothing since is settled."""
    standing = standing_of_rows([*paid("x", dt.date(2022, 1, 7), 17, 10.0), *paid("y", dt.date(2022, 1, 9), 3, 10.0)])
    edges = months_settled(standing, 500.0)
    assert edges[0] == 3
    assert edges.size == 13
    assert months_settled(standing, 65.0).size == 3
    assert ended(standing, edges) == (0, 12)  # y ended 14 months ago
    assert ended(standing, edges[:1]) == (0, 0)


def standing_of_rows(rows: list[Row]) -> Any:
    summary, payments = log_of(rows)
    model = Sbg(grace_days=5)
    (part,) = parts_of(model, summary)
    return standing_of(part, summary, rows_of(model.histories(summary), part.rows), payments)


def test_what_is_charged_between_due_days_is_no_price() -> None:
    """An upgrade on 1 June is charged in part; the last regular payment is that of 15 May."""
    rows = [*paid("x", dt.date(2023, 1, 15), 5, 29.0), ("x", dt.date(2023, 6, 1), 12.5)]
    rows += [*paid("y", dt.date(2023, 1, 28), 4, 29.0), ("y", dt.date(2023, 5, 30), 35.0)]  # two days late
    assert standing_of_rows(rows).mrr.tolist() == [29.0, 35.0]


def test_net_expansion_is_of_those_who_stayed() -> None:
    """Ten stay and two of them pay half as much again; one halves; those who came later or left are not in it."""
    rows = [row for k in range(7) for row in paid(f"same{k}", dt.date(2022, 1, 12), 17, 10.0)]
    for k in range(2):
        rows += [*paid(f"more{k}", dt.date(2022, 1, 12), 8, 10.0), *paid(f"more{k}", dt.date(2022, 9, 12), 9, 15.0)]
    rows += [*paid("less", dt.date(2022, 1, 12), 8, 10.0), *paid("less", dt.date(2022, 9, 12), 9, 5.0)]
    rows += paid("gone", dt.date(2022, 1, 8), 5, 10.0)  # would have fallen due two days before
    rows += [*paid("new", dt.date(2022, 6, 11), 12, 99.0), *paid("left", dt.date(2022, 1, 12), 9, 10.0)]
    total = figures(Sbg(), LAW, *log_of(rows)).total
    assert (total.stayed, total.mrr_then, total.mrr_now) == (10, 100.0, 105.0)
    assert total.expansion == pytest.approx(0.05, rel=1e-12)
    assert total.mrr_year_ago == 110.0  # with that of who left
    assert total.retention == pytest.approx(105 / 110, rel=1e-12)


def test_trials_are_learned_from_those_that_are_over() -> None:
    """Those who pay do so after 31 days: nobody older than that and the grace of 7 is open."""
    rows = [(f"never{k}", later(dt.date(2022, 1, 4), k), 0.0) for k in range(6)]
    rows += [(f"runs{k}", dt.date(2023, 6, 1 + k), 0.0) for k in range(4)]
    for k in range(3):
        rows += [(f"pays{k}", dt.date(2022, 3, 4), 0.0), *paid(f"pays{k}", dt.date(2022, 4, 4), 5 + k, 10.0)]
    rows += paid("direct", dt.date(2022, 3, 4), 10, 10.0)
    trials = trials_of(read_of(rows), DAYS_PER_MONTH)
    assert trials is not None
    assert (trials.contracts, trials.running, trials.paid, trials.over) == (13, 4, 3, 6)
    np.testing.assert_allclose(trials.share, [4 / 11, *beta(4, 7).ppf([0.05, 0.95])], rtol=1e-9)
    assert trials.to_pay == pytest.approx(4 * 4 / 11, rel=1e-9)
    days = {"last": TODAY - dt.timedelta(days=38), "late": TODAY - dt.timedelta(days=39)}  # 31 and 7
    waiting = trials_of(read_of([*rows, *((name, day, 0.0) for name, day in days.items())]), DAYS_PER_MONTH)
    assert waiting is not None
    assert (waiting.running, waiting.over) == (5, 7)
    assert waiting.to_pay == pytest.approx(4 * 4 / 12, rel=1e-9)  # nobody has taken more than 31 days
    found = figures(Sbg(), LAW, *log_of(rows))
    assert (found.total.contracts, found.trials) == (4, None)
    assert trials_of(read_of([row for row in rows if row[2] > 0]), DAYS_PER_MONTH) is None
    assert trials_of(read_of([(name, day, 0.0) for name, day, _ in rows]), DAYS_PER_MONTH) is None


def test_after_a_trial_the_day_of_the_payments_counts() -> None:
    """Trials of 14 days, payments on 28 May the last: due on 28 June, and not on the 14th, or on 14 May."""
    rows = [row for k in range(5) for row in paid(f"direct{k}", dt.date(2023, 1, 28), 5, 10.0)]
    for k in range(5):
        rows += [(f"trial{k}", dt.date(2022, 12, 14 + k), 0.0), *paid(f"trial{k}", dt.date(2022, 12, 28), 6, 10.0)]
    rows += [("left", dt.date(2023, 1, 14), 0.0), *paid("left", dt.date(2023, 1, 28), 4, 10.0)]
    summary, payments = log_of(rows)
    histories = Sbg().histories(summary)
    renewals = dict(zip(summary.customers["customer_id"], histories.renewals, strict=True))
    assert renewals == {**{f"direct{k}": 4 for k in range(5)}, **{f"trial{k}": 5 for k in range(5)}, "left": 3}
    assert np.ptp(histories.next_days[histories.lost == 0]) == 0
    total = figures(Sbg(), LAW, summary, payments).total
    assert (total.active, total.unpaid, total.due) == (10, 1, 10)
    assert not [said for said in Sbg().warnings(summary, LAW) if "several payments" in said or "irregular" in said]
    a_year = [
        ("y", dt.date(2022, 5, 20), 0.0),
        ("y", dt.date(2022, 6, 20), 120.0),
        *paid("x", dt.date(2022, 1, 1), 2, 1.0, 12),
    ]
    yearly = figures(Sbg(renewal="year"), LAW, *log_of(a_year)).total
    assert (yearly.active, yearly.mrr) == (2, pytest.approx(10 + 1 / 12, rel=1e-12))


def test_a_pause_after_a_trial_is_one() -> None:
    """The trial's payment does not stand for the one that is missing on 28 March."""
    rows = [("x", dt.date(2022, 12, 14), 0.0), *paid("x", dt.date(2022, 12, 28), 3, 10.0)]
    rows += [*paid("x", dt.date(2023, 4, 28), 2, 10.0), *paid("y", dt.date(2023, 1, 2), 6, 10.0)]
    found = Sbg(pauses=True).with_pauses().histories(log_of(rows)[0])
    assert (found.renewals[0], found.idle[0], found.breaks[0], found.kept[0]) == (5, 1, 1, 3)
    assert (found.idle[1], found.breaks[1]) == (0, 0)


def test_each_plan_has_its_own_and_all_are_their_sum() -> None:
    rows = [row for k in range(6) for row in paid(f"m{k}", dt.date(2022, 8, 2 + k), 11 - k % 2, 29.0)]
    rows += [row for k in range(5) for row in paid(f"y{k}", dt.date(2020, 7, 1), 3, 290.0, 12)]
    rows += [row for k in range(5) for row in paid(f"q{k}", dt.date(2022, 3, 20), 5, 80.0, 3)]
    summary, payments = log_of(rows)
    model = by_plan(Sbg(renewal="plan", grace_days=10), summary)
    laws = {"month": (1.2, 14.0), "quarter": (2.0, 9.0), "year": (1.5, 4.0)}
    params = {f"{plan}.{n}": v + 0 * ALPHA for plan, law in laws.items() for n, v in zip(LAW, law, strict=True)}
    found = figures(model, params, summary, payments)
    plans = {one.plan: one for one in found.plans}
    standing = {name: (one.active, one.unpaid) for name, one in plans.items()}
    assert standing == {"month": (6, 0), "quarter": (5, 0), "year": (5, 0)}
    for name, one in plans.items():
        per_month = {"month": 29.0, "quarter": 80 / 3, "year": 290 / 12}[name]
        assert one.mrr == pytest.approx(per_month * one.active, rel=1e-12)
    a, b = laws["year"]
    assert plans["year"].churn_month.mean == pytest.approx(a / (a + b + 2), rel=1e-10)  # all fall due on 1 July
    a, b = laws["quarter"]
    assert plans["quarter"].churn_month.mean == pytest.approx(a / (a + b + 4), rel=1e-10)  # and on 20 June
    assert found.total.mrr == pytest.approx(sum(one.mrr for one in plans.values()), rel=1e-12)
    mean = sum(one.active * one.churn_year.mean for one in plans.values()) / found.total.active
    assert found.total.churn_year.mean == pytest.approx(mean, rel=1e-10)
    assert found.total.ended_month.of == sum(one.ended_month.of for one in plans.values())
    assert not found.total.renewals
    assert plans["year"].renewals[0].renewed == (5, 5)


def test_paused_contracts_are_told_apart_from_lost_ones() -> None:
    rows = [row for k in range(8) for row in paid(f"on{k}", dt.date(2022, 5, 1), 14, 10.0)]
    for name, times in (("short", 11), ("long", 4)):
        rows += paid(name, dt.date(2022, 5, 1), times, 10.0)
    rows += [*paid("back", dt.date(2022, 5, 1), 6, 10.0), *paid("back", dt.date(2023, 1, 1), 6, 10.0)]
    summary, payments = log_of(rows)
    model = Sbg(pauses=True).with_pauses()
    params = LAW | {PAUSE: np.full(3, 0.1), RESUME: np.full(3, 0.3)}
    total = figures(model, params, summary, payments).total
    assert (total.active, total.unpaid) == (9, 2)
    alive = model.probability_alive(params, model.histories(summary), 30.0)
    ids = summary.customers["customer_id"].tolist()
    expected = alive[:, ids.index("short")] + alive[:, ids.index("long")]
    assert total.paused is not None
    np.testing.assert_allclose(total.paused, [expected.mean(), *np.quantile(expected, [0.05, 0.95])], rtol=1e-12)
    assert 0 < total.paused.mean < 1
    assert total.renewals[0].expected.mean == pytest.approx((BETA / (ALPHA + BETA)).mean(), rel=1e-10)


def test_groups_count_with_their_own_parameters() -> None:
    """Odds of ending 20 % higher in one group and lower in the other; nine of it and three of that one were due."""
    rows = [row for k in range(9) for row in paid(f"a{k}", dt.date(2022, 9, 1), 10 if k % 2 else 4, 10.0)]
    rows += [row for k in range(3) for row in paid(f"b{k}", dt.date(2022, 9, 1), 10, 10.0)]
    group = [row[0][0] for row in rows]
    summary, payments = log_of(rows, columns={"segment": group}, segment="segment")
    model = configured(Sbg(pool="segment"), summary)
    effects = {"logit_churn[segment a]": np.log(1.2), "logit_churn[segment b]": np.log(0.8)}
    names = {name for names in model.names().values() for name in names}
    assert effects.keys() <= names
    params = LAW | {name: np.full(3, effects.get(name, 0.0)) for name in names} | {"sd_logit_churn": np.ones(3)}
    total = figures(model, params, summary, payments).total
    share = {}
    for name, log_odds in effects.items():
        odds = ALPHA / BETA * np.exp(log_odds)
        a = (ALPHA + BETA) * odds / (1 + odds)
        share[name[-2]] = np.array([(ALPHA + BETA - a + n) / (ALPHA + BETA + n) for n in (0, 4)])
    assert [total.renewals[n].renewed for n in (0, 4)] == [(12, 12), (7, 7)]
    first, fifth = (9 * share["a"] + 3 * share["b"]) / 12, (4 * share["a"] + 3 * share["b"]) / 7
    for n, expected in ((0, first[0]), (4, fifth[1])):
        assert total.renewals[n].expected.mean == pytest.approx(expected.mean(), rel=1e-10)


def test_without_single_payments_prices_are_means() -> None:
    summary, _ = log_of([*paid("x", dt.date(2023, 1, 1), 6, 30.0), *paid("y", dt.date(2023, 2, 1), 5, 10.0)])
    found = contract_figures(fitted_to(Sbg(), LAW), replace(summary, repeat_orders_by_day=None), None)
    assert found is not None
    assert (found.total.active, found.total.mrr, found.total.stayed) == (2, 40.0, 0)


def test_orders_have_none_and_nobody_active_gives_no_share() -> None:
    summary, payments = log_of([row for name in "xy" for row in paid(name, dt.date(2020, 1, 1), 6, 30.0)])
    life = {name: np.ones(3) for name in ("r", "alpha", "a", "b")}
    assert contract_figures(fitted_to(RETENTION["bg_nbd"](), life), summary, payments) is None
    total = figures(Sbg(), LAW, summary, payments).total
    assert (total.active, total.mrr) == (0, 0.0)
    assert np.isnan([*total.churn_month, total.arpa, total.expansion]).all()


# --- what is left of them ---------------------------------------------------------------------------------------------


def test_what_is_left_is_sbg_survival_weighted_by_contract_and_by_money() -> None:
    """Monthly contracts after k months: S(n + k) / S(n) of each, in contracts and in what each pays."""
    found = retained(fitted_to(Sbg(), LAW), *log_of(MONTHLY), [1, 7, 12])
    assert found is not None
    n, price = np.array([4.0, 16.0, 0.0, 4.0])[:, None], np.array([29.0, 99.0, 29.0, 49.0])
    for column, k in enumerate((1, 7, 12)):
        kept = np.exp(log_survival(ALPHA, BETA, n + k) - log_survival(ALPHA, BETA, n))
        np.testing.assert_allclose(found.contracts[:, column], kept.mean(axis=0), rtol=1e-10)
        np.testing.assert_allclose(found.money[:, column], price @ kept / price.sum(), rtol=1e-10)
    churn = figures(Sbg(), LAW, *log_of(MONTHLY)).total.churn_year
    assert 1 - found.contracts[:, 2].mean() == pytest.approx(churn.mean, rel=1e-10)


def test_gross_and_net_retention_of_a_year_ago_by_hand() -> None:
    """A year ago four paid 20 + 30 + 40 + 10; one has left, one pays 25 instead of 20, one 30 instead of 40."""
    start = dt.date(2022, 1, 5)
    rows = [
        *paid("up", start, 6, 20.0), *paid("up", later(start, 6), 12, 25.0),
        *paid("same", start, 18, 10.0),
        *paid("down", start, 10, 40.0), *paid("down", later(start, 10), 8, 30.0),
        *paid("left", start, 9, 30.0),
        *paid("new", dt.date(2023, 1, 5), 6, 1000.0),
    ]  # fmt: skip
    found = retained(fitted_to(Sbg(), LAW), *log_of(rows), [1])
    assert found is not None
    assert found.kept == (3, 4)
    assert found.mrr_then == pytest.approx(100.0)
    assert found.net == pytest.approx(25 + 10 + 30)
    assert found.gross == pytest.approx(20 + 10 + 30)


def test_nothing_is_retained_where_there_is_no_contract_or_nobody_left() -> None:
    over = [row for name in ("one", "two") for row in paid(name, dt.date(2022, 1, 3), 9, 29.0)]
    assert retained(fitted_to(Sbg(), LAW), *log_of(over), [1]) is None
    summary, payments = log_of(MONTHLY)
    life = {"r": ALPHA, "alpha": ALPHA, "a": ALPHA, "b": BETA}
    assert retained(fitted_to(RETENTION["bg_nbd"](), life), summary, payments, [1]) is None
    found = retained(fitted_to(Sbg(), LAW), replace(summary, repeat_orders_by_day=None), None, [1])
    assert found is not None
    assert (found.kept, found.mrr_then) == ((0, 0), 0.0)  # without single payments nothing is known of a year ago
