"""The event loop: of all clocks of a life the soonest strikes, one room answers, until the path is over.

What follows an order, in this order (`orders`): its amount, less what earlier offers displaced; posts; offers; the
contribution, with which a newcomer may have repaid; the hazard of the order at the rate at which it came.
"""

from dataclasses import dataclass

from clvsim.kernels import attrition, books, clocks, contacts, grid, orders, paths, rng, trace, traits
from clvsim.kernels.compiler import njit
from clvsim.kernels.signature import SIGNATURE, ground_of
from clvsim.kernels.state import Life, Purse, Terms, Budget
from clvsim.kernels.structs import TRACE_DEATH
from clvsim.kernels.variates import inline, uniform


@dataclass(frozen=True)
class Mechanisms:
    """What a compiled loop knows. Without a mechanism it has no trace of it; with one it may still be idle."""

    arriving: bool = False  # newcomers, and with them ledgers by own age; else today's customers
    levered: bool = False  # offers, contacts, margins that vary
    special: bool = False  # mixtures, opportunities, lognormal amounts, traces


@inline
def began(ground, path, listing, row):
    """A living customer on the first day."""
    heads = books.units(1.0, path.head_unit)
    books.activate(ground.run, ground.book, path, path.start, heads)
    books.activate_age(ground.book.age, ground.run, path, path.start, heads)
    return Life(
        clocks.begin(path),
        traits.of_living(ground, path),
        Budget(0.0, -1.0, True),
        Terms(1.0, 0.0, 0),
        Purse(0.0, 0.0, False),
        listing,
        row,
    )


@inline
def next_event(ground, path, life, arriving):
    """(kind, life at its day), after the hazard of the time until then."""
    if arriving and life.now.tick == 0:  # a newcomer begins with an order
        return clocks.ORDER, life
    now = clocks.with_order(ground, path, life, arriving)
    life = Life(now, life.own, life.budget, life.terms, life.purse, life.listing, life.row)
    kind, day = clocks.soonest(ground, path, life)
    budget, day = attrition.over_step(ground, path, life, day)
    return kind, Life(clocks.at(now, day), life.own, budget, life.terms, life.purse, life.listing, life.row)


@inline
def lived(ground, path, life, arriving):
    """The life until its end or that of its window."""
    while True:
        kind, life = next_event(ground, path, life, arriving)
        if kind == clocks.END or not life.budget.alive:
            return life
        if kind == clocks.OPT_OUT:
            now, listing, row = contacts.at_opt_out(ground.contacts, ground, path, life)
            life = Life(now, life.own, life.budget, life.terms, life.purse, listing, row)
            continue
        first = arriving and life.now.tick == 0
        place = books.place_of(ground.run, ground.book, path, life.now.t)
        if traits.at_intervals(ground.grid) and not first:
            fate, own, budget = grid.at_opportunity(ground.grid, ground, path, life, place.week, arriving)
            now = clocks.passed_over(life.now) if fate == grid.SKIPPED else life.now
            life = Life(now, own, budget, life.terms, life.purse, life.listing, life.row)
            if fate == grid.LOST:
                return life
            if fate == grid.SKIPPED:
                continue
        life = orders.at_order(ground, path, place, life, first)
        if not life.budget.alive:
            return life


def build(on: Mechanisms):
    """The loop with these mechanisms, cached by itself."""
    arriving, levered, special = on.arriving, on.levered, on.special

    @njit(SIGNATURE, cache=True, nogil=True, error_model="numpy", _nrt=False)
    def simulate(people, world_key, world_draw, laws, kept, arrivals, tables, offers, programmes, clock, out, events):
        ground = ground_of(
            people, laws, kept, tables, clock, out, out.age if arriving else None, offers if levered else None,
            programmes if levered else None, events if special else None,
        )  # fmt: skip
        for w in range(world_key.shape[0]):
            for c in range(people.key.shape[0]):
                if ground.run.valued:
                    out.value[w, c] = 0.0
                    out.orders[w, c] = 0
                if not paths.exists(people, arrivals, w, c):
                    continue
                path = paths.path_of(ground, people, arrivals, world_key, world_draw[w], w, c)
                start = books.place_of(ground.run, ground.book, path, path.start)
                books.acquire(ground.book.age, ground.run, ground.book, path, start)
                listing, row = contacts.enlisted(ground.contacts, ground, path)
                if listing.listed and not ground.run.renewing:  # nobody sees who has left
                    contacts.write_until(ground.contacts, ground, path, listing.leaves, path.end)
                if uniform(path.base, rng.ALIVE, 0) >= ground.rates.p_alive[path.law]:
                    continue
                life = began(ground, path, listing, row)
                life = lived(ground, path, life, arriving)
                day = path.end if life.budget.alive else life.now.t
                if not life.budget.alive:
                    trace.record(ground.trace, path, TRACE_DEATH, day, 0.0)
                books.close(ground.run, ground.book, path, day, life.budget.alive)
                if special and listing.listed and ground.run.renewing:  # a contract that ended is known to be lost
                    contacts.write_until(ground.contacts, ground, path, listing.leaves, day)
                if ground.run.valued:
                    out.value[w, c] += life.purse.total
                    out.orders[w, c] = life.now.tick - life.now.skipped

    return simulate
