"""What the page and the terminal display of a run: rows, scenarios and their order, wording, digits."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from clvsim.report import format as fmt
from clvsim.report.glossary import GLOSSARY, Words, words
from clvsim.types import Assumption, RunResult, ScenarioDescription
from clvsim.validation.vocabulary import Vocabulary, vocabulary_of

LAYERS = ("parameter", "process", "environment", "assumption")
_LAYER_WORDS = {
    "parameter": "how customers behave",
    "assumption": "what levers do",
    "process": "who happens to buy",
    "environment": "shocks common to all",
}
_STATED_WORDS = _LAYER_WORDS | {"assumption": "what is stated of customers, channels and levers"}
_MAY_BE_AVERAGED = ("process", "environment")
WHAT_IF = "what if"  # in the place of a probability, where what a lever rests on is stated and certain


@dataclass(frozen=True)
class Row:
    """One row of comparison.csv as numbers."""

    scenario: str
    metric: str
    basis: str
    layers: str
    mean: float
    mean_mcse: float
    p05: float
    p50: float
    p95: float
    delta_mean: float
    delta_mcse: float
    delta_p05: float
    delta_p95: float
    p_better: float
    p_better_mcse: float
    p_best: float
    p_best_mcse: float
    expected_loss: float
    expected_loss_mcse: float


_NUMBERS = tuple(f.name for f in fields(Row) if f.type is float)


class Cell(NamedTuple):
    """A number and its 90 % intervals as text; an interval is empty where there is none.

    `interval` is the one shown first, of what may happen; `average` is that of the same figure on average.
    """

    value: str
    interval: str
    average: str = ""


class Figure(NamedTuple):
    """One figure of a scenario: the row of its mean and of decisions, and that of the interval shown first.

    They differ where the comparison holds the figure on both bases: `best` is on average then, `may` is realised.
    """

    best: Row
    may: Row

    def times(self, factor: float) -> "Figure":
        """The figure per another unit, of which there are `factor` times fewer; differences stay as they are."""
        sizes = ("mean", "mean_mcse", "p05", "p50", "p95")
        return Figure(*(replace(row, **{name: factor * getattr(row, name) for name in sizes}) for row in self))

    @property
    def on_average(self) -> bool:
        """Whether there is an interval on average beside the one of what may happen."""
        return self.best.basis != self.may.basis


@lru_cache(maxsize=4)
def rows(result: RunResult, basis: str) -> dict[tuple[str, str], Row]:
    """Rows of one basis by (scenario, metric); without known acquisition the metrics on newcomers are skipped."""
    frame = result.comparison
    table: dict[tuple[str, str], Row] = {}
    for record in frame[frame["basis"] == basis].to_dict("records"):
        metric = str(record["metric"])
        if not result.acquisition_known and metric in GLOSSARY and GLOSSARY[metric].newcomers:
            continue
        scenario = str(record["scenario"])
        numbers = {name: _number(record.get(name)) for name in _NUMBERS}
        table[scenario, metric] = Row(scenario, metric, basis, str(record["layers"]), **numbers)
    return table


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(str(value))


def figures(result: RunResult) -> dict[tuple[str, str], Figure]:
    """Every figure by (scenario, metric); of a metric on both bases, expected values for the mean."""
    expected, realised = rows(result, "expected"), rows(result, "realised")
    return {
        key: Figure(expected.get(key) or realised[key], realised.get(key) or expected[key])
        for key in (*expected, *(key for key in realised if key not in expected))
    }


def decisive(result: RunResult) -> dict[str, Figure]:
    """Figures of the decision's metric by scenario."""
    metric = decision_metric(result)
    return {scenario: figure for (scenario, m), figure in figures(result).items() if m == metric}


def metrics(table: Iterable[tuple[str, str]]) -> list[str]:
    """Metrics in the order in which the comparison lists them."""
    return list(dict.fromkeys(metric for _, metric in table))


def decision_metric(result: RunResult) -> str:
    """The metric that scenarios are ranked by (`report.metric`); else the one whose rows have probabilities."""
    if result.metric:
        return result.metric
    ranked = (m for (_, m), row in rows(result, "expected").items() if math.isfinite(row.p_best))
    return next(ranked, "plan_value")


def baseline(result: RunResult) -> ScenarioDescription:
    return result.scenarios[0]


def applicable(result: RunResult) -> list[ScenarioDescription]:
    """Scenarios that were simulated, the baseline first."""
    return [s for s in result.scenarios if not s.not_applicable]


def levers(result: RunResult) -> list[ScenarioDescription]:
    """Simulated scenarios other than the baseline."""
    return [s for s in applicable(result) if s.name != baseline(result).name]


