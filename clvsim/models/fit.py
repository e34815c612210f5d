"""From a customer summary to a posterior that passed its diagnostics, or came out of the cache."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clvsim.errors import DiagnosticsError, Problem
from clvsim.models import cache
from clvsim.models.config import FitConfig
from clvsim.models.laws import Params, RetentionModel, SpendModel
from clvsim.types import DAYS_PER_UNIT, CustomerSummary, Diagnostic, Posterior

MAX_R_HAT = 1.01
MIN_ESS = 400.0
_TARGET_ACCEPT = 0.9  # small steps: a log with hardly any dropout has a sharp corner at a = 0


def fit(
    summary: CustomerSummary,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    *,
    cache_dir: Path | str | None = None,
    log: Callable[[str], None] | None = None,
) -> Posterior:
    """Posterior of both models, `config.draws` draws in an order fixed by `config.seed`.

    `cache_dir` overrides the user's cache; `log` receives notes for the user (a fit that starts, a cache that fails).
    Raises DiagnosticsError when a model has nothing to learn from, or when R-hat, ESS or divergences fail their limits;
    the latter not under `config.allow_poor`, where the failures become warnings. Everything else that warrants a
    warning is in `Posterior.warnings`. A posterior that failed is cached only under `allow_poor`, and a hit is held to
    the limits again.
    """
    say = log or (lambda note: None)
    purchases, amounts = _all_or_problems(lambda: retention.sufficient(summary), lambda: spend.sufficient(summary))
    folder = cache.cache_folder(cache_dir) if config.cache else None
    key = _key(purchases, amounts, retention, spend, config, summary.time_unit) if folder else ""
    found = cache.load(folder, key, say) if folder else None
    if found is None:
        posterior = _sample_both(purchases, amounts, retention, spend, config, summary.time_unit, say)
    else:
        posterior = replace(found, from_cache=True)

    failures = failed(posterior.diagnostics)
    if failures and not config.allow_poor:
        raise DiagnosticsError(failures)
    if found is None and folder:
        cache.store(posterior, folder, key, say)
    poor = tuple(f"Poor fit, allowed by fit.allow_poor: {what}" for _, what in failures)
    return replace(posterior, warnings=poor + tuple(spend.warnings(summary, posterior.spend)))


def failed(diagnostics: Iterable[Diagnostic]) -> tuple[Problem, ...]:
    """One line per convergence figure beyond its limit."""
    return tuple(
        Problem(
            "fit",
            f"{d.model}: {d.name} is {d.value:.4g}, must be {d.limit}; raise fit.tune or fit.draws, "
            "or go on regardless with fit.allow_poor=true",
        )
        for d in diagnostics
        if not d.ok
    )


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


def _key(
    purchases: Any, amounts: Any, retention: RetentionModel, spend: SpendModel, config: FitConfig, time_unit: str
) -> str:
    modules = [type(retention).__module__, type(spend).__module__, "clvsim.models.priors", __name__]
    settings = {"method": "nuts", "time_unit": time_unit}
    settings |= {name: getattr(config, name) for name in ("draws", "chains", "tune", "seed")}
    return cache.content_key([purchases, amounts], [retention, spend], modules, settings)


def _sample_both(
    purchases: Any,
    amounts: Any,
    retention: RetentionModel,
    spend: SpendModel,
    config: FitConfig,
    time_unit: str,
    say: Callable[[str], None],
) -> Posterior:
    days_per_unit = DAYS_PER_UNIT[time_unit]
    say(f"fitting {retention.kind} on {len(purchases.count):,} distinct histories")
    free, divergences = sample(retention.build(purchases), config)
    life = retention.natural(free, purchases, days_per_unit)
    diagnostics = diagnose(retention.kind, life, divergences, config.chains)
    say(f"fitting {spend.kind} on {len(amounts.count):,} distinct histories")
    free, divergences = sample(spend.build(amounts), config)
    money = spend.natural(free, amounts, config.seed)
    diagnostics += diagnose(spend.kind, money, divergences, config.chains)

    # Chains one after the other would make the first n draws those of one chain.
    order = np.random.default_rng([config.seed, 0]).permutation(config.draws)
    return Posterior(
        retention_model=retention.kind,
        spend_model=spend.kind,
        retention={name: values[order] for name, values in life.items()},
        spend={name: values[order] for name, values in money.items()},
        time_unit=time_unit,
        diagnostics=diagnostics,
        method="nuts",
    )


def sample(model: Any, config: FitConfig) -> tuple[dict[str, np.ndarray], int]:
    """Draws of the model's free variables, chain after chain, each (draw,), and the number of divergent transitions."""
    import pymc as pm

    tree = pm.sample(
        draws=config.draws // config.chains,
        tune=config.tune,
        chains=config.chains,
        random_seed=config.seed,
        nuts_sampler="nutpie",
        target_accept=_TARGET_ACCEPT,
        model=model,
        progressbar=False,
        quiet=True,
        compute_convergence_checks=False,  # ours are stricter
    )
    names = [variable.name for variable in model.free_RVs]
    draws = {name: tree["posterior"][name].to_numpy().astype(np.float64).reshape(-1) for name in names}
    return draws, int(tree["sample_stats"]["diverging"].to_numpy().sum())


def diagnose(model: str, params: Params, divergences: int, chains: int) -> tuple[Diagnostic, ...]:
    """The worst R-hat, bulk and tail ESS over a model's parameters (named), and its divergences.

    `params` as `sample` orders them. A figure that cannot be computed is nan and fails.
    """
    import arviz as az

    by_chain = {name: values.reshape(chains, -1) for name, values in params.items()}

    def worst(label: str, figure: Callable[[np.ndarray], float], limit: str, ok: Callable[[float], bool]) -> Diagnostic:
        with np.errstate(all="ignore"):  # constant draws give 0/0, and the nan is looked at below
            values = {name: float(figure(draws)) for name, draws in by_chain.items()}
        bad = max if limit.startswith("<=") else min
        name = next((n for n, v in values.items() if np.isnan(v)), None) or bad(values, key=lambda n: values[n])
        return Diagnostic(model, f"{label} ({name})", values[name], limit, bool(ok(values[name])))

    def tail(draws: np.ndarray) -> float:
        return az.ess(draws, method="tail", prob=(0.05, 0.95))

    return (
        worst("R-hat", az.rhat, f"<= {MAX_R_HAT}", lambda v: v <= MAX_R_HAT),
        worst("bulk ESS", lambda v: az.ess(v, method="bulk"), f">= {MIN_ESS:.0f}", lambda v: v >= MIN_ESS),
        worst(
            "tail ESS",
            tail,
            f">= {MIN_ESS:.0f}",
            lambda v: v >= MIN_ESS,
        ),
        Diagnostic(model, "divergences", float(divergences), "0", divergences == 0),
    )
