"""From a customer summary to a posterior that passed its diagnostics, or came out of the cache."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.models import cache, elsewhere, hazards, inference, sampling, shocks
from clvsim.models.around import plans, pooling, season
from clvsim.models.around.path import PathPrior
from clvsim.models.asked import Asked
from clvsim.models.compiled import compile_model, keep_compiled
from clvsim.models.config import FitConfig
from clvsim.models.diagnostics import diagnose, failed
from clvsim.models.fitted import OBSERVED, FittedModels, implausible_draws
from clvsim.models.laws import RECOVERY, Params, rows_of
from clvsim.models.protocol import Correlated, RetentionModel, SpendModel
from clvsim.models.retention import recovery
from clvsim.models.retention.mbg_nbd import MbgNbd
from clvsim.models.spend import gamma_gamma, paid
from clvsim.schema import Frozen
from clvsim.types import DAYS_PER_UNIT, CustomerSummary, Diagnostic, DrawMethod, Posterior

WORTH_SAYING_SECONDS = 3.0  # that a fit takes
LARGE_TABLE = 500  # distinct rows from which `auto` tries laplace; docs/models/inference.md says why
FEW_ROWS, LONGER = 500, 4  # up to so many rows, chains that have not mixed are sampled again, so many times as long
_DRAFT = (
    "Draft, fitted by fit.method=map: parameter uncertainty is left out, so every interval is too narrow and every "
    "decision looks surer than it is"
)
_NOBODY = 0.01  # share of repeat customers


def fit(
    summary: CustomerSummary,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    *,
    months: PathPrior | None = None,
    cache_dir: Path | str | None = None,
    log: Callable[[str], None] | None = None,
    amounts_fitted: "list[ModelDraws] | None" = None,
) -> FittedModels:
    """Fit a retention and a spend model to customers, and hold the draws to the limits of their diagnostics.

    Parameters
    ----------
    summary
        The customers, one row each.
    retention
        Section of a retention model: its priors and settings.
    spend
        Section of a spend model.
    config
        How draws are made, and how many. Files in `config.posterior` are read instead of fitting what they hold.
    months
        Priors of the path that all customers' order rate took from month to month, learned of a log with dated orders
        where the model runs on a clock, and part of each draw (`EnvironmentConfig.path_prior`). None: nothing is
        learned of months, and shocks to come start from nowhere in particular.
    cache_dir
        Folder of cached posteriors. None: the user's, of `clvsim.models.cache.cache_folder`.
    log
        Receives notes for the user: a fit that starts, a cache that cannot be read or written.
    amounts_fitted
        An empty list, which keeps the spend model's draws for the next retention model fitted to the same summary.

    Returns
    -------
    FittedModels
        Both models, with levels or seasons as their sections ask, and a `Posterior` with `config.draws` draws of each
        parameter, (draw,), in an order fixed by `config.seed`; as many as the shortest file holds where there are
        files. What warrants a warning is in `Posterior.warnings`.

    Raises
    ------
    ConfigError
        Groups, covariates or seasons of which nothing can be learned; a file that cannot be used.
    DiagnosticsError
        A model has nothing to learn from; laplace or map find no single mode; R-hat, ESS, divergences or Pareto k fail
        their limits. The last are warnings under `config.allow_poor`.

    Notes
    -----
    A posterior that failed is cached only under `allow_poor`, and one out of the cache is held to the limits again.
    Retention and spend are fitted one after the other, and independently unless amounts go with the order rate. Methods
    and their sources: docs/models/inference.md.

    Examples
    --------
    CDNOW's first 39 weeks; published are r 0.243, alpha 4.414, a 0.793, b 2.426 (Fader, Hardie and Lee 2005):

    >>> import clvsim
    >>> from clvsim.data.config import DataConfig
    >>> from clvsim.models import RETENTION, SPEND
    >>> from clvsim.models.config import FitConfig
    >>> data = DataConfig(kind="bundled", path="cdnow_sample", calibration_end="1997-09-30")
    >>> summary = clvsim.summarize(clvsim.read_transactions(config=data))
    >>> config = FitConfig(method="laplace", draws=400, cache=False)
    >>> fitted = clvsim.fit(summary, RETENTION["bg_nbd"](), SPEND["gamma_gamma"](), config)
    >>> {name: round(float(draws.mean()), 1) for name, draws in fitted.posterior.retention.items()}
    {'r': 0.2, 'alpha': 4.4, 'a': 0.8, 'b': 2.5}
    """
    say = log or (lambda note: None)
    retention, purchases, amounts = learnable(summary, retention, spend)
    folder = cache.cache_folder(cache_dir) if config.cache and not config.posterior else None
    months = months if summary.dated.repeat_orders_by_day is not None and learns_months(retention) else None
    key = _key(purchases, amounts, retention, spend, config, summary, months) if folder else ""
    asked = Asked(retention, spend, summary, months, config.draws, _ways(config, purchases, amounts))
    cached = cache.load(folder, key, asked, say) if folder else None
    if cached is None:
        spend_draws = [] if amounts_fitted is None else amounts_fitted
        fitted = _draw(purchases, amounts, retention, spend, config, summary, months, say, spend_draws)
    else:
        fitted = replace(cached, posterior=replace(cached.posterior, from_cache=True))

    posterior = fitted.posterior
    if wrong := implausible_draws(fitted):
        raise DiagnosticsError([("fit", f"draws that no parameter can have: {what}") for what in wrong])
    failures = failed(posterior.diagnostics)
    if failures and not config.allow_poor:
        raise DiagnosticsError(failures)
    if cached is None and folder:
        cache.store(fitted, folder, key, say)
    poor = tuple(f"Poor fit, allowed by fit.allow_poor: {what}" for _, what in failures)
    draft = (_DRAFT,) if posterior.is_draft else ()
    against_the_data = (
        *((shocks.NOTHING_LEARNED,) if months and shocks.path_of(fitted.retention) is None else ()),
        *attrition_warnings(fitted, summary),
        *fitted.retention.warnings(summary, posterior.retention),
        *fitted.spend.warnings(summary, posterior.spend),
    )
    return replace(fitted, posterior=replace(posterior, warnings=draft + poor + against_the_data))


def learnable(
    summary: CustomerSummary, retention: RetentionModel, spend: SpendModel
) -> tuple[RetentionModel, Any, Any]:
    """The retention model with levels or seasons as its section asks, and both models' rows. Raises as `fit` does."""
    retention = pooling.configured(retention, summary, season.configured(retention, summary))
    return retention, *_all_or_problems(
        lambda: retention.sufficient(summary),
        lambda: spend.sufficient_jointly(summary, retention) if is_correlated(spend) else spend.sufficient(summary),
    )


