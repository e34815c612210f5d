"""Frozen values that pass between the stages. No behaviour beyond trivial look-ups."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from clvsim.track_record import TrackRecord

if TYPE_CHECKING:
    import pandas as pd

    from clvsim.knobs import Knobs
    from clvsim.sheet import Sheet
    from clvsim.valuation import Valuation

COVARIATE = "covariate "  # prefix of the covariates' columns in a summary
DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12
DAYS_PER_WEEK = 7.0
TWO_YEARS_DAYS = 2 * 365 - 14  # from first to last order of a log of two years; small shops have days without any
PARTS = 16  # of the customers; differences between them measure the noise of sums over customers
RENEWAL_DAYS = {"week": DAYS_PER_WEEK, "month": DAYS_PER_MONTH, "quarter": 3 * DAYS_PER_MONTH, "year": DAYS_PER_YEAR}
GRACE_DAYS = {"week": 2.0, "month": 7.0, "quarter": 14.0, "year": 30.0}  # by which payments come late at most
DAYS_PER_UNIT = {"day": 1.0, "week": DAYS_PER_WEEK, "month": DAYS_PER_MONTH}


class SharedPeriods(NamedTuple):
    """Periods that are the same for all customers: the calendar's `unit`, or `days` days each from `anchor` on.

    `unit`: week (from Monday), month, quarter or year; "" with an anchor. `days`: their length, on average."""

    days: float
    unit: str = ""
    anchor: date | None = None

    def __str__(self) -> str:
        return f"calendar {self.unit}" if self.unit else f"period of {self.days:g} days counted from {self.anchor}"


class PeriodsSeen(NamedTuple):
    """Shared periods as of today: days to the end of the next one, and how many end in the hold-out."""

    periods: SharedPeriods
    next_days: float
    held_back: int


class QualityLine(NamedTuple):
    """One row of the data-quality table. `level` is `info` or `warning`; `remedy` what to type, if anything, and
    `condition` what has to be so for it that no log says, "" where nothing has."""

    key: str
    label: str
    value: str
    note: str = ""
    level: str = "info"
    remedy: tuple[str, ...] = ()
    condition: str = ""


class FailedCharges(NamedTuple):
    """Charges that failed after a customer had paid before, up to today; those without a payment between them are one,
    dated by the first. `customer_id`; `ago`: days before today; `gap`: days to the next payment, nan without one."""

    customer_id: np.ndarray
    ago: np.ndarray
    gap: np.ndarray


class SpendTrend(NamedTuple):
    """How the logs of customers' amounts change with calendar time: within customers, over paid repeat orders.

    `slope` and its standard error `se`, clustered by customer, are per year; nan where nobody has two such orders.
    `customers` have two on different days. `lag`: mean age of these orders today, in years. `problem`: why amounts
    cannot be brought to today's level, "" where they can."""

    slope: float
    se: float
    customers: int
    lag: float
    problem: str = ""


@dataclass(frozen=True)
class CustomerSummary:
    """The data of each customer that a retention or spend model is fitted to, as of `today`.

    `customers` has one row per customer, ordered by the id's text, with columns
    `customer_id` (str), `frequency` (repeat orders x in calibration, int64), `recency_days` (t_x),
    `T_days`, `first_amount` (money of the first order), `repeat_amount` (sum over repeat orders above zero),
    `repeat_log_amount` (sum of their logs), `repeat_log_square` (sum of the squares of those logs), `repeat_positive`
    (how many they are), only from a log `repeat_lag`, `repeat_lag_square`, `repeat_lag_log` (sums over them of their
    age in years, its square, and its product with the log), and `repeat_amount_today` (the sum of their amounts at
    today's level, by the slope of `trend`), `last_amount` (money of the last order above zero; where payments keep a
    rhythm, of the last one that fell due, or of what mostly followed such a one: `clvsim.data.prices`; nan where
    nothing was paid; only from a log),
    `holdout_frequency` (orders after today), `holdout_amount` (what was paid for them, less refunds after today; only
    from a log), `recent_frequency` and `recent_amount` (repeat orders in as many days up to today, and their money;
    only where the log dates them), `log_gaps` (sum of the logs of the days between orders; only from a log), `rhythm`
    (week, month, quarter or year: the one that most of these gaps are nearest to, "" where none is; only from a log),
    `breaks` (int64: how many of them are longer than one and a half of it; only from a log),
    `segment`, `channel` (str, "" where the log has none), for each NAME of `data.covariates` "covariate NAME" (float64
    with nan where missing, or str with "" where missing), and of a survivor table `lost` (bool): True where the
    contract is known to have ended.
    `repeat_orders_by_day` has a column per day from `first_date` to `today` and a row for each of `PARTS` parts of the
    customers, dealt out in turn in their order; None where the source has histories only, or orders
    are merged. With `means_only` the source has no single orders: `first_amount` and sums of logs are NaN.

    With `opportunity_days` > 0 time is cut into periods of that length from each customer's own first order, and all
    orders of one period are one, dated at its end; periods that have not ended by today are not in it yet. `by_day` is
    then the summary of the same customers, in the same order, in which orders are not merged; None where the source has
    histories only. `periods` are those that are the same for all: orders of the first one's period are one with it, and
    the column `opportunities` (int64) counts the whole periods after it.
    """

    customers: "pd.DataFrame"
    today: date
    first_date: date
    last_date: date
    time_unit: str
    data_hash: str
    repeat_orders_by_day: np.ndarray | None = None  # int64 (part, day)
    means_only: bool = False
    opportunity_days: float = 0.0
    by_day: "CustomerSummary | None" = None
    periods: PeriodsSeen | None = None
    trend: SpendTrend | None = None  # from a log
    failed: FailedCharges | None = None  # where the log says which charges failed
    interrupted: bool = False  # by a silence or a break: what months look like says nothing of drift or season

    @property
    def dated(self) -> "CustomerSummary":
        """The summary in which orders have their own days, where there is one."""
        return self if self.by_day is None else self.by_day

    @property
    def holdout_days(self) -> int:
        return (self.last_date - self.today).days

    @property
    def shared_period(self) -> str:
        """A period in words, where periods are the same for all customers; else empty."""
        return str(self.periods.periods) if self.periods else ""


