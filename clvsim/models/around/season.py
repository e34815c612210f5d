"""Seasons, promotions and the path of the months: purchases of customers who all buy m(day) times as fast on a day.

A wrapper. By the clock S, the integral of m, purchases come evenly. Where customers leave after orders and not with
time (BG/NBD, MBG/NBD) one who lives through m is one who lives without it by that clock: with S(u) what it ran in the
last u days, T becomes S(T) and t_x becomes S(T) - S(T - t_x). Pareto/NBD's customers die by the calendar: see
`pareto_season`. Each repeat order contributes log m of its day. The day of the first order is today - T, so histories
stay rows of (x, t_x, T), and the log m of all orders together need their number per kind of day. Bachmann, Meierer &
Naef 2021, Marketing Science 40(4), 783-809, treat the Pareto/NBD with covariates that vary with time.

m and its priors are those of `models.around.by_calendar`, its mean that over the days of the log up to today. Beside
effects of the calendar, or without them, m has the path of the months up to today, learned after the fit
(`models.shocks`), and goes on with its conditional mean. docs/models/seasonality.md, docs/environment.md.

Not modelled: seasons that differ between customers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import BeforeValidator, Field

from clvsim.errors import ConfigError, Problem
from clvsim.models.around import arriving
from clvsim.models.around.by_calendar import ByCalendar
from clvsim.models.around.calendar import MOST_PROMOTIONS, Calendar, Window, months_ahead
from clvsim.models.around.path import STATES, mean_ahead
from clvsim.models.laws import Births, Customers, LifeLaw, Params, distinct_rows
from clvsim.models.protocol import RetentionModel
from clvsim.schema import LONGEST_NAME, Frozen
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

_AHEAD_DAYS = 3653  # ten years; from then on m is its mean over four years
_CYCLE_DAYS = 1461
_BELOW_ROUNDING = 40.0  # what is discounted by exp(-40)
_CHUNK_CELLS = 1 << 18


def _word(value: Any) -> Any:
    """YAML reads on and off as yes and no."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


Word = BeforeValidator(_word)
PromotionName = Annotated[str, Field(pattern=r"^\w+$", max_length=LONGEST_NAME)]


class Seasonable(Frozen):
    """Settings of a model whose customers may all buy faster, or renew less, on some days; docs/models/seasonality.md.

    `season`: whether months of the year differ; `promotions`: days on which they may.
    """

    season: Annotated[Literal["off", "month"], Word] = "off"
    promotions: Annotated[dict[PromotionName, Window], Field(max_length=MOST_PROMOTIONS)] = Field(default_factory=dict)

    @property
    def seasonal(self) -> bool:
        return self.season == "month" or bool(self.promotions)

    def by_calendar(self, calendar: Calendar) -> Any:
        """The model by that calendar's clock."""
        return Seasonal(self, calendar)

    def dated_events(self, summary: CustomerSummary) -> np.ndarray:
        """How many of what effects act on there were on each day from the log's first one to today, (day,)."""
        daily: Any = summary.repeat_orders_by_day
        return daily.sum(axis=0)


class Clock(NamedTuple):
    """How far the customers' clock ran in the last 0, 1, ... days, (day,), in a model's unit of time.

    `edges`: days ago, ascending from 0 to the length of the log, between which it runs evenly; `ago` the same in the
    model's unit. All are graphs.
    """

    since: Any
    edges: Any
    ago: Any

    def ran(self, days: Any) -> Any:
        """In the last `days` days, whole numbers."""
        return self.since[days]

    @property
    def run(self) -> Any:
        return self.since[self.edges]


class SeasonInputs(NamedTuple):
    """What the density of `Seasonal` computes with.

    `section`: what that of the model underneath does. `effects`: which effects a kind of day has, (effect, kind).
    `share`: of the log's days that are of each kind, `orders`: repeat orders on them, (kind,). `kind`: of each day
    before today, (day,). `edges` (edge,) and `ago`: see `Clock`. `unit_days`: days in the model's unit of time.
    """

    section: Any
    effects: np.ndarray
    share: np.ndarray
    orders: np.ndarray
    kind: np.ndarray
    edges: np.ndarray
    ago: np.ndarray
    unit_days: float


