"""BG/NBD: customers buy at a rate of their own and may leave after any repeat order.

Fader, Hardie & Lee 2005, "Counting your customers" the easy way, Marketing Science 24(2), 275-284 (FHL below),
doi 10.1287/mksc.1040.0098. Equations, assumptions and priors: docs/models/bg_nbd.md.

Times are in any one unit. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from typing import ClassVar, Literal

import numpy as np

from clvsim.models.laws import Customers, LifeLaw, Params, column, distinct_rows
from clvsim.models.retention.purchases import DropoutModel, Formulas
from clvsim.special import betainc, betaln, expit, gammaln, xlogy
from clvsim.types import DAYS_PER_YEAR

_CHUNK_CELLS = 1 << 18  # draws x rows tabulated at once


def _log_odds_left(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """log of P(left after the last order) / P(still alive) given the history; -inf at x = 0. In log space at any x."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, T = (np.asarray(v, np.float64) for v in (x, t_x, T))
    # x - 1 only matters where x > 0; elsewhere it must merely not be negative.
    odds = np.log(a) - np.log(b + np.maximum(x - 1, 0)) + (r + x) * np.log((alpha + T) / (alpha + t_x))
    return np.where(x > 0, odds, -np.inf)


def log_likelihood(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Log density of each history, (draw, customer). FHL equation (6), alive factored out."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, T = np.asarray(x, np.float64), np.asarray(T, np.float64)
    alive = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
    return alive + betaln(a, b + x) - betaln(a, b) + np.logaddexp(0.0, _log_odds_left(params, x, t_x, T))


def probability_alive(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """P(alive at T | history), (draw, customer); 1 without repeat orders, since nobody leaves before the first one."""
    return expit(-_log_odds_left(params, x, t_x, T))


def probability_active(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """P(at least one order in (T, T+t] | history), (draw, customer): alive and not silent. MBG/NBD has the latter too.

    Nobody leaves between two orders, so a living customer is silent as under NBD.
    """
    return probability_alive(params, x, t_x, T) * probability_next(params, x, T, t)


def probability_next(params: Params, x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """P(at least one order in (T, T+t] | alive at T), (draw, customer): 1 - ((alpha+T) / (alpha+T+t))^(r+x)."""
    r, alpha = column(params, "r", "alpha")
    return -np.expm1(-(r + x) * np.log1p(t / (alpha + T)))


def order_pmf(params: Params, n: int, t: float) -> np.ndarray:
    """P(X(t) = 0..n) of a newcomer, (draw, n + 1). FHL equation (8).

    Their sum over fewer orders is the probability that a customer who never leaves reaches x orders, an incomplete
    beta function.
    """
    a, b = column(params, "a", "b")
    x = np.arange(n + 1.0)
    exactly, at_least = order_counts(params, n, t)
    stayed = np.exp(betaln(a, b + x) - betaln(a, b))
    left = np.exp(betaln(a + 1, b + np.maximum(x - 1, 0)) - betaln(a, b))
    return stayed * exactly + np.where(x > 0, left * at_least, 0.0)


def order_counts(params: Params, n: int, t: float) -> tuple[np.ndarray, np.ndarray]:
    """P(N = 0..n) and P(N >= 0..n), each (draw, n + 1), of orders within t of somebody who never leaves: NBD."""
    r, alpha = column(params, "r", "alpha")
    x = np.arange(n + 1.0)
    share = t / (alpha + t)
    exactly = np.exp(gammaln(r + x) - gammaln(r) - gammaln(x + 1) - r * np.log1p(t / alpha) + xlogy(x, share))
    return exactly, np.where(x > 0, betainc(np.maximum(x, 1.0), r, share), 1.0)


def expected_orders_new(params: Params, t: np.ndarray | float) -> np.ndarray:
    """E[X(t)] repeat orders of a newcomer within t, (draw, time). FHL equation (9), also at a = 1 where that is 0/0."""
    zero = np.zeros(1)
    return np.hstack([orders_given_alive(params, zero, zero, float(h), 0.0) for h in np.atleast_1d(t)])


def expected_orders(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """E[orders in (T, T+t] | history], (draw, customer). FHL equation (10)."""
    return probability_alive(params, x, t_x, T) * orders_given_alive(params, x, T, t, 0.0)


def expected_discounted_orders(
    params: Params, customers: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
) -> np.ndarray:
    """Orders expected within the horizon *given alive today*, each worth (1 + annual_rate)^-(days / 365.25).

    (draw, customer). Multiply by `probability_alive` for an existing customer; x = T = 0 is a newcomer's repeat orders.
    The result depends on (x, T) only and is computed once per distinct pair. The horizon may be infinite; without
    discount that is (a+b+x-1)/(a-1), infinite unless a > 1.
    """
    force = np.log1p(annual_rate) / DAYS_PER_YEAR * days_per_unit
    return orders_given_alive(
        params, customers.x, np.asarray(customers.T_days) / days_per_unit, horizon_days / days_per_unit, force
    )


def orders_given_alive(params: Params, x: np.ndarray, T: np.ndarray, horizon: float, force: float) -> np.ndarray:
    """Integral over the horizon of the order intensity of living customers times exp(-force t), (draw, customer).

    Living means lambda ~ Gamma(r + x, alpha + T), p ~ Beta(a, b + x). MBG/NBD uses it with another b.
    """
    from clvsim.kernels.dropout import discounted_orders  # compiled: not for those who only read the registry

    first, pair_of = distinct_rows([x, T])
    r, alpha, a, b = (np.ascontiguousarray(params[n], np.float64).reshape(-1) for n in ("r", "alpha", "a", "b"))
    columns = [np.ascontiguousarray(own[first], np.float64) for own in (x, T)]
    out = np.empty((r.size, pair_of.size))
    step = max(1, _CHUNK_CELLS // first.size)
    for i in range(0, r.size, step):
        part = slice(i, i + step)
        table = np.empty((r[part].size, first.size))
        discounted_orders(r[part], alpha[part], a[part], b[part], columns[0], columns[1], horizon, force, table)
        out[part] = table[:, pair_of]
    return out


def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and, but for `p_alive`, given that they are alive; per draw.

    lambda ~ Gamma(r + x, alpha + T), p ~ Beta(a, b + x): FHL's prior times the likelihood of a customer alive at T.
    """
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, T = (np.asarray(v, np.float64) for v in customers)
    alpha_days = alpha * days_per_unit
    daily = {"r": r, "alpha": alpha_days, "a": a, "b": b}
    shape = r + x
    absent = np.zeros_like(shape)
    return LifeLaw(
        p_alive=probability_alive(daily, x, t_x, T),
        rate_shape=shape,
        rate_rate=alpha_days + T,
        mu_shape=absent,
        mu_rate=absent,
        drop_a=a + absent,
        drop_b=b + x,
    )


def laws_given_dead(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and that they left after the last order; `p_alive` is 1.

    lambda ~ Gamma(r + x, alpha + t_x), p ~ Beta(a + 1, b + x - 1). Nobody leaves before a repeat order: at x = 0 it is
    the law of the living, which has a weight of 0 wherever it is used.
    """
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, T = (np.asarray(v, np.float64) for v in customers)
    left = x > 0
    shape = r + x
    absent = np.zeros_like(shape)
    return LifeLaw(
        p_alive=np.ones_like(shape),
        rate_shape=shape,
        rate_rate=alpha * days_per_unit + np.where(left, t_x, T),
        mu_shape=absent,
        mu_rate=absent,
        drop_a=a + left + absent,
        drop_b=b + np.maximum(x - 1, 0),
    )


def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
    """The population's law, (draw, 1): what is known of somebody right after the first order."""
    zero = np.zeros(1)
    return laws(params, Customers(zero, zero, zero), days_per_unit)


class BgNbd(DropoutModel):
    """BG/NBD: orders at a rate of each customer's own, who may leave for good after any repeat order.

    Priors: see `DropoutPriors`.
    """

    WHO_IS_LOST: ClassVar[str] = (
        "Under BG/NBD a customer can leave only after a repeat order, so someone with a single order never counts as "
        "lost, which flatters one-time buyers."
    )
    LOST_AT_BIRTH: ClassVar[int] = 0
    kind: Literal["bg_nbd"] = "bg_nbd"

    FORMULAS: ClassVar[Formulas] = Formulas(
        log_likelihood, probability_alive, probability_active, expected_orders, expected_orders_new, order_pmf
    )

    def living(self, params: Params) -> Params:
        """The model's own."""
        return params

    laws = staticmethod(laws)
    laws_given_dead = staticmethod(laws_given_dead)
    newcomer_laws = staticmethod(newcomer_laws)
    expected_discounted_orders = staticmethod(expected_discounted_orders)
