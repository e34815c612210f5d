"""Discounted orders of customers whose gaps have k stages (the CNBD-k family)."""

import math

from clvsim.kernels.compiler import njit
from clvsim.kernels.quadrature import EASY_NODES, EASY_WEIGHTS, FORGOTTEN, STEEP_WIDTH, gauss_legendre

_SHORT_NODES, _SHORT_WEIGHTS = gauss_legendre(4)
_SHORT_WIDTH, _SHORT_DROP = 0.3, 0.3  # of a piece between two ages for that rule

_UNLIKELY = 1e-16  # numbers of stages with less than this chance together are left out


@njit("float64(float64[::1], float64, float64, float64, float64)", cache=True, nogil=True)
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
        n = 0  # stages
        log_pmf = -r * log_ratio
        if log_pmf < -600.0:  # far from its mode the law has no mass
            n = max(0, int(mean - 14.0 * math.sqrt(mean * math.exp(log_ratio))))
            log_pmf += math.lgamma(r + n) - math.lgamma(r) - math.lgamma(n + 1.0) + n * math.log(share)
        pmf = math.exp(log_pmf)
        m, stayed, reached = 1, 1.0, 0.0  # the next order, the chance to be there then, and orders that n stages make
        orders = 0.0
        while True:
            while n >= k * m - j:
                reached += stayed
                stayed *= (b + m - 1.0) / (a + b + m - 1.0)
                m += 1
            orders += pmf * reached  # positive terms only: few orders are as exact as many
            ratio = (r + n) / (n + 1.0) * share
            rest = pmf * (reached + stayed / (1.0 - ratio)) / (1.0 - ratio) if ratio < 1.0 else math.inf
            if not rest > _UNLIKELY * orders and (orders > 0.0 or not pmf > 0.0):  # as a geometric series
                break
            pmf *= ratio
            n += 1
        total += weight[j] * orders
    return total


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, :, ::1], float64, float64, float64[:, ::1])",
    cache=True,
    nogil=True,
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
            end = math.log1p(min(horizon, FORGOTTEN / force) / scale)
            total = 0.0
            if force * horizon < FORGOTTEN:
                orders = regular_orders_within(weight[d, i], shape, end, a[d], stays)
                total = math.exp(-force * horizon) * orders
            panels = math.ceil(end / STEEP_WIDTH)
            for panel in range(panels):
                for node in range(EASY_NODES.size):
                    u = (panel + EASY_NODES[node]) * end / panels
                    t = scale * math.expm1(u)
                    orders = regular_orders_within(weight[d, i], shape, u, a[d], stays)
                    density = force * math.exp(-force * t) * scale * math.exp(u)
                    total += EASY_WEIGHTS[node] * end / panels * density * orders
            out[d, i] = total


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64,"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
)
def regular_orders_by_age(r, alpha, a, b, weight, ages, force, out):
    """Orders of a newcomer who stays at first within each own age, each worth exp(-force * age), k = weight.size.

    r, alpha, a, b: (draw,), b counting a chance to leave at the first order. weight: (J,), all of it on no stage over.
    ages: (age,), ascending. out: (draw, age). As `regular_orders`, the integral going on from age to age.
    """
    for d in range(r.size):
        worth, before, until = 0.0, 0.0, 0.0
        for i in range(ages.size):
            end = math.log1p(ages[i] / alpha[d])
            orders = regular_orders_within(weight, r[d], end, a[d], b[d])
            if force > 0.0:
                width, drop = end - before, force * (ages[i] - until)
                nodes, weights = EASY_NODES, EASY_WEIGHTS
                if width < _SHORT_WIDTH and drop < _SHORT_DROP:
                    nodes, weights = _SHORT_NODES, _SHORT_WEIGHTS
                panels = math.ceil(max(width / STEEP_WIDTH, drop / 4.0))
                for panel in range(panels):
                    for node in range(nodes.size):
                        u = before + (panel + nodes[node]) * width / panels
                        t = alpha[d] * math.expm1(u)
                        if force * t < FORGOTTEN:
                            density = force * math.exp(-force * t) * alpha[d] * math.exp(u)
                            within = regular_orders_within(weight, r[d], u, a[d], b[d])
                            worth += weights[node] * width / panels * density * within
            out[d, i] = worth + math.exp(-force * ages[i]) * orders
            before, until = end, ages[i]
