"""What follows from a run, in words: what to do, how sure that is, what could go wrong.

Chances and what knowing brings are on average, as decisions are; losses are those of what may happen.
"""

import math
from collections.abc import Sequence

import numpy as np

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.scenario import weakest_evidence
from clvsim.types import RunResult, ScenarioDescription

BACKED = ("experiment", "judgement")
TOLD = 3.0  # standard errors, below which a regret is not told from none
_MORE_THAN_SEEN, _CLOSED = "newcomers", "closed"  # keys of the quality table: newcomers stated, others in the log
STATED = (_MORE_THAN_SEEN, _CLOSED)
_IN_DOUBT = "visitors and conversions, on which new customers, bids and levers rest"
_TOO_FEW = "There are too few simulated futures to say how sure that is."
_SURER = 0.05  # more of a chance, which is worth a sentence


def best_choice(result: RunResult) -> ScenarioDescription:
    """The option with the highest mean among those that may be chosen: today, and levers that are no examples."""
    table = display.decisive(result)
    best = max(_able(result), key=lambda s: table[s.name].best.delta_mean, default=None)
    return best if best and table[best.name].best.delta_mean > 0 else display.baseline(result)


def _able(result: RunResult) -> list[ScenarioDescription]:
    """Levers that may be chosen: neither examples nor certain by assumption."""
    table = display.decisive(result)
    return [s for s in display.levers(result) if not s.illustrative and not s.is_what_if and s.name in table]


def own_evidence(scenario: ScenarioDescription) -> str:
    """The weakest evidence of a lever's own numbers, whatever the business rests on; as it is said without any."""
    return weakest_evidence(scenario.assumptions) or scenario.evidence


# --- what to do -------------------------------------------------------------------------------------------------------


def do_first(result: RunResult) -> str:
    """Which lever, and whether to test it before; "" without levers. What was stated and is not seen comes before."""
    told = _which_lever(result)
    if in_doubt(result):
        return f"First check {_IN_DOUBT}: as stated they disagree with the log. {told}"
    if told and any(line.key == _CLOSED for line in result.quality):
        return f"{told} It holds if new customers come as stated."
    return told


def in_doubt(result: RunResult) -> bool:
    """Whether visitors and conversions make other numbers of new customers than the log brings."""
    return any(line.key == _MORE_THAN_SEEN and line.level == "warning" for line in result.quality)


def _which_lever(result: RunResult) -> str:
    levers = display.levers(result)
    if not levers:
        return ""
    table = display.decisive(result)
    if _made_up(levers):
        none = " As they stand, none pays." * all(table[s.name].best.delta_mean <= 0 for s in levers if s.name in table)
        made_up = "Every effect here is made up or assumed: put in your own numbers before you decide"
        return f"{made_up} (clvsim new NAME).{none}"
    own, best = [s for s in levers if not s.illustrative], best_choice(result)
    if best == display.baseline(result):
        ifs = [s for s in own if s.is_what_if and s.name in table and table[s.name].best.delta_mean > 0]
        if not ifs:
            return "Carry on as today: none of these levers is expected to pay."
        return f"Test “{_largest(result, ifs).title}” before you build it: it pays only if what is stated happens."
    figure = table[best.name]
    if result.no_data:
        tested = "" if own_evidence(best) in BACKED else " It is not tested: test it before you build."
        return f"If the business is as stated, “{best.title}” comes first.{tested}"
    if best.evidence not in BACKED:
        return f"Test “{best.title}” before you build it: it comes first if what is stated is right."
    if math.isnan(figure.best.p_better):
        return f"The best bet is “{best.title}”."
    if figure.best.delta_p05 > 0:
        return f"Do “{best.title}” first."
    return f"The best bet is “{best.title}”: on average it pays, but it need not. {_test_or_start(result, best)}"


def _made_up(levers: Sequence[ScenarioDescription]) -> bool:
    """Whether there are levers, and the effects of all are examples."""
    return bool(levers) and all(s.illustrative for s in levers)


def may_be_tested(result: RunResult) -> bool:
    """Whether a lever is worth choosing and not proven, so that `ask=test` has an answer of use."""
    best = best_choice(result)
    figure = display.decisive(result).get(best.name)
    return best != display.baseline(result) and figure is not None and not figure.best.delta_p05 > 0


def _test_or_start(result: RunResult, chosen: ScenarioDescription) -> str:
    """Whether a test can be worth its cost, which what knowing for certain brings is the limit of."""
    known = regret(result, chosen)
    if not known:
        return "Start it on a part of your customers and look."
    further = " further" * (own_evidence(chosen) == "experiment")
    return f"If a test costs less than {known}, test it{further} first; if not, start it."


