"""Which compiled loop a call runs through, and arrivals."""

from dataclasses import replace
from functools import cache
from threading import Lock

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.compiler import njit, types
from clvsim.kernels.life import Mechanisms, build
from clvsim.kernels.structs import (
    LEVERED,
    MARGINS,
    OCCASIONAL,
    Arrivals,
    Clock,
    Contacts,
    Laws,
    Ledgers,
    Offers,
    People,
    Tables,
    Trace,
    Traits,
)
from clvsim.kernels.variates import exponential, mix

_BUILDING = Lock()
_BUILT: set[Mechanisms] = set()
_build = cache(build)


def loop_of(on: Mechanisms):
    """The compiled loop with these mechanisms; compiled once, whichever thread asks first."""
    with _BUILDING:
        loop = _build(on)
        _BUILT.add(on)
        return loop


def at_hand(on: Mechanisms) -> Mechanisms:
    """Those of a loop that is there already and knows more, which costs less than another to compile."""
    more = replace(on, levered=True)
    return more if more in _BUILT else on


def mechanisms_of(laws: Laws, offers: Offers, contacts: Contacts, clock: Clock, trace: Trace) -> Mechanisms:
    """The least of the few loops that know all that a call needs.

    What is rare is compiled together, with levers, and occasions with all of it: more loops would cost more to compile
    than they save. So of loops that know what is rare, a run has one.
    """
    flags = int(clock.flags[0])
    at_a_rate = laws.interval_days[0] == 0.0 and laws.stages_done.size == 1 and laws.order_sd.size == 0
    occasional = bool(offers.occasion.any())
    special = occasional or not at_a_rate or trace.rows.size > 0 or laws.paid_b.size > 0 or laws.product_upto.size > 0
    occasional = occasional or (special and bool(flags & OCCASIONAL))
    levered = bool(flags & (MARGINS | LEVERED)) or offers.key.size > 0 or bool(contacts.exposed.any())
    return Mechanisms(levered or special, special, occasional)


def simulate(
    people: People,
    world_key: np.ndarray,
    world_draw: np.ndarray,
    laws: Laws,
    traits: Traits,
    arrivals: Arrivals,
    tables: Tables,
    offers: Offers,
    contacts: Contacts,
    clock: Clock,
    out: Ledgers,
    trace: Trace,
) -> None:
    """Simulate a block of customers in a slice of worlds under one scenario, adding to `out`.

    `world_key` (w,) uint64, `world_draw` (w,) int64 rows of `laws`. Not modelled: anything that couples customers.
    """
    loop = loop_of(at_hand(mechanisms_of(laws, offers, contacts, clock, trace)))
    loop(people, world_key, world_draw, laws, traits, arrivals, tables, offers, contacts, clock, out, trace)


@njit(types.int64(types.uint64, types.uint64, types.float64), cache=True, nogil=True)
def count_arrivals(cell_key, world_key, expected):
    """How many unit-exponential steps fit into `expected`: ordinals are added, never exchanged, as it grows."""
    base = mix(cell_key ^ world_key)
    total = 0.0
    n = 0
    while True:
        total += exponential(base, rng.ARRIVAL_GAP, n)
        if total > expected:
            return n
        n += 1
