"""Compiling what a simulation needs while its models are fitted, where nothing is in the cache yet.

A fit keeps one core busy, and so does compiling: a first run on two cores takes as long as the longer of both. Nothing
rests on it: what was not compiled in time is compiled when it is needed.
"""

import json
import os
import select
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress

from clvsim.config import RunConfig
from clvsim.kernels.structs import LEVERED, OCCASIONAL
from clvsim.private import cache_folder, source_hash
from clvsim.simulation.plan import RunPlan

# It ends with whoever started it (PR_SET_PDEATHSIG of prctl(2), where there is that), even if they end right now.
_CODE = """
import ctypes, json, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[4]):
    sys.path[:] = json.loads(sys.argv[1])
    from clvsim.kernels.ahead import main
    main(sys.argv[2], sys.argv[3])
"""
_PATIENCE_SECONDS = 60.0  # for loops that are not compiled by then, as nobody should wait for
_ALIKE = ("gamma_gamma", "fixed_price")  # spend that every loop knows


def loops_of(config: RunConfig, plan: RunPlan) -> list[str]:
    """Loops that a run will probably need, as `kernels.ahead` takes them."""
    flags, retention = plan.loop_flags, config.retention
    levered, occasional = bool(flags & LEVERED), bool(flags & OCCASIONAL)
    rare = (
        bool(retention.interval_days)
        or "cnbd" in retention.kind
        or config.spend.kind not in _ALIKE
        or config.trace.customers > 0
        or plan.wins_back
    )
    if rare:
        return ["111" if occasional else "110"]
    return [f"{int(levered)}00", *(["111"] if occasional else [])]


@contextmanager
def compiling(loops: list[str]) -> Generator[None]:
    """Compile loops in a process of its own, as long as what is inside takes, or the loops do."""
    process = _start(loops)
    try:
        yield
        if process and process.stdout:
            select.select([process.stdout], [], [], _PATIENCE_SECONDS)  # loops are compiled, or it has ended
    finally:
        if process:
            process.kill()
            process.communicate()


def _start(loops: list[str]) -> "subprocess.Popen[bytes] | None":
    """The process; None where it would not help: one core, no cache, or all of it compiled already."""
    folder = None if "NUMBA_CACHE_DIR" in os.environ else cache_folder(f"kernels/{source_hash()}")
    marker = f"compiled-{'-'.join(loops)}"
    if folder is None or _cores() < 2 or (folder / marker).exists():
        return None
    arguments = [json.dumps(sys.path), ",".join(loops), marker, str(os.getpid())]
    command = [sys.executable, "-I", "-c", _CODE, *arguments]
    with suppress(OSError):
        # In a folder of ours: libraries read settings where they start.
        return subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
