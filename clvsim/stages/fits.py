"""The models that a run rests on: fitted to all of the log, and a second time to its first part, to be checked."""

from dataclasses import dataclass, replace

from clvsim.config import RunConfig
from clvsim.data import require_repeat_orders
from clvsim.data.material import Material
from clvsim.errors import ConfigError, DiagnosticsError
from clvsim.models.around.several import several_of
from clvsim.models.auto import (
    Auto,
    Discrepancy,
    Weighing,
    can_be_moved,
    discrepancy,
    fit_members,
    joined,
    lone_totals,
    weigh,
)
from clvsim.models.compare import fit_all, with_others
from clvsim.models.fitted import FittedModels
from clvsim.models.stated import stated_models
from clvsim.report import several
from clvsim.runfolder import RunContext
from clvsim.stages.steps import enough_draws, fit_models
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, Tracking


@dataclass(frozen=True)
class Fits:
    """Fitted models by name, the run's own first; those that are checked, or the sentence that says why none are.

    Where several models share the draws: each of them, how they were weighed, and the layer beyond them.
    """

    by_name: dict[str, FittedModels]
    checked: FittedModels | None = None
    unchecked: str = ""
    members: dict[str, FittedModels] | None = None
    weighing: Weighing | None = None
    beyond: Discrepancy | None = None

    @property
    def own(self) -> FittedModels:
        return next(iter(self.by_name.values()))


def fit_run(config: RunConfig, material: Material, ctx: RunContext) -> Fits:
    """Fit the run's models to the log as of today, and to what was known where it is cut to check them.

    The values of the run rest on the former only; of models that share the draws the weights rest on both. Laws that
    are stated are drawn, and checked by nothing.
    """
    if config.stated:
        own = stated_models(config.retention, config.spend, config.fit.draws, config.seed)
        return Fits({own.retention.kind: own})
    if isinstance(config.retention, Auto) and not config.fit.posterior:
        return _fit_several(config, config.retention, material, ctx)
    by_name = fit_models(config, material.summary, ctx)
    check = material.check
    if check is None:
        return Fits(by_name, unchecked=material.unchecked)
    alone = config.fit.model_copy(update={"compare": ()})
    path_prior = config.environment.path_prior
    try:
        require_repeat_orders(check.summary)
        checked = fit_all(check.summary, config.retention, config.spend, alone, ctx.note, path_prior)
    except (ConfigError, DiagnosticsError) as error:
        return Fits(by_name, unchecked=_nothing_fitted(check.summary, error))
    return Fits(by_name, next(iter(checked.values())))


def _fit_several(config: RunConfig, auto: Auto, material: Material, ctx: RunContext) -> Fits:
    """Members fitted to the log up to its cut and up to today: the former are checked, and say how they are weighed."""
    prior = config.environment.path_prior
    members, out = fit_members(auto, material.summary, config.spend, config.fit, prior, ctx.note)
    for name, why in out.items():
        ctx.note(f"{name} is left out: {why}")
    before, checked, unchecked = None, None, material.unchecked
    if check := material.check:
        try:
            require_repeat_orders(check.summary)
            before, lost = fit_members(auto, check.summary, config.spend, config.fit, prior, ctx.note)
            checked = joined(before, weigh(before, check.summary, None, None, lost, config.fit))
        except (ConfigError, DiagnosticsError) as error:
            unchecked = _nothing_fitted(check.summary, error)
    known = check.summary if check and before else None
    weighing = weigh(members, material.summary, before, known, out, config.fit)
    own = joined(members, weighing)
    enough_draws(config, own)
    by_name = with_others(own, material.summary, config.retention, config.spend, config.fit, ctx.note, prior)
    return Fits(by_name, checked, unchecked, members, weighing)


def with_discrepancy(fits: Fits, config: RunConfig, tracking: Tracking) -> Fits:
    """The run's own draws with the layer beyond the models, as the check leaves it; as they were without one."""
    auto = config.retention
    if not isinstance(auto, Auto) or fits.weighing is None or fits.members is None or not auto.discrepancy_sd:
        return fits
    if not can_be_moved(fits.own):
        return fits  # nothing was learned of months, in whose level the layer stands
    beyond = discrepancy(auto.discrepancy_sd, tracking.holdout, fits.own.draws, config.fit.seed)
    own = joined(fits.members, fits.weighing, beyond.log_factor)
    own = replace(own, posterior=replace(own.posterior, warnings=fits.own.posterior.warnings))
    return replace(fits, by_name={**fits.by_name, auto.kind: own}, beyond=beyond)


def models_in_words(fits: Fits, config: RunConfig, summary: CustomerSummary) -> several.Words:
    """What the terminal and the page say of models that share the draws; nothing where there is one model."""
    if fits.weighing is None or fits.members is None:
        shared = several_of(fits.own.retention)
        return several.of_a_file(shared.kinds) if shared else several.Words()
    months = config.simulation.horizon_months
    totals = lone_totals(fits.members, summary, months * DAYS_PER_MONTH)
    return several.in_words(fits.weighing, totals, months, fits.beyond, checked=fits.checked is not None)


def _nothing_fitted(summary: CustomerSummary, error: ConfigError | DiagnosticsError) -> str:
    return f"Up to {summary.today} nothing could be fitted to check the models: {error.problems[0].what}."
