"""Pareto/NBD with seasons, promotions or a path of months: bought by a clock of its own, died by the calendar.

With M the clock since a customer's first order and mu's hazard in calendar time, lambda and mu integrated out,

    L = Gamma(r+x)/Gamma(r) alpha^r [ (alpha+M(T))^-(r+x) (beta/(beta+T))^s + integral over t_x..T of
        (alpha+M(tau))^-(r+x) s beta^s (beta+tau)^-(s+1) dtau ] * product of m at the orders.

m is constant between the days on which a month begins or a promotion changes. There the integral is Pareto/NBD's own:
Gauss-Legendre in the logarithm of time, in log space. Schmittlein, Morrison & Colombo 1987; with time-varying
covariates in Bachmann, Meierer & Naef 2021, Marketing Science 40(4), 783-809. docs/models/seasonality.md.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clvsim.models.around import arriving
from clvsim.models.around.season import Seasonal
from clvsim.models.laws import Births, Customers, LifeLaw, Params, column, distinct_rows
from clvsim.special import expit, gammaln
from clvsim.types import DAYS_PER_YEAR

_MOMENTS = 12  # of death, in a mixture


@dataclass(frozen=True)
class SeasonalPareto(Seasonal):
    """Pareto/NBD by the calendar's clock; see `Seasonal`. Quantities in days inside, by quadrature piece by piece."""

    def _daily(self, params: Params, days_per_unit: float) -> tuple[np.ndarray, ...]:
        """r, alpha, s, beta in days, each (draw,)."""
        return arriving.daily_of(params, days_per_unit, "r", "alpha", "s", "beta")

    def _behind(self, params: Params) -> tuple[np.ndarray, np.ndarray]:
        """Days ago (edge,) between which the clock ran evenly, and how far since then, (draw, edge)."""
        edges = self.calendar.edges()
        return edges.astype(np.float64), np.ascontiguousarray(self.since(params)[:, edges])

    def _log_odds_dead(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """log of P(died since the last order) / P(alive today) given the history, (draw, customer)."""
        from clvsim.kernels.seasons import log_odds_dead  # compiled: not for those who only read the registry

        daily, behind = self._daily(params, days_per_unit), self._behind(params)
        return _tabulated(lambda columns, out: log_odds_dead(*daily, *behind, *columns, out), daily[0].size, *histories)

    def log_likelihood_by_clock(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """Log density of orders by the customers' own clock, the integral over death kept, alive factored out."""
        r, alpha, s, beta = column(params, "r", "alpha", "s", "beta")
        x, T = histories.x, histories.T_days / days_per_unit
        ran = self.ran(self.since(params), histories.T_days) / days_per_unit
        alive = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + ran) - s * np.log1p(T / beta)
        return alive + np.logaddexp(0.0, self._log_odds_dead(params, histories, days_per_unit))

    def probability_alive(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """P(alive today | history)."""
        return expit(-self._log_odds_dead(params, histories, days_per_unit))

    def laws(self, params: Params, histories: Customers, days_per_unit: float) -> LifeLaw:
        """lambda ~ Gamma(r + x, alpha + M(T)), mu ~ Gamma(s, beta + T)."""
        r, alpha, s, beta = (v[:, None] for v in self._daily(params, days_per_unit))
        shape = r + histories.x
        absent = np.zeros_like(shape)
        return LifeLaw(
            p_alive=self.probability_alive(params, histories, days_per_unit),
            rate_shape=shape,
            rate_rate=alpha + self.ran(self.since(params), histories.T_days),
            mu_shape=s + absent,
            mu_rate=beta + histories.T_days,
            drop_a=absent,
            drop_b=absent,
        )

    def laws_given_dead(self, params: Params, histories: Customers, days_per_unit: float) -> LifeLaw:
        """Given death at tau, lambda ~ Gamma(r + x, alpha + M(tau)) and mu ~ Gamma(s + 1, beta + tau): a mixture over
        tau, whose density has kinks where m changes: means of rates are right to a few in ten thousand."""
        from clvsim.kernels.seasons import moments_of_death_by_clock

        daily, behind = self._daily(params, days_per_unit), self._behind(params)
        r, alpha, s, beta = daily
        columns = [np.array(v, np.float64) for v in histories]  # a summary's own are read-only
        moment, ran, weight = deaths = np.empty((3, r.size, histories.x.size, _MOMENTS))
        rule = np.stack(np.polynomial.legendre.leggauss(_MOMENTS))
        moments_of_death_by_clock(*daily, *behind, *columns, rule, deaths)
        absent = np.zeros_like(weight)
        return LifeLaw(
            p_alive=np.ones(weight.shape[:2]),
            rate_shape=(r[:, None] + histories.x)[..., None] + absent,
            rate_rate=alpha[:, None, None] + ran,
            mu_shape=s[:, None, None] + 1 + absent,
            mu_rate=beta[:, None, None] + moment,
            drop_a=absent,
            drop_b=absent,
            weight=weight,
        )

    def probability_active(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one order within the horizon | history): alive, and orders before dying."""
        from clvsim.kernels.seasons import order_first_by_clock

        daily, ahead, since = self._daily(params, days_per_unit), self.ahead(params, horizon_days), self.since(params)

        def first(columns: tuple[np.ndarray, ...], out: np.ndarray) -> None:
            x, T = columns
            order_first_by_clock(*daily, ahead.edges, ahead.pace, x, np.ascontiguousarray(self.ran(since, T)), T, out)

        alive = self.probability_alive(params, histories, days_per_unit)
        return alive * _tabulated(first, daily[0].size, histories.x, histories.T_days)

    def expected_discounted_orders(
        self, params: Params, histories: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted at their own date.

        The mean rate (r + x) / (alpha + M(T)) times what the clock runs in the remaining life: who is alive today buys
        and dies independently. Without discount or end it is infinite unless s > 1.
        """
        from clvsim.kernels.seasons import life_by_clock

        r, alpha, s, beta = self._daily(params, days_per_unit)
        force, ahead = float(np.log1p(annual_rate)) / DAYS_PER_YEAR, self.ahead(params, horizon_days)
        life = _tabulated(
            lambda columns, out: life_by_clock(s, beta, columns[0], ahead.edges, ahead.pace, force, out),
            r.size,
            histories.T_days,
        )
        ran = self.ran(self.since(params), histories.T_days)
        return (r[:, None] + histories.x) / (alpha[:, None] + ran) * life

    def probability_staying(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """The model's own: death knows the calendar only."""
        return self.section.probability_staying(self.own(params), histories, horizon_days, days_per_unit)

    def _orders_of_arrivals(
        self, own: Params, m: np.ndarray, births: Births, horizons_days: np.ndarray, force: float, days_per_unit: float
    ) -> np.ndarray:
        return arriving.lifetime_orders(self._daily(own, days_per_unit), m, births, horizons_days, force)


def _tabulated(
    kernel: Callable[[tuple[np.ndarray, ...], np.ndarray], None], draws: int, *columns: np.ndarray
) -> np.ndarray:
    """A kernel of (columns, out) on distinct rows, (draw, customer)."""
    first, row_of = distinct_rows(columns)
    table = np.empty((draws, first.size))
    kernel(tuple(np.ascontiguousarray(own[first], np.float64) for own in columns), table)
    return table[:, row_of]
