"""What it is worth to learn one thing: fully (EVPPI), or by a sample (EVSI).

NumPy and SciPy's special functions only. Axis 0 is the draw, axis 1 the option. Decisions are by expected values, by
somebody who is neutral to risk and chooses once.
"""

from dataclasses import dataclass

import numpy as np

from clvsim.decision.crossfit import FEWEST_DRAWS, CrossFit
from clvsim.decision.figures import REFUSED_BELOW, evpi
from clvsim.decision.splines import Splines, as_columns
from clvsim.special import ndtri

NEAR_NORMAL = 0.95  # squared correlation of sorted draws with normal quantiles
_BOOTSTRAPS, _AT_ONCE = 100, 25  # the error is right to 7 %
_TRUTHS_AT_ONCE = 64  # whose weights of all draws stay in a core's cache
_NODES, _NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class PartialInformation:
    """Expected value of knowing one block of uncertain numbers.

    `value`: None where refused, and then `refused` is the reason, a sentence; 0 where choices made with the block do
    no better than the choice now. `estimate` is never refused, from 0 to the EVPI; `best`: the option now.
    """

    value: float | None
    estimate: float
    mcse: float
    best: int
    refused: str = ""


@dataclass(frozen=True)
class SampleInformation:
    """Expected value of a test by its size: `per_arm`, `estimate` and `mcse` (g,), and the limit of an endless one."""

    per_arm: np.ndarray
    estimate: np.ndarray
    mcse: np.ndarray
    limit: PartialInformation
    nested: bool  # draws weighed by their likelihood, where the block is not near normal

    @property
    def value(self) -> np.ndarray:
        """The estimate, nan below three Monte Carlo standard errors."""
        return np.where(self.estimate >= REFUSED_BELOW * self.mcse, self.estimate, np.nan)


def evppi(
    values: np.ndarray,
    block: np.ndarray,
    noise: np.ndarray | None = None,
    ess: float = np.nan,
    *,
    errors: bool = True,
) -> PartialInformation:
    """Mean of max_a ĝ_a(φ) − max of mean: what it is worth to know the block φ before choosing.

    Args:
        values: (n, s) expected values, as of `evpi`.
        block: φ (n, k), each column best on a scale on which its draws are near normal: logs of positive numbers. A
            column may be a function of the others, the logs of expected orders for one, which helps where values
            depend on products.
        noise: (n, s) simulated − expected value, as `Expectation` has it.
        ess: how many independent draws they are worth, by default all.
        errors: False leaves out the bootstrap (mcse nan), which nothing is refused without.

    ĝ_a regresses values + noise on splines of φ (Strong, Oakley and Brennan 2014, "Estimating multiparameter partial
    expected value of perfect information from a probabilistic sensitivity analysis sample: a nonparametric regression
    approach", Medical Decision Making 34(3)), cross-fitted: the option that ĝ of four fifths of the draws chooses is
    valued by ĝ of the fifth itself. Its error is a bootstrap that refits, with the residuals' signs and the weights of
    draws made anew (as in `rank`).

    Not modelled: interactions of columns beyond a sum of functions; they make the figure smaller.

    Raises ValueError on arrays whose shapes do not fit or that are not finite.
    """
    return _information(values, block, noise, ess, (), errors)[0]


