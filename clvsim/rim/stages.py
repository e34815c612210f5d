"""One stage, from its command line to its exit code."""

import io
import os
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path

import hydra
from omegaconf import DictConfig

from clvsim import clock
from clvsim.console import note, say
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.files import CONFIGS
from clvsim.interruption import Interrupted, stop_workers
from clvsim.private import settle_temporary
from clvsim.rim import folders, source
from clvsim.rim.allowed import close_resolvers
from clvsim.rim.arguments import COMPLETION_FLAGS, hydra_words
from clvsim.rim.explain import COMPOSITION_ERRORS, explain_all
from clvsim.rim.help_strings import accept_lazy_help
from clvsim.rim.jobs import Outcomes, hydra_task, resolved, validate_all
from clvsim.rim.together import show_together
from clvsim.runfolder import require_free
from clvsim.stages import STAGES, Reads

PRINTING = {"--cfg", "-c", "--info", "-i", "--hydra-help"}


def stage(name: str, words: Sequence[str]) -> int:
    """Run one stage. Returns the exit code; raises ClvsimError for a command line that cannot be read."""
    overrides = hydra_words(name, words)
    close_resolvers()
    clock.now()  # libraries would stumble over a wrong SOURCE_DATE_EPOCH, in their own words, at the end of a run
    source.register()
    folders.register()
    folders.states.clear()
    try:
        if remark := settle_temporary():
            note(remark)
    except OSError as error:
        raise ConfigError([("TMPDIR", str(error.strerror))]) from None
    with outcomes_file() as outcomes:
        try:
            call_hydra(name, overrides, partial(hydra_task, name, tuple(words), outcomes))
        except COMPOSITION_ERRORS as error:
            raise ConfigError(all_problems(name, overrides, error)) from None
        except OSError as error:
            raise ConfigError([file_problem(error)]) from None
        except ValueError as error:  # from Hydra's flags; those of a job are caught in `hydra_task`
            if "null byte" in str(error):
                raise ConfigError([("out", "holds a character that no path has, NUL")]) from None
            raise ConfigError([("flags", str(error).partition("\n")[0])]) from None
        except SystemExit as stop:
            stop_workers()
            if isinstance(stop, Interrupted):
                stop.outcome = folders.outcome() or stop.outcome
            raise
        finally:
            folders.remove_unused_folders()
        if name == "run":
            show_together(outcomes.jobs(), words)
        return max(outcomes.codes(), default=0)


def file_problem(error: OSError) -> Problem:
    """The problem of a configuration file that cannot be read, or a folder that Hydra cannot create."""
    if isinstance(error.filename, str) and error.filename.endswith(".yaml"):
        return Problem("configuration", f"cannot read {error.filename}: {error.strerror}")
    if isinstance(error, FileExistsError):  # a file, or a link to one, to nothing or to itself
        try:
            require_free(Path(error.filename))
        except ConfigError as refused:
            return refused.problems[0]
    return Problem("out", f"cannot create {error.filename or next(iter(folders.states), 'it')}: {error.strerror}")


def all_problems(name: str, words: list[str], error: Exception) -> list[Problem]:
    """The problems that Hydra finds, and those of validation for the remaining keys."""
    from clvsim.config import validate

    problems, config = explain_all(name, words, error)
    if config is not None and STAGES[name].reads is not Reads.RUN:
        try:
            validate_all(name, resolved(config), validate, words)
        except ClvsimError as further:
            problems += further.problems
    return problems


def call_hydra(name: str, overrides: list[str], task: Callable[[DictConfig], None]) -> None:
    completing = any(word in COMPLETION_FLAGS for word in overrides)
    sys.argv = ["clvsim" if completing else f"clvsim {name}", *overrides]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us; we print them
    accept_lazy_help()
    start = hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(task)
    if not completing and not PRINTING & {word.split("=")[0] for word in overrides}:
        start()
        return
    with redirect_stdout(io.StringIO()) as printed:  # Hydra would fail where it cannot print
        start()
    say(printed.getvalue().removesuffix("\n"))


@contextmanager
def outcomes_file() -> Generator[Outcomes]:
    descriptor, name = tempfile.mkstemp(prefix="clvsim-outcomes-")
    os.close(descriptor)
    try:
        yield Outcomes(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)
