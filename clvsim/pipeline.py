"""The stages as sequences of plain calls: read → check → fit → simulate → compare → report."""

import textwrap
import time
from calendar import month_name
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clvsim import __version__, archive
from clvsim.config import RunConfig
from clvsim.data import gates
from clvsim.data.material import Material
from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.metrics import applicable
from clvsim.models.cache import write_posterior
from clvsim.models.contracts import ContractModel
from clvsim.models.diagnostics import failed
from clvsim.models.fit import learnable
from clvsim.models.fitted import FittedModels
from clvsim.models.loo import compare_models, compared_models, fit_all
from clvsim.models.pooling import configured, in_words
from clvsim.provenance import provenance
from clvsim.report import format as fmt
from clvsim.report import models
from clvsim.runfolder import RunContext
from clvsim.scenario import BASELINE
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.types import (
    DAYS_PER_MONTH,
    DAYS_PER_WEEK,
    Assumption,
    CustomerSummary,
    ModelScore,
    QualityLine,
    RunResult,
    ScenarioView,
    Tracking,
)
from clvsim.validation.vocabulary import Vocabulary, vocabulary_of

if TYPE_CHECKING:
    import pandas as pd

    from clvsim.comparison import Comparison
    from clvsim.simulation.run import Simulation

SEGMENT_KEYS = (("segments", "segment"), ("channels", "channel"))


class Stopwatch:
    """Seconds by stage, for run.json."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Generator[None]:
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def check(config: RunConfig, ctx: RunContext) -> int:
    """Print the data-quality table; raise what a run would raise before its first expensive step."""
    material = read(config, ctx)
    prepared(config, material.summary)
    ctx.say(quality_text(material.quality))
    gates(material.summary)
    for model in compared_models(config.retention, config.fit.compare).values():  # ty: ignore[invalid-argument-type]
        learnable(material.summary, model, config.spend)  # ty: ignore[invalid-argument-type]
    ctx.say("\nReady: this log can be fitted and simulated.")
    return 0


def fit(config: RunConfig, ctx: RunContext) -> int:
    """Fit both models, print the posterior, keep `posterior.nc` and `run.json`; with `fit.compare` others beside it."""
    summary = read(config, ctx).summary
    gates(summary)
    by_model = fitted(config, summary, ctx)
    own = next(iter(by_model.values()))
    days = summary.holdout_days or config.simulation.horizon_months * DAYS_PER_MONTH
    scores = compared(config, by_model, summary, days)
    folder = _folder(ctx)
    write_posteriors(by_model, folder)
    archive.write_json({**record(config, summary, ctx, {}), "models": scores}, folder / "run.json")
    ctx.say(posterior_text(own))
    if scores:
        ctx.say(f"\n{models.table(scores, days, words(config))}\n{textwrap.fill(models.verdict(scores), 100)}")
    ctx.say(f"\nPosterior: {ctx.final / 'posterior.nc'}")
    return 0


def run(config: RunConfig, ctx: RunContext) -> int:
    """The main job."""
    from clvsim.comparison import compare
    from clvsim.report import write_report
    from clvsim.report.text import tables
    from clvsim.simulation.run import simulate_plan

    clock = Stopwatch()
    with clock("read"), ctx.progress("Reading the log"):
        material = read(config, ctx)
    summary = material.summary
    plan = prepared(config, summary)
    gates(summary)
    with clock("fit"), ctx.progress("Fitting the models"):
        by_model = fitted(config, summary, ctx)
        own = next(iter(by_model.values()))
        scores = compared(config, by_model, summary, config.simulation.horizon_months * DAYS_PER_MONTH)
    with clock("simulate"), ctx.progress("Simulating customers", total=None) as advance:
        simulation = simulate_plan(plan, own, summary, lambda done, total: advance(1))
    with clock("track"), ctx.progress("Comparing predicted and actual orders"):
        tracking = tracked(config, material, own)
    with clock("compare"), ctx.progress("Comparing scenarios"):
        comparison = compare(simulation, config.report.metric)
    result = assemble(config, ctx, summary, own, simulation, comparison, tracking, material, scores)
    folder = _folder(ctx)
    with clock("report"), ctx.progress("Writing the report"):
        write_report(result, folder)
    with clock("write"), ctx.progress("Keeping the results"):
        write_posteriors(by_model, folder)
        archive.write_run(result, simulation, comparison, record(config, summary, ctx, clock.seconds), folder)
    ctx.say(tables(result))
    ctx.say(f"\nReport: {ctx.final / 'report.html'}")
    return 0


def validate(config: RunConfig, ctx: RunContext) -> int:
    """Fit on the calibration, predict what was held back, write page and table. 3 if the run's model does not fit."""
    from clvsim.report.validation_page import Made, write_validation
    from clvsim.report.validation_text import misfits
    from clvsim.report.validation_text import summary as told
    from clvsim.validation.holdout import Setting
    from clvsim.validation.holdout import validate as against_holdout

    clock = Stopwatch()
    with clock("read"), ctx.progress("Reading the log"):
        material = read(config, ctx)
    summary = material.summary
    weekly = held_back(material)
    gates(summary)
    with clock("fit"), ctx.progress("Fitting the models"):
        by_model = fitted(config, summary, ctx)
        scores = compared(config, by_model, summary, summary.holdout_days)
    simulation = config.simulation
    setting = Setting(config.environment, simulation.draws, config.seed, simulation.jobs, simulation.shard_customers)
    with clock("simulate"), ctx.progress("Predicting the orders held back"):
        found = against_holdout(by_model, summary, weekly, setting, scores)
    folder = _folder(ctx)
    made = Made(
        title=config.title or "Do the models predict?",
        question=config.question
        or f"Which model to trust, and how far, judged by {words(config).many} they have not seen.",
        command=ctx.command,
        created=now(),
        seed=config.seed,
    )
    with clock("report"), ctx.progress("Writing the page"):
        write_validation(found, made, folder)
        write_posteriors(by_model, folder)
        verdict = {"trusted": found.trusted.model, "pit_central_80": {m.model: m.central for m in found.models}}
        done = {**record(config, summary, ctx, clock.seconds), "models": scores, "verdict": verdict}
        archive.write_json(done, folder / "run.json")
    ctx.say(told(found))
    ctx.say(f"\nPage: {ctx.final / 'validation.html'}")
    if found.own.fits:
        return 0
    ctx.note(misfits(found)[0])
    return DiagnosticsError.code


