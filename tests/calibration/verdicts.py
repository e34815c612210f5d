"""What is counted over many worlds: how often intervals held the truth, and P(better) against how it turned out."""

from collections.abc import Sequence
from typing import Any

import numpy as np

CLASSES = 10  # of P(better)
LEVELS = (0.8, 0.9)


def share_within(worlds: Sequence[Any], figure: str, level: float) -> float:
    """Share of worlds in whose central interval of that level the figure lay."""
    ranks = np.array([result["ranks"][figure] for result in worlds])
    return float((np.abs(ranks - 0.5) <= level / 2).mean())


def covered(worlds: Sequence[Any]) -> float:
    """Share of worlds whose interval of the expected difference holds the true expectation."""
    return float(np.mean([low <= result["truth"] <= high for result in worlds for low, high in [result["interval"]]]))


def classes(worlds: Sequence[Any]) -> list[tuple[int, float, float]]:
    """Of each tenth of P(better): how many worlds, in how many of them the truth is better, and in how many it says."""
    p, better, of = _by_class(worlds)
    return [(int((of == k).sum()), float(better[of == k].sum()), float(p[of == k].sum())) for k in range(CLASSES)]


def chi_square(worlds: Sequence[Any]) -> float:
    """Sum over classes of (worlds that are better - foretold)^2 / variance.

    A class whose variance is below 1 joins the next one towards the middle, so that single worlds decide nothing.
    """
    p, better, of = _by_class(worlds)
    parts = np.stack([np.bincount(of, v, CLASSES) for v in (better - p, p * (1 - p))])
    for ends in (range(CLASSES // 2 - 1), range(CLASSES - 1, CLASSES // 2, -1)):
        for k in ends:
            if parts[1, k] < 1:
                inwards = k + 1 if k < CLASSES // 2 else k - 1
                parts[:, inwards] += parts[:, k]
                parts[:, k] = 0.0
    there = parts[1] > 0
    return float((parts[0, there] ** 2 / parts[1, there]).sum())


def _by_class(worlds: Sequence[Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    p, better = np.array([(result["p_better"], result["truth"] > 0) for result in worlds]).T
    return p, better, np.minimum((p * CLASSES).astype(int), CLASSES - 1)
