"""BG/BB: customers buy or not at each opportunity, with a chance of their own, and may leave before any opportunity.

Fader, Hardie & Shang 2010, Customer-base analysis in a discrete-time noncontractual setting, Marketing Science 29(6),
1086-1108 (FHS below), doi 10.1287/mksc.1100.0580. Equations, data, assumptions and priors: docs/models/bg_bb.md.

Opportunities are counted from each customer's first order, which is none of them. Parameters have shape (draw,),
histories (customer,), results (draw, customer). At a pace m after today, which is `PACE` among the parameters
(`models.around.paced`), a chance p to buy becomes 1 - (1 - p)^m: that of an order in a period in which orders come at m
times the rate. Given A = alpha + x, B = beta + n - x nobody buys at k opportunities with probability
B(A, B + mk)/B(A, B).
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.around.levels import LevelRows, Scale, at, level_rows, odds_times
from clvsim.models.domain import POSITIVE, Domain
from clvsim.models.laws import PACE, LifeLaw, Params, column, distinct_rows, rows_by_level
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.retention.opportunities import AtOpportunities, Opportunities
from clvsim.models.retention.purchases import Tally, classes, tally
from clvsim.models.retention.survival import FAR, log_gamma_ratio, summation
from clvsim.special import betaln, expit, gammaln
from clvsim.types import DAYS_PER_YEAR, CustomerSummary

_SYMBOLS = ("alpha", "beta", "gamma", "delta")
_CHUNK_CELLS = 1 << 22
_NEAR = 1e6  # opportunities waited, from which on a chance to buy is known to a millionth from its rate
_SAME = 1e-9  # periods: an opportunity at the end of the horizon lies outside it, whatever the rounding


class OpportunityRows(NamedTuple):
    """Unique histories in lexical order, each of shape (row,), and how many customers have them.

    `level` (int, ascending from 0) says whose parameters apply, where levels of customers have their own.
    """

    x: np.ndarray
    t_x: np.ndarray
    n: np.ndarray
    count: np.ndarray
    level: np.ndarray


def log_likelihood(params: Params, x: np.ndarray, t_x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Log probability of each history, (draw, customer). FHS equation (5), alive factored out."""
    alpha, beta, gamma, delta = column(params, *_SYMBOLS)
    x, n = np.asarray(x, np.float64), np.asarray(n, np.float64)
    bought = betaln(alpha + x, beta + (n - x)) - betaln(alpha, beta)
    stayed = betaln(gamma, delta + n) - betaln(gamma, delta)
    return bought + stayed + np.logaddexp(0.0, _log_odds_gone(params, x, t_x, n))