def regret(result: RunResult, chosen: ScenarioDescription) -> str:
    """What the choice loses on average against the best of today and the levers that have a chance, known only
    afterwards, which no test can bring more than; made-up effects are no alternative. "" without a contest, or where
    it cannot be told from nothing."""
    table, draws = display.decisive(result), result.delta_draws
    options = [s for s in _able(result) if s.name in draws]
    if not options or chosen.name not in table:
        return ""
    values = np.array([np.zeros_like(draws[options[0].name]), *(draws[s.name] for s in options)])
    own = draws[chosen.name] if chosen in options else 0.0
    loss, row = float((values.max(axis=0) - own).mean()), table[chosen.name].best
    if not math.isfinite(loss) or loss <= 0 or loss < TOLD * row.expected_loss_mcse:
        return ""
    mcse = max((f.best.delta_mcse for f in table.values() if f.best.delta_mcse >= 0), default=0.0)
    unit = display.wording(result, display.decision_metric(result)).unit
    words = display.loss_in_words(unit, loss, mcse, result.currency, short=False)
    return words.removeprefix("less than ") if words.startswith("less") else f"about {words}"


# --- how sure ---------------------------------------------------------------------------------------------------------


def how_sure(result: RunResult) -> list[str]:
    """How sure it is that the choice pays, which lever is surer, and what would help most to know."""
    best = best_choice(result)
    chance = _chance(result, best)
    return [chance] if chance == _TOO_FEW else list(filter(None, [chance, worth_knowing(result, best)]))


def _chance(result: RunResult, best: ScenarioDescription) -> str:
    """How sure it is that the choice pays; "" of carrying on as today."""
    if best == display.baseline(result):
        nothing = "Of levers nothing is sure: their effects are made up. What follows is about your customers."
        return nothing * _made_up(display.levers(result))
    row = display.decisive(result)[best.name].best
    if math.isnan(row.p_better):
        return _TOO_FEW
    if result.no_data or best.evidence not in BACKED:
        return "What is stated was not tested, so no chance is given."
    sure = fmt.sure(row.p_better, row.p_better_mcse)
    we = "If what you stated holds, we" if in_doubt(result) else "We"
    pays = "pays" if result.margin_known else "brings more"
    return f"{we} are {sure} sure that “{best.title}” {pays}{_surer(result)}."


def _surer(result: RunResult) -> str:
    """The lever that pays with more certainty than the one of the largest mean, if there is one."""
    table = display.decisive(result)
    surest, chosen = max(_able(result), key=lambda s: table[s.name].best.p_better), best_choice(result)
    more, own = table[surest.name].best, table[chosen.name].best
    if not more.p_better >= own.p_better + _SURER:
        return ""
    return f", and {fmt.sure(more.p_better, more.p_better_mcse)} that “{surest.title}” does, which brings less"


def worth_knowing(result: RunResult, chosen: ScenarioDescription) -> str:
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
    return f"What would help most to know: {_what_it_rests_on(best)}."


def _what_it_rests_on(scenario: ScenarioDescription) -> str:
    drivers = [a for a in scenario.assumptions if a.drives]
    labels = {a.label.partition(":")[0] for a in drivers}
    if len(labels) == 1 and (label := labels.pop()):
        return f"the {label[0].lower()}{label[1:]} with “{scenario.title}”"
    return f"what “{scenario.title}” really brings"


def _largest(result: RunResult, scenarios: Sequence[ScenarioDescription]) -> ScenarioDescription:
    table = display.decisive(result)
    return max(scenarios, key=lambda s: table[s.name].best.delta_mean)


# --- what could go wrong ----------------------------------------------------------------------------------------------


def could_go_wrong(result: RunResult) -> list[str]:
    """Which newcomers were stated and not seen; what bad futures bring, of the chosen lever and as things are."""
    return list(filter(None, [_stated_newcomers(result), _lever_loses(result), worst(result), _unchecked(result)]))


def _lever_loses(result: RunResult) -> str:
    best = best_choice(result)
    figure = display.decisive(result).get(best.name)
    if best == display.baseline(result) or figure is None or not figure.may.delta_p05 < 0:
        return ""
    loss = display.number_text(result, figure, -figure.may.delta_p05)
    return f"In 1 of 20 futures “{best.title}” loses {loss} or more."


def worst(result: RunResult) -> str:
    """The mean of the worst tenth of futures, in a sentence; "" where it was not kept."""
    kept = result.sheet
    if kept is None or not np.isfinite(kept.worst_tenth):
        return ""
    figure = display.figures(result).get((display.baseline(result).name, kept.metric))
    about = (kept.worst_tenth,) if figure is None else (kept.worst_tenth, figure.may.p05, figure.may.p95)
    error = math.nan if figure is None else display.larger(figure.best.mean_mcse, figure.may.mean_mcse)
    amount = fmt.money(kept.worst_tenth, fmt.last_place(about, error), result.currency)
    who = "today’s customers bring" if result.customers else "those who come bring"
    return f"In the worst tenth of futures {who} {amount} on average."


def _stated_newcomers(result: RunResult) -> str:
    """How many new customers were stated, where the log brought others."""
    line = next((one for one in result.quality if one.key in STATED and one.level == "warning"), None)
    if line is None:
        return ""
    note = f": {line.note}" if line.key == _CLOSED and line.note else ""
    return f"{line.label.replace('You stated', 'The visitors and conversions stated make')}; {line.value}{note}."


def _unchecked(result: RunResult) -> str:
    return "" if result.tracking.holdout or result.no_data else "The model was not checked on orders held back."
