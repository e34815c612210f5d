"""Logs drawn from a model with known parameters, for tests of parameter recovery and for demonstrations.

Plain NumPy, written from the assumptions of the papers: no code is shared with the simulator, so that recovering the
parameters is a test of both. A customer's clock starts in the middle of the day of the first order; orders have a day
and no hour, so several on one day become one. Opportunities fall on the last whole day of each interval after the first
order, renewals on the same day of a later month, or of a later week.
"""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvsim.anniversaries import MONTHS_OF, Anchor, anchor_of, day_number, due_on, fallen_due
from clvsim.data.config import RATE, SYNTHETIC_MODELS, DataConfig, SyntheticConfig
from clvsim.data.material import Material, material_of_log
from clvsim.data.read import read_transactions
from clvsim.data.so_far import Span
from clvsim.types import DAYS_PER_UNIT, SharedPeriods

if TYPE_CHECKING:
    from clvsim.data.log import TransactionLog

_SEGMENTS_LISTED = 4


class Calendar(NamedTuple):
    """Time of the order process. In a season of multiplier m, `busy_time` runs m times as fast as the calendar."""

    edge: np.ndarray  # days since the start, (day + 1,)
    busy_time: np.ndarray  # the season's integral up to each edge, in days, (day + 1,)
    interval_days: float  # between opportunities or renewals
    start: int  # day number
    months: int  # between renewals that fall due by the calendar; 0: every so many days

    def busy(self, day: np.ndarray) -> np.ndarray:
        """Busy time of a day since the start."""
        return np.interp(day, self.edge, self.busy_time)

    def day(self, busy: np.ndarray) -> np.ndarray:
        """The day since the start of a busy time; infinity beyond the end of the log."""
        return np.where(busy < self.busy_time[-1], np.interp(busy, self.busy_time, self.edge), np.inf)


class People(NamedTuple):
    """Customers: day of the first order since the start, and the model's parameters, times in days; all (customer,)."""

    first_order_day: np.ndarray
    parameters: dict[str, np.ndarray]


# From people, calendar and random numbers to repeat orders: arrays of the customer's row and of the day.
Story = Callable[[People, Calendar, np.random.Generator], tuple[np.ndarray, np.ndarray]]


def make_log(config: SyntheticConfig) -> pd.DataFrame:
    """Draw a log: a row per order with customer_id, date, amount and segment. Equal configurations draw equal logs."""
    rng = np.random.default_rng(config.seed)
    start = np.datetime64(config.start.isoformat())
    n = config.customers
    segment = rng.integers(0, len(config.segments), n) if config.segments else np.zeros(n, np.int64)
    by_segment = [parameters_in_days(config, own) for own in list(config.segments.values()) or [{}]]
    parameters = {name: np.array([values[name] for values in by_segment])[segment] for name in by_segment[0]}
    people = People(rng.integers(0, config.acquisition_days, n) + 0.5, parameters)
    customer, day = STORIES[config.model](people, _calendar(start, config), rng)
    customer, day = np.concatenate([np.arange(n), customer]), np.concatenate([people.first_order_day, day])
    nu = rng.gamma(config.spend.q, 1 / config.spend.gamma, n)
    amount = rng.gamma(config.spend.p, 1 / nu[customer]) if config.amounts_vary else config.spend.p / nu[customer]
    amount[:n] *= config.spend.first_order_factor
    names = np.array(list(config.segments) or [""], dtype=object)
    width = len(str(n))
    frame = pd.DataFrame(
        {
            "customer_id": [f"s{i + 1:0{width}d}" for i in customer],
            "date": start + np.floor(day).astype("timedelta64[D]"),
            "amount": np.maximum(amount.round(2), 0.01),
            "segment": names[segment[customer]],
        }
    )
    return frame.sort_values(["customer_id", "date", "amount"], ignore_index=True)


def read_synthetic(config: SyntheticConfig) -> "TransactionLog":
    """Draw a log, and read it as a user's log is read."""
    section = DataConfig(
        customer_id="customer_id",
        date="date",
        amount="amount",
        channel="",
        segment="segment" if config.segments else "",
        time_unit=config.time_unit,
        today=config.today,
        calibration_end=config.calibration_end,
    )
    return read_transactions(make_log(config), section, today_date=config.start + dt.timedelta(days=config.span_days))


