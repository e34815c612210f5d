"""The posterior of an experiment: worked check, exact binomial likelihood, calibration."""

from functools import cache

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from clvsim.effects import Experiment, Scale, draw
from clvsim.effects.binomial import estimate, exact_log_likelihood, invert_density, is_small

MANY = (np.arange(200_000) + 0.5) / 200_000
N, X = (10_000, 10_000), (200, 230)


def changes(effect: Experiment, scale: Scale) -> np.ndarray:
    return np.expm1(draw(effect, MANY, scale, path="p").values)


def test_worked_check_with_a_given_prior_sd():
    """200/10,000 against 230/10,000, τ = .05, as a log risk ratio. Every figure to its last printed digit."""
    lift = changes(Experiment(n=N, x=X), "relative")
    p05, p50, p95 = np.quantile(lift, [0.05, 0.5, 0.95])
    printed = [round(100 * v, 1) for v in (lift.mean(), p50, p05, p95)]
    assert printed == [3.1, 3.0, -4.2, 10.8]
    assert round((lift > 0).mean(), 2) == 0.75


def test_the_odds_ratio_of_the_same_test_is_nearly_the_same():
    """Closed form with log odds: mean 3.109 %, median 3.007 %, 90 % −4.265 to 10.832."""
    lift = changes(Experiment(n=N, x=X), "odds")
    got = 100 * np.array([lift.mean(), *np.quantile(lift, [0.5, 0.05, 0.95])])
    np.testing.assert_allclose(got, [3.109, 3.007, -4.265, 10.832], atol=2e-3)


@pytest.mark.parametrize(("tests_run", "mean"), [(1, 2.6), (10, 2.0), (100, 0.6)])
@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_worked_check_with_a_learnt_prior_sd(tests_run, mean, scale):
    lift = changes(Experiment(n=N, x=X, prior_sd="learn", tests_run=tests_run), scale)
    assert round(100 * lift.mean(), 1) == mean


@pytest.mark.parametrize("tests_run", [1, 10, 100])
def test_learnt_posterior_equals_the_mixture_over_the_prior_sd(tests_run):
    """τ ~ HalfNormal(.05), weight ∝ N(lift; 0, τ²+se²)·Φ(lift/√(τ²+se²))^(K−1), by a plain fine sum over τ."""
    m, s2 = estimate(N, X, "relative")
    tau = (np.arange(50_000) + 0.5) * 1e-5
    total = tau**2 + s2
    weight = stats.norm.pdf(tau, scale=0.05) * stats.norm.pdf(m, scale=np.sqrt(total))
    weight *= stats.norm.cdf(m / np.sqrt(total)) ** (tests_run - 1)
    weight /= weight.sum()
    v = 1 / (1 / tau**2 + 1 / s2)
    centre, sd = m * v / s2, np.sqrt(v)
    lift = draw(Experiment(n=N, x=X, prior_sd="learn", tests_run=tests_run), MANY, "relative", path="p").values
    np.testing.assert_allclose(lift.mean(), weight @ centre, rtol=1e-3)
    for point in (-0.03, 0.0, 0.01, 0.1):
        np.testing.assert_allclose((lift <= point).mean(), weight @ stats.norm.cdf((point - centre) / sd), atol=2e-4)


def test_transport_multiplies_the_log_effect():
    full_effect = draw(Experiment(n=N, x=X), MANY[::1000], "odds", path="p").values
    half = draw(Experiment(n=N, x=X, transport=0.5), MANY[::1000], "odds", path="p").values
    np.testing.assert_allclose(half, full_effect / 2, rtol=1e-15)


def test_exact_is_used_when_any_of_the_four_counts_is_below_thirty():
    assert not is_small((100, 100), (30, 70))
    assert is_small((100, 100), (29, 70))
    assert is_small((100, 100), (30, 71))


@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_exact_likelihood_against_adaptive_quadrature(scale):
    """∫ Beta(½,½)(p₀)·Bin(x₀; n₀, p₀)·Bin(x₁; n₁, p₁(p₀, effect)) dp₀ by Gauss–Legendre in an angle."""
    n, x = (60, 35), (4, 9)
    effect = np.array([-1.5, -0.3, 0.0, 0.4, 1.0, 2.5])
    angle, weight = np.polynomial.legendre.leggauss(300)
    p0 = np.sin((angle + 1) * np.pi / 4) ** 2  # Beta(½, ½) is uniform in the angle
    p1 = expit(logit(p0) + effect[:, None]) if scale == "odds" else p0 * np.exp(effect[:, None])
    inside = p1 < 1
    treated = np.where(inside, stats.binom.pmf(x[1], n[1], np.where(inside, p1, 0.5)), 0.0)
    direct = np.log((weight * stats.binom.pmf(x[0], n[0], p0) * treated).sum(axis=1))
    got = exact_log_likelihood(effect, n, x, scale)
    np.testing.assert_allclose(got - got[2], direct - direct[2], atol=1e-6)


