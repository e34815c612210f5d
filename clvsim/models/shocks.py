"""The path of the months as part of a fit: what moves all customers at once, learned beside their own parameters.

At the mode of the posterior, theta being its unconstrained parameters and v_m the log multiplier of month m,

    g = dl/dv,   H the Hessian of minus the log posterior,   J = -H_tt^-1 H_tv,   S = H_vv - H_vt H_tt^-1 H_tv

at v = 0: theta that is best given v moves by J v, and the log-likelihood so maximised is g'v - v'Sv/2. A path v drawn
from its posterior (`models.around.path`) therefore goes with theta_d + J v: customers who seem lost in bad months are
less so once these are known to have been bad. Months are those of `Calendar`; all is read from the likelihood's own
slope in the clock, without a second fit. docs/environment.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.around.calendar import Calendar, Path, months_of
from clvsim.models.around.paced import Paced, paced_of
from clvsim.models.around.path import LEVEL_SD, SD, STATES, Evidence, PathPrior, draw_paths, evidence_of, signs
from clvsim.models.around.pooling import Pooled
from clvsim.models.around.season import Seasonable, Seasonal, seasonal_of
from clvsim.models.around.several import Several
from clvsim.models.inference import Mode
from clvsim.models.laws import PACE, Customers, Params, customers_of, rows_by_level, unique_rows
from clvsim.models.protocol import RetentionModel
from clvsim.models.retention.bg_bb import BgBb
from clvsim.models.retention.purchases import DropoutPriors, Histories
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

_HISTORIES = 200
NOTHING_LEARNED = (
    "Nothing was learned of the months up to today (out of a file, or too far apart to be shocks): shocks to come "
    "start from their long-run law, and no drift is known"
)
_FARTHEST = 5.0  # in logs, that a draw may move: the expansion is of second order, and no shop's months are 150 fold
_STEP = 1e-3  # of central differences in logs, log odds and log multipliers


class Centre(NamedTuple):
    """The mode of a posterior, and what turns unconstrained points (point, d) into the paper's parameters."""

    mode: Mode
    natural: Callable[[np.ndarray], dict[str, np.ndarray]]


class Expansion(NamedTuple):
    """`evidence` of the path, and `shift`, (parameter, month), of each of the paper's parameters by name: of its log,
    or of itself where it is an effect on a log already."""

    evidence: Evidence
    shift: dict[str, np.ndarray]


def has_clock(model: RetentionModel) -> bool:
    """Whether orders run on a clock, which months can move."""
    return isinstance(_section(model), Seasonable)


def learns(model: RetentionModel) -> bool:
    """Whether months can be learned: with the model on its own clock, or beside it."""
    return has_clock(model) or isinstance(_section(model), DropoutPriors | BgBb)


def path_of(model: RetentionModel) -> Path | None:
    """The months that were learned with a model, or beside it; of several, that one of them was."""
    if isinstance(model, Several):
        return next((path for one in model.models if (path := path_of(one))), None)
    if paced := paced_of(model):
        return paced.path
    seasonal = seasonal_of(model)
    return seasonal.calendar.path if seasonal else None


def learn(
    model: RetentionModel,
    params: Params,
    centre: Centre,
    summary: CustomerSummary,
    prior: PathPrior,
    days_per_unit: float,
    seed: int,
) -> tuple[RetentionModel, dict[str, np.ndarray]]:
    """The model by the clock of its months, and its parameters with the path of each draw.

    `params` (draw,) are those of a fit that knew nothing of months. Added are `path[k]`, the log multiplier of the
    month k months back (1: the last), and `path.STATES`, from which the months ahead go on.
    """
    found = expand(MonthlySlope.of(model, summary, days_per_unit), centre)
    draws = next(iter(params.values())).size
    path = draw_paths(found.evidence, prior, draws, seed)
    require_near(model.kind, found, path.v)
    months = found.evidence.gradient.size
    looks = signs(found.evidence, prior)
    moved = {name: shifted(name, values, path.v @ found.shift[name]) for name, values in params.items()}
    moved |= {f"path[{ago}]": path.v[:, months - ago] for ago in range(1, months + 1)}
    described = Path(months=months, today=summary.today, autocorrelation=prior.autocorrelation, **looks._asdict())
    return with_path(model, summary, described), moved | path.states


