"""Who of the newcomers has ordered lately, by age: the definition of `data.returning`, in simulated lives.

Some of the newcomers of a plan live once more, in some of its worlds, by the loop that the run has compiled anyway, and
only as long as an age: what they have ordered by then is what that loop sums per customer. Random events are addressed,
so that these are the same lives, and a run's ledgers do not know of it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from clvsim.data.returning import end_of, shown_ages, window_of
from clvsim.interventions.base import Group
from clvsim.kernels import rng
from clvsim.kernels import structs as ks
from clvsim.kernels.structs import seal
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation import engine
from clvsim.simulation.arrivals import newcomer_blocks
from clvsim.simulation.environment import sd_law, season_by_week
from clvsim.simulation.people import Block, blocks_of_newcomers
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import make_setting, plan_all_arrivals
from clvsim.simulation.tables import Calendar
from clvsim.simulation.tracking import NO_LEVERS
from clvsim.simulation.win_backs import with_answers
from clvsim.simulation.worlds import Worlds, make_worlds
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK, CustomerSummary

MOST_WORLDS, MOST_PEOPLE = 200, 250  # that live once more: of a plan's draws and, in each world, of its newcomers
FEWEST_PEOPLE, MOST_ORDERS = 100, 2_500  # fewer people where they order often: so many orders in a world, on average


class Ordering(NamedTuple):
    """Newcomers of some worlds by age in months, (world, age) each; nan where nobody comes.

    `share` of them who ordered within the window up to that age, and their `revenue` in it over that of their first.
    """

    ages: list[int]
    share: np.ndarray
    revenue: np.ndarray


class Cast(NamedTuple):
    """Who lives once more under a scenario: blocks, what the loop needs, and how many each of them stands for."""

    blocks: Sequence[Block]
    setting: engine.Setting
    job: engine.Job

    def weight(self, block: Block) -> np.ndarray | float:
        """Customers for whom each of a block stands, (w, c)."""
        arrivals, cell = self.job.arrivals, block.people.cell
        if not arrivals.count.size:
            return 1.0
        more = block.people.ordinal >= arrivals.marginal_from[:, cell]
        return np.where(more, arrivals.marginal_weight[:, cell], arrivals.weight[:, cell])


def follow(
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    people: int | None = None,
    names: Sequence[str] | None = None,
) -> dict[str, Ordering]:
    """Newcomers of each scenario, or of some `names`; without any in the plan, under the baseline, people who come
    within a month from today, whom no lever reaches. Empty where customers hold contracts.

    At most `MOST_WORLDS` draws, and at most so many `people` of the newcomers, None: `enough`; by their keys, and so in
    proportion to channels and months.
    """
    if fitted.retention.renewing:
        return {}
    plan = with_answers(plan, fitted, summary)
    window = window_of(fitted.retention.opportunity_days)
    ages = shown_ages(plan.simulation.horizon_months, window)
    return {
        name: ordering_of(cast, ages, window, plan.simulation.jobs)
        for name, cast in casts(plan, fitted, summary, people or enough(plan, fitted))
        if ages and (names is None or name in names)
    }


def enough(plan: RunPlan, fitted: FittedModels) -> int:
    """How many people live once more: `MOST_PEOPLE`, fewer where they order often."""
    some_draws = slice(0, min(plan.simulation.draws, MOST_WORLDS))
    horizon = plan.simulation.horizon_months * DAYS_PER_MONTH / fitted.days_per_unit
    parameters = fitted.retention_draws(some_draws)
    orders = 1.0 + fitted.retention.expected_orders_new(parameters, horizon, fitted.days_per_unit).mean()
    return int(np.clip(MOST_ORDERS / orders, FEWEST_PEOPLE, MOST_PEOPLE))


def casts(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, people: int) -> Iterator[tuple[str, Cast]]:
    """Each scenario with those who live once more under it."""
    draws = min(plan.simulation.draws, MOST_WORLDS)
    sd, months = sd_law(fitted, summary, plan.environment), max(plan.layout.months, plan.simulation.horizon_months + 1)
    worlds = make_worlds(plan.seed, draws, 1, months, plan.environment, sd, arriving=plan.arriving)
    if not plan.acquisition.channels:
        yield BASELINE, anybody(plan, fitted, worlds, months, people)
        return
    setting, arrivals = make_setting(plan, worlds, fitted), plan_all_arrivals(plan, worlds)
    size = plan.simulation.shard_customers
    blocks = some(newcomer_blocks(plan.acquisition, fitted, list(arrivals.values()), plan.layout, size), people)
    for name, scenario in plan.scenarios.items():
        raw = engine.empty_raw(setting, scenario.levers, 1, 1, len(plan.layout.cohorts))
        job = engine.make_job(
            setting, scenario.levers, raw, arrivals[name].arrivals, scenario.costs, loop_flags=plan.loop_flags
        )
        yield name, Cast(blocks, setting, job)


def some(blocks: Sequence[Block], most: int) -> list[Block]:
    """At most so many of the customers of all blocks, those of the lowest keys; the half of a key does not count."""
    with np.errstate(over="ignore"):
        keys = [block.people.key << np.uint64(1) for block in blocks]
    every = np.concatenate(keys) if keys else np.zeros(0, np.uint64)
    if every.size <= most:
        return list(blocks)
    limit = np.partition(every, most)[most]
    return [part(block, key < limit) for block, key in zip(blocks, keys, strict=True) if (key < limit).any()]


def part(block: Block, chosen: np.ndarray) -> Block:
    return replace(block, people=ks.People(*(seal(values[chosen], values.dtype) for values in block.people)))


def anybody(plan: RunPlan, fitted: FittedModels, worlds: Worlds, months: int, people: int) -> Cast:
    """People who would come within a month from today, by the laws of all newcomers together."""
    number = np.arange(people)
    with np.errstate(over="ignore"):
        root = rng.text_key("somebody who may come")
        key = rng.mix_array(root + (number.astype(np.uint64) + np.uint64(1)) * rng.GOLDEN)
    blocks = blocks_of_newcomers(
        fitted,
        "",
        plan.simulation.shard_customers,
        month=np.zeros(people),
        cell=np.full(people, -1),
        ordinal=number,
        key=key,
        group=np.zeros(people),
        cohort=np.zeros(people),
    )
    days = months * DAYS_PER_MONTH
    weeks = int(np.ceil(days / DAYS_PER_WEEK)) + 1
    setting = engine.Setting(
        worlds=worlds,
        groups=(Group("new"),),
        calendar=Calendar(weeks, 1, 0.0),
        gross_margin=1.0,
        cost_per_order=0.0,
        money_scale=plan.economics.money_scale,
        length_days=days,
        stop_days=days,
        period_days=DAYS_PER_MONTH,
        attrition_clock="time",
        season=season_by_week(fitted, worlds.draws, 1, weeks),
    )
    raw = engine.empty_raw(setting, NO_LEVERS, 1, 1, 1)
    return Cast(blocks, setting, engine.make_job(setting, NO_LEVERS, raw, loop_flags=plan.loop_flags))


def ordering_of(cast: Cast, ages: Sequence[int], window: int, threads: int) -> Ordering:
    """Lives up to each age that is needed, block by block."""
    lengths = sorted({0, *ages, *(age - window for age in ages)})
    worlds = cast.setting.worlds.key.size
    people = np.zeros(worlds)
    lately, revenue, first = (np.zeros((worlds, len(ages))) for _ in range(3))
    for block in cast.blocks:
        lived: dict[int, engine.CustomerTotals] = {}
        weight: np.ndarray | float = 0.0
        for length in lengths:
            until = lived[length] = live(cast, block, length, threads)
            if length == 0:
                weight = np.where(until.orders > 0, cast.weight(block), 0.0)
                people += weight.sum(axis=1)
            if length == window:
                first += (weight * until.revenue).sum(axis=1)[:, None]
            if length in ages:
                before, column = lived[length - window], ages.index(length)
                lately[:, column] += (weight * (until.orders > before.orders)).sum(axis=1)
                revenue[:, column] += (weight * (until.revenue - before.revenue)).sum(axis=1)
            lived = {age: totals for age, totals in lived.items() if age > length - window}
    return Ordering(list(ages), _over(lately, people[:, None]), _over(revenue, first))


def live(cast: Cast, block: Block, months: int, threads: int) -> engine.CustomerTotals:
    """What each customer has ordered by an age."""
    setting = replace(cast.setting, length_days=float(end_of(months)))
    totals = engine.run_block(block, [cast.job], setting, threads, per_customer=True)
    assert totals is not None
    return totals


def _over(values: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(values, whole, out=np.full_like(values, np.nan), where=whole > 0)
