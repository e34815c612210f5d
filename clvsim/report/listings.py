"""Parts of a finished run as plain text for the terminal: figures, levers, assumptions, months, warnings, models."""

import textwrap
from collections.abc import Sequence

from clvsim.report import display, evidence, over_time
from clvsim.report import format as fmt
from clvsim.report.format import NBSP
from clvsim.report.text import (
    WIDTH,
    banners,
    contract_text,
    decision_table,
    figure_notes,
    lever_notes,
    metric_table,
    warning_text,
    wrapped,
)
from clvsim.types import Assumption, RunResult

_GAP = 2
_ORIGINS = {"all": "all", "existing": "today’s customers", "new": "new customers", "referred": "referred"}


def figures(result: RunResult) -> str:
    """Every figure of every scenario."""
    return _joined(*banners(result), contract_text(result), metric_table(result), _sentences(figure_notes(result)))


def levers(result: RunResult) -> str:
    """What each lever changes, how sure that is, and what a wrong choice costs."""
    table = decision_table(result)
    if not table:
        return "No lever was compared.\n"
    return _joined(
        *banners(result), table, _sentences([*display.layer_notes(result, "realised"), *lever_notes(result)])
    )


def assumptions(result: RunResult) -> str:
    """Every number that the log did not give, by what it belongs to: its value, what it rests on, and its key."""
    parts = [_assumptions(result, "The run", result.assumptions)]
    parts += [_assumptions(result, f"“{s.title}” ({s.name})", s.assumptions) for s in result.scenarios]
    return _joined(*banners(result), *parts) if any(parts) else "Nothing is assumed.\n"


def _assumptions(result: RunResult, heading: str, listed: Sequence[Assumption]) -> str:
    lines = []
    for one in listed:
        cell = display.assumption_cell(result, one)
        value = " ".join(filter(None, (cell.value, cell.interval)))
        source = f"; source: {one.source}" if one.source else ""
        text = f"{one.label}: {value}; {evidence.WORDS[evidence.of(one)]}, {one.text}{source} ({one.path})"
        lines.append(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False))
    return "\n".join([heading, *lines]) if lines else ""


def months(result: RunResult) -> str:
    """Revenue by month ahead, as things are today: all, and by who brings it."""
    groups = {group: over_time.book(result, "revenue_by_month", group=group) for group in _ORIGINS}
    groups = {group: table for group, table in groups.items() if len(table)}
    if "all" not in groups:
        return "This run has no figures by month.\n"
    if len(groups) == 2:  # all of it is one group's
        groups = {"all": groups["all"]}
    by_month = {group: table.set_index("at") for group, table in groups.items()}
    rows = []
    for at in groups["all"]["at"]:
        cells = [over_time.money_cell(result, table.loc[at]) for table in by_month.values()]
        rows.append([str(int(at) + 1), *(" ".join(filter(None, cell[:2])) for cell in cells)])
    note = (
        "Revenue per month from today, before any cost and not discounted; the mean, and in [ , ] 9 in 10 futures of "
        "that month."
    )
    return _joined(*banners(result), _table(["month", *(_ORIGINS[group] for group in groups)], rows), wrapped(note))


def warnings(result: RunResult) -> str:
    """All warnings in full, the worst first."""
    return _joined(warning_text(result)) if result.warnings or result.lever_warnings else "There are no warnings.\n"


def models(result: RunResult) -> str:
    """What was fitted, how well, and notes on the simulation."""
    facts = [
        textwrap.fill(f"{label}: {value}", WIDTH, subsequent_indent="    ", break_on_hyphens=False)
        for label, value in result.model_facts
    ]
    diagnostics = [
        [d.model, d.name, fmt.number(d.value, fmt.last_place([d.value], digits=4)), d.limit, "" if d.ok else "FAILED"]
        for d in result.diagnostics
    ]
    checked = _table(["model", "check", "value", "limit", ""], diagnostics) if diagnostics else ""
    return _joined(*banners(result), wrapped(result.models), "\n".join(facts), checked, _sentences(result.notes))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their cells, to the left."""
    widths = [max(map(len, cells)) for cells in zip(heads, *rows, strict=True)]
    return "\n".join(
        (" " * _GAP).join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (heads, *rows)
    )


def _sentences(notes: Sequence[str]) -> str:
    return "\n".join(map(wrapped, notes))


def _joined(*parts: str) -> str:
    return "\n\n".join(filter(None, parts)).replace(NBSP, " ") + "\n"
