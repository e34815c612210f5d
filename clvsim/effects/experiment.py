"""`experiment`: a randomised test of two arms in counts, shrunk towards no effect."""

from collections.abc import Iterator
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import model_validator

from clvsim.effects.binomial import Arms, estimate, exact_log_likelihood, is_small
from clvsim.effects.scales import CHANGES, Domain, Scale
from clvsim.effects.shrunk import Measured, People, Shrunk, Successes, observed_change
from clvsim.schema import Frozen


class Counted(Frozen):
    """Counts of a test: `n` people and `x` successes of [control, treated]."""

    n: tuple[People, People]
    x: tuple[Successes, Successes]

    @model_validator(mode="after")
    def _counts(self) -> Self:
        for arm, n, x in zip(("control", "treated"), self.n, self.x, strict=True):
            if x > n:
                raise ValueError(f"x may not exceed n, got {x:,} of {n:,} in the {arm} arm")
        return self

    @property
    def arms_in_words(self) -> str:
        return " against ".join(f"{x:,} of {n:,}" for x, n in zip(self.x, self.n, strict=True))

    def observed(self, scale: Scale) -> str:
        (n0, n1), (x0, x1) = self.n, self.x
        before, after = (x0 * (n1 - x1), x1 * (n0 - x0)) if scale == "odds" else (x0 * n1, x1 * n0)
        return observed_change(before, after, scale)


def measured(n: Arms, x: Arms, scale: Scale) -> Measured:
    """A test's log effect, with the exact likelihood where a count is small."""
    exact = partial(exact_log_likelihood, n=n, x=x, scale=scale) if is_small(n, x) else None
    return Measured(*estimate(n, x, scale), exact)


def misfit_of_counts(scale: Scale) -> Iterator[tuple[str, str]]:
    if scale not in CHANGES:
        yield "kind", "an experiment gives a change between two arms, which this number is not: use another kind"


class Experiment(Shrunk, Counted):
    """The counts of an A/B test, shrunk (`Shrunk`); exact where any of the four counts is small."""

    kind_name: ClassVar[str] = "experiment"
    kind: Literal["experiment"] = "experiment"

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        return misfit_of_counts(scale)

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        return self.shrink(measured(self.n, self.x, scale), uniforms)

    def describe(self, scale: Scale) -> str:
        return f"A/B test: {self.arms_in_words}{self.observed(scale)}, {self.shrinkage()}"
