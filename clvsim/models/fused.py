"""A compiled sum over rows with its gradient, as one node of a PyTensor graph.

Imported only where a PyMC model is built: it loads PyTensor and compiles.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from clvsim.kernels.compiler import source_hash
from clvsim.kernels.opportunities import gone_or_not
from clvsim.kernels.silence import lost_or_not

_KERNELS = {"gone_or_not": gone_or_not, "lost_or_not": lost_or_not}


class FusedSum(Op):
    """Value and gradient of a kernel of four parameters and four columns of data, summed over levels in one pass.

    Inputs: the parameters, each (level,); where the rows of each level begin and end, (level + 1,); the columns. The
    second output, (4, level), serves the gradient of the first; it has no derivative of its own.
    """

    __props__ = ("kernel",)

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def make_node(self, *inputs: Any) -> Apply:
        tensors = [pt.as_tensor_variable(v, dtype="int64" if i == 4 else "float64") for i, v in enumerate(inputs)]
        return Apply(self, tensors, [pt.dscalar(), pt.dmatrix()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Without Numba's linker, as for constant folding."""
        parameters, ends, columns = inputs[:4], inputs[4], [np.ascontiguousarray(c) for c in inputs[5:]]
        spans = [slice(*pair) for pair in itertools.pairwise(ends)]
        found = [
            _KERNELS[self.kernel](*(float(p[i]) for p in parameters), *(c[span] for c in columns))
            for i, span in enumerate(spans)
        ]
        sums: np.ndarray = np.array(found).T
        output_storage[0][0], output_storage[1][0] = np.asarray(sums[0].sum()), np.ascontiguousarray(sums[1:])

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True]] * 4 + [[False, False]] * 5

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Any]:
        """Cotangent of the value times the second output."""
        of_value, of_gradient = cotangents
        if not isinstance(of_gradient.type, DisconnectedType):
            raise NotImplementedError(f"{self.kernel} has no second derivatives")
        gradient: Any = outputs[1]
        return [of_value * gradient[i] for i in range(4)] + [disconnected_type() for _ in range(5)]


@register_funcify_and_cache_key(FusedSum)
def _compiled(op: FusedSum, node: Apply | None = None, **_: Any) -> tuple[Callable, str]:
    """The kernel inside PyTensor's own compiled graph, without a way back through Python."""
    kernel = _KERNELS[op.kernel]

    @numba_njit
    def fused(r, alpha, s, beta, ends, x, t_x, T, count):
        total = 0.0
        gradient = np.empty((4, r.size))
        for i in range(r.size):
            low, high = ends[i], ends[i + 1]
            found = kernel(r[i], alpha[i], s[i], beta[i], x[low:high], t_x[low:high], T[low:high], count[low:high])
            total += found[0]
            gradient[:, i] = found[1:]
        return np.asarray(total), gradient

    return fused, f"clvsim {op.kernel} by level {source_hash()}"


def fused_sum(kernel: str, parameters: Sequence[Any], rows: Any) -> Any:
    """The kernel's sum over `LevelRows`, arrays or graphs: a scalar, differentiable in `parameters` (four).

    A parameter is a scalar or (level,).
    """
    return FusedSum(kernel).make_node(*by_level(parameters, rows.ends), rows.ends, *rows[:4]).outputs[0]


def by_level(parameters: Sequence[Any], ends: Any) -> list[Any]:
    """Each (level,), whether it differs between levels or not."""
    levels = pt.as_tensor_variable(ends).shape[0] - 1
    return [p if p.ndim else pt.broadcast_to(p, (levels,)) for p in map(pt.as_tensor_variable, parameters)]