def evsi(
    values: np.ndarray,
    delta: np.ndarray,
    per_arm: np.ndarray | float,
    prior_size: np.ndarray | float,
    noise: np.ndarray | None = None,
    ess: float = np.nan,
    *,
    errors: bool = True,
) -> SampleInformation:
    """What a test of each size n is worth that measures δ with a variance of n₀/n times that of its draws.

    Args:
        values: (n, s) as of `evppi`, the totals of the plan: nothing is multiplied by people any more.
        delta: δ (n,) or (n, k), what the test measures, on the scale of its standard error.
        per_arm: (g,) sizes n of an arm, ≥ 0.
        prior_size: n₀, or (k,) one of each column, from `prior_size`: how large a sample the prior is worth. Infinite
            for a column of which the test shows nothing.
        noise: (n, s) as of `evppi`.
        ess: how many independent draws they are worth, by default all.
        errors: False leaves out the bootstraps (mcse nan), to compare many sizes.

    Near normal δ: moment matching (Heath, Manolopoulou and Baio 2018, "Efficient Monte Carlo estimation of the expected
    value of sample information using moment matching", Medical Decision Making 38(2)). Means after the test are
    z_d = δ̄ + √(n/(n+n₀))(δ_d − δ̄). The value of an option is then the mean of ĝ_a over what is left of δ around z_d,
    normal with n₀/(n+n₀) of the variance; of a straight ĝ this is ĝ_a(z_d). Otherwise, as of a mixture: each draw in
    turn is the truth, the test gives δ_d plus normal error, and all draws are weighed by its likelihood.

    0 at n = 0, the EVPPI for n → ∞. Not modelled: what the test costs (`split_tests`), and that a test may measure
    another δ than the plan will have (novelty, season, other people).

    Raises ValueError as `evppi`, and on sizes that are negative.
    """
    delta = as_columns(delta)
    sizes = np.atleast_1d(np.asarray(per_arm, dtype=np.float64))
    prior = np.broadcast_to(np.asarray(prior_size, dtype=np.float64), delta.shape[1:])
    if not (sizes >= 0).all() or not (prior >= 0).all():
        raise ValueError(f"sizes must not be negative, got {sizes} and {prior}")
    nested = not all(near_normal(column) for column in delta.T)
    limit, estimate, mcse = _information(
        values, delta, noise, ess, tuple(_kept(n, prior) for n in sizes), errors, nested=nested
    )
    return SampleInformation(sizes, estimate, mcse, limit, nested)


def prior_size(se2: float, per_arm: float, delta: np.ndarray) -> float:
    """n₀ = n·se²(n)/Var δ: the test as large as which the draws (n,) of δ are; infinite where δ does not vary."""
    variance = float(np.var(delta))
    return per_arm * se2 / variance if variance > 0 else np.inf


def log_odds_se2(per_arm: float, p0: float, p1: float) -> float:
    """Variance of a difference in log odds from n per arm: 1/(n p₀q₀) + 1/(n p₁q₁)."""
    for p in (p0, p1):
        if not 0 < p < 1:
            raise ValueError(f"a share must lie between 0 and 1, got {p}")
    return (1 / (p0 * (1 - p0)) + 1 / (p1 * (1 - p1))) / per_arm


def rate_se2(per_arm: float, mean_rate: float, window: float, cv: float) -> float:
    """Variance of a difference in log order rates from n customers per arm, each watched for `window`.

    (2/n)(1/(λ̄τ) + CV²), CV the coefficient of variation of customers' expected orders within the window, deaths
    included. The window in the unit of time of the rate.
    """
    if not (mean_rate > 0 and window > 0 and cv >= 0):
        raise ValueError(f"rate and window must be above 0, the cv not below: {mean_rate}, {window}, {cv}")
    return 2 / per_arm * (1 / (mean_rate * window) + cv**2)


def near_normal(draws: np.ndarray) -> bool:
    """Whether sorted draws (n,) lie on normal quantiles (Shapiro and Francia 1972); True where they do not vary."""
    if np.ptp(draws) <= 1e-12 * np.abs(draws).max():
        return True
    quantiles = ndtri((np.arange(draws.size) + 0.5) / draws.size)
    return float(np.corrcoef(np.sort(draws), quantiles)[0, 1]) ** 2 >= NEAR_NORMAL


# --- how it is worked out ---------------------------------------------------------------------------------------------


def _kept(per_arm: float, prior: np.ndarray) -> np.ndarray:
    """Share of each column's variance that the means after the test have, (k,)."""
    if per_arm == 0:
        return np.zeros(prior.size)
    return 1 / (1 + prior / per_arm)


def _information(
    values: np.ndarray,
    block: np.ndarray,
    noise: np.ndarray | None,
    ess: float,
    shares: tuple[np.ndarray, ...],
    errors: bool,
    *,
    nested: bool = False,
) -> tuple[PartialInformation, np.ndarray, np.ndarray]:
    """The EVPPI; estimate and error of the EVSI where shares of each column's variance are learnt."""
    values, block = _checked(values, block, noise)
    n = values.shape[0]
    most = evpi(values)
    unknown = np.full(len(shares), np.nan)
    if n < FEWEST_DRAWS:
        reason = f"It takes {FEWEST_DRAWS} draws to tell, and there are {n}."
        return PartialInformation(None, np.nan, np.nan, most.best, reason), unknown, unknown
    splines = Splines.of(block)
    columns = splines.columns(block)
    if columns.shape[1] == 0:  # nothing to learn
        nothing = np.zeros(len(shares))
        return PartialInformation(0.0, 0.0, 0.0, most.best), nothing, nothing
    learnt = _weighed if nested else _matched
    points = tuple(learnt(splines, columns, block, share) for share in shares)
    figures = values if noise is None else values + noise
    fit = CrossFit.make(figures, columns, *points)
    gains = np.clip(_gains(*fit.predictions(), np.full((1, n), 1 / n))[0], 0.0, most.estimate)
    rounding = 1e-12 * np.abs(figures).max()
    gains[gains < rounding] = 0.0
    spread = _errors(fit, n, ess) if errors else np.full(gains.size, np.nan)
    spread[spread < rounding] = 0.0
    estimate, mcse = float(gains[0]), float(spread[0])
    reason = ""
    if 0 < estimate < REFUSED_BELOW * mcse:
        reason = f"With {n} draws it cannot be told from 0: its Monte Carlo error is {mcse / estimate:.0%} of it."
    limit = PartialInformation(None if reason else estimate, estimate, mcse, most.best, reason)
    return limit, np.minimum(gains[1:], estimate), spread[1:]


