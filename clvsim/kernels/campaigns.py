"""Campaigns: offers on a date, on a customer's own day or after a silence, to all who are not known to be gone.

Whoever has left without a word is written to as well: it costs, and nobody answers. The day of the next campaign stands
in `Deals.memory`, for the customer at hand.
"""

import math

import numpy as np

from clvsim.kernels import again, capping, membership, rng
from clvsim.kernels.books import count, place_of, post_cohort, units
from clvsim.kernels.clocks import stretch_due
from clvsim.kernels.offers import take_offer
from clvsim.kernels.paths import apply_push
from clvsim.kernels.payback import add_contribution, cost_of_sale
from clvsim.kernels.state import Life, Push
from clvsim.kernels.structs import (
    BASE_LINES,
    BEGINS,
    BIRTHDAY,
    COHORT_CONTRIBUTION,
    ENDS,
    MEMBERSHIP,
    MOST,
    NEXT,
    OFFER_LINES,
    ON_DATES,
    SHOWN,
    SILENCE,
    SILENT,
    TRACE_CAMPAIGN,
    TRACE_WITHHELD,
    WIN_BACK,
)
from clvsim.kernels.trace import record
from clvsim.kernels.traits import at_intervals
from clvsim.kernels.variates import inline, leaf, room, uniform

YEAR = 365.25


@leaf
def next_date(dates, first, slots, t):
    """The first of a campaign's dates after day t; inf: none."""
    for j in range(first, first + slots):
        if dates[j] > t:
            return dates[j]
    return math.inf


@leaf
def next_year(anchor, t, begins, ends):
    """The first return of a day after t from `begins` on and before `ends`; inf: none."""
    day = anchor + YEAR * max(0.0, math.floor((max(t, begins) - anchor) / YEAR))
    while day <= t or day < begins:
        day += YEAR
    return day if day < ends else math.inf


@inline
def day_after(campaigns, o, run, path, t):
    """Of a campaign on dates or days of one's own, the first after day t."""
    first = o * campaigns.slots
    if campaigns.occasion[o] == ON_DATES:
        return next_date(campaigns.days, first, campaigns.slots, t)
    begins = campaigns.days[first + BEGINS]
    ends = min(campaigns.days[first + ENDS], path.end - membership.ROUNDING)  # so many years on: not the last day
    if campaigns.occasion[o] == BIRTHDAY:
        return next_year(YEAR * uniform(path.base, rng.BIRTHDAY, 0), t, begins, ends)
    first_order = path.start if run.arriving else campaigns.first_order[path.c]
    return next_year(first_order, max(t, first_order), begins, ends)


@inline
def day_of_silence(campaigns, o, last):
    """Of a campaign to those who have been silent since day `last`; inf: they are silent for too long by then."""
    first = o * campaigns.slots
    day = max(last + campaigns.days[first + SILENT], campaigns.days[first + BEGINS])
    if day >= campaigns.days[first + ENDS] or day - last > campaigns.days[first + MOST]:
        return math.inf
    return day


@inline
def after_silence(occasion):
    return SILENCE <= occasion <= WIN_BACK


@inline
def reaches(offers, o, run, path):
    return offers.active[(o * run.groups + path.group) * (run.last_week + 1)] != 0


@inline
def begin(offers, occasions, run, path):
    """The first campaigns of a customer."""
    campaigns = occasions.campaigns
    capping.forget(occasions.cap)
    for o in range(offers.count):
        day = math.inf
        reached = reaches(offers, o, run, path)
        if reached and after_silence(campaigns.occasion[o]):
            day = day_of_silence(campaigns, o, path.start if run.arriving else campaigns.last_order[path.c])
        elif reached and ON_DATES <= campaigns.occasion[o] <= BIRTHDAY:
            day = day_after(campaigns, o, run, path, path.start)
        offers.memory[NEXT * offers.count + o] = day


@inline
def after_order(offers, campaigns, run, path, t):
    """An order ends a silence."""
    for o in range(offers.count):
        if after_silence(campaigns.occasion[o]):
            day = day_of_silence(campaigns, o, t) if reaches(offers, o, run, path) else math.inf
            offers.memory[NEXT * offers.count + o] = day


@inline
def move_on(offers, campaigns, o, run, path, t):
    """After the campaign of day t: the next one, and after a silence none before another order."""
    at = NEXT * offers.count + o
    offers.memory[at] = math.inf if after_silence(campaigns.occasion[o]) else day_after(campaigns, o, run, path, t)


