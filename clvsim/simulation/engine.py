"""The work plan: customer blocks in turn, worlds in slices on threads, every scenario on the same drawn traits.

Threads own disjoint worlds, so they add into disjoint rows of the one ledger; blocks are added one after the other.
Nothing of size worlds × customers × months ever exists.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from clvsim.interventions.base import Group
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import Clock, Ledgers, Trace, scalar, seal
from clvsim.simulation.ledger import Raw, kernel_lines
from clvsim.simulation.population import Block, contractual
from clvsim.simulation.tables import (
    Calendar,
    Levers,
    Responses,
    make_contacts,
    make_offers,
    make_tables,
    of_worlds,
    responses,
)
from clvsim.simulation.worlds import Worlds, by_week

DRAWS_AT_ONCE = 4  # traits and tables of a slice stay in a core's cache
NOBODY = ks.Arrivals(
    seal(np.zeros((0, 0)), np.int64), seal(np.zeros((0, 0))), seal(np.zeros((0, 0)))
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One scenario's part of a simulation."""

    levers: Levers
    arrivals: ks.Arrivals  # (w, cells); `NOBODY` without newcomers
    raw: Raw


class Part(NamedTuple):
    """A job with what no draw changes, made once per block."""

    job: Job
    schedule: tuple[Hashable, ...]
    responses: Responses
    offers: ks.Offers  # of all worlds
    contacts: ks.Contacts

    @classmethod
    def of(cls, job: Job, setting: "Setting", calendar: Calendar) -> "Part":
        levers, groups = job.levers, setting.groups
        return cls(
            job=job,
            schedule=levers.schedule(),
            responses=responses(levers, groups, calendar),
            offers=make_offers(levers, groups, setting.worlds.draw, setting.gross_margin, calendar.weeks),
            contacts=make_contacts(levers, groups, calendar),
        )


@dataclass(frozen=True)
class Setting:
    """What all scenarios share."""

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
    season: np.ndarray | None = None  # (draws, weeks) log purchase rate of everybody

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


def empty_raw(setting: Setting, levers: Levers, periods: int, ages: int, cohorts: int) -> Raw:
    w, g, k = setting.worlds.key.size, 2 * len(setting.groups), kernel_lines(levers)
    listed = bool(levers.contacts)
    return Raw(
        calendar=np.zeros((w, g, k, 2, periods), np.int64),
        age=np.zeros((w, g, k, 2, ages), np.int64),
        cohort=np.zeros((w, cohorts, ks.COHORT_LINES, periods), np.int64),
        exposure=np.zeros((w, 2 * cohorts * listed, setting.calendar.weeks + 1), np.int64),
        age_exit=np.zeros((w, g * listed, setting.calendar.arrival_weeks, 2, ages), np.int64),
    )


def run_block(
    block: Block, jobs: Sequence[Job], setting: Setting, threads: int, keep: bool = False
) -> tuple[np.ndarray, np.ndarray] | None:
    """Simulate one block under every scenario. With `keep`, the first scenario's value and orders, (w, c)."""
    worlds = setting.worlds
    per_draw = worlds.key.size // worlds.draws
    at_once = max(1, DRAWS_AT_ONCE // per_draw)
    size = block.people.key.size
    kept = np.zeros((worlds.key.size, size)), np.zeros((worlds.key.size, size), np.int64)
    shape = 0 if not keep else size
    share = -(-worlds.draws // (threads * at_once)) * at_once
    spans = [(low, min(worlds.draws, low + share)) for low in range(0, worlds.draws, share)]
    calendar = setting.calendar if block.newcomers else replace(setting.calendar, arrival_weeks=1)
    parts = [Part.of(job, setting, calendar) for job in jobs]

    def work(low: int, high: int) -> None:
        for first in range(low, high, at_once):
            draws = slice(first, min(high, first + at_once))
            rows = slice(draws.start * per_draw, draws.stop * per_draw)
            run_slice(block, parts, setting, calendar, draws, rows, kept[0][rows, :shape], kept[1][rows, :shape])

    if threads == 1:
        for span in spans:
            work(*span)
    else:
        from joblib import Parallel, delayed

        Parallel(threads, backend="threading")(delayed(work)(*span) for span in spans)
    return kept if keep else None


def leaves_lives_alone(levers: Levers) -> bool:
    """Whether a scenario at most changes who arrives: existing customers then live as under the baseline."""
    return not levers.offers and not levers.contacts and all(s.target == "conversion" for s in levers.shifts)


def run_slice(
    block: Block,
    parts: Sequence[Part],
    setting: Setting,
    calendar: Calendar,
    draws: slice,
    rows: slice,
    value: np.ndarray,
    orders: np.ndarray,
) -> None:
    """All scenarios of a slice of draws; traits drawn for one are kept for the next."""
    from clvsim.kernels.events import simulate  # compiled: not for those who only check

    laws = block.laws(draws)
    renewing = contractual(laws)
    draw = setting.worlds.draw[rows]
    count = rows.stop - rows.start
    traits = ks.empty_traits(count, block.people.key.size) if len(parts) > 1 else ks.empty_traits(1, 1)
    environment = by_week(setting.worlds.log_rate[rows], setting.calendar.weeks)
    if setting.season is not None:
        environment = environment + setting.season[draw]
    nothing = np.zeros((count, 0)), np.zeros((count, 0), np.int64)
    as_today: list[np.ndarray] = []  # what the first scenario without a lever on this block has added
    made: dict[tuple[Hashable, ...], tuple[ks.Tables, int]] = {}
    for number, (job, schedule, prepared, offers, contacts) in enumerate(parts):
        idle = not block.newcomers and leaves_lives_alone(job.levers)
        if idle and as_today:
            for ledger, added in zip(job.raw, as_today, strict=True):
                ledger[rows] += added
            continue
        before = [ledger[rows].copy() for ledger in job.raw] if idle else []
        kept = (np.zeros(value.shape), np.zeros(orders.shape, np.int64)) if number == 0 else nothing
        if schedule not in made:
            margin, clock = setting.gross_margin, setting.attrition_clock
            tables = make_tables(
                job.levers, setting.groups, draw, environment, margin, calendar, clock, prepared, renewing
            )
            made[schedule] = tables, ks.TABLES * bool((tables.rate != 1.0).any())
        tables, tabled = made[schedule]
        flags = (
            ks.NEWCOMERS * block.newcomers
            + tabled
            + ks.OFFERS * bool(job.levers.offers)
            + ks.CONTACTS * bool(job.levers.contacts)
            + ks.MARGINS * job.levers.moves_margin
        )
        arrivals = ks.Arrivals(*(seal(a[rows] if a.size else a, a.dtype) for a in job.arrivals))
        raw = job.raw
        simulate(
            block.people,
            seal(setting.worlds.key[rows], np.uint64),
            seal(draw - draws.start, np.int64),
            laws,
            traits,
            arrivals,
            tables,
            of_worlds(offers, rows),
            contacts,
            setting.clock(flags),
            Ledgers(*(part[rows] for part in raw), *kept),
            Trace(np.zeros((0, 5)), np.zeros(1, np.int64)),
        )
        if idle:
            as_today = [ledger[rows] - old for ledger, old in zip(raw, before, strict=True)]
        if number == 0:
            value[:], orders[:] = kept
