"""The page's sections on the limits of a run and on the terms that are not metrics."""

from clvsim.report import format as fmt
from clvsim.report import over_time
from clvsim.report.display import decision_metric, split_layers, vocabulary, wording
from clvsim.report.facts import AMOUNTS_OVER_TIME
from clvsim.types import RunResult

_LAYER_WORDS = {
    "parameter": "how customers behave (the log is finite, so it is known only roughly)",
    "process": "who happens to buy, and when",
    "environment": "shocks that hit all customers at once",
    "assumption": "what levers do",
}

_STATED_WORDS = _LAYER_WORDS | {"assumption": "what is stated of customers, channels and levers"}

_NUMBER_STATED = "Visitors, conversion and cost per visitor are inputs and stay constant"
_NUMBER_OF_THE_LOG = (
    "Their number is learned from the log and goes on with a growth that fades: no campaign, and no market that is "
    "exhausted, is foreseen; their cost is an input and stays constant"
)


def limits(result: RunResult) -> list[tuple[str, str]]:
    """Limits as (heading, sentence or two), only those that touch this run."""
    present = split_layers(result.layers)
    words = _STATED_WORDS if result.no_data else _LAYER_WORDS
    known = [layer for layer in words if not (result.no_data and layer == "parameter")]
    missing = [words[layer] for layer in known if layer not in present]
    entries = [
        (
            "What intervals contain",
            f"This run varies {', '.join(words[layer] for layer in present)}."
            + (f" It does not vary {', '.join(missing)}." if missing else "")
            + (" What the models that share the draws disagree about is in it, and no more." if result.models else "")
            + f" No interval covers {'what none of them knows' if result.models else 'a wrong model'}"
            + " or a business that changes in ways that no scenario describes.",
        ),
        (
            "What may happen, and on average",
            "The interval shown first says what may happen: luck and shocks are in it. Decisions rest on figures on "
            "average, in which chance is averaged out for each behaviour of customers and each effect of a lever that "
            "the evidence leaves open: they scatter less, and no single future need lie among them. Scenarios are "
            "compared on the same people with the same luck.",
        ),
        _effects(result),
        *_behaviour_limits(result),
        (
            "Shocks to all customers",
            f"{_shock_size(result)} A crisis is not in them.",
        ),
        (
            "The horizon is cut",
            f"Only {fmt.months(result.horizon_months)} of each customer’s life count. "
            f"{vocabulary(result).paid.capitalize()} after that are left out, "
            "which understates long-lived customers and levers that pay late.",
        ),
        (
            "Independent customers",
            "Customers do not influence each other, but for those whom they refer where a scenario says so: no other "
            "word of mouth, no stock-outs, no limit to how many are served.",
        ),
    ]
    if result.merged_days:
        period = result.shared_period or f"period of {fmt.days(result.merged_days)} days, counted from the first order"
        entries.append(
            (
                "One order per period",
                f"The model sees whether a customer orders in a {period}, not how often. Everywhere on this page all "
                "orders of a customer in one period are one: their sum, dated at the end of the period. So there are "
                "fewer and larger orders than in the log, a cost per order is charged once per period, and orders of "
                "the period that is running today count when it ends.",
            )
        )
    if result.acquisition_known:
        entries.append(
            (
                "Newcomers",
                _newcomers(result),
            )
        )
    if not result.margin_known:
        entries.append(
            (
                "Revenue only",
                "No gross margin was given, so nothing here says what remains after the cost of goods. A lever that "
                "raises revenue can still lose money. Set finance.gross_margin to include it.",
            )
        )
    if any(s.illustrative for s in result.scenarios):
        entries.append(
            (
                "Example effects",
                "Scenarios marked “example effect” show the mechanics with a made-up effect, or with a default that "
                "nobody measured. They are no forecast for this business and never reach the headline.",
            )
        )
    if result.tracking.untracked:
        entries.append(("Nothing to check against", result.tracking.untracked))
    elif result.tracking.holdout is None:
        entries.append(
            (
                "Not checked",
                f"{result.tracking.unchecked} So nothing here was compared with orders that the model had not seen.",
            )
        )
    return entries


def _effects(result: RunResult) -> tuple[str, str]:
    if result.no_data:
        known, heading = "How customers behave is stated and not learned, like what they pay", "Nothing is learned"
    else:
        known, heading = "The log says how customers behave today", "Effects are not in the log"
    return (
        heading,
        f"{known}. How a lever changes that comes from an experiment, a judgement "
        "with a source or a number that somebody stated, each listed above; if it is wrong, so is the difference. "
        "What follows if a number is right, and what a test showed, are two questions. Effects of combined levers "
        "multiply; that they neither help nor hinder each other is itself an assumption.",
    )


def _newcomers(result: RunResult) -> str:
    number = _NUMBER_OF_THE_LOG if result.arrivals else _NUMBER_STATED
    whom = "as stated" if result.no_data else "like the customers in the log"
    return (
        f"{number}; newcomers are taken to behave {whom}, whichever channel they come from, but for what a lever says "
        "of those whom it brings in addition."
    )


