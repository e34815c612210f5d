"""Newcomers a month, learned from a log's first orders: level, damped slope, months of the year, over-dispersion.

    n_t ~ NegBin(mean e_t exp(l_t + s_t), size k),   e_t: the part of month t that the log has,
    l_{t+1} = l_t + g_t,   g_t = rho g_{t-1} + N(0, omega^2),   s of 12 months, their mean 0

    rho ~ Beta(18, 2),   omega ~ HalfNormal(.05),   k^(-1/2) ~ HalfNormal(.2),   s ~ N(0, tau^2), tau ~ HalfNormal(.3);
    the log's first slope ~ N(0, omega^2 / (1 - .9^2)); below two years of log, which do not tell a season from growth,
    tau ~ HalfNormal(.1).

l + s is normal given (rho, omega, k, tau), and the counts are log-concave in it: its posterior is taken as normal
around the mode, which also gives the evidence of the four (Rasmussen & Williams 2006, Gaussian Processes for Machine
Learning, algorithms 3.1 and 5.1; Rue, Martino & Chopin 2009, nested Laplace approximations). They are summed over by
importance sampling, from their prior first, then from normals around what was found. Nothing is random but the draws.
Not modelled: channels, campaigns, and a market that is exhausted. docs/arrivals.md.
"""

from datetime import date, timedelta
from itertools import product
from typing import NamedTuple

import numpy as np

from clvsim.anniversaries import Anchor, day_number, day_of_month, due_on, month_of
from clvsim.data.newcomers import YEAR, FirstOrders
from clvsim.kernels import rng
from clvsim.special import betaincinv, gammaincinv, gammaln, ndtr, ndtri

OMEGA, DISPERSION, SEASON, HARDLY = 0.05, 0.2, 0.3, 0.1  # scales of half-normals
FIRST_SLOPE = (1 - 0.9**2) ** -0.5  # sd in omegas: stationary at the mean of rho, which may be near 1
RHO = (18.0, 2.0)
TWO_YEARS = 23.5  # months; the first day of a log does not count
FROM_LOG = "acquisition.from_log"
_MANY, _FEWEST_DAYS = 1.5, 15  # times a mean month, and days, from which a month is named
_LEVEL_SD = 3.0  # of the log level today around the log's mean
_ROUNDS, _POINTS = 6, 80
_FROM_PRIOR = 0.2  # share of later rounds' points
_WIDER = 1.5  # variances of a round's normal than those found
_LEAST_SD = 0.1  # halved each round
_LEAST = 1e-3  # of k^(-1/2)
_FARTHEST = 2.3  # that a level goes on by its slope: tenfold
_STEPS, _SETTLED = 60, 1e-9
_JITTER = 1e-9


class Sizes(NamedTuple):
    """The four that say how newcomers vary, each (point,)."""

    rho: np.ndarray
    omega: np.ndarray
    k: np.ndarray
    tau: np.ndarray


class Arriving(NamedTuple):
    """Draws of what a log says of newcomers to come.

    `mean` (draw, month): expected newcomers of each month from today on, given the draw. `rho`, `omega`, `k` (draw,):
    of the slope's innovations after today, and of single months. `season` (draw, 12): log factors, the month from today
    on first.
    """

    seen: FirstOrders
    mean: np.ndarray
    rho: np.ndarray
    omega: np.ndarray
    k: np.ndarray
    season: np.ndarray

    def log_shocks(self, world_key: np.ndarray, draw: np.ndarray, months: int) -> np.ndarray:
        """What months after today add to the log mean of their draw, (w, months): the level's innovations and a gamma
        for each month, exponentials of mean 1; 0 where nobody comes any more. `world_key`, `draw` (w,)."""

        def uniforms(name: str, month: int) -> np.ndarray:
            return rng.world_uniforms(world_key, f"{FROM_LOG}.{name}", rng.SHOCK, month)

        rho, omega, k = self.rho[draw], self.omega[draw], self.k[draw]
        out = np.zeros((draw.size, months))
        level, slope, variance = np.zeros((3, draw.size))
        for m in range(min(months, self.mean.shape[1])):
            out[:, m] = level - variance / 2 + np.log(gammaincinv(k, uniforms("month", m)) / k)
            slope = rho * slope + omega * ndtri(uniforms("slope", m))
            level = level + slope
            variance = variance + (omega * (1 - rho ** (m + 1)) / (1 - rho)) ** 2
        return out

    def in_words(self) -> str:
        """What the number of newcomers was learned from, and what its months are like."""
        seen = self.seen
        text = f"learned from {seen.total:,} first orders from {seen.start} to {seen.today}"
        if seen.left_out:
            text += f" (the {seen.left_out:,} before, which pile up at the log's start, are of older customers)"
        text += f": level, growth that fades, and months that vary by {np.mean(self.k**-0.5):.0%} (sd) beyond chance"
        if seen.months >= TWO_YEARS:
            season = np.exp(self.season)
            best = int(season.mean(axis=0).argmax())
            low, high = np.quantile(season[:, best], [0.05, 0.95])
            return (
                f"{text}; of the year's months the one from {self._month(best)} is the best, with "
                f"{season[:, best].mean():.2g} times a mean month's [{low:.2g}, {high:.2g}]"
            )
        text += "; below two years of log a season is hardly told from growth and chance"
        rate = np.where(seen.days >= _FEWEST_DAYS, seen.count / seen.exposure, 0.0)
        best, times = int(rate.argmax()), rate.max() / (seen.total / seen.months)
        if times < _MANY:
            return text
        return f"{text}: from {self._month(best - rate.size)} {times:.1f} times as many came as in a mean month"

    def _month(self, number: int) -> str:
        """The first and the last day of a month, 0 being the one after today."""
        today = np.array(day_number(self.seen.today))
        days = due_on(Anchor(month_of(today), day_of_month(today)), np.array([number, number + 1])) + np.array([1, 0])
        return " to ".join(f"{date(1970, 1, 1) + timedelta(days=int(day)):%d %B}" for day in days)


