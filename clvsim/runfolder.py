"""The run folder appears complete or not at all.

A stage writes into a hidden sibling `.NAME.partial-PID`, which is renamed at the end and removed on failure. It holds
MARKER as long as it is unfinished: nothing without one is ever deleted, but for empty folders.
"""

import errno
import os
import re
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from clvsim.disk import sync, sync_tree
from clvsim.errors import ConfigError
from clvsim.marked import MARKER, is_abandoned, lock_folder, remove_marked

RUNS = Path("outputs/run")  # the newest complete one is that which stages work on without `run=`
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
    settings: Any = None  # keys of the stage's own, of its class `Settings`


@contextmanager
def run_folder(out: Path) -> Generator[Path]:
    """Yield the partial folder; on leaving, rename it to `out`, or remove it after an exception.

    Raises ConfigError when `out` holds files, is no folder, is being written by another run, or cannot be created.
    """
    with writing(out, "cannot use"):
        final = require_free(out)
    partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
    lock = None
    with writing(out, "cannot create"):
        partial.mkdir(parents=True)
    try:
        with writing(out):
            lock = lock_folder(partial)
        yield partial
        with writing(out):
            publish(partial, final)
    except BaseException:
        remove_marked(partial)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def require_free(out: Path) -> Path:
    """Where `out` is, links followed. Raises ConfigError where it is neither missing nor an empty folder that a rename
    can replace."""
    final = Path(os.path.realpath(out))
    if out.is_symlink() and not out.exists():
        what = "itself" if _is_circular(out) else f"{os.readlink(out)}, which is not there"
        raise ConfigError([("out", f"{out} is a link to {what}")])
    if final.exists() and not final.is_dir():
        raise ConfigError([("out", f"{out} is a file, and must be a folder")])
    if final.is_dir() and any(final.iterdir()):
        raise occupied_error(out)
    if os.path.ismount(final):
        raise ConfigError([("out", f"{out} is where a disk is mounted; name a folder in it")])
    return final


def _is_circular(link: Path) -> bool:
    try:
        link.stat()
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


@contextmanager
def writing(out: Path, failed: str = "cannot write", key: str = "out") -> Generator[None]:
    """ConfigError on `key` in place of an OSError: a full disk, a quota, a limit on files, a folder that is gone."""
    try:
        yield
    except OSError as error:
        raise ConfigError([(key, f"{failed} {out}: {error.strerror or error}")]) from None


def publish(partial: Path, final: Path) -> None:
    """Rename atomically, all files on the disk before. An empty `final` (Hydra creates it) is replaced; one filled
    meanwhile is a ConfigError."""
    sync_tree(partial)
    try:
        partial.rename(final)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise occupied_error(final) from None
    (final / MARKER).unlink(missing_ok=True)
    sync(final.parent)


def occupied_error(final: Path) -> ConfigError:
    return ConfigError([("out", f"{final} already holds files; choose another folder")])


def sweep_partials(parent: Path) -> list[Path]:
    """Remove partial folders of killed runs from `parent`, and from the sweeps in it. Returns the removed ones."""
    abandoned = [path for folder in (parent, *sweeps_in(parent)) for path in abandoned_in(folder)]
    for path in abandoned:
        remove_marked(path)
        remove_empty((final_of(path),))
    return abandoned


def sweeps_in(parent: Path) -> list[Path]:
    """Folders of sweeps, by the record that Hydra keeps there."""
    with suppress(OSError):
        return [record.parent for record in parent.glob("*/multirun.yaml") if not record.parent.is_symlink()]
    return []


def abandoned_in(parent: Path) -> list[Path]:
    with suppress(OSError):
        matches = [(path, PARTIAL.fullmatch(path.name)) for path in parent.iterdir() if path.is_dir()]
        return [path for path, match in matches if match and is_abandoned(path, int(match["pid"]))]
    return []


def final_of(partial: Path) -> Path:
    """The final folder of a partial one, whose name matches PARTIAL."""
    return partial.with_name(partial.name.removeprefix(".").rpartition(".partial-")[0])


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
    records = (path for path in root.rglob("run.json") if path.is_file())
    runs = (path for path in records if not any(part.startswith(".") for part in path.parts))
    newest = max(runs, key=lambda path: path.stat().st_mtime, default=None)
    return newest and newest.parent
