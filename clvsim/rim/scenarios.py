"""Scenarios that a run needs without having been asked for: those that a picked one combines."""

from collections.abc import Mapping
from typing import Any

from omegaconf import OmegaConf

from clvsim.errors import ConfigError, Problem
from clvsim.files import named_files, unknown_name

Tree = dict[str, Any]


def with_library(raw: Mapping[str, Any]) -> Tree:
    """The composed configuration, plus `scenario_library`: every scenario reached by `combine` that is not in the run.

    Raises ConfigError for names that no file bears, and for keys set below a scenario that nothing picks.
    """
    composed: Tree = dict(raw.get("scenario") or {})
    picked = {name: tree for name, tree in composed.items() if is_whole(tree)}
    strays = {name: tree for name, tree in composed.items() if name not in picked}
    library, problems = gathered(picked, strays)
    problems += [
        Problem(f"scenario.{name}", f"changed but not picked; add {name} to scenarios=[...]")
        for name in strays.keys() - library.keys()
    ]
    if problems:
        raise ConfigError(sorted(problems))
    return {**raw, "scenario": picked, "scenario_library": library}


def is_whole(tree: object) -> bool:
    """A scenario's file has a title; without one only overrides of a file that was not read are there."""
    return not isinstance(tree, dict) or "title" in tree


def gathered(picked: Tree, strays: Tree) -> tuple[Tree, list[Problem]]:
    """Follow `combine` to the end. Overrides of a combined scenario apply to it as if it had been picked."""
    files = named_files("scenario")
    library: Tree = {}
    problems: list[Problem] = []
    waiting = [(name, part) for name, tree in picked.items() for part in parts(tree)]
    while waiting:
        owner, name = waiting.pop()
        if name in picked or name in library:
            continue
        if name not in files:
            problems.append(Problem(f"scenario.{owner}.combine", unknown_name("scenario", name, files)))
            continue
        library[name] = OmegaConf.to_container(OmegaConf.merge(OmegaConf.load(files[name]), strays.get(name, {})))
        waiting += [(name, part) for part in parts(library[name])]
    return library, problems


def parts(tree: object) -> list[str]:
    named = tree.get("combine") if isinstance(tree, dict) else None
    return [str(name) for name in named] if isinstance(named, list) else []
