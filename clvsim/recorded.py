"""The folder of a finished run, or of another stage that keeps a record: found to be as it was written, or refused."""

import json
import os
from pathlib import Path
from typing import Any

from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.provenance import BOOKS, SUMMARY, TABLE, changed_parts
from clvsim.runfolder import RUNS

RECORD = "run.json"
_MOST_BYTES = 1 << 25  # of a record, which holds a configuration


def require_complete(folder: Path, key: str = "run") -> Path:
    """The folder. Raises ConfigError on `key` unless it exists and holds a run.json."""
    if not os.path.isdir(folder):
        near = did_you_mean(str(folder), [str(path.parent) for path in RUNS.rglob(RECORD)])
        raise ConfigError([(key, f"no such folder: {folder}{near}")])
    if not (folder / RECORD).is_file():
        raise ConfigError([(key, f"{folder} is not a complete run folder: it holds no {RECORD}")])
    return folder


def read_record(folder: Path, key: str = "run", needed: tuple[str, ...] = (SUMMARY, TABLE)) -> dict[str, Any]:
    """The record in run.json, once the folder's files are found to be those that were written; `needed` are among them.

    Raises ConfigError when it cannot be read, when it is no record of clvsim, and for each file that is missing or not
    what was written.
    """
    record = folder / RECORD
    try:
        if (size := record.stat().st_size) > _MOST_BYTES:
            raise ConfigError([(key, f"{record} cannot be read: it has {size:,} bytes, at most {_MOST_BYTES:,}")])
        content = json.loads(record.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        what = "it is damaged, or not of clvsim; clvsim run makes a new one"
        raise ConfigError([(key, f"{record} cannot be read: {what}")]) from error
    keys = ("config", "parts", "sizes")
    config, parts, sizes = (content.get(name) if isinstance(content, dict) else None for name in keys)
    if not isinstance(config, dict) or not isinstance(parts, dict) or not isinstance(sizes, dict):
        raise ConfigError([(key, f"{record} cannot be read: it is no record of a run by this version of clvsim")])
    if absent := [name for name in needed if name not in parts]:
        what = f"{folder} is not a run that can be shown: it has no {' and no '.join(absent)}"
        raise ConfigError([(key, what)])
    if BOOKS not in parts and (folder / BOOKS).exists():
        raise ConfigError([(key, f"{folder} is not as it was written: {BOOKS} is not of this run")])
    if wrong := changed_parts(folder, parts, sizes):
        raise ConfigError([(key, f"{folder} is not as it was written: {part}") for part in wrong])
    return content
