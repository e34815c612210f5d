"""Decision arithmetic on draws: expected value per draw, P(better), P(best), expected loss, value of information."""

from clvsim.decision.expectation import Expectation, expected_per_draw, process_noise
from clvsim.decision.figures import (
    TOLERATED_ERROR,
    Estimate,
    InformationValue,
    Precision,
    Ranking,
    Summary,
    between,
    estimate,
    evpi,
    expected_loss,
    losses,
    p_best,
    p_better,
    precision,
    rank,
    shares_of_best,
    summary,
)
from clvsim.decision.regression import Basis, features
from clvsim.decision.shapley import shapley, value_of_coalitions

__all__ = [
    "TOLERATED_ERROR",
    "Basis",
    "Estimate",
    "Expectation",
    "InformationValue",
    "Precision",
    "Ranking",
    "Summary",
    "between",
    "estimate",
    "evpi",
    "expected_loss",
    "expected_per_draw",
    "features",
    "losses",
    "p_best",
    "p_better",
    "precision",
    "process_noise",
    "rank",
    "shapley",
    "shares_of_best",
    "summary",
    "value_of_coalitions",
]
