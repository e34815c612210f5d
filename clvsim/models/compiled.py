"""A PyMC model's posterior as compiled functions that serve every table of the model; see `models.inputs`.

Compiled are the log density with its gradient, for searches and weights, and nutpie's sampler, each when it is first
asked for. Data are inputs of both, as in nutpie's `with_data`. PyTensor and nutpie are imported by what compiles.
"""

import atexit
import functools
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from clvsim.private import cache_folder

Data = Mapping[str, np.ndarray]  # a table as `inputs.by_name` has it
_KEPT = 12  # compiled graphs: models of a run, fitted to all of the log and to its first part
_SHARED: "dict[Hashable, Functions]" = {}


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
    """PyTensor's functions of the variables and the arrays of `data`: names of the containers that matter, in order.

    `to_free` takes many points at once and returns the free variables, each (point, ...). `value` compiles a function
    of points (point, d) without gradient.
    """

    data: tuple[str, ...]
    value_and_gradient: Callable[..., Any]
    to_free: Callable[..., Any]
    value: Callable[[], Callable[..., None]]


@dataclass(frozen=True)
class CompiledModel:
    """A posterior of the table `data`; `functions` and `sampler`, nutpie's, compile at the first call.

    `names`: of the free variables. `start`: where searches start, the unconstrained variables by name.
    """

    data: Data
    names: tuple[str, ...]
    start: Callable[[], Data]
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
        functions, start = self.functions(), self.start()
        ends = np.cumsum([0, *(value.size for value in start.values())])
        places = [(slice(*pair), v.shape) for pair, v in zip(itertools.pairwise(ends), start.values(), strict=True)]
        arrays = [self.data[name] for name in functions.data]

        def by_variable(at: np.ndarray) -> list[np.ndarray]:
            """Points (..., d) cut up into the variables, each (..., shape)."""
            return [at[..., place].reshape((*at.shape[:-1], *shape)) for place, shape in places]

        def slope(at: np.ndarray) -> tuple[float, np.ndarray]:
            log_density, *gradient = functions.value_and_gradient(*by_variable(at), *arrays)
            return float(log_density), np.concatenate([np.ravel(part) for part in gradient])

        def constrain(points: np.ndarray) -> dict[str, np.ndarray]:
            columns = functions.to_free(*by_variable(np.ascontiguousarray(points)), *arrays)
            return {name: np.array(column, np.float64) for name, column in zip(self.names, columns, strict=True)}

        begin = np.concatenate([np.ravel(value) for value in start.values()])
        return Density(begin, lambda p: _on_all_cores(functions.value(), p, arrays), slope, constrain)

    def chains(self) -> Any:
        """nutpie's compiled model, to be sampled."""
        sampler = self.sampler()
        used = {variable.name for variable in sampler.shared_var_keys}
        return sampler.with_data(**{name: value for name, value in self.data.items() if name in used})


def compile_model(model: Any, graph: Hashable = None) -> CompiledModel:
    """The posterior of a PyMC model, for its own data and, `with_data`, for other tables.

    Models of one `graph` differ in their data only, and share what is compiled for the first of them.
    """

    def sampler() -> Any:
        import nutpie

        with _exactly():
            return nutpie.compile_pymc_model(model)

    def start() -> Data:
        initial = _initial_point(model)
        return {v.name: np.asarray(initial[v.name], np.float64) for v in model.value_vars}

    def functions() -> Functions:
        if graph is None:
            return _functions(model)
        of = (graph, tuple((data.name, data.type) for data in model.data_vars))
        if of not in _SHARED:
            _SHARED[of] = _functions(model)
            if len(_SHARED) > _KEPT:
                del _SHARED[next(iter(_SHARED))]
        return _SHARED[of]

    return CompiledModel(
        {data.name: data.get_value() for data in model.data_vars},
        tuple(variable.name for variable in model.free_RVs),
        functools.cache(start),
        functools.cache(functions),
        functools.cache(sampler),
    )


def _initial_point(model: Any) -> dict[str, np.ndarray]:
    """Where a model's unconstrained variables start; without the C compiler, which takes seconds for a few numbers."""
    import pytensor

    with pytensor.config.change_flags(cxx=""):
        return model.initial_point()


@contextmanager
def _exactly() -> Generator[None]:
    """Sums in the order in which they are written. Fast mathematics may take another one, which depends on what was
    compiled together: bits would differ between a first fit on a machine and a second, which finds parts compiled.

    PyTensor leaves the source of what it compiles in temporary files, for good: here they end with the process.
    """
    import pytensor

    from clvsim.kernels import compiler

    compiler.check_caches()
    before, tempfile.tempdir = tempfile.tempdir, _sources()
    try:
        with pytensor.config.change_flags(numba__fastmath=False):
            yield
    finally:
        tempfile.tempdir = before


@functools.cache
def _sources() -> str:
    return _for_now()


def _for_now() -> str:
    """A temporary folder of this process."""
    folder = tempfile.mkdtemp(prefix="clvsim-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def keep_compiled() -> None:
    """Have PyTensor keep what it compiles beside our caches instead of in the user's home; in a temporary folder where
    they cannot be used. Nothing where PyTensor is loaded already, or the user says where (PYTENSOR_FLAGS)."""
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if "pytensor" in sys.modules or "compiledir" in flags:
        return
    folder = str(cache_folder("pytensor/checked") or "")
    plain = folder if folder and not set(folder) & set(",=\"'") else _for_now()
    os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, [flags, f"base_compiledir={plain}"]))


def _functions(model: Any) -> Functions:
    """The model's own transformed log density, compiled by Numba.

    Variables are inputs one by one: to cut a point up, and to put a gradient together, takes longer to compile than the
    density of many a model. Free variables follow for many points at once, by NumPy, where nothing is compiled.
    """
    import pytensor
    import pytensor.tensor as pt
    from pymc.pytensorf import join_nonshared_inputs
    from pytensor.compile.mode import Mode
    from pytensor.graph.replace import vectorize_graph
    from pytensor.graph.traversal import graph_inputs

    variables: list[Any] = model.value_vars
    log_density: Any = model.logp()
    constrained = model.replace_rvs_by_values(model.free_RVs)
    used = set(graph_inputs([log_density, *constrained]))
    containers = [data for data in model.data_vars if data in used]
    inputs = [data.type() for data in containers]
    givens = dict(zip(containers, inputs, strict=True))

    def compiled(at: list[Any], outputs: Any, mode: Any = "NUMBA") -> Any:
        with _exactly():
            return pytensor.function(
                [*at, *inputs], outputs, givens=givens, mode=mode, trust_input=True, on_unused_input="ignore"
            )

    def value() -> Callable[..., None]:
        [whole], point = join_nonshared_inputs(_initial_point(model), [log_density], variables)
        return _of_points(compiled([point], whole))

    gradient: Any = pt.grad(log_density, variables)
    many: dict[Any, Any] = {v: pt.tensor(v.name, dtype=v.dtype, shape=(None, *v.type.shape)) for v in variables}
    return Functions(
        data=tuple(data.name for data in containers),
        value_and_gradient=compiled(variables, [log_density, *gradient]),
        to_free=compiled([*many.values()], vectorize_graph(constrained, many), Mode("py", "None")),
        value=functools.cache(value),
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
