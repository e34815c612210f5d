"""Logs made up from a model's own story with known parameters, for recovery and demonstrations.

Plain NumPy, straight from the papers' stories: nothing is shared with the simulator, so that recovering the parameters
means something. One person's clock starts at the middle of the day of the first order; orders are kept by the day, so
several of one day become one. Opportunities and renewals fall on the last whole day of each interval after the first
order.
"""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvsim.data.config import GENERATED, RATE, DataConfig, SyntheticConfig
from clvsim.data.material import Material, material_of_log
from clvsim.data.read import read_transactions
from clvsim.types import DAYS_PER_UNIT

if TYPE_CHECKING:
    from clvsim.data.log import TransactionLog

_SEGMENTS_SAID = 4


class Calendar(NamedTuple):
    """Days since the start: `edge` (k,), and the season's integral up to them, so that busy times run faster."""

    edge: np.ndarray
    passed: np.ndarray
    interval_days: float  # between opportunities or renewals

    def busy(self, day: np.ndarray) -> np.ndarray:
        return np.interp(day, self.edge, self.passed)

    def day(self, busy: np.ndarray) -> np.ndarray:
        """Infinity beyond the end."""
        return np.where(busy < self.passed[-1], np.interp(busy, self.passed, self.edge), np.inf)


class People(NamedTuple):
    """Who is simulated: day of the first order, and the model's parameters, those of time in days, each (customer,)."""

    born: np.ndarray
    given: dict[str, np.ndarray]


