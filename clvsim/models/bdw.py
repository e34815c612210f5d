"""Beta-discrete-Weibull: as sBG, but a contract's risk of ending may rise or fall as the customer stays.

Fader, Hardie, Liu, Davin & Steenburgh 2018, "How to project customer retention" revisited: the role of duration
dependence, Journal of Interactive Marketing 43, 1-16, doi 10.1016/j.intmar.2018.01.002. Formulas:
`clvsim.models.contracts`; assumptions and priors: docs/models/bdw.md.
"""

from typing import Any, ClassVar, Literal

import numpy as np

from clvsim.models.contracts import ContractModel, ContractRows
from clvsim.models.laws import Params
from clvsim.models.priors import LogNormalPrior


class Bdw(ContractModel):
    """BdW: as sBG, but the chance to end grows or falls while a customer stays.

    theta ~ Beta(gamma, delta), S(n | theta) = (1 - theta)^(n^c). Settings and priors: see `ContractModel`.

    `c`: above 1 a customer's own risk of ending rises with every renewal, below 1 it falls, at 1 the model is sBG.
    """

    SYMBOLS: ClassVar[tuple[str, str]] = ("gamma", "delta")
    kind: Literal["bdw"] = "bdw"
    c: LogNormalPrior = LogNormalPrior(median=1.0, sd_log=0.5)

    def graph(self, pm: Any) -> dict[str, Any]:
        """gamma, delta, c. Free variables: churn_mean, churn_concentration, c."""
        return {**super().graph(pm), "c": self.c.variable(pm, "c")}

    def natural(self, draws: Params, rows: ContractRows, days_per_unit: float) -> dict[str, np.ndarray]:
        """The paper's gamma, delta and c from the model's variables; they have no unit."""
        return {**super().natural(draws, rows, days_per_unit), "c": draws["c"]}
