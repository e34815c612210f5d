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
from clvsim.data.large_csv import write_large_csv
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


def write_customers(simulation: Simulation, folder: Path) -> None:
    """Write `customers.parquet`, and the same table as `customers.csv`, whose texts no spreadsheet computes."""
    simulation.customers.to_parquet(folder / CUSTOMERS, index=False)
    write_large_csv(simulation.customers, folder / CUSTOMERS_CSV)


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
