"""Scenarios that a run needs because a picked one combines them, and what their files hold before any override."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from clvsim.errors import ConfigError, Problem
from clvsim.files import named_files, unknown_name
from clvsim.rim.allowed import require_allowed_file
from clvsim.rim.arguments import split_override

Tree = dict[str, Any]


def with_library(raw: Mapping[str, Any], words: Sequence[str] = ()) -> Tree:
    """The composed configuration, plus `scenario_library`: every scenario reached by `combine` that is not in the run.

    Each scenario gets `as_written`, what its file holds before overrides. `words` are the overrides as typed: where
    they pick scenarios, an experiment's settings for others are left out.

    Raises ConfigError for names without a file, and for typed keys of a scenario that is neither picked nor combined.
    """
    composed: Tree = dict(raw.get("scenario") or {})
    picked = {name: tree for name, tree in composed.items() if has_title(tree)}
    unpicked = {name: tree for name, tree in composed.items() if name not in picked}
    library, problems = collect_combined(picked, unpicked)
    problems += [
        Problem(f"scenario.{name}", f"changed but not picked; add {name} to scenarios=[...]")
        for name in unpicked.keys() - library.keys()
        if name in typed_scenarios(words) or not picks_scenarios(words)
    ]
    if problems:
        raise ConfigError(sorted(problems))
    return {**raw, "scenario": with_files(picked, words), "scenario_library": with_files(library, words)}


def picks_scenarios(words: Sequence[str]) -> bool:
    """Whether `scenarios=` is typed, over what an experiment picks."""
    return any(split_override(word)[1] == "scenarios" for word in words)


def typed_scenarios(words: Sequence[str]) -> set[str]:
    """Names of the scenarios whose keys are typed."""
    keys = [split_override(word)[1].split(".") for word in words]
    return {parts[1] for parts in keys if parts[0] == "scenario" and len(parts) > 1}


def with_files(scenarios: Tree, words: Sequence[str]) -> Tree:
    """Scenarios with what their files hold; of one that only an experiment has, all fields that are not typed."""
    files = named_files("scenario")
    return {
        name: {**tree, "as_written": file_tree(files[name]) if name in files else untyped(name, tree, words)}
        if isinstance(tree, dict)
        else tree
        for name, tree in scenarios.items()
    }


def untyped(name: str, tree: Tree, words: Sequence[str]) -> Tree:
    """A scenario's interventions without the fields that `words` set."""
    keys = [split_override(word)[1].split(".") for word in words]
    typed = {tuple(parts[2:4]) for parts in keys if parts[:2] == ["scenario", name]}
    return {
        lever: {field: value for field, value in fields.items() if not {(lever, field), (lever,)} & typed}
        for lever, fields in tree.items()
        if isinstance(fields, dict)
    }


def file_tree(path: Path) -> Tree:
    """A scenario's file as plain values, interpolations as they stand, without what is no intervention."""
    require_allowed_file(path, f"scenario/{path.name}")
    tree = OmegaConf.to_container(OmegaConf.load(path))
    return {str(key): value for key, value in tree.items() if isinstance(value, dict)} if isinstance(tree, dict) else {}


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
        require_allowed_file(files[name], f"scenario/{name}.yaml")
        library[name] = OmegaConf.to_container(OmegaConf.merge(OmegaConf.load(files[name]), unpicked.get(name, {})))
        queue += [(name, combined) for combined in combined_names(library[name])]
    return library, problems


def combined_names(tree: object) -> list[str]:
    """Names of the scenarios that a scenario combines."""
    names = tree.get("combine") if isinstance(tree, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
