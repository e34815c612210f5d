"""Traits of a path, each drawn by its own address when first needed, and kept for the other scenarios of a call."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.state import Own
from clvsim.kernels.variates import address, exponential, gamma, inline, room, uniform


@inline
def kept_value(kept, place):
    """What another scenario has drawn; < 0: nothing yet."""
    return kept[np.uint64(place)] if place >= 0 else -1.0


@inline
def keep_value(kept, place, value):
    if place >= 0:
        kept[np.uint64(place)] = value


@inline
def gamma_trait(kept, path, stream, shape, rate):
    """A trait ~ Gamma(shape, rate)."""
    value = kept_value(kept, path.kept)
    if value < 0.0:
        value = gamma(address(path.base, stream, 0), shape) / rate
        keep_value(kept, path.kept, value)
    return value


@inline
def eta_of(exits, kept, path, own):
    """Hazard per order or opportunity: -log(1 - p), p ~ Beta(a, b)."""
    if own.eta >= 0.0:
        return own
    eta = kept_value(kept.eta, path.kept)
    if eta < 0.0:
        g1 = gamma(address(path.base, rng.ATTRITION_ORDER, 0), exits.drop_a[own.part])
        g2 = gamma(address(path.base, rng.ATTRITION_ORDER, 1), exits.drop_b[own.part])
        eta = -math.log(g2 / (g1 + g2))
        keep_value(kept.eta, path.kept, eta)
    return Own(own.part, own.first_gap, own.rate, own.mu, eta, own.nu, own.chance)


@inline
def limit_of(kept, path):
    """Survival budget E ~ Exp(1)."""
    limit = kept_value(kept, path.kept)
    if limit < 0.0:
        limit = exponential(path.base, rng.LIFETIME, 0)
        keep_value(kept, path.kept, limit)
    return limit


@inline
def component_of(mixture, path, lost):
    """Which component of a mixture a path belongs to, the same in every scenario; -> (place in its laws, stages done).

    Stages of the first gap that lie behind an existing customer. Who is `lost` has components of their own, if there
    are any.
    """
    if mixture.components == 1:
        return path.law, mixture.stages_done[0]
    first = path.law * np.uint64(mixture.components)
    u = uniform(path.base, rng.COMPONENT, 0)
    apart = lost and mixture.living < mixture.components
    j, end = (mixture.living, mixture.components) if apart else (0, mixture.living)
    while j < end - 1 and u >= mixture.weight[first + np.uint64(j)]:
        u -= mixture.weight[first + np.uint64(j)]
        j += 1
    return first + np.uint64(j), mixture.stages_done[j]


@inline
def at_intervals(rare):
    """Whether orders come at opportunities only."""
    if rare is None:
        return False
    return rare.grid.interval > 0.0


@inline
def not_drawn(path):
    """Of somebody who had left before the simulation starts, as long as nobody asks."""
    return Own(path.law, -1.0, -1.0, 0.0, -1.0, -1.0, -1.0)


@room
def draw_traits(ground, rare, path, lost):
    """Traits that every customer needs: the component of a mixture, rate and hazard per day. `lost`: has left."""
    rates, exits = ground.rates, ground.exits
    part, stages_done = path.law, rates.stages_done
    if rare is not None:
        part, stages_done = component_of(rare.mixture, path, lost)
    rate, mu = 1.0, 0.0
    if not at_intervals(rare):
        rate = gamma_trait(ground.kept.rate, path, rng.RATE, rates.shape[part], rates.rate[part])
    if exits.mu_shape[part] > 0.0:
        mu = gamma_trait(ground.kept.mu, path, rng.ATTRITION_TIME, exits.mu_shape[part], exits.mu_rate[part])
    return Own(part, rates.regularity[np.uint64(path.draw)] - stages_done, rate, mu, -1.0, -1.0, -1.0)
