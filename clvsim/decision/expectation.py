"""Expected value per draw, from one simulated figure per draw: luck and shocks are regressed away.

NumPy only. Axis 0 is the draw.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clvsim.decision.regression import Basis, Fit

NEGLIGIBLE_SHARE = 0.05  # of the variance: less process noise than this is left in
TOLERATED_EXCESS = 0.20  # of the residual variance over the measured noise
FEWEST_DRAWS = 4


@dataclass(frozen=True)
class Expectation:
    """Expected value per draw, (n,), and what is needed to say how sure it is.

    `noise` (n,): raw figure − expected value where that was fitted, each over √(1 − leverage), 0 elsewhere.
    `share`: process noise, measured from the halves of the customers, over the variance of the raw figure
    less what is known.
    `note`: "" or a sentence for the page.
    `sampled`: standard error of the mean that all draws share, because not all customers were simulated.
    """

    values: np.ndarray
    noise: np.ndarray
    fits: tuple[tuple[Basis, Fit], ...] = ()
    share: float = 0.0
    note: str = ""
    sampled: float = 0.0

    @classmethod
    def exact(cls, values: np.ndarray) -> "Expectation":
        """Of values that hold no luck."""
        values = np.asarray(values, dtype=np.float64)
        return cls(values, np.zeros_like(values))

    @property
    def fitted(self) -> bool:
        return bool(self.fits)

    def smooth(self, parts: np.ndarray) -> np.ndarray:
        """Parts (p, n) of the raw figure, without what was known of it, as the figure itself was regressed: with its
        penalties, so that parts which add up to the figure add up to its values. As they are where nothing was fitted.
        """
        out = np.array(parts, dtype=np.float64)
        for basis, fit in self.fits:
            out[:, basis.rows] = basis.smooth(parts, fit.shrink)[:, basis.rows]
        return out

    def refits(self, signs: np.ndarray) -> np.ndarray:
        """Values (b, n) when each draw's noise comes again with another sign or size, `signs` (b, n), and is fitted."""
        out = np.repeat(self.values[None], signs.shape[0], axis=0)
        for basis, fit in self.fits:
            rows = basis.rows
            out[:, rows] += basis.values(basis.refit(fit, signs[:, rows] * fit.noise), rows) - fit.values[rows]
        return out


def expected_per_draw(
    figure: np.ndarray,
    bases: Sequence[Basis],
    *,
    halves: np.ndarray | None = None,
    control: np.ndarray | None = None,
    known: np.ndarray | None = None,
    always: bool = False,
) -> Expectation:
    """E[figure | parameters, effects] per draw from a simulated figure per draw (n,).

    Args:
        figure: a level, or the paired difference of a scenario to the baseline.
        bases: of the regression. Draws that are in none keep the figure as it is; a draw is in one at most. Draws in
            which a scenario does nothing have a basis of their own: where the rest of the figure is 0 it stays 0.
        halves: (n, 2) the same figure for two halves of the customers, split by a bit of their key. What belongs to no
            customer may be left out of both. Where they show that luck is less than 5 % of the variance, the figure
            stays as it is.
        control: (n,) a conditional expectation close to the figure, added back after the regression.
        known: (n,) what is known given the draw, posted costs for one: taken out before the regression and added after.
        always: regress however small the noise of the halves is, because shocks common to all customers are in both.

    Given the draw the halves are independent, so Var(A − B) is the process variance of A + B. Over draws their
    difference also moves with the inputs, because the halves are made of different people: the same regression takes
    that out.

    Raises ValueError on arrays whose shapes do not fit or that are not finite.
    """
    figure = np.asarray(figure, dtype=np.float64)
    n = figure.size
    _check(n, figure=figure, control=control, known=known, halves=halves)
    offset = sum((part for part in (control, known) if part is not None), np.zeros(n))
    if n < FEWEST_DRAWS:
        note = f"With {n} draws simulated values are shown in place of expected ones; raise simulation.draws."
        return Expectation(figure, np.zeros(n), note=note)
    rest = figure - offset
    share, process = _measured_noise(figure if known is None else figure - known, halves, bases)
    if not always and share < NEGLIGIBLE_SHARE:
        return Expectation(figure, np.zeros(n), share=share)
    values, noise, fits = figure.copy(), np.zeros(n), []
    for basis in bases:
        fit = basis.fit(rest)
        values[basis.rows] = fit.values[basis.rows] + offset[basis.rows]
        noise[basis.rows] = fit.noise
        fits.append((basis, fit))
    left = sum(fit.variance * basis.rows.size for basis, fit in fits) / n
    excess = left / process - 1 if process > 0 and not always else 0.0
    note = ""
    if excess > max(TOLERATED_EXCESS, 3 * np.sqrt(4 / n)):  # of which chance alone makes a third
        note = (
            f"The regression for expected values leaves {excess:.0%} more variance than the chance of single "
            "customers explains: raise simulation.replicates to see how much of it is real."
        )
    return Expectation(values, noise, tuple(fits), share, note)


def process_noise(halves: np.ndarray, bases: Sequence[Basis]) -> float:
    """Process variance of a figure within a draw, from two halves of the customers (n, 2)."""
    difference = halves[:, 0] - halves[:, 1]
    return sum(basis.fit(difference).variance * basis.rows.size for basis in bases) / difference.size


def _measured_noise(figure: np.ndarray, halves: np.ndarray | None, bases: Sequence[Basis]) -> tuple[float, float]:
    """Process noise as a share of the variance and in units of it; (1, 0) where no halves measure it."""
    if halves is None:
        return 1.0, 0.0
    process, variance = process_noise(halves, bases), float(figure.var(ddof=1))
    return (process / variance if variance > 0 else 0.0), process


def _check(n: int, **arrays: np.ndarray | None) -> None:
    for name, values in arrays.items():
        if values is None:
            continue
        shape = (n, 2) if name == "halves" else (n,)
        if values.shape != shape:
            raise ValueError(f"{name} must have the shape {shape}, got {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite")
