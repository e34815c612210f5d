"""What retention models need beyond elementary functions: hypergeometric sums (BG/NBD family), deaths (Pareto/NBD)."""

import math

import numpy as np
from numba import njit, types

_TOLERANCE = 1e-12  # of the neglected tail, relative to the sum
_MAX_CANCELLATION = -4.0  # least first parameter for which the quickly converging series is used


def _gauss_legendre(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return 0.5 * (1.0 + nodes), 0.5 * weights


# Nodes by how far the logarithm of the integrand falls, and over which length; each keeps log G to about 1e-13.
_FLAT_DROP, _FLAT_LENGTH = 4.0, 1.0
_FLAT_NODES, _FLAT_WEIGHTS = _gauss_legendre(8)
_EASY_DROP, _EASY_LENGTH = 12.0, 2.0
_EASY_NODES, _EASY_WEIGHTS = _gauss_legendre(12)
_NODES, _WEIGHTS = _gauss_legendre(24)
_DATA = types.Array(types.float64, 1, "C", readonly=True)  # what can be written to is accepted too
_DROP = 36.0  # where the integrand has fallen by exp(-36) the rest is below rounding
_MOST = 16.0  # the same for a law of few points


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


@njit("UniTuple(float64, 2)(float64, float64, float64, float64, float64)", nogil=True, error_model="numpy", cache=True)
def reach(first, second, ratio, end, most):
    """Where in (0, end] the exponent first u + second log(1 + ratio (e^u - 1)) passes `most`, by at most 1; its value.

    `end` where it stays below. Newton's method from the right: the exponent is convex in u, and 0 at 0.
    """
    drop = first * end + second * math.log(1.0 + ratio * math.expm1(end))
    while drop > most + 1.0:  # nan ends it
        growth = math.exp(end)
        end -= (drop - most) / (first + second * ratio * growth / (1.0 + ratio * (growth - 1.0)))
        drop = first * end + second * math.log(1.0 + ratio * math.expm1(end))
    return end, drop


@njit("UniTuple(float64, 5)(float64, float64, float64, float64, float64)", nogil=True, error_model="numpy", cache=True)
def silent_death(power, rate_a, shape_b, rate_b, span):
    """log of G = integral over 0..span of (A/(A+t))^power * s/B * (B/(B+t))^(s+1) dt, and what its gradient needs.

    G is the probability of dying within `span` before any order, for lambda ~ Gamma(power, A), mu ~ Gamma(s, B).
    Returns log G and the means, under the normalised integrand, of log(1 + t/A), log(1 + t/B), 1/(A+t), 1/(B+t).

    With u = log(1 + t/min(A, B)) the integrand is analytic in a strip of half-width pi, however small A or B. Where it
    falls steeply the range ends at a drop of exp(-36), so that all nodes lie where there is something to integrate.
    """
    swapped = rate_a > rate_b
    least, other = (rate_b, rate_a) if swapped else (rate_a, rate_b)
    first, second = (shape_b + 1.0, power) if swapped else (power, shape_b + 1.0)
    ratio = least / other
    end, drop = reach(first, second, ratio, math.log1p(span / least), _DROP)
    nodes, weights = _NODES, _WEIGHTS
    if drop < _FLAT_DROP and end < _FLAT_LENGTH:
        nodes, weights = _FLAT_NODES, _FLAT_WEIGHTS
    elif drop < _EASY_DROP and end < _EASY_LENGTH:
        nodes, weights = _EASY_NODES, _EASY_WEIGHTS
    total, log_least, log_other, inverse_least, inverse_other = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(nodes.shape[0]):
        u = end * nodes[i]
        growth = math.exp(u)
        grown = 1.0 + ratio * (growth - 1.0)
        log_grown = math.log(grown)
        mass = weights[i] * math.exp(u - first * u - second * log_grown)
        total += mass
        log_least += mass * u
        log_other += mass * log_grown
        inverse_least += mass / growth
        inverse_other += mass / grown
    log_value = math.log(shape_b / rate_b * least * end * total)
    log_least, log_other = log_least / total, log_other / total
    inverse_least, inverse_other = inverse_least / (total * least), inverse_other / (total * other)
    if swapped:
        return log_value, log_other, log_least, inverse_other, inverse_least
    return log_value, log_least, log_other, inverse_least, inverse_other


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def log_silent_death(r, alpha, s, beta, x, start, span, out):
    """`silent_death` of customers alive at `start` with x orders: A = alpha + start, B = beta + start, power = r + x.

    r, alpha, s, beta: (draw,). x, start, span: (row,). out: (draw, row), -inf where span is 0. All times in one unit.
    """
    for d in range(r.shape[0]):
        for i in range(x.shape[0]):
            out[d, i] = -np.inf
            if span[i] > 0.0:
                out[d, i] = silent_death(r[d] + x[i], alpha[d] + start[i], s[d], beta[d] + start[i], span[i])[0]


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def log_order_first(r, alpha, s, beta, x, start, span, out):
    """log P(orders within `span` before dying | alive at `start` with x orders): `silent_death`, roles exchanged.

    Shapes as in `log_silent_death`. Over an infinite span it is E[lambda / (lambda + mu)], a Gaussian series.
    """
    for d in range(r.shape[0]):
        for i in range(x.shape[0]):
            power, rate_a, rate_b = r[d] + x[i], alpha[d] + start[i], beta[d] + start[i]
            out[d, i] = -np.inf
            if span[i] < np.inf:
                if span[i] > 0.0:
                    out[d, i] = silent_death(s[d], rate_b, power, rate_a, span[i])[0]
            elif rate_a <= rate_b:
                series = log_hyp2f1_positive(s[d], 1.0, power + s[d] + 1.0, 1.0 - rate_a / rate_b)
                out[d, i] = math.log(power / (power + s[d])) + series
            else:
                series = log_hyp2f1_positive(power, 1.0, power + s[d] + 1.0, 1.0 - rate_b / rate_a)
                out[d, i] = math.log1p(-math.exp(math.log(s[d] / (power + s[d])) + series))


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1], float64[:, :, ::1], float64[:, :, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def moments_of_death(r, alpha, s, beta, x, t_x, span, nodes, weights, moment, weight):
    """Time of death of Pareto/NBD customers who died within `span` after the last of x orders at t_x: a discrete law.

    r, alpha, s, beta: (draw,). x, t_x, span: (row,). nodes, weights: Gauss-Legendre on [-1, 1]. moment, weight (out):
    (draw, row, node); weights add up to 1. The variable is that of `silent_death`; what is left out weighs 1e-7.
    """
    for d in range(r.shape[0]):
        for i in range(x.shape[0]):
            power, rate_a, rate_b = r[d] + x[i], alpha[d] + t_x[i], beta[d] + t_x[i]
            least, other, first, second = rate_a, rate_b, power, s[d] + 1.0
            if rate_a > rate_b:
                least, other, first, second = rate_b, rate_a, s[d] + 1.0, power
            ratio = least / other
            end, _ = reach(first - 1.0, second, ratio, math.log1p(span[i] / least), _MOST)
            total = 0.0
            for j in range(nodes.shape[0]):
                u = 0.5 * end * (1.0 + nodes[j])
                past = math.expm1(u)
                moment[d, i, j] = t_x[i] + least * past
                weight[d, i, j] = weights[j] * math.exp((1.0 - first) * u - second * math.log1p(ratio * past))
                total += weight[d, i, j]
            for j in range(nodes.shape[0]):
                weight[d, i, j] /= total


@njit(
    types.float64[::1](*[types.float64] * 4, *[_DATA] * 4),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def lost_or_not(r, alpha, s, beta, x, t_x, T, count):
    """Sum over rows of count * log(1 + odds of having died in (t_x, T]), and its gradient in (r, alpha, s, beta), (5,).

    Pareto/NBD; rows have t_x < T. Nodes do not move in the gradient: the limits of the integral hold no parameter, so
    this is the quadrature of the exact derivative.
    """
    out = np.zeros(5)
    for i in range(x.shape[0]):
        power, rate_a, rate_b, span = r + x[i], alpha + t_x[i], beta + t_x[i], T[i] - t_x[i]
        log_death, log_a, log_b, inverse_a, inverse_b = silent_death(power, rate_a, s, rate_b, span)
        longer_a, longer_b = math.log1p(span / rate_a), math.log1p(span / rate_b)
        log_odds = log_death + power * longer_a + s * longer_b
        # log(1 + odds) without overflow, and the probability of having died
        out[0] += count[i] * (max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds))))
        dead = count[i] / (1.0 + math.exp(-log_odds))
        out[1] += dead * (longer_a - log_a)
        out[2] += dead * power * (1.0 / (rate_a + span) - inverse_a)
        out[3] += dead * (1.0 / s + longer_b - log_b)
        out[4] += dead * (s / (rate_b + span) - (s + 1.0) * inverse_b)
    return out
