"""The page of a run: one self-contained HTML file, rendered from a `RunResult` alone."""

import math
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.figures import Drawing, drawings, payback_scenarios
from clvsim.report.headline import best_lever, headline, holdout_missed, holdout_sentences, second_sentence
from clvsim.report.limits import limits, terms
from clvsim.types import Assumption, RunResult, ScenarioDescription

EXAMPLE = "example effect"
WORD_JOINER = "\u2060"  # keeps a minus and its dollar on one line
KINDS = {
    "fixed": "fixed",
    "prior": "assumption",
    "expert": "judgement",
    "experiment": "experiment",
    "learned": "learned from the log",
}


class Card(NamedTuple):
    """A key figure at the top."""

    label: str
    value: str
    note: str


class MetricTable(NamedTuple):
    """Metrics × scenarios on one basis, with what its intervals contain."""

    rows: tuple[tuple[str, str, tuple[display.Cell, ...]], ...]  # label, symbol, one cell per simulated scenario
    notes: tuple[str, ...]


class AssumptionLine(NamedTuple):
    """One number that the log did not give."""

    label: str
    path: str
    cell: display.Cell
    kind: str
    text: str
    source: str


def write_page(result: RunResult, folder: Path) -> Path:
    """See `clvsim.report.write_report`."""
    figures = drawings(result)
    figure_folder = folder / "figures"
    figure_folder.mkdir(parents=True, exist_ok=True)
    for drawing in figures.values():
        write_text(figure_folder / f"{drawing.name}.svg", drawing.file)
    page = folder / "report.html"
    write_text(page, render(result, figures))
    return page


def write_text(path: Path, text: str) -> None:
    # A file name from the shell can hold bytes that are no text; they must not stop a page.
    path.write_bytes(text.encode("utf-8", "replace"))


def render(result: RunResult, figures: dict[str, Drawing]) -> str:
    """The page as text. Everything is escaped by Jinja but the figures, whose text is drawn as outlines."""
    return template("page.html.j2").render(
        result=result,
        words=display.vocabulary(result),
        headline=headline(result).replace(fmt.MINUS, fmt.MINUS + WORD_JOINER),
        second=second_sentence(result),
        basis_note=_basis_note(result),
        cards=cards(result),
        columns=display.applicable(result),
        expected=metric_table(result, "expected"),
        realised=metric_table(result, "realised"),
        decisions=display.decisions(result),
        realised_decisions=[d for d in display.decisions(result, "realised") if d.p_better not in ("", fmt.MISSING)],
        decision_notes=[display.layer_note("expected", _decision_layers(result))],
        not_applicable=[s for s in result.scenarios if s.not_applicable],
        drawings={name: {"wide": Markup(d.wide), "narrow": Markup(d.narrow)} for name, d in figures.items()},
        payback=_payback_lines(result),
        payback_note=_payback_note(result),
        tracked_layers=" + ".join(layer for layer in display.split_layers(result.layers) if layer != "assumption"),
        holdout=holdout_sentences(result, result.tracking.holdout) if result.tracking.holdout else [],
        assumptions=[(s, [_assumption(result, a) for a in s.assumptions]) for s in result.scenarios],
        run_assumptions=[_assumption(result, a) for a in result.assumptions],
        diagnostics=[(d, fmt.number(d.value, fmt.last_place([d.value], digits=4))) for d in result.diagnostics],
        limits=limits(result),
        metrics=_shown_metrics(result),
        terms=terms(result),
        example=EXAMPLE,
        decision_label=display.wording(result, display.decision_metric(result)).label,
        number=fmt.number,
        breakable=breakable,
        missed=holdout_missed(result),
    )


