"""Errors in the user's input: printed as one line per problem, never as a traceback."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from clvsim.texts import short

LONGEST, MOST = 1000, 30  # characters of a problem, problems


class Problem(NamedTuple):
    """`where` is the key as the user types it, or a file; `what` states the rule that is broken, and the value."""

    where: str
    what: str


def more_problems(number: int) -> Problem:
    return Problem("and", f"{number:,} more problems like these")


class ClvsimError(Exception):
    """All problems with the input of one stage. `code` is the exit status of the shell; `choice` the words that one
    would type to go on, where there is a choice to make."""

    code = 2

    def __init__(self, problems: Iterable[tuple[str, str]], choice: Iterable[str] = ()) -> None:
        found = [Problem(short(where), short(what, LONGEST)) for where, what in problems]
        rest = [more_problems(len(found) - MOST)] if len(found) > MOST else []
        self.problems = (*found[:MOST], *rest)
        self.choice = tuple(choice)
        super().__init__("; ".join(f"{where}: {what}" for where, what in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.problems, self.choice)  # an error that is raised in another process arrives here


class ConfigError(ClvsimError):
    """Unknown key, scenario or column; value out of range; a file or folder that cannot be used."""


class DiagnosticsError(ClvsimError):
    """A model that this log cannot support, or a posterior that did not converge."""

    code = 3


class DataError(ClvsimError):
    """A log that cannot be read as orders."""

    code = 4
