"""Opportunities on a fixed grid of days: taken with a probability (BG/BB), or surely (renewals of contracts)."""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.attrition import CHARGED, add_hazard, end_life, with_limit
from clvsim.kernels.pace import pace_of
from clvsim.kernels.state import Budget, Own
from clvsim.kernels.structs import constants
from clvsim.kernels.traits import eta_of, keep_value, kept_value
from clvsim.kernels.variates import address, gamma, inline, uniform

ORDERED, SKIPPED, LOST = constants(3)


@inline
def chance_of(grid, kept_rate, path, own):
    """Purchase probability ~ Beta(a, b) over customers."""
    if own.chance >= 0.0:
        return own
    chance = kept_value(kept_rate, path.kept)
    if chance < 0.0:
        g1 = gamma(address(path.base, rng.RATE, 0), grid.buy_a[own.part])
        g2 = gamma(address(path.base, rng.RATE, 1), grid.buy_b[own.part])
        chance = g1 / (g1 + g2)
        keep_value(kept_rate, path.kept, chance)
    return Own(own.part, own.first_gap, own.rate, own.mu, own.eta, own.nu, chance)


@inline
def attrition_at(grid, exits, kept, path, own, budget, served, multiplier):
    """The hazard of the step from `served` to one more, charged before the opportunity; -> (traits, budget)."""
    if exits.drop_a[own.part] <= 0.0:
        return own, budget
    if budget.spent == CHARGED:
        return own, Budget(0.0, budget.limit, budget.alive)
    own = eta_of(exits, kept, path, own)
    c = grid.exponent[path.draw * grid.exponent_columns + path.column % grid.exponent_columns]
    budget = add_hazard(budget, own.eta * multiplier * ((served + 1.0) ** c - served**c))
    budget = with_limit(kept.limit, path, budget)
    return own, end_life(budget) if budget.spent >= budget.limit else budget


@inline
def multiplier_due(grid, path, day):
    """Of the hazard, on the day on which the opportunity that comes on this day falls due."""
    if grid.due_days == 0:
        return 1.0
    at = int((day - grid.late[path.column]) * grid.per_day + grid.before)
    return grid.due[np.uint64(path.draw * grid.due_days + min(max(at, 0), grid.due_days - 1))]


@inline
def begins_paused(rare, path):
    if rare is None:
        return False
    return rare.grid.pausing and rare.grid.paused[path.column] > 0.0


@inline
def goes_on_paying(grid, path, now):
    """Whether a contract that has not ended is paid: after a payment unless it pauses, in a pause if it comes back."""
    place = path.draw * grid.exponent_columns + path.column % grid.exponent_columns
    chance = grid.resume[place] if now.paused else 1.0 - grid.pause[place]
    return uniform(path.base, rng.OPPORTUNITY, now.tick) < chance


@inline
def is_taken(grid, kept_rate, path, own, now, rate):
    """-> (traits, whether the customer orders): with 1 - (1 - p)^rate."""
    if grid.pausing:
        return own, goes_on_paying(grid, path, now)
    if grid.certain:
        return own, True
    if grid.buy_a[own.part] <= 0.0:
        return own, True
    own = chance_of(grid, kept_rate, path, own)
    chance = own.chance
    if rate != 1.0:
        chance = -math.expm1(rate * math.log1p(-chance))
    return own, uniform(path.base, rng.OPPORTUNITY, now.tick) < chance


@inline
def at_opportunity(run, weeks, exits, kept, grid, path, life, week):
    """-> (fate, traits, budget)."""
    now, own = life.now, life.own
    at = np.uint64(life.row.week + week)
    before = now.tick - 1 if run.arriving else now.tick
    served = grid.tenure[path.column] + before
    multiplier = weeks.hazard[at] * multiplier_due(grid, path, now.t)
    own, budget = attrition_at(grid, exits, kept, path, own, life.budget, served, multiplier)
    if not budget.alive:
        return LOST, own, budget
    own, ordered = is_taken(grid, kept.rate, path, own, now, pace_of(life.terms) * weeks.rate[at])
    return ORDERED if ordered else SKIPPED, own, budget
