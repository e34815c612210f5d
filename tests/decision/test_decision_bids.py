"""What may be paid, and what the worst futures bring, against distributions that are known."""

import numpy as np
import pytest
from scipy import stats

from clvsim.decision import bid_at_risk, bid_on_average, bid_within, downside, headroom


def test_on_average_the_bid_is_the_mean_and_conversion_goes_with_the_draw():
    """PAV and conversion both e^N with correlation .5: the mean of the product is not the product of the means."""
    rng = np.random.default_rng(3)
    z = rng.standard_normal((100_000, 2))
    pav, conversion = np.exp(3 + 0.4 * z[:, 0]), 0.02 * np.exp(0.4 * (0.5 * z[:, 0] + np.sqrt(0.75) * z[:, 1]))
    bid = bid_on_average(pav, conversion)
    exact = 0.02 * np.exp(3 + 0.16 + 0.5 * 0.16)
    assert abs(bid.value - exact) < 4 * bid.mcse
    assert bid.value > 1.05 * pav.mean() * conversion.mean()
    assert bid_on_average(pav).value == pytest.approx(pav.mean())
    assert bid_on_average(pav, 1.0, np.full(100_000, 5.0)).mcse > bid_on_average(pav).mcse
    assert bid_on_average(pav, ess=100).mcse == pytest.approx(pav.std(ddof=1) / 10)


def test_at_a_risk_it_is_a_quantile_that_holds_the_risk():
    """Of normal worlds; no more than α of them lie below, and the error is the spread over seeds."""
    found = []
    for seed in range(200):
        worlds = np.random.default_rng(seed).normal(70, 10, 1000)
        bid = bid_at_risk(worlds, 0.1)
        assert bid is not None
        assert (worlds < bid.value).mean() <= 0.1 < (worlds <= bid.value).mean()
        found.append(bid)
    value, mcse = np.array(found).T
    assert value.mean() == pytest.approx(stats.norm.ppf(0.1, 70, 10), abs=0.15)  # 4 standard errors, and .5 of a rank
    assert value.std(ddof=1) == pytest.approx(mcse.mean(), rel=0.3)
    half = bid_at_risk(np.arange(1000.0), 0.1, conversion=0.5)
    assert half is not None
    assert half.value == 50


def test_too_few_worlds_say_nothing_of_a_risk():
    assert bid_at_risk(np.arange(99.0), 0.1) is None
    assert bid_at_risk(np.arange(100.0), 0.1) is not None
    assert bid_at_risk(np.arange(1000.0), 0.1, ess=99) is None
    with pytest.raises(ValueError, match="0 < alpha < 1, got 1"):
        bid_at_risk(np.arange(100.0), 1.0)


def test_within_a_window_it_is_what_has_come_back_by_then():
    curve = np.array([[10.0, 14.0, 20.0], [20.0, 22.0, 30.0]])
    ages = np.array([0.0, 1.0, 3.0])
    for window, bid in ((0, 15), (0.5, 16.5), (1, 18), (2, 21.5), (3, 25)):
        assert bid_within(curve, ages, window).value == pytest.approx(bid)
    assert bid_within(curve, ages, 1, np.array([0.1, 0.2])).value == pytest.approx((1.4 + 4.4) / 2)
    with pytest.raises(ValueError, match="must lie within the ages 0 to 3, got 4"):
        bid_within(curve, ages, 4)


def test_headroom_is_above_what_one_more_costs_draw_by_draw():
    pav, cost = np.array([10.0, 20.0, 30.0, 40.0]), np.array([15.0, 15.0, 20.0, 20.0])
    room = headroom(pav, cost)
    assert (room.value, room.p_above) == (7.5, 0.75)
    assert room.mcse == pytest.approx(np.array([-5.0, 5, 10, 20]).std(ddof=1) / 2)
    assert headroom(pav, 2.0, 0.1).value == pytest.approx(0.5)


def test_the_worst_tenth_of_normal_worlds():
    """μ − σφ(z)/α; over seeds the mean is that and the spread is what the error says."""
    found = np.array([downside(np.random.default_rng(seed).normal(100, 30, 1000)) for seed in range(200)])
    exact = 100 - 30 * stats.norm.pdf(stats.norm.ppf(0.1)) / 0.1
    assert found[:, 0].mean() == pytest.approx(exact, abs=4 * found[:, 0].std() / np.sqrt(200))
    assert found[:, 0].std(ddof=1) == pytest.approx(found[:, 1].mean(), rel=0.2)


def test_a_part_of_a_world_counts_as_a_part():
    assert downside(np.arange(15.0)).value == pytest.approx((0 + 0.5 * 1) / 1.5)
    assert downside(np.arange(5.0)).value == 0
    assert downside(np.arange(5.0), 1.0).value == 2
    assert downside(np.arange(1000.0), ess=100).mcse == pytest.approx(downside(np.arange(1000.0)).mcse * np.sqrt(10))
    assert np.isnan(downside(np.array([3.0])).mcse)


@pytest.mark.parametrize("levels", [[], [np.nan, 1.0]])
def test_levels_are_finite(levels):
    with pytest.raises(ValueError, match="levels must be finite"):
        downside(np.array(levels))
