"""Memberships: a trial that starts at an order, then charges at even intervals until the member leaves or a card fails.

A line of its own beside the shop's life: it goes on when that has ended, and does not end it. For the customer at hand
`Deals.memory` holds the day of the next charge (NEXT), 1 + the charges that came (CHARGES; 0 before joining, GONE
afterwards), and the member's own chance to leave at a renewal (CHURN).
"""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.books import count, place_of, post_revenue, units
from clvsim.kernels.clocks import move_to
from clvsim.kernels.offers import is_shown
from clvsim.kernels.paths import apply_push
from clvsim.kernels.payback import add_contribution, cost_of_sale
from clvsim.kernels.state import Life, Push
from clvsim.kernels.structs import (
    BASE_LINES,
    CHARGES,
    CHURN,
    EVERY,
    MEMBERSHIP,
    NEXT,
    OFFER_LINES,
    SERVED,
    SHOWN,
    TAKEN,
    TRACE_JOINED,
    TRACE_LEFT,
    TRACE_SERVED,
    TRACE_TAKEN,
    TRIAL,
)
from clvsim.kernels.trace import record
from clvsim.kernels.variates import address, gamma, inline, room, uniform

GONE = -1.0
ROUNDING = 1e-6  # days


@inline
def within(path, day):
    """The day; inf where it is the end of the window, give or take the rounding of sums of months."""
    return day if day < path.end - ROUNDING else math.inf


@inline
def churn_of(offers, campaigns, o, path):
    """A member's chance to leave at a renewal ~ Beta(a, b); a for all where b is 0."""
    at = path.w * offers.count + o
    a, b = campaigns.churn_a[at], campaigns.churn_b[at]
    if b == 0.0:
        return a
    base = path.base ^ offers.key[o]
    g1 = gamma(address(base, rng.MEMBER_CHURN, 0), a)
    return g1 / (g1 + gamma(address(base, rng.MEMBER_CHURN, 1), b))


@inline
def join(offers, campaigns, o, run, book, rare, path, place, t):
    """The trial starts; what it costs."""
    offers.memory[CHARGES * offers.count + o] = 1.0
    offers.memory[CHURN * offers.count + o] = churn_of(offers, campaigns, o, path)
    offers.memory[NEXT * offers.count + o] = within(path, t + campaigns.days[o * campaigns.slots + TRIAL])
    count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SHOWN)
    record(rare, path, TRACE_JOINED, t, 0.0, o)
    return campaigns.cost[path.w * offers.count + o]


@inline
def at_order(offers, campaigns, run, book, rare, path, place, life):
    """Who is no member may join at an order, once; orders of members cost more. -> (life, cost)"""
    number = min(path.orders_before + life.now.tick - life.now.skipped, offers.numbers - 1)
    cost = 0.0
    for o in range(offers.count):
        if campaigns.occasion[o] != MEMBERSHIP:
            continue
        at = path.w * offers.count + o
        if offers.memory[CHARGES * offers.count + o] == 0.0:
            if not is_shown(offers, o, run, path, place.week, number):
                continue
            if uniform(path.base ^ offers.key[o], rng.OFFER, life.now.tick) >= offers.take[at]:
                continue
            cost += join(offers, campaigns, o, run, book, rare, path, place, life.now.t)
            life = apply_push(life, Push(0.0, 0.0, 0.0, offers.accept_rate[at], 0.0, 0.0))
        if offers.memory[CHARGES * offers.count + o] > 0.0:
            count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SERVED)
            cost += campaigns.perk[at]
            record(rare, path, TRACE_SERVED, life.now.t, 0.0, o)
    return life, cost


@inline
def stays(offers, campaigns, o, path, charges):
    """Whether a member pays this time: after the trial a share converts, later some leave, and some cards fail."""
    at, base = path.w * offers.count + o, path.base ^ offers.key[o]
    if charges == 1.0:
        if uniform(base, rng.CONVERSION, 0) >= campaigns.convert[at]:
            return False
    elif uniform(base, rng.RENEWAL, np.int64(charges)) < offers.memory[CHURN * offers.count + o]:
        return False
    return uniform(base, rng.CARD, np.int64(charges)) >= campaigns.card_loss[at]


@inline
def charge(offers, campaigns, o, run, book, rare, path, place, t):
    """The charge that is due, or the end of the membership, with which its effect on the rate ends."""
    at = path.w * offers.count + o
    charges = offers.memory[CHARGES * offers.count + o]
    if stays(offers, campaigns, o, path, charges):
        offers.memory[CHARGES * offers.count + o] = charges + 1.0
        offers.memory[NEXT * offers.count + o] = within(path, t + campaigns.days[o * campaigns.slots + EVERY])
        count(run, book, path, place, BASE_LINES + OFFER_LINES * o + TAKEN)
        post_revenue(run, book, path, place, units(offers.price[at], path.money_unit))
        record(rare, path, TRACE_TAKEN, t, offers.price[at], o)
        return Push(offers.price[at] - offers.cost[at], offers.price[at], 0.0, 1.0, 0.0, 0.0)
    offers.memory[CHARGES * offers.count + o] = GONE
    offers.memory[NEXT * offers.count + o] = math.inf
    record(rare, path, TRACE_LEFT, t, 0.0, o)
    return Push(0.0, 0.0, 0.0, 1.0 / offers.accept_rate[at], 0.0, 0.0)


@room
def run_out(ground, offers, contacts, rare, occasions, path, life, end):
    """Charges that are still to come when the shop's life has ended, up to the end of the window or of the absence."""
    run, book, campaigns = ground.run, ground.book, occasions.campaigns
    while True:
        day, due = end, -1
        for o in range(offers.count):
            if campaigns.occasion[o] == MEMBERSHIP and offers.memory[NEXT * offers.count + o] < day:
                day, due = offers.memory[NEXT * offers.count + o], o
        if due < 0:
            break
        life = Life(
            move_to(life.now, day), life.own, life.budget, life.terms, life.purse, life.listing, life.row
        )  # fmt: skip
        place = place_of(run, path, day)
        push = charge(offers, campaigns, due, run, book, rare, path, place, day)
        cost = cost_of_sale(ground.weeks, path, push.sold)
        purse = add_contribution(
            run, book, contacts, ground.weeks, ground.tolls, path, place, life, push.gain, cost
        )  # fmt: skip
        life = apply_push(Life(life.now, life.own, life.budget, life.terms, purse, life.listing, life.row), push)
    return life
