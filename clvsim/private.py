"""Folders that nobody else can write to: caches, which hold code, and one for all temporary files of a process.

Neither is required. A cache that cannot be used is done without; temporary files go where there is room.
"""

import atexit
import errno
import hashlib
import logging
import os
import re
import shutil
import stat
import tempfile
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_cache_path

from clvsim.marked import is_abandoned, lock_folder, remove_marked

CACHES = ("kernels", "posteriors", "pytensor")
_ROOM = 16 << 20  # bytes that a place for caches or temporary files must have free
_OURS = re.compile(r"clvsim-(?P<pid>\d+)-\w+")


def cache_root() -> Path | None:
    """$CLVSIM_CACHE, else `clvsim` where the system keeps caches; None where not even a home is known."""
    if own := os.environ.get("CLVSIM_CACHE"):
        return Path(own)
    folder = user_cache_path("clvsim", appauthor=False)
    return folder if folder.is_absolute() else None


def cache_folder(name: str) -> Path | None:
    """The cache called `name`, made if missing; None where it cannot be written, or others can write to it."""
    root = cache_root()
    if root is None or _complaint(root) or _complaint(root / name):
        return None
    return root / name


@cache
def source_hash() -> str:
    """Hash of everything that can change compiled kernels: their sources, and Numba's version."""
    digest = hashlib.sha256(version("numba").encode())
    for path in sorted((Path(__file__).parent / "kernels").glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def cache_complaint() -> str:
    """Why a cache is done without, in a sentence; "" where none is."""
    root = cache_root()
    if root is None:
        return "nothing is cached: no home is known"
    folders = ("", *CACHES, f"kernels/{source_hash()}")
    return next((f"nothing is cached: {what}" for name in folders if (what := _complaint(root / name))), "")


def _complaint(folder: Path) -> str:
    """What is wrong with a folder for a cache, which is made if missing; "" if nothing is."""
    try:
        found = _made(folder).stat()
        if found.st_uid != os.geteuid():
            return f"{folder} belongs to another user, and caches hold code"
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others can write to {folder}, and caches hold code (chmod go-w, or another CLVSIM_CACHE)"
        _probe(folder)
    except OSError as error:
        return f"{folder} cannot be written ({error.strerror})"
    return ""


def _made(folder: Path) -> Path:
    """The folder, made with those above it, for this user alone, whatever the umask."""
    for path in reversed((folder, *folder.parents)):
        if not path.is_dir():
            path.mkdir(mode=0o700, exist_ok=True)
    return folder


def _probe(folder: Path | str) -> None:
    """Raises OSError where a folder cannot be written, or its disk is nearly full."""
    with tempfile.TemporaryFile(dir=folder):
        if shutil.disk_usage(folder).free < _ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def settle_temporary() -> str:
    """Have all temporary files of this process, and of those that it starts, in one folder that ends with it; and what
    killed processes left removed. Returns what is to be said of it: "" unless TMPDIR cannot be used.

    Raises OSError where there is no room anywhere.
    """
    place = _temporary(os.getpid())
    tempfile.tempdir = os.environ["TMPDIR"] = place.folder
    _settle_matplotlib(place.folder)
    return place.remark


def _settle_matplotlib(temporary: str) -> None:
    """Figures are files, whatever shows them elsewhere; where it keeps its fonts is not worth a word."""
    os.environ["MPLBACKEND"] = "agg"
    named = os.environ.get("MPLCONFIGDIR")
    usable = _takes_settings() if named is None else Path(named).is_dir() and os.access(named, os.W_OK)
    if not usable:
        os.environ["MPLCONFIGDIR"] = temporary
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)


class Place(NamedTuple):
    """A folder for temporary files, and what is to be said of it."""

    folder: str
    remark: str


@cache
def _temporary(process: int) -> Place:
    """The folder of a process, removed when it ends, but not by its forks."""
    standard: Any = tempfile
    places = [*standard._candidate_tempdir_list(), str(cache_root() or "")]  # TMPDIR first, where it is set
    base = next(filter(_has_room, filter(None, places)), None)
    if base is None:
        raise OSError(errno.ENOSPC, f"no room for temporary files in {', '.join(filter(None, places))}; TMPDIR=FOLDER")
    sweep_temporary(Path(base))
    folder = Path(tempfile.mkdtemp(prefix=f"clvsim-{process}-", dir=base))
    lock = lock_folder(folder)
    atexit.register(lambda: os.getpid() == process and (remove_marked(folder), os.close(lock)))
    moved = f"TMPDIR: {places[0]} is full or cannot be used; temporary files go to {base}"
    return Place(str(folder), "" if base == places[0] else moved)


def sweep_temporary(base: Path) -> None:
    """Remove the folders of killed processes of this user."""
    with suppress(OSError):
        for path, match in [(path, _OURS.fullmatch(path.name)) for path in base.iterdir()]:
            if match and path.is_dir() and path.stat().st_uid == os.geteuid() and is_abandoned(path, int(match["pid"])):
                remove_marked(path)


def _has_room(folder: str) -> bool:
    """Whether a folder takes files, has room for some, and lets nobody else rename what is in it."""
    try:
        mode = os.stat(folder).st_mode
        if mode & (stat.S_IWGRP | stat.S_IWOTH) and not mode & stat.S_ISVTX:
            return False
        _probe(folder)
    except OSError:
        return False
    return True


def _takes_settings() -> bool:
    """Whether Matplotlib finds the folder that it looks for first, or can make it."""
    try:
        wanted = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "matplotlib"
        _probe(next(folder for folder in (wanted, *wanted.parents) if folder.exists()))
    except (OSError, RuntimeError):
        return False
    return True
