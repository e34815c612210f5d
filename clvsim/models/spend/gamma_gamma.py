"""Gamma-Gamma: amounts vary around a mean of each customer's own, which has nothing to do with how often they buy.

z | nu ~ Gamma(p, nu), nu ~ Gamma(q, gamma). Fader & Hardie 2013, "The Gamma-Gamma model of monetary value" (note 025,
brucehardie.com); Fader, Hardie & Lee 2005, "RFM and CLV", JMR 42(4), 415-430. Equations, assumptions and priors:
docs/models/gamma_gamma.md.

Money is in any one currency. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np

from clvsim.errors import DiagnosticsError
from clvsim.models.domain import ABOVE_ONE, MONEY, POSITIVE, Domain
from clvsim.models.inputs import containers
from clvsim.models.laws import LifeLaw, Params, SpendHistory, SpendLaw, column, spend_history_of, unique_rows
from clvsim.models.priors import LogNormalPrior
from clvsim.models.spend.trend import level_draws, level_of, level_sd, levelled, trend_warnings
from clvsim.schema import Frozen
from clvsim.special import gammaln
from clvsim.types import CustomerSummary

_STRONG_CORRELATION = 0.2
_NOTABLE_GAP = 0.05  # of model's mean against the orders' mean
_THIN, _RARELY = 0.1, 0.05  # q - 1, and the share of draws below it
_REMEDY = "spend=lognormal spend.correlated=true"
ONE_PRICE = "spend=fixed_price"
GOES_ON = f"{ONE_PRICE} goes on with it"
_NO_SPREAD = 1e-10  # mean over repeat orders of log(customer's mean) - log(order): a CV of about 1e-5


class SpendRows(NamedTuple):
    """Unique (orders, total) of customers with repeat orders of positive amount, each (row,), and what else is needed.

    `total` is in units of `unit` money, the mean repeat order, so priors and posterior do not depend on the currency.
    `log_sum`: sum over all those orders of log(amount / unit). `first_*`: number, mean and standard deviation of first
    orders with a positive amount, in money, 0 and nan where fewer than two are known. Where only customers' means are
    known, `log_sum` is nan too. `level_sd`: of the log of today's level of amounts, where they were brought to it.
    """

    x: np.ndarray
    total: np.ndarray
    count: np.ndarray
    log_sum: float
    unit: float
    first_count: int
    first_mean: float
    first_sd: float
    level_sd: float = 0.0


class OrderSums(NamedTuple):
    """Repeat orders with a positive amount: their number, and the sum of the logs of their amounts."""

    number: float
    log_sum: float


class MeanSums(NamedTuple):
    """Sums over customers of x times the log of their total, and of the log of their mean."""

    log_totals: float
    log_means: float


class SpendInputs(NamedTuple):
    """What the density computes with: rows, each (row,); how many customers they are; distinct numbers of orders and
    how many customers have them, each (class,); `orders` where single orders are known, `means` where they are not."""

    x: np.ndarray
    total: np.ndarray
    count: np.ndarray
    customers: float
    distinct_x: np.ndarray
    customers_by_x: np.ndarray
    orders: OrderSums | None
    means: MeanSums | None


class FirstOrders(Protocol):
    """Number, mean and standard deviation of first orders with a positive amount, in money."""

    @property
    def first_count(self) -> int: ...

    @property
    def first_mean(self) -> float: ...

    @property
    def first_sd(self) -> float: ...


class SpendCheck(NamedTuple):
    """What the independence assumption can be held against; money is per order.

    `customers` have a repeat order of positive amount, `customers_twice` more than one. `correlation`: Pearson, of a
    customer's mean repeat order with the number of them. `mean_repeat_order` is over orders, `mean_of_customers` over
    customers' means, `fitted_mean` the model's population mean, with its 5 and 95 % points over the draws.
    """

    customers: int
    customers_twice: int
    correlation: float
    mean_repeat_order: float
    mean_of_customers: float
    mean_first_order: float
    fitted_mean: float
    fitted_p05: float = math.nan
    fitted_p95: float = math.nan


def amounts_alike(model: str) -> DiagnosticsError:
    """What a model says that learns a spread of amounts, of those without any."""
    what = f"{model} needs amounts that vary: each customer's repeat orders are all of the same amount; {GOES_ON}"
    return DiagnosticsError([("spend", what)])


def spend_rows(history: SpendHistory, log_amount: np.ndarray, first_amount: np.ndarray) -> SpendRows:
    """Sufficient statistics; `log_amount` and `first_amount` are (customer,). Errors: see `GammaGamma.sufficient`."""
    has, x, total, orders, unit = _positive(history)
    log_sum = math.fsum(log_amount[has]) - orders * math.log(unit)
    # Jensen: each customer's part is >= 0, and 0 only if all their orders are equal.
    spread = math.fsum(x * np.log(total / x)) - math.fsum(log_amount[has])
    if x.max() == 1:
        spread = math.fsum(np.log(total / unit) ** 2)  # nothing to see within customers, so at least between them
    if spread < _NO_SPREAD * orders:
        raise amounts_alike("Gamma-Gamma")
    rows, count = unique_rows([x, total])
    return SpendRows(rows[:, 0], rows[:, 1] / unit, count, log_sum, unit, *first_orders(first_amount))


def first_orders(first_amount: np.ndarray) -> tuple[int, float, float]:
    """Number, mean and standard deviation of first orders with a positive amount; none where fewer than two have."""
    first = first_amount[first_amount > 0]
    if first.size < 2:
        return 0, math.nan, math.nan
    mean = math.fsum(first) / first.size
    return first.size, mean, math.sqrt(math.fsum((first - mean) ** 2) / (first.size - 1))


def mean_rows(history: SpendHistory) -> SpendRows:
    """What is left to learn from where only customers' means are known. Errors: see `GammaGamma.sufficient`."""
    _, x, total, orders, unit = _positive(history)
    if math.fsum(x * np.log(total / x / unit) ** 2) < _NO_SPREAD * orders:
        raise DiagnosticsError(
            [("spend", "Gamma-Gamma needs amounts that vary: all customers have the same mean repeat order")]
        )
    rows, count = unique_rows([x, total])
    return SpendRows(rows[:, 0], rows[:, 1] / unit, count, math.nan, unit, 0, math.nan, math.nan)


