"""Whether repeat orders come and go with the months of the year, told from their number by month, without a model.

A season comes back. Orders of known customers in each calendar month, per customer known by then, are compared with a
smooth curve of time (customers age and leave), a cubic on the log scale by Poisson regression; the logs of what is left
are correlated from year to year. Of n pairs of months that only shocks move, an AR(1) whose autocorrelation phi is that
of `environment.autocorrelation` by default, the correlation has a standard error of sqrt((1 + phi^2) / (1 - phi^2) / n)
(Bartlett 1946, Journal of the Royal Statistical Society Supplement 8, 27-41).
"""

from datetime import date
from typing import NamedTuple

import numpy as np

from clvsim.data.days import Days

_FEWEST_MONTHS = 24  # whole ones: no wave of a year is told from ageing before it comes back
_FEWEST_ORDERS = 100
_STEPS = 30
_SURE = 1.645  # one in 20, one-sided
_PHI = 0.5  # autocorrelation of monthly shocks


class Season(NamedTuple):
    """`z` of months that come back from year to year. `month`, 1 to 12, has the most repeat orders over the last whole
    years, `times` those of a mean month."""

    z: float
    month: int
    times: float

    @property
    def sure(self) -> bool:
        """Whether months differ, as they do by chance in one log of 20."""
        return self.z > _SURE


def season_of(days: Days, first_date: date) -> Season | None:
    """The season in the repeat orders of a log that begins on `first_date`; None for less than two years."""
    start, month = np.datetime64(first_date, "D"), np.timedelta64(1, "M")
    end = start + np.timedelta64(days.length + 1, "D")
    months = np.arange(start.astype("datetime64[M]") + month, end.astype("datetime64[M]") + month)
    edges = (months.astype("datetime64[D]") - start).astype(np.int64)
    again = days.day > days.first
    orders = np.histogram(days.day[again], edges - 0.5)[0].astype(np.float64)
    n = orders.size
    if n < _FEWEST_MONTHS or orders.sum() < _FEWEST_ORDERS:
        return None
    known = np.searchsorted(np.sort(days.first[~again]), (edges[:-1] + edges[1:]) / 2)
    curve = _smooth(orders, np.maximum(known, 1) * np.diff(edges))
    left = np.log((orders + 0.5) / (curve + 0.5))
    left -= left.mean()
    correlation = left[12:] @ left[:-12] / (left @ left) * n / (n - 12)
    z = correlation / np.sqrt((1 + _PHI**2) / (1 - _PHI**2) / (n - 12))
    whole_years = slice(n % 12, None)
    of_year = np.bincount(months[:-1].astype(np.int64)[whole_years] % 12, orders[whole_years], 12)
    return Season(float(z), int(of_year.argmax()) + 1, float(of_year.max() / of_year.mean()))


def _smooth(counts: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Expected counts of a Poisson regression on a cubic of time, by iterated weighted least squares."""
    columns = np.vander(np.linspace(-1.0, 1.0, counts.size), 4)
    offset, mean = np.log(exposure), counts + 0.5
    for _ in range(_STEPS):
        target = np.log(mean) - offset + (counts - mean) / mean
        root = np.sqrt(mean)
        beta = np.linalg.lstsq(columns * root[:, None], target * root, rcond=None)[0]
        mean = np.exp(np.clip(columns @ beta + offset, -30.0, 30.0))
    return mean
