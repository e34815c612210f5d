"""Pareto/NBD in silence: the probability of having died since the last order, of an order before death, and when."""

import math

import numpy as np

from clvsim.kernels.compiler import njit, types
from clvsim.kernels.hypergeometric import log_hyp2f1_positive
from clvsim.kernels.quadrature import (
    EASY_DROP,
    EASY_LENGTH,
    EASY_NODES,
    EASY_WEIGHTS,
    FLAT_DROP,
    FLAT_LENGTH,
    FLAT_NODES,
    FLAT_WEIGHTS,
    NODES,
    READABLE,
    SHORT_DROP,
    SHORT_LENGTH,
    SHORT_NODES,
    SHORT_WEIGHTS,
    WEIGHTS,
)

_DROP = 36.0  # where the integrand has fallen by exp(-36) the rest is below rounding
_LONG = 6.0  # a range of u for two times the nodes
_MOST = 16.0  # the same for a law of few points


@njit("UniTuple(float64, 2)(float64, float64, float64, float64, float64)", nogil=True, cache=True)
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


@njit("UniTuple(float64, 5)(float64, float64, float64, float64, float64)", nogil=True, cache=True)
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
    nodes, weights = NODES, WEIGHTS
    if drop < SHORT_DROP and end < SHORT_LENGTH:
        nodes, weights = SHORT_NODES, SHORT_WEIGHTS
    elif drop < FLAT_DROP and end < FLAT_LENGTH:
        nodes, weights = FLAT_NODES, FLAT_WEIGHTS
    elif drop < EASY_DROP and end < EASY_LENGTH:
        nodes, weights = EASY_NODES, EASY_WEIGHTS
    total, log_least, log_other, inverse_least, inverse_other = 0.0, 0.0, 0.0, 0.0, 0.0
    pieces = 2 if end > _LONG else 1
    for piece in range(pieces):
        for i in range(nodes.shape[0]):
            u = end * (piece + nodes[i]) / pieces
            growth = math.exp(u)
            grown = 1.0 + ratio * (growth - 1.0)
            log_grown = math.log(grown)
            mass = weights[i] * math.exp(u - first * u - second * log_grown) / pieces
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


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True)
def order_ever(power, rate_a, s, rate_b):
    """E[lambda / (lambda + mu)], lambda ~ Gamma(power, rate_a), mu ~ Gamma(s, rate_b): P(orders before dying)."""
    if rate_a <= rate_b:
        series = log_hyp2f1_positive(s, 1.0, power + s + 1.0, 1.0 - rate_a / rate_b)
        return power / (power + s) * math.exp(series)
    # Pfaff's transformation of the same: all terms are positive here too.
    series = log_hyp2f1_positive(power + 1.0, 1.0, power + s + 1.0, 1.0 - rate_b / rate_a)
    return power / (power + s) * rate_b / rate_a * math.exp(series)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
)
def log_order_first(r, alpha, s, beta, x, start, span, out):
    """log P(orders within `span` before dying | alive at `start` with x orders): `silent_death`, roles exchanged.

    Shapes as in `log_silent_death`. Over an infinite span it is `order_ever`.
    """
    for d in range(r.shape[0]):
        for i in range(x.shape[0]):
            power, rate_a, rate_b = r[d] + x[i], alpha[d] + start[i], beta[d] + start[i]
            out[d, i] = -np.inf
            if span[i] == np.inf:
                out[d, i] = math.log(order_ever(power, rate_a, s[d], rate_b))
            elif span[i] > 0.0:
                out[d, i] = silent_death(s[d], rate_b, power, rate_a, span[i])[0]


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[::1], float64[::1], float64[:, :, ::1], float64[:, :, ::1])",
    cache=True,
    nogil=True,
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
    types.float64[::1](*[types.float64] * 4, *[READABLE] * 4),
    cache=True,
    nogil=True,
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
