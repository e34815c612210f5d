"""Expected value per draw from one simulated path per draw."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import expit, logit

from clvsim.decision import Surrogate, design, evpi, expected_level, expected_per_draw


class Toy(NamedTuple):
    """A made-up shop with two uncertain levers. Option columns: nothing, rate lever, upsell."""

    exact: np.ndarray  # (draw, 3) expected gain over nothing, closed form
    raw: np.ndarray  # (draw, 3) one simulated path per draw
    surrogates: tuple[Surrogate, ...]  # of the two levers

    @property
    def clean(self) -> np.ndarray:
        return np.column_stack([np.zeros(len(self.raw)), *(s.values for s in self.surrogates)])


def toy(seed: int, draws: int = 1000, customers: int = 200) -> Toy:
    """200 customers buy for a year at Gamma(r + x, α + T) rates; amounts are Gamma(2) around `money`.

    Lever 1 multiplies the rate by about 1.05, lever 2 sells a $15 extra with one order in ten. Each costs about what
    it brings, so which of the two, or neither, is right depends on the draw.
    """
    rng = np.random.default_rng(seed)
    x = np.random.default_rng(1).poisson(1.0, customers)
    r, alpha, money = (np.exp(rng.normal(np.log(m), s, draws)) for m, s in ((0.5, 0.1), (12, 0.1), (30, 0.05)))
    lift, odds = rng.normal(np.log(1.05), 0.012, draws), rng.normal(logit(0.1), 0.12, draws)
    rate = rng.gamma(r[:, None] + x, 1 / (alpha + 40)[:, None]) * 52
    orders = rng.poisson(rate)
    more = rng.poisson(rate * np.abs(np.expm1(lift))[:, None])
    # The sum of m Gamma(2) amounts is Gamma(2m); the floor keeps the shape positive where nothing is bought.
    amounts = np.where(more > 0, money[:, None] / 2 * rng.gamma(np.maximum(2.0 * more, 1e-9)), 0.0)
    gains = (np.sign(lift)[:, None] * amounts, 15.0 * rng.binomial(orders, expit(odds)[:, None]))

    expected_orders = 52 * ((r[:, None] + x) / (alpha + 40)[:, None]).sum(axis=1)
    means = (expected_orders * money * np.expm1(lift), expected_orders * 15 * expit(odds))
    costs = (0.05 * 30 * expected_orders.mean(), 0.1 * 15 * expected_orders.mean())

    bit = rng.integers(0, 2, customers).astype(bool)
    inputs = np.column_stack([r, alpha, money, lift, odds])
    surrogates = tuple(
        expected_per_draw(
            gain.sum(axis=1) - cost,
            np.column_stack([gain[:, bit].sum(axis=1), gain[:, ~bit].sum(axis=1)]),
            inputs,
            np.array([False, False, False, True, True]),
        )
        for gain, cost in zip(gains, costs, strict=True)
    )
    nothing = np.zeros(draws)
    return Toy(
        np.column_stack([nothing, *(m - c for m, c in zip(means, costs, strict=True))]),
        np.column_stack([nothing, *(g.sum(axis=1) - c for g, c in zip(gains, costs, strict=True))]),
        surrogates,
    )


@pytest.mark.parametrize("seed", range(6))
def test_evpi_from_one_path_per_draw(seed):
    """200 customers, 1,000 draws: within 15 % of the answer from conditional expectations; raw draws give 1.6–1.8×.

    Over seeds 0–11 the ratio surrogate : exact has mean 0.99 and standard deviation 0.04, raw : exact 1.62 to 1.79.
    """
    shop = toy(seed)
    exact = evpi(shop.exact).estimate
    assert abs(evpi(shop.clean).estimate / exact - 1) < 0.15
    assert evpi(shop.raw).estimate / exact > 1.5
    assert all(s.used and s.share > 0.4 and s.note == "" for s in shop.surrogates)


def test_the_toys_closed_form_is_its_simulations_mean():
    shop = toy(99, draws=4000)
    difference = (shop.raw - shop.exact)[:, 1:]
    z = difference.mean(axis=0) / (difference.std(axis=0) / np.sqrt(4000))
    assert (np.abs(z) < 4).all()


def test_noise_variance_is_the_process_variance():
    """Measured from the halves, against the simulated minus the exact gain of the same draws: ratio 1 ± 4 s.e.

    Both are variances of about 4,000 nearly normal terms: standard error of their ratio √(4/4000) ≈ 3.2 %,
    with the kurtosis of rare extra orders below 4 %.
    """
    shop = toy(7, draws=4000)
    for column, surrogate in enumerate(shop.surrogates, start=1):
        within = (shop.raw - shop.exact)[:, column].var()
        assert abs(surrogate.noise_variance / within - 1) < 0.16
        assert abs(surrogate.residual_excess) < 0.16
        np.testing.assert_allclose(surrogate.share, surrogate.noise_variance / shop.raw[:, column].var(ddof=1))


def made_up(n: int, k: int, noise: float, seed: int, unequal: float = 0.0) -> tuple[np.ndarray, ...]:
    """(delta, halves, inputs, effects, expected) with a known quadratic expectation and normal process noise."""
    rng = np.random.default_rng(seed)
    inputs, effects = rng.normal(5.0, 2.0, (n, k)), np.arange(k) < 2
    z = (inputs - 5) / 2
    expected = 3.0 + z[:, 0] + 0.5 * z[:, 1] + 0.4 * z[:, 0] * z[:, 2] + 0.3 * z[:, 1] ** 2 + 0.2 * z[:, 0] * z[:, 1]
    halves = expected[:, None] * [0.5 + unequal, 0.5 - unequal] + rng.normal(0, noise / np.sqrt(2), (n, 2))
    return halves.sum(axis=1), halves, inputs, effects, expected


def test_the_design_spans_the_expectation():
    """Without noise a regression of the level returns the expectation itself."""
    delta, halves, inputs, effects, expected = made_up(400, 5, 0.0, 31)
    columns = design(inputs, effects)
    # 5 linear, 2 squares, 1 pair of effects, 2 × 3 effect × parameter
    assert columns.shape == (400, 14)
    np.testing.assert_allclose([columns.mean(axis=0), columns.var(axis=0)], [np.zeros(14), np.ones(14)], atol=1e-12)
    noisy = np.random.default_rng(32).normal(0, 5.0, (400, 2))  # halves that force the regression
    surrogate = expected_per_draw(delta, noisy, inputs, effects)
    assert surrogate.used
    np.testing.assert_allclose(surrogate.values, expected, atol=1e-9)
    assert (delta == halves.sum(axis=1)).all()


def test_unequal_halves_do_not_count_as_noise():
    """With halves of 70 % and 30 % the raw variance of their difference would be far above the noise."""
    delta, halves, inputs, effects, _ = made_up(4000, 4, 0.5, 33, unequal=0.2)
    surrogate = expected_per_draw(delta, halves, inputs, effects)
    assert (halves[:, 0] - halves[:, 1]).var() > 2 * 0.25
    # χ² with about 3,987 degrees of freedom: standard error √(2/3987) = 2.2 %
    assert abs(surrogate.noise_variance / 0.25 - 1) < 4 * 0.0224


def test_fitted_values_keep_the_mean_and_come_closer_to_the_expectation():
    delta, halves, inputs, effects, expected = made_up(1000, 4, 1.5, 34)
    surrogate = expected_per_draw(delta, halves, inputs, effects)
    np.testing.assert_allclose(surrogate.values.mean(), delta.mean(), rtol=1e-12)
    # Least squares with p = 12 columns leaves noise variance × p / n, i.e. an error of sd 1.5·√(12/1000) = 0.16.
    error = (surrogate.values - expected).std()
    assert 0.08 < error < 0.30
    assert (delta - expected).std() > 1.4


def test_small_noise_leaves_the_raw_draws_alone():
    delta, halves, inputs, effects, _ = made_up(500, 4, 0.1, 35)
    surrogate = expected_per_draw(delta, halves, inputs, effects)
    assert not surrogate.used
    assert 0 < surrogate.share < 0.05
    assert surrogate.residual_excess == 0.0
    np.testing.assert_array_equal(surrogate.values, delta)


def test_ridge_with_few_draws_per_column():
    """60 draws of 9 inputs (26 columns): plain least squares would keep 43 % of the noise."""
    errors, plain = [], []
    for seed in range(8):
        delta, halves, inputs, effects, expected = made_up(60, 9, 3.0, 40 + seed)
        errors.append(((expected_per_draw(delta, halves, inputs, effects).values - expected) ** 2).mean())
        columns = np.column_stack([np.ones(60), design(inputs, effects)])
        plain.append(((columns @ np.linalg.lstsq(columns, delta)[0] - expected) ** 2).mean())
    assert columns.shape == (60, 27)
    assert np.mean(errors) < 0.6 * np.mean(plain)
    assert np.mean(errors) < 0.35 * 9.0  # against the process variance of the raw draws


def test_more_columns_than_draws_is_fine():
    delta, halves, inputs, effects, expected = made_up(20, 12, 1.0, 36)
    surrogate = expected_per_draw(delta, halves, inputs, effects)
    assert np.isfinite(surrogate.values).all()
    assert surrogate.values.std() < 2 * expected.std()


def test_what_the_regression_cannot_reach_asks_for_replicates():
    """A shock common to both halves is in Δ and not in their difference."""
    delta, halves, inputs, effects, _ = made_up(2000, 4, 0.7, 37)
    shock = np.random.default_rng(38).normal(0, 0.5, 2000)  # variance .25 on top of .49: 51 % more
    surrogate = expected_per_draw(delta + shock, halves + shock[:, None] / 2, inputs, effects)
    assert abs(surrogate.residual_excess - 0.25 / 0.49) < 4 * 0.05
    assert "simulation.replicates" in surrogate.note


def test_zero_effects_are_zero_exactly():
    _, _, inputs, effects, _ = made_up(100, 4, 1.0, 39)
    surrogate = expected_per_draw(np.zeros(100), np.zeros((100, 2)), inputs, effects)
    np.testing.assert_array_equal(surrogate.values, 0.0)
    assert (surrogate.used, surrogate.variance, surrogate.note) == (False, 0.0, "")


def test_constant_and_repeated_inputs_change_nothing():
    delta, halves, inputs, effects, _ = made_up(1000, 4, 1.0, 50)
    plain = expected_per_draw(delta, halves, inputs, effects)
    padded = np.column_stack([inputs, np.full(1000, 7.0), inputs[:, 3], np.zeros(1000)])
    surrogate = expected_per_draw(delta, halves, padded, np.append(effects, [True, False, True]))
    np.testing.assert_allclose(surrogate.values, plain.values, rtol=1e-8)


def test_no_inputs_that_vary_leave_one_expected_value():
    delta, halves, _, _, _ = made_up(200, 4, 1.0, 51)
    surrogate = expected_per_draw(delta - delta.mean() + 2.0, halves, np.ones((200, 3)), np.array([True, False, False]))
    np.testing.assert_allclose(surrogate.values, 2.0, rtol=1e-12)


def test_a_fixed_cost_outside_the_halves_moves_every_draw_alike():
    delta, halves, inputs, effects, _ = made_up(500, 4, 1.0, 52)
    plain = expected_per_draw(delta, halves, inputs, effects)
    charged = expected_per_draw(delta - 100.0, halves, inputs, effects)
    np.testing.assert_allclose(charged.values, plain.values - 100.0, atol=1e-11)


class TestLevel:
    """A level with a closed form as control variate."""

    def test_the_closed_form_carries_what_the_regression_cannot(self):
        rng = np.random.default_rng(60)
        inputs, effects = rng.normal(0, 1, (1000, 3)), np.zeros(3, bool)
        closed = 50 * np.abs(inputs[:, 0])  # no line or square of it fits
        halves = closed[:, None] / 2 + rng.normal(0, 20 / np.sqrt(2), (1000, 2))
        level = halves.sum(axis=1)
        surrogate = expected_level(level, halves, inputs, effects, closed)
        assert surrogate.used
        # Three columns and an intercept leave an error of sd 20·√(4/1000) = 1.26.
        assert (surrogate.values - closed).std() < 3
        assert (expected_level(level, halves, inputs, effects).values - closed).std() > 20

    def test_noise_variance_is_the_process_variance(self):
        rng = np.random.default_rng(61)
        inputs, effects = rng.normal(0, 1, (4000, 3)), np.zeros(3, bool)
        closed = 100 + 10 * inputs[:, 0]
        halves = closed[:, None] / 2 + rng.normal(0, 8 / np.sqrt(2), (4000, 2))
        surrogate = expected_level(halves.sum(axis=1), halves, inputs, effects, closed)
        assert abs(surrogate.noise_variance / 64 - 1) < 4 * 0.0224
        assert abs(surrogate.share - 64 / 164) < 0.05

    def test_small_noise_leaves_the_level_alone(self):
        rng = np.random.default_rng(62)
        inputs = rng.normal(0, 1, (300, 2))
        level = 10 * inputs[:, 0]
        surrogate = expected_level(level, level[:, None] * [0.5, 0.5], inputs, np.zeros(2, bool), level + 1.0)
        assert not surrogate.used
        np.testing.assert_array_equal(surrogate.values, level)

    def test_a_closed_form_of_another_length_is_refused(self):
        with pytest.raises(ValueError, match="closed_form"):
            expected_level(np.zeros(9), np.zeros((9, 2)), np.zeros((9, 1)), np.zeros(1, bool), np.zeros(8))


def test_very_few_draws_are_passed_through_and_said():
    surrogate = expected_per_draw(np.array([1.0, 2.0]), np.ones((2, 2)), np.ones((2, 1)), np.array([True]))
    np.testing.assert_array_equal(surrogate.values, [1.0, 2.0])
    assert "simulation.draws" in surrogate.note


@pytest.mark.parametrize(
    ("halves", "inputs", "effects"),
    [((9, 3), (9, 2), (2,)), ((8, 2), (9, 2), (2,)), ((9, 2), (9, 2), (3,)), ((9, 2), (8, 2), (2,))],
)
def test_shapes_that_do_not_fit_are_refused(halves, inputs, effects):
    with pytest.raises(ValueError, match="expected shapes"):
        expected_per_draw(np.ones(9), np.ones(halves), np.ones(inputs), np.ones(effects, bool))


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        expected_per_draw(np.array([1.0, np.nan]), np.ones((2, 2)), np.ones((2, 1)), np.array([True]))
