"""Figures of the validation page. Each takes a validation and returns a Matplotlib figure."""

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clvsim.report import format as fmt
from clvsim.report.drawing import FAINT, GAIN, INK, LOSS, MUTED, WIDTH, wrap
from clvsim.report.figures import POINTS, Drawing, make_drawing, tracking_alternative_text, tracking_figure
from clvsim.report.validation_text import mean, span
from clvsim.validation.result import ModelCheck, Validation

PIT_BINS = 10
_WEIGHTS = (5.5, 3.2, 1.4)  # line widths of the narrowest to the fullest set of layers


def drawings(validation: Validation) -> dict[str, Drawing]:
    """All figures, by name."""
    plots = {
        "totals": (totals_figure, totals_text),
        "cumulative": (cumulative_figure, cumulative_text),
        "classes": (classes_figure, classes_text),
        "active": (active_figure, active_text),
        "pit": (pit_figure, pit_text),
    }
    figures = {
        name: make_drawing(name, draw, validation, alternative_text(validation))
        for name, (draw, alternative_text) in plots.items()
    }
    weekly = partial(tracking_figure, words=validation.words)
    alternative_text = tracking_alternative_text(validation.trusted_model, validation.words)
    return {**figures, "tracking": make_drawing("tracking", weekly, validation.trusted_model, alternative_text)}


def panels(validation: Validation, height: float, *, square: bool = False) -> Iterator[tuple[Axes, ModelCheck]]:
    """One panel per model with common axes, two abreast."""
    across = min(len(validation.models), 2)
    lines = math.ceil(len(validation.models) / across)
    figure = Figure(figsize=(WIDTH, lines * height + 0.35), layout="constrained")
    axes = figure.subplots(lines, across, sharex=True, sharey=True, squeeze=False).reshape(-1)
    for panel, check in zip(axes, validation.models, strict=False):
        panel.set_title(wrap(check.model, WIDTH / across * POINTS), loc="left", color=INK, fontsize="medium")
        if square:
            panel.set_aspect("equal")
        yield panel, check
    for panel in axes[len(validation.models) :]:
        panel.set_visible(False)


def _label_axes(axes: list[Axes], x: str, y: str) -> Figure:
    """Common labels; returns the panels' figure."""
    figure = axes[0].figure
    assert isinstance(figure, Figure)
    figure.supxlabel(x, color=MUTED, fontsize="medium")
    figure.supylabel(y, color=MUTED, fontsize="medium")
    return figure


