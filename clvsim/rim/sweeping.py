"""Keys with several values on a command line of `clvsim sweep`: taken out before Hydra composes, and its points after.

Hydra composes the first value of each, so that it finds what is wrong with a key. The other points are the same
configuration with other values, set as Hydra sets them, before references between keys are resolved.
"""

import copy
import re
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from clvsim.errors import MOST, ConfigError, Problem, more_problems
from clvsim.files import named_files
from clvsim.rim.allowed import require_bounded_sweep
from clvsim.stages.points import Point, Sweep, is_lever, is_number
from clvsim.texts import short_repr

MOST_KEYS, MOST_POINTS = 2, 100
_FIT = "changes data or models, and all points of a sweep share one fit"
_REFUSED = {
    r"(data|retention|spend|fit)\b.*": _FIT,
    r"business|experiment": _FIT,
    r"environment\.(sd_prior|level_sd_prior|learn|autocorrelation)": _FIT,
    r"seed|simulation\.(draws|replicates|max_replicates)": "changes the random worlds, which the points share",
    r"(scenarios|simulation|finance|acquisition|environment)": "chooses files and is no number of the plan",
}
_NOTHING = (
    r"simulation\.(jobs|shard_customers|cluster|checkpoint|max_customers|max_people|max_newcomers_per_cell)"
    r"|finance\.currency|(trace|report)\b.*|title|question|out|run|of|scenario\.[\w-]+\.(title|note|illustrative)|hydra\b.*|always"
)


class Swept(NamedTuple):
    """A key, and for each of its values the override that sets it."""

    key: str
    words: tuple[str, ...]
    values: tuple[Any, ...]


def take_swept(words: Sequence[str]) -> tuple[list[str], tuple[Swept, ...]]:
    """Overrides as Hydra reads them, those that are swept with their first value; and what is swept.

    Raises ConfigError for a key that a sweep cannot share its fit over, a value that is there twice, more than two keys
    and more points than anybody reads.
    """
    out, swept, problems = [], [], []
    typed = [word.partition("=")[0].lstrip("+~") for word in words]
    for word in words:
        override = _parsed(word)
        if override is None or not override.is_sweep_override():
            out.append(word)
            continue
        require_bounded_sweep([word])
        key = override.key_or_group
        if what := _refusal(override, word):
            problems.append(Problem(key, what))
            continue
        own = _values_of(override)
        swept.append(own)
        out.append(own.words[0])
        if typed.count(key) > 1:
            problems.append(Problem(key, "is typed twice; a sweep takes it once, with all its values"))
        if doubled := [value for n, value in enumerate(own.values) if _known(value, own.values[:n])]:
            problems.append(Problem(key, f"has {short_repr(_plain(doubled[0]))} twice, got {short_repr(_typed(word))}"))
        elif len(own.values) < 2:
            problems.append(Problem(key, f"has one value, got {short_repr(_typed(word))}; a sweep needs at least two"))
    if len(swept) > MOST_KEYS:
        named = ", ".join(one.key for one in swept)
        problems.append(Problem("sweep", f"takes one key with several values or two, got {len(swept)}: {named}"))
    if not problems and (points := _product_size(swept)) > MOST_POINTS:
        rule = f"has {points:,} points, at most {MOST_POINTS}; clvsim sweep smooths between fewer values"
        problems.append(Problem(" and ".join(one.key for one in swept), rule))
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return out, tuple(swept)


def require_one_question(swept: Sequence[Swept], of: str) -> None:
    """Raises ConfigError where keys of a lever and of the whole run are swept together, and where nobody says which
    scenario is looked at."""
    levers = [one.key for one in swept if is_lever(one.key)]
    others = [one.key for one in swept if not is_lever(one.key)]
    if levers and others:
        what = f"is of a lever, {others[0]} of the whole run, which moves the baseline too; sweep one of them at a time"
        raise ConfigError([(levers[0], what)])
    names = dict.fromkeys(key.split(".")[1] for key in levers)
    if len(names) > 1 and not of:
        what = f"which scenario? Keys of {' and '.join(names)} are swept; name one that combines them: of=NAME"
        raise ConfigError([("of", what)])


def pick_word(swept: Sequence[Swept], of: str) -> list[str]:
    """`scenarios=[NAME]`: what a sweep needs beside the baseline. Nothing where a swept scenario has no file, or where
    nothing is swept."""
    files, names = named_files("scenario").keys(), [one.key.split(".")[1] for one in swept if is_lever(one.key)]
    names = [name for name in dict.fromkeys([*([of] if of in files else []), *names]) if name != "baseline"]
    return [f"scenarios=[{','.join(names)}]"] if swept and files >= set(names) else []


