"""Opportunities on a fixed grid of days: their days, and what becomes of them."""

from clvsim.kernels import rng
from twin import pace
from twin.cases import Case
from twin.state import Customer, Life


def number_of(case: Case, life: Life) -> int:
    """Opportunities that have passed; a newcomer's first order is none."""
    return life.ticks - case.newcomers


def day(case: Case, customer: Customer, life: Life) -> float:
    """Of the next opportunity."""
    first, interval = float(case.laws.first_days[customer.column]), case.laws.interval_days
    every = float(interval[customer.column % interval.size])
    return customer.start + (first + number_of(case, life) * every)


def hazard(case: Case, customer: Customer, life: Life) -> float:
    """Number j charges η (j^c - (j-1)^c), times the multipliers of the week and of the day on which it falls due."""
    j = float(case.laws.tenure[customer.column]) + number_of(case, life) + 1
    exponent = case.laws.tenure_exponent[0]
    c = float(exponent[customer.column % exponent.size])
    multiplier = case.hazard[customer.w, pace.table_of(case, customer, life), pace.week_of(life.day)]
    if case.laws.due.size:
        step, before = case.laws.due_steps
        multiplier *= case.laws.due[0, int((life.day - case.laws.late_days[customer.column]) / step + before)]
    return life.traits.eta * multiplier * (j**c - (j - 1) ** c)


def is_taken(case: Case, customer: Customer, life: Life) -> bool:
    if case.pauses:
        pause, resume = (chance[0, customer.column % chance.shape[1]] for chance in (case.laws.pause, case.laws.resume))
        chance = float(resume if life.paused else 1 - pause)
        return customer.draws.uniform(rng.OPPORTUNITY, life.ticks) < chance
    multiplier = life.speed * pace.rate_multiplier(case, customer, life)
    return customer.draws.uniform(rng.OPPORTUNITY, life.ticks) < 1 - (1 - life.traits.chance) ** multiplier
