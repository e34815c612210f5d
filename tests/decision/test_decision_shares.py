"""Shares of uncertainty against functions whose variances are known."""

import numpy as np
import pytest

from clvsim.decision import shares_of_uncertainty

DRAWS = 1000


@pytest.fixture
def normal() -> np.ndarray:
    return np.random.default_rng(4).standard_normal((4000, 4))


def test_of_a_sum_each_block_has_its_variance(normal):
    """3x₁ + 2x₂ + x₃: 9, 4 and 1 of 14; E[Y | x₁] is 3x₁, its 5 and 95 % quantiles ±1.645·3."""
    result = shares_of_uncertainty(
        normal[:, :3] @ [3, 2, 1] + 7, {"c": normal[:, 2], "a": normal[:, 0], "b": normal[:, 1:2], "none": normal[:, 3]}
    )
    assert list(result.blocks) == ["a", "b", "c", "none"]
    for name, exact in (("a", 9 / 14), ("b", 4 / 14), ("c", 1 / 14), ("none", 0)):
        block = result.blocks[name]
        assert abs(block.share - exact) < 4 * block.mcse + 1e-3
        assert block.mcse < 0.03
    assert result.blocks["a"].low == pytest.approx(7 - 1.645 * 3, abs=0.3)
    assert result.blocks["a"].high == pytest.approx(7 + 1.645 * 3, abs=0.3)
    assert result.blocks["none"].high - result.blocks["none"].low < 0.3
    assert result.joint.value == pytest.approx(1, abs=0.01)
    assert not result.overlap


def test_of_curves_each_block_has_the_variance_of_its_curve(normal):
    """x₁² + e^(x₂/2) + x₃x₄: Var 2, e^{1/2} − e^{1/4} and 1; neither x₃ nor x₄ alone explains their product."""
    figure = normal[:, 0] ** 2 + np.exp(normal[:, 1] / 2) + normal[:, 2] * normal[:, 3]
    curve = np.exp(0.5) - np.exp(0.25)
    blocks = {"square": normal[:, 0], "exp": normal[:, 1], "third": normal[:, 2], "fourth": normal[:, 3]}
    result = shares_of_uncertainty(figure, blocks)
    variance = 3 + curve
    for name, exact in (("square", 2), ("exp", curve), ("third", 0), ("fourth", 0)):
        block = result.blocks[name]
        # A natural spline with five knots has .94 of the variance of a square.
        assert exact / variance * 0.93 - 4 * block.mcse < block.share < exact / variance + 4 * block.mcse
    assert abs(result.joint.value - (2 + curve) / variance) < 0.04 + 4 * result.joint.mcse
    assert not result.overlap


def test_blocks_that_go_together_overlap(normal):
    """x and y correlated .8, Y = x + y: each alone explains (1 + .8)²/(2 + 1.6) = .9, both together all."""
    x = normal[:, 0]
    y = 0.8 * x + 0.6 * normal[:, 1]
    result = shares_of_uncertainty(x + y, {"x": x, "y": y})
    assert result.blocks["x"].share == pytest.approx(0.9, abs=0.02)
    assert result.total.value == pytest.approx(1.8, abs=0.03)
    assert result.joint.value == pytest.approx(1.0, abs=0.01)
    assert result.overlap


def test_unrelated_blocks_have_nothing_on_average():
    """Before it is cut off at 0 the mean over 200 seeds is 0; the spread is what the error says."""
    raw = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        result = shares_of_uncertainty(rng.standard_normal(200), {"many": rng.standard_normal((200, 5))})
        raw.append((result.joint.value, result.blocks["many"].share))
    joint, shown = np.array(raw).T
    assert abs(joint.mean()) < 4 * joint.std() / np.sqrt(200)
    assert shown.mean() < 0.01
    np.testing.assert_array_equal(shown, np.maximum(joint, 0))


def test_errors_are_the_spread_over_seeds():
    found = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((DRAWS, 2))
        noise = 2 * rng.standard_normal(DRAWS)
        block = shares_of_uncertainty(x @ [1, 2], {"x": x[:, 0]}, noise).blocks["x"]
        found.append((block.share, block.mcse))
    share, mcse = np.array(found).T
    assert share.std(ddof=1) == pytest.approx(mcse.mean(), rel=0.3)  # 4·√(1/200)
    assert share.mean() == pytest.approx(0.2, abs=4 * mcse.mean() / 10 + 0.02)


def test_a_figure_without_uncertainty_has_no_shares():
    result = shares_of_uncertainty(np.full(100, 3.0), {"x": np.arange(100.0)})
    assert tuple(result.blocks["x"]) == (0, 0, 3, 3)
    assert result.total.value == 0
    constant = shares_of_uncertainty(np.arange(100.0), {"x": np.ones(100)})
    assert constant.blocks["x"].share == 0


@pytest.mark.parametrize(
    ("values", "block", "words"),
    [
        (np.zeros(100), np.zeros(99), "of block x"),
        (np.full(100, np.nan), np.zeros(100), "values must be finite"),
        (np.zeros(100), np.full(100, np.nan), "a block must be finite"),
        (np.arange(49.0), np.arange(49.0), "take 50 draws, got 49"),
    ],
)
def test_what_does_not_fit_is_refused(values, block, words):
    with pytest.raises(ValueError, match=words):
        shares_of_uncertainty(values, {"x": block})
