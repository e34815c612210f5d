"""What a validation says, in words: for the terminal, and for the first screen of its page."""

import textwrap

from clvsim.report import format as fmt
from clvsim.report import models
from clvsim.report.format import NBSP
from clvsim.validation.result import PIT_LIMITS, Forecast, Score, Validation

WIDTH = 100
FEW = 20  # customers below which a share says little
INTERVAL = f"90{NBSP}%"


def place(f: Forecast) -> int:
    """Simulated worlds support three digits of a forecast; orders are whole."""
    return max(0, fmt.last_place((f.mean, f.p05, f.p95)))


def mean(f: Forecast) -> str:
    return fmt.number(f.mean, place(f))


def span(f: Forecast) -> str:
    return f"[{fmt.number(f.p05, place(f))}, {fmt.number(f.p95, place(f))}]"


def headline(found: Validation) -> str:
    """The verdict in a sentence: which model, and how good the reason is."""
    if not any(m.fits for m in found.models):
        none = "this model" if len(found.models) == 1 else "any of these models"
        return (
            f"Do not rely on {none}: what customers did falls outside what was thought likely far too often, or never."
        )
    trusted = found.trusted.model
    if len(found.models) == 1:
        return f"{trusted} {_alone(found)}."
    level = [m.model for m in found.level if m.model != trusted]
    if not level:
        return f"Trust {trusted}: it predicted single customers best, beyond twice the standard error."
    return (
        f"Use {trusted} before {models.listed(level)}, for a weak reason: single customers do not tell them apart, but "
        f"it did best on all {found.words.many} together"
        f"{'' if found.trusted.total.holds else ', and still missed them'}."
    )


def _alone(found: Validation) -> str:
    check = found.own
    if check.total.holds:
        return f"passes: the {found.words.many} held back lie where it expected them"
    return f"is to be used with care: all {found.words.many} together lie outside its {INTERVAL} interval"


def sentences(found: Validation) -> list[str]:
    """What stands behind the verdict: the total, single customers, simple rules, the past, and what is still open."""
    return [
        s
        for s in (_total(found), _customers(found), _chances(found), _past(found), _spread(found), *misfits(found))
        if s
    ]


def _total(found: Validation) -> str:
    check, f = found.trusted, found.trusted.total.full
    actual = check.total.actual
    side = "inside" if check.total.holds else "outside"
    said = (
        f"For the {fmt.number(found.holdout_days)} days held back it expected {mean(f)} {found.words.many}, {INTERVAL} "
        f"interval {span(f)}; {fmt.number(actual)} came, {side} the interval."
    )
    if found.merged_days:
        said += f" Orders of a customer in one period of {fmt.days(found.merged_days)} days count as one order."
    if actual and abs(f.mean / actual - 1) >= 0.005:
        low = f.mean < actual
        others = [m.total.full.mean for m in found.models if m is not check]
        alike = others and all((expected < actual) == low for expected in others)
        said += f" Its mean is {fmt.percent(abs(f.mean / actual - 1))} too {'low' if low else 'high'}"
        said += f"; that of every other model is too {'low' if low else 'high'} as well." if alike else "."
    wider = [f"{m.model}’s {span(m.total.full)}" for m in found.models if m.total.holds and m is not check]
    if wider and not check.total.holds:
        said += f" The actual number lies inside {models.listed(wider)}."
    return said


def _customers(found: Validation) -> str:
    best_rule = found.rules[0]
    mine = next(s for s in found.scores if s.name == found.trusted.model)
    gain = 1 - mine.crps / best_rule.crps if best_rule.crps > 0 else 0.0
    reference = next(s for s in found.scores if s.difference == 0)
    clear = best_rule.crps - reference.crps > 2 * best_rule.difference_se
    if clear and gain > 0:
        return (
            f"For single customers its error is {fmt.percent(gain)} below that of the best simple rule "
            f"(“{best_rule.name}”)."
        )
    return f"For single customers a simple rule (“{best_rule.name}”) does about as well: a model gains little here."


