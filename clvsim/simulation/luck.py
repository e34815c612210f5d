"""What may happen to all customers, from ledgers of a sample that stands for them.

Of few customers with weights the luck of single ones does not average out as it does among all: the variance of a sum
is Σ W² v where it should be Σ W v. What is left of each cell when draws and shocks are regressed away is drawn towards
the regression until its variance is that of all. Means stay as they are, and every cell of a kind by the same factor,
so that lines still add up. docs/scale.md.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvsim.kernels import structs as ks
from clvsim.kernels.structs import COUNT_UNIT
from clvsim.scenario import BASELINE
from clvsim.simulation.ledger import DISCOUNTED, PLAIN, Ledger, Line
from clvsim.simulation.spread import KINDS, ORDERS, VALUE, Sampled, variances_of
from clvsim.simulation.worlds import Worlds

if TYPE_CHECKING:
    from clvsim.simulation.run import SimulatedScenario, Simulation

_WORLDS_PER_COLUMN = 10  # of the regression
_ERRORS = 2  # standard ones
_MONEY_OF_ORDERS = ("revenue", "refunds", "cost_goods")


def with_luck_of_all(simulation: "Simulation") -> "Simulation":
    """The simulation whose ledgers vary over worlds as those of all customers do; itself where all are simulated."""
    sampled = simulation.sampled
    if sampled is None or sampled.of_all:
        return simulation
    scenarios = scenarios_of_all(
        simulation.scenarios, sampled, simulation.worlds, simulation.inputs, simulation.economics.money_scale
    )
    return replace(simulation, scenarios=scenarios, sampled=replace(sampled, of_all=True))


def scenarios_of_all(
    scenarios: Mapping[str, "SimulatedScenario"],
    sampled: Sampled,
    worlds: Worlds,
    inputs: pd.DataFrame,
    money_scale: float,
) -> dict[str, "SimulatedScenario"]:
    """Scenarios, the baseline first, with such ledgers; `inputs` are uncertain numbers by draw."""
    basis, base = basis_of(worlds, inputs), scenarios[BASELINE].ledger
    luck = luck_of(sampled, worlds.draw, money_scale)
    found: dict[str, SimulatedScenario] = {}
    for number, (name, scenario) in enumerate(scenarios.items()):
        own, start = scenario.ledger, None if number == 0 else (base, found[BASELINE].ledger)
        found[name] = replace(scenario, ledger=ledger_of_all(own, start, luck[number], basis))
    return found


class Luck(NamedTuple):
    """Variance within worlds of a sum over customers, as the sample has it and as all customers have it, (kinds,)."""

    of_sample: np.ndarray
    of_all: np.ndarray


def luck_of(sampled: Sampled, draw: np.ndarray, money_scale: float) -> list[Luck]:
    """Of the baseline, and of every other scenario's difference to it; money and numbers of orders."""
    weight = sampled.sample.weight.astype(np.float64)
    scale = np.array([money_scale, 1.0]) / COUNT_UNIT
    variance = variances_of(sampled.spread, draw) * scale[:, None] ** 2
    return [Luck(own @ weight**2, own @ weight) for own in variance]


def basis_of(worlds: Worlds, inputs: pd.DataFrame) -> np.ndarray:
    """Orthonormal columns (w, k) along which worlds differ but for the luck of single customers."""
    values = inputs.to_numpy(float)
    positive = (values > 0).all(axis=0)
    values = np.where(positive, np.log(np.where(positive, values, 1.0)), values)[worlds.draw]
    rate, most = np.exp(worlds.log_rate), worlds.key.size // _WORLDS_PER_COLUMN
    months = -(-rate.shape[1] // max(1, most - values.shape[1]))  # of a column: one where there are worlds enough
    shocks = [rate[:, low : low + months].mean(axis=1) for low in range(0, rate.shape[1], months)]
    columns = np.column_stack([values, *shocks])
    centred = columns - columns.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(columns).max(axis=0), np.finfo(float).tiny)
    constant = np.full((worlds.key.size, 1), 1 / np.sqrt(worlds.key.size))
    if not varies.any():
        return constant
    left, singular, _ = np.linalg.svd(centred[:, varies] / spread[varies], full_matrices=False)
    some = (singular > 1e-8 * singular[0]) & (np.arange(singular.size) < most)
    return np.hstack([constant, left[:, some]])


