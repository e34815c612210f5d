"""Effects: uncertain numbers that are not estimated from the log, each with its provenance.

`EFFECTS` maps a kind to its class; a configuration field of type `Effect` takes any of them or a bare number.
"""

import json
import math
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from clvsim.effects.base import EVIDENCE, EffectKind, Evidence
from clvsim.effects.experiment import Experiment
from clvsim.effects.expert import Expert
from clvsim.effects.fixed import Fixed
from clvsim.effects.mixture import SIMPLE, Mixture
from clvsim.effects.prior import Prior
from clvsim.effects.reading import keys_of_kind
from clvsim.effects.scales import (
    CHANGES,
    MOST,
    NON_NEGATIVE,
    REAL,
    Domain,
    Scale,
    format_typed,
    in_words,
    limits,
    open_unit,
    to_reader,
)
from clvsim.errors import ConfigError, Problem
from clvsim.types import Assumption

__all__ = [
    "EFFECTS",
    "EVIDENCE",
    "NON_NEGATIVE",
    "REAL",
    "Domain",
    "Effect",
    "EffectDraws",
    "EffectKind",
    "Evidence",
    "Experiment",
    "Expert",
    "Fixed",
    "Mixture",
    "Prior",
    "Scale",
    "assumption",
    "check",
    "definition_of",
    "draw",
]

EFFECTS: dict[str, type[EffectKind]] = {**SIMPLE, "mixture": Mixture}

_UNITS: dict[Scale, str] = {"relative": "relative", "odds": "relative", "probability": "probability"}


Effect = Annotated[
    Fixed | Prior | Expert | Experiment | Mixture, Field(discriminator="kind"), BeforeValidator(keys_of_kind(EFFECTS))
]


_ANY_EFFECT = TypeAdapter(Effect)


def definition_of(written: Any) -> str:
    """`definition` of an effect as it stands in a file: a number, a mapping, or what is not an effect at all."""
    try:
        return _ANY_EFFECT.validate_python(written).definition
    except ValidationError:
        return json.dumps(written, sort_keys=True, default=str)


class EffectDraws(NamedTuple):
    """`values` (n,): log units for relative and odds, natural units otherwise. `clipped`: draws moved to the domain."""

    values: np.ndarray
    clipped: int


def check(effect: EffectKind, scale: Scale, path: str, domain: Domain = NON_NEGATIVE) -> list[Problem]:
    """Everything in `effect` that does not fit `scale`; `domain` is the closed interval allowed for an amount."""
    return [Problem(f"{path}.{key}" if key else path, reason) for key, reason in effect.misfits(scale, domain)]


def draw(
    effect: EffectKind, uniforms: np.ndarray, scale: Scale, *, path: str, domain: Domain = NON_NEGATIVE
) -> EffectDraws:
    """One value per uniform (n,), by inversion: monotone in the uniform, the same for the same uniform.

    Raises ConfigError naming `path` when the effect does not fit the scale.
    """
    if problems := check(effect, scale, path, domain):
        raise ConfigError(problems)
    values = effect.sample(open_unit(uniforms), scale)
    low, high = limits(scale, domain)
    outside = int(np.count_nonzero((values < low) | (values > high)))
    return EffectDraws(np.clip(values, low, high) if outside else values, outside)


def mean(effect: EffectKind, scale: Scale, domain: Domain = NON_NEGATIVE) -> float:
    """The mean on the reader's scale, of 1,000 quantiles; nan where the effect does not fit the scale."""
    if check(effect, scale, "", domain):
        return math.nan
    middles = (np.arange(1000) + 0.5) / 1000
    return float(to_reader(draw(effect, middles, scale, path="", domain=domain).values, scale).mean())


def assumption(
    effect: EffectKind,
    scale: Scale,
    draws: EffectDraws,
    path: str,
    label: str,
    *,
    unit: str | None = None,
    domain: Domain = NON_NEGATIVE,
    is_default: bool = False,
    drives: bool = False,
) -> Assumption:
    """The line on the page: provenance in words, mean and 90 % interval of the draws on the reader's scale.

    `unit` replaces the scale's own (relative, probability, number), for instance with `money`. `is_default`: nobody
    typed it; `drives`: what its lever brings rests on it.
    """
    values = to_reader(draws.values, scale)
    p05, p95 = np.quantile(values, [0.05, 0.95])
    text = ("default, which nobody measured; " if is_default else "") + effect.describe(scale)
    if draws.clipped:
        bounds = in_words(domain)
        if scale in CHANGES:
            bounds = f"between {format_typed(-1.0, scale)} and {format_typed(MOST[scale], scale)}"
        text += f"; {draws.clipped:,} of {values.size:,} draws set to the nearest value that is {bounds}"
    return Assumption(
        path=path,
        label=label,
        kind=effect.kind_name,
        text=text,
        source=effect.source,
        mean=float(values.mean()),
        p05=float(p05),
        p95=float(p95),
        unit=unit or _UNITS.get(scale, "number"),
        evidence="stated" if is_default else effect.evidence,
        drives=drives,
    )
