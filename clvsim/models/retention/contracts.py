"""What sBG and BdW share: contracts that renew at anniversaries, with a probability of ending that differs by customer.

Fader & Hardie 2007, "How to project customer retention", Journal of Interactive Marketing 21(1), 76-90 (FH below), doi
10.1002/dir.20074; Fader, Hardie, Liu, Davin & Steenburgh 2018, "How to project customer retention" revisited: the role
of duration dependence, Journal of Interactive Marketing 43, 1-16 (FHLDS below), doi 10.1016/j.intmar.2018.01.002.

Everything is written for BdW, theta ~ Beta(gamma, delta), S(n | theta) = (1 - theta)^(n^c); sBG is BdW with c = 1.
Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from clvsim.anniversaries import BEFORE_MIDNIGHT, day_number
from clvsim.errors import DiagnosticsError
from clvsim.models.around.calendar import Calendar
from clvsim.models.around.levels import BY_PLAN, Poolable, Scale, at, odds_times
from clvsim.models.around.season import Seasonable
from clvsim.models.domain import POSITIVE, Domain
from clvsim.models.laws import PACE, LifeLaw, Params, column, rows_by_level
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.retention.due import (
    AtIntervals,
    ByMonths,
    Starts,
    days_held_back,
    due_days,
    renewals_due,
)
from clvsim.models.retention.due_season import DueSeason, require_comparable
from clvsim.models.retention.pausing import Pausing
from clvsim.models.retention.recovery import recovering
from clvsim.models.retention.remarks import other_lengths, returns
from clvsim.models.retention.survival import (
    ContractRows,
    Contracts,
    Shapes,
    alive_while_due,
    log_kept,
    log_likelihood,
    renewals_ahead,
    theta_of_lost,
)
from clvsim.schema import Real
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, GRACE_DAYS, RENEWAL_DAYS, CustomerSummary

_CALENDAR_DAYS = 2.0  # by which a calendar month is longer or shorter than a twelfth of a year, whole days included
_ENOUGH = 20  # payments, of which one in 20 comes later than all that have been seen


class ContractInputs(NamedTuple):
    """What the density of `ContractModel` computes with, (row,). `lost`: numbers of rows of contracts that ended.
    `survival`: BdW's `Survival`."""

    seen: np.ndarray
    level: np.ndarray
    count: np.ndarray
    lost: np.ndarray
    survival: Any = None


# --- contracts within the grace ---------------------------------------------------------------------------------------


def still_to_come(overdue: np.ndarray, late: np.ndarray, grace: float) -> np.ndarray:
    """Share of payments that come later than `overdue` days after they fall due, (customer,); 1 before they do.

    In whole days, as payments are dated. `late` are the days by which payments came late, (payment,), of renewals that
    fell due longer than the grace ago, so that no late one is missing. One more is taken to come evenly within the
    grace, lest few payments pass for all.
    """
    later = late.size - np.searchsorted(np.sort(np.floor(late)), np.floor(overdue), side="right")
    evenly = np.clip(1 - overdue / grace, 0.0, 1.0) if grace > 0 else 0.0
    return np.where(overdue < 0, 1.0, (later + evenly) / (late.size + 1))


def latest(late: np.ndarray) -> float:
    """The most days by which a payment came late, (payment,); inf where there are too few to tell."""
    return max(float(np.floor(late).max()), 0.0) if late.size >= _ENOUGH else np.inf


# --- the model --------------------------------------------------------------------------------------------------------


def shapes_of(mean: Any, concentration: Any) -> tuple[Any, Any]:
    """gamma and delta, arrays or graphs, of `churn_mean` and `churn_concentration`."""
    return concentration / 2, concentration / 2 * (1 - mean) / mean


