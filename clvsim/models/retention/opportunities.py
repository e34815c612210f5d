"""When customers have an opportunity to order: in which periods, and what of a log is in which."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.anniversaries import BEFORE_MIDNIGHT
from clvsim.models.around.levels import Poolable
from clvsim.schema import Day, Real
from clvsim.types import DAYS_PER_MONTH, RENEWAL_DAYS, CustomerSummary, SharedPeriods

MIDDAY = 0.5  # an order's hour is unknown, and today has passed


class Opportunities(NamedTuple):
    """Histories, each (customer,): purchases x at opportunities 1..n, the last at t_x (0: none), and the next one."""

    x: np.ndarray
    t_x: np.ndarray
    n: np.ndarray
    next_days: np.ndarray  # from today to opportunity n + 1


class AtOpportunities(Poolable):
    """One opportunity per period; all orders of a period are one purchase at its end.

    `opportunity_days`: length of a period, counted from each customer's first order, or for all from the day
    `opportunity_anchor` on. `opportunity`: weeks from Monday, months, quarters or years of the calendar instead.
    """

    opportunity: Literal["week", "month", "quarter", "year"] | None = None
    opportunity_days: Annotated[Real, Field(ge=1, le=3653)] = DAYS_PER_MONTH
    opportunity_anchor: Day | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_kind_of_period(cls, values: Any) -> Any:
        unit = values.get("opportunity") if isinstance(values, Mapping) else None
        if unit not in RENEWAL_DAYS:
            return values
        days = values.get("opportunity_days", DAYS_PER_MONTH)
        if days not in (DAYS_PER_MONTH, RENEWAL_DAYS[unit]) or values.get("opportunity_anchor"):
            what = "means periods of the calendar: leave out opportunity_days and opportunity_anchor"
            raise ValueError(f"opportunity={unit} {what}")
        return {**values, "opportunity_days": RENEWAL_DAYS[unit]}

    @property
    def periods(self) -> float | SharedPeriods:
        if self.opportunity or self.opportunity_anchor:
            return SharedPeriods(self.opportunity_days, self.opportunity or "", self.opportunity_anchor)
        return self.opportunity_days

    @property
    def interval_days(self) -> float:
        return self.opportunity_days

    @property
    def first_opportunity(self) -> float:
        """Days from a newcomer's first order: one period on, whose end lies within it where periods are shared."""
        return self.opportunity_days - (BEFORE_MIDNIGHT if isinstance(self.periods, SharedPeriods) else 0.0)

    def holdout_days(self, summary: CustomerSummary) -> float:
        """As many days that as many opportunities lie within them as shared periods end."""
        days = float(summary.holdout_days)
        if summary.periods:
            end = summary.periods.next_days + summary.periods.held_back * self.opportunity_days
            days = min(max(days, end - self.opportunity_days + MIDDAY), end)
        return days

    def histories(self, summary: CustomerSummary) -> Opportunities:
        """Purchases by opportunity. Raises ValueError for a summary whose orders were merged by another period."""
        seen = summary.periods
        merged, own = (seen.periods if seen else summary.opportunity_days), self.periods
        if merged != own:
            said = [f"{by:g} days" if isinstance(by, float) else f"{by}" for by in (merged, own)]
            raise ValueError(
                f"the summary's orders are merged by {said[0]} (0: not at all), the model's opportunities are one in "
                f"{said[1]}: summarize(log, opportunity_days=model.periods)"
            )
        frame, every = summary.customers, self.opportunity_days
        age = frame["T_days"].to_numpy(np.float64) + MIDDAY
        n = frame["opportunities"].to_numpy(np.float64) if seen else np.floor(age / every)
        t_x = np.rint(frame["recency_days"].to_numpy(np.float64) / every)
        next_days = np.full(n.shape, seen.next_days) if seen else (n + 1) * every - age
        return Opportunities(frame["frequency"].to_numpy(np.float64), t_x, n, next_days)

    def newborn(self) -> Opportunities:
        return Opportunities(*np.zeros((3, 1)), next_days=np.full(1, self.first_opportunity))
