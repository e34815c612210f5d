"""`counts`: a chance of which it was counted how often it came true."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects.base import EffectKind, Evidence
from clvsim.effects.scales import Domain, Scale, format_typed
from clvsim.schema import Whole
from clvsim.special import betaincinv

MOST_TRIALS = 10**9  # beyond it quantiles of a Beta differ by less than they are computed to


class Counts(EffectKind):
    """`successes` of `trials`: the posterior Beta(½ + s, ½ + f) of a chance under Jeffreys' prior.

    Evidence is that of an experiment: people were counted, and it is none of the log's orders. It is the level of a
    chance; what a lever changes takes a test of two arms.

    Not modelled: chances that differ from week to week or from those to come, by which an interval from many trials is
    too narrow.
    """

    kind_name: ClassVar[str] = "counts"
    kind: Literal["counts"] = "counts"
    successes: Annotated[Whole, Field(ge=0, le=MOST_TRIALS)]
    trials: Annotated[Whole, Field(ge=1, le=MOST_TRIALS)]

    @property
    def evidence(self) -> Evidence:
        return "experiment"

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        if self.successes > self.trials:
            raise ValueError(f"successes may not exceed trials, got {self.successes:,} of {self.trials:,}")
        return self

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if scale != "probability":
            yield "kind", "counts give a chance, which this number is not; of a change give a test, kind: experiment"

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        return betaincinv(self.successes + 0.5, self.trials - self.successes + 0.5, uniforms)

    def describe(self, scale: Scale) -> str:
        return f"counted: {self.successes:,} of {self.trials:,} ({format_typed(self.successes / self.trials, scale)})"
