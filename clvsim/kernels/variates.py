"""Compiled random numbers: uniforms by address (`rng`), and what is made of them."""

import math
from functools import partial

import numpy as np

from clvsim.kernels.compiler import njit
from clvsim.kernels.rng import GOLDEN, STREAM, U64

# Without reference counts: kernels allocate nothing, and atomic counts on every array handed to a helper took a quarter
# of the event loop. Without an entry for Python, which takes longer to compile than a small helper does: to call one
# from there compiles a caller first. `inline` is for LLVM and not for Numba, whose types are then inferred once.
helper = partial(njit, _nrt=False, no_cpython_wrapper=True)
leaf = helper()
inline = helper(forceinline=True)
# Merged by Numba into the loop that calls it, for what is handed many structs: as a function of its own it would take
# longer to compile than its code does. `x is None` is pruned where the loop has None.
room = helper(inline="always")


@inline
def mix(z):
    z = (z ^ (z >> U64(30))) * U64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> U64(27))) * U64(0x94D049BB133111EB)
    return z ^ (z >> U64(31))


@inline
def u01(z):
    """Uniform strictly inside (0, 1) from the upper 53 bits."""
    return (np.float64(z >> U64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@inline
def address(base, stream, event):
    return mix(base + U64(stream) * STREAM + U64(event) * GOLDEN)


@inline
def uniform(base, stream, event):
    return u01(address(base, stream, event))


@inline
def exponential(base, stream, event):
    return -math.log(u01(address(base, stream, event)))


def _ziggurat() -> tuple[np.ndarray, np.ndarray]:
    """Right edges of 256 layers of equal area under exp(-x²/2), widest first, and the curve there; both (257,).

    Marsaglia & Tsang 2000, J. Stat. Softw. 5(8); the lowest layer is widened by what its tail holds (Doornik 2005).
    """
    area = ZIGGURAT_TAIL * math.exp(-0.5 * ZIGGURAT_TAIL**2) + math.sqrt(0.5 * math.pi) * math.erfc(
        ZIGGURAT_TAIL / math.sqrt(2.0)
    )
    edge = [area * math.exp(0.5 * ZIGGURAT_TAIL**2), ZIGGURAT_TAIL]
    while len(edge) < 256:
        edge.append(math.sqrt(-2.0 * math.log(area / edge[-1] + math.exp(-0.5 * edge[-1] ** 2))))
    edges = np.array([*edge, 0.0])
    return edges, np.exp(-0.5 * edges**2)


ZIGGURAT_TAIL = 3.6541528853610088  # where 256 layers close
EDGE, CURVE = _ziggurat()


@leaf
def outside_core(x, layer, state):
    """The 1 % of normals that the ziggurat's rectangles do not settle: the value, or nan to try again."""
    if layer == 0:  # tail (Marsaglia 1964)
        while True:
            state = state + GOLDEN
            excess = -math.log(u01(mix(state))) / ZIGGURAT_TAIL
            state = state + GOLDEN
            if -2.0 * math.log(u01(mix(state))) >= excess * excess:
                return math.copysign(ZIGGURAT_TAIL + excess, x), state
    state = state + GOLDEN
    height = CURVE[layer] + u01(mix(state)) * (CURVE[layer + 1] - CURVE[layer])
    return (x if height < math.exp(-0.5 * x * x) else np.nan), state


@inline
def normal(state):
    """Standard normal and the state after it; layer from the lowest 8 bits, place in it from the upper 53."""
    while True:
        state = state + GOLDEN
        z = mix(state)
        layer = np.int64(z & U64(255))
        x = (2.0 * u01(z) - 1.0) * EDGE[layer]
        if abs(x) < EDGE[layer + 1]:
            return x, state
        x, state = outside_core(x, layer, state)
        if x == x:  # not nan
            return x, state


@leaf
def gamma(state, shape):
    """Gamma(shape, 1), Marsaglia & Tsang 2000; `state` is an address, its followers are this draw's own."""
    boost = 1.0
    if shape < 1.0:
        state = state + GOLDEN
        boost = u01(mix(state)) ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x, state = normal(state)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        state = state + GOLDEN
        u = u01(mix(state))
        if u < 1.0 - 0.0331 * x * x * x * x or math.log(u) < 0.5 * x * x + d * (1.0 - v + math.log(v)):
            return d * v * boost
