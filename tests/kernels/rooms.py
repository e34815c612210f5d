"""The rooms of the event loop, interpreted and open to tests one function at a time; and moments of lives for them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from twin import contacts, draws, grid, pace, paths, traits
from twin import state as twin_state
from twin.cases import Case

from clvsim.kernels import compiler, state, structs, variates

PACKAGE = "clvsim.kernels."
CLOSE: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-9}
COMPILED = ("variates", "rng", "structs", "state", "compiler")  # tested on their own, or nothing to interpret


@cache
def interpreted(room: str) -> SimpleNamespace:
    """A room's module as plain Python, with arrays where compiled code has pointers; random numbers stay compiled."""
    module = import_module(PACKAGE + room)
    names = dict(vars(module))
    for name, value in names.items():
        names[name] = _plain(value, module.__name__, names)
    return SimpleNamespace(**names)


def _plain(value: Any, here: str, names: dict[str, Any]) -> Any:
    if value is compiler.flat:
        return lambda array: array.reshape(-1)
    if value is variates.mix or value is variates.address:  # a compiled function's integers come back as Python's
        return lambda *words: np.uint64(draws.from_python(value)(*words))
    if value is compiler.njit:
        return lambda *_signature, **_options: lambda function: function
    if isinstance(value, ModuleType) and _is_room(value.__name__):
        return interpreted(value.__name__.removeprefix(PACKAGE))
    source = getattr(value, "py_func", value)
    if not isinstance(source, FunctionType):
        return value
    if source.__module__ == variates.__name__:
        return value if source is value else draws.from_python(value)
    if source.__module__ == here:
        return FunctionType(source.__code__, names, source.__name__, source.__defaults__, source.__closure__)
    if _is_room(source.__module__):
        return getattr(interpreted(source.__module__.removeprefix(PACKAGE)), source.__name__)
    return value


def _is_room(module: str) -> bool:
    return module.startswith(PACKAGE) and module.removeprefix(PACKAGE) not in COMPILED


class Opened:
    """What the loop makes of a call's structs before the first path."""

    def __init__(
        self, case: Case, *, traits: structs.Traits | None = None, traced: bool = True, toggled: int = 0
    ) -> None:
        signature = interpreted("signature")
        self.inputs = case.inputs(traits, traced, toggled)
        people, _, _, laws, keeping, arrivals, tables, offers, programmes, clock, self.out, trace = self.inputs
        self.ground = signature.ground_of(people, laws, keeping, arrivals, tables, clock, self.out)
        self.deals = signature.deals_of(offers)
        self.programmes = signature.programmes_of(programmes, tables, self.out)
        self.rare = signature.rare_of(laws, trace)
        self.occasions = signature.occasions_of(people, offers)

    @property
    def trace(self) -> np.ndarray:
        return self.inputs.trace.rows[: int(self.inputs.trace.used[0])]

    def path(self, w: int, c: int) -> state.Path:
        inputs = self.inputs
        return interpreted("paths").path_of(
            self.ground, inputs.people, inputs.arrivals, inputs.world_key, int(inputs.world_draw[w]), w, c
        )


@dataclass
class Moment:
    """One customer at some day of the life, as the twin and as the kernel see it."""

    case: Case
    opened: Opened
    customer: twin_state.Customer
    twin: twin_state.Life
    path: state.Path
    life: state.Life

    @property
    def run(self) -> state.Run:
        return self.opened.ground.run

    @property
    def weeks(self) -> state.Weeks:
        return self.opened.ground.weeks

    def place(self) -> state.Place:
        return interpreted("books").place_of(self.run, self.path, self.life.now.t)


def customers(case: Case) -> Iterator[twin_state.Customer]:
    for w in range(case.worlds.size):
        for c in range(case.people.key.size):
            customer = paths.customer_of(case, w, c)
            if customer is not None:
                yield customer


def at_start(case: Case, customer: twin_state.Customer) -> twin_state.Life:
    drawn = traits.traits_of(customer.law, case.at_intervals, customer.draws)
    leaves = contacts.opt_out_day(case, customer)
    return twin_state.Life(drawn, customer.start, drawn.limit, leaves, pace=customer.rate)


