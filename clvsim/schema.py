"""Base class of all configuration sections, what their values may be, the keys of a section, and suggestions for
unknown keys."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema

from clvsim.errors import MOST, ConfigError
from clvsim.texts import CONTROLS, escaped, short_repr

LONGEST_TEXT = 4096  # characters; no path is longer
LARGEST = 1e12  # of any number, and of money in the smallest of currencies
LONGEST_NAME = 64
TINY = 1e-9  # below it a number above 0 is a slip, and its square is soon no number any more


class Frozen(BaseModel):
    """A section of the configuration: immutable, no unknown keys, finite numbers, texts of a length to be read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_max_length=LONGEST_TEXT)


# --- what values may be: wide enough for anything meant, and nothing that takes all memory or all digits ---


def _no_switch(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


def _not_tiny(value: float) -> float:
    if value < TINY:
        raise ValueError(f"should be at least {TINY:g}, got {value:g}")
    return value


def iso_date(value: Any) -> Any:
    """A date, or its ISO text; numbers, and times of a day, are refused."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if isinstance(value, datetime) and value == datetime(value.year, value.month, value.day):
        return value.date()
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        day = None
    if day is None or str(day) != value:
        raise ValueError("a date is needed, such as 2026-01-15")
    return day


def _without_controls(text: str) -> str:
    if found := CONTROLS.search(text):
        raise ValueError(f"holds a control character ({escaped(found[0])}), which cannot be shown")
    return text


A_NAME = f"a name has letters, digits, _ and -, at most {LONGEST_NAME}, and no - in front"


def is_name(text: str) -> bool:
    return re.fullmatch(rf"\w[\w-]{{0,{LONGEST_NAME - 1}}}", text) is not None


def _a_name(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{A_NAME}, got {short_repr(name)}")
    return name


Name = Annotated[str, AfterValidator(_a_name)]  # of a scenario, a lever, a promotion
Label = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_without_controls)]
Text = Annotated[str, Field(max_length=2000), AfterValidator(_without_controls)]
Whole = Annotated[int, BeforeValidator(_no_switch)]
Real = Annotated[float, BeforeValidator(_no_switch), AfterValidator(lambda value: value + 0.0)]  # no "-0"
Amount = Annotated[Real, Field(ge=-LARGEST, le=LARGEST)]  # the scale that it is for says more
Money = Annotated[Real, Field(ge=0, le=LARGEST)]
Price = Annotated[Real, Field(gt=0, le=LARGEST), AfterValidator(_not_tiny)]
Positive = Annotated[Real, Field(gt=0, le=1e9), AfterValidator(_not_tiny)]  # a rate, a shape, a ratio
Share = Annotated[Real, Field(ge=0, le=1)]
Margin = Annotated[Real, Field(gt=0, le=1), AfterValidator(_not_tiny)]
LogSd = Annotated[Real, Field(gt=0, le=10), AfterValidator(_not_tiny)]  # of a logarithm or log odds
Weeks = Annotated[Real, Field(gt=0, le=5200), AfterValidator(_not_tiny)]
Months = Annotated[Real, Field(ge=0, le=10_000)]
Day = Annotated[date, BeforeValidator(iso_date), Field(ge=date(1900, 1, 1), le=date(2999, 12, 31))]
Seed = Annotated[Whole, Field(ge=0, lt=2**32)]


def validated[Section: Frozen](section: type[Section], values: Mapping[str, Any]) -> Section:
    """Values as a section. Raises ConfigError with a line for each that breaks a rule."""
    try:
        return section.model_validate(values)
    except ValidationError as error:
        problems = [(".".join(map(str, one["loc"])) or "configuration", broken_rule(one)) for one in error.errors()]
        raise ConfigError(problems[:MOST]) from None


def require_in_order(section: Frozen, first: str, last: str) -> None:
    """Raises ValueError where the day `last` of a section lies before its day `first`."""
    start, end = getattr(section, first), getattr(section, last)
    if end < start:
        raise ValueError(f"{last} ({end}) must not be before {first} ({start})")


def broken_rule(error: Any) -> str:
    """An error of Pydantic in our words: the rule, then the value that breaks it where that is short."""
    if plain := {"missing": "is needed and missing", "extra_forbidden": "no such key"}.get(error["type"]):
        return plain
    what = (
        _rule_in_words(error)
        .removeprefix("Value error, ")
        .replace("Input should", "should")
        .replace("valid tuple", "list")
        .removeprefix("Tuple ")
        .replace(" after validation", "")
    )
    what = what[0].lower() + what[1:] if not what.startswith("`") else what
    what = re.sub(r"datetime\.date\((\d+), (\d+), (\d+)\)", lambda day: str(date(*map(int, day.groups()))), what)
    quotes_value = isinstance(error["input"], str | int | float | date | datetime) and "got" not in what
    return f"{what}, got {short_repr(error['input'])}" if quotes_value else what


def _rule_in_words(error: Any) -> str:
    """The rule that a value breaks, in Pydantic's words but where people slip: decimal commas, percent, lengths."""
    kind, value, limits = error["type"], error["input"], error.get("ctx") or {}
    if kind == "float_parsing":
        if comma := re.fullmatch(r"\s*([+-]?\d+),(\d+)\s*", value):
            return f"a number is needed, with a decimal point, as {comma[1]}.{comma[2]}"
        percent = re.fullmatch(r"\s*([+-]?\d+(?:\.\d+)?)\s*%\s*", value)
        return (
            f"a number is needed, as {float(percent[1]) / 100:g} for {percent[1]} %"
            if percent
            else "a number is needed"
        )
    if kind == "less_than_equal" and limits["le"] == 1:
        example = value if isinstance(value, int | float) and 1 < value <= 100 else 40
        return f"should be between 0 and 1, as {example / 100:g} for {example:g} %"
    if kind in ("string_too_long", "too_long") and isinstance(value, str):
        return f"should have at most {limits['max_length']} characters"
    if kind in ("string_too_short", "too_short") and isinstance(value, str):
        return f"should have at least {limits['min_length']} character"
    if kind in ("model_type", "model_attributes_type"):
        return "should be a mapping of keys"
    limit = next((limits[name] for name in ("lt", "le", "gt", "ge") if name in limits), 0)
    if isinstance(limit, int | float) and abs(limit) >= 2**53:  # of which Pydantic shows a rounded one
        return f"{error['msg'].rpartition(' ')[0]} {int(limit)}"
    return error["msg"]


# --- the keys of a section -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OfKind:
    """Annotation of a field whose class is the one that its key `kind` names.

    It replaces Pydantic's check of the annotated type, which may be a protocol.
    """

    classes: Mapping[str, type[Frozen]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """That of one of the classes, in which `kind` says which."""
        found = {}
        for kind, section in self.classes.items():
            found[kind] = {
                "allOf": [handler(section.__pydantic_core_schema__)],
                "properties": {"kind": {"const": kind}},
                "required": ["kind"],
            }
        return {"oneOf": list(found.values())}

    def validate(self, value: Any) -> Frozen:
        if isinstance(value, tuple(self.classes.values())):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("must be a section with the keys of its kind")
        kind = value.get("kind")
        if not isinstance(kind, str) or kind not in self.classes:
            raise ValueError(f"kind must be one of {', '.join(self.classes)}, got {short_repr(kind)}")
        return self.classes[kind].model_validate(value)


class NumberToo:
    """Annotation of a field whose validator takes a bare number for a section: its JSON schema says so."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "number"}, handler(schema)]}


def schema_keys(section: type[BaseModel], values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Every dotted key of a section. `values`, as typed, hold the names in mappings and the kinds."""
    for name, field in section.model_fields.items():
        yield f"{prefix}{name}"
        yield from _keys_below(field.annotation, field.metadata, values.get(name), f"{prefix}{name}.")
    if section.model_config.get("extra") == "allow":
        named = {name: value for name, value in values.items() if name not in section.model_fields}
        extra = get_type_hints(section, include_extras=True)["__pydantic_extra__"]
        yield from _keys_below(extra, (), named, prefix)


def _keys_below(annotation: Any, metadata: Sequence[Any], value: Any, prefix: str) -> Iterator[str]:
    if hasattr(annotation, "__metadata__"):
        annotation, metadata = annotation.__origin__, annotation.__metadata__
    values = value if isinstance(value, Mapping) else {}
    if get_origin(annotation) is dict:
        for name, item in values.items():
            yield f"{prefix}{name}"
            yield from _keys_below(get_args(annotation)[1], (), item, f"{prefix}{name}.")
        return
    for section in _sections(annotation, metadata, values.get("kind")):
        yield from schema_keys(section, values, prefix)


def _sections(annotation: Any, metadata: Sequence[Any], kind: Any) -> list[type[BaseModel]]:
    """The classes that a field's value can have; only that of `kind` where it is given."""
    for item in metadata:
        if isinstance(item, OfKind):
            return [item.classes[kind]] if isinstance(kind, str) and kind in item.classes else []
    matches = [a for a in get_args(annotation) or (annotation,) if isinstance(a, type) and issubclass(a, BaseModel)]
    return [a for a in matches if kind is None or "kind" not in a.model_fields or kind in _kinds(a)]


def _kinds(section: type[BaseModel]) -> tuple[Any, ...]:
    return get_args(section.model_fields["kind"].annotation)


def nearest_keys(key: str, known: Iterable[str]) -> list[str]:
    """At most three known keys that the user may have meant by an unknown one, the likeliest first.

    In this order: a misspelling of the whole key, the same name in other sections, a similar name in its own section, a
    similar name in any section. Other sections count with their fields only, not with deeper keys.
    """
    keys = tuple(known)
    section, name = split_key(key)
    if misspelled := difflib.get_close_matches(key, [k for k in keys if k.count(".") == key.count(".")], 1, cutoff=0.9):
        return misspelled
    eligible = [k for k in keys if k.count(".") <= 1 or k.startswith(f"{key.partition('.')[0]}.")]
    if not (matches := [k for k in eligible if split_key(k)[1] == name]):
        siblings = [split_key(k)[1] for k in keys if split_key(k)[0] == section]
        if near := _nearest_name(name, siblings, cutoff=0.6):
            return [f"{section}.{near}" if section else near]
        near = _nearest_name(name, [split_key(k)[1] for k in eligible], cutoff=0.8)
        matches = [k for k in eligible if split_key(k)[1] == near]
    return sorted(matches, key=lambda k: -difflib.SequenceMatcher(None, key, k).ratio())[:3]


def _nearest_name(name: str, names: Iterable[str], cutoff: float) -> str:
    """The name nearest in spelling, else the first that contains it; empty when there is none."""
    names = tuple(names)
    close = difflib.get_close_matches(name, names, 1, cutoff)
    return next(iter([*close, *(n for n in names if len(name) > 2 and name in n)]), "")


def split_key(key: str) -> tuple[str, str]:
    """`a.b.c` to ("a.b", "c")."""
    section, _, name = key.rpartition(".")
    return section, name
