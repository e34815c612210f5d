"""From integer sums to dated lines of money: accounts, causes, and what follows from counts and schedules."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim.interventions.base import CostEntry, Group
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import COUNT_UNIT, Contacts
from clvsim.simulation.tables import Levers
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK

PLAIN, DISCOUNTED = 0, 1
COUNTS = (
    "orders",
    "active_customers",
    "customers_acquired",
    "contacts",
    "opt_outs",
    "offers_shown",
    "offers_taken",
    "repaid",
)


class Line(NamedTuple):
    """`account` says what the money is, `cause` which mechanism posted it."""

    account: str
    cause: str

    @property
    def sign(self) -> int:
        """Of the account in contribution: +1 revenue, -1 refunds and costs, 0 counts."""
        if self.account.startswith("revenue"):
            return 1
        return -1 if self.account.startswith("cost") or self.account == "refunds" else 0


class Cohort(NamedTuple):
    """Customers of one ledger group who started in the same quarter."""

    group: int
    quarter: str


@dataclass(frozen=True)
class Ledger:
    """One scenario. Axis order: world, group, line, (undiscounted, discounted), month."""

    groups: tuple[Group, ...]
    lines: tuple[Line, ...]
    calendar: np.ndarray  # (w, g, l, 2, months since today), discounted to today
    age: np.ndarray  # (w, newcomer groups, l, 2, months of own age), discounted to the own first order
    cohort: np.ndarray  # (w, cohorts, 3, months): revenue, contribution before cost entries, active; undiscounted
    cohorts: tuple[Cohort, ...]
    halves: np.ndarray  # (w, 2, [existing, new]) discounted contribution of two halves of the customers
    age_halves: np.ndarray  # (w, 2, [contribution, customers]) of newcomers over their own horizon, discounted

    def total(self, account: str, *, age: bool = False, discounted: bool = False) -> np.ndarray:
        """Sum over groups, causes and months of an account, (w,)."""
        data = self.age if age else self.calendar
        rows = [i for i, line in enumerate(self.lines) if line.account == account]
        return data[:, :, rows, int(discounted)].sum(axis=(1, 2, 3))

    def contribution(self, *, age: bool = False, discounted: bool = True) -> np.ndarray:
        """Revenue minus refunds and all costs, by group and month, (w, g, months)."""
        data = self.age if age else self.calendar
        signs = np.array([line.sign for line in self.lines], float)
        return np.einsum("l,wglm->wgm", signs, data[:, :, :, int(discounted)])

    @cached_property
    def value_by_group(self) -> np.ndarray:
        """Contribution discounted to today, (w, g)."""
        return self.contribution().sum(axis=2)

    @cached_property
    def newcomer_value(self) -> np.ndarray:
        """Contribution of newcomers over their own horizon, discounted to the own first order, (w,)."""
        return self.contribution(age=True).sum(axis=(1, 2))


@dataclass(frozen=True)
class Economics:
    """Prices that turn counts into money. Without a known margin it is 1: contribution is revenue less stated costs."""

    margin_known: bool
    gross_margin: float
    cost_per_order: float
    discount_per_day: float
    money_scale: float


class Raw(NamedTuple):
    """Integer sums of one scenario as the kernel leaves them; see `clvsim.kernels.structs.Ledgers`."""

    calendar: np.ndarray
    age: np.ndarray
    cohort: np.ndarray
    exposure: np.ndarray
    age_exit: np.ndarray


def money_scale(amounts: np.ndarray) -> float:
    """Power of two nearest the median positive amount, 1 without any."""
    positive = amounts[amounts > 0]
    return float(2.0 ** np.round(np.log2(np.median(positive)))) if positive.size else 1.0


def typical_amounts(customers: pd.DataFrame) -> np.ndarray:
    """First orders, or mean repeat orders where no first one is known; what sets the money scale."""
    first = customers["first_amount"].to_numpy(float)
    orders = customers["repeat_positive"].to_numpy(float)
    means = np.divide(customers["repeat_amount"].to_numpy(float), orders, out=np.zeros_like(first), where=orders > 0)
    return np.where(np.isnan(first), means, first)


def kernel_lines(levers: Levers) -> int:
    return ks.BASE_LINES + ks.OFFER_LINES * len(levers.offers) + len(levers.contacts)


def money_lines(kernel: np.ndarray, levers: Levers, draw: np.ndarray, eco: Economics) -> list[tuple[Line, np.ndarray]]:
    """Every line that customers cause, from the kernel's lines (w, x, k, …) in natural units; each (w, x, …)."""

    def at(i: int) -> np.ndarray:
        return kernel[:, :, i]

    def per_world(values: np.ndarray) -> np.ndarray:
        return values[draw].reshape(-1, *([1] * (kernel.ndim - 2)))

    lines = [
        (Line("revenue_orders", "orders"), at(ks.REVENUE)),
        (Line("cost_goods", "orders"), at(ks.GOODS)),
        (Line("cost_orders", "orders"), eco.cost_per_order * at(ks.ORDERS)),
        (Line("orders", "orders"), at(ks.ORDERS)),
        (Line("customers_acquired", "acquisition"), at(ks.ACQUIRED)),
        (Line("active_customers", "orders"), at(ks.ACTIVE)),
        (Line("repaid", "acquisition"), at(ks.REPAID)),
    ]
    for o, offer in enumerate(levers.offers):
        first = ks.BASE_LINES + ks.OFFER_LINES * o
        taken = at(first + ks.TAKEN)
        margin = eco.gross_margin if offer.margin is None else offer.margin
        price = per_world(offer.price)
        lines += [
            (Line("revenue_offers", offer.name), price * taken),
            (Line("refunds", offer.name), price * at(first + ks.REFUNDED)),
            (Line("cost_goods", offer.name), price * (1 - margin) * taken),
            (Line("cost_incentive", offer.name), per_world(offer.incentive) * taken),
            (Line("offers_shown", offer.name), at(first + ks.SHOWN)),
            (Line("offers_taken", offer.name), taken),
        ]
    for p, programme in enumerate(levers.contacts):
        contacts = at(ks.BASE_LINES + ks.OFFER_LINES * len(levers.offers) + p)
        lines += [
            (Line("contacts", programme.name), contacts),
            (Line("cost_contact", programme.name), programme.cost * contacts),
        ]
    if levers.contacts:
        lines.append((Line("opt_outs", "contact"), at(ks.OPTED_OUT)))
    return lines


