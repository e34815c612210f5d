"""MEMBERSHIP: a trial at an order, then a price at even intervals: boxes, clubs, paid shipping."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects import Effect
from clvsim.interventions.base import Group, Intervention, Mechanism, Uncertain, offer_terms
from clvsim.interventions.offer import ZERO, OrderNumber
from clvsim.interventions.terms import MembershipTerms
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Margin, Real
from clvsim.types import DAYS_PER_MONTH


class MembershipIntervention(Intervention):
    """Offers a membership at orders: a share `take` starts a trial, a share `convert` of which then pays `price`.

    After `trial_days` the price is charged, and again every `every_months`. At each renewal a member leaves with the
    own chance, θ ~ Beta with mean `churn` and `polarisation` ψ = 1/(a + b + 1) (sBG: Fader & Hardie 2007); 0 makes all
    alike. Each charge fails with `card_failure`, and a share `card_recovery` of those is paid all the same; the others
    end the membership. It is offered until it is taken, once. It goes on when the customer no longer orders, and does
    not keep anybody; with contracts it ends when they do. While it lasts, the trial included, orders come `rate` more
    often, and each costs `order_cost` more, the one with which it begins included.

    Not modelled: who takes it being a better customer than others, coming back, a charge that is refunded, and a churn
    that goes with the orders.
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["membership"]
    on_orders: tuple[OrderNumber, ...] = ()  # 1 = a customer's first order ever; empty = every order
    take: Effect
    trial_days: Annotated[Real, Field(ge=0, le=3660)] = 0.0
    trial_cost: Effect = ZERO  # money per trial
    convert: Effect | None = None  # share of trials; with a trial it must be stated
    price: Effect  # per charge
    every_months: Annotated[Real, Field(ge=0.25, le=120)] = 1.0
    margin: Margin | None = None  # of the price; None = that of orders
    churn: Effect  # per renewal
    polarisation: Annotated[Real, Field(ge=0, le=0.9)] = 0.0
    card_failure: Effect = ZERO  # per charge
    card_recovery: Effect = ZERO  # share of failures
    rate: Effect = ZERO  # relative change of the purchase rate of members
    order_cost: Effect = ZERO  # money per order of a member
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "take": Uncertain("probability", "Share of orders at which somebody joins", drives=True),
        "trial_cost": Uncertain("amount", "Cost of a trial", "money"),
        "convert": Uncertain("probability", "Share of trials that are paid for", drives=True),
        "price": Uncertain("amount", "Price of the membership", "money"),
        "churn": Uncertain("probability", "Share of members who leave at a renewal", drives=True),
        "card_failure": Uncertain("probability", "Share of charges that fail"),
        "card_recovery": Uncertain("probability", "Share of failed charges that are paid all the same"),
        "rate": Uncertain("relative", "Change of the purchase rate of members", drives=True, order_rate=True),
        "order_cost": Uncertain("amount", "Cost of a member's order", "money"),
    }

    @model_validator(mode="after")
    def _a_trial(self) -> "MembershipIntervention":
        if not self.trial_days and (self.trial_cost != ZERO or self.convert is not None):
            raise ValueError("trial_cost and convert are of a trial; trial_days is 0")
        if self.trial_days and self.convert is None:
            raise ValueError("a trial needs convert, the share of trials that are paid for")
        return self

    def never_acts(self, horizon: Horizon, groups: Sequence[Group]) -> str:
        schedule = self.schedule(horizon, groups)
        if self.trial_days < schedule.months * DAYS_PER_MONTH:
            return super().never_acts(horizon, groups)
        return f"its trial of {self.trial_days:g} days is never over; {schedule.in_words(horizon.today)}"

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (
            offer_terms(
                name,
                values["take"],
                self.who,
                period,
                on_orders=self.on_orders,
                price=values["price"],
                margin=self.margin,
                accept_rate=values["rate"],
                occasion="membership",
                membership=MembershipTerms(
                    trial_days=self.trial_days,
                    period_days=self.every_months * DAYS_PER_MONTH,
                    trial_cost=values["trial_cost"],
                    convert=values.get("convert", np.ones_like(values["take"])),
                    churn=values["churn"],
                    polarisation=self.polarisation,
                    card_loss=values["card_failure"] * (1.0 - values["card_recovery"]),
                    order_cost=values["order_cost"],
                ),
            ),
        )

    def sentence(self) -> str:
        orders = "every order" if not self.on_orders else "order " + " and ".join(map(str, self.on_orders))
        trial = f", after a trial of {self.trial_days:g} days" if self.trial_days else ""
        every = "every month" if self.every_months == 1 else f"every {self.every_months:g} months"
        if self.every_months == 12:
            every = "every year"
        return (
            f"Offers a membership at {orders} ({self._reach()}), paid {every}{trial}. It goes on when members no "
            "longer order, and does not keep them from leaving."
        )
