"""The ledger of a scenario, and its lines of money: accounts, causes, and what follows from counts and prices."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvsim.errors import ConfigError
from clvsim.interventions.base import CostEntry, Group, OfferTerms
from clvsim.interventions.terms import MembershipTerms
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import COUNT_UNIT
from clvsim.simulation.config import FinanceConfig
from clvsim.simulation.tables import Levers
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR

if TYPE_CHECKING:  # needs the plan, which needs the lines
    from clvsim.simulation.expected import Activity

PLAIN, DISCOUNTED = 0, 1
FIXED = ("once", "month")  # costs that do not depend on customers
FOLLOWED = {  # accounts that a cost in proportion follows
    "order": ("orders",),
    "customer": ("customers_acquired",),
    "revenue": ("revenue_orders", "revenue_offers"),
}
ENTRY_ACCOUNT = {"order": "cost_orders", "revenue": "cost_orders", "customer": "cost_incentive"}


class Line(NamedTuple):
    """A line of the ledger: `account` is the kind of money or count, `cause` the mechanism that posted it."""

    account: str
    cause: str

    @property
    def sign(self) -> int:
        """Of the account in contribution: +1 revenue, -1 refunds and costs, 0 counts."""
        if self.account.startswith("revenue"):
            return 1
        return -1 if self.account.startswith("cost") or self.account == "refunds" else 0


WITHHELD = Line("contacts_withheld", "frequency_cap")  # of campaigns


class Cohort(NamedTuple):
    """Customers of one ledger group who started in the same quarter."""

    group: int
    quarter: str


@dataclass(frozen=True)
class Ledger:
    """One scenario. Axis order: world, group, line, (undiscounted, discounted), month.

    There are two clocks. Values follow each customer for the horizon of the own life, so that a total over all months
    is complete. By calendar months, customers of today are followed for the horizon only, while newcomers who came
    later still are: a figure by month is read only before `horizon_months` (`by_month`).
    """

    groups: tuple[Group, ...]
    lines: tuple[Line, ...]
    calendar: np.ndarray  # (w, g, l, 2, months since today), discounted to today
    age: np.ndarray  # (w, newcomer groups, l, 2, months of own age), discounted to the own first order
    first: np.ndarray  # (w, newcomer groups, l, 2) the part of the first month that falls on the first order itself
    cohort: np.ndarray  # (w, cohorts, 3, months): revenue, contribution before cost entries, active; undiscounted
    cohorts: tuple[Cohort, ...]
    halves: np.ndarray  # (w, 2, [existing, new, referred]) discounted contribution of two halves of the customers
    age_halves: np.ndarray  # (w, 2, [contribution, customers]) of newcomers over their own horizon, discounted
    horizon_months: int  # everybody is followed in the calendar's months before it; later only newcomers are

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

    def by_month(self, account: str, *, discounted: bool = False) -> np.ndarray:
        """An account by month since today, (w, horizon months), of the months in which everybody is followed."""
        rows = [i for i, line in enumerate(self.lines) if line.account == account]
        return self.calendar[:, :, rows, int(discounted), : self.horizon_months].sum(axis=(1, 2))

    def contribution_by_age(self, *, discounted: bool = True) -> np.ndarray:
        """Cumulative contribution of all newcomers by own age 0, 1, …, (w, ages + 1): age 0 is the first order."""
        signs = np.array([line.sign for line in self.lines], float)
        first = np.einsum("l,wgl->w", signs, self.first[:, :, :, int(discounted)])
        monthly = self.contribution(age=True, discounted=discounted).sum(axis=1)
        return np.concatenate([first[:, None], np.cumsum(monthly, axis=1)], axis=1)

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
    """Prices that turn counts into money.

    Without a known margin money is revenue, and no cost is taken off a figure that is called revenue: neither goods nor
    any other. This is decided here: the margin is 1, a cost per order 0, and no other cost counts (`margin_known`).
    """

    margin_known: bool  # False: no ledger has a line of costs
    gross_margin: float
    cost_per_order: float
    discount_per_day: float
    money_scale: float

    @classmethod
    def from_finance(cls, finance: FinanceConfig, money_scale: float) -> "Economics":
        margin = finance.gross_margin
        return cls(
            margin_known=margin is not None,
            gross_margin=1.0 if margin is None else margin,
            cost_per_order=0.0 if margin is None else finance.cost_per_order,
            discount_per_day=float(np.log1p(finance.annual_discount_rate) / DAYS_PER_YEAR),
            money_scale=money_scale,
        )


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


def followed_shares(
    costs: Sequence[CostEntry], groups: Sequence[Group], activity: "Activity | None"
) -> dict[str, np.ndarray]:
    """By monthly cost: share that customers who are still followed have in all whom it serves, (draws, months).

    After the horizon only newcomers are followed, each to the end of the own one, though all are served as long as they
    are there: a programme costs as long as it brings something. Of a cost that reaches part of today's customers or of
    the newcomers, that part is taken to be active like all of them. Empty without newcomers, who alone outlast the
    horizon.
    """
    shares: dict[str, np.ndarray] = {}
    if activity is None:
        return shares
    for cost in costs:
        if cost.per != "month":
            continue
        old, new = (any(g.origin == o and cost.who.reaches(g) for g in groups) for o in ("existing", "new"))
        served = old * activity.existing + new * activity.newcomers
        shares[cost.name] = np.divide(new * activity.followed, served, out=np.zeros_like(served), where=served > 0)
    return shares


def typical_amounts(customers: pd.DataFrame) -> np.ndarray:
    """Amounts that set the money scale: first orders, or mean repeat orders where the first is unknown, (c,)."""
    first = customers["first_amount"].to_numpy(float)
    orders = customers["repeat_positive"].to_numpy(float)
    means = np.divide(customers["repeat_amount"].to_numpy(float), orders, out=np.zeros_like(first), where=orders > 0)
    return np.where(np.isnan(first), means, first)


def first_contact_line(levers: Levers) -> int:
    """Index of the kernel's first line of contact programmes."""
    return withheld_line(levers) + (levers.cap is not None)


