"""Hypergeometric sums against SciPy, quadrature and each other."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import betaln, expit, gammaln, hyp2f1

from clvsim.kernels.dropout import discounted_orders
from clvsim.kernels.hypergeometric import log_hyp2f1_positive


def integral(r, alpha, a, b, x=0.0, age=0.0, horizon=39.0, force=0.0):
    out = np.empty((1, 1))
    arrays = (np.array([v], float) for v in (r, alpha, a, b, x, age))
    discounted_orders(*arrays, horizon, force, out)
    return out[0, 0]


def intensity(t, r, alpha, a, b, x, age):
    """E[lambda exp(-lambda p t)], lambda ~ Gamma(r+x, alpha+age), p ~ Beta(a, b+x), in the untransformed form."""
    shape, rate = r + x, alpha + age
    return shape / rate * (rate / (rate + t)) ** (shape + 1) * hyp2f1(shape + 1, b + x, a + b + x, t / (rate + t))


@pytest.mark.parametrize("a", [0.3, 1.0, 27.0])
@pytest.mark.parametrize("b", [0.5, 3.2])
@pytest.mark.parametrize("c", [0.9, 3.7, 30.0])
@pytest.mark.parametrize("z", [0.0, 0.1, 0.78, 0.99])
def test_series_equals_scipy(a, b, c, z):
    assert log_hyp2f1_positive(a, b, c, z) == pytest.approx(np.log(hyp2f1(a, b, c, z)), rel=1e-9, abs=1e-11)


def test_series_beyond_the_range_of_floats():
    """2F1 has thousands of digits here; the same series summed in log space."""
    a, b, c, z = 900.0, 700.0, 702.0, 0.98
    n = np.arange(200_000)
    log_terms = np.cumsum(np.log((a + n) * (b + n) / ((c + n) * (n + 1)) * z))
    direct = np.logaddexp.reduce(np.concatenate([[0.0], log_terms]))
    assert direct > 3000
    assert log_hyp2f1_positive(a, b, c, z) == pytest.approx(direct, rel=1e-12)


def test_series_ends_on_nan():
    assert np.isnan(log_hyp2f1_positive(np.nan, 1.0, 1.0, 0.5))


@pytest.mark.parametrize(
    "case",
    [
        {"r": 0.24, "alpha": 4.4, "a": 0.79, "b": 2.4, "x": 2, "age": 38.86, "horizon": 39, "force": 0.0},
        {"r": 0.24, "alpha": 4.4, "a": 0.79, "b": 2.4, "x": 26, "age": 31, "horizon": 156, "force": 0.002},
        {
            "r": 0.24,
            "alpha": 0.5,
            "a": 0.79,
            "b": 2.4,
            "x": 0,
            "age": 0,
            "horizon": 520,
            "force": 0.002,
        },  # far beyond the scale of alpha
        {
            "r": 0.24,
            "alpha": 4.4,
            "a": 1.0,
            "b": 2.4,
            "x": 0,
            "age": 0,
            "horizon": 156,
            "force": 0.01,
        },  # FHL (9) is 0/0
        {"r": 0.24, "alpha": 4.4, "a": 30, "b": 70, "x": 3, "age": 38.86, "horizon": 156, "force": 0.002},
        {
            "r": 8.0,
            "alpha": 4.4,
            "a": 0.79,
            "b": 2.4,
            "x": 3,
            "age": 38.86,
            "horizon": 156,
            "force": 0.002,
        },  # the other series
        {"r": 25.0, "alpha": 60.0, "a": 0.1, "b": 2.4, "x": 0, "age": 0, "horizon": 52, "force": 0.0},
    ],
)
def test_integral_equals_quadrature_of_the_plain_form(case):
    args = [case[k] for k in ("r", "alpha", "a", "b", "x", "age")]
    plain = quad(lambda t: intensity(t, *args) * np.exp(-case["force"] * t), 0, case["horizon"], epsabs=0, epsrel=1e-11)
    assert integral(**case) == pytest.approx(plain[0], rel=1e-9)


def test_the_two_series_meet():
    """At the switch, a + b - r - 1 = -4, either side is the same function."""
    below, above = (integral(6.2 + e, 10.0, 0.8, 2.4, horizon=52.0) for e in (-1e-9, 1e-9))
    assert below == pytest.approx(above, rel=1e-8)


def test_heavy_buyers_do_not_overflow():
    """5,000 orders in 100 weeks: about 50 a week go on, less those who leave at p ~ Beta(.8, 5002.5)."""
    value = integral(0.25, 4.0, 0.8, 2.5, x=5000.0, age=100.0, horizon=39.0)
    rate = 5000.25 / 104
    eta = 0.8 / 5003.3
    assert rate * 39 * (1 - rate * 39 * eta) < value < rate * 39


def mean_over_traits(r, alpha, a, b, x, age, horizon, force):
    """E[lambda (1 - exp(-h (lambda p + force))) / (lambda p + force)], trapezoids in log lambda and the logit of p."""
    shape, later = r + x, b + x
    u = np.linspace(-40 / shape, np.log(60 + 10 * shape), 2500)
    rate, of_rate = np.exp(u) / (alpha + age), np.exp(shape * u - np.exp(u) - gammaln(shape)) * (u[1] - u[0])
    w = np.linspace(-40 / a, 40 / later, 2500)
    of_p = np.exp(a * np.log(expit(w)) + later * np.log(expit(-w)) - betaln(a, later)) * (w[1] - w[0])
    both = rate[:, None] * expit(w) + force
    return of_rate @ (rate[:, None] * -np.expm1(-both * horizon) / both) @ of_p


@pytest.mark.parametrize("force", [1e-4, 0.0018, 0.03, 1.0])
@pytest.mark.parametrize("horizon", [20.0, 1000.0, 1e5, np.inf])
@pytest.mark.parametrize(
    "history", [(0.24, 4.4, 0.79, 2.4, 0, 0), (0.24, 0.05, 1.0, 0.5, 1, 0.5), (0.24, 4.4, 3.0, 2.4, 250, 1000)]
)
def test_long_and_endless_horizons(history, horizon, force):
    """Far beyond where the series converges in reasonable time, and under any discount."""
    assert integral(*history, horizon, force) == pytest.approx(mean_over_traits(*history, horizon, force), rel=1e-9)


def test_endless_horizon_without_discount():
    """E[1/p], p ~ Beta(a, b + x): finite only for a > 1."""
    assert integral(0.3, 4.0, 3.0, 2.0, 5.0, 9.0, np.inf) == pytest.approx((3 + 7 - 1) / (3 - 1), rel=1e-14)
    assert integral(0.3, 4.0, 1.0, 2.0, 5.0, 9.0, np.inf) == np.inf
    long = integral(0.3, 4.0, 3.0, 2.0, 5.0, 9.0, 1e9)
    assert long == pytest.approx((3 + 7 - 1) / (3 - 1), rel=1e-9)


def test_rows_share_coefficients_whatever_their_order_in_a_run():
    """Customers with the same x, young and old: each as if alone."""
    x, age = np.repeat([0.0, 3.0, 40.0], 4), np.tile([0.1, 500.0, 3.0, 40.0], 3)
    out = np.empty((2, 12))
    draws = [np.array(v) for v in ([0.24, 0.4], [4.4, 3.0], [0.79, 1.2], [2.4, 2.0])]
    discounted_orders(*draws, x, age, np.inf, 0.002, out)
    for d in range(2):
        for i in range(12):
            assert out[d, i] == integral(*(v[d] for v in draws), x[i], age[i], np.inf, 0.002)
