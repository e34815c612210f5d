"""Lognormal spend: logarithms of a customer's orders are normal around a level, and levels are normal across customers.

    log v | m ~ Normal(m, sigma),   m ~ Normal(mu, omega)                                                 (1)
    m | lambda ~ Normal(mu + rho omega z, omega sqrt(1 - rho^2)),   z = (log lambda - E log lambda) / sd   (2)

(1) is the one-way random-effects model on logs (Gelman et al. 2013, "Bayesian Data Analysis", section 5.4), (2) lets
the level go with the customer's order rate lambda of the retention model: rho is their correlation, rho omega / sd the
elasticity of amounts to it (a frailty that purchasing and spend share, as in Borle, Singh & Jain 2008, Management
Science 54(1), 100-112). Equations, priors, limits: docs/models/lognormal.md.

Not modelled: what amounts say of the rate. The retention model learns rates from the days of orders alone, and levels
are drawn given rates; never the other way round.

Money is in any one currency. Parameters have shape (draw,), histories (customer,), results (draw, customer).
"""

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.around.pooling import Pooled
from clvsim.models.around.several import with_more_shape
from clvsim.models.domain import CORRELATION, LOG, MONEY, POSITIVE, Domain
from clvsim.models.inputs import containers
from clvsim.models.laws import LifeLaw, LognormalLaw, Params, column, unique_rows
from clvsim.models.priors import BetaPrior, LogNormalPrior
from clvsim.models.protocol import RetentionModel
from clvsim.models.spend import rates
from clvsim.models.spend.gamma_gamma import (
    SpendCheck,
    amounts_alike,
    first_order_factor,
    first_orders,
    observed_spend,
    spend_warnings,
    three_digits,
)
from clvsim.models.spend.rates import Scores
from clvsim.models.spend.trend import LEVEL, level_draws, level_of, level_sd, levelled, trend_warnings
from clvsim.schema import Frozen
from clvsim.special import logsumexp
from clvsim.types import CustomerSummary

_LOG_2PI = math.log(2 * math.pi)
_NO_SPREAD = 1e-10  # variance of the logs of orders: a CV of about 1e-5
_NOTABLE_GAP = 0.05  # of the model's mean order against the orders' mean
_NO_SCORES = Scores(np.zeros((0, 0)), np.zeros((0, 0)))


class LogSpend(NamedTuple):
    """Repeat orders with a positive amount, each (customer,): how many, and the sum of the logs of their money."""

    x: np.ndarray
    log_total: np.ndarray


class LogRows(NamedTuple):
    """All the likelihood sees, each (row,): how many orders, the mean of their logs, and how many customers that is.

    Logs are of amounts in `unit` money, the geometric mean of all those orders. `within` sums the squared deviations of
    logs from their customer's mean. `histories` are the retention model's, of each row, and `scores` what they say of
    the order rate; both empty where amounts do not go with it. `first_*` as in `SpendRows`. `observed_days`: mean
    length of observation. `level_sd`: of the log of today's level of amounts, where they were brought to it.
    """

    x: np.ndarray
    log_mean: np.ndarray
    count: np.ndarray
    within: float
    unit: float
    first_count: int
    first_mean: float
    first_sd: float
    observed_days: float
    histories: Any = ()
    scores: Scores = _NO_SCORES
    level_sd: float = 0.0


class LevelInputs(NamedTuple):
    """Of customers with equally many orders: this number, theirs, mean and sum of squared deviations of their means of
    logs, each (class,)."""

    x: np.ndarray
    customers: np.ndarray
    mean: np.ndarray
    squares: np.ndarray


class ScoreInputs(NamedTuple):
    """Rows where levels go with the rate, each (row,), and nodes of the rate's score with logs of their weights,
    (row, node)."""

    x: np.ndarray
    log_mean: np.ndarray
    count: np.ndarray
    z: np.ndarray
    log_weight: np.ndarray


class LogInputs(NamedTuple):
    """What the density computes with: how many orders are not their customer's only one, or first; `within` as in
    `LogRows`; a constant of the log-likelihood; and one of the two other records."""

    repeated: float
    within: float
    constant: float
    levels: LevelInputs | None
    scores: ScoreInputs | None


def log_likelihood(params: Params, x: np.ndarray, log_total: np.ndarray, log_square: np.ndarray) -> np.ndarray:
    """Log density of each customer's amounts, (draw, customer), given their number, and sums of logs and squared logs.

    Of customers with an amount; where amounts do not go with the rate.
    """
    mu, omega, sigma = column(params, "mu", "omega", "sigma")
    between = omega**2 + sigma**2 / x
    apart = -0.5 * (_LOG_2PI + np.log(between) + (log_total / x - mu) ** 2 / between)
    return apart + _within(sigma, x, log_total, log_square)


