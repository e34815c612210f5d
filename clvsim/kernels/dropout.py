"""Discounted orders of customers who may leave after each order (BG/NBD, MBG/NBD), by time or by their own clock."""

import math

import numpy as np

from clvsim.kernels.compiler import njit, types
from clvsim.kernels.hypergeometric import MAX_TERMS, euler_series
from clvsim.kernels.quadrature import (
    EASY_NODES,
    EASY_WEIGHTS,
    FLAT_DROP,
    FLAT_LENGTH,
    FLAT_NODES,
    FLAT_WEIGHTS,
    FORGOTTEN,
    READABLE,
    STEEP_WIDTH,
    gauss_legendre,
)

_NEAR = 4.0  # u up to which the series is used alone; with 1 - z = exp(-4) it needs some 1,500 terms at most
_FAR = 1.5  # where it stops otherwise
_LARGEST = 150.0  # a for which the series is used at all: it sums to about exp(a u), which is to stay below 1e308
_FAR_PANELS = 32  # that are kept
_TABLE_WIDTH, _TABLE_STEEP = 0.25, 2.0  # of a panel; how steep the logarithm of the intensity may be on it


def _integral(nodes: np.ndarray) -> np.ndarray:
    """From values at Gauss nodes in [0, 1] to powers of 2 u - 1 in the integral from 0 to u, (power, node)."""
    legendre = np.polynomial.legendre
    by_order = np.linalg.inv(legendre.legvander(2.0 * nodes - 1.0, nodes.size - 1))  # (order, node)
    integrated = legendre.legint(by_order, lbnd=-1, axis=0) / 2.0
    return np.stack([legendre.leg2poly(column) for column in integrated.T], axis=1)


_INTEGRAL = _integral(EASY_NODES)
# Rules for an integral between edges of a clock: how many nodes, how much of a discount's exponent they follow.
_RULE_SIZES, _RULE_DROPS = np.array([2, 3, 4, 8, 16]), np.array([0.01, 0.06, 0.4, 2.0, 5.0])
_RULES = np.zeros((_RULE_SIZES.size, 2, _RULE_SIZES[-1]))
for _i, _size in enumerate(_RULE_SIZES):
    _RULES[_i, :, :_size] = gauss_legendre(_size)
_RULE_ERROR = 1e-11  # relative to the intensity of orders


