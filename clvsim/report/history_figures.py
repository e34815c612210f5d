"""Figures of how it went so far, and of the months of the year. Each function takes a run."""

from calendar import month_name
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clvsim.report import display, over_time
from clvsim.report import format as fmt
from clvsim.report.drawing import FAINT, GAIN, INK, LOSS, MUTED, WIDTH
from clvsim.report.ticks import money_ticks
from clvsim.types import RunResult

_MOST_BEHIND, _AHEAD = 24, 12  # months shown
_HEIGHT = 2.35  # inches
_MONTHS = ("J", "F", "M", "A", "M", "J", "J", "A", "S", "O", "N", "D")
Draw = Callable[[RunResult], Figure]


def drawn(result: RunResult) -> dict[str, tuple[Draw, str]]:
    """Figures that the run has data for, by name, with their alternative texts."""
    found: dict[str, tuple[Draw, str]] = {}
    if sales(result) is not None:
        found["sales"] = (sales_figure, sales_text(result))
    if quarters(result):
        found["quarters"] = (quarters_figure, quarters_text(result))
    if result.sheet and result.sheet.season:
        found["season"] = (season_figure, season_text(result))
    return found


# --- sales by month --------------------------------------------------------------------------------------------------


class Sales(NamedTuple):
    """Revenue of first and of repeat orders by month, the oldest first, and of the months ahead."""

    first: np.ndarray
    repeat: np.ndarray
    ahead: pd.DataFrame


def sales(result: RunResult) -> Sales | None:
    """None where the source has no dated orders, or less than a month of them."""
    table = over_time.book(result, "sales_by_month")
    if not len(table):
        return None
    first, repeat = (table[table["group"] == group]["mean"].to_numpy(float)[::-1] for group in ("first", "repeat"))
    ahead = over_time.book(result, "revenue_by_month", group="all")
    return Sales(first, repeat, ahead[ahead["at"] < _AHEAD])


def month_names(result: RunResult, behind: int, ahead: int) -> list[tuple[int, str]]:
    """Positions, 0 being the first month ahead, and names of some months by the day on which they end."""
    every = next(step for step in (1, 2, 3, 6, 12) if (behind + ahead) / step <= 7)
    today = pd.Timestamp(result.today)
    places = [at for at in range(-behind, ahead) if (at + 1) % every == 0]
    return [(at, f"{today + pd.DateOffset(months=at + 1):%b %y}") for at in places]


def sales_figure(result: RunResult) -> Figure:
    """Bars of the months so far, new customers' first orders upon repeat orders; the band of the months ahead."""
    found = sales(result)
    assert found is not None
    first, repeat, ahead = found.first[-_MOST_BEHIND:], found.repeat[-_MOST_BEHIND:], found.ahead
    figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    at = np.arange(-first.size, 0) + 0.5
    axes.bar(at, repeat, 0.84, color=GAIN, lw=0)
    axes.bar(at, first, 0.84, bottom=repeat, color=LOSS, lw=0)
    edges = np.append(ahead["at"].to_numpy(float), len(ahead))
    low, middle, high = (np.append(v, v[-1:]) for v in (ahead[n].to_numpy(float) for n in ("p05", "mean", "p95")))
    axes.fill_between(edges, low, high, step="post", color=INK, alpha=0.16, lw=0)
    axes.step(edges, middle, where="post", color=INK, lw=1.4, gid="ahead")
    axes.axvline(0, color=MUTED, lw=0.9, ls=(0, (2, 2)))
    top = 1.12 * max(float((first + repeat).max(initial=0)), float(high.max(initial=0)), 1e-9)
    axes.set_ylim(0, top)
    axes.set_xlim(-first.size, len(ahead))
    axes.set_yticks(*money_ticks(0.0, top, 4, result.currency))
    names = month_names(result, first.size, len(ahead))
    axes.set_xticks([place + 0.5 for place, _ in names], [name for _, name in names])
    axes.set_ylabel("Revenue a month")
    words = display.vocabulary(result)
    axes.text(0, 1.03, f"■ {words.repeat}", transform=axes.transAxes, color=GAIN, va="bottom", ha="left")
    axes.text(0.32, 1.03, f"■ {words.first}s", transform=axes.transAxes, color=LOSS, va="bottom", ha="left")
    axes.text(1, 1.03, "━ expected, 90 % band", transform=axes.transAxes, color=INK, va="bottom", ha="right")
    return figure


