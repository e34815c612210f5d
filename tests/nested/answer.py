"""Expected values of a plan under BG/NBD and Gamma-Gamma, per draw, in plain NumPy: what regressions are held against.

Nothing here comes from the product. Given a customer's rate λ and dropout probability p, orders fall due at rate fλ (f
is what a lever does to the rate), and after each the customer stays with probability S. In `attrition_clock: time` the
hazard per order is divided by f, so that without other hazards S = (1 - p)^(1/f); a declined offer adds its hazard.
Orders of a living customer thus come at intensity fλ exp(-fλ(1 - S)t). With λ ~ Gamma(R, A) that is
f R/A (1 + f(1 - S)t/A)^-(R+1); p is integrated out by Gauss-Jacobi quadrature, time by Gauss-Legendre.
`path_by_path` does the same with one life after the other, and tests compare the two.

Times are days, the rate of discount is per day, arrays are (draw, customer) unless said otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

MONTH = 365.25 / 12
WEEK = 7.0
P_NODES, TIME_NODES, DRAWS_AT_ONCE = 16, 24, 50


class Histories(NamedTuple):
    """Repeat orders, day of the last, days observed, money of repeat orders, (customer,) each."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    spent: np.ndarray


@dataclass(frozen=True)
class Lever:
    """What a scenario does, (draw,) each: factor on the rate, an offer at every order, costs per month."""

    rate: np.ndarray | float = 1.0
    take: np.ndarray | float = 0.0
    gain: float = 0.0  # contribution of a taken offer
    decline_hazard: np.ndarray | float = 0.0
    monthly_cost: float = 0.0

    def kept(self, p: np.ndarray) -> np.ndarray:
        """Probability of staying after an order, (draw, ...)."""
        ones = (1,) * (p.ndim - 1)
        rate = np.reshape(self.rate, (-1, *ones))
        return (1 - p) ** (1 / rate) * np.reshape(self.kept_by_offer, (-1, *ones))

    @property
    def kept_by_offer(self) -> np.ndarray:
        take = np.asarray(self.take, float)
        return take + (1 - take) * np.exp(-np.asarray(self.decline_hazard, float))

    def part(self, rows: slice) -> "Lever":
        values = {name: np.atleast_1d(getattr(self, name)) for name in ("rate", "take", "decline_hazard")}
        cut = {name: value[rows] if value.size > 1 else value for name, value in values.items()}
        return Lever(**cut, gain=self.gain, monthly_cost=self.monthly_cost)


@dataclass(frozen=True)
class Plan:
    """A year of the shop: prices, and newcomers of one channel in each month of arrival."""

    margin: float = 0.4
    cost_per_order: float = 1.5
    annual_rate: float = 0.1
    months: int = 12  # of each life
    arrival_months: int = 12
    visitors: float = 0.0  # a month
    cost_per_visitor: float = 0.0
    conversion: np.ndarray | float = 0.0  # (draw,)
    discount: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "discount", float(np.log1p(self.annual_rate) / 365.25))

    @property
    def horizon(self) -> float:
        return self.months * MONTH

    @property
    def newcomers(self) -> np.ndarray:
        """Expected number of newcomers, (draw,) or one number."""
        return self.visitors * np.asarray(self.conversion, float) * self.arrival_months


