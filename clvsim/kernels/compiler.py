"""Numba, and where it keeps compiled kernels: imported by the modules that compile, and by no other.

Numba's disk cache does not notice a change in an *imported* kernel, so the cache folder carries a hash of all
kernel sources and of Numba's version; it is set here, before the first decorator runs.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numba
from numba import njit, typeof, types


def source_hash() -> str:
    """Hash of everything that can change the compiled code."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_root() -> Path:
    if own := os.environ.get("CLVSIM_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clvsim"


def _cache_folder() -> str:
    """The user's cache if it can be written, else a private temporary folder: a cache is never required."""
    folder = _cache_root() / "kernels" / source_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return str(folder)
    except (OSError, RuntimeError):
        return tempfile.mkdtemp(prefix="clvsim-kernels-")


if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = _cache_folder()  # ty: ignore[missing-attribute]

__all__ = ["njit", "source_hash", "typeof", "types"]
