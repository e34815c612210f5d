"""The path of the months in contracts: what the renewals that fell due in a month say of the hazard of ending in it.

v_m is the log multiplier of the hazard at renewals due in month m: with E = the sum over renewals j made of
e^(v_m(j)) (j^c - (j-1)^c) a contract goes on with probability S(E) = B(gamma, delta + E) / B(gamma, delta), and ends
instead of the next renewal with S(E) - S(E + that one's). At v = 0, E = n^c: sBG and BdW. Evidence and path are those
of `models.shocks`, of `HazardSlope` instead of a clock.

Ahead, all go at one pace in each draw: the multiple of the hazard at which as many of today's contracts are expected
to last a year as with the path: theta_d + J v_d, exponents E under v_d, and the months' conditional mean.

With a season (`models.retention.due_season`) what each renewal adds is that of its own day, times e^(v_m).

Not modelled: how the path moves the contracts' own parameters, and months ahead that differ by more than the season.
docs/environment.md.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from clvsim.models.around.calendar import Path, months_of
from clvsim.models.around.paced import Paced
from clvsim.models.around.path import LEVEL_SD, SD, PathPrior, draw_paths, mean_ahead, signs
from clvsim.models.around.plans import plans_of
from clvsim.models.around.pooling import Pooled
from clvsim.models.laws import PACE, Params, unique_rows
from clvsim.models.protocol import RetentionModel
from clvsim.models.retention.contracts import ContractModel
from clvsim.models.retention.due import Starts, due_days
from clvsim.models.retention.due_season import DueContracts, DueSeason
from clvsim.models.retention.survival import log_survival
from clvsim.models.shocks import Centre, expand, require_near, shifted
from clvsim.special import digamma
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, CustomerSummary

_CONTRACTS = 200  # of which the pace is taken
_DRAWS = 128  # at once
_SAME = 1e-9  # renewals: one that falls due on the first day of a month belongs to it, whatever the rounding
_ROUNDS, _STEP = 8, 1e-3  # of Newton's method in log pace


class DatedContracts(NamedTuple):
    """Distinct contracts, each (row,): days since the first payment, renewals made, of these seen by the likelihood,
    ended (1) or not, days to the next renewal, code of the level, `Starts`; and how many have them. See `Contracts`.
    Starts are 0 where it does not matter when a renewal is due."""

    age: np.ndarray
    renewals: np.ndarray
    seen: np.ndarray
    lost: np.ndarray
    next_days: np.ndarray
    level: np.ndarray
    start: np.ndarray
    of_month: np.ndarray
    count: np.ndarray

    @property
    def starts(self) -> Starts:
        return Starts(self.start, self.of_month)


class Due(NamedTuple):
    """Contracts of one level: how many of their renewals had fallen due by the end of each month, (row, month), at most
    those `made` and, of contracts that ended, with the one they ended at; `starts` and `count` (row,)."""

    made: np.ndarray
    tried: np.ndarray
    lost: np.ndarray
    starts: Starts
    count: np.ndarray


def renews(model: RetentionModel) -> bool:
    """Whether these are contracts whose months can be learned, with levels or without."""
    if plans := plans_of(model):
        return all(map(renews, plans.models))
    return isinstance(section_of(model), ContractModel | DueSeason)


def section_of(model: RetentionModel) -> Any:
    """Without levels."""
    return model.section if isinstance(model, Pooled) else model


def dated(model: RetentionModel, summary: CustomerSummary) -> DatedContracts:
    """The contracts of a log; of several plans those of each."""
    if plans := plans_of(model):
        each = [dated(part.model, part.summary) for part in plans.parts(summary)]
        return DatedContracts(*map(np.concatenate, zip(*each, strict=True)))
    contracts = section_of(model).histories(summary)
    level = model.design.level(summary) if isinstance(model, Pooled) else np.zeros(len(summary.customers))
    due = due_days(summary, section_of(model).renewal)
    starts = contracts.starts if isinstance(contracts, DueContracts) else np.zeros((2, level.size))
    columns = (due.age, contracts.renewals, contracts.seen, contracts.lost, contracts.next_days, level, *starts)
    rows, count = unique_rows(columns)
    return DatedContracts(*rows.T, count)


def due_by_month(age: np.ndarray, at_most: np.ndarray, months: int, interval_days: float) -> np.ndarray:
    """Renewals that fell due by the end of each month up to today, the oldest first and with all before it, (row,
    month). A renewal is due every `interval_days` from `age` days ago on."""
    edge = DAYS_PER_MONTH * np.arange(months - 1, -1, -1)
    due = np.floor((age[:, None] - edge) / interval_days + _SAME)
    return np.clip(due, 0.0, at_most[:, None])


@dataclass(frozen=True)
class HazardSlope:
    """The slope of a log-likelihood of contracts in the log multipliers of months, at given parameters."""

    model: RetentionModel
    levels: tuple[tuple[int, Due], ...]  # a code of the design, 0 where there is none, and who have it
    months: int

    @classmethod
    def of(cls, model: RetentionModel, rows: DatedContracts, months: int) -> "HazardSlope":
        interval = section_of(model).interval_days
        made, tried = (due_by_month(rows.age, rows.seen + more, months, interval) for more in (0.0, rows.lost))
        levels = []
        for code in np.unique(rows.level):
            who = rows.level == code
            alike = np.column_stack((made[who], tried[who], rows.lost[who], *(v[who] for v in rows.starts)))
            distinct, place = np.unique(alike, axis=0, return_inverse=True)
            count = np.bincount(place.reshape(-1), rows.count[who])
            lost, *starts = distinct[:, 2 * months :].T
            due = Due(distinct[:, :months], distinct[:, months : 2 * months], lost, Starts(*starts), count)
            levels.append((int(code), due))
        return cls(model, tuple(levels), months)

    def at(self, params: Params, v: np.ndarray) -> np.ndarray:
        """dl/dv at one draw's parameters, each (1,), and a path (month,): (month,)."""
        found = np.zeros(self.months)
        for code, rows in self.levels:
            section, own = section_of(self.model), _own(self.model, params, code)
            gamma, delta = (float(values[0, 0]) for values in section.shapes(own)[:2])
            lasted, until = (  # what each month's renewals add to the exponent of 1 - theta
                np.diff(section.exponents(own, due, rows.starts)[0], axis=1, prepend=0.0) * np.exp(v)
                for due in (rows.made, rows.tried)
            )
            E, F = lasted.sum(axis=1), until.sum(axis=1)
            ends = rows.lost > 0
            kept = np.where(ends, np.exp(_log_ratio(gamma, delta, E, F)), 0.0)  # S(F) / S(E)
            share = rows.count / np.where(ends, 1.0 - kept, 1.0)
            found += (share * _slope(gamma, delta, E)) @ lasted - (share * kept * _slope(gamma, delta, F)) @ until
        return found


