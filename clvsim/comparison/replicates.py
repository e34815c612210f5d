"""Simulating and comparing with as many replicates as the error of a mean difference asks for."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from clvsim.comparison.designs import make_designs
from clvsim.comparison.expected import expected_values
from clvsim.comparison.table import HEADLINE, Comparison, compared
from clvsim.decision import Expectation, precision
from clvsim.metrics import available
from clvsim.models.fitted import FittedModels
from clvsim.simulation.luck import with_luck_of_all
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import Progress
from clvsim.simulation.replicates import add_replicates, first_replicates, most_replicates, with_replicates
from clvsim.simulation.run import Simulation, simulate_plan
from clvsim.simulation.win_backs import with_answers
from clvsim.simulation.workers import HERE, Workers
from clvsim.types import CustomerSummary

SPARE = 1.1  # of replicates, since their number is worked out from an estimate


def simulate_and_compare(
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    metric: str = HEADLINE,
    progress: Progress | None = None,
    workers: Workers = HERE,
) -> tuple[Simulation, Comparison]:
    """Simulate a plan that was made for this summary, as of `simulate_enough`, and compare its scenarios on a metric.

    The ledgers vary as those of all customers, where a sample of them was simulated (`simulation.luck`).

    Errors as of `simulate_plan` and `compare`.
    """
    simulation = simulate_enough(plan, fitted, summary, metric, progress, workers)
    of_all = with_luck_of_all(simulation)
    comparison = compared(simulation, of_all, metric)
    if simulation.replicates > plan.simulation.replicates:
        note = (
            f"Each of the {simulation.draws:,} draws was simulated {simulation.replicates} times instead of "
            f"{plan.simulation.replicates}, to average out the luck of single customers (simulation.max_replicates)."
        )
        comparison = replace(comparison, notes=(note, *comparison.notes))
    return of_all, comparison


def simulate_enough(
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    metric: str = HEADLINE,
    progress: Progress | None = None,
    workers: Workers = HERE,
) -> Simulation:
    """Simulate a plan that was made for this summary, with as many replicates as a metric's mean differences need.

    Starts with `simulation.replicates` of each draw, or as many as 500 worlds need, and adds more, up to
    `simulation.max_replicates`, while single paths leave a mean difference with an error above 10 % of its spread over
    draws. More than draws alone allow is not asked for. Errors as of `simulate_plan`.
    """
    plan = with_answers(plan, fitted, summary)
    most = most_replicates(plan)
    simulation = simulate_plan(with_replicates(plan, first_replicates(plan)), fitted, summary, progress, workers)
    while (needed := min(needed_replicates(simulation, metric), most)) > simulation.replicates:
        simulation = add_replicates(simulation, needed, plan, fitted, summary, progress, workers)
    return simulation


def needed_replicates(simulation: Simulation, metric: str) -> int:
    """How many replicates all differences of a metric need, from the noise of those that there are."""
    definition = available(simulation)[metric]
    if not definition.has_expectation or len(simulation.scenarios) < 2:
        return simulation.replicates
    deltas: Mapping[str, Expectation] = expected_values(simulation, definition, make_designs(simulation), []).deltas
    more = max(precision(delta, simulation.effective_draws).more for delta in deltas.values())
    return simulation.replicates if more <= 1 else int(np.ceil(SPARE * more * simulation.replicates))
