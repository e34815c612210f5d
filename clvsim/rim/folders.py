"""Output folders that Hydra makes before our code runs: remembered, so that those made for nothing can go again."""

import time
from pathlib import Path
from typing import NamedTuple

from omegaconf import OmegaConf

from clvsim.runfolder import missing_folders, remove_empty, sweep_partials


class Made(NamedTuple):
    """What was missing before Hydra made an output folder, and whether a sweep's record was there before."""

    missing: tuple[Path, ...]
    had_record: bool


made: dict[Path, Made] = {}


def note_folder(path: str) -> str:
    """Resolver `${folder:PATH}`: PATH itself. Hydra makes the folder before our code runs; this is the last look."""
    folder = Path(path).absolute()
    made.setdefault(folder, Made(missing_folders(folder), (folder / "multirun.yaml").exists()))
    return path


def register() -> None:
    OmegaConf.register_new_resolver("folder", note_folder, replace=True)


def tidy() -> None:
    """Remove what Hydra and killed workers left where no result came about."""
    for folder, before in made.items():
        record = folder / "multirun.yaml"
        if record.exists():
            reap(folder)
            if not before.had_record and list(folder.iterdir()) == [record]:
                record.unlink()
        remove_empty(before.missing)


def reap(sweep: Path, patience_seconds: float = 1.0) -> None:
    """Remove what a sweep's workers left; they may take a moment to die."""
    end = time.monotonic() + patience_seconds
    while any(sweep.glob(".*.partial-*")) and time.monotonic() < end:
        if not sweep_partials(sweep):
            time.sleep(0.05)
    unused = [path for path in sweep.iterdir() if path.name.isdigit()]
    for path in unused:  # where Hydra made them for jobs that never came to an end
        remove_empty((path,))


def siblings(final: Path) -> list[Path]:
    """Other days of the default `outputs/STAGE/DATE/TIME`."""
    root = final.parent.parent
    if root.parent.name != "outputs":
        return []
    return [path for path in root.iterdir() if path.is_dir()]
