"""What a run answers first, in words: what customers are worth, what may be paid for one, and which lever to pull.

The terminal and the page show the same. All of it is a pure function of a `RunResult`: money is that of what may happen
(luck and shocks included), chances and regret are on average, as decisions are.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clvsim.report import contracts, display
from clvsim.report import format as fmt
from clvsim.report.alerts import Alert, alerts
from clvsim.report.display import Figure
from clvsim.report.evidence import EXAMPLE
from clvsim.scenario import weakest_evidence
from clvsim.types import RunResult, ScenarioDescription

IN_FUTURES = "9 in 10 futures"
ON_AVERAGE = "9 in 10 on average"
IF_IT_HAPPENS = "if it happens"
NO_CHANCE = "–"
_SHORTENED = 1e5
_SURER = 0.05  # more of a chance, which is worth a sentence
HEALTHY = 3.0  # times what a customer costs, which many hold to be healthy
ASSUMED = "assumed"
RESTS_ON = {
    "log": "the log",
    "experiment": "an experiment",
    "judgement": "your judgement",
    "stated": "stated, untested",
}
TOLD = 3.0  # standard errors, below which a regret is not told from none
BACKED = ("experiment", "judgement")
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
    average, `NO_CHANCE` where nothing is uncertain. `pays_from`: from which value of its effect on it pays, "" unknown.
    """

    scenario: str
    title: str
    value: str
    interval: str
    hill: str
    rests_on: str
    pays_from: str
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
    regret: str  # what it would bring to know first what the levers bring
    worth_knowing: str
    not_applicable: tuple[str, ...]
    alerts: tuple[Alert, ...]

    @property
    def block(self) -> tuple[Answer, ...]:
        """The lines of the answer block in their order."""
        lines = (self.customer, self.newcomer, self.bid, self.everybody, self.recurring)
        return tuple(line for line in lines if line is not None)


