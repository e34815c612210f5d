"""What it costs to be wrong about which lever to pull: the expected value of perfect information."""

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.errors import ConfigError
from clvsim.questions.answer import Answer, Finished, Text, between, money
from clvsim.questions.contest import Contest, contest
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a lever that has a chance, or with too few worlds for one."""
    if settings.lever is not None:
        raise ConfigError([("lever", "evpi compares all levers of the run; leave it out")])
    found = contest(run, "evpi", choosing=True)
    loss, mcse = least_loss(run, found)
    value = decision.evpi(found.values, mcse)
    shares, losses = decision.p_best(found.values), decision.expected_loss(found.values)
    low, high = np.quantile(found.values, [0.05, 0.95], axis=0)
    rows = [
        (
            title,
            money(run, mean, mcse, signed=True) if number else "–",
            between(run, low[number], high[number], mcse) if number else "–",
            fmt.share(shares[number]),
            money(run, losses[number], mcse),
        )
        for number, (title, mean) in enumerate(zip(found.titles, found.values.mean(axis=0), strict=True))
    ]
    table = pd.DataFrame(
        {
            "option": found.names,
            "delta_mean": found.values.mean(axis=0),
            "delta_p05": low,
            "delta_p95": high,
            "p_best": shares,
            "expected_loss": losses,
            "evpi": loss,
            "evpi_mcse": mcse,
        }
    )
    spans = [Span(*row) for row in zip(found.titles, low, found.values.mean(axis=0), high, strict=True)][1:]
    return Answer(
        sentences=sentences(run, found, value),
        text=Text(("", found.label, "90 % on average", "best in", "regret if wrong"), tuple(rows)),
        table=table,
        picture=Ranges(tuple(spans), f"{found.label}; bar: 90 % interval on average", currency=run.currency),
        notes=(
            "Regret if wrong: what choosing this option gives away, on average, against whichever option is best in "
            "each draw of what is not known. The least of these is the expected value of perfect information.",
            found.layers,
            *left_out(run, found),
        ),
    )


def left_out(run: Finished, found: Contest) -> tuple[str, ...]:
    """A note on examples, whose effects are made up and which nobody chooses."""
    examples = [f"“{one.title}”" for one in run.levers if one.illustrative and one.name not in found.names]
    return (f"Left out, as examples: {', '.join(examples)}.",) if examples else ()


def least_loss(run: Finished, found: Contest) -> tuple[float, float]:
    """The least expected loss, and the Monte Carlo error that the run's comparison has of that option's."""
    losses = decision.expected_loss(found.values)
    best, table = int(losses.argmin()), run.result.comparison
    rows = table[(table["metric"] == run.draws.decided) & (table["basis"] == "expected")].set_index("scenario")
    return float(losses[best]), float(rows.loc[found.names[best], "expected_loss_mcse"])


def sentences(run: Finished, found: Contest, value: decision.InformationValue) -> tuple[str, ...]:
    best = found.titles[value.best]
    choice = "Carry on as today" if value.best == 0 else f"Choose “{best}”".replace(" (an example)”", "” (an example)")
    if value.estimate == 0:
        return (f"{choice}: it is the best in every draw, so nothing that could be learned would change it.",)
    if value.value is None:
        return (
            f"{choice}: what being wrong costs cannot be told from chance here (about {money(run, value.estimate)}, "
            f"with an error of {money(run, value.mcse)}): no study of these numbers is worth more than a little.",
        )
    return (
        f"{choice} if you must choose now. Being wrong about it costs {money(run, value.estimate, value.mcse)} on "
        "average: no test, study or expert is worth more than that, however much it tells.",
    )
