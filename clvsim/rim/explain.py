"""Hydra's errors as problems of one line each, all unknown keys at once."""

import re
from collections.abc import Iterator, Mapping, Sequence
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

from clvsim.errors import MOST, Problem
from clvsim.files import CONFIGS, choices, named_files, unknown_name
from clvsim.rim.allowed import OWN_FILES
from clvsim.rim.arguments import sort_words, split_override
from clvsim.texts import short_repr

COMPOSITION_ERRORS = (HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)
NO_KEY = re.compile(r"Could not override '([^']+)'")
AMBIGUOUS = re.compile(r"Ambiguous value for argument '")
MERGED = re.compile(r"Error merging override (.+?)(?:\n|$)")
TWICE = re.compile(r"duplicate key (.+)")
COMPOSED = re.compile(r"In '([\w/.-]+)': ConfigTypeError")
NO_CHOICE = re.compile(r"Could not (?:find|load) '([^']+)/([^/']+)'")
FILES_OF = {"experiment": ("experiments", "experiment"), "scenarios": ("scenario", "scenario")}


def explain_all(stage: str, words: Sequence[str], error: Exception) -> tuple[list[Problem], DictConfig | None]:
    """Every problem of composition, and the configuration without the unknown keys.

    Composition, which takes its time, stops at its first error, so it is repeated without all overrides that have the
    same one. The configuration is None after any other error than an unknown key: what a missing file would have set
    cannot be checked.
    """
    problems: list[Problem] = []
    remaining = override_words(words)
    only_unknown_keys = True
    while True:
        found, causes = explain(stage, remaining, error)
        problems += found
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


def is_readable(word: str) -> bool:
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def not_swept(word: str) -> Problem:
    """The problem of a value that is a sweep, where nobody sweeps."""
    _, key, value = split_override(word)
    decimal = re.fullmatch(r"([+-]?\d+),(\d+)", value)
    point = f"a decimal point is needed: {decimal[1]}.{decimal[2]}; " if decimal else ""
    return Problem(key, f"{point}values with a comma are a sweep, which -m runs, got {short_repr(value)}")


def keys_not_in(raw: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[str]:
    """Keys of overrides that set what is not there: no choices of files, and nothing below what another one sets."""
    words = [split_override(word) for word in overrides]
    typed = {key for _, key, _ in words}
    for prefix, key, _ in words:
        parts = key.split(".")
        above = {".".join(parts[:n]) for n in range(1, len(parts))}
        chooses = "/" in key or key in OWN_FILES or parts[0] == "hydra" or choices(key)
        if not prefix and not chooses and not above & typed and not has_key(raw, parts):
            yield key


def has_key(tree: Any, parts: Sequence[str]) -> bool:
    for part in parts:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True


def is_sweep(word: str) -> bool:
    try:
        return OverridesParser.create().parse_override(word).is_sweep_override()
    except HydraException:
        return False


def explain(stage: str, overrides: Sequence[str], error: Exception) -> tuple[list[Problem], list[str]]:
    """The problem, once for each override that has it, and those overrides."""
    text = str(error)
    if isinstance(error, OverrideParseException):
        unread = [word for word in overrides if not is_readable(word)] or [error.override]
        return [
            Problem(word, "cannot be read as key=value; quote what is text: key=\"'…'\"") for word in unread
        ], unread
    if AMBIGUOUS.match(text):
        swept = [word for word in overrides if is_sweep(word)]
        return [not_swept(word) for word in swept], swept
    if match := NO_KEY.search(text):
        raw = composable_config(stage, overrides)
        keys = list(dict.fromkeys([match[1], *keys_not_in(raw, overrides)]))
        told = [unknown_key(stage, key, raw) for key in keys[:MOST]]  # each is compared with all keys that there are
        told += [Problem(key, "no such key") for key in keys[MOST:]]
        return told, [word for word in overrides if split_override(word)[1] in keys]
    problem, causes = explain_one(overrides, error)
    return [problem], causes


def explain_one(overrides: Sequence[str], error: Exception) -> tuple[Problem, list[str]]:
    """The problem of a file or of a choice, and the overrides that cause it."""
    text = str(error).split("\nConfig search path")[0].strip()
    if isinstance(error, yaml.YAMLError):
        return Problem("configuration", _of_yaml(error)), []
    if isinstance(error, UnicodeDecodeError):
        return Problem("configuration", "a YAML file is not in UTF-8"), []
    if match := NO_CHOICE.search(text):
        return unknown_choice(match[1], match[2]), overrides_of(match[1], overrides)
    if match := MERGED.search(text):
        _, key, value = split_override(match[1])
        return Problem(key, f"is of another form than {short_repr(value)}"), [match[1]]
    if match := COMPOSED.match(text):
        return Problem(f"{match[1]}.yaml", "has a list or a text where keys belong"), []
    return Problem("configuration", text.splitlines()[0] if text else type(error).__name__), []


def _of_yaml(error: yaml.YAMLError) -> str:
    """Where a file stops being YAML, in our words."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return "not YAML: it holds signs that YAML does not have"
    where = f"{Path(mark.name).name}, line {mark.line + 1}"
    if match := TWICE.search(str(getattr(error, "problem", None) or "")):
        return f"{where}: {short_repr(match[1])} is there twice"
    hint = "is a bracket or a quote never closed, or a line indented by tabs?"
    return f"not YAML: {where}, column {mark.column + 1} cannot be read; {hint}"


def overrides_of(key: str, overrides: Sequence[str]) -> list[str]:
    """The overrides that set `key`."""
    return [word for word in overrides if split_override(word)[1] == key]


def unknown_choice(group: str, name: str) -> Problem:
    folder, kind = FILES_OF.get(group, ("", ""))
    known = named_files(folder) if folder else choices(group)
    return Problem(group, unknown_name(kind or "choice", name, known) if known else f"no choice {name!r}")


def is_set(raw: Mapping[str, Any], key: str) -> bool:
    """Whether a configuration has a value at a dotted key."""
    value: Any = raw
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def unknown_key(stage: str, key: str, raw: Mapping[str, Any]) -> Problem:
    from clvsim import config

    _, name, *_ = [*key.split("."), ""]
    if key.startswith("scenario.") and name in named_files("scenario") and name not in raw.get("scenario", {}):
        return Problem(key, f"changed but not picked; add {name} to scenarios=[...]")
    problem = config.unknown_key(key, raw, tuple(FILES_OF))
    if problem.what.endswith(f"did you mean {key}?"):
        if is_set(raw, key):
            return Problem(key, f"is of another form in its file; a + in front replaces it: +{key}=...")
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