def vocabulary(result: RunResult) -> Vocabulary:
    """What customers do: order, or renew contracts."""
    return vocabulary_of(result.active_contracts is not None)


def wording(result: RunResult, metric: str) -> Words:
    entry = words(
        metric,
        margin_known=result.margin_known,
        horizon_months=result.horizon_months,
        arrival_months=result.arrival_months,
    )
    if metric == "orders" and result.active_contracts is not None:
        span = fmt.months(result.horizon_months)
        meaning = f"Payments of all customers followed, first ones and renewals, each over {span}."
        return entry._replace(label="Payments", short="Payments", meaning=meaning)
    return entry


def span(result: RunResult) -> str:
    """What a lever's figure is."""
    over = f"over {fmt.months(result.horizon_months)}"
    metric = decision_metric(result)
    if metric == "plan_value":
        return f"extra {'value' if result.margin_known else 'revenue'} {over}"
    label = wording(result, metric).label
    return f"change of {label if label.isupper() else label[0].lower() + label[1:]}"


def metric_cell(result: RunResult, figure: Figure, *, short: bool = False) -> Cell:
    """Cell of a metric: its mean, and the interval of what may happen, in the metric's unit; `short` writes 104k."""
    best, may = figure
    unit = wording(result, best.metric).unit
    if unit == "chance":
        return Cell(fmt.share(best.mean, best.mean_mcse), "")
    if unit == "months":  # no mean: some draws may never get there
        low, middle, high = (_months(q, result.horizon_months) for q in (best.p05, best.p50, best.p95))
        return Cell(middle, "" if middle == fmt.MISSING else f"[{low}, {high}]")
    mcse = larger(best.mean_mcse, may.mean_mcse)
    cell = format_cell(unit, best.mean, may.p05, may.p95, mcse, result.currency, short=short)
    if not figure.on_average:
        return cell
    average = format_cell(unit, best.mean, best.p05, best.p95, mcse, result.currency, short=short)
    return cell._replace(average=average.interval)


def row_cell(result: RunResult, row: Row) -> Cell:
    """Cell of a metric on one basis."""
    return metric_cell(result, Figure(row, row))


def larger(first: float, second: float) -> float:
    """The larger of two Monte Carlo errors, of which one may be unknown."""
    known = [error for error in (first, second) if math.isfinite(error)]
    return max(known, default=math.nan)


def _months(month: float, horizon: int) -> str:
    return f">{fmt.NBSP}{horizon}" if math.isinf(month) else fmt.number(month, 0)


def delta_cell(result: RunResult, figure: Figure, *, short: bool = False) -> Cell:
    """Cell of a difference from the baseline, with its sign, and its intervals."""
    best, may = figure
    unit, mcse = wording(result, best.metric).unit, larger(best.delta_mcse, may.delta_mcse)
    numbers = (best.delta_mean, may.delta_p05, may.delta_p95)
    cell = format_cell(unit, *numbers, mcse, result.currency, signed=True, short=short)
    if not figure.on_average:
        return cell
    numbers = (best.delta_mean, best.delta_p05, best.delta_p95)
    return cell._replace(average=format_cell(unit, *numbers, mcse, result.currency, signed=True, short=short).interval)


def number_text(result: RunResult, figure: Figure, value: float) -> str:
    """A single number with the unit, currency and digits that a figure's difference has."""
    best, may = figure
    unit = wording(result, best.metric).unit
    numbers = (best.delta_mean, may.delta_p05, may.delta_p95)
    place = fmt.last_place(numbers, larger(best.delta_mcse, may.delta_mcse))
    return _text(unit, value, max(place, -2) if unit == "money" else place, result.currency, None)


def assumption_cell(result: RunResult, assumption: Assumption) -> Cell:
    """Cell of an assumption on the scale its reader expects; a fixed number has no interval.

    Changes of a log rate are shares of orders, hazards are "1 in 6,000".
    """
    if assumption.unit == "hazard":
        return _hazard_cell(assumption)
    if assumption.unit in _SHARES_OF_ORDERS:
        change = _SHARES_OF_ORDERS[assumption.unit]
        low, high = sorted((change(assumption.p05), change(assumption.p95)))
        assumption = assumption._replace(unit="relative", mean=change(assumption.mean), p05=low, p95=high)
    unit = {"relative": "change", "probability": "fine share", "money": "money"}.get(assumption.unit, "ratio")
    if assumption.kind == "fixed" or assumption.p05 == assumption.p95:
        return Cell(
            format_cell(unit, assumption.mean, math.nan, math.nan, math.nan, result.currency, exact=True).value, ""
        )
    return format_cell(unit, assumption.mean, assumption.p05, assumption.p95, math.nan, result.currency)


