"""SIGINT, SIGTERM and SIGHUP: the first raises `Interrupted`; a second one, or two seconds, ends the process at once.

The exception lets `with` and `finally` remove unfinished files. It can get lost: finalizers and callbacks from C
swallow it, and libraries catch it. `clvsim.runfolder` removes what a forced end leaves behind, at the next run.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

GRACE_SECONDS = 2.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
FORCED_END = b"clvsim: interrupted, and ended at once; the next run removes the unfinished folder\n"

_first_signal: int | None = None  # since `interruptible` began
_began = False
_ending: list[int] = []  # signals after it


class Interrupted(SystemExit):
    """One of SIGNALS. Not a KeyboardInterrupt: samplers catch that and return half a posterior."""

    outcome = "nothing was written"


def outside() -> None:
    """Handle signals before and after `interruptible`, unless the process was started to ignore them.

    Before, nothing has begun, and the process ends at once. Afterwards all is done and said: it ends by itself, with
    its own code, or where something hangs after two seconds.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if not _began or _ending:
            os._exit(128 + number)
        _ending.append(number)
        deadline = threading.Timer(GRACE_SECONDS, os._exit, (128 + number,))
        deadline.daemon = True
        with suppress(RuntimeError):  # the interpreter is going already
            deadline.start()

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


@contextmanager
def interruptible() -> Generator[None]:
    """Handle SIGNALS inside the block, unless the process was started to ignore them."""
    global _first_signal, _began
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    deadline = threading.Timer(GRACE_SECONDS, end_process)
    deadline.daemon = True

    def interrupt(number: int, frame: FrameType | None) -> None:
        global _first_signal
        if _first_signal is not None:
            end_process()
        _first_signal = number
        sys.unraisablehook = lambda _: None  # not restored: finalizers of half-initialised objects may raise later
        deadline.start()
        raise Interrupted(128 + number)

    signals = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    _first_signal, _began = None, True
    handlers = {number: signal.signal(number, interrupt) for number in signals}
    try:
        with prefer_interruption():
            yield
    finally:
        deadline.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def prefer_interruption() -> Generator[None]:
    """Raise `Interrupted` in place of any error that follows a signal: libraries catch it and raise their own."""
    try:
        yield
    except Exception as error:
        if _first_signal is None:
            raise
        raise Interrupted(128 + _first_signal) from error


def end_process() -> None:
    """Exit without running `finally`, exit handlers and buffers: any of them may be what hangs."""
    with suppress(OSError):
        os.write(2, FORCED_END)
    stop_workers()
    os._exit(128 + (_first_signal or 0))


def stop_workers() -> None:
    """Kill the processes of a parallel launcher, which would outlive an interruption and hold our output open."""
    for worker in _workers():
        with suppress(OSError):
            worker.kill()


def _workers() -> "list[BaseProcess]":
    library = sys.modules.get("multiprocessing")  # without it there are none
    return library.active_children() if library else []


def leave(code: int) -> int:
    """The exit code of a process, which ends here once temporary files are gone, unless a launcher's workers are to be
    waited for.

    Python's own way out gives signals back their default meaning before it is done; and a library that was caught in
    the middle of its work (LLVM, compiling) may crash when the interpreter takes it down.
    """
    if not _workers() or code in {128 + number for number in SIGNALS}:
        atexit._run_exitfuncs()
        os._exit(code)
    return code