@inline
def send(offers, o, run, book, rare, occasions, path, place, listing, t):
    """One campaign's message; -> whether it was sent, or else withheld by the cap. Either way the next one is due."""
    move_on(offers, occasions.campaigns, o, run, path, t)
    if not capping.permits(occasions.cap, run, path, listing, t):
        count(run, book, path, place, BASE_LINES + OFFER_LINES * offers.count)
        record(rare, path, TRACE_WITHHELD, t, 0.0, o)
        return False
    capping.remember(occasions.cap, t)
    count(run, book, path, place, BASE_LINES + OFFER_LINES * o + SHOWN)
    record(rare, path, TRACE_CAMPAIGN, t, 0.0, o)
    return True


@inline
def answer(offers, campaigns, o, run, book, rare, path, place, life):
    """What one campaign's message costs, and the answer to it; that to a win-back is not given here."""
    now, cost = life.now, campaigns.cost[path.w * offers.count + o]
    if campaigns.occasion[o] == WIN_BACK:
        return Push(-cost, 0.0, 0.0, 1.0, 0.0, 0.0)
    event = np.int64(now.tick) if campaigns.occasion[o] == SILENCE else np.int64(now.t)
    if uniform(path.base ^ offers.key[o], rng.OFFER, event) < offers.take[path.w * offers.count + o]:
        push = take_offer(offers, o, event, run, book, rare, path, place, life)
        return Push(push.gain - cost, push.sold, push.hazard, push.factor, push.damping, push.owed)
    return Push(-cost, 0.0, 0.0, 1.0, 0.0, 0.0)


@room
def at_campaign(ground, offers, contacts, rare, occasions, path, life):
    """All campaigns and charges of memberships of this day."""
    run, book, campaigns, now = ground.run, ground.book, occasions.campaigns, life.now
    place = place_of(run, path, now.t)
    gain, revenue = 0.0, 0.0
    for o in range(offers.count):
        if offers.memory[NEXT * offers.count + o] > now.t:
            continue
        if campaigns.occasion[o] == MEMBERSHIP:
            push = membership.charge(offers, campaigns, o, run, book, rare, path, place, now.t)
        elif send(offers, o, run, book, rare, occasions, path, place, life.listing, now.t):
            push = answer(offers, campaigns, o, run, book, rare, path, place, life)
            if campaigns.occasion[o] == WIN_BACK:
                moment = again.invite(offers, campaigns, o, run, ground.weeks, rare, path, life)
                life = Life(moment, life.own, life.budget, life.terms, life.purse, life.listing, life.row)
        else:
            continue
        if push.factor != 1.0 and not at_intervals(rare):
            moment = stretch_due(run, ground.weeks, life, 1.0 / push.factor)
            life = Life(moment, life.own, life.budget, life.terms, life.purse, life.listing, life.row)
        life = apply_push(life, push)
        gain += push.gain
        revenue += push.sold
    cost = cost_of_sale(ground.weeks, path, revenue)
    purse = add_contribution(run, book, contacts, ground.weeks, ground.tolls, path, place, life, gain, cost)
    return Life(life.now, life.own, life.budget, life.terms, purse, life.listing, life.row)


@inline
def next_to_the_lost(offers, campaigns, end):
    """(day, number) of the next campaign to somebody who has left; -1: none before `end`."""
    day, due = end, np.int64(-1)
    for o in range(offers.count):
        if campaigns.occasion[o] < MEMBERSHIP and offers.memory[NEXT * offers.count + o] < day:
            day, due = offers.memory[NEXT * offers.count + o], np.int64(o)
    return day, due


@room
def run_out(ground, offers, rare, occasions, path, life):
    """What campaigns cost for somebody who has left without a word, to the end of the window or to the day on which one
    wins the customer back; -> (cost discounted to today, that day or inf, number of the campaign).
    """
    run, campaigns, total = ground.run, occasions.campaigns, 0.0
    back, by = math.inf, np.int64(-1)
    while True:
        t, o = next_to_the_lost(offers, campaigns, min(path.end, back))
        if o < 0:
            break
        place, at = place_of(run, path, t), path.w * offers.count + o
        if not send(offers, o, run, ground.book, rare, occasions, path, place, life.listing, t):
            continue
        post_cohort(run, ground.book, place, COHORT_CONTRIBUTION, -units(campaigns.cost[at], path.money_unit))
        total += place.discount * campaigns.cost[at]
        if campaigns.occasion[o] == WIN_BACK:
            day = again.day_of_answer(offers, campaigns, o, path, np.int64(life.now.tick), t, offers.take[at])
            if day < back:
                back, by = day, o
    return total, back if back < path.end else math.inf, by
