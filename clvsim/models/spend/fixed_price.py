"""Fixed price: all payments to come of a customer are of one amount, the last one paid. For contracts, single plans.

Nothing is fitted to existing customers, so their prices carry no uncertainty. Limits: docs/models/fixed_price.md.

Money is in any one currency. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.domain import MONEY, POSITIVE, Domain
from clvsim.models.laws import LifeLaw, Params, SpendLaw, column, unique_rows
from clvsim.models.prices import last_payments, latest, mean_payments
from clvsim.models.spend.gamma_gamma import SpendCheck
from clvsim.models.spend.trend import price_warnings
from clvsim.schema import Frozen
from clvsim.types import CustomerSummary

_SAME = 1e-9  # mean log spread of a customer's payments that is rounding


class Prices(NamedTuple):
    """Money of each customer's next payment, (customer,)."""

    price: np.ndarray


class PriceRows(NamedTuple):
    """Distinct prices of the latest customers and how many pay them, each (row,); their mean first payment above zero,
    in money."""

    price: np.ndarray
    count: np.ndarray
    first_mean: float


def laws(params: Params, history: Prices) -> SpendLaw:
    """The price itself: `order_shape` 0 says that orders do not vary."""
    draws = next(iter(params.values())).shape[0]
    zero = np.zeros((draws, 1))
    return SpendLaw(zero, zero, zero + history.price)


def newcomer_laws(params: Params) -> SpendLaw:
    """Every newcomer pays the mean price, (draw, 1)."""
    (price,) = column(params, "price")
    return SpendLaw(np.zeros_like(price), np.zeros_like(price), price)


class FixedPrice(Frozen):
    """Fixed price: each customer goes on paying what they paid last, newcomers what those of the last year pay.

    `price`: `last` payment that fell due (`clvsim.data.prices`), or the `mean` of repeat payments above zero, which is
    all there is where single payments are not known.
    """

    kind: Literal["fixed_price"] = "fixed_price"
    price: Literal["last", "mean"] = "last"
    correlated: ClassVar[bool] = False
    trend: ClassVar[bool] = False
    DOMAINS: ClassVar[Mapping[str, Domain]] = {"price": MONEY, "first_order_factor": POSITIVE}

    def histories(self, summary: CustomerSummary) -> Prices:
        """What each one pays; where nothing was paid or is known, the others' mean."""
        price = last_payments(summary) if self.price == "last" else mean_payments(summary)
        paying = price > 0
        return Prices(np.where(paying, price, price[paying].mean() if paying.any() else 0.0))

    def sufficient(self, summary: CustomerSummary) -> PriceRows:
        """Distinct prices of those who came in the last year, or last.

        Raises ConfigError where single payments are not known, DiagnosticsError where nobody paid anything.
        """
        if summary.means_only:
            what = "fixed_price needs single payments, and this summary has only their means; type spend=gamma_gamma"
            raise ConfigError([("spend", what)])
        (price,) = self.histories(summary)
        if not (price > 0).any():
            raise DiagnosticsError([("spend", "no payment has an amount above zero")])
        came = latest(summary)
        rows, count = unique_rows([price[came]])
        first = summary.customers["first_amount"].to_numpy(np.float64)
        observed = first[came & (first > 0)]
        return PriceRows(rows[:, 0], count, math.fsum(observed) / observed.size if observed.size else math.nan)

    def build(self, rows: PriceRows) -> None:
        """Nothing to sample: `natural` gets standard normal draws."""

    def natural(self, draws: Params, rows: PriceRows, seed: int) -> dict[str, np.ndarray]:
        """`price`: the mean of the rows, lognormal with its standard error; their mean paid first payment over it.

        The latter is 1 where no first payment is known, or all were free.
        """
        customers = rows.count.sum()
        mean = math.fsum(rows.count * rows.price) / customers
        variance = math.fsum(rows.count * (rows.price - mean) ** 2) / max(customers - 1, 1)
        sigma2 = variance / customers / mean**2
        price = mean * np.exp(math.sqrt(sigma2) * draws["normal"] - sigma2 / 2)
        first = 1.0 if math.isnan(rows.first_mean) else rows.first_mean / mean
        return {"price": price, "first_order_factor": np.full_like(price, first)}

    def expected_spend(self, params: Params, history: Prices, life: LifeLaw | None = None) -> np.ndarray:
        """The price, in every draw."""
        return np.broadcast_to(history.price, (params["price"].shape[0], history.price.size))

    @staticmethod
    def facts(params: Params) -> tuple[tuple[str, str], ...]:
        """None: the parameters say all."""
        return ()

    def check(self, summary: CustomerSummary, params: Params) -> SpendCheck:
        """Observed figures beside the mean price."""
        frame = summary.customers
        x, total, first = (frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount", "first_amount"))
        repeated = x > 0
        means = total[repeated] / x[repeated]
        varies = repeated.any() and np.ptp(x[repeated]) > 0 and np.ptp(means) > 0
        return SpendCheck(
            customers=int(repeated.sum()),
            customers_twice=int((x > 1).sum()),
            correlation=float(np.corrcoef(x[repeated], means)[0, 1]) if varies else math.nan,
            mean_repeat_order=float(total.sum() / x.sum()) if repeated.any() else math.nan,
            mean_of_customers=float(means.mean()) if repeated.any() else math.nan,
            mean_first_order=float(first[first > 0].mean()) if (first > 0).any() else math.nan,
            fitted_mean=float(params["price"].mean()),
        )

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """How many customers did not pay one price, and whether prices change with time."""
        frame = summary.customers
        x, total = (frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_amount"))
        logs = frame["repeat_log_amount"].to_numpy(np.float64)
        spread = np.log(np.divide(total, x, out=np.ones_like(x), where=x > 0)) - np.divide(
            logs, x, out=np.zeros_like(x), where=x > 0
        )
        varying = int((spread > _SAME).sum())
        if not varying:
            return ()
        goes_on = (
            "goes on with each customer's last price, as if certain: the last full payment, or what followed it where "
            "others paid the same (a discount that ended, a rise since; spend.price=mean: the mean of their "
            "repeat payments; spend=gamma_gamma lets them vary)"
            if self.price == "last"
            else "goes on with the mean of each customer's repeat payments, as if certain (spend.price=last: with the "
            "last one; spend=gamma_gamma lets them vary)"
        )
        varies = f"{varying:,} of {x.size:,} customers did not pay the same amount each time: spend=fixed_price"
        return (f"{varies} {goes_on}", *price_warnings(summary, self.price))

    @staticmethod
    def alarm(params: Params) -> str:
        """None: the mean order exists."""
        return ""

    laws = staticmethod(laws)
    newcomer_laws = staticmethod(newcomer_laws)
