"""`clvsim check`: what a log is and what is striking about it, and whether a run on it could start."""

import shlex
from collections.abc import Sequence
from typing import Any, NamedTuple

from clvsim.config import RunConfig
from clvsim.console import say_json, shell_line
from clvsim.data.checks import counts_twice
from clvsim.data.looks import InShort
from clvsim.data.material import Material
from clvsim.errors import ClvsimError
from clvsim.models.around.pooling import configured
from clvsim.models.auto import for_each_model
from clvsim.models.compare import compared_models
from clvsim.models.fit import learnable
from clvsim.models.spend.gamma_gamma import GOES_ON, ONE_PRICE
from clvsim.report import evidence
from clvsim.report.advice import advice, hanging, sentence
from clvsim.report.text import READY, READY_WITHOUT_DATA, quality_table
from clvsim.runfolder import RunContext
from clvsim.scenario import ambiguous_names
from clvsim.stages.newcomers import with_newcomers
from clvsim.stages.refusals import plan_run, require_payments
from clvsim.stages.steps import findings, read_data
from clvsim.stages.valuing import valuation_plan
from clvsim.types import QualityLine


def check(config: RunConfig, ctx: RunContext) -> int:
    """Say what the data are and what is missing beside levers; raise what a run raises before it gets slow.

    `--all` prints the whole table of the data's quality, `--json` all of it for machines.
    """
    material = read_data(config, ctx, brief=True)
    config, found = findings(config, material)
    plan = plan_run(config, material.summary)
    valuation_plan(config, material.summary)
    material = with_newcomers(material, plan)
    descriptions = [scenario.compiled.description for scenario in plan.scenarios.values()]
    warnings = (
        *remarks(config, material),
        *evidence.warnings(descriptions),
        *ambiguous_names(config.library, config.names),
    )
    as_json = "--json" in ctx.flags
    if not as_json:
        whole = material.short is None or "--all" in ctx.flags
        said = whole_table(material.quality, found, warnings)
        ctx.say(said if whole else advice(material.short, material.quality, found, warnings))
    try:
        require_learnable(config, material)
    except ClvsimError as error:
        lines = (*material.quality, *remedies_of(error))
        if as_json:
            for where, what in error.problems:
                ctx.note(f"{where}: {what}")
            problems = [problem._asdict() for problem in error.problems]
            known = answer(config, material, found, warnings, next_steps(ctx.command, lines))
            say_json({**known, "exit_code": error.code, "problems": problems}, ctx.say)
            return error.code
        if next_steps(ctx.command, lines).advised:
            ctx.say(f"\n{next_step(ctx.command, config, lines)}")
        raise
    if as_json:
        say_json(answer(config, material, found, warnings, next_steps(ctx.command, material.quality)), ctx.say)
        return 0
    ctx.say(f"\n{READY_WITHOUT_DATA if config.stated else READY}")
    ctx.say(next_step(ctx.command, config, material.quality))
    return 0


def remarks(config: RunConfig, material: Material) -> tuple[str, ...]:
    """What the retention model can say before anything is fitted; nothing of one that is stated."""
    if config.stated:
        return ()
    retention = configured(config.retention, material.summary) if config.retention.renewing else config.retention
    return retention.remarks(material.summary)


def remedies_of(error: ClvsimError) -> list[QualityLine]:
    """What a refusal itself says to type, beside what is striking."""
    named = any(GOES_ON in problem.what for problem in error.problems)
    return [QualityLine("one_price", "Amounts do not vary", "", "", "warning", (ONE_PRICE,))] if named else []


def require_learnable(config: RunConfig, material: Material) -> None:
    """Raises DiagnosticsError where the models have nothing to learn from."""
    if config.stated:
        return
    require_payments(config, material, material.summary)
    for model in compared_models(config.retention, config.fit.compare).values():
        for_each_model(model, lambda one: learnable(material.summary, one, config.spend))


def whole_table(lines: Sequence[QualityLine], found: Sequence[str], warnings: Sequence[str]) -> str:
    """The quality table, and below it what is modelled by itself and warnings."""
    below = [*(hanging(f"  {sentence}", 2) for sentence in found), *(hanging(f"! {text}", 2) for text in warnings)]
    return "\n".join([quality_table(lines), *below])