def log_likelihood_given_rates(
    params: Params, x: np.ndarray, log_total: np.ndarray, log_square: np.ndarray, scores: Scores
) -> np.ndarray:
    """The same where levels go with the rate: integrated over the customer's score, by quadrature."""
    mu, omega, sigma, rho = column(params, "mu", "omega", "sigma", "rho")
    spread = omega**2 * (1 - rho**2) + sigma**2 / x
    off = (log_total / x - mu)[..., None] - (rho * omega)[..., None] * scores.z
    found = logsumexp(-0.5 * off**2 / spread[..., None], axis=-1, b=scores.weight)
    return found - 0.5 * (_LOG_2PI + np.log(spread)) + _within(sigma, x, log_total, log_square)


def _within(sigma: np.ndarray, x: np.ndarray, log_total: np.ndarray, log_square: np.ndarray) -> np.ndarray:
    """Log density of the amounts given their geometric mean."""
    squares = np.maximum(log_square - log_total**2 / x, 0.0)
    free = x - 1
    return -0.5 * (free * (_LOG_2PI + 2 * np.log(sigma)) + np.log(x) + squares / sigma**2) - log_total


def laws(params: Params, history: LogSpend) -> LognormalLaw:
    """Normal-normal updating: the level given the customer's orders and, where it goes with it, their rate."""
    mu, omega, sigma = column(params, "mu", "omega", "sigma")
    rho, centre, scale = np.zeros_like(mu), np.zeros_like(mu), np.ones_like(mu)
    if "rho" in params:
        rho, centre, scale = column(params, "rho", "log_rate_mean", "log_rate_sd")
    own = omega**2 * (1 - rho**2)  # variance of levels at one rate
    total = history.x * own + sigma**2
    elasticity = rho * omega / scale
    level = (sigma**2 * (mu - elasticity * centre) + own * history.log_total) / total + np.log(level_of(params))
    return LognormalLaw(level, sigma * np.sqrt(own / total), sigma**2 / total * elasticity, sigma)


def newcomer_laws(params: Params) -> LognormalLaw:
    """The population's law, (draw, 1)."""
    zero = np.zeros(1)
    return laws(params, LogSpend(zero, zero))


def mean_order(law: LognormalLaw, life: LifeLaw | None) -> np.ndarray:
    """E[amount] under a law, (draw, customer): finite, since a slope is never below minus the rate's shape."""
    mean = np.exp(law.level_mean + (law.level_sd**2 + law.order_sd**2) / 2)
    return mean if life is None else mean * rates.power_mean(life, law.level_slope)


def elasticity(params: Params) -> np.ndarray:
    """d log amount / d log rate between customers, (draw,)."""
    return params["rho"] * params["omega"] / params["log_rate_sd"]


