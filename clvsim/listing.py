"""`clvsim list`: everything that can be named on the command line, in a line each."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import yaml

from clvsim.files import CONFIGS, SHIPPED, leading_comment, named_files, yaml_files
from clvsim.report.glossary import GLOSSARY, Metric

WIDTH = 100


def listing() -> list[str]:
    """Lines ready to print. Imports the registries, none of which imports a sampler or a plot library."""
    from clvsim.effects import EFFECTS
    from clvsim.interventions import INTERVENTIONS
    from clvsim.metrics import METRICS
    from clvsim.models import RETENTION, SPEND

    return [
        *section("stages", "clvsim STAGE", stages()),
        *section("scenarios", "scenarios=[NAME,...]", files("scenario", scenario_title)),
        *section("data", "data=NAME", sources()),
        *section("experiments", "experiment=NAME", files("experiments", question)),
        *section("retention models", "retention=NAME", registry(RETENTION)),
        *section("spend models", "spend=NAME", registry(SPEND)),
        *section("interventions", "kind: NAME, in a scenario", registry(INTERVENTIONS)),
        *section("effects", "kind: NAME, for an uncertain number", registry(EFFECTS)),
        *section("metrics", "report.metric=NAME", ((name, meaning(GLOSSARY[name])) for name in METRICS)),
    ]


def section(title: str, usage: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    return [f"{title} ({usage})", *(clipped(f"  {name:<18} {text}".rstrip()) for name, text in rows), ""]


def clipped(line: str) -> str:
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def files(folder: str, describe: Callable[[Path], str]) -> list[tuple[str, str]]:
    """Own files are marked: they win over shipped ones of the same name."""
    return [
        (name, describe(path) + ("" if path.parent == SHIPPED[folder] else f" [{folder}/{path.name}]"))
        for name, path in named_files(folder).items()
    ]


def stages() -> list[tuple[str, str]]:
    """Each stage by the first line of its help; `common` is what they share."""
    found = yaml_files(CONFIGS)
    return [(name, leading_comment(path).splitlines()[0]) for name, path in found.items() if name != "common"]


def scenario_title(path: Path) -> str:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeDecodeError):
        return "(not readable as YAML)"
    return str(tree.get("title", "(no title)")) if isinstance(tree, dict) else "(no keys)"


def question(path: Path) -> str:
    """An experiment opens with the question it answers."""
    return (leading_comment(path).splitlines() or ["(no question in its first line)"])[0]


def sources() -> list[tuple[str, str]]:
    """Each configuration of the data section by its leading comment."""
    return [(name, leading_comment(path).splitlines()[0]) for name, path in yaml_files(CONFIGS / "data").items()]


def registry(entries: Mapping[str, object]) -> list[tuple[str, str]]:
    """Each entry by the first line of its documentation."""
    return [(name, (inspect.getdoc(entry) or "").partition("\n")[0]) for name, entry in entries.items()]


def meaning(metric: Metric) -> str:
    """The report's own definition, with the horizon left open."""
    return metric.meaning.format(h="h", arrivals="m")
