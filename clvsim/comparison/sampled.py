"""What simulating a sample of the customers adds to the error of each figure. docs/scale.md."""

from dataclasses import dataclass

import numpy as np

from clvsim.kernels.structs import COUNT_UNIT
from clvsim.metrics import Metric
from clvsim.simulation.run import Simulation
from clvsim.simulation.spread import EVEN, ODD, ORDERS, VALUE, Sampled, means_of

_KINDS = {"value": VALUE, "value per customer": VALUE, "orders": ORDERS}


@dataclass(frozen=True)
class SamplingErrors:
    """Of one metric, by scenario: covariance (s, s) of the errors of the baseline's mean and of the differences to it.

    All nan where a metric moves with the sample and nobody knows how: no customer's part of it is known.
    """

    names: tuple[str, ...]
    covariance: np.ndarray

    def delta(self, scenario: str) -> float:
        """Standard error of a mean difference; 0 of the baseline's to itself."""
        place = self.names.index(scenario)
        return float(np.sqrt(self.covariance[place, place])) if place else 0.0

    def level(self, scenario: str, *, known: bool = False) -> float:
        """Standard error of a mean level; `known`: that of the baseline is."""
        place = self.names.index(scenario)
        of = np.array(
            [0.0 if known and number == 0 else float(number in (0, place)) for number in range(len(self.names))]
        )
        return float(np.sqrt(max(of @ self.covariance @ of, 0.0)))

    @property
    def of_deltas(self) -> np.ndarray:
        """Covariance of the differences of all scenarios but the baseline."""
        return self.covariance[1:, 1:]


def sampling_errors(simulation: Simulation, metric: Metric) -> SamplingErrors:
    """Zero where everybody was simulated, and of what newcomers alone do."""
    names, sampled = tuple(simulation.scenarios), simulation.sampled
    nothing = np.zeros((len(names), len(names)))
    if sampled is None or metric.sampled == "":
        return SamplingErrors(names, nothing)
    if metric.sampled == "unknown":
        return SamplingErrors(names, nothing + np.nan)
    kind = _KINDS[metric.sampled]
    scale = (simulation.economics.money_scale if kind == VALUE else 1.0) / COUNT_UNIT
    if metric.sampled == "value per customer":
        scale /= sampled.sample.customers
    return SamplingErrors(names, scale**2 * covariance_of(sampled, simulation.worlds.draw, kind))


def share_in_error(sampled: Sampled, draw: np.ndarray) -> float:
    """Standard error of what today's customers bring under the baseline, as a share of it."""
    brought = means_of(sampled.spread, draw)[0, VALUE].mean(axis=0) @ sampled.sample.weight
    error = np.sqrt(covariance_of(sampled, draw, VALUE)[0, 0])
    return float(error / abs(brought)) if brought else 0.0


def covariance_of(sampled: Sampled, draw: np.ndarray, kind: int, *, with_luck: bool = False) -> np.ndarray:
    """Covariance (s, s) of weighted sums over the sample, around those over all customers, in ledger units.

    A lot gives one customer, drawn evenly: of W alike customers its sum has the variance W(W - 1) s². s² is half the
    mean square of the differences between neighbours along the line of one weight (collapsed strata; Cochran 1977,
    "Sampling Techniques", 5A.12), which is rather too large. Products of means over two halves of the draws hold no
    luck, which the error of means over draws holds already; `with_luck`: of what happened in these very worlds.
    """
    means = means_of(sampled.spread, draw)[:, kind]  # (s, 2, c)
    if with_luck or not (draw % 2 == 1).any():
        odd = float((draw % 2 == 1).mean())
        both = (1 - odd) * means[:, EVEN] + odd * means[:, ODD]
        means = np.stack([both, both], axis=1)
    total = np.zeros((len(means), len(means)))
    weights, starts, counts = np.unique(sampled.sample.weight, return_index=True, return_counts=True)
    for weight, start, count in zip(weights.tolist(), starts, counts, strict=True):
        own = means[:, :, start : start + count]
        steps, share = (np.diff(own, axis=2), count / (2 * (count - 1))) if count > 1 else (own, 1.0)
        products = steps[:, EVEN] @ steps[:, ODD].T
        total += weight * (weight - 1) * share * (products + products.T) / 2
    values, vectors = np.linalg.eigh(total)
    found = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return np.where(
        (total == 0).all(axis=0) | (total == 0).all(axis=0)[:, None], 0.0, found
    )  # exactly, what does nothing