def _positive(history: SpendHistory) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Who has repeat orders with a positive amount, (customer,), these customers' x and total, all orders, and their
    mean."""
    has = history.x > 0
    if not has.any():
        raise DiagnosticsError([("spend", "Gamma-Gamma needs repeat orders with a positive amount: there are none")])
    x, total = history.x[has], history.total[has]
    orders = math.fsum(x)
    return has, x, total, orders, math.fsum(total) / orders


def first_order_factor(population_mean: np.ndarray, rows: FirstOrders, seed: int) -> np.ndarray:
    """Ratio of the mean first order to the mean repeat order of the population, per draw, (draw,).

    The mean first order is drawn lognormally with the observed mean and its standard error (delta method); dividing by
    the draw's own mean spend makes simulated first orders average the observed ones whatever the draw. 1 where no paid
    first orders are known.
    """
    if not rows.first_count:
        return np.ones_like(population_mean)
    sigma2 = (rows.first_sd / rows.first_mean) ** 2 / rows.first_count
    normal = np.random.default_rng([seed, 1]).standard_normal(population_mean.size)
    return rows.first_mean * np.exp(math.sqrt(sigma2) * normal - sigma2 / 2) / population_mean


def log_likelihood(params: Params, x: np.ndarray, total: np.ndarray, log_amount: np.ndarray) -> np.ndarray:
    """Log density of each customer's orders, (draw, customer), given their number, sum and sum of logs.

    The product of the orders' gamma densities, integrated over nu.
    """
    p, q, gamma = column(params, "p", "q", "gamma")
    prior = q * np.log(gamma) - gammaln(q)
    return (p - 1) * log_amount - x * gammaln(p) + prior + gammaln(q + p * x) - (q + p * x) * np.log(gamma + total)


def log_likelihood_of_means(params: Params, x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Log density of each customer's mean of x orders, (draw, customer). Fader & Hardie 2013, equation (1a).

    For summaries without orders, and the published estimates: it leaves the spread within customers unused.
    """
    p, q, gamma = column(params, "p", "q", "gamma")
    shape = q + p * x
    constant = gammaln(shape) - gammaln(p * x) - gammaln(q) + q * np.log(gamma)
    return constant + (p * x - 1) * np.log(mean) + p * x * np.log(x) - shape * np.log(gamma + x * mean)


