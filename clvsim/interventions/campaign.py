"""CAMPAIGN: an offer on a date, on a customer's own day, or after a silence: launches, direct mail, birthdays."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects import Effect
from clvsim.interventions.base import Group, Mechanism, Uncertain, offer_terms
from clvsim.interventions.offer import ZERO, Sale
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Day, Real
from clvsim.types import DAYS_PER_MONTH

MIDDAY = 0.5


class CampaignIntervention(Sale):
    """Writes to customers on an occasion, with an offer that a share of the living takes.

    `occasion`: `dates`, the `birthday` (spread evenly over the year, since no log has it), the `anniversary` of the
    first order, or `silence`, once `silent_days` have passed since the last order and not again before another one.
    Everybody in `who` is written to who is not known to be gone, and costs `cost`: also those who have left without a
    word, who never answer. Contracts are seen to end. The item is sold as that of an offer; taking it is no order.

    Not modelled: a second life of those who have left (a `win_back` has that), an answer that depends on the customer,
    or people who are put off by what they get (a contact programme has that).
    """

    kind: Literal["campaign"]
    occasion: Literal["dates", "anniversary", "birthday", "silence"]
    dates: Annotated[tuple[Day, ...], Field(max_length=400)] = ()
    months: Annotated[tuple[Annotated[Real, Field(ge=0, le=1200)], ...], Field(max_length=400)] = ()  # since today
    silent_days: Annotated[Real, Field(ge=1, le=3660)] | None = None
    silent_at_most_days: Annotated[Real, Field(ge=1, le=36600)] | None = None
    cost: Effect = ZERO  # for everybody written to
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        **Sale.UNCERTAIN,
        "cost": Uncertain("amount", "Cost for each customer written to", "money"),
    }

    @model_validator(mode="after")
    def of_its_occasion(self) -> "CampaignIntervention":
        """Refuse keys of another occasion, and an occasion without its own."""
        errors = []
        on_dates, silence = self.occasion == "dates", self.occasion == "silence"
        if on_dates and bool(self.dates) == bool(self.months):
            errors.append("occasion dates needs either dates or months")
        if not on_dates and (self.dates or self.months):
            errors.append(f"dates and months are not for occasion {self.occasion}")
        if len(set(self.dates)) < len(self.dates) or len(set(self.months)) < len(self.months):
            errors.append("a date is given twice")
        if on_dates and not self.when.always:
            errors.append("dates and months say when; `when` is for the other occasions")
        if silence and self.silent_days is None:
            errors.append("occasion silence needs silent_days")
        if not silence and (self.silent_days is not None or self.silent_at_most_days is not None):
            errors.append(f"silent_days are not for occasion {self.occasion}")
        if self.silent_days and self.silent_at_most_days and self.silent_at_most_days < self.silent_days:
            errors.append(
                f"silent_at_most_days must be at least silent_days {self.silent_days:g}, got "
                f"{self.silent_at_most_days:g}"
            )
        if errors:
            raise ValueError("; ".join(errors))
        return self

    @property
    def needs_silence(self) -> bool:
        return self.occasion == "silence"

    def days(self, today: date) -> tuple[float, ...]:
        """Noons of `dates`, and of the first whole days of `months`, since the end of today; ascending, none over."""
        days = [(day - today).days - 1 + MIDDAY for day in self.dates]
        days += [np.ceil(month * DAYS_PER_MONTH) + MIDDAY for month in self.months]
        return tuple(sorted(day for day in days if day > 0))

    def never_acts(self, horizon: Horizon, groups: Sequence[Group]) -> str:
        schedule = self.schedule(horizon, groups)
        last = schedule.months * DAYS_PER_MONTH
        if self.occasion != "dates":
            return super().never_acts(horizon, groups)
        if any(day < last for day in self.days(horizon.today)):
            return ""
        return f"none of its dates can act; {schedule.in_words(horizon.today)}"

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        days = self.days(horizon.today)
        if days:
            period = Period(days[0] / DAYS_PER_MONTH)
        return (
            offer_terms(
                name,
                who=self.who,
                when=period,
                **self._sold(values),
                occasion=self.occasion,
                dates=days,
                silent_days=(self.silent_days or 0.0, self.silent_at_most_days or np.inf),
                contact_cost=values["cost"],
            ),
        )

    def sentence(self) -> str:
        offer = "" if self.take == ZERO else ", with an offer"
        return f"Writes to customers {self._on()} ({self._reach()}){offer}.{self._refunds()}"

    def _on(self) -> str:
        if self.occasion == "silence":
            most = f" to {self.silent_at_most_days:g}" if self.silent_at_most_days else ""
            return f"who have not ordered for {self.silent_days:g}{most} days"
        if self.occasion == "dates":
            first, *more = sorted(map(str, self.dates)) or [f"in month {month:g}" for month in sorted(self.months)]
            later = f" and {len(more)} later dates" if len(more) > 1 else "".join(f" and {day}" for day in more)
            return ("on " if self.dates else "") + first + later
        return {"anniversary": "each year on the day of their first order", "birthday": "on their birthday"}[
            self.occasion
        ]
