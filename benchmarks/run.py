"""`make bench`: each line is a ratio, printed after the results were found equal. What cannot run here says so."""

import tempfile
from pathlib import Path

import demo
import event_loop
import levers
import peer
import quantities
import scaling


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="clvsim-bench-") as name:
        print(event_loop.main(Path(name)), flush=True)
        print(scaling.main(), flush=True)
        print(levers.main(Path(name)), flush=True)
        print(quantities.main(), flush=True)
        print(demo.main(Path(name)), flush=True)
        print(peer.main(), flush=True)


if __name__ == "__main__":
    main()