def withheld_line(levers: Levers) -> int:
    """Index of the kernel's line of messages that a cap withheld, where campaigns have one."""
    return ks.BASE_LINES + ks.OFFER_LINES * len(levers.offers)


def kernel_lines(levers: Levers) -> int:
    """Number of lines that the kernel posts to."""
    return first_contact_line(levers) + len(levers.contacts)


def money_lines(kernel: np.ndarray, levers: Levers, draw: np.ndarray, economics: Economics) -> dict[Line, np.ndarray]:
    """Every line that customers cause, from the kernel's lines (w, x, k, …) in natural units; each (w, x, …)."""

    def kernel_line(i: int) -> np.ndarray:
        return kernel[:, :, i]

    def per_world(values: np.ndarray) -> np.ndarray:
        return values[draw].reshape(-1, *([1] * (kernel.ndim - 2)))

    lines = {
        Line("revenue_orders", "orders"): kernel_line(ks.REVENUE),
        Line("cost_goods", "orders"): kernel_line(ks.GOODS),
        Line("cost_orders", "orders"): economics.cost_per_order * kernel_line(ks.ORDERS),
        Line("orders", "orders"): kernel_line(ks.ORDERS),
        Line("customers_acquired", "acquisition"): kernel_line(ks.ACQUIRED),
        Line("active_customers", "orders"): kernel_line(ks.ACTIVE),
        Line("repaid", "acquisition"): kernel_line(ks.REPAID),
    }
    for o, offer in enumerate(levers.offers):
        first = ks.BASE_LINES + ks.OFFER_LINES * o
        if offer.referral is not None:
            brought = kernel_line(first + ks.TAKEN)
            lines |= {
                Line("cost_incentive", offer.name): per_world(offer.incentive) * brought,
                Line("referrals", offer.name): brought,
            }
            continue
        if offer.membership is not None:
            counts = (kernel_line(first + i) for i in (ks.SHOWN, ks.TAKEN, ks.SERVED))
            lines |= membership_lines(offer, offer.membership, *counts, per_world, economics)
            continue
        if offer.win_back is not None or offer.next_product is not None:
            lines |= lives_lines(offer, *(kernel_line(first + i) for i in range(ks.OFFER_LINES)), per_world)
            continue
        taken, refunded = kernel_line(first + ks.TAKEN), kernel_line(first + ks.REFUNDED)
        margin = economics.gross_margin if offer.margin is None else offer.margin
        goods = taken - refunded if offer.goods_return else taken
        price = per_world(offer.price)
        lines |= {
            Line("revenue_offers", offer.name): price * taken,
            Line("refunds", offer.name): price * refunded,
            Line("cost_goods", offer.name): price * (1 - margin) * goods,
            Line("cost_incentive", offer.name): per_world(offer.incentive) * taken,
            Line("offers_shown", offer.name): kernel_line(first + ks.SHOWN),
            Line("offers_taken", offer.name): taken,
        }
        if offer.contact_cost is not None:
            lines[Line("cost_contact", offer.name)] = per_world(offer.contact_cost) * kernel_line(first + ks.SHOWN)
            lines[Line("contacts", offer.name)] = lines.pop(Line("offers_shown", offer.name))
    if levers.cap:
        lines[WITHHELD] = kernel_line(withheld_line(levers))
    for p, programme in enumerate(levers.contacts):
        contacts = kernel_line(first_contact_line(levers) + p)
        lines |= {
            Line("contacts", programme.name): contacts,
            Line("cost_contact", programme.name): programme.cost * contacts,
        }
    if levers.contacts:
        lines[Line("opt_outs", "contact")] = kernel_line(ks.OPTED_OUT)
    return lines


