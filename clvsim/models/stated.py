"""Laws that are stated and not fitted: a business without a log says how often customers order, how long they stay and
what they pay, each number as an effect, and draws of a model's own parameters follow from them, draw by draw.

Each effect takes the quantile at one uniform number per draw, keyed by its path, as levers' do. So what is uncertain of
customers varies between draws as a posterior does, and everything behind it (laws, closed forms, simulator) is that of
the model. docs/businesses.md, docs/decisions/0028.

Not modelled: stated numbers that depend on each other. Numbers have shape (draw,).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Protocol

import numpy as np
from pydantic import Field

from clvsim import effects
from clvsim.effects import Effect, EffectDraws, Fixed
from clvsim.errors import Problem
from clvsim.kernels.rng import world_keys, world_uniforms
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Params
from clvsim.models.numbers import PRICES, Number
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.retention.pareto_nbd import ParetoNbd
from clvsim.models.retention.sbg import Sbg
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.models.spend.price_list import PriceList
from clvsim.schema import Frozen, Real, Share
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, Assumption, DrawMethod, Posterior, SharedPeriods

STATED = DrawMethod("stated")
UNIT = "month"  # of time, in which parameters are reported
RATES: effects.Domain = (1e-4, 5_000.0)  # orders a year
COUNTS: effects.Domain = (1e-4, 1e4)
CHURN: effects.Domain = (1e-6, 0.999)  # kept inside, where a hazard exists
_ALIKE = 1e-3  # sd over mean below which customers are all alike, as far as digits go
_MOST_SHAPE = 5e4  # of p ~ Beta(a, b), where customers are alike: `models.domain.DROPOUT`
_MOST_CONTRACTS = 1e8  # of alpha + beta
_LONGEST = 5e8  # shape over mean rate: `models.domain.POSITIVE`; beyond, hardly anybody orders or leaves
_LEAST_SUM = 1e-2  # alpha + beta of contracts
_LEAST_EXCESS = 1e-4  # of a over 1, where they differ most
Spread = Annotated[Real, Field(ge=0, le=10)]  # sd over mean, of customers


class Stated(Protocol):
    """What a section offers whose model is stated. Keys of `numbers` are below the section's name."""

    @property
    def model(self) -> Any:
        """The model whose law it is, as configured."""

    @property
    def numbers(self) -> dict[str, Number]: ...

    def parameters(self, values: Params, /) -> dict[str, np.ndarray]:
        """The model's parameters, time in months, from the numbers by their keys, each (draw,)."""


def shape_of(cv: float, rate: np.ndarray) -> np.ndarray:
    """Of a gamma distribution of rates with that sd over mean, (draw,)."""
    return np.minimum(max(cv, _ALIKE) ** -2, _LONGEST * rate)


# --- how customers order and leave ------------------------------------------------------------------------------------


class StatedLife(Frozen):
    """What the stated kinds of retention share: to the rest of a run they are the model whose law they state."""

    TIMES: ClassVar[tuple[str, ...]] = ()

    @property
    def model(self) -> Any:
        raise NotImplementedError

    def contradictions(self) -> dict[str, str]:
        """By key, why a fixed number cannot go with another; what effects are drawn to is held to bounds."""
        return {}

    @property
    def renewing(self) -> bool:
        return self.model.renewing

    @property
    def interval_days(self) -> float:
        return self.model.interval_days

    @property
    def opportunity_days(self) -> float:
        return self.model.opportunity_days

    @property
    def periods(self) -> float | SharedPeriods:
        return self.model.periods


class StatedOrders(StatedLife):
    """Customers order at a rate until they leave, at any time: Pareto/NBD.

    `orders_per_year` of a customer who is there, `monthly_churn` the share of newcomers who leave within a month.
    `orders_vary`, `churn_varies`: how customers differ, sd over mean of their rates and of their hazards (gamma
    distributions); 0, like all below 0.001: they do not.
    """

    kind: Literal["stated_orders"] = "stated_orders"
    orders_per_year: Effect
    monthly_churn: Effect
    orders_vary: Spread = 0.0
    churn_varies: Spread = 0.0

    @property
    def model(self) -> ParetoNbd:
        return ParetoNbd()

    @property
    def numbers(self) -> dict[str, Number]:
        return {
            "orders_per_year": Number(self.orders_per_year, "amount", "Orders a year of an active customer", RATES),
            "monthly_churn": Number(self.monthly_churn, "probability", "Share of new customers lost within a month"),
        }

    def parameters(self, values: Params) -> dict[str, np.ndarray]:
        """r = 1/cv², r/alpha the mean rate; s = 1/cv², and (beta/(beta + 1))^s = 1 - churn in months."""
        rate = values["orders_per_year"] * DAYS_PER_MONTH / DAYS_PER_YEAR
        kept = -np.log1p(-np.clip(values["monthly_churn"], *CHURN))
        r, s = shape_of(self.orders_vary, rate), shape_of(self.churn_varies, kept)
        return {"r": r, "alpha": r / rate, "s": s, "beta": 1 / np.expm1(kept / s)}