def expected_spend_new(params: Params) -> np.ndarray:
    """Mean order of a customer without history, gamma p / (q - 1), (draw, 1)."""
    p, q, gamma = column(params, "p", "q", "gamma")
    return gamma * p / (q - 1) * level_of(params)


def expected_spend(params: Params, x: np.ndarray, total: np.ndarray) -> np.ndarray:
    """E[mean order | x repeat orders of that total], (draw, customer). Fader & Hardie 2013, equation (5)."""
    p, q, gamma = column(params, "p", "q", "gamma")
    return p * (gamma + total) / (q + p * x - 1) * level_of(params)


def laws(params: Params, history: SpendHistory) -> SpendLaw:
    """Spend of existing customers: nu ~ Gamma(q + p x, gamma + total), per draw."""
    p, q, gamma = column(params, "p", "q", "gamma")
    return SpendLaw(p, q + p * history.x, (gamma + history.total) * level_of(params))


def newcomer_laws(params: Params) -> SpendLaw:
    """The population's law, (draw, 1)."""
    zero = np.zeros(1)
    return laws(params, SpendHistory(zero, zero))


def spend_check(summary: CustomerSummary, params: Params) -> SpendCheck:
    """Observed figures beside the fitted mean."""
    return observed_spend(summary, expected_spend_new(params))


def observed_spend(summary: CustomerSummary, fitted: np.ndarray) -> SpendCheck:
    """Of customers with repeat orders, beside the `fitted` mean of each draw.

    The correlation is nan when one of the two does not vary.
    """
    history = spend_history_of(summary)
    has = history.x > 0
    x, total = history.x[has], history.total[has]
    means = total / x
    varies = np.ptp(x) > 0 and np.ptp(means) > 0
    first = summary.customers["first_amount"].to_numpy(np.float64)
    return SpendCheck(
        customers=int(has.sum()),
        customers_twice=int((x > 1).sum()),
        correlation=float(np.corrcoef(x, means)[0, 1]) if varies else math.nan,
        mean_repeat_order=float(total.sum() / x.sum()),
        mean_of_customers=float(means.mean()),
        mean_first_order=float(first[first > 0].mean()) if (first > 0).any() else math.nan,
        fitted_mean=float(fitted.mean()),
        fitted_p05=float(np.quantile(fitted, 0.05)),
        fitted_p95=float(np.quantile(fitted, 0.95)),
    )


