"""Purchase histories as the likelihoods of non-contractual models see them: distinct, counted, unit-free."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.around import arriving
from clvsim.models.around.levels import Poolable, Scale, at, odds_times
from clvsim.models.around.season import Clock, Seasonable
from clvsim.models.domain import DROPOUT, POSITIVE, Domain
from clvsim.models.laws import Births, Customers, Params, column, customers_of, rows_by_level
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.schema import Frozen
from clvsim.special import expit
from clvsim.types import DAYS_PER_YEAR, CustomerSummary


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


class Histories(NamedTuple):
    """Distinct histories, times in days, and how many customers have them, each (row,)."""

    x: np.ndarray
    t_x: np.ndarray
    T: np.ndarray
    count: np.ndarray


class Between(NamedTuple):
    """Where times lie between edges: before edge `index`, and which share of the way to it, each (row,)."""

    index: np.ndarray
    share: np.ndarray
    edges: int

    @classmethod
    def of(cls, edges: np.ndarray, times: np.ndarray) -> "Between":
        index = np.clip(np.searchsorted(edges, times), 1, edges.size - 1)
        return cls(index, (times - edges[index - 1]) / (edges[index] - edges[index - 1]), edges.size)

    def read(self, values: np.ndarray) -> np.ndarray:
        """What is known at the edges, (edge,), at the times, (row,)."""
        return values[self.index - 1] * (1 - self.share) + values[self.index] * self.share

    def spread(self, slopes: np.ndarray) -> np.ndarray:
        """Derivatives in what was read, (row,), as derivatives in what is known at the edges, (edge,)."""
        before = np.bincount(self.index - 1, slopes * (1 - self.share), self.edges)
        return before + np.bincount(self.index, slopes * self.share, self.edges)


class Tally(NamedTuple):
    """Distinct (level, value) of rows, how many customers have them and how many repeat orders these made, (class,)."""

    value: np.ndarray
    level: np.ndarray
    customers: np.ndarray
    orders: np.ndarray


def tally(distinct: Classes, rows: Any) -> Tally:
    """Summed over the rows of each class; `rows` have `count` and `x`."""
    customers, orders = (np.bincount(distinct.of, of_row) for of_row in (rows.count, rows.count * rows.x))
    return Tally(distinct.value, distinct.level, customers, orders)


def times(values: np.ndarray, unit_days: float | None) -> np.ndarray:
    """Times as a density takes them: as they are, or as whole days where buying runs on a clock (`Clock.ran`)."""
    return values if unit_days is None else np.rint(values * unit_days).astype(np.int64)


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

    def newborn(self) -> Customers:
        return Customers(*np.zeros((3, 1)))

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

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return {"r": POSITIVE, "alpha": POSITIVE, "a": DROPOUT, "b": DROPOUT}

    def graph(self, pm: Any, inputs: Any) -> dict[str, Any]:
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

    def probability_staying(
        self,
        params: Params,
        histories: Any,
        horizon_days: float,
        days_per_unit: float,
        orders_of: Callable[..., np.ndarray] | None = None,
    ) -> np.ndarray:
        """P(has not left within the horizon | alive today), (draw, customer).

        1 - E[p x orders of a living customer within the horizon]: who leaves does so at an order. p ~ Beta(a, b') with
        b' = b + x, one more where the first order counts too; weighed by p it is Beta(a + 1, b') with the mean of p
        before it. `orders_of`: `expected_discounted_orders`, where customers buy by a clock that of the clock.
        """
        model: Any = self
        a, b = column(params, "a", "b")
        leavers = {**params, "a": np.asarray(params["a"], np.float64) + 1}
        orders = (orders_of or model.expected_discounted_orders)(leavers, histories, horizon_days, 0.0, days_per_unit)
        return 1 - a / (a + b + histories.x + self.LOST_AT_BIRTH) * orders


class DropoutInputs(NamedTuple):
    """What the density of `DropoutModel` computes with. Times are as `times` has them.

    `customers`: (level,). `by_x`, `by_T`: rows of one x or T, whose terms in it alone are the same; `chances` to leave
    of those of one x. The rest is of rows with an order at which to leave, each (row,): `age` is their place in `by_T`,
    `stayed` of one number of orders after which the customer stayed for sure, `last` of one t_x. On a clock rows share
    none, and `T` and `silent`, T - t_x, stand for `last`.
    """

    customers: np.ndarray
    by_x: Tally
    chances: np.ndarray
    by_T: Tally
    x: np.ndarray
    count: np.ndarray
    level: np.ndarray
    age: np.ndarray
    stayed: Classes
    last: Classes | None
    T: np.ndarray | None
    silent: np.ndarray | None


class DropoutModel(Seasonable, DropoutPriors, PurchaseModel):
    """What BG/NBD and MBG/NBD share: orders at random moments, and a dropout probability per order."""

    def living(self, params: Params) -> Params:
        """Parameters with which BG/NBD's formulas of living customers hold for this model's."""
        raise NotImplementedError

    def expected_discounted_orders_new(
        self, params: Params, horizons_days: np.ndarray, annual_rate: float, days_per_unit: float, births: Births
    ) -> np.ndarray:
        """See `RetentionModel`: all ages of a draw from one table, (draw, 1, horizon)."""
        stays = self.probability_alive(params, self.newborn(), days_per_unit)
        daily = arriving.daily_of(self.living(params), days_per_unit, "r", "alpha", "a", "b")
        force = float(np.log1p(annual_rate)) / DAYS_PER_YEAR
        return stays[:, :, None] * arriving.dropout_orders_at_any_time(daily, horizons_days, force)

    def inputs(self, rows: PurchaseRows, clock_days: float | None = None) -> DropoutInputs:
        """`clock_days`: days in a unit of time, where buying runs on a clock."""
        birth = self.LOST_AT_BIRTH
        by_x, age = tally(classes(rows.x, rows.level), rows), classes(rows.T, rows.level)
        by_T = tally(age, rows)
        may = rows.x + birth > 0
        x, t_x, T, count, level = (v[may] for v in (rows.x, rows.t_x, rows.T, rows.count, rows.level))
        by_clock = clock_days is not None
        return DropoutInputs(
            customers=np.bincount(rows.level, rows.count),
            by_x=by_x,
            chances=by_x.value + birth,
            by_T=by_T._replace(value=times(by_T.value, clock_days)),
            x=x,
            count=count,
            level=level,
            age=age.of[may],
            stayed=classes(x + birth - 1, level),
            last=None if by_clock else classes(t_x, level),
            T=times(T, clock_days) if by_clock else None,
            silent=times(T - t_x, clock_days) if by_clock else None,
        )

    def log_density(self, params: Mapping[str, Any], inputs: DropoutInputs, clock: Clock | None = None) -> Any:
        """`log_likelihood` as a graph, its terms in x alone and in T alone summed over distinct values."""
        import pytensor.tensor as pt

        r, alpha, a, b = (params[name] for name in ("r", "alpha", "a", "b"))
        total = a + b
        n, k, by_T, stayed = inputs.customers, inputs.by_x, inputs.by_T, inputs.stayed
        b_k, total_k = (at(parameter, k.level) + inputs.chances for parameter in (b, total))
        by_x = pt.sum(k.customers * (pt.gammaln(r + k.value) + pt.gammaln(b_k) - pt.gammaln(total_k)))
        log_age = pt.log(at(alpha, by_T.level) + (by_T.value if clock is None else clock.ran(by_T.value)))
        by_age = pt.sum((by_T.customers * r + by_T.orders) * log_age)
        # Looked up, since a logarithm per row costs more than all the rest; on a season's clock rows share none.
        if clock is None:
            last: Any = inputs.last
            log_last = pt.log(at(alpha, last.level) + last.value)[last.of]
        else:
            log_last = pt.log(at(alpha, inputs.level) + (clock.ran(inputs.T) - clock.ran(inputs.silent)))
        log_stay = pt.log(at(b, stayed.level) + stayed.value)
        log_odds_left = pt.log(at(a, inputs.level)) - log_stay[stayed.of]
        log_odds_left += (r + inputs.x) * (log_age[inputs.age] - log_last)
        constant = pt.sum(n * (r * pt.log(alpha) - pt.gammaln(r) - pt.gammaln(b) + pt.gammaln(total)))
        left_or_not = pt.sum(inputs.count * pt.softplus(log_odds_left))
        return constant + by_x - by_age + left_or_not

    def slope_by_clock(self, params: Params, rows: Histories, ago: np.ndarray, run: np.ndarray) -> np.ndarray:
        """Derivative of the log-likelihood of rows in how far the clock ran since each edge, (edge,).

        `params` are single numbers, alpha in days. Between edges (`Clock`, in days) the clock runs evenly. The log m of
        the orders themselves is not in it.
        """
        r, alpha, a, b = (float(params[name]) for name in ("r", "alpha", "a", "b"))
        since_first, since_last = Between.of(ago, rows.T), Between.of(ago, rows.T - rows.t_x)
        until, silent = since_first.read(run), since_last.read(run)
        now, last, power = alpha + until, alpha + until - silent, r + rows.x
        chances = rows.x + self.LOST_AT_BIRTH
        with np.errstate(divide="ignore"):
            log_stay = np.log(b + np.maximum(chances, 1.0) - 1)
        left = np.where(chances > 0, expit(np.log(a) - log_stay + power * np.log(now / last)), 0.0)
        weight = rows.count * power
        by_first = since_first.spread(weight * (left * (1 / now - 1 / last) - 1 / now))
        return by_first + since_last.spread(weight * left / last)
