"""`clvsim check`: the quality of the data, and whether a run on them could start."""

import textwrap

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


def check(config: RunConfig, ctx: RunContext) -> int:
    """Print the data-quality table and what is missing beside levers; raise what a run raises before it gets slow."""
    material = read_data(config, ctx)
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
    return 0
