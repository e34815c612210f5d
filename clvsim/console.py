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
    write(sys.stderr, traceback.format_exc().rstrip("\n"))


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
        with suppress(OSError, ValueError):  # later lines go nowhere, and the interpreter's last flush stays quiet
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            note(f"stdout: cannot be written: {error.strerror}")
