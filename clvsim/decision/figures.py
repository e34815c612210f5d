"""Figures from expected values: means, P(better), P(best), expected loss, value of information, with their errors.

NumPy only. Axis 0 is always the draw, axis 1 the option. A Monte Carlo standard error (mcse) has two parts: what single
paths and shocks leave in a fitted expectation, and that draws are finite in number; and a third where not all customers
are simulated.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clvsim.decision.expectation import Expectation

BOOTSTRAPS = 200
REFUSED_BELOW = 3  # standard errors
FEWEST_OF_A_GROUP = 10  # draws
TOLERATED_ERROR = 0.10  # of a mean difference, over the standard deviation of its draws


class Estimate(NamedTuple):
    """A mean over draws and its Monte Carlo standard error."""

    value: float
    mcse: float


class Summary(NamedTuple):
    """Mean with its Monte Carlo standard error and a 90 % interval."""

    mean: float
    mcse: float
    p05: float
    p50: float
    p95: float


@dataclass(frozen=True)
class InformationValue:
    """Expected value of perfect information; `value` is None below three Monte Carlo standard errors."""

    value: float | None
    estimate: float  # least expected loss, whatever its error
    mcse: float
    best: int  # column with the least expected loss


class Ranking(NamedTuple):
    """Figures by option, each (s,) with its error; the first option is the baseline, whose P(better) is nan."""

    p_better: np.ndarray
    p_better_mcse: np.ndarray
    p_equal: np.ndarray
    p_best: np.ndarray
    p_best_mcse: np.ndarray
    loss: np.ndarray
    loss_mcse: np.ndarray
    evpi: InformationValue


def estimate(
    values: np.ndarray, noise: np.ndarray | float = 0.0, ess: float = np.nan, sampled: float = 0.0
) -> Estimate:
    """Mean of (n,) draws and its Monte Carlo standard error (nan for a single draw).

    `noise` (n,): simulated − expected value of each draw, as `Expectation` has it, and so is `sampled`; `ess`: how many
    independent draws they are worth, by default all.
    """
    if values.size < 2:
        return Estimate(float(values.mean()), np.nan)
    of_draws = values.var(ddof=1) / (values.size if np.isnan(ess) else ess)
    of_paths = float(np.sum(np.square(noise))) / values.size**2
    return Estimate(float(values.mean()), float(np.sqrt(of_draws + of_paths + sampled**2)))


def summary(values: np.ndarray, noise: np.ndarray | float = 0.0, ess: float = np.nan, sampled: float = 0.0) -> Summary:
    """Mean, its Monte Carlo standard error, median and 90 % interval of (n,) draws; arguments as of `estimate`."""
    p05, p50, p95 = np.quantile(values, [0.05, 0.5, 0.95])
    return Summary(*estimate(values, noise, ess, sampled), float(p05), float(p50), float(p95))


class Precision(NamedTuple):
    """Error of a mean over draws beside the spread of the draws.

    `share`: the error over the standard deviation of the draws, or over the mean where they are all alike. `more`:
    how many times the replicates that would bring it to 10 %; where draws are too few for that, until they are nearly
    all of the error. At most 1: there are enough. `sampled`: of `share` what simulating some customers only makes,
    which neither draws nor replicates bring down.
    """

    share: float
    more: float
    sampled: float = 0.0


def precision(expected: Expectation, ess: float = np.nan) -> Precision:
    """Of a difference; nan values are left out."""
    exists = np.isfinite(expected.values)
    values = expected.values[exists]
    if values.size < 2:
        return Precision(np.nan, 1.0)
    of_paths = float(np.sum(expected.noise[exists] ** 2)) / values.size**2
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    of_draws = variance / (values.size if np.isnan(ess) else ess)
    spread = variance if variance > 1e-18 * mean**2 else mean**2
    if spread == 0 or (of_paths == 0 and not expected.sampled):
        return Precision(0.0, 1.0)
    allowed = max(TOLERATED_ERROR**2 * spread - of_draws, of_draws / 4)
    error = of_paths + of_draws
    more = 1.0 if error <= TOLERATED_ERROR**2 * spread else of_paths / allowed
    share = float(np.sqrt((error + expected.sampled**2) / spread))
    return Precision(share, more, float(expected.sampled / np.sqrt(spread)))


def p_better(delta: np.ndarray) -> Estimate:
    """Share of draws (n,) in which the difference is positive; a tie counts one half."""
    return estimate(np.heaviside(delta, 0.5))


def p_best(values: np.ndarray) -> np.ndarray:
    """Share of draws (n, s) in which each option is the best (s,); options that tie share the draw. Sums to 1."""
    return shares_of_best(values).mean(axis=0)


def shares_of_best(values: np.ndarray) -> np.ndarray:
    """1 where an option is the best of its draw, shared where several are; options on the last axis.

    nan in a draw without a best: where an option is nan, as a figure per newcomer is where nobody comes.
    """
    winners = (values == values.max(axis=-1, keepdims=True)).astype(np.float64)
    number = winners.sum(axis=-1, keepdims=True)
    return np.divide(winners, number, out=np.full_like(winners, np.nan), where=number > 0)


def losses(values: np.ndarray) -> np.ndarray:
    """Best of the draw − the option; options on the last axis."""
    return values.max(axis=-1, keepdims=True) - values


def expected_loss(values: np.ndarray) -> np.ndarray:
    """Mean regret of each option (s,): best of the draw − the option, from values (n, s)."""
    return losses(values).mean(axis=0)


def evpi(values: np.ndarray, mcse: float | None = None) -> InformationValue:
    """Mean of max − max of mean of expected values (n, s), that is the least expected loss.

    Refused (None) below three of its Monte Carlo standard errors: `mcse`, by default that of values without noise.
    Exactly 0 when one option is best in every draw.
    """
    regret = losses(values)
    best = int(regret.mean(axis=0).argmin())
    least, of_draws = estimate(regret[:, best])
    error = of_draws if mcse is None else mcse
    # Without spread the loss is the same in every draw: 0, or the standard error of a single draw is unknown.
    return InformationValue(None if np.isnan(error) or least < REFUSED_BELOW * error else least, least, error, best)


def rank(
    deltas: Sequence[Expectation], ess: float = np.nan, seed: int = 0, sampling: np.ndarray | None = None
) -> Ranking:
    """Rank the baseline, at 0 in every draw, and options by their differences to it.

    Errors are a bootstrap over draws: each time the noise of every draw comes with another sign and size (the wild
    bootstrap; Wu 1986, "Jackknife, bootstrap and other resampling methods in regression analysis", Annals of
    Statistics 14(4)), the regressions are fitted again with their penalties, and draws are weighted anew (the Bayesian
    bootstrap; Rubin 1981, Annals of Statistics 9(1)), as if there were `ess` of them. Where customers were sampled
    the differences come with errors of covariance `sampling` (s, s), each the same in all draws but those in which an
    option does nothing.
    """
    n = deltas[0].values.size
    table = np.column_stack([np.zeros(n), *(delta.values for delta in deltas)])
    errors = _bootstrap(deltas, n, n if np.isnan(ess) else min(ess, n), seed, sampling)
    unknown = np.array([np.nan])
    return Ranking(
        p_better=np.append(unknown, np.heaviside(table[:, 1:], 0.5).mean(axis=0)),
        p_better_mcse=np.append(unknown, errors["better"]),
        p_equal=np.append(unknown, (table[:, 1:] == 0).mean(axis=0)),
        p_best=p_best(table),
        p_best_mcse=errors["best"],
        loss=expected_loss(table),
        loss_mcse=errors["loss"],
        evpi=evpi(table, float(errors["evpi"])),
    )


def _bootstrap(
    deltas: Sequence[Expectation], n: int, ess: float, seed: int, sampling: np.ndarray | None = None
) -> Mapping[str, np.ndarray]:
    """Standard deviations over bootstraps of P(better), P(best), expected loss by option, and of the EVPI."""
    if n < 2:
        return dict.fromkeys(("better", "best", "loss", "evpi"), np.array(np.nan))
    rng = np.random.default_rng([seed, n, len(deltas)])
    signs = rng.standard_normal((BOOTSTRAPS, n))  # the same for all options, whose noise is of the same paths
    weights = rng.gamma(ess / n, size=(BOOTSTRAPS, n))
    weights /= weights.sum(axis=1, keepdims=True)
    values = np.stack([np.zeros((BOOTSTRAPS, n)), *(delta.refits(signs) for delta in deltas)], axis=-1)

    if sampling is not None and sampling.any():
        acting = np.column_stack([delta.values != 0 for delta in deltas])
        values[:, :, 1:] += _normals(rng, sampling)[:, None] * acting

    def mean(of_draws: np.ndarray) -> np.ndarray:
        return np.einsum("bn,bns->bs", weights, of_draws)

    regret = mean(losses(values))
    figures = {
        "better": mean(np.heaviside(values[:, :, 1:], 0.5)),
        "best": mean(shares_of_best(values)),
        "loss": regret,
        "evpi": regret.min(axis=1),
    }
    return {name: _spread(figure) for name, figure in figures.items()}


def _normals(rng: np.random.Generator, covariance: np.ndarray) -> np.ndarray:
    """Normal errors of this covariance (s, s), (bootstraps, s)."""
    values, vectors = np.linalg.eigh(covariance)
    return rng.standard_normal((BOOTSTRAPS, len(values))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T


def _spread(bootstraps: np.ndarray) -> np.ndarray:
    """Standard deviation over axis 0, exactly 0 where nothing but rounding differs."""
    sd = bootstraps.std(axis=0, ddof=1)
    return np.where(sd > 1e-12 * np.abs(bootstraps).max(axis=0), sd, 0.0)


def between(values: np.ndarray, groups: np.ndarray) -> float | None:
    """Variance of the means of groups of draws, each as often as it has draws, less what chance alone brings.

    Var E[value | group] of a one-way analysis: with K groups of n draws in all, Σ n_k (m_k - m)²/n - (K - 1)/n times
    the mean square within them; at least 0. `groups` (n, columns): draws of equal rows are a group. None where fewer
    than two groups have `FEWEST_OF_A_GROUP` draws: of fewer a mean says nothing.
    """
    _, group, count = np.unique(groups, axis=0, return_inverse=True, return_counts=True)
    if (count >= FEWEST_OF_A_GROUP).sum() < 2:
        return None
    group = group.reshape(-1)
    means = np.bincount(group, values) / count
    within = float(((values - means[group]) ** 2).sum()) / (values.size - count.size)
    among = float(count @ (means - values.mean()) ** 2)
    return max(0.0, (among - (count.size - 1) * within) / values.size)
