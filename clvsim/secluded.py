"""Libraries that look for their settings in the current folder, which may be somebody else's, are kept from it.

Numba reads `.numba_config.yaml` there, Matplotlib `matplotlibrc`, ArviZ `arvizrc`: a study's folder could set threads,
end the process, or have it wait for a pipe. They are loaded from the root folder instead.
"""

import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

READERS = ("numba.core.config", "matplotlib", "arviz_base.rcparams")


class Secluded(MetaPathFinder):
    """Finds the modules that read settings as usual, and has them run elsewhere."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in READERS else None
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            loader.exec_module = partial(_execute, loader.exec_module)
        return spec


def seclude() -> None:
    """Have the libraries in READERS, where they are not loaded yet, read no file of the current folder."""
    if not any(isinstance(finder, Secluded) for finder in sys.meta_path):
        sys.meta_path.insert(0, Secluded())


def _execute(execute: Callable[[ModuleType], None], module: ModuleType) -> None:
    with _elsewhere():
        execute(module)
    if module.__name__ == "numba.core.config":
        vars(module)["_config_fname"] = ""  # which it reads again before it compiles


@contextmanager
def _elsewhere() -> Generator[None]:
    here = os.open(".", getattr(os, "O_PATH", os.O_RDONLY))  # it may have no name any more
    os.chdir("/")
    try:
        yield
    finally:
        os.fchdir(here)
        os.close(here)
