"""Orders that nobody pays for: each is paid with a chance, of first orders one for all, of repeat orders a customer's.

    paid repeat orders of n ~ Binomial(n, s),   s ~ Beta(m c, (1 - m) c)
    m ~ Beta(1, 1),   log c ~ Normal(log 10, 1.5),   chance of a first order ~ Beta(1, 1)

The Beta-binomial is Skellam's (1948, "A probability distribution derived from the binomial distribution by regarding
the probability of success as variable between the sets of trials", JRSS B 10(2), 257-261). Two parameters from counts:
the posterior is exact, on a grid around its mass. Spend models describe paid orders only, so money is orders times
share times amount. docs/models/free_orders.md.

Not modelled: shares that go with time, with the order rate, or with what somebody pays.

Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

import math
from typing import NamedTuple

import numpy as np

from clvsim.models.domain import POSITIVE, PROBABILITY
from clvsim.models.laws import Params, column, unique_rows
from clvsim.special import betaincinv, expit, gammaln, log_expit, ndtr
from clvsim.types import CustomerSummary

REPEAT, CONCENTRATION, FIRST = "paid.repeat", "paid.concentration", "paid.first"
LABELS = {
    REPEAT: "share of repeat orders that are paid",
    CONCENTRATION: "customers' shares ~ Beta(share × this, (1 - share) × this)",
    FIRST: "share of newcomers' first orders that are paid",
}
_MEDIAN, _SD_LOG = 10.0, 1.5  # prior of the concentration
_WIDE = 30.0  # log odds of the mean, without mass beyond
_POINTS = 129  # of the grid, each way
_NEGLIGIBLE = 20.0  # log density below the highest


class PaidHistory(NamedTuple):
    """Repeat orders that were paid, and that were free."""

    paid: np.ndarray
    free: np.ndarray


class PaidRows(NamedTuple):
    """Distinct (paid, free) of customers with repeat orders, and how many have them, each (row,); first orders.

    The rows are empty where no repeat order is free, first orders are nan where they are not known.
    """

    paid: np.ndarray
    free: np.ndarray
    count: np.ndarray
    first_paid: float
    first_free: float


class PaidLaw(NamedTuple):
    """A newcomer's first order is paid with chance `first`, (draw, 1); others of a customer with one ~ Beta(a, b).

    Where those are None all are paid. `a`, `b`: (draw, customer).
    """

    first: np.ndarray | float
    a: np.ndarray | None = None
    b: np.ndarray | None = None


ALL = PaidLaw(1.0)
DOMAINS = {REPEAT: PROBABILITY.optional, FIRST: PROBABILITY.optional, CONCENTRATION: POSITIVE.optional}


def histories(summary: CustomerSummary) -> PaidHistory:
    """In the order of the summary's rows."""
    orders, paid = (summary.customers[c].to_numpy(np.float64) for c in ("frequency", "repeat_positive"))
    return PaidHistory(paid, orders - paid)


def rows(summary: CustomerSummary) -> PaidRows | None:
    """What shares are learned from; None where all orders are paid."""
    paid, free = histories(summary)
    first = summary.customers["first_amount"].to_numpy(np.float64)
    known = not np.isnan(first).any()
    first_free = float((first == 0).sum()) if known else math.nan
    if not free.any() and not first_free > 0:
        return None
    repeated = (paid + free > 0) & free.any()
    distinct, count = unique_rows([paid[repeated], free[repeated]])
    return PaidRows(distinct[:, 0], distinct[:, 1], count, first.size - first_free, first_free)


def learn(rows: PaidRows, draws: int, seed: int) -> dict[str, np.ndarray]:
    """Draws of the shares in which some orders are free, each (draw,); seeded.

    Where first orders are not known they are like repeat orders.
    """
    rng = np.random.default_rng([seed, 4])
    params: dict[str, np.ndarray] = {}
    if rows.count.size:
        params[REPEAT], params[CONCENTRATION] = _of_repeat_orders(rows, draws, rng)
    if math.isnan(rows.first_free):
        params[FIRST] = params[REPEAT]
    elif rows.first_free:
        params[FIRST] = betaincinv(1 + rows.first_paid, 1 + rows.first_free, ndtr(rng.standard_normal(draws)))
    return params


def log_posterior(rows: PaidRows, log_odds: np.ndarray, log_c: np.ndarray) -> np.ndarray:
    """Of the log odds of m and of log c, up to a constant; the shape of both together."""
    c = np.exp(log_c)
    a, b = expit(log_odds) * c, expit(-log_odds) * c
    found = log_expit(log_odds) + log_expit(-log_odds) - 0.5 * ((log_c - math.log(_MEDIAN)) / _SD_LOG) ** 2
    for shape, number, sign in ((a, rows.paid, 1), (b, rows.free, 1), (c, rows.paid + rows.free, -1)):
        values, of = np.unique(number, return_inverse=True)
        for n, customers in zip(values, np.bincount(of, rows.count), strict=True):
            found = found + sign * customers * (gammaln(shape + n) - gammaln(shape))
    return found


def _of_repeat_orders(rows: PaidRows, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Mean and concentration, each (draw,): cells of a grid by their mass, and evenly inside a cell."""
    middle, half = math.log(_MEDIAN), 8 * _SD_LOG
    ends = [(-_WIDE, _WIDE), (middle - half, middle + half)]
    for _ in range(3):  # each time nearer to where the mass is
        axes = [np.linspace(*pair, _POINTS) for pair in ends]
        log_density = log_posterior(rows, axes[0][:, None], axes[1][None, :])
        mass = np.exp(log_density - log_density.max())
        inside = log_density > log_density.max() - _NEGLIGIBLE
        for axis, points in enumerate(axes):
            found = np.flatnonzero(inside.any(axis=1 - axis))
            ends[axis] = points[max(found[0] - 1, 0)], points[min(found[-1] + 1, _POINTS - 1)]
    cell = rng.choice(mass.size, draws, p=(mass / mass.sum()).ravel())
    places = [
        points[index] + (rng.random(draws) - 0.5) * (points[1] - points[0])
        for points, index in zip(axes, np.unravel_index(cell, mass.shape), strict=True)
    ]
    return expit(places[0]), np.exp(places[1])


def laws(params: Params, history: PaidHistory) -> PaidLaw:
    """Given each customer's own free orders."""
    first = column(params, FIRST)[0] if FIRST in params else 1.0
    if REPEAT not in params:
        return PaidLaw(first)
    mean, concentration = column(params, REPEAT, CONCENTRATION)
    return PaidLaw(first, mean * concentration + history.paid, (1 - mean) * concentration + history.free)


def newcomer_laws(params: Params) -> PaidLaw:
    """The population's law, (draw, 1)."""
    zero = np.zeros(1)
    return laws(params, PaidHistory(zero, zero))


def expected_share(law: PaidLaw) -> np.ndarray | float:
    """E[share of the orders to come that are paid | history], (draw, customer), but for a newcomer's first."""
    return 1.0 if law.a is None or law.b is None else law.a / (law.a + law.b)
