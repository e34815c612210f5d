"""Clocks of a life: each gives a day, inf when absent. The smallest wins; of equal days, the first in the list.

A mechanism that a loop is compiled without is None, and its clock is gone from the compiled code. Death is no clock:
the hazard is charged over the step to the day that won (`attrition.charge_step`), since tables may change it by week.
"""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.amounts import kept_place
from clvsim.kernels.pace import day_of, operational_excess, pace_of
from clvsim.kernels.state import Moment
from clvsim.kernels.structs import NEXT, constants
from clvsim.kernels.traits import at_intervals, keep_value, kept_value
from clvsim.kernels.variates import address, exponential, gamma, inline

END, ORDER, OPT_OUT, HEAL, CAMPAIGN = constants(5)


@inline
def gap_of(kept_gap, path, tick, shape):
    """Gap before an order at rate 1 ~ Gamma(shape, 1); those before the first orders are kept."""
    place = kept_place(path, tick)
    gap = kept_value(kept_gap, place)
    if gap < 0.0:
        gap = exponential(path.base, rng.GAP, tick) if shape == 1.0 else gamma(address(path.base, rng.GAP, tick), shape)
        keep_value(kept_gap, place, gap)
    return gap


@inline
def opportunity_day(rare, path, served):
    if rare is None:
        return math.inf
    grid = rare.grid
    interval = grid.intervals[path.column % grid.interval_columns]
    return path.start + (grid.first_days[path.column] + interval * served)


@inline
def with_order(run, rates, weeks, kept_gap, rare, path, life):
    """The next order or opportunity, drawn once and kept while other clocks strike."""
    now, own = life.now, life.own
    if now.due >= 0.0:
        return now
    if at_intervals(rare):
        day = opportunity_day(rare, path, now.tick - 1 if run.arriving else now.tick)
        return Moment(now.t, day, day, now.tick, now.skipped, now.paused)
    shape = own.first_gap if now.tick == 0 else rates.regularity[np.uint64(path.draw)]
    guess = now.t + gap_of(kept_gap, path, now.tick, shape) / (own.rate * pace_of(life.terms))
    due = guess + operational_excess(run, weeks, life.row, now.t)
    return Moment(now.t, due, guess, now.tick, now.skipped, now.paused)


@inline
def move_to(now, day):
    return Moment(day, now.due, now.guess, now.tick, now.skipped, now.paused)


@inline
def after_order(now):
    return Moment(now.t, -1.0, now.guess, now.tick + 1, now.skipped, False)


@inline
def after_skip(now):
    """An opportunity went by without an order."""
    return Moment(now.t, -1.0, now.guess, now.tick + 1, now.skipped + 1, True)


@inline
def shift_due(now, excess):
    """The same order under another table of multipliers."""
    return Moment(now.t, now.due + excess, now.guess, now.tick, now.skipped, now.paused)


@inline
def stretch_due(run, weeks, life, factor):
    """The same order where what is left of its gap takes `factor` times as long."""
    now = life.now
    here = now.t + operational_excess(run, weeks, life.row, now.t)
    return Moment(
        now.t, here + (now.due - here) * factor, now.t + (now.guess - now.t) * factor, now.tick, now.skipped,
        now.paused,
    )  # fmt: skip


@inline
def order_on(run, weeks, row, now, day):
    """The next order on day `day`, and now the day itself."""
    due = day + operational_excess(run, weeks, row, day)
    return Moment(day, due, day, now.tick, now.skipped, False)


@inline
def sooner(run, weeks, rare, path, life, day):
    """The same order, on an earlier day; orders at opportunities have days of their own."""
    now = life.now
    if at_intervals(rare) or day >= path.end or day >= order_day(run, weeks, rare, life):
        return now
    return Moment(now.t, day + operational_excess(run, weeks, life.row, day), day, now.tick, now.skipped, now.paused)


@inline
def order_day(run, weeks, rare, life):
    """Days of opportunities do not depend on the rate."""
    if at_intervals(rare):
        return life.now.due
    return day_of(run, weeks, life.row, life.now.due, life.now.guess)


@inline
def next_campaign(offers):
    """Day of the next campaign that reaches the customer at hand."""
    day = math.inf
    for o in range(offers.count):
        day = min(day, offers.memory[NEXT * offers.count + o])
    return day


@inline
def soonest(run, weeks, offers, contacts, rare, occasions, path, life):
    """(kind, day) of what happens next."""
    kind, day = END, path.end
    order = order_day(run, weeks, rare, life)
    if order < day:
        kind, day = ORDER, order
    if contacts is not None:  # noqa: SIM102 (pruned on its own)
        if life.listing.ahead < day:
            kind, day = OPT_OUT, life.listing.ahead
    if offers is not None:
        if life.terms.heals <= day:  # before an order on the first moment of a week
            kind, day = HEAL, life.terms.heals
        if occasions is not None:
            campaign = next_campaign(offers)
            if campaign < day:
                kind, day = CAMPAIGN, campaign
    return kind, day
