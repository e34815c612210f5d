"""From the plan value of one run to that of another, one change at a time, each by a simulation of its own.

The order is fixed: data, what was learned of them, money, newcomers, shocks, the baseline's own levers, and how it was
simulated. A step is the difference of two simulations that differ in nothing else. Draws of the same posterior are
paired. What the simulations at both ends differ by from what was recorded is the last step, so that the steps add up.
"""

import math
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.changes import PLAN_VALUE, POSTERIOR, Side
from clvsim.config import RunConfig
from clvsim.data.config import SqlConfig
from clvsim.data.readers import read_material
from clvsim.errors import ClvsimError
from clvsim.files import FILE_URL
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.stages.refusals import plan_run
from clvsim.stages.steps import by_plan, wanted_of
from clvsim.types import CustomerSummary

REST = "chance and what hangs together"
UNREAD = "the data and what follows from it"
ALL = "everything together"
_LABELS = {
    "data": "the data (customers and their orders)",
    "fit": "what was learned from it",
    "finance": "margin, costs and discount",
    "acquisition": "newcomers and their cost",
    "environment": "shocks and drift ahead",
    "baseline": "levers in the baseline",
    "simulation": "horizon, seed, draws and sample",
}
_SECTIONS = {"fit": ("retention", "spend", "fit"), "simulation": ("simulation", "seed")}


class Step(NamedTuple):
    """What one change, or several at once, did to the plan value: mean, and its Monte Carlo error."""

    label: str
    mean: float
    mcse: float


class Bridge(NamedTuple):
    """Steps whose means add up to `now - then`, the rest last; `notes` say what could not be re-run, and why."""

    then: float
    now: float
    mcse: float  # of their difference
    steps: tuple[Step, ...]
    notes: tuple[str, ...]


class Value(NamedTuple):
    """Expected plan value per draw, (draw,), with the posterior that its draws are of, and independent draws; where a
    sample stands for more customers, how many are simulated at most, and the standard error that it adds."""

    draws: np.ndarray
    posterior: str
    effective: float
    most: int | None = None
    sampled: float = 0.0

    @property
    def mean(self) -> float:
        return float(self.draws.mean())

    @property
    def variance(self) -> float:
        """Of the mean; 0 where there is one draw, or draws do not differ."""
        return float(self.draws.var(ddof=1)) / self.effective if self.draws.size > 1 else 0.0


class State(NamedTuple):
    """A run's configuration, with the data and the posterior that it is simulated with."""

    config: RunConfig
    summary: CustomerSummary
    fitted: FittedModels
    posterior: str


def bridge(then: Side, now: Side, advance: Callable[[], object] = lambda: None) -> Bridge:
    """Re-run one change at a time, from `then` to `now`; `advance` is called after each simulation.

    The data of a run can be read again where its files lie as the record says and give the same sha256. With those of
    `now` all changes are re-run; with those of `then` alone all but the data and what was learned of them; else none.
    """
    same = then.data["sha256"] == now.data["sha256"] and then.ids == now.ids
    newer, why = summary_again(now)
    if same and newer is None:
        newer, why = summary_again(then)
    older = newer if same else summary_again(then)[0]
    changed = [name for name in _LABELS if differs(name, then, now, same=same)]
    if newer is None and older is None:
        return _closed(recorded(then), recorded(now), [], [], ALL, (f"Nothing could be re-run: {why}.",))
    if newer is not None:
        return _walk(then, now, older, newer, changed, REST, [], advance)
    note = f"The data, and what was learned from them, could not be re-run by themselves: {why}."
    changed = [name for name in changed if name not in ("data", "fit")]
    return _walk(then, now, older, None, changed, UNREAD, [note], advance)


