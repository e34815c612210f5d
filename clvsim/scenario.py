"""A scenario: a title and interventions by name. Compiling draws its uncertain numbers and lists its mechanisms."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from clvsim import effects
from clvsim.errors import Problem
from clvsim.interventions import INTERVENTIONS
from clvsim.interventions.base import Group, Intervention, Mechanism
from clvsim.interventions.timing import Horizon
from clvsim.schema import OfKind
from clvsim.types import Assumption, ScenarioDescription

BASELINE = "baseline"
NEEDS_ACQUISITION = "needs acquisition.channels"
RESERVED = {"orders", "acquisition", "contact"}  # causes of the lines that every ledger has
NEEDS_MARGIN = "needs finance.gross_margin; without it figures are revenue, which no cost moves"


AnyIntervention = Annotated[Intervention, OfKind(INTERVENTIONS)]


class Scenario(BaseModel):
    """`title`, flags, and every other key an intervention: `scenario.upsell_soft.upsell.take`."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, AnyIntervention] = Field(init=False)  # ty: ignore[incompatible-mutable-override]
    title: str = Field(min_length=1)
    illustrative: bool = False  # the numbers are examples; never the headline on other people's data
    combine: tuple[str, ...] = ()

    @property
    def interventions(self) -> dict[str, Intervention]:
        return dict(self.__pydantic_extra__ or {})


class PlacedIntervention(NamedTuple):
    """An intervention and the scenario whose file sets it."""

    origin: str
    name: str
    intervention: Intervention

    @property
    def path(self) -> str:
        return f"scenario.{self.origin}.{self.name}"


def placed_interventions(name: str, library: Mapping[str, Scenario]) -> Iterator[PlacedIntervention]:
    """Interventions of a scenario, those of the scenarios it combines first.

    `problems` must have found no unknown name and no cycle.
    """
    scenario = library[name]
    for part in scenario.combine:
        yield from placed_interventions(part, library)
    for own_name, intervention in scenario.interventions.items():
        yield PlacedIntervention(name, own_name, intervention)


def problems(library: Mapping[str, Scenario]) -> list[Problem]:
    """Wrong combinations and names of the scenarios, and every effect that does not fit its scale."""
    errors: list[Problem] = []
    for name, scenario in library.items():
        if problem := _combination_problem(name, library):
            errors.append(problem)
            continue
        names = [p.name for p in placed_interventions(name, library)]
        errors += [
            Problem(f"scenario.{name}.combine", f"two interventions are called {repeated!r}; rename one")
            for repeated in sorted({n for n in names if names.count(n) > 1})
        ]
        errors += [
            Problem(f"scenario.{name}.{own_name}", "is a cause that every ledger has; choose another name")
            for own_name in RESERVED & set(scenario.interventions)
        ]
        for own_name, intervention in scenario.interventions.items():
            for field, (effect, number) in intervention.uncertain().items():
                errors += effects.check(effect, number.scale, f"scenario.{name}.{own_name}.{field}", number.domain)
    return errors


def _combination_problem(name: str, library: Mapping[str, Scenario], ancestors: tuple[str, ...] = ()) -> Problem | None:
    if name in ancestors:
        return Problem(f"scenario.{ancestors[0]}.combine", f"goes round in a circle: {' -> '.join((*ancestors, name))}")
    if name not in library:
        return Problem(f"scenario.{ancestors[-1]}.combine", f"no such scenario: {name}")
    for part in library[name].combine:
        if problem := _combination_problem(part, library, (*ancestors, name)):
            return problem
    return None


@dataclass(frozen=True)
class CompiledScenario:
    """Mechanisms with one value per draw, and the sentences and assumptions that the report prints for them.

    `problems`: interventions that can never act within the horizon; a run refuses a scenario that has any.
    """

    name: str
    mechanisms: tuple[Mechanism, ...]
    inputs: Mapping[str, np.ndarray]  # applied values (n,) by configuration path, uncertain ones only
    description: ScenarioDescription
    problems: tuple[Problem, ...] = ()

    @property
    def applies(self) -> bool:
        return not self.description.not_applicable


def compile_scenario(
    name: str,
    library: Mapping[str, Scenario],
    draw_keys: np.ndarray,
    groups: tuple[Group, ...],
    horizon: Horizon,
    margin_known: bool = True,
) -> CompiledScenario:
    """Draw every uncertain number, keyed by intervention and field: scenarios that share an intervention share draws.

    `draw_keys` (n,) uint64. Dates are resolved against the horizon's today. Interventions without an object (conversion
    without acquisition, a segment without customers) are skipped, and their sentences on the page say so.
    """
    from clvsim.kernels.rng import world_uniforms  # compiled: not for those who only read a configuration

    scenario = library[name]
    mechanisms: list[Mechanism] = []
    inputs: dict[str, np.ndarray] = {}
    assumptions: list[Assumption] = []
    sentences: list[str] = []
    reasons: list[str] = []
    problems: list[Problem] = []
    # By name, so that sums do not depend on the order in which a scenario is written.
    for item in sorted(placed_interventions(name, library), key=lambda p: p.name):
        reason = _without_object(item.intervention, groups, margin_known)
        if reason not in (NEEDS_MARGIN, NEEDS_ACQUISITION) and (
            why_never := item.intervention.never_acts(horizon, groups)
        ):
            problems.append(Problem(f"{item.path}.when", why_never))
        if reason:
            reasons.append(reason)
            sentences.append(f"{item.intervention.sentence()} Skipped in this run: it {reason}.")
            continue
        sentences.append(item.intervention.sentence())
        values = {}
        for field, (effect, number) in item.intervention.uncertain().items():
            path = f"{item.path}.{field}"
            uniforms = world_uniforms(draw_keys, f"{item.name}.{field}")
            draws = effects.draw(effect, uniforms, number.scale, path=path, domain=number.domain)
            values[field] = draws.values
            if np.ptp(draws.values) > 0:
                inputs[path] = draws.values
            if np.any(draws.values != 0):
                assumptions.append(
                    effects.assumption(
                        effect, number.scale, draws, path, number.label, unit=number.unit or None, domain=number.domain
                    )
                )
        mechanisms += item.intervention.compile(item.name, values, item.intervention.when.period(horizon.today))
    nothing_left = bool(reasons) and not mechanisms and name != BASELINE
    return CompiledScenario(
        name=name,
        mechanisms=tuple(mechanisms),
        inputs=inputs,
        description=ScenarioDescription(
            name=name,
            title=scenario.title,
            illustrative=any(library[p.origin].illustrative for p in placed_interventions(name, library))
            or scenario.illustrative,
            not_applicable=reasons[0] if nothing_left else "",
            assumptions=tuple(assumptions),
            interventions=() if nothing_left else tuple(sentences),
        ),
        problems=tuple(problems),
    )


def _without_object(intervention: Intervention, groups: tuple[Group, ...], margin_known: bool) -> str:
    if intervention.needs_margin and not margin_known:
        return NEEDS_MARGIN
    if intervention.needs_acquisition and not any(g.origin == "new" for g in groups):
        return NEEDS_ACQUISITION
    if not any(intervention.who.reaches(g) for g in groups):
        return f"reaches nobody ({intervention.who})"
    return ""