def membership_lines(
    offer: OfferTerms,
    terms: MembershipTerms,
    trials: np.ndarray,
    charges: np.ndarray,
    orders: np.ndarray,
    per_world: Callable[[np.ndarray], np.ndarray],
    economics: Economics,
) -> dict[Line, np.ndarray]:
    """Lines of a membership, from the numbers of its trials, charges and members' orders."""
    margin = economics.gross_margin if offer.margin is None else offer.margin
    price = per_world(offer.price)
    return {
        Line("revenue_offers", offer.name): price * charges,
        Line("cost_goods", offer.name): price * (1 - margin) * charges,
        Line("cost_incentive", offer.name): per_world(terms.trial_cost) * trials + per_world(terms.order_cost) * orders,
        Line("trials", offer.name): trials,
        Line("charges", offer.name): charges,
    }


def lives_lines(
    offer: OfferTerms,
    shown: np.ndarray,
    taken: np.ndarray,
    won_back: np.ndarray,
    per_world: Callable[[np.ndarray], np.ndarray],
) -> dict[Line, np.ndarray]:
    """Lines of a win-back, from the numbers of those written to, of coupons used and of those who came back; of a next
    product, from the numbers of those who would have left and of those who went over to it."""
    if offer.contact_cost is None:
        return {Line("would_have_left", offer.name): shown, Line("moved_on", offer.name): taken}
    return {
        Line("cost_incentive", offer.name): per_world(offer.incentive) * taken,
        Line("cost_contact", offer.name): per_world(offer.contact_cost) * shown,
        Line("contacts", offer.name): shown,
        Line("coupons_used", offer.name): taken,
        Line("won_back", offer.name): won_back,
    }


def natural_units(raw: np.ndarray, scale: float, margin: float, posted: np.ndarray) -> np.ndarray:
    """Ledger (w, 2g, k, …) in natural units: money lines by the money scale, counts by 2^-24. Raises
    ConfigError where a cell outgrows an integer: what is typed is far from what customers pay.

    Where the `margin` is constant goods follow from revenue; `posted` (2g,): where it varies, and orders posted them.
    """
    if raw.size and (raw.max() >= 2**62 or raw.min() <= -(2**62)):
        most = 2**62 / COUNT_UNIT * scale
        what = f"the sum of a month grows beyond {most:.1g}, to which money is counted exactly here"
        raise ConfigError([("scenario", f"{what}: is a price, a cost or a rate of a lever a million times too high?")])
    out = raw / COUNT_UNIT
    out[:, :, [ks.REVENUE, ks.GOODS]] *= scale
    out[:, ~posted, ks.GOODS] = (1.0 - margin) * out[:, ~posted, ks.REVENUE]
    return out


def proportional_lines(
    costs: Sequence[CostEntry],
    groups: tuple[Group, ...],
    sizes: np.ndarray,
    lines: Mapping[Line, np.ndarray],
    draw: np.ndarray,
) -> dict[Line, np.ndarray]:
    """Costs in proportion to orders, customers or revenue, each shaped like the lines (w, 2g, 2, months) it follows.

    `sizes` (2g,): existing customers at the start.
    """
    new_lines = {}
    for cost in costs:
        if cost.per in FIXED:
            continue
        base = np.sum([values for line, values in lines.items() if line.account in FOLLOWED[cost.per]], axis=0)
        if cost.per == "customer":
            base = base.copy()
            base[:, :, :, 0] += sizes[:, None]
        reached = np.repeat([cost.who.reaches(g) for g in groups], 2)[:, None, None]
        new_lines[Line(ENTRY_ACCOUNT[cost.per], cost.name)] = cost.amount[draw][:, None, None, None] * base * reached
    return new_lines


def fixed_lines(
    costs: Sequence[CostEntry],
    draw: np.ndarray,
    horizon_months: int,
    periods: int,
    discount_per_day: float,
    followed: Mapping[str, np.ndarray] | None = None,
) -> dict[Line, np.ndarray]:
    """Fixed costs, dated at the start of their month, (w, 2, months); a ramp counts with its strength in mid-month.

    After the horizon a monthly cost counts with the share that those still followed have in all whom it serves:
    `followed` by the cost's name, as of `followed_shares`; without it, not at all.
    """
    lines = {}
    months = np.arange(periods, dtype=float)
    for cost in costs:
        if cost.per not in FIXED:
            continue
        if cost.per == "once":
            share = months == np.floor(cost.when.start_month)
        else:
            share = cost.when.strength(months + 0.5) * np.where(
                months < horizon_months, 1.0, followed[cost.name][draw] if followed else 0.0
            )
        plain = cost.amount[draw][:, None] * share
        discounted = plain * np.exp(-discount_per_day * DAYS_PER_MONTH * months)
        lines[Line("cost_fixed", cost.name)] = np.stack([plain, discounted], axis=1)
    return lines
