"""Expected value per draw from one simulated path per draw."""

import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy.special import expit, logit

from clvsim.decision import Basis, Expectation, evpi, expected_per_draw, features, process_noise


class Toy(NamedTuple):
    """A made-up shop with two uncertain levers. Option columns: nothing, rate lever, upsell."""

    exact: np.ndarray  # (draw, 3) expected gain over nothing, closed form
    raw: np.ndarray  # (draw, 3) one simulated path per draw
    found: tuple[Expectation, ...]  # of the two levers

    @property
    def clean(self) -> np.ndarray:
        return np.column_stack([np.zeros(len(self.raw)), *(e.values for e in self.found)])


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
    inputs, effects = np.column_stack([r, alpha, money, lift, odds]), np.array([False, False, False, True, True])
    basis = Basis.make(features(inputs, effects), expected_orders * money)
    found = tuple(
        expected_per_draw(
            gain.sum(axis=1) - cost,
            [basis],
            halves=np.column_stack([gain[:, bit].sum(axis=1), gain[:, ~bit].sum(axis=1)]),
            known=np.full(draws, -cost),
        )
        for gain, cost in zip(gains, costs, strict=True)
    )
    nothing = np.zeros(draws)
    return Toy(
        np.column_stack([nothing, *(m - c for m, c in zip(means, costs, strict=True))]),
        np.column_stack([nothing, *(g.sum(axis=1) - c for g, c in zip(gains, costs, strict=True))]),
        found,
    )


@pytest.mark.parametrize("seed", range(6))
def test_evpi_from_one_path_per_draw(seed):
    """200 customers, 1,000 draws: within 15 % of the answer from conditional expectations; raw draws give 1.6–1.8×.

    Over seeds 0–11 the ratio expected : exact has mean 0.99 and standard deviation 0.04, raw : exact 1.62 to 1.79.
    """
    shop = toy(seed)
    exact = evpi(shop.exact).estimate
    assert abs(evpi(shop.clean).estimate / exact - 1) < 0.15
    assert evpi(shop.raw).estimate / exact > 1.5
    assert all(e.fitted and e.share > 0.4 and e.note == "" for e in shop.found)


def test_the_toys_closed_form_is_its_simulations_mean():
    shop = toy(99, draws=4000)
    difference = (shop.raw - shop.exact)[:, 1:]
    z = difference.mean(axis=0) / (difference.std(axis=0) / np.sqrt(4000))
    assert (np.abs(z) < 4).all()


def made_up(n: int, k: int, noise: float, seed: int, unequal: float = 0.0) -> tuple[np.ndarray, ...]:
    """(figure, halves, columns, expected) with a known quadratic expectation and normal process noise."""
    rng = np.random.default_rng(seed)
    z, effects = rng.normal(size=(n, k)), np.arange(k) < 2
    expected = 3.0 + z[:, 0] + 0.5 * z[:, 1] + 0.4 * z[:, 0] * z[:, 2] + 0.3 * z[:, 1] ** 2 + 0.2 * z[:, 0] * z[:, 1]
    halves = expected[:, None] * [0.5 + unequal, 0.5 - unequal] + rng.normal(0, noise / np.sqrt(2), (n, 2))
    return halves.sum(axis=1), halves, features(z, effects), expected


def test_noise_is_measured_by_the_halves() -> None:
    """Against the simulated minus the exact gain of the same draws: ratio 1 ± 4 s.e.

    Both are variances of about 4,000 nearly normal terms: standard error of their ratio √(4/4000) ≈ 3.2 %,
    with the kurtosis of rare extra orders below 4 %.
    """
    shop = toy(7, draws=4000)
    for column, found in enumerate(shop.found, start=1):
        raw = shop.raw[:, column]
        within = (raw - shop.exact[:, column]).var()
        assert abs(found.share * raw.var(ddof=1) / within - 1) < 0.16
        assert np.mean(found.noise**2) == pytest.approx(within, rel=0.16)


