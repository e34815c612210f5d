"""What levers do over time: a figure per scenario, a strip for each quantity, and its words."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clvsim.report import format as fmt
from clvsim.report.drawing import FAINT, GAIN, INK, MUTED, SMALL, WIDTH, wrap
from clvsim.simulation.schedule import MOST_LINES, MOST_SCENARIOS
from clvsim.types import DAYS_PER_MONTH, RunResult, ScheduleLine

POINTS, _LINE = 72.0, 1.3  # of an inch; line height in font sizes
_STRIP, _GAP, _FOOT = 0.24, 0.14, 0.42  # inches
TIMES, POINTS_MORE, SHARE, EACH, MONEY, SHOWN = (
    *(", times", ", plus", "share of visitors", "messages to each", "money", "shown, "),
)


def scheduled(result: RunResult) -> dict[str, list[ScheduleLine]]:
    """Lines by scenario, in the order of the page."""
    found: dict[str, list[ScheduleLine]] = {scenario.name: [] for scenario in result.scenarios}
    for line in result.schedule:
        found[line.scenario].append(line)
    there = [(name, lines[:MOST_LINES]) for name, lines in found.items() if lines]
    return dict(there[:MOST_SCENARIOS])


def name_of(number: int) -> str:
    """Name of the drawing of the scenario with that number among those that have one."""
    return f"schedule_{number + 1}"


def label_of(line: ScheduleLine) -> str:
    """The lever and its quantity: "launch: order rate"."""
    what = line.what.removesuffix(TIMES).removesuffix(POINTS_MORE)
    what = "shown" if what.startswith(SHOWN) else what
    who = "" if line.who in ("", "all customers") else f" ({line.who})"
    return f"{line.lever}: {what}{who}"


def extent(line: ScheduleLine, currency: str) -> str:
    """The lowest and the highest step, or how many days there are: "×0.91 to ×1.28"."""
    if not line.height:
        return "never"
    if line.single and not line.what.startswith(MONEY):
        return f"{len(line.days)} day{'' if len(line.days) == 1 else 's'}"
    if line.what.startswith(SHOWN):
        return {(0.0,): "never", (1.0,): "always"}.get(tuple(sorted(set(line.height))), "at times")
    ends = sorted({min(line.height), max(line.height)})
    place = fmt.last_place(
        [*ends, 1.0] if line.what.endswith(TIMES) else ends, digits=2 if line.what.startswith(EACH) else 3
    )
    words = [_text(line, value, place, currency) for value in ends]
    unit = " a week" if line.what.startswith(EACH) else ""
    unit = " a month" if line.what.startswith(MONEY) and not line.single else unit
    return " to ".join(dict.fromkeys(words)) + unit


def _text(line: ScheduleLine, value: float, place: int, currency: str) -> str:
    if line.what.endswith(TIMES):
        return "×" + fmt.number(value, place)
    if line.what.startswith(MONEY):
        return fmt.money(value, max(place, -2), currency)
    if line.what.startswith(EACH):
        return fmt.number(value, place)
    return fmt.percent(value, max(place, -3), signed=line.what.endswith(POINTS_MORE))


def alternative_text(lines: Sequence[ScheduleLine], currency: str) -> str:
    return f"What levers do over time. {'. '.join(f'{label_of(line)}, {extent(line, currency)}' for line in lines)}."


def schedule_figure(source: tuple[RunResult, Sequence[ScheduleLine]]) -> Figure:
    """Strips below one another, on one axis of months: what nothing changes is a line, what a lever does a hill."""
    result, lines = source
    inner = (WIDTH - 0.2) * POINTS
    heads = [wrap(f"{label_of(line)}, {extent(line, result.currency)}", inner) for line in lines]
    heights = [len(head.splitlines()) * SMALL * _LINE / POINTS + 0.04 for head in heads]
    height = sum(heights) + len(lines) * (_STRIP + _GAP) + _FOOT
    figure = Figure(figsize=(WIDTH, height))
    y = height
    for number, (line, head, taken) in enumerate(zip(lines, heads, heights, strict=True)):
        y -= taken
        figure.text(0.1 / WIDTH, (y + taken) / height, head, va="top", ha="left", color=INK, size=SMALL)
        y -= _STRIP
        axes = figure.add_axes((0.1 / WIDTH, y / height, 1 - 0.2 / WIDTH, _STRIP / height))
        draw_strip(axes, line)
        axes.set_xlim(0, line.end / DAYS_PER_MONTH)
        axes.set_xticks(month_ticks(line.end / DAYS_PER_MONTH, 6))
        if number < len(lines) - 1:
            axes.set_xticklabels([])
            axes.tick_params(axis="x", length=0)
        else:
            axes.set_xlabel("Months from today")
        y -= _GAP
    return figure


def month_ticks(last: float, most: int) -> np.ndarray:
    """Months at which an axis has its ticks, at most so many steps of them."""
    step = next((step for step in (1, 3, 6, 12, 24) if last / step <= most), 60)
    return np.arange(0, last + 0.01, step)


def draw_strip(axes: Axes, line: ScheduleLine) -> None:
    days, heights = (np.array(values, float) for values in (line.days, line.height))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    if line.single:
        axes.vlines(days / DAYS_PER_MONTH, 0, 1, color=GAIN, lw=1.4, clip_on=False)
        axes.set_ylim(0, 1.15)
        return
    nothing = 1.0 if line.what.endswith(TIMES) else 0.0
    edges, steps = np.append(days, line.end) / DAYS_PER_MONTH, np.append(heights, heights[-1:])
    axes.fill_between(edges[: steps.size], nothing, steps, step="post", color=GAIN, alpha=0.35, lw=0)
    axes.step(edges[: steps.size], steps, where="post", color=GAIN, lw=1.1)
    low, high = min(nothing, *heights, nothing), max(nothing, *heights, nothing)
    room = 0.08 * (high - low) if high > low else 1.0
    axes.set_ylim(low - room, high + room)
    if low < nothing:
        axes.axhline(nothing, color=MUTED, lw=0.6)
    axes.spines["bottom"].set_color(FAINT)