class ContractModel(Seasonable, Poolable):
    """Settings, data and laws of both models; times are days, parameters have no unit.

    `renewal`: length of a contract; by the calendar, the end of a month kept; with `plan` each contract has that of its
    plan (`models.around.plans`), which the column `plan` names, or the contract's own payments show; `plan_periods` are
    those of plans whose payments do not show them. `grace_days`: how late a payment may come before the contract counts
    as lost (null: as late as payments of the log have come, at most 2, 7, 14, 30 days by length). `recovery_days`: how
    long a charge that failed may still be paid (null: as 95 % of the log's took; 0: never). `pauses`: whether a
    contract may miss payments and come back, with `pause_chance` and `return_chance` (`models.retention.pausing`).
    `season`, `promotions`: whether more contracts end at renewals of some months or days
    (`models.retention.due_season`).
    `churn_mean` = gamma / (gamma + delta): share lost at the first renewal. `churn_concentration` = 2 gamma, which is
    gamma + delta where half are lost: small where customers differ widely. The squared ratio of theta's sd to its mean
    is about 1 / gamma where few are lost, so the prior says of little and of much churn alike how customers differ.
    """

    renewing: ClassVar[bool] = True
    opportunity_days: ClassVar[float] = 0.0
    TIMES: ClassVar[tuple[str, ...]] = ()
    SYMBOLS: ClassVar[tuple[str, str]]  # of theta's Beta distribution in the model's paper
    SCALES: ClassVar[Mapping[str, Scale]] = {
        "attrition": Scale("logit_churn", "Odds of ending at the first renewal"),
    }
    WHO_IS_LOST: ClassVar[str] = (
        "A contract counts as lost when its renewal is overdue by more than payments have been late so far, or than "
        "the grace, or, in a table of survivors, when the table no longer has it; every other one is active. Whether "
        "one that is overdue will still be paid is judged by how late payments have come so far."
    )
    renewal: Literal["week", "month", "quarter", "year", "plan"] = "month"
    plan: str | None = Field(default=None, min_length=1)
    plan_periods: dict[str, Literal["week", "month", "quarter", "year"]] = Field(default_factory=dict, max_length=1000)
    grace_days: Annotated[Real, Field(ge=0, le=366)] | None = None
    recovery_days: Annotated[Real, Field(ge=0, le=366)] | None = None
    pauses: bool = False
    pause_chance: BetaPrior = BetaPrior(a=1.0, b=1.0)
    return_chance: BetaPrior = BetaPrior(a=1.0, b=1.0)
    churn_mean: BetaPrior = BetaPrior(a=1.0, b=1.0)
    churn_concentration: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=2.0)

    @model_validator(mode="after")
    def _grace_is_short(self) -> "ContractModel":
        limit = self.interval_days / 2
        for name, days in (("grace_days", self.grace), ("recovery_days", self.recovery_days or 0.0)):
            if self.renewal != BY_PLAN and days >= limit:
                raise ValueError(f"{name} must be below half a {self.renewal} ({limit:g} days), got {days:g}")
        return self

    @model_validator(mode="after")
    def _plans_are_told_apart(self) -> "ContractModel":
        if self.renewal != BY_PLAN and (self.plan or self.plan_periods):
            raise ValueError(f"plan and plan_periods go with renewal={BY_PLAN}, got renewal={self.renewal}")
        if self.plan_periods and not self.plan:
            raise ValueError("plan_periods needs plan, the column that names the plans")
        if self.renewal == BY_PLAN and self.levelled:
            raise ValueError(f"renewal={BY_PLAN} gives each plan parameters of its own; leave out pool and covariates")
        if self.pauses and self.levelled:
            raise ValueError("pauses do not go with pool or covariates; leave these out")
        if self.seasonal and (self.pauses or self.renewal == BY_PLAN):
            other = "pauses" if self.pauses else f"renewal={BY_PLAN}"
            raise ValueError(f"season and promotions of contracts do not go with {other}; leave one of them out")
        return self

    @property
    def interval_days(self) -> float:
        """Of a contract; by plan that of a month, before plans are known."""
        return RENEWAL_DAYS.get(self.renewal, DAYS_PER_MONTH)

    def by_calendar(self, calendar: Calendar) -> Any:
        """The model whose hazard depends on when a renewal is due. Raises as `require_comparable`."""
        require_comparable(calendar)
        return DueSeason(self, calendar)

    def dated_events(self, summary: CustomerSummary) -> np.ndarray:
        """Renewals that the likelihood counts, paid or not, by the day on which they were due, (day,)."""
        first, days = day_number(summary.first_date), (summary.today - summary.first_date).days + 1
        return np.bincount(renewals_due(self, summary).day - first, minlength=days)

    def with_pauses(self) -> Any:
        """The model whose contracts may pause."""
        return Pausing(self)

    @property
    def first_renewal(self) -> float:
        """Days from a payment on time to the next renewal: within the day that ends a period."""
        return self.interval_days - BEFORE_MIDNIGHT

    @property
    def grace(self) -> float:
        return GRACE_DAYS.get(self.renewal, 0.0) if self.grace_days is None else self.grace_days

    def shapes(self, params: Params) -> Shapes:
        """The parameters as BdW's; c and the pace after today are 1 where there is none."""
        gamma, delta = column(params, *self.SYMBOLS)
        c, pace = (column(params, name)[0] if name in params else np.ones_like(gamma) for name in ("c", PACE))
        return Shapes(gamma, delta, c, pace)

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return dict.fromkeys(self.SYMBOLS, POSITIVE)

    def exponents(self, params: Params, n: np.ndarray, starts: Starts) -> np.ndarray:
        """Exponents of 1 - theta after n renewals, n (customer, ...): (draw, customer, ...)."""
        c = self.shapes(params).c
        return n ** c.reshape(-1, *(1,) * np.ndim(n))

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
        """The parameters of theta's distribution. Free variables: churn_mean, churn_concentration."""
        mean = self.churn_mean.variable(pm, "churn_mean")
        concentration = self.churn_concentration.variable(pm, "churn_concentration")
        return dict(zip(self.SYMBOLS, shapes_of(mean, concentration), strict=True))

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """The odds of theta's mean times `leaving`, at the same sum of both parameters. Nothing to buy in between."""
        scaled = odds_times(*(params[name] for name in self.SYMBOLS), leaving)
        return {**params, **dict(zip(self.SYMBOLS, scaled, strict=True))}

    def natural(self, draws: Params, rows: ContractRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's parameters from the model's variables; they have no unit."""
        return dict(zip(self.SYMBOLS, shapes_of(draws["churn_mean"], draws["churn_concentration"]), strict=True))

    # data

    def histories(self, summary: CustomerSummary) -> Contracts:
        """Contracts as of today; see `judged`."""
        return self.judged(summary)[0]

    def judged(self, summary: CustomerSummary) -> tuple[Contracts, np.ndarray]:
        """Contracts from dates of payment, or from `lost` where a survivor table says who is.

        The date of the last payment tells the number of renewals, to the nearest anniversary: several payments within a
        contract period count once, and an anniversary skipped in between counts as renewed (`warnings` says how often).
        Beside them how many renewals of each are settled, (customer,): paid, or not to be paid any more.

        Lost is whose renewal is overdue by more than the grace; where the log has dates and tells how late payments
        come, by more than the latest of them, or by as much where somebody paid who was due on the same day. Not lost
        is whose charge failed within the window in which such charges are paid after all (`recovery`).
        """
        frame = summary.customers
        t_x, T = (frame[c].to_numpy(np.float64) for c in ("recency_days", "T_days"))
        due = due_days(summary, self.renewal)
        renewals = due.nearest(t_x)
        overdue = T - due.day(renewals + 1)
        if "lost" in frame:
            lost, seen = frame["lost"].to_numpy(np.float64), renewals
            outstanding, settled = np.ones_like(lost), renewals + lost
        else:
            settled = due.until(T - self.grace, included=False)
            late = self.lateness(due, renewals, t_x)
            is_lost = overdue > self.grace
            grace = latest(late) if self.grace_days is None and summary.repeat_orders_by_day is not None else np.inf
            if grace < self.grace:
                paid_by_some = np.isin(overdue, (T - due.day(renewals))[renewals > 0])
                is_lost = (overdue > grace) | ((overdue == grace) & paid_by_some)
                settled = due.until(T - grace, included=True)
            lost, seen = is_lost.astype(np.float64), np.minimum(renewals, settled)
            unbilled = (overdue == 0) & (t_x < T).all()  # of nobody is a payment of today known
            outstanding = np.where(unbilled, 1.0, still_to_come(overdue, late, self.grace))
        failed = recovering(self, summary, due, renewals)
        lost = np.where(failed > 0, 0.0, lost)
        ahead = np.maximum(due.ahead(renewals + 1), 0.0)
        return Contracts(renewals, seen, lost, ahead, outstanding, failed), settled

    def lateness(self, due: AtIntervals | ByMonths, renewals: np.ndarray, t_x: np.ndarray) -> np.ndarray:
        """Days by which last payments came late, (payment,), of renewals due so long ago that none is still missing."""
        known = (renewals > 0) & (renewals <= due.until(due.T - self.grace, included=False))
        return (t_x - due.day(renewals))[known]

    def holdout_days(self, summary: CustomerSummary) -> float:
        """Up to the day whose payments have usually come, half of them or more, when the log ends."""
        due, t_x = due_days(summary, self.renewal), summary.customers["recency_days"].to_numpy(np.float64)
        late = self.lateness(due, due.nearest(t_x), t_x)
        usual = max(int(np.median(np.floor(late))), 0) if late.size >= _ENOUGH else 0
        return days_held_back(summary, self.renewal, usual)

    def newborn(self) -> Contracts:
        first, none = np.full(1, self.first_renewal), np.zeros(1)
        return Contracts(none, none, none, next_days=first, outstanding=np.ones(1), recovering=none)

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> ContractRows:
        """Unique (seen, lost) with counts. Raises DiagnosticsError where no renewal has been due yet."""
        rows = self.unique_contracts(summary, level)
        if not (rows.seen + rows.lost).any():
            why = (
                f"no contract's first renewal has been due for longer than the grace ({self.grace:g} days): how many "
                f"are renewed cannot be learned yet (is retention.renewal={self.renewal} right?)"
            )
            raise DiagnosticsError([("retention", why)])
        return rows

    def unique_contracts(self, summary: CustomerSummary, level: np.ndarray | None = None) -> ContractRows:
        """The same, though no renewal may have been due yet."""
        contracts = self.histories(summary)
        (seen, lost), count, level_of = rows_by_level([contracts.seen, contracts.lost], level)
        return ContractRows(seen, lost, count, level_of)

    def informative(self, rows: ContractRows) -> np.ndarray:
        """Contracts of which a renewal has been due."""
        return rows.seen + rows.lost > 0

    def remarks(self, summary: CustomerSummary) -> tuple[str, ...]:
        """Contracts of another length, those that pause where nothing models it, and those that are irregular."""
        by_length = () if self.renewal == BY_PLAN else other_lengths(summary, self.renewal)
        pausing = () if self.pauses else returns(summary, self.renewal)
        return (*by_length, *pausing, *(() if self.renewal == BY_PLAN else self._irregular(summary)))

    def _irregular(self, summary: CustomerSummary) -> tuple[str, ...]:
        """Sentences on contracts that do not look like contracts."""
        frame = summary.customers
        contracts = self.histories(summary)
        due = due_days(summary, self.renewal)
        paid = frame["frequency"].to_numpy(np.float64)
        off = np.abs(frame["recency_days"].to_numpy(np.float64) - due.day(contracts.renewals))
        tolerated = max(self.grace, _CALENDAR_DAYS)
        odd = (off > tolerated) | (paid < contracts.renewals)
        often = ~odd & (paid > contracts.renewals)
        text = []
        if odd.any() and not self.pauses:
            text.append(
                f"{odd.sum():,} of {odd.size:,} contracts are irregular: a payment is missing in between, or the last "
                f"one lies more than {tolerated:g} days off its anniversary (retention.renewal={self.renewal}, "
                "retention.grace_days); they count as renewed up to the anniversary nearest to the last payment"
            )
        if often.any():
            text.append(
                f"{often.sum():,} of {often.size:,} contracts have several payments within one {self.renewal}: they "
                "count as one renewal"
            )
        return tuple(text)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """Those of `remarks`, and sentences on data that leave the prior to speak."""
        contracts, text = self.histories(summary), list(self.remarks(summary))
        if not contracts.lost.any():
            text.append("No contract has been lost yet: how fast they end is the prior's word, not the data's")
        if contracts.lost.all():
            text.append("Every contract has been lost: existing customers are worth nothing")
        return tuple(text)

    # likelihood

    def inputs(self, rows: ContractRows) -> ContractInputs:
        """Everything the graph computes with, of rows as `sufficient` has them."""
        return ContractInputs(rows.seen, rows.level, rows.count, np.flatnonzero(rows.lost > 0))

    def log_density(self, params: Mapping[str, Any], inputs: ContractInputs) -> Any:
        """`log_likelihood` as a graph."""
        import pytensor.tensor as pt

        c = params.get("c", 1.0)

        def served(n: Any) -> Any:
            return pt.exp(c * pt.log(pt.maximum(n, 1.0))) * (n > 0)

        return self.log_density_at(params, inputs, served(inputs.seen), served(inputs.seen[inputs.lost] + 1))

    def log_density_at(self, params: Mapping[str, Any], inputs: ContractInputs, made: Any, tried: Any) -> Any:
        """The same where renewals made have the exponents `made` of 1 - theta, (row,), and those with the one that a
        lost contract ended at `tried`, (lost row,)."""
        import pytensor.tensor as pt

        symbols, lost = [params[name] for name in self.SYMBOLS], inputs.lost

        def log_survival(served: Any, level: Any) -> Any:
            gamma, delta = (at(symbol, level) for symbol in symbols)
            end, start = (pt.gammaln(delta + u) - pt.gammaln(gamma + delta + u) for u in (served, 0.0))
            return end - start

        survived = log_survival(made, inputs.level)
        ended = pt.log1mexp(log_survival(tried, inputs.level[lost]) - survived[lost])
        return pt.sum(inputs.count * survived) + pt.sum(inputs.count[lost] * ended)

    def log_likelihood(self, params: Params, histories: Contracts, days_per_unit: float) -> np.ndarray:
        """See `log_likelihood`."""
        return log_likelihood(self.shapes(params), histories.seen, histories.lost)

    # quantities

    def opportunities(self, next_days: np.ndarray | float, horizon_days: np.ndarray | float) -> np.ndarray:
        """How many renewals fall due within the horizon, the first `next_days` from now; inf without end."""
        return np.maximum(np.ceil((horizon_days - np.asarray(next_days, np.float64)) / self.interval_days), 0.0)

    def probability_alive(self, params: Params, histories: Contracts, days_per_unit: float) -> np.ndarray:
        """1 for active contracts and 0 for lost ones; in between where a renewal is overdue within the grace.

        There P(the payment still comes) is r w / (1 - r + r w), r = S(n + 1) / S(n) and w the share `outstanding`: of
        those who renew and those who do not, the ones who have not paid. As the law charges for the renewal, which
        leaves r of those alive, P(alive) is the rest of it, w / (1 - r + r w); theta is as if the renewal lay ahead.
        Where the charge has failed it is P(paid after all) / r, at most 1 (`recovery`).
        """
        ended = -np.expm1(log_kept(self.shapes(params).up_to_today(), histories.renewals, 1.0))
        return alive_while_due(params, ended, histories)

    def probability_active(
        self, params: Params, histories: Contracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one renewal within the horizon), (draw, customer)."""
        due = self.opportunities(histories.next_days, horizon_days) > 0
        alive = self.probability_alive(params, histories, days_per_unit)
        return due * alive * np.exp(log_kept(self.shapes(params), histories.renewals, 1.0))

    def probability_staying(
        self, params: Params, histories: Contracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(renewed at all anniversaries within the horizon | active), (draw, customer)."""
        due = self.opportunities(histories.next_days, horizon_days)
        return np.exp(log_kept(self.shapes(params), histories.renewals, due))

    def expected_orders(
        self, params: Params, histories: Contracts, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """Renewals expected within the horizon, (draw, customer)."""
        ahead = self.expected_discounted_orders(params, histories, horizon_days, 0.0, days_per_unit)
        return np.where(histories.lost > 0, 0.0, self.probability_alive(params, histories, days_per_unit) * ahead)

    def expected_discounted_orders(
        self, params: Params, histories: Contracts, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Renewals expected within the horizon (may be inf) given active, each worth (1 + rate)^-(days / 365.25).

        The discounted expected residual lifetime of FH and of Fader & Hardie 2010 (Marketing Science 29(1)), from
        today to the next anniversary and on from there. Computed once per distinct (renewals, anniversaries left).
        """
        shapes = self.shapes(params)
        per_day = np.log1p(annual_rate) / DAYS_PER_YEAR
        left = self.opportunities(histories.next_days, horizon_days)
        result = np.zeros((shapes.gamma.shape[0], left.size))
        for periods in np.unique(left[left > 0]):
            who = left == periods
            n, place = np.unique(histories.renewals[who], return_inverse=True)
            result[:, who] = renewals_ahead(shapes, n, float(periods), per_day * self.interval_days)[:, place]
        return result * np.exp(-per_day * histories.next_days)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        """E[X(t)]: renewals of a newcomer expected before t, in units of `days_per_unit`, (draw, time)."""
        shapes = self.shapes(params)
        renewals = self.opportunities(self.first_renewal, np.atleast_1d(t) * days_per_unit)
        none = np.zeros(1)
        sums = {
            n: renewals_ahead(shapes, none, n, 0.0) if n else np.zeros_like(shapes.gamma) for n in np.unique(renewals)
        }
        return np.hstack([sums[n] for n in renewals])

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        """P(X(t) = 0..n): renewals of a newcomer before t, in units of `days_per_unit`, (draw, n + 1)."""
        due = self.opportunities(self.first_renewal, t * days_per_unit)
        k = np.arange(n + 1.0)
        ended = np.exp(log_likelihood(self.shapes(params), np.minimum(k, due), k < due))
        return np.where(k <= due, ended, 0.0)

    # laws

    def laws(self, params: Params, histories: Contracts, days_per_unit: float) -> LifeLaw:
        """Active contracts: theta ~ Beta(gamma, delta + n^c) after n renewals, the next one at the own anniversary, or
        now where it is overdue."""
        gamma, delta, c, _ = self.shapes(params)
        served = histories.renewals**c
        return self.law(
            self.probability_alive(params, histories, days_per_unit),
            gamma + np.zeros_like(served),
            delta + served,
            c,
            next_opportunity_days=histories.next_days,
            tenure=histories.renewals,
        )

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """The population's law, (draw, 1): the first payment now, the first renewal one period on."""
        gamma, delta, c, _ = self.shapes(params)
        return self.law(
            np.ones_like(gamma),
            gamma.copy(),
            delta.copy(),
            c,
            next_opportunity_days=np.full(1, self.first_renewal),
            tenure=np.zeros(1),
        )

    def laws_given_dead(self, params: Params, histories: Contracts, days_per_unit: float) -> LifeLaw:
        """Traits of contracts that ended instead of renewal n + 1, a mixture; see `theta_of_lost`. `p_alive` is 1.

        A contract that comes back is due one period later, as one with n renewals behind it.
        """
        shapes = self.shapes(params)
        theta = theta_of_lost(shapes, histories.renewals)
        law = self.law(
            np.ones(theta.a.shape[:2]),
            theta.a,
            theta.b,
            shapes.c,
            next_opportunity_days=np.full(histories.renewals.size, self.first_renewal),
            tenure=histories.renewals,
        )
        return law._replace(weight=theta.weight)

    def law(self, p_alive: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, **given: Any) -> LifeLaw:
        """Renewals are certain while the contract lasts: neither order rate nor hazard per time."""
        absent = np.zeros_like(a)
        return LifeLaw(
            p_alive, absent, absent, absent, absent, a, b,
            interval_days=self.interval_days, buy_a=absent, buy_b=absent, tenure_exponent=c, **given,
        )  # fmt: skip