def learn_hazard(
    model: RetentionModel,
    params: Params,
    centre: Centre,
    summary: CustomerSummary,
    prior: PathPrior,
    seed: int,
) -> tuple[RetentionModel, dict[str, np.ndarray]]:
    """Contracts at a pace of their hazard after today, `PACE` among the parameters, and the sds of shocks in each draw.

    `params` (draw,) are those of a fit that knew nothing of months; they stay as they are.
    """
    rows = dated(model, summary)
    months = months_of((summary.today - summary.first_date).days)
    found = expand(HazardSlope.of(model, rows, months), centre)
    path = draw_paths(found.evidence, prior, next(iter(params.values())).size, seed)
    require_near(model.kind, found, path.v)
    moved = {name: shifted(name, values, path.v @ found.shift[name]) for name, values in params.items()}
    looks = signs(found.evidence, prior)
    described = Path(months=months, today=summary.today, autocorrelation=prior.autocorrelation, **looks._asdict())
    pace = hazard_pace(model, params, moved | path.states, path.v, rows, prior.autocorrelation)
    paced: Any = Paced(section_of(model), described)
    anything: Any = model
    return (
        replace(anything, section=paced) if isinstance(model, Pooled) else paced,
        dict(params) | {PACE: pace, SD: path.states[SD], LEVEL_SD: path.states[LEVEL_SD]},
    )


