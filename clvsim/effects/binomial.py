"""Two binomial arms: the log effect's estimate, its exact likelihood, and posteriors inverted on a grid.

The log effect is the log risk ratio (scale `relative`) or the log odds ratio (scale `odds`). Arrays named
`effect` hold values of it. Arms are (control, treated).
"""

from collections.abc import Callable

import numpy as np

from clvsim.effects.scales import Scale
from clvsim.special import expit, log_expit

Arms = tuple[int, int]

SMALL_COUNT = 30  # below it, in any of the four cells, the normal approximation is not used
# Nodes of the inner integral, in standard deviations from the mode; the left tail is the longer one at low counts.
# Steps of 0.4 leave a trapezoid rule an error of 1e-12 even where an arm has no event.
_NODES = np.linspace(-20.0, 12.0, 81)
_BISECTIONS = 40  # to 1e-10: a mode only places the nodes


def is_small(n: Arms, x: Arms) -> bool:
    """Whether any count (taken or not taken, either arm) is too small for the normal approximation."""
    return min(*x, n[0] - x[0], n[1] - x[1]) < SMALL_COUNT


def estimate(n: Arms, x: Arms, scale: Scale) -> tuple[float, float]:
    """Observed log effect and its variance se².

    log odds ratio: 1/x₀ + 1/(n₀−x₀) + 1/x₁ + 1/(n₁−x₁); log risk ratio: 1/x₀ − 1/n₀ + 1/x₁ − 1/n₁.
    With a small count every cell is half an event larger, so that both stay finite; the exact likelihood is then used
    for the posterior, and this only places its grid.
    """
    half = 0.5 if is_small(n, x) else 0.0
    x0, x1 = x[0] + half, x[1] + half
    n0, n1 = n[0] + 2 * half, n[1] + 2 * half
    if scale == "odds":
        effect = np.log(x1 / (n1 - x1)) - np.log(x0 / (n0 - x0))
        return float(effect), 1 / x0 + 1 / (n0 - x0) + 1 / x1 + 1 / (n1 - x1)
    return float(np.log(x1 / n1) - np.log(x0 / n0)), 1 / x0 - 1 / n0 + 1 / x1 - 1 / n1


def exact_log_likelihood(effect: np.ndarray, n: Arms, x: Arms, scale: Scale) -> np.ndarray:
    """Log likelihood of the log effect (m,), the control's rate integrated out under its Jeffreys prior Beta(½, ½).

    The integrand is unimodal in the variable used; its mode is found by bisection and a trapezoid rule is laid around
    it, so that arms of very different size cost nothing. Up to a constant.
    """
    effect = np.asarray(effect, dtype=np.float64)
    terms = _odds_terms if scale == "odds" else _ratio_terms
    log_integrand, slope = terms(effect[:, None], n, x)
    mode = _root_of_decreasing(slope, effect[:, None])
    step = 1e-5
    curvature = (slope(mode - step) - slope(mode + step)) / (2 * step)
    sd = 1 / np.sqrt(np.maximum(curvature, 1e-6))
    height = log_integrand(mode)
    area = np.exp(log_integrand(mode + sd * _NODES) - height).sum(axis=1)
    return height[:, 0] + np.log(area * sd[:, 0])


Terms = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


def _odds_terms(effect: np.ndarray, n: Arms, x: Arms) -> Terms:
    """Log integrand and its slope in the control's logit a; the treated logit is a + effect."""
    (n0, n1), (x0, x1) = n, x

    def log_integrand(a: np.ndarray) -> np.ndarray:
        b = a + effect
        control = (x0 + 0.5) * log_expit(a) + (n0 - x0 + 0.5) * log_expit(-a)
        return control + x1 * log_expit(b) + (n1 - x1) * log_expit(-b)

    def slope(a: np.ndarray) -> np.ndarray:
        return (x0 + 0.5) - (n0 + 1) * expit(a) + x1 - n1 * expit(a + effect)

    return log_integrand, slope


def _ratio_terms(effect: np.ndarray, n: Arms, x: Arms) -> Terms:
    """Log integrand and its slope in z, where the control's rate is p₀ = M·σ(z), M = min(1, e^−effect).

    M keeps the treated rate p₀·e^effect = M₁·σ(z), M₁ = min(1, e^effect), below one for every z.
    """
    (n0, n1), (x0, x1) = n, x
    log_m, log_m1 = np.minimum(0.0, -effect), np.minimum(0.0, effect)
    m, m1 = np.exp(log_m), np.exp(log_m1)
    constant = (x0 + 0.5) * log_m + x1 * log_m1

    def complement(z: np.ndarray, top: np.ndarray, log_top: np.ndarray) -> np.ndarray:
        return -np.expm1(log_top) + top * expit(-z)  # 1 − top·σ(z) without cancellation

    def log_integrand(z: np.ndarray) -> np.ndarray:
        missed = (n0 - x0 - 0.5) * np.log(complement(z, m, log_m)) + (n1 - x1) * np.log(complement(z, m1, log_m1))
        return constant + (x0 + x1 + 0.5) * log_expit(z) + missed + log_expit(-z)

    def slope(z: np.ndarray) -> np.ndarray:
        s, t = expit(z), expit(-z)
        lost0 = (n0 - x0 - 0.5) * m * s * t / complement(z, m, log_m)
        lost1 = (n1 - x1) * m1 * s * t / complement(z, m1, log_m1)
        return (x0 + x1 + 0.5) * t - lost0 - lost1 - s

    return log_integrand, slope


def _root_of_decreasing(slope: Callable[[np.ndarray], np.ndarray], shape_of: np.ndarray) -> np.ndarray:
    """Zero of a function that changes sign once, from + to −, by bisection of (−60, 60)."""
    low, high = np.full_like(shape_of, -60.0), np.full_like(shape_of, 60.0)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        rising = slope(middle) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return 0.5 * (low + high)


def invert_density(
    log_density: Callable[[np.ndarray], np.ndarray], low: float, high: float, uniforms: np.ndarray
) -> np.ndarray:
    """Quantiles (n,) of a density given up to a constant, by inversion of its cdf on a grid.

    The interval shrinks around where the density is above e⁻³⁰ of its maximum until that fills half of the grid.
    """
    for _ in range(20):
        points = np.linspace(low, high, 201)
        height = log_density(points)
        (inside,) = np.nonzero(height > height.max() - 30)
        first, last = max(inside[0] - 1, 0), min(inside[-1] + 1, 200)
        low, high = points[first], points[last]
        if last - first > 100:
            break
    points = _with_dense_zero(np.linspace(low, high, 801))
    height = log_density(points)
    density = np.exp(height - height.max())
    cdf = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) * np.diff(points))])
    return np.interp(uniforms, cdf / cdf[-1], points)


def _with_dense_zero(points: np.ndarray) -> np.ndarray:
    """Points refined around 0, where the density has a logarithmic peak when the prior's sd is itself uncertain."""
    near = (points[1] - points[0]) * np.geomspace(1e-3, 30.0, 150)
    extra = np.concatenate([-near, [0.0], near])
    return np.unique(np.concatenate([points, extra[(extra > points[0]) & (extra < points[-1])]]))
