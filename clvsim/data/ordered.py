"""Orders of a log as arrays, by customer and moment: a moment is a day, or a period whose orders are one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from clvsim.data.blocks import Block, by_block, starts_of
from clvsim.data.log import TransactionLog
from clvsim.data.periods import PeriodsOfLog

UNITS = 10_000  # of money
HALF_DAY = 0.5  # an order's hour is unknown, so it is midday, and today has passed


@dataclass(frozen=True)
class Orders:
    """Orders of some customers, one of each customer and moment, in this order; each (order,).

    `customer`: the number, int64. `moment`: days since 1970, or periods since the first order's, int64. `amount`: in
    units of 1/10,000, whole numbers as float64, whose sums are exact up to 2**53.
    """

    customer: np.ndarray
    moment: np.ndarray
    amount: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """Positions of each customer's first order, (customer,)."""
        return starts_of(self.customer)

    @cached_property
    def place(self) -> np.ndarray:
        """The customer's place among these, from 0, (order,)."""
        return spread(self, np.arange(self.starts.size))

    def where(self, chosen: np.ndarray) -> "Orders":
        return Orders(self.customer[chosen], self.moment[chosen], self.amount[chosen])


class Placed(NamedTuple):
    """Orders, and what each of them is as of today: `known`, a `later` one of the hold-out, one of as many days up to
    today (`recent`), with its `age` in moments; each (order,). `first_day`, (customer,).
    """

    orders: Orders
    first_day: np.ndarray
    known: np.ndarray
    later: np.ndarray
    recent: np.ndarray
    age: np.ndarray


def by_customers[T](log: TransactionLog, work: Callable[[Orders], T]) -> Iterator[T]:
    """What `work` makes of all orders of a log by day, some customers at a time, in their order."""

    def done(block: Block) -> T:
        return work(Orders(block.customer, block.day, block.amount))

    return by_block(log.connection, "purchases", done)


def by_day(orders: Orders, today: int, later_days: int) -> Placed:
    """Orders as of today, a day number, of customers who have come by then."""
    orders, first = _come(orders, today)
    day = orders.moment
    known = day <= today
    return Placed(orders, first, known, ~known, known & (day > today - later_days), today - day)


def by_period(orders: Orders, today: int, last: int, every: float) -> Placed:
    """Orders merged by periods of so many days from each customer's own first order.

    Period i holds the orders of the days in ((i-1) every, i every] after the first; period 0 the first.
    """
    orders, first = _come(orders, today)
    since = orders.moment - spread(orders, first)
    merged = _merged(replace(orders, moment=np.ceil(since / every).astype(np.int64)))
    age, age_at_last = (spread(merged, day - first + HALF_DAY) for day in (today, last))
    period, ended, at_last = merged.moment, np.floor(age / every), np.floor(age_at_last / every)
    known = period <= ended
    recent = known & (period > 0) & (period * every > age - (last - today))
    later = ~known & (period <= at_last)
    return Placed(merged, first, known, later, recent, (ended - period).astype(np.int64))


def by_shared_period(orders: Orders, today: int, log_began: int, shared: PeriodsOfLog) -> Placed:
    """Orders merged by periods that are the same for all. What the period that counts as whole today still brings, is
    left out."""
    orders, first = _come(orders, today)
    number, began = shared.number[orders.moment - log_began], shared.number[first - log_began]
    began_each = spread(orders, began)
    counts = (orders.moment <= today) | (number > np.maximum(shared.ended, began_each))
    merged = _merged(replace(orders, moment=number - began_each).where(counts))
    began_each = spread(merged, began)
    ended, at_last = (np.maximum(end - began_each, 0) for end in (shared.ended, shared.ended_at_last))
    period = merged.moment
    known = period <= ended
    recent = known & (period > 0) & (period > ended - (shared.ended_at_last - shared.ended))
    return Placed(merged, first, known, ~known & (period <= at_last), recent, ended - period)


def spread(orders: Orders, of_customer: np.ndarray) -> np.ndarray:
    """A value of each customer for each of the orders, (order,)."""
    return np.repeat(of_customer, np.diff(orders.starts, append=orders.customer.size))


def _come(orders: Orders, today: int) -> tuple[Orders, np.ndarray]:
    """Orders and first days of the customers who have come by today."""
    first = orders.moment[orders.starts]
    come = first <= today
    return (orders, first) if come.all() else (orders.where(spread(orders, come)), first[come])


def _merged(orders: Orders) -> Orders:
    """Orders of one customer and moment as one."""
    new = starts_of(orders.customer, orders.moment)
    return replace(orders.where(new), amount=np.add.reduceat(orders.amount, new))
