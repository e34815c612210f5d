"""What models hand to the simulator: distributions of traits per (draw, customer), never drawn values.

Kernel time is days since today. Arrays are float64, C-contiguous and shaped (draw, customer) unless said otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from clvsim.types import CustomerSummary

Params = Mapping[str, np.ndarray]  # parameter symbol -> (draw,), in natural units


class Customers(NamedTuple):
    """Purchase histories as of today, each (customer,): repeat orders, day of the last order, days observed."""

    x: np.ndarray
    t_x_days: np.ndarray
    T_days: np.ndarray


class SpendHistory(NamedTuple):
    """Repeat orders with a positive amount, each of shape (customer,): how many, and their sum in money."""

    x: np.ndarray
    total: np.ndarray


class LifeLaw(NamedTuple):
    """Buying and attrition of customers, given their history; the traits are those of somebody who is alive today.

    Order rate per day ~ Gamma(rate_shape, rate=rate_rate); gaps are Gamma(regularity, order rate).
    Attrition per day ~ Gamma(mu_shape, rate=mu_rate), absent where mu_shape is 0.
    Attrition per order: eta = -log(1 - p), p ~ Beta(drop_a, drop_b), charged after each order and `birth_charges` times
    at a newcomer's first order; absent where drop_a is 0.

    A law may be a mixture: then all arrays but `p_alive` are (draw, customer, component), `weight` holds the
    components' probabilities, and component j has served `stages_done[j]` of the `regularity` stages of its first gap.

    With `interval_days` > 0 orders happen only at opportunities, the first `next_opportunity_days` from today (a
    newcomer's: one interval after the first order), with probability ~ Beta(buy_a, buy_b), surely where buy_a is 0.
    Attrition eta is then charged before opportunity number j = tenure + 1, tenure + 2, ..., eta (j^c - (j-1)^c) with
    c the `tenure_exponent`, and there is no order rate: rate_shape is 0. Days are followed up to but without the end of
    a horizon: of monthly renewals twelve months hold the eleven after the first order.
    """

    p_alive: np.ndarray
    rate_shape: np.ndarray
    rate_rate: np.ndarray
    mu_shape: np.ndarray
    mu_rate: np.ndarray
    drop_a: np.ndarray
    drop_b: np.ndarray
    regularity: int = 1
    birth_charges: int = 0
    weight: np.ndarray | None = None  # (draw, customer, component)
    stages_done: np.ndarray | None = None  # (component,)
    interval_days: float = 0.0
    next_opportunity_days: np.ndarray | None = None  # (customer,)
    buy_a: np.ndarray | None = None
    buy_b: np.ndarray | None = None
    tenure: np.ndarray | None = None  # (customer,) opportunities served
    tenure_exponent: np.ndarray | None = None  # (draw, 1)


class SpendLaw(NamedTuple):
    """Amounts of orders: Gamma(order_shape, rate=nu), nu ~ Gamma(nu_shape, rate=nu_rate per unit of money).

    Where `order_shape` is 0 amounts do not vary: each is of exactly `nu_rate` money.
    `order_shape` has shape (draw, 1), the others (draw, customer).
    """

    order_shape: np.ndarray
    nu_shape: np.ndarray
    nu_rate: np.ndarray


class LognormalLaw(NamedTuple):
    """Amounts of orders: log amount ~ Normal(level, order_sd), in logs of money.

    level ~ Normal(level_mean + level_slope log(order rate per day), level_sd), given the customer's own rate.
    `order_sd` has shape (draw, 1), the others (draw, customer).
    """

    level_mean: np.ndarray
    level_sd: np.ndarray
    level_slope: np.ndarray
    order_sd: np.ndarray


def customers_of(summary: CustomerSummary) -> Customers:
    """Purchase histories in the order of the summary's rows."""
    frame = summary.customers
    return Customers(*(frame[c].to_numpy(np.float64) for c in ("frequency", "recency_days", "T_days")))


def spend_history_of(summary: CustomerSummary) -> SpendHistory:
    """Spend histories in the order of the summary's rows."""
    frame = summary.customers
    return SpendHistory(*(frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount")))


def rows_of[Rows: tuple](histories: Rows, rows: slice | np.ndarray) -> Rows:
    """Some customers of a NamedTuple of (customer,) arrays."""
    return type(histories)(*(v[rows] for v in histories))


def column(params: Params, *names: str) -> tuple[np.ndarray, ...]:
    """Parameters as (draw, 1), to broadcast against customers along the second axis."""
    return tuple(np.asarray(params[n], np.float64).reshape(-1, 1) for n in names)


def unique_rows(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in lexical order, (row, column), and how often each occurs, (row,), both float64."""
    table: np.ndarray = np.column_stack([np.asarray(c, np.float64) for c in columns])
    table = table[np.lexsort(table.T[::-1])]
    first = np.flatnonzero(np.r_[len(table) > 0, (table[1:] != table[:-1]).any(axis=1)])
    return table[first], np.diff(first, append=len(table)).astype(np.float64)


def rows_by_level(columns: Sequence[np.ndarray], level: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows of each level in lexical order, (column, row), how often each occurs, and its level, (row,).

    `level` of each customer counts from 0, or is None where all are of one.
    """
    rows, count = unique_rows(columns if level is None else [level, *columns])
    of = np.zeros(len(count), np.int64) if level is None else rows[:, 0].astype(np.int64)
    return np.ascontiguousarray(rows[:, -len(columns) :].T), count, of


class RetentionModel(Protocol):
    """What an entry of RETENTION offers: a frozen section of priors and settings, with these functions.

    `histories` is what the model's own `histories` returned, or rows of it; quantities are (draw, customer).
    Times come in days and parameters in reported units of `days_per_unit` days.
    """

    WHO_IS_LOST: ClassVar[str]  # a sentence for the page: when a customer counts as lost
    TIMES: ClassVar[tuple[str, ...]]  # parameters that are in the reported unit of time, if the model has them

    @property
    def kind(self) -> str: ...

    @property
    def opportunity_days(self) -> float:
        """The period in which a customer orders at most once, for `summarize`; 0 where orders come at any time."""

    def histories(self, summary: CustomerSummary, /) -> Any:
        """NamedTuple of (customer,) arrays in the order of the summary's rows: all that laws are conditioned on."""

    def sufficient(self, summary: CustomerSummary, /) -> Any:
        """NamedTuple of all the likelihood sees, unit-free, the same whatever the order of the rows."""

    def build(self, rows: Any, /) -> Any:
        """PyMC model of those rows."""

    def natural(self, draws: Params, rows: Any, days_per_unit: float, /) -> dict[str, np.ndarray]:
        """Parameters by the paper's symbols, in reported time units, from draws of the model's free variables."""

    def log_likelihood(self, params: Params, histories: Any, days_per_unit: float, /) -> np.ndarray:
        """Log density of each history, times in reported units: comparable between models of the same data."""

    def laws(self, params: Params, histories: Any, days_per_unit: float, /) -> LifeLaw: ...

    def laws_given_dead(self, params: Params, histories: Any, days_per_unit: float, /) -> LifeLaw:
        """Traits of customers who are lost today, for whom somebody wins back: `p_alive` is 1.

        A mixture where the moment of death matters. Where the history rules out a loss, some law that nobody needs.
        """

    def newcomer_laws(self, params: Params, days_per_unit: float, /) -> LifeLaw: ...

    def probability_alive(self, params: Params, histories: Any, days_per_unit: float, /) -> np.ndarray: ...

    def probability_active(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float, /
    ) -> np.ndarray:
        """P(at least one order within the horizon), alive today or not."""

    def expected_orders(
        self, params: Params, histories: Any, horizon_days: float, days_per_unit: float, /
    ) -> np.ndarray:
        """Orders expected within the horizon, alive today or not, undiscounted."""

    def expected_discounted_orders(
        self, params: Params, histories: Any, horizon_days: float, annual_rate: float, days_per_unit: float, /
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted; the horizon may be infinite."""

    def expected_orders_new(self, params: Params, t: np.ndarray | float, days_per_unit: float, /) -> np.ndarray:
        """E[X(t)] of a newcomer, t in reported time units, (draw, time)."""

    def order_pmf(self, params: Params, n: int, t: float, days_per_unit: float, /) -> np.ndarray:
        """P(X(t) = 0), ..., P(X(t) = n) of a newcomer, t in reported time units, (draw, n + 1)."""

    def warnings(self, summary: CustomerSummary, params: Params, /) -> tuple[str, ...]:
        """Sentences for the reader where the data speak against the model's assumptions."""

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...

    def model_dump_json(self) -> str: ...


@dataclass(frozen=True)
class Around:
    """What a retention model made around another one, its `section`, takes over from that."""

    section: Any

    @property
    def kind(self) -> str:
        return self.section.kind

    @property
    def WHO_IS_LOST(self) -> str:
        return self.section.WHO_IS_LOST

    @property
    def TIMES(self) -> tuple[str, ...]:
        return self.section.TIMES

    @property
    def opportunity_days(self) -> float:
        return self.section.opportunity_days


class SpendModel(Protocol):
    """What an entry of SPEND offers; see `RetentionModel`."""

    @property
    def kind(self) -> str: ...

    @property
    def correlated(self) -> bool:
        """Whether amounts go with the customer's order rate, so that neither can do without the other: `Correlated`."""

    def histories(self, summary: CustomerSummary, /) -> Any: ...

    def sufficient(self, summary: CustomerSummary, /) -> Any: ...

    def build(self, rows: Any, /) -> Any:
        """PyMC model, or None where nothing is to be sampled: `natural` then gets draws of one `normal`, standard."""

    def natural(self, draws: Params, rows: Any, seed: int, /) -> dict[str, np.ndarray]: ...

    def laws(self, params: Params, histories: Any, /) -> SpendLaw | LognormalLaw: ...

    def newcomer_laws(self, params: Params, /) -> SpendLaw | LognormalLaw: ...

    def expected_spend(self, params: Params, histories: Any, life: LifeLaw | None = None, /) -> np.ndarray:
        """Mean order of each customer, (draw, customer); `life` is asked for by those that are `correlated`."""

    def check(self, summary: CustomerSummary, params: Params, /) -> Any: ...

    def facts(self, params: Params, /) -> tuple[tuple[str, str], ...]:
        """What else the page says of the fitted model: label, value."""

    def warnings(self, summary: CustomerSummary, params: Params, /) -> tuple[str, ...]: ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...

    def model_dump_json(self) -> str: ...


class Correlated(SpendModel, Protocol):
    """What a spend model that is `correlated` offers beside the rest."""

    def beside(self, summary: CustomerSummary, retention: RetentionModel, /) -> Any:
        """`sufficient`, of each customer's orders and amounts together."""

    def given_rates(self, rows: Any, retention: RetentionModel, life: Params, days_per_unit: float, /) -> Any:
        """Rows that can be fitted: with what draws of the retention model say of the order rates."""

    def paired(
        self, params: Params, rows: Any, retention: RetentionModel, life: Params, days_per_unit: float, seed: int, /
    ) -> dict[str, np.ndarray]:
        """Parameters with what else follows from them and the retention model's, draw by draw."""
