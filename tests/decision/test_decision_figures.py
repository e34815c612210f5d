"""P(better), P(best), expected loss and the value of information against closed forms."""

import numpy as np
import pytest
from scipy import stats

from clvsim.decision import between, estimate, evpi, expected_loss, p_best, p_better, shares_of_best, summary

DRAWS = 200_000


def unit_normal_loss(mu: float, sigma: float) -> float:
    """E[max(0, X)] for X ~ N(mu, sigma²)."""
    return sigma * stats.norm.pdf(mu / sigma) + mu * stats.norm.cdf(mu / sigma)


@pytest.fixture
def two_normals() -> tuple[np.ndarray, float, float]:
    """Two independent options N(1, 2²) and N(1.5, 1); their difference is N(0.5, 5)."""
    rng = np.random.default_rng(21)
    return rng.normal([1.0, 1.5], [2.0, 1.0], (DRAWS, 2)), 0.5, np.sqrt(5)


def test_evpi_of_two_normals(two_normals):
    """E max − max E = E[max(0, −(X₂−X₁))] = σφ(μ/σ) − μΦ(−μ/σ)."""
    values, mu, sigma = two_normals
    exact = sigma * stats.norm.pdf(mu / sigma) - mu * stats.norm.cdf(-mu / sigma)
    result = evpi(values)
    assert result.value == result.estimate
    assert result.best == 1
    assert abs(result.estimate - exact) < 4 * result.mcse
    # Second moment of the loss in closed form: (μ²+σ²)Φ(−μ/σ) − μσφ(μ/σ).
    second = (mu**2 + sigma**2) * stats.norm.cdf(-mu / sigma) - mu * sigma * stats.norm.pdf(mu / sigma)
    np.testing.assert_allclose(result.mcse, np.sqrt((second - exact**2) / DRAWS), rtol=0.02)


def test_expected_loss_of_two_normals(two_normals):
    values, mu, sigma = two_normals
    loss = expected_loss(values)
    exact = [unit_normal_loss(mu, sigma), unit_normal_loss(-mu, sigma)]
    np.testing.assert_allclose(loss, exact, atol=4 * sigma / np.sqrt(DRAWS))
    np.testing.assert_allclose(loss.min(), evpi(values).estimate, rtol=1e-12)


def test_evpi_equals_mean_of_max_minus_max_of_mean(two_normals):
    values = two_normals[0]
    np.testing.assert_allclose(evpi(values).estimate, values.max(1).mean() - values.mean(0).max(), rtol=1e-9)


def test_probabilities_of_two_normals(two_normals):
    values, mu, sigma = two_normals
    exact = stats.norm.cdf(mu / sigma)
    better = p_better(values[:, 1] - values[:, 0])
    np.testing.assert_allclose(better.mcse, np.sqrt(exact * (1 - exact) / DRAWS), rtol=0.01)
    assert abs(better.value - exact) < 4 * better.mcse
    best = p_best(values)
    assert best[1] == better.value
    np.testing.assert_allclose(best.sum(), 1.0, rtol=1e-12)


def test_evpi_is_refused_below_three_standard_errors():
    """Eight unit losses in 10,000 draws are √8 = 2.8 standard errors away from none, sixteen are four."""
    values = np.zeros((10_000, 2))
    values[:, 1] = -1.0
    values[:8, 1] = 1.0
    refused = evpi(values)
    assert refused.value is None
    assert refused.estimate == 8e-4
    values[:16, 1] = 1.0
    assert evpi(values).value == 1.6e-3


def test_evpi_is_zero_when_one_option_is_always_best():
    values = np.column_stack([np.zeros(50), np.linspace(1, 2, 50)])
    result = evpi(values)
    assert (result.value, result.mcse, result.best) == (0.0, 0.0, 1)


def test_evpi_of_a_single_draw_is_refused():
    assert evpi(np.array([[0.0, 1.0]])).value is None


def test_ties_share_the_best_and_count_one_half_in_better():
    values = np.array([[1.0, 1.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(p_best(values), [(0.5 + 1 + 1 / 3) / 4, (0.5 + 1 / 3) / 4, (1 / 3 + 1) / 4])
    assert p_better(np.array([1.0, 0.0, -1.0, 2.0])).value == 0.625
    zero = p_better(np.zeros(10))
    assert (zero.value, zero.mcse) == (0.5, 0.0)


def test_summary_and_mean():
    values = np.arange(101.0)
    result = summary(values)
    assert result[0::4] == (50.0, 95.0)
    assert (result.p05, result.p50) == (5.0, 50.0)
    np.testing.assert_allclose(result.mcse, np.sqrt(101 * 102 / 12 / 101), rtol=1e-12)  # variance n(n+1)/12
    assert estimate(values) == (result.mean, result.mcse)
    assert np.isnan(estimate(np.array([3.0])).mcse)


def test_between_groups_is_what_their_means_differ_by():
    """Means 0, 1 and 3 of shares .5, .3 and .2, sd 2 within: .3 + .2 · 9 - .9² = 1.29; the error of each mean is small
    against that."""
    rng = np.random.default_rng(5)
    group = rng.choice(3, DRAWS, p=[0.5, 0.3, 0.2])
    values = np.array([0.0, 1.0, 3.0])[group] + 2 * rng.standard_normal(DRAWS)
    which = np.column_stack([group == 1, group == 2]).astype(float)
    assert between(values, which) == pytest.approx(1.29, abs=4 * 2 * 2 * np.sqrt(1.29 / DRAWS))
    # An overall level changes nothing, units count as squares.
    assert between(10 * values + 7, which) == pytest.approx(100 * (between(values, which) or 0.0), rel=1e-9)


def test_groups_that_do_not_differ_have_nothing_between_them():
    """Of 60 draws in three groups; without the subtraction it would be 2/60 on average, and the mean of what is left at
    0 or above is that of a chi-square's excess over its mean."""
    rng = np.random.default_rng(6)
    which = np.repeat(np.eye(3), 20, axis=0)
    found = np.array([between(rng.standard_normal(60), which) for _ in range(2000)])
    excess = np.mean(np.maximum(stats.chi2(2).ppf((np.arange(1e5) + 0.5) / 1e5) - 2, 0)) / 60
    assert found.mean() == pytest.approx(excess, rel=0.2)
    assert (found == 0).mean() == pytest.approx(stats.chi2(2).cdf(2), abs=0.05)


def test_few_draws_of_a_group_say_nothing():
    values = np.arange(40.0)
    assert between(values, np.zeros((40, 0))) is None
    assert between(values, np.zeros((40, 1))) is None
    assert between(values, (np.arange(40.0) < 9)[:, None]) is None
    assert between(values, (np.arange(40.0) < 10)[:, None]) is not None


def test_a_draw_without_figures_has_no_best_option():
    shares = shares_of_best(np.array([[1.0, 2.0], [np.nan, np.nan], [3.0, 3.0]]))
    np.testing.assert_array_equal(shares, [[0, 1], [np.nan, np.nan], [0.5, 0.5]])
