"""The plan of a run: everything that follows from data and configuration before anything is fitted or simulated.

Made without Numba, so that `clvsim check` can refuse what a run would refuse.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from clvsim.data.newcomers import FirstOrders, first_orders
from clvsim.effects import EffectDraws
from clvsim.errors import Problem
from clvsim.interventions.base import ContactProgramme, CostEntry, Funnel, Intervention, Mechanism, OfferTerms
from clvsim.kernels.rng import world_keys
from clvsim.kernels.structs import LEVERED, OCCASIONAL
from clvsim.models.arrivals import Arriving, learn_arrivals
from clvsim.scenario import BASELINE, NEEDS_MARGIN, CompiledScenario, Scenario, compile_scenario, placed_interventions
from clvsim.simulation.arrivals import base_conversions
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig, FinanceConfig, SimulationConfig
from clvsim.simulation.layout import MAX_DRAWS, Layout, make_layout, refuse
from clvsim.simulation.ledger import Economics, money_scale, typical_amounts
from clvsim.simulation.people import Targets
from clvsim.simulation.tables import Calendar, Levers
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK, CustomerSummary

LEAST_OF_A_GROUP = 50  # simulated customers on average
FAR_ABOVE = 1e5  # the usual order: a month of five million such offers is still counted exactly


@dataclass(frozen=True)
class ScenarioPlan:
    """One scenario that applies: simulated mechanisms, and costs that follow from the ledger."""

    compiled: CompiledScenario
    levers: Levers  # simulated
    costs: tuple[CostEntry, ...]  # computed from the ledger

    @classmethod
    def from_compiled(cls, compiled: CompiledScenario, economics: Economics) -> "ScenarioPlan":
        costs = tuple(m for m in compiled.mechanisms if isinstance(m, CostEntry))
        return cls(compiled, Levers.from_scenario(with_costs_that_count(compiled, economics)), costs)


@dataclass(frozen=True)
class RunPlan:
    """Input of a simulation: axes of the ledgers, uncertain numbers that no fit changes, prices, schedules."""

    seed: int
    simulation: SimulationConfig
    acquisition: AcquisitionConfig
    environment: EnvironmentConfig
    economics: Economics
    layout: Layout
    calendar: Calendar
    conversions: Mapping[str, EffectDraws]  # by channel, before any intervention
    arriving: Arriving | None  # newcomers that the log says, for its channel
    scenarios: Mapping[str, ScenarioPlan]  # those that apply, the baseline first
    skipped: Mapping[str, CompiledScenario]  # those that do not
    notes: tuple[str, ...] = ()  # what of the configuration does not count, and why

    @property
    def base_conversions(self) -> dict[str, np.ndarray]:
        """Conversion of each channel per draw, before any intervention."""
        return {name: draws.values for name, draws in self.conversions.items()}

    @property
    def provisional(self) -> bool:
        """Whether it is not known yet who is on the levers' lists, so that it cannot be simulated."""
        return self.layout.targets.provisional

    @property
    def wins_back(self) -> bool:
        """Whether any scenario brings back customers who have left."""
        return any(scenario.levers.win_backs for scenario in self.scenarios.values())

    @property
    def has_contacts(self) -> bool:
        """Whether any scenario has a contact programme."""
        return any(scenario.levers.contacts for scenario in self.scenarios.values())

    @property
    def loop_flags(self) -> int:
        """Flags of the loop that knows what any scenario needs; the others take it too."""
        levers = [scenario.levers for scenario in self.scenarios.values()]
        levered = any(own.offers or own.contacts or own.moves_margin for own in levers)
        occasional = any(offer.occasion != "orders" for own in levers for offer in own.offers)
        return LEVERED * levered | OCCASIONAL * occasional

    @property
    def has_monthly_costs(self) -> bool:
        """Whether any scenario has a cost per month."""
        return any(cost.per == "month" for scenario in self.scenarios.values() for cost in scenario.costs)