def totals_figure(validation: Validation) -> Figure:
    """Each model's interval of all orders, one bar per set of layers inside the other, and what came."""
    figure = Figure(figsize=(WIDTH, 0.75 + 0.5 * len(validation.models)), layout="constrained")
    axes = figure.subplots()
    for row, check in enumerate(validation.models):
        forecasts = list(check.total.forecasts.values())
        for f, weight in zip(forecasts, _WEIGHTS[-len(forecasts) :], strict=True):
            axes.plot([f.p05, f.p95], [row, row], color=GAIN, lw=weight, alpha=0.55, solid_capstyle="butt")
        axes.plot([forecasts[-1].mean], [row], "o", color=INK, ms=4.5, mew=0, zorder=5)
    actual = validation.own_model.total.actual
    axes.axvline(actual, color=LOSS, lw=1.3, ls=(0, (4, 2)), gid="actual")
    axes.annotate(
        f"actual {fmt.number(actual)}",
        (actual, 1),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 2),
        textcoords="offset points",
        ha="center",
        va="bottom",
        color=LOSS,
    )
    axes.set_yticks(range(len(validation.models)), [m.model for m in validation.models])
    axes.tick_params(axis="y", length=0, labelcolor=INK)
    axes.set_ylim(len(validation.models) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel(
        wrap(
            f"{validation.words.many.capitalize()} of all customers in the {validation.holdout_days} days held back",
            (WIDTH - 1) * POINTS,
        )
    )
    return figure


def totals_text(validation: Validation) -> str:
    lines = [f"{m.model}: {mean(m.total.full_forecast)} {span(m.total.full_forecast)}" for m in validation.models]
    orders, actual = validation.words.many.capitalize(), validation.own_model.total.actual
    return f"{orders} expected of all customers with 90 % intervals: {'; '.join(lines)}. Actual: {actual}."


def cumulative_figure(validation: Validation) -> Figure:
    """Orders since today by week, predicted with its band and actual, one panel per model."""
    used_axes = []
    for axes, check in panels(validation, 2.1):
        c, weeks = check.cumulative, np.arange(check.cumulative.actual.size + 1)
        low, middle, high, actual = (np.concatenate([[0], v]) for v in (c.p05, c.mean, c.p95, c.actual))
        axes.fill_between(weeks, low, high, color=GAIN, alpha=0.22, lw=0)
        axes.plot(weeks, middle, color=GAIN, lw=1.8, gid="mean")
        axes.plot(weeks, actual, color=INK, lw=1.3, gid="actual")
        axes.set_xlim(0, max(1, weeks[-1]))
        axes.set_ylim(0)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        used_axes.append(axes)
    return _label_axes(used_axes, "Weeks since today", f"{validation.words.many.capitalize()} since today")


def cumulative_text(validation: Validation) -> str:
    orders, days = validation.words.many.capitalize(), validation.holdout_days
    return f"{orders} added up week by week over the {days} days held back, predicted and actual, by model."


def classes_figure(validation: Validation) -> Figure:
    """Orders per customer by repeat orders in calibration: predicted with its interval, and actual."""
    used_axes = []
    for axes, check in panels(validation, 2.1):
        positions = np.arange(len(check.classes))
        n = np.array([g.customers for g in check.classes], float)
        bands = [g.full_forecast for g in check.classes]
        low, middle, high = (np.array([getattr(b, k) for b in bands]) / n for k in ("p05", "mean", "p95"))
        axes.vlines(positions, low, high, color=GAIN, lw=5, alpha=0.35)
        axes.plot(positions, middle, color=GAIN, lw=1.2, marker="o", ms=3.5, mew=0, gid="mean")
        axes.plot(
            positions, [g.actual / g.customers for g in check.classes], "D", color=INK, ms=3.5, mew=0, gid="actual"
        )
        axes.set_xticks(positions, [g.label for g in check.classes])
        axes.set_ylim(0)
        used_axes.append(axes)
    words = validation.words
    return _label_axes(used_axes, f"{words.repeat.capitalize()} up to today", f"{words.many.capitalize()} per customer")


def classes_text(validation: Validation) -> str:
    lines = [
        f"{g.label} {validation.words.repeat}: {g.actual} actual, {fmt.number(g.full_forecast.mean)} predicted"
        for g in validation.trusted_model.classes
    ]
    words = validation.words
    return (
        f"{words.many.capitalize()} held back by {words.repeat} up to today, {validation.trusted_model.model}. "
        f"{'; '.join(lines)}."
    )


def active_figure(validation: Validation) -> Figure:
    """Share of customers who ordered against their predicted chance; a model that is right lies on the diagonal."""
    used_axes = []
    for axes, check in panels(validation, 2.4, square=True):
        bins = check.by_active
        chance, observed = [b.active for b in bins], [b.observed for b in bins]
        axes.plot([0, 1], [0, 1], color=FAINT, lw=1, gid="diagonal")
        axes.vlines(chance, [b.low for b in bins], [b.high for b in bins], color=GAIN, lw=5, alpha=0.35)
        axes.plot(chance, observed, "o", color=INK, ms=4, mew=0, gid="observed")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(2))
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        used_axes.append(axes)
    return _label_axes(used_axes, f"Predicted chance to {validation.words.do}", f"Share who {validation.words.did}")


def active_text(validation: Validation) -> str:
    words, check = validation.words, validation.trusted_model
    lines = [f"{fmt.percent(b.active)} predicted, {fmt.percent(b.observed)} {words.did}" for b in check.by_active]
    return f"Chance to {words.do} in the days held back against the share who did, {check.model}: {'; '.join(lines)}."


def pit_figure(validation: Validation) -> Figure:
    """Where customers fell in what was expected of them: flat for a model that is right."""
    used_axes = []
    for axes, check in panels(validation, 1.7):
        share = np.histogram(check.pit, PIT_BINS, (0, 1))[0] / check.pit.size
        even = 1 / PIT_BINS
        half = 1.6449 * math.sqrt(even * (1 - even) / check.pit.size)
        axes.bar((np.arange(PIT_BINS) + 0.5) / PIT_BINS, share, 0.92 / PIT_BINS, color=GAIN, alpha=0.55, lw=0)
        axes.axhspan(even - half, even + half, color=LOSS, alpha=0.2, lw=0)
        axes.axhline(even, color=LOSS, lw=1.1, ls=(0, (4, 2)), gid="even")
        axes.set_xlim(0, 1)
        axes.xaxis.set_major_locator(MaxNLocator(2))
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        used_axes.append(axes)
    return _label_axes(used_axes, "Place in the predicted distribution", "Customers")


def pit_text(validation: Validation) -> str:
    lines = [f"{m.model}: {fmt.percent(m.central)} in the central 80 %" for m in validation.models]
    return f"Where customers fell in their predicted distributions. {'; '.join(lines)}."
