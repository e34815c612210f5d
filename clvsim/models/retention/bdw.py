"""Beta-discrete-Weibull: as sBG, but a contract's risk of ending may rise or fall as the customer stays.

Fader, Hardie, Liu, Davin & Steenburgh 2018, "How to project customer retention" revisited: the role of duration
dependence, Journal of Interactive Marketing 43, 1-16, doi 10.1016/j.intmar.2018.01.002. Formulas:
`clvsim.models.retention.contracts`; assumptions and priors: docs/models/bdw.md.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from clvsim.models.domain import POSITIVE, Domain
from clvsim.models.laws import Params
from clvsim.models.priors import LogNormalPrior
from clvsim.models.retention.contracts import ContractInputs, ContractModel
from clvsim.models.retention.survival import ContractRows

_LATE = 10  # share of the contracts that a late renewal was due for, inverted


class Survival(NamedTuple):
    """Logs of: the number of the last renewal that a tenth of the contracts were due for, at least the second; the
    shares of contracts that make the first renewal, and that late one."""

    log_renewal: float
    log_first: float
    log_late: float


class Bdw(ContractModel):
    """BdW: as sBG, but the chance to end grows or falls while a customer stays.

    theta ~ Beta(gamma, delta), S(n | theta) = (1 - theta)^(n^c). Settings and priors: see `ContractModel`.

    `c`: above 1 a customer's own risk of ending rises with every renewal, below 1 it falls, at 1 the model is sBG.
    """

    SYMBOLS: ClassVar[tuple[str, str]] = ("gamma", "delta")
    kind: Literal["bdw"] = "bdw"
    c: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=0.5)

    def inputs(self, rows: ContractRows) -> ContractInputs:
        """As of sBG, and where the ridge lies."""
        return super().inputs(rows)._replace(survival=observed_survival(rows))

    def graph(self, pm: Any, inputs: ContractInputs) -> dict[str, Any]:
        """gamma, delta, c. Free variables: churn_mean, churn_concentration, log_c_off_ridge."""
        import pytensor.tensor as pt

        params = super().graph(pm, inputs)
        ridge = log_c_on_ridge(pt, params["gamma"], inputs.survival)
        off = pm.Normal("log_c_off_ridge", math.log(self.c.median) - ridge, self.c.sd_log)
        return {**params, "c": pt.exp(ridge + off)}

    @property
    def DOMAINS(self) -> Mapping[str, Domain]:
        return {**super().DOMAINS, "c": POSITIVE}

    def natural(self, draws: Params, rows: ContractRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's gamma, delta and c from the model's variables; they have no unit."""
        found = super().natural(draws, rows, days_per_unit)
        ridge = log_c_on_ridge(np, found["gamma"], observed_survival(rows))
        return {**found, "c": np.exp(ridge + draws["log_c_off_ridge"])}


def log_c_on_ridge(xp: Any, gamma: Any, survival: Any) -> Any:
    """log of the c that goes with gamma at that `Survival`, arrays or graphs; `xp` computes.

    A risk that rises with tenure hides customers who differ, so c and gamma lie on a curved ridge, along which a chain
    moves in steps of its width. Sampled is log c less this, which hardly depends on gamma, with the prior that makes
    log c normal and independent of gamma. From S(n) = (1 + n^c/d)^-gamma, which -log(1 - theta) gives if it is Gamma.
    """
    logs = (-survival.log_first / gamma, -survival.log_late / gamma)
    first, last = (y + xp.log(-xp.expm1(-y)) for y in logs)  # log(e^y - 1)
    return xp.log((last - first) / survival.log_renewal)


def observed_survival(rows: ContractRows) -> Survival:
    """Kaplan-Meier, with half a loss more at each renewal, so that no share is 1."""
    due = np.bincount((rows.seen + rows.lost).astype(int), rows.count)
    due = np.append(np.cumsum(due[::-1])[::-1][1:], [0.0, 0.0])  # of renewals 1, 2, ...
    lost = np.append(np.bincount(rows.seen.astype(int), rows.count * rows.lost), [0.0, 0.0])[: due.size]
    late = max(int(np.count_nonzero(due >= rows.count.sum() / _LATE)), 2)
    log_kept = np.cumsum(np.log1p(-(lost + 0.5) / (due + 1)))
    return Survival(math.log(late), float(log_kept[0]), float(log_kept[late - 1]))