def ledger_of_all(own: Ledger, start: tuple[Ledger, Ledger] | None, luck: Luck, basis: np.ndarray) -> Ledger:
    """A ledger with the luck of all customers; `start`: the baseline's before and after, from which it differs."""
    groups = np.array([group.origin == "existing" for group in own.groups])
    cohorts = np.array([groups[cohort.group] for cohort in own.cohorts], bool)
    kinds = np.array([kind_of(line) for line in own.lines])
    of_cohorts = np.full(own.cohort.shape[2], VALUE)
    of_cohorts[ks.COHORT_ACTIVE] = ORDERS
    calendar, cohort = own.calendar[:, groups], own.cohort[:, cohorts]
    before = after = (np.zeros(()), np.zeros(()))
    if start is not None:
        before, after = (
            (lines_in(ledger.calendar[:, groups], ledger.lines, own.lines), ledger.cohort[:, cohorts])
            for ledger in start
        )
    change, change_of_cohorts = calendar - before[0], cohort - before[1]
    kept = shares_kept(totals_of(change, own.lines), luck, basis)
    new, new_cohorts = own.calendar.copy(), own.cohort.copy()
    for target, rows, base, moved, share, raw in (
        (new, groups, after[0], change, kept[kinds][:, None, None], calendar),
        (new_cohorts, cohorts, after[1], change_of_cohorts, kept[of_cohorts][:, None], cohort),
    ):
        values = base + drawn_in(moved, basis, share)
        lowest = np.where(raw.min(axis=0) >= 0, 0.0, -np.inf)  # what can only be positive stays so
        target[:, rows] = np.maximum(values, lowest)
    return replace(own, calendar=new, cohort=new_cohorts)


def kind_of(line: Line) -> int:
    """Whether a line moves with amounts or with numbers."""
    return VALUE if line.account.startswith(_MONEY_OF_ORDERS) else ORDERS


def lines_in(values: np.ndarray, lines: tuple[Line, ...], order: tuple[Line, ...]) -> np.ndarray:
    """Lines (w, g, l, ...) in another order, 0 where there are none."""
    out = np.zeros((*values.shape[:2], len(order), *values.shape[3:]))
    places = {line: number for number, line in enumerate(lines)}
    for number, line in enumerate(order):
        if line in places:
            out[:, :, number] = values[:, :, places[line]]
    return out


def totals_of(calendar: np.ndarray, lines: tuple[Line, ...]) -> np.ndarray:
    """Contribution and number of orders of each world, (kinds, w), of (w, g, l, 2, months)."""
    signs = np.array([line.sign for line in lines], float)
    orders = np.array([line.account == "orders" for line in lines], float)
    totals = np.zeros((KINDS, calendar.shape[0]))
    totals[VALUE] = np.einsum("l,wglm->w", signs, calendar[:, :, :, DISCOUNTED])
    totals[ORDERS] = np.einsum("l,wglm->w", orders, calendar[:, :, :, PLAIN])
    return totals


def shares_kept(totals: np.ndarray, luck: Luck, basis: np.ndarray) -> np.ndarray:
    """Share of what the regression leaves that is kept, (kinds,), so that totals (kinds, w) have the luck of all.

    What it leaves beyond the sample's luck, and beyond what chance alone does to a variance, is no luck and is to stay.
    """
    left = totals - (totals @ basis) @ basis.T
    freedom = max(totals.shape[1] - basis.shape[1], 1)
    most = luck.of_sample * (1.0 + _ERRORS * np.sqrt(2 / freedom))
    beyond = np.maximum((left**2).sum(axis=1) / freedom - most, 0.0)
    total = luck.of_sample + beyond
    return np.sqrt(np.divide(luck.of_all + beyond, total, out=np.ones_like(total), where=total > 0))


def drawn_in(values: np.ndarray, basis: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Values (w, ...) of which a `share` of what the regression leaves is kept; held to the cell's own range."""
    flat = values.reshape(len(values), -1)
    smooth = np.clip((basis @ (basis.T @ flat)).reshape(values.shape), values.min(axis=0), values.max(axis=0))
    return smooth + share * (values - smooth)
