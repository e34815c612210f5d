"""Finished ranges of a simulation, kept in a folder, so that a run that was killed goes on where it was.

FOLDER/checkpoint.json says whose they are and how the customers were cut; FOLDER/WORLDS/RANGE holds the sums of one
range as plain .npy files, and their sha256. A range is written aside and renamed: it is there as a whole or not at all.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clvsim import __version__
from clvsim.disk import sync, sync_tree, write_whole
from clvsim.errors import ConfigError
from clvsim.models.fitted import FittedModels
from clvsim.provenance import sha256
from clvsim.runfolder import writing
from clvsim.simulation.digest import digest_of, key_of_run
from clvsim.simulation.ledger import Raw
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import Division, Range, Sums, Work
from clvsim.simulation.worlds import Worlds
from clvsim.types import CustomerSummary

KEY = "simulation.checkpoint"
MARKER = ".clvsim-checkpoint"  # of the folder that is typed: no other one that holds something is used
HEAD, PART = "checkpoint.json", "range.json"
_MOST_BYTES = 1 << 16  # of either
_MOST_HEADER = 1 << 12  # bytes of a .npy file before its numbers


@dataclass(frozen=True)
class Kept:
    """Ranges of one simulation on some worlds."""

    folder: Path
    key: str
    division: Division
    note: Callable[[str], None]

    def read(self, work: Work, parts: Sequence[Range]) -> Iterator[tuple[Range, Sums]]:
        """Those of the ranges that are there as they were written; what is damaged is removed, and said."""
        if not self.folder.is_dir():
            return
        shapes = work.empty()
        for part in parts:
            place = self.folder / name_of(part)
            if not os.path.lexists(place):
                continue
            customers = work.customers_of(part)
            expected = shapes._replace(quantiles=np.empty((customers, 3)), spread=work.empty_spread(customers))
            try:
                sums = read_sums(place, self.key, expected)
            except (OSError, ValueError, TypeError, KeyError) as error:
                self.note(f"{KEY}: {place} is damaged ({_why(error)}); that range is simulated again")
                with writing(place, "cannot remove", KEY):
                    _remove(place)
                continue
            yield part, sums

    def write(self, part: Range, sums: Sums) -> None:
        """Raises ConfigError where the disk does not take it."""
        final = self.folder / name_of(part)
        aside = final.with_name(f".{final.name}.tmp")
        with writing(final, key=KEY):
            shutil.rmtree(aside, ignore_errors=True)  # of a run that was killed; nobody else writes here
            aside.mkdir(parents=True)
            for name, values in arrays_of(sums).items():
                np.save(aside / name, values, allow_pickle=False)
            files = {name: sha256(aside / name) for name in arrays_of(sums)}
            (aside / PART).write_text(json.dumps({"key": self.key, "sha256": files}, indent=1))
            sync_tree(aside)
            aside.rename(final)
            sync(self.folder)


@dataclass(frozen=True)
class Checkpoint:
    """A folder that this process alone writes to."""

    folder: Path
    note: Callable[[str], None]

    def below(self, name: str) -> "Checkpoint":
        return replace(self, folder=self.folder / name)

    def of(
        self, plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, worlds: Worlds, division: Division
    ) -> Kept:
        """What is kept of a plan's simulation on some worlds, cut as it was begun, or else by `division`.

        Raises ConfigError where the folder is another simulation's.
        """
        key, head = key_of_run(plan, fitted, summary), self.folder / HEAD
        with writing(self.folder, key=KEY):
            self.folder.mkdir(parents=True, exist_ok=True)
            if head.exists():
                division = require_own(read_json(head), key, self.folder)
            else:
                content = {"clvsim": __version__, "key": key, "block": division.block, "tasks": division.tasks}
                write_whole(head, json.dumps(content, indent=1).encode())
        return Kept(self.folder / f"worlds-{digest_of(worlds.key)[:16]}", key, division, self.note)


@contextmanager
def checkpoint_in(folder: str, note: Callable[[str], None]) -> Generator[Checkpoint]:
    """The folder for ranges, made if missing, and locked as long as what is inside takes; it goes again where nothing
    was kept in it.

    Raises ConfigError where it cannot be used, or another process writes to it.
    """
    path = require_checkpoint(folder)
    with writing(path, "cannot use", KEY):
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system that cannot lock
            if not _lock(descriptor):
                raise ConfigError([(KEY, f"another run is writing to {path}; wait for it or choose another folder")])
        with writing(path, "cannot use", KEY):
            if not (path / MARKER).exists():
                (path / MARKER).touch()
        yield Checkpoint(path, note)
    finally:
        _remove_unused(path)
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_unused(path: Path) -> None:
    with suppress(OSError):
        if os.listdir(path) == [MARKER]:
            (path / MARKER).unlink()
            path.rmdir()


def require_checkpoint(folder: str) -> Path:
    """The folder that is typed, which may be missing. Raises ConfigError where it cannot be made or written, or holds
    what is no checkpoint."""
    path = Path(folder).expanduser()
    with writing(path, "cannot use", KEY):
        there = next(one for one in (path, *path.absolute().parents) if one.exists() or one.is_symlink())
        if not there.is_dir():
            raise ConfigError([(KEY, f"{there} is no folder")])
        if there == path and any(path.iterdir()) and not (path / MARKER).is_file():
            raise ConfigError([(KEY, f"{path} holds other files; choose a folder that is new or empty")])
        if not os.access(there, os.W_OK | os.X_OK):
            raise ConfigError([(KEY, f"{there} cannot be written")])
    return path


def require_own(head: Any, key: str, folder: Path) -> Division:
    """How the ranges of a folder were cut. Raises ConfigError where they are another run's."""
    found = head if isinstance(head, dict) else {}
    numbers = [number for name in ("block", "tasks") if type(number := found.get(name)) is int and 0 < number <= 10**7]
    if found.get("key") != key or len(numbers) < 2:
        what = "holds ranges of another run (other data, settings, seed or version of clvsim)"
        raise ConfigError([(KEY, f"{folder} {what}; choose another folder or remove it")])
    return Division(*numbers)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink()


