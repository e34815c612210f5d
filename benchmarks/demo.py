"""The demo as a user starts it: wall time with a cold and a warm posterior cache, and peak memory."""

import os
import subprocess
import sys
import time
from pathlib import Path

COLD, WARM, MEMORY = 35.0, 12.0, 1.5  # limits: seconds, seconds, GB, on two cores with kernels compiled
PROGRAM, DEMO = Path(sys.executable).with_name("clvsim"), "experiment=demo"


def timed_run(out: Path, environment: dict[str, str], *words: str) -> tuple[float, float]:
    """Wall seconds and peak memory in GB of one run in its own process."""
    start = time.perf_counter()
    with subprocess.Popen(
        [str(PROGRAM), "run", *words, f"out={out}"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"clvsim run {' '.join(words)} ended with code {process.returncode}: {said[-500:]}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e9


def main(folder: Path, warm_runs: int = 3) -> str:
    if not PROGRAM.exists():
        return f"demo: skipped, {PROGRAM} is not installed"
    environment = {**os.environ, "CLVSIM_CACHE": str(folder / "cache")}
    timed_run(
        folder / "compile", environment, DEMO, "fit.cache=false"
    )  # kernels, and what PyTensor compiles beside them
    runs = [timed_run(folder / f"run{i}", environment, DEMO) for i in range(1 + warm_runs)]
    cold, warm, memory = runs[0][0], min(run[0] for run in runs[1:]), max(run[1] for run in runs)
    parts = (("cold", cold, COLD, "s"), ("warm", warm, WARM, "s"), ("peak memory", memory, MEMORY, "GB"))
    return "demo: " + ", ".join(
        f"{name} {x:.1f} {unit} = {x / limit:.2f} of {limit:g}" for name, x, limit, unit in parts
    )
