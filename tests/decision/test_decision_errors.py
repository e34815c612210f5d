"""Monte Carlo errors that are reported, against the spread of the figures over 100 seeds; and common shocks."""

import numpy as np
import pytest

from clvsim.decision import Basis, Expectation, estimate, evpi, expected_per_draw, features, precision, rank

SEEDS = 100


def shop(seed: int, draws: int, noise: float, *, posterior: int | None = None) -> tuple[list[Expectation], np.ndarray]:
    """Two levers that cost about what they bring, on a wide posterior; their expectations, and the exact gains.

    One path per draw, whose noise has the variance noise² × revenue. The draws are those of `posterior`, by default
    of the seed.
    """
    parameters_of = np.random.default_rng([1, seed if posterior is None else posterior])
    parameters = np.exp(0.3 * parameters_of.normal(size=(draws, 6)))
    effects = parameters_of.normal(0.03, 0.03, (draws, 2))
    revenue = 1000 * parameters[:, 0] * parameters[:, 1] / np.sqrt(parameters[:, 2])
    gains = np.column_stack(
        [revenue * np.expm1(effects[:, 0]) * parameters[:, 3] ** 0.3, 0.5 * revenue * effects[:, 1]]
    )
    costs = np.array([20.0, -2.0])
    luck = np.random.default_rng([2, seed]).normal(size=(draws, 2, 2)) * [[noise, noise / 2]] / np.sqrt(2)
    halves = gains[:, None] / 2 + np.sqrt(revenue)[:, None, None] * luck
    found = []
    for lever, cost in enumerate(costs):
        columns = features(np.column_stack([parameters, effects[:, lever]]), np.arange(7) == 6)
        known = np.full(draws, -cost)
        figure = halves[:, :, lever].sum(axis=1) + known
        found.append(expected_per_draw(figure, [Basis.make(columns, revenue)], halves=halves[:, :, lever], known=known))
    return found, gains - costs


@pytest.mark.parametrize(("draws", "noise"), [(200, 1.0), (200, 3.0), pytest.param(1000, 3.0, marks=pytest.mark.slow)])
def test_errors_are_the_spread_over_seeds(draws: int, noise: float) -> None:
    """Within 30 %, of which the spread of 100 seeds itself takes 4·√(1/200) = 28 % at four standard errors."""
    figures = []
    for seed in range(SEEDS):
        deltas, _ = shop(seed, draws, noise)
        ranking = rank(deltas)
        mean = estimate(deltas[0].values, deltas[0].noise)
        figures.append(
            [
                mean,
                (ranking.p_better[1], ranking.p_better_mcse[1]),
                (ranking.p_best[2], ranking.p_best_mcse[2]),
                (ranking.loss[0], ranking.loss_mcse[0]),
                (ranking.evpi.estimate, ranking.evpi.mcse),
            ]
        )
    value, mcse = np.moveaxis(np.array(figures, float), 2, 0)
    np.testing.assert_allclose(value.std(axis=0, ddof=1) / mcse.mean(axis=0), 1.0, atol=0.3)


def test_paths_alone_make_the_first_part_of_the_error() -> None:
    """The same 200 draws, other paths: the spread of a mean is what `noise` says; that of the draws comes on top."""
    fitted = [shop(seed, 200, 3.0, posterior=7)[0][0] for seed in range(SEEDS)]
    means = [delta.values.mean() for delta in fitted]
    of_paths = np.mean([np.sqrt(np.sum(delta.noise**2)) / 200 for delta in fitted])
    assert np.std(means, ddof=1) / of_paths == pytest.approx(1.0, abs=0.3)
    both = np.mean([estimate(delta.values, delta.noise).mcse for delta in fitted])
    assert both > 1.05 * of_paths


