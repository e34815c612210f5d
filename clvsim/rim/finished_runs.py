"""The finished run that a stage works on, and its configuration."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from clvsim.console import note
from clvsim.errors import ConfigError
from clvsim.recorded import RECORD, read_record, require_complete
from clvsim.rim.arguments import split_override
from clvsim.runfolder import RUNS, newest_run


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


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration in run.json, once the run's files are found to be those that it wrote.

    Raises ConfigError as `read_record`, and where its section `report` is none.
    """
    config = read_record(folder)["config"]
    report = config.get("report") or {}
    if not isinstance(report, dict):
        raise ConfigError([("run", f"{folder / RECORD} cannot be read: its section report is no mapping")])
    return {**config, "report": dict(report)}
