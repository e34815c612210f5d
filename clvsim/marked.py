"""Folders of unfinished work: marked and locked, so that those of killed processes, and no others, can be removed."""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

from clvsim.disk import process_exists

MARKER = ".clvsim-unfinished"


def lock_folder(folder: Path) -> int:
    """Lock a folder for as long as this process lives, and mark it. Returns the file descriptor."""
    descriptor = os.open(folder, os.O_RDONLY)
    with suppress(OSError):  # on file systems that cannot lock a directory, the process id alone decides
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        (folder / MARKER).touch()
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def is_abandoned(folder: Path, process: int) -> bool:
    """Whether a folder is marked, or empty, and no process writes it: the id is gone *and* the lock is free (ids repeat
    across containers). One with this process's own id is another's, unless it is locked."""
    own = process == os.getpid()
    if folder.is_symlink() or (not own and process_exists(process)):
        return False
    try:
        if not (folder / MARKER).is_file() and any(folder.iterdir()):
            return False
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that cannot lock
        return not own
    finally:
        os.close(descriptor)
    return True


def remove_marked(folder: Path) -> None:
    """Remove a folder, its marker last: who is killed here leaves what the next run removes."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name == MARKER:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
