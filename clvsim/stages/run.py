"""`clvsim run`: read → check → fit → simulate → compare → report."""

from dataclasses import replace

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.data.material import Material
from clvsim.runfolder import RunContext, writing
from clvsim.scenario import BASELINE
from clvsim.stages.ahead import compiling, loops_of
from clvsim.stages.assembly import assemble
from clvsim.stages.cautions import with_share_beyond
from clvsim.stages.fits import Fits, fit_run, models_in_words, with_discrepancy
from clvsim.stages.inside import look_inside
from clvsim.stages.newcomers import newcomers_sentence, with_newcomers
from clvsim.stages.refusals import plan_run, require_payments
from clvsim.stages.report import where
from clvsim.stages.steps import (
    Stopwatch,
    earlier_forecasts,
    output_folder,
    read_data,
    run_record,
    score_models,
    with_findings,
    write_posteriors,
)
from clvsim.stages.valuing import valuation_plan, value_by_customers
from clvsim.types import DAYS_PER_MONTH, Tracking


def run(config: RunConfig, ctx: RunContext) -> int:
    """Simulate every scenario and compare them; write page, tables, ledgers and posterior."""
    from clvsim.comparison import simulate_and_compare
    from clvsim.exports import newcomer_values
    from clvsim.questions.answer import Finished
    from clvsim.questions.break_even import with_break_evens
    from clvsim.report import write_report
    from clvsim.report.screen import first_screen
    from clvsim.report.workbook import write_workbook
    from clvsim.simulation.expected import expected_value
    from clvsim.simulation.expected.referred import crowded
    from clvsim.simulation.leads import follow_leads
    from clvsim.simulation.returning import follow
    from clvsim.simulation.schedule import drawn
    from clvsim.simulation.win_backs import with_answers
    from clvsim.simulation.workers import require_workers, workers_of

    clock, past = Stopwatch(), earlier_forecasts(config)
    with clock("read"), ctx.progress("Reading the log"):
        material = read_data(config, ctx)
        config = with_findings(config, material, ctx)
    summary = material.summary
    plan, longer = plan_run(config, summary), valuation_plan(config, summary)
    require_workers(config.simulation)
    material = with_newcomers(material, plan)
    require_payments(config, material, summary)
    with clock("fit"), ctx.progress("Fitting the models"), compiling(loops_of(config, plan)):
        fits = fit_run(config, material, ctx)
        scores = score_models(config, fits.by_name, summary, config.simulation.horizon_months * DAYS_PER_MONTH)
    with clock("track"), ctx.progress("Comparing predicted and actual orders"):
        tracking = track_orders(config, material, fits, loop_flags=plan.loop_flags)
        fits = with_discrepancy(fits, config, tracking)
    if plan.provisional:
        value = expected_value(plan, fits.own, summary)
        plan, longer = plan_run(config, summary, value), valuation_plan(config, summary, value)
    for sentence in crowded(plan, fits.own, summary):
        ctx.note(sentence)
    with workers_of(config.simulation, ctx.note) as workers:
        with clock("simulate"), ctx.progress("Simulating customers and comparing scenarios") as advance:
            plan = with_answers(plan, fits.own, summary)
            metric = config.report.metric
            simulation, comparison = simulate_and_compare(plan, fits.own, summary, metric, advance, workers)
        with clock("follow"), ctx.progress("Following newcomers by age"):
            ordering = follow(plan, fits.own, summary, names=[BASELINE])
            leads = follow_leads(plan, fits.own, summary, simulation)
        valuation = None
        if longer:
            with clock("value"), ctx.progress("Valuing the company"):
                valuation = value_by_customers(config, longer, fits.own, summary, simulation, workers)
    inside = look_inside(config, plan, fits.own, summary, simulation)
    if not config.stated:
        material = with_share_beyond(material, fits.own, simulation, config.simulation.jobs)
    words = models_in_words(fits, config, summary)
    arrivals = newcomers_sentence(config, plan, comparison.table)
    result = assemble(
        config, ctx, material, fits.own, simulation, comparison, tracking, scores, words, arrivals, ordering, leads
    )
    newcomers = newcomer_values(fits.own, summary, material.so_far, simulation.economics, config.simulation.jobs)
    folder = output_folder(ctx)
    traced = inside.lines if inside else ()
    result = replace(
        result,
        trace=traced,
        schedule=drawn(plan),
        valuation=valuation,
        exports=newcomers.sentences,
        track_record=past,
    )
    result = with_break_evens(Finished(config, result, comparison.draws, folder))
    with clock("report"), ctx.progress("Writing the report"), writing(ctx.final):
        write_report(result, folder)
        write_workbook(result, simulation.customers, folder)
    with clock("write"), ctx.progress("Writing the results"), writing(ctx.final):
        write_posteriors(fits.by_name, summary, folder)
        if inside:
            archive.write_inside(inside.trace, inside.schedule, folder)
        record = run_record(config, summary, ctx, clock.seconds)
        archive.write_run(result, simulation, comparison, newcomers.table, record, folder)
    ctx.say(first_screen(result))
    ctx.say(where(ctx.final))
    return 0


def track_orders(config: RunConfig, material: Material, fits: Fits, *, loop_flags: int = 0) -> Tracking:
    """Predicted against actual orders, where the source has dated ones: of the models that are checked, or else of
    those fitted to all of the log, with the reason."""
    from clvsim.simulation.tracking import no_tracking, track

    if material.weekly is None:
        return no_tracking(material.untracked)
    fitted, summary, weekly = fits.own, material.summary, material.weekly
    if fits.checked and material.check:
        fitted, summary, weekly = fits.checked, material.check.summary, material.check.weekly
    tracking = track(
        fitted,
        summary,
        weekly,
        config.environment,
        draws=config.simulation.draws,
        seed=config.seed,
        jobs=config.simulation.jobs,
        shard_customers=config.simulation.shard_customers,
        most_customers=config.simulation.most_customers,
        loop_flags=loop_flags,
    )
    return replace(tracking, unchecked=fits.unchecked)
