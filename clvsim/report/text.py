"""The terminal's tables as plain monospace text, at most 100 columns wide."""

import textwrap
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from clvsim.models.around.several import MODEL, several_of
from clvsim.models.fitted import FittedModels
from clvsim.report import contracts, display, evidence, track_record, valuation
from clvsim.report.alerts import alerts
from clvsim.report.format import NBSP
from clvsim.report.glossary import BEST, REGRET, SURE
from clvsim.report.headline import discounted, headline, holdout_in_short, left_out, second_sentence, whose_months
from clvsim.report.several import shares
from clvsim.types import QualityLine, RunResult, ScenarioDescription

READY = "Ready: this log can be fitted and simulated."
READY_WITHOUT_DATA = "Ready: this business can be simulated. There is no data: every number is stated."
ALARM = "UNEVEN SPEND: "
WIDTH = 100
_GAP = 2
_HEAD = 10  # widest heading of a column of the decision before it wraps
_NAME = 13  # widest scenario heading before it wraps
_NARROWEST = 15  # room for a lever's name below which money is written short

type _Column = tuple[list[str], list[display.Cell]]  # heading lines, one cell per metric


def tables(result: RunResult) -> str:
    """Headline, metrics × scenarios (mean over its 90 % interval), then the decision, and what the intervals hold."""
    parts = banners(result)
    parts += [headline_text(result)]
    parts += [part for part in (contract_text(result), metric_table(result), decision_table(result)) if part]
    parts.append("\n".join(wrapped(note) for note in (*figure_notes(result), *lever_notes(result))))
    if result.warnings or result.lever_warnings:
        parts.append(warning_text(result))
    return "\n\n".join(parts).replace(NBSP, " ") + "\n"


class HasBanners(Protocol):
    """A run, or a sweep: what stands before all figures."""

    @property
    def synthetic(self) -> str: ...
    @property
    def no_data(self) -> str: ...
    @property
    def poor_fit(self) -> bool: ...
    @property
    def draft(self) -> bool: ...
    @property
    def money_alarm(self) -> str: ...


def banners(result: HasBanners) -> list[str]:
    """What everybody has to know before any figure, the least real first."""
    said = [f"SYNTHETIC DATA: {result.synthetic} Nothing here is about real customers."] if result.synthetic else []
    if result.no_data:
        said.append(f"NO DATA: {result.no_data}")
    if result.poor_fit:
        said.append("POOR FIT: convergence checks failed and were overridden; do not rely on these figures.")
    elif result.draft:
        said.append("DRAFT: parameter uncertainty is left out (fit.method=map); do not decide on these figures.")
    if result.money_alarm:
        said.append(f"{ALARM}{result.money_alarm}")
    return [wrapped(sentence) for sentence in said]


def headline_text(result: RunResult) -> str:
    """The headline, and the sentences on what its figures are and rest on."""
    first = (
        headline(result),
        second_sentence(result),
        discounted(result),
        left_out(result),
        result.arrivals,
        result.single,
        whose_months(result),
        holdout_in_short(result),
        track_record.in_short(result.track_record) if result.track_record else "",
        result.models,
        *valuation.in_short(result),
    )
    return "\n".join(wrapped(sentence) for sentence in first if sentence)


def warning_text(result: RunResult) -> str:
    """All warnings in full, the worst first; "" without any."""
    return "\n".join(wrapped(f"! {alert.full}") for alert in alerts(result))


def figure_notes(result: RunResult) -> list[str]:
    """What the intervals contain, and how many people a mean is over."""
    has_average = any(figure.on_average for figure in display.figures(result).values())
    mark = "* " if _only_on_average(result) else ""
    notes = display.layer_notes(result, "realised")
    if has_average or mark:
        notes += [mark + note for note in display.average_notes(result) or display.layer_notes(result, "expected")]
    return [*notes, display.people_note(result)]


def lever_notes(result: RunResult) -> list[str]:
    """What stands in the columns of the decision."""
    notes = []
    if few := display.too_few_draws(result):
        notes.append(few)
    elif display.levers(result):
        notes.append(
            f"{SURE}, {BEST}: how likely it is that a lever is better, or the best, on average. {REGRET}: what it then "
            "loses on average against the best."
        )
    if any(s.is_what_if for s in display.levers(result)):
        notes.append(f"{display.WHAT_IF}: what the lever rests on is stated as certain, so no chance is given.")
    return notes


def _only_on_average(result: RunResult) -> set[str]:
    """Metrics that the comparison holds on average only, where it has others of what may happen."""
    figures = display.figures(result)
    if not any(figure.may.basis == "realised" for figure in figures.values()):
        return set()
    return {metric for (_, metric), figure in figures.items() if figure.may.basis == "expected"}


def contract_text(result: RunResult) -> str:
    """The contracts' own figures, by plan where there are several, and what churn means."""
    found = [*contracts.lines(result), *contracts.ages_in_short(result)]
    if not found:
        return ""
    text = [quality_table([QualityLine("", label, " ".join(cell[:2]).strip(), note) for label, cell, note in found])]
    rows = [(name, [" ".join(cell[:2]).strip() for cell in cells]) for name, cells in contracts.plans(result)]
    if rows:
        rows = [("", list(contracts.HEADINGS)), *rows]
        widths = [max(len(cells[k]) for _, cells in rows) for k in range(len(contracts.HEADINGS))]
        label_width = max(len(name) for name, _ in rows)
        text += ["", *(_line(name, cells, widths, label_width) for name, cells in rows)]
    return "\n".join((*text, "", *map(wrapped, contracts.notes(result))))


