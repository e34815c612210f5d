"""How earlier forecasts fared: values that `clvsim score` writes and the page of a later run shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

# Figures of a forecast by calendar month: of the customers of its today, then of those who came later.
FIGURES = ("orders", "revenue", "newcomers", "newcomer_revenue")
ORDERS, REVENUE, NEWCOMERS, NEWCOMER_REVENUE = FIGURES


class FigureRecord(NamedTuple):
    """One figure of one forecast, over its `months` that have come due: of so many monthly 90 % intervals `held` did.

    `actual`, `mean`, `p05` and `p95` are of the sum of those months; `crps` and `rule_crps` means over the months of
    the error of the forecast and of a simple rule, in units of the figure, the latter nan where the log is too short.
    """

    figure: str  # of FIGURES
    months: int
    held: int
    actual: float
    mean: float
    p05: float
    p95: float
    crps: float
    rule_crps: float

    @property
    def inside(self) -> bool:
        """Whether the interval of the sum held."""
        return self.p05 <= self.actual <= self.p95


@dataclass(frozen=True)
class PastForecast:
    """One run, by the day that was its today (ISO), with how many customers it had and how many the log now lacks."""

    today: str
    customers: int
    missing: int
    figures: tuple[FigureRecord, ...]


@dataclass(frozen=True)
class TrackRecord:
    """Forecasts, the oldest first, against a log that runs until a day (ISO)."""

    until: str
    currency: str
    forecasts: tuple[PastForecast, ...]

    def rows(self, figure: str) -> tuple[FigureRecord, ...]:
        """One figure of all forecasts that have it."""
        return tuple(row for forecast in self.forecasts for row in forecast.figures if row.figure == figure)


def track_record_of(raw: Mapping[str, Any]) -> TrackRecord:
    """A track record from JSON, of which tuples are the lists. Raises ValueError, TypeError or LookupError for what no
    score writes; that its values have the declared types is left to who reads it."""

    def figure(row: Mapping[str, Any]) -> FigureRecord:
        values: dict[str, Any] = {name: math.nan if value is None else value for name, value in row.items()}
        return FigureRecord(**values)

    def forecast(one: Mapping[str, Any]) -> PastForecast:
        values: dict[str, Any] = {**one, "figures": tuple(map(figure, one["figures"]))}
        return PastForecast(**values)

    fields: dict[str, Any] = {**raw, "forecasts": tuple(map(forecast, raw["forecasts"]))}
    found = TrackRecord(**fields)
    for day in (found.until, *(one.today for one in found.forecasts)):
        date.fromisoformat(day)
    for row in (row for one in found.forecasts for row in one.figures):
        if row.figure not in FIGURES or not 0 <= row.held <= row.months or row.months < 1:
            raise ValueError("a figure that no score has, or more intervals that held than there are")
    if not found.forecasts or not all(one.figures for one in found.forecasts):
        raise ValueError("no forecasts")
    return found
