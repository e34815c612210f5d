"""The whole chain, 1,000 worlds: whether the intervals of decisions hold the truth, and P(better) is a probability.

Truth: parameters and effects from their priors. Given a log, they are one more draw from the posterior that a run
draws from. The 90 % interval of the *expected* difference holds E[difference | truth] in 88 to 92 % of the worlds (the
share has a standard error of .95 %), and of the worlds in each tenth of P(better) as many turn out better as it says:
chi-square over ten classes below its 99 % point.
"""

from collections import Counter

import pytest
from scipy.stats import chi2

from tests.calibration import ledger
from tests.calibration.chain import world
from tests.calibration.verdicts import CLASSES, chi_square, classes, covered

pytestmark = pytest.mark.slow
WORLDS = 1000


@pytest.fixture(scope="module")
def worlds():
    ledger.run("chain", range(WORLDS), world)
    found = ledger.results("chain")
    return [found[number] for number in range(WORLDS)]


def test_interval_of_the_expected_difference(worlds, record_property):
    record_property("90 % interval", f"{covered(worlds):.3f}")
    record_property("by", str(dict(Counter(result["way"] for result in worlds))))
    assert 0.88 <= covered(worlds) <= 0.92


def test_p_better_is_a_probability(worlds, record_property):
    found = chi_square(worlds)
    record_property("worlds, better, foretold", "; ".join(f"{n}, {b:.0f}, {e:.1f}" for n, b, e in classes(worlds)))
    record_property("chi-square", f"{found:.1f}, 99 % point {chi2.ppf(0.99, CLASSES):.1f}")
    assert found < chi2.ppf(0.99, CLASSES)
