"""Predicted against actual repeat orders by week: from the first orders up to today, and in the hold-out."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from clvsim.interventions.base import Group
from clvsim.kernels import structs as ks
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import DueMultipliers
from clvsim.simulation import engine
from clvsim.simulation.assumptions import uncertain_inputs
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.environment import SdLaw, due_multipliers, sd_law, season_by_week
from clvsim.simulation.ledger import money_scale, typical_amounts
from clvsim.simulation.luck import Luck, basis_of, drawn_in, shares_kept
from clvsim.simulation.people import Block, birth_laws, existing_blocks, key_order, people_of, pieces
from clvsim.simulation.sample import Sample, rows_of_summary, sample_of, sizes
from clvsim.simulation.tables import Calendar, Levers
from clvsim.simulation.worlds import Worlds, make_worlds
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK, CustomerSummary, HoldoutCheck, Tracking

NO_LEVERS = Levers("tracking", (), (), ())
MAX_DRAWS = 400
ONE_IN, FEW = 4, 10_000  # of the customers who may be simulated; sums over all need no more, single levers do


def track(
    fitted: FittedModels,
    summary: CustomerSummary,
    weekly: pd.DataFrame,
    environment: EnvironmentConfig,
    *,
    draws: int = MAX_DRAWS,
    seed: int = 1,
    jobs: int = 1,
    shard_customers: int = 4096,
    most_customers: int | None = None,
    loop_flags: int = 0,
) -> Tracking:
    """Simulate repeat orders per week; bands are 5 to 95 % of realised worlds.

    The hold-out takes all `draws`, so that it equals that of `clvsim validate`; the past at most `MAX_DRAWS`.
    `weekly` holds the actual orders (`week_start`, `orders`) of full weeks, laid out around the day after today.
    Calibration starts every customer at the first order with the population's law, so it is not conditioned on what
    they did; the hold-out starts from today with each customer's own law. Nothing is fitted to the hold-out.
    Of more than `most_customers` some stand for all (`simulation.sample`), a quarter of as many where these are
    thousands. `loop_flags`: a loop that knows more posts the same, and where a run needs it anyway no other is
    compiled.
    """
    draws = min(draws, fitted.draws)
    start = np.datetime64(summary.today.isoformat()) + np.timedelta64(1, "D")
    week = weekly["week_start"].to_numpy().astype("datetime64[D]")
    before = int(np.count_nonzero(week < start))
    after = week.size - before

    scale = money_scale(typical_amounts(summary.customers))
    shocks_sd = sd_law(fitted, summary, environment)

    def simulate_weeks(blocks: list[Block], first: int, days: float, law: SdLaw, worlds: int) -> np.ndarray:
        season = season_by_week(fitted, worlds, first, int(np.ceil(days / DAYS_PER_WEEK)) + 1)
        due = due_multipliers(fitted, worlds, first, days)
        at = blocks, days, environment, worlds, seed, jobs, scale, law, season, due
        if all(block.weight == 1 for block in blocks):
            return repeat_orders(*at, loop_flags=loop_flags)
        alone = Alone()
        orders = repeat_orders(*at, alone=alone, loop_flags=loop_flags)
        futures = futures_of(days, environment, worlds, seed, law)
        return alone.of_all(orders, basis_of(futures, uncertain_inputs(fitted, futures, {}, ())))

    length = 7 * (before + 1)
    calibration = calibration_blocks(
        fitted, summary, before, shard_customers, sample_for_the_past(summary, most_customers, seed)
    )
    of_the_past = SdLaw(0.0) if shocks_sd.months else shocks_sd  # a path that is known is in the model's clock
    past = simulate_weeks(calibration, 1 - length, float(length), of_the_past, min(draws, MAX_DRAWS))
    periods = [past[:, 1 : before + 1]]
    holdout = None
    if summary.holdout_days > 0:
        sample = sample_for_a_holdout(summary, most_customers, seed)
        some = rows_of_summary(summary, sample.rows) if sample else summary
        zeros = np.zeros(len(some.customers), np.int64)
        weight = sample.weight if sample else None
        blocks, _ = existing_blocks(some, fitted, zeros, zeros, shard_customers, weight=weight)
        days = fitted.retention.holdout_days(summary)
        future, without_shocks = (simulate_weeks(blocks, 1, days, law, draws) for law in (shocks_sd, SdLaw(0.0)))
        periods.append(future[:, :after])
        holdout = check_holdout(summary, future.sum(axis=1), without_shocks.sum(axis=1))
    else:
        after = 0
    mean, low, high = np.concatenate([[o.mean(axis=0), *np.quantile(o, [0.05, 0.95], axis=0)] for o in periods], axis=1)
    return Tracking(
        week_start=week[: before + after],
        actual=weekly["orders"].to_numpy()[: before + after],
        mean=mean,
        p05=low,
        p95=high,
        holdout_from=start if holdout else None,
        holdout=holdout,
    )


def sample_for_the_past(summary: CustomerSummary, most: int | None, seed: int) -> Sample | None:
    """Customers of all ages alike, which is all that a life from its first order on knows of them; None: everybody."""
    age = summary.customers["T_days"].to_numpy(float)
    if most is None or age.size <= most:
        return None
    return sample_of(summary, enough(most), seed, np.zeros(age.size, np.int64), np.ones(age.size), age)


def sample_for_a_holdout(summary: CustomerSummary, most: int | None, seed: int) -> Sample | None:
    """More of those who ordered often, and of equally many orders customers of all silences; None: everybody."""
    if most is None or len(summary.customers) <= most:
        return None
    orders, recency, age = (summary.customers[name].to_numpy(float) for name in ("frequency", "recency_days", "T_days"))
    return sample_of(summary, enough(most), seed, np.zeros(age.size, np.int64), sizes(orders), age - recency)


def enough(most: int) -> int:
    """How many customers of a sample are simulated here."""
    return max(most // ONE_IN, min(most, FEW))


class Alone:
    """Variance over worlds of the sum of orders that is single customers' own, added up block by block: as those who
    are simulated have it, and as all whom they stand for have it."""

    def __init__(self) -> None:
        self.of_sample = self.of_everybody = 0  # times worlds², which makes them whole numbers
        self.worlds = 1

    def add(self, totals: engine.CustomerTotals, weight: int) -> None:
        self.worlds = len(totals.orders)
        sums, squares = totals.orders.sum(axis=0), np.square(totals.orders).sum(axis=0)
        variance = int((self.worlds * squares - sums**2).sum())
        self.of_sample += weight**2 * variance
        self.of_everybody += weight * variance

    def of_all(self, orders: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Orders (w, weeks) of a sample with the luck of all."""
        luck = Luck(*(np.array([variance / self.worlds**2]) for variance in (self.of_sample, self.of_everybody)))
        return drawn_in(orders, basis, shares_kept(orders.sum(axis=1)[None], luck, basis))


