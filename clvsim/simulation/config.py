"""Sections of the configuration that the simulator reads."""

import re
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from clvsim.effects import Effect, Fixed
from clvsim.models.around.path import PathPrior
from clvsim.schema import Amount, Frozen, Label, Margin, Money, Positive, Real, Share, Text, Whole
from clvsim.texts import short_repr

LOG = "log"  # name of the channel that stands for the log
ALONE = "none"  # no cluster
LOCAL = "local:"
EVERYBODY = "all"
MOST_SAMPLED = 10_000_000
MOST_LOCAL = 256
_ADDRESS = re.compile(r"(tcp|tls)://([\w.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):(?P<port>\d{1,5})", re.ASCII)


def _a_cluster(text: str) -> str:
    local = re.fullmatch(rf"{LOCAL}([1-9]\d{{0,2}})", text, re.ASCII)
    address = _ADDRESS.fullmatch(text)
    if text == ALONE or (local and int(local[1]) <= MOST_LOCAL) or (address and 1 <= int(address["port"]) <= 65_535):
        return text
    forms = f"{ALONE}, {LOCAL}N with N from 1 to {MOST_LOCAL}, tcp://HOST:PORT or tls://HOST:PORT"
    raise ValueError(f"must be {forms}, got {short_repr(text)}")


def _a_limit(value: Any) -> Any:
    number = int(value) if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII) else value
    if value == EVERYBODY or (type(number) is int and 1 <= number <= MOST_SAMPLED):
        return number
    raise ValueError(f"must be a whole number from 1 to {MOST_SAMPLED:,}, or {EVERYBODY}, got {short_repr(value)}")


class SimulationConfig(Frozen):
    """Number of worlds, horizon, threads and block size. `jobs`, `shard_customers`, `cluster` and `checkpoint` never
    change a result.

    Of more existing customers than `max_customers` a sample is simulated, which stands for all of them; of "all"
    everybody is. A run starts with `replicates` of each draw and adds more by itself, up to `max_replicates`, where the
    error of a mean difference asks for them.
    """

    draws: Annotated[Whole, Field(gt=0, le=1_000_000)] = 1000
    replicates: Annotated[Whole, Field(gt=0, le=1000)] = 1
    max_replicates: Annotated[Whole, Field(gt=0, le=1000)] = 16
    horizon_months: Annotated[Whole, Field(gt=0, le=600)] = 36
    jobs: Annotated[Whole, Field(gt=0, le=256)] = 2
    shard_customers: Annotated[Whole, Field(gt=0, le=10_000_000)] = 4096
    max_customers: Annotated[int | str, BeforeValidator(_a_limit)] = 50_000
    max_people: Annotated[Whole, Field(gt=0, le=10_000_000)] = 100_000  # in a world, where customers refer others
    max_newcomers_per_cell: Annotated[Whole, Field(gt=0, le=1_000_000)] = 1000
    attrition_clock: str = Field("time", pattern="^(time|orders)$")
    cluster: Annotated[Text, AfterValidator(_a_cluster)] = ALONE
    checkpoint: Annotated[Text, Field(min_length=1)] | None = None  # a folder

    @property
    def most_customers(self) -> int | None:
        """How many existing customers are simulated at most; None: everybody."""
        return self.max_customers if isinstance(self.max_customers, int) else None

    def are_many(self, customers: int, at_least: int = 0) -> bool:
        """Whether so many are more than are simulated, and more than `at_least`."""
        most = self.most_customers
        return most is not None and customers > max(most, at_least)


class TraceConfig(Frozen):
    """How many customers are followed line by line, 0: none; and in the world of which draw, counted from 1."""

    customers: Annotated[Whole, Field(ge=0, le=50)] = 0
    draw: Annotated[Whole, Field(ge=1, le=1_000_000)] = 1


class ValuationConfig(Frozen):
    """What the value of the company needs beside its customers; without `wacc` figures end at customer equity.

    `wacc` and `terminal_growth` are a year's. `tax_rate` is of the profit: contribution less acquisition, fixed costs
    and investment, which is written off as it is paid. `losses_carried_forward`: of years before today. Investment is
    `capex_share` of revenue and `capex_per_month`; `working_capital` a share of the last twelve months' revenue, below
    0 where customers pay ahead, for which `revenue_last_year` must be known. `run_off_months`: how long those who are
    customers at the horizon are followed beyond it. Fixed costs are levers of kind `cost` of the baseline.
    """

    wacc: Annotated[Real, Field(ge=0.001, le=1)] | None = None
    terminal_growth: Annotated[Real, Field(ge=-0.5, le=0.5)] = 0.0
    tax_rate: Annotated[Real, Field(ge=0, lt=1)] = 0.0
    losses_carried_forward: Money = 0.0
    capex_share: Share = 0.0
    capex_per_month: Money = 0.0
    working_capital: Annotated[Real, Field(ge=-1, le=1)] = 0.0
    revenue_last_year: Money | None = None
    run_off_months: Annotated[Whole, Field(ge=12, le=240)] = 60
    non_operating_assets: Money = 0.0
    net_debt: Amount = 0.0
    shares: Positive | None = None

    @property
    def asked(self) -> bool:
        """Whether a valuation is to be made."""
        return self.wacc is not None


