"""The page's figures. Each function takes a run and returns a Matplotlib figure."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from clvsim.report import book_figures, display, history_figures, over_time, schedule
from clvsim.report import format as fmt
from clvsim.report.drawing import (
    GAIN,
    INK,
    LOSS,
    MUTED,
    NORMAL,
    SMALL,
    WIDTH,
    inline,
    style,
    svg,
    wrap,
)
from clvsim.report.ticks import money_ticks
from clvsim.types import PaybackCurve, RunResult, ScenarioDescription, Tracking
from clvsim.validation.vocabulary import ORDERS, Vocabulary

POINTS = 72.0
_LINE = 1.3  # line height in font sizes


class Drawing(NamedTuple):
    """A finished figure: the file, and the element of the page, in its colours."""

    name: str
    file: str
    element: str
    alternative_text: str


def drawings(result: RunResult) -> dict[str, Drawing]:
    """All figures that the run has data for: `difference`, `payback`, `tracking`, those of the books, and schedules."""
    figures = {}
    if not result.tracking.untracked:
        words = display.vocabulary(result)
        alternative_text = tracking_alternative_text(result, words)
        figures["tracking"] = make_drawing("tracking", partial(tracking_figure, words=words), result, alternative_text)
    if difference_scenarios(result):
        alternative_text = difference_alternative_text(result)
        figures["difference"] = make_drawing("difference", difference_figure, result, alternative_text)
    if payback_scenarios(result):
        figures["payback"] = make_drawing("payback", payback_figure, result, payback_alternative_text(result))
    for name, (draw, alternative_text) in history_figures.drawn(result).items():
        figures[name] = make_drawing(name, draw, result, alternative_text)
    if len(over_time.book(result, "cohort_revenue")):
        alternative_text = book_figures.months_alternative_text(result)
        figures["months"] = make_drawing("months", book_figures.months_figure, result, alternative_text)
    if over_time.spread(result):
        alternative_text = book_figures.spread_alternative_text(result)
        figures["spread"] = make_drawing("spread", book_figures.spread_figure, result, alternative_text)
    for number, lines in enumerate(schedule.scheduled(result).values()):
        name, alternative_text = schedule.name_of(number), schedule.alternative_text(lines, result.currency)
        figures[name] = make_drawing(name, schedule.schedule_figure, (result, lines), alternative_text)
    return figures


def make_drawing[Source](name: str, draw: Callable[[Source], Figure], source: Source, alternative_text: str) -> Drawing:
    """Draw `source` once, as wide as a figure is on the page."""
    with style():
        file = svg(draw(source))
    return Drawing(name, file, inline(file, name, alternative_text), alternative_text)


# --- Difference from the baseline, one row per lever ---------------------------------------------------------------


def difference_scenarios(result: RunResult) -> list[ScenarioDescription]:
    rows = display.decisive(result)
    return [s for s in display.levers(result) if s.name in result.delta_draws and s.name in rows]


def difference_figure(result: RunResult) -> Figure:
    """Each lever's difference: its distribution on average, mean and 90 % intervals, around a common zero line."""
    scenarios = difference_scenarios(result)
    rows = display.decisive(result)
    left, right, top = 0.35, 0.35, 0.05
    inner = (WIDTH - 0.1) * POINTS
    label = wrap(f"{_difference_label(result)}, {fmt.months(result.horizon_months)}", inner - 2 * left * POINTS)
    bottom = 0.36 + len(label.splitlines()) * SMALL * _LINE / POINTS
    titles = [wrap(s.title + (" (example effect)" if s.illustrative else ""), inner, NORMAL) for s in scenarios]
    captions = [wrap(difference_caption(result, s, rows[s.name]), inner) for s in scenarios]
    # Heights of each row in inches: title, caption, density, interval.
    heads = [
        (len(t.splitlines()) * NORMAL + len(c.splitlines()) * SMALL) * _LINE / POINTS + 0.06
        for t, c in zip(titles, captions, strict=True)
    ]
    hill, foot = 0.42, 0.22
    height = sum(heads) + len(heads) * (hill + foot)
    figure = Figure(figsize=(WIDTH, height + bottom + top))
    axes = figure.add_axes(
        (left / WIDTH, bottom / (height + bottom + top), 1 - (left + right) / WIDTH, height / (height + bottom + top))
    )
    axes.set_ylim(height, 0)
    axes.set_xlim(*difference_range(result))
    y = 0.0
    for scenario, title, caption, head in zip(scenarios, titles, captions, heads, strict=True):
        line = len(title.splitlines()) * NORMAL * _LINE / POINTS
        _row_text(figure, axes, y, title, NORMAL, INK)
        _row_text(figure, axes, y + line, caption, SMALL, MUTED)
        row = rows[scenario.name]
        _difference_row(axes, row, result.delta_draws[scenario.name], y + head + hill, hill)
        y += head + hill + foot
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    unit = display.wording(result, display.decision_metric(result)).unit
    currency = result.currency if unit == "money" else ""
    axes.set_xticks(*money_ticks(*axes.get_xlim(), 5, currency))
    axes.set_xlabel(label)
    return figure


