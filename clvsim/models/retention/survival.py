"""Contracts as they stand, their survival over renewals, and sums over renewals to come: the formulas of sBG and BdW.

Papers: `clvsim.models.retention.contracts`. Everything is written for BdW, theta ~ Beta(gamma, delta),
S(n | theta) = (1 - theta)^(n^c); sBG is BdW with c = 1.
"""

from typing import Any, NamedTuple

import numpy as np

from clvsim.models.laws import Params
from clvsim.models.retention.recovery import chance_to_pay
from clvsim.special import gammaln

_CHUNK_CELLS = 1 << 21
_PIECES = 4  # of the law of those who are lost
_DIRECT = 64  # terms summed one by one
_FORGOTTEN = 40.0  # a discount of exp(-40) ends a sum
FAR = 1e13  # renewals after which an undiscounted sum without end is a power law's tail


class Contracts(NamedTuple):
    """Contracts as of today, each (customer,): `renewals` made, `lost` (1) or going on (0), days to the `next` renewal.

    `seen` is how many of the renewals the likelihood counts. A renewal that may still be paid is left out, paid or not:
    those who pay at once would be seen and those who do not would not yet be.
    `outstanding` is the share of those who renew whose payment would not be here yet: 1 unless the renewal is overdue.
    `recovering` is the same of recoveries where the charge has failed and may still be paid; else 0.
    """

    renewals: np.ndarray
    seen: np.ndarray
    lost: np.ndarray
    next_days: np.ndarray
    outstanding: np.ndarray
    recovering: np.ndarray


class ContractRows(NamedTuple):
    """Unique (renewals seen, lost) in lexical order, each (row,), and how many contracts have them.

    `level` (int, ascending from 0) says whose parameters apply, where levels of customers have their own.
    """

    seen: np.ndarray
    lost: np.ndarray
    count: np.ndarray
    level: np.ndarray


class Shapes(NamedTuple):
    """theta ~ Beta(gamma, delta), duration dependence c, and the hazard's `pace` ahead, each (draw, 1)."""

    gamma: np.ndarray
    delta: np.ndarray
    c: np.ndarray
    pace: np.ndarray = np.ones((1, 1))

    def up_to_today(self) -> "Shapes":
        """Without the pace."""
        return self._replace(pace=np.ones_like(self.gamma))


def log_gamma_ratio(z: np.ndarray, step: np.ndarray) -> np.ndarray:
    """log of Gamma(z + step) / Gamma(z), without the cancellation of large log-gammas (Stirling from z = 32)."""
    z, step = np.broadcast_arrays(z, step)
    far = np.maximum(z, 32.0)

    def series(large_z: np.ndarray) -> np.ndarray:
        return (1 - (1 - 2 / 7 / large_z**2) / 30 / large_z**2) / 12 / large_z

    large = (far + step - 0.5) * np.log1p(step / far) + step * np.log(far) - step + series(far + step) - series(far)
    return np.where(z < 32.0, gammaln(np.minimum(z, 32.0) + step) - gammaln(np.minimum(z, 32.0)), large)


def log_survival(gamma: np.ndarray, delta: np.ndarray, served: np.ndarray, end: np.ndarray) -> np.ndarray:
    """log of the share of contracts with an exponent `served` of 1 - theta that go on to an exponent `end`."""
    return log_gamma_ratio(delta + served, gamma) - log_gamma_ratio(delta + end, gamma)


def alive_while_due(params: Params, ended: np.ndarray, histories: Any) -> np.ndarray:
    """P(alive), (draw, customer), of `Contracts` whose coming renewal ends them with the chance `ended`: see
    `ContractModel.probability_alive`."""
    gone = histories.lost > 0
    waits = np.where(gone, 0.0, histories.outstanding)
    alive = waits / (ended + (1 - ended) * np.where(gone, 1.0, waits))
    failed = np.flatnonzero(histories.recovering > 0)
    if failed.size:
        paid = chance_to_pay(params, histories.recovering[failed])
        alive[:, failed] = np.minimum(paid / (1 - ended[:, failed]), 1.0)
    return alive


def log_kept(shapes: Shapes, n: np.ndarray | float, ahead: np.ndarray | float) -> np.ndarray:
    """log S(n + ahead) / S(n), FHLDS (6): B(gamma, delta + (n + ahead)^c) / B(gamma, delta + n^c).

    At a pace m the exponent of 1 - theta ahead is so many times as large: delta + n^c + m ((n + ahead)^c - n^c).
    """
    gamma, delta, c, pace = shapes
    n = np.asarray(n, np.float64)
    end = (n + ahead) ** c
    if np.any(pace != 1.0):
        end = n**c + pace * (end - n**c)
    return log_survival(gamma, delta, n**c, end)


