"""Positions and labels of an axis in money."""

import math

from matplotlib.ticker import MaxNLocator

from clvsim.report import format as fmt
from clvsim.report.drawing import clean


def money_ticks(low: float, high: float, count: int, currency: str) -> tuple[list[float], list[str]]:
    """About `count` round positions in [low, high] and their labels, with the digits that their distance needs."""
    locator = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10])
    ticks = [float(t) for t in locator.tick_values(low, high) if low <= t <= high]
    step = ticks[1] - ticks[0] if len(ticks) > 1 else max(abs(low), abs(high), 1.0)
    place = math.floor(math.log10(step) + 1e-9)
    if abs(step / 10.0**place - round(step / 10.0**place)) > 1e-6:
        place -= 1  # a step of 2,500 needs its hundreds
    scale = max((abs(t) for t in ticks), default=0.0)
    return ticks, [clean(fmt.compact(t, place, currency, scale=scale)) for t in ticks]