def test_draws_that_are_worth_less_widen_the_second_part() -> None:
    """A quarter as many independent draws: errors of the draws are twice as large, those of the paths as they were."""
    delta = Expectation.exact(np.random.default_rng(3).normal(0.3, 1.0, 1000))
    assert estimate(delta.values, ess=250.0).mcse == pytest.approx(2 * estimate(delta.values).mcse)
    all_of_them, quarter = rank([delta]), rank([delta], ess=250.0)
    for name in ("p_better_mcse", "loss_mcse"):
        assert getattr(quarter, name)[1] / getattr(all_of_them, name)[1] == pytest.approx(2.0, rel=0.15)
    assert quarter.evpi.mcse / all_of_them.evpi.mcse == pytest.approx(2.0, rel=0.15)


def test_expected_losses_are_unbiased_enough() -> None:
    """EVPI of expectations stays within a tenth of the exact one on average, where noise is below the effects."""
    found, exact = [], []
    for seed in range(30):
        deltas, gains = shop(seed, 1000, 1.0)
        for values, gain in ((found, np.column_stack([delta.values for delta in deltas])), (exact, gains)):
            values.append(evpi(np.column_stack([np.zeros(1000), gain])).estimate)
    assert np.mean(found) == pytest.approx(np.mean(exact), rel=0.1)


# --- shocks common to all customers ----------------------------------------------------------------------------------


def shocked(seed: int, replicates: int = 1) -> tuple[Expectation, np.ndarray]:
    """Δ = .05 · base · e^env − .05e6 per draw, base 1e6(1 + .01 θ₁), env N(0, .06²); both halves hold the shock."""
    rng = np.random.default_rng(seed)
    theta, env = rng.normal(size=(1000, 4)), 0.06 * rng.normal(size=(1000, replicates))
    base = 1e6 * (1 + 0.01 * theta[:, 0])
    gain = 0.05 * base * np.exp(env).mean(axis=1)
    basis = Basis.make(features(theta, np.zeros(4, bool)), base)
    cost = np.full(1000, -0.05e6)
    halves = np.repeat(gain[:, None] / 2, 2, axis=1)
    return expected_per_draw(gain + cost, [basis], halves=halves, known=cost, always=True), gain + cost


def test_shocks_common_to_all_are_averaged_out_of_a_difference() -> None:
    """Exact: Δ ~ N(90, 501²) over θ, P(Δ > 0) .571, EVPI 158; raw draws, whose halves show no noise, say 1,200.

    With 16 replicates the error of a mean, 30, is below a tenth of the 501; means over 40 runs.
    """
    runs = [shocked(seed, 16) for seed in range(40)]
    rankings = [rank([delta]) for delta, _ in runs]
    p, value = (np.array(x) for x in zip(*((r.p_better[1], r.evpi.estimate) for r in rankings), strict=True))
    assert p.mean() == pytest.approx(0.571, abs=0.03)
    assert value.mean() == pytest.approx(158, abs=10)
    assert p.std() / np.mean([r.p_better_mcse[1] for r in rankings]) == pytest.approx(1, abs=0.4)
    raw = [evpi(np.column_stack([np.zeros(1000), shocked(seed)[1]])).estimate for seed in range(10)]
    assert np.mean(raw) > 1000


def test_one_replicate_is_not_enough_there_and_sixteen_are() -> None:
    delta, _ = shocked(3)
    found = precision(delta)
    assert found.share > 0.1
    assert 3 < found.more < 16
    assert precision(shocked(3, 16)[0]).share < 0.1


def test_precision_asks_for_no_more_than_draws_allow() -> None:
    values = np.random.default_rng(8).normal(1.0, 1.0, 50)
    noisy = Expectation(values, np.full(50, 3.0))
    found = precision(noisy)  # of 50 draws alone 14 %
    assert found.share > 0.14
    assert found.more == pytest.approx(9 / 50 / (values.var(ddof=1) / 50 / 4))
    assert precision(Expectation.exact(values)) == (0.0, 1.0, 0.0)
    alike = Expectation(np.full(50, 2.0), np.full(50, 3.0))
    assert precision(alike).share == pytest.approx(3 / np.sqrt(50) / 2)
    assert precision(alike).more == pytest.approx((3 / np.sqrt(50) / 0.2) ** 2)
