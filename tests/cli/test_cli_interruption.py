"""The first signal raises; the second one, or two seconds, end the process; no run folder appears by halves.

SIGTERM where nothing depends on the signal: tests that are started in the background inherit an ignored SIGINT.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from clvsim import cli, runfolder
from clvsim.interruption import GRACE_SECONDS, Interrupted, interruptible
from clvsim.rim import jobs
from tests.cli.shell import FORCED_END, STOPPED, interrupted, tree

# A command that works while its run folder is unfinished.
COMMAND = """
import ctypes, signal, sys, time
from contextlib import suppress
from pathlib import Path
from clvsim import cli
from clvsim.interruption import leave
from clvsim.runfolder import run_folder

def work(words):
    with run_folder(Path("a/x")) as folder:
        {work}

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup has ignored
cli.dispatch = work
sys.exit(leave(cli.main(["run"])))
"""
LOST = """
        with suppress(BaseException):
            (folder / "ready").touch()  # from here on, a signal gets lost
            time.sleep(60)
        Path("again").touch()
        """
ENDLESS = {
    "in Python": LOST + "time.sleep(60)",
    "in C": LOST + "ctypes.CDLL(None).sleep(60)",
}
BOTH = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
ALL = [*BOTH, (signal.SIGHUP, 129)]


@pytest.fixture(autouse=True)
def hook(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


@pytest.fixture
def start(here, tmp_path, monkeypatch) -> Callable[[str], AbstractContextManager[subprocess.Popen[str]]]:
    """Start COMMAND with an empty cache of kernels."""
    monkeypatch.setenv("CLVSIM_CACHE", str(tmp_path / "cold"))

    def process(work: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", COMMAND.format(work=work)]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return process


def wait_for(process: subprocess.Popen[str], folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wrapped() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        raise RuntimeError("of a library") from error


@pytest.mark.parametrize("work", [lambda: signal.raise_signal(signal.SIGTERM), wrapped], ids=["raised", "wrapped"])
def test_the_first_signal_raises(work, monkeypatch, capfd):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.setattr(cli, "dispatch", lambda words: work())
    assert cli.main(["run"]) == 143
    assert capfd.readouterr() == ("", STOPPED)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_command_that_ends_in_time_is_not_ended_later():
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE_SECONDS + 0.5)


def test_errors_without_a_signal_are_what_they_are(monkeypatch, capfd):
    with pytest.raises(Interrupted), interruptible():
        wrapped()
    monkeypatch.setattr(cli, "dispatch", lambda words: 1 // 0)
    assert cli.main(["run"]) == 1
    assert "internal error" in capfd.readouterr().err


@pytest.mark.parametrize(("number", "code"), ALL, ids=["INT", "TERM", "HUP"])
def test_the_second_signal_ends_the_process(start, here, number, code):
    with start(ENDLESS["in Python"]) as process:
        wait_for(process, here, "a/.x.partial-*/ready")
        process.send_signal(number)
        wait_for(process, here, "again")
        begin = time.monotonic()
        process.send_signal(number)
        assert interrupted(process, code, here / "a") == FORCED_END
    assert time.monotonic() - begin < GRACE_SECONDS


@pytest.mark.parametrize("work", ENDLESS.values(), ids=ENDLESS)
def test_two_seconds_after_a_lost_signal_the_process_ends(start, here, work):
    with start(work) as process:
        wait_for(process, here, "a/.x.partial-*/ready")
        begin = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert interrupted(process, 143, here / "a") == FORCED_END
    assert time.monotonic() - begin >= GRACE_SECONDS


@pytest.mark.parametrize(("number", "code"), BOTH, ids=["INT", "TERM"])
def test_while_kernels_compile(start, here, tmp_path, number, code):
    """The exception may be lost in what LLVM calls back: then the process ends two seconds later."""
    with start("import clvsim.kernels.silence; time.sleep(60)") as process:
        wait_for(process, tmp_path, "cold/kernels/**/*.nbi")
        process.send_signal(number)
        interrupted(process, code, here / "a")


@pytest.mark.parametrize("words", [("out=x/y",), ("-m", "seed=1,2", "out=x/y")], ids=["run", "sweep"])
def test_a_folder_just_made_goes_again(words, here, monkeypatch, capfd):
    monkeypatch.setattr(runfolder, "lock_folder", lambda folder: signal.raise_signal(signal.SIGTERM))
    assert cli.main(["fit", "data=cdnow", *words]) == 143
    assert capfd.readouterr() == ("", STOPPED)
    assert tree(here) == {}


@pytest.mark.parametrize(
    ("words", "kept"),
    [(("out=x/y",), "x/y"), (("-m", "seed=1,2", "out=x"), "x/0"), (("-m", "seed=1,2", "out=x"), "2 results in x")],
    ids=["run", "first of a sweep", "last of a sweep"],
)
def test_what_was_finished_before_a_signal_is_kept_and_said(words, kept, here, monkeypatch, capfd):
    synced = runfolder.sync
    last = kept.startswith("2")

    def sync(folder: Path) -> None:
        synced(folder)
        if not last or ((here / "x/0").is_dir() and (here / "x/1").is_dir()):
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(runfolder, "sync", sync)
    monkeypatch.setattr(jobs, "load_stage", lambda name: write_a_record)
    assert cli.main(["fit", "data=cdnow", *words]) == 143
    assert capfd.readouterr() == ("", f"clvsim: interrupted; finished before, and kept: {kept}\n")
    assert {name for name in tree(here) if name.endswith("run.json")} == (
        {"x/0/run.json", "x/1/run.json"} if last else {f"{kept}/run.json"}
    )


def write_a_record(config: object, ctx: runfolder.RunContext) -> int:
    assert ctx.folder is not None
    (ctx.folder / "run.json").write_text("{}")
    return 0


AROUND = """
import atexit, os, signal, sys, time
from clvsim import cli

cli.dispatch = lambda words: 0
{when}
sys.exit(cli.start())
"""
MOMENTS = {
    "before": ("cli.open_streams = lambda: os.kill(os.getpid(), signal.{name})", True),
    "after": ("cli.flush_streams = lambda: os.kill(os.getpid(), signal.{name})", False),
    "at the very end": ("atexit.register(lambda: os.kill(os.getpid(), signal.{name}))", False),
    "after, where something hangs": (
        "cli.flush_streams = lambda: (os.kill(os.getpid(), signal.{name}), time.sleep(60))",
        True,
    ),
}


@pytest.mark.parametrize(("number", "code"), ALL, ids=["INT", "TERM", "HUP"])
@pytest.mark.parametrize(("when", "ends"), MOMENTS.values(), ids=MOMENTS)
def test_signals_before_and_after_the_work(number, code, when, ends):
    """Before, nothing has begun; afterwards all is done and said, so the code is the work's own."""
    shell = AROUND.format(when=when.format(name=number.name))
    begin = f"import signal; signal.signal(signal.{number.name}, signal.SIG_DFL)\n"
    done = subprocess.run(
        [sys.executable, "-c", begin + shell], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code if ends else 0, "", "")
