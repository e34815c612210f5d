"""Where numbers come from, in words: four kinds of evidence, the question that each answers, and warnings."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.scenario import NEEDS_MARGIN
from clvsim.types import Assumption, RunResult, ScenarioDescription

EXAMPLE = "example"  # of a scenario that was shipped as one
WORDS: Mapping[str, str] = {
    "log": "learnt from the log",
    "experiment": "experiment",
    "judgement": "judgement with a source",
    "stated": "stated",
}
_QUESTIONS: Mapping[str, str] = {
    "experiment": "A test was run; what is asked is what its result says of the true effect.",
    "judgement": "Nothing was tested; what is asked is what follows if the judgement holds, its own doubt included.",
    "stated": "Nothing was tested, and no source is given; what is asked is what follows if the number is right.",
}
_MOST_PREMISES = 2


def of(assumption: Assumption) -> str:
    """The kind of evidence of one number."""
    return "log" if assumption.kind == "learned" else assumption.evidence


def as_stated(scenario: ScenarioDescription) -> ScenarioDescription:
    """A lever of a business that is stated: whatever is known of the lever, what it brings rests on stated numbers."""
    return replace(scenario, evidence="stated") if scenario.interventions else scenario


def beside(scenario: ScenarioDescription) -> str:
    """The evidence that stands beside a lever: the weakest of the numbers on which it rests what the lever brings."""
    return WORDS.get(scenario.evidence, "")


def question(scenario: ScenarioDescription) -> str:
    """The question that a scenario answers, given its evidence; "" for one that rests on no number."""
    if scenario.evidence == "stated" and any(of(a) != "stated" for a in scenario.assumptions if a.drives):
        return "Part of it rests on numbers without a source; what is asked is what follows if all are right."
    return _QUESTIONS.get(scenario.evidence, "")


def premise(result: RunResult, scenario: ScenarioDescription) -> str:
    """The stated numbers that a scenario rests on, as what comes after "If"; those of a stated business first."""
    of_business = ["the business is as stated"] if result.no_data else []
    stated = [a for a in scenario.assumptions if a.drives and of(a) == "stated"]
    phrases = [_phrase(result, a) for a in stated[:_MOST_PREMISES]]
    if len(stated) > _MOST_PREMISES:
        more = len(stated) - _MOST_PREMISES
        phrases.append("one more number is as stated" if more == 1 else f"{more} more numbers are as stated")
    if not phrases:
        return " and ".join(of_business)
    return f"{' and '.join([*of_business, *phrases])} (stated, not tested)"


def _phrase(result: RunResult, assumption: Assumption) -> str:
    if assumption.label == "Change of the conversion":
        return _conversion(result, assumption.mean)
    about = "" if assumption.p05 == assumption.p95 else "about "
    label = assumption.label.partition(":")[0]
    return f"the {label[0].lower()}{label[1:]} is {about}{display.assumption_cell(result, assumption).value}"


def _conversion(result: RunResult, change: float) -> str:
    """With one channel the conversion before and after a relative change of its odds, else the change."""
    verb = "falls" if change < 0 else "rises"
    paths = [a for a in result.assumptions if a.path.startswith("acquisition.") and a.path.endswith(".conversion")]
    if len(paths) != 1:
        return f"conversion {verb} by {fmt.percent(abs(change))}"
    before = paths[0].mean
    after = before * (1 + change) / (1 + before * change)
    place = min(fmt.last_place((after - before,), digits=1), fmt.last_place((before,), digits=2))
    low = fmt.number(100 * before, place + 2)
    return f"conversion {verb} from {low} to {fmt.percent(after, place)}"


def parts_left_out(scenarios: Sequence[ScenarioDescription]) -> tuple[str, ...]:
    """A sentence for each scenario that applies, but not with all of its interventions; costs that wait for a margin
    are said elsewhere."""
    sentences = []
    for scenario in scenarios:
        reasons = [reason for reason in scenario.left_out if reason != NEEDS_MARGIN]
        if reasons:
            why = "; ".join(dict.fromkeys(reasons))
            sentences.append(
                f"“{scenario.title}” is shown without {len(reasons)} of its interventions, which "
                f"{'does' if len(reasons) == 1 else 'do'} nothing here: {why}"
            )
    return tuple(sentences)


def warnings(scenarios: Sequence[ScenarioDescription]) -> tuple[str, ...]:
    """A sentence for each scenario that rests on nothing but stated numbers, on what was done instead.

    Those that their files call examples say so already.
    """
    sentences = []
    for scenario in scenarios:
        if scenario.illustrative and not scenario.default:
            continue
        drivers = [a for a in scenario.assumptions if a.drives]
        labels = ", ".join(dict.fromkeys(a.label.partition(":")[0].lower() for a in drivers))
        if scenario.default:
            default = scenario.default.partition(":")[0].lower()
            sentences.append(
                f"“{scenario.title}” rests on a default that nobody measured ({default}): it counts as an example "
                "and leads no headline. State the number with a source, or give a test."
            )
        elif drivers and all(of(a) == "stated" for a in drivers):
            chance = " and gets no chance of being better" if scenario.is_what_if else ""
            sentences.append(
                f"“{scenario.title}” rests on stated numbers alone ({labels}): it is shown as what follows if they are "
                f"right{chance}. Give the numbers a source, or a test: kind: experiment "
                "where docs/effects.md lets them be one."
            )
    return tuple(sentences)
