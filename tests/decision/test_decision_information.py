"""What it is worth to learn a block of numbers, and to test: against closed forms, and by chance alone."""

import numpy as np
import pytest
from scipy import stats

from clvsim.decision import evpi, evppi, evsi, log_odds_se2, near_normal, prior_size, rate_se2
from clvsim.decision.crossfit import CrossFit
from clvsim.decision.splines import Splines

DRAWS = 1000
QUANTILES = stats.norm.ppf((np.arange(DRAWS) + 0.5) / DRAWS)
DELTA = 0.02 + 0.05 * QUANTILES


def options(delta: np.ndarray) -> np.ndarray:
    """Nothing, and a change that brings 1,000δ and costs 15."""
    return np.column_stack([np.zeros(delta.size), 1000 * delta - 15])


def loss_of_choosing_now(mu: float, sigma: float) -> float:
    """E max(0, X) − max(0, E X) of X ~ N(mu, sigma²)."""
    return sigma * stats.norm.pdf(mu / sigma) + mu * stats.norm.cdf(mu / sigma) - max(mu, 0)


def test_knowing_all_that_is_uncertain_is_the_evpi():
    """The pin 17.547 = 50φ(.1) + 5Φ(.1) − 5."""
    result = evppi(options(DELTA), DELTA)
    assert result.value == pytest.approx(17.547, abs=0.03)
    assert result.estimate <= evpi(options(DELTA)).estimate
    assert (result.best, result.refused) == (1, "")


@pytest.mark.parametrize(("ratio", "pin"), [(0.1, 3.842), (1.0, 11.746), (10.0, 16.623)])
def test_evsi_by_moment_matching(ratio: float, pin: float):
    assert pin == pytest.approx(loss_of_choosing_now(5.0, 50 * np.sqrt(ratio / (1 + ratio))), abs=5e-4)
    result = evsi(options(DELTA), DELTA, 300.0 * ratio, 300.0)
    assert not result.nested
    assert result.value[0] == pytest.approx(pin, abs=0.03)


def test_evsi_is_nothing_without_a_test_and_all_with_an_endless_one():
    sizes = np.array([0, 1e-6, *np.geomspace(0.01, 100, 30), 1e9])
    result = evsi(options(DELTA), DELTA, sizes, 1.0, errors=False)
    assert result.estimate[0] == 0
    assert result.estimate[1] < 0.01
    assert result.estimate[-1] == pytest.approx(result.limit.estimate, rel=1e-6)
    assert (np.diff(result.estimate) >= 0).all()
    assert np.isnan(result.mcse).all()


def test_of_a_curved_value_what_is_left_uncertain_counts():
    """U = 100(δ² − 1) of δ ~ N(0, 1): after a test the mean of δ² is z² + what is left of the variance, so that a small
    test leads to the mean now, 0, and not to the value at the mean, −100. By integration over z."""
    values = np.column_stack([np.zeros(DRAWS), 100 * (QUANTILES**2 - 1)])
    sizes = np.array([0.0, 1.0, 4.0, 1e9])
    result = evsi(values, QUANTILES, sizes, 1.0)
    z, weights = stats.norm.ppf((np.arange(100_000) + 0.5) / 1e5), 1e-5
    kept = sizes / (sizes + 1)
    exact = [weights * np.maximum(100 * (share * z**2 - share), 0).sum() for share in kept]
    # A natural spline is straight beyond the 5 and 95 % quantiles, where the square is not: 6 % of the figure.
    np.testing.assert_allclose(result.estimate, exact, rtol=0.06, atol=1e-9)


