"""`python benchmarks/customers.py [CUSTOMERS] [words]`: a run on a made-up log of a million customers, seconds and GB.

The log is made once, in a temporary folder, by BG/NBD and Gamma-Gamma; five scenarios, 1,000 draws, 36 months. Words
after the number go to the shell, as `simulation.max_customers=20000`. Seconds are those that passed, then those of
processors; what lies between two stages stands in lines of its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

CUSTOMERS, DAYS = 1_000_000, 1095
RUN = (
    *("retention=bg_nbd", "spend=gamma_gamma", "fit.method=laplace", "finance.gross_margin=0.4"),
    *("simulation.draws=1000", "simulation.horizon_months=36"),
    "scenarios=[follow_up,second_order,free_shipping,upsell_soft]",
)
EVERY = 0.1  # seconds
INSIDE = "--inside"  # the first word of the process that is timed


def orders(customers: int) -> pd.DataFrame:
    """Three years of a shop, one row per order: who comes back does so at a rate of the own and may leave after any."""
    r = np.random.default_rng(1)
    age = r.integers(30, DAYS, customers)
    rate, leaving = r.gamma(0.5, 1 / 60, customers), r.beta(0.8, 2.4, customers)
    possible = r.poisson(rate * age)
    repeat = np.minimum(possible, r.geometric(np.clip(leaving, 1e-6, 1)) - 1)
    stayed = age * np.where(repeat < possible, (repeat + 1) / (possible + 1), 1.0)
    who = np.concatenate([np.arange(customers), np.repeat(np.arange(customers), repeat)])
    since = np.concatenate([np.zeros(customers), r.uniform(size=repeat.sum()) * np.repeat(stayed, repeat)])
    level = 15.44 / r.gamma(3.74, 1, customers)
    return pd.DataFrame(
        {
            "customer_id": np.char.add("c", who.astype(str)),
            "date": pd.Timestamp("2021-01-01") + pd.to_timedelta((DAYS - age)[who] + since.astype(int), unit="D"),
            "amount": np.round(r.gamma(6.25, 1, who.size) * level[who], 2),
        }
    )


class Stage(NamedTuple):
    """Of a run: when it began and ended, seconds of a clock and of processors."""

    name: str
    began: float
    ended: float
    busy_before: float
    busy_after: float


def timed(place: Path, words: list[str]) -> None:
    """A run in this process; writes its stages to a file, as far as it came."""
    from clvsim.cli import main as shell
    from clvsim.stages.steps import Stopwatch

    plain, stages = Stopwatch.__call__, []

    @contextmanager
    def watched(self: Stopwatch, name: str) -> Generator[None]:
        began, busy = time.perf_counter(), used(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        with plain(self, name):
            yield
        stages.append(
            Stage(name, began, time.perf_counter(), busy, used(resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        )
        place.write_text(json.dumps(stages))

    Stopwatch.__call__ = watched
    sys.argv = ["clvsim", *words]
    shell()


def used(*who: int) -> float:
    """Seconds of processors."""
    return sum(sum(resource.getrusage(one)[:2]) for one in who)


def run(folder: Path, log: Path, words: list[str]) -> tuple[list[Stage], list[tuple[float, float]]]:
    """Stages, what lies between them included, and (moment, GB) of the process while it ran."""
    place = folder / "stages.json"
    command = [sys.executable, __file__, INSIDE, str(place), "run", str(log), *RUN, f"out={folder / 'run'}", *words]
    memory: list[tuple[float, float]] = []
    start = time.perf_counter()  # of a clock that all processes share
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def watch() -> None:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            try:
                held = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            except FileNotFoundError:  # it ended just now
                return
            memory.extend((time.perf_counter(), int(line.split()[1]) / 2**20) for line in held)
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    if process.wait():
        raise SystemExit(process.returncode)
    end = Stage("", time.perf_counter(), 0.0, used(resource.RUSAGE_CHILDREN), 0.0)
    found, before, busy = [], start, 0.0
    for stage in [*(Stage(*each) for each in json.loads(place.read_text())), end]:
        found.append(
            Stage(f"before {stage.name}" if stage.name else "end", before, stage.began, busy, stage.busy_before)
        )
        found += [stage] if stage.name else []
        before, busy = stage.ended, stage.busy_after
    return found, memory


def main(customers: int = CUSTOMERS, words: list[str] | None = None) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = orders(customers)
        made.to_parquet(log := folder / "log.parquet", index=False)
        stages, memory = run(folder, log, words or [])
        written = sum(file.stat().st_size for file in (folder / "run").rglob("*") if file.is_file()) / 2**20
    lines = [f"{customers:,} customers, {len(made):,} orders, {written:,.0f} MB written"]
    stages.append(Stage("all", stages[0].began, stages[-1].ended, 0.0, stages[-1].busy_after))
    for name, began, ended, before, after in stages:
        if ended - began < EVERY:
            continue
        held = max((gb for moment, gb in memory if began <= moment <= ended), default=0.0)
        lines.append(f"{name:<16} {ended - began:7.1f} s {after - before:7.1f} s  {held:5.2f} GB")
    return "\n".join(lines)


if __name__ == "__main__":
    if sys.argv[1:2] == [INSIDE]:
        timed(Path(sys.argv[2]), sys.argv[3:])
    else:
        number, *more = sys.argv[1:] or [str(CUSTOMERS)]
        print(main(int(number), more))