_SHARES_OF_ORDERS = {"log change": math.expm1, "log loss": lambda loss: math.expm1(-loss)}
_LEAST_HAZARD = 1e-7  # below which it is never


def _hazard_cell(assumption: Assumption) -> Cell:
    """Chances as one in so many, the likelier end first."""
    mean, low, high = (_one_in(value) for value in (assumption.mean, assumption.p05, assumption.p95))
    fixed = assumption.kind == "fixed" or assumption.p05 == assumption.p95
    return Cell(mean, "" if fixed else f"[{high}, {low}]")


def _one_in(hazard: float) -> str:
    if hazard < _LEAST_HAZARD:
        return "never"
    if hazard >= 1:
        return f"{fmt.number(hazard, -1)} a life"
    return f"1 in {fmt.number(1 / hazard, max(0, fmt.last_place([1 / hazard], digits=2)))}"


def format_cell(
    unit: str,
    mean: float,
    low: float,
    high: float,
    mcse: float,
    currency: str,
    *,
    short: bool = False,
    signed: bool = False,
    exact: bool = False,
) -> Cell:
    """A mean and its bounds with common digits; `exact` prints a number as the user typed it."""
    numbers = (mean, low, high)
    place = fmt.own_place(mean) if exact else fmt.last_place(numbers, mcse)
    if unit == "money":  # whole units or cents, never parts of cents
        place = place if place == 0 or not exact else min(place, -2)
        place = place if exact else max(place, -2)
    scale = max((abs(v) for v in numbers if math.isfinite(v)), default=0.0) if short else None
    value = _text(unit, mean, place, currency, scale, signed=signed)
    if math.isnan(low) or math.isnan(high) or low == mean == high:  # nothing varies
        return Cell(value, "")
    if unit == "share" and short:  # no room for three percent signs
        unit, low, high, place = "number", low * 100, high * 100, max(place, -3) + 2
    return Cell(value, f"[{', '.join(_text(unit, bound, place, '', scale) for bound in (low, high))}]")


def _text(unit: str, value: float, place: int, currency: str, scale: float | None, *, signed: bool = False) -> str:
    match unit:
        case "money" if scale is not None:
            return fmt.compact(value, place, currency, scale=scale, signed=signed)
        case "money":
            return fmt.money(value, place, currency, signed=signed)
        case "share":
            return fmt.percent(value, max(place, -3), signed=signed)
        case "fine share":
            return fmt.percent(value, min(place, -2), signed=signed)
        case "change":
            return fmt.percent(value, min(place, -2), signed=True)
        case "count" if scale is not None:
            return fmt.compact(value, max(place, 0), scale=scale, signed=signed)
        case "count":
            return fmt.number(value, max(place, 0), signed=signed)
        case _:
            return fmt.number(value, place, signed=signed)


class Decision(NamedTuple):
    """One line of the table that decides: how a scenario compares with the baseline."""

    scenario: ScenarioDescription
    delta: Cell | None  # None for the baseline
    p_better: str  # on average
    p_best: str
    expected_loss: str
    higher: str = ""  # how many simulated futures ended higher than the same futures under the baseline


def decisions(result: RunResult, *, short: bool = False) -> list[Decision]:
    """One entry per simulated scenario that has the decision's metric."""
    table = decisive(result)
    mcse = max((f.best.delta_mcse for f in table.values() if f.best.delta_mcse >= 0), default=0.0)
    unit = wording(result, decision_metric(result)).unit
    return [
        _decision(result, scenario, table[scenario.name], unit, mcse, short=short)
        for scenario in applicable(result)
        if scenario.name in table
    ]


def _decision(
    result: RunResult, scenario: ScenarioDescription, figure: Figure, unit: str, mcse: float, *, short: bool
) -> Decision:
    best, may = figure
    loss = loss_in_words(unit, best.expected_loss, mcse, result.currency, short=short)
    p_best = fmt.share(best.p_best, best.p_best_mcse)
    if scenario.name == baseline(result).name:
        return Decision(scenario, None, "", p_best, loss)
    delta = delta_cell(result, figure, short=short)
    if scenario.is_what_if:
        return Decision(scenario, delta, WHAT_IF, WHAT_IF, loss)
    higher = "" if math.isnan(may.p_better) or may.basis != "realised" else fmt.frequency(may.p_better)
    return Decision(scenario, delta, fmt.share(best.p_better, best.p_better_mcse), p_best, loss, higher)


_FINEST = {"money": 0, "count": 0, "share": -3}  # places; others: hundredths


