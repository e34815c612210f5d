"""Uncertain numbers of a run in blocks that could be learned together."""

import re
from typing import NamedTuple

import numpy as np

from clvsim.decision.regression import logs_where_positive
from clvsim.models.around.several import MODEL
from clvsim.questions.answer import Finished
from clvsim.report.evidence import EXAMPLE, WORDS

_OF_MODELS = (
    (rf"retention\.{MODEL}\.", "Which model is right"),
    (r"retention\.", "How customers come back and leave"),
    (r"spend\.", "What they spend"),
    (r"environment\.", "How months differ"),
    (r"acquisition\.(?!channels)", "How many new customers come"),
)


class Block(NamedTuple):
    """Columns (draw, k) of a block, on scales on which draws are near normal: logs of positive numbers.

    `path`: of the number in the configuration, "" where the block is a group of them; `scenario`: whose effect it is,
    "" of the run's own numbers; `evidence`: where it comes from, in words.
    """

    label: str
    columns: np.ndarray
    path: str = ""
    scenario: str = ""
    evidence: str = ""


def blocks(run: Finished, scenario: str | None = None) -> list[Block]:
    """Those that vary, effects of one scenario only where it is named. A number that several scenarios have is one."""
    groups: dict[tuple[str, str, str, str], list[int]] = {}
    for number, name in enumerate(run.draws.input_names):
        place = _place(run, name)
        if place is not None and (not place[2] or scenario in (None, place[2])):
            groups.setdefault(place, []).append(number)
    found, seen = [], set()
    for (label, path, owner, evidence), numbers in groups.items():
        columns = run.draws.inputs[:, numbers]
        columns = columns[:, np.ptp(columns, axis=0) > 0]
        if columns.shape[1] and columns.tobytes() not in seen:
            seen.add(columns.tobytes())
            found.append(Block(label, logs_where_positive(columns), path, owner, evidence))
    return found


def _place(run: Finished, name: str) -> tuple[str, str, str, str] | None:
    """Label, path, scenario and evidence of the block that an input belongs to."""
    if match := re.fullmatch(r"acquisition\.channels\.(.+)\.conversion", name):
        return f"Conversion of {match[1]}", name, "", ""
    for pattern, label in _OF_MODELS:
        if re.match(pattern, name):
            return label, "", "", WORDS["log"] if not run.result.no_data else WORDS["stated"]
    scenario = name.split(".")[1] if name.startswith("scenario.") else ""
    for described in run.result.scenarios:
        for assumption in described.assumptions if described.name == scenario else ():
            if assumption.path == name:
                label = f"{described.title}: {assumption.label[0].lower()}{assumption.label[1:]}"
                evidence = WORDS.get(assumption.evidence, assumption.evidence)
                return label, name, scenario, EXAMPLE if described.illustrative else evidence
    return (name, name, scenario, "") if scenario else None
