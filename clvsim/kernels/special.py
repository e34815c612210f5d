"""Sums of Gauss's hypergeometric series, as the discounted expectations of the BG/NBD family need them."""

import math

import numpy as np
from numba import njit

_TOLERANCE = 1e-12  # of the neglected tail, relative to the sum
_MAX_CANCELLATION = -4.0  # least first parameter for which the quickly converging series is used


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True, error_model="numpy")
def log_hyp2f1_positive(a, b, c, z):
    """log 2F1(a, b; c; z) for a, b, c > 0 and 0 <= z < 1: every term is positive, so nothing cancels.

    Rescaled on the way, so it is finite where 2F1 itself is beyond 1e308. Stops when the rest, bounded by a geometric
    series, is below 1e-12 of the sum.
    """
    total, term, log_scale, n = 1.0, 1.0, 0.0, 0.0
    while True:
        term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z
        total += term
        n += 1.0
        ratio = max(z, (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z)
        if not (ratio >= 1.0 or term * ratio > _TOLERANCE * (1.0 - ratio) * total):  # so that nan ends it too
            return math.log(total) + log_scale
        if total > 1e200:
            total *= 1e-200
            term *= 1e-200
            log_scale += 200.0 * math.log(10.0)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64, float64, float64[::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def discounted_orders(r, alpha, a, b, x, age, horizon, force, nodes, weights, out):
    """Orders a living BG/NBD customer is expected to make within `horizon`, each weighted by exp(-force * time).

    r, alpha, a, b: (draw,). x, age: (row,) repeat orders and time since the first order. nodes, weights: Gauss-Legendre
    on [-1, 1]. out: (draw, row). All times in one unit.

    With r' = r + x, alpha' = alpha + age, b' = b + x the intensity of orders at future time t is
    E[lambda exp(-lambda p t)] = r' alpha'^r' (alpha' + t)^-(r'+1) 2F1(r'+1, b'; a+b'; z), z = t / (alpha' + t),
    which Euler's transformation turns into r'/alpha' (1-z)^a 2F1(a+b-r-1, a; a+b'; z): far fewer terms, no overflow.
    Substituting u = log(1 + t/alpha') makes the integrand smooth on the whole range, however young the customer.
    """
    size = nodes.shape[0]
    z, power, total, factor = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    for d in range(r.shape[0]):
        first = a[d] + b[d] - r[d] - 1.0
        for i in range(x.shape[0]):
            shape = r[d] + x[i]
            rate = alpha[d] + age[i]
            third = a[d] + b[d] + x[i]
            half = 0.5 * math.log1p(horizon / rate)
            for j in range(size):
                u = half * (1.0 + nodes[j])
                growth = math.expm1(u)
                z[j] = growth / (1.0 + growth)
                power[j] = 1.0
                total[j] = 1.0
                factor[j] = half * weights[j] * shape * math.exp((1.0 - a[d]) * u - force * rate * growth)
            if first > _MAX_CANCELLATION:
                # The coefficients do not depend on the node: one division serves all nodes.
                coefficient, n = 1.0, 0.0
                top = z[size - 1]
                while True:
                    coefficient *= (first + n) * (a[d] + n) / ((third + n) * (n + 1.0))
                    for j in range(size):
                        power[j] *= z[j]
                        total[j] += coefficient * power[j]
                    n += 1.0
                    ratio = max(top, abs((first + n) * (a[d] + n) / ((third + n) * (n + 1.0))) * top)
                    rest = abs(coefficient) * power[size - 1] * ratio
                    if not (ratio >= 1.0 or rest > _TOLERANCE * (1.0 - ratio) * abs(total[size - 1])):
                        break
            else:
                # r > a + b + 3: the transformed series would alternate, the original one never does.
                for j in range(size):
                    log_sum = log_hyp2f1_positive(shape + 1.0, b[d] + x[i], third, z[j])
                    total[j] = math.exp(log_sum + (shape + 1.0 - a[d]) * math.log1p(-z[j]))
            value = 0.0
            for j in range(size):
                value += factor[j] * total[j]
            out[d, i] = value
