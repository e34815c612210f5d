"""Warnings of a run, the worst first: what each is in short, and what to do about it."""

import re
from typing import NamedTuple

from clvsim.types import QualityLine, RunResult

NAMES_A_KEY = re.compile(
    r"\b(data|retention|spend|fit|finance|simulation|acquisition|environment|scenario)\.\w+|\b(retention|spend|scenarios)="
)
RUN_ON = ("horizon", "break", "silence", "whales")  # lines whose value goes on with the label's sentence
_SHORT = 150  # characters: what is not longer is shown whole
_LONG = 190  # of which only what to type is shown of a remedy
_TYPED = re.compile(r"[\w.]+=[\w.-]*\w")
_MODEL, _LEVERS = "model", "levers"
# Quality keys and origins by how far what they stand for may move the figures; others come after `_LEVERS`.
_WORST_FIRST = (
    "break",
    "silence",
    "price",
    "crowded",
    "several_customers",
    "refunds",
    "today",
    "capitals",
    "unreadable",
    "mid_life",
    "season",
    _MODEL,
    "unseen_months",
    "regularity",
    "yearly",
    "horizon",
    "newcomers",
    "closed",
    _LEVERS,
)
_ASIDE = re.compile(r" \([^()=]*, [^()=]*\)$")  # at the end, with several remarks
_PARTS = re.compile(r": (?=[A-Za-z])|; |\. (?=[A-Z])")


class Alert(NamedTuple):
    """A warning: in full, as the page has it, and in short: what it is, and the part that names what to do."""

    short: str
    full: str
    key: str = ""  # of the line of the quality table


def alerts(result: RunResult) -> tuple[Alert, ...]:
    """All warnings of the page, those first that may move the figures most."""
    lines = {in_full(line): line for line in result.quality if line.level == "warning"}
    keys = [(lines[text].key if text in lines else _MODEL, text) for text in result.warnings]
    keys += [(_LEVERS, text) for text in result.lever_warnings]
    ranked = sorted(keys, key=lambda pair: _rank(pair[0]))
    return tuple(Alert(_in_short(text, lines.get(text)), text, key) for key, text in ranked)


def in_full(line: QualityLine) -> str:
    """A line of the quality table in one piece."""
    return f"{line.label}: {line.value}" + (f" ({line.note})" if line.note else "")


def sentence_case(text: str) -> str:
    """The text with a capital, unless it begins with a key, which is typed as it is."""
    return text if NAMES_A_KEY.match(text) else text[:1].upper() + text[1:]


def _rank(key: str) -> int:
    return _WORST_FIRST.index(key) if key in _WORST_FIRST else len(_WORST_FIRST)


def _in_short(text: str, line: QualityLine | None) -> str:
    if line is None:
        first, *others = _PARTS.split(text)
    else:
        gap = " " if line.key in RUN_ON else ": "
        first = gap.join(filter(None, (line.label, line.value)))
        text = f"{first}. {sentence_case(line.note)}" if line.note else first
        others = _PARTS.split(line.note)
    if len(text) <= _SHORT or not others or NAMES_A_KEY.search(first):
        return text if len(text) <= _SHORT else first
    todo = next((part for part in others if NAMES_A_KEY.search(part)), others[0])
    if line is not None and line.remedy and not all(word in todo for word in line.remedy):
        todo = f"type {' '.join(line.remedy)}" + (f" if {line.condition}" if line.condition else "")
    if len(first) + len(todo) > _LONG and (typed := _TYPED.findall(todo)):
        todo = f"try {' '.join(typed)}"
    return _ASIDE.sub("", f"{first}. {sentence_case(todo)}".rstrip("."))
