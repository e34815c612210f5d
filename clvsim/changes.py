"""What differs between two finished runs: data, inputs, what was learned, versions, and the answer.

Nothing is simulated here; what each change does to the answer is worked out by `clvsim.stages.bridge`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from clvsim.archive import CUSTOMERS, read_result
from clvsim.comparison.draws import Draws
from clvsim.config import RunConfig, validate
from clvsim.draws_file import read_draws
from clvsim.errors import ConfigError
from clvsim.models.around.several import MODEL
from clvsim.models.cache import read_posterior
from clvsim.models.fitted import FittedModels
from clvsim.recorded import read_record, require_complete
from clvsim.scenario import BASELINE
from clvsim.types import RunResult

POSTERIOR = "posterior.nc"
PLAN_VALUE = "plan_value"
_PLACES = ("out", "run", "title", "question", "report", "trace")  # keys that change no figure
_ABSENT = "–"


class Side(NamedTuple):
    """One of the two runs, as it was written."""

    folder: Path
    record: Mapping[str, Any]
    config: RunConfig
    result: RunResult
    draws: Draws
    fitted: FittedModels
    ids: frozenset[str]

    @property
    def data(self) -> Mapping[str, Any]:
        return self.record["data"]

    @property
    def today(self) -> date:
        return self.result.today


class Change(NamedTuple):
    """Something that differs, in words: a key, a version, a count."""

    key: str
    then: str
    now: str


class Moved(NamedTuple):
    """A parameter whose mean moved by more than its sd then; `by` is in those sd, infinite where it had none."""

    name: str
    then: float
    then_sd: float
    now: float
    now_sd: float
    by: float


class Level(NamedTuple):
    """A mean with its Monte Carlo error and the 90 % interval of what may happen; nan where there is none."""

    mean: float = math.nan
    mcse: float = math.nan
    p05: float = math.nan
    p95: float = math.nan


class Figure(NamedTuple):
    """A figure of the baseline, or a lever's difference to it (`scenario`), then and now."""

    metric: str
    unit: str
    scenario: str  # "" for a level of the baseline
    then: Level
    now: Level


class Changes(NamedTuple):
    """All differences of two runs."""

    data: tuple[Change, ...]
    inputs: tuple[Change, ...]
    scenarios: tuple[Change, ...]
    models: tuple[Change, ...]
    moved: tuple[Moved, ...]
    versions: tuple[Change, ...]
    figures: tuple[Figure, ...]
    levers: tuple[Figure, ...]


def read_side(folder: Path, key: str) -> Side:
    """A finished run. Raises ConfigError on `key` where the folder holds none, or one that is not as it was written."""
    record = read_record(require_complete(folder, key), key)
    if absent := [name for name in (CUSTOMERS, POSTERIOR) if name not in record["parts"]]:
        raise ConfigError([(key, f"{folder} has no {absent[0]}; clvsim run makes a new one")])
    try:
        result, draws = read_result(folder), read_draws(folder)
        config, fitted = validate(record["config"]), read_posterior(folder / POSTERIOR)
    except ConfigError as error:
        raise ConfigError([(key, f"{where}: {what}") for where, what in error.problems]) from None
    try:
        ids = frozenset(pd.read_parquet(folder / CUSTOMERS, columns=["customer_id"])["customer_id"].astype(str))
        data = record["data"]
        if not {"sha256", "today", "customers"} <= data.keys() or PLAN_VALUE not in draws.metrics:
            raise ValueError("its record or its draws lack an entry")
    except Exception as error:  # Parquet reports damage through many types
        what = f"{folder} cannot be read as a finished run: it is damaged, or of another version"
        raise ConfigError([(key, what)]) from error
    return Side(folder, record, config, result, draws, fitted, ids)


def require_comparable(then: Side, now: Side) -> None:
    """Raises ConfigError for a run that is compared with itself, and for runs of other customers or currencies."""
    problems = []
    if then.record["parts"] == now.record["parts"]:
        problems.append(("b", f"{now.folder} is the same run as {then.folder}; name two"))
    if not (then.config.stated or now.config.stated) and then.ids and now.ids and not then.ids & now.ids:
        what = f"shares no customer with {then.folder}: is it a run of another log?"
        problems.append(("b", f"{now.folder} {what}"))
    own, other = then.result.currency, now.result.currency
    if own and other and own != other:
        problems.append(("finance.currency", f"{then.folder} is in {own}, {now.folder} in {other}"))
    if problems:
        raise ConfigError(problems)


def changes(then: Side, now: Side) -> Changes:
    """Everything that differs between two runs."""
    inputs, scenarios = _inputs(then.config.as_json(), now.config.as_json())
    models, moved = _posterior(then.fitted, now.fitted)
    levers = [name for name in _in_order(then.draws.scenarios, now.draws.scenarios) if name != BASELINE]
    metrics = _in_order(now.draws.metrics, then.draws.metrics)
    return Changes(
        data=tuple(_data(then, now)),
        inputs=inputs,
        scenarios=scenarios,
        models=models,
        moved=moved,
        versions=tuple(_versions(then.record, now.record)),
        figures=tuple(_figure(then, now, metric) for metric in metrics),
        levers=tuple(_figure(then, now, PLAN_VALUE, lever) for lever in levers),
    )