def answer(
    config: RunConfig, material: Material, found: Sequence[str], warnings: Sequence[str], steps: "Steps"
) -> dict[str, Any]:
    """The answer for machines: facts, every line of the table, what is modelled by itself, warnings, what to type."""
    warned = [sentence(line) for line in material.quality if line.level == "warning"]
    return {
        "exit_code": 0,
        "problems": [],
        "facts": facts_of(material.short) if material.short else {"customers": len(material.summary.customers)},
        "readings": [{**line._asdict(), "remedy": list(line.remedy)} for line in material.quality],
        "found": list(found),
        "warnings": [*warned, *warnings],
        "margin_known": config.finance.gross_margin is not None,
        "next": typed(steps.words) | {"conditional": [{"if": so} | typed(words) for so, words in steps.conditional]},
    }


def typed(words: Sequence[str]) -> dict[str, Any]:
    """A command for machines, and for a shell."""
    return {"arguments": list(words), "line": shell_line(words)}


def facts_of(short: InShort) -> dict[str, Any]:
    """A log in figures, days as 2024-01-31."""
    return {
        **short._asdict(),
        "first_day": f"{short.first_day}",
        "last_day": f"{short.last_day}",
        "today": f"{short.today}",
        "columns": dict(short.columns),
        "guessed": [key for key, _ in short.guessed],
        "new_customers_a_month": round(short.customers / short.months, 4),
        "orders_a_month": round(short.orders / short.months, 4),
        "share_ordered_once": round(short.ordered_once / short.customers, 4),
    }


class Steps(NamedTuple):
    """What to type next: the words of a command, those that warnings advise, whether rows count twice until somebody
    says more, and commands that are right only under a condition."""

    words: list[str]
    advised: list[str]
    doubled: bool
    conditional: list[tuple[str, list[str]]]

    @property
    def again(self) -> bool:
        """Whether it is a check of other rows, and no run."""
        return self.words[1] == "check"


def next_steps(command: str, lines: Sequence[QualityLine]) -> Steps:
    """The command to type next: a run with what warnings advise, or another check where that changes which rows count,
    since what was found on the wrong rows may be gone on the right ones.

    Of two remedies for one key the first counts, and another model makes those for its own keys void; what was typed is
    left as it is.
    """
    program, _, *typed = shlex.split(command)
    taken = {word.split("=")[0] for word in typed}
    free = [line for line in lines if not {word.split("=")[0] for word in line.remedy} & taken]
    remedies = _remedies([line for line in free if not line.condition])
    reading = [word for word in remedies if word.startswith("data.")]
    doubled = any(counts_twice(line) for line in free) and not reading
    advised = reading or ([] if doubled else remedies)
    conditional = [
        (line.condition, [program, "check", *typed, *line.remedy])
        for line in free
        if line.condition and not reading and not doubled
    ]
    return Steps([program, "check" if reading else "run", *typed, *advised], advised, doubled, conditional)


def _remedies(lines: Sequence[QualityLine]) -> list[str]:
    """What lines advise, that of the longest remedy first."""
    remedies: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: len(line.remedy), reverse=True):
        keys = {word.split("=")[0] for word in line.remedy}
        if not keys & remedies.keys() and not {key.split(".")[0] for key in keys} & remedies.keys():
            remedies |= {word.split("=")[0]: word for word in line.remedy}
    return [*remedies.values()]


def next_step(command: str, config: RunConfig, lines: Sequence[QualityLine]) -> str:
    """The commands to type next, quoted for a shell; and the margin, where none is."""
    steps = next_steps(command, lines)
    said = [f"Next:  {shell_line(steps.words)}"]
    if steps.advised:
        then = "; other rows count then, so look again before a run" if steps.again else ""
        said.append(f"       ({shell_line(steps.advised)}: what the lines marked ! advise{then})")
    if steps.doubled:
        said.append("       Rows count twice until data.order_id names the order's number: then check again.")
    if config.finance.gross_margin is None and not steps.again:
        said.append("       With finance.gross_margin=0.4, your own share, money is contribution instead of revenue.")
    said += [f"If {condition}:\n       {shell_line(words)}" for condition, words in steps.conditional]
    return "\n".join(said)
