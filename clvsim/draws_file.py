"""`draws.nc`: every figure of a run per draw and per world, and what the page's knobs move; written and read."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clvsim.comparison.draws import Draws
from clvsim.disk import write_tree
from clvsim.errors import ConfigError
from clvsim.knobs import POINTS, Effects, Knobs, Lines
from clvsim.models.hdf5 import require_bearable, require_plain
from clvsim.plausible import Unlike

if TYPE_CHECKING:
    import xarray as xr

DRAWS = "draws.nc"
_DRAWS_OF = {  # dimensions, and bytes of a number
    "expected": (("metric", "scenario", "draw"), 8),
    "realised": (("metric", "scenario", "world"), 4),
    "delta": (("scenario", "draw"), 8),
    "noise": (("scenario", "draw"), 8),
    "curve": (("scenario", "draw", "age"), 4),
    "cash": (("scenario", "draw", "age"), 4),
    "lines": (("scenario", "line", "draw"), 4),
    "there": (("draw", "moment"), 8),
    "inputs": (("draw", "input"), 8),
}
_NAMES_OF = {"metric": "metrics", "scenario": "scenarios", "line": "line_names", "input": "input_names"}


def write_draws(draws: Draws, folder: Path, knobs: Knobs | None = None) -> None:
    """Write `draws.nc`: figures per draw and per world, of which `clvsim.comparison.draws.Draws` says what they are; in
    its group `knobs` what the page's knobs compute with, as of `clvsim.knobs`.
    """
    import xarray as xr

    arrays = {name: (dims, getattr(draws, name).astype(f"f{size}")) for name, (dims, size) in _DRAWS_OF.items()}
    labels = {dimension: list(getattr(draws, field)) for dimension, field in _NAMES_OF.items()}
    attributes = {"decided": draws.decided, "effective": draws.effective}
    groups = {"/": xr.Dataset(arrays, labels, attributes)}
    if knobs is not None:
        groups["/knobs"] = knobs_dataset(knobs)
    write_tree(xr.DataTree.from_dict(groups), folder / DRAWS)


def read_draws(folder: Path) -> Draws:
    """The figures that `write_draws` wrote. Raises ConfigError where they cannot be read, or hang together in no way
    that a run writes."""
    import xarray as xr

    path = folder / DRAWS
    if not path.is_file():
        what = f"{folder} has no {DRAWS}, from which questions are answered; clvsim run makes a new one"
        raise ConfigError([("run", what)])
    try:
        require_bearable(path)
        require_plain(path)
        with xr.open_dataset(path, engine="h5netcdf") as found:
            fields: dict[str, Any] = {name: _numbers(found[name], dims) for name, (dims, _) in _DRAWS_OF.items()}
            fields |= {field: tuple(map(str, found[key].values.tolist())) for key, field in _NAMES_OF.items()}
            draws = Draws(decided=str(found.attrs["decided"]), effective=float(found.attrs["effective"]), **fields)
        if draws.decided not in draws.metrics or not draws.effective > 0 or not np.isfinite(draws.delta).all():
            raise Unlike(f"{DRAWS} has no differences of the metric that it was decided on")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, Unlike) else f"{DRAWS} is damaged, or of another version"
        raise ConfigError([("run", f"{folder} cannot be read as a finished run: {reason}")]) from None
    return draws


def _numbers(array: "xr.DataArray", dims: tuple[str, ...]) -> np.ndarray:
    if array.dims != dims or array.dtype.kind != "f":
        raise Unlike(f"{DRAWS} has no numbers by {', '.join(dims)} where there must be some")
    return array.to_numpy().astype(np.float64)


# --- knobs -----------------------------------------------------------------------------------------------------------

_FACTORS = 2  # prices whose product multiplies a size, at most; -1 is none
_ROWS = ("levels", "deltas", "given")


def knobs_dataset(knobs: Knobs) -> "xr.Dataset":
    """Labelled arrays: `terms` (term, factor) are numbers of `price`; sizes are `*_level` + `*_scale` × `*_steps`."""
    import xarray as xr

    numbers = [(*term, *[-1] * (_FACTORS - len(term))) for term in knobs.terms]
    arrays: dict[str, Any] = {"values": ("price", knobs.values), "terms": (("term", "factor"), np.array(numbers, "i2"))}
    labels: dict[str, Any] = {"price": list(knobs.keys)}
    effects = knobs.effects
    for name, lines in zip(_ROWS, (knobs.levels, knobs.deltas, effects.given), strict=True):
        if not lines.names:  # netCDF has no arrays without entries
            continue
        term = "one" if name == "given" else "term"
        arrays |= {f"{name}_{part}": ((name, term), getattr(lines, part)) for part in ("level", "scale")}
        arrays[f"{name}_steps"] = ((name, term, "draw"), lines.steps)
        labels[name] = list(lines.names)
    if effects.scenarios:
        arrays |= {f"effect_{part}": (("given", "point"), getattr(effects, part)) for part in ("at", "mean", "mcse")}
        arrays["effect_scenario"] = ("given", list(effects.scenarios))
    return xr.Dataset(arrays, labels)


def read_knobs(folder: Path) -> Knobs | None:
    """What `write_draws` wrote of the knobs; None of runs without. Raises ConfigError where they cannot be read, or
    hang together in no way that a run writes."""
    import h5py
    import xarray as xr

    path = folder / DRAWS
    if not path.is_file():
        return None
    try:
        require_bearable(path)
        require_plain(path)
        with h5py.File(path, "r") as file:
            if "knobs" not in file:
                return None
        with xr.open_dataset(path, group="knobs", engine="h5netcdf", phony_dims="access") as found:
            return as_knobs({str(name): array for name, array in found.variables.items()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error) if isinstance(error, Unlike) else f"{DRAWS} is damaged, or of another version"
        raise ConfigError([("run", f"{folder} cannot be read as a finished run: {reason}")]) from None


def as_knobs(arrays: Mapping[str, Any]) -> Knobs:
    """Knobs of named arrays with dimensions. Raises ValueError or LookupError where they are none."""

    def numbers(name: str, *dims: str) -> np.ndarray:
        array = arrays[name]
        values = array.to_numpy()
        if array.dims != dims or values.dtype.kind != "f" or not np.isfinite(values).all():
            raise Unlike(f"{DRAWS} has no numbers by {', '.join(dims)} where there must be some")
        return values.astype(np.float64)

    def names(name: str) -> tuple[str, ...]:
        return tuple(map(str, arrays[name].to_numpy().tolist()))

    factors = arrays["terms"].to_numpy()
    if factors.dtype != np.int16 or factors.ndim != 2:
        raise Unlike(f"{DRAWS} has knobs whose terms are none")
    terms = tuple(tuple(int(n) for n in row if n != -1) for row in factors)
    keys, size = names("price"), len(terms)

    def lines(name: str, term: str, count: int, draws: int) -> Lines:
        if name not in arrays:
            return Lines.of((), np.zeros((0, count, draws)))
        steps = arrays[f"{name}_steps"].to_numpy()
        found = Lines(names(name), *(numbers(f"{name}_{part}", name, term) for part in ("level", "scale")), steps)
        if (
            steps.dtype != np.int16
            or steps.shape[:2] != found.scale.shape
            or found.scale.shape
            != (
                len(found.names),
                count,
            )
        ):
            raise Unlike(f"{DRAWS} has knobs of which not all have the same lines")
        return found

    levels = lines("levels", "term", size, 0)
    draws = levels.steps.shape[2]
    deltas, given = lines("deltas", "term", size, draws), lines("given", "one", 1, draws)
    if given.names:
        curves = tuple(numbers(f"effect_{part}", "given", "point") for part in ("at", "mean", "mcse"))
        effects = Effects(names("effect_scenario"), *curves, given)
    else:
        empty = np.zeros((0, POINTS))
        effects = Effects((), empty, empty, empty, given)
    knobs = Knobs(keys, numbers("values", "price"), terms, levels, deltas, effects)
    if problem := knobs.problem():
        raise Unlike(f"{DRAWS} has knobs that no run writes: {problem}")
    return knobs
