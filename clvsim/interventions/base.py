"""What every intervention shares: whom it reaches, when, which of its numbers are uncertain, what it compiles to."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import ValidationInfo, field_validator

from clvsim.effects import NON_NEGATIVE, Domain, Effect, Scale, check
from clvsim.interventions.timing import Horizon, Period, Schedule, When
from clvsim.schema import Frozen


class Group(NamedTuple):
    """Existing customers of one segment and channel, newcomers of one channel, or the company itself."""

    origin: Literal["existing", "new", "company"]
    segment: str = ""
    channel: str = ""

    @property
    def label(self) -> str:
        return " / ".join(part for part in self if part)


class Who(Frozen):
    """Whom an intervention reaches. Nothing latent: what a company can see of its customers today."""

    customers: Literal["all", "existing", "new"] = "all"
    segments: tuple[str, ...] = ()  # empty: every segment
    channels: tuple[str, ...] = ()

    def reaches(self, group: Group) -> bool:
        return (
            self.customers in ("all", group.origin)
            and (not self.segments or group.segment in self.segments)
            and (not self.channels or group.channel in self.channels)
        )

    def __str__(self) -> str:
        words = [{"all": "all customers", "existing": "existing customers", "new": "new customers"}[self.customers]]
        if self.segments:
            words.append("segment " + " or ".join(self.segments))
        if self.channels:
            words.append("channel " + " or ".join(self.channels))
        return ", ".join(words)


class Uncertain(NamedTuple):
    """One number of an intervention that may be an effect: where, on which scale, in what words.

    `neutral` is the typed value with which it does nothing.
    """

    scale: Scale
    label: str
    unit: str = ""
    domain: Domain = NON_NEGATIVE
    neutral: float = 0.0


# --- mechanisms: what the simulator knows; every intervention compiles to some of them -------------------------------


@dataclass(frozen=True)
class Shift:
    """Adds `size` (n,) × strength to a log rate, log spend, log hazard, logit conversion or the gross margin."""

    target: Literal["rate", "spend", "hazard", "conversion", "margin"]
    size: np.ndarray
    who: Who
    when: Period


@dataclass(frozen=True)
class OfferTerms:
    """An extra item at orders. Arrays (n,); rates are log factors on the purchase rate, hazards in budget units."""

    name: str
    on_orders: tuple[int, ...]  # 1 = first order of a customer; empty = every order
    take: np.ndarray
    price: np.ndarray
    margin: float | None  # share of the price; None = the gross margin of orders
    incentive: np.ndarray
    refund: np.ndarray
    cannibalised: np.ndarray
    patience: int
    decline_hazard: np.ndarray
    decline_rate: np.ndarray
    accept_rate: np.ndarray
    who: Who
    when: Period


@dataclass(frozen=True)
class ContactProgramme:
    """Regular contacts that build goodwill and fatigue. Arrays (n,)."""

    name: str
    per_month: float
    cost: float  # money per contact
    goodwill_weight: float  # stock added per contact
    fatigue_weight: float
    goodwill_half_life_weeks: float
    fatigue_half_life_weeks: float
    goodwill: np.ndarray  # κ
    fatigue: np.ndarray  # φ
    churn: np.ndarray  # φ_h, budget units per contact and unit of fatigue
    opt_out: np.ndarray  # u0, hazard per contact
    opt_out_fatigue: float  # ψ
    who: Who
    when: Period


@dataclass(frozen=True)
class CostEntry:
    """Money that is spent whatever customers do, or in proportion to what they do."""

    name: str
    amount: np.ndarray  # (n,), money, or a share of revenue
    per: Literal["once", "month", "order", "customer", "revenue"]
    who: Who
    when: Period


Mechanism = Shift | OfferTerms | ContactProgramme | CostEntry


class Intervention(Frozen):
    """One thing the company does. Subclasses say which numbers are uncertain and compile to mechanisms."""

    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {}
    who: Who = Who()
    when: When = When()

    @field_validator("*")
    @classmethod
    def _fits_its_scale(cls, value: Any, info: ValidationInfo) -> Any:
        number = cls.UNCERTAIN.get(info.field_name or "")
        if number is not None and (misfits := check(value, number.scale, "", number.domain)):
            raise ValueError("; ".join(f"{field.lstrip('.')} {rule}".strip() for field, rule in misfits))
        return value

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        """Uncertain numbers that are set, by dotted field."""
        numbers = {field: _look_up(self, field) for field in self.UNCERTAIN}
        return {field: (effect, self.UNCERTAIN[field]) for field, effect in numbers.items() if effect is not None}

    @property
    def needs_acquisition(self) -> bool:
        """Whether it has no object without newcomers."""
        return self.who.customers == "new"

    @property
    def needs_margin(self) -> bool:
        """Whether it has no object while the gross margin is unknown."""
        return False

    @abstractmethod
    def compile(self, name: str, values: Mapping[str, np.ndarray], period: Period) -> tuple[Mechanism, ...]:
        """Mechanisms with one value per draw; `values` has an array (n,) for each uncertain number."""

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        """When the simulator reads its strength: by default in each week, while somebody it reaches is followed."""
        newcomers = any(group.origin == "new" and self.who.reaches(group) for group in groups)
        return horizon.weeks(newcomers=newcomers)

    def never_acts(self, horizon: Horizon, groups: Sequence[Group]) -> str:
        """Why it cannot act on anybody of `groups` within the horizon, with its time and the horizon; "" where it can.

        It is about time only: `who` reaches some of the groups.
        """
        schedule = self.schedule(horizon, groups)
        reason = schedule.misses(self.when.period(horizon.today))
        return f"{self.when} can never act: {reason}; {schedule.in_words(horizon.today)}" if reason else ""

    @abstractmethod
    def sentence(self) -> str:
        """What it does, for the page."""

    def _reach(self) -> str:
        return ", ".join(part for part in (str(self.who), str(self.when)) if part)


def _look_up(section: Frozen, field: str) -> Effect | None:
    value = section
    for part in field.split("."):
        value = getattr(value, part)
    return value  # ty: ignore[invalid-explicit-return]