class Lognormal(Frozen):
    """Lognormal amounts around a level of each customer's own, which may go with how often they order.

    Fitted to single orders; priors are on unit-free quantities. `median`: exp(mu), in geometric mean orders. `omega`,
    `sigma`: spread of the logs between customers and within one. `trend`: amounts are brought to today's level.
    `correlated`: whether levels go with the order rate; `rho` is then the prior of (1 + rho sqrt(1 + omega^2)) / 2,
    which leaves out correlations so strong, at a spread so wide, that the mean order of a population would not exist.
    """

    kind: Literal["lognormal"] = "lognormal"
    correlated: bool = False
    trend: bool = False
    median: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=1.0)
    omega: LogNormalPrior = LogNormalPrior(median=0.5, sd_log=1.0)
    sigma: LogNormalPrior = LogNormalPrior(median=0.5, sd_log=1.0)
    rho: BetaPrior = BetaPrior(a=3.0, b=3.0)

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        rate = {"rho": CORRELATION, "log_rate_mean": LOG, "log_rate_sd": POSITIVE} if self.correlated else {}
        own = dict.fromkeys(("omega", "sigma", "first_order_factor"), POSITIVE)
        return {"mu": LOG, **own, "mean_order": MONEY.optional, **rate}

    def histories(self, summary: CustomerSummary) -> LogSpend:
        """Spend histories, in money."""
        frame = levelled(summary, self.trend).customers
        return LogSpend(*(frame[c].to_numpy(np.float64) for c in ("repeat_positive", "repeat_log_amount")))

    def sufficient(self, summary: CustomerSummary) -> LogRows:
        """Distinct (number, sum of logs) of all repeat orders with a positive amount.

        Raises ConfigError where single orders are not known, DiagnosticsError where spend cannot be fitted: no such
        order, or none that differs from its customer's others.
        """
        return self._rows(summary, ())

    def sufficient_jointly(self, summary: CustomerSummary, retention: RetentionModel) -> LogRows:
        """The same, distinct together with the retention model's histories. ConfigError where it has no order rate,
        or one that differs between groups: scores would be measured against somebody else's.
        """
        if not rates.has_rates(retention):
            what = f"needs customers who order at a rate, and retention={retention.kind} has none; set it to false"
            raise ConfigError([("spend.correlated", what)])
        if isinstance(retention, Pooled):
            what = "does not go with groups or covariates (retention.pool, retention.covariates); set it to false"
            raise ConfigError([("spend.correlated", what)])
        return self._rows(summary, retention.histories(summary))

    def _rows(self, summary: CustomerSummary, histories: Any) -> LogRows:
        if summary.means_only:
            what = "lognormal needs single orders, and this summary has only their means; type spend=gamma_gamma"
            raise ConfigError([("spend", what)])
        x, log_total = self.histories(summary)
        frame = levelled(summary, self.trend).customers
        repeated = x > 0
        if not repeated.any():
            raise DiagnosticsError([("spend", "lognormal needs repeat orders with a positive amount: there are none")])
        x, log_total = x[repeated], log_total[repeated]
        squares = np.maximum(frame["repeat_log_square"].to_numpy(np.float64)[repeated] - log_total**2 / x, 0.0)
        orders = math.fsum(x)
        within, log_unit = math.fsum(squares), math.fsum(log_total) / orders
        spread = within if x.max() > 1 else math.fsum((log_total - log_unit) ** 2)
        if spread < _NO_SPREAD * orders:
            raise amounts_alike("lognormal")
        first = first_orders(frame["first_amount"].to_numpy(np.float64))
        rows, count = unique_rows([*(column[repeated] for column in histories), x, log_total])
        *history_columns, x, log_total = np.ascontiguousarray(rows.T)
        return LogRows(
            x, log_total / x - log_unit, count, within, math.exp(log_unit), *first,
            observed_days=float(summary.customers["T_days"].mean()),
            histories=type(histories)(*history_columns) if history_columns else (),
            level_sd=level_sd(summary, self.trend),
        )  # fmt: skip

    def given_rates(self, rows: LogRows, retention: RetentionModel, life: Params, days_per_unit: float) -> LogRows:
        """With the nodes of each row's order rate given its history, averaged over draws of the retention model."""
        return rows._replace(scores=rates.scores(retention, life, rows.histories, days_per_unit))

    def inputs(self, rows: LogRows) -> LogInputs:
        """Everything the graph computes with, of rows as `sufficient` or `given_rates` has them."""
        customers, orders = rows.count.sum(), (rows.count * rows.x).sum()
        constant = -(rows.count * (np.log(rows.x) / 2 + rows.x * rows.log_mean)).sum() - _LOG_2PI / 2 * orders
        levels, scores = None, None
        if self.correlated:
            with np.errstate(divide="ignore"):  # a node without weight has a log of -inf, and adds nothing
                log_weight = np.log(rows.scores.weight)
            scores = ScoreInputs(rows.x, rows.log_mean, rows.count, rows.scores.z, log_weight)
        else:
            x, of = np.unique(rows.x, return_inverse=True)
            n = np.bincount(of, rows.count)
            mean = np.bincount(of, rows.count * rows.log_mean) / n
            levels = LevelInputs(x, n, mean, np.bincount(of, rows.count * (rows.log_mean - mean[of]) ** 2))
        return LogInputs(orders - customers, rows.within, constant, levels, scores)

    def build(self, rows: LogRows) -> Any:
        """The PyMC model. Free variables: median, omega, sigma and, where levels go with the rate, rho_place.

        The same likelihood as `log_likelihood` or `log_likelihood_given_rates`. Where levels do not go with the rate,
        customers with equally many orders enter with the mean and the squared deviations of their means.
        """
        import pymc as pm
        import pytensor.tensor as pt

        with pm.Model() as model:
            inputs = containers(pm, self.inputs(rows))
            mu = pt.log(self.median.variable(pm, "median"))
            omega = self.omega.variable(pm, "omega")
            sigma = self.sigma.variable(pm, "sigma")
            within = -inputs.repeated * pt.log(sigma) - inputs.within / (2 * sigma**2)
            if inputs.scores:
                x, log_mean, count, z, log_weight = inputs.scores
                place = self.rho.variable(pm, "rho_place")
                rho = (2 * place - 1) / pt.sqrt(1 + omega**2)
                spread = omega**2 * (1 - rho**2) + sigma**2 / x
                off = log_mean[:, None] - mu - rho * omega * z
                by_row = pt.logsumexp(log_weight - off**2 / (2 * spread[:, None]), axis=1) - pt.log(spread) / 2
                between = pt.sum(count * by_row)
            else:
                x, n, mean, squares = inputs.levels
                spread = omega**2 + sigma**2 / x
                between = -pt.sum(n * pt.log(spread) + (squares + n * (mean - mu) ** 2) / spread) / 2
            pm.Potential("log_likelihood", inputs.constant + within + between)
        return model

    def natural(self, draws: Params, rows: LogRows, seed: int) -> dict[str, np.ndarray]:
        """mu (of log money), omega, sigma; `mean_order`, in money, and `first_order_factor`, seeded.

        Where levels go with the rate rho instead of the last two, which then need the rates: `add_derived`.
        """
        mu, omega, sigma = np.log(draws["median"] * rows.unit), draws["omega"], draws["sigma"]
        natural_params = {"mu": mu, "omega": omega, "sigma": sigma} | level_draws(rows.level_sd, mu.size, seed)
        if self.correlated:
            return natural_params | {"rho": (2 * draws["rho_place"] - 1) / np.sqrt(1 + omega**2)}
        mean = np.exp(mu + (omega**2 + sigma**2) / 2)
        return natural_params | {"mean_order": mean, "first_order_factor": first_order_factor(mean, rows, seed)}

    def add_derived(
        self, params: Params, rows: LogRows, retention: RetentionModel, life: Params, days_per_unit: float, seed: int
    ) -> dict[str, np.ndarray]:
        """With mean and sd of the log of newcomers' order rate per day, `mean_order` and `first_order_factor`.

        `mean_order` is over repeat orders, of which frequent buyers make more: E[X(t) amount] / E[X(t)] with t the mean
        length of observation. `first_order_factor` is over newcomers, who make one first order each.
        """
        newcomers = retention.newcomer_laws(life, days_per_unit)
        of_rate = rates.log_rate(newcomers)
        derived = {**params, "log_rate_mean": of_rate.mean, "log_rate_sd": of_rate.sd}
        law = newcomer_laws({**derived, LEVEL: np.ones_like(params["mu"])})
        mean = mean_order(law, newcomers)[:, 0]
        t = rows.observed_days / days_per_unit
        tilted = with_more_shape(life, elasticity(derived))
        orders, weighed = (retention.expected_orders_new(p, t, days_per_unit)[:, 0] for p in (life, tilted))
        factor = first_order_factor(mean, rows, seed)
        return derived | {"mean_order": mean * weighed / orders, "first_order_factor": factor}

    def expected_spend(self, params: Params, history: LogSpend, life: LifeLaw | None = None) -> np.ndarray:
        """E[amount | history], (draw, customer); where levels go with the rate, over the rates of `life`."""
        return mean_order(laws(params, history), life if self.correlated else None)

    def check(self, summary: CustomerSummary, params: Params) -> SpendCheck:
        """Observed figures beside the fitted mean of repeat orders."""
        mean = params.get("mean_order")
        if (
            mean is None
        ):  # draws that nobody derived anything from; where levels go with the rate, its mean is not known
            mean = np.exp(params["mu"] + (params["omega"] ** 2 + params["sigma"] ** 2) / 2)
        return observed_spend(levelled(summary, self.trend), mean)

    def warnings(self, summary: CustomerSummary, params: Params) -> tuple[str, ...]:
        """Sentences for the reader where the log speaks against the model's assumptions."""
        check, over_time = self.check(summary, params), trend_warnings(summary, self.trend)
        if not self.correlated:
            return (*spend_warnings(check, "spend=lognormal"), *over_time)
        gap = check.fitted_mean / check.mean_repeat_order - 1
        if abs(gap) <= _NOTABLE_GAP:
            return over_time
        simulated, actual = three_digits(check.fitted_mean, check.mean_repeat_order)
        return (
            f"Repeat orders bring {simulated} each in the model, {actual} in the log ({gap:+.0%}): amounts are not "
            "quite lognormal, or do not go with how often customers order as a power of it (spend=lognormal)",
            *over_time,
        )

    def facts(self, params: Params) -> tuple[tuple[str, str], ...]:
        """What amounts have to do with how often customers order, in words."""
        if not self.correlated:
            return ()
        low, middle, high = 2 ** np.quantile(elasticity(params), [0.05, 0.5, 0.95]) - 1
        return (
            (
                "Orders of customers who buy twice as often, against the others'",
                f"{middle:+.1%} [{low:+.1%}, {high:+.1%}] in size; 90 % interval, parameter uncertainty only",
            ),
        )

    @staticmethod
    def alarm(params: Params) -> str:
        """None: the mean order exists."""
        return ""

    laws = staticmethod(laws)
    newcomer_laws = staticmethod(newcomer_laws)
