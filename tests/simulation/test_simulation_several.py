"""Draws of different models in one run: each is simulated and foreseen as by its own model alone, bit for bit."""

from typing import Any

import numpy as np
import pytest
from shop import GAMMA_GAMMA, assert_same, channels, ledger, run, scenarios, shop

from clvsim.models import RETENTION, cache
from clvsim.models.around.several import MODEL, Several, named, shared_out, van_der_corput
from clvsim.models.fitted import FittedModels
from clvsim.models.spend.gamma_gamma import GammaGamma
from clvsim.simulation.config import EnvironmentConfig
from clvsim.types import Posterior

DRAWS = 16
PARAMS: dict[str, dict[str, float]] = {
    "bg_nbd": {"r": 0.2426, "alpha": 4.4136, "a": 0.7929, "b": 2.4259},
    "mbg_nbd": {"r": 0.5247, "alpha": 6.1825, "a": 0.8911, "b": 1.6144},
    "pareto_nbd": {"r": 0.5533, "alpha": 10.5776, "s": 0.6061, "beta": 11.6562},
    "bg_cnbd": {"r": 0.3, "alpha": 2.5, "a": 0.6, "b": 2.0},
}
LEVERS = {
    "more": {"often": {"kind": "shift", "target": "rate", "size": 0.2}},
    "mail": {"email": {"kind": "contact", "per_month": 4.0, "cost": 0.02}},
}


def life_of(name: str) -> dict[str, np.ndarray]:
    r = np.random.default_rng(len(name))
    return {key: value * np.exp(0.1 * r.standard_normal(DRAWS)) for key, value in PARAMS[name].items()}


def model_of(name: str) -> Any:
    return RETENTION[name](k=3) if name == "bg_cnbd" else RETENTION[name]()


def spend() -> dict[str, np.ndarray]:
    return {key: np.full(DRAWS, value) for key, value in GAMMA_GAMMA.items()}


def alone(name: str) -> FittedModels:
    return FittedModels(model_of(name), GammaGamma(), Posterior(life_of(name), spend(), "week"))


def together(*names: str, weights: tuple[float, ...] | None = None) -> FittedModels:
    weights = weights or tuple(1 / len(names) for _ in names)
    life: dict[str, np.ndarray] = {MODEL: shared_out(weights, DRAWS).astype(float)}
    for name in names:
        life |= named(name, life_of(name))
    several: Any = Several(tuple(model_of(name) for name in names), weights)
    return FittedModels(several, GammaGamma(), Posterior(life, spend(), "week"))


def simulated(fitted: FittedModels, **changed: Any):
    settings: dict[str, Any] = {"draws": DRAWS, "acquisition": channels(), "summary": with_gaps()}
    return run(scenarios(**LEVERS), fitted=fitted, **(settings | changed))


def with_gaps():
    """What CNBD is conditioned on too: the sum of the logs of the gaps."""
    summary = shop()
    frame = summary.customers
    x = frame["frequency"].to_numpy(float)
    gap = frame["recency_days"].to_numpy() / np.maximum(x, 1)
    frame["log_gaps"] = np.where(x > 0, x * np.log(np.maximum(gap, 1.0)), 0.0)
    return summary


@pytest.mark.parametrize("names", [("bg_nbd", "mbg_nbd", "pareto_nbd"), ("mbg_nbd", "bg_cnbd", "pareto_nbd")])
def test_each_draw_is_its_own_models(names: tuple[str, ...]) -> None:
    mixed = together(*names)
    found = simulated(mixed)
    model = mixed.posterior.retention[MODEL]
    assert sorted(np.unique(model)) == [0, 1, 2]
    for number, name in enumerate(names):
        rows, own = np.flatnonzero(model == number), simulated(alone(name))
        for scenario in found.scenarios:
            np.testing.assert_array_equal(
                ledger(found, scenario).calendar[rows], ledger(own, scenario).calendar[rows], err_msg=scenario
            )
        for field in ("existing_orders", "existing_revenue", "newcomer_orders", "age_revenue"):
            np.testing.assert_allclose(
                getattr(found.expected, field)[rows], getattr(own.expected, field)[rows], rtol=1e-12, err_msg=field
            )


