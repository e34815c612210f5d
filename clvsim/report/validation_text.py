"""Sentences and tables of a validation, for the terminal and for the top of its page."""

import math
import textwrap
from collections.abc import Sequence

from clvsim.models.around.several import KIND as SHARED
from clvsim.report import format as fmt
from clvsim.report import model_scores, several
from clvsim.report.format import NBSP
from clvsim.validation.result import PIT_LIMITS, Forecast, ModelCheck, Score, Validation

WIDTH = 100
FEW = 20  # customers below which an observed share is too noisy to report
INTERVAL = f"90{NBSP}%"


def place(f: Forecast) -> int:
    """Place of the last digit shown of a forecast: three digits are supported by the worlds, and orders are whole."""
    return max(0, fmt.last_place((f.mean, f.p05, f.p95)))


def mean(f: Forecast) -> str:
    return fmt.number(f.mean, place(f))


def span(f: Forecast) -> str:
    return f"[{fmt.number(f.p05, place(f))}, {fmt.number(f.p95, place(f))}]"


def money_place(f: Forecast) -> int:
    """Place of the last digit shown of a forecast in money: three digits, and no less than a hundredth."""
    return max(-2, fmt.last_place((f.mean, f.p05, f.p95)))


def money_mean(f: Forecast, currency: str = "") -> str:
    return fmt.money(f.mean, money_place(f), currency)


def money_span(f: Forecast) -> str:
    return f"[{fmt.number(f.p05, money_place(f))}, {fmt.number(f.p95, money_place(f))}]"


def headline(validation: Validation) -> str:
    """The verdict in a sentence: which model to trust, and how strong the evidence is; and in another, if not on money.

    Orders decide: the spend model is the same beside every retention model.
    """
    revenue = validation.trusted_model.revenue
    if not validation.trusted or revenue is None or revenue.total.holds:
        return _verdict_on_orders(validation)
    came = f"{fmt.position(revenue.total.position)} simulated futures, {_too(revenue.total.error)}"
    return f"{_verdict_on_orders(validation)} Do not rely on its revenue: what was paid came {came}."


def _verdict_on_orders(validation: Validation) -> str:
    if not any(m.fits for m in validation.models):
        models_text = "this model" if len(validation.models) == 1 else "any of these models"
        return (
            f"Do not rely on {models_text}: what customers did falls outside the central 80 % of what was "
            "predicted for them far too often, or hardly ever."
        )
    trusted = validation.trusted_model.model
    if not validation.trusted:
        return _no_model_verdict(validation)
    if len(validation.models) == 1:
        return f"{trusted} {_single_model_verdict(validation)}."
    total = f"all {validation.words.many} together, which came {futures(validation.trusted_model)}"
    tied = [m.model for m in validation.tied_models if m.model != trusted]
    if tied:
        return (
            f"Use {trusted} before {model_scores.join_names(tied)}, for a weak reason: their errors per customer "
            f"do not differ clearly, but it did best on {total}."
        )
    ahead = [s.name for s in validation.scores[: [s.name for s in validation.scores].index(trusted)]]
    if missed := [name for name in ahead if validation.check(name).fits]:
        return (
            f"Use {trusted}: {model_scores.join_names(missed)} predicted single customers better, but missed "
            f"{total} of {trusted}."
        )
    return (
        f"Trust {trusted}: it predicted single customers best, beyond twice the standard error, and all "
        f"{validation.words.many} together came {futures(validation.trusted_model)}."
    )


def _no_model_verdict(validation: Validation) -> str:
    """The best model's customers fit and its total does not hold: what a reader needs most is wrong."""
    check = validation.trusted_model
    came = f"{futures(check)}, {_too(check.total.error)}"
    if len(validation.models) == 1:
        return (
            f"Do not rely on the totals of {check.model}: it fits single customers, but all {validation.words.many} "
            f"held back together came {came}."
        )
    return (
        f"Do not rely on the totals of any of these models: by {check.model}, the best of those that fit single "
        f"customers, all {validation.words.many} held back together came {came}."
    )


