"""Priors that a run has changed, as lines of the page: who reads it should know that they are not the usual ones."""

import math
from collections.abc import Iterator
from typing import Any

from clvsim.config import RunConfig
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.special import betaincinv, ndtri
from clvsim.types import Assumption

_ENDS = (0.05, 0.95)


def changed_priors(config: RunConfig) -> tuple[Assumption, ...]:
    """Of both models, each with its mean (of a log-normal one the median) and its 5 and 95 % points."""
    return tuple(line for name in ("retention", "spend") for line in _changed(name, getattr(config, name)))


def _changed(section: str, model: Any) -> Iterator[Assumption]:
    for name, field in type(model).model_fields.items():
        prior = getattr(model, name)
        if not isinstance(prior, LogNormalPrior | BetaPrior) or prior == field.default:
            continue
        middle, low, high = _spread(prior)
        yield Assumption(
            path=f"{section}.{name}",
            label=f"Prior of {name} ({model.kind})",
            kind="prior",
            text=f"{_in_words(prior)}, before the log was seen; by default {_in_words(field.default)}",
            source="",
            mean=middle,
            p05=low,
            p95=high,
        )


def _spread(prior: LogNormalPrior | BetaPrior) -> tuple[float, float, float]:
    if isinstance(prior, LogNormalPrior):
        low, high = (prior.median * math.exp(prior.sd_log * float(ndtri(end))) for end in _ENDS)
        return prior.median, low, high
    low, high = (float(betaincinv(prior.a, prior.b, end)) for end in _ENDS)
    return prior.a / (prior.a + prior.b), low, high


def _in_words(prior: Any) -> str:
    if isinstance(prior, LogNormalPrior):
        return f"log-normal with median {prior.median:g} and sd {prior.sd_log:g} of the log"
    return f"Beta({prior.a:g}, {prior.b:g})" if isinstance(prior, BetaPrior) else "none"
