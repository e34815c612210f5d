"""Payback: cumulative contribution of a newcomer by own age, on average per draw, against the cost of acquisition."""

from collections.abc import Mapping

import numpy as np

from clvsim import decision
from clvsim.comparison.designs import Design
from clvsim.comparison.expected import has_common_shocks, has_levers, per_draw
from clvsim.metrics import PAYBACK, per_newcomer
from clvsim.scenario import BASELINE
from clvsim.simulation import levels
from clvsim.simulation.ledger import Ledger
from clvsim.simulation.run import Simulation
from clvsim.types import PaybackCurve


def cost_of_one(simulation: Simulation, name: str) -> np.ndarray:
    """Acquisition cost of a newcomer, (draws,). Raises ValueError without acquisition channels."""
    acquired = simulation.scenarios[name].acquired
    if acquired is None:
        raise ValueError("payback needs acquisition channels")
    return per_draw(simulation, acquired.cac)


def payback_curve(curve: np.ndarray, cost: np.ndarray) -> tuple[PaybackCurve, np.ndarray]:
    """Summary of cumulative contributions per newcomer (draws, ages + 1) against the cost of one (draws,).

    And the payback month of each draw: the first month of age from which its curve stays at or above its cost, inf
    where there is none. Draws in which nobody comes (nan) are left out.
    """
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


def expected_curve(
    simulation: Simulation, name: str, designs: Mapping[str, Design], *, discounted: bool = True
) -> np.ndarray:
    """Expected cumulative contribution per newcomer, (draws, ages + 1), the first order at column 0.

    The baseline's closed form, and a regression of the difference in each month of age. Customers who are lost count 0.
    """
    base = simulation.scenarios[BASELINE]
    curve = levels.expected_age_curve(simulation, discounted=discounted)
    start = by_age(simulation, base.ledger, discounted=discounted)
    if has_common_shocks(simulation) or has_levers(base):
        steps = np.diff(curve, axis=1, prepend=0.0)
        curve = curve + _smoothed(simulation, start - steps, designs[BASELINE])
    if name != BASELINE:
        change = by_age(simulation, simulation.scenarios[name].ledger, discounted=discounted) - start
        curve = curve + _smoothed(simulation, change, designs[name])
    return curve


def curve_of_others(simulation: Simulation, name: str, designs: Mapping[str, Design], ledger: Ledger) -> np.ndarray:
    """The same of those newcomers of a scenario whom the baseline does not have, by their own ledger.

    A regression of what the closed form of the baseline's misses: luck is not shared with anybody there.
    """
    curve = levels.expected_age_curve(simulation)
    steps = np.diff(curve, axis=1, prepend=0.0)
    return curve + _smoothed(simulation, by_age(simulation, ledger) - steps, designs[name])


def by_age(simulation: Simulation, ledger: Ledger, *, discounted: bool = True) -> np.ndarray:
    """Simulated contribution per newcomer, (draws, ages + 1): of the first order, then of each month; nan: nobody."""
    cumulative = per_draw(simulation, ledger.contribution_by_age(discounted=discounted))
    people = per_draw(simulation, ledger.total("customers_acquired", age=True))
    return np.diff(cumulative, axis=1, prepend=0.0) / np.where(people > 0, people, np.nan)[:, None]


def _smoothed(simulation: Simulation, steps: np.ndarray, design: Design) -> np.ndarray:
    """Regressed differences of the steps of a curve, summed, both (draws, ages + 1)."""
    exists = np.isfinite(steps).all(axis=1)
    values = np.zeros_like(steps)
    for basis in design.bases(per_newcomer(simulation), exists):
        fits = [basis.fit(step).values for step in steps.T]
        at = np.union1d(basis.rows, np.flatnonzero(~exists & ~design.neutral))
        values[at] = np.column_stack(fits)[at]
    return np.cumsum(values, axis=1)


def payback_months(curve: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """First month (column) from which each row stays ≥ its cost; inf when the last month is below. (n, h+1) → (n,)."""
    below = curve < cost[:, None]
    last_below = below.shape[1] - 1 - np.argmax(below[:, ::-1], axis=1)
    first = np.where(below.any(axis=1), last_below + 1.0, 0.0)
    return np.where(first >= curve.shape[1], np.inf, first)


def payback_rows(
    simulation: Simulation, name: str, discounted: np.ndarray, undiscounted: np.ndarray, layers: str
) -> list[dict]:
    """Rows from the payback months of each draw. Payback is a property of expected cash per draw.

    Quantiles count draws without payback as infinitely late.
    """
    common = {"scenario": name, "basis": "expected", "layers": layers}
    rows = []
    for metric, month in zip(PAYBACK[:2], (discounted, undiscounted), strict=True):
        p05, p50, p95 = (float(q) for q in np.quantile(month, [0.05, 0.5, 0.95], method="higher"))
        rows.append(common | {"metric": metric, "unit": "months", "p05": p05, "p50": p50, "p95": p95})
    for metric, event in zip(PAYBACK[2:], (discounted <= 12, np.isinf(discounted)), strict=True):
        share = decision.estimate(event.astype(float), ess=simulation.effective_draws)
        rows.append(common | {"metric": metric, "unit": "share", "mean": share.value, "mean_mcse": share.mcse})
    return rows
