"""Shops made up day by day from the story of BG/NBD, with what shops have beside it: launches, seasons, new ids."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd

START = np.datetime64("2019-01-01", "D")
Rate = Callable[[np.ndarray], np.ndarray]


def steady(day: np.ndarray) -> np.ndarray:
    return np.ones(day.size)


def december(times: float) -> Rate:
    """A rate that is so many times as high in Decembers."""

    def rate(day: np.ndarray) -> np.ndarray:
        month = (START + day.astype(np.int64)).astype("datetime64[M]").astype(np.int64) % 12
        return np.where(month == 11, times, 1.0)

    return rate


def shop(
    seed: int,
    days: int,
    *,
    a_day: float = 1.0,
    arrivals: Rate = steady,
    pace: Rate = steady,
    mean_gap: float = 40.0,
    shape: float = 1.5,
    leave: tuple[float, float] = (1.0, 4.0),
    stages: int = 1,
) -> pd.DataFrame:
    """Orders by `customer_id` (a number, in the order of arrival) and `day` since `START`, both integers; one a day.

    First orders come `a_day` times `arrivals` a day; then gaps of so many stages, with rates Gamma(shape) of mean
    1 / `mean_gap`, by a clock that runs at `pace`; customers leave after a repeat order with a chance of Beta(`leave`).
    """
    rng = np.random.default_rng(seed)
    clock = np.concatenate([[0.0], np.cumsum(pace(np.arange(days)))])
    first = np.repeat(np.arange(days), rng.poisson(a_day * arrivals(np.arange(days)))) + 0.5
    rate = rng.gamma(shape, 1 / (shape * mean_gap), first.size)
    p = rng.beta(*leave, first.size)
    who, when = [np.arange(first.size)], [first]
    there, at = np.arange(first.size), np.interp(first, np.arange(days + 1), clock)
    while there.size:
        at = at + rng.gamma(stages, 1 / (stages * rate[there]))
        inside = at < clock[-1]
        there, at = there[inside], at[inside]
        who.append(there)
        when.append(np.interp(at, clock, np.arange(days + 1)))
        stays = rng.random(there.size) >= p[there]
        there, at = there[stays], at[stays]
    frame = pd.DataFrame({"customer_id": np.concatenate(who), "day": np.concatenate(when).astype(np.int64)})
    return frame.drop_duplicates().sort_values(["customer_id", "day"], ignore_index=True)


def as_log(frame: pd.DataFrame, amount: float = 20.0) -> pd.DataFrame:
    """With dates and amounts, as a log is read."""
    dates = START + frame["day"].to_numpy()
    ids = frame["customer_id"].map("c{:05d}".format)
    return pd.DataFrame({"customer_id": ids, "date": dates.astype(str), "amount": amount})


def on(day: int) -> date:
    """The date of a day of the shop."""
    return (START + np.timedelta64(day, "D")).astype(object)
