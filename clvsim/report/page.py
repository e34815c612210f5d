"""The page of a run: one self-contained HTML file, rendered from a `RunResult` alone."""

import math
import re
from functools import cache
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from clvsim.disk import write_all_whole
from clvsim.report import (
    channels,
    contracts,
    display,
    everyday_words,
    evidence,
    history_figures,
    knobs,
    over_time,
    schedule,
    sheet,
    track_record,
    valuation,
)
from clvsim.report import format as fmt
from clvsim.report.alerts import alerts
from clvsim.report.answers import lever_lines, sure_of
from clvsim.report.figures import Drawing, drawings, payback_scenarios
from clvsim.report.glossary import SURE
from clvsim.report.headline import headline, holdout_sentences, second_sentence, whose_months
from clvsim.report.limits import limits, terms
from clvsim.texts import visible
from clvsim.types import Assumption, RunResult, ScenarioDescription, TraceLine

EXAMPLE = "example effect"
WORD_JOINER = "\u2060"  # keeps a minus and its dollar on one line


class Card(NamedTuple):
    """A key figure."""

    label: str
    value: str
    note: str


class MetricTable(NamedTuple):
    """Metrics × scenarios, with what the intervals contain."""

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
    page, figure_folder = folder / "report.html", folder / "figures"
    texts = {figure_folder / f"{drawing.name}.svg": drawing.file for drawing in figures.values()}
    texts[page] = render(result, figures)
    figure_folder.mkdir(parents=True, exist_ok=True)
    write_all_whole({path: as_bytes(text) for path, text in texts.items()})
    return page


def write_text(path: Path, text: str) -> None:
    path.write_bytes(as_bytes(text))


def as_bytes(text: str) -> bytes:
    # A file name from the shell can hold bytes that are no text; they must not stop a page.
    return text.encode("utf-8", "replace")


def render(result: RunResult, figures: dict[str, Drawing]) -> str:
    """The page as text. Everything is escaped by Jinja but the figures, whose text is drawn as outlines."""
    return template("page.html.j2").render(
        result=result,
        sheet=sheet.sheet(result, frozenset(figures)),
        knobs=knobs.panel(result),
        script_policy=Markup(knobs.policy()),
        span=display.span(result),
        pays=any(line.pays_from for line in lever_lines(result)),
        sure=f"{SURE} {sure_of(result)}".capitalize(),
        words=display.vocabulary(result),
        headline=headline(result).replace(fmt.MINUS, fmt.MINUS + WORD_JOINER),
        second=second_sentence(result),
        basis_note=_basis_note(result),
        columns=display.applicable(result),
        figures=metric_table(result),
        averages=average_table(result),
        decisions=_sorted(result),
        decision_notes=_decision_notes(result),
        people_note=display.people_note(result),
        backing=evidence.beside,
        question=evidence.question,
        not_applicable=[s for s in result.scenarios if s.not_applicable],
        drawings={name: Markup(drawing.element) for name, drawing in figures.items()},
        payback=_payback_lines(result),
        payback_note=_payback_note(result),
        horizon=fmt.months(result.horizon_months),
        formulas=everyday_words.lines(result),
        joined=lambda text: text.replace(fmt.MINUS, fmt.MINUS + WORD_JOINER),
        tracked_layers=display.in_layers(layer for layer in result.layers if layer != "assumption"),
        holdout=holdout_sentences(result, result.tracking.holdout) if result.tracking.holdout else [],
        assumptions=[(s, [_assumption(result, a) for a in s.assumptions]) for s in result.scenarios],
        run_assumptions=[_assumption(result, a) for a in result.assumptions],
        diagnostics=[(d, fmt.number(d.value, fmt.last_place([d.value], digits=4))) for d in result.diagnostics],
        model_facts=_model_facts(result),
        inner_notes=[*filter(None, [display.too_few_draws(result)]), *result.notes],
        season_note=history_figures.season_note(result),
        limits=limits(result),
        metrics=_shown_metrics(result),
        terms=[*contracts.terms(result), *terms(result)],
        trace=trace_tables(result),
        schedules=schedules(result, figures),
        contracts=contracts.lines(result),
        book_ages=over_time.ages(result),
        book_contracts=over_time.contracts_left(result),
        book_quarters=over_time.quarters(result),
        book_spread=over_time.spread(result),
        book_ordering=over_time.still_ordering(result),
        book_years=over_time.years(result),
        book_channels=channels.channels(result),
        book_emails=channels.emails(result),
        track_record=track_record.in_short(result.track_record) if result.track_record else "",
        past_forecasts=track_record.tables(result.track_record) if result.track_record else [],
        past_headings=track_record.HEADINGS,
        past_notes=track_record.notes(result.track_record) if result.track_record else [],
        value_bridge=valuation.bridge(result),
        value_in_short=valuation.in_short(result),
        value_layers=valuation.layers(result),
        value_years=valuation.years(result),
        value_sensitivity=valuation.sensitivity(result),
        value_uncertainty=valuation.uncertainty(result),
        months_note=over_time.months_note(result) if "months" in figures else "",
        plans=contracts.plans(result),
        plan_headings=contracts.HEADINGS,
        ages=contracts.ages(result),
        contract_notes=contracts.notes(result),
        example=EXAMPLE,
        number=fmt.number,
        breakable=breakable,
        models=result.models,
        warnings=[alert.full for alert in alerts(result)],
        personal=bool(result.customers) and not result.no_data,
    )


