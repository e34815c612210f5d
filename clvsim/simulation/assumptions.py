"""Uncertain numbers of a run for the regression of expected values, and its assumptions and notes for the page."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from clvsim import effects
from clvsim.interventions.base import ContactProgramme, Mechanism, OfferTerms, Shift
from clvsim.models.around.path import LEVEL_SD, SD, STATES
from clvsim.models.around.several import MODEL, several_of
from clvsim.models.arrivals import FROM_LOG, Arriving
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import PACE
from clvsim.scenario import CompiledScenario
from clvsim.simulation.arrivals import Acquired
from clvsim.simulation.config import AcquisitionConfig, EnvironmentConfig
from clvsim.simulation.environment import SdLaw
from clvsim.simulation.worlds import Worlds
from clvsim.types import DAYS_PER_YEAR, Assumption


def uncertain_inputs(
    fitted: FittedModels,
    worlds: Worlds,
    conversions: Mapping[str, np.ndarray],
    scenarios: Sequence[CompiledScenario],
    arriving: Arriving | None = None,
) -> pd.DataFrame:
    """Every uncertain number of the run by draw: parameters, conversions, newcomers a month, environment, effects.

    Of the path of months only where it stands today: single months before act by nothing else.
    """
    n = worlds.draws
    columns = {f"retention.{k}": v for k, v in retention_numbers(fitted, n).items() if not is_past(k)}
    columns |= {f"spend.{k}": v for k, v in fitted.spend_draws(slice(n)).items()}
    columns |= {f"acquisition.channels.{k}.conversion": v for k, v in conversions.items()}
    if arriving is not None:
        columns[FROM_LOG] = arriving.mean.mean(axis=1)
    columns["environment.sd"], columns["environment.level_sd"] = worlds.environment_sd, worlds.level_sd
    for scenario in scenarios:
        columns |= scenario.inputs
    frame = pd.DataFrame(columns)
    return frame.loc[:, frame.nunique() > 1]


def retention_numbers(fitted: FittedModels, draws: int) -> dict[str, np.ndarray]:
    """Numbers of the retention model by draw, (draw,): its parameters, or what several models have in common.

    Which of them it is (as yes or no), the repeat orders and the chance to order again of a newcomer within a year, and
    where the path of months stands.
    """
    params, several = fitted.retention_draws(slice(draws)), several_of(fitted.retention)
    if several is None:
        return params
    year = DAYS_PER_YEAR / fitted.days_per_unit
    numbers = {
        f"{MODEL}.{one.kind}": (params[MODEL] == i).astype(np.float64) for i, one in enumerate(several.models) if i
    }
    numbers["orders of a newcomer in a year"] = several.expected_orders_new(params, year, fitted.days_per_unit)[:, 0]
    none = several.order_pmf(params, 0, year, fitted.days_per_unit)[:, 0]
    numbers["chance of a second order in a year"] = 1 - none
    shared = [name for name in (*STATES, PACE) if all(f"{one.kind}.{name}" in params for one in several.models)]
    return numbers | {name: several.state(params, name) for name in shared}


def is_past(name: str) -> bool:
    """Whether a parameter is a month of the past, or stands under `environment` already."""
    return name.startswith("path[") or name in (SD, LEVEL_SD)


# --- assumptions -----------------------------------------------------------------------------------------------------


def acquisition_assumptions(
    acquisition: AcquisitionConfig, conversions: Mapping[str, effects.EffectDraws], arriving: Arriving | None = None
) -> tuple[Assumption, ...]:
    """Visitors, their cost and their conversion, by channel; or newcomers as the log has them, and their cost."""
    if arriving is not None:
        return newcomer_assumptions(acquisition, arriving)
    assumptions = []
    for name, channel in acquisition.channels.items():
        path, conversion = f"acquisition.channels.{name}", conversions[name]
        assumptions += [
            as_configured(f"{path}.visitors_per_month", f"Visitors a month, {name}", channel.visitors_per_month),
            as_configured(f"{path}.cost_per_visitor", f"Cost per visitor, {name}", channel.cost_per_visitor, "money"),
            *(
                ()
                if (most := channel.most_visitors_per_month) is None
                else (as_configured(f"{path}.most_visitors_per_month", f"Most visitors a month, {name}", most),)
            ),
            effects.assumption(
                channel.conversion, "probability", conversion, f"{path}.conversion", f"Conversion, {name}"
            ),
        ]
    return tuple(assumptions)


def newcomer_assumptions(acquisition: AcquisitionConfig, arriving: Arriving) -> tuple[Assumption, ...]:
    """Newcomers a month that the log makes expect, and what they cost."""
    label = f"New customers a month over the next {acquisition.months}"
    rows = [_learned(FROM_LOG, label, arriving.in_words(), arriving.mean.mean(axis=1))]
    path = "acquisition.cost_per_customer"
    if acquisition.spend_per_month:
        rows.append(
            as_configured(
                "acquisition.spend_per_month", "Spent on new customers a month", acquisition.spend_per_month, "money"
            )
        )
    elif acquisition.cost_per_customer:
        rows.append(as_configured(path, "Cost per new customer", acquisition.cost_per_customer, "money"))
    else:
        rows.append(
            Assumption(
                path, "Cost per new customer", "fixed", "none was given: nothing is taken off", "", 0, 0, 0, "money"
            )
        )
    return tuple(rows)


def environment_assumptions(
    environment: EnvironmentConfig,
    shocks_sd: SdLaw,
    sd: np.ndarray,
    level_sd: np.ndarray,
    *,
    contracts: bool,
    dated: bool,
    stated: bool = False,
) -> tuple[Assumption, ...]:
    """The size of shocks common to all customers, `sd`, and of their level's slope, `level_sd`, each (draws,); nothing
    where they are turned off. `dated`: whether the data say when orders were; `stated`: whether there are none."""
    if environment.sd_prior == 0:
        return ()
    memory = f"month-to-month correlation {environment.autocorrelation:g}"
    text = f"half-normal with sd {environment.sd_prior:g}, {memory}; assumed" + (
        "" if stated else ", not estimated from the data"
    )
    if environment.learn and not dated and not stated:
        text += f", which {'do not date renewals' if contracts else 'do not date orders'}"
    moves = "hazard" if contracts else "order rate"
    level: tuple[Assumption, ...] = ()
    if shocks_sd.months:
        text = (
            f"half-normal with sd {environment.sd_prior:g} before the log was seen, learned with its "
            f"{shocks_sd.months} months up to today; {memory} is assumed"
        )
        if environment.level_sd_prior:
            words = (
                f"0 with probability 1/2, else half-normal with sd {environment.level_sd_prior:g}, before the log was "
                "seen; learned with its months. The slope fades by a tenth each month, which is assumed"
            )
            level = (
                _learned("environment.level_sd_prior", f"Slope of the {moves}'s level, sd a month", words, level_sd),
            )
    return (
        Assumption(
            path="environment.sd_prior",
            label=f"Monthly shocks common to all customers, sd of log {'hazard' if contracts else 'purchase rate'}",
            kind="learned" if shocks_sd.months else "prior",
            text=text,
            source="",
            mean=float(sd.mean()),
            p05=float(np.quantile(sd, 0.05)),
            p95=float(np.quantile(sd, 0.95)),
        ),
        *level,
    )


def _learned(path: str, label: str, text: str, values: np.ndarray) -> Assumption:
    low, high = np.quantile(values, [0.05, 0.95])
    return Assumption(path, label, "learned", text, "", float(values.mean()), float(low), float(high))


def as_configured(path: str, label: str, value: float, unit: str = "number") -> Assumption:
    """A number that is taken as configured."""
    return Assumption(path, label, "fixed", "as configured, no uncertainty", "", value, value, value, unit)


# --- notes -----------------------------------------------------------------------------------------------------------


def weight_notes(acquired: Iterable[Acquired | None]) -> tuple[str, ...]:
    """Note on newcomers that are represented by others, with the largest share of all scenarios."""
    share = max((totals.weighted_share for totals in acquired if totals), default=0.0)
    if share == 0:
        return ()
    return (
        f"{share:.0%} of new customers are represented by fewer simulated ones with a weight; expected figures are "
        "unaffected, realised figures vary too much (simulation.max_newcomers_per_cell).",
    )


def rate_notes(scenarios: Iterable[CompiledScenario]) -> tuple[str, ...]:
    """A note for each scenario with a lever on the order rate, which contracts do not have."""
    return tuple(
        f"{scenario.description.title}: customers pay at every renewal until they cancel, so levers on how "
        "often they buy have no effect here (shifts of the rate, goodwill and fatigue of contacts, an offer's "
        "effect on the rate). What makes them stay is a shift of the hazard, or a next product."
        for scenario in scenarios
        if any(changes_rate(mechanism) for mechanism in scenario.mechanisms)
    )


def changes_rate(mechanism: Mechanism) -> bool:
    """Whether a mechanism changes how often customers order."""
    match mechanism:
        case Shift():
            return mechanism.target == "rate" and bool(mechanism.size.any())
        case ContactProgramme():
            return bool(mechanism.goodwill.any() or mechanism.fatigue.any())
        case OfferTerms():
            return bool(mechanism.decline_rate.any() or mechanism.accept_rate.any())
    return False
