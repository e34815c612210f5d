"""Contracts of plans of different length in one log: each plan has a period and parameters of its own.

A contract's plan is what a column of the log names, or else the period that its own payments keep; a contract that has
paid once has the plan of the nearest price. Each plan is judged, fitted and simulated as if it were alone, by the same
model: a plan's draws know nothing of the others', only the months up to today are common to all. Newcomers take plans
in the shares that the log's latest contracts have, and pay so much more or less than all. docs/models/plans.md.

Not modelled: contracts that change their plan, plans' shares that differ by channel, and what one plan's renewals say
of another's.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.models.around.levels import BY_PLAN, MAX_VALUES, NONE
from clvsim.models.around.merging import merge, merge_columns, with_column
from clvsim.models.around.several import named, own_of, van_der_corput
from clvsim.models.around.wrapper import with_pauses
from clvsim.models.domain import Domain
from clvsim.models.laws import PACE, RECOVERY, LifeLaw, Params, rows_of
from clvsim.models.prices import last_payments, latest
from clvsim.schema import Frozen, Money, Real, Share
from clvsim.types import COVARIATE, RENEWAL_DAYS, CustomerSummary, QualityLine

_FEW, _SHARE = 5, 0.01  # contracts, of all that show a period, from which it is a plan
_PRICES = 33  # at most that stand for a plan's
_WORDS = {"month": "month", "quarter": "quarter", "week": "week", "year": "year", "annual": "year"}
_STRANGE = 0.05  # share of a plan's contracts with payments at another period that is warned of
_APART = 2654435761  # between the seeds of plans, whose draws know nothing of each other
_GOLDEN = 0.6180339887498949

LogPrice = Annotated[Real, Field(ge=-100, le=100)]


class Plan(Frozen):
    """A plan: its period, the share of the latest contracts that have it, its mean price against that of all of them,
    and the logs of prices in money that are usual in it."""

    name: str
    period: Literal["week", "month", "quarter", "year"]
    share: Share
    price: Money
    log_prices: Annotated[tuple[LogPrice, ...], Field(max_length=2 * _PRICES)]


class Settings(Frozen):
    """What a file holds of `ByPlan`: `column`, the plans, and the settings of the model of each."""

    column: str
    plans: Annotated[tuple[Plan, ...], Field(min_length=1, max_length=MAX_VALUES + 1)]
    models: Annotated[tuple[dict[str, Any], ...], Field(min_length=1, max_length=MAX_VALUES + 1)]

    @model_validator(mode="after")
    def _are_a_model_each(self) -> "Settings":
        if len(self.plans) != len(self.models) or len({plan.name for plan in self.plans}) != len(self.plans):
            raise ValueError("must be plans of different names and one model for each")
        return self


class Part(NamedTuple):
    """The contracts of one plan: its number, its model, and they alone, which are `rows` of a summary."""

    number: int
    model: Any
    summary: CustomerSummary
    rows: np.ndarray


def _by_contract(name: str) -> Callable[..., Any]:
    """A method of the plans' models, of (params, histories, ...), for contracts of all plans."""

    def method(self: "ByPlan", params: Params, histories: Any, *rest: Any) -> Any:
        return self.by_plan(lambda model, own, some: getattr(model, name)(own, some, *rest), params, histories)

    return method


def _of_newcomers(name: str) -> Callable[..., np.ndarray]:
    """A method of the plans' models, of (params, ...), averaged over the plans that newcomers take."""

    def method(self: "ByPlan", params: Params, *rest: Any) -> np.ndarray:
        return sum(one.share * getattr(model, name)(own, *rest) for one, model, own in self.each(params))

    return method


