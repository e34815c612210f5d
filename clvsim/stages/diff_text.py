"""What `clvsim diff` prints."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from clvsim.changes import PLAN_VALUE, Change, Changes, Figure, Level, Side
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.track_record import day
from clvsim.stages.bridge import ALL, Bridge
from clvsim.types import RunResult

WIDTH = 100
_SHOWN = 20  # lines of a list
_LONGEST = 40  # characters of a value
CLEAR = 2.0  # Monte Carlo errors from which on a difference is one


def text(found: Changes, bridge: Bridge | None, then: Side, now: Side) -> str:
    """The sentence, the bridge, figures and levers then and now, and what differs."""
    parts = [textwrap.fill(sentence(found, bridge, then, now), WIDTH)]
    if bridge is not None:
        parts.append(_bridge(bridge, now.result))
    headings = ("", f"then ({then.today})", f"now ({now.today})", "change")
    parts.append(_table(headings, [_row(figure, then.result, now.result) for figure in found.figures]))
    if found.levers:
        rows = [_row(figure, then.result, now.result) for figure in found.levers]
        parts.append(_table((f"Δ {_label(PLAN_VALUE, now.result).lower()}", *headings[1:]), rows))
    parts += list(_lists(found))
    parts.append("\n".join(textwrap.fill(note, WIDTH) for note in notes(bridge, then, now)))
    return "\n\n".join(part.replace(fmt.NBSP, " ") for part in parts if part)


def sentence(found: Changes, bridge: Bridge | None, then: Side, now: Side) -> str:
    """Since when by how much the answer has moved, and mostly why, where that was re-run."""
    figure = next(figure for figure in found.figures if figure.metric == PLAN_VALUE)
    change = figure.now.mean - figure.then.mean
    error = bridge.mcse if bridge else math.hypot(figure.then.mcse, figure.now.mcse)
    whole = then.result.acquisition_known or now.result.acquisition_known
    who = "the plan" if whole else "the customers of today"
    since = f"Since the run of {day(str(then.today))}"
    if now.today == then.today:
        since = "Between the two runs"
    if now.result.margin_known != then.result.margin_known:
        money = ["contribution" if side.result.margin_known else "revenue" for side in (then, now)]
        another = f"{since} the money is another: {money[0]} then, {money[1]} now"
        return f"{another}, so that figures cannot be set side by side."
    worth = _worth(now.result, whole=whole)
    if change == 0:
        return f"{since} {who} {worth} exactly as much as before."
    if abs(change) < CLEAR * error:
        size = _money(CLEAR * error, now.result)
        return f"{since} {who} {worth} as much as before, as far as can be told (to within {size})."
    size = _money(abs(change), now.result, error)
    more = "more" if change > 0 else "less"
    return f"{since} {who} {worth} {size} {more}{_because(bridge, now.result)}."


def _worth(result: RunResult, *, whole: bool) -> str:
    if result.margin_known:
        return "is worth" if whole else "are worth"
    return "brings in" if whole else "bring in"


def _because(bridge: Bridge | None, result: RunResult) -> str:
    """`, mostly because of …`: the largest step in the direction of the change, and the largest against it."""
    if bridge is None or bridge.steps[-1].label == ALL:
        return ""
    total = bridge.now - bridge.then
    clear = [step for step in bridge.steps if abs(step.mean) >= CLEAR * step.mcse and step.mean]
    along = sorted((step for step in clear if step.mean * total > 0), key=lambda step: -abs(step.mean))
    against = sorted((step for step in clear if step.mean * total < 0), key=lambda step: -abs(step.mean))
    if not along:
        return ""
    first = along[0]
    words = f", mostly because of {first.label} ({_money(first.mean, result, first.mcse, signed=True)})"
    if against and abs(against[0].mean) > 0.1 * abs(first.mean):
        other = against[0]
        words += f"; {other.label} worked against it ({_money(other.mean, result, other.mcse, signed=True)})"
    return words


def _bridge(bridge: Bridge, result: RunResult) -> str:
    label = _label(PLAN_VALUE, result)
    rows = [(f"{label} then", _money(bridge.then, result, bridge.mcse), "")]
    for step in bridge.steps:
        error = f"± {_money(step.mcse, result, step.mcse)}" if step.mcse > 0 else ""
        rows.append((f"  {step.label}", _money(step.mean, result, step.mcse, signed=True), error))
    rows.append((f"{label} now", _money(bridge.now, result, bridge.mcse), ""))
    return _table(("From then to now, one change at a time", "", "error"), rows)


def _money(value: float, result: RunResult, mcse: float = math.nan, *, signed: bool = False) -> str:
    return fmt.money(value, fmt.last_place([value], mcse), result.currency, signed=signed)


def _label(metric: str, result: RunResult) -> str:
    return display.wording(result, metric).label


def _row(figure: Figure, then: RunResult, now: RunResult) -> tuple[str, ...]:
    name = figure.scenario or _label(figure.metric, now)
    signed = bool(figure.scenario)
    change = figure.now.mean - figure.then.mean
    error = math.hypot(figure.then.mcse, figure.now.mcse)
    same_money = figure.unit != "money" or then.margin_known == now.margin_known
    known = math.isfinite(change) and same_money
    moved = _value(figure, change, _place(figure, [change], error), now, signed=True) if known else ""
    return (name, _cell(figure, figure.then, then, signed=signed), _cell(figure, figure.now, now, signed=signed), moved)


def _cell(figure: Figure, level: Level, result: RunResult, *, signed: bool) -> str:
    if not math.isfinite(level.mean):
        return "–"
    place = _place(figure, [level.mean, level.p05, level.p95], level.mcse)
    mean, low, high = (_value(figure, v, place, result, signed=signed) for v in (level.mean, level.p05, level.p95))
    return f"{mean} [{low}, {high}]" if math.isfinite(level.p05) else mean


def _place(figure: Figure, values: Sequence[float], mcse: float) -> int:
    place = fmt.last_place(values, mcse)
    return max(place, 0) if figure.unit == "count" else place


def _value(figure: Figure, value: float, place: int, result: RunResult, *, signed: bool) -> str:
    if figure.unit == "money":
        return fmt.compact(value, place, result.currency, signed=signed)
    return fmt.number(value, place, signed=signed)


def _lists(found: Changes) -> Iterator[str]:
    """What differs, a block each."""
    blocks = (
        ("Data", found.data),
        ("Inputs", found.inputs),
        ("Scenarios", found.scenarios),
        ("Models", found.models),
        ("Versions", found.versions),
    )
    for heading, lines in blocks:
        if lines:
            yield _table((heading, "then", "now"), [_short(line) for line in lines[:_SHOWN]]) + _more(len(lines))
    if found.moved:
        rows = [
            (one.name, f"{one.then:.4g} ± {one.then_sd:.2g}", f"{one.now:.4g} ± {one.now_sd:.2g}", f"{one.by:+.1f} sd")
            for one in found.moved[:_SHOWN]
        ]
        headings = ("Parameters that moved by more than their sd", "then", "now", "by")
        yield _table(headings, rows) + _more(len(found.moved))


def _short(line: Change) -> tuple[str, str, str]:
    then, now = (value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…" for value in (line.then, line.now))
    return line.key, then, now


def _more(number: int) -> str:
    return f"\n{number - _SHOWN} more in diff.csv" if number > _SHOWN else ""


def notes(bridge: Bridge | None, then: Side, now: Side) -> list[str]:
    """What one has to know to read the tables."""
    months = [side.result.horizon_months for side in (then, now)]
    basis = "Intervals (90 %) hold what may happen: luck and shocks common to all included."
    found = [*(bridge.notes if bridge else ()), basis]
    if months[0] != months[1]:
        found.append(f"Then everybody was followed for {fmt.months(months[0])}, now for {fmt.months(months[1])}.")
    if bridge is None:
        found.append("No change was re-run by itself (bridge=false).")
    if now.today < then.today:
        found.append("The run that counts as now has an earlier today: turn them round?")
    return found


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[k]) for row in (headings, *rows)) for k in range(len(headings))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in (headings, *rows)
    )
