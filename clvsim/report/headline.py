"""The headline and the sentences beside it, chosen by fixed rules: the wording never depends on taste.

The interval that comes first is that of what may happen. A lever is called *better* only if its 90 % interval on
average lies above zero. Scenarios whose effects are examples never reach the headline, and one that rests on stated
numbers reaches it as an "if".
"""

import math
from typing import NamedTuple

from clvsim.report import display, evidence
from clvsim.report import format as fmt
from clvsim.report.display import Figure
from clvsim.types import HoldoutCheck, RunResult, ScenarioDescription

RIGHT = "Of a right model it is between the 5th and the 95th in nine cases of ten."
INTERVAL = f"90{fmt.NBSP}% interval"


def headline(result: RunResult) -> str:
    """One sentence with money and both intervals, about the best lever whose effects are not examples."""
    best = best_lever(result)
    return _about_today(result) if best is None else _about_lever(result, *best)


def _about_lever(result: RunResult, scenario: ScenarioDescription, figure: Figure) -> str:
    name, words = f"“{scenario.title}”", _phrases(result)
    size, intervals = _difference(result, figure)
    span = f"over {fmt.months(result.horizon_months)}"
    best, may = figure
    if best.delta_mean == may.delta_p05 == may.delta_p95 == 0:
        return f"{name} makes no difference {span}: {words.same} in every simulated future."
    if scenario.evidence == "stated":
        effect = words.more if best.delta_mean > 0 else words.less
        subject = name if result.no_data else "that"
        return (
            f"If {evidence.premise(result, scenario)}, {subject} {effect.format(size)} {span} ({INTERVAL} {intervals})."
        )
    sure = _sure(result, figure)
    if best.delta_p05 > 0:
        return f"{name} {words.more.format(size)} {span} ({INTERVAL} {intervals}); {sure}."
    if best.delta_mean > 0:
        return (
            f"No lever is clearly better than carrying on as today: the best, {name}, {words.more.format(size)} "
            f"{span}, but its {INTERVAL} is {intervals}, and {sure.replace('we are ', 'we are only ', 1)}."
        )
    return (
        f"No lever is expected to pay: even the best, {name}, {words.less.format(size)} {span} "
        f"({INTERVAL} {intervals}); {sure}."
    )


def _sure(result: RunResult, figure: Figure) -> str:
    """How sure it is that a lever is better on average."""
    if math.isnan(figure.best.p_better):
        futures = fmt.number(result.draws * result.replicates)
        return f"{futures} simulated futures are too few to say how sure that is"
    return f"we are {fmt.sure(figure.best.p_better, figure.best.p_better_mcse)} sure that it is better on average"


def second_sentence(result: RunResult) -> str:
    """How sure it is that the headline's lever is the best; of an "if", what has evidence instead; else ""."""
    best = best_lever(result)
    options = len(display.applicable(result))
    if best is None:
        return ""
    scenario, figure = best
    if scenario.evidence == "stated":
        backed = best_lever(result, backed=True)
        if backed is None:
            return ""
        sentence = _about_lever(result, *backed)
        told = sentence.replace("No lever", "none", 1) if sentence.startswith("No lever") else sentence
        return f"Of the levers that a test or a source backs, {told}"
    if options < 3 or math.isnan(figure.best.p_best):
        return ""
    sure = fmt.sure(figure.best.p_best, figure.best.p_best_mcse)
    return f"We are {sure} sure that it is the best on average of the {options} options compared, today included."


def best_lever(result: RunResult, *, backed: bool = False) -> tuple[ScenarioDescription, Figure] | None:
    """The lever with the highest mean of the decision's metric among those that are not examples.

    `backed`: among those only that rest on a test, or on a judgement with a source.
    """
    table = display.decisive(result)
    candidates = [
        (scenario, table[scenario.name])
        for scenario in display.levers(result)
        if not scenario.illustrative and scenario.name in table and not (backed and scenario.evidence in ("", "stated"))
    ]
    return max(candidates, key=lambda pair: pair[1].best.mean, default=None)


