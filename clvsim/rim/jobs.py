"""One job, from its composed configuration to its exit code."""

import functools
import json
import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clvsim.console import note, print_internal_error, say
from clvsim.errors import ClvsimError, ConfigError, Problem
from clvsim.interruption import prefer_interruption
from clvsim.private import cache_complaint
from clvsim.progress import progress
from clvsim.rim import finished_runs, folders
from clvsim.rim.allowed import close_resolvers, require_typed_address
from clvsim.rim.answers import answer_internal_error, refuse
from clvsim.rim.arguments import ANSWER_FLAGS, split_override, swept_keys
from clvsim.rim.scenarios import with_library
from clvsim.rim.sweeping import make_points
from clvsim.runfolder import RunContext, remove_empty, run_folder, sweep_partials
from clvsim.schema import validated
from clvsim.secluded import seclude
from clvsim.stages import STAGES, Folder, Reads, load_settings, load_stage
from clvsim.stages.points import Sweep

NO_ORDERS = "which orders? clvsim {stage} orders.csv, or the demo: clvsim {stage} experiment=demo"


class Job(NamedTuple):
    """How one job of a command ended: its number, its overrides, its exit code, and where its results are."""

    number: int
    words: tuple[str, ...]
    code: int
    folder: str


@dataclass(frozen=True)
class Outcomes:
    """How one command's jobs ended; of those that a parallel launcher runs in other processes, in a file."""

    path: Path
    process: int = field(default_factory=os.getpid)
    own: list[Job] = field(default_factory=list)

    def add(self, code: int) -> None:
        number = HydraConfig.get().job.num if is_sweeping() else 0
        job = Job(number, tuple(without_out(HydraConfig.get().overrides.task)), code, str(output_dir()))
        if os.getpid() == self.process:
            self.own.append(job)
            return
        with self.path.open("a") as file:
            file.write(json.dumps(job) + "\n")

    def jobs(self) -> list[Job]:
        """By number."""
        others = [json.loads(line) for line in self.path.read_text().splitlines()]
        return sorted([*self.own, *(Job(n, tuple(words), code, folder) for n, words, code, folder in others)])

    def codes(self) -> list[int]:
        return [job.code for job in self.jobs()]


def hydra_task(name: str, words: tuple[str, ...], outcomes: Outcomes, cfg: DictConfig) -> None:
    """Run a job as Hydra's task; only interruptions propagate, so that a failing job does not stop a sweep."""
    close_resolvers()  # once more, as the next: a parallel launcher's worker has OmegaConf's own
    seclude()
    job_name = sweep_job()
    try:
        with prefer_interruption():
            code = run_job(name, words, cfg)
        outcomes.add(code)
    except ClvsimError as error:
        refuse(error.problems, error.code, words, job_name, following(name, words, error.choice))
        outcomes.add(error.code)
    except Exception:
        print_internal_error(job_name)
        answer_internal_error(words)
        outcomes.add(1)
    finally:
        if output_dir() not in folders.states:  # Hydra created it below the folder of a sweep
            remove_empty((output_dir(),))


def run_job(name: str, words: tuple[str, ...], cfg: DictConfig) -> int:
    """Validate the configuration and run the stage in its folder. Returns the exit code."""
    from clvsim.config import validate

    overrides, stage = HydraConfig.get().overrides.task, STAGES[name]
    if stage.sweeps:
        sweep, settings = points_of(name, words, cfg, overrides, validate)
        if sweep.points and print_statements(sweep.points[0].config):
            return 0
        action = partial(load_stage(name), sweep.points[0].config)
        return run_in_folder(name, words, action, settings, sweep)
    raw = resolved(cfg)
    if stage.reads is Reads.RUN:
        raw, settings = split_settings(name, raw)
        folder, raw = finished_runs.find_run(raw, overrides, type(settings).model_fields if stage.own else ())
        config = validate(raw)
        ctx = context(name, words, folder if stage.folder is Folder.FINISHED else None, folder, settings)
        return load_stage(name)(config, ctx)
    config, settings = validate_all(name, raw, validate, overrides)
    if print_statements(config):
        return 0
    action = partial(load_stage(name), config)  # a slow import, after errors in the configuration are reported
    if stage.folder is Folder.NONE:
        return action(context(name, words, None, output_dir(), settings))
    return run_in_folder(name, words, action, settings)


def print_statements(config: Any) -> bool:
    """Whether only the SQL of the data was asked for, which is then printed."""
    from clvsim.data.config import SqlConfig

    data = getattr(config, "data", None)
    if not isinstance(data, SqlConfig) or not data.print_sql:
        return False
    from clvsim.data.sql.printed import printed

    say(printed(data))
    return True


def split_settings(name: str, raw: dict[Any, Any]) -> tuple[dict[Any, Any], Any]:
    """A composed configuration without the keys of the stage's own, and these, checked; None where it has none."""
    settings = load_settings(name)
    if settings is None:
        return raw, None
    own = {key: value for key, value in raw.items() if key in settings.model_fields}
    return {key: value for key, value in raw.items() if key not in own}, validated(settings, own)


