"""Compiling kernels into the cache, in a process of its own, while another fits the models: `stages.ahead` starts it.

Loops by their mechanisms, as `110` for one that knows levers and what is rare; then everything else that is compiled.
"""

import importlib
import pkgutil

from clvsim import kernels
from clvsim.kernels.life import Mechanisms
from clvsim.kernels.simulate import loop_of
from clvsim.private import cache_folder, source_hash


def main(loops: str, marker: str) -> None:
    """Compile, say so on standard output after the loops, and leave a marker beside them when all is done."""
    for loop in loops.split(","):
        loop_of(Mechanisms(*(mechanism == "1" for mechanism in loop)))
    print("loops", flush=True)
    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"{kernels.__name__}.{module.name}")
    if folder := cache_folder(f"kernels/{source_hash()}"):
        (folder / marker).touch()
