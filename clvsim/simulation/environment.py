"""Shocks common to all customers ahead: how large they are in each draw, and where they start from.

Where the fit learned the months up to today (`models.shocks`, `models.hazards`), sizes and the path belong to the draw:
the mean of the months ahead is part of the model's clock, or a pace beside it, and worlds differ by innovations only.
Else shocks start from their stationary law with sizes from the prior. docs/environment.md.
"""

from typing import NamedTuple

import numpy as np

from clvsim.models.around.path import LEVEL_SD, SD
from clvsim.models.around.several import clock_of, several_of
from clvsim.models.fitted import FittedModels
from clvsim.models.laws import DueMultipliers
from clvsim.models.retention.due_season import due_season_of
from clvsim.models.shocks import path_of
from clvsim.simulation.config import EnvironmentConfig
from clvsim.special import ndtri
from clvsim.types import CustomerSummary


class SdLaw(NamedTuple):
    """The shocks' standard deviation: half-normal of scale `prior`; or, learned of so many `months`, by draw.

    `sd`, `level_sd`: (draw,) of the shocks' and of the slope of their level; None where nothing was learned.
    """

    prior: float
    months: int = 0
    sd: np.ndarray | None = None
    level_sd: np.ndarray | None = None

    def of_draws(self, uniform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of shocks and of slopes, each (draw,); `uniform` (draw,) draws from the prior, which has no level."""
        if self.sd is None or self.level_sd is None:
            return self.prior * ndtri(0.5 + 0.5 * uniform), np.zeros(uniform.size)
        return self.sd[: uniform.size], self.level_sd[: uniform.size]


def sd_law(fitted: FittedModels, summary: CustomerSummary, config: EnvironmentConfig) -> SdLaw:
    """As the fit learned it; the prior where it learned nothing, or is not to be asked."""
    path = path_of(fitted.retention)
    if config.path_prior is None or path is None:
        return SdLaw(config.sd_prior)
    draws, model = fitted.posterior.retention, several_of(fitted.retention)
    sd, level_sd = (model.state(draws, name) if model else draws[name] for name in (SD, LEVEL_SD))
    return SdLaw(config.sd_prior, path.months, sd, level_sd)


def season_by_week(fitted: FittedModels, draws: int, first: int, weeks: int) -> np.ndarray | None:
    """log of the multiplier by week from day `first` on (0: today, 1: tomorrow), (draw, week), or None.

    Of the season, and of the path of months: up to today as it was, then as it is expected to be.
    """
    clock = clock_of(fitted.retention)
    if clock is None:
        return None
    return clock.by_week(fitted.retention_draws(slice(draws)), first, weeks)


def due_multipliers(fitted: FittedModels, draws: int, first: int, days: float) -> DueMultipliers | None:
    """Of the hazard of contracts whose renewals depend on when they are due, from day `first` on; else None."""
    season = due_season_of(fitted.retention)
    return season.due_multipliers(fitted.retention_draws(slice(draws)), first, days) if season else None