@njit(types.void(*[types.float64] * 5, READABLE, types.float64[::1]), cache=True, nogil=True)
def intensity_panel(shape, a, b, start, end, nodes, out):
    """BG/NBD order intensity shape e^u E[(1 + p y)^-(shape+1)], y = e^u - 1, p ~ Beta(a, b), at nodes of [start, end].

    nodes: (node,) in [0, 1]. out: (node,). Trapezoid in the logit of p, whose error falls exponentially with the step;
    beyond its ends, where the integrand no longer depends on p, the weights are a geometric series.
    """
    middle = math.log(a / b)
    # Where p^a, and (1 - p)^b, have fallen by exp(-40) from there; both large, one rises while the other falls, and the
    # law of the logit is all but normal.
    reach = 9.0 * math.sqrt(1.0 / a + 1.0 / b)
    low = -math.log(math.expm1(40.0 / a + math.log1p(math.exp(-middle))))
    high = math.log(math.expm1(40.0 / b + math.log1p(math.exp(middle))))
    low, high = max(min(low, middle - reach), -40.0 - end), min(max(high, middle + reach), 40.0)
    # As fine as the law of p is narrow.
    count = math.ceil((high - low) * math.sqrt(1.0 + a * b / (a + b)) / 0.4) + 2
    step = (high - low) / (count - 1)
    top = -a * math.log1p(math.exp(-middle)) - b * math.log1p(math.exp(middle))
    mass = 0.0
    y = np.empty(out.shape[0])
    for j in range(out.shape[0]):
        y[j] = math.expm1(start + (end - start) * nodes[j])
        out[j] = 0.0
    for k in range(count):
        w = low + step * k
        p = 1.0 / (1.0 + math.exp(-w))
        weight = math.exp(-a * math.log1p(math.exp(-w)) - b * math.log1p(math.exp(w)) - top)
        if k == 0:
            weight /= -math.expm1(-a * step)
        elif k == count - 1:
            weight /= -math.expm1(-b * step)
        mass += weight
        if weight > 0.0:
            for j in range(out.shape[0]):
                out[j] += weight * math.exp(-(shape + 1.0) * math.log1p(p * y[j]))
    for j in range(out.shape[0]):
        out[j] *= shape * (1.0 + y[j]) / mass


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64, float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def discounted_orders(r, alpha, a, b, x, age, horizon, force, out):
    """Orders a living BG/NBD customer is expected to make within `horizon`, each weighted by exp(-force * time).

    r, alpha, a, b: (draw,). x, age: (row,) repeat orders and time since the first order, sorted by x. out: (draw, row).
    All times in one unit; the horizon may be infinite.

    With r' = r + x, alpha' = alpha + age, b' = b + x the intensity of orders at future time t is
    E[lambda exp(-lambda p t)] = r' alpha'^r' (alpha' + t)^-(r'+1) 2F1(r'+1, b'; a+b'; z), z = t / (alpha' + t),
    which Euler's transformation turns into r'/alpha' (1-z)^a 2F1(a+b-r-1, a; a+b'; z): far fewer terms, no overflow,
    and coefficients that all customers with x orders share. u = log(1 + t/alpha') makes the integrand smooth, however
    young the customer. Where u is so large that the series is slow, the intensity, a function of u and x alone, comes
    from `intensity_panel`.
    """
    coefficient = np.empty(MAX_TERMS)
    z, factor, total = np.empty(EASY_NODES.size), np.empty(EASY_NODES.size), np.empty(EASY_NODES.size)
    far = np.empty((_FAR_PANELS, FLAT_NODES.size))
    partial = np.empty(FLAT_NODES.size)
    for d in range(r.shape[0]):
        first = a[d] + b[d] - r[d] - 1.0
        known, panels, known_x = 0, 0, -1.0
        for i in range(x.shape[0]):
            shape = r[d] + x[i]
            rate = alpha[d] + age[i]
            third = a[d] + b[d] + x[i]
            if force == 0.0 and horizon == np.inf:
                out[d, i] = (third - 1.0) / (a[d] - 1.0) if a[d] > 1.0 else np.inf
                continue
            if x[i] != known_x:
                known, panels, known_x = 1, 0, x[i]
                coefficient[0] = 1.0
            scale = force * rate
            end = math.log1p(horizon / rate)
            stop = min(end, math.log1p(FORGOTTEN / scale)) if scale > 0.0 else end
            # As far as the terms that are kept reach: they peak at a e^u and fall from there like a Poisson law's.
            reach = min(_NEAR, math.log(MAX_TERMS / (a[d] + math.sqrt(60.0 * a[d]) + 30.0)))
            near = stop if stop <= reach else min(_FAR, reach)
            if a[d] > _LARGEST:
                near = 0.0
            value = 0.0
            # Panels of the series, so short that neither a discount nor the intensity, whose logarithm is convex in u,
            # falls steeply in one that matters.
            drop, leaves = scale * math.expm1(near), a[d] / third
            leaves += 2.0 * math.sqrt(leaves * (1.0 - leaves) / (third + 1.0))  # what all but a few have for p
            fall = near * max((shape + 1.0) * leaves - 1.0, 0.0)
            pieces = max(math.ceil(near / (STEEP_WIDTH if drop > FLAT_DROP else _NEAR)), math.ceil(drop / 10.0))
            pieces = max(pieces, math.ceil(fall / FLAT_DROP))
            nodes, weights = EASY_NODES, EASY_WEIGHTS
            if near < FLAT_LENGTH and drop < 1.0 and fall < 2.0:
                nodes, weights = FLAT_NODES, FLAT_WEIGHTS
            size = nodes.shape[0]
            for piece in range(pieces - 1, -1, -1):
                width = near / pieces
                for j in range(size):
                    u = width * (piece + nodes[j])
                    growth = math.expm1(u)
                    z[j] = growth / (1.0 + growth)
                    factor[j] = width * weights[j] * shape * math.exp((1.0 - a[d]) * u - scale * growth)
                known = euler_series(coefficient, known, shape, first, a[d], b[d] + x[i], third, z[:size], total[:size])
                for j in range(size):
                    value += factor[j] * total[j]
            # Panels far out, which lie at the same u for every age.
            panel, start = 0, near
            while start < stop:
                width = min(STEEP_WIDTH, end - start)
                if width < STEEP_WIDTH or panel >= _FAR_PANELS:
                    intensity_panel(shape, a[d], b[d] + x[i], start, start + width, FLAT_NODES, partial)
                    found = partial
                else:
                    if panel >= panels:
                        intensity_panel(shape, a[d], b[d] + x[i], start, start + width, FLAT_NODES, far[panel])
                        panels = panel + 1
                    found = far[panel]
                for j in range(FLAT_NODES.size):
                    growth = math.expm1(start + width * FLAT_NODES[j])
                    value += width * FLAT_WEIGHTS[j] * found[j] * math.exp(-scale * growth)
                start += width
                panel += 1
            out[d, i] = value


