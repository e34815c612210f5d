"""The terminal's tables as plain monospace text, at most 100 columns wide."""

import textwrap
from collections.abc import Sequence

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.report import display
from clvsim.report.format import NBSP
from clvsim.report.headline import headline
from clvsim.types import QualityLine, RunResult

READY = "Ready: this log can be fitted and simulated."
WIDTH = 100
_GAP = 2
_NAME = 13  # widest scenario heading before it wraps

type _Column = tuple[list[str], list[display.Cell]]  # heading lines, one cell per metric


def tables(result: RunResult) -> str:
    """Headline, metrics × scenarios (mean over its 90 % interval), then the decision, and what the intervals hold."""
    parts = (
        [_wrapped(f"SYNTHETIC DATA: {result.synthetic} Nothing here is about real customers.")]
        if result.synthetic
        else []
    )
    if result.poor_fit:
        parts.append(_wrapped("POOR FIT: convergence checks failed and were overridden; do not rely on these figures."))
    elif result.draft:
        parts.append(
            _wrapped("DRAFT: parameter uncertainty is left out (fit.method=map); do not decide on these figures.")
        )
    parts += [_wrapped(headline(result)), _metric_table(result), _decision_table(result)]
    parts.append("\n".join(_wrapped(note) for note in display.layer_notes(result, "expected")))
    if any(basis == "realised" for basis, _ in _shown_metrics(result)):
        parts[-1] += "\n" + "\n".join(_wrapped("* " + note) for note in display.layer_notes(result, "realised"))
    return "\n\n".join(parts).replace(NBSP, " ") + "\n"


def _metric_table(result: RunResult) -> str:
    """One block per group of scenarios that fits the width; each cell is a mean with its interval beneath."""
    expected, realised = display.rows(result, "expected"), display.rows(result, "realised")
    keys = _shown_metrics(result)
    labels = [display.wording(result, m).short + ("*" if basis == "realised" else "") for basis, m in keys]
    columns = []
    for scenario in display.applicable(result):
        cells = []
        for basis, metric in keys:
            row = (expected if basis == "expected" else realised).get((scenario.name, metric))
            cells.append(display.metric_cell(result, row, short=True) if row else display.Cell("", ""))
        columns.append((_heading(scenario.name), cells))
    label_width = max(map(len, labels), default=0)
    return "\n\n".join(_metric_block(labels, block, label_width) for block in _blocks(columns, WIDTH - label_width))


def _shown_metrics(result: RunResult) -> list[tuple[str, str]]:
    """Basis and name of each row: expected figures, then those that exist only as realised ones."""
    expected, realised = (display.metrics(display.rows(result, basis)) for basis in ("expected", "realised"))
    return [("expected", m) for m in expected] + [("realised", m) for m in realised if m not in expected]


def _metric_block(labels: list[str], columns: list[_Column], label_width: int) -> str:
    widths = [_column_width(column) for column in columns]
    height = max(len(heading) for heading, _ in columns)
    lines = [
        _line("", [([""] * (height - len(heading)) + heading)[k] for heading, _ in columns], widths, label_width)
        for k in range(height)
    ]
    for k, label in enumerate(labels):
        lines.append(_line(label, [cells[k].value for _, cells in columns], widths, label_width))
        intervals = [cells[k].interval for _, cells in columns]
        if any(intervals):
            lines.append(_line("", intervals, widths, label_width))
    return "\n".join(lines)


def _blocks(columns: list[_Column], width: int) -> list[list[_Column]]:
    """Columns in groups of at most `width` characters, gaps included."""
    blocks: list[list[_Column]] = [[]]
    room = width
    for column in columns:
        needed = _GAP + _column_width(column)
        if blocks[-1] and needed > room:
            blocks.append([])
            room = width
        blocks[-1].append(column)
        room -= needed
    return blocks


def _column_width(column: _Column) -> int:
    heading, cells = column
    return max(len(text) for text in (*heading, *(c.value for c in cells), *(c.interval for c in cells)))


def _decision_table(result: RunResult) -> str:
    metric = display.wording(result, display.decision_metric(result)).label.lower()
    lines = [["", f"Δ {metric}", f"90{NBSP}%", "P(better)", "P(best)", "expected loss"]]
    for decision in display.decisions(result):
        name = decision.scenario.name + (" (example effect)" if decision.scenario.illustrative else "")
        value, interval = decision.delta or ("", "")
        lines.append([name, value, interval, decision.p_better, decision.p_best, decision.expected_loss])
    widths = [max(len(line[k]) for line in lines) for k in range(1, 6)]
    label = min(max(len(line[0]) for line in lines), WIDTH - sum(widths) - _GAP * 5)
    text = []
    for name, *cells in lines:
        *above, last = textwrap.wrap(name, label, subsequent_indent="  ") or [name]
        text += [*above, _line(last, cells, widths, label)]
    for scenario in result.scenarios:
        if scenario.not_applicable:
            text.append(_wrapped(f"{scenario.name}: does not apply: {scenario.not_applicable}"))
    return "\n".join(text)


def _line(label: str, cells: Sequence[str], widths: Sequence[int], label_width: int) -> str:
    text = label.ljust(label_width)
    for cell, width in zip(cells, widths, strict=True):
        text += " " * _GAP + cell.rjust(width)
    return text.rstrip()


def _heading(name: str) -> list[str]:
    """A scenario's name in pieces that end at an underscore where they can."""
    pieces = textwrap.wrap(name.replace("_", "_ "), _NAME)
    return [piece.replace("_ ", "_") for piece in pieces] or [""]


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.replace(NBSP, " ").split()), WIDTH)


def quality_table(lines: Sequence[QualityLine]) -> str:
    """The table of `clvsim check`, at most 100 columns where the log's own words allow."""
    wide = max(len(line.label) for line in lines)
    out = []
    for line in lines:
        mark = "!" if line.level == "warning" else " "
        out.append(f"{mark} {line.label:<{wide}}  {line.value}" + (f"  ({line.note})" if line.note else ""))
    return "\n".join(out)


def posterior_table(fitted: FittedModels) -> str:
    """Mean and 90 % interval of each parameter, then the diagnostics."""
    posterior = fitted.posterior
    wide = max(28, *(len(name) + 2 for name in posterior.retention))
    rows = [f"{'parameter':<{wide}}{'mean':>10}{'5 %':>10}{'95 %':>10}"]
    for group in (posterior.retention, posterior.spend):
        for name, values in group.items():
            if name.startswith("path["):
                continue  # single months of the log: where they lead to stands under path.shock and path.level
            low, high = np.quantile(values, [0.05, 0.95])
            rows.append(f"{name:<{wide}}{values.mean():>10.4g}{low:>10.4g}{high:>10.4g}")
    rows += ["", f"draws: {fitted.method}"]
    rows += [
        f"{d.model:<14}{d.name:<32}{d.value:>10.4g}  {d.limit}{'' if d.ok else '  FAILED'}"
        for d in posterior.diagnostics
    ]
    rows += [f"! {warning}" for warning in posterior.warnings]
    return "\n".join(rows)
