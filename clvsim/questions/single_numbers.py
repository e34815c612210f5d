"""Which number is most worth knowing: the expected value of knowing one block of them before choosing."""

import pandas as pd
from joblib import Parallel, delayed

from clvsim.decision import evpi
from clvsim.decision.information import PartialInformation, evppi
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.blocks import Block, blocks
from clvsim.questions.contest import Contest, contest
from clvsim.questions.measured import measured
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a lever that has a chance, or with too few worlds for one."""
    found = contest(run, "evppi", settings.lever, choosing=True)
    ess = run.draws.effective
    able = [block for block in blocks(run, settings.lever) if not block.scenario or block.scenario in found.names]
    known = Parallel(run.config.simulation.jobs, backend="threading")(
        delayed(_knowing)(found, one, ess) for one in able
    )
    worth = list(zip(able, known, strict=True))
    worth.sort(key=lambda pair: -(pair[1].value or 0.0))
    all_of_it = evpi(found.values).estimate
    rows = tuple((block.label, _worth(run, one), block.evidence) for block, one in worth if one.value != 0)
    nothing = len(worth) - len(rows)
    table = pd.DataFrame(
        {
            "number": [block.label for block, _ in worth],
            "path": [block.path for block, _ in worth],
            "evppi": [float("nan") if one.value is None else one.value for _, one in worth],
            "estimate": [one.estimate for _, one in worth],
            "mcse": [one.mcse for _, one in worth],
            "evpi": all_of_it,
        }
    )
    shown = [(block, one) for block, one in worth if one.value]
    spans = tuple(Span(block.label, 0.0, one.estimate, one.estimate) for block, one in shown)
    return Answer(
        sentences=sentences(run, shown, all_of_it, settings),
        text=Text(("", "worth knowing", "rests on now"), rows),
        table=table,
        picture=Ranges(spans, "What it is worth to know a number exactly before choosing", currency=run.currency)
        if spans
        else None,
        notes=(
            "Worth knowing: how much better the choice would be on average if this number were known exactly (the "
            "expected value of partial perfect information). A study of it is worth less. The figures do not add up.",
            "“Not seen”: less than three times its Monte Carlo error."
            + (f" {nothing} more numbers would change no choice." if nothing > 1 else ""),
        ),
    )


def _knowing(found: Contest, block: Block, ess: float) -> PartialInformation:
    """The EVPPI; without its error, which takes long, where it is 0."""
    quick = evppi(found.values, block.columns, found.noise, ess, errors=False)
    return quick if quick.estimate == 0 else evppi(found.values, block.columns, found.noise, ess)


def _worth(run: Finished, one: PartialInformation) -> str:
    if one.value is None:
        return "not seen"
    return money(run, one.value, one.mcse) if one.value else "nothing"


def sentences(
    run: Finished, shown: list[tuple[Block, PartialInformation]], all_of_it: float, settings: Settings
) -> tuple[str, ...]:
    if not shown:
        return (
            "No single number would change the choice by more than chance shows here: decide, and learn as you go.",
        )
    block, one = shown[0]
    first = (
        f"Most worth knowing is “{block.label}”: known exactly before you choose, it would be worth "
        f"{money(run, one.estimate, one.mcse)} on average, of the {money(run, all_of_it, one.mcse)} that knowing "
        "everything would."
    )
    what = measured(run, run.scenario(block.scenario), settings) if block.scenario else None
    if what is not None and block.label.endswith(what.label[1:]):
        second = "That is a number that a test can show: ask=test says how large, and whether it pays."
    elif block.scenario:
        second = "No split test of weeks shows that; a group that is left out for months does."
    elif block.path:
        second = "State it with a source, or count it: the doubt that is stated of it costs that much."
    else:
        second = "No test shows that: more months of orders do."
    rest = f" Next: {', '.join(f'“{other.label}”' for other, _ in shown[1:3])}." if len(shown) > 1 else ""
    return (first, second + rest.replace(fmt.NBSP, " "))
