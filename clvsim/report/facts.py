"""Rows of the page's tables on the fitted models, the finance section and the data."""

from calendar import month_name
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clvsim.models.around.by_calendar import calendar_of
from clvsim.models.around.calendar import MEAN_DAY, Effect
from clvsim.models.around.paced import paced_of
from clvsim.models.around.path import LEVEL_SD, SD
from clvsim.models.around.pooling import in_words
from clvsim.models.around.several import several_of
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import PACE, RECOVERY
from clvsim.models.protocol import RetentionModel
from clvsim.models.single import Single
from clvsim.models.spend import paid
from clvsim.models.spend.trend import used
from clvsim.models.stated import is_stated
from clvsim.report import format as fmt
from clvsim.report.alerts import in_full
from clvsim.simulation.config import FinanceConfig
from clvsim.types import Assumption, CustomerSummary, QualityLine
from clvsim.validation.vocabulary import vocabulary_of

if TYPE_CHECKING:
    from clvsim.comparison import Comparison

Fact = tuple[str, str]  # label, value
AMOUNTS_OVER_TIME = "Amounts over time"

_STANDING = {
    "path.shock": "shock of the month up to today, on the order rate",
    "path.level": "level of the order rate today against the mean of the log",
    "path.slope": "the level's next step, a month, which fades by a tenth each month",
    SD: "sd of monthly shocks of the log order rate",
    LEVEL_SD: "sd of the level's slope, a month; 0 in some draws",
    PACE: "order rate after today against the log's, as MBG/NBD's months have it",
}
_WHAT_IS = {RECOVERY: f"{RECOVERY}: chance that a charge that failed is paid after all"}
_LAYERS = {"model": "which model"}
_OF_HAZARD = {
    SD: "sd of monthly shocks of the log hazard",
    PACE: "hazard of ending after today against the log's, as the months of its renewals have it",
}


def model_facts(
    fitted: FittedModels,
    summary: CustomerSummary,
    comparison: "Comparison",
    finance: FinanceConfig,
) -> tuple[Fact, ...]:
    """Fitted figures and checks: label and value of each row of the page's section on the model."""
    spend, draws = fitted.spend, fitted.posterior.spend
    return (
        *retention_facts(fitted),
        *(
            (spend_label(name, spend.kind, renewing=fitted.retention.renewing), spread(values))
            for name, values in draws.items()
        ),
        *spend.facts(draws),
        ("How the draws came about" if is_stated(fitted) else "How the posterior was drawn", fitted.method),
        *([] if is_stated(fitted) else spend_checks(fitted, summary)),
        *decision_facts(comparison, finance),
    )


def spend_label(name: str, kind: str, *, renewing: bool = False) -> str:
    """A parameter of the spend model, or of the share of orders that are paid."""
    if name not in paid.LABELS:
        return f"{name} ({kind})"
    label = paid.LABELS[name]
    if renewing:
        label = label.replace("repeat orders", "renewals").replace(
            "first orders that are paid", "first payments above 0"
        )
    return f"{name}: {label}"


def retention_facts(fitted: FittedModels) -> list[Fact]:
    """Parameters of the retention model, those of its calendar as factors, and the effects of groups and covariates.

    Of the months of the log only where their path stands today.
    """
    retention, posterior = fitted.retention, fitted.posterior
    if shared := several_of(retention):
        return [
            (f"{label} ({share.model.kind})" if share.model.kind not in label else label, value)
            for share in shared.shares(posterior.retention)
            for label, value in retention_facts(
                replace(fitted, retention=share.model, posterior=replace(posterior, retention=share.params))
            )
        ]
    unit, times = f", {posterior.time_unit}s", retention.TIMES
    parameters, level_facts = in_words(retention, posterior.retention)
    effects = {effect.label: effect for effect in calendar_effects(retention)}
    promoted = any(effect.kind == "promotion" for effect in effects.values())
    facts = [
        path_fact(name, values, renewing=retention.renewing)
        if name in _STANDING
        else calendar_fact(effects[name], values, renewing=retention.renewing)
        if name in effects
        else (_WHAT_IS.get(name) or f"{name} ({retention.kind}{unit if name in times else ''})", spread(values))
        for name, values in parameters.items()
        if (promoted or name != MEAN_DAY.label)  # else the mean day itself
        and not name.startswith("path[")
    ]
    return [*facts, *level_facts]


def calendar_effects(retention: RetentionModel) -> tuple[Effect, ...]:
    """Effects of the calendar that a retention model was fitted with."""
    calendar = calendar_of(retention)
    return calendar.effects if calendar else ()


def fitted_kinds(retention: RetentionModel) -> tuple[str, ...]:
    """Kinds of the calendar's effects that differ from a mean day, each once; a path of months beside the model too."""
    if shared := several_of(retention):
        return tuple(dict.fromkeys(kind for one in shared.models for kind in fitted_kinds(one)))
    beside = ("path",) if paced_of(retention) else ()
    kinds = (effect.kind for effect in calendar_effects(retention) if effect != MEAN_DAY)
    return tuple(dict.fromkeys((*kinds, *beside)))