def loss_in_words(unit: str, loss: float, mcse: float, currency: str, *, short: bool) -> str:
    """An expected loss with the digits that the error supports; where these leave nothing of one that is there, with
    two of its own, or as less than the least that is printed: "less than $1".
    """
    finest = _FINEST.get(unit, -2)
    place = fmt.last_place((loss,), mcse)
    place = max(place, {"money": -2, "count": 0, "share": -3}.get(unit, place))
    if not loss > 0 or round(loss, -place) != 0:
        return format_cell(unit, loss, math.nan, math.nan, mcse, currency, short=short).value
    least = 10.0**finest
    if loss < least:
        return f"less than {_text(unit, least, finest, currency, None)}"
    return _text(unit, loss, max(fmt.last_place((loss,), digits=2), finest), currency, None)


def too_few_draws(result: RunResult) -> str:
    """A sentence where the comparison has refused its probabilities, "" where it has them or there is no lever."""
    in_contest = {scenario.name for scenario in levers(result) if not scenario.is_what_if}
    lines = [figure.best for name, figure in decisive(result).items() if name in in_contest]
    if not lines or any(math.isfinite(row.p_better) for row in lines):
        return ""
    worlds = fmt.number(result.draws * result.replicates)
    return (
        f"No chance of being better or best is shown: {worlds} simulated futures are too few for one. "
        "Raise simulation.draws."
    )


def split_layers(text: str | Iterable[str]) -> tuple[str, ...]:
    """Layer words in their fixed order, from `comparison.layers` (any separator) or `RunResult.layers`."""
    present = set(re.findall("[a-z]+", text)) if isinstance(text, str) else set(text)
    return tuple(layer for layer in LAYERS if layer in present)


def in_layers(layers: str | Iterable[str], *, stated: bool = False) -> str:
    """The layers of uncertainty in words: "how customers behave, what levers do and who happens to buy".

    `stated`: whether behaviour is, too."""
    present = split_layers(layers)
    all_words = _STATED_WORDS if stated else _LAYER_WORDS
    *first, last = [words for layer, words in all_words.items() if layer in present] or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def layer_note(basis: str, layers: str | Iterable[str], *, stated: bool = False) -> str:
    """Sentence on what a 90 % interval allows for and, on average, on what is averaged out; `stated` as above."""
    present = split_layers(layers)
    if basis == "realised":
        return f"90{fmt.NBSP}% interval of what may happen: it allows for {in_layers(present, stated=stated)}."
    averaged = [layer for layer in _MAY_BE_AVERAGED if layer not in present]
    note = f"90{fmt.NBSP}% interval on average: it allows for {in_layers(present, stated=stated)}"
    return f"{note}, and averages out {in_layers(averaged)}." if averaged else f"{note}."


def layer_notes(result: RunResult, basis: str) -> list[str]:
    """One note per distinct set of layers in a table; the metrics are named only when the sets differ."""
    return _notes(result, basis, rows(result, basis).values())


def average_notes(result: RunResult) -> list[str]:
    """Notes on figures that the comparison holds on average only."""
    return _notes(result, "expected", [f.may for f in figures(result).values() if f.may.basis == "expected"])


def _notes(result: RunResult, basis: str, chosen: Iterable[Row]) -> list[str]:
    groups: dict[tuple[str, ...], list[str]] = {}
    has_levers = bool(levers(result)) or result.acquisition_known or bool(result.no_data)
    for row in chosen:
        layers = (layer for layer in split_layers(row.layers) if has_levers or layer != "assumption")
        names = groups.setdefault(tuple(layers), [])
        label = wording(result, row.metric).label
        if label not in names:
            names.append(label)
    if len(groups) == 1:
        return [layer_note(basis, next(iter(groups)), stated=bool(result.no_data))]
    return [
        f"{', '.join(names)}: {layer_note(basis, layers, stated=bool(result.no_data))}"
        for layers, names in groups.items()
    ]


def people_note(result: RunResult) -> str:
    """How many people a figure per customer is the mean of."""
    of_today = [f"Figures per customer are means over the {fmt.number(result.customers)} customers of today"]
    newcomers = figures(result).get((baseline(result).name, "newcomers"))
    of_newcomers = []
    if newcomers is not None and math.isfinite(newcomers.best.mean):
        number = metric_cell(result, newcomers).value
        means = "" if result.customers else " are means"
        of_newcomers = [f"figures per newcomer or visitor{means} over the plan’s {number} newcomers"]
    sentence = ", ".join([*(of_today if result.customers else []), *of_newcomers])
    where = ", and is in customers.parquet" if result.customers else ""
    return f"{sentence[:1].upper()}{sentence[1:]}; what a single customer may bring is far less sure{where}."
