"""What models on a grid of opportunities need beyond elementary functions: sums over the moment of a silent departure.

Ratios of beta functions of neighbouring arguments are rational, so sums run on multiplications and divisions.
"""

import math

import numpy as np

from clvsim.kernels.compiler import njit, types

_CONVERGED = 1e-15  # relative change of a continued fraction
_DATA = types.Array(types.float64, 1, "C", readonly=True)  # what can be written to is accepted too


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
)
def log_odds_gone(alpha, beta, gamma, delta, x, t_x, n, out):
    """log of P(gone at n) / P(alive at n) given x purchases, the last at t_x, of n opportunities; -inf at t_x = n.

    alpha, beta, gamma, delta: (draw,). x, t_x, n: (row,). out: (draw, row). See `gone_or_not`.
    """
    for d in range(alpha.shape[0]):
        both, exits = alpha[d] + beta[d], gamma[d] + delta[d] + 1.0
        for i in range(x.shape[0]):
            total, log_ratio, k = 0.0, math.log(gamma[d] / exits), n[i] - 1.0
            last = exits + n[i] - 1.0  # the factor that the first term does not have
            log_ratio += math.log(exits / last)
            while k >= t_x[i]:
                step = (both + k) / (beta[d] + (k - x[i])) * ((exits + k) / (delta[d] + k))
                total = total / step + 1.0
                log_ratio += math.log(step)
                k -= 1.0
            out[d, i] = math.log(total) + log_ratio if total > 0.0 else -np.inf


@njit(types.float64[::1](*[types.float64] * 4, *[_DATA] * 4), cache=True, nogil=True)
def gone_or_not(alpha, beta, gamma, delta, x, t_x, n, count):
    """Sum over rows of count * log(1 + odds of being gone), and its gradient in (alpha, beta, gamma, delta), (5,).

    BG/BB; rows have t_x < n. With k the opportunities survived, the odds are the sum over k = t_x..n-1 of
    B(alpha+x, beta+k-x) B(gamma+1, delta+k) / (B(alpha+x, beta+n-x) B(gamma, delta+n))
    = gamma prod_{j=k}^{n-1} (alpha+beta+j)/(beta+j-x)/(delta+j) prod_{j=k}^{n-2} (gamma+delta+1+j).
    Terms grow as k falls; sums are kept relative to the latest.
    """
    out = np.zeros(5)
    both, exits = alpha + beta, gamma + delta + 1.0
    for i in range(x.shape[0]):
        k = n[i] - 1.0
        last = exits + k
        log_ratio = math.log(gamma / last)
        by_both, by_beta, by_gamma, by_delta = 0.0, 0.0, 1.0 / gamma - 1.0 / last, -1.0 / last
        total, of_both, of_beta, of_gamma, of_delta = 0.0, 0.0, 0.0, 0.0, 0.0
        while k >= t_x[i]:
            purchases, silence, leaving, staying = both + k, beta + (k - x[i]), exits + k, delta + k
            step = purchases / silence * (leaving / staying)
            log_ratio += math.log(step)
            by_both += 1.0 / purchases
            by_beta -= 1.0 / silence
            by_gamma += 1.0 / leaving
            by_delta += 1.0 / leaving - 1.0 / staying
            total = total / step + 1.0
            of_both = of_both / step + by_both
            of_beta = of_beta / step + by_beta
            of_gamma = of_gamma / step + by_gamma
            of_delta = of_delta / step + by_delta
            k -= 1.0
        log_odds = math.log(total) + log_ratio
        out[0] += count[i] * (max(log_odds, 0.0) + math.log1p(math.exp(-abs(log_odds))))
        gone = count[i] / (1.0 + math.exp(-log_odds)) / total
        out[1] += gone * of_both
        out[2] += gone * (of_both + of_beta)
        out[3] += gone * of_gamma
        out[4] += gone * of_delta
    return out


@njit("float64(float64, float64, float64)", cache=True, nogil=True)
def endless(b, c, z):
    """2F1(1, b; c; z) for 0 < b < c and 0 <= z < 1 by Gauss's continued fraction (DLMF 15.7.5 at b = 0), Lentz's way.

    All partial denominators are positive. Takes about 18 / sqrt(1 - z) steps where z is near 1.
    """
    f, upper, lower, k = 1.0, 1.0, 0.0, 0.0
    while True:
        even = (b + k) * (c - 1.0 + k) / ((c - 1.0 + 2.0 * k) * (c + 2.0 * k)) * z
        lower = 1.0 / (1.0 - even * lower)
        upper = 1.0 - even / upper
        f *= upper * lower
        odd = (k + 1.0) * (c - b + k) / ((c + 2.0 * k) * (c + 1.0 + 2.0 * k)) * z
        lower = 1.0 / (1.0 - odd * lower)
        upper = 1.0 - odd / upper
        change = upper * lower
        f *= change
        k += 1.0
        if not abs(change - 1.0) > _CONVERGED:  # so that nan ends it too
            return 1.0 / f


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64, float64[:, ::1])",
    cache=True,
    nogil=True,
)
def expected_survivals(gamma, delta, n, m, z, out):
    """Sum over k = 1..m of z^(k-1) P(still there at opportunity n + k | alive at n), theta ~ Beta(gamma, delta + n).

    gamma, delta: (draw,). n, m: (row,), m may be infinite: without discount (z = 1) the sum is then infinite unless
    gamma > 1. out: (draw, row).
    """
    for d in range(gamma.shape[0]):
        for i in range(n.shape[0]):
            served = delta[d] + n[i]
            if np.isfinite(m[i]):
                stay, total, k = 1.0, 0.0, 0.0
                while k < m[i]:
                    stay *= (served + k) / (gamma[d] + served + k)
                    total += stay
                    stay *= z
                    k += 1.0
                out[d, i] = total
            elif z < 1.0:
                out[d, i] = served / (gamma[d] + served) * endless(served + 1.0, gamma[d] + served + 1.0, z)
            else:
                out[d, i] = served / (gamma[d] - 1.0) if gamma[d] > 1.0 else np.inf


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], float64[::1],"
    " float64[:, ::1])",
    cache=True,
    nogil=True,
)
def purchase_within(alpha, beta, gamma, delta, x, n, m, out):
    """P(at least one purchase at opportunities n+1..n+m | alive at n, x purchases so far): by which is the first.

    alpha, beta, gamma, delta: (draw,). x, n, m: (row,), finite. out: (draw, row).
    """
    for d in range(alpha.shape[0]):
        for i in range(n.shape[0]):
            buys, declines, served = alpha[d] + x[i], beta[d] + (n[i] - x[i]), delta[d] + n[i]
            silent, total, k = 1.0, 0.0, 0.0
            while k < m[i]:
                silent *= (served + k) / (gamma[d] + served + k)
                total += silent * buys / (buys + declines + k)
                silent *= (declines + k) / (buys + declines + k)
                k += 1.0
            out[d, i] = total