def points_of(
    name: str,
    words: tuple[str, ...],
    cfg: DictConfig,
    overrides: Sequence[str],
    validate: Callable[[dict[Any, Any]], Any],
) -> tuple[Sweep, Any]:
    """The points of a sweep, each checked, and the keys of the stage's own, which all share."""
    if is_sweeping():
        raise ConfigError([("hydra.mode", f"{name} is one run over all values; clvsim run -m runs once per value")])
    settings: list[Any] = []

    def check(point: DictConfig) -> Any:
        config, own = validate_all(name, resolved(point), validate, overrides)
        settings.append(own)
        return config

    return make_points(cfg, swept_keys(name, words), check), settings[0]


def run_in_folder(
    name: str, words: tuple[str, ...], action: Callable[[RunContext], int], settings: Any = None, sweep: Any = None
) -> int:
    """Run `action` in a new folder, which is kept if the code is 0 or a run.json is there, and removed otherwise."""
    final = output_dir()
    whole = final.parent if is_sweeping() else final
    for parent in {final.parent, whole.parent, *folders.other_days(whole)}:
        sweep_partials(parent)
    if not is_sweeping() or HydraConfig.get().job.num == 0:
        remark = cache_complaint()
        if remark:
            note(remark)
    try:
        with run_folder(final) as folder:
            code = action(context(name, words, folder, final, settings, sweep))
            if code and not (folder / "run.json").is_file():
                raise StageFailed(code)
    except StageFailed as stop:
        return stop.code
    return code


class StageFailed(Exception):
    """A stage that printed why it failed, and left no result to keep."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def validate_all(
    name: str, raw: dict[Any, Any], validate: Callable[[dict[Any, Any]], Any], words: Sequence[str] = ()
) -> tuple[Any, Any]:
    """The checked configuration, and the keys of the stage's own, None where it has none or they are all.

    `words` are the overrides as typed. Raises ConfigError with all problems, a missing path of the orders included.
    """
    problems: list[Problem] = []
    settings = None
    require_typed_address(raw, words)
    try:
        raw, settings = split_settings(name, raw)
    except ConfigError as error:
        problems += error.problems
    if STAGES[name].reads is Reads.NOTHING:
        if problems:
            raise ConfigError(problems)
        return settings, None
    data = raw.get("data")
    if isinstance(data, dict) and data.get("kind") == "csv" and not data.get("path"):
        problems.append(Problem("data.path", NO_ORDERS.format(stage=name)))
    try:
        config = validate(with_library(raw, words))
    except ConfigError as error:
        asked_for_orders = any(problem.where == "data.path" for problem in problems)
        problems += [problem for problem in error.problems if problem.where != "data.path" or not asked_for_orders]
    if problems:
        raise ConfigError(problems)
    return config, settings


def resolved(cfg: DictConfig) -> dict[Any, Any]:
    """A composed configuration as plain values, interpolations resolved; ConfigError where one cannot be."""
    try:
        raw = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError([(error.full_key or "configuration", str(error).splitlines()[0])]) from None
    assert isinstance(raw, dict)
    return raw


def context(
    name: str, words: tuple[str, ...], folder: Path | None, final: Path, settings: Any = None, sweep: Any = None
) -> RunContext:
    overrides = HydraConfig.get().overrides.task if is_sweeping() else words
    return RunContext(
        folder=folder,
        final=folders.relative_to_here(final),
        command=shlex.join(["clvsim", name, *(word for word in without_out(overrides) if word not in ANSWER_FLAGS)]),
        say=say,
        note=functools.cache(note),  # several models may have the same to say
        progress=progress(interactive=not is_sweeping()),
        flags=tuple(word for word in words if word in ANSWER_FLAGS),
        settings=settings,
        sweep=sweep,
    )


def following(name: str, words: tuple[str, ...], choice: tuple[str, ...]) -> list[str]:
    """The command that makes a choice which a stage asked for; empty where it asked for none, or in a sweep."""
    if not choice or is_sweeping():
        return []
    chosen = {word.split("=")[0] for word in choice}
    kept = [word for word in without_out(words) if word not in ANSWER_FLAGS and word.split("=")[0] not in chosen]
    return ["clvsim", name, *kept, *choice]


def sweep_job() -> str:
    """`job 1: seed=2` in a sweep, empty otherwise."""
    config = HydraConfig.get()
    return f"job {config.job.num}: {' '.join(without_out(config.overrides.task))}" if is_sweeping() else ""


def is_sweeping() -> bool:
    return HydraConfig.get().mode == RunMode.MULTIRUN


def without_out(words: Sequence[str]) -> list[str]:
    """Words without `out=`: a folder is used once, so the command that reproduces the run must not name it."""
    return [word for word in words if split_override(word)[1] != "out"]


def output_dir() -> Path:
    return Path(HydraConfig.get().runtime.output_dir)
