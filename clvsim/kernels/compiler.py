"""Numba, and where it keeps compiled kernels: imported by the modules that compile, and by no other.

Numba's disk cache does not notice a change in an *imported* kernel, so the cache folder carries a hash of all
kernel sources and of Numba's version; it is set here, before the first decorator runs.
"""

import hashlib
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numba
from numba import typeof, types
from numba.extending import intrinsic

# Divisions as NumPy's; and nothing for C, which calls no kernel: that would double what there is to compile.
njit: Any = partial(numba.njit, error_model="numpy", no_cfunc_wrapper=True)

_SETTINGS: Any = numba.config  # its attributes are made at run time


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
    _SETTINGS.CACHE_DIR = _cache_folder()


def _typed_address(typingctx, array):
    def codegen(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    entry = types.uint8 if array.dtype == types.boolean else array.dtype  # as booleans are stored
    return types.CPointer(entry)(array), codegen


_address: Any = intrinsic(_typed_address)


def _pointer(array):
    return _address(array)


def _entries(array):
    return array.reshape(-1)


# Entries of a contiguous array, one after the other, to be indexed without bounds. Compiled, a pointer: an array is
# handed to a helper as seven values or more, of which structs of arrays make hundreds, and these take longer to compile
# than the helper's code.
flat: Any = _entries if _SETTINGS.DISABLE_JIT else njit(forceinline=True, _nrt=False, no_cpython_wrapper=True)(_pointer)

__all__ = ["flat", "njit", "source_hash", "typeof", "types"]