@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_exact_likelihood_tends_to_the_normal_one(scale):
    """With 400,000 successes per arm and more the log likelihood is quadratic to O(1/√x) within three errors."""
    n, x = (2_000_000, 1_000_000), (800_000, 402_000)
    lift, variance = estimate(n, x, scale)
    z = np.linspace(-3, 3, 7)
    got = exact_log_likelihood(lift + z * np.sqrt(variance), n, x, scale)
    np.testing.assert_allclose(got - got[3], -0.5 * z**2, atol=0.02)


def test_arms_of_very_different_size_cost_no_accuracy():
    """A control of 10⁸ leaves the treated arm's binomial likelihood at a known control rate."""
    n, x = (100_000_000, 400), (20_000_000, 9)
    effect = np.linspace(-4, -1.5, 11)
    p1 = 0.2 * np.exp(effect)
    got = exact_log_likelihood(effect, n, x, "relative")
    known = stats.binom.logpmf(9, 400, p1)
    np.testing.assert_allclose(got - got[0], known - known[0], atol=2e-3)


def test_no_events_at_all_tell_next_to_nothing():
    """0 of 40 against 0 of 40 leaves the prior's spread; its mean moves by less than a twentieth of it."""
    values = draw(Experiment(n=(40, 40), x=(0, 0)), MANY, "odds", path="p").values
    assert abs(values.mean()) < 0.05 / 20
    assert abs(values.std() - 0.05) < 1e-4


def test_inversion_finds_a_narrow_density_in_a_wide_interval():
    quantiles = invert_density(lambda x: -0.5 * ((x - 3.0) / 1e-4) ** 2, -50.0, 50.0, np.array([0.05, 0.5, 0.95]))
    np.testing.assert_allclose(quantiles, stats.norm(3, 1e-4).ppf([0.05, 0.5, 0.95]), atol=1e-7)


def tails(
    effects: np.ndarray, counts: list[tuple[int, int]], n: tuple[int, int], tau: float, scale: Scale
) -> tuple[int, int]:
    """How many true effects lie below the 5 % and above the 95 % posterior quantile."""

    @cache
    def interval(x: tuple[int, int]) -> np.ndarray:
        return draw(Experiment(n=n, x=x, prior_sd=tau), np.array([0.05, 0.95]), scale, path="p").values

    below = above = 0
    for truth, x in zip(effects, counts, strict=True):
        low, high = interval(x)
        below += truth < low
        above += truth > high
    return below, above


def simulate(rng, n, tau, scale, size, p0):
    """True effects from the prior, with the counts of one experiment each; impossible risk ratios are redrawn."""
    effect, p0 = rng.normal(0, tau, 4 * size), p0(4 * size)
    p1 = p0 * np.exp(effect) if scale == "relative" else expit(logit(p0) + effect)
    keep = np.flatnonzero(p1 < 1)[:size]
    assert keep.size == size
    x = rng.binomial(np.array(n)[:, None], np.array([p0[keep], p1[keep]])).T
    return effect[keep], [(int(a), int(b)) for a, b in x]


def assert_calibrated(below: int, above: int, size: int) -> None:
    """Two-sided binomial bounds of 99.9 % for each tail of 5 % and for the 90 % interval."""
    for outside, share in ((below, 0.05), (above, 0.05), (below + above, 0.10)):
        low, high = stats.binom.ppf([0.0005, 0.9995], size, share)
        assert low <= outside <= high, (below, above)


@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_coherence_normal(scale):
    """Lifts from the prior, experiments simulated at a base rate of 2 %: 90 % intervals cover 90 %."""
    n, tau, size = (20_000, 20_000), 0.05, 3_000
    rng = np.random.default_rng(11)
    effects, counts = simulate(rng, n, tau, scale, size, lambda k: np.full(k, 0.02))
    assert not any(is_small(n, x) for x in counts)
    assert_calibrated(*tails(effects, counts, n, tau, scale), size)


@pytest.mark.parametrize("scale", ["relative", "odds"])
def test_coherence_exact(scale):
    """The same with 25 people per arm and base rates from Beta(½, ½), where no normal approximation would do."""
    n, tau, size = (25, 25), 0.8, 200
    rng = np.random.default_rng(12)
    effects, counts = simulate(rng, n, tau, scale, size, lambda k: rng.beta(0.5, 0.5, k))
    assert_calibrated(*tails(effects, counts, n, tau, scale), size)
