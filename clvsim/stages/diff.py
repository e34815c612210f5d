"""`clvsim diff`: what changed between two finished runs, and what each change did to the answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clvsim.errors import ConfigError
from clvsim.runfolder import RunContext, writing
from clvsim.schema import Frozen
from clvsim.stages.steps import output_folder, utc_now

if TYPE_CHECKING:
    import pandas as pd

    from clvsim.changes import Changes
    from clvsim.stages.bridge import Bridge

TABLE, RECORD = "diff.csv", "diff.json"
COLUMNS = (
    *("section", "key", "then", "now", "then_p05", "then_p95", "now_p05", "now_p95"),
    *("change", "mcse"),
)


class Settings(Frozen):
    """`a` and `b`: folders of finished runs, then and now. `bridge`: whether each change is re-run by itself."""

    a: str | None = None
    b: str | None = None
    bridge: bool = True
    out: str | None = None


def diff(config: Settings, ctx: RunContext) -> int:
    """Print what differs, with a bridge from one plan value to the other, and write diff.csv and diff.json.

    Raises ConfigError for folders that hold no run, the same run twice, and runs of other customers or currencies.
    """
    from clvsim import archive, changes
    from clvsim.files import file_name, write_csv
    from clvsim.provenance import file_names, provenance

    if config.a is None or config.b is None:
        missing = [key for key in ("a", "b") if getattr(config, key) is None]
        what = "which run? clvsim diff outputs/run/THEN outputs/run/NOW"
        raise ConfigError([(key, what) for key in missing])
    problems, sides = [], []
    with ctx.progress("Reading the runs"):
        for key, path in (("a", config.a), ("b", config.b)):
            try:
                sides.append(changes.read_side(Path(path), key))
            except ConfigError as error:
                problems += error.problems
    if problems:
        raise ConfigError(problems)
    then, now = sides
    changes.require_comparable(then, now)
    found, bridged = changes.changes(then, now), None
    if config.bridge:
        from clvsim.stages.bridge import bridge

        with ctx.progress("Simulating one change at a time"):
            bridged = bridge(then, now)
    from clvsim.stages.diff_text import sentence, text

    folder = output_folder(ctx)
    content = {
        "created": utc_now(),
        "then": {"run": file_name(config.a), "today": then.today, "command": then.record.get("command")},
        "now": {"run": file_name(config.b), "today": now.today, "command": now.record.get("command")},
        "sentence": sentence(found, bridged, then, now),
        "changes": found,
        "bridge": bridged,
    }
    with writing(ctx.final):
        write_csv(table(found, bridged), folder / TABLE)
        archive.write_json(content, folder / RECORD)
        archive.write_record({"command": file_names(ctx.command), "config": {}, **provenance()}, folder)
    ctx.say(text(found, bridged, then, now))
    ctx.say(f"\nDifferences: {ctx.final / TABLE}")
    return 0


def table(found: "Changes", bridged: "Bridge | None") -> "pd.DataFrame":
    """The rows of diff.csv: words or numbers then and now, intervals of what may happen, changes and their errors."""
    import math

    import pandas as pd

    rows: list[dict[str, Any]] = [
        {"section": section, "key": change.key, "then": change.then, "now": change.now}
        for section in ("data", "inputs", "scenarios", "models", "versions")
        for change in getattr(found, section)
    ]
    rows += [
        {"section": "moved", "key": one.name, "then": one.then, "now": one.now, "change": one.now - one.then}
        for one in found.moved
    ]
    for section in ("figures", "levers"):
        for figure in getattr(found, section):
            levels = {
                f"{side}_{end}": getattr(getattr(figure, side), end)
                for side in ("then", "now")
                for end in ("p05", "p95")
            }
            rows.append(
                {
                    "section": section,
                    "key": " ".join(part for part in (figure.metric, figure.scenario) if part),
                    "then": figure.then.mean,
                    "now": figure.now.mean,
                    **levels,
                    "change": figure.now.mean - figure.then.mean,
                    "mcse": math.hypot(figure.then.mcse, figure.now.mcse),
                }
            )
    if bridged is not None:
        rows += [{"section": "bridge", "key": s.label, "change": s.mean, "mcse": s.mcse} for s in bridged.steps]
    return pd.DataFrame(rows, columns=list(COLUMNS))
