"""Contracts more of which end at renewals that fall due in some months of the year, or while a promotion runs.

A renewal due on a day of multiplier m has m times the hazard -log(1 - theta): with j its number, d(j) its day,

    S(n | theta) = (1 - theta)^E(n),   E(n) = sum over j = 1..n of m(d(j)) (j^c - (j-1)^c),

and theta ~ Beta(gamma, delta) stays closed: S(n) = B(gamma, delta + E(n)) / B(gamma, delta), theta of those that go on
~ Beta(gamma, delta + E(n)). This is the proportional hazard with covariates that vary with time of Fader & Hardie 2020,
"Incorporating time-varying covariates in a simple mixture model for discrete-time duration data",
brucehardie.com/notes/037, exp(beta x) = m, whose C(t) is E here: with the steps of BdW, and theta's Beta distribution
in place of their gamma distribution of -log(1 - theta). c = 1 is sBG. m has mean 1 over the renewals that the
likelihood counts; its priors: `models.around.by_calendar`. docs/models/contract_seasons.md.

Not modelled: contracts that are renewed early or later to escape a month, seasons that differ by customer, and whether
whoever stayed through a bad month was only late to leave.

Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from clvsim.anniversaries import EVEN_DAY, MONTHS_OF, day_number, due_on, on_even_calendar
from clvsim.errors import ConfigError, Problem
from clvsim.models.around.by_calendar import ByCalendar
from clvsim.models.around.calendar import Calendar
from clvsim.models.laws import Births, DueMultipliers, LifeLaw, Params, rows_by_level, rows_of
from clvsim.models.retention.due import Starts, day_due, due_days, starts_of
from clvsim.models.retention.survival import Shapes, alive_while_due, log_survival, renewals_ahead, theta_of_ended
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

_YEARS = 10  # of renewals that are added up one by one
_CHUNK_CELLS = 1 << 21
_SHORT_MONTHS = 5.0  # days by which a lateness may be longer on the even calendar, or by rounding


class DueContracts(NamedTuple):
    """`Contracts`; days by which the coming renewal is `late`, and when they began: `Starts`."""

    renewals: np.ndarray
    seen: np.ndarray
    lost: np.ndarray
    next_days: np.ndarray
    outstanding: np.ndarray
    recovering: np.ndarray
    late: np.ndarray
    start: np.ndarray
    of_month: np.ndarray

    @property
    def starts(self) -> Starts:
        return Starts(self.start, self.of_month)


class DueRows(NamedTuple):
    """`ContractRows`; `kinds` of the days on which renewals 1, 2, ... were due, (phase, renewal), and the `phase` of
    each row; how many renewals were `due` on days of each kind, (kind,)."""

    seen: np.ndarray
    lost: np.ndarray
    count: np.ndarray
    level: np.ndarray
    phase: np.ndarray
    kinds: np.ndarray
    due: np.ndarray


class DueInputs(NamedTuple):
    """What the density computes with: the inputs of the model underneath; which effects a kind of day has, (effect,
    kind), and the share of renewals due on it, (kind,); `number` of renewals, (renewal,); the rest as of `DueRows`."""

    section: Any
    effects: np.ndarray
    share: np.ndarray
    number: np.ndarray
    kinds: np.ndarray
    phase: np.ndarray
    seen: np.ndarray


class Exponents(NamedTuple):
    """E(0), E(1), ... of phases, (draw, phase, renewal), and the phase of each contract."""

    table: np.ndarray
    phase: np.ndarray

    def at(self, n: np.ndarray) -> np.ndarray:
        return self.table[:, self.phase, np.asarray(n, np.int64)]


def require_comparable(calendar: Calendar) -> None:
    """Raises ConfigError where no renewals, or all of them, were due in a promotion, or all in one month."""
    codes, due = np.array(calendar.codes, np.int64), np.array(calendar.orders)
    problems, names = [], list(calendar.promotions)
    if calendar.monthly and np.unique((codes >> len(names))[due > 0] % 12).size < 2:
        what = "all renewals so far were due in the same month of the year: there is no other to compare it with"
        problems.append(Problem("retention.season", what))
    for i, name in enumerate(names):
        running = due[(codes >> (len(names) - 1 - i) & 1) > 0].sum()
        if running in (0, due.sum()):
            what = "no renewal has" if running == 0 else "all renewals so far have"
            what = f"{what} fallen due while it ran: nothing to learn it from"
            problems.append(Problem(f"retention.promotions.{name}", what))
    if problems:
        raise ConfigError(problems)


@dataclass(frozen=True)
class DueSeason(ByCalendar):
    """A model of contracts with effects of the calendar on the hazard. What is said of newcomers in general
    (`expected_orders_new`, `order_pmf`, `probability_staying_new`) holds where m is 1."""

    SEEN: ClassVar[float] = 1.0

    @property
    def seen(self) -> np.ndarray:
        """Renewals that the likelihood counts."""
        return np.array(self.calendar.orders, np.float64)

    @property
    def renewal(self) -> str:
        return self.section.renewal

    @property
    def today(self) -> int:
        return day_number(self.calendar.today)

    # --- data and fit -------------------------------------------------------------------------------------------------

    def histories(self, summary: CustomerSummary) -> DueContracts:
        self.require_calendar(summary)
        found, due = self.section.histories(summary), due_days(summary, self.renewal)
        late = np.where(found.lost > 0, 0.0, found.next_days - due.ahead(found.renewals + 1))
        return DueContracts(*found, np.maximum(late, 0.0), *starts_of(due, summary.today))

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> DueRows:
        """Raises as the section does."""
        self.section.sufficient(summary)
        found = self.histories(summary)
        most = int((found.seen + found.lost).max())
        days, phase = self.due_dates(found.starts, most)
        codes = np.array(self.calendar.codes, np.int64)
        kinds = np.where(days <= 0, np.searchsorted(codes, self.calendar.code(np.minimum(days, 0))), 0)
        distinct, phase_of = np.unique(kinds, axis=0, return_inverse=True)
        (seen, lost, rows), count, level_of = rows_by_level(
            [found.seen, found.lost, phase_of.reshape(-1)[phase]], level
        )
        return DueRows(seen, lost, count, level_of, rows.astype(np.int64), distinct, self.seen)

    def due_dates(self, starts: Starts, most: int) -> tuple[np.ndarray, np.ndarray]:
        """On which days from today renewals 1 to `most` are due, (start, renewal), and the start of each contract."""
        distinct, of = np.unique(np.column_stack(starts), axis=0, return_inverse=True)
        start, of_month = distinct.T[:, :, None]
        return day_due(Starts(start, of_month), self.renewal, np.arange(1, most + 1)) - self.today, of.reshape(-1)

    def inputs(self, rows: DueRows) -> DueInputs:
        number = np.arange(1.0, rows.kinds.shape[1] + 1)
        section = self.section.inputs(rows)
        seen = rows.seen.astype(np.int64)
        return DueInputs(section, self.columns, self.share, number, rows.kinds, rows.phase, seen)

    def log_density(self, params: Mapping[str, Any], inputs: DueInputs) -> Any:
        """`log_likelihood` as a graph."""
        import pytensor.tensor as pt

        c, number, lost = params.get("c", 1.0), inputs.number, inputs.section.lost
        step = pt.exp(c * pt.log(number)) - pt.exp(c * pt.log(pt.maximum(number - 1, 1.0))) * (number > 1)
        added = step * pt.exp(params["log_m"])[inputs.kinds]
        exponent = pt.concatenate([pt.zeros((added.shape[0], 1)), pt.cumsum(added, axis=1)], axis=1)
        made = exponent[inputs.phase, inputs.seen]
        tried = exponent[inputs.phase[lost], inputs.seen[lost] + 1]
        return self.section.log_density_at(params, inputs.section, made, tried)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        short = self.short_warning("a single month in which many left, or cohorts that differ", "hazard")
        return (*short, *self.section.warnings(summary, self.own(params)))

    def shapes(self, params: Params) -> Shapes:
        return self.section.shapes(self.own(params))

    # --- exponents ----------------------------------------------------------------------------------------------------

    def by_exponents(
        self, params: Params, starts: Starts, most: int, function: Callable[[Shapes, Exponents], Any]
    ) -> Any:
        """A function of shapes and exponents up to E(most), some draws at a time: (draw, ...), or a tuple of such."""
        days, start_of = self.due_dates(starts, max(most, 1))
        codes, code_of = np.unique(self.calendar.code(days), return_inverse=True)
        kinds, phase_of = np.unique(code_of.reshape(days.shape), axis=0, return_inverse=True)
        phase = phase_of.reshape(-1)[start_of]
        m = np.exp(self.effects(params) @ self.calendar.features(codes).T)
        shapes, number = self.shapes(params), np.arange(1.0, kinds.shape[1] + 1)
        parts = []
        step = max(1, _CHUNK_CELLS // kinds.size)
        for low in range(0, len(m), step):
            some = slice(low, low + step)
            own = Shapes(*(v[some] for v in shapes))
            added = (number**own.c - (number - 1) ** own.c)[:, None] * m[some][:, kinds]
            table = np.concatenate([np.zeros((*added.shape[:2], 1)), np.cumsum(added, axis=2)], axis=2)
            parts.append(function(own, Exponents(table, phase)))
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        return np.concatenate(parts)

    def exponents(self, params: Params, n: np.ndarray, starts: Starts) -> np.ndarray:
        """E(n), n (customer, ...): (draw, customer, ...)."""
        n = np.asarray(n, np.int64)

        def at(shapes: Shapes, exponents: Exponents) -> np.ndarray:
            phase = exponents.phase.reshape(-1, *(1,) * (n.ndim - 1))
            return exponents._replace(phase=phase).at(n)

        return self.by_exponents(params, starts, int(n.max(initial=0)), at)

    def kept(self, params: Params, histories: DueContracts, ahead: np.ndarray, *, paced: bool = True) -> np.ndarray:
        """S(n + ahead) / S(n), `ahead` whole numbers, (customer,)."""
        n = histories.renewals
        most = int((n + ahead).max(initial=0))

        def share(shapes: Shapes, exponents: Exponents) -> np.ndarray:
            return np.exp(_log_kept(shapes if paced else shapes.up_to_today(), exponents, n, ahead))

        return self.by_exponents(params, histories.starts, most, share)

    # --- quantities ---------------------------------------------------------------------------------------------------

    def log_likelihood(self, params: Params, histories: DueContracts, days_per_unit: float) -> np.ndarray:
        seen, lost = histories.seen, histories.lost > 0

        def density(shapes: Shapes, exponents: Exponents) -> np.ndarray:
            shapes = shapes.up_to_today()
            survived = _log_kept(shapes, exponents, np.zeros_like(seen), seen)
            with np.errstate(divide="ignore"):
                ended = np.log(-np.expm1(_log_kept(shapes, exponents, seen, np.ones_like(seen))))
            return survived + np.where(lost, ended, 0.0)

        return self.by_exponents(params, histories.starts, int(seen.max(initial=0)) + 1, density)

    def probability_alive(self, params: Params, histories: DueContracts, days_per_unit: float) -> np.ndarray:
        """As without a season; r is the chance to renew on the day on which the renewal was due."""
        kept = self.kept(params, histories, np.ones_like(histories.renewals), paced=False)
        return alive_while_due(params, 1 - kept, histories)

    def probability_active(
        self, params: Params, histories: DueContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        due = self.section.opportunities(histories.next_days, horizon_days) > 0
        alive = self.probability_alive(params, histories, days_per_unit)
        return due * alive * self.kept(params, histories, np.ones_like(histories.renewals))

    def probability_staying(
        self, params: Params, histories: DueContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        return self.kept(params, histories, self.section.opportunities(histories.next_days, horizon_days))

    def expected_orders(
        self, params: Params, histories: DueContracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        ahead = self.expected_discounted_orders(params, histories, horizon_days, 0.0, days_per_unit)
        return np.where(histories.lost > 0, 0.0, self.probability_alive(params, histories, days_per_unit) * ahead)

    def expected_discounted_orders(
        self, params: Params, histories: DueContracts, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Renewals expected within the horizon (may be inf) given active, each worth (1 + rate)^-(days / 365.25).

        One by one for ten years; from then on at the mean of m over the last of them.
        """
        per_day = np.log1p(annual_rate) / DAYS_PER_YEAR
        force = per_day * self.interval_days
        left = self.section.opportunities(histories.next_days, horizon_days)
        columns = np.column_stack([left, histories.renewals, *histories.starts])
        _, first, of = np.unique(columns, axis=0, return_index=True, return_inverse=True)
        left, n, starts = left[first], histories.renewals[first], rows_of(histories.starts, first)
        year = max(1, round(DAYS_PER_YEAR / self.interval_days))
        near = np.minimum(left, float(_YEARS * year))

        def total(shapes: Shapes, exponents: Exponents) -> np.ndarray:
            found = np.zeros((shapes.gamma.shape[0], n.size))
            for j in range(1, int(near.max(initial=0)) + 1):
                who = np.flatnonzero(near >= j)
                some = exponents._replace(phase=exponents.phase[who])
                found[:, who] += np.exp(_log_kept(shapes, some, n[who], j) - force * (j - 1))
            for row in np.flatnonzero(left > near):
                one = exponents._replace(phase=exponents.phase[[row]])
                found[:, [row]] += _beyond(shapes, one, n[[row]], float(near[row]), float(left[row]), year, force)
            return found

        found = self.by_exponents(params, starts, int((n + near).max(initial=0)), total)
        return found[:, of.reshape(-1)] * np.exp(-per_day * histories.next_days)

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        """See `RetentionModel`: by the days on which those who come are due, (draw, arrival, horizon)."""
        per_day = np.log1p(annual_rate) / DAYS_PER_YEAR
        force, first = per_day * self.interval_days, self.section.first_renewal
        due = self.section.opportunities(first, horizons_days).astype(np.int64)
        starts, weight = self.starts_of_births(births)

        def total(shapes: Shapes, exponents: Exponents) -> np.ndarray:
            none = np.zeros(weight.shape[0])
            by_renewal = np.zeros((shapes.gamma.shape[0], weight.shape[1], int(due.max(initial=0)) + 1))
            for j in range(1, by_renewal.shape[2]):
                kept = np.exp(_log_kept(shapes, exponents, none, j) - force * (j - 1))
                by_renewal[:, :, j] = by_renewal[:, :, j - 1] + kept @ weight
            return by_renewal[:, :, due]

        return self.by_exponents(params, starts, int(due.max(initial=0)), total) * np.exp(-per_day * first)

    def starts_of_births(self, births: Births) -> tuple[Starts, np.ndarray]:
        """Days on which newcomers come, and the share of each arrival that comes on it, (start, arrival)."""
        step = EVEN_DAY if self.renewal in MONTHS_OF else 1.0
        low = np.round(np.asarray(births.first_days, np.float64) / step, 6)
        high = low + max(round(births.spread_days / step, 6), 1e-6)
        day = np.arange(int(np.floor(low.min())), int(np.ceil(high.max())))[:, None]  # day i is that from i to i + 1
        inside = np.clip(np.minimum(day + 1, high) - np.maximum(day, low), 0.0, None)
        return self.starts_ahead(day[:, 0] + 1), inside / inside.sum(axis=0)

    def starts_ahead(self, days: np.ndarray) -> Starts:
        """Of contracts that begin so many days after today, of the even calendar where they are due by months."""
        if self.renewal in MONTHS_OF:
            return Starts(*on_even_calendar(self.today, days))
        return Starts(self.today + days, np.zeros_like(days))

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        return self.section.expected_orders_new(self.own(params), t, days_per_unit)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        return self.section.order_pmf(self.own(params), n, t, days_per_unit)

    def probability_staying_new(self, params: Params, horizons_days: np.ndarray, days_per_unit: float) -> np.ndarray:
        return self.section.probability_staying_new(self.own(params), horizons_days, days_per_unit)

    # --- laws ---------------------------------------------------------------------------------------------------------

    def laws(self, params: Params, histories: DueContracts, days_per_unit: float) -> LifeLaw:
        """Active contracts: theta ~ Beta(gamma, delta + E(n)); the simulator multiplies hazards ahead by m."""
        n = histories.renewals

        def posterior(shapes: Shapes, exponents: Exponents) -> tuple[np.ndarray, ...]:
            served = exponents.at(n)
            return shapes.gamma + np.zeros_like(served), shapes.delta + served

        a, b = self.by_exponents(params, histories.starts, int(n.max(initial=0)), posterior)
        law = self.section.law(
            self.probability_alive(params, histories, days_per_unit),
            a,
            b,
            self.shapes(params).c,
            next_opportunity_days=histories.next_days,
            tenure=n,
        )
        return law._replace(late_days=histories.late)

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        return self.section.newcomer_laws(self.own(params), days_per_unit)

    def laws_given_dead(self, params: Params, histories: DueContracts, days_per_unit: float) -> LifeLaw:
        """Traits of contracts that ended instead of renewal n + 1, a mixture; see `theta_of_ended`."""
        n = histories.renewals

        def theta(shapes: Shapes, exponents: Exponents) -> tuple[np.ndarray, ...]:
            served = exponents.at(n)
            return tuple(theta_of_ended(shapes, served, exponents.at(n + 1) - served))

        weight, a, b = self.by_exponents(params, histories.starts, int(n.max(initial=0)) + 1, theta)
        law = self.section.law(
            np.ones(a.shape[:2]),
            a,
            b,
            self.shapes(params).c,
            next_opportunity_days=np.full(n.size, self.section.first_renewal),
            tenure=n,
        )
        return law._replace(weight=weight, late_days=np.zeros(n.size))

    def due_multipliers(self, params: Params, first: int, days: float) -> DueMultipliers:
        """m of renewals that fall due within `days` from the beginning of day number `first` on (1: tomorrow).

        From tomorrow on days are those of the even calendar where contracts are due by months. Before come as many as
        a contract may be late by.
        """
        by_months = first == 1 and self.renewal in MONTHS_OF
        step = EVEN_DAY if by_months else 1.0
        before = int(np.ceil(self.interval_days / 2 / step + _SHORT_MONTHS))
        number = first - before + np.arange(before + int(np.ceil(days / step)) + 1)
        day = due_on(on_even_calendar(self.today, number), 0) - self.today if by_months else number
        return DueMultipliers(np.exp(self.log_multiplier(params, day)), step, before)


