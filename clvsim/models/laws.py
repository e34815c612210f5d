"""What models hand to the simulator: distributions of traits per (draw, customer), never drawn values.

Kernel time is days since today. Arrays are float64, C-contiguous and shaped (draw, customer) unless said otherwise.
"""

from collections.abc import Mapping, Sequence
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


class SpendLaw(NamedTuple):
    """Amounts of orders: Gamma(order_shape, rate=nu), nu ~ Gamma(nu_shape, rate=nu_rate per unit of money).

    `order_shape` has shape (draw, 1), the others (draw, customer).
    """

    order_shape: np.ndarray
    nu_shape: np.ndarray
    nu_rate: np.ndarray


def customers_of(summary: CustomerSummary) -> Customers:
    """Purchase histories in the order of the summary's rows."""
    frame = summary.customers
    return Customers(*(frame[c].to_numpy(np.float64) for c in ("frequency", "recency_days", "T_days")))


def spend_history_of(summary: CustomerSummary) -> SpendHistory:
    """Spend histories in the order of the summary's rows."""
    frame = summary.customers
    return SpendHistory(*(frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount")))


def column(params: Params, *names: str) -> tuple[np.ndarray, ...]:
    """Parameters as (draw, 1), to broadcast against customers along the second axis."""
    return tuple(np.asarray(params[n], np.float64).reshape(-1, 1) for n in names)


def unique_rows(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Distinct rows in lexical order, (row, column), and how often each occurs, (row,), both float64."""
    table: np.ndarray = np.column_stack([np.asarray(c, np.float64) for c in columns])
    rows, count = np.unique(table, axis=0, return_counts=True)
    return np.asarray(rows, np.float64), count.astype(np.float64)


class RetentionModel(Protocol):
    """What an entry of RETENTION offers: a frozen section of priors, with these functions."""

    WHO_IS_LOST: ClassVar[str]  # a sentence for the page: when a customer counts as lost

    @property
    def kind(self) -> str: ...

    def sufficient(self, summary: CustomerSummary) -> Any:
        """NamedTuple of all the likelihood sees, unit-free, the same whatever the order of the rows."""

    def build(self, rows: Any) -> Any:
        """PyMC model of those rows."""

    def natural(self, draws: Params, rows: Any, days_per_unit: float) -> dict[str, np.ndarray]:
        """Parameters by the paper's symbols, in reported time units, from draws of the model's free variables."""

    @staticmethod
    def laws(params: Params, customers: Customers, days_per_unit: float) -> LifeLaw: ...

    @staticmethod
    def newcomer_laws(params: Params, days_per_unit: float) -> LifeLaw: ...

    @staticmethod
    def expected_discounted_orders(
        params: Params, customers: Customers, horizon_days: float, annual_rate: float, days_per_unit: float
    ) -> np.ndarray:
        """Orders expected within the horizon given alive today, discounted, (draw, customer)."""

    @staticmethod
    def expected_orders_new(params: Params, t: np.ndarray | float) -> np.ndarray:
        """E[X(t)] of a newcomer, t in reported time units, (draw, time)."""

    def model_dump_json(self) -> str: ...


class SpendModel(Protocol):
    """What an entry of SPEND offers; see `RetentionModel`."""

    @property
    def kind(self) -> str: ...

    def sufficient(self, summary: CustomerSummary) -> Any: ...

    def build(self, rows: Any) -> Any: ...

    def natural(self, draws: Params, rows: Any, seed: int) -> dict[str, np.ndarray]: ...

    @staticmethod
    def laws(params: Params, history: SpendHistory) -> SpendLaw: ...

    @staticmethod
    def newcomer_laws(params: Params) -> SpendLaw: ...

    @staticmethod
    def warnings(summary: CustomerSummary, params: Params) -> tuple[str, ...]: ...

    def model_dump_json(self) -> str: ...
