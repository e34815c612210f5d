"""CONTACT: a programme of regular messages that build goodwill and fatigue."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from clvsim.effects import Effect, Expert, Fixed, Prior
from clvsim.interventions.base import LOG_CHANGE, PER_BUDGET, ContactProgramme, Intervention, Mechanism, Uncertain
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Money, Real, Weeks

GOODWILL_PER_CONTACT, FATIGUE_PER_CONTACT = 0.05, 0.2
WEIGHTS = {"content": (1.0, 0.5), "soft": (1.0, 1.0), "hard": (0.5, 2.0), "appreciation": (1.5, 0.5)}


class ContactIntervention(Intervention):
    """Sends regular messages, which build goodwill and fatigue.

    `per_month` contacts of one type. Weekly stocks G' = δ_G·G + ω_G·n and F' = δ_F·F + ω_F·n per customer.

    Log purchase rate += κ(1 − e^−G) − φ·F²/(1+F); each contact adds φ_h·F of hazard in units of the survival budget
    and u₀·e^{ψF} of opt-out hazard; opting out ends every contact programme of the scenario and its effects, not the
    customer. The default of κ is as likely below zero as above and small beside fatigue, so that no cadence is expected
    to gain anything until a number of the user's replaces it. Not modelled: answers that differ between customers, or
    contacts triggered by behaviour.
    """

    kind: Literal["contact"]
    type: Literal["content", "soft", "hard", "appreciation"] = "soft"
    per_month: Annotated[Real, Field(ge=0.001, le=200)]
    cost: Money = 0.0
    goodwill: Effect = Prior(kind="prior", dist="normal", mean=0.0, sd=0.05)
    fatigue: Effect = Prior(kind="prior", dist="halfnormal", sd=0.064)
    churn: Effect = Prior(kind="prior", dist="halfnormal", sd=0.0002)
    opt_out: Effect = Expert(kind="expert", p10=0.0005, p50=0.001, p90=0.002)
    opt_out_fatigue: Annotated[Real, Field(ge=0, le=10)] = 0.5
    goodwill_half_life_weeks: Weeks = 8.0
    fatigue_half_life_weeks: Weeks = 2.0
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "goodwill": Uncertain(
            "amount",
            "Goodwill: largest change of the log purchase rate",
            domain=LOG_CHANGE,
            drives=True,
            order_rate=True,
        ),
        "fatigue": Uncertain("amount", "Fatigue: loss in log purchase rate", domain=PER_BUDGET, order_rate=True),
        "churn": Uncertain("amount", "Hazard of leaving per contact and unit of fatigue", domain=PER_BUDGET),
        "opt_out": Uncertain("amount", "Opt-out hazard per contact", domain=PER_BUDGET),
    }

    @property
    def needs_order_rate(self) -> bool:
        """Whether nobody has said that messages make customers leave, all that contracts would feel of them."""
        return self.is_default("churn") or (isinstance(self.churn, Fixed) and not self.churn.value)

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        goodwill, fatigue = WEIGHTS[self.type]
        return (
            ContactProgramme(
                name=name,
                per_month=self.per_month,
                cost=self.cost,
                goodwill_weight=goodwill * GOODWILL_PER_CONTACT,
                fatigue_weight=fatigue * FATIGUE_PER_CONTACT,
                goodwill_half_life_weeks=self.goodwill_half_life_weeks,
                fatigue_half_life_weeks=self.fatigue_half_life_weeks,
                goodwill=values["goodwill"],
                fatigue=values["fatigue"],
                churn=values["churn"],
                opt_out=values["opt_out"],
                opt_out_fatigue=self.opt_out_fatigue,
                who=self.who,
                when=period,
            ),
        )

    def sentence(self) -> str:
        return f"Sends {self.per_month:g} {self.type} messages a month ({self._reach()})."
