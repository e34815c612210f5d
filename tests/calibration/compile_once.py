"""Posterior densities compiled once for all data sets of a model, and both samplers on them.

A model's graph holds its data as constants, so that the product compiles anew for every data set: seconds, of which a
thousand data sets have none to spare. Here each data set's graph is still built by the model; what differs between
data sets (found by comparing graphs, not by knowing the model) becomes an input, all else stays as it is. Gradient,
rewrites and linker are the product's; searches and chains start where those of the first data set do. Imported only
where it is used: it loads PyMC.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple
from unittest.mock import patch

import numba
import numpy as np
import nutpie
import pytensor
import pytensor.tensor as pt
from nutpie.compiled_pyfunc import from_pyfunc
from pymc.pytensorf import join_nonshared_inputs
from pytensor.compile.builders import SymbolicOp
from pytensor.graph.basic import Constant, Variable
from pytensor.graph.traversal import toposort

from clvsim.errors import DiagnosticsError
from clvsim.models import inference
from clvsim.models.config import FitConfig
from clvsim.models.fit import _TARGET_ACCEPT
from clvsim.models.inference import Density

LAPLACE_DRAWS = 1000
NUTS = FitConfig(draws=500, chains=2, tune=300)
Use = tuple[int, int]  # of a constant: which node in order, which of its inputs


class Graph(NamedTuple):
    """Log density and the free variables as functions of one point; the operations in order and what each is applied
    to, for comparison; the constants."""

    point: Any
    outputs: list[Any]
    nodes: list[Any]
    wiring: tuple[Any, ...]
    constants: dict[Use, np.ndarray]


class Program:
    """Graphs that are alike but for their constants, of which those in `uses` differ."""

    def __init__(self, start: np.ndarray) -> None:
        self.start = start
        self.constants: dict[Use, np.ndarray] = {}
        self.uses: tuple[Use, ...] = ()
        self.compiled: tuple[Any, Any, Any] | None = None

    def learn(self, graph: Graph) -> None:
        """Forget what was compiled where another constant turns out to be data."""
        self.constants = self.constants or graph.constants
        new = {use for use, value in graph.constants.items() if not np.array_equal(value, self.constants[use])}
        if not new <= set(self.uses):
            self.uses, self.compiled = tuple(sorted({*self.uses, *new})), None

    def compile(self, graph: Graph) -> None:
        flat, ends, (log_density, *constrained) = lift(graph, self.uses)
        gradient: Any = pt.grad(log_density, graph.point)
        self.compiled = tuple(
            pytensor.function([graph.point, flat, ends], of, mode="NUMBA", trust_input=True, on_unused_input="ignore")
            for of in ([log_density, gradient], constrained, log_density)
        )


class CompileOnce:
    """`inference.density` with a memory."""

    def __init__(self) -> None:
        self.programs: dict[tuple[Any, ...], Program] = {}

    def program(self, model: Any, graph: Graph) -> Program:
        if graph.wiring not in self.programs:
            initial = model.initial_point()
            start = np.concatenate([np.ravel(initial[v.name]) for v in model.value_vars]).astype(np.float64)
            self.programs[graph.wiring] = Program(start)
        return self.programs[graph.wiring]

    def learn(self, models: Iterable[Any]) -> None:
        """Which constants are data, from models of several data sets, before anything is compiled."""
        for model in models:
            graph = graph_of(model)
            self.program(model, graph).learn(graph)

    def density(self, model: Any) -> Density:
        """As `inference.density`."""
        graph = graph_of(model)
        program = self.program(model, graph)
        program.learn(graph)
        if program.compiled is None:
            program.compile(graph)
        assert program.compiled is not None
        value_and_gradient, to_free, value = program.compiled
        data = flattened([graph.constants[use] for use in program.uses])

        def values(points: np.ndarray) -> np.ndarray:
            out = np.empty(len(points))
            _fill(value.vm.jit_fn, points, *data, out)
            return np.where(np.isnan(out), -np.inf, out)

        def slope(at: np.ndarray) -> tuple[float, np.ndarray]:
            found, ascent = value_and_gradient(at, *data)
            return float(found), np.asarray(ascent, np.float64)

        def constrain(points: np.ndarray) -> dict[str, np.ndarray]:
            columns = zip(*(to_free(at, *data) for at in points), strict=True)
            names = [variable.name for variable in model.free_RVs]
            return {name: np.array(column, np.float64) for name, column in zip(names, columns, strict=True)}

        return Density(program.start, values, slope, constrain)

    def auto(self, model: Any, rows: Any, seed: int, at_once: bool = False) -> tuple[dict[str, np.ndarray], str]:
        """Draws of the free variables and how they came about: as `fit.fit_one` where `fit.method` is auto.

        `laplace` with 1,000 draws, and where it does not pass NUTS; or NUTS `at_once`. Laplace passes as in the product
        by Pareto k and, as the product asks of its 4,000 draws, if a tenth of them are effective.
        """
        with pytensor.config.change_flags(traceback__limit=0):
            built = model.build(rows)
        way = "nuts at once"
        if not at_once:
            with patch.object(inference, "density", self.density):
                try:
                    free, (pareto_k, ess) = inference.laplace(built, model.kind, len(rows.count), LAPLACE_DRAWS, seed)
                    if pareto_k.ok and ess.value >= LAPLACE_DRAWS / 10:
                        return free, "laplace"
                    way = "nuts for poor weights"
                except DiagnosticsError:
                    way = "nuts for want of a mode"
        free, divergences = self.nuts(built, NUTS.model_copy(update={"seed": seed}))
        return free, way + (", divergent" if divergences else "")

    def nuts(self, model: Any, config: FitConfig) -> tuple[dict[str, np.ndarray], int]:
        """As `fit.sample`: nutpie with the same settings, on a density that needs no compilation."""
        target = self.density(model)
        tree: Any = nutpie.sample(
            from_pyfunc(
                target.start.size,
                lambda: target.slope,
                lambda *_: lambda point: {"point": point},
                [np.dtype("float64")],
                [target.start.shape],
                ["point"],
                make_initial_point_fn=lambda seed: (
                    target.start + np.random.default_rng(seed).uniform(-1, 1, len(target.start))
                ),
            ),
            draws=config.draws // config.chains,
            tune=config.tune,
            chains=config.chains,
            cores=1,
            seed=config.seed,
            target_accept=_TARGET_ACCEPT,
            progress_bar=False,
        )
        points = tree["posterior"]["point"].to_numpy().reshape(-1, target.start.size)
        return target.constrain(points), int(tree["sample_stats"]["diverging"].to_numpy().sum())


@numba.njit
def _fill(one: Any, points: np.ndarray, flat: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    for i in range(len(points)):
        out[i] = one(points[i], flat, ends)[0].item()


def graph_of(model: Any) -> Graph:
    """Joined as in `inference.density`."""
    with pytensor.config.change_flags(traceback__limit=0):  # takes twice as long otherwise
        shapes = {variable.name: np.zeros(variable.type.shape) for variable in model.value_vars}
        outputs = [model.logp(), *model.replace_rvs_by_values(model.free_RVs)]
        joined, point = join_nonshared_inputs(shapes, outputs, model.value_vars)
    nodes = list(toposort(joined))
    place: dict[Any, Any] = {point: "point"}
    wiring: list[Any] = []
    constants: dict[Use, np.ndarray] = {}
    for i, node in enumerate(nodes):
        of: list[Any] = [identity(node.op)]
        for j, variable in enumerate(node.inputs):
            if not isinstance(variable, Constant):
                of.append(place[variable])
            elif isinstance(variable.data, np.ndarray):
                constants[i, j] = variable.data
                of.append((str(variable.data.dtype), variable.data.ndim))
            else:
                of.append((variable.type, str(variable.data)))
        wiring.append(tuple(of))
        place |= {out: (i, j) for j, out in enumerate(node.outputs)}
    return Graph(point, list(joined), nodes, (*wiring, *(place[out] for out in joined)), constants)


def identity(op: Any) -> Any:
    """What two operations have in common that do the same; symbolic ones differ in the lengths of inputs too."""
    return (type(op), *(getattr(op, p) for p in getattr(op, "__props__", ()))) if isinstance(op, SymbolicOp) else op


def flattened(constants: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """All of them in a row as float64, and where each ends: two arguments pass faster than twenty."""
    rows = [np.ravel(constant).astype(np.float64) for constant in constants]
    return np.concatenate([*rows, np.zeros(1)]), np.cumsum([0, *(row.size for row in rows)])


def lift(graph: Graph, uses: Sequence[Use]) -> tuple[Any, Any, list[Any]]:
    """Inputs as `flattened` makes them, and the outputs as functions of them; lengths are left open."""
    flat, ends = pt.dvector("flat"), pt.lvector("ends")
    number = {use: i for i, use in enumerate(uses)}
    now: dict[Variable, Variable] = {}

    def slot(i: int, constant: Any) -> Any:
        assert constant.type.ndim < 2
        value = flat[ends[i] : ends[i + 1]] if constant.type.ndim else flat[ends[i]]
        return pt.neq(value, 0) if constant.type.dtype == "bool" else value.astype(constant.type.dtype)

    for i, node in enumerate(graph.nodes):
        changed: Any = [
            slot(number[i, j], variable) if (i, j) in number else now.get(variable, variable)
            for j, variable in enumerate(node.inputs)
        ]
        if isinstance(node.op, SymbolicOp):
            made = node.op(*changed, return_list=True)
        else:
            made = node.clone_with_new_inputs(changed, strict=False).outputs
        now.update(zip(node.outputs, made, strict=True))
    return flat, ends, [now[out] for out in graph.outputs]
