"""Which lever to ship, to test, to forget: how large a test, how long, and whether it pays."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from clvsim.decision.information import evsi
from clvsim.decision.split_tests import Costs, SplitTest, net_benefit, once_built, plan_split_test
from clvsim.interventions.cost import CostIntervention
from clvsim.questions.answer import Answer, Finished, Text, money
from clvsim.questions.contest import Contest, contest
from clvsim.questions.costs import costs_of
from clvsim.questions.measured import Measured, measured
from clvsim.questions.settings import Settings
from clvsim.report import format as fmt
from clvsim.report.pictures import Curves, Line
from clvsim.types import DAYS_PER_MONTH, ScenarioDescription

_POINTS = 25


class Verdict(NamedTuple):
    """`found` None where nothing of a lever can be seen in a split test; `mean`: its difference on average."""

    lever: ScenarioDescription
    mean: float
    what: Measured | None
    found: SplitTest | None


def answer(run: Finished, settings: Settings) -> Answer:
    """Raises ConfigError without a lever that has a chance, and for figures that are not money."""
    run.require_money("test")
    options = contest(run, "test", settings.lever)
    verdicts = Parallel(run.config.simulation.jobs, backend="threading")(  # each lever against today
        delayed(_verdict)(run, options, number, settings) for number in range(1, len(options.names))
    )
    rows = tuple(_row(run, one) for one in verdicts)
    tested = next((one for one in verdicts if one.what and one.found and one.found.verdict == "test"), None)
    return Answer(
        sentences=tuple(_sentence(run, one) for one in verdicts),
        text=Text(("", "verdict", "per arm", "lasts", "worth", "costs"), rows),
        table=pd.DataFrame([_record(one) for one in verdicts]),
        picture=_picture(run, options, tested, settings) if tested else None,
        notes=(
            "Worth: how much better the choice between the lever and today is on average with the test than without "
            "(the expected value of sample information). Costs: what the worse arm gives away while it runs, the wait, "
            "test_cost, and what has to be built first, which is spent also if the test then says no. Each lever by "
            "itself, over the whole plan.",
            "A test shows what it measures: effects that come later, and whatever cannot be seen in it, stay as "
            "uncertain as they are. Of an offer the share who take it; of messages, orders within watched_months.",
        ),
    )


def _verdict(run: Finished, options: Contest, number: int, settings: Settings) -> Verdict:
    lever = run.scenario(options.names[number])
    what = measured(run, lever, settings)
    mean = float(options.values[:, number].mean())
    if what is None:
        return Verdict(lever, mean, None, None)
    ess, (values, noise, built) = run.draws.effective, _once_built(run, options, lever)

    def worth(sizes: np.ndarray) -> np.ndarray:
        return evsi(values, what.delta, sizes, what.prior, noise, ess, errors=False).estimate

    def error(size: float) -> float:
        return float(evsi(values, what.delta, size, what.prior, noise, ess).mcse[0])

    found = plan_split_test(worth, (0.0, mean), what.population, Costs(settings.test_cost), error, built=built)
    return Verdict(lever, mean, what, found)


def _once_built(run: Finished, options: Contest, lever: ScenarioDescription) -> tuple[np.ndarray, np.ndarray, float]:
    """Today less what the lever costs first, and the lever: values and noise, (draw, 2), and that cost."""
    both, built = [0, options.names.index(lever.name)], built_first(run, lever)
    return options.values[:, both] - [built, 0.0], options.noise[:, both], built


def built_first(run: Finished, lever: ScenarioDescription) -> float:
    """What a lever costs once, discounted: it is paid before anybody can be shown it, and gone if the test says no."""
    once = {
        f"cost_fixed/{name}"
        for name, one in run.config.library[lever.name].interventions.items()
        if isinstance(one, CostIntervention) and one.per == "once"
    }
    costs = [cost.amount.mean() for cost in costs_of(run.draws, lever.name) if f"{cost.account}/{cost.cause}" in once]
    return float(sum(costs))


def _days(found: SplitTest) -> str:
    return f"{fmt.number(np.ceil(found.months * DAYS_PER_MONTH), 0)} days"


def _per_arm(found: SplitTest) -> str:
    size = float(found.parts.per_arm[0]) if found.parts else 0.0
    return fmt.number(size, max(0, fmt.last_place((size,), digits=2)))


def _sentence(run: Finished, one: Verdict) -> str:
    name = f"“{one.lever.title}”"
    example = " It is an example: its doubt is ours, not yours." if one.lever.illustrative else ""
    if one.found is None or one.what is None:
        do = "ship it" if one.mean > 0 else "forget it"
        why = "nothing that it rests on can be seen in a split test of this kind"
        return f"{name}: {do}, by its mean; {why}.{example}"
    found = one.found
    if found.verdict == "test" and found.parts is not None:
        net = money(run, float(found.parts.net[0]), found.mcse)
        return (
            f"{name}: test it on 2 × {_per_arm(found)} {one.what.counted}, {_days(found)}, then decide: worth {net} "
            f"more than choosing now.{example}"
        )
    do = "ship it now" if found.verdict == "ship now" else "forget it"
    why = "no test pays: what it would show is worth less than it costs"
    if found.close:
        why = "whether a test pays is too close to tell from chance"
    if found.parts is None:
        why = "there is no time for a test"
    return f"{name}: {do}; {why}.{example}"


def _row(run: Finished, one: Verdict) -> tuple[str, ...]:
    if one.found is None or one.found.parts is None:
        return one.lever.title, "ship now" if one.mean > 0 else "forget it", "–", "–", "–", "–"
    parts = one.found.parts
    cost = float(parts.evsi[0] - parts.net[0])
    worth = money(run, float(parts.evsi[0]), one.found.mcse)
    if one.found.verdict != "test":
        return one.lever.title, one.found.verdict, "–", "–", "–", "–"
    return (
        one.lever.title,
        "test",
        f"2 × {_per_arm(one.found)}",
        _days(one.found),
        worth,
        money(run, cost, one.found.mcse),
    )


def _record(one: Verdict) -> dict:
    nan, parts = float("nan"), one.found.parts if one.found else None
    return {
        "scenario": one.lever.name,
        "verdict": one.found.verdict if one.found else ("ship now" if one.mean > 0 else "forget it"),
        "measures": one.what.label if one.what else "",
        "in": one.what.counted if one.what else "",
        "per_arm": float(parts.per_arm[0]) if parts else nan,
        "months": one.found.months if one.found else nan,
        "evsi": float(parts.evsi[0]) if parts else nan,
        "regret": float(parts.regret[0]) if parts else nan,
        "wait": float(parts.wait[0]) if parts else nan,
        "fixed": parts.fixed if parts else nan,
        "net": float(parts.net[0]) if parts else nan,
        "net_mcse": one.found.mcse if one.found else nan,
        "delta_mean": one.mean,
    }


def _picture(run: Finished, options: Contest, one: Verdict, settings: Settings) -> Curves | None:
    """Worth, and worth less cost, by size."""
    if one.what is None or one.found is None or one.found.parts is None:
        return None
    values, noise, built = _once_built(run, options, one.lever)
    best = float(one.found.parts.per_arm[0])
    sizes = np.geomspace(max(1.0, best / 100), max(2.0, one.what.population.most_per_arm), _POINTS)
    worth = evsi(values, one.what.delta, sizes, one.what.prior, noise, run.draws.effective, errors=False).estimate
    means, costs = once_built((0.0, one.mean), Costs(settings.test_cost), built)
    parts = net_benefit(sizes, worth, means, one.what.population, costs)
    lines = (Line("what the test is worth", worth), Line("less what it costs", parts.net))
    marks = ((best, f"2 × {_per_arm(one.found)}"),)
    across = f"{one.what.counted[0].upper()}{one.what.counted[1:]} in each arm"
    return Curves(sizes, lines, across, "Money over the plan", run.currency, marks, logarithmic=True)
