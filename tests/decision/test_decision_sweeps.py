"""One surrogate for a whole curve: optima that are known, in repeated worlds."""

from itertools import product

import numpy as np
import pytest

from clvsim.decision import Basis, find_optimum, fit_curve

DRAWS = 1000
GRID = np.linspace(0, 8, 15)


def world(seed: int, rise: float, bend: float, spread: float = 0.3) -> tuple[np.ndarray, np.ndarray, Basis]:
    """Δ = L(rise·u·f − bend·f²) with L and u lognormal, and its simulation with noise ∝ √L: (n, g) each."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((DRAWS, 3))
    scale = np.exp(0.4 * z[:, 0])
    exact = scale[:, None] * (rise * np.exp(spread * z[:, 1:2]) * GRID - bend * GRID**2)
    common, single = rng.standard_normal((DRAWS, 1)), rng.standard_normal((DRAWS, GRID.size))
    return exact + np.sqrt(scale)[:, None] * (200 * common * GRID / 8 + 60 * single), exact, Basis.make(z, scale)


def test_the_optimum_lies_within_its_band_in_repeated_worlds():
    """Of the mean it is at 5·E[Lu]/E[L] = 5·e^(.09/2) = 5.23; the band loses 2 %, ± √.02 of the place."""
    best = 5 * np.exp(0.045)
    found = []
    for seed in range(20):
        simulated, exact, basis = world(seed, 100, 10)
        result = find_optimum(fit_curve(simulated, [GRID], [basis]))
        assert result.outcome == "optimum"
        assert result.band[0, 0] < best < result.band[0, 1]
        own = exact.max(axis=1)
        regret = (own - exact[:, int(np.abs(GRID - result.best[0]).argmin())]).mean()
        found.append((result.best[0], result.regret.min() / regret, result.band[0, 1] - result.band[0, 0]))
        assert result.regret_of_nothing == pytest.approx(own.mean(), rel=0.1)
        assert result.p_nothing < 0.02
    place, ratio, width = np.array(found).T
    assert place.mean() == pytest.approx(best, abs=4 * place.std() / np.sqrt(20) + 0.04)  # points are .04 apart
    assert ratio.mean() == pytest.approx(1, abs=0.15)
    assert width.mean() == pytest.approx(2 * np.sqrt(0.02) * best, abs=0.08)


def test_each_draw_comes_near_its_own_curve():
    """The root mean squared error over the grid is a quarter of the single paths'."""
    simulated, exact, basis = world(1, 100, 10)
    curve = fit_curve(simulated, [GRID], [basis])
    values, noise = curve.at(GRID[:, None])
    assert np.sqrt(np.mean((values - exact) ** 2)) < 0.3 * np.sqrt(np.mean((simulated - exact) ** 2))
    # The mean stays as simulated; what is left of a draw is its noise, but for its leverage.
    assert np.abs(values.mean(axis=0) - simulated.mean(axis=0)).max() <= np.abs(curve.misfit).max() + 1e-9
    assert (values + noise).std() == pytest.approx(simulated.std(), rel=0.05)
    assert curve.follows


def test_errors_are_the_spread_over_seeds():
    found = []
    for seed in range(60):
        result = find_optimum(fit_curve(world(seed, 100, 10)[0], [GRID], [world(seed, 100, 10)[2]]))
        middle = result.points.shape[0] // 2
        found.append((result.mean[middle], result.mcse[middle]))
    mean, mcse = np.array(found).T
    assert mean.std(ddof=1) == pytest.approx(mcse.mean(), rel=0.37)  # 4·√(1/120)


def test_of_a_flat_curve_doing_nothing_is_the_answer_and_a_rising_one_is_refused():
    for seed in range(20):
        flat, _, basis = world(seed, 0, 0)
        assert find_optimum(fit_curve(flat, [GRID], [basis])).outcome == "nothing"
        rising, _, basis = world(seed, 20, 0)
        result = find_optimum(fit_curve(rising, [GRID], [basis]))
        assert (result.outcome, result.best[0]) == ("edge", 8)
        losing, _, basis = world(seed, -20, 0)
        assert find_optimum(fit_curve(losing, [GRID], [basis])).outcome == "nothing"