def report(config: RunConfig, ctx: RunContext) -> int:
    """Write the page of a finished run again."""
    from clvsim.report import write_report
    from clvsim.report.text import tables

    folder = _folder(ctx)
    result = archive.read_result(folder)
    decided = result.comparison.loc[result.comparison["p_best"].notna(), "metric"]
    if len(decided) and config.report.metric != decided.iloc[0]:
        raise ConfigError(
            [("report.metric", f"this run was decided on {decided.iloc[0]}; another one needs clvsim run")]
        )
    write_report(result, folder)
    ctx.say(tables(result))
    ctx.say(f"\nReport: {folder / 'report.html'}")
    return 0


# --- steps -----------------------------------------------------------------------------------------------------------


def read(config: RunConfig, ctx: RunContext) -> Material:
    material = config.data.material(config.retention.opportunity_days)  # ty: ignore[missing-attribute]
    if material.guessed:
        ctx.note("columns guessed: " + ", ".join(f"data.{key}='{name}'" for key, name in material.guessed))
    return material


def held_back(material: Material) -> "pd.DataFrame":
    """Actual orders by week. Refuses a log of which nothing, or less than a week, was held back."""
    summary = material.summary
    if material.weekly is None:
        raise ConfigError([("data", f"validate needs dated orders. {material.untracked}")])
    days = (summary.last_date - summary.first_date).days
    if summary.holdout_days < DAYS_PER_WEEK:
        suggested = summary.first_date + timedelta(days=round(days * 2 / 3))
        what = (
            f"validate needs at least a week of orders held back, got {summary.holdout_days} days; this log runs from "
            f"{summary.first_date} to {summary.last_date}, two thirds of it are data.calibration_end={suggested}"
        )
        raise ConfigError([("data.calibration_end", what)])
    return material.weekly


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def prepared(config: RunConfig, summary: CustomerSummary) -> RunPlan:
    """The plan of the run. Refuses before anything expensive: levels of which nothing can be learned, segments and
    channels nobody is in, effects that cannot be drawn, ledgers that would not fit, a metric the run will not have."""
    known = {
        "segments": {s for s in summary.customers["segment"] if s},
        "channels": {c for c in summary.customers["channel"] if c} | set(config.acquisition.channels),
    }
    configured(config.retention, summary)  # ty: ignore[invalid-argument-type]
    problems = [
        Problem(
            f"scenario.{name}.{own}.who.{field}",
            f"no customer is in {value!r}; there are {', '.join(sorted(known[field])) or 'none'}",
        )
        for name, scenario in config.library.items()
        for own, intervention in scenario.interventions.items()
        for field, _ in SEGMENT_KEYS
        for value in getattr(intervention.who, field)
        if value not in known[field]
    ]
    if problems:
        raise ConfigError(problems)
    if config.fit.posterior:
        readable(config)
    plan = make_plan(
        summary,
        config.library,
        config.names,
        simulation=config.simulation,
        finance=config.finance,
        acquisition=config.acquisition,
        environment=config.environment,
        seed=config.seed,
    )
    if config.report.metric not in applicable(
        acquisition=bool(config.acquisition.channels), margin=plan.economics.margin_known, contacting=plan.contacting
    ):
        raise ConfigError([("report.metric", f"{config.report.metric} does not apply to this run")])
    return plan


