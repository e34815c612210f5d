"""From what people type to what Hydra parses: file names without a key, free text without Hydra's quotes."""

import os
import re
from collections.abc import Sequence

from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.stages import STAGES, Folder

# Flags of Hydra that take the next word as their value.
VALUED_FLAGS = (
    *("--cfg", "-c", "--package", "-p", "--info", "-i", "--experimental-rerun"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
)
PLAIN_FLAGS = ("--help", "-h", "--hydra-help", "--version", "--multirun", "-m", "--run", "-r", "--resolve")
COMPLETION_FLAGS = ("--shell-completion", "-sc")
FLAGS = (*VALUED_FLAGS, *PLAIN_FLAGS, *COMPLETION_FLAGS)

PATHS = ("data.path", "out", "run")
ALIASES = {"hydra.run.dir": "out", "hydra.sweep.dir": "out"}
COLUMNS = (
    *("data.customer_id", "data.date", "data.amount", "data.segment", "data.channel"),
    *("data.frequency", "data.recency", "data.T", "data.monetary_value"),
)
TEXTS = ("data.date_format", "data.decimal", "data.delimiter", "finance.currency", "title", "question")
FREE_TEXT = frozenset(PATHS + COLUMNS + TEXTS)

# Names below these keys are the user's own, or depend on an effect's kind: Hydra must be told that they may be new.
OPEN_KEYS = re.compile(
    r"acquisition\.channels(\.\w+)*|scenario\.\w+\.\w+\.\w+\.\w+|retention\.promotions(\.\w+){0,2}"
    r"|data\.segments(\.\w+){0,2}"
)
SCENARIO_KEY = re.compile(r"scenario\.(\w+)\.[\w.]+")


def hydra_words(stage: str, words: Sequence[str]) -> list[str]:
    """The command line after the stage, as Hydra reads it.

    Raises ConfigError on an unknown flag and on more than one file.
    """
    flags, files, overrides = sort_words(words)
    multirun = "-m" in flags or "--multirun" in flags
    opened = [opened_key(word, overrides) for word in overrides]
    return [*flags, *of_files(stage, files, overrides), *(rewritten(word, multirun) for word in opened)]


def sort_words(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Flags with their values, file names, overrides."""
    flags: list[str] = []
    files: list[str] = []
    overrides: list[str] = []
    value_follows = False
    for word in words:
        if value_follows or word.startswith("-"):
            flags.append(word)
            value_follows = not value_follows and word in VALUED_FLAGS
        elif is_override(word):
            overrides.append(word)
        else:
            files.append(word)
    unknown = [word for word in flags if word.startswith("-") and word.split("=")[0] not in FLAGS]
    if unknown:
        raise ConfigError([(word, f"no such flag{did_you_mean(word, FLAGS)}") for word in unknown])
    if "-sc" in flags or "--shell-completion" in flags:
        return flags, [], overrides
    return flags, files, overrides


def is_override(word: str) -> bool:
    """`key=value`, or Hydra's `~key`; a path such as `~/orders.csv` is neither."""
    return "=" in word or re.fullmatch(r"~[\w@]+([./@]\w+)*", word) is not None


def of_files(stage: str, files: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """`orders.csv` is short for `data=csv data.path=orders.csv`; for a stage of finished runs it is the run folder."""
    if not files:
        return []
    finished = STAGES.get(stage) is Folder.FINISHED
    key = "run" if finished else "data.path"
    if len(files) > 1:
        what = f"one at a time, got {len(files)}: {' '.join(files)}"
        raise ConfigError([(key, what if finished else f"{what}; quote a pattern: 'logs/*.csv'")])
    value = f"{key}={quoted(expanded(files[0]))}"
    chosen = finished or any(word.startswith("data=") for word in overrides)
    return [value] if chosen else ["data=csv", value]


def opened_key(word: str, overrides: Sequence[str]) -> str:
    """Mark a key that Hydra cannot know with `++`: the user's own names, an effect's fields, a scenario not picked."""
    prefix, key, value = split(word)
    is_new = OPEN_KEYS.fullmatch(key) or is_unpicked(key, overrides)
    return f"++{key}={value}" if is_new and not prefix else word


def is_unpicked(key: str, overrides: Sequence[str]) -> bool:
    """True for a key of a scenario that `scenarios=[...]` leaves out; it may come in by another's `combine`."""
    hit = SCENARIO_KEY.fullmatch(key)
    picked = [value for _, group, value in map(split, overrides) if group == "scenarios"]
    return hit is not None and hit[1] != "baseline" and bool(picked) and hit[1] not in re.findall(r"\w+", picked[-1])


def rewritten(word: str, multirun: bool) -> str:
    """One override with its free text quoted."""
    prefix, key, value = split(word)
    if key not in FREE_TEXT:
        return word
    is_sweep = multirun and "," in value
    if value in ("", "null") or is_quoted(value) or "${" in value or is_sweep:
        return f"{prefix}{key}={value}"
    return f"{prefix}{key}={quoted(expanded(value) if key in PATHS else value)}"


def split(word: str) -> tuple[str, str, str]:
    """`++a.b=c` to ("++", "a.b", "c")."""
    key, _, value = word.partition("=")
    bare = key.lstrip("+~")
    return key[: len(key) - len(bare)], ALIASES.get(bare, bare), value


def is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def quoted(text: str) -> str:
    """Hydra's single quotes. Backslashes are literal there, except before a quote and at the end."""
    escaped = re.sub(r"(\\*)('|$)", lambda hit: hit[1] * 2 + ("\\'" if hit[2] else ""), text)
    return f"'{escaped}'"


def expanded(path: str) -> str:
    """`~` is ours to expand: the shell leaves it alone after `key=`."""
    return os.path.expanduser(path)
