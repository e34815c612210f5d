"""Pareto/NBD by two clocks: customers buy by a clock that runs m times as fast, and die by the calendar.

A clock that has run is told by (`ago`, `run`): time ago, ascending from 0 to the length of the log, and how far it ran
since then; one that will run by (`edge`, `pace`): times ahead, and how fast between them. Between edges it runs evenly.
There, with A = alpha + what the clock has run and B = beta + time, a customer who buys at lambda m is one of a
Pareto/NBD without seasons, lambda m ~ Gamma(power, A/m) and mu ~ Gamma(s, B): what is known of silence holds piece by
piece.
"""

import math

import numpy as np

from clvsim.kernels.compiler import njit, types
from clvsim.kernels.quadrature import EASY_NODES, EASY_WEIGHTS, FORGOTTEN, READABLE, STEEP_WIDTH, gauss_legendre
from clvsim.kernels.silence import order_ever, reach, silent_death

_BELOW_ROUNDING = 1e-16
_MOST = 16.0  # fall of the logarithm of a density, in a law of few points
_SHORT_WIDTH, _SHORT_DROP = 0.15, 0.5  # of a piece for three nodes
_SHORT_NODES, _SHORT_WEIGHTS = gauss_legendre(3)


@njit("float64(float64[::1], float64[::1], float64)", cache=True, nogil=True)
def run_since(ago, run, time):
    """How far the clock ran in the last `time`."""
    k = max(min(np.searchsorted(ago, time), ago.size - 1), 1)
    return run[k - 1] + (run[k] - run[k - 1]) * (time - ago[k - 1]) / (ago[k] - ago[k - 1])


@njit(
    "float64(float64, float64, float64, float64, float64[::1], float64[::1], float64)",
    cache=True,
    nogil=True,
)
def silent_deaths(power, rate_a, s, rate_b, ago, run, silent):
    """log P(dies silently in the last `silent` | alive then), lambda ~ Gamma(power, rate_a), mu ~ Gamma(s, rate_b)."""
    total, log_alive, left = 0.0, 0.0, silent
    k = min(np.searchsorted(ago, silent), ago.size - 1) - 1
    while left > 0.0 and math.exp(log_alive) > _BELOW_ROUNDING * total:
        pace = (run[k + 1] - run[k]) / (ago[k + 1] - ago[k])
        width = left - ago[k]
        total += math.exp(log_alive + silent_death(power, rate_a / pace, s, rate_b, width)[0])
        log_alive -= power * math.log1p(pace * width / rate_a) + s * math.log1p(width / rate_b)
        rate_a += pace * width
        rate_b += width
        left = ago[k]
        k -= 1
    return math.log(total)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1],"
    " float64[::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def log_odds_dead(r, alpha, s, beta, ago, run, x, t_x, T, out):
    """log of P(died in (t_x, T)) / P(alive at T) given the history; -inf where the last order was at T.

    r, alpha, s, beta: (draw,). ago: (edge,), run: (draw, edge). x, t_x, T: (row,) by the calendar. out: (draw, row).
    """
    for d in range(r.size):
        for i in range(x.size):
            silent = T[i] - t_x[i]
            if silent <= 0.0:
                out[d, i] = -np.inf
                continue
            power, rate_b = r[d] + x[i], beta[d] + t_x[i]
            passed = run_since(ago, run[d], silent)
            rate_a = alpha[d] + run_since(ago, run[d], T[i]) - passed
            alive = power * math.log1p(passed / rate_a) + s[d] * math.log1p(silent / rate_b)
            out[d, i] = silent_deaths(power, rate_a, s[d], rate_b, ago, run[d], silent) + alive


