"""Seasons and promotions: a model of purchases whose customers all buy m(day) times as fast on a given day.

A wrapper around BG/NBD and MBG/NBD. Customers leave after orders, not with time, so a customer who lives through m is
one who lives without it by another clock: with S(u) the integral of m over the last u days, T becomes S(T) and t_x
becomes S(T) - S(T - t_x), and each repeat order contributes log m of its day. The day of the first order is today - T,
so histories stay rows of (x, t_x, T), and the log m of all orders together need their number per kind of day. Bachmann,
Meierer & Naef 2021, Marketing Science 40(4), 783-809, treat the Pareto/NBD, whose customers leave with time.

m is e^(effect of the month + effects of the promotions that run), divided by its mean over the days of the log up to
today. On the log rate effects of months are Normal(0, 0.2), of promotions Normal(0, 0.5). docs/models/seasonality.md.

Not modelled: a trend, which such a log cannot tell from customers leaving; seasons that differ between customers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import numpy as np
from pydantic import model_validator

from clvsim.errors import ConfigError, Problem
from clvsim.models.laws import Customers, LifeLaw, Params, RetentionModel
from clvsim.schema import Frozen
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

MONTH_SD, PROMOTION_SD = 0.2, 0.5
LONG_ENOUGH_DAYS = 2 * DAYS_PER_YEAR
_AHEAD_DAYS = 3653  # ten years; from then on m is its mean over four years
_CYCLE_DAYS = 1461
_BELOW_ROUNDING = 40.0  # what is discounted by exp(-40)
_FEW, _MANY = (np.polynomial.legendre.leggauss(n) for n in (4, 16))
_CHUNK_CELLS = 1 << 18


class Window(Frozen):
    """Days of a promotion, both ends included."""

    start: date
    end: date

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> "Window":
        if self.end < self.start:
            raise ValueError(f"end ({self.end}) must not be before start ({self.start})")
        return self


class SeasonRows(NamedTuple):
    """`PurchaseRows`, and the number of repeat orders on days of each kind, in the calendar's order."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    level: np.ndarray
    unit_days: float
    orders: np.ndarray


