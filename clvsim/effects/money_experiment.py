"""`money_experiment`: a randomised test of two arms in amounts, such as what an order brings, shrunk like counts."""

from collections.abc import Iterator
from math import ceil, log
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects.scales import Domain, Scale
from clvsim.effects.shrunk import Measured, Shrunk, observed_change
from clvsim.schema import LARGEST, Money, Price, Whole

FEWEST = 30  # people of an arm
LARGEST_ERROR = 0.1  # of an arm's mean, relative: beyond it the log of a mean of skewed amounts is not normal
SMALLEST_ERROR = 1e-9  # of the log ratio: below it there is no variation that a test could have measured

Sample = Annotated[Whole, Field(ge=2, le=int(LARGEST))]


class MoneyExperiment(Shrunk):
    """The amounts of an A/B test: `n` people, their `mean` and `sd` of [control, treated], shrunk (`Shrunk`).

    Log ratio of the means ~ N(log(m₁/m₀), sd₀²/(n₀m₀²) + sd₁²/(n₁m₁²)), by the delta method. An arm needs `FEWEST`
    people and a standard error of at most a tenth of its mean, n ≥ 100 (sd/mean)².

    Not modelled: outliers, of which a few can make a mean; a mean that holds those who do not buy mixes the conversion
    with what buyers spend.
    """

    kind_name: ClassVar[str] = "money_experiment"
    kind: Literal["money_experiment"] = "money_experiment"
    n: tuple[Sample, Sample]
    mean: tuple[Price, Price]
    sd: tuple[Money, Money]

    @model_validator(mode="after")
    def _large_enough(self) -> Self:
        problems = []
        for arm, n, mean, sd in zip(("control", "treated"), self.n, self.mean, self.sd, strict=True):
            if n < FEWEST:
                problems.append(f"n must be at least {FEWEST} for a normal approximation, got {n} in the {arm} arm")
            elif sd > LARGEST_ERROR * mean * n**0.5:
                least = ceil((sd / (LARGEST_ERROR * mean)) ** 2)
                problems.append(
                    f"the {arm} arm is too small for a normal approximation: with mean {mean:g} and sd {sd:g} it needs "
                    f"n of at least 100 (sd/mean)² = {least:,}, got {n:,}"
                )
        if self.measured.variance < SMALLEST_ERROR**2:
            problems.append(f"sd must be above 0 in one arm at least, got {self.sd[0]:g} and {self.sd[1]:g}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def measured(self) -> Measured:
        (m0, m1), (s0, s1), (n0, n1) = self.mean, self.sd, self.n
        return Measured(log(m1 / m0), (s0 / m0) ** 2 / n0 + (s1 / m1) ** 2 / n1)

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if scale == "odds":
            yield "kind", "means say nothing of the odds of a chance: use kind experiment with counts"
        elif scale != "relative":
            yield "kind", "a money_experiment gives a relative change of a mean, which this number is not"

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        return self.shrink(self.measured, uniforms)

    def describe(self, scale: Scale) -> str:
        arms = " against ".join(
            f"{mean:,.6g} (sd {sd:,.6g}) of {n:,}" for n, mean, sd in zip(self.n, self.mean, self.sd, strict=True)
        )
        return f"A/B test of means: {arms}{observed_change(*self.mean, scale)}, {self.shrinkage()}"
