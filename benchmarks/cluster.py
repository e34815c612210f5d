"""`python benchmarks/cluster.py [CUSTOMERS] [ROUNDS] [words]`: two workers of a local cluster beside two threads.

Runs on a made-up log (`customers.py`), in turn with `simulation.cluster=local:2` and without, after one whose posterior
all others take; seconds are those of the stage that simulates, start of the cluster included. Ledgers must be equal.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from customers import RUN, orders

CUSTOMERS, ROUNDS = 200_000, 3


def simulated(log: Path, folder: Path, cluster: str, words: list[str]) -> tuple[float, str]:
    """Seconds of the stage, and the digest of the ledger."""
    own = ["run", str(log), *RUN, f"out={folder}", f"simulation.cluster={cluster}", *words]
    command = [sys.executable, "-c", "import sys; from clvsim.cli import start; sys.exit(start())", *own]
    subprocess.run(command, check=True, capture_output=True)
    seconds = json.loads((folder / "run.json").read_text())["seconds"]["simulate"]
    return seconds, hashlib.sha256((folder / "ledger.nc").read_bytes()).hexdigest()


def main(customers: int, rounds: int, words: list[str]) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        orders(customers).to_parquet(log := folder / "log.parquet", index=False)
        _, ledger = simulated(log, folder / "first", "none", words)
        times: dict[str, list[float]] = {"none": [], "local:2": []}
        for number in range(rounds):
            for cluster in sorted(times, reverse=bool(number % 2)):
                seconds, own = simulated(log, folder / f"{cluster[:5]}{number}", cluster, words)
                if own != ledger:
                    raise SystemExit(f"simulation.cluster={cluster} has another ledger")
                times[cluster].append(seconds)
    lines = [f"{cluster:<8} " + " ".join(f"{s:6.1f}" for s in own) + " s" for cluster, own in times.items()]
    ratio = min(times["local:2"]) / min(times["none"])
    return "\n".join([*lines, f"best against best {ratio:.3f}, ledgers equal"])


if __name__ == "__main__":
    given = sys.argv[1:]
    print(main(int(given[0]) if given else CUSTOMERS, int(given[1]) if given[1:] else ROUNDS, given[2:]))