def not_in_here(result: RunResult) -> str:
    """What no figure of the page contains, in two sentences."""
    after = f"what comes after {fmt.months(result.horizon_months)}, a crisis, and customers who influence each other"
    referred = ", but for those whom they refer" if result.arrival_months and not result.acquisition_known else ""
    return f"{_unmodelled(result)} Nor are {after}{referred}."


def _unmodelled(result: RunResult) -> str:
    sentence = _seasons_and_levels(result).rpartition(". ")[2]
    return f"{sentence[0].lower()}{sentence[1:]}"


def _seasons_and_levels(result: RunResult) -> str:
    """What the fitted calendar is taken to do, and what no model contains."""
    recurring = {"season", "promotion"} & set(result.calendar_effects)
    return_of_months = "The year’s months (or the promotions) were fitted and are taken to come back as they were. "
    calendar = return_of_months if recurring else ""
    if "path" in result.calendar_effects:
        moves = "hazard’s" if result.active_contracts is not None else "order rate’s"
        calendar += f"The {moves} level may move from month to month; it goes on from where it stands today. "
        others = () if recurring else ("seasons",)
    else:
        others = ("trends",) if recurring else ("seasons", "trends")
    levelled = any(label == AMOUNTS_OVER_TIME for label, _ in result.model_facts)
    subject = ", ".join((*others, "later price rises" if levelled else "price rises", "competitors"))
    return f"{calendar}{subject[0].upper()}{subject[1:]} and ageing of tastes are not modelled."


def _shock_size(result: RunResult) -> str:
    if any(a.kind == "learned" for a in result.assumptions if a.path.startswith("environment.")):
        return "Their size is learned from how far months of the log differ; how fast they fade is assumed."
    return "Their size and how fast they fade are assumed" + (
        "." if result.no_data else ", not estimated from the data."
    )


def _behaviour_limits(result: RunResult) -> list[tuple[str, str]]:
    """Limits on staying and buying: lost customers, and what stays as it is."""
    not_modelled = _seasons_and_levels(result)
    if result.no_data:
        return [_as_stated(result, not_modelled)]
    if result.active_contracts is not None:
        return [
            (
                "Lost contracts are seen, later losses are forecast",
                f"{result.who_is_lost} {fmt.number(result.active_contracts)} of {fmt.number(result.customers)} are "
                "active; figures per customer of today are averages over all of them. "
                "Who will renew is a forecast from how many did so far at the same age; cohorts of different years are "
                "taken to be alike.",
            ),
            (
                "Behaviour is taken as lasting",
                "Each customer’s own way of renewing, and the price they pay, stay as they are until a lever changes "
                f"them. Every order is a payment: the start of a contract or a renewal. {not_modelled}",
            ),
        ]
    return [
        (
            "Lost customers are inferred",
            f"Nobody says goodbye: the model infers from silence who has left. {result.who_is_lost} P(alive) of single "
            "customers is a probability, not a fact.",
        ),
        (
            "Behaviour is taken as lasting",
            "Each customer’s own buying rate and spend per order stay as they are until a lever changes them. "
            + not_modelled,
        ),
    ]


def _as_stated(result: RunResult, not_modelled: str) -> tuple[str, str]:
    """How the customers of a business that is stated live; those of today are as if they had just come."""
    of_today = (
        "Customers of today are taken to have just placed their first order, which understates them where customers "
        "differ: those who have stayed are better than those who come. "
    )
    return (
        "Behaviour is stated, and lasts",
        f"{of_today if result.customers else ''}Each customer’s own way of ordering and paying stays as it is "
        f"until a lever changes it. Stated numbers are drawn independently of each other. {not_modelled}",
    )


def terms(result: RunResult) -> list[tuple[str, str]]:
    """Words of the page that are not metrics, with one line each."""
    metric = wording(result, decision_metric(result)).label
    metric = metric[0].lower() + metric[1:]
    return [
        (
            f"90{fmt.NBSP}% interval",
            "Nine in ten simulated futures lie inside; one in twenty below, one in twenty above. Luck and shocks are "
            "in it. In comparison.csv: realised.",
        ),
        (
            "On average",
            "The same with luck and shocks averaged out: where the mean over all futures may lie, given how little is "
            "known of customers and levers. Decisions rest on it. In comparison.csv: expected.",
        ),
        (
            "Extra value" if result.margin_known else "Extra revenue",
            f"Scenario minus baseline in {metric}, draw by draw on the same simulated people.",
        ),
        (
            "Better in",
            f"How sure it is that the scenario’s {metric} is above the baseline’s on average: the share of draws of "
            "behaviour and effects in which it is; ties count half.",
        ),
        (
            "Best in",
            "How sure it is that the scenario beats all others on average, the baseline included; ties share.",
        ),
        (
            "Regret if wrong",
            f"How much {metric} one forgoes on average by choosing this scenario when another turns out better. "
            "The smallest of them is what perfect information would be worth at most."
            if result.margin_known
            else f"How much {metric} one forgoes on average by choosing this scenario when another turns out better.",
        ),
        (
            "Today",
            f"{result.today:%d %B %Y}, the "
            + ("day on which the simulation starts." if result.no_data else "last day the model was fitted on."),
        ),
        *over_time.terms(result),
    ]