def synthetic_material(
    config: SyntheticConfig,
    opportunity_days: float | SharedPeriods = 0.0,
    interval_days: float = 0.0,
    *,
    brief: bool = False,
    span: Span | None = None,
) -> Material:
    """The customers of a drawn log, with the sentence by which the report says how it was drawn."""
    material = material_of_log(read_synthetic(config), opportunity_days, interval_days, brief=brief, span=span)
    short = material.short and material.short._replace(label="made-up data")
    return material._replace(synthetic=_sentence(config), short=short)


def _sentence(config: SyntheticConfig) -> str:
    def listed(values: dict[str, float]) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in values.items()) or "the same"

    phrases = [listed(model_parameters(config))]
    if SYNTHETIC_MODELS[config.model].times:
        phrases.append(f"times in {config.time_unit}s")
    if config.by_interval:
        phrases.append(f"{config.interval_days:g} days between {'renewals' if config.renewing else 'opportunities'}")
    if len(config.segments) <= _SEGMENTS_LISTED:
        phrases += [f"segment {name}: {listed(segment)}" for name, segment in config.segments.items()]
    else:
        phrases.append(f"{len(config.segments)} segments with parameters of their own")
    if config.season:
        phrases.append(f"order rate by month {listed(dict(zip(_MONTHS, config.season, strict=True)))}")
    return (
        f"The orders of {config.customers:,} customers were drawn from {config.model} with known parameters "
        f"({'; '.join(phrases)}; seed {config.seed})."
    )


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def model_parameters(config: SyntheticConfig) -> dict[str, float]:
    """All parameters of the model; the section has filled in those that the user left out."""
    return {name: value for name, value in config.parameters.items() if value is not None}


def parameters_in_days(config: SyntheticConfig, segment: dict[str, float]) -> dict[str, float]:
    """The model's parameters, or those of a segment in their place, times in days. `rate` divides alpha."""
    times, unit = SYNTHETIC_MODELS[config.model].times, DAYS_PER_UNIT[config.time_unit]
    values = {**model_parameters(config), **{name: value for name, value in segment.items() if name != RATE}}
    days = {name: value * (unit if name in times else 1.0) for name, value in values.items()}
    return {**days, "alpha": days["alpha"] / segment[RATE]} if RATE in segment else days


def _calendar(start: np.datetime64, config: SyntheticConfig) -> Calendar:
    days, season = config.span_days, config.season
    months = MONTHS_OF.get(config.renewal, 0) if config.renewing else 0
    dates = start + np.arange(days)
    speed = np.array(season)[dates.astype("datetime64[M]").astype(int) % 12] if season else np.ones(days)
    busy = np.concatenate([[0.0], np.cumsum(speed)])
    return Calendar(np.arange(days + 1.0), busy, config.interval_days, day_number(config.start), months)


# --- orders at any time -----------------------------------------------------------------------------------------------


