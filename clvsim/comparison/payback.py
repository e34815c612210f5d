"""Payback: cumulative contribution of a newcomer by own age, on average per draw, against the cost of acquisition."""

from collections.abc import Mapping

import numpy as np

from clvsim import decision
from clvsim.comparison.designs import Design
from clvsim.comparison.expected import has_common_shocks, has_levers, per_draw
from clvsim.metrics import PAYBACK, per_newcomer
from clvsim.scenario import BASELINE
from clvsim.simulation import levels
from clvsim.simulation.run import SimulatedScenario, Simulation
from clvsim.types import PaybackCurve


def payback_curve(
    simulation: Simulation, name: str, designs: Mapping[str, Design]
) -> tuple[PaybackCurve, np.ndarray]:
    """Cumulative contribution per acquired customer by own age, and the payback month of each draw (inf: never).

    Discounted to the own first order, which stands at age 0; customers who are lost count 0. Payback is the first month
    of age from which the curve stays at or above the draw's acquisition cost.

    Raises ValueError without acquisition channels.
    """
    acquired = simulation.scenarios[name].acquired
    if acquired is None:
        raise ValueError("payback needs acquisition channels")
    cost = per_draw(simulation, acquired.cac)
    curve = expected_curve(simulation, name, designs)
    exists = np.isfinite(curve).all(axis=1) & np.isfinite(cost)
    curve, cost = curve[exists], cost[exists]
    month = payback_months(curve, cost)
    low, high = np.quantile(curve, [0.05, 0.95], axis=0)
    middle = float(np.quantile(month, 0.5, method="higher"))
    return (
        PaybackCurve(
            months=np.arange(curve.shape[1]),
            mean=curve.mean(axis=0),
            p05=low,
            p95=high,
            cac_mean=float(cost.mean()),
            payback_p50_months=middle if np.isfinite(middle) else float("nan"),
            p_within_12_months=float((month <= 12).mean()),
            p_never=float(np.isinf(month).mean()),
        ),
        month,
    )


def expected_curve(simulation: Simulation, name: str, designs: Mapping[str, Design]) -> np.ndarray:
    """Expected cumulative contribution per newcomer, (draws, ages + 1), column 0 at the first order.

    The baseline's closed form, and a regression of the difference in each month of age.
    """
    base = simulation.scenarios[BASELINE]
    curve = levels.expected_age_curve(simulation)
    start = by_age(simulation, base)
    shocks = has_common_shocks(simulation)
    if shocks or has_levers(base):
        curve = curve + _smoothed(simulation, start - np.diff(curve, axis=1), designs[BASELINE], curve.shape[1])
    if name == BASELINE:
        return curve
    change = by_age(simulation, simulation.scenarios[name]) - start
    return curve + _smoothed(simulation, change, designs[name], curve.shape[1])
