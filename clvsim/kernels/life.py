"""The event loop: of all clocks of a life the soonest strikes, one room answers, until the path is over.

What follows an order, in this order (`orders`): its amount, less what earlier offers displaced; posts; offers; the
contribution, with which a newcomer may have repaid; the hazard of the order at the rate at which it came.
"""

import math
from dataclasses import dataclass

import numpy as np

from clvsim.kernels import (
    again,
    attrition,
    books,
    campaigns,
    clocks,
    grid,
    membership,
    orders,
    paths,
    payback,
    rng,
    trace,
    traits,
)
from clvsim.kernels import contacts as contacts_room
from clvsim.kernels import offers as offers_room
from clvsim.kernels.compiler import njit
from clvsim.kernels.pace import row_of
from clvsim.kernels.signature import SIGNATURE, deals_of, ground_of, occasions_of, programmes_of, rare_of
from clvsim.kernels.state import Budget, Life, Moment, Purse, Terms
from clvsim.kernels.structs import NO_OFFER, TRACE_DEATH, TRACE_GONE
from clvsim.kernels.variates import room, uniform


@dataclass(frozen=True)
class Mechanisms:
    """What a compiled loop knows. Without a mechanism it has no trace of it; with one it may still be idle."""

    levered: bool = False  # offers, contacts, margins that vary
    special: bool = False  # mixtures, opportunities, lognormal or listed amounts, free later orders, traces
    occasional: bool = False  # campaigns, memberships, further lives; with all of the above


@room
def begin_life(ground, rare, path, listing, alive):
    """A customer on the first day, if there still."""
    if alive:
        heads = books.units(1.0, path.head_unit)
        books.activate(ground.run, ground.book, path, path.start, heads)
        books.activate_age(ground.run, ground.book, path, path.start, heads)
        own = traits.draw_traits(ground, rare, path, False)
    else:
        own = traits.not_drawn(path)
    return Life(
        Moment(path.start, -1.0, path.start, 0, 0, grid.begins_paused(rare, path)),
        own,
        Budget(0.0, -1.0, alive),
        Terms(path.rate, 1.0, math.inf, 0.0, 1.0),
        Purse(0.0, 0.0, -math.inf),
        listing,
        row_of(ground.run, path.w, path.table),
    )


@room
def run_life(ground, offers, contacts, rare, occasions, path, life):
    """The life at its end or at that of its window."""
    run, weeks, kept = ground.run, ground.weeks, ground.kept
    while True:
        first = run.arriving and life.now.tick == 0
        if not first:  # a newcomer begins with an order
            now = clocks.with_order(run, ground.rates, weeks, kept.gap, rare, path, life)
            life = Life(now, life.own, life.budget, life.terms, life.purse, life.listing, life.row)
            kind, day = clocks.soonest(run, weeks, offers, contacts, rare, occasions, path, life)
            budget, day = attrition.charge_step(run, weeks, kept.limit, path, life, day)
            now = clocks.move_to(now, day)
            life = Life(now, life.own, budget, life.terms, life.purse, life.listing, life.row)
            if kind == clocks.END or not budget.alive:
                break
            if contacts is not None:  # noqa: SIM102 (pruned on its own)
                if kind == clocks.OPT_OUT:
                    now, listing, row = contacts_room.at_opt_out(contacts, run, weeks, rare, path, life)
                    life = Life(now, life.own, life.budget, life.terms, life.purse, listing, row)
                    continue
            if offers is not None:
                if kind == clocks.HEAL:
                    now, terms = offers_room.at_healing(offers, run, weeks, rare, path, life)
                    life = Life(now, life.own, life.budget, terms, life.purse, life.listing, life.row)
                    continue
                if occasions is not None:  # noqa: SIM102
                    if kind == clocks.CAMPAIGN:
                        life = campaigns.at_campaign(ground, offers, contacts, rare, occasions, path, life)
                        continue
        place = books.place_of(run, path, life.now.t)
        if rare is not None:  # noqa: SIM102
            if rare.grid.interval > 0.0 and not first:
                fate, own, budget = grid.at_opportunity(
                    run, weeks, ground.exits, kept, rare.grid, path, life, place.week
                )  # fmt: skip
                now = clocks.after_skip(life.now) if fate == grid.SKIPPED else life.now
                life = Life(now, own, budget, life.terms, life.purse, life.listing, life.row)
                if fate == grid.LOST:
                    break
                if fate == grid.SKIPPED:
                    continue
        life = orders.at_order(ground, offers, contacts, rare, occasions, path, place, life, first)
        if not life.budget.alive:
            break
    return life


