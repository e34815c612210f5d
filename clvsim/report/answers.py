"""What a run answers first, in words: what customers are worth, what may be paid for one, and which lever to pull.

The terminal and the page show the same. All of it is a pure function of a `RunResult`: money is that of what may happen
(luck and shocks included), chances and regret are on average, as decisions are.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clvsim.report import contracts, display, over_time, todo
from clvsim.report import format as fmt
from clvsim.report.alerts import Alert, alerts
from clvsim.report.display import Figure
from clvsim.report.evidence import EXAMPLE
from clvsim.types import RunResult, ScenarioDescription

IN_FUTURES = "9 in 10 futures"
ON_AVERAGE = "9 in 10 on average"
IF_IT_HAPPENS = "if it happens"
NO_CHANCE = "–"
UNKNOWN = "?"
VISITOR = "visitor"
_LATELY = 3  # months in which somebody must have come for the first time, if more are to come
_SHORTENED = 1e5
HEALTHY = 3.0  # times what a customer costs, which many hold to be healthy
ASSUMED = "assumed"
RESTS_ON = {
    "log": "the log",
    "experiment": "an experiment",
    "judgement": "your judgement",
    "stated": "stated, untested",
}
_BARS = "▁▂▃▄▅▆▇█"
_BINS = 14  # of a hill
_LEAST = 0.03  # of the highest bar, below which a place of a hill stays empty
_OFTEN_NEVER = 0.05  # chance of no payback that is worth a clause


class Answer(NamedTuple):
    """One line of the answer block: `text` says what the figure is and what goes with it."""

    label: str
    value: str
    interval: str
    text: str


class LeverLine(NamedTuple):
    """One lever against the baseline.

    `interval` is that of what may happen, or `IF_IT_HAPPENS`. `hill` is the distribution of the difference on average,
    on an axis common to all levers, with │ where it is zero. `sure`: how sure it is that the lever is better on
    average, `NO_CHANCE` where nothing is uncertain, in brackets where the effect is made up. `pays_from`: from which
    value of its effect on it pays, "" unknown.
    """

    scenario: str
    title: str
    value: str
    interval: str
    hill: str
    rests_on: str
    pays_from: str
    expected: str  # of the effect that has to reach `pays_from`
    sure: str


class Answers(NamedTuple):
    """The first screen of a run. What it has no answer to is None or ""; `first` says how to get the answers."""

    premise: str  # of a business without data
    customer: Answer | None  # of today
    newcomer: Answer | None
    bid: Answer | None  # what may be paid for a visitor, or for a customer
    everybody: Answer | None  # all customers of today; without any, all who are to come
    recurring: Answer | None  # of contracts
    span: str  # what the levers' figures are: "extra value over 36 months"
    levers: tuple[LeverLine, ...]  # examples last, each by its mean difference
    do_first: str
    how_sure: str
    wrong: tuple[str, ...]  # what could go wrong
    not_applicable: tuple[str, ...]
    alerts: tuple[Alert, ...]

    @property
    def block(self) -> tuple[Answer, ...]:
        """The lines of the answer block in their order."""
        lines = (self.customer, self.newcomer, self.bid, self.everybody, self.recurring)
        return tuple(line for line in lines if line is not None)


def answers(result: RunResult) -> Answers:
    """Everything that the first screen of a run says."""
    return Answers(
        premise="If the business is as stated, for which there are no data:" if result.no_data else "",
        customer=_customer(result),
        newcomer=_newcomer(result),
        bid=_bid(result),
        everybody=_everybody(result),
        recurring=_recurring(result),
        span=display.span(result),
        levers=lever_lines(result),
        do_first=todo.do_first(result) or _bid_in_words(result),
        how_sure=" ".join(todo.how_sure(result)),
        wrong=tuple(todo.could_go_wrong(result)),
        not_applicable=tuple(
            f"“{scenario.title}” does not apply: {scenario.not_applicable}"
            for scenario in result.scenarios
            if scenario.not_applicable
        ),
        alerts=alerts(result),
    )


# --- the answer block -------------------------------------------------------------------------------------------------


def _customer(result: RunResult) -> Answer | None:
    figure = _figure(result, "rlv_per_customer")
    if figure is None or not result.customers:
        return None
    label, of = "A customer of today", f"the mean of {fmt.number(result.customers)}"
    active = result.active_contracts
    if active is None:
        of += ", who differ far more"
    elif active < result.customers and result.contracts and result.contracts.total.paused is None and active:
        label, figure = "A paying customer", figure.times(result.customers / active)  # others bring nothing
        ended = fmt.number(result.customers - active)
        of = f"the mean of {fmt.number(active)}; {ended} more have ended and bring nothing"
    elif active < result.customers:
        of += f", of whom {fmt.number(active)} pay"
    cell = display.metric_cell(result, figure, short=True)
    text = f"{_money(result)} in the next {fmt.months(result.horizon_months)}, {_futures(figure)}; {of}"
    return Answer(label, cell.value, cell.interval, text)


def _newcomer(result: RunResult) -> Answer | None:
    figure = _figure(result, "pav_per_newcomer")
    if figure is None:
        first = over_time.book(result, "sales_by_month", group="first")
        come = not result.acquisition_known and first[first["at"] < _LATELY]["mean"].sum() > 0
        what = "what one brings, and may cost: add acquisition.from_log=true to the command"
        return Answer("A new customer", UNKNOWN, "", what) if come else None
    if _hardly_come(result):
        what = "fewer than one is expected to come, of whom nothing can be told: is acquisition stated as it is?"
        return Answer("A new customer", UNKNOWN, "", what)
    cell = display.metric_cell(result, figure, short=True)
    cost = _figure(result, "cac")
    if cost is None or not cost.best.mean > 0:
        what = f"{_money(result)} in the first {fmt.months(result.horizon_months)}; no cost of winning one is stated"
    else:
        what = f"before the {_amount(cost.best.mean, max(_place(cost), -2), result.currency)} that winning one costs"
        what = "; ".join(filter(None, (what, payback(result), _repaying(result))))
    return Answer("A new customer", cell.value, cell.interval, what)


def _hardly_come(result: RunResult) -> bool:
    """Whether in most futures nobody comes, so that the mean of a newcomer is one over few futures."""
    number = _mean(result, "newcomers")
    return number is not None and number < 1


def payback(result: RunResult) -> str:
    """When a new customer has paid back what winning one costs, on average; "" where that is not known."""
    curve = result.payback.get(display.baseline(result).name)
    if curve is None:
        return ""
    within = f"within {fmt.months(result.horizon_months)}"
    month, never = curve.payback_p50_months, curve.p_never
    if not math.isfinite(month):
        return f"as a group they do not repay it {within} ({fmt.sure(never)} sure)"
    if month == 0:
        sentence = "as a group they repay it with the first order"
    else:
        sentence = f"as a group they repay it in about {fmt.months(round(month))}"
    return f"{sentence}, or not {within} ({fmt.share(never)})" if never >= _OFTEN_NEVER else sentence


def _repaying(result: RunResult) -> str:
    """How many ever bring in what they cost themselves, which the mean hides."""
    figure = _figure(result, "share_repaying") if result.margin_known else None
    return f"singly {fmt.share(figure.best.mean)} do" if figure else ""


def _bid(result: RunResult) -> Answer | None:
    """What a visitor may cost at most; where nobody counts visitors, a customer."""
    if (found := _priced(result)) is None:
        return None
    one, figure, paid = found
    label = "May pay per visitor" if one == VISITOR else "May pay for a new customer"
    if not result.margin_known:
        return Answer(label, UNKNOWN, "", "say what is left of an order after its goods: finance.gross_margin=0.5")
    cell = display.metric_cell(result, figure)
    if not figure.best.mean > 0:
        who = "one" if one == VISITOR else "a new customer"
        return Answer(label, "nothing", cell.interval, f"{who} brings less than 0")
    healthy = _amount(figure.best.mean / HEALTHY, max(_place(figure) - 1, -2), result.currency)
    text = f"at most; brings {HEALTHY:g} × its cost at {healthy}"
    if paid is not None and paid > 0:
        text += f"; you pay {_paid(result, paid)}"
        text += ", which is more" if paid > figure.best.mean else ""
    text += "; holds only if as many of them buy as you stated" if one == VISITOR and todo.in_doubt(result) else ""
    return Answer(label, cell.value, cell.interval, text)


def _bid_in_words(result: RunResult) -> str:
    """What to pay for a visitor, or a customer, where that is all there is to decide; "" where it is not known."""
    if (found := _priced(result)) is None or not result.margin_known or not found[1].best.mean > 0:
        return ""
    one, figure, paid = found
    brings = display.metric_cell(result, figure).value
    if paid is None or not paid > 0:
        return f"Win new customers where a {one} costs less than {brings}."
    cost = _paid(result, paid)
    if paid > figure.best.mean:
        return f"Pay less for a {one}: one costs {cost} and brings {brings}."
    return f"Go on winning new customers as long as a {one} costs less than {brings}; you pay {cost}."


def _priced(result: RunResult) -> tuple[str, Figure, float | None] | None:
    """Who is paid for, a visitor or else a new customer, what one brings, and what is paid, where that is stated; None
    where hardly anybody comes."""
    if _hardly_come(result):
        return None
    if visitor := _figure(result, "visitor_value"):
        return VISITOR, visitor, _cost_of_a_visitor(result)
    customer = _figure(result, "pav_per_newcomer")
    return ("new customer", customer, _mean(result, "cac")) if customer else None


def _paid(result: RunResult, paid: float) -> str:
    return _amount(paid, max(-2, fmt.last_place([paid])), result.currency)


def _cost_of_a_visitor(result: RunResult) -> float | None:
    """As configured where there is one channel; else what channels cost by visitor, on average."""
    costs = [a.mean for a in result.assumptions if a.path.endswith(".cost_per_visitor")]
    if len(costs) == 1:
        return costs[0]
    each, value, worth = (_mean(result, metric) for metric in ("cac", "visitor_value", "pav_per_newcomer"))
    return None if each is None or value is None or not worth else each * value / worth


def _everybody(result: RunResult) -> Answer | None:
    if not result.customers:
        return _all_who_come(result)
    figure = _figure(result, "rlv_total")
    if figure is None:
        return None
    cell = display.metric_cell(result, figure, short=True)
    text = f"together in the next {fmt.months(result.horizon_months)}, as of {fmt.day(result.today)}"
    return Answer("All customers of today", cell.value, cell.interval, text)


def _all_who_come(result: RunResult) -> Answer | None:
    figure, number = _figure(result, "customer_equity"), _figure(result, "newcomers")
    if figure is None or number is None:
        return None
    cell = display.metric_cell(result, figure, short=True)
    count = display.metric_cell(result, number).value
    after = "after what they cost" if result.margin_known else "before any cost"
    text = f"the {count} who come within {fmt.months(result.arrival_months)}, {after}, {_futures(figure)}"
    return Answer("All new customers", cell.value, cell.interval, text)


def checked(result: RunResult) -> str:
    """The check on orders held back in one sentence, "" without one."""
    check, words = result.tracking.holdout, display.vocabulary(result)
    if check is None:
        return ""
    place = fmt.last_place((check.mean, *check.with_environment))
    mean, low, high = (fmt.number(value, place) for value in (check.mean, *check.with_environment))
    return (
        f"Tried on the last {fmt.number(check.days)} days, which it had not seen, the model expected {mean} "
        f"[{low}, {high}] {words.repeat}; {fmt.number(check.actual)} came."
    )


def _recurring(result: RunResult) -> Answer | None:
    """What contracts pay a month, and how many end."""
    if result.contracts is None:
        return None
    by_label = {line.label: line for line in contracts.lines(result)}
    mrr = next((line for label, line in by_label.items() if label.startswith("MRR")), None)
    if mrr is None:
        return None
    total = result.contracts.total
    text = f"now, before any cost, from {fmt.number(total.active)} contracts"
    if total.churn_month.p95 > 0:
        churn = contracts.chance(total.churn_month, total.due)
        text += f"; {' '.join(filter(None, churn[:2]))} of them end within a month"
    return Answer("Monthly revenue", mrr.cell.value, mrr.cell.interval, text)


def _money(result: RunResult) -> str:
    return "contribution" if result.margin_known else "revenue"


def _futures(figure: Figure) -> str:
    return IN_FUTURES if figure.may.basis == "realised" else ON_AVERAGE


def _figure(result: RunResult, metric: str) -> Figure | None:
    figure = display.figures(result).get((display.baseline(result).name, metric))
    return figure if figure and math.isfinite(figure.best.mean) else None


def _mean(result: RunResult, metric: str) -> float | None:
    figure = _figure(result, metric)
    return figure.best.mean if figure else None


def _amount(value: float, place: int, currency: str) -> str:
    """Money in a sentence: whole units or cents."""
    if place == -1:
        place = 0 if round(value, 1) == round(value) else -2
    return fmt.money(value, place, currency)


def _place(figure: Figure) -> int:
    best, may = figure
    return fmt.last_place((best.mean, may.p05, may.p95), display.larger(best.mean_mcse, may.mean_mcse))


# --- levers -----------------------------------------------------------------------------------------------------------


def lever_lines(result: RunResult) -> tuple[LeverLine, ...]:
    """One line per simulated lever: by its mean difference, those with made-up effects after all others."""
    table = display.decisive(result)
    shown = sorted(
        (s for s in display.levers(result) if s.name in table),
        key=lambda s: (s.illustrative, -table[s.name].best.delta_mean),
    )
    ends = [abs(end) for s in shown for end in (table[s.name].may.delta_p05, table[s.name].may.delta_p95)]
    short = max(ends, default=0.0) >= _SHORTENED  # else all of them in full, so that they can be compared at a glance
    drawn = hills([result.delta_draws.get(s.name, np.empty(0)) for s in shown])
    return tuple(
        _lever_line(result, scenario, table[scenario.name], hill, short=short)
        for scenario, hill in zip(shown, drawn, strict=True)
    )


def _lever_line(
    result: RunResult, scenario: ScenarioDescription, figure: Figure, hill: str, *, short: bool
) -> LeverLine:
    cell = display.delta_cell(result, figure, short=short)
    best = figure.best
    sure = NO_CHANCE if scenario.is_what_if else fmt.share(best.p_better, best.p_better_mcse)
    if (basis := rests_on(scenario)) == EXAMPLE and sure != NO_CHANCE:
        sure = f"({sure})"
    return LeverLine(
        scenario=scenario.name,
        title=scenario.title,
        value=cell.value if figure.best.delta_mean else f"±{cell.value}",
        interval=IF_IT_HAPPENS if scenario.is_what_if else cell.interval,
        hill=hill,
        rests_on=basis,
        pays_from=scenario.pays_from,
        expected=scenario.expected,
        sure=sure,
    )


def sure_of(result: RunResult) -> str:
    """What chances are of, in words."""
    return "that it pays" if result.margin_known else "that it is more"


def rests_on(scenario: ScenarioDescription) -> str:
    """What a lever's effect rests on, in two or three words."""
    if scenario.default:
        return ASSUMED
    if scenario.illustrative:
        return EXAMPLE
    return RESTS_ON.get(todo.own_evidence(scenario), "its costs")


def hills(draws: Sequence[np.ndarray]) -> list[str]:
    """Distributions as bars on one axis, which holds zero and 1 to 99 % of the draws of each; │ stands at zero.

    Each hill is as high as any: what is compared is where they stand and how wide they are.
    """
    ends = [np.quantile(values, [0.01, 0.99]) for values in draws if values.size]
    if not ends:
        return ["" for _ in draws]
    low, high = (min(0.0, *(e[0] for e in ends)), max(0.0, *(e[1] for e in ends)))
    if low == high:
        return ["│" for _ in draws]
    width = (high - low) / _BINS
    below = math.ceil(-low / width - 1e-9)  # bins begin at zero, so that none holds gains and losses
    above = math.ceil(high / width - 1e-9)
    edges = width * np.arange(-below, above + 1)
    return [_bars(np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0], below) for values in draws]


def _bars(counts: np.ndarray, below: int) -> str:
    share = counts / max(counts.max(initial=0), 1)
    bars = [" " if one < _LEAST else _BARS[min(int(one * len(_BARS)), len(_BARS) - 1)] for one in share]
    return "".join((*bars[:below], "│", *bars[below:]))