class Ahead(NamedTuple):
    """The clock after today: days from today (edge,), the first 0 and the last the horizon; between them it runs `pace`
    (draw, edge - 1) times as fast as the calendar, and up to them `reached` (draw, edge) days."""

    edges: np.ndarray
    pace: np.ndarray
    reached: np.ndarray


class SeasonRows(NamedTuple):
    """`PurchaseRows`, and the number of repeat orders on days of each kind, in the calendar's order."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    level: np.ndarray
    unit_days: float
    orders: np.ndarray


def make_calendar(asked: Seasonable, summary: CustomerSummary) -> Calendar:
    """Kinds of days of a summary. Raises ConfigError where an effect cannot be learned from it."""
    monthly, promotions = asked.season == "month", asked.promotions
    if summary.repeat_orders_by_day is None:
        key = "season" if monthly else "promotions"
        what = "seasons and promotions need a log of orders; this summary does not know on which days they were"
        raise ConfigError([Problem(f"retention.{key}", what)])
    empty = Calendar(first_date=summary.first_date, today=summary.today, monthly=monthly, promotions=dict(promotions))
    problems = []
    code = empty.code(-np.arange(empty.length))
    for i, (name, window) in enumerate(promotions.items()):
        running = code >> (len(promotions) - 1 - i) & 1
        if running.all() or not running.any():
            which = "covers the whole log" if running.any() else "does not touch the log"
            what = f"{window.start} to {window.end} {which} up to today ({summary.today}): nothing to learn it from"
            problems.append(Problem(f"retention.promotions.{name}", what))
    if problems:
        raise ConfigError(problems)
    return empty.counted(asked.dated_events(summary))


def configured(model: RetentionModel, summary: CustomerSummary) -> RetentionModel:
    """The model itself, or by the clock that its section asks for; errors as `make_calendar`."""
    if not isinstance(model, Seasonable) or not model.seasonal:
        return model
    return model.by_calendar(make_calendar(model, summary))


def restored(model: RetentionModel, calendar: Mapping[str, Any] | None) -> RetentionModel:
    """The model of a posterior that kept its calendar.

    Raises ValueError for one that was fitted with a straight line, which no model has any more.
    """
    if not calendar:
        return model
    kept = {name: value for name, value in calendar.items() if name != "trend"}
    if calendar.get("trend"):
        raise ValueError("it was fitted with retention.trend=on, which is no longer offered; fit it again")
    seasonable: Any = model
    return seasonable.by_calendar(Calendar.model_validate(kept))


def seasonal_of(model: RetentionModel) -> "Seasonal | None":
    """What carries the season in a model, whether customers are told apart by levels or not."""
    inner = getattr(model, "section", None)
    return next((found for found in (model, inner) if isinstance(found, Seasonal)), None)


@dataclass(frozen=True)
class Seasonal(ByCalendar):
    """BG/NBD or MBG/NBD by a clock of its own. `params` are the model's own and the calendar's effects, (draw,).

    What is said of newcomers in general (`expected_orders_new`, `order_pmf`) holds where m is 1: on an average day of
    the log.
    """

    SEEN: ClassVar[float] = 14.0

    @property
    def seen(self) -> np.ndarray:
        """Days of the log."""
        return np.array(self.calendar.days, np.float64)

    # --- fit ----------------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Customers:
        """The model's own. Raises ConfigError for a summary of another day than that of the fit."""
        self.require_calendar(summary)
        return self.section.histories(summary)

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> SeasonRows:
        return SeasonRows(*self.section.sufficient(summary, level), np.array(self.calendar.orders, np.float64))

    def inputs(self, rows: SeasonRows) -> SeasonInputs:
        calendar, edges = self.calendar, self.calendar.edges()
        return SeasonInputs(
            section=self.section.inputs(rows, rows.unit_days),
            effects=self.columns,
            share=self.share,
            orders=rows.orders,
            kind=np.searchsorted(calendar.codes, calendar.code(-np.arange(calendar.length))),
            edges=edges,
            ago=edges / rows.unit_days,
            unit_days=rows.unit_days,
        )

    def log_density(self, params: Mapping[str, Any], inputs: SeasonInputs) -> Any:
        """Log-likelihood of all rows as a graph; parameters may be (level,)."""
        import pytensor.tensor as pt

        log_m = params["log_m"]
        since = pt.concatenate([np.zeros(1), pt.cumsum(pt.exp(log_m)[inputs.kind])]) / inputs.unit_days
        clock = Clock(since, inputs.edges, inputs.ago)
        return self.section.log_density(params, inputs.section, clock) + pt.sum(inputs.orders * log_m)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """What the model has to say, where months of the year are told from ageing only by the prior, and what the
        path of the months looks like."""
        path = self.calendar.path
        asked = path is not None and not summary.dated.interrupted
        sentences = list(path.sentences(has_season=self.calendar.monthly)) if asked else []
        short = self.short_warning("customers ageing or a single good month", "rate")
        return (*sentences, *short, *self.section.warnings(summary, params))

    # --- clock --------------------------------------------------------------------------------------------------------

    def log_multiplier(self, params: Params, day: np.ndarray) -> np.ndarray:
        """log m of days, told by their number from today, (draw, day); after today the path's conditional mean."""
        log_m = super().log_multiplier(params, day)
        if self.calendar.path and (np.asarray(day) > 0).any():
            months, month_of = np.unique(months_ahead(day), return_inverse=True)
            ahead = mean_ahead(params, months, self.calendar.path.autocorrelation)
            log_m = log_m + np.where(months > 0, ahead, 0.0)[:, month_of]
        return log_m

    def by_week(self, params: Params, first: int, weeks: int) -> np.ndarray:
        """log of the mean of m over weeks from day number `first` on, (draw, week)."""
        day = first + np.arange(7 * weeks)
        daily = np.exp(self.log_multiplier(params, day))
        return np.log(daily.reshape(len(daily), weeks, 7).mean(axis=2))

    def since(self, params: Params) -> np.ndarray:
        """S(u), the integral of m over the last u = 0, 1, ... days, (draw, day)."""
        daily = np.exp(self.log_multiplier(params, -np.arange(self.calendar.length)))
        return np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, axis=1)], axis=1)

    def ahead(self, params: Params, horizon_days: float) -> Ahead:
        """The clock up to a horizon, which may be infinite: pieces in which m does not change."""
        near = min(horizon_days, float(_AHEAD_DAYS))
        day = 1 + np.arange(max(int(np.ceil(near)), 1))
        changes = np.diff(self.calendar.code(day)) != 0
        if self.calendar.path:
            changes |= np.diff(months_ahead(day)) != 0
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
        pace = np.exp(self.log_multiplier(params, 1 + starts))
        edges = np.concatenate([starts, [near]]).astype(np.float64)
        if horizon_days > near:
            cycle = 1 + _AHEAD_DAYS + np.arange(_CYCLE_DAYS)
            later = np.exp(self.log_multiplier(params, cycle)).mean(axis=1, keepdims=True)
            pace, edges = np.hstack([pace, later]), np.append(edges, horizon_days)
        reached = np.concatenate([np.zeros((len(pace), 1)), np.cumsum(pace * np.diff(edges), axis=1)], axis=1)
        return Ahead(edges, np.ascontiguousarray(pace), reached)

    def ran(self, since: np.ndarray, days: np.ndarray) -> np.ndarray:
        """How far the clock ran in the last `days` (row,), (draw, row); `since` as of that name."""
        whole = np.minimum(days.astype(np.int64), since.shape[1] - 2)
        return since[:, whole] + (since[:, whole + 1] - since[:, whole]) * (days - whole)

    def stretched(self, params: Params, histories: Customers) -> Customers:
        """Histories by each draw's clock: times are (draw, customer)."""
        since = self.since(params)
        T = self.ran(since, histories.T_days)
        return Customers(histories.x, T - self.ran(since, histories.T_days - histories.t_x_days), T)

    def own(self, params: Params) -> dict[str, np.ndarray]:
        """The parameters of the model underneath."""
        return {name: values for name, values in super().own(params).items() if name not in STATES}

    # --- quantities ---------------------------------------------------------------------------------------------------

    def probability_alive(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        return self.section.probability_alive(self.own(params), self.stretched(params, histories), days_per_unit)

    def laws(self, params: Params, histories: Customers, days_per_unit: float) -> LifeLaw:
        return self.section.laws(self.own(params), self.stretched(params, histories), days_per_unit)

    def laws_given_dead(self, params: Params, histories: Customers, days_per_unit: float) -> LifeLaw:
        return self.section.laws_given_dead(self.own(params), self.stretched(params, histories), days_per_unit)

    def probability_active(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        end = self.ahead(params, horizon_days).reached[:, -1:]
        return self.section.probability_active(self.own(params), self.stretched(params, histories), end, days_per_unit)

    def log_likelihood(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """Log density of each history. On which days are known of all orders together only: each has their mean log m.

        The sum over all customers of the log is exact; single ones are off by how their orders' days differ.
        """
        log_m = self.effects(params) @ self.calendar.features(np.array(self.calendar.codes)).T
        orders = np.array(self.calendar.orders, np.float64)
        by_clock = self.log_likelihood_by_clock(params, histories, days_per_unit)
        return by_clock + (log_m @ orders / orders.sum())[:, None] * histories.x

    def log_likelihood_by_clock(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """Log density of orders by the customers' own clock."""
        return self.section.log_likelihood(self.own(params), self.stretched(params, histories), days_per_unit)

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """The model's own: the simulator's clock carries the season."""
        return self.section.newcomer_laws(self.own(params), days_per_unit)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        return self.section.expected_orders_new(self.own(params), t, days_per_unit)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        return self.section.order_pmf(self.own(params), n, t, days_per_unit)

    def expected_orders(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        alive = self.probability_alive(params, histories, days_per_unit)
        return alive * self.expected_discounted_orders(params, histories, horizon_days, 0.0, days_per_unit)

    def expected_discounted_orders(
        self, params: Params, histories: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted at their own date.

        Between days on which m changes, time is a linear function of the clock. All orders without discount or end are
        as many by any clock.
        """
        from clvsim.kernels.dropout import discounted_orders_by_clock, rule_limits

        force = float(np.log1p(annual_rate)) / DAYS_PER_YEAR
        horizon = min(horizon_days, _BELOW_ROUNDING / force) if force else horizon_days
        if np.isinf(horizon):
            return self.section.expected_discounted_orders(self.own(params), histories, horizon, 0.0, days_per_unit)
        ahead = self.ahead(params, horizon)
        edges, limit = rule_limits(ahead.edges, force)
        reached = np.stack([np.interp(edges, ahead.edges, run) for run in ahead.reached])
        own = self.section.living(self.own(params))
        r, alpha, a, b = (np.ascontiguousarray(own[name], np.float64) for name in ("r", "alpha", "a", "b"))
        first, pair_of = distinct_rows([histories.x, histories.T_days])
        since = self.since(params)
        of_pairs, ages = (np.asarray(own[first], np.float64) for own in (histories.x, histories.T_days))
        out = np.empty((r.size, pair_of.size))
        step = max(1, _CHUNK_CELLS // first.size)
        for i in range(0, r.size, step):
            part = slice(i, i + step)
            age = np.ascontiguousarray(self.ran(since[part], ages)) / days_per_unit
            table = np.empty_like(age)
            discounted_orders_by_clock(
                *(v[part] for v in (r, alpha, a, b)),
                np.ascontiguousarray(of_pairs),
                age,
                np.ascontiguousarray(reached[part]) / days_per_unit,
                edges / days_per_unit,
                limit,
                force * days_per_unit,
                table,
            )
            out[part] = table[:, pair_of]
        return out

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        """See `RetentionModel`: by the days on which those who come are there, (draw, arrival, horizon)."""
        own, force = self.own(params), float(np.log1p(annual_rate)) / DAYS_PER_YEAR
        m = np.exp(self.log_multiplier(params, 1 + np.arange(arriving.days_ahead(births, horizons_days))))
        return self._orders_of_arrivals(own, m, births, horizons_days, force, days_per_unit)

    def probability_staying(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """The model's own formula, by the clock of the days ahead."""
        by_clock = self.expected_discounted_orders
        return self.section.probability_staying(params, histories, horizon_days, days_per_unit, by_clock)

    def probability_staying_new(self, params: Params, horizons_days: np.ndarray, days_per_unit: float) -> np.ndarray:
        return self.section.probability_staying_new(self.own(params), horizons_days, days_per_unit)

    def _orders_of_arrivals(
        self, own: Params, m: np.ndarray, births: Births, horizons_days: np.ndarray, force: float, days_per_unit: float
    ) -> np.ndarray:
        stays = self.section.probability_alive(own, self.section.newborn(), days_per_unit)
        daily = arriving.daily_of(self.section.living(own), days_per_unit, "r", "alpha", "a", "b")
        return stays[:, :, None] * arriving.dropout_orders(daily, m, births, horizons_days, force)