def hazard_pace(
    model: RetentionModel,
    params: Params,
    moved: Params,
    v: np.ndarray,
    rows: DatedContracts,
    autocorrelation: float,
) -> np.ndarray:
    """The multiple of the hazard at which as many of today's contracts last a year as with the path, (draw,).

    `params` without the path; `moved`, with where it stands today, and `v` (draw, month) with it. Of some hundred
    contracts, spread over all that go on; of a new one where none does.
    """
    section = section_of(model)
    parts = list(_parts(model, going_on(rows, section.interval_days), v.shape[1]))
    renewals = max(1, round(DAYS_PER_YEAR / section.interval_days))
    with_path = sum(
        np.exp(kept_with_path(section, _own(model, moved, code), moved, v, part, autocorrelation)) @ part.count
        for code, part in parts
    )
    total = sum(part.count.sum() for _, part in parts)
    asked = np.log(-np.log(with_path / total))

    year = []
    for code, part in parts:
        own = _own(model, params, code)
        gamma, delta, *_ = section.shapes(own)
        served, end = (section.exponents(own, part.renewals + more, part.starts) for more in (0, renewals))
        year.append((gamma, delta, served, end - served, part.count))

    def log_hazard(log_pace: np.ndarray) -> np.ndarray:
        kept, pace = 0.0, np.exp(log_pace)[:, None]
        for gamma, delta, served, more, count in year:
            kept = kept + np.exp(log_survival(gamma, delta, served, served + pace * more)) @ count
        return np.log(-np.log(kept / total))

    log_pace = np.zeros(v.shape[0])
    for _ in range(_ROUNDS):
        now, ahead = log_hazard(log_pace), log_hazard(log_pace + _STEP)
        log_pace = log_pace + (asked - now) * _STEP / (ahead - now)
    return np.exp(log_pace)


class Ahead(NamedTuple):
    """Contracts that go on: their renewals, how many of them were due by the end of each month, (row, month), days to
    the next one, `starts`, and how many there are, (row,)."""

    renewals: np.ndarray
    due: np.ndarray
    next_days: np.ndarray
    starts: Starts
    count: np.ndarray


def kept_with_path(
    section: Any,
    own: Params,
    states: Mapping[str, np.ndarray],
    v: np.ndarray,
    part: Ahead,
    autocorrelation: float,
) -> np.ndarray:
    """log P(lasts the next year | going on today) of contracts that live through the months, (draw, row).

    B(gamma, delta + E + A) / B(gamma, delta + E): E up to today under v (draw, month), A of a year's renewals ahead,
    each at the conditional mean of its month.
    """
    renewal = np.arange(max(1, round(DAYS_PER_YEAR / section.interval_days)) + 1)
    month_of = np.floor((part.next_days[:, None] + renewal[:-1] * section.interval_days) / DAYS_PER_MONTH) + 1
    found = []
    for low in range(0, v.shape[0], _DRAWS):
        some = slice(low, low + _DRAWS)
        its, where = ({name: values[some] for name, values in one.items()} for one in (own, states))
        gamma, delta, *_ = section.shapes(its)
        past = np.diff(section.exponents(its, part.due, part.starts), axis=2, prepend=0.0)
        so_far = (np.exp(v[some])[:, None] * past).sum(axis=2)
        m = np.exp(mean_ahead(where, month_of.reshape(-1), autocorrelation)).reshape(-1, *month_of.shape)
        coming = np.diff(section.exponents(its, part.renewals[:, None] + renewal, part.starts), axis=2)
        found.append(log_survival(gamma, delta, so_far, so_far + (m * coming).sum(axis=2)))
    return np.concatenate(found)


def going_on(rows: DatedContracts, interval_days: float) -> DatedContracts:
    """Of those that go on, every k-th, that some hundred are left; a new one where there are none."""
    active = np.flatnonzero(rows.lost == 0)
    if not active.size:
        new, last = np.zeros(1), slice(-1, None)
        starts = (rows.start[last], rows.of_month[last])
        return DatedContracts(new, new, new, new, new + interval_days, rows.level[:1], *starts, np.ones(1))
    chosen = active[:: -(-active.size // _CONTRACTS)]
    return DatedContracts(*(column[chosen] for column in rows))


def _parts(model: RetentionModel, rows: DatedContracts, months: int) -> Iterator[tuple[int, Ahead]]:
    """Contracts of each level."""
    due = due_by_month(rows.age, rows.renewals, months, section_of(model).interval_days)
    due[:, -1] = rows.renewals  # one paid before it fell due
    for code in np.unique(rows.level):
        who = rows.level == code
        starts = Starts(*(v[who] for v in rows.starts))
        yield int(code), Ahead(rows.renewals[who], due[who], rows.next_days[who], starts, rows.count[who])


def _own(model: RetentionModel, params: Params, code: int) -> Params:
    return model.parameters(params, code) if isinstance(model, Pooled) else params


def _log_ratio(gamma: float, delta: float, E: np.ndarray, F: np.ndarray) -> np.ndarray:
    """log S(F) / S(E)."""
    return log_survival(np.array(gamma), np.array(delta), E, F)


def _slope(gamma: float, delta: float, E: np.ndarray) -> np.ndarray:
    """d log S / dE."""
    return digamma(delta + E) - digamma(gamma + delta + E)
