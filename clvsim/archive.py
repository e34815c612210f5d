"""Writing the files of a run folder, and reading a finished run."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pydantic import ConfigDict, TypeAdapter, ValidationError

from clvsim.comparison import Comparison
from clvsim.disk import write_tree
from clvsim.draws_file import DRAWS, read_knobs, write_draws
from clvsim.errors import ConfigError
from clvsim.everyday import Steps, Trade
from clvsim.files import write_csv
from clvsim.knobs import Knobs
from clvsim.plausible import Unlike, frozen, read_books, read_table, require_size
from clvsim.provenance import BOOKS, SCHEMA_VERSION, SUMMARY, TABLE, VALUATION, parts_of, sizes_of
from clvsim.schema import broken_rule
from clvsim.sheet import Sheet
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.run import Simulation
from clvsim.texts import CONTROLS, short_repr
from clvsim.track_record import track_record_of
from clvsim.types import (
    Assumption,
    ContractFigures,
    Counted,
    Diagnostic,
    HoldoutCheck,
    PaybackCurve,
    PlanFigures,
    QualityLine,
    Range,
    Renewal,
    RunResult,
    ScenarioDescription,
    ScheduleLine,
    TraceLine,
    Tracking,
    Trials,
)
from clvsim.valuation import Amount, BlockShare, BridgeLine, Ending, Sensitivity, Valuation, is_whole, table

if TYPE_CHECKING:
    import xarray as xr

_PACKED_FROM_BYTES = 1 << 28  # compression reduces it to a third, and takes longer than writing everything else
LEDGER, CUSTOMERS, CUSTOMERS_CSV = "ledger.nc", "customers.parquet", "customers.csv"
RECORD = "run.json"
TRACE, SCHEDULE, NEWCOMER_VALUE = "trace.csv", "schedule.csv", "newcomer_value.csv"


def json_ready(value: Any) -> Any:
    """JSON-ready copy; NaN and infinity become null."""
    if is_dataclass(value) and not isinstance(value, type):
        return json_ready(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return json_ready(value.astype(str).tolist() if value.dtype.kind == "M" else value.tolist())
    if hasattr(value, "_asdict"):
        return json_ready(value._asdict())
    if isinstance(value, list | tuple):
        return [json_ready(v) for v in value]
    if isinstance(value, np.datetime64 | date):
        return str(value)
    if isinstance(value, np.generic):
        return json_ready(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(value: Any, path: Path) -> None:
    """Write JSON as UTF-8; control characters, which stand in texts only, are its escapes."""
    text = json.dumps(json_ready(value), indent=1, ensure_ascii=False)
    text = CONTROLS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
    path.write_text(text + "\n", encoding="utf-8")


def write_record(record: Mapping[str, Any], folder: Path) -> None:
    """Write `run.json`, the last file of a run, with the sha256 of the others but those that `report` writes again."""
    parts = parts_of(folder)
    write_json({**record, "parts": parts, "sizes": sizes_of(folder, parts)}, folder / RECORD)


def write_result(result: RunResult, folder: Path) -> None:
    """Write `summary.json`, `comparison.csv` and `books.csv`, from which the report can be rendered again, and what the
    first of them holds of a valuation as `valuation.csv`."""
    tables = ("comparison", "books", "knobs")
    fields = {name: getattr(result, name) for name in result.__dataclass_fields__ if name not in tables}
    write_json({"schema_version": SCHEMA_VERSION, **fields}, folder / SUMMARY)
    write_csv(result.comparison, folder / TABLE)
    if result.books is not None:
        write_csv(result.books, folder / BOOKS)
    if result.valuation is not None:
        write_csv(table(result.valuation), folder / VALUATION)


def read_result(folder: Path, *, knobs: bool = True) -> RunResult:
    """The result that `write_result` wrote, with the `knobs` of `draws.nc` where they are wanted and there.

    Raises ConfigError naming the file when it cannot be read.
    """
    try:
        require_size(folder / SUMMARY)
        raw = frozen(json.loads((folder / SUMMARY).read_text(encoding="utf-8")))
        books = read_books(folder / BOOKS) if (folder / BOOKS).exists() else None
        result = _as_declared(_result(raw, read_table(folder / TABLE), books))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError([("run", f"{folder} cannot be read as a finished run: {_reason(error)}")]) from None
    return replace(result, knobs=_fitting(read_knobs(folder), result, folder)) if knobs else result


def _fitting(knobs: Knobs | None, result: RunResult, folder: Path) -> Knobs | None:
    """The knobs of a result. Raises ConfigError where they are of other scenarios or draws."""
    if knobs is None:
        return None
    named = {*knobs.deltas.names, *knobs.effects.scenarios}
    if not named <= {*result.delta_draws} or any(x.size != knobs.draws for x in result.delta_draws.values()):
        what = f"{folder} cannot be read as a finished run: {DRAWS} and {SUMMARY} are not of one run"
        raise ConfigError([("run", what)])
    return knobs


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{SUMMARY}: {'.'.join(map(str, first['loc'][1:]))}: {broken_rule(first)}"
    if isinstance(error, Unlike):
        return str(error)
    return f"{SUMMARY}, {TABLE} or {BOOKS} is missing, damaged, or of another version; clvsim run makes new ones"


def _as_declared(result: RunResult) -> RunResult:
    """The result, all fields as declared. Raises ValueError for values of other types."""
    settings = ConfigDict(strict=True, arbitrary_types_allowed=True, revalidate_instances="always", defer_build=True)
    adapter = TypeAdapter(tuple[RunResult], config=settings)
    adapter.rebuild(_types_namespace={"pd": pd, "Sheet": Sheet, "Valuation": Valuation, "Knobs": Knobs})
    (result,) = adapter.validate_python((result,))
    track, names = result.tracking, {scenario.name for scenario in result.scenarios}
    together = (
        *([result.delta_draws[name]] for name in result.delta_draws),
        [getattr(track, name) for name in ("week_start", "actual", "mean", "p05", "p95")],
        *([curve.months, curve.mean, curve.p05, curve.p95] for curve in result.payback.values()),
        *([[result.sheet.hill]] if result.sheet else []),
    )
    for arrays in together:
        if any(array.ndim != 1 or array.dtype.kind not in "fiuM" or array.size != arrays[0].size for array in arrays):
            raise Unlike(f"{SUMMARY} has no numbers where there must be some, or not as many as of what they belong to")
    if len(names) < len(result.scenarios) or not names.issuperset((*result.delta_draws, *result.payback)):
        raise Unlike(f"{SUMMARY} has several scenarios of one name, or figures of one that it does not have")
    if result.sheet and (len(result.sheet.season) not in (0, 12) or (np.diff(result.sheet.hill) < 0).any()):
        raise Unlike(f"{SUMMARY} has a sheet whose quantiles are out of order, or a year of other than twelve months")
    for line in result.schedule:
        steps = len(line.days) == len(line.height) and list(line.days) == sorted(line.days)
        if line.scenario not in names or not steps or not all(0 <= day < line.end for day in (0.0, *line.days)):
            raise Unlike(f"{SUMMARY} has a schedule of no scenario that it has, or one that is out of order")
    if unknown := {*result.comparison["scenario"]} ^ {s.name for s in result.scenarios if not s.not_applicable}:
        raise Unlike(f"{TABLE} and {SUMMARY} do not have the same scenarios: {', '.join(sorted(map(str, unknown)))}")
    if (found := result.valuation) and not is_whole(found):
        raise Unlike(f"{SUMMARY} has a valuation that lacks a part, or has one twice")
    books = () if result.books is None else result.books["scenario"]
    if unknown := {*books} - {*result.comparison["scenario"]}:
        raise Unlike(f"{BOOKS} has scenarios that {TABLE} has not: {', '.join(sorted(map(str, unknown)))}")
    return result


def _result(raw: dict[str, Any], table: pd.DataFrame, books: pd.DataFrame | None) -> RunResult:
    def parse_rows(kind: Any, rows: tuple[dict[str, Any], ...]) -> tuple:
        return tuple(kind(**{k: _number(v) for k, v in row.items()}) for row in _listed(rows))

    if (version := raw.pop("schema_version", SCHEMA_VERSION)) != SCHEMA_VERSION:
        what = f"has schema_version {short_repr(version)}, and this version of clvsim reads {SCHEMA_VERSION}"
        raise Unlike(f"{SUMMARY} {what}")
    fields: dict[str, Any] = {
        **raw,
        "today": date.fromisoformat(raw["today"]),
        "scenarios": tuple(_description(scenario, parse_rows) for scenario in _listed(raw["scenarios"])),
        "comparison": table,
        "books": books,
        "delta_draws": _arrays(raw["delta_draws"]),
        "payback": {name: PaybackCurve(**_arrays(curve)) for name, curve in raw["payback"].items()},
        "tracking": _tracking(raw["tracking"]),
        "quality": parse_rows(QualityLine, raw["quality"]),
        "diagnostics": parse_rows(Diagnostic, raw["diagnostics"]),
        "assumptions": parse_rows(Assumption, raw["assumptions"]),
        "contracts": _contracts(raw.get("contracts")),
        "valuation": _valuation(raw.get("valuation")),
        "trace": parse_rows(TraceLine, raw.get("trace", ())),
        "schedule": parse_rows(ScheduleLine, raw.get("schedule", ())),
        "sheet": _sheet(raw.get("sheet")),
        "track_record": track_record_of(raw["track_record"]) if raw.get("track_record") else None,
    }
    return RunResult(**fields)


def _description(raw: dict[str, Any], parse_rows: Any) -> ScenarioDescription:
    fields: dict[str, Any] = {**raw, "assumptions": parse_rows(Assumption, raw["assumptions"])}
    return ScenarioDescription(**fields)


def _arrays(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: np.array(v) if isinstance(v, tuple) else _number(v) for name, v in raw.items()}


def _listed(rows: Any) -> tuple[Any, ...]:
    if not isinstance(rows, tuple):
        raise TypeError("an object where a list belongs")
    return rows


def _number(value: Any) -> Any:
    return math.nan if value is None else value


def _sheet(raw: dict[str, Any] | None) -> Sheet | None:
    if raw is None:
        return None
    kinds: dict[str, Any] = {"trade": Trade, "today": Steps, "newcomer": Steps}
    parts: dict[str, Any] = {name: kind(**_arrays(raw[name])) if raw[name] else None for name, kind in kinds.items()}
    parts |= {"hill": np.array(raw["hill"], float), "worst_tenth": _number(raw["worst_tenth"])}
    fields: dict[str, Any] = {**raw, **parts, "season": tuple(map(_range, _listed(raw["season"])))}
    return Sheet(**fields)


def _contracts(raw: dict[str, Any] | None) -> ContractFigures | None:
    if raw is None:
        return None
    trials: dict[str, Any] | None = raw["trials"] and {**raw["trials"], "share": _range(raw["trials"]["share"])}
    plans = tuple(map(_plan, _listed(raw["plans"])))
    return ContractFigures(_plan(raw["total"]), plans, Trials(**trials) if trials else None)


def _valuation(raw: dict[str, Any] | None) -> Valuation | None:
    if raw is None:
        return None
    fields = {name: _number(value) for name, value in raw.items()}
    bridge = (BridgeLine(line["part"], _amount(line["amount"])) for line in _listed(raw["bridge"]))
    fields["bridge"] = tuple(bridge)
    fields["endings"] = tuple(map(_ending, _listed(raw["endings"])))
    fields["years"] = tuple(map(_amount, _listed(raw["years"])))
    fields["sensitivity"] = tuple(Sensitivity(**line) for line in _listed(raw["sensitivity"]))
    return Valuation(**fields)


def _ending(raw: dict[str, Any]) -> Ending:
    fields = {name: _number(value) for name, value in raw.items()}
    fields |= {name: _amount(raw[name]) for name in ("terminal", "enterprise", "shareholders")}
    fields["per_share"] = None if raw["per_share"] is None else _amount(raw["per_share"])
    fields["uncertainty"] = tuple(BlockShare(**line) for line in _listed(raw["uncertainty"]))
    return Ending(**fields)


def _amount(raw: dict[str, Any]) -> Amount:
    return Amount(**{name: _number(value) for name, value in raw.items()})


def _plan(raw: dict[str, Any]) -> PlanFigures:
    fields: dict[str, Any] = {**raw, "paused": raw["paused"] and _range(raw["paused"])}
    fields |= {name: _range(raw[name]) for name in ("churn_month", "churn_year")}
    fields |= {name: Counted(**raw[name]) for name in ("ended_month", "ended_year")}
    rows = (Renewal(r["number"], Counted(**r["renewed"]), _range(r["expected"])) for r in _listed(raw["renewals"]))
    fields["renewals"] = tuple(rows)
    return PlanFigures(**fields)


def _range(raw: dict[str, Any]) -> Range:
    return Range(**{name: _number(value) for name, value in raw.items()})


def _tracking(raw: dict[str, Any]) -> Tracking:
    check: dict[str, Any] | None = raw["holdout"]
    first_holdout_day = raw["holdout_from"]
    return Tracking(
        week_start=np.array(raw["week_start"], "datetime64[D]"),
        **{name: np.array(raw[name]) for name in ("actual", "mean", "p05", "p95")},
        holdout_from=np.datetime64(first_holdout_day) if first_holdout_day else None,
        holdout=HoldoutCheck(**check) if check else None,
        untracked=raw.get("untracked", ""),
        unchecked=raw.get("unchecked", ""),
    )


# --- ledgers ---------------------------------------------------------------------------------------------------------


def write_ledgers(simulation: Simulation, path: Path) -> None:
    """Write a group per scenario with `calendar`, `age`, `cohort_ledger`, and the group `inputs`, in single precision.

    Dimensions: world, group, line, basis (plain, discounted), month (since today) or age_month. `first_order` is the
    part of the first month of age that falls on the first order. Figures by calendar month are complete before the
    attribute `horizon_months` only; totals over all months follow each customer over the own horizon.
    """
    import xarray as xr

    table = (("draw", "input"), simulation.inputs.to_numpy(float))
    groups = {"inputs": xr.Dataset({"inputs": table}, coords={"input": list(simulation.inputs.columns)})}
    groups |= {name: ledger_dataset(scenario.ledger) for name, scenario in simulation.scenarios.items()}
    is_large = sum(data.nbytes for data in groups.values()) > _PACKED_FROM_BYTES
    packing = {"zlib": True, "complevel": 1, "shuffle": True} if is_large else {}
    encoding = {f"/{name}": dict.fromkeys(data.data_vars, packing) for name, data in groups.items()}
    write_tree(xr.DataTree.from_dict(groups), path, encoding)


def ledger_dataset(ledger: Ledger) -> "xr.Dataset":
    """One scenario's ledger as labelled single-precision arrays."""
    import xarray as xr

    labels = {
        "group": [g.label for g in ledger.groups],
        "line": [f"{line.account}/{line.cause}" for line in ledger.lines],
        "basis": ["plain", "discounted"],
        "cohort_line": ["revenue", "contribution", "active_customers"],
        "cohort": [f"{ledger.groups[c.group].label} {c.quarter}" for c in ledger.cohorts],
    }
    arrays = {
        "calendar": (("world", "group", "line", "basis", "month"), ledger.calendar),
        "cohort_ledger": (("world", "cohort", "cohort_line", "month"), ledger.cohort),
    }
    if ledger.age.shape[1]:
        arrays["age"] = (("world", "newcomer_group", "line", "basis", "age_month"), ledger.age)
        arrays["first_order"] = (("world", "newcomer_group", "line", "basis"), ledger.first)
        labels["newcomer_group"] = [g.label for g in ledger.groups if g.origin == "new"]
    single = {k: (dims, v.astype(np.float32)) for k, (dims, v) in arrays.items()}
    followed = "everybody is followed in the months before it; in later ones only newcomers, to the end of their own"
    return xr.Dataset(single, labels, {"horizon_months": ledger.horizon_months, "horizon": followed})


