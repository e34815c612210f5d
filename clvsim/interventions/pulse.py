"""PULSE: a burst of orders, a part of which is only pulled forward from the weeks after it."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from clvsim.effects import Effect
from clvsim.interventions.base import Group, Intervention, Mechanism, Pulse, Uncertain
from clvsim.interventions.timing import Horizon, Period, in_weeks
from clvsim.schema import Real, Whole
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK

LARGEST_DIP = 0.95  # of the rate; a deeper one lasts longer instead


class PulseIntervention(Intervention):
    """Customers order more often for some weeks, and less often afterwards: a launch, a sale.

    The order rate is 1 + β for W `weeks`, β being `size`, and 1 − πβW/K for K `recovery_weeks` after them, π being
    `pulled_forward`: the sum of what it adds and takes is (1 − π)βW weeks of orders. Where πβW/K would exceed 0.95 the
    dip lasts longer. It begins in the week that is nearest to the start, and again after `every_months`, as often as it
    is over, dip and all, before the horizon of today's customers ends; what would be over later does not begin. Who
    comes during a burst has the part that lies ahead, and as much of the dip; who comes later has neither.

    Not modelled: a dip that only those feel who ordered in the burst, or bursts that wear off.
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["pulse"]
    size: Effect
    weeks: Annotated[Whole, Field(ge=1, le=52)]
    pulled_forward: Effect
    recovery_weeks: Annotated[Whole, Field(ge=1, le=104)] = 4
    every_months: Annotated[Real, Field(ge=0.25, le=120)] | None = None
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "size": Uncertain("relative", "Change of the order rate in a burst", drives=True, order_rate=True),
        "pulled_forward": Uncertain("probability", "Share of a burst's orders that is pulled forward", order_rate=True),
    }

    @property
    def needs_order_rate(self) -> bool:
        return True

    def starts(self, period: Period, horizon: Horizon, lasts: int) -> tuple[int, ...]:
        """Weeks since today in which it begins; `lasts`: weeks with the dip."""
        again = int((horizon.months - period.start_month) / self.every_months) if self.every_months else 0
        months = period.start_month + np.arange(max(again, 0) + 1) * (self.every_months or 0.0)
        begins = np.rint(in_weeks(months)).astype(int)
        last = in_weeks(min(period.end_month, horizon.months))
        fits = (begins >= 0) & (begins < last) & (begins + lasts <= in_weeks(horizon.months))
        return tuple(begins[fits].tolist())

    def never_acts(self, horizon: Horizon, groups: Sequence[Group]) -> str:
        lasts = self.weeks + self.recovery_weeks
        reason = super().never_acts(horizon, groups)
        if reason or self.starts(self.when.period(horizon.today), horizon, lasts):
            return reason
        followed = horizon.weeks(newcomers=False).in_words(horizon.today)
        return f"{self.when} can never act: none of its {lasts} weeks, dip and all, is over in time; {followed}".strip()

    def misfits(self, values: Mapping[str, np.ndarray], horizon: Horizon) -> str:
        lasts = self.weeks + int(self._recovery(values).max())
        starts = self.starts(self.when.period(horizon.today), horizon, self.weeks + self.recovery_weeks)
        gaps = np.diff(starts)
        if gaps.size and lasts > gaps.min():
            return f"a burst takes up to {lasts} weeks with its dip, and the next one begins after {gaps.min()}"
        if not self.starts(self.when.period(horizon.today), horizon, lasts):
            return f"what is pulled forward makes a dip so long that none of {lasts} weeks is over within the horizon"
        return ""

    def _recovery(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Weeks of the dip, (n,)."""
        pulled = values["pulled_forward"] * np.expm1(values["size"]) * self.weeks
        return np.maximum(self.recovery_weeks, np.ceil(pulled / LARGEST_DIP)).astype(int)

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        recovery = self._recovery(values)
        dip = np.log1p(-values["pulled_forward"] * np.expm1(values["size"]) * self.weeks / recovery)
        starts = self.starts(period, horizon, self.weeks + int(recovery.max()))
        end = (starts[-1] + self.weeks + int(recovery.max())) * DAYS_PER_WEEK / DAYS_PER_MONTH if starts else 0.0
        when = Period(max(period.start_month, 0.0), end)
        return (
            Pulse("rate", values["size"], self.who, when, dip=dip, weeks=self.weeks, recovery=recovery, starts=starts),
        )

    def sentence(self) -> str:
        weeks = f"{self.weeks} week" + "s" * (self.weeks > 1)
        often = f", every {self.every_months:g} months" if self.every_months else ""
        return (
            f"Customers order more often for {weeks}{often}, and less often in the weeks after, since part of it is "
            f"only pulled forward ({self._reach()})."
        )