@njit(
    types.float64[::1](*[types.float64] * 4, *[READABLE] * 6),
    cache=True,
    nogil=True,
)
def lost_or_not_by_clock(r, alpha, s, beta, run, ago, x, t_x, T, count):
    """`silence.lost_or_not` by two clocks: the sum, its gradient in (r, alpha, s, beta) and in `run`, (5 + edge,).

    Nodes lie by the calendar, where the limits of the integral hold no parameter: this is the quadrature of the exact
    derivative.
    """
    edges = ago.size
    out = np.zeros(5 + edges)
    by_run = np.empty(edges)
    for i in range(x.size):
        power, silent = r + x[i], T[i] - t_x[i]
        first = max(min(np.searchsorted(ago, T[i]), edges - 1), 1)  # T lies in the piece before this edge
        share = (T[i] - ago[first - 1]) / (ago[first] - ago[first - 1])
        run_T = run[first - 1] + (run[first] - run[first - 1]) * share
        last = min(np.searchsorted(ago, silent), edges - 1)  # the silence began in the piece before this edge
        passed = run[last - 1] + (run[last] - run[last - 1]) * (silent - ago[last - 1]) / (ago[last] - ago[last - 1])
        start_a, start_b = alpha + run_T - passed, beta + t_x[i]
        longer_a, longer_b = math.log1p(passed / start_a), math.log1p(silent / start_b)
        # Means under the density of death, relative to the beginning of the silence, not yet divided by `total`.
        total, log_a, log_b, inverse_a, inverse_b = 0.0, 0.0, 0.0, 0.0, 0.0
        by_run[: last + 1] = 0.0
        log_alive, left, rate_a, rate_b = 0.0, silent, start_a, start_b
        k = last - 1
        while left > 0.0 and math.exp(log_alive) > _BELOW_ROUNDING * total:
            length = ago[k + 1] - ago[k]
            pace = (run[k + 1] - run[k]) / length
            width = left - ago[k]
            found = silent_death(power, rate_a / pace, s, rate_b, width)
            mass = math.exp(log_alive + found[0])
            inverse = found[3] / pace
            past = (1.0 - rate_a * inverse) / pace  # mean of (time since the piece began) / A
            total += mass
            log_a += mass * (found[1] + math.log(rate_a / start_a))
            log_b += mass * (found[2] + math.log(rate_b / start_b))
            inverse_a += mass * inverse
            inverse_b += mass * found[4]
            by_later = ((left - ago[k]) * inverse - past) / length
            by_run[k + 1] += mass * by_later
            by_run[k] += mass * (inverse - by_later)
            log_alive -= power * math.log1p(pace * width / rate_a) + s * math.log1p(width / rate_b)
            rate_a += pace * width
            rate_b += width
            left = ago[k]
            k -= 1
        log_odds = math.log(total) + power * longer_a + s * longer_b
        out[0] += count[i] * (max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds))))
        dead = count[i] / (1.0 + math.exp(-log_odds))
        by_a = power * (1.0 / (alpha + run_T) - inverse_a / total)
        out[1] += dead * (longer_a - log_a / total)
        out[2] += dead * by_a
        out[3] += dead * (1.0 / s + longer_b - log_b / total)
        out[4] += dead * (s / (start_b + silent) - (s + 1.0) * inverse_b / total)
        out[5 + first - 1] += dead * by_a * (1.0 - share)
        out[5 + first] += dead * by_a * share
        for j in range(last + 1):
            out[5 + j] += dead * power * by_run[j] / total
    return out


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1],"
    " float64[::1], float64[::1], float64[:, ::1], float64[:, :, :, ::1])",
    cache=True,
    nogil=True,
)
def moments_of_death_by_clock(r, alpha, s, beta, ago, run, x, t_x, T, rule, out):
    """`silence.moments_of_death` by two clocks: when customers died, how far theirs had run, and with which weights.

    rule: (2, node), Gauss-Legendre nodes on [-1, 1] and weights. out: (3, draw, row, node). The nodes are those of a
    clock that runs evenly through the silence.
    """
    nodes, weights = rule[0], rule[1]
    moment, ran, weight = out[0], out[1], out[2]
    for d in range(r.size):
        for i in range(x.size):
            power, rate_b, silent = r[d] + x[i], beta[d] + t_x[i], T[i] - t_x[i]
            until = run_since(ago, run[d], T[i])
            passed = run_since(ago, run[d], silent) if silent > 0.0 else 0.0
            rate_a = alpha[d] + until - passed
            pace = passed / silent if silent > 0.0 else 1.0
            least, other, first, second = rate_a / pace, rate_b, power, s[d] + 1.0
            if least > other:
                least, other, first, second = other, least, s[d] + 1.0, power
            end, _ = reach(first - 1.0, second, least / other, math.log1p(silent / least), _MOST)
            total = 0.0
            for j in range(nodes.size):
                u = 0.5 * end * (1.0 + nodes[j])
                past = least * math.expm1(u)
                gone = passed - run_since(ago, run[d], max(silent - past, 0.0)) if silent > 0.0 else 0.0
                moment[d, i, j] = t_x[i] + past
                ran[d, i, j] = until - passed + gone
                log_density = u - power * math.log1p(gone / rate_a) - (s[d] + 1.0) * math.log1p(past / rate_b)
                weight[d, i, j] = weights[j] * math.exp(log_density)
                total += weight[d, i, j]
            for j in range(nodes.size):
                weight[d, i, j] /= total


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1],"
    " float64[:, ::1], float64[::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def order_first_by_clock(r, alpha, s, beta, edge, pace, x, ran, T, out):
    """P(orders before dying, up to the last edge | alive at T with x orders).

    edge: (edge,) from 0, the last one may be infinite. pace: (draw, edge - 1). ran: (draw, row), T by the clock. out:
    (draw, row).
    """
    for d in range(r.size):
        for i in range(x.size):
            power, rate_a, rate_b = r[d] + x[i], alpha[d] + ran[d, i], beta[d] + T[i]
            total, log_silent, k = 0.0, 0.0, 0
            while k < edge.size - 1 and math.exp(log_silent) > _BELOW_ROUNDING:
                width = edge[k + 1] - edge[k]
                if width == np.inf:
                    total += math.exp(log_silent) * order_ever(power, rate_a / pace[d, k], s[d], rate_b)
                    break
                run = pace[d, k] * width
                total += math.exp(log_silent + silent_death(s[d], rate_b, power, rate_a / pace[d, k], width)[0])
                log_silent -= power * math.log1p(run / rate_a) + s[d] * math.log1p(width / rate_b)
                rate_a += run
                rate_b += width
                k += 1
            out[d, i] = total


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True)
def expected_life(s, rate_b, span, force):
    """Integral over 0..span of exp(-force t) (B / (B + t))^s dt; the span may be infinite.

    With u = log(1 + t/B) the integrand is smooth however young the customer. Without discount it is elementary.
    """
    end = math.log1p(span / rate_b)
    if force == 0.0:
        if end == np.inf:
            return rate_b / (s - 1.0) if s > 1.0 else np.inf
        power = (1.0 - s) * end
        return rate_b * end * (math.expm1(power) / power if power != 0.0 else 1.0)
    scale = force * rate_b
    end = min(end, math.log1p(FORGOTTEN / scale))
    if s > 1.0:
        end = min(end, FORGOTTEN / (s - 1.0))
    drop = scale * math.expm1(end)
    nodes, weights, panels = EASY_NODES, EASY_WEIGHTS, max(math.ceil(end / STEEP_WIDTH), math.ceil(drop / 10.0))
    if end < _SHORT_WIDTH and drop < _SHORT_DROP and abs(s - 1.0) * end < _SHORT_DROP:
        nodes, weights, panels = _SHORT_NODES, _SHORT_WEIGHTS, 1
    width, total = end / panels, 0.0
    for panel in range(panels):
        for j in range(nodes.size):
            u = width * (panel + nodes[j])
            total += weights[j] * math.exp((1.0 - s) * u - scale * math.expm1(u))
    return rate_b * width * total


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def life_by_clock(s, beta, age, edge, pace, force, out):
    """What the clock is expected to run in the life of somebody who is alive at `age`, up to the last edge, discounted.

    s, beta: (draw,). age: (row,). edge: (edge,) from 0, the last one may be infinite. pace: (draw, edge - 1). The
    discount exp(-force t) goes by the calendar. out: (draw, row).
    """
    for d in range(s.size):
        for i in range(age.size):
            rate_b = beta[d] + age[i]
            total = 0.0
            for k in range(edge.size - 1):
                alive = math.exp(-s[d] * math.log1p(edge[k] / rate_b) - force * edge[k])
                if alive > 0.0:
                    total += pace[d, k] * alive * expected_life(s[d], rate_b + edge[k], edge[k + 1] - edge[k], force)
            out[d, i] = total