def readable(config: RunConfig) -> None:
    """Refuse files of `fit.posterior` that cannot be used."""
    from clvsim.models.elsewhere import merged, unit_of

    life = merged(config.fit.posterior, config.retention.kind).get("retention")  # ty: ignore[missing-attribute]
    if life:
        unit_of(life, config.fit.posterior_time_unit)


def fitted(config: RunConfig, summary: CustomerSummary, ctx: RunContext) -> dict[str, FittedModels]:
    """By retention model: the run's own first, then those of `fit.compare`."""
    found = fit_all(summary, config.retention, config.spend, config.fit, ctx.note)  # ty: ignore[invalid-argument-type]
    draws = next(iter(found.values())).draws
    if draws < config.simulation.draws:
        what = f"must be at most {draws}, as many as {', '.join(config.fit.posterior)} holds"
        raise ConfigError([("simulation.draws", f"{what}, got {config.simulation.draws}")])
    return found


def compared(
    config: RunConfig, by_model: Mapping[str, FittedModels], summary: CustomerSummary, days: float
) -> tuple[ModelScore, ...]:
    """The models side by side; nothing where `fit.compare` names none."""
    return compare_models(by_model, summary, days) if config.fit.compare else ()


def write_posteriors(by_model: Mapping[str, FittedModels], folder: Path) -> None:
    """`posterior.nc` of the first, `posterior_NAME.nc` of each model beside it."""
    for number, (name, one) in enumerate(by_model.items()):
        write_posterior(one, folder / (f"posterior_{name}.nc" if number else "posterior.nc"))


def tracked(config: RunConfig, material: Material, own_models: FittedModels) -> Tracking:
    """Predicted against actual orders, where the source has dated orders."""
    from clvsim.simulation.tracking import no_tracking, track

    if material.weekly is None:
        return no_tracking(material.untracked)
    return track(
        own_models,
        material.summary,
        material.weekly,
        config.environment,
        draws=config.simulation.draws,
        seed=config.seed,
        jobs=config.simulation.jobs,
        shard_customers=config.simulation.shard_customers,
    )


