"""SHIFT: a lever that moves a rate, the spend, the hazard of leaving, a conversion or the margin."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from clvsim.effects import REAL, Effect
from clvsim.interventions.base import Group, Intervention, Mechanism, Shift, Uncertain
from clvsim.interventions.timing import Horizon, Period, Schedule

WORDS = {
    "rate": "how often customers order",
    "spend": "the amount of an order",
    "hazard": "the risk of losing a customer",
    "conversion": "the share of visitors who become customers",
    "margin": "the gross margin",
}
SCALES = {
    "rate": Uncertain("relative", "Change of the purchase rate", drives=True),
    "spend": Uncertain("relative", "Change of the order amount", drives=True),
    "hazard": Uncertain("relative", "Change of the hazard of leaving", drives=True),
    "conversion": Uncertain("odds", "Change of the conversion", drives=True),
    "margin": Uncertain("amount", "Change of the gross margin, in points", "relative", REAL, drives=True),
}


class ShiftIntervention(Intervention):
    """Moves a rate, the spend, the hazard of leaving, a conversion or the margin.

    `size` is a relative change (0.05 = +5 %; of the odds for a conversion, points for a margin).
    """

    kind: Literal["shift"]
    target: Literal["rate", "spend", "hazard", "conversion", "margin"]
    size: Effect

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        return {"size": (self.size, SCALES[self.target])}

    @property
    def needs_acquisition(self) -> bool:
        return self.target == "conversion" or super().needs_acquisition

    @property
    def needs_margin(self) -> bool:
        return self.target == "margin"

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        return horizon.arrivals() if self.target == "conversion" else super().schedule(horizon, groups)

    def compile(self, name: str, values: Mapping[str, np.ndarray], period: Period) -> tuple[Mechanism, ...]:
        return (Shift(self.target, values["size"], self.who, period),)

    def sentence(self) -> str:
        reach = str(self.when) if self.target == "conversion" else self._reach()
        return f"Changes {WORDS[self.target]}" + (f" ({reach})." if reach else ".")
