"""Random inputs for the event loop and its twin: small, with every mechanism that is asked for."""

from typing import Literal

import numpy as np
from twin import MONTH, Case

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import scalar, seal

Law = Literal["order", "time", "both"]
Opportunities = Literal["", "chance", "sure", "some sure"]


def random_case(
    seed: int,
    *,
    newcomers: bool = False,
    law: Law = "order",
    tables: bool = False,
    offers: int = 0,
    contacts: int = 0,
    by_order: bool = False,
    birth_charges: int = 0,
    regularity: int = 1,
    components: int = 1,
    opportunities: Opportunities = "",
    customers: int = 24,
    worlds: int = 3,
    months: int = 18,
    lognormal: bool = False,
) -> Case:
    """Customers order about every six weeks, so that most have several orders in 18 months, and some leave."""
    r = np.random.default_rng(seed)
    groups, arriving = 2, 3
    periods = months + arriving * newcomers
    weeks = int(np.ceil(periods * MONTH / 7)) + 1
    columns = 1 if newcomers else customers

    def spread(low: float, high: float, columns: int = columns) -> np.ndarray:
        return r.uniform(low, high, (1, columns))

    beside = columns * components  # components of a mixture stand side by side
    buy_a, buy_b = np.zeros((0, 0)), np.zeros((0, 0))
    if opportunities in ("chance", "some sure"):
        buy_a, buy_b = spread(0.5, 4.0, beside), spread(0.5, 4.0, beside)
    if opportunities == "some sure":
        buy_a *= r.random((1, beside)) < 0.5
    first = r.random(columns)
    first[0] = 0.0  # due today
    interval = float(r.choice([7.0, 30.4375, r.uniform(5.0, 50.0)])) if opportunities else 0.0
    by_time, per_order = law in ("time", "both"), law in ("order", "both")
    laws = ks.Laws(
        p_alive=seal(np.ones((1, columns)) if newcomers else spread(0.4, 1.0)),
        weight=random_weights(r, columns, components),
        rate_shape=seal(spread(0.3, 4.0, beside)),
        rate_rate=seal(spread(30.0, 90.0, beside) / regularity),
        mu_shape=seal(spread(0.4, 2.0, beside) * by_time),
        mu_rate=seal(spread(200.0, 600.0, beside)),
        drop_a=seal(spread(0.3, 1.0, beside) * per_order),
        drop_b=seal(spread(2.0, 8.0, beside)),
        buy_a=seal(buy_a),
        buy_b=seal(buy_b),
        order_shape=seal(spread(0.8, 6.0)),
        nu_shape=seal(spread(2.0, 9.0)),
        nu_rate=seal(spread(5.0, 40.0)),
        **random_levels(seed, columns if lognormal else 0, slope=not opportunities),
        first_factor=seal(spread(0.6, 1.4) if newcomers else np.ones((1, columns))),
        stages_done=seal(r.integers(0, regularity, components) if regularity > 1 else np.zeros(components)),
        regularity=scalar(regularity),
        interval_days=scalar(interval),
        first_days=seal(np.full(columns, interval) if newcomers else first * interval),
        tenure=seal(np.zeros(columns) if newcomers else r.integers(0, 12, columns)),
        tenure_exponent=seal(r.uniform(0.6, 1.3, (1, 1)) if opportunities else np.ones((1, 1))),
        birth_charges=scalar(birth_charges, np.int64),
    )
    group = r.integers(0, groups, customers)
    cell = np.arange(customers) % arriving if newcomers else np.full(customers, -1)
    people = ks.People(
        key=seal(rng.text_keys([f"{seed} {i}" for i in range(customers)]), np.uint64),
        group=seal(group, np.int64),
        column=seal(np.zeros(customers) if newcomers else np.arange(customers), np.int64),
        cell=seal(cell, np.int64),
        ordinal=seal(np.arange(customers) // arriving, np.int64),
        orders_before=seal(np.zeros(customers) if newcomers else r.integers(1, 70, customers), np.int64),
        cohort=seal(group * 2 + r.integers(0, 2, customers), np.int64),
        born=seal(cell * MONTH if newcomers else np.zeros(customers)),
        spread=seal(np.full(customers, MONTH) if newcomers else np.zeros(customers)),
    )
    joins = int(arriving * MONTH / 7) + 1 if newcomers and contacts else 1
    count = groups * joins * (2 if contacts else 1)

    def weekly(sd: float, rows: int = count) -> np.ndarray:
        """Multipliers by week; some weeks are exactly 1, as most are in practice."""
        values = np.exp(sd * r.standard_normal((worlds, rows, weeks)))
        return np.where(r.random((worlds, rows, weeks)) < 0.3, 1.0, values) if tables else np.ones_like(values)

    programme = r.uniform(0.0, 2.0, (contacts, groups, weeks)) * (r.random((contacts, 1, weeks)) < 0.8)
    exposed = np.array([contacts > 0, contacts > 1])  # a single programme reaches the first group only
    programme *= exposed[:, None]
    listed = np.zeros((worlds, count, weeks))
    if contacts:
        for g in np.flatnonzero(exposed):
            listed[:, g * joins : (g + 1) * joins] = programme.sum(axis=0)[g]
    return Case(
        people=people,
        worlds=rng.world_keys(seed, np.arange(worlds), 0),
        laws=laws,
        newcomers=newcomers,
        months=months,
        periods=periods,
        rate=weekly(0.7) * np.exp(0.2 * np.tanh(listed) * bool(contacts)),
        hazard=weekly(0.7),
        charge=weekly(0.4),
        budget=0.01 * listed,
        opt_out=0.02 * listed,
        spend=weekly(0.3, groups),
        margin=np.clip(0.4 * weekly(0.2, groups), 0, 1),
        first_table=np.arange(groups) * joins,
        own_clock=np.full(groups, int(joins > 1)),
        arrivals=random_arrivals(r, worlds, arriving) if newcomers else no_arrivals(),
        offers=random_offers(r, worlds, offers, groups, weeks),
        exposed=exposed,
        contacts=programme,
        contact_price=r.uniform(0.01, 0.2, contacts),
        by_order=by_order,
    )


def random_weights(r: np.random.Generator, columns: int, components: int) -> np.ndarray:
    """Probabilities of components, by customer; about a third of them are exactly 0. Empty without a mixture."""
    if components == 1:
        return seal(np.zeros((0, 0)))
    weight = r.random((1, columns, components)) * (r.random((1, columns, components)) < 0.7)
    weight[..., -1] += 1e-3
    return seal((weight / weight.sum(axis=-1, keepdims=True)).reshape(1, -1))


def random_levels(seed: int, columns: int, slope: bool) -> dict[str, np.ndarray]:
    """Lognormal amounts; without columns none. With numbers of its own: the rest of a case does not depend on it."""
    r = np.random.default_rng([seed, 1])
    low_high = {"level_mean": (2.0, 4.0), "level_sd": (0.0, 0.8), "level_slope": (-0.3, 0.3), "order_sd": (0.1, 0.9)}
    made = {name: r.uniform(*ends, (1 if columns else 0, columns)) for name, ends in low_high.items()}
    return {name: seal(values * (slope or name != "level_slope")) for name, values in made.items()}


def no_arrivals() -> ks.Arrivals:
    empty = np.zeros((0, 0))
    return ks.Arrivals(seal(empty, np.int64), seal(empty), seal(empty))


def random_arrivals(r: np.random.Generator, worlds: int, cells: int) -> ks.Arrivals:
    shape = (worlds, cells)
    return ks.Arrivals(
        seal(r.integers(3, 9, shape), np.int64),
        seal(np.where(r.random(shape) < 0.5, 1.0, r.uniform(1, 3, shape))),
        seal(r.uniform(0, 60, shape)),
    )


def random_offers(r: np.random.Generator, worlds: int, offers: int, groups: int, weeks: int) -> ks.Offers:
    shape = (worlds, offers)
    on_order = r.random((offers, 64)) < 0.7
    on_order[:1] = True  # the first offer is shown at every order
    return ks.Offers(
        key=seal(rng.text_keys([f"offer {o}" for o in range(offers)]), np.uint64),
        on_order=seal(on_order, np.bool_),
        active=seal(r.random((offers, groups, weeks)) < 0.8, np.bool_),
        take=seal(r.uniform(0.2, 0.7, shape)),
        price=seal(r.uniform(5, 60, shape)),
        cost=seal(r.uniform(1, 20, shape)),
        refund=seal(r.uniform(0, 0.5, shape)),
        cannibalised=seal(r.uniform(0, 1, shape)),
        patience=seal(r.integers(0, 3, shape).astype(float)),
        decline_hazard=seal(r.uniform(0, 0.1, shape)),
        decline_rate=seal(r.uniform(0.7, 1.0, shape)),
        accept_rate=seal(r.uniform(0.9, 1.3, shape)),
    )
