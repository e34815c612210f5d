"""Distributions as small shapes in a line of text: SVG that stretches with its column, without any text in it."""

import numpy as np
from markupsafe import Markup, escape

from clvsim.report.figures import density
from clvsim.report.ticks import money_ticks

WIDTH, HEIGHT = 400.0, 60.0  # of the shape, which is stretched
_POINTS = 140


def hill(
    draws: np.ndarray,
    low: float,
    high: float,
    spoken: str,
    *,
    ends: tuple[float, float] | None = None,
    zero: bool = True,
) -> Markup:
    """The distribution of `draws` on an axis from low to high, below zero in another colour; `ends`: a bar under it.

    `spoken` are its numbers in words. Equal draws are a line where they all lie.
    """
    grid = np.linspace(low, high, _POINTS)
    grid = np.unique(np.append(grid, [0.0])) if zero and low < 0 < high else grid
    height = density(draws, grid) if draws.size > 1 else np.zeros(grid.size)
    base = HEIGHT - 8 if ends else HEIGHT
    parts = []
    if height.max(initial=0) > 0:
        y = base - (base - 3) * height / height.max()
        for name, side in (("loss", grid <= 0), ("gain", grid >= 0)) if zero else (("gain", grid >= low),):
            if side.sum() > 1:
                parts.append(f'<path d="{area(across(grid[side], low, high), y[side], base)}" fill="var(--{name})"/>')
    elif draws.size:
        x = across(draws[:1], low, high)[0]
        parts.append(line(x, x, 4, base, "gain", 3))
    if zero and low <= 0 <= high:
        x = across(np.zeros(1), low, high)[0]
        parts.append(line(x, x, 0, HEIGHT, "ink", 1))
    if ends:
        first, last = across(np.array(ends), low, high)
        parts.append(line(first, last, HEIGHT - 3, HEIGHT - 3, "ink", 2))
    return Markup(
        f'<svg class="hill" role="img" aria-label="{escape(spoken)}" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'preserveAspectRatio="none">{"".join(parts)}</svg>'
    )


def across(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1) * WIDTH


def area(x: np.ndarray, y: np.ndarray, base: float) -> str:
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{x[0]:.1f} {base:g}L{points}L{x[-1]:.1f} {base:g}Z"


def line(x1: float, x2: float, y1: float, y2: float, colour: str, width: float) -> str:
    return (
        f'<path d="M{x1:.1f} {y1:g}L{x2:.1f} {y2:g}" stroke="var(--{colour})" stroke-width="{width:g}" '
        'vector-effect="non-scaling-stroke" fill="none"/>'
    )


def axis(low: float, high: float, count: int, currency: str) -> list[tuple[str, str]]:
    """Round places on an axis as CSS lengths from its left, and their labels."""
    ticks, labels = money_ticks(low, high, count, currency)
    return [(f"{100 * (t - low) / (high - low):.1f}%", label) for t, label in zip(ticks, labels, strict=True)]
