"""Presets: files of `configs/data` that know the exports of one shop system or payment provider.

A preset names the columns by which its files are recognised, and what else it knows of them. It fills only keys that
nobody typed. A column of a preset may have several names, as of other languages or versions: `Email|E-Mail`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import yaml

from clvsim.data.columns import FACTORS, FILTERS, plain
from clvsim.data.config import DataConfig
from clvsim.errors import ConfigError
from clvsim.files import CONFIGS, leading_comment, yaml_files
from clvsim.types import QualityLine

_COLUMNS = ("customer_id", "date", "amount", "refunded", "segment", "channel", "order_id", "currency")
_BY_COLUMN = FILTERS
_NOT_SAID = {"kind", "recognise", "path", "time_unit"}


@cache
def presets() -> Mapping[str, DataConfig]:
    """Presets by name, as their files say."""
    found = {}
    for name, path in yaml_files(CONFIGS / "data").items():
        keys = yaml.safe_load(path.read_text(encoding="utf-8"))
        if keys.get("recognise"):
            found[name] = DataConfig.model_validate({k: v for k, v in keys.items() if k != "defaults"})
    return found


def filled(config: DataConfig, headers: Sequence[str], label: str) -> tuple[DataConfig, list[QualityLine]]:
    """The configuration with what the preset of a file with these headers knows, and a line that names it.

    Raises ConfigError where two presets fit, or where the file lacks a column by which a chosen one is recognised.
    """
    if config.kind != "csv":
        return config, []
    if config.recognise:
        absent = [column for column in config.recognise if _header(column, headers) is None]
        if absent:
            listed = ", ".join(repr(column.split("|")[0]) for column in absent)
            what = f"{label} is no such export: it has no column {listed}; type data=csv to say yourself what it holds"
            raise ConfigError([("data", what)])
        return _with_headers(config, headers), _cautions(config)
    if config.preset == "none":
        return config, []
    fits = {name: one for name, one in presets().items() if all(_header(c, headers) for c in one.recognise)}
    fits = {n: one for n, one in fits.items() if not any(_knows_more(other, one) for other in fits.values())}
    if not fits:
        return config, []
    if len(fits) > 1:
        choices = " or ".join(f"data={name}" for name in fits)
        raise ConfigError([("data", f"the columns of {label} are those of {len(fits)} exports; type {choices}")])
    ((name, preset),) = fits.items()
    own = DataConfig()
    more: dict[str, Any] = {}
    for key in sorted(preset.model_fields_set - _NOT_SAID):
        typed, known = getattr(config, key), getattr(preset, key)
        if key in _BY_COLUMN:
            typed_columns = (*config.only, *config.without, *(config.failed if key == "failed" else ()))
            named = {None, *(_header(column, headers) or column for column in typed_columns)}
            if known := {column: v for column, v in known.items() if _header(column, headers) not in named}:
                more[key] = known | typed
        elif typed == getattr(own, key):
            more[key] = known
    config = _with_headers(config.model_copy(update=more), headers)
    said = [f"data.{key} {_said(getattr(config, key))}" for key in _BY_COLUMN if getattr(config, key)]
    note = f"{'; '.join(['by its columns', *said])}; data.preset=none reads it without"
    lines = [QualityLine("preset", "Read as", f"data={name}", note)]
    return config, lines + _cautions(config)


def preset_of(config: DataConfig, readings: Sequence[QualityLine] = ()) -> str:
    """The name of the preset by which a file is read, chosen or recognised; "" for none."""
    recognised = next((line.value.removeprefix("data=") for line in readings if line.key == "preset"), "")
    return recognised or next((n for n, one in presets().items() if one.recognise == config.recognise), "")


def title_of(preset: str) -> str:
    """What kind of file a preset knows: the first words of its comment."""
    return re.split(r"[:(]", leading_comment(CONFIGS / "data" / f"{preset}.yaml"))[0].strip()


def _cautions(config: DataConfig) -> list[QualityLine]:
    return [QualityLine("caution", "Not in this export", "", config.caution, "warning")] if config.caution else []


def _knows_more(other: DataConfig, one: DataConfig) -> bool:
    return set(other.recognise) > set(one.recognise)


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{column}: {', '.join(one or 'empty' for one in values)}" for column, values in value.items())
    return str(value)


def _header(names: str, headers: Sequence[str]) -> str | None:
    """The header that is meant by a preset's names of a column: the first that is there, capitals and signs aside."""
    by_plain: dict[str, str] = {}
    for header in headers:
        by_plain.setdefault(plain(header), header)
    return next((by_plain[plain(name)] for name in names.split("|") if plain(name) in by_plain), None)


def _with_headers(config: DataConfig, headers: Sequence[str]) -> DataConfig:
    """A preset's names of columns as this file spells them; an optional column that it lacks is none."""
    more: dict[str, Any] = {}
    for key in _COLUMNS:
        names = getattr(config, key)
        if not names or names in headers:
            continue
        factors = [_header(factor, headers) for factor in names.split(FACTORS)]
        found = FACTORS.join(factor for factor in factors if factor) if all(factors) else None
        more[key] = found if found or key not in ("refunded", "segment", "channel", "currency") else ""
    same = [one for one in presets().values() if one.recognise == config.recognise]
    own = {column for one in same for key in _BY_COLUMN for column in getattr(one, key)}
    for key in _BY_COLUMN:
        columns = getattr(config, key)
        known = {c: v for c, v in columns.items() if c not in own or _header(c, headers)}
        more[key] = {_header(column, headers) or column: values for column, values in known.items()}
    return config.model_copy(update=more)
