"""Output folders that Hydra creates before our code runs: recorded, so that unused ones can be removed again."""

import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from clvsim.runfolder import missing_folders, remove_empty, sweep_partials


class FolderState(NamedTuple):
    """Which folders were missing before Hydra created an output folder, and whether a sweep's record existed."""

    missing_folders: tuple[Path, ...]
    had_multirun_yaml: bool


states: dict[Path, FolderState] = {}  # by output folder, before Hydra created it


def remember_folder(path: str) -> str:
    """Resolver `${folder:PATH}`: return PATH, and record which of its folders exist before Hydra creates them."""
    folder = Path(path).absolute()
    with suppress(OSError, ValueError):  # a path that cannot be: who creates it says so
        states.setdefault(folder, FolderState(missing_folders(folder), (folder / "multirun.yaml").exists()))
    return path


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
