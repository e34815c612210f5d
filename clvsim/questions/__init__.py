"""Questions that a finished run answers: `QUESTIONS` by name, each a function from the run and the asker's numbers.

A question is a module with a function `answer(run: Finished, settings: Settings) -> Answer`. It raises ConfigError
where the run lacks the numbers for it, with the key that gives them. That of `targets` gets what `stages.targets` has
simulated instead of settings.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from clvsim.questions.answer import Answer, Finished
    from clvsim.questions.settings import Settings


class Question(NamedTuple):
    """The module of a question, and what it asks, in words."""

    module: str
    asks: str


QUESTIONS: dict[str, Question] = {
    "max_bid": Question("bids", "What may I pay for a customer, a visitor, a lead?"),
    "breakeven": Question("break_even", "From where on does a lever pay, and what may it cost?"),
    "evpi": Question("perfect_information", "What does it cost to be wrong about which lever to pull?"),
    "evppi": Question("single_numbers", "Which number is most worth knowing?"),
    "evsi": Question("samples", "What is a test of a size worth?"),
    "test": Question("split_test", "Which lever to ship, to test, to forget; how large a test, and how long?"),
    "tornado": Question("tornado", "Which numbers make the result uncertain?"),
    "budget": Question("budget", "How much to spend on which channel?"),
    "targets": Question("targets", "Whom should a lever reach: everybody, or the best?"),
    "keep_or_find": Question("keep_or_find", "Where does the next unit of money do more, in keeping or in finding?"),
}


def load_question(name: str) -> "Callable[[Finished, Settings], Answer]":
    """The function that answers a question."""
    return import_module(f"{__name__}.{QUESTIONS[name].module}").answer
