"""`clvsim report`: the page of a finished run, rendered again."""

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.errors import ConfigError
from clvsim.runfolder import RunContext
from clvsim.stages.steps import output_folder


def report(config: RunConfig, ctx: RunContext) -> int:
    """Render the page of a finished run again. Raises ConfigError for a metric that the run was not decided on."""
    from clvsim.report import display, write_report
    from clvsim.report.text import tables

    folder = output_folder(ctx)
    result = archive.read_result(folder)
    decided = display.decision_metric(result)
    if config.report.metric != decided:
        raise ConfigError([("report.metric", f"this run was decided on {decided}; another one needs clvsim run")])
    write_report(result, folder)
    ctx.say(tables(result))
    ctx.say(f"\nReport: {folder / 'report.html'}")
    return 0
