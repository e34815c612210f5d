"""Inputs of the event loop and its twin: in plain form, and at random with every mechanism that is asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from clvsim.kernels.simulate import simulate as compiled
from clvsim.kernels.structs import scalar, seal

MONTH = 365.25 / 12  # days
GROUPS, ARRIVAL_CELLS = 2, 3


class Inputs(NamedTuple):
    """Arguments of the kernel, in its order."""

    people: ks.People
    world_key: np.ndarray
    world_draw: np.ndarray
    laws: ks.Laws
    traits: ks.Traits
    arrivals: ks.Arrivals
    tables: ks.Tables
    offers: ks.Offers
    contacts: ks.Contacts
    clock: ks.Clock
    out: ks.Ledgers
    trace: ks.Trace


@dataclass
class Case:
    """All inputs of the kernel in plain form. Weekly tables have shape (w, tables, weeks), programmes (p, g, weeks)."""

    people: ks.People
    worlds: np.ndarray  # uint64 (w,)
    laws: ks.Laws
    newcomers: bool
    months: int  # of own life
    periods: int
    rate: np.ndarray
    hazard: np.ndarray
    charge: np.ndarray
    budget: np.ndarray
    opt_out: np.ndarray
    spend: np.ndarray
    margin: np.ndarray
    first_table: np.ndarray
    own_clock: np.ndarray
    arrivals: ks.Arrivals
    offers: ks.Offers
    dues: np.ndarray  # (w, groups, 3) of the plan: per customer, per order, share of revenue
    exposed: np.ndarray
    contacts: np.ndarray  # per week
    contact_price: np.ndarray  # (p,)
    annual_rate: float = 0.1
    cost_per_order: float = 1.5
    money_scale: float = 32.0
    by_order: bool = False

    @property
    def weeks(self) -> int:
        return self.rate.shape[2]

    @property
    def lines(self) -> int:
        capped = int(self.offers.cap[0] > 0)
        return ks.BASE_LINES + ks.OFFER_LINES * self.offers.key.size + capped + self.contacts.shape[0]

    @property
    def arrival_weeks(self) -> int:
        return int((self.people.born + self.people.spread).max() / 7) + 1 if self.newcomers else 1

    @property
    def pauses(self) -> bool:
        return self.laws.pause.size > 0

    @property
    def at_intervals(self) -> bool:
        """Whether orders come at opportunities only."""
        return bool(self.laws.interval_days[0] > 0)

    @property
    def renews(self) -> bool:
        """Contracts, which are seen to end."""
        return self.at_intervals and not self.laws.buy_a.any()

    def week_discount(self) -> np.ndarray:
        return (1 + self.annual_rate) ** (-7 * (np.arange(self.weeks) + 0.5) / 365.25)

    def contact_struct(self) -> ks.Contacts:
        cost = np.tensordot(self.contact_price, self.contacts, 1)
        return ks.Contacts(
            seal(self.exposed, np.bool_),
            seal(cumulative(self.contacts)),
            seal(cumulative(self.contacts * self.week_discount())),
            seal(cumulative(cost * self.week_discount())),
        )

    def empty_ledgers(self) -> ks.Ledgers:
        w, c, g = self.worlds.size, self.people.key.size, self.exposed.size
        cohorts = int(self.people.cohort.max()) + 1
        return ks.Ledgers(
            calendar=np.zeros((w, 2 * g, self.lines, 2, self.periods), np.int64),
            age=np.zeros((w, 2 * g, self.lines, 2, 1 + self.months), np.int64),
            cohort=np.zeros((w, cohorts, ks.COHORT_LINES, self.periods), np.int64),
            exposure=np.zeros((w, 2 * cohorts, self.weeks + 1), np.int64),
            age_exit=np.zeros((w, 2 * g, self.arrival_weeks, 2, 1 + self.months), np.int64),
            value=np.zeros((w, c)),
            orders=np.zeros((w, c), np.int64),
            revenue=np.zeros((w, c), np.int64),
        )

    def tables(self) -> ks.Tables:
        return ks.Tables(
            first=seal(self.first_table, np.int64),
            per_arrival_week=seal(self.own_clock, np.int64),
            rate=seal(self.rate),
            rate_excess=seal(cumulative(7 * (self.rate - 1))),
            hazard=seal(self.hazard),
            hazard_excess=seal(cumulative(7 * (self.hazard - 1))),
            budget=seal(cumulative(self.budget)),
            charge=seal(self.charge),
            opt_out=seal(cumulative(self.opt_out)),
            spend=seal(self.spend),
            margin=seal(self.margin),
            dues=seal(self.dues),
        )

    def flags(self, traced: bool) -> int:
        return (
            ks.NEWCOMERS * self.newcomers
            + ks.TABLES * bool((self.rate != 1).any())
            + ks.MARGINS * traced
            + ks.RENEWING * self.renews
            + ks.STEADY * bool((self.hazard == 1).all() and not self.budget.any())
        )

    def clock(self, flags: int) -> ks.Clock:
        return ks.Clock(
            length_days=scalar(self.months * MONTH),
            stop_days=scalar(self.periods * MONTH),
            discount_per_day=scalar(math.log1p(self.annual_rate) / 365.25),
            period_days=scalar(MONTH),
            cost_per_order=scalar(self.cost_per_order),
            money_unit=scalar(ks.COUNT_UNIT / self.money_scale),
            attrition_by_order=scalar(float(self.by_order)),
            flags=scalar(flags, np.int64),
        )

    def inputs(self, traits: ks.Traits | None = None, traced: bool = True, toggled: int = 0) -> Inputs:
        """For one call of the kernel. Flags in `toggled` are the opposite of what they should be."""
        w, c = self.worlds.size, self.people.key.size
        return Inputs(
            self.people,
            seal(self.worlds, np.uint64),
            seal(np.zeros(w), np.int64),
            self.laws,
            traits or ks.empty_traits(w, c),
            self.arrivals,
            self.tables(),
            self.offers,
            self.contact_struct(),
            self.clock(self.flags(traced) ^ toggled),
            self.empty_ledgers(),
            ks.Trace.empty(200_000 * traced),
        )

    def run(
        self,
        kernel: Callable[..., None] = compiled,
        traits: ks.Traits | None = None,
        traced: bool = True,
        toggled: int = 0,
    ) -> tuple[ks.Ledgers, np.ndarray, ks.Traits]:
        """Ledgers, trace and traits of the kernel; without a trace, goods are not posted either."""
        inputs = self.inputs(traits, traced, toggled)
        kernel(*inputs)
        used = int(inputs.trace.used[0])
        assert used < inputs.trace.rows.shape[0] or not traced
        return inputs.out, inputs.trace.rows[:used], inputs.traits


def cumulative(weekly: np.ndarray) -> np.ndarray:
    """Sums up to the start of each week, one entry more."""
    return np.concatenate([np.zeros((*weekly.shape[:-1], 1)), np.cumsum(weekly, axis=-1)], axis=-1)


# --- at random --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """What a random case is asked for."""

    newcomers: bool = False
    law: Literal["order", "time", "both"] = "order"
    tables: bool = False
    offers: int = 0
    contacts: int = 0
    by_order: bool = False
    birth_charges: int = 0
    regularity: int = 1
    components: int = 1
    opportunities: Literal["", "chance", "sure", "some sure"] = ""
    customers: int = 24
    worlds: int = 3
    months: int = 18
    lognormal: bool = False
    products: int = 0
    campaigns: bool = False  # offers but for the first are on other days than those of orders
    memberships: int = 0  # so many of the last offers
    win_backs: int = 0  # so many after the first offer
    next_products: int = 0  # so many after these
    lost: int = 0  # so many of the components are of customers who have left
    cap: int = 0  # messages of a customer in some weeks
    free: Literal["", "some", "first"] = ""

    @property
    def growth(self) -> float:
        """Of rates by what is taken: lives that have more occasions, or never end for good, would explode."""
        if self.win_backs or self.next_products:
            return 0.05
        return 0.3 if self.campaigns else 1.0

    @property
    def columns(self) -> int:
        return 1 if self.newcomers else self.customers

    @property
    def entries(self) -> int:
        """Components of a mixture stand side by side."""
        return self.columns * self.components

    @property
    def periods(self) -> int:
        return self.months + ARRIVAL_CELLS * self.newcomers

    @property
    def weeks(self) -> int:
        return int(np.ceil(self.periods * MONTH / 7)) + 1

    @property
    def tables_by_group(self) -> int:
        """One, or with contacts one for each arrival week."""
        return int(ARRIVAL_CELLS * MONTH / 7) + 1 if self.newcomers and self.contacts else 1

    @property
    def tables_by_world(self) -> int:
        return GROUPS * self.tables_by_group * (2 if self.contacts else 1)


def random_case(seed: int, **kind: Any) -> Case:
    """The fields of `Kind`. Most customers have several orders in 18 months, about every six weeks, and some leave.

    The same arguments give the same numbers, whatever else there is to ask for: random numbers are drawn in a fixed
    order.
    """
    asked = Kind(**kind)
    r = np.random.default_rng(seed)
    laws = random_laws(r, asked, random_levels(seed, asked) | random_shares(seed, asked) | random_products(seed, asked))
    people = random_people(r, seed, asked)
    exposed = np.array([asked.contacts > 0, asked.contacts > 1])  # a single programme reaches the first group only
    programme = random_programme(r, asked) * exposed[:, None]
    listed = contacts_by_table(programme, exposed, asked)
    weekly = partial(random_weeks, r, asked)
    return Case(
        people=people,
        worlds=rng.world_keys(seed, np.arange(asked.worlds), 0),
        laws=laws,
        newcomers=asked.newcomers,
        months=asked.months,
        periods=asked.periods,
        rate=weekly(0.7, asked.tables_by_world) * np.exp(0.2 * np.tanh(listed) * bool(asked.contacts)),
        hazard=weekly(0.7, asked.tables_by_world),
        charge=weekly(0.4, asked.tables_by_world),
        budget=0.01 * listed,
        opt_out=0.02 * listed,
        spend=weekly(0.3, GROUPS),
        margin=np.clip(0.4 * weekly(0.2, GROUPS), 0, 1),
        first_table=np.arange(GROUPS) * asked.tables_by_group,
        own_clock=np.full(GROUPS, int(asked.tables_by_group > 1)),
        arrivals=random_arrivals(r, seed, asked.worlds) if asked.newcomers else no_arrivals(),
        offers=random_offers(r, seed, asked),
        dues=random_dues(seed, asked),
        exposed=exposed,
        contacts=programme,
        contact_price=r.uniform(0.01, 0.2, asked.contacts),
        by_order=asked.by_order,
    )


def random_laws(r: np.random.Generator, asked: Kind, levels: dict[str, np.ndarray]) -> ks.Laws:
    by_time, by_order = asked.law in ("time", "both"), asked.law in ("order", "both")

    def spread(low: float, high: float, entries: int = asked.columns) -> np.ndarray:
        return r.uniform(low, high, (1, entries))

    buy_a, buy_b, interval, first_days = random_opportunities(r, asked)
    return ks.Laws(
        p_alive=seal(np.ones((1, asked.columns)) if asked.newcomers else spread(0.4, 1.0)),
        weight=random_weights(r, asked),
        living=scalar(asked.components - asked.lost, np.int64),
        rate_shape=seal(spread(0.3, 4.0, asked.entries)),
        rate_rate=seal(spread(30.0, 90.0, asked.entries) / asked.regularity),
        mu_shape=seal(spread(0.4, 2.0, asked.entries) * by_time),
        mu_rate=seal(spread(200.0, 600.0, asked.entries)),
        drop_a=seal(spread(0.3, 1.0, asked.entries) * by_order),
        drop_b=seal(spread(2.0, 8.0, asked.entries)),
        buy_a=seal(buy_a),
        buy_b=seal(buy_b),
        order_shape=seal(spread(0.8, 6.0)),
        nu_shape=seal(spread(2.0, 9.0)),
        nu_rate=seal(spread(5.0, 40.0)),
        **levels,
        first_factor=seal(spread(0.6, 1.4) if asked.newcomers else np.ones((1, asked.columns))),
        stages_done=seal(
            r.integers(0, asked.regularity, asked.components) if asked.regularity > 1 else np.zeros(asked.components)
        ),
        regularity=scalar(asked.regularity),
        interval_days=scalar(interval),
        first_days=seal(first_days),
        tenure=seal(np.zeros(asked.columns) if asked.newcomers else r.integers(0, 12, asked.columns)),
        tenure_exponent=seal(r.uniform(0.6, 1.3, (1, 1)) if asked.opportunities else np.ones((1, 1))),
        pause=seal(np.zeros((0, 0))),
        resume=seal(np.zeros((0, 0))),
        paused=seal(np.zeros(asked.columns)),
        late_days=seal(np.zeros(asked.columns)),
        due=seal(np.zeros((0, 0))),
        due_steps=seal(np.array([1.0, 0.0])),
        birth_charges=scalar(asked.birth_charges, np.int64),
    )


def random_opportunities(r: np.random.Generator, asked: Kind) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
    """Laws of the purchase probability, (0, 0) where none is; the interval, 0 where orders come at a rate; first days.

    One customer's first opportunity is due today.
    """
    buy_a, buy_b = np.zeros((0, 0)), np.zeros((0, 0))
    if asked.opportunities in ("chance", "some sure"):
        buy_a, buy_b = (r.uniform(0.5, 4.0, (1, asked.entries)) for _ in range(2))
    if asked.opportunities == "some sure":
        buy_a *= r.random((1, asked.entries)) < 0.5
    first = r.random(asked.columns)
    first[0] = 0.0
    interval = float(r.choice([7.0, 30.4375, r.uniform(5.0, 50.0)])) if asked.opportunities else 0.0
    return buy_a, buy_b, interval, np.full(asked.columns, interval) if asked.newcomers else first * interval


def random_weights(r: np.random.Generator, asked: Kind) -> np.ndarray:
    """Probabilities of components, by customer; about a third of them are exactly 0. Empty without a mixture."""
    if asked.components == 1:
        return seal(np.zeros((0, 0)))
    shape = (1, asked.columns, asked.components)
    weight = r.random(shape) * (r.random(shape) < 0.7)
    weight[..., -1] += 1e-3
    weight[..., -1 - asked.lost] += 1e-3
    living, lost = np.split(weight, [asked.components - asked.lost], axis=-1)
    parts = [part / part.sum(axis=-1, keepdims=True) for part in (living, lost) if part.size]
    return seal(np.concatenate(parts, axis=-1).reshape(1, -1))


def random_levels(seed: int, asked: Kind) -> dict[str, np.ndarray]:
    """Lognormal amounts; without columns none. With numbers of its own: the rest of a case does not depend on it."""
    r = np.random.default_rng([seed, 1])
    columns = asked.columns if asked.lognormal else 0
    low_high = {"level_mean": (2.0, 4.0), "level_sd": (0.0, 0.8), "level_slope": (-0.3, 0.3), "order_sd": (0.1, 0.9)}
    levels = {name: r.uniform(*ends, (1 if columns else 0, columns)) for name, ends in low_high.items()}
    if asked.opportunities:  # there is no rate that amounts could go with
        levels["level_slope"] *= 0
    return {name: seal(values) for name, values in levels.items()}


def random_shares(seed: int, asked: Kind) -> dict[str, np.ndarray]:
    """Laws of the share of orders that are paid; without columns all but a newcomer's first one are."""
    r = np.random.default_rng([seed, 5])
    columns = asked.columns if asked.free == "some" else 0
    low_high = {"paid_a": (0.5, 6.0), "paid_b": (0.3, 4.0)}
    shares = {name: r.uniform(*ends, (1 if columns else 0, columns)) for name, ends in low_high.items()}
    shares["first_paid"] = r.uniform(0.2, 0.9, (1, asked.columns)) if asked.free else np.ones((1, asked.columns))
    return {name: seal(values) for name, values in shares.items()}


