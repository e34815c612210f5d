"""From the integer sums of one scenario to its ledger.

Axis names: w = worlds, g = ledger groups, 2g = groups by half of the customers, k = the kernel's lines.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from clvsim.interventions.base import Group
from clvsim.kernels import structs as ks
from clvsim.simulation.arrivals import ArrivalPlan
from clvsim.simulation.expected import Activity
from clvsim.simulation.layout import Layout
from clvsim.simulation.ledger.contacts import age_contacts, calendar_contacts, sum_by_month
from clvsim.simulation.ledger.lines import (
    DISCOUNTED,
    PLAIN,
    Economics,
    Ledger,
    Line,
    Raw,
    first_contact_line,
    fixed_lines,
    followed_shares,
    money_lines,
    natural_units,
    proportional_lines,
)
from clvsim.simulation.plan import RunPlan, ScenarioPlan
from clvsim.simulation.tables import Levers
from clvsim.types import DAYS_PER_MONTH

COMPANY = Group("company")
Lines = Mapping[Line, np.ndarray]


class Sums(NamedTuple):
    """The kernel's sums in natural units: money and counts."""

    calendar: np.ndarray  # (w, 2g, k, 2, months)
    first: np.ndarray  # (w, 2g, k, 2, 1), on the first order
    age: np.ndarray  # (w, 2g, k, 2, ages), the first order included
    cohort: np.ndarray  # (w, cohorts, 3, months)


def assemble_ledger(
    raw: Raw,
    contacts: ks.Contacts,
    scenario: ScenarioPlan,
    arrivals: ArrivalPlan,
    plan: RunPlan,
    draw: np.ndarray,
    customers: np.ndarray,
    activity: Activity | None,
) -> Ledger:
    """Turn integer sums into dated lines; totals are also given by half of the customers, everything else summed.

    `draw` (w,) of each world; `customers` (g,) existing customers of each group who are not known to be lost;
    `activity` says how many are there after the horizon.
    """
    layout = plan.layout
    sums = sums_of(raw, scenario.levers, plan.economics, layout.groups)
    if scenario.levers.contacts:
        add_contacts(sums, raw, contacts, scenario.levers, plan)
    for book in (sums.calendar, sums.age):  # the kernel posts arrivals and losses
        np.cumsum(book[:, :, ks.ACTIVE], axis=-1, out=book[:, :, ks.ACTIVE])
    sizes = np.repeat(customers, 2) / 2.0  # an even split over the halves
    calendar = customer_lines(sums.calendar, scenario, plan, draw, sizes)
    age, first = (
        customer_lines(book, scenario, plan, draw, np.zeros_like(sizes)) for book in (sums.age, sums.first)
    )  # fmt: skip
    halves, age_halves = half_totals(calendar, layout), age_half_totals(age, layout)
    lines = {line: with_company(add_halves(values)) for line, values in calendar.items()}
    lines |= acquisition_lines(arrivals, plan) | company_lines(scenario, plan, draw, activity)
    return Ledger(
        groups=(*layout.groups, COMPANY),
        lines=tuple(lines),
        calendar=np.stack(list(lines.values()), axis=2),
        age=of_newcomers(age, lines, layout),
        first=of_newcomers(first, lines, layout)[..., 0],
        cohort=sums.cohort,
        cohorts=layout.cohorts,
        halves=halves,
        age_halves=age_halves,
        horizon_months=plan.simulation.horizon_months,
    )


def of_newcomers(lines: Lines, order: Iterable[Line], layout: Layout) -> np.ndarray:
    """Lines by own age in the order of the ledger's, 0 where there are none, (w, newcomer groups, l, 2, ages)."""
    summed = {line: add_halves(values)[:, layout.is_new] for line, values in lines.items()}
    zeros = np.zeros_like(next(iter(summed.values())))
    return np.stack([summed.get(line, zeros) for line in order], axis=2)


def sums_of(raw: Raw, levers: Levers, economics: Economics, groups: Sequence[Group]) -> Sums:
    """Integer sums in natural units; the cohorts' active customers are counted on from month to month."""
    scale, margin = economics.money_scale, economics.gross_margin
    moved = np.array([any(shift.who.reaches(group) for shift in levers.margin_shifts) for group in groups], bool)
    calendar, by_age = (natural_units(book, scale, margin, np.repeat(moved, 2)) for book in (raw.calendar, raw.age))
    first, age = by_age[..., :1], by_age[..., 1:].copy()
    age[..., :1] += first
    cohort = raw.cohort / ks.COUNT_UNIT
    cohort[:, :, [ks.COHORT_REVENUE, ks.COHORT_CONTRIBUTION]] *= scale
    np.cumsum(cohort[:, :, ks.COHORT_ACTIVE], axis=-1, out=cohort[:, :, ks.COHORT_ACTIVE])
    return Sums(calendar, first, age, cohort)


