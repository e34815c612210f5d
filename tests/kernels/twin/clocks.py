"""When the next order is due."""

from clvsim.kernels import rng
from twin import grid, pace
from twin.cases import Case
from twin.draws import Draws
from twin.state import Customer, Life


def gap(draws: Draws, number: int, stages: float) -> float:
    """At rate 1; with one stage the exponential of models without regularity."""
    return draws.exponential(rng.GAP, number) if stages == 1 else draws.gamma(rng.GAP, number, stages)


def wait(case: Case, customer: Customer, life: Life) -> float:
    """Days at multiplier 1 from the last order to the next."""
    stages = case.laws.regularity[0] - (customer.law["stages_done"] if life.ticks == 0 else 0)
    return gap(customer.draws, life.ticks, stages) / (life.traits.rate * life.speed)


def due(case: Case, customer: Customer, life: Life, left: float) -> float:
    """Day of the next order if the present multiplier lasts, with `left` days at multiplier 1 to go; or opportunity."""
    if case.at_intervals:
        return grid.day(case, customer, life)
    return life.day + left / pace.rate_multiplier(case, customer, life)