class StatedRepeats(StatedLife):
    """Customers order again, so many times on average, and leave after any order, the first included: MBG/NBD.

    `later_orders` after the first, if followed to the end of the last life; `orders_per_year` how quickly, of a
    customer who is there. `ordered_once`: share who never order again, at least 1 / (1 + later_orders), where all
    customers are alike; None is that. The larger it is, the more of the later orders are those of a few.
    `orders_vary` as in `StatedOrders`.
    """

    kind: Literal["stated_repeats"] = "stated_repeats"
    later_orders: Effect
    orders_per_year: Effect
    ordered_once: Share | None = None
    orders_vary: Spread = 0.0

    @property
    def model(self) -> MbgNbd:
        return MbgNbd()

    @property
    def numbers(self) -> dict[str, Number]:
        return {
            "later_orders": Number(self.later_orders, "amount", "Orders after the first, per new customer", COUNTS),
            "orders_per_year": Number(self.orders_per_year, "amount", "Orders a year of an active customer", RATES),
        }

    def contradictions(self) -> dict[str, str]:
        if self.ordered_once is None or not isinstance(self.later_orders, Fixed):
            return {}
        least = 1 / (1 + max(self.later_orders.value, 0.0))
        if self.ordered_once >= least - 1e-9:
            return {}
        what = f"must be at least {least:.4g}, 1/(1 + later_orders), where all customers are alike"
        return {"ordered_once": f"{what}, got {self.ordered_once:g}"}

    def parameters(self, values: Params) -> dict[str, np.ndarray]:
        """p ~ Beta(a, b) with mean b/(a - 1) of the later orders, and a/(a + b) who make none.

        With a = 1 + 1/d the latter is (1 + d)/(1 + d + m): 1/(1 + m) at d = 0, where p is the same for all.
        """
        later, rate = values["later_orders"], values["orders_per_year"] * DAYS_PER_MONTH / DAYS_PER_YEAR
        once = 1 / (1 + later) if self.ordered_once is None else np.maximum(self.ordered_once, 1 / (1 + later))
        d = (once * (1 + later) - 1) / np.maximum(1 - once, _LEAST_EXCESS)
        d = np.clip(d, np.maximum(later, 1) / _MOST_SHAPE, 1 / _LEAST_EXCESS)
        r = shape_of(self.orders_vary, rate)
        return {"r": r, "alpha": r / rate, "a": 1 + 1 / d, "b": later / d}


class StatedContracts(StatedLife):
    """Contracts that renew until they end: sBG.

    `churn`: the share that ends at the first renewal. `churn_varies`: how customers differ, sd over mean of their
    chances to end (a Beta distribution); 0: all have the same, at every renewal. The more they differ, the better those
    stay who are left.
    """

    kind: Literal["stated_contracts"] = "stated_contracts"
    renewal: Literal["week", "month", "quarter", "year"] = "month"
    churn: Effect
    churn_varies: Spread = 0.0

    @property
    def model(self) -> Sbg:
        return Sbg(renewal=self.renewal)

    @property
    def numbers(self) -> dict[str, Number]:
        return {"churn": Number(self.churn, "probability", "Share of contracts that end at the first renewal")}

    def contradictions(self) -> dict[str, str]:
        if not isinstance(self.churn, Fixed) or not 0 < self.churn.value < 1:
            return {}
        most = ((1 - self.churn.value) / (self.churn.value * (1 + _LEAST_SUM))) ** 0.5
        if self.churn_varies <= most:
            return {}
        what = f"must be at most {most:.3g}, where some never leave and the others do at once"
        return {"churn_varies": f"{what}, got {self.churn_varies:g}"}

    def parameters(self, values: Params) -> dict[str, np.ndarray]:
        """alpha/(alpha + beta) = m; the squared sd over mean is (1 - m)/(m (alpha + beta + 1))."""
        m = np.clip(values["churn"], *CHURN)
        sum_ = np.clip((1 - m) / (m * max(self.churn_varies, _ALIKE) ** 2) - 1, _LEAST_SUM, _MOST_CONTRACTS)
        return {"alpha": m * sum_, "beta": (1 - m) * sum_}


