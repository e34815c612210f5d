"""Kinds of days: the month of the year, which promotions run, and how many months ago.

A day of a calendar is a number counted from today: 0 is today itself, 1 tomorrow.
"""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.models.around.path import FRESH_MONTHS, LAST_MONTH, STEEPEST, Autocorrelation, path_domains
from clvsim.models.domain import LOG_FACTOR, Domain
from clvsim.schema import LARGEST, Amount, Day, Frozen, Real, Whole, require_in_order
from clvsim.types import DAYS_PER_MONTH

_MOST_DAYS = 402_000  # from the first day of `Day` to its last
MOST_MONTHS = 13_200
MOST_PROMOTIONS = 40  # a bit each of a day's code
_MOST_KINDS, _MOST_CELLS = 100_000, 10**8


class Window(Frozen):
    """Days of a promotion, both ends included."""

    start: Day
    end: Day

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Window":
        require_in_order(self, "start", "end")
        return self


class Effect(NamedTuple):
    """One parameter of the calendar: what it does to the log rate of the days it belongs to.

    `key`: a season's month, 1 to 12, or `any` where months are alike; a promotion's name; of the path, how many months
    ago, 1 being the month up to today.
    """

    kind: Literal["season", "promotion", "path"]
    key: str

    @property
    def label(self) -> str:
        """Its name among the parameters."""
        return f"{self.kind}[{self.key}]"

    @property
    def variable(self) -> str:
        """Its name among the free variables of a fit."""
        return f"{self.kind}_{self.key}"


SURE_SLOPE, SURE_WAVE = 2.0, 6.18  # z, and chi-square with two degrees of freedom, beyond which there is a warning
MEAN_DAY = Effect("season", "any")  # of the days outside promotions, where months are alike


class Path(Frozen):
    """Months of the log up to today whose shocks were learned, and what their differences look like.

    `months`: how many, of 365.25/12 days backwards from `today`; the oldest takes the days that are left.
    `autocorrelation`: from one month's shock to the next. `slope`: of a straight line through the months, log rate a
    year, `slope_z` in its standard errors. `harmonic`: chi-square, two degrees of freedom, of a wave of twelve months,
    `amplitude` its height in log rate; both 0 where the log is too short to ask.
    """

    months: Annotated[Whole, Field(ge=1, le=MOST_MONTHS)]
    today: Day
    autocorrelation: Autocorrelation
    slope: Annotated[Real, Field(ge=-STEEPEST, le=STEEPEST)] = 0.0
    slope_z: Amount = 0.0
    harmonic: Annotated[Real, Field(ge=0, le=LARGEST)] = 0.0
    amplitude: Annotated[Real, Field(ge=0, le=STEEPEST)] = 0.0

    def sentences(
        self, *, has_season: bool, season_key: str = "retention.season=month", renewing: bool = False
    ) -> tuple[str, ...]:
        """Warnings: months that drift; months that go up and down within a year, where no season is modelled.

        Months are those of the order rate; of the hazard of contracts that are `renewing`. `season_key`: what to type
        for a season, "" where the model has none.
        """
        found = []
        if abs(self.slope_z) > SURE_SLOPE:
            way = "fallen" if self.slope < 0 else "risen"
            wrong = "too low" if (self.slope < 0) == renewing else "too high"  # a hazard is of leaving
            found.append(
                f"{'The hazard of contracts' if renewing else "Customers' order rate"} has {way} over the log, by "
                f"{abs(np.expm1(self.slope)):.0%} a year; forecasts start at today's level and let it slow down, "
                f"and are {wrong} if it does not "
                f"({abs(self.slope_z):.1f} standard errors, ageing and losses allowed for, environment.level_sd_prior)"
            )
        if self.harmonic > SURE_WAVE and not has_season:
            found.append(
                f"Months look like a season: a wave of twelve months, {np.expm1(self.amplitude):.0%} up and down "
                f"(chi-square {self.harmonic:.1f}; beyond {SURE_WAVE:g} in one log of 22 by chance). Shocks do not "
                f"stand in for it{f': set {season_key}' if season_key else ', and nothing here models it'}"
            )
        return tuple(found)


def months_ahead(day: np.ndarray) -> np.ndarray:
    """Which month after today each day lies in: 1 the first, 0 up to today, at most `LAST_MONTH`.

    After `FRESH_MONTHS`, in which shocks fade, months of a quarter are one, called by the middle one: what is left is
    a level that moves little, and closed forms are sums over pieces in which nothing moves.
    """
    later = np.asarray(day, np.int64) - 1
    month = np.minimum((later / DAYS_PER_MONTH).astype(np.int64) + 1, LAST_MONTH)
    quarter = FRESH_MONTHS + 2 + (month - FRESH_MONTHS - 1) // 3 * 3
    return np.where(later < 0, 0, np.where(month > FRESH_MONTHS, quarter, month))


def months_of(days: int) -> int:
    """Months that a log of so many days is cut into, at least one."""
    return max(1, round(days / DAYS_PER_MONTH))


