"""The stages of the shell: each module has a function of its own name, from a configuration to an exit code.

This package imports none of them, so that the shell can list the stages before anything slow is imported.
"""

from collections.abc import Callable
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clvsim.config import RunConfig
    from clvsim.runfolder import RunContext


class Folder(Enum):
    """Where a stage writes."""

    NEW = "a folder of its own, which appears when the stage has succeeded"
    FINISHED = "the folder of a finished run"
    NONE = "nowhere"


STAGES: dict[str, Folder] = {
    "run": Folder.NEW,
    "check": Folder.NONE,
    "fit": Folder.NEW,
    "validate": Folder.NEW,
    "report": Folder.FINISHED,
}


def load_stage(name: str) -> "Callable[[RunConfig, RunContext], int]":
    """Import the module of a stage, and return its function."""
    return getattr(import_module(f"{__name__}.{name}"), name)
