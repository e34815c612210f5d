"""`clvsim validate`: predictions of the models against orders that they were not fitted to."""

from dataclasses import replace

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.data import require_repeat_orders
from clvsim.errors import DiagnosticsError
from clvsim.provenance import file_names, quality_with_file_names
from clvsim.runfolder import RunContext, writing
from clvsim.stages.refusals import require_holdout
from clvsim.stages.steps import (
    Stopwatch,
    fit_models,
    output_folder,
    read_data,
    run_record,
    score_models,
    utc_now,
    vocabulary,
    with_findings,
    write_posteriors,
)


def validate(config: RunConfig, ctx: RunContext) -> int:
    """Fit to the calibration, predict the hold-out, write page and table. Returns 3 if the run's model does not fit."""
    from clvsim.report import facts, titles, validation_text
    from clvsim.report.validation_page import PageOrigin, write_validation
    from clvsim.validation import holdout
    from clvsim.validation.payments import payments_of
    from clvsim.validation.record import figures

    clock = Stopwatch()
    with clock("read"), ctx.progress("Reading the log"):
        material = read_data(config, ctx, held_back=True)
        config = with_findings(config, material, ctx)
    held_back, weekly, _ = require_holdout(material)
    require_repeat_orders(held_back, paid=False)
    summary, spend, instead = payments_of(held_back, config.spend)
    if instead:
        ctx.note(instead)
    with clock("fit"), ctx.progress("Fitting the models"):
        by_name = fit_models(config.model_copy(update={"spend": spend}), summary, ctx)
        scores = score_models(config, by_name, summary, summary.holdout_days)
    simulation = config.simulation
    setting = holdout.Setting(
        config.environment, simulation.draws, config.seed, simulation.jobs, simulation.shard_customers
    )
    with clock("simulate"), ctx.progress("Predicting the orders held back"):
        validation = holdout.validate(by_name, summary, weekly, setting, scores)
    validation = replace(
        validation,
        warnings=facts.quality_warnings(quality_with_file_names(material.quality, config.as_json()))
        + validation.warnings,
        currency=config.finance.currency,
    )
    folder = output_folder(ctx)
    origin = PageOrigin(
        title=config.title or titles.VALIDATION,
        question=config.question or titles.validation_question(vocabulary(config)),
        command=file_names(ctx.command),
        created=utc_now(),
        seed=config.seed,
    )
    with clock("report"), ctx.progress("Writing the page"), writing(ctx.final):
        write_validation(validation, origin, folder)
        write_posteriors(by_name, summary, folder)
        verdict = figures(validation)
        found = {"models": scores, "verdict": verdict, "warnings": validation.warnings, "payments": instead}
        run_json = {**run_record(config, summary, ctx, clock.seconds), **found}
        archive.write_record(run_json, folder)
    ctx.say(validation_text.summary(validation))
    ctx.say(f"\nPage: {ctx.final / 'validation.html'}")
    if validation.own_model.fits:
        return 0
    ctx.note(validation_text.misfits(validation)[0])
    return DiagnosticsError.code
