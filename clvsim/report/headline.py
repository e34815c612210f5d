"""The sentences that a reader takes away. They are chosen by fixed rules, so that no number is ever dressed up.

A lever is called *better* only if the 90 % interval of its difference lies above zero; scenarios whose effects are
examples never reach the headline.
"""

import math

from clvsim.report import format as fmt
from clvsim.report import view
from clvsim.report.view import Row
from clvsim.types import HoldoutCheck, RunResult, ScenarioView


def headline(result: RunResult) -> str:
    """One sentence with money, interval and frequency, about the best lever that rests on evidence of its own."""
    best = best_lever(result)
    if best is None:
        return _about_today(result)
    scenario, row = best
    name, amount = f"“{scenario.title}”", _amount(result, abs(row.delta_mean), row)
    span = f"over {result.horizon_months} months"
    low, high = _range(result, row)
    futures = f"{fmt.frequency(row.p_better, row.p_better_mcse)} simulated futures"
    more, less, stays = _verbs(result)
    if row.delta_mean == row.delta_p05 == row.delta_p95 == 0:
        return f"“{scenario.title}” makes no difference {span}: {stays} in every simulated future."
    if row.delta_p05 > 0:
        return (
            f"{name} {more.format(amount=amount)} {span} (90{fmt.NBSP}% interval {low} to {high}); "
            f"in {futures} {_is_higher(result)}."
        )
    if row.delta_mean > 0:
        return (
            f"No lever is clearly better than carrying on as today: the best, {name}, {more.format(amount=amount)} "
            f"{span} on average, but its 90{fmt.NBSP}% interval runs from {low} to {high}, and in only {futures} "
            f"{_is_higher(result)}."
        )
    return (
        f"No lever is expected to pay: even the best, {name}, {less.format(amount=amount)} {span} "
        f"(90{fmt.NBSP}% interval {low} to {high}); in {futures} {_is_higher(result)}."
    )


def second_sentence(result: RunResult) -> str:
    """How the headline's lever stands among all simulated options; empty when there is no choice to speak of."""
    best = best_lever(result)
    options = len(view.applicable(result))
    if best is None or options < 3 or math.isnan(best[1].p_best):
        return ""
    mcse = math.sqrt(best[1].p_best * (1 - best[1].p_best) / result.draws)
    return (
        f"Of the {options} options compared, today included, it comes out best in "
        f"{fmt.frequency(best[1].p_best, mcse)} simulated futures."
    )


def best_lever(result: RunResult) -> tuple[ScenarioView, Row] | None:
    """The lever with the highest expected plan value among those that are not examples."""
    table = view.rows(result, "expected")
    candidates = [
        (scenario, table[scenario.name, view.DECISION_METRIC])
        for scenario in view.levers(result)
        if not scenario.illustrative and (scenario.name, view.DECISION_METRIC) in table
    ]
    return max(candidates, key=lambda pair: pair[1].mean, default=None)


def holdout_sentences(result: RunResult, check: HoldoutCheck) -> list[str]:
    """Whether the orders held back lay inside the 90 % intervals, said plainly."""
    inside_with = _inside(check.actual, check.with_environment)
    inside_without = _inside(check.actual, check.without_environment)
    if inside_with == inside_without:
        verdict = f"The actual figure lies {'inside' if inside_with else 'outside'} both intervals."
    else:
        verdict = (
            f"The actual figure lies {'inside' if inside_with else 'outside'} the first and "
            f"{'inside' if inside_without else 'outside'} the second."
        )
    place = fmt.last_place((check.mean, *check.with_environment))
    actual = fmt.number(check.actual)
    wide, narrow = (
        f"{fmt.number(low, place)} to {fmt.number(high, place)}"
        for low, high in (check.with_environment, check.without_environment)
    )
    return [
        f"In the {check.days} days held back, customers of the log placed {actual} repeat orders; the model expected "
        f"{fmt.number(check.mean, place)}, with a 90{fmt.NBSP}% interval of {wide} when shocks common to all customers "
        f"are allowed for (parameter + process + environment), and {narrow} without them (parameter + process).",
        verdict,
        "The held-back orders only check the model: nothing on this page was fitted or tuned to them.",
    ]


def _inside(value: float, interval: tuple[float, float]) -> bool:
    return interval[0] <= value <= interval[1]


def _about_today(result: RunResult) -> str:
    row = view.rows(result, "expected").get((view.baseline(result).name, "rlv_total"))
    customers = fmt.number(result.customers)
    if row is None:
        return f"The run followed {customers} customers over {result.horizon_months} months."
    place = fmt.last_place((row.mean, row.p05, row.p95), row.mean_mcse)
    amount, low, high = (fmt.money(v, place, result.currency) for v in (row.mean, row.p05, row.p95))
    interval = f"(90{fmt.NBSP}% interval {low} to {high})"
    if result.margin_known:
        return (
            f"The {customers} customers of today are worth about {amount} over the next {result.horizon_months} "
            f"months {interval}."
        )
    return (
        f"The {customers} customers of today are expected to bring in about {amount} of revenue over the next "
        f"{result.horizon_months} months {interval}."
    )


def _verbs(result: RunResult) -> tuple[str, str, str]:
    if result.margin_known:
        return "adds about {amount}", "costs about {amount}", "the plan is worth as much as today’s"
    return "brings in about {amount} more revenue", "brings in about {amount} less revenue", "revenue is the same"


def _is_higher(result: RunResult) -> str:
    return "the plan is worth more than today’s" if result.margin_known else "revenue is higher than as of today"


def _place(row: Row) -> int:
    return fmt.last_place((row.delta_mean, row.delta_p05, row.delta_p95), row.delta_mcse)


def _amount(result: RunResult, value: float, row: Row) -> str:
    return fmt.money(value, _place(row), result.currency)


def _range(result: RunResult, row: Row) -> tuple[str, str]:
    low, high = (fmt.money(v, _place(row), result.currency) for v in (row.delta_p05, row.delta_p95))
    return low, high