def test_unequal_halves_do_not_count_as_noise() -> None:
    """With halves of 70 % and 30 % the raw variance of their difference would be far above the noise."""
    _, halves, columns, _ = made_up(4000, 4, 0.5, 33, unequal=0.2)
    assert (halves[:, 0] - halves[:, 1]).var() > 2 * 0.25
    # χ² with about 3,987 degrees of freedom: standard error √(2/3987) = 2.2 %
    assert abs(process_noise(halves, [Basis.make(columns)]) / 0.25 - 1) < 4 * 0.0224


def test_expected_values_keep_the_mean_and_come_closer_to_the_expectation() -> None:
    figure, halves, columns, expected = made_up(1000, 4, 1.5, 34)
    found = expected_per_draw(figure, [Basis.make(columns)], halves=halves)
    np.testing.assert_allclose(found.values.mean(), figure.mean(), rtol=1e-12)
    # Least squares with p = 12 columns leaves noise variance × p / n, i.e. an error of sd 1.5·√(12/1000) = 0.16.
    error = (found.values - expected).std()
    assert 0.08 < error < 0.30
    assert (figure - expected).std() > 1.4


def test_small_noise_leaves_the_draws_alone() -> None:
    figure, halves, columns, _ = made_up(500, 4, 0.1, 35)
    found = expected_per_draw(figure, [Basis.make(columns)], halves=halves)
    assert not found.fitted
    assert 0 < found.share < 0.05
    np.testing.assert_array_equal(found.values, figure)
    np.testing.assert_array_equal(found.noise, 0.0)
    assert expected_per_draw(figure, [Basis.make(columns)], halves=halves, always=True).fitted
    assert expected_per_draw(figure, [Basis.make(columns)]).fitted  # nothing says how small the noise is


def test_ridge_with_few_draws_per_column() -> None:
    """60 draws of 9 inputs (26 columns): plain least squares would keep 43 % of the noise."""
    errors, plain = [], []
    for seed in range(8):
        figure, halves, columns, expected = made_up(60, 9, 3.0, 40 + seed)
        found = expected_per_draw(figure, [Basis.make(columns)], halves=halves)
        errors.append(((found.values - expected) ** 2).mean())
        full = np.column_stack([np.ones(60), columns])
        plain.append(((full @ np.linalg.lstsq(full, figure)[0] - expected) ** 2).mean())
    assert full.shape == (60, 27)
    assert np.mean(errors) < 0.6 * np.mean(plain)
    assert np.mean(errors) < 0.35 * 9.0  # against the process variance of the raw draws


def test_what_the_regression_cannot_reach_asks_for_replicates() -> None:
    """A shock in both halves is in the figure and not in their difference: 51 % more variance than the .49 of luck."""
    figure, halves, columns, _ = made_up(2000, 4, 0.7, 37)
    shock = np.random.default_rng(38).normal(0, 0.5, 2000)
    basis = Basis.make(columns)
    found = expected_per_draw(figure + shock, [basis], halves=halves + shock[:, None] / 2)
    excess = re.search(r"leaves (\d+)% more", found.note)
    assert excess
    assert (
        abs(int(excess[1]) - 51) < 4 * 5
    )  # standard error of the ratio of two variances of 2,000: 151 % × √(4/2000) = 7
    assert "simulation.replicates" in found.note
    known_of = expected_per_draw(figure + shock, [basis], halves=halves + shock[:, None] / 2, always=True)
    assert known_of.note == ""  # where shocks are known to be there, they are no surprise


