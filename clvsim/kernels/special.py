"""What retention models need beyond elementary functions: hypergeometric sums (BG/NBD family), deaths (Pareto/NBD)."""

import math

import numpy as np

from clvsim.kernels.compiler import njit, types

_TOLERANCE = 1e-12  # of the neglected tail, relative to the sum
_MAX_CANCELLATION = -4.0  # least first parameter for which the quickly converging series is used
_NEAR = 4.0  # u up to which it is used alone; with 1 - z = exp(-4) it needs some 1,500 terms at most
_FAR = 1.5  # where it stops otherwise
_MAX_TERMS = 4096
_STEEP_WIDTH = 0.75  # of a panel of u on which a discount may fall double-exponentially
_FAR_PANELS = 32  # that are kept
_FORGOTTEN = 40.0  # what is discounted by exp(-40) is below rounding


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
_TABLE_WIDTH, _TABLE_STEEP = 0.25, 2.0  # of a panel; how steep the logarithm of the intensity may be on it


def _integral(nodes: np.ndarray) -> np.ndarray:
    """From values at Gauss nodes in [0, 1] to powers of 2 u - 1 in the integral from 0 to u, (power, node)."""
    legendre = np.polynomial.legendre
    by_order = np.linalg.inv(legendre.legvander(2.0 * nodes - 1.0, nodes.size - 1))  # (order, node)
    integrated = legendre.legint(by_order, lbnd=-1, axis=0) / 2.0
    return np.stack([legendre.leg2poly(column) for column in integrated.T], axis=1)


_INTEGRAL = _integral(_EASY_NODES)
# Rules for an integral between edges of a clock: how many nodes, how much of a discount's exponent they follow.
_RULE_SIZES, _RULE_DROPS = np.array([2, 3, 4, 8, 16]), np.array([0.01, 0.06, 0.4, 2.0, 5.0])
_RULES = np.zeros((_RULE_SIZES.size, 2, _RULE_SIZES[-1]))
for _i, _size in enumerate(_RULE_SIZES):
    _RULES[_i, :, :_size] = _gauss_legendre(_size)
_RULE_ERROR = 1e-11  # relative to the intensity of orders
_DATA = types.Array(types.float64, 1, "C", readonly=True)  # what can be written to is accepted too
_DROP = 36.0  # where the integrand has fallen by exp(-36) the rest is below rounding
_MOST = 16.0  # the same for a law of few points
_UNLIKELY = 1e-16  # numbers of stages with less than this chance together are left out


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
    "UniTuple(int64, 2)(float64[::1], int64, float64, float64, float64, float64)",
    cache=True,
    nogil=True,
    error_model="numpy",
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
        if not (ratio >= 1.0 or rest > _TOLERANCE * (1.0 - ratio) * abs(total)) or n == _MAX_TERMS:
            return n, known