def add_contacts(sums: Sums, raw: Raw, contacts: ks.Contacts, levers: Levers, plan: RunPlan) -> None:
    """Post the contacts of all customers on a list to the three books of `sums`, in place."""
    cohorts, first = plan.layout.cohorts, first_contact_line(levers)
    on_list = np.cumsum(raw.exposure, axis=-1)[..., :-1] / ks.COUNT_UNIT
    weekly_discount = plan.calendar.discount()
    calendar_contacts(on_list, cohorts, contacts, weekly_discount, sums.calendar[:, :, first:])
    age_contacts(raw.age_exit[..., 1:], contacts, np.flatnonzero(plan.layout.is_new).tolist(), sums.age[:, :, first:])
    group = np.array([c.group for c in cohorts])
    weekly_cost = np.diff(contacts.cost_discounted)[group] / weekly_discount
    cost = add_halves(on_list) * weekly_cost
    sums.cohort[:, :, ks.COHORT_CONTRIBUTION] -= sum_by_month(cost, sums.cohort.shape[-1])


def customer_lines(
    kernel: np.ndarray, scenario: ScenarioPlan, plan: RunPlan, draw: np.ndarray, sizes: np.ndarray
) -> dict[Line, np.ndarray]:
    """Lines that customers cause, each (w, 2g, 2, months), from a book in natural units, (w, 2g, k, 2, months)."""
    lines = money_lines(kernel, scenario.levers, draw, plan.economics)
    return lines | proportional_lines(scenario.costs, plan.layout.groups, sizes, lines, draw)


def add_halves(values: np.ndarray) -> np.ndarray:
    """Add the two halves of the customers: (w, 2g, …) → (w, g, …)."""
    return values[:, 0::2] + values[:, 1::2]


def with_company(values: np.ndarray) -> np.ndarray:
    """Append the company as one more group of zeros: (w, g, …) → (w, g + 1, …)."""
    return np.concatenate([values, np.zeros_like(values[:, :1])], axis=1)


def acquisition_lines(arrivals: ArrivalPlan, plan: RunPlan) -> dict[Line, np.ndarray]:
    """Money spent on the visitors of each channel, discounted from the middle of its month, (w, g + 1, 2, months).

    None where the margin is unknown: no cost is taken off revenue.
    """
    if not plan.economics.margin_known:
        return {}
    layout, months = plan.layout, plan.acquisition.months
    worlds = arrivals.cost.shape[0]
    middle = np.exp(-plan.economics.discount_per_day * DAYS_PER_MONTH * (np.arange(layout.months) + 0.5))
    lines = {}
    for c, name in enumerate(plan.acquisition.channels):
        spent = np.zeros((worlds, layout.months))
        spent[:, :months] = arrivals.cost[:, c * months : (c + 1) * months]
        values = np.zeros((worlds, len(layout.groups) + 1, 2, layout.months))
        group = layout.new_group(name)
        values[:, group, PLAIN] = spent
        values[:, group, DISCOUNTED] = spent * middle
        lines[Line("cost_acquisition", name)] = values
    return lines


def company_lines(
    scenario: ScenarioPlan, plan: RunPlan, draw: np.ndarray, activity: Activity | None
) -> dict[Line, np.ndarray]:
    """Fixed costs, which belong to the company, (w, g + 1, 2, months)."""
    layout = plan.layout
    lines = {}
    followed = followed_shares(scenario.costs, layout.groups, activity)
    for line, amount in fixed_lines(
        scenario.costs, draw, plan.simulation.horizon_months, layout.months, plan.economics.discount_per_day, followed
    ).items():
        lines[line] = np.zeros((draw.size, len(layout.groups) + 1, 2, layout.months))
        lines[line][:, -1] = amount
    return lines


def half_totals(lines: Lines, layout: Layout) -> np.ndarray:
    """Discounted contribution of each half of the customers, (w, 2, [existing, new, referred])."""
    total = sum(line.sign * values[:, :, DISCOUNTED].sum(axis=-1) for line, values in lines.items())
    by_half = by_origin(np.asarray(total), layout)
    return np.stack([by_half[origin] for origin in ("existing", "new", "referred")], axis=2)


def age_half_totals(lines: Lines, layout: Layout) -> np.ndarray:
    """Of newcomers: discounted contribution and number, (w, 2, 2)."""
    acquired = lines[Line("customers_acquired", "acquisition")][:, :, PLAIN].sum(axis=-1)
    return np.stack([half_totals(lines, layout)[:, :, 1], by_origin(acquired, layout)["new"]], axis=2)


def by_origin(values: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """Sums over the groups of each origin, (w, 2) by half, of values (w, 2g)."""
    by_half = values.reshape(-1, len(layout.groups), 2).transpose(0, 2, 1)
    origins = np.array([group.origin for group in layout.groups])
    return {origin: by_half[:, :, origins == origin].sum(axis=2) for origin in ("existing", "new", "referred")}