def record(
    config: RunConfig, summary: CustomerSummary, ctx: RunContext, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """run.json: all that is needed to make the run again."""
    return {
        "command": ctx.command,
        "config": config.as_json(),
        "data": {"sha256": summary.data_hash, "today": str(summary.today), "customers": len(summary.customers)},
        "seeds": {"fit": config.fit.seed, "simulation": config.seed},
        "seconds": dict(seconds),
        **provenance(),
    }


def _folder(ctx: RunContext):
    if ctx.folder is None:
        raise ValueError("this stage writes and needs a folder")
    return ctx.folder


def assemble(
    config: RunConfig,
    ctx: RunContext,
    summary: CustomerSummary,
    own_models: FittedModels,
    simulation: "Simulation",
    comparison: "Comparison",
    tracking: Tracking,
    material: Material,
    scores: tuple[ModelScore, ...] = (),
) -> RunResult:
    """All that is shown of a run, in one frozen value."""
    known_margin = config.finance.gross_margin is not None
    acquisition = bool(config.acquisition.channels)
    from clvsim.comparison import sampled, shaken

    return RunResult(
        title=config.title or ("What the customers are worth" if known_margin else "What the customers will bring in"),
        question=config.question
        or f"What {'are the customers worth' if known_margin else 'revenue will they bring'}, and which lever pays?",
        command=ctx.command,
        version=__version__,
        created=now(),
        currency=config.finance.currency,
        margin_known=known_margin,
        acquisition_known=acquisition,
        horizon_months=config.simulation.horizon_months,
        arrival_months=config.acquisition.months if acquisition else 0,
        annual_discount_rate=config.finance.annual_discount_rate,
        draws=config.simulation.draws,
        replicates=config.simulation.replicates,
        seed=config.seed,
        customers=len(summary.customers),
        today=summary.today,
        layers=(
            *(("parameter",) if sampled(simulation) else ()),
            "process",
            *(("environment",) if shaken(simulation) else ()),
            "assumption",
        ),
        scenarios=tuple(view(simulation, name) for name in config.names),
        comparison=comparison.table,
        delta_draws=comparison.deltas,
        payback=comparison.payback,
        tracking=tracking,
        quality=material.quality,
        diagnostics=own_models.posterior.diagnostics,
        assumptions=finance_assumptions(config) + simulation.assumptions,
        model_facts=model_facts(config, summary, own_models, comparison)
        + (models.facts(scores, config.simulation.horizon_months, words(config)) if scores else ()),
        warnings=own_models.posterior.warnings
        + tuple(f"{q.label}: {q.value} {q.note}".strip() for q in material.quality if q.level == "warning"),
        who_is_lost=config.retention.WHO_IS_LOST,  # ty: ignore[missing-attribute]
        active_contracts=active_contracts(config, summary),
        merged_days=summary.opportunity_days,
        draft=own_models.posterior.is_draft or not sampled(simulation),
        poor_fit=bool(failed(own_models.posterior.diagnostics)),
        synthetic=material.synthetic,
        notes=comparison.notes + simulation.notes,
    )


def words(config: RunConfig) -> Vocabulary:
    """What the customers of a run's model do."""
    return vocabulary_of(isinstance(config.retention, ContractModel))


def active_contracts(config: RunConfig, summary: CustomerSummary) -> int | None:
    """How many customers hold a contract today; None where there are no contracts."""
    if not isinstance(config.retention, ContractModel):
        return None
    return int((config.retention.histories(summary).lost == 0).sum())


def view(simulation: "Simulation", name: str) -> ScenarioView:
    done = simulation.scenarios.get(name)
    return done.compiled.view if done else simulation.skipped[name].view


def finance_assumptions(config: RunConfig) -> tuple[Assumption, ...]:
    """Numbers of the finance section that enter the figures."""
    from clvsim.simulation.assumptions import as_configured

    finance = config.finance
    found = [
        as_configured(
            "finance.annual_discount_rate", "Discount rate a year", finance.annual_discount_rate, "probability"
        )
    ]
    if finance.gross_margin is not None:
        found.append(
            as_configured("finance.gross_margin", "Gross margin of orders", finance.gross_margin, "probability")
        )
    if finance.cost_per_order:
        found.append(
            as_configured("finance.cost_per_order", "Payment and fulfilment per order", finance.cost_per_order, "money")
        )
    return tuple(found)


def model_facts(
    config: RunConfig, summary: CustomerSummary, own_models: FittedModels, comparison: "Comparison"
) -> tuple[tuple[str, str], ...]:
    """Fitted figures and checks, in words."""
    posterior = own_models.posterior
    unit, times = f", {posterior.time_unit}s", config.retention.TIMES  # ty: ignore[missing-attribute]
    own, of_levels = in_words(own_models.retention, posterior.retention)
    facts = [
        season_fact(name, values)
        if name.startswith(("season[", "promotion[", "trend["))
        else (f"{name} ({own_models.retention.kind}{unit if name in times else ''})", spread(values))
        for name, values in own.items()
        if name != "season[any]" or any(other.startswith("promotion[") for other in own)  # else the mean day itself
    ]
    facts += of_levels
    facts += [(f"{name} ({own_models.spend.kind})", spread(values)) for name, values in posterior.spend.items()]
    facts += config.spend.facts(posterior.spend)  # ty: ignore[missing-attribute]
    checked = config.spend.check(summary, posterior.spend)  # ty: ignore[missing-attribute]
    ordered = words(config).one_repeat
    facts += [
        ("How the posterior was drawn", own_models.method),
        (f"Mean per {ordered}, simulated population", f"{checked.fitted_mean:,.2f}"),
        (f"Mean per {ordered}, in the data", f"{checked.mean_repeat_order:,.2f}"),
    ]
    if np.isfinite(checked.correlation):
        facts.append(("Correlation of spend with frequency", f"{checked.correlation:.2f}"))
    known_margin = config.finance.gross_margin is not None
    parts = {layer: value for layer, value in comparison.variance.items() if layer != "total"}
    total = sum(parts.values())  # with few draws they are more than the whole
    if total > 0:
        shares = ", ".join(f"{layer} {value / total:.0%}" for layer, value in parts.items())
        what = "value" if known_margin else "revenue"
        facts.append((f"Where the spread of the baseline's plan {what} comes from", shares))
    if comparison.evpi is not None:
        found = comparison.evpi.value
        amount = "too small to tell from Monte Carlo error"
        if found is not None:
            amount = fmt.money(found, fmt.last_place([found], comparison.evpi.mcse), config.finance.currency)
        facts.append(("The most that better knowledge could add to the choice", amount))
    return tuple(facts)


def season_fact(name: str, log_rate: np.ndarray) -> tuple[str, str]:
    """What a month, a promotion or a year of trend does to the order rate, as a factor."""
    group, _, key = name.removesuffix("]").partition("[")
    if group == "trend":
        return "trend: order rate per year of the log, not continued after today", f"×{spread(np.exp(log_rate))}"
    if group == "promotion":
        return f"{name}: order rate against the same days without it", f"×{spread(np.exp(log_rate))}"
    what = f"{month_name[int(key)]} against a mean month" if key.isdigit() else "other days against a mean day"
    return f"{name}: order rate, {what}", f"×{spread(np.exp(log_rate))}"


def spread(values: np.ndarray) -> str:
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{values.mean():.3g} [{low:.3g}, {high:.3g}]"


def quality_text(lines: tuple[QualityLine, ...]) -> str:
    """The table of `clvsim check`, at most 100 columns where the log's own words allow."""
    wide = max(len(line.label) for line in lines)
    out = []
    for line in lines:
        mark = "!" if line.level == "warning" else " "
        out.append(f"{mark} {line.label:<{wide}}  {line.value}" + (f"  ({line.note})" if line.note else ""))
    return "\n".join(out)


def posterior_text(own_models: FittedModels) -> str:
    """Mean and 90 % interval of each parameter, then the diagnostics."""
    posterior = own_models.posterior
    wide = max(28, *(len(name) + 2 for name in posterior.retention))
    rows = [f"{'parameter':<{wide}}{'mean':>10}{'5 %':>10}{'95 %':>10}"]
    for group in (posterior.retention, posterior.spend):
        for name, values in group.items():
            low, high = np.quantile(values, [0.05, 0.95])
            rows.append(f"{name:<{wide}}{values.mean():>10.4g}{low:>10.4g}{high:>10.4g}")
    rows += ["", f"draws: {own_models.method}"]
    rows += [
        f"{d.model:<14}{d.name:<32}{d.value:>10.4g}  {d.limit}{'' if d.ok else '  FAILED'}"
        for d in posterior.diagnostics
    ]
    rows += [f"! {warning}" for warning in posterior.warnings]
    return "\n".join(rows)


__all__ = ["BASELINE", "check", "fit", "report", "run", "validate"]