def rule_limits(edges: np.ndarray, force: float) -> tuple[np.ndarray, np.ndarray]:
    """Edges (edge,) between which no discount is too steep for the last rule, and up to which growth of the clock,
    relative to alpha + age + what it ran before, each rule does for each piece, (edge - 1, rule).

    Orders before t are singular where the clock has run -(alpha + age): at (2 / growth + 1) half lengths of a piece
    from its middle. A Gauss rule of n nodes leaves about (4 / growth + 2)^-2n of that.
    """
    parts = np.maximum(np.ceil(force * np.diff(edges) / _RULE_DROPS[-1]), 1).astype(int)
    pieces = [np.linspace(*ends, n, endpoint=False) for *ends, n in zip(edges[:-1], edges[1:], parts, strict=True)]
    fine = np.append(np.concatenate(pieces), edges[-1])
    drop = force * np.diff(fine)[:, None]
    room = (4.0 * drop / _RULE_ERROR) ** (0.5 / _RULE_SIZES) - 2.0
    limit = np.where(room > 0, 4.0 / np.maximum(room, 1e-3), np.inf)
    limit[:, :-1][drop > _RULE_DROPS[:-1]] = 0.0
    return fine, np.ascontiguousarray(limit)


@njit("float64(float64[:, ::1], float64, float64)", cache=True, nogil=True)
def tabulated(table, width, u):
    """A function given as polynomials in (-1, 1) on panels of one width from 0, (panel, power)."""
    panel = max(min(int(u / width), table.shape[0] - 1), 0)
    at = 2.0 * (u / width - panel) - 1.0
    value = table[panel, table.shape[1] - 1]
    for n in range(table.shape[1] - 2, -1, -1):
        value = value * at + table[panel, n]
    return value


@njit("float64(float64, float64, float64)", cache=True, nogil=True)
def panel_width(r, a, b):
    """Of the panels of u on which `fill_panel` keeps the orders of customers without a repeat order yet."""
    return _TABLE_WIDTH / max(1.0, a / _TABLE_STEEP, a * r / (a + b) / _TABLE_STEEP)


