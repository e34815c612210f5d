"""The key of a simulation: a hash of everything that decides its ledgers, and of nothing else."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AnySet
from dataclasses import fields, is_dataclass
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel

from clvsim import __version__
from clvsim.models.fitted import FittedModels
from clvsim.private import source_hash
from clvsim.simulation.plan import RunPlan
from clvsim.types import CustomerSummary

# How often, by whom and in which pieces: no sum of a world depends on it. A sample is part of the layout.
_SETTINGS_OF_WORK = (
    "replicates",
    "max_replicates",
    "jobs",
    "shard_customers",
    "cluster",
    "checkpoint",
    "max_customers",
)


def key_of_run(plan: RunPlan, fitted: FittedModels, summary: CustomerSummary) -> str:
    """Of what a plan simulates with these models for these customers, by the code at hand, however often."""
    settings = plan.simulation.model_dump(exclude=set(_SETTINGS_OF_WORK))
    plain = {field.name: getattr(plan, field.name) for field in fields(plan)} | {"simulation": settings}
    posterior = fitted.posterior
    draws = [posterior.retention, posterior.spend, posterior.time_unit, posterior.seen]
    code = [__version__, source_hash(), version("numpy")]
    return digest_of([code, plain, fitted.retention, fitted.spend, draws, summary])


def digest_of(value: Any) -> str:
    """sha256 of plain values, arrays, tables and records of these. Raises TypeError for anything else."""
    digest = hashlib.sha256()
    for piece in _pieces(value):
        digest.update(len(piece).to_bytes(8))
        digest.update(piece)
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """A value as bytes; those that are equal but for the class of a number, list or mapping have the same."""
    if value is None or isinstance(value, bool | str | bytes | date):
        yield repr(value).encode("utf-8", "surrogatepass")
    elif isinstance(value, int | float):
        yield repr(int(value) if isinstance(value, int) else float(value)).encode()
    elif isinstance(value, np.ndarray | np.generic):
        yield from _of_array(np.asarray(value))
    elif isinstance(value, pd.DataFrame):
        yield from _of_items((name, column.to_numpy()) for name, column in value.items())
    elif isinstance(value, BaseModel):
        yield type(value).__qualname__.encode()
        yield from _of_items(dict(value).items())
    elif is_dataclass(value):
        yield type(value).__qualname__.encode()
        yield from _of_items((field.name, getattr(value, field.name)) for field in fields(value))
    elif isinstance(value, Mapping):
        yield from _of_items(value.items())
    elif isinstance(value, tuple | list):
        yield from _of_items(enumerate(value))
    elif isinstance(value, AnySet):
        yield from map(str.encode, sorted(map(digest_of, value)))
    else:
        raise TypeError(f"a {type(value).__qualname__} has no digest")


def _of_array(values: np.ndarray) -> Iterator[bytes]:
    yield f"{values.dtype.str} {values.shape}".encode()
    text = "\n".join(map(repr, values.ravel())) if values.dtype.hasobject else None
    yield values.tobytes() if text is None else text.encode("utf-8", "surrogatepass")


def _of_items(items: Iterable[tuple[Any, Any]]) -> Iterator[bytes]:
    for name, value in items:
        yield from _pieces(name)
        yield from _pieces(value)
    yield b"end"
