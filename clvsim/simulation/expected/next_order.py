"""When a customer's next order may come, from P(at least one order within t), a formula that each model has."""

from typing import NamedTuple

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Params, distinct_rows, rows_of
from clvsim.models.protocol import RetentionModel
from clvsim.simulation.plan import RunPlan
from clvsim.types import DAYS_PER_MONTH, CustomerSummary

LIKELY = 0.5  # a day is named where an order within the horizon is at least as likely as not
_KNOTS = 16  # times at which the chance is worked out; in between it is a straight line
_DRAWS, _DRAWS_OF_SHAPE = 128, 32  # of the chance at the horizon, and of its shape over time, which differs less
_DRAWS_OF_MANY, _DRAWS_OF_SHAPE_OF_MANY = 16, 8  # where there are more customers than are simulated
_HISTORIES_AT_ONCE = 512  # distinct ones: work for each thread in logs of some thousand customers
_HISTORIES_OF_MANY_AT_ONCE = 8192  # in few draws: what is the same for all of them is worked out less often


class NextOrders(NamedTuple):
    """Of each of today's customers, (c,): P(at least one order within the horizon), and the median time to the next
    order in days given that it comes within the horizon, nan where that chance is below `LIKELY`."""

    p_order: np.ndarray
    days: np.ndarray


def next_orders(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> NextOrders:
    """Means over the first draws of the model's own P(at least one order within t | history), and the t at which it is
    half of what it is at the horizon; the environment at its mean.

    Where orders come at opportunities it is the first opportunity by which half of the chance is reached; of contracts
    the next day on which a payment falls due, also of one that may pause. Neither `simulation.jobs` nor the order of
    rows changes a bit. Not modelled: the hour, the weekday, and what a lever does to the day.
    """
    from joblib import Parallel, delayed

    retention, unit = fitted.retention, fitted.days_per_unit
    histories = retention.histories(summary)
    row, row_of = distinct_rows(histories)
    many = plan.simulation.are_many(row_of.size)
    draws, of_shape = (_DRAWS_OF_MANY, _DRAWS_OF_SHAPE_OF_MANY) if many else (_DRAWS, _DRAWS_OF_SHAPE)
    step = _HISTORIES_OF_MANY_AT_ONCE if many else _HISTORIES_AT_ONCE
    life = fitted.retention_draws(slice(min(plan.simulation.draws, draws)))
    horizon = plan.simulation.horizon_months * DAYS_PER_MONTH
    done = Parallel(plan.simulation.jobs, backend="threading")(
        delayed(_of_histories)(retention, life, rows_of(histories, row[low : low + step]), horizon, unit, of_shape)
        for low in range(0, row.size, step)
    )
    p_order, days = (np.concatenate([np.zeros(0), *part]) for part in (zip(*done, strict=True) if done else ((), ())))
    return NextOrders(p_order[row_of], days[row_of])


def _of_histories(
    retention: RetentionModel,
    life: Params,
    histories: tuple,
    horizon_days: float,
    days_per_unit: float,
    draws_of_shape: int,
) -> tuple[np.ndarray, np.ndarray]:
    p_order = retention.probability_active(life, histories, horizon_days, days_per_unit).mean(axis=0)
    some = {name: values[:draws_of_shape] for name, values in life.items()}
    law = retention.laws({name: values[:1] for name, values in life.items()}, histories, days_per_unit)
    first = law.next_opportunity_days
    if first is None:
        times = horizon_days * (np.arange(_KNOTS + 1) / _KNOTS) ** 2  # closer together where orders come soon
        days = _half_reached(retention, some, histories, times, days_per_unit)
    elif retention.renewing:
        days = first
    else:
        number = np.ceil(max(1.0, horizon_days / retention.interval_days) * (np.arange(_KNOTS + 1) / _KNOTS) ** 2)
        times = retention.interval_days * np.unique(number)
        reached = _half_reached(retention, some, histories, times, days_per_unit)
        days = first + retention.interval_days * (np.ceil(reached / retention.interval_days - 1e-9) - 1)
    return p_order, np.where(p_order >= LIKELY, days, np.nan)


def _half_reached(
    retention: RetentionModel, life: Params, histories: tuple, times: np.ndarray, days_per_unit: float
) -> np.ndarray:
    """When the chance is half of that at the last of `times` (t,), which begin at 0: (c,); nan where there is none."""
    chances = [retention.probability_active(life, histories, float(t), days_per_unit).mean(axis=0) for t in times[1:]]
    chance = np.vstack([np.zeros_like(chances[0]), *chances])
    half = chance[-1] / 2
    after = np.minimum((chance < half).sum(axis=0), times.size - 1)
    before, column = np.maximum(after - 1, 0), np.arange(half.size)
    low, high = chance[before, column], chance[after, column]
    share = np.divide(half - low, high - low, out=np.full(half.size, np.nan), where=high > low)
    return times[before] + share * (times[after] - times[before])
