"""Whom a lever should reach: everybody of today, or the best by what they are expected to bring."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.comparison.points import Swept
from clvsim.questions.answer import Answer, Finished, Text, between, money
from clvsim.questions.contest import average_note, difference_label
from clvsim.questions.costs import costs_of
from clvsim.report import format as fmt
from clvsim.report.pictures import Ranges, Span


class Targeted(NamedTuple):
    """A lever's differences when it reaches shares of today's customers, the best first, the last all of them."""

    lever: str
    shares: tuple[float, ...]
    swept: Swept
    customers: int


def answer(run: Finished, found: Targeted) -> Answer:
    ranked = decision.rank(list(found.swept.expected), found.swept.effective)
    values = np.column_stack([one.values for one in found.swept.expected])
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    names = ["nobody", *map(in_words, found.shares)]
    means = np.append(0.0, values.mean(axis=0))
    mcse = float(np.nanmax(ranked.loss_mcse))
    everybody = found.swept.expected[-1]
    rows, records = [], []
    for number, name in enumerate(names):
        against = np.full_like(everybody.values, np.nan)
        if 0 < number < len(names) - 1:
            against = values[:, number - 1] - everybody.values
        people = found.customers * (found.shares[number - 1] if number else 0.0)
        better = decision.p_better(against).value if np.isfinite(against).all() else np.nan
        rows.append(
            (
                name,
                fmt.number(people, 0) if number else "–",
                money(run, means[number], mcse, signed=True) if number else "–",
                between(run, low[number - 1], high[number - 1], mcse) if number else "–",
                "–" if np.isnan(better) else fmt.share(better),
                money(run, ranked.loss[number], mcse),
            )
        )
        records.append(
            {
                "share": found.shares[number - 1] if number else 0.0,
                "customers": people,
                "delta_mean": means[number],
                "delta_p05": low[number - 1] if number else np.nan,
                "delta_p95": high[number - 1] if number else np.nan,
                "against_everybody": against.mean(),
                "p_better_than_everybody": better,
                "regret": ranked.loss[number],
                "regret_mcse": ranked.loss_mcse[number],
            }
        )
    best, fixed = int(ranked.loss.argmin()), fixed_costs(run, found.lever)
    spans = tuple(Span(name, *row) for name, row in zip(names[1:], zip(low, means[1:], high, strict=True), strict=True))
    return Answer(
        sentences=(*sentences(run, found, names, best, ranked), *_not_earned(run, float(means[best]), fixed, mcse)),
        text=Text(
            ("", "people", difference_label(run), "90 % on average", "better than everybody", "regret if wrong"),
            tuple(rows),
        ),
        table=pd.DataFrame(records).assign(lever=found.lever),
        picture=Ranges(spans, f"{difference_label(run)}; bar: 90 % on average", currency=run.currency),
        notes=(
            "The best: by what each customer is expected to bring as things are today. What the lever does is the "
            "same for all of them, because nothing here has seen it differ.",
            "Newcomers are not reached in any row. Everything is simulated on the same people and events.",
            *_fixed_note(run, fixed),
            average_note(run),
        ),
    )


def fixed_costs(run: Finished, lever: str) -> float:
    """What a lever costs once or by the month, discounted, on average."""
    return float(sum(cost.amount.mean() for cost in costs_of(run.draws, lever) if cost.account == "cost_fixed"))


def _not_earned(run: Finished, gain: float, fixed: float, mcse: float) -> tuple[str, ...]:
    """Where nobody else could earn what a lever costs whoever is reached."""
    if not 0 < gain < fixed or run.result.acquisition_known:
        return ()
    return (
        f"But its {money(run, fixed)} of costs once or by the month is more than these bring, "
        f"{money(run, gain, mcse)}: leave it.",
    )


def _fixed_note(run: Finished, fixed: float) -> tuple[str, ...]:
    if not fixed > 0:
        return ()
    others = "; new customers have to earn it, too" if run.result.acquisition_known else ""
    return (f"What the lever costs once or by the month, {money(run, fixed)}, is in no row{others}.",)


def in_words(share: float) -> str:
    return f"the best {100 * share:g} %" if share < 1 else "everybody of today"


def sentences(run: Finished, found: Targeted, names: list[str], best: int, ranked: decision.Ranking) -> tuple[str, ...]:
    lever = run.scenario(found.lever)
    title = f"“{lever.title}”" + (" (an example)" if lever.illustrative else "")
    everybody = len(names) - 1
    loss, error = float(ranked.loss[everybody]), float(ranked.loss_mcse[everybody])
    if best == 0:
        return (
            f"{title}: treat nobody, as far as is known: none of these groups is expected to bring back what it costs.",
            f"Stopping wrongly would cost {money(run, float(ranked.loss[0]), float(ranked.loss_mcse[0]))} on average.",
        )
    if best == everybody:
        return (f"{title}: treat everybody of today; leaving people out gives something away.",)
    less = float(ranked.loss[everybody] - ranked.loss[best])
    sure = fmt.sure(float((found.swept.expected[best - 1].values > found.swept.expected[-1].values).mean()))
    if less < 2 * error or loss == 0:
        return (
            f"{title}: treating {names[best]} or everybody comes to the same within chance; take the smaller group.",
        )
    return (
        f"{title}: treat {names[best]}, not everybody: that is worth {money(run, less, error)} more on average, with "
        f"{sure} certainty.",
    )
