"""From where on a lever pays: break-evens of the numbers on which it rests, and what it may cost."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.decision.breakeven import BreakEven, break_even_on_grid
from clvsim.decision.surrogate import mean_curve
from clvsim.errors import ConfigError
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.contest import difference_label
from clvsim.questions.costs import Cost, costs_of
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.pictures import Curves, Line
from clvsim.types import Assumption, RunResult, ScenarioDescription

ALWAYS, NEVER = "everywhere", "nowhere"
_POINTS = 41
_AT_ONCE = 0.03  # of what is expected of an effect, below which it pays from no effect on
_LOG_CHANGES = (".goodwill", ".curve.gain")  # of the purchase rate: shown as a change of orders
_COUNTED = {  # what a cost is paid for: lines of counts, and one of them in words
    "cost_contact": (("contacts",), "a message"),
    "cost_incentive": (("offers_taken", "coupons_used", "referrals", "trials"), "each who takes it"),
}


class Effect(NamedTuple):
    """A number of a lever: values (g,) as read, mean differences at these with their errors, and the crossings.

    `in_proportion`: the number is certain, and the difference without costs is taken to go with it in proportion.
    """

    assumption: Assumption
    at: np.ndarray
    mean: np.ndarray
    mcse: np.ndarray
    found: BreakEven
    in_proportion: bool = False


class CostLimit(NamedTuple):
    """How much a cost may be, in all, discounted, or of each of `unit`; and what it is now."""

    cost: Cost
    unit: str
    now: float
    limit: float
    mcse: float


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a lever."""
    if settings.lever is not None:
        run.scenario(settings.lever)
    levers = [one for one in run.levers if settings.lever in (None, one.name)]
    if not levers:
        what = "breakeven needs a lever, and this run has none: 'scenarios=[NAME]' picks some for clvsim run"
        raise ConfigError([("ask", what)])
    run.require_money("breakeven")
    rows, records, first = [], [], []
    picture = None
    for lever in levers:
        effects, limits = effects_of(run, lever), cost_limits(run, lever)
        first.append(_sentence(run, lever, effects, limits))
        rows += [_effect_row(run, lever, one) for one in effects] + [_cost_row(run, lever, one) for one in limits]
        records += [_effect_record(lever, one) for one in effects] + [_cost_record(lever, one) for one in limits]
        if picture is None and effects:
            picture = _picture(run, lever, effects[0])
    return Answer(
        sentences=tuple(first),
        text=Text(("", "number", "now", "pays"), tuple(rows)),
        table=pd.DataFrame(records),
        picture=picture,
        notes=(
            "Of a number about which something is uncertain: the mean difference at each of its values, within its 1 "
            "and 99 % ends, everything else as uncertain as it is. Of a certain one “in proportion”: what the lever "
            "brings is taken to go with it; clvsim sweep simulates it instead.",
            "Up to: what a cost may be so that the lever adds as much as it costs, on average; costs are linear.",
        ),
    )


# --- numbers on which a lever rests ----------------------------------------------------------------------------------


def effects_of(run: Finished, lever: ScenarioDescription, *, errors: bool = True) -> list[Effect]:
    """Of the numbers that drive what a lever brings; with one, where none is marked, of all."""
    drivers = [one for one in lever.assumptions if one.drives and one.unit != "money"]
    return [found for one in drivers if (found := _effect(run, lever, one, errors=errors)) is not None]


def _effect(run: Finished, lever: ScenarioDescription, one: Assumption, *, errors: bool) -> Effect | None:
    change = run.draws.change(lever.name)
    if one.path in run.draws.input_names:
        applied = run.draws.inputs[:, run.draws.input_names.index(one.path)]
        if np.ptp(applied) > 0:
            return _of_uncertain(one, applied, change, errors=errors)
    return _in_proportion(run, lever, one, float(change.values.mean()))


def _read(one: Assumption, applied: np.ndarray) -> np.ndarray:
    """A number as people read it: relative changes instead of logs."""
    return np.expm1(applied) if one.unit == "relative" else applied


def _of_uncertain(one: Assumption, applied: np.ndarray, change: decision.Expectation, *, errors: bool) -> Effect:
    """The regression of the difference on the number alone, by splines."""
    grid, mean, mcse, _ = mean_curve(applied, change, _POINTS, errors=errors)
    at = _read(one, grid)
    return Effect(one, at, mean, mcse, break_even_on_grid(at, mean, mcse))


