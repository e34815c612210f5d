"""Offers shown at orders: taken with a probability, at a price of their own; a declined one may annoy.

Each offer is forgiven on its own, and what it does to the pace heals from week to week. How often each was declined
does not fit into a struct of few fields: it stands in `Deals.memory`, for the customer at hand.
"""

import math

from clvsim.kernels import rng
from clvsim.kernels.books import count, post_revenue, units
from clvsim.kernels.clocks import stretch_due
from clvsim.kernels.pace import WEEK
from clvsim.kernels.paths import apply_push
from clvsim.kernels.state import Push, Terms
from clvsim.kernels.structs import (
    BASE_LINES,
    DAMPING,
    DECLINED,
    MEMBERSHIP,
    MEMORIES,
    OFFER_LINES,
    REFUNDED,
    SHOWN,
    TAKEN,
    TRACE_DECLINED,
    TRACE_REFUND,
    TRACE_TAKEN,
)
from clvsim.kernels.trace import record
from clvsim.kernels.traits import at_intervals
from clvsim.kernels.variates import inline, uniform

HEALED = 1e-4  # a smaller log factor is none


@inline
def forget(offers):
    """A customer who has declined nothing yet."""
    for i in range(MEMORIES * offers.count):
        offers.memory[i] = 0.0


@inline
def is_shown(offers, o, run, path, week, number):
    active = offers.active[(o * run.groups + path.group) * (run.last_week + 1) + week]
    return active != 0 and offers.on_order[o * offers.numbers + number] != 0


@inline
def take_offer(offers, o, event, run, book, rare, path, place, life):
    """Price and cost now; later orders lose a share of the price. A refund gives back the price, and the goods come
    back; the order that it would have replaced comes all the same.
    """
    now, at = life.now, path.w * offers.count + o
    line, price = BASE_LINES + OFFER_LINES * o, offers.price[at]
    count(run, book, path, place, line + TAKEN)
    gain, owed = price - offers.cost[at], offers.cannibalised[at] * price
    if uniform(path.base ^ offers.key[o], rng.REFUND, event) < offers.refund[at]:
        gain += offers.returned[at] - price
        owed = 0.0
        count(run, book, path, place, line + REFUNDED)
        record(rare, path, TRACE_REFUND, now.t, price, o)
    post_revenue(run, book, path, place, units(price, path.money_unit))
    record(rare, path, TRACE_TAKEN, now.t, price, o)
    return Push(gain, price, 0.0, offers.accept_rate[at], 0.0, owed)


@inline
def decline_offer(offers, o, rare, path, life):
    """Beyond the offer's own patience a refusal costs hazard and, for a while, pace."""
    at = path.w * offers.count + o
    times = offers.memory[DECLINED * offers.count + o] + 1.0
    offers.memory[DECLINED * offers.count + o] = times
    record(rare, path, TRACE_DECLINED, life.now.t, 0.0, o)
    if times > offers.patience[at]:
        damping = offers.decline_rate[at]
        offers.memory[DAMPING * offers.count + o] += damping
        return Push(0.0, 0.0, offers.decline_hazard[at], 1.0, damping, 0.0)
    return Push(0.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@inline
def at_order(offers, run, book, rare, occasions, path, place, life, gain, revenue):
    """All offers that an order meets, one after the other; -> (life, contribution and revenue with them)."""
    number = min(path.orders_before + life.now.tick - life.now.skipped, offers.numbers - 1)
    for o in range(offers.count):
        if occasions is not None:  # noqa: SIM102 (pruned on its own)
            if occasions.campaigns.occasion[o] >= MEMBERSHIP:  # it has a room of its own
                continue
        if not is_shown(offers, o, run, path, place.week, number):
            continue
        count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SHOWN)
        if uniform(path.base ^ offers.key[o], rng.OFFER, life.now.tick) < offers.take[path.w * offers.count + o]:
            push = take_offer(offers, o, life.now.tick, run, book, rare, path, place, life)
        else:
            push = decline_offer(offers, o, rare, path, life)
        life = apply_push(life, push)
        gain += push.gain
        revenue += push.sold
    return life, gain, revenue


@inline
def at_healing(offers, run, weeks, rare, path, life):
    """At the start of a week declined offers weigh less than in the one before; -> (now, terms)."""
    left = 0.0
    healed = True
    for o in range(offers.count):
        damping = offers.memory[DAMPING * offers.count + o] * offers.healing[path.w * offers.count + o]
        if abs(damping) < HEALED:
            damping = 0.0
        offers.memory[DAMPING * offers.count + o] = damping
        healed = healed and damping == 0.0
        left += damping
    factor = math.exp(left)
    terms = Terms(life.terms.pace, factor, math.inf if healed else life.now.t + WEEK, life.terms.owed, life.terms.size)
    now = life.now if at_intervals(rare) else stretch_due(run, weeks, life, life.terms.damping / factor)
    return now, terms