def log_likelihood(shapes: Shapes, seen: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """log S(n) of contracts that go on after n renewals, log (S(n) - S(n + 1)) of those that ended instead of the next.

    (draw, customer). FH (7), FHLDS (7).
    """
    shapes, seen = shapes.up_to_today(), np.asarray(seen, np.float64)
    survived = log_kept(shapes, 0.0, seen)
    with np.errstate(divide="ignore"):
        ended = np.log(-np.expm1(log_kept(shapes, seen, 1.0)))
    return survived + np.where(np.asarray(lost) > 0, ended, 0.0)


def renewals_ahead(shapes: Shapes, n: np.ndarray, periods: float, force: float) -> np.ndarray:
    """Expected renewals among the next `periods` (may be inf) of contracts going on after n, (draw, n).

    Renewal j from now is worth exp(-force (j - 1)). One by one at first, then as an integral over doubling panels with
    the Euler-Maclaurin correction of midpoint sums: survival is a smooth function of its argument. Without discount and
    without end it is finite only if c gamma > 1, FH's power-law tail; else inf.
    """
    n = np.asarray(n, np.float64)
    endless = not np.isfinite(periods)
    last = min(periods, np.ceil(_FORGOTTEN / force) + 1 if force > 0 else FAR)
    points, weight = summation(last)
    result = np.empty((shapes.gamma.shape[0], n.size))
    step = max(1, _CHUNK_CELLS // (points.size * result.shape[0]))
    wide = Shapes(*(v[..., None] for v in shapes))
    for low in range(0, n.size, step):
        part = slice(low, low + step)
        result[:, part] = np.exp(log_kept(wide, n[part, None], points) - force * (points - 1)) @ weight
    if endless and force == 0:
        decay = shapes.c * shapes.gamma - 1
        tail = np.exp(log_kept(shapes, n, last)) * last
        with np.errstate(divide="ignore"):
            result = np.where(decay > 0, result + tail / decay, np.inf)
    return result


def summation(last: float) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights of the sum over 1, 2, ..., last of a function that varies slowly beyond 64."""
    first = np.arange(1.0, min(last, _DIRECT) + 1)
    points, weights = [first], [np.ones_like(first)]
    if last > _DIRECT:
        x, w = np.polynomial.legendre.leggauss(16)
        low = _DIRECT + 0.5
        while low < last + 0.5:
            high = min(2 * low, last + 0.5)
            points.append((low + high) / 2 + (high - low) / 2 * x)
            weights.append((high - low) / 2 * w)
            low = high
        points.append(np.array([_DIRECT, _DIRECT + 1.0, last, last + 1.0]))
        weights.append(np.array([-1.0, 1.0, 1.0, -1.0]) / 24)  # slopes at both ends
    return np.concatenate(points), np.concatenate(weights)


# --- the law of those who are lost ------------------------------------------------------------------------------------


class ThetaMixture(NamedTuple):
    """Beta(a, b) components of theta and their probabilities, each (draw, customer, component)."""

    weight: np.ndarray
    a: np.ndarray
    b: np.ndarray


def theta_of_lost(shapes: Shapes, n: np.ndarray) -> ThetaMixture:
    """theta of contracts that ended instead of renewal n + 1; see `theta_of_ended`."""
    n = np.asarray(n, np.float64)
    served = n**shapes.c
    return theta_of_ended(shapes, served, (n + 1) ** shapes.c - served)


def theta_of_ended(shapes: Shapes, served: np.ndarray, wide: np.ndarray) -> ThetaMixture:
    """theta of contracts that ended by a renewal that adds `wide` to the exponent of 1 - theta, `served` so far, each
    (draw, customer): density prop. to Beta(gamma, delta + served) (1 - q^D), q = 1 - theta, D the width.

    1 - q^D = sum of q^s (1 - q^w) over pieces of D that start at s and are w wide; a piece of width 1 is
    Beta(gamma + 1, delta + served + s) exactly, every other one the Beta of the same mean and variance. Exact for
    D = 1; for c from 0.5 to 2.5 later survival is right within 0.002, mean and variance always.
    """
    gamma, delta = (v[..., None] for v in (shapes.gamma, shapes.delta))
    served, wide = served[..., None], wide[..., None]
    start, end = (np.minimum(np.arange(_PIECES) + i, wide) for i in (0, 1))
    many = wide > _PIECES
    start = np.where(many, wide * np.arange(_PIECES) / _PIECES, start)
    end = np.where(many, wide * (np.arange(_PIECES) + 1) / _PIECES, end)
    empty = end <= start
    width = np.where(empty, 1.0, end - start)
    b = delta + served + start

    def ended(r: int) -> np.ndarray:
        """E[1 - q^width] under Beta(gamma + r, b): what theta^r takes from Beta(gamma, b)."""
        return -np.expm1(log_gamma_ratio(b, gamma + r) - log_gamma_ratio(b + width, gamma + r))

    mean = gamma / (gamma + b) * ended(1) / ended(0)
    ratio = (gamma + 1) / (gamma + b + 1) * ended(2) / ended(1)  # (a + 1) / (a + b + 1) of the Beta(a, b) sought
    total = (1 - ratio) / (ratio - mean)
    share = np.exp(log_gamma_ratio(b[..., :1], gamma) - log_gamma_ratio(b, gamma)) * ended(0)
    weight = np.where(empty, 0.0, share)
    return ThetaMixture(weight / weight.sum(axis=-1, keepdims=True), total * mean, total * (1 - mean))
