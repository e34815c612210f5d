"""A compiled sum over rows with its gradient, as one node of a PyTensor graph.

Imported only where a PyMC model is built: it loads PyTensor and compiles.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from clvsim.kernels import source_hash
from clvsim.kernels.special import lost_or_not

_KERNELS = {"lost_or_not": lost_or_not}


class FusedSum(Op):
    """Value and gradient of a kernel of four scalar parameters and four columns of data, computed in one pass.

    The second output serves the gradient of the first; it has no derivative of its own.
    """

    __props__ = ("kernel",)

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def make_node(self, *inputs: Any) -> Apply:
        tensors = [pt.as_tensor_variable(v, dtype="float64") for v in inputs]
        return Apply(self, tensors, [pt.dscalar(), pt.dvector()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Without Numba's linker, as for constant folding."""
        scalars, columns = inputs[:4], inputs[4:]
        found = _KERNELS[self.kernel](*(float(v) for v in scalars), *(np.ascontiguousarray(c) for c in columns))
        output_storage[0][0], output_storage[1][0] = np.asarray(found[0]), found[1:]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True]] * 4 + [[False, False]] * 4

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Any]:
        """Cotangent of the value times the second output."""
        of_value, of_gradient = cotangents
        if not isinstance(of_gradient.type, DisconnectedType):
            raise NotImplementedError(f"{self.kernel} has no second derivatives")
        gradient: Any = outputs[1]
        return [of_value * gradient[i] for i in range(4)] + [disconnected_type() for _ in range(4)]


@register_funcify_and_cache_key(FusedSum)
def _compiled(op: FusedSum, node: Apply | None = None, **_: Any) -> tuple[Callable, str]:
    """The kernel inside PyTensor's own compiled graph, without a way back through Python."""
    kernel = _KERNELS[op.kernel]

    @numba_njit
    def fused(r, alpha, s, beta, x, t_x, T, count):
        found = kernel(r.item(), alpha.item(), s.item(), beta.item(), x, t_x, T, count)
        return np.asarray(found[0]), found[1:]

    return fused, f"clvsim {op.kernel} {source_hash()}"


def fused_sum(kernel: str, parameters: Sequence[Any], columns: Sequence[np.ndarray]) -> Any:
    """The kernel's sum over rows of `columns`, each (row,): a scalar, differentiable in `parameters` (four)."""
    constants = [np.ascontiguousarray(c, np.float64) for c in columns]
    return FusedSum(kernel).make_node(*parameters, *constants).outputs[0]
