"""The page's first sheet: what a template needs of it, in the order in which it is read."""

import math
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from clvsim.report import display, everyday_words, hills, history_figures, limits
from clvsim.report import format as fmt
from clvsim.report.answers import UNKNOWN, Answer, Answers, LeverLine, answers
from clvsim.report.figures import difference_caption, difference_range, difference_scenarios
from clvsim.report.headline import RIGHT, about_customers, discount, holdout_in_short
from clvsim.types import RunResult

MOST_LEVERS = 6  # on the sheet
_SOURCES = {  # of uncertainty, in the order of the page
    "parameter": "how customers behave",
    "assumption": "what is stated",
    "model": "which model is right",
    "environment": "good and bad months",
    "process": "who happens to buy",
}
_TOP, _BOTTOM = 95, 4  # of 100 quantiles: the ends of nine in ten


class Hill(NamedTuple):
    """A distribution with the labels below it, each with its CSS place."""

    shape: Markup
    labels: tuple[tuple[str, str], ...]


class Lever(NamedTuple):
    """A lever's line with its hill, empty where all draws are the same; `example`: its effect is one."""

    line: LeverLine
    hill: Markup
    example: bool


class Share(NamedTuple):
    """A source of uncertainty, its share in words and as a CSS length."""

    name: str
    words: str
    width: str


class Sheet(NamedTuple):
    """Texts and shapes of the sheet; what a run does not have is empty."""

    basis: str
    headline: str
    may_happen: str
    hill: Hill | None
    everyday: str
    boxes: tuple[Answer, ...]
    answers: Answers
    levers: tuple[Lever, ...]
    more_levers: int
    axis: list[tuple[str, str]]
    shares: tuple[Share, ...]
    check: str
    not_in_here: str
    history: tuple[tuple[str, str], ...]  # figures and what stands below them


def sheet(result: RunResult, drawn: frozenset[str]) -> Sheet:
    """The sheet of a run of which these figures are `drawn`."""
    first, may_happen = about_customers(result)
    found = answers(result)
    levers = lever_rows(result, found)
    notes = {"sales": history_figures.sales_note, "quarters": history_figures.quarters_note}
    return Sheet(
        basis=basis(result),
        headline=first,
        may_happen=may_happen,
        hill=headline_hill(result),
        everyday=everyday_words.in_short(result),
        boxes=tuple(line for line in found.block if line is not found.everybody and not _to_be_asked(found, line)),
        answers=found,
        levers=levers[:MOST_LEVERS],
        more_levers=max(0, len(levers) - MOST_LEVERS),
        axis=lever_axis(result),
        shares=shares(result),
        check=check(result),
        not_in_here=limits.not_in_here(result),
        history=tuple((name, note(result)) for name, note in notes.items() if name in drawn),
    )


def _to_be_asked(found: Answers, line: Answer) -> bool:
    """Whether a line only says how to learn about newcomers, which is for whoever types the command."""
    return line is found.newcomer and line.value == UNKNOWN


def basis(result: RunResult) -> str:
    """As of when, and what money is."""
    rate = discount(result)
    discounted = f", discounted at {rate} a year" if rate else ""
    kind = (
        "contribution after goods and fees"
        if result.margin_known
        else "revenue, before goods: no gross margin was given"
    )
    who = "as of" if result.no_data else "customers as of"
    return f"{who[0].upper()}{who[1:]} {fmt.day(result.today)} · all money is {kind}{discounted}"


def headline_hill(result: RunResult) -> Hill | None:
    """How the futures of the headline's figure are spread; None of runs that did not keep them."""
    kept = result.sheet
    if kept is None or kept.hill.size < 2 or not kept.hill[-1] > kept.hill[0]:
        return None
    draws = kept.hill
    pad = 0.04 * (draws[-1] - draws[0])
    low, high = float(draws[0] - pad), float(draws[-1] + pad)
    figure = display.figures(result).get((display.baseline(result).name, kept.metric))
    ends = (float(draws[_BOTTOM]), float(draws[_TOP]))
    middle = float(draws.mean())
    if figure is not None:
        ends, middle = (figure.may.p05, figure.may.p95), figure.best.mean
    error = math.nan if figure is None else display.larger(figure.best.mean_mcse, figure.may.mean_mcse)
    place = fmt.last_place((middle, *ends), error)
    at = [ends[0], middle, ends[1]]
    labels = [fmt.money(v, place, result.currency) for v in at]
    spoken = f"How simulated futures are spread: nine in ten lie between {labels[0]} and {labels[2]}, mean {labels[1]}."
    shape = hills.hill(draws, low, high, spoken, ends=ends, zero=low < 0 < high)
    places = hills.across(np.array(at), low, high) / hills.WIDTH
    return Hill(shape, tuple((f"{100 * p:.1f}%", label) for p, label in zip(places, labels, strict=True)))


def lever_rows(result: RunResult, found: Answers) -> tuple[Lever, ...]:
    """Each lever with its hill on the axis that all share."""
    table, by_name = display.decisive(result), {s.name: s for s in result.scenarios}
    low, high = difference_range(result) if difference_scenarios(result) else (0.0, 0.0)
    rows = []
    for line in found.levers:
        scenario, shape = by_name[line.scenario], Markup("")
        if line.scenario in result.delta_draws and low < high:
            figure = table[line.scenario]
            ends = (figure.may.delta_p05, figure.may.delta_p95)
            spoken = f"{scenario.title}: {difference_caption(result, scenario, figure)}."
            known = ends if np.isfinite(ends).all() else None
            shape = hills.hill(result.delta_draws[line.scenario], low, high, spoken, ends=known)
        rows.append(Lever(line, shape, scenario.illustrative))
    return tuple(rows)


def lever_axis(result: RunResult) -> list[tuple[str, str]]:
    if not difference_scenarios(result):
        return []
    unit = display.wording(result, display.decision_metric(result)).unit
    return hills.axis(*difference_range(result), 4, result.currency if unit == "money" else "")


def shares(result: RunResult) -> tuple[Share, ...]:
    """Where the spread of the plan's futures comes from, the largest first; those below a percent are left out."""
    kept = result.sheet
    if kept is None:
        return ()
    found = sorted(((kept.shares.get(name, 0.0), name) for name in _SOURCES), reverse=True)
    return tuple(
        Share(_SOURCES[name], fmt.percent(share), f"{100 * share:.1f}%") for share, name in found if share >= 0.01
    )


def check(result: RunResult) -> str:
    """The check on orders held back, or why there was none."""
    if short := holdout_in_short(result):
        return f"{short} {RIGHT}"
    track = result.tracking
    return track.untracked or f"{track.unchecked} So nothing here was compared with orders that the model had not seen."
