"""Own special functions against mpmath, in 60 digits and by other formulas, over stratified points of wide ranges.

Each function has its ranges, and in docs/quantities.md the worst relative error over 10,000 points.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest
from mpmath import mpf
from scipy.stats import qmc

from clvsim.kernels.dropout import discounted_orders
from clvsim.kernels.hypergeometric import log_hyp2f1_positive
from clvsim.kernels.opportunities import endless
from clvsim.kernels.regular import regular_orders_within
from clvsim.kernels.silence import order_ever, silent_death

LIMIT = 1e-10
DOCS = Path(__file__).parents[2] / "docs" / "quantities.md"
mp: Any = mpmath.mp
mp.dps = 60


def hyp2f1(a, b, c, z):
    return mp.hyp2f1(mpf(a), mpf(b), mpf(c), mpf(z), maxterms=10**6)


def living_orders(shape, rate, a, b, t):
    """E[X(t)] of a living BG/NBD customer, Fader, Hardie & Lee 2005, equation (10) without P(alive)."""
    shape, rate, a, b, t = map(mpf, (shape, rate, a, b, t))
    share = t / (rate + t)
    return (a + b - 1) / (a - 1) * (1 - (1 - share) ** shape * mp.hyp2f1(shape, b, a + b - 1, share))


def tail(power, A, s, B, y):
    """Integral of (A/(A+t))^power s/B (B/(B+t))^(s+1) from y to infinity: Fader, Hardie & Lee 2005, as in their A_0."""
    power, A, s, B, y = map(mpf, (power, A, s, B, y))
    both = power + s
    scale = A**power * B**s * s / both
    if A >= B:
        return scale * mp.hyp2f1(both, s + 1, both + 1, (A - B) / (A + y)) / (A + y) ** both
    return scale * mp.hyp2f1(both, power, both + 1, (B - A) / (B + y)) / (B + y) ** both


def stages(shape, log_ratio, a, b, k, j):
    """Sum over orders m of P(N >= k m - j) B(a, b+m-1)/B(a, b), N ~ NegBin(shape + j): term by term."""
    r, grown = mpf(shape) + int(j), mp.exp(-mpf(log_ratio))
    at_least, pmf, n, total, stayed, m = mpf(1), grown**r, 0, mpf(0), mpf(1), 1
    while True:
        while n < int(k) * m - int(j):
            at_least, pmf, n = at_least - pmf, pmf * (r + n) / (n + 1) * (1 - grown), n + 1
        total += stayed * at_least
        if stayed * at_least < total * mpf(10) ** -25:
            return total
        stayed, m = stayed * (mpf(b) + m - 1) / (mpf(a) + b + m - 1), m + 1


def of_dropout(r, alpha, a, b, t):
    out = np.empty((1, 1))
    zero = np.zeros(1)
    discounted_orders(*(np.array([v]) for v in (r, alpha, a, b)), zero, zero, t, 0.0, out)
    return out[0, 0]


def of_stages(shape, log_ratio, a, b, k, j):
    weight = np.zeros(int(k))
    weight[int(j)] = 1.0
    return regular_orders_within(weight, shape, log_ratio, a, b)


class Function(NamedTuple):
    """Ours and mpmath's, of the same arguments; their ranges, logarithmic but for whole numbers, and what must hold."""

    ours: Callable[..., float]
    exact: Callable[..., object]
    ranges: Mapping[str, tuple[float, float]]
    whole: Mapping[str, tuple[int, int]] = {}
    arranged: Callable[..., tuple] = lambda *values: values
    logs: bool = False  # both are logarithms: their difference is the relative error


FUNCTIONS = {
    "log_hyp2f1_positive": Function(
        log_hyp2f1_positive,
        lambda a, b, c, z: mp.log(hyp2f1(a, b, c, z)),
        {"a": (0.01, 100), "b": (0.01, 100), "c": (0.01, 200), "1 - z": (1e-3, 1)},
        arranged=lambda a, b, c, rest: (a, b, c, 1.0 - rest),
        logs=True,
    ),
    "discounted_orders": Function(
        of_dropout,
        living_orders,
        {"r": (0.05, 50), "alpha": (0.1, 1000), "a": (0.05, 50), "b": (0.05, 100), "t": (0.1, 1000)},
    ),
    "silent_death": Function(
        lambda *point: silent_death(*point)[0],
        lambda power, A, s, B, span: mp.log(tail(power, A, s, B, 0) - tail(power, A, s, B, span)),
        {"power": (0.05, 200), "A": (0.1, 1000), "s": (0.05, 50), "B": (0.1, 1000), "span": (0.01, 1000)},
        logs=True,
    ),
    "order_ever": Function(
        order_ever,
        lambda power, A, s, B: 1 - tail(power, A, s, B, 0),
        {"power": (0.05, 200), "A": (0.1, 1000), "s": (0.05, 50), "B": (0.1, 1000)},
    ),
    "endless": Function(
        endless,
        lambda b, c, z: hyp2f1(1, b, c, z),
        {"b": (0.05, 500), "c - b": (0.05, 100), "1 - z": (1e-4, 1)},
        arranged=lambda b, more, rest: (b, b + more, 1.0 - rest),
    ),
    "regular_orders_within": Function(
        of_stages,
        stages,
        {"shape": (0.05, 50), "log_ratio": (1e-3, 2), "a": (0.05, 50), "b": (0.05, 100)},
        whole={"k": (1, 6), "j": (0, 5)},
        arranged=lambda shape, log_ratio, a, b, k, j: (shape, log_ratio, a, b, k, min(j, k - 1)),
    ),
}


def points(function: Function, size: int) -> list[tuple]:
    """A Latin hypercube: each argument has one point in each of `size` strata of its range."""
    unit = qmc.LatinHypercube(len(function.ranges) + len(function.whole), rng=1).random(size).T
    values = [np.exp(np.log(low) + u * np.log(high / low)) for u, (low, high) in zip(unit, function.ranges.values())]  # noqa: B905
    ends = function.whole.values()
    values += [np.floor(low + u * (high + 1 - low)) for u, (low, high) in zip(unit[len(values) :], ends, strict=True)]
    return [function.arranged(*map(float, point)) for point in zip(*values, strict=True)]


def worst_error(function: Function, size: int) -> tuple[float, tuple]:
    errors = []
    for point in points(function, size):
        ours, exact = mpf(function.ours(*point)), function.exact(*point)
        errors.append((float(abs(ours - exact) if function.logs else abs(ours / exact - 1)), point))
    return max(errors)


def published() -> dict[str, float]:
    """Worst relative errors in the table of the documentation."""
    rows = re.findall(r"^\| `(\w+)` .*\| (\d\.\de-\d+) \|$", DOCS.read_text("utf-8"), re.M)
    return {name: float(error) for name, error in rows}


def test_every_function_has_its_row():
    assert set(published()) == set(FUNCTIONS)
    assert max(published().values()) <= LIMIT


@pytest.mark.parametrize("name", FUNCTIONS)
def test_some_points(name):
    error, point = worst_error(FUNCTIONS[name], 150)
    assert error <= LIMIT, point


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_worst_relative_error_is_the_published_one(name):
    error, point = worst_error(FUNCTIONS[name], 10_000)
    assert error <= LIMIT, point
    assert 0.5 <= error / published()[name] <= 2, point  # the last digits are the processor's
