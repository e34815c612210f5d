"""One stage from its command line to its exit code."""

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig

from clvsim.console import note
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.files import CONFIGS
from clvsim.rim import folders, source
from clvsim.rim.arguments import COMPLETION_FLAGS, hydra_words
from clvsim.rim.explain import COMPOSITION_ERRORS, explained
from clvsim.rim.jobs import Outcomes, job, plain, validated
from clvsim.stages import STAGES, Folder


def stage(name: str, words: Sequence[str]) -> int:
    """Run one stage. Returns the exit code; raises ClvsimError for a command line that cannot be read."""
    overrides = hydra_words(name, words)
    source.register()
    folders.register()
    folders.made.clear()
    with outcomes() as done:
        try:
            call_hydra(name, overrides, partial(job, name, tuple(words), done))
        except COMPOSITION_ERRORS as error:
            raise ConfigError(every_problem(name, overrides, error)) from None
        except OSError as error:
            raise ConfigError([unusable(error)]) from None
        except ValueError as error:  # of Hydra's own flags: ours end in `job`
            raise ConfigError([("flags", str(error))]) from None
        except SystemExit:
            stop_workers()
            if kept := done.codes().count(0):
                note(f"finished before the interruption, and kept: {kept}")
            raise
        finally:
            folders.tidy()
        return max(done.codes(), default=0)


def stop_workers() -> None:
    """A parallel launcher's processes must not outlive an interruption: they hold our output and wait for us."""
    for worker in multiprocessing.active_children():
        worker.kill()


def unusable(error: OSError) -> Problem:
    """A configuration file that cannot be read, or a folder that Hydra could not make."""
    if str(error.filename).endswith(".yaml"):
        return Problem("configuration", f"cannot read {error.filename}: {error.strerror}")
    return Problem("out", f"cannot create {error.filename}: {error.strerror}")


def every_problem(name: str, words: list[str], error: Exception) -> list[Problem]:
    """What Hydra refused, and what validation would have refused of the rest."""
    from clvsim.config import validate

    problems, rest = explained(name, words, error)
    if rest is not None and STAGES[name] is not Folder.FINISHED:
        try:
            validated(name, plain(rest), validate)
        except ClvsimError as more:
            problems += more.problems
    return problems


def call_hydra(name: str, overrides: list[str], task: Callable[[DictConfig], None]) -> None:
    completing = any(word in COMPLETION_FLAGS for word in overrides)
    sys.argv = ["clvsim" if completing else f"clvsim {name}", *overrides]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us; we print them
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(task)()


@contextmanager
def outcomes() -> Generator[Outcomes]:
    descriptor, name = tempfile.mkstemp(prefix="clvsim-outcomes-")
    os.close(descriptor)
    try:
        yield Outcomes(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)
