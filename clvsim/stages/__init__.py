"""The stages of the shell: each module has one function of its own name, from a configuration to an exit code.

Importing this loads none of them, so that the shell can name the stages before anything slow is imported.
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
    """The function of a stage; its module is imported now."""
    return getattr(import_module(f"{__name__}.{name}"), name)
