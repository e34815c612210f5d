"""The record of a finished run, `run.json`, and whether the run's files are what it wrote."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.provenance import BOOKS, SUMMARY, TABLE, changed_parts

RUNS = Path("outputs/run")
_MOST_BYTES = 1 << 25  # of a record, which holds a configuration


class Record(NamedTuple):
    """The configuration of a run as JSON, and the names of its files, each of which is there as it was written."""

    config: dict[str, Any]
    parts: frozenset[str]


def require_complete(folder: Path) -> Path:
    """The folder. Raises ConfigError unless it exists and holds a run.json."""
    if not os.path.isdir(folder):
        near = did_you_mean(str(folder), [str(path.parent) for path in RUNS.rglob("run.json")])
        raise ConfigError([("run", f"no such folder: {folder}{near}")])
    if not (folder / "run.json").is_file():
        raise ConfigError([("run", f"{folder} is not a complete run folder: it holds no run.json")])
    return folder


def read_record(folder: Path) -> Record:
    """What run.json says, once the run's files are found to be those that it wrote.

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
    return Record({**config, "report": dict(report)}, frozenset(parts))