def _in_order(first: tuple[str, ...], second: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys((*first, *second)))


# --- data and inputs --------------------------------------------------------------------------------------------------


def _data(then: Side, now: Side) -> Iterator[Change]:
    def facts(side: Side) -> dict[str, str]:
        seen = side.fitted.posterior.seen
        return {
            "today": str(side.today),
            "customers": f"{side.result.customers:,}",
            "orders": f"{seen.customers + seen.repeat_orders:,}" if seen else _ABSENT,
            "first day": str(seen.first_date) if seen else _ABSENT,
            "sha256": str(side.data["sha256"])[:12] or _ABSENT,
        }

    old, new = facts(then), facts(now)
    yield from (Change(name, old[name], new[name]) for name in old if old[name] != new[name])
    gone, come = len(then.ids - now.ids), len(now.ids - then.ids)
    if gone or come:
        yield Change("customers who are not in the other", f"{gone:,}", f"{come:,}")


def _inputs(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Keys that differ, and scenarios that were added or taken out."""
    old, new = _scenarios(then), _scenarios(now)
    added = [Change(f"scenario.{name}", _ABSENT, "added") for name in new if name not in old]
    removed = [Change(f"scenario.{name}", "there", "taken out") for name in old if name not in new]
    both = old.keys() & new.keys()
    flat = [
        dict(
            _flat({key: value for key, value in side.items() if key not in (*_PLACES, "scenario", "scenario_library")})
        )
        | dict(_flat({"scenario": {name: own[name] for name in own if name in both}}))
        for side, own in ((then, old), (now, new))
    ]
    keys = _in_order(tuple(flat[0]), tuple(flat[1]))
    changed = [
        Change(key, flat[0].get(key, _ABSENT), flat[1].get(key, _ABSENT))
        for key in keys
        if flat[0].get(key, _ABSENT) != flat[1].get(key, _ABSENT)
    ]
    return tuple(changed), (*added, *removed)


def _scenarios(config: Mapping[str, Any]) -> dict[str, Any]:
    """Scenarios by name without how their numbers were typed."""
    own = config.get("scenario") or {}
    return {name: {key: value for key, value in one.items() if key != "as_written"} for name, one in own.items()}


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted keys and their values as JSON."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _versions(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    old, new = ({"clvsim": side.get("clvsim"), "code": side.get("git")} for side in (then, now))
    old |= then.get("versions") or {}
    new |= now.get("versions") or {}
    for name in _in_order(tuple(old), tuple(new)):
        if old.get(name) != new.get(name):
            yield Change(name, str(old.get(name) or _ABSENT)[:12], str(new.get(name) or _ABSENT)[:12])


# --- what was learned -------------------------------------------------------------------------------------------------


def _posterior(then: FittedModels, now: FittedModels) -> tuple[tuple[Change, ...], tuple[Moved, ...]]:
    """Models that are others, and parameters of the same ones that moved by more than their sd, the largest first."""
    models, moved = [], []
    old, new = then.posterior, now.posterior
    if old.time_unit != new.time_unit:
        return (Change("data.time_unit", old.time_unit, new.time_unit),), ()
    for section in ("retention", "spend"):
        kinds = [getattr(side, section).kind for side in (then, now)]
        if kinds[0] != kinds[1]:
            models.append(Change(section, *kinds))
            continue
        before, after = getattr(old, section), getattr(new, section)
        for name in before:
            if name in after and name != MODEL and "path[" not in name:
                moved += _moved(f"{section}.{name}", before[name], after[name])
    return tuple(models), tuple(sorted(moved, key=lambda one: -abs(one.by)))


def _moved(name: str, then: np.ndarray, now: np.ndarray) -> list[Moved]:
    if not (np.isfinite(then).any() and np.isfinite(now).any()):
        return []
    mean, sd, new, new_sd = (float(f(v)) for v in (then, now) for f in (np.nanmean, np.nanstd))
    by = (new - mean) / sd if sd > 0 else math.copysign(math.inf, new - mean) if new != mean else 0.0
    return [Moved(name, mean, sd, new, new_sd, by)] if abs(by) > 1 else []


# --- the answer -------------------------------------------------------------------------------------------------------


def _figure(then: Side, now: Side, metric: str, scenario: str = "") -> Figure:
    units = [unit for side in (now, then) for unit in _rows(side, metric, scenario or BASELINE)["unit"]]
    return Figure(
        metric, units[0] if units else "", scenario, _level(then, metric, scenario), _level(now, metric, scenario)
    )


def _rows(side: Side, metric: str, scenario: str) -> pd.DataFrame:
    table = side.result.comparison
    return table[(table["metric"] == metric) & (table["scenario"] == scenario)]


def _level(side: Side, metric: str, scenario: str) -> Level:
    """Of what may happen; of a lever its difference to the baseline."""
    rows = _rows(side, metric, scenario or BASELINE).set_index("basis")
    basis = "realised" if "realised" in rows.index else "expected"
    if basis not in rows.index:
        return Level()
    prefix = "delta_" if scenario else ""
    mean, mcse = ("delta_mean", "delta_mcse") if scenario else ("mean", "mean_mcse")
    row = rows.loc[basis]
    values = (float(row.get(name, math.nan)) for name in (mean, mcse, f"{prefix}p05", f"{prefix}p95"))
    return Level(*values)
