"""A number that is stated of a business without a log."""

from typing import NamedTuple

from clvsim.effects import NON_NEGATIVE, Domain, EffectKind, Scale
from clvsim.schema import LARGEST, TINY

PRICES: Domain = (TINY, LARGEST)


class Number(NamedTuple):
    """One stated number: `label` in words, `unit` as the page has it."""

    effect: EffectKind
    scale: Scale
    label: str
    domain: Domain = NON_NEGATIVE
    unit: str | None = None
