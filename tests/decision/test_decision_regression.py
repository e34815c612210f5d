"""Regressions with columns multiplied by a scale, against plain least squares and refits without one draw."""

import numpy as np
import pytest

from clvsim.decision import Basis, features
from clvsim.decision.regression import PENALTIES


def made_up(n: int = 80, p: int = 5, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns (n, p), a scale (n,) with mean 1, a figure (n,) whose noise grows with the root of the scale."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(n, p))
    scale = np.exp(0.7 * columns[:, 0] + 0.2 * rng.normal(size=n))
    scale /= scale.mean()
    slopes = np.linspace(1, 0, p)
    return columns, scale, scale * (3 + columns @ slopes) + 2 * np.sqrt(scale) * rng.normal(size=n)


def penalised(columns: np.ndarray, scale: np.ndarray, y: np.ndarray, penalty: float) -> tuple[float, np.ndarray]:
    """β₀ and β of Σ (y − L(β₀ + z'β))²/L + penalty·β'β by the normal equations, z standardised with weights L."""
    z = np.column_stack([np.ones(len(y)), columns])
    cost = np.diag([0.0] + [penalty] * columns.shape[1])
    beta = np.linalg.solve((z * scale[:, None]).T @ z + cost, z.T @ y)
    return beta[0], beta[1:]


def standardised(columns: np.ndarray, scale: np.ndarray) -> np.ndarray:
    centred = columns - scale @ columns / scale.sum()
    return centred / np.sqrt(scale @ centred**2 / scale.sum())


def test_the_fit_is_the_weighted_ridge_with_the_least_leave_one_out_error() -> None:
    """Σ (left-out error)²/L by 80 refits for each of nine penalties of the grid, the fit's own among them."""
    columns, scale, y = made_up()
    basis = Basis.make(columns, scale)
    fit = basis.fit(y)
    z, largest = standardised(columns, scale), basis.singular.max() ** 2
    own = int(np.argmin(np.abs(basis.shrinks - fit.shrink).sum(axis=1)))

    def left_out(number: int) -> float:
        if np.isinf(PENALTIES[number]):
            errors = [y[i] - scale[i] * np.delete(y, i).sum() / np.delete(scale, i).sum() for i in range(80)]
        else:
            rest = (
                penalised(*(np.delete(a, i, axis=0) for a in (z, scale, y)), PENALTIES[number] * largest)
                for i in range(80)
            )
            errors = [y[i] - scale[i] * (beta0 + z[i] @ beta) for i, (beta0, beta) in enumerate(rest)]
        return float((np.square(errors) / scale).sum())

    tried = {number: left_out(number) for number in {own, *range(0, len(PENALTIES), 5), len(PENALTIES) - 1}}
    assert min(tried, key=lambda number: tried[number]) == own
    assert 0 < own < len(PENALTIES) - 1
    beta0, beta = penalised(z, scale, y, PENALTIES[own] * largest)
    np.testing.assert_allclose(fit.values, scale * (beta0 + z @ beta), rtol=1e-9)
    np.testing.assert_allclose(fit.values.sum(), y.sum(), rtol=1e-12)


def test_pure_noise_leaves_the_scale_alone() -> None:
    """Without any slope the penalty is infinite in most samples: L × Σy/ΣL is all that is left."""
    infinite = 0
    for seed in range(20):
        columns, scale, _ = made_up(100, 8, seed)
        y = scale + 5 * np.sqrt(scale) * np.random.default_rng(900 + seed).normal(size=100)
        fit = Basis.make(columns, scale).fit(y)
        if not fit.shrink.any():
            infinite += 1
            np.testing.assert_allclose(fit.values, scale * y.sum() / scale.sum(), rtol=1e-12)
    assert infinite >= 10


def test_draws_that_are_left_out_are_predicted() -> None:
    columns, scale, y = made_up(300)
    rows = np.arange(300) < 200
    garbage = np.where(rows, y, 1e9)
    fit = Basis.make(columns, scale, rows).fit(garbage)
    own = Basis.make(columns[rows], scale[rows]).fit(y[rows])
    np.testing.assert_allclose(fit.values[rows], own.values, rtol=1e-9)
    expected = scale * (3 + columns @ np.linspace(1, 0, 5))
    assert np.abs(fit.values - expected)[~rows].mean() < 0.5  # 2·√(6/200) = .35
    assert fit.noise.shape == (200,)


def test_residuals_over_root_one_minus_leverage_have_the_variance_of_the_noise() -> None:
    """Noise of variance 4L: mean over 40 samples of 80 squares within 4·√(2/3200) = 10 %."""
    found = []
    for seed in range(40):
        columns, scale, y = made_up(seed=seed)
        fit = Basis.make(columns, scale).fit(y)
        found.append((np.mean(fit.noise**2 / scale), fit.variance))
    np.testing.assert_allclose(np.mean(found, axis=0), 4.0, rtol=0.1)


def test_a_refit_is_the_fit_of_the_changed_figure() -> None:
    """With the best of every third penalty, infinity among them, by normal equations and their hat matrix."""
    columns, scale, y = made_up()
    basis = Basis.make(columns, scale)
    fit = basis.fit(y)
    noise = np.random.default_rng(5).normal(size=(6, 80)) * [[1], [1], [1], [5], [5], [5]]
    z, largest = standardised(columns, scale), basis.singular.max() ** 2
    for refitted, added in zip(basis.values(basis.refit(fit, noise), basis.rows), noise, strict=True):
        changed = fit.values + added
        fits = [np.full(80, changed.sum() / scale.sum()) * scale]
        hats = [scale / scale.sum()]
        for penalty in PENALTIES[-4::-3] * largest:
            beta0, beta = penalised(z, scale, changed, penalty)
            fits.append(scale * (beta0 + z @ beta))
            inner = np.linalg.inv((z * scale[:, None]).T @ z + penalty * np.eye(5))
            hats.append(scale / scale.sum() + scale * np.einsum("ij,jk,ik->i", z, inner, z))
        errors = [(((changed - values) / (1 - hat)) ** 2 / scale).sum() for values, hat in zip(fits, hats, strict=True)]
        np.testing.assert_allclose(refitted, fits[int(np.argmin(errors))], rtol=1e-8)


def test_collinear_and_constant_columns_change_nothing() -> None:
    columns, scale, y = made_up(200)
    plain = Basis.make(columns, scale).fit(y).values
    padded = np.column_stack([columns, np.full(200, 7.0), columns[:, 0] + columns[:, 1]])
    again = Basis.make(padded, scale).fit(y).values
    assert np.abs(again - plain).max() < 0.1 * plain.std()  # a column that is there twice is penalised less


def test_more_columns_than_draws_is_fine() -> None:
    columns, scale, y = made_up(20, 40)
    fit = Basis.make(columns, scale).fit(y)
    assert np.isfinite(fit.values).all()
    assert np.isfinite(fit.noise).all()


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_a_scale_that_is_not_positive_is_refused(bad: float) -> None:
    columns, scale, _ = made_up()
    scale[3] = bad
    with pytest.raises(ValueError, match="positive and finite"):
        Basis.make(columns, scale)
    Basis.make(columns, scale, np.arange(80) != 3)


def test_features_are_logs_of_what_is_positive_and_products_with_effects() -> None:
    """5 linear, 2 squares, 1 pair of effects, 2 × 3 effect × parameter; what has a sign stays as it is."""
    rng = np.random.default_rng(4)
    inputs = np.column_stack([np.exp(rng.normal(size=(50, 2))), rng.normal(size=(50, 2)), rng.uniform(1, 2, 50)])
    columns = features(inputs, np.array([False, False, False, True, True]))
    assert columns.shape == (50, 14)
    np.testing.assert_allclose([columns.mean(axis=0), columns.var(axis=0)], [np.zeros(14), np.ones(14)], atol=1e-12)
    for column, values in enumerate([*np.log(inputs[:, :2]).T, *inputs[:, 2:4].T, np.log(inputs[:, 4])]):
        np.testing.assert_allclose(columns[:, column], (values - values.mean()) / values.std(), atol=1e-12)


def test_ratios_let_a_figure_be_a_share_of_something_else() -> None:
    """y = effect × orders under the scale revenue: exact with the ratio orders/revenue as a column."""
    rng = np.random.default_rng(6)
    orders, spend = np.exp(rng.normal(size=(2, 400)))
    effect = rng.normal(size=400)
    inputs, effects = np.column_stack([orders, spend, effect]), np.array([False, False, True])
    y = (0.3 + effect) * orders
    with_ratio = Basis.make(features(inputs, effects, (1 / spend)[:, None]), orders * spend).fit(y).values
    without = Basis.make(features(inputs, effects), orders * spend).fit(y).values
    np.testing.assert_allclose(with_ratio, y, rtol=1e-4, atol=1e-4)
    assert np.std(without - y) > 0.1 * y.std()


def wide(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A wide posterior, as of a small log: parameters (1000, 4) with sds of .5 to 1 in their logs, the revenue L they
    imply, the exact gain of 10 % more orders (10 % of L, a little less where customers last), and a simulated one."""
    rng = np.random.default_rng(seed)
    parameters = np.exp(rng.normal(size=(1000, 4)) * [0.8, 0.6, 0.5, 0.5])
    revenue = 4000 * parameters[:, 0] ** 0.5 / parameters[:, 1] ** 0.4 * parameters[:, 2] ** 0.5 * parameters[:, 3]
    exact = 0.1 * revenue * (1 - 0.1 * np.tanh(np.log(parameters[:, 0])))
    return parameters, revenue, exact, exact + 6 * np.sqrt(revenue) * rng.normal(size=1000)


def test_multiplied_columns_come_several_times_closer_to_an_exact_difference() -> None:
    """Root mean squared error at most a third of that of raw columns without a scale, over ten samples."""
    errors = []
    for seed in range(10):
        parameters, revenue, exact, simulated = wide(seed)
        scaled = Basis.make(features(parameters, np.zeros(4, bool)), revenue).fit(simulated).values
        z = (parameters - parameters.mean(axis=0)) / parameters.std(axis=0)
        raw = np.column_stack([np.ones(1000), z])
        plain = raw @ np.linalg.lstsq(raw, simulated)[0]
        errors.append([np.sqrt(np.mean((values - exact) ** 2)) for values in (scaled, plain)])
    scaled, plain = np.mean(errors, axis=0)
    assert scaled < plain / 3
    assert scaled < 0.1 * exact.std()


def test_fitted_values_extend_to_draws_that_were_left_out():
    rng = np.random.default_rng(17)
    columns, scale = rng.standard_normal((80, 4)), rng.gamma(5, 1, 80)
    basis = Basis.make(columns, scale, np.arange(80) < 50)
    fit = basis.fit(scale * (2 + columns @ [1, 0, -1, 0]) + rng.standard_normal(80))
    rows = np.array([70, 3, 55])
    kept = basis.coefficients(fit.values[None, basis.rows])
    np.testing.assert_allclose(basis.values(kept, rows), fit.values[None, rows], rtol=1e-9)
