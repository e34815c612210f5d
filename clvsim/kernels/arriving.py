"""Orders of customers yet to come who may leave after each order (BG/NBD, MBG/NBD), by a clock that says how fast all
buy when."""

import math

import numpy as np

from clvsim.kernels.compiler import njit
from clvsim.kernels.dropout import fill_panel, panel_width, tabulated
from clvsim.kernels.hypergeometric import MAX_TERMS
from clvsim.kernels.quadrature import EASY_NODES, gauss_legendre

BIRTH_NODES, BIRTH_WEIGHTS = gauss_legendre(12)  # within the days in which somebody comes
# Of a step of Simpson's rule for the discount: days, fall of its exponent, growth of alpha and the clock together.
_LONGEST_STEP, _MOST_DROP, _MOST_GROWTH = 31.0, 0.1, 0.3


@njit("float64(float64[:, ::1], int64, float64)", cache=True, nogil=True)
def clock_at(ran, d, day):
    """How far the clock has run by a day, which it does evenly between whole days. ran: (draw, day)."""
    whole = min(int(day), ran.shape[1] - 2)
    return ran[d, whole] + (ran[d, whole + 1] - ran[d, whole]) * (day - whole)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[::1],"
    " float64[::1], float64, float64[:, :, ::1])",
    cache=True,
    nogil=True,
)
def orders_of_arrivals(r, alpha, a, b, ran, born, weight, ages, force, out):
    """Orders of somebody who comes later and stays at first, within own ages, each worth exp(-force * own age).

    r, alpha, a, b: (draw,), in days. ran: (draw, day), how far the clock has run by each day from today on, up to the
    last at which somebody is followed. born: (arrival, node), days on which they come, weight: (node,) of these. ages:
    (age,), ascending. out: (draw, arrival, age).

    M(u), the orders before u = log(1 + clock / alpha), is the same whenever somebody comes; see
    `dropout.discounted_orders_by_clock`. By parts orders are worth exp(-force t) M at the end, and force times the
    integral of exp(-force t) M before it.
    """
    coefficient, work = np.empty(MAX_TERMS), np.empty((3, EASY_NODES.size))
    last = ages[ages.size - 1]
    for d in range(r.size):
        farthest = 0.0
        for m in range(born.shape[0]):
            for j in range(weight.size):
                farthest = max(farthest, clock_at(ran, d, born[m, j] + last) - clock_at(ran, d, born[m, j]))
        width = panel_width(r[d], a[d], b[d])
        panels = int(math.log1p(farthest / alpha[d]) / width) + 1
        table = np.empty((panels, EASY_NODES.size + 1))
        coefficient[0] = 1.0
        known = 1
        for panel in range(panels):
            known = fill_panel(coefficient, known, r[d], a[d], b[d], panel, width, work, table)
        for m in range(born.shape[0]):
            for k in range(ages.size):
                out[d, m, k] = 0.0
            for j in range(weight.size):
                start = clock_at(ran, d, born[m, j])
                worth, t, before = 0.0, 0.0, 0.0
                for k in range(ages.size):
                    orders = 0.0
                    while t < ages[k]:
                        step = ages[k] - t
                        if force > 0.0:
                            passed = clock_at(ran, d, born[m, j] + t) - start
                            most = min(_LONGEST_STEP, _MOST_DROP / force, _MOST_GROWTH * (alpha[d] + passed))
                            step /= math.ceil(step / most)
                            u = math.log1p((clock_at(ran, d, born[m, j] + t + 0.5 * step) - start) / alpha[d])
                            middle = math.exp(-force * (t + 0.5 * step)) * tabulated(table, width, u)
                        end = ages[k] if t + 1.5 * step > ages[k] else t + step
                        u = math.log1p((clock_at(ran, d, born[m, j] + end) - start) / alpha[d])
                        orders = math.exp(-force * end) * tabulated(table, width, u)
                        if force > 0.0:
                            worth += force * step / 6.0 * (before + 4.0 * middle + orders)
                        before, t = orders, end
                    out[d, m, k] += weight[j] * (worth + orders)
