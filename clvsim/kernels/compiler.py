"""Numba, and where it keeps compiled kernels: imported by the modules that compile, and by no other.

Numba's disk cache does not notice a change in an *imported* kernel, so the cache folder carries a hash of all
kernel sources and of Numba's version; it is set here, before the first decorator runs. What is read from it is checked:
Numba would run whatever a damaged file holds.
"""

import hashlib
import os
import pickle
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba import typeof, types
from numba.core import caching
from numba.extending import intrinsic

from clvsim.private import cache_folder, source_hash

_SETTINGS: Any = numba.config  # its attributes are made at run time


class _Checked(caching.IndexDataCacheFile):
    """Numba's files, each after the sha256 of its content, and code with the key that it is for: two processes that
    write at once may mix them up. What is damaged, or another user's, counts as missing."""

    def load(self, key):
        found = super().load(key)
        return found[1] if found and found[0] == key else None

    def save(self, key, data):
        super().save(key, (key, data))

    def _load_index(self):
        with suppress(OSError):
            stamp, overloads = self._read(self._index_path)
            if stamp == self._source_stamp:
                return overloads
        return {}

    def _save_index(self, overloads):
        self._write(self._index_path, (self._source_stamp, overloads))

    def _load_data(self, name):
        return self._read(self._data_path(name))

    def _save_data(self, name, data):
        self._write(self._data_path(name), data)

    def _read(self, path):
        content, found = Path(path).read_bytes(), os.stat(path)
        if found.st_uid != os.geteuid() or content[:32] != self._digest(content[32:]):
            raise OSError(f"{path} is damaged, or another user's")
        return pickle.loads(content[32:])

    def _write(self, path, value):
        content = self._dump(value)
        with self._open_for_write(path) as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(self._digest(content) + content)

    def _digest(self, content):
        return hashlib.sha256(self._version.encode() + content).digest()


def check_caches() -> None:
    """Have Numba check what it reads from any cache, PyTensor's too; and do without where it cannot be read or
    written."""
    numbas: Any = caching
    numbas.IndexDataCacheFile = _Checked
    numbas.Cache._guard_against_spurious_io_errors = lambda self: suppress(Exception)


_kept = True
if "NUMBA_CACHE_DIR" not in os.environ:
    _folder = cache_folder(f"kernels/{source_hash()}")
    _kept = _folder is not None
    _SETTINGS.CACHE_DIR = str(_folder or "")
check_caches()


def njit(*arguments: Any, cache: bool = False, **options: Any) -> Any:
    """Numba's, with divisions as NumPy's; and nothing for C, which calls no kernel: that would double what there is to
    compile."""
    return numba.njit(*arguments, error_model="numpy", no_cfunc_wrapper=True, cache=cache and _kept, **options)


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