def name_of(part: Range) -> str:
    return f"blocks-{part.low}-{part.high}"


def arrays_of(sums: Sums) -> dict[str, np.ndarray]:
    """The arrays of a range by the names of their files."""
    raws = {
        f"scenario-{number}-{field}.npy": values
        for number, raw in enumerate(sums.raws)
        for field, values in raw._asdict().items()
    }
    return raws | {
        "quantiles.npy": sums.quantiles,
        "count.npy": sums.count,
        "units.npy": sums.units,
        "spread.npy": sums.spread,
    }


def read_sums(place: Path, key: str, expected: Sums) -> Sums:
    """A range as it was written. Raises ValueError, KeyError or OSError where it is not that of `key`, of the types and
    shapes of `expected`, bit for bit."""
    head = read_json(place / PART)
    if head["key"] != key:
        raise ValueError("it has another run's key")
    arrays = {name: read_array(place / name, head["sha256"][name], like) for name, like in arrays_of(expected).items()}
    raws = tuple(
        Raw(*(arrays[f"scenario-{number}-{field}.npy"] for field in Raw._fields))
        for number in range(len(expected.raws))
    )
    return Sums(raws, *(arrays[f"{name}.npy"] for name in ("quantiles", "count", "units", "spread")))


def _why(error: Exception) -> str:
    """What is wrong with a range that cannot be read."""
    if isinstance(error, OSError):
        return f"{Path(str(error.filename or PART)).name}: {error.strerror or 'it cannot be read'}"
    return str(error) if isinstance(error, ValueError) else f"{PART} is not what was written"


def read_array(path: Path, digest: str, like: np.ndarray) -> np.ndarray:
    if path.stat().st_size > like.nbytes + _MOST_HEADER or sha256(path) != digest:
        raise ValueError(f"{path.name} is not what was written")
    with path.open("rb") as file:
        values = np.lib.format.read_array(file, allow_pickle=False)
    if values.dtype != like.dtype or values.shape != like.shape:
        raise ValueError(f"{path.name} holds other numbers")
    return values


def read_json(path: Path) -> Any:
    """What a small file holds; None where it is no JSON."""
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES)
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
