"""Output folders that Hydra creates before our code runs: recorded, so that unused ones can be removed again."""

import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from clvsim.runfolder import missing_folders, remove_empty, sweep_partials


class FolderState(NamedTuple):
    """What there was before Hydra created an output folder: missing folders, a sweep's record, finished results."""

    missing_folders: tuple[Path, ...]
    had_multirun_yaml: bool
    results: frozenset[Path]


states: dict[Path, FolderState] = {}  # by output folder, before Hydra created it


def remember_folder(path: str) -> str:
    """Resolver `${folder:PATH}`: return PATH, and record which of its folders exist before Hydra creates them."""
    folder = Path(path).absolute()
    with suppress(OSError, ValueError):  # a path that cannot be: who creates it says so
        had_multirun_yaml = (folder / "multirun.yaml").exists()
        states.setdefault(folder, FolderState(missing_folders(folder), had_multirun_yaml, results_in(folder)))
    return path


def results_in(folder: Path) -> frozenset[Path]:
    """The folder of a finished run, or those of a sweep's finished jobs: each appears whole."""
    with suppress(OSError):
        children = [path for path in folder.iterdir() if not path.name.startswith(".")]
        if any(path.name == "run.json" for path in children):
            return frozenset({folder})
        return frozenset(path for path in children if path.name.isdigit() and (path / "run.json").is_file())
    return frozenset()


def outcome() -> str:
    """What an interruption found finished, as the disk has it: a signal may come after the last rename."""
    finished = sorted(path for folder, state in states.items() for path in results_in(folder) - state.results)
    if not finished:
        return ""
    several = f"{len(finished)} results in {relative_to_here(finished[0].parent)}"
    return f"finished before, and kept: {several if len(finished) > 1 else relative_to_here(finished[0])}"


def register() -> None:
    OmegaConf.register_new_resolver("folder", remember_folder, replace=True)


def remove_unused_folders() -> None:
    """Remove folders and records of Hydra and of killed workers that hold no result."""
    for folder, state in states.items():
        record = folder / "multirun.yaml"
        if record.exists():
            remove_worker_leftovers(folder)
            if not state.had_multirun_yaml and list(folder.iterdir()) == [record]:
                record.unlink()
        remove_empty(state.missing_folders)


def remove_worker_leftovers(sweep: Path, patience_seconds: float = 1.0) -> None:
    """Remove partial and empty folders of a sweep's workers, waiting for workers that are still ending."""
    end = time.monotonic() + patience_seconds
    while any(sweep.glob(".*.partial-*")) and time.monotonic() < end:
        if not sweep_partials(sweep):
            time.sleep(0.05)
    unused = [path for path in sweep.iterdir() if path.name.isdigit()]
    for path in unused:  # of jobs that did not finish
        remove_empty((path,))


def other_days(final: Path) -> list[Path]:
    """Folders of all days, where `final` is the default `outputs/STAGE/DATE/TIME`."""
    root = final.parent.parent
    if root.parent.name != "outputs":
        return []
    return [path for path in root.iterdir() if path.is_dir()]


def relative_to_here(path: Path) -> Path:
    """The path relative to the current directory when it lies below, else unchanged."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
