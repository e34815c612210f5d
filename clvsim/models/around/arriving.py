"""Newcomers where all buy by one clock: seasons, promotions, a trend. When somebody comes then makes a difference.

By the clock of the days ahead, which runs m times as fast as time, evenly between whole days. People come evenly within
their month.
"""

import numpy as np

from clvsim.models.laws import Births
from clvsim.special import exprel


def days_ahead(births: Births, horizons_days: np.ndarray) -> int:
    """Whole days from today on in which newcomers are followed."""
    return int(np.ceil(births.first_days.max() + births.spread_days + horizons_days.max())) + 1


def dropout_orders(
    daily: tuple[np.ndarray, ...], m: np.ndarray, births: Births, horizons_days: np.ndarray, force: float
) -> np.ndarray:
    """Orders of newcomers who stay at first and may leave after each order, (draw, arrival, horizon).

    `daily`: r, alpha in days, a, b of those who stay, each (draw,). `m` (draw, day) of the days ahead. `force` of the
    discount by own age, per day. Within a month of arrival a 12-point rule, right to about 1 in 10,000.
    """
    from clvsim.kernels.arriving import orders_of_arrivals  # compiled: not for those who only read the registry

    ran = np.ascontiguousarray(_clock(m))
    ages, starts = (np.array(v, np.float64) for v in (horizons_days, births.first_days))
    out = np.empty((len(m), starts.size, ages.size))
    orders_of_arrivals(*daily, ran, starts, float(births.spread_days), ages, force, out)
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
