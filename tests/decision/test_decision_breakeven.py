"""Where a mean crosses 0: roots that are known, and their errors by simulation."""

import numpy as np
import pytest

from clvsim.decision import break_even, break_even_of_cost, break_even_on_grid

GRID = np.linspace(0, 10, 21)


def test_all_crossings_of_a_mean_that_turns():
    result = break_even(lambda x: -(x - 2.2) * (x - 7.9), GRID, lambda _: 0.57)
    assert [crossing.at for crossing in result.crossings] == pytest.approx([2.2, 7.9])
    assert [crossing.rising for crossing in result.crossings] == [True, False]
    assert [crossing.mcse for crossing in result.crossings] == pytest.approx([0.1, 0.1])  # slopes ±5.7
    assert not result.pays_at_low
    assert not result.pays_at_high


@pytest.mark.parametrize(("level", "pays"), [(1.0, True), (-1.0, False)])
def test_no_crossing_pays_everywhere_or_nowhere(level, pays):
    result = break_even(lambda x: level * (1 + x), GRID)
    assert result.crossings == ()
    assert (result.pays_at_low, result.pays_at_high) == (pays, pays)


def test_an_effect_without_a_cost_pays_from_any_rise():
    result = break_even(lambda x: 3 * x, GRID, lambda x: 0.1 * x)
    assert result.crossings == ((0.0, 0.0, True),)
    assert result.pays_at_high


def test_ends_of_a_stretch_in_which_nothing_happens():
    result = break_even(lambda x: max(x - 4, 0) - max(2 - x, 0), GRID, lambda _: 0.0)
    assert [crossing.at for crossing in result.crossings] == [2.0, 4.0]
    assert break_even(lambda _: 0.0, GRID).crossings == ()


def test_a_mean_that_only_touches_has_no_known_place():
    result = break_even(lambda x: -((x - 5) ** 2), GRID, lambda _: 1.0)
    assert [(crossing.at, crossing.mcse) for crossing in result.crossings] == [(5.0, np.inf)]


def test_on_a_grid_nothing_crosses_that_the_grid_does_not_show():
    mean = np.array([-1.0, -1.0, -1.0, 4.0, 4.0, 4.0, 4.0])
    result = break_even_on_grid(np.arange(7.0), mean, np.full(7, 0.2))
    assert len(result.crossings) == 1
    assert 2 < result.crossings[0].at < 3
    line = break_even_on_grid(np.arange(7.0), np.arange(7.0) - 2.5, np.linspace(0, 0.6, 7))
    assert line.crossings[0].at == pytest.approx(2.5)
    assert line.crossings[0].mcse == pytest.approx(0.25, rel=1e-6)


def test_a_cost_per_unit_is_exact_and_its_error_is_the_spread_over_seeds():
    found = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        units = rng.gamma(20, 5, 400)
        gain = 0.8 * units + rng.normal(0, 20, 400)
        crossing = break_even_of_cost(gain, units)
        assert crossing is not None
        assert gain.mean() - crossing.at * units.mean() == pytest.approx(0, abs=1e-9)
        assert not crossing.rising
        found.append(crossing[:2])
    at, mcse = np.array(found).T
    assert at.mean() == pytest.approx(0.8, abs=4 * mcse.mean() / np.sqrt(200))
    assert at.std(ddof=1) == pytest.approx(mcse.mean(), rel=0.2)  # 4·√(1/400)
    assert break_even_of_cost(np.ones(3), np.zeros(3)) is None


@pytest.mark.parametrize("grid", [[1.0], [1.0, 1.0], [2.0, 1.0]])
def test_a_grid_rises(grid):
    with pytest.raises(ValueError, match="the grid must rise"):
        break_even(lambda x: x, np.array(grid))


def test_a_mean_is_finite():
    with pytest.raises(ValueError, match="the mean must be finite"):
        break_even(lambda _: np.nan, GRID)
