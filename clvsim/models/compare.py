"""Which retention model? Leave-one-customer-out log scores, stacking weights, and each model's portfolio forecast.

PSIS-LOO: Vehtari, Gelman & Gabry 2017, "Practical Bayesian model evaluation using leave-one-out cross-validation and
WAIC", Statistics and Computing 27, smoothing as in Vehtari et al. 2024 (see `inference`). Stacking: Yao, Vehtari,
Simpson & Gelman 2018, Bayesian Analysis 13(3). What a model says of one customer does not depend on the others given
the parameters, so leaving a customer out is dividing by that customer's likelihood. docs/models/comparison.md.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.models import RETENTION
from clvsim.models.around.by_calendar import calendar_of
from clvsim.models.around.path import PathPrior
from clvsim.models.around.pooling import Pooled
from clvsim.models.auto import Auto, fit_auto
from clvsim.models.config import FitConfig
from clvsim.models.fit import ModelDraws, fit
from clvsim.models.fitted import FittedModels, expected_portfolio_orders
from clvsim.models.laws import unique_rows
from clvsim.models.loo import leave_one_out
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.types import CustomerSummary, ModelScore


def stacking_weights(elpd: np.ndarray) -> np.ndarray:
    """Shares (model,) that maximise the log score of the mixture, Σ log Σ_k w_k exp(elpd_k); `elpd` (customer, model).

    The score is concave in w, so the maximum is the only one.
    """
    from scipy.optimize import minimize

    rows, count = unique_rows([*elpd.T])
    density = np.exp(rows - rows.max(axis=1, keepdims=True))
    models = elpd.shape[1]

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        mixed = density @ w
        return -float(count @ np.log(mixed)) / count.sum(), -(count / mixed) @ density / count.sum()

    optimum = minimize(
        loss,
        np.full(models, 1 / models),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * models,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": np.ones_like},
        options={"ftol": 1e-14, "maxiter": 500},
    )
    weights = np.clip(optimum.x, 0.0, None)
    return weights / weights.sum()


# What a section says of the data and of how customers differ, unlike its priors: the same for all that are compared.
_SHARED = (
    "renewal",
    "plan",
    "plan_periods",
    "pauses",
    "grace_days",
    "season",
    "promotions",
    "pool",
    "pool_sd",
    "covariates",
)


def compared_models(retention: RetentionModel, names: Sequence[str]) -> dict[str, RetentionModel]:
    """The run's own model first, then those of `fit.compare` with their default priors and the own model's settings.

    Raises ConfigError for a model that cannot do without settings of its own, or that reads other histories.
    """
    from pydantic import ValidationError

    models: dict[str, RetentionModel] = {retention.kind: retention}
    problems = []
    for name in names:
        if name in models:
            continue
        if what := _other_data(retention, name):
            problems.append(Problem("fit.compare", what))
            continue
        fields = RETENTION[name].model_fields
        shared = {key: getattr(retention, key) for key in _SHARED if key in fields and hasattr(retention, key)}
        if shared.get("season") == "auto":  # no season was found, and only `auto` looks for one
            del shared["season"]
        try:
            models[name] = RETENTION[name](**shared)
        except ValidationError:
            problems.append(Problem("fit.compare", f"{name} needs settings of its own: choose it by retention={name}"))
    if problems:
        raise ConfigError(problems)
    return models


def _other_data(retention: RetentionModel, name: str) -> str:
    """Why the model of that name cannot be set beside the own one: they do not read the same histories. "" if it can.

    What is read of a log is a time of each order, yes or no in each period, or a contract and its end: densities and
    probabilities of different things are not on one scale.
    """
    own, renewing = retention.kind, RETENTION[name].renewing
    if renewing != retention.renewing:
        about = (name, own) if renewing else (own, name)
        return "{} is about contracts that renew and {} about orders: they do not read the same of a log".format(*about)
    other = RETENTION[name].model_fields.get("opportunity_days")
    if (other is not None) != bool(retention.opportunity_days):
        return f"{name} and {own} do not see the same orders: one of them merges those of a period"
    return ""


def fit_all(
    summary: CustomerSummary,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    log: Callable[[str], None] | None = None,
    months: PathPrior | None = None,
) -> dict[str, FittedModels]:
    """The run's model and all it is compared with, fitted, each out of the cache where it is there.

    The own model's failure raises what `fit` raises; others as in `with_others`.
    """
    amounts: list[ModelDraws] = []
    if isinstance(retention, Auto):
        own = fit_auto(retention, summary, spend, config, months, log)
    else:
        own = fit(summary, retention, spend, config, months=months, log=log, amounts_fitted=amounts)
    return with_others(own, summary, retention, spend, config, log, months, amounts)


def with_others(
    own: FittedModels,
    summary: CustomerSummary,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    log: Callable[[str], None] | None = None,
    months: PathPrior | None = None,
    amounts: list[ModelDraws] | None = None,
) -> dict[str, FittedModels]:
    """A run's fitted model by its name, and those of `config.compare`, fitted.

    One that cannot be fitted, or misses a limit, is left out: that is said, and a warning of the run's own model.
    `amounts`: see `fit`.
    """
    (name_of_own, _), *others = compared_models(retention, config.compare).items()
    amounts = [] if amounts is None else amounts
    fitted, left_out = {}, []
    for name, model in others:
        try:
            fitted[name] = fit(summary, model, spend, config, months=months, log=log, amounts_fitted=amounts)
        except DiagnosticsError as error:
            why = "; ".join(what for _, what in error.problems)
            left_out.append(f"{name} is left out of the comparison: {why}")
            if log:
                log(left_out[-1])
    warned = replace(own.posterior, warnings=own.posterior.warnings + tuple(left_out))
    return {name_of_own: replace(own, posterior=warned), **fitted}


def without(model: RetentionModel, first: RetentionModel) -> tuple[str, ...]:
    """What the run's own model, `first`, tells apart and this one cannot, in words."""
    words = {
        "groups and covariates": lambda one: isinstance(one, Pooled),
        "months, promotions and the path of shocks": lambda one: calendar_of(one) is not None,
    }
    return tuple(differences for differences, known in words.items() if known(first) and not known(model))


def compare_models(
    fitted: Mapping[str, FittedModels], summary: CustomerSummary, horizon_days: float
) -> tuple[ModelScore, ...]:
    """Log scores, stacking weights and forecasts side by side, in their order; all are of the same histories."""
    first = next(iter(fitted.values()))
    scores = [leave_one_out(models, summary) for models in fitted.values()]
    table = np.column_stack([score.elpd for score in scores])
    best = int(table.sum(axis=0).argmax())
    table_rows = []
    for models, score, weight in zip(fitted.values(), scores, stacking_weights(table), strict=True):
        orders = expected_portfolio_orders(models, summary, horizon_days)
        low, high = np.quantile(orders, [0.05, 0.95])
        behind = score.elpd - table[:, best]
        table_rows.append(
            ModelScore(
                model=models.retention.kind,
                elpd=float(score.elpd.sum()),
                difference=float(behind.sum()),
                difference_se=float(behind.std(ddof=1) * np.sqrt(behind.size)) if behind.size > 1 else np.nan,
                parameters=score.parameters,
                weight=float(weight),
                unreliable=score.unreliable,
                orders=float(orders.mean()),
                orders_p05=float(low),
                orders_p95=float(high),
                without=without(models.retention, first.retention),
            )
        )
    return tuple(table_rows)
