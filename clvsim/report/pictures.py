"""The figures of answers: ranges on a common axis, and curves with a band and marked places."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from clvsim.report import format as fmt
from clvsim.report.drawing import FAINT, GAIN, INK, LOSS, MUTED, NORMAL, SMALL, style, svg, text_width, wrap
from clvsim.report.ticks import money_ticks

WIDE, _ROW = 7.8, 0.42  # inches


class Span(NamedTuple):
    """One row: a dot at `middle` on a bar from `low` to `high`; nan leaves either out."""

    label: str
    low: float
    middle: float
    high: float


class Ranges(NamedTuple):
    """Rows on an axis in money of a `currency`, or in shares; `marks` are upright lines with a label each."""

    rows: tuple[Span, ...]
    axis: str
    unit: str = "money"  # or share
    currency: str = ""
    marks: tuple[tuple[float, str], ...] = ()


class Line(NamedTuple):
    """A curve at the figure's places, with a band where there is one."""

    label: str
    mean: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None


class Curves(NamedTuple):
    """Lines over places `at` (n,), `across` and `up` being what the axes show; `marks` as of `Ranges`."""

    at: np.ndarray
    lines: tuple[Line, ...]
    across: str
    up: str
    currency: str = ""
    marks: tuple[tuple[float, str], ...] = ()
    across_currency: str = ""
    logarithmic: bool = False


type Picture = Ranges | Curves


def picture_file(picture: Picture) -> str:
    """The picture as an SVG file. Same numbers, same bytes."""
    with style():
        return svg(ranges_figure(picture) if isinstance(picture, Ranges) else curves_figure(picture))


def ranges_figure(picture: Ranges, width: float = WIDE) -> Figure:
    labels = [wrap(row.label, 0.36 * width * 72, NORMAL) for row in picture.rows]
    left = max(text_width(line, NORMAL) for label in labels for line in label.splitlines()) / 72 + 0.2
    rows = [max(_ROW, 0.19 * len(label.splitlines())) for label in labels]
    top, bottom = 0.28 if picture.marks else 0.1, 0.52
    height = sum(rows) + top + bottom
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((left / width, bottom / height, 1 - (left + 0.3) / width, sum(rows) / height))
    places = np.cumsum(rows) - np.array(rows) / 2
    for row, place in zip(picture.rows, places, strict=True):
        if np.isfinite([row.low, row.high]).all():
            axes.plot([row.low, row.high], [place, place], color=GAIN, lw=5, alpha=0.35, solid_capstyle="butt")
        if np.isfinite(row.middle):
            axes.plot([row.middle], [place], "o", color=GAIN, ms=5)
    axes.set_ylim(sum(rows), 0)
    axes.set_yticks(places, labels, color=INK, fontsize=NORMAL)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    values = [v for row in picture.rows for v in row[1:] if np.isfinite(v)] + [at for at, _ in picture.marks]
    low, high = min(values, default=0.0), max(values, default=1.0)
    low = min(low, 0.0) if low < 0.4 * high else low
    room = 0.05 * ((high - low) or abs(high) or 1.0)
    axes.set_xlim(low - room, high + room)
    if low <= 0 <= high:
        axes.axvline(0, color=FAINT, lw=0.8, zorder=0)
    _amounts(axes.set_xticks, low - room, high + room, picture.unit, picture.currency)
    axes.set_xlabel(wrap(picture.axis, (width - left - 0.3) * 72))
    _mark(axes, picture.marks)
    return figure


def curves_figure(picture: Curves, width: float = WIDE) -> Figure:
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    axes = figure.subplots()
    for line, colour in zip(picture.lines, (GAIN, LOSS, INK, MUTED), strict=False):
        if line.low is not None and line.high is not None:
            axes.fill_between(picture.at, line.low, line.high, color=colour, alpha=0.2, lw=0)
        axes.plot(picture.at, line.mean, color=colour, lw=1.6, label=line.label)
    ends = [part for line in picture.lines for part in (line.mean, line.low, line.high) if part is not None]
    values = np.concatenate([np.asarray(part, float) for part in ends])
    low, high = min(0.0, float(np.nanmin(values))), max(0.0, float(np.nanmax(values)))
    room = 0.06 * ((high - low) or 1.0)
    axes.set_ylim(low - room * (low < 0), high + room)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    axes.set_yticks(*money_ticks(*axes.get_ylim(), 5, picture.currency))
    if picture.logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: fmt.number(value, 0 if value >= 1 else -2)))
    elif picture.across_currency:
        axes.set_xticks(*money_ticks(*axes.get_xlim(), 6, picture.across_currency))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.set_xlabel(picture.across)
    axes.set_ylabel(picture.up)
    _mark(axes, picture.marks)
    if len(picture.lines) > 1:
        axes.legend(frameon=False, fontsize=SMALL, loc="best")
    return figure


def _mark(axes: Axes, marks: tuple[tuple[float, str], ...]) -> None:
    """Upright lines, each with its label above, on the side where there is room."""
    low, high = axes.get_xlim()
    for at, label in marks:
        axes.axvline(at, color=LOSS, lw=1.0, ls=(0, (4, 2)))
        right = at > (low + high) / 2
        axes.annotate(
            label,
            (at, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-3 if right else 3, 3),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            color=LOSS,
            fontsize=SMALL,
        )


def _amounts(set_ticks: Callable, low: float, high: float, unit: str, currency: str) -> None:
    if unit == "share":
        ticks = [float(t) for t in MaxNLocator(6).tick_values(low, high) if low <= t <= high]
        set_ticks(ticks, [fmt.percent(t, -2).replace(fmt.NBSP, " ") for t in ticks])
    else:
        set_ticks(*money_ticks(low, high, 7, currency))
