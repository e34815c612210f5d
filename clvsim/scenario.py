"""A scenario: a title and interventions by name. Compiling draws its uncertain numbers and lists its mechanisms."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from clvsim import effects
from clvsim.errors import Problem
from clvsim.interventions import INTERVENTIONS, titles
from clvsim.interventions.base import ContactProgramme, CostEntry, Group, Intervention, Mechanism, OfferTerms, Who
from clvsim.interventions.cadence import WRITING, FrequencyCap
from clvsim.interventions.contact import ContactIntervention
from clvsim.interventions.timing import Horizon
from clvsim.schema import A_NAME, LONGEST_NAME, LONGEST_TEXT, Label, Name, OfKind, Text, is_name
from clvsim.types import Assumption, ScenarioDescription

BASELINE = "baseline"
MOST_LEVELS, MOST_LEVERS = 20, 200  # that combine one another, of one scenario
NEEDS_ACQUISITION = "needs acquisition.channels or acquisition.from_log"
OPTIMIST, AS_PROMISED = "optimist", ", as promised"
RESERVED = {"orders", "acquisition", "contact"}  # causes of the lines that every ledger has
NEEDS_MARGIN = "needs finance.gross_margin; without it figures are revenue, which no cost moves"
NEEDS_ORDER_RATE = (
    "moves how often customers order, and contracts are paid when they fall due, no sooner and no oftener"
)
NEEDS_SILENCE = "waits until customers have not ordered for a while, and contracts are paid when they fall due"
NOBODY = "reaches nobody"


AnyIntervention = Annotated[Intervention, OfKind(INTERVENTIONS)]


class Scenario(BaseModel):
    """`title`, flags, and every other key an intervention: `scenario.upsell_soft.upsell.take`.

    The title may name numbers of the levers, `{upsell.price:.2f}`, of uncertain ones the mean.

    `as_written` holds the interventions as the scenario's file has them, before overrides and sweeps; None where there
    is no file, and the scenario itself is what was written. `optimist` holds, by lever, the numbers that its vendors
    promise; with `variant: optimist` they replace those of the file, and the scenario is an example whatever it says.
    What the user typed stays. A `frequency_cap` holds for all levers together, those of combined scenarios too.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False, str_max_length=LONGEST_TEXT)
    __pydantic_extra__: dict[str, AnyIntervention] = Field(init=False)  # ty: ignore[incompatible-mutable-override]
    title: Label
    illustrative: bool = False  # the numbers are examples; never the headline on other people's data
    note: Text = ""  # what is known of the lever, and from where
    combine: Annotated[tuple[Name, ...], Field(max_length=MOST_LEVERS)] = ()
    frequency_cap: FrequencyCap | None = None
    variant: Literal["", "optimist"] = ""
    optimist: dict[str, Any] | None = None
    as_written: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_promised(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            return raw
        promises, written = raw.get(OPTIMIST), raw.get("as_written") or raw
        if isinstance(promises, Mapping):
            strangers = [str(lever) for lever in promises if lever not in raw or lever in cls.model_fields]
            if strangers:
                raise ValueError(f"optimist names {', '.join(strangers)}, which is no lever of the scenario")
        if raw.get("variant") != OPTIMIST:
            return raw
        if not isinstance(promises, Mapping) or not promises:
            raise ValueError("variant optimist needs a block `optimist` with numbers by lever")
        levers = {lever: _replaced(raw[lever], fields, written.get(lever)) for lever, fields in promises.items()}
        title = str(raw.get("title", ""))
        return {**raw, **levers, "title": title if title.endswith(AS_PROMISED) else title + AS_PROMISED}

    @property
    def interventions(self) -> dict[str, Intervention]:
        return dict(self.__pydantic_extra__ or {})


def title_of(scenario: Scenario) -> str:
    """The title with the numbers that it names. Raises ValueError for a place that names none."""
    return titles.fill(scenario.title, _numbers(scenario)) if re.search("[{}]", scenario.title) else scenario.title


def _numbers(scenario: Scenario) -> dict[str, float]:
    """Numbers of a scenario by lever and dotted field, as a reader expects them; of uncertain ones the mean."""
    numbers = (
        {} if scenario.frequency_cap is None else dict(_leaves("frequency_cap", scenario.frequency_cap.model_dump()))
    )
    for name, intervention in scenario.interventions.items():
        uncertain = intervention.uncertain()
        typed = {key: value for key, value in intervention.model_dump().items() if key not in uncertain}
        numbers |= dict(_leaves(name, typed))
        numbers |= {
            f"{name}.{field}": effects.mean(effect, number.scale, number.domain)
            for field, (effect, number) in uncertain.items()
        }
    return numbers


def _leaves(path: str, value: Any) -> Iterator[tuple[str, float]]:
    """Numbers of nested mappings by their dotted path."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _leaves(f"{path}.{key}", part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, float(value)


class PlacedIntervention(NamedTuple):
    """An intervention, the scenario whose file sets it, and what that file holds of it (None: there is no file)."""

    origin: str
    name: str
    intervention: Intervention
    written: Mapping[str, Any] | None = None

    @property
    def path(self) -> str:
        return f"scenario.{self.origin}.{self.name}"

    def effect_key(self, field: str) -> str:
        """Text by which an effect draws: scenarios share its draws where name, field, kind and definition agree.

        The definition is that of the file, so that an override or a sweep changes values and not the random numbers.
        A number that the file leaves out has the definition of its default; one without a default, or a lever that the
        file does not have, is known by name, field and kind alone.
        """
        effect, _ = self.intervention.uncertain()[field]
        definition = effect.definition
        if self.written is not None:
            default = self.intervention.default_effect(field)
            written = _in_file(self.written, field)
            definition = "" if default is None else default.definition
            definition = definition if written is None else effects.definition_of(written)
        return f"{self.name}.{field} {self.intervention.kind} {definition}"


def _replaced(now: Any, promised: Any, written: Any) -> Any:
    """A lever's section with what is promised, where it still is what its file has."""
    if not (isinstance(now, Mapping) and isinstance(promised, Mapping)) or "kind" in promised:
        return promised if now == written else now
    written = written if isinstance(written, Mapping) else {}
    return {**now, **{key: _replaced(now.get(key), value, written.get(key)) for key, value in promised.items()}}


def _in_file(lever: Mapping[str, Any], field: str) -> Any:
    """What a lever's mapping in a file has at a dotted field; None where it has nothing."""
    value: Any = lever
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def placed_interventions(name: str, library: Mapping[str, Scenario]) -> Iterator[PlacedIntervention]:
    """Interventions of a scenario, those of the scenarios it combines first; of one that is reached twice, once.

    `problems` must have found no unknown name and no cycle.
    """
    for origin in reached(name, library):
        scenario = library[origin]
        for own_name, intervention in scenario.interventions.items():
            written = None if scenario.as_written is None else scenario.as_written.get(own_name, {})
            yield PlacedIntervention(origin, own_name, intervention, written)


def reached(name: str, library: Mapping[str, Scenario]) -> tuple[str, ...]:
    """A scenario behind all that it combines, by whatever way."""
    return tuple(_reached(name, library, {}))


def _reached(name: str, library: Mapping[str, Scenario], found: dict[str, None]) -> dict[str, None]:
    """Adds a scenario to `found`, behind all that it combines; each is visited once, by however many ways."""
    if name not in found:
        for part in library[name].combine:
            _reached(part, library, found)
        found[name] = None
    return found


def caps_of(name: str, library: Mapping[str, Scenario]) -> set[FrequencyCap]:
    """The cap that a scenario has, or those of the scenarios that it combines, which may differ."""
    found: set[FrequencyCap] = set()
    seen: set[str] = set()
    queue = [name]
    while queue:
        if (one := queue.pop()) not in seen:
            seen.add(one)
            own = library[one].frequency_cap
            found |= {own} if own else set()
            queue += () if own else library[one].combine
    return found


def _cap_problems(name: str, library: Mapping[str, Scenario]) -> list[Problem]:
    """Caps that differ, and one that caps nothing."""
    path = f"scenario.{name}.frequency_cap"
    if len(caps_of(name, library)) > 1:
        return [Problem(path, "the scenarios that it combines have different ones; state one here for all")]
    if library[name].frequency_cap and not any(
        item.intervention.kind in WRITING for item in placed_interventions(name, library)
    ):
        return [Problem(path, f"caps nothing: no lever of kind {', '.join(WRITING)} writes to customers")]
    return []


def ambiguous_names(library: Mapping[str, Scenario], names: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each effect of the scenarios `names` whose name stands for more than one definition."""
    found: dict[str, dict[str, str]] = {}
    certain: dict[str, bool] = {}
    placed = {item.path: item for name in names for item in placed_interventions(name, library)}
    for item in placed.values():
        for field, (effect, _) in item.intervention.uncertain().items():
            name = f"{item.name}.{field}"
            found.setdefault(name, {}).setdefault(item.effect_key(field), f"{item.path}.{field}")
            certain[name] = certain.get(name, True) and isinstance(effect, effects.Fixed)
    return tuple(
        f"{' and '.join(paths.values())} have one name and different definitions, so they are drawn as "
        f"{len(paths)} effects that have nothing to do with each other. Where they are one, write the same definition; "
        "where they are not, rename a lever."
        for name, paths in found.items()
        if len(paths) > 1 and not certain[name]
    )


def problems(library: Mapping[str, Scenario]) -> list[Problem]:
    """Wrong combinations and names of the scenarios, and every effect that does not fit its scale."""
    errors: list[Problem] = []
    depths: dict[str, int] = {}
    occurrences: dict[str, Counter[str]] = {}
    for name, scenario in library.items():
        if problem := _combination_problem(name, library, depths):
            errors.append(problem)
            continue
        if problem := _title_problem(name, scenario):
            errors.append(problem)
        levers = _occurrences(name, library, occurrences)
        errors += [
            Problem(f"scenario.{name}.combine", f"two interventions are called {repeated!r}; rename one")
            for repeated, times in sorted(levers.items())
            if times > 1
        ]
        errors += _cap_problems(name, library)
        if len(levers) > MOST_LEVERS:
            errors.append(Problem(f"scenario.{name}", f"has {len(levers):,} interventions, at most {MOST_LEVERS}"))
        errors += [
            Problem(f"scenario.{name}", f"{own_name[:LONGEST_NAME]!r}: {A_NAME}")
            for own_name in scenario.interventions
            if not is_name(own_name)
        ]
        errors += [
            Problem(f"scenario.{name}.{own_name}", "is a cause that every ledger has; choose another name")
            for own_name in RESERVED & set(scenario.interventions)
        ]
        for own_name, intervention in scenario.interventions.items():
            for field, (effect, number) in intervention.uncertain().items():
                errors += effects.check(effect, number.scale, f"scenario.{name}.{own_name}.{field}", number.domain)
    return errors


def _title_problem(name: str, scenario: Scenario) -> Problem | None:
    try:
        title_of(scenario)
    except ValueError as error:
        return Problem(f"scenario.{name}.title", str(error))
    return None


def _occurrences(name: str, library: Mapping[str, Scenario], known: dict[str, Counter[str]]) -> Counter[str]:
    """How often each lever comes in a scenario with all that it combines, by all ways to it."""
    if name not in known:
        count = Counter(library[name].interventions.keys())
        for part in library[name].combine:
            count.update(_occurrences(part, library, known))
        known[name] = count
    return known[name]


def _combination_problem(
    name: str, library: Mapping[str, Scenario], depths: dict[str, int], ancestors: tuple[str, ...] = ()
) -> Problem | None:
    """What is wrong with what a scenario combines; `depths` of those without a problem, each looked at once."""
    where = f"scenario.{ancestors[0]}.combine" if ancestors else ""
    if name in ancestors:
        return Problem(where, f"goes round in a circle: {' -> '.join((*ancestors, name))}")
    if name not in library:
        return Problem(f"scenario.{ancestors[-1]}.combine", f"no such scenario: {name}")
    if len(ancestors) + depths.get(name, 1) > MOST_LEVELS:
        return Problem(where, f"goes through more than {MOST_LEVELS} scenarios, one combining the next")
    if name not in depths:
        for part in library[name].combine:
            if problem := _combination_problem(part, library, depths, (*ancestors, name)):
                return problem
        depths[name] = 1 + max((depths[part] for part in library[name].combine), default=0)
    return None


@dataclass(frozen=True)
class CompiledScenario:
    """Mechanisms with one value per draw, and the sentences and assumptions that the report prints for them.

    `levers`, `paths`: name and configuration path of the intervention that each mechanism is of. `problems`:
    interventions that can never act within the horizon; a run refuses a scenario that has any.
    """

    name: str
    mechanisms: tuple[Mechanism, ...]
    inputs: Mapping[str, np.ndarray]  # applied values (n,) by configuration path, uncertain ones only
    description: ScenarioDescription
    problems: tuple[Problem, ...] = ()
    levers: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

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
    renewing: bool = False,
    sizes: np.ndarray | None = None,
) -> CompiledScenario:
    """Draw every uncertain number, keyed by what it is: scenarios that share an effect share its draws.

    `draw_keys` (n,) uint64. Dates are resolved against the horizon's today. Interventions without an object (conversion
    without acquisition, a segment without customers, an order rate where customers hold contracts: `renewing`) are
    skipped, and their sentences on the page say so. Costs beside levers on an order rate alone are skipped with them.
    `sizes` (groups,): today's customers of each group, of whom sentences say how many a list has.
    """
    from clvsim.kernels.rng import world_uniforms  # compiled: not for those who only read a configuration

    scenario = library[name]
    mechanisms: list[Mechanism] = []
    levers: list[str] = []
    paths: list[str] = []
    inputs: dict[str, np.ndarray] = {}
    assumptions: list[Assumption] = []
    sentences: list[str] = []
    reasons: list[str] = []
    defaults: list[str] = []
    problems: list[Problem] = []
    # By name, so that sums do not depend on the order in which a scenario is written.
    for item in sorted(placed_interventions(name, library), key=lambda p: p.name):
        reason = _without_object(item.intervention, groups, margin_known, renewing)
        why_never = ""
        if reason not in (NEEDS_MARGIN, NEEDS_ACQUISITION):
            why_never = item.intervention.never_acts(horizon, groups)
        if why_never:
            problems.append(Problem(f"{item.path}.when", why_never))
        if reason.startswith(NOBODY) and item.intervention.who.selects:
            problems.append(Problem(f"{item.path}.who", reason))
        if reason:
            reasons.append(reason)
            sentences.append(f"{item.intervention.sentence()} Skipped in this run: it {reason}.")
            continue
        sentences.append(item.intervention.sentence() + _number_reached(item.intervention.who, groups, sizes))
        values = {}
        for field, (effect, number) in item.intervention.uncertain().items():
            path = f"{item.path}.{field}"
            uniforms = world_uniforms(draw_keys, item.effect_key(field))
            draws = effects.draw(effect, uniforms, number.scale, path=path, domain=number.domain)
            values[field] = draws.values
            if renewing and number.order_rate:
                continue
            if np.ptp(draws.values) > 0:
                inputs[path] = draws.values
            if np.any(draws.values != 0):
                assumptions.append(_assumption(item, field, draws))
                if item.intervention.is_default(field) and number.drives:
                    defaults.append(number.label)
        if not why_never and (misfit := item.intervention.misfits(values, horizon)):
            problems.append(Problem(item.path, misfit))
            continue
        compiled = item.intervention.compile(item.name, values, item.intervention.when.period(horizon.today), horizon)
        mechanisms += compiled
        levers += [item.name] * len(compiled)
        paths += [item.path] * len(compiled)
    costs_alone = NEEDS_ORDER_RATE in reasons and all(isinstance(m, CostEntry) for m in mechanisms)
    nothing_left = bool(reasons) and (costs_alone or not mechanisms) and name != BASELINE
    problems += _meeting_curves(name, library, groups)
    capped = _under_cap(mechanisms, next(iter(caps_of(name, library)), None))
    sentences += dict.fromkeys(
        m.cap.sentence() for m in capped if isinstance(m, ContactProgramme | OfferTerms) and m.cap
    )
    if scenario.note:
        sentences.append(scenario.note)
    parts = [scenario, *(library[placed.origin] for placed in placed_interventions(name, library))]
    declared = any(part.illustrative or part.variant for part in parts)
    return CompiledScenario(
        name=name,
        mechanisms=capped,
        inputs=inputs,
        description=ScenarioDescription(
            name=name,
            title=title_of(scenario),
            illustrative=declared or bool(defaults),
            not_applicable=reasons[0] if nothing_left else "",
            assumptions=() if nothing_left else tuple(assumptions),
            interventions=() if nothing_left else tuple(sentences),
            evidence=weakest_evidence(assumptions),
            uncertain=any(a.drives and a.path in inputs for a in assumptions),
            default="" if declared else next(iter(defaults), ""),
            left_out=() if nothing_left else tuple(reasons),
        ),
        problems=tuple(problems),
        levers=tuple(levers),
        paths=tuple(paths),
    )


def _assumption(item: PlacedIntervention, field: str, draws: effects.EffectDraws) -> Assumption:
    """An uncertain number as the page shows it."""
    effect, number = item.intervention.uncertain()[field]
    return effects.assumption(
        effect,
        number.scale,
        draws,
        f"{item.path}.{field}",
        number.label,
        unit=number.unit or None,
        domain=number.domain,
        is_default=item.intervention.is_default(field),
        drives=number.drives,
    )


def _under_cap(mechanisms: Sequence[Mechanism], cap: FrequencyCap | None) -> tuple[Mechanism, ...]:
    """The mechanisms, those that write to people under the cap of their scenario."""
    return tuple(
        replace(m, cap=cap) if isinstance(m, ContactProgramme) or (isinstance(m, OfferTerms) and m.is_campaign) else m
        for m in mechanisms
    )


def _meeting_curves(name: str, library: Mapping[str, Scenario], groups: tuple[Group, ...]) -> list[Problem]:
    """Programmes with a curve that reach the same people: it is one of all messages, whose gains do not add up."""
    curves = [
        item
        for item in placed_interventions(name, library)
        if isinstance(item.intervention, ContactIntervention) and item.intervention.curve
    ]
    return [
        Problem(
            f"{second.path}.curve",
            f"reaches customers of {first.name}, which has one too: a curve is of all messages that somebody gets, so "
            "state one programme for them",
        )
        for first, second in combinations(curves, 2)
        if any(first.intervention.who.reaches(g) and second.intervention.who.reaches(g) for g in groups)
    ]


def weakest_evidence(assumptions: Sequence[Assumption]) -> str:
    """The weakest evidence among the numbers on which it rests what levers bring; "" where there is none."""
    return max((a.evidence for a in assumptions if a.drives), key=lambda e: effects.EVIDENCE.index(e), default="")


def _without_object(intervention: Intervention, groups: tuple[Group, ...], margin_known: bool, renewing: bool) -> str:
    if intervention.needs_margin and not margin_known:
        return NEEDS_MARGIN
    if intervention.needs_acquisition and not any(g.origin == "new" for g in groups):
        return NEEDS_ACQUISITION
    if intervention.needs_order_rate and renewing:
        return NEEDS_ORDER_RATE
    if intervention.needs_silence and renewing:
        return NEEDS_SILENCE
    if not any(intervention.who.reaches(g) for g in groups):
        return f"{NOBODY} ({intervention.who})"
    return ""


def _number_reached(who: Who, groups: tuple[Group, ...], sizes: np.ndarray | None) -> str:
    """A sentence on how many of today's customers are on a list, and how many are held out of it; else nothing."""
    if sizes is None or not (who.listing or who.hold_out):
        return ""
    meet, reached = (sum(n for g, n in zip(groups, sizes, strict=True) if w.reaches(g)) for w in (who.everybody, who))
    held_out = f" {meet - reached:,} more are held out." if who.hold_out and meet > reached else ""
    if not sizes.sum():
        return " There are no customers today whom it could reach."
    return f" Of today's {sizes.sum():,} customers it reaches {reached:,}.{held_out}"
