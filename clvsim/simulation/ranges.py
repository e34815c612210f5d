"""Ranges of customer blocks: what can be simulated apart, on another process or another day, and added up afterwards.

A range has all draws and all scenarios. Its sums are integers, so that neither their number, nor their order, nor where
they were made changes a bit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation import engine, people
from clvsim.simulation.arrivals import ArrivalPlan, newcomer_blocks, plan_arrivals
from clvsim.simulation.concentration import MOST_WORLDS, Tally
from clvsim.simulation.environment import due_multipliers, season_by_week
from clvsim.simulation.expected import value_quantiles
from clvsim.simulation.ledger import Raw
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.spread import empty_spread
from clvsim.simulation.worlds import Worlds
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

Progress = Callable[[int, int], None]  # number of blocks done, number of all blocks
TASKS_PER_WORKER = 4  # so that those who are done first need not wait long for the last
BLOCKS_PER_TASK = 4  # at least, so that the last tasks can be short
TASKS_KEPT = 16  # of a run alone: an eighth is lost at most when it is killed


class Range(NamedTuple):
    """Blocks `low` to `high`, the latter left out."""

    low: int
    high: int


class Division(NamedTuple):
    """How a simulation is cut: customers of a block, and the most ranges that blocks are dealt out to."""

    block: int
    tasks: int


class Sums(NamedTuple):
    """What simulating some blocks adds up to."""

    raws: tuple[Raw, ...]  # of each scenario
    quantiles: np.ndarray  # (c, 3) of the value of each existing customer of these blocks, in their order
    count: np.ndarray  # int32 (w, classes), as of `Tally`
    units: np.ndarray  # int64 (w, classes)
    spread: np.ndarray  # int64 (scenarios, kinds, statistics, c) of customers who stand for several; c is 0 without

    def add(self, other: "Sums") -> None:
        """Add another range's sums, all but quantiles and spread, in place."""
        for own, more in zip(self.raws, other.raws, strict=True):
            for total, values in zip(own, more, strict=True):
                total += values
        for total, values in ((self.count, other.count), (self.units, other.units)):
            total += values


def joined(left: Sums, right: Sums) -> Sums:
    """Sums of a range and of the one that follows, in arrays of their own."""
    total = Sums(
        raws=tuple(Raw(*(values.copy() for values in raw)) for raw in left.raws),
        quantiles=np.concatenate([left.quantiles, right.quantiles]),
        count=left.count.copy(),
        units=left.units.copy(),
        spread=np.concatenate([left.spread, right.spread], axis=-1),
    )
    total.add(right)
    return total


@dataclass(frozen=True)
class Work:
    """What a simulation is made of, all of it data; what follows from it is made once in each process."""

    plan: RunPlan
    fitted: FittedModels
    summary: CustomerSummary
    worlds: Worlds
    block: int  # customers

    def __reduce__(self) -> tuple[Any, ...]:
        return Work, (self.plan, self.fitted, self.summary, self.worlds, self.block)  # what follows is no data

    @cached_property
    def setting(self) -> engine.Setting:
        return make_setting(self.plan, self.worlds, self.fitted)

    @cached_property
    def arrivals(self) -> dict[str, ArrivalPlan]:
        return plan_all_arrivals(self.plan, self.worlds)

    @cached_property
    def existing(self) -> tuple[list[people.Block], np.ndarray]:
        """Blocks of existing customers, and the order in which they stand there."""
        layout, returning = self.plan.layout, self.plan.wins_back
        return people.existing_blocks(
            self.summary,
            self.fitted,
            layout.group,
            layout.cohort,
            self.block,
            returning=returning,
            weight=layout.weight,
        )

    @cached_property
    def blocks(self) -> list[people.Block]:
        """Those of existing customers first."""
        arrivals = list(self.arrivals.values())
        newcomers = newcomer_blocks(self.plan.acquisition, self.fitted, arrivals, self.plan.layout, self.block)
        return [*self.existing[0], *newcomers]

    def empty_raws(self) -> tuple[Raw, ...]:
        layout = self.plan.layout
        return tuple(
            engine.empty_raw(self.setting, scenario.levers, layout.months, layout.ages, len(layout.cohorts))
            for scenario in self.plan.scenarios.values()
        )

    def empty(self, customers: int = 0) -> Sums:
        """Nothing yet, of so many existing customers."""
        tally = Tally(worlds_of_tally(self.worlds).size)
        spread = self.empty_spread(customers)
        return Sums(self.empty_raws(), np.empty((customers, 3)), tally.count, tally.units, spread)

    def empty_spread(self, customers: int) -> np.ndarray:
        return empty_spread(len(self.plan.scenarios), customers if self.plan.layout.weight is not None else 0)

    def customers_of(self, part: Range) -> int:
        """How many existing customers a range has."""
        return sum(block.people.key.size for block in self.blocks[slice(*part)] if not block.newcomers)