def spend_warnings(check: SpendCheck, model: str = "Gamma-Gamma") -> tuple[str, ...]:
    """Warns of a correlation above 0.2 that is beyond chance, and of simulated means 5 % off the actual ones.

    Of a model, named as `model`, that takes spend to be independent of frequency. Only where these go together beyond
    chance, in the direction in which the means differ, is a difference put down to it.
    """
    text = []
    gap = check.fitted_mean / check.mean_repeat_order - 1
    simulated, observed, low, high = three_digits(
        check.fitted_mean, check.mean_repeat_order, check.fitted_p05, check.fitted_p95
    )
    actual = f"repeat orders bring {simulated} each in the model, {observed} in the log"
    n = check.customers
    if not check.customers_twice:
        text.append(
            "No customer has two repeat orders: how much one customer's orders vary is the prior's, not the log's"
        )
    z = check.correlation * math.sqrt(max(n - 3, 0))  # in standard errors at no correlation
    beyond_chance = z > 2
    differs = f"{actual[0].upper()}{actual[1:]} ({f'{gap:+.0%}' if gap < 1 else f'{gap + 1:.2g} times'})"
    if check.correlation > _STRONG_CORRELATION and beyond_chance:
        text.append(
            f"Spend rises with frequency (correlation {check.correlation:.2f} over {n:,} repeat customers), "
            f"which {model} assumes away; {actual} ({_REMEDY} lets them go together)"
        )
    elif abs(gap) > _NOTABLE_GAP and abs(z) > 2 and z * gap < 0:
        more = "more" if z > 0 else "less"
        text.append(
            f"{differs}: {model} takes spend to be independent of frequency, so orders of frequent buyers do not count "
            f"for {more} ({_REMEDY} lets them)"
        )
    elif abs(gap) > _NOTABLE_GAP and check.fitted_p05 <= check.mean_repeat_order <= check.fitted_p95:
        text.append(
            f"{differs}: of {n:,} repeat customers whose spend is so uneven, the mean is known only to lie between "
            f"{low} and {high} (90 % interval, which figures in money have too)"
        )
    elif abs(gap) > _NOTABLE_GAP:
        text.append(
            f"{differs}: {model} foresees larger orders than the log has; spend is so uneven that its mean rests on "
            "the model's form"
            if gap > 0
            else f"{differs}: a few large orders carry the actual mean, and {model} foresees fewer of them"
        )
    return tuple(text)


def three_digits(*values: float) -> tuple[str, ...]:
    """Amounts to the place of the third digit of the largest."""
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    place = 2 - math.floor(math.log10(largest)) if largest > 0 else 2
    return tuple(f"{round(v, place) if math.isfinite(v) else v:,.{max(0, place)}f}" for v in values)


def tail_alarm(params: Params) -> str:
    """A sentence where the mean spend all but does not exist: it is gamma p / (q - 1)."""
    near = float(np.mean(params["q"] < 1 + _THIN))
    if near <= _RARELY:
        return ""
    return (
        f"Spend is so uneven that its mean hardly exists: in {near:.0%} of the draws q is below {1 + _THIN:g}, and a "
        "few customers with huge orders carry every figure in money. Do not rely on them (are units or currencies "
        "mixed?)."
    )


