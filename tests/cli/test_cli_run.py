"""What the shell does around a run: folders, sweeps, codes. The stages are stand-ins that obey `title`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.shell import INTERRUPTIBLE, assert_refused, tree

PATHS = os.pathsep.join([str(Path(__file__).parent / "stand_in"), str(Path(__file__).parents[2])])
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
FILES = {"figures", "half", "run.json"}


@pytest.fixture
def run(clvsim, command) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Forked, unless the launcher starts processes of its own."""

    def shell(*words: str, stage: str = "run", **extra: str) -> subprocess.CompletedProcess[str]:
        start_command = command if set(JOBLIB) & set(words) else clvsim
        return start_command(stage, "data=cdnow", *words, PYTHONPATH=PATHS, **extra)

    return shell


@contextmanager
def started(here: Path, *words: str) -> Generator[subprocess.Popen[str]]:
    """A run in the background, once it has begun to write."""
    before = writing(here)
    process = subprocess.Popen(
        [*INTERRUPTIBLE, "run", "data=cdnow", *words],
        cwd=here,
        env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 60
        while writing(here) == before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # workers too: they hold the pipes
        process.communicate(timeout=30)


def writing(here: Path) -> set[Path]:
    return set(here.rglob(".*.partial-*/half"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_default_folder_is_dated_and_printed(run, here):
    done = run()
    (folder,) = here.glob("outputs/run/*/*")
    assert done.stdout == f"done {folder.relative_to(here)}\n"
    assert done.stderr == "clvsim: two lines\n"
    assert names(folder) == FILES
    assert names(folder.parent) == {folder.name}


def test_the_command_reproduces_the_run_in_a_new_folder(run, here):
    run("out=a b/c", "title=My (first) run", "seed=3")
    record = json.loads((here / "a b" / "c" / "run.json").read_text())
    assert record == {"seed": 3, "command": "clvsim run data=cdnow 'title=My (first) run' seed=3"}


def test_two_runs_in_one_second_get_folders_of_their_own(here):
    with started(here, "title=sleep"), started(here, "title=sleep"):
        assert len(writing(here)) == 2


def test_a_poor_fit_is_3_and_leaves_nothing(run, here):
    assert_refused(run("title=poor"), 3, "clvsim: r_hat: 1.2 > 1.01", "clvsim: ess: 12 < 400")
    assert tree(here) == {}


def test_a_stage_that_returns_a_code_leaves_nothing(run, here):
    assert run("title=quiet failure").returncode == 3
    assert tree(here) == {}


def test_a_stage_that_fails_with_a_result_keeps_it(run, here):
    assert run("title=a result that fails", "out=v", stage="validate").returncode == 3
    assert names(here / "v") == FILES
    assert not writing(here)


def test_a_bug_is_1_says_so_and_shows_where(run, here):
    done = run("title=bug", "out=x/y")
    assert done.returncode == 1
    assert done.stderr.startswith("clvsim: internal error: this is a bug in clvsim; please report it")
    assert done.stderr.endswith("ZeroDivisionError: of our own making\n")
    assert tree(here) == {}


def test_a_killed_runs_remains_are_swept_by_the_next(run, here):
    with started(here, "title=sleep") as process:
        process.kill()
        process.wait()
    assert list(here.rglob(".*.partial-*"))
    assert run().returncode == 0
    assert not list(here.rglob(".*.partial-*"))
    assert len(list(here.glob("outputs/run/*/*"))) == 1


def test_a_sweep_has_a_folder_per_job(run, here):
    done = run("-m", "seed=5,6", "out=sweep")
    assert done.returncode == 0
    assert names(here / "sweep") == {"0", "1", "multirun.yaml"}
    records = [json.loads((here / "sweep" / job / "run.json").read_text()) for job in "01"]
    assert [record["seed"] for record in records] == [5, 6]
    assert records[1]["command"] == "clvsim run data=cdnow seed=6"


def test_an_experiment_that_asks_for_a_sweep_gets_one_in_a_dated_folder(run, here):
    (here / "experiments").mkdir()
    (here / "experiments" / "both.yaml").write_text("hydra: {mode: MULTIRUN, sweeper: {params: {seed: '5,6'}}}\n")
    assert run("experiment=both").returncode == 0
    (folder,) = here.glob("outputs/run/*/*")
    assert names(folder) == {"0", "1", "multirun.yaml"}


@pytest.mark.parametrize("launcher", [(), JOBLIB], ids=["one by one", "joblib"])
def test_a_sweep_goes_on_when_a_job_fails(run, here, launcher):
    done = run("-m", "out=sweep", "simulation.draws=200,0,201", *launcher)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line != "clvsim: two lines"]
    assert line.startswith("clvsim: simulation.draws: ")
    assert line.endswith("(job 1: data=cdnow simulation.draws=0)")
    assert names(here / "sweep") == {"0", "2", "multirun.yaml"}
    assert all(names(here / "sweep" / job) == FILES for job in "02")


def test_the_worst_code_of_a_sweep_counts(run):
    assert run("-m", "title=fine,poor,bug").returncode == 3


def test_a_sweep_whose_jobs_all_fail_leaves_nothing(run, here):
    (here / "mine").mkdir()
    assert run("-m", "out=mine/a/b", "simulation.draws=0,-1").returncode == 2
    assert tree(here) == {"mine": None}


def test_a_sweep_of_checks_leaves_nothing(run, here):
    done = run("-m", "seed=5,6", stage="check")
    assert (done.returncode, done.stdout) == (0, "checked 5\nchecked 6\n")
    assert tree(here) == {}


def test_a_sweep_with_an_unknown_name_does_not_start(run, here):
    assert_refused(run("-m", "experiment=demo,nope"), 2, "experiment: no experiment 'nope'")
    assert tree(here) == {}


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        ("INT", 130, ("title=wrapped",)),
        ("TERM", 143, ("title=wrapped",)),
        ("TERM", 143, ("title=sleep", "-m", "seed=1,2")),
        ("INT", 130, ("title=sleep", "-m", "seed=1,2", *JOBLIB)),
    ],
    ids=["run INT", "run TERM", "sweep TERM", "joblib INT"],
)
def test_an_interrupted_run_leaves_nothing(here, number, code, words):
    with started(here, "out=x/y", *words) as process:
        process.send_signal(signal.Signals[f"SIG{number}"])
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert err == "clvsim: interrupted; nothing was written\n"
    assert tree(here) == {}