def simulate_range(work: Work, part: Range, threads: int, advance: Callable[[int], None] | None = None) -> Sums:
    """Simulate a range of blocks under every scenario; `advance` is told of each block that is done."""
    setting, raws, worlds = work.setting, work.empty_raws(), worlds_of_tally(work.worlds)
    jobs, tally, quantiles = make_jobs(work.plan, setting, work.arrivals, raws), Tally(worlds.size), [np.empty((0, 3))]
    spreads = [work.empty_spread(0)]
    for block in work.blocks[slice(*part)]:
        spread = None
        if not block.newcomers:
            spreads.append(work.empty_spread(block.people.key.size))
            spread = spreads[-1] if spreads[-1].size else None
        totals = engine.run_block(block, jobs, setting, threads, per_customer=not block.newcomers, spread=spread)
        if totals is not None:
            quantiles.append(value_quantiles(totals.value[setting.worlds.for_quantiles]))
            tally.add(totals.revenue[worlds], block.weight)
        if advance:
            advance(1)
    return Sums(raws, np.concatenate(quantiles), tally.count, tally.units, np.concatenate(spreads, axis=-1))


def divide(plan: RunPlan, customers: int, workers: int, *, kept: bool) -> Division:
    """How to cut a simulation of so many existing customers for some `workers`, 0: for this process alone; `kept`: so
    that it can go on where it was killed."""
    block = plan.simulation.shard_customers
    if not workers:
        return Division(block, TASKS_KEPT if kept else 1)
    tasks = TASKS_PER_WORKER * workers
    return Division(min(block, max(engine.FEW_CUSTOMERS, -(-customers // (BLOCKS_PER_TASK * tasks)))), tasks)


def cut(customers: Sequence[int], tasks: int) -> list[Range]:
    """All blocks, of so many customers each, in at most so many ranges, each with fewer customers than the one before:
    whoever is done first waits for the end of a short one.

    The first k of n ranges hold a share of 1 - (1 - k / n)^2.
    """
    number, total = min(len(customers), tasks), sum(customers)
    bounds, so_far = [0], 0
    for block, own in enumerate(customers):
        later = number - len(bounds)  # ranges that begin after this one
        share = number**2 - later**2  # of number**2: that of the ranges so far
        full = (2 * so_far + own) * number**2 > 2 * total * share  # were this block in it, too
        if block > bounds[-1] and later and (full or len(customers) - block == later):
            bounds.append(block)
        so_far += own
    return [Range(*ends) for ends in pairwise([*bounds, len(customers)])] if number else []


def plan_all_arrivals(plan: RunPlan, worlds: Worlds) -> dict[str, ArrivalPlan]:
    """Newcomers of every scenario; those beyond the baseline's number are additional customers."""
    plans: dict[str, ArrivalPlan] = {}
    for name, scenario in plan.scenarios.items():
        plans[name] = plan_arrivals(
            plan.acquisition,
            scenario.levers.shifts,
            worlds,
            plan.base_conversions,
            plan.simulation.max_newcomers_per_cell,
            plans.get(BASELINE),
            plan.arriving,
        )
    return plans


def make_setting(plan: RunPlan, worlds: Worlds, fitted: FittedModels) -> engine.Setting:
    economics = plan.economics
    return engine.Setting(
        worlds=worlds,
        groups=plan.layout.groups,
        calendar=plan.calendar,
        gross_margin=economics.gross_margin,
        cost_per_order=economics.cost_per_order,
        money_scale=economics.money_scale,
        length_days=plan.simulation.horizon_months * DAYS_PER_MONTH,
        stop_days=plan.layout.months * DAYS_PER_MONTH,
        period_days=DAYS_PER_MONTH,
        attrition_clock=plan.simulation.attrition_clock,
        season=season_by_week(fitted, worlds.draws, 1, plan.calendar.weeks),
        due=due_multipliers(fitted, worlds.draws, 1, plan.layout.months * DAYS_PER_MONTH),
    )


def make_jobs(
    plan: RunPlan, setting: engine.Setting, arrivals: Mapping[str, ArrivalPlan], raws: Sequence[Raw]
) -> list[engine.Job]:
    """The scenarios of a plan, each with the sums to which it adds."""
    return [
        engine.make_job(
            setting, scenario.levers, raw, arrivals[name].arrivals, scenario.costs, loop_flags=plan.loop_flags
        )
        for (name, scenario), raw in zip(plan.scenarios.items(), raws, strict=True)
    ]


def worlds_of_tally(worlds: Worlds) -> np.ndarray:
    """Worlds in which concentration is measured: those of the customers' quantiles, `MOST_WORLDS` at most."""
    return np.flatnonzero(worlds.for_quantiles)[:MOST_WORLDS]