class _Posterior(NamedTuple):
    """Normal posteriors at each point of the four: log evidence (point,); mean (point, 14) and a root (point, 14, 14)
    of the covariance of level, slope and months of the year."""

    evidence: np.ndarray
    mean: np.ndarray
    root: np.ndarray


def learn_arrivals(seen: FirstOrders, draw_keys: np.ndarray, months: int) -> Arriving:
    """Newcomers of `months` months from today on, a draw for each of `draw_keys` (draw,) uint64; more draws extend it.

    Raises ValueError where `seen` has a problem.
    """
    if what := seen.problem():
        raise ValueError(what)
    sizes, weight, found = _points(seen)
    u = rng.world_uniforms(draw_keys, f"{FROM_LOG}.sizes")
    point = np.minimum(np.searchsorted(np.cumsum(weight), u), weight.size - 1)
    normals = np.stack(
        [ndtri(rng.world_uniforms(draw_keys, f"{FROM_LOG}.state", event=i)) for i in range(YEAR + 2)], axis=1
    )
    state = found.mean[point] + np.einsum("dij,dj->di", found.root[point], normals)
    level, slope, season = state[:, :1], state[:, 1:2], state[:, 2:]
    rho, ahead = sizes.rho[point], np.arange(1, months + 1)
    steps = (1 - rho[:, None] ** ahead) / (1 - rho[:, None])
    unsure = (found.root[point, 1, :] ** 2).sum(axis=1)[:, None]
    grown = np.clip(slope * steps - unsure * steps**2 / 2, -_FARTHEST, _FARTHEST)
    return Arriving(
        seen,
        mean=np.exp(level + grown + season[:, (ahead - 1) % YEAR]),
        rho=rho,
        omega=sizes.omega[point],
        k=sizes.k[point],
        season=season,
    )


def _points(seen: FirstOrders) -> tuple[Sizes, np.ndarray, _Posterior]:
    """Points of the four, their weights, which add up to 1, and the posteriors there.

    In rounds, the first from the prior; a point's weight is its posterior density over the mean of all rounds'
    densities there.
    """
    scale = SEASON if seen.months >= TWO_YEARS else HARDLY
    at, weight = np.zeros((0, 4)), np.zeros(0)
    rounds: list[_Posterior] = []
    prior = _Folded(np.zeros(4), np.eye(4))
    proposals: list[_Folded] = []
    for number in range(_ROUNDS):
        uniform = _spread(_POINTS, number)
        new, from_prior = ndtri(uniform[:, :-1]), uniform[:, -1] < _FROM_PRIOR
        if number:
            mean = weight @ at
            covariance = (weight * (at - mean).T) @ (at - mean) + (_LEAST_SD / 2**number) ** 2 * np.eye(4)
            proposals.append(_Folded(mean, np.linalg.cholesky(_WIDER * covariance)))
            new = np.where(from_prior[:, None], new, mean + new @ proposals[-1].root.T)
        new[:, 1:] = np.abs(new[:, 1:])
        at = np.vstack([at, new])
        rounds.append(_posterior(seen, _sizes(new, scale)))
        density = prior.density(at)
        of_all = sum((_FROM_PRIOR * density + (1 - _FROM_PRIOR) * one.density(at) for one in proposals), density)
        evidence = np.concatenate([one.evidence for one in rounds])
        weight = np.exp(evidence - evidence.max()) * density / of_all
        weight /= weight.sum()
    return _sizes(at, scale), weight, _Posterior(*(np.concatenate(field) for field in zip(*rounds, strict=True)))


