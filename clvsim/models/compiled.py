"""A PyMC model's posterior as compiled functions that serve every table of the model; see `models.inputs`.

Compiled are the log density with its gradient, for searches and weights, and nutpie's sampler, each when it is first
asked for. Data are inputs of both, as in nutpie's `with_data`. PyTensor and nutpie are imported by what compiles.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

Data = Mapping[str, np.ndarray]  # a table as `inputs.by_name` has it


class Density(NamedTuple):
    """A model's posterior in the unconstrained space, up to a constant.

    `start`: (d,). `values`: points to log densities, on all cores. `slope`: one point (d,) to its log density and
    gradient (d,). `constrain`: points to draws of the model's free variables, each (point, ...).
    """

    start: np.ndarray
    values: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], tuple[float, np.ndarray]]
    constrain: Callable[[np.ndarray], dict[str, np.ndarray]]


class Functions(NamedTuple):
    """PyTensor's functions of one point (d,) and the arrays of `data`: names of the containers that matter, in order.

    `to_free` returns the free variables. `value` compiles a function without gradient.
    """

    start: np.ndarray
    data: tuple[str, ...]
    value_and_gradient: Callable[..., Any]
    to_free: Callable[..., Any]
    value: Callable[[], Callable[..., None]]


@dataclass(frozen=True)
class CompiledModel:
    """A posterior of the table `data`; `functions` and `sampler`, nutpie's, compile at the first call.

    `names`: of the free variables.
    """

    data: Data
    names: tuple[str, ...]
    functions: Callable[[], Functions]
    sampler: Callable[[], Any]

    def with_data(self, data: Data) -> "CompiledModel":
        """Of another table. Searches and chains start where those of the table do that was compiled for.

        Raises ValueError where that table has a graph of another shape.
        """
        if data.keys() != self.data.keys():
            raise ValueError(f"another graph: {', '.join(sorted(data.keys() ^ self.data.keys()))}")
        return replace(self, data=data)

    def density(self) -> Density:
        """For searches and weights."""
        functions = self.functions()
        arrays = [self.data[name] for name in functions.data]

        def slope(at: np.ndarray) -> tuple[float, np.ndarray]:
            log_density, gradient = functions.value_and_gradient(at, *arrays)
            return float(log_density), np.asarray(gradient, np.float64)

        def constrain(points: np.ndarray) -> dict[str, np.ndarray]:
            columns = zip(*(functions.to_free(at, *arrays) for at in points), strict=True)
            return {name: np.array(column, np.float64) for name, column in zip(self.names, columns, strict=True)}

        return Density(functions.start, lambda p: _on_all_cores(functions.value(), p, arrays), slope, constrain)

    def chains(self) -> Any:
        """nutpie's compiled model, to be sampled."""
        sampler = self.sampler()
        used = {variable.name for variable in sampler.shared_var_keys}
        return sampler.with_data(**{name: value for name, value in self.data.items() if name in used})


def compile_model(model: Any) -> CompiledModel:
    """The posterior of a PyMC model, for its own data and, `with_data`, for other tables."""

    def sampler() -> Any:
        import nutpie

        return nutpie.compile_pymc_model(model)

    return CompiledModel(
        {data.name: data.get_value() for data in model.data_vars},
        tuple(variable.name for variable in model.free_RVs),
        functools.cache(lambda: _functions(model)),
        functools.cache(sampler),
    )


def _functions(model: Any) -> Functions:
    """The model's own transformed log density, compiled by Numba."""
    import pytensor
    import pytensor.tensor as pt
    from pymc.pytensorf import join_nonshared_inputs
    from pytensor.graph.traversal import graph_inputs

    initial = model.initial_point()
    outputs = [model.logp(), *model.replace_rvs_by_values(model.free_RVs)]
    (log_density, *constrained), point = join_nonshared_inputs(initial, outputs, model.value_vars)
    gradient: Any = pt.grad(log_density, point)
    used = set(graph_inputs([log_density, *constrained]))
    containers = [data for data in model.data_vars if data in used]
    inputs = [data.type() for data in containers]

    def compiled(outputs: Any) -> Any:
        return pytensor.function(
            [point, *inputs],
            outputs,
            givens=dict(zip(containers, inputs, strict=True)),
            mode="NUMBA",
            trust_input=True,
            on_unused_input="ignore",
        )

    return Functions(
        start=np.concatenate([np.ravel(initial[variable.name]) for variable in model.value_vars]).astype(np.float64),
        data=tuple(data.name for data in containers),
        value_and_gradient=compiled([log_density, gradient]),
        to_free=compiled(constrained),
        value=functools.cache(lambda: _of_points(compiled(log_density))),
    )


def _of_points(compiled: Any) -> Callable[..., None]:
    """From PyTensor's function of (one point, data ...), of a single output, to one of (points, out, data)."""
    import numba

    one = compiled.vm.jit_fn  # the graph itself: PyTensor's wrapper around it would hold the interpreter's lock

    @numba.njit(nogil=True)
    def fill(one: Any, points: np.ndarray, out: np.ndarray, data: tuple[np.ndarray, ...]) -> None:
        for i in range(len(points)):
            out[i] = one(points[i], *data)[0].item()

    return functools.partial(fill, one)


def _on_all_cores(fill: Callable[..., None], points: np.ndarray, data: Sequence[np.ndarray]) -> np.ndarray:
    """Log density of each point, (point,); nan becomes -inf."""
    from joblib import Parallel, cpu_count, delayed

    out = np.empty(len(points))
    ends = np.linspace(0, len(points), cpu_count() + 1).astype(int)
    parts = [slice(*pair) for pair in itertools.pairwise(ends)]
    Parallel(n_jobs=len(parts), backend="threading")(delayed(fill)(points[p], out[p], tuple(data)) for p in parts)
    return np.where(np.isnan(out), -np.inf, out)
