"""`clvsim check`: the quality of the data, and whether a run on them could start."""

from clvsim.config import RunConfig
from clvsim.data import require_repeat_orders
from clvsim.models.compare import compared_models
from clvsim.models.fit import learnable
from clvsim.report.text import READY, quality_table
from clvsim.runfolder import RunContext
from clvsim.stages.refusals import plan_run
from clvsim.stages.steps import read_data


def check(config: RunConfig, ctx: RunContext) -> int:
    """Print the data-quality table; raise the errors that a run raises before its first expensive step."""
    material = read_data(config, ctx)
    plan_run(config, material.summary)
    ctx.say(quality_table(material.quality))
    require_repeat_orders(material.summary)
    for model in compared_models(config.retention, config.fit.compare).values():
        learnable(material.summary, model, config.spend)
    ctx.say(f"\n{READY}")
    return 0
