"""The stages of the shell: each module has a function of its own name, from a configuration to an exit code.

This package imports none of them, so that the shell can list the stages before anything slow is imported.
"""

from collections.abc import Callable
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clvsim.config import RunConfig
    from clvsim.runfolder import RunContext
    from clvsim.schema import Frozen


class Folder(Enum):
    """Where a stage writes."""

    NEW = "a folder of its own, which appears when the stage has succeeded"
    FINISHED = "the folder of a finished run"
    NONE = "nowhere"


class Reads(Enum):
    """What a stage's function gets as its configuration."""

    STUDY = "data, models and scenarios"
    RUN = "the configuration of a finished run"
    NOTHING = "its own keys, and no study"


class Stage(NamedTuple):
    """Where a stage writes and what it reads.

    `own`: whether its module has a class `Settings` with keys of its own, at the top level of its configuration; they
    are `ctx.settings`, or the whole configuration of a stage that reads no study. `files`: the key that words without
    `=` belong to.
    """

    folder: Folder
    reads: Reads = Reads.STUDY
    own: bool = False
    files: str = "data.path"


STAGES: dict[str, Stage] = {
    "run": Stage(Folder.NEW),
    "check": Stage(Folder.NONE),
    "fit": Stage(Folder.NEW),
    "validate": Stage(Folder.NEW),
    "decide": Stage(Folder.FINISHED, Reads.RUN, own=True, files="run"),
    "report": Stage(Folder.FINISHED, Reads.RUN, files="run"),
    "show": Stage(Folder.NONE, Reads.RUN, own=True, files="run"),
    "new": Stage(Folder.NONE, Reads.NOTHING, own=True, files="name"),
}


def load_stage(name: str) -> "Callable[[RunConfig, RunContext], int]":
    """Import the module of a stage, and return its function."""
    return getattr(import_module(f"{__name__}.{name}"), name)


def load_settings(name: str) -> "type[Frozen] | None":
    """The keys of a stage's own, None where it has none."""
    return import_module(f"{__name__}.{name}").Settings if STAGES[name].own else None
