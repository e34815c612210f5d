"""Simulated hold-outs of one posterior under each set of layers of uncertainty: totals, groups, single customers.

Every customer is simulated from today with a law conditioned on the calibration. Customers are simulated in blocks, so
no array of size worlds × customers exists; only sums by group and figures per customer are kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from clvsim.kernels import rng
from clvsim.kernels.structs import COUNT_UNIT
from clvsim.models.around.several import several_of
from clvsim.models.diagnostics import failed
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import Params, distinct_histories
from clvsim.models.loo import row_of_each
from clvsim.models.revenue import FittedCustomers, expected_spend_per_order
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.engine import CustomerTotals
from clvsim.simulation.environment import SdLaw, due_multipliers, sd_law, season_by_week
from clvsim.simulation.ledger import money_scale
from clvsim.simulation.people import existing_blocks
from clvsim.simulation.tracking import position_among, repeat_orders, track
from clvsim.types import DAYS_PER_WEEK, CustomerSummary, ModelScore
from clvsim.validation import scores
from clvsim.validation.result import (
    Cumulative,
    Forecast,
    GroupCheck,
    ModelCheck,
    Prediction,
    RevenueCheck,
    Score,
    Validation,
)
from clvsim.validation.vocabulary import vocabulary_of

PROCESS = "process"
PARAMETER = "parameter + process"
ENVIRONMENT = "parameter + process + environment"
NO_SHOCKS = SdLaw(0.0)
MOST_COHORTS = 12
_CHUNK_CELLS = 1 << 21
LAST_CLASS = 7  # customers with that many repeat orders or more are one class


@dataclass(frozen=True)
class Setting:
    """How hold-outs are simulated; `jobs` and `shard_customers` change no figure."""

    environment: EnvironmentConfig
    draws: int
    seed: int
    jobs: int
    shard_customers: int


@dataclass(frozen=True)
class PerCustomer:
    """(customer,) each, in the order of the summary's rows; `revenue_crps` is nan where the log has no amounts."""

    pit: np.ndarray
    crps: np.ndarray
    revenue_crps: np.ndarray


@dataclass(frozen=True)
class SimulatedHoldout:
    """Orders in the hold-out: by week (w, weeks), by partition and group (w, group), with their money, and figures per
    customer."""

    weekly: np.ndarray
    grouped: Mapping[str, np.ndarray]
    revenue: Mapping[str, np.ndarray]
    customers: PerCustomer


def simulate_holdout(
    fitted: FittedModels,
    summary: CustomerSummary,
    partitions: Mapping[str, np.ndarray],
    shocks_sd: SdLaw,
    setting: Setting,
) -> SimulatedHoldout:
    """Simulate all customers from today to the end of the log.

    `partitions`: for each partition the index of each customer's group, (customer,).
    """
    n = len(summary.customers)
    zeros = np.zeros(n, np.int64)
    blocks, order = existing_blocks(summary, fitted, zeros, zeros, setting.shard_customers)
    actual = summary.customers["holdout_frequency"].to_numpy(np.int64)
    uniform = rng.world_uniforms(rng.text_keys(summary.customers["customer_id"].tolist()), f"pit {setting.seed}")
    paid = paid_in_holdout(summary)
    scale = money_scale(summary.customers["first_amount"].to_numpy(float))
    grouped, revenue = (
        {name: np.zeros((setting.draws, int(group_index.max()) + 1)) for name, group_index in partitions.items()}
        for _ in range(2)
    )
    pit, crps, revenue_crps = np.empty(n), np.empty(n), np.full(n, np.nan)
    simulated_customers = 0

    def add_block(totals: CustomerTotals) -> None:
        nonlocal simulated_customers
        orders, money = totals.orders, to_ledger_units(totals.value, scale)
        rows = order[simulated_customers : simulated_customers + orders.shape[1]]
        simulated_customers += rows.size
        for name, group_index in partitions.items():
            member = np.zeros((rows.size, grouped[name].shape[1]))
            member[np.arange(rows.size), group_index[rows]] = 1.0
            grouped[name] += orders @ member
            revenue[name] += money @ member
        pit[rows] = scores.randomised_pit(orders, actual[rows], uniform[rows])
        crps[rows] = scores.crps_of_draws(orders, actual[rows])
        if paid is not None:
            revenue_crps[rows] = scores.crps_of_draws(money, paid[rows])

    days = fitted.retention.holdout_days(summary)
    weeks = int(np.ceil(days / DAYS_PER_WEEK)) + 1
    weekly = repeat_orders(
        blocks,
        days,
        setting.environment,
        setting.draws,
        setting.seed,
        setting.jobs,
        scale,
        shocks_sd,
        season_by_week(fitted, setting.draws, 1, weeks),
        due_multipliers(fitted, setting.draws, 1, days),
        add_block,
    )
    return SimulatedHoldout(weekly, grouped, revenue, PerCustomer(pit, crps, revenue_crps))


