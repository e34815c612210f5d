"""Base class of interventions, their reach and timing, and the mechanisms that they compile to."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, ValidationInfo, field_validator, model_validator

from clvsim.effects import NON_NEGATIVE, Domain, Effect, EffectKind, Scale, check
from clvsim.interventions.cadence import Curve, FrequencyCap
from clvsim.interventions.terms import MembershipTerms, NextProductTerms, ReferralTerms, WinBackTerms
from clvsim.interventions.timing import Horizon, Period, Schedule, When
from clvsim.schema import Frozen, Margin, NumberToo, Real


class Between(Frozen):
    """A range, both ends included."""

    at_least: Annotated[Real, Field(ge=0, le=1e6)] | None = None
    at_most: Annotated[Real, Field(ge=0, le=1e6)] | None = None

    @model_validator(mode="after")
    def _a_range(self) -> "Between":
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least, at_most, or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least must not be above at_most {self.at_most:g}, got {self.at_least:g}")
        return self

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which of the values (n,) lie in it."""
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.at_most is None else self.at_most
        return (values >= low) & (values <= high)

    def __str__(self) -> str:
        if self.at_least == self.at_most:
            return f"{self.at_least:g}"
        words = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{word} {value:g}" for word, value in words if value is not None)


class Top(Frozen):
    """Those of whom most is expected: a share of all who meet the other conditions, one at least.

    `expected_value` is what a customer brings on average from today on, under the baseline: closed form, averaged over
    draws (`rlv_mean` of customers.parquet).
    """

    share: Margin
    by: Literal["expected_value"] = "expected_value"

    @model_validator(mode="before")
    @classmethod
    def _a_number_is_the_share(cls, raw: Any) -> Any:
        return {"share": raw} if isinstance(raw, int | float | str) else raw

    def of(self, value: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Which of the customers with values (n,) are among them, (n,); ties go to the id that comes first."""
        number = int(np.ceil(self.share * value.size - 1e-9))  # 20 % of 5 is 1
        among = np.zeros(value.size, bool)
        among[np.lexsort((ids, -value))[:number]] = True
        return among


class Listing(NamedTuple):
    """A list of existing customers, made today: by their orders so far, by days since the last one, and of those who
    meet this the top; of which segments and channels, where it is a top (else groups tell them apart).
    """

    orders: Between | None
    silent_days: Between | None
    top: Top | None = None
    segments: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def holds(self, orders: np.ndarray, silent_days: np.ndarray) -> np.ndarray:
        """Who meets what it asks of orders and silence, (c,)."""
        on = np.ones(orders.size, bool)
        for ends, values in ((self.orders, orders), (self.silent_days, silent_days)):
            if ends is not None:
                on &= ends.holds(values)
        return on


class Group(NamedTuple):
    """Existing customers of one segment, channel and set of lists, newcomers of one channel, all whom customers refer,
    or the company itself.

    `held_out`: shares of customers that levers leave out (`Who.hold_out`), in which all of the group are.
    """

    origin: Literal["existing", "new", "referred", "company"]
    segment: str = ""
    channel: str = ""
    lists: frozenset[Listing] = frozenset()  # on which all of them are
    held_out: frozenset[float] = frozenset()

    @property
    def label(self) -> str:
        held_out = f"held out of {min(self.held_out):g}" if self.held_out else ""
        return " / ".join(part for part in (self.origin, self.segment, self.channel, held_out) if part)


REFERRED = Group("referred")


class Who(Frozen):
    """Customers that an intervention reaches, by what a company can observe of them; no latent trait.

    Orders so far, silence and expected value are those of today: they make a list of existing customers, which stays as
    it is. A random share is held out of it, and of newcomers: by all levers the same customers, those of a smaller
    share among those of a larger one.
    """

    customers: Literal["all", "existing", "new"] = "all"
    segments: tuple[str, ...] = ()  # empty: every segment
    channels: tuple[str, ...] = ()
    orders: Between | None = None  # so far
    silent_days: Between | None = None  # since the last order
    top: Annotated[Top, NumberToo()] | None = None  # of those who meet all of the above
    hold_out: Annotated[Real, Field(ge=0, le=0.99)] = 0.0  # share of customers whom it never reaches

    @model_validator(mode="after")
    def _newcomers_have_no_past(self) -> "Who":
        if self.listing and self.customers == "new":
            raise ValueError("orders, silent_days and top are those of today's customers; customers is new")
        return self

    @property
    def listing(self) -> Listing | None:
        """The list that it needs; None where it needs none."""
        if self.top:
            return Listing(self.orders, self.silent_days, self.top, self.segments, self.channels)
        return Listing(self.orders, self.silent_days) if self.orders or self.silent_days else None

    @property
    def selects(self) -> bool:
        """Whether it picks single customers, of whom there may be none."""
        return self.top is not None or self.hold_out > 0

    @property
    def everybody(self) -> "Who":
        """The same without a hold-out."""
        return self.model_copy(update={"hold_out": 0.0})

    def reaches(self, group: Group) -> bool:
        by_list = self.top is not None  # which knows segments and channels, those too that the ledger pools
        return (
            (self.customers in ("all", group.origin) or (self.customers == "new" and group == REFERRED))
            and (by_list or not self.segments or group.segment in self.segments)
            and (by_list or not self.channels or group.channel in self.channels)
            and (self.listing is None or self.listing in group.lists)
            and self.hold_out not in group.held_out
        )

    def __str__(self) -> str:
        origin = "existing" if self.listing else self.customers
        words = [{"all": "all customers", "existing": "existing customers", "new": "new customers"}[origin]]
        if self.orders:
            words.append(f"with {self.orders} order{'' if str(self.orders).split()[-1] == '1' else 's'} so far")
        if self.silent_days:
            words.append(f"silent for {self.silent_days} days")
        if self.segments:
            words.append("segment " + " or ".join(self.segments))
        if self.channels:
            words.append("channel " + " or ".join(self.channels))
        if self.top:
            words.append(f"of these the top {100 * self.top.share:g} % by expected value")
        if self.hold_out:
            words.append(f"but for {100 * self.hold_out:g} % at random who are held out")
        return ", ".join(words)


class Uncertain(NamedTuple):
    """One number of an intervention that may be an effect: its scale, label, unit and domain.

    `neutral` is the typed value with which it does nothing. `drives`: what the lever brings rests on it, as on a take
    rate; not so on what the company decides (a price) or on what only takes away (annoyance). `order_rate`: it says how
    often customers order, which contracts do not have.
    """

    scale: Scale
    label: str
    unit: str = ""
    domain: Domain = NON_NEGATIVE
    neutral: float = 0.0
    drives: bool = False
    order_rate: bool = False


PER_BUDGET: Domain = (0.0, 100.0)  # hazard in units of the survival budget, of which a life has about one
LOG_CHANGE: Domain = (-5.0, 5.0)  # of a rate: a factor of 150 at most
POINTS: Domain = (-1.0, 1.0)  # of a share


# --- mechanisms: the simulator's input; every intervention compiles to some of them ----------------------------------


ARRIVAL_TARGETS = ("conversion", "visitors", "ad_spend")  # how many come


@dataclass(frozen=True)
class Shift:
    """Adds `size` (n,) × strength to a log rate, log spend, log hazard, logit conversion, the log of the number of
    visitors or of what is spent on them, or the gross margin.
    """

    target: Literal["rate", "spend", "hazard", "conversion", "visitors", "ad_spend", "margin"]
    size: np.ndarray
    who: Who
    when: Period
    quality: "Quality | None" = None  # of the additional customers whom it brings; None: like the others

    @property
    def brings_customers(self) -> bool:
        """Whether it acts on how many come, and on nothing afterwards."""
        return self.target in ARRIVAL_TARGETS

    def weekly(self, draw: np.ndarray, weeks: int) -> np.ndarray:
        """What it adds in each week since today, for worlds of the draws (w,); (w, weeks)."""
        return self.size[draw][:, None] * self.when.weekly(weeks)


@dataclass(frozen=True)
class Pulse(Shift):
    """Adds `size` to the log rate in `weeks` weeks from each of `starts` on, and `dip` (n,) in `recovery` (n,) weeks
    after them.
    """

    dip: np.ndarray = field(kw_only=True)
    weeks: int = field(kw_only=True)
    recovery: np.ndarray = field(kw_only=True)
    starts: tuple[int, ...] = field(kw_only=True)  # weeks since today

    def weekly(self, draw: np.ndarray, weeks: int, joined: int = 0) -> np.ndarray:
        """For those who came in week `joined`: of a burst and its dip they have the part that lay ahead."""
        total = np.zeros((draw.size, weeks))
        size, recovery = self.size[draw][:, None], self.recovery[draw][:, None]
        for start in self.starts:
            since = np.arange(weeks) - start
            share = np.clip((start + self.weeks - joined) / self.weeks, 0.0, 1.0)
            dip = self.dip[draw] if share == 1.0 else np.log1p(np.expm1(self.dip[draw]) * share)
            ahead = np.arange(weeks) >= joined
            total[:, (since >= 0) & (since < self.weeks) & ahead] = size
            late = (since >= self.weeks) & (since < self.weeks + recovery)
            total = np.where(late, dip[:, None], total)
        return total


@dataclass(frozen=True)
class Funnel(Shift):
    """Leads: of visitors who do not buy, `share` (n,), who cost `cost` (n,) each; of those left, `buy` (n,) after each
    e-mail, so many days later. It shifts no conversion: its own `size` is 0.
    """

    name: str = field(kw_only=True)
    share: np.ndarray = field(kw_only=True)
    buy: tuple[np.ndarray, ...] = field(kw_only=True)
    after_days: tuple[float, ...] = field(kw_only=True)
    cost: np.ndarray = field(kw_only=True)

    def bought(self, draw: np.ndarray) -> list[np.ndarray]:
        """Share of leads who buy after each e-mail, for worlds of the draws (w,)."""
        left, shares = np.ones(draw.size), []
        for chance in self.buy:
            shares.append(left * chance[draw])
            left = left * (1.0 - chance[draw])
        return shares


class Quality(NamedTuple):
    """How additional customers differ from those who come anyway: log factors, (n,) each."""

    rate: np.ndarray
    spend: np.ndarray


Occasion = Literal["orders", "dates", "anniversary", "birthday", "silence", "win_back", "membership", "outgrown"]


@dataclass(frozen=True)
class OfferTerms:
    """An extra item at orders. Arrays (n,); rates are log factors on the purchase rate, hazards in budget units.

    What declining does to the rate halves in `half_life_weeks`; with `goods_return` a refund saves the cost of goods.
    On another `occasion` than orders it is a campaign, which costs `contact_cost` for everybody whom it reaches, or
    with `membership` terms one, which is offered at orders and charged when it falls due; `accept_rate` holds as long
    as the customer is a member. With `referral` terms what is taken is a new customer whom the order brings. With
    `win_back` terms `take` is the chance that somebody who has left comes back, which is known after the fit; with
    `next_product` terms the chance that somebody who would leave goes over to it.
    """

    name: str
    on_orders: tuple[int, ...]  # 1 = first order of a customer; empty = every order
    take: np.ndarray
    price: np.ndarray
    margin: float | None  # share of the price; None = the gross margin of orders
    incentive: np.ndarray
    refund: np.ndarray
    goods_return: bool
    cannibalised: np.ndarray
    patience: int
    decline_hazard: np.ndarray
    decline_rate: np.ndarray
    half_life_weeks: float
    accept_rate: np.ndarray
    who: Who
    when: Period
    occasion: Occasion = "orders"
    dates: tuple[float, ...] = ()  # days since today, ascending
    silent_days: tuple[float, float] = (0.0, np.inf)  # since the last order: at least, and at most
    contact_cost: np.ndarray | None = None  # of a campaign
    membership: MembershipTerms | None = None
    referral: ReferralTerms | None = None
    win_back: WinBackTerms | None = None
    next_product: NextProductTerms | None = None
    cap: FrequencyCap | None = None  # of the scenario, on a campaign

    @property
    def is_campaign(self) -> bool:
        return self.contact_cost is not None


def offer_terms(name: str, take: np.ndarray, who: Who, when: Period, **given: Any) -> OfferTerms:
    """An offer of which all that is not given does nothing; shown at every order, sold at the margin of orders."""
    nothing = np.zeros_like(take)
    amounts = ("price", "incentive", "refund", "cannibalised", "decline_hazard", "decline_rate", "accept_rate")
    neutral: dict[str, Any] = {"on_orders": (), "margin": None, "goods_return": True, "patience": 0}
    fields: dict[str, Any] = {**neutral, "half_life_weeks": 1.0, **dict.fromkeys(amounts, nothing), **given}
    return OfferTerms(name=name, take=take, who=who, when=when, **fields)


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
    curve: Curve | None = None  # κ is then the gain at its peak, and there is no fatigue
    cap: FrequencyCap | None = None  # of the scenario


@dataclass(frozen=True)
class CostEntry:
    """Cost of a plan: fixed, or in proportion to orders, customers or revenue."""

    name: str
    amount: np.ndarray  # (n,), money, or a share of revenue
    per: Literal["once", "month", "order", "customer", "revenue"]
    who: Who
    when: Period


Mechanism = Shift | OfferTerms | ContactProgramme | CostEntry


class Intervention(Frozen):
    """One action of the company. Subclasses declare their uncertain numbers and compile to mechanisms."""

    UNCERTAIN: ClassVar[Mapping[str, Uncertain]] = {}
    HAS_STRENGTH: ClassVar[bool] = True  # whether it can act more or less: by a ramp, or wearing off
    kind: str
    who: Who = Who()
    when: When = When()

    @field_validator("*")
    @classmethod
    def _fits_its_scale(cls, value: Any, info: ValidationInfo) -> Any:
        number = cls.UNCERTAIN.get(info.field_name or "")
        if number is not None and value is not None and (misfits := check(value, number.scale, "", number.domain)):
            raise ValueError("; ".join(f"{field.lstrip('.')} {rule}".strip() for field, rule in misfits))
        return value

    @model_validator(mode="after")
    def _has_a_strength(self) -> "Intervention":
        if self.when.varies and not self.HAS_STRENGTH:
            raise ValueError(f"when: ramp_months and half_life_months do nothing to kind {self.kind}")
        return self

    def uncertain(self) -> dict[str, tuple[Effect, Uncertain]]:
        """Uncertain numbers that are set, by dotted field."""
        numbers = {field: _look_up(self, field) for field in self.UNCERTAIN}
        return {field: (effect, self.UNCERTAIN[field]) for field, effect in numbers.items() if effect is not None}

    def is_default(self, field: str) -> bool:
        """Whether an uncertain number is the default of its kind, which nobody measured."""
        default = self.default_effect(field)
        return default is not None and _look_up(self, field) == default

    @classmethod
    def default_effect(cls, field: str) -> Effect | None:
        """The default of an uncertain number by its dotted field; None where it must be given."""
        name, _, rest = field.partition(".")
        default = cls.model_fields[name].get_default()
        if isinstance(default, Frozen) and rest:
            return _look_up(default, rest)
        return default if isinstance(default, EffectKind) else None

    @property
    def needs_acquisition(self) -> bool:
        """Whether it needs acquisition channels to act on anything."""
        return self.who.customers == "new"

    @property
    def needs_margin(self) -> bool:
        """Whether it acts on the gross margin, which must then be known."""
        return False

    @property
    def needs_order_rate(self) -> bool:
        """Whether all that it moves is how often customers order, so that it does nothing to contracts."""
        return False

    def misfits(self, values: Mapping[str, np.ndarray], horizon: Horizon) -> str:
        """Why it cannot be simulated with the values (n,) of its uncertain numbers; "" where it can."""
        return ""

    @property
    def refers(self) -> bool:
        """Whether customers bring others."""
        return False

    @property
    def wins_back(self) -> bool:
        """Whether it brings back customers who have left."""
        return False

    @property
    def needs_silence(self) -> bool:
        """Whether it waits for customers to stop ordering for a while, which contracts do not."""
        return False

    @abstractmethod
    def compile(
        self, name: str, values: Mapping[str, np.ndarray], period: Period, horizon: Horizon
    ) -> tuple[Mechanism, ...]:
        """Mechanisms with one value per draw; `values` has an array (n,) for each uncertain number."""

    def schedule(self, horizon: Horizon, groups: Sequence[Group]) -> Schedule:
        """Times at which the simulator reads its strength: by default the weeks in which it reaches customers."""
        newcomers = any(group.origin in ("new", "referred") and self.who.reaches(group) for group in groups)
        return horizon.weeks(newcomers=newcomers)

    def never_acts(self, horizon: Horizon, groups: Sequence[Group]) -> str:
        """Why its time lies outside the horizon of `groups`, with both times; "" where it can act.

        It checks time only: `who` is assumed to reach some of the groups.
        """
        schedule = self.schedule(horizon, groups)
        reason = schedule.misses(self.when.period(horizon.today))
        return f"{self.when} can never act: {reason}; {schedule.in_words(horizon.today)}" if reason else ""

    @abstractmethod
    def sentence(self) -> str:
        """Sentence for the page on what it does, to whom and when."""

    def _reach(self) -> str:
        return ", ".join(part for part in (str(self.who), str(self.when)) if part)


def _look_up(section: Frozen, field: str) -> Effect | None:
    value = section
    for part in field.split("."):
        value = getattr(value, part)
    return value  # ty: ignore[invalid-explicit-return]
