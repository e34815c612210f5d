"""When interventions run: by months or dates, against the time that a run simulates."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.schema import Day, Frozen, Months, Real
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK


def in_weeks(months: np.ndarray | float) -> np.ndarray | float:
    """Weeks since today at times in months."""
    return months * DAYS_PER_MONTH / DAYS_PER_WEEK


@dataclass(frozen=True)
class Period:
    """Months since the end of today in which a mechanism acts; its strength grows linearly over the ramp, and then
    halves in each half-life.

    A mechanism that began before today has a negative `start_month`.
    """

    start_month: float = 0.0
    end_month: float = np.inf
    ramp_months: float = 0.0
    half_life_months: float = np.inf

    def strength(self, months: np.ndarray) -> np.ndarray:
        """0 outside the period, at most 1 inside; at times `months` (n,) since today."""
        strength = np.ones_like(months)
        if self.ramp_months > 0:
            strength = np.clip(months - self.start_month, 0.0, self.ramp_months) / self.ramp_months
        if self.half_life_months < np.inf:
            grown = np.maximum(months - self.start_month - self.ramp_months, 0.0)
            strength = strength * 0.5 ** (grown / self.half_life_months)
        return np.where((months >= self.start_month) & (months < self.end_month), strength, 0.0)

    def until(self, month: float) -> "Period":
        """The same, over by that month."""
        return replace(self, end_month=min(self.end_month, month))

    def weekly(self, weeks: int) -> np.ndarray:
        """Strength in each week since today, at the middle of the week, shape (weeks,)."""
        return self.strength((np.arange(weeks) + 0.5) * DAYS_PER_WEEK / DAYS_PER_MONTH)


class When(Frozen):
    """When an intervention runs, by months since today or by dates; its effect grows linearly over the ramp, and wears
    off with the half-life.

    It runs on both dates. Without a start it runs from the first simulated day, which is the day after today; without
    an end it runs on.
    """

    start_month: Months | None = None
    end_month: Annotated[Real, Field(gt=0, le=10_000)] | None = None
    start_date: Day | None = None
    end_date: Day | None = None
    ramp_months: Months = 0.0
    half_life_months: Annotated[Real, Field(ge=0.1, le=10_000)] | None = None

    @model_validator(mode="after")
    def ordered(self) -> "When":
        """Refuse ends that are given twice, or whose order is wrong as far as it shows without today's date."""
        errors = [
            f"{month} and {day} exclude each other; give one of them"
            for month, day in (("start_month", "start_date"), ("end_month", "end_date"))
            if getattr(self, month) is not None and getattr(self, day) is not None
        ]
        start = self.start_month or 0.0
        if self.end_month is not None and self.start_date is None and self.end_month <= start:
            errors.append(f"end_month must lie after start_month {start:g}")
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            errors.append(f"end_date must not lie before start_date {self.start_date}, got {self.end_date}")
        if errors:
            raise ValueError("; ".join(errors))
        return self

    @property
    def always(self) -> bool:
        """Whether it equals the default: all the time, at full strength from the start."""
        ends = (self.start_month or None, self.end_month, self.start_date, self.end_date)
        return not self.varies and all(end is None for end in ends)

    @property
    def varies(self) -> bool:
        """Whether its strength changes while it runs."""
        return self.ramp_months > 0 or self.half_life_months is not None

    def period(self, today: date) -> Period:
        """The period in months since the end of today."""
        start, end = self.start_month or 0.0, np.inf if self.end_month is None else self.end_month
        if self.start_date is not None:
            start = ((self.start_date - today).days - 1) / DAYS_PER_MONTH
        if self.end_date is not None:
            end = (self.end_date - today).days / DAYS_PER_MONTH
        return Period(start, end, self.ramp_months, self.half_life_months or np.inf)

    def __str__(self) -> str:
        words = []
        if self.start_month:
            words.append(f"from month {self.start_month:g}")
        if self.start_date is not None:
            words.append(f"from {self.start_date}")
        if self.end_month is not None:
            words.append(f"until month {self.end_month:g}")
        if self.end_date is not None:
            words.append(f"until {self.end_date}")
        if self.ramp_months:
            words.append(f"growing over {self.ramp_months:g} months")
        if self.half_life_months:
            months = "month" if self.half_life_months == 1 else f"{self.half_life_months:g} months"
            words.append(f"wearing off by half every {months}")
        return " ".join(words)


class Schedule(NamedTuple):
    """The times at which the simulator reads the strength of an intervention: once, or in the middle of each step."""

    step: Literal["week", "month", "once"]
    months: int  # nothing is read from this month on
    subject: str  # clause on what is simulated until then, for instance "newcomers arrive"
    keys: str  # configuration keys that set the length

    def misses(self, period: Period) -> str:
        """Why an intervention that runs in `period` never acts; "" where it does."""
        if period.end_month <= 0 or (self.step == "once" and period.start_month < 0):
            return "that is over before the first simulated day"
        if period.start_month >= self.months:
            return "that starts after the last simulated day"
        if period.end_month <= period.start_month:
            return "it ends before it starts"
        if self.step == "week":
            acts = period.weekly(int(np.ceil(self.months * DAYS_PER_MONTH / DAYS_PER_WEEK))).any()
        else:
            acts = self.step == "once" or period.strength(np.arange(self.months) + 0.5).any()
        return "" if acts else f"it acts by whole {self.step}s, and the middle of none lies in it"

    def in_words(self, today: date) -> str:
        """Sentence on what is simulated, from which day to which, and the keys that set it."""
        first, last = today + timedelta(days=1), today + timedelta(days=int(np.ceil(self.months * DAYS_PER_MONTH)))
        return f"{self.subject} for {self.months} months, {first} to {last} ({self.keys})"


class Horizon(NamedTuple):
    """The time that a run simulates: `months` of each life, from today or from a newcomer's first order."""

    today: date
    months: int
    arrival_months: int = 0  # in which newcomers arrive; 0 without acquisition

    def weeks(self, *, newcomers: bool) -> Schedule:
        """Weeks in which existing customers are followed, or newcomers too."""
        if newcomers and self.arrival_months:
            keys = "simulation.horizon_months and acquisition.months"
            return Schedule("week", self.months + self.arrival_months, "customers and newcomers are followed", keys)
        return Schedule("week", self.months, "customers are followed", "simulation.horizon_months")

    def arrivals(self) -> Schedule:
        """Months in which newcomers arrive."""
        return Schedule("month", self.arrival_months, "newcomers arrive", "acquisition.months")

    def fixed_costs(self, step: Literal["month", "once"]) -> Schedule:
        """Months in which a fixed cost is paid: every month of the horizon, or once before anybody's life ends."""
        if step == "month" or not self.arrival_months:
            return Schedule(step, self.months, "fixed costs are counted", "simulation.horizon_months")
        keys = "simulation.horizon_months and acquisition.months"
        return Schedule(step, self.months + self.arrival_months, "fixed costs are counted", keys)
