"""BG/CNBD-k and MBG/CNBD-k: BG/NBD and MBG/NBD for customers who buy at regular intervals.

Platzer & Reutterer 2016, "Ticking away the moments: timing regularity helps to better predict customer activity",
Marketing Science 35(5), 779-799, doi 10.1287/mksc.2015.0963; Reutterer, Platzer & Schröder 2021, "Leveraging purchase
regularity for predicting customer behavior the easy way", International Journal of Research in Marketing 38(1),
194-215, doi 10.1016/j.ijresmar.2020.09.002. Equations, assumptions and priors: docs/models/bg_cnbd.md.

Gaps are Gamma(k, lambda): every k-th event of a Poisson process is an order, so that of the gap that runs J = 0..k-1
stages are over. `lost_at_birth` is 1 where a customer may leave at the first order too (MBG), else 0.
Times are in any one unit. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from collections.abc import Mapping
from functools import reduce
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from clvsim.errors import DiagnosticsError
from clvsim.models.around.levels import Poolable, at
from clvsim.models.domain import Domain, whole
from clvsim.models.laws import Births, Customers, LifeLaw, Params, column, distinct_rows
from clvsim.models.retention import mbg_nbd
from clvsim.models.retention.purchases import DropoutPriors, PurchaseRows, in_units, purchase_rows
from clvsim.schema import Whole
from clvsim.special import betainc, betaln, expit, gammaln, xlogy
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

MAX_K = 20
_FARTHEST = 25.0  # of a parameter's log: without attrition the likelihood is flat
_CHUNK_CELLS = 1 << 18  # draws x rows tabulated at once


class RegularCustomers(NamedTuple):
    """Purchase histories as of today, each (customer,); `log_gaps` sums the logs of the days between orders."""

    x: np.ndarray
    t_x_days: np.ndarray
    T_days: np.ndarray
    log_gaps: np.ndarray


class RegularRows(NamedTuple):
    """As `PurchaseRows`; `log_gaps` is the sum over all gaps of the log of their length in units of `unit_days`."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    level: np.ndarray
    unit_days: float
    log_gaps: float
    k: float  # order of the gaps' distribution: as configured, or the likeliest


class RegularInputs(NamedTuple):
    """What the density of `RegularModel` computes with, each (row,) but `customers`, (level,), and `constant`.

    `chances` to leave so far, `stayed`: all but the last of them. For each number J of stages that may be over:
    `order_stages`, those that orders took and these, and `silence`, log of (T - t_x)^J / J!. `may_leave` and `stays`:
    rows with and without a chance to leave. `constant`: of the log-likelihood.
    """

    customers: np.ndarray
    level: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    chances: np.ndarray
    stayed: np.ndarray
    order_stages: tuple[np.ndarray, ...]
    silence: tuple[np.ndarray, ...]
    may_leave: np.ndarray
    stays: np.ndarray
    count: np.ndarray
    constant: float


