"""Axes of the ledgers (groups, cohorts, months), made before anything random or expensive; and their size limit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clvsim.errors import ConfigError, Problem
from clvsim.interventions.base import REFERRED, Group
from clvsim.interventions.timing import Horizon
from clvsim.kernels import structs as ks
from clvsim.scenario import CompiledScenario
from clvsim.simulation import people
from clvsim.simulation.config import AcquisitionConfig, SimulationConfig
from clvsim.simulation.ledger import Cohort, kernel_lines
from clvsim.simulation.tables import Levers
from clvsim.types import CustomerSummary

MAX_CELLS = 17 * 10**7
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
    targets: people.Targets = people.NO_TARGETS
    weight: np.ndarray | None = None  # int64 (c,) for how many each existing customer stands, None: for one

    @property
    def is_new(self) -> np.ndarray:
        """Whether a group is one of newcomers, (g,)."""
        return np.array([g.origin == "new" for g in self.groups], bool)

    @property
    def first_new_group(self) -> int:
        return sum(g.origin == "existing" for g in self.groups)

    def new_group(self, channel: str) -> int:
        """The first ledger group of a channel's newcomers; those of `targets.strata` follow one another."""
        return next(g for g, group in enumerate(self.groups) if group.origin == "new" and group.channel == channel)

    @property
    def sizes(self) -> np.ndarray:
        """Existing customers of each group, (g,)."""
        return np.bincount(self.group, minlength=len(self.groups))

    @property
    def first_new_cohort(self) -> int:
        return sum(self.groups[cohort.group].origin == "existing" for cohort in self.cohorts)


def make_layout(
    summary: CustomerSummary,
    config: SimulationConfig,
    acquisition: AcquisitionConfig,
    targets: people.Targets = people.NO_TARGETS,
    *,
    referring: bool = False,
) -> Layout:
    """`targets` of the levers; `referring`: some lever has customers bring others.

    Raises ConfigError where targets cut the customers into too many parts.
    """
    groups, group, note = people.ledger_groups(summary.customers, acquisition, targets)
    cohort, cohorts = people.existing_cohorts(summary, group)
    arriving = bool(acquisition.channels) or referring
    horizon = Horizon(summary.today, config.horizon_months, acquisition.months if arriving else 0)
    if referring:
        groups += (REFERRED,)
    return Layout(
        groups=groups,
        group=group,
        cohorts=cohorts + people.newcomer_cohorts(acquisition, groups),
        cohort=cohort,
        horizon=horizon,
        months=horizon.months + horizon.arrival_months,
        ages=config.horizon_months if arriving else 1,
        note=note,
        targets=targets,
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
