"""Orders of customers yet to come who may leave after each order (BG/NBD, MBG/NBD), by a clock that says how fast all
buy when."""

import math

import numpy as np

from clvsim.kernels.compiler import njit
from clvsim.kernels.dropout import fill_panel, panel_width, tabulated
from clvsim.kernels.hypergeometric import MAX_TERMS
from clvsim.kernels.quadrature import EASY_NODES, gauss_legendre

_BIRTH_NODES, _BIRTH_WEIGHTS = gauss_legendre(12)  # within the days in which somebody comes
_AGE_NODES, _AGE_WEIGHTS = gauss_legendre(3)  # of the discount, between two ages
_LONGEST_STEP = 31.0  # days between ages, and as much of the exponent's fall as one rule may see
_MOST_DROP = 1.0


@njit("float64(float64[:, ::1], int64, float64)", cache=True, nogil=True, error_model="numpy")
def clock_at(ran, d, day):
    """How far the clock has run by a day, which it does evenly between whole days. ran: (draw, day)."""
    whole = min(int(day), ran.shape[1] - 2)
    return ran[d, whole] + (ran[d, whole + 1] - ran[d, whole]) * (day - whole)


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[::1], float64,"
    " float64[::1], float64, float64[:, :, ::1])",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def orders_of_arrivals(r, alpha, a, b, ran, first_days, spread, ages, force, out):
    """Orders of somebody who comes later and stays at first, within own ages, each worth exp(-force * own age).

    r, alpha, a, b: (draw,), in days. ran: (draw, day), how far the clock has run by each day from today on, up to the
    last at which somebody is followed. first_days: (arrival,); they come evenly within `spread` days from there. ages:
    (age,), ascending. out: (draw, arrival, age).

    M(u), the orders before u = log(1 + clock / alpha), is the same whenever somebody comes; see
    `dropout.discounted_orders_by_clock`. By parts orders are worth exp(-force t) M at the end, and force times the
    integral of exp(-force t) M before it.
    """
    coefficient, work = np.empty(MAX_TERMS), np.empty((3, EASY_NODES.size))
    last = ages[ages.size - 1]
    for d in range(r.size):
        farthest = 0.0
        for m in range(first_days.size):
            for j in range(_BIRTH_NODES.size):
                born = first_days[m] + spread * _BIRTH_NODES[j]
                farthest = max(farthest, clock_at(ran, d, born + last) - clock_at(ran, d, born))
        width = panel_width(r[d], a[d], b[d])
        panels = int(math.log1p(farthest / alpha[d]) / width) + 1
        table = np.empty((panels, EASY_NODES.size + 1))
        coefficient[0] = 1.0
        known = 1
        for panel in range(panels):
            known = fill_panel(coefficient, known, r[d], a[d], b[d], panel, width, work, table)
        for m in range(first_days.size):
            for k in range(ages.size):
                out[d, m, k] = 0.0
            for j in range(_BIRTH_NODES.size):
                born = first_days[m] + spread * _BIRTH_NODES[j]
                before = clock_at(ran, d, born)
                worth, age = 0.0, 0.0
                for k in range(ages.size):
                    if force > 0.0:
                        span = ages[k] - age
                        pieces = math.ceil(max(span / _LONGEST_STEP, force * span / _MOST_DROP))
                        for piece in range(pieces):
                            for n in range(_AGE_NODES.size):
                                t = age + span * (piece + _AGE_NODES[n]) / pieces
                                u = math.log1p((clock_at(ran, d, born + t) - before) / alpha[d])
                                weight = force * span / pieces * _AGE_WEIGHTS[n] * math.exp(-force * t)
                                worth += weight * tabulated(table, width, u)
                    age = ages[k]
                    u = math.log1p((clock_at(ran, d, born + age) - before) / alpha[d])
                    here = worth + math.exp(-force * age) * tabulated(table, width, u)
                    out[d, m, k] += _BIRTH_WEIGHTS[j] * here
