"""NEXT_PRODUCT: something to go over to, for customers who have outgrown what is sold today."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np

from clvsim.effects import Effect
from clvsim.interventions.base import Intervention, Mechanism, Uncertain, offer_terms
from clvsim.interventions.offer import ZERO
from clvsim.interventions.terms import NextProductTerms
from clvsim.interventions.timing import Horizon, Period


class NextProductIntervention(Intervention):
    """Keeps some of those who would leave, by a product for customers who have outgrown the first.

    A log shows that customers leave and not why. Of those who would leave a share `outgrown` does so because the next
    product is missing, and `take` of these go over to it where it exists: they stay, as a customer with a new survival
    budget, who orders `rate` more often and pays `spend` more. Each does so once for each product. Everybody else
    leaves as before, so that without takers nothing changes.

    Not modelled: customers who go over without being about to leave (an offer has that), products that are outgrown at
    another pace than the first, and the cost of making them (a `cost` beside it has that).
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["next_product"]
    outgrown: Effect
    take: Effect
    rate: Effect = ZERO  # relative change of the purchase rate from then on
    spend: Effect = ZERO  # relative change of amounts from then on
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {
        "outgrown": Uncertain("probability", "Share of those leaving who have outgrown what is sold", drives=True),
        "take": Uncertain("probability", "Share of these who go over to the next product", drives=True),
        "rate": Uncertain("relative", "Change of the purchase rate with the next product", order_rate=True),
        "spend": Uncertain("relative", "Change of amounts with the next product"),
    }

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (
            offer_terms(
                name,
                values["outgrown"] * values["take"],
                self.who,
                period,
                accept_rate=values["rate"],
                occasion="outgrown",
                next_product=NextProductTerms(values["spend"]),
            ),
        )

    def sentence(self) -> str:
        whom = "customers who would leave because they have outgrown the first"
        return f"Offers the next product to {whom} ({self._reach()})."
