"""Monte Carlo errors against how much figures move from seed to seed: 100 seeds, 60 customers, 200 draws.

(i) The seed alone, on the same posterior draws: only lives are drawn anew, so that figures move by the first part of
their errors; what is due to the number of draws, var/n of figures without luck, is taken off. (ii) The seed and
disjoint posterior draws: both parts. The lever has no uncertain numbers, which would be drawn anew with the seed.
A standard deviation over 100 seeds has an error of 7 %; it lies within 30 % of the mean reported error.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

import clvsim
from clvsim.models.fitted import FittedModels
from clvsim.scenario import Scenario
from clvsim.simulation.config import AcquisitionConfig, FinanceConfig, SimulationConfig
from tests.nested.logs import log_of
from tests.nested.shops import CALM, fitted_to

pytestmark = pytest.mark.slow
SEEDS, DRAWS, REPLICATES = 100, 200, 3  # 500 worlds are needed for a probability
AD = {"visitors_per_month": 100.0, "conversion": 0.04, "cost_per_visitor": 1.5}
JUDGED = {"kind": "fixed", "source": "made up"}  # a lever that is only stated has neither a chance nor an EVPI
ITEM = {
    "kind": "offer",
    "take": JUDGED | {"value": 0.2},
    "price": 8.0,
    "margin": 0.6,
    "if_declined": {"hazard": JUDGED | {"value": 0.045}},
}
FIGURES = ("difference", "P(better)", "EVPI")


class Run(NamedTuple):
    """Figures of one seed, their errors, and the part of these that is due to the number of draws, by figure."""

    value: np.ndarray
    error: np.ndarray
    of_draws: np.ndarray


def some(fitted: FittedModels, first: int) -> FittedModels:
    """200 draws from there on. They are independent, so diagnostics of all draws say nothing of them."""
    rows = slice(first, first + DRAWS)
    parts = {"retention": fitted.retention_draws(rows), "spend": fitted.spend_draws(rows), "diagnostics": ()}
    return replace(fitted, posterior=replace(fitted.posterior, **parts))


def one(fitted: FittedModels, summary, seed: int) -> Run:
    simulation = clvsim.simulate(
        fitted,
        summary,
        {
            "baseline": Scenario(title="As today"),
            "offer": Scenario.model_validate({"title": "Offer", "item": ITEM}),
        },
        simulation=SimulationConfig(draws=DRAWS, replicates=REPLICATES, horizon_months=12),
        finance=FinanceConfig(gross_margin=0.4, cost_per_order=1.5),
        acquisition=AcquisitionConfig.model_validate({"channels": {"ads": AD}}),
        environment=CALM,
        seed=seed,
    )
    comparison = clvsim.compare(simulation)
    row = comparison.table.query("scenario == 'offer' and metric == 'plan_value' and basis == 'expected'")
    delta, loss = comparison.deltas["offer"], comparison.evpi
    assert loss is not None
    best = np.maximum(delta, 0.0) - (delta if loss.best else 0.0)
    luckless = [v.std(ddof=1) / np.sqrt(DRAWS) for v in (delta, np.heaviside(delta, 0.5), best)]
    return Run(
        np.array([row.delta_mean.item(), row.p_better.item(), loss.estimate]),
        np.array([row.delta_mcse.item(), row.p_better_mcse.item(), loss.mcse]),
        np.array(luckless),
    )


@pytest.fixture(scope="module", params=["seed alone", "seed and draws"])
def runs(request):
    summary = log_of(60, 60, 360)
    fitted = fitted_to(summary, SEEDS * DRAWS)
    disjoint = request.param == "seed and draws"
    chunks = [some(fitted, DRAWS * seed * disjoint) for seed in range(SEEDS)]
    found = Run(*map(np.array, zip(*(one(chunk, summary, seed) for seed, chunk in enumerate(chunks)), strict=True)))
    errors = found.error if disjoint else np.sqrt(np.maximum(found.error**2 - found.of_draws**2, 0.0))
    return found.value, errors


@pytest.mark.parametrize("figure", FIGURES)
def test_errors_are_how_much_figures_move(runs, figure, record_property):
    values, errors = (array[:, FIGURES.index(figure)] for array in runs)
    moves, reported = values.std(ddof=1), errors.mean()
    record_property("over seeds", f"mean {values.mean():.4g}, sd {moves:.4g}, mean reported error {reported:.4g}")
    assert abs(moves / reported - 1) < 0.30
