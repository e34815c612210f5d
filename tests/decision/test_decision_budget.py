"""Responses and splits of a budget: closed forms, brute force, and posteriors against a grid."""

import numpy as np
import pytest

from clvsim.decision import Channel, Response, best_split, downside, fit_response
from clvsim.special import gammaln

DRAWS = 1000
ONE = np.ones(DRAWS)


def uncertain(seed: int, numbers: list[tuple[float, float, float]]) -> list[Channel]:
    """Channels with ceiling, scale and value of a customer, each lognormal around what is given."""
    rng = np.random.default_rng(seed)
    return [
        Channel(
            Response.stated(
                "exponential",
                ceiling * np.exp(0.3 * rng.standard_normal(DRAWS)),
                scale * np.exp(0.3 * rng.standard_normal(DRAWS)),
            ),
            value * np.exp(0.2 * rng.standard_normal(DRAWS)),
        )
        for ceiling, scale, value in numbers
    ]


THREE = uncertain(0, [(100, 2000, 60), (50, 500, 60), (300, 10_000, 50)])


@pytest.mark.parametrize("kind", ["exponential", "hill"])
@pytest.mark.parametrize("shape", [0.7, 1.0, 2.5])
def test_slopes_are_derivatives_and_costs_their_inverses(kind, shape):
    response = Response.stated(kind, np.array([100.0, 50.0]), 2000.0, shape if kind == "hill" else 1.0)
    for spend in (10.0, 700.0, 9000.0):
        step = 1e-4 * spend
        slope = (response.customers(spend + step) - response.customers(spend - step)) / (2 * step)
        np.testing.assert_allclose(response.slope(spend), slope, rtol=1e-6)
        np.testing.assert_allclose(response.marginal_cost(spend), 1 / slope, rtol=1e-6)
        np.testing.assert_allclose(response.average_cost(spend), spend / response.customers(spend))
    np.testing.assert_allclose(
        response.customers(2000.0), [63.212, 31.606] if kind == "exponential" else [50, 25], 1e-4
    )


def test_without_spend_nobody_comes():
    response = Response.stated("hill", 100.0, 2000.0, 2.0)
    assert response.customers(0.0) == [0]
    assert response.slope(0.0) == [0]
    assert response.marginal_cost(0.0) == [np.inf]
    assert np.isnan(response.average_cost(0.0))


def test_one_channel_has_a_closed_form():
    """S* = S₀ log(v n∞/S₀); the last customer costs what one brings; within 2 % of the gain by root finding."""
    split = best_split([Channel(Response.stated("exponential", 100 * ONE, 2000.0), 60 * ONE)])
    best = 2000 * np.log(60 * 100 / 2000)
    assert split.spends == pytest.approx([best], rel=1e-6)
    assert split.marginal_cost == pytest.approx([60], rel=1e-6)
    assert split.customers == pytest.approx([100 * (1 - 2000 / 6000)], rel=1e-6)
    assert split.average_cost == pytest.approx(best / split.customers)
    assert (split.feasible, split.spent_out) == (True, False)

    def gain(spend: np.ndarray) -> np.ndarray:
        return 6000 * -np.expm1(-spend / 2000) - spend

    assert split.gain.value == pytest.approx(gain(best))
    # To (6,000 − 2,590)/2¹⁴ of spend, at a slope of .18.
    assert gain(split.band[0]) == pytest.approx(np.full(2, 0.98 * gain(best)), rel=3e-5)


def test_a_channel_that_costs_more_than_it_brings_gets_nothing():
    split = best_split([Channel(Response.stated("exponential", 10 * ONE, 2000.0), 60 * ONE)])
    assert split.spends == pytest.approx([0.0], abs=1e-3)
    assert split.gain.value == pytest.approx(0.0, abs=1e-3)
    lossy = best_split([Channel(Response.stated("exponential", 10 * ONE, 2000.0), -60 * ONE)])
    assert lossy.spends == [0.0]