class Diagnostic(NamedTuple):
    """One convergence figure and the limit it is held to."""

    model: str
    name: str
    value: float
    limit: str
    ok: bool


class DrawMethod(NamedTuple):
    """The method that produced one model's draws.

    `name`: `nuts`, `laplace`, `map` (a draft: one point), `observed` where nothing is inferred, `stated` where
    there are no data, "" where a file does not name it. `from_file`: whether they were read rather than fitted."""

    name: str = ""
    from_file: bool = False

    def __str__(self) -> str:
        return ", ".join(part for part in (self.name, "read from a file" if self.from_file else "") if part)


UNKNOWN_METHOD = DrawMethod()


class Seen(NamedTuple):
    """What a posterior was fitted to: customers and their repeat orders from one day to another."""

    customers: int
    repeat_orders: int
    first_date: date
    today: date

    def __str__(self) -> str:
        orders = f"{self.customers:,} customers with {self.repeat_orders:,} repeat orders"
        return f"{orders} from {self.first_date} to {self.today}"


@dataclass(frozen=True)
class Posterior:
    """Draws of all parameters, in natural units (time in `time_unit`, money as in the log), already permuted once.

    `retention`, `spend` map parameter symbols to float64 arrays of shape (draw,). `seen`: the data of the former.
    """

    retention: Mapping[str, np.ndarray]
    spend: Mapping[str, np.ndarray]
    time_unit: str
    diagnostics: tuple[Diagnostic, ...] = ()
    retention_method: DrawMethod = UNKNOWN_METHOD
    spend_method: DrawMethod = UNKNOWN_METHOD
    warnings: tuple[str, ...] = ()
    from_cache: bool = False
    seen: Seen | None = None  # where it is known

    @property
    def draws(self) -> int:
        return next(iter(self.retention.values())).shape[0]

    @property
    def is_draft(self) -> bool:
        """Whether the parameters of one of the models are a single point."""
        return "map" in (self.retention_method.name, self.spend_method.name)


class ModelScore(NamedTuple):
    """One retention model in a comparison: how well it predicts customers left out, and the orders it expects.

    `elpd`: sum over customers of the log score by leave-one-out; `difference`: to the best of the models, with its
    standard error over customers; `parameters`: effective number of them; `weight`: share in the best mixture;
    `unreliable`: customers whose score cannot be trusted. `orders`: expected orders of existing customers within a
    horizon, 90 % interval over parameters alone. `without`: what the run's own model contains and this one leaves out.
    """

    model: str
    elpd: float
    difference: float
    difference_se: float
    parameters: float
    weight: float
    unreliable: int
    orders: float
    orders_p05: float
    orders_p95: float
    without: tuple[str, ...] = ()


class Assumption(NamedTuple):
    """One number that was not estimated from the log: where it is set, its provenance, its mean and interval."""

    path: str  # configuration path, e.g. scenario.upsell_soft.upsell.take
    label: str  # in words, e.g. "Share of customers who take the offer"
    kind: str  # fixed | prior | expert | experiment | learned
    text: str  # e.g. "200 of 10,000 against 230 of 10,000; shrunk with prior sd 0.05"
    source: str  # the user's own note, "" when none
    mean: float  # of the draws, on the scale a reader expects (relative change, probability, money)
    p05: float
    p95: float
    unit: str = "number"  # relative | probability | money | number | log change | log loss (of orders) | hazard
    evidence: str = "stated"  # log | experiment | judgement (with a source) | stated
    drives: bool = False  # what its lever brings rests on it


