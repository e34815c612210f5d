"""SIGINT and SIGTERM end a command in order, also where a library swallows or disguises what a handler raises.

An exception does not come out of a finalizer or of what LLVM calls back, it makes llvmlite free memory twice, and
libraries wrap it. So a signal is remembered: it raises where that does no harm, again if it does not get through, and
what else is raised after it counts as its effect.
"""

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

AGAIN_SECONDS = 0.02

_came: int | None = None  # the first signal since `interruptible` began


class Interrupted(SystemExit):
    """SIGINT or SIGTERM. Not a KeyboardInterrupt: samplers catch that and return half a posterior."""


@contextmanager
def interruptible() -> Generator[None]:
    """Turn SIGINT or SIGTERM into one `Interrupted`, so that `finally` runs undisturbed. Takes SIGALRM for itself."""
    global _came
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) != signal.SIG_IGN]
    _came = None
    before = {number: signal.signal(number, interrupt) for number in (*wanted, signal.SIGALRM)}
    try:
        with outlasting():
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupt(number: int, frame: FrameType | None) -> None:
    """Raise, unless that is under way or would do harm here, and come again in a moment."""
    global _came
    if _came is None:
        _came = number
        sys.unraisablehook = lambda _: None  # nobody wants to read about halves of what was being made
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
    if not under_way(sys.exception()) and not delicate(frame):
        raise Interrupted(128 + _came)


def under_way(error: BaseException | None) -> bool:
    """Whether an interruption is being handled: by `finally`, or by somebody who raised something else."""
    return error is not None and (isinstance(error, Interrupted) or under_way(error.__context__))


def delicate(frame: FrameType | None) -> bool:
    """Whether a finalizer or llvmlite is at work."""
    while frame is not None:
        if frame.f_code.co_name == "__del__" or frame.f_globals.get("__name__", "").startswith("llvmlite.binding"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def outlasting() -> Generator[None]:
    """`Interrupted` whatever was raised, if a signal came before."""
    try:
        yield
    except Exception as error:
        if _came is None:
            raise
        raise Interrupted(128 + _came) from error
