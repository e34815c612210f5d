"""Figures of the books over time. Each function takes a run and returns a Matplotlib figure."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clvsim.report import format as fmt
from clvsim.report import over_time
from clvsim.report.drawing import GAIN, INK, LOSS, MUTED, WIDTH
from clvsim.report.ticks import money_ticks
from clvsim.types import RunResult


def months_figure(result: RunResult) -> Figure:
    """Revenue by calendar month ahead, stacked by cohort, with the band of the sum."""
    table, total = over_time.book(result, "cohort_revenue"), over_time.book(result, "revenue_by_month", group="all")
    groups = list(dict.fromkeys(table["group"]))
    stack = np.array([table["mean"][table["group"] == group].to_numpy(float) for group in groups])
    edges = np.arange(stack.shape[1] + 1.0)
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    upper = np.vstack([np.zeros(stack.shape[1]), np.cumsum(stack, axis=0)])
    new = np.array([not group.startswith("existing") for group in groups])
    for number, is_new in enumerate(new.tolist()):
        alike = np.flatnonzero(new == is_new)
        shade = 0.75 - 0.5 * (number - alike[0]) / max(1, alike.size - 1)
        lower, higher = (np.append(line, line[-1]) for line in upper[number : number + 2])
        axes.fill_between(edges, lower, higher, step="post", color=LOSS if is_new else GAIN, alpha=shade, lw=0)
    for end in ("p05", "p95"):
        line = total[end].to_numpy(float)
        axes.step(edges, np.append(line, line[-1]), where="post", color=INK, lw=0.9, ls=(0, (4, 2)), gid=end)
    high = 1.1 * max(float(total["p95"].max()), float(upper[-1].max()), 1e-9)
    axes.set_ylim(0, high)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_yticks(*money_ticks(0.0, high, 4, result.currency))
    axes.set_ylabel("Revenue per month")
    axes.set_xlabel("Months from today")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.text(0, 1.03, "■ today’s customers", transform=axes.transAxes, color=GAIN, va="bottom", ha="left")
    if new.any():
        axes.text(0.5, 1.03, "■ new customers", transform=axes.transAxes, color=LOSS, va="bottom", ha="center")
    axes.text(1, 1.03, "╌ 90 % band", transform=axes.transAxes, color=MUTED, va="bottom", ha="right")
    return figure


def months_alternative_text(result: RunResult) -> str:
    """The first and the last month in numbers."""
    total = over_time.book(result, "revenue_by_month", group="all")
    ends = [total.iloc[0], total.iloc[-1]] if len(total) > 1 else [total.iloc[0]]
    words = []
    for row in ends:
        cell = over_time.money_cell(result, row)
        words.append(f"month {fmt.number(row['at'] + 1)}: {cell.value} {cell.interval}")
    return f"Revenue per month from today on, by quarter in which customers started. {', '.join(words)}."


def spread_figure(result: RunResult) -> Figure:
    """Share of revenue of the largest customers, by how many they are: the log, and the months ahead with a band."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    axes = figure.subplots()
    for group, colour, dashes in (("existing", GAIN, "-"), ("log", INK, (0, (4, 2)))):
        table = over_time.book(result, "concentration", group=group, metric="share_of_largest")
        if not len(table):
            continue
        at, mean, low, high = (
            100 * np.concatenate([[0.0], table[name].to_numpy(float), [1.0]]) for name in ("at", "mean", "p05", "p95")
        )
        if group == "existing":
            axes.fill_between(at, low, high, color=colour, alpha=0.25, lw=0, gid="band")
        axes.plot(at, mean, color=colour, lw=1.6, ls=dashes, gid=group)
    axes.plot([0, 100], [0, 100], color=MUTED, lw=0.7, gid="even")
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 100)
    ticks = [0, 20, 40, 60, 80, 100]
    axes.set_xticks(ticks, [f"{tick} %" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick} %" for tick in ticks])
    axes.set_xlabel("Of the customers, those who bring most first")
    axes.set_ylabel("Of the revenue")
    axes.text(0, 1.03, "━ ahead, 90 % band", transform=axes.transAxes, color=GAIN, va="bottom", ha="left")
    if len(over_time.book(result, "concentration", group="log")):
        axes.text(1, 1.03, "╌ log so far", transform=axes.transAxes, color=INK, va="bottom", ha="right")
    return figure


def spread_alternative_text(result: RunResult) -> str:
    table = over_time.spread(result)
    assert table is not None
    shares = [
        f"{label} {', '.join(f'{cell.value} {name.lower()}' for name, cell in zip(table.headings, cells, strict=True))}"
        for label, cells in table.rows[1:]
    ]
    return f"Share of revenue of the largest customers. {'. '.join(shares)}."
