"""What a sweep says: what to do and how sure that is, a table on the terminal, and the table of its file."""

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.comparison.points import Outcome, Swept
from clvsim.decision.figures import REFUSED_BELOW
from clvsim.interventions.base import Intervention
from clvsim.report import format as fmt
from clvsim.report.format import NBSP
from clvsim.report.glossary import words
from clvsim.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fields that describe customers beside those that may be effects: nobody chooses them.
_OF_CUSTOMERS = ("half_life_weeks", "peak_per_month", "sharpness", "opt_out_fatigue", "living")
_LEAST, _MOST = "smallest", "largest"


class Story(NamedTuple):
    """A sweep as it is told.

    `values`: of each point, by key. `kind`: "choice" of levers, "effect" (what customers do, which nobody chooses) or
    "level" (of the whole run). `premise`: "" or what comes after "If".
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    kind: str
    effects: tuple[str, ...]
    title: str
    premise: str
    metric: str
    label: str
    unit: str
    currency: str
    margin_known: bool
    horizon_months: int
    stated: bool
    ordered: bool
    remarks: tuple[str, ...]
    found: Swept
    outcome: Outcome

    @property
    def table(self) -> pd.DataFrame:
        return self.outcome.table

    @property
    def axes(self) -> tuple[tuple[Any, ...], ...]:
        return tuple(tuple(dict.fromkeys(map(_hashable, column))) for column in zip(*self.values, strict=True))

    def amount(self, value: float, place: int, *, signed: bool = False) -> str:
        """A figure of the metric as text."""
        if self.unit == "money":
            return fmt.money(value, max(place, -2), self.currency, signed=signed)
        return (
            fmt.percent(value, place, signed=signed)
            if self.unit == "share"
            else fmt.number(value, place, signed=signed)
        )

    def name(self, key: int) -> str:
        """A key without the scenario's name, or as it is typed."""
        return short_name(self.keys[key])


def short_name(key: str) -> str:
    """`email.per_month` of `scenario.follow_up.email.per_month`; other keys as they are."""
    return ".".join(key.split(".")[2:]) if key.startswith("scenario.") else key


def make_story(
    config: Any,
    keys: Sequence[str],
    values: Sequence[tuple[Any, ...]],
    of: str,
    found: Swept,
    outcome: Outcome,
    *,
    levers: bool,
    ordered: bool,
) -> Story:
    """Of a run's configuration, the swept keys, the points' values, the scenario that is looked at, and what came."""
    margin_known, library = config.finance.gross_margin is not None, config.library
    label = words(
        config.report.metric,
        margin_known=margin_known,
        horizon_months=config.simulation.horizon_months,
        arrival_months=config.acquisition.months,
    )
    effects = tuple(key for key in keys if levers and is_of_customers(key, library))
    return Story(
        keys=tuple(keys),
        values=tuple(values),
        kind="effect" if effects else "choice" if levers else "level",
        effects=effects,
        title=library[of].title,
        premise=premise(found, stated=config.stated),
        metric=config.report.metric,
        label=label.label,
        unit=label.unit,
        currency=config.finance.currency,
        margin_known=margin_known,
        horizon_months=config.simulation.horizon_months,
        stated=config.stated,
        ordered=ordered,
        remarks=tuple(remark for key in keys for remark in _remarks(key, keys, library, margin_known)),
        found=found,
        outcome=outcome,
    )


def is_of_customers(key: str, library: "Mapping[str, Scenario]") -> bool:
    """Whether a lever's key says what customers do, and not what the company does."""
    lever, field = _lever_of(key, library)
    if lever is None:
        return False
    name = field.split(".")[-1]
    effect = next((f for f in lever.uncertain() if field == f or field.startswith(f"{f}.")), None)
    if effect is None or lever.kind == "cost":
        return name in _OF_CUSTOMERS
    spent = getattr(lever, "target", "") == "ad_spend" and effect == "size"
    return lever.uncertain()[effect][1].unit != "money" and not spent


