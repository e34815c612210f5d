"""`mixture`: most likely nothing, else an effect."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from clvsim.effects.base import EffectKind, Evidence
from clvsim.effects.counts import Counts
from clvsim.effects.experiment import Experiment
from clvsim.effects.expert import Expert
from clvsim.effects.fixed import Fixed
from clvsim.effects.money_experiment import MoneyExperiment
from clvsim.effects.prior import Prior
from clvsim.effects.reading import keys_of_kind
from clvsim.effects.scales import Domain, Scale, in_words, open_unit
from clvsim.effects.split_tests import SplitTests
from clvsim.schema import NumberToo, Real

SIMPLE: dict[str, type[EffectKind]] = {
    "fixed": Fixed,
    "prior": Prior,
    "expert": Expert,
    "experiment": Experiment,
    "money_experiment": MoneyExperiment,
    "split_tests": SplitTests,
    "counts": Counts,
}
BISECTIONS = 60  # as many as a uniform has digits


class Mixture(EffectKind):
    """Exactly nothing with probability `nothing`, else `effect`.

    By inversion of one uniform: the quantiles below 0 are those of `effect`, then come those that are 0, then the rest.
    """

    kind_name: ClassVar[str] = "mixture"
    kind: Literal["mixture"] = "mixture"
    nothing: Annotated[Real, Field(ge=0.001, le=0.999)]
    effect: Annotated[
        Fixed | Prior | Expert | Experiment | MoneyExperiment | SplitTests | Counts,
        Field(discriminator="kind"),
        BeforeValidator(keys_of_kind(SIMPLE)),
        NumberToo(),
    ]

    @property
    def evidence(self) -> Evidence:
        """A judgement at most: no test says how often there is nothing."""
        return "judgement" if (self.source + self.effect.source).strip() else "stated"

    @property
    def definition(self) -> str:
        return f"{self.nothing!r} nothing, else {self.effect.definition}"

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if scale == "amount" and not domain[0] <= 0 <= domain[1]:
            yield "kind", f"a mixture does not suit this number, which is {in_words(domain)}: nothing would be 0"
        for key, reason in self.effect.misfits(scale, domain):
            yield f"effect.{key}" if key else "effect", reason

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        something = 1.0 - self.nothing
        below = something * self._chance_below_zero(scale)
        out = np.zeros(uniforms.shape)
        low, high = uniforms < below, uniforms >= below + self.nothing
        out[low] = np.minimum(0.0, self.effect.sample(open_unit(uniforms[low] / something), scale))
        out[high] = np.maximum(0.0, self.effect.sample(open_unit((uniforms[high] - self.nothing) / something), scale))
        return out

    def _chance_below_zero(self, scale: Scale) -> float:
        """Of `effect`, whose values grow with the uniform."""
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            middle = 0.5 * (low + high)
            if self.effect.sample(open_unit(np.array([middle])), scale)[0] < 0.0:
                low = middle
            else:
                high = middle
        return high if low > 0.0 else 0.0

    def describe(self, scale: Scale) -> str:
        return f"nothing in {100 * self.nothing:.3g} of 100 cases, else {self.effect.describe(scale)}"
