"""Defaults of contact programmes, simulated: nobody measured them, and they promise nothing."""

import numpy as np
from shop import channels, error, run, scenarios, shop

from clvsim.metrics import METRICS

CADENCES = (1.0, 4.0, 10.0, 30.0)


def test_mails_gain_nothing_by_default() -> None:
    """Even if they are free: the mean difference is a loss at every cadence, and the larger the more is sent."""
    mails = {f"mail_{n:g}": {"mail": {"kind": "contact", "per_month": n}} for n in CADENCES}
    simulation = run(scenarios(**mails), draws=600, summary=shop(150), acquisition=channels())
    value = {name: METRICS["plan_value"].query(simulation, s) for name, s in simulation.scenarios.items()}
    deltas = [value[name] - value["baseline"] for name in mails]
    for delta in deltas:
        assert delta.mean() < -3 * error(delta)
    steps = np.diff([value["baseline"], *(value[name] for name in mails)], axis=0)
    assert all(step.mean() < -3 * error(step) for step in steps)
