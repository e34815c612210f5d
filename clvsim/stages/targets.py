"""The one question of a finished run that simulates: a lever for everybody of today, and for the best of them alone."""

from pathlib import Path

from clvsim.changes import Side, read_side
from clvsim.errors import ConfigError
from clvsim.interventions.base import ARRIVAL_TARGETS, Intervention, Top, Who
from clvsim.interventions.cost import CostIntervention
from clvsim.interventions.shift import ShiftIntervention
from clvsim.questions.settings import Settings
from clvsim.questions.targets import Targeted
from clvsim.scenario import BASELINE, Scenario

EVERYBODY = 1.0


def simulate_targets(folder: Path, settings: Settings) -> Targeted:
    """Simulate the baseline and one lever for everybody of today and for each share of `top`, on the same worlds.

    Raises ConfigError where the lever is not named, cannot be aimed at customers of today, or the log cannot be read
    again as it was.
    """
    from clvsim.comparison.points import differences
    from clvsim.comparison.replicates import simulate_enough
    from clvsim.simulation.expected import expected_value
    from clvsim.stages.bridge import summary_again
    from clvsim.stages.refusals import plan_run

    side = read_side(folder, "run")
    if not side.result.customers:
        raise ConfigError([("ask", "targets needs customers of today, and this business has none (data.customers)")])
    name = lever_of(side, settings)
    shares = (*sorted({*settings.top}), EVERYBODY)
    variants = {f"{name}@{number}": aimed(side, name, share) for number, share in enumerate(shares)}
    summary, why = summary_again(side)
    if summary is None:
        raise ConfigError([("ask", f"targets simulates, and {why}")])
    fit = side.config.fit.model_copy(update={"posterior": (), "compare": ()})
    scenario = {BASELINE: side.config.scenario[BASELINE], **variants}
    config = side.config.model_copy(update={"fit": fit, "scenario": scenario})
    plan = plan_run(config, summary)
    if plan.provisional:
        plan = plan_run(config, summary, expected_value(plan, side.fitted, summary))
    if skipped := [variant for variant in variants if variant in plan.skipped]:
        reason = plan.skipped[skipped[0]].description.not_applicable
        raise ConfigError([("lever", f"{name} cannot be aimed at the best of today's customers: it {reason}")])
    metric = side.config.report.metric
    simulation = simulate_enough(plan, side.fitted, summary, metric)
    return Targeted(name, shares, differences(simulation, list(variants), metric), len(summary.customers))


def lever_of(side: Side, settings: Settings) -> str:
    """The scenario that is asked about. Raises ConfigError where there are several to choose from, or it has no one."""
    names = [one for one in side.config.names if one != BASELINE]
    if settings.lever is None and len(names) != 1:
        which = f"one of {', '.join(names)}" if names else "and this run has none"
        raise ConfigError([("lever", f"targets is about one lever: {which}")])
    name = settings.lever or names[0]
    if name not in names:
        raise ConfigError([("lever", f"must be one of {', '.join(names)}, of this run, got {name}")])
    return name


def aimed(side: Side, name: str, share: float) -> Scenario:
    """A scenario that reaches the best `share` of today's customers alone, or all of them."""
    scenario = side.config.scenario[name]
    if scenario.combine:
        raise ConfigError([("lever", f"{name} combines others; ask about one of these: {', '.join(scenario.combine)}")])
    levers: dict[str, Intervention] = dict(scenario.interventions)
    problems = [
        ("lever", f"{name}.{lever} has a list of its own (who.top, orders or silent_days)")
        for lever, one in levers.items()
        if one.who.listing
    ] + [
        ("lever", f"{name}.{lever} is about those who come, who are nobody's best customers yet")
        for lever, one in levers.items()
        if isinstance(one, ShiftIntervention) and one.target in ARRIVAL_TARGETS
    ]
    if problems:
        raise ConfigError(problems)
    return scenario.model_copy(update={lever: _aimed(one, share) for lever, one in levers.items()})


def _aimed(one: Intervention, share: float) -> Intervention:
    """To the best alone; a cost once or per month, the same whoever is reached, as if it were nothing."""
    if isinstance(one, CostIntervention) and one.per in ("once", "month"):
        return type(one).model_validate({**one.model_dump(exclude_unset=True), "amount": 0.0})
    top = None if share == EVERYBODY else Top(share=share)
    who: Who = one.who.model_copy(update={"customers": "existing", "top": top})
    return one.model_copy(update={"who": who})
