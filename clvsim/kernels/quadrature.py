"""Gauss-Legendre rules and the limits that integrals of several kernels share."""

import numpy as np

from clvsim.kernels.compiler import types

READABLE = types.Array(types.float64, 1, "C", readonly=True)  # what can be written to is accepted too
FORGOTTEN = 40.0  # what is discounted by exp(-40) is below rounding
STEEP_WIDTH = 0.75  # of a panel of u on which a discount may fall double-exponentially


def gauss_legendre(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(size)
    return 0.5 * (1.0 + nodes), 0.5 * weights


# Nodes by how far the logarithm of the integrand falls, and over which length; each keeps log G to about 1e-13.
SHORT_DROP, SHORT_LENGTH = 0.5, 0.3  # a month, seen from today
SHORT_NODES, SHORT_WEIGHTS = gauss_legendre(5)
FLAT_DROP, FLAT_LENGTH = 4.0, 1.0
FLAT_NODES, FLAT_WEIGHTS = gauss_legendre(8)
EASY_DROP, EASY_LENGTH = 12.0, 2.0
EASY_NODES, EASY_WEIGHTS = gauss_legendre(12)
NODES, WEIGHTS = gauss_legendre(24)
