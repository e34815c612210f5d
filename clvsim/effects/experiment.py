"""`experiment`: a randomised test of two arms, shrunk towards no effect."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects.base import EffectKind, Evidence
from clvsim.effects.binomial import estimate, exact_log_likelihood, invert_density, is_small
from clvsim.effects.scales import CHANGES, Domain, Scale, format_typed
from clvsim.schema import LARGEST, LogSd, Real, Whole
from clvsim.special import log_ndtr, logsumexp, ndtri

People = Annotated[Whole, Field(ge=1, le=int(LARGEST))]
Successes = Annotated[Whole, Field(ge=0, le=int(LARGEST))]
LEARN_SD = 0.05  # scale of the half-normal prior of τ under `prior_sd: learn`


class Experiment(EffectKind):
    """The counts of an A/B test, shrunk.

    Counts: `n` people and `x` successes of [control, treated].

    The log effect has the prior N(0, τ²), τ = `prior_sd`, which already pays for picking a winner. With
    `prior_sd: learn` τ has a half-normal prior of scale 0.05 and `tests_run` = K says that this test was the best of K
    (the one with the largest lift). `transport` multiplies the log effect: 0.5 for a test of another shop whose
    effect is expected to carry over by half.

    Not modelled: correlation of several tests, peeking, arms that were not randomised.
    """

    kind_name: ClassVar[str] = "experiment"
    kind: Literal["experiment"] = "experiment"
    n: tuple[People, People]
    x: tuple[Successes, Successes]
    prior_sd: LogSd | Literal["learn"] = 0.05
    tests_run: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1
    transport: Annotated[Real, Field(ge=0, le=10)] = 1.0

    @property
    def evidence(self) -> Evidence:
        return "experiment"

    @model_validator(mode="after")
    def _counts(self) -> Self:
        for arm, n, x in zip(("control", "treated"), self.n, self.x, strict=True):
            if x > n:
                raise ValueError(f"x may not exceed n, got {x:,} of {n:,} in the {arm} arm")
        return self

    def misfits(self, scale: Scale, domain: Domain) -> Iterator[tuple[str, str]]:
        if scale not in CHANGES:
            yield "kind", "an experiment gives a change between two arms, which this number is not: use another kind"

    def sample(self, uniforms: np.ndarray, scale: Scale) -> np.ndarray:
        lift, variance = estimate(self.n, self.x, scale)
        small = is_small(self.n, self.x)
        if self.prior_sd != "learn" and not small:
            shrunk = 1 / (1 / self.prior_sd**2 + 1 / variance)
            draws = lift * shrunk / variance + np.sqrt(shrunk) * ndtri(uniforms)
        else:
            tau, log_weight = self._prior_sds(lift, variance)

            def log_posterior(effect: np.ndarray) -> np.ndarray:
                if small:
                    log_likelihood = exact_log_likelihood(effect, self.n, self.x, scale)
                else:
                    log_likelihood = -0.5 * (effect - lift) ** 2 / variance
                kernel = log_weight - np.log(tau) - 0.5 * (effect[:, None] / tau) ** 2
                return log_likelihood + logsumexp(kernel, axis=1)

            prior_reach, data_reach = 9 * tau[-1], 9 * np.sqrt(variance)
            low, high = min(-prior_reach, lift - data_reach), max(prior_reach, lift + data_reach)
            draws = invert_density(log_posterior, low, high, uniforms)
        return self.transport * draws + 0.0  # no "-0.0" when nothing is carried over

    def _prior_sds(self, lift: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes of τ and the log weights of the prior mixture Σ w·N(effect; 0, τ²), (1,) when τ is given.

        Times the likelihood, w gives the posterior weight HalfNormal(τ)·N(lift; 0, τ² + se²)·Φ(lift/√(τ²+se²))^(K−1).
        """
        if self.prior_sd != "learn":
            return np.array([self.prior_sd]), np.zeros(1)
        # The posterior of τ peaks near √(LEARN_SD·|lift|) when the lift is far beyond the prior.
        top = np.sqrt(LEARN_SD * abs(lift)) + 6 * LEARN_SD
        nodes, weights = np.polynomial.legendre.leggauss(128)
        tau = 0.5 * top * (nodes + 1)
        winner = (self.tests_run - 1) * log_ndtr(lift / np.sqrt(tau**2 + variance))
        return tau, np.log(weights) - 0.5 * (tau / LEARN_SD) ** 2 + winner

    def describe(self, scale: Scale) -> str:
        arms = " against ".join(f"{x:,} of {n:,}" for x, n in zip(self.x, self.n, strict=True))
        if self.prior_sd == "learn":
            best = f", the best of {self.tests_run:,} tests" if self.tests_run > 1 else ""
            shrunk = f"shrunk with a prior sd learnt from it{best}"
        else:
            shrunk = f"shrunk with prior sd {self.prior_sd:g}"
        carried = f"; {self.transport:g} of the log effect carried over" if self.transport != 1 else ""
        return f"A/B test: {arms}{self._observed(scale)}, {shrunk}{carried}"

    def _observed(self, scale: Scale) -> str:
        (n0, n1), (x0, x1) = self.n, self.x
        parts = (x0 * (n1 - x1), x1 * (n0 - x0)) if scale == "odds" else (x0 * n1, x1 * n0)
        if parts[0] == 0:
            return ""
        change = format_typed(parts[1] / parts[0] - 1, scale)
        return f" ({change} {'in the odds ' if scale == 'odds' else ''}observed)"
