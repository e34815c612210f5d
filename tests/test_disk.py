"""Files appear whole or not at all; a disk that is full is an OSError, and no crash when the process ends."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from clvsim import disk
from tests.cli.shell import tree
from tests.cli.test_cli_runfolder import dead_pid

WRITE = """
import resource, sys
import numpy as np, xarray as xr
from pathlib import Path
from clvsim.disk import write_tree
values = np.random.default_rng(1).random((60, 500))
tree = xr.DataTree.from_dict({name: xr.Dataset({"a": (("x", "y"), values)}) for name in ("one", "two")})
packing = {f"/{name}": {"a": {"zlib": True}} for name in ("one", "two")}
for limit in map(int, sys.argv[1:]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for encoding in (None, packing):
        try:
            write_tree(tree, Path(f"{limit}.nc"), encoding)
        except OSError as error:
            print(limit, error.strerror)
        else:
            print(limit, "written")
"""


def test_a_limit_on_files_is_an_error_and_no_crash(here):
    """HDF5 keeps files that it could not write, and stumbles when the process ends."""
    limits = [0, 100, 3000, 20_000, 200_000, 400_000]
    words = [sys.executable, "-W", "error", "-c", WRITE, *map(str, limits)]
    done = subprocess.run(words, cwd=here, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{limit} File too large" for limit in limits for _ in range(2)]


def test_a_tree_is_read_back_as_it_was(tmp_path: Path):
    data = xr.Dataset({"a": (("x", "y"), np.arange(6.0).reshape(2, 3))}, {"x": ["ä", "b"]}, {"note": "n"})
    written = xr.DataTree.from_dict({"/": xr.Dataset(attrs={"k": 1}), "one/two": data})
    for name in ("first", "again"):
        disk.write_tree(written, tmp_path / name)
    with xr.open_datatree(tmp_path / "first", engine="h5netcdf") as found:
        assert found.identical(written)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


def test_of_files_written_together_none_is_replaced_before_all_are_written(tmp_path: Path, monkeypatch):
    def full(*words: object) -> None:
        if "second" in str(words[0]):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "first").write_text("old")
    (tmp_path / "second").write_text("old")
    before = tree(tmp_path)
    monkeypatch.setattr(disk, "sync", full)
    with pytest.raises(OSError, match="No space"):
        disk.write_all_whole({tmp_path / "first": b"new", tmp_path / "second": b"new"})
    assert tree(tmp_path) == before
    monkeypatch.undo()
    disk.write_all_whole({tmp_path / "first": b"new", tmp_path / "second": b"new"})
    assert tree(tmp_path) == {"first": b"new", "second": b"new"}


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch):
    steps = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: steps.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(os, "replace", lambda old, new: steps.append(new))
    disk.write_whole(tmp_path / "file", b"x")
    assert steps == [str(disk.aside_of(tmp_path / "file")), tmp_path / "file"]


def test_what_killed_processes_left_half_written_goes_and_nothing_else(tmp_path: Path):
    for name in (f".a.{dead_pid()}.tmp", f".a.{os.getpid()}.tmp", "a.tmp", ".a.tmp", ".hidden"):
        (tmp_path / name).write_text("x")
    disk.sweep_asides(tmp_path)
    assert tree(tmp_path).keys() == {f".a.{os.getpid()}.tmp", "a.tmp", ".a.tmp", ".hidden"}
