"""The scales on which an uncertain number is typed, applied and read.

| scale       | typed and read             | applied, and returned by `draw`        |
|-------------|----------------------------|----------------------------------------|
| relative    | relative change s > −1     | log multiplier log(1 + s)              |
| odds        | relative change of odds    | log(1 + s), added to a logit           |
| probability | probability                | logit inside; the probability is returned |
| amount      | number within its domain   | as it is                               |
"""

from math import inf
from typing import Literal

import numpy as np

from clvsim.schema import LARGEST
from clvsim.special import expit, logit

Scale = Literal["relative", "odds", "probability", "amount"]
Domain = tuple[float, float]

NON_NEGATIVE: Domain = (0.0, inf)
REAL: Domain = (-inf, inf)
CHANGES: tuple[Scale, ...] = ("relative", "odds")  # zero means "nothing happens"
MOST = {"relative": 100.0, "odds": 10_000.0}  # change: +10,000 % of a rate; odds go further, for a chance stays below 1
WIDEST_SD = 10.0  # of a logarithm or log odds
_LEAST_LOG = -100.0  # of a factor: nothing is left

# A uniform of exactly 0 or 1 would be an infinite quantile.
_SMALLEST, _LARGEST = 2.0**-54, 1.0 - 2.0**-53


def to_applied(typed: float, scale: Scale) -> float:
    """From the number a user types to the scale on which distributions are normal."""
    if scale in CHANGES:
        return float(np.log1p(typed))
    return float(logit(typed)) if scale == "probability" else typed


def from_applied(applied: np.ndarray, scale: Scale) -> np.ndarray:
    """From the scale of the normal distributions to what `draw` returns: only probabilities change."""
    return expit(applied) if scale == "probability" else applied


def to_reader(values: np.ndarray, scale: Scale) -> np.ndarray:
    """From what `draw` returns to what a reader expects: relative changes, probabilities, amounts."""
    return np.expm1(values) if scale in CHANGES else values


def limits(scale: Scale, domain: Domain) -> Domain:
    """Closed interval in which the values returned by `draw` must lie; `domain` matters for amounts only."""
    if scale in CHANGES:
        return _LEAST_LOG, float(np.log1p(MOST[scale]))
    low, high = (0.0, 1.0) if scale == "probability" else domain
    return max(low, -LARGEST), min(high, LARGEST)


def misfit(typed: float, scale: Scale, domain: Domain, *, interior: bool = False) -> str | None:
    """Why a typed number does not fit the scale, or None.

    `interior` asks for the inside of (0, 1) where a logit has to be taken.
    """
    if scale in CHANGES:
        if typed <= -1:
            return f"a relative change must be above -1 (0.05 is +5 %), got {typed:g}"
        most = MOST[scale]
        return None if typed <= most else f"a relative change must be at most {most:,.0f} (0.05 is +5 %), got {typed:g}"
    if scale == "probability":
        if 0 < typed < 1 or (not interior and typed in (0, 1)):
            return None
        return f"a probability {'strictly ' if interior else ''}between 0 and 1 is needed, got {typed:g}"
    low, high = domain
    return None if low <= typed <= high else f"must be {in_words(domain)}, got {typed:g}"


def misfit_sd(sd: float, scale: Scale, *, of_log: bool = False) -> str | None:
    """Why a standard deviation is too wide for the scale on which it is measured, or None."""
    if (scale == "amount" and not of_log) or sd <= WIDEST_SD:
        return None
    where = scale_name(scale) or "of the log"
    return f"should be at most {WIDEST_SD:g} {where}, which is a factor of {np.exp(WIDEST_SD):,.0f}, got {sd:g}"


def in_words(domain: Domain) -> str:
    low, high = domain
    if high == inf:
        return "a number" if low == -inf else f"at least {low:g}"
    return f"at most {high:g}" if low == -inf else f"between {low:g} and {high:g}"


def format_typed(typed: float, scale: Scale) -> str:
    """Text of a typed number on its scale: +5 %, 12 %, 1,234."""
    if scale == "amount":
        return f"{typed:,.6g}"
    percent = 100 * typed + 0.0  # no "-0"
    if abs(percent) >= 999.5:
        return f"{percent:+,.0f} %"
    return f"{percent:+.3g} %" if scale in CHANGES else f"{percent:.3g} %"


def scale_name(scale: Scale) -> str:
    """Where a standard deviation is measured, in words."""
    return {"relative": "on the log scale", "odds": "on the log-odds scale", "probability": "on the logit scale"}.get(
        scale, ""
    )


def open_unit(uniforms: np.ndarray) -> np.ndarray:
    """Uniforms with 0 and 1 moved inside by the smallest step that matters."""
    return np.clip(np.asarray(uniforms, dtype=np.float64), _SMALLEST, _LARGEST)
