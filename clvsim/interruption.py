"""SIGINT and SIGTERM: the first signal raises `Interrupted`; the second one, or two seconds, end the process at once.

The exception lets `with` and `finally` remove what was begun. It can get lost: it does not come out of a finalizer or
of a callback from C, and libraries catch it. What the hard end leaves behind, the next run sweeps (`clvsim.runfolder`).
"""

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

GRACE_SECONDS = 2.0
ENDED = b"clvsim: interrupted, and ended at once; the next run removes the unfinished folder\n"

_first_signal: int | None = None  # since `interruptible` began


class Interrupted(SystemExit):
    """SIGINT or SIGTERM. Not a KeyboardInterrupt: samplers catch that and return half a posterior."""


@contextmanager
def interruptible() -> Generator[None]:
    """Within it, SIGINT and SIGTERM interrupt, unless the process was started to ignore them."""
    global _first_signal
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
        sys.unraisablehook = lambda _: None  # for good: half-made objects raise in finalizers after the command
        deadline.start()
        raise Interrupted(128 + number)

    handled = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    _first_signal = None
    handlers = {number: signal.signal(number, interrupt) for number in handled}
    try:
        with interruption_first():
            yield
    finally:
        deadline.cancel()
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def interruption_first() -> Generator[None]:
    """An error that follows a signal is its effect: libraries raise their own in place of `Interrupted`."""
    try:
        yield
    except Exception as error:
        if _first_signal is None:
            raise
        raise Interrupted(128 + _first_signal) from error


def end_process() -> None:
    """Without `finally`, exit handlers and buffers: any of them may be what does not end."""
    with suppress(OSError):
        os.write(2, ENDED)
    os._exit(128 + (_first_signal or 0))
