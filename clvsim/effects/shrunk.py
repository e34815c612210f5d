"""Measured log effects shrunk towards a prior: what all kinds of tests share."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field

from clvsim.effects.base import EffectKind, Evidence
from clvsim.effects.binomial import invert_density
from clvsim.effects.scales import Scale, format_typed
from clvsim.schema import LARGEST, LogSd, Real, Whole
from clvsim.special import log_ndtr, logsumexp, ndtri

LEARN_SD = 0.05  # scale of the half-normal prior of τ where it is learnt
_REACH = 9.0  # standard deviations on either side within which a posterior is looked for

People = Annotated[Whole, Field(ge=1, le=int(LARGEST))]
Successes = Annotated[Whole, Field(ge=0, le=int(LARGEST))]
Transport = Annotated[Real, Field(ge=0, le=10)]


class Measured(NamedTuple):
    """What a test says of its log effect: estimate, squared standard error, and the exact log likelihood of effects
    (m,) where a normal one does not do."""

    lift: float
    variance: float
    exact: Callable[[np.ndarray], np.ndarray] | None = None


class Spread(NamedTuple):
    """Prior of a log effect: normal distributions (m,) with the logs of their weights, up to a constant."""

    centre: np.ndarray
    sd: np.ndarray
    log_weight: np.ndarray


def posterior(measured: Measured, prior: Spread, uniforms: np.ndarray) -> np.ndarray:
    """Quantiles (n,) of a log effect; in closed form where prior and likelihood are one normal distribution each."""
    lift, variance, exact = measured
    if prior.sd.size == 1 and exact is None:
        shrunk = 1 / (1 / prior.sd[0] ** 2 + 1 / variance)
        return prior.centre[0] + (lift - prior.centre[0]) * shrunk / variance + np.sqrt(shrunk) * ndtri(uniforms)

    def log_density(effect: np.ndarray) -> np.ndarray:
        log_likelihood = exact(effect) if exact else -0.5 * (effect - lift) ** 2 / variance
        z = (effect[:, None] - prior.centre) / prior.sd
        return log_likelihood + logsumexp(prior.log_weight - np.log(prior.sd) - 0.5 * z**2, axis=1)

    reach = _REACH * np.sqrt(variance)
    low = min(float((prior.centre - _REACH * prior.sd).min()), lift - reach)
    high = max(float((prior.centre + _REACH * prior.sd).max()), lift + reach)
    return invert_density(log_density, low, high, uniforms)


def carried_over(transport: float) -> str:
    """What `transport` does, in words; "" where it changes nothing."""
    return f"; {transport:g} of the log effect carried over" if transport != 1 else ""


def observed_change(before: float, after: float, scale: Scale) -> str:
    """The change between two arms as a note in brackets; "" where the first one has nothing."""
    if before == 0:
        return ""
    return f" ({format_typed(after / before - 1, scale)} {'in the odds ' if scale == 'odds' else ''}observed)"


class Shrunk(EffectKind):
    """One test of two arms, whose log effect has the prior N(0, τ²), τ = `prior_sd`, which already pays for picking a
    winner.

    With `prior_sd: learn` τ has a half-normal prior of scale 0.05 and `tests_run` = K says that this test was the best
    of K (the one with the largest lift). `transport` multiplies the log effect: 0.5 for a test of another shop whose
    effect is expected to carry over by half.

    Not modelled: correlation of several tests, peeking, arms that were not randomised.
    """

    prior_sd: LogSd | Literal["learn"] = 0.05
    tests_run: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1
    transport: Transport = 1.0

    @property
    def evidence(self) -> Evidence:
        return "experiment"

    def shrink(self, measured: Measured, uniforms: np.ndarray) -> np.ndarray:
        """Quantiles (n,) of the log effect that carries over."""
        draws = posterior(measured, self._prior(measured), uniforms)
        return self.transport * draws + 0.0  # no "-0.0" when nothing is carried over

    def _prior(self, measured: Measured) -> Spread:
        """N(0, τ²), a mixture of them where τ is learnt.

        Times the likelihood, its weights give the posterior HalfNormal(τ)·N(lift; 0, τ² + se²)·Φ(lift/√(τ²+se²))^(K−1).
        """
        if self.prior_sd != "learn":
            return Spread(np.zeros(1), np.array([self.prior_sd]), np.zeros(1))
        lift, variance, _ = measured
        # The posterior of τ peaks near √(LEARN_SD·|lift|) when the lift is far beyond the prior.
        top = np.sqrt(LEARN_SD * abs(lift)) + 6 * LEARN_SD
        nodes, weights = np.polynomial.legendre.leggauss(128)
        tau = 0.5 * top * (nodes + 1)
        winner = (self.tests_run - 1) * log_ndtr(lift / np.sqrt(tau**2 + variance))
        return Spread(np.zeros_like(tau), tau, np.log(weights) - 0.5 * (tau / LEARN_SD) ** 2 + winner)

    def shrinkage(self) -> str:
        """How it is shrunk, in words."""
        if self.prior_sd == "learn":
            best = f", the best of {self.tests_run:,} tests" if self.tests_run > 1 else ""
            return f"shrunk with a prior sd learnt from it{best}{carried_over(self.transport)}"
        return f"shrunk with prior sd {self.prior_sd:g}{carried_over(self.transport)}"
