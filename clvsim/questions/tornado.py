"""Which numbers make the result uncertain: shares of uncertainty, and how far each moves the result."""

import pandas as pd

from clvsim.decision.shares import shares_of_uncertainty
from clvsim.errors import ConfigError
from clvsim.questions.answer import Answer, Finished, Text, between, money
from clvsim.questions.blocks import blocks
from clvsim.questions.contest import difference_label
from clvsim.questions.settings import Settings
from clvsim.report import display
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span
from clvsim.scenario import BASELINE

FEWEST_DRAWS = 50
_LEAST = 0.01  # share that is shown


def answer(run: Finished, settings: Settings) -> Answer:
    """Of the plan as it is today, or of a lever's difference. Raises ConfigError with fewer than 50 draws."""
    name = settings.lever or BASELINE
    described, draws = run.scenario(name), run.draws
    if draws.delta.shape[1] < FEWEST_DRAWS:
        got = draws.delta.shape[1]
        raise ConfigError([("ask", f"tornado needs {FEWEST_DRAWS} draws, and this run has {got}: simulation.draws")])
    change = draws.change(name)
    values = draws.level(draws.decided, BASELINE) if name == BASELINE else change.values
    noise = None if name == BASELINE else change.noise
    able = blocks(run, name)
    found = shares_of_uncertainty(values, {b.label: b.columns for b in able}, noise, draws.effective)
    kept = [(label, share) for label, share in found.blocks.items() if share.share >= _LEAST]
    label = display.wording(run.result, draws.decided).label if name == BASELINE else difference_label(run)
    rows = tuple((title, fmt.share(one.share, one.mcse), between(run, one.low, one.high)) for title, one in kept)
    table = pd.DataFrame([{"block": title, **one._asdict()} for title, one in found.blocks.items()])
    spans = tuple(Span(title, one.low, float("nan"), one.high) for title, one in kept)
    mean = float(values.mean())
    whose = "the plan as it is today" if name == BASELINE else f"“{described.title}”"
    return Answer(
        sentences=_sentences(whose, kept, overlap=found.overlap),
        text=Text(("", "share", f"{label}, 5 to 95 %"), rows),
        table=table.assign(mean=mean, scenario=name),
        picture=Ranges(
            spans,
            f"{label}: its mean while one number goes from its 5 to its 95 % end",
            currency=run.currency,
            marks=((mean, f"mean {money(run, mean)}"),),
        )
        if spans
        else None,
        notes=(
            "Share: of the variance of what is expected on average, explained by this number alone. The luck of single "
            "customers and shocks of the months ahead come on top; nothing that can be learned takes them away.",
        ),
    )


def _sentences(whose: str, kept: list, *, overlap: bool) -> tuple[str, ...]:
    if not kept:
        return (f"Nothing that is uncertain here moves {whose} by more than chance.",)
    (first, share), *rest = kept
    found = [f"Most of what is not known about {whose} is “{first}”: {fmt.sure(share.share, share.mcse)} of it."]
    if share.share < 0.5:
        found = [
            f"No single number decides about {whose}. The largest is “{first}”: {fmt.sure(share.share, share.mcse)}."
        ]
    if rest:
        found.append(f"Then “{rest[0][0]}” with {fmt.sure(rest[0][1].share, rest[0][1].mcse)}.")
    if overlap:
        found.append("Some of these go together, so that the shares overlap and do not add up.")
    return tuple(found)
