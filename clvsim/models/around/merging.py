"""Parts of an answer about some customers each, put together again in the customers' order."""

from collections import namedtuple
from functools import cache
from typing import Any

import numpy as np

from clvsim.models.laws import LifeLaw

BY_CUSTOMER = ("next_opportunity_days", "tenure", "paused", "late_days")  # of a law: (customer,)
OF_THE_MODEL = (  # of all customers
    *("regularity", "birth_charges", "stages_done"),
    *("interval_days", "tenure_exponent", "pause", "resume"),
)


@cache
def with_column(histories: Any, name: str) -> Any:
    """The type of a model's histories with one more column; `plain` is the one without."""
    extended: Any = namedtuple(f"{name.capitalize()}{histories.__name__}", (*histories._fields, name))
    extended.plain = histories
    return extended


def merge(parts: list[Any], groups: list[np.ndarray], size: int) -> Any:
    """Arrays (draw, customer, ...) or laws of `groups` of customers as one of all `size`."""
    if isinstance(parts[0], np.ndarray):
        return merge_columns(parts, groups, size)
    return merge_laws(parts, groups, size)


def merge_columns(parts: list[np.ndarray], groups: list[np.ndarray], size: int) -> np.ndarray:
    """Columns of parts back in the customers' order, (draw, customer, ...); parts of one column count for all."""
    out = np.empty((parts[0].shape[0], size, *parts[0].shape[2:]))
    for part, rows in zip(parts, groups, strict=True):
        out[:, rows] = part
    return out


def merge_laws(parts: list[LifeLaw], groups: list[np.ndarray], size: int) -> LifeLaw:
    """One law of all customers: their arrays are put together, those of fewer components with others of no weight."""
    first = parts[0]
    most = max(0 if part.weight is None else part.weight.shape[2] for part in parts)
    merged: dict[str, Any] = {}
    for name in set(first._fields) - {*OF_THE_MODEL}:
        values = [getattr(part, name) for part in parts]
        if values[0] is None:
            continue
        if name in BY_CUSTOMER:
            merged[name] = merge_columns([value[None] for value in values], groups, size)[0]
        elif values[0].ndim == 3:
            mode = "constant" if name == "weight" else "edge"
            wide = [np.pad(v, ((0, 0), (0, 0), (0, most - v.shape[2])), mode=mode) for v in values]
            merged[name] = merge_columns(wide, groups, size)
        else:
            merged[name] = merge_columns(values, groups, size)
    return first._replace(**merged)
