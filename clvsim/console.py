"""Lines on the terminal: results on stdout, problems and remarks on stderr."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO


def say(text: str) -> None:
    """Print a result on stdout. A closed pipe (`| head`) does not stop the work."""
    write(sys.stdout, text)


def say_json(answer: object, say: Callable[[str], None] = say) -> None:
    """Say an object as JSON in ASCII: control characters are escaped, and what is no character becomes `?`."""
    text = json.dumps(answer, ensure_ascii=False, indent=2, allow_nan=False).encode("utf-8", "replace").decode("utf-8")
    say(json.dumps(json.loads(text), indent=2))


def note(text: str) -> None:
    """Print a remark on stderr, in one line."""
    write(sys.stderr, f"clvsim: {one_line(text)}")


def print_problems(problems: Iterable[tuple[str, str]], job: str = "") -> None:
    """Print one line per problem on stderr; `job` names the job of a sweep."""
    for where, what in problems:
        note(f"{where}: {what}" + (f" ({job})" if job else ""))


def print_internal_error(job: str = "") -> None:
    """Print that the exception being handled is a bug in clvsim, and its traceback."""
    print_problems([("internal error", "this is a bug in clvsim; please report it with what follows")], job)
    traceback.print_exc()


def one_line(text: str) -> str:
    """The text without line breaks, which values from a user's file may hold."""
    return " ".join(text.splitlines())


def write(stream: TextIO, text: str) -> None:
    """Print a line; characters that the stream cannot encode become `?`, and a closed pipe is ignored."""
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except BrokenPipeError:
        with suppress(OSError, ValueError):  # later lines go nowhere, and the interpreter's last flush stays quiet
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
