"""From the values of a run's steps to the `RunResult` that is archived and reported."""

from typing import TYPE_CHECKING

from clvsim import __version__
from clvsim.config import RunConfig
from clvsim.data.material import Material
from clvsim.data.tables.stated import NO_DATA
from clvsim.interventions.base import REFERRED
from clvsim.models.diagnostics import failed
from clvsim.models.fitted import FittedModels
from clvsim.models.single import sample_single
from clvsim.models.stated import stated_assumptions
from clvsim.provenance import file_names, quality_with_file_names
from clvsim.report import model_scores, titles
from clvsim.runfolder import RunContext
from clvsim.scenario import ambiguous_names
from clvsim.stages.priors import changed_priors
from clvsim.stages.sheet import sheet_of
from clvsim.stages.steps import utc_now, vocabulary
from clvsim.types import (
    DAYS_PER_MONTH,
    ContractFigures,
    CustomerSummary,
    ModelScore,
    RunResult,
    ScenarioDescription,
    Tracking,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clvsim.comparison import Comparison
    from clvsim.report.several import Words
    from clvsim.simulation.ledger import Ledger
    from clvsim.simulation.returning import Ordering
    from clvsim.simulation.run import Simulation


def refers(simulation: "Simulation") -> bool:
    """Whether some scenario has customers bring others."""
    return any(REFERRED in scenario.ledger.groups for scenario in simulation.scenarios.values())


def assemble(
    config: RunConfig,
    ctx: RunContext,
    material: Material,
    fitted: FittedModels,
    simulation: "Simulation",
    comparison: "Comparison",
    tracking: Tracking,
    scores: tuple[ModelScore, ...] = (),
    models: "Words | None" = None,
    arrivals: str = "",
    ordering: "Mapping[str, Ordering] | None" = None,
    leads: "Mapping[str, Ledger] | None" = None,
) -> RunResult:
    """Everything that the report shows of a run, in one frozen value."""
    from clvsim.books import keep_books
    from clvsim.comparison import has_common_shocks, has_sampled_parameters
    from clvsim.contracts import contract_figures
    from clvsim.report import evidence, facts
    from clvsim.simulation.plan import cost_warnings

    summary, posterior = material.summary, fitted.posterior
    material = material._replace(quality=quality_with_file_names(material.quality, config.as_json()))
    margin_known = config.finance.gross_margin is not None
    acquisition = bool(config.acquisition.brings)
    model_facts = facts.model_facts(fitted, summary, comparison, config.finance)
    scenarios = tuple(scenario_description(simulation, name) for name in config.names)
    assumptions = facts.finance_assumptions(config.finance) + simulation.assumptions + changed_priors(config)
    if config.stated:
        scenarios = tuple(map(evidence.as_stated, scenarios))
        assumptions = stated_assumptions(config.retention, config.spend, simulation.draws, config.seed) + assumptions
    own = fitted.first(config.simulation.draws)
    contracts = None if config.stated else contract_figures(own, summary, material.payments, material.trials)
    if scores:
        model_facts += model_scores.facts(scores, config.simulation.horizon_months, vocabulary(config))
    if models:
        model_facts = (*models.facts, *model_facts)
    return RunResult(
        title=config.title or titles.run_title(margin_known),
        question=config.question or titles.run_question(margin_known),
        command=file_names(ctx.command),
        version=__version__,
        created=utc_now(),
        currency=config.finance.currency,
        margin_known=margin_known,
        acquisition_known=acquisition,
        horizon_months=config.simulation.horizon_months,
        arrival_months=config.acquisition.months if acquisition or refers(simulation) else 0,
        annual_discount_rate=config.finance.annual_discount_rate,
        draws=config.simulation.draws,
        replicates=simulation.replicates,
        seed=config.seed,
        customers=len(summary.customers),
        today=summary.today,
        layers=(
            *(("parameter",) if has_sampled_parameters(simulation) else ()),
            "process",
            *(("environment",) if has_common_shocks(simulation) else ()),
            "assumption",
        ),
        scenarios=scenarios,
        comparison=comparison.table,
        delta_draws=comparison.deltas,
        payback=comparison.payback,
        tracking=tracking,
        quality=material.quality,
        diagnostics=posterior.diagnostics,
        assumptions=assumptions,
        model_facts=model_facts,
        models=models.short if models else "",
        arrivals=arrivals,
        calendar_effects=facts.fitted_kinds(fitted.retention),
        warnings=facts.quality_warnings(material.quality) + posterior.warnings,
        who_is_lost=fitted.retention.WHO_IS_LOST,
        active_contracts=active_contracts(config, summary, contracts),
        contracts=contracts,
        books=keep_books(
            simulation,
            own,
            summary,
            material.payments,
            comparison.curves,
            material.returning,
            ordering,
            leads,
            material.history,
        ),
        sheet=sheet_of(
            config, simulation, comparison, own, len(summary.customers), material.history, contracts, assumptions
        ),
        knobs=comparison.knobs,
        merged_days=summary.opportunity_days,
        shared_period=summary.shared_period,
        draft=not simulation.stated and (posterior.is_draft or not has_sampled_parameters(simulation)),
        poor_fit=bool(failed(posterior.diagnostics)),
        money_alarm=fitted.spend.alarm(posterior.spend),
        single=single_newcomers(config, fitted),
        no_data=NO_DATA if config.stated else "",
        synthetic=material.synthetic,
        metric=config.report.metric,
        lever_warnings=(
            *cost_warnings([s.compiled for s in simulation.scenarios.values()], margin_known=margin_known),
            *evidence.parts_left_out(scenarios),
            *evidence.warnings(scenarios),
            *ambiguous_names(config.library, config.names),
        ),
        sampled=simulation.sample.sentence if simulation.sample else "",
        notes=comparison.notes + simulation.notes,
    )


def single_newcomers(config: RunConfig, fitted: FittedModels) -> str:
    """The sentence on how newcomers of a stated business differ; "" of other runs, and where nobody comes."""
    from clvsim.report import facts

    if not config.stated or not config.acquisition.brings:
        return ""
    months = config.simulation.horizon_months
    single = sample_single(fitted, months * DAYS_PER_MONTH, config.seed % 2**32)
    return facts.single_newcomers(single, months, config.finance.currency, renewing=config.retention.renewing)


def active_contracts(config: RunConfig, summary: CustomerSummary, contracts: ContractFigures | None) -> int | None:
    """Contracts of today: all that are stated, or those that the log shows to be active; None where there are none."""
    if config.stated:
        return len(summary.customers) if config.retention.renewing else None
    return contracts.total.active if contracts else None


def scenario_description(simulation: "Simulation", name: str) -> ScenarioDescription:
    """What the report shows of a scenario, whether simulated or skipped as not applicable."""
    simulated = simulation.scenarios.get(name)
    return simulated.compiled.description if simulated else simulation.skipped[name].description
