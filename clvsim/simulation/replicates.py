"""More replicates of a simulation: only those that it lacks are simulated, and put behind those that it has."""

from dataclasses import fields, replace

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.simulation.environment import sd_law
from clvsim.simulation.layout import MAX_CELLS, cells_per_world
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import Progress
from clvsim.simulation.run import Simulation, notes_of, simulate_worlds
from clvsim.simulation.workers import HERE, Workers
from clvsim.simulation.worlds import ENOUGH_WORLDS, make_worlds
from clvsim.types import CustomerSummary


def most_replicates(plan: RunPlan) -> int:
    """As many as the configuration and the size of the ledgers allow, at least those that it asks for."""
    scenarios = [scenario.compiled for scenario in plan.scenarios.values()]
    affordable = MAX_CELLS // (plan.simulation.draws * cells_per_world(plan.layout, scenarios))
    return max(plan.simulation.replicates, min(plan.simulation.max_replicates, affordable))


def first_replicates(plan: RunPlan) -> int:
    """How many to start with: those that the configuration asks for, more where draws are too few for probabilities."""
    needed = -(-ENOUGH_WORLDS // plan.simulation.draws)
    return max(plan.simulation.replicates, min(needed, most_replicates(plan)))


def with_replicates(plan: RunPlan, replicates: int) -> RunPlan:
    return replace(plan, simulation=plan.simulation.model_copy(update={"replicates": replicates}))


def add_replicates(
    simulation: Simulation,
    replicates: int,
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    progress: Progress | None = None,
    workers: Workers = HERE,
) -> Simulation:
    """The simulation of this plan with `replicates` of each draw, of which those that it lacks are simulated.

    Bit for bit as if that many had been asked for at once, as long as it was started with `first_replicates`: random
    numbers are keyed by draw and replicate, and no sum runs over replicates.
    """
    done, months, draws = simulation.replicates, plan.layout.months, simulation.draws
    sd = sd_law(fitted, summary, plan.environment)
    new = make_worlds(plan.seed, draws, replicates, months, plan.environment, sd, after=done, arriving=plan.arriving)
    sampled, sample = simulation.sampled, simulation.sample
    more = simulate_worlds(plan, fitted, summary, new, simulation.expected.activity, progress, workers, sample)
    added = more.scenarios
    scenarios = {}
    for name, scenario in simulation.scenarios.items():
        ledger = interleave(scenario.ledger, added[name].ledger, draws)
        acquired = scenario.acquired
        if acquired is not None:
            acquired = interleave(acquired, added[name].acquired, draws)
        scenarios[name] = replace(scenario, ledger=ledger, acquired=acquired)
    return replace(
        simulation,
        scenarios=scenarios,
        worlds=make_worlds(plan.seed, draws, replicates, months, plan.environment, sd, arriving=plan.arriving),
        notes=notes_of(plan, fitted, scenarios, sample),
        sampled=sampled and sampled.add(more.sampled),
    )


def interleave[Record](first: Record, more: Record, draws: int) -> Record:
    """A dataclass whose arrays (w, ...) hold, draw by draw, the replicates of `first` and then those of `more`."""
    joined = {}
    for field in fields(first):  # ty: ignore[invalid-argument-type]
        pair = getattr(first, field.name), getattr(more, field.name)
        if isinstance(pair[0], np.ndarray):
            by_draw = [values.reshape(draws, len(values) // draws, *values.shape[1:]) for values in pair]
            both = np.concatenate(by_draw, axis=1)
            joined[field.name] = both.reshape(draws * both.shape[1], *both.shape[2:])
    return replace(first, **joined)  # ty: ignore[invalid-argument-type]
