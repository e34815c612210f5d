"""Warnings about data that a retention model takes for something else, or that say nothing of the days ahead."""

from calendar import month_name
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from clvsim.data.material import Material
from clvsim.data.regularity import Due, Regularity
from clvsim.data.yearly import Season
from clvsim.models.around.by_calendar import MONTH_SD
from clvsim.models.around.season import Seasonable
from clvsim.models.auto import MEMBERS, Auto
from clvsim.models.protocol import RetentionModel
from clvsim.models.retention.cnbd import MAX_K, RegularModel
from clvsim.models.retention.contracts import ContractModel
from clvsim.models.retention.remarks import season_of_losses
from clvsim.scenario import BASELINE
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_YEAR, TWO_YEARS_DAYS, CustomerSummary, QualityLine

if TYPE_CHECKING:
    from clvsim.models.fitted import FittedModels
    from clvsim.simulation.run import Simulation

_FAR = 2.0  # times the longest time for which a customer was observed
_FEW_MONTHS = 12
_FEW_DRAWS = 100  # for a share that is printed in whole per cent
_ENDLESS = 100  # stages, beyond which days are too coarse to count them


def cautions(retention: RetentionModel, material: Material, days_ahead: float) -> tuple[QualityLine, ...]:
    """Lines about regular gaps, seasons, months that the log has never seen, and a horizon beyond what it has.

    Silent about what `retention` models, and of `material` without dated orders about all but the horizon.
    """
    far = horizon_line(material.summary, days_ahead)
    if material.signs is None:
        return tuple(far)
    regularity, season, due = material.signs
    lines = unseen_months(retention, material.summary, days_ahead) + far
    clockwork = regularity is not None and regularity.sure and regularity.k > MAX_K
    seasonal = season is not None and season.sure and not clockwork and not due
    by_interval = retention.renewing or bool(retention.opportunity_days)
    if season is not None and seasonal and not has_season(retention) and not by_interval:
        lines.append(_season_line(retention, season))
    if isinstance(retention, ContractModel) and not has_season(retention):
        losses = season_of_losses(retention, material.summary)
        lines += [_season_line(retention, losses)] if losses is not None and losses.sure else []
    if regularity is not None and not seasonal and not retention.renewing and not retention.opportunity_days:
        lines += regularity_lines(retention, regularity, due)
    return tuple(lines)


def as_found(retention: RetentionModel, material: Material) -> tuple[RetentionModel, tuple[str, ...]]:
    """What `retention=auto` takes from a log by itself, in sentences: a season that two years have shown, and a model
    of regular buyers where gaps are regular. Other models, and what was asked for, stay as they are."""
    if not isinstance(retention, Auto) or material.signs is None:
        return retention, ()
    regularity, season, due = material.signs
    if due:  # payments of contracts, which none of the members is a model of
        return retention, ()
    changed: dict[str, Any] = {}
    said = []
    long_enough = (material.summary.today - material.summary.first_date).days >= TWO_YEARS_DAYS
    if season is not None and season.sure and long_enough and retention.season == "auto":
        changed["season"] = "month"
        said.append(
            f"months of the year differ ({month_name[season.month]} {season.times:.1f} times a mean month's repeat "
            "orders), and the log has two years of them: they are modelled (retention.season=off leaves it)"
        )
    if (
        regularity is not None
        and regularity.sure
        and regularity.k <= MAX_K
        and not (changed or has_season(retention))
        and retention.members == MEMBERS
    ):
        changed["members"] = (*MEMBERS, "bg_cnbd")
        said.append(f"gaps between orders are regular (k = {regularity.k:.1f}): bg_cnbd is one of the models")
    return (retention.model_copy(update=changed), tuple(said)) if changed else (retention, ())


def has_season(retention: RetentionModel) -> bool:
    """Whether months of the year are part of the model."""
    return isinstance(retention, Seasonable) and retention.season == "month"


def _season_key(retention: RetentionModel) -> str:
    """What to type for a season."""
    other = "" if isinstance(retention, Seasonable) else "retention=bg_nbd "
    return f"{other}retention.season=month"


def _season_line(retention: RetentionModel, season: Season) -> QualityLine:
    of_what = "hazard of ending" if retention.renewing else "repeat orders"
    return QualityLine(
        "season",
        "Months of the year differ",
        f"{month_name[season.month]} has {season.times:.1f} times a mean month's {of_what}",
        f"they come back from year to year, {season.z:.1f} standard errors beyond chance, and nothing models it: set "
        f"{_season_key(retention)}",
        "warning",
        tuple(_season_key(retention).split()),
    )


def regularity_lines(retention: RetentionModel, found: Regularity, due: Due | None = None) -> list[QualityLine]:
    """A warning about regular gaps where the model takes them for chance, or about rounded dates that look regular."""
    if isinstance(retention, RegularModel):
        if retention.k == "auto" and found.rounded and not found.sure:
            note = (
                "dates seem to be rounded, and counted in weeks gaps are no more regular than chance; k=auto takes "
                "rounded gaps for regular ones: set retention=bg_nbd, or retention.k=1"
            )
            value = f"{found.whole_weeks:.0%} are whole weeks"
            return [QualityLine("rounded", "Gaps between orders", value, note, "warning")]
        return []
    if not found.sure or (isinstance(retention, Auto) and any("cnbd" in name for name in retention.members)):
        return []
    if due:
        which = f"{due.in_words}: payments of contracts look like that, set {contract_keys(due)}"
    else:
        contracts = "; payments of contracts look like that: retention=sbg" if found.k > MAX_K else ""
        which = (
            f"1 is chance, {found.z:.0f} standard errors away. {retention.kind} takes silence after a regular "
            "customer's usual gap for chance: set retention=bg_cnbd" + contracts
        )
    value = f"k = {found.k:.1f}" if found.k < _ENDLESS else f"k above {_ENDLESS}"
    remedy = tuple(contract_keys(due).split()) if due else ("retention=bg_cnbd",)
    return [QualityLine("regularity", "Gaps between orders are regular", value, which, "warning", remedy)]