def sales_text(result: RunResult) -> str:
    """The last months, those a year before, and the first months ahead, in numbers."""
    found = sales(result)
    assert found is not None
    totals, span = found.first + found.repeat, min(3, found.first.size)

    def money(value: float) -> str:
        return fmt.money(value, max(fmt.last_place([value]), 0), result.currency)

    text = [f"last {fmt.months(span)}: {money(totals[-span:].sum())}"]
    text[0] += f", of which {money(found.first[-span:].sum())} from {display.vocabulary(result).first}s"
    if totals.size >= 12 + span:
        text.append(f"the same months a year before: {money(totals[-12 - span : -12].sum())}")
    if len(found.ahead):
        row = found.ahead.iloc[0]
        cell = over_time.money_cell(result, row)
        text.append(f"expected in the first month ahead: {cell.value} {cell.interval}")
    return f"Revenue by month. {'; '.join(text).capitalize()}."


def sales_note(result: RunResult) -> str:
    """What stands below the figure."""
    who = " Ahead are today’s customers only: no new ones are planned."
    if result.acquisition_known:
        count = display.figures(result)[display.baseline(result).name, "newcomers"].best.mean
        new = fmt.number(count, fmt.last_place([count], digits=2))
        coming = fmt.months(result.arrival_months)
        who = f" Ahead are today’s customers and the {new} new ones who are to come within {coming}."
    total = over_time.book(result, "revenue_by_month", group="all")
    band = over_time.layers_of(result, total).replace("interval", "band") if len(total) else ""
    return f"Whole months up to today, refunds taken off, not discounted.{who} {band}".strip()


# --- value by quarter of first order ---------------------------------------------------------------------------------


class Quarter(NamedTuple):
    """Customers of a quarter of first orders: what each has brought so far, and is expected to bring within the
    horizon (nan: nobody of them is followed)."""

    label: str
    customers: int
    so_far: float
    to_come: float


def quarters(result: RunResult) -> list[Quarter]:
    """The log's quarters, the oldest first."""
    table = over_time.book(result, "cohort_value")
    found = []
    for group in dict.fromkeys(table["group"]):
        rows = table[table["group"] == group]
        one = {metric: rows[rows["metric"] == metric]["mean"] for metric in ("customers", "value_so_far")}
        if not len(one["customers"]):
            continue
        ahead = rows[rows["metric"] == "value_to_come"]["mean"]
        to_come = float(ahead.iloc[0]) if len(ahead) else float("nan")
        label = str(group).removeprefix("log ")
        found.append(Quarter(label, int(one["customers"].iloc[0]), float(one["value_so_far"].iloc[0]), to_come))
    return found


def quarters_figure(result: RunResult) -> Figure:
    """Bars per customer: observed so far, expected on top; a newcomer of the model beside them, and what one costs."""
    found, new, cost = quarters(result), newcomer_value(result), acquisition_cost(result)
    figure = Figure(figsize=(WIDTH, _HEIGHT), layout="constrained")
    axes = figure.subplots()
    so_far = np.array([q.so_far for q in found])
    to_come = np.nan_to_num(np.array([q.to_come for q in found]))
    at = np.arange(len(found), dtype=float)
    axes.bar(at, so_far, 0.7, color=GAIN, lw=0, gid="so far")
    axes.bar(at, np.maximum(to_come, 0), 0.7, bottom=np.maximum(so_far, 0), color=GAIN, alpha=0.35, lw=0)
    labels = [tick(q.label) for q in found]
    if np.isfinite(new):
        at = np.append(at, len(found))
        axes.bar([len(found)], [new], 0.7, color=GAIN, alpha=0.35, lw=0)
        labels.append("new")
    tops = [*(so_far + to_come), new, cost]
    high = 1.12 * max(float(np.nanmax(tops)), 1e-9)
    low = min(0.0, float(so_far.min()))
    if np.isfinite(cost):
        axes.axhline(cost, color=LOSS, lw=1.2, ls=(0, (4, 2)), gid="cac")
        axes.text(1, 1.03, "╌ cost of winning one", transform=axes.transAxes, color=LOSS, va="bottom", ha="right")
    axes.set_ylim(low, high)
    axes.set_yticks(*money_ticks(low, high, 4, result.currency))
    axes.set_xticks(at, labels)
    axes.set_xlim(-0.6, max(at[-1] + 0.6, 3.4))
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(("Contribution" if result.margin_known else "Revenue") + " per customer")
    axes.text(0, 1.03, "■ so far", transform=axes.transAxes, color=GAIN, va="bottom", ha="left")
    axes.text(0.2, 1.03, "■", transform=axes.transAxes, color=GAIN, alpha=0.35, va="bottom", ha="left")
    axes.text(0.235, 1.03, "expected", transform=axes.transAxes, color=MUTED, va="bottom", ha="left")
    return figure