def test_marginal_returns_are_equal_where_the_budget_binds_and_one_where_not():
    def returns(spends: np.ndarray) -> list[float]:
        return [float((c.value * c.response.slope(s)).mean()) for c, s in zip(THREE, spends, strict=True)]

    free = best_split(THREE)
    assert returns(free.spends) == pytest.approx([1, 1, 1], rel=1e-5)
    assert not free.spent_out
    bound = best_split(THREE, 5000)
    assert bound.spends.sum() == pytest.approx(5000)
    assert returns(bound.spends) == pytest.approx([returns(bound.spends)[0]] * 3, rel=1e-5)
    assert returns(bound.spends)[0] > 1
    assert bound.spent_out


def test_a_band_loses_two_per_cent_with_the_others_adjusted():
    """By brute force over the other two channels' split."""
    split = best_split(THREE, 5000)
    for end in split.band[0]:
        rest = np.linspace(0, 5000 - end, 2001)
        others = [
            sum(
                float(channel.worth(s).mean()) for channel, s in zip(THREE, (end, part, 5000 - end - part), strict=True)
            )
            for part in rest
        ]
        assert max(others) == pytest.approx(0.98 * split.gain.value, rel=2e-4)


def test_an_s_shaped_response_gets_all_or_nothing():
    """Two Hill curves with h = 3 and room for one: half of the budget each would waste it; brute force over splits."""
    channels = [Channel(Response.stated("hill", 100 * ONE, 2000.0, 3.0), 60 * ONE)] * 2
    split = best_split(channels, 2500.0)

    def worth(spend: np.ndarray) -> np.ndarray:
        return 6000 * spend**3 / (2000**3 + spend**3)

    first = np.linspace(0, 2500, 2501)
    assert split.gain.value == pytest.approx((worth(first) + worth(2500 - first)).max() - 2500, rel=1e-6)
    assert sorted(split.spends) == pytest.approx([0, 2500], abs=1)


def test_a_limit_on_the_worst_tenth_is_kept_at_the_least_cost():
    """Two channels, brute force on a grid of spends."""
    channels = uncertain(3, [(100, 2000, 60), (60, 800, 50)])
    free = best_split(channels, 3000)
    limit = free.worst.value * 1.1
    split = best_split(channels, 3000, limit)
    assert split.feasible
    assert split.worst.value >= limit - 1e-3
    best = -np.inf
    for first in np.linspace(0, 3000, 61):
        for second in np.linspace(0, 3000 - first, 61):
            worth = channels[0].worth(first) + channels[1].worth(second)
            if downside(worth).value >= limit:
                best = max(best, float(worth.mean()))
    assert best <= split.gain.value + 1e-6 * best  # the grid may miss the optimum, it cannot beat it
    assert split.gain.value < best * 1.002
    assert split.gain.value < free.gain.value


def test_a_limit_that_nothing_keeps_is_answered_by_the_safest_split():
    free = best_split(THREE, 5000)
    split = best_split(THREE, 5000, 2 * free.worst.value)
    assert not split.feasible
    assert split.worst.value > free.worst.value
    assert split.gain.value < free.gain.value
    assert best_split(THREE, 5000, 0.0).feasible