def dropout_nodes(a: np.ndarray, b: np.ndarray, nodes: int = P_NODES) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Jacobi nodes and weights of Beta(a, b), (..., node), by Golub and Welsch 1969: eigenvalues of the
    tridiagonal matrix of the orthogonal polynomials."""
    left, right = np.broadcast_arrays(a - 1.0, b - 1.0)
    both = left + right
    matrix = np.zeros((*left.shape, nodes, nodes))
    for k in range(nodes):
        middle = 2 * k + both
        first = (left - right) / (both + 2)
        matrix[..., k, k] = first if k == 0 else (left**2 - right**2) / (middle * (middle + 2))
        if k == 1:
            square = 4 * (1 + left) * (1 + right) / ((2 + both) ** 2 * (3 + both))
        elif k > 1:
            square = 4 * k * (k + left) * (k + right) * (k + both) / (middle**2 * (middle + 1) * (middle - 1))
        if k > 0:
            matrix[..., k, k - 1] = matrix[..., k - 1, k] = np.sqrt(square)
    places, vectors = np.linalg.eigh(matrix)
    return np.clip((1 + places) / 2, 0.0, 1.0), vectors[..., 0, :] ** 2


def alive(params: Mapping[str, np.ndarray], who: Histories) -> np.ndarray:
    """P(alive today | history). Fader, Hardie & Lee 2005."""
    r, alpha, a, b = (params[name][:, None] for name in ("r", "alpha", "a", "b"))
    lost = a / np.maximum(b + who.x - 1, 1e-12) * ((alpha + who.T) / (alpha + who.t_x)) ** (r + who.x)
    return np.where(who.x > 0, 1 / (1 + lost), 1.0)


def orders_if_alive(
    params: Mapping[str, np.ndarray], x: np.ndarray, T: np.ndarray, lever: Lever, horizon: float, discount: float
) -> np.ndarray:
    """Expected orders within the horizon of customers alive today, each worth exp(-discount t)."""
    place, weight = np.polynomial.legendre.leggauss(TIME_NODES)
    u = (1 + place) / 2  # t = horizon u²: denser at the start, where most orders are
    t, dt = horizon * u**2, horizon * u * weight
    distinct, row_of = np.unique(x, return_inverse=True)
    out = np.empty((params["r"].size, x.size))
    for low in range(0, len(out), DRAWS_AT_ONCE):
        rows = slice(low, low + DRAWS_AT_ONCE)
        r, alpha, a, b = (params[name][rows, None] for name in ("r", "alpha", "a", "b"))
        some = lever.part(rows)
        p, share = dropout_nodes(a + 0 * distinct, b + distinct)
        factor = np.reshape(some.rate, (-1, 1))
        leaving = factor[..., None] * (1 - some.kept(p))
        shape, rate = r + x, alpha + T
        total = np.zeros_like(shape)
        for day, length in zip(t, dt, strict=True):
            base = 1 + leaving[:, row_of] * (day / rate)[..., None]
            average = (share[:, row_of] * base ** -(shape + 1)[..., None]).sum(axis=-1)
            total += length * np.exp(-discount * day) * average
        out[rows] = factor * shape / rate * total
    return out


def staying(params: Mapping[str, np.ndarray], x: np.ndarray, T: np.ndarray, days: float) -> np.ndarray:
    """P(still there after that many days | alive today): E[exp(-λpt)]. As today, without a lever."""
    distinct, row_of = np.unique(x, return_inverse=True)
    r, alpha, a, b = (params[name][:, None] for name in ("r", "alpha", "a", "b"))
    p, share = (of_node[:, row_of] for of_node in dropout_nodes(a + 0 * distinct, b + distinct))
    return (share * (1 + p * (days / (alpha + T))[..., None]) ** -(r + x)[..., None]).sum(axis=-1)


def programme_months(params: Mapping[str, np.ndarray], who: Histories, plan: Plan) -> np.ndarray:
    """How much of a monthly cost counts in each month, (draw, month).

    All of it within the horizon; after it the share of newcomers who are still followed in all who are there: today's
    at the end of the month, newcomers on average over it, whose ages are a month's.
    """
    ages = plan.months + plan.arrival_months
    new = np.zeros(1)
    there = np.stack([staying(params, new, new, MONTH * (age + 0.5))[:, 0] for age in range(ages)], axis=1)
    here, out = alive(params, who), np.ones((params["r"].size, ages))
    a_month = plan.newcomers / plan.arrival_months
    for month in range(plan.months, ages):
        age = month - np.arange(plan.arrival_months)
        everybody = (here * staying(params, who.x, who.T, MONTH * (month + 1))).sum(axis=1)
        everybody = everybody + a_month * there[:, age].sum(axis=1)
        out[:, month] = a_month * there[:, age[age < plan.months]].sum(axis=1) / everybody
    return out if plan.visitors else out[:, : plan.months]


class Value(NamedTuple):
    """Expected figures per draw, (draw,): discounted contribution and orders; of newcomers, one's own value too."""

    plan: np.ndarray
    orders: np.ndarray
    pav: np.ndarray
    ltv_cac: np.ndarray
    rlv: np.ndarray


