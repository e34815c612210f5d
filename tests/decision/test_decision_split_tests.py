"""Whether to test and how large: Test & Roll, a plan written out unit by unit, and the three verdicts."""

import numpy as np
import pytest
from scipy import stats

from clvsim.decision import Costs, Population, evsi, net_benefit, plan_split_test, prior_size, profit_maximising_size

UNITS, MU, SIGMA, SPREAD = 100_000, 0.68, 0.03, np.sqrt(0.68 * 0.32)
ALL = Population(UNITS, 10_000)


def exchangeable(per_arm: np.ndarray) -> np.ndarray:
    """EVSI of two arms N(μ, σ²) with outcomes of sd s: N·(E max of the means after the test − μ)."""
    return UNITS * SIGMA**2 / np.sqrt(SIGMA**2 + SPREAD**2 / per_arm) / np.sqrt(np.pi)


def gain(mean: float, sd: float):
    """EVSI of a change worth N(mean, sd²) per unit whose outcome has the sd s, from n per arm."""

    def of(per_arm: np.ndarray) -> np.ndarray:
        after = sd * np.sqrt(1 / (1 + 2 * SPREAD**2 / sd**2 / per_arm))
        return UNITS * (after * stats.norm.pdf(mean / after) + mean * stats.norm.cdf(mean / after) - max(mean, 0))

    return of


def test_profit_maximising_size_of_the_paper():
    assert profit_maximising_size(UNITS, SIGMA, SPREAD) == pytest.approx(2284, abs=0.5)
    with pytest.raises(ValueError, match="must be above 0"):
        profit_maximising_size(UNITS, 0.0, SPREAD)


def test_the_search_comes_to_the_same():
    result = plan_split_test(exchangeable, (UNITS * MU, UNITS * MU), ALL)
    assert result.verdict == "test"
    assert result.parts is not None
    assert result.parts.per_arm == [2284]
    assert result.parts.fixed == 0
    assert result.parts.wait == [0]
    low, high = result.near
    best = result.parts.net[0]
    for size in (low, high):  # on the grid of the search, so within a step of it
        net = net_benefit(size, exchangeable(np.array([size])), (UNITS * MU, UNITS * MU), ALL).net[0]
        assert 0.98 * best <= net < best
    assert low < 2284 < high


def test_parts_are_those_of_a_plan_written_out():
    """900 units, 60 a month, 40 % in the test, watched for 2 months; the mean of 200 worlds in which the test shows
    the truth with noise, by adding up what every unit gets."""
    rng = np.random.default_rng(5)
    plan = Population(900, 60, share=0.4, window_months=2)
    per_arm = 120
    months = 2 * per_arm / 24 + 2
    assert plan.months(per_arm) == pytest.approx(months)
    outside = 60 * months - 2 * per_arm
    assert plan.outside(per_arm) == pytest.approx(outside)
    both = rng.normal([100.0, 104.0], [10.0, 20.0], (200, 2))
    means = both.mean(axis=0)
    chosen = np.where(both[:, 1] + rng.normal(0, 15, 200) > both[:, 0], both[:, 1], both[:, 0])
    worth = chosen.mean() - means.max()
    for meanwhile in (0, 1):
        total = (
            per_arm * both.sum(axis=1) / 900
            + outside * both[:, meanwhile] / 900
            + (900 - 2 * per_arm - outside) * chosen / 900
        )
        exact = total.mean() - means.max() - 30 - 5 * months
        result = net_benefit(per_arm, worth, (means[0], means[1]), plan, Costs(30, 5), meanwhile)
        assert result.net[0] == pytest.approx(exact, rel=1e-9)


def test_a_test_of_everybody_is_half_of_each_arm():
    result = net_benefit(np.array([UNITS / 2, UNITS]), 50.0, (1000.0, 1200.0), ALL)
    assert result.net[0] == pytest.approx(1100 - 1200)
    assert np.isnan(result.net[1])


def test_a_change_that_is_nearly_sure_is_shipped_and_one_that_is_not_worth_it_forgotten():
    for mean, verdict in ((0.08, "ship now"), (-0.08, "forget it"), (0.0, "test")):
        result = plan_split_test(gain(mean, 0.03), (0.0, UNITS * mean), ALL)
        assert result.verdict == verdict
        assert not result.close


def test_a_dear_test_is_not_made():
    free = plan_split_test(gain(0.005, 0.03), (0.0, 500.0), ALL)
    assert free.verdict == "test"
    assert free.parts is not None
    dear = plan_split_test(gain(0.005, 0.03), (0.0, 500.0), ALL, Costs(fixed=float(free.parts.net[0]) + 1))
    assert dear.verdict == "ship now"
    slow = plan_split_test(gain(0.005, 0.03), (0.0, 500.0), ALL, Costs(per_month=1000))
    assert slow.parts is not None
    assert slow.parts.per_arm[0] < free.parts.per_arm[0]


def test_a_net_benefit_within_its_error_does_not_make_a_test():
    means, evsi_of = (0.0, 500.0), gain(0.005, 0.03)
    exact = plan_split_test(evsi_of, means, ALL)
    assert exact.parts is not None
    net, moved = float(exact.parts.net[0]), 1 - 2 * float(exact.parts.per_arm[0]) / UNITS
    result = plan_split_test(evsi_of, means, ALL, mcse=lambda _: net / 2)
    assert (result.verdict, result.close) == ("ship now", True)
    assert result.mcse == pytest.approx(net / 2 * moved)


def test_a_plan_without_time_for_a_test():
    result = plan_split_test(exchangeable, (0.0, 1.0), Population(1000, 100, window_months=12))
    assert (result.verdict, result.parts) == ("ship now", None)


def test_with_evsi_from_draws_it_comes_near_the_closed_form():
    """1,000 mid-quantiles of a difference per unit; the mean is 0, so that the best size is Test & Roll's for arms that
    differ by sd σ√2."""
    delta = SIGMA * np.sqrt(2) * stats.norm.ppf((np.arange(1000) + 0.5) / 1000)
    values = np.column_stack([np.zeros(1000), UNITS * delta])
    prior = prior_size(2 * SPREAD**2 / 100, 100, delta)

    def worth(sizes: np.ndarray) -> np.ndarray:
        return evsi(values, delta, sizes, prior, errors=False).estimate

    result = plan_split_test(worth, (0.0, 0.0), ALL)
    assert result.parts is not None
    assert result.parts.per_arm[0] == pytest.approx(2284, rel=0.02)
    assert result.parts.evsi[0] == pytest.approx(exchangeable(np.array(2284.0)), rel=0.002)


@pytest.mark.parametrize(
    "change", [{"units": 0}, {"per_month": 0}, {"share": 0}, {"share": 1.1}, {"window_months": -1}]
)
def test_a_population_knows_its_ranges(change):
    with pytest.raises(ValueError, match="must be above 0"):
        Population(**({"units": 1.0, "per_month": 1.0} | change))