def random_products(seed: int, asked: Kind) -> dict[str, np.ndarray]:
    """Prices and cumulative shares of a list; (0, 0) without one. The second product is never sold."""
    r = np.random.default_rng([seed, 7])
    share = r.random((1 if asked.products else 0, asked.products))
    share[:, 1:2] = 0.0
    upto = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True)
    return {"product_price": seal(r.uniform(5.0, 100.0, share.shape)), "product_upto": seal(upto)}


def random_people(r: np.random.Generator, seed: int, asked: Kind) -> ks.People:
    customers, newcomers = asked.customers, asked.newcomers
    number = np.arange(customers)
    group = r.integers(0, GROUPS, customers)
    cell = number % ARRIVAL_CELLS if newcomers else np.full(customers, -1)
    return ks.People(
        key=seal(rng.text_keys([f"{seed} {i}" for i in range(customers)]), np.uint64),
        group=seal(group, np.int64),
        column=seal(np.zeros(customers) if newcomers else number, np.int64),
        cell=seal(cell, np.int64),
        ordinal=seal(number // ARRIVAL_CELLS, np.int64),
        orders_before=seal(np.zeros(customers) if newcomers else r.integers(1, 70, customers), np.int64),
        cohort=seal(group * 2 + r.integers(0, 2, customers), np.int64),
        born=seal(cell * MONTH if newcomers else np.zeros(customers)),
        spread=seal(np.full(customers, MONTH) if newcomers else np.zeros(customers)),
        **random_past(seed, asked),
    )


def random_past(seed: int, asked: Kind) -> dict[str, np.ndarray]:
    """Days of the first and of the last order of existing customers."""
    r = np.random.default_rng([seed, 6])
    first = -r.uniform(0.0, 900.0, asked.customers) * (not asked.newcomers)
    return {"first_order": seal(first), "last_order": seal(first * r.uniform(0.0, 1.0, asked.customers))}


def random_programme(r: np.random.Generator, asked: Kind) -> np.ndarray:
    """Contacts per week, (programmes, groups, weeks)."""
    per_week = r.uniform(0.0, 2.0, (asked.contacts, GROUPS, asked.weeks))
    return per_week * (r.random((asked.contacts, 1, asked.weeks)) < 0.8)


def contacts_by_table(programme: np.ndarray, exposed: np.ndarray, asked: Kind) -> np.ndarray:
    """Contacts of all programmes per week, (worlds, tables, weeks); none in tables of those who have opted out."""
    listed = np.zeros((asked.worlds, asked.tables_by_world, asked.weeks))
    if asked.contacts:
        for g in np.flatnonzero(exposed):
            rows = slice(g * asked.tables_by_group, (g + 1) * asked.tables_by_group)
            listed[:, rows] = programme.sum(axis=0)[g]
    return listed


def random_weeks(r: np.random.Generator, asked: Kind, sd: float, rows: int) -> np.ndarray:
    """Multipliers by week; some weeks are exactly 1, as most are in practice."""
    shape = (asked.worlds, rows, asked.weeks)
    values = np.exp(sd * r.standard_normal(shape))
    return np.where(r.random(shape) < 0.3, 1.0, values) if asked.tables else np.ones_like(values)


def no_arrivals() -> ks.Arrivals:
    empty, none = seal(np.zeros((0, 0))), seal(np.zeros((0, 0)), np.int64)
    return ks.Arrivals(none, none, none, empty, empty, empty, empty, empty)


def random_arrivals(r: np.random.Generator, seed: int, worlds: int) -> ks.Arrivals:
    """Some of those who come are additional customers; one in a few is not simulated."""
    shape, more = (worlds, ARRIVAL_CELLS), np.random.default_rng([seed, 3])
    count = r.integers(3, 9, shape)
    return ks.Arrivals(
        count=seal(count, np.int64),
        start=seal(more.integers(0, 2, shape), np.int64),
        marginal_from=seal(more.integers(1, count + 2), np.int64),
        weight=seal(np.where(r.random(shape) < 0.5, 1.0, r.uniform(1, 3, shape))),
        marginal_weight=seal(more.uniform(1, 3, shape)),
        marginal_rate=seal(more.uniform(0.6, 1.2, shape)),
        marginal_spend=seal(more.uniform(0.6, 1.2, shape)),
        cac=seal(r.uniform(0, 60, shape)),
    )


def random_dues(seed: int, asked: Kind) -> np.ndarray:
    """Of half of the groups the plan costs nothing."""
    r = np.random.default_rng([seed, 4])
    shape = (asked.worlds, GROUPS)
    costs = np.stack([r.uniform(0, 6, shape), r.uniform(0, 2, shape), r.uniform(0, 0.1, shape)], axis=-1)
    return costs * (r.random(shape) < 0.5)[..., None]


def random_offers(r: np.random.Generator, seed: int, asked: Kind) -> ks.Offers:
    shape, more = (asked.worlds, asked.offers), np.random.default_rng([seed, 5])
    on_order = r.random((asked.offers, 64)) < 0.7
    on_order[:1] = True  # the first offer is shown at every order
    active = r.random((asked.offers, GROUPS, asked.weeks)) < 0.8
    campaigns = random_campaigns(seed, asked, on_order, active)
    members = random_memberships(seed, asked, campaigns, on_order, active)
    lives = random_lives(seed, asked, campaigns, on_order, active)
    return ks.Offers(
        key=seal(rng.text_keys([f"offer {o}" for o in range(asked.offers)]), np.uint64),
        on_order=seal(on_order, np.bool_),
        active=seal(active, np.bool_),
        **campaigns,
        **members,
        **lives,
        take=seal(r.uniform(0.2, 0.7, shape)),
        price=seal(r.uniform(5, 60, shape)),
        cost=seal(r.uniform(1, 20, shape)),
        refund=seal(r.uniform(0, 0.5, shape)),
        returned=seal(more.uniform(0, 10, shape)),
        cannibalised=seal(r.uniform(0, 1, shape)),
        patience=seal(r.integers(0, 3, shape).astype(float)),
        decline_hazard=seal(r.uniform(0, 0.1, shape)),
        decline_rate=seal(np.log(r.uniform(0.7, 1.0, shape))),
        healing=seal(more.choice([0.5, 0.9, 1.0], shape)),
        accept_rate=seal(r.uniform(0.9, 1.3, shape) ** asked.growth),
        memory=np.zeros((ks.MEMORIES, asked.offers)),
        **random_cap(seed, asked),
    )


def random_cap(seed: int, asked: Kind) -> dict[str, np.ndarray]:
    """Most messages in a window of 20 to 120 days, and what programmes take of them: in some weeks all."""
    r = np.random.default_rng([seed, 10])
    days = r.uniform(20, 120)
    planned = r.choice([0.0, 0.7, 1.0, asked.cap - 1.0, asked.cap], (GROUPS, asked.weeks)) * bool(asked.contacts)
    return {
        "cap": seal(np.array([asked.cap, days])),
        "planned": seal(planned if asked.cap else np.zeros((0, 0))),
        "sent": np.zeros(1 + asked.cap),
    }


def random_campaigns(seed: int, asked: Kind, on_order: np.ndarray, active: np.ndarray) -> dict[str, np.ndarray]:
    """Occasions and days of offers, in whose tables campaigns are marked in place."""
    r = np.random.default_rng([seed, 7])
    length = asked.periods * MONTH
    occasion = (r.integers(1, 5) + np.arange(asked.offers)) % 4 + 1
    occasion[:1] = ks.AT_ORDERS
    occasion *= asked.campaigns
    begins, ends = r.uniform(0, 0.3 * length, asked.offers), r.uniform(0.6, 1.2, asked.offers) * length
    begins *= r.random(asked.offers) < 0.7
    least, most = r.uniform(20, 90, asked.offers), r.choice([60.0, 400.0, np.inf], asked.offers)
    days = np.stack([begins, ends, least, most], axis=1)
    dates = np.floor(np.sort(r.uniform(0, 1.1 * length, (asked.offers, 4)))) + 0.5
    days = np.where((occasion == ks.ON_DATES)[:, None], dates, days)
    for offer in np.flatnonzero(occasion):
        on_order[offer] = False
        active[offer] = active[offer, :, :1]
    return {
        "occasion": seal(occasion, np.int64),
        "days": seal(days),
        "contact_cost": seal(r.uniform(0, 3, (asked.worlds, asked.offers)) * (occasion > 0)),
    }


def random_memberships(
    seed: int, asked: Kind, campaigns: dict[str, np.ndarray], on_order: np.ndarray, active: np.ndarray
) -> dict[str, np.ndarray]:
    """Terms of memberships, which the last offers are made in place: shown at orders, charged on days of their own."""
    r = np.random.default_rng([seed, 8])
    shape, member = (asked.worlds, asked.offers), np.arange(asked.offers) >= asked.offers - asked.memberships
    for offer in np.flatnonzero(member):
        on_order[offer], active[offer] = r.random(64) < 0.7, r.random((GROUPS, asked.weeks)) < 0.8
    occasion, days = campaigns["occasion"].copy(), campaigns["days"].copy()
    occasion[member] = ks.MEMBERSHIP
    days[member, :2] = np.stack([r.choice([0.0, 14.0, 30.0], member.sum()), r.choice([30.4375, 91.0], member.sum())], 1)
    cost = np.where(member, r.uniform(0, 5, shape), campaigns["contact_cost"])
    campaigns |= {"occasion": seal(occasion, np.int64), "days": seal(days), "contact_cost": seal(cost)}
    terms = {
        "convert": r.uniform(0.3, 1.0, shape),
        "churn_a": r.uniform(0.1, 0.9, shape),
        "churn_b": r.uniform(0.5, 4.0, shape) * (r.random(shape) < 0.6),
        "card_loss": r.uniform(0, 0.1, shape),
        "perk": r.uniform(0, 4, shape),
    }
    return {name: seal(values) for name, values in terms.items()}


def random_lives(
    seed: int, asked: Kind, campaigns: dict[str, np.ndarray], on_order: np.ndarray, active: np.ndarray
) -> dict[str, np.ndarray]:
    """Terms of win-backs and next products, which offers behind the first are made in place."""
    r = np.random.default_rng([seed, 9])
    shape, number = (asked.worlds, asked.offers), np.arange(asked.offers)
    wins, next_ = 1 + asked.win_backs, 1 + asked.win_backs + asked.next_products
    won, moved = (number >= 1) & (number < wins), (number >= wins) & (number < next_)
    occasion, days = campaigns["occasion"].copy(), campaigns["days"]
    within = np.where(won, r.uniform(5, 60, asked.offers), np.inf)
    silence = np.stack([np.zeros(asked.offers), np.full(asked.offers, np.inf), r.uniform(20, 90, asked.offers)], axis=1)
    if won.any():
        days = np.hstack([days, within[:, None]])
        days[won, :4] = np.hstack([silence, np.full((asked.offers, 1), np.inf)])[won]
    for offer in np.flatnonzero(won | moved):
        on_order[offer] = False
        active[offer] = active[offer, :, :1] if won[offer] else r.random((GROUPS, asked.weeks)) < 0.8
    occasion[won], occasion[moved] = ks.WIN_BACK, ks.OUTGROWN
    cost = np.where(won, r.uniform(0, 3, shape), campaigns["contact_cost"])
    campaigns |= {"occasion": seal(occasion, np.int64), "days": seal(days), "contact_cost": seal(cost)}
    terms = {"living": r.uniform(0, 0.6, shape), "redeemed": r.uniform(0, 1, shape), "size": r.uniform(0.7, 1.5, shape)}
    return {name: seal(values) for name, values in terms.items()}