def _too(error: float) -> str:
    """By how much a mean is too low or too high, as in "its mean 24 % too high"."""
    if not math.isfinite(error):
        return "and none came"
    return f"its mean {fmt.percent(abs(error))} too {'low' if error < 0 else 'high'}"


def _single_model_verdict(validation: Validation) -> str:
    return (
        f"fits single customers; all {validation.words.many} held back together came {futures(validation.own_model)}, "
        "counted from the lowest"
    )


def futures(check: ModelCheck) -> str:
    """Where the actual number of all orders lies among the futures that a model simulated."""
    return f"{fmt.position(check.total.position)} simulated futures"


def sentences(validation: Validation) -> list[str]:
    """The evidence for the verdict: all orders, single customers, simple rules, leave-one-out, spread of the models."""
    return [
        s
        for s in (
            _shared_sentence(validation),
            _total_sentence(validation),
            _revenue_sentence(validation),
            _customers_sentence(validation),
            _ranking_sentence(validation),
            _chances_sentence(validation),
            _past_sentence(validation),
            _spread_sentence(validation),
            *misfits(validation),
        )
        if s
    ]


def _shared_sentence(validation: Validation) -> str:
    """Which models `auto` stands for."""
    if not validation.shared:
        return ""
    how = f"by how its models predict customers left out of the log up to {validation.today}"
    if len(validation.shared) == 1:
        return f"{SHARED} came down to {several.NAMES[next(iter(validation.shared))]}, {how}."
    return f"{SHARED} shares its draws between {several.shares(validation.shared)}, {how}."


def _total_sentence(validation: Validation) -> str:
    check, f = validation.trusted_model, validation.trusted_model.total.full_forecast
    actual = check.total.actual
    text = (
        f"For the {fmt.number(validation.holdout_days)} days held back it expected {mean(f)} {validation.words.many}, "
        f"{INTERVAL} interval {span(f)}; {fmt.number(actual)} came, "
        f"{futures(check)}."
    )
    if validation.merged_days:
        period = validation.shared_period or f"period of {fmt.days(validation.merged_days)} days"
        text += f" Orders of a customer in one {period} count as one order."
    if actual and abs(f.mean / actual - 1) >= 0.005:
        low = f.mean < actual
        other_means = [m.total.full_forecast.mean for m in validation.models if m is not check]
        all_alike = other_means and all((expected < actual) == low for expected in other_means)
        text += f" Its mean is {fmt.percent(abs(f.mean / actual - 1))} too {'low' if low else 'high'}"
        text += f"; that of every other model is too {'low' if low else 'high'} as well." if all_alike else "."
    others = [f"{m.model} {fmt.position(m.total.position)}" for m in validation.models if m is not check]
    if others:
        text += f" Among those of the others the actual number lies: {', '.join(others)}."
    return text


def _revenue_sentence(validation: Validation) -> str:
    """What was paid beside what was expected; only payments of those who are followed count."""
    revenue = validation.trusted_model.revenue
    if revenue is None:
        return ""
    f, paid = revenue.total.full_forecast, revenue.total.actual
    text = (
        f"Of revenue it expected {money_mean(f, validation.currency)}, {INTERVAL} interval {money_span(f)}; "
        f"{fmt.money(paid, money_place(f), validation.currency)} was paid, {fmt.position(f.position)} simulated "
        "futures."
    )
    if not abs(revenue.total.error) >= 0.005:
        return text
    too = "low" if revenue.total.error < 0 else "high"
    return f"{text} Its mean is {fmt.percent(abs(revenue.total.error))} too {too}."


def _ranking_sentence(validation: Validation) -> str:
    """How well customers are ranked and tenths of them are met, in money where there is some."""
    in_money = bool(validation.revenue_scores)
    ranking = validation.revenue_scores if in_money else validation.scores
    rules = validation.revenue_rules if in_money else validation.rules
    score = next(s for s in ranking if s.name == validation.trusted_model.model)
    if not (rules and math.isfinite(score.gini)):
        return ""
    ranks = max(rules, key=lambda s: s.gini)
    met = min(rules, key=lambda s: s.tenths_error)
    what = "revenue" if in_money else validation.words.many
    return (
        f"It ranks customers by their {what} with a normalised Gini of {fmt.number(score.gini, -2)} (best simple rule "
        f"{fmt.number(ranks.gini, -2)}, perfect 1); by tenths of the customers it misses "
        f"{fmt.percent(score.tenths_error)} of all {what} (best simple rule {fmt.percent(met.tenths_error)})."
    )