def test_draws_are_weighed_where_the_prior_is_a_mixture():
    """Most likely nothing: δ = 0 with chance .8, else N(.1, .02²). The value after a test is the posterior mean of δ,
    by integration over what it shows; moment matching would take δ for normal."""
    part = 0.1 + 0.02 * stats.norm.ppf((np.arange(200) + 0.5) / 200)
    delta = np.append(np.zeros(800), part)[np.random.default_rng(3).permutation(DRAWS)]
    values = np.column_stack([np.zeros(DRAWS), 1000 * delta - 30])
    assert not near_normal(delta)
    variance = float(delta.var())
    se2 = 0.05**2
    result = evsi(values, delta, np.array([50.0, 1e12]), prior_size(se2, 50, delta))
    assert result.nested
    shown = np.linspace(-0.3, 0.5, 8001)
    step = shown[1] - shown[0]
    nothing = 0.8 * stats.norm.pdf(shown, 0, np.sqrt(se2))
    something = 0.2 * stats.norm.pdf(shown, 0.1, np.sqrt(se2 + 0.02**2))
    mean = 0.1 + 0.02**2 / (se2 + 0.02**2) * (shown - 0.1)
    after = 1000 * something * mean / (nothing + something) - 30
    exact = step * (np.maximum(after, 0) * (nothing + something)).sum()
    assert prior_size(se2, 50, delta) == pytest.approx(50 * se2 / variance)
    assert abs(result.estimate[0] - exact) < 4 * result.mcse[0]
    assert 0.5 * exact < result.estimate[0] < 1.5 * exact
    assert result.estimate[1] == pytest.approx(result.limit.estimate, rel=1e-6)


@pytest.mark.parametrize(("other", "noise"), [(50.0, 0.0), (50.0, 100.0)])
def test_what_else_is_uncertain_is_averaged_over(other: float, noise: float):
    """Over 25 seeds: the mean within what its error allows and a tenth that penalties take, the spread as reported."""
    found = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        delta = 0.02 + 0.05 * rng.standard_normal(DRAWS)
        values = options(delta) + np.column_stack([np.zeros(DRAWS), other * rng.standard_normal(DRAWS)])
        luck = np.column_stack([np.zeros(DRAWS), noise * rng.standard_normal(DRAWS)])
        result = evppi(values, delta, luck)
        found.append((result.estimate, result.mcse))
    estimate, mcse = np.array(found).T
    error = estimate.std(ddof=1) / np.sqrt(25)
    assert 17.547 * 0.9 - 3 * error < estimate.mean() < 17.547 + 3 * error
    assert estimate.std(ddof=1) == pytest.approx(mcse.mean(), rel=0.43)  # 3·√(1/50)


def test_an_unrelated_block_is_worth_nothing():
    """A choice that ĝ of other folds makes by chance earns nothing in its own: no figure is shown in 30 cases."""
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values = np.column_stack([np.zeros(500), 5 + 50 * rng.standard_normal(500)])
        assert evppi(values, rng.standard_normal((500, 3))).value in (0.0, None)


def test_a_figure_within_its_error_is_refused_with_the_reason():
    """1,000δ + 50: E max(0, −X) of N(70, 50²) is 1.835, of which 50 independent draws leave an error of more than 1."""
    values = options(DELTA) + [0, 65]
    assert evppi(values, DELTA).value == pytest.approx(loss_of_choosing_now(-70, 50), abs=0.03)
    result = evppi(values, DELTA, ess=50)
    assert result.value is None
    assert result.estimate == pytest.approx(loss_of_choosing_now(-70, 50), abs=0.03)
    assert "With 1000 draws it cannot be told from 0" in result.refused
    assert np.isnan(evsi(values, DELTA, 1.0, 1.0, ess=50).value[0])


def test_few_draws_are_refused():
    result = evppi(options(DELTA[:49]), DELTA[:49])
    assert result.value is None
    assert result.refused == "It takes 50 draws to tell, and there are 49."


def test_a_block_that_does_not_vary_is_worth_nothing():
    result = evppi(options(DELTA), np.full(DRAWS, 3.0))
    assert (result.value, result.mcse) == (0.0, 0.0)
    assert evsi(options(DELTA), np.full(DRAWS, 3.0), 1.0, 1.0).estimate[0] == 0