def sweepable(keys: Sequence[str]) -> bool:
    """Whether `clvsim sweep` takes all these keys of jobs at once."""
    return 1 <= len(keys) <= MOST_KEYS and not any(_why_not(key) for key in keys)


def make_points(cfg: DictConfig, swept: Sequence[Swept], check: Callable[[DictConfig], Any]) -> Sweep:
    """The points of a sweep, each value of the first key with every one of the second; numbers rise.

    `check` makes a checked configuration of a composed one. Raises ConfigError with the problems of all points, each
    once, and where it is not one of all the values at which it comes up.
    """
    if not swept:
        example = "scenario.follow_up.email.per_month=1,2,4,8"
        raise ConfigError([("sweep", f"no key has several values; type them with commas: {example}")])
    axes = [in_order(list(zip(one.values, one.words, strict=True))) for one in swept]
    points: list[Point] = []
    found: dict[Problem, list[str]] = {}
    for combination in product(*axes):
        label = " and ".join(f"{value}" for value, _ in combination)
        try:
            points.append(Point(tuple(value for value, _ in combination), check(_set(cfg, combination))))
        except ConfigError as error:
            for problem in error.problems:
                found.setdefault(problem, []).append(label)
    if found:
        number = len(points) + len({label for labels in found.values() for label in labels})
        raise ConfigError(_labelled(found, number))
    return Sweep(tuple(one.key for one in swept), tuple(points))


def _labelled(found: dict[Problem, list[str]], number: int) -> list[Problem]:
    problems = [
        problem if len(labels) == number or any(label in problem.what for label in labels)
        else Problem(problem.where, f"{problem.what} (at {', '.join(labels)})")
        for problem, labels in found.items()
    ]  # fmt: skip
    return problems if len(problems) <= MOST else [*problems[: MOST - 1], more_problems(len(problems) - MOST + 1)]


def in_order(pairs: list[tuple[Any, str]]) -> list[tuple[Any, str]]:
    """Values with their words, rising where all are numbers, as typed otherwise."""
    return sorted(pairs, key=lambda pair: pair[0]) if all(is_number(value) for value, _ in pairs) else pairs


def _set(cfg: DictConfig, combination: Sequence[tuple[Any, str]]) -> DictConfig:
    """A copy of a composed configuration with the values of one point."""
    own = copy.deepcopy(cfg)
    for _, word in combination:
        override = OverridesParser.create().parse_override(word)
        key = override.key_or_group
        try:
            OmegaConf.update(own, key, override.value(), merge=True, force_add=True)
        except OmegaConfBaseException:
            raise ConfigError([(key, f"is of another form than {short_repr(_typed(word))}")]) from None
    return own


def _refusal(override: Override, word: str) -> str:
    """Why a key cannot be swept; "" where it can."""
    if word.startswith("~"):
        return "is taken away by ~; a sweep gives it values"
    key = override.key_or_group
    if what := _why_not(key):
        return what if what.startswith("does nothing") else f"{what}: clvsim run -m … {key}={_typed(word)}"
    if not isinstance(override.value(), ChoiceSweep | RangeSweep):
        return f"needs values with commas, or range(start,stop,step), got {short_repr(_typed(word))}"
    return ""


def _why_not(key: str) -> str:
    if re.fullmatch(_NOTHING, key):
        return "does nothing to any scenario, so that there is nothing to compare"
    return next((why for pattern, why in _REFUSED.items() if re.fullmatch(pattern, key)), "")


def _values_of(override: Override) -> Swept:
    key, prefix = override.key_or_group, str(override.input_line or "").partition("=")[0]
    values, words = [], []
    texts = override.sweep_string_iterator()
    for text in texts:
        value = OverridesParser.create().parse_override(f"{prefix}={text}").value()
        if isinstance(value, float) and isinstance(override.value(), RangeSweep):  # 0.3, and not 0.1 + 0.1 + 0.1
            value = float(f"{value:.12g}")
            text = repr(value)
        values.append(value)
        words.append(f"{prefix}={text}")
    return Swept(key, tuple(words), tuple(values))


def _parsed(word: str) -> Override | None:
    try:
        override = OverridesParser.create().parse_override(word)
    except HydraException:  # told where the word is read
        return None
    return override


def _known(value: Any, others: Sequence[Any]) -> bool:
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in others)


def _plain(value: Any) -> Any:
    return value if is_number(value) else str(value)


def _typed(word: str) -> str:
    return word.partition("=")[2]


def _product_size(swept: Sequence[Swept]) -> int:
    size = 1
    for one in swept:
        size *= len(one.values)
    return size
