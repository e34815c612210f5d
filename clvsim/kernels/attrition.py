"""One survival budget E ~ Exp(1) per line of a life, which ends when its cumulative hazard reaches E.

Hazard μ per day, η per order or opportunity, and what interventions add are increments of the same sum.
"""

import numpy as np

from clvsim.kernels.pace import PER_WEEK, WEEK, cumulative_at, excess_at, pace_of
from clvsim.kernels.state import Budget
from clvsim.kernels.traits import limit_of
from clvsim.kernels.variates import inline, leaf

CHARGED = -1.0  # in the place of hazard so far: the opportunity at hand is charged already


@inline
def with_limit(kept_limit, path, budget):
    """With the limit, if it is needed by now."""
    if budget.limit >= 0.0:
        return budget
    return Budget(budget.spent, limit_of(kept_limit, path), budget.alive)


@inline
def add_hazard(budget, hazard):
    return Budget(budget.spent + hazard, budget.limit, budget.alive)


@inline
def check_limit(kept_limit, path, budget):
    """Lost if the hazard has reached the limit."""
    if budget.spent <= 0.0:
        return budget
    budget = with_limit(kept_limit, path, budget)
    return Budget(budget.spent, budget.limit, budget.spent < budget.limit)


@inline
def end_life(budget):
    return Budget(budget.spent, budget.limit, False)


@inline
def hazard_between(t0, t1, mu, excess, multiplier, budget, row, last):
    """Hazard that accrues by time alone: μ times its multiplier, plus what contacts add."""
    h = 0.0
    if mu > 0.0:
        e0 = excess_at(t0, excess, multiplier, row, last)
        e1 = excess_at(t1, excess, multiplier, row, last)
        h = mu * ((t1 + e1) - (t0 + e0))
    return h + cumulative_at(t1, budget, row, last) - cumulative_at(t0, budget, row, last)


@leaf
def death_between(t0, t1, need, mu, excess, multiplier, budget, row, last):
    """Day in (t0, t1] on which the hazard accrued since t0 reaches `need`; it is linear inside a week."""
    t = t0
    while True:
        end = min(t1, WEEK * (int(t * PER_WEEK) + 1))
        h = hazard_between(t, end, mu, excess, multiplier, budget, row, last)
        if h >= need or end >= t1:
            return t + (end - t) * min(1.0, need / h)
        need -= h
        t = end


@inline
def charge_step(run, weeks, kept_limit, path, life, day):
    """Charge what accrues by time until `day`; -> (budget, the day or that of the death)."""
    budget, mu, t = life.budget, life.own.mu, life.now.t
    if not (mu > 0.0 or life.listing.listed):
        return budget, day
    budget = with_limit(kept_limit, path, budget)
    if run.steady:
        h = mu * (day - t)
    else:
        h = hazard_between(
            t, day, mu, weeks.hazard_excess, weeks.hazard, weeks.budget, life.row, run.last_week
        )  # fmt: skip
    need = budget.limit - budget.spent
    if budget.spent + h < budget.limit:
        return add_hazard(budget, h), day
    if run.steady:
        return end_life(budget), t + (day - t) * min(1.0, need / h)
    day = death_between(
        t, day, need, mu, weeks.hazard_excess, weeks.hazard, weeks.budget, life.row, run.last_week
    )  # fmt: skip
    return end_life(budget), day


@inline
def order_hazard(run, charge, own, terms, row, week, charges):
    """η of an order, divided by what interventions do to the rate where attrition runs on time."""
    load = own.eta * charge[np.uint64(row.week + week)] * charges
    return load if run.by_order else load / pace_of(terms)
