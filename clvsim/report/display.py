"""What the page and the terminal display of a run: rows, scenarios and their order, wording, digits."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import NamedTuple

import pandas as pd

from clvsim.report import format as fmt
from clvsim.report.glossary import GLOSSARY, Words, words
from clvsim.types import Assumption, RunResult, ScenarioDescription
from clvsim.validation.vocabulary import Vocabulary, vocabulary_of

LAYERS = ("parameter", "process", "environment", "assumption")
_WHAT_IS_AVERAGED = {"process": "who happens to buy (process)", "environment": "shocks common to all (environment)"}


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
    expected_loss: float


_NUMBERS = tuple(f.name for f in fields(Row) if f.type is float)


class Cell(NamedTuple):
    """A number and its 90 % interval as text; `interval` is empty where there is none."""

    value: str
    interval: str


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
        numbers = {name: _number(record[name]) for name in _NUMBERS}
        table[scenario, metric] = Row(scenario, metric, basis, str(record["layers"]), **numbers)
    return table


def _number(value: object) -> float:
    return math.nan if value is None or value is pd.NA else float(str(value))


def metrics(table: dict[tuple[str, str], Row]) -> list[str]:
    """Metrics in the order in which the comparison lists them."""
    return list(dict.fromkeys(metric for _, metric in table))


def decision_metric(result: RunResult) -> str:
    """The metric that the comparison ranks scenarios by: the one whose rows have probabilities (`report.metric`)."""
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
        meaning = (
            f"Payments of all customers followed, first ones and renewals, each over {result.horizon_months} months."
        )
        return entry._replace(label="Payments", short="Payments", meaning=meaning)
    return entry


def metric_cell(result: RunResult, row: Row, *, short: bool = False) -> Cell:
    """Cell of a metric: mean and 90 % interval in the metric's unit; `short` writes 104k."""
    unit = wording(result, row.metric).unit
    if unit == "chance":
        return Cell(fmt.share(row.mean, row.mean_mcse), "")
    if unit == "months":  # no mean: some draws may never get there
        low, middle, high = (_months(q, result.horizon_months) for q in (row.p05, row.p50, row.p95))
        return Cell(middle, "" if middle == fmt.MISSING else f"[{low}, {high}]")
    return _format_cell(unit, row.mean, row.p05, row.p95, row.mean_mcse, result.currency, short=short)


def _months(month: float, horizon: int) -> str:
    return f">{fmt.NBSP}{horizon}" if math.isinf(month) else fmt.number(month, 0)


def delta_cell(result: RunResult, row: Row) -> Cell:
    """Cell of a difference from the baseline, with its sign."""
    unit = wording(result, row.metric).unit
    numbers = (row.delta_mean, row.delta_p05, row.delta_p95)
    return _format_cell(unit, *numbers, row.delta_mcse, result.currency, signed=True)


def number_text(result: RunResult, row: Row, value: float) -> str:
    """A single number with the unit, currency and digits that a row's difference has."""
    unit = wording(result, row.metric).unit
    place = fmt.last_place((row.delta_mean, row.delta_p05, row.delta_p95), row.delta_mcse)
    return _text(unit, value, max(place, -2) if unit == "money" else place, result.currency, None)


def assumption_cell(result: RunResult, assumption: Assumption) -> Cell:
    """Cell of an assumption on the scale its reader expects; a fixed number has no interval."""
    unit = {"relative": "change", "probability": "fine share", "money": "money"}.get(assumption.unit, "ratio")
    if assumption.kind == "fixed" or assumption.p05 == assumption.p95:
        return Cell(
            _format_cell(unit, assumption.mean, math.nan, math.nan, math.nan, result.currency, exact=True).value, ""
        )
    return _format_cell(unit, assumption.mean, assumption.p05, assumption.p95, math.nan, result.currency)


def _format_cell(
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
    if math.isnan(low) or math.isnan(high):
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
    p_better: str
    p_best: str
    expected_loss: str


def decisions(result: RunResult, basis: str = "expected") -> list[Decision]:
    """One entry per simulated scenario that has the decision's metric on this basis."""
    table, metric = rows(result, basis), decision_metric(result)
    mcse = max((r.delta_mcse for (_, m), r in table.items() if m == metric and r.delta_mcse >= 0), default=0.0)
    unit = wording(result, metric).unit
    lines = []
    for scenario in applicable(result):
        row = table.get((scenario.name, metric))
        if row is None:
            continue
        is_baseline = scenario.name == baseline(result).name
        loss = _format_cell(unit, row.expected_loss, math.nan, math.nan, mcse, result.currency).value
        p_best_mcse = math.sqrt(row.p_best * (1 - row.p_best) / result.draws) if 0 <= row.p_best <= 1 else math.nan
        lines.append(
            Decision(
                scenario,
                None if is_baseline else delta_cell(result, row),
                "" if is_baseline else fmt.share(row.p_better, row.p_better_mcse),
                fmt.share(row.p_best, p_best_mcse),
                loss,
            )
        )
    return lines


def split_layers(text: str | Iterable[str]) -> tuple[str, ...]:
    """Layer words in their fixed order, from `comparison.layers` (any separator) or `RunResult.layers`."""
    present = set(re.findall("[a-z]+", text)) if isinstance(text, str) else set(text)
    return tuple(layer for layer in LAYERS if layer in present)


def layer_note(basis: str, layers: str | Iterable[str]) -> str:
    """Sentence on the layers that a 90 % interval contains and, for expected values, on those averaged out."""
    present = split_layers(layers)
    layer_names = {"assumption": "effect and assumption"}
    contained = " + ".join(layer_names.get(layer, layer) for layer in present)
    if basis == "realised":
        return f"90{fmt.NBSP}% interval of realised worlds; {contained} uncertainty."
    averaged = [words for layer, words in _WHAT_IS_AVERAGED.items() if layer not in present]
    note = f"90{fmt.NBSP}% interval of expected values; {contained} uncertainty"
    return f"{note}; averaged out: {' and '.join(averaged)}." if averaged else f"{note}."


def layer_notes(result: RunResult, basis: str) -> list[str]:
    """One note per distinct set of layers in a table; the metrics are named only when the sets differ."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for row in rows(result, basis).values():
        names = groups.setdefault(split_layers(row.layers), [])
        label = wording(result, row.metric).label
        if label not in names:
            names.append(label)
    if len(groups) == 1:
        return [layer_note(basis, next(iter(groups)))]
    return [f"{', '.join(names)}: {layer_note(basis, layers)}" for layers, names in groups.items()]
