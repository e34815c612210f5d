"""The jobs of one command side by side: what distinguishes each, what it says first, and where the rest is."""

from collections.abc import Sequence
from typing import NamedTuple

from clvsim.report import display
from clvsim.report.format import NBSP
from clvsim.report.headline import best_lever
from clvsim.types import RunResult

NOT_DONE = "not finished; its problems are above"


class Line(NamedTuple):
    """A job: the words that others do not have, its result if it has one, and its folder."""

    words: str
    result: RunResult | None
    folder: str


def together(lines: Sequence[Line]) -> str:
    """A line per job: the figure that is decided on as of today, the best lever against it, and the folder."""
    label = next((_label(line.result) for line in lines if line.result), "")
    head = ["", f"{label}, as today", f"90{NBSP}%", f"best lever: Δ {label.lower()}", f"90{NBSP}%", ""]
    rows = [head, *(_cells(line) for line in lines)]
    used = [k for k in range(len(head)) if k in (0, len(head) - 1) or any(row[k] for row in rows[1:])]
    widths = {k: max(len(row[k]) for row in rows) for k in used}
    ends = {0: str.ljust, len(head) - 1: str.ljust}
    text = ["  ".join(ends.get(k, str.rjust)(row[k], widths[k]) for k in used).rstrip() for row in rows]
    note = f"90{NBSP}%: interval of what may happen."
    return "\n".join([*text, "", note]).replace(NBSP, " ")


def _label(result: RunResult) -> str:
    return display.wording(result, display.decision_metric(result)).label


def _cells(line: Line) -> list[str]:
    result = line.result
    if result is None:
        return [line.words, "", "", "", "", NOT_DONE]
    metric = display.decision_metric(result)
    figure = display.figures(result).get((display.baseline(result).name, metric))
    today = display.metric_cell(result, figure) if figure else display.Cell("", "")
    lever = best_lever(result) or _only_lever(result)
    delta = display.delta_cell(result, lever[1]) if lever else display.Cell("", "")
    name = f"{lever[0].name} {delta.value}" if lever else ""
    return [line.words, today.value, today.interval, name, delta.interval, line.folder]


def _only_lever(result: RunResult) -> tuple[display.ScenarioDescription, display.Figure] | None:
    """The lever of a run that has one, though its numbers are an example's."""
    levers = [one for one in display.levers(result) if one.name in display.decisive(result)]
    return (levers[0], display.decisive(result)[levers[0].name]) if len(levers) == 1 else None