<<<<<<< HEAD
=======
_DRAWS_OF = {  # dimensions, and bytes of a number
    "expected": (("metric", "scenario", "draw"), 8),
    "realised": (("metric", "scenario", "world"), 4),
    "delta": (("scenario", "draw"), 8),
    "noise": (("scenario", "draw"), 8),
    "curve": (("scenario", "draw", "age"), 4),
    "cash": (("scenario", "draw", "age"), 4),
    "lines": (("scenario", "line", "draw"), 4),
    "there": (("draw", "moment"), 8),
    "inputs": (("draw", "input"), 8),
}
_NAMES_OF = {"metric": "metrics", "scenario": "scenarios", "line": "line_names", "input": "input_names"}


def write_draws(draws: Draws, folder: Path, knobs: Knobs | None = None) -> None:
    """Write `draws.nc`: figures per draw and per world, of which `clvsim.comparison.draws.Draws` says what they are; in
    its group `knobs` what the page's knobs compute with, as of `clvsim.knobs`.
    """
    import xarray as xr

    arrays = {name: (dims, getattr(draws, name).astype(f"f{size}")) for name, (dims, size) in _DRAWS_OF.items()}
    labels = {dimension: list(getattr(draws, field)) for dimension, field in _NAMES_OF.items()}
    attributes = {"decided": draws.decided, "effective": draws.effective}
    groups = {"/": xr.Dataset(arrays, labels, attributes)}
    if knobs is not None:
        groups["/knobs"] = knobs_dataset(knobs)
    write_tree(xr.DataTree.from_dict(groups), folder / DRAWS)