def test_a_posterior_is_that_of_a_grid():
    """Mean and sd of log n at two spends, against sums over a fine grid of log n∞, log S₀ and log k."""
    spend = np.array([500, 1000, 800, 3000, 2000, 4000, 1500, 2500, 3500, 600, 1200, 2200.0])
    customers = np.array([31, 58, 61, 130, 99, 180, 85, 140, 149, 50, 77, 121.0])
    fitted = fit_response(spend, customers, draws=4000)
    top, at, size = np.meshgrid(
        np.linspace(4, 9.5, 90), np.linspace(5.5, 12.5, 90), np.linspace(0, 8, 40), indexing="ij"
    )
    log = -(((top - np.log(360)) / 1.5) ** 2 + ((at - np.log(4000)) / 1.5) ** 2 + ((size - np.log(10)) / 1.5) ** 2) / 2
    k = np.exp(size)
    for s, n in zip(spend, customers, strict=True):
        mean = np.exp(top) * -np.expm1(-s / np.exp(at))
        log += gammaln(n + k) - gammaln(k) + k * np.log(k / (k + mean)) + n * np.log(mean / (k + mean))
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    for s in (1500.0, 6000.0):
        exact = np.log(np.exp(top) * -np.expm1(-s / np.exp(at)))
        mean = (weights * exact).sum()
        sd = np.sqrt((weights * (exact - mean) ** 2).sum())
        draws = np.log(fitted.response.customers(s))
        assert draws.mean() == pytest.approx(mean, abs=4 * sd / np.sqrt(min(4000, fitted.effective_draws)))
        assert draws.std() == pytest.approx(sd, rel=0.1)
    assert fitted.effective_draws > 3000
    assert fitted.seen == (500, 4000)


@pytest.mark.parametrize("kind", ["exponential", pytest.param("hill", marks=pytest.mark.slow)])
def test_intervals_hold_the_curve_of_made_up_histories(kind):
    """24 months, 80 histories: 90 % intervals of n(S) inside what was spent hold the truth in .81 to .99 of them
    (binomial, 2.6 standard errors)."""
    rng = np.random.default_rng(12)
    hits = []
    for seed in range(80):
        ceiling, scale = 200 * np.exp(0.4 * rng.standard_normal()), 2500 * np.exp(0.4 * rng.standard_normal())
        true = Response.stated(kind, ceiling, scale, np.exp(0.3 * rng.standard_normal()) if kind == "hill" else 1.0)
        spend = rng.uniform(500, 4000, 24)
        mean = np.array([float(true.customers(s)[0]) for s in spend])
        customers = rng.poisson(mean * rng.gamma(10, 0.1, 24))
        fitted = fit_response(spend, customers, kind, draws=500, seed=seed)
        low, high = np.quantile(fitted.response.customers(2000.0), [0.05, 0.95])
        hits.append(low <= true.customers(2000.0)[0] <= high)
    assert 0.81 <= np.mean(hits) <= 0.99


def test_draws_depend_on_the_seed_only():
    spend, customers = np.array([1.0, 2, 3, 4]), np.array([10, 18, 24, 30])
    first, again = fit_response(spend, customers, draws=50), fit_response(spend, customers, draws=50)
    np.testing.assert_array_equal(first.response.ceiling, again.response.ceiling)
    assert not np.array_equal(first.response.ceiling, fit_response(spend, customers, draws=50, seed=1).response.ceiling)


@pytest.mark.parametrize(
    ("spend", "customers", "words"),
    [
        ([1, 2, 3], [1, 2, 3], "4 periods at least"),
        ([1, 2, 3, 4], [1, 2, 3], "4 periods at least"),
        ([1, 2, 3, -4], [1, 2, 3, 4], "not negative"),
        ([1, 2, 3, 4], [1, 2, 3, np.nan], "must be finite"),
        ([1, 2, 3, 0], [1, 2, 3, 4], "customers came in periods without spend"),
        ([1, 2, 3, 4], [0, 0, 0, 0], "nobody came"),
    ],
)
def test_histories_that_say_nothing_are_refused(spend, customers, words):
    with pytest.raises(ValueError, match=words):
        fit_response(np.array(spend, float), np.array(customers, float))


def test_what_does_not_fit_is_refused():
    response = Response.stated("exponential", ONE, 1.0)
    with pytest.raises(ValueError, match="as many draws"):
        best_split([Channel(response, ONE), Channel(response, ONE[:-1])])
    with pytest.raises(ValueError, match="a budget must be above 0, got 0"):
        best_split([Channel(response, ONE)], 0)
    with pytest.raises(ValueError, match="finite and above 0"):
        Response.stated("hill", 1.0, -1.0)
    with pytest.raises(ValueError, match="that of an exponential response is 1"):
        Response.stated("exponential", 1.0, 1.0, 2.0)
