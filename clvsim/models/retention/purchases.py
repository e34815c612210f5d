"""Purchase histories as the likelihoods of non-contractual models see them: distinct, counted, unit-free."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.around.levels import Poolable, Scale, at, odds_times
from clvsim.models.around.season import Clock, Seasonable
from clvsim.models.laws import Customers, Params, customers_of, rows_by_level
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.schema import Frozen
from clvsim.types import CustomerSummary


class PurchaseRows(NamedTuple):
    """Unique histories in lexical order, each of shape (row,), and how many customers have them.

    `t_x` and `T` are in units of `unit_days`, the mean length of observation, so priors and posterior do not depend on
    whether time is counted in days or weeks. `level` (int, ascending from 0) says whose parameters apply, where
    customers of different levels have parameters of their own.
    """

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray
    level: np.ndarray
    unit_days: float


def purchase_rows(customers: Customers, level: np.ndarray | None = None) -> PurchaseRows:
    """All that the likelihood needs of a log; `level` of each customer, (customer,), where they have one.

    Raises DiagnosticsError where there is nothing to learn from: no repeat order, or no time in which to make one.
    """
    if not customers.x.any():
        raise DiagnosticsError([("retention", "the model needs repeat orders, and no customer has any before today")])
    (x, t_x, T), count, level_of = rows_by_level(customers, level)
    unit = float(np.average(T, weights=count))
    return PurchaseRows(x, t_x / unit, T / unit, count, level_of, unit)


class Classes(NamedTuple):
    """Distinct (level, value) of rows: the class of each row is `of` (row,)."""

    value: np.ndarray
    level: np.ndarray
    of: np.ndarray


def classes(values: np.ndarray, level: np.ndarray) -> Classes:
    """What a term of the likelihood has to be computed for that depends on one column only."""
    value, of_value = np.unique(values, return_inverse=True)
    pair, of = np.unique(level * value.size + of_value, return_inverse=True)
    return Classes(value[pair % value.size], pair // value.size, of)


def by_clock(t_x: np.ndarray, T: np.ndarray, clock: Clock | None) -> tuple[Any, Any]:
    """t_x and T as the likelihood needs them, where buying runs on a clock of its own."""
    return (t_x, T) if clock is None else (clock.ran(T) - clock.ran(T - t_x), clock.ran(T))


ORDER_RATE = Scale("log_rate", "Order rate")


class Formulas(NamedTuple):
    """A model's functions of (params, x, t_x, T, ...), all times in the parameters' unit; (draw, customer)."""

    log_likelihood: Callable[..., np.ndarray]
    probability_alive: Callable[..., np.ndarray]
    probability_active: Callable[..., np.ndarray]
    expected_orders: Callable[..., np.ndarray]
    expected_orders_new: Callable[..., np.ndarray]
    order_pmf: Callable[..., np.ndarray]


def in_units(customers: Any, days_per_unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, t_x, T with times in the parameters' unit, of `Customers` or what has their fields."""
    return customers.x, customers.t_x_days / days_per_unit, customers.T_days / days_per_unit


class PurchaseModel(Poolable):
    """What models share that see a customer as repeat orders x, the time t_x of the last and the time T observed."""

    FORMULAS: ClassVar[Formulas]
    interval_days: ClassVar[float] = 0.0
    opportunity_days: ClassVar[float] = 0.0
    TIMES: ClassVar[tuple[str, ...]] = ("alpha", "beta")

    def histories(self, summary: CustomerSummary) -> Customers:
        """Purchase histories, in days."""
        return customers_of(summary)

    def sufficient(self, summary: CustomerSummary, level: np.ndarray | None = None) -> PurchaseRows:
        """Unique rows (x, t_x, T) with counts; see `purchase_rows`."""
        return purchase_rows(customers_of(summary), level)

    def log_likelihood(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """Log density of each history."""
        return self.FORMULAS.log_likelihood(params, *in_units(histories, days_per_unit))

    def probability_alive(self, params: Params, histories: Customers, days_per_unit: float) -> np.ndarray:
        """P(alive today | history)."""
        return self.FORMULAS.probability_alive(params, *in_units(histories, days_per_unit))

    def probability_active(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """P(at least one order within the horizon | history); the horizon may be infinite."""
        times = in_units(histories, days_per_unit)
        return self.FORMULAS.probability_active(params, *times, horizon_days / days_per_unit)

    def expected_orders(
        self, params: Params, histories: Customers, horizon_days: float, days_per_unit: float
    ) -> np.ndarray:
        """E[orders within the horizon | history]."""
        times = in_units(histories, days_per_unit)
        return self.FORMULAS.expected_orders(params, *times, horizon_days / days_per_unit)

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float) -> np.ndarray:
        """E[X(t)] of a newcomer, (draw, time); t has the parameters' unit, whatever that is."""
        return self.FORMULAS.expected_orders_new(params, t)

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float) -> np.ndarray:
        """P(X(t) = 0..n) of a newcomer, (draw, n + 1); t has the parameters' unit, whatever that is."""
        return self.FORMULAS.order_pmf(params, n, t)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """None: what a log can have against these models is in its quality table."""
        return ()


