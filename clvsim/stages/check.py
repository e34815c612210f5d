"""`clvsim check`: what is in the data, and whether a run of them could start."""

from clvsim.config import RunConfig
from clvsim.data import gates
from clvsim.models.compare import compared_models
from clvsim.models.fit import learnable
from clvsim.report.text import READY, quality_table
from clvsim.runfolder import RunContext
from clvsim.stages.refusals import plan_run
from clvsim.stages.steps import read


def check(config: RunConfig, ctx: RunContext) -> int:
    """Print the data-quality table; raise what a run would raise before its first expensive step."""
    material = read(config, ctx)
    plan_run(config, material.summary)
    ctx.say(quality_table(material.quality))
    gates(material.summary)
    for model in compared_models(config.retention, config.fit.compare).values():
        learnable(material.summary, model, config.spend)
    ctx.say(f"\n{READY}")
    return 0
