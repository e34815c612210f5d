"""What single newcomers of a stated business bring: the spread that a mean over all of them hides.

Sampled, and not paired with the simulator's worlds: for a sentence, and for no difference. Not modelled: common shocks,
levers, costs and discount.
"""

from typing import NamedTuple

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.models.laws import SpendLaw

_DRAWS, _PEOPLE = 200, 100  # people of each draw
_MOST_ORDERS = 4096
_ENOUGH = 1e-5  # chance of more orders that is left out


class Single(NamedTuple):
    """Share of newcomers who order once, and revenue of the middle one and of one in ten at the top."""

    once: float
    median: float
    top: float


def sample_single(fitted: FittedModels, horizon_days: float, seed: int) -> Single:
    """Of 20,000 newcomers within an own age, a hundred of each of the first 200 draws; orders and amounts are
    independent."""
    some = fitted.first(min(_DRAWS, fitted.draws))
    law = some.spend.newcomer_laws(some.posterior.spend)
    if not isinstance(law, SpendLaw):
        raise TypeError("lognormal amounts are not stated")
    rng = np.random.default_rng([seed, 6])
    draw = np.repeat(np.arange(some.draws), _PEOPLE)
    later = sample_later_orders(some, horizon_days, rng)
    first, rest = sample_amounts(law, draw, later, rng)
    revenue = some.posterior.spend["first_order_factor"][draw] * first + rest
    return Single(float((later == 0).mean()), *(float(q) for q in np.quantile(revenue, [0.5, 0.9])))


def sample_later_orders(fitted: FittedModels, horizon_days: float, rng: np.random.Generator) -> np.ndarray:
    """Orders after the first within an own age, (draw × people,), by inversion of their distribution."""
    n, days = 16, fitted.days_per_unit
    while True:
        upto = np.cumsum(fitted.retention.order_pmf(fitted.posterior.retention, n, horizon_days / days, days), axis=1)
        if upto[:, -1].min() > 1 - _ENOUGH or n >= _MOST_ORDERS:
            break
        n *= 4
    u = rng.random((len(upto), _PEOPLE)) * upto[:, -1:]
    return np.concatenate([np.searchsorted(own, at) for own, at in zip(upto, u, strict=True)])


def sample_amounts(
    law: SpendLaw, draw: np.ndarray, later: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One amount of each person, of which the first order is a multiple, and the sum of all later ones, (person,)."""
    shape, mean = law.order_shape[draw, 0], law.nu_rate[draw, 0]
    if law.product_price is not None and law.product_upto is not None:
        shares = np.diff(law.product_upto[draw], axis=1, prepend=0.0)
        return mean, (rng.multinomial(later, shares) * law.product_price[draw]).sum(axis=1)
    nu = rng.gamma(law.nu_shape[draw, 0]) / mean
    return rng.gamma(shape) / nu, rng.gamma(np.where(later > 0, shape * later, 1.0)) * (later > 0) / nu