def _customers_sentence(validation: Validation) -> str:
    best_rule = validation.rules[0]
    score = next(s for s in validation.scores if s.name == validation.trusted_model.model)
    gain = 1 - score.crps / best_rule.crps if best_rule.crps > 0 else 0.0
    reference = next(s for s in validation.scores if s.difference == 0)
    clear = best_rule.crps - reference.crps > 2 * best_rule.difference_se
    if clear and gain > 0:
        return (
            f"For single customers its error is {fmt.percent(gain)} below that of the best simple rule "
            f"(“{best_rule.name}”)."
        )
    return f"For single customers a simple rule (“{best_rule.name}”) does about as well: a model gains little here."


def _chances_sentence(validation: Validation) -> str:
    """The bin of predicted chances that is furthest off, where chance does not explain it."""
    off = [b for b in validation.trusted_model.by_active if b.customers >= FEW and not b.low <= b.observed <= b.high]
    if not off:
        return f"Customers {validation.words.did} about as often as their predicted chances say."
    worst = max(off, key=lambda b: abs(b.observed - b.active))
    return (
        f"Its chances are furthest off for {fmt.number(worst.customers)} customers, given {fmt.percent(worst.active)} "
        f"to {validation.words.do} on average: {fmt.percent(worst.observed)} did."
    )


def _past_sentence(validation: Validation) -> str:
    return (
        model_scores.verdict(validation.leave_one_out)
        + f" (This is about the past they were fitted to, not the {validation.words.many} held back.)"
        if validation.leave_one_out
        else ""
    )


def _spread_sentence(validation: Validation) -> str:
    ordered = sorted((m.total.full_forecast for m in validation.models), key=lambda f: f.mean)
    if len(ordered) < 2:
        return ""
    return (
        f"The models’ forecasts of all {validation.words.many} range from {mean(ordered[0])} to {mean(ordered[-1])}: "
        "uncertainty about the model itself, which no interval of a single one contains."
    )


def misfits(validation: Validation) -> list[str]:
    """One sentence per model whose single customers fall outside the limits."""
    low, high = (fmt.percent(limit) for limit in PIT_LIMITS)
    return [
        f"{m.model} fails: {fmt.percent(m.central)} of customers lie in the central 80{NBSP}% of what it expected of "
        f"them, which must be {low} to {high}."
        for m in validation.models
        if not m.fits
    ]


def loss_definitions(validation: Validation) -> list[str]:
    """Each model's sentence on when it counts a customer as lost, without repetitions."""
    return list(dict.fromkeys(m.who_is_lost for m in validation.models))


SCORE_HEAD = ("CRPS", "to the best model", "MAE", "Gini", "tenths off")


def score_rows(validation: Validation) -> list[tuple[str, ...]]:
    """Of orders: name, CRPS, difference to the best model ± standard error, mean absolute error, normalised Gini, what
    tenths of the customers miss."""
    return _score_rows(validation.scores, validation.rules, -4)


def revenue_score_rows(validation: Validation) -> list[tuple[str, ...]]:
    """The same in money; none where the log has no amounts."""
    both = (*validation.revenue_scores, *validation.revenue_rules)
    place = max(-4, fmt.last_place([s.crps for s in both], digits=4))
    return _score_rows(validation.revenue_scores, validation.revenue_rules, place)