class Calendar(Frozen):
    """Kinds of days: month of the year (all one kind where not `monthly`), which promotions run, and how many months
    ago (where there is a `path`; 0 after today), as one code.

    `codes`, `days`, `orders`: kinds that occur after `first_date` up to `today`, on how many days, with how many repeat
    orders. Days are told by their number from today, 0 being today itself and 1 tomorrow.
    """

    first_date: Day
    today: Day
    monthly: bool
    promotions: Annotated[dict[str, Window], Field(max_length=MOST_PROMOTIONS)]
    path: Path | None = None
    codes: Annotated[tuple[Annotated[Whole, Field(ge=0, lt=2**62)], ...], Field(max_length=_MOST_KINDS)] = ()
    days: Annotated[tuple[Annotated[Whole, Field(ge=1, le=_MOST_DAYS)], ...], Field(max_length=_MOST_KINDS)] = ()
    orders: Annotated[tuple[Annotated[Whole, Field(ge=0, le=10**12)], ...], Field(max_length=_MOST_KINDS)] = ()

    @model_validator(mode="after")
    def _is_of_one_log(self) -> "Calendar":
        require_in_order(self, "first_date", "today")
        if self.path and self.path.months > (longest := months_of(self.length) + 1):
            raise ValueError(f"path.months must be at most the {longest} of the log, got {self.path.months}")
        if not len(self.codes) == len(self.days) == len(self.orders):
            raise ValueError("codes, days and orders must be equally many")
        if self.codes and max(self.codes) >= 12 * (self.months + 1) << len(self.promotions):
            raise ValueError(f"codes must be kinds of days that there are, got {max(self.codes)}")
        if len(self.codes) * len(self.effects) > _MOST_CELLS:
            raise ValueError(f"has {len(self.codes):,} kinds of days, too many for {len(self.effects):,} effects")
        return self

    @property
    def length(self) -> int:
        """Days on which there could be repeat orders."""
        return (self.today - self.first_date).days

    @property
    def effects(self) -> tuple[Effect, ...]:
        """In the order of the columns of `features`."""
        months = [Effect("season", str(month)) for month in range(1, 13)]
        if not self.monthly:
            months = [MEAN_DAY] if self.promotions else []
        promotions = (Effect("promotion", name) for name in self.promotions)
        return (*months, *promotions, *(Effect("path", str(ago)) for ago in range(1, self.months + 1)))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, in the order of `effects`."""
        return tuple(effect.label for effect in self.effects)

    @property
    def domains(self) -> dict[str, Domain]:
        """Of the parameters, those that say where the path stands included."""
        return {**dict.fromkeys(self.names, LOG_FACTOR), **(path_domains() if self.path else {})}

    @property
    def months(self) -> int:
        """Of the path; 0 without one."""
        return self.path.months if self.path else 0

    def months_ago(self, day: np.ndarray) -> np.ndarray:
        """Which month of the path each day belongs to: 1 the last one up to today, 0 what lies after today."""
        ago = (-np.asarray(day, np.int64) / DAYS_PER_MONTH).astype(np.int64)
        return np.where(np.asarray(day) > 0, 0, np.minimum(ago, self.months - 1) + 1)

    def code(self, day: np.ndarray) -> np.ndarray:
        """Kind of each day, int64."""
        dates = np.datetime64(self.today, "D") + np.asarray(day, np.int64)
        month = dates.astype("datetime64[M]").astype(np.int64)
        kind = month % 12 * self.monthly
        if self.path:
            kind = kind + 12 * self.months_ago(day)
        for window in self.promotions.values():
            running = (dates >= np.datetime64(window.start, "D")) & (dates <= np.datetime64(window.end, "D"))
            kind = 2 * kind + running
        return kind

    def features(self, codes: np.ndarray) -> np.ndarray:
        """Which effects a kind of day has, (code, effect) of 0 and 1."""
        promotions = len(self.promotions)
        running = codes[:, None] >> np.arange(promotions)[::-1] & 1
        ago, month = np.divmod(codes >> promotions, 12)
        days = np.arange(12 if self.monthly else min(promotions, 1))
        columns = [month[:, None] == days, running, ago[:, None] == 1 + np.arange(self.months)]
        return np.hstack(columns).astype(np.float64)

    def edges(self) -> np.ndarray:
        """Days ago between which all days are of one kind, from 0 to the log's length."""
        changes = np.flatnonzero(np.diff(self.code(-np.arange(self.length)))) + 1
        return np.concatenate([[0], changes, [self.length]])

    def without_path(self) -> "Calendar":
        """The same, days of one kind in different months being of one kind."""
        promotions = len(self.promotions)
        codes = np.array(self.codes, np.int64)
        plain, kind = np.unique(
            (codes >> promotions) % 12 << promotions | codes & (1 << promotions) - 1, return_inverse=True
        )
        days, orders = (np.bincount(kind, v, plain.size).astype(int).tolist() for v in (self.days, self.orders))
        kinds = {"codes": tuple(plain.tolist()), "days": tuple(days), "orders": tuple(orders)}
        return self.model_copy(update={"path": None, **kinds})

    def counted(self, daily_orders: np.ndarray) -> "Calendar":
        """With the kinds that occur, on how many days and with how many of `daily_orders`, (day,) from the log's first
        day to today."""
        code = self.code(-np.arange(self.length))
        codes, code_of, days = np.unique(code, return_inverse=True, return_counts=True)
        orders = np.bincount(code_of, daily_orders[:0:-1], minlength=codes.size).astype(int)
        kinds = {"codes": tuple(codes.tolist()), "days": tuple(days.tolist()), "orders": tuple(orders.tolist())}
        return self.model_copy(update=kinds)
