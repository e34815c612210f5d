"""Mistakes that are the user's, not ours: printed as one line per problem, never as a traceback."""

from collections.abc import Iterable
from typing import NamedTuple


class Problem(NamedTuple):
    """`where` is the key as the user types it (or a file), `what` states rule and value."""

    where: str
    what: str


class ClvsimError(Exception):
    """Everything that is wrong with one stage's input. `code` is the exit status of the shell."""

    code = 2

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(Problem(*p) for p in problems)
        super().__init__("; ".join(f"{where}: {what}" for where, what in self.problems))


class ConfigError(ClvsimError):
    """Unknown key, scenario or column; value out of range; a file or folder that cannot be used."""


class DiagnosticsError(ClvsimError):
    """A model that cannot be trusted on this log, or a posterior that did not converge."""

    code = 3


class DataError(ClvsimError):
    """A log that cannot be read as orders."""

    code = 4
