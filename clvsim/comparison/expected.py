"""Expected values per draw of every scenario, and of its paired difference to the baseline."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from clvsim import decision
from clvsim.comparison.designs import Design, Designs
from clvsim.comparison.sampled import sampling_errors
from clvsim.decision import Expectation
from clvsim.interventions.base import CostEntry, Shift
from clvsim.metrics import Metric, Query
from clvsim.scenario import BASELINE
from clvsim.simulation.run import SimulatedScenario, Simulation

_ENOUGH_TO_PREDICT = 50  # draws in which a figure exists, from which those in which it does not are predicted


class Expected(NamedTuple):
    """Of one metric, by scenario: levels, and differences to the baseline without the baseline's own."""

    values: Mapping[str, Expectation]
    deltas: Mapping[str, Expectation]


def per_draw(simulation: Simulation, values: np.ndarray) -> np.ndarray:
    """Mean over the replicates of each draw."""
    return values.reshape(simulation.draws, -1, *values.shape[1:]).mean(axis=1)


def has_common_shocks(simulation: Simulation) -> bool:
    """Whether worlds differ by shocks common to all customers."""
    return bool(simulation.worlds.log_rate.any() or simulation.worlds.log_visitors.any())


def has_shocks_on(simulation: Simulation, metric: Metric) -> bool:
    """Whether a metric moves with common shocks: what knows no customer's luck, with those to visitors only."""
    return bool(simulation.worlds.log_visitors.any()) if metric.calm else has_common_shocks(simulation)


def has_levers(scenario: SimulatedScenario) -> bool:
    """Whether a scenario changes what customers do after they came, so that no closed form holds its levels."""
    return any(
        not isinstance(m, CostEntry) and not (isinstance(m, Shift) and m.brings_customers)
        for m in scenario.compiled.mechanisms
    )


def expected_values(simulation: Simulation, metric: Metric, designs: Designs, notes: list[str]) -> Expected:
    """Levels and differences of a metric that has an expectation; sentences for the page are added to `notes`."""
    base = expected_level(simulation, metric, designs[BASELINE])
    errors = sampling_errors(simulation, metric)
    known = not base.fitted and metric.closed_form is not None
    base = replace(base, sampled=errors.level(BASELINE, known=known))
    values, deltas = {BASELINE: base}, {}
    for name, scenario in simulation.scenarios.items():
        if name == BASELINE:
            continue
        delta = expected_delta(simulation, metric, scenario, designs[name])
        if delta.note:
            notes.append(f"{scenario.compiled.description.title}: {delta.note}")
        level = base.values + delta.values
        held = np.clip(level, *metric.range)
        if (held != level).any():
            delta = Expectation(np.where(held == level, delta.values, held - base.values), delta.noise, delta.fits)
        deltas[name] = replace(delta, sampled=errors.delta(name))
        values[name] = Expectation(held, base.noise + delta.noise, sampled=errors.level(name, known=known))
    return Expected(values, deltas)


def expected_level(simulation: Simulation, metric: Metric, design: Design) -> Expectation:
    """Of the baseline: its closed form, and where shocks or levers of its own move it, a regression of what is left."""
    base = simulation.scenarios[BASELINE]
    shocks = has_shocks_on(simulation, metric)
    figure = per_draw(simulation, (metric.calm or metric.query)(simulation, base))
    if metric.exact:
        return Expectation.exact(figure)
    closed = metric.closed_form(simulation) if metric.closed_form else None
    if closed is not None and not shocks and not has_levers(base):
        return Expectation.exact(np.clip(closed, *metric.range))
    found = _regressed(simulation, metric, design, figure, metric.halves, base, closed, None, shocks)
    return Expectation(np.clip(found.values, *metric.range), found.noise, found.fits, found.share, found.note)


def expected_delta(simulation: Simulation, metric: Metric, scenario: SimulatedScenario, design: Design) -> Expectation:
    """Of a scenario's difference to the baseline: known costs, and a regression of what customers do differently."""
    base = simulation.scenarios[BASELINE]

    def difference(query: Query) -> np.ndarray:
        return per_draw(simulation, query(simulation, scenario) - query(simulation, base))

    figure = difference(metric.calm or metric.query)
    if metric.exact:
        return Expectation.exact(figure)
    shocks = has_shocks_on(simulation, metric)
    if metric.calm and not shocks:
        return Expectation.exact(figure)

    def halves(simulation: Simulation, scenario: SimulatedScenario) -> np.ndarray:
        assert metric.halves is not None
        return metric.halves(simulation, scenario) - metric.halves(simulation, base)

    known = difference(metric.known) if metric.known else None
    return _regressed(
        simulation, metric, design, figure, halves if metric.halves else None, scenario, None, known, shocks
    )


def _regressed(
    simulation: Simulation,
    metric: Metric,
    design: Design,
    figure: np.ndarray,
    halves: Query | None,
    scenario: SimulatedScenario,
    control: np.ndarray | None,
    known: np.ndarray | None,
    shocks: bool,
) -> Expectation:
    """Where the figure does not exist in some draws (nothing to divide by) a closed form stands as it is: what shocks
    do to it is less than the luck of the few who come. Where none holds these draws are left out, and predicted by the
    regression if it is of enough others, whose error the mean of all then has.
    """
    parts = {
        "halves": None if halves is None else per_draw(simulation, halves(simulation, scenario)),
        "control": control,
        "known": known,
    }
    exists = np.isfinite(figure)
    for values in parts.values():
        if values is not None:
            exists &= np.isfinite(values).reshape(exists.size, -1).all(axis=1)
    bases = design.bases(metric.per(simulation) if metric.per else None, exists, money=metric.unit != "count")
    if exists.all():
        return decision.expected_per_draw(figure, bases, always=shocks, **parts)
    if control is not None and not has_levers(scenario):
        return Expectation.exact(control)
    there = {name: _without(values, exists) for name, values in parts.items()}
    found = decision.expected_per_draw(np.where(exists, figure, 0.0), bases, always=shocks, **there)
    predicted = np.full(exists.size, np.nan)
    if found.fits and exists.sum() >= _ENOUGH_TO_PREDICT:
        predicted = np.where(design.neutral, 0.0, found.fits[0][1].values)
        for values in (control, known):
            predicted = predicted if values is None else predicted + values
        found = replace(found, noise=found.noise * exists.size / exists.sum())
    return replace(found, values=np.where(exists, found.values, predicted))


def _without(values: np.ndarray | None, exists: np.ndarray) -> np.ndarray | None:
    return None if values is None else np.where(exists.reshape(-1, *[1] * (values.ndim - 1)), values, 0.0)
