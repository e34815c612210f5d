"""CONTACT: a programme of regular messages that build goodwill and fatigue."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects import Effect, Expert, Fixed, Prior
from clvsim.interventions.base import LOG_CHANGE, PER_BUDGET, ContactProgramme, Intervention, Mechanism, Uncertain
from clvsim.interventions.cadence import Curve
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Frozen, Money, Real, Weeks

GOODWILL_PER_CONTACT, FATIGUE_PER_CONTACT = 0.05, 0.2
WEIGHTS = {"content": (1.0, 0.5), "soft": (1.0, 1.0), "hard": (0.5, 2.0), "appreciation": (1.5, 0.5)}
STOCKS = ("goodwill", "fatigue", "goodwill_half_life_weeks")  # whose place a curve takes


class GainCurve(Frozen):
    """What a programme brings as a stated curve of its messages a month: `gain` at the peak, less before and after."""

    peak_per_month: Annotated[Real, Field(ge=0.01, le=200)]
    sharpness: Annotated[Real, Field(ge=0.1, le=20)]
    gain: Effect

    @property
    def shape(self) -> Curve:
        return Curve(self.peak_per_month, self.sharpness)


class ContactIntervention(Intervention):
    """Sends regular messages, which build goodwill and fatigue.

    `per_month` contacts of one type. Weekly stocks G' = δ_G·G + ω_G·n and F' = δ_F·F + ω_F·n per customer.

    Log purchase rate += κ(1 − e^−G) − φ·F²/(1+F); each contact adds φ_h·F of hazard in units of the survival budget
    and u₀·e^{ψF} of opt-out hazard; opting out ends every contact programme of the scenario and its effects, not the
    customer. The default of κ is as likely below zero as above and small beside fatigue, so that no cadence is expected
    to gain anything until a number of the user's replaces it.

    With a `curve` the log purchase rate changes by gain·(f/f*)^b·exp(b(1 − f/f*)) instead, f being the messages a month
    of the week at hand; fatigue then adds to hazard and opting out alone. Not modelled: answers that differ between
    customers, or contacts triggered by behaviour.
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
    curve: GainCurve | None = None
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "goodwill": Uncertain(
            "amount",
            "Goodwill: largest change of orders",
            unit="log change",
            domain=LOG_CHANGE,
            drives=True,
            order_rate=True,
        ),
        "fatigue": Uncertain("amount", "Fatigue: loss of orders", unit="log loss", domain=PER_BUDGET, order_rate=True),
        "curve.gain": Uncertain(
            "amount",
            "Change of orders at the curve's peak",
            unit="log change",
            domain=LOG_CHANGE,
            drives=True,
            order_rate=True,
        ),
        "churn": Uncertain("amount", "Hazard of leaving per contact, by fatigue", unit="hazard", domain=PER_BUDGET),
        "opt_out": Uncertain("amount", "Opt-out hazard per contact", unit="hazard", domain=PER_BUDGET),
    }

    @model_validator(mode="after")
    def one_response(self) -> "ContactIntervention":
        """Refuse a curve beside the stocks whose place it takes."""
        defaults = {key: type(self).model_fields[key].get_default() for key in STOCKS}  # which a record holds
        given = [key for key in STOCKS if key in self.model_fields_set]
        if self.curve and any(getattr(self, key) != defaults[key] for key in given):
            raise ValueError(f"curve takes the place of {' and '.join(given)}; give one or the other")
        return self

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        fields = [f for f in self.UNCERTAIN if f not in (STOCKS if self.curve else ("curve.gain",))]
        effects = {f: self.curve.gain if self.curve and f == "curve.gain" else getattr(self, f) for f in fields}
        return {field: (effect, self.UNCERTAIN[field]) for field, effect in effects.items()}

    @property
    def needs_order_rate(self) -> bool:
        """Whether nobody has said that messages make customers leave, all that contracts would feel of them."""
        return self.is_default("churn") or (isinstance(self.churn, Fixed) and not self.churn.value)

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        goodwill, fatigue = WEIGHTS[self.type]
        kappa = values["curve.gain" if self.curve else "goodwill"]
        return (
            ContactProgramme(
                name=name,
                per_month=self.per_month,
                cost=self.cost,
                goodwill_weight=0.0 if self.curve else goodwill * GOODWILL_PER_CONTACT,
                fatigue_weight=fatigue * FATIGUE_PER_CONTACT,
                goodwill_half_life_weeks=self.goodwill_half_life_weeks,
                fatigue_half_life_weeks=self.fatigue_half_life_weeks,
                goodwill=kappa,
                fatigue=values.get("fatigue", np.zeros_like(kappa)),
                churn=values["churn"],
                opt_out=values["opt_out"],
                opt_out_fatigue=self.opt_out_fatigue,
                who=self.who,
                when=period,
                curve=self.curve.shape if self.curve else None,
            ),
        )

    def sentence(self) -> str:
        each = f" at {self.cost:g} each" if self.cost else ""
        sends = f"Sends {self.per_month:g} {self.type} messages a month{each} ({self._reach()})."
        if not self.curve:
            return sends
        share = self.curve.shape.gain(self.per_month)
        return (
            f"{sends} What they bring follows a stated curve, with its peak at {self.curve.peak_per_month:g} messages "
            f"a month; {self.per_month:g} a month bring {share:.0%} of that."
        )