@njit(
    "int64(float64[::1], int64, float64, float64, float64, int64, float64, float64[:, ::1], float64[:, ::1])",
    cache=True,
    nogil=True,
)
def fill_panel(coefficient, known, shape, a, b, panel, width, work, table):
    """One more panel of M(u), the orders before u = log(1 + time / rate) of a living customer, lambda ~ Gamma(shape,
    rate), p ~ Beta(a, b): the intensity at the nodes of a Gauss rule, integrated, as a polynomial; see `tabulated`.

    coefficient, known: see `euler_series`; returns how many are known now. work: (3, node). table: (panel, power), its
    panels before this one filled.
    """
    z, total, intensity = work[0], work[1], work[2]
    size = EASY_NODES.size
    start = panel * width
    if start + width > _NEAR or a > _LARGEST:
        intensity_panel(shape, a, b, start, start + width, EASY_NODES, intensity)
    else:
        for j in range(size):
            z[j] = -math.expm1(-start - width * EASY_NODES[j])
        known = euler_series(coefficient, known, shape, a + b - shape - 1.0, a, b, a + b, z, total)
        for j in range(size):
            intensity[j] = total[j] * shape * math.exp((1.0 - a) * (start + width * EASY_NODES[j]))
    before = 0.0
    if panel > 0:
        for n in range(size + 1):
            before += table[panel - 1, n]
    for n in range(size + 1):
        value = before if n == 0 else 0.0
        for j in range(size):
            value += width * _INTEGRAL[n, j] * intensity[j]
        table[panel, n] = value
    return known


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1],"
    " float64[::1], float64[:, ::1], float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def discounted_orders_by_clock(r, alpha, a, b, x, age, reached, edges, limit, force, out):
    """`discounted_orders` where buying runs on a clock of its own, which at time edges[k] has reached reached[d, k].

    r, alpha, a, b: (draw,). x: (row,), sorted. age: (draw, row) by the clock. reached: (draw, edge), edges: (edge,),
    both finite and from 0; in between the clock runs evenly. limit: `rule_limits`. out: (draw, row). The discount goes
    by time.

    M(u), the orders before u = log(1 + clock / (alpha + age)), depends on x and u only. It is tabulated, for all rows
    of one x, as polynomials on short panels: the intensity at the nodes of a Gauss rule, integrated. By parts, orders
    are worth exp(-force t) M at the end, and force times the integral of exp(-force t) M before it, which takes few
    nodes between edges.
    """
    last = limit.shape[1] - 1
    coefficient = np.empty(MAX_TERMS)
    work = np.empty((3, EASY_NODES.size))
    for d in range(r.shape[0]):
        width = panel_width(r[d], a[d], b[d])
        youngest = age[d, 0]
        for i in range(x.shape[0]):
            youngest = min(youngest, age[d, i])
        longest = math.log1p(reached[d, edges.shape[0] - 1] / (alpha[d] + youngest))
        table = np.empty((int(longest / width) + 1, EASY_NODES.size + 1))
        known, panels, known_x = 0, 0, -1.0
        for i in range(x.shape[0]):
            shape, rate = r[d] + x[i], alpha[d] + age[d, i]
            if x[i] != known_x:
                known, panels, known_x = 1, 0, x[i]
                coefficient[0] = 1.0
            until = math.log1p(reached[d, edges.shape[0] - 1] / rate)
            while panels * width <= until and panels < table.shape[0]:
                known = fill_panel(coefficient, known, shape, a[d], b[d] + x[i], panels, width, work, table)
                panels += 1
            value = math.exp(-force * edges[edges.shape[0] - 1]) * tabulated(table, width, until)
            for k in range(edges.shape[0] - 1 if force > 0.0 else 0):
                pace = (reached[d, k + 1] - reached[d, k]) / (edges[k + 1] - edges[k])
                time, goes_on = edges[k], edges[k + 1] > edges[k]
                while goes_on:
                    ran = reached[d, k] + pace * (time - edges[k])
                    step = edges[k + 1] - time
                    growth = pace * step / (rate + ran)
                    rule = 0
                    while rule < last and growth > limit[k, rule]:
                        rule += 1
                    goes_on = growth > limit[k, last]
                    if goes_on:
                        step = limit[k, last] * (rate + ran) / pace
                    for j in range(_RULE_SIZES[rule]):
                        past = step * _RULES[rule, 0, j]
                        u = math.log1p((ran + pace * past) / rate)
                        worth = force * step * _RULES[rule, 1, j] * math.exp(-force * (time + past))
                        value += worth * tabulated(table, width, u)
                    time += step
            out[d, i] = value