def answers(result: RunResult) -> Answers:
    """Everything that the first screen of a run says."""
    chosen = best_choice(result)
    return Answers(
        premise="If the business is as stated, for which there are no data:" if result.no_data else "",
        customer=_customer(result),
        newcomer=_newcomer(result),
        bid=_bid(result),
        everybody=_everybody(result),
        recurring=_recurring(result),
        span=display.span(result),
        levers=lever_lines(result),
        do_first=" ".join(filter(None, (_do_first(result), _surer(result, chosen), _stated_newcomers(result)))),
        regret=_regret(result, chosen),
        worth_knowing=_worth_knowing(result, chosen),
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
        label, figure = "A customer who pays", figure.times(result.customers / active)  # others bring nothing
        ended = fmt.number(result.customers - active)
        of = f"the mean of {fmt.number(active)}; {ended} more have ended and bring nothing"
    elif active < result.customers:
        of += f", of whom {fmt.number(active)} pay"
    cell = display.metric_cell(result, figure, short=True)
    text = f"{_money(result)} over {fmt.months(result.horizon_months)}, {_futures(figure)}; {of}"
    return Answer(label, cell.value, cell.interval, text)


def _newcomer(result: RunResult) -> Answer | None:
    figure = _figure(result, "pav_per_newcomer")
    if figure is None:
        return None
    cell = display.metric_cell(result, figure, short=True)
    cost = _figure(result, "cac")
    if cost is None or not cost.best.mean > 0:
        what = f"{_money(result)} over {fmt.months(result.horizon_months)}; no cost of winning one is stated"
    else:
        what = f"before the {_amount(cost.best.mean, max(_place(cost), -2), result.currency)} that winning one costs"
        what = "; ".join(filter(None, (what, payback(result), _repaying(result))))
    return Answer("A new customer", cell.value, cell.interval, what)


def payback(result: RunResult) -> str:
    """When a new customer has paid back what winning one costs, on average; "" where that is not known."""
    curve = result.payback.get(display.baseline(result).name)
    if curve is None:
        return ""
    within = f"within {fmt.months(result.horizon_months)}"
    month, never = curve.payback_p50_months, curve.p_never
    if not math.isfinite(month):
        return f"together they do not repay it {within} ({fmt.sure(never)} sure)"
    if month == 0:
        sentence = "together they repay it with the first order"
    else:
        sentence = f"together they repay it in about {fmt.months(round(month))}"
    return f"{sentence}, or not {within} ({fmt.share(never)})" if never >= _OFTEN_NEVER else sentence


def _repaying(result: RunResult) -> str:
    """How many ever bring in what they cost themselves, which the mean hides."""
    figure = _figure(result, "share_repaying") if result.margin_known else None
    return f"{fmt.share(figure.best.mean)} ever repay their own" if figure else ""


def _bid(result: RunResult) -> Answer | None:
    """What a visitor may cost at most; where nobody counts visitors, a customer."""
    visitor = _figure(result, "visitor_value")
    figure = visitor or _figure(result, "pav_per_newcomer")
    if figure is None:
        return None
    label = "May pay per visitor" if visitor else "May pay for a new customer"
    if not result.margin_known:
        return Answer(label, "?", "", "say what is left of an order after its goods: finance.gross_margin=0.5")
    cell = display.metric_cell(result, figure)
    paid = _cost_of_a_visitor(result) if visitor else _mean(result, "cac")
    place = _place(figure)
    if not figure.best.mean > 0:
        return Answer(label, "nothing", cell.interval, f"{'one' if visitor else 'a new customer'} brings less than 0")
    healthy = _amount(figure.best.mean / HEALTHY, max(place - 1, -2), result.currency)
    text = f"at most, on average; {healthy} where value is to be {HEALTHY:g} × cost"
    if paid is not None and paid > 0:
        text += f"; you pay {_amount(paid, max(-2, fmt.last_place([paid])), result.currency)}"
        text += ", which is more" if paid > figure.best.mean else ""
    return Answer(label, cell.value, cell.interval, text)


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
    text = "; ".join(filter(None, (f"as of {fmt.day(result.today)}, {_futures(figure)}", checked(result))))
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
    """The check on orders held back in one clause; why there was none, in another."""
    check, words = result.tracking.holdout, display.vocabulary(result)
    if check is None:
        return "" if result.no_data else "not checked on orders held back"
    place = fmt.last_place((check.mean, *check.with_environment))
    mean, low, high = (fmt.number(value, place) for value in (check.mean, *check.with_environment))
    return (
        f"checked on the last {fmt.number(check.days)} days: {fmt.number(check.actual)} {words.repeat} came, {mean} "
        f"[{low}, {high}] expected"
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
    text = f"a month now, before any cost, from {fmt.number(total.active)} contracts"
    if total.churn_month.p95 > 0:
        churn = contracts.chance(total.churn_month, total.due)
        text += f"; {' '.join(filter(None, churn[:2]))} of them end within a month"
    return Answer("Contracts pay", mrr.cell.value, mrr.cell.interval, text)


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
    return LeverLine(
        scenario=scenario.name,
        title=scenario.title,
        value=cell.value if figure.best.delta_mean else f"±{cell.value}",
        interval=IF_IT_HAPPENS if scenario.is_what_if else cell.interval,
        hill=hill,
        rests_on=rests_on(scenario),
        pays_from=scenario.pays_from,
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
    return RESTS_ON.get(own_evidence(scenario), "its costs")


def own_evidence(scenario: ScenarioDescription) -> str:
    """The weakest evidence of a lever's own numbers, whatever the business rests on; as it is said without any."""
    return weakest_evidence(scenario.assumptions) or scenario.evidence


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


# --- what to do -------------------------------------------------------------------------------------------------------


def best_choice(result: RunResult) -> ScenarioDescription:
    """The option with the highest mean among those that may be chosen: today, and levers that are no examples."""
    table = display.decisive(result)
    options = [s for s in display.levers(result) if not s.illustrative and not s.is_what_if and s.name in table]
    best = max(options, key=lambda s: table[s.name].best.delta_mean, default=None)
    return best if best and table[best.name].best.delta_mean > 0 else display.baseline(result)


def _do_first(result: RunResult) -> str:
    """One sentence; "" without levers."""
    levers = display.levers(result)
    if not levers:
        return ""
    own = [s for s in levers if not s.illustrative]
    if not own:
        return "Every effect here is made up or assumed: put in your own numbers before you decide (clvsim new NAME)."
    table, best = display.decisive(result), best_choice(result)
    if best == display.baseline(result):
        ifs = [s for s in own if s.is_what_if and s.name in table and table[s.name].best.delta_mean > 0]
        if not ifs:
            return "Do first: nothing of this. No lever is expected to pay; carry on as today."
        return f"Nothing is proven. Test before you build: “{_largest(result, ifs).title}” pays only if it happens."
    figure = table[best.name]
    if math.isnan(figure.best.p_better):
        return f"The best bet is “{best.title}”; there are too few simulated futures to say how sure that is."
    sure = fmt.sure(figure.best.p_better, figure.best.p_better_mcse)
    if result.no_data:
        tested = "" if own_evidence(best) in BACKED else " It is not tested: test it before you build."
        return f"If the business is as stated, “{best.title}” comes first.{tested}"
    if best.evidence not in BACKED:
        return f"If what is stated is right, “{best.title}” comes first; it is not tested, so test it before you build."
    if figure.best.delta_p05 > 0:
        return f"Do first: “{best.title}”. We are {sure} sure {sure_of(result)}."
    return f"Nothing is proven. The best bet is “{best.title}”: we are {sure} sure {sure_of(result)}."


def _surer(result: RunResult, chosen: ScenarioDescription) -> str:
    """The lever that pays with more certainty than the one of the largest mean, if there is one."""
    table = display.decisive(result)
    able = [s for s in display.levers(result) if not s.illustrative and not s.is_what_if and s.name in table]
    surest = max(able, key=lambda s: table[s.name].best.p_better, default=None)
    if surest is None or chosen not in able or result.no_data:
        return ""
    more, own = table[surest.name].best.p_better, table[chosen.name].best.p_better
    if not more >= own + _SURER:
        return ""
    sure = fmt.sure(more, table[surest.name].best.p_better_mcse)
    return f"“{surest.title}” is surer to pay ({sure}), and brings less."


def _stated_newcomers(result: RunResult) -> str:
    """How many new customers the levers' figures count, where the log brought others."""
    line = next((one for one in result.quality if one.key == "newcomers" and one.level == "warning"), None)
    return f"{line.label.replace('You stated', 'All this counts')}, as you stated; {line.value}." if line else ""


def _largest(result: RunResult, scenarios: Sequence[ScenarioDescription]) -> ScenarioDescription:
    table = display.decisive(result)
    return max(scenarios, key=lambda s: table[s.name].best.delta_mean)


def _regret(result: RunResult, chosen: ScenarioDescription) -> str:
    """What the choice loses on average against the best of today and the levers that have a chance, known only
    afterwards; made-up effects are no alternative. "" without a contest."""
    table, draws = display.decisive(result), result.delta_draws
    options = [s for s in display.levers(result) if not s.illustrative and not s.is_what_if and s.name in draws]
    if not options or chosen.name not in table:
        return ""
    values = np.array([np.zeros_like(draws[options[0].name]), *(draws[s.name] for s in options)])
    own = draws[chosen.name] if chosen in options else 0.0
    loss, row = float((values.max(axis=0) - own).mean()), table[chosen.name].best
    if not math.isfinite(loss):
        return ""
    if loss <= 0 or loss < TOLD * row.expected_loss_mcse:
        return "What it would bring to know for certain first is too little to tell."
    mcse = max((f.best.delta_mcse for f in table.values() if f.best.delta_mcse >= 0), default=0.0)
    unit = display.wording(result, display.decision_metric(result)).unit
    words = display.loss_in_words(unit, loss, mcse, result.currency, short=False)
    about = "" if words.startswith("less") else "about "
    return f"To know for certain first would bring {about}{words}: no test brings more."


def _worth_knowing(result: RunResult, chosen: ScenarioDescription) -> str:
    """The lever whose own doubt costs most: with it known, the choice between it and the rest would be right.

    By the value of knowing one lever's difference alone, E[max(own, best other)] − max(means); where nothing competes,
    the what-if with the largest difference.
    """
    levers = [s for s in display.levers(result) if not s.illustrative and s.name in result.delta_draws]
    ifs = [s for s in levers if s.is_what_if]
    unsure = [s for s in levers if not s.is_what_if]
    means = {s.name: float(result.delta_draws[s.name].mean()) for s in unsure} | {display.baseline(result).name: 0.0}
    gains = {}
    for scenario in unsure:
        other = max(mean for name, mean in means.items() if name != scenario.name)
        own = result.delta_draws[scenario.name]
        gains[scenario.name] = float(np.maximum(own, other).mean() - max(own.mean(), other))
    best = max(unsure, key=lambda s: gains[s.name], default=None)
    if best is None or gains[best.name] <= 0:
        best = _largest(result, ifs) if ifs else None
    if best is None:
        return ""
    return f"Most worth knowing: {_what_it_rests_on(best)}."


def _what_it_rests_on(scenario: ScenarioDescription) -> str:
    drivers = [a for a in scenario.assumptions if a.drives]
    labels = {a.label.partition(":")[0] for a in drivers}
    if len(labels) == 1 and (label := labels.pop()):
        return f"the {label[0].lower()}{label[1:]} (“{scenario.title}”)"
    return f"what “{scenario.title}” really brings"
