"""The trade's formulas beside the model, in words: what each gives, and why the two differ, by rules."""

import math
from collections.abc import Iterator
from typing import NamedTuple

from clvsim.everyday import Steps, Trade, first_sales, order_times_retention
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.types import RunResult

_SMALL = 0.05  # of the larger of two figures, below which a step is not worth a clause
FORMULA = "margin × monthly revenue of a customer ÷ monthly churn"
FORMULA_OF_REVENUE = "monthly revenue of a customer ÷ monthly churn"


class FormulaLine(NamedTuple):
    """One formula with the numbers put in, its result, the model's figure beside it, and why they differ."""

    formula: str
    numbers: str
    value: str
    model: str
    why: tuple[str, ...]


def name_of(result: RunResult) -> str:
    return FORMULA if result.margin_known else FORMULA_OF_REVENUE


def in_short(result: RunResult) -> str:
    """One sentence beside the headline; "" where the formula cannot be worked out."""
    sheet = result.sheet
    if sheet is None or sheet.trade is None:
        return ""
    one = sheet.today if sheet.metric == "rlv_total" else sheet.newcomer
    if one is None:
        return ""
    value, model = _amounts(result, one.value, one.model)
    per = "" if sheet.metric == "rlv_total" else " for a new customer"
    text = f"The everyday formula ({name_of(result)}) gives {value}{per}, the model {model}"
    reasons = _largest(result, one, sheet.trade)
    return f"{text}: {reasons}." if reasons else f"{text}."


def _largest(result: RunResult, one: Steps, trade: Trade) -> str:
    """The step that changes most, as a clause; "" where all are small."""
    found = {text: amount for amount, text in reasons(result, one, trade)}
    if not found:
        return ""
    return max(found, key=lambda text: abs(found[text]))


def lines(result: RunResult) -> list[FormulaLine]:
    """All three formulas, those that the run has numbers for."""
    sheet = result.sheet
    if sheet is None or sheet.trade is None:
        return []
    return [*_by_churn(result, sheet.trade), *_by_retention(result, sheet.trade), *_by_visitors(result, sheet.trade)]


def _by_churn(result: RunResult, trade: Trade) -> Iterator[FormulaLine]:
    assert result.sheet is not None
    margin = f"{fmt.percent(trade.margin)} × " if result.margin_known else ""
    each = f"{margin}{_money(result, trade.revenue_per_month)} ÷ {fmt.percent(trade.churn_per_month, -3)}"
    each += " (a month of the next year)" * (result.active_contracts is not None)
    whole = {"today": result.sheet.today, "newcomer": result.sheet.newcomer}
    for who, one in whole.items():
        if one is None:
            continue
        heads = f"{fmt.number(trade.customers)} customers × " if who == "today" else ""
        of = f"today’s customers, {_there(result)}" if who == "today" else "a new customer"
        value, model = _amounts(result, one.value, one.model)
        why = [
            f"{text[0].upper()}{text[1:]}: {_signed(result, amount, one)}."
            for amount, text in reasons(result, one, trade)
        ]
        yield FormulaLine(f"{name_of(result)}, of {of}", f"{heads}{each}", value, model, tuple(why))


def _by_retention(result: RunResult, trade: Trade) -> Iterator[FormulaLine]:
    value = order_times_retention(trade)
    if not math.isfinite(value):
        return
    order, words = _money(result, trade.order_value), display.vocabulary(result)
    yield FormulaLine(
        "order value × retention rate",
        f"{order} × {fmt.percent(trade.retention_rate, -3)}",
        _money(result, value),
        "no such figure",
        (
            "This is no value of a customer: it is what one order brings, times the chance that it is followed by "
            f"another. It counts one of the {words.many} to come, before any cost, and neither how often nor how long "
            "customers come back.",
        ),
    )


def _by_visitors(result: RunResult, trade: Trade) -> Iterator[FormulaLine]:
    value = first_sales(trade)
    if not math.isfinite(value):
        return
    figure = display.figures(result).get((display.baseline(result).name, "visitor_value"))
    model = "no such figure"
    if figure is not None:
        worth = figure.best.mean * trade.visitors_per_month
        kind = "value" if result.margin_known else "revenue"
        model = f"{_money(result, worth)}, the {kind} of these visitors over {fmt.months(result.horizon_months)}"
    goods = ", is revenue and not what is left of it," if result.margin_known else ""
    yield FormulaLine(
        "visitors × conversion × order value",
        f"{fmt.number(trade.visitors_per_month)} a month × {fmt.percent(trade.conversion, -4)} × "
        f"{_money(result, trade.order_value)}",
        f"{_money(result, value)} a month",
        model,
        (f"This{goods} stops at the {display.vocabulary(result).first}: what customers bring later is not in it.",),
    )


def reasons(result: RunResult, one: Steps, trade: Trade) -> list[tuple[float, str]]:
    """What each step changes, and why, as a clause without its amount; only steps that are worth one."""
    least = _SMALL * max(abs(one.value), abs(one.model))
    steps = [
        (one.costs, "the formula leaves out what each order costs beside its goods"),
        (one.horizon, f"the formula counts for ever, the model {fmt.months(result.horizon_months)}"),
        (one.discount, "to the formula later money counts as much as today’s"),
        (one.rest, _rest(result, one, trade)),
    ]
    return [(amount, text) for amount, text in steps if abs(amount) >= least]


def _rest(result: RunResult, one: Steps, trade: Trade) -> str:
    """Why the model differs from a customer with the same chance to be lost in every month."""
    assert result.sheet is not None
    of_today = one is result.sheet.today
    if result.no_data:
        if one.rest > 0:
            return "customers who differ stay longer than the mean churn says, and the first order comes at once"
        return "what is stated of customers is not the same in every month of their life"
    if result.active_contracts is not None:
        if one.rest > 0:
            return "churn falls with age: who has stayed, stays longer than today’s churn says"
        due = "the payment just made is not to come again" if of_today else "a new contract ends sooner than an old one"
        return f"{due}, and today’s churn is that of contracts of all ages"
    if one.rest > 0:
        if of_today:
            return "the formula counts all who have not ordered for three months as lost, and many still come back"
        return "customers differ: the few who stay order for years, which a mean churn of recent months does not show"
    once = fmt.percent(1 - trade.retention_rate)
    return (
        f"customers differ: {once} ordered once, and the formula takes each for one of those who ordered lately"
        if not of_today
        else "the formula takes all who ordered lately for loyal ones, and some of them are leaving"
    )


def _there(result: RunResult) -> str:
    """Whom the formula takes for its customers."""
    if result.active_contracts is not None or result.no_data:
        return "those who pay"
    return "those who ordered in the last 3 months"


def _amounts(result: RunResult, *values: float) -> list[str]:
    place = max(fmt.last_place(values, digits=2), -2)
    return [fmt.money(value, place, result.currency) for value in values]


def _signed(result: RunResult, amount: float, one: Steps) -> str:
    place = max(fmt.last_place((one.value, one.model), digits=2), -2)
    return fmt.money(amount, place, result.currency, signed=True)


def _money(result: RunResult, value: float) -> str:
    return fmt.money(value, max(fmt.last_place([value]), -2), result.currency)
