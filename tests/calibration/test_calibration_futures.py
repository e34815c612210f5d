"""How often intervals hold what then comes: 300 worlds per retention model, parameters from its own priors.

Given the data, what comes is one more draw from what a calibrated simulation draws from, so that its rank is uniform
whatever the priors and however few the customers. Looked at: orders and revenue of all customers in six months, and
what a lever that lowers the hazard of leaving by a fifth adds to both, on the same random events (`futures.py`).
Worlds that were worked out already, by `make calibration` for one, are read (`ledger.py`).
"""

from collections import Counter

import numpy as np
import pytest

from tests.calibration import ledger
from tests.calibration.forecasts import FIGURES, world
from tests.calibration.verdicts import LEVELS, share_within
from tests.stories import STORIES

pytestmark = pytest.mark.slow
WORLDS = 300
ERRORS = 3.9  # of a binomial share: 64 of them, two-sided, at 1 % together


@pytest.fixture(scope="module", params=list(STORIES))
def worlds(request):
    kind = request.param
    ledger.run(f"futures-{kind}", range(WORLDS), lambda number: world(kind, number))
    found = ledger.results(f"futures-{kind}")
    return [found[number] for number in range(WORLDS)]


@pytest.mark.parametrize("figure", FIGURES)
def test_intervals_hold_what_comes(worlds, figure, record_property):
    for level in LEVELS:
        held = share_within(worlds, figure, level)
        record_property(f"{level:.0%} interval", f"{held:.3f}")
        assert abs(held - level) <= ERRORS * np.sqrt(level * (1 - level) / WORLDS)
    record_property(
        "by", ", ".join(f"{way} {n}" for way, n in sum((Counter(r["ways"]) for r in worlds), Counter()).items())
    )
