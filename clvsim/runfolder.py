"""The run folder appears complete or not at all.

A stage writes into a hidden sibling `.NAME.partial-PID`, which is renamed at the end and removed on failure.
"""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clvsim.errors import ConfigError

PARTIAL = re.compile(r"\.(?P<name>.+)\.partial-(?P<pid>\d+)")


class Progress(Protocol):
    """`with progress("simulate", total=250) as advance: advance(1)`. Without a total, a bar without an end."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]: ...


@dataclass(frozen=True)
class RunContext:
    """Where a stage writes, and how it reports to the shell that started it."""

    folder: Path | None  # write here; None when the stage writes nothing (`check`)
    final: Path  # its path after success; equal to `folder` for `report`, which works in place
    command: str  # the shell command that reproduces the run
    say: Callable[[str], None]  # a result line, on stdout
    note: Callable[[str], None]  # a remark, on stderr, in one line
    progress: Progress  # on stderr, silent unless stderr is a terminal
    flags: tuple[str, ...] = ()  # of the stage's own: how it answers


@contextmanager
def run_folder(final: Path) -> Generator[Path]:
    """Yield the partial folder; on leaving, rename it to `final`, or remove it after an exception.

    Raises ConfigError when `final` holds files, is being written by another run, or cannot be created.
    """
    if final.is_dir() and any(final.iterdir()):
        raise occupied_error(final)
    partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ConfigError([("out", f"cannot create {final}: {error.strerror}")]) from None
    lock = None
    try:
        lock = lock_folder(partial)
        yield partial
        publish(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def publish(partial: Path, final: Path) -> None:
    """Rename atomically. An empty `final` (Hydra creates it) is replaced; one filled meanwhile is a ConfigError."""
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise occupied_error(final) from None


def occupied_error(final: Path) -> ConfigError:
    return ConfigError([("out", f"{final} already holds files; choose another folder")])


def lock_folder(folder: Path) -> int:
    """Lock a partial folder for as long as this process lives. Returns the file descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # on file systems that cannot lock a directory, the process id alone decides
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def sweep_partials(parent: Path) -> list[Path]:
    """Remove partial folders of killed runs from `parent`. Returns the removed ones."""
    try:
        candidates = [path for path in parent.iterdir() if PARTIAL.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []
    abandoned = [path for path in candidates if is_abandoned(path)]
    for path in abandoned:
        shutil.rmtree(path, ignore_errors=True)
        remove_empty((final_of(path),))
    return abandoned


def final_of(partial: Path) -> Path:
    """The final folder of a partial one, whose name matches PARTIAL."""
    return partial.with_name(partial.name.removeprefix(".").rpartition(".partial-")[0])


def is_abandoned(partial: Path) -> bool:
    """Whether no process writes: its id is gone *and* the lock is free (ids repeat across containers)."""
    match = PARTIAL.fullmatch(partial.name)
    if match is None or process_exists(int(match["pid"])):
        return False
    try:
        descriptor = os.open(partial, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def missing_folders(path: Path) -> tuple[Path, ...]:
    """The folders that creating `path` would create, innermost first."""
    chain = [path, *path.parents]
    return tuple(folder for folder in chain if not folder.exists())


def remove_empty(folders: tuple[Path, ...]) -> None:
    """Remove empty folders, innermost first, up to the first that is not empty."""
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def newest_run(root: Path) -> Path | None:
    """The complete run folder below `root` that was finished last; None when there is none."""
    runs = (path for path in root.rglob("run.json") if not any(part.startswith(".") for part in path.parts))
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    return newest and newest.parent
