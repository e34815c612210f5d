"""FUNNEL: visitors who do not buy leave an address, and up to three e-mails bring some of them back."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from clvsim.effects import Effect
from clvsim.interventions.base import Funnel, Group, Intervention, Mechanism, Quality, Uncertain
from clvsim.interventions.offer import ZERO
from clvsim.interventions.shift import QUALITY, AdditionalCustomers
from clvsim.interventions.timing import Horizon, Period, Schedule
from clvsim.schema import Frozen, Real

EMAILS = ("first", "second", "third")


class Email(Frozen):
    after_days: Annotated[Real, Field(ge=0, le=366)] = 0.0  # since the address was left
    buy: Effect  # share of those who have not bought by then


class FunnelIntervention(Intervention):
    """Visitor, lead, customer: of a channel's visitors who do not buy, `share` leave an address, and e-mails make some
    of these leads customers: first orders `after_days`, each a share `buy` of the leads that are left.

    Each lead costs `cost`, bought or not, which belongs to the cost of acquisition. Customers by e-mail are additional
    ones: `quality` says how they differ, as of a conversion; null: like all others. First orders after the last of
    `acquisition.months` are not counted.

    Not modelled: leads who are put off, who would have come back by themselves (leave them out of `buy`), and messages
    to customers (a contact programme has those).
    """

    HAS_STRENGTH: ClassVar[bool] = False
    kind: Literal["funnel"]
    share: Effect
    first: Email
    second: Email | None = None
    third: Email | None = None
    cost: Effect = ZERO  # money per lead, all e-mails
    quality: AdditionalCustomers | None = AdditionalCustomers()

    @model_validator(mode="after")
    def _emails_in_order(self) -> "FunnelIntervention":
        if self.third and not self.second:
            raise ValueError("third needs second")
        days = [email.after_days for email in self.emails.values()]
        if days != sorted(days):
            raise ValueError(f"after_days must not fall from e-mail to e-mail, got {', '.join(f'{d:g}' for d in days)}")
        if self.who.customers == "existing" or self.who.listing or self.who.segments:
            raise ValueError(f"a funnel is about those who come; who takes channels alone, got {self.who}")
        return self

    @property
    def emails(self) -> dict[str, Email]:
        sent = {name: getattr(self, name) for name in EMAILS}
        return {name: email for name, email in sent.items() if email is not None}

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        numbers = {"share": (self.share, Uncertain("probability", "Visitors who leave an address", drives=True))}
        for name, email in self.emails.items():
            label = f"Leads who buy after the {name} e-mail"
            numbers[f"{name}.buy"] = (email.buy, Uncertain("probability", label, drives=True))
        numbers["cost"] = (self.cost, Uncertain("amount", "Cost of a lead", "money"))
        if self.quality is not None:
            numbers |= {f"quality.{name}": (getattr(self.quality, name), QUALITY[name]) for name in QUALITY}
        return numbers

    @property
    def needs_acquisition(self) -> bool:
        return True

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        return horizon.arrivals()

    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        quality = Quality(values["quality.rate"], values["quality.spend"]) if self.quality is not None else None
        return (
            Funnel(
                "conversion",
                np.zeros_like(values["share"]),
                self.who,
                period,
                quality,
                name=name,
                share=values["share"],
                buy=tuple(values[f"{email}.buy"] for email in self.emails),
                after_days=tuple(email.after_days for email in self.emails.values()),
                cost=values["cost"],
            ),
        )

    def sentence(self) -> str:
        number = len(self.emails)
        reach = str(self.when) if not self.who.channels else self._reach()
        return (
            f"Asks visitors who do not buy for their address, and sends {number} e-mail{'' if number == 1 else 's'}"
            + (f" ({reach})." if reach else ".")
        )