def _score_rows(models: Sequence[Score], rules: Sequence[Score], place: int) -> list[tuple[str, ...]]:
    def row(name: str, s: Score) -> tuple[str, ...]:
        difference = "best" if s.difference == 0 else f"{fmt.number(s.difference, place, signed=True)} ± "
        difference += "" if s.difference == 0 else fmt.number(s.difference_se, place)
        figures = fmt.number(s.crps, place), difference, fmt.number(s.mae, place)
        return name, *figures, fmt.number(s.gini, -2), fmt.percent(s.tenths_error)

    return [row(s.name, s) for s in models] + [row(f"rule: {s.name}", s) for s in rules]


def revenue_rows(validation: Validation) -> list[tuple[str, ...]]:
    """Name, forecast of all revenue with every layer, where what was paid lies in it; none without amounts."""
    totals = [(m.model, m.revenue.total) for m in validation.models if m.revenue]
    return [
        (
            name,
            money_mean(total.full_forecast, validation.currency),
            money_span(total.full_forecast),
            fmt.position(total.position).removeprefix("at the "),
        )
        for name, total in totals
    ]


def model_rows(validation: Validation) -> list[tuple[str, ...]]:
    """Name, forecast of all orders with every layer, where the actual number lies in it, central share, weight."""
    weight = {s.model: model_scores.weight(s) for s in validation.leave_one_out}
    return [
        (
            m.model,
            mean(m.total.full_forecast),
            span(m.total.full_forecast),
            fmt.position(m.total.position).removeprefix("at the "),
            fmt.percent(m.central) + ("" if m.fits else " FAILS"),
            weight.get(m.model, ""),
        )
        for m in validation.models
    ]


def interval_note(validation: Validation) -> str:
    layers = validation.layers[-1].replace("parameter + ", "") if validation.draft else validation.layers[-1]
    shared = any(m.model == SHARED for m in validation.models)
    but = f", but for {SHARED}, whose draws several models share" if shared else ""
    return f"{INTERVAL} intervals of simulated worlds; {layers} uncertainty, not that of the model{but}."


def layers_note(validation: Validation) -> str:
    return (
        f"{interval_note(validation)} Actual: where the number that came lies among 100 simulated futures, counted "
        "from the lowest; a right model has each place as often as any other. In the middle: share "
        f"of customers in the central 80{NBSP}% of what was expected of them, 80{NBSP}% for a model that is right. "
        "Gini: how well customers are ranked, at best 1. Tenths off: what sums over tenths of the "
        "customers, by what was expected of them, miss in all."
    )


def summary(validation: Validation) -> str:
    """The terminal's text, at most 100 columns."""
    parts = [*_banners(validation), _wrapped(headline(validation))]
    parts.append("\n".join(map(_wrapped, sentences(validation))))
    head = ("model", f"{validation.words.many} expected", INTERVAL, "actual", "in the middle", "weight")
    rows = [head, *model_rows(validation)]
    actual = fmt.number(validation.own_model.total.actual)
    parts.append(
        model_scores.columns(rows if validation.leave_one_out else [r[:-1] for r in rows]) + f"\nactual: {actual}"
    )
    if revenue := validation.own_model.revenue:
        paid = fmt.money(revenue.total.actual, money_place(revenue.total.full_forecast), validation.currency)
        head = ("model", "revenue expected", INTERVAL, "actual")
        parts.append(model_scores.columns([head, *revenue_rows(validation)]) + f"\nactual: {paid}")
    parts.append(model_scores.columns([("error per customer", *SCORE_HEAD), *score_rows(validation)]))
    if revenue:
        parts.append(model_scores.columns([("in money", *SCORE_HEAD), *revenue_score_rows(validation)]))
    parts.append("\n".join(map(_wrapped, (layers_note(validation), *loss_definitions(validation)))))
    parts += ["\n".join(_wrapped(f"! {warning}") for warning in validation.warnings)] if validation.warnings else []
    return "\n\n".join(parts).replace(NBSP, " ")


def _banners(validation: Validation) -> list[str]:
    if validation.poor_fit:
        return ["POOR FIT: convergence checks failed and were overridden; do not rely on these figures."]
    return ["DRAFT: parameter uncertainty is left out (fit.method=map)."] if validation.draft else []


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.replace(NBSP, " ").split()), WIDTH)
