"""`python benchmarks/customers.py [CUSTOMERS] [words]`: a run on a made-up log of a million customers, seconds and GB.

The log is made once, in a temporary folder, by BG/NBD and Gamma-Gamma; five scenarios, 1,000 draws, 36 months. Words
after the number go to the shell, as `simulation.max_customers=20000`.
"""

import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

CUSTOMERS, DAYS = 1_000_000, 1095
RUN = (
    *("retention=bg_nbd", "spend=gamma_gamma", "fit.method=laplace", "finance.gross_margin=0.4"),
    *("simulation.draws=1000", "simulation.horizon_months=36"),
    "scenarios=[follow_up,second_order,free_shipping,upsell_soft]",
)
EVERY = 0.1  # seconds


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


def run(folder: Path, log: Path, words: list[str]) -> tuple[dict[str, float], list[tuple[float, float]], float]:
    """Seconds by stage, (moment, GB) of the process while it ran, and seconds of all."""
    command = [sys.executable, "-m", "clvsim.cli", "run", str(log), *RUN, f"out={folder / 'run'}", *words]
    memory: list[tuple[float, float]] = []
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def watch() -> None:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            held = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
            memory.extend((time.perf_counter() - start, int(line.split()[1]) / 2**20) for line in held)
            time.sleep(EVERY)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    if process.wait():
        raise SystemExit(process.returncode)
    took = time.perf_counter() - start
    return json.loads((folder / "run" / "run.json").read_text())["seconds"], memory, took


def main(customers: int = CUSTOMERS, words: list[str] | None = None) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = orders(customers)
        made.to_parquet(log := folder / "log.parquet", index=False)
        seconds, memory, took = run(folder, log, words or [])
        written = sum(file.stat().st_size for file in (folder / "run").rglob("*") if file.is_file()) / 2**20
    lines, end = [], took
    before = took - sum(seconds.values())
    stages = [("start and end", before), *seconds.items()]
    for number, (name, own) in enumerate(reversed(stages)):
        held = max((gb for moment, gb in memory if end - own <= moment <= end or number == len(stages)), default=0.0)
        lines.append(f"{name:<14} {own:7.1f} s  {held:5.2f} GB")
        end -= own
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = f"{used.ru_utime + used.ru_stime:.0f} s of processors"
    total = f"{'all':<14} {took:7.1f} s  {max(gb for _, gb in memory):5.2f} GB  {busy}"
    size = f"{customers:,} customers, {len(made):,} orders, {written:,.0f} MB written"
    head = f"{size}; when a stage began is approximate"
    return "\n".join([head, *reversed(lines), total])


if __name__ == "__main__":
    number, *more = [*sys.argv[1:], str(CUSTOMERS)] if len(sys.argv) < 2 else sys.argv[1:]
    print(main(int(number), more))
