"""Gauss's hypergeometric function where all terms are positive, and as Euler's transformation makes it quick."""

import math

from clvsim.kernels.compiler import njit

_TOLERANCE = 1e-12  # of the neglected tail, relative to the sum
_MAX_CANCELLATION = -4.0  # least first parameter for which the quickly converging series is used
MAX_TERMS = 4096


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True)
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
    "UniTuple(int64, 2)(float64[::1], int64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
)
def series_terms(coefficient, known, a, b, c, z):
    """How many terms of 2F1(a, b; c; z) leave a rest below 1e-12 of the sum, and how many coefficients are known now.

    Writes missing coefficients into `coefficient`, of which the first `known` are there. Looks at every eighth term.
    """
    total, term, power, n = 0.0, 0.0, 1.0, 0
    while True:
        for _ in range(8):
            if n == known:
                coefficient[n] = coefficient[n - 1] * (a + n - 1.0) * (b + n - 1.0) / ((c + n - 1.0) * n)
                known += 1
            term = coefficient[n] * power
            total += term
            power *= z
            n += 1
        ratio = max(z, abs((a + n) * (b + n) / ((c + n) * (n + 1.0))) * z)
        rest = abs(term) * ratio
        if not (ratio >= 1.0 or rest > _TOLERANCE * (1.0 - ratio) * abs(total)) or n == MAX_TERMS:
            return n, known


@njit(
    "int64(float64[::1], int64, float64, float64, float64, float64, float64, float64[::1], float64[::1])",
    cache=True,
    nogil=True,
)
def euler_series(coefficient, known, shape, first, a, b, third, z, out):
    """2F1(first, a; third; z) at rising z, first = third - shape - 1 and third = a + b; see `discounted_orders`.

    Writes missing coefficients into `coefficient`, of which the first `known` are there. Returns how many are now.
    """
    size = z.shape[0]
    if first > _MAX_CANCELLATION:
        terms, known = series_terms(coefficient, known, first, a, third, z[size - 1])
        for j in range(size):
            out[j] = coefficient[terms - 1]
        for n in range(terms - 2, -1, -1):
            for j in range(size):
                out[j] = out[j] * z[j] + coefficient[n]
    else:
        # The transformed series would alternate, the original one never does.
        for j in range(size):
            out[j] = math.exp(log_hyp2f1_positive(shape + 1.0, b, third, z[j]) + (shape + 1.0 - a) * math.log1p(-z[j]))
    return known