def _walk(
    then: Side,
    now: Side,
    older: CustomerSummary | None,
    newer: CustomerSummary | None,
    changed: list[str],
    rest: str,
    notes: list[str],
    advance: Callable[[], object],
) -> Bridge:
    """One change after the other, from the data of `then` where they are there, or else from what it recorded; a change
    that cannot be simulated by itself goes with the next."""
    first, last = recorded(then), recorded(now)
    config, summary, fitted, posterior = then.config, older, then.fitted, first.posterior
    current = first if summary is None else value_of(State(config, summary, fitted, posterior))
    ends, steps, pending = [(first, current)], [], []
    unlike = [side.config.retention for side in (then, now)]
    together = (unlike[0].periods, unlike[0].interval_days) != (unlike[1].periods, unlike[1].interval_days)
    for name in changed:
        config = with_change(config, now.config, name)
        pending.append(_LABELS[name])
        if name == "data":
            summary = newer
        elif name == "fit":
            fitted, posterior = now.fitted, last.posterior
        if summary is None or (name == "data" and together and "fit" in changed):
            continue
        try:
            reached = value_of(State(config, summary, fitted, posterior))
        except (ClvsimError, LookupError, ValueError) as error:
            why = error.problems[0].what if isinstance(error, ClvsimError) else "the two do not go together"
            notes.append(f"A change that could not be re-run by itself goes with the next: {_LABELS[name]} ({why}).")
            continue
        advance()
        steps.append(_step(" + ".join(pending), current, reached))
        current, pending = reached, []
    return _closed(first, last, steps, [*ends, (current, last)], " + ".join([*pending, rest]), tuple(notes))


def _closed(
    first: Value, last: Value, steps: list[Step], ends: list[tuple[Value, Value]], rest: str, notes: tuple[str, ...]
) -> Bridge:
    """Steps with the rest, which makes them add up: at both `ends`, what was simulated again and what was recorded."""
    missing = last.mean - first.mean - math.fsum(step.mean for step in steps)
    errors = [_step("", *pair, apart=True).mcse for pair in (ends or [(first, last)])]
    return Bridge(
        first.mean, last.mean, _step("", first, last).mcse, (*steps, Step(rest, missing, math.hypot(*errors))), notes
    )


def _step(label: str, start: Value, end: Value, *, apart: bool = False) -> Step:
    """The difference of two means; of draws that are the same it is that of the draws. Samples of different size are
    different customers, and so may be those of runs with other levers (`apart`)."""
    variance = start.variance + end.variance
    if start.posterior == end.posterior and start.draws.size == end.draws.size:
        variance = end._replace(draws=end.draws - start.draws).variance
    if apart or start.most != end.most:
        variance += start.sampled**2 + end.sampled**2
    return Step(label, end.mean - start.mean, math.sqrt(variance))


def recorded(side: Side) -> Value:
    """The plan value of a run, as it kept it."""
    draws, simulation = side.draws.level(PLAN_VALUE, BASELINE), side.config.simulation
    value = Value(draws, str(side.record["parts"].get(POSTERIOR)), side.draws.effective)
    many = simulation.are_many(side.result.customers)
    return _with_sample(value, simulation.most_customers, side.result.comparison) if many else value


def _with_sample(value: Value, most: int | None, table: pd.DataFrame) -> Value:
    """A value with what its error in a table of comparison has beyond that of the draws."""
    here = (table["scenario"] == BASELINE) & (table["metric"] == PLAN_VALUE) & (table["basis"] == "expected")
    error = float(table.loc[here, "mean_mcse"].fillna(0.0).sum())
    return value._replace(most=most, sampled=math.sqrt(max(error**2 - value.variance, 0.0)))


def value_of(state: State) -> Value:
    """Simulate the baseline alone. Raises ClvsimError where the configuration does not go with the data."""
    from clvsim.comparison import simulate_and_compare
    from clvsim.simulation.expected import expected_value

    config = state.config
    draws = min(config.simulation.draws, state.fitted.draws)
    fit = config.fit.model_copy(update={"posterior": (), "compare": ()})
    simulation = config.simulation.model_copy(update={"draws": draws})
    scenario = {BASELINE: config.scenario[BASELINE]}
    library = {name: one for name, one in config.library.items() if name != BASELINE}
    own = {"fit": fit, "simulation": simulation, "scenario": scenario, "scenario_library": library}
    config = config.model_copy(update=own)
    plan = plan_run(config, state.summary)
    if plan.provisional:
        plan = plan_run(config, state.summary, expected_value(plan, state.fitted, state.summary))
    found, comparison = simulate_and_compare(plan, state.fitted, state.summary, PLAN_VALUE)
    value = Value(comparison.values[BASELINE], state.posterior, found.effective_draws)
    return _with_sample(value, simulation.most_customers, comparison.table) if found.sample else value


