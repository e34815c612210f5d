"""The points of a sweep on shared worlds: what each brings per draw, how they rank, and the curve through them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from clvsim import decision
from clvsim.comparison.designs import Design, make_designs
from clvsim.comparison.expected import expected_delta, expected_values, per_draw
from clvsim.comparison.table import layers
from clvsim.decision import Expectation
from clvsim.decision.sweeps import Curve, Optimum, find_optimum, fit_curve
from clvsim.metrics import METRICS, Query
from clvsim.scenario import BASELINE, Scenario, reached
from clvsim.simulation.run import Simulation
from clvsim.simulation.worlds import ENOUGH_WORLDS
from clvsim.types import ScenarioDescription

FEWEST_FOR_A_CURVE = 5  # values of each key
TOLERATED_MISFIT = 0.01  # of the largest mean: less than anybody reads off a curve
MARK = "@"  # between a scenario's name and the number of its point, in names that nobody types


class Swept(NamedTuple):
    """What some points bring: differences to the baseline, or levels of the scenario that is looked at.

    `expected` by point. Of differences `raw` and `known` (n, points): simulated, and what of it is known given the
    draw; and what they are regressed on. `layers`: of uncertainty in an interval on average.
    """

    expected: tuple[Expectation, ...]
    raw: np.ndarray
    known: np.ndarray
    designs: tuple[Design, ...]
    per: np.ndarray | None
    descriptions: tuple[ScenarioDescription, ...]
    effective: float
    worlds: int
    layers: str

    def and_more(self, more: "Swept") -> "Swept":
        """With further points behind."""
        return self._replace(
            expected=self.expected + more.expected,
            raw=np.hstack([self.raw, more.raw]),
            known=np.hstack([self.known, more.known]),
            designs=self.designs + more.designs,
            descriptions=self.descriptions + more.descriptions,
            worlds=min(self.worlds, more.worlds),
        )


class Outcome(NamedTuple):
    """How the points of a sweep compare.

    `table`: a row per point, before them doing nothing where points are levers, with the columns of `COLUMNS`. `curve`
    and `optimum`: None where there is none, and then `no_curve` says why, "" where nobody expects one.
    """

    table: pd.DataFrame
    curve: Curve | None = None
    optimum: Optimum | None = None
    no_curve: str = ""


COLUMNS = (
    *("mean", "mean_mcse", "p05", "p95", "delta_mean", "delta_mcse", "delta_p05", "delta_p50", "delta_p95"),
    *("p_better", "p_better_mcse", "p_best", "p_best_mcse", "regret", "regret_mcse"),
)


def under_own_names(library: Mapping[str, Scenario], name: str, number: int) -> tuple[str, dict[str, Scenario]]:
    """A scenario and all that it combines as a point's own: its name there, and copies by name.

    Effects and events keep their keys, which are those of levers and of what their files hold: points differ by what
    is swept alone.
    """

    def own(name: str) -> str:
        return f"{name}{MARK}{number}"

    copies = {
        own(one): library[one].model_copy(update={"combine": tuple(map(own, library[one].combine))})
        for one in reached(name, library)
    }
    return own(name), copies


def differences(simulation: Simulation, names: Sequence[str], metric: str) -> Swept:
    """What scenarios that apply bring, against the baseline."""
    definition, base = METRICS[metric], simulation.scenarios[BASELINE]
    designs = make_designs(simulation)
    scenarios = [simulation.scenarios[name] for name in names]

    def columns(query: Query | None) -> np.ndarray:
        if query is None:
            return np.zeros((simulation.draws, len(names)))
        level = query(simulation, base)
        return np.column_stack([per_draw(simulation, query(simulation, one) - level) for one in scenarios])

    pairs = list(zip(names, scenarios, strict=True))
    return Swept(
        expected=tuple(expected_delta(simulation, definition, one, designs[name]) for name, one in pairs),
        raw=columns(definition.calm or definition.query),
        known=columns(definition.known),
        designs=tuple(designs[name] for name in names),
        per=definition.per(simulation) if definition.per else None,
        descriptions=tuple(one.compiled.description for one in scenarios),
        effective=simulation.effective_draws,
        worlds=simulation.worlds.key.size,
        layers=layers(simulation, "expected"),
    )


def level(simulation: Simulation, name: str, metric: str) -> Swept:
    """What a scenario brings, of one point of its own."""
    found = expected_values(simulation, METRICS[metric], make_designs(simulation), []).values[name]
    nothing = np.zeros((simulation.draws, 1))
    return Swept(
        expected=(found,),
        raw=nothing,
        known=nothing,
        designs=(),
        per=None,
        descriptions=(simulation.scenarios[name].compiled.description,),
        effective=simulation.effective_draws,
        worlds=simulation.worlds.key.size,
        layers=layers(simulation, "expected"),
    )


# --- levers: differences to the baseline, which doing nothing is -----------------------------------------------------


class Refitted:
    """Refits of a curve's weights (K, b, n), kept as long as the same signs are asked for."""

    def __init__(self, weights: Sequence[Expectation]) -> None:
        self.weights, self.signs, self.found = weights, np.empty(0), np.empty(0)

    def of(self, signs: np.ndarray) -> np.ndarray:
        if self.signs is not signs:
            self.signs, self.found = signs, np.stack([weight.refits(signs) for weight in self.weights])
        return self.found


@dataclass(frozen=True)
class OnCurve(Expectation):
    """A point of a curve: the sum of the functions' weights by `shares` (K,), whose refits are made once for all."""

    shares: np.ndarray = field(default_factory=lambda: np.empty(0))
    refitted: Refitted = field(default_factory=lambda: Refitted(()))

    def refits(self, signs: np.ndarray) -> np.ndarray:
        return np.einsum("kbn,k->bn", self.refitted.of(signs), self.shares)