def make_plan(
    summary: CustomerSummary,
    library: Mapping[str, Scenario],
    names: Sequence[str],
    *,
    simulation: SimulationConfig,
    finance: FinanceConfig,
    acquisition: AcquisitionConfig,
    environment: EnvironmentConfig,
    seed: int,
    renewing: bool = False,
    value: np.ndarray | None = None,
    prices: np.ndarray | None = None,
) -> RunPlan:
    """Plan the simulation of `names`, the baseline first; `library` is what `combine` refers to.

    `renewing`: whether customers hold contracts, which levers on an order rate do nothing to. `value` (c,) is what each
    of today's customers is expected to bring (`expected.expected_value`), nan of those known to be lost: without it a
    plan with a `who.top` is `provisional`, which says as much as is known before anything is fitted. `prices`: typical
    ones, which set the scale of money where no customer has paid yet.

    Raises ConfigError when an effect does not fit, an intervention can never act or picks nobody, newcomers cannot be
    learned from the log, or the ledgers would be too large.
    """
    amounts = typical_amounts(summary.customers) if prices is None else prices
    economics = Economics.from_finance(finance, money_scale(amounts))
    acquisition, seen = acquisition.resolved, first_orders(summary) if acquisition.from_log else None
    levers = levers_of(library, [BASELINE, *names])
    referring = any(lever.refers for lever in levers)
    layout = make_layout(summary, simulation, acquisition, targets_of(levers, value), referring=referring)
    keys = world_keys(seed, np.arange(min(simulation.draws, MAX_DRAWS)), 0)  # more are refused below
    compiled = {
        name: compile_scenario(
            name, library, keys, layout.groups, layout.horizon, economics.margin_known, renewing, layout.sizes
        )
        for name in dict.fromkeys([BASELINE, *names])
    }
    applying = {name: scenario for name, scenario in compiled.items() if scenario.applies}
    beyond = [
        *from_log_problems(acquisition, seen),
        *funnels_of_log(acquisition, compiled.values()),
        *far_prices(compiled.values(), economics.money_scale),
        *silences_too_long(compiled.values(), layout, summary),
        *too_few_to_stand_for_all(simulation, layout, referring=referring),
    ]
    refuse(layout, simulation, list(compiled.values()), beyond)
    return RunPlan(
        seed=seed,
        simulation=simulation,
        acquisition=acquisition,
        environment=environment,
        economics=economics,
        layout=layout,
        calendar=Calendar(
            weeks=int(np.ceil(layout.months * DAYS_PER_MONTH / DAYS_PER_WEEK)) + 1,
            arrival_weeks=int(acquisition.months * DAYS_PER_MONTH / DAYS_PER_WEEK) + 1,
            discount_per_day=economics.discount_per_day,
        ),
        conversions=base_conversions(acquisition, keys),
        arriving=learn_arrivals(seen, keys, acquisition.months) if seen else None,
        scenarios={name: ScenarioPlan.from_compiled(scenario, economics) for name, scenario in applying.items()},
        skipped={name: scenario for name, scenario in compiled.items() if not scenario.applies},
        notes=costs_that_do_not_count(finance, acquisition, list(applying.values())),
    )


def levers_of(library: Mapping[str, Scenario], names: Sequence[str]) -> list[Intervention]:
    return [placed.intervention for name in names for placed in placed_interventions(name, library)]


def targets_of(levers: Iterable[Intervention], value: np.ndarray | None) -> Targets:
    """What some levers ask of single customers, each list and share once."""
    asked = [lever.who for lever in levers]
    return Targets(
        tuple(dict.fromkeys(who.listing for who in asked if who.listing)),
        tuple(sorted({who.hold_out for who in asked if who.hold_out})),
        value,
    )


def too_few_to_stand_for_all(config: SimulationConfig, layout: Layout, *, referring: bool) -> Iterator[Problem]:
    """Why a sample of today's customers cannot be simulated, where there are more than `simulation.max_customers`."""
    most, customers = config.most_customers, layout.group.size
    if most is None or customers <= most:
        return
    least, groups = LEAST_OF_A_GROUP * layout.first_new_group, layout.first_new_group
    if most < least:
        whom = f"the {groups} groups of customers" if groups > 1 else "all customers"
        what = f"must be at least {least:,} to stand for {whom}, or all, got {most:,}"
        yield Problem("simulation.max_customers", what)
    elif referring:
        what = f"must be all, or at least {customers:,}, where customers refer others: a few cannot refer for all"
        yield Problem("simulation.max_customers", f"{what}, got {most:,}")


def from_log_problems(acquisition: AcquisitionConfig, seen: FirstOrders | None) -> list[Problem]:
    """Why newcomers cannot be learned from the log that was asked for them."""
    if not acquisition.from_log:
        return []
    what = seen.problem() if seen else "needs a log of dated orders; histories and survivors do not say when who came"
    return [Problem("acquisition.from_log", what)] if what else []


def funnels_of_log(acquisition: AcquisitionConfig, scenarios: Iterable[CompiledScenario]) -> Iterator[Problem]:
    """Funnels where nobody knows the visitors, whose others would be the leads."""
    what = "needs typed acquisition.channels: with acquisition.from_log nobody knows who came and did not buy"
    for scenario in scenarios if acquisition.from_log else ():
        for funnel in (m for m in scenario.mechanisms if isinstance(m, Funnel)):
            yield Problem(f"scenario.{scenario.name}.{funnel.name}", what)


