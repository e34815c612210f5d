"""REFERRAL: orders bring new customers, who order and refer in turn."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from clvsim.effects import Effect
from clvsim.interventions.base import Group, Intervention, Mechanism, Uncertain, offer_terms
from clvsim.interventions.offer import ZERO, OrderNumber
from clvsim.interventions.terms import ReferralTerms
from clvsim.interventions.timing import Horizon, Period, Schedule
from clvsim.schema import Frozen


class Referred(Frozen):
    """How those who are referred differ from other newcomers: relative changes (-0.1 = 10 % less)."""

    rate: Effect = ZERO
    spend: Effect = ZERO


class ReferralIntervention(Intervention):
    """An order brings a new customer with probability `per_order`, which costs `reward`: for both sides together.

    The share counts those who would not have come without the programme. Children come within `acquisition.months`, in
    the month of the order, and are followed for the horizon of their own life; they are like other newcomers but for
    `quality`, and refer in turn. They cost no advertising, and are in no figure per newcomer.

    Not modelled: customers who refer often and others who never do (the mean is the same), a market that is exhausted,
    and what being rewarded does to the one who refers (an offer has that).
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["referral"]
    on_orders: Annotated[tuple[OrderNumber, ...], Field(max_length=63)] = ()  # 1 = the first order; empty = every order
    per_order: Effect
    reward: Effect = ZERO  # money per new customer
    quality: Referred = Referred()
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "per_order": Uncertain("probability", "New customers whom an order brings", drives=True),
        "reward": Uncertain("amount", "Rewards per new customer", "money"),
        "quality.rate": Uncertain(
            "relative", "Referred customers' order rate, against other newcomers", order_rate=True
        ),
        "quality.spend": Uncertain("relative", "Referred customers' amounts, against other newcomers"),
    }

    @property
    def refers(self) -> bool:
        return True

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        return Schedule("week", horizon.arrival_months, "newcomers arrive", "acquisition.months")

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (
            offer_terms(
                name,
                values["per_order"],
                self.who,
                period.until(horizon.arrival_months),
                on_orders=self.on_orders,
                incentive=values["reward"],
                referral=ReferralTerms(values["quality.rate"], values["quality.spend"]),
            ),
        )

    def sentence(self) -> str:
        orders = "Every order" if not self.on_orders else "Order " + " and ".join(map(str, self.on_orders))
        return f"{orders} may bring a new customer ({self._reach()}), who orders and refers in turn."
