"""`retention=auto`: several models of the same orders, weighed by how they predict, in one posterior.

The truth is none of the models, and which of them predicts a shop best cannot be told from the fit alone. Each is
fitted; weights are the mean, over Bayesian bootstraps of the customers, of pseudo-BMA weights (Yao, Vehtari, Simpson &
Gelman 2018, Bayesian Analysis 13(3), section 2.2; bootstrap as their pseudo-BMA+). The score of a customer is the log
of the mean over draws, fitted to the log up to a cut, of L(history to today | theta) / L(history to the cut | theta);
where nothing is held back it is the one by leave-one-out. Stacking is all or nothing between models that are nearly
equal. docs/models/several.md.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field, field_validator

from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.models import RETENTION, cache, elsewhere
from clvsim.models.around.levels import Poolable, Scale
from clvsim.models.around.path import PathPrior
from clvsim.models.around.season import Seasonable, Word
from clvsim.models.around.several import (
    KIND,
    MODEL,
    Several,
    moved,
    named,
    own_of,
    several_of,
    shared_out,
    van_der_corput,
)
from clvsim.models.config import FitConfig
from clvsim.models.fit import ModelDraws, as_of, fit
from clvsim.models.fitted import FittedModels, expected_portfolio_orders
from clvsim.models.laws import rows_of
from clvsim.models.loo import leave_one_out
from clvsim.models.protocol import RetentionModel, SpendModel
from clvsim.models.retention.purchases import DropoutPriors
from clvsim.models.shocks import path_of, without_path
from clvsim.schema import Share
from clvsim.special import logsumexp, ndtri
from clvsim.types import CustomerSummary, HoldoutCheck, Posterior

MEMBERS = ("bg_nbd", "mbg_nbd", "pareto_nbd")
BOOTSTRAPS = 200
LEAST = 0.05  # a smaller weight is none
SCORED_DRAWS = 500
_SEED = 20181  # second word of seeds: of bootstraps, and of the discrepancy
_WIDEST = 6.0  # of s, in its prior's scale
_POINTS = 400


class Auto(Seasonable, Poolable):
    """Which models share the draws, and what each of them is asked for.

    `season`, `promotions`, `pool`, `covariates` go to every member; one that does not know a key that is used is left
    out. `season`: `auto` models months of the year where two years of the log show that they differ. `discrepancy_sd`:
    scale of the half-normal prior on how far the log of all orders ahead is off beyond what the models disagree about;
    0 switches the layer off. `lost_after_one` leaves out members under which nobody has left who ordered once: a run
    with win-backs sets it, which would have nobody to bring back there, and one with a valuation, whose years would
    never become steady.
    """

    WHO_IS_LOST: ClassVar[str] = ""  # what the models say that have a share
    TIMES: ClassVar[tuple[str, ...]] = ()
    SCALES: ClassVar[Mapping[str, Scale]] = DropoutPriors.SCALES
    interval_days: ClassVar[float] = 0.0
    opportunity_days: ClassVar[float] = 0.0
    kind: Literal["auto"] = KIND
    season: Annotated[Literal["auto", "off", "month"], Word] = "auto"  # ty: ignore[incompatible-attribute-override]
    members: Annotated[tuple[str, ...], Field(max_length=32)] = MEMBERS
    discrepancy_sd: Share = 0.05
    lost_after_one: bool = False

    @field_validator("members")
    @classmethod
    def _are_models_of_orders(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [
            name for name, model in RETENTION.items() if not model.renewing and "opportunity_days" not in fields(name)
        ]
        if wrong := [name for name in names if name not in known]:
            raise ValueError(f"{', '.join(wrong)} cannot share draws; choose from {', '.join(known)}")
        if not names:
            raise ValueError(f"needs a model; choose from {', '.join(known)}")
        return tuple(dict.fromkeys(names))

    @property
    def shared(self) -> dict[str, Any]:
        """Settings that go to every member, those in use."""
        keys = {"season": self.season == "month", "promotions": bool(self.promotions), "pool": self.pool is not None}
        keys |= {"covariates": self.covariates != type(self.covariates)()}
        used = {key: getattr(self, key) for key, used in keys.items() if used}
        return used | ({"pool_sd": self.pool_sd} if self.levelled else {})

    def sections(self) -> tuple[dict[str, RetentionModel], dict[str, str]]:
        """Members by name, and those that are left out, with the key that they do not know."""
        sections, out = {}, {}
        for name in self.members:
            unknown = [key for key in self.shared if key not in fields(name)]
            if self.lost_after_one and stays_after_one(name):
                out[name] = "under it nobody has left who ordered once, however long ago"
            elif unknown:
                out[name] = f"it knows no retention.{unknown[0]}"
            else:
                sections[name] = RETENTION[name](**self.shared)
        if not sections:
            raise ConfigError([("retention.members", f"no member is left: {'; '.join(out.values())}")])
        return sections, out


def stays_after_one(name: str) -> bool:
    """Whether under a model nobody has left who ordered once."""
    return getattr(RETENTION.get(name), "LOST_AT_BIRTH", 1) == 0


def never_lost(retention: Any) -> list[str]:
    """Models of the draws under which nobody has left who ordered once."""
    shared = several_of(retention)
    kinds = [one.kind for one in shared.models] if shared else [retention.kind]
    return [kind for kind in kinds if stays_after_one(kind)]


def steady_problem(retention: Any) -> str:
    """Why a model cannot carry a valuation; "" where it can.

    Who cannot be lost without another order is there for ever, so that customers pile up as newcomers come, and no year
    repeats the one before.
    """
    never = ", ".join(never_lost(retention))
    return never and (
        f"under {never} nobody leaves without another order, so that one-time buyers pile up for ever and no year of a "
        "valuation becomes steady; choose retention=auto, mbg_nbd, mbg_cnbd or pareto_nbd"
    )


def win_back_problem(retention: Any) -> str:
    """Why win-backs cannot be simulated with a model; "" where they can. Contracts skip them anyway."""
    if never := never_lost(retention):
        return (
            f"under {', '.join(never)} nobody has left who ordered once, so that a win-back has nobody to bring back; "
            "choose retention=auto, mbg_nbd, mbg_cnbd or pareto_nbd"
        )
    if not retention.renewing and retention.interval_days:
        return f"{retention.kind} has orders at fixed opportunities, to which a win-back cannot bring anybody; drop it"
    return ""


def fields(name: str) -> Mapping[str, Any]:
    return RETENTION[name].model_fields


class Weighing(NamedTuple):
    """Models with their weights, those left out with the reason, and by what they were weighed."""

    weights: dict[str, float]
    left_out: dict[str, str]
    forward: bool  # by the last part of the log; else by leave-one-out


def fit_members(
    auto: Auto,
    summary: CustomerSummary,
    spend: SpendModel,
    config: FitConfig,
    months: PathPrior | None,
    say: Callable[[str], None] | None,
) -> tuple[dict[str, FittedModels], dict[str, str]]:
    """Each member fitted, and those left out with the reason: a key that it does not know, or diagnostics that fail.

    `fit.method=auto` is Laplace for each, on small tables too, and what it is else where that fails: chains of several
    models, fitted twice, would take minutes.

    Raises the errors of all, each once, where every member fails.
    """
    sections, out = auto.sections()
    fitted: dict[str, FittedModels] = {}
    errors: list[DiagnosticsError] = []
    amounts: list[ModelDraws] = []

    def fit_member(section: RetentionModel, config: FitConfig) -> FittedModels:
        return fit(summary, section, spend, config, months=months, log=say, amounts_fitted=amounts)

    quick = config.model_copy(update={"method": "laplace"}) if config.method == "auto" else config
    for name, section in sections.items():
        try:
            try:
                fitted[name] = fit_member(section, quick)
            except DiagnosticsError:
                if quick is config:
                    raise
                fitted[name] = fit_member(section, config)
        except DiagnosticsError as error:
            errors.append(error)
            out[name] = "; ".join(problem.what for problem in error.problems)
    if not fitted:
        raise DiagnosticsError(dict.fromkeys(problem for error in errors for problem in error.problems))
    return on_one_footing(fitted), out


def on_one_footing(fitted: dict[str, FittedModels]) -> dict[str, FittedModels]:
    """Members as they are where all have learned the months up to today, or none; else all without: scores of a model
    that explains a silence by its months and of one that cannot are not of the same question."""
    learned = [path_of(one.retention) is not None for one in fitted.values()]
    if all(learned) or not any(learned):
        return fitted
    plain = {}
    for name, one in fitted.items():
        model, params = without_path(one.retention, one.posterior.retention)
        plain[name] = replace(one, retention=model, posterior=replace(one.posterior, retention=params))
    return plain


def forward_scores(
    before: FittedModels, now: FittedModels, known: CustomerSummary, today: CustomerSummary, folder: Path | None = None
) -> np.ndarray:
    """Score of each customer known at the cut, (customer,): how well what came later was predicted.

    `before` is fitted to `known`, the log up to the cut; `now`, of the same kind, says by which calendar `today`'s
    histories are read. Months' own shocks are left out of both likelihoods. Kept in `folder`.
    """
    model, params = without_path(before.retention, before.retention_draws(slice(SCORED_DRAWS)))
    later_model = without_path(now.retention, {})[0]
    rows = np.searchsorted(today.customers["customer_id"].to_numpy(str), known.customers["customer_id"].to_numpy(str))
    later, so_far = rows_of(later_model.histories(today), rows), model.histories(known)
    days = before.days_per_unit

    def compute() -> np.ndarray:
        _, one_of, row_of = np.unique(
            np.column_stack([*later, *so_far]), axis=0, return_index=True, return_inverse=True
        )
        ratio = later_model.log_likelihood(params, rows_of(later, one_of), days)
        ratio = ratio - model.log_likelihood(params, rows_of(so_far, one_of), days)
        return (logsumexp(ratio, axis=0) - np.log(len(ratio)))[row_of.reshape(-1)]

    key = cache.content_key([params, later, so_far], [model, later_model], ["forward", days])
    return cache.kept_scores(folder, key, rows.size, compute)


def loo_scores(fitted: FittedModels, summary: CustomerSummary, folder: Path | None = None) -> np.ndarray:
    """Log scores by leave-one-out, (customer,). Kept in `folder`."""
    some, histories = fitted.first(SCORED_DRAWS), fitted.retention.histories(summary)
    of = [some.posterior.retention, histories]
    key = cache.content_key(of, [fitted.retention], ["leave one out", fitted.days_per_unit])
    return cache.kept_scores(folder, key, len(histories[0]), lambda: leave_one_out(some, summary).elpd)


def pseudo_bma(scores: np.ndarray, seed: int) -> np.ndarray:
    """Weights (model,) of `scores` (customer, model): pseudo-BMA, averaged over Bayesian bootstraps of the customers.

    Weights below `LEAST` are none.
    """
    customers, _ = scores.shape
    rng = np.random.default_rng([seed, _SEED])
    weights = np.zeros(scores.shape[1])
    for _ in range(BOOTSTRAPS):
        share = rng.exponential(size=customers)
        total = customers * (share / share.sum()) @ scores
        weight = np.exp(total - total.max())
        weights += weight / weight.sum()
    weights /= weights.sum()
    weights[weights < LEAST] = 0.0
    return weights / weights.sum()


def weigh(
    fitted: Mapping[str, FittedModels],
    summary: CustomerSummary,
    before: Mapping[str, FittedModels] | None,
    known: CustomerSummary | None,
    left_out: Mapping[str, str],
    config: FitConfig,
) -> Weighing:
    """Weights of fitted members: by what came after a cut, where they were fitted to what was `known` before it too.

    Of `config` count its seed, and whether scores may be cached.
    """
    forward = before is not None and known is not None
    names = [name for name in fitted if not forward or name in (before or {})]
    out = dict(left_out) | {name: "it could not be fitted up to the cut" for name in fitted if name not in names}
    if len(names) == 1:
        return Weighing({names[0]: 1.0}, out, forward)
    folder = cache.cache_folder() if config.cache else None
    if before is not None and known is not None:
        scores = [forward_scores(before[name], fitted[name], known, summary, folder) for name in names]
    else:
        scores = [loo_scores(fitted[name], summary, folder) for name in names]
    weights = pseudo_bma(np.column_stack(scores), config.seed)
    return Weighing(dict(zip(names, weights.tolist(), strict=True)), out, forward)


def joined(
    fitted: Mapping[str, FittedModels], weighing: Weighing, log_factor: np.ndarray | None = None
) -> FittedModels:
    """The members with a weight in one posterior, whose draws are shared out.

    `log_factor`, (draw,), is the discrepancy: all orders ahead are exp of it times as many.
    """
    chosen = {name: fitted[name] for name, weight in weighing.weights.items() if weight > 0}
    weights = tuple(weighing.weights[name] for name in chosen)
    draws = min(one.draws for one in chosen.values())
    model = shared_out(weights, draws)
    life: dict[str, np.ndarray] = {MODEL: model.astype(np.float64)}
    for name, one in chosen.items():
        own = {k: np.asarray(v)[:draws] for k, v in one.posterior.retention.items()}
        if log_factor is not None:
            own = moved(own, log_factor[:draws]) or own
        life |= named(name, own)
    posteriors = [one.posterior for one in chosen.values()]
    money = {
        name: np.choose(model, [np.asarray(p.spend[name])[:draws] for p in posteriors]) for name in posteriors[0].spend
    }
    first = posteriors[0]
    several: Any = Several(tuple(one.retention for one in chosen.values()), weights)
    return FittedModels(
        several,
        next(iter(chosen.values())).spend,
        Posterior(
            retention=life,
            spend=money,
            time_unit=first.time_unit,
            diagnostics=tuple(dict.fromkeys(d for p in posteriors for d in p.diagnostics)),
            retention_method=first.retention_method,
            spend_method=first.spend_method,
            warnings=_once(
                w
                for name in sorted(chosen, key=weighing.weights.__getitem__, reverse=True)
                for w in chosen[name].posterior.warnings
            ),
            from_cache=all(p.from_cache for p in posteriors),
        ),
    )


def _once(warnings: Iterable[str]) -> tuple[str, ...]:
    """Warnings that differ by more than their figures, the first of each."""
    return tuple({re.sub(r"[\d.,]+", "", warning): warning for warning in reversed(list(warnings))}.values())[::-1]


def fit_auto(
    auto: Auto,
    summary: CustomerSummary,
    spend: SpendModel,
    config: FitConfig,
    months: PathPrior | None = None,
    say: Callable[[str], None] | None = None,
) -> FittedModels:
    """The members, weighed by leave-one-out on the summary alone: what came later is not seen."""
    if config.posterior:
        return of_files(config, summary, months, say or (lambda note: None))
    fitted, out = fit_members(auto, summary, spend, config, months, say)
    return joined(fitted, weigh(fitted, summary, None, None, out, config))


def of_files(
    config: FitConfig, summary: CustomerSummary, months: PathPrior | None, say: Callable[[str], None]
) -> FittedModels:
    """A posterior of several models from one file, whose path of months counts where it ends today.

    Raises ConfigError for a file of one model, or several files.
    """
    path, *more = config.posterior
    if more:
        what = "several files, and retention=auto shares the draws of one between its models; type retention=NAME"
        raise ConfigError([("fit.posterior", what)])
    parts = elsewhere.read_parts(path, KIND)
    life, money = parts["retention"], parts["spend"]
    several: Several = life.model
    models, params = [], {MODEL: life.params[MODEL]}
    for one in several.models:
        own = life._replace(model=one, params=own_of(one.kind, life.params))
        own = as_of(own, summary, months, say)
        models.append(own.model)
        params |= named(one.kind, own.params)
    draws = min(config.draws, life.draws)
    together: Any = Several(tuple(models), several.weights)
    posterior = Posterior(
        retention={name: values[:draws] for name, values in params.items()},
        spend={name: values[:draws] for name, values in money.params.items()},
        time_unit=elsewhere.unit_of(life, config.posterior_time_unit),
        retention_method=life.method,
        spend_method=money.method,
        seen=life.seen,
    )
    return FittedModels(together, money.model, posterior)


def can_be_moved(fitted: FittedModels) -> bool:
    """Whether all models that share the draws have a level or a pace after today, which a layer can move."""
    several: Any = fitted.retention
    none = np.zeros(1)
    return all(
        moved({k: v[:1] for k, v in own_of(one.kind, fitted.posterior.retention).items()}, none) is not None
        for one in several.models
    )


def lone_totals(fitted: Mapping[str, FittedModels], summary: CustomerSummary, horizon_days: float) -> dict[str, float]:
    """Orders of today's customers that each model expects within the horizon, over its first 100 draws."""
    return {
        name: float(expected_portfolio_orders(one.first(100), summary, horizon_days).mean())
        for name, one in fitted.items()
    }


