"""What the first sheet of the page shows beyond the comparison; worked out when a run ends (`stages.sheet`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clvsim.everyday import Steps, Trade
from clvsim.types import Range

HILL = 100  # quantiles that a distribution is kept as


@dataclass(frozen=True)
class Sheet:
    """`hill`: quantiles (½, 1½, … of `HILL`) of the baseline's `metric` over simulated futures, luck included.

    `worst_tenth`: mean of the worst tenth of these futures. `shares`: of the variance of the baseline's plan value over
    futures, by where it comes from (model, parameter or assumption, process, environment), together 1; empty where
    nothing varies. `trade`: numbers of the everyday formulas; `today`, `newcomer`: steps from the formula to the
    model's value of today's customers and of a new one; None where a formula or a figure does not exist. `season`:
    factors of the twelve months on the order rate (of contracts, on the hazard), empty where none were fitted.
    """

    metric: str
    hill: np.ndarray
    worst_tenth: float
    shares: Mapping[str, float]
    trade: Trade | None = None
    today: Steps | None = None
    newcomer: Steps | None = None
    season: tuple[Range, ...] = ()
