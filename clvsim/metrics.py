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
from clvsim.errors import ConfigError
from clvsim.interventions.base import REFERRED, CostEntry
from clvsim.scenario import BASELINE
from clvsim.simulation import levels
from clvsim.simulation.levels import ratio

if TYPE_CHECKING:
    from clvsim.simulation.arrivals import Acquired
    from clvsim.simulation.run import SimulatedScenario, Simulation

Unit = Literal["money", "ratio", "share", "months", "count"]
type Query = Callable[[Simulation, SimulatedScenario], np.ndarray]


SHARE: Domain = (0.0, 1.0)


@dataclass(frozen=True)
class Metric:
    """One figure of a scenario, its unit and range, and what is known of its expectation.

    Args:
        query: the figure of each world, (w,).
        unit: how it is written.
        range: closed interval that holds every value of the query but nan (nothing to divide by), and so every mean;
            expectations are held to it.
        newcomers: it needs acquisition channels.
        margin: it needs a known margin, because it compares contribution with a cost.
        closed_form: its expectation per draw under a baseline without levers, (draws,).
        halves: the same figure for two halves of the customers, (w, 2), whose sum is the metric: from them the noise of
            single paths is measured. Of a ratio they are linearised (delta method).
        exact: it is a function of the draw alone.
        known: the part of it that is known given the draw, (w,): posted costs that follow no random event.
        calm: the figure of each world without the luck of single customers, (w,), where that is known.
        per: what differences are measured in beside the revenue that a scenario reaches, (draws,): where the figure is
            no sum of money, its typical size over that revenue.
        sampled: what of today's customers it adds up, "" nothing: from single ones the error follows that simulating a
            sample of them makes. "unknown": a number that is not known of single ones.

    A metric that has neither a closed form nor halves, and is not exact, is realised only: the noise of single paths
    cannot be told from its expectation. Raises ValueError for a declaration that contradicts itself.
    """

    query: Query
    unit: Unit
    range: Domain
    newcomers: bool = False
    margin: bool = False
    closed_form: Callable[[Simulation], np.ndarray] | None = None
    halves: Query | None = None
    exact: bool = False
    known: Query | None = None
    calm: Query | None = None
    per: Callable[[Simulation], np.ndarray] | None = None
    sampled: Literal["", "value", "value per customer", "orders", "unknown"] = ""

    def __post_init__(self) -> None:
        if contradictions := self._contradictions():
            name = getattr(self.query, "__name__", repr(self.query))
            raise ValueError(f"metric {name}: {'; '.join(contradictions)}")

    @property
    def has_expectation(self) -> bool:
        """Whether an expected value per draw exists; else only the worlds' own values do."""
        return self.exact or self.halves is not None or self.closed_form is not None

    def _contradictions(self) -> list[str]:
        low, high = self.range
        widest = _WIDEST.get(self.unit, REAL)
        beside = {name: getattr(self, name) is not None for name in ("known", "calm", "per")}
        rules = {
            "an exact metric has no noise for halves to measure": self.exact and self.halves is not None,
            f"{', '.join(n for n, given in beside.items() if given)} of a metric without an expectation": (
                not self.has_expectation and any(beside.values())
            ),
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
    """Of those of today, of newcomers, and of those whom customers refer."""
    own = rlv_total(simulation, scenario) + newcomers_total(simulation, scenario)
    return own + origin_value(scenario, "referred")


def plan_value(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """CE − Σ D(t)·fixed cost(t)."""
    return customer_equity(simulation, scenario) + origin_value(scenario, "company")


def pav_per_newcomer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """PAV(h): contribution from the first order inclusive, discounted to it; acquisition cost not deducted."""
    return ratio(scenario.ledger.newcomer_value, scenario.ledger.total("customers_acquired", age=True))


def cac(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Expected cost per acquired customer of the world's visitors, or of those that the log says."""
    return _acquired(scenario).cac


def marginal_cac(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Cost of one more customer, dC/dN: what the channels cost more than in the baseline, per additional customer.

    Both are exact given the world's visitors. Where a scenario brings the baseline's number, the baseline itself
    included, one more customer costs what more visitors cost, who convert as the present ones do: as much as the
    present ones, or more where a channel saturates.
    Not included: what a lever costs, and costs per month.
    """
    acquired, base = _acquired(scenario), _acquired(simulation.scenarios[BASELINE])
    more = acquired.expected_customers - base.expected_customers
    return cost_of_more(acquired.cost - base.cost, more, acquired.next_cac)


def cost_of_more(cost: np.ndarray, customers: np.ndarray, of_next: np.ndarray) -> np.ndarray:
    """Cost of each additional customer, or of the next one where there are none."""
    return np.divide(cost, customers, out=of_next.copy(), where=customers != 0) + 0.0


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


def referred(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Customers whom customers brought, all generations."""
    ledger = scenario.ledger
    groups = [g for g, group in enumerate(ledger.groups) if group.origin == "referred"]
    line = [i for i, line in enumerate(ledger.lines) if line.account == "customers_acquired"]
    return ledger.calendar[:, groups][:, :, line, 0].sum(axis=(1, 2, 3))


def orders(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("orders")


def contacts(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("contacts")


def opt_outs(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return scenario.ledger.total("opt_outs")


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
    """Halves of a ratio by the delta method: A/B splits into r/2 + (A_i − r B_i)/B, which add up to r = A/B. (w, 2)."""
    value, people = scenario.ledger.age_halves[:, :, 0], scenario.ledger.age_halves[:, :, 1]
    total = people.sum(axis=1)
    pav = ratio(value.sum(axis=1), total)[:, None]
    return pav / 2 + (value - pav * people) / np.where(total > 0, total, np.nan)[:, None]


def ltv_cac_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    cost = cac(simulation, scenario)
    return pav_halves(simulation, scenario) / np.where(cost > 0, cost, np.nan)[:, None]


def visitor_value_halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return _acquired(scenario).conversion[:, None] * pav_halves(simulation, scenario)


# --- what is known given the draw ------------------------------------------------------------------------------------


def head_costs(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Minus what is paid per existing customer today, (w,): their number is no random event."""
    ledger = scenario.ledger
    names = {m.name for m in scenario.compiled.mechanisms if isinstance(m, CostEntry) and m.per == "customer"}
    lines = [i for i, line in enumerate(ledger.lines) if line.account == "cost_incentive" and line.cause in names]
    groups = [g for g, group in enumerate(ledger.groups) if group.origin == "existing"]
    return -ledger.calendar[:, :, :, 1][:, groups][:, :, lines].sum(axis=(1, 2, 3))


def head_costs_per_customer(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return head_costs(simulation, scenario) / len(simulation.customers)


def head_and_fixed_costs(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    return head_costs(simulation, scenario) + origin_value(scenario, "company")


def expected_newcomers(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
    """Visitors × conversion of each world, or what the log says: newcomers without the luck of single ones."""
    return _acquired(scenario).expected_customers


# --- sizes, for differences of what is no sum of money ---------------------------------------------------------------


def per_newcomer(simulation: Simulation) -> np.ndarray:
    """1 / newcomers: of a mean over newcomers."""
    return _inverse(levels.newcomers(simulation))


def per_cac(simulation: Simulation) -> np.ndarray:
    return _inverse(levels.newcomers(simulation) * levels.cac(simulation))


def per_visitor(simulation: Simulation) -> np.ndarray:
    return np.ones(simulation.draws)  # visitors are the same in all draws


def per_spend(simulation: Simulation) -> np.ndarray:
    """Orders over revenue: of a number of orders."""
    expected = simulation.expected
    new = (expected.newcomers * expected.newcomer_revenue).sum(axis=(1, 2))
    return levels.orders(simulation) * _inverse(expected.existing_revenue.sum(axis=1) + new)


def _inverse(values: np.ndarray) -> np.ndarray:
    """1 / values; 1 in all draws where a value is not positive, which gives no scale."""
    return 1 / values if (values > 0).all() and np.isfinite(values).all() else np.ones_like(values)


METRICS: dict[str, Metric] = {
    "plan_value": Metric(
        plan_value,
        "money",
        REAL,
        closed_form=levels.plan_value,
        halves=total_halves,
        known=head_and_fixed_costs,
        sampled="value",
    ),
    "customer_equity": Metric(
        customer_equity,
        "money",
        REAL,
        closed_form=levels.customer_equity,
        halves=total_halves,
        known=head_costs,
        sampled="value",
    ),
    "rlv_total": Metric(
        rlv_total,
        "money",
        REAL,
        closed_form=levels.rlv_total,
        halves=existing_halves,
        known=head_costs,
        sampled="value",
    ),
    "rlv_per_customer": Metric(
        rlv_per_customer,
        "money",
        REAL,
        closed_form=levels.rlv_per_customer,
        halves=existing_halves_per_customer,
        known=head_costs_per_customer,
        sampled="value per customer",
    ),
    "newcomers_total": Metric(
        newcomers_total,
        "money",
        REAL,
        newcomers=True,
        margin=True,
        closed_form=levels.newcomers_total,
        halves=newcomer_halves,
    ),
    "pav_per_newcomer": Metric(
        pav_per_newcomer,
        "money",
        REAL,
        newcomers=True,
        closed_form=levels.pav_per_newcomer,
        halves=pav_halves,
        per=per_newcomer,
    ),
    "cac": Metric(cac, "money", NON_NEGATIVE, newcomers=True, exact=True),
    "marginal_cac": Metric(marginal_cac, "money", REAL, newcomers=True, exact=True),
    "clv_per_newcomer": Metric(
        clv_per_newcomer,
        "money",
        REAL,
        newcomers=True,
        margin=True,
        closed_form=levels.clv_per_newcomer,
        halves=pav_halves,
        per=per_newcomer,
    ),
    "ltv_cac": Metric(
        ltv_cac,
        "ratio",
        REAL,
        newcomers=True,
        margin=True,
        closed_form=levels.ltv_cac,
        halves=ltv_cac_halves,
        per=per_cac,
    ),
    "share_repaying": Metric(share_repaying, "share", SHARE, newcomers=True, margin=True),
    "visitor_value": Metric(
        visitor_value,
        "money",
        REAL,
        newcomers=True,
        closed_form=levels.visitor_value,
        halves=visitor_value_halves,
        per=per_visitor,
    ),
    "newcomers": Metric(
        newcomers, "count", NON_NEGATIVE, newcomers=True, closed_form=levels.newcomers, calm=expected_newcomers
    ),
    "referred": Metric(referred, "count", NON_NEGATIVE),
    "orders": Metric(orders, "count", NON_NEGATIVE, closed_form=levels.orders, per=per_spend, sampled="orders"),
    "contacts": Metric(contacts, "count", NON_NEGATIVE, sampled="unknown"),
    "opt_outs": Metric(opt_outs, "count", NON_NEGATIVE, sampled="unknown"),
}
PAYBACK = ("payback_months", "payback_undiscounted_months", "p_payback_12_months", "p_payback_never")


def applicable(
    *,
    acquisition: bool,
    visitors: bool,
    cost: bool,
    margin: bool,
    has_contacts: bool,
    referring: bool,
    existing: bool = True,
) -> dict[str, Metric]:
    """Metrics that apply, given whether newcomers come, of known visitors and at a cost, and whether there are a known
    margin, contact programmes, referrals, and customers of today."""
    return {
        name: metric
        for name, metric in METRICS.items()
        if (acquisition or not metric.newcomers)
        and (visitors or name != "visitor_value")
        and (cost or name != "ltv_cac")
        and (margin or not metric.margin)
        and (has_contacts or name not in ("contacts", "opt_outs"))
        and (referring or name != "referred")
        and (existing or name not in ("rlv_total", "rlv_per_customer"))
    }


def available(simulation: Simulation) -> dict[str, Metric]:
    scenarios = simulation.scenarios.values()
    return applicable(
        acquisition=any(s.acquired for s in scenarios),
        visitors=any(s.acquired and not np.isnan(s.acquired.visitors).any() for s in scenarios),
        cost=any(s.acquired and s.acquired.cost.any() for s in scenarios),
        margin=simulation.economics.margin_known,
        existing=len(simulation.customers) > 0,
        has_contacts=any(line.account == "contacts" for s in scenarios for line in s.ledger.lines),
        referring=any(REFERRED in s.ledger.groups for s in scenarios),
    )


def require_expectation(name: str) -> None:
    """Raise ConfigError for a metric that cannot decide, because luck cannot be told from its expectation."""
    if not METRICS[name].has_expectation:
        able = ", ".join(other for other, metric in METRICS.items() if metric.has_expectation)
        raise ConfigError([("report.metric", f"{name} is known as simulated only; what decides is one of {able}")])
