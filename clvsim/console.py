"""Lines on the terminal: results on stdout, problems and remarks on stderr."""

import json
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TextIO

from clvsim.texts import escaped, short, visible

LONGEST_REMARK = 4000  # characters, a command to type with the names of its files included


def say(text: str) -> None:
    """Print a result on stdout. A closed pipe (`| head`) does not stop the work."""
    write(sys.stdout, text)


def say_json(answer: object, say: Callable[[str], None] = say) -> None:
    """Say an object as JSON in ASCII: control characters are escaped, and what is no character becomes `?`."""
    text = json.dumps(answer, ensure_ascii=False, indent=2, allow_nan=False).encode("utf-8", "replace").decode("utf-8")
    say(json.dumps(json.loads(text), indent=2))


def note(text: str) -> None:
    """Print a remark on stderr, in one line."""
    write(sys.stderr, short(f"clvsim: {one_line(text)}", LONGEST_REMARK))


def shell_line(words: Iterable[str]) -> str:
    """Words as a shell reads them; those with signs that cannot be printed in the `$'...'` of bash and zsh."""
    return " ".join(shlex.quote(word) if word.isprintable() else f"$'{''.join(map(escaped, word))}'" for word in words)


def print_problems(problems: Iterable[tuple[str, str]], job: str = "") -> None:
    """Print one line per problem on stderr; `job` names the job of a sweep."""
    for where, what in problems:
        note(f"{where}: {what}" + (f" ({job})" if job else ""))


def print_internal_error(job: str = "") -> None:
    """Print that the exception being handled is a bug in clvsim, and its traceback."""
    print_problems([("internal error", "this is a bug in clvsim; please report it with what follows")], job)
    write(sys.stderr, traceback.format_exc().rstrip())


def one_line(text: str) -> str:
    """The text without line breaks, which values from a user's file may hold."""
    return " ".join(text.splitlines())


def write(stream: TextIO, text: str) -> None:
    """Print a line, controls as escapes; characters that the stream cannot encode become `?`.

    A closed pipe is ignored. So is a full device, but for a remark: what was computed is not lost with what is shown.
    """
    text = visible(text)
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)
    except OSError as error:
        give_up(stream)
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            note(f"stdout: cannot be written: {error.strerror}")


def give_up(stream: TextIO) -> None:
    """Later lines go nowhere, and the interpreter's last flush stays quiet."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_streams() -> None:
    """Have stdin, stdout and stderr where the process was started without: a file of results that gets the number of a
    closed one would hold what libraries print."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def flush_streams() -> None:
    """Print what libraries left unprinted. What cannot be printed is given up: it does not change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            give_up(stream)
