"""`models.fused` by two clocks: a compiled sum over rows whose gradient reaches the clock of buying too.

Imported only where a PyMC model with a season is built: it loads PyTensor and compiles.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply, Variable
from pytensor.graph.op import Op
from pytensor.link.numba.dispatch.basic import numba_njit, register_funcify_and_cache_key

from clvsim.kernels.compiler import source_hash
from clvsim.kernels.seasons import lost_or_not_by_clock
from clvsim.models.fused import by_level


class ClockedSum(Op):
    """`lost_or_not_by_clock` summed over levels; its gradient in the parameters, (4, level), and in the clock, (edge,).

    Inputs: r, alpha, s, beta, each (level,); how far the clock ran since each edge; where the rows of each level begin
    and end, (level + 1,); the edges; the columns. The gradients have no derivatives of their own.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        tensors = [pt.as_tensor_variable(v, dtype="int64" if i == 5 else "float64") for i, v in enumerate(inputs)]
        return Apply(self, tensors, [pt.dscalar(), pt.dmatrix(), pt.dvector()])

    def perform(self, node: Apply, inputs: Sequence[Any], output_storage: Sequence[list[Any]]) -> None:
        """Without Numba's linker, as for constant folding."""
        contiguous = [np.ascontiguousarray(v) for v in inputs]
        for storage, found in zip(output_storage, _over_levels(*contiguous), strict=True):
            storage[0] = np.asarray(found)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True, True, True]] * 5 + [[False, False, False]] * 6

    def pullback(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], cotangents: Sequence[Variable]
    ) -> list[Any]:
        """Cotangent of the value times the other outputs."""
        if not all(isinstance(c.type, DisconnectedType) for c in cotangents[1:]):
            raise NotImplementedError("lost_or_not_by_clock has no second derivatives")
        _, gradient, by_run = outputs
        by_parameter: Any = gradient
        of_value: Any = cotangents[0]
        found = [of_value * by_parameter[i] for i in range(4)] + [of_value * by_run]
        return found + [disconnected_type() for _ in range(6)]


def _over_levels(r, alpha, s, beta, run, ends, ago, x, t_x, T, count):
    total, gradient, by_run = 0.0, np.empty((4, r.size)), np.zeros(run.size)
    for i in range(r.size):
        low, high = ends[i], ends[i + 1]
        rows = (x[low:high], t_x[low:high], T[low:high], count[low:high])
        found = lost_or_not_by_clock(r[i], alpha[i], s[i], beta[i], run, ago, *rows)
        total += found[0]
        gradient[:, i] = found[1:5]
        by_run += found[5:]
    return np.asarray(total), gradient, by_run


@register_funcify_and_cache_key(ClockedSum)
def _compiled_by_clock(op: ClockedSum, node: Apply | None = None, **_: Any) -> tuple[Callable, str]:
    return numba_njit(_over_levels), f"clvsim lost_or_not_by_clock by level {source_hash()}"


def clocked_sum(parameters: Sequence[Any], run: Any, ago: Any, rows: Any) -> Any:
    """`fused_sum` of lost_or_not_by_clock, differentiable in `run` (edge,) too: how far the clock ran since `ago`."""
    return ClockedSum().make_node(*by_level(parameters, rows.ends), run, rows.ends, ago, *rows[:4]).outputs[0]
