"""The tables of a sweep: on the terminal, below its sentences, and in its file."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.comparison.points import COLUMNS
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.format import NBSP
from clvsim.report.sweep_text import Story, advice, in_100, interval, short_name, value_text, without_doubt
from clvsim.report.text import WIDTH, banners

MOST_WARNINGS = 5  # that the terminal shows


class Banners(NamedTuple):
    """What stands before all figures (`text.banners`)."""

    synthetic: str = ""
    no_data: str = ""
    poor_fit: bool = False
    draft: bool = False
    money_alarm: str = ""


def file_table(story: Story) -> pd.DataFrame:
    """The table of `sweep.csv`: a row per point, before them doing nothing where it is an option, by full precision."""
    table = story.table
    levers = story.kind != "level"
    options = (["nothing"] if levers else []) + ["value"] * len(story.values)
    columns: dict[str, Any] = {"option": options}
    for k, key in enumerate(story.keys):
        own = [values[k] for values in story.values]
        numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in own)
        shown = [float(v) for v in own] if numbers else [value_text(v) for v in own]
        columns[key] = ([math.nan if numbers else ""] if levers else []) + shown
    columns |= {"scenario": story.title, "metric": story.metric, "unit": story.unit}
    columns |= {"basis": "expected", "layers": story.found.layers}
    out = pd.DataFrame(columns)
    return pd.concat([out, table[list(COLUMNS)].reset_index(drop=True)], axis=1)


def tables(story: Story, before: Banners, warnings: Sequence[str] = ()) -> str:
    """What the terminal prints: banners, the sentences, the table, what its columns are, and warnings."""
    parts = [*banners(before), "\n".join(_wrapped(sentence) for sentence in advice(story)), "\n".join(_lines(story))]
    notes = [story.outcome.no_curve, display.layer_note("expected", story.found.layers, stated=story.stated)]
    if story.kind == "choice" and np.isfinite(story.table["regret"]).any():
        notes.append(
            "Regret: what is lost on average against knowing which value is best, doing nothing included. Best in: in "
            "how many of 100 simulated cases the value is the best."
        )
    parts.append("\n".join(_wrapped(note) for note in notes if note))
    more = len(warnings) - MOST_WARNINGS
    warned = [*warnings[:MOST_WARNINGS], *([f"{more} more in the report of clvsim run"] if more > 0 else [])]
    if warned:
        parts.append("\n".join(_wrapped(f"! {warning}") for warning in warned))
    return "\n\n".join(parts).replace(NBSP, " ")


def _lines(story: Story) -> list[str]:
    rows = [_heading(story), *(_cells(story, number) for number in _order(story))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    texts = 0 if story.ordered else len(story.keys)

    def line(row: list[str]) -> str:
        cells = [*map(str.ljust, row[:texts], widths[:texts]), *map(str.rjust, row[texts:], widths[texts:])]
        return "  ".join(cells).rstrip()

    return [line(row) for row in rows]


def _order(story: Story) -> list[int]:
    """Rows as they are where values rise; the best first where they have no order."""
    numbers = range(len(story.table))
    if story.ordered or story.kind == "level":
        return [*numbers]
    return sorted(numbers, key=lambda k: -story.table["delta_mean"].iloc[k])


def _heading(story: Story) -> list[str]:
    names = [short_name(key) for key in story.keys]
    change = f"Δ {story.label.lower()}"
    if story.kind == "level":
        return [*names, story.label.lower(), f"90{NBSP}% on average", "against the first", f"90{NBSP}%", "P(higher)"]
    head = [*names, change, f"90{NBSP}% on average", "P(better)"]
    return [*head, "regret", "best in"] if story.kind == "choice" else head


def _cells(story: Story, number: int) -> list[str]:
    row, levers = story.table.iloc[number], story.kind != "level"
    place = _place(story, ("delta_mean", "delta_p05", "delta_p95"), "delta_mcse")
    nothing = levers and number == 0
    if nothing:
        cells = ["nothing", *([""] * (len(story.keys) - 1))]
    else:
        cells = [value_text(value) for value in story.values[number - levers]]
    if not levers:
        own = _place(story, ("mean", "p05", "p95"), "mean_mcse")
        cells += [story.amount(row["mean"], own), interval(story, row["p05"], row["p95"], own)]
    if nothing or (not levers and number == 0):
        cells += ["±0" if nothing else "", "", ""]
    else:
        cells.append(story.amount(row["delta_mean"], place, signed=True))
        cells.append(interval(story, row["delta_p05"], row["delta_p95"], place))
        cells.append(_chance(story, row["p_better"], row["p_better_mcse"]))
    if story.kind == "choice":
        cells.append(story.amount(row["regret"], place) if np.isfinite(row["regret"]) else "")
        best = row["p_best"]
        cells.append(in_100(best, row["p_best_mcse"]) if np.isfinite(best) else "")
    return cells


def _place(story: Story, names: Sequence[str], error: str) -> int:
    """One last digit for some columns of a whole table, of its largest figures and median error."""
    errors = story.table[error].dropna()
    numbers = story.table[list(names)].to_numpy(float).ravel()
    return fmt.last_place(numbers[np.isfinite(numbers)], float(errors.median()) if len(errors) else math.nan)


def _chance(story: Story, value: float, mcse: float) -> str:
    if without_doubt(story) and story.kind != "level":
        return display.WHAT_IF
    return fmt.share(value, mcse) if np.isfinite(value) else ""


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.replace(NBSP, " ").split()), WIDTH)