def test_it_is_never_more_than_the_evpi():
    for seed in range(8):
        rng = np.random.default_rng(seed)
        phi = rng.standard_normal((100, 4))
        values = rng.standard_normal((100, 3))
        assert 0 <= evppi(values, phi, 3 * rng.standard_normal((100, 3))).estimate <= evpi(values).estimate


def test_the_option_is_valued_by_draws_that_did_not_choose_it():
    """Of three columns of pure noise the figures of a fold do not depend on which option its own draws would choose."""
    rng = np.random.default_rng(7)
    figures, columns = rng.standard_normal((200, 2)), rng.standard_normal((200, 2))
    before = CrossFit.make(figures, columns).predictions()
    changed = figures.copy()
    changed[::5] += 100  # fold 0
    after = CrossFit.make(changed, columns).predictions()
    np.testing.assert_array_equal(after[1][0, 0, ::5], before[1][0, 0, ::5])  # others' fits of fold 0
    assert not np.allclose(after[0][0, 0, ::5], before[0][0, 0, ::5])
    np.testing.assert_array_equal(after[0][0, 0, 1::5], before[0][0, 0, 1::5])


def test_splines_hold_lines_and_are_straight_outside():
    rng = np.random.default_rng(2)
    x = rng.standard_normal(500)
    splines = Splines.of(x)
    columns = splines.columns(x)
    assert columns.shape == (500, 4)
    beyond = splines.columns(np.array([5.0, 6.0, 7.0]))
    np.testing.assert_allclose(np.diff(beyond, 2, axis=0), 0, atol=1e-9)
    assert Splines.of(x > 0).columns(x > 0).shape == (500, 1)
    assert Splines.of(np.column_stack([x, np.ones(500)])).columns(np.column_stack([x, x])).shape == (500, 4)


def test_variances_of_what_a_test_measures():
    """Log odds of 2 and 2.3 % from 10,000 per arm, simulated; log rates of customers who differ, simulated."""
    rng = np.random.default_rng(11)
    low, high = rng.binomial(10_000, [0.02, 0.023], (20_000, 2)).T / 10_000
    simulated = np.var(np.log(high / (1 - high)) - np.log(low / (1 - low)))
    # Twenty thousand tests: 4·√(2/20,000) = 4 %; the formula leaves out terms of order 1/(np), half a per cent each.
    assert log_odds_se2(10_000, 0.02, 0.023) == pytest.approx(simulated, rel=0.05)
    # 400 customers per arm, each Poisson with a gamma mean of .05·60 = 3 and CV .8.
    mean = rng.gamma(1 / 0.64, 3 * 0.64, (5000, 2, 400))
    orders = rng.poisson(mean).mean(axis=2)
    simulated = np.var(np.log(orders[:, 1] / orders[:, 0]))
    assert rate_se2(400, 0.05, 60, 0.8) == pytest.approx(simulated, rel=0.09)  # 4·√(2/5000) and terms of order 1/n


def test_a_prior_without_spread_is_worth_an_endless_sample():
    assert prior_size(0.1, 10, np.ones(5)) == np.inf
    # A test that shows nothing of the only column is worth nothing.
    assert evsi(options(DELTA), DELTA, 100.0, np.inf).estimate[0] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.zeros(DRAWS)}, "values must be finite with shape"),
        ({"values": np.full((DRAWS, 2), np.nan)}, "values must be finite"),
        ({"block": np.full(DRAWS, np.inf)}, "a block must be finite"),
        ({"block": DELTA[:-1]}, "shape"),
        ({"noise": np.zeros((DRAWS, 3))}, "noise must be finite with shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        evppi(**({"values": options(DELTA), "block": DELTA} | change))


def test_sizes_and_shares_outside_their_range_are_refused():
    with pytest.raises(ValueError, match="sizes must not be negative"):
        evsi(options(DELTA), DELTA, -1.0, 1.0)
    with pytest.raises(ValueError, match="a share must lie between 0 and 1, got 0"):
        log_odds_se2(10, 0.0, 0.5)
    with pytest.raises(ValueError, match="must be above 0"):
        rate_se2(10, 0.0, 1.0, 1.0)
