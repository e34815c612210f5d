"""Which uncertain numbers the uncertainty of a figure comes from.

NumPy only. Axis 0 is the draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clvsim.decision.crossfit import FEWEST_DRAWS, FOLDS, CrossFit
from clvsim.decision.figures import REFUSED_BELOW, Estimate
from clvsim.decision.regression import Basis
from clvsim.decision.splines import Splines, as_columns


class BlockShare(NamedTuple):
    """Of one block: its share of the variance, at least 0, and 5 and 95 % quantiles of E[Y | block] (the tornado)."""

    share: float
    mcse: float
    low: float
    high: float


@dataclass(frozen=True)
class UncertaintyShares:
    """`blocks` by name, largest first; `total`: their sum; `joint`: the share of all blocks in one regression.

    1 − `joint` is what no sum of functions of single numbers follows, or comes from numbers that are in no block.
    """

    blocks: Mapping[str, BlockShare]
    total: Estimate
    joint: Estimate

    @property
    def overlap(self) -> bool:
        """Whether blocks that depend on each other count some of it twice, or cancel out, beyond Monte Carlo error."""
        error = float(np.hypot(self.total.mcse, self.joint.mcse))
        return abs(self.total.value - self.joint.value) > REFUSED_BELOW * error


def shares_of_uncertainty(
    values: np.ndarray,
    blocks: Mapping[str, np.ndarray],
    noise: np.ndarray | None = None,
    ess: float = np.nan,
) -> UncertaintyShares:
    """S_B = Var E[Y | block] / Var E[Y | all], less what chance alone brings.

    Args:
        values: (n,) expected values: E[Y | all].
        blocks: by name (n, k) uncertain numbers, columns as `evppi` takes them.
        noise: (n,) simulated − expected value, as `Expectation` has it.
        ess: how many independent draws they are worth, by default all.

    The first-order index (Sobol' 1993; Saltelli et al. 2008, "Global Sensitivity Analysis: The Primer", chapter 4). Var
    E[Y | block] is the covariance of values + noise with ĝ of the other folds, within folds: of a block that has
    nothing to do with Y its mean is 0. The tornado is ĝ of all draws. Errors are those of a mean of products.

    Not modelled: products of two columns, in `joint` neither; whether a cause or a companion moves the figure.

    Raises ValueError on arrays that do not fit, that are not finite, or on fewer than 50 draws.
    """
    values = np.asarray(values, dtype=np.float64)
    arrays = {name: as_columns(block) for name, block in blocks.items()}
    figure = values if noise is None else values + noise
    for name, block in arrays.items():
        if values.shape != (block.shape[0],) or figure.shape != values.shape or not np.isfinite(figure).all():
            raise ValueError(f"values must be finite with shape ({block.shape[0]},) of block {name}: {values.shape}")
    if values.size < FEWEST_DRAWS:
        raise ValueError(f"shares of uncertainty take {FEWEST_DRAWS} draws, got {values.size}")
    variance = float(values.var(ddof=1))
    if not arrays or variance == 0:
        nothing = {name: BlockShare(0.0, 0.0, *[float(values.mean())] * 2) for name in arrays}
        return UncertaintyShares(nothing, Estimate(0.0, 0.0), Estimate(0.0, 0.0))
    centred = (values - values.mean()) ** 2 / variance
    columns = {name: Splines.of(block).columns(block) for name, block in arrays.items()}
    parts = {name: _explained(figure, of_block) / variance for name, of_block in columns.items()}
    explained = {name: _ratio(part, centred, ess) for name, part in parts.items()}
    joint = _ratio(_explained(figure, np.column_stack(list(columns.values()))) / variance, centred, ess)
    kept = [part for name, part in parts.items() if explained[name].value > 0]
    total = _ratio(np.sum(kept, axis=0), centred, ess) if kept else Estimate(0.0, 0.0)
    found = {
        name: BlockShare(max(0.0, share.value), share.mcse, *_quantiles(figure, columns[name]))
        for name, share in explained.items()
    }
    return UncertaintyShares(dict(sorted(found.items(), key=lambda item: -item[1].share)), total, joint)


def _explained(figure: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Products (n,) whose mean is Var E[Y | columns]; 0 where no column varies."""
    if columns.shape[1] == 0:
        return np.zeros(figure.size)
    predicted = CrossFit.make(figure[:, None], columns).predictions()[1][0, 0, :, 0]
    products = np.empty(figure.size)
    for fold in range(FOLDS):
        rows = slice(fold, None, FOLDS)
        inside, outside = figure[rows] - figure[rows].mean(), predicted[rows] - predicted[rows].mean()
        products[rows] = inside * outside * inside.size / (inside.size - 1)
    return products


def _ratio(products: np.ndarray, centred: np.ndarray, ess: float) -> Estimate:
    """Mean of products over a variance of 1, whose own draws are `centred`: the error of both together."""
    share = float(products.mean())
    spread = (products - share * centred).std(ddof=1)
    return Estimate(share, float(spread / np.sqrt(products.size if np.isnan(ess) else ess)))


def _quantiles(figure: np.ndarray, columns: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(Basis.make(columns).fit(figure).values, [0.05, 0.95])
    return float(low), float(high)