def log_stages(k: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """log of P(history so far, J stages of the running gap are over | never leaves), up to what k and x alone fix.

    (draw, customer, J): u^J/J! Gamma(r+kx+J)/Gamma(r) alpha^r (alpha+T)^-(r+kx+J), u = T - t_x.
    """
    r, alpha = (v[..., None] for v in column(params, "r", "alpha"))
    j = np.arange(float(k))
    shape = r + k * np.asarray(x, np.float64)[:, None] + j
    silent = np.asarray(T, np.float64) - np.asarray(t_x, np.float64)
    return (
        xlogy(j, silent[:, None])
        - gammaln(j + 1)
        + gammaln(shape)
        - gammaln(r)
        + r * np.log(alpha)
        - shape * np.log(alpha + np.asarray(T, np.float64)[:, None])
    )


def _log_alive_and_left(
    k: int, lost_at_birth: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """log density of the history and being alive, and of it and having left at the last order; (draw, customer)."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x = np.asarray(x, np.float64), np.asarray(t_x, np.float64)
    whole = betaln(a, b)
    alive = betaln(a, b + x + lost_at_birth) - whole + np.logaddexp.reduce(log_stages(k, params, x, t_x, T), axis=2)
    chances = x + lost_at_birth  # occasions to leave so far
    left = betaln(a + 1, b + np.maximum(chances - 1, 0)) - whole
    left = left + gammaln(r + k * x) - gammaln(r) + r * np.log(alpha) - (r + k * x) * np.log(alpha + t_x)
    return alive, np.where(chances > 0, left, -np.inf)


def log_likelihood(
    k: int, lost_at_birth: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, log_gaps: np.ndarray
) -> np.ndarray:
    """Log density of each history, (draw, customer); `log_gaps` in the log of the same unit of time."""
    alive, left = _log_alive_and_left(k, lost_at_birth, params, x, t_x, T)
    return np.logaddexp(alive, left) + (k - 1) * log_gaps - np.asarray(x, np.float64) * gammaln(k)


def probability_alive(
    k: int, lost_at_birth: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray
) -> np.ndarray:
    """P(alive at T | history), (draw, customer)."""
    alive, left = _log_alive_and_left(k, lost_at_birth, params, x, t_x, T)
    return expit(alive - left)


def stage_weights(k: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """P(J stages of the running gap are over | history, alive), (draw, customer, J)."""
    logs = log_stages(k, params, x, t_x, T)
    return np.exp(logs - np.logaddexp.reduce(logs, axis=2, keepdims=True))


def probability_next(k: int, params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """P(at least one order in (T, T+t] | history, alive at T), (draw, customer)."""
    r, alpha = (v[..., None] for v in column(params, "r", "alpha"))
    x, T = np.asarray(x, np.float64)[:, None], np.asarray(T, np.float64)[:, None]
    j = np.arange(float(k))
    share = 1.0 if np.isinf(t) else t / (alpha + T + t)
    reached = betainc(k - j, r + k * x + j, share)
    return (stage_weights(k, params, x[:, 0], t_x, T[:, 0]) * reached).sum(axis=2)


def orders_given_alive(
    k: int,
    lost_at_birth: int,
    params: Params,
    x: np.ndarray,
    t_x: np.ndarray,
    T: np.ndarray,
    horizon: float,
    force: float,
) -> np.ndarray:
    """Orders of the living within the horizon, each weighted by exp(-force t), (draw, customer).

    Sum over J and future orders m of w_J P(N >= k m - J) B(a, b'+m-1)/B(a, b'), N ~ NegBin(r+kx+J) stages within the
    horizon, b' = b + x + `lost_at_birth`; exact, unlike the approximation in BTYDplus. With a discount its integral
    over time.
    """
    from clvsim.kernels.regular import regular_orders  # compiled: not for those who only read the registry

    first, row_of = distinct_rows([x, t_x, T])
    r, alpha, a, b = (np.ascontiguousarray(params[n], np.float64).reshape(-1) for n in ("r", "alpha", "a", "b"))
    x, t_x, T = (np.ascontiguousarray(own[first], np.float64) for own in (x, t_x, T))
    out = np.empty((r.size, row_of.size))
    step = max(1, _CHUNK_CELLS // (first.size * k))
    for i in range(0, r.size, step):
        part = slice(i, i + step)
        chunk = {name: np.asarray(params[name])[part] for name in ("r", "alpha")}
        weight = np.ascontiguousarray(stage_weights(k, chunk, x, t_x, T))
        table = np.empty((r[part].size, first.size))
        stayed = b[part] + lost_at_birth
        regular_orders(r[part], alpha[part], a[part], stayed, x, T, weight, horizon, force, table)
        out[part] = table[:, row_of]
    return out


def order_pmf(k: int, lost_at_birth: int, params: Params, n: int, t: float) -> np.ndarray:
    """P(X(t) = 0..n) of a newcomer, (draw, n + 1): x orders and stayed after each, or left after the last of them."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x = np.arange(n + 2.0)
    at_least = np.where(x > 0, betainc(np.maximum(k * x, 1.0), r, t / (alpha + t)), 1.0)  # had nobody left
    exactly, at_least = at_least[:, :-1] - at_least[:, 1:], at_least[:, :-1]
    x = x[:-1]
    chances = x + lost_at_birth
    stayed = np.exp(betaln(a, b + chances) - betaln(a, b))
    left = np.exp(betaln(a + 1, b + np.maximum(chances - 1, 0)) - betaln(a, b))
    return stayed * exactly + np.where(chances > 0, left * at_least, 0.0)


class RegularModel(DropoutPriors, Poolable):
    """What BG/CNBD-k and MBG/CNBD-k share.

    `k`: order of the gaps' Gamma distribution, 1 for Poisson, or `auto`: the likeliest of 1 to 20, which needs a log of
    orders. Priors: see `DropoutPriors`; `rate` counts orders, not stages.
    """

    TIMES: ClassVar[tuple[str, ...]] = ("alpha",)
    interval_days: ClassVar[float] = 0.0
    opportunity_days: ClassVar[float] = 0.0
    k: Literal["auto"] | Annotated[Whole, Field(ge=1, le=MAX_K)] = "auto"

    def histories(self, summary: CustomerSummary) -> RegularCustomers:
        """Purchase histories, in days. Gaps are nan where the summary has none: then models cannot be compared."""
        frame = summary.customers
        gaps = frame["log_gaps"] if "log_gaps" in frame else np.full(len(frame), np.nan)
        columns = (frame[c].to_numpy(np.float64) for c in ("frequency", "recency_days", "T_days"))
        return RegularCustomers(*columns, np.asarray(gaps, np.float64))

    def newborn(self) -> RegularCustomers:
        return RegularCustomers(*np.zeros((4, 1)))

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> RegularRows:
        """Unique rows (x, t_x, T) with counts, and the likeliest k where it is `auto`, one for all levels.

        Raises DiagnosticsError without repeat orders, and for `auto` where the summary knows no gaps between orders.
        """
        histories = self.histories(summary)
        rows = purchase_rows(Customers(*histories[:3]), level)
        gaps = float(np.sort(histories.log_gaps).sum()) - float(histories.x.sum()) * np.log(rows.unit_days)
        if self.k == "auto":
            if np.isnan(gaps):
                what = "auto needs a log of orders, since a summary has no gaps between them; set a whole number"
                raise DiagnosticsError([("retention.k", what)])
            k = likeliest_k(self.LOST_AT_BIRTH, rows, gaps)
        else:
            k = self.k
        return RegularRows(*rows[:5], rows.unit_days, gaps, float(k))

    def inputs(self, rows: RegularRows) -> RegularInputs:
        """Everything the graph computes with, of rows as `sufficient` has them; k stages shape the graph itself."""
        k = int(rows.k)
        chances, silent = rows.x + self.LOST_AT_BIRTH, rows.T - rows.t_x
        gaps = (k - 1) * (0.0 if np.isnan(rows.log_gaps) else rows.log_gaps)
        return RegularInputs(
            customers=np.bincount(rows.level, rows.count),
            level=rows.level,
            t_x=rows.t_x,
            T=rows.T,
            chances=chances,
            stayed=np.maximum(chances - 1, 0),
            order_stages=tuple(k * rows.x + j for j in range(k)),
            silence=tuple(xlogy(j, silent) - gammaln(j + 1.0) for j in range(k)),
            may_leave=np.flatnonzero(chances > 0),
            stays=np.flatnonzero(chances <= 0),
            count=rows.count,
            constant=gaps - (rows.count * rows.x).sum() * gammaln(k),
        )

    def log_density(self, params: Mapping[str, Any], inputs: RegularInputs) -> Any:
        """`log_likelihood` as a graph; here alpha is that of orders, k times that of stages."""
        import pytensor.tensor as pt

        k = len(inputs.silence)
        r, alpha, a, b = params["r"], params["alpha"] / k, params["a"], params["b"]
        total = a + b
        constant = pt.sum(inputs.customers * (r * pt.log(alpha) - pt.gammaln(r) - pt.gammaln(b) + pt.gammaln(total)))
        alpha, a, b, total = (at(parameter, inputs.level) for parameter in (alpha, a, b, total))
        # Alive, J stages over; lost.
        chances, shapes = inputs.chances, [r + stages for stages in inputs.order_stages]
        stages = [
            silence + pt.gammaln(shape) - shape * pt.log(alpha + inputs.T)
            for silence, shape in zip(inputs.silence, shapes, strict=True)
        ]
        alive = pt.gammaln(b + chances) - pt.gammaln(total + chances) + reduce(pt.logaddexp, stages)
        left = pt.log(a) + pt.gammaln(b + inputs.stayed) - pt.gammaln(total + chances)
        left += pt.gammaln(shapes[0]) - shapes[0] * pt.log(alpha + inputs.t_x)
        may, stays = inputs.may_leave, inputs.stays
        either = pt.sum(inputs.count[may] * pt.logaddexp(alive[may], left[may]))
        either += pt.sum(inputs.count[stays] * alive[stays])
        return constant + either + inputs.constant

    def natural(self, draws: Params, rows: RegularRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The papers' r, alpha (in reported time units), a, b from the model's variables, and a k that was chosen."""
        natural_params = super().natural(draws, rows, days_per_unit)
        chosen = {"k": np.full_like(natural_params["alpha"], rows.k)} if self.k == "auto" else {}
        return {**chosen, **natural_params, "alpha": natural_params["alpha"] / rows.k}

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return {**super().DOMAINS, "k": whole(1, MAX_K, constant=True)} if self.k == "auto" else super().DOMAINS

    def order(self, params: Params) -> int:
        """k: as configured, or the one that the fit chose, the same in every draw."""
        return int(np.asarray(params["k"]).flat[0]) if self.k == "auto" else self.k

    def log_likelihood(self, params: Params, histories: RegularCustomers, days_per_unit: float) -> np.ndarray:
        """Log density of each history, its gaps included: comparable with models that do not look at them."""
        x, t_x, T = in_units(histories, days_per_unit)
        gaps = histories.log_gaps - x * np.log(days_per_unit)
        if np.isnan(gaps).any():
            what = "models can be compared only on a log of orders: a summary has no gaps between them"
            raise DiagnosticsError([("retention", what)])
        return log_likelihood(self.order(params), self.LOST_AT_BIRTH, params, x, t_x, T, gaps)

    def probability_alive(self, params: Params, histories: RegularCustomers, days_per_unit: float) -> np.ndarray:
        """P(alive today | history)."""
        return probability_alive(self.order(params), self.LOST_AT_BIRTH, params, *in_units(histories, days_per_unit))

    def probability_active(
        self, params: Params, histories: RegularCustomers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one order within the horizon | history); the horizon may be infinite."""
        times = in_units(histories, days_per_unit)
        following = probability_next(self.order(params), params, *times, horizon_days / days_per_unit)
        return self.probability_alive(params, histories, days_per_unit) * following

    def expected_orders(
        self, params: Params, histories: RegularCustomers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """E[orders within the horizon | history]."""
        living = self.expected_discounted_orders(params, histories, horizon_days, 0.0, days_per_unit)
        return self.probability_alive(params, histories, days_per_unit) * living

    def expected_discounted_orders(
        self,
        params: Params,
        histories: RegularCustomers,
        horizon_days: float,
        annual_rate: float,
        days_per_unit: float,
    ) -> np.ndarray:
        """Orders expected within the horizon *given alive today*, each worth (1 + annual_rate)^-(days / 365.25)."""
        force = float(np.log1p(annual_rate)) / DAYS_PER_YEAR * days_per_unit
        times = in_units(histories, days_per_unit)
        horizon = horizon_days / days_per_unit
        return orders_given_alive(self.order(params), self.LOST_AT_BIRTH, params, *times, horizon, force)

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        """See `RetentionModel`: all ages of a draw in one pass, (draw, 1, horizon)."""
        from clvsim.kernels.regular import regular_orders_by_age  # compiled: not for those who only read the registry

        birth, force = self.LOST_AT_BIRTH, float(np.log1p(annual_rate)) / DAYS_PER_YEAR * days_per_unit
        r, alpha, a, b = (np.ascontiguousarray(params[n], np.float64).reshape(-1) for n in ("r", "alpha", "a", "b"))
        no_stage_over = np.eye(self.order(params))[0]
        ages = np.array(horizons_days, np.float64) / days_per_unit
        out = np.empty((r.size, ages.size))
        regular_orders_by_age(r, alpha, a, b + birth, no_stage_over, ages, force, out)
        return ((b / (a + b)) ** birth)[:, None, None] * out[:, None]

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        """E[X(t)] of a newcomer, (draw, time); t has the parameters' unit, whatever that is."""
        a, b = column(params, "a", "b")
        nobody = (np.zeros(1),) * 3
        k, birth = self.order(params), self.LOST_AT_BIRTH
        orders = [orders_given_alive(k, birth, params, *nobody, float(h), 0.0) for h in np.atleast_1d(t)]
        return (b / (a + b)) ** birth * np.hstack(orders)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        """P(X(t) = 0..n) of a newcomer, (draw, n + 1); t has the parameters' unit, whatever that is."""
        return order_pmf(self.order(params), self.LOST_AT_BIRTH, params, n, t)

    def laws(self, params: Params, histories: RegularCustomers, days_per_unit: float) -> LifeLaw:
        """Traits given the history and, but for `p_alive`, given alive: a mixture over the stages that are over.

        lambda ~ Gamma(r+kx+J, alpha+T), p ~ Beta(a, b+x), one more survived where the first order counts too.
        """
        k, birth = self.order(params), self.LOST_AT_BIRTH
        r, alpha, a, b = (v[..., None] for v in column(params, "r", "alpha", "a", "b"))
        x, t_x, T = (np.asarray(v, np.float64) for v in histories[:3])
        daily = {**params, "alpha": np.asarray(params["alpha"]) * days_per_unit}
        weight = stage_weights(k, daily, x, t_x, T)
        shape = r + k * x[:, None] + np.arange(float(k))
        absent = np.zeros_like(shape)
        return LifeLaw(
            p_alive=probability_alive(k, birth, daily, x, t_x, T),
            rate_shape=shape,
            rate_rate=alpha * days_per_unit + T[:, None] + absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=a + absent,
            drop_b=b + x[:, None] + birth + absent,
            regularity=k,
            birth_charges=birth,
            weight=weight,
            stages_done=np.arange(float(k)),
        )

    def laws_given_dead(self, params: Params, histories: RegularCustomers, days_per_unit: float) -> LifeLaw:
        """Traits given the history and that they left at the last order; `p_alive` is 1, the gap starts afresh.

        lambda ~ Gamma(r+kx, alpha+t_x), p ~ Beta(a+1, b+x-1), or b+x where the first order counts too. Where nobody
        can have left it is the law of a newcomer's rate, with a weight of 0 wherever it is used.
        """
        k, birth = self.order(params), self.LOST_AT_BIRTH
        r, alpha, a, b = column(params, "r", "alpha", "a", "b")
        x, t_x = (np.asarray(v, np.float64) for v in histories[:2])
        shape = r + k * x
        absent = np.zeros_like(shape)
        chances = x + birth
        return LifeLaw(
            p_alive=np.ones_like(shape),
            rate_shape=shape,
            rate_rate=alpha * days_per_unit + t_x + absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=a + (chances > 0) + absent,
            drop_b=b + np.maximum(chances - 1, 0) + absent,
            regularity=k,
            birth_charges=birth,
        )

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """The population's law, (draw, 1), before the first order."""
        law = mbg_nbd.newcomer_laws(params, days_per_unit)
        return law._replace(regularity=self.order(params), birth_charges=self.LOST_AT_BIRTH)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """None: what a log can have against these models is in its quality table."""
        return ()


def likeliest_k(lost_at_birth: int, rows: PurchaseRows, log_gaps: float) -> int:
    """The k of 1 to 20 with the highest maximum of the likelihood; stops at the first that is worse than the last."""
    from scipy.optimize import minimize

    best, value, free = 1, -np.inf, np.array([0.0, 0.0, 0.0, 0.7])
    for k in range(1, MAX_K + 1):

        def loss(free: np.ndarray, k: int = k) -> float:
            r, alpha, total = np.exp(np.clip(free[[0, 1, 3]], -_FARTHEST, _FARTHEST))
            mean = expit(free[2])
            natural = {"r": r, "alpha": alpha, "a": total * mean, "b": total * (1 - mean)}
            params = {name: np.array([value]) for name, value in natural.items()}
            zero = np.zeros(rows.x.size)
            each = log_likelihood(k, lost_at_birth, params, rows.x, rows.t_x, rows.T, zero)[0]
            return -float(rows.count @ each)

        optimum = minimize(loss, free, method="BFGS", options={"gtol": 1e-3})
        reached = -float(optimum.fun) + (k - 1) * log_gaps
        if reached <= value:
            break
        best, value, free = k, reached, optimum.x + [0.0, np.log(k / (k + 1)), 0.0, 0.0]
    return best


class BgCnbd(RegularModel):
    """BG/CNBD-k: regular buyers who may leave for good after any repeat order. See `RegularModel`."""

    WHO_IS_LOST: ClassVar[str] = (
        "Under BG/CNBD-k a customer can leave only after a repeat order, so someone with a single order never counts "
        "as lost, which flatters one-time buyers; a regular buyer who is overdue soon counts as lost."
    )
    LOST_AT_BIRTH: ClassVar[int] = 0
    kind: Literal["bg_cnbd"] = "bg_cnbd"


class MbgCnbd(RegularModel):
    """MBG/CNBD-k: regular buyers who may leave for good after any order, the first included. See `RegularModel`."""

    WHO_IS_LOST: ClassVar[str] = (
        "Under MBG/CNBD-k a customer may leave after any order, the first included; a regular buyer who is overdue "
        "soon counts as lost."
    )
    LOST_AT_BIRTH: ClassVar[int] = 1
    kind: Literal["mbg_cnbd"] = "mbg_cnbd"