def _row_text(figure: Figure, axes: Axes, y: float, text: str, size: float, colour: str) -> None:
    axes.text(
        0.003,
        y,
        text,
        transform=blended_transform_factory(figure.transFigure, axes.transData),
        ha="left",
        va="top",
        fontsize=size,
        color=colour,
        linespacing=_LINE * 0.85,
        zorder=4,
    )


def _difference_row(axes: Axes, figure: display.Figure, draws: np.ndarray, base: float, hill: float) -> None:
    best, may = figure
    grid = np.linspace(*axes.get_xlim(), 401)
    grid = np.sort(np.append(grid, [0.0]))
    height = density(draws, grid)
    if height.max() > 0:
        curve = base - hill * 0.92 * height / height.max()
        for colour, side in ((LOSS, grid <= 0), (GAIN, grid >= 0)):
            axes.fill_between(grid, base, curve, where=side, color=colour, alpha=0.35, lw=0, zorder=1)
    axes.plot([0, 0], [base - hill, base + 0.14], color=MUTED, lw=0.9, zorder=3, gid="zero")
    for ends, weight, name in ((may, 1.0, "may"), (best, 3.0, "average"))[: 1 + figure.on_average]:
        where = [ends.delta_p05, ends.delta_p95]
        axes.plot(where, [base + 0.07] * 2, color=INK, lw=weight, solid_capstyle="butt", zorder=4, gid=name)
    axes.plot([best.delta_mean], [base + 0.07], "o", color=INK, ms=4.5, mew=0, zorder=5)


