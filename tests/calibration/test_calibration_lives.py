"""Futures of made-up customers are those of the stories, and the lever's are longer by what a hazard of .8 means."""

import numpy as np
import pytest

from tests.calibration.futures import FACTOR, life_of
from tests.stories import STORIES

SIZE, AHEAD = 20_000, 150.0


@pytest.mark.parametrize("kind", list(STORIES))
def test_lives_go_on_as_the_story_does(kind):
    """Means of orders before and after today, within 4 standard errors of both."""
    story = STORIES[kind]
    days = np.resize(story.days, SIZE)
    counts = []
    for seed in range(2):
        random = np.random.default_rng([seed, 9])
        traits = story.traits(random, story.params, SIZE)
        if seed:
            life = life_of(kind)(random, *traits, days, AHEAD)
            counts.append((life.history["frequency"], life.orders))
            assert (life.with_lever >= life.orders).all()
            assert life.with_lever.sum() > life.orders.sum()
        else:
            columns = story.live(random, *traits, days, AHEAD, **story.config)
            counts.append((columns["frequency"], columns["holdout_frequency"]))
    means = [[(v.mean(), v.std() / np.sqrt(SIZE)) for v in found] for found in counts]
    for (one, error), (other, error_of_other) in zip(*means, strict=True):
        assert abs(one - other) < 4 * np.hypot(error, error_of_other)


@pytest.mark.parametrize("kind", [kind for kind in STORIES if kind != "bdw"])
def test_lever_lengthens_lives(kind):
    """Orders until the end of those who are there today, everybody with the same traits, within 4 standard errors.

    An order's hazard is charged after it, an opportunity's and a renewal's before.
    """
    days, long = np.full(SIZE, 25.0), 50_000.0
    first = np.full(SIZE, {"bg_bb": 1.0, "sbg": 1.0}.get(kind, 3.0))
    life = life_of(kind)(np.random.default_rng(4), first, np.full(SIZE, 0.02), days, long)
    hazard = -np.log1p(-0.02)
    for orders, factor in ((life.orders, 1.0), (life.with_lever, FACTOR)):
        if kind == "pareto_nbd":
            there, expected = life.with_lever > 0, 3.0 / (0.02 * factor)
        elif kind in ("bg_bb", "sbg"):
            there, expected = life.history["frequency"] == (kind == "bg_bb"), 1 / np.expm1(factor * hazard)
        else:
            there, expected = life.with_lever > 0, -1 / np.expm1(-factor * hazard)
        found = orders[there]
        assert abs(found.mean() - expected) < 4 * found.std() / np.sqrt(found.size)


def test_lever_lengthens_contracts_that_become_safer():
    """BdW: of those who are there after n renewals, a share (1 - theta)^(factor ((n + m)^c - n^c)) makes m more."""
    every, c = 365.25 / 12, 1.4
    life = life_of("bdw")(
        np.random.default_rng(5), np.full(SIZE, c), np.full(SIZE, 0.05), np.full(SIZE, 4.5 * every), 9.0 * every
    )
    there = life.history["frequency"] == 4
    for orders, factor in ((life.orders, 1.0), (life.with_lever, FACTOR)):
        for m in (1, 3, 9):
            share = 0.95 ** (factor * ((4 + m) ** c - 4**c))
            assert abs((orders[there] >= m).mean() - share) < 4 * np.sqrt(share * (1 - share) / there.sum())