class _Folded(NamedTuple):
    """A normal of which all but the first coordinate count by their size."""

    mean: np.ndarray
    root: np.ndarray

    def density(self, at: np.ndarray) -> np.ndarray:
        """Up to a constant that is the same for all, (point,); `at` (point, 4)."""
        total = np.zeros(len(at))
        for signs in product((1,), (1, -1), (1, -1), (1, -1)):
            z = np.linalg.solve(self.root, (at * signs - self.mean).T)
            total += np.exp(-0.5 * (z**2).sum(axis=0))
        return total / np.prod(np.diagonal(self.root))


def _spread(points: int, number: int) -> np.ndarray:
    """Points of round `number` that are spread evenly in (0, 1)^5 (an additive recurrence, of which no two coordinates
    go together), (point, 5)."""
    base = 1.1347241384015194  # the root of x^6 = x + 1
    step = base ** -np.arange(1.0, 6.0)
    return (0.5 + (number * points + np.arange(1, points + 1))[:, None] * step) % 1.0


def _sizes(normal: np.ndarray, season_scale: float) -> Sizes:
    """The four at (point, 4): a standard normal by the quantiles of rho's prior, and sizes of three others."""
    rho = betaincinv(*RHO, np.clip(ndtr(normal[:, 0]), 1e-9, 1 - 1e-9))
    dispersion = np.maximum(DISPERSION * normal[:, 2], _LEAST)
    return Sizes(rho, OMEGA * normal[:, 1], dispersion**-2, season_scale * normal[:, 3])


def _posterior(seen: FirstOrders, sizes: Sizes) -> _Posterior:
    n, exposure = seen.count.astype(np.float64), seen.exposure
    centre = np.log(n.sum() / exposure.sum())
    K, cross, own = _covariances(n.size, sizes)
    k = sizes.k[:, None]
    f = np.broadcast_to(np.log((n + 0.5) / exposure), (len(K), n.size))
    eye = np.eye(n.size)
    for _ in range(_STEPS):
        mean = exposure * np.exp(f)
        slope = n - (n + k) * mean / (mean + k)
        root = np.sqrt((n + k) * k * mean) / (mean + k)
        b = root**2 * (f - centre) + slope
        inner = np.linalg.cholesky(eye + root[:, :, None] * K * root[:, None, :])
        scaled = np.linalg.solve(inner, (root * np.einsum("pij,pj->pi", K, b))[..., None])
        a = b - root * np.linalg.solve(inner.transpose(0, 2, 1), scaled)[..., 0]
        old, f = f, centre + np.einsum("pij,pj->pi", K, a)
        if np.abs(f - old).max() < _SETTLED:
            break
    mean = exposure * np.exp(f)
    likelihood = (
        gammaln(n + k) - gammaln(k) - gammaln(n + 1) + k * np.log(k / (k + mean)) + n * np.log(mean / (k + mean))
    ).sum(axis=1)
    log_root = np.log(np.diagonal(inner, axis1=1, axis2=2)).sum(axis=1)
    evidence = likelihood - 0.5 * (a * (f - centre)).sum(axis=1) - log_root
    state = np.einsum("pij,pj->pi", cross, a)
    state[:, 0] += centre
    known = np.linalg.solve(inner, root[:, :, None] * cross.transpose(0, 2, 1))
    left = own - known.transpose(0, 2, 1) @ known + _JITTER * np.eye(own.shape[1])
    return _Posterior(evidence, state, np.linalg.cholesky(left))


def _covariances(months: int, sizes: Sizes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prior covariances: of the log means of a log's months, (point, month, month); of level, slope and months of the
    year, as of today, with them, (point, 14, month); and among themselves, (point, 14, 14).

    The slope of today is the level's step to the month ahead. The level of a past month is that of the last one less
    the steps between, so nothing but the level of the last month has the wide prior.
    """
    steps = -np.triu(np.ones((months, months)))
    steps[:, -1] = 0.0
    rho, omega, tau = (size[:, None, None] for size in (sizes.rho, sizes.omega, sizes.tau))
    number = np.arange(months)
    apart = np.abs(np.subtract.outer(number, number))
    sooner = np.minimum.outer(number, number)
    slopes = (FIRST_SLOPE * omega) ** 2 * rho ** np.add.outer(number, number)
    slopes = slopes + omega**2 * rho**apart * (1 - rho ** (2 * sooner)) / (1 - rho**2)
    year = np.eye(YEAR) - 1 / YEAR
    at = np.arange(-months, 0) % YEAR
    levels = slopes @ steps.T
    K = _LEVEL_SD**2 + steps @ levels + tau**2 * year[np.ix_(at, at)]
    cross = np.concatenate([np.full((len(K), 1, months), _LEVEL_SD**2), levels[:, -1:], tau**2 * year[:, at]], axis=1)
    own = np.zeros((len(K), YEAR + 2, YEAR + 2))
    own[:, 0, 0], own[:, 1, 1], own[:, 2:, 2:] = _LEVEL_SD**2, slopes[:, -1, -1], tau**2 * year
    return K, cross, own