def require_near(kind: str, found: Expansion, v: np.ndarray) -> None:
    """Raises DiagnosticsError where more than one draw in a hundred moves farther than the expansion holds."""
    moves = [np.abs(v).max(axis=1), *(np.abs(v @ shift) for shift in found.shift.values())]
    if float(np.quantile(np.max(moves, axis=0), 0.99)) > _FARTHEST:
        what = f"{kind}: months of the log differ more than shocks can, as if orders broke off; see data.today"
        raise DiagnosticsError([("fit", what)])


def learn_pace(
    model: RetentionModel,
    params: Params,
    beside: tuple[RetentionModel, Params, Params],
    summary: CustomerSummary,
    days_per_unit: float,
) -> tuple[RetentionModel, dict[str, np.ndarray]]:
    """A model without a clock at the pace of one that has learned the months of the same customers.

    `beside`: that model by the clock of its months, its parameters with the path and without, (draw,), as many as of
    the model itself. The pace is the ratio by which the path moves the orders that it expects of today's customers
    within a year; of some hundred histories, spread over all.
    """
    by_clock, with_months, without = beside
    plain: Any = without_path(by_clock, {})[0]
    rows, count = unique_rows(customers_of(summary))
    some = slice(None, None, -(-len(count) // _HISTORIES))
    histories = Customers(*rows[some].T)
    found, known = (
        one.expected_orders(draws, histories, DAYS_PER_YEAR, days_per_unit) @ count[some]
        for one, draws in ((by_clock, with_months), (plain, without))
    )
    states = {name: with_months[name] for name in (SD, LEVEL_SD)}
    path: Any = path_of(by_clock)
    anything: Any = model
    paced: Any = Paced(_section(model), path)
    return (
        replace(anything, section=paced) if isinstance(model, Pooled) else paced,
        dict(params) | {PACE: found / known} | states,
    )


def with_path(model: RetentionModel, summary: CustomerSummary, path: Path) -> RetentionModel:
    """BG/NBD, MBG/NBD or Pareto/NBD, by a clock already or not, by one with the path of the summary's months; with the
    levels that it has."""
    anything: Any = model
    plain: Any = _plain(model)
    calendar = (
        plain.calendar
        if isinstance(plain, Seasonal)
        else Calendar(first_date=summary.first_date, today=summary.today, monthly=False, promotions={})
    )
    daily: Any = summary.repeat_orders_by_day
    by_clock = _section(model).by_calendar(calendar.model_copy(update={"path": path}).counted(daily.sum(axis=0)))
    return replace(anything, section=by_clock) if isinstance(model, Pooled) else by_clock


def without_path(model: RetentionModel, params: Params) -> tuple[RetentionModel, dict[str, np.ndarray]]:
    """The same as if nothing were known of the months, and its parameters."""
    anything: Any = model
    if paced := paced_of(model):
        return (paced.section if model is paced else replace(anything, section=paced.section)), paced.own(params)
    found = seasonal_of(model)
    if found is None or found.calendar.path is None:
        return model, dict(params)
    gone = {effect.label for effect in found.calendar.effects if effect.kind == "path"} | set(STATES)
    rest = {name: values for name, values in params.items() if name not in gone}
    calendar = found.calendar.without_path()
    plain = found.section.by_calendar(calendar) if calendar.effects else found.section
    return (plain if model is found else replace(anything, section=plain)), rest


def is_effect(name: str) -> bool:
    """Whether a parameter is added to a log, rather than positive: those of months, promotions, groups, covariates."""
    return "[" in name


def shifted(name: str, values: np.ndarray, by: np.ndarray) -> np.ndarray:
    return values + by if is_effect(name) else values * np.exp(by)


@dataclass(frozen=True)
class MonthlySlope:
    """The slope of a log-likelihood in the log multipliers of months, at given parameters."""

    model: Any
    levels: tuple[tuple[int, Histories], ...]  # a code of the design, 0 where there is none, and who have it
    edges: np.ndarray  # days ago between which the clock runs evenly
    month: np.ndarray  # of each day back from today, 0 the oldest, (day,)
    orders: np.ndarray  # repeat orders by month
    times: tuple[str, ...]
    days_per_unit: float

    @classmethod
    def of(cls, model: RetentionModel, summary: CustomerSummary, days_per_unit: float) -> "MonthlySlope":
        daily: Any = summary.repeat_orders_by_day
        length = (summary.today - summary.first_date).days
        months = months_of(length)
        anything: Any = with_path(_plain(model), summary, Path(months=months, today=summary.today, autocorrelation=0.0))
        calendar = anything.calendar
        month = months - calendar.months_ago(-np.arange(length))
        pooled = isinstance(model, Pooled)
        code = model.design.level(summary) if isinstance(model, Pooled) else np.zeros(len(summary.customers), np.int64)
        codes, level = np.unique(code, return_inverse=True)
        columns, count, level_of = rows_by_level(customers_of(summary), level)
        rows = [
            (int(one) if pooled else 0, Histories(*(c[level_of == i] for c in columns), count=count[level_of == i]))
            for i, one in enumerate(codes)
        ]
        return cls(
            model=model,
            levels=tuple(rows),
            edges=calendar.edges(),
            month=month,
            orders=np.bincount(month, daily.sum(axis=0)[:0:-1], months),
            times=model.TIMES,
            days_per_unit=days_per_unit,
        )

    @property
    def months(self) -> int:
        return self.orders.size

    def at(self, params: Params, v: np.ndarray) -> np.ndarray:
        """dl/dv at one draw's parameters, each (1,), and a path (month,): (month,)."""
        seasonal = seasonal_of(self.model)
        daily = np.exp(v[self.month])
        if seasonal:
            daily = daily * np.exp(seasonal.log_multiplier(params, -np.arange(daily.size))[0])
        since = np.concatenate([[0.0], np.cumsum(daily)])
        run, ago = since[self.edges], self.edges.astype(np.float64)
        by_run = np.zeros(run.size)
        for code, rows in self.levels:
            own = self.model.parameters(params, code) if isinstance(self.model, Pooled) else params
            in_days = {n: float(v[0]) * (self.days_per_unit if n in self.times else 1.0) for n, v in own.items()}
            by_run += _section(self.model).slope_by_clock(in_days, rows, ago, run)
        # A day of the clock adds to all that ran since an edge further back.
        after = np.concatenate([np.cumsum(by_run[::-1])[::-1], [0.0]])
        by_day = after[np.searchsorted(self.edges, np.arange(daily.size), side="right")]
        return self.orders + np.bincount(self.month, by_day * daily, self.months)


class Slope(Protocol):
    """The slope of a log-likelihood in the log multipliers of so many months."""

    @property
    def months(self) -> int: ...

    def at(self, params: Params, v: np.ndarray, /) -> np.ndarray: ...


def expand(slope: Slope, centre: Centre) -> Expansion:
    """g, S and J at a mode."""
    mode, months = centre.mode, slope.months
    none, d = np.zeros(months), mode.point.size

    def at(points: np.ndarray) -> list[np.ndarray]:
        params = centre.natural(points)
        return [slope.at({n: v[i : i + 1] for n, v in params.items()}, none) for i in range(len(points))]

    one, *by_point = at(mode.point + _STEP * np.vstack([np.zeros((1, d)), np.eye(d), -np.eye(d)]))
    of_theta = np.array(by_point)
    hessian_tv = -(of_theta[:d] - of_theta[d:]) / (2 * _STEP)
    params = centre.natural(mode.point[None])
    of_v = [slope.at(params, sign * _STEP * unit) for sign in (1, -1) for unit in np.eye(months)]
    hessian_vv = -(np.array(of_v[:months]) - np.array(of_v[months:])) / (2 * _STEP)
    J = -np.linalg.solve(mode.precision, hessian_tv)
    curvature = (hessian_vv + hessian_vv.T) / 2 + hessian_tv.T @ J
    return Expansion(evidence_of(one, curvature), _natural_shift(centre, J))


def _natural_shift(centre: Centre, J: np.ndarray) -> dict[str, np.ndarray]:
    """J, (d, month), of the paper's parameters by name, (month,), on the scale on which they are moved."""
    size = np.maximum(1.0, np.abs(J).max(axis=0))
    steps = _STEP / size
    up, down = (centre.natural(centre.mode.point + sign * (J * steps).T) for sign in (1, -1))
    moved = {}
    for name in up:
        high, low = (found[name] if is_effect(name) else np.log(found[name]) for found in (up, down))
        moved[name] = (high - low) / (2 * steps)
    return moved


def _plain(model: RetentionModel) -> RetentionModel:
    """Without levels; with its season."""
    return model.section if isinstance(model, Pooled) else model


def _section(model: RetentionModel) -> Any:
    plain = _plain(model)
    return plain.section if isinstance(plain, Seasonal | Paced) else plain
