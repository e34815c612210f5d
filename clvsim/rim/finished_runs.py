"""The finished run that a stage works on, and its configuration."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from clvsim.console import note
from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.provenance import BOOKS, SUMMARY, TABLE, changed_parts
from clvsim.rim.arguments import split_override
from clvsim.runfolder import RUNS, newest_run

_MOST_BYTES = 1 << 25  # of a record, which holds a configuration


def find_run(
    composed: Mapping[str, Any], overrides: Sequence[str], own: Collection[str] = ()
) -> tuple[Path, dict[str, Any]]:
    """The run folder and its configuration, with `report.*` as overridden on the command line; `own` are the stage's.

    Raises ConfigError when there is no complete run, or when an override would change its numbers.
    """
    folder = choose_folder(composed.get("run"))
    config = read_config(folder)
    keys = [key for key in (split_override(word)[1] for word in overrides) if key.partition(".")[0] not in own]
    unchangeable = [key for key in keys if key != "run" and key != "report" and not key.startswith("report.")]
    if unchangeable:
        raise ConfigError([(key, "is settled in a finished run; only report.* can change") for key in unchangeable])
    fields = {key.removeprefix("report.") for key in keys if key.startswith("report.")}
    report = composed["report"] if "report" in keys else config["report"]
    return folder, {**config, "report": {**report, **{field: composed["report"][field] for field in fields}}}


def choose_folder(path: str | None) -> Path:
    """The folder of `run=PATH`, or else of the newest complete run, which is then printed."""
    if path is not None:
        return require_complete(Path(path))
    newest = newest_run(RUNS)
    if newest is None:
        raise ConfigError([("run", f"no complete run folder below {RUNS}; name one: run=PATH")])
    note(f"run={newest}, the newest")
    return newest


def require_complete(folder: Path) -> Path:
    """The folder. Raises ConfigError unless it exists and holds a run.json."""
    if not os.path.isdir(folder):
        near = did_you_mean(str(folder), [str(path.parent) for path in RUNS.rglob("run.json")])
        raise ConfigError([("run", f"no such folder: {folder}{near}")])
    if not (folder / "run.json").is_file():
        raise ConfigError([("run", f"{folder} is not a complete run folder: it holds no run.json")])
    return folder


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration in run.json, once the run's files are found to be those that it wrote.

    Raises ConfigError when it cannot be read, when it is no record of `clvsim run`, and for each part of the run that
    is missing or not what the run wrote.
    """
    record = folder / "run.json"
    try:
        if (size := record.stat().st_size) > _MOST_BYTES:
            raise ConfigError([("run", f"{record} cannot be read: it has {size:,} bytes, at most {_MOST_BYTES:,}")])
        content = json.loads(record.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        what = "it is damaged, or not of clvsim; clvsim run makes a new one"
        raise ConfigError([("run", f"{record} cannot be read: {what}")]) from error
    keys = ("config", "parts", "sizes")
    config, parts, sizes = (content.get(key) if isinstance(content, dict) else None for key in keys)
    if not isinstance(config, dict) or not isinstance(parts, dict) or not isinstance(sizes, dict):
        raise ConfigError([("run", f"{record} cannot be read: it is no record of a run by this version of clvsim")])
    if not {SUMMARY, TABLE} <= parts.keys():
        raise ConfigError([("run", f"{folder} is not a run that can be shown: it has no {SUMMARY} and no {TABLE}")])
    if BOOKS not in parts and (folder / BOOKS).exists():
        raise ConfigError([("run", f"{folder} is not as it was written: {BOOKS} is not of this run")])
    if wrong := changed_parts(folder, parts, sizes):
        raise ConfigError([("run", f"{folder} is not as it was written: {part}") for part in wrong])
    report = config.get("report") or {}
    if not isinstance(report, dict):
        raise ConfigError([("run", f"{record} cannot be read: its section report is no mapping")])
    return {**config, "report": dict(report)}