def is_correlated(spend: SpendModel) -> TypeGuard[Correlated]:
    """Whether a spend model needs the retention model's order rates."""
    return spend.correlated


def attrition_warnings(fitted: FittedModels, summary: CustomerSummary) -> tuple[str, ...]:
    """Says when practically all repeat customers have left, or none: then little of a forecast was seen in the data.

    Judged by the mean P(alive) of at most 2,000 of them over 50 draws; contracts say themselves who has left.
    """
    retention = fitted.retention
    repeat_buyers = np.flatnonzero(summary.customers["frequency"].to_numpy() > 0)
    if retention.renewing or not repeat_buyers.size:
        return ()
    sampled = repeat_buyers[:: -(-repeat_buyers.size // 2000)]
    histories = rows_of(retention.histories(summary), sampled)
    params = fitted.retention_draws(slice(50))
    alive = float(retention.probability_alive(params, histories, fitted.days_per_unit).mean())
    if alive < _NOBODY:
        return (
            f"Practically everybody has left: of those who ordered more than once {alive:.2%} count as still there. "
            "What the customers of today are worth rests on hardly anybody (is data.today too late?)",
        )
    if alive > 1 - _NOBODY:
        return (
            f"Hardly anybody has left: of those who ordered more than once {1 - alive:.2%} count as gone. How long "
            "customers stay was not seen: beyond the length of the data, forecasts rest on the model's form and priors",
        )
    return ()


def _all_or_problems(*steps: Callable[[], Any]) -> list[Any]:
    """Results of all steps; the problems of all that failed, together."""
    results: list[Any] = []
    problems: list[Problem] = []
    for step in steps:
        try:
            results.append(step())
        except DiagnosticsError as error:
            problems.extend(error.problems)
    if problems:
        raise DiagnosticsError(problems)
    return results


def _ways(config: FitConfig, *tables: Any) -> tuple[str, ...]:
    """How each table is fitted: `config.method`, where `auto` is nuts for a small one and remains `auto` else."""
    small = "nuts" if config.method == "auto" else config.method
    return tuple(config.method if len(rows.count) >= LARGE_TABLE else small for rows in tables)


def _key(
    purchases: Any,
    amounts: Any,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    summary: CustomerSummary,
    months: PathPrior | None,
) -> str:
    settings: dict[str, Any] = {"ways": _ways(config, purchases, amounts), "time_unit": summary.time_unit}
    if months:
        settings["months"] = [months.model_dump(), str(summary.first_date), str(summary.today)]
        purchases = DatedRows(purchases, rows_beside(retention, summary), summary.dated.repeat_orders_by_day)
    settings |= {name: getattr(config, name) for name in ("draws", "chains", "tune", "seed")}
    shares = [rows for rows in (paid.rows(summary), recovery.all_charges(retention, summary)) if rows]
    return cache.content_key([purchases, amounts, *shares], [retention, spend], settings)


def _draw(
    purchases: Any,
    amounts: Any,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    summary: CustomerSummary,
    months: PathPrior | None,
    say: Callable[[str], None],
    spend_draws: "list[ModelDraws]",
) -> FittedModels:
    """Draws of both models, out of files where these hold them and fitted else; as many as the shortest of them has.

    `kept` holds the spend model's draws if there are any, and receives them else: they are the same for all models,
    unless amounts go with the order rate.
    """
    time_unit = summary.time_unit
    parts = elsewhere.merged(config.posterior, retention.kind)
    life, money = parts.get("retention"), parts.get("spend")
    if money and money.kind != spend.kind:
        what = f"holds a posterior of {money.kind}, and the run asks for {spend.kind}; type spend={money.kind}"
        raise ConfigError([("fit.posterior", what)])
    for key in ("correlated", "trend"):
        if money and getattr(money.model, key) != (asked := getattr(spend, key)):
            was = f"spend.{key}={str(not asked).lower()}"
            what = f"was fitted with {was}, and the run asks for the other; type {was}"
            raise ConfigError([("fit.posterior", what)])
    if life:
        _same_settings(retention, life.model)
        life = as_of(life, summary, months, say)
        time_unit = elsewhere.unit_of(life, config.posterior_time_unit)
    days, draws = DAYS_PER_UNIT[time_unit], min([config.draws, *(part.draws for part in parts.values())])
    retention_method, spend_method = _ways(config, purchases, amounts)

    fitted_model = life.model if life else retention

    def orders(free: Params) -> dict[str, np.ndarray]:
        return spend.natural(free, amounts, config.seed)

    def permuted(model_draws: ModelDraws) -> ModelDraws:
        """Chains one after the other would make the first n draws those of one chain."""
        return model_draws._replace(params=elsewhere.permuted(model_draws.params, draws, config.seed))

    def lives(model: Any, rows: Any, apart: int = 0) -> ModelDraws:
        own = config.model_copy(update={"seed": (config.seed + apart) % 2**32})
        return permuted(fit_one(model, rows, lambda free: model.natural(free, rows, days), retention_method, own, say))

    def by_months(model: Any, draws: ModelDraws, known: CustomerSummary) -> tuple[Any, ModelDraws]:
        return with_months(model, draws, known, months, days, config, say) if months else (model, draws)

    if life:
        first = permuted(ModelDraws(life.params, life.diagnostics, life.method))
    else:
        fitted_model, first = plans.fit_each(retention, purchases, summary, lives, by_months)
    if money:
        second = permuted(ModelDraws(money.params, money.diagnostics, money.method))
        if "first_order_factor" not in second.params and money.kind == "gamma_gamma":
            mean = gamma_gamma.expected_spend_new(second.params)[:, 0]
            second.params["first_order_factor"] = gamma_gamma.first_order_factor(mean, amounts, config.seed)
    elif is_correlated(spend):
        amounts = spend.given_rates(amounts, fitted_model, first.params, days)
        second = permuted(fit_one(spend, amounts, orders, spend_method, config, say))
        second = add_derived(spend, second, amounts, fitted_model, first.params, days, config.seed)
    else:
        if not spend_draws:
            spend_draws.append(fit_one(spend, amounts, orders, spend_method, config, say))
        second = permuted(spend_draws[0])
    if unpaid := paid.rows(summary):
        shares = paid.learn(unpaid, draws, config.seed)
        second.params.update((one_point(shares) if config.method == "map" else shares) | second.params)
    if charges := recovery.all_charges(fitted_model, summary):
        chance = {RECOVERY: recovery.learn(charges, draws, config.seed)}
        first.params.update((one_point(chance) if config.method == "map" else chance) | first.params)
    posterior = Posterior(
        retention=first.params,
        spend=second.params,
        time_unit=time_unit,
        diagnostics=first.diagnostics + second.diagnostics,
        retention_method=first.method,
        spend_method=second.method,
        seen=life.seen if life else None,
    )
    return FittedModels(fitted_model, money.model if money else spend, posterior)


def learns_months(retention: RetentionModel) -> bool:
    """Whether the months of a log with dated orders can be learned."""
    return shocks.learns(retention) or hazards.renews(retention)


def rows_beside(retention: RetentionModel, summary: CustomerSummary) -> Any:
    """What months are learned from, where the model's own rows do not have it."""
    if hazards.renews(retention):
        return hazards.dated(retention, summary)
    return () if summary.by_day is None else MbgNbd().sufficient(summary.by_day)


class DatedRows(NamedTuple):
    """All that a posterior with a path of months follows from."""

    rows: Any
    beside: Any
    daily: Any


def with_months(
    retention: RetentionModel,
    draws: "ModelDraws",
    summary: CustomerSummary,
    months: PathPrior,
    days_per_unit: float,
    config: FitConfig,
    say: Callable[[str], None],
) -> tuple[RetentionModel, "ModelDraws"]:
    """The model by the clock of its months, and its draws with their path; as they were, and said, without a mode."""
    try:
        if hazards.renews(retention):
            model, params = hazards.learn_hazard(retention, draws.params, draws.centre(), summary, months, config.seed)
        elif shocks.has_clock(retention):
            model, params = shocks.learn(
                retention, draws.params, draws.centre(), summary, months, days_per_unit, config.seed
            )
        else:
            dated, size = summary.dated, next(iter(draws.params.values())).size
            why = f", beside {retention.kind}, to learn how the months of the log differed"
            beside = months_beside(dated, size, months, days_per_unit, config, lambda note: say(note + why))
            model, params = shocks.learn_pace(retention, draws.params, beside, dated, days_per_unit)
    except DiagnosticsError as error:
        why = error.problems[0].what.split(";")[0].removeprefix("mbg_nbd: ").removeprefix(f"{retention.kind}: ")
        say(f"{retention.kind}: {why}: nothing is learned of the months up to today")
        return retention, draws
    return model, draws._replace(params=one_point(params) if draws.method.name == "map" else params)


def months_beside(
    summary: CustomerSummary,
    draws: int,
    months: PathPrior,
    days_per_unit: float,
    config: FitConfig,
    say: Callable[[str], None],
) -> tuple[RetentionModel, Params, Params]:
    """MBG/NBD by the clock of the log's months, for a model without one: itself, parameters with the path, without it.

    Raises DiagnosticsError where laplace finds no mode.
    """
    model = MbgNbd()
    rows = model.sufficient(summary)
    asked = config.model_copy(update={"draws": draws})
    fitted = fit_one(model, rows, lambda free: model.natural(free, rows, days_per_unit), "laplace", asked, say)
    with_path = shocks.learn(model, fitted.params, fitted.centre(), summary, months, days_per_unit, config.seed)
    return *with_path, fitted.params


def as_of(
    life: elsewhere.Part, summary: CustomerSummary, months: PathPrior | None, say: Callable[[str], None]
) -> elsewhere.Part:
    """Draws of a file; without their path of months where that ends on another day, or is not to be used."""
    path = shocks.path_of(life.model)
    if path is None:
        if months:
            say(
                "fit.posterior: it has learned no months of the log, so shocks to come start from their long-run law, "
                "with the sd's prior"
            )
        return life
    if path.today == summary.today and months:
        return life
    if path.today != summary.today:
        say(
            f"fit.posterior: the months that it learned end on {path.today}, today is {summary.today}: shocks to come "
            "start from their long-run law instead"
        )
    model, params = shocks.without_path(life.model, life.params)
    return life._replace(model=model, params=params)


def _same_settings(retention: RetentionModel, fitted: RetentionModel) -> None:
    """Refuse draws of a model that tells other customers or days apart than the run asks for, or renews otherwise."""
    fitted, _ = shocks.without_path(fitted, {})
    asked, present = retention.model_dump(mode="json"), fitted.model_dump(mode="json")
    settings = {
        "design": "retention.pool and retention.covariates",
        "calendar": "retention.season and retention.promotions",
        "by_plan": f"retention.renewal={plans.BY_PLAN}",
        **{name: f"retention.{name}" for name in ("renewal", "grace_days", "recovery_days", "pauses", "opportunity")},
        **{name: f"retention.{name}" for name in ("opportunity_days", "opportunity_anchor")},
    }
    different = [words for name, words in settings.items() if name in asked and asked[name] != present.get(name)]
    if different:
        what = f"was not fitted with what the run asks for in {' or '.join(different)}, or not to these data"
        raise ConfigError([("fit.posterior", what)])


def _no_centre() -> shocks.Centre:
    raise DiagnosticsError([("fit", "a file holds draws, and no mode")])


class ModelDraws(NamedTuple):
    """One model's draws of its natural parameters, each (draw,), and how they came about.

    `centre` finds the mode. Raises DiagnosticsError where there is none.
    """

    params: dict[str, np.ndarray]
    diagnostics: tuple[Diagnostic, ...]
    method: DrawMethod
    centre: Callable[[], shocks.Centre] = _no_centre


def fit_one(
    model: RetentionModel | SpendModel,
    rows: Any,
    natural: Callable[[Params], dict[str, np.ndarray]],
    way: str,
    config: FitConfig,
    say: Callable[[str], None],
) -> ModelDraws:
    """Draws of one model on its distinct rows. `natural` maps its free variables to the paper's parameters.

    `way` is nuts, laplace, map, or `auto`: laplace if its diagnostics allow it, else nuts.
    """
    keep_compiled()
    built = model.build(rows)
    if built is None:
        standard = np.random.default_rng([config.seed, 3]).standard_normal(config.draws)
        return ModelDraws(natural({"normal": standard * (way != "map")}), (), DrawMethod(OBSERVED))
    how, n = "laplace" if way == "auto" else way, len(rows.count)
    if how != "map" and sampling.expected_seconds(how, n, config) >= WORTH_SAYING_SECONDS:
        say(f"fitting {model.kind} on {n:,} distinct histories by {how}{sampling.in_seconds(how, n, config)}")
    compiled = compile_model(built, model.model_dump_json() if isinstance(model, Frozen) else None)  # data shape others

    def centre() -> shocks.Centre:
        target, mode = inference.centre(compiled, model.kind, config.seed)
        return shocks.Centre(mode, lambda points: natural(target.constrain(points)))

    if way == "map":
        free, diagnostics = inference.mode_only(compiled, model.kind, config.draws, config.seed)
        return ModelDraws(one_point(natural(free)), diagnostics, DrawMethod("map"), centre)
    if way in ("laplace", "auto"):
        try:
            free, diagnostics = inference.laplace(compiled, model.kind, len(rows.count), config.draws, config.seed)
            if way == "auto" and (poor := failed(diagnostics)):
                raise DiagnosticsError(poor)
            return ModelDraws(natural(free), diagnostics, DrawMethod("laplace"), centre)
        except DiagnosticsError as error:
            if way == "laplace":
                raise
            seconds = sampling.in_seconds("nuts", n, config)
            say(f"{error.problems[0].what.split(';')[0]}: sampling by nuts instead{seconds}")
    few = len(rows.count) <= FEW_ROWS and not config.allow_poor
    for longer in (1, LONGER) if few else (1,):
        free, divergences = sampling.sample(compiled, config, longer)
        params = natural(free)
        diagnostics = diagnose(model.kind, params, divergences, config.chains)
        if not failed(diagnostics):
            break
        if few and longer == 1:
            say(f"{failed(diagnostics)[0].what.split(';')[0]}: sampling {LONGER} times as long")
    return ModelDraws(params, diagnostics, DrawMethod("nuts"), centre)


def add_derived(
    spend: Correlated,
    draws: ModelDraws,
    amounts: Any,
    retention: RetentionModel,
    life: Params,
    days_per_unit: float,
    seed: int,
) -> ModelDraws:
    """With the parameters that follow from both models' draws, of a spend model that goes with the order rate."""
    params = spend.add_derived(draws.params, amounts, retention, life, days_per_unit, seed)
    return draws._replace(params=one_point(params) if draws.method.name == "map" else params)


def one_point(params: Params) -> dict[str, np.ndarray]:
    """Without spread: averaged, since a figure beside the model's own (first orders) has draws of its own."""
    return {name: np.full_like(values, values.mean()) for name, values in params.items()}
