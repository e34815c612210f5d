"""Files that appear whole or not at all, on disks that fill up in the middle."""

import io
import os
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_ASIDE = re.compile(r"\..+\.(?P<pid>\d+)\.tmp")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file aside and rename it, on the disk before it has its name: readers see the old file or the new."""
    write_all_whole({path: content})


def write_all_whole(contents: Mapping[Path, bytes]) -> None:
    """The same for several files: none is replaced before all are written."""
    asides = {path: aside_of(path) for path in contents}
    try:
        for path, content in contents.items():
            asides[path].write_bytes(content)
            sync(asides[path])
        for path, aside in asides.items():
            os.replace(aside, path)
    finally:
        for aside in asides.values():
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def aside_of(path: Path) -> Path:
    """Where this process writes what will be `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def sweep_asides(folder: Path) -> None:
    """Remove what killed processes left half written."""
    with suppress(OSError):
        for path in folder.iterdir():
            if (match := _ASIDE.fullmatch(path.name)) and not process_exists(int(match["pid"])):
                path.unlink(missing_ok=True)


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def sync(path: Path) -> None:
    """Have what was written to a file, or into a folder, on the disk: a rename may reach it before the content does."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with suppress(OSError):  # of file systems that cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """The same for everything below a folder."""
    for path in (*folder.rglob("*"), folder):
        sync(path)


def write_tree(tree: Any, path: Path, encoding: Mapping[str, Any] | None = None) -> None:
    """Write an xarray DataTree as netCDF. Raises OSError where the disk does not take it.

    HDF5 keeps a file that it cannot write, and stumbles over it when the process ends: here it never learns.
    """
    with patient(path) as file:
        tree.to_netcdf(file, engine="h5netcdf", encoding=encoding)


@contextmanager
def patient(path: Path) -> Generator["_PatientFile"]:
    """A new file for a library that cannot bear failures: the first is kept and raised at the end."""
    with _PatientFile(path, "w+") as file:
        try:
            yield file
        finally:
            if file.failure is not None:
                raise file.failure


class _PatientFile(io.FileIO):
    """After a failure, writes go nowhere, and reads beyond what was written give zeros."""

    failure: OSError | None = None

    def _do(self, work: Callable[[], object]) -> None:
        if self.failure is None:
            try:
                work()
            except OSError as error:
                self.failure = error

    def write(self, data: Any, /) -> int:
        left = memoryview(data).cast("B")
        size = len(left)

        def write_all() -> None:
            nonlocal left
            while left:
                left = left[super(_PatientFile, self).write(left) :]

        self._do(write_all)
        return size

    def truncate(self, size: int | None = None, /) -> int:
        self._do(lambda: super(_PatientFile, self).truncate(size))
        return self.tell() if size is None else size

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        read = super().readinto(view) or 0
        if self.failure is None:
            return read
        view[read:] = bytes(len(view) - read)
        return len(view)
