"""Laws of a customer, and the traits drawn from them."""

import math
from dataclasses import dataclass

import numpy as np

from clvsim.kernels import rng
from clvsim.kernels.structs import Laws
from twin.draws import Draws

BY_CUSTOMER = ("p_alive", "order_shape", "nu_shape", "nu_rate", "first_factor", "first_paid", "paid_a", "paid_b")
BY_COMPONENT = ("rate_shape", "rate_rate", "mu_shape", "mu_rate", "drop_a", "drop_b")
LEVELS = ("level_mean", "level_sd", "level_slope", "order_sd")
CHANCES = ("buy_a", "buy_b")


@dataclass(frozen=True)
class Traits:
    rate: float  # orders per day; nan where orders come at opportunities
    mu: float  # hazard per day
    eta: float  # hazard per order or opportunity
    chance: float  # of an order at an opportunity
    limit: float  # survival budget


def component_of(laws: Laws, column: int, draws: Draws, lost: bool = False) -> int:
    """Which component of a mixture the customer belongs to; those of the lost stand behind those of the living."""
    components = laws.stages_done.size
    if components == 1:
        return 0
    living = int(laws.living[0])
    own = slice(living, components) if lost and living < components else slice(0, living)
    mass = np.cumsum(laws.weight[0].reshape(-1, components)[column, own])
    place = int(np.searchsorted(mass, draws.uniform(rng.COMPONENT, 0), side="right"))
    return own.start + min(place, mass.size - 1)


def law_of(laws: Laws, column: int, draws: Draws, lost: bool = False) -> dict[str, float]:
    """Parameters of the customer's component, and how many stages of the first gap are over."""
    component = component_of(laws, column, draws, lost)
    entry = column * laws.stages_done.size + component

    def at(name: str, place: int) -> float:
        values = getattr(laws, name)
        return float(values[0, place]) if values.size else 0.0

    return (
        {"stages_done": float(laws.stages_done[component])}
        | {name: at(name, column) for name in (*BY_CUSTOMER, *LEVELS)}
        | {name: at(name, entry) for name in (*BY_COMPONENT, *CHANCES)}
    )


def traits_of(law: dict[str, float], at_intervals: bool, draws: Draws) -> Traits:
    rate, mu = math.nan, 0.0
    if not at_intervals:
        rate = draws.gamma(rng.RATE, 0, law["rate_shape"]) / law["rate_rate"]
    if law["mu_shape"] > 0:
        mu = draws.gamma(rng.ATTRITION_TIME, 0, law["mu_shape"]) / law["mu_rate"]
    return Traits(rate, mu, eta_of(law, draws), chance_of(law, draws), draws.exponential(rng.LIFETIME, 0))


def eta_of(law: dict[str, float], draws: Draws) -> float:
    """-log(1 - p), p ~ Beta(a, b)."""
    if law["drop_a"] <= 0:
        return 0.0
    goes, stays = (draws.gamma(rng.ATTRITION_ORDER, i, law[name]) for i, name in enumerate(("drop_a", "drop_b")))
    return -math.log(stays / (stays + goes))


def chance_of(law: dict[str, float], draws: Draws) -> float:
    if law["buy_a"] <= 0:
        return 1.0
    buys, refrains = (draws.gamma(rng.RATE, i, law[name]) for i, name in enumerate(("buy_a", "buy_b")))
    return buys / (buys + refrains)