def probability_alive(params: Params, x: np.ndarray, t_x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """P(alive at opportunity n | history), (draw, customer); 1 where the last opportunity brought a purchase."""
    return expit(-_log_odds_gone(params, x, t_x, n))


def probability_alive_next(params: Params, x: np.ndarray, t_x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """P(still there at opportunity n + 1 | history), (draw, customer). FHS equation (11), the figure they print."""
    gamma, delta = column(params, "gamma", "delta")
    return probability_alive(params, x, t_x, n) * (delta + n) / (gamma + delta + n)


def expected_orders(params: Params, x: np.ndarray, t_x: np.ndarray, n: np.ndarray, m: np.ndarray | float) -> np.ndarray:
    """E[purchases at opportunities n+1..n+m | history], (draw, customer). FHS equation (13), also at gamma = 1."""
    return probability_alive(params, x, t_x, n) * orders_given_alive(params, x, n, m, 1.0)


def orders_given_alive(
    params: Params, x: np.ndarray, n: np.ndarray, m: np.ndarray | float, factor: float
) -> np.ndarray:
    """Purchases expected at opportunities n+1..n+m of the living, the k-th worth factor^(k-1), (draw, customer).

    `m` may be infinite: with factor < 1 that is FHS equation (14), their DERT, but for the discount of the first one.
    """
    from clvsim.kernels.opportunities import expected_survivals  # compiled: not for those who only read the registry

    return mean_chance(params, x, n) * _tabulated(expected_survivals, params, ("gamma", "delta"), (n, m), factor)


def mean_chance(params: Params, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Of buying at an opportunity, given alive and x purchases at n of them, (draw, customer), at params' pace."""
    alpha, beta = column(params, "alpha", "beta")
    if PACE not in params:
        return (alpha + x) / (alpha + beta + n)
    (pace,) = column(params, PACE)
    return -np.expm1(log_gamma_ratio(beta + (n - x), pace) - log_gamma_ratio(alpha + beta + n, pace))


def expected_orders_new(params: Params, n: np.ndarray | float) -> np.ndarray:
    """E[X(n)] purchases of a newcomer at the first n opportunities, (draw, n). FHS equation (8), also at gamma = 1."""
    n = np.atleast_1d(np.asarray(n, np.float64))
    zero = np.zeros_like(n)
    return orders_given_alive(params, zero, zero, n, 1.0)


def purchase_given_alive(params: Params, x: np.ndarray, n: np.ndarray, m: np.ndarray | float) -> np.ndarray:
    """P(some purchase at opportunities n+1..n+m | alive at n), (draw, customer); m may be infinite, for all or none."""
    from clvsim.kernels.opportunities import purchase_within

    if np.isinf(m).any():
        return purchase_ever(params, x, n)
    if PACE in params:
        return purchase_at_pace(params, x, n, m)
    return _tabulated(purchase_within, params, _SYMBOLS, (x, n, m))


def purchase_ever(params: Params, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """P(ever buying again | alive at n), (draw, customer): the sum over which opportunity k is the first to be used.

    With A = alpha + x, B = beta + n - x, D = delta + n its terms are
    B(gamma, D+k)/B(gamma, D) B(A, B+k-1)/B(A, B) A/(A+B+k-1), which end as a power law of k.
    """
    return _first_purchase(params, x, n, FAR)


def purchase_at_pace(params: Params, x: np.ndarray, n: np.ndarray, m: np.ndarray | float) -> np.ndarray:
    """`purchase_given_alive` at the pace of params, m finite."""
    x, n, m = (np.asarray(v, np.float64) for v in np.broadcast_arrays(x, n, m))
    found = np.zeros((column(params, PACE)[0].size, x.size))
    for last in np.unique(m[m > 0]):
        who = m == last
        found[:, who] = _first_purchase(params, x[who], n[who], float(last))
    return found


def _first_purchase(params: Params, x: np.ndarray, n: np.ndarray, last: float) -> np.ndarray:
    """Sum of the terms of `purchase_ever` up to k = last, (draw, customer); up to FAR, and of what comes after."""
    first, where = distinct_rows([x, n])
    rows = np.stack([x[first], n[first]], axis=1).astype(np.float64)
    k, weight = summation(last)
    k, weight = np.append(k, last), np.append(weight, 0.0)
    wide = tuple(v[..., None] for v in column(params, *_SYMBOLS))
    pace = column(params, PACE)[0][..., None] if PACE in params else np.ones(1)
    found = np.empty((wide[0].shape[0], len(rows)))
    step = max(1, _CHUNK_CELLS // (k.size * len(found)))
    for low in range(0, len(rows), step):
        part = slice(low, low + step)
        x, n = (v[part, None] for v in rows.T)
        alpha, beta, gamma, delta = wide
        buys, declines, served = alpha + x, beta + (n - x), delta + n
        stays = log_gamma_ratio(served, gamma) - log_gamma_ratio(served + k, gamma)
        waited = declines + pace * (k - 1)
        waits = log_gamma_ratio(declines, buys) - log_gamma_ratio(waited, buys)
        if PACE in params:
            near = np.minimum(waited, _NEAR)  # beyond, gammas are so large that their ratio has too few digits
            buying = -np.expm1(log_gamma_ratio(near, pace) - log_gamma_ratio(buys + near, pace))
            chance = np.where(waited < _NEAR, buying, buys * pace / (buys + waited))
        else:
            chance = buys / (buys + waited)
        term = np.exp(stays + waits) * chance
        found[:, part] = term @ weight
        if last == FAR:
            found[:, part] += term[..., -1] * FAR / (gamma + buys)[..., 0]
    return found[:, where.reshape(-1)]


def order_pmf(params: Params, x: int, n: int) -> np.ndarray:
    """P(X(n) = 0..x) of a newcomer at the first n opportunities, (draw, x + 1). FHS equation (7).

    Beta-binomial purchases over the opportunities that were lived to see.
    """
    alpha, beta, gamma, delta = (v[:, :, None] for v in column(params, *_SYMBOLS))
    lived = np.arange(n + 1.0)
    left = np.where(lived < n, betaln(gamma + 1, delta + lived), betaln(gamma, delta + n)) - betaln(gamma, delta)
    k, seen = np.arange(min(x, n) + 1.0)[:, None], lived[None, :]
    possible = seen >= k
    misses = np.where(possible, seen - k, 0.0)
    choose = gammaln(seen + 1) - gammaln(k + 1) - gammaln(misses + 1)
    out = np.zeros((left.shape[0], x + 1))
    step = max(1, _CHUNK_CELLS // possible.size)
    for i in range(0, len(out), step):
        chunk = slice(i, i + step)
        bought = choose + betaln(alpha[chunk] + k, beta[chunk] + misses) - betaln(alpha[chunk], beta[chunk])
        out[chunk, : k.size] = np.where(possible, np.exp(bought + left[chunk]), 0.0).sum(axis=2)
    return out


def _log_odds_gone(params: Params, x: np.ndarray, t_x: np.ndarray, n: np.ndarray) -> np.ndarray:
    """log of P(gone at n) / P(alive at n) given the history; -inf at t_x = n. FHS equation (5), sum over alive term."""
    from clvsim.kernels.opportunities import log_odds_gone

    return _tabulated(log_odds_gone, params, _SYMBOLS, (x, t_x, n))


def _tabulated(kernel: Callable[..., None], params: Params, names: tuple[str, ...], columns: tuple, *more: float):
    """A kernel's (draw, row) table on the distinct rows of the columns, spread to customers."""
    rows, where = np.unique(
        np.column_stack(np.broadcast_arrays(*columns)).astype(np.float64), axis=0, return_inverse=True
    )
    draws = [np.ascontiguousarray(params[n], np.float64).reshape(-1) for n in names]
    table = np.empty((draws[0].size, len(rows)))
    kernel(*draws, *np.ascontiguousarray(rows.T), *more, table)
    return table[:, where.reshape(-1)]


def mean_opportunities(rows: OpportunityRows) -> float:
    """That a customer had so far."""
    return float(np.average(rows.n, weights=rows.count))


def log_odds_on_ridge(xp: Any, concentration: Any, n: Any) -> Any:
    """About the log odds of leaving that go with a concentration, up to a constant; `xp` computes.

    What customers tell is how many are left after n opportunities (the mean), about (1 + n/concentration)^-gamma: the
    more they differ, the more leave at first. The mean and the concentration lie on that curved ridge, along which
    a chain moves in steps of its width. Sampled is how far the log odds of the mean are from it, with the prior that
    leaves the mean's prior as it is, whatever the concentration.
    """
    return -xp.log(concentration * xp.log1p(n / concentration))


class OpportunityInputs(NamedTuple):
    """What the density of BG/BB computes with: opportunities a customer had on average; customers of each level,
    (level,); how many have so many purchases, unused opportunities and opportunities; rows with t_x < n."""

    mean_n: float
    customers: np.ndarray
    x: Tally
    missed: Tally
    n: Tally
    silent: LevelRows


class BgBb(AtOpportunities):
    """BG/BB: at every opportunity a living customer buys with a chance of their own; before each, some leave for good.

    When: see `AtOpportunities`. Priors: `purchase_mean` = alpha/(alpha+beta), `purchase_concentration` =
    alpha+beta of the chance to buy; `dropout_mean`, `dropout_concentration` the same for leaving (gamma, delta).
    """

    WHO_IS_LOST: ClassVar[str] = (
        "Under BG/BB a customer may leave before any opportunity to order, whether or not they used the last one; who "
        "used the latest opportunity counts as present."
    )
    TIMES: ClassVar[tuple[str, ...]] = ()
    DOMAINS: ClassVar[Mapping[str, Domain]] = dict.fromkeys(_SYMBOLS, POSITIVE)
    SCALES: ClassVar[Mapping[str, Scale]] = {
        "purchase": Scale("logit_purchase", "Odds of buying at an opportunity"),
        "attrition": Scale("logit_dropout", "Odds of leaving before an opportunity"),
    }
    kind: Literal["bg_bb"] = "bg_bb"
    purchase_mean: BetaPrior = BetaPrior(a=1.0, b=1.0)
    purchase_concentration: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)
    dropout_mean: BetaPrior = BetaPrior(a=1.0, b=1.0)
    dropout_concentration: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> OpportunityRows:
        """Unique rows (x, t_x, n) with counts.

        Raises DiagnosticsError where there is nothing to learn from: no purchase at any opportunity.
        """
        histories = self.histories(summary)
        if not histories.x.any():
            some = f"period of {self.periods:g} days" if isinstance(self.periods, float) else self.periods
            what = f"no customer has an order in any {some} that has ended by today"
            raise DiagnosticsError([("retention", f"the model needs repeat orders, and {what}")])
        (x, t_x, n), count, of = rows_by_level(histories[:3], level)
        return OpportunityRows(x, t_x, n, count, of)

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
        """Free variables: means and concentrations, of dropout_mean dropout_off_ridge."""
        import pytensor.tensor as pt

        names = ("purchase_mean", "purchase_concentration", "dropout_concentration")
        mean, total, exits = (getattr(self, name).variable(pm, name) for name in names)
        leaving = self.dropout_mean.off_ridge(pm, "dropout_off_ridge", log_odds_on_ridge(pt, exits, inputs.mean_n))
        return {
            "alpha": total * mean,
            "beta": total * (1 - mean),
            "gamma": exits * leaving,
            "delta": exits * (1 - leaving),
        }

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """The odds of alpha/(alpha+beta) times `buying`, of gamma/(gamma+delta) times `leaving`; sums as they are."""
        alpha, beta = odds_times(params["alpha"], params["beta"], buying)
        gamma, delta = odds_times(params["gamma"], params["delta"], leaving)
        return {**params, "alpha": alpha, "beta": beta, "gamma": gamma, "delta": delta}

    def inputs(self, rows: OpportunityRows) -> OpportunityInputs:
        """Everything the graph computes with, of rows as `sufficient` has them."""
        return OpportunityInputs(
            mean_n=mean_opportunities(rows),
            customers=np.bincount(rows.level, rows.count),
            x=tally(classes(rows.x, rows.level), rows),
            missed=tally(classes(rows.n - rows.x, rows.level), rows),
            n=tally(classes(rows.n, rows.level), rows),
            silent=level_rows((rows.x, rows.t_x, rows.n, rows.count), rows.level, rows.t_x < rows.n),
        )

    def log_density(self, params: Mapping[str, Any], inputs: OpportunityInputs) -> Any:
        """`log_likelihood` as a graph, log-gammas summed over distinct arguments.

        The sum over departures is one compiled pass with its gradient.
        """
        import pytensor.tensor as pt

        from clvsim.models.fused import fused_sum

        alpha, beta, gamma, delta = (params[name] for name in _SYMBOLS)
        total, exits = alpha + beta, gamma + delta

        def log_gammas(start: Any, steps: Tally) -> Any:
            """Sum over customers of log Gamma(start + steps) / Gamma(start)."""
            ahead = steps.customers * pt.gammaln(at(start, steps.level) + steps.value)
            return pt.sum(ahead) - pt.sum(inputs.customers * pt.gammaln(start))

        bought = log_gammas(alpha, inputs.x) + log_gammas(beta, inputs.missed) - log_gammas(total, inputs.n)
        stayed = log_gammas(delta, inputs.n) - log_gammas(exits, inputs.n)
        return bought + stayed + fused_sum("gone_or_not", (alpha, beta, gamma, delta), inputs.silent)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """None: what became of the orders is in the quality table."""
        return ()

    def natural(self, draws: Params, rows: OpportunityRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's alpha, beta, gamma, delta, which have no unit, from the model's variables."""
        mean, total = draws["purchase_mean"], draws["purchase_concentration"]
        exits = draws["dropout_concentration"]
        leaving = expit(draws["dropout_off_ridge"] + log_odds_on_ridge(np, exits, mean_opportunities(rows)))
        return {
            "alpha": total * mean,
            "beta": total * (1 - mean),
            "gamma": exits * leaving,
            "delta": exits * (1 - leaving),
        }

    def log_likelihood(self, params: Params, histories: Opportunities, days_per_unit: float) -> np.ndarray:
        """See `log_likelihood`. A probability of purchases by opportunity: not comparable with a density in time."""
        return log_likelihood(params, histories.x, histories.t_x, histories.n)

    def probability_alive(self, params: Params, histories: Opportunities, days_per_unit: float) -> np.ndarray:
        """P(alive at the latest opportunity so far)."""
        return probability_alive(params, histories.x, histories.t_x, histories.n)

    def probability_active(
        self, params: Params, histories: Opportunities, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one purchase at the opportunities within the horizon, which may be infinite)."""
        x, t_x, n, next_days = histories
        ahead = self._within(horizon_days, next_days)
        return probability_alive(params, x, t_x, n) * purchase_given_alive(params, x, n, ahead)

    def expected_orders(
        self, params: Params, histories: Opportunities, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """Purchases expected at the opportunities within the horizon, alive or not, undiscounted."""
        x, t_x, n, next_days = histories
        return expected_orders(params, x, t_x, n, self._within(horizon_days, next_days))

    def expected_discounted_orders(
        self, params: Params, histories: Opportunities, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Purchases expected within the horizon *given alive*, each worth (1 + annual_rate)^-(days / 365.25).

        At infinity without discount it is infinite unless gamma > 1.
        """
        x, _, n, next_days = histories
        per_day = float(np.log1p(annual_rate)) / DAYS_PER_YEAR
        factor = float(np.exp(-per_day * self.opportunity_days))
        ahead = self._within(horizon_days, next_days)
        return np.exp(-per_day * next_days) * orders_given_alive(params, x, n, ahead, factor)

    def probability_staying(
        self, params: Params, histories: Opportunities, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(still there at the last opportunity within the horizon | alive at n), (draw, customer)."""
        gamma, delta = column(params, "gamma", "delta")
        served = delta + histories.n
        ahead = self._within(horizon_days, histories.next_days)
        return np.exp(log_gamma_ratio(served, gamma) - log_gamma_ratio(served + ahead, gamma))

    def _within(self, horizon_days: np.ndarray | float, next_days: np.ndarray | float) -> np.ndarray:
        """How many opportunities lie within [0, horizon)."""
        return np.maximum(np.ceil((horizon_days - next_days) / self.opportunity_days - _SAME), 0.0)

    def laws(self, params: Params, histories: Opportunities, days_per_unit: float) -> LifeLaw:
        """Traits of existing customers given their history and, but for `p_alive`, given that they are alive at n.

        Chance to buy ~ Beta(alpha + x, beta + n - x), to leave before an opportunity ~ Beta(gamma, delta + n).
        """
        alpha, beta, gamma, delta = column(params, *_SYMBOLS)
        x, _, n, next_days = histories
        absent = np.zeros((alpha.shape[0], x.shape[0]))
        return LifeLaw(
            p_alive=self.probability_alive(params, histories, days_per_unit),
            rate_shape=absent,
            rate_rate=absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=gamma + absent,
            drop_b=delta + n,
            interval_days=self.opportunity_days,
            next_opportunity_days=next_days,
            buy_a=alpha + x,
            buy_b=beta + (n - x),
            tenure=n,
            tenure_exponent=np.ones_like(alpha),
        )

    def laws_given_dead(self, params: Params, histories: Opportunities, days_per_unit: float) -> LifeLaw:
        """Traits of customers who have left by today: a mixture over the opportunity before which they did.

        Component i left before opportunity k + 1, k = t_x + i survived, with weight proportional to
        B(alpha+x, beta+k-x) B(gamma+1, delta+k), and has the traits of these two distributions. As many components as
        the longest silence among these customers; those beyond a customer's own n have no weight. `p_alive` is 1. At
        t_x = n, where nobody can have left, it is the law of a departure right after, which nobody needs.
        """
        alpha, beta, gamma, delta = (v[:, :, None] for v in column(params, *_SYMBOLS))
        x, t_x, n, next_days = histories
        silence = np.maximum(n - t_x, 1.0)[:, None]
        i = np.arange(silence.max(initial=1.0))
        possible = i < silence
        k = t_x[:, None] + np.where(possible, i, 0.0)
        buy_b, drop_b = beta + (k - x[:, None]), delta + k
        # The earliest departure, i = 0, has the largest weight.
        log_weight = betaln(alpha + x[:, None], buy_b) + betaln(gamma + 1, drop_b)
        weight = possible * np.exp(log_weight - log_weight[:, :, :1])
        weight /= weight.sum(axis=2, keepdims=True)
        absent = np.zeros_like(weight)
        return LifeLaw(
            p_alive=np.ones(weight.shape[:2]),
            rate_shape=absent,
            rate_rate=absent,
            mu_shape=absent,
            mu_rate=absent,
            drop_a=gamma + 1 + absent,
            drop_b=drop_b,
            weight=weight,
            interval_days=self.opportunity_days,
            next_opportunity_days=next_days,
            buy_a=alpha + x[:, None] + absent,
            buy_b=buy_b,
            tenure=n,
            tenure_exponent=np.ones(alpha.shape[:2]),
        )

    def newcomer_laws(self, params: Params, days_per_unit: float) -> LifeLaw:
        """The population's law, (draw, 1): somebody right after the first order, one interval before an opportunity."""
        return self.laws(params, self.newborn(), days_per_unit)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        """Purchases of a newcomer expected before t, in units of `days_per_unit`, (draw, time)."""
        return expected_orders_new(params, self._within(np.atleast_1d(t) * days_per_unit, self.first_opportunity))

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        """P(X(t) = 0..n): purchases of a newcomer before t, in units of `days_per_unit`, (draw, n + 1)."""
        return order_pmf(params, n, int(self._within(t * days_per_unit, self.first_opportunity)))