class TraceLine(NamedTuple):
    """What happens to a simulated customer on a day, and under which scenarios ("all", or names) it does so alike.

    `customer`: why this one was chosen, never an id. `number` of messages from that day on, nan of all else.
    """

    customer: str
    date: str  # ISO
    event: str
    cause: str
    number: float
    revenue: float
    cost: float
    scenarios: str


class ScheduleLine(NamedTuple):
    """Steps of a lever's `height` from these `days` since today to the `end`, or `single` days; means over draws."""

    scenario: str
    lever: str
    who: str
    what: str
    single: bool
    end: float
    days: tuple[float, ...]
    height: tuple[float, ...]


@dataclass(frozen=True)
class ScenarioDescription:
    """The text of one scenario on the page: title, assumptions and a sentence for each intervention."""

    name: str
    title: str
    illustrative: bool
    not_applicable: str  # "" or the reason, e.g. "needs acquisition.channels"
    assumptions: tuple[Assumption, ...]
    interventions: tuple[str, ...]  # one plain sentence each
    evidence: str = ""  # the weakest of the numbers that it rests on; "" where it has none
    uncertain: bool = True  # whether a number that it rests on differs between draws
    default: str = ""  # label of a default effect that makes it an example, though no file says that it is one
    left_out: tuple[str, ...] = ()  # why, of each intervention that does nothing in this run
    pays_from: str = ""  # from which value of its first number on it pays, in a few words; "" where that is not known
    expected: str = ""  # that number's mean, in the same words; "" where the former is

    @property
    def is_what_if(self) -> bool:
        """Whether it rests on stated numbers that nobody doubts: it has consequences, and no chance."""
        return self.evidence == "stated" and not self.uncertain


@dataclass(frozen=True)
class PaybackCurve:
    """Cumulative discounted contribution per acquired customer by month of own age (0..h; 0 is the first order itself),
    CAC not deducted."""

    months: np.ndarray
    mean: np.ndarray
    p05: np.ndarray
    p95: np.ndarray
    cac_mean: float
    payback_p50_months: float  # nan: not within the horizon in at least half of the draws
    p_within_12_months: float
    p_never: float  # not within the horizon


class Range(NamedTuple):
    """Mean and 90 % interval over draws of the parameters; all three nan where there is nobody to speak of."""

    mean: float
    p05: float
    p95: float


class Counted(NamedTuple):
    """`count` of so many, `of`."""

    count: int
    of: int


class Renewal(NamedTuple):
    """The `number`th renewal: how many of those due for it by now made it, and the model's share of them."""

    number: int
    renewed: Counted
    expected: Range


@dataclass(frozen=True)
class PlanFigures:
    """Contracts of one plan, or of all, as of today: docs/contracts.md defines each figure.

    `active` and `unpaid` are all of `contracts`; `paused` of `unpaid` are expected in a pause, None where pauses are
    not modelled. `mrr` is money a month of the active, of whom `due` fall due within a month.
    `churn_*` are chances of the active to end within a month or a year; `ended_*` how many of those who were active
    before did, in the last `months_seen` months one by one, and in the last year. MRR a year ago was `mrr_year_ago`; of
    the `stayed` contracts in it it was `mrr_then` and is `mrr_now`.
    """

    plan: str  # "" where it is the only one, or all
    period: str  # week, month, quarter or year; "" where there are several
    contracts: int
    active: int
    unpaid: int
    paused: Range | None
    mrr: float
    due: int
    churn_month: Range
    churn_year: Range
    months_seen: int
    ended_month: Counted
    ended_year: Counted
    mrr_year_ago: float
    stayed: int
    mrr_then: float
    mrr_now: float
    renewals: tuple[Renewal, ...]

    @property
    def arpa(self) -> float:
        """MRR of an active contract; nan where there is none."""
        return self.mrr / self.active if self.active else float("nan")

    @property
    def retention(self) -> float:
        """Net revenue retention: what contracts that paid a year ago pay now, over MRR then; nan where nobody did."""
        return self.mrr_now / self.mrr_year_ago if self.mrr_year_ago else float("nan")

    @property
    def expansion(self) -> float:
        """By how much those who stayed pay more than a year ago; nan where nobody did."""
        return self.mrr_now / self.mrr_then - 1 if self.mrr_then else float("nan")


@dataclass(frozen=True)
class Trials:
    """Contracts that began with a payment of 0: how many, still open today (`running`), and paid since; `share` of
    those of which it is known that pay; how many of those open will, in the mean. Who has not paid is no customer."""

    contracts: int
    running: int
    paid: int
    share: Range
    to_pay: float

    @property
    def over(self) -> int:
        """Never paid, and not open any more."""
        return self.contracts - self.running - self.paid


