"""One job: a composed configuration in, an exit code out."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clvsim.console import complain, confess, note, say
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.interruption import interruption_first
from clvsim.progress import progress
from clvsim.rim import folders, report_of
from clvsim.rim.arguments import split
from clvsim.rim.scenarios import with_library
from clvsim.runfolder import RunContext, remove_empty, run_folder, sweep_partials
from clvsim.stages import STAGES, Folder, load_stage

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


def job(name: str, words: tuple[str, ...], done: Outcomes, cfg: DictConfig) -> None:
    """Hydra's task: nothing leaves it but interruptions, so that one failing job does not stop a sweep."""
    job_name = sweep_job()
    try:
        with interruption_first():
            code = worked(name, words, cfg)
        done.add(code)
    except ClvsimError as error:
        complain(error.problems, job_name)
        done.add(error.code)
    except Exception:
        confess(job_name)
        done.add(1)
    finally:
        if output_dir() not in folders.made:  # a job's folder, made by Hydra below that of its sweep
            remove_empty((output_dir(),))


def worked(name: str, words: tuple[str, ...], cfg: DictConfig) -> int:
    """Validate, make the folder, hand over to the stage."""
    from clvsim.config import validate

    raw = plain(cfg)
    if STAGES[name] is Folder.FINISHED:
        folder, raw = report_of.finished(raw, HydraConfig.get().overrides.task)
        config = validate(raw)
        return load_stage(name)(config, context(name, words, folder, folder))
    config = validated(name, raw, validate)
    action = partial(load_stage(name), config)  # slow to import: mistakes in the configuration are reported before
    if STAGES[name] is Folder.NONE:
        return action(context(name, words, None, output_dir()))
    return in_folder(name, words, action)


def in_folder(name: str, words: tuple[str, ...], action: Callable[[RunContext], int]) -> int:
    """Run `action` in a folder that is kept when it succeeded, or ended with a result all the same: a run.json."""
    final = output_dir()
    for parent in (final.parent, *folders.siblings(final)):
        sweep_partials(parent)
    try:
        with run_folder(final) as folder:
            code = action(context(name, words, folder, final))
            if code and not (folder / "run.json").is_file():
                raise Unfinished(code)
    except Unfinished as stop:
        return stop.code
    return code


class Unfinished(Exception):
    """A stage that said itself what went wrong, and has no result to keep."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


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


def plain(cfg: DictConfig) -> dict[Any, Any]:
    try:
        raw = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError([(error.full_key or "configuration", str(error).splitlines()[0])]) from None
    assert isinstance(raw, dict)
    return raw


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


def shown(path: Path) -> Path:
    """Relative to the current directory when it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
