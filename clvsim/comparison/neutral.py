"""Draws in which nothing that a scenario does changes what customers do: its difference is then its posted costs."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from clvsim.interventions.base import ContactProgramme, CostEntry, Mechanism, OfferTerms, Shift


def neutral_draws(mechanisms: Sequence[Mechanism], baseline: Sequence[Mechanism], draws: int) -> np.ndarray:
    """Mask (draws,): every effect of a scenario is at the value with which it does nothing.

    What the baseline does as well is no difference, and costs change nothing that customers do.
    """
    neutral = np.ones(draws, bool)
    for one, others in ((mechanisms, baseline), (baseline, mechanisms)):
        for mechanism in one:
            if not any(_same(mechanism, other) for other in others):
                neutral &= _does_nothing(mechanism, draws)
    return neutral


def _does_nothing(mechanism: Mechanism, draws: int) -> np.ndarray:
    """Mask (draws,). A kind that is not known here is taken to do something."""
    match mechanism:
        case CostEntry():
            return np.ones(draws, bool)
        case Shift():
            return mechanism.size == 0
        case OfferTerms():
            ignored = mechanism.decline_hazard, mechanism.decline_rate
            return np.logical_and.reduce([values == 0 for values in (mechanism.take, *ignored)])
        case ContactProgramme():
            return (mechanism.goodwill == 0) & (mechanism.fatigue == 0) & (mechanism.churn == 0)
    return np.zeros(draws, bool)


def _same(one: Mechanism, other: Mechanism) -> bool:
    if type(one) is not type(other):
        return False
    pairs = [(getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    return all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b for a, b in pairs)
