"""`clvsim show`: the figures of a finished run, as tables on the terminal."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.errors import ClvsimError, ConfigError
from clvsim.runfolder import RunContext
from clvsim.schema import Frozen

if TYPE_CHECKING:
    from clvsim.types import RunResult

type What = Literal["all", "figures", "levers", "assumptions", "months", "warnings", "models"]


class Settings(Frozen):
    """Which part is shown; `all` is figures and levers with the sentences around them."""

    what: What = "all"


def show(config: RunConfig, ctx: RunContext) -> int:
    """Print the tables of a finished run, or the part `what`; writes nothing.

    Raises ConfigError for a run that cannot be shown.
    """
    result = archive.read_result(ctx.final, knobs=False)
    try:
        text = _parts()[ctx.settings.what](result)
    except ClvsimError:
        raise
    except Exception as error:  # names that do not fit together, lists that are too short: printing finds them
        what = f"{ctx.final} cannot be shown: it holds what no run writes"
        raise ConfigError([("run", what)]) from error
    ctx.say(text.rstrip("\n"))
    return 0


def _parts() -> "Mapping[str, Callable[[RunResult], str]]":
    from clvsim.report import listings, text

    return {
        "all": text.tables,
        "figures": listings.figures,
        "levers": listings.levers,
        "assumptions": listings.assumptions,
        "months": listings.months,
        "warnings": listings.warnings,
        "models": listings.models,
    }
