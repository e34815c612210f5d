"""Pareto/NBD: customers buy at a rate of their own and die at a moment of their own, whether they buy or not.

Schmittlein, Morrison & Colombo 1987, Counting your customers: who are they and what will they do next?, Management
Science 33(1), 1-24 (SMC), doi 10.1287/mnsc.33.1.1. Fader & Hardie 2005, A note on deriving the Pareto/NBD model (FH).
Fader, Hardie & Lee 2005, RFM and CLV, Journal of Marketing Research 42(4), 415-430 (JMR). Equations, assumptions and
priors: docs/models/pareto_nbd.md.

Times are in any one unit. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from clvsim.models.around.calendar import Calendar
from clvsim.models.around.levels import LevelRows, Scale, at, level_rows
from clvsim.models.around.season import Clock, Seasonable
from clvsim.models.domain import POSITIVE, Domain
from clvsim.models.laws import Customers, LifeLaw, Params, column, distinct_rows
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.retention.purchases import (
    ORDER_RATE,
    Between,
    Formulas,
    Histories,
    PurchaseModel,
    PurchaseRows,
    Tally,
    classes,
    tally,
    times,
)
from clvsim.special import expit, exprel, gammaln, xlogy
from clvsim.types import DAYS_PER_YEAR

_NODES = 48  # Gauss-Legendre over the remaining life
_DROP = 40.0  # what lies beyond a fall by exp(-40) is below rounding
_PANEL, _PANEL_NODES = 2.0, 16  # Gauss-Legendre in the logarithm of a moment of death
_MOMENTS = 12  # of death, in a mixture


def _log_silent_death(params: Params, x: np.ndarray, start: np.ndarray, span: np.ndarray) -> np.ndarray:
    """log P(dies within `span` before another order | alive at `start` with x orders), (draw, customer).

    Integral of ((alpha+start)/(alpha+start+t))^(r+x) against the density of death s (beta+start)^s/(beta+start+t)^(s+1)
    over t in (0, span); -inf at span 0. Computed once per distinct (x, start, span).
    """
    from clvsim.kernels.silence import log_silent_death  # compiled: not for those who only read the registry

    return _tabulated(log_silent_death, params, x, start, span)


def _tabulated(
    kernel: Callable[..., None], params: Params, x: np.ndarray, start: np.ndarray, span: np.ndarray
) -> np.ndarray:
    """A kernel of (r, alpha, s, beta, x, start, span, out) on distinct rows, (draw, customer)."""
    columns = np.broadcast_arrays(x, start, span)
    first, row_of = distinct_rows(columns)
    table = np.empty((np.size(params["r"]), first.size))
    kernel(*_draws(params), *(np.ascontiguousarray(own[first], np.float64) for own in columns), table)
    return table[:, row_of]


def _draws(params: Params) -> list[np.ndarray]:
    """r, alpha, s, beta as a kernel takes them, each (draw,)."""
    return [np.ascontiguousarray(params[n], np.float64).reshape(-1) for n in ("r", "alpha", "s", "beta")]


def _log_odds_dead(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """log of P(died in (t_x, T)) / P(still alive) given the history. In log space at any x and T."""
    r, alpha, s, beta = column(params, "r", "alpha", "s", "beta")
    x, t_x, T = (np.asarray(v, np.float64) for v in (x, t_x, T))
    silent_life = (r + x) * np.log((alpha + t_x) / (alpha + T)) + s * np.log((beta + t_x) / (beta + T))
    return _log_silent_death(params, x, t_x, T - t_x) - silent_life


def log_likelihood(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Log density of each history, (draw, customer). SMC and FH, the integral over death kept, alive factored out."""
    r, alpha, s, beta = column(params, "r", "alpha", "s", "beta")
    x, T = np.asarray(x, np.float64), np.asarray(T, np.float64)
    alive = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T) - s * np.log1p(T / beta)
    return alive + np.logaddexp(0.0, _log_odds_dead(params, x, t_x, T))