def _in_proportion(run: Finished, lever: ScenarioDescription, one: Assumption, change: float) -> Effect | None:
    """Of a certain number at which the lever does something; None where nothing is posted and it just pays, or not."""
    if one.mean == 0:
        return None
    posted = float(sum(cost.amount.mean() for cost in costs_of(run.draws, lever.name)))
    gain = change + posted
    far = 2 * one.mean
    at = np.linspace(min(far, 0.0), max(far, 0.0), _POINTS)
    mean = gain * at / one.mean - posted
    return Effect(one, at, mean, np.zeros(_POINTS), break_even_on_grid(at, mean), in_proportion=True)


# --- costs -----------------------------------------------------------------------------------------------------------


def cost_limits(run: Finished, lever: ScenarioDescription) -> list[CostLimit]:
    """Of each cost of a lever, the others as they are."""
    change = run.draws.change(lever.name)
    mean = decision.estimate(change.values, change.noise, run.draws.effective)
    found = []
    for cost in costs_of(run.draws, lever.name):
        now = float(cost.amount.mean())
        accounts, unit = _COUNTED.get(cost.account, ((), ""))
        counts = [run.draws.line(f"{account}/{cause}", lever.name) for account in accounts for cause in (cost.cause,)]
        number = float(np.sum([count.mean() for count in counts if count.any()])) if counts else 0.0
        each = number if number > 0 else 1.0
        label = unit if number > 0 else "in all"
        found.append(CostLimit(cost, label, now / each, (now + mean.value) / each, mean.mcse / each))
    return found


# --- words -----------------------------------------------------------------------------------------------------------


class PaysFrom(NamedTuple):
    """From which value of a number a lever pays, and what is expected of that number; both "" where it is not known."""

    least: str = ""
    expected: str = ""


def pays_from(run: Finished, lever: ScenarioDescription) -> PaysFrom:
    """A few words for a table, of the number that a lever rests on.

    Empty where it rests on several, or on none; what it may cost is then asked for by itself.
    """
    if run.draws.decided != "plan_value":
        return PaysFrom()
    effects = effects_of(run, lever, errors=False)
    if len(effects) != 1:
        return PaysFrom()
    (effect,) = effects
    expected = effect.assumption.mean
    if len(effect.found.crossings) == 1:  # no finer than what it is compared with
        unit = 10.0 ** fmt.last_place((effect.found.crossings[0].at,), digits=2)
        expected = round(expected / unit) * unit
    return PaysFrom(_from(run, effect), _value(run, effect.assumption, expected))


def _from(run: Finished, effect: Effect) -> str:
    crossings = effect.found.crossings
    if len(crossings) != 1 or _pays(run, effect).startswith("any "):
        return _pays(run, effect)
    value = _value(run, effect.assumption, crossings[0].at)
    return value if crossings[0].rising else f"up to {value}"


def with_break_evens(run: Finished) -> RunResult:
    """The result, in which each lever says from where on it pays."""
    levers = {lever.name for lever in run.levers}
    described = (_described(run, one) if one.name in levers else one for one in run.result.scenarios)
    return replace(run.result, scenarios=tuple(described))


def _described(run: Finished, lever: ScenarioDescription) -> ScenarioDescription:
    found = pays_from(run, lever)
    return replace(lever, pays_from=found.least, expected=found.expected)


def _pays(run: Finished, effect: Effect) -> str:
    """Where a lever pays, of one number: `at least +1.2 %`, `any rise`, `nowhere`."""
    crossings = effect.found.crossings
    if not crossings:
        return ALWAYS if effect.found.pays_at_low else NEVER
    if len(crossings) > 1:
        ends = [_value(run, effect.assumption, crossing.at) for crossing in crossings]
        return f"between {ends[0]} and {ends[1]}" if crossings[0].rising else f"below {ends[0]} or above {ends[-1]}"
    (one,) = crossings
    if effect.assumption.unit == "relative" and abs(one.at) < max(0.0005, _AT_ONCE * abs(effect.assumption.mean)):
        return "any rise" if one.rising else "any fall"
    return f"at {'least' if one.rising else 'most'} {_value(run, effect.assumption, one.at)}"