def _orders(
    rate: np.ndarray,
    stages: np.ndarray,
    people: People,
    calendar: Calendar,
    last: np.ndarray,
    dropout: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Orders after gaps ~ Gamma(stages, `rate` per busy day) before the day `last`.

    After each, the customer leaves with probability `dropout`. All arrays are (customer,).
    """
    busy = calendar.busy(people.first_order_day)
    active = np.flatnonzero(rate > 0)
    customer, days = [np.zeros(0, np.int64)], [np.zeros(0)]
    while active.size:
        busy[active] += rng.standard_gamma(stages[active]) / rate[active]
        day = calendar.day(busy[active])
        orders = day < last[active]
        active, day = active[orders], day[orders]
        customer.append(active)
        days.append(day)
        active = active[rng.random(active.size) >= dropout[active]]
    return np.concatenate(customer), np.concatenate(days)


def _bg(
    people: People, calendar: Calendar, rng: np.random.Generator, lost_after_first: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), p ~ Beta(a, b): customers leave with probability p after each repeat order.

    With `lost_after_first` also after the first order. Gaps have k stages where the model has that parameter.
    """
    parameters, n = people.parameters, people.first_order_day.size
    rate = rng.gamma(parameters["r"], 1 / parameters["alpha"])
    dropout = rng.beta(parameters["a"], parameters["b"])
    if lost_after_first:
        rate = np.where(rng.random(n) < dropout, 0.0, rate)
    return _orders(rate, parameters.get("k", np.ones(n)), people, calendar, np.full(n, np.inf), dropout, rng)


def _mbg(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return _bg(people, calendar, rng, lost_after_first=True)


def _pareto_nbd(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rate ~ Gamma(r, alpha), death rate ~ Gamma(s, beta): death comes in calendar time, whatever the season."""
    parameters, n = people.parameters, people.first_order_day.size
    rate = rng.gamma(parameters["r"], 1 / parameters["alpha"])
    mu = rng.gamma(parameters["s"], 1 / parameters["beta"])
    with np.errstate(divide="ignore"):
        death = people.first_order_day + rng.exponential(size=n) / mu
    return _orders(rate, np.ones(n), people, calendar, death, np.zeros(n), rng)


# --- orders at opportunities ------------------------------------------------------------------------------------------


def _count_intervals(people: People, calendar: Calendar) -> np.ndarray:
    """Intervals that end within the log, (customer,): the j-th ends floor(j intervals) days after the first order."""
    return np.floor((calendar.edge[-1] - np.floor(people.first_order_day)) / calendar.interval_days).astype(np.int64)


def _bg_bb(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BG/BB: p ~ Beta(alpha, beta), theta ~ Beta(gamma, delta).

    Before each opportunity the customer leaves with probability theta, else orders there with probability p.
    """
    parameters = people.parameters
    purchase = rng.beta(parameters["alpha"], parameters["beta"])
    dropout = rng.beta(parameters["gamma"], parameters["delta"])
    intervals = _count_intervals(people, calendar)
    active = np.arange(intervals.size)
    customer, days = [np.zeros(0, np.int64)], [np.zeros(0)]
    for j in range(1, int(intervals.max()) + 1):
        active = active[(intervals[active] >= j) & (rng.random(active.size) >= dropout[active])]
        buyers = active[rng.random(active.size) < purchase[active]]
        customer.append(buyers)
        days.append(people.first_order_day[buyers] + np.floor(j * calendar.interval_days))
    return _within(np.concatenate(customer), np.concatenate(days), calendar)


def _contracts(people: People, calendar: Calendar, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """BdW: theta ~ Beta(gamma, delta), P(at least n renewals) = (1 - theta)^(n^c); sBG: Beta(alpha, beta), c = 1."""
    parameters, n = people.parameters, people.first_order_day.size
    shapes = ("gamma", "delta") if "gamma" in parameters else ("alpha", "beta")
    theta = rng.beta(*(parameters[name] for name in shapes))
    c = parameters.get("c", np.ones(n))
    with np.errstate(divide="ignore"):
        periods = (rng.exponential(size=n) / -np.log1p(-theta)) ** (1 / c)
    first = calendar.start + np.floor(people.first_order_day).astype(np.int64)
    last = np.full(n, calendar.start + int(calendar.edge[-1]) - 1)
    by_calendar, anchor = calendar.months > 0, anchor_of(first, first)
    due = fallen_due(anchor, calendar.months, last) if by_calendar else _count_intervals(people, calendar)
    renewals = np.minimum(np.floor(periods), due).astype(np.int64)
    customer = np.repeat(np.arange(n), renewals)
    nth = np.arange(customer.size) - np.repeat(np.cumsum(renewals) - renewals, renewals) + 1
    if by_calendar:
        own = Anchor(*(part[customer] for part in anchor))
        after = due_on(own, nth * calendar.months) - first[customer]
    else:
        after = np.floor(nth * calendar.interval_days)
    return _within(customer, people.first_order_day[customer] + after, calendar)


def _within(customer: np.ndarray, day: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    """The orders that lie before the end of the log."""
    inside = day < calendar.edge[-1]
    return customer[inside], day[inside]


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
