"""Cells drawn together, against closed forms, a plain sum over a grid, and made-up cells whose spread is known."""

import numpy as np
import pytest

from clvsim.exports.shrinkage import shrink


def test_many_cells_of_one_size_follow_the_closed_form():
    """With equal standard errors s the restricted likelihood is highest at tau^2 = S^2 - s^2, and cells keep
    tau^2 / S^2 of their distance to the mean (James & Stein)."""
    random = np.random.default_rng(2)
    y = 100 + 12 * random.normal(size=800) + 9 * random.normal(size=800)
    found = shrink(y, np.full(800, 9.0))
    kept = 1 - 9.0**2 / y.var(ddof=1)
    assert found.share_real[0] == pytest.approx(kept, abs=0.01)
    np.testing.assert_allclose(found.mean, y.mean() + kept * (y - y.mean()), atol=0.5)
    np.testing.assert_allclose(found.sd, 9.0 * np.sqrt(kept), rtol=0.03)


def test_three_cells_agree_with_a_sum_over_a_fine_grid_of_everything():
    """mu, tau and one theta at a time summed over grids, from the densities of the model alone."""
    y, se = np.array([40.0, 55.0, 90.0]), np.array([8.0, 3.0, 20.0])
    size = np.sqrt(np.mean(y**2 + se**2))
    mu, tau = np.linspace(-400, 500, 451)[:, None, None], (np.linspace(0.02, 1, 250) ** 2 * 4 * size)[:, None]
    theta, step = np.linspace(-40, 180, 441), np.gradient(tau[:, 0])
    found = shrink(y, se)
    for cell in range(3):
        others = [c for c in range(3) if c != cell]
        log = -((tau / size) ** 2) / 2 + sum(_log_normal(y[c], mu, se[c] ** 2 + tau**2) for c in others)
        log = log + _log_normal(theta, mu, tau**2) + _log_normal(y[cell], theta, se[cell] ** 2)
        weight = (np.exp(log - log.max()) * step[:, None]).sum(axis=(0, 1))
        mean = (weight * theta).sum() / weight.sum()
        sd = np.sqrt((weight * (theta - mean) ** 2).sum() / weight.sum())
        assert found.mean[cell] == pytest.approx(mean, rel=0.01)
        assert found.sd[cell] == pytest.approx(sd, rel=0.02)


def _log_normal(x, mean, variance):
    return -((x - mean) ** 2) / (2 * variance) - np.log(variance) / 2


@pytest.mark.parametrize(("cells", "tau"), [(2, 10.0), (6, 10.0), (6, 0.0), (30, 4.0)])
def test_intervals_hold_the_true_means_of_made_up_cells(cells, tau):
    """tau is what it is, not drawn from its prior; 90 % intervals hold at least 90 % where it is near 0."""
    random = np.random.default_rng(cells)
    worlds, held, raw, own = 500, [], [], []
    for _ in range(worlds):
        se = random.uniform(4, 12, cells)
        truth = 80 + tau * random.normal(size=cells)
        y = truth + se * random.normal(size=cells)
        found = shrink(y, se)
        held.append(np.mean(abs(found.mean - truth) < 1.645 * found.sd))
        raw.append(np.mean((y - truth) ** 2))
        own.append(np.mean((found.mean - truth) ** 2))
    error = 4 * np.std(held) / np.sqrt(worlds)
    assert 0.88 - error < np.mean(held) < (0.93 + error if tau >= 10 else 1.0)
    assert np.mean(own) < np.mean(raw)


def test_cells_that_are_equal_become_nearly_so_and_cells_far_apart_stay():
    random = np.random.default_rng(5)
    equal = shrink(50 + 10 * random.normal(size=40), np.full(40, 10.0))
    assert equal.share_real[0] < 0.25
    assert np.ptp(equal.mean) < 15
    apart = shrink(np.array([10.0, 50.0, 200.0]), np.array([1.0, 1.0, 1.0]))
    assert apart.share_real[0] > 0.99
    np.testing.assert_allclose(apart.mean, [10, 50, 200], rtol=0.01)


def test_means_are_weighed_sums_of_the_cells():
    y, se = np.array([10.0, 30.0, 22.0, 18.0]), np.array([4.0, 5.0, 6.0, 3.0])
    found = shrink(y, se)
    np.testing.assert_allclose(found.weights @ y, found.mean)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1.0)


def test_the_unit_of_money_does_not_matter():
    y, se = np.array([10.0, 30.0, 22.0]), np.array([4.0, 5.0, 6.0])
    one, other = shrink(y, se), shrink(1e6 * y, 1e6 * se)
    np.testing.assert_allclose(1e6 * one.mean, other.mean)
    np.testing.assert_allclose(one.share_real, other.share_real)


def test_cells_without_any_spread_keep_their_means():
    found = shrink(np.array([5.0, 7.0]), np.zeros(2))
    np.testing.assert_allclose(found.mean, [5, 7], rtol=1e-6)
    assert np.isfinite(found.sd).all()
    assert (shrink(np.zeros(3), np.zeros(3)).mean == 0).all()


def test_one_cell_has_nothing_to_be_drawn_to():
    with pytest.raises(ValueError, match="two cells"):
        shrink(np.array([1.0]), np.array([1.0]))
