"""`clvsim sweep`: one or two keys over several values: read → fit once → simulate every point → compare."""

import re
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.data.material import Material
from clvsim.data.tables.stated import NO_DATA
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.files import write_csv
from clvsim.models.diagnostics import failed
from clvsim.runfolder import RunContext, writing
from clvsim.scenario import BASELINE, reached
from clvsim.schema import Frozen, Name
from clvsim.stages.ahead import compiling, loops_of
from clvsim.stages.fits import fit_run, with_discrepancy
from clvsim.stages.points import Point, Sweep, is_lever
from clvsim.stages.refusals import plan_run, require_payments
from clvsim.stages.run import track_orders
from clvsim.stages.steps import Stopwatch, output_folder, read_data, run_record, with_findings
from clvsim.types import CustomerSummary

if TYPE_CHECKING:
    from clvsim.comparison.points import Swept
    from clvsim.models.fitted import FittedModels
    from clvsim.report.sweep_table import Banners
    from clvsim.simulation.plan import RunPlan
    from clvsim.simulation.workers import Workers


class Settings(Frozen):
    """`of`: the scenario that is looked at; None: that of the swept levers, or the baseline."""

    of: Name | None = None


class Part(NamedTuple):
    """Points that are simulated at once: the configuration of a run, and the scenario of each point in it."""

    config: RunConfig
    names: tuple[str, ...]

    def only(self, names: Sequence[str]) -> "Part":
        """Some of its points."""
        scenario = {name: self.config.scenario[name] for name in (BASELINE, *names)}
        rest = {name: one for name, one in self.config.library.items() if name not in scenario}
        update = {"scenario": scenario, "scenario_library": rest}
        return Part(self.config.model_copy(update=update), tuple(names))


def sweep(config: RunConfig, ctx: RunContext) -> int:
    """Compare the points of a sweep on the same worlds; print what to do, write `sweep.csv` and `sweep.svg`."""
    from clvsim.comparison import points as compared
    from clvsim.report import sweep_figures, sweep_table, sweep_text
    from clvsim.simulation.workers import require_workers, workers_of

    asked: Sweep = ctx.sweep
    of = scenario_of(asked, ctx.settings)
    clock = Stopwatch()
    with clock("read"), ctx.progress("Reading the log"):
        material = read_data(config, ctx)
        config = with_findings(config, material, ctx)
    summary = material.summary
    asked = asked._replace(points=tuple(as_found(point, config) for point in asked.points))
    plans = plan_all(parts_of(asked, of), asked, summary, of)
    require_workers(config.simulation)
    require_payments(config, material, summary)
    first = plans[0][1]
    with clock("fit"), ctx.progress("Fitting the models"), compiling(loops_of(config, first)):
        fits = fit_run(config, material, ctx)
    with clock("track"), ctx.progress("Comparing predicted and actual orders"):
        tracking = track_orders(config, material, fits, loop_flags=first.loop_flags)
        fits = with_discrepancy(fits, config, tracking)
    with clock("simulate"), ctx.progress("Simulating the points") as advance:
        done = count(1)
        with workers_of(config.simulation, ctx.note) as workers:
            found = simulate_all(plans, asked, fits.own, summary, of, lambda: advance(next(done), len(plans)), workers)
    with clock("compare"), ctx.progress("Comparing the points"):
        axes = asked.axes if asked.is_ordered else None
        outcome = (
            compared.compare_levers(found, axes, config.report.metric)
            if asked.of_levers
            else compared.compare_levels(found)
        )
    story = sweep_text.make_story(
        asked.points[0].config,
        asked.keys,
        [point.values for point in asked.points],
        of,
        found,
        outcome,
        levers=asked.of_levers,
        ordered=asked.is_ordered,
    )
    folder = output_folder(ctx)
    with clock("write"), ctx.progress("Writing the results"), writing(ctx.final):
        write_csv(sweep_table.file_table(story), folder / "sweep.csv")
        drawing = sweep_figures.draw(story)
        if drawing:
            (folder / "sweep.svg").write_text(drawing, encoding="utf-8")
        record = run_record(config, summary, ctx, clock.seconds)
        record |= {"sweep": {"of": of, "keys": asked.keys, "values": asked.axes, "sentences": sweep_text.advice(story)}}
        archive.write_record(record, folder)
    ctx.say(
        sweep_table.tables(story, banners(config, material, fits.own, found), warnings_of(material, fits.own, found))
    )
    ctx.say(f"\nFigures: {ctx.final / 'sweep.csv'}{' and sweep.svg' if drawing else ''}")
    return 0


