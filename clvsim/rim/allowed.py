"""What a study may say to Hydra: an allow list, since Hydra's own configuration can run any code.

A study is an experiment, a scenario or a command line that somebody sent. It may choose values and our groups; of Hydra
itself only where results go, that a sweep runs, and by which launcher that we ship. No file is put anywhere else in the
configuration than where its kind belongs, and no resolver reads the environment.
Files are looked at before anything is made of them: their size, their depth, and that nothing is said twice by aliases.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from clvsim.errors import ConfigError, Problem
from clvsim.files import CONFIGS, FILE_URL
from clvsim.foreign_yaml import MAX_BYTES, MAX_DEPTH, SAFE_LOADER, events_with_depth
from clvsim.texts import short

LAUNCHERS = ("basic", "joblib", "submitit_local", "submitit_slurm")
LAUNCHER_CLASSES = (
    "hydra._internal.core_plugins.basic_launcher.BasicLauncher",
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher",
    "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher",
)
LAUNCHER_KEYS = ("n_jobs", "partition", "timeout_min", "mem_gb", "cpus_per_task")
HYDRA_KEYS = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.mode", "hydra.verbose")
CLOSED_FLAGS = ("--experimental-rerun", "--config-dir", "-cd", "--config-path", "-cp", "--config-name", "-cn")
OUT, OUT_RESOLVERS = ("out", "hydra.run.dir", "hydra.sweep.dir"), ("now",)
TEXT = ("data.only", "data.without", "data.failed")  # in which ${ is text
MAX_NODES = 20_000  # events of a file
MAX_WORDS, MAX_TEXT, MAX_VALUES, MAX_DIGITS = 1000, 100_000, 500, 100  # of a command line, a word, a list, a number
MAX_FILES, MAX_JOBS = 2000, 10_000
MAX_KEY = 200  # characters
MAX_WORKERS = 256
HERE = (*OUT, "simulation.checkpoint", "fit.posterior")  # paths that are no addresses
ADDRESSED = ("simulation.cluster", "data.path", "data.url")  # whose addresses are typed, and never taken from a file

OWN_FILES = ("experiment", "scenarios", "always")  # groups whose files are the user's, beside those in configs/
# What OmegaConf offers to every configuration, but for oc.select, which our own need.
CLOSED_RESOLVERS = ("oc.env", "oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values")

_REFERENCE = re.compile(r"\$\{(\s*[\w.]+\s*\}|\s*(?P<resolver>[\w.]+)\s*:(?P<plain>[^${}\\]*\})?)?")
_NO_NAME = re.compile(r"[+-]?[\d._]+(e[+-]?\d+)?|true|false|nan|[+-]?inf|[\[{].*", re.IGNORECASE | re.DOTALL)
_GROUP = re.compile(r"(override\s+|optional\s+)*/*(?P<group>[\w/]+)")
_PACKAGE = re.compile(rb"^\s*#\s*@\s*package\s+(?!_global_\s*$)(.*)$", re.MULTILINE)
_NO_PACKAGE = "is not available: a file goes where its kind belongs, without @"
_OURS = "Of Hydra a study chooses hydra/launcher, out and sweeps"


def require_allowed_words(flags: Sequence[str], overrides: Sequence[str], free_text: Collection[str] = ()) -> None:
    """Raises ConfigError for words of a command line that could run code, read files as programs or the environment,
    or that take long to read. Values of the keys `free_text` are not read as lists."""
    if len(overrides) > MAX_WORDS:
        raise ConfigError([("command", f"has {len(overrides):,} settings, at most {MAX_WORDS:,}; write an experiment")])
    closed = [flag for flag in flags if flag.split("=")[0] in CLOSED_FLAGS]
    problems = [Problem(flag, "is not available: a study is a command, not a folder of Hydra") for flag in closed]
    for word in overrides:
        key, _, value = word.partition("=")
        name = key.lstrip("+~")
        if what := _of_word(name, value, free_text):
            problems.append(Problem(short(name, 80), what))
    if problems:
        raise ConfigError(problems)


def require_typed_address(tree: Mapping[Any, Any], words: Sequence[str]) -> None:
    """Raises ConfigError for the address of a cluster, an object or a server that does not stand on the command line:
    whoever is at the first sees the customers, and what it answers can run code; the others are asked with the user's
    own keys and passwords. A database that is a file is a file like others."""
    own = [word.partition("=") for word in words]
    for name in ADDRESSED:
        section, _, key = name.partition(".")
        found = tree.get(section)
        value = found.get(key) if isinstance(found, Mapping) else None
        typed = " ".join(text.replace("\\", "") for word, _, text in own if word.lstrip("+") == name)
        for where in value if isinstance(value, list | tuple) else [value]:
            is_address = isinstance(where, str) and "://" in where and not where.startswith(FILE_URL)
            if is_address and where.replace("\\", "") not in typed:
                what = f"an address is typed, and not taken from a file: {_without_secret(where)[:200]!r}"
                raise ConfigError([(name, what)])


def _without_secret(address: str) -> str:
    """An address of which no more is shown than where it leads, if it may hold more."""
    return address if re.fullmatch(r"[\w+.-]+://[\w.*/-]*(:\d+)?", address) else f"{address.partition('://')[0]}://…"


def close_resolvers() -> None:
    """Take from OmegaConf what no configuration of ours uses and a value could ask the machine by, should one pass."""
    from omegaconf import OmegaConf

    for name in CLOSED_RESOLVERS:
        OmegaConf.clear_resolver(name)


def require_our_hydra(node: Any) -> None:
    """Raises ConfigError where Hydra's composed node would run or log what neither Hydra nor we ship."""
    quiet = {"version": 1, "root": None, "disable_existing_loggers": False}
    launcher, sweeper = node["launcher"], node["sweeper"]
    wrong = {
        "hydra.job_logging": node["job_logging"] != quiet,
        "hydra.hydra_logging": node["hydra_logging"] != quiet,
        "hydra.callbacks": node["callbacks"],
        "hydra.searchpath": node["searchpath"],
        "hydra.job": node["job"]["env_set"] or node["job"]["env_copy"],
        "hydra.launcher": launcher["_target_"] not in LAUNCHER_CLASSES or launcher.get("setup"),
        "hydra.sweeper": sweeper["_target_"] != "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
    }
    if problems := [Problem(key, f"is not available. {_OURS}") for key, is_wrong in wrong.items() if is_wrong]:
        raise ConfigError(problems)


