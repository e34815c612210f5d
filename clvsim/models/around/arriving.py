"""Orders of newcomers by own age, in passes that share what a draw's ages have in common.

Where all buy by one clock (seasons, promotions, months) it makes a difference when somebody comes. The clock of the
days ahead runs m times as fast as time, evenly between whole days; people come evenly within their month.
"""

import numpy as np

from clvsim.models.laws import Births, Params
from clvsim.special import exprel


def days_ahead(births: Births, horizons_days: np.ndarray) -> int:
    """Whole days from today on in which newcomers are followed."""
    return int(np.ceil(births.first_days.max() + births.spread_days + horizons_days.max())) + 1


def dropout_orders(
    daily: tuple[np.ndarray, ...], m: np.ndarray, births: Births, horizons_days: np.ndarray, force: float
) -> np.ndarray:
    """Orders of newcomers who stay at first and may leave after each order, (draw, arrival, horizon).

    `daily`: r, alpha in days, a, b of those who stay, each (draw,). `m` (draw, day) of the days ahead. `force` of the
    discount by own age, per day. Within a month of arrival a rule of 12 points: where m changes there it leaves up to
    3 in 10,000 of the first month's orders.
    """
    from clvsim.kernels.arriving import BIRTH_NODES, BIRTH_WEIGHTS

    born = births.first_days[:, None] + births.spread_days * BIRTH_NODES
    return _dropout_orders(daily, _clock(m), born, BIRTH_WEIGHTS, horizons_days, force)


def dropout_orders_at_any_time(daily: tuple[np.ndarray, ...], horizons_days: np.ndarray, force: float) -> np.ndarray:
    """The same where the clock is that of the calendar and it does not matter when they come, (draw, 1, horizon)."""
    evenly = np.zeros((daily[0].size, 2))
    evenly[:, 1] = 1.0
    return _dropout_orders(daily, evenly, np.zeros((1, 1)), np.ones(1), horizons_days, force)


def _dropout_orders(
    daily: tuple[np.ndarray, ...],
    ran: np.ndarray,
    born: np.ndarray,
    weight: np.ndarray,
    horizons_days: np.ndarray,
    force: float,
) -> np.ndarray:
    from clvsim.kernels.arriving import orders_of_arrivals  # compiled: not for those who only read the registry

    ages = np.array(horizons_days, np.float64)
    out = np.empty((len(ran), len(born), ages.size))
    orders_of_arrivals(*daily, np.ascontiguousarray(ran), born, weight, ages, force, out)
    return out


def lifetime_orders(
    daily: tuple[np.ndarray, ...], m: np.ndarray, births: Births, horizons_days: np.ndarray, force: float
) -> np.ndarray:
    """Orders of newcomers who die by the calendar, whether they buy or not, (draw, arrival, horizon).

    `daily`: r, alpha in days, s, beta in days, each (draw,). The mean rate times the life in which the clock runs: the
    mean of m over arrivals is taken in the middle of each day of age, and the life within that day is exact.
    """
    r, alpha, s, beta = (v[:, None] for v in daily)
    ran = _clock(m)
    days = np.arange(int(np.ceil(horizons_days.max())) + 1)
    end = np.log1p(days / beta)
    lived = np.diff(beta * end * exprel((1 - s) * end), axis=1)
    middle = days[:-1] + 0.5
    lived = lived * np.exp(-force * middle)
    whole = horizons_days.astype(np.int64)
    part = np.minimum(whole, days.size - 2)
    out = np.empty((len(m), births.first_days.size, horizons_days.size))
    for arrival, first in enumerate(births.first_days):
        opened, closed = (_run_by(ran, day + middle) for day in (first, first + births.spread_days))
        worth = lived * (closed - opened) / births.spread_days
        total = _clock(worth)
        out[:, arrival] = total[:, whole] + worth[:, part] * (horizons_days - whole)
    return out * (r / alpha)[:, :, None]


def _clock(daily: np.ndarray) -> np.ndarray:
    """Sum up to the start of each day, and of the last one's end, (draw, day + 1)."""
    return np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, axis=1)], axis=1)


def _run_by(ran: np.ndarray, day: np.ndarray) -> np.ndarray:
    """The clock on days, not all of them whole, (draw, day)."""
    whole = np.minimum(day.astype(np.int64), ran.shape[1] - 2)
    return ran[:, whole] + (ran[:, whole + 1] - ran[:, whole]) * (day - whole)


def daily_of(params: Params, days_per_unit: float, *names: str) -> tuple[np.ndarray, ...]:
    """Parameters in days, each (draw,)."""
    scale = {"alpha": days_per_unit, "beta": days_per_unit}
    return tuple(np.ascontiguousarray(params[n], np.float64).reshape(-1) * scale.get(n, 1.0) for n in names)