def _lever_of(key: str, library: "Mapping[str, Scenario]") -> "tuple[Intervention | None, str]":
    _, name, *rest = key.split(".")
    levers = library[name].interventions if name in library else {}
    return (levers.get(rest[0]), ".".join(rest[1:])) if rest else (None, "")


def _remarks(key: str, keys: Sequence[str], library: "Mapping[str, Scenario]", margin_known: bool) -> list[str]:
    """What a reader could overlook: a take that does not fall as the price rises, and costs that do not count."""
    if not key.startswith("scenario."):
        return []
    lever, field = _lever_of(key, library)
    told = []
    own = key.rpartition(".")[0]
    if field == "price" and hasattr(lever, "take") and f"{own}.take" not in keys:
        told.append(
            f"The share who take it is the same at every {short_name(key)}, though fewer take what is dearer. Give "
            f"pairs: {own}='{{price: 20, take: 0.1}},{{price: 30, take: 0.06}}'."
        )
    return told


def premise(found: Swept, *, stated: bool) -> str:
    """What comes after "If": a business that is stated, numbers of an example, or numbers without a source."""
    if stated:
        return "If the business is as stated"
    if any(description.illustrative for description in found.descriptions):
        return "If this example's numbers were those of your customers"
    if any(description.evidence == "stated" for description in found.descriptions):
        return "If the numbers that are stated for it are right (stated, not tested)"
    return ""


# --- sentences -------------------------------------------------------------------------------------------------------


def advice(story: Story) -> tuple[str, ...]:
    """What to do and how sure that is, in sentences; the first is the answer."""
    if story.kind == "level":
        told = _of_levels(story)
    elif _makes_no_difference(story):
        told = [f"{_and(story.keys)} makes no difference here: {story.label.lower()} is the same at every value."]
    elif story.kind == "effect":
        told = _of_effect(story)
    else:
        told = _of_choice(story)
    return (*told, *story.remarks)


def _makes_no_difference(story: Story) -> bool:
    values = [one.values for one in story.found.expected]
    return all(np.array_equal(values[0], other, equal_nan=True) for other in values[1:])


def _of_choice(story: Story) -> list[str]:
    found, table = story.outcome.optimum, story.table
    best = int(table["delta_mean"].iloc[1:].argmax()) + 1
    if found is not None:
        if found.outcome == "edge":
            return _at_edge(story, tuple(found.best), best)
        return [*_nothing(story, best)] if found.outcome == "nothing" else _inside(story)
    row = table.iloc[best]
    error = row["delta_mcse"]
    if not row["delta_mean"] > 0 or row["delta_mean"] < REFUSED_BELOW * (error if np.isfinite(error) else 0.0):
        return _nothing(story, best)
    if story.ordered and _edges(story, story.values[best - 1]):
        return _at_edge(story, story.values[best - 1], best)
    where = _at(story, story.values[best - 1])
    return [_ifs(story, f"of the values tried, {where} is best: it {_brings(story, row)}"), _sure(story, row)]


