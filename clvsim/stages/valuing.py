"""The value of the company: the baseline once more, with newcomers up to the horizon and everybody followed beyond."""

from typing import TYPE_CHECKING

import numpy as np

from clvsim.config import RunConfig
from clvsim.errors import ConfigError, Problem
from clvsim.interventions.base import CostEntry
from clvsim.models.auto import steady_problem
from clvsim.models.fitted import FittedModels
from clvsim.scenario import BASELINE
from clvsim.simulation.plan import RunPlan
from clvsim.stages.refusals import plan_run
from clvsim.types import CustomerSummary

if TYPE_CHECKING:
    from clvsim.simulation.run import Simulation
    from clvsim.simulation.workers import Workers
    from clvsim.simulation.worlds import Worlds
    from clvsim.valuation import Block, Valuation

_LONGER = "of the valuation, which follows everybody for finance.valuation.run_off_months more"


def valuation_plan(config: RunConfig, summary: CustomerSummary, value: np.ndarray | None = None) -> RunPlan | None:
    """The plan of a valuation's simulation, one replicate of each draw; None where none is asked for. `value` as of
    `plan_run`, whose errors it raises."""
    section = config.finance.valuation
    if not section.asked:
        return None
    horizon = config.simulation.horizon_months
    length = {"horizon_months": horizon + section.run_off_months, "replicates": 1}
    longer = config.model_copy(
        update={
            "simulation": config.simulation.model_copy(update=length),
            "acquisition": config.acquisition.model_copy(update={"months": horizon}),
            "scenario": {BASELINE: config.library[BASELINE]},
            "scenario_library": config.library,
        }
    )
    try:
        return plan_run(longer, summary, value)
    except ConfigError as error:
        own = [Problem(w, f"{what}; {_LONGER}" if w == "simulation" else what) for w, what in error.problems]
        raise ConfigError(own) from None


def value_by_customers(
    config: RunConfig,
    plan: RunPlan,
    fitted: FittedModels,
    summary: CustomerSummary,
    simulation: "Simulation",
    workers: "Workers",
) -> "Valuation":
    """Simulate `valuation_plan`, and value what its baseline earns; `simulation` is that of the run.

    Up to the horizon these are the lives of the run's first replicates, bit for bit. Raises ConfigError for models
    whose years cannot become steady.
    """
    from clvsim.comparison.sampled import share_in_error
    from clvsim.comparison.table import layers
    from clvsim.simulation.environment import sd_law
    from clvsim.simulation.luck import scenarios_of_all
    from clvsim.simulation.run import simulate_worlds
    from clvsim.simulation.win_backs import with_answers
    from clvsim.simulation.worlds import make_worlds
    from clvsim.valuation import flows_of, value_company

    if wrong := steady_problem(fitted.retention):
        raise ConfigError([Problem("retention", wrong)])
    plan = with_answers(plan, fitted, summary)
    shocks, months = sd_law(fitted, summary, plan.environment), plan.layout.months
    worlds = make_worlds(plan.seed, plan.simulation.draws, 1, months, plan.environment, shocks, arriving=plan.arriving)
    at = workers.below("valuation")
    simulated = simulate_worlds(plan, fitted, summary, worlds, None, None, at, simulation.sample)
    scenarios = simulated.scenarios
    if simulated.sampled:
        scale = plan.economics.money_scale
        scenarios = scenarios_of_all(scenarios, simulated.sampled, worlds, simulation.inputs, scale)
    baseline = scenarios[BASELINE]
    costs = [m for m in baseline.compiled.mechanisms if isinstance(m, CostEntry)]
    flows = flows_of(
        baseline.ledger,
        plan.simulation.horizon_months,
        config.simulation.horizon_months,
        frozenset(cost.name for cost in costs if cost.per == "once"),
    )
    blocks = blocks_of(simulation, worlds, flows.horizon, frozenset(cost.name for cost in costs))
    terms = config.finance.valuation
    sampled = share_in_error(simulated.sampled, worlds.draw) if simulated.sampled else 0.0
    return value_company(flows, terms, blocks, layers(simulation, "realised"), simulation.effective_draws, sampled)


def blocks_of(
    simulation: "Simulation", worlds: "Worlds", horizon: int, costs: frozenset[str]
) -> "dict[Block, np.ndarray]":
    """Uncertain numbers of each world by what they are about, (w, columns): retention, spend, acquisition, costs and
    other levers of the baseline, and of shocks their means over each year up to the horizon."""
    inputs, own = simulation.inputs, simulation.scenarios[BASELINE].compiled.inputs
    names = [str(name) for name in inputs.columns]
    is_cost = {name: name.split(".")[-2] in costs for name in names}
    chosen: dict[Block, list[str]] = {
        "retention": [name for name in names if name.startswith("retention.")],
        "spend": [name for name in names if name.startswith("spend.")],
        "acquisition": [name for name in names if name.startswith("acquisition.")],
        "finance": [name for name in names if name in own and is_cost[name]],
        "levers": [name for name in names if name in own and not is_cost[name]],
        "environment": [name for name in names if name.startswith("environment.")],
    }
    blocks = {block: inputs[columns].to_numpy(float)[worlds.draw] for block, columns in chosen.items()}
    shocks = [
        monthly[:, first : min(first + 12, horizon)].mean(axis=1)
        for monthly in (worlds.log_rate, worlds.log_visitors)
        for first in range(0, horizon, 12)
    ]
    blocks["environment"] = np.column_stack([blocks["environment"], *shocks])
    return blocks
