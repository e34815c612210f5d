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
    `overlap`: whether the sum differs from `joint` beyond Monte Carlo error, because blocks that depend on each other
    count some of it twice, or cancel out.
    """

    blocks: Mapping[str, BlockShare]
    total: Estimate
    joint: Estimate
    overlap: bool


class _Explained(NamedTuple):
    """Products (n,) whose mean is Var E[Y | columns], and the influence (n,) of each draw on that mean."""

    products: np.ndarray
    influence: np.ndarray


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
    nothing to do with Y its mean is 0. The tornado is ĝ of all draws. Errors are from
    the influence of single draws.

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
        return UncertaintyShares(nothing, Estimate(0.0, 0.0), Estimate(0.0, 0.0), overlap=False)
    figure = figure / np.sqrt(variance)
    own = (values - values.mean()) ** 2 / variance
    columns = {name: Splines.of(block).columns(block) for name, block in arrays.items()}
    parts = {name: _explained(figure, of_block) for name, of_block in columns.items()}
    together = _explained(figure, np.column_stack(list(columns.values())))
    counted = [part for part in parts.values() if part.products.mean() > 0]
    total = _Explained(*(np.sum([part[i] for part in counted], axis=0) + np.zeros(figure.size) for i in (0, 1)))
    difference = _ratio(_Explained(*(a - b for a, b in zip(total, together, strict=True))), own, ess)
    found = {}
    for name, part in parts.items():
        share = _ratio(part, own, ess)
        found[name] = BlockShare(max(0.0, share.value), share.mcse, *_quantiles(figure, columns[name], variance))
    return UncertaintyShares(
        blocks=dict(sorted(found.items(), key=lambda item: -item[1].share)),
        total=_ratio(total, own, ess),
        joint=_ratio(together, own, ess),
        overlap=abs(difference.value) > REFUSED_BELOW * difference.mcse,
    )


def _explained(figure: np.ndarray, columns: np.ndarray) -> _Explained:
    """Covariance of the figure y with ĝ of the other folds; 0 where no column varies.

    The influence on Var E[Y | columns] is 2(y − ȳ)(g − ḡ) − (g − ḡ)²: a draw that moves the figure moves ĝ too.
    """
    out = _Explained(np.zeros(figure.size), np.zeros(figure.size))
    if columns.shape[1] == 0:
        return out
    predicted = CrossFit.make(figure[:, None], columns).predictions()[1][0, 0, :, 0]
    for fold in range(FOLDS):
        rows = slice(fold, None, FOLDS)
        inside, outside = figure[rows] - figure[rows].mean(), predicted[rows] - predicted[rows].mean()
        out.products[rows] = inside * outside * inside.size / (inside.size - 1)
        out.influence[rows] = 2 * inside * outside - outside**2
    return out


def _ratio(explained: _Explained, own: np.ndarray, ess: float) -> Estimate:
    """Share of a variance of 1, which is the mean of `own` (n,): the error of both together."""
    share = float(explained.products.mean())
    spread = (explained.influence - share * own).std(ddof=1)
    return Estimate(share, float(spread / np.sqrt(own.size if np.isnan(ess) else ess)))


def _quantiles(figure: np.ndarray, columns: np.ndarray, variance: float) -> tuple[float, float]:
    low, high = np.quantile(Basis.make(columns).fit(figure).values, [0.05, 0.95]) * np.sqrt(variance)
    return float(low), float(high)