class TestNeutralDraws:
    """Draws in which a scenario does nothing: a mixture of 60 % nothing and a gain of about 3."""

    def mixture(self, cost: float) -> tuple[Expectation, np.ndarray, np.ndarray]:
        figure, halves, columns, expected = made_up(1000, 4, 2.0, 70)
        neutral = np.random.default_rng(71).random(1000) < 0.6
        figure, halves, expected = (
            np.where(neutral.reshape(-1, *[1] * (a.ndim - 1)), 0.0, a) for a in (figure, halves, expected)
        )
        bases = [Basis.make(columns, rows=~neutral), Basis.make(columns, rows=neutral)]
        known = np.full(1000, -cost)
        found = expected_per_draw(figure + known, bases, halves=halves, known=known, always=True)
        return found, neutral, expected - cost

    def test_they_are_minus_the_known_costs_exactly(self) -> None:
        for cost in (0.0, 7.3):
            found, neutral, _ = self.mixture(cost)
            np.testing.assert_array_equal(found.values[neutral], -cost)
            np.testing.assert_array_equal(found.noise[neutral], 0.0)
            assert (found.values[~neutral] != -cost).all()

    def test_they_do_not_disturb_the_others(self) -> None:
        found, neutral, exact = self.mixture(0.0)
        # 14 columns on 400 draws: 2·√(14/400) = .37
        assert (found.values - exact)[~neutral].std() < 0.6

    def test_a_refit_leaves_them_alone(self) -> None:
        found, neutral, _ = self.mixture(7.3)
        again = found.refits(np.random.default_rng(1).normal(size=(3, 1000)))
        np.testing.assert_array_equal(again[:, neutral], -7.3)
        assert (again[:, ~neutral] != found.values[~neutral]).all()


def test_nothing_at_all_is_zero_exactly() -> None:
    _, _, columns, _ = made_up(100, 4, 1.0, 39)
    found = expected_per_draw(np.zeros(100), [Basis.make(columns)], halves=np.zeros((100, 2)), always=True)
    np.testing.assert_array_equal(found.values, 0.0)
    assert (found.share, found.note) == (0.0, "")


def test_no_inputs_that_vary_leave_one_expected_value() -> None:
    figure, halves, _, _ = made_up(200, 4, 1.0, 51)
    found = expected_per_draw(figure - figure.mean() + 2.0, [Basis.make(np.ones((200, 3)))], halves=halves)
    np.testing.assert_allclose(found.values, 2.0, rtol=1e-12)


def test_known_costs_move_every_draw_by_themselves() -> None:
    figure, halves, columns, _ = made_up(500, 4, 1.0, 52)
    basis = Basis.make(columns, np.exp(columns[:, 0]))
    plain = expected_per_draw(figure, [basis], halves=halves)
    costs = np.random.default_rng(2).gamma(2.0, 50.0, 500)  # no column knows them
    charged = expected_per_draw(figure - costs, [basis], halves=halves, known=-costs)
    np.testing.assert_allclose(charged.values, plain.values - costs, atol=1e-10)


def test_a_control_carries_what_the_regression_cannot() -> None:
    rng = np.random.default_rng(60)
    columns = rng.normal(0, 1, (1000, 3))
    closed = 50 * np.abs(columns[:, 0])  # no line or square of it fits
    halves = closed[:, None] / 2 + rng.normal(0, 20 / np.sqrt(2), (1000, 2))
    level, basis = halves.sum(axis=1), Basis.make(columns)
    found = expected_per_draw(level, [basis], halves=halves, control=closed, always=True)
    # Three columns and an intercept leave an error of sd 20·√(4/1000) = 1.26.
    assert (found.values - closed).std() < 3
    assert (expected_per_draw(level, [basis], halves=halves).values - closed).std() > 20


def test_very_few_draws_are_passed_through_and_said() -> None:
    found = expected_per_draw(np.array([1.0, 2.0]), [Basis.make(np.ones((2, 1)))], halves=np.ones((2, 2)))
    np.testing.assert_array_equal(found.values, [1.0, 2.0])
    assert "simulation.draws" in found.note


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"halves": np.ones((9, 3))}, "halves must have the shape"),
        ({"halves": np.ones((8, 2))}, "halves must have the shape"),
        ({"control": np.ones(8)}, "shape"),
        ({"figure": np.array([np.nan, *[1.0] * 8])}, "figure must be finite"),
        ({"known": np.full(9, np.inf)}, "known must be finite"),
    ],
    ids=["three halves", "fewer halves", "fewer controls", "a figure of nan", "infinite costs"],
)
def test_arrays_that_do_not_fit_are_refused(changed: dict[str, np.ndarray], rule: str) -> None:
    arrays: dict[str, Any] = {"figure": np.ones(9), "halves": np.ones((9, 2))} | changed
    with pytest.raises(ValueError, match=rule):
        expected_per_draw(arrays.pop("figure"), [Basis.make(np.ones((9, 1)))], **arrays)
