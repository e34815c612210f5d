"""Worlds: posterior draw, replicate and key of each, and the shocks common to all its customers."""

from dataclasses import dataclass

import numpy as np

from clvsim.kernels import rng
from clvsim.models.around.path import level_innovations, level_variance, shock_innovations
from clvsim.models.arrivals import Arriving
from clvsim.simulation.config import EnvironmentConfig
from clvsim.simulation.environment import SdLaw
from clvsim.special import ndtri
from clvsim.types import DAYS_PER_MONTH, DAYS_PER_WEEK

ENOUGH_WORLDS = 500  # for a probability, and for quantiles of a single customer


@dataclass(frozen=True)
class Worlds:
    """World w = draw · replicates + replicate. Parameters and effects belong to the draw, keyed events to the world."""

    key: np.ndarray  # uint64 (w,)
    draw: np.ndarray  # int64 (w,)
    draw_key: np.ndarray  # uint64 (draws,), for effects
    environment_sd: np.ndarray  # (draws,)
    level_sd: np.ndarray  # (draws,) of the slope of their level, a month
    log_rate: np.ndarray  # (w, months): shock on the log purchase rate; its exponential has mean 1 given the draw
    log_visitors: np.ndarray  # (w, months), of the log: newcomers

    @property
    def draws(self) -> int:
        return self.draw_key.shape[0]

    @property
    def replicates(self) -> int:
        return self.key.size // self.draws

    @property
    def for_quantiles(self) -> np.ndarray:
        """Mask (w,): the first replicates of each draw, as many as make enough worlds; more of them change nothing."""
        return np.arange(self.key.size) % self.replicates < -(-ENOUGH_WORLDS // self.draws)


def make_worlds(
    seed: int,
    draws: int,
    replicates: int,
    months: int,
    config: EnvironmentConfig,
    shocks_sd: SdLaw | None = None,
    *,
    after: int = 0,
    arriving: Arriving | None = None,
) -> Worlds:
    """All worlds of a run; the first ones stay the same when there are more draws or months.

    Of the `replicates` of each draw the first `after` are left out, and the rest keep their random numbers. `shocks_sd`
    is the law of the shocks' sd, the prior of `config` by default. Where it was learned the path up to today is known
    in each draw, and what is drawn are innovations after today. Newcomers of a log (`arriving`) have shocks of their
    own, as they were learned, instead of `acquisition_sd`.
    """
    index = np.arange(draws)
    key = np.stack([rng.world_keys(seed, index, r) for r in range(after, replicates)], axis=1).reshape(-1)
    draw_key = rng.world_keys(seed, index, 0)
    draw = np.repeat(index, replicates - after)
    law = shocks_sd or SdLaw(config.sd_prior)
    sd, level_sd = law.of_draws(rng.world_uniforms(draw_key, "environment.sd"))

    def normals(name: str) -> np.ndarray:
        return np.stack([ndtri(rng.world_uniforms(key, name, rng.SHOCK, m)) for m in range(months)], axis=1)

    log_rate = _mean_one(normals("environment.shock"), sd[draw], config.autocorrelation, known_today=law.months > 0)
    if level_sd.any():
        wide = level_sd[draw, None]
        level = wide * level_innovations(normals("environment.level"))
        log_rate = log_rate + level - 0.5 * wide**2 * level_variance(months)
    log_visitors = config.acquisition_sd * normals("environment.visitors") - 0.5 * config.acquisition_sd**2
    if arriving is not None:
        log_visitors = arriving.log_shocks(key, draw, months)
    return Worlds(
        key=key,
        draw=draw,
        draw_key=draw_key,
        environment_sd=sd,
        level_sd=level_sd,
        log_rate=log_rate,
        log_visitors=log_visitors,
    )


def _mean_one(normal: np.ndarray, sd: np.ndarray, autocorrelation: float, *, known_today: bool) -> np.ndarray:
    """AR(1) path with stationary sd, from a known shock today or from none, less half its variance. (w, months)."""
    path = sd[:, None] * shock_innovations(normal, autocorrelation, known_today=known_today)
    variance = np.ones(normal.shape[1])
    if known_today:
        variance -= autocorrelation ** (2.0 * np.arange(1, normal.shape[1] + 1))
    return path - 0.5 * sd[:, None] ** 2 * variance


def by_week(monthly: np.ndarray, weeks: int) -> np.ndarray:
    """Value of the month in which each week starts, (w, weeks)."""
    month = (np.arange(weeks) * DAYS_PER_WEEK / DAYS_PER_MONTH).astype(int)
    return monthly[:, np.minimum(month, monthly.shape[1] - 1)]