def probability_alive(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """P(alive at T | history), (draw, customer)."""
    return expit(-_log_odds_dead(params, x, t_x, T))


def probability_active(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """P(at least one order in (T, T+t] | history), (draw, customer): alive, and orders before dying.

    The latter is `_log_silent_death` with the roles of order and death exchanged.
    """
    from clvsim.kernels.silence import log_order_first  # compiled: not for those who only read the registry

    first = _tabulated(log_order_first, params, x, T, np.full_like(np.asarray(T, np.float64), t))
    return probability_alive(params, x, t_x, T) * np.exp(first)


def order_pmf(params: Params, n: int, t: float) -> np.ndarray:
    """P(X(t) = 0..n) of a newcomer, (draw, n + 1). Fader & Hardie, Deriving an expression for P(X(t) = x) (2005).

    Orders within min(t, moment of death), which are NBD, averaged over that moment; all terms are positive. With
    u = log(1 + death / min(alpha, beta)) the integrand is smooth, on panels of at most 2 in u.
    """
    r, alpha, s, beta = column(params, "r", "alpha", "s", "beta")
    x = np.arange(n + 1.0)
    constant = gammaln(r + x) - gammaln(r) - gammaln(x + 1)

    def orders_within(time: np.ndarray | float) -> np.ndarray:
        return constant - r * np.log1p(time / alpha) + xlogy(x, time / (alpha + time))

    total = np.exp(orders_within(t) - s * np.log1p(t / beta))
    least = np.minimum(alpha, beta)
    end = np.log1p(t / least)
    panels = int(np.ceil(end.max() / _PANEL)) if t > 0 else 0
    nodes, weights = np.polynomial.legendre.leggauss(_PANEL_NODES)
    for panel in range(panels):
        for node, weight in zip(nodes, weights, strict=True):
            u = end * (panel + 0.5 * (1 + node)) / panels
            death = least * np.expm1(u)
            density = np.log(s / beta) - (s + 1) * np.log1p(death / beta) + np.log(least) + u
            total += 0.5 * weight * end / panels * np.exp(density + orders_within(death))
    return total


def expected_orders_new(params: Params, t: np.ndarray | float) -> np.ndarray:
    """E[X(t)] repeat orders of a newcomer within t, (draw, time). SMC; also at s = 1 where their form is 0/0."""
    r, alpha = column(params, "r", "alpha")
    zero = np.zeros(1)
    return np.hstack([r / alpha * _expected_life(params, zero, float(h), 0.0) for h in np.atleast_1d(t)])


def expected_orders(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """E[orders in (T, T+t] | history], (draw, customer). SMC; JMR."""
    return probability_alive(params, x, t_x, T) * _orders_given_alive(params, x, T, t, 0.0)


def expected_discounted_orders(
    params: Params, customers: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
) -> np.ndarray:
    """Orders expected within the horizon *given alive today*, each worth (1 + annual_rate)^-(days / 365.25).

    (draw, customer). Multiply by `probability_alive` for an existing customer; x = T = 0 is a newcomer's repeat orders.
    With an infinite horizon that product is JMR's DERT. Without discount it is infinite there unless s > 1.
    """
    force = float(np.log1p(annual_rate)) / DAYS_PER_YEAR * days_per_unit
    age = np.asarray(customers.T_days, np.float64) / days_per_unit
    return _orders_given_alive(params, customers.x, age, horizon_days / days_per_unit, force)


def _orders_given_alive(params: Params, x: np.ndarray, T: np.ndarray, horizon: float, force: float) -> np.ndarray:
    """Posterior mean rate times the remaining life within the horizon, which depends on T only; (draw, customer)."""
    r, alpha = column(params, "r", "alpha")
    ages, age_of = np.unique(np.asarray(T, np.float64), return_inverse=True)
    return (r + x) / (alpha + T) * _expected_life(params, ages, horizon, force)[:, age_of]


def _expected_life(params: Params, T: np.ndarray, horizon: float, force: float) -> np.ndarray:
    """Integral over 0..horizon of exp(-force t) P(alive at T+t | alive at T), (draw, age).

    P = ((beta+T)/(beta+T+t))^s. With u = log(1 + t/(beta+T)) the integrand is smooth however young the customer; the
    range ends where it has fallen to nothing. Without discount the integral is elementary.
    """
    s, beta = column(params, "s", "beta")
    rate = beta + T
    end = np.log1p(horizon / rate)
    if force == 0.0:
        if np.isinf(horizon):
            with np.errstate(divide="ignore"):
                return np.where(s > 1, rate / np.abs(s - 1), np.inf)
        return rate * end * exprel((1 - s) * end)
    end = np.minimum(end, np.log1p(_DROP / (force * rate)))
    end = np.minimum(end, _DROP / np.maximum(s - 1, 1e-300))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    total = np.zeros_like(end)
    for node, weight in zip(nodes, weights, strict=True):
        u = 0.5 * end * (1 + node)
        total += weight * np.exp((1 - s) * u - force * rate * np.expm1(u))
    return 0.5 * rate * end * total


def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and, but for `p_alive`, given that they are alive; per draw.

    lambda ~ Gamma(r + x, alpha + T), mu ~ Gamma(s, beta + T): the prior times the likelihood of a customer alive at T.
    """
    r, alpha, s, beta = column(params, "r", "alpha", "s", "beta")
    x, t_x, T = (np.asarray(v, np.float64) for v in customers)
    daily = {"r": r, "alpha": alpha * days_per_unit, "s": s, "beta": beta * days_per_unit}
    shape = r + x
    absent = np.zeros_like(shape)
    return LifeLaw(
        p_alive=probability_alive(daily, x, t_x, T),
        rate_shape=shape,
        rate_rate=daily["alpha"] + T,
        mu_shape=s + absent,
        mu_rate=daily["beta"] + T,
        drop_a=absent,
        drop_b=absent,
    )


def laws_given_dead(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and that they died in (t_x, T); `p_alive` is 1.

    Given the moment of death tau, lambda ~ Gamma(r + x, alpha + tau) and mu ~ Gamma(s + 1, beta + tau); tau has the
    density (alpha + tau)^-(r+x) (beta + tau)^-(s+1), up to a constant: a mixture over Gauss-Legendre nodes of it. At
    t_x = T, where nobody is dead, tau is T.
    """
    from clvsim.kernels.silence import moments_of_death  # compiled: not for those who only read the registry

    r, _, s, _ = column(params, "r", "alpha", "s", "beta")
    x, t_x, T = (np.asarray(v, np.float64) for v in customers)
    daily = {**params, **{n: np.asarray(params[n], np.float64) * days_per_unit for n in ("alpha", "beta")}}
    draws = _draws(daily)
    nodes, weights = np.polynomial.legendre.leggauss(_MOMENTS)
    columns = [np.array(v) for v in (x, t_x, T - t_x)]  # a summary's own are read-only
    tau, weight = (np.empty((draws[0].size, x.size, _MOMENTS)) for _ in range(2))
    moments_of_death(*draws, *columns, nodes, weights, tau, weight)
    absent = np.zeros_like(tau)
    return LifeLaw(
        p_alive=np.ones_like(r + x),
        rate_shape=(r + x)[..., None] + absent,
        rate_rate=draws[1][:, None, None] + tau,
        mu_shape=s[..., None] + 1 + absent,
        mu_rate=draws[3][:, None, None] + tau,
        drop_a=absent,
        drop_b=absent,
        weight=weight,
    )


def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
    """The population's law, (draw, 1): what is known of somebody right after the first order."""
    zero = np.zeros(1)
    return laws(params, Customers(zero, zero, zero), days_per_unit)


class ParetoInputs(NamedTuple):
    """What the density of Pareto/NBD computes with.

    `customers`: (level,). `by_x`, `by_T`: rows of one x or T, whose terms in it alone are the same. `T_by_clock`: that
    T in days, where buying runs on a clock. `silent`: rows with t_x < T.
    """

    customers: np.ndarray
    by_x: Tally
    by_T: Tally
    T_by_clock: np.ndarray | None
    silent: LevelRows


class ParetoNbd(Seasonable, PurchaseModel):
    """Pareto/NBD: orders at a rate of each customer's own until a death at a hazard of each customer's own.

    Priors are on unit-free quantities. `r`: shape of the order rate's distribution. `rate`: mean orders of a living
    customer within one mean observation. `s`: shape of the hazard's distribution. `lost`: share of newcomers who die
    within one mean observation, 1 - (beta / (beta + 1))^s in that unit.
    """

    DOMAINS: ClassVar[Mapping[str, Domain]] = dict.fromkeys(("r", "alpha", "s", "beta"), POSITIVE)
    WHO_IS_LOST: ClassVar[str] = "Under Pareto/NBD a customer may leave at any time, whether or not they buy."
    SCALES: ClassVar[Mapping[str, Scale]] = {
        "purchase": ORDER_RATE,
        "attrition": Scale("log_hazard", "Hazard of leaving"),
    }
    kind: Literal["pareto_nbd"] = "pareto_nbd"
    r: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    rate: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    s: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.0)
    lost: BetaPrior = BetaPrior(a=1.0, b=1.0)

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
        """Free variables: r, rate, s, lost."""
        import pytensor.tensor as pt

        r = self.r.variable(pm, "r")
        rate = self.rate.variable(pm, "rate")
        s = self.s.variable(pm, "s")
        lost = self.lost.variable(pm, "lost")
        decay = -pt.log1p(-lost) / s  # log(1 + 1/beta), as survival (beta / (beta + 1))^s is 1 - lost
        return {"r": r, "alpha": r / rate, "s": s, "beta": pt.exp(-decay - pt.log1mexp(-decay))}

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """alpha over `buying` and beta over `leaving`: rate and hazard of every customer are multiplied by them."""
        return {**params, "alpha": params["alpha"] / buying, "beta": params["beta"] / leaving}

    def by_calendar(self, calendar: Calendar) -> Any:
        from clvsim.models.around.pareto_season import SeasonalPareto

        return SeasonalPareto(self, calendar)

    def inputs(self, rows: PurchaseRows, clock_days: float | None = None) -> ParetoInputs:
        """`clock_days`: days in a unit of time, where buying runs on a clock."""
        by_T = tally(classes(rows.T, rows.level), rows)
        return ParetoInputs(
            customers=np.bincount(rows.level, rows.count),
            by_x=tally(classes(rows.x, rows.level), rows),
            by_T=by_T,
            T_by_clock=None if clock_days is None else times(by_T.value, clock_days),
            silent=level_rows((rows.x, rows.t_x, rows.T, rows.count), rows.level, rows.t_x < rows.T),
        )

    def log_density(self, params: Mapping[str, Any], inputs: ParetoInputs, clock: Clock | None = None) -> Any:
        """`log_likelihood` as a graph, its terms in x alone and in T alone summed over distinct values.

        The integral over the moment of death is one compiled pass with its gradient. Death knows the calendar only.
        """
        import pytensor.tensor as pt

        r, alpha, s, beta = (params[name] for name in ("r", "alpha", "s", "beta"))
        n, by_x, by_T = inputs.customers, inputs.by_x, inputs.by_T
        orders = pt.sum(by_x.customers * pt.gammaln(r + by_x.value))
        ran = by_T.value if clock is None else clock.ran(inputs.T_by_clock)
        by_age = pt.sum((by_T.customers * r + by_T.orders) * pt.log(at(alpha, by_T.level) + ran))
        by_age += pt.sum(by_T.customers * s * pt.log(at(beta, by_T.level) + by_T.value))
        constant = pt.sum(n * (r * pt.log(alpha) - pt.gammaln(r) + s * pt.log(beta)))
        if clock is None:
            from clvsim.models.fused import fused_sum

            dead_or_not = fused_sum("lost_or_not", (r, alpha, s, beta), inputs.silent)
        else:
            from clvsim.models.clocked import clocked_sum

            dead_or_not = clocked_sum((r, alpha, s, beta), clock.run, clock.ago, inputs.silent)
        return constant + orders - by_age + dead_or_not

    def slope_by_clock(self, params: Params, rows: Histories, ago: np.ndarray, run: np.ndarray) -> np.ndarray:
        """As that of models with a dropout probability; alpha and beta in days."""
        from clvsim.kernels.seasons import lost_or_not_by_clock  # compiled: not for those who only read the registry

        r, alpha, s, beta = (float(params[name]) for name in ("r", "alpha", "s", "beta"))
        since_first = Between.of(ago, rows.T)
        alive = since_first.spread(-rows.count * (r + rows.x) / (alpha + since_first.read(run)))
        silent = Histories(*(column[rows.t_x < rows.T] for column in rows))
        return alive + lost_or_not_by_clock(r, alpha, s, beta, run, ago, *silent)[5:]

    def natural(self, draws: Params, rows: PurchaseRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's r, alpha, s, beta (alpha and beta in reported time units) from the model's variables."""
        unit = rows.unit_days / days_per_unit
        beta = unit / np.expm1(-np.log1p(-draws["lost"]) / draws["s"])
        return {"r": draws["r"], "alpha": draws["r"] / draws["rate"] * unit, "s": draws["s"], "beta": beta}

    def probability_staying(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(lives through the horizon | alive today): ((beta + T) / (beta + T + t))^s, (draw, customer)."""
        s, beta = column(params, "s", "beta")
        age = beta * days_per_unit + histories.T_days
        return np.exp(-s * np.log1p(horizon_days / age))

    FORMULAS: ClassVar[Formulas] = Formulas(
        log_likelihood, probability_alive, probability_active, expected_orders, expected_orders_new, order_pmf
    )
    laws = staticmethod(laws)
    laws_given_dead = staticmethod(laws_given_dead)
    newcomer_laws = staticmethod(newcomer_laws)
    expected_discounted_orders = staticmethod(expected_discounted_orders)
