"""Tables as inputs of a compiled density: data containers in a PyMC model, and their values by name.

A model derives from its rows whatever its density computes with (counts of equal values, places in lookups) as a
NamedTuple: of arrays, of numbers, of tuples of them. In the graph each array is a `pm.Data`, never a constant, so that
one compiled graph serves all tables of a model with the same settings, whatever their lengths. What shapes the graph is
structure, not data: lengths of tuples, and parts that are None.

Arithmetic of data alone belongs to `inputs`, not to the graph: there b + (x - 1) may be rewritten as (b - 1) + x, and a
small b is lost.
"""

from typing import Any

import numpy as np


def containers(pm: Any, inputs: Any, name: str = "data") -> Any:
    """The same with a `pm.Data` for each array, inside an open PyMC model. Tuples stay tuples, and None stays None."""
    if inputs is None:
        return None
    if isinstance(inputs, tuple):
        return _like(inputs, [containers(pm, value, part) for part, value in _parts(inputs, name)])
    return pm.Data(name, _array(inputs))


def by_name(inputs: Any, name: str = "data") -> dict[str, np.ndarray]:
    """The arrays under the names that `containers` gives them."""
    if inputs is None:
        return {}
    if isinstance(inputs, tuple):
        return {k: v for part, value in _parts(inputs, name) for k, v in by_name(value, part).items()}
    return {name: _array(inputs)}


def _parts(inputs: tuple[Any, ...], name: str) -> list[tuple[str, Any]]:
    fields = getattr(inputs, "_fields", range(len(inputs)))
    return [(f"{name}_{field}", value) for field, value in zip(fields, inputs, strict=True)]


def _like(inputs: tuple[Any, ...], values: list[Any]) -> tuple[Any, ...]:
    return type(inputs)(*values) if hasattr(inputs, "_fields") else tuple(values)


def _array(value: Any) -> np.ndarray:
    """float64 or int64, contiguous and writeable: compiled code distinguishes arrays that are not."""
    array = np.asarray(value)
    return np.array(array, np.int64 if array.dtype.kind in "bi" else np.float64, order="C")
