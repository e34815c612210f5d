"""Hypergeometric sums against SciPy, quadrature and each other."""

import numpy as np
import pytest
from numpy.polynomial.legendre import leggauss
from scipy.integrate import quad
from scipy.special import hyp2f1

from clvsim.kernels.special import discounted_orders, log_hyp2f1_positive


def integral(r, alpha, a, b, x=0.0, age=0.0, horizon=39.0, force=0.0, nodes=16):
    out = np.empty((1, 1))
    arrays = (np.array([v], float) for v in (r, alpha, a, b, x, age))
    discounted_orders(*arrays, horizon, force, *leggauss(nodes), out)
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


def test_more_nodes_change_nothing():
    case = {"r": 0.24, "alpha": 1.0, "a": 0.79, "b": 2.4, "horizon": 520.0, "force": 0.002}
    assert integral(**case) == pytest.approx(integral(**case, nodes=64), rel=1e-9)