@cache
def template(name: str) -> Template:
    """One of this package's templates; they share their style."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        loader=FunctionLoader(lambda part: files("clvsim.report").joinpath(part).read_text(encoding="utf-8")),
    )
    return environment.get_template(name)


def schedules(result: RunResult, figures: dict[str, Drawing]) -> list[tuple[str, ScenarioDescription]]:
    """Drawings of what levers do over time, each with its scenario."""
    by_name = {scenario.name: scenario for scenario in result.scenarios}
    drawn = ((schedule.name_of(number), by_name[name]) for number, name in enumerate(schedule.scheduled(result)))
    return [(drawing, scenario) for drawing, scenario in drawn if drawing in figures]


def _shown(value: object) -> object:
    """What a page prints of a value: signs that steer a terminal or turn the direction of text are escapes."""
    if not isinstance(value, str):
        return value
    return Markup(visible(value)) if isinstance(value, Markup) else visible(value)


def breakable(name: str) -> Markup:
    """A dotted name that a narrow column may break after a dot or underscore."""
    return Markup(r"<wbr>").join(Markup(escape(piece)) for piece in re.split(r"(?<=[._])", name))


def _basis_note(result: RunResult) -> str:
    discount = fmt.percent(result.annual_discount_rate, -3).replace(".0", "")
    sentences = [
        "Intervals come first with all that may happen in them: how customers behave, what levers do, who happens to "
        "buy and shocks common to all. On average, luck and shocks are averaged out: that is what decisions rest on.",
        whose_months(result) or f"Every customer is followed for {fmt.months(result.horizon_months)} from today.",
    ]
    if result.margin_known:
        sentences.append(f"Money is contribution, discounted at {discount} a year.")
    else:
        sentences.append(
            "Money is revenue, before the cost of goods: no gross margin was given"
            + (f". It is discounted at {discount} a year." if result.annual_discount_rate else ".")
        )
    return " ".join(sentences)


def metric_table(result: RunResult) -> MetricTable:
    """All metrics for every simulated scenario, with the interval of what may happen where there is one."""
    table = display.figures(result)
    lines = []
    for metric in display.metrics(table):
        figures = [table.get((s.name, metric)) for s in display.applicable(result)]
        cells = tuple(display.metric_cell(result, figure) if figure else display.Cell("", "") for figure in figures)
        words = display.wording(result, metric)
        is_average = all(figure.may.basis == "expected" for figure in figures if figure)
        lines.append((words.label + (" *" if is_average and _has_realised(result) else ""), words.symbol, cells))
    notes = display.layer_notes(result, "realised")
    if any(figure.may.basis == "expected" for figure in table.values()):
        mark = "* " if _has_realised(result) else ""
        notes += [mark + note for note in display.average_notes(result)]
    return MetricTable(tuple(lines), tuple(notes))


def _has_realised(result: RunResult) -> bool:
    return bool(display.rows(result, "realised"))


def average_table(result: RunResult) -> MetricTable:
    """Metrics that have an interval on average beside that of what may happen, with the former."""
    table = {key: figure for key, figure in display.figures(result).items() if figure.on_average}
    lines = []
    for metric in display.metrics(table):
        figures = [table.get((s.name, metric)) for s in display.applicable(result)]
        cells = tuple(display.row_cell(result, figure.best) if figure else display.Cell("", "") for figure in figures)
        words = display.wording(result, metric)
        lines.append((words.label, words.symbol, cells))
    return MetricTable(tuple(lines), tuple(display.layer_notes(result, "expected")) if lines else ())


def _sorted(result: RunResult) -> list[display.Decision]:
    """The baseline, then levers as on the sheet."""
    order = [display.baseline(result).name, *(line.scenario for line in lever_lines(result))]
    return sorted(display.decisions(result), key=lambda line: order.index(line.scenario.name))


def _decision_layers(result: RunResult) -> list[str]:
    """What the intervals of the decision's metric contain, that of what may happen first."""
    figure = next(iter(display.decisive(result).values()), None)
    if figure is None:
        return []
    rows = (figure.may, figure.best) if figure.on_average else (figure.may,)
    return [display.layer_note(row.basis, row.layers, stated=bool(result.no_data)) for row in rows]


