"""Errors of the steps between two runs."""

import numpy as np
import pytest

from clvsim.stages import bridge
from clvsim.stages.bridge import Value

SAME = Value(np.array([1.0, 2.0, 3.0, 4.0]), "a", 4.0)


def test_draws_of_one_posterior_are_paired() -> None:
    step = bridge._step("", SAME, SAME._replace(draws=SAME.draws + 1.0))
    assert (step.mean, step.mcse) == (1.0, 0.0)
    other = bridge._step("", SAME, SAME._replace(posterior="b"))
    assert other.mcse == pytest.approx(np.sqrt(2 * SAME.variance))


def test_samples_of_other_sizes_are_other_customers() -> None:
    some, more = SAME._replace(most=800, sampled=3.0), SAME._replace(most=1200, sampled=2.0)
    assert bridge._step("", SAME, some).mcse == pytest.approx(3.0)
    assert bridge._step("", some, more).mcse == pytest.approx(np.sqrt(13.0))
    assert bridge._step("", some, some).mcse == 0.0  # the same, but for levers that a run had and another had not
    assert bridge._step("", some, some, apart=True).mcse == pytest.approx(np.sqrt(18.0))