def contract_keys(due: Due) -> str:
    """What to type for contracts of one price that fall due by the calendar."""
    return f"retention=sbg retention.renewal={due.renewal} spend=fixed_price"


def unseen_months(retention: RetentionModel, summary: CustomerSummary, days_ahead: float) -> list[QualityLine]:
    """A warning about months of the year that lie ahead and have no day in the log."""
    seen = _months(summary.first_date + timedelta(days=1), summary.today)
    ahead = _months(summary.today + timedelta(days=1), summary.today + timedelta(days=max(1, int(days_ahead))))
    unseen = [month for month in ahead if month not in seen]
    if not unseen:
        return []
    first, last = month_name[unseen[0]], month_name[unseen[-1]]
    names = first if len(unseen) == 1 else f"{first} to {last}"
    if has_season(retention):
        note = f"each has the season's prior: no level, and a width of {MONTH_SD:.0%} either way"
    else:
        note = (
            "with retention.season=month each may differ as months of a year do"
            if isinstance(retention, Seasonable)
            else f"{_season_key(retention)} lets each differ as months of a year do"
        )
        names += ", taken to be like the others"
    return [QualityLine("unseen_months", "Months ahead that were never seen", names, note, "warning")]


def _months(first: date, last: date) -> list[int]:
    """Months of the year, 1 to 12, from one day to another, in the order in which they come."""
    start = first.year * 12 + first.month - 1
    end = min(last.year * 12 + last.month - 1, start + _FEW_MONTHS - 1)
    return [month % 12 + 1 for month in range(start, end + 1)]


def horizon_line(summary: CustomerSummary, days_ahead: float, beyond: str = "") -> list[QualityLine]:
    """How the horizon compares with the longest time for which a customer has been observed, where it is longer, and
    what share lies `beyond`, where that is known."""
    observed = observed_days(summary)
    if days_ahead <= observed:
        return []
    value = f"is {days_ahead / observed:.2g} times what was observed"
    note = (
        f"{days_ahead:,.0f} days ahead, and no customer has been seen for more than {observed:,.0f}: what lies beyond"
        f"{beyond} rests on the model's form, which no data have checked (simulation.horizon_months)"
    )
    level = "warning" if days_ahead > _FAR * observed else "info"
    return [QualityLine("horizon", "The horizon", value, note, level)]


def observed_days(summary: CustomerSummary) -> float:
    """The longest time for which a customer has been observed, both ends included."""
    return float(summary.customers["T_days"].max()) + 1


def with_share_beyond(material: Material, fitted: "FittedModels", simulation: "Simulation", jobs: int = 1) -> Material:
    """The same, whose line on the horizon has the share of value that comes later than anybody was observed for: of
    today's customers from today on, of newcomers from their first order. Closed forms, of a hundred draws; where only a
    sample was simulated, of that, weighted."""
    from clvsim.quantities import reduce_draws
    from clvsim.simulation.levels import expected_age_curve
    from clvsim.simulation.sample import rows_of_summary

    days, observed = simulation.horizon_months * DAYS_PER_MONTH, observed_days(material.summary)
    if days <= observed:
        return material
    prices, sample = simulation.economics, simulation.sample
    some = rows_of_summary(material.summary, sample.rows) if sample else material.summary
    until_then, in_all = (
        reduce_draws(
            "expected_rlv",
            fitted,
            some,
            draws=min(_FEW_DRAWS, fitted.draws),
            jobs=jobs,
            horizon_months=length / DAYS_PER_MONTH,
            annual_discount_rate=float(np.expm1(prices.discount_per_day * DAYS_PER_YEAR)),
            gross_margin=prices.gross_margin,
            cost_per_order=prices.cost_per_order,
        )
        for length in (observed, days)
    )
    if sample:
        until_then, in_all = (float(reduced["mean"].values @ sample.weight) for reduced in (until_then, in_all))
    else:
        until_then, in_all = (reduced["total"].values.mean() for reduced in (until_then, in_all))
    noun = "value" if prices.margin_known else "revenue"
    parts = [f"{1 - until_then / in_all:.0%} of the {noun} of today's customers"] if in_all > 0 else []
    if simulation.scenarios[BASELINE].acquired:
        curve = np.nanmean(expected_age_curve(simulation), axis=0)
        young = np.interp(observed / DAYS_PER_MONTH, np.arange(curve.size), curve)
        parts += [f"{1 - young / curve[-1]:.0%} of a newcomer's"] if curve[-1] > 0 else []
    beyond = f" ({' and '.join(parts)})" if parts else ""
    line = horizon_line(material.summary, days, beyond)
    return material._replace(quality=tuple(line[0] if q.key == line[0].key else q for q in material.quality))
