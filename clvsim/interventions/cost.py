"""COST: a cost of the plan: once, monthly, per order, per customer or as a share of revenue."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import model_validator

from clvsim.effects import Effect
from clvsim.interventions.base import CostEntry, Group, Intervention, Mechanism, Uncertain
from clvsim.interventions.timing import Horizon, Period, Schedule

WORDS = {"once": "once", "month": "a month", "order": "per order", "customer": "per customer", "revenue": "of revenue"}


class CostIntervention(Intervention):
    """Spends money: once, monthly, per order, per customer or as a share of revenue.

    `once` and `month` are fixed costs, dated by `when` (at the first day of a month), whatever customers do.

    `order`, `customer` and `revenue` (a share) follow the customers reached, over the whole plan; `customer` is paid
    today for existing ones, but for contracts that have ended, and on the first order of new ones. `month` ends with
    the horizon for existing customers; as long as newcomers are followed beyond it, it goes on in their share of all
    active customers. Without a known margin figures are revenue, which no cost moves.
    """

    kind: Literal["cost"]
    amount: Effect
    per: Literal["once", "month", "order", "customer", "revenue"]
    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {"amount": Uncertain("amount", "Cost", "money")}

    @model_validator(mode="after")
    def dated(self) -> "CostIntervention":
        if self.per not in ("once", "month") and not self.when.always:
            raise ValueError(f"a cost per {self.per} runs over the whole plan; `when` needs per: once or month")
        return self

    @property
    def needs_margin(self) -> bool:
        return True

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        share = Uncertain("probability", "Cost, share of revenue")
        money = Uncertain("amount", f"Cost {WORDS[self.per]}", "money")
        return {"amount": (self.amount, share if self.per == "revenue" else money)}

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        return horizon.fixed_costs(self.per) if self.per in ("once", "month") else super().schedule(horizon, groups)

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        return (CostEntry(name, values["amount"], self.per, self.who, period),)

    def sentence(self) -> str:
        reach = str(self.when) if self.per in ("once", "month") else self._reach()
        return f"Costs money {WORDS[self.per]}" + (f" ({reach})." if reach else ".")