class DropoutPriors(Frozen):
    """What models with a dropout probability per order share, p ~ Beta(a, b).

    Priors are on unit-free quantities. `r`: shape of the order rate's distribution. `rate`: mean orders of a living
    customer within one mean observation. `dropout_mean` = a/(a+b), `dropout_concentration` = a+b.
    """

    LOST_AT_BIRTH: ClassVar[int]  # 1 where a customer may leave at the first order too, else 0
    SCALES: ClassVar[Mapping[str, Scale]] = {
        "purchase": ORDER_RATE,
        "attrition": Scale("logit_dropout", "Odds of leaving after an order"),
    }
    r: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    rate: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.5)
    dropout_mean: BetaPrior = BetaPrior(a=1.0, b=1.0)
    dropout_concentration: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)

    def graph(self, pm: Any, rows: Any) -> dict[str, Any]:
        """Free variables: r, rate, dropout_mean, dropout_concentration."""
        r = self.r.variable(pm, "r")
        rate = self.rate.variable(pm, "rate")
        mean = self.dropout_mean.variable(pm, "dropout_mean")
        total = self.dropout_concentration.variable(pm, "dropout_concentration")
        return {"r": r, "alpha": r / rate, "a": total * mean, "b": total * (1 - mean)}

    def apply_factors(self, params: Mapping[str, Any], buying: Any, leaving: Any) -> dict[str, Any]:
        """alpha over `buying`; the odds of the mean dropout a/(a+b) times `leaving`, at the same a + b."""
        a, b = odds_times(params["a"], params["b"], leaving)
        return {**params, "alpha": params["alpha"] / buying, "a": a, "b": b}

    def natural(self, draws: Params, rows: Any, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's r, alpha (in reported time units), a, b from the model's variables."""
        mean, total = draws["dropout_mean"], draws["dropout_concentration"]
        alpha = draws["r"] / draws["rate"] * (rows.unit_days / days_per_unit)
        return {"r": draws["r"], "alpha": alpha, "a": total * mean, "b": total * (1 - mean)}


class DropoutModel(Seasonable, DropoutPriors, PurchaseModel):
    """What BG/NBD and MBG/NBD share: orders at random moments, and a dropout probability per order."""

    def log_density(self, params: Mapping[str, Any], rows: PurchaseRows, clock: Clock | None = None) -> Any:
        """`log_likelihood` as a graph, its terms in x alone and in T alone summed over distinct values."""
        import pytensor.tensor as pt

        r, alpha, a, b = (params[name] for name in ("r", "alpha", "a", "b"))
        total, birth = a + b, self.LOST_AT_BIRTH
        n = np.bincount(rows.level, rows.count)
        k = classes(rows.x, rows.level)
        n_k, b_k, total_k = np.bincount(k.of, rows.count), at(b, k.level) + birth, at(total, k.level) + birth
        by_x = pt.sum(n_k * (pt.gammaln(r + k.value) + pt.gammaln(b_k + k.value) - pt.gammaln(total_k + k.value)))
        age = classes(rows.T, rows.level)
        n_age, orders_age = np.bincount(age.of, rows.count), np.bincount(age.of, rows.count * rows.x)
        log_age = pt.log(at(alpha, age.level) + by_clock(age.value, age.value, clock)[1])
        by_age = pt.sum((n_age * r + orders_age) * log_age)
        may = rows.x + birth > 0  # have had an order at which to leave
        x, t_x, T, count, level = (v[may] for v in (rows.x, rows.t_x, rows.T, rows.count, rows.level))
        # Looked up, since a logarithm per row costs more than all the rest; on a season's clock rows share none.
        last = classes(t_x, level) if clock is None else Classes(t_x, level, np.arange(t_x.size))
        log_last = pt.log(at(alpha, last.level) + (last.value if clock is None else by_clock(t_x, T, clock)[0]))
        order = classes(x, level)
        log_stay = pt.log(at(b, order.level) + (order.value + birth - 1))
        log_odds_left = pt.log(at(a, level)) - log_stay[order.of]
        log_odds_left += (r + x) * (log_age[age.of[may]] - log_last[last.of])
        constant = pt.sum(n * (r * pt.log(alpha) - pt.gammaln(r) - pt.gammaln(b) + pt.gammaln(total)))
        left_or_not = pt.sum(count * pt.softplus(log_odds_left))
        return constant + by_x - by_age + left_or_not