def path_fact(name: str, values: np.ndarray, *, renewing: bool = False) -> Fact:
    """A size of the shocks and the level of months, or where they stand today; `values` is (draw,)."""
    label = f"{name}: {_OF_HAZARD.get(name, _STANDING[name]) if renewing else _STANDING[name]}"
    if name == PACE:
        return label, f"×{spread(values)}"
    return label, spread(values) if name in (SD, LEVEL_SD) else f"×{spread(np.exp(values))}"


def calendar_fact(effect: Effect, log_rate: np.ndarray, *, renewing: bool = False) -> Fact:
    """Factor by which a month or a promotion multiplies the order rate, or the hazard of contracts; (draw,)."""
    factor, rate = f"×{spread(np.exp(log_rate))}", "hazard of renewals" if renewing else "order rate"
    if effect.kind == "promotion":
        return f"{effect.label}: {rate} against the same days without it", factor
    month = "other days against a mean day"
    if effect != MEAN_DAY:
        month = f"{month_name[int(effect.key)]} against a mean month"
    return f"{effect.label}: {rate}, {month}", factor


def spend_checks(fitted: FittedModels, summary: CustomerSummary) -> list[Fact]:
    """Mean amounts of the fitted model and of the data, and the correlation of amounts with frequency."""
    check = fitted.spend.check(summary, fitted.posterior.spend)
    order = vocabulary_of(fitted.retention.renewing).one_repeat
    trend = used(summary, fitted.spend.trend)
    place = fmt.last_place((check.fitted_mean, check.mean_repeat_order))
    data = f"Mean per {order}, in the data" + (", at today’s level" if trend else "")
    facts = [
        *([(AMOUNTS_OVER_TIME, trend)] if trend else []),
        (f"Mean per {order}, simulated population", fmt.number(check.fitted_mean, place)),
        (data, fmt.number(check.mean_repeat_order, place)),
    ]
    if np.isfinite(check.correlation):
        facts.append(("Correlation of spend with frequency", f"{check.correlation:.2f}"))
    return facts


def decision_facts(comparison: "Comparison", finance: FinanceConfig) -> list[Fact]:
    """Where the spread of the baseline's value comes from, and the expected value of perfect information."""
    facts = []
    parts = {layer: value for layer, value in comparison.variance.items() if layer != "total"}
    total = sum(parts.values())  # with few draws they are more than the whole
    if total > 0:
        shares = ", ".join(f"{_LAYERS.get(layer, layer)} {value / total:.0%}" for layer, value in parts.items())
        noun = "revenue" if finance.gross_margin is None else "value"
        facts.append((f"Where the spread of the baseline's plan {noun} comes from", shares))
    if comparison.evpi is not None:
        evpi = comparison.evpi.value
        amount = "too small to tell from Monte Carlo error"
        if evpi is not None:
            amount = fmt.money(evpi, fmt.last_place([evpi], comparison.evpi.mcse), finance.currency)
        facts.append(("The most that perfect information could add to the choice", amount))
    return facts


def single_newcomers(single: Single, months: int, currency: str, *, renewing: bool) -> str:
    """A sentence on what the mean over newcomers hides."""
    median, top = (
        fmt.money(value, fmt.last_place([value], digits=2), currency) for value in (single.median, single.top)
    )
    verb = "pay" if renewing else "order"
    return (
        f"Of new customers {fmt.share(single.once)} {verb} once; half bring at most {median} of revenue within "
        f"{fmt.months(months)}, and one in ten at least {top}."
    )


def spread(values: np.ndarray) -> str:
    """Mean and 90 % interval of (draw,) values."""
    low, high = np.quantile(values, [0.05, 0.95])
    return f"{values.mean():.3g} [{low:.3g}, {high:.3g}]"


def finance_assumptions(finance: FinanceConfig) -> tuple[Assumption, ...]:
    """Numbers of the finance section that enter the figures."""
    from clvsim.simulation.assumptions import as_configured

    rate = as_configured(
        "finance.annual_discount_rate", "Discount rate a year", finance.annual_discount_rate, "probability"
    )
    assumptions = [rate]
    if finance.gross_margin is not None:
        assumptions.append(
            as_configured("finance.gross_margin", "Gross margin of orders", finance.gross_margin, "probability")
        )
    if finance.cost_per_order and finance.gross_margin is not None:
        assumptions.append(
            as_configured("finance.cost_per_order", "Payment and fulfilment per order", finance.cost_per_order, "money")
        )
    return tuple(assumptions)


def quality_warnings(quality: tuple[QualityLine, ...]) -> tuple[str, ...]:
    """The lines of the quality table that are worth a look, each in one piece."""
    return tuple(in_full(line) for line in quality if line.level == "warning")