class Calendar(Frozen):
    """Kinds of days: month of the year (all one kind where not `monthly`) and which promotions run, as one code.

    `codes`, `days`, `orders`: kinds that occur after `first_date` up to `today`, on how many days, with how many repeat
    orders. Days are told by their number from today, 0 being today itself and 1 tomorrow.
    """

    first_date: date
    today: date
    monthly: bool
    promotions: dict[str, Window]
    codes: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    orders: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Days on which there could be repeat orders."""
        return (self.today - self.first_date).days

    @property
    def names(self) -> tuple[str, ...]:
        """Of the effects, in the order of the columns of `features`."""
        months = [f"season[{m}]" for m in range(1, 13)] if self.monthly else ["season[any]"]
        return (*months, *(f"promotion[{name}]" for name in self.promotions))

    def code(self, day: np.ndarray) -> np.ndarray:
        """Kind of each day, int64."""
        dates = np.datetime64(self.today, "D") + np.asarray(day, np.int64)
        found = dates.astype("datetime64[M]").astype(np.int64) % 12 * self.monthly
        for window in self.promotions.values():
            running = (dates >= np.datetime64(window.start, "D")) & (dates <= np.datetime64(window.end, "D"))
            found = 2 * found + running
        return found

    def features(self, codes: np.ndarray) -> np.ndarray:
        """Which effects a kind of day has, (code, effect) of 0 and 1."""
        promotions = len(self.promotions)
        running = codes[:, None] >> np.arange(promotions)[::-1] & 1
        months = (codes >> promotions)[:, None] == np.arange(12 if self.monthly else 1)
        return np.hstack([months, running]).astype(np.float64)


def make_calendar(monthly: bool, promotions: Mapping[str, Window], summary: CustomerSummary) -> Calendar:
    """Kinds of days of a summary. Raises ConfigError where an effect cannot be learned from it."""
    if summary.repeat_orders_by_day is None:
        what = "seasons and promotions need a log of orders; this summary does not know on which days they were"
        raise ConfigError([Problem("retention.season" if monthly else "retention.promotions", what)])
    empty = Calendar(first_date=summary.first_date, today=summary.today, monthly=monthly, promotions=dict(promotions))
    day = -np.arange(empty.length)
    code = empty.code(day)
    problems = []
    for i, (name, window) in enumerate(promotions.items()):
        running = code >> (len(promotions) - 1 - i) & 1
        if running.all() or not running.any():
            which = "covers the whole log" if running.any() else "does not touch the log"
            what = f"{window.start} to {window.end} {which} up to today ({summary.today}): nothing to learn it from"
            problems.append(Problem(f"retention.promotions.{name}", what))
    if problems:
        raise ConfigError(problems)
    codes, of, days = np.unique(code, return_inverse=True, return_counts=True)
    orders = np.bincount(of, summary.repeat_orders_by_day.sum(axis=0)[:0:-1], minlength=codes.size).astype(int)
    return empty.model_copy(
        update={"codes": tuple(codes.tolist()), "days": tuple(days.tolist()), "orders": tuple(orders.tolist())}
    )


def configured(model: RetentionModel, summary: CustomerSummary) -> RetentionModel:
    """The model itself, or by the clock that its section asks for; errors as `make_calendar`."""
    monthly, promotions = getattr(model, "season", "off") == "month", getattr(model, "promotions", {})
    if not monthly and not promotions:
        return model
    seasonal: Any = Seasonal(model, make_calendar(monthly, promotions, summary))
    return seasonal


def restored(model: RetentionModel, calendar: Mapping[str, Any] | None) -> RetentionModel:
    """The model of a posterior that kept its calendar."""
    seasonal: Any = Seasonal(model, Calendar.model_validate(calendar)) if calendar else model
    return seasonal


def _by_draw(name: str) -> Callable[..., Any]:
    """A method of the model underneath, of (params, histories, days per unit), each draw by its own clock."""

    def method(self: "Seasonal", params: Params, histories: Customers, days_per_unit: float) -> Any:
        function = getattr(self.section, name)
        return self.each_draw(lambda one, some, _: function(one, some, days_per_unit), params, histories)

    return method


def _within(name: str) -> Callable[..., np.ndarray]:
    """The same of (params, histories, horizon, days per unit)."""

    def method(
        self: "Seasonal", params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        function = getattr(self.section, name)
        ends = self.ahead(params, horizon_days)[1][:, -1]
        return self.each_draw(lambda one, some, d: function(one, some, ends[d], days_per_unit), params, histories)

    return method


@dataclass(frozen=True)
class Seasonal:
    """BG/NBD or MBG/NBD with a season or promotions. `params` are the model's own and the calendar's effects, (draw,).

    Effects are reported after division by the mean, so log m of a day is the sum of those it has. What is said of
    newcomers in general (`expected_orders_new`, `order_pmf`) holds where m is 1.
    """

    section: Any
    calendar: Calendar

    @property
    def kind(self) -> str:
        return self.section.kind

    @property
    def WHO_IS_LOST(self) -> str:
        return self.section.WHO_IS_LOST

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]:
        return {**self.section.model_dump(mode=mode), "calendar": self.calendar.model_dump(mode=mode)}

    def model_dump_json(self) -> str:
        return f"[{self.section.model_dump_json()}, {self.calendar.model_dump_json()}]"

    # --- fit ----------------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> Customers:
        """The model's own. Raises ConfigError for a summary of another day than that of the fit."""
        if summary.today != self.calendar.today or summary.first_date < self.calendar.first_date:
            what = f"was fitted to a log from {self.calendar.first_date} to {self.calendar.today}, not to this one"
            raise ConfigError([Problem("retention.season", what)])
        return self.section.histories(summary)

    def sufficient(self, summary: CustomerSummary) -> SeasonRows:
        return SeasonRows(*self.section.sufficient(summary), np.array(self.calendar.orders, np.float64))

    def build(self, rows: SeasonRows) -> Any:
        """The PyMC model. Free variables: the model's own and one for each effect of the calendar."""
        import pymc as pm
        import pytensor.tensor as pt

        calendar = self.calendar
        with pm.Model() as model:
            params = self.section.graph(pm)
            effects: list[Any] = [pm.Normal(name, 0.0, sd) for name, sd in self._free().items()]
            log_m = self._log_m(pt, effects)
            kind = np.searchsorted(calendar.codes, calendar.code(-np.arange(calendar.length)))
            since = pt.concatenate([np.zeros(1), pt.cumsum(pt.exp(log_m)[kind])]) / rows.unit_days

            def clock(t: np.ndarray) -> Any:
                return since[np.rint(t * rows.unit_days).astype(np.int64)]

            density = self.section.log_density(params, rows, clock) + pt.sum(rows.orders * log_m)
            pm.Potential("log_likelihood", density)
        return model

    def _free(self) -> dict[str, float]:
        """Names and prior standard deviations of the free variables; without months only promotions vary."""
        names = self.calendar.names if self.calendar.monthly else self.calendar.names[1:]
        sds = (MONTH_SD if name.startswith("season") else PROMOTION_SD for name in names)
        return {name.replace("[", "_").replace("]", ""): sd for name, sd in zip(names, sds, strict=True)}

    def _log_m(self, xp: Any, effects: list[Any]) -> Any:
        """log m of each kind of day in the log from the free variables; `xp` computes, arrays are (..., kind)."""
        features = self.calendar.features(np.array(self.calendar.codes))
        columns = features.T if self.calendar.monthly else features.T[1:]
        log_m = sum(effect * column for effect, column in zip(effects, columns, strict=True))
        share = np.array(self.calendar.days) / self.calendar.length
        return log_m - xp.log(xp.sum(share * xp.exp(log_m), axis=-1, keepdims=True))

    def natural(self, draws: Params, rows: SeasonRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The model's own parameters; effects of months less log of the mean, and effects of promotions."""
        found = self.section.natural(draws, rows, days_per_unit)
        effects = [np.asarray(draws[name])[:, None] for name in self._free()]
        features = self.calendar.features(np.array(self.calendar.codes))
        columns = features.T if self.calendar.monthly else features.T[1:]
        raw: Any = sum(effect * column for effect, column in zip(effects, columns, strict=True))
        log_mean = (raw - self._log_m(np, effects))[:, 0]
        if not self.calendar.monthly:
            effects = [np.zeros((log_mean.size, 1)), *effects]
        by_name = dict(zip(self.calendar.names, effects, strict=True))
        return found | {
            name: effect[:, 0] - (log_mean if name.startswith("season") else 0.0) for name, effect in by_name.items()
        }

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """What the model has to say, and that a short log tells months from ageing only by the prior."""
        short = self.calendar.monthly and self.calendar.length < LONG_ENOUGH_DAYS
        found = (
            f"Seasons from a log of {self.calendar.length:,} days: under two years no month comes round twice, so what "
            "looks like a season may be customers ageing or a single good month",
        )
        return (*(found if short else ()), *self.section.warnings(summary, params))

    # --- clock --------------------------------------------------------------------------------------------------------

    def log_multiplier(self, params: Params, day: np.ndarray) -> np.ndarray:
        """log m of days, told by their number from today, (draw, day)."""
        codes, of = np.unique(self.calendar.code(day), return_inverse=True)
        effects = np.stack([np.asarray(params[name], np.float64) for name in self.calendar.names], axis=1)
        return (effects @ self.calendar.features(codes).T)[:, of]

    def by_week(self, params: Params, first: int, weeks: int) -> np.ndarray:
        """log of the mean of m over weeks from day number `first` on, (draw, week)."""
        day = first + np.arange(7 * weeks)
        daily = np.exp(self.log_multiplier(params, day))
        return np.log(daily.reshape(len(daily), weeks, 7).mean(axis=2))

    def since(self, params: Params) -> np.ndarray:
        """S(u), the integral of m over the last u = 0, 1, ... days, (draw, day)."""
        daily = np.exp(self.log_multiplier(params, -np.arange(self.calendar.length)))
        return np.concatenate([np.zeros((len(daily), 1)), np.cumsum(daily, axis=1)], axis=1)

    def ahead(self, params: Params, horizon_days: float) -> tuple[np.ndarray, np.ndarray]:
        """Days (piece + 1,) between which m does not change, up to the horizon, and its integral there (draw, same).

        An infinite horizon is its only end."""
        if np.isinf(horizon_days):
            return np.array([0.0, np.inf]), np.tile([0.0, np.inf], (len(next(iter(params.values()))), 1))
        near = min(horizon_days, float(_AHEAD_DAYS))
        code = self.calendar.code(1 + np.arange(max(int(np.ceil(near)), 1)))
        changes = np.flatnonzero(np.diff(code)) + 1
        starts = np.concatenate([[0], changes])
        m = np.exp(self.log_multiplier(params, 1 + starts))
        edges = np.concatenate([starts, [near]]).astype(np.float64)
        if horizon_days > near:
            cycle = 1 + _AHEAD_DAYS + np.arange(_CYCLE_DAYS)
            later = np.exp(self.log_multiplier(params, cycle)).mean(axis=1, keepdims=True)
            m, edges = np.hstack([m, later]), np.append(edges, horizon_days)
        reached = np.concatenate([np.zeros((len(m), 1)), np.cumsum(m * np.diff(edges), axis=1)], axis=1)
        return edges, reached

    def stretched(self, since: np.ndarray, histories: Customers) -> Customers:
        """Histories by one draw's clock, `since` (day,)."""
        day = np.arange(since.size)
        T = np.interp(histories.T_days, day, since)
        return Customers(histories.x, T - np.interp(histories.T_days - histories.t_x_days, day, since), T)

    def own(self, params: Params) -> dict[str, np.ndarray]:
        """The parameters of the model underneath."""
        return {name: values for name, values in params.items() if name not in self.calendar.names}

    def each_draw(self, function: Callable[[Params, Customers, int], Any], params: Params, histories: Customers) -> Any:
        """A function of (one draw's params, its histories, its number), (1, customer) or a law, for all draws."""
        since, own = self.since(params), self.own(params)
        parts = [
            function({name: values[d : d + 1] for name, values in own.items()}, self.stretched(row, histories), d)
            for d, row in enumerate(since)
        ]
        if isinstance(parts[0], np.ndarray):
            return np.concatenate(parts)
        first = parts[0]
        found: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in first._fields
            if np.ndim(getattr(first, name)) >= 2
        }
        return first._replace(**found)

    # --- quantities ---------------------------------------------------------------------------------------------------

    probability_alive = _by_draw("probability_alive")
    laws = _by_draw("laws")
    laws_given_dead = _by_draw("laws_given_dead")
    probability_active = _within("probability_active")
    expected_orders = _within("expected_orders")

    def log_likelihood(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """Log density of each history. On which days are known of all orders together only: each has their mean log m.

        The sum over all customers of the log is exact; single ones are off by how their orders' days differ.
        """
        by_clock = self.each_draw(
            lambda one, some, _: self.section.log_likelihood(one, some, days_per_unit), params, histories
        )
        effects = np.stack([np.asarray(params[name], np.float64) for name in self.calendar.names], axis=1)
        log_m = effects @ self.calendar.features(np.array(self.calendar.codes)).T
        orders = np.array(self.calendar.orders, np.float64)
        return by_clock + (log_m @ orders / orders.sum())[:, None] * histories.x

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """The model's own: the simulator's clock carries the season."""
        return self.section.newcomer_laws(self.own(params), days_per_unit)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        return self.section.expected_orders_new(self.own(params), t, days_per_unit)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        return self.section.order_pmf(self.own(params), n, t, days_per_unit)

    def expected_discounted_orders(
        self, params: Params, histories: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted at their own date.

        Between days on which m changes, time is a linear function of the clock. All orders without discount or end are
        as many by any clock.
        """
        from clvsim.kernels.special import discounted_orders_by_clock

        force = float(np.log1p(annual_rate)) / DAYS_PER_YEAR
        horizon = min(horizon_days, _BELOW_ROUNDING / force) if force else horizon_days
        if np.isinf(horizon):
            endless = self.section.expected_discounted_orders
            return self.each_draw(
                lambda one, some, _: endless(one, some, horizon, 0.0, days_per_unit), params, histories
            )
        edges, reached = self.ahead(params, horizon)
        own = self.section.living(self.own(params))
        r, alpha, a, b = (np.ascontiguousarray(own[name], np.float64) for name in ("r", "alpha", "a", "b"))
        pairs, of = np.unique(np.column_stack([histories.x, histories.T_days]), axis=0, return_inverse=True)
        since, day = self.since(params), np.arange(self.calendar.length + 1)
        of_pairs, ages = np.asarray(pairs[:, 0], np.float64), np.asarray(pairs[:, 1], np.float64)
        out = np.empty((r.size, of.size))
        step = max(1, _CHUNK_CELLS // len(pairs))
        for i in range(0, r.size, step):
            part = slice(i, i + step)
            age = np.stack([np.interp(ages, day, row) for row in since[part]]) / days_per_unit
            table = np.empty_like(age)
            discounted_orders_by_clock(
                *(v[part] for v in (r, alpha, a, b)),
                np.ascontiguousarray(of_pairs),
                age,
                np.ascontiguousarray(reached[part]) / days_per_unit,
                edges / days_per_unit,
                force * days_per_unit,
                *_FEW,
                *_MANY,
                table,
            )
            out[part] = table[:, of.reshape(-1)]
        return out
