"""The posterior of a test of means: closed form, and coverage on heavy-tailed amounts."""

import numpy as np
import pytest
from scipy import stats

from clvsim.effects import Experiment, MoneyExperiment, draw

UNIFORMS = (np.arange(999) + 0.5) / 999
ENDS = np.array([0.05, 0.95])


def test_worked_check() -> None:
    """42.1 (sd 61) of 1,200 against 45 (sd 66) of 1,180: by hand log ratio .0666, se .0598, so that a prior of .05
    leaves a fraction .4117 of it, and .0384 as its sd."""
    test = MoneyExperiment(n=(1200, 1180), mean=(42.1, 45.0), sd=(61.0, 66.0))
    lift, variance, _ = test.measured
    np.testing.assert_allclose(
        [lift, variance**0.5], [np.log(45 / 42.1), np.hypot(61 / 42.1 / 1200**0.5, 66 / 45 / 1180**0.5)]
    )
    np.testing.assert_allclose([lift, variance**0.5], [0.0666, 0.0598], atol=5e-5)
    values = draw(test, UNIFORMS, "relative", path="p").values
    np.testing.assert_allclose(values, stats.norm(0.4117 * 0.0666, 0.0384).ppf(UNIFORMS), atol=3e-4)


def test_it_is_shrunk_as_counts_are() -> None:
    """Counts and means with the same estimate and error have the same posterior, the learnt prior included."""
    n, x = (20_000, 21_000), (400, 460)
    rates = [b / a for a, b in zip(n, x, strict=True)]
    for more in ({}, {"prior_sd": 0.2, "transport": 0.5}, {"prior_sd": "learn", "tests_run": 5}):
        counted = Experiment.model_validate({"n": n, "x": x, **more})
        sd = [(p * (1 - p)) ** 0.5 for p in rates]  # of single people, who buy or do not
        means = MoneyExperiment.model_validate({"n": n, "mean": rates, "sd": sd, **more})
        np.testing.assert_allclose(
            *(draw(e, UNIFORMS, "relative", path="p").values for e in (counted, means)), rtol=1e-9
        )


def amounts(rng: np.random.Generator, mean: float, spread: float, n: int) -> np.ndarray:
    """Lognormal orders with that mean, and that sd of their logs."""
    return rng.lognormal(np.log(mean) - spread**2 / 2, spread, n)


def tails(seed: int, spread: float, n: tuple[int, int], prior_sd: float, size: int) -> tuple[int, int]:
    """How many true log effects, drawn from the prior, lie below and above the 90 % interval."""
    rng, below, above = np.random.default_rng(seed), 0, 0
    for truth in rng.normal(0, prior_sd, size):
        arms = amounts(rng, 40.0, spread, n[0]), amounts(rng, 40.0 * np.exp(truth), spread, n[1])
        test = MoneyExperiment.model_validate(
            {"n": n, "mean": [a.mean() for a in arms], "sd": [a.std(ddof=1) for a in arms], "prior_sd": prior_sd}
        )
        low, high = draw(test, ENDS, "relative", path="p").values
        below, above = below + (truth < low), above + (truth > high)
    return below, above


@pytest.mark.parametrize(
    ("spread", "n", "prior_sd"),
    [(0.8, (400, 400), 0.2), (1.1, (1200, 1180), 0.05), (1.1, (1500, 1500), 0.2), (0.5, (120, 120), 0.3)],
)
def test_intervals_hold_the_true_effect_on_heavy_tailed_orders(
    spread: float, n: tuple[int, int], prior_sd: float
) -> None:
    """Skewness of these amounts: 3.7, 10.3 and 1.8. Two-sided bounds of 99.9 % for each tail and for both."""
    size = 2_000
    below, above = tails(21, spread, n, prior_sd, size)
    for outside, share in ((below, 0.05), (above, 0.05), (below + above, 0.10)):
        low, high = stats.binom.ppf([0.0005, 0.9995], size, share)
        assert low <= outside <= high, (below, above)


def test_arms_of_unequal_size_lean_and_still_hold_nine_of_ten() -> None:
    """The mean of a small arm misses the rare large orders more often than that of a large one: what is outside lies
    on one side, and there are no more of it."""
    size = 2_000
    below, above = tails(22, 0.9, (4000, 800), 0.2, size)
    low, high = stats.binom.ppf([0.0005, 0.9995], size, 0.10)
    assert low <= below + above <= high, (below, above)
    assert above > below


def test_both_arms_are_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"control arm is too small.*= 900, got 800; the treated arm.*= 400, got 300"):
        MoneyExperiment(n=(800, 300), mean=(10.0, 10.0), sd=(30.0, 20.0))