def holdout_sentences(result: RunResult, check: HoldoutCheck) -> list[str]:
    """Sentences on where the orders held back lie among simulated futures, and in intervals with and without shocks.

    A place and no verdict: a number near an interval's end is inside with one seed and outside with the next.
    """
    words = display.vocabulary(result)
    period = result.shared_period or f"period of {fmt.days(result.merged_days)} days"
    counted = f", those of a {period} as one" if result.merged_days else ""
    place = fmt.last_place((check.mean, *check.with_environment))
    orders_placed = f"{words.placed} {fmt.number(check.actual)} {words.repeat}"
    wide, narrow = (
        f"{fmt.number(low, place)} to {fmt.number(high, place)}"
        for low, high in (check.with_environment, check.without_environment)
    )
    return [
        f"In the {check.days} days held back, customers of the log {orders_placed}{counted}; the "
        f"model expected {fmt.number(check.mean, place)}, with a 90{fmt.NBSP}% interval of {wide} when shocks "
        f"common to all customers are allowed for, and {narrow} without them.",
        f"The actual number lies {fmt.position(check.position)} simulated futures, shocks included and counted from "
        f"the lowest. {RIGHT}",
        f"The held-back {words.many} only check the model: nothing on this page was fitted or tuned to them.",
    ]


def holdout_in_short(result: RunResult) -> str:
    """One sentence on the check, "" without one."""
    check = result.tracking.holdout
    if check is None:
        return ""
    words = display.vocabulary(result)
    expected = fmt.number(check.mean, fmt.last_place((check.mean, *check.with_environment)))
    return (
        f"Checked on {check.days} days held back: {fmt.number(check.actual)} {words.repeat} came where {expected} were "
        f"expected, {fmt.position(check.position)} simulated futures."
    )


def discounted(result: RunResult) -> str:
    """One sentence on the rate at which money that comes later counts less, "" where it does not."""
    rate = discount(result)
    return f"Money is discounted at {rate} a year (finance.annual_discount_rate)." if rate else ""


def discount(result: RunResult) -> str:
    """The rate a year, "" where later money counts as much as early."""
    return f"{100 * result.annual_discount_rate:.3g}{fmt.NBSP}%" if result.annual_discount_rate else ""


def whose_months(result: RunResult) -> str:
    """One sentence on when a figure's months begin and end, which differs between customers; "" without new ones."""
    horizon, coming = result.horizon_months, result.arrival_months
    if not coming:
        return ""
    of_today = "from today, and " if result.customers else ""
    new = "new" if result.acquisition_known else "referred"
    return (
        f"The {fmt.months(horizon)} count {of_today}for the {new} customers of the next {fmt.months(coming)} from the "
        f"day they come, so up to {fmt.months(coming + horizon)} ahead."
    )


def left_out(result: RunResult) -> str:
    """One sentence on customers whom `data.customers_since` leaves out, "" where it leaves out nobody."""
    line = next((line for line in result.quality if line.key == "left_out"), None)
    if line is None:
        return ""
    count, orders = line.value.removesuffix(" left out"), line.note.partition(", by ")[0]
    return f"{line.label}: {count}, {orders}, are outside all figures (data.customers_since)."


def _about_newcomers(result: RunResult) -> str:
    """Of a business without customers: what those who are to come bring, their cost taken off where a margin is
    known."""
    figures, base = display.figures(result), display.baseline(result).name
    brought, number = figures[base, "customer_equity"], figures[base, "newcomers"]
    best, may = brought
    place = fmt.last_place((best.mean, may.p05, may.p95), display.larger(best.mean_mcse, may.mean_mcse))
    amount, *ends = (fmt.money(v, place, result.currency) for v in (best.mean, may.p05, may.p95, best.p05, best.p95))
    may_be, average = f"{ends[0]} to {ends[1]}", f"{ends[2]} to {ends[3]}"
    worth = "bring about {} after what they cost" if result.margin_known else "bring in about {} of revenue"
    return (
        f"If the business is as stated, the {display.metric_cell(result, number).value} customers who are to come "
        f"within {fmt.months(result.arrival_months)} {worth.format(amount)}, over {fmt.months(result.horizon_months)} "
        f"of each one’s life ({INTERVAL} {may_be}{_if_other(average, may_be)})."
    )


