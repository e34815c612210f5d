"""Logs made up from a model's own story with known parameters, for recovery and demonstrations.

Plain NumPy, straight from the papers' stories: nothing is shared with the simulator, so that recovering the parameters
means something. One person's clock starts at the middle of the day of the first order; orders are kept by the day, so
several of one day become one.
"""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvsim.data.config import DataConfig, SyntheticConfig
from clvsim.data.material import Material, material_of_log
from clvsim.data.read import read_transactions
from clvsim.types import DAYS_PER_UNIT

if TYPE_CHECKING:
    from clvsim.data.log import TransactionLog


class Calendar(NamedTuple):
    """Days since the start: `edge` (k,), and the season's integral up to them, so that busy times run faster."""

    edge: np.ndarray
    passed: np.ndarray

    def busy(self, day: np.ndarray) -> np.ndarray:
        return np.interp(day, self.edge, self.passed)

    def day(self, busy: np.ndarray) -> np.ndarray:
        """Infinity beyond the end."""
        return np.where(busy < self.passed[-1], np.interp(busy, self.passed, self.edge), np.inf)


class People(NamedTuple):
    """Who is simulated, each (customer,): day of the first order, factor of the order rate."""

    born: np.ndarray
    factor: np.ndarray


# From parameters, people, calendar, days per unit of time and random numbers to repeat orders: (customer, day) pairs.
Story = Callable[[dict[str, float], People, Calendar, float, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def make_log(config: SyntheticConfig) -> pd.DataFrame:
    """Columns customer_id, date, amount, segment; one row per order, the same for the same configuration."""
    rng = np.random.default_rng(config.seed)
    start = np.datetime64(config.start.isoformat())
    n = config.customers
    segment = rng.integers(0, len(config.segments), n) if config.segments else np.zeros(n, np.int64)
    factors = np.array(list(config.segments.values()) or [1.0])
    people = People(rng.integers(0, config.acquisition_days, n) + 0.5, factors[segment])
    calendar = _calendar(start, config.span_days, config.season)
    who, day = STORIES[config.model](known(config), people, calendar, DAYS_PER_UNIT[config.time_unit], rng)
    who, day = np.concatenate([np.arange(n), who]), np.concatenate([people.born, day])
    nu = rng.gamma(config.spend.q, 1 / config.spend.gamma, n)
    amount = rng.gamma(config.spend.p, 1 / nu[who])
    amount[:n] *= config.spend.first_order_factor
    names = np.array(list(config.segments) or [""], dtype=object)
    width = len(str(n))
    frame = pd.DataFrame(
        {
            "customer_id": [f"s{i + 1:0{width}d}" for i in who],
            "date": start + np.floor(day).astype("timedelta64[D]"),
            "amount": np.maximum(amount.round(2), 0.01),
            "segment": names[segment[who]],
        }
    )
    return frame.sort_values(["customer_id", "date", "amount"], ignore_index=True)


def read_synthetic(config: SyntheticConfig) -> "TransactionLog":
    """The made-up log, read like any other."""
    section = DataConfig(
        customer_id="customer_id",
        date="date",
        amount="amount",
        channel="",
        segment="segment" if config.segments else "",
        time_unit=config.time_unit,
        calibration_end=config.calibration_end,
    )
    return read_transactions(make_log(config), section, today_date=config.start + dt.timedelta(days=config.span_days))


def synthetic_material(config: SyntheticConfig, opportunity_days: float = 0.0) -> Material:
    """The made-up log's customers, and the sentence that says so."""
    values = ", ".join(f"{name} {value:g}" for name, value in known(config).items())
    sentence = (
        f"The orders of {config.customers:,} customers were drawn from {config.model} with known parameters ({values}; "
        f"times in {config.time_unit}s; seed {config.seed})."
    )
    return material_of_log(read_synthetic(config), opportunity_days)._replace(synthetic=sentence)


def known(config: SyntheticConfig) -> dict[str, float]:
    """All parameters of the model, those that were left out too."""
    return {name: value for name, value in config.parameters.items() if value is not None}


def _calendar(start: np.datetime64, days: int, season: tuple[float, ...]) -> Calendar:
    dates = start + np.arange(days)
    speed = np.array(season)[dates.astype("datetime64[M]").astype(int) % 12] if season else np.ones(days)
    return Calendar(np.arange(days + 1.0), np.concatenate([[0.0], np.cumsum(speed)]))


def _orders(
    rate: np.ndarray, people: People, calendar: Calendar, last: np.ndarray, leaves: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson orders at `rate` per busy day up to the day `last`; after each, gone with probability `leaves`."""
    busy = calendar.busy(people.born)
    alive = np.flatnonzero(rate > 0)
    who, days = [np.zeros(0, np.int64)], [np.zeros(0)]
    while alive.size:
        busy[alive] += rng.exponential(size=alive.size) / (rate[alive] * people.factor[alive])
        day = calendar.day(busy[alive])
        orders = day < last[alive]
        alive, day = alive[orders], day[orders]
        who.append(alive)
        days.append(day)
        alive = alive[rng.random(alive.size) >= leaves[alive]]
    return np.concatenate(who), np.concatenate(days)


def _bg_nbd(
    given: dict[str, float],
    people: People,
    calendar: Calendar,
    unit: float,
    rng: np.random.Generator,
    born: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), p ~ Beta(a, b): gone with p after each repeat order; `born`: after the first one too."""
    n = people.born.size
    rate = rng.gamma(given["r"], 1 / (given["alpha"] * unit), n)
    leaves = rng.beta(given["a"], given["b"], n)
    if born:
        rate = np.where(rng.random(n) < leaves, 0.0, rate)
    return _orders(rate, people, calendar, np.full(n, np.inf), leaves, rng)


def _mbg_nbd(
    given: dict[str, float], people: People, calendar: Calendar, unit: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return _bg_nbd(given, people, calendar, unit, rng, born=True)


def _pareto_nbd(
    given: dict[str, float], people: People, calendar: Calendar, unit: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), death rate ~ Gamma(s, beta): death comes with calendar time, whatever the season."""
    n = people.born.size
    rate = rng.gamma(given["r"], 1 / (given["alpha"] * unit), n)
    mu = rng.gamma(given["s"], 1 / (given["beta"] * unit), n)
    with np.errstate(divide="ignore"):
        death = people.born + rng.exponential(size=n) / mu
    return _orders(rate, people, calendar, death, np.zeros(n), rng)


STORIES: dict[str, Story] = {"bg_nbd": _bg_nbd, "mbg_nbd": _mbg_nbd, "pareto_nbd": _pareto_nbd}
