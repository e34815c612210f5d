"""Hydra's messages, in one line each and in our words; all unknown keys at once."""

import re
from collections.abc import Sequence
from contextlib import suppress
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
from clvsim.rim.arguments import sort_words, split

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)
NO_KEY = re.compile(r"Could not override '([^']+)'")
NO_CHOICE = re.compile(r"Could not (?:find|load) '([^']+)/([^/']+)'")
FILES_OF = {"experiment": ("experiments", "experiment"), "scenarios": ("scenario", "scenario")}


def explained(stage: str, words: Sequence[str], error: Exception) -> tuple[list[Problem], DictConfig | None]:
    """Every problem of composition, and the configuration without the unknown keys.

    The configuration is None when something else was wrong: what a missing file would have set, nobody can check.
    Leaving a culprit out brings the next problem to light.
    """
    problems: list[Problem] = []
    left = overrides_among(words)
    whole = True
    while True:
        problem, culprits = one_line(stage, left, error)
        problems.append(problem)
        whole = whole and NO_KEY.search(str(error)) is not None
        remaining = [word for word in left if word not in culprits and not is_sweep(word)]
        if not culprits:
            return problems, None
        left = remaining
        try:
            cfg = composed(stage, left)
            return problems, cfg if whole else None
        except COMPOSITION_ERRORS as following:
            error = following


def overrides_among(words: Sequence[str]) -> list[str]:
    _, _, overrides = sort_words(words)
    return overrides


def is_sweep(word: str) -> bool:
    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def one_line(stage: str, overrides: Sequence[str], error: Exception) -> tuple[Problem, list[str]]:
    """The problem, and the overrides that cause it."""
    text = str(error).split("\nConfig search path")[0].strip()
    if isinstance(error, yaml.YAMLError):
        return Problem("configuration", f"not YAML: {' '.join(text.split())}"), []
    if isinstance(error, UnicodeDecodeError):
        return Problem("configuration", "a YAML file is not in UTF-8"), []
    if isinstance(error, OverrideParseException):
        return Problem(error.override, "cannot be read as key=value; quote what is text: key=\"'…'\""), [error.override]
    if hit := NO_KEY.search(text):
        return unknown_key(stage, hit[1], overrides), [word for word in overrides if split(word)[1] == hit[1]]
    if hit := NO_CHOICE.search(text):
        return unknown_choice(hit[1], hit[2]), [word for word in overrides if split(word)[1] == hit[1]]
    return Problem("configuration", text.splitlines()[0] if text else type(error).__name__), []


def unknown_choice(group: str, name: str) -> Problem:
    folder, kind = FILES_OF.get(group, ("", ""))
    known = named_files(folder) if folder else choices(group)
    return Problem(group, unknown_name(kind or "choice", name, known) if known else f"no choice {name!r}")


def unknown_key(stage: str, key: str, overrides: Sequence[str]) -> Problem:
    from clvsim import config

    _, name, *_ = [*key.split("."), ""]
    raw = composable(stage, overrides)
    if key.startswith("scenario.") and name in named_files("scenario") and name not in raw.get("scenario", {}):
        return Problem(key, f"changed but not picked; add {name} to scenarios=[...]")
    problem = config.unknown_key(key, raw, tuple(FILES_OF))
    return problem if ";" in problem.what else Problem(key, f"{problem.what}; clvsim {stage} --help lists them")


def composable(stage: str, overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration under the choices in `overrides`, as far as they can be composed; values are left out."""
    choices_made = [word for word in overrides if "." not in split(word)[1] and not is_sweep(word)]
    for attempt in (choices_made, [word for word in choices_made if split(word)[1] in FILES_OF], []):
        with suppress(*COMPOSITION_ERRORS):
            return cast("dict[str, Any]", OmegaConf.to_container(composed(stage, attempt)))
    return {}


def composed(stage: str, overrides: Sequence[str]) -> DictConfig:
    """The configuration of a stage, apart from any run of Hydra."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        return compose(stage, list(overrides))
