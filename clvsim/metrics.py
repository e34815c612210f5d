"""Metrics: one definition each, as a query on a ledger. A new one: a function here, a line in `METRICS`, its words in
`clvsim.report.glossary`.

A metric returns one value per world, (w,), over `simulation.horizon_months` of each customer's own life.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from clvsim.simulation.arrivals import Acquired
    from clvsim.simulation.run import SimulatedScenario, Simulation

Unit = Literal["money", "ratio", "share", "months", "count"]
type Query = Callable[[Simulation, SimulatedScenario], np.ndarray]


class Metric(NamedTuple):
    """`halves` gives the same figure for two halves of the customers, (w, 2), whose sum is the metric: from them the
    noise of single paths is measured; without them the metric is always regressed on the draw's inputs, unless it is
    `exact`, a function of the draw alone. `closed_form` is an expectation per draw, (draws,), close to the metric."""

    query: Query
    unit: Unit
    newcomers: bool = False  # needs acquisition channels
    margin: bool = False  # needs a known margin: it compares contribution with a cost
    halves: Query | None = None
    exact: bool = False
    closed_form: Callable[[Simulation], np.ndarray] | None = None


def origin_value(scenario: SimulatedScenario, origin: str) -> np.ndarray:
    """Discounted contribution of the groups of one origin, acquisition cost taken off newcomers, (w,)."""
    groups = [g for g, group in enumerate(scenario.ledger.groups) if group.origin == origin]
    return scenario.ledger.value_by_group[:, groups].sum(axis=1)


def rlv_total(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """RLV(h): residual value of all existing customers from today."""
    return origin_value(scenario, "existing")


def rlv_per_customer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return rlv_total(simulation, scenario) / len(simulation.customers)


def newcomers_total(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Σ over future cohorts D(t_c)·n_c·(PAV − CAC)."""
    return origin_value(scenario, "new")


def customer_equity(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return rlv_total(simulation, scenario) + newcomers_total(simulation, scenario)


def plan_value(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """CE − Σ D(t)·fixed cost(t)."""
    return customer_equity(simulation, scenario) + origin_value(scenario, "company")


def pav_per_newcomer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """PAV(h): contribution from the first order inclusive, discounted to it; acquisition cost not deducted."""
    return ratio(scenario.ledger.newcomer_value, scenario.ledger.total("customers_acquired", age=True))


def cac(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Expected cost per acquired customer of the world's visitors."""
    return _acquired(scenario).cac


def clv_per_newcomer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return pav_per_newcomer(simulation, scenario) - cac(simulation, scenario)


def ltv_cac(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Ratio of means per world; never the mean of customers' ratios."""
    return ratio(pav_per_newcomer(simulation, scenario), cac(simulation, scenario))


def share_repaying(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Share of simulated newcomers whose own contribution ever reaches the acquisition cost."""
    ledger = scenario.ledger
    return ratio(ledger.total("repaid", age=True), ledger.total("customers_acquired", age=True))


def visitor_value(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Conversion × PAV; also the highest cost per visitor that pays."""
    return _acquired(scenario).conversion * pav_per_newcomer(simulation, scenario)


def newcomers(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return _acquired(scenario).customers


def orders(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("orders")


def contacts(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("contacts")


def opt_outs(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("opt_outs")


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, nan where there is nothing to divide by."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)


def _acquired(scenario: SimulatedScenario) -> Acquired:
    if scenario.acquired is None:
        raise ValueError("this metric needs acquisition channels")
    return scenario.acquired


# --- halves ----------------------------------------------------------------------------------------------------------


def total_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Customers' contribution by half; fixed and acquisition costs belong to nobody and are left out."""
    return scenario.ledger.halves.sum(axis=2)


def existing_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.halves[:, :, 0]


def existing_halves_per_customer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return existing_halves(simulation, scenario) / len(simulation.customers)


def newcomer_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.halves[:, :, 1]


def pav_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Each half's contribution over everybody's number: they add up to the PAV."""
    value, people = scenario.ledger.age_halves[:, :, 0], scenario.ledger.age_halves[:, :, 1]
    pav = ratio(value.sum(axis=1), people.sum(axis=1))
    own = np.divide(value, people, out=np.repeat(pav[:, None], 2, axis=1), where=people > 0)
    return own / 2


# --- closed forms ----------------------------------------------------------------------------------------------------


def existing_expectation(simulation: Simulation) -> np.ndarray:
    return simulation.closed_form


def existing_expectation_per_customer(simulation: Simulation) -> np.ndarray:
    return simulation.closed_form / len(simulation.customers)


METRICS: dict[str, Metric] = {
    "plan_value": Metric(plan_value, "money", halves=total_halves, closed_form=existing_expectation),
    "customer_equity": Metric(customer_equity, "money", halves=total_halves, closed_form=existing_expectation),
    "rlv_total": Metric(rlv_total, "money", halves=existing_halves, closed_form=existing_expectation),
    "rlv_per_customer": Metric(
        rlv_per_customer,
        "money",
        halves=existing_halves_per_customer,
        closed_form=existing_expectation_per_customer,
    ),
    "newcomers_total": Metric(newcomers_total, "money", newcomers=True, margin=True, halves=newcomer_halves),
    "pav_per_newcomer": Metric(pav_per_newcomer, "money", newcomers=True, halves=pav_halves),
    "cac": Metric(cac, "money", newcomers=True, exact=True),
    "clv_per_newcomer": Metric(clv_per_newcomer, "money", newcomers=True, margin=True, halves=pav_halves),
    "ltv_cac": Metric(ltv_cac, "ratio", newcomers=True, margin=True),
    "share_repaying": Metric(share_repaying, "share", newcomers=True, margin=True),
    "visitor_value": Metric(visitor_value, "money", newcomers=True),
    "newcomers": Metric(newcomers, "count", newcomers=True),
    "orders": Metric(orders, "count"),
    "contacts": Metric(contacts, "count"),
    "opt_outs": Metric(opt_outs, "count"),
}
PAYBACK = ("payback_months", "p_payback_12_months", "p_payback_never")


def applicable(*, acquisition: bool, margin: bool, contacting: bool) -> dict[str, Metric]:
    """Metrics that mean something with or without channels, a known margin and contact programmes."""
    return {
        name: metric
        for name, metric in METRICS.items()
        if (acquisition or not metric.newcomers)
        and (margin or not metric.margin)
        and (contacting or name not in ("contacts", "opt_outs"))
    }


def available(simulation: Simulation) -> dict[str, Metric]:
    scenarios = simulation.scenarios.values()
    return applicable(
        acquisition=any(s.acquired for s in scenarios),
        margin=simulation.economics.margin_known,
        contacting=any(line.account == "contacts" for s in scenarios for line in s.ledger.lines),
    )
