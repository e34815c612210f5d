"""What single kinds of offers know beyond an offer's own numbers."""

from typing import NamedTuple

import numpy as np


class MembershipTerms(NamedTuple):
    """A trial that starts at an order, and charges of the price afterwards. Arrays (n,)."""

    trial_days: float
    period_days: float  # between charges
    trial_cost: np.ndarray  # money per trial
    convert: np.ndarray  # share of trials that are paid for
    churn: np.ndarray  # mean chance to leave at a renewal
    polarisation: float  # ψ = 1 / (a + b + 1) of Beta(a, b), from which each member has the own chance; 0: all alike
    card_loss: np.ndarray  # chance that a charge fails for good
    order_cost: np.ndarray  # money per order of a member


class ReferralTerms(NamedTuple):
    """How those who are referred differ from other newcomers: log factors, (n,) each."""

    rate: np.ndarray
    spend: np.ndarray


class WinBackTerms(NamedTuple):
    """Of those who are written to, `lift` (n,) more order within `within_days` than would without; `living` of it, a
    share, are customers who have not left. A share `redeemed` (n,) of their other orders in that time uses the coupon
    too. `answers` (n,): chance that one of these orders because of it, None until the models are fitted.
    """

    lift: np.ndarray
    within_days: float
    living: float
    redeemed: np.ndarray
    answers: np.ndarray | None = None


class NextProductTerms(NamedTuple):
    """Log factor on amounts, (n,)."""

    spend: np.ndarray