def _about_today(result: RunResult) -> str:
    if not result.customers:
        return _about_newcomers(result)
    figure = display.figures(result).get((display.baseline(result).name, "rlv_total"))
    customers = fmt.number(result.customers)
    active = result.active_contracts
    of_today = " of today" if active is None else f" ({fmt.number(active)} with an active contract)"
    if figure is None:
        return f"The run followed {customers} customers over {fmt.months(result.horizon_months)}."
    best, may = figure
    place = fmt.last_place((best.mean, may.p05, may.p95), display.larger(best.mean_mcse, may.mean_mcse))
    amount, *ends = (fmt.money(v, place, result.currency) for v in (best.mean, may.p05, may.p95, best.p05, best.p95))
    may_be, average = f"{ends[0]} to {ends[1]}", f"{ends[2]} to {ends[3]}"
    interval = f"({INTERVAL} {may_be}{_if_other(average, may_be)})"
    if result.margin_known:
        return (
            f"{_if_stated(result)} {customers} customers{of_today} are worth about {amount} over the next "
            f"{fmt.months(result.horizon_months)} {interval}."
        )
    return (
        f"{_if_stated(result)} {customers} customers{of_today} are expected to bring in about {amount} of revenue "
        f"over the next {fmt.months(result.horizon_months)} {interval}."
    )


def about_customers(result: RunResult) -> tuple[str, str]:
    """The page's first sentence: what today's customers bring, or those who are to come where there are none; and the
    sentence on what may happen, "" where the run does not say."""
    has_customers = bool(result.customers)
    metric = "rlv_total" if has_customers else "customer_equity"
    figure = display.figures(result).get((display.baseline(result).name, metric))
    if figure is None:
        return _about_today(result), ""
    best, may = figure
    place = fmt.last_place((best.mean, may.p05, may.p95), display.larger(best.mean_mcse, may.mean_mcse))
    amount, low, high = (fmt.money(v, place, result.currency) for v in (best.mean, may.p05, may.p95))
    premise = "If the business is as stated, " if result.no_data else ""
    bring = f"will bring about {amount}" + ("" if result.margin_known else " of revenue")
    months = fmt.months(result.horizon_months)
    if has_customers:
        active = result.active_contracts
        paying = "" if active in (None, result.customers) else f" ({fmt.number(active or 0)} with an active contract)"
        sentence = f"{premise}today’s {fmt.number(result.customers)} customers{paying} {bring} over the next {months}."
    else:
        number = display.metric_cell(result, display.figures(result)[display.baseline(result).name, "newcomers"]).value
        after = " after what they cost" if result.margin_known else ""
        sentence = (
            f"{premise}the {number} customers who are to come within {fmt.months(result.arrival_months)} {bring}"
            f"{after}, over {months} of each one’s life."
        )
    luck = "luck and bad months are in it" if "environment" in display.split_layers(may.layers) else "luck is in it"
    if may.basis == "realised":
        span = f"What may really happen: {low} to {high} (9 in 10 futures; {luck})."
    else:
        span = f"On average between {low} and {high} (9 in 10 draws)."
    return sentence[0].upper() + sentence[1:], span


def _if_stated(result: RunResult) -> str:
    return "If the business is as stated, the" if result.no_data else "The"


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


def _difference(result: RunResult, figure: Figure) -> tuple[str, str]:
    """Size of the mean difference without its sign, and its intervals in words."""
    best, may = figure
    size = display.number_text(result, figure, abs(best.delta_mean))
    intervals = _span(result, figure, may.delta_p05, may.delta_p95)
    average = _span(result, figure, best.delta_p05, best.delta_p95)
    return size, intervals + _if_other(average, intervals)


def _if_other(average: str, may_be: str) -> str:
    """The interval on average after that of what may happen, where it differs in the digits shown."""
    return "" if average == may_be else f", on average {average}"


def _span(result: RunResult, figure: Figure, low: float, high: float) -> str:
    return " to ".join(display.number_text(result, figure, end) for end in (low, high))