def density(draws: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Gaussian kernel density of `draws` at `grid`, Silverman's bandwidth; zero everywhere if all draws are equal."""
    spread = min(draws.std(), (np.quantile(draws, 0.75) - np.quantile(draws, 0.25)) / 1.349) or draws.std()
    if not spread > 1e-9 * max(1.0, float(np.abs(draws).max())):
        return np.zeros(grid.shape)
    width = 0.9 * spread * draws.size**-0.2
    bins = np.histogram(draws, bins=512)
    centres = (bins[1][1:] + bins[1][:-1]) / 2
    kernel = np.exp(-0.5 * ((grid[:, None] - centres[None, :]) / width) ** 2)
    return kernel @ bins[0] / (draws.size * width * math.sqrt(2 * math.pi))


def difference_range(result: RunResult) -> tuple[float, float]:
    """Limits of the common axis: zero, every interval and all but each lever's outermost 0.5 % of draws."""
    rows = display.decisive(result)
    points = [0.0]
    for scenario in difference_scenarios(result):
        points += [*np.quantile(result.delta_draws[scenario.name], [0.005, 0.995])]
        points += [end for row in rows[scenario.name] for end in (row.delta_p05, row.delta_p95)]
    low, high = min(points), max(points)
    pad = 0.06 * (high - low) or 1.0
    return low - pad, high + pad


def difference_caption(result: RunResult, scenario: ScenarioDescription, figure: display.Figure) -> str:
    """The numbers of one row in words: a reader need not measure the picture."""
    delta, row = display.delta_cell(result, figure), figure.best
    text = f"{delta.value} {delta.interval}" + (f", on average {delta.average}" if delta.average else "")
    if scenario.is_what_if:
        return f"{text}; if what is stated is right"
    if math.isnan(row.p_better):
        return text
    return f"{text}; {fmt.sure(row.p_better, row.p_better_mcse)} sure that it is better on average"


def _difference_label(result: RunResult) -> str:
    return f"Difference in {display.wording(result, display.decision_metric(result)).label.lower()} from the baseline"


def difference_alternative_text(result: RunResult) -> str:
    rows = display.decisive(result)
    lines = [f"{s.title}: {difference_caption(result, s, rows[s.name])}" for s in difference_scenarios(result)]
    return f"{_difference_label(result)}, with 90 % intervals. {'. '.join(lines)}."


# --- Cumulative cash per acquired customer -------------------------------------------------------------------------


def payback_scenarios(result: RunResult) -> list[ScenarioDescription]:
    return [s for s in display.applicable(result) if s.name in result.payback] if result.acquisition_known else []


def payback_figure(result: RunResult) -> Figure:
    """Cumulative cash by month of age, the first order at 0: the baseline with its band, levers as lines beside it."""
    scenarios = payback_scenarios(result)
    curves = [result.payback[s.name] for s in scenarios]
    first, others = curves[0], curves[1:]
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(first.months, first.p05, first.p95, color=GAIN, alpha=0.2, lw=0)
    for curve in others:
        axes.plot(curve.months, curve.mean, color=MUTED, lw=0.9, ls=(0, (5, 2)), gid="lever")
    axes.plot(first.months, first.mean, color=GAIN, lw=1.8, gid="mean")
    for cost in sorted({curve.cac_mean for curve in others} - {first.cac_mean}):
        axes.axhline(cost, color=LOSS, lw=0.6, ls=(0, (1, 2)), gid="cac of a lever")
    axes.axhline(first.cac_mean, color=LOSS, lw=1.1, ls=(0, (4, 2)), gid="cac")
    if math.isfinite(first.payback_p50_months):
        axes.plot([first.payback_p50_months], [first.cac_mean], "o", color=LOSS, ms=5, mew=0, zorder=5, gid="payback")
    low, high = _payback_range(curves)
    axes.set_ylim(low, high)
    axes.set_yticks(*money_ticks(low, high, 4, result.currency))
    last = float(first.months[-1])
    axes.set_xlim(0, last)
    axes.set_xticks(np.arange(0, last + 0.5, next((step for step in (1, 3, 6, 12, 24) if last / step <= 6), 60)))
    axes.set_xlabel("Months since the first order")
    axes.set_ylabel(_cash_label(result))
    axes.text(0, 1.03, "━ as today, 90 % band", transform=axes.transAxes, color=GAIN, va="bottom", ha="left")
    if others:
        axes.text(0.5, 1.03, "╌ levers", transform=axes.transAxes, color=MUTED, va="bottom", ha="center")
    axes.text(1, 1.03, "╌ acquisition cost", transform=axes.transAxes, color=LOSS, va="bottom", ha="right")
    return figure


def _payback_range(curves: list[PaybackCurve]) -> tuple[float, float]:
    low = min(0.0, *(float(c.p05.min()) for c in curves))
    return low, 1.06 * max(max(float(c.p95.max()), c.cac_mean) for c in curves)


def payback_phrase(result: RunResult, name: str) -> str:
    """When the median draw has paid back, in words."""
    months = result.payback[name].payback_p50_months
    verb = "paid back" if result.margin_known else "cost covered"
    if not math.isfinite(months):
        return f"not {verb} within {fmt.months(result.horizon_months)}"
    return f"{verb} after {fmt.months(round(months))}" if months else f"{verb} with the first order"


def _cash_label(result: RunResult) -> str:
    kind = "contribution" if result.margin_known else "revenue"
    return f"{kind.capitalize()} so far per new customer"


def payback_alternative_text(result: RunResult) -> str:
    lines = [f"{s.title}: {payback_phrase(result, s.name)}" for s in payback_scenarios(result)]
    return f"{_cash_label(result)} by month since the first order, against acquisition cost. {'. '.join(lines)}."


# --- Weekly repeat orders ------------------------------------------------------------------------------------------


class HasTracking(Protocol):
    """A run, or a model of a validation."""

    @property
    def tracking(self) -> Tracking: ...


def tracking_figure(result: HasTracking, *, words: Vocabulary = ORDERS) -> Figure:
    """Actual weekly orders over the predicted mean and band; the weeks held back are marked."""
    tracking = result.tracking
    weeks = tracking.week_start.astype("datetime64[D]").astype(object)
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(weeks, tracking.p05, tracking.p95, color=GAIN, alpha=0.22, lw=0)
    axes.plot(weeks, tracking.mean, color=GAIN, lw=1.8, gid="mean")
    axes.plot(weeks, tracking.actual, color=INK, lw=0.9, marker="o", ms=2, gid="actual")
    axes.set_ylim(0, 1.16 * max(1.0, float(np.nanmax([tracking.actual.max(), np.nanmax(tracking.p95)]))))
    if len(weeks) > 1:
        axes.set_xlim(weeks[0], weeks[-1])
    if tracking.holdout_from is not None:
        _mark_holdout(axes, tracking.holdout_from)
    axes.set_ylabel(f"{words.repeat.capitalize()} per week")
    high = axes.get_ylim()[1]
    axes.set_yticks([t for t in MaxNLocator(5, integer=True).tick_values(0, high) if 0 <= t <= high])
    minticks, maxticks = 2, 6
    locator = mdates.AutoDateLocator(minticks=minticks, maxticks=maxticks)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axes.xaxis.get_offset_text().set_color(MUTED)
    axes.text(0, 1.03, "● actual", transform=axes.transAxes, color=INK, va="bottom", ha="left")
    axes.text(1, 1.03, "━ predicted, with 90 % band", transform=axes.transAxes, color=GAIN, va="bottom", ha="right")
    return figure


def _mark_holdout(axes: Axes, start: np.datetime64) -> None:
    position = mdates.date2num(start.astype("datetime64[D]").astype(object))
    low, high = axes.get_xlim()
    share = (position - low) / (high - low)
    axes.axvline(position, color=MUTED, lw=0.9, ls=(0, (2, 2)), gid="holdout")
    room = 0.18  # share of the width that either word needs
    words = [("fitted", -4, "right", share > room), ("held back", 4, "left", 1 - share > room)]
    for word, offset, side, fits in words:
        if fits:
            axes.annotate(
                word,
                (position, 0.98),
                xycoords=axes.get_xaxis_transform(),
                xytext=(offset, 0),
                textcoords="offset points",
                ha=side,
                va="top",
                color=MUTED,
            )


def tracking_alternative_text(result: HasTracking, words: Vocabulary = ORDERS) -> str:
    tracking = result.tracking
    text = (
        f"Actual and predicted {words.repeat} per week over {len(tracking.actual)} weeks: "
        f"{fmt.number(float(tracking.actual.sum()))} actual, {fmt.number(float(tracking.mean.sum()))} predicted."
    )
    return text + (" A dashed line marks where the held-back weeks begin." if tracking.holdout_from is not None else "")
