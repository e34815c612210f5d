"""Decision arithmetic on draws: expected value per draw, P(better), P(best), expected loss, value of information.

What a decision asks beyond that: what to learn and how (`information`, `split_tests`), where uncertainty comes from
(`shares`), from where something pays (`breakeven`, `sweeps`), what may be paid (`bids`, `budget`), the worst tenth
(`downside`). docs/decision.md has the questions in words.
"""

from clvsim.decision.bids import Headroom, bid_at_risk, bid_on_average, bid_within, headroom
from clvsim.decision.breakeven import BreakEven, Crossing, break_even, break_even_of_cost, break_even_on_grid
from clvsim.decision.budget import Channel, Split, best_split
from clvsim.decision.downside import downside
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
from clvsim.decision.information import (
    PartialInformation,
    SampleInformation,
    evppi,
    evsi,
    log_odds_se2,
    near_normal,
    prior_size,
    rate_se2,
)
from clvsim.decision.regression import Basis, features, logs_where_positive
from clvsim.decision.responses import FittedResponse, Response, fit_response
from clvsim.decision.shares import BlockShare, UncertaintyShares, shares_of_uncertainty
from clvsim.decision.split_tests import (
    Costs,
    NetBenefit,
    Population,
    SplitTest,
    net_benefit,
    plan_split_test,
    profit_maximising_size,
)
from clvsim.decision.sweeps import Curve, Optimum, find_optimum, fit_curve

__all__ = [
    "TOLERATED_ERROR",
    "Basis",
    "BlockShare",
    "BreakEven",
    "Channel",
    "Costs",
    "Crossing",
    "Curve",
    "Estimate",
    "Expectation",
    "FittedResponse",
    "Headroom",
    "InformationValue",
    "NetBenefit",
    "Optimum",
    "PartialInformation",
    "Population",
    "Precision",
    "Ranking",
    "Response",
    "SampleInformation",
    "Split",
    "SplitTest",
    "Summary",
    "UncertaintyShares",
    "best_split",
    "between",
    "bid_at_risk",
    "bid_on_average",
    "bid_within",
    "break_even",
    "break_even_of_cost",
    "break_even_on_grid",
    "downside",
    "estimate",
    "evpi",
    "evppi",
    "evsi",
    "expected_loss",
    "expected_per_draw",
    "features",
    "find_optimum",
    "fit_curve",
    "fit_response",
    "headroom",
    "log_odds_se2",
    "logs_where_positive",
    "losses",
    "near_normal",
    "net_benefit",
    "p_best",
    "p_better",
    "plan_split_test",
    "precision",
    "prior_size",
    "process_noise",
    "profit_maximising_size",
    "rank",
    "rate_se2",
    "shares_of_best",
    "shares_of_uncertainty",
    "summary",
]
