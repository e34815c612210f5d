"""Scenarios that a run needs because a picked one combines them."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from clvsim.errors import ConfigError, Problem
from clvsim.files import named_files, unknown_name

Tree = dict[str, Any]


def with_library(raw: Mapping[str, Any]) -> Tree:
    """The composed configuration, plus `scenario_library`: every scenario reached by `combine` that is not in the run.

    Raises ConfigError for names without a file, and for keys of a scenario that is neither picked nor combined.
    """
    composed: Tree = dict(raw.get("scenario") or {})
    picked = {name: tree for name, tree in composed.items() if has_title(tree)}
    unpicked = {name: tree for name, tree in composed.items() if name not in picked}
    library, problems = collect_combined(picked, unpicked)
    problems += [
        Problem(f"scenario.{name}", f"changed but not picked; add {name} to scenarios=[...]")
        for name in unpicked.keys() - library.keys()
    ]
    if problems:
        raise ConfigError(sorted(problems))
    return {**raw, "scenario": picked, "scenario_library": library}


def has_title(tree: object) -> bool:
    """Whether a scenario's file was read, which gives it a title; without one, the tree holds only overrides."""
    return not isinstance(tree, dict) or "title" in tree


def collect_combined(picked: Tree, unpicked: Tree) -> tuple[Tree, list[Problem]]:
    """Scenarios reached from the picked ones by `combine`, with their overrides from `unpicked`; and the problems."""
    files = named_files("scenario")
    library: Tree = {}
    problems: list[Problem] = []
    queue = [(name, combined) for name, tree in picked.items() for combined in combined_names(tree)]
    while queue:
        owner, name = queue.pop()
        if name in picked or name in library:
            continue
        if name not in files:
            problems.append(Problem(f"scenario.{owner}.combine", unknown_name("scenario", name, files)))
            continue
        library[name] = OmegaConf.to_container(OmegaConf.merge(OmegaConf.load(files[name]), unpicked.get(name, {})))
        queue += [(name, combined) for combined in combined_names(library[name])]
    return library, problems


def combined_names(tree: object) -> list[str]:
    """Names of the scenarios that a scenario combines."""
    names = tree.get("combine") if isinstance(tree, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
