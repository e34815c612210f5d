"""Every figure of a run per draw and per world: what questions asked afterwards are answered from."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from clvsim.decision import Expectation


class Draws(NamedTuple):
    """Figures by metric and scenario, nan where one does not exist; the baseline is the first scenario.

    `metrics` (m,) and `scenarios` (s,) are names. `expected` (m, s, draw): luck and shocks averaged out, all nan of a
    metric that is realised only. `realised` (m, s, world): what happens in each world, draws slowest. Of the metric
    that scenarios are decided on, `decided`: `delta` (s, draw), expected differences to the baseline, and `noise`
    (s, draw), simulated − expected of each. `curve`, `cash` (s, draw, age + 1): what a newcomer is expected to have
    brought by each month of own age, discounted to the first order and not, acquisition cost not deducted; all nan
    without newcomers or a margin. `lines` (s, line, draw) and their names, `account/cause`: simulated totals of each
    line of the ledgers, discounted to today; nan of a line that a scenario does not have. `there` (draw, 2): customers
    of today who are expected to be still there, today and in a month. `inputs` (draw, input) and their names: uncertain
    numbers. `effective`: independent draws that these are worth.
    """

    decided: str
    metrics: tuple[str, ...]
    scenarios: tuple[str, ...]
    expected: np.ndarray
    realised: np.ndarray
    delta: np.ndarray
    noise: np.ndarray
    curve: np.ndarray
    cash: np.ndarray
    lines: np.ndarray
    line_names: tuple[str, ...]
    there: np.ndarray
    inputs: np.ndarray
    input_names: tuple[str, ...]
    effective: float

    def level(self, metric: str, scenario: str) -> np.ndarray:
        """Expected values, (draw,). Raises KeyError for a metric or a scenario that there is not."""
        return self.expected[_place(self.metrics, metric), _place(self.scenarios, scenario)]

    def worlds(self, metric: str, scenario: str) -> np.ndarray:
        """Realised values, (world,). Raises KeyError for a metric or a scenario that there is not."""
        return self.realised[_place(self.metrics, metric), _place(self.scenarios, scenario)]

    def line(self, name: str, scenario: str) -> np.ndarray:
        """Totals of a line, (draw,), 0 where a scenario does not have it."""
        if name not in self.line_names:
            return np.zeros(self.delta.shape[1])
        return np.nan_to_num(self.lines[_place(self.scenarios, scenario), self.line_names.index(name)])

    def change(self, scenario: str) -> Expectation:
        """The decided metric's difference to the baseline. Raises KeyError for a scenario that there is not."""
        place = _place(self.scenarios, scenario)
        return Expectation(self.delta[place], self.noise[place])


def _place(names: tuple[str, ...], name: str) -> int:
    try:
        return names.index(name)
    except ValueError:
        raise KeyError(name) from None


def stack(by_name: Mapping[str, np.ndarray], names: tuple[str, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Arrays of one shape, in the order of their names; nan where there is none."""
    missing = np.full(shape, np.nan)
    return np.stack([by_name.get(name, missing) for name in names])
