"""A run folder is complete or absent, and dead runs are swept."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from clvsim import marked, runfolder
from clvsim.errors import ConfigError
from clvsim.marked import MARKER, lock_folder
from clvsim.runfolder import missing_folders, newest_run, remove_empty, run_folder, sweep_partials
from tests.cli.shell import tree


def dead_pid() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def partial_of(parent: Path, pid: int) -> Path:
    folder = parent / f".run.partial-{pid}"
    folder.mkdir()
    (folder / MARKER).touch()
    (folder / "half").write_text("x")
    return folder


def test_appears_with_its_files_at_the_end_only(tmp_path):
    final = tmp_path / "a" / "run"
    with run_folder(final) as folder:
        (folder / "run.json").write_text("{}")
        assert not final.exists()
        assert folder.name == f".run.partial-{os.getpid()}"
    assert tree(tmp_path) == {"a": None, "a/run": None, "a/run/run.json": b"{}"}


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_leaves_nothing_when_anything_is_raised(tmp_path, error):
    def work() -> None:
        with run_folder(tmp_path / "run") as folder:
            (folder / "half").write_text("x")
            raise error

    with pytest.raises(error):
        work()
    assert tree(tmp_path) == {}


def test_an_empty_folder_is_taken_and_a_full_one_is_not(tmp_path):
    (tmp_path / "run").mkdir()
    with run_folder(tmp_path / "run") as folder:
        (folder / "run.json").write_text("{}")
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match="already holds files"), run_folder(tmp_path / "run"):
        pass
    assert tree(tmp_path) == before


def test_of_two_runs_at_once_the_second_leaves_the_first_alone(tmp_path):
    final = tmp_path / "run"

    def second() -> None:
        with run_folder(final):
            final.mkdir()
            (final / "run.json").write_text("first")

    with pytest.raises(ConfigError, match="already holds files"):
        second()
    assert tree(tmp_path) == {"run": None, "run/run.json": b"first"}


def test_a_parent_that_is_a_file_is_a_mistake_of_configuration(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot create"), run_folder(tmp_path / "file" / "run"):
        pass
    assert tree(tmp_path) == {"file": b""}


def test_partials_of_dead_processes_are_swept_with_the_empty_folder_hydra_made(tmp_path):
    folder = partial_of(tmp_path, dead_pid())
    (tmp_path / "run").mkdir()
    assert sweep_partials(tmp_path) == [folder]
    assert tree(tmp_path) == {}


def test_partials_of_living_processes_stay(tmp_path):
    partial_of(tmp_path, os.getppid())
    lock = lock_folder(partial_of(tmp_path, os.getpid()))
    try:
        assert sweep_partials(tmp_path) == []
    finally:
        os.close(lock)
    assert {f".run.partial-{pid}/half" for pid in (os.getpid(), os.getppid())} <= tree(tmp_path).keys()


def test_a_partial_of_another_container_with_this_process_id_is_swept_and_its_place_taken(tmp_path):
    partial_of(tmp_path, os.getpid())
    assert len(sweep_partials(tmp_path)) == 1
    with run_folder(tmp_path / "run") as folder:
        (folder / "run.json").write_text("{}")
    assert tree(tmp_path) == {"run": None, "run/run.json": b"{}"}


def test_a_folder_with_such_a_name_that_is_not_ours_stays(tmp_path):
    mine = tmp_path / f".run.partial-{dead_pid()}"
    mine.mkdir()
    (mine / "thesis").write_text("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARKER).touch()
    (tmp_path / f".link.partial-{dead_pid()}").symlink_to(elsewhere)
    before = tree(tmp_path)
    assert sweep_partials(tmp_path) == []
    assert tree(tmp_path) == before


def test_an_empty_partial_of_a_dead_process_is_swept(tmp_path):
    """Killed between making the folder and marking it."""
    folder = tmp_path / f".run.partial-{dead_pid()}"
    folder.mkdir()
    assert sweep_partials(tmp_path) == [folder]


def test_partials_of_a_killed_sweep_are_swept_by_a_run_beside_it(tmp_path):
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "multirun.yaml").write_text("")
    (sweep / "run").mkdir()
    folder = partial_of(sweep, dead_pid())
    assert sweep_partials(tmp_path) == [folder]
    assert tree(sweep) == {"multirun.yaml": b""}


def test_who_is_killed_while_removing_leaves_what_the_next_run_removes(tmp_path, monkeypatch):
    folder = partial_of(tmp_path, dead_pid())
    with monkeypatch.context() as patch:
        patch.setattr(marked.shutil, "rmtree", lambda *words, **options: None)  # as far as it gets
        sweep_partials(tmp_path)
    assert tree(folder) == {MARKER: b""}
    assert sweep_partials(tmp_path) == [folder]


@pytest.mark.parametrize(
    ("target", "said"),
    [("nowhere", "is a link to nowhere, which is not there"), ("out", "is a link to itself"), ("file", "is a file")],
    ids=["dangling", "loop", "file"],
)
def test_a_link_that_is_no_folder_is_refused_at_once(tmp_path, target, said):
    (tmp_path / "file").write_text("x")
    (tmp_path / "out").symlink_to(target)
    before = tree(tmp_path)
    with pytest.raises(ConfigError, match=said), run_folder(tmp_path / "out"):
        pytest.fail("computed")
    assert tree(tmp_path) == before


def test_a_link_to_an_empty_folder_is_followed(tmp_path):
    (tmp_path / "disk" / "here").mkdir(parents=True)
    (tmp_path / "out").symlink_to("disk/here")
    with run_folder(tmp_path / "out") as folder:
        (folder / "run.json").write_text("{}")
    assert (tmp_path / "out").is_symlink()
    assert tree(tmp_path / "disk") == {"here": None, "here/run.json": b"{}"}


def test_a_folder_that_cannot_be_looked_into_is_a_mistake_of_configuration(tmp_path, monkeypatch):
    def closed(folder: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    (tmp_path / "run").mkdir()
    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(ConfigError, match=r"^out: cannot use .*: Permission denied"), run_folder(tmp_path / "run"):
        pass


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
@pytest.mark.parametrize("place", ["lock_folder", "publish"])
def test_a_disk_that_is_full_at_the_first_or_last_step_is_said_of_out(tmp_path, monkeypatch, place, code):
    def full(*words: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(runfolder, place, full)
    with pytest.raises(ConfigError, match=f"^out: cannot write .*{os.strerror(code)}"), run_folder(tmp_path / "run"):
        pass
    assert tree(tmp_path) == {}


def test_a_locked_partial_stays_even_when_its_process_id_is_unknown_here(tmp_path):
    lock = lock_folder(partial_of(tmp_path, dead_pid()))  # as from another container that shares the folder
    try:
        assert sweep_partials(tmp_path) == []
    finally:
        os.close(lock)
    assert len(sweep_partials(tmp_path)) == 1


def test_other_hidden_folders_stay(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "run.partial-1").mkdir()
    assert sweep_partials(tmp_path) == []


def test_only_folders_that_were_missing_are_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    missing = missing_folders(tmp_path / "mine" / "a" / "b")
    assert missing == (tmp_path / "mine" / "a" / "b", tmp_path / "mine" / "a")
    missing[0].mkdir(parents=True)
    remove_empty(missing)
    assert tree(tmp_path) == {"mine": None}


def test_the_newest_run_is_the_one_finished_last(tmp_path):
    for name, finished in {"x": 100, "y": 300, ".z.partial-1": 400, "w": 200}.items():
        record = tmp_path / "2024-01-01" / name / "run.json"
        record.parent.mkdir(parents=True)
        record.write_text("{}")
        os.utime(record, (finished, finished))
    (tmp_path / "2024-01-01" / "z").mkdir()
    (tmp_path / "2024-01-01" / "z" / "run.json").symlink_to("nowhere")
    assert newest_run(tmp_path) == tmp_path / "2024-01-01" / "y"
    assert newest_run(tmp_path / "none") is None
