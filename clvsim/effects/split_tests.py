"""`split_tests`: one of several tests of one's own, all of which say together how large effects are."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from clvsim.effects.base import EffectKind, Evidence
from clvsim.effects.binomial import estimate
from clvsim.effects.experiment import Counted, measured, misfit_of_counts
from clvsim.effects.scales import Domain, Scale
from clvsim.effects.shrunk import LEARN_SD, Spread, Transport, carried_over, posterior
from clvsim.effects.tests_file import MOST_TESTS, read_tests
from clvsim.files import unknown_name
from clvsim.schema import Label

CENTRE_SD = 0.05  # of μ, where all tests are listed


class SplitTest(Counted):
    """A test of the list: its `name`, and its counts as of an experiment."""

    name: Label


def _listed(given: Any) -> Any:
    if isinstance(given, str):
        return read_tests(given)
    if not isinstance(given, list | tuple):
        raise ValueError("a CSV file or a list of tests {name: ..., n: [...], x: [...]} is needed")
    return given


class SplitTests(EffectKind):
    """The test `name` among `tests`, a list or the name of a CSV file (`tests_file`), shrunk together.

    Log effects δ_k ~ N(μ, τ²) with τ ~ HalfNormal(0.05). μ is 0, or ~ N(0, 0.05²) where these are `all` tests that
    were run, losers too: a list of winners would raise its own mean. No further term pays for picking a winner, since
    the others that it was picked from are in the list.

    The others enter by their log effects, as normal; the test itself with the exact likelihood where its counts are
    small. `transport` multiplies the log effect.

    Not modelled: tests that share a control or people, peeking, tests of one shop whose effects differ in kind.
    """

    kind_name: ClassVar[str] = "split_tests"
    kind: Literal["split_tests"] = "split_tests"
    tests: Annotated[tuple[SplitTest, ...], BeforeValidator(_listed), Field(min_length=2, max_length=MOST_TESTS)]
    name: Label
    all: bool = False
    transport: Transport = 1.0

    @property
    def evidence(self) -> Evidence:
        return "experiment"

    @model_validator(mode="after")
    def _is_listed_once(self) -> Self:
        names = [test.name for test in self.tests]
        if twice := [name for number, name in enumerate(names) if name in names[:number]]:
            raise ValueError(f"tests: {twice[0]!r} is there more than once; give each test a name of its own")
        if self.name not in names:
            raise ValueError(f"name: {unknown_name('test', self.name, names)}")
        return self

    @property
    def own(self) -> SplitTest:
        return next(test for test in self.tests if test.name == self.name)

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        return misfit_of_counts(scale)

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        others = [estimate(test.n, test.x, scale) for test in self.tests if test.name != self.name]
        own = measured(self.own.n, self.own.x, scale)
        prior = spread_of(others, own.lift, centre_sd=CENTRE_SD if self.all else 0.0)
        return self.transport * posterior(own, prior, uniforms) + 0.0

    def describe(self, scale: Scale) -> str:
        others = len(self.tests) - 1
        centre = "the mean of all tests that were run" if self.all else "no effect"
        return (
            f"A/B test “{self.name}”: {self.own.arms_in_words}{self.own.observed(scale)}, shrunk together with "
            f"{others:,} other{'' if others == 1 else 's'} towards {centre}{carried_over(self.transport)}"
        )


def spread_of(others: Sequence[tuple[float, float]], lift: float, *, centre_sd: float) -> Spread:
    """What tests, (estimate, se²) each, say of the log effect of one more, on nodes of τ.

    Given τ, with d_j = τ² + s_j²: μ has the posterior N(c, v), 1/v = 1/`centre_sd`² + Σ 1/d_j, c = v Σ m_j/d_j, and one
    more effect is N(c, v + τ²). Nodes are dense near 0 and reach beyond what any test can ask for: the posterior of τ
    peaks below √(0.05·√Σm²), the estimate `lift` of the one more test included.
    """
    estimates, variances = (np.array(values) for values in zip(*others, strict=True))
    root, weights = _unit_nodes(128 if len(others) < 50 else 256)  # of 500 tests the posterior of τ is 2 % wide
    top = np.sqrt(LEARN_SD * np.sqrt(np.sum(estimates**2) + lift**2)) + 6 * LEARN_SD
    tau = top * root**2
    total = tau[:, None] ** 2 + variances
    log_weight = np.log(weights * root) - 0.5 * (tau / LEARN_SD) ** 2
    log_weight -= 0.5 * (np.log(total) + estimates**2 / total).sum(axis=1)
    if centre_sd == 0:
        return Spread(np.zeros_like(tau), tau, log_weight - log_weight.max())
    variance = 1 / (1 / centre_sd**2 + (1 / total).sum(axis=1))
    centre = variance * (estimates / total).sum(axis=1)
    log_weight += 0.5 * (np.log(variance) + centre**2 / variance)
    return Spread(centre, np.sqrt(variance + tau**2), log_weight - log_weight.max())


@cache
def _unit_nodes(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss and Legendre on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return 0.5 * (nodes + 1), 0.5 * weights
