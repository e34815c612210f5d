"""The work plan: customer blocks in turn, worlds in slices on threads, every scenario on the same drawn traits.

Threads own disjoint worlds, so they add into disjoint rows of the one ledger; blocks are added one after the other.
Nothing of size worlds × customers × months ever exists.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import NamedTuple

import numpy as np

from clvsim.interventions.base import CostEntry, Group
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import Clock, Ledgers, Trace, scalar, seal
from clvsim.models.laws import DueMultipliers
from clvsim.simulation.ledger import Raw, kernel_lines
from clvsim.simulation.people import Block
from clvsim.simulation.reuse import ELSEWHERE, Sharing, add_all, add_shared, empty_sums, rest_of, sharing
from clvsim.simulation.spread import statistics_of
from clvsim.simulation.tables import (
    Calendar,
    Levers,
    Responses,
    make_contacts,
    make_dues,
    make_offers,
    make_tables,
    responses,
    slice_offers,
)
from clvsim.simulation.worlds import Worlds, by_week

DRAWS_AT_ONCE = 16  # traits and tables of a slice stay in a core's cache
FEW_CUSTOMERS = 512  # of which four times as many draws do, for half the time goes into what a slice needs at all
WHOLE = ("count", "start", "marginal_from")
NO_TRACE = Trace.empty(0)
NO_ARRIVALS = ks.Arrivals(
    *(seal(np.zeros((0, 0)), np.int64 if field in WHOLE else np.float64) for field in ks.Arrivals._fields)
)


@dataclass(frozen=True)
class Setting:
    """Inputs that all scenarios share."""

    worlds: Worlds
    groups: tuple[Group, ...]
    calendar: Calendar
    gross_margin: float
    cost_per_order: float
    money_scale: float
    length_days: float
    stop_days: float
    period_days: float
    attrition_clock: str
    season: np.ndarray | None = None  # (draws, weeks) log factor on all purchase rates
    due: DueMultipliers | None = None  # of all draws, on the hazard of contracts

    @property
    def worlds_per_draw(self) -> int:
        return self.worlds.key.size // self.worlds.draws

    def clock(self, flags: int) -> Clock:
        return Clock(
            length_days=scalar(self.length_days),
            stop_days=scalar(self.stop_days),
            discount_per_day=scalar(self.calendar.discount_per_day),
            period_days=scalar(self.period_days),
            cost_per_order=scalar(self.cost_per_order),
            money_unit=scalar(ks.COUNT_UNIT / self.money_scale),
            attrition_by_order=scalar(float(self.attrition_clock == "orders")),
            flags=scalar(flags, np.int64),
        )

    def calendar_for(self, *, newcomers: bool) -> Calendar:
        """The calendar; with a single arrival week for existing customers, who need no tables by arrival week."""
        return self.calendar if newcomers else replace(self.calendar, arrival_weeks=1)


@dataclass(frozen=True)
class Job:
    """One scenario's part of a simulation: everything that is the same for all blocks and draws."""

    levers: Levers
    schedule: tuple[Hashable, ...]  # scenarios with equal ones share tables
    arrivals: ks.Arrivals  # (w, cells); `NO_ARRIVALS` without newcomers
    raw: Raw  # where the kernel adds
    offers: ks.Offers  # of all worlds
    contacts: ks.Contacts
    dues: np.ndarray  # (w, g, DUES), of a plan's costs that follow customers
    responses: Mapping[bool, Responses]  # to contacts, by whether customers are newcomers
    loop_flags: int = 0  # of the loop that some scenario of the run needs


class CustomerTotals(NamedTuple):
    """Totals of each customer under the first scenario; no columns where they are not requested."""

    value: np.ndarray  # float64 (w, c), contribution discounted to today
    orders: np.ndarray  # int64 (w, c)
    revenue: np.ndarray  # int64 (w, c) ledger units, undiscounted

    @classmethod
    def zeros(cls, worlds: int, customers: int) -> "CustomerTotals":
        orders, revenue = (np.zeros((worlds, customers), np.int64) for _ in range(2))
        return cls(np.zeros((worlds, customers)), orders, revenue)


class Spread(NamedTuple):
    """Where it is added up what single customers do under each scenario, by threads in turn."""

    sums: np.ndarray  # (jobs, kinds, statistics, c), as of `simulation.spread`
    lock: Lock

    def add(self, job: int, statistics: np.ndarray) -> None:
        with self.lock:
            self.sums[job] += statistics


class WorldSlice(NamedTuple):
    """The worlds of a slice of draws, and the inputs that all scenarios share on them."""

    rows: slice  # of all worlds
    draw: np.ndarray  # of each world, (rows,)
    first_draw: int
    laws: ks.Laws
    traits: ks.Traits  # drawn for one scenario, used again for the next
    environment: np.ndarray  # (rows, weeks) log rate common to all customers

    @property
    def no_totals(self) -> CustomerTotals:
        return CustomerTotals.zeros(self.draw.size, 0)


class SharedTables(NamedTuple):
    """Tables of all scenarios with one schedule."""

    tables: ks.Tables
    rate_varies: bool
    steady: bool  # no hazard but the customers' own