def tick(label: str) -> str:
    """`until 2023Q4` in two short lines."""
    before, _, quarter = label.rpartition(" ")
    return f"{'≤ ' * bool(before)}{quarter[4:]}\n{quarter[:4]}"


def newcomer_value(result: RunResult) -> float:
    """What a newcomer of the model brings within the horizon, undiscounted; nan without any."""
    rows = over_time.book(result, "cohort_value", group="newcomers")
    return float(rows["mean"].iloc[-1]) if len(rows) and result.acquisition_known else float("nan")


def acquisition_cost(result: RunResult) -> float:
    figure = display.figures(result).get((display.baseline(result).name, "cac"))
    return figure.best.mean if figure and figure.best.mean > 0 else float("nan")


def quarters_text(result: RunResult) -> str:
    """Each quarter in numbers."""

    def money(value: float) -> str:
        return fmt.money(value, max(fmt.last_place([value]), -2), result.currency)

    text = []
    for one in quarters(result):
        more = "" if np.isnan(one.to_come) else f", {money(one.to_come)} expected"
        text.append(f"{one.label}: {money(one.so_far)} so far{more}")
    new, cost = newcomer_value(result), acquisition_cost(result)
    text += [f"a new customer: {money(new)}"] if np.isfinite(new) else []
    text += [f"winning one costs {money(cost)}"] if np.isfinite(cost) else []
    kind = "Contribution" if result.margin_known else "Revenue"
    return f"{kind} per customer by quarter of the first order. {'; '.join(text)}."


def quarters_note(result: RunResult) -> str:
    """What stands below the figure."""
    kind = "Contribution" if result.margin_known else "Revenue"
    new = f"; “new” is the model’s new customer over {fmt.months(result.horizon_months)}"
    return (
        f"{kind} per customer by quarter of the first order, not discounted: so far from the log, and expected over "
        f"the next {fmt.months(result.horizon_months)}"
        + (new if np.isfinite(newcomer_value(result)) else "")
        + ". Older quarters have had more time."
    )


# --- months of the year ----------------------------------------------------------------------------------------------


def season_figure(result: RunResult) -> Figure:
    """Factors of the twelve months as bars from 1, with 90 % intervals."""
    assert result.sheet is not None
    season = result.sheet.season
    mean, low, high = (np.array(values) for values in zip(*season, strict=True))
    figure = Figure(figsize=(WIDTH, 2.1), layout="constrained")
    axes = figure.subplots()
    at = np.arange(12)
    colours = [GAIN if m >= 1 else LOSS for m in mean]
    axes.bar(at, mean - 1, 0.7, bottom=1, color=colours, alpha=0.6, lw=0)
    axes.vlines(at, low, high, color=INK, lw=1, gid="interval")
    axes.axhline(1, color=FAINT, lw=1)
    bottom, top = axes.get_ylim()
    axes.set_yticks([tick for tick in MaxNLocator(4).tick_values(bottom, top) if bottom <= tick <= top])
    axes.set_xticks(at, _MONTHS)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("Times a mean month")
    return figure


def season_text(result: RunResult) -> str:
    assert result.sheet is not None
    what = "hazard of renewals" if result.active_contracts is not None else "order rate"
    months = [
        f"{name} {fmt.number(m.mean, -2)} [{fmt.number(m.p05, -2)}, {fmt.number(m.p95, -2)}]"
        for name, m in zip(month_name[1:], result.sheet.season, strict=True)
    ]
    return f"The {what} by month of the year, times that of a mean month, with 90 % intervals. {', '.join(months)}."


def season_note(result: RunResult) -> str:
    """What stands below the figure."""
    what = "hazard of renewals" if result.active_contracts is not None else "order rate"
    return f"The {what} in each month, times that of a mean month; the line is its 90 % interval."
