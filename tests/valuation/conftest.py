"""Valuations are tested on the simulator's made-up shop."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "simulation"))
