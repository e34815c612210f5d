"""Closed forms of metrics: what the baseline brings on average, per draw, from `Simulation.expected`.

Each function returns (draws,) and is the expectation, given the draw's parameters, of the metric of its name
(`clvsim.metrics`), costs included; shocks common to all customers stand at their mean. Levers of the baseline itself
are left out, but for shifts of a conversion. A ratio is one of expectations. docs/expected.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clvsim.interventions.base import ContactProgramme, CostEntry, Group, OfferTerms, Shift
from clvsim.scenario import BASELINE
from clvsim.types import DAYS_PER_MONTH

if TYPE_CHECKING:  # slow to load: not for those who only check a configuration
    from clvsim.simulation.ledger import Economics
    from clvsim.simulation.run import SimulatedScenario, Simulation

Lever = Shift | OfferTerms | ContactProgramme


# --- what customers bring ---------------------------------------------------------------------------------------------


def contribution(economics: Economics, revenue: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Of amounts ordered and the number of orders, before costs that scenarios enter."""
    return economics.gross_margin * revenue - economics.cost_per_order * orders


def entered_costs(
    simulation: Simulation, group: Group, revenue: np.ndarray, orders: np.ndarray, customers: np.ndarray | float
) -> np.ndarray:
    """The baseline's costs per order, per customer and as a share of revenue of one ledger group, (draws, ...)."""
    total = np.zeros_like(revenue)
    base = {"order": orders, "revenue": revenue, "customer": customers}
    for cost in baseline_costs(simulation):
        if cost.per in base and cost.who.reaches(group):
            total += cost.amount.reshape(-1, *[1] * (revenue.ndim - 1)) * base[cost.per]
    return total


def baseline_costs(simulation: Simulation) -> list[CostEntry]:
    return [m for m in simulation.scenarios[BASELINE].compiled.mechanisms if isinstance(m, CostEntry)]


def groups_of(simulation: Simulation, origin: str) -> list[Group]:
    return [g for g in simulation.scenarios[BASELINE].ledger.groups if g.origin == origin]


class NewcomerPart(NamedTuple):
    """Newcomers of a channel who are held out alike: their ledger group, their share, and the group's place."""

    group: Group
    share: float
    place: int


def newcomer_parts(simulation: Simulation) -> list[list[NewcomerPart]]:
    """Of each channel the groups of newcomers, whose shares are known: who is held out is drawn evenly."""
    groups = simulation.scenarios[BASELINE].ledger.groups
    new = [(g, group) for g, group in enumerate(groups) if group.origin == "new"]
    hold_outs = sorted({share for _, group in new for share in group.held_out})
    by_channel: dict[str, list[NewcomerPart]] = {}
    for g, group in new:
        low = max((share for share in hold_outs if share not in group.held_out), default=0.0)
        part = NewcomerPart(group, min(group.held_out, default=1.0) - low, g)
        by_channel.setdefault(group.channel, []).append(part)
    return list(by_channel.values())


def existing_value(simulation: Simulation) -> np.ndarray:
    """Contribution of today's customers, discounted to today, (draws, groups)."""
    levels = simulation.expected
    revenue, orders = levels.existing_revenue, levels.existing_discounted_orders
    value = contribution(simulation.economics, revenue, orders)
    for g, group in enumerate(groups_of(simulation, "existing")):
        people = levels.existing_customers[g]
        value[:, g] -= entered_costs(simulation, group, revenue[:, g], orders[:, g], people)
    return value


def newcomer_value(simulation: Simulation) -> np.ndarray:
    """Contribution of one newcomer, discounted to the own first order, by month of arrival, (draws, channels, months).

    The cost of acquisition is not deducted.
    """
    levels = simulation.expected
    return _of_newcomers(simulation, levels.newcomer_revenue, levels.newcomer_discounted_orders, 1.0)


