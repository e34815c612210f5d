"""`clvsim list`: one line for each name that can be used on the command line."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

from clvsim.files import CONFIGS, SHIPPED, leading_comment, named_files, yaml_files
from clvsim.foreign_yaml import MAX_BYTES, MAX_DEPTH, SAFE_LOADER, events_with_depth
from clvsim.report.glossary import GLOSSARY, Metric

WIDTH = 100


def listing() -> list[str]:
    """Lines ready to print. Imports the registries, none of which imports a sampler or a plot library."""
    from clvsim.effects import EFFECTS
    from clvsim.interventions import INTERVENTIONS
    from clvsim.metrics import METRICS
    from clvsim.models import RETENTION, SPEND

    return [
        *section("stages", "clvsim STAGE", stage_rows()),
        *section("scenarios", "scenarios=[NAME,...]", file_rows("scenario", scenario_title)),
        *section("data", "data=NAME", first_lines("data")),
        *section("businesses without a log", "business=NAME", first_lines("business")),
        *section("experiments", "experiment=NAME", file_rows("experiments", experiment_question)),
        *section("retention models", "retention=NAME", registry_rows(RETENTION)),
        *section("spend models", "spend=NAME", registry_rows(SPEND)),
        *section("interventions", "kind: NAME, in a scenario", registry_rows(INTERVENTIONS)),
        *section("effects", "kind: NAME, for an uncertain number", registry_rows(EFFECTS)),
        *section("metrics", "report.metric=NAME", ((name, metric_definition(GLOSSARY[name])) for name in METRICS)),
    ]


def section(title: str, usage: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{title} ({usage})", *(clip(f"  {name:<18} {text}".rstrip()) for name, text in rows), ""]


def clip(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def file_rows(folder: str, describe: Callable[[Path], str]) -> list[tuple[str, str]]:
    """Name and description of each file; those of the current directory, which take precedence, show their path."""
    return [
        (name, describe(path) + ("" if path.parent == SHIPPED[folder] else f" [{folder}/{path.name}]"))
        for name, path in named_files(folder).items()
    ]


def stage_rows() -> list[tuple[str, str]]:
    """Each stage with the first line of its help, without `common`, which all stages include."""
    configurations = yaml_files(CONFIGS)
    return [(name, leading_comment(path).splitlines()[0]) for name, path in configurations.items() if name != "common"]


def scenario_title(path: Path) -> str:
    from clvsim.scenario import Scenario, title_of

    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_BYTES)
        if any(depth > MAX_DEPTH for _, depth in events_with_depth(text)):
            return "(not readable as YAML)"
        tree = yaml.load(text, Loader=SAFE_LOADER)
    except (yaml.YAMLError, OSError, ValueError):
        return "(not readable as YAML)"
    if not isinstance(tree, dict):
        return "(no keys)"
    title = tree.get("title", "(no title)")
    if not isinstance(title, str):
        return "(its title is no text)"
    try:
        return title_of(Scenario.model_validate(tree))
    except ValueError:  # a run says what is wrong
        return title


def experiment_question(path: Path) -> str:
    """The first line of an experiment's leading comment: the question it answers."""
    return (leading_comment(path).splitlines() or ["(no question in its first line)"])[0]


def first_lines(group: str) -> list[tuple[str, str]]:
    """Each configuration of a group with the first line of its leading comment."""
    return [(name, leading_comment(path).splitlines()[0]) for name, path in yaml_files(CONFIGS / group).items()]


def registry_rows(entries: Mapping[str, object]) -> list[tuple[str, str]]:
    """Each entry with the first line of its docstring."""
    return [(name, (inspect.getdoc(entry) or "").partition("\n")[0]) for name, entry in entries.items()]


def metric_definition(metric: Metric) -> str:
    """The report's definition of a metric, with letters for horizon and arrival months."""
    return metric.meaning.format(h="h", arrivals="m")
