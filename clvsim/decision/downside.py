"""What the worst futures bring. NumPy only."""

import numpy as np

from clvsim.decision.figures import Estimate

WORST = 0.10


def downside(levels: np.ndarray, share: float = WORST, ess: float = np.nan) -> Estimate:
    """Mean of the worst tenth of realised levels (worlds,), with its Monte Carlo error; nan for a single world's.

    Luck, shocks and parameters are in it where they are in the levels. Of a difference between scenarios it says
    nothing that happens to anybody, unless the values are expected ones, and then luck is left out: label it so.
    `ess`: how many independent worlds they are worth, by default all.

    The expected shortfall (Acerbi and Tasche 2002, "On the coherence of expected shortfall", Journal of Banking &
    Finance 26(7)): a part of a world counts as a part. The error is that of the mean of q − (q − x)⁺/share at the
    quantile q, which holds for many worlds (Manistre and Hancock 2005, "Variance of the CTE estimator", North American
    Actuarial Journal 9(2)).

    Raises ValueError where levels are empty or not finite, or the share is not within (0, 1].
    """
    levels = np.asarray(levels, dtype=np.float64).ravel()
    if levels.size == 0 or not np.isfinite(levels).all() or not 0 < share <= 1:
        raise ValueError(f"levels must be finite, at least one, and 0 < share <= 1: {levels.shape}, {share}")
    counted = share * levels.size
    mean = float(worst_weights(levels, share) @ levels)
    if levels.size < 2:
        return Estimate(mean, np.nan)
    threshold = np.sort(levels)[int(np.ceil(counted - 1e-9)) - 1]
    influence = np.maximum(threshold - levels, 0) / share
    return Estimate(mean, float(influence.std(ddof=1) / np.sqrt(levels.size if np.isnan(ess) else ess)))


def worst_weights(levels: np.ndarray, share: float = WORST) -> np.ndarray:
    """Weights (n,) that sum to 1 and make the mean of the worst share of levels (n,)."""
    counted = max(share * levels.size, np.finfo(np.float64).tiny)
    weights = np.empty(levels.size)
    weights[np.argsort(levels, kind="stable")] = np.clip(counted - np.arange(levels.size), 0, 1) / counted
    return weights
