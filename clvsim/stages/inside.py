"""What a run shows of single customers and of its levers' schedules, where it is asked to."""

from typing import NamedTuple

import pandas as pd

from clvsim.config import RunConfig
from clvsim.models.fitted import FittedModels
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.run import Simulation
from clvsim.types import CustomerSummary, TraceLine


class Inside(NamedTuple):
    """The tables of `trace.csv` and `schedule.csv`, and what the page shows of the former."""

    trace: pd.DataFrame
    schedule: pd.DataFrame
    lines: tuple[TraceLine, ...]


def look_inside(
    config: RunConfig, plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, simulation: Simulation
) -> Inside | None:
    """None where `trace.customers` is 0."""
    from clvsim.simulation import tracing
    from clvsim.simulation.schedule import schedule

    if not config.trace.customers:
        return None
    table = tracing.trace(plan, fitted, summary, simulation.customers, config.trace)
    return Inside(table, schedule(plan, summary.today), tracing.shown(table))