class FinanceConfig(Frozen):
    """Without `gross_margin` every figure is revenue, and no cost is taken off."""

    annual_discount_rate: Annotated[Real, Field(ge=0, le=10)] = 0.1
    gross_margin: Margin | None = None
    cost_per_order: Money = 0.0
    currency: Annotated[Text, Field(max_length=8)] = ""  # a label only
    valuation: ValuationConfig = ValuationConfig()


class Channel(Frozen):
    """Visitors arrive evenly over a month; `conversion` of them place a first order.

    With `most_visitors_per_month` the channel saturates: for S a month V∞(1 − exp(−S/S₀)) visitors come, where V∞ is
    that number and S₀ such that today's spend, visitors × cost of each, brings today's visitors.
    """

    visitors_per_month: Annotated[Real, Field(ge=0, le=1e9)]
    conversion: Effect
    cost_per_visitor: Money = 0.0
    most_visitors_per_month: Positive | None = None

    @model_validator(mode="after")
    def _room_to_grow(self) -> "Channel":
        most = self.most_visitors_per_month
        if most is not None and most <= self.visitors_per_month:
            raise ValueError(
                f"most_visitors_per_month must be above visitors_per_month {self.visitors_per_month:g}, got {most:g}"
            )
        return self

    def response(self, spend: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Factor on visitors where the spend is multiplied, (n,), exactly 1 at 1, and its derivative by log spend."""
        if self.most_visitors_per_month is None or self.visitors_per_month == 0:
            return spend, spend
        share = self.visitors_per_month / self.most_visitors_per_month
        missing = (1.0 - share) ** spend
        growth = np.where(spend == 1.0, 1.0, (1.0 - missing) / share)
        return growth, -missing * np.log1p(-share) * spend / share


class AcquisitionConfig(Frozen):
    """New customers of the first `months`: those that `channels` bring, or, with `from_log`, as many as the log's first
    orders say (`models.arrivals`). Else there are none.

    Of the log each costs `cost_per_customer`, those too whom a lever brings in addition; or all together cost
    `spend_per_month`, however many come.
    """

    months: Annotated[Whole, Field(gt=0, le=240)] = 12
    from_log: bool = False
    cost_per_customer: Money = 0.0
    spend_per_month: Money = 0.0
    channels: dict[Label, Channel] = Field(default_factory=dict)

    @property
    def brings(self) -> tuple[str, ...]:
        """Names of what brings newcomers; empty where nothing does."""
        return (LOG,) if self.from_log else tuple(self.channels)

    @property
    def costs_money(self) -> bool:
        """Whether newcomers cost anything."""
        if self.from_log:
            return self.cost_per_customer > 0 or self.spend_per_month > 0
        return any(channel.cost_per_visitor > 0 for channel in self.channels.values())

    @property
    def resolved(self) -> "AcquisitionConfig":
        """With a channel for the log, whose visitors are those who would come anyway: each is a customer."""
        if not self.from_log:
            return self
        return self.model_copy(update={"channels": {LOG: Channel(visitors_per_month=0, conversion=Fixed(value=1.0))}})


class EnvironmentConfig(Frozen):
    """What moves all customers at once: the log purchase rate of a month takes a shock, an AR(1) with stationary sd σ,
    and a level whose slope is an AR(1) with stationary sd κ a month.

    At opportunities the multiplier m makes p to 1 − (1 − p)^m; renewals of contracts, which are certain, take the shock
    on their log hazard.

    σ ~ HalfNormal(`sd_prior`) before the log was seen, κ is 0 with probability 1/2, else HalfNormal(`level_sd_prior`);
    with `learn`, the months up to today are learned in the fit, and the future goes on from where they end. Without it
    shocks come from their stationary law, without a level. An `sd_prior` of 0 turns the layer off, a `level_sd_prior`
    of 0 the level. `acquisition_sd` is the sd of independent monthly shocks to the number of visitors of typed
    channels.
    """

    sd_prior: Annotated[Real, Field(ge=0, le=2)] = 0.2
    level_sd_prior: Annotated[Real, Field(ge=0, le=0.5)] = 0.02
    learn: bool = True
    autocorrelation: Annotated[Real, Field(ge=0, lt=1)] = 0.5
    acquisition_sd: Annotated[Real, Field(ge=0, le=2)] = 0.0

    @property
    def path_prior(self) -> PathPrior | None:
        """Of the months up to today, for a fit; None where they are not to be learned."""
        if not (self.learn and self.sd_prior):
            return None
        return PathPrior(sd=self.sd_prior, level_sd=self.level_sd_prior, autocorrelation=self.autocorrelation)