def in_days(retention: Mapping[str, np.ndarray], days_per_unit: float = WEEK) -> dict[str, np.ndarray]:
    return {**retention, "alpha": retention["alpha"] * days_per_unit}


def expected(
    retention: Mapping[str, np.ndarray],
    spend: Mapping[str, np.ndarray],
    who: Histories,
    plan: Plan,
    lever: Lever | None = None,
) -> Value:
    """Of the plan with a lever. `retention` counts time in days."""
    lever = lever or Lever()
    p, q, gamma = (spend[name][:, None] for name in ("p", "q", "gamma"))
    amount, typical = p * (gamma + who.spent) / (q + p * who.x - 1), (gamma * p / (q - 1))[:, 0]
    extra = np.asarray(lever.take, float) * lever.gain
    here = alive(retention, who)
    discounted, plain = (
        here * orders_if_alive(retention, who.x, who.T, lever, plan.horizon, rate) for rate in (plan.discount, 0.0)
    )
    each = plan.margin * amount - plan.cost_per_order + np.reshape(extra, (-1, 1))
    rlv = (discounted * each).sum(axis=1)
    new = np.zeros(1)
    kept = lever.kept_by_offer  # the first order wears out nobody, but shows the offer
    repeat, repeat_plain = (
        kept * orders_if_alive(retention, new, new, lever, plan.horizon, rate)[:, 0] for rate in (plan.discount, 0.0)
    )
    worth = plan.margin * typical - plan.cost_per_order + extra
    first = plan.margin * typical * spend["first_order_factor"] - plan.cost_per_order + extra
    pav = first + worth * repeat
    months = np.arange(plan.arrival_months)
    edge = np.exp(-plan.discount * MONTH * np.arange(plan.arrival_months + 1))
    on_arrival = -np.diff(edge) / (plan.discount * MONTH)
    middle = np.exp(-plan.discount * MONTH * (months + 0.5))
    acquired = plan.visitors * np.asarray(plan.conversion, float)
    cost = plan.visitors * plan.cost_per_visitor
    counted = programme_months(retention, who, plan)
    programme = lever.monthly_cost * counted @ np.exp(-plan.discount * MONTH * np.arange(counted.shape[1]))
    value = rlv + acquired * pav * on_arrival.sum() - cost * middle.sum() - programme
    return Value(
        plan=value,
        orders=plain.sum(axis=1) + plan.newcomers * (1 + repeat_plain),
        pav=pav,
        ltv_cac=pav * acquired / cost if cost else np.full_like(pav, np.nan),
        rlv=rlv,
    )


def path_by_path(
    random: np.random.Generator, shape: float, rate: float, a: float, b: float, lever: Lever, plan: Plan, paths: int
) -> np.ndarray:
    """Orders of living customers within the horizon, discounted, one life after the other, (path,): the same lives."""
    out = np.zeros(paths)
    take, hazard, factor = (float(np.reshape(v, -1)[0]) for v in (lever.take, lever.decline_hazard, lever.rate))
    for path in range(paths):
        pace, p = random.gamma(shape) / rate * factor, random.beta(a, b)
        day, budget = random.exponential() / pace, random.exponential()
        while day < plan.horizon and budget > 0:
            out[path] += np.exp(-plan.discount * day)
            budget += np.log1p(-p) / factor if p < 1 else -np.inf
            if random.random() >= take:
                budget -= hazard
            day += random.exponential() / pace
    return out