def natural(raw: np.ndarray, scale: float, margin: float | None) -> np.ndarray:
    """Ledger (w, 2g, k, …) in natural units: money lines by the money scale, counts by 2^-24. Refuses overflow.

    With a constant `margin` goods were not posted and follow from revenue; None: they were.
    """
    if raw.size and (raw.max() >= 2**62 or raw.min() <= -(2**62)):
        raise OverflowError("a ledger cell reached 2^62 units")
    out = raw / COUNT_UNIT
    out[:, :, [ks.REVENUE, ks.GOODS]] *= scale
    if margin is not None:
        out[:, :, ks.GOODS] = (1.0 - margin) * out[:, :, ks.REVENUE]
    return out


def month_of_week(weeks: int, periods: int) -> np.ndarray:
    """Month that the middle of each week lies in, (weeks,)."""
    month = (np.arange(weeks) + 0.5) * DAYS_PER_WEEK / DAYS_PER_MONTH
    return month.astype(int).clip(max=periods - 1)


def sum_by_month(weekly: np.ndarray, periods: int) -> np.ndarray:
    """Sums over the weeks of each month along the last axis."""
    month = month_of_week(weekly.shape[-1], periods)
    out = np.zeros((*weekly.shape[:-1], periods))
    starts = np.searchsorted(month, np.arange(month[-1] + 1))
    out[..., : month[-1] + 1] = np.add.reduceat(weekly, starts, axis=-1)
    return out