def _checked(values: np.ndarray, block: np.ndarray, noise: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    values, block = np.asarray(values, dtype=np.float64), as_columns(block)
    if values.ndim != 2 or values.shape[0] != block.shape[0] or not np.isfinite(values).all():
        raise ValueError(f"values must be finite with shape ({block.shape[0]}, options), got {values.shape}")
    if noise is not None and (noise.shape != values.shape or not np.isfinite(noise).all()):
        raise ValueError(f"noise must be finite with shape {values.shape}, got {noise.shape}")
    return values, block


def _matched(splines: Splines, columns: np.ndarray, block: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean of the columns (n, p) over what is left of the block, around means that have `share` (k,) of its variance.

    Functions of single columns, so that only the spread of each matters.
    """
    middle = block.mean(axis=0)
    means = middle + np.sqrt(share) * (block - middle)
    left = np.sqrt(1 - share) * block.std(axis=0)
    out = np.zeros_like(columns)
    for node, weight in zip(_NODES, _NODE_WEIGHTS / _NODE_WEIGHTS.sum(), strict=True):
        out += weight * splines.columns(means + node * left)
    return out


def _weighed(splines: Splines, columns: np.ndarray, block: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Mean of the columns (n, p) over draws weighed by the likelihood of what a test shows where draw d is true.

    Its error has (1 − share)/share times the block's variance, here normal quantiles in one random order for all.
    """
    n, known = block.shape[0], (share > 0) & (block.std(axis=0) > 0)
    error = np.sqrt((1 - share[known]) / share[known]) * block[:, known].std(axis=0)
    rng = np.random.default_rng([n, 0])
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    pairs = []
    for column, sd in zip(block[:, known].T, error, strict=True):
        shown, scale = column + sd * rng.permutation(quantiles), max(sd, 1e-9 * np.ptp(column))
        pairs.append((shown[:, None] / scale, column / scale))
    out = np.empty_like(columns)
    for low in range(0, n, _TRUTHS_AT_ONCE):
        rows = slice(low, min(n, low + _TRUTHS_AT_ONCE))
        distance = np.zeros((rows.stop - low, n))
        for shown, true in pairs:
            distance += np.square(shown[rows] - true)
        weights = np.exp(-0.5 * (distance - distance.min(axis=1, keepdims=True)))
        out[rows] = weights @ columns / weights.sum(axis=1, keepdims=True)
    return out


def _gains(own: np.ndarray, others: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the option chosen per draw less the best of means, (b, points), from figures (b, points, n, s)."""
    chosen = np.take_along_axis(own, others.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return np.einsum("bpn,bn->bp", chosen, weights) - np.einsum("bpns,bn->bps", own, weights).max(axis=-1)


def _errors(fit: CrossFit, n: int, ess: float) -> np.ndarray:
    """Standard deviation of the gains over bootstraps, (points,)."""
    rng = np.random.default_rng([n, fit.points])
    signs = rng.standard_normal((_BOOTSTRAPS, n))
    weights = rng.gamma((n if np.isnan(ess) else min(ess, n)) / n, size=(_BOOTSTRAPS, n))
    weights /= weights.sum(axis=1, keepdims=True)
    parts = [
        _gains(*fit.predictions(signs[start : start + _AT_ONCE]), weights[start : start + _AT_ONCE])
        for start in range(0, _BOOTSTRAPS, _AT_ONCE)
    ]
    return np.concatenate(parts).std(axis=0, ddof=1)
