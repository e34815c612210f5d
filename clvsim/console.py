"""Lines for people: results on stdout, problems and remarks on stderr."""

import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """A result. A reader that went away (`| head`) does not stop the work."""
    write(sys.stdout, text)


def note(text: str) -> None:
    write(sys.stderr, f"clvsim: {one_line(text)}")


def complain(problems: Iterable[tuple[str, str]], job: str = "") -> None:
    """One line per problem; `job` names the member of a sweep."""
    for where, what in problems:
        note(f"{where}: {what}" + (f" ({job})" if job else ""))


def confess(job: str = "") -> None:
    """The exception at hand is our own fault: say so, and show what a report needs."""
    complain([("internal error", "this is a bug in clvsim; please report it with what follows")], job)
    traceback.print_exc()


def one_line(text: str) -> str:
    """Values out of a user's file may hold line breaks."""
    return " ".join(text.splitlines())


def write(stream: TextIO, text: str) -> None:
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # later lines go nowhere, and the interpreter's last flush stays quiet
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
