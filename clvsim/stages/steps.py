"""Steps that several stages share."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from clvsim import clock
from clvsim.config import RunConfig
from clvsim.data.material import Material
from clvsim.data.readers import Wanted, read_material
from clvsim.data.so_far import Span
from clvsim.errors import ConfigError
from clvsim.models.around import plans
from clvsim.models.around.levels import BY_PLAN
from clvsim.models.around.plans import plans_line, with_plans
from clvsim.models.cache import write_posterior
from clvsim.models.compare import compare_models, fit_all
from clvsim.models.elsewhere import of_another_log, seen_of
from clvsim.models.fitted import FittedModels
from clvsim.models.retention import recovery
from clvsim.models.spend.trend import used
from clvsim.provenance import file_names, provenance, with_file_names
from clvsim.runfolder import RunContext
from clvsim.stages.cautions import as_found, cautions
from clvsim.track_record import TrackRecord
from clvsim.types import DAYS_PER_MONTH, CustomerSummary, ModelScore, QualityLine
from clvsim.validation.vocabulary import Vocabulary, vocabulary_of


class Stopwatch:
    """Seconds by step, for run.json."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Generator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def utc_now() -> str:
    """The current minute, or that of `SOURCE_DATE_EPOCH`, as `2025-12-31 23:59 UTC`."""
    return clock.now().strftime("%Y-%m-%d %H:%M UTC")


def read_data(config: RunConfig, ctx: RunContext, *, held_back: bool = False, brief: bool = False) -> Material:
    """Read and check the data; note which columns were guessed, and warn of what the run's models cannot see in them.

    `held_back`: whether the days ahead are those held back, instead of the simulation's horizon. `brief`: see
    `Wanted`.
    """
    if config.stated:  # nothing to guess, to warn of or to hold back
        return read_material(config.data)
    brief = brief and not config.fit.posterior  # of which it may not be known what it has seen
    span = Span(config.simulation.horizon_months * DAYS_PER_MONTH, config.finance.annual_discount_rate)
    wanted = wanted_of(config)._replace(brief=brief, span=None if brief or held_back else span)
    material = read_material(config.data, wanted)
    material = by_plan(config, material)
    if config.fit.posterior and material.check and material.check.chosen:
        material = without_check(material, _FROM_FILE)
    retention, _ = as_found(config.retention, material)
    if material.guessed:
        ctx.note("columns guessed: " + ", ".join(f"data.{key}='{name}'" for key, name in material.guessed))
    days, known = config.simulation.horizon_months * DAYS_PER_MONTH, material
    if held_back and material.check:
        known = material._replace(summary=material.check.summary)
        days = float(known.summary.holdout_days)
    if used(material.summary, config.spend.trend):
        material = material._replace(quality=tuple(map(trend_used, material.quality)))
    if retention.opportunity_days or retention.renewing:
        material = material._replace(quality=tuple(line for line in material.quality if line.key != "yearly"))
    if config.spend.kind == "fixed_price":
        material = material._replace(quality=tuple(map(without_spread, material.quality)))
    charges = recovery_line(config, material)
    cautioned = cautions(retention, known, days)
    if any("retention=sbg" in line.remedy for line in cautioned):  # payments of contracts, which advises enough
        material = material._replace(quality=tuple(line for line in material.quality if line.key != "yearly"))
    return material._replace(quality=(*material.quality, *charges, *cautioned))


def wanted_of(config: RunConfig) -> Wanted:
    """What the models of a run need of its data."""
    return Wanted(config.retention.periods, config.retention.interval_days, levels=config.spend.trend)


def recovery_line(config: RunConfig, material: Material) -> tuple[QualityLine, ...]:
    """Contracts whose charge has failed and may still be paid, where the log says which did."""
    if not config.retention.renewing or material.summary.failed is None:
        return ()
    by_its_plan = getattr(config.retention, "renewal", "") == BY_PLAN
    model = plans.by_plan(config.retention, material.summary) if by_its_plan else config.retention
    found = recovery.line(model, material.summary)
    return (found,) if found else ()


def by_plan(config: RunConfig, material: Material) -> Material:
    """Where each contract has its plan's period, plans count as segments, and are listed."""
    if getattr(config.retention, "renewal", "") != BY_PLAN:
        return material
    found = with_plans(config.retention, material.summary)
    check = material.check
    if check:
        check = check._replace(summary=with_plans(config.retention, check.summary))
    lines = (*material.quality, plans_line(config.retention, material.summary))
    return material._replace(summary=found, check=check, quality=lines)


def trend_used(line: QualityLine) -> QualityLine:
    """The line on the trend of amounts, which does not propose the key that is set."""
    if line.key != "trend":
        return line
    return line._replace(note=f"{line.note.partition('; spend.trend')[0]}; spend.trend=true: money is at today's level")


