"""`expert`: three quantiles of a judgement."""

from collections.abc import Iterator
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from clvsim.effects.base import EffectKind
from clvsim.effects.scales import Domain, Scale, format_typed, from_applied, misfit, to_applied
from clvsim.schema import Amount
from clvsim.special import ndtri


class Expert(EffectKind):
    """A judgement as 10, 50 and 90 % quantiles.

    Split normal on the applied scale: two half-normals of mass ½ joined at p50, so that all three quantiles hold.
    """

    kind_name: ClassVar[str] = "expert"
    kind: Literal["expert"] = "expert"
    p10: Amount
    p50: Amount
    p90: Amount

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if not self.p10 <= self.p50 <= self.p90:
            raise ValueError(f"needs p10 <= p50 <= p90, got {self.p10:g}, {self.p50:g}, {self.p90:g}")
        return self

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        for key in ("p10", "p50", "p90"):
            if reason := misfit(getattr(self, key), scale, domain, interior=True):
                yield key, reason

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        low, mid, high = (to_applied(q, scale) for q in (self.p10, self.p50, self.p90))
        z = ndtri(uniforms)
        sd = np.where(z < 0, mid - low, high - mid) / ndtri(0.9)
        return from_applied(mid + sd * z, scale)

    def describe(self, scale: Scale) -> str:
        low, mid, high = (format_typed(q, scale) for q in (self.p10, self.p50, self.p90))
        return f"expert judgement: {low} to {high} in 8 of 10 cases, as likely above as below {mid}"
