"""The most that may be paid for a customer, a lead or a visitor.

NumPy only. Axis 0 is the draw, or the world of a realised figure. PAV is the value of a new customer before what it
cost to win them. For a lead or a visitor every function takes `conversion`, customers per lead or visitor of the same
draw or world: the mean of a product is not the product of means.
"""

from typing import NamedTuple

import numpy as np

from clvsim.decision.figures import Estimate, estimate

TOLERATED_RISK = 0.10
FEWEST_IN_TAIL = 10  # worlds


class Headroom(NamedTuple):
    """Highest bid less what one more customer costs: mean, its Monte Carlo error, share of draws above 0."""

    value: float
    mcse: float
    p_above: float


def bid_on_average(
    pav: np.ndarray,
    conversion: np.ndarray | float = 1.0,
    noise: np.ndarray | float = 0.0,
    ess: float = np.nan,
) -> Estimate:
    """Mean of expected PAV (n,): who pays more loses on average. Risk is not looked at.

    `noise` (n,): simulated − expected value; `ess`: how many independent draws they are worth, by default all.
    """
    return estimate(np.asarray(pav * conversion), np.asarray(noise * conversion), ess)


def bid_at_risk(
    realised: np.ndarray,
    alpha: float = TOLERATED_RISK,
    conversion: np.ndarray | float = 1.0,
    ess: float = np.nan,
) -> Estimate | None:
    """The highest bid with P(loss) ≤ α for the plan's newcomers together.

    Args:
        realised: (worlds,) mean PAV of the plan's N newcomers, luck, shocks and parameters in it. It is about these N:
            of fewer customers luck weighs more.
        alpha: the tolerated chance that they bring less than was paid.
        conversion: realised, by world.
        ess: how many independent worlds they are worth, by default all.

    The order statistic below which at most α of the worlds lie. Its error is half the distance of the order statistics
    one standard deviation of a binomial count away (Conover 1999, "Practical Nonparametric Statistics", section 3.2).
    None where fewer than ten worlds are in the tail.

    Raises ValueError unless 0 < α < 1 and figures are finite.
    """
    values = np.sort(np.asarray(realised * conversion, dtype=np.float64).ravel())
    if not 0 < alpha < 1 or not np.isfinite(values).all():
        raise ValueError(f"figures must be finite, and 0 < alpha < 1, got {alpha}")
    worlds = values.size
    if alpha * (worlds if np.isnan(ess) else ess) < FEWEST_IN_TAIL:
        return None
    spread = worlds * np.sqrt(alpha * (1 - alpha) / (worlds if np.isnan(ess) else ess))
    rank = int(alpha * worlds + 1e-9)
    low, high = np.clip([round(rank - spread), round(rank + spread)], 0, worlds - 1)
    return Estimate(float(values[rank]), float(values[high] - values[low]) / 2)


def bid_within(
    curve: np.ndarray,
    ages: np.ndarray,
    window: float,
    conversion: np.ndarray | float = 1.0,
    ess: float = np.nan,
) -> Estimate:
    """The highest bid that is paid back within a window, on average.

    Args:
        curve: (n, ages) expected contribution of a newcomer up to each age, the first order at age 0.
        ages: (ages,) rising, in months; between two of them the curve is straight.
        window: months.
        conversion: customers per lead or visitor, by draw.
        ess: how many independent draws they are worth, by default all.

    Raises ValueError where the window lies outside the ages.
    """
    ages = np.asarray(ages, dtype=np.float64)
    if not ages[0] <= window <= ages[-1]:
        raise ValueError(f"a payback window must lie within the ages {ages[0]:g} to {ages[-1]:g}, got {window:g}")
    after = min(int(np.searchsorted(ages, window, side="right")), ages.size - 1)
    before = max(after - 1, 0)
    width = ages[after] - ages[before]
    part = (window - ages[before]) / width if width > 0 else 0.0
    return bid_on_average((1 - part) * curve[:, before] + part * curve[:, after], conversion, ess=ess)


def headroom(
    pav: np.ndarray,
    marginal_cost: np.ndarray | float,
    conversion: np.ndarray | float = 1.0,
    noise: np.ndarray | float = 0.0,
    ess: float = np.nan,
) -> Headroom:
    """What the bid leaves above the cost of *one more* customer (lead, visitor), draw by draw.

    The marginal cost, not the average one: where a channel saturates the next customer costs more than the last. On
    the same unit as the bid: of a visitor with `conversion`.
    """
    room = np.asarray(pav * conversion - marginal_cost)
    value, mcse = estimate(room, np.asarray(noise * conversion), ess)
    return Headroom(value, mcse, float((room > 0).mean()))