def read_draws(folder: Path) -> Draws:
    """The figures that `write_draws` wrote. Raises ConfigError where they cannot be read, or hang together in no way
    that a run writes."""
    import xarray as xr

    path = folder / DRAWS
    if not path.is_file():
        what = f"{folder} has no {DRAWS}, from which questions are answered; clvsim run makes a new one"
        raise ConfigError([("run", what)])
    try:
        require_bearable(path)
        require_plain(path)
        with xr.open_dataset(path, engine="h5netcdf") as found:
            fields: dict[str, Any] = {name: _numbers(found[name], dims) for name, (dims, _) in _DRAWS_OF.items()}
            fields |= {field: tuple(map(str, found[key].values.tolist())) for key, field in _NAMES_OF.items()}
            draws = Draws(decided=str(found.attrs["decided"]), effective=float(found.attrs["effective"]), **fields)
        if draws.decided not in draws.metrics or not draws.effective > 0 or not np.isfinite(draws.delta).all():
            raise Unlike(f"{DRAWS} has no differences of the metric that it was decided on")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, Unlike) else f"{DRAWS} is damaged, or of another version"
        raise ConfigError([("run", f"{folder} cannot be read as a finished run: {reason}")]) from None
    return draws


def _numbers(array: "xr.DataArray", dims: tuple[str, ...]) -> np.ndarray:
    if array.dims != dims or array.dtype.kind != "f":
        raise Unlike(f"{DRAWS} has no numbers by {', '.join(dims)} where there must be some")
    return array.to_numpy().astype(np.float64)


