"""Contact programmes: who is on the list, until when, and what it costs. What contacts do stands in the tables.

Contacts are not posted month by month: customers are counted in and out, and multiplied by the schedule after the loop.
"""

import math

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.books import add, month_of_life, post, units
from clvsim.kernels.clocks import shift_due
from clvsim.kernels.pace import PER_WEEK, WEEK, cumulative_at, operational_excess, row_of, week_of
from clvsim.kernels.state import Listing
from clvsim.kernels.structs import NO_OFFER, OPTED_OUT, TRACE_OPT_OUT
from clvsim.kernels.trace import record
from clvsim.kernels.traits import at_intervals
from clvsim.kernels.variates import exponential, inline


@inline
def opt_out_day(start, end, threshold, table, row, last):
    """Day on which the cumulative opt-out hazard since `start` reaches the threshold, inf if not before `end`."""
    low = cumulative_at(start, table, row, last)
    high = cumulative_at(end, table, row, last)
    target = low + threshold
    if high < target:
        return np.inf
    k0 = week_of(start, last)
    k = min(k0 + int((end - start) * PER_WEEK * (threshold / (high - low))), last)  # as if contacts came evenly
    while k > k0 and table[np.uint64(row.cumulative + k)] >= target:
        k -= 1
    while k < last and table[np.uint64(row.cumulative + k + 1)] < target:
        k += 1
    low = table[np.uint64(row.cumulative + k)]
    step = table[np.uint64(row.cumulative + k + 1)] - low
    return max(start, WEEK * k + WEEK * (target - low) / step)


@inline
def not_listed():
    return Listing(False, math.inf, math.inf)


@inline
def enlist(contacts, run, path):
    """The listing at the start of a life. Opting out is one threshold for all programmes."""
    if contacts.exposed[path.group] == 0:
        return not_listed()
    row = row_of(run, path.w, path.table)
    threshold = exponential(path.base, rng.OPT_OUT, 0)
    leaves = opt_out_day(path.start, path.end, threshold, contacts.opt_out, row, run.last_week)
    return Listing(True, leaves, leaves)


@inline
def at_opt_out(contacts, run, weeks, rare, path, life):
    """-> (now, listing, row): from here on the tables of those who have opted out."""
    leaves = life.listing.leaves
    listing = Listing(life.listing.listed, leaves, math.inf)
    row = row_of(run, path.w, path.table + run.tables // 2)
    if at_intervals(rare):
        return life.now, listing, row
    now = shift_due(life.now, -operational_excess(run, weeks, life.row, leaves))
    return shift_due(now, operational_excess(run, weeks, row, leaves)), listing, row


@inline
def cost_until(contacts, run, path, week):
    """Of all programmes from today to the start of a week, discounted to today."""
    return contacts.cost_discounted[path.group * (run.last_week + 2) + week]


@inline
def cost_paid(contacts, run, path, listing, t):
    """Cost of a customer's contacts until day t, discounted to the start of the life."""
    if contacts is None:
        return 0.0
    if not listing.listed:
        return 0.0
    week = max(path.week_in, min(math.ceil(min(t, listing.leaves) / WEEK), run.last_week + 1))
    return (cost_until(contacts, run, path, week) - cost_until(contacts, run, path, path.week_in)) * path.undiscount


@inline
def post_opt_out(run, book, rare, path, leaves):
    discount = math.exp(-run.delta * leaves)
    period = min(int(leaves * run.per_day), run.periods - 1)
    cell = path.calendar + 2 * OPTED_OUT * run.periods + period
    post(book.calendar, cell, run.periods, path.head_unit, discount)
    if run.arriving:
        cell = path.age + 2 * OPTED_OUT * run.ages + month_of_life(run, path, leaves)
        post(book.age, cell, run.ages, path.head_unit, discount * path.undiscount)
    record(rare, path, TRACE_OPT_OUT, leaves, 0.0, NO_OFFER)


@inline
def age_week(month, week_in, per_day):
    """First week in which somebody who joined in week `week_in` has the given age; ages are counted from that week."""
    return week_in + math.ceil(month / per_day * PER_WEEK)


@inline
def post_own_exit(contacts, run, age, path, week_out):
    """Contacts in the month of own age in which a newcomer leaves the list; full months are multiplied afterwards."""
    week_in = path.week_in
    month = min(int(max(0.0, WEEK * (week_out - 1) - WEEK * week_in) * run.per_day), run.ages - 2)
    period = month + 1  # the first one is the moment of the first order
    left = 2 * ((path.w * run.rows + path.half) * run.arrival_weeks + week_in) * run.ages + period
    add(contacts.age_exit, left, units(1.0, path.head_unit))
    add(contacts.age_exit, left + run.ages, units(path.undiscount, path.head_unit))
    k0 = min(week_out, age_week(month, week_in, run.per_day))
    for p in range(contacts.number):
        at = path.age + (run.lines - contacts.number + p) * 2 * run.ages + period
        row = (p * run.groups + path.group) * (run.last_week + 2)
        sent = contacts.count[row + week_out] - contacts.count[row + k0]
        discounted = contacts.discounted[row + week_out] - contacts.discounted[row + k0]
        add(age, at, units(sent, path.head_unit))
        add(age, at + run.ages, units(discounted * path.undiscount, path.head_unit))


@inline
def post_contacts(contacts, run, book, rare, path, leaves, known):
    """Post what a customer is sent until day `kept_value`, or until the opt-out."""
    week_in, head = path.week_in, units(1.0, path.head_unit)
    week_out = min(math.ceil(min(leaves, known) / WEEK), run.last_week + 1)
    exposure = (2 * (path.w * run.cohorts + path.cohort) + (path.half & 1)) * (run.last_week + 2)
    add(contacts.exposure, exposure + week_in, head)
    add(contacts.exposure, exposure + week_out, -head)
    if run.valued:
        cost = cost_until(contacts, run, path, week_in) - cost_until(contacts, run, path, week_out)
        contacts.value[path.w * run.customers + path.c] += cost
    if leaves < known:
        post_opt_out(run, book, rare, path, leaves)
    if run.arriving:
        post_own_exit(contacts, run, book.age, path, week_out)
