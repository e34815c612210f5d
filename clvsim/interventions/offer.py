"""OFFER: an extra item shown at an order: upsell, cross-sell, order bump."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from clvsim.effects import Effect, Fixed
from clvsim.interventions.base import PER_BUDGET, Intervention, Mechanism, OfferTerms, Uncertain
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Frozen, Margin, Weeks, Whole

OrderNumber = Annotated[Whole, Field(ge=1, le=63)]  # the simulator counts no further
ZERO = Fixed(kind="fixed", value=0.0)


class IfDeclined(Frozen):
    """Annoyance. Hazard in units of the survival budget: 0.01 loses about 1 % of those who decline.

    Each offer has an `after` of its own. What `rate` does heals: its logarithm halves in `half_life_weeks`.
    """

    after: Annotated[Whole, Field(ge=0, le=1000)] = 0  # times that this offer is declined without consequence
    hazard: Effect = ZERO
    rate: Effect = ZERO
    half_life_weeks: Weeks = 8.0  # assumed, not measured


class IfAccepted(Frozen):
    rate: Effect = ZERO  # relative change of the purchase rate from then on


class Sale(Intervention):
    """One more item, sold at `price` to a share `take` of those to whom it is offered."""

    HAS_STRENGTH: ClassVar[bool] = False
    take: Effect
    price: Effect
    margin: Margin | None = None
    incentive: Effect = ZERO  # money spent per taken offer
    refund: Effect = ZERO  # probability that a taken offer is refunded
    goods_return: bool = True  # a refunded item can be sold again
    cannibalised: Effect = ZERO  # share of the price that later orders lose; what none within the horizon pays stays
    if_accepted: IfAccepted = IfAccepted()
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "take": Uncertain("probability", "Share of offers taken", drives=True),
        "price": Uncertain("amount", "Price of the offer", "money"),
        "incentive": Uncertain("amount", "Incentive per taken offer", "money"),
        "refund": Uncertain("probability", "Share of taken offers refunded"),
        "cannibalised": Uncertain("probability", "Share of the price that later orders lose, as far as there are any"),
        "if_accepted.rate": Uncertain(
            "relative", "Change of the purchase rate after taking", drives=True, order_rate=True
        ),
    }

    def _sold(self, values: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The terms of a sale, for the mechanism."""
        return {
            "take": values["take"],
            "price": values["price"],
            "margin": self.margin,
            "incentive": values["incentive"],
            "refund": values["refund"],
            "goods_return": self.goods_return,
            "cannibalised": values["cannibalised"],
            "accept_rate": values["if_accepted.rate"],
        }

    def _refunds(self) -> str:
        if self.refund == ZERO:
            return ""
        goods = "come back and can be sold again" if self.goods_return else "do not come back"
        return f" Goods of refunded items {goods}."


class OfferIntervention(Sale):
    """Offers one more item at orders: upsell, cross-sell, order bump.

    The item costs `price` and is taken with probability `take`, at the given orders of a customer. A refunded one
    replaces no later order, and its goods come back unless `goods_return` is false; its incentive stays spent.

    Not modelled: an accepted item wearing the customer out (extra items charge no hazard per order), or a take rate
    that depends on the customer.
    """

    kind: Literal["offer"]
    on_orders: tuple[OrderNumber, ...] = ()  # 1 = a customer's first order ever; empty = every order
    if_declined: IfDeclined = IfDeclined()
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        **Sale.UNCERTAIN,
        "if_declined.hazard": Uncertain(
            "amount", "Hazard of leaving per declined offer", unit="hazard", domain=PER_BUDGET
        ),
        "if_declined.rate": Uncertain("relative", "Change of the purchase rate per declined offer", order_rate=True),
    }

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (
            OfferTerms(
                name=name,
                on_orders=self.on_orders,
                **self._sold(values),
                patience=self.if_declined.after,
                decline_hazard=values["if_declined.hazard"],
                decline_rate=values["if_declined.rate"],
                half_life_weeks=self.if_declined.half_life_weeks,
                who=self.who,
                when=period,
            ),
        )

    def sentence(self) -> str:
        orders = "every order" if not self.on_orders else "order " + " and ".join(map(str, self.on_orders))
        return f"Offers one more item at {orders} ({self._reach()}).{self._healing()}{self._refunds()}"

    def _healing(self) -> str:
        if self.if_declined.rate == ZERO:
            return ""
        declined = self.if_declined
        assumed = "" if "half_life_weeks" in declined.model_fields_set else " (assumed, not measured)"
        weeks = f"{declined.half_life_weeks:g} week{'' if declined.half_life_weeks == 1 else 's'}"
        return f" What declining does to the order rate halves in {weeks}{assumed}."
