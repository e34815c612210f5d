"""`clvsim report`: the page of a finished run, rendered again."""

from pathlib import Path

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.console import shell_line
from clvsim.errors import ClvsimError, ConfigError
from clvsim.runfolder import RUNS, RunContext, writing
from clvsim.stages.steps import output_folder


def report(config: RunConfig, ctx: RunContext) -> int:
    """Render the page of a finished run again. Raises ConfigError for a metric that the run was not decided on."""
    from clvsim.report import display, write_report
    from clvsim.report.screen import first_screen

    folder = output_folder(ctx)
    result = archive.read_result(folder)
    if (folder / "figures").is_symlink():
        raise ConfigError([("run", f"{folder / 'figures'} is a link, and must be a folder of the run's own")])
    try:
        decided = display.decision_metric(result)
        if config.report.metric != decided:
            raise ConfigError([("report.metric", f"this run was decided on {decided}; another one needs clvsim run")])
        text = first_screen(result)
        with writing(folder, "cannot write", "run"):
            write_report(result, folder)
    except ClvsimError:
        raise
    except Exception as error:  # names that do not fit together, lists that are too short: rendering finds them
        what = f"{folder} cannot be shown: it holds what no run writes"
        raise ConfigError([("run", what)]) from error
    ctx.say(text)
    ctx.say(where(folder))
    return 0


def where(folder: Path) -> str:
    """Where the page is, and how to see every figure."""
    usual = folder.parts[: len(RUNS.parts)] == RUNS.parts
    show = "clvsim show" if usual else f"clvsim show {shell_line([str(folder)])}"
    return f"Report: {folder / 'report.html'}\nEvery figure: {show}"
