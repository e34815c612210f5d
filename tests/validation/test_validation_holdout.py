"""Simulated hold-outs: at published parameters on CDNOW, and on data whose truth is known."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from clvsim.data import DataConfig, TransactionLog, read_transactions, summarize, weekly_repeat_orders
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.spend.fixed_price import FixedPrice
from clvsim.simulation import tracking
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.environment import SdLaw
from clvsim.types import CustomerSummary
from clvsim.validation.holdout import (
    ENVIRONMENT,
    NO_SHOCKS,
    PARAMETER,
    PROCESS,
    Setting,
    check_model,
    cohorts_of,
    expected_revenue,
    probabilities,
    simulate_holdout,
    without_parameter_uncertainty,
)
from tests.simulation.shop import BG_NBD, CALM, posterior, with_draws

DRAWS = 200
PARETO = {"r": 0.5533, "alpha": 10.578, "s": 0.6062, "beta": 11.669}


def setting(environment: EnvironmentConfig = CALM, draws: int = DRAWS, shard: int = 4096, jobs: int = 1) -> Setting:
    return Setting(environment, draws, 1, jobs, shard)


@pytest.fixture(scope="module")
def log() -> TransactionLog:
    return read_transactions(config=DataConfig(kind="bundled", calibration_end=date(1997, 9, 30)))


def test_customers_and_groups_of_cdnow_at_the_published_maximum(log):
    """BG/NBD: 1,653.4 orders, MAE .7855 (Fader, Hardie & Lee 2005); actual 1,882, by class as published."""
    summary = summarize(log)
    check = check_model(posterior(DRAWS), summary, weekly_repeat_orders(log), setting())
    assert abs(check.prediction.expected - summary.customers["holdout_frequency"]).mean() == pytest.approx(
        0.7855, abs=1e-4
    )
    assert check.total.actual == 1882
    assert [g.label for g in check.classes] == [*"0123456", "7+"]
    assert [g.customers for g in check.classes] == [1411, 439, 214, 100, 62, 38, 29, 64]
    means = [g.actual / g.customers for g in check.classes]
    assert means == pytest.approx([0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359], abs=1e-3)
    spread = (check.total.full_forecast.p95 - check.total.full_forecast.p05) / (2 * 1.645)
    assert abs(check.total.full_forecast.mean - 1653.4) < 4 * spread / np.sqrt(DRAWS)
    for groups in (check.classes, check.cohorts):
        assert sum(g.actual for g in groups) == 1882
        assert sum(g.full_forecast.mean for g in groups) == pytest.approx(check.total.full_forecast.mean, rel=1e-9)
    assert list(check.total.forecasts) == [PROCESS, PARAMETER]  # the environment is off
    assert check.cumulative.actual[-1] == 1882
    assert check.cumulative.mean[-1] == pytest.approx(check.total.full_forecast.mean, rel=1e-9)
    assert sum(b.customers for b in check.by_alive) == sum(b.customers for b in check.by_active) == 2357
    ordered = sum(b.customers * b.observed for b in check.by_active)
    assert ordered == pytest.approx((summary.customers["holdout_frequency"] > 0).sum())


def test_pareto_nbd_predicts_the_published_total(log):
    """Σ CET 1,665.5, MAE .7545."""
    draws = {k: np.array([v]) for k, v in PARETO.items()}
    fitted = replace(with_draws(posterior(1), retention=draws), retention=ParetoNbd())
    summary = summarize(log)
    alive, active, expected = probabilities(fitted, summary, 1)
    assert expected.sum() == pytest.approx(1665.5, abs=0.1)
    assert abs(expected - summary.customers["holdout_frequency"]).mean() == pytest.approx(0.7545, abs=1e-4)
    assert (active <= alive + 1e-12).all()


def test_more_layers_make_wider_intervals(log, monkeypatch):
    """With lognormal parameters (sd 0.2) and shocks of sd up to 0.4, each layer adds beyond Monte Carlo error.

    And what a run's report says of the hold-out is the same to the digit, however few draws the past is followed with.
    """
    monkeypatch.setattr(tracking, "MAX_DRAWS", 20)
    summary = summarize(log)
    check = check_model(
        posterior(DRAWS, spread=0.2),
        summary,
        weekly_repeat_orders(log),
        setting(EnvironmentConfig(sd_prior=0.4, learn=False)),
    )
    wide = {layers: f.p95 - f.p05 for layers, f in check.total.forecasts.items()}
    assert list(wide) == [PROCESS, PARAMETER, ENVIRONMENT]
    assert wide[PARAMETER] > 1.3 * wide[PROCESS]
    assert wide[ENVIRONMENT] > 1.05 * wide[PARAMETER]
    reported = check.tracking.holdout
    assert reported is not None
    layers = check.total.forecasts
    assert reported.with_environment == pytest.approx((layers[ENVIRONMENT].p05, layers[ENVIRONMENT].p95), rel=1e-12)
    assert reported.without_environment == pytest.approx((layers[PARAMETER].p05, layers[PARAMETER].p95), rel=1e-12)
    assert reported.mean == pytest.approx(check.total.full_forecast.mean, rel=1e-12)


def test_blocks_and_threads_change_no_figure(log):
    summary = few(summarize(log), 500)
    partitions = {"total": np.zeros(500, np.int64)}
    args = posterior(20, spread=0.1), summary, partitions, SdLaw(0.1, 0, None)
    reference = simulate_holdout(*args, setting(draws=20))
    other = simulate_holdout(*args, setting(draws=20, shard=77, jobs=2))
    np.testing.assert_array_equal(reference.grouped["total"], other.grouped["total"])
    np.testing.assert_array_equal(reference.customers.pit, other.customers.pit)
    np.testing.assert_array_equal(reference.customers.crps, other.customers.crps)
    np.testing.assert_array_equal(reference.revenue["total"], other.revenue["total"])
    np.testing.assert_array_equal(reference.customers.revenue_crps, other.customers.revenue_crps)


def test_every_order_brings_its_price(log):
    """Where each customer always pays the same, simulated revenue is orders times the price, in every world."""
    summary = few(summarize(log), 300)
    frame = summary.customers.assign(first_amount=7.25, last_amount=7.25)
    frame = frame.assign(repeat_amount=7.25 * frame["frequency"], repeat_positive=frame["frequency"])
    priced = replace(summary, customers=frame)
    spend = {"price": np.full(20, 7.25), "first_order_factor": np.ones(20)}
    fitted = replace(with_draws(posterior(20, spread=0.1), spend=spend), spend=FixedPrice())
    groups = {"thirds": np.arange(300) % 3}
    simulated = simulate_holdout(fitted, priced, groups, NO_SHOCKS, setting(draws=20))
    np.testing.assert_array_equal(simulated.revenue["thirds"], 7.25 * simulated.grouped["thirds"])
    money = expected_revenue(fitted, priced, 20)
    np.testing.assert_allclose(money, 7.25 * probabilities(fitted, priced, 20)[2], rtol=1e-12)


def test_simulated_revenue_averages_the_closed_form(log):
    """All customers, and those with and without repeat orders, within 4 standard errors over 400 worlds."""
    summary = summarize(log)
    fitted = posterior(400)
    again = (summary.customers["frequency"] > 0).to_numpy(np.int64)
    money = expected_revenue(fitted, summary, 1)
    simulated = simulate_holdout(fitted, summary, {"again": again}, NO_SHOCKS, setting(draws=400))
    worlds = simulated.revenue["again"]
    error = worlds.std(axis=0, ddof=1) / np.sqrt(400)
    assert (abs(worlds.mean(axis=0) - np.bincount(again, money)) < 4 * error).all()
    assert np.bincount(again, money)[1] > 10 * error[1]


def test_revenue_of_cdnow(log):
    """At the published maxima; what was paid is that of the log, order by order, of those who are followed."""
    summary = summarize(log)
    check = check_model(posterior(50), summary, weekly_repeat_orders(log), setting(draws=50))
    revenue = check.revenue
    assert revenue is not None
    known = tuple(summary.customers["customer_id"])
    orders = log.connection.execute(
        "SELECT customer_id, amount::DOUBLE FROM orders WHERE day > '1997-09-30'"
    ).fetchall()
    paid = sum(amount for who, amount in orders if who in set(known))
    assert revenue.total.actual == pytest.approx(paid, rel=1e-12)
    for tenths, total in ((revenue.tenths, revenue.total), (check.tenths, check.total)):
        assert sum(g.customers for g in tenths) == 2357
        assert sum(g.actual for g in tenths) == pytest.approx(total.actual, rel=1e-9)
        assert sum(g.full_forecast.mean for g in tenths) == pytest.approx(total.full_forecast.mean, rel=1e-9)
        means = [g.full_forecast.mean / g.customers for g in tenths]
        assert means[0] > 2 * means[2] > 4 * means[-1]  # the most expected comes first
        assert tenths[0].label == "1"
    assert revenue.prediction.crps.shape == (2357,)
    assert np.isfinite(revenue.prediction.crps).all()


def few(summary: CustomerSummary, customers: int) -> CustomerSummary:
    return replace(summary, customers=summary.customers.head(customers).reset_index(drop=True))


def made_up(customers: int, weeks: int, later: int, seed: int) -> CustomerSummary:
    """A log of BG/NBD customers with the published parameters: `weeks` of calibration, `later` held back."""
    rng = np.random.default_rng(seed)
    today, end = 7 * weeks, 7 * (weeks + later)
    rows = []
    for i in range(customers):
        rate = rng.gamma(BG_NBD["r"], 1 / BG_NBD["alpha"]) / 7
        p = rng.beta(BG_NBD["a"], BG_NBD["b"])
        first = rng.uniform(0, 84)
        times, t = [first], first
        while True:
            t += rng.exponential(1 / rate)
            if t > end:
                break
            times.append(t)
            if rng.random() < p:
                break
        before = [v for v in times if v <= today]
        rows.append((f"c{i:05d}", len(before) - 1, before[-1] - first, today - first, len(times) - len(before)))
    frame = pd.DataFrame(rows, columns=["customer_id", "frequency", "recency_days", "T_days", "holdout_frequency"])
    frame = frame.assign(first_amount=30.0, repeat_amount=30.0 * frame["frequency"], repeat_positive=frame["frequency"])
    frame = frame.assign(repeat_log_amount=np.log(30.0) * frame["frequency"], segment="", channel="")
    start, day = date(2024, 1, 1).toordinal(), date.fromordinal
    return CustomerSummary(frame, day(start + today), day(start), day(start + end), "week", "made up")


def test_under_the_true_model_customers_fall_evenly(log):
    """4,000 customers: central 80 % between 76 and 84 % (± 2.5 % would be 4 standard errors), tenths by χ² at 0.1 %."""
    from scipy.stats import chi2

    summary = made_up(4000, 39, 39, 8)
    partitions = {"total": np.zeros(4000, np.int64)}
    simulated = simulate_holdout(posterior(DRAWS), summary, partitions, NO_SHOCKS, setting())
    pit = simulated.customers.pit
    assert 0.76 < ((pit >= 0.1) & (pit <= 0.9)).mean() < 0.84
    tenths = np.histogram(pit, 10, (0, 1))[0]
    assert ((tenths - 400) ** 2 / 400).sum() < chi2.isf(1e-3, 9)
    # A model that takes everybody for a buyer is told from it.
    hasty = posterior(DRAWS, r=4 * BG_NBD["r"])
    hasty_customers = simulate_holdout(hasty, summary, partitions, NO_SHOCKS, setting()).customers
    assert ((np.histogram(hasty_customers.pit, 10, (0, 1))[0] - 400) ** 2 / 400).sum() > chi2.isf(1e-3, 9)
    assert hasty_customers.crps.mean() > simulated.customers.crps.mean()


def test_known_parameters_are_one_central_draw():
    """The draw in the middle of an unordered grid, every parameter from the same draw."""
    grid = np.exp(np.array([0.3, -2.0, 0.1, 1.5, -0.2]))
    fitted = with_draws(posterior(5), retention={"r": grid, "k": np.full(5, 3.0)})
    repeated = without_parameter_uncertainty(fitted).posterior.retention
    assert set(repeated["r"]) == {grid[4]}  # the mean of the logs is -0.06
    assert set(repeated["k"]) == {3.0}


def test_cohorts_are_at_most_twelve():
    summary = made_up(300, 39, 10, 3)
    assert cohorts_of(summary)[0] == ["2024-01", "2024-02", "2024-03"]
    frame = summary.customers
    long = replace(summary, customers=frame.assign(T_days=np.linspace(1, 1400, 300)))
    assert len(cohorts_of(long)[0]) == 5  # years
    recent = replace(summary, customers=frame.assign(T_days=np.linspace(1, 800, 300)))
    assert len(cohorts_of(recent)[0]) == 9  # quarters


def test_effects_below_zero_have_a_centre_too():
    effect = np.linspace(-1.0, 1.0, 11)
    grouped = with_draws(posterior(11), retention={"r": np.full(11, 0.3), "log_rate[segment a]": effect})
    assert without_parameter_uncertainty(grouped).posterior.retention["log_rate[segment a]"] == pytest.approx(
        np.zeros(11)
    )
