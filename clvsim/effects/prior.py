"""`prior`: an assumed distribution."""

from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from clvsim.effects.base import EffectKind
from clvsim.effects.scales import (
    CHANGES,
    Domain,
    Scale,
    format_typed,
    from_applied,
    misfit,
    misfit_sd,
    scale_name,
    to_applied,
)
from clvsim.schema import Amount, Positive, Price
from clvsim.special import betaincinv, ndtri

PARAMETERS: dict[str, tuple[str, ...]] = {
    "normal": ("mean", "sd"),
    "halfnormal": ("sd",),
    "beta": ("alpha", "beta"),
    "lognormal": ("median", "sd"),
    "uniform": ("low", "high"),
}
# A half-normal logit would be a probability above one half; a lognormal multiplier is `normal` on the log scale.
SCALES: dict[str, tuple[Scale, ...]] = {
    "normal": ("relative", "odds", "probability", "amount"),
    "halfnormal": ("relative", "odds", "amount"),
    "beta": ("probability", "amount"),
    "lognormal": ("amount",),
    "uniform": ("relative", "odds", "probability", "amount"),
}


class Prior(EffectKind):
    """An assumed distribution with its own parameters.

    normal(mean, sd): `mean` is typed like any other number of the scale (0.05 is +5 %, a probability, an amount) and
    is the median there; the distribution is normal on the applied scale, where `sd` is measured.
    halfnormal(sd): |N(0, sd)| on the applied scale. beta(alpha, beta), lognormal(median, sd of the log) and
    uniform(low, high) are on the typed scale.
    """

    kind_name: ClassVar[str] = "prior"
    kind: Literal["prior"] = "prior"
    dist: Literal["normal", "halfnormal", "beta", "lognormal", "uniform"]
    mean: Amount | None = None
    sd: Price | None = None
    alpha: Positive | None = None
    beta: Positive | None = None
    median: Price | None = None
    low: Amount | None = None
    high: Amount | None = None

    @classmethod
    def own_keys(cls, given: Mapping[str, object]) -> frozenset[str]:
        """An override of `dist` leaves the parameters of the other distributions behind: they are not its own."""
        names = frozenset(cls.model_fields)
        dist = given.get("dist")
        if not isinstance(dist, str) or dist not in PARAMETERS:
            return names
        return names - frozenset(p for ps in PARAMETERS.values() for p in ps) | frozenset(PARAMETERS[dist])

    @model_validator(mode="after")
    def _complete(self) -> Self:
        wanted = PARAMETERS[self.dist]
        all_names = {p for ps in PARAMETERS.values() for p in ps}
        set_names = {p for p in all_names if getattr(self, p) is not None}
        if set_names != set(wanted):
            got = ", ".join(sorted(set_names)) or "none"
            raise ValueError(f"dist {self.dist} needs exactly {' and '.join(wanted)}, got {got}")
        if self.dist == "uniform" and self._value("low") >= self._value("high"):
            raise ValueError(f"needs low < high, got {self.low:g} and {self.high:g}")
        return self

    def _value(self, name: str) -> float:
        value = getattr(self, name)
        if value is None:  # `_complete` has checked it
            raise TypeError(f"{name} is not a parameter of {self.dist}")
        return value

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if scale not in SCALES[self.dist]:
            fitting = ", ".join(d for d, scales in SCALES.items() if scale in scales)
            yield "dist", f"{self.dist} does not suit this number, use one of {fitting}"
            return
        for key in PARAMETERS[self.dist]:
            # A normal amount may well have its mean outside the domain's edge: its draws are clipped and counted.
            if key in ("low", "high", "median") or (key == "mean" and scale != "amount"):
                reason = misfit(self._value(key), scale, domain, interior=key == "mean")
                if reason:
                    yield key, reason
            elif key == "sd" and (reason := misfit_sd(self._value(key), scale, of_log=self.dist == "lognormal")):
                yield key, reason

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        value = self._value
        if self.dist == "normal":
            return from_applied(to_applied(value("mean"), scale) + value("sd") * ndtri(uniforms), scale)
        if self.dist == "halfnormal":
            # −Φ⁻¹((1−u)/2) keeps its digits in the upper tail, and 0.5·u + 0.5 would not.
            return -value("sd") * ndtri(0.5 * (1 - uniforms))
        if self.dist == "beta":
            return betaincinv(value("alpha"), value("beta"), uniforms)
        if self.dist == "lognormal":
            return value("median") * np.exp(value("sd") * ndtri(uniforms))
        typed = value("low") + (value("high") - value("low")) * uniforms
        return np.log1p(typed) if scale in CHANGES else typed

    def describe(self, scale: Scale) -> str:
        value = self._value
        scale_text = f" {scale_name(scale)}".rstrip()
        words = {
            "normal": lambda: f"normal around {format_typed(value('mean'), scale)}, sd {value('sd'):g}{scale_text}",
            "halfnormal": lambda: f"half-normal from {format_typed(0.0, scale)} up, sd {value('sd'):g}{scale_text}",
            "beta": lambda: f"Beta({value('alpha'):g}, {value('beta'):g})",
            "lognormal": lambda: (
                f"lognormal around {format_typed(value('median'), scale)}, sd of the log {value('sd'):g}"
            ),
            "uniform": lambda: (
                f"anything from {format_typed(value('low'), scale)} to {format_typed(value('high'), scale)}"
            ),
        }
        return f"assumed: {words[self.dist]()}"