def due_season_of(model: Any) -> DueSeason | None:
    """What carries the season of contracts in a model, whether customers are told apart by levels or not."""
    while model is not None and not isinstance(model, DueSeason):
        model = getattr(model, "section", None)
    return model


def _log_kept(shapes: Shapes, exponents: Exponents, n: np.ndarray, ahead: np.ndarray | int) -> np.ndarray:
    """log S(n + ahead) / S(n); after n renewals at the pace of `shapes`."""
    served = exponents.at(n)
    end = served + shapes.pace * (exponents.at(n + ahead) - served)
    return log_survival(shapes.gamma, shapes.delta, served, end)


def _beyond(
    shapes: Shapes, exponents: Exponents, n: np.ndarray, near: float, left: float, year: int, force: float
) -> np.ndarray:
    """Renewals of one contract after the next `near` of the `left`, at m's mean over the year before, (draw, 1)."""
    last, served = n + near, exponents.at(n)
    there = exponents.at(last)
    mean = (there - exponents.at(last - year)) / (last**shapes.c - (last - year) ** shapes.c)
    end = served + shapes.pace * (there - served)
    later = Shapes(shapes.gamma, shapes.delta + end - last**shapes.c, shapes.c, shapes.pace * mean)
    kept = log_survival(shapes.gamma, shapes.delta, served, end) - force * near
    return np.exp(kept) * renewals_ahead(later, last, left - near, force)
