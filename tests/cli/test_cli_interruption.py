"""Signals that come while a library does not let the handler's exception through.

SIGTERM, since tests that are started in the background inherit an ignored SIGINT.
"""

import signal
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from clvsim import cli, runfolder
from clvsim.interruption import AGAIN_SECONDS, Interrupted, interruptible
from tests.cli.shell import tree


@pytest.fixture(autouse=True)
def hook(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)


class Finalized:
    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def swallowed() -> None:
    Finalized()
    time.sleep(10)


def swallowed_twice() -> None:
    """Where an exception is handled that has nothing to do with it."""
    Finalized()
    try:
        raise KeyError
    except KeyError:
        with suppress(BaseException):
            time.sleep(10)
    time.sleep(10)


def wrapped() -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    except BaseException as error:
        raise RuntimeError("of a library") from error


def lost_and_felt_later() -> None:
    Finalized()
    raise RuntimeError("half of it is missing")


@pytest.mark.parametrize("work", [swallowed, swallowed_twice, wrapped, lost_and_felt_later])
def test_a_signal_gets_through(work, monkeypatch, capfd):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    monkeypatch.setattr(cli, "dispatch", lambda words: work())
    started = time.monotonic()
    assert cli.main(["run"]) == 143
    assert time.monotonic() - started < 5
    assert capfd.readouterr() == ("", "clvsim: interrupted; nothing was written\n")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_what_is_put_in_order_meanwhile_is_not_disturbed():
    done = []

    @interruptible()
    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGINT)
            time.sleep(3 * AGAIN_SECONDS)
            done.append("in order")

    with pytest.raises(Interrupted) as stop:
        work()
    assert (done, stop.value.code) == (["in order"], 143)


def test_llvm_is_left_in_peace_until_its_memory_is_accounted_for():
    """Numba's binding frees in one line and notes it in the next; its finalizer frees what is not noted."""
    binding: dict[str, Any] = {
        "__name__": "llvmlite.binding.ffi",
        "noted": [],
        "free": partial(signal.raise_signal, signal.SIGTERM),
    }
    exec("def close(): free(); noted.append(True)", binding)

    @interruptible()
    def work() -> None:
        binding["close"]()
        time.sleep(10)

    with pytest.raises(Interrupted):
        work()
    assert binding["noted"] == [True]


def test_errors_without_a_signal_are_what_they_are(monkeypatch, capfd):
    with pytest.raises(Interrupted), interruptible():
        wrapped()
    monkeypatch.setattr(cli, "dispatch", lambda words: 1 // 0)
    assert cli.main(["run"]) == 1
    assert "internal error" in capfd.readouterr().err


@pytest.mark.parametrize("words", [("out=x/y",), ("-m", "seed=1,2", "out=x/y")], ids=["run", "sweep"])
def test_a_folder_just_made_goes_again(words, here, monkeypatch, capfd):
    monkeypatch.setattr(runfolder, "hold", lambda folder: signal.raise_signal(signal.SIGTERM))
    assert cli.main(["fit", "data=cdnow", *words]) == 143
    assert capfd.readouterr() == ("", "clvsim: interrupted; nothing was written\n")
    assert tree(here) == {}
