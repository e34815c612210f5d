"""The figure of a sweep: a curve with its band and where the best value lies, or a table of two keys in colours."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure

from clvsim.report import format as fmt
from clvsim.report.drawing import FAINT, GAIN, INK, LOSS, MUTED, SMALL, clean, style, svg, wrap
from clvsim.report.figures import POINTS, density
from clvsim.report.sweep_text import Story, short_name, value_text
from clvsim.report.ticks import money_ticks

WIDE = 7.8  # inches: a file of its own
_FEWEST_LEVELS = 5


def draw(story: Story) -> str:
    """The figure as an SVG file; "" where there is none to be drawn."""
    figure = None
    with style():
        if len(story.keys) == 2 and story.kind != "level" and story.ordered:
            figure = map_figure(story)
        elif len(story.keys) == 1 and story.outcome.curve:
            figure = curve_figure(story)
        elif len(story.keys) == 1 and story.kind == "level" and story.ordered and len(story.values) >= _FEWEST_LEVELS:
            figure = level_figure(story)
        return svg(figure) if figure else ""


def curve_figure(story: Story, width: float = WIDE) -> Figure:
    """Mean difference with its 90 % band on average, the values tried, and below it where the best value lies."""
    curve, found = story.outcome.curve, story.outcome.optimum
    assert curve is not None
    assert found is not None
    height = 3.6
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.1, 0.34, 0.87, 0.58))
    x = found.points[:, 0]
    values, _ = curve.at(found.points)
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    axes.fill_between(x, low, high, color=GAIN, alpha=0.2, lw=0, gid="band")
    axes.plot(x, found.mean, color=GAIN, lw=1.8, gid="mean")
    tried = [float(value) for (value,) in story.values]
    axes.plot(tried, np.mean(story.found.raw, axis=0), "o", color=INK, ms=3.5, mew=0, gid="tried")
    axes.axhline(0, color=MUTED, lw=0.9)
    if found.outcome == "optimum" and story.kind == "choice":
        axes.axvspan(*found.band[0], color=FAINT, alpha=0.35, lw=0, zorder=0, gid="loses-little")
        axes.plot([found.best[0]], [found.gain.value], "o", color=LOSS, ms=6, mew=0, zorder=5, gid="best")
    axes.set_xlim(x[0], x[-1])
    axes.tick_params(labelbottom=False, length=3)
    _money_axis(axes, story)
    axes.set_title(
        clean(f"Δ {story.label.lower()} over {fmt.months(story.horizon_months)}: mean, 90 % interval on average"),
        loc="left",
        fontsize=SMALL,
        color=MUTED,
    )
    below = figure.add_axes((0.1, 0.15, 0.87, 0.16), sharex=axes)
    acting = found.per_draw[np.isfinite(found.per_draw[:, 0]), 0]
    if story.kind == "choice" and acting.size:
        hill = density(acting, x)
        below.fill_between(x, 0, hill, color=LOSS, alpha=0.35, lw=0, gid="optimum")
    below.yaxis.set_visible(False)
    below.spines["left"].set_visible(False)
    below.tick_params(length=3)
    says = "where the best value lies; doing nothing is best in " + fmt.frequency(found.p_nothing)
    label = short_name(story.keys[0]) + (f"  ({says})" if story.kind == "choice" else "")
    below.set_xlabel(wrap(label, 0.87 * width * POINTS))
    return figure


def level_figure(story: Story, width: float = WIDE) -> Figure:
    """The mean level at each value, with its 90 % interval on average."""
    figure = Figure(figsize=(width, 2.9), layout="constrained")
    axes = figure.subplots()
    x = np.array([float(value) for (value,) in story.values])
    table = story.table
    axes.fill_between(x, table["p05"], table["p95"], color=GAIN, alpha=0.2, lw=0, gid="band")
    axes.plot(x, table["mean"], color=GAIN, lw=1.8, marker="o", ms=3.5, gid="mean")
    axes.set_xlim(x[0], x[-1])
    axes.tick_params(length=3)
    _money_axis(axes, story)
    axes.set_xlabel(clean(short_name(story.keys[0])))
    title = f"{story.label} of “{story.title}” over {fmt.months(story.horizon_months)}: mean, 90 % interval on average"
    axes.set_title(wrap(title, 0.9 * width * POINTS), loc="left", fontsize=SMALL, color=MUTED)
    return figure


def map_figure(story: Story, width: float = WIDE) -> Figure:
    """The mean difference at each pair of values, as a colour and a number."""
    first, second = story.axes
    mean = story.table["delta_mean"].to_numpy(float)[1:].reshape(len(first), len(second))
    top = float(np.nanmax(np.abs(mean))) or 1.0
    colours = LinearSegmentedColormap.from_list("clvsim", [LOSS, "#ffffff", GAIN])
    height = 1.0 + 0.32 * len(first)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    edges = [np.arange(n + 1) - 0.5 for n in (len(second), len(first))]
    axes.pcolormesh(*edges, mean, cmap=colours, norm=TwoSlopeNorm(0.0, -top, top), alpha=0.6, lw=0)
    place = fmt.last_place(mean[np.isfinite(mean)], float(story.table["delta_mcse"].median()))
    best = np.unravel_index(int(np.nanargmax(mean)), mean.shape)
    size = SMALL if len(second) <= 10 else SMALL * 10 / len(second)
    for i in range(len(first)):
        for j in range(len(second)):
            text = clean(fmt.compact(mean[i, j], max(place, -2), signed=True))
            weight = "bold" if (i, j) == tuple(best) else "normal"
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=INK, fontweight=weight)
    axes.set_xticks(range(len(second)), [clean(value_text(v)) for v in second])
    axes.set_yticks(range(len(first)), [clean(value_text(v)) for v in first])
    axes.set_xlabel(clean(short_name(story.keys[1])))
    axes.set_ylabel(clean(short_name(story.keys[0])))
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title = f"Δ {story.label.lower()} over {fmt.months(story.horizon_months)}, mean"
    axes.set_title(clean(title), loc="left", fontsize=SMALL, color=MUTED)
    return figure


def _money_axis(axes: Axes, story: Story) -> None:
    currency = story.currency if story.unit == "money" else ""
    axes.set_yticks(*money_ticks(*axes.get_ylim(), 6, currency))
