"""What a file of draws may look like, looked at before any of it is read: HDF5 can point anywhere and be any size.

Refused are links (out of the file, to another name, in a circle), values kept elsewhere or computed from elsewhere,
groups in groups in groups, and arrays or attributes far larger than draws are. docs/reliability.md.
"""

import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

MAX_VALUES = 10**8  # in all arrays of a file together: 4,000 draws of each of 5,000 customers' parameters, five times
MAX_DRAWS = 10**6
_MAX_DEPTH = 4  # retention/KIND holds arrays
_MAX_ENTRIES = 20_000
_MAX_TEXT = 1 << 22  # of an attribute, in bytes
_MAX_NAME = 300


_PATIENCE_SECONDS = 10  # of which a file of the largest size takes one or two


def require_bearable(path: Path | str) -> None:
    """Raises ValueError where HDF5 does not come to an end with a file, or falls over it.

    A few damaged bytes can send its C code round in circles, where no signal reaches it, so a process of its own reads
    everything first. What else is wrong is left to whoever reads the file here.
    """
    command = [sys.executable, "-P", __file__, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"reading it takes HDF5 more than {_PATIENCE_SECONDS} seconds: it is damaged") from None
    if done.returncode < 0:
        raise ValueError(f"HDF5 falls over it (signal {-done.returncode}): it is damaged")


def _read_all(path: str) -> None:
    import h5py

    require_plain(path)
    with h5py.File(path, "r") as root:
        for _, entry in _entries(h5py, root, "", 0):
            dict(entry.attrs)
            if isinstance(entry, h5py.Dataset):
                entry[()]


def require_plain(path: Path | str, most_values: int = MAX_VALUES) -> None:
    """Raises ValueError, in a sentence, where a file is more than groups of arrays with attributes."""
    import h5py

    with h5py.File(path, "r") as root:
        values, places = 0, {}
        for number, (name, entry) in enumerate(_entries(h5py, root, "", 0)):
            if number >= _MAX_ENTRIES:
                raise ValueError(f"holds more than {_MAX_ENTRIES:,} groups and arrays")
            _require_small_attributes(name, entry)
            if (other := places.setdefault(entry.id, name)) != name:
                raise ValueError(f"{name} is another name of {other}")
            if isinstance(entry, h5py.Dataset):
                values += _size(name, entry)
                if values > most_values:
                    raise ValueError(f"holds more than {most_values:,} values, which draws are not")


def real_draws(name: str, array: Any) -> np.ndarray:
    """An array of real numbers of one dimension, (draw,), as float64. Raises ValueError for any other."""
    if array.dtype.kind not in "fiu" or array.ndim != 1:
        raise ValueError(f"{name} must be real numbers, one per draw, and is {array.dtype} of shape {array.shape}")
    if not 0 < array.size <= MAX_DRAWS:
        raise ValueError(f"{name} has {array.size:,} draws, and must have 1 to {MAX_DRAWS:,}")
    with np.errstate(over="ignore"):  # what is too large for a float is infinite, and refused as that
        return np.asarray(array[()], np.float64)


def _entries(h5py: Any, group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    yield path or "/", group
    if depth >= _MAX_DEPTH:
        raise ValueError(f"{path} is a group in more than {_MAX_DEPTH} others")
    for name in group:
        place = f"{path}/{name}"
        if not name.isprintable() or len(name) > _MAX_NAME:
            raise ValueError(f"a name in {path or '/'} is no parameter's: {name[:80]!r}")
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ValueError(f"{place} is a link")
        entry = group[name]
        if isinstance(entry, h5py.Group):
            yield from _entries(h5py, entry, place, depth + 1)
        elif isinstance(entry, h5py.Dataset):
            yield place, entry
        else:
            raise ValueError(f"{place} is neither a group nor an array")


def _size(name: str, array: Any) -> int:
    if array.external or array.is_virtual:
        raise ValueError(f"the values of {name} are in another file")
    return int(array.size or 0)


def _require_small_attributes(name: str, entry: Any) -> None:
    for key in entry.attrs:
        told = entry.attrs.get_id(key)
        if math.prod(told.shape or ()) * told.dtype.itemsize > _MAX_TEXT:
            raise ValueError(f"the attribute {key} of {name} is larger than {_MAX_TEXT:,} bytes")


if __name__ == "__main__":
    _read_all(sys.argv[1])