def _of_newcomers(
    simulation: Simulation, revenue: np.ndarray, orders: np.ndarray, customers: np.ndarray | float
) -> np.ndarray:
    """Contribution by channel, (draws, channels, ...); `customers` is broadcast against (draws, ...)."""
    value = contribution(simulation.economics, revenue, orders)
    for c, parts in enumerate(newcomer_parts(simulation)):
        for group, share, _ in parts:
            value[:, c] -= share * entered_costs(simulation, group, revenue[:, c], orders[:, c], customers)
    return value


def expected_age_curve(simulation: Simulation, *, discounted: bool = True) -> np.ndarray:
    """Cumulative contribution per newcomer by own age, (draws, ages + 1); nan in draws in which nobody comes.

    Column 0 is the first order, at age 0; column k what came within k months. Channels weigh by their newcomers.
    Discounted to the own first order, or not; the cost of acquisition is not deducted.
    """
    levels = simulation.expected
    revenue = levels.age_revenue if discounted else levels.age_revenue_undiscounted
    orders = levels.age_discounted_orders if discounted else levels.age_orders
    in_first = (np.arange(revenue.shape[2]) == 0).astype(float)
    monthly = _of_newcomers(simulation, revenue, orders, in_first)
    first = _of_newcomers(simulation, levels.first_revenue, np.ones_like(levels.first_revenue), 1.0)
    curve = np.concatenate([first[:, :, None], np.cumsum(monthly, axis=2)], axis=2)
    people = levels.newcomers.sum(axis=2)
    return ratio((people[:, :, None] * curve).sum(axis=1), people.sum(axis=1)[:, None])


# --- metrics ----------------------------------------------------------------------------------------------------------


def rlv_total(simulation: Simulation) -> np.ndarray:
    return existing_value(simulation).sum(axis=1)


def rlv_per_customer(simulation: Simulation) -> np.ndarray:
    return rlv_total(simulation) / len(simulation.customers)


def newcomers_total(simulation: Simulation) -> np.ndarray:
    """Σ D·n·PAV less the money spent on newcomers, which is discounted from the middle of its month.

    Without a known margin it is revenue, which no cost moves.
    """
    levels, per_month = simulation.expected, simulation.economics.discount_per_day * DAYS_PER_MONTH
    brought = levels.newcomers * levels.arrival_discount * newcomer_value(simulation)
    middle = np.exp(-per_month * (np.arange(levels.acquisition_cost.shape[2]) + 0.5))
    cost = (levels.acquisition_cost * middle).sum(axis=(1, 2)) if simulation.economics.margin_known else 0.0
    return brought.sum(axis=(1, 2)) - cost


def customer_equity(simulation: Simulation) -> np.ndarray:
    return rlv_total(simulation) + newcomers_total(simulation)


def fixed_costs(simulation: Simulation) -> np.ndarray:
    """The baseline's costs once and per month, discounted to today."""
    from clvsim.simulation.ledger.lines import fixed_lines, followed_shares

    periods = simulation.scenarios[BASELINE].ledger.calendar.shape[-1]
    costs = baseline_costs(simulation)
    lines = fixed_lines(
        costs,
        np.arange(simulation.draws),
        simulation.horizon_months,
        periods,
        simulation.economics.discount_per_day,
        followed_shares(costs, simulation.scenarios[BASELINE].ledger.groups, simulation.expected.activity),
    )
    return sum((amounts[:, 1].sum(axis=1) for amounts in lines.values()), np.zeros(simulation.draws))


def plan_value(simulation: Simulation) -> np.ndarray:
    return customer_equity(simulation) - fixed_costs(simulation)


def newcomers(simulation: Simulation) -> np.ndarray:
    return simulation.expected.newcomers.sum(axis=(1, 2))


def pav_per_newcomer(simulation: Simulation) -> np.ndarray:
    value = (simulation.expected.newcomers * newcomer_value(simulation)).sum(axis=(1, 2))
    return ratio(value, newcomers(simulation))


def cac(simulation: Simulation) -> np.ndarray:
    """All money spent on newcomers over their number."""
    return ratio(simulation.expected.acquisition_cost.sum(axis=(1, 2)), newcomers(simulation))


