"""Translation of command lines for Hydra: file names get their key, free text gets Hydra's quotes."""

import os
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from clvsim.console import shell_line
from clvsim.errors import ConfigError
from clvsim.files import did_you_mean
from clvsim.rim.allowed import MAX_FILES, TEXT, require_allowed_words, require_bounded_sweep
from clvsim.rim.secret_words import require_no_secret
from clvsim.stages import STAGES

if TYPE_CHECKING:
    from clvsim.rim.sweeping import Swept

# Flags of Hydra that take the next word as their value.
VALUED_FLAGS = (
    *("--cfg", "-c", "--package", "-p", "--info", "-i", "--experimental-rerun"),
    *("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd"),
)


class Choice(NamedTuple):
    flags: tuple[str, ...]
    values: tuple[str, ...]


CHOICES = {
    "--cfg": Choice(("--cfg", "-c"), ("job", "hydra", "all")),
    "--info": Choice(("--info", "-i"), ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")),
}
PLAIN_FLAGS = ("--help", "-h", "--hydra-help", "--version", "--multirun", "-m", "--run", "-r", "--resolve")
COMPLETION_FLAGS = ("--shell-completion", "-sc")
ALL, JSON = "--all", "--json"  # our own, of `check`: the whole table, and an answer for machines
ANSWER_FLAGS = (ALL, JSON)
FLAGS = (*VALUED_FLAGS, *PLAIN_FLAGS, *COMPLETION_FLAGS, *ANSWER_FLAGS)

PATHS = ("data.path", "simulation.checkpoint", "out", "run", "report.track_record", "a", "b")
ALIASES = {"hydra.run.dir": "out", "hydra.sweep.dir": "out"}
COLUMNS = (
    *("data.customer_id", "data.date", "data.amount", "data.segment", "data.channel"),
    *("data.refunded", "data.order_id", "data.currency"),
    *("data.frequency", "data.recency", "data.T", "data.monetary_value"),
)
TEXTS = (
    *("data.date_format", "data.decimal", "data.delimiter", "data.sheet", *TEXT),
    *("data.url", "data.url_env", "data.url_file", "data.table"),
    *("data.time_zone", "finance.currency", "simulation.cluster", "title", "question"),
)
FREE_TEXT = frozenset(PATHS + COLUMNS + TEXTS)

# Names below these keys are the user's, or depend on an effect's kind, so Hydra must accept new ones (`++`).
OPEN_KEYS = re.compile(
    r"acquisition\.channels(\.\w+)*|scenario\.\w+\.variant|scenario\.\w+\.\w+\.\w+\.\w+|retention\.promotions(\.\w+){0,2}"
    r"|retention\.plan_periods(\.\w+)?|data\.segments(\.\w+){0,2}|data\.rates(\.\w+)?|spend\.products(\.\w+){1,4}"
    r"|(retention|spend)\.(orders_per_year|monthly_churn|later_orders|churn|first|order_value|first_order)\.\w+(\.\w+)?"
)
SCENARIO_KEY = re.compile(r"scenario\.(\w+)\.[\w.]+")


def hydra_words(stage: str, words: Sequence[str]) -> list[str]:
    """The command line after the stage, as Hydra reads it.

    Raises ConfigError on an unknown flag, on more than one file, and on flags that contradict each other.
    """
    flags, files, overrides = sort_words(words)
    if named := [word for word in overrides if "=" in word and os.path.isfile(word)]:
        raise ConfigError(
            [(word, f"is a file with = in its name; type {shell_line([f'data.path={word}'])}") for word in named]
        )
    require_no_secret([*files, *overrides])
    require_allowed_words(flags, overrides, FREE_TEXT)
    if len(files) > MAX_FILES:
        what = f"{len(files):,} files, at most {MAX_FILES:,}; a pattern in quotes takes more: data.path='FOLDER/*.csv'"
        raise ConfigError([("data.path", what)])
    flags = _without_answer_flags(stage, flags)
    if flags and flags[-1] in CHOICES["--info"].flags:
        flags = [*flags, "all"]  # what Hydra takes it for, which would read the next word as its value
    multirun = "-m" in flags or "--multirun" in flags
    picked, quoted, _ = points_in(stage, overrides, multirun)
    if multirun:
        require_bounded_sweep(quoted)
    return [*flags, *file_overrides(stage, files, overrides), *picked, *quoted]


def points_in(
    stage: str, overrides: Sequence[str], multirun: bool = False
) -> "tuple[list[str], list[str], tuple[Swept, ...]]":
    """Overrides in Hydra's grammar, before them the choice of scenarios that a sweep makes by itself, and what a stage
    that sweeps finds swept: of that Hydra gets the first value.

    Raises ConfigError for jobs of a stage that sweeps, and as `take_swept` and `require_one_question`.
    """
    sweeps = stage in STAGES and STAGES[stage].sweeps
    if sweeps and multirun:
        raise ConfigError([("-m", f"{stage} is one run over all values; clvsim run -m runs once per value")])
    quoted = [quote_free_text(mark_new_key(word, overrides), multirun) for word in overrides]
    if not sweeps:
        return [], quoted, ()
    from clvsim.rim.sweeping import pick_word, require_one_question, take_swept  # Hydra's grammar, slow to load

    quoted, swept = take_swept(quoted)
    of = next((value for _, key, value in map(split_override, overrides) if key == "of"), "")
    require_one_question(swept, of)
    chosen = {split_override(word)[1] for word in overrides} & {"scenarios", "experiment"}
    return [] if chosen else pick_word(swept, of), quoted, swept


def swept_keys(stage: str, words: Sequence[str]) -> "tuple[Swept, ...]":
    """What is swept on a command line after the stage."""
    return points_in(stage, sort_words(words)[2])[2]


def _without_answer_flags(stage: str, flags: Sequence[str]) -> list[str]:
    """The flags that Hydra knows."""
    own = [flag for flag in flags if flag in ANSWER_FLAGS]
    rest = [flag for flag in flags if flag not in ANSWER_FLAGS]
    if own and stage != "check":
        raise ConfigError([(flag, "is a flag of clvsim check") for flag in own])
    printing = [flag for flag in rest if flag.split("=")[0] in (*PLAIN_FLAGS, "--cfg", "-c", "--info", "-i")]
    if JSON in own and printing:
        raise ConfigError([(JSON, f"is one answer to one question, got {' '.join(printing)}")])
    return rest


def sort_words(words: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Split a command line into flags with their values, file names and overrides."""
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
    require_known_values(flags, cut=value_follows)
    unknown = [word for word in flags if word.startswith("-") and word.split("=")[0] not in FLAGS]
    if unknown:
        raise ConfigError([(word, f"no such flag{did_you_mean(word, FLAGS)}") for word in unknown])
    without_value = (*PLAIN_FLAGS, *ANSWER_FLAGS)
    if valued := [word for word in flags if "=" in word and word.split("=")[0] in without_value]:
        raise ConfigError([(word, "takes no value") for word in valued])
    if "-sc" in flags or "--shell-completion" in flags:
        return flags, [], overrides
    return flags, files, overrides


def require_known_values(flags: Sequence[str], *, cut: bool) -> None:
    """Raises ConfigError for a flag whose value is none that it takes; `cut`: whether the last one's is missing."""
    if cut and flags[-1] not in CHOICES["--info"].flags:
        raise ConfigError([(flags[-1], "needs a value")])
    words = [part for flag in flags for part in (flag.split("=", 1) if flag.startswith("--") else [flag])]
    for flag, value in pairwise(words):
        for choice in CHOICES.values():
            if flag in choice.flags and value not in choice.values:
                raise ConfigError([(flag, f"must be one of {', '.join(choice.values)}, got {value!r}")])


def is_override(word: str) -> bool:
    """`key=value`, or Hydra's `~key`; a path such as `~/orders.csv`, or an address, is neither."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", word):
        return False
    return "=" in word or re.fullmatch(r"~[\w@]+([./@]\w+)*", word) is not None


def file_overrides(stage: str, files: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Overrides for words without `=`: `data=csv data.path=orders.csv`, or the stage's own key, as `run=FOLDER`."""
    taken: list[str] = []
    if stage in STAGES and STAGES[stage].folders:
        files, taken = folder_overrides(STAGES[stage].folders, files, overrides)
    if not files:
        return taken
    key = STAGES[stage].files if stage in STAGES else "data.path"
    several = key == "data.path"
    if not several and len(files) > 1:
        raise ConfigError([(key, f"one at a time, got {len(files)}: {' '.join(files)}")])
    paths = [hydra_path(file) for file in files]
    value = f"{key}={paths[0] if len(paths) == 1 else '[' + ','.join(paths) + ']'}"
    source_chosen = not several or any(word.startswith("data=") for word in overrides)
    return [*taken, value] if source_chosen else [*taken, "data=csv", value]


def folder_overrides(
    keys: Sequence[str], files: Sequence[str], overrides: Sequence[str]
) -> tuple[list[str], list[str]]:
    """The words that are left, and overrides for those that go to the keys of folders: all folders to a single key, or
    each word to the next key that is not typed."""
    if len(keys) == 1:
        folders = [file for file in files if os.path.isdir(expand_home(file))]
        rest = [file for file in files if file not in folders]
        return rest, [f"{keys[0]}=[{','.join(map(hydra_path, folders))}]"] if folders else []
    open_keys = [key for key in keys if not any(split_override(word)[1] == key for word in overrides)]
    if len(files) > len(open_keys):
        what = f"{' and '.join(keys)} are one folder each, got {len(files) + len(keys) - len(open_keys)}"
        raise ConfigError([(keys[-1], what)])
    return [], [f"{key}={hydra_path(file)}" for key, file in zip(open_keys, files, strict=False)]


def hydra_path(file: str) -> str:
    """A word that names a file, as a value of Hydra's."""
    return hydra_quoted(without_references(expand_home(file)))


def mark_new_key(word: str, overrides: Sequence[str]) -> str:
    """Mark keys that Hydra cannot know with `++`: names of the user, fields of effects, scenarios not picked."""
    prefix, key, value = split_override(word)
    is_new = OPEN_KEYS.fullmatch(key) or is_unpicked(key, overrides)
    return f"++{key}={value}" if is_new and not prefix else word


def is_unpicked(key: str, overrides: Sequence[str]) -> bool:
    """Whether a key belongs to a scenario that `scenarios=[...]` does not name; another's `combine` may add it."""
    match = SCENARIO_KEY.fullmatch(key)
    if match is None or match[1] == "baseline":
        return False
    picked = [value for _, group, value in map(split_override, overrides) if group == "scenarios"]
    return bool(picked) and match[1] not in re.findall(r"\w+", picked[-1])


def quote_free_text(word: str, multirun: bool) -> str:
    """The override with Hydra's quotes around free text."""
    prefix, key, value = split_override(word)
    if key not in FREE_TEXT:
        return word
    if key in TEXT:
        value = re.sub(r"(?<!\\)\$\{", r"\\${", value)  # one that is escaped stays so; `allowed` refuses more
    is_sweep = multirun and "," in value
    is_list = key == "data.path" and value.startswith("[") and value.endswith("]") and not os.path.exists(value)
    if value in ("", "null") or is_quoted(value) or re.search(r"(?<!\\)\$\{", value) or is_sweep or is_list:
        return f"{prefix}{key}={value}"
    return f"{prefix}{key}={hydra_quoted(expand_home(value) if key in PATHS else value)}"


def without_references(text: str) -> str:
    """The name of a file, in which ${ refers to no other key and asks nothing of the machine, whatever precedes it."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def split_override(word: str) -> tuple[str, str, str]:
    """`++a.b=c` to ("++", "a.b", "c")."""
    key, _, value = word.partition("=")
    name = key.lstrip("+~")
    return key[: len(key) - len(name)], ALIASES.get(name, name), value


def is_quoted(value: str) -> bool:
    return len(value) > 1 and value[0] == value[-1] and value[0] in "'\""


def hydra_quoted(text: str) -> str:
    """The text in Hydra's single quotes, where backslashes are literal except before a quote and at the end."""
    escaped = re.sub(r"(\\*)('|$)", lambda match: match[1] * 2 + ("\\'" if match[2] else ""), text)
    return f"'{escaped}'"


def expand_home(path: str) -> str:
    """The path with `~` expanded, which shells do not do after `key=`."""
    return os.path.expanduser(path)
