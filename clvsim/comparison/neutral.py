"""Draws in which nothing that a scenario does changes what customers do: its difference is then its posted costs."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from clvsim.interventions.base import ContactProgramme, CostEntry, Funnel, Mechanism, OfferTerms, Shift


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
        case Funnel():
            return (mechanism.share == 0) | np.logical_and.reduce([chance == 0 for chance in mechanism.buy])
        case Shift():
            return mechanism.size == 0
        case OfferTerms():
            if mechanism.win_back is not None:  # what it takes is known after the fit
                return mechanism.win_back.lift == 0
            ignored = mechanism.decline_hazard, mechanism.decline_rate
            return np.logical_and.reduce([values == 0 for values in (mechanism.take, *ignored)])
        case ContactProgramme():
            return (mechanism.goodwill == 0) & (mechanism.fatigue == 0) & (mechanism.churn == 0)
    return np.zeros(draws, bool)


def _same(one: object, other: object) -> bool:
    """Whether two mechanisms, or two of their fields, hold the same numbers."""
    if type(one) is not type(other):
        return False
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other)  # ty: ignore[invalid-argument-type]
    if isinstance(one, Mechanism):
        return all(_same(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))  # ty: ignore[invalid-argument-type]
    return one == other
