"""`clvsim fit`: the posterior of a run, and a comparison of its retention model with others."""

import textwrap

from clvsim import archive
from clvsim.config import RunConfig
from clvsim.errors import ConfigError
from clvsim.report import model_scores
from clvsim.report.text import posterior_table
from clvsim.runfolder import RunContext, writing
from clvsim.stages.refusals import require_payments
from clvsim.stages.steps import (
    fit_models,
    output_folder,
    read_data,
    run_record,
    score_models,
    vocabulary,
    with_findings,
    write_posteriors,
)
from clvsim.types import DAYS_PER_MONTH


def fit(config: RunConfig, ctx: RunContext) -> int:
    """Fit both models, print the posterior, write `posterior.nc` and `run.json`; compare those of `fit.compare`.

    Up to `data.calibration_end` where it is given, else up to today. Raises ConfigError where there is no data.
    """
    if config.stated:
        raise ConfigError([("data", "fit needs data; a business that is stated has nothing to fit: clvsim run")])
    material = read_data(config, ctx)
    config = with_findings(config, material, ctx)
    summary = material.check.summary if material.check and not material.check.chosen else material.summary
    require_payments(config, material, summary)
    by_name = fit_models(config, summary, ctx)
    fitted = next(iter(by_name.values()))
    days = summary.holdout_days or config.simulation.horizon_months * DAYS_PER_MONTH
    scores = score_models(config, by_name, summary, days)
    folder = output_folder(ctx)
    found = {"models": scores, "warnings": fitted.posterior.warnings}
    with writing(ctx.final):
        write_posteriors(by_name, summary, folder)
        archive.write_record({**run_record(config, summary, ctx, {}), **found}, folder)
    ctx.say(posterior_table(fitted))
    if scores:
        verdict = textwrap.fill(model_scores.verdict(scores), 100)
        ctx.say(f"\n{model_scores.table(scores, days, vocabulary(config))}\n{verdict}")
    ctx.say(f"\nPosterior: {ctx.final / 'posterior.nc'}")
    return 0