# --- what they pay ----------------------------------------------------------------------------------------------------


class StatedAmounts(Frozen):
    """Amounts that vary around a mean of each customer's own: Gamma-Gamma.

    `order_value` is the mean order, `first_order` that of first orders (None: like all others). `orders_vary`: sd over
    mean of one customer's orders; `customers_vary`: that of customers' means.
    """

    kind: Literal["stated_amounts"] = "stated_amounts"
    order_value: Effect
    first_order: Effect | None = None
    orders_vary: Annotated[Real, Field(ge=0.01, le=10)] = 0.5
    customers_vary: Annotated[Real, Field(ge=0.01, le=10)] = 0.5
    correlated: ClassVar[bool] = False
    trend: ClassVar[bool] = False

    @property
    def model(self) -> GammaGamma:
        return GammaGamma()

    @property
    def numbers(self) -> dict[str, Number]:
        own = {"order_value": Number(self.order_value, "amount", "Mean order", PRICES, "money")}
        if self.first_order is not None:
            own["first_order"] = Number(self.first_order, "amount", "Mean first order", PRICES, "money")
        return own

    def parameters(self, values: Params) -> dict[str, np.ndarray]:
        """p = 1/cv² within customers; q - 2 = 1/cv² of the means p/nu; gamma such that gamma p/(q - 1) is the mean."""
        mean = values["order_value"]
        p, q = (np.full_like(mean, c) for c in (self.orders_vary**-2, 2 + self.customers_vary**-2))
        first = values.get("first_order", mean) / mean
        return {"p": p, "q": q, "gamma": mean * (q - 1) / p, "first_order_factor": first}


LIVES: dict[str, type[StatedLife]] = {
    "stated_orders": StatedOrders,
    "stated_repeats": StatedRepeats,
    "stated_contracts": StatedContracts,
}
AMOUNTS: dict[str, Any] = {"stated_amounts": StatedAmounts}
STATED_SPEND = (StatedAmounts, PriceList)


# --- both together ----------------------------------------------------------------------------------------------------


def problems(section: str, stated: Stated) -> list[Problem]:
    """What of a section's numbers is no such number, or cannot go with another."""
    found = [
        problem
        for key, number in stated.numbers.items()
        for problem in effects.check(number.effect, number.scale, f"{section}.{key}", number.domain)
    ]
    other = stated.contradictions() if isinstance(stated, StatedLife) else {}
    return found + [Problem(f"{section}.{key}", what) for key, what in other.items()]


def drawn(section: str, stated: Stated, draws: int, seed: int) -> dict[str, EffectDraws]:
    """Each number of a section, (draw,), by its key: the first draws are those of any other number of draws."""
    keys = world_keys(seed, np.arange(draws), 0)
    return {
        key: effects.draw(
            number.effect,
            world_uniforms(keys, f"{section}.{key}"),
            number.scale,
            path=f"{section}.{key}",
            domain=number.domain,
        )
        for key, number in stated.numbers.items()
    }


def stated_models(retention: Any, spend: Any, draws: int, seed: int) -> FittedModels:
    """Both models with draws of their parameters. Raises ConfigError for a number that cannot be drawn."""
    life, money = (
        one.parameters({key: values.values for key, values in drawn(section, one, draws, seed).items()})
        for section, one in (("retention", retention), ("spend", spend))
    )
    models: tuple[RetentionModel, SpendModel] = (retention.model, spend.model)
    return FittedModels(*models, Posterior(life, money, UNIT, retention_method=STATED, spend_method=STATED))


def stated_assumptions(retention: Any, spend: Any, draws: int, seed: int) -> tuple[Assumption, ...]:
    """A line of the page for each stated number, with mean and interval of its first draws."""
    lines = []
    for section, one in (("retention", retention), ("spend", spend)):
        values = drawn(section, one, draws, seed)
        for key, number in one.numbers.items():
            path = f"{section}.{key}"
            lines.append(
                effects.assumption(
                    number.effect, number.scale, values[key], path, number.label, unit=number.unit, domain=number.domain
                )
            )
    return tuple(lines)


def is_stated(models: FittedModels) -> bool:
    return models.posterior.retention_method.name == STATED.name


def typical_prices(spend: Any) -> np.ndarray:
    """Medians of the stated prices, which set the scale of money where no customer has paid yet."""
    half = np.full(1, 0.5)
    numbers: Mapping[str, Number] = spend.numbers
    return np.concatenate(
        [effects.draw(n.effect, half, n.scale, path=key, domain=n.domain).values for key, n in numbers.items()]
    )
