"""Which finished run `clvsim report` works on, and the configuration it was made with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clvsim.console import note
from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.rim.arguments import split
from clvsim.runfolder import newest_run

RUNS = Path("outputs/run")


def finished(composed: Mapping[str, Any], overrides: Sequence[str]) -> tuple[Path, dict[str, Any]]:
    """The run folder and its configuration, with `report.*` as overridden on the command line.

    Raises ConfigError when there is no complete run, or when an override asks for another run's numbers.
    """
    folder = chosen(composed.get("run"))
    config = stored(folder)
    keys = [split(word)[1] for word in overrides]
    foreign = [key for key in keys if key != "run" and key != "report" and not key.startswith("report.")]
    if foreign:
        raise ConfigError([(key, "is settled in a finished run; only report.* can change") for key in foreign])
    fields = {key.removeprefix("report.") for key in keys if key.startswith("report.")}
    report = composed["report"] if "report" in keys else dict(config.get("report") or {})
    return folder, {**config, "report": {**report, **{field: composed["report"][field] for field in fields}}}


def chosen(path: str | None) -> Path:
    """`run=PATH`, or the newest complete run, said."""
    if path is not None:
        return complete(Path(path))
    newest = newest_run(RUNS)
    if newest is None:
        raise ConfigError([("run", f"no complete run folder below {RUNS}; name one: clvsim report run=PATH")])
    note(f"run={newest}, the newest")
    return newest


def complete(folder: Path) -> Path:
    if not folder.is_dir():
        near = did_you_mean(str(folder), [str(path.parent) for path in RUNS.rglob("run.json")])
        raise ConfigError([("run", f"no such folder: {folder}{near}")])
    if not (folder / "run.json").is_file():
        raise ConfigError([("run", f"{folder} is not a complete run folder: it holds no run.json")])
    return folder


def stored(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError([("run", f"{folder / 'run.json'} cannot be read: {error}")]) from None
    return dict(config)
