"""One stage from its command line to its exit code."""

import os
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clvsim.console import complain, note, say
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.files import CONFIGS
from clvsim.progress import progress
from clvsim.rim import report_of, source
from clvsim.rim.arguments import COMPLETION_FLAGS, hydra_words, split
from clvsim.rim.explain import COMPOSITION_ERRORS, explained
from clvsim.rim.scenarios import with_library
from clvsim.runfolder import RunContext, remove_empty, run_folder, sweep_partials

WHICH_ORDERS = "which orders? clvsim {stage} orders.csv, or the demo: clvsim {stage} experiment=demo"


@dataclass(frozen=True)
class Outcomes:
    """Exit codes of the jobs of one command, in a file: with a parallel launcher they end in other processes."""

    path: Path

    def add(self, code: int) -> None:
        with self.path.open("a") as file:
            file.write(f"{code}\n")

    def codes(self) -> list[int]:
        return [int(line) for line in self.path.read_text().split()]


@contextmanager
def outcomes() -> Generator[Outcomes]:
    descriptor, name = tempfile.mkstemp(prefix="clvsim-outcomes-")
    os.close(descriptor)
    try:
        yield Outcomes(Path(name))
    finally:
        Path(name).unlink(missing_ok=True)


def stage(name: str, words: Sequence[str]) -> int:
    """Run one stage. Returns the exit code; raises ClvsimError for a command line that cannot be read."""
    overrides = hydra_words(name, words)
    source.register()
    source.made.clear()
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
            if kept := done.codes().count(0):
                note(f"finished before the interruption, and kept: {kept}")
            raise
        finally:
            tidy()
        return max(done.codes(), default=0)


def unusable(error: OSError) -> Problem:
    """A configuration file that cannot be read, or a folder that Hydra could not make."""
    if str(error.filename).endswith(".yaml"):
        return Problem("configuration", f"cannot read {error.filename}: {error.strerror}")
    return Problem("out", f"cannot create {error.filename}: {error.strerror}")


def every_problem(name: str, words: list[str], error: Exception) -> list[Problem]:
    """What Hydra refused, and what validation would have refused of the rest."""
    from clvsim.config import validate

    problems, rest = explained(name, words, error)
    if rest is not None and name != "report":
        try:
            validated(name, plain(rest), validate)
        except ClvsimError as more:
            problems += more.problems
    return problems


def plain(cfg: DictConfig) -> dict[Any, Any]:
    try:
        raw = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError([(error.full_key or "configuration", str(error).splitlines()[0])]) from None
    assert isinstance(raw, dict)
    return raw


def call_hydra(name: str, overrides: list[str], task: Callable[[DictConfig], None]) -> None:
    completing = any(word in COMPLETION_FLAGS for word in overrides)
    sys.argv = ["clvsim" if completing else f"clvsim {name}", *overrides]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us; we print them
    hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name=name)(task)()


def job(name: str, words: tuple[str, ...], done: Outcomes, cfg: DictConfig) -> None:
    """Hydra's task: nothing leaves it but interruptions, so that one failing job does not stop a sweep."""
    job_name = sweep_job()
    try:
        done.add(worked(name, words, cfg))
    except ClvsimError as error:
        complain(error.problems, job_name)
        done.add(error.code)
    except Exception:
        complain([Problem("internal error", "this is a bug in clvsim; please report it with what follows")], job_name)
        traceback.print_exc()
        done.add(1)
    finally:
        if output_dir() not in source.made:  # Hydra made it without our looking on: below a sweep's, or `hydra.run.dir`
            remove_empty((output_dir(),))


def sweep_job() -> str:
    """`job 1: seed=2` in a sweep, empty otherwise."""
    config = HydraConfig.get()
    return f"job {config.job.num}: {' '.join(without_out(config.overrides.task))}" if is_sweeping() else ""


def is_sweeping() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def without_out(words: Sequence[str]) -> list[str]:
    """A run folder is used once: what names it does not belong to a run's identity."""
    return [word for word in words if split(word)[1] != "out"]


def output_dir() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)


def worked(name: str, words: tuple[str, ...], cfg: DictConfig) -> int:
    """Validate, make the folder, hand over to the pipeline."""
    from clvsim import pipeline
    from clvsim.config import validate

    raw = plain(cfg)
    if name == "report":
        folder, raw = report_of.finished(raw, HydraConfig.get().overrides.task)
        return pipeline.report(validate(raw), context(name, words, folder, folder))
    config = validated(name, raw, validate)
    if name == "check":
        return pipeline.check(config, context(name, words, None, output_dir()))
    action = {"run": pipeline.run, "fit": pipeline.fit}[name]
    return in_folder(name, words, partial(action, config))


def in_folder(name: str, words: tuple[str, ...], action: Callable[[RunContext], int]) -> int:
    final = output_dir()
    for parent in (final.parent, *siblings(final)):
        sweep_partials(parent)
    try:
        with run_folder(final) as folder:
            if code := action(context(name, words, folder, final)):
                raise Unfinished(code)
    except Unfinished as stop:
        return stop.code
    return 0


class Unfinished(Exception):
    """A stage that said itself what went wrong, and has no result to keep."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def siblings(final: Path) -> list[Path]:
    """Other days of the default `outputs/STAGE/DATE/TIME`."""
    root = final.parent.parent
    if root.parent.name != "outputs":
        return []
    return [path for path in root.iterdir() if path.is_dir()]


def validated(name: str, raw: dict[Any, Any], validate: Callable[[dict[Any, Any]], Any]) -> Any:
    """Everything wrong with a configuration, at once."""
    problems: list[Problem] = []
    data = raw.get("data")
    if isinstance(data, dict) and data.get("kind") == "csv" and not data.get("path"):
        problems.append(Problem("data.path", WHICH_ORDERS.format(stage=name)))
    try:
        config = validate(with_library(raw))
    except ConfigError as error:
        problems += [problem for problem in error.problems if problem.where != "data.path" or not problems]
    if problems:
        raise ConfigError(problems)
    return config


def context(name: str, words: tuple[str, ...], folder: Path | None, final: Path) -> RunContext:
    given = HydraConfig.get().overrides.task if is_sweeping() else words
    return RunContext(
        folder=folder,
        final=shown(final),
        command=shlex.join(["clvsim", name, *without_out(given)]),
        say=say,
        note=note,
        progress=progress(watched=not is_sweeping()),
    )


def shown(path: Path) -> Path:
    """Relative to the current directory when it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def tidy() -> None:
    """Remove what Hydra and killed workers left where nothing came about."""
    for folder, before in source.made.items():
        record = folder / "multirun.yaml"
        if record.exists():
            reap(folder)
            if not before.had_record and list(folder.iterdir()) == [record]:
                record.unlink()
        remove_empty(before.missing)


def reap(sweep: Path, patience_seconds: float = 2.0) -> None:
    """Remove what a sweep's workers left; they may take a moment to die."""
    end = time.monotonic() + patience_seconds
    while any(sweep.glob(".*.partial-*")) and time.monotonic() < end:
        if not sweep_partials(sweep):
            time.sleep(0.05)
    remove = [path for path in sweep.iterdir() if path.name.isdigit()]
    for path in remove:  # folders that Hydra made for jobs that never came to an end
        remove_empty((path,))
