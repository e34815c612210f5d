"""What models hand to the simulator: distributions of traits per (draw, customer), never drawn values.

Kernel time is days since today. Arrays are float64, C-contiguous and shaped (draw, customer) unless said otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from clvsim.types import CustomerSummary

Params = Mapping[str, np.ndarray]  # parameter symbol -> (draw,), in natural units
_CHUNK_CELLS = 1 << 22
PACE = "path.pace"  # a parameter beside the model's own: what is common to all runs so many times as fast after today
RECOVERY = "recovery"  # of contracts: the chance that a charge that failed is paid after all


class Customers(NamedTuple):
    """Purchase histories as of today, each (customer,): repeat orders, day of the last order, days observed."""

    x: np.ndarray
    t_x_days: np.ndarray
    T_days: np.ndarray


class SpendHistory(NamedTuple):
    """Repeat orders with a positive amount, each of shape (customer,): how many, and their sum in money."""

    x: np.ndarray
    total: np.ndarray


class Births(NamedTuple):
    """When newcomers come: evenly within `spread_days` from each of `first_days`, (arrival,), in days since today."""

    first_days: np.ndarray
    spread_days: float


class DueMultipliers(NamedTuple):
    """By how much the hazard of an opportunity is multiplied, `by_day` on which it falls due, (draw, day).

    Days are `step` long; the entry number `before` is the day with which the simulated time begins.
    """

    by_day: np.ndarray
    step: float
    before: int


class LifeLaw(NamedTuple):
    """Buying and attrition of customers, given their history; the traits are those of somebody who is alive today.

    Order rate per day ~ Gamma(rate_shape, rate=rate_rate); gaps are Gamma(regularity, order rate).
    Attrition per day ~ Gamma(mu_shape, rate=mu_rate), absent where mu_shape is 0.
    Attrition per order: eta = -log(1 - p), p ~ Beta(drop_a, drop_b), charged after each order and `birth_charges` times
    at a newcomer's first order; absent where drop_a is 0.

    A law may be a mixture: then all arrays but `p_alive` are (draw, customer, component), `weight` holds the
    components' probabilities, and component j has served `stages_done[j]` of the `regularity` stages of its first gap.

    With `interval_days` > 0 orders happen only at opportunities, the first `next_opportunity_days` from today (a
    newcomer's: one interval after the first order), with probability ~ Beta(buy_a, buy_b), surely where buy_a is 0.
    Attrition eta is then charged before opportunity number j = tenure + 1, tenure + 2, ..., eta (j^c - (j-1)^c) with
    c the `tenure_exponent`, and there is no order rate: rate_shape is 0. Days are followed up to but without the end of
    a horizon; renewals come just before the end of their period, so that twelve months hold twelve monthly ones.

    A contract may pause: one that goes on and paid the last time misses an opportunity with chance `pause`; one in a
    pause, as the `paused` are today, takes it with chance `resume`. Attrition is charged either way.

    Opportunities come `late_days` after the days on which they fall due, whose `DueMultipliers` hold.
    """

    p_alive: np.ndarray
    rate_shape: np.ndarray
    rate_rate: np.ndarray
    mu_shape: np.ndarray
    mu_rate: np.ndarray
    drop_a: np.ndarray
    drop_b: np.ndarray
    regularity: int | np.ndarray = 1  # or (draw,)
    birth_charges: int | np.ndarray = 0  # or (draw,)
    weight: np.ndarray | None = None  # (draw, customer, component)
    stages_done: np.ndarray | None = None  # (component,)
    interval_days: float | np.ndarray = 0.0  # or (customer,)
    next_opportunity_days: np.ndarray | None = None  # (customer,)
    buy_a: np.ndarray | None = None
    buy_b: np.ndarray | None = None
    tenure: np.ndarray | None = None  # (customer,) opportunities served
    tenure_exponent: np.ndarray | None = None  # (draw, 1) or (draw, customer)
    pause: np.ndarray | None = None  # as the exponent
    resume: np.ndarray | None = None
    paused: np.ndarray | None = None  # (customer,)
    late_days: np.ndarray | None = None  # (customer,)


class SpendLaw(NamedTuple):
    """Amounts of orders: Gamma(order_shape, rate=nu), nu ~ Gamma(nu_shape, rate=nu_rate per unit of money).

    Where `order_shape` is 0 amounts do not vary: each is of exactly `nu_rate` money. With `product_price` and
    `product_upto`, each (draw, product), an order is of the first price whose cumulative share is above a uniform
    number, and `nu_rate` is their mean; a newcomer's first order is `first_order_factor` times that mean.
    `order_shape` has shape (draw, 1), the others (draw, customer).
    """

    order_shape: np.ndarray
    nu_shape: np.ndarray
    nu_rate: np.ndarray
    product_price: np.ndarray | None = None
    product_upto: np.ndarray | None = None


class LognormalLaw(NamedTuple):
    """Amounts of orders: log amount ~ Normal(level, order_sd), in logs of money.

    level ~ Normal(level_mean + level_slope log(order rate per day), level_sd), given the customer's own rate.
    `order_sd` has shape (draw, 1), the others (draw, customer).
    """

    level_mean: np.ndarray
    level_sd: np.ndarray
    level_slope: np.ndarray
    order_sd: np.ndarray


def scaled(law: SpendLaw | LognormalLaw, factor: np.ndarray) -> SpendLaw | LognormalLaw:
    """The same amounts times a factor of each customer, (customer,)."""
    if isinstance(law, LognormalLaw):
        return law._replace(level_mean=law.level_mean + np.log(factor))
    if law.product_price is not None:
        raise ValueError("a list of products has the same prices for all customers")
    return law._replace(nu_rate=law.nu_rate * factor)


def customers_of(summary: CustomerSummary) -> Customers:
    """Purchase histories in the order of the summary's rows."""
    frame = summary.customers
    return Customers(*(frame[c].to_numpy(np.float64) for c in ("frequency", "recency_days", "T_days")))


def spend_history_of(summary: CustomerSummary) -> SpendHistory:
    """Spend histories in the order of the summary's rows."""
    frame = summary.customers
    return SpendHistory(*(frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount")))


def rows_of[Rows: tuple](histories: Rows, rows: slice | np.ndarray) -> Rows:
    """Some customers of a NamedTuple of (customer,) arrays."""
    return type(histories)(*(v[rows] for v in histories))


def column(params: Params, *names: str) -> tuple[np.ndarray, ...]:
    """Parameters as (draw, 1), to broadcast against customers along the second axis."""
    return tuple(np.asarray(params[n], np.float64).reshape(-1, 1) for n in names)


def unique_rows(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in lexical order, (row, column), and how often each occurs, (row,), both float64."""
    first, place = distinct_rows(columns)
    rows: np.ndarray = np.column_stack([np.asarray(c, np.float64)[first] for c in columns])
    return rows, np.bincount(place, minlength=first.size).astype(np.float64)


def distinct_rows(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where each distinct row of columns (n,) is met first, in lexical order, (row,), and which of them each one is,
    (n,): `np.unique` of rows in a sixth of its time."""
    order = np.lexsort(columns[::-1])
    new = np.zeros(order.size, bool)
    new[:1] = True
    for own in columns:
        along = np.asarray(own)[order]
        new[1:] |= along[1:] != along[:-1]
    place = np.empty(order.size, np.int64)
    place[order] = np.cumsum(new) - 1
    return order[new], place


def distinct_histories[Rows: tuple](histories: Rows, draws: int) -> Iterator[tuple[Rows, np.ndarray]]:
    """Distinct histories in lexical order with how many customers have each, in chunks fit for (draw, row) tables."""
    rows, count = unique_rows(histories)
    step = max(1, _CHUNK_CELLS // draws)
    for i in range(0, len(rows), step):
        part = slice(i, i + step)
        yield type(histories)(*rows[part].T), count[part]


def rows_by_level(columns: Sequence[np.ndarray], level: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows of each level in lexical order, (column, row), how often each occurs, and its level, (row,).

    `level` of each customer counts from 0, or is None where all are of one.
    """
    rows, count = unique_rows(columns if level is None else [level, *columns])
    level_of = np.zeros(len(count), np.int64) if level is None else rows[:, 0].astype(np.int64)
    return np.ascontiguousarray(rows[:, -len(columns) :].T), count, level_of
