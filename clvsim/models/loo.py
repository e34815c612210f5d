"""Leave-one-customer-out log scores of a retention model.

PSIS-LOO: Vehtari, Gelman & Gabry 2017, "Practical Bayesian model evaluation using leave-one-out cross-validation and
WAIC", Statistics and Computing 27, smoothing as in Vehtari et al. 2024 (see `inference`). What a model says of one
customer does not depend on the others given the parameters, so leaving a customer out is dividing by that customer's
likelihood. docs/models/comparison.md.
"""

from dataclasses import dataclass

import numpy as np

from clvsim.models.diagnostics import MAX_PARETO_K
from clvsim.models.fitted import FittedModels
from clvsim.models.inference import pointwise
from clvsim.models.laws import distinct_rows
from clvsim.special import logsumexp
from clvsim.types import CustomerSummary

_EQUAL = 1e-9  # log-likelihoods that differ by less are equal but for rounding


@dataclass(frozen=True)
class LeaveOneOut:
    """One model's log scores: each customer's predicted by all others.

    `elpd`, `pareto_k`: (customer,), in the order of the summary's rows. `parameters`: effective number of parameters.
    """

    elpd: np.ndarray
    pareto_k: np.ndarray
    parameters: float

    @property
    def unreliable(self) -> int:
        """Customers whose weights have so heavy a tail that their score cannot be trusted."""
        return int(np.count_nonzero(~(self.pareto_k < MAX_PARETO_K)))


def leave_one_out(fitted: FittedModels, summary: CustomerSummary) -> LeaveOneOut:
    """Log scores of the retention model, computed once per distinct history."""
    model = fitted.retention
    elpd, within, k = [], [], []
    for log_likelihood, _ in pointwise(fitted.posterior, summary, model):
        rows = np.ascontiguousarray(log_likelihood.T)
        log_weights, pareto_k = smoothed_weights(rows)
        elpd.append(logsumexp(log_weights + rows, axis=1) - logsumexp(log_weights, axis=1))
        within.append(logsumexp(rows, axis=1) - np.log(rows.shape[1]))
        k.append(pareto_k)
    row_of = row_of_each(model.histories(summary))
    score = np.concatenate(elpd)[row_of]
    return LeaveOneOut(score, np.concatenate(k)[row_of], float((np.concatenate(within)[row_of] - score).sum()))


def smoothed_weights(log_likelihood: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log weights (row, draw) of draws that leave a row out, and Pareto k of each row's tail, (row,).

    `log_likelihood` is (row, draw); weights are its inverses, up to a factor. A row whose largest weights are all equal
    has no tail to smooth, as that of somebody new today, of whom every draw says the same: k is minus infinity.
    """
    from arviz_stats.base import array_stats

    draws = log_likelihood.shape[1]
    tail = max(5, int(3 * draws**0.5 if draws > 225 else draws / 5))  # as long as the tail that is smoothed
    lowest = np.partition(log_likelihood, min(tail, draws) - 1, axis=1)[:, : min(tail, draws)]
    varies = np.ptp(lowest, axis=1) > _EQUAL
    log_weights, pareto_k = -log_likelihood, np.full(len(log_likelihood), -np.inf)
    if varies.any():
        log_weights[varies], pareto_k[varies] = array_stats.psislw(log_likelihood[varies])  # it takes log likelihoods
    return log_weights, pareto_k


def row_of_each(histories: tuple) -> np.ndarray:
    """Where each customer's history stands among the distinct ones in lexical order, (customer,)."""
    return distinct_rows(histories)[1]
