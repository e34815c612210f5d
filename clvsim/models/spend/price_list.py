"""A price list: each order is one of a few products, at its price. Stated, never fitted: for a business without a log.

An order after the first is of product j with probability share_j, whoever orders and whatever was bought before; a
newcomer's first order is always of the same price. docs/models/price_list.md.

Not modelled: products that follow from one another, that are bought once only, or that some customers like better.

Money is in any one currency. Parameters have shape (draw,), results (draw, customer).
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, NoReturn

import numpy as np
from pydantic import Field, field_validator

from clvsim.effects import Effect
from clvsim.errors import ConfigError
from clvsim.models.domain import MONEY, POSITIVE, Domain
from clvsim.models.laws import LifeLaw, Params, SpendLaw
from clvsim.models.numbers import PRICES, Number
from clvsim.models.spend.gamma_gamma import SpendCheck
from clvsim.schema import Frozen, Name, Share
from clvsim.types import CustomerSummary

MOST_PRODUCTS = 32
_ADD_UP = 1e-6


class Product(Frozen):
    """A product of the list: its price, and its share of the orders after the first."""

    price: Effect
    share: Share = 1.0


class Rows(NamedTuple):
    """Of each customer nothing is known but that there is one, (customer,)."""

    nothing: np.ndarray


class PriceList(Frozen):
    """Price list: orders are of `products` by their shares, which add up to 1; newcomers begin with one at `first`.

    `first`: the price of all first orders; None: the mean of the others.
    """

    kind: Literal["price_list"] = "price_list"
    first: Effect | None = None
    products: Annotated[dict[Name, Product], Field(max_length=MOST_PRODUCTS)] = Field(default_factory=dict)
    correlated: ClassVar[bool] = False
    trend: ClassVar[bool] = False

    @field_validator("products")
    @classmethod
    def _shares_add_up(cls, products: dict[str, Product]) -> dict[str, Product]:
        total = math.fsum(product.share for product in products.values())
        if products and abs(total - 1) > _ADD_UP:
            raise ValueError(f"the products' shares must add up to 1, got {total:.7g}")
        return products

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return {"first_order_factor": POSITIVE, **{f"price.{name}": MONEY for name in self.products}}

    @property
    def model(self) -> "PriceList":
        return self

    @property
    def numbers(self) -> dict[str, Number]:
        """The prices by their keys, as `models.stated.Stated` has them."""
        prices = {
            f"products.{name}.price": Number(product.price, "amount", f"Price of {name}", PRICES, "money")
            for name, product in self.products.items()
        }
        if self.first is not None:
            prices["first"] = Number(self.first, "amount", "Price of the first order", PRICES, "money")
        return prices

    @property
    def shares(self) -> np.ndarray:
        """Of the products, (product,); exactly 1 together."""
        shares = np.array([product.share for product in self.products.values()])
        return shares / math.fsum(shares)

    def parameters(self, values: Params) -> dict[str, np.ndarray]:
        """`price.NAME` of each product, and the first order's price over their mean."""
        params = {f"price.{name}": values[f"products.{name}.price"] for name in self.products}
        mean = self.mean(params)
        return {**params, "first_order_factor": values.get("first", mean) / mean}

    def prices(self, params: Params) -> np.ndarray:
        """(draw, product)."""
        return np.column_stack([params[f"price.{name}"] for name in self.products])

    def mean(self, params: Params) -> np.ndarray:
        """Mean price of an order after the first, (draw,)."""
        return self.prices(params) @ self.shares

    def histories(self, summary: CustomerSummary) -> Rows:
        return Rows(np.zeros(len(summary.customers)))

    def sufficient(self, summary: CustomerSummary) -> NoReturn:
        """Raises ConfigError: it is stated."""
        raise ConfigError([("spend", "price_list states its prices and is not fitted; it goes with business=NAME")])

    def build(self, rows: object) -> None:
        """Nothing to sample."""

    def natural(self, draws: Params, rows: object, seed: int) -> NoReturn:
        """Raises ValueError: nothing is fitted."""
        raise ValueError("a price list is stated")

    def laws(self, params: Params, history: Rows) -> SpendLaw:
        """The list itself, the same for all customers."""
        mean = self.mean(params)[:, None] + np.zeros(history.nothing.size)
        zero, upto = np.zeros((len(mean), 1)), np.cumsum(self.shares)
        return SpendLaw(zero, np.zeros_like(mean), mean, self.prices(params), np.tile(upto, (len(mean), 1)))

    def newcomer_laws(self, params: Params) -> SpendLaw:
        """(draw, 1)."""
        return self.laws(params, Rows(np.zeros(1)))

    def expected_spend(self, params: Params, history: Rows, life: LifeLaw | None = None) -> np.ndarray:
        """The mean price, whoever orders."""
        return self.mean(params)[:, None] + np.zeros(history.nothing.size)

    def facts(self, params: Params) -> tuple[tuple[str, str], ...]:
        """What share of the orders each product is, where there are several."""
        if len(self.products) < 2:
            return ()
        listed = zip(self.products, self.shares, strict=True)
        return (("Orders after the first", ", ".join(f"{share:.3g} {name}" for name, share in listed)),)

    def check(self, summary: CustomerSummary, params: Params) -> SpendCheck:
        """The mean price; nothing is observed."""
        return SpendCheck(0, 0, math.nan, math.nan, math.nan, math.nan, float(self.mean(params).mean()))

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        return ()

    @staticmethod
    def alarm(params: Params) -> str:
        """None: the mean order exists."""
        return ""