def banners(config: RunConfig, material: Material, fitted: "FittedModels", found: "Swept") -> "Banners":
    """What stands before all figures."""
    from clvsim.report.sweep_table import Banners

    posterior = fitted.posterior
    return Banners(
        synthetic=material.synthetic,
        no_data=NO_DATA if config.stated else "",
        poor_fit=bool(failed(posterior.diagnostics)),
        draft=not config.stated and (posterior.is_draft or "parameter" not in found.layers),
        money_alarm=fitted.spend.alarm(posterior.spend),
    )


def warnings_of(material: Material, fitted: "FittedModels", found: "Swept") -> tuple[str, ...]:
    """Of the data, of the models, and of the lever, which is one at all points."""
    from clvsim.report import evidence, facts

    of_lever = evidence.warnings(found.descriptions[:1])
    return (*facts.quality_warnings(material.quality), *fitted.posterior.warnings, *of_lever)


def scenario_of(asked: Sweep, settings: Settings) -> str:
    """The scenario that is looked at. Raises ConfigError for one that is not there, or that the keys do not touch."""
    levers = [key.split(".")[1] for key in asked.keys if is_lever(key)]
    of = settings.of or (levers[0] if levers else BASELINE)
    config = asked.points[0].config
    library = config.library
    if of not in config.scenario:
        within = [name for name in config.scenario if of in reached(name, library)]
        hint = f"type of={within[0]}, which combines it" if within else "add it to scenarios=[...]"
        raise ConfigError([("of", f"no scenario {of!r} in this sweep; {hint}")])
    touched = reached(of, library)
    if outside := [key for key in asked.keys if is_lever(key) and key.split(".")[1] not in touched]:
        raise ConfigError([(key, f"does nothing to {of}, which is looked at (of={of})") for key in outside])
    return of


def as_found(point: Point, config: RunConfig) -> Point:
    """A point whose configuration has what was found in the data."""
    return point._replace(config=point.config.model_copy(update={"retention": config.retention}))


def with_scenarios(config: RunConfig, of: str) -> RunConfig:
    """The configuration with the baseline and one more scenario to simulate; the others can be combined."""
    library = config.library
    own = {name: library[name] for name in dict.fromkeys([BASELINE, of])}
    rest = {name: scenario for name, scenario in library.items() if name not in own}
    return config.model_copy(update={"scenario": own, "scenario_library": rest})


def parts_of(asked: Sweep, of: str) -> list[Part]:
    """What is simulated at once: all points of levers, which have one baseline, or each point of the whole run.

    Raises ConfigError for a lever's key that something else refers to, so that its points have more than one baseline.
    """
    from clvsim.comparison.points import under_own_names

    if not asked.of_levers:
        return [Part(with_scenarios(point.config, of), (of,)) for point in asked.points]
    first = asked.points[0].config
    if any(beside(point.config) != beside(first) for point in asked.points[1:]):
        what = "the baseline or another section refers to it, so its points have no baseline in common; clvsim run -m"
        raise ConfigError([(" and ".join(asked.keys), what)])
    own = {BASELINE: first.scenario[BASELINE]}
    rest = {name: first.library[name] for name in reached(BASELINE, first.library) if name != BASELINE}
    for number, point in enumerate(asked.points):
        name, copies = under_own_names(point.config.library, of, number)
        own[name] = copies.pop(name)
        rest |= copies
    config = first.model_copy(update={"scenario": own, "scenario_library": rest})
    return [Part(config, tuple(name for name in own if name != BASELINE))]


