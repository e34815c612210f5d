"""What those bring whom e-mails made customers, by own age: the additional newcomers of a scenario with a funnel.

They live once more, by themselves: in the scenario's own ledger they are among all who come.
"""

from collections.abc import Sequence

import numpy as np

from clvsim.interventions.base import Funnel, Mechanism, Shift
from clvsim.kernels.structs import seal
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation import engine
from clvsim.simulation.arrivals import newcomer_blocks
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.ledger.assemble import assemble_ledger
from clvsim.simulation.plan import RunPlan
from clvsim.simulation.ranges import make_setting, plan_all_arrivals
from clvsim.simulation.run import Simulation
from clvsim.simulation.win_backs import with_answers
from clvsim.types import CustomerSummary


def has_funnel(mechanisms: Sequence[Mechanism]) -> bool:
    return any(isinstance(mechanism, Funnel) for mechanism in mechanisms)


def leads_alone(simulation: Simulation, name: str) -> bool:
    """Whether all whom a scenario brings in addition to the baseline were leads."""
    arriving, base = (
        [m for m in simulation.scenarios[scenario].compiled.mechanisms if isinstance(m, Shift) and m.brings_customers]
        for scenario in (name, BASELINE)
    )
    return has_funnel(arriving) and not base and all(isinstance(m, Funnel) for m in arriving)


def follow_leads(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, simulation: Simulation
) -> dict[str, Ledger]:
    """By scenario the ledger of customers who were leads, where these alone are additional customers (`leads_alone`).

    In the worlds of the simulation, which was made of this plan, and with its random events.
    """
    wanted = [name for name in simulation.scenarios if leads_alone(simulation, name)]
    if not wanted:
        return {}
    plan = with_answers(plan, fitted, summary)
    worlds, layout, found = simulation.worlds, plan.layout, {}
    setting, arrivals = make_setting(plan, worlds, fitted), plan_all_arrivals(plan, worlds)
    blocks = newcomer_blocks(
        plan.acquisition, fitted, [arrivals[name] for name in wanted], layout, plan.simulation.shard_customers
    )
    for name in wanted:
        scenario, own = plan.scenarios[name], arrivals[name].arrivals
        job = engine.make_job(
            setting,
            scenario.levers,
            engine.empty_raw(setting, scenario.levers, layout.months, layout.ages, len(layout.cohorts)),
            own._replace(start=seal(own.marginal_from, np.int64)),
            scenario.costs,
            loop_flags=plan.loop_flags,
        )
        for block in blocks:
            engine.run_block(block, [job], setting, plan.simulation.jobs)
        nobody = np.zeros(len(layout.groups))
        activity = simulation.expected.activity
        found[name] = assemble_ledger(
            job.raw, job.contacts, scenario, arrivals[name], plan, worlds.draw, nobody, activity
        )
    return found
