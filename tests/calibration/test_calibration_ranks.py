"""Simulation-based calibration of every retention and spend model with its own priors.

Talts, Betancourt, Simpson, Vehtari & Gelman 2018, "Validating Bayesian inference algorithms with simulation-based
calibration", arXiv:1804.06788. Parameters are drawn from the priors, data from the parameters (`worlds.py`: NumPy, from
the papers' stories), and the posterior of these data by the product's code. The rank of the true value among 99 draws
is then uniform, whatever the prior and however few the data; 500 data sets per model, 20 bins, chi-square at 1 % over
the number of figures. Besides the parameters there is one figure more, the log-likelihood of the data (Modrák et al.
2025, Bayesian Analysis 20(2)): a posterior that ignored the data would pass on the parameters alone.

Verified together: priors, likelihood on distinct rows, the way from histories to rows, parametrisation, `natural`,
units of time, and the samplers. Data sets go through `laplace` with 1,000 draws and, where its weights are poor or
there is no single mode, on to NUTS, as under `fit.method=auto` for a large table; each twentieth goes to NUTS at once,
as under `auto` for a small one. NUTS is nutpie with the product's settings, but two chains of 300 + 250 steps; its
draws count whether or not the product's gate would have let them pass.

A data set that the model refuses (no repeat order at all) is drawn again, with parameters. That is allowed: given any
data the rank is uniform, so it is uniform over those data that are not refused.

Not verified: the choice of k by CNBD-k and units taken from the data (both make the prior depend on the data), groups,
covariates and seasons, lognormal levels that go with rates (which are fitted after them), `first_order_factor` and
`mean_order`, and anything that comes after the posterior.
"""

import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare
from worlds import WORLDS, Data, World, spread

from clvsim.errors import DiagnosticsError
from clvsim.models import RETENTION, SPEND
from tests.stories.story import WEEK

SETS, DRAWS, LEVEL = 500, 99, 0.01
BINS = 20
SEED = 20_18
NUTS_AT_ONCE = 20  # every so many data sets


@pytest.mark.slow
@pytest.mark.parametrize("name", list(WORLDS))
def test_ranks_of_the_truth_are_uniform(name, record_property):
    from posteriors import Posteriors

    world = WORLDS[name]
    posteriors = Posteriors(world.model)
    key = zlib.crc32(name.encode())
    refused = Counter[str]()

    def made(number: int) -> tuple[dict[str, float], Data, np.random.Generator]:
        random = np.random.default_rng([SEED, key, number])
        while True:
            truth = world.parameters(random)
            try:
                return truth, world.data(world.model, truth, random), random
            except DiagnosticsError as error:
                refused[error.problems[0].what] += 1

    ranks, ways = [], Counter[str]()
    for number in range(SETS):
        truth, data, random = made(number)
        draws, way = posterior(world, data, posteriors, number)
        ways[way] += 1
        ranks.append(ranks_of(truth, draws, data, random))
    p_values = {figure: p_value(np.array([r[figure] for r in ranks])) for figure in ranks[0]}
    record_property("p", ", ".join(f"{figure} {p:.3f}" for figure, p in p_values.items()))
    record_property("by", ", ".join(f"{way} {count}" for way, count in sorted(ways.items())))
    record_property("refused and drawn again", str(refused.total()))
    assert min(p_values.values()) > LEVEL / len(p_values), p_values


def test_every_model_is_calibrated():
    """But for fixed prices and lists of them, of which nothing is inferred."""
    assert {world.model.kind for world in WORLDS.values()} == {*RETENTION, *SPEND} - {"fixed_price", "price_list"}


def posterior(world: World, data: Data, posteriors: Any, number: int) -> tuple[dict[str, np.ndarray], str]:
    """99 draws of the papers' parameters, and how they came about."""
    free, way = posteriors.auto(data.rows, number, at_once=number % NUTS_AT_ONCE == 0)
    # Retention models want days per unit of time, spend models a seed for what is no parameter of the likelihood.
    found = world.model.natural(free, data.rows, WEEK if world.model.kind in RETENTION else 1)
    return {symbol: spread(values, DRAWS) for symbol, values in found.items()}, way


def ranks_of(truth, draws, data: Data, random: np.random.Generator) -> dict[str, int]:
    """How many of 99 draws are below the truth, ties broken at random."""
    with np.errstate(all="ignore"):
        fit = data.log_likelihood({symbol: np.append(draws[symbol], truth[symbol]) for symbol in truth})
    figures = {symbol: (truth[symbol], draws[symbol]) for symbol in truth} | {"log-likelihood": (fit[-1], fit[:-1])}
    return {
        figure: int((values < true).sum() + random.integers(0, (values == true).sum() + 1))
        for figure, (true, values) in figures.items()
    }


def p_value(ranks: np.ndarray) -> float:
    """Of the hypothesis that ranks 0..99 are equally frequent, in 20 bins."""
    return float(chisquare(np.bincount(ranks * BINS // (DRAWS + 1), minlength=BINS)).pvalue)