@njit(
    "int64(float64[::1], int64, float64, float64, float64, float64, float64, float64[::1], float64[::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
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


@njit(types.void(*[types.float64] * 5, _DATA, types.float64[::1]), cache=True, nogil=True, error_model="numpy")
def intensity_panel(shape, a, b, start, end, nodes, out):
    """BG/NBD order intensity shape e^u E[(1 + p y)^-(shape+1)], y = e^u - 1, p ~ Beta(a, b), at nodes of [start, end].

    nodes: (node,) in [0, 1]. out: (node,). Trapezoid in the logit of p, whose error falls exponentially with the step;
    beyond its ends, where the integrand no longer depends on p, the weights are a geometric series.
    """
    middle = math.log(a / b)
    # Where p^a, and (1 - p)^b, have fallen by exp(-40) from there.
    low = max(-math.log(math.expm1(40.0 / a + math.log1p(math.exp(-middle)))), -40.0 - end)
    high = min(math.log(math.expm1(40.0 / b + math.log1p(math.exp(middle)))), 40.0)
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
    error_model="numpy",
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
    coefficient = np.empty(_MAX_TERMS)
    z, factor, total = np.empty(_EASY_NODES.size), np.empty(_EASY_NODES.size), np.empty(_EASY_NODES.size)
    far = np.empty((_FAR_PANELS, _FLAT_NODES.size))
    partial = np.empty(_FLAT_NODES.size)
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
            stop = min(end, math.log1p(_FORGOTTEN / scale)) if scale > 0.0 else end
            near = stop if stop <= _NEAR else _FAR
            value = 0.0
            # Panels of the series, so short that no discount falls steeply in one that matters.
            drop = scale * math.expm1(near)
            pieces = max(math.ceil(near / (_STEEP_WIDTH if drop > _FLAT_DROP else _NEAR)), math.ceil(drop / 10.0))
            nodes, weights = _EASY_NODES, _EASY_WEIGHTS
            if near < _FLAT_LENGTH and drop < 1.0:
                nodes, weights = _FLAT_NODES, _FLAT_WEIGHTS
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
                width = min(_STEEP_WIDTH, end - start)
                if width < _STEEP_WIDTH or panel >= _FAR_PANELS:
                    intensity_panel(shape, a[d], b[d] + x[i], start, start + width, _FLAT_NODES, partial)
                    found = partial
                else:
                    if panel >= panels:
                        intensity_panel(shape, a[d], b[d] + x[i], start, start + width, _FLAT_NODES, far[panel])
                        panels = panel + 1
                    found = far[panel]
                for j in range(_FLAT_NODES.size):
                    growth = math.expm1(start + width * _FLAT_NODES[j])
                    value += width * _FLAT_WEIGHTS[j] * found[j] * math.exp(-scale * growth)
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


@njit("float64(float64[:, ::1], float64, float64)", cache=True, nogil=True, error_model="numpy")
def tabulated(table, width, u):
    """A function given as polynomials in (-1, 1) on panels of one width from 0, (panel, power)."""
    panel = max(min(int(u / width), table.shape[0] - 1), 0)
    at = 2.0 * (u / width - panel) - 1.0
    value = table[panel, table.shape[1] - 1]
    for n in range(table.shape[1] - 2, -1, -1):
        value = value * at + table[panel, n]
    return value


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1],"
    " float64[::1], float64[:, ::1], float64, float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
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
    size = _EASY_NODES.size
    coefficient = np.empty(_MAX_TERMS)
    z, total, intensity = np.empty(size), np.empty(size), np.empty(size)
    for d in range(r.shape[0]):
        first = a[d] + b[d] - r[d] - 1.0
        width = _TABLE_WIDTH / max(1.0, a[d] / _TABLE_STEEP, a[d] * r[d] / (a[d] + b[d]) / _TABLE_STEEP)
        youngest = age[d, 0]
        for i in range(x.shape[0]):
            youngest = min(youngest, age[d, i])
        longest = math.log1p(reached[d, edges.shape[0] - 1] / (alpha[d] + youngest))
        table = np.empty((int(longest / width) + 1, size + 1))
        known, panels, known_x = 0, 0, -1.0
        for i in range(x.shape[0]):
            shape, rate, third = r[d] + x[i], alpha[d] + age[d, i], a[d] + b[d] + x[i]
            if x[i] != known_x:
                known, panels, known_x = 1, 0, x[i]
                coefficient[0] = 1.0
            until = math.log1p(reached[d, edges.shape[0] - 1] / rate)
            while panels * width <= until and panels < table.shape[0]:
                start = panels * width
                if start + width > _NEAR:
                    intensity_panel(shape, a[d], b[d] + x[i], start, start + width, _EASY_NODES, intensity)
                else:
                    for j in range(size):
                        z[j] = -math.expm1(-start - width * _EASY_NODES[j])
                    known = euler_series(coefficient, known, shape, first, a[d], b[d] + x[i], third, z, total)
                    for j in range(size):
                        intensity[j] = total[j] * shape * math.exp((1.0 - a[d]) * (start + width * _EASY_NODES[j]))
                before = 0.0
                if panels > 0:
                    for n in range(size + 1):
                        before += table[panels - 1, n]
                for n in range(size + 1):
                    value = before if n == 0 else 0.0
                    for j in range(size):
                        value += width * _INTEGRAL[n, j] * intensity[j]
                    table[panels, n] = value
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


