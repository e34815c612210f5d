"""Checks of a configuration against its data, before anything expensive is computed."""

from datetime import timedelta

import numpy as np

from clvsim.config import RunConfig
from clvsim.data import require_repeat_orders
from clvsim.data.material import HeldBack, Material
from clvsim.errors import ConfigError, DiagnosticsError, Problem
from clvsim.interventions.base import REFERRED
from clvsim.metrics import applicable, require_expectation
from clvsim.models.around.pooling import configured
from clvsim.models.auto import for_each_model
from clvsim.models.stated import typical_prices
from clvsim.simulation.plan import RunPlan, make_plan
from clvsim.stages.cautions import contract_keys
from clvsim.types import DAYS_PER_WEEK, CustomerSummary


def plan_run(config: RunConfig, summary: CustomerSummary, value: np.ndarray | None = None) -> RunPlan:
    """The plan of a run; `value` (c,) as of `make_plan`.

    Raises ConfigError for segments and channels without customers, posteriors that cannot be used, effects that cannot
    be drawn, interventions that can never act, ledgers that do not fit into memory, and a metric that does not apply to
    the run; DiagnosticsError for levels about which the data hold no information.
    """
    for_each_model(config.retention, lambda model: configured(model, summary))
    problems = unknown_groups(config, summary)
    if config.fit.posterior:
        check_posterior_files(config)
    try:
        plan = make_plan(
            summary,
            config.library,
            config.names,
            simulation=config.simulation,
            finance=config.finance,
            acquisition=config.acquisition,
            environment=config.environment,
            seed=config.seed,
            renewing=config.retention.renewing,
            value=value,
            prices=typical_prices(config.spend) if config.stated else None,
        )
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from None
    if problems:
        raise ConfigError(problems)
    if config.report.metric not in applicable(
        acquisition=bool(config.acquisition.brings),
        visitors=bool(config.acquisition.channels),
        cost=config.acquisition.costs_money,
        margin=plan.economics.margin_known,
        existing=len(summary.customers) > 0,
        has_contacts=plan.has_contacts,
        referring=REFERRED in plan.layout.groups,
    ):
        raise ConfigError([("report.metric", f"{config.report.metric} does not apply to this run")])
    require_expectation(config.report.metric)
    return plan


def require_payments(config: RunConfig, material: Material, summary: CustomerSummary) -> None:
    """Raises DiagnosticsError where nothing can be learned of repeat orders or of their amounts, with what to type."""
    if config.stated:
        return
    signs = material.signs
    require_repeat_orders(summary)
    try:
        config.spend.sufficient(summary)
    except DiagnosticsError as error:
        if config.retention.renewing or signs is None or signs.due is None:
            raise
        where, what = error.problems[0]
        why, _, otherwise = what.partition("; ")
        contracts = f"{signs.due.in_words}, as between payments of contracts: {contract_keys(signs.due)}"
        orders = f" (as orders of a shop: {otherwise})" if otherwise else ""
        raise DiagnosticsError([(where, f"{why}. {contracts}{orders}")]) from None


def unknown_groups(config: RunConfig, summary: CustomerSummary) -> list[Problem]:
    """A problem per segment or channel that an intervention names and that has no customers."""
    members = {
        "segments": {s for s in summary.customers["segment"].unique() if s},
        "channels": {c for c in summary.customers["channel"].unique() if c} | set(config.acquisition.brings),
    }
    return [
        Problem(
            f"scenario.{name}.{intervention_name}.who.{field}",
            f"no customer is in {value!r}; there are {', '.join(sorted(groups)) or 'none'}",
        )
        for name, scenario in config.library.items()
        for intervention_name, intervention in scenario.interventions.items()
        for field, groups in members.items()
        for value in getattr(intervention.who, field)
        if value not in groups
    ]


def check_posterior_files(config: RunConfig) -> None:
    """Raise ConfigError for files of `fit.posterior` that cannot be used."""
    from clvsim.models.elsewhere import merged, unit_of

    retention_draws = merged(config.fit.posterior, config.retention.kind).get("retention")
    if retention_draws:
        unit_of(retention_draws, config.fit.posterior_time_unit)


def require_holdout(material: Material) -> HeldBack:
    """What was held back. Raises ConfigError for data without dated orders, or with less than a week held back."""
    summary = material.summary
    if material.weekly is None:
        raise ConfigError([("data", f"validate needs dated orders. {material.untracked}")])
    if material.check is None or material.check.summary.holdout_days < DAYS_PER_WEEK:
        days = (summary.last_date - summary.first_date).days
        suggested = summary.first_date + timedelta(days=round(days * 2 / 3))
        got = f"got {material.check.summary.holdout_days} days" if material.check else "got none"
        why = f" {material.unchecked}" if material.unchecked else ""
        message = (
            f"validate needs at least a week of orders held back, {got}.{why} This log runs from "
            f"{summary.first_date} to {summary.last_date}, two thirds of it are data.calibration_end={suggested}"
        )
        raise ConfigError([("data.calibration_end", message)])
    return material.check