def _inside(story: Story) -> list[str]:
    """The best between the values tried, what loses little beside it, and where it may lie."""
    found = story.outcome.optimum
    assert found is not None
    assert story.outcome.curve is not None
    values = story.outcome.curve.at(found.best[None, :])[0][:, 0]
    low, high = np.quantile(values, [0.05, 0.95])
    row = pd.Series(
        {"delta_mean": found.gain.value, "delta_mcse": found.gain.mcse, "delta_p05": low, "delta_p95": high}
    )
    where = _and([f"{story.name(k)} at about {_rounded(story, k, value)}" for k, value in enumerate(found.best)])
    told = [_ifs(story, f"the best is {where}: it {_brings(story, row)}")]
    ends = _and(
        [
            f"{story.name(k)} from {_rounded(story, k, lo)} to {_rounded(story, k, hi)}"
            for k, (lo, hi) in enumerate(found.band)
        ]
    )
    told.append(f"With {ends} less than 2{NBSP}% of that is lost.")
    if not without_doubt(story):
        acting = found.per_draw[np.isfinite(found.per_draw[:, 0])]
        spans = [
            f"{story.name(k)} {_rounded(story, k, a)} to {_rounded(story, k, b)}"
            for k, (a, b) in enumerate(np.quantile(acting, [0.05, 0.95], axis=0).T)
        ]
        better = float(np.heaviside(values, 0.5).mean())
        nothing = f"; doing nothing is best in {in_100(found.p_nothing)}" if found.p_nothing > 0 else ""
        told.append(
            f"We are {fmt.sure(better)} sure that it is better than doing nothing, on average. What is best is not "
            f"sure: in 9 of 10 cases it lies at {_and(spans)}{nothing}."
        )
    return told


def _at_edge(story: Story, where: Sequence[float], best: int) -> list[str]:
    row = story.table.iloc[best]
    told = [
        f"{value:g}, is the {edge} ({story.name(k)}): try {'larger' if edge == _MOST else 'smaller'} ones"
        for k, value, edge in _edges(story, where)
    ]
    values = "value" if len(told) == 1 else "values"
    first = f"the best {values} tried, {', and '.join(told)}. How far to go is not known yet; so far it"
    return [_ifs(story, f"{first} {_brings(story, row)}"), _sure(story, row)]


def _edges(story: Story, where: Sequence[Any]) -> list[tuple[int, float, str]]:
    """Keys whose best value is the smallest or the largest tried."""
    out = []
    for k, (value, axis) in enumerate(zip(where, story.axes, strict=True)):
        if value in (min(axis), max(axis)):
            out.append((k, float(value), _MOST if value == max(axis) else _LEAST))
    return out


def _nothing(story: Story, best: int) -> list[str]:
    row = story.table.iloc[best]
    where = _at(story, story.values[best - 1])
    rest = f"The best of them, {where}, {_brings(story, row)}"
    none = "no value tried is expected to bring more than it costs"
    if row["delta_mean"] > 0:
        none = "what the best value tried brings is within the error of the simulation (simulation.draws)"
    first = f"do nothing: {none}. {rest}"
    return [_ifs(story, first), _sure(story, row)]


def _of_effect(story: Story) -> list[str]:
    """What follows from a number that nobody chooses, and from which value on it pays."""
    table = story.table.iloc[1:]
    ends = [0, len(table) - 1]
    said = [f"at {_at(story, story.values[k])} it {_brings(story, table.iloc[k])}" for k in ends]
    verb = "are" if len(story.effects) > 1 else "is"
    told = [
        _ifs(story, f"{'; '.join(said)}"),
        f"{_and(story.effects)} {verb} what customers do: no value is recommended.",
    ]
    if crossings := _crossings(story):
        told.append(f"It pays from about {_and(crossings)}.")
    return told


def _crossings(story: Story) -> list[str]:
    """Where the mean difference goes from below zero to above, of one key with a curve."""
    found = story.outcome.optimum
    if found is None or len(story.keys) != 1:
        return []
    x, mean = found.points[:, 0], found.mean
    rising = np.flatnonzero((mean[:-1] <= 0) & (mean[1:] > 0))
    falling = np.flatnonzero((mean[:-1] > 0) & (mean[1:] <= 0))
    if falling.size or rising.size != 1:
        return []
    k = int(rising[0])
    at = x[k] + (x[k + 1] - x[k]) * (0 - mean[k]) / (mean[k + 1] - mean[k])
    return [f"{story.name(0)}={_rounded(story, 0, float(at))} on"]


