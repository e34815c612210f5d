"""Lives that go on where they would have ended, or start again: the next product, and win-backs.

A further life has the customer's own traits and a new survival budget. Of those who had left before the simulation
starts the traits are those of somebody who has left.
"""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.attrition import CHARGED
from clvsim.kernels.books import activate, activate_age, count, place_of, units
from clvsim.kernels.clocks import order_on, sooner, stretch_due
from clvsim.kernels.pace import row_of, week_of
from clvsim.kernels.paths import apply_push
from clvsim.kernels.state import Budget, Life, Listing, Push, Terms
from clvsim.kernels.structs import (
    BASE_LINES,
    CHARGES,
    DAMPING,
    OFFER_LINES,
    OUTGROWN,
    SHOWN,
    TAKEN,
    TRACE_MOVED,
    TRACE_RETURNED,
    TRACE_TAKEN,
    VALID,
    WIN_BACK,
    WITHIN,
    WON_BACK,
)
from clvsim.kernels.trace import record
from clvsim.kernels.traits import at_intervals, draw_traits
from clvsim.kernels.variates import exponential, inline, room, uniform

DAY = 1.0


@inline
def new_budget(path, lives, charged):
    """Of a further life; the first one's is event 0 of the stream, and kept. `charged`: the hazard of the opportunity
    at hand has ended the life before, and is charged no second time (`grid.attrition_at`).
    """
    return Budget(CHARGED if charged else 0.0, exponential(path.base, rng.LIFETIME, lives), True)


# --- win-backs --------------------------------------------------------------------------------------------------------


@inline
def day_of_answer(offers, campaigns, o, path, event, t, chance):
    """Day of the order that an invitation of day t brings; inf: none."""
    base = path.base ^ offers.key[o]
    if uniform(base, rng.OFFER, event) >= chance:
        return math.inf
    return t + campaigns.days[o * campaigns.slots + WITHIN] * uniform(base, rng.ANSWER, event)


@inline
def invite(offers, campaigns, o, run, weeks, rare, path, life):
    """Somebody who is there: the next order may come sooner, and may use the coupon in any case; -> now"""
    now, at, event = life.now, path.w * offers.count + o, np.int64(life.now.tick)
    day = day_of_answer(offers, campaigns, o, path, event, now.t, campaigns.living[at])
    uses = day < math.inf or uniform(path.base ^ offers.key[o], rng.REDEEM, event) < campaigns.redeemed[at]
    last = now.t + campaigns.days[o * campaigns.slots + WITHIN]
    offers.memory[VALID * offers.count + o] = last if uses else 0.0
    return sooner(run, weeks, rare, path, life, day)


@inline
def redeem(offers, campaigns, run, book, rare, path, place, life):
    """Coupons that an order uses; -> what they cost."""
    cost = 0.0
    for o in range(offers.count):
        if campaigns.occasion[o] != WIN_BACK:
            continue
        if offers.memory[VALID * offers.count + o] >= life.now.t:
            cost += offers.cost[path.w * offers.count + o]
            count(run, book, path, place, BASE_LINES + OFFER_LINES * o + TAKEN)
            record(rare, path, TRACE_TAKEN, life.now.t, 0.0, o)
        offers.memory[VALID * offers.count + o] = 0.0
    return cost


@inline
def listing_on(listing, day):
    """On the contact list, as of a day on which somebody comes back: who has left is written to all the same."""
    gone = listing.listed and listing.leaves <= day
    return Listing(listing.listed, listing.leaves, math.inf if gone else listing.leaves), gone


@room
def come_back(ground, offers, rare, path, life, day, o, lives):
    """Somebody who had left, on the day of the order that offer o brings; declined offers are forgiven."""
    run, book = ground.run, ground.book
    heads = units(1.0, path.head_unit)
    activate(run, book, path, day, heads)
    activate_age(run, book, path, day, heads)
    count(run, book, path, place_of(run, path, day), BASE_LINES + OFFER_LINES * o + WON_BACK)
    record(rare, path, TRACE_RETURNED, day, 0.0, o)
    for i in range(offers.count):
        offers.memory[DAMPING * offers.count + i] = 0.0
        offers.memory[VALID * offers.count + i] = 0.0
    offers.memory[VALID * offers.count + o] = day + DAY
    own = life.own
    if own.rate < 0.0:
        own = draw_traits(ground, rare, path, True)
    terms = Terms(life.terms.pace, 1.0, math.inf, life.terms.owed, life.terms.size)
    listing, off = listing_on(life.listing, day)
    row = row_of(run, path.w, path.table + run.tables // 2) if off else life.row
    now = order_on(run, ground.weeks, row, life.now, day)
    return Life(now, own, new_budget(path, lives, False), terms, life.purse, listing, row)


# --- the next product -------------------------------------------------------------------------------------------------


@inline
def takes_next(offers, campaigns, o, run, book, rare, path, place, t, lives):
    """Whether somebody who is about to leave goes over to a product, which everybody takes once at most."""
    if offers.memory[CHARGES * offers.count + o] != 0.0:
        return False
    if offers.active[(o * run.groups + path.group) * (run.last_week + 1) + week_of(t, run.last_week)] == 0:
        return False
    count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SHOWN)
    if uniform(path.base ^ offers.key[o], rng.OFFER, lives) >= offers.take[path.w * offers.count + o]:
        return False
    offers.memory[CHARGES * offers.count + o] = 1.0
    count(run, book, path, place, BASE_LINES + OFFER_LINES * o + TAKEN)
    record(rare, path, TRACE_MOVED, t, 0.0, o)
    return True


@room
def go_on(ground, offers, rare, occasions, path, life, lives):
    """Somebody whose life ends now; alive again with a next product, at its rate and its prices."""
    run, campaigns, t = ground.run, occasions.campaigns, life.now.t
    for o in range(offers.count):
        if life.budget.alive or campaigns.occasion[o] != OUTGROWN:
            continue
        place = place_of(run, path, t)
        if not takes_next(offers, campaigns, o, run, ground.book, rare, path, place, t, lives):
            continue
        at = path.w * offers.count + o
        factor, now = offers.accept_rate[at], life.now
        budget = new_budget(path, lives + 1, at_intervals(rare) and now.due == t)
        if now.due >= 0.0 and not at_intervals(rare):
            now = stretch_due(run, ground.weeks, life, 1.0 / factor)
        pushed = apply_push(life, Push(0.0, 0.0, 0.0, factor, 0.0, 0.0))
        terms = pushed.terms
        terms = Terms(terms.pace, terms.damping, terms.heals, terms.owed, terms.size * campaigns.size[at])
        life = Life(now, life.own, budget, terms, life.purse, life.listing, life.row)
    return life