def beside(config: RunConfig) -> RunConfig:
    """A configuration without the scenarios that the baseline does not combine."""
    used = reached(BASELINE, config.library)
    return config.model_copy(update={"scenario": {name: config.library[name] for name in used}, "scenario_library": {}})


def plan_all(parts: Sequence[Part], asked: Sweep, summary: CustomerSummary, of: str) -> list[tuple[Part, "RunPlan"]]:
    """The plans of all points. Raises ConfigError with the problems of all of them, each once."""
    plans: list[tuple[Part, RunPlan]] = []
    found: dict[Problem, list[str]] = {}
    code: type[ClvsimError] = ConfigError
    for number, part in enumerate(parts):
        for piece in in_pieces(part, summary):
            try:
                plan = plan_run(piece.config, summary)
                plans.append((piece, plan))
                problems = [Problem(name, plan.skipped[name].description.not_applicable) for name in plan.skipped]
            except ClvsimError as error:
                problems, code = list(error.problems), type(error)
            for problem in problems:
                told, points = of_points(problem, number, asked, of)
                found.setdefault(told, []).extend(points)
    if found:
        raise code(labelled(found, len(asked.points)))
    return plans


def in_pieces(part: Part, summary: CustomerSummary) -> list[Part]:
    """A part in as many as its ledgers need to fit into memory at once; whole where its first point has a problem."""
    from clvsim.simulation.layout import MAX_CELLS, cells_per_world

    if len(part.names) < 2:
        return [part]
    try:
        plan = plan_run(part.only(part.names[:1]).config, summary)
    except ClvsimError:
        return [part]
    compiled = [scenario.compiled for scenario in plan.scenarios.values()]
    cells = plan.simulation.draws * plan.simulation.replicates * cells_per_world(plan.layout, compiled)
    at_once = max(1, int(MAX_CELLS * len(compiled) // max(cells, 1)) - 1)
    return [part.only(part.names[start : start + at_once]) for start in range(0, len(part.names), at_once)]


def of_points(problem: Problem, number: int, asked: Sweep, of: str) -> tuple[Problem, list[str]]:
    """A problem as somebody would read it who typed the keys, and the points that have it, of part `number`."""
    from clvsim.comparison.points import MARK

    mark = re.search(rf"{MARK}(\d+)", problem.where)
    where, what = (re.sub(rf"{MARK}\d+", "", text) for text in problem)
    if where == of:
        where, what = " and ".join(asked.keys), f"{of} does not apply here: it {what}"
    points = asked.points if asked.of_levers and not mark else [asked.points[int(mark[1]) if mark else number]]
    return Problem(where, what), [point.label for point in points]


def labelled(found: dict[Problem, list[str]], number: int) -> list[Problem]:
    """Problems, those that not all points have with the values at which they come up."""
    return [
        problem
        if len(set(labels)) == number
        else Problem(problem.where, f"{problem.what} (at {', '.join(dict.fromkeys(labels))})")
        for problem, labels in found.items()
    ]


def simulate_all(
    plans: Sequence[tuple[Part, "RunPlan"]],
    asked: Sweep,
    fitted: "FittedModels",
    summary: CustomerSummary,
    of: str,
    advance: Callable[[], None],
    workers: "Workers",
) -> "Swept":
    """Every point on the same worlds; of each simulation only what is compared is kept."""
    from clvsim.comparison.points import differences, level
    from clvsim.comparison.replicates import simulate_enough
    from clvsim.simulation.expected import expected_value
    from clvsim.simulation.win_backs import with_answers

    found: Swept | None = None
    for number, (part, plan) in enumerate(plans):
        if plan.provisional:
            plan = plan_run(part.config, summary, expected_value(plan, fitted, summary))
        metric = part.config.report.metric
        own = workers.below(f"simulation-{number}")
        simulation = simulate_enough(with_answers(plan, fitted, summary), fitted, summary, metric, workers=own)
        points = differences(simulation, part.names, metric) if asked.of_levers else level(simulation, of, metric)
        found = found.and_more(points) if found else points
        advance()
    assert found is not None
    return found
