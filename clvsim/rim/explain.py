"""Hydra's errors as problems of one line each, all unknown keys at once."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clvsim.errors import Problem
from clvsim.files import CONFIGS, choices, named_files, unknown_name
from clvsim.rim.arguments import sort_words, split_override

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)
NO_KEY = re.compile(r"Could not override '([^']+)'")
NO_CHOICE = re.compile(r"Could not (?:find|load) '([^']+)/([^/']+)'")
FILES_OF = {"experiment": ("experiments", "experiment"), "scenarios": ("scenario", "scenario")}


def explain_all(stage: str, words: Sequence[str], error: Exception) -> tuple[list[Problem], DictConfig | None]:
    """Every problem of composition, and the configuration without the unknown keys.

    Composition stops at its first error, so it is repeated without the overrides that cause it. The configuration is
    None after any other error than an unknown key: what a missing file would have set cannot be checked.
    """
    problems: list[Problem] = []
    remaining = override_words(words)
    only_unknown_keys = True
    while True:
        problem, causes = explain(stage, remaining, error)
        problems.append(problem)
        only_unknown_keys = only_unknown_keys and NO_KEY.search(str(error)) is not None
        if not causes:
            return problems, None
        remaining = [word for word in remaining if word not in causes and not is_sweep(word)]
        try:
            cfg = compose_stage(stage, remaining)
            return problems, cfg if only_unknown_keys else None
        except (*COMPOSITION_ERRORS, ValueError) as next_error:  # Hydra's own, of a group that is set to nothing
            error = next_error


def override_words(words: Sequence[str]) -> list[str]:
    _, _, overrides = sort_words(words)
    return overrides


def is_sweep(word: str) -> bool:
    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def explain(stage: str, overrides: Sequence[str], error: Exception) -> tuple[Problem, list[str]]:
    """The problem, and the overrides that cause it."""
    text = str(error).split("\nConfig search path")[0].strip()
    if isinstance(error, yaml.YAMLError):
        return Problem("configuration", f"not YAML: {_of_yaml(error)}"), []
    if isinstance(error, UnicodeDecodeError):
        return Problem("configuration", "a YAML file is not in UTF-8"), []
    if isinstance(error, OverrideParseException):
        return Problem(error.override, "cannot be read as key=value; quote what is text: key=\"'…'\""), [error.override]
    if match := NO_KEY.search(text):
        return unknown_key(stage, match[1], overrides), overrides_of(match[1], overrides)
    if match := NO_CHOICE.search(text):
        return unknown_choice(match[1], match[2]), overrides_of(match[1], overrides)
    return Problem("configuration", text.splitlines()[0] if text else type(error).__name__), []


def _of_yaml(error: yaml.YAMLError) -> str:
    """Where a file stops being YAML, in our words."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "it holds signs that YAML does not have"
    hint = "is a bracket or a quote never closed, or a line indented by tabs?"
    return f"{Path(mark.name).name}, line {mark.line + 1}, column {mark.column + 1} cannot be read; {hint}"


def overrides_of(key: str, overrides: Sequence[str]) -> list[str]:
    """The overrides that set `key`."""
    return [word for word in overrides if split_override(word)[1] == key]


def unknown_choice(group: str, name: str) -> Problem:
    folder, kind = FILES_OF.get(group, ("", ""))
    known = named_files(folder) if folder else choices(group)
    return Problem(group, unknown_name(kind or "choice", name, known) if known else f"no choice {name!r}")


def unknown_key(stage: str, key: str, overrides: Sequence[str]) -> Problem:
    from clvsim import config

    _, name, *_ = [*key.split("."), ""]
    raw = composable_config(stage, overrides)
    if key.startswith("scenario.") and name in named_files("scenario") and name not in raw.get("scenario", {}):
        return Problem(key, f"changed but not picked; add {name} to scenarios=[...]")
    problem = config.unknown_key(key, raw, tuple(FILES_OF))
    if problem.what.endswith(f"did you mean {key}?"):
        return Problem(key, f"no file sets it here; a + in front adds it: +{key}=...")
    return problem if ";" in problem.what else Problem(key, f"{problem.what}; clvsim {stage} --help lists them")


def composable_config(stage: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration for the group choices in `overrides`, for as many of them as compose; values are ignored."""
    group_choices = [word for word in overrides if "." not in split_override(word)[1] and not is_sweep(word)]
    for attempt in (group_choices, [word for word in group_choices if split_override(word)[1] in FILES_OF], []):
        with suppress(*COMPOSITION_ERRORS):
            return cast("dict[str, Any]", OmegaConf.to_container(compose_stage(stage, attempt)))
    return {}


def compose_stage(stage: str, overrides: Sequence[str]) -> DictConfig:
    """Compose the configuration of a stage outside of a Hydra run."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(stage, list(overrides))
