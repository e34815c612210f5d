"""How many customers are expected to be there in each month, today's and newcomers, in closed form.

Today's are counted at a few months and in between along a monotone cubic of the logarithm over the square root of time
(Fritsch & Carlson 1980), which leaves about 1 in 1,000; where customers leave at opportunities only, at every month.
Newcomers come evenly within a month: at its ends their ages are a month's, of which the middle stands for all; where
they leave at opportunities only, what is between these is added up.
"""

import numpy as np

from clvsim.models.around.pooling import from_channel
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import rows_of
from clvsim.models.protocol import RetentionModel
from clvsim.simulation.expected.values import Activity
from clvsim.simulation.plan import RunPlan
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

_KNOTS = 7
SOME = 8192  # customers, who stand for more than are simulated
_CUSTOMERS_AT_ONCE, _DRAWS_AT_ONCE = 4096, 64


def expected_activity(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray, count: np.ndarray
) -> Activity:
    """Of all months of the calendar ledger.

    `order` (c,) in which customers are added up; `count` (draws, channels, arrival months) newcomers.
    """
    from joblib import Parallel, delayed

    draws = plan.simulation.draws
    parts = [slice(low, min(draws, low + _DRAWS_AT_ONCE)) for low in range(0, draws, _DRAWS_AT_ONCE)]
    done = Parallel(plan.simulation.jobs, backend="threading")(
        delayed(_of_draws)(plan, fitted, summary, order, part, count[part]) for part in parts
    )
    existing, newcomers, followed = (np.concatenate(part) for part in zip(*done, strict=True))
    return Activity(existing, newcomers, followed)


def _of_draws(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray, draws: slice, count: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    months = plan.layout.months
    alive = np.stack(
        [
            mean_presence(from_channel(fitted.retention, name), fitted, draws, months)
            for name in plan.acquisition.channels
        ],
        axis=1,
    )
    newcomers, followed = np.zeros((2, len(count), months))
    for arrival in range(count.shape[2]):
        there = (count[:, :, arrival, None] * alive[:, :, : months - arrival]).sum(axis=1)
        newcomers[:, arrival:] += there
        within = plan.simulation.horizon_months
        followed[:, arrival : arrival + within] += there[:, :within]
    many = plan.simulation.are_many(order.size, SOME)
    some = order[:SOME] if many else order  # by their keys, which is by chance
    existing = existing_activity(fitted, summary, some, draws, months) * (order.size / max(1, some.size))
    return existing, newcomers, followed


def mean_presence(retention: RetentionModel, fitted: FittedModels, draws: slice, months: int) -> np.ndarray:
    """P(still a customer), the mean over each month of own age, (draw, month)."""
    life, unit, every = fitted.retention_draws(draws), fitted.days_per_unit, retention.interval_days
    if not every:
        return retention.probability_staying_new(life, DAYS_PER_MONTH * (np.arange(months) + 0.5), unit)
    edges = DAYS_PER_MONTH * np.arange(months + 1)
    ends = every * np.arange(int(np.ceil(edges[-1] / every)) + 1)
    there = retention.probability_staying_new(life, (ends[1:] + ends[:-1]) / 2, unit)
    days = np.concatenate([np.zeros((len(there), 1)), np.cumsum(every * there, axis=1)], axis=1)
    return np.diff(np.stack([np.interp(edges, ends, of_draw) for of_draw in days]), axis=1) / DAYS_PER_MONTH


def existing_activity(
    fitted: FittedModels, summary: CustomerSummary, order: np.ndarray, draws: slice, months: int
) -> np.ndarray:
    """Today's customers expected to be there at the end of each month, (draw, month)."""
    at_all = fitted.retention.interval_days > 0 or months <= _KNOTS
    ends = np.arange(1, months + 1) if at_all else knots(months)
    total = customers_there(fitted, summary, order, draws, ends)
    return total if at_all else in_between(ends, total, months)


def customers_there(
    fitted: FittedModels, summary: CustomerSummary, order: np.ndarray, draws: slice, ends: np.ndarray
) -> np.ndarray:
    """Today's customers expected to be there after `ends` (m,) months, (draw, m)."""
    retention, days, life = fitted.retention, fitted.days_per_unit, fitted.retention_draws(draws)
    histories = retention.histories(summary)
    total = np.zeros((len(next(iter(life.values()))), ends.size))
    for low in range(0, order.size, _CUSTOMERS_AT_ONCE):
        rows = rows_of(histories, order[low : low + _CUSTOMERS_AT_ONCE])
        alive = retention.laws(life, rows, days).p_alive
        for i, end in enumerate(ends):
            staying = retention.probability_staying(life, rows, float(end * DAYS_PER_MONTH), days)
            total[:, i] += (alive * staying).sum(axis=1)
    return total


def knots(months: int) -> np.ndarray:
    """Months at whose ends customers are counted, evenly in the square root of time, the first and last among them."""
    roots = np.linspace(1.0, np.sqrt(months), _KNOTS)
    return np.unique(np.rint(roots**2).astype(int))


def in_between(ends: np.ndarray, total: np.ndarray, months: int) -> np.ndarray:
    """At the end of each month from those at `ends`, (draw, month)."""
    from scipy.interpolate import PchipInterpolator

    every = np.sqrt(np.arange(1, months + 1))
    return np.exp(PchipInterpolator(np.sqrt(ends), np.log(np.maximum(total, 1e-300)), axis=1)(every))
