"""What a test of a size is worth: the expected value of sample information."""

import numpy as np
import pandas as pd

from clvsim.decision.information import SampleInformation, evsi
from clvsim.errors import ConfigError
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.contest import contest
from clvsim.questions.measured import Measured, measured
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.pictures import Curves, Line
from clvsim.types import ScenarioDescription

_SIZES = (0.1, 0.3, 1.0, 3.0, 10.0)  # times the sample that the present doubt is worth


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a lever that has a chance and of which a split test shows something."""
    options = contest(run, "evsi", settings.lever)
    found: list[tuple[ScenarioDescription, Measured, SampleInformation]] = []
    for number, name in enumerate(options.names[1:], start=1):
        lever = run.scenario(name)
        what = measured(run, lever, settings)
        if what is None:
            continue
        sizes = sizes_of(what, settings)
        values, noise = options.values[:, [0, number]], options.noise[:, [0, number]]
        found.append((lever, what, evsi(values, what.delta, sizes, what.prior, noise, run.draws.effective)))
    if not found:
        what = "evsi needs a lever of which a split test shows something: a conversion, a share who take, an order rate"
        raise ConfigError([("ask", what)])
    rows, records = [], []
    for lever, what, one in found:
        limit = one.limit.estimate
        for size, value, estimate, mcse in zip(one.per_arm, one.value, one.estimate, one.mcse, strict=True):
            shown = "not seen" if np.isnan(value) else money(run, value, mcse)
            share = fmt.share(min(estimate / limit, 1.0)) if limit > 0 and not np.isnan(value) else "–"
            rows.append((lever.title, f"2 × {fmt.number(size, 0)}", what.counted, shown, share))
            records.append(
                {
                    "scenario": lever.name,
                    "measures": what.label,
                    "in": what.counted,
                    "per_arm": size,
                    "evsi": value,
                    "estimate": estimate,
                    "mcse": mcse,
                    "evppi": limit,
                    "prior_size": what.prior,
                }
            )
    return Answer(
        sentences=tuple(_sentence(run, *one) for one in found),
        text=Text(("", "size", "in", "worth", "of knowing it exactly"), tuple(rows)),
        table=pd.DataFrame(records),
        picture=_picture(run, found[0]) if not settings.per_arm else None,
        notes=(
            "Worth: how much better the choice between the lever and today is on average with the test than without. "
            "What it costs is not taken off: ask=test does that.",
            "“Not seen”: less than three times its Monte Carlo error. No test is larger than there are people.",
        ),
    )


def sizes_of(what: Measured, settings: Settings) -> np.ndarray:
    """The size that is asked about, or some around what the present doubt is worth, no larger than there are people."""
    most = max(what.population.most_per_arm, 1.0)
    if settings.per_arm:
        return np.array([min(float(settings.per_arm), np.floor(most))])
    return np.unique([min(round_size(times * what.prior), np.floor(most)) for times in _SIZES])


def round_size(size: float) -> float:
    """To two digits, at least 1."""
    return max(1.0, float(f"{size:.1e}"))


def _sentence(run: Finished, lever: ScenarioDescription, what: Measured, one: SampleInformation) -> str:
    example = " (an example: its doubt is ours, not yours)" if lever.illustrative else ""
    if not one.limit.estimate > 0 or one.limit.value is None:
        return f"“{lever.title}”{example}: no test of it changes the choice by more than chance shows here."
    prior = fmt.number(round_size(what.prior), 0)
    return (
        f"“{lever.title}”{example}: to know the {what.label.lower()} exactly is worth "
        f"{money(run, one.limit.estimate, one.limit.mcse)}; what is known of it now is worth a test of 2 × {prior} "
        f"{what.counted}."
    )


def _picture(run: Finished, one: tuple[ScenarioDescription, Measured, SampleInformation]) -> Curves:
    lever, what, found = one
    lines = (
        Line(lever.title, found.estimate, found.estimate - 1.645 * found.mcse, found.estimate + 1.645 * found.mcse),
        Line("known exactly", np.full_like(found.estimate, found.limit.estimate)),
    )
    across = f"{what.counted[0].upper()}{what.counted[1:]} in each arm; band: 90 % of Monte Carlo error"
    return Curves(found.per_arm, lines, across, "Worth of the test", run.currency, logarithmic=True)