def test_draws_that_had_better_do_nothing_are_counted():
    """Δ = c f − f² with c = ±4, three of four draws +: doing nothing is best for a quarter."""
    sign = np.where(np.arange(DRAWS) % 4 == 0, -1.0, 1.0)
    exact = 4 * sign[:, None] * GRID - GRID**2
    result = find_optimum(fit_curve(exact, [GRID], [Basis.make(sign[:, None])]))
    assert result.p_nothing == pytest.approx(0.25)
    assert np.isnan(result.per_draw[sign < 0]).all()
    np.testing.assert_allclose(result.per_draw[sign > 0], 2.0, atol=1e-9)
    assert result.best[0] == pytest.approx(1.0)  # of the mean 2f − f²
    assert result.gain.value == pytest.approx(1.0)
    assert result.regret_of_nothing == pytest.approx(0.75 * 4)


def test_known_costs_are_not_smoothed():
    """A cost that differs by draw at random is taken out before and added after: no regression could know it."""
    simulated, _, basis = world(2, 100, 10)
    cost = -np.random.default_rng(0).gamma(2, 20, DRAWS)[:, None] * GRID
    without = fit_curve(simulated, [GRID], [basis]).at(GRID[:, None])[0]
    known = fit_curve(simulated + cost, [GRID], [basis], known=cost).at(GRID[:, None])[0]
    np.testing.assert_allclose(known, without + cost, atol=1e-6)


def test_two_keys():
    """Δ = 9 − (x − 3)² − (y − 1)² + noise on a grid of 7 × 6."""
    rng = np.random.default_rng(8)
    axes = [np.linspace(0, 6, 7), np.linspace(0, 2.5, 6)]
    points = np.array(list(product(*axes)))
    exact = 9 - (points[:, 0] - 3) ** 2 - (points[:, 1] - 1) ** 2
    z = rng.standard_normal((500, 2))
    simulated = exact * (1 + 0.2 * z[:, :1]) + 0.3 * rng.standard_normal((500, points.shape[0]))
    result = find_optimum(fit_curve(simulated, axes, [Basis.make(z)]))
    assert result.outcome == "optimum"
    assert result.best == pytest.approx([3, 1], abs=0.25)
    # Along each key alone ± √(.02·9) = .42.
    assert result.band[:, 1] - result.band[:, 0] == pytest.approx([0.85, 0.85], abs=0.1)
    assert result.gain.value == pytest.approx(9, abs=4 * result.gain.mcse)
    edge = find_optimum(fit_curve(simulated[:, points[:, 0] <= 2], [axes[0][:3], axes[1]], [Basis.make(z)]))
    assert edge.outcome == "edge"


def test_a_jump_is_named():
    rng = np.random.default_rng(9)
    jump = np.where(GRID > 3.3, 10.0, 0.0) + 0.1 * rng.standard_normal((DRAWS, GRID.size))
    assert not fit_curve(jump, [GRID], [Basis.make(rng.standard_normal((DRAWS, 1)))]).follows


@pytest.mark.parametrize("points", [2, 3, 4, 6])
def test_few_points_are_met_exactly(points):
    axis = np.sort(np.random.default_rng(points).uniform(0, 5, points))
    deltas = np.random.default_rng(1).standard_normal((50, points))
    curve = fit_curve(deltas, [axis], [])
    np.testing.assert_allclose(curve.at(axis[:, None])[0], deltas, atol=1e-9)


@pytest.mark.parametrize(
    ("deltas", "axes", "words"),
    [
        (np.zeros((9, 3)), [np.arange(4.0)], r"shape \(draws, 4\), got \(9, 3\)"),
        (np.full((9, 3), np.nan), [np.arange(3.0)], "must be finite"),
        (np.zeros((9, 3)), [np.array([0.0, 2.0, 1.0])], "rising values"),
        (np.zeros((9, 8)), [np.arange(2.0)] * 3, "one or two keys"),
    ],
)
def test_what_does_not_fit_is_refused(deltas, axes, words):
    with pytest.raises(ValueError, match=words):
        fit_curve(deltas, axes, [])
