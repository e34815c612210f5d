"""MBG/NBD: BG/NBD in which a customer may leave right after the first order too.

Batislam, Denizel & Filiztekin 2007, Empirical validation and comparison of models for customer base analysis,
International Journal of Research in Marketing 24(3), 201-209 (BDF below), doi 10.1016/j.ijresmar.2006.12.005.
Equations, assumptions and priors: docs/models/mbg_nbd.md.

Times are in any one unit. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

from typing import ClassVar, Literal

import numpy as np

from clvsim.models.laws import Customers, LifeLaw, Params, column
from clvsim.models.retention.bg_nbd import order_counts, orders_given_alive, probability_next
from clvsim.models.retention.purchases import DropoutModel, Formulas
from clvsim.special import betaln, expit, gammaln
from clvsim.types import DAYS_PER_YEAR


def _log_odds_left(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """log of P(left after the last order) / P(still alive) given the history. In log space at any x."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, T = (np.asarray(v, np.float64) for v in (x, t_x, T))
    return np.log(a) - np.log(b + x) + (r + x) * np.log((alpha + T) / (alpha + t_x))


def log_likelihood(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Log density of each history, (draw, customer). BDF, with alive factored out."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, T = np.asarray(x, np.float64), np.asarray(T, np.float64)
    alive = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + T)
    return alive + betaln(a, b + x + 1) - betaln(a, b) + np.logaddexp(0.0, _log_odds_left(params, x, t_x, T))


def probability_alive(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray) -> np.ndarray:
    """P(alive at T | history), (draw, customer); b/(a+b) right after the first order."""
    return expit(-_log_odds_left(params, x, t_x, T))


def probability_active(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """P(at least one order in (T, T+t] | history), (draw, customer): alive and not silent."""
    return probability_alive(params, x, t_x, T) * probability_next(params, x, T, t)


def order_pmf(params: Params, n: int, t: float) -> np.ndarray:
    """P(X(t) = 0..n) of a newcomer, (draw, n + 1): x orders and stayed after each, or left after the last of them."""
    a, b = column(params, "a", "b")
    x = np.arange(n + 1.0)
    exactly, at_least = order_counts(params, n, t)
    stayed, left = betaln(a, b + x + 1) - betaln(a, b), betaln(a + 1, b + x) - betaln(a, b)
    return np.exp(stayed) * exactly + np.exp(left) * at_least


def expected_orders_new(params: Params, t: np.ndarray | float) -> np.ndarray:
    """E[X(t)] repeat orders of a newcomer within t, (draw, time): those who stay after the first order go on."""
    a, b = column(params, "a", "b")
    zero = np.zeros(1)
    stay = [orders_given_alive(_charged(params), zero, zero, float(h), 0.0) for h in np.atleast_1d(t)]
    return b / (a + b) * np.hstack(stay)


def expected_orders(params: Params, x: np.ndarray, t_x: np.ndarray, T: np.ndarray, t: float) -> np.ndarray:
    """E[orders in (T, T+t] | history], (draw, customer)."""
    return probability_alive(params, x, t_x, T) * orders_given_alive(_charged(params), x, T, t, 0.0)


def expected_discounted_orders(
    params: Params, customers: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
) -> np.ndarray:
    """Orders expected within the horizon *given alive today*, each worth (1 + annual_rate)^-(days / 365.25).

    (draw, customer). Multiply by `probability_alive`, for x = T = 0 too: a newcomer may leave after the first order.
    The result depends on (x, T) only and is computed once per distinct pair.
    """
    force = np.log1p(annual_rate) / DAYS_PER_YEAR * days_per_unit
    age = np.asarray(customers.T_days) / days_per_unit
    return orders_given_alive(_charged(params), customers.x, age, horizon_days / days_per_unit, force)


def _charged(params: Params) -> dict[str, np.ndarray]:
    """BG/NBD parameters of those who stayed after the first order: p ~ Beta(a, b + 1)."""
    return {**params, "b": np.asarray(params["b"], np.float64) + 1}


def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and, but for `p_alive`, given that they are alive; per draw.

    lambda ~ Gamma(r + x, alpha + T), p ~ Beta(a, b + x + 1): one order more than BG/NBD has been survived.
    """
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, T = (np.asarray(v, np.float64) for v in customers)
    alpha_days = alpha * days_per_unit
    shape = r + x
    absent = np.zeros_like(shape)
    return LifeLaw(
        p_alive=probability_alive({"r": r, "alpha": alpha_days, "a": a, "b": b}, x, t_x, T),
        rate_shape=shape,
        rate_rate=alpha_days + T,
        mu_shape=absent,
        mu_rate=absent,
        drop_a=a + absent,
        drop_b=b + x + 1,
        birth_charges=1,
    )


def laws_given_dead(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw:
    """Traits of existing customers given their history and that they left after the last order; `p_alive` is 1.

    lambda ~ Gamma(r + x, alpha + t_x), p ~ Beta(a + 1, b + x).
    """
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    x, t_x, _ = (np.asarray(v, np.float64) for v in customers)
    shape = r + x
    absent = np.zeros_like(shape)
    return LifeLaw(
        p_alive=np.ones_like(shape),
        rate_shape=shape,
        rate_rate=alpha * days_per_unit + t_x,
        mu_shape=absent,
        mu_rate=absent,
        drop_a=a + 1 + absent,
        drop_b=b + x,
        birth_charges=1,
    )


def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw:
    """The population's law, (draw, 1), before the first order: p ~ Beta(a, b), charged at that order already."""
    r, alpha, a, b = column(params, "r", "alpha", "a", "b")
    absent = np.zeros_like(r)
    return LifeLaw(
        p_alive=np.ones_like(r),
        rate_shape=r.copy(),
        rate_rate=alpha * days_per_unit,
        mu_shape=absent,
        mu_rate=absent,
        drop_a=a.copy(),
        drop_b=b.copy(),
        birth_charges=1,
    )


class MbgNbd(DropoutModel):
    """MBG/NBD: orders at a rate of each customer's own, who may leave for good after any order, the first included.

    Priors: see `DropoutPriors`.
    """

    WHO_IS_LOST: ClassVar[str] = (
        "Under MBG/NBD a customer may leave after any order, the first included; which one-time buyers have left shows "
        "only in the pattern of all customers."
    )
    LOST_AT_BIRTH: ClassVar[int] = 1
    kind: Literal["mbg_nbd"] = "mbg_nbd"

    FORMULAS: ClassVar[Formulas] = Formulas(
        log_likelihood, probability_alive, probability_active, expected_orders, expected_orders_new, order_pmf
    )

    def living(self, params: Params) -> Params:
        """Those who stayed after the first order."""
        return _charged(params)

    laws = staticmethod(laws)
    laws_given_dead = staticmethod(laws_given_dead)
    newcomer_laws = staticmethod(newcomer_laws)
    expected_discounted_orders = staticmethod(expected_discounted_orders)