def make_job(
    setting: Setting,
    levers: Levers,
    raw: Raw,
    arrivals: ks.Arrivals = NO_ARRIVALS,
    costs: Sequence[CostEntry] = (),
    *,
    loop_flags: int = 0,
) -> Job:
    groups, calendar = setting.groups, setting.calendar
    return Job(
        levers=levers,
        schedule=levers.schedule(),
        arrivals=arrivals,
        raw=raw,
        offers=make_offers(levers, groups, setting.worlds.draw, setting.gross_margin, calendar.weeks),
        contacts=make_contacts(levers, groups, calendar),
        dues=make_dues(costs, groups, setting.worlds.draw),
        responses={new: responses(levers, groups, setting.calendar_for(newcomers=new)) for new in (False, True)},
        loop_flags=loop_flags,
    )


def empty_raw(setting: Setting, levers: Levers, periods: int, ages: int, cohorts: int) -> Raw:
    w, g, k = setting.worlds.key.size, 2 * len(setting.groups), kernel_lines(levers)
    has_contacts = bool(levers.contacts)
    return Raw(
        calendar=np.zeros((w, g, k, 2, periods), np.int64),
        age=np.zeros((w, g, k, 2, 1 + ages), np.int64),
        cohort=np.zeros((w, cohorts, ks.COHORT_LINES, periods), np.int64),
        exposure=np.zeros((w, 2 * cohorts * has_contacts, setting.calendar.weeks + 1), np.int64),
        age_exit=np.zeros((w, g * has_contacts, setting.calendar.arrival_weeks, 2, 1 + ages), np.int64),
    )


