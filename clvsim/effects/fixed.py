"""`fixed`: the same number in every draw. A bare number in a YAML file means this kind."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from clvsim.effects.base import EffectKind
from clvsim.effects.scales import CHANGES, Domain, Scale, format_typed, misfit
from clvsim.schema import Amount


class Fixed(EffectKind):
    """A number without uncertainty.

    `value` is typed on the reader's scale. A change of 0 is exactly 0.0 in every draw.
    """

    kind_name: ClassVar[str] = "fixed"
    kind: Literal["fixed"] = "fixed"
    value: Amount

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if reason := misfit(self.value, scale, domain):
            yield "", reason  # most people typed a bare number, which has no key of its own

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        # A probability does not go through its logit: expit(logit(p)) is not p in floats.
        value = np.log1p(self.value) if scale in CHANGES else self.value
        return np.full(uniforms.shape, value + 0.0)

    def describe(self, scale: Scale) -> str:
        return f"fixed at {format_typed(self.value, scale)}, no uncertainty"
