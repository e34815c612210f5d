"""Axes of the ledgers (groups, cohorts, months), made before anything random or expensive; and their size limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clvsim.errors import ConfigError, Problem
from clvsim.interventions.base import Group, Listing
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.scenario import CompiledScenario
from clvsim.simulation import people
from clvsim.simulation.config import AcquisitionConfig, SimulationConfig
from clvsim.simulation.ledger import Cohort, kernel_lines
from clvsim.simulation.tables import Levers
from clvsim.types import CustomerSummary

MAX_CELLS = 10**8
MAX_DRAWS = MAX_CELLS // (4 * ks.BASE_LINES)  # with one group, one scenario and one month


@dataclass(frozen=True)
class Layout:
    """Axes of the ledgers, and the group and cohort of each existing customer."""

    groups: tuple[Group, ...]
    group: np.ndarray  # of each existing customer, (c,)
    cohorts: tuple[Cohort, ...]
    cohort: np.ndarray  # of each existing customer, (c,)
    horizon: Horizon
    months: int  # of the calendar ledger
    ages: int  # months of the age ledger
    note: str  # on groups that had to be pooled

    @property
    def is_new(self) -> np.ndarray:
        """Whether a group is one of newcomers, (g,)."""
        return np.array([g.origin == "new" for g in self.groups], bool)

    @property
    def first_new_group(self) -> int:
        return sum(g.origin == "existing" for g in self.groups)

    @property
    def first_new_cohort(self) -> int:
        return int(self.cohort.max(initial=-1)) + 1  # a business that begins has no customers yet


def make_layout(
    summary: CustomerSummary,
    config: SimulationConfig,
    acquisition: AcquisitionConfig,
    listings: Sequence[Listing] = (),
) -> Layout:
    """`listings` of existing customers that some lever reaches. Raises ConfigError where they cut them too often."""
    groups, group, note = people.ledger_groups(summary.customers, acquisition, listings)
    cohort, cohorts = people.existing_cohorts(summary, group)
    first_new = len(groups) - len(acquisition.channels)
    horizon = Horizon(summary.today, config.horizon_months, acquisition.months if acquisition.channels else 0)
    return Layout(
        groups=groups,
        group=group,
        cohorts=cohorts + people.newcomer_cohorts(acquisition, first_new),
        cohort=cohort,
        horizon=horizon,
        months=horizon.months + horizon.arrival_months,
        ages=config.horizon_months if acquisition.channels else 1,
        note=note,
    )


def refuse(
    layout: Layout, config: SimulationConfig, scenarios: Sequence[CompiledScenario], more: Sequence[Problem] = ()
) -> None:
    """Raise ConfigError for interventions that can never act, each once, ledgers that memory would not hold, and what
    else is wrong."""
    never_acting = dict.fromkeys(problem for scenario in scenarios for problem in scenario.problems)
    applying = [scenario for scenario in scenarios if scenario.applies]
    if problems := [*more, *never_acting, *_too_large(layout, config, applying)]:
        raise ConfigError(problems)


def _too_large(layout: Layout, config: SimulationConfig, scenarios: Sequence[CompiledScenario]) -> list[Problem]:
    cells = config.draws * config.replicates * cells_per_world(layout, scenarios)
    if cells <= MAX_CELLS:
        return []
    text = (
        f"{cells:,} ledger cells are more than {MAX_CELLS:,}; lower simulation.draws ({config.draws}), "
        f"simulation.replicates ({config.replicates}), simulation.horizon_months ({config.horizon_months}), "
        f"the number of scenarios ({len(scenarios)}) or of groups ({len(layout.groups)})"
    )
    return [Problem("simulation", text)]


def cells_per_world(layout: Layout, scenarios: Sequence[CompiledScenario]) -> int:
    """Ledger cells that one world takes under all scenarios."""
    months = layout.months + (layout.ages if layout.ages > 1 else 0)
    lines = sum(kernel_lines(Levers.from_scenario(scenario)) for scenario in scenarios)
    cells = 4 * len(layout.groups) * lines * months  # two halves of the customers, plain and discounted
    return cells + len(scenarios) * ks.COHORT_LINES * len(layout.cohorts) * layout.months