@dataclass(frozen=True)
class ByPlan:
    """A model of contracts for each plan. `params` of a plan are named `PLAN.name`, each (draw,).

    `column` names the plans: segment, a column of `data.covariates`, or "" for the period of a contract's payments.
    """

    column: str
    plans: tuple[Plan, ...]
    models: tuple[Any, ...]

    TIMES: ClassVar[tuple[str, ...]] = ()
    renewing: ClassVar[bool] = True
    opportunity_days: ClassVar[float] = 0.0
    periods: ClassVar[float] = 0.0

    @property
    def kind(self) -> str:
        return self.models[0].kind

    @property
    def WHO_IS_LOST(self) -> str:
        return self.models[0].WHO_IS_LOST

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        pairs = zip(self.plans, self.models, strict=True)
        return {key: domain for plan, one in pairs for key, domain in named(plan.name, one.DOMAINS).items()}

    @property
    def interval_days(self) -> float:
        """Of the plan that is due most often."""
        return min(model.interval_days for model in self.models)

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        plans, models = ([one.model_dump(mode=mode) for one in many] for many in (self.plans, self.models))
        return {"kind": self.kind, "by_plan": {"column": self.column, "plans": plans, "models": models}}

    def model_dump_json(self) -> str:
        own = (*self.plans, *self.models)
        return f"[{self.column!r}, {', '.join(one.model_dump_json() for one in own)}]"

    # --- whose contract is it -----------------------------------------------------------------------------------------

    def codes(self, summary: CustomerSummary) -> np.ndarray:
        """Number of each contract's plan, (customer,) int64; where it shows none that is known, by the price."""
        names = [plan.name for plan in self.plans]
        known = plan_names(summary, self.column)
        code = np.select([known == name for name in names], range(len(names)), -1)
        return np.where(code < 0, self._nearest(last_payments(summary)), code).astype(np.int64)

    def _nearest(self, price: np.ndarray) -> np.ndarray:
        """The plan in which the nearest price is usual, (customer,); of several, and for those who paid nothing, the
        most frequent one."""
        often = np.argsort([-plan.share for plan in self.plans], kind="stable")
        away = np.full((price.size, often.size), np.inf)
        paid = price > 0
        for column, number in enumerate(often):
            usual = np.array(self.plans[number].log_prices)
            if usual.size:
                away[paid, column] = np.abs(np.log(price[paid])[:, None] - usual).min(axis=1)
        return often[np.argmin(away, axis=1)]

    def parts(self, summary: CustomerSummary) -> Iterator[Part]:
        """The contracts of each plan that has some."""
        codes = self.codes(summary)
        for number, model in enumerate(self.models):
            rows = np.flatnonzero(codes == number)
            if rows.size:
                frame = summary.customers.iloc[rows].reset_index(drop=True)
                yield Part(number, model, replace(summary, customers=frame), rows)

    def own(self, params: Params, number: int) -> dict[str, np.ndarray]:
        """A plan's parameters, and those of all: the pace, and the chance that a failed charge is recovered."""
        common = {name: params[name] for name in (PACE, RECOVERY) if name in params}
        return own_of(self.plans[number].name, params) | common

    def each(self, params: Params) -> Iterator[tuple[Plan, Any, dict[str, np.ndarray]]]:
        """Each plan, its model and its parameters."""
        for number, (plan, model) in enumerate(zip(self.plans, self.models, strict=True)):
            yield plan, model, self.own(params, number)

    def of_newcomers(self, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
        """Number of the plan that each newcomer takes, (customer,): evenly spread over those of all arrival cells."""
        place = van_der_corput(int(ordinal.max(initial=0)) + 1)[ordinal] + _GOLDEN * cell
        ends = np.cumsum([plan.share for plan in self.plans])
        return np.minimum(np.searchsorted(ends / ends[-1], place % 1.0, side="right"), len(ends) - 1)

    # --- data ---------------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Any:
        """The plans' own, and the number of each contract's plan."""
        columns: dict[str, np.ndarray] = {}
        kind: Any = None
        for part in self.parts(summary):
            found = part.model.histories(part.summary)
            kind = type(found)
            for name, values in found._asdict().items():
                columns.setdefault(name, np.zeros(len(summary.customers)))[part.rows] = values
        return with_column(kind, "plan")(**columns, plan=self.codes(summary).astype(np.float64))

    def sufficient(self, summary: CustomerSummary) -> Any:
        """Rows of each plan, `plan0`, `plan1`, ..., and the `count` of all. DiagnosticsError where none has any."""
        rows: dict[str, Any] = {}
        problems: list[Problem] = []
        for part in self.parts(summary):
            name = self.plans[part.number].name
            rows[f"plan{part.number}"] = part.model.unique_contracts(part.summary)
            try:
                part.model.sufficient(part.summary)
            except DiagnosticsError as error:
                problems += [Problem(where, f"plan {name}: {what}") for where, what in error.problems]
        if len(problems) == len(rows):
            raise DiagnosticsError(problems)
        count = np.concatenate([one.count for one in rows.values()])
        return namedtuple("RowsByPlan", (*rows, "count"))(**rows, count=count)

    def holdout_days(self, summary: CustomerSummary) -> float:
        """Up to the day whose payments have usually come, of all plans."""
        return min(part.model.holdout_days(part.summary) for part in self.parts(summary))

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        return self._said(summary, lambda part: part.model.remarks(part.summary))

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        return self._said(summary, lambda part: part.model.warnings(part.summary, self.own(params, part.number)))

    def _said(self, summary: CustomerSummary, of: Callable[[Part], tuple[str, ...]]) -> tuple[str, ...]:
        """What each plan's model has to say, and contracts whose payments keep another period than their plan's."""
        said = []
        for part in self.parts(summary):
            plan, frame = self.plans[part.number], part.summary.customers
            rhythm = frame["rhythm"].to_numpy(str)
            strange = int(((rhythm != "") & (rhythm != plan.period)).sum())
            if strange > _STRANGE * len(frame):
                said.append(
                    f"Plan {plan.name}: {strange:,} of its {len(frame):,} contracts pay at another rhythm than every "
                    f"{plan.period} (retention.plan, retention.plan_periods)"
                )
            said += [f"Plan {plan.name}: {sentence}" for sentence in of(part)]
        return tuple(said)

    def line(self, summary: CustomerSummary) -> QualityLine:
        """How many contracts each plan has, and how many of them are active."""
        found, guessed = [], 0
        for part in self.parts(summary):
            plan, frame = self.plans[part.number], part.summary.customers
            paid = last_payments(part.summary) > 0
            active = int(((part.model.histories(part.summary).lost == 0) & paid).sum())
            every = f" (every {plan.period})" if plan.name != plan.period else ""
            found.append(f"{plan.name}{every}: {len(frame):,}, of which {active:,} active")
            guessed += int((plan_names(part.summary, self.column) != plan.name).sum())
        note = f"{guessed:,} paid once, or show no plan: counted to that of the nearest price" if guessed else ""
        return QualityLine("plans", "Contracts by plan", "; ".join(found), note)

    # --- quantities ---------------------------------------------------------------------------------------------------

    def by_plan(self, function: Callable[[Any, Params, Any], Any], params: Params, histories: Any) -> Any:
        """A function of (model, its own params, histories), (draw, customer) or a law, for contracts of all plans."""
        plain = type(histories).plain(*histories[:-1])
        present, plan_of = np.unique(histories.plan.astype(np.int64), return_inverse=True)
        groups = [np.flatnonzero(plan_of == i) for i in range(present.size)]
        parts = [
            function(self.models[number], self.own(params, number), rows_of(plain, rows))
            for number, rows in zip(present, groups, strict=True)
        ]
        return self._merged(parts, groups, plan_of.size)

    def _merged(self, parts: list[Any], groups: list[np.ndarray], size: int) -> Any:
        merged = merge(parts, groups, size)
        if isinstance(merged, np.ndarray) or len(parts) == 1:
            return merged
        intervals = np.empty(size)
        for law, rows in zip(parts, groups, strict=True):
            intervals[rows] = law.interval_days
        by_plan = {
            name: merge_columns([getattr(law, name) for law in parts], groups, size)
            for name in ("tenure_exponent", "pause", "resume")
            if getattr(merged, name) is not None
        }
        return merged._replace(interval_days=intervals, **by_plan)

    log_likelihood = _by_contract("log_likelihood")
    probability_alive = _by_contract("probability_alive")
    probability_active = _by_contract("probability_active")
    probability_staying = _by_contract("probability_staying")
    expected_orders = _by_contract("expected_orders")
    expected_discounted_orders = _by_contract("expected_discounted_orders")
    laws = _by_contract("laws")
    laws_given_dead = _by_contract("laws_given_dead")
    expected_orders_new = _of_newcomers("expected_orders_new")
    expected_discounted_orders_new = _of_newcomers("expected_discounted_orders_new")
    probability_staying_new = _of_newcomers("probability_staying_new")
    order_pmf = _of_newcomers("order_pmf")

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """Of a newcomer of each plan, (draw, plan)."""
        laws = [model.newcomer_laws(own, days_per_unit) for _, model, own in self.each(params)]
        return self._merged(laws, [np.array([i]) for i in range(len(laws))], len(laws))


def plans_of(model: Any) -> ByPlan | None:
    """The plans of a model, or of the one inside."""
    return next((one for one in (model, getattr(model, "section", None)) if isinstance(one, ByPlan)), None)


# --- plans as a summary shows them ------------------------------------------------------------------------------------


def plan_names(summary: CustomerSummary, column: str) -> np.ndarray:
    """What names each contract's plan, (customer,) of text: a column, or with "" the period of its payments."""
    frame = summary.customers
    name = "rhythm" if not column else column if column == "segment" else COVARIATE + column
    values = frame[name]
    if values.dtype.kind == "f":
        return np.array([NONE if np.isnan(value) else f"{value:.15g}" for value in values])
    return values.replace("", NONE if column else "").to_numpy(str)


def by_plan(section: Any, summary: CustomerSummary) -> ByPlan:
    """The section with the plans of a summary. Raises ConfigError with every problem: no log, no such column, too many
    values of it, a plan whose period is not known, a grace too long for a plan."""
    column = section.plan or ""
    if "rhythm" not in summary.customers or summary.repeat_orders_by_day is None:
        what = "each contract's own period is read from dates of payment: it needs a log of payments"
        raise ConfigError([("retention.renewal", f"renewal={BY_PLAN}: {what}; type its length")])
    if column and column != "segment" and COVARIATE + column not in summary.customers:
        raise ConfigError([("retention.plan", f"{column!r} is neither segment nor among data.covariates")])
    rhythm, names = summary.customers["rhythm"].to_numpy(str), plan_names(summary, column)
    periods, problems = _periods(names, rhythm, section.plan_periods) if column else _rhythms(rhythm)
    for key in ("grace_days", "recovery_days"):
        problems += [
            Problem(f"retention.{key}", f"must be below half a {period} (plan {name}), got {days:g}")
            for name, period in periods.items()
            if (days := getattr(section, key)) is not None and 2 * days >= RENEWAL_DAYS[period]
        ]
    if problems:
        raise ConfigError(problems)
    price = last_payments(summary)
    known = {name: float((names == name).mean()) for name in periods}
    usual = {name: _usual(price[(names == name) & (price > 0)]) for name in periods}
    apart = [
        Plan.model_validate({"name": n, "period": p, "share": known[n], "price": 1.0, "log_prices": usual[n]})
        for n, p in periods.items()
    ]
    alone = {"plan": None, "plan_periods": {}}
    models = [with_pauses(section.model_copy(update={"renewal": period, **alone})) for period in periods.values()]
    found = ByPlan(column, tuple(apart), tuple(models))
    code = found.codes(summary)
    came = latest(summary)
    shares = np.bincount(code[came], minlength=len(apart)) / came.sum()
    paying = came & (price > 0)
    mean = price[paying].mean() if paying.any() else 1.0
    own = [
        price[paying & (code == i)].mean() / mean if (paying & (code == i)).any() else 1.0 for i in range(len(apart))
    ]
    total = float(shares @ own)
    plans = (
        plan.model_copy(update={"share": float(share), "price": float(price) / total})
        for plan, share, price in zip(apart, shares, own, strict=True)
    )
    return replace(found, plans=tuple(plans))


def _usual(price: np.ndarray) -> tuple[float, ...]:
    """Logs of prices that several contracts pay; of quantiles where each has its own."""
    found, count = np.unique(np.log(price), return_counts=True)
    common = found[count >= max(2, _SHARE * price.size)]
    if not 0 < common.size <= _PRICES:
        common = np.unique(np.quantile(found, np.linspace(0, 1, _PRICES))) if found.size else found
    return tuple(common.tolist())


def _rhythms(rhythm: np.ndarray) -> tuple[dict[str, str], list[Problem]]:
    """Periods that enough contracts keep, as plans of that name."""
    names, count = np.unique(rhythm[rhythm != ""], return_counts=True)
    enough = {name: name for name, n in zip(names.tolist(), count, strict=True) if n >= max(_FEW, _SHARE * count.sum())}
    if enough:
        return enough, []
    what = f"fewer than {_FEW} contracts have paid twice at any period: type retention.renewal, their length"
    return {}, [Problem("retention.renewal", f"renewal={BY_PLAN}: {what}")]


def _periods(names: np.ndarray, rhythm: np.ndarray, typed: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """The period of each plan that a column names: as typed, as most of its contracts pay, or as its name says."""
    known = np.unique(names[names != NONE]).tolist()
    if not known:
        return {}, [Problem("retention.plan", "names no plan: the column is empty")]
    if len(known) > MAX_VALUES:
        shown = ", ".join(repr(name) for name in known[:3])
        what = f"{len(known):,} different values, more than {MAX_VALUES} ({shown}, …): it has to say which plan is paid"
        return {}, [Problem("retention.plan", f"{what}; left out, plans are told by how far apart payments lie")]
    listed = ", ".join(known)
    problems = [
        Problem("retention.plan_periods", f"no contract has the plan {name!r}; there are {listed}")
        for name in typed
        if name not in known
    ]
    periods: dict[str, str] = {}
    for name in known:
        shown = rhythm[(names == name) & (rhythm != "")]
        said = next((period for word, period in _WORDS.items() if word in name.casefold()), "")
        most = max(RENEWAL_DAYS, key=lambda period: (shown == period).sum()) if shown.size else said
        periods[name] = typed.get(name, most)
        if not periods[name]:
            what = f"nobody has paid the plan {name!r} twice, and its name says no period"
            problems.append(
                Problem("retention.plan_periods", f"{what}; type 'retention.plan_periods={{{name}: year}}'")
            )
    return {} if problems else periods, problems


# --- fit --------------------------------------------------------------------------------------------------------------


def fit_each(
    model: Any, rows: Any, summary: CustomerSummary, fit_plan: Callable[..., Any], with_months: Callable[..., Any]
) -> tuple[Any, Any]:
    """Each plan's draws, one beside the other, and the months of the plan with the most renewals, for all.

    Of a model without plans its own. Returns the model and the draws.
    `fit_plan` of (model, rows, what is added to the seed) gives draws, `with_months` of (model, draws, summary) the
    model by the clock of its months; draws have `params`, `diagnostics` and a `method`.
    """
    if not isinstance(model, ByPlan):
        return with_months(model, fit_plan(model, rows), summary)
    parts = list(model.parts(summary))
    draws = {p.number: fit_plan(p.model, getattr(rows, f"plan{p.number}"), _APART * p.number) for p in parts}
    params: dict[str, np.ndarray] = {}
    diagnostics: list[Any] = []
    for number, one in draws.items():
        name = model.plans[number].name
        params |= named(name, one.params)
        diagnostics += [found._replace(name=f"{name}: {found.name}") for found in one.diagnostics]
    busiest = max(parts, key=lambda part: part.summary.customers["frequency"].sum())
    learned, paced = with_months(busiest.model, draws[busiest.number], busiest.summary)
    beside = {name: values for name, values in paced.params.items() if name not in draws[busiest.number].params}
    joined = paced._replace(params=params | beside, diagnostics=tuple(diagnostics))
    return (model if learned is busiest.model else replace(learned, section=model)), joined


def with_plans(section: Any, summary: CustomerSummary) -> CustomerSummary:
    """Contracts with their plan as the segment, where the log names no segments. Raises as `by_plan`."""
    if (summary.customers["segment"] != "").any():
        return summary
    plans = by_plan(section, summary)
    names = np.array([plan.name for plan in plans.plans])[plans.codes(summary)]
    return replace(summary, customers=summary.customers.assign(segment=names))


def plans_line(section: Any, summary: CustomerSummary) -> QualityLine:
    """How many contracts each plan has. Raises as `by_plan`."""
    return by_plan(section, summary).line(summary)
