"""The run folder: it appears complete or not at all.

Work happens in a hidden sibling `.NAME.partial-PID`, which is renamed at the end and removed on failure.
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
    """`with progress("simulate", total=250) as advance: advance(1)`. Without a total it only says that work goes on."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Callable[[int], None]]: ...


@dataclass(frozen=True)
class RunContext:
    """What a stage knows of the shell that started it."""

    folder: Path | None  # write here; None when the stage writes nothing (`check`)
    final: Path  # where it will be found afterwards; equal to `folder` for `report`, which works in place
    command: str  # the shell command that reproduces the run
    say: Callable[[str], None]  # a result line, on stdout
    note: Callable[[str], None]  # a remark, on stderr, in one line
    progress: Progress  # on stderr, silent where nobody watches


@contextmanager
def run_folder(final: Path) -> Generator[Path]:
    """Yield the partial folder; on leaving, rename it to `final`, or remove it when anything was raised.

    Raises ConfigError when `final` holds files, is being written by another run, or cannot be made.
    """
    if final.is_dir() and any(final.iterdir()):
        raise occupied(final)
    partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ConfigError([("out", f"cannot create {final}: {error.strerror}")]) from None
    lock = None
    try:
        lock = hold(partial)
        yield partial
        publish(partial, final)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def publish(partial: Path, final: Path) -> None:
    """Rename in one step. An empty `final` (Hydra makes it) is replaced; one filled meanwhile is left alone."""
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise occupied(final) from None


def occupied(final: Path) -> ConfigError:
    return ConfigError([("out", f"{final} already holds files; choose another folder")])


def hold(folder: Path) -> int:
    """Lock a partial folder for as long as this process lives. Returns the file descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # file systems that cannot lock a directory: the process id has to do
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def sweep_partials(parent: Path) -> list[Path]:
    """Remove what killed runs left behind in `parent`. Returns the folders removed."""
    try:
        candidates = [path for path in parent.iterdir() if PARTIAL.fullmatch(path.name) and path.is_dir()]
    except OSError:
        return []
    dead = [path for path in candidates if abandoned(path)]
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)
        remove_empty((final_of(path),))
    return dead


def final_of(partial: Path) -> Path:
    """The folder that a partial one would have become, for names that PARTIAL matches."""
    return partial.with_name(partial.name.removeprefix(".").rpartition(".partial-")[0])


def abandoned(partial: Path) -> bool:
    """True when nobody can be writing: the process is gone *and* the lock is free (ids repeat across containers)."""
    match = PARTIAL.fullmatch(partial.name)
    if match is None or alive(int(match["pid"])):
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


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def missing_folders(path: Path) -> tuple[Path, ...]:
    """`path` and those of its parents that do not exist, innermost first: what making it would create."""
    chain = [path, *path.parents]
    return tuple(folder for folder in chain if not folder.exists())


def remove_empty(folders: tuple[Path, ...]) -> None:
    """Remove folders made for nothing, innermost first; stop at the first that is in use."""
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def newest_run(root: Path) -> Path | None:
    """The complete run folder below `root` that was finished last."""
    runs = (path for path in root.rglob("run.json") if not any(part.startswith(".") for part in path.parts))
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    return newest and newest.parent