def silences_too_long(
    scenarios: Iterable[CompiledScenario], layout: Layout, summary: CustomerSummary
) -> Iterator[Problem]:
    """Levers that wait for a silence for which nobody can be followed long enough."""
    so_far = summary.customers["T_days"].to_numpy(float) - summary.customers["recency_days"].to_numpy(float)
    followed = layout.horizon.months * DAYS_PER_MONTH
    for scenario in scenarios:
        for offer in (m for m in scenario.mechanisms if isinstance(m, OfferTerms) and m.silent_days[0] > 0):
            least, most = offer.silent_days
            begins, ends = (month * DAYS_PER_MONTH for month in (offer.when.start_month, offer.when.end_month))
            begins, ends = max(begins, 0.0), min(ends, followed)
            reached = np.array([offer.who.reaches(group) for group in layout.groups])
            silent = so_far[reached[layout.group]]
            day = np.maximum(least - silent, begins)
            if max(least, begins) < ends or np.any((day < ends) & (day + silent <= most)):
                continue
            longest = (
                f", and nobody whom it reaches is silent for more than {silent.max():.0f} today" if silent.size else ""
            )
            what = f"can never come: customers are followed for {followed:.0f} days from today or their first order"
            yield Problem(f"scenario.{scenario.name}.{offer.name}.silent_days", f"{least:g} {what}{longest}")


def far_prices(scenarios: Iterable[CompiledScenario], scale: float) -> Iterator[Problem]:
    """Prices of offers so far above what customers pay (`scale`) that sums of both would not be counted exactly."""
    for scenario in scenarios:
        for offer in (m for m in scenario.mechanisms if isinstance(m, OfferTerms)):
            amounts_by_key = {"price": offer.price, "incentive": offer.incentive}
            if offer.membership is not None:
                amounts_by_key |= {"trial_cost": offer.membership.trial_cost, "order_cost": offer.membership.order_cost}
            for key, amounts in amounts_by_key.items():
                if (highest := float(np.max(amounts))) > FAR_ABOVE * scale:
                    rule = f"must be at most {FAR_ABOVE:,.0f} times what an order is (about {scale:g})"
                    yield Problem(f"scenario.{scenario.name}.{offer.name}.{key}", f"{rule}, got {highest:,.6g}")


def with_costs_that_count(scenario: CompiledScenario, economics: Economics) -> CompiledScenario:
    """Without the costs of offers and contacts where the margin is unknown: figures are revenue then."""
    if economics.margin_known:
        return scenario
    return replace(scenario, mechanisms=tuple(map(without_costs, scenario.mechanisms)))


def without_costs(mechanism: Mechanism) -> Mechanism:
    match mechanism:
        case OfferTerms():
            free = np.zeros_like(mechanism.incentive)
            contact_cost = None if mechanism.contact_cost is None else free
            member = mechanism.membership and mechanism.membership._replace(trial_cost=free, order_cost=free)
            return replace(mechanism, margin=None, incentive=free, contact_cost=contact_cost, membership=member)
        case ContactProgramme():
            return replace(mechanism, cost=0.0)
    return mechanism


def costs_that_do_not_count(
    finance: FinanceConfig, acquisition: AcquisitionConfig, scenarios: Sequence[CompiledScenario]
) -> tuple[str, ...]:
    """A note that names the costs which an unknown margin leaves out; empty where there are none."""
    if finance.gross_margin is not None:
        return ()
    named = ["finance.cost_per_order"] if finance.cost_per_order else []
    named += [f"acquisition.{key}" for key in ("cost_per_customer", "spend_per_month") if getattr(acquisition, key)]
    named += [
        f"acquisition.channels.{c}.cost_per_visitor" for c, v in acquisition.channels.items() if v.cost_per_visitor
    ]
    named += [cost for scenario in scenarios for cost in costs_of_levers(scenario)]
    if not named:
        return ()
    costs = ", ".join(dict.fromkeys(named))
    return (f"{costs}: needs finance.gross_margin; without it figures are revenue, which no cost moves.",)


def costs_of_levers(scenario: CompiledScenario) -> list[str]:
    """Names of what offers, campaigns and messages of a scenario cost; empty where they are free."""
    named = []
    for mechanism in scenario.mechanisms:
        if isinstance(mechanism, OfferTerms) and mechanism.incentive.any():
            named.append(f"incentives of {mechanism.name}")
        if isinstance(mechanism, OfferTerms) and mechanism.contact_cost is not None and mechanism.contact_cost.any():
            named.append(f"messages of {mechanism.name}")
        if isinstance(mechanism, OfferTerms) and (member := mechanism.membership) is not None:
            named += [f"trials of {mechanism.name}"] if member.trial_cost.any() else []
            named += [f"orders of members of {mechanism.name}"] if member.order_cost.any() else []
        if isinstance(mechanism, ContactProgramme) and mechanism.cost:
            named.append(f"messages of {mechanism.name}")
    return named


def cost_warnings(scenarios: Sequence[CompiledScenario], *, margin_known: bool) -> tuple[str, ...]:
    """A sentence on the scenarios whose costs an unknown margin leaves out; empty where there are none."""
    if margin_known:
        return ()
    left_out = [s for s in scenarios if costs_of_levers(s) or NEEDS_MARGIN in s.description.left_out]
    if not left_out:
        return ()
    titles = ", ".join(f"“{scenario.description.title}”" for scenario in left_out)
    return (
        f"What these cost is left out: {titles}. Figures are revenue without finance.gross_margin, so a lever that "
        "costs more than it brings can look good",
    )
