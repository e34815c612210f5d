"""Newcomers in closed form: how many come, and what one of them brings, by month of arrival and by month of own age."""

from typing import NamedTuple

import numpy as np

from clvsim.interventions.base import Group
from clvsim.models.around.pooling import from_channel
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Births
from clvsim.models.revenue import Ages, NewcomerValue, expected_of_newcomers
from clvsim.scenario import BASELINE
from clvsim.simulation.arrivals import leads_of, shifted_conversion
from clvsim.simulation.plan import RunPlan
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR

DRAWS_AT_ONCE = 64


class NewcomerLevels(NamedTuple):
    """The fields of `ExpectedLevels` on newcomers, by those names."""

    visitors: np.ndarray
    acquisition_cost: np.ndarray
    newcomers: np.ndarray
    arrival_discount: np.ndarray
    first_revenue: np.ndarray
    newcomer_revenue: np.ndarray
    newcomer_discounted_orders: np.ndarray
    newcomer_orders: np.ndarray
    age_revenue: np.ndarray
    age_discounted_orders: np.ndarray
    age_revenue_undiscounted: np.ndarray
    age_orders: np.ndarray


def newcomer_levels(plan: RunPlan, fitted: FittedModels) -> NewcomerLevels:
    """Newcomers of the baseline; `simulation.jobs` and the order of channels change no number."""
    from joblib import Parallel, delayed

    draws, names = plan.simulation.draws, list(plan.acquisition.channels)
    months, ages = (plan.acquisition.months, plan.simulation.horizon_months) if names else (0, 0)
    count = expected_newcomers(plan)
    visitors, cost = visitors_of(plan, count)
    parts = [slice(low, min(draws, low + DRAWS_AT_ONCE)) for low in range(0, draws, DRAWS_AT_ONCE)]
    if names:
        done = Parallel(plan.simulation.jobs, backend="threading")(
            delayed(levels_of_draws)(plan, fitted, part, count[part]) for part in parts
        )
        fields = [np.concatenate(field) for field in zip(*done, strict=True)]
    else:
        fields = [np.zeros((draws, 0)), *[np.zeros((draws, 0, months))] * 3, *[np.zeros((draws, 0, ages))] * 4]
    return NewcomerLevels(visitors, cost, count, arrival_discount(plan.economics.discount_per_day, months), *fields)


def visitors_of(plan: RunPlan, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Expected visitors, (channels, months), and the money spent on them, (draws, channels, months)."""
    acquisition, draws = plan.acquisition, plan.simulation.draws
    channels = acquisition.channels.values()
    visitors = np.zeros((len(channels), plan.acquisition.months if channels else 0))
    if acquisition.from_log:
        return visitors + np.nan, acquisition.cost_per_customer * count + acquisition.spend_per_month
    visitors += np.array([c.visitors_per_month for c in channels]).reshape(-1, 1)
    cost = visitors * np.array([c.cost_per_visitor for c in channels]).reshape(-1, 1)
    return visitors, np.broadcast_to(cost, (draws, *cost.shape))


def expected_newcomers(plan: RunPlan) -> np.ndarray:
    """Visitors times the baseline's conversion, (draws, channels, months); of the log as many as it says."""
    draws, months = plan.simulation.draws, plan.acquisition.months
    shifts, every = plan.scenarios[BASELINE].levers.shifts, np.arange(draws)
    out = np.zeros((draws, len(plan.acquisition.channels), months if plan.acquisition.channels else 0))
    for c, (name, channel) in enumerate(plan.acquisition.channels.items()):
        base, group = plan.base_conversions[name], Group("new", "", name)
        undecided = np.zeros((draws, months))
        for m in range(months):
            conversion = shifted_conversion(base, shifts, group, every, m, of_log=plan.arriving is not None)
            visitors = plan.arriving.mean[:, m] if plan.arriving else channel.visitors_per_month
            out[:, c, m], undecided[:, m] = visitors * conversion, visitors * (1.0 - conversion)
        if (found := leads_of(shifts, group, every, undecided)) is not None:
            out[:, c] += found.customers
    return out


def arrival_discount(discount_per_day: float, months: int) -> np.ndarray:
    """Mean of exp(-discount t) over t, evenly in each month, (months,)."""
    step = discount_per_day * DAYS_PER_MONTH
    return np.exp(-step * np.arange(months)) * (-np.expm1(-step) / step if step else 1.0)


def levels_of_draws(plan: RunPlan, fitted: FittedModels, draws: slice, count: np.ndarray) -> tuple[np.ndarray, ...]:
    """The fields from `first_revenue` on of a slice of draws; `count` (draws of the slice, channels, months)."""
    months = np.arange(plan.acquisition.months)
    rate = float(np.expm1(plan.economics.discount_per_day * DAYS_PER_YEAR))
    ages = Ages(
        days=DAYS_PER_MONTH * np.arange(1.0, plan.simulation.horizon_months + 1),
        annual_rate=rate,
        births=Births(months * DAYS_PER_MONTH, DAYS_PER_MONTH),
    )
    life, money = fitted.retention_draws(draws), fitted.spend_draws(draws)
    known: dict[int, NewcomerValue] = {}
    by_channel = []
    for c, name in enumerate(plan.acquisition.channels):
        retention = from_channel(fitted.retention, name)  # itself unless it has channels
        if id(retention) not in known:
            known[id(retention)] = expected_of_newcomers(
                retention, fitted.spend, life, money, fitted.days_per_unit, ages
            )
        by_channel.append(one_newcomer(known[id(retention)], count[:, c]))
    return tuple(np.stack(field, axis=1) for field in zip(*by_channel, strict=True))


def one_newcomer(value: NewcomerValue, count: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of one channel, `count` (draws, months) newcomers: first order, totals by month of arrival, (draws, months), and
    months of own age, (draws, ages), averaged over arrivals."""
    total = count.sum(axis=1, keepdims=True)
    share = np.divide(count, total, out=np.full_like(count, 1 / count.shape[1]), where=total > 0)
    first = value.first

    def within_horizon(repeat: np.ndarray, at_first: np.ndarray | float) -> np.ndarray:
        last = repeat[:, :, -1] + np.reshape(at_first, (-1, 1))
        return np.ascontiguousarray(np.broadcast_to(last, count.shape))

    def by_age(repeat: np.ndarray, at_first: np.ndarray | float) -> np.ndarray:
        mean = repeat[:, 0] if repeat.shape[1] == 1 else (share[:, :, None] * repeat).sum(axis=1)
        out = np.diff(mean, axis=1, prepend=0.0)
        out[:, 0] += at_first
        return out

    return (
        first,
        within_horizon(value.discounted_revenue, first),
        within_horizon(value.discounted_orders, 1.0),
        within_horizon(value.orders, 1.0),
        by_age(value.discounted_revenue, first),
        by_age(value.discounted_orders, 1.0),
        by_age(value.revenue, first),
        by_age(value.orders, 1.0),
    )
