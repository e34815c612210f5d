"""`clvsim check`: the quality of the data, and whether a run on them could start."""

import shlex
import textwrap
from collections.abc import Sequence

from clvsim.config import RunConfig
from clvsim.models.auto import for_each_model
from clvsim.models.compare import compared_models
from clvsim.models.fit import learnable
from clvsim.report import evidence
from clvsim.report.text import READY, WIDTH, quality_table
from clvsim.runfolder import RunContext
from clvsim.scenario import ambiguous_names
from clvsim.stages.refusals import plan_run, require_payments
from clvsim.stages.steps import read_data, with_findings
from clvsim.types import QualityLine


def check(config: RunConfig, ctx: RunContext) -> int:
    """Print the data-quality table and what is missing beside levers; raise what a run raises before it gets slow."""
    material = read_data(config, ctx, brief=True)
    config = with_findings(config, material, ctx)
    plan = plan_run(config, material.summary)
    ctx.say(quality_table(material.quality))
    descriptions = [scenario.compiled.description for scenario in plan.scenarios.values()]
    remarks = config.retention.remarks(material.summary)
    for warning in (*remarks, *evidence.warnings(descriptions), *ambiguous_names(config.library, config.names)):
        ctx.say(textwrap.fill(f"! {warning}", WIDTH))
    require_payments(config, material, material.summary)
    for model in compared_models(config.retention, config.fit.compare).values():
        for_each_model(model, lambda one: learnable(material.summary, one, config.spend))
    ctx.say(f"\n{READY}")
    ctx.say(next_step(ctx.command, config, material.quality))
    return 0


def next_step(command: str, config: RunConfig, lines: Sequence[QualityLine]) -> str:
    """The command to type next: a run with what warnings advise, quoted for a shell; and the margin, where none is.

    Of two remedies for one key the first counts, and another model makes those for its own keys void; what was typed is
    left as it is.
    """
    program, _, *typed = shlex.split(command)
    taken = {word.split("=")[0] for word in typed}
    remedies: dict[str, str] = {}
    for line in sorted(lines, key=lambda line: len(line.remedy), reverse=True):
        keys = {word.split("=")[0] for word in line.remedy}
        if not keys & taken and not {key.split(".")[0] for key in keys} & remedies.keys():
            remedies |= {word.split("=")[0]: word for word in line.remedy}
            taken |= keys
    said = f"Next:  {shlex.join([program, 'run', *typed, *remedies.values()])}"
    if remedies:
        said += f"\n       ({' '.join(remedies.values())}: what the lines marked ! advise)"
    if config.finance.gross_margin is None:
        said += "\n       With finance.gross_margin=0.4, your own share, money is contribution instead of revenue."
    return said