def compare_levers(swept: Swept, axes: Sequence[Sequence[float]] | None, metric: str) -> Outcome:
    """Rank doing nothing and the points; with a curve through them where `axes`, the values of each key, are numbers
    and enough of them."""
    curve, no_curve = through(swept, axes, metric)
    expected = swept.expected
    if curve is not None and axes is not None:
        drawn = on_curve(curve, axes)
        expected = tuple(replace(one, sampled=own.sampled) for one, own in zip(drawn, expected, strict=True))
    optimum = find_optimum(curve, swept.effective) if curve else None
    return Outcome(_of_differences(swept, expected), curve, optimum, no_curve)


def through(swept: Swept, axes: Sequence[Sequence[float]] | None, metric: str) -> tuple[Curve | None, str]:
    """The curve through the points, or why there is none."""
    if axes is None:
        return None, "The values are no numbers, so nothing lies between them: they are ranked."
    if (fewest := min(map(len, axes))) < FEWEST_FOR_A_CURVE:
        each = "" if len(axes) == 1 else " of each key"
        return None, f"A curve needs {FEWEST_FOR_A_CURVE} values{each}; with {fewest} there is the table alone."
    if not np.isfinite(swept.raw).all():
        return None, "In some draws the figure does not exist, so no curve is drawn through the points."
    curve = fit_curve(swept.raw, [np.array(axis, float) for axis in axes], _bases(swept, metric), swept.known)
    mean = np.abs(swept.raw.mean(axis=0)).max()
    if curve.follows or (np.abs(curve.misfit) <= TOLERATED_MISFIT * mean).all():
        return curve, ""
    return None, "The figure jumps between the values, so no curve is drawn: each stands for itself."


def _bases(swept: Swept, metric: str) -> list[decision.Basis]:
    """What a whole curve is regressed on: the columns of its middle point, the mean of the points' scales, and the
    draws in which no point does anything by themselves."""
    middle = swept.designs[len(swept.designs) // 2]
    scale = np.mean([design.scale for design in swept.designs], axis=0)
    neutral = np.all([design.neutral for design in swept.designs], axis=0)
    shared = Design(middle.of_counts, middle.of_money, scale, neutral)
    return shared.bases(swept.per, money=METRICS[metric].unit != "count")


def on_curve(curve: Curve, axes: Sequence[Sequence[float]]) -> tuple[Expectation, ...]:
    """The curve at the points, whose figures then are those that are drawn."""
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1).astype(float)
    values, noise = curve.at(grid)
    refitted = Refitted(curve.weights)
    units = tuple(map(Expectation.exact, np.eye(len(curve.weights))))
    shares = replace(curve, weights=units).at(grid)[0]  # of each function, (K, points)
    return tuple(
        OnCurve(values[:, k], noise[:, k], shares=shares[:, k], refitted=refitted) for k in range(grid.shape[0])
    )


def _of_differences(swept: Swept, expected: Sequence[Expectation]) -> pd.DataFrame:
    """Rows of doing nothing and of the points; chances where they are known, and where there is any doubt."""
    rows = [{"delta_mean": 0.0}, *(_differing(one, swept.effective) for one in expected)]
    if all(np.isfinite(one.values).all() for one in expected):
        ranked = decision.rank(list(expected), swept.effective)
        certain = all(description.is_what_if for description in swept.descriptions)
        chances = ("p_better", "p_better_mcse", "p_best", "p_best_mcse")
        for number, row in enumerate(rows):
            row |= {"regret": ranked.loss[number], "regret_mcse": ranked.loss_mcse[number]}
            if swept.worlds >= ENOUGH_WORLDS and not certain:
                row |= {name: getattr(ranked, name)[number] for name in chances}
    return pd.DataFrame(rows, columns=list(COLUMNS))


# --- the whole run: levels, each with a baseline of its own ----------------------------------------------------------


def compare_levels(swept: Swept) -> Outcome:
    """Levels of the points, and each one's difference to the first in the same worlds."""
    first = swept.expected[0]
    deltas = [  # errors of a sample are taken to be independent, of which the difference is no surer than that
        Expectation(
            one.values - first.values,
            one.noise - first.noise,
            sampled=float(np.hypot(one.sampled, first.sampled)) if number else 0.0,
        )
        for number, one in enumerate(swept.expected)
    ]
    rows = []
    for number, (one, delta) in enumerate(zip(swept.expected, deltas, strict=True)):
        row = _levelled(one, swept.effective)
        row |= _differing(delta, swept.effective) if number else {}
        if number and np.isfinite(delta.values).all() and swept.worlds >= ENOUGH_WORLDS:
            better = decision.p_better(delta.values)
            row |= {"p_better": better.value, "p_better_mcse": better.mcse}
        rows.append(row)
    return Outcome(pd.DataFrame(rows, columns=list(COLUMNS)))


def _differing(one: Expectation, effective: float) -> dict[str, float]:
    found = _summary(one, effective)
    return {f"delta_{name}": value for name, value in found.items()}


def _levelled(one: Expectation, effective: float) -> dict[str, float]:
    found = _summary(one, effective)
    return {"mean": found.get("mean", np.nan), "mean_mcse": found.get("mcse", np.nan)} | {
        name: found.get(name, np.nan) for name in ("p05", "p95")
    }


def _summary(one: Expectation, effective: float) -> dict[str, float]:
    exists = np.isfinite(one.values)
    if not exists.any():
        return {}
    found = decision.summary(one.values[exists], one.noise[exists], effective, one.sampled)
    return {"mean": found.mean, "mcse": found.mcse, "p05": found.p05, "p50": found.p50, "p95": found.p95}
