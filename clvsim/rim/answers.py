"""What a refused command says: a line per problem on stderr, and for machines (`--json`) one object on stdout."""

from collections.abc import Iterable, Sequence
from typing import Any

from clvsim.console import note, print_problems, say, say_json, shell_line
from clvsim.errors import Problem
from clvsim.rim.arguments import JSON

INTERNAL = Problem("internal error", "this is a bug in clvsim; please report it with what stderr says")


def refuse(
    problems: Iterable[tuple[str, str]], code: int, words: Sequence[str], job: str = "", following: Sequence[str] = ()
) -> None:
    """Print the problems of a command that ends with exit code `code`, and the `following` one, where one is known."""
    problems = [Problem(*problem) for problem in problems]
    print_problems(problems, job)
    answer: dict[str, Any] = {"exit_code": code, "problems": [problem._asdict() for problem in problems]}
    if following:
        note(f"Next, or with another choice: {shell_line(following)}")
        answer["next"] = {"arguments": list(following), "line": shell_line(following)}
    if JSON in words:
        say_json(answer, say)


def answer_internal_error(words: Sequence[str]) -> None:
    """The answer for machines after an internal error, which has been printed."""
    if JSON in words:
        say_json({"exit_code": 1, "problems": [INTERNAL._asdict()]}, say)