# --- knobs -----------------------------------------------------------------------------------------------------------

_FACTORS = 2  # prices whose product multiplies a size, at most; -1 is none
_ROWS = ("levels", "deltas", "given")


def knobs_dataset(knobs: Knobs) -> "xr.Dataset":
    """Labelled arrays: `terms` (term, factor) are numbers of `price`; sizes are `*_level` + `*_scale` × `*_steps`."""
    import xarray as xr

    numbers = [(*term, *[-1] * (_FACTORS - len(term))) for term in knobs.terms]
    arrays: dict[str, Any] = {"values": ("price", knobs.values), "terms": (("term", "factor"), np.array(numbers, "i2"))}
    labels: dict[str, Any] = {"price": list(knobs.keys)}
    effects = knobs.effects
    for name, lines in zip(_ROWS, (knobs.levels, knobs.deltas, effects.given), strict=True):
        if not lines.names:  # netCDF has no arrays without entries
            continue
        term = "one" if name == "given" else "term"
        arrays |= {f"{name}_{part}": ((name, term), getattr(lines, part)) for part in ("level", "scale")}
        arrays[f"{name}_steps"] = ((name, term, "draw"), lines.steps)
        labels[name] = list(lines.names)
    if effects.scenarios:
        arrays |= {f"effect_{part}": (("given", "point"), getattr(effects, part)) for part in ("at", "mean", "mcse")}
        arrays["effect_scenario"] = ("given", list(effects.scenarios))
    return xr.Dataset(arrays, labels)