@dataclass(frozen=True)
class ContractFigures:
    """Figures of all contracts, of each plan where there are several, and of trials where there are some."""

    total: PlanFigures
    plans: tuple[PlanFigures, ...] = ()
    trials: Trials | None = None


@dataclass(frozen=True)
class HoldoutCheck:
    """Actual repeat orders of the hold-out against 90 % predictive intervals and among simulated worlds.

    `position`: share of the worlds, shocks common to all included, with fewer orders; those with as many count half."""

    days: int
    actual: int
    mean: float
    with_environment: tuple[float, float]
    without_environment: tuple[float, float]
    position: float


@dataclass(frozen=True)
class Tracking:
    """Weekly repeat orders, all customers of the log. Arrays have one entry per full week."""

    week_start: np.ndarray  # datetime64[D]
    actual: np.ndarray
    mean: np.ndarray
    p05: np.ndarray
    p95: np.ndarray
    holdout_from: np.datetime64 | None
    holdout: HoldoutCheck | None
    untracked: str = ""  # why there are no weeks, in a sentence
    unchecked: str = ""  # why nothing was held back, in a sentence


@dataclass(frozen=True, eq=False)
class RunResult:
    """All figures and texts of one run that the terminal, the run folder and the page show."""

    title: str
    question: str
    command: str
    version: str
    created: str
    currency: str
    margin_known: bool  # False: every money figure is revenue and labels say so
    acquisition_known: bool  # False: nothing about newcomers, CAC or payback is shown
    horizon_months: int
    arrival_months: int
    annual_discount_rate: float
    draws: int
    replicates: int
    seed: int
    customers: int
    today: date
    layers: tuple[str, ...]  # of parameter, process, environment, assumption
    scenarios: tuple[ScenarioDescription, ...]  # the baseline first
    comparison: "pd.DataFrame"  # columns of comparison.csv
    delta_draws: Mapping[str, np.ndarray]  # expected plan-value difference per draw, by scenario
    payback: Mapping[str, PaybackCurve]  # by scenario; empty without acquisition
    tracking: Tracking
    quality: tuple[QualityLine, ...]
    diagnostics: tuple[Diagnostic, ...]
    assumptions: tuple[Assumption, ...]  # of the whole run (finance, acquisition, environment)
    model_facts: tuple[tuple[str, str], ...]  # label, value: fitted figures and model checks
    warnings: tuple[str, ...]
    models: str = ""  # sentence on the models that share the draws; "" where there is one
    arrivals: str = ""  # sentences on newcomers who come as in the log; "" where they do not
    calendar_effects: tuple[str, ...] = ()  # that were fitted: season, promotion, path
    poor_fit: bool = False  # fit.allow_poor let a failed gate pass: red banner
    draft: bool = False  # parameters were not sampled: banner, and no interval contains their uncertainty
    money_alarm: str = ""  # sentence on why figures in money can hardly be relied on: red banner
    who_is_lost: str = ""  # sentence on when the retention model counts a customer as lost
    active_contracts: int | None = None  # their number; None unless orders are payments of contracts
    merged_days: float = 0.0  # all orders of a customer in a period of that length are one; 0: each order is one
    shared_period: str = ""  # such a period in words, where periods are the same for all customers
    no_data: str = ""  # sentence that says so of a business that is stated; "" where there are data
    single: str = ""  # sentence on how newcomers of a stated business differ; "" where nobody comes, or data are there
    synthetic: str = ""  # sentence on the generator of the data; "" for real data
    metric: str = ""  # that scenarios are decided on; "": the one whose rows have probabilities
    lever_warnings: tuple[str, ...] = ()  # on levers without evidence, and names with several meanings
    contracts: ContractFigures | None = None  # None unless orders are payments of contracts
    trace: tuple[TraceLine, ...] = ()  # of a few simulated customers, by customer and day
    schedule: tuple[ScheduleLine, ...] = ()  # of the levers, by scenario
    books: "pd.DataFrame | None" = None  # columns of books.csv
    sheet: "Sheet | None" = None  # of the first sheet, beyond the comparison; None of runs of earlier versions
    valuation: "Valuation | None" = None  # where finance.valuation asks for one
    exports: tuple[str, ...] = ()  # sentences on what newcomer_value.csv holds
    track_record: TrackRecord | None = None  # how earlier forecasts fared, where the run was given a score
    knobs: "Knobs | None" = None  # of the page; None where there is nothing to move, or too much
    sampled: str = ""  # the sentence on a sample of the customers on which levers were simulated
    notes: tuple[str, ...] = field(default=())  # on replicates and probabilities, weights of newcomers, pooled groups