class GammaGamma(Frozen):
    """Gamma-Gamma: amounts vary around a mean of each customer's own, independent of how often they order.

    Fitted to single orders; priors are on unit-free quantities. `trend`: amounts are brought to today's level. `p`:
    shape of one customer's orders. `mean`: population mean, in mean repeat orders. `q_minus_1`: q - 1, positive so that
    the population mean gamma p / (q - 1) exists.
    """

    kind: Literal["gamma_gamma"] = "gamma_gamma"
    correlated: ClassVar[bool] = False
    DOMAINS: ClassVar[Mapping[str, Domain]] = {
        **dict.fromkeys(("p", "first_order_factor"), POSITIVE),
        "gamma": MONEY,
        "q": ABOVE_ONE,
    }
    trend: bool = False
    p: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)
    mean: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.0)
    q_minus_1: LogNormalPrior = LogNormalPrior(median=2.0, sd_log=1.5)

    def histories(self, summary: CustomerSummary) -> SpendHistory:
        """Spend histories, in money."""
        return spend_history_of(levelled(summary, self.trend))

    def sufficient(self, summary: CustomerSummary) -> SpendRows:
        """Sufficient statistics of all repeat orders with a positive amount.

        Raises DiagnosticsError where spend cannot be fitted: no such order, or none that differs from its customer's
        others. Of a summary without orders, the means.
        """
        history = self.histories(summary)
        if summary.means_only:
            return mean_rows(history)
        frame = levelled(summary, self.trend).customers
        first = frame["first_amount"].to_numpy(np.float64)
        rows = spend_rows(history, frame["repeat_log_amount"].to_numpy(np.float64), first)
        return rows._replace(level_sd=level_sd(summary, self.trend))

    def inputs(self, rows: SpendRows) -> SpendInputs:
        """Everything the graph computes with, of rows as `sufficient` has them."""
        k, class_of = np.unique(rows.x, return_inverse=True)
        orders, means = None, None
        if not math.isnan(rows.log_sum):
            orders = OrderSums((rows.count * rows.x).sum(), rows.log_sum)
        else:
            log_total, log_mean = np.log(rows.total), np.log(rows.total / rows.x)
            means = MeanSums((rows.count * rows.x * log_total).sum(), (rows.count * log_mean).sum())
        of_x = np.bincount(class_of, rows.count)
        return SpendInputs(rows.x, rows.total, rows.count, rows.count.sum(), k, of_x, orders, means)

    def build(self, rows: SpendRows) -> Any:
        """The PyMC model. Free variables: p, mean, q_minus_1.

        The same likelihood as `log_likelihood`, or as `log_likelihood_of_means` where single orders are not known.
        """
        import pymc as pm
        import pytensor.tensor as pt

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            p = self.p.variable(pm, "p")
            mean = self.mean.variable(pm, "mean")
            excess = self.q_minus_1.variable(pm, "q_minus_1")
            q, gamma = 1 + excess, mean * excess / p

            by_x = pt.sum(inputs.customers_by_x * pt.gammaln(q + p * inputs.distinct_x))
            by_row = pt.sum(inputs.count * (q + p * inputs.x) * pt.log(gamma + inputs.total))
            constant = inputs.customers * (q * pt.log(gamma) - pt.gammaln(q))
            if inputs.orders:
                within = (p - 1) * inputs.orders.log_sum - inputs.orders.number * pt.gammaln(p)
            else:
                gammas = pt.sum(inputs.customers_by_x * pt.gammaln(p * inputs.distinct_x))
                within = p * inputs.means.log_totals - inputs.means.log_means - gammas
            pm.Potential("log_likelihood", constant + within + by_x - by_row)
        return model

    def natural(self, draws: Params, rows: SpendRows, seed: int) -> dict[str, np.ndarray]:
        """The paper's p, q, gamma (in money) from the model's variables, and `first_order_factor`, seeded."""
        q = 1 + draws["q_minus_1"]
        gamma = draws["mean"] * draws["q_minus_1"] / draws["p"] * rows.unit
        factor = first_order_factor(draws["mean"] * rows.unit, rows, seed)
        params = {"p": draws["p"], "q": q, "gamma": gamma, "first_order_factor": factor}
        return params | level_draws(rows.level_sd, q.size, seed)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """Sentences for the reader where the log speaks against the model's assumptions."""
        return (*spend_warnings(self.check(summary, params)), *trend_warnings(summary, self.trend))

    def check(self, summary: CustomerSummary, params: Params) -> SpendCheck:
        """See `spend_check`."""
        return spend_check(levelled(summary, self.trend), params)

    @staticmethod
    def facts(params: Params) -> tuple[tuple[str, str], ...]:
        """None: the parameters say all."""
        return ()

    def expected_spend(self, params: Params, history: SpendHistory, life: LifeLaw | None = None) -> np.ndarray:
        """See `expected_spend`."""
        return expected_spend(params, history.x, history.total)

    laws = staticmethod(laws)
    newcomer_laws = staticmethod(newcomer_laws)
    alarm = staticmethod(tail_alarm)
    expected_spend_new = staticmethod(expected_spend_new)
