"""Kinds of days: the month of the year, which promotions run, and how long since the log began.

A day of a calendar is a number counted from today: 0 is today itself, 1 tomorrow.
"""

from datetime import date
from typing import Literal, NamedTuple

import numpy as np
from pydantic import model_validator

from clvsim.schema import Frozen


class Window(Frozen):
    """Days of a promotion, both ends included."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Window":
        if self.end < self.start:
            raise ValueError(f"end ({self.end}) must not be before start ({self.start})")
        return self


class Effect(NamedTuple):
    """One parameter of the calendar: what it does to the log rate of the days it belongs to.

    `key`: a season's month, 1 to 12, or `any` where months are alike; a promotion's name; of a trend, `year`.
    """

    kind: Literal["season", "promotion", "trend"]
    key: str

    @property
    def label(self) -> str:
        """Its name among the parameters."""
        return f"{self.kind}[{self.key}]"

    @property
    def variable(self) -> str:
        """Its name among the free variables of a fit."""
        return f"{self.kind}_{self.key}"


MEAN_DAY = Effect("season", "any")  # of the days outside promotions, where months are alike


class Calendar(Frozen):
    """Kinds of days: month of the year (all one kind where not `monthly`), which promotions run, and how many months
    since the log began (where there is a `trend`), as one code.

    `codes`, `days`, `orders`: kinds that occur after `first_date` up to `today`, on how many days, with how many repeat
    orders. Days are told by their number from today, 0 being today itself and 1 tomorrow.
    """

    first_date: date
    today: date
    monthly: bool
    promotions: dict[str, Window]
    trend: bool = False
    codes: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    orders: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Days on which there could be repeat orders."""
        return (self.today - self.first_date).days

    @property
    def effects(self) -> tuple[Effect, ...]:
        """In the order of the columns of `features`."""
        months = [Effect("season", str(month)) for month in range(1, 13)] if self.monthly else [MEAN_DAY]
        promotions = (Effect("promotion", name) for name in self.promotions)
        return (*months, *promotions, *([Effect("trend", "year")] if self.trend else []))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in the order of `effects`."""
        return tuple(effect.label for effect in self.effects)

    def _months(self) -> tuple[int, int]:
        """The log's first and last month, counted from 1970."""
        days: np.ndarray = np.array([self.first_date, self.today], "datetime64[M]")
        first, last = days.astype(np.int64)
        return int(first), int(last)

    def code(self, day: np.ndarray) -> np.ndarray:
        """Kind of each day, int64."""
        dates = np.datetime64(self.today, "D") + np.asarray(day, np.int64)
        month = dates.astype("datetime64[M]").astype(np.int64)
        kind = month % 12 * self.monthly
        if self.trend:
            first, last = self._months()
            kind += 12 * (np.clip(month, first, last) - first)
        for window in self.promotions.values():
            running = (dates >= np.datetime64(window.start, "D")) & (dates <= np.datetime64(window.end, "D"))
            kind = 2 * kind + running
        return kind

    def features(self, codes: np.ndarray) -> np.ndarray:
        """Which effects a kind of day has, (code, effect) of 0 and 1; of a trend, the years since the log's middle."""
        promotions = len(self.promotions)
        running = codes[:, None] >> np.arange(promotions)[::-1] & 1
        since, month = np.divmod(codes >> promotions, 12)
        columns = [month[:, None] == np.arange(12 if self.monthly else 1), running]
        if self.trend:
            first, last = self._months()
            columns.append((since[:, None] - (last - first) / 2) / 12)
        return np.hstack(columns).astype(np.float64)

    def edges(self) -> np.ndarray:
        """Days ago between which all days are of one kind, from 0 to the log's length."""
        changes = np.flatnonzero(np.diff(self.code(-np.arange(self.length)))) + 1
        return np.concatenate([[0], changes, [self.length]])
