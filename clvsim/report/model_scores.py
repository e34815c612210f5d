"""Retention models side by side, as sentences and as a table: for the terminal and the page's section on the model."""

import math
from collections.abc import Sequence

from clvsim.report import format as fmt
from clvsim.types import ModelScore
from clvsim.validation.vocabulary import ORDERS, Vocabulary

_NEARLY_ALL = 0.75  # weight that reads like a verdict


def verdict(scores: Sequence[ModelScore]) -> str:
    """Which models predict customers left out better, beyond twice the standard error of the difference."""
    best, *runners_up = sorted(scores, key=lambda s: -s.elpd)
    if not runners_up:
        return f"There is nothing to compare {best.model} with."
    behind = [s.model for s in runners_up if s.difference < -2 * s.difference_se]
    level = [s.model for s in runners_up if s.model not in behind]
    sentences = []
    if behind:
        sentences.append(
            f"{join_names([best.model, *level])} predict{'s' * (not level)} customers left out better than "
            f"{join_names(behind)}, beyond twice the standard error."
        )
    if level:
        alike = [best.model, *level]
        despite = _despite([s for s in scores if s.model in alike])
        sentences.append(f"Customers left out do not tell {join_names(alike)} apart{despite}.")
    if poor := [f"{s.model} ({fmt.number(s.unreliable)} customers)" for s in scores if s.unreliable]:
        sentences.append(f"Do not rely on the log score of {join_names(poor)}: single customers weigh too much in it.")
    sentences += [f"{s.model} leaves out {join_names(s.without)}." for s in scores if s.without]
    return " ".join(sentences)


def _despite(scores: Sequence[ModelScore]) -> str:
    """Why one of models that are not told apart has nearly all the weight, where it has."""
    first = max(scores, key=lambda s: s.weight)
    if first.weight < _NEARLY_ALL:
        return ""
    return (
        f": the differences are within twice their standard error. The weight of {fmt.share(first.weight)} for "
        f"{first.model} does not say otherwise: it is a share in the best mixture, and of models whose predictions are "
        "nearly equal one may take it all"
    )


def join_names(names: Sequence[str]) -> str:
    """Join names as in "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def facts(scores: Sequence[ModelScore], months: int, words: Vocabulary = ORDERS) -> tuple[tuple[str, str], ...]:
    """Label and value of the verdict and of each model, for the page's table of fitted figures."""
    return (
        (
            "Models side by side",
            f"{verdict(scores)} Differences are ± one standard error over customers; a weight is a share in the best "
            "mixture of the models, not a chance to be right (of two models with equal predictions one may take "
            f"it all); intervals of {words.many} hold parameter uncertainty only.",
        ),
        *(
            (
                f"{s.model}, compared with the others",
                f"{_score(s)}; {_orders(s)} {words.many} of today’s customers expected within {months} months",
            )
            for s in scores
        ),
    )


def _score(s: ModelScore) -> str:
    poor = f", {fmt.number(s.unreliable)} customers unreliable" if s.unreliable else ""
    return f"log score {fmt.number(s.elpd, -1)}, {difference(s)} to the best, weight {fmt.share(s.weight)}{poor}"


def difference(s: ModelScore) -> str:
    """Difference of the log score to the best model, ± its standard error; the best model's own is 0."""
    if not math.isfinite(s.difference):
        return fmt.MISSING
    return "0" if s.difference == 0 else f"{fmt.number(s.difference, -1)} ± {fmt.number(s.difference_se, -1)}"


def weight(s: ModelScore) -> str:
    """Share of a model in the best mixture."""
    return fmt.share(s.weight)


def _orders(s: ModelScore) -> str:
    """Expected orders with their 90 % interval, three digits of them: what the draws support."""
    place = max(0, fmt.last_place((s.orders, s.orders_p05, s.orders_p95)))
    low, high = (fmt.number(v, place) for v in (s.orders_p05, s.orders_p95))
    return f"{fmt.number(s.orders, place)} [{low}, {high}]"


def table(scores: Sequence[ModelScore], days: float, words: Vocabulary = ORDERS) -> str:
    """The terminal's table of at most 100 columns, a row per model.

    Log score, difference to the best, weight, orders expected within `days`, customers with an unreliable score.
    """
    head = ("model", "log score", "to the best", "weight", f"{words.many} in {days:.0f} days [90 %]", "unreliable")
    rows = [
        (
            s.model,
            fmt.number(s.elpd, -1),
            difference(s),
            weight(s),
            _orders(s),
            fmt.number(s.unreliable),
        )
        for s in scores
    ]
    return columns([head, *rows])


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Aligned plain text: the first column to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines).replace(fmt.NBSP, " ")