def _decision_notes(result: RunResult) -> list[str]:
    notes = _decision_layers(result)
    if few := display.too_few_draws(result):
        notes.append(few.partition(" Raise ")[0])
    if any(s.is_what_if for s in display.levers(result)):
        notes.append(
            f"“{display.WHAT_IF}”: what the lever rests on is stated as certain, so its difference is what follows if "
            "that is right, and no chance is given."
        )
    return notes


def _model_facts(result: RunResult) -> list[tuple[str, str]]:
    """Rows on the model; months of the year have a figure of their own where they were kept."""
    drawn = bool(result.sheet and result.sheet.season)
    return [(label, value) for label, value in result.model_facts if not (drawn and label.startswith("season["))]


def _payback_lines(result: RunResult) -> list[tuple[ScenarioDescription, str, str, str, str]]:
    """Scenario, acquisition cost, median payback, how sure it comes within 12 months, and not within the horizon."""
    lines = []
    for scenario in payback_scenarios(result):
        curve = result.payback[scenario.name]
        months = curve.payback_p50_months
        lines.append(
            (
                scenario,
                fmt.money(curve.cac_mean, max(-2, fmt.last_place([curve.cac_mean], digits=4)), result.currency),
                _payback_month(months) if math.isfinite(months) else f"not within {fmt.months(result.horizon_months)}",
                fmt.share(curve.p_within_12_months),
                fmt.share(curve.p_never),
            )
        )
    return lines


def _payback_month(months: float) -> str:
    return f"after {fmt.months(round(months))}" if months else "with the first order"


def _payback_note(result: RunResult) -> str:
    money = "contribution" if result.margin_known else "revenue"
    return (
        f"Expected cumulative {money} per acquired customer by month of age, lost customers counted as zero, "
        f"discounted to the first order, which stands at 0; acquisition cost is not deducted. "
        + _payback_layers(result)
    )


def _payback_layers(result: RunResult) -> str:
    """What the bands hold, as the comparison states it for payback (or for a newcomer's value)."""
    table = display.figures(result)
    for metric in ("payback_months", "p_payback_12_months", "pav_per_newcomer"):
        figure = table.get((display.baseline(result).name, metric))
        if figure is not None:
            basis, layers = figure.best.basis, figure.best.layers
            return display.layer_note(basis, layers, stated=bool(result.no_data)).replace("interval", "band")
    return display.layer_note("expected", result.layers, stated=bool(result.no_data)).replace("interval", "band")


def _assumption(result: RunResult, assumption: Assumption) -> AssumptionLine:
    return AssumptionLine(
        assumption.label,
        assumption.path,
        display.assumption_cell(result, assumption),
        evidence.WORDS[evidence.of(assumption)],
        assumption.text,
        assumption.source,
    )


class TraceTable(NamedTuple):
    """What happens to one customer: date, event, lever, money in and out, scenarios."""

    customer: str
    rows: tuple[tuple[str, ...], ...]


def trace_tables(result: RunResult) -> list[TraceTable]:
    """The customers that the run followed, each a table of lines in words."""
    tables = []
    for customer, lines in groupby(result.trace, key=lambda line: line.customer):
        tables.append(TraceTable(customer.capitalize(), tuple(_trace_row(result, line) for line in lines)))
    return tables


def _trace_row(result: RunResult, line: TraceLine) -> tuple[str, ...]:
    number = "" if math.isnan(line.number) else f"{fmt.number(line.number, -1)} "
    money = [fmt.money(value, -2, result.currency) if value else "" for value in (line.revenue, line.cost)]
    return (line.date, number + line.event, line.cause, *money, line.scenarios)


def _shown_metrics(result: RunResult) -> list[tuple[str, str, str]]:
    """Label, symbol and definition of every metric on the page."""
    words = [display.wording(result, name) for name in display.metrics(display.figures(result))]
    return [(w.label, w.symbol, w.meaning) for w in words]
