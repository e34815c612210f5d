"""Predicted weekly repeat orders of CDNOW against closed forms, at fixed published parameters."""

from datetime import date

import numpy as np
import pytest
from scipy.stats import norm
from shop import BG_NBD, CALM, posterior

from clvsim.data import DataConfig, TransactionLog, read_transactions, summarize, weekly_repeat_orders
from clvsim.models.laws import customers_of
from clvsim.models.retention import bg_nbd
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.tracking import position_among, track
from clvsim.types import Tracking

DRAWS = 200
PARAMETERS = {name: np.array([value]) for name, value in BG_NBD.items()}


@pytest.fixture(scope="module")
def log() -> TransactionLog:
    return read_transactions(config=DataConfig(kind="bundled", calibration_end=date(1997, 9, 30)))


def tracked(log: TransactionLog, environment: EnvironmentConfig) -> Tracking:
    return track(posterior(DRAWS), summarize(log), weekly_repeat_orders(log), environment, draws=DRAWS)


def test_weeks_and_holdout(log: TransactionLog) -> None:
    """39 weeks of calibration with 2,457 repeat orders, 39 of hold-out with 1,882; 1,653.4 expected."""
    tracking = tracked(log, CALM)
    calibration = tracking.week_start < np.datetime64("1997-10-01")
    assert (calibration.sum(), (~calibration).sum()) == (39, 39)
    assert tracking.holdout_from == np.datetime64("1997-10-01")
    assert tracking.actual[calibration].sum() == 2457
    assert tracking.actual[~calibration].sum() == 1882
    holdout = tracking.holdout
    assert holdout is not None
    assert (holdout.days, holdout.actual) == (273, 1882)
    low, high = holdout.without_environment
    error = (high - low) / (2 * 1.645) / np.sqrt(DRAWS)
    assert abs(holdout.mean - 1653.4) < 4 * error
    assert tracking.mean[~calibration].sum() == pytest.approx(holdout.mean, rel=1e-9)
    assert holdout.with_environment == holdout.without_environment  # it is off
    sd = (high - low) / (2 * 1.645)
    assert holdout.position == pytest.approx(norm.cdf((1882 - 1653.4) / sd), abs=0.01)
    assert (tracking.p05 <= tracking.mean).all()
    assert (tracking.mean <= tracking.p95).all()


def test_a_place_counts_worlds_below_and_half_of_those_that_tie() -> None:
    worlds = np.array([1.0, 2.0, 2.0, 5.0])
    places = [position_among(worlds, actual) for actual in (0, 1, 2, 3, 5, 6)]
    assert places == [0, 1 / 8, 1 / 2, 3 / 4, 7 / 8, 1]
    normal = np.random.default_rng(3).normal(1660, 140, 100_000)
    assert position_among(normal, 1882) == pytest.approx(norm.cdf(222 / 140), abs=0.003)


def test_calibration_weeks(log: TransactionLog) -> None:
    """Cumulative predictions at 13, 26 and 39 weeks: Σ E[X(t − first order)], an order's hour being midday."""
    tracking = tracked(log, CALM)
    T = customers_of(summarize(log)).T_days
    spread = (tracking.p95 - tracking.p05)[:39] / (2 * 1.645)
    for weeks in (13, 26, 39):
        time = T + 0.5 - 7 * (39 - weeks)
        ages, of = np.unique(time[time > 0], return_inverse=True)
        expected = bg_nbd.expected_orders_new(PARAMETERS, ages / 7)[0][of].sum()
        # weeks of one world share their customers: their errors add up at worst
        error = spread[:weeks].sum() / np.sqrt(DRAWS)
        assert abs(tracking.mean[:weeks].sum() - expected) < 4 * error
        assert error < 0.02 * expected


def test_environment_widens_the_bands(log: TransactionLog) -> None:
    tracking = tracked(log, EnvironmentConfig(sd_prior=0.2))
    assert tracking.holdout is not None
    wide, narrow = (np.ptp(i) for i in (tracking.holdout.with_environment, tracking.holdout.without_environment))
    assert wide > 1.3 * narrow


def test_some_stand_for_more_customers_than_are_simulated(log: TransactionLog) -> None:
    """Bands and means as of everybody, though the luck of few is larger: two-sided, from what worlds differ by."""
    summary, weekly = summarize(log), weekly_repeat_orders(log)
    customers = len(summary.customers)
    everybody, limited, few = (
        track(posterior(300), summary, weekly, CALM, draws=300, most_customers=most)
        for most in (None, customers, customers // 5)
    )
    for field in ("mean", "p05", "p95"):
        np.testing.assert_array_equal(getattr(limited, field), getattr(everybody, field))
    assert everybody.holdout is not None
    assert few.holdout is not None
    assert few.holdout.actual == everybody.holdout.actual
    (low, high), theirs = few.holdout.without_environment, everybody.holdout.without_environment
    assert abs(np.log((high - low) / (theirs[1] - theirs[0]))) < 0.3  # of two sets of quantiles of 300 worlds
    assert abs(few.holdout.mean / everybody.holdout.mean - 1) < 0.06
    past = np.arange(everybody.mean.size) < everybody.mean.size // 2
    width, other = ((one.p95 - one.p05)[past].sum() for one in (few, everybody))
    assert abs(np.log(width / other)) < 0.25
    assert abs(few.mean[past].sum() / everybody.mean[past].sum() - 1) < 0.05
    assert few.mean.sum() != everybody.mean.sum()
    cut = {"shard_customers": 7, "jobs": 2}
    again = track(posterior(300), summary, weekly, CALM, draws=300, most_customers=customers // 5, **cut)
    np.testing.assert_array_equal(again.p95, few.p95)
