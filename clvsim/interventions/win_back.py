"""WIN_BACK: a message and a coupon after a silence, for those who have left and those who have not alike."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects import Effect, Fixed
from clvsim.interventions.base import Intervention, Mechanism, Uncertain, offer_terms
from clvsim.interventions.offer import ZERO
from clvsim.interventions.terms import WinBackTerms
from clvsim.interventions.timing import Horizon, Period
from clvsim.schema import Real, Share

ALL = Fixed(kind="fixed", value=1.0)


class WinBackIntervention(Intervention):
    """Writes to customers once they have been silent for a while, and wins some of those back who have left.

    Stated by what an experiment shows, the intention-to-treat lift: of all who are written to, `lift` more order within
    `within_days` than of those who are not. Nobody sees who has left, so that everybody silent costs `cost`. Of the
    lift a share `living` is of customers who are still there and order sooner than they would; the others had left. How
    likely one of these comes back follows from the share of the silent who have left, 1 - A, as the model fitted to the
    log has it of those silent today: q = lift (1 - living) / (1 - A), at most 1.

    Who comes back orders once, at a random moment within `within_days`, with a coupon that costs `coupon`, and from
    then on lives a second life: at the own order rate, with a new survival budget. Of customers who are there and order
    in that time anyway a share `redeemed` uses the coupon too, which costs and brings nothing.

    Not modelled: an answer that depends on how long somebody has been silent, a coupon that lets the basket grow, and
    contracts and fixed opportunities, which it does not reach.
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["win_back"]
    silent_days: Annotated[Real, Field(ge=1, le=3660)]
    silent_at_most_days: Annotated[Real, Field(ge=1, le=36600)] | None = None
    lift: Effect
    within_days: Annotated[Real, Field(ge=1, le=366)] = 30.0
    living: Share = 0.0
    cost: Effect = ZERO  # for everybody written to
    coupon: Effect = ZERO  # money per order with it
    redeemed: Effect = ALL
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "lift": Uncertain("probability", "Share of those written to who order because of it", drives=True),
        "cost": Uncertain("amount", "Cost for each customer written to", "money"),
        "coupon": Uncertain("amount", "Cost of a coupon", "money"),
        "redeemed": Uncertain("probability", "Share of orders in time that would have come anyway and use the coupon"),
    }

    @model_validator(mode="after")
    def _silence(self) -> "WinBackIntervention":
        if self.silent_at_most_days and self.silent_at_most_days < self.silent_days:
            raise ValueError(
                f"silent_at_most_days must be at least silent_days {self.silent_days:g}, got "
                f"{self.silent_at_most_days:g}"
            )
        return self

    @property
    def needs_silence(self) -> bool:
        return True

    @property
    def wins_back(self) -> bool:
        return True

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (
            offer_terms(
                name,
                np.zeros_like(values["lift"]),
                self.who,
                period,
                incentive=values["coupon"],
                occasion="win_back",
                silent_days=(self.silent_days, self.silent_at_most_days or np.inf),
                contact_cost=values["cost"],
                win_back=WinBackTerms(
                    lift=values["lift"],
                    within_days=self.within_days,
                    living=self.living,
                    redeemed=values["redeemed"],
                ),
            ),
        )

    def _living(self) -> str:
        return {0.0: "none", 1.0: "all"}.get(self.living, f"{100 * self.living:.3g} %")

    def sentence(self) -> str:
        most = f" to {self.silent_at_most_days:g}" if self.silent_at_most_days else ""
        coupon = "" if self.coupon == ZERO else ", with a coupon,"
        return (
            f"Writes{coupon} to customers who have not ordered for {self.silent_days:g}{most} days ({self._reach()}), "
            f"whether or not they have left. Of the orders that it brings, all within {self.within_days:g} days, "
            f"{self._living()} are taken to be of customers who had not left; who comes back starts again as the "
            "customer they were."
        )
