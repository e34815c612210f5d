"""Metrics: one definition each, as a query on a ledger. A new one: a function here, a line in `METRICS`, its words in
`clvsim.report.glossary`.

A metric returns one value per world, (w,), over `simulation.horizon_months` of each customer's own life.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from clvsim.effects import NON_NEGATIVE, REAL, Domain
from clvsim.scenario import BASELINE

if TYPE_CHECKING:
    from clvsim.simulation.arrivals import Acquired
    from clvsim.simulation.run import SimulatedScenario, Simulation

Unit = Literal["money", "ratio", "share", "months", "count"]
type Query = Callable[[Simulation, SimulatedScenario], np.ndarray]


SHARE: Domain = (0.0, 1.0)


@dataclass(frozen=True)
class Metric:
    """One figure of a scenario, its unit and range, and how its noise is measured.

    Args:
        query: the figure of each world, (w,).
        unit: how it is written.
        basis: `expected` where the noise of single paths is known, by `halves` or because the figure is `exact`;
            `realised` where only the worlds' own values exist: its expectation per draw is always a regression on the
            draw's inputs.
        range: closed interval that holds every value of the query but nan (nothing to divide by), and so every mean.
        newcomers: it needs acquisition channels.
        margin: it needs a known margin, because it compares contribution with a cost.
        halves: the same figure for two halves of the customers, (w, 2), whose sum is the metric: from them the noise of
            single paths is measured.
        exact: it is a function of the draw alone.
        closed_form: an expectation per draw, (draws,), close to the metric: a control variate beside `halves`.

    Raises ValueError for a declaration that contradicts itself.
    """

    query: Query
    unit: Unit
    basis: Literal["expected", "realised"]
    range: Domain
    newcomers: bool = False
    margin: bool = False
    halves: Query | None = None
    exact: bool = False
    closed_form: Callable[[Simulation], np.ndarray] | None = None

    def __post_init__(self) -> None:
        if contradictions := self._contradictions():
            name = getattr(self.query, "__name__", repr(self.query))
            raise ValueError(f"metric {name}: {'; '.join(contradictions)}")

    def _contradictions(self) -> list[str]:
        low, high = self.range
        widest = _WIDEST.get(self.unit, REAL)
        rules = {
            "an expected metric needs halves, or to be exact": (
                self.basis == "expected" and self.halves is None and not self.exact
            ),
            "a metric that is realised only has no halves and is not exact": (
                self.basis == "realised" and (self.halves is not None or self.exact)
            ),
            "an exact metric has no noise for halves to measure": self.exact and self.halves is not None,
            "closed_form is used beside halves only": self.closed_form is not None and self.halves is None,
            f"its range {self.range} is no interval": not low < high,
            f"its range {self.range} goes beyond {widest}, which holds every {self.unit}": (
                low < widest[0] or high > widest[1]
            ),
        }
        return [rule for rule, broken in rules.items() if broken]


_WIDEST: dict[Unit, Domain] = {"share": SHARE, "count": NON_NEGATIVE, "months": NON_NEGATIVE}


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


def marginal_cac(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Cost of one more customer, dC/dN: what the channels cost more than in the baseline, per additional customer.

    Both are exact given the world's visitors. Where a scenario brings the baseline's number, the baseline itself
    included, one more customer costs what more visitors cost, who convert as the present ones do (constant returns).
    Not included: what a lever costs, and costs per month.
    """
    acquired, base = _acquired(scenario), _acquired(simulation.scenarios[BASELINE])
    more = acquired.expected_customers - base.expected_customers
    return np.divide(acquired.cost - base.cost, more, out=acquired.cac.copy(), where=more != 0) + 0.0


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
    """Customers' contribution by half; fixed and acquisition costs belong to no customer and are excluded."""
    return scenario.ledger.halves.sum(axis=2)


def existing_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.halves[:, :, 0]


def existing_halves_per_customer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return existing_halves(simulation, scenario) / len(simulation.customers)


def newcomer_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.halves[:, :, 1]


def pav_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Half of the mean contribution per newcomer of each half of the customers, (w, 2): they add up to the PAV."""
    value, people = scenario.ledger.age_halves[:, :, 0], scenario.ledger.age_halves[:, :, 1]
    pav = ratio(value.sum(axis=1), people.sum(axis=1))
    half_means = np.divide(value, people, out=np.repeat(pav[:, None], 2, axis=1), where=people > 0)
    return half_means / 2


# --- closed forms ----------------------------------------------------------------------------------------------------


def existing_expectation(simulation: Simulation) -> np.ndarray:
    return simulation.closed_form


def existing_expectation_per_customer(simulation: Simulation) -> np.ndarray:
    return simulation.closed_form / len(simulation.customers)


METRICS: dict[str, Metric] = {
    "plan_value": Metric(plan_value, "money", "expected", REAL, halves=total_halves, closed_form=existing_expectation),
    "customer_equity": Metric(
        customer_equity, "money", "expected", REAL, halves=total_halves, closed_form=existing_expectation
    ),
    "rlv_total": Metric(rlv_total, "money", "expected", REAL, halves=existing_halves, closed_form=existing_expectation),
    "rlv_per_customer": Metric(
        rlv_per_customer,
        "money",
        "expected",
        REAL,
        halves=existing_halves_per_customer,
        closed_form=existing_expectation_per_customer,
    ),
    "newcomers_total": Metric(
        newcomers_total, "money", "expected", REAL, newcomers=True, margin=True, halves=newcomer_halves
    ),
    "pav_per_newcomer": Metric(pav_per_newcomer, "money", "expected", REAL, newcomers=True, halves=pav_halves),
    "cac": Metric(cac, "money", "expected", NON_NEGATIVE, newcomers=True, exact=True),
    "marginal_cac": Metric(marginal_cac, "money", "expected", REAL, newcomers=True, exact=True),
    "clv_per_newcomer": Metric(
        clv_per_newcomer, "money", "expected", REAL, newcomers=True, margin=True, halves=pav_halves
    ),
    "ltv_cac": Metric(ltv_cac, "ratio", "realised", REAL, newcomers=True, margin=True),
    "share_repaying": Metric(share_repaying, "share", "realised", SHARE, newcomers=True, margin=True),
    "visitor_value": Metric(visitor_value, "money", "realised", REAL, newcomers=True),
    "newcomers": Metric(newcomers, "count", "realised", NON_NEGATIVE, newcomers=True),
    "orders": Metric(orders, "count", "realised", NON_NEGATIVE),
    "contacts": Metric(contacts, "count", "realised", NON_NEGATIVE),
    "opt_outs": Metric(opt_outs, "count", "realised", NON_NEGATIVE),
}
PAYBACK = ("payback_months", "p_payback_12_months", "p_payback_never")


def applicable(*, acquisition: bool, margin: bool, has_contacts: bool) -> dict[str, Metric]:
    """Metrics that apply, given whether there are channels, a known margin and contact programmes."""
    return {
        name: metric
        for name, metric in METRICS.items()
        if (acquisition or not metric.newcomers)
        and (margin or not metric.margin)
        and (has_contacts or name not in ("contacts", "opt_outs"))
    }


def available(simulation: Simulation) -> dict[str, Metric]:
    scenarios = simulation.scenarios.values()
    return applicable(
        acquisition=any(s.acquired for s in scenarios),
        margin=simulation.economics.margin_known,
        has_contacts=any(line.account == "contacts" for s in scenarios for line in s.ledger.lines),
    )