def metric_table(result: RunResult) -> str:
    """One block per group of scenarios that fits the width; each cell is a mean with its interval beneath."""
    figures, marked = display.figures(result), _only_on_average(result)
    names = display.metrics(figures)
    labels = [display.wording(result, name).short + ("*" if name in marked else "") for name in names]
    columns = []
    for scenario in display.applicable(result):
        cells = []
        for name in names:
            figure = figures.get((scenario.name, name))
            cells.append(display.metric_cell(result, figure, short=True) if figure else display.Cell("", ""))
        columns.append((_heading(scenario.name), cells))
    label_width = max(map(len, labels), default=0)
    return "\n\n".join(_metric_block(labels, block, label_width) for block in _blocks(columns, WIDTH - label_width))


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


def decision_table(result: RunResult) -> str:
    """Levers against the baseline, and those that do not apply; without a lever there is nothing to decide."""
    lines = _decision_lines(result) if display.levers(result) else []  # the head's first
    text = [display.span(result), *_decided(result, lines)] if lines else []
    text += [
        wrapped(f"{scenario.name}: does not apply: {scenario.not_applicable}")
        for scenario in result.scenarios
        if scenario.not_applicable
    ]
    return "\n".join(text)


def _decided(result: RunResult, lines: list[list[str]]) -> list[str]:
    """Lines of a decision as text, each scenario with what backs it."""
    widths = [max(len(line[k]) for line in lines) for k in range(1, len(lines[0]))]
    if WIDTH - sum(widths) - _GAP * len(widths) < _NARROWEST:
        lines = _decision_lines(result, short=True)
        widths = [max(len(line[k]) for line in lines) for k in range(1, len(lines[0]))]
    label = max(1, min(max(len(line[0]) for line in lines), WIDTH - sum(widths) - _GAP * len(widths)))
    backing = {s.name: _backing(s) for s in result.scenarios}
    text = []
    for name, *cells in lines:
        first, *below = _heading(name, label, "  ")
        text += [_line(first, cells, widths, label), *below]
        if backing.get(name):
            text.append(f"  {backing[name]}")
    return text


def _decision_lines(result: RunResult, *, short: bool = False) -> list[list[str]]:
    """Heading and one line per scenario; the interval on average has a column where there is one."""
    decisions = display.decisions(result, short=short)
    has_average = any(d.delta and d.delta.average for d in decisions)
    heads = [_heading(head, _HEAD) for head in ("", "mean", f"90{NBSP}% interval", "on average", SURE, BEST, REGRET)]
    height = max(map(len, heads))
    lines = [[([""] * (height - len(head)) + head)[k] for head in heads] for k in range(height)]
    for d in decisions:
        value, interval, average = d.delta or ("", "", "")
        lines.append([d.scenario.name, value, interval, average, d.p_better, d.p_best, d.expected_loss])
    return lines if has_average else [line[:3] + line[4:] for line in lines]


def _backing(scenario: ScenarioDescription) -> str:
    """What stands beside a lever: its evidence, and whether it is an example."""
    parts = (evidence.beside(scenario), "example effect" if scenario.illustrative else "")
    return ", ".join(part for part in parts if part)


def _line(label: str, cells: Sequence[str], widths: Sequence[int], label_width: int) -> str:
    text = label.ljust(label_width)
    for cell, width in zip(cells, widths, strict=True):
        text += " " * _GAP + cell.rjust(width)
    return text.rstrip()


def _heading(name: str, width: int = _NAME, indent: str = "") -> list[str]:
    """A scenario's name in pieces that end at an underscore where they can."""
    if len(name) <= width:
        return [name]
    pieces = textwrap.wrap(name.replace("_", "_ "), width, subsequent_indent=indent)
    return [piece.replace("_ ", "_") for piece in pieces] or [""]


def wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.replace(NBSP, " ").split()), WIDTH)


def quality_table(lines: Sequence[QualityLine]) -> str:
    """The table of `clvsim check`, at most 100 columns where the log's own words allow."""
    wide = max(len(line.label) for line in lines)
    out = []
    for line in lines:
        mark = "!" if line.level == "warning" else " "
        text = f"{mark} {line.label:<{wide}}  {line.value}" + (f"  ({line.note})" if line.note else "")
        out.append(text if len(text) <= WIDTH else _hanging(text, wide + 4))
    return "\n".join(out)


def _hanging(text: str, indent: int) -> str:
    """A row that is too long, its later lines below the second column."""
    label, rest = text[:indent], text[indent:]
    lines = textwrap.wrap(rest, max(WIDTH - indent, WIDTH // 2), break_long_words=False, break_on_hyphens=False)
    return label + ("\n" + " " * indent).join(lines)


def posterior_table(fitted: FittedModels) -> str:
    """Mean and 90 % interval of each parameter, then the diagnostics; before all, why money can hardly be relied on."""
    posterior = fitted.posterior
    wide = max(28, *(len(name) + 2 for name in posterior.retention))
    alarm = fitted.spend.alarm(posterior.spend)
    rows = [wrapped(f"{ALARM}{alarm}"), ""] if alarm else []
    if several := several_of(fitted.retention):
        rows += [wrapped(f"The models share the draws: {shares(several.kinds)}."), ""]
    rows += [f"{'parameter':<{wide}}{'mean':>10}{'5 %':>10}{'95 %':>10}"]
    for group in (posterior.retention, posterior.spend):
        for name, values in group.items():
            if "path[" in name or (several and name == MODEL):
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