def some_day(case: Case, customer: twin_state.Customer, r: np.random.Generator) -> twin_state.Life:
    """A life that has come to a random day in a random state; one in four is at its start."""
    life = at_start(case, customer)
    if r.random() < 0.25:
        return life
    orders, skipped = int(r.integers(1, 9)), int(r.integers(0, 4)) * case.at_intervals
    if case.at_intervals:  # on the day of an opportunity, before it
        there = replace(life, ticks=orders + skipped)
        day = grid.day(case, customer, there)
        if day >= customer.end:
            return life
    else:
        day = float(r.uniform(customer.start, customer.end))
    value = float(r.normal(20.0, 30.0))
    return replace(
        life,
        day=day,
        budget=float(life.budget * r.uniform(0.05, 1.0)),
        on_list=day < life.leaves,
        ticks=orders + skipped,
        orders=orders,
        pace=float(r.uniform(0.5, 1.5)),
        owed=float(r.choice([0.0, r.uniform(0.0, 60.0)])),
        declined={offer: int(r.integers(0, 4)) for offer in range(case.offers.key.size)},
        damping={offer: float(r.choice([0.0, -0.2])) for offer in range(case.offers.key.size)},
        value=value,
        own=value * 1.01,
        repaid=bool(case.newcomers and r.random() < 0.3),
    )


def kernel_life(opened: Opened, path: state.Path, case: Case, customer: twin_state.Customer, life: twin_state.Life):
    """The kernel's view of a life; traits that are drawn when needed are not there yet."""
    component = traits.component_of(case.laws, customer.column, customer.draws)
    listed = contacts.is_listed(case, customer)
    skipped = life.ticks - life.orders
    heals = 7.0 * (pace.week_of(life.day) + 1) if any(life.damping.values()) else math.inf
    memory = np.zeros((structs.MEMORIES, case.offers.key.size))
    for offer, times in life.declined.items():
        memory[:3, offer] = times, life.damping.get(offer, 0.0), math.inf
    opened.deals.memory[...] = memory.reshape(-1)
    table = interpreted("pace").row_of(opened.ground.run, path.w, pace.table_of(case, customer, life))
    return state.Life(
        state.Moment(life.day, -1.0, life.day, life.ticks, skipped, life.paused),
        state.Own(
            np.uint64(customer.column * case.laws.stages_done.size + component),
            float(case.laws.regularity[0] - case.laws.stages_done[component]),
            1.0 if case.at_intervals else life.traits.rate,
            life.traits.mu,
            -1.0,
            -1.0,
            -1.0,
        ),
        state.Budget(life.traits.limit - life.budget, life.traits.limit, not life.lost),
        state.Terms(life.pace, life.speed / life.pace, heals, life.owed, life.size),
        state.Purse(life.value, life.own, math.inf if life.repaid else -math.inf),
        state.Listing(listed, life.leaves, life.leaves if life.on_list else math.inf),
        table,
    )


def moments(
    case: Case,
    seed: int = 0,
    choose: Callable[[Case, twin_state.Customer, np.random.Generator], twin_state.Life] = some_day,
    **options: Any,
) -> Iterator[Moment]:
    """One of each customer; ledgers and trace of all of them are the same."""
    r = np.random.default_rng([seed, 2])
    opened = Opened(case, **options)
    for customer in customers(case):
        life = choose(case, customer, r)
        path = opened.path(customer.w, customer.c)
        yield Moment(case, opened, customer, life, path, kernel_life(opened, path, case, customer, life))


def agree(moment: Moment, life: state.Life) -> None:
    """State of a life after a room answered, in the kernel and in the twin."""
    twin = moment.twin
    np.testing.assert_allclose(life.now.t, twin.day, **CLOSE)
    assert (life.now.tick, life.now.tick - life.now.skipped) == (twin.ticks, twin.orders)
    np.testing.assert_allclose(life.budget.limit - life.budget.spent, twin.budget, **CLOSE)
    assert life.budget.alive == (not twin.lost)
    speed = life.terms.pace * life.terms.damping
    np.testing.assert_allclose((life.terms.pace, speed, life.terms.owed), (twin.pace, twin.speed, twin.owed), **CLOSE)
    declined, damping, *_ = moment.opened.deals.memory.reshape(structs.MEMORIES, -1)
    np.testing.assert_array_equal(declined, [twin.declined.get(o, 0) for o in range(declined.size)])
    np.testing.assert_allclose(damping, [twin.damping.get(o, 0.0) for o in range(damping.size)], **CLOSE)
    np.testing.assert_allclose(life.purse.total, twin.value, **CLOSE)
    if moment.case.newcomers and not twin.repaid:
        np.testing.assert_allclose(life.purse.own, twin.own, **CLOSE)
    assert (life.purse.best >= moment.customer.cac) == twin.repaid
