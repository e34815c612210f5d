"""What the expected values of a scenario are regressed on: uncertain numbers, the revenue it reaches, neutral draws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from clvsim import decision
from clvsim.comparison.neutral import neutral_draws
from clvsim.interventions.base import CostEntry, OfferTerms
from clvsim.metrics import per_spend
from clvsim.scenario import BASELINE
from clvsim.simulation import levels
from clvsim.simulation.run import SimulatedScenario, Simulation


@dataclass(frozen=True)
class Design:
    """Columns of a scenario's regressions, of counts and of money (n, p), their scale (n,), > 0, and draws in which it
    does nothing, (n,).
    """

    of_counts: np.ndarray
    of_money: np.ndarray
    scale: np.ndarray
    neutral: np.ndarray
    _made: dict[bytes, list[decision.Basis]] = field(default_factory=dict, repr=False)

    def bases(
        self, per: np.ndarray | None = None, usable: np.ndarray | None = None, *, money: bool = True
    ) -> list[decision.Basis]:
        """A basis of the draws in which the scenario acts and one of those in which it does not, where there are any.

        `per` (n,) multiplies the scale; draws outside `usable` (n,) are in neither; `money`: of a figure in money.
        """
        usable = np.ones(self.neutral.size, bool) if usable is None else usable
        scale = self.scale if per is None else self.scale * per
        there = scale > 0  # not so where everybody is lost: nothing is left to be explained
        scale = np.where(there, scale, scale[there].mean() if there.any() else 1.0)
        key = scale.tobytes() + usable.tobytes() + bytes([money])
        if key not in self._made:
            groups = (usable & ~self.neutral, usable & self.neutral)
            columns = self.of_money if money else self.of_counts
            self._made[key] = [decision.Basis.make(columns, scale, rows) for rows in groups if rows.any()]
        return self._made[key]


def make_designs(simulation: Simulation) -> dict[str, Design]:
    """By scenario; that of the baseline is for its levels, of which no draw is neutral."""
    baseline = simulation.scenarios[BASELINE].compiled.mechanisms
    nothing = np.zeros(simulation.draws, bool)
    return {
        name: Design(
            *columns_of(simulation, scenario),
            levels.touched_revenue(simulation, scenario),
            nothing if name == BASELINE else neutral_draws(scenario.compiled.mechanisms, baseline, simulation.draws),
        )
        for name, scenario in simulation.scenarios.items()
    }


def columns_of(simulation: Simulation, scenario: SimulatedScenario) -> tuple[np.ndarray, np.ndarray]:
    """Columns of counts and of money, (n, p) each, from all uncertain numbers but the effects of other scenarios.

    Those of money hold, with an offer or a cost per order, also orders per unit of revenue: what these bring is a share
    of orders, whatever orders amount to.
    """
    foreign_paths = {
        path
        for simulated in simulation.scenarios.values()
        for path in simulated.compiled.inputs
        if path not in scenario.compiled.inputs
    }
    names = [c for c in simulation.inputs.columns if c not in foreign_paths]
    effects = np.array([name in scenario.compiled.inputs for name in names], bool)
    by_order = any(
        isinstance(m, OfferTerms) or (isinstance(m, CostEntry) and m.per == "order")
        for m in scenario.compiled.mechanisms
    )
    inputs, growth = simulation.inputs[names].to_numpy(float), shares_of(scenario, simulation.draws)
    of_counts = decision.features(inputs, effects, growth)
    if not by_order:
        return of_counts, of_counts
    return of_counts, decision.features(inputs, effects, np.column_stack([per_spend(simulation), growth]))


def shares_of(scenario: SimulatedScenario, draws: int) -> np.ndarray:
    """What is in proportion to a share that varies over orders of magnitude, beside logs of inputs, (n, columns).

    Of referrals the share of orders that bring somebody, and its square for those whom these bring; of a win-back its
    lift; of a next product the share who go over to it.
    """
    offers = [m for m in scenario.compiled.mechanisms if isinstance(m, OfferTerms)]
    columns = [m.win_back.lift[:draws] for m in offers if m.win_back]
    columns += [m.take[:draws] for m in offers if m.next_product]
    if referred := [m.take[:draws] for m in offers if m.referral]:
        share = np.sum(referred, axis=0)
        columns += [share, share**2]
    return np.column_stack(columns) if columns else np.empty((draws, 0))


Designs = Mapping[str, Design]
PerDraw = Callable[[Simulation], np.ndarray]