def _of_levels(story: Story) -> list[str]:
    table = story.table
    ends = [0, len(table) - 1]
    said = []
    for k in ends:
        row = table.iloc[k]
        place = fmt.last_place((row["mean"], row["p05"], row["p95"]), row["mean_mcse"])
        value, low, high = (story.amount(row[name], place) for name in ("mean", "p05", "p95"))
        said.append(f"{value} [{low}, {high}] at {_at(story, story.values[k])}")
    told = [
        f"{'If the business is as stated, ' if story.stated else ''}{story.label} of “{story.title}” over "
        f"{fmt.months(story.horizon_months)} is {' and '.join(said)}."
    ]
    row = table.iloc[ends[1]]
    if np.isfinite(row["delta_mean"]):
        told.append(f"The second is {_delta(story, row)} against the first, in the same simulated worlds.")
    return told


def _brings(story: Story, row: pd.Series) -> str:
    size = abs(row["delta_mean"])
    place = fmt.last_place((row["delta_mean"], row["delta_p05"], row["delta_p95"]), row["delta_mcse"])
    low, high = (story.amount(row[name], place) for name in ("delta_p05", "delta_p95"))
    verb = "adds" if row["delta_mean"] >= 0 else "costs"
    what = ""
    if story.metric != "plan_value":
        verb = "raises" if row["delta_mean"] >= 0 else "lowers"
        what = f"“{story.label}” by "
    elif not story.margin_known:
        verb = "brings" if row["delta_mean"] >= 0 else "loses"
    of = " of revenue" if story.metric == "plan_value" and not story.margin_known else ""
    return (
        f"{verb} {what}about {story.amount(size, place)}{of} over {fmt.months(story.horizon_months)} "
        f"(90{NBSP}% interval on average {low} to {high})"
    )


def _sure(story: Story, row: pd.Series) -> str:
    if without_doubt(story):
        return "No chance is given: all that it rests on is stated as certain."
    if not np.isfinite(row["p_better"]):
        return "There are too few simulated worlds to say how sure that is (simulation.draws)."
    sure = fmt.sure(row["p_better"], row["p_better_mcse"])
    told = f"We are {sure} sure that it is better than doing nothing, on average"
    if story.kind == "choice" and np.isfinite(row["p_best"]):
        none = story.table.iloc[0]
        best, nothing = (in_100(one["p_best"], one["p_best_mcse"]) for one in (row, none))
        told += f"; it is the best of all in {best} simulated cases, and doing nothing in {nothing}"
    return f"{told}."


def without_doubt(story: Story) -> bool:
    return all(description.is_what_if for description in story.found.descriptions)


def _ifs(story: Story, said: str) -> str:
    sentence = f"{story.premise}, {said}" if story.premise else said[0].upper() + said[1:]
    return sentence if sentence.endswith(".") else f"{sentence}."


def _at(story: Story, values: Sequence[Any]) -> str:
    return _and([f"{story.name(k)}={value_text(value)}" for k, value in enumerate(values)])


def _rounded(story: Story, key: int, value: float) -> str:
    """A value between those tried, with the digits of a hundredth of their range."""
    axis = [float(v) for v in story.axes[key]]
    place = math.floor(math.log10(max((max(axis) - min(axis)) / 100, 1e-12)) + 1e-9)
    return fmt.number(value, max(place, -6))


def _and(parts: Sequence[str]) -> str:
    return " and ".join(parts)


def in_100(share: float, mcse: float = math.nan) -> str:
    return fmt.frequency(share, mcse)


def value_text(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _hashable(value: Any) -> Any:
    return value if isinstance(value, int | float | str | type(None)) else value_text(value)


def interval(story: Story, low: float, high: float, place: int) -> str:
    return f"[{story.amount(low, place)}, {story.amount(high, place)}]"


def _delta(story: Story, row: pd.Series) -> str:
    place = fmt.last_place((row["delta_mean"], row["delta_p05"], row["delta_p95"]), row["delta_mcse"])
    return (
        f"{story.amount(row['delta_mean'], place, signed=True)} "
        f"{interval(story, row['delta_p05'], row['delta_p95'], place)}"
    )