def clv_per_newcomer(simulation: Simulation) -> np.ndarray:
    return pav_per_newcomer(simulation) - cac(simulation)


def ltv_cac(simulation: Simulation) -> np.ndarray:
    return ratio(pav_per_newcomer(simulation), cac(simulation))


def visitor_value(simulation: Simulation) -> np.ndarray:
    visitors = np.full(simulation.draws, simulation.expected.visitors.sum())
    return ratio(newcomers(simulation), visitors) * pav_per_newcomer(simulation)


def orders(simulation: Simulation) -> np.ndarray:
    """Orders of today's customers and of newcomers, first ones included."""
    levels = simulation.expected
    return levels.existing_orders.sum(axis=1) + (levels.newcomers * levels.newcomer_orders).sum(axis=(1, 2))


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, nan where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


CLOSED_FORMS: dict[str, Callable[[Simulation], np.ndarray]] = {
    function.__name__: function
    for function in (
        plan_value,
        customer_equity,
        rlv_total,
        rlv_per_customer,
        newcomers_total,
        pav_per_newcomer,
        cac,
        clv_per_newcomer,
        ltv_cac,
        visitor_value,
        newcomers,
        orders,
    )
}


# --- what a scenario touches ------------------------------------------------------------------------------------------


def touched_revenue(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Discounted revenue of the people and months that a scenario's levers reach, under the baseline, (draws,); > 0.

    The scale of a difference: closed form per draw, group and month of arrival. Where a lever runs for some months only
    its group counts with the share of revenue that falls into them, which is the same in all draws: that of the
    simulated baseline, averaged over worlds. A shift of a conversion reaches whoever arrives meanwhile, for good. A
    scenario that reaches no revenue has all of it; without any revenue it is 1.
    """
    levels = simulation.expected
    levers = [m for m in scenario.compiled.mechanisms if not isinstance(m, CostEntry)]
    moving = [m for m in levers if not (isinstance(m, Shift) and m.brings_customers)]
    shares = _shares_by_month(simulation)
    total = np.zeros(simulation.draws)
    for g, group in enumerate(groups_of(simulation, "existing")):
        total += levels.existing_revenue[:, g] * _reached_share(moving, group, shares[g])
    brought = levels.newcomers * levels.arrival_discount * levels.newcomer_revenue
    for c, parts in enumerate(newcomer_parts(simulation)):
        for group, part, g in parts:
            arriving = _months_reached([m for m in levers if m not in moving], group, brought.shape[2])
            share = np.where(arriving, 1.0, _reached_share(moving, group, shares[g]))
            total += part * (brought[:, c] * share).sum(axis=1)
    everything = levels.existing_revenue.sum(axis=1) + brought.sum(axis=(1, 2))
    everything = np.where(everything > 0, everything, 1.0)
    return np.where(total > 0, total, everything)


def _shares_by_month(simulation: Simulation) -> np.ndarray:
    """Of each group's simulated revenue that falls into each month, discounted, mean of worlds, (groups, months)."""
    ledger = simulation.scenarios[BASELINE].ledger
    rows = [i for i, line in enumerate(ledger.lines) if line.account == "revenue_orders"]
    revenue = ledger.calendar[:, :, rows, 1].sum(axis=2).mean(axis=0)
    total = revenue.sum(axis=1, keepdims=True)
    return np.divide(revenue, total, out=np.full_like(revenue, 1 / revenue.shape[1]), where=total > 0)


def _months_reached(levers: Iterable[Lever], group: Group, months: int) -> np.ndarray:
    """Months in which some lever acts on a group, (months,)."""
    start = np.arange(months)
    reached = np.zeros(months, bool)
    for lever in levers:
        if lever.who.reaches(group):
            reached |= (lever.when.start_month < start + 1) & (lever.when.end_month > start)
    return reached


def _reached_share(levers: Iterable[Lever], group: Group, shares: np.ndarray) -> float:
    return float(shares[_months_reached(levers, group, shares.size)].sum())
