"""Whether repeat orders come and go with the months of the year, told from their number by month, without a model.

Logs of the orders of known customers in each calendar month, per customer known by then and day, are regressed on a
cubic of time (customers age and leave), and a step where one says far more, with an effect of each month of the year
and without: a rate that halves at a new year looks like a season otherwise. The F test of these effects is by
generalised least squares: counts are Poisson, and shocks move months by an AR(1) whose autocorrelation is that of
`environment.autocorrelation` by default (Seber & Lee 2003, Linear Regression Analysis, sections 3.10 and 4.3).
Days of a silence in the log count for no month. docs/logs.md has error rates and power.
"""

from datetime import date
from typing import NamedTuple

import numpy as np

from clvsim.data.days import Days, silences
from clvsim.special import betainc, ndtri
from clvsim.types import TWO_YEARS_DAYS

_FEWEST_DAYS = 7  # of a month that is counted
_FEWEST_ORDERS = 100
_STEPS = 30
_SURE = 1.645  # one in 20, one-sided
_PHI, _SD = 0.5, 0.1  # autocorrelation and sd of monthly shocks
_FEWEST_ASIDE = 3  # months before a step, and after it
_SPARE = 5  # months beyond the number of coefficients
_STEP = 12.0  # F of the best step, beyond which it is believed: in fewer than one of ten logs without any
_TINY = 1e-300


class Season(NamedTuple):
    """`z`: normal where months of the year are alike, above 0 where they differ more than by chance. `month`, 1 to 12,
    has the most repeat orders, `times` those of a mean month."""

    z: float
    month: int
    times: float

    @property
    def sure(self) -> bool:
        """Whether months differ, as they do by chance in one log of 20."""
        return self.z > _SURE


def season_of(days: Days, first_date: date) -> Season | None:
    """The season in the repeat orders of a log that begins on `first_date`; None for less than two years."""
    again = days.day > days.first
    if days.length < TWO_YEARS_DAYS or again.sum() < _FEWEST_ORDERS:
        return None
    quiet = np.zeros(days.length + 1, bool)
    for start, end in silences(days):
        quiet[start:end] = True
    day = np.datetime64(first_date, "D") + np.arange(days.length + 1)
    number = day.astype("datetime64[M]").astype(np.int64)
    month = number - number[0]
    open_days = np.bincount(month[~quiet], minlength=month[-1] + 1)
    orders = np.bincount(month[days.day[again]], minlength=open_days.size).astype(np.float64)
    known = np.searchsorted(np.sort(days.first[~again]), np.arange(days.length + 1), side="right")
    exposure = np.bincount(month[~quiet], known[~quiet], open_days.size)
    return season_in(orders, np.maximum(exposure, 1.0), open_days >= _FEWEST_DAYS, int(number[0]))


def season_in(events: np.ndarray, exposure: np.ndarray, counted: np.ndarray, first_month: int) -> Season | None:
    """The season in events by month, (month,), against what they are proportional to, in the months that are `counted`;
    `first_month` is the number of the first one. None for too few of either."""
    if events[counted].sum() < _FEWEST_ORDERS:
        return None
    of_year = (np.arange(counted.size) + first_month)[counted] % 12
    curve = np.vander(np.linspace(-1.0, 1.0, counted.size), 4)[counted]
    orders, exposure = events[counted], exposure[counted]
    names, at = np.unique(of_year, return_inverse=True)
    if orders.size < curve.shape[1] - 1 + names.size + _SPARE:
        return None
    apart = np.abs(np.subtract.outer(np.flatnonzero(counted), np.flatnonzero(counted)))
    noise = _SD**2 * _PHI**apart + np.diag(1 / np.maximum(_smooth(orders, exposure, curve), 0.5))
    white = np.linalg.inv(np.linalg.cholesky(noise))
    target = white @ np.log((orders + 0.5) / exposure)
    months = np.eye(names.size)[at]  # which stand for the constant too
    curve = _with_step(curve, np.hstack([months, curve[:, :3]]), white, target)
    season = np.hstack([months, curve[:, :3], curve[:, 4:]])
    (_, without), (effects, rest) = (_least_squares(white @ columns, target) for columns in (curve, season))
    rank = int(np.linalg.matrix_rank(season))  # months and a line make a step after a whole year, too
    more, spare = rank - curve.shape[1], orders.size - rank
    chance = betainc(spare / 2, more / 2, rest / max(without, _TINY))  # of so large an F where months are alike
    height = np.exp(effects[: names.size])
    return Season(
        float(-ndtri(max(chance, _TINY))), int(names[height.argmax()]) + 1, float(height.max() / height.mean())
    )


def _with_step(curve: np.ndarray, season: np.ndarray, white: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The columns of a curve, and one of a step between two months where the best one says far more than chance, and
    more than a season does by its number of coefficients (BIC)."""
    size = target.size
    stepped = [np.column_stack([curve, np.arange(size) >= at]) for at in range(_FEWEST_ASIDE + 1, size - _FEWEST_ASIDE)]
    found = [_least_squares(white @ columns, target)[1] for columns in stepped]
    best = int(np.argmin(found))
    fall = _least_squares(white @ curve, target)[1] - found[best]
    more = season.shape[1] - curve.shape[1] - 2  # coefficients, the step's place among them
    of_season = max(_least_squares(white @ season, target)[1], _TINY) * size ** (more / size)
    sure = fall > _STEP * found[best] / (size - curve.shape[1] - 1) and found[best] < of_season
    return stepped[best] if sure else curve


def _least_squares(columns: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients, and the sum of squares that is left."""
    found = np.linalg.lstsq(columns, target, rcond=None)[0]
    left = target - columns @ found
    return found, float(left @ left)


def _smooth(counts: np.ndarray, exposure: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Expected counts of a Poisson regression on `columns`, by iterated weighted least squares."""
    offset, mean = np.log(exposure), counts + 0.5
    for _ in range(_STEPS):
        target = np.log(mean) - offset + (counts - mean) / mean
        root = np.sqrt(mean)
        beta = np.linalg.lstsq(columns * root[:, None], target * root, rcond=None)[0]
        mean = np.exp(np.clip(columns @ beta + offset, -30.0, 30.0))
    return mean