def without_spread(line: QualityLine) -> QualityLine:
    """The line for prices that stay as they are: what a model of amounts assumes does not matter, nor can a trend be
    modelled."""
    if line.key == "correlation":
        return line._replace(level="info")
    return line._replace(note=line.note.partition("; spend.trend")[0], remedy=()) if line.key == "trend" else line


_FROM_FILE = (
    "The parameters come from a file, and whether they saw the log's last part is not known "
    "(data.calibration_end=DAY names the day up to which they were fitted)."
)


def without_check(material: Material, why: str) -> Material:
    """The same where nothing is held back, which its quality table says."""
    lines = (
        line._replace(label="Held back to check the models", value="nothing", note=why) if line.key == "check" else line
        for line in material.quality
    )
    return material._replace(check=None, unchecked=why, quality=tuple(lines))


def with_findings(config: RunConfig, material: Material, ctx: RunContext) -> RunConfig:
    """The configuration with what `retention=auto` takes from the log by itself, which is said, as is a trend used."""
    config, found = findings(config, material)
    for sentence in found:
        ctx.note(sentence)
    return config


def findings(config: RunConfig, material: Material) -> tuple[RunConfig, tuple[str, ...]]:
    """The same, and what is to be said."""
    retention, found = as_found(config.retention, material)
    trend = used(material.summary, config.spend.trend)
    said = (*found, *([trend] if trend else []))
    return (config.model_copy(update={"retention": retention}) if found else config), said


def fit_models(config: RunConfig, summary: CustomerSummary, ctx: RunContext) -> dict[str, FittedModels]:
    """Fitted models by the name of the retention model: the run's own first, then those of `fit.compare`."""
    by_name = fit_all(summary, config.retention, config.spend, config.fit, ctx.note, config.environment.path_prior)
    name, own = next(iter(by_name.items()))
    enough_draws(config, own)
    if other := of_another_log(own, summary) if config.fit.posterior else ():
        warned = replace(own.posterior, warnings=own.posterior.warnings + other)
        by_name = {**by_name, name: replace(own, posterior=warned)}
    return by_name


def enough_draws(config: RunConfig, fitted: FittedModels) -> None:
    """Raises ConfigError where a run asks for more draws than its posterior has."""
    if fitted.draws < config.simulation.draws:
        message = f"must be at most {fitted.draws}, as many as {', '.join(config.fit.posterior)} holds"
        raise ConfigError([("simulation.draws", f"{message}, got {config.simulation.draws}")])


def score_models(
    config: RunConfig, by_name: Mapping[str, FittedModels], summary: CustomerSummary, days: float
) -> tuple[ModelScore, ...]:
    """Scores of the models, with forecasts for `days` days; empty where `fit.compare` names no other model."""
    return compare_models(by_name, summary, days) if config.fit.compare else ()


def write_posteriors(by_name: Mapping[str, FittedModels], summary: CustomerSummary, folder: Path) -> None:
    """Write `posterior.nc` of the first model, `posterior_NAME.nc` of each model that it is compared with, with what
    they were fitted to: the summary, unless they were read."""
    seen = seen_of(summary)
    for number, (name, fitted) in enumerate(by_name.items()):
        if not fitted.posterior.retention_method.from_file:
            fitted = replace(fitted, posterior=replace(fitted.posterior, seen=seen))
        write_posterior(fitted, folder / (f"posterior_{name}.nc" if number else "posterior.nc"))


def run_record(
    config: RunConfig, summary: CustomerSummary, ctx: RunContext, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """The contents of run.json, from which the run can be reproduced."""
    return {
        "command": file_names(ctx.command),
        "local": {"command": ctx.command, "folder": str(Path.cwd())},
        "config": with_file_names(config.as_json()),
        "data": {"sha256": summary.data_hash, "today": str(summary.today), "customers": len(summary.customers)},
        "seeds": {"fit": config.fit.seed, "simulation": config.seed},
        "seconds": dict(seconds),
        **provenance(),
    }


def earlier_forecasts(config: RunConfig) -> TrackRecord | None:
    """How earlier forecasts fared, of the score that `report.track_record` names. Raises ConfigError where that is
    none, or one in another currency."""
    if config.report.track_record is None:
        return None
    from clvsim.scoring import read_track_record

    record = read_track_record(Path(config.report.track_record))
    if record.currency and config.finance.currency and record.currency != config.finance.currency:
        what = f"is in {record.currency}, and finance.currency is {config.finance.currency}"
        raise ConfigError([("report.track_record", what)])
    return record


def output_folder(ctx: RunContext) -> Path:
    """The folder to write into. Raises ValueError for a stage that was started without one."""
    if ctx.folder is None:
        raise ValueError("this stage writes and needs a folder")
    return ctx.folder


def vocabulary(config: RunConfig) -> Vocabulary:
    """The report's words for what customers do: order, or renew a contract."""
    return vocabulary_of(config.retention.renewing)