def calendar_contacts(
    on_list: np.ndarray, cohorts: Sequence[Cohort], contacts: Contacts, weekly_discount: np.ndarray, out: np.ndarray
) -> None:
    """Fill the calendar's contact lines `out` (w, 2g, programmes, 2, months).

    Customers on the list in each week, (w, 2 cohorts, weeks), times the contacts of that week.
    """
    group = np.array([c.group for c in cohorts])
    for g in np.unique(group):
        for half in (0, 1):
            people = on_list[:, 2 * np.flatnonzero(group == g) + half].sum(axis=1)
            for p in range(contacts.count.shape[0]):
                sent = people * np.diff(contacts.count[p, g])
                out[:, 2 * g + half, p, PLAIN] = sum_by_month(sent, out.shape[-1])
                out[:, 2 * g + half, p, DISCOUNTED] = sum_by_month(sent * weekly_discount, out.shape[-1])


def age_contacts(age_exit: np.ndarray, contacts: Contacts, newcomers: Sequence[int], out: np.ndarray) -> None:
    """Add the full months on the list to the age ledger's contact lines `out` (w, 2g, programmes, 2, ages).

    The kernel has posted the month in which somebody leaves; `age_exit` (w, 2g, arrival weeks, 2, ages) counts them.
    `newcomers` are the groups that have an age.
    """
    ages = out.shape[-1]
    joined = np.arange(age_exit.shape[2])[:, None]
    last = contacts.count.shape[-1] - 1
    week = np.minimum(joined + np.ceil(np.arange(ages + 1) * DAYS_PER_MONTH / DAYS_PER_WEEK).astype(int), last)
    for half in [2 * g + h for g in newcomers for h in (0, 1)]:
        for which, schedule in enumerate((contacts.count, contacts.discounted)):
            leaving = age_exit[:, half, :, which]
            staying = (leaving[..., ::-1].cumsum(axis=-1)[..., ::-1] - leaving) / COUNT_UNIT  # leave in a later month
            for p in range(schedule.shape[0]):
                sent = np.diff(schedule[p, half // 2][week], axis=-1)  # (arrival weeks, ages)
                out[:, half, p, which] += np.einsum("wam,am->wm", staying, sent)


def entry_lines(
    entries: Sequence[CostEntry],
    groups: tuple[Group, ...],
    sizes: np.ndarray,
    lines: dict[Line, np.ndarray],
    draw: np.ndarray,
) -> list[tuple[Line, np.ndarray]]:
    """Costs in proportion to orders, customers or revenue, each shaped like the lines (w, 2g, 2, months) it follows."""
    out = []
    for entry in entries:
        if entry.per in ("once", "month"):
            continue
        accounts = {
            "order": ("orders",),
            "customer": ("customers_acquired",),
            "revenue": ("revenue_orders", "revenue_offers"),
        }
        base = np.sum([values for line, values in lines.items() if line.account in accounts[entry.per]], axis=0)
        if entry.per == "customer":
            base = base.copy()
            base[:, :, :, 0] += sizes[:, None]
        reached = np.repeat([entry.who.reaches(g) for g in groups], 2)[:, None, None]
        out.append(
            (Line(ENTRY_ACCOUNT[entry.per], entry.name), entry.amount[draw][:, None, None, None] * base * reached)
        )
    return out


def fixed_lines(
    entries: Sequence[CostEntry], draw: np.ndarray, horizon_months: int, periods: int, delta: float
) -> list[tuple[Line, np.ndarray]]:
    """Fixed costs, dated at the start of their month, (w, 2, months); a ramp counts with its strength in mid-month."""
    out = []
    for entry in entries:
        if entry.per not in ("once", "month"):
            continue
        months = np.arange(periods, dtype=float)
        if entry.per == "once":
            share = months == np.floor(entry.when.start_month)
        else:
            share = entry.when.strength(months + 0.5) * (months < horizon_months)
        plain = entry.amount[draw][:, None] * share
        discounted = plain * np.exp(-delta * DAYS_PER_MONTH * months)
        out.append((Line("cost_fixed", entry.name), np.stack([plain, discounted], axis=1)))
    return out


ENTRY_ACCOUNT = {"order": "cost_orders", "revenue": "cost_orders", "customer": "cost_incentive"}