def to_ledger_units(money: np.ndarray, scale: float) -> np.ndarray:
    """Money rounded to the ledger's units, a power of two: sums are exact, so no block and no thread changes a bit."""
    unit = scale / COUNT_UNIT
    return np.rint(money / unit) * unit


def paid_in_holdout(summary: CustomerSummary) -> np.ndarray | None:
    """What each customer paid in the hold-out, (customer,); None where the log has no amounts."""
    frame = summary.customers
    return frame["holdout_amount"].to_numpy(np.float64) if "holdout_amount" in frame else None


def without_parameter_uncertainty(fitted: FittedModels) -> FittedModels:
    """Replace every draw of either model's parameters by its most central one: no parameter uncertainty.

    Central in logarithms (effects, which may be below zero, as they are), scaled by their spread. It is a
    draw and not a mean, so that its parameters are consistent with each other.
    """

    def repeated(params: Params) -> dict[str, np.ndarray]:
        logs = np.array([np.log(v) if (v > 0).all() else v for v in params.values()])
        spread = logs.std(axis=1, keepdims=True)
        distance = (logs - logs.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
        centre = int((distance**2).sum(axis=0).argmin())
        return {name: np.full_like(values, values[centre]) for name, values in params.items()}

    posterior = fitted.posterior
    central = replace(posterior, retention=repeated(posterior.retention), spend=repeated(posterior.spend))
    return replace(fitted, posterior=central)


def cohorts_of(summary: CustomerSummary) -> tuple[list[str], np.ndarray]:
    """Labels of the cohorts by first order, and the index of each customer's cohort, (customer,).

    Cohorts are months, quarters or years, so that there are at most twelve.
    """
    ages = pd.to_timedelta(summary.customers["T_days"].to_numpy(float), unit="D")
    born = pd.Timestamp(summary.today) - ages
    for unit in ("M", "Q", "Y"):
        labels, group_index = np.unique(born.to_period(unit).astype(str).to_numpy(str), return_inverse=True)
        if labels.size <= MOST_COHORTS:
            break
    return [str(label) for label in labels], group_index


def classes_of(summary: CustomerSummary) -> tuple[list[str], np.ndarray]:
    """Labels of the classes by repeat orders in calibration, and the index of each customer's class, (customer,)."""
    x = np.minimum(summary.customers["frequency"].to_numpy(np.int64), LAST_CLASS)
    present, group_index = np.unique(x, return_inverse=True)
    return [f"{k}+" if k == LAST_CLASS else str(k) for k in present], group_index


def check_model(fitted: FittedModels, summary: CustomerSummary, weekly: pd.DataFrame, setting: Setting) -> ModelCheck:
    """One retention model against the hold-out under every set of layers. `weekly`: actual orders of full weeks."""
    alive, active, expected = probabilities(fitted, summary, setting.draws)
    actual, paid = summary.customers["holdout_frequency"].to_numpy(np.int64), paid_in_holdout(summary)
    groupings = {"total": (["all customers"], np.zeros(len(summary.customers), np.int64))}
    groupings |= {"cohorts": cohorts_of(summary), "classes": classes_of(summary), "tenths": tenths_of(expected)}
    expected_money = np.zeros(0)
    if paid is not None:
        expected_money = expected_revenue(fitted, summary, setting.draws)
        groupings["revenue tenths"] = tenths_of(expected_money)
    partitions = {name: group_index for name, (_, group_index) in groupings.items()}
    worlds = {PROCESS: simulate_holdout(without_parameter_uncertainty(fitted), summary, partitions, NO_SHOCKS, setting)}
    worlds[PARAMETER] = simulate_holdout(fitted, summary, partitions, NO_SHOCKS, setting)
    if setting.environment.sd_prior:
        shocks_sd = sd_law(fitted, summary, setting.environment)
        worlds[ENVIRONMENT] = simulate_holdout(fitted, summary, partitions, shocks_sd, setting)
    full_simulation = next(reversed(worlds.values()))

    def checks(name: str, happened: np.ndarray, kind: str = "grouped") -> tuple[GroupCheck, ...]:
        simulated = {layers: getattr(w, kind)[name] for layers, w in worlds.items()}
        return group_checks(*groupings[name], happened, simulated)

    model = fitted.retention
    revenue = None
    if paid is not None:
        prediction = Prediction(expected_money, full_simulation.customers.revenue_crps)
        (total,) = checks("total", paid, "revenue")
        revenue = RevenueCheck(total, checks("revenue tenths", paid, "revenue"), prediction)
    return ModelCheck(
        model=model.kind,
        who_is_lost=model.WHO_IS_LOST,
        method=fitted.method,
        diagnostics=tuple(d for d in fitted.posterior.diagnostics if d.model == model.kind),
        total=checks("total", actual)[0],
        cohorts=checks("cohorts", actual),
        classes=checks("classes", actual),
        tracking=track(
            fitted,
            summary,
            weekly,
            setting.environment,
            draws=setting.draws,
            seed=setting.seed,
            jobs=setting.jobs,
            shard_customers=setting.shard_customers,
        ),
        cumulative=cumulative(full_simulation.weekly, weekly, summary),
        pit=full_simulation.customers.pit,
        by_active=scores.share_checks(active, alive, active, actual > 0),
        by_alive=scores.share_checks(alive, alive, active, actual > 0),
        prediction=Prediction(expected, full_simulation.customers.crps),
        total_crps=float(scores.crps_of_draws(full_simulation.grouped["total"], actual.sum(keepdims=True))[0]),
        tenths=checks("tenths", actual),
        revenue=revenue,
    )


def tenths_of(expected: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Labels of the tenths of the customers by what is expected of them, the most first, and each one's, (customer,).

    Equal predictions share a tenth, so that some have more customers and some have none.
    """
    present, group_index = np.unique(9 - scores.tenths(expected), return_inverse=True)
    return [f"{tenth + 1}" for tenth in present], group_index


def expected_revenue(fitted: FittedModels, summary: CustomerSummary, draws: int) -> np.ndarray:
    """Money expected of each customer in the hold-out, a mean over draws, (customer,): closed form, environment off."""
    distinct, row_of = FittedCustomers.of(fitted, summary, draws).distinct()
    horizon, step = float(summary.holdout_days), max(1, _CHUNK_CELLS // draws)
    means = []
    for first in range(0, int(row_of.max()) + 1, step):
        some = distinct.part(slice(first, first + step))
        orders = some.retention.expected_orders(some.life, some.histories, horizon, some.days_per_unit)
        means.append((orders * expected_spend_per_order(some, horizon, 0.0)).mean(axis=0))
    return np.concatenate(means)[row_of]


def group_checks(
    labels: list[str], group_index: np.ndarray, actual: np.ndarray, simulated: Mapping[str, np.ndarray]
) -> tuple[GroupCheck, ...]:
    """What happened in each group, of `actual` (customer,), beside its worlds by set of layers, (w, group)."""
    customers, came = np.bincount(group_index), np.bincount(group_index, actual)
    return tuple(
        GroupCheck(
            label,
            int(customers[k]),
            float(came[k]),
            {layers: forecast(worlds[:, k], float(came[k])) for layers, worlds in simulated.items()},
        )
        for k, label in enumerate(labels)
    )


def forecast(simulated: np.ndarray, actual: float) -> Forecast:
    low, high = np.quantile(simulated, [0.05, 0.95])
    return Forecast(float(simulated.mean()), float(low), float(high), position_among(simulated, actual))


def probabilities(
    fitted: FittedModels, summary: CustomerSummary, draws: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P(alive today), P(an order in the hold-out), expected orders in it: means over draws, (customer,) each."""
    model, days, params = fitted.retention, fitted.days_per_unit, fitted.retention_draws(slice(draws))
    histories, horizon = model.histories(summary), model.holdout_days(summary)
    tables = [
        np.stack(
            [
                model.probability_alive(params, chunk, days).mean(axis=0),
                model.probability_active(params, chunk, horizon, days).mean(axis=0),
                model.expected_orders(params, chunk, horizon, days).mean(axis=0),
            ]
        )
        for chunk, _ in distinct_histories(histories, draws)
    ]
    alive, active, expected = np.concatenate(tables, axis=1)[:, row_of_each(histories)]
    return alive, active, expected


def cumulative(simulated: np.ndarray, weekly: pd.DataFrame, summary: CustomerSummary) -> Cumulative:
    """Orders since today by full week of the hold-out; `simulated` is (w, weeks)."""
    later = weekly["week_start"].to_numpy().astype("datetime64[D]") > np.datetime64(summary.today.isoformat())
    actual = weekly["orders"].to_numpy()[later].cumsum()
    worlds = simulated[:, : actual.size].cumsum(axis=1)
    low, high = np.quantile(worlds, [0.05, 0.95], axis=0)
    return Cumulative(actual, worlds.mean(axis=0), low, high)


def validate(
    fitted: Mapping[str, FittedModels],
    summary: CustomerSummary,
    weekly: pd.DataFrame,
    setting: Setting,
    leave_one_out: Sequence[ModelScore] = (),
) -> Validation:
    """Check every retention model, the run's own first, and simple rules against the orders held back."""
    models = tuple(check_model(model_fit, summary, weekly, setting) for model_fit in fitted.values())
    actual, paid = summary.customers["holdout_frequency"].to_numpy(np.int64), paid_in_holdout(summary)
    own_fit = next(iter(fitted.values()))
    rules = scores.simple_rules(summary, vocabulary_of(own_fit.retention.renewing))
    ranking, rule_ranking = scores.beside_rules(
        {m.model: m.prediction for m in models}, {name: rule.score(actual) for name, rule in rules.items()}, actual
    )
    revenue_ranking: tuple[Score, ...] = ()
    revenue_rules: tuple[Score, ...] = ()
    if paid is not None:
        revenue_ranking, revenue_rules = scores.beside_rules(
            {m.model: m.revenue.prediction for m in models if m.revenue},
            {name: rule.score_revenue(paid) for name, rule in rules.items()},
            paid,
        )
    return Validation(
        models=models,
        scores=ranking,
        rules=rule_ranking,
        rule_words={name: rule.words for name, rule in rules.items()},
        revenue_scores=revenue_ranking,
        revenue_rules=revenue_rules,
        leave_one_out=tuple(leave_one_out),
        customers=len(summary.customers),
        first_date=summary.first_date,
        today=summary.today,
        last_date=summary.last_date,
        environment=bool(setting.environment.sd_prior),
        draws=setting.draws,
        draft=any(model_fit.posterior.is_draft for model_fit in fitted.values()),
        poor_fit=any(failed(model_fit.posterior.diagnostics) for model_fit in fitted.values()),
        warnings=own_fit.posterior.warnings,
        merged_days=summary.opportunity_days,
        shared_period=summary.shared_period,
        renewing=own_fit.retention.renewing,
        shared=shared.kinds if (shared := several_of(own_fit.retention)) else {},
    )