class Discrepancy(NamedTuple):
    """The layer beyond the models: log factor on all orders ahead in each draw, and the mean of its sd."""

    log_factor: np.ndarray
    sd: float


def discrepancy(prior_sd: float, check: HoldoutCheck | None, draws: int, seed: int) -> Discrepancy:
    """delta ~ Normal(-s^2 / 2, s^2), one per draw, so that no mean moves; s ~ HalfNormal(prior_sd), updated by the
    check: the log of its actual over its expected total is Normal(0, s^2 + what the forecast itself allows for).

    Of a check on no orders nothing is learned.
    """
    sd = prior_sd * _WIDEST * (np.arange(_POINTS) + 0.5) / _POINTS
    log_density = -0.5 * (sd / prior_sd) ** 2
    if check is not None and check.actual > 0 and check.mean > 0 and check.with_environment[0] > 0:
        low, high = check.with_environment
        variance = sd**2 + (np.log(high / low) / (2 * ndtri(0.95))) ** 2
        log_density = log_density - 0.5 * np.log(variance) - 0.5 * np.log(check.actual / check.mean) ** 2 / variance
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    rng = np.random.default_rng([seed, _SEED + 1])
    at = van_der_corput(draws)[rng.permutation(draws)]
    own = sd[np.minimum(np.searchsorted(np.cumsum(weight), at), _POINTS - 1)]
    return Discrepancy(own * rng.standard_normal(draws) - 0.5 * own**2, float(weight @ sd))


def for_each_model(retention: RetentionModel, check: Callable[[RetentionModel], Any]) -> None:
    """Run a check on a section, or on all that share its draws; raises ConfigError with every problem once."""
    if not isinstance(retention, Auto):
        check(retention)
        return
    problems: dict[Problem, None] = {}
    for section in retention.sections()[0].values():
        try:
            check(section)
        except ConfigError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ConfigError(list(problems))