@room
def run_lives(ground, offers, contacts, rare, occasions, path, listing, alive):
    """All lives of a customer, who may have left before the first; -> (the last life, what campaigns cost meanwhile).

    A life that ends may go on with a next product; somebody who has left without a word may be won back.
    """
    run, book = ground.run, ground.book
    life, lives, written = begin_life(ground, rare, path, listing, alive), np.int64(0), 0.0
    if not alive:
        lives += 1
        trace.record(rare, path, TRACE_GONE, path.start, 0.0, NO_OFFER)
    while True:
        if alive:
            life = run_life(ground, offers, contacts, rare, occasions, path, life)
            alive = life.budget.alive
            if not alive:
                life = again.go_on(ground, offers, rare, occasions, path, life, lives)
                lives += 1
                alive = life.budget.alive
                if alive:
                    continue
                trace.record(rare, path, TRACE_DEATH, life.now.t, 0.0, NO_OFFER)
            books.close(run, book, path, life.now.t, alive)
            if listing.listed and run.renewing:  # a contract that ended is known to be lost
                contacts_room.post_contacts(contacts, run, book, rare, path, listing.leaves, life.now.t)
        if alive or run.renewing:
            break
        cost, back, o = campaigns.run_out(ground, offers, rare, occasions, path, life)
        written += cost
        life = membership.run_out(ground, offers, contacts, rare, occasions, path, life, min(path.end, back))
        if back >= path.end:
            break
        life, alive = again.come_back(ground, offers, rare, path, life, back, o, lives), True
    return life, written


def build(on: Mechanisms):
    """The loop with these mechanisms, cached by itself."""
    levered, special, occasional = on.levered, on.special, on.occasional

    @njit(SIGNATURE, cache=True, nogil=True, _nrt=False)
    def simulate(people, world_key, world_draw, laws, kept, arrivals, tables, offers, programmes, clock, out, events):
        ground = ground_of(people, laws, kept, arrivals, tables, clock, out)
        run, book, weeks = ground.run, ground.book, ground.weeks
        deals = deals_of(offers) if levered else None
        contacts = programmes_of(programmes, tables, out) if levered else None
        rare = rare_of(laws, events) if special else None
        occasions = occasions_of(people, offers) if occasional else None
        for w in range(world_key.shape[0]):
            for c in range(people.key.shape[0]):
                if run.valued:
                    out.value[w, c] = 0.0
                    out.orders[w, c] = 0
                    out.revenue[w, c] = 0
                cell = people.cell[c]  # newcomers are there by number: a better conversion only adds some
                if not paths.is_there(arrivals, w, cell, people.ordinal[c]):
                    continue
                path = paths.path_of(ground, people, arrivals, world_key, world_draw[w], w, c)
                books.acquire(run, book, path, books.place_of(run, path, path.start))
                listing = contacts_room.not_listed()
                if contacts is not None:
                    listing = contacts_room.enlist(contacts, run, path)
                    if listing.listed and not run.renewing:  # nobody sees who has left
                        contacts_room.post_contacts(contacts, run, book, rare, path, listing.leaves, path.end)
                if run.valued and ground.rates.p_alive[path.law] > 0.0:  # else a contract that is known to have ended
                    out.value[w, c] -= payback.cost_at_start(weeks, path)
                if deals is not None:
                    offers_room.forget(deals)
                    if occasions is not None:
                        campaigns.begin(deals, occasions, run, path)
                alive = uniform(path.base, rng.ALIVE, 0) < ground.rates.p_alive[path.law]
                if occasional:
                    life, written = run_lives(ground, deals, contacts, rare, occasions, path, listing, alive)
                    if run.valued:
                        out.value[w, c] += life.purse.total - written
                        out.orders[w, c] = life.now.tick - life.now.skipped
                elif alive:
                    life = begin_life(ground, rare, path, listing, True)
                    life = run_life(ground, deals, contacts, rare, occasions, path, life)
                    day, alive = life.now.t, life.budget.alive
                    books.close(run, book, path, day, alive)
                    if special:
                        if not alive:
                            trace.record(rare, path, TRACE_DEATH, day, 0.0, NO_OFFER)
                        if listing.listed and run.renewing:  # a contract that ended is known to be lost
                            contacts_room.post_contacts(contacts, run, book, rare, path, listing.leaves, day)
                    if run.valued:
                        out.value[w, c] += life.purse.total
                        out.orders[w, c] = life.now.tick - life.now.skipped
                elif special:
                    trace.record(rare, path, TRACE_GONE, path.start, 0.0, NO_OFFER)

    return simulate
