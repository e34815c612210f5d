"""What became of made-up customers after today, as they were left and with a lower hazard, on the same random events.

The stories of tests/stories, told beyond today: each life has one survival budget E ~ Exp(1), which the hazards of its
orders, opportunities, renewals or days use up. A lever on the hazard of leaving changes how fast what is left of E is
used up, and nothing else, so that both futures share their orders until the first of the two deaths.

Times in days, parameters in weeks, arrays (customer,). Plain NumPy; nothing is taken from the product.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from clvsim.types import RENEWAL_DAYS
from tests.stories import STORIES
from tests.stories.story import time_of

FACTOR = 0.8  # of the hazard, with the lever
Columns = dict[str, np.ndarray]


class Life(NamedTuple):
    """A history, as columns of a summary, and the orders after it: as today, and with the lever."""

    history: Columns
    orders: np.ndarray
    with_lever: np.ndarray


def ratio(numerator: Any, denominator: np.ndarray) -> np.ndarray:
    """inf where nothing wears a customer out."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        return np.nan_to_num(np.asarray(numerator, float) / denominator, nan=np.inf)


def hazard_of(chance: np.ndarray) -> np.ndarray:
    """-log(1 - chance)."""
    with np.errstate(divide="ignore"):
        return -np.log1p(-chance)


def used_up(budget: np.ndarray, charges: np.ndarray, hazard: np.ndarray) -> np.ndarray:
    """What is left of a budget after that many charges, at least 0."""
    with np.errstate(invalid="ignore"):
        return np.maximum(budget - np.nan_to_num(charges * hazard, nan=0.0), 0.0)


def until_they_leave(
    random: np.random.Generator,
    rate: np.ndarray,
    p: np.ndarray,
    days: np.ndarray,
    ahead: float,
    *,
    stages: int = 1,
    first_counts: bool = False,
) -> Life:
    """BG/NBD, MBG/NBD and both with regular gaps: hazard -log(1 - p) at each repeat order, the first where it counts.

    Whoever has E left after the charge of an order makes the next one, each the `stages`-th event of a Poisson process.
    """
    hazard, budget = hazard_of(p), random.exponential(size=p.size)
    events, later = (random.poisson(rate * length).astype(float) for length in (days, np.full(p.size, ahead)))
    last = np.floor(ratio(budget, hazard)) + (not first_counts)  # repeat order with which the budget is used up
    due, in_all = np.floor(events / stages), np.floor((events + later) / stages)
    x = np.minimum(due, last)
    left = np.where(due < last, used_up(budget, x + first_counts, hazard), 0.0)
    last_with = np.where(due < last, x + np.floor(ratio(left, FACTOR * hazard)) + 1, x)
    recency = time_of(stages * x, events, days, random)
    history = {
        "frequency": x,
        "recency_days": recency,
        "T_days": days,
        "log_gaps": log_gaps(random, x, recency, stages),
    }
    return Life(history, np.minimum(in_all, last) - x, np.minimum(in_all, last_with) - x)


def log_gaps(random: np.random.Generator, x: np.ndarray, recency: np.ndarray, stages: int) -> np.ndarray:
    """Sum of the logs of the gaps: given the last order they are parts of that time, `stages` each."""
    customer = np.repeat(np.arange(x.size), x.astype(int))
    parts = random.gamma(stages, size=customer.size)
    scale = recency / np.maximum(np.bincount(customer, parts, x.size), 1e-300)
    return np.bincount(customer, np.log(np.maximum(parts * scale[customer], 1e-300)), x.size)


def until_they_die(
    random: np.random.Generator, rate: np.ndarray, mu: np.ndarray, days: np.ndarray, ahead: float
) -> Life:
    """Pareto/NBD: the hazard mu per day, whatever they order."""
    life = ratio(random.exponential(size=mu.size), mu)
    seen = np.minimum(life, days)
    x = random.poisson(rate * seen).astype(float)
    left = np.maximum(life - days, 0.0)
    lived, lived_with = np.minimum(left, ahead), np.minimum(left / FACTOR, ahead)
    orders = random.poisson(rate * lived).astype(float)
    more = random.poisson(rate * (lived_with - lived)).astype(float)
    return Life({"frequency": x, "recency_days": time_of(x, x, seen, random), "T_days": days}, orders, orders + more)


def at_opportunities(
    random: np.random.Generator, p: np.ndarray, theta: np.ndarray, days: np.ndarray, ahead: float, *, every: float
) -> Life:
    """BG/BB: hazard -log(1 - theta) before each opportunity, which a customer who is still there uses with chance p."""
    hazard, budget = hazard_of(theta), random.exponential(size=p.size)
    seen, number = np.floor((days + 0.5) / every), np.floor((days + ahead + 0.5) / every)
    served = np.floor(ratio(budget, hazard))
    served_with = seen + np.floor(ratio(used_up(budget, seen, hazard), FACTOR * hazard))
    served_with = np.where(served >= seen, served_with, served)
    nth = np.arange(1.0, number.max() + 1)
    wanted = random.random((p.size, nth.size)) < p[:, None]

    def used(low: np.ndarray | float, high: np.ndarray) -> np.ndarray:
        return wanted & (nth > np.reshape(low, (-1, 1))) & (nth <= high[:, None])

    before = used(0.0, np.minimum(seen, served))
    history = {
        "frequency": before.sum(axis=1).astype(float),
        "recency_days": (before * nth).max(axis=1, initial=0.0) * every,
        "T_days": days,
    }
    orders, with_lever = (
        used(seen, np.minimum(number, last)).sum(axis=1).astype(float) for last in (served, served_with)
    )
    return Life(history, orders, with_lever)


def renewed(
    random: np.random.Generator, c: np.ndarray, theta: np.ndarray, days: np.ndarray, ahead: float, *, every: float
) -> Life:
    """sBG and BdW: the hazards of n renewals add up to -log(1 - theta) n^c."""
    periods = ratio(random.exponential(size=theta.size), hazard_of(theta))
    lasts = np.floor(periods ** (1 / c))
    due, in_all = np.floor(days / every), np.floor((days + ahead) / every)
    lasts_with = np.floor((due**c + np.maximum(periods - due**c, 0.0) / FACTOR) ** (1 / c))
    lasts_with = np.where(lasts >= due, lasts_with, lasts)
    made = np.minimum(lasts, due)
    history = {"frequency": made, "recency_days": made * every, "T_days": days}
    return Life(history, np.minimum(lasts, in_all) - made, np.minimum(lasts_with, in_all) - made)


def life_of(kind: str) -> Callable[..., Life]:
    """(random, first trait, second, days, ahead) to lives, by model; settings are those of the story."""
    config: Mapping[str, Any] = STORIES[kind].config
    if kind in ("bg_nbd", "mbg_nbd", "bg_cnbd", "mbg_cnbd"):
        return partial(until_they_leave, stages=config.get("k", 1), first_counts=kind.startswith("mbg"))
    if kind == "pareto_nbd":
        return until_they_die
    if kind == "bg_bb":
        return partial(at_opportunities, every=config["opportunity_days"])
    if STORIES[kind].renewing:
        return partial(renewed, every=RENEWAL_DAYS[config["renewal"]])
    raise KeyError(f"what becomes of customers of {kind} after today is not told here")