def read_knobs(folder: Path) -> Knobs | None:
    """What `write_draws` wrote of the knobs; None of runs without. Raises ConfigError where they cannot be read, or
    hang together in no way that a run writes."""
    import h5py
    import xarray as xr

    path = folder / DRAWS
    if not path.is_file():
        return None
    try:
        require_bearable(path)
        require_plain(path)
        with h5py.File(path, "r") as file:
            if "knobs" not in file:
                return None
        with xr.open_dataset(path, group="knobs", engine="h5netcdf", phony_dims="access") as found:
            return as_knobs({str(name): array for name, array in found.variables.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, Unlike) else f"{DRAWS} is damaged, or of another version"
        raise ConfigError([("run", f"{folder} cannot be read as a finished run: {reason}")]) from None


def as_knobs(arrays: Mapping[str, Any]) -> Knobs:
    """Knobs of named arrays with dimensions. Raises ValueError or LookupError where they are none."""

    def numbers(name: str, *dims: str) -> np.ndarray:
        array = arrays[name]
        values = array.to_numpy()
        if array.dims != dims or values.dtype.kind != "f" or not np.isfinite(values).all():
            raise Unlike(f"{DRAWS} has no numbers by {', '.join(dims)} where there must be some")
        return values.astype(np.float64)

    def names(name: str) -> tuple[str, ...]:
        return tuple(map(str, arrays[name].to_numpy().tolist()))

    factors = arrays["terms"].to_numpy()
    if factors.dtype != np.int16 or factors.ndim != 2:
        raise Unlike(f"{DRAWS} has knobs whose terms are none")
    terms = tuple(tuple(int(n) for n in row if n != -1) for row in factors)
    keys, size = names("price"), len(terms)

    def lines(name: str, term: str, count: int, draws: int) -> Lines:
        if name not in arrays:
            return Lines.of((), np.zeros((0, count, draws)))
        steps = arrays[f"{name}_steps"].to_numpy()
        found = Lines(names(name), *(numbers(f"{name}_{part}", name, term) for part in ("level", "scale")), steps)
        if (
            steps.dtype != np.int16
            or steps.shape[:2] != found.scale.shape
            or found.scale.shape
            != (
                len(found.names),
                count,
            )
        ):
            raise Unlike(f"{DRAWS} has knobs of which not all have the same lines")
        return found

    levels = lines("levels", "term", size, 0)
    draws = levels.steps.shape[2]
    deltas, given = lines("deltas", "term", size, draws), lines("given", "one", 1, draws)
    if given.names:
        curves = tuple(numbers(f"effect_{part}", "given", "point") for part in ("at", "mean", "mcse"))
        effects = Effects(names("effect_scenario"), *curves, given)
    else:
        empty = np.zeros((0, POINTS))
        effects = Effects((), empty, empty, empty, given)
    knobs = Knobs(keys, numbers("values", "price"), terms, levels, deltas, effects)
    if problem := knobs.problem():
        raise Unlike(f"{DRAWS} has knobs that no run writes: {problem}")
    return knobs


>>>>>>> 30bab3e48e30de5360729425564c75ef41360f68
def write_customers(simulation: Simulation, folder: Path) -> None:
    """Write `customers.parquet`, and the same table as `customers.csv`, whose texts no spreadsheet computes."""
    simulation.customers.to_parquet(folder / CUSTOMERS, index=False)
    write_csv(simulation.customers, folder / CUSTOMERS_CSV)


def write_inside(trace: pd.DataFrame, schedule: pd.DataFrame, folder: Path) -> None:
    """Write `trace.csv` and `schedule.csv`, numbers with six decimals."""
    write_csv(trace.round(6), folder / TRACE)
    write_csv(schedule.round(6), folder / SCHEDULE)


def write_run(
    result: RunResult,
    simulation: Simulation,
    comparison: Comparison,
    newcomers: pd.DataFrame | None,
    record: Mapping[str, Any],
    folder: Path,
) -> None:
    """Write all files of a run but what people read and the posterior; `newcomers` are the rows of
    `newcomer_value.csv`, which is not written without them."""
    write_result(result, folder)
    write_ledgers(simulation, folder / LEDGER)
    write_customers(simulation, folder)
    write_draws(comparison.draws, folder, comparison.knobs)
    if newcomers is not None:
        write_csv(newcomers, folder / NEWCOMER_VALUE)
    write_record({**record, "variance_of_plan_value": dict(comparison.variance)}, folder)