# --- what changed -----------------------------------------------------------------------------------------------------


def differs(name: str, then: Side, now: Side, *, same: bool) -> bool:
    """Whether a step has something to re-run; `same`: whether both runs have the same data."""
    if name == "data":
        return not same
    if name == "fit" and then.record["parts"].get(POSTERIOR) != now.record["parts"].get(POSTERIOR):
        return True
    sections = [_sections(side.config, name) for side in (then, now)]
    return name != "fit" and sections[0] != sections[1]


def _sections(config: RunConfig, name: str) -> Mapping[str, Any]:
    if name == "baseline":
        return {"scenario": config.scenario[BASELINE]}
    sections = {section: getattr(config, section) for section in _SECTIONS.get(name, (name,))}
    if name == "finance":  # a currency is a label
        sections["finance"] = config.finance.model_copy(update={"currency": ""})
    return sections


def with_change(config: RunConfig, other: RunConfig, name: str) -> RunConfig:
    """A configuration with one of another's parts."""
    if name != "baseline":
        return config.model_copy(update=_sections(other, name))
    scenario = {**config.scenario, BASELINE: other.scenario[BASELINE]}
    return config.model_copy(update={"scenario": scenario, "scenario_library": other.library})


# --- data, read again -------------------------------------------------------------------------------------------------


def summary_again(side: Side) -> tuple[CustomerSummary | None, str]:
    """The customers of a run from its files, and "", or None and why they are not to be had."""
    config = side.config
    if not config.stated and config.data.kind not in ("bundled", "synthetic", "sql"):
        paths = paths_again(side.record)
        if not paths:
            return None, f"the files of {side.folder} are not where they were"
        config = config.model_copy(update={"data": config.data.model_copy(update={"path": paths})})
    if isinstance(config.data, SqlConfig) and not (config.data.url or FILE_URL).startswith(FILE_URL):
        return None, f"the server of {side.folder} is not asked: its address comes from a record, not by data.url_env"
    try:
        material = read_material(config.data, wanted_of(config))
        summary = by_plan(config, material).summary
    except (ClvsimError, OSError):
        return None, f"the files of {side.folder} cannot be read any more as they were"
    if summary.data_hash != side.data["sha256"]:
        return None, f"the files of {side.folder} hold other orders than they did (sha256)"
    return summary, ""


def paths_again(record: Mapping[str, Any]) -> str | tuple[str, ...]:
    """Where the files of a run lie: as typed, from the folder in which it was started; "" where one is not there.

    Of a path from the root the configuration keeps the name only; the command kept it whole, beside the folder.
    """
    local, data = record.get("local") or {}, record["config"].get("data") or {}
    listed = data.get("path")
    names = [listed] if isinstance(listed, str) else list(listed or ())
    home = Path(str(local.get("folder") or "."))
    try:
        typed = [word.partition("=")[2] if "=" in word else word for word in shlex.split(str(local.get("command", "")))]
    except ValueError:
        typed = []
    rooted = {Path(word.strip("'\"")).name: word.strip("'\"") for word in typed if word.strip("'\"").startswith("/")}
    found = []
    for name in map(str, names):
        candidates = [rooted[name]] if name in rooted else []
        candidates.append(str(home / name))
        there = [path for path in candidates if _is_there(path)]
        if not there:
            return ""
        found.append(there[0])
    return found[0] if len(found) == 1 else tuple(found)


def _is_there(path: str) -> bool:
    """Whether a file is there, or one that a pattern names."""
    place = Path(path)
    try:
        return place.is_file() or (any(sign in place.name for sign in "*?[") and any(place.parent.glob(place.name)))
    except (OSError, ValueError):
        return False