@cache
def template(name: str) -> Template:
    """One of this package's templates; they share their style."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(lambda part: files("clvsim.report").joinpath(part).read_text(encoding="utf-8")),
    )
    return environment.get_template(name)


def breakable(name: str) -> Markup:
    """A dotted name that a narrow column may break after a dot or underscore."""
    return Markup(r"<wbr>").join(Markup(escape(piece)) for piece in re.split(r"(?<=[._])", name))


def _basis_note(result: RunResult) -> str:
    discount = fmt.percent(result.annual_discount_rate, -3).replace(".0", "")
    sentences = [
        "A simulated future is one set of customer behaviour and effects that fits what is known; within it, the luck "
        "of single customers is averaged out.",
        f"Every customer is followed for {result.horizon_months} months of their own life"
        + (f"; newcomers arrive over {result.arrival_months} months." if result.acquisition_known else "."),
    ]
    if result.margin_known:
        sentences.append(f"Money is contribution, discounted at {discount} a year.")
    else:
        sentences.append(
            "Money is revenue, before the cost of goods: no gross margin was given"
            + (f". It is discounted at {discount} a year." if result.annual_discount_rate else ".")
        )
    return " ".join(sentences)


def cards(result: RunResult) -> list[Card]:
    """Three or four key figures: today's customers, the best lever, how sure it is, and one on acquisition."""
    table = display.rows(result, "expected")
    base = display.baseline(result).name

    def baseline_cards(metric: str, note: str = "") -> list[Card]:
        row = table.get((base, metric))
        if row is None:
            return []
        value, interval = display.metric_cell(result, row)
        return [Card(display.wording(result, metric).label, value, note or interval)]

    key_figures = baseline_cards("rlv_total")
    best = best_lever(result)
    if best is not None:
        scenario, row = best
        delta = display.delta_cell(result, row)
        key_figures.append(Card(f"Best lever: {scenario.title}", delta.value, delta.interval))
        key_figures.append(
            Card(
                "It beats today in",
                fmt.frequency(row.p_better, row.p_better_mcse),
                "simulated futures",
            )
        )
    for metric in ("ltv_cac", "rlv_per_customer", "customer_equity"):
        if len(key_figures) < 4:
            key_figures += baseline_cards(metric)
    if len(key_figures) < 4:
        key_figures.append(Card("Customers of today", fmt.number(result.customers), f"as of {result.today:%d %B %Y}"))
    return key_figures


def metric_table(result: RunResult, basis: str) -> MetricTable:
    """All metrics that the comparison holds on `basis`, for every simulated scenario."""
    table = display.rows(result, basis)
    lines = []
    for metric in display.metrics(table):
        metric_rows = [table.get((s.name, metric)) for s in display.applicable(result)]
        cells = tuple(display.metric_cell(result, row) if row else display.Cell("", "") for row in metric_rows)
        words = display.wording(result, metric)
        lines.append((words.label, words.symbol, cells))
    return MetricTable(tuple(lines), tuple(display.layer_notes(result, basis)) if table else ())


def _decision_layers(result: RunResult) -> str:
    decisive = display.decision_metric(result)
    return next((row.layers for (_, metric), row in display.rows(result, "expected").items() if metric == decisive), "")


def _payback_lines(result: RunResult) -> list[tuple[ScenarioDescription, str, str, str, str]]:
    """Scenario, acquisition cost, median payback, P(within 12 months), P(not within the horizon)."""
    lines = []
    for scenario in payback_scenarios(result):
        curve = result.payback[scenario.name]
        months = curve.payback_p50_months
        lines.append(
            (
                scenario,
                fmt.money(curve.cac_mean, max(-2, fmt.last_place([curve.cac_mean], digits=4)), result.currency),
                f"month {fmt.number(months, 0)}" if math.isfinite(months) else f"not within {result.horizon_months}",
                fmt.share(curve.p_within_12_months),
                fmt.share(curve.p_never),
            )
        )
    return lines


def _payback_note(result: RunResult) -> str:
    money = "contribution" if result.margin_known else "revenue"
    return (
        f"Expected cumulative {money} per acquired customer by month of age, lost customers counted as zero, "
        f"discounted to the first order; acquisition cost is not deducted. Grey: the baseline. "
        + _payback_layers(result)
    )


def _payback_layers(result: RunResult) -> str:
    """What the bands hold, as the comparison states it for payback (or for a newcomer's value)."""
    for basis in ("expected", "realised"):
        table = display.rows(result, basis)
        for metric in ("payback_months", "p_payback_12_months", "pav_per_newcomer"):
            row = table.get((display.baseline(result).name, metric))
            if row is not None:
                return display.layer_note(basis, row.layers).replace("interval", "band")
    return display.layer_note("expected", result.layers).replace("interval", "band")


def _assumption(result: RunResult, assumption: Assumption) -> AssumptionLine:
    return AssumptionLine(
        assumption.label,
        assumption.path,
        display.assumption_cell(result, assumption),
        KINDS.get(assumption.kind, assumption.kind),
        assumption.text,
        assumption.source,
    )


def _shown_metrics(result: RunResult) -> list[tuple[str, str, str]]:
    """Label, symbol and definition of every metric on the page."""
    names = dict.fromkeys(
        metric for basis in ("expected", "realised") for metric in display.metrics(display.rows(result, basis))
    )
    words = [display.wording(result, name) for name in names]
    return [(w.label, w.symbol, w.meaning) for w in words]