def test_a_reader_that_goes_away_does_not_stop_the_run(run, here):
    words = [sys.executable, "-m", "clvsim.cli", "run", "data=cdnow", "out=x"]
    env = {**os.environ, "PYTHONPATH": PATHS}
    process = subprocess.Popen(words, cwd=here, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == "clvsim: two lines\n"
    assert process.wait(timeout=30) == 0
    assert names(here / "x") == FILES
    process.stderr.close()


CLOSED = {
    "nothing": "",
    "stdout closed": ">&-",
    "stderr closed": "2>&-",
    "all closed": "<&- >&- 2>&-",
    "stdout full": ">/dev/full",
    "stderr full": "2>/dev/full",
    "both full": ">/dev/full 2>/dev/full",
}


@pytest.mark.parametrize(
    ("streams", "title", "code"),
    [(name, "fine", 0) for name in CLOSED]
    + [(name, *end) for name in ("all closed", "both full") for end in (("bug", 1), ("poor", 3))],
)
def test_no_stream_that_is_closed_or_full_changes_code_or_folder(here, streams, title, code):
    line = f'"{sys.executable}" -m clvsim.cli run data=cdnow out=x title={title} {CLOSED[streams]}'
    env = {**os.environ, "PYTHONPATH": PATHS}
    assert subprocess.run(["sh", "-c", line], cwd=here, env=env, capture_output=True, timeout=60).returncode == code
    assert (names(here / "x") if code == 0 else tree(here)) == (FILES if code == 0 else {})


def test_a_listing_that_cannot_be_printed_is_no_failure(here):
    line = f'"{sys.executable}" -m clvsim.cli run data=cdnow --cfg job >/dev/full'
    assert subprocess.run(["sh", "-c", line], cwd=here, capture_output=True, timeout=60).returncode == 0


FULL = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from clvsim.cli import start
sys.exit(start())
"""


@pytest.mark.parametrize("bytes_left", [0, 10])
def test_a_disk_that_takes_no_file_is_said_of_out_and_left_as_it_was(here, bytes_left):
    words = [sys.executable, "-c", FULL, str(bytes_left), "run", "data=cdnow", "out=a/b", "title=fill"]
    env = {**os.environ, "PYTHONPATH": PATHS}
    done = subprocess.run(words, cwd=here, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == "clvsim: out: cannot write a/b: File too large"
    assert tree(here) == {}


def test_an_out_that_is_no_folder_is_refused_before_the_run(run, here):
    (here / "file").write_text("mine")
    targets = {"dangling": "nowhere", "loop": "loop", "to_file": "file"}
    for link, target in targets.items():
        (here / link).symlink_to(target)
    before = tree(here)
    assert_refused(run("out=file"), 2, "clvsim: out: file is a file, and must be a folder")
    assert_refused(run("out=dangling"), 2, "clvsim: out: dangling is a link to nowhere, which is not there")
    assert_refused(run("out=loop"), 2, "clvsim: out: loop is a link to itself")
    assert_refused(run("out=to_file"), 2, "clvsim: out: to_file is a file, and must be a folder")
    assert_refused(run("-m", "seed=1,2", "out=dangling"), 2, "clvsim: out: dangling is a link to nowhere")
    assert tree(here) == before


def test_an_out_that_links_to_an_empty_folder_is_filled(run, here):
    (here / "disk").mkdir()
    (here / "out").symlink_to("disk")
    assert run("out=out").returncode == 0
    assert (here / "out").is_symlink()
    assert names(here / "disk") == FILES


def test_a_killed_sweeps_remains_are_swept_by_a_run_beside_it(run, here):
    with started(here, "title=sleep", "-m", "seed=1,2", "out=s") as process:
        process.kill()
        process.wait()
    assert list(here.rglob(".*.partial-*"))
    assert run("out=other").returncode == 0
    assert not list(here.rglob(".*.partial-*"))
    assert names(here / "s") == {"multirun.yaml"}


def test_temporary_files_end_with_the_process_or_are_removed_by_the_next(run, here, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with started(here, "title=sleep") as process:
        assert len(names(tmp_path / "tmp")) == 1
        process.kill()
        process.wait()
    assert len(names(tmp_path / "tmp")) == 1
    assert run("out=other").returncode == 0
    assert names(tmp_path / "tmp") == set()


def test_a_place_for_temporary_files_that_cannot_be_used_is_one_remark(run, here):
    done = run("out=x", TMPDIR="/proc/nowhere")
    assert done.returncode == 0
    first, *rest = done.stderr.splitlines()
    assert first.startswith("clvsim: TMPDIR: /proc/nowhere is full or cannot be used; temporary files go to /")
    assert rest == ["clvsim: two lines"]


def test_caches_that_others_can_write_to_are_one_remark(run, here, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    done = run("out=x", CLVSIM_CACHE=str(cache))
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"clvsim: nothing is cached: others can write to {cache}, and caches hold code "
        "(chmod go-w, or another CLVSIM_CACHE)",
        "clvsim: two lines",
    ]
    assert tree(cache) == {}