def _chances(found: Validation) -> str:
    """The bin of predicted chances that is furthest off, where chance does not explain it."""
    off = [b for b in found.trusted.by_active if b.customers >= FEW and not b.low <= b.observed <= b.high]
    if not off:
        return f"Customers {found.words.did} about as often as their predicted chances say."
    worst = max(off, key=lambda b: abs(b.observed - b.active))
    return (
        f"Its chances are furthest off for {fmt.number(worst.customers)} customers, given {fmt.percent(worst.active)} "
        f"to {found.words.do} on average: {fmt.percent(worst.observed)} did."
    )


def _past(found: Validation) -> str:
    return (
        models.verdict(found.left_out)
        + f" (This is about the past they were fitted to, not the {found.words.many} held back.)"
        if found.left_out
        else ""
    )


def _spread(found: Validation) -> str:
    ordered = sorted((m.total.full for m in found.models), key=lambda f: f.mean)
    if len(ordered) < 2:
        return ""
    return (
        f"The models’ forecasts of all {found.words.many} range from {mean(ordered[0])} to {mean(ordered[-1])}: "
        "uncertainty about the model itself, which no interval of a single one contains."
    )


def misfits(found: Validation) -> list[str]:
    """One sentence per model whose single customers fall outside the limits."""
    low, high = (fmt.percent(limit) for limit in PIT_LIMITS)
    return [
        f"{m.model} fails: {fmt.percent(m.central)} of customers lie in the central 80{NBSP}% of what it expected of "
        f"them, which must be {low} to {high}."
        for m in found.models
        if not m.fits
    ]


def lost(found: Validation) -> list[str]:
    """When each model counts a customer as lost."""
    return list(dict.fromkeys(m.who_is_lost for m in found.models))


def score_rows(found: Validation) -> list[tuple[str, str, str, str]]:
    """Name, CRPS, difference to the best model ± standard error, mean absolute error."""

    def row(name: str, s: Score) -> tuple[str, str, str, str]:
        apart = "best" if s.difference == 0 else f"{fmt.number(s.difference, -4, signed=True)} ± "
        apart += "" if s.difference == 0 else fmt.number(s.difference_se, -4)
        return name, fmt.number(s.crps, -4), apart, fmt.number(s.mae, -4)

    return [row(s.name, s) for s in found.scores] + [row(f"rule: {s.name}", s) for s in found.rules]


def model_rows(found: Validation) -> list[tuple[str, ...]]:
    """Name, forecast of all orders with every layer, whether it holds the actual number, central share, weight."""
    weight = {s.model: models.weight(s) for s in found.left_out}
    return [
        (
            m.model,
            mean(m.total.full),
            span(m.total.full),
            "yes" if m.total.holds else "no",
            fmt.percent(m.central) + ("" if m.fits else " FAILS"),
            weight.get(m.model, ""),
        )
        for m in found.models
    ]


def interval_note(found: Validation) -> str:
    layers = found.layers[-1].replace("parameter + ", "") if found.draft else found.layers[-1]
    return f"{INTERVAL} intervals of simulated worlds; {layers} uncertainty, not that of the model."


def layers_note(found: Validation) -> str:
    return (
        f"{interval_note(found)} In the middle: share "
        f"of customers in the central 80{NBSP}% of what was expected of them, 80{NBSP}% for a model that is right."
    )


def summary(found: Validation) -> str:
    """The terminal's text, at most 100 columns."""
    parts = [*_banners(found), _wrapped(headline(found))]
    parts.append("\n".join(map(_wrapped, sentences(found))))
    head = ("model", f"{found.words.many} expected", INTERVAL, "holds actual", "in the middle", "weight")
    rows = [head, *model_rows(found)]
    actual = fmt.number(found.own.total.actual)
    parts.append(models.columns(rows if found.left_out else [r[:-1] for r in rows]) + f"\nactual: {actual}")
    parts.append(models.columns([("error per customer", "CRPS", "to the best model", "MAE"), *score_rows(found)]))
    parts.append("\n".join(map(_wrapped, (layers_note(found), *lost(found)))))
    return "\n\n".join(parts).replace(NBSP, " ")


def _banners(found: Validation) -> list[str]:
    if found.poor_fit:
        return ["POOR FIT: convergence checks failed and were overridden; do not rely on these figures."]
    return ["DRAFT: parameter uncertainty is left out (fit.method=map)."] if found.draft else []


def _wrapped(text: str) -> str:
    return textwrap.fill(" ".join(text.replace(NBSP, " ").split()), WIDTH)
