"""SHIFT: a lever that moves a rate, the spend, the hazard of leaving, a conversion, visitors or the margin."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import model_validator

from clvsim.effects import Effect, Fixed, Prior
from clvsim.interventions.base import ARRIVAL_TARGETS, POINTS, Group, Intervention, Mechanism, Quality, Shift, Uncertain
from clvsim.interventions.timing import Horizon, Period, Schedule
from clvsim.schema import Frozen

WORDS = {
    "rate": "how often customers order",
    "spend": "the amount of an order",
    "hazard": "the risk of losing a customer",
    "conversion": "the share of visitors who become customers",
    "visitors": "the number of visitors, at no cost of theirs",
    "ad_spend": "what is spent on visitors, and with it their number",
    "margin": "the gross margin",
}
SCALES = {
    "rate": Uncertain("relative", "Change of the purchase rate", drives=True, order_rate=True),
    "spend": Uncertain("relative", "Change of the order amount", drives=True),
    "hazard": Uncertain("relative", "Change of the hazard of leaving", drives=True),
    "conversion": Uncertain("odds", "Change of the conversion", drives=True),
    "visitors": Uncertain("relative", "Change of the number of visitors", drives=True),
    "ad_spend": Uncertain("relative", "Change of what is spent on visitors", drives=True),
    "margin": Uncertain("amount", "Change of the gross margin, in points", "relative", POINTS, drives=True),
}
QUALITY = {
    "rate": Uncertain("relative", "Additional customers' order rate, against those who come anyway", order_rate=True),
    "spend": Uncertain("relative", "Additional customers' amounts, against those who come anyway"),
}
SOMEWHAT_WORSE = Prior(kind="prior", dist="normal", mean=float(np.expm1(-0.1)), sd=0.1)


class AdditionalCustomers(Frozen):
    """How those whom only the lever brings differ from those who come anyway: relative changes (-0.1 = 10 % less)."""

    rate: Effect = SOMEWHAT_WORSE
    spend: Effect = SOMEWHAT_WORSE


class ShiftIntervention(Intervention):
    """Moves a rate, the spend, the hazard of leaving, a conversion, visitors, what is spent on them, or the margin.

    `size` is a relative change (0.05 = +5 %; of the odds for a conversion, points for a margin).

    `quality` of a conversion, visitors or `ad_spend`: customers beyond the baseline's number order and spend
    differently, by default somewhat less; null: like all others. Fewer take away average customers. `visitors` cost
    nothing by themselves; `ad_spend` brings visitors in proportion, or along the curve of a channel that saturates. Not
    modelled: customers who come anyway changing with the conversion.
    """

    kind: Literal["shift"]
    target: Literal["rate", "spend", "hazard", "conversion", "visitors", "ad_spend", "margin"]
    size: Effect
    quality: AdditionalCustomers | None = AdditionalCustomers()

    @model_validator(mode="after")
    def of_a_conversion(self) -> "ShiftIntervention":
        own = "quality" in self.model_fields_set and self.quality != AdditionalCustomers()  # a record holds defaults
        if not self._is_about_arrivals and own:
            raise ValueError(
                f"quality is that of additional customers, by {', '.join(ARRIVAL_TARGETS)}; target is {self.target}"
            )
        nobody_yet = self.who.customers == "existing" or self.who.listing or self.who.segments or self.who.hold_out
        if self._is_about_arrivals and nobody_yet:
            raise ValueError(f"target {self.target} is about those who come; who takes channels alone, got {self.who}")
        return self

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        numbers = {"size": (self.size, SCALES[self.target])}
        if self._adds_customers() and self.quality is not None:
            numbers |= {f"quality.{name}": (getattr(self.quality, name), QUALITY[name]) for name in QUALITY}
        return numbers

    def _adds_customers(self) -> bool:
        """Whether there may be more customers than without it."""
        never = isinstance(self.size, Fixed) and self.size.value <= 0
        return self._is_about_arrivals and not never

    @property
    def _is_about_arrivals(self) -> bool:
        return self.target in ARRIVAL_TARGETS

    @property
    def needs_acquisition(self) -> bool:
        return self._is_about_arrivals or super().needs_acquisition

    @property
    def needs_margin(self) -> bool:
        return self.target == "margin"

    @property
    def needs_order_rate(self) -> bool:
        return self.target == "rate"

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        return horizon.arrivals() if self._is_about_arrivals else super().schedule(horizon, groups)

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        quality = None
        if "quality.rate" in values:
            quality = Quality(values["quality.rate"], values["quality.spend"])
        return (Shift(self.target, values["size"], self.who, period, quality),)

    def sentence(self) -> str:
        reach = str(self.when) if self._is_about_arrivals and not self.who.channels else self._reach()
        return f"Changes {WORDS[self.target]}" + (f" ({reach})." if reach else ".")