# From people, calendar and random numbers to repeat orders: (customer, day) pairs.
Story = Callable[[People, Calendar, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def make_log(config: SyntheticConfig) -> pd.DataFrame:
    """Columns customer_id, date, amount, segment; one row per order, the same for the same configuration."""
    rng = np.random.default_rng(config.seed)
    start = np.datetime64(config.start.isoformat())
    n = config.customers
    segment = rng.integers(0, len(config.segments), n) if config.segments else np.zeros(n, np.int64)
    by_segment = [in_days(config, own) for own in config.segments.values()] or [in_days(config, {})]
    given = {name: np.array([some[name] for some in by_segment])[segment] for name in by_segment[0]}
    people = People(rng.integers(0, config.acquisition_days, n) + 0.5, given)
    who, day = STORIES[config.model](people, _calendar(start, config), rng)
    who, day = np.concatenate([np.arange(n), who]), np.concatenate([people.born, day])
    nu = rng.gamma(config.spend.q, 1 / config.spend.gamma, n)
    amount = rng.gamma(config.spend.p, 1 / nu[who]) if config.amounts_vary else config.spend.p / nu[who]
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
    material = material_of_log(read_synthetic(config), opportunity_days)
    return material._replace(synthetic=_sentence(config))


def _sentence(config: SyntheticConfig) -> str:
    def listed(values: dict[str, float]) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in values.items()) or "the same"

    said = [listed(known(config))]
    if GENERATED[config.model].times:
        said.append(f"times in {config.time_unit}s")
    if config.by_interval:
        said.append(f"{config.interval_days:g} days between {'renewals' if config.renewing else 'opportunities'}")
    if len(config.segments) <= _SEGMENTS_SAID:
        said += [f"segment {name}: {listed(own)}" for name, own in config.segments.items()]
    else:
        said.append(f"{len(config.segments)} segments with parameters of their own")
    if config.season:
        said.append(f"order rate by month {listed(dict(zip(_MONTHS, config.season, strict=True)))}")
    return (
        f"The orders of {config.customers:,} customers were drawn from {config.model} with known parameters "
        f"({'; '.join(said)}; seed {config.seed})."
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def known(config: SyntheticConfig) -> dict[str, float]:
    """All parameters of the model, those that were left out too."""
    return {name: value for name, value in config.parameters.items() if value is not None}


def in_days(config: SyntheticConfig, own: dict[str, float]) -> dict[str, float]:
    """The model's parameters with a segment's own ones, times in days: an order rate is 1 / alpha."""
    times, unit = GENERATED[config.model].times, DAYS_PER_UNIT[config.time_unit]
    values = {**known(config), **{name: value for name, value in own.items() if name != RATE}}
    days = {name: value * (unit if name in times else 1.0) for name, value in values.items()}
    return {**days, "alpha": days["alpha"] / own[RATE]} if RATE in own else days


def _calendar(start: np.datetime64, config: SyntheticConfig) -> Calendar:
    days, season = config.span_days, config.season
    dates = start + np.arange(days)
    speed = np.array(season)[dates.astype("datetime64[M]").astype(int) % 12] if season else np.ones(days)
    return Calendar(np.arange(days + 1.0), np.concatenate([[0.0], np.cumsum(speed)]), config.interval_days)


# --- orders at any time -----------------------------------------------------------------------------------------------


def _orders(
    rate: np.ndarray,
    stages: np.ndarray,
    people: People,
    calendar: Calendar,
    last: np.ndarray,
    leaves: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Orders after gaps ~ Gamma(stages, `rate` per busy day) up to the day `last`; gone after each with `leaves`."""
    busy = calendar.busy(people.born)
    alive = np.flatnonzero(rate > 0)
    who, days = [np.zeros(0, np.int64)], [np.zeros(0)]
    while alive.size:
        busy[alive] += rng.standard_gamma(stages[alive]) / rate[alive]
        day = calendar.day(busy[alive])
        orders = day < last[alive]
        alive, day = alive[orders], day[orders]
        who.append(alive)
        days.append(day)
        alive = alive[rng.random(alive.size) >= leaves[alive]]
    return np.concatenate(who), np.concatenate(days)


def _bg(
    people: People, calendar: Calendar, rng: np.random.Generator, born: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), p ~ Beta(a, b): gone with p after each repeat order; `born`: after the first one too.

    Gaps are of k stages where the model has them.
    """
    given, n = people.given, people.born.size
    rate = rng.gamma(given["r"], 1 / given["alpha"])
    leaves = rng.beta(given["a"], given["b"])
    if born:
        rate = np.where(rng.random(n) < leaves, 0.0, rate)
    return _orders(rate, given.get("k", np.ones(n)), people, calendar, np.full(n, np.inf), leaves, rng)


def _mbg(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _bg(people, calendar, rng, born=True)


def _pareto_nbd(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), death rate ~ Gamma(s, beta): death comes with calendar time, whatever the season."""
    given, n = people.given, people.born.size
    rate = rng.gamma(given["r"], 1 / given["alpha"])
    mu = rng.gamma(given["s"], 1 / given["beta"])
    with np.errstate(divide="ignore"):
        death = people.born + rng.exponential(size=n) / mu
    return _orders(rate, np.ones(n), people, calendar, death, np.zeros(n), rng)


# --- orders at opportunities ------------------------------------------------------------------------------------------


def _passed(people: People, calendar: Calendar) -> np.ndarray:
    """Opportunities within the log, (customer,): the j-th lies floor(j intervals) days after the first order."""
    return np.floor((calendar.edge[-1] - np.floor(people.born)) / calendar.interval_days).astype(np.int64)


def _bg_bb(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """p ~ Beta(alpha, beta), theta ~ Beta(gamma, delta): gone with theta before each opportunity, buys there with p."""
    given = people.given
    buys, leaves = rng.beta(given["alpha"], given["beta"]), rng.beta(given["gamma"], given["delta"])
    passed = _passed(people, calendar)
    alive = np.arange(passed.size)
    who, days = [np.zeros(0, np.int64)], [np.zeros(0)]
    for j in range(1, int(passed.max()) + 1):
        alive = alive[(passed[alive] >= j) & (rng.random(alive.size) >= leaves[alive])]
        buyers = alive[rng.random(alive.size) < buys[alive]]
        who.append(buyers)
        days.append(people.born[buyers] + np.floor(j * calendar.interval_days))
    return _within(np.concatenate(who), np.concatenate(days), calendar)


def _contracts(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """theta ~ Beta(gamma, delta), at least n renewals with (1 - theta)^(n^c); sBG is Beta(alpha, beta) and c = 1."""
    given, n = people.given, people.born.size
    theta = rng.beta(*(given[name] for name in (("gamma", "delta") if "gamma" in given else ("alpha", "beta"))))
    c = given.get("c", np.ones(n))
    with np.errstate(divide="ignore"):
        lasts = (rng.exponential(size=n) / -np.log1p(-theta)) ** (1 / c)
    renewals = np.minimum(np.floor(lasts), _passed(people, calendar)).astype(np.int64)
    who = np.repeat(np.arange(n), renewals)
    nth = np.arange(who.size) - np.repeat(np.cumsum(renewals) - renewals, renewals) + 1
    return _within(who, people.born[who] + np.floor(nth * calendar.interval_days), calendar)


def _within(who: np.ndarray, day: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    """Orders before the end of the log."""
    inside = day < calendar.edge[-1]
    return who[inside], day[inside]


STORIES: dict[str, Story] = {
    "bg_nbd": _bg,
    "mbg_nbd": _mbg,
    "pareto_nbd": _pareto_nbd,
    "bg_cnbd": _bg,
    "mbg_cnbd": _mbg,
    "bg_bb": _bg_bb,
    "sbg": _contracts,
    "bdw": _contracts,
}