def test_one_model_with_all_the_weight_is_that_model() -> None:
    a, b = simulated(together("mbg_nbd", "bg_nbd", weights=(1.0, 0.0))), simulated(alone("mbg_nbd"))
    for scenario in a.scenarios:
        np.testing.assert_array_equal(ledger(a, scenario).calendar, ledger(b, scenario).calendar)


@pytest.mark.parametrize("changed", [{"jobs": 2}, {"shard_customers": 7}])
def test_jobs_and_blocks_leave_every_bit(changed: dict[str, int]) -> None:
    mixed = together("bg_nbd", "bg_cnbd", "pareto_nbd")
    assert_same(simulated(mixed), simulated(mixed, **changed))


def test_more_draws_extend_a_run() -> None:
    mixed = together("bg_nbd", "mbg_nbd", "pareto_nbd")
    few, many = simulated(mixed, draws=6), simulated(mixed)
    np.testing.assert_array_equal(ledger(few).calendar, ledger(many).calendar[:6])


def test_the_regression_sees_what_the_models_have_in_common() -> None:
    columns = [c for c in simulated(together("bg_nbd", "mbg_nbd", "pareto_nbd")).inputs if c.startswith("retention.")]
    assert columns == [
        "retention.model.mbg_nbd",
        "retention.model.pareto_nbd",
        "retention.orders of a newcomer in a year",
        "retention.chance of a second order in a year",
    ]


def test_a_file_brings_back_every_bit(tmp_path) -> None:
    mixed = together("bg_nbd", "bg_cnbd", "pareto_nbd", weights=(0.5, 0.2, 0.3))
    cache.write_posterior(mixed, tmp_path / "p.nc")
    back = cache.read_posterior(tmp_path / "p.nc")
    assert list(back.posterior.retention) == list(mixed.posterior.retention)
    for name, values in mixed.posterior.retention.items():
        np.testing.assert_array_equal(back.posterior.retention[name], values)
    assert back.retention == mixed.retention
    assert_same(simulated(back), simulated(mixed))


def test_environment_and_zero_effects() -> None:
    """Shocks act on every draw; a lever without effect leaves the baseline's ledger."""
    nothing = {"none": {"often": {"kind": "shift", "target": "rate", "size": 0.0}}}
    stormy = EnvironmentConfig(sd_prior=0.2)
    mixed = together("bg_nbd", "mbg_nbd", "pareto_nbd")
    found = run(scenarios(**nothing), fitted=mixed, draws=DRAWS, environment=stormy, summary=with_gaps())
    np.testing.assert_array_equal(ledger(found, "none").calendar, ledger(found).calendar)


# --- who gets which draw ----------------------------------------------------------------------------------------------


def test_van_der_corput_in_base_2() -> None:
    """Binary digits of the number, mirrored at the point: van der Corput 1935."""
    expected = [
        float(f"{n:b}"[::-1].zfill(0) and sum(int(d) / 2 ** (i + 1) for i, d in enumerate(f"{n:b}"[::-1])))
        for n in range(1, 40)
    ]
    np.testing.assert_array_equal(van_der_corput(39), expected)


@pytest.mark.parametrize("weights", [(0.5, 0.3, 0.2), (0.9, 0.1), (1.0,), (0.0, 1.0)])
def test_the_first_draws_have_the_right_shares(weights: tuple[float, ...]) -> None:
    """Off by less than the sequence's discrepancy, (log2 n + 2) / n of the draws at each end of a share."""
    all_of_them = shared_out(weights, 4000)
    for first in (50, 1000, 4000):
        assert (shared_out(weights, first) == all_of_them[:first]).all()
        share = np.bincount(all_of_them[:first], minlength=len(weights)) / first
        assert np.abs(share - weights).max() <= (np.log2(first) + 2) / first
