"""The oracle against lives lived one after the other: its integrals are not taken on trust."""

import numpy as np
import pytest

from tests.nested.answer import Lever, Plan, orders_if_alive, path_by_path

CASES = {
    "as today": Lever(),
    "rate": Lever(rate=np.array([1.3])),
    "offer": Lever(take=np.array([0.3]), decline_hazard=np.array([0.08]), gain=1.0),
}
PATHS = 20_000


@pytest.mark.parametrize("name", list(CASES))
@pytest.mark.parametrize("x", [0.0, 6.0])
def test_orders_if_alive(name, x):
    """Within 4 Monte Carlo errors."""
    params = {name: np.array([value]) for name, value in {"r": 0.6, "alpha": 40.0, "a": 0.8, "b": 2.5}.items()}
    T, plan = np.array([200.0 if x else 0.0]), Plan()
    exact = orders_if_alive(params, np.array([x]), T, CASES[name], plan.horizon, plan.discount)[0, 0]
    random = np.random.default_rng(7)
    paths = path_by_path(random, 0.6 + x, 40.0 + T[0], 0.8, 2.5 + x, CASES[name], plan, PATHS)
    error = paths.std(ddof=1) / np.sqrt(PATHS)
    assert abs(paths.mean() - exact) < 4 * error
    assert error < 0.02 * exact
