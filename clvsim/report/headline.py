"""The headline and the sentences beside it, chosen by fixed rules: the wording never depends on taste.

A lever is called *better* only if the 90 % interval of its difference lies above zero; scenarios whose effects are
examples never reach the headline.
"""

import math
from typing import NamedTuple

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.display import Row
from clvsim.types import HoldoutCheck, RunResult, ScenarioDescription


def headline(result: RunResult) -> str:
    """One sentence with money, interval and frequency, about the best lever whose effects are not examples."""
    best = best_lever(result)
    if best is None:
        return _about_today(result)
    scenario, row = best
    name, words = f"“{scenario.title}”", _phrases(result)
    size, low, high = _difference(result, row)
    span = f"over {result.horizon_months} months"
    futures = f"{fmt.frequency(row.p_better, row.p_better_mcse)} simulated futures"
    interval = f"90{fmt.NBSP}% interval"
    if row.delta_mean == row.delta_p05 == row.delta_p95 == 0:
        return f"{name} makes no difference {span}: {words.same} in every simulated future."
    if row.delta_p05 > 0:
        return f"{name} {words.more.format(size)} {span} ({interval} {low} to {high}); in {futures} {words.higher}."
    if row.delta_mean > 0:
        return (
            f"No lever is clearly better than carrying on as today: the best, {name}, {words.more.format(size)} "
            f"{span} on average, but its {interval} runs from {low} to {high}, and in only {futures} {words.higher}."
        )
    return (
        f"No lever is expected to pay: even the best, {name}, {words.less.format(size)} {span} "
        f"({interval} {low} to {high}); in {futures} {words.higher}."
    )


def second_sentence(result: RunResult) -> str:
    """How often the headline's lever is the best of all simulated options; "" with fewer than three options."""
    best = best_lever(result)
    options = len(display.applicable(result))
    if best is None or options < 3 or math.isnan(best[1].p_best):
        return ""
    mcse = math.sqrt(best[1].p_best * (1 - best[1].p_best) / result.draws)
    return (
        f"Of the {options} options compared, today included, it comes out best in "
        f"{fmt.frequency(best[1].p_best, mcse)} simulated futures."
    )


def best_lever(result: RunResult) -> tuple[ScenarioDescription, Row] | None:
    """The lever with the highest expected value of the decision's metric among those that are not examples."""
    table, metric = display.rows(result, "expected"), display.decision_metric(result)
    candidates = [
        (scenario, table[scenario.name, metric])
        for scenario in display.levers(result)
        if not scenario.illustrative and (scenario.name, metric) in table
    ]
    return max(candidates, key=lambda pair: pair[1].mean, default=None)


def holdout_sentences(result: RunResult, check: HoldoutCheck) -> list[str]:
    """Sentences on whether the orders held back lay inside the 90 % intervals, with and without common shocks."""
    words = display.vocabulary(result)
    inside_with = _inside(check.actual, check.with_environment)
    inside_without = _inside(check.actual, check.without_environment)
    if inside_with == inside_without:
        verdict = f"The actual figure lies {'inside' if inside_with else 'outside'} both intervals."
    else:
        verdict = (
            f"The actual figure lies {'inside' if inside_with else 'outside'} the first and "
            f"{'inside' if inside_without else 'outside'} the second."
        )
    counted = f", those of a period of {fmt.days(result.merged_days)} days as one" if result.merged_days else ""
    layers = "parameter + process" if "parameter" in result.layers else "process"
    place = fmt.last_place((check.mean, *check.with_environment))
    actual = fmt.number(check.actual)
    orders_placed = f"{words.placed} {actual} {words.repeat}"
    wide, narrow = (
        f"{fmt.number(low, place)} to {fmt.number(high, place)}"
        for low, high in (check.with_environment, check.without_environment)
    )
    return [
        f"In the {check.days} days held back, customers of the log {orders_placed}{counted}; the "
        f"model expected {fmt.number(check.mean, place)}, with a 90{fmt.NBSP}% interval of {wide} when shocks "
        f"common to all customers are allowed for ({layers} + environment), and {narrow} without them ({layers}).",
        verdict,
        f"The held-back {words.many} only check the model: nothing on this page was fitted or tuned to them.",
    ]


def holdout_missed(result: RunResult) -> bool:
    """Whether the held-back orders lay outside the wider 90 % interval; the page then says so at its top."""
    check = result.tracking.holdout
    return check is not None and not _inside(check.actual, check.with_environment)


def _inside(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]


def _about_today(result: RunResult) -> str:
    row = display.rows(result, "expected").get((display.baseline(result).name, "rlv_total"))
    customers = fmt.number(result.customers)
    active = result.active_contracts
    of_today = " of today" if active is None else f" ({fmt.number(active)} with an active contract)"
    if row is None:
        return f"The run followed {customers} customers over {result.horizon_months} months."
    place = fmt.last_place((row.mean, row.p05, row.p95), row.mean_mcse)
    amount, low, high = (fmt.money(v, place, result.currency) for v in (row.mean, row.p05, row.p95))
    interval = f"(90{fmt.NBSP}% interval {low} to {high})"
    if result.margin_known:
        return (
            f"The {customers} customers{of_today} are worth about {amount} over the next {result.horizon_months} "
            f"months {interval}."
        )
    return (
        f"The {customers} customers{of_today} are expected to bring in about {amount} of revenue over the next "
        f"{result.horizon_months} months {interval}."
    )


class _Phrases(NamedTuple):
    more: str  # {} is the size of the difference
    less: str
    same: str
    higher: str


def _phrases(result: RunResult) -> _Phrases:
    metric = display.decision_metric(result)
    if metric != "plan_value":
        label = display.wording(result, metric).label
        label = label if label.isupper() else label[0].lower() + label[1:]
        return _Phrases(
            f"changes “{label}” by about +{{}}",
            f"changes “{label}” by about {fmt.MINUS}{{}}",
            "it stays as it is today",
            "it is higher than as of today",
        )
    if result.margin_known:
        return _Phrases(
            "adds about {}",
            "costs about {}",
            "the plan is worth as much as today’s",
            "the plan is worth more than today’s",
        )
    return _Phrases(
        "brings in about {} more revenue",
        "brings in about {} less revenue",
        "revenue is the same",
        "revenue is higher than as of today",
    )


def _difference(result: RunResult, row: Row) -> tuple[str, str, str]:
    """Size of the mean difference without its sign, and both ends of its interval."""
    size = display.number_text(result, row, abs(row.delta_mean))
    return (
        size,
        display.number_text(result, row, row.delta_p05),
        display.number_text(result, row, row.delta_p95),
    )
