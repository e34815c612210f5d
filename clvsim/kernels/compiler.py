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
from numba.extending import intrinsic


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


@intrinsic
def _address_of(typingctx, array):
    def codegen(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    entry = types.uint8 if array.dtype == types.boolean else array.dtype  # as booleans are stored
    return types.CPointer(entry)(array), codegen


def flat(array):
    """Entries of a contiguous array, one after the other, to be indexed without bounds.

    Compiled, a pointer: one value where an array is handed to a helper as seven or more, of which structs of arrays
    make hundreds that take longer to compile than the code.
    """
    return array.reshape(-1)


if not numba.config.DISABLE_JIT:  # ty: ignore[unresolved-attribute]
    flat = njit(forceinline=True, _nrt=False)(lambda array: _address_of(array))

__all__ = ["flat", "njit", "source_hash", "typeof", "types"]