def require_allowed_file(path: Path | str, name: str) -> None:
    """Raises ConfigError for a file of a study that is too large or deep, or says more than a study may; `name` is how
    it is spoken of. A file that cannot be read, or is no YAML, passes: whoever reads it says so."""
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError:
        return
    if len(content) > MAX_BYTES:
        raise ConfigError([(name, f"has more than {MAX_BYTES >> 10:,} KB, which no study needs")])
    try:
        _require_plain(content, name)
        tree = yaml.load(content, Loader=SAFE_LOADER)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        return
    if tree is not None and not isinstance(tree, dict):
        raise ConfigError([(name, "holds no keys")])
    header = [f"# @package {found[:40].decode(errors='replace')}: {_NO_PACKAGE}" for found in _PACKAGE.findall(content)]
    problems = [Problem(name, what) for what in dict.fromkeys([*header, *_of_tree(tree)])]
    if problems:
        raise ConfigError(problems)


def _require_plain(content: bytes, name: str) -> None:
    """Raises ConfigError for aliases, tags, and more levels or entries than a study needs."""
    for nodes, (event, depth) in enumerate(events_with_depth(content)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError([(name, "holds an anchor or an alias (& or *); write it out")])
        if getattr(event, "tag", None):
            raise ConfigError([(name, f"holds a tag ({event.tag[:40]}); values are plain text, numbers and lists")])
        if depth > MAX_DEPTH or nodes > MAX_NODES:
            raise ConfigError([(name, f"is deeper than {MAX_DEPTH} levels or has more than {MAX_NODES:,} entries")])


def _of_size(name: str, value: str, free_text: Collection[str]) -> str:
    """What is too much of a value, before its grammar is read: that takes the square of a list's length."""
    if len(value) > MAX_TEXT:
        return f"has {len(value):,} characters, at most {MAX_TEXT:,}"
    most = MAX_FILES if name == "data.path" else MAX_VALUES
    if name in free_text and not value.startswith("["):
        return ""
    if value.count(",") >= most:
        return f"is a list of {value.count(',') + 1:,} values, at most {most:,}"
    depth = deepest = 0
    for sign in value:
        depth += (sign in "[{(") - (sign in "]})")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH:
        return f"is deeper than {MAX_DEPTH} levels"
    return f"holds a number of more than {MAX_DIGITS} digits" if re.search(rf"\d{{{MAX_DIGITS}}}", value) else ""


def require_bounded_sweep(words: Sequence[str]) -> None:
    """Raises ConfigError where a sweep over these overrides has more jobs than anybody reads."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import ChoiceSweep, RangeSweep
    from hydra.errors import HydraException

    jobs = 1.0
    for word in words:
        try:
            swept = OverridesParser.create().parse_override(word).value()
        except HydraException:  # told where the word is read
            continue
        name = word.partition("=")[0].lstrip("+~")
        if isinstance(swept, ChoiceSweep):
            jobs *= len(swept.list)
        elif isinstance(swept, RangeSweep):
            start, stop, step = (float(x or 0) for x in (swept.start, swept.stop, swept.step))
            if step and (stop - start) / step <= 0:
                raise ConfigError([(name, "is a range without a value: its end is left out")])
            jobs *= math.inf if step == 0 else max((stop - start) / step, 1)
        if jobs > MAX_JOBS:
            raise ConfigError([(name, f"makes a sweep of more than {MAX_JOBS:,} jobs, at most so many")])


def _of_word(name: str, value: str, free_text: Collection[str]) -> str:
    """What is wrong with a setting `name=value`; "" if nothing is."""
    if what := _of_size(name, value, free_text) or _of_key(name, value):
        return what
    if name not in TEXT:
        return _of_references(value, OUT_RESOLVERS if name in OUT else ())
    return r"holds \\${; type ${ as it stands, which is text here" if r"\\${" in value else ""


def _of_key(name: str, value: str) -> str:
    """What is wrong with a key, or with the file that it chooses."""
    if name in HERE and re.match(r"\w[\w+.-]*://", value.lstrip("'\"")) and not value.startswith(FILE_URL):
        return "is a path of this machine; an address is read as data.path or data.url only"
    if len(name) > MAX_KEY:
        return f"is a key of {len(name):,} characters, at most {MAX_KEY}"
    if "@" in name:
        return _NO_PACKAGE
    if name == "hydra/launcher":
        return "" if value.strip("'\"") in LAUNCHERS else f"must be one of {', '.join(LAUNCHERS)}, got {value[:40]!r}"
    if name.startswith("hydra.launcher."):
        own = name.removeprefix("hydra.launcher.")
        if own not in LAUNCHER_KEYS:
            return f"is not available; a launcher has {', '.join(LAUNCHER_KEYS)}"
        return _of_launcher(own, value)
    if re.match(r"\W*hydra\b", name) and name not in HYDRA_KEYS:
        return f"is not available. {_OURS}"
    if _is_group(name) and (what := _of_choice(value)):
        return what
    return "chooses code, which a study does not" if re.search(r"(^|\.)_\w+_$", name) else ""


def _of_choice(value: str) -> str:
    """What is wrong with a name, or a list of names, of files of a group."""
    if ".." in value or "${" in value:
        return f"{value[:60]!r} is no name of a file of its folder"
    listed = value[1:-1] if value.startswith("[") and value.endswith("]") else None
    names = [value] if listed is None else listed.split(",") if listed.strip() else []
    nothing = () if listed is None else ("null",)
    wrong = [name.strip() for name in names if _NO_NAME.fullmatch(name.strip()) or name.strip().lower() in nothing]
    return f"{wrong[0][:60]!r} is no name of a file" if wrong else ""


def _of_launcher(own: str, value: str) -> str:
    """What is wrong with a launcher's own key."""
    if own == "partition":
        return "" if re.fullmatch(r"[\w.-]{1,64}", value) else f"must be the name of a partition, got {value[:40]!r}"
    number = int(value) if re.fullmatch(r"-?[0-9]{1,9}", value) else None
    most = MAX_WORKERS if own in ("n_jobs", "cpus_per_task") else 1_000_000
    if own == "n_jobs" and number == -1:  # all cores
        return ""
    if number is None or not 1 <= number <= most:
        return f"must be a whole number from 1 to {most:,}{' or -1' if own == 'n_jobs' else ''}, got {value[:40]!r}"
    return ""


def _is_group(name: str) -> bool:
    """Whether a value of this key is the name of a file."""
    return "/" in name or name in OWN_FILES or (re.fullmatch(r"\w+", name) is not None and (CONFIGS / name).is_dir())


def _of_references(text: str, allowed: Sequence[str] = ()) -> str:
    """What is wrong with the `${` in a text: each is a key, `${a.b}`, or an `allowed` resolver with a plain argument.

    What stands before it does not matter: a backslash may be escaped itself.
    """
    for found in _REFERENCE.finditer(text):
        resolver = found["resolver"]
        if resolver is None and re.match(r"\$\{\s*hydra\b", found[0]):
            return f"{found[0][:60]} is not available: values come from the study, not from the machine"
        if resolver is None and found[1] is None:
            return "${ stands before no key; a reference is as ${question}: letters, digits, _ and ."
        if resolver is not None and (resolver not in allowed or found["plain"] is None):
            return f"${{{resolver}:...}} is not available: values come from the study, not from the machine"
    return ""


def _of_tree(tree: Any) -> Iterator[str]:
    """What is wrong with a study's file."""
    if not isinstance(tree, dict):
        return
    if not isinstance(tree.get("defaults", []), list):
        yield "defaults must be a list"
    yield from _of_defaults(tree.get("defaults"))
    yield from _of_hydra(tree.get("hydra"))
    texts = list(_texts({name: value for name, value in tree.items() if name != "hydra"}))
    if code := [key for key, _ in texts if re.fullmatch(r"_\w+_", key.rpartition(".")[2])]:
        yield f"{code[0]} chooses code, which a study does not"
    for key, text in texts:
        if problem := _of_references(text):
            yield f"{key}: {problem}"


def _of_defaults(defaults: Any) -> Iterator[str]:
    for entry in defaults if isinstance(defaults, list) else []:
        for key, value in entry.items() if isinstance(entry, dict) else [(entry, None)]:
            said = f"{key}: {value}" if value is not None else str(key)
            match = _GROUP.fullmatch(str(key))
            if len(said) > MAX_KEY:
                yield f"defaults: {said[:60]!r}… has {len(said):,} characters, at most {MAX_KEY}"
            elif "@" in said:
                yield f"defaults: {said[:60]!r} {_NO_PACKAGE}"
            elif ".." in said or match is None or re.search(r"[^\w\[\]', .+-]", str(value or "")):
                yield f"defaults: {said[:60]!r} is no group of ours"
            elif match["group"].startswith("hydra") and (match["group"] != "hydra/launcher" or value not in LAUNCHERS):
                yield f"defaults: {said[:60]!r} is not available. {_OURS}"


def _of_hydra(node: Any) -> Iterator[str]:
    """Of Hydra's own node a file may ask for a sweep: `mode`, and `sweeper.params`, each as on the command line."""
    if node is None:
        return
    if not isinstance(node, dict):
        yield f"hydra is not available. {_OURS}"
        return
    for key, value in node.items():
        params = (
            value.get("params") if key == "sweeper" and isinstance(value, dict) and set(value) == {"params"} else None
        )
        if isinstance(params, dict):
            require_bounded_sweep([f"{name}={swept}" for name, swept in params.items() if len(str(swept)) < MAX_TEXT])
            for name, swept in params.items():
                word = f"{name}={swept}"  # as Hydra reads it; a reference would be read twice, its text as one more
                key, _, text = word.lstrip("+~").partition("=")
                problem = _of_word(key, text, ()) or ("holds ${; write the values out" if "${" in word else "")
                if key.split(".")[0] in ("simulation", "data") and "://" in text:
                    problem = "is an address, which is typed and not taken from a file"
                if problem:
                    yield f"hydra.sweeper.params.{name}: {problem}"
        elif key != "mode":
            yield f"hydra.{key} is not available. {_OURS}"


def _texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a tree with its place, keys as texts too."""
    if isinstance(value, dict):
        for key, below in value.items():
            here = f"{place}.{key}" if place else str(key)
            yield here, str(key)
            yield from _texts(below, here)
    elif isinstance(value, list):
        for below in value:
            yield from _texts(below, place)
    elif isinstance(value, str):
        yield place, value
