"""The limits that draws are held to, and the figures of a Markov chain that are held to them.

Importance weights have theirs in `models.inference`; both are `Diagnostic` values.
"""

from collections.abc import Callable, Iterable

import numpy as np

from clvsim.errors import Problem
from clvsim.models.laws import Params
from clvsim.types import Diagnostic, Posterior

MAX_R_HAT = 1.01
MIN_ESS = 400.0
MAX_PARETO_K = 0.7
PARETO_K = "Pareto k"
BULK_ESS = "bulk ESS"
WEIGHT_ESS = "effective draws"  # of importance weights


def failed(diagnostics: Iterable[Diagnostic]) -> tuple[Problem, ...]:
    """One line per convergence figure beyond its limit."""

    def remedy(name: str) -> str:
        return "use fit.method=nuts" if name == PARETO_K else "raise fit.tune or fit.draws"

    return tuple(
        Problem(
            "fit",
            f"{d.model}: {d.name} is {d.value:.4g}, must be {d.limit}; {remedy(d.name)}, "
            "or go on regardless with fit.allow_poor=true",
        )
        for d in diagnostics
        if not d.ok
    )


def diagnose(model: str, params: Params, divergences: int | None, chains: int) -> tuple[Diagnostic, ...]:
    """The worst R-hat, bulk and tail ESS over a model's parameters (named), and its divergences where
    they are known.

    `params` as `sample` orders them. A figure that cannot be computed is nan and fails. What is the same in all draws
    was not inferred (a summary's `first_order_factor`) and is left out, unless nothing else is left.
    """
    import arviz as az

    inferred = {name: values for name, values in params.items() if np.ptp(values) > 0} or params
    by_chain = {name: values.reshape(chains, -1) for name, values in inferred.items()}

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
        worst(BULK_ESS, lambda v: az.ess(v, method="bulk"), f">= {MIN_ESS:.0f}", lambda v: v >= MIN_ESS),
        worst(
            "tail ESS",
            tail,
            f">= {MIN_ESS:.0f}",
            lambda v: v >= MIN_ESS,
        ),
        *(
            ()
            if divergences is None
            else (Diagnostic(model, "divergences", float(divergences), "0", divergences == 0),)
        ),
    )


def effective_draws(posterior: Posterior, used: int) -> float:
    """How many independent draws the first `used` ones of a posterior are worth, for means over them.

    Of N draws worth E (the least over the models: bulk ESS of a chain, effective draws of weights, N where neither is
    given) a random n are worth 1/(1/E + 1/n − 1/N): the variance of the mean of all, and that of leaving draws out.
    """
    ess = [d.value for d in posterior.diagnostics if d.name.startswith((BULK_ESS, WEIGHT_ESS)) and d.value > 0]
    return 1 / (1 / min([*ess, posterior.draws]) + 1 / used - 1 / posterior.draws)