def no_tracking(why: str) -> Tracking:
    """For a source without dated orders; `why` is a sentence for the reader."""
    empty = np.zeros(0)
    return Tracking(np.zeros(0, "datetime64[D]"), empty, empty, empty, empty, None, None, untracked=why)


def check_holdout(summary: CustomerSummary, orders: np.ndarray, without_shocks: np.ndarray) -> HoldoutCheck:
    """Orders held back against simulated ones, with and without shocks common to all customers, both (w,)."""
    actual = int(summary.customers["holdout_frequency"].sum())
    return HoldoutCheck(
        days=summary.holdout_days,
        actual=actual,
        mean=float(orders.mean()),
        with_environment=_interval(orders),
        without_environment=_interval(without_shocks),
        position=position_among(orders, actual),
    )


def position_among(orders: np.ndarray, actual: float) -> float:
    """Share of simulated worlds, (w,), below the actual number; ties count half."""
    return float((orders < actual).mean() + 0.5 * (orders == actual).mean())


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)


def calibration_blocks(
    fitted: FittedModels, summary: CustomerSummary, weeks: int, size: int, sample: Sample | None = None
) -> list[Block]:
    """All customers from their first orders on, or those of a `sample`; day 0 is one week before the first full week of
    the log."""
    first_day = DAYS_PER_WEEK * (weeks + 1) - 1 - summary.customers["T_days"].to_numpy(float)
    key, everybody = key_order(summary)
    order = everybody if sample is None else sample.rows
    weights = np.ones(order.size, np.int64) if sample is None else sample.weight
    laws, column = birth_laws(fitted, summary)
    blocks = []
    for rows, weight in pieces(order, weights, size):
        born = first_day[rows] + 0.5  # an order's hour is unknown: midday
        people = people_of(key=key[rows], born=born, column=column[rows])
        blocks.append(Block(people, laws, newcomers=True, renewing=fitted.retention.renewing, weight=weight))
    return blocks


def futures_of(days: float, environment: EnvironmentConfig, draws: int, seed: int, shocks_sd: SdLaw | None) -> Worlds:
    """A world per draw."""
    return make_worlds(seed, draws, 1, int(days / DAYS_PER_MONTH) + 1, environment, shocks_sd)


def repeat_orders(
    blocks: list[Block],
    days: float,
    environment: EnvironmentConfig,
    draws: int,
    seed: int,
    jobs: int,
    scale: float,
    shocks_sd: SdLaw | None = None,
    season: np.ndarray | None = None,
    due: DueMultipliers | None = None,
    on_block: Callable[[engine.CustomerTotals], None] | None = None,
    *,
    alone: Alone | None = None,
    loop_flags: int = 0,
) -> np.ndarray:
    """Repeat orders per week in every world, (w, weeks); `shocks_sd` as in `make_worlds`, `season` by week,
    `due` by day.

    `on_block` is called with the totals per customer, (w, c), of each block in turn: orders, and as value their money;
    `alone` learns how far single customers are behind the sums.
    """
    worlds = futures_of(days, environment, draws, seed, shocks_sd)
    weeks = int(np.ceil(days / DAYS_PER_WEEK))
    setting = engine.Setting(
        worlds=worlds,
        groups=(Group("existing"),),
        calendar=Calendar(weeks + 1, 1, 0.0),
        gross_margin=1.0,
        cost_per_order=0.0,
        money_scale=scale,
        length_days=days,
        stop_days=days,
        period_days=DAYS_PER_WEEK,
        attrition_clock="time",
        season=season,
        due=due,
    )
    raw = engine.empty_raw(setting, NO_LEVERS, weeks, 1, 1)
    job = engine.make_job(setting, NO_LEVERS, raw, loop_flags=loop_flags)
    for block in blocks:
        totals = engine.run_block(block, [job], setting, jobs, per_customer=on_block is not None or alone is not None)
        if on_block is not None and totals is not None:
            on_block(totals)
        if alone is not None and totals is not None:
            alone.add(totals, block.weight)
    counts = raw.calendar[:, :, :, 0].sum(axis=1) / ks.COUNT_UNIT
    return counts[:, ks.ORDERS] - counts[:, ks.ACQUIRED]
