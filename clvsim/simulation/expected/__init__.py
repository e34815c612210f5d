"""Expected values of the baseline in closed form: today's customers, and newcomers, per draw. docs/expected.md."""

import numpy as np

from clvsim.models.fitted import FittedModels
from clvsim.simulation import people
from clvsim.simulation.expected.activity import expected_activity
from clvsim.simulation.expected.customers import ExistingSums, customer_table, existing_levels, value_quantiles
from clvsim.simulation.expected.many import FEWEST_OF_MANY, levels_of_many
from clvsim.simulation.expected.newcomers import newcomer_levels
from clvsim.simulation.expected.next_order import next_orders
from clvsim.simulation.expected.values import Activity, ExpectedLevels
from clvsim.simulation.plan import RunPlan
from clvsim.types import CustomerSummary

__all__ = [
    "Activity",
    "ExpectedLevels",
    "customer_table",
    "expected_levels",
    "expected_value",
    "next_orders",
    "value_quantiles",
]


def expected_value(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> np.ndarray:
    """What each of today's customers brings on average under the baseline, (c,): `rlv_mean` of the customers' table;
    nan of contracts that are known to have ended. A provisional plan is enough."""
    means, _ = levels_of(plan, fitted, summary, people.key_order(summary)[1])
    return np.where(people.reachable(fitted, summary), means[2], np.nan)


def levels_of(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray
) -> tuple[np.ndarray, ExistingSums]:
    """Of today's customers as `existing_levels` has it: of more than are simulated by way of a few draws."""
    of = levels_of_many if plan.simulation.are_many(order.size, FEWEST_OF_MANY) else existing_levels
    return of(plan, fitted, summary, order)


def expected_levels(
    plan: RunPlan, fitted: FittedModels, summary: CustomerSummary, order: np.ndarray, customers: np.ndarray
) -> tuple[np.ndarray, ExpectedLevels]:
    """Of each of today's customers, (3, c) as `existing_levels` has it, and of all together per draw.

    `order` (c,) in which customers are added up, `customers` (groups,) who are not known to be lost.
    """
    means, existing = levels_of(plan, fitted, summary, order)
    newcomer = newcomer_levels(plan, fitted)
    activity = None
    if plan.acquisition.channels and plan.has_monthly_costs:
        activity = expected_activity(plan, fitted, summary, order, newcomer.newcomers)
    known = customers[: plan.layout.first_new_group]
    return means, ExpectedLevels(known, **existing._asdict(), **newcomer._asdict(), activity=activity)