def _value(run: Finished, one: Assumption, value: float) -> str:
    if one.path.endswith(_LOG_CHANGES):
        value = float(np.expm1(value))
    if one.unit == "relative" or one.path.endswith(_LOG_CHANGES):
        return fmt.percent(value, min(-3, fmt.last_place((value,), digits=2)), signed=True)
    if one.unit == "probability":
        return fmt.percent(value, min(-3, fmt.last_place((value,), digits=2)))
    if one.unit == "money":
        return money(run, value)
    return fmt.number(value, fmt.last_place((value,), digits=2))


def _price(run: Finished, value: float, unit: str) -> str:
    place = min(-2, fmt.last_place((value,), digits=2)) if abs(value) < 1 else fmt.last_place((value,), digits=3)
    return f"{fmt.money(value, place if abs(value) < 1 else max(place, -2), run.currency)} {unit}"


def _sentence(run: Finished, lever: ScenarioDescription, effects: list[Effect], limits: list[CostLimit]) -> str:
    name = f"“{lever.title}”" + (" (an example)" if lever.illustrative else "")
    change = run.draws.change(lever.name)
    mean = decision.estimate(change.values, change.noise, run.draws.effective)
    parts = []
    for one in effects[:2]:
        label, where = one.assumption.label.partition(":")[0].lower(), _pays(run, one)
        now = _value(run, one.assumption, one.assumption.mean)
        if where in (ALWAYS, NEVER):
            parts.append(f"{'pays' if where == ALWAYS else 'does not pay'} wherever the {label} may lie")
        else:
            parts.append(f"pays where the {label} is {where} ({'stated' if one.in_proportion else 'expected'}: {now})")
    if mean.value > 0 and limits:
        one = max(limits, key=lambda limit: limit.now)
        parts.append(f"may cost up to {_price(run, one.limit, one.unit)} (now {_price(run, one.now, one.unit)})")
    elif mean.value > 0 and not limits:
        parts.append(f"costs nothing as stated, and may cost {money(run, mean.value, mean.mcse)} in all")
    if not parts:
        return f"{name} does not pay as stated, and no number of it was found at which it would."
    return f"{name} {', and '.join(parts)}."


def _effect_row(run: Finished, lever: ScenarioDescription, one: Effect) -> tuple[str, ...]:
    how = " (in proportion)" if one.in_proportion else ""
    return (
        lever.title,
        one.assumption.label.partition(":")[0],
        _value(run, one.assumption, one.assumption.mean),
        _pays(run, one) + how,
    )


def _cost_row(run: Finished, lever: ScenarioDescription, one: CostLimit) -> tuple[str, ...]:
    limit = f"up to {_price(run, one.limit, one.unit)}" if one.limit > 0 else "at no cost"
    return lever.title, one.cost.cause.replace("_", " "), _price(run, one.now, one.unit), limit


def _effect_record(lever: ScenarioDescription, one: Effect) -> dict:
    crossing = one.found.crossings[0] if one.found.crossings else None
    return {
        "scenario": lever.name,
        "number": one.assumption.path,
        "now": one.assumption.mean,
        "break_even": crossing.at if crossing else float("nan"),
        "mcse": crossing.mcse if crossing else float("nan"),
        "pays": ("above" if crossing.rising else "below")
        if crossing
        else ("always" if one.found.pays_at_low else "never"),
        "crossings": len(one.found.crossings),
        "in_proportion": one.in_proportion,
    }


def _cost_record(lever: ScenarioDescription, one: CostLimit) -> dict:
    return {
        "scenario": lever.name,
        "number": f"{one.cost.account}/{one.cost.cause}",
        "now": one.now,
        "break_even": one.limit,
        "mcse": one.mcse,
        "pays": "below",
        "crossings": 1,
        "in_proportion": False,
    }


def _picture(run: Finished, lever: ScenarioDescription, one: Effect) -> Curves:
    scale = 100 if one.assumption.unit in ("relative", "probability") else 1
    label = one.assumption.label.partition(":")[0]
    marks = tuple(
        (scale * crossing.at, "pays from here" if crossing.rising else "pays up to here")
        for crossing in one.found.crossings
    )
    line = Line(lever.title, one.mean, one.mean - 1.645 * one.mcse, one.mean + 1.645 * one.mcse)
    up = difference_label(run)
    return Curves(
        scale * one.at,
        (line,),
        f"{label}{', %' if scale == 100 else ''}; band: 90 % of Monte Carlo error",
        up[0].upper() + up[1:],
        currency=run.currency,
        marks=marks,
    )
