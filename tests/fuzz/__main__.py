"""`python -m tests.fuzz`: the long campaign, and its totals as the table of docs/reliability.md."""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.fuzz.artefacts import originals
from tests.fuzz.campaign import Tally, a_nursery
from tests.fuzz.kinds import KINDS, LOG, PRACTICE, of_compiled, of_kind, of_surroundings

HEAD = (
    "| kind | cases | passed | configuration (2) | diagnostics (3) | data (4) | failed | slowest | most memory |\n"
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|"
)

FROM_SCRATCH = {"compiled kernels": of_compiled, "surroundings": partial(of_surroundings, long=True)}


def row(name: str, tally: Tally) -> str:
    counts = (tally.cases, *(tally.codes[code] for code in (0, 2, 3, 4)), len(tally.failures))
    return f"| {name} | {' | '.join(f'{n:,}' for n in counts)} | {tally.slowest:.1f} s | {tally.peak / 1e6:.0f} MB |"


def main() -> int:
    """Prints each kind's row as it is done; failures go to stderr. The exit code is 1 where there are any."""
    kinds = sys.argv[1:] or [*KINDS, *FROM_SCRATCH]
    total = Tally()
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(os.environ.get("CLVSIM_CACHE") or f"{folder}/cache")
        with a_nursery(cache, LOG, PRACTICE) as nursery:
            original = originals(nursery, Path(folder))
            for name in kinds:
                if name in FROM_SCRATCH:
                    tally = FROM_SCRATCH[name](cache, Path(folder))
                else:
                    tally = of_kind(name, nursery, original, Path(folder), long=True)
                print(row(name, tally), flush=True)
                print("\n\n".join(tally.failures), file=sys.stderr, flush=True)
                total += tally
    print(row("all", total), f"\n\n{total.cpu_seconds / 60:.1f} minutes of one core", sep="")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