def run_block(
    block: Block,
    jobs: Sequence[Job],
    setting: Setting,
    threads: int,
    *,
    per_customer: bool = False,
    spread: np.ndarray | None = None,
) -> CustomerTotals | None:
    """Simulate one block under every scenario. With `per_customer`, the first scenario's totals of each customer; to a
    `spread` (jobs, kinds, statistics, c) is added what each does under every scenario.
    """
    draws = setting.worlds.draws
    draws_at_once = DRAWS_AT_ONCE * (4 if block.people.key.size <= FEW_CUSTOMERS else 1)
    at_once = max(1, draws_at_once // setting.worlds_per_draw)
    totals = CustomerTotals.zeros(setting.worlds.key.size, block.people.key.size if per_customer else 0)
    shared = sharing(block, jobs, setting.groups)
    share = -(-draws // (threads * at_once)) * at_once
    spans = [(low, min(draws, low + share)) for low in range(0, draws, share)]

    by_customer = None if spread is None else Spread(spread, Lock())

    def run_span(low: int, high: int) -> None:
        for first in range(low, high, at_once):
            run_slice(block, jobs, setting, slice(first, min(high, first + at_once)), totals, shared, by_customer)

    if threads == 1:
        for span in spans:
            run_span(*span)
    else:
        from joblib import Parallel, delayed

        Parallel(threads, backend="threading")(delayed(run_span)(*span) for span in spans)
    return totals if per_customer else None


def run_slice(
    block: Block,
    jobs: Sequence[Job],
    setting: Setting,
    draws: slice,
    totals: CustomerTotals,
    shared: Sharing,
    spread: Spread | None = None,
) -> None:
    """Simulate all scenarios on a slice of draws, and of each only those lives that differ from the baseline's.

    Sums of customers who stand for several are multiplied when all of the slice's are known.
    """
    worlds = make_slice(block, setting, draws, scenarios=len(jobs))
    rows = worlds.rows
    tables: dict[tuple[Hashable, ...], SharedTables] = {}
    of_all = CustomerTotals(*(t[rows] for t in totals))

    def run_scenario(number: int, raw: Raw, people: ks.People, arrivals: ks.Arrivals) -> None:
        job = jobs[number]
        if job.schedule not in tables:
            tables[job.schedule] = make_shared_tables(job, setting, worlds, block)
        customer_totals = of_all if number == 0 else worlds.no_totals
        if spread and number:
            customer_totals = CustomerTotals.zeros(worlds.draw.size, block.people.key.size)
        living = replace(block, people=people)
        run_kernel(living, job, setting, worlds, tables[job.schedule], arrivals, raw, customer_totals)
        if spread:
            lives = np.asarray(people.cell) != ELSEWHERE
            spread.add(number, spread_of(customer_totals, of_all if number else None, lives, setting, worlds))

    into = [rows_of_raw(job.raw, rows) for job in jobs]
    raws = into if block.weight == 1 else [Raw(*map(np.zeros_like, raw)) for raw in into]
    run_scenarios(block, jobs, shared, rows, raws, run_scenario)
    if block.weight != 1:
        for total, raw in zip(into, raws, strict=True):
            for values, of_sample in zip(total, raw, strict=True):
                values += block.weight * of_sample


def spread_of(
    totals: CustomerTotals, base: CustomerTotals | None, lives: np.ndarray, setting: Setting, worlds: WorldSlice
) -> np.ndarray:
    """What a slice's worlds tell of each customer, less the baseline's totals where there are any; 0 of those whose
    `lives` (c,) are not simulated, being the baseline's."""
    value, orders = totals.value, totals.orders
    if base is not None:
        value, orders = np.where(lives, value - base.value, 0.0), np.where(lives, orders - base.orders, 0)
    return statistics_of(value, orders, worlds.draw, setting.money_scale, setting.worlds.key.size)


def run_scenarios(
    block: Block,
    jobs: Sequence[Job],
    shared: Sharing,
    rows: slice,
    raws: Sequence[Raw],
    run_scenario: Callable[[int, Raw, ks.People, ks.Arrivals], None],
) -> None:
    """Simulate on some worlds, adding to `raws`, the baseline first; what others share with it is not run again."""
    base, base_arrivals = raws[0], rows_of_arrivals(jobs[0], block, rows)
    if not shared.any:
        for number, job in enumerate(jobs):
            run_scenario(number, raws[number], block.people, rows_of_arrivals(job, block, rows))
        return
    sums = empty_sums(base, shared.tariffs)
    with_tariffs = base_arrivals
    if block.newcomers:
        with_tariffs = base_arrivals._replace(cac=seal(shared.cac[rows]))
    run_scenario(0, sums, block.people, with_tariffs)
    add_all(base, sums)
    for number, job in enumerate(jobs[1:], start=1):
        raw, same = raws[number], shared.same[number, rows]
        rest = rest_of(block, rows_of_arrivals(job, block, rows), base_arrivals, same)
        if rest is not None:
            run_scenario(number, raw, *rest)
        add_shared(raw, sums, same, shared.tariff[number], block.people)


def rows_of_raw(raw: Raw, rows: slice) -> Raw:
    return Raw(*(ledger[rows] for ledger in raw))


def rows_of_arrivals(job: Job, block: Block, rows: slice) -> ks.Arrivals:
    arrivals = job.arrivals if block.newcomers else NO_ARRIVALS
    return ks.Arrivals(*(seal(a[rows] if a.size else a, a.dtype) for a in arrivals))


def make_slice(block: Block, setting: Setting, draws: slice, scenarios: int) -> WorldSlice:
    per_draw = setting.worlds_per_draw
    rows = slice(draws.start * per_draw, draws.stop * per_draw)
    draw = setting.worlds.draw[rows]
    environment = by_week(setting.worlds.log_rate[rows], setting.calendar.weeks)
    if setting.season is not None:
        environment = environment + setting.season[draw]
    return WorldSlice(
        rows=rows,
        draw=draw,
        first_draw=draws.start,
        laws=with_due(block.laws(draws), setting.due, draws),
        traits=ks.empty_traits(draw.size, block.people.key.size) if scenarios > 1 else ks.empty_traits(1, 1),
        environment=environment,
    )


def with_due(laws: ks.Laws, due: DueMultipliers | None, draws: slice) -> ks.Laws:
    if due is None:
        return laws
    return laws._replace(due=seal(due.by_day[draws]), due_steps=seal(np.array([due.step, due.before])))


def make_shared_tables(job: Job, setting: Setting, worlds: WorldSlice, block: Block) -> SharedTables:
    tables = make_tables(
        job.levers,
        setting.groups,
        worlds.draw,
        worlds.environment,
        setting.gross_margin,
        setting.calendar_for(newcomers=block.newcomers),
        setting.attrition_clock,
        job.responses[block.newcomers],
        block.renewing,
    )
    steady = not job.levers.contacts and bool((tables.hazard == 1.0).all())
    return SharedTables(tables, rate_varies=bool((tables.rate != 1.0).any()), steady=steady)


def kernel_flags(job: Job, shared: SharedTables, *, newcomers: bool, renewing: bool) -> int:
    """Bit flags of the mechanisms that the kernel has to simulate."""
    return (
        ks.NEWCOMERS * newcomers
        + ks.TABLES * shared.rate_varies
        + ks.STEADY * shared.steady
        + ks.RENEWING * renewing
        + ks.MARGINS * job.levers.moves_margin
        + job.loop_flags
    )


def run_kernel(
    block: Block,
    job: Job,
    setting: Setting,
    worlds: WorldSlice,
    shared: SharedTables,
    arrivals: ks.Arrivals,
    raw: Raw,
    totals: CustomerTotals,
    trace: Trace = NO_TRACE,
) -> None:
    """Simulate one scenario on a slice and add to `raw` and `totals`, which hold the slice's worlds, and to `trace`."""
    from clvsim.kernels.simulate import simulate  # compiled: not for those who only check

    rows = worlds.rows
    flags = kernel_flags(job, shared, newcomers=block.newcomers, renewing=block.renewing)
    simulate(
        block.people,
        seal(setting.worlds.key[rows], np.uint64),
        seal(worlds.draw - worlds.first_draw, np.int64),
        worlds.laws,
        worlds.traits,
        arrivals,
        shared.tables._replace(dues=seal(job.dues[rows])),
        slice_offers(job.offers, rows),
        job.contacts,
        setting.clock(flags),
        Ledgers(*raw, *totals),
        trace,
    )