@njit("float64(float64, float64, float64, float64)", cache=True, nogil=True, error_model="numpy")
def order_ever(power, rate_a, s, rate_b):
    """E[lambda / (lambda + mu)], lambda ~ Gamma(power, rate_a), mu ~ Gamma(s, rate_b): P(orders before dying)."""
    if rate_a <= rate_b:
        series = log_hyp2f1_positive(s, 1.0, power + s + 1.0, 1.0 - rate_a / rate_b)
        return power / (power + s) * math.exp(series)
    series = log_hyp2f1_positive(power, 1.0, power + s + 1.0, 1.0 - rate_b / rate_a)
    return 1.0 - s / (power + s) * math.exp(series)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
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


@njit("float64(float64[::1], float64, float64, float64, float64)", cache=True, nogil=True, error_model="numpy")
def regular_orders_within(weight, shape, log_ratio, a, b):
    """Expected orders of a living CNBD-k customer within a time t, k = weight.size.

    weight: (J,) probability that J stages of the running gap are over; given J, stages are NegBin(shape + J) with
    log_ratio = log(1 + t/alpha') between its parameters. Order m falls with stage k m - J, if none of the m - 1 before
    was the last: B(a, b+m-1)/B(a, b).
    """
    k = weight.size
    share = -math.expm1(-log_ratio)
    total = 0.0
    for j in range(k):
        r = shape + j
        mean = r * math.expm1(log_ratio)
        n, cdf = 0, 0.0  # stages, and the probability of fewer
        log_pmf = -r * log_ratio
        if log_pmf < -600.0:  # far from its mode the law has no mass
            n = max(0, int(mean - 14.0 * math.sqrt(mean * math.exp(log_ratio))))
            log_pmf += math.lgamma(r + n) - math.lgamma(r) - math.lgamma(n + 1.0) + n * math.log(share)
        pmf = math.exp(log_pmf)
        m, stayed = 1, 1.0
        orders = 0.0
        while True:
            while n < k * m - j:
                cdf += pmf
                pmf *= (r + n) / (n + 1.0) * share
                n += 1
            orders += stayed * max(1.0 - cdf, 0.0)
            ratio = (r + n) / (n + 1.0) * share
            if ratio < 1.0 and not pmf > _UNLIKELY * (1.0 - ratio):  # what is left, as a geometric series
                break
            stayed *= (b + m - 1.0) / (a + b + m - 1.0)
            m += 1
        total += weight[j] * orders
    return total


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, :, ::1], float64, float64, float64[:, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def regular_orders(r, alpha, a, b, x, age, weight, horizon, force, out):
    """Orders a living CNBD-k customer is expected to make within `horizon`, each weighted by exp(-force * time).

    r, alpha, a, b: (draw,), b counting a chance to leave at the first order. x, age: (row,). weight: (draw, row, J).
    out: (draw, row). All times in one unit; the horizon may be infinite. With a discount: its value at the horizon
    times the orders until then, plus the integral of force exp(-force t) times the orders until t.
    """
    k = weight.shape[2]
    for d in range(r.size):
        for i in range(x.size):
            shape, scale, stays = r[d] + k * x[i], alpha[d] + age[i], b[d] + x[i]
            if force == 0.0:
                if math.isinf(horizon):
                    out[d, i] = (a[d] + stays - 1.0) / (a[d] - 1.0) if a[d] > 1.0 else math.inf
                else:
                    out[d, i] = regular_orders_within(weight[d, i], shape, math.log1p(horizon / scale), a[d], stays)
                continue
            end = math.log1p(min(horizon, _FORGOTTEN / force) / scale)
            total = 0.0
            if force * horizon < _FORGOTTEN:
                orders = regular_orders_within(weight[d, i], shape, end, a[d], stays)
                total = math.exp(-force * horizon) * orders
            panels = math.ceil(end / _STEEP_WIDTH)
            for panel in range(panels):
                for node in range(_EASY_NODES.size):
                    u = (panel + _EASY_NODES[node]) * end / panels
                    t = scale * math.expm1(u)
                    orders = regular_orders_within(weight[d, i], shape, u, a[d], stays)
                    density = force * math.exp(-force * t) * scale * math.exp(u)
                    total += _EASY_WEIGHTS[node] * end / panels * density * orders
            out[d, i] = total
