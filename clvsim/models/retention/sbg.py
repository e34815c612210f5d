"""Shifted Beta-Geometric: at each renewal a contract ends with a probability of the customer's own, always the same.

Fader & Hardie 2007, "How to project customer retention", Journal of Interactive Marketing 21(1), 76-90, doi
10.1002/dir.20074. Formulas: `clvsim.models.retention.contracts`; assumptions and priors: docs/models/sbg.md.
"""

from typing import ClassVar, Literal

import numpy as np

from clvsim.models.laws import LifeLaw, Params
from clvsim.models.retention.contracts import ContractModel
from clvsim.models.retention.survival import Contracts


class Sbg(ContractModel):
    """sBG: contracts that end at a renewal with a chance of each customer's own.

    The chance is always the same, theta ~ Beta(alpha, beta). Settings and priors: see `ContractModel`.
    """

    SYMBOLS: ClassVar[tuple[str, str]] = ("alpha", "beta")
    kind: Literal["sbg"] = "sbg"

    def laws_given_dead(self, params: Params, histories: Contracts, days_per_unit: float) -> LifeLaw:
        """theta ~ Beta(alpha + 1, beta + n) of contracts that ended instead of renewal n + 1; see `ContractModel`."""
        alpha = np.asarray(params["alpha"], np.float64) + 1
        law = self.laws({**params, "alpha": alpha}, histories, days_per_unit)
        return law._replace(
            p_alive=np.ones_like(law.drop_a),
            next_opportunity_days=np.full(histories.renewals.size, self.interval_days),
        )
